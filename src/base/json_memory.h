/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* json_memory.h - where jansson's memory comes from: always some, wiped when it is given back, and
 * of a pool while a document is read */
#ifndef GATE_BASE_JSON_MEMORY_H
#define GATE_BASE_JSON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include <apr_pools.h>

/* From now on, and until gate_json_lending_ends, what jansson asks for on this thread is part of p,
 * where it stays and is wiped when p is cleared: nothing of it is ever given back by itself, so
 * json_decref must never meet the last reference to what was made meanwhile. `first` is how many
 * bytes that is likely to be. False where jansson does not ask gate_json_setup's functions, or
 * something is lent already: then nothing has changed. Nothing but jansson runs meanwhile. */
bool gate_json_lend(apr_pool_t *p, size_t first);
void gate_json_lending_ends(void);

#endif
