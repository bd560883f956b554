/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* quantity.h - durations and sizes as directives write them: "30s", "5m", "8h", "64M" */
#ifndef GATE_BASE_QUANTITY_H
#define GATE_BASE_QUANTITY_H

#include "base/span.h"

/* A whole number with s, m, h or d behind it, or nothing, which means seconds; within [0, max]
 * seconds. False for anything else: a sign, a blank, a fraction, another unit ("ms"). */
bool gate_duration_read(gate_span text, apr_uint64_t max, apr_uint64_t *seconds);

/* A whole number with K, M or G behind it (1,024 each), or nothing, which means bytes; within
 * [0, max] bytes. False for anything else. */
bool gate_size_read(gate_span text, apr_uint64_t max, apr_uint64_t *bytes);

#endif
