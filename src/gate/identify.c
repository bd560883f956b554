/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/identify.h"

#include "base/json.h"
#include "gate/provider.h"
#include "oidc/detail.h"
#include "jose/jwt.h"
#include "oidc/id_token.h"
#include "oidc/userinfo.h"

/* The ID token of a login may be as old as the login itself may take. */
#define ID_TOKEN_MAX_AGE_SECONDS 600

#define SCOPE_SHOWN_BYTES 64

/* What is being put together: the task at hand. */
typedef struct task {
    const gate_request *q;
    const gate_settings *s;
    gate_world *w;
    const gate_identify_want *want;
    gate_tokens *tokens;
    const json_t *claims[GATE_SOURCE_COUNT]; /* NULL where a source has nothing */
    gate_span subject, session_id;
    bool is_vouched_for; /* the access token: the provider has signed what it is */
    const char **detail;
} task;

gate_reason gate_identify_read(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_span text, gate_jwt **jwt, const char **detail)
{
    const gate_jwk *secret;
    gate_reason reason = gate_jwt_read(q->pool, text, s->algorithms, jwt);

    if (reason != GATE_OK)
        return reason;
    if (!(GATE_ALG_BIT((*jwt)->alg) & GATE_ALGS_SYMMETRIC))
        return gate_provider_verify(q, w, s->provider, *jwt, detail);
    secret = gate_jwk_secret(q->pool, s->client.secret);
    return secret ? gate_jwt_verify_secret(*jwt, secret) : GATE_BAD_ALG;
}

static gate_reason check_id_token(task *t, gate_span text, gate_jwt **jwt)
{
    const gate_settings *s = t->s;
    bool vouches = false;
    const gate_id_token_want want = {
        .issuer = s->realm.issuer,
        .client_id = s->realm.client_id,
        .nonce = t->want->nonce,
        .access_token = t->tokens->access_token,
        .vouches = &vouches,
        /* The provider took its time: the token may be younger than the request. */
        .now = t->w->clock(),
        .skew = s->skew,
        .max_age = t->want->max_age,
        .max_iat_age = ID_TOKEN_MAX_AGE_SECONDS,
    };
    gate_reason reason = gate_identify_read(t->q, s, t->w, text, jwt, t->detail);

    if (reason == GATE_OK)
        reason = gate_id_token_check(t->q->pool, *jwt, &want, t->detail);
    /* What is signed with the client's own secret, the client could have signed. */
    t->is_vouched_for = vouches && GATE_ALG_BIT((*jwt)->alg) & GATE_ALGS_ASYMMETRIC;
    return reason;
}

/* The claims of a token that was checked when it was filed. */
static const json_t *claims_again(const task *t, gate_span text)
{
    gate_jwt *jwt;

    if (gate_jwt_read(t->q->pool, text, GATE_ALGS_ASYMMETRIC | GATE_ALGS_SYMMETRIC, &jwt) !=
        GATE_OK)
        return NULL;
    return jwt->claims;
}

/* OIDC Core section 12.2: a renewed ID token need not have the nonce of the login; where it has
 * one, it is that. */
static bool is_same_nonce(const task *t, const json_t *claims)
{
    const json_t *nonce = json_object_get(claims, "nonce"), *before;

    if (!nonce || !t->want->before)
        return true;
    before = json_object_get(claims_again(t, t->want->before->id_token), "nonce");
    return !before || json_equal(before, nonce);
}

static gate_reason take_id_token(task *t, gate_span text)
{
    gate_jwt *jwt;

    if (!text.ptr) {
        if (!t->want->before) {
            *t->detail = "the token endpoint sent no ID token; is openid among the scopes?";
            return GATE_IDP_ERROR;
        }
        t->tokens->id_token = t->want->before->id_token;
        t->claims[GATE_SOURCE_ID_TOKEN] = claims_again(t, t->tokens->id_token);
    } else {
        gate_reason reason = check_id_token(t, text, &jwt);

        if (reason != GATE_OK)
            return reason;
        if (!is_same_nonce(t, jwt->claims))
            return GATE_NONCE_MISMATCH;
        t->tokens->id_token = text;
        gate_json_seconds(jwt->claims, "exp", &t->tokens->id_expires);
        t->claims[GATE_SOURCE_ID_TOKEN] = jwt->claims;
    }
    t->subject = gate_json_text(t->claims[GATE_SOURCE_ID_TOKEN], "sub");
    t->session_id = gate_json_text(t->claims[GATE_SOURCE_ID_TOKEN], "sid");
    if (!t->session_id.ptr) /* by what the login said, it can still be ended */
        t->session_id = t->want->session_id;
    /* OIDC Core section 12.2: a renewed ID token speaks of the same person. */
    if (!t->subject.ptr || (t->want->before && !gate_span_equal(t->subject, t->want->subject)))
        return GATE_SUBJECT_MISMATCH;
    return GATE_OK;
}

