/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* store_audit.h - what must hold in a segment that nobody is writing to, and values that say whose
 * they are */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/shm_segment.h"

/* Key number n: uniform, as digests are. */
static inline gate_store_key key_of(uint64_t n)
{
    gate_store_key key;

    for (unsigned i = 0; i < sizeof(key.bytes); i += 8) {
        uint64_t x = (n + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0xd1342543de82ef95);
        x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
        x ^= x >> 32;
        memcpy(key.bytes + i, &x, 8);
    }
    return key;
}

/* A value of that length which only this key has, in only this edition. */
static inline void fill_value(unsigned char *value, size_t len, uint64_t n, uint64_t edition)
{
    uint64_t x = n * UINT64_C(0x2545f4914f6cdd1d) ^ (edition + 1) * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0)
            x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        value[i] = (unsigned char)(x >> (56 - i % 8 * 7));
    }
    if (len >= 16) {
        memcpy(value, &n, 8);
        memcpy(value + 8, &edition, 8);
    }
}

/* Whether a value of 16 bytes or more is whole and that key's; its edition. */
static inline bool is_value_of(gate_span value, uint64_t n, uint64_t *edition)
{
    unsigned char *want;
    uint64_t whose, which;

    if (value.len < 16)
        return false;
    memcpy(&whose, value.ptr, 8);
    memcpy(&which, value.ptr + 8, 8);
    if (edition)
        *edition = which;
    want = malloc(value.len);
    fill_value(want, value.len, n, which);
    bool same = whose == n && memcmp(want, value.ptr, value.len) == 0;
    free(want);
    return same;
}

typedef struct audit_walk {
    const gate_stripe *s;
    unsigned char *owner; /* of each block: 0 nobody, 1 a record, 2 the free list */
    uint32_t records[GATE_STORE_KINDS], blocks[GATE_STORE_KINDS], listed;
} audit_walk;

static inline const char *audit_chain(audit_walk *w, uint32_t block, unsigned char owner,
                                      uint32_t *count)
{
    for (*count = 0; block != 0; block = w->s->links[block - 1], ++*count) {
        if (block > w->s->count)
            return "a link leads out of the stripe";
        if (block > w->s->state->fresh)
            return "a block is in use that never was";
        if (w->owner[block] != 0)
            return owner == 2 ? "a free block is in use, or free twice" : "a block has two owners";
        w->owner[block] = owner;
    }
    return NULL;
}

static inline const char *audit_index(audit_walk *w)
{
    const gate_stripe *s = w->s;

    for (uint32_t bucket = 0; bucket < s->count; bucket++) {
        for (uint32_t me = s->buckets[bucket]; me != 0; me = s->blocks[me - 1].head.chain) {
            const gate_stripe_record *r = &s->blocks[me - 1].head;
            uint32_t blocks;
            const char *wrong = audit_chain(w, me, 1, &blocks);
            if (wrong)
                return wrong;
            if (r->kind >= GATE_STORE_KINDS)
                return "a record has no kind";
            size_t bytes = (size_t)blocks * GATE_STRIPE_BLOCK - sizeof(*r);
            if (r->length > bytes || (r->length + GATE_STRIPE_BLOCK <= bytes))
                return "a record has too many blocks or too few";
            if (r->version > s->state->version)
                return "a version is ahead of its counter";
            w->records[r->kind]++;
            w->blocks[r->kind] += blocks;
        }
    }
    return NULL;
}

static inline const char *audit_lists(audit_walk *w)
{
    const gate_stripe *s = w->s;

    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++) {
        const gate_stripe_kind *k = &s->state->kinds[kind];
        uint32_t before = 0, listed = 0;
        for (uint32_t me = k->newest; me != 0; before = me, me = s->blocks[me - 1].head.older) {
            const gate_stripe_record *r = &s->blocks[me - 1].head;
            if (me > s->count || r->newer != before || r->kind != kind || ++listed > s->count)
                return "a list is broken";
        }
        if (k->oldest != before)
            return "a list does not end where it ends";
        if (listed != w->records[kind] || listed != k->records)
            return "index, list and counter do not agree on the number of records";
        if (k->blocks != w->blocks[kind])
            return "the counter of blocks is wrong";
    }
    return NULL;
}

static inline const char *audit_stripe(const gate_stripe *s)
{
    audit_walk w = {.s = s, .owner = calloc(s->count + 1, 1)};
    uint32_t free_blocks, used = 0;
    const char *wrong = audit_index(&w);

    if (!wrong)
        wrong = audit_lists(&w);
    if (!wrong)
        wrong = audit_chain(&w, s->state->free, 2, &free_blocks);
    free(w.owner);
    if (wrong)
        return wrong;
    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++)
        used += w.blocks[kind];
    return used + free_blocks == s->state->fresh ? NULL : "blocks are lost";
}

/* NULL: all is well. Takes each lock, so that what the dead left is put in order first. */
static inline const char *audit(gate_shm *shm)
{
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        const gate_shm_region *region = &shm->segment->regions[i];
        for (uint32_t n = 0; n < region->places; n++) {
            if (!gate_stripe_lock(&region->stripes[n]))
                return "a lock cannot be had";
            const char *wrong = audit_stripe(&region->stripes[n]);
            gate_stripe_unlock(&region->stripes[n]);
            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

/* Whether the byte at that offset of the segment belongs to a lock: those are the C library's own.
 */
static inline bool is_lock_byte(const gate_segment *segment, size_t offset)
{
    const unsigned char *at = segment->base + offset;

    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        const gate_shm_region *region = &segment->regions[i];
        const unsigned char *first = (const unsigned char *)region->stripes[0].state;
        if (at < first || at >= first + region->each * region->places)
            continue;
        return (size_t)(at - first) % region->each < sizeof(region->stripes[0].state->lock);
    }
    return false;
}

#endif
