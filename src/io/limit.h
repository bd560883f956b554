/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* limit.h - how often something may happen within a second, counted in memory that all processes
 * share */
#ifndef GATE_IO_LIMIT_H
#define GATE_IO_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <apr_pools.h>

/* Counters by name; a power of two. Two names that meet in one counter within the same second are
 * counted together, so that memory stays what it is and nobody gets more than is allowed. */
#define GATE_LIMIT_COUNTERS 4096

typedef struct gate_limit gate_limit;

/* The counters, in anonymous shared memory that lives as long as the process and its children; made
 * before they are forked. NULL where there is no memory. */
gate_limit *gate_limit_make(void);

/* Counts one more under that name (NULL: of all together) in this second (since 1970). False, and
 * nothing is counted, where that would be more than `most`; 0 means no limit. */
bool gate_limit_count(gate_limit *limit, const char *name, int64_t now, int most);

#endif
