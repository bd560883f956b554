/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* The layout. Everything is found by numbers that each process keeps in its own memory; the segment
 * holds no pointer, and no size that is believed.
 *
 *   segment   | header, 1 page | region sessions                      | region tokens            |
 *             | magic, layout, | SESSION, MARK, REVOCATION, DOCUMENT  | TOKEN, NEGATIVE, LEASE   |
 *             | sizes, seed,   |                                      |                          |
 *             | secret, bounds |                                      |                          |
 *
 *   region    | stripe 0 | stripe 1 | ... | stripe n-1 |   the key's hash, upper half, says which
 *
 *   stripe    | lock | state: version, counters, a list per kind | buckets | links | map | blocks |
 *               64 B   gate_stripe_state in shm_stripe.h            4 N       4 N     N/8   256 N
 *
 *             buckets[lower half of the hash]: the first record of those filed there (0: none)
 *             links[b]: the next block of b's record, or of the free list
 *             map: scratch while a stripe is mended
 *
 *   record    bucket --> | head, 128 B | value .... |        first block
 *                           |      |       links --> | value .................. |  --> ... --> 0
 *                           |      +-- newer, older: the list of its kind, by use
 *                           +-- chain: the next record of the same bucket
 *
 * Blocks from `fresh` on were never touched, so memory is taken as it fills. A record of 3 KiB
 * takes 13 blocks and their share of the index: 13 * (256 + 8) = 3432 bytes.
 *
 * Files: shm_segment (the memory, the file), shm_stripe (one stripe, under its lock), shm_sum (the
 * checksum), and this one: what a caller sees, and all that needs no lock. */
#include "io/store_shm.h"

#include <apr_strings.h>

#include "io/shm_segment.h"

#define AT_ONCE 4096 /* a value up to this size is read with one taking of the lock */
#define TURNS   8    /* a value that grows while it is read is tried so often */

/* Which record, and where: the part of a call that all verbs share. */
typedef struct target {
    gate_stripe_wanted wanted;
    const gate_shm_region *region;
    const gate_stripe *stripe;
} target;

static bool aim(gate_store *store, gate_store_kind kind, const gate_store_key *key, int64_t now,
                target *at)
{
    const gate_shm *shm = (const gate_shm *)store;

    if ((unsigned)kind >= GATE_STORE_KINDS)
        return false;
    at->wanted =
        (gate_stripe_wanted){kind, key, gate_stripe_hash(&shm->segment->seed, kind, key), now};
    at->region = gate_segment_region(shm->segment, kind);
    at->stripe = &at->region->stripes[gate_stripe_place_of(at->wanted.hash, at->region->places)];
    return true;
}

static gate_record record_of(const gate_stripe_record *head, gate_span value)
{
    return (gate_record){
        .value = value,
        .version = head->version,
        .created = head->created,
        .seen = head->seen,
        .expires = head->expires,
        .idle = head->idle,
    };
}

/* What was read is not what was once written. */
static gate_store_answer find_damaged(const gate_stripe *stripe)
{
    if (gate_stripe_lock(stripe)) {
        gate_stripe_mend(stripe);
        stripe->state->repaired++;
        gate_stripe_unlock(stripe);
    }
    return GATE_STORE_UNSURE;
}

/* What was copied of a value, and where it is. */
typedef struct copied {
    void *bytes;
    uint32_t len;
    bool is_in_pool;
} copied;

static bool is_as_written(const target *at, const gate_stripe_record *head, gate_stripe_reading how,
                          const copied *copy)
{
    return how == GATE_STRIPE_FRONT ? gate_stripe_has_whole_head(&at->stripe->seed, head)
                                    : gate_stripe_is_whole(&at->stripe->seed, head, copy->bytes);
}

static gate_store_answer deliver(const gate_stripe_record *head, apr_pool_t *p, const copied *copy,
                                 gate_record *record)
{
    const char *bytes = "";

    if (copy->len > 0)
        bytes = copy->is_in_pool ? copy->bytes : apr_pmemdup(p, copy->bytes, copy->len);
    if (!bytes)
        return GATE_STORE_UNSURE;
    *record = record_of(head, (gate_span){bytes, copy->len});
    return GATE_STORE_DONE;
}

