/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* JSON: what is read can be written and read again, stays within its limits, and is what jansson
 * alone reads: all that it reads within those limits, and nothing else. But jansson passes over a
 * NUL behind a number. */
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

/* No deeper than it may be, as brackets outside strings say. Whether they pair is not asked. */
static bool is_flat_enough(gate_span text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        if (depth > GATE_JSON_MAX_DEPTH)
            return false;
    }
    return true;
}

static void compare(const json_t *object, gate_span input)
{
    json_t *whole =
        is_flat_enough(input) && input.len <= MAX_BYTES && !memchr(input.ptr, '\0', input.len)
            ? json_loadb(input.ptr, input.len, JSON_REJECT_DUPLICATES, NULL)
            : NULL;
    FUZZ_CHECK((object != NULL) == json_is_object(whole));
    FUZZ_CHECK(!object || json_equal(object, whole));
    json_decref(whole);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_json_setup();
    const json_t *object = gate_json_object(p, input, MAX_BYTES);
    compare(object, input);
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
