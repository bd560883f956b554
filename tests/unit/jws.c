/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jws.h"

#include "tap.h"

#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/err.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/seal.h"
#include "sign.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT         "header.payload"

static apr_pool_t *pool;

static void names(void)
{
    static const char *const unknown[] = {
        "",          "none",        "None",
        "NONE",      "nOnE",        "rs256",
        "RS256 ",    " RS256",      "RS-256",
        "RS1",       "RS2560",      "ES256K",
        "PS1",       "HS1",         "HS256 ",
        "hs256",     "EDDSA",       "eddsa",
        "ed25519",   "ED25519",     "ED448",
        "A128KW",    "dir",         "RSA-OAEP",
        "RSA1_5",    "ECDH-ES",     "PBES2-HS256+A128KW",
        "A128GCM",   "RS256,HS256", "*",
        "null",      "ES521",       "RS256\n",
        "ML-DSA-44", "Ed25519ph",   "ESP256",
    };
    gate_alg alg;
    for (int i = 0; i < GATE_ALG_COUNT; i++) {
        const char *name = gate_alg_name((gate_alg)i);
        ok(gate_alg_find(gate_span_of(name), &alg) && alg == (gate_alg)i, "%s is found", name);
    }
    for (size_t i = 0; i < COUNT(unknown); i++)
        ok(!gate_alg_find(gate_span_of(unknown[i]), &alg), "'%s' is no algorithm", unknown[i]);
    ok(!gate_alg_find(GATE_SPAN("RS256\0"), &alg), "a NUL behind a name makes another one");
    ok(!gate_alg_find((gate_span){NULL, 0}, &alg), "what is absent is no algorithm");
}

static void allowing(void)
{
    gate_alg_set eddsa = GATE_ALG_BIT(GATE_ALG_EDDSA), ed448 = GATE_ALG_BIT(GATE_ALG_ED448);
    for (int i = 0; i < GATE_ALG_COUNT; i++) {
        bool symmetric = gate_alg_name((gate_alg)i)[0] == 'H';
        ok(gate_alg_allowed((gate_alg)i, GATE_ALGS_SYMMETRIC) == symmetric &&
               gate_alg_allowed((gate_alg)i, GATE_ALGS_ASYMMETRIC) == !symmetric &&
               !gate_alg_allowed((gate_alg)i, 0),
           "%s is %s", gate_alg_name((gate_alg)i), symmetric ? "symmetric" : "asymmetric");
    }
    ok(gate_alg_allowed(GATE_ALG_ED25519, eddsa) && gate_alg_allowed(GATE_ALG_ED448, eddsa),
       "who allows EdDSA allows its parts");
    ok(!gate_alg_allowed(GATE_ALG_EDDSA, ed448) && !gate_alg_allowed(GATE_ALG_ED25519, ed448),
       "who allows Ed448 allows that");
}

static const char *vectors[] = {
    "rfc7515-a1",  "rfc7515-a2",  "rfc7515-a3",  "rfc7515-a4", "rfc7520-4.1",
    "rfc7520-4.2", "rfc7520-4.3", "rfc7520-4.4", "rfc8037-a4",
};

static void check_vector(const char *name)
{
    const char *path = apr_pstrcat(pool, "tests/vectors/", name, ".json", NULL), *problem = "";
    const json_t *vector = gate_json_own(pool, json_load_file(path, 0, NULL));
    const char *jws = gate_json_text(vector, "jws").ptr;
    const char *first = jws ? strchr(jws, '.') : NULL, *second = first ? strrchr(jws, '.') : NULL;
    const gate_jwk *key = gate_jwk_read(pool, json_object_get(vector, "key"), &problem);
    gate_span header, signature;
    gate_alg alg;
    if (!ok(second && key, "%s is there", path))
        return;
    gate_base64url_decode(pool, (gate_span){jws, (size_t)(first - jws)}, &header);
    gate_base64url_decode(pool, gate_span_of(second + 1), &signature);
    const json_t *object = gate_json_object(pool, header, 4096);
    gate_span text = {jws, (size_t)(second - jws)};
    ok(gate_alg_find(gate_json_text(object, "alg"), &alg) &&
           gate_jws_verify(alg, key, text, signature) == GATE_OK,
       "%s verifies", gate_json_text(vector, "source").ptr);
    unsigned accepted = 0;
    for (size_t i = 0; i < signature.len; i++) {
        char *bytes = apr_pstrmemdup(pool, signature.ptr, signature.len);
        bytes[i] = (char)(bytes[i] ^ (1 << i % 8));
        accepted += gate_jws_verify(alg, key, text, (gate_span){bytes, signature.len}) !=
                    GATE_BAD_SIGNATURE;
    }
    text.len--;
    accepted += gate_jws_verify(alg, key, text, signature) != GATE_BAD_SIGNATURE;
    ok(accepted == 0, "and with a bit changed anywhere it does not");
}

