/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* record.h - what the store keeps of somebody: one box with the identity, opened on every hit, and
 * one with the tokens, opened only where they are needed */
#ifndef GATE_GATE_RECORD_H
#define GATE_GATE_RECORD_H

#include "gate/gate.h"

/* What opens a record's boxes: the key, which the store never holds, and what they are bound to. */
typedef struct gate_record_lock {
    gate_key key;
    gate_store_key filed_under; /* bound into the boxes, so that no record passes for another */
    const gate_digest *realm;   /* bound into them as well */
} gate_record_lock;

/* Whose a session is, for whoever ends all of somebody's without being able to open any: a tag that
 * says nothing without the server's key. */
typedef struct gate_owner {
    unsigned char bytes[16];
} gate_owner;

/* Seals identity and tokens (NULL for none) into a value for the store, in p, with the owner's tag
 * beside them (NULL for none). False where sealing fails. */
bool gate_record_seal(apr_pool_t *p, gate_world *w, const gate_record_lock *lock,
                      const gate_owner *owner, gate_span identity, const gate_tokens *tokens,
                      gate_span *value);

/* The same identity's box again, unopened, with other tokens and no mark. In p. False where value
 * is no record, or sealing fails. */
bool gate_record_exchange_tokens(apr_pool_t *p, gate_world *w, const gate_record_lock *lock,
                                 gate_span value, const gate_tokens *tokens, gate_span *exchanged);

/* So much of a record's value is what gate_record_identity needs: gate_entry.front. */
uint32_t gate_record_front(gate_span value);

/* Whether a record, of which only the beginning need be there, has that tag. */
bool gate_record_is_of(gate_span value, const gate_owner *owner);

/* The same boxes again, unopened, with the mark that a renewal was begun at `since` (seconds since
 * 1970). In p. False where value is no record. */
bool gate_record_mark(apr_pool_t *p, gate_span value, apr_int64_t since, gate_span *marked);

/* When a renewal was begun whose outcome is not known; 0 for none. */
apr_int64_t gate_record_marked(gate_span value);

/* Opens into p; of the value, the identity needs no more than its front. SESSION_TAMPERED for
 * anything that was not sealed with this lock; INTERNAL where OpenSSL fails. */
gate_reason gate_record_identity(apr_pool_t *p, const gate_record_lock *lock, gate_span value,
                                 const gate_identity **identity);
gate_reason gate_record_tokens(apr_pool_t *p, const gate_record_lock *lock, gate_span value,
                               gate_tokens *tokens);

#endif
