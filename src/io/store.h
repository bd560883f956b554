/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* store.h - the gate's memory: one interface, several keepers (store_shm, store_redis, a test's
 * own) */
#ifndef GATE_IO_STORE_H
#define GATE_IO_STORE_H

#include <stdint.h>

#include "base/seal.h"
#include "base/span.h"

/* What is kept, and so in which region and under which quota. Strangers without a valid credential
 * can cause NEGATIVE records and LEASEs alone, and those never push out anything of another kind.
 */
typedef enum gate_store_kind {
    GATE_STORE_SESSION, /* region sessions: never pushed out while alive; a full region refuses new
                           ones */
    GATE_STORE_MARK, /* region sessions: "this was used"; refused, not forgotten, when its quota is
                        full */
    GATE_STORE_REVOCATION, /* region sessions: "ended at that time"; the same */
    GATE_STORE_DOCUMENT,   /* region sessions: metadata and key sets, as many as are configured */
    GATE_STORE_TOKEN,    /* region tokens: tokens found good; the least recently used makes room */
    GATE_STORE_NEGATIVE, /* region tokens: tokens found bad; the least recently used of this kind
                            makes room */
    GATE_STORE_LEASE,    /* region tokens: who is doing what just now; the same */
    GATE_STORE_KINDS
} gate_store_kind;

/* Three-valued at heart: there, not there, could not tell. Whoever cannot tell denies. */
typedef enum gate_store_answer {
    GATE_STORE_DONE = 0, /* found, or written */
    GATE_STORE_ABSENT,   /* nothing under that key, or it had expired */
    GATE_STORE_CONFLICT, /* add: something is there already; replace: the version has moved on */
    GATE_STORE_FULL,     /* no room that may be taken, or larger than GATE_STORE_MAX_VALUE */
    GATE_STORE_UNSURE    /* the store did not answer, or what it has is damaged: could not tell */
} gate_store_answer;

#define GATE_STORE_MAX_VALUE (512 * 1024)

/* A record is filed under a digest; what opens its value is elsewhere (in the cookie, in the
 * token). */
typedef gate_digest gate_store_key;

typedef struct gate_record {
    gate_span value;  /* in the pool given to get or take */
    uint64_t version; /* another one after each write; a version once seen never comes back, even
                         after drop and add */
    int64_t created;  /* seconds: when the key was first added; put and replace leave it */
    int64_t seen;    /* seconds: the last get (before any, the add or put), to within a few seconds;
                        replace leaves it */
    int64_t expires; /* seconds: gone from then on */
    int32_t idle;    /* seconds without a get after which it is gone as well; 0: none */
} gate_record;

/* What to write. `created` is the store's to set. */
typedef struct gate_entry {
    gate_span value;
    int64_t expires; /* seconds since 1970 */
    int32_t idle;    /* seconds; 0: none */
    uint32_t front;  /* so many bytes of the value are all that `front` need give; 0: the whole */
} gate_entry;

typedef struct gate_store gate_store;

/* What a walk is shown of a record: its value's beginning, of at most so many bytes. */
#define GATE_STORE_GLANCE 128

/* Called by a walk, without a lock: it may use the store. False ends the walk. */
typedef bool gate_store_visit(void *context, const gate_store_key *key, const gate_record *record);

/* `now` is in seconds since 1970 and is the caller's: the store asks no clock. All calls may come
 * from any thread and any process at once; none holds a lock while it copies to or from the
 * network, computes a digest or allocates. */
struct gate_store {
    /* Reads, and notes that it was seen. record->value is copied into p. */
    gate_store_answer (*get)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, apr_pool_t *p, gate_record *record);
    /* The same of the value's front alone, and that is not checked: for what is sealed, and shows
     * for itself whether it is as it was written. Where it does not, `get` tells whether the store
     * is to blame. */
    gate_store_answer (*front)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                               int64_t now, apr_pool_t *p, gate_record *record);
    /* The same without the value, for whoever has that already and wants to know whether it still
     * stands. record->value is empty. */
    gate_store_answer (*look)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, gate_record *record);
    /* Writes whatever was there before. *version may be NULL here and below. */
    gate_store_answer (*put)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, const gate_entry *entry, uint64_t *version);
    /* Writes only where nothing is: of many who add at once, exactly one is DONE and the others
     * CONFLICT. */
    gate_store_answer (*add)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, const gate_entry *entry, uint64_t *version);
    /* Writes only over that very version: else CONFLICT, or ABSENT where nothing is (any more).
     * What was dropped stays dropped. */
    gate_store_answer (*replace)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                                 int64_t now, const gate_entry *entry, uint64_t if_version,
                                 uint64_t *version);
    /* Reads and removes in one: of many who take at once, one gets it. */
    gate_store_answer (*take)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, apr_pool_t *p, gate_record *record);
    /* Removes. ABSENT where nothing was. */
    gate_store_answer (*drop)(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now);
    /* Shows each record of a kind that is alive. What is written meanwhile may be missed, or shown
     * as it was. Does not note that they were seen. */
    gate_store_answer (*each)(gate_store *store, gate_store_kind kind, int64_t now,
                              gate_store_visit *visit, void *context);
    /* When the last of all records of a kind that were ever written expires, or later; 0: there was
     * none. From then on no record of that kind can be found. It is told before the record can be
     * found, and without a lock. Kept for SESSION and REVOCATION; INT64_MAX for others. */
    int64_t (*latest)(gate_store *store, gate_store_kind kind);
};

#endif
