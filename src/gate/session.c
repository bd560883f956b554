/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/session.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "base/cookie.h"
#include "gate/revoke.h"

/* A cookie is as many random bytes: the record is filed under the first half, in its realm, and all
 * of them are the key that opens it. So whoever reads the store lacks the second half. */
#define COOKIE_BYTES GATE_KEY_BYTES
#define ID_BYTES     16
#define COOKIE_CHARS 43 /* of base64url */

_Static_assert(COOKIE_BYTES >= 2 * ID_BYTES && GATE_DIGEST_BYTES == 2 * ID_BYTES,
               "as much of a cookie is secret as is not, and an id leaves room for its realm");

/* Nothing is computed: the bytes are random, and the box tells whether they are the right ones. */
static void use_cookie(const gate_settings *s, const char *bytes, gate_record_lock *lock)
{
    lock->realm = &s->realm.fingerprint;
    memcpy(lock->filed_under.bytes, bytes, ID_BYTES);
    memcpy(lock->filed_under.bytes + ID_BYTES, lock->realm->bytes, ID_BYTES);
    memcpy(lock->key.bytes, bytes, COOKIE_BYTES);
}

bool gate_session_cookie_find(const gate_request *q, const gate_settings *s, gate_span *value)
{
    gate_span header;

    if (q->brought) {
        *value = q->brought[0];
        return true;
    }
    header = gate_span_of(q->header(q, "Cookie"));
    *value = (gate_span){NULL, 0};
    return !header.ptr ||
           gate_cookie_find(header, gate_span_of(s->realm.cookie), value) != GATE_COOKIE_SEVERAL;
}

static gate_reason read_cookie(const gate_request *q, const gate_settings *s, gate_session *session)
{
    gate_span text, bytes;

    session->is_ours = false;
    if (!gate_session_cookie_find(q, s, &text))
        return GATE_SESSION_TAMPERED;
    if (!text.ptr)
        return GATE_NO_CREDENTIAL;
    if (text.len != COOKIE_CHARS || !gate_base64url_decode(q->pool, text, &bytes))
        return GATE_SESSION_TAMPERED;
    use_cookie(s, bytes.ptr, &session->lock);
    session->is_ours = true;
    return GATE_OK;
}

gate_reason gate_session_check(const gate_request *q, gate_world *w, gate_session *session)
{
    gate_reason reason = gate_revoked(q, w, session->identity, &session->record, &session->endings);

    if (reason == GATE_SESSION_EXPIRED) {
        gate_session_end(q, w, session);
        session->record.value = (gate_span){NULL, 0};
    }
    return reason;
}

/* Notes what was found in the store, and how old it is. */
static gate_reason trace_record(const gate_request *q, const gate_settings *s,
                                const gate_session *session, gate_reason reason)
{
    const char *seen = "nothing is filed: it has expired, or was ended, or never was";

    if (!q->trace)
        return reason;
    if (session->record.value.ptr)
        seen = apr_psprintf(q->pool,
                            "begun %" APR_INT64_T_FMT " s ago, seen %" APR_INT64_T_FMT
                            " s ago; idle=%d, and lifetime=%d here",
                            q->now - session->record.created, q->now - session->record.seen,
                            (int)session->record.idle, s->session.lifetime);
    gate_trace_add(q->trace, "session record", seen, reason, NULL);
    return reason;
}

static gate_reason fetch(const gate_request *q, gate_world *w, gate_session *session, bool is_front)
{
    gate_store *store = w->store;

    session->is_front = is_front;
    switch ((is_front ? store->front : store->get)(
        store, GATE_STORE_SESSION, &session->lock.filed_under, q->now, q->pool, &session->record)) {
    case GATE_STORE_DONE:
        return GATE_OK;
    case GATE_STORE_ABSENT:
        session->record.value = (gate_span){NULL, 0};
        return GATE_SESSION_EXPIRED;
    default:
        return GATE_STORE_UNAVAILABLE;
    }
}

static gate_reason open_identity(const gate_request *q, gate_session *session)
{
    return gate_record_identity(q->pool, &session->lock, session->record.value, &session->identity);
}

static gate_reason read_whole(const gate_request *q, gate_world *w, gate_session *session)
{
    const gate_reason reason = fetch(q, w, session, false);

    return reason == GATE_OK ? open_identity(q, session) : reason;
}

static gate_reason read_record(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_session *session)
{
    gate_reason reason = fetch(q, w, session, !s->needs);

    if (reason != GATE_OK)
        return reason;
    /* The place that is asked for may be stricter than the one where the session began. */
    if (q->now >= session->record.created + s->session.lifetime)
        return GATE_SESSION_EXPIRED;
    reason = open_identity(q, session);
    /* A front that does not open may be damaged: of the whole, the store can tell. */
    return reason == GATE_SESSION_TAMPERED && session->is_front ? read_whole(q, w, session)
                                                                : reason;
}

