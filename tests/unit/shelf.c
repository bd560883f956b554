/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/shelf.h"

#include <pthread.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tap.h"

#define NOW    1750000000
#define PLACES 64
#define ROOM   (PLACES * GATE_SHELF_BLOCK_BYTES) /* and a little more, for the index */

static apr_pool_t *pool;
static gate_shelf *shelf;

static void begin(void)
{
    shelf = gate_shelf_make(PLACES);
}

static gate_shelf_name name_of(const char *text)
{
    const gate_span part = gate_span_of(text);

    gate_shelf_name name;

    gate_shelf_name_of(shelf, &name, &part, 1);
    return name;
}

static void put(const char *name, int64_t now, const char *text)
{
    const gate_shelf_name n = name_of(name);

    gate_shelf_put(shelf, &n, now, gate_span_of(text));
}

/* What is there as a text; "-" for nothing. */
static const char *found(const char *name, int64_t now)
{
    const gate_shelf_name n = name_of(name);
    gate_span block;

    return gate_shelf_find(shelf, &n, now, pool, &block) ? gate_span_dup(pool, block) : "-";
}

static void drop(const char *name)
{
    const gate_shelf_name n = name_of(name);

    gate_shelf_drop(shelf, &n);
}

/* Whether the bytes are anywhere on it. */
static bool lies_about(const char *text)
{
    return memmem(shelf, ROOM, text, strlen(text));
}

static void test_find(void)
{
    begin();
    is(found("alice", NOW), "-", "an empty one has nothing");
    put("alice", NOW, "hers");
    put("bob", NOW, "his");
    is(found("alice", NOW), "hers", "what was put there is found");
    is(found("bob", NOW), "his", "each by its own name");
    is(found("alic", NOW), "-", "and by no other");
    is(found("alice ", NOW), "-", "be it ever so like");
    put("alice", NOW + 1, "newer");
    is(found("alice", NOW + 1), "newer", "the newer is in the place of the older");
    drop("alice");
    is(found("alice", NOW + 1), "-", "what was dropped is gone");
    is(found("bob", NOW + 1), "his", "and nothing else");
    drop("alice");
    drop("nobody");
    is(found("bob", NOW + 1), "his", "what is not there can be dropped as well");
}

static void test_copy(void)
{
    const gate_shelf_name n = (begin(), name_of("alice"));
    gate_span first, second;

    put("alice", NOW, "hers");
    gate_shelf_find(shelf, &n, NOW, pool, &first);
    gate_shelf_find(shelf, &n, NOW, pool, &second);
    ok(first.ptr != second.ptr && (uintptr_t)first.ptr % 8 == 0, "each finds a copy of its own");
    drop("alice");
    ok(gate_span_is(first, "hers"), "which stays when others take it down");
}

static void test_names(void)
{
    gate_shelf *one = (begin(), shelf), *other;

    begin();
    other = shelf;
    const gate_span parts[] = {GATE_SPAN("session"), GATE_SPAN("secret")};
    gate_shelf_name a, b;

    ok(gate_shelf_name_of(one, &a, parts, 2) && gate_shelf_name_of(other, &b, parts, 2),
       "names are made");
    ok(!gate_fold_equal(&a, &b), "names are each process's own");
    gate_shelf_put(one, &a, NOW, GATE_SPAN("block"));
    shelf = one;
    ok(!lies_about("secret") && lies_about("block"), "and what they name is not on it");
}

static void test_size(void)
{
    static char large[GATE_SHELF_BLOCK_BYTES + 1];
    const gate_shelf_name n = (begin(), name_of("large"));
    gate_span block;

    memset(large, 'x', sizeof large);
    gate_shelf_put(shelf, &n, NOW, (gate_span){large, sizeof large});
    ok(!gate_shelf_find(shelf, &n, NOW, pool, &block), "what is too large is not kept");
    gate_shelf_put(shelf, &n, NOW, (gate_span){large, sizeof large - 1});
    ok(gate_shelf_find(shelf, &n, NOW, pool, &block) && block.len == sizeof large - 1 &&
           !memcmp(block.ptr, large, block.len),
       "and one byte less is");
    gate_shelf_put(shelf, &n, NOW, GATE_SPAN(""));
    ok(gate_shelf_find(shelf, &n, NOW, pool, &block) && block.len > 0,
       "nothing is not kept either");
}

