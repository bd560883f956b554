/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/flight.h"

#include "world.h"

static const gate_span parts[] = {GATE_SPAN("work"), GATE_SPAN("this")};
static bool is_done;
static int looks;

static bool landed(void *context)
{
    looks++;
    return is_done;
}

static gate_flight_plan plan;
static gate_flight flight;
static gate_reason reason;

static void begin(void)
{
    world_begin();
    is_done = false;
    looks = 0;
    plan = (gate_flight_plan){
        .kind = GATE_STORE_LEASE,
        .parts = parts,
        .count = 2,
        .lease_seconds = 6,
        .wait_seconds = 3,
        .landed = landed,
    };
}

static const char *join(void)
{
    static const char *const names[] = {"LEAD", "LANDED", "FAILED", "LATE"};

    return names[gate_flight_join(&flight, request_at("GET", "/", true), &the.gate, &plan,
                                  &reason)];
}

static void test_lead(void)
{
    begin();
    is(join(), "LEAD", "who comes first leads");
    ok(looks == 1 && the.pauses == 0, "after one look whether the work is done");
    gate_flight_end(&flight, GATE_OK, 5);
    is(join(), "LEAD", "when it is over and there is nothing, the next one leads");
}

static void test_landed(void)
{
    begin();
    is_done = true;
    is(join(), "LANDED", "where the work is done nobody leads");
    is_done = false;
    is(join(), "LEAD", "and no lease is left over");
}

static void finish(void)
{
    is_done = true;
}

static void test_wait(void)
{
    begin();
    join();
    the.meanwhile = finish;
    is(join(), "LANDED", "who comes second waits for the first");
    ok(the.pauses == 1, "and looks again soon");
}

static void test_late(void)
{
    const apr_int64_t start = WORLD_START * 1000;

    begin();
    join();
    is(join(), "LATE", "but not for ever");
    is(gate_reason_name(reason), "idp_timeout", "then it is the provider that took too long");
    ok(gate_reason_get(reason)->status == 503, "which is 503");
    ok(the.now_ms - start >= 3000 && the.now_ms - start < 4100, "after three seconds (%d ms)",
       (int)(the.now_ms - start));
    ok(the.pauses < 100, "and not too many looks (%d)", the.pauses);
}

static void test_no_patience(void)
{
    begin();
    join();
    plan.wait_seconds = 0;
    is(join(), "LATE", "who does not want to wait does not");
    ok(the.pauses == 0, "at all");
}

static void test_dead(void)
{
    begin();
    join();
    world_wait(5);
    plan.wait_seconds = 0;
    is(join(), "LATE", "a leader has its time");
    world_wait(1);
    is(join(), "LEAD", "then it is taken for dead");
}

static void test_dead_while_waiting(void)
{
    begin();
    join();
    plan.wait_seconds = 10;
    is(join(), "LEAD", "who waits long enough takes the place of the dead");
}

static bool is_dead(gate_span worker)
{
    return gate_span_is(worker, "dead");
}

static void test_known_dead(void)
{
    gate_flight dead;

    begin();
    the.gate.is_gone = is_dead;
    the.gate.self = gate_span_of("dead");
    join();
    dead = flight;
    the.gate.self = gate_span_of("alive");
    is(join(), "LEAD", "nobody waits for one that is known to be dead");
    ok(the.pauses == 0, "not a moment");
    gate_flight_end(&dead, GATE_IDP_ERROR, 100);
    plan.wait_seconds = 0;
    is(join(), "LATE",
       "but for the one who took its place, of whom the dead cannot speak any more");
    the.gate.is_gone = NULL;
    the.gate.self = (gate_span){NULL, 0};
}

static void test_failure(void)
{
    begin();
    join();
    gate_flight_end(&flight, GATE_IDP_UNREACHABLE, 5);
    is(join(), "FAILED", "after a failure the next one fails at once");
    is(gate_reason_name(reason), "idp_unreachable", "for the same reason");
    world_wait(4);
    is(join(), "FAILED", "for a while");
    world_wait(1);
    is(join(), "LEAD", "then it is tried again");
    gate_flight_end(&flight, GATE_IDP_UNREACHABLE, 0);
    is(join(), "LEAD", "a failure that is not to be remembered is not");
    gate_flight_end(&flight, GATE_IDP_BUSY, 5);
    is(join(), "LEAD", "nor is one of the moment");
}

