/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/renew.h"

#include "gate/flight.h"
#include "gate/identify.h"
#include "gate/provider.h"
#include "oidc/token.h"

/* What a renewal goes about with. */
typedef struct renewal {
    const gate_request *q;
    const gate_settings *s;
    gate_world *w;
    gate_session *session;
    gate_tokens *tokens;
    const char **detail;
    bool gone; /* the session was ended meanwhile */
} renewal;

/* Whether the old access token will still do. Where nothing needs it, it always will. */
static bool serves(const renewal *r)
{
    return !(r->s->needs & GATE_NEEDS_ACCESS_TOKEN) || r->q->now < r->tokens->access_expires;
}

/* Takes the record as it is now. True where it is another than ours and no renewal is under way:
 * then somebody has done the work. One that is marked is taken as well: whoever comes to lead must
 * know that its refresh token may have been sent. */
static bool landed(void *context)
{
    renewal *r = context;
    gate_store *store = r->w->store;
    gate_record record;
    gate_session newer = *r->session;

    switch (store->get(store, GATE_STORE_SESSION, &newer.lock.filed_under, r->w->clock(),
                       r->q->pool, &record)) {
    case GATE_STORE_DONE:
        break;
    case GATE_STORE_ABSENT:
        r->gone = true;
        return true;
    default:
        return false;
    }
    if (record.version == r->session->record.version)
        return false;
    newer.record = record;
    if (gate_record_identity(r->q->pool, &newer.lock, record.value, &newer.identity) != GATE_OK ||
        gate_record_tokens(r->q->pool, &newer.lock, record.value, r->tokens) != GATE_OK)
        return false;
    *r->session = newer;
    return !gate_record_marked(record.value);
}

/* Writes over the version that we know; what was ended meanwhile stays ended. */
static gate_reason rewrite(renewal *r, gate_span value)
{
    const gate_record *old = &r->session->record;
    const gate_entry entry = {
        .value = value,
        .front = gate_record_front(value),
        .expires = old->expires,
        .idle = old->idle,
    };
    gate_store *store = r->w->store;
    uint64_t version;

    switch (store->replace(store, GATE_STORE_SESSION, &r->session->lock.filed_under, r->w->clock(),
                           &entry, old->version, &version)) {
    case GATE_STORE_DONE:
        r->session->record.value = value;
        r->session->record.version = version;
        return GATE_OK;
    case GATE_STORE_ABSENT:
        return GATE_SESSION_EXPIRED;
    default: /* a conflict too: somebody else has changed it, and what holds now is the next
                request's to read */
        return GATE_STORE_UNAVAILABLE;
    }
}

/* The provider will not, or may not, take this refresh token again: the session is over. */
static gate_reason give_up(renewal *r)
{
    gate_session_end(r->q, r->w, r->session);
    return GATE_REFRESH_FAILED;
}

/* The provider's fault, now: it is away, or it refuses the gate itself. */
static bool is_outage(gate_reason reason)
{
    const int status = gate_reason_get(reason)->status;

    return (status == 503 || status == 502) && reason != GATE_STORE_UNAVAILABLE;
}

/* There are new tokens, and who they belong to cannot be learnt now: all stays as it was, but for
 * the refresh token, with which the next attempt is made. */
static gate_reason put_off(renewal *r, const gate_tokens *tokens, gate_reason reason)
{
    gate_tokens kept = *r->tokens;
    gate_reason written;
    gate_span value;

    kept.refresh_token = tokens->refresh_token;
    if (!gate_record_exchange_tokens(r->q->pool, r->w, &r->session->lock, r->session->record.value,
                                     &kept, &value))
        return GATE_INTERNAL;
    written = rewrite(r, value);
    return written == GATE_OK ? reason : written;
}

static gate_reason take(renewal *r, const gate_token_set *set)
{
    const gate_identify_want want = {
        .before = r->tokens,
        .subject = gate_identity_subject(r->session->identity),
        .session_id = gate_identity_session_id(r->session->identity),
        .scope = gate_identity_scope(r->session->identity),
    };
    gate_session next = *r->session;
    gate_tokens tokens;
    gate_span identity, value;
    gate_reason reason = gate_identify(r->q, r->s, r->w, set, &want, &identity, &tokens, r->detail);

    if (gate_reason_get(reason)->status == 503)
        return put_off(r, &tokens, reason);
    if (reason != GATE_OK)
        return give_up(r);
    if (!gate_session_seal(r->q, r->w, &next, identity, &tokens, &value))
        return GATE_INTERNAL;
    reason = rewrite(r, value);
    if (reason != GATE_OK)
        return reason;
    *r->tokens = tokens;
    r->session->identity = next.identity;
    return GATE_OK;
}

/* Whether the refresh token is certainly as good as before: it was never sent, or what came back is
 * no success. A proxy that answers for a provider behind it may be wrong about that; then the next
 * attempt finds out. */
static bool is_unspent(gate_reason reason, const gate_answer *answer)
{
    if (!answer->status)
        return reason == GATE_IDP_UNREACHABLE || reason == GATE_IDP_BUSY;
    return answer->status >= 300;
}

