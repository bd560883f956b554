/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/preflight.h"

#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/request.h"

/* Fetch section 4.8, "CORS-preflight fetch": browsers send all of these, and no credentials. */
static bool is_preflight(const request_rec *r)
{
    return !r->main && r->method_number == M_OPTIONS && apr_table_get(r->headers_in, "Origin") &&
           apr_table_get(r->headers_in, "Access-Control-Request-Method");
}

int gate_pass_preflight(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings;
    gate_state *state;

    if (!is_preflight(r))
        return DECLINED;
    settings = gate_config_settings(r, &problem);
    if (!settings || !settings->passes_preflights)
        return DECLINED;
    state = gate_state_make(r, settings);
    state->decision = (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
    state->is_decided = true;
    if (!gate_config_forces_authn(r)) /* else it is said where that is dealt with */
        gate_log_decision(r, state, "allow", HTTP_OK);
    return OK;
}
