/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwk.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "base/base64url.h"
#include "base/json.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define MAX_BYTES    (64 * 1024)

/* RFC 7517 appendix A.1 and RFC 8037 appendix A.2 */
#define RSA_N                                                                                      \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP" \
    "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY" \
    "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f" \
    "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
#define EC_X  "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
#define EC_Y  "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
#define OKP_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define OCT_K \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

#define RSA(more) "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"" more "}"
#define EC(more)  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"" more "}"
#define OKP(more) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" OKP_X "\"" more "}"
#define OCT(more) "{\"kty\":\"oct\",\"k\":\"" OCT_K "\"" more "}"

static apr_pool_t *pool;

static gate_jwk *read_text(const char *text, const char **problem)
{
    const json_t *object = gate_json_object(pool, gate_span_of(text), MAX_BYTES);
    *problem = "no JSON";
    return object ? gate_jwk_read(pool, object, problem) : NULL;
}

static void good_keys(void)
{
    static const struct {
        const char *name, *text;
        gate_key_type type;
        const char *curve, *kid, *alg;
    } cases[] = {
        {"RSA", RSA(""), GATE_KEY_RSA, NULL, NULL, NULL},
        {"EC", EC(""), GATE_KEY_EC, "P-256", NULL, NULL},
        {"OKP", OKP(""), GATE_KEY_OKP, "Ed25519", NULL, NULL},
        {"oct", OCT(""), GATE_KEY_OCT, NULL, NULL, NULL},
        {"kid and alg", EC(",\"kid\":\"1\",\"alg\":\"ES256\""), GATE_KEY_EC, "P-256", "1", "ES256"},
        {"an empty kid", EC(",\"kid\":\"\""), GATE_KEY_EC, "P-256", "", NULL},
        {"use", RSA(",\"use\":\"sig\""), GATE_KEY_RSA, NULL, NULL, NULL},
        {"key_ops", RSA(",\"key_ops\":[\"sign\",\"verify\"]"), GATE_KEY_RSA, NULL, NULL, NULL},
        {"private members", RSA(",\"d\":\"x\",\"p\":1,\"q\":null,\"oth\":[]"), GATE_KEY_RSA, NULL,
         NULL, NULL},
        {"a private member", EC(",\"d\":\"AA\""), GATE_KEY_EC, "P-256", NULL, NULL},
        {"certificates", RSA(",\"x5c\":[\"x\"],\"x5t\":\"y\",\"x5u\":\"z\""), GATE_KEY_RSA, NULL,
         NULL, NULL},
        {"an unknown alg", EC(",\"alg\":\"ES999\""), GATE_KEY_EC, "P-256", NULL, "ES999"},
        {"P-384",
         "{\"kty\":\"EC\",\"crv\":\"P-384\","
         "\"x\":\"qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3\","
         "\"y\":\"NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f\"}",
         GATE_KEY_EC, "P-384", NULL, NULL},
        {"Ed448",
         "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"BnJNZy1_JXpGRlrNLYsz_9I5NCM-"
         "Py39P1kEOyrLRXJj38rn"
         "OJe7cJaVsOnPj2NkL_jVtG_qkjOA\"}",
         GATE_KEY_OKP, "Ed448", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem;
        const gate_jwk *key = read_text(cases[i].text, &problem);
        ok(key && key->type == cases[i].type && gate_span_is(key->curve, cases[i].curve) &&
               gate_span_is(key->kid, cases[i].kid) && gate_span_is(key->alg, cases[i].alg) &&
               !key->pkey == (key->type == GATE_KEY_OCT) &&
               !key->secret.ptr == (key->type != GATE_KEY_OCT),
           "reads a key with %s%s%s", cases[i].name, key ? "" : ": ", key ? "" : problem);
    }
}

static const struct {
    const char *text, *problem;
} bad_cases[] = {
    {"{}", "kty"},
    {"{\"kty\":1}", "kty"},
    {"{\"kty\":\"rsa\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}", "kty"},
    {"{\"kty\":\"DSA\"}", "kty"},
    {"{\"kty\":\"\"}", "kty"},
    {RSA(",\"use\":\"enc\""), "use"},
    {RSA(",\"use\":\"SIG\""), "use"},
    {RSA(",\"use\":\"\""), "use"},
    {RSA(",\"use\":null"), "use"},
    {RSA(",\"use\":[\"sig\"]"), "use"},
    {RSA(",\"key_ops\":[]"), "key_ops"},
    {RSA(",\"key_ops\":[\"encrypt\"]"), "key_ops"},
    {RSA(",\"key_ops\":\"verify\""), "key_ops"},
    {RSA(",\"key_ops\":null"), "key_ops"},
    {RSA(",\"key_ops\":[\"verify\",1]"), "key_ops"},
    {RSA(",\"key_ops\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
         "\"a\","
         "\"a\",\"a\",\"a\",\"a\",\"verify\"]"),
     "key_ops"},
    {RSA(",\"kid\":1"), "kid"},
    {RSA(",\"kid\":null"), "kid"},
    {RSA(",\"alg\":256"), "alg"},
    {RSA(",\"alg\":[\"RS256\"]"), "alg"},
    {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "=\",\"e\":\"AQAB\"}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":65537}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"A QAB\"}", "n or e"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", "exponent"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AA\"}", "exponent"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAC\"}", "exponent"},
    {"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"" RSA_N "\"}", "exponent"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}", "x or y"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" EC_Y "\"}", "x or y"},
    {"{\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "crv"},
    {"{\"kty\":\"EC\",\"crv\":\"p-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "crv"},
    {"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "crv"},
    {"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "crv"},
    {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", "length"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "AAAA\",\"y\":\"" EC_Y "\"}", "x or y"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"" EC_Y "\"}", "length"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_Y "\",\"y\":\"" EC_X "\"}", "curve"},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
     "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
     "curve"},
    {"{\"kty\":\"OKP\",\"x\":\"" OKP_X "\"}", "crv"},
    {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" OKP_X "\"}", "crv"},
    {"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" OKP_X "\"}", "crv"},
    {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "x is"},
    {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "x is"},
    {"{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" OKP_X "\"}", "x is"},
    {"{\"kty\":\"oct\"}", "k is"},
    {"{\"kty\":\"oct\",\"k\":\"\"}", "k is"},
    {"{\"kty\":\"oct\",\"k\":\"====\"}", "k is"},
    {"{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "32 bytes"},
};

static void bad_keys(void)
{
    for (size_t i = 0; i < COUNT(bad_cases); i++) {
        const char *problem;
        const gate_jwk *key = read_text(bad_cases[i].text, &problem);
        ok(!key && problem && strstr(problem, bad_cases[i].problem), "refuses key %zu: %s", i,
           key ? "read" : problem);
    }
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
}

/* A key whose modulus has len bytes, the first and the last of them given. */
static gate_jwk *rsa_of(size_t len, int first, int last, const char **problem)
{
    char *bytes = apr_palloc(pool, len);
    memset(bytes, 0xb5, len);
    bytes[0] = (char)first;
    bytes[len - 1] = (char)last;
    const char *n = gate_base64url_encode(pool, (gate_span){bytes, len});
    return read_text(apr_pstrcat(pool, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"", n, "\"}", NULL),
                     problem);
}

static void rsa_sizes(void)
{
    static const struct {
        size_t len;
        int first, last;
        bool good;
        const char *name;
    } cases[] = {
        {256, 0x80, 1, true, "2,048 bits"},
        {256, 0x7f, 1, false, "2,047 bits"},
        {128, 0xff, 1, false, "1,024 bits"},
        {257, 0x00, 1, true, "2,056 bits with a zero in front"},
        {256, 0x00, 1, false, "2,040 bits with a zero in front"},
        {256, 0x80, 2, false, "an even modulus"},
        {512, 0xff, 3, true, "4,096 bits"},
        {2048, 0xff, 1, true, "16,384 bits"},
        {2049, 0x01, 1, false, "16,385 bits"},
        {2049, 0x00, 1, true, "16,384 bits with a zero in front"},
        {2050, 0x00, 1, false, "more zeros than one"},
        {16000, 0xff, 1, false, "128,000 bits"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem;
        const gate_jwk *key = rsa_of(cases[i].len, cases[i].first, cases[i].last, &problem);
        ok(!key == !cases[i].good, "RSA: %s is %s", cases[i].name,
           cases[i].good ? "read" : "refused");
    }
}

static void roca(void)
{
    /* Of the form k * M + 65537^a mod M, M being the product of the primes up to 167. */
    static const char text[] =
        "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"
        "\"gQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAXdsxYimloDMjVK5kvcB8QacS1PEj-EaQeLWHw\"}";
    const char *problem;
    ok(!read_text(text, &problem) && problem && strstr(problem, "CVE-2017-15361"),
       "refuses a modulus with the pattern of the faulty generator");
}

static void lifetime(void)
{
    apr_pool_t *document, *keys;
    const char *problem;
    apr_pool_create(&document, pool);
    apr_pool_create(&keys, pool);
    const json_t *object = gate_json_object(
        document, GATE_SPAN(EC(",\"kid\":\"a long enough kid\",\"alg\":\"ES256\"")), MAX_BYTES);
    const gate_jwk *key = gate_jwk_read(keys, object, &problem);
    apr_pool_destroy(document);
    ok(key && gate_span_is(key->kid, "a long enough kid") && gate_span_is(key->alg, "ES256") &&
           EVP_PKEY_get_bits(key->pkey) == 256,
       "a key outlives the document that it was read from");
    apr_pool_destroy(keys);
}

static void secrets(void)
{
    char bytes[64];
    memset(bytes, 's', sizeof bytes);
    ok(!gate_jwk_secret(pool, (gate_span){bytes, 31}), "31 bytes are no symmetric key");
    ok(!gate_jwk_secret(pool, (gate_span){NULL, 0}), "nor is nothing");
    const gate_jwk *key = gate_jwk_secret(pool, (gate_span){bytes, 32});
    ok(key && key->type == GATE_KEY_OCT && !key->pkey && !key->alg.ptr && !key->kid.ptr,
       "32 bytes are");
    bytes[0] = 'x';
    ok(key && key->secret.len == 32 && key->secret.ptr[0] == 's', "and they are a copy");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    good_keys();
    bad_keys();
    rsa_sizes();
    roca();
    lifetime();
    secrets();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
