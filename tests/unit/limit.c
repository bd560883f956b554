/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/limit.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tap.h"

#define NOW 1750000000

static gate_limit *limit;

static int count(const char *name, int64_t now, int most, int times)
{
    int allowed = 0;

    for (int i = 0; i < times; i++)
        allowed += gate_limit_count(limit, name, now, most);
    return allowed;
}

static void test_seconds(void)
{
    ok(count("a", NOW, 10, 100) == 10, "of a hundred in one second ten are allowed");
    ok(count("a", NOW + 1, 10, 5) == 5, "in the next second it begins again");
    ok(count("a", NOW + 1, 10, 100) == 5, "up to ten");
    ok(count("a", NOW - 1000, 10, 100) == 10, "where the clock goes back it begins again too");
    ok(count("a", NOW + 2, 3, 100) == 3, "what is the most is said each time");
    ok(count("a", NOW + 2, 5, 100) == 2, "and may be more the next time");
    ok(count("a", NOW, 0, 1000) == 1000, "0 is no limit");
}

static void test_names(void)
{
    apr_pool_t *p;
    int allowed = 0;

    apr_pool_create(&p, NULL);
    for (int i = 0; i < 200; i++)
        allowed += gate_limit_count(limit, apr_psprintf(p, "192.0.2.%d", i), NOW + 10, 1);
    ok(allowed > 180, "names do not count for each other (%d of 200)", allowed);
    ok(count(NULL, NOW + 10, 10, 100) == 10, "nor for what is counted of all together");
    /* In a second of their own: of 200 names some five meet others of them in the 4096 counters. */
    ok(count(NULL, NOW + 11, 10, 100) == 10, "in the next second that begins again");
    allowed = 0;
    for (int i = 0; i < 200; i++)
        allowed += gate_limit_count(limit, apr_psprintf(p, "198.51.100.%d", i), NOW + 11, 1);
    ok(allowed > 180, "nor does that count for them (%d of 200)", allowed);
    apr_pool_destroy(p);
}

static void test_processes(void)
{
    int allowed = 0;

    fflush(stdout);
    for (int i = 0; i < 4; i++) {
        int status = 0;
        pid_t child = fork();

        if (child == 0)
            _exit(count("b", NOW, 10, 4));
        waitpid(child, &status, 0);
        allowed += WEXITSTATUS(status);
    }
    ok(allowed == 10, "four processes count together: %d", allowed);
    ok(count("b", NOW, 10, 1) == 0, "and this one sees it");
}

static void *count_many(void *allowed)
{
    *(int *)allowed = count("c", NOW + 20, 1000, 2000); /* a second that no other name has met */
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    int allowed[4];

    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_many, &allowed[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ok(allowed[0] + allowed[1] + allowed[2] + allowed[3] == 1000,
       "threads lose no count, and get none twice");
}

int main(void)
{
    apr_initialize();
    limit = gate_limit_make();
    ok(limit != NULL, "there is memory for the counters");
    test_seconds();
    test_names();
    test_processes();
    test_threads();
    apr_terminate();
    return tap_done();
}
