/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* What makes a stripe safe against the death of a process at any instruction: the index is the
 * truth, and it changes by single stores. A record is written whole into free blocks, then one
 * store to the slot that leads to it (a bucket, or the `chain` of the record before it) publishes
 * it and takes the old one out in the same moment. Lists, free blocks and counters follow later and
 * may be wrong when the lock is inherited from the dead: gate_stripe_mend builds them anew from the
 * index.
 *
 * What makes it safe against damaged memory: sizes and places come from the process's own memory,
 * each number read from the segment is read once and checked before it is followed, and no walk is
 * longer than a stated number of steps. Whoever finds something that cannot be returns UNSURE, and
 * the stripe is mended on the way out. */
#include "io/shm_stripe.h"

#include <errno.h>
#include <time.h>

#define NIL            0
#define SWEEP_BUCKETS  8    /* looked at for expired records by each write */
#define GLANCE_BUCKETS 1024 /* looked at by a walk with one taking of the lock */
#define SEEN_STEP      1    /* seconds; a younger note of being seen is not renewed */
#define MOVE_STEP      4    /* seconds; a record moves in its list no more often */
#define CLOCK_BACK     60   /* seconds; what is noted further ahead is older than it says */

_Static_assert(sizeof(gate_stripe_record) == 128, "four strides of the sum, half a block");
_Static_assert(sizeof(gate_stripe_record) % GATE_SUM_STRIDE == 0, "values start on a stride");
_Static_assert(sizeof(gate_stripe_block) == GATE_STRIPE_BLOCK, "a record's head fits its block");
_Static_assert(sizeof(pthread_mutex_t) <= 64, "a lock fits its cache line");

/* How much of a stripe a kind may take, in eighths, and what happens when it is used up. */
static const struct rule {
    uint32_t stripe_eighths;
    uint32_t region_eighths; /* over all stripes, for few and large records; 0: not counted */
    bool makes_room;         /* the least recently used of the kind goes */
    bool takes_reserve;      /* may use what is otherwise kept for new versions of what is there */
} rules[GATE_STORE_KINDS] = {
    /* sessions */
    [GATE_STORE_SESSION] = {8, 0, false, false},
    [GATE_STORE_MARK] = {2, 0, false, false},
    /* a logout succeeds though nobody can log in */
    [GATE_STORE_REVOCATION] = {2, 0, false, true},
    [GATE_STORE_DOCUMENT] = {4, 2, false, false},
    /* tokens: nobody takes another kind's share */
    [GATE_STORE_TOKEN] = {5, 0, true, false},
    [GATE_STORE_NEGATIVE] = {2, 0, true, false},
    [GATE_STORE_LEASE] = {1, 0, true, false},
};

/* --- places --- */

static size_t align(size_t bytes)
{
    return (bytes + GATE_STRIPE_BLOCK - 1) & ~(size_t)(GATE_STRIPE_BLOCK - 1);
}

static size_t map_bytes(uint32_t count)
{
    return count / 8 + 1;
}

static size_t before_blocks(uint32_t count)
{
    return align(sizeof(gate_stripe_state) + (size_t)count * 2 * sizeof(uint32_t) +
                 map_bytes(count));
}

size_t gate_stripe_size(uint32_t count)
{
    return before_blocks(count) + (size_t)count * GATE_STRIPE_BLOCK;
}

uint32_t gate_stripe_fit(size_t bytes)
{
    size_t count = bytes / (GATE_STRIPE_BLOCK + 2 * sizeof(uint32_t));

    if (count > UINT32_MAX / 2)
        count = UINT32_MAX / 2;
    while (count > 0 && gate_stripe_size((uint32_t)count) > bytes)
        count--;
    return (uint32_t)count;
}

void gate_stripe_place(gate_stripe *stripe, void *base, uint32_t count)
{
    unsigned char *at = base;

    stripe->state = (gate_stripe_state *)base;
    stripe->buckets = (uint32_t *)(void *)(at + sizeof(gate_stripe_state));
    stripe->links = stripe->buckets + count;
    stripe->map = (unsigned char *)(stripe->links + count);
    stripe->blocks = (gate_stripe_block *)(void *)(at + before_blocks(count));
    stripe->count = count;
}

