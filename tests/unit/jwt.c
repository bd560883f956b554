/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwt.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "base/base64url.h"
#include "base/json.h"
#include "jose/header.h"
#include "sign.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define ALL          (GATE_ALGS_ASYMMETRIC | GATE_ALGS_SYMMETRIC)
#define HEADER       "{\"alg\":\"ES256\"}"
#define CLAIMS       "{\"iss\":\"joe\"}"

static apr_pool_t *pool;

static const char *encode(const char *text)
{
    return gate_base64url_encode(pool, gate_span_of(text));
}

static const char *token_of(const char *header, const char *claims)
{
    return apr_pstrcat(pool, encode(header), ".", encode(claims), ".AAAA", NULL);
}

static gate_reason read_token(const char *text, gate_alg_set allowed, gate_jwt **jwt)
{
    return gate_jwt_read(pool, gate_span_of(text), allowed, jwt);
}

static void forms(void)
{
    static const struct {
        gate_span text;
        bool is_jwt;
    } cases[] = {
        {GATE_SPAN("a.b.c"), true},
        {GATE_SPAN("a.b."), true},
        {GATE_SPAN("aA0-_.b.c"), true},
        {GATE_SPAN(""), false},
        {GATE_SPAN("a"), false},
        {GATE_SPAN("."), false},
        {GATE_SPAN(".."), false},
        {GATE_SPAN("..."), false},
        {GATE_SPAN("a.b"), false},
        {GATE_SPAN(".b.c"), false},
        {GATE_SPAN("a..c"), false},
        {GATE_SPAN("a.."), false},
        {GATE_SPAN("a.b.c."), false},
        {GATE_SPAN("a.b.c.d"), false},
        {GATE_SPAN("a.b.c.d.e"), false},
        {GATE_SPAN("a.b.c "), false},
        {GATE_SPAN(" a.b.c"), false},
        {GATE_SPAN("a.b.c="), false},
        {GATE_SPAN("a+.b.c"), false},
        {GATE_SPAN("a.b/.c"), false},
        {GATE_SPAN("a.b.c\n"), false},
        {GATE_SPAN("a.b.c\0"), false},
        {GATE_SPAN("a.b\0.c"), false},
        {GATE_SPAN("\"a.b.c\""), false},
        {GATE_SPAN("{a.b.c}"), false},
        {GATE_SPAN("a.b.\xc3\xa9"), false},
        {GATE_SPAN("a.%62.c"), false},
        {GATE_SPAN("a,b,c"), false},
        {{NULL, 0}, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_jwt *jwt;
        ok(gate_jwt_looks_like(cases[i].text) == cases[i].is_jwt &&
               gate_jwt_read(pool, cases[i].text, ALL, &jwt) == GATE_MALFORMED_TOKEN,
           "'%s' %s like a JWT, and is none", gate_span_for_log(pool, cases[i].text, 20),
           cases[i].is_jwt ? "looks" : "does not look");
    }
}

static void parts(void)
{
    gate_jwt *jwt = NULL;
    const char *text =
        token_of("{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\",\"x\":1}", CLAIMS);
    ok(read_token(text, ALL, &jwt) == GATE_OK, "a token is read");
    ok(jwt->alg == GATE_ALG_ES256 && gate_span_is(jwt->kid, "k1") &&
           gate_span_is(jwt->typ, "at+jwt"),
       "its header is known");
    is(gate_json_text(jwt->claims, "iss").ptr, "joe", "its claims are known");
    ok(gate_span_equal(jwt->signed_text, (gate_span){text, strlen(text) - strlen(".AAAA")}),
       "what is signed is header and payload as they came");
    ok(gate_span_equal(jwt->signature, GATE_SPAN("\0\0\0")), "the signature is decoded");
    ok(read_token(token_of(HEADER, CLAIMS), ALL, &jwt) == GATE_OK && !jwt->kid.ptr && !jwt->typ.ptr,
       "kid and typ may be missing");
    text = apr_pstrcat(pool, encode(HEADER), ".", encode(CLAIMS), ".", NULL);
    ok(read_token(text, ALL, &jwt) == GATE_OK && jwt->signature.len == 0,
       "an empty signature is for the verifier to refuse");
}

static void headers(void)
{
    static const struct {
        const char *header;
        gate_reason reason;
    } cases[] = {
        {"{\"alg\":\"ES256\"}", GATE_OK},
        {" {\r\n\t\"alg\" : \"ES256\" } ", GATE_OK},
        {"{\"alg\":\"\\u0045S256\"}", GATE_OK},
        {"{\"alg\":\"ES256\",\"kid\":\"\"}", GATE_OK},
        {"{\"alg\":\"ES256\",\"cty\":\"JWT\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}", GATE_OK},
        {"{\"alg\":\"ES256\",\"jku\":\"https://evil.example/"
         "\",\"x5u\":\"x\",\"x5c\":[],\"jwk\":{}}",
         GATE_OK},
        {"{}", GATE_MALFORMED_TOKEN},
        {"[]", GATE_MALFORMED_TOKEN},
        {"\"alg\"", GATE_MALFORMED_TOKEN},
        {"null", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\"", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\"}x", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",}", GATE_MALFORMED_TOKEN},
        {"{\"ALG\":\"ES256\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":null}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":256}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":[\"ES256\"]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":{\"ES256\":1}}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":true}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\\u0000\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"alg\":\"ES256\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"none\",\"alg\":\"ES256\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"x\":{\"y\":1,\"y\":2}}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"kid\":1}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"kid\":null}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"kid\":[\"a\"]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"kid\":\"a\\u0000b\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"typ\":1}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"typ\":null}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":[]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":null}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":true}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":[\"alg\"]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":\"x\"}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"crit\":{}}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"none\",\"crit\":[]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"b64\":false}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"b64\":true}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", GATE_MALFORMED_TOKEN},
        {"{\"alg\":\"ES256\",\"x\":\"\xff\"}", GATE_MALFORMED_TOKEN},
    };
    gate_jwt *jwt;
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(read_token(token_of(cases[i].header, CLAIMS), ALL, &jwt) == cases[i].reason,
           "the header %s is %s", gate_span_for_log(pool, gate_span_of(cases[i].header), 70),
           cases[i].reason == GATE_OK ? "read" : "malformed");
}

