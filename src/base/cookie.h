/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* cookie.h - the Cookie and Set-Cookie headers (RFC 6265) */
#ifndef GATE_BASE_COOKIE_H
#define GATE_BASE_COOKIE_H

#include "base/span.h"

/* Takes the next name and value off the front of a Cookie header. Pairs are parted by ';' alone:
 * browsers send one Cookie field (RFC 6265 section 5.4), and a ',' is part of a value, in which a
 * sibling host could write what looks like another cookie. Blanks around names and values are left
 * out. A piece without '=' is a cookie with an absent value. Double quotes around a value are
 * not taken off. False at the end. The header's bytes are never written to. */
bool gate_cookie_next(gate_span *header, gate_span *name, gate_span *value);

typedef enum gate_cookie_count {
    GATE_COOKIE_NONE,
    GATE_COOKIE_ONE,
    GATE_COOKIE_SEVERAL
} gate_cookie_count;

/* Looks a cookie up by its exact name. SEVERAL when it is there more than once, even with the
 * same value: somebody else on a sibling host may have set one of them; or when there is a ',' in
 * it, with which httpd joins two Cookie fields. An empty value counts as none. */
gate_cookie_count gate_cookie_find(gate_span header, gate_span name, gate_span *value);

/* header without the cookies whose name is `name` or begins with `name` and '-', behind a ',' too,
 * all others byte for byte; NULL when none is left, and the very same text when none of them was
 * there. In p. */
const char *gate_cookie_without(apr_pool_t *p, const char *header, const char *name);

/* The same without the cookies of exactly that name. */
const char *gate_cookie_without_one(apr_pool_t *p, const char *header, const char *name);

typedef struct gate_cookie {
    const char *name, *value;
    const char *path;     /* "/" for a __Host- cookie */
    const char *samesite; /* "Lax", "Strict" or "None" */
    int max_age;          /* seconds; 0 ends the cookie; negative: as long as the browser runs */
    bool secure;
} gate_cookie;

/* The value of a Set-Cookie header, always HttpOnly; in p. */
const char *gate_cookie_text(apr_pool_t *p, const gate_cookie *cookie);

#endif
