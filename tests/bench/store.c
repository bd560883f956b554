/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* What a call of the shared-memory store costs, by how many records there are, full or not, alone
 * or with 64 threads.
 *
 *   make build/bench-store
 *   build/bench-store                                   measures; JSON
 *   build/bench-store fill FILE SESSIONS TOKENS COUNT   writes a file for OIDCGateSessionStore
 *                                                       file=, with COUNT records nobody asks for
 *
 * SESSIONS and TOKENS are the sizes of the regions, in MiB. `make bench` runs both.
 *
 * A million records of 1000 bytes take 1.4 GB of memory. */
#include "io/store_shm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>

#define NOW     INT64_C(1700000000)
#define YEAR    (365 * 86400)
#define ROUNDS  200000
#define THREADS 64

#define LENGTH 1000 /* bytes of a value */

static char content[LENGTH];

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of this thread: what else runs on the machine does not count. */
static double cpu(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t next(uint64_t *dice)
{
    *dice = *dice * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *dice >> 33;
}

static gate_store_key key_of(uint64_t n)
{
    gate_store_key key;
    uint64_t x = n;

    for (unsigned i = 0; i < sizeof(key.bytes); i += 8) {
        x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15) + 1;
        memcpy(key.bytes + i, &x, 8);
    }
    return key;
}

static gate_shm *make(apr_pool_t *p, apr_size_t sessions, apr_size_t tokens, const char *file)
{
    const gate_shm_options options = {sessions, tokens, file};
    const char *problem = NULL;
    gate_shm *shm;

    if (gate_shm_create(p, &options, &shm, &problem) != APR_SUCCESS) {
        fprintf(stderr, "%s\n", problem);
        exit(1);
    }
    return shm;
}

/* Writes keys [from, to); nanoseconds for each. */
static double write_at(gate_store *store, gate_store_kind kind, uint64_t from, uint64_t to,
                       int64_t now)
{
    gate_entry entry = {{content, LENGTH}, now + YEAR, 0, 0};
    double start = cpu();

    for (uint64_t n = from; n < to; n++) {
        gate_store_key key = key_of(n);
        store->put(store, kind, &key, now, &entry, NULL);
    }
    return (cpu() - start) / (double)(to - from) * 1e9;
}

static double write_all(gate_store *store, gate_store_kind kind, uint64_t from, uint64_t to)
{
    return write_at(store, kind, from, to, NOW);
}

static double drop_all(gate_store *store, gate_store_kind kind, uint64_t from, uint64_t to)
{
    double start = cpu();

    for (uint64_t n = from; n < to; n++) {
        gate_store_key key = key_of(n);
        store->drop(store, kind, &key, NOW);
    }
    return (cpu() - start) / (double)(to - from) * 1e9;
}

static double read_some(gate_store *store, gate_store_kind kind, uint64_t first, uint64_t count)
{
    gate_record record;
    apr_pool_t *p;
    uint64_t dice = 1, there = 0;

    apr_pool_create(&p, NULL);
    double start = cpu();
    for (unsigned n = 0; n < ROUNDS; n++) {
        gate_store_key key = key_of(first + next(&dice) % count);
        there += store->get(store, kind, &key, NOW, p, &record) == GATE_STORE_DONE;
        if (n % 16 == 0)
            apr_pool_clear(p);
    }
    double each = (cpu() - start) / ROUNDS * 1e9;
    apr_pool_destroy(p);
    if (there != ROUNDS && there != 0)
        fprintf(stderr, "%lu of %d were there\n", (unsigned long)there, ROUNDS);
    return each;
}

static double look_at_some(gate_store *store, gate_store_kind kind, uint64_t first, uint64_t count)
{
    gate_record record;
    uint64_t dice = 1;
    double start = cpu();

    for (unsigned n = 0; n < ROUNDS; n++) {
        gate_store_key key = key_of(first + next(&dice) % count);
        store->look(store, kind, &key, NOW, &record);
    }
    return (cpu() - start) / ROUNDS * 1e9;
}

/* The same region each time, so that only the number of records differs. */
static void by_count(apr_pool_t *p)
{
    static const uint64_t counts[] = {1000, 100000, 1000000};
    const uint64_t extra = 1u << 29, more = 20000;

    printf("{\"value_bytes\":%d,\"by_count\":[", LENGTH);
    for (unsigned i = 0; i < 3; i++) {
        apr_pool_t *own;
        apr_pool_create(&own, p);
        gate_store *store = gate_shm_store(
            make(own, (apr_size_t)((LENGTH + 700) * 1.3e6), (apr_size_t)1 << 20, NULL));
        write_all(store, GATE_STORE_SESSION, 0, counts[i]);
        double get = read_some(store, GATE_STORE_SESSION, 0, counts[i]);
        double look = look_at_some(store, GATE_STORE_SESSION, 0, counts[i]);
        double miss = read_some(store, GATE_STORE_SESSION, 1u << 30, counts[i]);
        write_all(store, GATE_STORE_SESSION, extra, extra + more); /* the kernel gives the pages */
        double drop = drop_all(store, GATE_STORE_SESSION, extra, extra + more);
        double fresh = write_all(store, GATE_STORE_SESSION, extra + more, extra + 2 * more);
        double over = write_all(store, GATE_STORE_SESSION, extra + more, extra + 2 * more);
        printf("%s{\"records\":%lu,\"get_ns\":%.0f,\"look_ns\":%.0f,\"miss_ns\":%.0f,"
               "\"put_new_ns\":%.0f,\"put_over_ns\":%.0f,\"drop_ns\":%.0f}",
               i ? "," : "", (unsigned long)counts[i], get, look, miss, fresh, over, drop);
        apr_pool_destroy(own);
    }
}

