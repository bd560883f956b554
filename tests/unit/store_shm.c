/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/store_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store_audit.h"
#include "tap.h"

#define SMALL   ((apr_size_t)256 << 10)
#define MIB     ((apr_size_t)1 << 20)
#define NOW     INT64_C(1700000000)
#define HOUR    3600
#define THREADS 8

/* A thread that flips bits is a race, and ThreadSanitizer would say so. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

static const char *const kind_names[GATE_STORE_KINDS] = {
    "SESSION", "MARK", "REVOCATION", "DOCUMENT", "TOKEN", "NEGATIVE", "LEASE",
};
static const char *const answer_names[] = {"DONE", "ABSENT", "CONFLICT", "FULL", "UNSURE"};

static apr_pool_t *pool;
static unsigned char bytes[GATE_STORE_MAX_VALUE + 1];

/* --- shorthand --- */

static gate_shm *shm_of(apr_pool_t *p, apr_size_t sessions, apr_size_t tokens, const char *file)
{
    const gate_shm_options options = {sessions, tokens, file};
    const char *problem = NULL;
    gate_shm *shm = NULL;

    if (gate_shm_create(p, &options, &shm, &problem) != APR_SUCCESS)
        printf("# %s\n", problem);
    return shm;
}

static gate_shm *small(apr_pool_t *p)
{
    return shm_of(p, SMALL, SMALL, NULL);
}

static gate_entry entry_of(uint64_t n, uint64_t edition, size_t len, int64_t expires, int32_t idle)
{
    fill_value(bytes, len, n, edition);
    return (gate_entry){{(const char *)bytes, len}, expires, idle, 0};
}

static gate_store_answer put(gate_shm *shm, gate_store_kind kind, uint64_t n, size_t len,
                             int64_t now, int64_t expires)
{
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(n);
    gate_entry entry = entry_of(n, 0, len, expires, 0);

    return store->put(store, kind, &key, now, &entry, NULL);
}

static gate_store_answer add(gate_shm *shm, gate_store_kind kind, uint64_t n, size_t len,
                             int64_t now, int64_t expires)
{
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(n);
    gate_entry entry = entry_of(n, 0, len, expires, 0);

    return store->add(store, kind, &key, now, &entry, NULL);
}

/* UNSURE also for a value that is another one's. */
static gate_store_answer get(gate_shm *shm, gate_store_kind kind, uint64_t n, int64_t now)
{
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(n);
    gate_record record;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    gate_store_answer answer = store->get(store, kind, &key, now, p, &record);
    if (answer == GATE_STORE_DONE && record.value.len >= 16 && !is_value_of(record.value, n, NULL))
        answer = GATE_STORE_UNSURE;
    apr_pool_destroy(p);
    return answer;
}

static gate_store_answer look(gate_shm *shm, gate_store_kind kind, uint64_t n, int64_t now)
{
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(n);
    gate_record record;

    return store->look(store, kind, &key, now, &record);
}

typedef gate_store_answer reader(gate_shm *shm, gate_store_kind kind, uint64_t n, int64_t now);

static void answered(gate_store_answer got, gate_store_answer want, const char *name)
{
    is(answer_names[got], answer_names[want], "%s", name);
}

static void in_order(gate_shm *shm, const char *name)
{
    const char *wrong = audit(shm);

    is(wrong ? wrong : "in order", "in order", "%s", name);
}

static gate_shm_usage usage_of(gate_shm *shm, gate_store_kind kind)
{
    gate_shm_usage usage;

    gate_shm_usage_of(shm, kind, &usage);
    return usage;
}

static gate_shm *resize(apr_pool_t *p, gate_shm *old, apr_size_t sessions, apr_size_t tokens,
                        const char *file, apr_status_t *status);
static const gate_stripe *stripe_of(gate_shm *shm, gate_store_kind kind, uint64_t n);

/* --- the verbs --- */

static void an_empty_store_has_nothing(gate_store *store, gate_store_kind kind,
                                       const gate_store_key *key)
{
    gate_entry entry = entry_of(1, 1, 100, NOW + HOUR, 0);
    gate_record record;
    uint64_t version;

    ok(store->get(store, kind, key, NOW, pool, &record) == GATE_STORE_ABSENT &&
           store->take(store, kind, key, NOW, pool, &record) == GATE_STORE_ABSENT &&
           store->drop(store, kind, key, NOW) == GATE_STORE_ABSENT &&
           store->replace(store, kind, key, NOW, &entry, 1, &version) == GATE_STORE_ABSENT,
       "%s: an empty store has nothing to read, take, drop or replace", kind_names[kind]);
}

static uint64_t what_is_added_is_there(gate_store *store, gate_store_kind kind,
                                       const gate_store_key *key)
{
    gate_entry entry = entry_of(1, 1, 100, NOW + HOUR, 900);
    gate_record record = {0};
    uint64_t version = 0, other = 77, edition = 0;

    ok(store->add(store, kind, key, NOW, &entry, &version) == GATE_STORE_DONE && version != 0,
       "%s: add writes where nothing is", kind_names[kind]);
    ok(store->add(store, kind, key, NOW, &entry, &other) == GATE_STORE_CONFLICT && other == 77,
       "%s: a second add is a conflict and touches nothing", kind_names[kind]);
    ok(store->get(store, kind, key, NOW + 100, pool, &record) == GATE_STORE_DONE &&
           is_value_of(record.value, 1, &edition) && edition == 1 && record.value.len == 100,
       "%s: get gives the value", kind_names[kind]);
    ok(record.version == version && record.created == NOW && record.seen == NOW + 100 &&
           record.expires == NOW + HOUR && record.idle == 900,
       "%s: and everything beside it", kind_names[kind]);
    return version;
}

static uint64_t replace_is_compare_and_set(gate_store *store, gate_store_kind kind,
                                           const gate_store_key *key, uint64_t version)
{
    gate_entry entry = entry_of(1, 2, 3000, NOW + 2 * HOUR, 0);
    gate_record record = {0};
    uint64_t next = 0, edition = 0;

    ok(store->replace(store, kind, key, NOW + 200, &entry, version + 1, &next) ==
           GATE_STORE_CONFLICT,
       "%s: replace of another version is a conflict", kind_names[kind]);
    ok(store->replace(store, kind, key, NOW + 200, &entry, version, &next) == GATE_STORE_DONE &&
           next != version,
       "%s: replace of this version is done, under a new version", kind_names[kind]);
    ok(store->replace(store, kind, key, NOW + 200, &entry, version, NULL) == GATE_STORE_CONFLICT,
       "%s: the old version is of no more use", kind_names[kind]);
    ok(store->get(store, kind, key, NOW + 201, pool, &record) == GATE_STORE_DONE &&
           is_value_of(record.value, 1, &edition) && edition == 2 && record.value.len == 3000 &&
           record.version == next && record.created == NOW && record.expires == NOW + 2 * HOUR &&
           record.idle == 0,
       "%s: replace changes all but the time of creation", kind_names[kind]);
    return next;
}

static void put_writes_over_whatever_is_there(gate_store *store, gate_store_kind kind,
                                              const gate_store_key *key, uint64_t version)
{
    gate_entry entry = entry_of(1, 3, 17, NOW + HOUR, 0);
    gate_record record = {0};
    uint64_t next = 0, edition = 0;

    ok(store->put(store, kind, key, NOW + 300, &entry, &next) == GATE_STORE_DONE && next > version,
       "%s: put writes over what is there", kind_names[kind]);
    ok(store->take(store, kind, key, NOW + 300, pool, &record) == GATE_STORE_DONE &&
           is_value_of(record.value, 1, &edition) && edition == 3 && record.version == next &&
           record.created == NOW,
       "%s: take gives it", kind_names[kind]);
    ok(store->take(store, kind, key, NOW + 300, pool, &record) == GATE_STORE_ABSENT &&
           store->get(store, kind, key, NOW + 300, pool, &record) == GATE_STORE_ABSENT,
       "%s: once", kind_names[kind]);
    ok(store->put(store, kind, key, NOW + 400, &entry, &version) == GATE_STORE_DONE &&
           version > next,
       "%s: put writes where nothing is, and the version goes on", kind_names[kind]);
    ok(store->drop(store, kind, key, NOW + 400) == GATE_STORE_DONE &&
           store->drop(store, kind, key, NOW + 400) == GATE_STORE_ABSENT &&
           store->replace(store, kind, key, NOW + 400, &entry, version, NULL) == GATE_STORE_ABSENT,
       "%s: what was dropped stays dropped", kind_names[kind]);
}

