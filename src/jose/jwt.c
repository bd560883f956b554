/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwt.h"

#include "base/base64url.h"
#include "base/json.h"
#include "jose/header.h"

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

static const json_t *read_claims(apr_pool_t *p, gate_span encoded)
{
    gate_span text;
    return gate_base64url_decode(p, encoded, &text) ? gate_json_object(p, text, GATE_JWT_MAX_BYTES)
                                                    : NULL;
}

gate_reason gate_jwt_read(apr_pool_t *p, gate_span text, gate_alg_set allowed, gate_jwt **jwt)
{
    parts encoded;
    if (text.len > GATE_JWT_MAX_BYTES || !split(text, &encoded))
        return GATE_MALFORMED_TOKEN;
    gate_header header;
    gate_reason reason = gate_header_read(p, encoded.header, &header);
    if (reason != GATE_OK)
        return reason;
    if (!gate_alg_allowed(header.alg, allowed))
        return GATE_BAD_ALG;
    gate_jwt *read = apr_pcalloc(p, sizeof *read);
    *read = (gate_jwt){.alg = header.alg, .kid = header.kid, .typ = header.typ};
    read->claims = read_claims(p, encoded.payload);
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

bool gate_jwt_names_key(const gate_jwt *jwt, const gate_jwks *keys)
{
    for (int i = 0; i < keys->count; i++) {
        const gate_jwk *key = keys->keys[i];
        if ((!jwt->kid.ptr || gate_span_equal(key->kid, jwt->kid)) && gate_jws_fits(jwt->alg, key))
            return true;
    }
    return false;
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
