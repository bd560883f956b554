/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* sign.h - keys, their public JWKs, and signed JWTs, made on the spot for tests */
#ifndef SIGN_H
#define SIGN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/base64url.h"

#define SIGN_UNUSED __attribute__((unused))

/* A test without its keys has nothing to say. */
static void sign_must(int good, const char *what)
{
    if (good)
        return;
    printf("Bail out! %s\n", what);
    exit(1);
}

static apr_status_t sign_free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

/* kind: "RSA" (2,048 bits), "P-256", "P-384", "P-521", "ED25519" or "ED448". Freed with p. */
SIGN_UNUSED static EVP_PKEY *sign_make_key(apr_pool_t *p, const char *kind)
{
    EVP_PKEY *key;
    if (strcmp(kind, "RSA") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    else if (kind[0] == 'P')
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    else
        key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    sign_must(key != NULL, kind);
    apr_pool_cleanup_register(p, key, sign_free_key, apr_pool_cleanup_null);
    return key;
}

SIGN_UNUSED static const char *sign_base64url(apr_pool_t *p, const void *bytes, size_t len)
{
    return gate_base64url_encode(p, (gate_span){bytes, len});
}

/* A number of the key as a JWK has it: big endian, of width bytes, or as many as it takes where
 * width is 0. */
static const char *sign_key_number(apr_pool_t *p, EVP_PKEY *key, const char *name, int width)
{
    BIGNUM *number = NULL;
    unsigned char bytes[1024];
    sign_must(EVP_PKEY_get_bn_param(key, name, &number), name);
    int len = width ? width : BN_num_bytes(number);
    sign_must(BN_bn2binpad(number, bytes, len) == len, name);
    BN_free(number);
    return sign_base64url(p, bytes, (size_t)len);
}

/* The public half as a JWK; kid and alg may be NULL. */
SIGN_UNUSED static const char *sign_public_jwk(apr_pool_t *p, EVP_PKEY *key, const char *kid,
                                               const char *alg)
{
    const char *members;
    if (EVP_PKEY_is_a(key, "RSA")) {
        members = apr_pstrcat(p, "\"kty\":\"RSA\",\"n\":\"",
                              sign_key_number(p, key, OSSL_PKEY_PARAM_RSA_N, 0), "\",\"e\":\"",
                              sign_key_number(p, key, OSSL_PKEY_PARAM_RSA_E, 0), "\"", NULL);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        int width = (EVP_PKEY_get_bits(key) + 7) / 8;
        members = apr_psprintf(p, "\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\",\"y\":\"%s\"",
                               EVP_PKEY_get_bits(key),
                               sign_key_number(p, key, OSSL_PKEY_PARAM_EC_PUB_X, width),
                               sign_key_number(p, key, OSSL_PKEY_PARAM_EC_PUB_Y, width));
    } else {
        unsigned char bytes[64];
        size_t len = sizeof bytes;
        sign_must(EVP_PKEY_get_raw_public_key(key, bytes, &len), "raw public key");
        members = apr_psprintf(p, "\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%s\"",
                               EVP_PKEY_is_a(key, "ED25519") ? "Ed25519" : "Ed448",
                               sign_base64url(p, bytes, len));
    }
    return apr_pstrcat(p, "{", members, kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "",
                       alg ? ",\"alg\":\"" : "", alg ? alg : "", alg ? "\"" : "", "}", NULL);
}

/* OpenSSL's DER to the two numbers side by side that RFC 7518 section 3.4 wants. */
static size_t sign_flatten(EVP_PKEY *key, unsigned char *signature, size_t len)
{
    int width = (EVP_PKEY_get_bits(key) + 7) / 8;
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    sign_must(pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, width) == width &&
                  BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + width, width) == width,
              "an EC signature");
    ECDSA_SIG_free(pair);
    return (size_t)width * 2;
}

static const EVP_MD *sign_hash(const char *alg)
{
    const char *bits = alg + 2;
    if (strcmp(bits, "256") == 0)
        return EVP_sha256();
    return strcmp(bits, "384") == 0 ? EVP_sha384() : EVP_sha512();
}

/* The signature of text by that algorithm, as base64url. */
SIGN_UNUSED static const char *sign_text(apr_pool_t *p, EVP_PKEY *key, const char *alg,
                                         const char *text)
{
    unsigned char signature[2048];
    size_t len = sizeof signature;
    bool is_eddsa = strcmp(alg, "EdDSA") == 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_context = NULL;
    sign_must(
        EVP_DigestSignInit(context, &key_context, is_eddsa ? NULL : sign_hash(alg), NULL, key) == 1,
        alg);
    if (alg[0] == 'P')
        sign_must(EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1,
                  alg);
    sign_must(EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text)) ==
                  1,
              alg);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_is_a(key, "EC"))
        len = sign_flatten(key, signature, len);
    return sign_base64url(p, signature, len);
}

/* header and claims are JSON texts, taken as they are: a test may lie in them. */
SIGN_UNUSED static const char *sign_jwt(apr_pool_t *p, EVP_PKEY *key, const char *alg,
                                        const char *header, const char *claims)
{
    const char *text = apr_pstrcat(p, sign_base64url(p, header, strlen(header)), ".",
                                   sign_base64url(p, claims, strlen(claims)), NULL);
    return apr_pstrcat(p, text, ".", sign_text(p, key, alg, text), NULL);
}

/* The same with HS256, HS384 or HS512. */
SIGN_UNUSED static const char *sign_jwt_hmac(apr_pool_t *p, gate_span secret, const char *alg,
                                             const char *header, const char *claims)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    const char *text = apr_pstrcat(p, sign_base64url(p, header, strlen(header)), ".",
                                   sign_base64url(p, claims, strlen(claims)), NULL);
    sign_must(HMAC(sign_hash(alg), secret.ptr, (int)secret.len, (const unsigned char *)text,
                   strlen(text), mac, &len) != NULL,
              alg);
    return apr_pstrcat(p, text, ".", sign_base64url(p, mac, len), NULL);
}

#endif
