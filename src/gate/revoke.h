/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* revoke.h - sessions that are ended from elsewhere, by nobody who could open them: one small
 * record says since when, and whatever was begun before is dead */
#ifndef GATE_GATE_REVOKE_H
#define GATE_GATE_REVOKE_H

#include "gate/record.h"

/* How long such a record is kept at least; longer where a session could live longer. */
#define GATE_REVOCATION_SECONDS (24 * 3600)

/* Which sessions: one of the provider's own (its sid), all of a subject, or everybody's. */
typedef struct gate_ending {
    const char *issuer;   /* NULL: everybody's */
    gate_span session_id; /* absent: all of the subject's */
    gate_span subject;    /* where there is no session_id */
} gate_ending;

/* Ends them, once and for all: whoever comes after this has returned, with a session that was begun
 * before, has none; nor does a login or a renewal that is under way bring one about. *since is the
 * time that counts, and may be NULL: a session of that very second is ended. STORE_UNAVAILABLE
 * where that could not be made sure. */
gate_reason gate_revoke(const gate_request *q, gate_world *w, const gate_ending *ending,
                        apr_int64_t *since);

/* Whether a session with that record is still one. SESSION_EXPIRED, or STORE_UNAVAILABLE. Costs
 * nothing where nobody's was ended of late. *endings is what gate_revoked_since asks by. */
gate_reason gate_revoked(const gate_request *q, gate_world *w, const gate_identity *identity,
                         const gate_record *record, gate_endings *endings);

/* The same of a session of which that was OK before: nothing is worked out again. record->value is
 * not needed. SESSION_EXPIRED also says that gate_revoked must be asked. */
gate_reason gate_revoked_since(const gate_request *q, gate_world *w, const gate_endings *endings,
                               const gate_record *record);

/* When everybody's sessions were ended, where that was after this one began; 0 where not. What can
 * be said of a session without opening it. STORE_UNAVAILABLE. */
gate_reason gate_revoked_with_all(const gate_request *q, gate_world *w, const gate_record *record,
                                  apr_int64_t *since);

/* The tag of that subject's sessions, with the i-th of the world's keys. False where OpenSSL fails.
 */
bool gate_owner_of(const gate_world *w, int i, gate_span issuer, gate_span subject,
                   gate_owner *owner);

#endif