static void verbs(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    const gate_store_key key = key_of(1);

    for (unsigned i = 0; i < GATE_STORE_KINDS; i++) {
        gate_store_kind kind = (gate_store_kind)i;
        an_empty_store_has_nothing(store, kind, &key);
        uint64_t version = what_is_added_is_there(store, kind, &key);
        version = replace_is_compare_and_set(store, kind, &key, version);
        put_writes_over_whatever_is_there(store, kind, &key, version);
    }
    for (unsigned i = 0; i < GATE_STORE_KINDS; i++)
        add(shm, (gate_store_kind)i, 1, 20 + i, NOW, NOW + HOUR);
    unsigned own = 0;
    for (unsigned i = 0; i < GATE_STORE_KINDS; i++) {
        gate_record record = {0};
        own += store->get(store, (gate_store_kind)i, &key, NOW, pool, &record) == GATE_STORE_DONE &&
               record.value.len == 20 + i;
    }
    ok(own == GATE_STORE_KINDS, "one key under each kind is as many records");
    answered(get(shm, (gate_store_kind)GATE_STORE_KINDS, 1, NOW), GATE_STORE_UNSURE,
             "a kind that is none");
    in_order(shm, "all of it leaves a store in order");
}

static void sizes(void)
{
    static const size_t lengths[] = {0,    1,    16,    127,   128,    129,
                                     383,  384,  385,   3072,  4095,   4096,
                                     4097, 8192, 70000, 70001, 524287, GATE_STORE_MAX_VALUE};
    gate_shm *shm = shm_of(pool, 32 * MIB, 16 * MIB, NULL);
    gate_store *store = gate_shm_store(shm);
    gate_record record;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        gate_store_key key = key_of(i);
        unsigned good = 0;
        for (unsigned kind = 0; kind < 2; kind++) {
            gate_store_kind which = kind ? GATE_STORE_TOKEN : GATE_STORE_SESSION;
            gate_entry entry = entry_of(i, 1, lengths[i], NOW + HOUR, 0);
            good += store->add(store, which, &key, NOW, &entry, NULL) == GATE_STORE_DONE;
            good += store->get(store, which, &key, NOW, pool, &record) == GATE_STORE_DONE;
            good += record.value.ptr && record.value.len == lengths[i] &&
                    memcmp(record.value.ptr, bytes, lengths[i]) == 0;
            good += store->take(store, which, &key, NOW, pool, &record) == GATE_STORE_DONE;
            good +=
                record.value.len == lengths[i] && memcmp(record.value.ptr, bytes, lengths[i]) == 0;
        }
        ok(good == 10, "a value of %lu bytes comes back as it was, in default regions",
           (unsigned long)lengths[i]);
    }
    answered(put(shm, GATE_STORE_DOCUMENT, 5, GATE_STORE_MAX_VALUE, NOW, NOW + HOUR),
             GATE_STORE_DONE, "a document may be of the largest size");
    answered(put(shm, GATE_STORE_SESSION, 6, GATE_STORE_MAX_VALUE + 1, NOW, NOW + HOUR),
             GATE_STORE_FULL, "one byte more than the largest value is refused");
    ok(usage_of(shm, GATE_STORE_SESSION).refused[GATE_STORE_SESSION] == 1, "and counted");
    gate_entry absent = {{NULL, 0}, NOW + HOUR, 0, 0};
    gate_store_key key = key_of(9);
    ok(store->put(store, GATE_STORE_MARK, &key, NOW, &absent, NULL) == GATE_STORE_DONE &&
           store->get(store, GATE_STORE_MARK, &key, NOW, pool, &record) == GATE_STORE_DONE &&
           record.value.ptr && record.value.len == 0,
       "a record may have no value");
    in_order(shm, "large values leave a store in order");
}

/* --- time --- */

static void keep_time(reader *see, reader *then)
{
    static const struct {
        int64_t expires;
        int32_t idle;
        int64_t seen; /* 0: not in between */
        int64_t now;
        gate_store_answer want;
        const char *name;
    } cases[] = {
        {NOW + 10, 0, 0, NOW + 9, GATE_STORE_DONE, "a second before it expires it is there"},
        {NOW + 10, 0, 0, NOW + 10, GATE_STORE_ABSENT, "at that second it is gone"},
        {NOW + 10, 0, NOW + 9, NOW + 11, GATE_STORE_ABSENT, "being seen does not prolong it"},
        {NOW + HOUR, 60, 0, NOW + 59, GATE_STORE_DONE, "idle for less than its time it is there"},
        {NOW + HOUR, 60, 0, NOW + 60, GATE_STORE_ABSENT, "idle for its time it is gone"},
        {NOW + HOUR, 60, NOW + 59, NOW + 118, GATE_STORE_DONE,
         "being seen starts the idle time anew"},
        {NOW + HOUR, 60, NOW + 59, NOW + 119, GATE_STORE_ABSENT, "which then runs out as well"},
        {NOW + 100, 60, NOW + 59, NOW + 100, GATE_STORE_ABSENT, "the end is the end, seen or not"},
        {NOW + HOUR, 0, 0, INT64_MIN, GATE_STORE_DONE, "long before its time it is there"},
        {NOW + HOUR, 60, 0, NOW - HOUR, GATE_STORE_DONE, "a clock put back does not make it idle"},
        {NOW + HOUR, 60, 0, INT64_MAX, GATE_STORE_ABSENT, "at the end of time nothing is left"},
        {INT64_MAX, INT32_MAX, 0, INT64_MAX - 1, GATE_STORE_ABSENT, "idle through all of time"},
        {INT64_MAX, -5, 0, INT64_MAX - 1, GATE_STORE_DONE, "a negative idle time is none"},
        {NOW - 1, 0, 0, NOW, GATE_STORE_ABSENT, "what is written expired is not there"},
        {INT64_MIN, 0, 0, NOW, GATE_STORE_ABSENT, "however long ago"},
    };
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        gate_store_key key = key_of(1000 + i);
        gate_entry entry = entry_of(1000 + i, 1, 64, cases[i].expires, cases[i].idle);
        store->add(store, GATE_STORE_SESSION, &key, NOW, &entry, NULL);
        if (cases[i].seen)
            see(shm, GATE_STORE_SESSION, 1000 + i, cases[i].seen);
        answered(then(shm, GATE_STORE_SESSION, 1000 + i, cases[i].now), cases[i].want,
                 cases[i].name);
    }
    in_order(shm, "odd clocks leave a store in order");
}

/* Whoever looks, has seen; and is told the same as who reads. */
static void times(void)
{
    keep_time(get, get);
    keep_time(look, get);
    keep_time(get, look);
}

static void looking_tells_all_but_the_value(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(1);
    gate_entry entry = entry_of(1, 1, 20000, NOW + HOUR, 60);
    gate_record read, seen;
    uint64_t version;

    store->put(store, GATE_STORE_SESSION, &key, NOW, &entry, &version);
    answered(store->get(store, GATE_STORE_SESSION, &key, NOW + 9, pool, &read), GATE_STORE_DONE,
             "who reads a large value");
    answered(store->look(store, GATE_STORE_SESSION, &key, NOW + 9, &seen), GATE_STORE_DONE,
             "and who looks at it");
    ok(seen.version == version && seen.created == read.created && seen.seen == read.seen &&
           seen.expires == read.expires && seen.idle == read.idle,
       "are told the same");
    ok(read.value.len == 20000 && seen.value.len == 0, "but for the value");
    store->put(store, GATE_STORE_SESSION, &key, NOW + 9, &entry, NULL);
    store->look(store, GATE_STORE_SESSION, &key, NOW + 9, &seen);
    ok(seen.version != version, "what was written since has another version");
    store->drop(store, GATE_STORE_SESSION, &key, NOW + 9);
    answered(look(shm, GATE_STORE_SESSION, 1, NOW + 9), GATE_STORE_ABSENT,
             "what was dropped is gone");
    answered(look(shm, GATE_STORE_KINDS, 1, NOW), GATE_STORE_UNSURE, "there is no such kind");
}

/* Of a value of that length: how much is given of it, where so much stands in front. */
static size_t given(gate_shm *shm, gate_store_kind kind, uint64_t n, size_t len, uint32_t of_it)
{
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(n);
    gate_entry entry = entry_of(n, 1, len, NOW + HOUR, 60);
    gate_record read, whole;

    entry.front = of_it;
    store->put(store, kind, &key, NOW, &entry, NULL);
    if (store->front(store, kind, &key, NOW + 9, pool, &read) != GATE_STORE_DONE ||
        store->get(store, kind, &key, NOW + 9, pool, &whole) != GATE_STORE_DONE ||
        read.value.len > len || whole.value.len != len ||
        memcmp(read.value.ptr, whole.value.ptr, read.value.len) != 0 ||
        read.version != whole.version || read.seen != NOW + 9 || read.idle != 60)
        return SIZE_MAX;
    return read.value.len;
}

