/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* count.h - what is counted, over all processes and graceful restarts: decisions, calls to
 * providers, headers that strangers sent */
#ifndef GATE_HTTPD_COUNT_H
#define GATE_HTTPD_COUNT_H

#include "gate/provider.h"
#include "httpd/request.h"
#include "io/meter.h"

/* So that memory and the number of series stay what they are, whatever is configured and whoever
 * comes; those beyond are counted together. */
#define GATE_COUNT_PLACES    1024
#define GATE_COUNT_PROVIDERS 1024

/* How a call has ended. */
#define GATE_CALL_OUTCOMES(X)                                                      \
    X(GOOD, "2xx")                                                                 \
    X(SENT_ON, "3xx")                                                              \
    X(REFUSED, "4xx")                                                              \
    X(FAILED, "5xx")                                                               \
    X(UNREACHABLE, "unreachable")                                                  \
    X(TIMEOUT, "timeout")                                                          \
    X(NO_ANSWER, "no_answer") /* something that is none, or larger than allowed */ \
    X(OURS, "not_sent")       /* no memory */

typedef enum gate_call_outcome {
#define GATE_OUTCOME_CONSTANT(constant, name) GATE_CALL_##constant,
    GATE_CALL_OUTCOMES(GATE_OUTCOME_CONSTANT)
#undef GATE_OUTCOME_CONSTANT
        GATE_CALL_OUTCOME_COUNT
} gate_call_outcome;

/* How long calls take: the bounds of the histogram in milliseconds, and 0 behind them. */
#define GATE_CALL_BOUNDS                                  \
    {                                                     \
        5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 0 \
    }
#define GATE_CALL_BOUND_COUNT 10

/* "allow", "deny", "redirect", "login", "logout", and what would have been. */
#define GATE_COUNT_VERDICTS 10

/* How what is known of a token was come by. */
#define GATE_COUNT_CACHES 5

/* Readies the memory, while the configuration is read for the first time; NULL where there is none.
 * Nothing is counted then. */
gate_meter *gate_count_begin(void);

/* The numbers under which a place, and a provider, are counted from now on. While requests come,
 * none is added: what is new then is counted with all others. */
int gate_count_place(const char *place, const char *issuer, bool may_add);
int gate_count_provider(const char *issuer, bool may_add);

/* Counts. None takes a lock. */
void gate_count_decision(const gate_state *state, const char *verb, gate_reason reason);
void gate_count_call(int counted_as, gate_reason reason, int status, apr_time_t took);
void gate_count_stripped(int headers);
void gate_count_waited(int milliseconds);

/* --- what has been counted --- */

typedef struct gate_counted_place {
    const char *place, *issuer;
} gate_counted_place;

apr_time_t gate_counted_since(void); /* 0: nothing is counted */
int gate_counted_places(void);
gate_counted_place gate_counted_place_of(int place);
int gate_counted_providers(void);
const char *gate_counted_issuer(int provider);
/* "would_deny" */
const char *gate_counted_verdict(int verdict);
const char *gate_counted_outcome_name(gate_call_outcome outcome);

apr_uint64_t gate_counted_decisions(int place, int verdict, int method, gate_reason reason);
apr_uint64_t gate_counted_cache(int cache);
apr_uint64_t gate_counted_stripped(void);
apr_uint64_t gate_counted_waited(void); /* milliseconds */

/* All calls to one endpoint of a provider; GATE_ENDPOINT_COUNT is the metadata document. */
typedef struct gate_counted_calls {
    apr_uint64_t outcomes[GATE_CALL_OUTCOME_COUNT];
    apr_uint64_t buckets[GATE_CALL_BOUND_COUNT + 1];
    apr_uint64_t microseconds;
    apr_uint64_t failed_at; /* seconds since 1970; 0: never */
} gate_counted_calls;

gate_counted_calls gate_counted_calls_to(int provider, int endpoint);

#endif
