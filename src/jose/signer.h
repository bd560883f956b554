/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* signer.h - a key of our own: read from PEM text, signs JWTs, says its public half as a JWK */
#ifndef GATE_JOSE_SIGNER_H
#define GATE_JOSE_SIGNER_H

#include <openssl/evp.h>

#include "base/span.h"
#include "jose/jws.h"

typedef struct gate_signer {
    gate_alg alg;       /* the one that belongs to the key's curve */
    const char *kid;    /* its thumbprint (RFC 7638) */
    const char *jwk;    /* the public half as JSON text (RFC 7517): kid, use and alg among it */
    const char *header; /* of what it signs, encoded */
    bool can_sign;      /* false: it was read from a public key */
    EVP_PKEY *pkey;
} gate_signer;

/* Reads a private key, or a public one, that can only be published. NULL, and why in *problem (a
 * constant text), for what is no such text, is encrypted, or is a key of another kind than an EC
 * key on P-256, P-384 or P-521 or an Ed25519 key: RSA signatures take twenty times as long. Lives
 * in p and is freed with it. */
gate_signer *gate_signer_read(apr_pool_t *p, gate_span pem, const char **problem);

/* A compact JWS (RFC 7515 section 7.1) over claims, which are JSON text, with the header alg, kid
 * and "typ":"JWT"; in p. NULL where OpenSSL fails. Any number of threads may sign at once. */
const char *gate_signer_sign(apr_pool_t *p, const gate_signer *signer, gate_span claims);

#endif
