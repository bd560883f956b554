/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/accept.h"

#include <apr_strings.h>

#include "base/json.h"
#include "gate/presented.h"
#include "gate/provider.h"
#include "jose/jwt.h"
#include "oidc/access_token.h"
#include "oidc/introspect.h"

/* A token on its way to a verdict. */
typedef struct judging {
    const gate_request *q;
    const gate_settings *s;
    gate_world *w;
    gate_span token;
    gate_method method;
    gate_presented presented;
    gate_presented stale; /* where OIDCGateCache stale= is set: for the time after */
    gate_span identity;   /* for the store */
    gate_tokens tokens;
    apr_int64_t expires; /* 0: the token does not say */
    const char *detail;
} judging;

/* Which client a token was given to, under the names that providers use. */
static gate_span client_of(const json_t *claims)
{
    static const char *const names[] = {"client_id", "azp", "cid"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const gate_span client = gate_json_text(claims, names[i]);

        if (client.len)
            return client;
    }
    return (gate_span){NULL, 0};
}

static gate_reason encode(judging *j, const json_t *claims)
{
    const gate_claim_set set = {GATE_SOURCE_ACCESS_TOKEN, claims};
    const gate_span client = client_of(claims), subject = gate_json_text(claims, "sub");
    const gate_identity_facts facts = {
        .method = (int)j->method,
        .issuer = gate_span_of(j->s->realm.issuer),
        .subject = subject,
        .client_id = client,
        .expires = j->expires,
        /* RFC 9700 section 4.15: a client is no user, even where their names are alike. */
        .is_client = j->method == GATE_METHOD_CLIENT_CREDENTIALS ||
                     (client.ptr && (!subject.ptr || gate_span_equal(subject, client))),
    };

    return gate_identity_make(j->q->pool, &facts, &set, 1, &j->identity);
}

static gate_reason judge_jwt(judging *j)
{
    const gate_access_token_want want = {
        .issuer = j->s->realm.issuer,
        .audiences = j->s->audiences,
        .now = j->q->now,
        .skew = j->s->skew,
        .is_strict = j->s->strict_tokens,
    };
    gate_jwt *jwt;
    gate_reason reason =
        gate_jwt_read(j->q->pool, j->token, j->s->algorithms & GATE_ALGS_ASYMMETRIC, &jwt);

    gate_trace_add(j->q->trace, "the token's form and algorithm", NULL, reason, NULL);
    if (reason == GATE_OK) {
        reason = gate_provider_verify(j->q, j->w, j->s->provider, jwt, &j->detail);
        gate_trace_add(j->q->trace, "signature", NULL, reason, j->detail);
    }
    if (reason == GATE_OK) {
        reason = gate_access_token_check(j->q->pool, jwt, &want, &j->expires, &j->detail);
        gate_trace_add(j->q->trace, "kind, issuer, audience and times", NULL, reason, j->detail);
    }
    j->tokens.access_expires = j->expires;
    return reason == GATE_OK ? encode(j, jwt->claims) : reason;
}

/* What can be seen without asking: a signature that is wrong, a time that is over. All else is the
 * provider's to say. */
static gate_reason glance(judging *j)
{
    gate_jwt *jwt;
    gate_reason reason;

    if (!gate_jwt_looks_like(j->token) ||
        gate_jwt_read(j->q->pool, j->token, j->s->algorithms & GATE_ALGS_ASYMMETRIC, &jwt) !=
            GATE_OK)
        return GATE_OK;
    reason = gate_provider_verify_offline(j->q, j->w, j->s->provider, jwt);
    gate_trace_add(j->q->trace, "signature, with the keys at hand", NULL, reason, NULL);
    if (reason == GATE_OK) {
        reason = gate_jwt_check_times(jwt->claims, j->q->now, j->s->skew, NULL);
        return reason == GATE_TOKEN_EXPIRED || reason == GATE_TOKEN_NOT_YET_VALID ? reason
                                                                                  : GATE_OK;
    }
    return reason == GATE_BAD_SIGNATURE ? reason : GATE_OK;
}

static gate_reason introspect(judging *j)
{
    const gate_introspection_want want = {
        .issuer = j->s->realm.issuer,
        .audiences = j->s->audiences,
        .now = j->q->now,
        .skew = j->s->skew,
    };
    const json_t *claims;
    gate_answer answer;
    gate_form *form = gate_introspection_form(j->q->pool, j->token, j->s->introspection_params);
    gate_reason reason = gate_provider_post(j->q, j->w, j->s, GATE_ENDPOINT_INTROSPECTION, form,
                                            &answer, &j->detail);

    if (reason == GATE_OK)
        reason =
            gate_introspection_read(j->q->pool, &answer, &want, &claims, &j->expires, &j->detail);
    gate_trace_add(j->q->trace, "introspection", NULL, reason, j->detail);
    if (reason != GATE_OK)
        return reason;
    j->tokens.introspection = answer.body;
    j->tokens.access_expires = j->expires;
    return encode(j, claims);
}

