/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "claims.h"
#include "oidc/id_token.h"
#include "sign.h"

#define NOW 1700000000

/* From OIDC Core appendix A.3: the access token there, and its hash for RS256. */
#define ACCESS_TOKEN "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
#define AT_HASH      "77QmUPtjPfzWtF2AnpK9RQ"

static apr_pool_t *p;

static const char good[] =
    "{\"iss\":\"https://id.example\",\"sub\":\"alice\",\"aud\":\"web\",\"exp\":1700000300,"
    "\"iat\":1699999990,\"nonce\":\"N-1\",\"auth_time\":1699999900,\"at_hash\":\"" AT_HASH "\"}";

static const gate_digest *digest_of(const char *nonce)
{
    static gate_digest digest;
    ok(gate_nonce_digest(&digest, gate_span_of(nonce)), "the nonce '%s' is digested", nonce);
    return &digest;
}

static gate_id_token_want wanted(void)
{
    return (gate_id_token_want){
        .issuer = "https://id.example",
        .client_id = "web",
        .nonce = digest_of("N-1"),
        .access_token = GATE_SPAN(ACCESS_TOKEN),
        .now = NOW,
        .skew = 30,
        .max_age = 3600,
        .max_iat_age = 600,
    };
}

static gate_jwt jwt_of(const char *typ, const claim_change *changes, size_t count)
{
    return (gate_jwt){
        .alg = GATE_ALG_RS256,
        .typ = gate_span_of(typ),
        .claims = claims_with(p, good, changes, count),
    };
}

/* One thing wrong, or changed and yet right. */
static const struct {
    claim_change changes[2];
    gate_reason reason;
    const char *name;
} cases[] = {
    {{{NULL, NULL}}, GATE_OK, "a good ID token"},
    {{{"iss", "\"https://id.example/\""}}, GATE_BAD_ISSUER, "a slash more in iss"},
    {{{"iss", "\"https://evil.example\""}}, GATE_BAD_ISSUER, "another iss"},
    {{{"iss", NULL}}, GATE_BAD_ISSUER, "no iss"},
    {{{"iss", "[\"https://id.example\"]"}}, GATE_BAD_ISSUER, "a list as iss"},
    {{{"aud", "[\"web\"]"}}, GATE_OK, "aud as a list of one"},
    {{{"aud", NULL}}, GATE_BAD_AUDIENCE, "no aud"},
    {{{"aud", "\"other\""}}, GATE_BAD_AUDIENCE, "another aud"},
    {{{"aud", "\"web \""}}, GATE_BAD_AUDIENCE, "a blank more in aud"},
    {{{"aud", "[]"}}, GATE_BAD_AUDIENCE, "an empty aud"},
    {{{"aud", "[\"other\"]"}}, GATE_BAD_AUDIENCE, "a list without us"},
    {{{"aud", "[\"web\",\"other\"]"}}, GATE_BAD_AUDIENCE, "another audience beside us"},
    {{{"aud", "[\"web\",\"other\"]"}, {"azp", "\"web\""}},
     GATE_BAD_AUDIENCE,
     "another audience beside us, azp or not"},
    {{{"aud", "[\"web\",1]"}}, GATE_BAD_AUDIENCE, "a number beside us"},
    {{{"aud", "[\"web\",\"web\"]"}}, GATE_BAD_AUDIENCE, "two audiences and no azp"},
    {{{"aud", "[\"web\",\"web\"]"}, {"azp", "\"web\""}}, GATE_OK, "us twice, with azp"},
    {{{"azp", "\"web\""}}, GATE_OK, "azp, and it is us"},
    {{{"azp", "\"other\""}}, GATE_BAD_AUDIENCE, "another client's azp"},
    {{{"azp", "null"}}, GATE_BAD_AUDIENCE, "a null azp"},
    {{{"azp", "[\"web\"]"}}, GATE_BAD_AUDIENCE, "a list as azp"},
    {{{"sub", NULL}}, GATE_BAD_CLAIM, "no sub"},
    {{{"sub", "\"\""}}, GATE_BAD_CLAIM, "an empty sub"},
    {{{"sub", "7"}}, GATE_BAD_CLAIM, "a number as sub"},
    {{{"sub", "null"}}, GATE_BAD_CLAIM, "a null sub"},
    {{{"sub", "\"a\\nb\""}}, GATE_BAD_CLAIM, "a line end in sub"},
    {{{"exp", NULL}}, GATE_BAD_CLAIM, "no exp"},
    {{{"exp", "\"1700000300\""}}, GATE_BAD_CLAIM, "a text as exp"},
    {{{"exp", "1e300"}}, GATE_BAD_CLAIM, "an exp beyond all time"},
    {{{"exp", "1699999971"}}, GATE_OK, "an exp within the skew"},
    {{{"exp", "1699999970"}}, GATE_TOKEN_EXPIRED, "an exp at the end of the skew"},
    {{{"nbf", "1700000031"}}, GATE_TOKEN_NOT_YET_VALID, "an nbf beyond the skew"},
    {{{"iat", NULL}}, GATE_BAD_CLAIM, "no iat"},
    {{{"iat", "\"now\""}}, GATE_BAD_CLAIM, "a text as iat"},
    {{{"iat", "1700000031"}}, GATE_TOKEN_NOT_YET_VALID, "an iat beyond the skew"},
    {{{"iat", "1699999370"}}, GATE_OK, "an iat as old as a login may be"},
    {{{"iat", "1699999369"}}, GATE_TOKEN_EXPIRED, "an iat older than the login"},
    {{{"nonce", NULL}}, GATE_NONCE_MISMATCH, "no nonce"},
    {{{"nonce", "\"N-2\""}}, GATE_NONCE_MISMATCH, "another nonce"},
    {{{"nonce", "\"N-\""}}, GATE_NONCE_MISMATCH, "a part of the nonce"},
    {{{"nonce", "\"\""}}, GATE_NONCE_MISMATCH, "an empty nonce"},
    {{{"nonce", "[\"N-1\"]"}}, GATE_NONCE_MISMATCH, "a list as nonce"},
    {{{"at_hash", NULL}}, GATE_OK, "no at_hash"},
    {{{"at_hash", "\"77QmUPtjPfzWtF2AnpK9RA\""}}, GATE_HASH_MISMATCH, "another at_hash"},
    {{{"at_hash", "\"77QmUPtjPfzWtF2AnpK9R\""}}, GATE_HASH_MISMATCH, "a shorter at_hash"},
    {{{"at_hash", "\"\""}}, GATE_HASH_MISMATCH, "an empty at_hash"},
    {{{"at_hash", "null"}}, GATE_HASH_MISMATCH, "a null at_hash"},
    {{{"auth_time", NULL}}, GATE_ACR_UNMET, "no auth_time where one was asked for"},
    {{{"auth_time", "\"early\""}}, GATE_ACR_UNMET, "a text as auth_time"},
    {{{"auth_time", "1700000030"}}, GATE_OK, "an auth_time within the skew"},
    {{{"auth_time", "1700000031"}}, GATE_ACR_UNMET, "an auth_time in the future"},
    {{{"auth_time", "1699996370"}}, GATE_OK, "an auth_time as old as it may be"},
    {{{"auth_time", "1699996369"}}, GATE_ACR_UNMET, "an auth_time that is too old"},
    {{{"events", "{}"}}, GATE_WRONG_KIND, "a security event"},
    {{{"token_introspection", "{}"}}, GATE_WRONG_KIND, "a signed introspection answer"},
};

