/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* template.h - the value of a header or variable: text with %{claim:PATH}, %{user}, %{access_token} and the like, compiled once */
#ifndef GATE_GATE_TEMPLATE_H
#define GATE_GATE_TEMPLATE_H

#include "base/reason.h"
#include "gate/claims.h"

/* What a template needs beside the identity record. */
#define GATE_NEEDS_ACCESS_TOKEN  1u
#define GATE_NEEDS_ID_TOKEN      2u
#define GATE_NEEDS_INTROSPECTION 4u
#define GATE_NEEDS_USERINFO      8u

/* One value is at most this long, all of a request's together at most twice that; what is longer is refused, never cut. */
#define GATE_TEMPLATE_MAX_BYTES 16384

typedef struct gate_template gate_template;

/* Compiles text and its options ("join=,", "encode=raw|base64url|percent", "required"; NULL-terminated) into p. Returns NULL, or what is wrong and how to
 * say it. "%%" is a percent sign. Copies what it keeps. */
const char *gate_template_compile(apr_pool_t *p, const char *text, const char *const *options,
                                  const gate_template **compiled);

/* The GATE_NEEDS_* bits. */
unsigned gate_template_needs(const gate_template *compiled);

/* What %{...} may stand for. */
typedef struct gate_template_values {
    const gate_identity *identity;
    const char *user;   /* r->user */
    const char *method; /* "code" */
    gate_span access_token, id_token, introspection, userinfo; /* absent where there is none */
} gate_template_values;

/* Renders into p. GATE_OK with *value absent: something in it is missing, leave the header out. CLAIM_MISSING: the same, but it is required (CLAIMS_UNAVAILABLE where the
 * identity has no claims at all because its token is opaque). CLAIM_UNSAFE: a control character (CR, LF, NUL and all below SP but HTAB, and DEL) outside an encoding, or too long. *detail names the claim.
 * An array joins its members with join= (a member that itself contains the separator is CLAIM_UNSAFE: two lists must not
 * read alike), an object is its compact JSON. */
gate_reason gate_template_render(apr_pool_t *p, const gate_template *compiled, const gate_template_values *values,
                                 gate_span *value, const char **detail);

#endif
