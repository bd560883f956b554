/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* world_provider.h - a strict OpenID provider without a network: it keeps count, and answers
 * wrongly where a test wants that */
#ifndef WORLD_PROVIDER_H
#define WORLD_PROVIDER_H

#include <apr_strings.h>

#include "base/json.h"
#include "base/message.h"
#include "base/reason.h"
#include "claims.h"
#include "io/fetch.h"
#include "oidc/authorize.h"
#include "sign.h"

#define OP_UNUSED __attribute__((unused))
#define OP_LOGINS 64
#define OP_TOKENS 256

typedef enum op_endpoint {
    OP_DISCOVERY,
    OP_JWKS,
    OP_TOKEN,
    OP_INTROSPECTION,
    OP_USERINFO,
    OP_REVOCATION,
    OP_PAR,
    OP_ENDPOINTS
} op_endpoint;

static const char *const op_paths[OP_ENDPOINTS] = {
    "/.well-known/openid-configuration", "/jwks", "/token", "/introspect", "/userinfo", "/revoke", "/par",
};

/* How one endpoint behaves. */
typedef struct op_behaviour {
    int calls;
    gate_reason outage; /* what the network says in place of an answer; GATE_OK: nothing */
    bool acts_first;    /* the outage comes after the provider did what it was asked */
    int status;         /* answered in place of what is right, with body; 0: what is right */
    const char *body;
    int seconds;          /* that it takes */
    void (*during)(void); /* runs while it is asked */
    const char *form;     /* the last question's; NULL for a GET */
    const char *authorization;
} op_behaviour;

/* A login between the authorization endpoint and the token endpoint. The code is its place in the
 * list. */
typedef struct op_login {
    gate_span client_id, redirect_uri, nonce, challenge;
    bool is_redeemed;
    int sent; /* how often the code came */
} op_login;

typedef struct op_refresh_token {
    int sent;
    bool is_used; /* it has been taken, and another one given for it */
} op_refresh_token;

static struct op {
    apr_pool_t *pool;
    apr_int64_t (*clock)(void);
    void (*wait)(int seconds);
    op_behaviour at[OP_ENDPOINTS];

    EVP_PKEY *key;
    const char *kid;
    const char *metadata_at;   /* the path where metadata are; NULL: as of old */
    int nothing_there;         /* calls to where there is nothing */
    const char *metadata_more; /* members beside the usual ones, each with a comma in front */
    const char *claims_more;   /* of every token and of userinfo, the same */
    claim_change changes[4];   /* to an ID token's claims */
    const char *(*mint)(
        apr_pool_t *p, const char *claims); /* an ID token in a way of its own; NULL: as is right */
    const char *scope;                      /* granted; NULL: not said */
    int expires_in;                         /* 0: not said */
    bool gives_jwts;                        /* access tokens are JWTs */
    bool no_refresh_tokens, no_id_token_at_refresh, keeps_refresh_tokens;
    bool grant_is_over; /* no refresh token is taken any more */
    const char *subject;

    op_login logins[OP_LOGINS];
    int login_count;
    const char *pushed[OP_LOGINS]; /* requests, by the number in their request_uri */
    int pushed_count;
    op_refresh_token refresh_tokens[OP_TOKENS];
    int refresh_token_count, access_token_count;
    int reuses; /* refresh tokens that came again after they had been used */
} op;

static OP_UNUSED void op_begin(apr_pool_t *p, apr_int64_t (*clock)(void), void (*wait)(int seconds),
                               EVP_PKEY *key)
{
    memset(&op, 0, sizeof op);
    op.pool = p;
    op.clock = clock;
    op.wait = wait;
    op.key = key;
    op.kid = "k1";
    op.metadata_more = op.claims_more = "";
    op.expires_in = 300;
    op.subject = "alice";
}

/* --- what it publishes --- */