/* A verdict about the token itself, and not about a provider that could not be asked. */
static bool is_verdict(gate_reason reason)
{
    return gate_reason_get(reason)->status == 401;
}

/* The provider could not be asked, or has not answered. That our own store fails is no such thing.
 */
static bool is_away(gate_reason reason)
{
    return gate_reason_get(reason)->status == 503 && reason != GATE_STORE_UNAVAILABLE;
}

/* Remembers it as good for so long, and never past its own end. */
static void file_good(const judging *j, const gate_presented *presented, int seconds)
{
    apr_int64_t until = j->q->now + seconds;

    if (j->expires && j->expires < until)
        until = j->expires;
    gate_presented_good(j->q, j->w, presented, j->identity, j->s->needs ? &j->tokens : NULL, until);
}

/* Before the provider is asked: what it says may have to be taken down there. */
static bool make_stale(judging *j)
{
    const gate_span parts[] = {GATE_SPAN("stale token"), j->token};

    return !j->s->cache.stale || gate_presented_make(&j->stale, j->s, j->w, parts, 2);
}

/* A second record, for the time after, while the provider is away. */
static void file_stale(const judging *j, gate_reason reason)
{
    if (!j->s->cache.stale)
        return;
    if (reason == GATE_OK)
        file_good(j, &j->stale, j->s->cache.introspection + j->s->cache.stale);
    else
        gate_presented_forget(j->q, j->w, &j->stale);
}

static void file_introspected(const judging *j, gate_reason reason)
{
    const int seconds = j->s->cache.introspection;

    if (reason != GATE_OK && !is_verdict(reason))
        return;
    file_stale(j, reason);
    if (reason == GATE_OK)
        file_good(j, &j->presented, seconds);
    else if (seconds)
        gate_presented_bad(j->q, j->s, j->w, &j->presented, reason);
}

static gate_reason introspect_and_file(void *context)
{
    judging *j = context;
    const gate_reason reason = introspect(j);

    file_introspected(j, reason);
    return reason;
}

static gate_decision admit(const judging *j, const gate_identity *identity,
                           const gate_tokens *tokens, const char *cache)
{
    return (gate_decision){
        .verb = GATE_ADMIT,
        .status = 200,
        .known = true,
        .method = j->method,
        .identity = identity,
        .tokens = tokens,
        .cache = cache,
    };
}

/* On introspection, the provider's refusal of *our* call may mean that this very client was
 * deactivated: the caller gets 401, the administrator an error line. */
static gate_decision refuse(const judging *j, gate_reason reason, const char *cache)
{
    gate_decision decision = gate_refuse(reason, j->detail);

    if (reason == GATE_IDP_REJECTED_GATEWAY && j->method == GATE_METHOD_INTROSPECTION) {
        decision.verb = GATE_CHALLENGE;
        decision.status = 401;
        decision.told = GATE_TOKEN_INACTIVE;
    }
    decision.method = j->method;
    decision.cache = cache;
    return decision;
}

/* Which method takes a token of this kind. False: none. */
static bool choose_method(const gate_settings *s, gate_span token, gate_method *method)
{
    const bool introspects = s->methods & 1u << GATE_METHOD_INTROSPECTION;
    const bool verifies = s->methods & 1u << GATE_METHOD_BEARER;
    const bool is_jwt = gate_jwt_looks_like(token);

    *method = introspects && (!is_jwt || s->introspect_all) ? GATE_METHOD_INTROSPECTION
                                                            : GATE_METHOD_BEARER;
    return *method == GATE_METHOD_INTROSPECTION || (verifies && is_jwt);
}

/* What was judged before. False: it must be judged now. */
static bool recall(judging *j, const char *cache, gate_decision *decision)
{
    const gate_identity *identity;
    gate_tokens *tokens = apr_pmemdup(j->q->pool, &j->tokens, sizeof *tokens);
    gate_reason reason;
    uint64_t version;

    switch (gate_presented_find(j->q, j->s, j->w, &j->presented, &identity, tokens, &version,
                                &reason)) {
    case GATE_PRESENTED_GOOD:
        j->method = (gate_method)gate_identity_method(identity);
        *decision = admit(j, identity, tokens, cache);
        decision->basis = gate_presented_basis(&j->presented, version);
        return true;
    case GATE_PRESENTED_BAD:
        choose_method(j->s, j->token, &j->method);
        *decision = refuse(j, reason, cache);
        return true;
    case GATE_PRESENTED_UNSURE:
        choose_method(j->s, j->token, &j->method);
        *decision = gate_refuse(GATE_STORE_UNAVAILABLE, NULL);
        return true;
    default:
        return false;
    }
}

