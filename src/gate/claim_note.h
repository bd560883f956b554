/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* claim_note.h - what a claim was, said for the log: bounded and escaped, whatever the provider
 * says */
#ifndef GATE_GATE_CLAIM_NOTE_H
#define GATE_GATE_CLAIM_NOTE_H

#include "gate/claims.h"

#define GATE_CLAIM_NOTE_BYTES 240

/* A text as it grows; what does not fit is left out. Begins with a pool and a length of 0. */
typedef struct gate_claim_note {
    apr_pool_t *pool;
    size_t len;
    char text[GATE_CLAIM_NOTE_BYTES + 1];
} gate_claim_note;

/* Adds text, printable ASCII. */
void gate_note_text(gate_claim_note *note, const char *text);
/* Adds a value in quotes, escaped. */
void gate_note_quoted(gate_claim_note *note, gate_span value);
/* Adds "; " where something stands before it, and what the claim is: as it was found, or that it is
 * not there and which sources were read at all. Nobody is NULL. */
void gate_note_found(gate_claim_note *note, const gate_claim_name *name, const gate_claim *claim);
void gate_note_missing(gate_claim_note *note, const gate_claim_name *name,
                       const gate_identity *identity);
/* One or the other, as rules find it. */
void gate_note_claim(gate_claim_note *note, const gate_claim_name *name,
                     const gate_identity *identity);

/* The whole, in the note's pool. */
const char *gate_note_end(const gate_claim_note *note);

#endif
