/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* What is made ready before children are forked serves each of them, and no two of them say the
 * same at random (P-11). GATE_LONG=1: a hundred thousand children. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/json.h"
#include "base/seal.h"
#include "io/fetch.h"
#include "io/store_shm.h"
#include "jose/jwt.h"
#include "sign.h"
#include "tap.h"

#define AT_ONCE  4
#define CHILDREN 400
#define NONCE    12

/* What a child says: that all went well, and what it had at random. */
typedef struct report {
    int problem; /* 0: none */
    unsigned char bytes[16], nonce[NONCE];
    char text[24];
} report;

static struct {
    apr_pool_t *pool;
    gate_key key;
    gate_digest digest;
    gate_span box; /* sealed by the parent */
    const gate_jwks *keys;
    const char *token;
    gate_shm *shm;
} shared;

static const gate_span what[] = {{"a", 1}, {"digest", 6}};

/* With what the parent computes, it is no longer as it was made: the parent uses all of it. */
static bool make_ready(void)
{
    static const char key_text[] = "0123456789abcdef0123456789abcdef";
    const gate_shm_options options = {.session_bytes = 256 << 10, .token_bytes = 256 << 10};
    const char *problem;
    EVP_PKEY *key = sign_make_key(shared.pool, "P-256");
    gate_jwt *jwt;

    gate_json_setup();
    shared.token = sign_jwt(shared.pool, key, "ES256", "{\"alg\":\"ES256\"}", "{\"sub\":\"a\"}");
    shared.keys = gate_jwks_read(
        shared.pool,
        gate_span_of(apr_pstrcat(shared.pool, "{\"keys\":[",
                                 sign_public_jwk(shared.pool, key, NULL, NULL), "]}", NULL)));
    return gate_fetch_setup() == APR_SUCCESS &&
           gate_key_derive(&shared.key, gate_span_of(key_text), "fork") &&
           gate_digest_of(&shared.digest, what, 2) &&
           gate_box_seal(shared.pool, &shared.key, "fork", GATE_SPAN("c"), GATE_SPAN("plain"),
                         gate_random_bytes, &shared.box) &&
           gate_jwt_read(shared.pool, gate_span_of(shared.token), GATE_ALGS_ASYMMETRIC, &jwt) ==
               GATE_OK &&
           gate_jwt_verify(jwt, shared.keys) == GATE_OK &&
           gate_shm_create(shared.pool, &options, &shared.shm, &problem) == APR_SUCCESS;
}

