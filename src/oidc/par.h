/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* par.h - the answer to a pushed authorization request (RFC 9126) */
#ifndef GATE_OIDC_PAR_H
#define GATE_OIDC_PAR_H

#include "base/message.h"
#include "base/reason.h"

/* Reads it (section 2.2). GATE_OK only for a 201 whose body is a JSON object without duplicates,
 * with a request_uri of at most 1,024 visible characters that names a scheme, and a positive
 * expires_in: *request_uri is in p. IDP_REJECTED_GATEWAY: 400, 401, 403 or 413, the provider
 * refuses *our* request. IDP_ERROR: anything else. *detail says which, escaped. */
gate_reason gate_par_read(apr_pool_t *p, const gate_answer *answer, const char **request_uri,
                           const char **detail);

#endif
