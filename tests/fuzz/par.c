/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* The answer to a pushed request: what is taken from it goes into an address. */
#include "fuzz.h"

#include "oidc/authorize.h"
#include "oidc/par.h"

static void try_input(apr_pool_t *p, gate_span input)
{
    const gate_answer answer = {.status = 201, .body = input};
    const char *request_uri = NULL, *detail = NULL;
    gate_url url;
    if (gate_par_read(p, &answer, &request_uri, &detail) != GATE_OK) {
        FUZZ_CHECK(!request_uri && detail);
        return;
    }
    FUZZ_CHECK(strlen(request_uri) <= 1024 && strchr(request_uri, ':'));
    FUZZ_CHECK(!gate_span_has_control(gate_span_of(request_uri)));
    FUZZ_CHECK(gate_url_parse(
        gate_span_of(gate_url_with_query(p, "https://id.example/authorize",
                                         gate_authorize_pushed(p, "web", request_uri))),
        &url));
}
