/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* shm_sum.h - the segment's own keyed 64-bit sum: where a key is filed, and whether a record is
 * whole */
#ifndef GATE_IO_SHM_SUM_H
#define GATE_IO_SHM_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The seed is random and the same as long as the segment lives. The sum finds damage and spreads
 * keys; it is no MAC: who can write to the segment can read the seed. The tag of the sealed value
 * is the last judge. */
typedef struct gate_sum_seed {
    uint64_t word[2];
} gate_sum_seed;

#define GATE_SUM_STRIDE 32

typedef struct gate_sum {
    uint64_t lane[4];
    uint64_t length;
} gate_sum;

/* One to one in each of its arguments: a word that changed always shows. */
static inline uint64_t gate_sum_turn(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return lane << 29 | lane >> 35;
}

static inline void gate_sum_begin(gate_sum *sum, const gate_sum_seed *seed)
{
    for (unsigned i = 0; i < 4; i++)
        sum->lane[i] = gate_sum_turn(seed->word[i & 1], seed->word[~i & 1] + i);
    sum->length = 0;
}

static inline uint64_t gate_sum_load(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline void gate_sum_stride(gate_sum *sum, const unsigned char *at)
{
    sum->lane[0] = gate_sum_turn(sum->lane[0], gate_sum_load(at));
    sum->lane[1] = gate_sum_turn(sum->lane[1], gate_sum_load(at + 8));
    sum->lane[2] = gate_sum_turn(sum->lane[2], gate_sum_load(at + 16));
    sum->lane[3] = gate_sum_turn(sum->lane[3], gate_sum_load(at + 24));
}

/* Every piece but the last is a multiple of GATE_SUM_STRIDE long. */
static inline void gate_sum_more(gate_sum *sum, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    gate_sum s = *sum; /* stays in registers */

    s.length += len;
    for (; len >= GATE_SUM_STRIDE; at += GATE_SUM_STRIDE, len -= GATE_SUM_STRIDE)
        gate_sum_stride(&s, at);
    if (len > 0) {
        unsigned char rest[GATE_SUM_STRIDE] = {0};

        memcpy(rest, at, len);
        gate_sum_stride(&s, rest);
    }
    *sum = s;
}

static inline uint64_t gate_sum_end(const gate_sum *sum)
{
    uint64_t h = sum->length;

    for (unsigned i = 0; i < 4; i++)
        h = gate_sum_turn(h, sum->lane[i]);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static inline uint64_t gate_sum_of(const gate_sum_seed *seed, const void *bytes, size_t len)
{
    gate_sum sum;

    gate_sum_begin(&sum, seed);
    gate_sum_more(&sum, bytes, len);
    return gate_sum_end(&sum);
}

#endif
