/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* logout.h - signing out at the provider (OpenID Connect RP-Initiated Logout 1.0) */
#ifndef GATE_OIDC_LOGOUT_H
#define GATE_OIDC_LOGOUT_H

#include "base/url.h"

typedef struct gate_end_session {
    const char *endpoint;
    gate_span id_token; /* id_token_hint; absent: left out */
    const char *client_id;
    const char *post_logout_redirect_uri; /* NULL: left out */
    const char *state;                    /* NULL: left out */
} gate_end_session;

/* The address that the browser is sent to, in p. */
const char *gate_end_session_url(apr_pool_t *p, const gate_end_session *request);

#endif