static void the_front_is_enough(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(1);
    gate_record record;
    apr_status_t status;

    ok(given(shm, GATE_STORE_SESSION, 1, 3000, 1000) == 1000, "of a value its front can be read");
    ok(given(shm, GATE_STORE_TOKEN, 2, 3000, 1) == 1, "were it a byte");
    ok(given(shm, GATE_STORE_SESSION, 3, 20000, 9000) == 9000, "or more than is read at once");
    ok(given(shm, GATE_STORE_SESSION, 4, 3000, 0) == 3000, "where there is none, all of it");
    ok(given(shm, GATE_STORE_SESSION, 5, 3000, 3000) == 3000, "as where all of it is");
    ok(given(shm, GATE_STORE_SESSION, 6, 3000, 4000) == 3000, "or would be");
    ok(given(shm, GATE_STORE_SESSION, 7, 0, 5) == 0, "and of nothing nothing");
    shm = resize(pool, shm, MIB, MIB, NULL, &status);
    store = gate_shm_store(shm);
    ok(store->front(store, GATE_STORE_SESSION, &key, NOW + 9, pool, &record) == GATE_STORE_DONE &&
           record.value.len == 1000,
       "a store of another size knows it too");
    store->drop(store, GATE_STORE_SESSION, &key, NOW + 9);
    answered(store->front(store, GATE_STORE_SESSION, &key, NOW + 9, pool, &record),
             GATE_STORE_ABSENT, "what was dropped is gone");
}

/* Whoever reads the front sees for himself whether it is what he sealed. */
static void damage_behind_the_front(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    const gate_stripe *stripe = stripe_of(shm, GATE_STORE_SESSION, 1);
    gate_store_key key = key_of(1);
    gate_record record;

    given(shm, GATE_STORE_SESSION, 1, 1000, 300);
    stripe->blocks[3].bytes[5] ^= 4;
    answered(store->front(store, GATE_STORE_SESSION, &key, NOW, pool, &record), GATE_STORE_DONE,
             "who reads the front does not see the rest");
    answered(store->get(store, GATE_STORE_SESSION, &key, NOW, pool, &record), GATE_STORE_UNSURE,
             "who reads all does");
    given(shm, GATE_STORE_SESSION, 1, 1000, 300);
    stripe->blocks->bytes[offsetof(gate_stripe_record, front)] ^= 4;
    answered(store->front(store, GATE_STORE_SESSION, &key, NOW, pool, &record), GATE_STORE_UNSURE,
             "how long it is belongs to what is checked");
}