static void test_claims(void)
{
    const gate_id_token_want want = wanted();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *detail = NULL;
        gate_jwt jwt = jwt_of("JWT", cases[i].changes, 2);
        gate_reason reason = gate_id_token_check(p, &jwt, &want, &detail);
        is(gate_reason_name(reason), gate_reason_name(cases[i].reason), "%s", cases[i].name);
        ok(reason == GATE_OK || (detail && *detail), "... and why: %s", detail ? detail : "-");
        ok(gate_id_token_check(p, &jwt, &want, NULL) == reason, "... which nobody need ask");
    }
}

static void test_kinds(void)
{
    static const struct {
        const char *typ;
        gate_reason reason;
    } kinds[] = {
        {NULL, GATE_OK},
        {"JWT", GATE_OK},
        {"jwt", GATE_OK},
        {"at+jwt", GATE_WRONG_KIND},
        {"AT+JWT", GATE_WRONG_KIND},
        {"logout+jwt", GATE_WRONG_KIND},
        {"token-introspection+jwt", GATE_WRONG_KIND},
        {"dpop+jwt", GATE_WRONG_KIND},
        {"secevent+jwt", GATE_WRONG_KIND},
        {"oauth-authz-req+jwt", GATE_WRONG_KIND},
        {"", GATE_WRONG_KIND},
        {"JWT\n", GATE_WRONG_KIND},
    };
    const gate_id_token_want want = wanted();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        gate_jwt jwt = jwt_of(kinds[i].typ, NULL, 0);
        is(gate_reason_name(gate_id_token_check(p, &jwt, &want, NULL)),
           gate_reason_name(kinds[i].reason), "typ number %d", (int)i);
    }
}

