/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* jwk.h - one JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037) as something that OpenSSL
 * verifies with */
#ifndef GATE_JOSE_JWK_H
#define GATE_JOSE_JWK_H

#include <jansson.h>
#include <openssl/evp.h>

#include "base/span.h"
#include "jose/verifier.h"

typedef enum gate_key_type { GATE_KEY_RSA, GATE_KEY_EC, GATE_KEY_OKP, GATE_KEY_OCT } gate_key_type;

typedef struct gate_jwk {
    gate_key_type type;
    gate_span curve; /* crv of EC and OKP keys */
    gate_span kid;   /* absent where the key has none */
    gate_span alg;   /* absent, or the only algorithm of this key (RFC 8725 section 3.1) */
    EVP_PKEY *pkey;  /* NULL for oct, */
    gate_verifiers *verifiers; /* as are these */
    gate_span secret;          /* oct only */
} gate_jwk;

/* Reads a key that verifies signatures. NULL, and why in *problem (a constant text), for a kty,
 * crv or size that is not supported (RSA under 2,048 or over 16,384 bits, an exponent that is
 * even, 1 or over 64 bits, the ROCA pattern; a point off its curve), "use" other than "sig",
 * "key_ops" without "verify", members missing or badly encoded. Private members are ignored. The
 * key is a copy, lives in p and is freed with it. */
gate_jwk *gate_jwk_read(apr_pool_t *p, const json_t *object, const char **problem);

/* A symmetric key, for HS256 and kin: at least 32 bytes, else NULL. The bytes are copied. */
gate_jwk *gate_jwk_secret(apr_pool_t *p, gate_span secret);

#endif
