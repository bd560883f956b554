/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* store_shm.h - the store in one shared-memory segment of this machine; its layout is drawn in
 * store_shm.c */
#ifndef GATE_IO_STORE_SHM_H
#define GATE_IO_STORE_SHM_H

#include <apr_errno.h>

#include "io/store.h"

typedef struct gate_shm_options {
    apr_size_t session_bytes; /* size of each region; at least 256 KiB */
    apr_size_t token_bytes;
    const char *file; /* NULL: anonymous, lives as long as the process that made it and its
                         children; else a file that keeps it over a stop of the server, mode 0600 */
} gate_shm_options;

typedef struct gate_shm gate_shm;

/* Makes the segment, or takes over the one in the file: what it holds stays, if need be copied into
 * a segment of the new sizes. Called before children are forked; they inherit it. A file that is no
 * store of ours, or that another running server holds, is refused and not touched; *problem says so
 * in words for the administrator (NULL on success). A file whose sessions, marks and revocations do
 * not all fit into the new sizes is refused as well (APR_ENOSPC). A file is in use until p has gone
 * in this process and in all its children, so p outlives restarts. The segment lives as long as p.
 */
apr_status_t gate_shm_create(apr_pool_t *p, const gate_shm_options *options, gate_shm **shm,
                             const char **problem);

/* A new segment of other sizes that takes over what is alive in `old`; `old` stays usable (for
 * children of the generation before) until its pool goes. What those still write there is not seen
 * here. APR_ENOSPC: what must not be forgotten does not fit. */
apr_status_t gate_shm_resize(apr_pool_t *p, gate_shm *old, const gate_shm_options *options,
                             gate_shm **shm, const char **problem);

/* Random bytes that are kept as long as the records, and go wherever they go. They lie beside them:
 * who can read the one can read the other. */
const gate_key *gate_shm_secret(const gate_shm *shm);

/* The store that keeps its records there. Lives as long as the segment. */
gate_store *gate_shm_store(gate_shm *shm);

typedef struct gate_shm_usage {
    apr_uint64_t bytes, bytes_used;         /* of the region */
    apr_uint64_t records[GATE_STORE_KINDS]; /* that are there now, expired ones that nobody met yet
                                               included */
    apr_uint64_t evicted[GATE_STORE_KINDS]; /* alive when they made room for others */
    apr_uint64_t refused[GATE_STORE_KINDS]; /* FULL answers */
    apr_uint64_t repaired; /* stripes put in order after a process died holding their lock, or found
                              damaged */
} gate_shm_usage;

/* Adds up the counters of one region (that of `kind`). */
void gate_shm_usage_of(gate_shm *shm, gate_store_kind kind, gate_shm_usage *usage);

#endif