static gate_store_answer read_value(gate_store *store, gate_store_kind kind,
                                    const gate_store_key *key, int64_t now, gate_stripe_reading how,
                                    apr_pool_t *p, gate_record *record)
{
    unsigned char at_once[AT_ONCE];
    copied copy = {.bytes = at_once};
    size_t room = sizeof(at_once);
    gate_stripe_record head;
    target at;

    if (!aim(store, kind, key, now, &at))
        return GATE_STORE_UNSURE;
    for (unsigned turn = 0; turn < TURNS && copy.bytes; turn++) {
        if (!gate_stripe_lock(at.stripe))
            return GATE_STORE_UNSURE;
        gate_store_answer answer =
            gate_stripe_read(at.stripe, &at.wanted, how, &head, copy.bytes, room);
        gate_stripe_unlock(at.stripe);
        if (answer != GATE_STORE_DONE)
            return answer;
        copy.len = gate_stripe_extent(&head, how);
        if (copy.len <= room)
            return is_as_written(&at, &head, how, &copy) ? deliver(&head, p, &copy, record)
                                                         : find_damaged(at.stripe);
        room = copy.len;
        copy = (copied){.bytes = apr_palloc(p, room), .is_in_pool = true};
    }
    return GATE_STORE_UNSURE;
}

static gate_store_answer get(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, apr_pool_t *p, gate_record *record)
{
    return read_value(store, kind, key, now, GATE_STRIPE_GET, p, record);
}

static gate_store_answer front(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                               int64_t now, apr_pool_t *p, gate_record *record)
{
    return read_value(store, kind, key, now, GATE_STRIPE_FRONT, p, record);
}

static gate_store_answer take(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, apr_pool_t *p, gate_record *record)
{
    return read_value(store, kind, key, now, GATE_STRIPE_TAKE, p, record);
}

static gate_store_answer look(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, gate_record *record)
{
    gate_stripe_record head;
    target at;

    if (!aim(store, kind, key, now, &at) || !gate_stripe_lock(at.stripe))
        return GATE_STORE_UNSURE;
    gate_store_answer answer =
        gate_stripe_read(at.stripe, &at.wanted, GATE_STRIPE_LOOK, &head, NULL, 0);
    gate_stripe_unlock(at.stripe);
    if (answer != GATE_STORE_DONE)
        return answer;
    if (!gate_stripe_has_whole_head(&at.stripe->seed, &head))
        return find_damaged(at.stripe);
    *record = record_of(&head, (gate_span){"", 0});
    return GATE_STORE_DONE;
}

static gate_store_answer write_value(gate_store *store, gate_store_kind kind,
                                     const gate_store_key *key, int64_t now,
                                     const gate_entry *entry, gate_stripe_verb verb,
                                     uint64_t if_version, uint64_t *version)
{
    gate_stripe_draft draft = {
        .verb = verb,
        .value = entry->value,
        .front = entry->front,
        .expires = entry->expires,
        .idle = entry->idle,
        .if_version = if_version,
    };
    uint64_t given = 0;
    target at;

    if (!aim(store, kind, key, now, &at))
        return GATE_STORE_UNSURE;
    if (gate_segment_is_bounded(kind))
        gate_segment_extend(((const gate_shm *)store)->segment, kind, entry->expires);
    if (draft.value.len <= GATE_STORE_MAX_VALUE)
        draft.value_sum = gate_sum_of(&at.stripe->seed, draft.value.ptr, draft.value.len);
    if (!gate_stripe_lock(at.stripe))
        return GATE_STORE_UNSURE;
    gate_store_answer answer =
        gate_stripe_write(at.stripe, at.region->stripes, &at.wanted, &draft, &given);
    gate_stripe_unlock(at.stripe);
    if (answer == GATE_STORE_DONE && version)
        *version = given;
    return answer;
}

static gate_store_answer put(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, const gate_entry *entry, uint64_t *version)
{
    return write_value(store, kind, key, now, entry, GATE_STRIPE_PUT, 0, version);
}

static gate_store_answer add(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, const gate_entry *entry, uint64_t *version)
{
    return write_value(store, kind, key, now, entry, GATE_STRIPE_ADD, 0, version);
}

static gate_store_answer replace(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                                 int64_t now, const gate_entry *entry, uint64_t if_version,
                                 uint64_t *version)
{
    return write_value(store, kind, key, now, entry, GATE_STRIPE_REPLACE, if_version, version);
}

static gate_store_answer drop(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now)
{
    target at;

    if (!aim(store, kind, key, now, &at) || !gate_stripe_lock(at.stripe))
        return GATE_STORE_UNSURE;
    gate_store_answer answer = gate_stripe_drop(at.stripe, &at.wanted);
    gate_stripe_unlock(at.stripe);
    return answer;
}