/* Read once: what was checked is what is used. */
static uint32_t load(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static bool is_block(const gate_stripe *s, uint32_t block)
{
    return block != NIL && block <= s->count;
}

/* NULL where there can be no record. */
static gate_stripe_record *record_at(const gate_stripe *s, uint32_t block)
{
    return is_block(s, block) ? &s->blocks[block - 1].head : NULL;
}

static uint32_t *link_of(const gate_stripe *s, uint32_t block)
{
    return &s->links[block - 1];
}

/* The record as it is now, in our own memory. */
static void copy_head(gate_stripe_record *head, const gate_stripe_record *record)
{
    memcpy(head, record, sizeof(*head));
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static uint32_t blocks_for(uint32_t length)
{
    uint32_t first = GATE_STRIPE_BLOCK - sizeof(gate_stripe_record);

    return length <= first ? 1 : 1 + (length - first + GATE_STRIPE_BLOCK - 1) / GATE_STRIPE_BLOCK;
}

/* --- sums --- */

uint64_t gate_stripe_hash(const gate_sum_seed *seed, gate_store_kind kind,
                          const gate_store_key *key)
{
    gate_sum sum;

    gate_sum_begin(&sum, seed);
    sum.lane[0] += (uint64_t)kind + 1;
    gate_sum_more(&sum, key, sizeof(*key));
    return gate_sum_end(&sum);
}

static uint32_t *bucket_of(const gate_stripe *s, uint64_t hash)
{
    return &s->buckets[(uint64_t)(uint32_t)hash * s->count >> 32];
}

static uint64_t head_sum(const gate_sum_seed *seed, const gate_stripe_record *head)
{
    return gate_sum_of(seed, head, GATE_STRIPE_SUMMED);
}

bool gate_stripe_has_whole_head(const gate_sum_seed *seed, const gate_stripe_record *head)
{
    return head->checksum == head_sum(seed, head);
}

bool gate_stripe_is_whole(const gate_sum_seed *seed, const gate_stripe_record *head,
                          const void *value)
{
    return head->checksum == head_sum(seed, head) &&
           head->value_sum == gate_sum_of(seed, value, head->length);
}

/* --- time: any `now` may come, and damaged memory may hold any other --- */

static bool is_later(int64_t now, int64_t then, uint64_t seconds)
{
    return now > then && (uint64_t)now - (uint64_t)then > seconds;
}

bool gate_stripe_is_gone(const gate_stripe_record *head, int64_t now)
{
    if (head->expires <= now)
        return true;
    return head->idle > 0 && is_later(now, head->seen, (uint64_t)head->idle - 1);
}

static bool is_due(int64_t now, int64_t noted, uint64_t step)
{
    return is_later(now, noted, step) || is_later(noted, now, CLOCK_BACK);
}

/* --- lists and counters --- */

static bool count_in(const gate_stripe *s, uint32_t kind, uint32_t blocks)
{
    gate_stripe_kind *k = &s->state->kinds[kind];

    k->records++;
    __atomic_store_n(&k->blocks, k->blocks + blocks, __ATOMIC_RELAXED);
    return k->blocks <= s->count;
}

static bool count_out(const gate_stripe *s, uint32_t kind, uint32_t blocks)
{
    gate_stripe_kind *k = &s->state->kinds[kind];

    if (k->records == 0 || k->blocks < blocks)
        return false;
    k->records--;
    __atomic_store_n(&k->blocks, k->blocks - blocks, __ATOMIC_RELAXED);
    return true;
}

/* Puts the record at the newest end of its kind's list, or at the oldest. */
static bool enlist(const gate_stripe *s, uint32_t kind, uint32_t me, bool newest)
{
    gate_stripe_kind *k = &s->state->kinds[kind];
    gate_stripe_record *r = record_at(s, me);
    uint32_t neighbour = newest ? load(&k->newest) : load(&k->oldest);
    gate_stripe_record *n = record_at(s, neighbour);

    r->newer = newest ? NIL : neighbour;
    r->older = newest ? neighbour : NIL;
    if (neighbour == NIL) {
        k->newest = k->oldest = me;
        return true;
    }
    if (!n || n == r || (newest ? n->newer : n->older) != NIL)
        return false;
    *(newest ? &n->newer : &n->older) = me;
    *(newest ? &k->newest : &k->oldest) = me;
    return true;
}

static bool unlist(const gate_stripe *s, uint32_t kind, uint32_t me)
{
    gate_stripe_kind *k = &s->state->kinds[kind];
    const gate_stripe_record *r = record_at(s, me);
    uint32_t newer = load(&r->newer), older = load(&r->older);
    gate_stripe_record *n = record_at(s, newer), *o = record_at(s, older);

    if ((newer != NIL && !n) || (older != NIL && !o))
        return false;
    uint32_t *from_newer = n ? &n->older : &k->newest;
    uint32_t *from_older = o ? &o->newer : &k->oldest;
    if (load(from_newer) != me || load(from_older) != me)
        return false;
    *from_newer = older;
    *from_older = newer;
    return true;
}

/* --- blocks --- */

/* Links as many free blocks in a row. NIL only where the free list is damaged: that there is room
 * was checked. */
static uint32_t allocate(const gate_stripe *s, uint32_t blocks)
{
    gate_stripe_state *state = s->state;
    uint32_t first = NIL, *link = &first;

    for (; blocks > 0; blocks--) {
        uint32_t block = load(&state->free);
        if (block == NIL) {
            block = load(&state->fresh) + 1;
            state->fresh = block;
        } else if (is_block(s, block)) {
            state->free = *link_of(s, block);
        }
        if (!is_block(s, block))
            return NIL;
        *link = block;
        link = link_of(s, block);
    }
    *link = NIL;
    return first;
}

/* Gives a record's blocks back, in their order, so that the next value finds them in a row. */
static bool give_back(const gate_stripe *s, uint32_t first, uint32_t blocks)
{
    uint32_t last = first;

    for (; blocks > 1; blocks--) {
        last = load(link_of(s, last));
        if (!is_block(s, last))
            return false;
    }
    if (load(link_of(s, last)) != NIL)
        return false;
    *link_of(s, last) = s->state->free;
    s->state->free = first;
    return true;
}

static bool copy_in(const gate_stripe *s, uint32_t block, const gate_stripe_record *head,
                    gate_span value)
{
    size_t offset = sizeof(*head);

    memcpy(record_at(s, block), head, sizeof(*head));
    while (value.len > 0) {
        size_t piece = GATE_STRIPE_BLOCK - offset;
        if (piece > value.len)
            piece = value.len;
        if (!is_block(s, block))
            return false;
        memcpy(s->blocks[block - 1].bytes + offset, value.ptr, piece);
        value.ptr += piece;
        value.len -= piece;
        offset = 0;
        block = load(link_of(s, block));
    }
    return true;
}

static bool copy_out(const gate_stripe *s, uint32_t block, uint32_t length, unsigned char *value)
{
    uint32_t offset = sizeof(gate_stripe_record);

    while (length > 0) {
        uint32_t piece = GATE_STRIPE_BLOCK - offset;
        if (piece > length)
            piece = length;
        if (!is_block(s, block))
            return false;
        memcpy(value, s->blocks[block - 1].bytes + offset, piece);
        value += piece;
        length -= piece;
        offset = 0;
        block = load(link_of(s, block));
    }
    return true;
}

/* --- the index --- */

/* The one store that makes a change true. Nothing written before it may come after it, and nothing
 * that is written after it before: a process dies between two instructions, so the compiler's order
 * is what counts. */
static void publish(uint32_t *slot, uint32_t block)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(slot, block, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A record and the slot that leads to it. */
typedef struct spot {
    uint32_t *slot;
    uint32_t me;
} spot;

/* Where the key's record is; `me` is NIL where there is none. False is damage. */
static bool find(const gate_stripe *s, const gate_stripe_wanted *wanted, spot *at)
{
    at->slot = bucket_of(s, wanted->hash);
    for (unsigned steps = 0; steps < GATE_STRIPE_CHAIN_MAX; steps++) {
        at->me = load(at->slot);
        if (at->me == NIL)
            return true;
        gate_stripe_record *r = record_at(s, at->me);
        if (!r)
            return false;
        if (r->kind == wanted->kind && memcmp(&r->key, wanted->key, sizeof(r->key)) == 0)
            return true;
        at->slot = &r->chain;
    }
    return false;
}

/* What leads to this very block. False is damage. */
static bool locate(const gate_stripe *s, uint32_t block, spot *at)
{
    gate_stripe_record head;

    copy_head(&head, record_at(s, block));
    at->slot = bucket_of(s, gate_stripe_hash(&s->seed, head.kind, &head.key));
    for (unsigned steps = 0; steps < GATE_STRIPE_CHAIN_MAX; steps++) {
        at->me = load(at->slot);
        if (at->me == block)
            return true;
        if (!is_block(s, at->me))
            return false;
        at->slot = &record_at(s, at->me)->chain;
    }
    return false;
}

/* Everything that follows when a record is no longer in the index. */
static bool release(const gate_stripe *s, uint32_t me)
{
    gate_stripe_record head;

    copy_head(&head, record_at(s, me));
    if (head.kind >= GATE_STORE_KINDS || head.length > GATE_STORE_MAX_VALUE)
        return false;
    uint32_t blocks = blocks_for(head.length);
    return unlist(s, head.kind, me) && count_out(s, head.kind, blocks) && give_back(s, me, blocks);
}

static bool discard(const gate_stripe *s, const spot *at)
{
    publish(at->slot, load(&record_at(s, at->me)->chain));
    return release(s, at->me);
}

/* DONE: there it is. An expired one that is met on the way goes. */
static gate_store_answer find_alive(const gate_stripe *s, const gate_stripe_wanted *wanted,
                                    spot *at)
{
    const gate_stripe_record *record;

    if (!find(s, wanted, at))
        return GATE_STORE_UNSURE;
    record = record_at(s, at->me);
    if (!record)
        return GATE_STORE_ABSENT;
    if (!gate_stripe_is_gone(record, wanted->now))
        return GATE_STORE_DONE;
    return discard(s, at) ? GATE_STORE_ABSENT : GATE_STORE_UNSURE;
}

/* --- making room --- */

/* What a full sweep finds; the counters should say the same. */
typedef struct tally {
    uint32_t records[GATE_STORE_KINDS];
    uint32_t blocks[GATE_STORE_KINDS];
} tally;

/* Drops what has expired in one bucket. */
static bool sweep_bucket(const gate_stripe *s, uint32_t bucket, int64_t now, tally *found)
{
    spot at = {&s->buckets[bucket], NIL};

    for (unsigned steps = 0; steps < GATE_STRIPE_CHAIN_MAX; steps++) {
        at.me = load(at.slot);
        if (at.me == NIL)
            return true;
        gate_stripe_record *r = record_at(s, at.me);
        if (!r)
            return false;
        if (gate_stripe_is_gone(r, now)) {
            if (!discard(s, &at))
                return false;
            continue;
        }
        uint32_t kind = load(&r->kind);
        if (kind >= GATE_STORE_KINDS)
            return false;
        found->records[kind]++;
        found->blocks[kind] += blocks_for(load(&r->length));
        at.slot = &r->chain;
    }
    return false;
}

static bool sweep_some(const gate_stripe *s, int64_t now)
{
    uint32_t bucket = load(&s->state->cursor);
    tally found = {0};
    bool good = true;

    s->state->heard = now;
    for (unsigned n = 0; n < SWEEP_BUCKETS && good; n++) {
        bucket = bucket < s->count ? bucket : 0;
        good = sweep_bucket(s, bucket++, now, &found);
    }
    s->state->cursor = bucket;
    return good;
}

static bool sweep_all(const gate_stripe *s, int64_t now)
{
    tally found = {0};

    s->state->swept = now;
    s->state->was_swept = 1;
    for (uint32_t bucket = 0; bucket < s->count; bucket++) {
        if (!sweep_bucket(s, bucket, now, &found))
            return false;
    }
    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++) {
        const gate_stripe_kind *k = &s->state->kinds[kind];
        if (k->records != found.records[kind] || k->blocks != found.blocks[kind])
            return false;
    }
    return true;
}

static uint32_t used(const gate_stripe *s)
{
    uint64_t blocks = 0;

    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++)
        blocks += s->state->kinds[kind].blocks;
    return blocks < s->count ? (uint32_t)blocks : s->count;
}

/* Other stripes may be writing meanwhile: two at once may pass the region's quota by a record. */
static bool within_region(const gate_stripe *s, const gate_stripe *region, gate_store_kind kind,
                          uint64_t more)
{
    uint64_t eighths = rules[kind].region_eighths;

    if (eighths == 0)
        return true;
    for (uint32_t i = 0; i < s->places; i++)
        more += load(&region[i].state->kinds[kind].blocks);
    return more <= (uint64_t)s->count * s->places * eighths / 8;
}

/* Whether `blocks` more may be taken for a record of the kind that takes the place of one of
 * `before` blocks (0: of none). Until that one goes, both are there; a reserve is kept so that what
 * is there can be renewed. */
static bool has_room(const gate_stripe *s, const gate_stripe *region, gate_store_kind kind,
                     uint32_t blocks, uint32_t before)
{
    uint64_t after = (uint64_t)s->state->kinds[kind].blocks + blocks;
    uint64_t reserve = s->count / 32 > 16 ? s->count / 32 : 16;

    if (before > 0 || rules[kind].takes_reserve)
        reserve = 0;
    return (uint64_t)used(s) + blocks + reserve <= s->count &&
           after <= (uint64_t)s->count * rules[kind].stripe_eighths / 8 + before &&
           (blocks <= before || within_region(s, region, kind, blocks - before));
}

/* Pushes out the least recently used of the kind, but not `keep`. FULL: there is none. */
static gate_store_answer evict(const gate_stripe *s, gate_store_kind kind, uint32_t keep,
                               int64_t now)
{
    gate_stripe_kind *k = &s->state->kinds[kind];
    uint32_t victim = load(&k->oldest);

    if (victim == keep && victim != NIL)
        victim = load(&record_at(s, victim)->newer);
    if (victim == NIL)
        return GATE_STORE_FULL;
    const gate_stripe_record *r = record_at(s, victim);
    if (!r || r->kind != kind || victim == keep)
        return GATE_STORE_UNSURE;
    k->evicted += !gate_stripe_is_gone(r, now);
    spot at;
    return locate(s, victim, &at) && discard(s, &at) ? GATE_STORE_DONE : GATE_STORE_UNSURE;
}

/* Expired records go first, then those of the kind that may go; else FULL. A full sweep has its
 * price, so there is one in a second. */
static gate_store_answer make_room(const gate_stripe *s, const gate_stripe *region,
                                   const gate_stripe_wanted *wanted, const gate_stripe_draft *draft,
                                   uint32_t old)
{
    gate_store_kind kind = wanted->kind;
    uint32_t before = old != NIL ? blocks_for(load(&record_at(s, old)->length)) : 0;
    uint32_t blocks = blocks_for((uint32_t)draft->value.len);

    while (!has_room(s, region, kind, blocks, before)) {
        if (!s->state->was_swept || is_due(wanted->now, s->state->swept, 0)) {
            if (!sweep_all(s, wanted->now))
                return GATE_STORE_UNSURE;
            continue;
        }
        if (!rules[kind].makes_room || draft->verb == GATE_STRIPE_ADOPT)
            return GATE_STORE_FULL;
        gate_store_answer answer = evict(s, kind, old, wanted->now);
        if (answer != GATE_STORE_DONE)
            return answer;
    }
    return GATE_STORE_DONE;
}

/* --- reading and writing --- */

/* A change of the record's line, let alone of its neighbours', costs all who read it: so not each
 * time. */
static bool note_seen(const gate_stripe *s, uint32_t kind, uint32_t me, int64_t now)
{
    gate_stripe_record *r = record_at(s, me);

    if (is_due(now, r->seen, SEEN_STEP))
        r->seen = now;
    if (!is_due(now, r->moved, MOVE_STEP))
        return true;
    r->moved = now;
    return load(&s->state->kinds[kind].newest) == me ||
           (unlist(s, kind, me) && enlist(s, kind, me, true));
}

static gate_store_answer read_record(const gate_stripe *s, const gate_stripe_wanted *wanted,
                                     gate_stripe_reading how, gate_stripe_record *head, void *value,
                                     size_t room)
{
    const bool take = how == GATE_STRIPE_TAKE;
    spot at;
    gate_store_answer answer = find_alive(s, wanted, &at);

    if (answer != GATE_STORE_DONE)
        return answer;
    copy_head(head, record_at(s, at.me));
    if (head->length > GATE_STORE_MAX_VALUE)
        return GATE_STORE_UNSURE;
    if (gate_stripe_extent(head, how) > room)
        return GATE_STORE_DONE;
    if (!copy_out(s, at.me, gate_stripe_extent(head, how), value))
        return GATE_STORE_UNSURE;
    if (!(take ? discard(s, &at) : note_seen(s, wanted->kind, at.me, wanted->now)))
        return GATE_STORE_UNSURE;
    if (!take)
        head->seen = record_at(s, at.me)->seen;
    return GATE_STORE_DONE;
}

static gate_store_answer permit(const gate_stripe_draft *draft, const gate_stripe_record *before)
{
    switch (draft->verb) {
    case GATE_STRIPE_ADD:
    case GATE_STRIPE_ADOPT:
        return before ? GATE_STORE_CONFLICT : GATE_STORE_DONE;
    case GATE_STRIPE_REPLACE:
        if (!before)
            return GATE_STORE_ABSENT;
        return before->version == draft->if_version ? GATE_STORE_DONE : GATE_STORE_CONFLICT;
    case GATE_STRIPE_PUT:
        return GATE_STORE_DONE;
    }
    return GATE_STORE_UNSURE;
}

/* The counter goes up before the record can be seen: a version that anybody saw is never given
 * again. */
static uint64_t next_version(const gate_stripe *s)
{
    gate_stripe_state *state = s->state;

    __atomic_store_n(&state->version, state->version + 1, __ATOMIC_RELAXED);
    state->version_again = state->version;
    return state->version;
}

static void compose(const gate_stripe *s, const gate_stripe_wanted *wanted,
                    const gate_stripe_draft *draft, const gate_stripe_record *before,
                    gate_stripe_record *head)
{
    const gate_stripe_record *origin = draft->origin;

    *head = (gate_stripe_record){
        .key = *wanted->key,
        .version = origin ? origin->version : next_version(s),
        .created = origin   ? origin->created
                   : before ? before->created
                            : wanted->now,
        .expires = draft->expires,
        .value_sum = draft->value_sum,
        .idle = draft->idle,
        .length = (uint32_t)draft->value.len,
        .kind = wanted->kind,
        .front = draft->front,
        .seen = origin                                         ? origin->seen
                : before && draft->verb == GATE_STRIPE_REPLACE ? before->seen
                                                               : wanted->now,
        .moved = origin ? origin->moved : wanted->now,
    };
    head->checksum = head_sum(&s->seed, head);
}

/* Publishes what stands in the blocks from `first`, in the place of `old`. */
static bool install(const gate_stripe *s, const gate_stripe_wanted *wanted,
                    const gate_stripe_draft *draft, uint32_t first, uint32_t old)
{
    spot at = {bucket_of(s, wanted->hash), NIL};

    if (old != NIL && !locate(s, old, &at))
        return false;
    record_at(s, first)->chain = old != NIL ? record_at(s, old)->chain : load(at.slot);
    publish(at.slot, first);
    return count_in(s, wanted->kind, blocks_for((uint32_t)draft->value.len)) &&
           enlist(s, wanted->kind, first, draft->verb != GATE_STRIPE_ADOPT) &&
           (old == NIL || release(s, old));
}

static gate_store_answer write_record(const gate_stripe *s, const gate_stripe *region,
                                      const gate_stripe_wanted *wanted,
                                      const gate_stripe_draft *draft, uint64_t *version)
{
    gate_stripe_record head;
    spot at;

    if (!sweep_some(s, wanted->now))
        return GATE_STORE_UNSURE;
    gate_store_answer answer = find_alive(s, wanted, &at);
    if (answer == GATE_STORE_UNSURE)
        return answer;
    uint32_t old = answer == GATE_STORE_DONE ? at.me : NIL;
    const gate_stripe_record *before = record_at(s, old);
    answer = permit(draft, before);
    if (answer == GATE_STORE_DONE)
        answer = make_room(s, region, wanted, draft, old);
    if (answer != GATE_STORE_DONE)
        return answer;
    compose(s, wanted, draft, before, &head);
    uint32_t first = allocate(s, blocks_for(head.length));
    if (first == NIL || !copy_in(s, first, &head, draft->value) ||
        !install(s, wanted, draft, first, old))
        return GATE_STORE_UNSURE;
    *version = head.version;
    return GATE_STORE_DONE;
}

static gate_store_answer drop_record(const gate_stripe *s, const gate_stripe_wanted *wanted)
{
    spot at;
    gate_store_answer answer = find_alive(s, wanted, &at);

    if (answer != GATE_STORE_DONE)
        return answer;
    return discard(s, &at) ? GATE_STORE_DONE : GATE_STORE_UNSURE;
}

/* --- mending --- */

static bool is_marked(const gate_stripe *s, uint32_t block)
{
    return s->map[block / 8] >> (block % 8) & 1;
}

static void mark(const gate_stripe *s, uint32_t block)
{
    s->map[block / 8] |= (unsigned char)(1 << block % 8);
}

/* The sum over a value where it lies; false where its blocks do not hold together or are another
 * record's. */
static bool sum_in_place(const gate_stripe *s, uint32_t block, uint32_t length, uint64_t *result)
{
    uint32_t offset = sizeof(gate_stripe_record);
    gate_sum sum;

    gate_sum_begin(&sum, &s->seed);
    for (;;) {
        if (!is_block(s, block) || is_marked(s, block))
            return false;
        uint32_t piece = GATE_STRIPE_BLOCK - offset;
        if (piece > length)
            piece = length;
        gate_sum_more(&sum, s->blocks[block - 1].bytes + offset, piece);
        length -= piece;
        block = load(link_of(s, block));
        if (length == 0)
            break;
        offset = 0;
    }
    *result = gate_sum_end(&sum);
    return block == NIL;
}

/* Whether the record is whole, and filed where it belongs. */
static bool is_sound(const gate_stripe *s, uint32_t me, uint32_t bucket,
                     const gate_stripe_record *head)
{
    uint64_t value_sum;

    if (head->kind >= GATE_STORE_KINDS || head->length > GATE_STORE_MAX_VALUE ||
        head->checksum != head_sum(&s->seed, head))
        return false;
    uint64_t hash = gate_stripe_hash(&s->seed, head->kind, &head->key);
    return bucket_of(s, hash) == &s->buckets[bucket] &&
           gate_stripe_place_of(hash, s->places) == s->place &&
           sum_in_place(s, me, head->length, &value_sum) && value_sum == head->value_sum;
}

/* Marks the blocks of a sound record, and counts and lists it: what was seen within the last minute
 * in front, the rest behind; the order within heals as they are used. */
static void keep(const gate_stripe *s, uint32_t me, const gate_stripe_record *head)
{
    gate_stripe_state *state = s->state;
    uint32_t block = me;

    for (uint32_t n = blocks_for(head->length); n > 0 && is_block(s, block); n--) {
        mark(s, block);
        if (block > state->fresh)
            state->fresh = block;
        block = load(link_of(s, block));
    }
    if (head->version > state->version)
        __atomic_store_n(&state->version, head->version, __ATOMIC_RELAXED);
    count_in(s, head->kind, blocks_for(head->length));
    enlist(s, head->kind, me, !is_later(state->heard, head->seen, 60));
}

/* Cuts out of a bucket whatever is not sound. */
static void mend_bucket(const gate_stripe *s, uint32_t bucket, uint32_t *steps)
{
    uint32_t *slot = &s->buckets[bucket];
    uint32_t me = load(slot);

    while (me != NIL) {
        gate_stripe_record *r = record_at(s, me), head;
        if (!r || is_marked(s, me) || *steps == 0) {
            publish(slot, NIL);
            return;
        }
        --*steps;
        copy_head(&head, r);
        if (is_sound(s, me, bucket, &head)) {
            keep(s, me, &head);
            slot = &r->chain;
            me = load(slot);
        } else {
            me = head.chain;
            publish(slot, is_block(s, me) ? me : NIL);
            me = load(slot);
        }
    }
}

static void free_unmarked(const gate_stripe *s)
{
    uint32_t top = load(&s->state->fresh);

    s->state->free = NIL;
    for (uint32_t block = top <= s->count ? top : s->count; block > 0; block--) {
        if (!is_marked(s, block)) {
            *link_of(s, block) = s->state->free;
            s->state->free = block;
        }
    }
}

void gate_stripe_mend(const gate_stripe *s)
{
    gate_stripe_state *state = s->state;
    uint32_t steps = 2 * s->count;

    memset(s->map, 0, map_bytes(s->count));
    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++) {
        gate_stripe_kind *k = &state->kinds[kind];
        k->newest = k->oldest = NIL;
        k->records = 0;
        __atomic_store_n(&k->blocks, 0, __ATOMIC_RELAXED);
    }
    if (state->version_again > state->version)
        __atomic_store_n(&state->version, state->version_again, __ATOMIC_RELAXED);
    state->fresh = 0;
    state->cursor = 0;
    state->was_swept = 0;
    for (uint32_t bucket = 0; bucket < s->count; bucket++)
        mend_bucket(s, bucket, &steps);
    state->version_again = state->version;
    free_unmarked(s);
}

