/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Templates as an administrator writes them, filled with claims as a provider tells them. */
#include "who.h"

#include "gate/template.h"

static bool is_header_value(gate_span value)
{
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static void render(apr_pool_t *p, const gate_template *compiled, const gate_template_values *values)
{
    gate_span value;
    const char *detail = NULL;
    const gate_reason reason = gate_template_render(p, compiled, values, &value, &detail);
    FUZZ_CHECK(reason == GATE_OK || reason == GATE_CLAIM_MISSING ||
               reason == GATE_CLAIMS_UNAVAILABLE || reason == GATE_CLAIM_UNSAFE);
    FUZZ_CHECK((reason == GATE_OK) == (detail == NULL));
    FUZZ_CHECK(reason == GATE_OK || !value.ptr);
    if (!value.ptr)
        return;
    FUZZ_CHECK(value.len <= GATE_TEMPLATE_MAX_BYTES && !value.ptr[value.len]);
    FUZZ_CHECK(is_header_value(value));
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span text = {"", 0};
    gate_span_cut(&input, '\n', &text);
    const char *const *options = who_words(p, &input);
    const gate_template *compiled = NULL;
    const char *problem = gate_template_compile(p, gate_span_dup(p, text), options, &compiled);
    FUZZ_CHECK((problem != NULL) == (compiled == NULL));
    if (problem)
        return;
    FUZZ_CHECK(gate_template_needs(compiled) < 16);
    const gate_template_values nobody = {0};
    const gate_template_values somebody = {
        .identity = who_of(p, input),
        .user = "somebody",
        .method = "code",
        .access_token = input,
        .introspection = GATE_SPAN("{\"active\":true}"),
    };
    render(p, compiled, &nobody);
    render(p, compiled, &somebody);
}
