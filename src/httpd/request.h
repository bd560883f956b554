/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* request.h - httpd's request and the gate's: one becomes the other, and a decision becomes an answer */
#ifndef GATE_HTTPD_REQUEST_H
#define GATE_HTTPD_REQUEST_H

#include "gate/gate.h"
#include "gate/rule.h"
#include "httpd/module.h"

/* Which form an answer of the gate's own takes. */
typedef enum gate_audience { GATE_FOR_PEOPLE, GATE_FOR_PROGRAMS } gate_audience;

/* A header or variable, rendered. */
typedef struct gate_line {
    const char *name, *value;
} gate_line;

/* What the gate knows of one request_rec, from its first look to its last. */
typedef struct gate_state {
    const gate_settings *settings;
    apr_pool_t *pool;          /* of the request that all others here are parts of */
    gate_decision decision;
    bool is_decided;
    struct gate_state *parts;  /* what was decided for subrequests, each in the list of the request that they are parts of */
    const char *user;          /* what r->user was set to; NULL for nobody */
    const char *id;            /* tells this request in the log and on the page */
    apr_array_header_t *lines; /* of gate_line: headers */
    apr_array_header_t *variables;
    int provider_calls;
    bool in_rules;             /* httpd is asking the Require lines just now */
    bool is_probe;             /* its subrequests only ask which settings hold somewhere */
    const char *refused_rule;  /* the first of them that refused */
    const char *scope_needed;  /* what it would have wanted */
    gate_reason rule_reason;
    const char *rule_detail;
    const char *unmet_rule;    /* the first that wants somebody to have signed in otherwise */
    const char *unmet_detail;
    bool assumes_step_up;      /* such rules are taken for met just now, and what they want is noted */
    gate_step_up step_up;
    bool is_inherited;         /* decided for another request of the same chain */
    bool is_refused;
    gate_audience audience;    /* whom the refusal is said to */
    bool withholds;            /* the credentials have been taken off the request; this is what they were, or NULL */
    const char *authorization, *cookies;
} gate_state;

/* The state of this very request; NULL where the gate has not looked at it. */
gate_state *gate_state_of(request_rec *r);
gate_state *gate_state_make(request_rec *r, const gate_settings *settings);

/* The state that speaks for this request: its own, or that of the request which it was made from (a subrequest, an internal
 * redirect) or of another part of that, where the same settings hold. NULL for none. */
const gate_state *gate_state_for(request_rec *r, const gate_settings *settings);

/* The request as the gate sees it, in r->pool. */
gate_request gate_request_of(request_rec *r, gate_state *state);

gate_audience gate_audience_of(request_rec *r);

/* The request's id: mod_unique_id's where there is one, else made up. */
const char *gate_request_id(request_rec *r);

/* Turns a decision into httpd's: headers of the answer, the one log line, and the status to return. Not for ADMIT. */
int gate_answer_with(request_rec *r, gate_state *state);

/* Why, as the caller is told. */
gate_reason gate_state_told(const gate_state *state);

/* The one log line of a decision. */
void gate_log_decision(request_rec *r, const gate_state *state, const char *verb, int status);

/* --- the hooks, in the order in which a request meets them --- */

int gate_scrub(request_rec *r);            /* post_read_request: what strangers claim to be, goes */
int gate_refuse_trace(request_rec *r);     /* map_to_storage: TRACE shows what it was sent with */
int gate_force_user(request_rec *r);       /* force_authn: whether it must be known who it is, where httpd would not ask */
int gate_check_user(request_rec *r);       /* check_user_id: who is it */
int gate_check_rules(request_rec *r);      /* auth_checker: may they */
int gate_withhold(request_rec *r);         /* fixups: the caller's credentials stay here */
int gate_publish(request_rec *r);          /* fixups: tell the backend */
int gate_publish_to_proxy(request_rec *r); /* mod_proxy's own fixups: once more, after it has dropped what Connection names */

#endif
