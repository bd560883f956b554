/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/filed.h"

#include <apr_lib.h>

#include "gate/revoke.h"

static bool name_with(char *name, const gate_key *key, const gate_store_key *under)
{
    const gate_span parts[] = {GATE_SPAN("filed"), {(const char *)under->bytes, GATE_DIGEST_BYTES}};
    static const char hex[] = "0123456789abcdef";
    gate_digest digest;

    if (!gate_keyed_digest_of(&digest, key, parts, 2))
        return false;
    for (int i = 0; i < GATE_FILED_NAME_CHARS; i++)
        name[i] = hex[digest.bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return true;
}

const char *gate_filed_name(apr_pool_t *p, const gate_world *w, const gate_store_key *under)
{
    char *name = apr_pcalloc(p, GATE_FILED_NAME_CHARS + 1);

    return name_with(name, &w->keys[0], under) ? name : NULL;
}

/* --- looking for it --- */

typedef struct search {
    const gate_world *w;
    gate_span name;
    gate_filed *filed;
} search;

/* By each of the keys: the line may be older than the newest. */
static bool is_meant(const search *s, const gate_store_key *under)
{
    char name[GATE_FILED_NAME_CHARS];

    for (int i = 0; i < s->w->key_count; i++) {
        if (name_with(name, &s->w->keys[i], under) && !memcmp(name, s->name.ptr, sizeof name))
            return true;
    }
    return false;
}

static gate_reason reason_in(const gate_record *record)
{
    return record->value.len == 1 && (unsigned char)record->value.ptr[0] < GATE_REASON_COUNT
               ? (gate_reason)(unsigned char)record->value.ptr[0]
               : GATE_INTERNAL;
}

static bool visit(void *context, const gate_store_key *key, const gate_record *record)
{
    search *s = context;

    if (!is_meant(s, key))
        return true;
    s->filed->is_found = true;
    s->filed->record = *record;
    if (s->filed->kind == GATE_STORE_NEGATIVE)
        s->filed->reason = reason_in(record);
    s->filed->record.value = (gate_span){NULL, 0};
    return false;
}

static bool is_name(gate_span name)
{
    if (name.len != GATE_FILED_NAME_CHARS)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!apr_isdigit(name.ptr[i]) && (name.ptr[i] < 'a' || name.ptr[i] > 'f'))
            return false;
    }
    return true;
}

gate_reason gate_filed_find(const gate_request *q, gate_world *w, gate_span name, gate_filed *filed)
{
    static const gate_store_kind kinds[] = {GATE_STORE_SESSION, GATE_STORE_TOKEN,
                                            GATE_STORE_NEGATIVE};
    search s = {.w = w, .name = name, .filed = filed};

    *filed = (gate_filed){.is_found = false};
    if (!is_name(name))
        return GATE_MALFORMED_REQUEST;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !filed->is_found; i++) {
        filed->kind = kinds[i];
        if (w->store->each(w->store, kinds[i], q->now, visit, &s) != GATE_STORE_DONE)
            return GATE_STORE_UNAVAILABLE;
    }
    if (!filed->is_found || filed->kind != GATE_STORE_SESSION)
        return GATE_OK;
    return gate_revoked_with_all(q, w, &filed->record, &filed->all_ended_at);
}
