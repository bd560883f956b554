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

/* NULL where it is none, or treated like any other request. */
static const gate_settings *settings_of(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = is_preflight(r) ? gate_config_settings(r, &problem) : NULL;

    return settings && settings->passes_preflights ? settings : NULL;
}

int gate_note_preflight(request_rec *r)
{
    const gate_settings *settings = settings_of(r);
    gate_state *state;

    if (!settings)
        return DECLINED;
    state = gate_state_make(r, settings);
    state->decision = (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
    state->is_decided = true;
    return DECLINED;
}

int gate_pass_preflight(request_rec *r)
{
    if (!settings_of(r))
        return DECLINED;
    if (!gate_config_forces_authn(r)) /* else it is said where that is dealt with */
        gate_log_decision(r, gate_state_of(r), "allow", HTTP_OK);
    return OK;
}
