/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* base64url.h - RFC 4648 sections 4 and 5, strictly: one text for one value, anything else is
 * refused */
#ifndef GATE_BASE_BASE64URL_H
#define GATE_BASE_BASE64URL_H

#include "base/span.h"

/* Unpadded base64url, NUL-terminated, in p. */
const char *gate_base64url_encode(apr_pool_t *p, gate_span bytes);

/* The bytes of unpadded base64url text, in p. False for padding, foreign characters, an
 * impossible length, or trailing bits that are not zero (RFC 4648 section 3.5). Empty text gives
 * empty bytes. */
bool gate_base64url_decode(apr_pool_t *p, gate_span text, gate_span *bytes);

/* Whether all of it are letters of that alphabet. Of an empty text, they are. */
bool gate_base64url_is(gate_span text);

/* Padded standard base64, as HTTP Basic has it (RFC 7617). */
const char *gate_base64_encode(apr_pool_t *p, gate_span bytes);

/* The same strictness for standard base64; padding may be there in full or be left out. */
bool gate_base64_decode(apr_pool_t *p, gate_span text, gate_span *bytes);

#endif
