/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/revoke.h"

#include "gate/session.h"
#include "world.h"

static const char page[] = "/app/x";
static const char cookie[] = "__Host-oidc-gate-app";

static const gate_ending everybody = {.issuer = NULL};
static const gate_ending alice = {.issuer = WORLD_ISSUER, .subject = GATE_SPAN("alice")};
static const gate_ending her_session = {.issuer = WORLD_ISSUER, .session_id = GATE_SPAN("sid-1")};

static const char *end(const gate_ending *ending)
{
    return gate_reason_name(gate_revoke(request_at("POST", "/", false), &the.gate, ending, NULL));
}

static int kept(gate_store_kind kind)
{
    return fake_count(&the.store, kind, world_clock());
}

static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    sign_in(s, page);
    world_wait(2);
    return s;
}

static void test_ways(void)
{
    static const struct {
        gate_ending ending;
        bool ends;
        const char *name;
    } rows[] = {
        {{.issuer = NULL}, true, "everybody's sessions"},
        {{.issuer = WORLD_ISSUER, .subject = GATE_SPAN("alice")}, true, "those of a subject"},
        {{.issuer = WORLD_ISSUER, .session_id = GATE_SPAN("sid-1")}, true, "one of the provider's"},
        {{.issuer = WORLD_ISSUER, .subject = GATE_SPAN("bob")}, false, "those of another subject"},
        {{.issuer = WORLD_ISSUER, .subject = GATE_SPAN("sid-1")}, false, "a subject like a sid"},
        {{.issuer = WORLD_ISSUER, .session_id = GATE_SPAN("sid-2")}, false, "another one"},
        {{.issuer = WORLD_ISSUER, .session_id = GATE_SPAN("alice")}, false, "a sid like a subject"},
        {{.issuer = OTHER_ISSUER, .subject = GATE_SPAN("alice")}, false, "another issuer's alice"},
        {{.issuer = OTHER_ISSUER, .session_id = GATE_SPAN("sid-1")}, false, "another issuer's sid"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();

        is(end(&rows[i].ending), "ok", "%s are ended", rows[i].name);
        is(said(ask_for(s, page)), rows[i].ends ? "CHALLENGE session_expired 401" : "ADMIT ok 200",
           "and alice %s", rows[i].ends ? "is signed out" : "is not");
        ok(kept(GATE_STORE_SESSION) == !rows[i].ends, "her record is %s",
           rows[i].ends ? "gone" : "there");
        ok(!browser_cookie(cookie) == rows[i].ends, "and so is her cookie");
    }
}

static void test_free_of_charge(void)
{
    gate_settings *s = begin();
    int calls = the.store.calls, dear;

    ask_for(s, page);
    ok(the.store.calls == calls + 1,
       "where nobody was ended, a request is one look into the store");
    end(&(gate_ending){.issuer = WORLD_ISSUER, .subject = GATE_SPAN("bob")});
    calls = the.store.calls;
    ask_for(s, page);
    dear = the.store.calls - calls;
    ok(dear == 4, "while somebody was, it is %d", dear);
    world_wait(9 * 3600);
    sign_in(s, page);
    world_wait(16 * 3600);
    sign_in(s, page);
    calls = the.store.calls;
    ask_for(s, page);
    ok(the.store.calls == calls + 1, "and when that has been forgotten, one again");
}

static void test_time(void)
{
    gate_settings *s = world_begin();

    sign_in(s, page);
    end(&alice);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "a session that began in the same second is ended too");
    world_wait(1);
    sign_in(s, page);
    is(who(ask_for(s, page)), "alice", "one that began later is not");
    for (int hours = 0; hours < 7; hours++) {
        world_wait(1700);
        ask_for(s, page);
    }
    is(who(ask_for(s, page)), "alice", "however long it lives");
}

