/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/seal.h"

#define RSA_MIN_BITS     2048
#define RSA_MAX_BITS     16384
#define RSA_MAX_EXPONENT 64 /* bits: a longer one only makes verifying slow */
#define SECRET_MIN_BYTES 32
#define MAX_KEY_OPS      16
#define MAX_COORDINATE   66 /* bytes, P-521 */

/* RFC 7518 section 6.2.1.1 */
static const struct elliptic_curve {
    const char *crv;   /* OpenSSL knows the group under the same name */
    size_t coordinate; /* bytes */
} elliptic_curves[] = {
    {"P-256", 32},
    {"P-384", 48},
    {"P-521", 66},
};

/* RFC 8037 section 2, without the two that only agree on keys */
static const struct edwards_curve {
    const char *crv;
    size_t size; /* bytes of the public key */
} edwards_curves[] = {
    {"Ed25519", 32},
    {"Ed448", 57},
};

static bool decode_member(apr_pool_t *p, const json_t *object, const char *name, gate_span *bytes)
{
    gate_span text = gate_json_text(object, name);
    return text.len && gate_base64url_decode(p, text, bytes);
}

static const unsigned char *bytes_of(gate_span s)
{
    return (const unsigned char *)s.ptr;
}

static EVP_PKEY *import_key(const char *type, OSSL_PARAM *parameters)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

/* Whether the modulus was made by the faulty generator of CVE-2017-15361 (ROCA): each of its
 * primes is a power of 65537 modulo every small prime, so their product is one too. */
static bool has_roca_pattern(const BIGNUM *modulus)
{
    static const unsigned char primes[] = {
        3,  5,  7,  11, 13, 17,  19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
        73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    };
    for (size_t i = 0; i < sizeof primes; i++) {
        unsigned prime = primes[i], power = 1;
        unsigned rest = (unsigned)BN_mod_word(modulus, prime);
        do {
            power = power * (65537 % prime) % prime;
        } while (power != rest && power != 1);
        if (power != rest)
            return false;
    }
    return true;
}

static const char *check_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
    if (BN_num_bits(modulus) < RSA_MIN_BITS || BN_num_bits(modulus) > RSA_MAX_BITS)
        return "an RSA key of under 2,048 or over 16,384 bits";
    if (!BN_is_odd(modulus))
        return "an even RSA modulus";
    if (!BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > RSA_MAX_EXPONENT)
        return "an RSA exponent that is 1, even or too long";
    if (has_roca_pattern(modulus))
        return "an RSA key of the faulty kind of CVE-2017-15361";
    return NULL;
}

static EVP_PKEY *build_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *parameters = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        parameters = OSSL_PARAM_BLD_to_param(builder);
    if (parameters)
        key = import_key("RSA", parameters);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

