/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* request.h - httpd's request as the gate sees it, and what the gate knows of it */
#ifndef GATE_HTTPD_REQUEST_H
#define GATE_HTTPD_REQUEST_H

#include "gate/gate.h"
#include "gate/rule.h"
#include "httpd/module.h"

/* The representations that an answer of the gate's own has (RFC 9110 section 12): a page for
 * people; for programs JSON, or the same as problem details (RFC 9457) where they ask for these. */
typedef enum gate_representation {
    GATE_AS_PAGE,
    GATE_AS_JSON,
    GATE_AS_PROBLEM
} gate_representation;

/* A header. */
typedef struct gate_line {
    const char *name, *value;
} gate_line;

/* The credentials that have been taken off a request, as they were. */
typedef struct gate_withheld {
    bool is_done;
    const char *authorization, *cookies; /* NULL for none */
    apr_array_header_t *named; /* of gate_line: headers of OIDCGateTokenFrom; NULL for none */
} gate_withheld;

/* What the gate knows of one request_rec, from its first look to its last. */
typedef struct gate_state {
    const gate_settings *settings;
    const ap_conf_vector_t *sections; /* what was decided, was for these; NULL for none */
    apr_pool_t *pool;                 /* of the request that all others here are parts of */
    gate_decision decision;
    bool is_decided;
    struct gate_state *parts; /* what was decided for subrequests, each in the list of the request
                                 that they are parts of */
    const char *user;         /* what r->user was set to; NULL for nobody */
    const char *id;           /* NULL until gate_state_id was asked */
    const char *const *told;  /* the value of each of the settings' headers, then variables; NULL:
                                 it is left out */
    int provider_calls;
    bool in_rules;            /* httpd is asking the Require lines just now */
    bool is_probe;            /* its subrequests only ask which settings hold somewhere */
    const char *refused_rule; /* the first of them that refused */
    const char *scope_needed; /* what it would have wanted */
    gate_reason rule_reason;
    const char *rule_detail;
    const char *unmet_rule; /* the first that wants somebody to have signed in otherwise */
    const char *unmet_detail;
    bool assumes_step_up; /* such rules are taken for met just now, and what they want is noted */
    gate_step_up step_up;
    bool is_inherited; /* decided for another request of the same chain */
    bool is_watched;   /* nothing is done of what is decided: it is only said */
    gate_trace *trace; /* gets each rule that is asked; NULL: nobody asks why */
    bool is_answered;  /* httpd has, while the body was read: nothing may be added */
    bool is_refused;
    gate_representation representation; /* of the refusal */
    bool can_repeat; /* what was refused is a GET: its address can be opened once more */
    gate_withheld withheld;
    const char *taken_query; /* the query before a token was taken out of it, or NULL */
} gate_state;

/* How many gate_state.told are. */
static inline size_t gate_told_count(const gate_settings *settings)
{
    return (size_t)settings->headers.count + (size_t)settings->variables.count;
}

/* The request whose parts a subrequest and its subrequests are: r itself where it is none. */
request_rec *gate_whole_of(request_rec *r);

/* The state of this very request; NULL where the gate has not looked at it. */
gate_state *gate_state_of(request_rec *r);
/* A new one in its place: what was decided is gone, and what was taken off the request is kept. */
gate_state *gate_state_make(request_rec *r, const gate_settings *settings);

/* The state that speaks for this request: its own, or that of the request which it was made from (a
 * subrequest, an internal redirect) or of another part of that, where the same settings hold. NULL
 * for none. */
const gate_state *gate_state_for(request_rec *r, const gate_settings *settings);

/* Lets the other parts of the same page find what was decided here. */
void gate_state_share(request_rec *r, gate_state *state);

/* The request as the gate sees it, in r->pool. */
gate_request gate_request_of(request_rec *r, gate_state *state);

/* The same, but only what costs nothing: time, pool and headers. It is all that whoever was here
 * before is known by. */
gate_request gate_request_glance(request_rec *r, gate_state *state);

/* The one that the caller takes: by Fetch Metadata where the browser sends it, and by Accept. */
gate_representation gate_representation_of(request_rec *r);

/* What the caller asked for, before any internal redirect: path and query, as they were sent. */
gate_span gate_asked_for(const request_rec *r);

/* What tells the request in the log and on the page: mod_unique_id's where there is one, else made
 * up, when it is first needed. Whoever writes UNIQUE_ID, it has at most 64 characters that need no
 * escaping anywhere. */
const char *gate_state_id(request_rec *r, gate_state *state);

#endif
