/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/breaker.h"

#include "world.h"

static gate_digest provider;
static gate_breaker breaker;

static void begin(void)
{
    world_begin();
    gate_breaker_make(&breaker, &provider, GATE_ENDPOINT_TOKEN);
}

static bool is_open(void)
{
    return gate_breaker_is_open(&breaker, request_at("GET", "/", true), &the.gate);
}

static void note(bool good, int times)
{
    for (int i = 0; i < times; i++)
        gate_breaker_note(&breaker, request_at("GET", "/", true), &the.gate, good);
}

static void test_open(void)
{
    begin();
    ok(!is_open(), "an endpoint that nobody asked yet is asked");
    note(false, GATE_BREAKER_FAILURES - 1);
    ok(!is_open(), "four failures in a row are no reason");
    note(false, 1);
    ok(is_open(), "five are");
    world_wait(GATE_BREAKER_SECONDS);
    ok(!is_open(), "after its pause one tries it");
    ok(is_open(), "and only one");
    note(true, 1);
    ok(!is_open(), "when that went well, all ask it again");
}

static void test_in_a_row(void)
{
    begin();
    for (int i = 0; i < 20; i++) {
        note(false, GATE_BREAKER_FAILURES - 1);
        note(true, 1);
    }
    ok(!is_open(), "failures between successes stop nobody");
}

static void test_others(void)
{
    const gate_digest other_provider = {{1}};
    gate_breaker other;

    begin();
    note(false, GATE_BREAKER_FAILURES);
    gate_breaker_make(&other, &provider, GATE_ENDPOINT_JWKS);
    ok(!gate_breaker_is_open(&other, request_at("GET", "/", true), &the.gate),
       "another endpoint is asked");
    gate_breaker_make(&other, &other_provider, GATE_ENDPOINT_TOKEN);
    ok(!gate_breaker_is_open(&other, request_at("GET", "/", true), &the.gate),
       "so is another provider");
}

static gate_breaker_state look(void)
{
    return gate_breaker_look(&breaker, request_at("GET", "/", true), &the.gate);
}

static void test_look(void)
{
    begin();
    ok(look() == GATE_BREAKER_CLOSED, "nothing failed");
    note(false, GATE_BREAKER_FAILURES);
    ok(look() == GATE_BREAKER_OPEN, "it is left alone");
    world_wait(GATE_BREAKER_SECONDS);
    ok(look() == GATE_BREAKER_TRIES && look() == GATE_BREAKER_TRIES, "whoever looks does not try");
    ok(!is_open(), "so that another one does");
    ok(look() == GATE_BREAKER_OPEN, "whom the others wait for");
}

static void test_store(void)
{
    begin();
    note(false, GATE_BREAKER_FAILURES);
    the.store.fail_at = the.store.calls + 1;
    ok(!is_open(), "where the store cannot tell, the provider is asked");
    ok(is_open(), "and only then");
}

int main(void)
{
    test_open();
    test_in_a_row();
    test_others();
    test_look();
    test_store();
    return tap_done();
}
