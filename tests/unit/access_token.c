/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "claims.h"
#include "oidc/access_token.h"
#include "sign.h"

#define NOW 1700000000

static apr_pool_t *p;

static const char good[] = "{\"iss\":\"https://id.example\",\"sub\":\"alice\",\"aud\":\"api\","
                           "\"exp\":1700000300,\"iat\":1699999990,\"jti\":\"j-1\"}";

static const char *const audiences[] = {"api", "https://api.example/", NULL};

static const gate_access_token_want want = {
    .issuer = "https://id.example",
    .audiences = audiences,
    .now = NOW,
    .skew = 30,
};

static gate_jwt jwt_of(const char *typ, const claim_change *changes, size_t count)
{
    return (gate_jwt){
        .alg = GATE_ALG_RS256,
        .typ = gate_span_of(typ),
        .claims = claims_with(p, good, changes, count),
    };
}

static void run(const char *typ, const claim_change changes[2], gate_reason wanted,
                const char *name)
{
    const char *detail = NULL;
    apr_int64_t expires = 0;
    gate_jwt jwt = jwt_of(typ, changes, 2);
    gate_reason reason = gate_access_token_check(p, &jwt, &want, &expires, &detail);
    is(gate_reason_name(reason), gate_reason_name(wanted), "%s", name);
    ok(reason == GATE_OK ? expires > 0 : detail && *detail, "... %s",
       reason == GATE_OK ? "and when it ends" : detail);
    ok(gate_access_token_check(p, &jwt, &want, &expires, NULL) == reason,
       "... and nobody need ask why");
}

static const struct {
    claim_change changes[2];
    gate_reason reason;
    const char *name;
} cases[] = {
    {{{NULL, NULL}}, GATE_OK, "a good access token"},
    {{{"sub", NULL}}, GATE_OK, "a client's, without sub"},
    {{{"aud", "[\"other\",\"api\"]"}}, GATE_OK, "us among other audiences"},
    {{{"aud", "\"https://api.example/\""}}, GATE_OK, "the second of our audiences"},
    {{{"nonce", "\"n\""}}, GATE_OK, "a nonce, where typ says what it is"},
    {{{"iss", "\"https://id.example/\""}}, GATE_BAD_ISSUER, "a slash more in iss"},
    {{{"iss", NULL}}, GATE_BAD_ISSUER, "no iss"},
    {{{"iss", "1"}}, GATE_BAD_ISSUER, "a number as iss"},
    {{{"aud", NULL}}, GATE_BAD_AUDIENCE, "no aud"},
    {{{"aud", "\"ap\""}}, GATE_BAD_AUDIENCE, "a part of our audience"},
    {{{"aud", "\"https://api.example\""}}, GATE_BAD_AUDIENCE, "a slash less in aud"},
    {{{"aud", "[]"}}, GATE_BAD_AUDIENCE, "an empty list of audiences"},
    {{{"aud", "[\"api\",null]"}}, GATE_BAD_AUDIENCE, "a list with null in it"},
    {{{"aud", "{\"api\":\"api\"}"}}, GATE_BAD_AUDIENCE, "an object as aud"},
    {{{"exp", NULL}}, GATE_BAD_CLAIM, "no exp"},
    {{{"exp", "\"soon\""}}, GATE_BAD_CLAIM, "a text as exp"},
    {{{"exp", "-5"}}, GATE_BAD_CLAIM, "a negative exp"},
    {{{"exp", "1699999970"}}, GATE_TOKEN_EXPIRED, "an exp at the end of the skew"},
    {{{"exp", "1699999971"}}, GATE_OK, "an exp within the skew"},
    {{{"nbf", "1700000031"}}, GATE_TOKEN_NOT_YET_VALID, "an nbf beyond the skew"},
    {{{"nbf", "[]"}}, GATE_BAD_CLAIM, "a list as nbf"},
    {{{"iat", "1700000031"}}, GATE_TOKEN_NOT_YET_VALID, "an iat beyond the skew"},
    {{{"iat", "\"x\""}}, GATE_BAD_CLAIM, "a text as iat"},
    {{{"sub", "\"\""}}, GATE_BAD_CLAIM, "an empty sub"},
    {{{"sub", "1"}}, GATE_BAD_CLAIM, "a number as sub"},
    {{{"sub", "\"a\\u007fb\""}}, GATE_BAD_CLAIM, "a control character in sub"},
    {{{"client_id", "7"}}, GATE_BAD_CLAIM, "a number as client_id"},
    {{{"jti", "[]"}}, GATE_BAD_CLAIM, "a list as jti"},
    {{{"cnf", "{\"jkt\":\"x\"}"}}, GATE_POP_FAILED, "a DPoP token as a plain one"},
    {{{"cnf", "{\"x5t#S256\":\"x\"}"}}, GATE_POP_FAILED, "a certificate's token as a plain one"},
    {{{"cnf", "null"}}, GATE_POP_FAILED, "a cnf of whatever type"},
};

