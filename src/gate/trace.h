/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* trace.h - how a decision comes about, step by step, for whoever asks why; in the ordinary course
 * nobody does, and it costs a look at a pointer */
#ifndef GATE_GATE_TRACE_H
#define GATE_GATE_TRACE_H

#include <apr_tables.h>

#include "base/reason.h"

/* One look at something. No step ever has a secret, a token, a code or a cookie in it. */
typedef struct gate_step {
    const char *name;   /* what was asked: "session cookie" */
    const char *seen;   /* what was looked at, or found; NULL for nothing to say */
    gate_reason reason; /* GATE_OK: nothing against it */
    const char *detail; /* as in a decision; NULL for none */
} gate_step;

typedef struct gate_trace {
    apr_pool_t *pool;
    apr_array_header_t *steps; /* of gate_step, as they were taken */
} gate_trace;

gate_trace *gate_trace_make(apr_pool_t *p);

void gate_trace_push(gate_trace *trace, const gate_step *step);

/* Notes a step; all texts must live as long as the trace. trace is NULL where nobody asks. */
static inline void gate_trace_add(gate_trace *trace, const char *name, const char *seen,
                                  gate_reason reason, const char *detail)
{
    if (trace)
        gate_trace_push(trace, &(gate_step){name, seen, reason, detail});
}

#endif
