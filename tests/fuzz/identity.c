/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A record as it comes out of a box: any bytes at all; and records made of any claims. */
#include "who.h"

#include <apr_strings.h>

#include "gate/claim_text.h"

static const char *const asked[] = {"iss",    "sub",      "email",    "groups",     "a",
                                    "a.b",    "a.b.c",    "id:email", "userinfo:a", "at:iss",
                                    "at:sub", "at:a.b.c", "id:"};
enum { ASKED = sizeof asked / sizeof asked[0] };

static size_t sum(gate_span text)
{
    size_t all = 0;
    for (size_t i = 0; i < text.len; i++)
        all += (unsigned char)text.ptr[i];
    return all;
}

static void read_claim(const gate_identity *identity, const gate_claim_name *name)
{
    gate_claim claim;
    if (!gate_claim_find(identity, name, &claim))
        return;
    char text[32];
    FUZZ_CHECK(claim.count >= 0 && (claim.is_array || claim.count == 1));
    FUZZ_CHECK(gate_claim_join(&claim, ',', text, sizeof text) < sizeof text);
    for (int i = 0; i < claim.count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(&claim, i, &type);
        const gate_span and_a_byte = {value.ptr, value.len + 1};
        FUZZ_CHECK(value.ptr && type <= GATE_VALUE_JSON && sum(and_a_byte) <= and_a_byte.len * 255);
    }
}

/* Every byte that a look-up can reach is read; the sanitizers watch. */
static void read_all(const gate_identity *identity)
{
    sum(gate_identity_issuer(identity));
    sum(gate_identity_subject(identity));
    sum(gate_identity_client_id(identity));
    sum(gate_identity_session_id(identity));
    sum(gate_identity_scope(identity));
    FUZZ_CHECK(gate_identity_method(identity) >= 0);
    for (int i = 0; i < ASKED; i++) {
        gate_claim_name name;
        if (gate_claim_name_read(gate_span_of(asked[i]), &name))
            read_claim(identity, &name);
    }
}

/* In memory of its own, aligned, so that a byte read too many is seen. */
static void open_bytes(gate_span input)
{
    char *bytes = malloc(input.len ? input.len : 1);
    memcpy(bytes, input.ptr, input.len);
    const gate_identity *identity = gate_identity_open((gate_span){bytes, input.len});
    if (identity)
        read_all(identity);
    free(bytes);
}

/* What went in comes out: each claim under its own name, from the source that told it. */
static void find_again(const gate_identity *identity, const char *pinned, const json_t *value)
{
    gate_claim_name name;
    gate_claim claim;
    gate_value_type type;
    if (!gate_claim_name_read(gate_span_of(pinned), &name))
        return;
    FUZZ_CHECK(gate_claim_find(identity, &name, &claim));
    FUZZ_CHECK(claim.is_array == json_is_array(value));
    FUZZ_CHECK(claim.count == (claim.is_array ? (int)json_array_size(value) : 1));
    if (!json_is_string(value))
        return;
    const gate_span text = gate_claim_value(&claim, 0, &type);
    const gate_span told = {json_string_value(value), json_string_length(value)};
    FUZZ_CHECK(type == GATE_VALUE_STRING && gate_span_equal(text, told));
}

/* What may stand in a header can break none. */
static void write_out(apr_pool_t *p, const gate_identity *identity)
{
    for (int i = 0; i < ASKED; i++) {
        gate_claim_name name;
        gate_claim claim;
        if (!gate_claim_name_read(gate_span_of(asked[i]), &name) ||
            !gate_claim_find_for_rule(identity, &name, &claim))
            continue;
        FUZZ_CHECK(!gate_span_has_control(gate_span_of(gate_claim_text(p, &claim))));
        const apr_array_header_t *texts = gate_claim_texts(p, &claim);
        FUZZ_CHECK(texts->nelts <= claim.count);
        for (int j = 0; j < texts->nelts; j++)
            FUZZ_CHECK(!gate_span_has_control(gate_span_of(APR_ARRAY_IDX(texts, j, const char *))));
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    open_bytes(input);
    json_t *claims = gate_json_object(p, input, WHO_MAX_BYTES);
    const gate_identity *identity = claims ? who_of(p, input) : NULL;
    if (!identity)
        return;
    const char *name;
    json_t *value;
    json_object_foreach(claims, name, value)
        find_again(identity, apr_pstrcat(p, "at:", name, NULL), value);
    read_all(identity);
    write_out(p, identity);
}
