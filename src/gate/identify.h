/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* identify.h - from the tokens of a login or a renewal to who it is */
#ifndef GATE_GATE_IDENTIFY_H
#define GATE_GATE_IDENTIFY_H

#include "gate/gate.h"
#include "jose/jwt.h"
#include "oidc/token.h"

typedef struct gate_identify_want {
    const gate_digest *nonce;  /* of the login (gate_nonce_digest); NULL at a renewal */
    apr_int64_t max_age;       /* that was asked for; 0: not */
    const gate_tokens *before; /* a renewal: the tokens that it follows; NULL at a login */
    gate_span subject;         /* a renewal: who it must still be */
    gate_span session_id;      /* a renewal: the provider's sid, where the new ID token has none */
    gate_span scope;           /* what holds where none is said: asked for, or granted before */
} gate_identify_want;

/* Reads a token that the provider makes for this client (an ID token, a logout token), and verifies
 * its signature: with the provider's keys, or the client's secret where the settings name HS
 * algorithms. The reasons of gate_jwt_read and gate_jwt_verify, or the provider's outage. */
gate_reason gate_identify_read(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_span text, gate_jwt **jwt, const char **detail);

/* Checks the ID token (OIDC Core sections 3.1.3.7 and 12.2), asks userinfo where the settings say
 * so, reads the access token's claims where it is a JWT of this provider, and puts together what
 * OIDCGateClaimsFrom names. *identity and *tokens are ready for the store and live in the request's
 * pool. The reasons of gate_jwt_read, gate_jwt_verify, gate_id_token_check and gate_userinfo_read,
 * IDP_ERROR where there is no ID token at a login, IDP_UNSUITABLE where a renewal brings a
 * wider scope than was granted (RFC 6749 section 6), or the provider's outage. */
gate_reason gate_identify(const gate_request *q, const gate_settings *s, gate_world *w,
                          const gate_token_set *set, const gate_identify_want *want,
                          gate_span *identity, gate_tokens *tokens, const char **detail);

#endif
