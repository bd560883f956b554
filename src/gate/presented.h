/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* presented.h - credentials that were judged before: found again by their digest, opened by
 * themselves, so that the store never holds what opens it */
#ifndef GATE_GATE_PRESENTED_H
#define GATE_GATE_PRESENTED_H

#include "gate/gate.h"
#include "gate/record.h"

/* A token, or a client id with its secret, as the store knows it. */
typedef struct gate_presented {
    gate_record_lock lock;
    const char *guessed_at; /* whose secret it may be a guess at: such are limited as those of one
                               address are, from wherever they come; or NULL */
} gate_presented;

/* parts: what was presented, a purpose in front. Bound to all that s accepts it under. False where
 * OpenSSL fails. */
bool gate_presented_make(gate_presented *presented, const gate_settings *s, const gate_world *w,
                         const gate_span *parts, int count);

/* Where it is filed, for decisions. */
static inline gate_basis gate_presented_basis(const gate_presented *presented, uint64_t version)
{
    return (gate_basis){GATE_STORE_TOKEN, presented->lock.filed_under, version, {.count = 0}};
}

typedef enum gate_presented_answer {
    GATE_PRESENTED_UNKNOWN, /* not seen before, or forgotten */
    GATE_PRESENTED_GOOD,
    GATE_PRESENTED_BAD,   /* *reason says how */
    GATE_PRESENTED_UNSURE /* the store could not tell */
} gate_presented_answer;

/* What is known of it. GOOD: *identity is set, and *tokens (where s->needs asks for more than the
 * token itself), and *version is the record's. */
gate_presented_answer gate_presented_find(const gate_request *q, const gate_settings *s,
                                          gate_world *w, const gate_presented *presented,
                                          const gate_identity **identity, gate_tokens *tokens,
                                          uint64_t *version, gate_reason *reason);

/* Remembers it as good until `expires` (seconds since 1970). That the store has no room is no
 * fault: it will be judged again. */
void gate_presented_good(const gate_request *q, gate_world *w, const gate_presented *presented,
                         gate_span identity, const gate_tokens *tokens, apr_int64_t expires);

/* Remembers it as bad for s->cache.negative seconds. */
void gate_presented_bad(const gate_request *q, const gate_settings *s, gate_world *w,
                        const gate_presented *presented, gate_reason reason);

/* Forgets that it was good. */
void gate_presented_forget(const gate_request *q, gate_world *w, const gate_presented *presented);

/* Has it judged: `judge` does so and calls one of the two above. RATE_LIMITED where too much was
 * asked for the caller's address already; one that was good the last time does not count. */
gate_reason gate_presented_judge_each(const gate_request *q, const gate_settings *s, gate_world *w,
                                      const gate_presented *presented,
                                      gate_reason (*judge)(void *context), void *context);

/* The same, but one of those who present it at the same time judges it, and the others wait for
 * what comes of it. GATE_OK: it is to be found. */
gate_reason gate_presented_judge_once(const gate_request *q, const gate_settings *s, gate_world *w,
                                      const gate_presented *presented,
                                      gate_reason (*judge)(void *context), void *context);

#endif
