/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* filed.h - by what name the log speaks of a credential, and what the store knows of it by that
 * name: no more than a reader of the store could see, and nothing that a record's box holds */
#ifndef GATE_GATE_FILED_H
#define GATE_GATE_FILED_H

#include "gate/gate.h"

#define GATE_FILED_NAME_CHARS 16

/* The name, in p: of the place where the credential's record is filed, or would be, digested with
 * the server's own key. It opens nothing, and tells nobody without that key where the record is.
 * NULL where OpenSSL fails. */
const char *gate_filed_name(apr_pool_t *p, const gate_world *w, const gate_store_key *under);

/* What the store has by a name. */
typedef struct gate_filed {
    bool is_found;
    gate_store_kind kind;     /* SESSION, TOKEN (found good) or NEGATIVE (found bad) */
    gate_record record;       /* its times; the value is not for reading */
    gate_reason reason;       /* NEGATIVE: why it is bad */
    apr_int64_t all_ended_at; /* SESSION: when everybody's were ended, after it began; 0: not */
} gate_filed;

/* Looks through all sessions and verdicts, and notes of none that it was seen: so that it takes as
 * long as there are many. STORE_UNAVAILABLE. MALFORMED_REQUEST: that is no such name. */
gate_reason gate_filed_find(const gate_request *q, gate_world *w, gate_span name,
                            gate_filed *filed);

#endif
