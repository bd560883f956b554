/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* texts.h - many texts one behind the other, each kept once, however often it is said */
#ifndef GATE_BASE_TEXTS_H
#define GATE_BASE_TEXTS_H

#include <stdint.h>

#include "base/span.h"

typedef struct gate_texts {
    apr_pool_t *pool;
    char *bytes; /* all of them, each with a NUL behind it */
    size_t len, room, most;
    struct gate_texts_slot *slots; /* found by what the texts are made of */
    uint32_t count, slot_count;    /* the latter a power of 2 */
} gate_texts;

/* None yet, in p; and never more than `most` bytes, which is under 2 GB. */
gate_texts gate_texts_make(apr_pool_t *p, size_t most);

/* Adds the text, or finds it where it was added before: it begins at bytes + *offset. False where
 * it and its NUL do not fit any more. s must not be absent. */
bool gate_texts_keep(gate_texts *texts, gate_span s, uint32_t *offset);

#endif