static void test_claims(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run("at+jwt", cases[i].changes, cases[i].reason, cases[i].name);
}

static const struct {
    const char *typ;
    claim_change changes[2];
    gate_reason reason;
    const char *name;
} kinds[] = {
    {"AT+JWT", {{NULL, NULL}}, GATE_OK, "typ in any case"},
    {"jwt", {{"scope", "\"a\""}}, GATE_OK, "a plain JWT with a scope"},
    {"JWT", {{"scp", "[\"a\"]"}}, GATE_OK, "a plain JWT with scp"},
    {"JWT", {{"client_id", "\"c\""}}, GATE_OK, "a plain JWT with client_id"},
    {"JWT", {{"azp", "\"c\""}}, GATE_OK, "a plain JWT with azp"},
    {NULL, {{"cid", "\"c\""}}, GATE_OK, "no typ, and cid"},
    {NULL, {{"scope", "\"\""}}, GATE_OK, "no typ, and an empty scope"},
    {NULL, {{NULL, NULL}}, GATE_WRONG_KIND, "no typ and no mark"},
    {"JWT", {{NULL, NULL}}, GATE_WRONG_KIND, "a plain JWT without a mark"},
    {"JWT", {{"azp", "\"c\""}, {"nonce", "\"n\""}}, GATE_WRONG_KIND, "an ID token with nonce"},
    {"JWT", {{"azp", "\"c\""}, {"at_hash", "\"h\""}}, GATE_WRONG_KIND, "an ID token with at_hash"},
    {"JWT", {{"azp", "\"c\""}, {"c_hash", "\"h\""}}, GATE_WRONG_KIND, "an ID token with c_hash"},
    {NULL, {{"scope", "\"a\""}, {"nonce", "null"}}, GATE_WRONG_KIND, "a nonce of whatever type"},
    {NULL, {{"scope", "\"a\""}, {"events", "{}"}}, GATE_WRONG_KIND, "a logout token"},
    {"JWT",
     {{"client_id", "\"c\""}, {"token_introspection", "{}"}},
     GATE_WRONG_KIND,
     "a signed introspection answer"},
    {"logout+jwt", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "typ logout+jwt"},
    {"token-introspection+jwt",
     {{"scope", "\"a\""}},
     GATE_WRONG_KIND,
     "typ token-introspection+jwt"},
    {"dpop+jwt", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "typ dpop+jwt"},
    {"secevent+jwt", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "typ secevent+jwt"},
    {"oauth-authz-req+jwt", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "typ oauth-authz-req+jwt"},
    {"", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "an empty typ"},
    {"at+jwt2", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "a longer typ"},
    {"application/application/at+jwt", {{"scope", "\"a\""}}, GATE_WRONG_KIND, "a foreign typ"},
};

static void test_kinds(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        run(kinds[i].typ, kinds[i].changes, kinds[i].reason, kinds[i].name);
}

