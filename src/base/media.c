/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/media.h"

/* How closely a range describes a type. */
typedef enum closeness { NOT_AT_ALL, ANYTHING, SAME_KIND, ITSELF } closeness;

static closeness compare(gate_span range, gate_span type)
{
    const char *slash = memchr(type.ptr, '/', type.len);
    const gate_span kind = {type.ptr, slash ? (size_t)(slash - type.ptr) + 1 : type.len};

    if (gate_span_is(range, "*/*"))
        return ANYTHING;
    if (range.len == kind.len + 1 && range.ptr[kind.len] == '*' &&
        gate_span_equal_nocase((gate_span){range.ptr, kind.len}, kind))
        return SAME_KIND;
    return gate_span_equal_nocase(range, type) ? ITSELF : NOT_AT_ALL;
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
static bool read_weight(gate_span text, int *weight)
{
    int unit = GATE_MEDIA_MAX;

    if (!text.len || text.len > strlen("0.000") || (text.len > 1 && text.ptr[1] != '.'))
        return false;
    *weight = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *weight += (text.ptr[i] - '0') * unit;
        unit /= 10;
    }
    return *weight <= GATE_MEDIA_MAX;
}

/* The weight among a range's parameters; all of it where none is said. False: it cannot be read. */
static bool find_weight(gate_span parameters, int *weight)
{
    gate_span parameter;

    *weight = GATE_MEDIA_MAX;
    while (gate_span_cut(&parameters, ';', &parameter)) {
        gate_span name;

        if (!gate_span_cut(&parameter, '=', &name) ||
            !gate_span_equal_nocase(gate_span_trim(name), GATE_SPAN("q")))
            continue;
        return read_weight(gate_span_trim(parameter), weight);
    }
    return true;
}

gate_media_wish gate_media_wanted(gate_span accept, const char *type)
{
    gate_media_wish wish = {.weight = 0};
    closeness best = NOT_AT_ALL;
    gate_span element;

    if (!gate_span_trim(accept).len)
        return (gate_media_wish){.weight = GATE_MEDIA_MAX};
    while (gate_span_cut(&accept, ',', &element)) {
        gate_span range = {NULL, 0};
        closeness how;
        int weight;

        if (!gate_span_cut(&element, ';', &range) || !find_weight(element, &weight))
            continue;
        how = compare(gate_span_trim(range), gate_span_of(type));
        if (how < best || how == NOT_AT_ALL)
            continue;
        wish.weight = how > best || weight > wish.weight ? weight : wish.weight;
        best = how;
    }
    wish.is_named = best == ITSELF;
    return wish;
}
