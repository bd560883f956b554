/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* credential.h - the one credential that a request brings, from wherever this place takes it
 * (OIDCGateTokenFrom) */
#ifndef GATE_GATE_CREDENTIAL_H
#define GATE_GATE_CREDENTIAL_H

#include "gate/gate.h"
#include "oidc/bearer.h"

/* Finds it without judging it: nobody is asked. GATE_OK: *credential is a token or a client that an
 * enabled method of s takes, or has the scheme NONE where nothing of the kind was sent.
 * MULTIPLE_CREDENTIALS: more than one, be they the same (RFC 6750 section 2: a client uses one way
 * to send a token). MALFORMED_CREDENTIAL: what is no token at all. CROSS_SITE: a token in a cookie,
 * which a page of another site had the browser send along. */
gate_reason gate_credential_find(const gate_request *q, const gate_settings *s,
                                 gate_credential *credential);

#endif
