/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A query that is the backend's, with a token in it: what is taken out is all of it, and nothing
 * else. */
#include "fuzz.h"

#include "base/query.h"
#include "base/url.h"

static const char wanted[] = "access_token";

static gate_span name_of(gate_span piece)
{
    gate_span name = piece;
    gate_span_cut(&piece, '=', &name);
    return name;
}

/* As whatever reads the query as a form would have it. */
static bool is_wanted(apr_pool_t *p, gate_span piece)
{
    gate_span decoded;
    return gate_form_decode(p, name_of(piece), &decoded) && gate_span_is(decoded, wanted);
}

static bool next_other(apr_pool_t *p, gate_span *query, gate_span *piece)
{
    while (gate_span_cut(query, '&', piece))
        if (piece->len && !is_wanted(p, *piece))
            return true;
    return false;
}

static void check_without(apr_pool_t *p, const char *query)
{
    const char *left = gate_query_without(p, query, wanted);
    gate_span before = gate_span_of(query), after = gate_span_of(left ? left : "");
    gate_span piece, left_piece, value;
    while (next_other(p, &before, &piece)) {
        FUZZ_CHECK(next_other(p, &after, &left_piece));
        FUZZ_CHECK(gate_span_equal(piece, left_piece));
    }
    FUZZ_CHECK(!next_other(p, &after, &left_piece));
    for (after = gate_span_of(left ? left : ""); gate_span_cut(&after, '&', &piece);)
        FUZZ_CHECK(!is_wanted(p, piece));
    FUZZ_CHECK(gate_query_find(p, gate_span_of(left), wanted, &value) == GATE_QUERY_NONE);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const char *query = gate_span_dup(p, input);
    gate_span value = {NULL, 0}, rest = gate_span_of(query), piece;
    int count = 0;
    while (gate_span_cut(&rest, '&', &piece))
        count += is_wanted(p, piece) && piece.len > name_of(piece).len + 1;
    switch (gate_query_find(p, gate_span_of(query), wanted, &value)) {
    case GATE_QUERY_NONE:
        FUZZ_CHECK(count == 0);
        break;
    case GATE_QUERY_ONE:
        FUZZ_CHECK(count == 1 && value.len && !memchr(value.ptr, 0, value.len));
        break;
    case GATE_QUERY_SEVERAL:
        FUZZ_CHECK(count > 1);
        break;
    default:
        FUZZ_CHECK(count == 1);
    }
    check_without(p, query);
}
