/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* shelf.h - blocks of bytes that a process keeps for a while and finds by a name: in a fixed number
 * of places, where the newest is put in the place of that which was asked for longest ago */
#ifndef GATE_BASE_SHELF_H
#define GATE_BASE_SHELF_H

#include "base/seal.h"

#define GATE_SHELF_BLOCK_BYTES 16384 /* what is longer is not kept */
#define GATE_SHELF_SECONDS     300   /* what nobody has asked for so long goes */

typedef struct gate_shelf gate_shelf;

/* What a block is found by. What was named is not kept. */
typedef gate_fold gate_shelf_name;

/* For as long as the process lives; of at least so many places. Memory is taken as they fill, and
 * never more than a block for each. NULL where there is no memory, or no randomness. */
gate_shelf *gate_shelf_make(unsigned places);

/* The name that goes with a list of parts: here, and nowhere else. False when OpenSSL fails. */
bool gate_shelf_name_of(const gate_shelf *shelf, gate_shelf_name *name, const gate_span *parts,
                        size_t count);

/* All three may be called by any thread at any time. Nobody waits: where another thread is just
 * there, nothing is found, and nothing is kept or dropped. */

/* *block is a copy in p, aligned as memory from a pool is. `now` is in seconds. */
bool gate_shelf_find(gate_shelf *shelf, const gate_shelf_name *name, int64_t now, apr_pool_t *p,
                     gate_span *block);

/* Puts a copy there, in the place of what had the name before. What goes is overwritten. */
void gate_shelf_put(gate_shelf *shelf, const gate_shelf_name *name, int64_t now, gate_span block);

/* Overwrites what has the name. */
void gate_shelf_drop(gate_shelf *shelf, const gate_shelf_name *name);

#endif
