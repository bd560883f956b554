/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* breaker.h - an endpoint that fails again and again is left alone for a moment, by all processes
 */
#ifndef GATE_GATE_BREAKER_H
#define GATE_GATE_BREAKER_H

#include "gate/gate.h"

/* How many failures in a row make an endpoint be left alone, and for how many seconds; then one
 * request tries it again. */
#define GATE_BREAKER_FAILURES 5
#define GATE_BREAKER_SECONDS  5

/* One endpoint of one provider. */
typedef struct gate_breaker {
    gate_store_key key;
} gate_breaker;

/* False where OpenSSL fails. */
bool gate_breaker_make(gate_breaker *breaker, const gate_digest *provider, gate_endpoint endpoint);

/* Whether the endpoint is left alone now. Whoever comes first after its pause is told no, and tries
 * it; the others go on waiting for what comes of that. Where the store cannot tell, it is asked. */
bool gate_breaker_is_open(const gate_breaker *breaker, const gate_request *q, gate_world *w);

typedef enum gate_breaker_state {
    GATE_BREAKER_CLOSED, /* whoever wants to asks */
    GATE_BREAKER_OPEN,   /* nobody does */
    GATE_BREAKER_TRIES   /* the next one does, to see whether it works again */
} gate_breaker_state;

/* How it stands, without a part in it. */
gate_breaker_state gate_breaker_look(const gate_breaker *breaker, const gate_request *q,
                                     gate_world *w);

/* Notes how a call has ended. */
void gate_breaker_note(const gate_breaker *breaker, const gate_request *q, gate_world *w,
                       bool good);

#endif
