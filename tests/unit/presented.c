/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/presented.h"

#include "identity.h"
#include "world.h"

static gate_presented presented;
static gate_reason reason;
static int judged;

static void make(const gate_settings *s, const char *token)
{
    const gate_span parts[] = {GATE_SPAN("token"), gate_span_of(token)};

    ok(gate_presented_make(&presented, s, &the.gate, parts, 2),
       "a credential is known by its digest");
}

static const char *find(const gate_settings *s)
{
    static const char *const names[] = {"UNKNOWN", "GOOD", "BAD", "UNSURE"};
    const gate_identity *identity;
    gate_tokens tokens;
    uint64_t version;

    return names[gate_presented_find(request_at("GET", "/", false), s, &the.gate, &presented,
                                     &identity, &tokens, &version, &reason)];
}

static void file_good(apr_int64_t expires)
{
    const gate_tokens tokens = {.access_token = GATE_SPAN("t")};
    gate_span identity;

    identity_encode(the.pool, "{}", &identity);
    gate_presented_good(request_at("GET", "/", false), &the.gate, &presented, identity, &tokens,
                        expires);
}

static void file_bad(const gate_settings *s, gate_reason why)
{
    gate_presented_bad(request_at("GET", "/", false), s, &the.gate, &presented, why);
}

static void test_good(void)
{
    gate_settings *s = world_begin();

    make(s, "t");
    is(find(s), "UNKNOWN", "one that was never seen is unknown");
    file_good(world_clock() + 10);
    is(find(s), "GOOD", "one that was found good is good");
    make(s, "u");
    is(find(s), "UNKNOWN", "another is not");
    make(s, "t");
    world_wait(10);
    is(find(s), "UNKNOWN", "and it is forgotten in time");
    file_good(world_clock());
    is(find(s), "UNKNOWN", "what is over is not filed");
    file_good(world_clock() + 10);
    gate_presented_forget(request_at("GET", "/", false), &the.gate, &presented);
    is(find(s), "UNKNOWN", "what is forgotten is unknown");
}

static void test_bad(void)
{
    gate_settings *s = world_begin();

    make(s, "t");
    file_bad(s, GATE_TOKEN_INACTIVE);
    is(find(s), "BAD", "one that was found bad is bad");
    is(gate_reason_name(reason), "token_inactive", "for the same reason");
    world_wait(10);
    is(find(s), "UNKNOWN", "for a while");
    s->cache.negative = 0;
    make(s, "t");
    file_bad(s, GATE_TOKEN_INACTIVE);
    is(find(s), "UNKNOWN", "or not at all");
    ok(the.store.writes[GATE_STORE_NEGATIVE] == 1, "and then nothing is written");
}

static void test_bad_reason(void)
{
    gate_settings *s = world_begin();

    make(s, "t");
    file_bad(s, GATE_TOKEN_INACTIVE);
    fake_first(&the.store, GATE_STORE_NEGATIVE)->record.value = GATE_SPAN("xx");
    is(find(s), "BAD", "a verdict that cannot be read is no good one");
    is(gate_reason_name(reason), "internal", "but our own fault");
}

static void test_damaged(void)
{
    gate_settings *s = world_begin();
    fake_record *filed;

    make(s, "t");
    file_good(world_clock() + 10);
    filed = fake_first(&the.store, GATE_STORE_TOKEN);
    ok(filed->front && filed->front < filed->record.value.len, "who it is stands in front");
    filed->front--;
    is(find(s), "UNKNOWN", "a record that is damaged is none");
    the.store.fail_at = the.store.calls + 2;
    is(find(s), "UNSURE", "where that is not the store's own doing");
    filed->front++;
    the.store.fail_at = 0;
    is(find(s), "GOOD", "when it is whole it is");
    filed->record.value.len--;
    is(find(s), "GOOD", "or as much of it as is needed");
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    is(find(s), "UNKNOWN", "and where tokens are, they are not");
}

static void test_bound(void)
{
    gate_settings *s = world_begin();
    gate_settings another = *s;

    make(s, "t");
    file_good(world_clock() + 10);
    gate_random_bytes(&another.accept_fingerprint, sizeof another.accept_fingerprint);
    make(&another, "t");
    is(find(&another), "UNKNOWN", "what was accepted under other conditions is not known");
    another = *s;
    another.cache.introspection++;
    make(&another, "t");
    is(find(&another), "UNKNOWN", "nor what may be kept for another time");
    gate_random_bytes(the.keys, sizeof the.keys[0]);
    make(s, "t");
    is(find(s), "UNKNOWN", "nor what another server has filed");
}

static void test_unsure(void)
{
    gate_settings *s = world_begin();

    make(s, "t");
    the.store.fail_at = 1;
    is(find(s), "UNSURE", "a store that cannot tell says so");
    the.store.fail_at = the.store.calls + 2;
    is(find(s), "UNSURE", "of bad ones too");
}

static gate_reason judge(void *context)
{
    judged++;
    if (*(gate_reason *)context == GATE_OK)
        file_good(world_clock() + 10);
    return *(gate_reason *)context;
}

static const char *judge_once(const gate_settings *s, gate_reason verdict)
{
    return gate_reason_name(gate_presented_judge_once(request_at("GET", "/", false), s, &the.gate,
                                                      &presented, judge, &verdict));
}

static void test_judge_once(void)
{
    gate_settings *s = world_begin();

    judged = 0;
    make(s, "t");
    is(judge_once(s, GATE_OK), "ok", "who comes first judges");
    is(judge_once(s, GATE_OK), "ok", "who comes then finds it");
    ok(judged == 1, "judged once");
    make(s, "u");
    is(judge_once(s, GATE_IDP_ERROR), "idp_error", "that it could not be judged is said");
    is(judge_once(s, GATE_OK), "idp_error", "for a moment to others too");
    ok(judged == 2, "without judging");
    world_wait(1);
    is(judge_once(s, GATE_OK), "ok", "then it is tried again");
    make(s, "v");
    is(judge_once(s, GATE_TOKEN_INACTIVE), "token_inactive", "what is bad is bad");
    is(judge_once(s, GATE_OK), "ok", "and remembered only where that was filed");
    ok(judged == 5, "so it is judged again");
}

static void test_limits(void)
{
    gate_settings *s = world_begin();

    judged = 0;
    make(s, "t");
    the.questions_left = 0;
    is(judge_once(s, GATE_OK), "rate_limited", "a stranger may be told to wait");
    ok(judged == 0, "and is not judged");
    the.questions_left = 1;
    is(judge_once(s, GATE_OK), "ok", "the next moment he is");
    world_wait(11);
    is(judge_once(s, GATE_OK), "ok", "from then on he has a good name");
    world_wait(11);
    is(judge_once(s, GATE_TOKEN_INACTIVE), "token_inactive", "until he is found bad");
    is(judge_once(s, GATE_OK), "rate_limited", "then he is a stranger again");
}

int main(void)
{
    test_good();
    test_bad();
    test_bad_reason();
    test_damaged();
    test_bound();
    test_unsure();
    test_judge_once();
    test_limits();
    return tap_done();
}
