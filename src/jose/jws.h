/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* jws.h - signatures (RFC 7515, RFC 7518 section 3, RFC 8037); the table of algorithms is the list
 * of those that may be */
#ifndef GATE_JOSE_JWS_H
#define GATE_JOSE_JWS_H

#include "base/reason.h"
#include "base/span.h"
#include "jose/jwks.h"

/* The algorithms that exist for this gate, each a bit of a set. "none" is none of them. */
typedef enum gate_alg {
    GATE_ALG_RS256,
    GATE_ALG_RS384,
    GATE_ALG_RS512,
    GATE_ALG_PS256,
    GATE_ALG_PS384,
    GATE_ALG_PS512,
    GATE_ALG_ES256,
    GATE_ALG_ES384,
    GATE_ALG_ES512,
    GATE_ALG_EDDSA,   /* on the curve that the key has */
    GATE_ALG_ED25519, /* EdDSA on that curve and no other (RFC 9864) */
    GATE_ALG_ED448,   /* the same */
    GATE_ALG_HS256,
    GATE_ALG_HS384,
    GATE_ALG_HS512,
    GATE_ALG_COUNT
} gate_alg;

typedef unsigned gate_alg_set;

#define GATE_ALG_BIT(alg)    (1u << (alg))
#define GATE_ALGS_ASYMMETRIC (GATE_ALG_BIT(GATE_ALG_HS256) - 1) /* all that stand before HS256 */
#define GATE_ALGS_SYMMETRIC  (GATE_ALG_BIT(GATE_ALG_COUNT) - GATE_ALG_BIT(GATE_ALG_HS256))

/* The algorithm of exactly that name (case counts), or false. */
bool gate_alg_find(gate_span name, gate_alg *alg);
const char *gate_alg_name(gate_alg alg);

/* Whether the set has it. A set with EdDSA has Ed25519 and Ed448 too: they are newer names for
 * parts of it. */
bool gate_alg_allowed(gate_alg alg, gate_alg_set allowed);

/* Whether a signature of that algorithm may be checked with the key: its type, curve, own "alg" and
 * secret's length are right for it. */
bool gate_jws_fits(gate_alg alg, const gate_jwk *key);

/* Checks one signature. BAD_ALG where the key does not fit the algorithm; BAD_SIGNATURE where it
 * does not verify or has an impossible length; INTERNAL where OpenSSL fails. */
gate_reason gate_jws_verify(gate_alg alg, const gate_jwk *key, gate_span signed_text,
                            gate_span signature);

/* The algorithm's own hash of text (SHA-512 for EdDSA and Ed25519, 114 bytes of SHAKE256 for
 * Ed448), for at_hash (OIDC Core section 3.1.3.6): its left half as base64url, in p; NULL where
 * OpenSSL fails. */
const char *gate_alg_half_hash(apr_pool_t *p, gate_alg alg, gate_span text);

#endif