static void what_was_gone_stays_gone(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(1);
    gate_entry entry = entry_of(1, 1, 64, NOW + 10, 0);
    uint64_t version, next;

    store->add(store, GATE_STORE_SESSION, &key, NOW, &entry, &version);
    answered(get(shm, GATE_STORE_SESSION, 1, NOW + 10), GATE_STORE_ABSENT, "it expires");
    answered(get(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_ABSENT,
             "and a clock put back does not bring it back");
    store->add(store, GATE_STORE_SESSION, &key, NOW, &entry, &version);
    answered(store->replace(store, GATE_STORE_SESSION, &key, NOW + 10, &entry, version, NULL),
             GATE_STORE_ABSENT, "what has expired cannot be replaced");
    answered(store->add(store, GATE_STORE_SESSION, &key, NOW + 10, &entry, &next), GATE_STORE_DONE,
             "but added anew");
    ok(next > version, "under a new version");
    entry.expires = NOW + HOUR;
    store->put(store, GATE_STORE_SESSION, &key, NOW + 11, &entry, NULL);
    gate_record record = {0};
    store->get(store, GATE_STORE_SESSION, &key, NOW + 12, pool, &record);
    ok(record.created == NOW + 11, "a record in the place of an expired one was created now");
    put(shm, GATE_STORE_SESSION, 2, 64, NOW, NOW + 10);
    key = key_of(2);
    ok(store->drop(store, GATE_STORE_SESSION, &key, NOW + 10) == GATE_STORE_ABSENT,
       "dropping what has expired finds nothing");
}

/* --- quotas --- */

static unsigned still_there(gate_shm *shm, gate_store_kind kind, unsigned from, unsigned count,
                            int64_t now)
{
    unsigned there = 0;

    for (unsigned n = from; n < from + count; n++)
        there += get(shm, kind, n, now) == GATE_STORE_DONE;
    return there;
}

/* Adds until the first refusal; how many went in. */
static unsigned flood(gate_shm *shm, gate_store_kind kind, unsigned from, unsigned count,
                      size_t len, int64_t now, int64_t expires)
{
    unsigned done = 0;

    for (unsigned n = from; n < from + count; n++)
        done += add(shm, kind, n, len, now, expires) == GATE_STORE_DONE;
    return done;
}

static void strangers_push_out_nobody(void)
{
    gate_shm *shm = shm_of(pool, MIB, MIB, NULL);
    unsigned sessions = flood(shm, GATE_STORE_SESSION, 0, 150, 1000, NOW, NOW + HOUR);
    unsigned tokens = flood(shm, GATE_STORE_TOKEN, 0, 200, 1000, NOW, NOW + HOUR);

    ok(sessions == 150 && tokens == 200, "sessions and tokens have room");
    ok(flood(shm, GATE_STORE_NEGATIVE, 100000, 20000, 20, NOW, NOW + HOUR) == 20000,
       "a flood of bad tokens is noted, each");
    ok(flood(shm, GATE_STORE_LEASE, 200000, 20000, 20, NOW, NOW + HOUR) == 20000,
       "a flood of leases as well");
    ok(still_there(shm, GATE_STORE_TOKEN, 0, 200, NOW) == 200, "good tokens are all still there");
    ok(still_there(shm, GATE_STORE_SESSION, 0, 150, NOW) == 150, "sessions too");

    gate_shm_usage usage = usage_of(shm, GATE_STORE_NEGATIVE);
    ok(usage.records[GATE_STORE_NEGATIVE] * 264 <= MIB / 4 &&
           usage.records[GATE_STORE_NEGATIVE] * 264 > MIB / 5,
       "bad tokens take a quarter of their region (%u)",
       (unsigned)usage.records[GATE_STORE_NEGATIVE]);
    ok(usage.records[GATE_STORE_LEASE] * 264 <= MIB / 8 &&
           usage.records[GATE_STORE_LEASE] * 264 > MIB / 10,
       "leases an eighth (%u)", (unsigned)usage.records[GATE_STORE_LEASE]);
    ok(usage.evicted[GATE_STORE_NEGATIVE] + usage.records[GATE_STORE_NEGATIVE] == 20000 &&
           usage.evicted[GATE_STORE_TOKEN] == 0 && usage.refused[GATE_STORE_NEGATIVE] == 0,
       "what made room is counted");
    ok(still_there(shm, GATE_STORE_NEGATIVE, 100000, 10000, NOW) == 0 &&
           still_there(shm, GATE_STORE_NEGATIVE, 119800, 200, NOW) == 200,
       "the oldest made room for the newest");
    ok(flood(shm, GATE_STORE_TOKEN, 1000, 5000, 1000, NOW, NOW + HOUR) == 5000,
       "good tokens make room for good tokens");
    ok(usage_of(shm, GATE_STORE_TOKEN).records[GATE_STORE_NEGATIVE] ==
               usage.records[GATE_STORE_NEGATIVE] &&
           usage_of(shm, GATE_STORE_TOKEN).records[GATE_STORE_LEASE] ==
               usage.records[GATE_STORE_LEASE],
       "and for nobody else's");
    in_order(shm, "floods leave a store in order");
}

static void marks_are_refused_not_forgotten(void)
{
    static const struct {
        gate_store_kind kind;
        unsigned quarter;
    } cases[] = {{GATE_STORE_MARK, 1}, {GATE_STORE_REVOCATION, 1}, {GATE_STORE_DOCUMENT, 1}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        gate_store_kind kind = cases[i].kind;
        gate_shm *shm = shm_of(pool, MIB, SMALL, NULL);
        flood(shm, GATE_STORE_SESSION, 0, 150, 1000, NOW, NOW + HOUR);
        unsigned done = flood(shm, kind, 1000, 3000, 20, NOW, NOW + 100);
        ok(done * 264 <= MIB / 4 && done * 264 > MIB / 5,
           "%s: a quarter of the region may be in use (%u)", kind_names[kind], done);
        answered(add(shm, kind, 5000, 20, NOW + 50, NOW + 100), GATE_STORE_FULL, "then it is full");
        gate_shm_usage usage = usage_of(shm, kind);
        ok(usage.evicted[kind] == 0 && usage.records[kind] == done &&
               usage.refused[kind] == 3000 - done + 1,
           "%s: nothing made room", kind_names[kind]);
        ok(still_there(shm, GATE_STORE_SESSION, 0, 150, NOW) == 150, "%s: least of all a session",
           kind_names[kind]);
        answered(add(shm, kind, 5000, 20, NOW + 100, NOW + 200), GATE_STORE_DONE,
                 "once they expire there is room");
        in_order(shm, "and all is in order");
    }
}

static void a_full_region_logs_nobody_out(void)
{
    gate_shm *shm = shm_of(pool, MIB, SMALL, NULL);
    gate_store *store = gate_shm_store(shm);
    uint64_t version = 0;
    unsigned done = flood(shm, GATE_STORE_SESSION, 0, 2000, 2000, NOW, NOW + 100), kept = 0,
             renewed = 0;

    ok(done > MIB * 8 / 10 / 2304 && done < 2000,
       "a region of 1 MiB holds %u sessions of 2000 bytes", done);
    for (unsigned n = 0; n < 2000; n++)
        kept += get(shm, GATE_STORE_SESSION, n, NOW + 1) == GATE_STORE_DONE;
    ok(kept == done && usage_of(shm, GATE_STORE_SESSION).evicted[GATE_STORE_SESSION] == 0,
       "each that was accepted is there");
    for (unsigned n = 0; n < 2000; n++) {
        gate_store_key key = key_of(n);
        gate_record record;
        if (store->get(store, GATE_STORE_SESSION, &key, NOW + 2, pool, &record) != GATE_STORE_DONE)
            continue;
        gate_entry entry = entry_of(n, 7, 2000, NOW + 100, 0);
        renewed += store->replace(store, GATE_STORE_SESSION, &key, NOW + 2, &entry, record.version,
                                  &version) == GATE_STORE_DONE;
    }
    ok(renewed == done, "each can be renewed while the region is full");
    ok(flood(shm, GATE_STORE_REVOCATION, 9000, 8, 40, NOW + 2, NOW + 100) == 8,
       "and ended by a revocation");
    ok(flood(shm, GATE_STORE_SESSION, 5000, 2000, 2000, NOW + 99, NOW + 200) < 20,
       "until they expire it stays full");
    unsigned again = flood(shm, GATE_STORE_SESSION, 8000, 2000, 2000, NOW + 100, NOW + 200);
    ok(again > done * 9 / 10, "when they expire it takes as many again (%u)", again);
    in_order(shm, "a full store is in order");
}

/* Tokens that are used stay, those that are not make room. */
static void the_least_recently_used_goes_first(void)
{
    gate_shm *shm = shm_of(pool, SMALL, MIB, NULL);

    flood(shm, GATE_STORE_TOKEN, 0, 300, 1000, NOW, NOW + HOUR);
    for (unsigned n = 0; n < 2000; n++) {
        if (n % 100 == 0)
            still_there(shm, GATE_STORE_TOKEN, 0, 40, NOW + 10 + n);
        add(shm, GATE_STORE_TOKEN, 1000 + n, 1000, NOW + 10 + n, NOW + HOUR);
    }
    ok(still_there(shm, GATE_STORE_TOKEN, 0, 40, NOW + 2010) == 40,
       "tokens in use outlive 2000 others");
    ok(still_there(shm, GATE_STORE_TOKEN, 40, 260, NOW + 2010) == 0, "those not in use made room");

    gate_shm *other = shm_of(pool, SMALL, 16 * MIB, NULL);
    flood(other, GATE_STORE_TOKEN, 0, 1600, 1000, NOW, NOW + HOUR);
    flood(other, GATE_STORE_TOKEN, 10000, 3200, 1000, NOW, NOW + 5);
    flood(other, GATE_STORE_TOKEN, 20000, 4000, 1000, NOW + 5, NOW + HOUR);
    ok(still_there(other, GATE_STORE_TOKEN, 0, 1600, NOW + 6) == 1600 &&
           usage_of(other, GATE_STORE_TOKEN).evicted[GATE_STORE_TOKEN] == 0,
       "expired ones go before older ones that are alive");
}

static void memory_is_as_promised(void)
{
    gate_shm *shm = shm_of(pool, 32 * MIB, 16 * MIB, NULL);
    gate_shm_usage before = usage_of(shm, GATE_STORE_SESSION);

    ok(before.bytes == 32 * MIB && before.bytes_used == 0, "an empty region uses nothing");
    flood(shm, GATE_STORE_SESSION, 0, 1000, 3072, NOW, NOW + HOUR);
    gate_shm_usage usage = usage_of(shm, GATE_STORE_SESSION);
    ok(usage.records[GATE_STORE_SESSION] == 1000 && usage.bytes_used <= 1000 * 4096,
       "a record of 3 KiB takes at most 4 KiB in all (%u)", (unsigned)(usage.bytes_used / 1000));
    unsigned all = 1000 + flood(shm, GATE_STORE_SESSION, 1000, 11000, 3072, NOW, NOW + HOUR);
    ok(all >= 32 * MIB / 4096, "so 32 MiB hold at least 8192 of them (%u)", all);

    gate_shm *large = shm_of(pool, 1024 * MIB, 256, NULL);
    ok(!large, "a region of 256 bytes is refused");
    large = shm_of(pool, 1024 * MIB, SMALL, NULL);
    unsigned char resident[256];
    size_t pages = 0;
    flood(large, GATE_STORE_SESSION, 0, 100, 3072, NOW, NOW + HOUR);
    for (size_t at = 0; at < large->segment->bytes - MIB; at += MIB) {
        mincore(large->segment->base + at, MIB, resident);
        for (unsigned i = 0; i < 256; i++)
            pages += resident[i] & 1;
    }
    ok(pages * 4096 < 8 * MIB, "pages of 1 GiB are touched as they fill (%lu)",
       (unsigned long)pages);
}

/* Keys as alike as can be: a counter in one corner, the rest the same. */
static void keys_do_not_pile_up(void)
{
    enum { COUNT = 100000 };
    static unsigned char load[COUNT];
    unsigned longest = 0, same = 0;
    const gate_sum_seed seeds[2] = {{{1, 2}}, {{1, 3}}};

    for (unsigned corner = 0; corner < 4; corner++) {
        memset(load, 0, sizeof(load));
        for (uint32_t n = 0; n < COUNT; n++) {
            gate_store_key key = {{0}};
            memcpy(key.bytes + corner * 9, &n, sizeof(n));
            uint64_t hash = gate_stripe_hash(&seeds[0], GATE_STORE_TOKEN, &key);
            uint64_t other = gate_stripe_hash(&seeds[1], GATE_STORE_TOKEN, &key);
            unsigned char here = ++load[(uint64_t)(uint32_t)hash * COUNT >> 32];
            longest = here > longest ? here : longest;
            same += (uint32_t)hash >> 20 == (uint32_t)other >> 20;
        }
    }
    ok(longest <= 12, "as many alike keys as buckets: the longest chain is %u", longest);
    ok(same < 4 * COUNT / 4096 * 2, "another seed files them elsewhere");
}

/* --- threads --- */

typedef struct worker {
    gate_shm *shm;
    unsigned me;
    unsigned done, odd;
    apr_pool_t *p;
} worker;

static void run(gate_shm *shm, void *(*work)(void *), worker workers[THREADS])
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (worker){.shm = shm, .me = i};
        apr_pool_create(&workers[i].p, NULL);
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        apr_pool_destroy(workers[i].p);
    }
}

static unsigned total(const worker workers[THREADS])
{
    unsigned done = 0;

    for (unsigned i = 0; i < THREADS; i++)
        done += workers[i].done;
    return done;
}

static unsigned oddities(const worker workers[THREADS])
{
    unsigned odd = 0;

    for (unsigned i = 0; i < THREADS; i++)
        odd += workers[i].odd;
    return odd;
}

static void *add_marks(void *data)
{
    worker *w = data;
    gate_store *store = gate_shm_store(w->shm);
    gate_entry entry = {GATE_SPAN("was used"), NOW + HOUR, 0, 0};

    for (uint64_t n = 0; n < 500; n++) {
        gate_store_key key = key_of(n);
        gate_store_answer answer = store->add(store, GATE_STORE_MARK, &key, NOW, &entry, NULL);
        w->done += answer == GATE_STORE_DONE;
        w->odd += answer != GATE_STORE_DONE && answer != GATE_STORE_CONFLICT;
    }
    return NULL;
}

