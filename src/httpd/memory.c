/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/memory.h"

#include "ap_mpm.h"

#include "gate/decide.h"
#include "httpd/config.h"
#include "httpd/runtime.h"

/* A thread answers one request at a time, but for whom it answers changes. */
#define PLACES_PER_THREAD 32
#define MIN_PLACES        64
#define MAX_PLACES        1024

/* The process's; NULL where there is no memory for it. What is found on it is copied into the
 * request, which may go on, and be logged, when others have taken the place. Nothing on it opens
 * anything: neither a cookie nor a token is kept, but its keyed hash. */
static gate_shelf *shelf;

void gate_memory_child(apr_pool_t *pchild, server_rec *main_server)
{
    int threads = 1, places;

    if (!gate_config_options()->used)
        return;
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    places = threads < MAX_PLACES / PLACES_PER_THREAD ? threads * PLACES_PER_THREAD : MAX_PLACES;
    shelf = gate_shelf_make((unsigned)(places > MIN_PLACES ? places : MIN_PLACES));
}

/* The parts of a request find what was decided for the whole. */
static bool is_first_look(const request_rec *r)
{
    return !r->main && !r->prev;
}

/* Where it comes to, and what it brings. A place is known by the sections that made it: its
 * settings may be those of one request alone. */
gate_memory_key gate_memory_key_of(request_rec *r, const gate_request *q, const gate_settings *s)
{
    enum { PLACE = 2 };
    gate_memory_key key = {.is_made = false};
    gate_span parts[PLACE + GATE_BROUGHT_PARTS] = {
        {(const char *)&s->site, sizeof s->site},
        gate_span_of(s->name),
    };

    if (!shelf || !is_first_look(r) || !gate_decide_brought(q, s, key.brought))
        return key;
    memcpy(parts + PLACE, key.brought, sizeof key.brought);
    key.is_made = gate_shelf_name_of(shelf, &key.name, parts, sizeof parts / sizeof *parts);
    return key;
}

/* --- what is kept: one block, in which everything is found by its distance from the beginning ---
 */

/* The identity follows, and those texts that are not in it. */
typedef struct kept {
    gate_decision decision; /* without its pointers */
    gate_digest session;
    bool has_session;
    bool is_cached; /* it comes from what is known of a token */
    uint32_t identity, user;
    uint32_t told[]; /* of each that the state has; 0: it is left out */
} kept;

#define ALIGNMENT 8 /* the identity's */

static size_t place_of_identity(const gate_settings *s)
{
    const size_t end = sizeof(kept) + gate_told_count(s) * sizeof(uint32_t);

    return (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Most texts are claims as they are: those are in the identity already. How far from its beginning;
 * else no less than it is long. */
static size_t place_within(gate_span identity, const char *text)
{
    return (uintptr_t)text - (uintptr_t)identity.ptr;
}

/* What a text takes beside the identity. */
static size_t size_beside(gate_span identity, const char *text)
{
    return text && place_within(identity, text) >= identity.len ? strlen(text) + 1 : 0;
}

static size_t size_of(const gate_state *state)
{
    const gate_span identity = gate_identity_bytes(state->decision.identity);
    size_t size = place_of_identity(state->settings) + identity.len;

    for (size_t i = 0; i < gate_told_count(state->settings); i++)
        size += size_beside(identity, state->told[i]);
    return size + size_beside(identity, state->user);
}

/* A block that has the identity already, and grows. */
typedef struct draft {
    char *bytes;
    size_t len;
    gate_span identity; /* as it is now, */
    size_t identity_at; /* and where it is in the block */
} draft;

/* How far from the beginning the text is from now on. */
static uint32_t add(draft *d, const char *text)
{
    const size_t within = place_within(d->identity, text);
    size_t len, at = d->len;

    if (!text)
        return 0;
    if (within < d->identity.len)
        return (uint32_t)(d->identity_at + within);
    len = strlen(text) + 1;
    memcpy(d->bytes + at, text, len);
    d->len += len;
    return (uint32_t)at;
}

/* The decision, with nothing in it that points anywhere: tokens and texts for the log are not there
 * where it repeats. */
static void take_decision(kept *k, const gate_decision *decision)
{
    k->decision = *decision;
    k->decision.identity = NULL;
    k->decision.tokens = NULL;
    k->decision.session = NULL;
    k->decision.cache = NULL;
    k->is_cached = decision->cache;
    k->has_session = decision->session;
    if (decision->session)
        k->session = *decision->session;
}

static gate_span pack(apr_pool_t *p, size_t size, const gate_state *state)
{
    const gate_span identity = gate_identity_bytes(state->decision.identity);
    const size_t at = place_of_identity(state->settings);
    kept *k = apr_palloc(p, size);
    draft d = {(char *)k, at + identity.len, identity, at};

    take_decision(k, &state->decision);
    memcpy(d.bytes + at, identity.ptr, identity.len);
    k->identity = (uint32_t)at;
    k->user = add(&d, state->user);
    for (size_t i = 0; i < gate_told_count(state->settings); i++)
        k->told[i] = add(&d, state->told[i]);
    return (gate_span){d.bytes, d.len};
}

static void unpack_decision(gate_decision *decision, const kept *k, const char *block)
{
    *decision = k->decision;
    decision->identity = (const gate_identity *)(const void *)(block + k->identity);
    decision->session = k->has_session ? &k->session : NULL;
    decision->cache = k->is_cached ? "hit" : NULL;
}

static const char *const *unpack_told(apr_pool_t *p, const kept *k, size_t count)
{
    const char **told = apr_palloc(p, count * sizeof *told);

    for (size_t i = 0; i < count; i++)
        told[i] = k->told[i] ? (const char *)k + k->told[i] : NULL;
    return told;
}

/* --- what is done with it --- */

bool gate_memory_recall(const gate_memory_key *key, const gate_request *q, gate_state *state)
{
    gate_span block;
    const kept *k;

    if (!key->is_made || !gate_shelf_find(shelf, &key->name, q->now, q->pool, &block))
        return false;
    k = (const kept *)(const void *)block.ptr;
    unpack_decision(&state->decision, k, block.ptr);
    if (!gate_decide_again(q, state->settings, gate_runtime_world(), &state->decision)) {
        gate_shelf_drop(shelf, &key->name);
        state->decision = (gate_decision){.verb = GATE_FAIL, .reason = GATE_INTERNAL};
        return false;
    }
    state->user = block.ptr + k->user;
    state->told = unpack_told(q->pool, k, gate_told_count(state->settings));
    return true;
}

void gate_memory_keep(const gate_memory_key *key, const gate_request *q, const gate_state *state)
{
    size_t size;

    if (!key->is_made || !gate_decide_repeats(state->settings, &state->decision))
        return;
    size = size_of(state);
    if (size <= GATE_SHELF_BLOCK_BYTES)
        gate_shelf_put(shelf, &key->name, q->now, pack(q->pool, size, state));
}