/* Whether the provider has understood, and does not renew. That it does not know the gate (any
 * more) says nothing of the session. */
static bool is_refusal(gate_reason reason)
{
    return reason == GATE_INVALID_GRANT || reason == GATE_UNAUTHORIZED_CLIENT ||
           reason == GATE_IDP_REJECTED_GATEWAY;
}

static gate_reason hear(renewal *r, gate_reason reason, const gate_answer *answer, gate_span before)
{
    gate_token_set set;

    if (reason == GATE_OK)
        reason = gate_token_read(r->q->pool, answer, r->w->clock(), &set, r->detail);
    if (reason == GATE_OK)
        return take(r, &set);
    if (is_refusal(reason))
        return give_up(r);
    if (is_unspent(reason, answer))
        rewrite(r, before);
    return reason == GATE_INVALID_CLIENT ? GATE_IDP_REJECTED_GATEWAY : reason;
}

/* Asks. The mark goes into the record before the question goes out: whoever finds it, and nobody at
 * work, knows that the refresh token may have been used. */
static gate_reason ask(renewal *r)
{
    const gate_span before = r->session->record.value;
    gate_form *form =
        gate_token_by_refresh(r->q->pool, r->tokens->refresh_token, r->s->token_params);
    gate_answer answer = {.status = 0};
    gate_question question;
    gate_span marked;
    gate_reason reason =
        gate_provider_question(r->q, r->w, r->s, GATE_ENDPOINT_TOKEN, form, &question, r->detail);

    if (reason != GATE_OK)
        return reason;
    if (!gate_record_mark(r->q->pool, before, r->q->now, &marked))
        return GATE_INTERNAL;
    reason = rewrite(r, marked);
    if (reason != GATE_OK)
        return reason;
    reason = gate_provider_ask(r->q, r->w, r->s->provider, GATE_ENDPOINT_TOKEN, &question, &answer,
                               r->detail);
    return hear(r, reason, &answer, before);
}

/* The leader's work. A mark is of one who died over it, or never heard the answer: what was known
 * is believed as long as the access token lives, and cannot be renewed. */
static gate_reason lead(renewal *r)
{
    if (!gate_record_marked(r->session->record.value))
        return ask(r);
    return r->q->now < r->tokens->access_expires ? GATE_OK : give_up(r);
}

/* How long a provider that could not be asked is left alone; seconds. */
#define RETRY_SECONDS 5

static gate_reason end(renewal *r, gate_flight *flight, gate_reason reason)
{
    gate_flight_end(flight, is_outage(reason) ? reason : GATE_OK, RETRY_SECONDS);
    return is_outage(reason) && serves(r) ? GATE_OK : reason;
}

/* A renewal asks at most for metadata (which may take two calls' time), tokens, keys and userinfo,
 * one after the other. Whoever took its lease before it is done would take it for dead, and end the
 * session. */
#define CALLS_AT_MOST 5

static gate_reason renew(const gate_request *q, const gate_settings *s, gate_world *w,
                         gate_session *session, gate_tokens *tokens, const char **detail)
{
    renewal r = {.q = q, .s = s, .w = w, .session = session, .tokens = tokens, .detail = detail};
    const int one_call = gate_provider_says(s->provider)->limits.total_ms / 1000 + 1;
    const gate_span parts[] = {
        GATE_SPAN("renew"),
        {(const char *)session->lock.filed_under.bytes, GATE_DIGEST_BYTES},
    };
    const gate_flight_plan plan = {
        .kind = GATE_STORE_DOCUMENT, /* what strangers can fill must not keep a session from being
                                        renewed */
        .parts = parts,
        .count = 2,
        .lease_seconds = CALLS_AT_MOST * one_call,
        .wait_seconds = serves(&r) ? 0 : one_call,
        .landed = landed,
        .context = &r,
    };
    gate_flight flight;
    gate_reason reason;

    switch (gate_flight_join(&flight, q, w, &plan, &reason)) {
    case GATE_FLIGHT_LANDED:
        return r.gone ? GATE_SESSION_EXPIRED : GATE_OK;
    case GATE_FLIGHT_LEAD:
        return end(&r, &flight, lead(&r));
    default:
        return serves(&r) ? GATE_OK : reason;
    }
}

/* A renewal takes its time, and the session may have been ended meanwhile: by the name that it had,
 * or has. */
gate_reason gate_session_renew(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_session *session, gate_tokens *tokens, const char **detail)
{
    const gate_session before = *session;
    gate_reason reason = renew(q, s, w, session, tokens, detail);

    if (reason == GATE_OK && !gate_span_equal(gate_identity_session_id(before.identity),
                                              gate_identity_session_id(session->identity))) {
        const gate_identity *now = session->identity;

        session->identity = before.identity;
        reason = gate_session_check(q, w, session);
        session->identity = now;
    }
    return reason == GATE_OK ? gate_session_check(q, w, session) : reason;
}
