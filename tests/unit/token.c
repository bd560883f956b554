/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/bearer.h"
#include "oidc/token.h"

#define NOW 1700000000

static apr_pool_t *p;

static gate_answer answered(int status, const char *body)
{
    return (gate_answer){status, "application/json", -1, gate_span_of(body), 0};
}

static void test_forms(void)
{
    is(gate_form_text(gate_token_by_code(p, GATE_SPAN("c+d"), "https://www/cb", "v", NULL)),
       "grant_type=authorization_code&code=c%2Bd&redirect_uri=https%3A%2F%2Fwww%2Fcb"
       "&code_verifier=v",
       "a code is exchanged");
    is(gate_form_text(gate_token_by_refresh(p, GATE_SPAN("r"), NULL)),
       "grant_type=refresh_token&refresh_token=r", "tokens are refreshed");
    is(gate_form_text(gate_token_by_client_credentials(p, "api.read b", NULL)),
       "grant_type=client_credentials&scope=api.read+b", "a client asks with a scope");
    is(gate_form_text(gate_token_by_client_credentials(p, NULL, NULL)),
       "grant_type=client_credentials", "... or without one, and then never for openid");
    is(gate_form_text(gate_token_revocation(p, GATE_SPAN("t"), "refresh_token")),
       "token=t&token_type_hint=refresh_token", "a token is revoked");
}

static void test_extra(void)
{
    static const char *const owned[] = {
        "grant_type", "code",      "redirect_uri",  "code_verifier",    "refresh_token",
        "scope",      "client_id", "client_secret", "client_assertion", "client_assertion_type",
    };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        gate_form *extra = gate_form_make(p);
        gate_form_add_text(extra, owned[i], "evil");
        gate_form_add_text(extra, "audience", "https://api/");
        is(gate_form_text(gate_token_by_client_credentials(p, "s", extra)),
           "grant_type=client_credentials&scope=s&audience=https%3A%2F%2Fapi%2F",
           "configuration does not set %s", owned[i]);
        ok(!strstr(gate_form_text(gate_token_by_code(p, GATE_SPAN("c"), "r", "v", extra)), "evil"),
           "... nor with a code");
        ok(!strstr(gate_form_text(gate_token_by_refresh(p, GATE_SPAN("r"), extra)), "evil"),
           "... nor with a refresh");
        ok(gate_token_owns(owned[i]), "%s is the gate's", owned[i]);
    }
    ok(!gate_token_owns("audience") && !gate_token_owns("Code") && !gate_token_owns(""),
       "other names are not");
}

#define GOOD "\"access_token\":\"at\",\"token_type\":\"Bearer\""

