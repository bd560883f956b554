/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/introspect.h"

#define NOW 1700000000

static apr_pool_t *p;

static const char *const audiences[] = {"api", "api2", NULL};

static const gate_introspection_want want = {
    .issuer = "https://id.example",
    .audiences = audiences,
    .now = NOW,
    .skew = 30,
};

static const gate_introspection_want from_anybody = {
    .issuer = "https://id.example",
    .now = NOW,
    .skew = 30,
};

static const struct {
    int status;
    const char *body;
    gate_reason reason;
    apr_int64_t expires;
    const char *name;
} answers[] = {
    {200, "{\"active\":true}", GATE_OK, 0, "active, and nothing else"},
    {200, "{\"active\":true,\"exp\":1700000060}", GATE_OK, NOW + 60, "active until then"},
    {200,
     "{\"active\":true,\"iss\":\"https://id.example\",\"aud\":[\"x\",\"api\"],\"scope\":\"a\"}",
     GATE_OK, 0, "active, for us"},
    {200, "{\"active\":true,\"aud\":\"api2\"}", GATE_OK, 0, "the second of our audiences"},
    {200, "{\"active\":false}", GATE_TOKEN_INACTIVE, 0, "inactive"},
    {200, "{\"active\":\"true\"}", GATE_TOKEN_INACTIVE, 0, "the text true"},
    {200, "{\"active\":1}", GATE_TOKEN_INACTIVE, 0, "the number 1"},
    {200, "{\"active\":null}", GATE_TOKEN_INACTIVE, 0, "null"},
    {200, "{\"active\":[true]}", GATE_TOKEN_INACTIVE, 0, "a list"},
    {200, "{\"active\":{}}", GATE_TOKEN_INACTIVE, 0, "an object"},
    {200, "{}", GATE_TOKEN_INACTIVE, 0, "nothing said"},
    {200, "{\"Active\":true}", GATE_TOKEN_INACTIVE, 0, "another name"},
    {200, "{\"active\":false,\"exp\":1700000060,\"sub\":\"a\"}", GATE_TOKEN_INACTIVE, 0,
     "inactive, with claims"},
    {200, "{\"active\":false,\"active\":true}", GATE_IDP_ERROR, 0, "no and yes at once"},
    {200, "", GATE_IDP_ERROR, 0, "an empty body"},
    {200, "true", GATE_IDP_ERROR, 0, "a bare true"},
    {200, "[{\"active\":true}]", GATE_IDP_ERROR, 0, "a list"},
    {200, "<html>", GATE_IDP_ERROR, 0, "a page"},
    {200, "{\"active\":true} {", GATE_IDP_ERROR, 0, "bytes behind the object"},
    {200, "eyJhbGciOiJSUzI1NiJ9.e30.AA", GATE_IDP_ERROR, 0, "a signed answer"},
    {200, "{\"active\":true,\"exp\":1699999970}", GATE_TOKEN_EXPIRED, 0, "active, and expired"},
    {200, "{\"active\":true,\"exp\":1699999971}", GATE_OK, 1699999971, "expired within the skew"},
    {200, "{\"active\":true,\"exp\":0}", GATE_TOKEN_EXPIRED, 0, "an exp of 0"},
    {200, "{\"active\":true,\"exp\":null}", GATE_BAD_CLAIM, 0, "a null exp"},
    {200, "{\"active\":true,\"exp\":\"1700000060\"}", GATE_BAD_CLAIM, 0, "a text as exp"},
    {200, "{\"active\":true,\"nbf\":1700000031}", GATE_TOKEN_NOT_YET_VALID, 0, "not before later"},
    {200, "{\"active\":true,\"nbf\":\"x\"}", GATE_BAD_CLAIM, 0, "a text as nbf"},
    {200, "{\"active\":true,\"iat\":1700000031}", GATE_TOKEN_NOT_YET_VALID, 0, "issued later"},
    {200, "{\"active\":true,\"iss\":\"https://id.example/\"}", GATE_BAD_ISSUER, 0,
     "another issuer"},
    {200, "{\"active\":true,\"iss\":null}", GATE_BAD_ISSUER, 0, "a null issuer"},
    {200, "{\"active\":true,\"iss\":[\"https://id.example\"]}", GATE_BAD_ISSUER, 0,
     "a list as iss"},
    {200, "{\"active\":true,\"aud\":\"other\"}", GATE_BAD_AUDIENCE, 0, "another audience"},
    {200, "{\"active\":true,\"aud\":[]}", GATE_BAD_AUDIENCE, 0, "an empty audience"},
    {200, "{\"active\":true,\"aud\":null}", GATE_BAD_AUDIENCE, 0, "a null audience"},
    {200, "{\"active\":true,\"aud\":[\"api\",1]}", GATE_BAD_AUDIENCE, 0, "a number as audience"},
    {200, "{\"active\":true,\"sub\":\"\"}", GATE_BAD_CLAIM, 0, "an empty sub"},
    {200, "{\"active\":true,\"sub\":7}", GATE_BAD_CLAIM, 0, "a number as sub"},
    {200, "{\"active\":true,\"client_id\":\"a\\u0001\"}", GATE_BAD_CLAIM, 0,
     "a control character in client_id"},
    {200, "{\"active\":true,\"cnf\":{\"jkt\":\"x\"}}", GATE_POP_FAILED, 0, "bound to a key"},
    {201, "{\"active\":true}", GATE_IDP_ERROR, 0, "201"},
    {302, "{\"active\":true}", GATE_IDP_ERROR, 0, "a redirect"},
    {400, "{\"error\":\"invalid_request\"}", GATE_IDP_REJECTED_GATEWAY, 0, "400"},
    {401, "{\"error\":\"invalid_client\"}", GATE_IDP_REJECTED_GATEWAY, 0, "401"},
    {401, "{\"active\":true}", GATE_IDP_REJECTED_GATEWAY, 0, "401, and active"},
    {403, "", GATE_IDP_REJECTED_GATEWAY, 0, "403"},
    {404, "{\"active\":true}", GATE_IDP_ERROR, 0, "404"},
    {429, "", GATE_IDP_ERROR, 0, "429"},
    {500, "{\"active\":true}", GATE_IDP_ERROR, 0, "500"},
    {503, "{\"active\":false}", GATE_IDP_ERROR, 0, "503, and inactive"},
};

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const json_t *claims = NULL;
        const char *detail = NULL;
        apr_int64_t expires = 7;
        gate_answer answer = {answers[i].status, "application/json", -1,
                              gate_span_of(answers[i].body), 0};
        const gate_introspection_want *wanted =
            strstr(answers[i].body, "\"aud\"") ? &want : &from_anybody;
        gate_reason reason =
            gate_introspection_read(p, &answer, wanted, &claims, &expires, &detail);
        is(gate_reason_name(reason), gate_reason_name(answers[i].reason), "%s", answers[i].name);
        ok(reason == GATE_OK ? claims && expires == answers[i].expires : !claims && detail,
           "... with claims and an end, or with why not: %s", detail ? detail : "-");
        ok(gate_introspection_read(p, &answer, wanted, &claims, &expires, NULL) == reason,
           "... which nobody need ask");
    }
}