gate_reason gate_session_find(const gate_request *q, const gate_settings *s, gate_world *w,
                              gate_session *session)
{
    gate_reason reason = read_cookie(q, s, session);

    session->record = (gate_record){.version = 0};
    if (q->trace)
        gate_trace_add(q->trace, "session cookie", s->realm.cookie, reason, NULL);
    if (reason == GATE_OK)
        reason = trace_record(q, s, session, read_record(q, s, w, session));
    if (reason != GATE_OK)
        return reason;
    reason = gate_session_check(q, w, session);
    gate_trace_add(q->trace, "sessions ended by others", NULL, reason, NULL);
    return reason;
}

static const char *cookie_text(const gate_request *q, const gate_settings *s, const char *value,
                               int max_age)
{
    const gate_cookie cookie = {
        .name = s->realm.cookie,
        .value = value,
        .path = "/",
        .samesite = s->site->samesite,
        .max_age = max_age,
        .secure = s->site->secure,
    };

    return gate_cookie_text(q->pool, &cookie);
}

static gate_reason reason_of(gate_store_answer answer, gate_span value)
{
    switch (answer) {
    case GATE_STORE_DONE:
        return GATE_OK;
    case GATE_STORE_FULL:
        return value.len > GATE_STORE_MAX_VALUE ? GATE_SESSION_TOO_LARGE : GATE_SESSIONS_FULL;
    default:
        return GATE_STORE_UNAVAILABLE;
    }
}

bool gate_session_seal(const gate_request *q, gate_world *w, gate_session *session,
                       gate_span identity, const gate_tokens *tokens, gate_span *value)
{
    gate_owner owner;

    session->identity = gate_identity_open(identity);
    return session->identity &&
           gate_owner_of(w, 0, gate_identity_issuer(session->identity),
                         gate_identity_subject(session->identity), &owner) &&
           gate_record_seal(q->pool, w, &session->lock, &owner, identity, tokens, value);
}

static apr_int64_t end_of(const gate_request *q, const gate_settings *s, const gate_tokens *tokens)
{
    const apr_int64_t end = q->now + s->session.lifetime;

    return s->session.ends_with_id_token && tokens->id_expires < end ? tokens->id_expires : end;
}

/* Files what was sealed. Whoever was signed out while signing in is not signed in; nor is who would
 * not be any more behind the callback, and be sent to sign in again and again. */
static gate_reason file(const gate_request *q, const gate_settings *s, gate_world *w,
                        gate_session *session, apr_int64_t expires)
{
    const gate_entry entry = {
        .value = session->record.value,
        .front = gate_record_front(session->record.value),
        .expires = expires,
        .idle = s->session.idle,
    };
    gate_reason reason;

    if (expires <= w->clock())
        return GATE_TOKEN_EXPIRED;
    reason = reason_of(w->store->add(w->store, GATE_STORE_SESSION, &session->lock.filed_under,
                                     q->now, &entry, NULL),
                       entry.value);
    session->record.created = q->now;
    return reason == GATE_OK ? gate_session_check(q, w, session) : reason;
}

gate_reason gate_session_create(const gate_request *q, const gate_settings *s, gate_world *w,
                                gate_span identity, const gate_tokens *tokens, const char **cookie)
{
    gate_session session = {.record = {.version = 0}};
    char bytes[COOKIE_BYTES];
    gate_reason reason = GATE_INTERNAL;

    if (!w->random(bytes, sizeof bytes))
        return GATE_INTERNAL;
    use_cookie(s, bytes, &session.lock);
    if (gate_session_seal(q, w, &session, identity, tokens, &session.record.value)) {
        reason = file(q, s, w, &session, end_of(q, s, tokens));
        *cookie =
            cookie_text(q, s, gate_base64url_encode(q->pool, (gate_span){bytes, sizeof bytes}), -1);
    }
    gate_wipe(bytes, sizeof bytes);
    gate_wipe(&session.lock.key, sizeof session.lock.key);
    return reason;
}

gate_reason gate_session_end(const gate_request *q, gate_world *w, const gate_session *session)
{
    switch (w->store->drop(w->store, GATE_STORE_SESSION, &session->lock.filed_under, q->now)) {
    case GATE_STORE_DONE:
    case GATE_STORE_ABSENT:
        return GATE_OK;
    default:
        return GATE_STORE_UNAVAILABLE;
    }
}

const char *gate_session_cookie_end(const gate_request *q, const gate_settings *s)
{
    return cookie_text(q, s, "", 0);
}

/* A renewal by others since then has given it other tokens, and maybe another name to be ended by.
 */
static gate_reason read_rest(const gate_request *q, gate_world *w, gate_session *session)
{
    const uint64_t version = session->record.version;
    const gate_reason reason = read_whole(q, w, session);

    return reason == GATE_OK && session->record.version != version
               ? gate_session_check(q, w, session)
               : reason;
}

gate_reason gate_session_tokens(const gate_request *q, gate_world *w, gate_session *session,
                                gate_tokens *tokens)
{
    const gate_reason reason = session->is_front ? read_rest(q, w, session) : GATE_OK;

    return reason == GATE_OK
               ? gate_record_tokens(q->pool, &session->lock, session->record.value, tokens)
               : reason;
}
