/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* shm_stripe.h - one stripe of the shared-memory store: a lock, an index, lists and blocks of its
 * own */
#ifndef GATE_IO_SHM_STRIPE_H
#define GATE_IO_SHM_STRIPE_H

#include <pthread.h>

#include "io/shm_sum.h"
#include "io/store.h"

#define GATE_STRIPE_BLOCK 256 /* bytes of a block */
#define GATE_STRIPE_CHAIN_MAX \
    256 /* records in one bucket: as many buckets as blocks, so 10 are a wonder */
#define GATE_STRIPE_WAIT_SECONDS 1 /* for a lock; then the answer is UNSURE */

/* The beginning of a record, in its first block. Blocks are numbered from 1; 0 is none. */
typedef struct gate_stripe_record {
    /* written once, and covered by the checksum */
    gate_store_key key;
    uint64_t version;
    int64_t created;
    int64_t expires;
    uint64_t value_sum;
    int32_t idle;
    uint32_t length;
    uint32_t kind;
    uint32_t front; /* of the value; 0: the whole, as in segments that know of none */
    uint64_t checksum;
    /* changed in place, under the lock */
    int64_t seen;
    int64_t moved;  /* when it last went to the front of its list */
    uint32_t chain; /* the next record of the bucket */
    uint32_t newer; /* its neighbours in the list of its kind */
    uint32_t older;
    uint32_t unused_too[3];
} gate_stripe_record;

/* What the checksum covers. */
#define GATE_STRIPE_SUMMED offsetof(gate_stripe_record, checksum)

typedef union gate_stripe_block {
    gate_stripe_record head;
    unsigned char bytes[GATE_STRIPE_BLOCK];
} gate_stripe_block;

typedef struct gate_stripe_kind {
    uint32_t newest, oldest;
    uint32_t records, blocks;
    uint64_t evicted, refused;
} gate_stripe_kind;

/* The changing part of a stripe, in shared memory. All zero but the lock is an empty stripe. */
typedef struct gate_stripe_state {
    union {
        pthread_mutex_t mutex;
        char line[64]; /* nothing else on its cache line */
    } lock;
    uint64_t version;       /* the last one given */
    uint64_t version_again; /* the same; after damage the larger of both counts */
    int64_t heard;          /* `now` of the last write */
    int64_t swept;          /* `now` of the last full sweep */
    uint32_t free;          /* first of the blocks given back */
    uint32_t fresh;     /* so many blocks have ever been in use; those above were never touched */
    uint32_t cursor;    /* the bucket at which the sweep goes on */
    uint32_t was_swept; /* whether `swept` says anything */
    uint64_t repaired;
    gate_stripe_kind kinds[GATE_STORE_KINDS];
} gate_stripe_state;

/* Where a stripe lies and how large it is. This is kept in the process's own memory, never read
 * from the segment. */
typedef struct gate_stripe {
    gate_stripe_state *state;
    uint32_t *buckets;  /* the first record of each; as many as there are blocks */
    uint32_t *links;    /* the next block of the same record, or of the free ones */
    unsigned char *map; /* a bit for each block: scratch of gate_stripe_mend */
    gate_stripe_block *blocks;
    uint32_t count;         /* of blocks */
    uint32_t place, places; /* which stripe of how many in its region */
    gate_sum_seed seed;
} gate_stripe;

/* Bytes that a stripe of so many blocks takes, and the most blocks that fit. */
size_t gate_stripe_size(uint32_t count);
uint32_t gate_stripe_fit(size_t bytes);

/* Fills in where the parts of a stripe of `count` blocks lie in the memory at `base`. */
void gate_stripe_place(gate_stripe *stripe, void *base, uint32_t count);

/* Makes the lock anew: nobody holds it. Only while nobody else uses the stripe. */
int gate_stripe_reset_lock(const gate_stripe *stripe);

/* False when the lock could not be had. A stripe whose last holder died is put in order before this
 * returns. */
bool gate_stripe_lock(const gate_stripe *stripe);
void gate_stripe_unlock(const gate_stripe *stripe);

/* Under the lock: keeps each record that is whole and reachable, and builds everything else anew
 * from them. A process may die in the midst of it; the next one starts over. */
void gate_stripe_mend(const gate_stripe *stripe);

