/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/logout.h"

const char *gate_end_session_url(apr_pool_t *p, const gate_end_session *request)
{
    gate_form *form = gate_form_make(p);
    if (request->id_token.ptr)
        gate_form_add(form, "id_token_hint", request->id_token);
    gate_form_add_text(form, "client_id", request->client_id);
    gate_form_add_text(form, "post_logout_redirect_uri", request->post_logout_redirect_uri);
    gate_form_add_text(form, "state", request->state);
    return gate_url_with_query(p, request->endpoint, form);
}
