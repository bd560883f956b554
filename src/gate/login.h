/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* login.h - both halves of the code flow, side by side: the browser is sent to the provider, and
 * comes back */
#ifndef GATE_GATE_LOGIN_H
#define GATE_GATE_LOGIN_H

#include "gate/attempt.h"
#include "gate/gate.h"
#include "gate/step_up.h"

/* What a login is begun with. */
typedef struct gate_login_plan {
    gate_span return_to; /* where the person wanted to go: a path on this host, else the site's root
                            is taken */
    gate_reason reason;  /* why it is begun, for the log */
    bool again;          /* it follows one that took too long: the next one that does is refused */
    /* How the person must have signed in then (RFC 9470): asked of the provider, and checked when
     * they come back. All zero: in any way. */
    gate_step_up step_up;
    gate_span login_hint; /* who it is likely to be, for the provider; absent: nobody says */
} gate_login_plan;

/* REDIRECT to the provider, with the state of the attempt sealed into a cookie: nothing is stored,
 * so a visitor who never comes back costs nothing. FAIL where the provider's metadata cannot be
 * had. */
gate_decision gate_login_begin(const gate_request *q, const gate_settings *s, gate_world *w,
                               const gate_login_plan *plan);

/* The callback: `answer` is its query or, where it is posted, its form; as OIDCGateResponseMode had
 * it when the login was begun, and not otherwise. REDIRECT to where the person wanted to go, with a session;
 * or why not. */
gate_decision gate_login_finish(const gate_request *q, const gate_site *site, gate_world *w,
                                gate_span answer);

#endif
