/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/push.h"

#include "gate/provider.h"
#include "oidc/par.h"

/* Whether there is room for one more such call. Limits are 1 at least; 0 would mean none. */
static bool may_ask(const gate_request *q, const gate_settings *s, gate_world *w)
{
    return w->may_ask(w->limit_context, q->address, q->now, (s->limit_address + 1) / 2,
                      (s->limit_total + 1) / 2);
}

/* *pushes: whether it is to be pushed. */
static gate_reason choose(const gate_request *q, const gate_settings *s, gate_world *w,
                          bool *pushes, const char **detail)
{
    const gate_metadata *metadata;
    bool must;
    gate_reason reason = gate_provider_metadata(q, w, s->provider, &metadata, detail);

    *pushes = false;
    if (reason != GATE_OK)
        return reason;
    must = s->par == GATE_PAR_REQUIRED || metadata->requires_par;
    if (must && s->par == GATE_PAR_OFF) {
        *detail = "the provider takes pushed requests alone, and OIDCGatePAR is Off";
        return GATE_IDP_UNSUITABLE;
    }
    if (must && !metadata->endpoints[GATE_ENDPOINT_PAR]) {
        *detail = "requests must be pushed, and the provider's metadata name no endpoint for it; "
                  "see OIDCGatePAR, OIDCGateEndpoint par";
        return GATE_IDP_UNSUITABLE;
    }
    if (q->is_watched)
        return GATE_OK;
    *pushes = s->par != GATE_PAR_OFF && metadata->endpoints[GATE_ENDPOINT_PAR] && may_ask(q, s, w);
    return must && !*pushes ? GATE_RATE_LIMITED : GATE_OK;
}

gate_reason gate_push(const gate_request *q, const gate_settings *s, gate_world *w, gate_form *form,
                      const char **request_uri, const char **detail)
{
    gate_answer answer;
    bool pushes;
    gate_reason reason = choose(q, s, w, &pushes, detail);

    *request_uri = NULL;
    if (reason != GATE_OK || !pushes)
        return reason;
    reason = gate_provider_post(q, w, s, GATE_ENDPOINT_PAR, form, &answer, detail);
    return reason == GATE_OK ? gate_par_read(q->pool, &answer, request_uri, detail) : reason;
}
