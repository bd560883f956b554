/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* token.h - the token endpoint: its grants and its answers (RFC 6749 sections 4.1.3, 4.4, 5 and 6;
 * OIDC Core section 3.1.3; RFC 7009) */
#ifndef GATE_OIDC_TOKEN_H
#define GATE_OIDC_TOKEN_H

#include "base/message.h"
#include "base/reason.h"

/* Each makes the form of one grant, in p; `extra` (OIDCGateTokenParam) may be NULL and never
 * overrides what the grant sets. */
gate_form *gate_token_by_code(apr_pool_t *p, gate_span code, const char *redirect_uri,
                              const char *verifier, const gate_form *extra);
gate_form *gate_token_by_refresh(apr_pool_t *p, gate_span refresh_token, const gate_form *extra);
/* scope NULL: none is sent. */
gate_form *gate_token_by_client_credentials(apr_pool_t *p, const char *scope,
                                            const gate_form *extra);

/* hint: "access_token" or "refresh_token" (RFC 7009 section 2.1). */
gate_form *gate_token_revocation(apr_pool_t *p, gate_span token, const char *hint);

/* Whether a grant sets a parameter of that name itself, so that no configuration may. */
bool gate_token_owns(const char *name);

/* Whether the word is in the scope: words are parted by SP, and by nothing else (RFC 6749 section
 * 3.3). */
bool gate_scope_has(gate_span scope, gate_span word);

/* Whether the scope has a word that was not granted; which, in *word. */
bool gate_scope_is_wider(gate_span scope, gate_span granted, gate_span *word);

typedef struct gate_token_set {
    gate_span access_token;  /* always there */
    gate_span id_token;      /* absent where not sent; the caller knows whether it must be there */
    gate_span refresh_token; /* absent where not sent */
    gate_span scope;         /* absent where not sent: as it was asked for */
    apr_int64_t expires;     /* seconds since 1970, from expires_in; 0 where not said or not usable
                                (nothing that may be cached) */
} gate_token_set;

/* Reads the answer of the token endpoint (RFC 6749 section 5). For 200: a JSON object with
 * access_token and token_type Bearer (case does not matter); anything less is IDP_ERROR. For an
 * error: INVALID_GRANT, INVALID_CLIENT, UNAUTHORIZED_CLIENT, and IDP_REJECTED_GATEWAY for the other
 * codes of section 5.2 (the caller decides whose fault an INVALID_CLIENT is; a bare 401 is one
 * too); 429 and 5xx and all that cannot be read: IDP_ERROR. Tokens with control characters or over
 * 16 KiB: IDP_ERROR. *detail: the error code and description, escaped for the log, at most 256
 * bytes. Spans live in p. */
gate_reason gate_token_read(apr_pool_t *p, const gate_answer *answer, apr_int64_t now,
                            gate_token_set *tokens, const char **detail);

#endif
