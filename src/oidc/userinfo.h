/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* userinfo.h - the userinfo endpoint (OIDC Core section 5.3) */
#ifndef GATE_OIDC_USERINFO_H
#define GATE_OIDC_USERINFO_H

#include <jansson.h>

#include "base/message.h"
#include "base/reason.h"

/* A GET with the access token in the Authorization header, never in the address. */
gate_question gate_userinfo_ask(apr_pool_t *p, const char *endpoint, gate_span access_token);

/* Reads the answer: a JSON object whose sub is the ID token's (section 5.3.2), else
 * SUBJECT_MISMATCH. IDP_ERROR for all else but 401 and 403 (IDP_REJECTED_GATEWAY). A signed answer
 * (application/jwt) is not asked for and is IDP_ERROR. The object lives in p. */
gate_reason gate_userinfo_read(apr_pool_t *p, const gate_answer *answer, gate_span subject,
                               const json_t **claims, const char **detail);

#endif
