/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* flight.h - one of many does the work, the others wait for what it brings: across threads,
 * processes and machines */
#ifndef GATE_GATE_FLIGHT_H
#define GATE_GATE_FLIGHT_H

#include "gate/gate.h"

typedef enum gate_flight_part {
    GATE_FLIGHT_LEAD,   /* the work is yours: do it, then gate_flight_end */
    GATE_FLIGHT_LANDED, /* it is done: what `landed` looked for is there */
    GATE_FLIGHT_FAILED, /* it was tried a moment ago and failed: *reason says how */
    GATE_FLIGHT_LATE,   /* nobody finished within the time, or the store could not tell */
} gate_flight_part;

typedef struct gate_flight {
    gate_world *world;
    gate_store_kind kind;
    gate_store_key key;
    uint64_t version;
} gate_flight;

/* Who waits for one peer in this process. As long as it answers in time, any number may; once it
 * has kept somebody waiting, no more than `most`, so that others find a thread (GATE_IDP_BUSY). */
typedef struct gate_crowd {
    apr_uint32_t most; /* 0: any number, always */
    apr_uint32_t waiting;
    apr_uint32_t slow_until; /* seconds, as far as they go into it */
} gate_crowd;

/* What is to be done once. */
typedef struct gate_flight_plan {
    gate_store_kind
        kind; /* GATE_STORE_LEASE where strangers cause it, GATE_STORE_DOCUMENT where they cannot */
    const gate_span *parts; /* what names the work, its purpose first ("fetch", ...) */
    int count;
    /* A leader that is not done by then is taken for dead, and replaced; one that is known to be
     * dead at once. */
    int lease_seconds;
    int wait_seconds;  /* how long the others wait; 0: not at all */
    gate_crowd *crowd; /* of the peer that they wait for; NULL: all may */
    bool (*landed)(
        void *context); /* whether the result is there; asked first of all by whoever would lead */
    void *context;
} gate_flight_plan;

gate_flight_part gate_flight_join(gate_flight *flight, const gate_request *q, gate_world *w,
                                  const gate_flight_plan *plan, gate_reason *reason);

/* The leader's last word. reason GATE_OK: the result is in its place. Else everybody who joins
 * within remember_seconds fails at once with that reason (0, or what is only of the moment: nothing
 * is remembered, and the next one tries). */
void gate_flight_end(gate_flight *flight, gate_reason reason, int remember_seconds);

#endif
