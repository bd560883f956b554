/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* header.h - the header of a JWS (RFC 7515 section 4): which algorithm, which key, which kind */
#ifndef GATE_JOSE_HEADER_H
#define GATE_JOSE_HEADER_H

#include "base/reason.h"
#include "base/span.h"
#include "jose/jws.h"

#define GATE_HEADER_MAX_BYTES (4 * 1024)

typedef struct gate_header {
    gate_alg alg;
    gate_span kid; /* absent where the header has none */
    gate_span typ; /* absent where there is none; an "application/" in front is left out */
} gate_header;

/* Reads what stands before the first dot of a compact JWS. MALFORMED_TOKEN for anything but strict
 * base64url of a JSON object without duplicates of at most GATE_HEADER_MAX_BYTES, for "crit" (we
 * understand none of it), "b64", "alg", "kid" or "typ" that is no string; BAD_ALG for an algorithm
 * that does not exist for this gate, "none" in any spelling among them. Whether this one may be is
 * for the caller to say. Lives in p. */
gate_reason gate_header_read(apr_pool_t *p, gate_span encoded, gate_header *header);

#endif
