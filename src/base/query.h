/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* query.h - one parameter of a query that is somebody else's: found, and taken out, while all
 * others stay byte for byte */
#ifndef GATE_BASE_QUERY_H
#define GATE_BASE_QUERY_H

#include <stdbool.h>

#include "base/span.h"

typedef enum gate_query_count {
    GATE_QUERY_NONE,
    GATE_QUERY_ONE,
    GATE_QUERY_SEVERAL,
    GATE_QUERY_BROKEN /* it is there once, with a broken escape or a NUL in it */
} gate_query_count;

/* Looks a parameter up by its decoded name: whatever reads the query as a form finds it under each
 * spelling. An empty value counts as none. ONE: *value is decoded ('+' is SP), in p. */
gate_query_count gate_query_find(apr_pool_t *p, gate_span query, const char *name,
                                 gate_span *value);

/* query (without '?') without that parameter, however often and in whatever spelling it is there,
 * with or without a value; NULL where nothing is left, and the very same text where it was not
 * there. In p. */
const char *gate_query_without(apr_pool_t *p, const char *query, const char *name);

#endif
