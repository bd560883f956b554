/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/rehearse.h"

#include <stddef.h>

#include <apr_strings.h>

static gate_store *real_of(gate_store *store)
{
    const gate_rehearsal *rehearsal =
        (gate_rehearsal *)(void *)((char *)store - offsetof(gate_rehearsal, store));

    return rehearsal->real->store;
}

/* --- what can be looked at --- */

static gate_store_answer get(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, apr_pool_t *p, gate_record *record)
{
    return real_of(store)->get(real_of(store), kind, key, now, p, record);
}

static gate_store_answer front(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                               int64_t now, apr_pool_t *p, gate_record *record)
{
    return real_of(store)->front(real_of(store), kind, key, now, p, record);
}

static gate_store_answer look(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, gate_record *record)
{
    return real_of(store)->look(real_of(store), kind, key, now, record);
}

static gate_store_answer each(gate_store *store, gate_store_kind kind, int64_t now,
                              gate_store_visit *visit, void *context)
{
    return real_of(store)->each(real_of(store), kind, now, visit, context);
}

static int64_t latest(gate_store *store, gate_store_kind kind)
{
    return real_of(store)->latest(real_of(store), kind);
}

/* --- what is not done --- */

static gate_store_answer put(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                             int64_t now, const gate_entry *entry, uint64_t *version)
{
    if (version)
        *version = 1;
    return GATE_STORE_DONE;
}

static gate_store_answer replace(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                                 int64_t now, const gate_entry *entry, uint64_t if_version,
                                 uint64_t *version)
{
    return put(store, kind, key, now, entry, version);
}

/* Whoever takes something does so because it may be had once: here it cannot be had. */
static gate_store_answer take(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now, apr_pool_t *p, gate_record *record)
{
    return GATE_STORE_UNSURE;
}

static gate_store_answer drop(gate_store *store, gate_store_kind kind, const gate_store_key *key,
                              int64_t now)
{
    return GATE_STORE_DONE;
}

static bool may_ask(void *context, const char *address, apr_int64_t now, int limit_address,
                    int limit_total)
{
    return true; /* nobody is asked, so nothing is counted */
}

/* --- providers --- */

/* Method and address; a query may hold more than others should see. */
static const char *address_of(apr_pool_t *p, const gate_question *question)
{
    return apr_psprintf(p, "%s %.*s", question->form ? "POST" : "GET",
                        (int)strcspn(question->url, "?"), question->url);
}

static gate_reason fetch(void *context, apr_pool_t *p, const gate_question *question,
                         const gate_fetch_limits *limits, gate_answer *answer, const char **detail)
{
    gate_rehearsal *rehearsal = context;
    gate_world *real = rehearsal->real;
    const char *address = address_of(rehearsal->trace->pool, question);
    gate_reason reason = GATE_IDP_UNREACHABLE;

    rehearsal->calls++;
    if (rehearsal->asks) {
        reason = real->fetch(real->fetch_context, p, question, limits, answer, detail);
        gate_trace_add(rehearsal->trace, "provider is asked", address, reason, *detail);
    } else {
        *detail = "the provider would be asked here, and was not";
        gate_trace_add(rehearsal->trace, "provider would be asked", address, GATE_OK, NULL);
    }
    return reason;
}

void gate_rehearse(gate_rehearsal *rehearsal, gate_world *real, gate_trace *trace, bool asks)
{
    *rehearsal = (gate_rehearsal){
        .world = *real,
        .store = {get, front, look, put, put, replace, take, drop, each, latest},
        .real = real,
        .trace = trace,
        .asks = asks,
    };
    rehearsal->world.fetch = fetch;
    rehearsal->world.fetch_context = rehearsal;
    if (asks)
        return;
    rehearsal->world.store = &rehearsal->store;
    rehearsal->world.may_ask = may_ask;
}