static const char *op_metadata(const char *issuer)
{
    return apr_psprintf(
        op.pool,
        "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/authorize\",\"token_endpoint\":\"%s/"
        "token\","
        "\"jwks_uri\":\"%s/jwks\",\"userinfo_endpoint\":\"%s/userinfo\","
        "\"introspection_endpoint\":\"%s/introspect\",\"revocation_endpoint\":\"%s/revoke\","
        "\"end_session_endpoint\":\"%s/end\"%s}",
        issuer, issuer, issuer, issuer, issuer, issuer, issuer, issuer, op.metadata_more);
}

static const char *op_alg(void)
{
    return EVP_PKEY_is_a(op.key, "ED25519") ? "EdDSA" : "ES256";
}

static const char *op_jwks(void)
{
    return apr_pstrcat(op.pool, "{\"keys\":[", sign_public_jwk(op.pool, op.key, op.kid, op_alg()),
                       "]}", NULL);
}

/* --- tokens --- */

static const char *op_sign(const char *typ, const char *claims)
{
    const char *header = apr_psprintf(
        op.pool, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"%s\"}", op_alg(), op.kid, typ);

    return sign_jwt(op.pool, op.key, op_alg(), header, claims);
}

/* An access token of that kind, made here or put into a test's hand. */
static OP_UNUSED const char *op_jwt(const char *issuer, const char *members)
{
    const apr_int64_t now = op.clock();

    return op_sign("at+jwt", apr_psprintf(op.pool,
                                          "{\"iss\":\"%s\",\"iat\":%" APR_INT64_T_FMT
                                          ",\"exp\":%" APR_INT64_T_FMT ",\"jti\":\"%d\"%s%s}",
                                          issuer, now, now + (op.expires_in ? op.expires_in : 300),
                                          ++op.access_token_count, members, op.claims_more));
}

static const char *op_access_token(const char *issuer, const char *client)
{
    if (!op.gives_jwts)
        return apr_psprintf(op.pool, "at-%d", ++op.access_token_count);
    return op_jwt(issuer,
                  apr_psprintf(op.pool,
                               ",\"sub\":\"%s\",\"client_id\":\"%s\",\"aud\":\"api://default\"",
                               op.subject, client));
}

static const char *op_id_token(const char *issuer, gate_span client, gate_span nonce)
{
    const apr_int64_t now = op.clock();
    const char *good =
        apr_psprintf(op.pool,
                     "{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%.*s\",\"iat\":%" APR_INT64_T_FMT
                     ",\"exp\":%" APR_INT64_T_FMT ",\"sid\":\"sid-1\"%s%.*s%s%s}",
                     issuer, op.subject, (int)client.len, client.ptr, now, now + 300,
                     nonce.ptr ? ",\"nonce\":\"" : "", (int)nonce.len, nonce.ptr ? nonce.ptr : "",
                     nonce.ptr ? "\"" : "", op.claims_more);
    json_t *claims = claims_with(op.pool, good, op.changes, sizeof op.changes / sizeof *op.changes);
    const char *text = gate_json_compact(op.pool, claims).ptr;

    return op.mint ? op.mint(op.pool, text) : op_sign("JWT", text);
}

static const char *op_new_refresh_token(void)
{
    sign_must(op.refresh_token_count < OP_TOKENS, "the provider has no more refresh tokens");
    return apr_psprintf(op.pool, "rt-%d", op.refresh_token_count++);
}

/* --- the token endpoint --- */

static void op_answer(gate_answer *answer, int status, const char *body)
{
    *answer = (gate_answer){
        .status = status,
        .content_type = "application/json",
        .retry_after = -1,
        .body = gate_span_of(body),
    };
}

static const char *op_member(const char *name, const char *value)
{
    return value ? apr_psprintf(op.pool, ",\"%s\":\"%s\"", name, value) : "";
}

