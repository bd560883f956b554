/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/rehearse.h"

#include "world.h"

static const char page[] = "/app/x";

/* An opaque token, which the provider alone can judge. */
static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    s->methods |= 1u << GATE_METHOD_INTROSPECTION;
    s->introspect_all = true;
    the.authorization = "Bearer good-opaque";
    return s;
}

static const char *rehearse(const gate_settings *s, bool asks, gate_rehearsal *rehearsal)
{
    gate_request *q = request_at("GET", page, false);

    q->trace = gate_trace_make(the.pool);
    gate_rehearse(rehearsal, &the.gate, q->trace, asks);
    return said(gate_decide(q, s, &rehearsal->world));
}

static void test_nobody_is_asked(void)
{
    gate_settings *s = begin();
    gate_rehearsal rehearsal;
    const int writes = fake_all_writes(&the.store);

    for (int i = 0; i < 10; i++)
        rehearse(s, false, &rehearsal);
    ok(rehearsal.calls > 0, "it is known that somebody would be asked");
    ok(op_calls() == 0, "nobody was");
    ok(fake_all_writes(&the.store) == writes, "nothing was written");
    the.questions_left = 0;
    rehearse(s, false, &rehearsal);
    ok(rehearsal.calls > 0, "nor counted for anybody");
    the.questions_left = -1;
    is(said(ask_for(s, page)), "ADMIT ok 200",
       "no endpoint was taken for one that fails: the real request is decided as ever");
}

static void test_what_is_known(void)
{
    gate_settings *s = begin();
    gate_rehearsal rehearsal;

    ask_for(s, page);
    is(rehearse(s, false, &rehearsal), "ADMIT ok 200", "what was judged before is known");
    ok(rehearsal.calls == 0, "without asking");
    the.authorization = NULL;
    sign_in(s, page);
    is(rehearse(s, false, &rehearsal), "ADMIT ok 200", "and so is a session");
}

static void test_asked(void)
{
    gate_settings *s = begin();
    gate_rehearsal rehearsal;

    is(rehearse(s, true, &rehearsal), "ADMIT ok 200", "where it may, it asks");
    ok(op_calls() > 0 && rehearsal.calls == op_calls(), "and says how often");
    is(ask_for(s, page).cache, "hit", "what came of it is kept");
}

static void test_renewal(void)
{
    gate_settings *s = world_begin();
    gate_rehearsal rehearsal;
    int calls;

    sign_in(s, page);
    world_wait(290);
    calls = op_calls();
    rehearse(s, false, &rehearsal);
    ok(rehearsal.calls > 0 && op_calls() == calls, "a renewal that is due is not done");
    is(said(ask_for(s, page)), "ADMIT ok 200", "nor spoiled");
    ok(op_calls() > calls, "for whoever comes next");
}

int main(void)
{
    test_nobody_is_asked();
    test_what_is_known();
    test_asked();
    test_renewal();
    return tap_done();
}