/* However many come, it holds as many as it has places, and the newest are among them. */
static void test_bounded(void)
{
    enum { MANY = 10000 };
    int there = 0, wrong = 0, newest = 0;

    begin();
    for (int i = 0; i < MANY; i++)
        put(apr_itoa(pool, i), NOW, apr_psprintf(pool, "block %d", i));
    for (int i = 0; i < MANY; i++) {
        const char *block = found(apr_itoa(pool, i), NOW);

        there += *block != '-';
        wrong += *block != '-' && strcmp(block, apr_psprintf(pool, "block %d", i)) != 0;
        newest += *block != '-' && i >= MANY - 8;
    }
    ok(there == PLACES && !wrong, "of %d as many are there as it has places, each its own", MANY);
    ok(newest == 8, "the last eight among them");
}

/* Whatever is asked for again stays. */
static void test_oldest_goes(void)
{
    int there = 0;

    begin();
    put("asked for", NOW, "it");
    for (int i = 0; i < 1000; i++) {
        put(apr_itoa(pool, i), NOW, "another");
        there += !strcmp(found("asked for", NOW), "it");
    }
    ok(there == 1000, "what is asked for all the time has its place, whoever comes");
    for (int i = 1000; i < 2000; i++)
        put(apr_itoa(pool, i), NOW, "another");
    is(found("asked for", NOW), "-", "and loses it when nobody asks");
}

static void test_wiped(void)
{
    begin();
    put("a", NOW, "confidential-dropped");
    ok(lies_about("confidential-dropped"), "what is there can be read there");
    drop("a");
    ok(!lies_about("confidential-dropped"), "and not when it was dropped");
    put("b", NOW, "short confidential-and-long");
    put("b", NOW, "brief");
    ok(!lies_about("confidential-and-long"), "nor what was longer than that in its place");
    put("c", NOW, "confidential-pushed-out");
    for (int i = 0; i < 1000; i++)
        put(apr_itoa(pool, i), NOW, "x");
    ok(!lies_about("confidential-pushed-out"), "nor what was pushed out");
}

static void test_forgotten(void)
{
    begin();
    put("left", NOW, "confidential-left");
    put("used", NOW, "confidential-used");
    for (int i = 0; i < PLACES; i++)
        put("else", NOW + GATE_SHELF_SECONDS - 1, "x");
    ok(lies_about("confidential-left"), "what nobody asks for stays for a while");
    found("used", NOW + GATE_SHELF_SECONDS - 1);
    for (int i = 0; i < PLACES; i++)
        put("else", NOW + GATE_SHELF_SECONDS, "x");
    ok(!lies_about("confidential-left"), "and goes then, though nobody needs the place");
    is(found("used", NOW + GATE_SHELF_SECONDS), "confidential-used", "what was asked for stays");
}

/* --- many at once --- */

#define NAMES 100
#define TURNS 20000

static void *use(void *data)
{
    unsigned dice = (unsigned)(uintptr_t)data + 1;
    uintptr_t wrong = 0;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    for (int i = 0; i < TURNS; i++) {
        char block[256];
        gate_span got;
        gate_shelf_name n;

        dice = dice * 1103515245u + 12345u;
        const unsigned who = dice >> 16 & 0xffff, len = 100 + who % NAMES;
        memset(block, (int)(1 + who % NAMES), len);
        if (!gate_shelf_name_of(shelf, &n, &(gate_span){block, 1}, 1)) {
            wrong++;
            continue;
        }
        if (i % 3 == 0)
            gate_shelf_put(shelf, &n, NOW, (gate_span){block, len});
        else if (i % 97 == 0)
            gate_shelf_drop(shelf, &n);
        else if (gate_shelf_find(shelf, &n, NOW, p, &got))
            wrong += got.len != len || memcmp(got.ptr, block, len) != 0;
        if (i % 100 == 0)
            apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return (void *)wrong;
}

static void test_threads(void)
{
    pthread_t threads[8];
    uintptr_t wrong = 0;

    begin();
    for (uintptr_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, use, (void *)i);
    for (int i = 0; i < 8; i++) {
        void *result;

        pthread_join(threads[i], &result);
        wrong += (uintptr_t)result;
    }
    ok(!wrong, "eight threads at once find what goes with the name, whole, or nothing");
}

static void test_small(void)
{
    ok(gate_shelf_make(0) == NULL, "one of no places is none");
    shelf = gate_shelf_make(1);
    put("a", NOW, "one");
    is(found("a", NOW), "one", "and a small one is one");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_find();
    test_copy();
    test_names();
    test_size();
    test_bounded();
    test_oldest_goes();
    test_wiped();
    test_forgotten();
    test_threads();
    test_small();
    apr_terminate();
    return tap_done();
}