static bool computes(apr_pool_t *p)
{
    gate_digest digest;
    gate_span plain;
    gate_jwt *jwt;

    return gate_digest_of(&digest, what, 2) && !memcmp(&digest, &shared.digest, sizeof digest) &&
           gate_box_open(p, &shared.key, "fork", GATE_SPAN("c"), shared.box, &plain) &&
           gate_span_is(plain, "plain") &&
           gate_jwt_read(p, gate_span_of(shared.token), GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK &&
           gate_jwt_verify(jwt, shared.keys) == GATE_OK;
}

static bool keeps(apr_pool_t *p, const report *r)
{
    gate_store *store = gate_shm_store(shared.shm);
    const gate_entry entry = {.value = GATE_SPAN("v"), .expires = 2000};
    gate_store_key key;
    gate_record record;
    uint64_t version;

    memset(&key, 0, sizeof key);
    memcpy(key.bytes, r->bytes, sizeof r->bytes);
    return store->put(store, GATE_STORE_TOKEN, &key, 1000, &entry, &version) == GATE_STORE_DONE &&
           store->get(store, GATE_STORE_TOKEN, &key, 1000, p, &record) == GATE_STORE_DONE &&
           gate_span_is(record.value, "v");
}

/* Nobody listens there: what counts is that asking works, and ends. */
static bool asks(apr_pool_t *p)
{
    const gate_fetch_limits limits = {.connect_ms = 2000, .total_ms = 2000, .max_body = 1000};
    const gate_question question = {.url = "http://127.0.0.1:1/", .accept = "*/*"};
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const char *detail = NULL;
    gate_answer answer;

    return fetcher &&
           gate_fetch(fetcher, p, &question, &limits, &answer, &detail) == GATE_IDP_UNREACHABLE;
}

static bool draws(apr_pool_t *p, report *r)
{
    const char *text = gate_random_text(p, gate_random_bytes, 16);
    gate_span box;

    if (!text || !gate_random_bytes(r->bytes, sizeof r->bytes) ||
        !gate_box_seal(p, &shared.key, "fork", GATE_SPAN("c"), GATE_SPAN("x"), gate_random_bytes,
                       &box))
        return false;
    memcpy(r->nonce, box.ptr, NONCE);
    apr_cpystrn(r->text, text, sizeof r->text);
    return true;
}

static void *work(void *data)
{
    report *r = data;
    apr_pool_t *p;

    r->problem = 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return NULL;
    r->problem = !draws(p, r) ? 2 : !computes(p) ? 3 : !keeps(p, r) ? 4 : !asks(p) ? 5 : 0;
    apr_pool_destroy(p);
    return NULL;
}

/* A child of httpd works in threads, or, as prefork's, in the one that it was forked in. */
static void be_child(int number, int out)
{
    report r = {.problem = 6};
    pthread_t thread;

    if (number % 2)
        work(&r);
    else if (pthread_create(&thread, NULL, work, &r) == 0)
        pthread_join(thread, NULL);
    _exit(write(out, &r, sizeof r) == (ssize_t)sizeof r ? 0 : 1);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(report));
}

/* How many of the reports have the same in that member as another. */
static int alike(report *all, int count, size_t offset, size_t len)
{
    report *sorted = calloc((size_t)count, sizeof *sorted);
    int found = 0;

    for (int i = 0; i < count; i++)
        memcpy(&sorted[i], (const char *)&all[i] + offset, len);
    qsort(sorted, (size_t)count, sizeof *sorted, compare);
    for (int i = 1; i < count; i++)
        found += !memcmp(&sorted[i - 1], &sorted[i], sizeof *sorted);
    free(sorted);
    return found;
}

/* A few at once, so that they also meet. The last report is the parent's own. */
static int run_children(report *all, int count)
{
    int ends[2], problems = 0;

    if (pipe(ends) != 0)
        return count;
    for (int begun = 0, done = 0; done < count;) {
        while (begun < count && begun - done < AT_ONCE) {
            const pid_t child = fork();
            if (!child)
                be_child(begun, ends[1]);
            problems += child < 0;
            begun++;
        }
        ssize_t got;
        while ((got = read(ends[0], &all[done], sizeof *all)) < 0 && errno == EINTR)
            ;
        if (got != (ssize_t)sizeof *all || waitpid(-1, NULL, 0) < 0)
            return count;
        problems += all[done++].problem != 0;
    }
    work(&all[count]);
    close(ends[0]);
    close(ends[1]);
    return problems + (all[count].problem != 0);
}

int main(void)
{
    const int count = getenv("GATE_LONG") ? 100000 : CHILDREN;
    report *all = calloc((size_t)count + 1, sizeof *all);
    int problems;

    apr_initialize();
    apr_pool_create(&shared.pool, NULL);
    if (!ok(all && make_ready(), "all is ready before there is a child"))
        return tap_done();
    problems = run_children(all, count);
    ok(problems == 0,
       "each child computes, keeps and asks as it should: %d of %d do not, the first "
       "for %d",
       problems, count, problems ? all[0].problem : 0);
    ok(!alike(all, count + 1, offsetof(report, bytes), sizeof all->bytes), "random bytes differ");
    ok(!alike(all, count + 1, offsetof(report, nonce), NONCE), "nonces differ");
    ok(!alike(all, count + 1, offsetof(report, text), sizeof all->text), "ids differ");
    free(all);
    apr_pool_destroy(shared.pool);
    apr_terminate();
    return tap_done();
}
