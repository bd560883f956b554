/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/logout.h"

#include "base/json.h"
#include "oidc/claim.h"
#include "oidc/detail.h"

const char *gate_end_session_url(apr_pool_t *p, const gate_end_session *request)
{
    gate_form *form = gate_form_make(p);
    if (request->id_token.ptr)
        gate_form_add(form, "id_token_hint", request->id_token);
    gate_form_add_text(form, "client_id", request->client_id);
    gate_form_add_text(form, "post_logout_redirect_uri", request->post_logout_redirect_uri);
    gate_form_add_text(form, "state", request->state);
    return gate_url_with_query(p, request->endpoint, form);
}

/* --- the back channel --- */

typedef struct check {
    apr_pool_t *p;
    const gate_jwt *jwt;
    const json_t *claims;
    const gate_logout_want *want;
    gate_logout_token *token;
    const char **detail;
} check;

/* Steps 6 and 7, and section 2.4: that it is a logout token is said by its event, by no nonce, and
 * by its typ, where that says more than JWT (RFC 8725 section 3.11). */
static gate_reason check_kind(const check *c)
{
    static const char event[] = "http://schemas.openid.net/event/backchannel-logout";
    const gate_span typ = c->jwt->typ;
    const json_t *events = json_object_get(c->claims, "events");
    if (typ.ptr && !gate_span_equal_nocase(typ, GATE_SPAN("logout+jwt")) &&
        !gate_span_equal_nocase(typ, GATE_SPAN("JWT"))) {
        gate_detail(c->p, c->detail, "typ is %s", gate_span_for_log(c->p, typ, 64));
        return GATE_WRONG_KIND;
    }
    if (!json_is_object(json_object_get(events, event))) {
        gate_detail(c->p, c->detail, "events is %s", gate_detail_value(c->p, events));
        return GATE_WRONG_KIND;
    }
    if (json_object_get(c->claims, "nonce")) {
        gate_detail(c->p, c->detail, "it has a nonce, which no logout token has");
        return GATE_WRONG_KIND;
    }
    return GATE_OK;
}

/* Step 4. */
static gate_reason check_issuer(const check *c)
{
    return gate_claim_check_issuer(c->p, c->claims, c->want->issuer, c->detail);
}

static gate_reason check_audience(const check *c)
{
    return gate_claim_check_client(c->p, c->claims, c->want->client_id, c->detail);
}

/* The drafts knew no exp; a fresh iat bounds the life of a token without one as well. */
static gate_reason check_times(const check *c)
{
    const gate_logout_want *want = c->want;
    apr_int64_t issued_at;
    gate_reason reason =
        gate_claim_check_times(c->p, c->claims, false, want->now, want->skew, NULL, c->detail);
    if (reason != GATE_OK)
        return reason;
    if (gate_json_seconds(c->claims, "iat", &issued_at) != GATE_JSON_VALID) {
        gate_detail(c->p, c->detail, "no iat");
        return GATE_BAD_CLAIM;
    }
    if (want->now - issued_at > GATE_LOGOUT_TOKEN_SECONDS + want->skew) {
        gate_detail(c->p, c->detail, "iat is %" APR_INT64_T_FMT " seconds ago",
                    want->now - issued_at);
        return GATE_TOKEN_EXPIRED;
    }
    return GATE_OK;
}

/* Step 5, and the jti that step 8 wants. */
static gate_reason check_names(const check *c)
{
    gate_logout_token *token = c->token;
    gate_reason reason = gate_claim_check_names(c->p, c->claims, c->detail);
    if (reason != GATE_OK)
        return reason;
    *token = (gate_logout_token){
        .id = gate_json_text(c->claims, "jti"),
        .session_id = gate_json_text(c->claims, "sid"),
        .subject = gate_json_text(c->claims, "sub"),
    };
    if (json_object_get(c->claims, "sid") &&
        (!token->session_id.len || gate_span_has_control(token->session_id))) {
        gate_detail(c->p, c->detail, "sid is %s",
                    gate_detail_value(c->p, json_object_get(c->claims, "sid")));
        return GATE_BAD_CLAIM;
    }
    if (token->id.ptr && (token->session_id.ptr || token->subject.ptr))
        return GATE_OK;
    gate_detail(c->p, c->detail, token->id.ptr ? "neither sub nor sid" : "no jti");
    return GATE_BAD_CLAIM;
}

gate_reason gate_logout_token_check(apr_pool_t *p, const gate_jwt *jwt,
                                    const gate_logout_want *want, gate_logout_token *token,
                                    const char **detail)
{
    static gate_reason (*const checks[])(const check *) = {
        check_kind, check_issuer, check_audience, check_times, check_names,
    };
    const check c = {p, jwt, jwt->claims, want, token, detail};
    gate_reason reason = GATE_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks && reason == GATE_OK; i++)
        reason = checks[i](&c);
    return reason;
}
