/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* service.h - client credentials: a program's own id and secret, exchanged at the provider for a
 * token (RFC 6749 section 4.4) */
#ifndef GATE_GATE_SERVICE_H
#define GATE_GATE_SERVICE_H

#include "gate/gate.h"
#include "oidc/bearer.h"

/* ADMIT, or why not. The caller's id and secret go to the provider as they are, never the gate's
 * own; what comes of them is remembered under their digest, good and bad. */
gate_decision gate_serve(const gate_request *q, const gate_settings *s, gate_world *w,
                         const gate_credential *credential);

#endif
