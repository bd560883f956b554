/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* The Authorization header, and challenges that hold whatever there is to say. */
#include "fuzz.h"

#include <apr_strings.h>

#include "oidc/bearer.h"

/* Nothing but attributes that the challenge was asked for: each has two quotes, and no more. */
static void check_challenge(const char *text, int attributes)
{
    int quotes = 0;
    for (const char *c = text; *c; c++) {
        FUZZ_CHECK(*c >= ' ' && *c <= '~' && *c != '\\');
        quotes += *c == '"';
    }
    FUZZ_CHECK(quotes == 2 * attributes);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const char *value = apr_pstrmemdup(p, input.ptr, input.len);
    gate_credential found;
    gate_reason reason = gate_credential_read(p, value, &found);
    if (reason == GATE_OK && found.scheme == GATE_SCHEME_BEARER)
        FUZZ_CHECK(gate_bearer_is_token(found.token) && !strchr(value, ','));
    if (reason == GATE_OK && found.scheme == GATE_SCHEME_BASIC)
        FUZZ_CHECK(!gate_span_has_control(found.id) && !gate_span_has_control(found.secret) &&
                   !(found.id.len && memchr(found.id.ptr, ':', found.id.len)) &&
                   !strchr(value, ','));
    const gate_challenge challenge = {value, GATE_ACR_UNMET, value, value, value, value, 0};
    check_challenge(gate_bearer_challenge(p, &challenge), 7);
    check_challenge(gate_basic_challenge(p, value), 2);
}
