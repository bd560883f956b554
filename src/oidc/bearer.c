/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/bearer.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "base/seal.h"

/* RFC 9110 section 5.6.2: what the name of a scheme is made of. */
static const bool token_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,  ['#'] = true,
    ['$'] = true,         ['%'] = true,         ['&'] = true,         ['\''] = true, ['*'] = true,
    ['+'] = true,         ['-'] = true,         ['.'] = true,         ['^'] = true,  ['_'] = true,
    ['`'] = true,         ['|'] = true,         ['~'] = true,
};

/* RFC 6750 section 2.1: what a b64token is made of, but for the '=' at its end. */
static const bool bearer_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true, ['.'] = true,
    ['_'] = true,         ['~'] = true,         ['+'] = true,         ['/'] = true,
};

static size_t length_of(gate_span text, const bool chars[256])
{
    size_t len = 0;
    while (len < text.len && chars[(unsigned char)text.ptr[len]])
        len++;
    return len;
}

static gate_span skip(gate_span text, size_t count)
{
    return (gate_span){text.ptr + count, text.len - count};
}

static bool has_comma(gate_span text)
{
    return text.len && memchr(text.ptr, ',', text.len);
}

/* Tokens are long, and this reads all of each on every request: eight at a time, straight through.
 */
static bool is_all_of(gate_span text, const bool chars[256])
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    size_t left = text.len;
    bool all = true;
    for (; left >= 8; left -= 8, at += 8)
        all &= chars[at[0]] & chars[at[1]] & chars[at[2]] & chars[at[3]] & chars[at[4]] &
               chars[at[5]] & chars[at[6]] & chars[at[7]];
    for (; left; left--, at++)
        all &= chars[*at];
    return all;
}

bool gate_bearer_is_token(gate_span text)
{
    if (text.len > GATE_TOKEN_MAX_BYTES)
        return false;
    while (text.len && text.ptr[text.len - 1] == '=')
        text.len--;
    return text.len && is_all_of(text, bearer_char);
}

/* What follows the scheme: 1*SP, then one value (RFC 9110 section 11.4). */
static bool read_value(gate_span rest, gate_span *value)
{
    size_t spaces = 0;
    while (spaces < rest.len && rest.ptr[spaces] == ' ')
        spaces++;
    *value = skip(rest, spaces);
    return spaces > 0;
}

static gate_reason read_bearer(gate_span rest, gate_credential *credential)
{
    credential->scheme = GATE_SCHEME_BEARER;
    if (has_comma(rest))
        return GATE_MULTIPLE_CREDENTIALS;
    if (!read_value(rest, &credential->token) || !gate_bearer_is_token(credential->token))
        return GATE_MALFORMED_CREDENTIAL;
    return GATE_OK;
}

static gate_reason read_basic(apr_pool_t *p, gate_span rest, gate_credential *credential)
{
    gate_span encoded, pair;
    credential->scheme = GATE_SCHEME_BASIC;
    if (has_comma(rest))
        return GATE_MULTIPLE_CREDENTIALS;
    if (!read_value(rest, &encoded) || encoded.len > GATE_BASIC_MAX_BYTES ||
        !gate_base64_decode(p, encoded, &pair))
        return GATE_MALFORMED_CREDENTIAL;
    gate_wipe_with(p, pair);
    /* RFC 7617 section 2: no control characters, and the id ends at the first colon. */
    const char *colon = pair.len ? memchr(pair.ptr, ':', pair.len) : NULL;
    if (!colon || gate_span_has_control(pair))
        return GATE_MALFORMED_CREDENTIAL;
    credential->id = (gate_span){pair.ptr, (size_t)(colon - pair.ptr)};
    credential->secret = skip(pair, credential->id.len + 1);
    return GATE_OK;
}

typedef enum { OURS_NOT, OURS_BEARER, OURS_BASIC } ours;

static ours scheme_of(gate_span name)
{
    if (gate_span_equal_nocase(name, GATE_SPAN("Bearer")))
        return OURS_BEARER;
    return gate_span_equal_nocase(name, GATE_SPAN("Basic")) ? OURS_BASIC : OURS_NOT;
}

/* A foreign scheme may have commas of its own, as Digest has; but one of ours behind a comma is a
 * second header. */
static gate_reason read_foreign(gate_span text, gate_credential *credential)
{
    gate_span rest = text, piece;
    while (gate_span_cut(&rest, ',', &piece)) {
        piece = gate_span_trim(piece);
        gate_span name = {piece.ptr, length_of(piece, token_char)};
        if (scheme_of(name) != OURS_NOT)
            return GATE_MULTIPLE_CREDENTIALS;
    }
    if (!length_of(text, token_char))
        return GATE_MALFORMED_CREDENTIAL;
    credential->scheme = GATE_SCHEME_OTHER;
    return GATE_OK;
}

gate_reason gate_credential_read(apr_pool_t *p, const char *value, gate_credential *credential)
{
    *credential = (gate_credential){.scheme = GATE_SCHEME_NONE};
    gate_span text = gate_span_trim(gate_span_of(value));
    if (!text.len)
        return GATE_OK;
    gate_span name = {text.ptr, length_of(text, token_char)};
    gate_span rest = skip(text, name.len);
    switch (scheme_of(name)) {
    case OURS_BEARER:
        return read_bearer(rest, credential);
    case OURS_BASIC:
        return read_basic(p, rest, credential);
    default:
        return read_foreign(text, credential);
    }
}

/* ---- challenges ---- */

/* Inside a quoted-string: RFC 6750 section 3 allows neither '"' nor '\' in any of these values, and
 * nothing but printable ASCII; whatever else there is, is left out. */
static const char *quotable(apr_pool_t *p, const char *text)
{
    char *safe = apr_palloc(p, strlen(text) + 1), *end = safe;
    for (const char *c = text; *c; c++)
        if (*c >= ' ' && *c <= '~' && *c != '"' && *c != '\\')
            *end++ = *c;
    *end = '\0';
    return safe;
}

/* The challenge so far with one more attribute; NULL adds none. */
static const char *with(apr_pool_t *p, const char *so_far, const char *name, const char *value)
{
    if (!value)
        return so_far;
    return apr_pstrcat(p, so_far, ", ", name, "=\"", quotable(p, value), "\"", NULL);
}

const char *gate_bearer_challenge(apr_pool_t *p, const gate_challenge *challenge)
{
    /* RFC 6750 section 3.1: who sent no credential is told of no error; its reason has none. */
    const char *error = gate_reason_get(challenge->reason)->oauth_error;
    const char *text = apr_pstrcat(p, "Bearer realm=\"", quotable(p, challenge->realm), "\"", NULL);
    text = with(p, text, "error", error);
    text = with(p, text, "error_description", error ? challenge->description : NULL);
    text = with(p, text, "scope", challenge->scope);
    text = with(p, text, "resource_metadata", challenge->resource_metadata);
    text = with(p, text, "acr_values", challenge->acr_values);
    if (challenge->max_age >= 0)
        text = with(p, text, "max_age", apr_psprintf(p, "%" APR_INT64_T_FMT, challenge->max_age));
    return text;
}

const char *gate_basic_challenge(apr_pool_t *p, const char *realm)
{
    return apr_pstrcat(p, "Basic realm=\"", quotable(p, realm), "\", charset=\"UTF-8\"", NULL);
}
