/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/presented.h"

#include "gate/flight.h"
#include "gate/provider.h"

bool gate_presented_make(gate_presented *presented, const gate_settings *s, const gate_world *w,
                         const gate_span *parts, int count)
{
    enum { MOST = 8 };
    gate_span all[MOST] = {
        GATE_SPAN("presented"),
        {(const char *)s->accept_fingerprint.bytes, GATE_DIGEST_BYTES},
        {(const char *)&s->cache,
         sizeof s->cache}, /* what one place may keep longer, another may not */
    };

    if (count > MOST - 3)
        return false;
    memcpy(all + 3, parts, (size_t)count * sizeof *parts);
    /* Both where it is filed and what opens it come from the credential and the server's own
     * secret: whoever reads the store cannot even guess at a client's secret. */
    presented->guessed_at = NULL;
    presented->lock.realm = &s->accept_fingerprint;
    return gate_place_of(&presented->lock.filed_under, &presented->lock.key, &w->keys[0], all,
                         (size_t)count + 3);
}

static gate_reason reason_in(gate_span value)
{
    return value.len == 1 && (unsigned char)value.ptr[0] < GATE_REASON_COUNT
               ? (gate_reason)(unsigned char)value.ptr[0]
               : GATE_INTERNAL;
}

static gate_presented_answer find_bad(const gate_request *q, const gate_settings *s, gate_world *w,
                                      const gate_presented *presented, gate_reason *reason)
{
    gate_record record;

    if (s->cache.negative == 0)
        return GATE_PRESENTED_UNKNOWN;
    switch (w->store->get(w->store, GATE_STORE_NEGATIVE, &presented->lock.filed_under, q->now,
                          q->pool, &record)) {
    case GATE_STORE_DONE:
        *reason = reason_in(record.value);
        return GATE_PRESENTED_BAD;
    case GATE_STORE_ABSENT:
        return GATE_PRESENTED_UNKNOWN;
    default:
        return GATE_PRESENTED_UNSURE;
    }
}

gate_presented_answer gate_presented_find(const gate_request *q, const gate_settings *s,
                                          gate_world *w, const gate_presented *presented,
                                          const gate_identity **identity, gate_tokens *tokens,
                                          uint64_t *version, gate_reason *reason)
{
    const gate_store_key *key = &presented->lock.filed_under;
    gate_store *store = w->store;
    gate_record record;
    const gate_store_answer found =
        s->needs ? store->get(store, GATE_STORE_TOKEN, key, q->now, q->pool, &record)
                 : store->front(store, GATE_STORE_TOKEN, key, q->now, q->pool, &record);

    switch (found) {
    case GATE_STORE_DONE:
        break;
    case GATE_STORE_ABSENT:
        return find_bad(q, s, w, presented, reason);
    default:
        return GATE_PRESENTED_UNSURE;
    }
    if (gate_record_identity(q->pool, &presented->lock, record.value, identity) != GATE_OK)
        return store->get(store, GATE_STORE_TOKEN, key, q->now, q->pool, &record) ==
                       GATE_STORE_UNSURE
                   ? GATE_PRESENTED_UNSURE
                   : GATE_PRESENTED_UNKNOWN;
    if (s->needs && gate_record_tokens(q->pool, &presented->lock, record.value, tokens) != GATE_OK)
        return GATE_PRESENTED_UNKNOWN;
    *version = record.version;
    return GATE_PRESENTED_GOOD;
}

void gate_presented_good(const gate_request *q, gate_world *w, const gate_presented *presented,
                         gate_span identity, const gate_tokens *tokens, apr_int64_t expires)
{
    gate_entry entry = {.expires = expires};

    if (expires <= q->now ||
        !gate_record_seal(q->pool, w, &presented->lock, NULL, identity, tokens, &entry.value))
        return;
    entry.front = gate_record_front(entry.value);
    w->store->put(w->store, GATE_STORE_TOKEN, &presented->lock.filed_under, q->now, &entry, NULL);
}

void gate_presented_forget(const gate_request *q, gate_world *w, const gate_presented *presented)
{
    const gate_entry nothing = {.value = GATE_SPAN(""), .expires = q->now + 1};
    gate_store *store = w->store;

    if (store->drop(store, GATE_STORE_TOKEN, &presented->lock.filed_under, q->now) ==
        GATE_STORE_UNSURE) /* at least it shall not open any more */
        store->put(store, GATE_STORE_TOKEN, &presented->lock.filed_under, q->now, &nothing, NULL);
}