/* RFC 7518 section 6.3.1 */
static const char *read_rsa(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    gate_span n, e;
    if (!decode_member(p, object, "n", &n) || !decode_member(p, object, "e", &e))
        return "n or e is missing or not base64url";
    /* A zero in front is against the section, and yet sent. */
    if (n.len > RSA_MAX_BITS / 8 + 1 || e.len > RSA_MAX_BITS / 8 + 1)
        return "an RSA key of over 16,384 bits";
    BIGNUM *modulus = BN_bin2bn(bytes_of(n), (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn(bytes_of(e), (int)e.len, NULL);
    const char *problem = modulus && exponent ? check_rsa(modulus, exponent) : "no memory";
    if (!problem) {
        jwk->pkey = build_rsa(modulus, exponent);
        problem = jwk->pkey ? NULL : "OpenSSL does not take the RSA key";
    }
    BN_free(modulus);
    BN_free(exponent);
    return problem;
}

static const struct elliptic_curve *find_curve(gate_span crv)
{
    for (size_t i = 0; i < sizeof elliptic_curves / sizeof elliptic_curves[0]; i++)
        if (gate_span_is(crv, elliptic_curves[i].crv))
            return &elliptic_curves[i];
    return NULL;
}

static EVP_PKEY *build_ec(const struct elliptic_curve *curve, gate_span x, gate_span y)
{
    unsigned char point[1 + 2 * MAX_COORDINATE];
    char group[sizeof "P-256"];
    memcpy(group, curve->crv, sizeof group);
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, x.ptr, x.len);
    memcpy(point + 1 + x.len, y.ptr, y.len);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + x.len + y.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = import_key("EC", parameters);
    EVP_PKEY_CTX *context = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    if (!context || EVP_PKEY_public_check(context) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

/* RFC 7518 section 6.2.1 */
static const char *read_ec(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    gate_span x, y;
    const struct elliptic_curve *curve = find_curve(gate_json_text(object, "crv"));
    if (!curve)
        return "crv is none of P-256, P-384, P-521";
    if (!decode_member(p, object, "x", &x) || !decode_member(p, object, "y", &y))
        return "x or y is missing or not base64url";
    if (x.len != curve->coordinate || y.len != curve->coordinate)
        return "x or y does not have the curve's length";
    jwk->curve = gate_span_of(curve->crv);
    jwk->pkey = build_ec(curve, x, y);
    return jwk->pkey ? NULL : "the point is not on the curve";
}

/* RFC 8037 section 2 */
static const char *read_okp(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    gate_span x, crv = gate_json_text(object, "crv");
    const struct edwards_curve *curve = NULL;
    for (size_t i = 0; !curve && i < sizeof edwards_curves / sizeof edwards_curves[0]; i++)
        if (gate_span_is(crv, edwards_curves[i].crv))
            curve = &edwards_curves[i];
    if (!curve)
        return "crv is neither Ed25519 nor Ed448";
    if (!decode_member(p, object, "x", &x) || x.len != curve->size)
        return "x is missing, not base64url, or does not have the curve's length";
    jwk->curve = gate_span_of(curve->crv);
    jwk->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, curve->crv, NULL, bytes_of(x), x.len);
    return jwk->pkey ? NULL : "OpenSSL does not take the key";
}

/* RFC 7518 section 6.4 */
static const char *read_oct(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    if (!decode_member(p, object, "k", &jwk->secret))
        return "k is missing or not base64url";
    return jwk->secret.len < SECRET_MIN_BYTES ? "k has less than 32 bytes" : NULL;
}

static const struct kind {
    const char *kty;
    gate_key_type type;
    const char *(*read)(apr_pool_t *p, const json_t *object, gate_jwk *jwk);
} kinds[] = {
    {"RSA", GATE_KEY_RSA, read_rsa},
    {"EC", GATE_KEY_EC, read_ec},
    {"OKP", GATE_KEY_OKP, read_okp},
    {"oct", GATE_KEY_OCT, read_oct},
};

/* RFC 7517 sections 4.2 and 4.3 */
static const char *check_purpose(const json_t *object)
{
    gate_span use = GATE_SPAN("sig");
    const json_t *operations = json_object_get(object, "key_ops");
    if (gate_json_string(object, "use", &use) == GATE_JSON_BROKEN || !gate_span_is(use, "sig"))
        return "use is not sig";
    if (operations &&
        (!json_is_array(operations) || !gate_json_has_text(operations, "verify", MAX_KEY_OPS)))
        return "key_ops does not have verify";
    return NULL;
}

/* The JSON document need not live as long as the key. */
static gate_span copy(apr_pool_t *p, gate_span s)
{
    return (gate_span){gate_span_dup(p, s), s.len};
}

static const char *read_names(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    if (gate_json_string(object, "kid", &jwk->kid) == GATE_JSON_BROKEN)
        return "kid is no string";
    if (gate_json_string(object, "alg", &jwk->alg) == GATE_JSON_BROKEN)
        return "alg is no string";
    jwk->kid = copy(p, jwk->kid);
    jwk->alg = copy(p, jwk->alg);
    return NULL;
}

static const char *read_key(apr_pool_t *p, const json_t *object, gate_jwk *jwk)
{
    gate_span kty = gate_json_text(object, "kty");
    const char *problem = check_purpose(object);
    if (!problem)
        problem = read_names(p, object, jwk);
    if (problem)
        return problem;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (gate_span_is(kty, kinds[i].kty)) {
            jwk->type = kinds[i].type;
            return kinds[i].read(p, object, jwk);
        }
    }
    return "kty is none of RSA, EC, OKP, oct";
}

static apr_status_t release(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

gate_jwk *gate_jwk_read(apr_pool_t *p, const json_t *object, const char **problem)
{
    gate_jwk *jwk = apr_pcalloc(p, sizeof *jwk);
    /* What OpenSSL has to say about a stranger's key must not wait in its queue for the next
     * caller. */
    ERR_set_mark();
    *problem = read_key(p, object, jwk);
    ERR_pop_to_mark();
    if (*problem)
        return NULL;
    if (jwk->pkey) {
        apr_pool_cleanup_register(p, jwk->pkey, release, apr_pool_cleanup_null);
        jwk->verifiers = gate_verifiers_make(p, jwk->pkey);
    }
    return jwk;
}

gate_jwk *gate_jwk_secret(apr_pool_t *p, gate_span secret)
{
    if (!secret.ptr || secret.len < SECRET_MIN_BYTES)
        return NULL;
    gate_jwk *jwk = apr_pcalloc(p, sizeof *jwk);
    jwk->type = GATE_KEY_OCT;
    jwk->secret = copy(p, secret);
    gate_wipe_with(p, jwk->secret);
    return jwk;
}
