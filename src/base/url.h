/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* url.h - addresses (RFC 3986) and form pairs, where a duplicate is an error */
#ifndef GATE_BASE_URL_H
#define GATE_BASE_URL_H

#include <apr_tables.h>

#include "base/reason.h"
#include "base/span.h"

/* An absolute http or https address taken apart; spans point into the text that was read. */
typedef struct gate_url {
    gate_span scheme; /* "http" or "https", as written */
    gate_span host;   /* lower or upper case as written; brackets kept around IPv6 */
    unsigned port;    /* 80 or 443 where none is written */
    gate_span path;   /* from the first '/', may be empty */
    gate_span query;  /* without '?'; absent where there is none */
    bool is_https;
    bool is_loopback; /* 127.0.0.0/8, [::1] or localhost, and no name that merely starts so */
} gate_url;

/* Reads an absolute http(s) address. False for user information, a fragment, control characters,
 * SP, '\', '"', '<', '>', bytes over 0x7e, an empty host or one with more in it than letters,
 * digits, '-', '.' and '_' (or an address in brackets), a port that is no number or out of
 * range, another scheme. */
bool gate_url_parse(gate_span text, gate_url *url);

/* "https://host[:port]", scheme and host in lower case, default port left out (RFC 6454 section
 * 6.1). In p. */
const char *gate_url_origin(apr_pool_t *p, const gate_url *url);

/* Whether the host is that one, or beneath it where it is a name: whoever owns "example.com" owns
 * "id.example.com", and neither "com" nor "badexample.com". */
bool gate_url_is_within(const gate_url *url, gate_span host);

/* Whether text is safe as the target of a redirect on this very host: it begins with exactly one
 * '/', holds no '\', no control character (encoded neither), no SP, no '#', nothing over 0x7e,
 * and its path has neither a broken escape nor "//" or a spelling of one ("/\", "/%2f", "/%5c",
 * "/.//", "/a/..//", "/;/", lookalike characters ...) at its start. At most 4,096 bytes. */
bool gate_url_is_local(gate_span text);

/* As a form does: all but RFC 3986's unreserved characters become %XX, and SP becomes '+'. RFC 6749
 * section 2.3.1 wants this for client ids. */
const char *gate_form_encode(apr_pool_t *p, gate_span s);

/* Undoes that. False for a broken escape or a NUL, encoded or not. */
bool gate_form_decode(apr_pool_t *p, gate_span s, gate_span *decoded);

/* Form pairs in the order in which they were written or added. */
typedef struct gate_form {
    apr_pool_t *pool;
    apr_array_header_t *pairs; /* of struct gate_pair */
} gate_form;

typedef struct gate_pair {
    gate_span name, value; /* decoded */
} gate_pair;

/* An empty form in p. */
gate_form *gate_form_make(apr_pool_t *p);

/* Reads "a=b&c=d", '+' for SP. MALFORMED_REQUEST for a broken escape, a NUL, more than
 * max_pairs, or a name that comes twice, be it without a value (RFC 6749 section 3.1). Pairs
 * with an empty value are left out: empty means omitted there too. An absent or empty text is an
 * empty form. */
gate_reason gate_form_parse(apr_pool_t *p, gate_span text, int max_pairs, gate_form **form);

/* The value under name, or the absent span. */
gate_span gate_form_get(const gate_form *form, const char *name);

/* Adds a pair; bytes are borrowed and must live as long as the form. */
void gate_form_add(gate_form *form, const char *name, gate_span value);

/* The same for a C string; NULL adds nothing. */
void gate_form_add_text(gate_form *form, const char *name, const char *value);

/* "a=b&c=d", encoded, NUL-terminated, in the form's pool. */
const char *gate_form_text(const gate_form *form);

/* base with the form as its query: after '?' or, where base has a query already, after '&'. */
const char *gate_url_with_query(apr_pool_t *p, const char *base, const gate_form *form);

#endif
