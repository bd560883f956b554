/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A damaged segment: whatever stands in it, nothing crashes or hangs, nobody gets another's value,
 * and mending puts it in order. The input is a list of steps of six bytes: what, which, where (2),
 * with what (2). */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include <apr_strings.h>

#include "../unit/store_audit.h"

#define NOW    INT64_C(1700000000)
#define REGION ((apr_size_t)256 << 10)
#define KEYS   16
#define STEP   6

static const gate_sum_seed seed = {{UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)}};

typedef struct scene {
    gate_shm *shm;
    int64_t now;
    apr_pool_t *p;
} scene;

static void use(scene *s, unsigned verb, unsigned n, unsigned where, unsigned with)
{
    gate_store *store = gate_shm_store(s->shm);
    gate_store_kind kind = (gate_store_kind)(where % GATE_STORE_KINDS);
    gate_store_key key = key_of(n);
    unsigned char value[16 + 8191];
    gate_entry entry = {
        {(const char *)value, 16 + with % 8192}, NOW + (where >> 3), (int32_t)(with >> 13) * 10};
    gate_record record = {0};
    gate_store_answer answer = GATE_STORE_ABSENT;

    if (verb < 3)
        fill_value(value, entry.value.len, n, with);
    switch (verb) {
    case 0:
        store->put(store, kind, &key, s->now, &entry, NULL);
        break;
    case 1:
        store->add(store, kind, &key, s->now, &entry, NULL);
        break;
    case 2:
        answer = store->get(store, kind, &key, s->now, s->p, &record);
        if (answer == GATE_STORE_DONE)
            store->replace(store, kind, &key, s->now, &entry, record.version, NULL);
        break;
    case 3:
        answer = store->take(store, kind, &key, s->now, s->p, &record);
        break;
    case 4:
        store->drop(store, kind, &key, s->now);
        break;
    case 5:
        store->look(store, kind, &key, s->now, &record);
        break;
    default:
        answer = store->get(store, kind, &key, s->now, s->p, &record);
    }
    FUZZ_CHECK(answer != GATE_STORE_DONE || is_value_of(record.value, n, NULL));
}

/* Writes a small number, or flips bits, in that part of a stripe. */
static void damage(scene *s, unsigned part, unsigned which, unsigned where, unsigned with)
{
    const gate_shm_region *region = &s->shm->segment->regions[which & 1];
    const gate_stripe *stripe = &region->stripes[(which >> 1) % region->places];
    unsigned char *state = (unsigned char *)stripe->state;
    size_t lock = sizeof(stripe->state->lock), rest = sizeof(gate_stripe_state) - lock;
    uint32_t number = with;

    if (part == 0)
        memcpy(state + lock + where % (rest / 4) * 4, &number, 4);
    else if (part == 1)
        stripe->buckets[where % stripe->count] = number;
    else if (part == 2)
        stripe->links[where % stripe->count] = number;
    else if (part == 3)
        memcpy(stripe->blocks[where / 32 % stripe->count].bytes + where % 32 * 4, &number, 4);
    else
        stripe->blocks[where % stripe->count].bytes[with & 255] ^= (unsigned char)(with >> 8);
}

static void mend_all(gate_shm *shm)
{
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < shm->segment->regions[i].places; n++)
            gate_stripe_mend(&shm->segment->regions[i].stripes[n]);
    }
}

static void play(scene *s, gate_span input)
{
    for (; input.len >= STEP; input.ptr += STEP, input.len -= STEP) {
        const unsigned char *at = (const unsigned char *)input.ptr;
        unsigned what = at[0] % 16, where = at[2] | (unsigned)at[3] << 8,
                 with = at[4] | (unsigned)at[5] << 8;
        if (what < 8)
            use(s, what, at[1] % KEYS, where, with);
        else if (what < 14)
            damage(s, what - 8, at[1], where, with);
        else if (what == 14)
            s->now = at[1] & 1 ? NOW - where : NOW + where;
        else
            gate_stripe_mend(&s->shm->segment->regions[at[1] & 1].stripes[0]);
    }
}

/* The same input is the same scene: with a seed of its own, each segment would be another. */
static void settle_seed(gate_segment *segment)
{
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < segment->regions[i].places; n++)
            segment->regions[i].stripes[n].seed = seed;
    }
    segment->seed = seed;
}

static void check_order(gate_shm *shm)
{
    mend_all(shm);
    const char *wrong = audit(shm);
    if (wrong)
        fuzz_fail(wrong, __FILE__, __LINE__);
}

static void play_in_memory(apr_pool_t *p, gate_span input)
{
    const gate_shm_options options = {REGION, REGION, NULL};
    const char *problem;
    scene s = {NULL, NOW, p};

    FUZZ_CHECK(gate_shm_create(p, &options, &s.shm, &problem) == APR_SUCCESS);
    settle_seed(s.shm->segment);
    for (unsigned n = 0; n < KEYS; n++)
        use(&s, 0, n, 0xff00 | n, n * 150);
    play(&s, input);
    check_order(s.shm);
    for (unsigned n = 0; n < KEYS; n++)
        use(&s, 5, n, n, 0);
    check_order(s.shm);
}

/* The input is written over a file, which is then opened: as it is, or as one of another size. */
static void play_in_file(apr_pool_t *p, gate_span input)
{
    char directory[] = "/tmp/fuzz-store-XXXXXX";
    const char *file = mkdtemp(directory) ? apr_pstrcat(p, directory, "/store", NULL) : NULL,
               *problem;
    gate_shm_options options = {REGION, REGION, file};
    scene s = {NULL, NOW, NULL};

    FUZZ_CHECK(file && apr_pool_create(&s.p, p) == APR_SUCCESS);
    FUZZ_CHECK(gate_shm_create(s.p, &options, &s.shm, &problem) == APR_SUCCESS);
    for (unsigned n = 0; n < KEYS; n++)
        use(&s, 0, n, 0xff00 | n, n * 150);
    apr_pool_clear(s.p);
    int fd = open(file, O_RDWR);
    for (; input.len >= STEP; input.ptr += STEP, input.len -= STEP) {
        const unsigned char *at = (const unsigned char *)input.ptr;
        off_t where = at[0] % 8 == 0 ? at[1] : (off_t)(at[1] | at[2] << 8 | (at[3] & 7) << 16);
        FUZZ_CHECK(pwrite(fd, at + 4, 2, where) == 2);
    }
    close(fd);
    options.session_bytes <<= input.len & 1;
    if (gate_shm_create(s.p, &options, &s.shm, &problem) == APR_SUCCESS) {
        for (unsigned n = 0; n < KEYS; n++)
            use(&s, 5, n, n, 0);
        check_order(s.shm);
    }
    apr_pool_destroy(s.p);
    unlink(file);
    unlink(apr_pstrcat(p, file, ".new", NULL));
    rmdir(directory);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    if (input.len > 0 && (unsigned char)input.ptr[0] == 0xff)
        play_in_file(p, (gate_span){input.ptr + 1, input.len - 1});
    else
        play_in_memory(p, input);
}
