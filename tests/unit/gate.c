/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/gate.h"

#include "tap.h"

static void test_methods(void)
{
    static const char *const names[GATE_METHOD_COUNT] = {"code", "bearer", "introspection",
                                                         "client_credentials"};
    gate_method method;

    for (int i = 0; i < GATE_METHOD_COUNT; i++) {
        is(gate_method_name((gate_method)i), names[i], "method %d is %s", i, names[i]);
        ok(gate_method_find(names[i], &method) && (int)method == i, "and found by its name");
    }
    is(gate_method_name(GATE_METHOD_COUNT), "none", "what is no method has no name");
    ok(!gate_method_find("Code", &method) && !gate_method_find("", &method),
       "other words are no methods");
}

static void test_verbs(void)
{
    int wrong = 0;

    for (int i = 1; i < GATE_REASON_COUNT; i++) {
        const gate_decision decision = gate_refuse((gate_reason)i, "why");
        const int status = gate_reason_get((gate_reason)i)->status;
        const gate_verb verb = status == 401   ? GATE_CHALLENGE
                               : status >= 500 ? GATE_FAIL
                                               : GATE_REFUSE;

        wrong += decision.verb != verb || decision.status != status || decision.known ||
                 decision.identity != NULL;
        wrong += (decision.retry_after > 0) != (status == 503 || status == 429);
    }
    ok(wrong == 0,
       "each reason refuses in its way: challenge, refusal or failure, and nobody is known by it");
    is(gate_refuse(GATE_REPLAY, "why").detail, "why", "the detail goes with it");
}

static void test_redirects(void)
{
    const gate_request get = {.method = "GET"}, post = {.method = "POST"},
                       head = {.method = "HEAD"};

    ok(gate_send_to(&get, "/x").status == 302, "a GET is sent on with 302");
    ok(gate_send_to(&head, "/x").status == 302, "as is a HEAD");
    ok(gate_send_to(&post, "/x").status == 303, "a POST with 303, so that its body goes nowhere");
    is(gate_send_to(&get, "/x").location, "/x", "to the given place");
}

static void test_cookies(void)
{
    gate_decision decision = {.verb = GATE_ADMIT};

    gate_add_cookie(&decision, NULL);
    ok(decision.cookie_count == 0, "no cookie is no cookie");
    for (int i = 0; i < GATE_MAX_COOKIES + 5; i++)
        gate_add_cookie(&decision, "a=b");
    ok(decision.cookie_count == GATE_MAX_COOKIES, "there are never more than fit");
}

int main(void)
{
    test_methods();
    test_verbs();
    test_redirects();
    test_cookies();
    return tap_done();
}