static void algorithms(void)
{
    static const char *const refused[] = {
        "none",
        "None",
        "NONE",
        "nOnE",
        "nonE",
        "noNe",
        "none ",
        " none",
        "",
        "null",
        "unsecured",
        "es256",
        "Es256",
        "ES256 ",
        "ES-256",
        "ES256K",
        "ES521",
        "rs256",
        "RS1",
        "hs256",
        "HS1",
        "EDDSA",
        "eddsa",
        "dir",
        "A128KW",
        "A256GCMKW",
        "RSA1_5",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "PBES2-HS256+A128KW",
        "A256GCM",
        "DEF",
        "*",
        "ES256,RS256",
        "SHA256withECDSA",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        "ML-DSA-65",
        "0",
    };
    gate_jwt *jwt;
    for (size_t i = 0; i < COUNT(refused); i++) {
        const char *header = apr_pstrcat(pool, "{\"alg\":\"", refused[i], "\"}", NULL);
        ok(read_token(token_of(header, CLAIMS), ~0u, &jwt) == GATE_BAD_ALG, "alg '%s' is refused",
           refused[i]);
    }
    for (int i = 0; i < GATE_ALG_COUNT; i++) {
        const char *name = gate_alg_name((gate_alg)i);
        const char *token = token_of(apr_pstrcat(pool, "{\"alg\":\"", name, "\"}", NULL), CLAIMS);
        ok(read_token(token, GATE_ALG_BIT(i), &jwt) == GATE_OK && jwt->alg == (gate_alg)i,
           "%s is read where it is allowed", name);
        ok(read_token(token, 0, &jwt) == GATE_BAD_ALG &&
               read_token(token, ALL & ~GATE_ALG_BIT(i) & ~GATE_ALG_BIT(GATE_ALG_EDDSA), &jwt) ==
                   GATE_BAD_ALG,
           "%s is refused where all others are allowed", name);
    }
}

