/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* introspect.h - token introspection (RFC 7662) */
#ifndef GATE_OIDC_INTROSPECT_H
#define GATE_OIDC_INTROSPECT_H

#include <jansson.h>

#include "base/message.h"
#include "base/reason.h"

/* The form: token, token_type_hint=access_token (section 2.1), and `extra`
 * (OIDCGateIntrospectionParam; NULL for none), which may say another hint, but nothing else that
 * the gate says itself. */
gate_form *gate_introspection_form(apr_pool_t *p, gate_span token, const gate_form *extra);

/* Whether the gate sets a parameter of that name itself, so that no configuration may. */
bool gate_introspection_owns(const char *name);

typedef struct gate_introspection_want {
    const char *issuer;           /* compared where the answer has iss; NULL: not compared */
    const char *const *audiences; /* compared where the answer has aud; NULL: not compared */
    apr_int64_t now, skew;
} gate_introspection_want;

/* Reads the answer (section 2.2). GATE_OK only where status is 200, the body a JSON object without
 * duplicates and "active" the boolean true, and exp, nbf, iss, aud, where there, agree.
 * TOKEN_INACTIVE: active is false; "true", 1, null or missing are no answer that means yes:
 * TOKEN_INACTIVE as well. TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, BAD_ISSUER, BAD_AUDIENCE, BAD_CLAIM,
 * POP_FAILED (cnf). IDP_REJECTED_GATEWAY: 400, 401 or 403, the provider refuses *our* call (the
 * body's error code in *detail). IDP_ERROR: anything else. *expires: 0 where the answer has no exp.
 * *claims lives in p. */
gate_reason gate_introspection_read(apr_pool_t *p, const gate_answer *answer,
                                    const gate_introspection_want *want, const json_t **claims,
                                    apr_int64_t *expires, const char **detail);

#endif