/* --- the lock --- */

int gate_stripe_reset_lock(const gate_stripe *s)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);

    if (rc != 0)
        return rc;
    memset(&s->state->lock, 0, sizeof(s->state->lock));
    rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    if (rc == 0)
        rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (rc == 0)
        rc = pthread_mutex_init(&s->state->lock.mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return rc;
}

/* A holder that does not die but stands still (stopped, or swapped out) must not stop everybody
 * else. The wall clock is the only one that every system can wait by; if it is put back just then,
 * the wait is longer. */
static int wait_for(pthread_mutex_t *mutex)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GATE_STRIPE_WAIT_SECONDS;
    return pthread_mutex_timedlock(mutex, &until);
}

bool gate_stripe_lock(const gate_stripe *s)
{
    pthread_mutex_t *mutex = &s->state->lock.mutex;
    int rc = pthread_mutex_trylock(mutex);

    if (rc == EBUSY)
        rc = wait_for(mutex);
    if (rc == EOWNERDEAD) {
        gate_stripe_mend(s);
        s->state->repaired++;
        rc = pthread_mutex_consistent(mutex);
        if (rc != 0)
            pthread_mutex_unlock(mutex);
    }
    return rc == 0;
}

void gate_stripe_unlock(const gate_stripe *s)
{
    pthread_mutex_unlock(&s->state->lock.mutex);
}

