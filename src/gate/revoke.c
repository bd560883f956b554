/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/revoke.h"

#include "base/pack.h"

/* How often a record is tried that others write at the same time. */
#define TURNS 8

bool gate_owner_of(const gate_world *w, int i, gate_span issuer, gate_span subject,
                   gate_owner *owner)
{
    const gate_span parts[] = {GATE_SPAN("owner"), issuer, subject};
    gate_digest digest;

    if (!gate_keyed_digest_of(&digest, &w->keys[i], parts, 3))
        return false;
    memcpy(owner->bytes, digest.bytes, sizeof owner->bytes);
    return true;
}

static bool file_under(const gate_world *w, int i, const gate_ending *ending, gate_store_key *key)
{
    const gate_span nobody = {NULL, 0};
    const gate_span parts[] = {
        GATE_SPAN("ended"),
        gate_span_of(ending->issuer),
        ending->session_id,
        ending->session_id.ptr ? nobody : ending->subject,
    };

    return gate_keyed_digest_of(key, &w->keys[i], parts, 4);
}

/* --- ending --- */

/* As long as any session that there is could live. */
static apr_int64_t keep_until(const gate_world *w, apr_int64_t since)
{
    const apr_int64_t latest = w->store->latest(w->store, GATE_STORE_SESSION);

    return latest > since + GATE_REVOCATION_SECONDS ? latest : since + GATE_REVOCATION_SECONDS;
}

/* Writes the time, or the later one that others wrote meanwhile. */
static gate_store_answer note(const gate_request *q, gate_world *w, const gate_store_key *key,
                              apr_int64_t since, apr_int64_t until)
{
    gate_store *store = w->store;
    gate_entry entry = {.value = {(const char *)&since, sizeof since}, .expires = until};
    gate_store_answer answer;
    gate_record before;
    apr_int64_t noted;

    answer = store->get(store, GATE_STORE_REVOCATION, key, since, q->pool, &before);
    if (answer == GATE_STORE_ABSENT)
        return store->add(store, GATE_STORE_REVOCATION, key, since, &entry, NULL);
    if (answer != GATE_STORE_DONE)
        return answer;
    if (gate_pack_number(before.value, &noted) && noted > since)
        since = noted;
    if (before.expires > entry.expires)
        entry.expires = before.expires;
    return store->replace(store, GATE_STORE_REVOCATION, key, since, &entry, before.version, NULL);
}

/* A login that finishes at this moment either finds the record, or is seen here by the time until
 * which its session could live. */
gate_reason gate_revoke(const gate_request *q, gate_world *w, const gate_ending *ending,
                        apr_int64_t *since)
{
    const apr_int64_t clock = w->clock();
    /* A clock that goes back, or cannot be read, must not leave out who came before. */
    const apr_int64_t now = clock > q->now ? clock : q->now;
    gate_store_key key;

    if (since)
        *since = now;
    if (!file_under(w, 0, ending, &key))
        return GATE_INTERNAL;
    for (int turn = 0; turn < TURNS; turn++) {
        const apr_int64_t until = keep_until(w, now);

        switch (note(q, w, &key, now, until)) {
        case GATE_STORE_DONE:
            if (keep_until(w, now) <= until)
                return GATE_OK;
            break;
        case GATE_STORE_CONFLICT:
        case GATE_STORE_ABSENT:
            break;
        default:
            return GATE_STORE_UNAVAILABLE;
        }
    }
    return GATE_STORE_UNAVAILABLE;
}

/* --- looking --- */

static gate_reason look(const gate_request *q, gate_world *w, const gate_store_key *key,
                        apr_int64_t created)
{
    gate_record record;
    apr_int64_t since;

    switch (w->store->get(w->store, GATE_STORE_REVOCATION, key, q->now, q->pool, &record)) {
    case GATE_STORE_DONE:
        return gate_pack_number(record.value, &since) && since < created ? GATE_OK
                                                                         : GATE_SESSION_EXPIRED;
    case GATE_STORE_ABSENT:
        return GATE_OK;
    default:
        return GATE_STORE_UNAVAILABLE;
    }
}

/* By all the ways in which it may have been ended, with all keys: it may have been done before the
 * key was changed. False where OpenSSL fails. */
static bool name_endings(const gate_request *q, const gate_world *w, const gate_identity *identity,
                         gate_endings *endings)
{
    const char *issuer = gate_span_dup(q->pool, gate_identity_issuer(identity));
    const gate_ending ways[] = {
        {.issuer = NULL},
        {.issuer = issuer, .subject = gate_identity_subject(identity)},
        {.issuer = issuer, .session_id = gate_identity_session_id(identity)},
    };
    const int count = ways[2].session_id.len ? 3 : 2;
    const int most = (int)(sizeof endings->keys / sizeof *endings->keys);

    for (int i = 0; i < w->key_count * count; i++) {
        if (i == most || !file_under(w, i / count, &ways[i % count], &endings->keys[i]))
            return false;
    }
    endings->count = w->key_count * count;
    return true;
}

static gate_reason look_everywhere(const gate_request *q, gate_world *w,
                                   const gate_endings *endings, const gate_record *record)
{
    gate_reason reason = GATE_OK;

    for (int i = 0; i < endings->count && reason == GATE_OK; i++)
        reason = look(q, w, &endings->keys[i], record->created);
    return reason;
}

/* Whether the session began under a key that is still known. If not, what ended it may have been
 * written under that key too, and cannot be found any more. */
static bool is_of_known_key(gate_world *w, const gate_identity *identity, const gate_record *record)
{
    for (int i = 0; i < w->key_count; i++) {
        gate_owner owner;

        if (gate_owner_of(w, i, gate_identity_issuer(identity), gate_identity_subject(identity),
                          &owner) &&
            gate_record_is_of(record->value, &owner))
            return true;
    }
    return false;
}

/* Whether nobody's sessions were ended so lately that it matters. */
static bool is_quiet(const gate_request *q, gate_world *w)
{
    return q->now >= w->store->latest(w->store, GATE_STORE_REVOCATION);
}

gate_reason gate_revoked(const gate_request *q, gate_world *w, const gate_identity *identity,
                         const gate_record *record, gate_endings *endings)
{
    endings->count = 0;
    if (is_quiet(q, w))
        return GATE_OK;
    if (!is_of_known_key(w, identity, record))
        return GATE_SESSION_EXPIRED;
    return name_endings(q, w, identity, endings) ? look_everywhere(q, w, endings, record)
                                                 : GATE_INTERNAL;
}

gate_reason gate_revoked_since(const gate_request *q, gate_world *w, const gate_endings *endings,
                               const gate_record *record)
{
    if (is_quiet(q, w))
        return GATE_OK;
    return endings->count ? look_everywhere(q, w, endings, record) : GATE_SESSION_EXPIRED;
}

gate_reason gate_revoked_with_all(const gate_request *q, gate_world *w, const gate_record *record,
                                  apr_int64_t *since)
{
    const gate_ending all = {.issuer = NULL};

    *since = 0;
    for (int i = 0; i < w->key_count; i++) {
        gate_store_key key;
        gate_record ended;
        apr_int64_t noted;

        if (!file_under(w, i, &all, &key))
            return GATE_INTERNAL;
        switch (w->store->get(w->store, GATE_STORE_REVOCATION, &key, q->now, q->pool, &ended)) {
        case GATE_STORE_DONE:
            if (gate_pack_number(ended.value, &noted) && noted >= record->created && noted > *since)
                *since = noted;
            break;
        case GATE_STORE_ABSENT:
            break;
        default:
            return GATE_STORE_UNAVAILABLE;
        }
    }
    return GATE_OK;
}
