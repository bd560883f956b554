/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* siphash.h - SipHash-1-3 with 128 bits (J.-P. Aumasson, D. J. Bernstein: SipHash: a fast
 * short-input PRF, 2012): by what a process knows a secret text again that it has not kept */
#ifndef GATE_BASE_SIPHASH_H
#define GATE_BASE_SIPHASH_H

#include <stdint.h>

#include "base/span.h"

/* Random, and never told to anybody. Without it nobody finds two texts with the same hash, nor can
 * he tell which text a hash is of; and that is all that this is for: a hash is never shown, stored
 * for others or sent. */
typedef struct gate_siphash_key {
    uint64_t words[2];
} gate_siphash_key;

typedef struct gate_siphash {
    uint64_t words[2];
} gate_siphash;

/* Over the parts, each preceded by its length (8 bytes, little endian) and followed by as many
 * zeros as make whole words, so that no two lists of parts give the same bytes; an absent part
 * counts as empty. Tokens are long, and it is computed on each request: this costs a third of what
 * OpenSSL takes for a digest, and with one round to a word, half of that. */
gate_siphash gate_siphash_of(const gate_siphash_key *key, const gate_span *parts, size_t count);

/* All of it at once: how long that takes does not depend on where they differ. */
static inline bool gate_siphash_equal(const gate_siphash *a, const gate_siphash *b)
{
    return !((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]));
}

#endif