/* Which record, and when. `hash` is gate_stripe_hash of the other two. */
typedef struct gate_stripe_wanted {
    gate_store_kind kind;
    const gate_store_key *key;
    uint64_t hash;
    int64_t now;
} gate_stripe_wanted;

uint64_t gate_stripe_hash(const gate_sum_seed *seed, gate_store_kind kind,
                          const gate_store_key *key);

/* Which of `places` stripes keeps the records of that hash. */
static inline uint32_t gate_stripe_place_of(uint64_t hash, uint32_t places)
{
    return (uint32_t)((hash >> 32) * places >> 32);
}

/* All below are called under the lock. UNSURE says that the stripe was found damaged; it has been
 * mended by then. */

typedef enum gate_stripe_reading {
    GATE_STRIPE_GET,   /* the record was seen */
    GATE_STRIPE_FRONT, /* the same, and of its value the front is enough */
    GATE_STRIPE_LOOK,  /* it was seen; its value is left where it is */
    GATE_STRIPE_TAKE   /* it is gone afterwards */
} gate_stripe_reading;

/* So much of a record's value is read. */
static inline uint32_t gate_stripe_extent(const gate_stripe_record *head, gate_stripe_reading how)
{
    if (how == GATE_STRIPE_LOOK)
        return 0;
    return how == GATE_STRIPE_FRONT && head->front && head->front < head->length ? head->front
                                                                                 : head->length;
}

/* Copies the record's head, and its value where that is wanted and fits into `room` bytes; if it
 * does not fit, nothing is noted or removed. */
gate_store_answer gate_stripe_read(const gate_stripe *stripe, const gate_stripe_wanted *wanted,
                                   gate_stripe_reading how, gate_stripe_record *head, void *value,
                                   size_t room);

/* Whether what the sum over a record's head covers is as it was written. Needs no lock. */
bool gate_stripe_has_whole_head(const gate_sum_seed *seed, const gate_stripe_record *head);

/* Whether what gate_stripe_read copied is what was once written. Needs no lock. */
bool gate_stripe_is_whole(const gate_sum_seed *seed, const gate_stripe_record *head,
                          const void *value);

typedef enum gate_stripe_verb {
    GATE_STRIPE_PUT,
    GATE_STRIPE_ADD,
    GATE_STRIPE_REPLACE,
    GATE_STRIPE_ADOPT /* a record of another segment, with its past; pushes nothing out */
} gate_stripe_verb;

typedef struct gate_stripe_draft {
    gate_stripe_verb verb;
    gate_span value;
    uint64_t value_sum; /* gate_sum_of the value */
    uint32_t front;
    int64_t expires;
    int32_t idle;
    uint64_t if_version;              /* REPLACE */
    const gate_stripe_record *origin; /* ADOPT */
} gate_stripe_draft;

/* `region` are all stripes of the region, for the quota that counts over all of them. */
gate_store_answer gate_stripe_write(const gate_stripe *stripe, const gate_stripe *region,
                                    const gate_stripe_wanted *wanted,
                                    const gate_stripe_draft *draft, uint64_t *version);

gate_store_answer gate_stripe_drop(const gate_stripe *stripe, const gate_stripe_wanted *wanted);

/* Whether the record is gone at that time. */
bool gate_stripe_is_gone(const gate_stripe_record *head, int64_t now);

/* When the last of the kind's records expires; 0: there is none. */
int64_t gate_stripe_latest(const gate_stripe *stripe, gate_store_kind kind);

/* Copies the first blocks of the kind's records that are alive at that time, from a bucket on, as
 * many as there is room for; `room` is at least GATE_STRIPE_CHAIN_MAX. *bucket is 0 at first, and
 * stripe->count after the last. Their values are whole as far as the block goes. */
gate_store_answer gate_stripe_glance(const gate_stripe *stripe, gate_store_kind kind, int64_t now,
                                     uint32_t *bucket, gate_stripe_block *blocks, uint32_t room,
                                     uint32_t *found);

/* Walks a kind's list from the newest to the oldest. *place is 0 at first. Copies a record whose
 * value has room in GATE_STORE_MAX_VALUE bytes; false at the end. */
bool gate_stripe_next(const gate_stripe *stripe, gate_store_kind kind, uint32_t *place,
                      gate_stripe_record *head, void *value);

#endif
