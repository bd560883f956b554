/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* bearer.h - a credential in the Authorization header, and the challenge that asks for one (RFC
 * 6750, RFC 7617, RFC 9728 section 5.1, RFC 9470) */
#ifndef GATE_OIDC_BEARER_H
#define GATE_OIDC_BEARER_H

#include "base/reason.h"
#include "base/span.h"

#define GATE_TOKEN_MAX_BYTES (16 * 1024)
#define GATE_BASIC_MAX_BYTES (2 * 1024)

typedef enum gate_scheme {
    GATE_SCHEME_NONE, /* no Authorization header, or an empty one */
    GATE_SCHEME_BEARER,
    GATE_SCHEME_BASIC,
    GATE_SCHEME_OTHER /* Digest, Negotiate, DPoP, ...: none of ours */
} gate_scheme;

typedef struct gate_credential {
    gate_scheme scheme;
    gate_span token;      /* BEARER */
    gate_span id, secret; /* BASIC, decoded: the first colon splits */
} gate_credential;

/* Takes the header's value apart. value NULL: SCHEME_NONE and GATE_OK. MALFORMED_CREDENTIAL: a
 * Bearer value outside RFC 6750's b64token alphabet (section 2.1), over GATE_TOKEN_MAX_BYTES, or a
 * Basic value that is no base64, has no colon, a control character, or is over
 * GATE_BASIC_MAX_BYTES. MULTIPLE_CREDENTIALS: a comma, which is how httpd joins two such headers.
 * Scheme names in any case. */
gate_reason gate_credential_read(apr_pool_t *p, const char *value, gate_credential *credential);

/* Whether text is a b64token within the limit: what a token from a cookie, header or query must be
 * too. */
bool gate_bearer_is_token(gate_span text);

typedef struct gate_challenge {
    const char *realm;  /* never NULL */
    gate_reason reason; /* gives error=; none is sent where the reason is NO_CREDENTIAL (RFC 6750
                           section 3.1) */
    const char *description;       /* error_description, or NULL */
    const char *scope;             /* what is needed, or NULL */
    const char *resource_metadata; /* RFC 9728, or NULL */
    const char *acr_values;        /* RFC 9470 section 3, or NULL */
    apr_int64_t max_age;           /* the same; -1 for none */
} gate_challenge;

/* The value of WWW-Authenticate: each attribute at most once, quoted-string-safe (RFC 6750 section
 * 3). In p. */
const char *gate_bearer_challenge(apr_pool_t *p, const gate_challenge *challenge);
/* Basic realm="...", charset="UTF-8" (RFC 7617 section 2.1). */
const char *gate_basic_challenge(apr_pool_t *p, const char *realm);

#endif