static void test_wants(void)
{
    const json_t *claims;
    apr_int64_t expires;
    const gate_introspection_want any = {.now = NOW, .skew = 30};
    gate_answer answer = {200, "application/json", -1,
                          GATE_SPAN("{\"active\":true,\"iss\":\"x\",\"aud\":\"y\"}"), 0};
    ok(gate_introspection_read(p, &answer, &any, &claims, &expires, NULL) == GATE_OK,
       "issuer and audience are compared only where they are wanted");
    ok(gate_introspection_read(p, &answer, &want, &claims, &expires, NULL) == GATE_BAD_ISSUER,
       "and are where they are");
    answer.body = GATE_SPAN("{\"active\":true,\"iss\":\"https://id.example\"}");
    ok(gate_introspection_read(p, &answer, &want, &claims, &expires, NULL) == GATE_BAD_AUDIENCE,
       "where an audience is wanted, one that is not said is none of ours");
    ok(gate_introspection_read(p, &answer, &from_anybody, &claims, &expires, NULL) == GATE_OK,
       "where any will do, none will");
}

static void test_secrets(void)
{
    static const char *const bodies[] = {
        "{\"error\":\"invalid_client\",\"error_description\":\"secret SplxlOBeZQQYbYS6WxSbIA\"}",
        "{\"active\":\"SplxlOBeZQQYbYS6WxSbIA\"}",
        "SplxlOBeZQQYbYS6WxSbIA",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (int status = 200; status <= 500; status += 100) {
            const json_t *claims;
            apr_int64_t expires;
            const char *detail = NULL;
            gate_answer answer = {status, "text/plain", -1, gate_span_of(bodies[i]), 0};
            gate_introspection_read(p, &answer, &want, &claims, &expires, &detail);
            ok(detail && !strstr(detail, "Splx"), "no secret is said: %s", detail);
        }
}

static void test_question(void)
{
    gate_form *extra = gate_form_make(p);

    is(gate_form_text(gate_introspection_form(p, GATE_SPAN("a+b"), NULL)),
       "token=a%2Bb&token_type_hint=access_token", "the question");
    gate_form_add_text(extra, "realm", "x&y");
    gate_form_add_text(extra, "token", "evil");
    gate_form_add_text(extra, "client_id", "evil");
    is(gate_form_text(gate_introspection_form(p, GATE_SPAN("a"), extra)),
       "token=a&token_type_hint=access_token&realm=x%26y", "with what is configured, and only that");
    gate_form_add_text(extra, "token_type_hint", "jwt");
    is(gate_form_text(gate_introspection_form(p, GATE_SPAN("a"), extra)),
       "token=a&realm=x%26y&token_type_hint=jwt", "the hint may be another");
    ok(gate_introspection_owns("token") && gate_introspection_owns("client_secret") &&
           !gate_introspection_owns("token_type_hint"),
       "what the gate sets itself");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_question();
    test_answers();
    test_wants();
    test_secrets();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
