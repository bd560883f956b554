/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/siphash.h"

#define WORD_BYTES 8

/* The paper's names. */
typedef struct state {
    uint64_t v0, v1, v2, v3;
} state;

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mix(state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void add(state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s);
    s->v0 ^= word;
}

/* The next bytes, at most as many as a word has, as a little-endian number. */
static inline uint64_t load(const char *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(word) : word;
}

/* The number of bytes added: always whole words. */
static size_t add_part(state *s, gate_span part)
{
    const char *at = part.ptr;
    size_t left = part.ptr ? part.len : 0;
    const size_t words = (left + WORD_BYTES - 1) / WORD_BYTES;
    state own = *s; /* stays in registers */
    add(&own, left);
    for (; left >= WORD_BYTES; at += WORD_BYTES, left -= WORD_BYTES)
        add(&own, load(at, WORD_BYTES));
    if (left)
        add(&own, load(at, left));
    *s = own;
    return (1 + words) * WORD_BYTES;
}

static uint64_t finish(state *s)
{
    for (int round = 0; round < 3; round++)
        mix(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

gate_siphash gate_siphash_of(const gate_siphash_key *key, const gate_span *parts, size_t count)
{
    state s = {
        .v0 = key->words[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->words[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        .v2 = key->words[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->words[1] ^ UINT64_C(0x7465646279746573),
    };
    gate_siphash hash;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += add_part(&s, parts[i]);
    add(&s, (uint64_t)(bytes & 0xff) << 56); /* the last word, of no bytes and their number */
    s.v2 ^= 0xee;
    hash.words[0] = finish(&s);
    s.v1 ^= 0xdd;
    hash.words[1] = finish(&s);
    return hash;
}
