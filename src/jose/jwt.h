/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* jwt.h - a compact JWT (RFC 7519): taken apart, verified with a key set, its times checked.
 * What the claims mean is oidc's business. */
#ifndef GATE_JOSE_JWT_H
#define GATE_JOSE_JWT_H

#include <jansson.h>

#include "base/reason.h"
#include "base/span.h"
#include "jose/jws.h"

#define GATE_JWT_MAX_BYTES (16 * 1024)

typedef struct gate_jwt {
    gate_alg alg;
    gate_span kid;         /* absent where the header has none */
    gate_span typ;         /* absent where there is none; an "application/" in front is left out */
    const json_t *claims;  /* NOT to be believed before gate_jwt_verify has said GATE_OK */
    gate_span signed_text; /* header '.' payload, as it was signed */
    gate_span signature;
} gate_jwt;

/* Whether text has the outer form of a compact JWS: three parts of base64url characters, the
 * first two not empty. Decides between "JWT" and "opaque"; promises nothing else. */
bool gate_jwt_looks_like(gate_span text);

/* Takes a token apart. MALFORMED_TOKEN for anything but exactly two dots and strict base64url
 * around JSON objects without duplicates (RFC 8725bis section 3.13 counts), for "crit" (we
 * understand none of it), "b64", "alg", "kid" or "typ" that is no string, or a size over the
 * limits; BAD_ALG for an algorithm outside `allowed`, "none" in any spelling among them.
 * Everything lives in p or points into text. */
gate_reason gate_jwt_read(apr_pool_t *p, gate_span text, gate_alg_set allowed, gate_jwt **jwt);

/* Verifies the signature with the keys of the set that the header may mean: those of that kid,
 * or, where the header has no kid, those without a kid, then all that fit; at most 4 are tried.
 * Headers never name keys of their own: jku, jwk, x5u and x5c are not looked at. UNKNOWN_KID
 * where no key fits (then a fresh key set may help), else as gate_jws_verify. */
gate_reason gate_jwt_verify(const gate_jwt *jwt, const gate_jwks *keys);

/* The same with one symmetric key. */
gate_reason gate_jwt_verify_secret(const gate_jwt *jwt, const gate_jwk *secret);

/* Whether the set has a key that gate_jwt_verify would try. */
bool gate_jwt_names_key(const gate_jwt *jwt, const gate_jwks *keys);

/* RFC 7519 section 4.1.4 to 4.1.6, with `skew` seconds of patience: exp must be there and not
 * past, nbf and iat, where there, not in the future. BAD_CLAIM where one of them is no date.
 * *expires may be NULL. */
gate_reason gate_jwt_check_times(const json_t *claims, apr_int64_t now, apr_int64_t skew,
                                 apr_int64_t *expires);

#endif
