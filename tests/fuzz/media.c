/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Accept headers: every weight is one, and a type that is named is there by its name. */
#include "fuzz.h"

#include "base/media.h"

static const char *const types[] = {"text/html", "application/json", "application/problem+json"};

static bool holds(gate_span text, gate_span part)
{
    for (size_t at = 0; at + part.len <= text.len; at++)
        if (gate_span_equal_nocase((gate_span){text.ptr + at, part.len}, part))
            return true;
    return false;
}

static void try_input(apr_pool_t *p, gate_span input)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const gate_media_wish wish = gate_media_wanted(input, types[i]);

        FUZZ_CHECK(wish.weight >= 0 && wish.weight <= GATE_MEDIA_MAX);
        FUZZ_CHECK(!wish.is_named || holds(input, gate_span_of(types[i])));
        FUZZ_CHECK(gate_span_trim(input).len || wish.weight == GATE_MEDIA_MAX);
    }
}
