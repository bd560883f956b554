/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/count.h"

#include <apr_strings.h>

#define NAME_BYTES 256

/* Method "none": nobody is known. */
#define COUNTED_METHODS (GATE_METHOD_COUNT + 1)

/* Where each number is: one after the other. The decisions of a place lie together, so that what is
 * never counted takes no memory. */
#define PER_PLACE   (GATE_COUNT_VERDICTS * COUNTED_METHODS * GATE_REASON_COUNT)
#define PER_CALL    (GATE_CALL_OUTCOME_COUNT + GATE_CALL_BOUND_COUNT + 1 + 2)
#define DECISIONS   0
#define CALLS       (DECISIONS + GATE_COUNT_PLACES * PER_PLACE)
#define CACHES      (CALLS + GATE_COUNT_PROVIDERS * GATE_CALL_KINDS * PER_CALL)
#define STRIPPED    (CACHES + GATE_COUNT_CACHES)
#define WAITED      (STRIPPED + 1)
#define ALL_NUMBERS (WAITED + 1)

/* What has a number of its own. Written while the configuration is read, in the process from which
 * all others come: they inherit it, and numbers are never given anew. Number 0 is whatever has
 * none. */
typedef struct name {
    char first[NAME_BYTES], second[NAME_BYTES];
} name;

static struct counting {
    gate_meter *meter;
    apr_time_t since;
    name places[GATE_COUNT_PLACES], providers[GATE_COUNT_PROVIDERS];
    int place_count, provider_count;
} counting;

static const char *const verbs[] = {"allow", "deny", "redirect", "login", "logout"};
static const char *const would[] = {"would_allow", "would_deny", "would_redirect", "would_login",
                                    "would_logout"};
static const char *const caches[] = {"hit", "miss", "shared", "stale", "off"};
static const int bounds[] = GATE_CALL_BOUNDS;

#define VERBS ((int)(sizeof verbs / sizeof *verbs))

_Static_assert(GATE_COUNT_VERDICTS == sizeof verbs / sizeof *verbs + sizeof would / sizeof *would,
               "each verdict has its numbers");
_Static_assert(GATE_COUNT_CACHES == sizeof caches / sizeof *caches, "each word has its number");
_Static_assert(GATE_CALL_BOUND_COUNT + 1 == sizeof bounds / sizeof *bounds, "each has its bucket");

/* --- names --- */

gate_meter *gate_count_begin(void)
{
    if (counting.meter)
        return counting.meter;
    counting.meter = gate_meter_make(ALL_NUMBERS);
    counting.since = apr_time_now();
    counting.place_count = counting.provider_count = 1;
    apr_cpystrn(counting.places[0].first, "-", NAME_BYTES);
    apr_cpystrn(counting.places[0].second, "-", NAME_BYTES);
    apr_cpystrn(counting.providers[0].first, "-", NAME_BYTES);
    return counting.meter;
}

static int number_of(name *names, int *count, int most, const char *first, const char *second,
                     bool may_add)
{
    for (int i = 1; i < *count; i++) {
        if (!strncmp(names[i].first, first, NAME_BYTES - 1) &&
            !strncmp(names[i].second, second, NAME_BYTES - 1))
            return i;
    }
    if (!may_add || *count == most || !gate_count_begin())
        return 0;
    apr_cpystrn(names[*count].first, first, NAME_BYTES);
    apr_cpystrn(names[*count].second, second, NAME_BYTES);
    return (*count)++;
}

int gate_count_place(const char *place, const char *issuer, bool may_add)
{
    gate_count_begin();
    return number_of(counting.places, &counting.place_count, GATE_COUNT_PLACES, place, issuer,
                     may_add);
}

int gate_count_provider(const char *issuer, bool may_add)
{
    gate_count_begin();
    return number_of(counting.providers, &counting.provider_count, GATE_COUNT_PROVIDERS, issuer, "",
                     may_add);
}

/* --- counting --- */

static int find_word(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++) {
        if (!strcmp(words[i], word))
            return i;
    }
    return count - 1;
}

static size_t cell_of(int place, int verdict, int method, gate_reason reason)
{
    return DECISIONS + (size_t)place * PER_PLACE +
           ((size_t)verdict * COUNTED_METHODS + (size_t)method) * GATE_REASON_COUNT +
           (size_t)reason;
}

void gate_count_decision(const gate_state *state, const char *verb, gate_reason reason)
{
    const gate_decision *decision = &state->decision;
    const int place = state->settings ? state->settings->counted_as : 0;
    const int method =
        decision->known || decision->cache ? (int)decision->method : GATE_METHOD_COUNT;
    const int verdict = find_word(verbs, VERBS, verb) + (state->is_watched ? VERBS : 0);

    if (!counting.meter)
        return;
    gate_meter_add(counting.meter, cell_of(place, verdict, method, reason), 1);
    if (decision->cache)
        gate_meter_add(counting.meter,
                       CACHES + (size_t)find_word(caches, GATE_COUNT_CACHES, decision->cache), 1);
}