static void payloads(void)
{
    static const char *const bad[] = {
        "[]",
        "null",
        "\"x\"",
        "1",
        "x",
        "{",
        "{}{}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"sub\":\"admin\\u0000x\"}",
        "{\"sub\":\"\xc0\x80\"}",
        "{\"a\":1e999}",
        "{\"a\":NaN}",
        "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
    };
    gate_jwt *jwt;
    for (size_t i = 0; i < COUNT(bad); i++)
        ok(read_token(token_of(HEADER, bad[i]), ALL, &jwt) == GATE_MALFORMED_TOKEN,
           "claims %s are malformed", gate_span_for_log(pool, gate_span_of(bad[i]), 50));
    ok(read_token(token_of(HEADER, "{}"), ALL, &jwt) == GATE_OK, "an empty claim set is one");
}

/* Another text for the same bytes is another token: nobody may be able to make one. */
static void encodings(void)
{
    static const char *const bad[] = {
        "eyJhbGciOiJFUzI1NiJ9.e30=.AAAA",     "eyJhbGciOiJFUzI1NiJ9.e31.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAA=",      "eyJhbGciOiJFUzI1NiJ9.e30.AAB",
        "eyJhbGciOiJFUzI1NiJ9.e30.A",         "eyJhbGciOiJFUzI1NiJ9.e30.AA+A",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA ",     "eyJhbGciOiJFUzI1NiJ9.e30.AA\nAA",
        "eyJhbGciOiJFUzI1NiJ9. e30.AAAA",     "eyJhbGciOiJFUzI1NiJ9.e30.AAAA.",
        "eyJhbGciOiJFUzI1NiJ9=.e30.AAAA",     "eyJhbGciOiJFUzI1NiJ9Cg==.e30.AAAA",
        "eyJhbGciOiJFUzI1NiJ.e30.AAAA",       "{\"alg\":\"ES256\"}.e30.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.{}.AAAA",       "eyJhbGciOiJFUzI1NiJ9.e30.AAAA,",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA~x",    "{\"payload\":\"e30\",\"signature\":\"AAAA\"}",
        "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
    };
    gate_jwt *jwt;
    ok(read_token("eyJhbGciOiJFUzI1NiJ9.e30.AAAA", ALL, &jwt) == GATE_OK, "this one is read");
    for (size_t i = 0; i < COUNT(bad); i++)
        ok(read_token(bad[i], ALL, &jwt) == GATE_MALFORMED_TOKEN, "%s is not",
           gate_span_for_log(pool, gate_span_of(bad[i]), 60));
}

static void limits(void)
{
    gate_jwt *jwt;
    char *dots = apr_palloc(pool, 1 << 20);
    memset(dots, '.', 1 << 20);
    ok(gate_jwt_read(pool, (gate_span){dots, 1 << 20}, ALL, &jwt) == GATE_MALFORMED_TOKEN &&
           !gate_jwt_looks_like((gate_span){dots, 1 << 20}),
       "a million dots are no token");
    char *filler = apr_palloc(pool, GATE_JWT_MAX_BYTES + 1);
    memset(filler, 'A', GATE_JWT_MAX_BYTES);
    filler[GATE_JWT_MAX_BYTES] = '\0';
    const char *start = "eyJhbGciOiJFUzI1NiJ9.e30.";
    size_t left = GATE_JWT_MAX_BYTES - strlen(start);
    left -= left % 4 == 1;
    const char *text = apr_pstrcat(pool, start, filler, NULL);
    ok(gate_jwt_read(pool, (gate_span){text, strlen(start) + left}, ALL, &jwt) == GATE_OK,
       "16 KiB are a token");
    ok(gate_jwt_read(pool, (gate_span){text, GATE_JWT_MAX_BYTES + 1}, ALL, &jwt) ==
           GATE_MALFORMED_TOKEN,
       "a byte more are none");
    static const size_t lengths[] = {GATE_HEADER_MAX_BYTES, GATE_HEADER_MAX_BYTES + 1};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        char *header = apr_palloc(pool, lengths[i] + 1);
        memset(header, ' ', lengths[i]);
        header[lengths[i]] = '\0';
        memcpy(header, HEADER, strlen(HEADER));
        ok(read_token(token_of(header, CLAIMS), ALL, &jwt) == (i ? GATE_MALFORMED_TOKEN : GATE_OK),
           "a header of %zu bytes is %s", lengths[i], i ? "too long" : "read");
    }
}