/* What a caller may leave out. */
static void test_wants(void)
{
    static const claim_change none[] = {{"nonce", NULL}, {"auth_time", NULL}};
    static const claim_change other[] = {{"nonce", "\"N-2\""}, {"iat", "1600000000"}};
    static const claim_change hash[] = {{"at_hash", "\"x\""}};
    gate_id_token_want want = wanted();
    want.nonce = NULL;
    want.max_age = 0;
    gate_jwt jwt = jwt_of(NULL, none, 2);
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK,
       "after a refresh there need be no nonce, and no auth_time");
    want.max_iat_age = 0;
    jwt = jwt_of(NULL, other, 2);
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK,
       "a nonce that is there is not compared then, and iat may be old");
    want.access_token = (gate_span){NULL, 0};
    jwt = jwt_of(NULL, hash, 1);
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK,
       "without an access token its hash is not checked");
    want.nonce = digest_of("");
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_NONCE_MISMATCH,
       "an empty nonce is one that must fit");
}

/* Only a hash that was there, and was compared, is said to have been. */
static void test_vouches(void)
{
    static const claim_change none[] = {{"at_hash", NULL}};
    static const claim_change other[] = {{"at_hash", "\"77QmUPtjPfzWtF2AnpK9RA\""}};
    bool vouches = false;
    gate_id_token_want want = wanted();
    gate_jwt jwt = jwt_of("JWT", none, 1);
    want.vouches = &vouches;
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK && !vouches,
       "an ID token without at_hash vouches for no access token");
    jwt = jwt_of("JWT", other, 1);
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_HASH_MISMATCH && !vouches,
       "nor does one with another's");
    jwt = jwt_of("JWT", NULL, 0);
    want.access_token = (gate_span){NULL, 0};
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK && !vouches,
       "nor one of which nobody asks");
    want.access_token = wanted().access_token;
    ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK && vouches, "but one with its hash");
}

/* The hash is the signature algorithm's own. */
static void test_hashes(void)
{
    const gate_id_token_want want = wanted();
    for (int alg = 0; alg < GATE_ALG_COUNT; alg++) {
        const char *hash = gate_alg_half_hash(p, (gate_alg)alg, GATE_SPAN(ACCESS_TOKEN));
        const claim_change change = {"at_hash", apr_pstrcat(p, "\"", hash, "\"", NULL)};
        gate_jwt jwt = jwt_of(NULL, &change, 1);
        jwt.alg = (gate_alg)alg;
        ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_OK, "at_hash with %s",
           gate_alg_name((gate_alg)alg));
        jwt.alg = alg == GATE_ALG_RS384 ? GATE_ALG_RS256 : GATE_ALG_RS384;
        if (strcmp(gate_alg_half_hash(p, jwt.alg, GATE_SPAN(ACCESS_TOKEN)), hash) != 0)
            ok(gate_id_token_check(p, &jwt, &want, NULL) == GATE_HASH_MISMATCH,
               "... is not that with %s", gate_alg_name(jwt.alg));
    }
}

/* Secrets that a token carries are not repeated. */
static void test_detail(void)
{
    static const claim_change nonce = {"nonce", "\"secret-nonce\""};
    static const claim_change hash = {"at_hash", "\"secret-hash\""};
    static const claim_change issuer = {"iss", "\"https://evil\\u0007\\\"\""};
    const gate_id_token_want want = wanted();
    const char *detail = NULL;
    gate_jwt jwt = jwt_of(NULL, &nonce, 1);
    gate_id_token_check(p, &jwt, &want, &detail);
    is(detail, "nonce is another login's", "a nonce is not said");
    jwt = jwt_of(NULL, &hash, 1);
    gate_id_token_check(p, &jwt, &want, &detail);
    is(detail, "at_hash is not that of the access token", "a hash is not said");
    jwt = jwt_of(NULL, &issuer, 1);
    gate_id_token_check(p, &jwt, &want, &detail);
    is(detail, "iss is https://evil\\x07\\x22, not https://id.example", "an issuer is, escaped");
}

static void test_signed(void)
{
    EVP_PKEY *key = sign_make_key(p, "P-256");
    const char *set =
        apr_pstrcat(p, "{\"keys\":[", sign_public_jwk(p, key, "k", "ES256"), "]}", NULL);
    const gate_jwks *keys = gate_jwks_read(p, gate_span_of(set));
    const gate_id_token_want want = wanted();
    const char *text =
        sign_jwt(p, key, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"JWT\"}", good);
    gate_jwt *jwt = NULL;
    ok(gate_jwt_read(p, gate_span_of(text), GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK &&
           gate_jwt_verify(jwt, keys) == GATE_OK &&
           gate_id_token_check(p, jwt, &want, NULL) == GATE_OK,
       "a signed ID token is read, verified and found good");
    text = sign_jwt(p, key, "ES256",
                    "{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"application/at+jwt\"}", good);
    ok(gate_jwt_read(p, gate_span_of(text), GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK &&
           gate_id_token_check(p, jwt, &want, NULL) == GATE_WRONG_KIND,
       "a signed access token is no ID token");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_claims();
    test_kinds();
    test_wants();
    test_vouches();
    test_hashes();
    test_detail();
    test_signed();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
