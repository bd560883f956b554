/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* shm_segment.h - the memory of the shared store as a whole: where its stripes lie, the file that
 * keeps it, its moving house */
#ifndef GATE_IO_SHM_SEGMENT_H
#define GATE_IO_SHM_SEGMENT_H

#include <sys/types.h>

#include "io/shm_stripe.h"
#include "io/store_shm.h"

#define GATE_SHM_REGION_MIN ((apr_uint64_t)256 << 10)
#define GATE_SHM_REGION_MAX ((apr_uint64_t)1 << 40)

typedef enum gate_shm_region_name {
    GATE_SHM_SESSIONS,
    GATE_SHM_TOKENS,
    GATE_SHM_REGIONS
} gate_shm_region_name;

typedef struct gate_shm_region {
    apr_uint64_t bytes;   /* as it was asked for */
    uint32_t places;      /* stripes */
    apr_uint64_t each;    /* bytes of one */
    uint32_t blocks;      /* of one */
    gate_stripe *stripes; /* in the process's own memory */
} gate_shm_region;

/* gate_store.latest, in shared memory: a word on a cache line of its own. */
typedef union gate_segment_bound {
    int64_t latest;
    char line[64];
} gate_segment_bound;

typedef struct gate_segment {
    gate_shm_region regions[GATE_SHM_REGIONS];
    gate_sum_seed seed;
    gate_key secret;            /* random; goes wherever the records go */
    gate_segment_bound *bounds; /* one for each kind */
    unsigned char *base;
    size_t bytes;
    int fd;       /* -1: no file */
    dev_t device; /* which file that is */
    ino_t inode;
} gate_segment;

/* What a gate_shm is. Only store_shm.c and the tests that damage a segment look inside. */
struct gate_shm {
    gate_store store; /* first: a gate_store of ours is a gate_shm */
    gate_segment *segment;
};

/* gate_shm_create, and with an `old` one gate_shm_resize (store_shm.h). */
apr_status_t gate_segment_make(apr_pool_t *p, const gate_segment *old,
                               const gate_shm_options *options, gate_segment **segment,
                               const char **problem);

/* Whether anybody asks until when there can be records of a kind: then it is kept. */
static inline bool gate_segment_is_bounded(gate_store_kind kind)
{
    return kind == GATE_STORE_SESSION || kind == GATE_STORE_REVOCATION;
}

/* Notes that a record of the kind is about to be written. */
void gate_segment_extend(gate_segment *segment, gate_store_kind kind, int64_t expires);

/* The region that keeps the records of a kind. */
static inline gate_shm_region *gate_segment_region(gate_segment *segment, gate_store_kind kind)
{
    return &segment->regions[kind >= GATE_STORE_TOKEN ? GATE_SHM_TOKENS : GATE_SHM_SESSIONS];
}

#endif
