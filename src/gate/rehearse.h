/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* rehearse.h - a world in which a decision can be tried: all that is known can be looked at,
 * nothing is changed, and nobody is asked */
#ifndef GATE_GATE_REHEARSE_H
#define GATE_GATE_REHEARSE_H

#include "gate/gate.h"
#include "gate/trace.h"

typedef struct gate_rehearsal {
    gate_world world; /* to decide in */
    gate_store store; /* of this world: reads what the real one has, and forgets what is written */
    gate_world *real;
    gate_trace *trace; /* each call to a provider is noted here */
    bool asks;         /* providers are really asked, and what comes of it is kept */
    int calls;         /* to providers that were made, or would have to be */
} gate_rehearsal;

/* Begins one. Where `asks`, it is no rehearsal but for the notes: everything is done as for an
 * ordinary request. Else a call to a provider fails, and the decision is not to be relied on where
 * `calls` is not 0. The rehearsal must live as long as its world is used, and not be moved. */
void gate_rehearse(gate_rehearsal *rehearsal, gate_world *real, gate_trace *trace, bool asks);

#endif
