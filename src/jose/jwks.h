/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* jwks.h - a provider's key set (RFC 7517 section 5), and which of its keys a token may mean */
#ifndef GATE_JOSE_JWKS_H
#define GATE_JOSE_JWKS_H

#include "base/span.h"
#include "jose/jwk.h"

#define GATE_JWKS_MAX_BYTES (256 * 1024)
#define GATE_JWKS_MAX_KEYS  100

/* A key of the set that is not used. */
typedef struct gate_jwks_skipped {
    gate_span kid;       /* absent where it has none */
    const char *problem; /* a constant text */
} gate_jwks_skipped;

typedef struct gate_jwks {
    const gate_jwk *const *keys;
    int count;
    const gate_jwks_skipped *skips;
    int skipped; /* keys that could not be used: a set with some of those is still a set */
} gate_jwks;

/* Reads a key set document. NULL where it is no set at all, or one of more than
 * GATE_JWKS_MAX_KEYS. Symmetric keys in it are skipped: what is published is no secret. Lives in
 * p. */
const gate_jwks *gate_jwks_read(apr_pool_t *p, gate_span document);

/* Why a key of that name, or, where kid is absent, some key of the set, is not used; NULL: there is
 * none such in it. */
const char *gate_jwks_problem(const gate_jwks *set, gate_span kid);

#endif