/* Regions of several sizes that hold all they can: a token pushes out another, a session is
 * refused. */
static void when_full(apr_pool_t *p)
{
    static const apr_size_t mib[] = {16, 128, 1024};

    printf("],\"full\":[");
    for (unsigned i = 0; i < 3; i++) {
        apr_pool_t *own;
        apr_pool_create(&own, p);
        gate_store *store = gate_shm_store(make(own, mib[i] << 20, mib[i] << 20, NULL));
        uint64_t fill = ((uint64_t)mib[i] << 20) / LENGTH * 12 / 10;
        write_all(store, GATE_STORE_TOKEN, 0, fill);
        write_all(store, GATE_STORE_SESSION, 0, fill);
        double get = read_some(store, GATE_STORE_TOKEN, fill - fill / 10, fill / 10);
        double evicting = write_all(store, GATE_STORE_TOKEN, fill, fill + ROUNDS);
        double refused = write_all(store, GATE_STORE_SESSION, fill, fill + ROUNDS);
        printf("%s{\"mib\":%lu,\"get_ns\":%.0f,\"put_evicting_ns\":%.0f,\"put_refused_ns\":%.0f}",
               i ? "," : "", (unsigned long)mib[i], get, evicting, refused);
        apr_pool_destroy(own);
    }
}

typedef struct crowd {
    gate_store *store;
    uint64_t count;
    unsigned writes_in_1000;
    _Atomic bool stop;
    _Atomic uint64_t calls, unsure;
    _Atomic unsigned born;
} crowd;

static void *visit(void *data)
{
    crowd *c = data;
    uint64_t dice = atomic_fetch_add(&c->born, 1) + 1, calls = 0, unsure = 0;
    gate_entry entry = {{content, LENGTH}, NOW + YEAR, 1800, 0};
    gate_record record;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    for (; !c->stop; calls++) {
        gate_store_key key = key_of(next(&dice) % c->count);
        gate_store_answer answer;
        if (next(&dice) % 1000 < c->writes_in_1000)
            answer = c->store->put(c->store, GATE_STORE_SESSION, &key, NOW, &entry, NULL);
        else
            answer = c->store->get(c->store, GATE_STORE_SESSION, &key, NOW, p, &record);
        unsure += answer == GATE_STORE_UNSURE;
        if (calls % 16 == 0)
            apr_pool_clear(p);
    }
    atomic_fetch_add(&c->calls, calls);
    atomic_fetch_add(&c->unsure, unsure);
    apr_pool_destroy(p);
    return NULL;
}

static double throughput(gate_store *store, uint64_t count, unsigned threads,
                         unsigned writes_in_1000)
{
    static crowd c;
    pthread_t ids[THREADS];

    c = (crowd){.store = store, .count = count, .writes_in_1000 = writes_in_1000};
    double start = seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, visit, &c);
    usleep(700000);
    c.stop = true;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    if (c.unsure)
        fprintf(stderr, "%lu could not tell\n", (unsigned long)c.unsure);
    return (double)c.calls / (seconds(CLOCK_MONOTONIC) - start) / 1e6;
}

/* The best of several turns each, taken in turns: the rest of the machine is not still. */
static void in_a_crowd(apr_pool_t *p)
{
    static const unsigned writes_in_1000[] = {0, 10, 100};
    gate_store *store = gate_shm_store(make(p, (apr_size_t)64 << 20, (apr_size_t)1 << 20, NULL));
    const uint64_t count = ((uint64_t)64 << 20) / (LENGTH + 700) / 2;

    write_all(store, GATE_STORE_SESSION, 0, count);
    printf("],\"crowd\":[");
    for (unsigned threads = 1; threads <= THREADS; threads *= 8) {
        double best[3] = {0};
        for (unsigned turn = 0; turn < 15; turn++) {
            double now = throughput(store, count, threads, writes_in_1000[turn % 3]);
            best[turn % 3] = now > best[turn % 3] ? now : best[turn % 3];
        }
        printf("%s{\"threads\":%u,\"reading\":%.2f,\"writing_1\":%.2f,\"writing_10\":%.2f}",
               threads > 1 ? "," : "", threads, best[0], best[1], best[2]);
    }
    printf("]}\n");
}

static void fill(apr_pool_t *p, char **words)
{
    const apr_size_t sessions = strtoul(words[1], NULL, 10), tokens = strtoul(words[2], NULL, 10);
    gate_store *store = gate_shm_store(make(p, sessions << 20, tokens << 20, words[0]));

    write_at(store, GATE_STORE_SESSION, 0, strtoul(words[3], NULL, 10), time(NULL));
}

int main(int argc, char **argv)
{
    const bool is_to_fill = argc == 6 && !strcmp(argv[1], "fill");
    apr_pool_t *p;

    if (argc != 1 && !is_to_fill)
        return 1;
    apr_initialize();
    apr_pool_create(&p, NULL);
    memset(content, 'x', sizeof(content));
    if (is_to_fill) {
        fill(p, argv + 2);
    } else {
        by_count(p);
        when_full(p);
        in_a_crowd(p);
    }
    apr_pool_destroy(p);
    apr_terminate();
    return 0;
}
