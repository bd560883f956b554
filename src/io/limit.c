/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/limit.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/seal.h"

/* A counter is one word, so that it changes in one step: the second it is about in the upper half,
 * the count in the lower. */
struct gate_limit {
    gate_key key; /* where a name is counted is not for strangers to choose */
    _Atomic uint64_t all;
    _Atomic uint64_t counters[GATE_LIMIT_COUNTERS];
};

gate_limit *gate_limit_make(void)
{
    gate_limit *limit =
        mmap(NULL, sizeof *limit, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (limit == MAP_FAILED)
        return NULL;
    return gate_random_bytes(limit->key.bytes, sizeof limit->key.bytes) ? limit : NULL;
}

static _Atomic uint64_t *counter_of(gate_limit *limit, const char *name)
{
    const gate_span parts[] = {
        {(const char *)limit->key.bytes, sizeof limit->key.bytes},
        gate_span_of(name),
    };
    gate_digest digest;
    uint32_t at = 0;

    if (!name)
        return &limit->all;
    if (gate_digest_of(&digest, parts, 2)) /* nobody ever sees it: it need not be an HMAC */
        memcpy(&at, digest.bytes, sizeof at);
    return &limit->counters[at % GATE_LIMIT_COUNTERS];
}

bool gate_limit_count(gate_limit *limit, const char *name, int64_t now, int most)
{
    _Atomic uint64_t *counter = counter_of(limit, name);
    const uint64_t second = (uint64_t)(uint32_t)now << 32;
    uint64_t seen = atomic_load(counter), next;

    if (most == 0)
        return true;
    do {
        const bool is_now = (seen & ~(uint64_t)UINT32_MAX) == second;

        if (is_now && (uint32_t)seen >= (uint32_t)most)
            return false;
        next = is_now ? seen + 1 : second + 1;
    } while (!atomic_compare_exchange_weak(counter, &seen, next));
    return true;
}
