/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/trace.h"

#include "world.h"

/* Names of steps and what they say, in order. */
static const char *told(const gate_trace *trace)
{
    const char *text = "";

    for (int i = 0; i < trace->steps->nelts; i++) {
        const gate_step *step = &APR_ARRAY_IDX(trace->steps, i, gate_step);

        text = apr_pstrcat(the.pool, text, i ? ", " : "", step->name, "=",
                           gate_reason_name(step->reason), NULL);
    }
    return text;
}

static gate_decision decide(const gate_settings *s, gate_trace *trace)
{
    gate_request *q = request_at("GET", "/app/x", true);

    q->trace = trace;
    return gate_decide(q, s, &the.gate);
}

static void test_steps(void)
{
    gate_settings *s = world_begin();
    gate_trace *trace;

    gate_trace_add(NULL, "name", "seen", GATE_OK, NULL); /* nobody asks */
    trace = gate_trace_make(the.pool);
    decide(s, trace);
    is(told(trace), "credential=ok, session cookie=no_credential, nobody=no_credential", "nobody");
    sign_in(s, "/app/x");
    trace = gate_trace_make(the.pool);
    decide(s, trace);
    is(told(trace),
       "credential=ok, session cookie=ok, session record=ok, sessions ended by others=ok",
       "somebody with a session");
    s->methods |= 1u << GATE_METHOD_BEARER;
    the.authorization = "Bearer a.b.c";
    trace = gate_trace_make(the.pool);
    decide(s, trace);
    is(told(trace),
       "credential=ok, method=ok, the token's form and algorithm=malformed_token, "
       "verdict=malformed_token",
       "a bad token: no step after that");
}

/* What is noted changes nothing of what is decided. */
static void test_same_decision(void)
{
    static const char *const credentials[] = {NULL, "Bearer a.b.c", "Bearer a, Bearer b"};

    for (size_t i = 0; i < sizeof credentials / sizeof *credentials; i++) {
        gate_settings *s = world_begin();
        const char *without;

        s->methods |= 1u << GATE_METHOD_BEARER;
        the.authorization = credentials[i];
        without = said(decide(s, NULL));
        is(said(decide(s, gate_trace_make(the.pool))), without, "with a trace as without (%d)",
           (int)i);
    }
}

int main(void)
{
    test_steps();
    test_same_decision();
    return tap_done();
}
