/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* dismiss.h - somebody else ends sessions: the provider, behind the browser's back (OpenID Connect
 * Back-Channel Logout 1.0) or through it (Front-Channel Logout 1.0), or the administrator */
#ifndef GATE_GATE_DISMISS_H
#define GATE_GATE_DISMISS_H

#include "gate/gate.h"

/* The back channel: a form with logout_token=, which ends one session of the provider's, or all of
 * a subject's. ADMIT, whether there was any or not. REFUSE with 400: no good token, or one that was
 * used before. FAIL: nobody can tell. No tokens are revoked: what holds them does not open without
 * a cookie. */
gate_decision gate_dismiss_by_token(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span form);

/* The front channel: iss= and sid=, which end the session of the cookie that comes along, if it is
 * that one. ADMIT, whether it was or not; REFUSE where one of them is missing; FAIL. No tokens are
 * revoked: nothing proves who asks. *framed_by is the issuer, the only one that may show the answer
 * in a frame; NULL where it is none of ours. */
gate_decision gate_dismiss_by_frame(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span parameters, const char **framed_by);

/* The administrator: a form with subject= (and issuer=, where the host has several), or all=yes.
 * Who may ask is the caller's to know; that no other site's page does, is seen to here. ADMIT:
 * *ended of them. REFUSE: CROSS_SITE, MALFORMED_REQUEST. FAIL. site may be NULL. */
gate_decision gate_dismiss_by_order(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span form, apr_uint64_t *ended);

#endif
