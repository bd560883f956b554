/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* authorize.h - the first half of the code flow: what a browser is sent away with (RFC 6749
 * section 4.1.1, OIDC Core section 3.1.2.1, RFC 7636) */
#ifndef GATE_OIDC_AUTHORIZE_H
#define GATE_OIDC_AUTHORIZE_H

#include "base/seal.h"
#include "base/url.h"

typedef struct gate_authorize {
    const char *client_id, *redirect_uri, *scope;
    const char *response_mode;            /* NULL: a query, as is usual for a code */
    const char *state, *nonce, *verifier; /* each of 256 random bits */
    const gate_form *extra; /* OIDCGateAuthorizationParam and step-up; NULL for none. Never
                             * overrides what the gate sets itself */
} gate_authorize;

/* A verifier's PKCE challenge by S256 (RFC 7636 section 4.2), in p; NULL where OpenSSL fails. */
const char *gate_pkce_challenge(apr_pool_t *p, const char *verifier);

/* The request as a form, response_type=code and code_challenge_method=S256 included; parameters
 * stand in the order response_type, client_id, redirect_uri, scope, state, nonce, code_challenge,
 * code_challenge_method, response_mode, extra. In p; NULL where OpenSSL fails. */
gate_form *gate_authorize_form(apr_pool_t *p, const gate_authorize *request);

/* What stands for a request that was pushed: who asks and which request it is, and nothing else
 * (RFC 9126 section 4). In p. */
gate_form *gate_authorize_pushed(apr_pool_t *p, const char *client_id, const char *request_uri);

/* Whether the gate sets a parameter of that name itself, so that no configuration may. */
bool gate_authorize_owns(const char *name);

#endif
