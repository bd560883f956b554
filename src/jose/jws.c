/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/seal.h"

#define MAX_SHAKE_BYTES 114

typedef struct gate_alg_row {
    const char *name;
    gate_key_type type;
    const char *curve; /* that the key must have; NULL: RSA has none, "EdDSA" takes two */
    const char *hash;
    int padding;              /* of RSA */
    size_t signature_len;     /* 0: as long as the key's modulus, or as its curve wants */
    gate_alg_set admitted_by; /* further algorithms which, allowed, allow this one */
} gate_alg_row;

/* RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2 */
static const gate_alg_row rows[GATE_ALG_COUNT] = {
    [GATE_ALG_RS256] = {"RS256", GATE_KEY_RSA, NULL, "SHA256", RSA_PKCS1_PADDING, 0, 0},
    [GATE_ALG_RS384] = {"RS384", GATE_KEY_RSA, NULL, "SHA384", RSA_PKCS1_PADDING, 0, 0},
    [GATE_ALG_RS512] = {"RS512", GATE_KEY_RSA, NULL, "SHA512", RSA_PKCS1_PADDING, 0, 0},
    [GATE_ALG_PS256] = {"PS256", GATE_KEY_RSA, NULL, "SHA256", RSA_PKCS1_PSS_PADDING, 0, 0},
    [GATE_ALG_PS384] = {"PS384", GATE_KEY_RSA, NULL, "SHA384", RSA_PKCS1_PSS_PADDING, 0, 0},
    [GATE_ALG_PS512] = {"PS512", GATE_KEY_RSA, NULL, "SHA512", RSA_PKCS1_PSS_PADDING, 0, 0},
    [GATE_ALG_ES256] = {"ES256", GATE_KEY_EC, "P-256", "SHA256", 0, 64, 0},
    [GATE_ALG_ES384] = {"ES384", GATE_KEY_EC, "P-384", "SHA384", 0, 96, 0},
    [GATE_ALG_ES512] = {"ES512", GATE_KEY_EC, "P-521", "SHA512", 0, 132, 0},
    [GATE_ALG_EDDSA] = {"EdDSA", GATE_KEY_OKP, NULL, "SHA512", 0, 0, 0},
    [GATE_ALG_ED25519] = {"Ed25519", GATE_KEY_OKP, "Ed25519", "SHA512", 0, 64,
                          GATE_ALG_BIT(GATE_ALG_EDDSA)},
    [GATE_ALG_ED448] = {"Ed448", GATE_KEY_OKP, "Ed448", "SHAKE256", 0, 114,
                        GATE_ALG_BIT(GATE_ALG_EDDSA)},
    [GATE_ALG_HS256] = {"HS256", GATE_KEY_OCT, NULL, "SHA256", 0, 32, 0},
    [GATE_ALG_HS384] = {"HS384", GATE_KEY_OCT, NULL, "SHA384", 0, 48, 0},
    [GATE_ALG_HS512] = {"HS512", GATE_KEY_OCT, NULL, "SHA512", 0, 64, 0},
};

bool gate_alg_find(gate_span name, gate_alg *alg)
{
    for (int i = 0; i < GATE_ALG_COUNT; i++) {
        if (gate_span_is(name, rows[i].name)) {
            *alg = (gate_alg)i;
            return true;
        }
    }
    return false;
}

const char *gate_alg_name(gate_alg alg)
{
    return rows[alg].name;
}

bool gate_alg_allowed(gate_alg alg, gate_alg_set allowed)
{
    return (allowed & (GATE_ALG_BIT(alg) | rows[alg].admitted_by)) != 0;
}

static bool fits_curve(const gate_alg_row *row, const gate_jwk *key)
{
    return !row->curve || gate_span_is(key->curve, row->curve);
}

/* One key, one algorithm (RFC 8725 section 3.1), but "EdDSA" and the name of the key's curve are
 * one. */
static bool fits_own_alg(gate_alg alg, const gate_jwk *key)
{
    gate_alg own;
    if (!key->alg.ptr)
        return true;
    if (!gate_alg_find(key->alg, &own))
        return false;
    return own == alg || (key->type == GATE_KEY_OKP && rows[own].type == GATE_KEY_OKP &&
                          fits_curve(&rows[own], key));
}

static bool fits(gate_alg alg, const gate_jwk *key)
{
    const gate_alg_row *row = &rows[alg];
    if (row->type != key->type || !fits_curve(row, key) || !fits_own_alg(alg, key))
        return false;
    /* RFC 7518 section 3.2: a secret at least as long as the hash. */
    return row->type != GATE_KEY_OCT || key->secret.len >= row->signature_len;
}

static const unsigned char *bytes_of(gate_span s)
{
    return (const unsigned char *)(s.ptr ? s.ptr : "");
}

