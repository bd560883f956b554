/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* pack.h - a few texts and numbers in one run of bytes, and back: what is sealed into boxes and
 * filed in the store */
#ifndef GATE_BASE_PACK_H
#define GATE_BASE_PACK_H

#include <apr_pools.h>

#include "base/span.h"

#define GATE_PACK_MAX_ITEMS 16

/* Collects; nothing is copied before gate_pack_bytes. */
typedef struct gate_pack {
    gate_span texts[GATE_PACK_MAX_ITEMS]; /* absent ones stay absent */
    int count;
} gate_pack;

/* The texts must live until gate_pack_bytes. At most GATE_PACK_MAX_ITEMS: the callers' lists are
 * fixed. */
void gate_pack_add(gate_pack *pack, gate_span text);
void gate_pack_add_number(apr_pool_t *p, gate_pack *pack, apr_int64_t number);

/* All of them as one run of bytes in p. */
gate_span gate_pack_bytes(apr_pool_t *p, const gate_pack *pack);

/* Reads exactly `count` texts back, in place. False where bytes are anything but a pack of that
 * many. */
bool gate_pack_read(gate_span bytes, gate_span *texts, int count);

/* The first so many alone, of a pack of which no more need be there. How many bytes they take; 0,
 * where they are not there. */
size_t gate_pack_front(gate_span bytes, gate_span *texts, int count);

/* The number in a text that gate_pack_add_number made; false for any other. */
bool gate_pack_number(gate_span text, apr_int64_t *number);

#endif