static gate_reason take_userinfo(task *t)
{
    const char *endpoint;
    gate_question question;
    gate_answer answer;
    gate_reason reason;

    if (!t->s->userinfo_at_login)
        return GATE_OK;
    reason = gate_provider_endpoint(t->q, t->w, t->s->provider, GATE_ENDPOINT_USERINFO, &endpoint,
                                    t->detail);
    if (reason != GATE_OK)
        return reason;
    question = gate_userinfo_ask(t->q->pool, endpoint, t->tokens->access_token);
    reason = gate_provider_ask(t->q, t->w, t->s->provider, GATE_ENDPOINT_USERINFO, &question,
                               &answer, t->detail);
    if (reason == GATE_OK)
        reason = gate_userinfo_read(t->q->pool, &answer, t->subject,
                                    &t->claims[GATE_SOURCE_USERINFO], t->detail);
    if (reason == GATE_OK)
        t->tokens->userinfo = gate_json_compact(t->q->pool, t->claims[GATE_SOURCE_USERINFO]);
    return reason;
}

/* Whether these are the bytes that this provider has signed. Where the ID token that came along,
 * whose own signature and claims have been checked, has an at_hash that was compared with this very
 * text, that one signature is over both: nobody makes another text of that hash (half of SHA-256 or
 * longer, 128 bits), or finds one, without the provider's key. So OIDC Core section 3.1.3.8 has a
 * client check it. It still must name a key that the provider publishes: a token that is signed
 * with another is meant for others to read. In all other cases (no at_hash, a renewal without an ID
 * token, an ID token under the client's secret) its own signature counts. */
static bool is_genuine(const task *t, const gate_jwt *jwt)
{
    const char *detail = NULL;

    return (t->is_vouched_for && gate_provider_has_key(t->q, t->s->provider, jwt)) ||
           gate_provider_verify(t->q, t->w, t->s->provider, jwt, &detail) == GATE_OK;
}

/* The access token is somebody else's to read, and often opaque. Where it is a JWT that this
 * provider signed, its claims count; where not, it is no fault. */
static void take_access_token(task *t)
{
    const gate_settings *s = t->s;
    gate_jwt *jwt;
    bool wanted = false;

    for (int i = 0; i < s->source_count; i++)
        wanted |= s->sources[i] == GATE_SOURCE_ACCESS_TOKEN;
    if (!wanted || !gate_jwt_looks_like(t->tokens->access_token) ||
        gate_jwt_read(t->q->pool, t->tokens->access_token, s->algorithms & GATE_ALGS_ASYMMETRIC,
                      &jwt) != GATE_OK ||
        !gate_span_is(gate_json_text(jwt->claims, "iss"), s->realm.issuer) || !is_genuine(t, jwt) ||
        gate_jwt_check_times(jwt->claims, t->w->clock(), s->skew, NULL) != GATE_OK)
        return;
    t->claims[GATE_SOURCE_ACCESS_TOKEN] = jwt->claims;
}

static gate_reason encode(task *t, gate_span scope, gate_span *identity)
{
    const gate_settings *s = t->s;
    const gate_identity_facts facts = {
        .method = GATE_METHOD_CODE,
        .issuer = gate_span_of(s->realm.issuer),
        .subject = t->subject,
        .client_id = gate_span_of(s->realm.client_id),
        .scope = scope.ptr ? scope : t->want->scope, /* RFC 6749 sections 5.1 and 6 */
        .session_id = t->session_id,
        /* Believed until it can be renewed; where it cannot, as long as the session lives. */
        .expires = t->tokens->refresh_token.ptr ? t->tokens->renew_at : 0,
    };
    gate_claim_set sets[GATE_SOURCE_COUNT];
    int count = 0;

    for (int i = 0; i < s->source_count; i++) {
        if (t->claims[s->sources[i]])
            sets[count++] = (gate_claim_set){s->sources[i], t->claims[s->sources[i]]};
    }
    return gate_identity_make(t->q->pool, &facts, sets, count, identity);
}

/* RFC 6749 section 6: a renewal grants what was granted before, or less of it. */
static gate_reason check_scope(const task *t, gate_span scope)
{
    gate_span word;

    if (!t->want->before || !gate_scope_is_wider(scope, t->want->scope, &word))
        return GATE_OK;
    gate_detail(t->q->pool, t->detail,
                "the renewed tokens have the scope %s, which was not granted",
                gate_detail_words(t->q->pool, word, SCOPE_SHOWN_BYTES));
    return GATE_IDP_UNSUITABLE;
}

gate_reason gate_identify(const gate_request *q, const gate_settings *s, gate_world *w,
                          const gate_token_set *set, const gate_identify_want *want,
                          gate_span *identity, gate_tokens *tokens, const char **detail)
{
    task t = {.q = q, .s = s, .w = w, .want = want, .tokens = tokens, .detail = detail};
    gate_reason reason;

    *tokens = (gate_tokens){
        .access_token = set->access_token,
        .refresh_token = set->refresh_token,
        .access_expires = set->expires,
        /* Renewed when a fifth of its life is left: early enough not to fail in the backend, late
           enough to be worth it. */
        .renew_at = set->expires ? set->expires - (set->expires - q->now) / 5 : 0,
    };
    if (want->before && !set->refresh_token.ptr) /* RFC 6749 section 6: the old one goes on */
        tokens->refresh_token = want->before->refresh_token;
    reason = check_scope(&t, set->scope);
    if (reason == GATE_OK)
        reason = take_id_token(&t, set->id_token);
    if (reason == GATE_OK)
        reason = take_userinfo(&t);
    if (reason != GATE_OK)
        return reason;
    take_access_token(&t);
    return encode(&t, set->scope, identity);
}
