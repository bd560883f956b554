/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* signout.h - a person signs out: here, and at the provider where it has a place for that (OpenID
 * Connect RP-Initiated Logout 1.0) */
#ifndef GATE_GATE_SIGNOUT_H
#define GATE_GATE_SIGNOUT_H

#include "gate/gate.h"

/* Ends the session that the request brings, revokes its tokens where the settings say so, and sends
 * the browser to the provider. `parameters` (query, or form of a POST) may hold redirect=, one of
 * OIDCGateLogout's targets or a path on this host, state=, which the provider gives back to that
 * address, and realm=, the tag of the session meant where the browser has several.
 *
 * ADMIT: there is no session (any more), and nowhere to go: say so. Cookies of sessions that are
 * gone are taken away. REDIRECT. REFUSE: CROSS_SITE where another site asks (a POST, or a GET that
 * proves to come from here, will do), TARGET_UNSAFE, MALFORMED_REQUEST. FAIL: STORE_UNAVAILABLE. */
gate_decision gate_sign_out(const gate_request *q, const gate_site *site, gate_world *w,
                            gate_span parameters);

#endif
