/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* template.h - the value of a header or variable: text with %{claim:PATH}, %{user}, %{access_token}
 * and the like, compiled once */
#ifndef GATE_GATE_TEMPLATE_H
#define GATE_GATE_TEMPLATE_H

#include "base/reason.h"
#include "gate/assertion.h"
#include "gate/claims.h"

/* What a template needs beside the identity record: of the tokens, */
#define GATE_NEEDS_ACCESS_TOKEN  1u
#define GATE_NEEDS_ID_TOKEN      2u
#define GATE_NEEDS_INTROSPECTION 4u
#define GATE_NEEDS_USERINFO      8u
#define GATE_NEEDS_TOKENS        15u /* any of these */
/* and of the configuration. */
#define GATE_NEEDS_ASSERTION 16u

/* One value is at most this long, all of a request's together at most twice that; what is longer is
 * refused, never cut. */
#define GATE_TEMPLATE_MAX_BYTES 16384

typedef struct gate_template gate_template;

/* Compiles text and its options (NULL-terminated) into p. Returns NULL, or what is wrong and how to
 * say it. Copies what it keeps.
 *
 * In the text: %{claim:NAME}, with a pin and with colons if need be; %{assertion:AUDIENCE}, a
 * signed JWT for that backend; %{user}, %{method}, %{access_token}, %{access_token_expires},
 * %{id_token}, %{introspection}, %{userinfo}, %{session}, %{expires}; "%%" for a percent sign.
 *
 * Options: "join=SEPARATOR" between the members of an array, "," if not given. "encode=raw" as it
 * is, "encode=percent" all but RFC 3986's unreserved characters as %XX, "encode=base64url" without
 * padding. "default=TEMPLATE": where something in the text is missing, this stands for all of it.
 * "required": what is missing then is a reason to refuse.
 *
 * An encoding is of each value that is put in, and of an array each member by itself, so that none
 * can hold the separator; what the template says beside them stays as it is written. */
const char *gate_template_compile(apr_pool_t *p, const char *text, const char *const *options,
                                  const gate_template **compiled);

/* The GATE_NEEDS_* bits. */
unsigned gate_template_needs(const gate_template *compiled);

/* What %{...} may stand for. */
typedef struct gate_template_values {
    const gate_identity *identity;
    const char *user;   /* r->user */
    const char *method; /* "code" */
    /* absent where there is none */
    gate_span access_token, id_token, introspection, userinfo;
    apr_int64_t
        access_expires;  /* when the access token ends, in seconds since 1970; 0: not known */
    apr_int64_t expires; /* the same of the session, or of the token that was presented */
    const gate_digest *session; /* where it is filed; NULL: none. What is told of it is a digest */
    const gate_assertion *assertion; /* NULL: none is made */
    const char *origin;              /* of the site: who makes it, */
    apr_int64_t now;                 /* when, */
    gate_random_fn *random;          /* and what makes it unlike all others */
} gate_template_values;

/* Renders; *value is NUL-terminated, in p or within the identity. An object is its compact JSON.
 *
 * GATE_OK with *value absent: something in it is missing, leave the header out. Missing are a claim
 * that is not there or null, and an array without members (null members do not count). An empty
 * text is there.
 *
 * CLAIM_MISSING: the same, but it is required. CLAIMS_UNAVAILABLE: and it could not have been
 * there, because nothing is known of an opaque token.
 *
 * CLAIM_UNSAFE: what a header cannot carry and give back as it was. Outside an encoding, a control
 * character (CR, LF, NUL and all below SP but HTAB, and DEL), or SP or HTAB from a value at either
 * end of the whole, which HTTP strips; a member of an array that reads like two; more than
 * GATE_TEMPLATE_MAX_BYTES.
 *
 * INTERNAL: an assertion could not be signed.
 *
 * On a refusal *detail (which may be NULL) names the claim. */
gate_reason gate_template_render(apr_pool_t *p, const gate_template *compiled,
                                 const gate_template_values *values, gate_span *value,
                                 const char **detail);

#endif
