/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* logout.h - signing out at the provider (OpenID Connect RP-Initiated Logout 1.0), and being told
 * by it who has (Back-Channel Logout 1.0) */
#ifndef GATE_OIDC_LOGOUT_H
#define GATE_OIDC_LOGOUT_H

#include "base/url.h"
#include "jose/jwt.h"

typedef struct gate_end_session {
    const char *endpoint;
    gate_span id_token; /* id_token_hint; absent: left out */
    const char *client_id;
    const char *post_logout_redirect_uri; /* NULL: left out */
    const char *state;                    /* NULL: left out */
} gate_end_session;

/* The address that the browser is sent to, in p. */
const char *gate_end_session_url(apr_pool_t *p, const gate_end_session *request);

/* How long ago a logout token may have been made; seconds. */
#define GATE_LOGOUT_TOKEN_SECONDS 300

typedef struct gate_logout_want {
    const char *issuer, *client_id;
    apr_int64_t now, skew;
} gate_logout_want;

/* What a logout token says, borrowed from it. */
typedef struct gate_logout_token {
    gate_span id;                  /* jti: to be used once */
    gate_span session_id, subject; /* one of them may be absent */
} gate_logout_token;

/* Back-Channel Logout section 2.6, on a token whose signature is verified. WRONG_KIND (typ says
 * that it is another kind of JWT, no such event, or a nonce, which an ID token has); BAD_ISSUER;
 * BAD_AUDIENCE; BAD_CLAIM (iat or jti missing, neither sub nor sid, or one of them is no name);
 * TOKEN_EXPIRED; TOKEN_NOT_YET_VALID. */
gate_reason gate_logout_token_check(apr_pool_t *p, const gate_jwt *jwt,
                                    const gate_logout_want *want, gate_logout_token *token,
                                    const char **detail);

#endif
