/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* accept.h - a presented token is judged: as a JWT with the provider's keys, or by asking the
 * provider (introspection) */
#ifndef GATE_GATE_ACCEPT_H
#define GATE_GATE_ACCEPT_H

#include "gate/gate.h"

/* ADMIT, or why not. One that was judged before is answered from the store: no JSON, no network, no
 * signature. */
gate_decision gate_accept(const gate_request *q, const gate_settings *s, gate_world *w,
                          gate_span token);

/* The same for a token that the gate got itself for a caller's client id (service.h): judged
 * afresh. *identity is the record for the store, *expires in seconds since 1970, 0 where the token
 * does not say. */
gate_reason gate_accept_verify(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_span token, gate_span *identity, apr_int64_t *expires,
                               const char **detail);

#endif