/* One key of each kind, with what signs with it. */
typedef struct test_key {
    const char *kind;
    EVP_PKEY *pkey; /* NULL: the secret */
    const gate_jwk *jwk;
} test_key;

static test_key keys[] = {
    {"RSA", NULL, NULL},     {"P-256", NULL, NULL}, {"P-384", NULL, NULL},  {"P-521", NULL, NULL},
    {"ED25519", NULL, NULL}, {"ED448", NULL, NULL}, {"secret", NULL, NULL},
};

static const char secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const gate_jwk *read_public(EVP_PKEY *pkey, const char *alg)
{
    const char *problem, *text = sign_public_jwk(pool, pkey, NULL, alg);
    return gate_jwk_read(pool, gate_json_object(pool, gate_span_of(text), 8192), &problem);
}

static void make_keys(void)
{
    for (size_t i = 0; i < COUNT(keys) - 1; i++) {
        keys[i].pkey = sign_make_key(pool, keys[i].kind);
        keys[i].jwk = read_public(keys[i].pkey, NULL);
    }
    keys[COUNT(keys) - 1].jwk = gate_jwk_secret(pool, gate_span_of(secret));
}

/* Which algorithm goes with which key, told apart from the table that is tested. */
static bool go_together(const char *alg, const char *kind)
{
    static const struct {
        const char *alg, *kind;
    } pairs[] = {
        {"RS", "RSA"},          {"PS", "RSA"},      {"ES256", "P-256"},
        {"ES384", "P-384"},     {"ES512", "P-521"}, {"EdDSA", "ED"},
        {"Ed25519", "ED25519"}, {"Ed448", "ED448"}, {"HS", "secret"},
    };
    for (size_t i = 0; i < COUNT(pairs); i++)
        if (strncmp(alg, pairs[i].alg, strlen(pairs[i].alg)) == 0 &&
            strncmp(kind, pairs[i].kind, strlen(pairs[i].kind)) == 0)
            return true;
    return false;
}

