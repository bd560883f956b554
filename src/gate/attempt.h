/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* attempt.h - a login under way: its state, sealed into a cookie of its own */
#ifndef GATE_GATE_ATTEMPT_H
#define GATE_GATE_ATTEMPT_H

#include "gate/gate.h"

/* How long a login may take, and how many of one browser may be under way at once. */
#define GATE_LOGIN_SECONDS  600
#define GATE_LOGINS_AT_ONCE 5

/* The cookies are named by a slot, so that a browser that opens forty tabs at once still comes back
 * with a Cookie header that httpd takes: there can never be more of them than this. */
#define GATE_ATTEMPT_SLOTS 16

/* What has to be known when the browser comes back. Spans of one that was found live as long as the
 * request. */
typedef struct gate_attempt {
    apr_int64_t created;
    apr_int64_t again;  /* it follows one that took too long */
    apr_int64_t posted; /* the answer is to come as a form */
    apr_int64_t max_age;
    gate_span settings, realm, state, verifier, return_to, acr_values;
    gate_span nonce; /* the bytes of its digest (gate_nonce_digest) */
} gate_attempt;

/* One as it was found in the request. */
typedef struct gate_found_attempt {
    gate_attempt attempt;
    int slot;
    size_t bytes;
} gate_found_attempt;

typedef struct gate_attempts {
    gate_found_attempt items[GATE_ATTEMPT_SLOTS];
    int count;
    unsigned dead_slots; /* a bit for each slot whose cookie is of no use */
} gate_attempts;

/* All that the browser brings and that open, expired or not. */
void gate_attempts_find(const gate_request *q, const gate_site *site, gate_world *w,
                        gate_attempts *found);

bool gate_attempt_is_expired(const gate_request *q, const gate_attempt *attempt);

/* Sets the cookie, and takes away those of no use and the oldest beyond GATE_LOGINS_AT_ONCE. False
 * where there is no randomness or no cryptography. */
bool gate_attempt_remember(const gate_request *q, const gate_site *site, gate_world *w,
                           const gate_attempt *attempt, gate_decision *decision);

/* Takes away the cookie in that slot. */
void gate_attempt_forget(const gate_request *q, const gate_site *site, gate_decision *decision,
                         int slot);

#endif
