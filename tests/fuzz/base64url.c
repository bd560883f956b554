/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Base64: whatever decodes is the one text for its bytes. */
#include "fuzz.h"

#include "base/base64url.h"

static void check_round_trip(apr_pool_t *p, gate_span bytes)
{
    gate_span back;
    FUZZ_CHECK(gate_base64url_decode(p, gate_span_of(gate_base64url_encode(p, bytes)), &back) &&
               gate_span_equal(back, bytes));
    FUZZ_CHECK(gate_base64_decode(p, gate_span_of(gate_base64_encode(p, bytes)), &back) &&
               gate_span_equal(back, bytes));
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span bytes;
    check_round_trip(p, input);
    if (gate_base64url_decode(p, input, &bytes))
        FUZZ_CHECK(gate_span_is(input, gate_base64url_encode(p, bytes)));
    if (gate_base64_decode(p, input, &bytes)) {
        const char *text = gate_base64_encode(p, bytes);
        FUZZ_CHECK(strlen(text) >= input.len && memcmp(text, input.ptr, input.len) == 0 &&
                   strspn(text + input.len, "=") == strlen(text) - input.len);
    }
}
