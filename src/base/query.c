/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/query.h"

#include "base/url.h"

static gate_span name_of(gate_span piece)
{
    const char *equals = piece.len ? memchr(piece.ptr, '=', piece.len) : NULL;

    return equals ? (gate_span){piece.ptr, (size_t)(equals - piece.ptr)} : piece;
}

/* What is behind the first '='; empty where there is none. */
static gate_span value_of(gate_span piece)
{
    const size_t taken = name_of(piece).len + 1;

    return taken < piece.len ? (gate_span){piece.ptr + taken, piece.len - taken}
                             : (gate_span){piece.ptr, 0};
}

/* An escape makes a name longer, never shorter: most pieces are told apart by their length. */
static bool is_called(apr_pool_t *p, gate_span piece, const char *name)
{
    const gate_span written = name_of(piece);
    const size_t len = strlen(name);
    gate_span decoded;

    if (written.len < len || written.len > 3 * len)
        return false;
    return written.len == len
               ? gate_span_is(written, name)
               : gate_form_decode(p, written, &decoded) && gate_span_is(decoded, name);
}

gate_query_count gate_query_find(apr_pool_t *p, gate_span query, const char *name, gate_span *value)
{
    gate_span piece, found = {NULL, 0};

    while (gate_span_cut(&query, '&', &piece)) {
        const gate_span written = value_of(piece);

        if (!written.len || !is_called(p, piece, name))
            continue;
        if (found.ptr)
            return GATE_QUERY_SEVERAL;
        found = written;
    }
    if (!found.ptr)
        return GATE_QUERY_NONE;
    return gate_form_decode(p, found, value) ? GATE_QUERY_ONE : GATE_QUERY_BROKEN;
}

static bool has(apr_pool_t *p, gate_span query, const char *name)
{
    gate_span piece;

    while (gate_span_cut(&query, '&', &piece)) {
        if (is_called(p, piece, name))
            return true;
    }
    return false;
}

const char *gate_query_without(apr_pool_t *p, const char *query, const char *name)
{
    gate_span rest = gate_span_of(query), piece;
    char *text, *end;

    if (!has(p, rest, name))
        return query;
    text = end = apr_palloc(p, rest.len + 1);
    while (gate_span_cut(&rest, '&', &piece)) {
        if (is_called(p, piece, name))
            continue;
        if (end != text)
            *end++ = '&';
        memcpy(end, piece.ptr, piece.len);
        end += piece.len;
    }
    *end = '\0';
    return end == text ? NULL : text;
}