static void *take_marks(void *data)
{
    worker *w = data;
    gate_store *store = gate_shm_store(w->shm);
    gate_record record;

    for (uint64_t n = 0; n < 500; n++) {
        gate_store_key key = key_of(n);
        gate_store_answer answer = store->take(store, GATE_STORE_MARK, &key, NOW, w->p, &record);
        w->done += answer == GATE_STORE_DONE;
        w->odd += answer == GATE_STORE_DONE ? record.value.len != 8 : answer != GATE_STORE_ABSENT;
    }
    return NULL;
}

/* Adds one to a number, by replacing it, a hundred times. */
static void *count_up(void *data)
{
    worker *w = data;
    gate_store *store = gate_shm_store(w->shm);
    gate_store_key key = key_of(4711);
    gate_record record;

    while (w->done < 100 && w->odd == 0) {
        uint64_t number;
        w->odd +=
            store->get(store, GATE_STORE_SESSION, &key, NOW, w->p, &record) != GATE_STORE_DONE;
        if (w->odd)
            break;
        memcpy(&number, record.value.ptr, sizeof(number));
        number++;
        gate_entry entry = {{(const char *)&number, sizeof(number)}, NOW + HOUR, 0, 0};
        gate_store_answer answer =
            store->replace(store, GATE_STORE_SESSION, &key, NOW, &entry, record.version, NULL);
        w->done += answer == GATE_STORE_DONE;
        w->odd += answer != GATE_STORE_DONE && answer != GATE_STORE_CONFLICT;
        apr_pool_clear(w->p);
    }
    return NULL;
}

/* Everything at once, over few keys and a region that is always full. */
static void *mix(void *data)
{
    worker *w = data;
    gate_store *store = gate_shm_store(w->shm);
    unsigned char value[6000];
    gate_record record;
    uint64_t dice = w->me + 1, version;

    for (unsigned turn = 0; turn < 4000; turn++) {
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned n = dice >> 33 & 63, len = 16 + (dice >> 40) % 5900;
        gate_store_kind kind = (gate_store_kind)((dice >> 20) % GATE_STORE_KINDS);
        gate_store_key key = key_of(n);
        gate_store_answer answer;
        fill_value(value, len, n, turn);
        gate_entry entry = {
            {(const char *)value, len}, NOW + turn / 100 + (int64_t)(dice >> 50 & 15), 0, 0};
        if ((dice >> 60) < 5)
            answer = store->put(store, kind, &key, NOW + turn / 100, &entry, &version);
        else if ((dice >> 60) < 6)
            answer = store->drop(store, kind, &key, NOW + turn / 100);
        else
            answer = ((dice >> 60) < 7 ? store->take : store->get)(store, kind, &key,
                                                                   NOW + turn / 100, w->p, &record);
        w->odd += answer == GATE_STORE_UNSURE || answer == GATE_STORE_CONFLICT;
        if (answer == GATE_STORE_DONE && (dice >> 60) >= 6)
            w->odd += !is_value_of(record.value, n, NULL);
        w->done++;
        apr_pool_clear(w->p);
    }
    return NULL;
}

static void threads(void)
{
    gate_shm *shm = shm_of(pool, MIB, MIB, NULL);
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(4711);
    worker workers[THREADS];
    uint64_t number = 0;
    gate_entry zero = {{(const char *)&number, sizeof(number)}, NOW + HOUR, 0, 0};
    gate_record record;

    run(shm, add_marks, workers);
    ok(total(workers) == 500 && oddities(workers) == 0,
       "of many who add at once, exactly one succeeds");
    run(shm, take_marks, workers);
    ok(total(workers) == 500 && oddities(workers) == 0,
       "of many who take at once, exactly one gets it");
    store->add(store, GATE_STORE_SESSION, &key, NOW, &zero, NULL);
    run(shm, count_up, workers);
    store->get(store, GATE_STORE_SESSION, &key, NOW, pool, &record);
    memcpy(&number, record.value.ptr, sizeof(number));
    ok(number == THREADS * 100 && oddities(workers) == 0, "no compare-and-set is lost (%u)",
       (unsigned)number);
    gate_shm *tight = small(pool);
    run(tight, mix, workers);
    ok(oddities(workers) == 0, "everything at once gives nobody another's value");
    in_order(tight, "and leaves the store in order");
}

/* --- a lock that is not given back --- */