static gate_flight leader;

static void fail(void)
{
    gate_flight_end(&leader, GATE_IDP_ERROR, 5);
}

static void test_failure_while_waiting(void)
{
    begin();
    join();
    leader = flight;
    the.meanwhile = fail;
    is(join(), "FAILED", "who waits hears of the failure");
    is(gate_reason_name(reason), "idp_error", "and fails alike");
    ok(the.pauses == 1, "at once");
}

/* One whose lease ran out must not end the flight of the one who took its place. */
static void test_late_leader(void)
{
    gate_flight late, second;

    begin();
    join();
    late = flight;
    world_wait(6);
    is(join(), "LEAD", "a second one leads");
    second = flight;
    gate_flight_end(&late, GATE_IDP_ERROR, 100);
    plan.wait_seconds = 0;
    is(join(), "LATE", "the first one's last word is not heard any more");
    gate_flight_end(&second, GATE_OK, 0);
    is(join(), "LEAD", "only the second one's");
}

static void test_other_work(void)
{
    static const gate_span other[] = {GATE_SPAN("work"), GATE_SPAN("that")};

    begin();
    join();
    plan.parts = other;
    is(join(), "LEAD", "other work has a flight of its own");
    plan.parts = parts;
    plan.kind = GATE_STORE_DOCUMENT;
    is(join(), "LEAD", "as has work of another kind");
}

static void test_store(void)
{
    begin();
    the.store.fail_at = 1;
    is(join(), "FAILED", "where the store cannot tell nobody leads");
    is(gate_reason_name(reason), "store_unavailable", "and that is said");
    begin();
    the.store.is_full[GATE_STORE_LEASE] = true;
    is(join(), "FAILED", "nor where there is no room for a lease");
    begin();
    join();
    plan.wait_seconds = 0;
    the.store.fail_at = the.store.calls + 2;
    is(join(), "LATE", "a lease that cannot be read is somebody's");
    begin();
    join();
    gate_flight_end(&flight, (gate_reason)GATE_REASON_COUNT, 5);
    join();
    is(gate_reason_name(reason), "internal", "a last word that is none is our own fault");
}

static void test_clock_back(void)
{
    begin();
    join();
    gate_flight_end(&flight, GATE_OK, 0);
    world_wait(-3600);
    is(join(), "LEAD", "a flight that is over is over, also where the clock goes back");
}

static gate_crowd crowd;

static void test_crowd(void)
{
    begin();
    crowd = (gate_crowd){.most = 2, .waiting = 7};
    plan.crowd = &crowd;
    plan.lease_seconds = 60;
    join();
    is(join(), "FAILED", "a peer that is slow does not hold up more than may wait for it");
    is(gate_reason_name(reason), "idp_busy", "the others come again");
    ok(the.now_ms - WORLD_START * 1000 >= 2000 && crowd.waiting == 7,
       "but first it had its time, as nobody knew");
    the.pauses = 0;
    is(join(), "FAILED", "whoever comes then");
    ok(the.pauses == 0 && crowd.waiting == 7, "is told at once");
    crowd.waiting = 1;
    is(join(), "LATE", "those that may, wait");
    ok(crowd.waiting == 1, "and are counted no more when they have gone");
    the.meanwhile = finish;
    is(join(), "LANDED", "or until it is done");
    ok(crowd.waiting == 1, "which counts the same");
    is_done = false;
    crowd.waiting = 7;
    world_wait(10);
    plan.wait_seconds = 1;
    is(join(), "LATE", "nobody is called slow for ever");
    crowd = (gate_crowd){.most = 0, .waiting = 7};
    plan.wait_seconds = 3;
    is(join(), "LATE", "and where no number is said, all wait");
}

int main(void)
{
    test_crowd();
    test_lead();
    test_landed();
    test_wait();
    test_late();
    test_no_patience();
    test_dead();
    test_dead_while_waiting();
    test_known_dead();
    test_failure();
    test_failure_while_waiting();
    test_late_leader();
    test_other_work();
    test_store();
    test_clock_back();
    return tap_done();
}
