/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/logout.h"

#include <apr_general.h>

#include "claims.h"
#include "tap.h"

#define NOW 1750000000

static apr_pool_t *p;

static void test_end_session(void)
{
    const gate_end_session full = {
        .endpoint = "https://id.example/logout",
        .id_token = GATE_SPAN("a.b.c"),
        .client_id = "web",
        .post_logout_redirect_uri = "https://www.example/bye?x=1&y=2",
        .state = "S",
    };
    const gate_end_session little = {
        .endpoint = "https://id.example/logout?tenant=a",
        .client_id = "a&b",
    };

    is(gate_end_session_url(p, &full),
       "https://id.example/logout?id_token_hint=a.b.c&client_id=web"
       "&post_logout_redirect_uri=https%3A%2F%2Fwww.example%2Fbye%3Fx%3D1%26y%3D2&state=S",
       "all parameters stand in their order");
    is(gate_end_session_url(p, &little), "https://id.example/logout?tenant=a&client_id=a%26b",
       "what is not known is left out, and the endpoint's own query is kept");
}

/* --- logout tokens --- */

static const char good[] =
    "{\"iss\":\"https://id.example\",\"aud\":\"web\",\"iat\":1749999990,\"exp\":1750000110,"
    "\"jti\":\"J\",\"sub\":\"alice\",\"sid\":\"S-1\",\"events\":{"
    "\"http://schemas.openid.net/event/backchannel-logout\":{}}}";

static const char *check(const char *typ, const claim_change *changes, size_t count,
                         gate_logout_token *token)
{
    const gate_logout_want want = {"https://id.example", "web", NOW, 30};
    const gate_jwt jwt = {.alg = GATE_ALG_RS256,
                          .typ = gate_span_of(typ),
                          .claims = claims_with(p, good, changes, count)};
    const char *detail = NULL;
    gate_reason reason = gate_logout_token_check(p, &jwt, &want, token, &detail);

    ok(reason == GATE_OK || (detail && *detail), "a reason has its detail (%s)",
       detail ? detail : "none");
    return gate_reason_name(reason);
}

static void test_good(void)
{
    gate_logout_token token;

    is(check("logout+jwt", NULL, 0, &token), "ok", "a logout token is taken");
    ok(gate_span_is(token.id, "J") && gate_span_is(token.session_id, "S-1") &&
           gate_span_is(token.subject, "alice"),
       "and says who, and which session");
    is(check("JWT", NULL, 0, &token), "ok", "one whose typ says no more than JWT");
    is(check(NULL, NULL, 0, &token), "ok", "one without a typ");
}

static void test_claims(void)
{
    static const struct {
        claim_change change;
        const char *reason, *name;
    } rows[] = {
        {{"sid", NULL}, "ok", "by sub alone"},
        {{"sub", NULL}, "ok", "by sid alone"},
        {{"exp", NULL}, "ok", "without exp, as drafts had it"},
        {{"aud", "[\"web\"]"}, "ok", "a list of one audience"},
        {{"extra", "1"}, "ok", "a claim that nobody knows"},
        {{"iss", "\"https://id.example/\""}, "bad_issuer", "another issuer, by a slash"},
        {{"iss", NULL}, "bad_issuer", "no issuer"},
        {{"aud", "\"other\""}, "bad_audience", "another audience"},
        {{"aud", "[\"web\",\"other\"]"}, "bad_audience", "another audience beside ours"},
        {{"aud", NULL}, "bad_audience", "no audience"},
        {{"iat", NULL}, "bad_claim", "no iat"},
        {{"iat", "\"1749999990\""}, "bad_claim", "iat as text"},
        {{"iat", "1749999670"}, "ok", "iat just young enough"},
        {{"iat", "1749999669"}, "token_expired", "iat too long ago"},
        {{"iat", "1750000031"}, "token_not_yet_valid", "iat in the future"},
        {{"exp", "1749999970"}, "token_expired", "expired"},
        {{"jti", NULL}, "bad_claim", "no jti"},
        {{"jti", "\"\""}, "bad_claim", "an empty jti"},
        {{"jti", "7"}, "bad_claim", "jti as a number"},
        {{"sub", "\"\""}, "bad_claim", "an empty sub"},
        {{"sub", "7"}, "bad_claim", "sub as a number"},
        {{"sid", "\"\""}, "bad_claim", "an empty sid"},
        {{"sid", "7"}, "bad_claim", "sid as a number"},
        {{"sid", "null"}, "bad_claim", "sid as null"},
        {{"nonce", "\"N\""}, "wrong_kind", "a nonce"},
        {{"nonce", "null"}, "wrong_kind", "a nonce of nothing"},
        {{"events", NULL}, "wrong_kind", "no events"},
        {{"events", "{}"}, "wrong_kind", "no event"},
        {{"events", "[\"http://schemas.openid.net/event/backchannel-logout\"]"},
         "wrong_kind",
         "events as a list"},
        {{"events", "{\"http://schemas.openid.net/event/backchannel-logout\":true}"},
         "wrong_kind",
         "an event that is no object"},
        {{"events", "{\"http://schemas.openid.net/event/backchannel-logout/\":{}}"},
         "wrong_kind",
         "another event"},
        {{"events", "{\"http://schemas.openid.net/event/backchannel-logout\":{\"x\":1},\"y\":{}}"},
         "ok",
         "the event beside another"},
    };
    static const claim_change nobody[] = {{"sub", NULL}, {"sid", NULL}};
    gate_logout_token token;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        is(check("logout+jwt", &rows[i].change, 1, &token), rows[i].reason, "%s: %s", rows[i].name,
           rows[i].reason);
    is(check("logout+jwt", nobody, 2, &token), "bad_claim", "neither sub nor sid: bad_claim");
}

static void test_kinds(void)
{
    static const char *const others[] = {"at+jwt", "secevent+jwt", "dpop+jwt", ""};
    gate_logout_token token;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        is(check(others[i], NULL, 0, &token), "wrong_kind", "typ '%s': wrong_kind", others[i]);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_end_session();
    test_good();
    test_claims();
    test_kinds();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
