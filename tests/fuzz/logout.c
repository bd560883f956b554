/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Signed claims, read as a logout token and as an ID token: never both. */
#include "base/json.h"
#include "oidc/id_token.h"
#include "oidc/logout.h"
#include "told.h"

static void try_input(apr_pool_t *p, gate_span input)
{
    static const gate_logout_want want = {"https://id.example", "web", TOLD_NOW, 30};
    static const gate_id_token_want person = {
        .issuer = "https://id.example",
        .client_id = "web",
        .now = TOLD_NOW,
        .skew = 30,
    };
    const json_t *claims = gate_json_object(p, input, GATE_JWT_MAX_BYTES);
    if (!claims)
        return;
    const gate_jwt jwt = {.alg = GATE_ALG_RS256, .claims = claims};
    const char *detail = NULL, *other_detail = NULL;
    gate_logout_token token = {.id = {NULL, 0}};
    gate_reason reason = gate_logout_token_check(p, &jwt, &want, &token, &detail);
    told_check(reason, detail);
    if (reason != GATE_OK)
        return;
    FUZZ_CHECK(token.id.len && (token.session_id.len || token.subject.len));
    FUZZ_CHECK(!json_object_get(claims, "nonce"));
    FUZZ_CHECK(gate_id_token_check(p, &jwt, &person, &other_detail) != GATE_OK);
}
