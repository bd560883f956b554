/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/signer.h"

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/base64url.h"

#define MAX_COORDINATE    66 /* bytes, P-521 */
#define MAX_SIGNATURE     (2 * MAX_COORDINATE)
#define MAX_DER_SIGNATURE (MAX_SIGNATURE + 16)

/* RFC 7518 sections 3.4 and 6.2.1, RFC 8037 section 2 */
static const struct curve {
    const char *crv;
    const char *group; /* OpenSSL's own name of it; NULL: Ed25519 */
    gate_alg alg;
    size_t coordinate; /* bytes */
    const char *hash;
} curves[] = {
    {"P-256", "prime256v1", GATE_ALG_ES256, 32, "SHA256"},
    {"P-384", "secp384r1", GATE_ALG_ES384, 48, "SHA384"},
    {"P-521", "secp521r1", GATE_ALG_ES512, 66, "SHA512"},
    {"Ed25519", NULL, GATE_ALG_EDDSA, 32, NULL},
};

static const struct curve *curve_of_alg(gate_alg alg)
{
    const struct curve *curve = curves;
    while (curve->alg != alg)
        curve++;
    return curve;
}

static const struct curve *curve_of(const EVP_PKEY *key)
{
    char group[32] = "";
    const bool is_edwards = EVP_PKEY_is_a(key, "ED25519");
    if (!is_edwards &&
        (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1))
        return NULL;
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (curves[i].group ? !strcmp(group, curves[i].group) || !strcmp(group, curves[i].crv)
                            : is_edwards)
            return &curves[i];
    return NULL;
}

/* -- reading -- */

/* Nobody is asked for a passphrase: a server starts by itself. */
static int refuse_passphrase(char *buffer, int size, int writing, void *context)
{
    *(bool *)context = true;
    return -1;
}

static EVP_PKEY *parse(gate_span pem, bool *is_private, bool *is_encrypted)
{
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key =
        text ? PEM_read_bio_PrivateKey(text, NULL, refuse_passphrase, is_encrypted) : NULL;
    *is_private = key != NULL;
    if (text && !key && !*is_encrypted && BIO_reset(text) == 1)
        key = PEM_read_bio_PUBKEY(text, NULL, refuse_passphrase, is_encrypted);
    BIO_free(text);
    return key;
}

/* A coordinate has its full length (RFC 7518 section 6.2.1.2). */
static const char *coordinate(apr_pool_t *p, const EVP_PKEY *key, const char *name, size_t len)
{
    unsigned char bytes[MAX_COORDINATE];
    BIGNUM *number = NULL;
    const char *text = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
        BN_bn2binpad(number, bytes, (int)len) == (int)len)
        text = gate_base64url_encode(p, (gate_span){(const char *)bytes, len});
    BN_free(number);
    return text;
}

/* The members that a thumbprint is made over, in its order (RFC 7638 section 3.2, RFC 8037 section
 * 2). NULL where OpenSSL does not give them. */
static const char *required_members(apr_pool_t *p, const EVP_PKEY *key, const struct curve *curve)
{
    unsigned char bytes[MAX_COORDINATE];
    size_t len = sizeof bytes;
    if (!curve->group)
        return EVP_PKEY_get_raw_public_key(key, bytes, &len) == 1
                   ? apr_psprintf(p, "\"crv\":\"%s\",\"kty\":\"OKP\",\"x\":\"%s\"", curve->crv,
                                  gate_base64url_encode(p, (gate_span){(char *)bytes, len}))
                   : NULL;
    const char *x = coordinate(p, key, OSSL_PKEY_PARAM_EC_PUB_X, curve->coordinate);
    const char *y = coordinate(p, key, OSSL_PKEY_PARAM_EC_PUB_Y, curve->coordinate);
    return x && y ? apr_psprintf(p, "\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"",
                                 curve->crv, x, y)
                  : NULL;
}

static const char *thumbprint(apr_pool_t *p, const char *members)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    const char *text = apr_pstrcat(p, "{", members, "}", NULL);
    return EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), digest, &len) == 1
               ? gate_base64url_encode(p, (gate_span){(const char *)digest, len})
               : NULL;
}

static bool describe(apr_pool_t *p, gate_signer *signer, const struct curve *curve)
{
    const char *alg = gate_alg_name(curve->alg);
    const char *members = required_members(p, signer->pkey, curve);
    signer->alg = curve->alg;
    signer->kid = members ? thumbprint(p, members) : NULL;
    if (!signer->kid)
        return false;
    signer->jwk = apr_psprintf(p, "{%s,\"use\":\"sig\",\"alg\":\"%s\",\"kid\":\"%s\"}", members,
                               alg, signer->kid);
    signer->header = gate_base64url_encode(
        p, gate_span_of(apr_psprintf(p, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", alg,
                                     signer->kid)));
    return true;
}

static apr_status_t release(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

static const char *read_key(apr_pool_t *p, gate_span pem, gate_signer *signer)
{
    bool is_encrypted = false;
    signer->pkey = parse(pem, &signer->can_sign, &is_encrypted);
    if (!signer->pkey)
        return is_encrypted ? "the key is encrypted, and nobody is there to say its passphrase"
                            : "this is no key in PEM form";
    apr_pool_cleanup_register(p, signer->pkey, release, apr_pool_cleanup_null);
    const struct curve *curve = curve_of(signer->pkey);
    if (!curve)
        return "the key is none on P-256, P-384, P-521 or Ed25519";
    return describe(p, signer, curve) ? NULL : "OpenSSL does not say what the key's public half is";
}

gate_signer *gate_signer_read(apr_pool_t *p, gate_span pem, const char **problem)
{
    gate_signer *signer = apr_pcalloc(p, sizeof *signer);
    ERR_set_mark();
    *problem = read_key(p, pem, signer);
    ERR_pop_to_mark();
    return *problem ? NULL : signer;
}

/* -- signing -- */

/* From OpenSSL's DER to r and s side by side (RFC 7518 section 3.4). */
static bool flatten(unsigned char *signature, size_t *len, size_t half)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)*len);
    const bool fits =
        pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)half) == (int)half &&
        BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + half, (int)half) == (int)half;
    ECDSA_SIG_free(pair);
    *len = 2 * half;
    return fits;
}

static bool sign(const gate_signer *signer, gate_span text, unsigned char *signature, size_t *len)
{
    const struct curve *curve = curve_of_alg(signer->alg);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool done =
        context &&
        EVP_DigestSignInit_ex(context, NULL, curve->hash, NULL, NULL, signer->pkey, NULL) == 1 &&
        EVP_DigestSign(context, signature, len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(context);
    return done && (!curve->group || flatten(signature, len, curve->coordinate));
}

const char *gate_signer_sign(apr_pool_t *p, const gate_signer *signer, gate_span claims)
{
    unsigned char signature[MAX_DER_SIGNATURE];
    size_t len = sizeof signature;
    const char *text = apr_pstrcat(p, signer->header, ".", gate_base64url_encode(p, claims), NULL);
    ERR_set_mark();
    const bool done = sign(signer, gate_span_of(text), signature, &len);
    ERR_pop_to_mark();
    if (!done)
        return NULL;
    return apr_pstrcat(p, text, ".",
                       gate_base64url_encode(p, (gate_span){(const char *)signature, len}), NULL);
}
