/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jws.h"

#include <openssl/core_names.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/base64url.h"
#include "base/seal.h"

#define MAX_SHAKE_BYTES 114

typedef struct gate_alg_row {
    const char *name;
    gate_key_type type;
    const char *curve; /* that the key must have; NULL: RSA has none, "EdDSA" takes two */
    gate_verifier_rule rule;
    size_t signature_len;     /* 0: as long as the key's modulus, or as its curve wants */
    gate_alg_set admitted_by; /* further algorithms which, allowed, allow this one */
} gate_alg_row;

/* RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2 */
static const gate_alg_row rows[GATE_ALG_COUNT] = {
    [GATE_ALG_RS256] = {"RS256", GATE_KEY_RSA, NULL, {"SHA256", RSA_PKCS1_PADDING, false}, 0, 0},
    [GATE_ALG_RS384] = {"RS384", GATE_KEY_RSA, NULL, {"SHA384", RSA_PKCS1_PADDING, false}, 0, 0},
    [GATE_ALG_RS512] = {"RS512", GATE_KEY_RSA, NULL, {"SHA512", RSA_PKCS1_PADDING, false}, 0, 0},
    [GATE_ALG_PS256] =
        {"PS256", GATE_KEY_RSA, NULL, {"SHA256", RSA_PKCS1_PSS_PADDING, false}, 0, 0},
    [GATE_ALG_PS384] =
        {"PS384", GATE_KEY_RSA, NULL, {"SHA384", RSA_PKCS1_PSS_PADDING, false}, 0, 0},
    [GATE_ALG_PS512] =
        {"PS512", GATE_KEY_RSA, NULL, {"SHA512", RSA_PKCS1_PSS_PADDING, false}, 0, 0},
    [GATE_ALG_ES256] = {"ES256", GATE_KEY_EC, "P-256", {"SHA256", 0, false}, 64, 0},
    [GATE_ALG_ES384] = {"ES384", GATE_KEY_EC, "P-384", {"SHA384", 0, false}, 96, 0},
    [GATE_ALG_ES512] = {"ES512", GATE_KEY_EC, "P-521", {"SHA512", 0, false}, 132, 0},
    [GATE_ALG_EDDSA] = {"EdDSA", GATE_KEY_OKP, NULL, {"SHA512", 0, true}, 0, 0},
    [GATE_ALG_ED25519] =
        {"Ed25519", GATE_KEY_OKP, "Ed25519", {"SHA512", 0, true}, 64, GATE_ALG_BIT(GATE_ALG_EDDSA)},
    [GATE_ALG_ED448] =
        {"Ed448", GATE_KEY_OKP, "Ed448", {"SHAKE256", 0, true}, 114, GATE_ALG_BIT(GATE_ALG_EDDSA)},
    [GATE_ALG_HS256] = {"HS256", GATE_KEY_OCT, NULL, {"SHA256", 0, false}, 32, 0},
    [GATE_ALG_HS384] = {"HS384", GATE_KEY_OCT, NULL, {"SHA384", 0, false}, 48, 0},
    [GATE_ALG_HS512] = {"HS512", GATE_KEY_OCT, NULL, {"SHA512", 0, false}, 64, 0},
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

bool gate_jws_fits(gate_alg alg, const gate_jwk *key)
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
    if (!EVP_Q_mac(NULL, "HMAC", NULL, row->rule.hash, NULL, key->secret.ptr, key->secret.len,
                   bytes_of(text), text.len, mac, sizeof mac, &len))
        return GATE_INTERNAL;
    return gate_secret_equal((gate_span){(const char *)mac, len}, signature) ? GATE_OK
                                                                             : GATE_BAD_SIGNATURE;
}

/* One of the two numbers of an EC signature as DER wants it (X.690 section 8.3): as short as it can
 * be, and not negative. Returns where it ends; NULL for 0, which is in no signature. */
static unsigned char *encode_number(unsigned char *to, const unsigned char *number, size_t len)
{
    while (len && !*number) {
        number++;
        len--;
    }
    if (!len)
        return NULL;
    const bool looks_negative = number[0] & 0x80;
    *to++ = V_ASN1_INTEGER;
    *to++ = (unsigned char)(len + looks_negative);
    if (looks_negative)
        *to++ = 0;
    memcpy(to, number, len);
    return to + len;
}

#define MAX_COORDINATE 66                             /* bytes, P-521 */
#define MAX_DER        (3 + 2 * (3 + MAX_COORDINATE)) /* of two numbers */

/* From r and s side by side (RFC 7518 section 3.4) to what OpenSSL reads (RFC 3279 section 2.2.3);
 * the absent span where one of them is 0. */
static gate_span encode_der(gate_span raw, unsigned char der[MAX_DER])
{
    const size_t half = raw.len / 2;
    unsigned char *body = der + 3, *to;
    to = encode_number(body, bytes_of(raw), half);
    if (to)
        to = encode_number(to, bytes_of(raw) + half, half);
    if (!to)
        return (gate_span){NULL, 0};
    const size_t len = (size_t)(to - body);
    unsigned char *start = body - 1;
    *start = (unsigned char)len;
    if (len > 0x7f)
        *--start = 0x81; /* the length is in the one byte that follows */
    *--start = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    return (gate_span){(const char *)start, (size_t)(to - start)};
}

static gate_reason verify(const gate_alg_row *row, const gate_jwk *key, gate_span text,
                          gate_span signature)
{
    if (row->type == GATE_KEY_OCT)
        return verify_mac(row, key, text, signature);
    unsigned char der[MAX_DER]; /* cppcheck-suppress variableScope ; signature points into it */
    size_t len = row->signature_len ? row->signature_len : (size_t)EVP_PKEY_get_size(key->pkey);
    if (!signature.ptr || signature.len != len)
        return GATE_BAD_SIGNATURE;
    if (row->type == GATE_KEY_EC)
        signature = encode_der(signature, der);
    if (!signature.ptr)
        return GATE_BAD_SIGNATURE;
    switch (gate_verifiers_check(key->verifiers, &row->rule, text, signature)) {
    case GATE_VERIFIER_GENUINE:
        return GATE_OK;
    case GATE_VERIFIER_REFUSED:
        return GATE_BAD_SIGNATURE;
    default:
        return GATE_INTERNAL;
    }
}

gate_reason gate_jws_verify(gate_alg alg, const gate_jwk *key, gate_span signed_text,
                            gate_span signature)
{
    if (!gate_jws_fits(alg, key))
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
    EVP_MD *hash = EVP_MD_fetch(NULL, rows[alg].rule.hash, NULL);
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