static const gate_stripe *stripe_of(gate_shm *shm, gate_store_kind kind, uint64_t n)
{
    gate_store_key key = key_of(n);
    const gate_shm_region *region = gate_segment_region(shm->segment, kind);

    return &region->stripes[gate_stripe_place_of(gate_stripe_hash(&shm->segment->seed, kind, &key),
                                                 region->places)];
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void locks(void)
{
    gate_shm *shm = small(pool);
    const gate_stripe *stripe = stripe_of(shm, GATE_STORE_SESSION, 1);
    int ready[2], status;
    char go;

    put(shm, GATE_STORE_SESSION, 1, 1000, NOW, NOW + HOUR);
    if (pipe(ready) != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        gate_stripe_lock(stripe);
        _exit(write(ready[1], "x", 1) == 1 && pause());
    }
    if (read(ready[0], &go, 1) != 1)
        return;
    double start = seconds();
    answered(get(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_UNSURE,
             "who cannot get the lock cannot tell");
    ok(seconds() - start < 5, "and does not wait for ever");
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    start = seconds();
    answered(get(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_DONE,
             "a lock whose holder was killed is taken over");
    ok(seconds() - start < 1, "at once");
    ok(usage_of(shm, GATE_STORE_SESSION).repaired == 1, "and the repair is counted");
    in_order(shm, "after that all is in order");
    close(ready[0]);
    close(ready[1]);
}

/* --- versions --- */

static void versions_never_come_back(void)
{
    gate_shm *shm = small(pool);
    gate_store *store = gate_shm_store(shm);
    gate_store_key key = key_of(1);
    gate_entry entry = entry_of(1, 1, 100, NOW + HOUR, 0);
    gate_record record;
    uint64_t last = 0, version = 0;
    bool rising = true;

    for (unsigned turn = 0; turn < 300; turn++) {
        const gate_stripe *stripe = stripe_of(shm, GATE_STORE_SESSION, 1);
        store->put(store, GATE_STORE_SESSION, &key, NOW, &entry, &version);
        rising = rising && version > last;
        last = version;
        if (turn % 3 == 0)
            store->drop(store, GATE_STORE_SESSION, &key, NOW);
        else if (turn % 3 == 1)
            store->take(store, GATE_STORE_SESSION, &key, NOW, pool, &record);
        gate_stripe_lock(stripe);
        if (turn % 5 == 0)
            stripe->state->version ^= 1 << turn % 7;
        gate_stripe_mend(stripe);
        gate_stripe_unlock(stripe);
        if (turn % 100 == 99) {
            const gate_shm_options options = {SMALL * (2 + turn / 100), SMALL, NULL};
            const char *problem;
            gate_shm_resize(pool, shm, &options, &shm, &problem);
            store = gate_shm_store(shm);
        }
    }
    ok(rising, "no version comes twice, through drops, takes, repairs, damage and moves");
}

/* --- damage --- */

#define DAMAGE_KEYS 60

/* One round of everything; how many values came back that are not the key's. */
static unsigned use_all(gate_shm *shm, unsigned round)
{
    gate_store *store = gate_shm_store(shm);
    unsigned foreign = 0;
    gate_record record;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    for (unsigned n = 0; n < DAMAGE_KEYS; n++) {
        gate_store_kind kind = (gate_store_kind)((n + round) % GATE_STORE_KINDS);
        gate_store_key key = key_of(n);
        gate_entry entry = entry_of(n, round, 16 + n * 97 % 5000, NOW + HOUR, 0);
        bool takes = (n + round) % 11 == 0;
        gate_store_answer answer =
            (takes ? store->take : store->get)(store, kind, &key, NOW + round, p, &record);
        if (answer == GATE_STORE_DONE)
            foreign += !is_value_of(record.value, n, NULL);
        if ((n + round) % 7 == 0)
            store->look(store, kind, &key, NOW + round, &record);
        if ((n + round) % 3 == 0)
            store->put(store, kind, &key, NOW + round, &entry, NULL);
        if ((n + round) % 13 == 0)
            store->drop(store, kind, &key, NOW + round);
    }
    apr_pool_destroy(p);
    return foreign;
}

static void flip(gate_shm *shm, uint64_t *dice, bool in_use_only)
{
    gate_segment *segment = shm->segment;
    size_t offset;

    do {
        *dice = *dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        offset = (size_t)(*dice >> 11) % segment->bytes;
        /* most of the segment is values: half of the flips go where the numbers are */
        if (in_use_only && (*dice & 1)) {
            const gate_shm_region *region = &segment->regions[*dice >> 1 & 1];
            const gate_stripe *stripe = &region->stripes[(*dice >> 2 & 7) % region->places];
            size_t part = (size_t)(*dice >> 33);
            const unsigned char *at =
                (unsigned char *)stripe->state + part % sizeof(gate_stripe_state);
            if (*dice & 32)
                at = (unsigned char *)&stripe->links[part % 400];
            if (*dice & 64)
                at = stripe->blocks[(part / 128) % 400].bytes + part % 128;
            offset = (size_t)(at - segment->base);
        }
    } while (is_lock_byte(segment, offset));
    segment->base[offset] ^= (unsigned char)(1 << (*dice >> 8 & 7));
}

static void a_damaged_record_is_nobodys(void)
{
    static const char *const parts[] = {"head", "value", "end of the value"};
    static const size_t offsets[] = {40, 200, GATE_STRIPE_BLOCK * 3 + 5};

    for (unsigned i = 0; i < 3; i++) {
        gate_shm *shm = small(pool);
        const gate_stripe *stripe = stripe_of(shm, GATE_STORE_SESSION, 1);
        put(shm, GATE_STORE_SESSION, 1, 1000, NOW, NOW + HOUR);
        flood(shm, GATE_STORE_SESSION, 2, 20, 100, NOW, NOW + HOUR);
        stripe->blocks->bytes[offsets[i]] ^= 4;
        if (i > 0)
            answered(look(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_DONE,
                     "who looks does not see the value");
        answered((i > 0 ? get : look)(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_UNSURE,
                 parts[i]);
        answered(get(shm, GATE_STORE_SESSION, 1, NOW), GATE_STORE_ABSENT,
                 "damage is told once, then the record is gone");
        ok(usage_of(shm, GATE_STORE_SESSION).repaired == 1 &&
               still_there(shm, GATE_STORE_SESSION, 2, 20, NOW) == 20,
           "and no other with it");
        in_order(shm, "all is in order again");
    }
}

static void damage_between_calls(void)
{
    gate_shm *shm = small(pool);
    uint64_t dice = 42;
    unsigned foreign = 0;

    for (unsigned round = 0; round < 1500; round++) {
        foreign += use_all(shm, round);
        flip(shm, &dice, true);
    }
    ok(foreign == 0, "1500 flipped bits give nobody another's value");
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < shm->segment->regions[i].places; n++)
            gate_stripe_mend(&shm->segment->regions[i].stripes[n]);
    }
    in_order(shm, "mending puts all in order again");
    for (unsigned n = 0; n < 100; n++)
        put(shm, GATE_STORE_TOKEN, n, 500, NOW + 2000, NOW + HOUR);
    ok(still_there(shm, GATE_STORE_TOKEN, 0, 100, NOW + 2000) == 100,
       "and the store works as before");
}

static void damage_of_everything(void)
{
    gate_shm *shm = small(pool);
    uint64_t dice = 4242;
    unsigned foreign = 0;

    for (unsigned round = 0; round < 40; round++) {
        use_all(shm, round);
        for (size_t at = 4096; at < shm->segment->bytes; at++) {
            dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
            if (!is_lock_byte(shm->segment, at) && (round % 2 || dice >> 60 == 0))
                shm->segment->base[at] = (unsigned char)(dice >> 40);
        }
        foreign += use_all(shm, round + 1);
    }
    ok(foreign == 0, "a segment full of noise gives nobody anything");
}

#ifndef __SANITIZE_THREAD__
static volatile bool stop_flipping;

static void *keep_flipping(void *data)
{
    uint64_t dice = 7;

    while (!stop_flipping) {
        flip(data, &dice, true);
        for (volatile unsigned i = 0; i < 2000; i++)
            ;
    }
    return NULL;
}

static void damage_under_load(void)
{
    gate_shm *shm = small(pool);
    pthread_t thread;
    unsigned foreign = 0;

    pthread_create(&thread, NULL, keep_flipping, shm);
    for (unsigned round = 0; round < 1500; round++)
        foreign += use_all(shm, round);
    stop_flipping = true;
    pthread_join(thread, NULL);
    ok(foreign == 0, "bits flipped under load give nobody another's value");
}
#endif

/* --- the file --- */

static const char *directory;

static const char *path(const char *name)
{
    return apr_pstrcat(pool, directory, "/", name, NULL);
}

static void make_file(const char *file, const char *content, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, content, strlen(content)) < 0 || fchmod(fd, mode) != 0)
        printf("# cannot make %s\n", file);
    close(fd);
}

static apr_status_t try(apr_pool_t *p, const char *file, apr_size_t sessions, gate_shm **shm,
                        const char **problem)
{
    const gate_shm_options options = {sessions, SMALL, file};

    *problem = NULL;
    return gate_shm_create(p, &options, shm, problem);
}

static off_t size_of(const char *file)
{
    struct stat st;

    return stat(file, &st) == 0 ? st.st_size : -1;
}

static void a_file_keeps_it(void)
{
    const char *file = path("sessions"), *problem;
    gate_shm *shm, *second;
    gate_record record = {0}, again = {0};
    gate_store_key key = key_of(3);
    apr_pool_t *p;
    struct stat st;

    apr_pool_create(&p, pool);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS && problem == NULL,
       "a file is made where none is");
    ok(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600, "with mode 0600");
    ok(st.st_blocks * 512 >= st.st_size, "and all its room on the disk");
    flood(shm, GATE_STORE_SESSION, 0, 50, 1500, NOW, NOW + HOUR);
    gate_shm_store(shm)->get(gate_shm_store(shm), GATE_STORE_SESSION, &key, NOW + 7, pool, &record);
    ok(try(p, file, SMALL, &second, &problem) == APR_EBUSY &&
           strstr(problem, "in use by another running server"),
       "a second server is refused: %s", problem);
    apr_pool_clear(p);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS, "after a stop it is taken over");
    ok(still_there(shm, GATE_STORE_SESSION, 0, 50, NOW + 8) == 50, "with all that is in it");
    gate_shm_store(shm)->get(gate_shm_store(shm), GATE_STORE_SESSION, &key, NOW + 7, pool, &again);
    ok(again.version == record.version && again.created == NOW, "as it was");
    in_order(shm, "and in order");
    apr_pool_clear(p);
    ok(try(p, file, 2 * MIB, &shm, &problem) == APR_SUCCESS && size_of(file) > (off_t)(2 * MIB),
       "another size is another file");
    ok(still_there(shm, GATE_STORE_SESSION, 0, 50, NOW + 8) == 50, "that has all the other had");
    ok(size_of(path("sessions.new")) == -1, "and nothing is left over");
    apr_pool_clear(p);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS &&
           still_there(shm, GATE_STORE_SESSION, 0, 50, NOW + 8) == 50,
       "back to the smaller size");
    apr_pool_destroy(p);
}

static void what_does_not_fit_is_not_lost(void)
{
    const char *file = path("large"), *problem;
    gate_shm *shm;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    try(p, file, 2 * MIB, &shm, &problem);
    unsigned done = flood(shm, GATE_STORE_SESSION, 0, 400, 3000, NOW, NOW + HOUR);
    apr_pool_clear(p);
    ok(try(p, file, SMALL, &shm, &problem) == APR_ENOSPC, "too small a size is refused: %s",
       problem);
    ok(size_of(path("large.new")) == -1, "nothing is left over");
    ok(try(p, file, 2 * MIB, &shm, &problem) == APR_SUCCESS &&
           still_there(shm, GATE_STORE_SESSION, 0, 400, NOW) == done,
       "and what is alive is still there");
    flood(shm, GATE_STORE_MARK, 0, 1, 30, NOW + HOUR, NOW + 2 * HOUR);
    for (unsigned n = 0; n < 100; n++)
        add(shm, GATE_STORE_MARK, 10 + n, 30, NOW + HOUR, NOW + 2 * HOUR);
    apr_pool_clear(p);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS &&
           still_there(shm, GATE_STORE_MARK, 10, 100, NOW + HOUR) == 100,
       "once the sessions have expired the rest fits");
    apr_pool_destroy(p);
}

