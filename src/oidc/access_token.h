/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* access_token.h - a JWT that is presented as an access token (RFC 9068 section 4), after its
 * signature is verified */
#ifndef GATE_OIDC_ACCESS_TOKEN_H
#define GATE_OIDC_ACCESS_TOKEN_H

#include "jose/jwt.h"

typedef struct gate_access_token_want {
    const char *issuer;
    const char *const *audiences; /* up to a NULL; any one will do. NULL: "any", as configured */
    apr_int64_t now, skew;
    bool is_strict; /* OIDCGateTokenProfile rfc9068: nothing but what that RFC has */
} gate_access_token_want;

/* WRONG_KIND: typ is neither at+jwt nor, with the marks of an access token (scope, scp, client_id,
 * azp or cid; neither nonce nor at_hash), JWT or absent; with is_strict it must be at+jwt.
 * BAD_ISSUER; BAD_AUDIENCE; BAD_CLAIM, with is_strict also where one of the claims is missing that
 * RFC 9068 section 2.2 requires; TOKEN_EXPIRED; TOKEN_NOT_YET_VALID. POP_FAILED: it has "cnf" and
 * so is no plain bearer token (RFC 9449 section 7.2, RFC 8705 section 3). *expires: seconds since
 * 1970. *detail as in id_token.h. */
gate_reason gate_access_token_check(apr_pool_t *p, const gate_jwt *jwt,
                                    const gate_access_token_want *want, apr_int64_t *expires,
                                    const char **detail);

#endif