static void test_kept_long_enough(void)
{
    gate_settings *s = world_begin();

    s->session.lifetime = 40 * 24 * 3600;
    s->session.idle = 0;
    sign_in(s, page);
    end(&alice);
    world_wait(40 * 24 * 3600 - 1);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "what was ended stays so as long as any session could live");
    begin();
    end(&alice);
    world_wait(GATE_REVOCATION_SECONDS - 1);
    ok(kept(GATE_STORE_REVOCATION) == 1, "and a day at least");
    world_wait(1);
    ok(kept(GATE_STORE_REVOCATION) == 0, "but not for ever");
}

static apr_int64_t noted(void)
{
    apr_int64_t since;

    memcpy(&since, fake_first(&the.store, GATE_STORE_REVOCATION)->record.value.ptr, sizeof since);
    return since;
}

static void test_twice(void)
{
    apr_int64_t later;

    begin();
    end(&alice);
    world_wait(5);
    end(&alice);
    later = world_clock();
    ok(noted() == later && kept(GATE_STORE_REVOCATION) == 1, "the later time counts");
    world_wait(-3);
    end(&alice);
    ok(noted() == later, "whichever is written last");
}

/* A login whose code was redeemed before the logout, and whose session is filed after it. */
static void end_meanwhile(void)
{
    end(&alice);
}

static void test_login_under_way(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    op.at[OP_TOKEN].during = end_meanwhile;
    is(said(come_back(answer)), "CHALLENGE session_expired 401",
       "who is signed out while signing in is not signed in");
    ok(kept(GATE_STORE_SESSION) == 0 && !browser_cookie(cookie), "and leaves no session");
}

static gate_settings *begin_short(void)
{
    gate_settings *s = world_begin();

    op.expires_in = 100;
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    sign_in(s, page);
    world_wait(90);
    return s;
}

static void test_renewal_under_way(void)
{
    gate_settings *s = begin_short();

    op.at[OP_TOKEN].during = end_meanwhile;
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "who is signed out while tokens are renewed is signed out");
    ok(op.at[OP_TOKEN].calls == 2 && kept(GATE_STORE_SESSION) == 0,
       "the renewal brings nothing back");
}

static void end_her_session(void)
{
    end(&her_session);
}

static void test_sid_at_renewal(void)
{
    gate_settings *s = begin_short();

    op.changes[0] = (claim_change){"sid", NULL};
    is(who(ask_for(s, page)), "alice", "a renewed ID token need not have a sid");
    end(&her_session);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "that of the login still counts");
    s = begin_short();
    op.changes[0] = (claim_change){"sid", "\"sid-2\""};
    op.at[OP_TOKEN].during = end_her_session;
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "one with another sid does not outrun the end of the old one");
}

static void test_keys(void)
{
    gate_settings *s = begin();

    end(&alice);
    the.keys[1] = the.keys[0];
    gate_random_bytes(&the.keys[0], sizeof the.keys[0]);
    the.gate.key_count = 2;
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "what was ended before the key was changed stays ended");
    s = begin();
    the.keys[1] = the.keys[0];
    gate_random_bytes(&the.keys[0], sizeof the.keys[0]);
    the.gate.key_count = 2;
    is(who(ask_for(s, page)), "alice", "a session outlives a change of the key");
    end(&alice);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "and is ended under the new one");
    s = begin();
    end(&(gate_ending){.issuer = WORLD_ISSUER, .subject = GATE_SPAN("bob")});
    gate_random_bytes(&the.keys[0], sizeof the.keys[0]);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "where the old key was thrown away, nobody can tell who was ended: all are");
}

