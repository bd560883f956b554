/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/vault.h"

#include <sys/mman.h>

#include "base/seal.h"

#define CHUNK_BYTES ((size_t)16384)
#define ALIGNMENT   ((size_t)16)

typedef struct chunk {
    unsigned char *at;
    size_t used, bytes;
} chunk;

/* Under this key a pool has the chunk that is not full yet. */
static const char key[] = "gate vault";

static apr_status_t give_back(void *data)
{
    chunk *c = data;
    gate_wipe(c->at, c->used);
    munmap(c->at, c->bytes);
    return APR_SUCCESS;
}

static chunk *make_chunk(apr_pool_t *p, size_t least)
{
    const size_t bytes = (least + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    chunk *c;
    if (at == MAP_FAILED)
        return NULL;
    gate_vault_hide(at, bytes);
    mlock(at, bytes); /* beyond RLIMIT_MEMLOCK it may be swapped: better than not to start */
    c = apr_pcalloc(p, sizeof *c);
    *c = (chunk){.at = at, .bytes = bytes};
    apr_pool_cleanup_register(p, c, give_back, apr_pool_cleanup_null);
    apr_pool_userdata_setn(c, key, NULL, p);
    return c;
}

void *gate_vault_alloc(apr_pool_t *p, size_t len)
{
    const size_t room = (len / ALIGNMENT + 1) * ALIGNMENT;
    void *found = NULL;
    chunk *c;
    apr_pool_userdata_get(&found, key, p);
    c = found;
    if (!c || c->bytes - c->used < room)
        c = make_chunk(p, room);
    if (!c)
        return NULL;
    c->used += room;
    return c->at + c->used - room;
}

const char *gate_vault_keep(apr_pool_t *p, gate_span bytes)
{
    char *copy = gate_vault_alloc(p, bytes.len + 1);
    if (copy && bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    return copy;
}

void gate_vault_hide(void *pages, size_t bytes)
{
#ifdef MADV_DONTDUMP
    madvise(pages, bytes, MADV_DONTDUMP);
#endif
}