static void op_grant(gate_answer *answer, const char *access_token, const char *refresh_token,
                     const char *id_token)
{
    const char *expires =
        op.expires_in ? apr_psprintf(op.pool, ",\"expires_in\":%d", op.expires_in) : "";

    op_answer(
        answer, 200,
        apr_pstrcat(op.pool, "{\"token_type\":\"Bearer\"", op_member("access_token", access_token),
                    op_member("refresh_token", refresh_token), op_member("id_token", id_token),
                    op_member("scope", op.scope), expires, "}", NULL));
}

static void op_refuse(gate_answer *answer, int status, const char *error)
{
    op_answer(answer, status, apr_psprintf(op.pool, "{\"error\":\"%s\"}", error));
}

static void op_by_code(const char *issuer, gate_span client, const gate_form *form,
                       gate_answer *answer)
{
    const gate_span code = gate_form_get(form, "code");
    const gate_span verifier = gate_form_get(form, "code_verifier");
    apr_uint64_t number;
    op_login *login;

    if (!gate_span_starts(code, "code-") ||
        !gate_span_number((gate_span){code.ptr + 5, code.len - 5}, OP_LOGINS, &number) ||
        number >= (apr_uint64_t)op.login_count) {
        op_refuse(answer, 400, "invalid_grant");
        return;
    }
    login = &op.logins[number];
    login->sent++;
    if (login->is_redeemed || !gate_span_equal(login->client_id, client) ||
        !gate_span_equal(login->redirect_uri, gate_form_get(form, "redirect_uri")) ||
        !verifier.ptr ||
        !gate_span_is(login->challenge,
                      gate_pkce_challenge(op.pool, gate_span_dup(op.pool, verifier)))) {
        op_refuse(answer, 400, "invalid_grant");
        return;
    }
    login->is_redeemed = true;
    op_grant(answer, op_access_token(issuer, gate_span_dup(op.pool, client)),
             op.no_refresh_tokens ? NULL : op_new_refresh_token(),
             op_id_token(issuer, client, login->nonce));
}

static op_refresh_token *op_find_refresh_token(const gate_form *form)
{
    const gate_span text = gate_form_get(form, "refresh_token");
    apr_uint64_t number;

    if (!gate_span_starts(text, "rt-") ||
        !gate_span_number((gate_span){text.ptr + 3, text.len - 3}, OP_TOKENS, &number) ||
        number >= (apr_uint64_t)op.refresh_token_count)
        return NULL;
    return &op.refresh_tokens[number];
}

/* Whatever becomes of the question: it has left the gate. */
static void op_note_sent(const gate_form *form)
{
    op_refresh_token *token = op_find_refresh_token(form);

    if (token) {
        token->sent++;
        op.reuses += token->is_used;
    }
}

static void op_by_refresh_token(const char *issuer, gate_span client, const gate_form *form,
                                gate_answer *answer)
{
    op_refresh_token *token = op_find_refresh_token(form);

    if (!token || token->is_used || op.grant_is_over) {
        op_refuse(answer, 400, "invalid_grant");
        return;
    }
    token->is_used = !op.keeps_refresh_tokens;
    op_grant(answer, op_access_token(issuer, gate_span_dup(op.pool, client)),
             op.keeps_refresh_tokens ? NULL : op_new_refresh_token(),
             op.no_id_token_at_refresh ? NULL : op_id_token(issuer, client, (gate_span){NULL, 0}));
}

/* Clients are those whose secret is their id and "-secret", both form-encoded within Basic (RFC
 * 6749 section 2.3.1). */
static bool op_client(const char *authorization, gate_span *client)
{
    gate_span text, id, secret, decoded;
    gate_form *form;

    if (!authorization || strncmp(authorization, "Basic ", 6) ||
        !gate_base64_decode(op.pool, gate_span_of(authorization + 6), &text))
        return false;
    secret = text;
    if (!gate_span_cut(&secret, ':', &id) ||
        gate_form_parse(op.pool,
                        gate_span_of(apr_psprintf(op.pool, "id=%.*s&secret=%.*s", (int)id.len,
                                                  id.ptr, (int)secret.len, secret.ptr)),
                        2, &form) != GATE_OK)
        return false;
    *client = gate_form_get(form, "id");
    decoded = gate_form_get(form, "secret");
    return client->ptr &&
           gate_span_is(decoded,
                        apr_pstrcat(op.pool, gate_span_dup(op.pool, *client), "-secret", NULL));
}

