/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* claim.h - the checks that ID tokens, access tokens and introspection answers have in common (RFC
 * 7519 section 4.1) */
#ifndef GATE_OIDC_CLAIM_H
#define GATE_OIDC_CLAIM_H

#include <jansson.h>

#include "base/reason.h"
#include "base/span.h"

#define GATE_SUBJECT_MAX_BYTES 255 /* OIDC Core section 2 */
#define GATE_AUDIENCES_MAX     64

/* Whether one of the members that are named (up to a NULL) is there, of whatever type; which, in
 * *found. */
bool gate_claim_any(const json_t *claims, const char *const *names, const char **found);

/* BAD_ISSUER where iss is not exactly that text, or not there. */
gate_reason gate_claim_check_issuer(apr_pool_t *p, const json_t *claims, const char *issuer,
                                    const char **detail);

/* BAD_AUDIENCE where aud has none of the audiences (up to a NULL), is not there, or is neither a
 * string nor a list of at most GATE_AUDIENCES_MAX strings. */
gate_reason gate_claim_check_audience(apr_pool_t *p, const json_t *claims,
                                      const char *const *audiences, const char **detail);

/* The same for what is made for one client (OIDC Core section 3.1.3.7, step 3): it is among the
 * audiences, and there is no other, for none is trusted. */
gate_reason gate_claim_check_client(apr_pool_t *p, const json_t *claims, const char *client_id,
                                    const char **detail);

/* BAD_CLAIM where one of those that say who it is (sub, client_id, azp, cid) or jti is there and is
 * not a string, is empty or has a control character, or sub is too long. */
gate_reason gate_claim_check_names(apr_pool_t *p, const json_t *claims, const char **detail);

/* exp (which must be there if `needs_expiry`), nbf and iat, as gate_jwt_check_times has it;
 * *expires is 0 where there is no exp, and may be NULL. */
gate_reason gate_claim_check_times(apr_pool_t *p, const json_t *claims, bool needs_expiry,
                                   apr_int64_t now, apr_int64_t skew, apr_int64_t *expires,
                                   const char **detail);

/* POP_FAILED where it has "cnf", of whatever type: bound to a key, and so no plain bearer token
 * (RFC 9449 section 7.2, RFC 8705 section 3). */
gate_reason gate_claim_check_unbound(apr_pool_t *p, const json_t *claims, const char **detail);

#endif
