/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Userinfo: an object from a 200 that speaks of the person who signed in. */
#include "base/json.h"
#include "oidc/userinfo.h"
#include "told.h"

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_answer answer = told_answer(input);
    const json_t *claims = NULL;
    const char *detail = NULL;
    gate_reason reason = gate_userinfo_read(p, &answer, GATE_SPAN("alice"), &claims, &detail);
    told_check(reason, detail);
    FUZZ_CHECK((reason == GATE_OK) == (claims != NULL));
    if (claims)
        FUZZ_CHECK(answer.status == 200 && json_is_object(claims) &&
                   gate_span_is(gate_json_text(claims, "sub"), "alice"));
    /* Who has no name is nobody's equal. */
    FUZZ_CHECK(gate_userinfo_read(p, &answer, (gate_span){NULL, 0}, &claims, &detail) != GATE_OK);
    answer.content_type = "application/jwt";
    FUZZ_CHECK(gate_userinfo_read(p, &answer, GATE_SPAN("alice"), &claims, &detail) != GATE_OK);
}
