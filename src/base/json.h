/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* json.h - jansson with a size, a depth and no duplicates (RFC 8259, RFC 8725bis section 3) */
#ifndef GATE_BASE_JSON_H
#define GATE_BASE_JSON_H

#include <jansson.h>

#include "base/span.h"

/* Deeper nesting than any claim set has a use for; jansson alone would follow 2,048 levels. */
#define GATE_JSON_MAX_DEPTH 16

/* From then on jansson has memory, or the process ends; and what it gives back is wiped. Before it
 * is used, in each process image; once more does no harm. */
void gate_json_setup(void);

/* Reads one JSON object of at most max_bytes. NULL for anything else: another type, trailing
 * bytes, a duplicated member at any level, deeper than GATE_JSON_MAX_DEPTH, invalid UTF-8, an
 * escaped NUL in a name or a value, a number that neither 64 bits nor a double can hold. The
 * object belongs to p, and is released with it. Its memory is p's too: nothing may be added to it or
 * taken from it, and nobody calls json_decref. */
const json_t *gate_json_object(apr_pool_t *p, gate_span text, size_t max_bytes);

/* Gives a JSON value made by jansson to the pool, which releases it. Returns its argument; NULL
 * stays NULL. */
json_t *gate_json_own(apr_pool_t *p, json_t *value);

/* The string member of that name, borrowed from the object; absent span where it is missing or
 * no string. */
gate_span gate_json_text(const json_t *object, const char *name);

typedef enum gate_json_presence {
    GATE_JSON_ABSENT, /* no such member */
    GATE_JSON_VALID,  /* there, and of the form that was asked for */
    GATE_JSON_BROKEN  /* there, and anything else; null too */
} gate_json_presence;

/* A NumericDate (RFC 7519 section 2): an integer or a fraction, in seconds since 1970, cut to
 * whole seconds. BROKEN for a string, a negative number, one beyond 2^53, infinities. */
gate_json_presence gate_json_seconds(const json_t *object, const char *name, apr_int64_t *seconds);

/* A string, checked to be one. */
gate_json_presence gate_json_string(const json_t *object, const char *name, gate_span *text);

/* Whether value is that string, or an array that has it as a member. An array with a member that
 * is no string, or with more than max_members, has nothing (RFC 7519 section 4.1.3 for "aud"). */
bool gate_json_has_text(const json_t *value, const char *text, size_t max_members);

/* Compact text of a value, keys in their order, in p. */
gate_span gate_json_compact(apr_pool_t *p, const json_t *value);

/* The JSON string that says text, which is UTF-8: in quotes, with escapes where RFC 8259 section 7
 * wants them and nowhere else. In p. */
gate_span gate_json_quote(apr_pool_t *p, gate_span text);

#endif
