/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* visit.h - a request that the gate answers itself: what it is asked with, and what such answers
 * have in common */
#ifndef GATE_HTTPD_VISIT_H
#define GATE_HTTPD_VISIT_H

#include "gate/gate.h"
#include "httpd/request.h"

typedef struct gate_visit {
    request_rec *r;
    const gate_site *site;
    gate_state *state; /* a new one: of no settings, and not decided */
    gate_request q;
    gate_world *w;
} gate_visit;

#define GATE_GET_ONLY  (1u << M_GET)
#define GATE_POST_ONLY (1u << M_POST)
#define GATE_GET_POST  (GATE_GET_ONLY | GATE_POST_ONLY)

/* The answer is kept by nobody, and no page says where it stood. */
gate_visit gate_visit_begin(request_rec *r);

/* A decision, answered; an ADMIT is left to the caller. */
int gate_visit_answer(const gate_visit *v, gate_decision decision);

/* Whether the method is one of these, a bit for each. */
bool gate_visit_is_by(const request_rec *r, unsigned methods);
/* It is none of these, and the answer says which they are (RFC 9110 section 15.5.6). */
gate_decision gate_visit_refuse_method(const gate_visit *v, unsigned methods);

/* The form of a POST, in r->pool; the absent span where it is none that can be read to its end. */
gate_span gate_visit_form(request_rec *r);
/* What it is asked with: that form, or the query of a GET. */
gate_span gate_visit_parameters(const gate_visit *v);

/* Others have ended sessions: the log says so. */
void gate_visit_note_ended(const gate_visit *v, gate_decision decision);

#endif