/* OIDCGateTokenProfile rfc9068: client_id is there, but for what a case changes. */
static const struct {
    const char *typ;
    claim_change change;
    gate_reason reason;
} profile[] = {
    {"at+jwt", {NULL, NULL}, GATE_OK},
    {"At+Jwt", {NULL, NULL}, GATE_OK},
    {"JWT", {"scope", "\"a\""}, GATE_WRONG_KIND},
    {NULL, {"scope", "\"a\""}, GATE_WRONG_KIND},
    {"at+jwt", {"iss", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"exp", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"aud", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"sub", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"client_id", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"iat", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"jti", NULL}, GATE_BAD_CLAIM},
    {"at+jwt", {"iss", "null"}, GATE_BAD_ISSUER},
    {"at+jwt", {"exp", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"exp", "\"1700000300\""}, GATE_BAD_CLAIM},
    {"at+jwt", {"aud", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"aud", "[]"}, GATE_BAD_CLAIM},
    {"at+jwt", {"aud", "[\"api\",7]"}, GATE_BAD_CLAIM},
    {"at+jwt", {"aud", "[\"x\",\"api\"]"}, GATE_OK},
    {"at+jwt", {"sub", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"sub", "[\"alice\"]"}, GATE_BAD_CLAIM},
    {"at+jwt", {"client_id", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"client_id", "{}"}, GATE_BAD_CLAIM},
    {"at+jwt", {"iat", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"iat", "true"}, GATE_BAD_CLAIM},
    {"at+jwt", {"jti", "null"}, GATE_BAD_CLAIM},
    {"at+jwt", {"jti", "1"}, GATE_BAD_CLAIM},
};

static void test_profile(void)
{
    gate_access_token_want strict = want, any = want;
    strict.is_strict = any.is_strict = true;
    any.audiences = NULL;
    for (size_t i = 0; i < sizeof profile / sizeof *profile; i++) {
        const claim_change changes[] = {{"client_id", "\"c\""}, profile[i].change};
        const gate_jwt jwt = jwt_of(profile[i].typ, changes, 2);
        const char *detail = NULL;
        apr_int64_t expires = 0;
        const gate_reason reason = gate_access_token_check(p, &jwt, &strict, &expires, &detail);
        is(gate_reason_name(reason), gate_reason_name(profile[i].reason),
           "by RFC 9068: typ %s, %s %s", profile[i].typ ? profile[i].typ : "missing",
           profile[i].change.name ? profile[i].change.name : "all as it",
           profile[i].change.value ? profile[i].change.value : "is not there");
        ok(reason == GATE_OK || (detail && *detail), "... %s", detail ? detail : "fine");
        ok(gate_access_token_check(p, &jwt, &any, &expires, NULL) == profile[i].reason,
           "... for whatever audience");
    }
}

static void test_any_audience(void)
{
    static const claim_change others[] = {{"aud", "\"other\""}, {"aud", NULL}, {"aud", "7"}};
    gate_access_token_want any = want;
    apr_int64_t expires;
    any.audiences = NULL;
    for (int i = 0; i < 3; i++) {
        gate_jwt jwt = jwt_of("at+jwt", &others[i], 1);
        ok(gate_access_token_check(p, &jwt, &any, &expires, NULL) == GATE_OK &&
               expires == NOW + 300,
           "\"any\" takes aud %s", others[i].value ? others[i].value : "missing");
    }
}

static void test_signed(void)
{
    static const struct {
        const char *header;
        gate_reason reason;
    } headers[] = {
        {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", GATE_OK},
        {"{\"alg\":\"RS256\",\"typ\":\"application/AT+JWT\"}", GATE_OK},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", GATE_WRONG_KIND},
        {"{\"alg\":\"RS256\"}", GATE_WRONG_KIND},
    };
    EVP_PKEY *key = sign_make_key(p, "RSA");
    const char *set =
        apr_pstrcat(p, "{\"keys\":[", sign_public_jwk(p, key, NULL, NULL), "]}", NULL);
    const gate_jwks *keys = gate_jwks_read(p, gate_span_of(set));
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const char *text = sign_jwt(p, key, "RS256", headers[i].header, good);
        gate_jwt *jwt = NULL;
        apr_int64_t expires;
        ok(gate_jwt_read(p, gate_span_of(text), GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK &&
               gate_jwt_verify(jwt, keys) == GATE_OK &&
               gate_access_token_check(p, jwt, &want, &expires, NULL) == headers[i].reason,
           "signed, with the header %s", headers[i].header);
    }
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_claims();
    test_kinds();
    test_profile();
    test_any_audience();
    test_signed();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