/* What was good until a moment ago, where the provider cannot say whether it still is. */
static bool recall_stale(judging *j, gate_decision *decision)
{
    const gate_identity *identity;
    gate_tokens *tokens = apr_pmemdup(j->q->pool, &j->tokens, sizeof *tokens);
    gate_reason reason;
    uint64_t version;

    if (!j->s->cache.stale || gate_presented_find(j->q, j->s, j->w, &j->stale, &identity, tokens,
                                                  &version, &reason) != GATE_PRESENTED_GOOD)
        return false;
    *decision = admit(j, identity, tokens, "stale");
    decision->detail = j->detail;
    return true;
}

static gate_reason judge_by_introspection(judging *j, bool cached)
{
    const gate_reason reason = make_stale(j) ? glance(j) : GATE_INTERNAL;

    if (reason != GATE_OK)
        return reason;
    return cached
               ? gate_presented_judge_once(j->q, j->s, j->w, &j->presented, introspect_and_file, j)
               : gate_presented_judge_each(j->q, j->s, j->w, &j->presented, introspect_and_file, j);
}

static gate_reason judge_by_keys(judging *j, bool cached)
{
    const gate_reason reason = judge_jwt(j);

    if (cached && reason == GATE_OK)
        file_good(j, &j->presented, j->s->cache.token);
    return reason;
}

static gate_decision judge(judging *j, bool cached)
{
    const bool introspects = j->method == GATE_METHOD_INTROSPECTION;
    const gate_reason reason =
        introspects ? judge_by_introspection(j, cached) : judge_by_keys(j, cached);
    gate_decision decision;

    if (introspects && is_away(reason) && recall_stale(j, &decision))
        return decision;
    if (reason != GATE_OK)
        return refuse(j, reason, cached ? "miss" : "off");
    if (!j->identity.ptr) /* another request judged it while this one waited */
        return recall(j, "shared", &decision)
                   ? decision
                   : gate_refuse(GATE_STORE_UNAVAILABLE, "a verdict was lost");
    return admit(j, gate_identity_open(j->identity),
                 apr_pmemdup(j->q->pool, &j->tokens, sizeof j->tokens), cached ? "miss" : "off");
}

static gate_decision say(const judging *j, gate_decision decision)
{
    gate_trace_add(j->q->trace, "verdict", decision.cache, decision.reason, decision.detail);
    decision.filed_under = (gate_filed_under){true, j->presented.lock.filed_under};
    return decision;
}

gate_decision gate_accept(const gate_request *q, const gate_settings *s, gate_world *w,
                          gate_span token)
{
    judging j = {.q = q, .s = s, .w = w, .token = token, .tokens = {.access_token = token}};
    const gate_span parts[] = {GATE_SPAN("token"), token};
    gate_decision decision;

    if (!gate_presented_make(&j.presented, s, w, parts, 2))
        return gate_refuse(GATE_INTERNAL, "no digest");
    /* What was judged before need not be looked at: not even whether it is a JWT. */
    if ((s->cache.introspection > 0 || s->cache.token > 0) && recall(&j, "hit", &decision)) {
        gate_trace_add(q->trace, "method", gate_method_name(j.method), GATE_OK, NULL);
        return say(&j, decision);
    }
    if (!choose_method(s, token, &j.method))
        return gate_refuse(GATE_MALFORMED_TOKEN,
                           "no method of this place takes a token of that form");
    gate_trace_add(q->trace, "method", gate_method_name(j.method), GATE_OK, NULL);
    decision = judge(
        &j, (j.method == GATE_METHOD_INTROSPECTION ? s->cache.introspection : s->cache.token) > 0);
    return say(&j, decision);
}

gate_reason gate_accept_verify(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_span token, gate_span *identity, apr_int64_t *expires,
                               const char **detail)
{
    judging j = {.q = q, .s = s, .w = w, .token = token, .method = GATE_METHOD_CLIENT_CREDENTIALS};
    const gate_reason reason = judge_jwt(&j);

    *identity = j.identity;
    *expires = j.expires;
    *detail = j.detail;
    return reason;
}