/* --- what others call --- */

/* Damage is mended where it is found; that one answer stays "could not tell". */
static gate_store_answer conclude(const gate_stripe *s, gate_store_kind kind,
                                  gate_store_answer answer)
{
    if (answer == GATE_STORE_FULL)
        s->state->kinds[kind].refused++;
    if (answer == GATE_STORE_UNSURE) {
        gate_stripe_mend(s);
        s->state->repaired++;
    }
    return answer;
}

gate_store_answer gate_stripe_read(const gate_stripe *s, const gate_stripe_wanted *wanted,
                                   gate_stripe_reading how, gate_stripe_record *head, void *value,
                                   size_t room)
{
    return conclude(s, wanted->kind, read_record(s, wanted, how, head, value, room));
}

gate_store_answer gate_stripe_write(const gate_stripe *s, const gate_stripe *region,
                                    const gate_stripe_wanted *wanted,
                                    const gate_stripe_draft *draft, uint64_t *version)
{
    if (draft->value.len > GATE_STORE_MAX_VALUE)
        return conclude(s, wanted->kind, GATE_STORE_FULL);
    return conclude(s, wanted->kind, write_record(s, region, wanted, draft, version));
}

gate_store_answer gate_stripe_drop(const gate_stripe *s, const gate_stripe_wanted *wanted)
{
    return conclude(s, wanted->kind, drop_record(s, wanted));
}

