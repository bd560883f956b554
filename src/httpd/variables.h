/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* variables.h - what access logs and programs can say of a decision: OIDCGATE_* in the request's
 * environment */
#ifndef GATE_HTTPD_VARIABLES_H
#define GATE_HTTPD_VARIABLES_H

#include "httpd/request.h"

/* The method that judged; NULL: none. */
const char *gate_state_method(const gate_state *state);

/* Sets them; verdict is the first word of the log line. No secret, nothing unescaped or unbounded.
 * What there is nothing to say of is not set. */
void gate_set_variables(request_rec *r, gate_state *state, const char *verdict, gate_reason reason);

#endif
