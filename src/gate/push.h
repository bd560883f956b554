/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* push.h - whether an authorization request is pushed to the provider first, and pushing it (RFC
 * 9126) */
#ifndef GATE_GATE_PUSH_H
#define GATE_GATE_PUSH_H

#include "gate/gate.h"

/* Pushes the request, with the gate's client credentials, where OIDCGatePAR and the provider's
 * metadata want that, and somebody will come with it. GATE_OK: *request_uri stands for the request,
 * or is NULL where the browser carries it as ever.
 *
 * Whoever opens a page causes this call, and so it counts against OIDCGateLimit, of which it may
 * use up a half: the other stays for tokens and for those who come back from signing in. Beyond
 * that the browser carries the request, or, where it must be pushed, RATE_LIMITED.
 *
 * IDP_UNSUITABLE: it must be pushed, and the provider has no place for it, or takes no other while
 * OIDCGatePAR is Off. The reasons of gate_provider_post and gate_par_read. */
gate_reason gate_push(const gate_request *q, const gate_settings *s, gate_world *w, gate_form *form,
                      const char **request_uri, const char **detail);

#endif