static void types(void)
{
    static const struct {
        const char *typ, *read_as;
    } cases[] = {
        {"JWT", "JWT"},
        {"at+jwt", "at+jwt"},
        {"application/at+jwt", "at+jwt"},
        {"APPLICATION/AT+JWT", "AT+JWT"},
        {"application/", "application/"},
        {"text/at+jwt", "text/at+jwt"},
        {" application/at+jwt", " application/at+jwt"},
        {"application/application/jwt", "application/jwt"},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_jwt *jwt;
        const char *header =
            apr_pstrcat(pool, "{\"alg\":\"ES256\",\"typ\":\"", cases[i].typ, "\"}", NULL);
        is(read_token(token_of(header, CLAIMS), ALL, &jwt) == GATE_OK ? jwt->typ.ptr : "refused",
           cases[i].read_as, "typ '%s'", cases[i].typ);
    }
}

/* The kinds of the keys, a to f, each with a kid of its letter. */
static struct signer {
    const char *kid, *kind, *alg;
    EVP_PKEY *pkey;
} signers[] = {
    {"a", "P-256", "ES256", NULL}, {"b", "P-256", "ES256", NULL}, {"c", "P-256", "ES256", NULL},
    {"d", "P-256", "ES256", NULL}, {"e", "P-256", "ES256", NULL}, {"f", "RSA", "RS256", NULL},
};

/* "a" is that signer's key under its kid, "A" the same key without one, "a=b" the same under the
 * kid b. */
static const gate_jwks *set_of(const char *list)
{
    const char *text = "";
    gate_span rest = gate_span_of(list), word;
    while (gate_span_word(&rest, &word)) {
        const struct signer *signer = &signers[(word.ptr[0] | 0x20) - 'a'];
        const char *kid = word.len == 3        ? apr_pstrmemdup(pool, word.ptr + 2, 1)
                          : word.ptr[0] & 0x20 ? signer->kid
                                               : NULL;
        text = apr_pstrcat(pool, text, *text ? "," : "",
                           sign_public_jwk(pool, signer->pkey, kid, NULL), NULL);
    }
    text = apr_pstrcat(pool, "{\"keys\":[", text, "]}", NULL);
    return gate_jwks_read(pool, gate_span_of(text));
}

static gate_jwt *signed_by(char letter, const char *members)
{
    gate_jwt *jwt = NULL;
    const struct signer *signer = &signers[letter - 'a'];
    const char *header = apr_pstrcat(pool, "{\"alg\":\"", signer->alg, "\"", members, "}", NULL);
    const char *text = sign_jwt(pool, signer->pkey, signer->alg, header, CLAIMS);
    return read_token(text, ALL, &jwt) == GATE_OK ? jwt : NULL;
}

