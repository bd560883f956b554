/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/trace.h"

gate_trace *gate_trace_make(apr_pool_t *p)
{
    gate_trace *trace = apr_palloc(p, sizeof *trace);

    trace->pool = p;
    trace->steps = apr_array_make(p, 16, sizeof(gate_step));
    return trace;
}

void gate_trace_push(gate_trace *trace, const gate_step *step)
{
    APR_ARRAY_PUSH(trace->steps, gate_step) = *step;
}