static void test_store_fails(void)
{
    gate_settings *s;
    int n, lies = 0;

    for (n = 1; n <= 2; n++) {
        begin();
        the.store.fail_at = the.store.calls + n;
        lies += strcmp(end(&alice), "store_unavailable") != 0;
    }
    ok(!lies, "where the store is silent nobody is told that it is done");
    begin();
    the.store.is_full[GATE_STORE_REVOCATION] = true;
    is(end(&alice), "store_unavailable", "nor where there is no room");
    s = begin();
    end(&(gate_ending){.issuer = WORLD_ISSUER, .subject = GATE_SPAN("bob")});
    for (n = 2, lies = 0; n <= 4; n++) {
        the.store.fail_at = the.store.calls + n;
        lies += strcmp(said(ask_for(s, page)), "FAIL store_unavailable 503") != 0;
    }
    ok(!lies, "and where nobody can tell whether she was ended, she does not pass");
}

/* --- others who write at the same moment --- */

static int meddling; /* how often somebody else comes in between */
static void (*meddle)(const gate_store_key *key, int64_t now);

static gate_store_answer busy_get(gate_store *store, gate_store_kind kind,
                                  const gate_store_key *key, int64_t now, apr_pool_t *p,
                                  gate_record *record)
{
    const gate_store_answer answer = fake_get(store, kind, key, now, p, record);

    if (kind == GATE_STORE_REVOCATION && meddling > 0) {
        meddling--;
        meddle(key, now);
    }
    return answer;
}

/* The same is ended by another process, a little later. */
static void write_too(const gate_store_key *key, int64_t now)
{
    const apr_int64_t later = now + 5;
    const gate_entry entry = {.value = {(const char *)&later, sizeof later},
                              .expires = now + 2 * GATE_REVOCATION_SECONDS};

    fake_put(&the.store.store, GATE_STORE_REVOCATION, key, now, &entry, NULL);
}

static void take_away(const gate_store_key *key, int64_t now)
{
    fake_drop(&the.store.store, GATE_STORE_REVOCATION, key, now);
}

/* A login finishes whose session may live longer than all before. */
static void make_longer_session(const gate_store_key *key, int64_t now)
{
    the.store.latest[GATE_STORE_SESSION] = now + 3 * GATE_REVOCATION_SECONDS;
}

static void test_at_the_same_moment(void)
{
    const gate_settings *s = begin();
    const fake_record *record;

    the.store.store.get = busy_get;
    meddle = write_too;
    meddling = 1;
    is(end(&alice), "ok", "what another process ends at the same moment is ended once");
    ok(noted() == world_clock() + 5, "since the later of both");
    is(who(ask_for(s, page)), "nobody", "for whoever comes");
    meddling = 100;
    is(end(&alice), "store_unavailable",
       "where others write all the time nobody is told that it is done");
    ok(meddling > 80, "after some turns");
    s = begin();
    end(&alice);
    the.store.store.get = busy_get;
    meddle = take_away;
    meddling = 1;
    is(end(&alice), "ok", "a record that goes meanwhile is written anew");
    is(who(ask_for(s, page)), "nobody", "for whoever comes");
    begin();
    the.store.store.get = busy_get;
    meddle = make_longer_session;
    meddling = 1;
    is(end(&alice), "ok", "a login that finishes meanwhile");
    record = fake_first(&the.store, GATE_STORE_REVOCATION);
    ok(record && record->record.expires >= world_clock() + 3 * GATE_REVOCATION_SECONDS,
       "has no session that outlives the record");
}

static void test_what_the_store_sees(void)
{
    const fake_record *record;

    begin();
    end(&alice);
    end(&everybody);
    for (int i = 0; i < FAKE_RECORDS; i++) {
        record = &the.store.records[i];
        if (record->filed && record->kind == GATE_STORE_REVOCATION)
            ok(record->record.value.len == 8, "the record is a time, and nothing else");
    }
}

int main(void)
{
    test_ways();
    test_free_of_charge();
    test_time();
    test_kept_long_enough();
    test_twice();
    test_login_under_way();
    test_renewal_under_way();
    test_sid_at_renewal();
    test_keys();
    test_store_fails();
    test_at_the_same_moment();
    test_what_the_store_sees();
    return tap_done();
}