static void choosing(void)
{
    static const struct {
        char signer;
        const char *members, *set;
        gate_reason reason;
        const char *name;
    } cases[] = {
        {'a', ",\"kid\":\"a\"", "a b f", GATE_OK, "the key of that kid"},
        {'b', ",\"kid\":\"b\"", "a b f", GATE_OK, "the second key, by its kid"},
        {'f', ",\"kid\":\"f\"", "a b f", GATE_OK, "a key of another kind, by its kid"},
        {'b', ",\"kid\":\"a\"", "a b f", GATE_BAD_SIGNATURE, "another key's kid"},
        {'a', ",\"kid\":\"x\"", "a b f", GATE_UNKNOWN_KID, "a kid that nobody has"},
        {'a', ",\"kid\":\"A\"", "a b f", GATE_UNKNOWN_KID, "a kid in another case"},
        {'a', ",\"kid\":\"\"", "a b f", GATE_UNKNOWN_KID, "an empty kid"},
        {'a', ",\"kid\":\"a\"", "A b f", GATE_UNKNOWN_KID, "a kid where the key has none"},
        {'a', ",\"kid\":\"f\"", "a b f", GATE_UNKNOWN_KID, "the kid of a key that does not fit"},
        {'a', ",\"kid\":\"a\"", "", GATE_UNKNOWN_KID, "an empty set"},
        {'a', ",\"kid\":\"a\"", "b=a a c=a", GATE_OK, "decoys of the same kid"},
        {'a', ",\"kid\":\"a\"", "f=a a", GATE_OK, "a decoy of another kind"},
        {'a', ",\"kid\":\"a\"", "f=a f=a f=a f=a f=a a", GATE_OK,
         "decoys that do not fit cost nothing"},
        {'a', ",\"kid\":\"a\"", "b=a c=a d=a a", GATE_OK, "the fourth of that kid"},
        {'a', ",\"kid\":\"a\"", "b=a c=a d=a e=a a", GATE_BAD_SIGNATURE, "the fifth of that kid"},
        {'a', "", "a", GATE_OK, "no kid, a single key"},
        {'a', "", "A", GATE_OK, "no kid, a single key without one"},
        {'a', "", "f a", GATE_OK, "no kid, a single key that fits"},
        {'c', "", "a b c", GATE_OK, "no kid, several keys"},
        {'c', "", "a b C d", GATE_OK, "no kid, several keys, one of them without"},
        {'c', "", "a b d e C", GATE_OK, "no kid: keys without one come first"},
        {'a', "", "B C a", GATE_OK, "no kid: and those with one after them"},
        {'d', "", "a b c d", GATE_OK, "no kid, the fourth key"},
        {'e', "", "a b c d e", GATE_BAD_SIGNATURE, "no kid, the fifth key"},
        {'a', "", "b c", GATE_BAD_SIGNATURE, "no kid, and nobody's signature"},
        {'a', "", "f", GATE_UNKNOWN_KID, "no kid, and no key that fits"},
        {'a', "", "", GATE_UNKNOWN_KID, "no kid, and no keys"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_jwt *jwt = signed_by(cases[i].signer, cases[i].members);
        const gate_jwks *set = set_of(cases[i].set);
        gate_reason reason = gate_jwt_verify(jwt, set);
        ok(reason == cases[i].reason, "%s: %s", cases[i].name, gate_reason_name(reason));
        ok(gate_jwt_names_key(jwt, set) == (reason != GATE_UNKNOWN_KID),
           "%s: a key is named where one is tried", cases[i].name);
    }
}

/* Keys in the token itself, or a public key taken for a secret. */
static void attacks(void)
{
    const gate_jwks *set = set_of("a f");
    const char *jwk = sign_public_jwk(pool, signers[1].pkey, "a", NULL);
    const char *embedded = apr_pstrcat(pool, ",\"kid\":\"a\",\"jwk\":", jwk, NULL);
    ok(gate_jwt_verify(signed_by('b', embedded), set) == GATE_BAD_SIGNATURE,
       "a key in the token does not verify it");
    embedded =
        apr_pstrcat(pool, ",\"jku\":\"https://evil.example\",\"x5u\":\"x\",\"jwk\":", jwk, NULL);
    ok(gate_jwt_verify(signed_by('b', embedded), set) == GATE_BAD_SIGNATURE,
       "nor does one that it points to");
    const char *names[] = {"a", "f"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *key = sign_public_jwk(pool, signers[i ? 5 : 0].pkey, names[i], NULL);
        const char *header =
            apr_pstrcat(pool, "{\"alg\":\"HS256\",\"kid\":\"", names[i], "\"}", NULL);
        gate_jwt *jwt;
        const char *text = sign_jwt_hmac(pool, gate_span_of(key), "HS256", header, CLAIMS);
        ok(read_token(text, GATE_ALGS_ASYMMETRIC, &jwt) == GATE_BAD_ALG,
           "a MAC is not read where it is not allowed");
        ok(read_token(text, ALL, &jwt) == GATE_OK && gate_jwt_verify(jwt, set) == GATE_UNKNOWN_KID,
           "and where it is, the public key '%s' is not its secret", names[i]);
    }
    gate_jwt *jwt = signed_by('a', ",\"kid\":\"a\"");
    jwt->signature.len = 0;
    ok(gate_jwt_verify(jwt, set) == GATE_BAD_SIGNATURE, "an empty signature does not verify");
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
}

static void symmetric(void)
{
    static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const gate_jwk *good = gate_jwk_secret(pool, gate_span_of(secret));
    const gate_jwk *other =
        gate_jwk_secret(pool, GATE_SPAN("another secret, as long as it must be"));
    static const char *const algs[] = {"HS256", "HS384", "HS512"};
    gate_jwt *jwt;
    for (size_t i = 0; i < COUNT(algs); i++) {
        const char *header = apr_pstrcat(pool, "{\"alg\":\"", algs[i], "\"}", NULL);
        const char *text = sign_jwt_hmac(pool, gate_span_of(secret), algs[i], header, CLAIMS);
        ok(read_token(text, GATE_ALGS_SYMMETRIC, &jwt) == GATE_OK &&
               gate_jwt_verify_secret(jwt, good) == GATE_OK,
           "%s verifies with the secret", algs[i]);
        ok(gate_jwt_verify_secret(jwt, other) == (i ? GATE_BAD_ALG : GATE_BAD_SIGNATURE),
           "%s does not with another one", algs[i]);
    }
    ok(gate_jwt_verify_secret(signed_by('a', ""), good) == GATE_BAD_ALG,
       "a secret verifies no asymmetric signature");
}

static void times(void)
{
    static const struct {
        const char *claims;
        gate_reason reason;
    } cases[] = {
        /* now is 1,000,000, the skew 30 */
        {"{\"exp\":1000001}", GATE_OK},
        {"{\"exp\":999971}", GATE_OK},
        {"{\"exp\":999970}", GATE_TOKEN_EXPIRED},
        {"{\"exp\":999970.9}", GATE_TOKEN_EXPIRED},
        {"{\"exp\":0}", GATE_TOKEN_EXPIRED},
        {"{\"exp\":9007199254740992}", GATE_OK},
        {"{\"exp\":1.0e9}", GATE_OK},
        {"{}", GATE_BAD_CLAIM},
        {"{\"exp\":null}", GATE_BAD_CLAIM},
        {"{\"exp\":\"1000001\"}", GATE_BAD_CLAIM},
        {"{\"exp\":-1}", GATE_BAD_CLAIM},
        {"{\"exp\":1e300}", GATE_BAD_CLAIM},
        {"{\"exp\":9223372036854775807}", GATE_BAD_CLAIM},
        {"{\"exp\":[1000001]}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"nbf\":1000030}", GATE_OK},
        {"{\"exp\":1000001,\"nbf\":1000030.5}", GATE_OK},
        {"{\"exp\":1000001,\"nbf\":1000031}", GATE_TOKEN_NOT_YET_VALID},
        {"{\"exp\":1000001,\"nbf\":0}", GATE_OK},
        {"{\"exp\":1000001,\"nbf\":\"0\"}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"nbf\":null}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"nbf\":-1}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"nbf\":1e300}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"iat\":1000030}", GATE_OK},
        {"{\"exp\":1000001,\"iat\":1000031}", GATE_TOKEN_NOT_YET_VALID},
        {"{\"exp\":1000001,\"iat\":true}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"iat\":1e300}", GATE_BAD_CLAIM},
        {"{\"exp\":1000001,\"nbf\":999990,\"iat\":999990}", GATE_OK},
        {"{\"exp\":999000,\"nbf\":\"x\"}", GATE_TOKEN_EXPIRED},
    };
    apr_int64_t expires = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const json_t *claims = gate_json_object(pool, gate_span_of(cases[i].claims), 4096);
        ok(claims && gate_jwt_check_times(claims, 1000000, 30, NULL) == cases[i].reason, "%s is %s",
           cases[i].claims, gate_reason_name(cases[i].reason));
    }
    const json_t *claims = gate_json_object(pool, GATE_SPAN("{\"exp\":1000001.9}"), 4096);
    ok(gate_jwt_check_times(claims, 1000000, 0, &expires) == GATE_OK && expires == 1000001,
       "the end is told, in whole seconds");
    ok(gate_jwt_check_times(claims, 1000001, 0, &expires) == GATE_TOKEN_EXPIRED,
       "without patience a token ends when it says");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    for (size_t i = 0; i < COUNT(signers); i++)
        signers[i].pkey = sign_make_key(pool, signers[i].kind);
    forms();
    parts();
    headers();
    algorithms();
    payloads();
    encodings();
    limits();
    types();
    choosing();
    attacks();
    symmetric();
    times();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