static void a_crash_of_all_is_survived(void)
{
    const char *file = path("crash"), *problem;
    gate_shm *shm;
    int status;
    apr_pool_t *p;
    pid_t child = fork();

    if (child == 0) {
        if (try(pool, file, SMALL, &shm, &problem) != APR_SUCCESS)
            _exit(1);
        flood(shm, GATE_STORE_SESSION, 0, 50, 1500, NOW, NOW + HOUR);
        const gate_stripe *stripe = stripe_of(shm, GATE_STORE_SESSION, 1);
        gate_stripe_lock(stripe);
        stripe->state->free = 3;
        stripe->state->kinds[0].records = 1000;
        kill(getpid(), SIGKILL);
    }
    waitpid(child, &status, 0);
    apr_pool_create(&p, pool);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS &&
           still_there(shm, GATE_STORE_SESSION, 0, 50, NOW + 8) == 50,
       "a server that died with a lock held loses nothing");
    in_order(shm, "and its file is in order");
    child = fork();
    if (child == 0) {
        sleep(30);
        _exit(0);
    }
    apr_pool_clear(p);
    ok(try(p, file, SMALL, &shm, &problem) == APR_EBUSY,
       "while a child of the last server lives its file is in use");
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    ok(try(p, file, SMALL, &shm, &problem) == APR_SUCCESS, "and not afterwards");
    apr_pool_destroy(p);
}

static void refuse(const char *file, const char *words, const char *name)
{
    const char *problem;
    gate_shm *shm;
    off_t before = size_of(file);
    apr_status_t status = try(pool, file, SMALL, &shm, &problem);

    ok(status != APR_SUCCESS && problem && strstr(problem, words) && size_of(file) == before,
       "refused: %s (%s)", name, problem ? problem : "it was not");
}

static void damage_file(const char *file, off_t at)
{
    unsigned char byte = 0;
    int fd = open(file, O_RDWR);

    if (pread(fd, &byte, 1, at) == 1)
        byte ^= 1;
    if (pwrite(fd, &byte, 1, at) != 1)
        printf("# cannot damage %s\n", file);
    close(fd);
}

static void other_peoples_files_are_left_alone(void)
{
    const char *file = path("mine"), *problem;
    gate_shm *shm;
    apr_pool_t *p;

    make_file(path("notes"), "a shopping list, and longer than a magic number", 0600);
    refuse(path("notes"), "not a session store", "a file of another kind");
    make_file(path("empty"), "", 0600);
    refuse(path("empty"), "not a session store", "an empty file");
    make_file(path("open"), "", 0644);
    refuse(path("open"), "mode 0644", "a file that others may read");
    make_file(path("group"), "", 0620);
    refuse(path("group"), "mode 0620", "a file that its group may write");
    if (symlink("notes", path("link")) == 0)
        refuse(path("link"), "symbolic link", "a symbolic link");
    mkdir(path("dir"), 0700);
    refuse(path("dir"), "cannot open", "a directory");
    mkfifo(path("fifo"), 0600);
    refuse(path("fifo"), "no plain file", "a fifo");
    refuse(path("nowhere/at/all"), "cannot make", "a file in a directory that is not there");
    make_file(path("theirs"), "", 0600);
    if (chown(path("theirs"), 65534, 65534) == 0)
        refuse(path("theirs"), "another user", "a file of another user");

    apr_pool_create(&p, pool);
    try(p, file, SMALL, &shm, &problem);
    apr_pool_destroy(p);
    damage_file(file, 9);
    refuse(file, "another version", "a file of another layout");
    damage_file(file, 9);
    damage_file(file, 41);
    refuse(file, "damaged", "a file with a damaged header");
    damage_file(file, 41);
    if (truncate(file, 8192) == 0)
        refuse(file, "damaged", "a file that was cut short");
    make_file(path("fresh.new"), "not ours", 0600);
    refuse(path("fresh"), "in the way", "something strange where the new file is to be built");
    make_file(path("fresh.new"), "OIDCGATE and nothing more", 0600);
    ok(try(pool, path("fresh"), SMALL, &shm, &problem) == APR_SUCCESS &&
           size_of(path("fresh.new")) == -1,
       "what an interrupted server left half built is cleared away");
}

/* Of the first bytes a part is written, which is no error to the system. */
static void a_full_disk_is_called_one(void)
{
    const char *file = path("full"), *problem = NULL;
    struct rlimit was, tight;
    gate_shm *shm;
    apr_status_t status;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &was);
    tight = was;
    tight.rlim_cur = 4;
    setrlimit(RLIMIT_FSIZE, &tight);
    errno = 0;
    status = try(pool, file, SMALL, &shm, &problem);
    setrlimit(RLIMIT_FSIZE, &was);
    ok(status == APR_ENOSPC && problem && strstr(problem, "No space left") && size_of(file) == -1 &&
           size_of(path("full.new")) == -1,
       "a disk that takes four bytes: %s", problem ? problem : "nothing was said");
}

static void damaged_files_are_opened(void)
{
    const char *file = path("noise"), *problem;
    uint64_t dice = 99;
    gate_shm *shm;
    unsigned opened = 0, foreign = 0;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    for (unsigned round = 0; round < 60; round++) {
        apr_status_t status = try(p, file, SMALL << round / 6 % 2, &shm, &problem);
        if (status == APR_ENOSPC) /* what came through the damage does not fit the smaller size */
            status = try(p, file, SMALL << 1, &shm, &problem);
        if (status != APR_SUCCESS)
            break;
        opened++;
        foreign += use_all(shm, round);
        for (unsigned i = 0; i < 50; i++) {
            do
                dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
            while ((dice >> 11) % shm->segment->bytes < 4096);
            shm->segment->base[(dice >> 11) % shm->segment->bytes] ^= (unsigned char)(dice >> 3);
        }
        apr_pool_clear(p);
    }
    ok(opened == 60 && foreign == 0,
       "damage behind the header, locks included, keeps no server from starting");
    apr_pool_destroy(p);
}

static void files(void)
{
    char name[] = "/tmp/store-shm-XXXXXX";

    directory = mkdtemp(name);
    a_file_keeps_it();
    what_does_not_fit_is_not_lost();
    a_crash_of_all_is_survived();
    other_peoples_files_are_left_alone();
    a_full_disk_is_called_one();
    damaged_files_are_opened();
    if (system(apr_psprintf(pool, "rm -rf %s", directory)) != 0)
        printf("# %s stays\n", directory);
}

/* --- moving house --- */

static gate_shm *resize(apr_pool_t *p, gate_shm *old, apr_size_t sessions, apr_size_t tokens,
                        const char *file, apr_status_t *status)
{
    const gate_shm_options options = {sessions, tokens, file};
    const char *problem;
    gate_shm *shm = NULL;

    *status = gate_shm_resize(p, old, &options, &shm, &problem);
    return shm;
}

static void resizing(void)
{
    gate_shm *old = shm_of(pool, MIB, MIB, NULL);
    gate_store *store = gate_shm_store(old);
    gate_store_key key = key_of(7), other = key_of(60);
    gate_record before = {0}, after = {0};
    apr_status_t status;
    unsigned all = 0;

    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++)
        flood(old, (gate_store_kind)kind, 100 * kind, 20, 700, NOW, NOW + HOUR);
    gate_entry entry = entry_of(7, 3, 777, NOW + HOUR, 900);
    store->put(store, GATE_STORE_SESSION, &key, NOW, &entry, NULL);
    store->get(store, GATE_STORE_SESSION, &key, NOW + 33, pool, &before);
    put(old, GATE_STORE_SESSION, 60, 100, NOW - 10, NOW - 9);
    /* in every stripe, for each knows what time it is by its own records */
    for (unsigned n = 10000; n < 10300; n++)
        put(old, GATE_STORE_SESSION, n, 100, NOW, NOW + HOUR);
    gate_shm *shm = resize(pool, old, 4 * MIB, 2 * MIB, NULL, &status);
    ok(status == APR_SUCCESS && usage_of(shm, GATE_STORE_SESSION).bytes == 4 * MIB,
       "a store can be made larger");
    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++)
        all += still_there(shm, (gate_store_kind)kind, 100 * kind, 20, NOW + 1);
    ok(all == 20 * GATE_STORE_KINDS, "and keeps all kinds (%u)", all);
    gate_shm_store(shm)->get(gate_shm_store(shm), GATE_STORE_SESSION, &key, NOW + 33, pool, &after);
    ok(after.version == before.version && after.created == before.created &&
           after.seen == before.seen && after.expires == before.expires &&
           after.idle == before.idle && gate_span_equal(after.value, before.value),
       "each record with its past");
    answered(gate_shm_store(shm)->get(gate_shm_store(shm), GATE_STORE_SESSION, &other, NOW - 10,
                                      pool, &after),
             GATE_STORE_ABSENT, "what had expired does not move");
    ok(still_there(old, GATE_STORE_SESSION, 0, 20, NOW + 1) == 20 &&
           put(old, GATE_STORE_SESSION, 999, 50, NOW, NOW + 9) == 0,
       "the old store goes on working");
    in_order(shm, "the new one is in order");
    ok(!resize(pool, shm, SMALL, SMALL, NULL, &status) || status == APR_SUCCESS,
       "a store can be made smaller");
    gate_shm *full = shm_of(pool, 2 * MIB, SMALL, NULL);
    flood(full, GATE_STORE_SESSION, 0, 300, 3000, NOW, NOW + HOUR);
    ok(!resize(pool, full, SMALL, SMALL, NULL, &status) && status == APR_ENOSPC,
       "but not so small that somebody would be signed out");
    gate_shm *tokens = shm_of(pool, SMALL, 2 * MIB, NULL);
    flood(tokens, GATE_STORE_TOKEN, 0, 300, 3000, NOW, NOW + HOUR);
    shm = resize(pool, tokens, SMALL, SMALL, NULL, &status);
    ok(shm && usage_of(shm, GATE_STORE_TOKEN).records[GATE_STORE_TOKEN] > 20,
       "tokens may be left behind");
}