static gate_call_outcome outcome_of(gate_reason reason, int status)
{
    switch (reason) {
    case GATE_OK:
        return status < 300   ? GATE_CALL_GOOD
               : status < 400 ? GATE_CALL_SENT_ON
               : status < 500 ? GATE_CALL_REFUSED
                              : GATE_CALL_FAILED;
    case GATE_IDP_UNREACHABLE:
        return GATE_CALL_UNREACHABLE;
    case GATE_IDP_TIMEOUT:
        return GATE_CALL_TIMEOUT;
    case GATE_IDP_ERROR:
        return GATE_CALL_NO_ANSWER;
    default:
        return GATE_CALL_OURS;
    }
}

static size_t call_cell(int counted_as)
{
    return CALLS + (size_t)counted_as * PER_CALL;
}

/* The numbers of a call: its outcomes, its buckets, the time that all took, when one last failed.
 */
#define BUCKETS   GATE_CALL_OUTCOME_COUNT
#define TIME      (BUCKETS + GATE_CALL_BOUND_COUNT + 1)
#define FAILED_AT (TIME + 1)

void gate_count_call(int counted_as, gate_reason reason, int status, apr_time_t took)
{
    const gate_call_outcome outcome = outcome_of(reason, status);
    const size_t first = call_cell(counted_as);
    size_t bucket = 0;

    if (!counting.meter)
        return;
    while (bounds[bucket] && took > (apr_time_t)bounds[bucket] * 1000)
        bucket++;
    gate_meter_add(counting.meter, first + outcome, 1);
    gate_meter_add(counting.meter, first + BUCKETS + bucket, 1);
    gate_meter_add(counting.meter, first + TIME, took > 0 ? (uint64_t)took : 0);
    if (outcome >= GATE_CALL_FAILED)
        gate_meter_set(counting.meter, first + FAILED_AT, (uint64_t)apr_time_sec(apr_time_now()));
}

void gate_count_stripped(int headers)
{
    if (counting.meter)
        gate_meter_add(counting.meter, STRIPPED, (uint64_t)headers);
}

void gate_count_waited(int milliseconds)
{
    if (counting.meter)
        gate_meter_add(counting.meter, WAITED, (uint64_t)milliseconds);
}

/* --- what has been counted --- */

static apr_uint64_t counted(size_t cell)
{
    return counting.meter ? gate_meter_read(counting.meter, cell) : 0;
}

apr_time_t gate_counted_since(void)
{
    return counting.since;
}

int gate_counted_places(void)
{
    return counting.place_count;
}

gate_counted_place gate_counted_place_of(int place)
{
    return (gate_counted_place){counting.places[place].first, counting.places[place].second};
}

int gate_counted_providers(void)
{
    return counting.provider_count;
}

const char *gate_counted_issuer(int provider)
{
    return counting.providers[provider].first;
}

const char *gate_counted_verdict(int verdict)
{
    return verdict < VERBS ? verbs[verdict] : would[verdict - VERBS];
}

const char *gate_counted_outcome_name(gate_call_outcome outcome)
{
    static const char *const names[] = {
#define GATE_OUTCOME_NAME(constant, text) text,
        GATE_CALL_OUTCOMES(GATE_OUTCOME_NAME)
#undef GATE_OUTCOME_NAME
    };

    return names[outcome];
}

apr_uint64_t gate_counted_decisions(int place, int verdict, int method, gate_reason reason)
{
    return counted(cell_of(place, verdict, method, reason));
}

apr_uint64_t gate_counted_cache(int cache)
{
    return counted(CACHES + (size_t)cache);
}

apr_uint64_t gate_counted_stripped(void)
{
    return counted(STRIPPED);
}

apr_uint64_t gate_counted_waited(void)
{
    return counted(WAITED);
}

gate_counted_calls gate_counted_calls_to(int provider, int endpoint)
{
    const size_t first = call_cell(provider * GATE_CALL_KINDS + endpoint);
    gate_counted_calls calls = {.microseconds = counted(first + TIME),
                                .failed_at = counted(first + FAILED_AT)};

    for (size_t i = 0; i < GATE_CALL_OUTCOME_COUNT; i++)
        calls.outcomes[i] = counted(first + i);
    for (size_t i = 0; i <= GATE_CALL_BOUND_COUNT; i++)
        calls.buckets[i] = counted(first + BUCKETS + i);
    return calls;
}
