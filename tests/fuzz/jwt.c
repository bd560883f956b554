/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Tokens: as they come, and, so that the fuzzer need not learn base64, built of the lines of the
 * input: header, claims, signature. */
#include "fuzz.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include "base/base64url.h"
#include "base/json.h"
#include "jose/header.h"
#include "jose/jwt.h"

/* The keys of RFC 7515 appendix A.3 and RFC 8037 appendix A.2, and one that nobody has the secret
 * of. */
static const char document[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"b\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

/* What was made of the header, perhaps long ago, is what it says. */
static void check_header(apr_pool_t *p, gate_span token, const gate_jwt *jwt)
{
    gate_span encoded, text;
    FUZZ_CHECK(gate_span_cut(&token, '.', &encoded) && gate_base64url_decode(p, encoded, &text));
    const json_t *header = gate_json_object(p, text, GATE_HEADER_MAX_BYTES);
    FUZZ_CHECK(header && !json_object_get(header, "crit") && !json_object_get(header, "b64"));
    FUZZ_CHECK(gate_span_is(gate_json_text(header, "alg"), gate_alg_name(jwt->alg)));
    FUZZ_CHECK(gate_span_equal(gate_json_text(header, "kid"), jwt->kid));
    FUZZ_CHECK(jwt->typ.len <= gate_json_text(header, "typ").len);
}

static void read_token(apr_pool_t *p, gate_span text)
{
    gate_jwt *jwt;
    apr_int64_t expires = -1;
    gate_reason reason = gate_jwt_read(p, text, GATE_ALGS_ASYMMETRIC | GATE_ALGS_SYMMETRIC, &jwt);
    FUZZ_CHECK(reason == GATE_OK || reason == GATE_MALFORMED_TOKEN || reason == GATE_BAD_ALG);
    if (reason != GATE_OK)
        return;
    FUZZ_CHECK(gate_jwt_looks_like(text) && text.len <= GATE_JWT_MAX_BYTES);
    FUZZ_CHECK(jwt->signed_text.ptr == text.ptr && jwt->signed_text.len < text.len);
    check_header(p, text, jwt);
    const gate_jwks *set = gate_jwks_read(p, gate_span_of(document));
    const gate_jwk *secret = gate_jwk_secret(p, gate_span_of(document));
    reason = gate_jwt_verify(jwt, set);
    FUZZ_CHECK(reason == GATE_OK || reason == GATE_BAD_SIGNATURE || reason == GATE_UNKNOWN_KID);
    FUZZ_CHECK(gate_jwt_verify_secret(jwt, secret) != GATE_OK);
    if (gate_jwt_check_times(jwt->claims, 1000000, 30, &expires) == GATE_OK)
        FUZZ_CHECK(expires > 1000000 - 30);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span rest = input, header, claims, signature = {"", 0};
    read_token(p, input);
    if (gate_span_cut(&rest, '\n', &header) && gate_span_cut(&rest, '\n', &claims)) {
        gate_span_cut(&rest, '\n', &signature);
        const char *text =
            apr_pstrcat(p, gate_base64url_encode(p, header), ".", gate_base64url_encode(p, claims),
                        ".", gate_base64url_encode(p, signature), NULL);
        read_token(p, gate_span_of(text));
    }
    FUZZ_CHECK(ERR_peek_error() == 0);
}
