/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* answer.h - a decision becomes httpd's answer: status, challenge, cookies, and the one log line */
#ifndef GATE_HTTPD_ANSWER_H
#define GATE_HTTPD_ANSWER_H

#include "httpd/request.h"

/* Turns a decision into httpd's: headers of the answer, the log line, and the status to return. Not
 * for ADMIT. Where the request is only watched, nothing but the line, and OK. */
int gate_answer_with(request_rec *r, gate_state *state);

/* The same for a refusal, with a status of its own. */
int gate_deny(request_rec *r, gate_state *state, gate_reason reason, int status);

/* Whether the page that was to say why a request is refused is itself what is asked for now. */
bool gate_was_refused_before(request_rec *r);

/* The insert_filter hook, and what it inserts: the administrator's page for a refusal has the
 * refusal's status, wherever it comes from. */
void gate_watch_status(request_rec *r);
void gate_register_filters(void);

/* Why, as the caller is told. */
gate_reason gate_state_told(const gate_state *state);

/* The one log line of a decision, and what the access log can say of it. */
void gate_log_decision(request_rec *r, gate_state *state, const char *verb, int status);

#endif