/* Shows what was copied; whatever is not whole is left to whoever reads it. */
static bool show(const gate_stripe *stripe, const gate_stripe_block *blocks, uint32_t count,
                 gate_store_visit *visit, void *context)
{
    for (uint32_t i = 0; i < count; i++) {
        const gate_stripe_record *head = &blocks[i].head;
        const size_t len = head->length < GATE_STORE_GLANCE ? head->length : GATE_STORE_GLANCE;
        const gate_record record =
            record_of(head, (gate_span){(const char *)blocks[i].bytes + sizeof(*head), len});

        if (gate_stripe_has_whole_head(&stripe->seed, head) && !visit(context, &head->key, &record))
            return false;
    }
    return true;
}

static gate_store_answer each(gate_store *store, gate_store_kind kind, int64_t now,
                              gate_store_visit *visit, void *context)
{
    const gate_shm *shm = (const gate_shm *)store;
    gate_stripe_block blocks[GATE_STRIPE_CHAIN_MAX];
    const gate_shm_region *region;

    if ((unsigned)kind >= GATE_STORE_KINDS)
        return GATE_STORE_UNSURE;
    region = gate_segment_region(shm->segment, kind);
    for (uint32_t n = 0; n < region->places; n++) {
        const gate_stripe *stripe = &region->stripes[n];

        for (uint32_t bucket = 0, found = 0; bucket < stripe->count;) {
            if (!gate_stripe_lock(stripe))
                return GATE_STORE_UNSURE;
            gate_store_answer answer = gate_stripe_glance(stripe, kind, now, &bucket, blocks,
                                                          GATE_STRIPE_CHAIN_MAX, &found);
            gate_stripe_unlock(stripe);
            if (answer != GATE_STORE_DONE)
                return answer;
            if (!show(stripe, blocks, found, visit, context))
                return GATE_STORE_DONE;
        }
    }
    return GATE_STORE_DONE;
}

static int64_t latest(gate_store *store, gate_store_kind kind)
{
    const gate_shm *shm = (const gate_shm *)store;

    if ((unsigned)kind >= GATE_STORE_KINDS || !gate_segment_is_bounded(kind))
        return INT64_MAX;
    return __atomic_load_n(&shm->segment->bounds[kind].latest, __ATOMIC_SEQ_CST);
}

const gate_key *gate_shm_secret(const gate_shm *shm)
{
    return &shm->segment->secret;
}

static apr_status_t open_store(apr_pool_t *p, const gate_segment *old,
                               const gate_shm_options *options, gate_shm **result,
                               const char **problem)
{
    gate_shm *shm = apr_palloc(p, sizeof(*shm));
    apr_status_t status = gate_segment_make(p, old, options, &shm->segment, problem);

    if (status != APR_SUCCESS)
        return status;
    shm->store = (gate_store){get, front, look, put, add, replace, take, drop, each, latest};
    *result = shm;
    return APR_SUCCESS;
}

apr_status_t gate_shm_create(apr_pool_t *p, const gate_shm_options *options, gate_shm **shm,
                             const char **problem)
{
    return open_store(p, NULL, options, shm, problem);
}

apr_status_t gate_shm_resize(apr_pool_t *p, gate_shm *old, const gate_shm_options *options,
                             gate_shm **shm, const char **problem)
{
    return open_store(p, old->segment, options, shm, problem);
}

gate_store *gate_shm_store(gate_shm *shm)
{
    return &shm->store;
}

static void add_up(const gate_shm_region *region, const gate_stripe *stripe, gate_shm_usage *usage)
{
    const gate_stripe_state *state = stripe->state;

    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++) {
        usage->records[kind] += state->kinds[kind].records;
        usage->evicted[kind] += state->kinds[kind].evicted;
        usage->refused[kind] += state->kinds[kind].refused;
        usage->bytes_used += state->kinds[kind].blocks * region->each / region->blocks;
    }
    usage->repaired += state->repaired;
}

void gate_shm_usage_of(gate_shm *shm, gate_store_kind kind, gate_shm_usage *usage)
{
    const gate_shm_region *region = gate_segment_region(shm->segment, kind);

    *usage = (gate_shm_usage){.bytes = region->bytes};
    for (uint32_t n = 0; n < region->places; n++) {
        if (!gate_stripe_lock(&region->stripes[n]))
            continue;
        add_up(region, &region->stripes[n], usage);
        gate_stripe_unlock(&region->stripes[n]);
    }
}
