/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>

#include "oidc/logout.h"

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    const gate_end_session full = {
        .endpoint = "https://id.example/logout",
        .id_token = GATE_SPAN("a.b.c"),
        .client_id = "web",
        .post_logout_redirect_uri = "https://www.example/bye?x=1&y=2",
        .state = "S",
    };
    const gate_end_session little = {
        .endpoint = "https://id.example/logout?tenant=a",
        .client_id = "a&b",
    };
    is(gate_end_session_url(p, &full),
       "https://id.example/logout?id_token_hint=a.b.c&client_id=web"
       "&post_logout_redirect_uri=https%3A%2F%2Fwww.example%2Fbye%3Fx%3D1%26y%3D2&state=S",
       "all parameters stand in their order");
    is(gate_end_session_url(p, &little), "https://id.example/logout?tenant=a&client_id=a%26b",
       "what is not known is left out, and the endpoint's own query is kept");
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
