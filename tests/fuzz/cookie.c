/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Cookie headers: nothing is read beyond them, and what is taken out is ours and all of it. */
#include "fuzz.h"

#include "base/cookie.h"

static const char own_name[] = "gate";

static bool is_inside(gate_span piece, gate_span whole)
{
    return !piece.ptr || (piece.ptr >= whole.ptr && piece.ptr + piece.len <= whole.ptr + whole.len);
}

static bool is_ours(gate_span name)
{
    const size_t len = sizeof own_name - 1;
    return gate_span_starts(name, own_name) && (name.len == len || name.ptr[len] == '-');
}

/* What is taken out goes from behind a ',' too. */
static bool next_piece(gate_span *header, gate_span *name, gate_span *value)
{
    while (header->len) {
        gate_span piece = {header->ptr, 0};
        while (piece.len < header->len && !strchr(";,", header->ptr[piece.len]))
            piece.len++;
        const size_t taken = piece.len < header->len ? piece.len + 1 : piece.len;
        *header = (gate_span){header->ptr + taken, header->len - taken};
        if (gate_cookie_next(&piece, name, value))
            return true;
    }
    return false;
}

static bool next_foreign(gate_span *header, gate_span *name, gate_span *value)
{
    while (next_piece(header, name, value))
        if (!is_ours(*name))
            return true;
    return false;
}

static void check_find(gate_span header, gate_span wanted)
{
    gate_span name, value, found, rest = header;
    int count = 0;
    bool is_joined = false;
    while (gate_cookie_next(&rest, &name, &value)) {
        FUZZ_CHECK(is_inside(name, header) && is_inside(value, header));
        if (!value.len || !gate_span_equal(name, wanted))
            continue;
        count++;
        is_joined = is_joined || memchr(value.ptr, ',', value.len);
    }
    gate_cookie_count result = gate_cookie_find(header, wanted, &found);
    FUZZ_CHECK(result == (count == 0                 ? GATE_COOKIE_NONE
                          : count == 1 && !is_joined ? GATE_COOKIE_ONE
                                                     : GATE_COOKIE_SEVERAL));
    FUZZ_CHECK(result != GATE_COOKIE_ONE || (found.len && is_inside(found, header)));
}

/* Walks through both at once: the same cookies of others, in the same order, to the byte. */
static void check_without(apr_pool_t *p, const char *header)
{
    const char *left = gate_cookie_without(p, header, own_name);
    gate_span before = gate_span_of(header), after = gate_span_of(left ? left : "");
    gate_span name, value, left_name, left_value;
    while (next_foreign(&before, &name, &value)) {
        FUZZ_CHECK(next_piece(&after, &left_name, &left_value));
        FUZZ_CHECK(gate_span_equal(name, left_name) && gate_span_equal(value, left_value));
    }
    FUZZ_CHECK(!next_piece(&after, &left_name, &left_value));
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span rest = input, name, value;
    check_find(input, GATE_SPAN("gate"));
    if (gate_cookie_next(&rest, &name, &value))
        check_find(input, name);
    check_without(p, gate_span_dup(p, input));
}