static void op_token(const char *issuer, const gate_question *question, const gate_form *form,
                     gate_answer *answer)
{
    const gate_span grant = gate_form_get(form, "grant_type");
    gate_span client;

    if (!op_client(question->authorization, &client))
        op_refuse(answer, 401, "invalid_client");
    else if (gate_span_is(grant, "authorization_code"))
        op_by_code(issuer, client, form, answer);
    else if (gate_span_is(grant, "refresh_token"))
        op_by_refresh_token(issuer, client, form, answer);
    else if (gate_span_is(grant, "client_credentials"))
        op_grant(answer, op_access_token(issuer, gate_span_dup(op.pool, client)), NULL, NULL);
    else
        op_refuse(answer, 400, "unsupported_grant_type");
}

/* --- the endpoint for pushed requests --- */

static void op_push(const gate_question *question, const gate_form *form, gate_answer *answer)
{
    gate_span client;

    if (!op_client(question->authorization, &client) ||
        !gate_span_equal(client, gate_form_get(form, "client_id"))) {
        op_refuse(answer, 401, "invalid_client");
        return;
    }
    sign_must(op.pushed_count < OP_LOGINS, "the provider takes no more requests");
    op.pushed[op.pushed_count] = apr_pstrdup(op.pool, gate_form_text(form));
    op_answer(answer, 201,
              apr_psprintf(op.pool, "{\"request_uri\":\"urn:pushed:%d\",\"expires_in\":60}",
                           op.pushed_count++));
}

/* --- what it knows of tokens and people --- */

/* A token that begins with "good" is active. */
static void op_introspect(const char *issuer, const gate_form *form, gate_answer *answer)
{
    if (!gate_span_starts(gate_form_get(form, "token"), "good"))
        op_answer(answer, 200, "{\"active\":false}");
    else
        op_answer(answer, 200,
                  apr_psprintf(op.pool,
                               "{\"active\":true,\"iss\":\"%s\",\"aud\":\"api://default\","
                               "\"sub\":\"%s\",\"client_id\":\"c-app\",\"exp\":%" APR_INT64_T_FMT "%s}",
                               issuer, op.subject, op.clock() + 3600, op.claims_more));
}

static void op_userinfo(gate_answer *answer)
{
    op_answer(answer, 200,
              apr_psprintf(op.pool, "{\"sub\":\"%s\",\"nickname\":\"al\"%s}", op.subject,
                           op.claims_more));
}

/* --- as the gate sees it --- */

static void op_act(op_endpoint endpoint, const char *issuer, const gate_question *question,
                   const gate_form *form, gate_answer *answer)
{
    switch (endpoint) {
    case OP_DISCOVERY:
        op_answer(answer, 200, op_metadata(issuer));
        break;
    case OP_JWKS:
        op_answer(answer, 200, op_jwks());
        break;
    case OP_TOKEN:
        op_token(issuer, question, form, answer);
        break;
    case OP_INTROSPECTION:
        op_introspect(issuer, form, answer);
        break;
    case OP_USERINFO:
        op_userinfo(answer);
        break;
    case OP_PAR:
        op_push(question, form, answer);
        break;
    default:
        op_answer(answer, 200, "");
        break;
    }
}

