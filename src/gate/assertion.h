/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* assertion.h - what a backend can check for itself: a short-lived JWT that says who it is, signed
 * with a key of the gate's own */
#ifndef GATE_GATE_ASSERTION_H
#define GATE_GATE_ASSERTION_H

#include <apr_tables.h>

#include "base/seal.h"
#include "gate/claims.h"
#include "jose/signer.h"

/* OIDCGateAssertion. */
typedef struct gate_assertion {
    const gate_signer *signer;  /* NULL: nothing is signed */
    const gate_signer *other;   /* published beside it, while keys change; NULL: none */
    int lifetime;               /* seconds */
    apr_array_header_t *claims; /* of gate_claim_name: what it says beside who it is; NULL: nothing
                                 */
} gate_assertion;

/* The length of an audience, at most. */
#define GATE_ASSERTION_MAX_AUDIENCE 512

/* Whether the gate itself says what stands under that name in each assertion: "sub", "exp" and the
 * like. */
bool gate_assertion_owns(gate_span claim);

/* Of whom it speaks, and when. */
typedef struct gate_asserted {
    const char *issuer; /* the origin of the site */
    const char *user;   /* as everybody else is told */
    const char *method; /* "code" */
    const gate_identity *identity;
    apr_int64_t now;
} gate_asserted;

/* Makes one for that audience, in p: iss the site, sub the user, aud, iat, exp, a jti of its own,
 * idp the provider's issuer, method, and the claims that are configured and there, each under its
 * name as it is written without the pin. It ends with the identity at the latest. INTERNAL where
 * there is no randomness or OpenSSL fails. */
gate_reason gate_assertion_make(apr_pool_t *p, const gate_assertion *assertion,
                                const gate_asserted *who, gate_span audience,
                                gate_random_fn *random, gate_span *text);

/* The key set with which it is checked (RFC 7517 section 5), as JSON text in p. */
const char *gate_assertion_keys(apr_pool_t *p, const gate_assertion *assertion);

#endif
