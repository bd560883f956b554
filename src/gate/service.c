/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/service.h"

#include <apr_strings.h>

#include "gate/accept.h"
#include "gate/presented.h"
#include "gate/provider.h"
#include "jose/jwt.h"
#include "oidc/token.h"

/* A client on its way to a verdict. */
typedef struct serving {
    const gate_request *q;
    const gate_settings *s;
    gate_world *w;
    const gate_credential *credential;
    gate_presented presented;
    bool is_filed;      /* presented is made */
    gate_span identity; /* for the store */
    gate_tokens tokens;
    const char *detail;
} serving;

/* The token request, with the caller's credentials; how they are sent follows the configuration,
 * else the provider's metadata. */
static gate_reason ask(serving *v, gate_token_set *set)
{
    gate_settings theirs = *v->s;
    gate_form *form = gate_token_by_client_credentials(v->q->pool, v->s->client_credentials_scope,
                                                       v->s->token_params);
    gate_answer answer;
    gate_reason reason;

    theirs.client.id = v->credential->id;
    theirs.client.secret = v->credential->secret;
    if (theirs.client.method ==
        GATE_CLIENT_AUTH_NONE) /* the gate's own client may have no secret; this one has */
        theirs.client_auth_given = false;
    reason =
        gate_provider_post(v->q, v->w, &theirs, GATE_ENDPOINT_TOKEN, form, &answer, &v->detail);
    return reason == GATE_OK ? gate_token_read(v->q->pool, &answer, v->q->now, set, &v->detail)
                             : reason;
}

/* A token that nobody but its audience can read: all that is known is whose it is. */
static gate_reason know_client(serving *v)
{
    const gate_identity_facts facts = {
        .method = GATE_METHOD_CLIENT_CREDENTIALS,
        .issuer = gate_span_of(v->s->realm.issuer),
        .subject = v->credential->id,
        .client_id = v->credential->id,
        .expires = v->tokens.access_expires,
        .is_client = true,
    };

    return gate_identity_make(v->q->pool, &facts, NULL, 0, &v->identity);
}

/* What the provider gave is judged like any other token; if it is bad, that is no fault of the
 * caller. */
static gate_reason know(serving *v)
{
    apr_int64_t expires;
    gate_reason reason;

    if (!gate_jwt_looks_like(v->tokens.access_token))
        return know_client(v);
    reason = gate_accept_verify(v->q, v->s, v->w, v->tokens.access_token, &v->identity, &expires,
                                &v->detail);
    if (reason != GATE_OK)
        return gate_reason_get(reason)->status == 401 ? GATE_IDP_REJECTED_GATEWAY : reason;
    if (!v->tokens.access_expires || expires < v->tokens.access_expires)
        v->tokens.access_expires = expires;
    return GATE_OK;
}

static void file(serving *v, gate_reason reason)
{
    apr_int64_t until = v->q->now + v->s->cache.token;

    if (reason == GATE_OK) {
        if (v->tokens.access_expires < until) /* 0, not known, is never cached */
            until = v->tokens.access_expires;
        gate_presented_good(v->q, v->w, &v->presented, v->identity, &v->tokens, until);
    } else if (reason == GATE_INVALID_CLIENT || reason == GATE_UNAUTHORIZED_CLIENT) {
        gate_presented_bad(v->q, v->s, v->w, &v->presented, reason);
    }
}

static gate_reason exchange(void *context)
{
    serving *v = context;
    gate_token_set set;
    gate_reason reason = ask(v, &set);

    if (reason == GATE_OK) {
        v->tokens = (gate_tokens){.access_token = set.access_token, .access_expires = set.expires};
        reason = know(v);
    } else if (reason == GATE_INVALID_GRANT) { /* no answer to this grant: the provider
                                                  misunderstands the gate */
        reason = GATE_IDP_REJECTED_GATEWAY;
    }
    file(v, reason);
    return reason;
}

static gate_decision answer(const serving *v, gate_reason reason, const gate_identity *identity,
                            const gate_tokens *tokens, const char *cache)
{
    gate_decision decision = gate_refuse(reason, v->detail);

    decision.method = GATE_METHOD_CLIENT_CREDENTIALS;
    decision.cache = cache;
    gate_trace_add(v->q->trace, "client", cache, reason, v->detail);
    if (v->is_filed)
        decision.filed_under = (gate_filed_under){true, v->presented.lock.filed_under};
    if (reason != GATE_OK)
        return decision;
    decision.verb = GATE_ADMIT;
    decision.known = true;
    decision.identity = identity;
    decision.tokens = tokens;
    return decision;
}

static bool recall(serving *v, const char *cache, gate_decision *decision)
{
    const gate_identity *identity = NULL;
    gate_tokens *tokens = apr_pcalloc(v->q->pool, sizeof *tokens);
    gate_reason reason = GATE_OK;
    uint64_t version = 0;

    switch (gate_presented_find(v->q, v->s, v->w, &v->presented, &identity, tokens, &version,
                                &reason)) {
    case GATE_PRESENTED_GOOD:
    case GATE_PRESENTED_BAD:
        break;
    case GATE_PRESENTED_UNSURE:
        reason = GATE_STORE_UNAVAILABLE;
        break;
    default:
        return false;
    }
    *decision = answer(v, reason, identity, tokens, cache);
    decision->basis = gate_presented_basis(&v->presented, version);
    return true;
}

gate_decision gate_serve(const gate_request *q, const gate_settings *s, gate_world *w,
                         const gate_credential *credential)
{
    serving v = {.q = q, .s = s, .w = w, .credential = credential};
    const gate_span parts[] = {
        GATE_SPAN("client"),
        credential->id,
        credential->secret,
        gate_span_of(s->client_credentials_scope),
    };
    const bool cached = s->cache.token > 0;
    gate_decision decision;
    gate_reason reason;

    if (!credential->secret.len) /* an empty secret is none: nothing to ask the provider about */
        return answer(&v, GATE_INVALID_CLIENT, NULL, NULL, NULL);
    if (!gate_presented_make(&v.presented, s, w, parts, 4))
        return gate_refuse(GATE_INTERNAL, "no digest");
    v.is_filed = true;
    if (recall(&v, "hit", &decision))
        return decision;
    v.presented.guessed_at =
        apr_pstrcat(q->pool, "client ", gate_span_dup(q->pool, credential->id), NULL);
    reason = cached ? gate_presented_judge_once(q, s, w, &v.presented, exchange, &v)
                    : gate_presented_judge_each(q, s, w, &v.presented, exchange, &v);
    if (reason == GATE_OK && !v.identity.ptr)
        return recall(&v, "shared", &decision)
                   ? decision
                   : gate_refuse(GATE_STORE_UNAVAILABLE, "a verdict was lost");
    return answer(&v, reason, reason == GATE_OK ? gate_identity_open(v.identity) : NULL,
                  apr_pmemdup(q->pool, &v.tokens, sizeof v.tokens), cached ? "miss" : "off");
}