static gate_reason op_serve(op_endpoint endpoint, const char *issuer, const gate_question *question,
                            gate_answer *answer)
{
    op_behaviour *at = &op.at[endpoint];
    void (*during)(void) = at->during;
    gate_form *form = gate_form_make(op.pool);

    if (question->form)
        gate_form_parse(op.pool, gate_span_of(gate_form_text(question->form)), 32, &form);
    at->calls++;
    at->form = question->form ? apr_pstrdup(op.pool, gate_form_text(question->form)) : NULL;
    at->authorization = apr_pstrdup(op.pool, question->authorization);
    at->during = NULL;
    if (during)
        during();
    op.wait(at->seconds);
    if (at->outage == GATE_IDP_UNREACHABLE)
        return at->outage;
    op_note_sent(form);
    if (at->acts_first || (!at->outage && !at->status))
        op_act(endpoint, issuer, question, form, answer);
    if (at->status)
        op_answer(answer, at->status, at->body ? at->body : "");
    return at->outage;
}

static OP_UNUSED gate_reason op_fetch(void *context, apr_pool_t *p, const gate_question *question,
                                      const gate_fetch_limits *limits, gate_answer *answer,
                                      const char **detail)
{
    gate_url url;
    const char *issuer;

    sign_must(gate_url_parse(gate_span_of(question->url), &url), question->url);
    issuer = gate_url_origin(op.pool, &url);
    for (int endpoint = 0; endpoint < OP_ENDPOINTS; endpoint++) {
        if (gate_span_is(url.path, endpoint == OP_DISCOVERY && op.metadata_at
                                       ? op.metadata_at
                                       : op_paths[endpoint])) {
            gate_answer made;
            gate_reason reason = op_serve((op_endpoint)endpoint, issuer, question, &made);

            if (reason == GATE_OK) {
                *answer = made;
                answer->body.ptr = apr_pstrmemdup(p, made.body.ptr, made.body.len);
            }
            return reason;
        }
    }
    op.nothing_there++;
    op_answer(answer, 404, "");
    return GATE_OK;
}

/* --- as the person sees it --- */

static gate_form *op_form(const char *text)
{
    gate_form *form;

    sign_must(gate_form_parse(op.pool, gate_span_of(apr_pstrdup(op.pool, text)), 32, &form) ==
                  GATE_OK,
              text);
    return form;
}

/* The request that a browser brings along, or that it names: once. */
static gate_form *op_requested(const char *query)
{
    gate_form *form = op_form(query);
    const gate_span name = gate_form_get(form, "request_uri");
    apr_uint64_t number;
    const char *pushed;

    if (!name.ptr)
        return form;
    sign_must(gate_span_starts(name, "urn:pushed:") &&
                  gate_span_number((gate_span){name.ptr + 11, name.len - 11}, OP_LOGINS - 1,
                                   &number) &&
                  op.pushed[number] && form->pairs->nelts == 2,
              query);
    pushed = op.pushed[number];
    op.pushed[number] = NULL;
    return op_form(pushed);
}

/* Signs in at the address that the browser was sent to: the query, or form, that it comes back
 * with. */
static OP_UNUSED const char *op_approve(const char *location)
{
    const char *query = location ? strchr(location, '?') : NULL;
    gate_form *form;
    gate_span state;

    sign_must(query && op.login_count < OP_LOGINS, "an address to sign in at");
    form = op_requested(query + 1);
    state = gate_form_get(form, "state");
    op.logins[op.login_count] = (op_login){
        .client_id = gate_form_get(form, "client_id"),
        .redirect_uri = gate_form_get(form, "redirect_uri"),
        .nonce = gate_form_get(form, "nonce"),
        .challenge = gate_form_get(form, "code_challenge"),
    };
    return apr_psprintf(op.pool, "code=code-%d&state=%s", op.login_count++,
                        gate_span_dup(op.pool, state));
}

/* How often any one refresh token was sent, at most. */
static OP_UNUSED int op_most_sent(void)
{
    int most = 0;

    for (int i = 0; i < op.refresh_token_count; i++)
        most = op.refresh_tokens[i].sent > most ? op.refresh_tokens[i].sent : most;
    return most;
}

static OP_UNUSED int op_calls(void)
{
    int calls = 0;

    for (int i = 0; i < OP_ENDPOINTS; i++)
        calls += op.at[i].calls;
    return calls;
}

#endif
