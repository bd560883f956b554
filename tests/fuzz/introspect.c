/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* An introspection answer: a yes is the boolean true in a 200, and for us, now. */
#include "base/json.h"
#include "oidc/introspect.h"
#include "told.h"

#define SKEW 30

static void try_input(apr_pool_t *p, gate_span input)
{
    static const char *const audiences[] = {"api", NULL};
    static const gate_introspection_want want = {"https://id.example", audiences, TOLD_NOW, SKEW};
    gate_answer answer = told_answer(input);
    const json_t *claims = NULL;
    const char *detail = NULL;
    apr_int64_t expires = -1;
    gate_reason reason = gate_introspection_read(p, &answer, &want, &claims, &expires, &detail);
    told_check(reason, detail);
    FUZZ_CHECK((reason == GATE_OK) == (claims != NULL));
    if (!claims)
        return;
    FUZZ_CHECK(answer.status == 200 && json_is_true(json_object_get(claims, "active")));
    FUZZ_CHECK(!expires || expires > TOLD_NOW - SKEW);
    FUZZ_CHECK(!json_object_get(claims, "cnf"));
    FUZZ_CHECK(!json_object_get(claims, "iss") ||
               gate_span_is(gate_json_text(claims, "iss"), want.issuer));
    FUZZ_CHECK(!json_object_get(claims, "aud") ||
               gate_json_has_text(json_object_get(claims, "aud"), "api", 64));
}
