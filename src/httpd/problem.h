/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* problem.h - what programs get to read: a refusal as JSON, or as problem details (RFC 9457) */
#ifndef GATE_HTTPD_PROBLEM_H
#define GATE_HTTPD_PROBLEM_H

#include "httpd/request.h"

/* Answers with JSON text. */
int gate_send_json(request_rec *r, const char *json);

/* Says why not, in the form that state->form names. */
int gate_problem_refusal(request_rec *r, const gate_state *state, int status);

#endif
