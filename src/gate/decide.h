/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* decide.h - the hot path: who is it, and may they come in */
#ifndef GATE_GATE_DECIDE_H
#define GATE_GATE_DECIDE_H

#include "gate/gate.h"
#include "gate/step_up.h"

/* The whole decision but for the Require rules, which httpd asks for itself (rule.h). */
gate_decision gate_decide(const gate_request *q, const gate_settings *s, gate_world *w);

/* All of the request that gate_decide looks at to know who it is, where gate_decide_repeats: what
 * stands in the realm's cookie, and in Authorization. False: nothing,
 * or two such cookies. */
#define GATE_BROUGHT_PARTS 2
bool gate_decide_brought(const gate_request *q, const gate_settings *s,
                         gate_span parts[GATE_BROUGHT_PARTS]);

/* Whether the decision is the same for every request that brings the same to the same place, as
 * long as gate_decide_again says so. */
bool gate_decide_repeats(const gate_settings *s, const gate_decision *decision);

/* Whether such a decision still holds: the record that it rests on is there, in that very version,
 * and all that time and others can end is looked at as ever. False says only that gate_decide must
 * be asked. */
bool gate_decide_again(const gate_request *q, const gate_settings *s, gate_world *w,
                       const gate_decision *before);

/* What becomes of somebody whom a rule would let in, had they signed in more strongly or more
 * recently. REDIRECT: a person in a session of their own, who opens a page, is sent back to the
 * provider with what is asked for. CHALLENGE: anybody else (RFC 9470 section 3). FAIL where the
 * provider's metadata cannot be had. `admitted` is what gate_decide said. */
gate_decision gate_decide_step_up(const gate_request *q, const gate_settings *s, gate_world *w,
                                  const gate_decision *admitted, const gate_step_up *need);

#endif
