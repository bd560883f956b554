/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Signed claims, read as an ID token and as an access token: never both without a typ that says so.
 */
#include "base/json.h"
#include "oidc/access_token.h"
#include "oidc/id_token.h"
#include "told.h"

static void try_input(apr_pool_t *p, gate_span input)
{
    static const char *const audiences[] = {"web", NULL};
    static gate_digest nonce;
    static const gate_id_token_want person = {
        .issuer = "https://id.example",
        .client_id = "web",
        .nonce = &nonce,
        .access_token = {"at", 2},
        .now = TOLD_NOW,
        .skew = 30,
        .max_age = 600,
        .max_iat_age = 600,
    };
    static const gate_access_token_want program = {"https://id.example", audiences, TOLD_NOW, 30,
                                                  false};
    const json_t *claims = gate_json_object(p, input, GATE_JWT_MAX_BYTES);
    FUZZ_CHECK(gate_nonce_digest(&nonce, GATE_SPAN("N-1")));
    if (!claims)
        return;
    const gate_jwt jwt = {.alg = GATE_ALG_RS256, .claims = claims};
    const char *detail = NULL, *other_detail = NULL;
    apr_int64_t expires = 0;
    gate_reason is_person = gate_id_token_check(p, &jwt, &person, &detail);
    gate_reason is_program = gate_access_token_check(p, &jwt, &program, &expires, &other_detail);
    told_check(is_person, detail);
    told_check(is_program, other_detail);
    FUZZ_CHECK(is_person != GATE_OK || is_program != GATE_OK);
    if (is_person == GATE_OK)
        FUZZ_CHECK(gate_json_text(claims, "sub").len && json_object_get(claims, "iat"));
    if (is_program == GATE_OK)
        FUZZ_CHECK(expires > TOLD_NOW - 30 && !json_object_get(claims, "cnf"));
}