bool gate_stripe_next(const gate_stripe *s, gate_store_kind kind, uint32_t *place,
                      gate_stripe_record *head, void *value)
{
    uint32_t me =
        *place == NIL ? load(&s->state->kinds[kind].newest) : load(&record_at(s, *place)->older);

    const gate_stripe_record *record = record_at(s, me);

    if (!record)
        return false;
    *place = me;
    copy_head(head, record);
    return head->length <= GATE_STORE_MAX_VALUE && copy_out(s, me, head->length, value);
}

int64_t gate_stripe_latest(const gate_stripe *s, gate_store_kind kind)
{
    uint32_t me = load(&s->state->kinds[kind].newest);
    int64_t latest = 0;

    for (uint32_t n = 0; n < s->count; n++) {
        const gate_stripe_record *record = record_at(s, me);

        if (!record)
            break;
        if (record->expires > latest)
            latest = record->expires;
        me = load(&record->older);
    }
    return latest;
}

/* One bucket's, of which there may be more than there is room for: then none counts. */
static gate_store_answer glance_at(const gate_stripe *s, gate_store_kind kind, int64_t now,
                                   uint32_t bucket, gate_stripe_block *blocks, uint32_t room,
                                   uint32_t *found)
{
    uint32_t me = load(&s->buckets[bucket]);

    *found = 0;
    for (unsigned steps = 0; me != NIL; steps++) {
        const gate_stripe_record *record = record_at(s, me);

        if (!record || steps == GATE_STRIPE_CHAIN_MAX)
            return GATE_STORE_UNSURE;
        if (load(&record->kind) == kind && !gate_stripe_is_gone(record, now)) {
            if (*found == room)
                return GATE_STORE_FULL;
            memcpy(&blocks[(*found)++], &s->blocks[me - 1], GATE_STRIPE_BLOCK);
        }
        me = load(&record->chain);
    }
    return GATE_STORE_DONE;
}

gate_store_answer gate_stripe_glance(const gate_stripe *s, gate_store_kind kind, int64_t now,
                                     uint32_t *bucket, gate_stripe_block *blocks, uint32_t room,
                                     uint32_t *found)
{
    uint32_t more, end = s->count - *bucket > GLANCE_BUCKETS ? *bucket + GLANCE_BUCKETS : s->count;

    for (*found = 0; *bucket < end; *found += more, ++*bucket) {
        gate_store_answer answer =
            glance_at(s, kind, now, *bucket, blocks + *found, room - *found, &more);
        if (answer == GATE_STORE_FULL && *found > 0)
            return GATE_STORE_DONE;
        if (answer != GATE_STORE_DONE)
            return conclude(s, kind, GATE_STORE_UNSURE);
    }
    return GATE_STORE_DONE;
}
