/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/flight.h"

#include <apr_atomic.h>

/* The waiting grows from short to long, so that a fast answer is met soon and a slow one costs few
 * looks. */
#define FIRST_PAUSE_MS   5
#define LONGEST_PAUSE_MS 50

static gate_reason reason_of(gate_span outcome)
{
    unsigned char byte;

    if (outcome.len != 1)
        return GATE_OK;
    byte = (unsigned char)outcome.ptr[0];
    return byte < GATE_REASON_COUNT ? (gate_reason)byte : GATE_INTERNAL;
}

/* Whether the lease was that of one who died over it, and is ours now. Of many who find that, one
 * gets it. */
static bool inherit(gate_flight *flight, const gate_record *found, apr_int64_t now,
                    const gate_entry *lease)
{
    const gate_world *w = flight->world;

    return w->is_gone && found->value.len > 1 && w->is_gone(found->value) &&
           w->store->replace(w->store, flight->kind, &flight->key, now, lease, found->version,
                             &flight->version) == GATE_STORE_DONE;
}

/* One look at the lease: LEAD where it could be had, LATE where somebody is at it. */
static gate_flight_part look(gate_flight *flight, apr_pool_t *p, apr_int64_t now, int lease_seconds,
                             gate_reason *reason)
{
    gate_store *store = flight->world->store;
    const gate_entry lease = {.value = flight->world->self, .expires = now + lease_seconds};
    gate_record record;

    switch (store->add(store, flight->kind, &flight->key, now, &lease, &flight->version)) {
    case GATE_STORE_DONE:
        return GATE_FLIGHT_LEAD;
    case GATE_STORE_CONFLICT:
        break;
    default:
        *reason = GATE_STORE_UNAVAILABLE;
        return GATE_FLIGHT_FAILED;
    }
    if (store->get(store, flight->kind, &flight->key, now, p, &record) != GATE_STORE_DONE)
        return GATE_FLIGHT_LATE;
    *reason = reason_of(record.value);
    if (*reason != GATE_OK)
        return GATE_FLIGHT_FAILED;
    return inherit(flight, &record, now, &lease) ? GATE_FLIGHT_LEAD : GATE_FLIGHT_LATE;
}

/* One look, and whether what is looked for is there. LATE: there is nothing to do but to wait. */
static gate_flight_part take_turn(gate_flight *flight, apr_pool_t *p, const gate_flight_plan *plan,
                                  apr_int64_t now, gate_reason *reason)
{
    const gate_flight_part part = look(flight, p, now, plan->lease_seconds, reason);

    if (part == GATE_FLIGHT_FAILED || !plan->landed(plan->context))
        return part;
    if (part == GATE_FLIGHT_LEAD)
        gate_flight_end(flight, GATE_OK, 0);
    return GATE_FLIGHT_LANDED;
}

/* --- waiting --- */

/* How long a peer may take before it counts as slow, and how long it does from then on; seconds. */
#define SLOW_AFTER_SECONDS 2
#define SLOW_FOR_SECONDS   10

static bool is_slow(gate_crowd *crowd, apr_int64_t now, apr_int64_t begun)
{
    if (now - begun >= SLOW_AFTER_SECONDS)
        apr_atomic_set32(&crowd->slow_until, (apr_uint32_t)(now + SLOW_FOR_SECONDS));
    return (apr_int32_t)(apr_atomic_read32(&crowd->slow_until) - (apr_uint32_t)now) > 0;
}

/* Takes one out of the crowd, if it is too large; of many who try, no more than are too many. */
static bool leaves(gate_crowd *crowd)
{
    apr_uint32_t waiting;

    do {
        waiting = apr_atomic_read32(&crowd->waiting);
        if (waiting <= crowd->most)
            return false;
    } while (apr_atomic_cas32(&crowd->waiting, waiting - 1, waiting) != waiting);
    return true;
}

static gate_flight_part wait_for(gate_flight *flight, apr_pool_t *p, const gate_flight_plan *plan,
                                 gate_crowd *crowd, gate_reason *reason)
{
    gate_world *w = flight->world;
    const apr_int64_t begun = w->clock();
    gate_flight_part part = GATE_FLIGHT_LATE;
    int pause_ms = FIRST_PAUSE_MS;

    apr_atomic_inc32(&crowd->waiting);
    for (apr_int64_t now = begun; part == GATE_FLIGHT_LATE && now < begun + plan->wait_seconds;
         now = w->clock()) {
        if (crowd->most && is_slow(crowd, now, begun) && leaves(crowd)) {
            *reason = GATE_IDP_BUSY;
            return GATE_FLIGHT_FAILED;
        }
        w->pause(pause_ms);
        pause_ms = pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms * 2;
        part = take_turn(flight, p, plan, w->clock(), reason);
    }
    apr_atomic_dec32(&crowd->waiting);
    return part;
}

gate_flight_part gate_flight_join(gate_flight *flight, const gate_request *q, gate_world *w,
                                  const gate_flight_plan *plan, gate_reason *reason)
{
    gate_crowd alone = {.most = 0};
    gate_flight_part part;

    *flight = (gate_flight){.world = w, .kind = plan->kind};
    *reason = GATE_INTERNAL;
    if (!gate_digest_of(&flight->key, plan->parts, (size_t)plan->count))
        return GATE_FLIGHT_FAILED;
    part = take_turn(flight, q->pool, plan, w->clock(), reason);
    if (part == GATE_FLIGHT_LATE)
        part = wait_for(flight, q->pool, plan, plan->crowd ? plan->crowd : &alone, reason);
    if (part == GATE_FLIGHT_LATE)
        *reason = GATE_IDP_TIMEOUT;
    return part;
}

/* A crowd of our own is over before anybody need remember it. */
static bool is_memorable(gate_reason reason)
{
    return reason != GATE_OK && reason != GATE_IDP_BUSY && reason != GATE_STORE_UNAVAILABLE;
}

void gate_flight_end(gate_flight *flight, gate_reason reason, int remember_seconds)
{
    gate_store *store = flight->world->store;
    const apr_int64_t now = flight->world->clock();
    const char outcome = (char)reason;
    /* Over our own lease alone: if it ran out meanwhile, somebody else leads. */
    const gate_entry last_word = {
        .value = {&outcome, 1},
        /* 0: gone, wherever the clock goes */
        .expires = is_memorable(reason) ? now + remember_seconds : 0,
    };

    store->replace(store, flight->kind, &flight->key, now, &last_word, flight->version, NULL);
}
