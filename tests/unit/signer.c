/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/signer.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/json.h"
#include "jose/jwt.h"
#include "sign.h"

#define CLAIMS "{\"iss\":\"joe\",\"n\":7}"

static const char *bio_text(apr_pool_t *p, BIO *bio)
{
    char *bytes;
    const long len = BIO_get_mem_data(bio, &bytes);
    const char *text = apr_pstrmemdup(p, bytes, (apr_size_t)len);
    BIO_free(bio);
    return text;
}

static const char *private_pem(apr_pool_t *p, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    static const unsigned char passphrase[] = "secret";
    BIO *bio = BIO_new(BIO_s_mem());
    sign_must(PEM_write_bio_PrivateKey(bio, key, cipher, cipher ? passphrase : NULL, cipher ? 6 : 0,
                                       NULL, NULL) == 1,
              "a private key");
    return bio_text(p, bio);
}

static const char *public_pem(apr_pool_t *p, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    sign_must(PEM_write_bio_PUBKEY(bio, key) == 1, "a public key");
    return bio_text(p, bio);
}

static gate_signer *must_read(apr_pool_t *p, const char *pem)
{
    const char *problem = NULL;
    gate_signer *signer = gate_signer_read(p, gate_span_of(pem), &problem);
    sign_must(signer != NULL, problem);
    return signer;
}

/* What verifies it knows nothing but the published set. */
static gate_reason verify(apr_pool_t *p, const char *token, const char *jwk, gate_jwt **jwt)
{
    const gate_jwks *keys =
        gate_jwks_read(p, gate_span_of(apr_pstrcat(p, "{\"keys\":[", jwk, "]}", NULL)));
    const gate_reason reason = gate_jwt_read(p, gate_span_of(token), GATE_ALGS_ASYMMETRIC, jwt);
    return reason == GATE_OK ? gate_jwt_verify(*jwt, keys) : reason;
}

static const char *const kinds[] = {"P-256", "P-384", "P-521", "ED25519"};
static const char *const algorithms[] = {"ES256", "ES384", "ES512", "EdDSA"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void what_is_signed_verifies(apr_pool_t *p)
{
    for (int i = 0; i < KINDS; i++) {
        EVP_PKEY *key = sign_make_key(p, kinds[i]), *other = sign_make_key(p, kinds[i]);
        const gate_signer *signer = must_read(p, private_pem(p, key, NULL));
        const char *token = gate_signer_sign(p, signer, GATE_SPAN(CLAIMS));
        gate_jwt *jwt = NULL;

        ok(signer->can_sign, "%s: a private key signs", kinds[i]);
        is(gate_alg_name(signer->alg), algorithms[i], "with the algorithm of its curve");
        ok(token && verify(p, token, signer->jwk, &jwt) == GATE_OK, "what it signs verifies");
        ok(jwt && gate_span_is(jwt->kid, signer->kid), "the header says which key");
        ok(jwt && gate_span_is(jwt->typ, "JWT"), "and what it is");
        is(jwt ? gate_json_compact(p, jwt->claims).ptr : NULL, CLAIMS,
           "the claims are those given");
        ok(verify(p, token, must_read(p, private_pem(p, other, NULL))->jwk, &jwt) ==
               GATE_UNKNOWN_KID,
           "another key is not taken for it");
        ok(!strstr(signer->jwk, "\"d\""), "the private half is not published");
    }
}

/* The first byte of a half of the signature. */
static unsigned char half_of(apr_pool_t *p, const char *token, int half)
{
    gate_span signature;
    sign_must(gate_base64url_decode(p, gate_span_of(strrchr(token, '.') + 1), &signature), token);
    return (unsigned char)signature.ptr[half * 32];
}

/* A number that begins with a zero byte, as one in 256 does, keeps its place: so many are signed
 * that both halves have had one. */
static void numbers_keep_their_width(apr_pool_t *parent)
{
    enum { ENOUGH = 20000 };
    const gate_signer *signer =
        must_read(parent, private_pem(parent, sign_make_key(parent, "P-256"), NULL));
    bool was_short[2] = {false, false}, verifies = true;
    for (int i = 0; i < ENOUGH && verifies && !(was_short[0] && was_short[1]); i++) {
        apr_pool_t *p;
        gate_jwt *jwt;
        apr_pool_create(&p, parent);
        const char *claims = apr_psprintf(p, "{\"n\":%d}", i);
        const char *token = gate_signer_sign(p, signer, gate_span_of(claims));
        verifies = verify(p, token, signer->jwk, &jwt) == GATE_OK;
        for (int half = 0; half < 2; half++)
            was_short[half] = was_short[half] || !half_of(p, token, half);
        apr_pool_destroy(p);
    }
    ok(verifies, "each of many signatures verifies");
    ok(was_short[0] && was_short[1], "short numbers among them");
}

static void public_keys_are_only_published(apr_pool_t *p)
{
    for (int i = 0; i < KINDS; i++) {
        EVP_PKEY *key = sign_make_key(p, kinds[i]);
        const gate_signer *whole = must_read(p, private_pem(p, key, NULL));
        const gate_signer *half = must_read(p, public_pem(p, key));
        ok(!half->can_sign, "%s: a public key does not sign", kinds[i]);
        ok(!gate_signer_sign(p, half, GATE_SPAN(CLAIMS)), "not even when asked to");
        is(half->jwk, whole->jwk, "it is published as the private one is");
    }
}

/* RFC 8037, appendix A.1 to A.3 */
static void thumbprint(apr_pool_t *p)
{
    gate_span d;
    sign_must(
        gate_base64url_decode(p, GATE_SPAN("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), &d),
        "the key of the appendix");
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)d.ptr, d.len);
    const gate_signer *signer = must_read(p, private_pem(p, key, NULL));
    is(signer->kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "kid is the RFC's thumbprint");
    ok(strstr(signer->jwk, "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"") != NULL,
       "and x what it has there");
    EVP_PKEY_free(key);
}

static void problems(apr_pool_t *p)
{
    EVP_PKEY *k1 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    const struct {
        const char *pem, *says;
    } cases[] = {
        {"", "no key in PEM form"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no key in PEM form"},
        {private_pem(p, sign_make_key(p, "RSA"), NULL), "none on P-256"},
        {private_pem(p, k1, NULL), "none on P-256"},
        {private_pem(p, sign_make_key(p, "ED448"), NULL), "none on P-256"},
        {private_pem(p, sign_make_key(p, "P-256"), EVP_aes_128_cbc()), "is encrypted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *problem = NULL;
        ok(!gate_signer_read(p, gate_span_of(cases[i].pem), &problem) && problem &&
               strstr(problem, cases[i].says),
           "%s (%s)", cases[i].says, problem ? problem : "nothing");
    }
    EVP_PKEY_free(k1);
    ok(!ERR_peek_error(), "nothing is left in OpenSSL's queue");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    what_is_signed_verifies(p);
    numbers_keep_their_width(p);
    public_keys_are_only_published(p);
    thumbprint(p);
    problems(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
