/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwt.h"

#include "base/base64url.h"
#include "base/json.h"

#define MAX_TRIES 4 /* keys for one token: each is a signature check that a stranger asks for */

typedef struct parts {
    gate_span header, payload, signature; /* still encoded */
} parts;

/* Exactly two dots, found without looking at more than three. */
static bool split(gate_span text, parts *out)
{
    if (!text.ptr)
        return false;
    const char *end = text.ptr + text.len;
    const char *first = memchr(text.ptr, '.', text.len);
    if (!first)
        return false;
    const char *second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return false;
    out->header = (gate_span){text.ptr, (size_t)(first - text.ptr)};
    out->payload = (gate_span){first + 1, (size_t)(second - first - 1)};
    out->signature = (gate_span){second + 1, (size_t)(end - second - 1)};
    return out->header.len && out->payload.len;
}

bool gate_jwt_looks_like(gate_span text)
{
    parts found;
    return split(text, &found) && gate_base64url_is(found.header) &&
           gate_base64url_is(found.payload) && gate_base64url_is(found.signature);
}

static const json_t *read_object(apr_pool_t *p, gate_span encoded, size_t max_bytes)
{
    gate_span text;
    if (encoded.len / 4 * 3 > max_bytes || !gate_base64url_decode(p, encoded, &text))
        return NULL;
    return gate_json_object(p, text, max_bytes);
}

/* RFC 7515 section 4.1.9: "application/" may be left out, so it always is. */
static gate_span short_type(gate_span typ)
{
    const gate_span prefix = GATE_SPAN("application/");
    if (typ.len <= prefix.len || !gate_span_equal_nocase((gate_span){typ.ptr, prefix.len}, prefix))
        return typ;
    return (gate_span){typ.ptr + prefix.len, typ.len - prefix.len};
}

static gate_reason read_header(gate_jwt *jwt, gate_alg_set allowed)
{
    gate_span alg;
    if (gate_json_string(jwt->header, "alg", &alg) != GATE_JSON_VALID ||
        gate_json_string(jwt->header, "kid", &jwt->kid) == GATE_JSON_BROKEN ||
        gate_json_string(jwt->header, "typ", &jwt->typ) == GATE_JSON_BROKEN)
        return GATE_MALFORMED_TOKEN;
    /* RFC 7515 section 4.1.11, RFC 7797: whatever they ask for, we do not do it. */
    if (json_object_get(jwt->header, "crit") || json_object_get(jwt->header, "b64"))
        return GATE_MALFORMED_TOKEN;
    if (!gate_alg_find(alg, &jwt->alg) || !gate_alg_allowed(jwt->alg, allowed))
        return GATE_BAD_ALG;
    jwt->typ = short_type(jwt->typ);
    return GATE_OK;
}

gate_reason gate_jwt_read(apr_pool_t *p, gate_span text, gate_alg_set allowed, gate_jwt **jwt)
{
    parts encoded;
    if (text.len > GATE_JWT_MAX_BYTES || !split(text, &encoded))
        return GATE_MALFORMED_TOKEN;
    gate_jwt *read = apr_pcalloc(p, sizeof *read);
    read->header = read_object(p, encoded.header, GATE_JWT_HEADER_MAX_BYTES);
    if (!read->header)
        return GATE_MALFORMED_TOKEN;
    gate_reason reason = read_header(read, allowed);
    if (reason != GATE_OK)
        return reason;
    read->claims = read_object(p, encoded.payload, GATE_JWT_MAX_BYTES);
    if (!read->claims || !gate_base64url_decode(p, encoded.signature, &read->signature))
        return GATE_MALFORMED_TOKEN;
    read->signed_text = (gate_span){text.ptr, encoded.header.len + 1 + encoded.payload.len};
    *jwt = read;
    return GATE_OK;
}

/* Keys that do not fit the algorithm are passed over and cost nothing. */
static gate_reason try_key(const gate_jwt *jwt, const gate_jwk *key, int *tries, gate_reason before)
{
    if (*tries == MAX_TRIES)
        return before;
    gate_reason reason = gate_jws_verify(jwt->alg, key, jwt->signed_text, jwt->signature);
    if (reason == GATE_BAD_ALG)
        return before;
    ++*tries;
    return reason;
}

gate_reason gate_jwt_verify(const gate_jwt *jwt, const gate_jwks *keys)
{
    gate_reason reason = GATE_UNKNOWN_KID;
    int tries = 0;
    /* Two absent kids are equal: a token without one asks the keys without one first. */
    for (int i = 0; i < keys->count; i++) {
        if (gate_span_equal(keys->keys[i]->kid, jwt->kid))
            reason = try_key(jwt, keys->keys[i], &tries, reason);
        if (reason == GATE_OK)
            return GATE_OK;
    }
    for (int i = 0; !jwt->kid.ptr && i < keys->count; i++) {
        if (keys->keys[i]->kid.ptr)
            reason = try_key(jwt, keys->keys[i], &tries, reason);
        if (reason == GATE_OK)
            return GATE_OK;
    }
    return reason;
}

gate_reason gate_jwt_verify_secret(const gate_jwt *jwt, const gate_jwk *secret)
{
    return gate_jws_verify(jwt->alg, secret, jwt->signed_text, jwt->signature);
}

/* A date that may be left out, but not lie in the future. */
static gate_reason check_past(const json_t *claims, const char *name, apr_int64_t latest)
{
    apr_int64_t date;
    gate_json_presence presence = gate_json_seconds(claims, name, &date);
    if (presence == GATE_JSON_BROKEN)
        return GATE_BAD_CLAIM;
    return presence == GATE_JSON_VALID && date > latest ? GATE_TOKEN_NOT_YET_VALID : GATE_OK;
}

gate_reason gate_jwt_check_times(const json_t *claims, apr_int64_t now, apr_int64_t skew,
                                 apr_int64_t *expires)
{
    apr_int64_t end;
    if (gate_json_seconds(claims, "exp", &end) != GATE_JSON_VALID)
        return GATE_BAD_CLAIM;
    if (now - skew >= end)
        return GATE_TOKEN_EXPIRED;
    gate_reason reason = check_past(claims, "nbf", now + skew);
    if (reason == GATE_OK)
        reason = check_past(claims, "iat", now + skew);
    if (reason == GATE_OK && expires)
        *expires = end;
    return reason;
}