void gate_presented_bad(const gate_request *q, const gate_settings *s, gate_world *w,
                        const gate_presented *presented, gate_reason reason)
{
    const char byte = (char)reason;
    const gate_entry entry = {.value = {&byte, 1}, .expires = q->now + s->cache.negative};

    if (s->cache.negative)
        w->store->put(w->store, GATE_STORE_NEGATIVE, &presented->lock.filed_under, q->now, &entry,
                      NULL);
}

/* Who waits, looks for what the leader filed. */
typedef struct waiting {
    const gate_request *q;
    const gate_settings *s;
    gate_world *w;
    const gate_presented *presented;
} waiting;

static bool landed(void *context)
{
    const waiting *look = context;
    const gate_identity *identity;
    gate_tokens tokens;
    gate_reason reason;
    uint64_t version;

    switch (gate_presented_find(look->q, look->s, look->w, look->presented, &identity, &tokens,
                                &version, &reason)) {
    case GATE_PRESENTED_GOOD:
    case GATE_PRESENTED_BAD:
        return true;
    default:
        return false;
    }
}

static bool may_ask(const gate_request *q, const gate_settings *s, gate_world *w,
                    const gate_presented *presented)
{
    /* All together come last, so that what one client or one address is refused does not count
     * against others. */
    return (!presented->guessed_at ||
            w->may_ask(w->limit_context, presented->guessed_at, q->now, s->limit_address, 0)) &&
           w->may_ask(w->limit_context, q->address, q->now, s->limit_address, s->limit_total);
}

/* How long a credential has a good name after the last time that it had to be judged; seconds. */
#define GOOD_NAME_SECONDS 300

static apr_int64_t good_name_until(const gate_request *q, const gate_settings *s)
{
    const int kept =
        s->cache.introspection > s->cache.token ? s->cache.introspection : s->cache.token;

    return q->now + kept + GOOD_NAME_SECONDS;
}

gate_reason gate_presented_judge_each(const gate_request *q, const gate_settings *s, gate_world *w,
                                      const gate_presented *presented,
                                      gate_reason (*judge)(void *context), void *context)
{
    const gate_entry mark = {.value = GATE_SPAN(""), .expires = good_name_until(q, s)};
    gate_store *store = w->store;
    gate_store_key key;
    gate_record record;
    gate_reason reason;
    bool was_good;

    gate_place_beside(&key, &presented->lock.filed_under, "was good");
    was_good =
        store->get(store, GATE_STORE_TOKEN, &key, q->now, q->pool, &record) == GATE_STORE_DONE;
    if (!was_good && !may_ask(q, s, w, presented))
        return GATE_RATE_LIMITED;
    reason = judge(context);
    if (reason == GATE_OK && !was_good)
        store->put(store, GATE_STORE_TOKEN, &key, q->now, &mark, NULL);
    else if (was_good && gate_reason_get(reason)->status == 401)
        store->drop(store, GATE_STORE_TOKEN, &key, q->now);
    return reason;
}

/* How long those who come just after a failed attempt fail with it; seconds. */
#define REMEMBER_FAILURE_SECONDS 1

gate_reason gate_presented_judge_once(const gate_request *q, const gate_settings *s, gate_world *w,
                                      const gate_presented *presented,
                                      gate_reason (*judge)(void *context), void *context)
{
    waiting look = {.q = q, .s = s, .w = w, .presented = presented};
    const int patience = gate_provider_says(s->provider)->limits.total_ms / 1000 + 1;
    const gate_span parts[] = {
        GATE_SPAN("judge"),
        {(const char *)presented->lock.filed_under.bytes, GATE_DIGEST_BYTES},
    };
    const gate_flight_plan plan = {
        .kind = GATE_STORE_LEASE,
        .parts = parts,
        .count = 2,
        .lease_seconds = patience,
        .wait_seconds = patience,
        .crowd = gate_provider_crowd(s->provider),
        .landed = landed,
        .context = &look,
    };
    gate_flight flight;
    gate_reason reason;

    switch (gate_flight_join(&flight, q, w, &plan, &reason)) {
    case GATE_FLIGHT_LANDED:
        return GATE_OK;
    case GATE_FLIGHT_LEAD:
        reason = gate_presented_judge_each(q, s, w, presented, judge, context);
        gate_flight_end(&flight, gate_reason_get(reason)->status >= 500 ? reason : GATE_OK,
                        REMEMBER_FAILURE_SECONDS);
        return reason;
    default:
        return reason;
    }
}