static const struct {
    int status;
    const char *body;
    gate_reason reason;
    const char *name;
} answers[] = {
    {200, "{" GOOD "}", GATE_OK, "an access token and its type are enough"},
    {200, "{\"access_token\":\"a ~\",\"token_type\":\"Bearer\"}", GATE_OK,
     "a token is made of all that can be printed"},
    {200, "{\"access_token\":\"at\",\"token_type\":\"bEARER\"}", GATE_OK,
     "the type's case does not matter"},
    {200, "{" GOOD ",\"x\":{\"y\":[1]}}", GATE_OK, "what is not known is passed over"},
    {200, "{" GOOD ",\"refresh_token\":null,\"scope\":null,\"id_token\":null}", GATE_OK,
     "null is how some leave a member out"},
    {200, "", GATE_IDP_ERROR, "an empty body is no answer"},
    {200, "<html>", GATE_IDP_ERROR, "a page is no answer"},
    {200, "[]", GATE_IDP_ERROR, "a list is no answer"},
    {200, "{" GOOD "} x", GATE_IDP_ERROR, "bytes behind the object make it no answer"},
    {200, "{" GOOD ",\"access_token\":\"b\"}", GATE_IDP_ERROR, "a token that comes twice is none"},
    {200, "{\"token_type\":\"Bearer\"}", GATE_IDP_ERROR, "an access token must be there"},
    {200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "an empty access token is none"},
    {200, "{\"access_token\":null,\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "a null access token is none"},
    {200, "{\"access_token\":1,\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "a number is no access token"},
    {200, "{\"access_token\":\"a\\nb\",\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "an access token has no line end"},
    {200, "{\"access_token\":\"a\\u0000b\",\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "an access token has no NUL"},
    {200, "{\"access_token\":\"\\u00e9\",\"token_type\":\"Bearer\"}", GATE_IDP_ERROR,
     "an access token is ASCII"},
    {200, "{\"access_token\":\"at\"}", GATE_IDP_ERROR, "a token type must be there"},
    {200, "{\"access_token\":\"at\",\"token_type\":\"\"}", GATE_IDP_ERROR,
     "an empty token type is none"},
    {200, "{\"access_token\":\"at\",\"token_type\":\"DPoP\"}", GATE_IDP_ERROR,
     "a token of another type is not used"},
    {200, "{\"access_token\":\"at\",\"token_type\":\"N_A\"}", GATE_IDP_ERROR,
     "a token of no type is not used"},
    {200, "{\"access_token\":\"at\",\"token_type\":[\"Bearer\"]}", GATE_IDP_ERROR,
     "a list is no token type"},
    {200, "{" GOOD ",\"id_token\":7}", GATE_IDP_ERROR, "a number is no ID token"},
    {200, "{" GOOD ",\"id_token\":\"a\\u0007\"}", GATE_IDP_ERROR,
     "an ID token has no control character"},
    {200, "{" GOOD ",\"refresh_token\":{}}", GATE_IDP_ERROR, "an object is no refresh token"},
    {200, "{" GOOD ",\"refresh_token\":\"a\\r\"}", GATE_IDP_ERROR,
     "a refresh token has no control character"},
    {200, "{" GOOD ",\"scope\":[\"a\"]}", GATE_IDP_ERROR, "a list is no scope"},
    {200, "{" GOOD ",\"scope\":\"a\\nb\"}", GATE_IDP_ERROR, "a scope has no line end"},
    {200, "{\"error\":\"bad_verification_code\"}", GATE_IDP_ERROR, "an error with 200 is an error"},
    {201, "{" GOOD "}", GATE_IDP_ERROR, "201 is not 200"},
    {204, "", GATE_IDP_ERROR, "204 is no answer"},
    {302, "{" GOOD "}", GATE_IDP_ERROR, "a redirect is no answer"},
    {400, "{\"error\":\"invalid_request\"}", GATE_IDP_REJECTED_GATEWAY, "invalid_request"},
    {400, "{\"error\":\"invalid_client\"}", GATE_INVALID_CLIENT, "invalid_client"},
    {401, "{\"error\":\"invalid_client\"}", GATE_INVALID_CLIENT, "invalid_client with 401"},
    {400, "{\"error\":\"invalid_grant\"}", GATE_INVALID_GRANT, "invalid_grant"},
    {401, "{\"error\":\"invalid_grant\"}", GATE_INVALID_GRANT, "invalid_grant with 401"},
    {400, "{\"error\":\"unauthorized_client\"}", GATE_UNAUTHORIZED_CLIENT, "unauthorized_client"},
    {403, "{\"error\":\"unauthorized_client\"}", GATE_UNAUTHORIZED_CLIENT,
     "unauthorized_client with 403"},
    {401, "{\"error\":\"unauthorized_client\"}", GATE_INVALID_CLIENT,
     "unauthorized_client with 401 is about the secret"},
    {400, "{\"error\":\"unsupported_grant_type\"}", GATE_IDP_REJECTED_GATEWAY,
     "unsupported_grant_type"},
    {400, "{\"error\":\"invalid_scope\"}", GATE_IDP_REJECTED_GATEWAY, "invalid_scope"},
    {400, "{\"error\":\"invalid_target\"}", GATE_IDP_REJECTED_GATEWAY,
     "a code of RFC 8707 is a refusal"},
    {400, "{\"error\":\"something_new\"}", GATE_IDP_REJECTED_GATEWAY,
     "a code that nobody knows is a refusal"},
    {400, "{\"error\":\"server_error\"}", GATE_IDP_ERROR, "server_error is no refusal"},
    {400, "{\"error\":\"temporarily_unavailable\"}", GATE_IDP_ERROR,
     "temporarily_unavailable is no refusal"},
    {401, "", GATE_INVALID_CLIENT, "a bare 401 is an invalid client"},
    {401, "{}", GATE_INVALID_CLIENT, "so is one that says nothing"},
    {401, "{\"error\":\"unauthorized\"}", GATE_INVALID_CLIENT, "so is one with an unknown code"},
    {400, "", GATE_IDP_ERROR, "a bare 400 cannot be read"},
    {400, "<html>", GATE_IDP_ERROR, "a page with 400 cannot be read"},
    {400, "{\"error\":1}", GATE_IDP_ERROR, "a code that is no text cannot be read"},
    {400, "{\"error\":\"invalid_grant\",\"error\":\"invalid_client\"}", GATE_IDP_ERROR,
     "two codes cannot be read"},
    {404, "{}", GATE_IDP_ERROR, "404 is no refusal"},
    {429, "{\"error\":\"invalid_client\"}", GATE_IDP_ERROR, "429 is no refusal, whatever it says"},
    {500, "{\"error\":\"invalid_client\"}", GATE_IDP_ERROR, "500 is no refusal, whatever it says"},
    {503, "", GATE_IDP_ERROR, "503 is no refusal"},
    {500, "{" GOOD "}", GATE_IDP_ERROR, "tokens with 500 are not used"},
};

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        gate_token_set tokens;
        const char *detail = NULL;
        gate_answer answer = answered(answers[i].status, answers[i].body);
        gate_reason reason = gate_token_read(p, &answer, NOW, &tokens, &detail);
        is(gate_reason_name(reason), gate_reason_name(answers[i].reason), "%d: %s",
           answers[i].status, answers[i].name);
        ok(reason == GATE_OK || (detail && *detail), "... and says why");
        ok(gate_token_read(p, &answer, NOW, &tokens, NULL) == reason, "... or need not");
    }
}

static void test_members(void)
{
    gate_token_set tokens;
    gate_answer answer = answered(200, "{" GOOD ",\"id_token\":\"it\",\"refresh_token\":\"rt\","
                                       "\"scope\":\"a b\",\"expires_in\":60}");
    ok(gate_token_read(p, &answer, NOW, &tokens, NULL) == GATE_OK, "all members are read");
    ok(gate_span_is(tokens.access_token, "at"), "the access token");
    ok(gate_span_is(tokens.id_token, "it"), "the ID token");
    ok(gate_span_is(tokens.refresh_token, "rt"), "the refresh token");
    ok(gate_span_is(tokens.scope, "a b"), "the scope");
    ok(tokens.expires == NOW + 60, "the expiry");

    memset(&tokens, 0xff, sizeof tokens);
    answer = answered(200, "{" GOOD "}");
    gate_token_read(p, &answer, NOW, &tokens, NULL);
    ok(!tokens.id_token.ptr && !tokens.refresh_token.ptr && !tokens.scope.ptr && !tokens.expires,
       "what is not sent is absent");
    answer = answered(200, "{" GOOD ",\"id_token\":\"\",\"refresh_token\":\"\",\"scope\":\"\"}");
    gate_token_read(p, &answer, NOW, &tokens, NULL);
    ok(!tokens.id_token.ptr && !tokens.refresh_token.ptr, "an empty token is absent");
    ok(tokens.scope.ptr && !tokens.scope.len, "an empty scope is a scope: none at all");
}

static void test_expiry(void)
{
    static const struct {
        const char *expires_in;
        apr_int64_t expires;
    } cases[] = {
        {"3600", NOW + 3600},
        {"1", NOW + 1},
        {"59.9", NOW + 59},
        {"\"3599\"", NOW + 3599},
        {"9007199254740992", NOW + 9007199254740992},
        {"0", 0},
        {"-1", 0},
        {"1e300", 0},
        {"9007199254740993", 0},
        {"\"\"", 0},
        {"\"soon\"", 0},
        {"\"-5\"", 0},
        {"\" 5\"", 0},
        {"\"99999999999999999999\"", 0},
        {"null", 0},
        {"true", 0},
        {"[5]", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_token_set tokens;
        gate_answer answer =
            answered(200, apr_psprintf(p, "{" GOOD ",\"expires_in\":%s}", cases[i].expires_in));
        gate_reason reason = gate_token_read(p, &answer, NOW, &tokens, NULL);
        ok(reason == GATE_OK && tokens.expires == cases[i].expires, "expires_in %s gives %s",
           cases[i].expires_in, cases[i].expires ? "an expiry" : "none");
    }
}

static void test_sizes(void)
{
    static const char *const names[] = {"id_token", "refresh_token", "access_token"};
    for (int over = 0; over < 2; over++) {
        char *token = apr_pcalloc(p, GATE_TOKEN_MAX_BYTES + 2);
        memset(token, 'a', (size_t)GATE_TOKEN_MAX_BYTES + (size_t)over);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            gate_token_set tokens;
            const char *front = i == 2 ? "{\"token_type\":\"Bearer\"" : "{" GOOD;
            gate_answer answer =
                answered(200, apr_pstrcat(p, front, ",\"", names[i], "\":\"", token, "\"}", NULL));
            gate_reason reason = gate_token_read(p, &answer, NOW, &tokens, NULL);
            ok(reason == (over ? GATE_IDP_ERROR : GATE_OK), "%s of 16 KiB%s is %s", names[i],
               over ? " and a byte" : "", over ? "too large" : "read");
        }
    }
}

/* What a provider repeats of what it was sent must not reach the log. */
static void test_secrets(void)
{
    static const char *const bodies[] = {
        "{\"error\":\"invalid_grant\",\"error_description\":\"code SplxlOBeZQQYbYS6WxSbIA used\"}",
        "{\"error\":\"SplxlOBeZQQYbYS6WxSbIA\"}",
        "{\"access_token\":\"SplxlOBeZQQYbYS6WxSbIA\",\"token_type\":\"x\"}",
        "{\"access_token\":\"a\",\"token_type\":\"SplxlOBeZQQYbYS6WxSbIA\"}",
        "{\"access_token\":\"SplxlOBeZQQYbYS6WxSbIA\\n\"}",
        "{\"refresh_token\":\"SplxlOBeZQQYbYS6WxSbIA\",\"error\":\"e\"}",
        "SplxlOBeZQQYbYS6WxSbIA",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (int status = 200; status <= 500; status += 100) {
            gate_token_set tokens;
            const char *detail = NULL;
            gate_answer answer = answered(status, bodies[i]);
            gate_token_read(p, &answer, NOW, &tokens, &detail);
            ok(detail && !strstr(detail, "Splx") && strlen(detail) <= 256, "%d, body %d: %s",
               status, (int)i, detail);
        }
    gate_token_set tokens;
    const char *detail;
    gate_answer answer =
        answered(400, "{\"error\":\"invalid_grant\",\"error_description\":\"too \\\"old\\\"\"}");
    gate_token_read(p, &answer, NOW, &tokens, &detail);
    is(detail, "status 400, invalid_grant: too \\x22old\\x22", "the rest is said, escaped");
}

static void test_scopes(void)
{
    static const struct {
        const char *scope, *granted, *wider; /* NULL: it is no wider */
    } cases[] = {
        {"a b", "b a", NULL},     {"a", "a b", NULL},        {"", "a", NULL},
        {"a  a", "a", NULL},      {"a c", "a b", "c"},       {"ab", "a b", "ab"},
        {"A", "a", "A"},          {"a", "", "a"},            {"a\tb", "a b", "a\tb"},
        {"read", "readonly", "read"}, {NULL, "a", NULL},     {"a", NULL, "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_span word = {NULL, 0};
        const bool wider = gate_scope_is_wider(gate_span_of(cases[i].scope),
                                               gate_span_of(cases[i].granted), &word);
        ok(wider == (cases[i].wider != NULL) && (!wider || gate_span_is(word, cases[i].wider)),
           "'%s' is %s than '%s'", cases[i].scope ? cases[i].scope : "-",
           wider ? "wider" : "no wider", cases[i].granted ? cases[i].granted : "-");
    }
    ok(gate_scope_has(GATE_SPAN("a b c"), GATE_SPAN("b")), "one of three");
    ok(!gate_scope_has(GATE_SPAN("ab c"), GATE_SPAN("b")), "no part of a word");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_forms();
    test_extra();
    test_answers();
    test_members();
    test_expiry();
    test_sizes();
    test_secrets();
    test_scopes();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
