/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/meter.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define CELLS 1000
#define TIMES 20000

static gate_meter *meter;

static void *count(void *data)
{
    for (int i = 0; i < TIMES; i++)
        gate_meter_add(meter, 7, 1);
    return data;
}

static void test_alone(void)
{
    uint64_t all = 0;

    for (size_t i = 0; i < CELLS; i++)
        all += gate_meter_read(meter, i);
    ok(all == 0, "all numbers begin at 0");
    gate_meter_add(meter, 0, 2);
    gate_meter_add(meter, CELLS - 1, 3);
    gate_meter_set(meter, 5, 1750000000);
    ok(gate_meter_read(meter, 0) == 2, "the first counts");
    ok(gate_meter_read(meter, CELLS - 1) == 3, "and the last");
    ok(gate_meter_read(meter, 5) == 1750000000, "and one can be set");
    ok(gate_meter_read(meter, 1) == 0 && gate_meter_read(meter, CELLS - 2) == 0,
       "their neighbors stay");
}

static void test_together(void)
{
    pthread_t threads[4];
    pid_t children[2];
    int status, died = 0;

    fflush(stdout);
    for (size_t i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            count(NULL);
            _exit(0);
        }
    }
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 2; i++)
        died += waitpid(children[i], &status, 0) != children[i] || status != 0;
    ok(!died && gate_meter_read(meter, 7) == 6 * TIMES,
       "threads and processes count together, and none is lost");
}

int main(void)
{
    meter = gate_meter_make(CELLS);
    if (!ok(meter != NULL, "there is memory"))
        return tap_done();
    test_alone();
    test_together();
    ok(gate_meter_make(SIZE_MAX / 16) == NULL, "where there is not, that is said");
    return tap_done();
}
