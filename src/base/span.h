/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* span.h - text that carries its length: whatever a stranger sent, until it has been checked */
#ifndef GATE_BASE_SPAN_H
#define GATE_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <apr_pools.h>

/* Borrowed bytes: never owned, never NUL-terminated by promise. ptr NULL means absent, which is not
 * the same as empty. */
typedef struct gate_span {
    const char *ptr;
    size_t len;
} gate_span;

/* A span over a string literal. */
#define GATE_SPAN(literal) ((gate_span){"" literal, sizeof(literal) - 1})

/* A span over a C string; NULL gives the absent span. */
static inline gate_span gate_span_of(const char *z)
{
    return (gate_span){z, z ? strlen(z) : 0};
}

/* Same length, same bytes. Two absent spans are equal; absent and empty are not. Not for secrets:
 * those compare with gate_secret_equal (seal.h). */
bool gate_span_equal(gate_span a, gate_span b);

/* The same, ASCII letters compared without case. */
bool gate_span_equal_nocase(gate_span a, gate_span b);

/* Whether the span reads exactly as the C string. */
static inline bool gate_span_is(gate_span s, const char *z)
{
    return gate_span_equal(s, gate_span_of(z));
}

bool gate_span_starts(gate_span s, const char *prefix);

/* s without SP and HTAB at either end. */
gate_span gate_span_trim(gate_span s);

/* Cuts the piece up to the next `separator` off the front of *rest. False when nothing is left:
 * "a,,b" gives "a", "", "b"; an empty *rest gives nothing. */
bool gate_span_cut(gate_span *rest, char separator, gate_span *piece);

/* Cuts the next word off the front of *rest; words are parted by any run of SP and HTAB. */
bool gate_span_word(gate_span *rest, gate_span *word);

/* A NUL-terminated copy in p; NULL for the absent span. The caller has checked that no NUL is
 * inside. */
const char *gate_span_dup(apr_pool_t *p, gate_span s);

/* Whether any byte is below SP or is DEL: what no header, cookie or URL of ours may hold. */
bool gate_span_has_control(gate_span s);

/* Whether all of it is printable ASCII: from SP to "~". */
bool gate_span_is_printable(gate_span s);

/* Header names as careless backends read them: ASCII case ignored, and all that is neither letter
 * nor digit alike, since there are servers that make one variable of X-User, x_user and X.User. */
bool gate_name_equal_folded(gate_span a, gate_span b);

/* For a log line, inside double quotes: printable ASCII stays, everything else (and '"', '\')
 * becomes \xNN; what is longer than max_bytes of input ends in "...". Never returns NULL. */
const char *gate_span_for_log(apr_pool_t *p, gate_span s, size_t max_bytes);

/* For HTML text and attribute values: & < > " ' escaped, control bytes dropped. */
const char *gate_span_for_html(apr_pool_t *p, gate_span s);

/* The decimal number that is all of s, within [0, max]; false otherwise. */
bool gate_span_number(gate_span s, apr_uint64_t max, apr_uint64_t *number);

#endif
