/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/flight.h"

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

gate_flight_part gate_flight_join(gate_flight *flight, const gate_request *q, gate_world *w,
                                  const gate_flight_plan *plan, gate_reason *reason)
{
    const apr_int64_t deadline = w->clock() + plan->wait_seconds;
    int pause_ms = FIRST_PAUSE_MS;

    *flight = (gate_flight){.world = w, .kind = plan->kind};
    *reason = GATE_INTERNAL;
    if (!gate_digest_of(&flight->key, plan->parts, (size_t)plan->count))
        return GATE_FLIGHT_FAILED;
    for (;;) {
        const apr_int64_t now = w->clock();
        const gate_flight_part part = look(flight, q->pool, now, plan->lease_seconds, reason);

        if (part == GATE_FLIGHT_FAILED)
            return part;
        if (plan->landed(plan->context)) {
            if (part == GATE_FLIGHT_LEAD)
                gate_flight_end(flight, GATE_OK, 0);
            return GATE_FLIGHT_LANDED;
        }
        if (part == GATE_FLIGHT_LEAD)
            return part;
        if (now >= deadline)
            break;
        w->pause(pause_ms);
        pause_ms = pause_ms * 2 > LONGEST_PAUSE_MS ? LONGEST_PAUSE_MS : pause_ms * 2;
    }
    *reason = GATE_IDP_TIMEOUT;
    return GATE_FLIGHT_LATE;
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
