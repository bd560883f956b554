/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* detail.h - what one line of the log says beside a reason: bounded, escaped, without a secret */
#ifndef GATE_OIDC_DETAIL_H
#define GATE_OIDC_DETAIL_H

#include <jansson.h>

#include "base/span.h"

#define GATE_DETAIL_MAX_BYTES 256

/* Writes *detail, in p and cut at GATE_DETAIL_MAX_BYTES; nothing where detail is NULL. What comes
 * from outside goes through one of the functions below first. */
void gate_detail(apr_pool_t *p, const char **detail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A claim's value: text as it is, anything else as JSON, "nothing" for NULL. Not for what may be a
 * secret. */
const char *gate_detail_value(apr_pool_t *p, const json_t *value);

/* A provider's own words. Providers repeat what they were sent: whatever looks like a code, a token
 * or a secret becomes "***". */
const char *gate_detail_words(apr_pool_t *p, gate_span text, size_t max_bytes);

/* "invalid_grant: the code has expired", of a provider's error object (RFC 6749 section 5.2); in
 * its own words; "" where it names no error, or is NULL. */
const char *gate_detail_error(apr_pool_t *p, const json_t *object);

#endif