static gate_reason verify_mac(const gate_alg_row *row, const gate_jwk *key, gate_span text,
                              gate_span signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (!EVP_Q_mac(NULL, "HMAC", NULL, row->hash, NULL, key->secret.ptr, key->secret.len,
                   bytes_of(text), text.len, mac, sizeof mac, &len))
        return GATE_INTERNAL;
    return gate_secret_equal((gate_span){(const char *)mac, len}, signature) ? GATE_OK
                                                                             : GATE_BAD_SIGNATURE;
}

/* From r and s side by side (RFC 7518 section 3.4) to what OpenSSL reads; NULL where one of them
 * is 0. */
static unsigned char *encode_der(gate_span raw, int *len)
{
    unsigned char *der = NULL;
    int half = (int)(raw.len / 2);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes_of(raw), half, NULL);
    BIGNUM *s = BN_bin2bn(bytes_of(raw) + half, half, NULL);
    if (!signature || !r || !s || BN_is_zero(r) || BN_is_zero(s) ||
        ECDSA_SIG_set0(signature, r, s) != 1)
        goto out;
    r = s = NULL;
    *len = i2d_ECDSA_SIG(signature, &der);
    if (*len <= 0)
        der = NULL;
out:
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return der;
}

static bool set_padding(EVP_PKEY_CTX *context, int padding)
{
    if (EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1)
        return false;
    /* RFC 7518 section 3.5: the salt is as long as the hash, neither more nor less. */
    return padding != RSA_PKCS1_PSS_PADDING ||
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static gate_reason verify_asymmetric(const gate_alg_row *row, const gate_jwk *key, gate_span text,
                                     const unsigned char *signature, size_t len)
{
    gate_reason reason = GATE_INTERNAL;
    EVP_PKEY_CTX *details;
    const char *hash = row->type == GATE_KEY_OKP ? NULL : row->hash;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context ||
        EVP_DigestVerifyInit_ex(context, &details, hash, NULL, NULL, key->pkey, NULL) != 1)
        goto out;
    if (row->padding && !set_padding(details, row->padding))
        goto out;
    /* Any other answer than 1 is the signature's fault: what could be ours has been seen to
     * above. */
    reason = EVP_DigestVerify(context, signature, len, bytes_of(text), text.len) == 1
                 ? GATE_OK
                 : GATE_BAD_SIGNATURE;
out:
    EVP_MD_CTX_free(context);
    return reason;
}

static gate_reason verify(const gate_alg_row *row, const gate_jwk *key, gate_span text,
                          gate_span signature)
{
    if (row->type == GATE_KEY_OCT)
        return verify_mac(row, key, text, signature);
    size_t len = row->signature_len ? row->signature_len : (size_t)EVP_PKEY_get_size(key->pkey);
    if (!signature.ptr || signature.len != len)
        return GATE_BAD_SIGNATURE;
    if (row->type != GATE_KEY_EC)
        return verify_asymmetric(row, key, text, bytes_of(signature), signature.len);
    int der_len = 0;
    unsigned char *der = encode_der(signature, &der_len);
    if (!der)
        return GATE_BAD_SIGNATURE;
    gate_reason reason = verify_asymmetric(row, key, text, der, (size_t)der_len);
    OPENSSL_free(der);
    return reason;
}

gate_reason gate_jws_verify(gate_alg alg, const gate_jwk *key, gate_span signed_text,
                            gate_span signature)
{
    if (!fits(alg, key))
        return GATE_BAD_ALG;
    /* A bad signature must leave nothing in OpenSSL's error queue, which belongs to the whole
     * thread. */
    ERR_set_mark();
    gate_reason reason = verify(&rows[alg], key, signed_text, signature);
    ERR_pop_to_mark();
    return reason;
}

const char *gate_alg_half_hash(apr_pool_t *p, gate_alg alg, gate_span text)
{
    unsigned char digest[MAX_SHAKE_BYTES];
    unsigned len = 0;
    const char *half = NULL;
    bool extendable = alg == GATE_ALG_ED448;
    EVP_MD *hash = EVP_MD_fetch(NULL, rows[alg].hash, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!hash || !context || EVP_DigestInit_ex2(context, hash, NULL) != 1 ||
        EVP_DigestUpdate(context, bytes_of(text), text.len) != 1)
        goto out;
    if (extendable)
        len = EVP_DigestFinalXOF(context, digest, sizeof digest) == 1 ? sizeof digest : 0;
    else if (EVP_DigestFinal_ex(context, digest, &len) != 1)
        len = 0;
    if (len)
        half = gate_base64url_encode(p, (gate_span){(const char *)digest, len / 2});
out:
    EVP_MD_CTX_free(context);
    EVP_MD_free(hash);
    return half;
}