static void resizing_into_files(void)
{
    char name[] = "/tmp/store-shm-XXXXXX";
    gate_shm *old, *shm;
    apr_status_t status;
    const char *problem;
    apr_pool_t *first, *second;

    directory = mkdtemp(name);
    apr_pool_create(&first, pool);
    apr_pool_create(&second, pool);
    old = small(first);
    flood(old, GATE_STORE_SESSION, 0, 50, 1000, NOW, NOW + HOUR);
    shm = resize(second, old, SMALL, SMALL, path("one"), &status);
    ok(shm && still_there(shm, GATE_STORE_SESSION, 0, 50, NOW) == 50, "from memory into a file");
    apr_pool_clear(first);
    shm = resize(first, shm, MIB, SMALL, path("one"), &status);
    ok(shm && still_there(shm, GATE_STORE_SESSION, 0, 50, NOW) == 50,
       "from a file into its successor");
    ok(try(pool, path("one"), MIB, &old, &problem) == APR_EBUSY, "which is in use at once");
    apr_pool_clear(second);
    ok(try(pool, path("one"), MIB, &old, &problem) == APR_EBUSY,
       "and stays so when the old one goes");
    make_file(path("two"), "a letter to a friend", 0600);
    ok(!resize(second, shm, MIB, SMALL, path("two"), &status) && size_of(path("two")) == 20,
       "another's file is not replaced");
    shm = resize(second, shm, MIB, SMALL, path("three"), &status);
    ok(shm && still_there(shm, GATE_STORE_SESSION, 0, 50, NOW) == 50,
       "into a file of another name");
    apr_pool_clear(first);
    ok(try(first, path("one"), MIB, &old, &problem) == APR_SUCCESS,
       "the file left behind is free again");
    ok(!resize(second, shm, MIB, SMALL, path("one"), &status) && status == APR_EBUSY,
       "unless somebody uses it");
    apr_pool_destroy(first);
    apr_pool_destroy(second);
    if (system(apr_psprintf(pool, "rm -rf %s", directory)) != 0)
        printf("# %s stays\n", directory);
}

/* --- walks, and until when there can be any --- */

typedef struct walk {
    gate_shm *shm;
    unsigned count, strange, ends_after;
    bool drops;
} walk;

static bool meet(void *context, const gate_store_key *key, const gate_record *record)
{
    walk *w = context;
    gate_store *store = gate_shm_store(w->shm);
    uint64_t n;

    memcpy(&n, record->value.ptr, 8);
    gate_store_key own = key_of(n);
    w->strange += memcmp(&own, key, sizeof own) != 0 || record->value.len != GATE_STORE_GLANCE ||
                  record->expires != NOW + HOUR;
    if (w->drops)
        w->strange += store->drop(store, GATE_STORE_SESSION, key, NOW) != GATE_STORE_DONE;
    return ++w->count != w->ends_after;
}

static gate_store_answer stroll(walk *w, int64_t now)
{
    gate_store *store = gate_shm_store(w->shm);

    w->count = w->strange = 0;
    return store->each(store, GATE_STORE_SESSION, now, meet, w);
}

static void walks(void)
{
    walk w = {.shm = shm_of(pool, 4 * MIB, SMALL, NULL)};
    gate_store_key dead;

    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 0, "an empty store shows nobody");
    flood(w.shm, GATE_STORE_SESSION, 0, 1000, 300, NOW, NOW + HOUR);
    flood(w.shm, GATE_STORE_MARK, 5000, 100, 300, NOW, NOW + HOUR);
    put(w.shm, GATE_STORE_SESSION, 2000, 300, NOW - 9, NOW - 5);
    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 1000 && !w.strange,
       "a walk shows each record of the kind that is alive, and how it begins (%u)", w.count);
    ok(stroll(&w, NOW + HOUR) == GATE_STORE_DONE && w.count == 0, "and none that has expired");
    w.ends_after = 7;
    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 7, "it ends where its visitor has enough");
    w.ends_after = 0;
    dead = key_of(3);
    for (unsigned n = 0; n < w.shm->segment->regions[GATE_SHM_SESSIONS].places; n++) {
        gate_stripe *stripe = &w.shm->segment->regions[GATE_SHM_SESSIONS].stripes[n];
        for (uint32_t block = 0; block < stripe->count; block++)
            if (!memcmp(&stripe->blocks[block].head.key, &dead, sizeof dead))
                stripe->blocks[block].head.version ^= 1;
    }
    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 999 && !w.strange,
       "what is damaged is not shown");
    w.drops = true;
    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 999 && !w.strange,
       "the visitor may use the store: each is dropped as it is met");
    w.drops = false;
    ok(stroll(&w, NOW) == GATE_STORE_DONE && w.count == 0, "and then there is none");
    in_order(w.shm, "after walks all is in order");
}

static int64_t latest(gate_shm *shm, gate_store_kind kind)
{
    return gate_shm_store(shm)->latest(gate_shm_store(shm), kind);
}

static void bounds(void)
{
    char name[] = "/tmp/store-shm-XXXXXX";
    gate_shm *shm = small(pool), *moved;
    const char *problem;
    gate_key secret;
    apr_status_t status;
    apr_pool_t *p;

    ok(latest(shm, GATE_STORE_REVOCATION) == 0 && latest(shm, GATE_STORE_SESSION) == 0,
       "an empty store knows that there is nothing");
    put(shm, GATE_STORE_REVOCATION, 1, 50, NOW, NOW + HOUR);
    put(shm, GATE_STORE_REVOCATION, 2, 50, NOW, NOW + 9);
    ok(latest(shm, GATE_STORE_REVOCATION) == NOW + HOUR && latest(shm, GATE_STORE_SESSION) == 0,
       "it keeps until when there can be any, for each kind apart");
    ok(latest(shm, GATE_STORE_TOKEN) == INT64_MAX, "but where nobody asks");
    moved = resize(pool, shm, MIB, SMALL, NULL, &status);
    ok(moved && latest(moved, GATE_STORE_REVOCATION) == NOW + HOUR, "it moves with the records");
    ok(moved && !memcmp(gate_shm_secret(shm), gate_shm_secret(moved), sizeof secret),
       "as the secret does");
    directory = mkdtemp(name);
    apr_pool_create(&p, pool);
    try(p, path("bounds"), SMALL, &shm, &problem);
    secret = *gate_shm_secret(shm);
    put(shm, GATE_STORE_REVOCATION, 1, 50, NOW, NOW + HOUR);
    shm->segment->bounds[GATE_STORE_REVOCATION].latest = 0; /* a page that was not written */
    apr_pool_clear(p);
    try(p, path("bounds"), SMALL, &shm, &problem);
    ok(latest(shm, GATE_STORE_REVOCATION) == NOW + HOUR, "a file's records say it again");
    apr_pool_clear(p);
    try(p, path("bounds"), MIB, &shm, &problem);
    ok(latest(shm, GATE_STORE_REVOCATION) == NOW + HOUR, "in another size too");
    ok(!memcmp(&secret, gate_shm_secret(shm), sizeof secret), "and the secret stays");
    apr_pool_destroy(p);
    if (system(apr_psprintf(pool, "rm -rf %s", directory)) != 0)
        printf("# %s stays\n", directory);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    verbs();
    sizes();
    times();
    looking_tells_all_but_the_value();
    the_front_is_enough();
    damage_behind_the_front();
    what_was_gone_stays_gone();
    strangers_push_out_nobody();
    marks_are_refused_not_forgotten();
    a_full_region_logs_nobody_out();
    the_least_recently_used_goes_first();
    memory_is_as_promised();
    keys_do_not_pile_up();
    threads();
    locks();
    versions_never_come_back();
    a_damaged_record_is_nobodys();
    damage_between_calls();
    damage_of_everything();
#ifndef __SANITIZE_THREAD__
    damage_under_load();
#endif
    files();
    resizing();
    resizing_into_files();
    walks();
    bounds();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
