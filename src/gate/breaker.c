/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/breaker.h"

/* What is filed: how often it failed in a row, and until when it is left alone. */
typedef struct tally {
    apr_int64_t failures;
    apr_int64_t open_until; /* seconds since 1970 */
} tally;

#define REMEMBER_SECONDS 60
#define MOST_TRIES       4 /* at writing what another request writes too */

bool gate_breaker_make(gate_breaker *breaker, const gate_digest *provider, gate_endpoint endpoint)
{
    const char number = (char)endpoint;
    const gate_span parts[] = {
        GATE_SPAN("breaker"),
        {(const char *)provider->bytes, GATE_DIGEST_BYTES},
        {&number, 1},
    };

    return gate_digest_of(&breaker->key, parts, 3);
}

/* The tally and its version; no failures and version 0 where there is none. */
static tally read_tally(const gate_breaker *breaker, const gate_request *q, gate_world *w,
                        uint64_t *version)
{
    tally found = {0, 0};
    gate_record record;

    *version = 0;
    if (w->store->get(w->store, GATE_STORE_DOCUMENT, &breaker->key, w->clock(), q->pool, &record) !=
            GATE_STORE_DONE ||
        record.value.len != sizeof found)
        return found;
    memcpy(&found, record.value.ptr, sizeof found);
    *version = record.version;
    return found;
}

/* Writes over that version alone, so that of many only one has done so. */
static gate_store_answer write_tally(const gate_breaker *breaker, gate_world *w, tally next,
                                     uint64_t version)
{
    const apr_int64_t now = w->clock();
    const gate_entry entry = {
        .value = {(const char *)&next, sizeof next},
        .expires = now + REMEMBER_SECONDS,
    };
    gate_store *store = w->store;

    return version ? store->replace(store, GATE_STORE_DOCUMENT, &breaker->key, now, &entry, version,
                                    NULL)
                   : store->add(store, GATE_STORE_DOCUMENT, &breaker->key, now, &entry, NULL);
}

bool gate_breaker_is_open(const gate_breaker *breaker, const gate_request *q, gate_world *w)
{
    uint64_t version;
    tally now_known = read_tally(breaker, q, w, &version);

    if (now_known.failures < GATE_BREAKER_FAILURES)
        return false;
    if (w->clock() < now_known.open_until)
        return true;
    now_known.open_until = w->clock() + GATE_BREAKER_SECONDS;
    return write_tally(breaker, w, now_known, version) != GATE_STORE_DONE;
}

gate_breaker_state gate_breaker_look(const gate_breaker *breaker, const gate_request *q,
                                     gate_world *w)
{
    uint64_t version;
    const tally known = read_tally(breaker, q, w, &version);

    if (known.failures < GATE_BREAKER_FAILURES)
        return GATE_BREAKER_CLOSED;
    return w->clock() < known.open_until ? GATE_BREAKER_OPEN : GATE_BREAKER_TRIES;
}

void gate_breaker_note(const gate_breaker *breaker, const gate_request *q, gate_world *w, bool good)
{
    gate_store_answer answer = GATE_STORE_CONFLICT;

    for (int i = 0; i < MOST_TRIES && answer == GATE_STORE_CONFLICT; i++) {
        uint64_t version;
        tally next = read_tally(breaker, q, w, &version);

        if (good) {
            if (version)
                w->store->drop(w->store, GATE_STORE_DOCUMENT, &breaker->key, w->clock());
            return;
        }
        next.failures++;
        next.open_until =
            next.failures >= GATE_BREAKER_FAILURES ? w->clock() + GATE_BREAKER_SECONDS : 0;
        answer = write_tally(breaker, w, next, version);
    }
}
