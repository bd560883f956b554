/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* decide.h - the hot path: who is it, and may they come in */
#ifndef GATE_GATE_DECIDE_H
#define GATE_GATE_DECIDE_H

#include "gate/gate.h"

/* The whole decision but for the Require rules, which httpd asks for itself (rule.h). */
gate_decision gate_decide(const gate_request *q, const gate_settings *s, gate_world *w);

#endif
