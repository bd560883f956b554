/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* JSON: what is read can be written and read again, and stays within its limits. */
#include "fuzz.h"

#include "base/json.h"

#define MAX_BYTES 65536

static int depth_of(const json_t *value, int above)
{
    FUZZ_CHECK(above < GATE_JSON_MAX_DEPTH || !(json_is_object(value) || json_is_array(value)));
    const char *name;
    const json_t *member;
    size_t i;
    int deepest = above;
    /* jansson's iterators take no const, and change nothing. */
    json_t *iterated = json_incref((json_t *)(uintptr_t)value);
    json_object_foreach(iterated, name, member)
    {
        int depth = depth_of(member, above + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach(iterated, i, member)
    {
        int depth = depth_of(member, above + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    json_decref(iterated);
    return deepest;
}

static void read_members(const json_t *object)
{
    static const char *const names[] = {"exp", "nbf", "iat", "aud", "sub", "a", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        apr_int64_t seconds = -1;
        gate_span text = {NULL, 0};
        if (gate_json_seconds(object, names[i], &seconds) == GATE_JSON_VALID)
            FUZZ_CHECK(seconds >= 0 && seconds <= 9007199254740992);
        else
            FUZZ_CHECK(seconds == -1);
        bool valid = gate_json_string(object, names[i], &text) == GATE_JSON_VALID;
        FUZZ_CHECK(valid == (text.ptr != NULL));
        FUZZ_CHECK(gate_span_equal(text, gate_json_text(object, names[i])));
        FUZZ_CHECK(!text.ptr || !memchr(text.ptr, '\0', text.len));
        (void)gate_json_has_text(json_object_get(object, names[i]), "me", 8);
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const json_t *object = gate_json_object(p, input, MAX_BYTES);
    if (!object)
        return;
    FUZZ_CHECK(depth_of(object, 0) <= GATE_JSON_MAX_DEPTH);
    read_members(object);
    gate_span text = gate_json_compact(p, object);
    FUZZ_CHECK(text.ptr != NULL);
    const json_t *again = gate_json_object(p, text, (size_t)-1);
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(gate_span_equal(text, gate_json_compact(p, again)));
}
