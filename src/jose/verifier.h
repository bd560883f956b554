/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* verifier.h - what OpenSSL checks signatures of one key with: made ready once, and kept beside the
 * key from one token to the next */
#ifndef GATE_JOSE_VERIFIER_H
#define GATE_JOSE_VERIFIER_H

#include <openssl/evp.h>

#include "base/span.h"

/* How a signature comes about. Compared by its address: a rule is one row of a table. */
typedef struct gate_verifier_rule {
    const char *hash;
    int padding;       /* of RSA; 0 for other keys */
    bool has_own_hash; /* EdDSA: hashing is part of the check (RFC 8032 section 5.1.7) */
} gate_verifier_rule;

/* The verifiers of one key that nobody uses just now. */
typedef struct gate_verifiers gate_verifiers;

/* Lives in p and is freed with it, as is what it keeps; the key must live as long. Makes no
 * verifier yet. */
gate_verifiers *gate_verifiers_make(apr_pool_t *p, EVP_PKEY *key);

/* Any number of threads may ask at once: each works with a verifier of its own. FAILED where
 * OpenSSL has no memory or no such algorithm; REFUSED for any signature (for EC keys: in DER) that
 * is not this text's. */
typedef enum gate_verifier_answer {
    GATE_VERIFIER_GENUINE,
    GATE_VERIFIER_REFUSED,
    GATE_VERIFIER_FAILED
} gate_verifier_answer;

gate_verifier_answer gate_verifiers_check(gate_verifiers *verifiers, const gate_verifier_rule *rule,
                                          gate_span text, gate_span signature);

#endif
