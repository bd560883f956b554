/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/step_up.h"

#include <apr_general.h>

#include "identity.h"
#include "tap.h"

#define NOW  APR_INT64_C(1750000000)
#define SKEW 30

static void checks(apr_pool_t *p)
{
    static const struct {
        gate_step_up need;
        const char *claims;
        gate_reason reason;
        const char *name;
    } rows[] = {
        {{NULL, 0}, "{}", GATE_OK, "where nothing is asked for, nothing is needed"},
        {{"gold", 0}, "{\"acr\":\"gold\"}", GATE_OK, "the acr that is asked for"},
        {{"a gold b", 0}, "{\"acr\":\"gold\"}", GATE_OK, "one among several"},
        {{"a gold b", 0}, "{\"acr\":\"gold b\"}", GATE_ACR_UNMET, "two of them are none"},
        {{"a gold b", 0}, "{\"acr\":\"\"}", GATE_ACR_UNMET, "an empty one is none"},
        {{"gold", 0}, "{\"acr\":\"gold\\n\"}", GATE_ACR_UNMET, "a line end makes another one"},
        {{"gold", 0}, "{\"auth_time\":1750000000}", GATE_ACR_UNMET, "no acr"},
        {{"gold", 60}, "{\"acr\":\"gold\"}", GATE_ACR_UNMET, "the right acr without a time"},
        {{"gold", 60},
         "{\"acr\":\"gold\",\"auth_time\":1749999000}",
         GATE_ACR_UNMET,
         "the right acr, too long ago"},
        {{"gold", 60},
         "{\"acr\":\"lead\",\"auth_time\":1750000000}",
         GATE_ACR_UNMET,
         "another acr, right now"},
        {{"gold", 60}, "{\"acr\":\"gold\",\"auth_time\":1749999950}", GATE_OK, "both"},
        {{NULL, 60}, "{\"auth_time\":1749999910}", GATE_OK, "as old as it may be, and the skew"},
        {{NULL, 60}, "{\"auth_time\":1749999909}", GATE_ACR_UNMET, "a second older"},
        {{NULL, 60}, "{\"auth_time\":1750000030}", GATE_OK, "the skew in the future"},
        {{NULL, 60}, "{\"auth_time\":1750000031}", GATE_ACR_UNMET, "a second later"},
        {{NULL, 60}, "{\"auth_time\":\"soon\"}", GATE_ACR_UNMET, "a text is no time"},
        {{NULL, 60}, "{\"auth_time\":1e300}", GATE_ACR_UNMET, "nor is what lies beyond all time"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *detail = NULL;
        const gate_reason reason = gate_step_up_check(&rows[i].need, identity_of(p, rows[i].claims),
                                                      NOW, SKEW, p, &detail);
        is(gate_reason_name(reason), gate_reason_name(rows[i].reason), "%s", rows[i].name);
        ok((reason != GATE_OK) == (detail != NULL), "and a refusal is explained");
    }
}

static void nobody(apr_pool_t *p)
{
    static const gate_step_up acr = {"gold", 0}, age = {NULL, 60}, nothing = {NULL, 0};
    ok(gate_step_up_check(&acr, NULL, NOW, SKEW, p, NULL) == GATE_ACR_UNMET, "nobody has no acr");
    ok(gate_step_up_check(&age, NULL, NOW, SKEW, p, NULL) == GATE_ACR_UNMET, "and no auth_time");
    ok(gate_step_up_is_asked(&acr) && gate_step_up_is_asked(&age), "either is something");
    ok(!gate_step_up_is_asked(&nothing), "none is nothing");
}

static void both(apr_pool_t *p)
{
    static const struct {
        gate_step_up a, b;
        const char *acr_values;
        apr_int64_t max_age;
        const char *name;
    } rows[] = {
        {{NULL, 0}, {"gold", 0}, "gold", 0, "nothing and an acr"},
        {{"gold", 0}, {NULL, 60}, "gold", 60, "an acr and an age"},
        {{"a b c", 0}, {"c b", 0}, "b c", 0, "what both take, as the first prefers it"},
        {{NULL, 300}, {NULL, 60}, "", 60, "the shorter age"},
        {{NULL, 60}, {NULL, 300}, "", 60, "whichever comes first"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_step_up need = rows[i].a;
        ok(gate_step_up_narrow(p, &need, &rows[i].b), "%s", rows[i].name);
        is(need.acr_values ? need.acr_values : "", rows[i].acr_values, "makes these acr_values");
        ok(need.max_age == rows[i].max_age, "and this max_age");
    }
    gate_step_up need = {"gold", 60};
    ok(!gate_step_up_narrow(p, &need, &(const gate_step_up){"golden silver", 5}),
       "no acr is two at once");
    is(need.acr_values, "gold", "then it is");
    ok(need.max_age == 60, "as it was");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    checks(p);
    nobody(p);
    both(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
