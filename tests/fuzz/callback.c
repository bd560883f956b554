/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* The query that a browser brings to the callback: a state, and either a code or an error. */
#include "fuzz.h"
#include "oidc/callback.h"

static void try_input(apr_pool_t *p, gate_span input)
{
    const char *registered;
    gate_callback found;
    if (gate_callback_read(p, input, &found) != GATE_OK)
        return;
    const gate_span members[] = {found.state, found.code, found.error, found.error_description,
                                 found.issuer};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        FUZZ_CHECK(!members[i].ptr == !members[i].len);
        FUZZ_CHECK(!gate_span_has_control(members[i]));
    }
    FUZZ_CHECK(input.len <= GATE_CALLBACK_MAX_BYTES);
    FUZZ_CHECK(found.state.len && !found.code.len != !found.error.len);
    gate_reason strict = gate_callback_check_issuer(&found, "https://id.example", true);
    gate_reason loose = gate_callback_check_issuer(&found, "https://id.example", false);
    FUZZ_CHECK((strict == GATE_OK) == gate_span_is(found.issuer, "https://id.example"));
    FUZZ_CHECK(loose == strict || !found.issuer.ptr);
    FUZZ_CHECK(gate_callback_error(found.error, &registered) != GATE_OK);
}
