/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* claim_text.h - a claim as httpd's expressions see it: texts that can stand in a header */
#ifndef GATE_GATE_CLAIM_TEXT_H
#define GATE_GATE_CLAIM_TEXT_H

#include <apr_tables.h>

#include "gate/claims.h"

/* In both, a control character becomes \xNN, so that no header can be broken with one and no value
 * seems empty that is not. Strings are as they are, numbers and booleans as JSON has them, objects
 * as compact JSON; null has no text. All in p. */

/* The claim as one text; "" where it is null or has no members. Members are parted by commas, and a
 * comma within one is \x2c: what reads like a member is one. */
const char *gate_claim_text(apr_pool_t *p, const gate_claim *claim);

/* Its members, each a text (const char *); of a claim that is no array, the one that it is. Commas
 * stay. */
apr_array_header_t *gate_claim_texts(apr_pool_t *p, const gate_claim *claim);

#endif
