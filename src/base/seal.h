/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* seal.h - AES-256-GCM boxes bound to a purpose, random ids, digests, comparing secrets in
 * constant time */
#ifndef GATE_BASE_SEAL_H
#define GATE_BASE_SEAL_H

#include "base/span.h"

#define GATE_KEY_BYTES    32 /* AES-256, HMAC-SHA-256 */
#define GATE_DIGEST_BYTES 32 /* SHA-256 */
#define GATE_FOLD_BYTES   16
#define GATE_BOX_OVERHEAD 28 /* 12 bytes of nonce before, 16 of tag behind what is sealed */

typedef struct gate_key {
    unsigned char bytes[GATE_KEY_BYTES];
} gate_key;

typedef struct gate_digest {
    unsigned char bytes[GATE_DIGEST_BYTES];
} gate_digest;

/* Where random bytes come from; false when there are none to be had, and then nothing may go on. */
typedef bool gate_random_fn(void *bytes, size_t len);

/* OpenSSL's generator. */
gate_random_fn gate_random_bytes;

/* SHA-256 over the parts, each preceded by its length (8 bytes, big endian), so that no two
 * lists of parts give the same bytes; an absent part counts as empty. False only when OpenSSL
 * fails. */
bool gate_digest_of(gate_digest *digest, const gate_span *parts, size_t count);

/* HMAC-SHA-256 over the parts, framed in the same way. */
bool gate_keyed_digest_of(gate_digest *digest, const gate_key *key, const gate_span *parts,
                          size_t count);

/* Where something is filed that is known by the parts alone, and what opens it there: both follow
 * from the parts and the key, and neither from the other. Who has neither the key nor the parts
 * cannot tell which parts they are, not even by trying. Costs a fraction of a digest: parts may be
 * as long as tokens are. */
bool gate_place_of(gate_digest *where, gate_key *opens, const gate_key *key, const gate_span *parts,
                   size_t count);

/* By what a process knows parts again that it has not kept. Without the key nobody finds two lists
 * of parts with the same fold, nor can he tell which parts it is of; but that holds only as long as
 * nobody sees one. So it stays in the process that made it, and is compared by
 * gate_fold_equal alone. False only when OpenSSL fails. */
typedef struct gate_fold {
    unsigned char bytes[GATE_FOLD_BYTES];
} gate_fold;

bool gate_fold_of(gate_fold *fold, const gate_key *key, const gate_span *parts, size_t count);

/* In time that does not depend on where they differ. */
bool gate_fold_equal(const gate_fold *a, const gate_fold *b);

/* Another place beside one that gate_place_of found, for what is filed of the same thing for
 * another purpose, which tells them apart: a word of at most 16 characters. */
void gate_place_beside(gate_digest *beside, const gate_digest *where, const char *purpose);

/* A key for one purpose out of secret bytes: HMAC-SHA-256(secret, purpose). secret is 16 to 64
 * bytes. */
bool gate_key_derive(gate_key *key, gate_span secret, const char *purpose);

/* Seals plain into p. purpose and context are bound into the box (as AAD, framed): it opens only
 * with the same key, purpose and context. The nonce is random: at most 2^32 boxes per key. False
 * when OpenSSL or the random source fails. */
bool gate_box_seal(apr_pool_t *p, const gate_key *key, const char *purpose, gate_span context,
                   gate_span plain, gate_random_fn *random, gate_span *box);

typedef enum gate_box_answer {
    GATE_BOX_OPENED,
    GATE_BOX_FOREIGN, /* anything but what gate_box_seal made with the same four */
    GATE_BOX_FAILED   /* OpenSSL did: nobody can tell */
} gate_box_answer;

/* Opens a box into p. */
gate_box_answer gate_box_try(apr_pool_t *p, const gate_key *key, const char *purpose,
                             gate_span context, gate_span box, gate_span *plain);

/* The same for those to whom all that does not open is alike. */
bool gate_box_open(apr_pool_t *p, const gate_key *key, const char *purpose, gate_span context,
                   gate_span box, gate_span *plain);

/* len random bytes as base64url, in p; NULL when there is no randomness. */
const char *gate_random_text(apr_pool_t *p, gate_random_fn *random, size_t len);

/* Same length, same bytes, in time that depends on the length alone. False where either is
 * absent. */
bool gate_secret_equal(gate_span a, gate_span b);

/* Overwrites; the compiler cannot leave it out. */
void gate_wipe(void *bytes, size_t len);

/* Overwrites bytes that are in p when p is cleared, whose memory others get then as it is. Only
 * what the caller has made there itself; the absent span is fine. */
void gate_wipe_with(apr_pool_t *p, gate_span bytes);

/* free(), of what malloc() has made, and nothing is left in it; NULL is fine. What libraries that
 * have secrets in their hands are given in its place. */
void gate_wipe_and_free(void *block);

#endif