static gate_span sign_with(const test_key *key, const char *alg)
{
    const char *encoded;
    gate_span signature = {NULL, 0};
    if (key->pkey) {
        encoded = sign_text(pool, key->pkey, alg[1] == 'd' ? "EdDSA" : alg, TEXT);
    } else {
        unsigned char mac[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        HMAC(sign_hash(alg), secret, (int)strlen(secret), (const unsigned char *)TEXT, strlen(TEXT),
             mac, &len);
        encoded = sign_base64url(pool, mac, len);
    }
    gate_base64url_decode(pool, gate_span_of(encoded), &signature);
    return signature;
}

/* Every algorithm with every key: it verifies, or it does not fit. And a signature by one algorithm
 * is none by another one that the same key could be used with. */
static void matrix(void)
{
    const gate_span text = GATE_SPAN(TEXT);
    for (int a = 0; a < GATE_ALG_COUNT; a++) {
        const char *alg = gate_alg_name((gate_alg)a);
        for (size_t k = 0; k < COUNT(keys); k++) {
            if (!go_together(alg, keys[k].kind)) {
                gate_span any = {secret, 64};
                ok(gate_jws_verify((gate_alg)a, keys[k].jwk, text, any) == GATE_BAD_ALG,
                   "%s does not go with a key %s", alg, keys[k].kind);
                continue;
            }
            gate_span signature = sign_with(&keys[k], alg);
            ok(gate_jws_verify((gate_alg)a, keys[k].jwk, text, signature) == GATE_OK,
               "%s verifies with a key %s", alg, keys[k].kind);
            for (int b = 0; b < GATE_ALG_COUNT; b++) {
                const char *other = gate_alg_name((gate_alg)b);
                if (a == b || !go_together(other, keys[k].kind) ||
                    (alg[1] == 'd' && other[1] == 'd'))
                    continue;
                ok(gate_jws_verify((gate_alg)b, keys[k].jwk, text, signature) == GATE_BAD_SIGNATURE,
                   "a signature by %s is none by %s", alg, other);
            }
        }
    }
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
}

static void own_alg(void)
{
    static const struct {
        size_t key;
        const char *own, *used;
        gate_reason reason;
    } cases[] = {
        {0, "RS256", "RS256", GATE_OK},         {0, "RS256", "RS384", GATE_BAD_ALG},
        {0, "RS256", "PS256", GATE_BAD_ALG},    {0, "PS256", "RS256", GATE_BAD_ALG},
        {0, "rs256", "RS256", GATE_BAD_ALG},    {0, "", "RS256", GATE_BAD_ALG},
        {0, "none", "RS256", GATE_BAD_ALG},     {0, "HS256", "RS256", GATE_BAD_ALG},
        {0, "RSA-OAEP", "RS256", GATE_BAD_ALG}, {1, "ES256", "ES256", GATE_OK},
        {1, "ES384", "ES256", GATE_BAD_ALG},    {4, "EdDSA", "EdDSA", GATE_OK},
        {4, "EdDSA", "Ed25519", GATE_OK},       {4, "Ed25519", "EdDSA", GATE_OK},
        {4, "Ed25519", "Ed25519", GATE_OK},     {4, "Ed448", "EdDSA", GATE_BAD_ALG},
        {4, "Ed448", "Ed25519", GATE_BAD_ALG},  {4, "ES256", "EdDSA", GATE_BAD_ALG},
        {5, "Ed448", "EdDSA", GATE_OK},         {5, "Ed25519", "Ed448", GATE_BAD_ALG},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_alg alg = GATE_ALG_COUNT;
        gate_alg_find(gate_span_of(cases[i].used), &alg);
        const gate_jwk *key = read_public(keys[cases[i].key].pkey, cases[i].own);
        gate_span signature = sign_with(&keys[cases[i].key], cases[i].used);
        ok(gate_jws_verify(alg, key, GATE_SPAN(TEXT), signature) == cases[i].reason,
           "a %s key for '%s' %s with %s", keys[cases[i].key].kind, cases[i].own,
           cases[i].reason == GATE_OK ? "verifies" : "does not fit", cases[i].used);
    }
}

/* Signatures of any length but the right one, and of nothing but one byte. */
static void lengths(void)
{
    for (int a = 0; a < GATE_ALG_COUNT; a++) {
        const char *alg = gate_alg_name((gate_alg)a);
        for (size_t k = 0; k < COUNT(keys); k++) {
            if (!go_together(alg, keys[k].kind))
                continue;
            gate_span good = sign_with(&keys[k], alg);
            char *bytes = apr_pcalloc(pool, good.len + 2);
            memcpy(bytes + 1, good.ptr, good.len);
            const gate_span bad[] = {
                {NULL, 0},
                {"", 0},
                {bytes, good.len + 1},
                {bytes + 1, good.len - 1},
                {bytes + 1, good.len + 1},
                {bytes, good.len},
                {bytes + 1, 1},
                {bytes + 1, good.len / 2},
            };
            int refused = 0;
            for (size_t i = 0; i < COUNT(bad); i++)
                refused += gate_jws_verify((gate_alg)a, keys[k].jwk, GATE_SPAN(TEXT), bad[i]) ==
                           GATE_BAD_SIGNATURE;
            memset(bytes, 0, good.len);
            refused += gate_jws_verify((gate_alg)a, keys[k].jwk, GATE_SPAN(TEXT),
                                       (gate_span){bytes, good.len}) == GATE_BAD_SIGNATURE;
            memset(bytes, 0xff, good.len);
            refused += gate_jws_verify((gate_alg)a, keys[k].jwk, GATE_SPAN(TEXT),
                                       (gate_span){bytes, good.len}) == GATE_BAD_SIGNATURE;
            ok(refused == (int)COUNT(bad) + 2,
               "%s, key %s: too short, too long, shifted, all zeros, all ones are refused", alg,
               keys[k].kind);
        }
    }
}

/* CVE-2022-21449 and its like: r and s out of (0, n). */
static void zero_halves(void)
{
    gate_span good = sign_with(&keys[1], "ES256");
    for (int half = 0; half < 2; half++) {
        char *bytes = apr_pstrmemdup(pool, good.ptr, good.len);
        memset(bytes + half * 32, 0, 32);
        ok(gate_jws_verify(GATE_ALG_ES256, keys[1].jwk, GATE_SPAN(TEXT),
                           (gate_span){bytes, good.len}) == GATE_BAD_SIGNATURE,
           "%s is zero", half ? "s" : "r");
    }
    unsigned char order[32];
    BIGNUM *n = NULL;
    BN_hex2bn(&n, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    BN_bn2binpad(n, order, 32);
    BN_free(n);
    for (int half = 0; half < 2; half++) {
        char *bytes = apr_pstrmemdup(pool, good.ptr, good.len);
        memcpy(bytes + half * 32, order, 32);
        ok(gate_jws_verify(GATE_ALG_ES256, keys[1].jwk, GATE_SPAN(TEXT),
                           (gate_span){bytes, good.len}) == GATE_BAD_SIGNATURE,
           "%s is the order", half ? "s" : "r");
    }
}

static void short_secrets(void)
{
    static const struct {
        gate_alg alg;
        size_t needed;
    } cases[] = {{GATE_ALG_HS256, 32}, {GATE_ALG_HS384, 48}, {GATE_ALG_HS512, 64}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_jwk *enough = gate_jwk_secret(pool, (gate_span){secret, cases[i].needed});
        gate_jwk less = *enough;
        less.secret.len--;
        ok(gate_jws_verify(cases[i].alg, enough, GATE_SPAN(TEXT), GATE_SPAN("x")) ==
                   GATE_BAD_SIGNATURE &&
               gate_jws_verify(cases[i].alg, &less, GATE_SPAN(TEXT), GATE_SPAN("x")) ==
                   GATE_BAD_ALG,
           "%s wants %zu bytes of secret", gate_alg_name(cases[i].alg), cases[i].needed);
    }
}

/* OpenID Connect Core appendix A.3 and A.6, and the same by the other hashes. */
static void half_hashes(void)
{
    static const char token[] = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    static const char code[] = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
    static const struct {
        gate_alg alg;
        const char *text, *hash;
    } cases[] = {
        {GATE_ALG_RS256, token, "77QmUPtjPfzWtF2AnpK9RQ"},
        {GATE_ALG_RS256, code, "LDktKdoQak3Pk0cnXxCltA"},
        {GATE_ALG_PS256, token, "77QmUPtjPfzWtF2AnpK9RQ"},
        {GATE_ALG_ES256, token, "77QmUPtjPfzWtF2AnpK9RQ"},
        {GATE_ALG_HS256, token, "77QmUPtjPfzWtF2AnpK9RQ"},
        {GATE_ALG_ES384, token, "jtAeDp945y1dDqU3nkIVGNZP1HjH_MFs"},
        {GATE_ALG_ES512, token, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
        {GATE_ALG_EDDSA, token, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
        {GATE_ALG_ED25519, token, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"},
        {GATE_ALG_ED448, token,
         "W6Ie3EoycJT-JESJ2WSAWX7LRP3FuHvmvNycBMeL-NngYGhJXChp7YRUBdOXcrKGZD4qnhCAstjO"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(gate_alg_half_hash(pool, cases[i].alg, gate_span_of(cases[i].text)), cases[i].hash,
           "the half hash by %s", gate_alg_name(cases[i].alg));
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    names();
    allowing();
    for (size_t i = 0; i < COUNT(vectors); i++)
        check_vector(vectors[i]);
    make_keys();
    matrix();
    own_alg();
    lengths();
    zero_halves();
    short_secrets();
    half_hashes();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
