/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/renew.h"

#include "gate/flight.h"
#include "gate/revoke.h"
#include "world.h"

static const char page[] = "/app/x";

/* Access tokens live 300 seconds and are renewed when 60 of them are left. */
#define DUE     240
#define EXPIRED 300

/* alice is signed in at a place that gives the backend her access token. */
static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    sign_in(s, page);
    op.at[OP_TOKEN].calls = 0;
    return s;
}

static const char *token_of(gate_decision decision)
{
    return decision.tokens ? text_of(decision.tokens->access_token) : "none";
}

static bool has_session(void)
{
    return fake_count(&the.store, GATE_STORE_SESSION, world_clock()) == 1;
}

/* --- all is well --- */

static void test_in_time(void)
{
    gate_settings *s = begin();
    gate_decision decision;

    world_wait(DUE - 1);
    is(token_of(ask_for(s, page)), "at-1", "an access token is used for most of its life");
    ok(op.at[OP_TOKEN].calls == 0, "without asking anybody");
    world_wait(1);
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200", "then it is renewed");
    is(token_of(decision), "at-2", "and the backend gets the new one");
    ok(op.at[OP_TOKEN].calls == 1 &&
           strstr(op.at[OP_TOKEN].form, "grant_type=refresh_token&refresh_token=rt-0"),
       "for one call");
    is(token_of(ask_for(s, page)), "at-2", "and so does the next request");
    ok(op.at[OP_TOKEN].calls == 1, "without another");
    world_wait(DUE);
    is(token_of(ask_for(s, page)), "at-3",
       "the new refresh token was kept: it renews the next time");
    ok(op.reuses == 0 && op_most_sent() == 1, "no refresh token is sent twice");
    is(who(ask_for(s, page)), "alice", "and it is still the same person");
}

static void test_late(void)
{
    gate_settings *s = begin();

    world_wait(EXPIRED + 100);
    is(token_of(ask_for(s, page)), "at-2", "somebody who comes back late is renewed as well");
    ok(op.at[OP_TOKEN].calls == 1, "for one call");
}

static void test_lifetime_stays(void)
{
    gate_settings *s = begin();
    const fake_record *filed = fake_first(&the.store, GATE_STORE_SESSION);
    const gate_record before = filed->record;

    world_wait(DUE);
    ask_for(s, page);
    ok(filed->record.version != before.version && filed->record.created == before.created &&
           filed->record.expires == before.expires && filed->record.idle == before.idle,
       "a renewal makes no session live longer");
}

static void test_old_refresh_token_goes_on(void)
{
    gate_settings *s = begin();

    op.keeps_refresh_tokens = true;
    world_wait(DUE);
    is(token_of(ask_for(s, page)), "at-2", "a provider may give no new refresh token");
    world_wait(DUE);
    is(token_of(ask_for(s, page)), "at-3", "then the old one goes on (RFC 6749 section 6)");
}

static void test_new_claims(void)
{
    gate_settings *s = begin();
    gate_decision decision;

    world_wait(DUE);
    op.claims_more = ",\"groups\":\"staff\"";
    decision = ask_for(s, page);
    is(claim_of(decision.identity, "groups"), "staff", "a renewed ID token says what holds now");
    world_wait(DUE);
    op.claims_more = "";
    decision = ask_for(s, page);
    ok(!claim_of(decision.identity, "groups"), "and what does not hold any more");
    op.no_id_token_at_refresh = true;
    op.claims_more = ",\"groups\":\"staff\"";
    world_wait(DUE);
    decision = ask_for(s, page);
    is(token_of(decision), "at-4", "a provider may send none");
    ok(!claim_of(decision.identity, "groups"), "then the last one counts");
    is(who(decision), "alice", "and so does who it is");
}

static void test_scope(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    op.scope = "openid";
    sign_in(s, page);
    op.scope = NULL;
    world_wait(DUE);
    decision = ask_for(s, page);
    is(text_of(gate_identity_scope(decision.identity)), "openid",
       "a scope that is not said again is the one that was granted, not the one that was asked "
       "for");
    op.scope = "email openid profile";
    s = world_begin();
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    sign_in(s, page);
    op.scope = "profile openid";
    world_wait(DUE);
    decision = ask_for(s, page);
    is(text_of(gate_identity_scope(decision.identity)), "profile openid",
       "a narrower one that is said is taken, in whatever order");
    op.scope = "openid profile admin";
    world_wait(DUE);
    decision = ask_for(s, page);
    is(said(decision), "CHALLENGE refresh_failed 401", "a wider one ends the session");
    ok(decision.detail && strstr(decision.detail, "the scope admin, which was not granted"),
       "and the log says so: %s", decision.detail);
    ok(!has_session(), "nothing of it is kept");
}

/* --- many at once --- */

static fake_moment at_work, done;
static gate_settings *settings;
static int served;

static void others_meanwhile(void)
{
    fake_note(&the.store, &at_work);
    for (int i = 0; i < 10; i++) {
        gate_decision decision = ask_for(settings, page);

        served += decision.verb == GATE_ADMIT && !strcmp(token_of(decision), "at-1");
    }
}

static void leader_is_done(void)
{
    fake_return(&the.store, &done);
}

static void test_many_in_time(void)
{
    settings = begin();
    served = 0;
    world_wait(DUE);
    op.at[OP_TOKEN].during = others_meanwhile;
    is(token_of(ask_for(settings, page)), "at-2", "one of many renews");
    ok(served == 10 && the.pauses == 0, "the others go on with what they have, and do not wait");
    ok(op.at[OP_TOKEN].calls == 1, "one call");
}

static void note_at_work(void)
{
    fake_note(&the.store, &at_work);
}

static void test_many_late(void)
{
    int renewed = 0;

    settings = begin();
    world_wait(EXPIRED);
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(settings, page);
    fake_note(&the.store, &done);
    for (int i = 0; i < 10; i++) {
        gate_decision decision;

        fake_return(&the.store, &at_work);
        the.meanwhile = leader_is_done;
        decision = ask_for(settings, page);
        renewed += decision.verb == GATE_ADMIT && !strcmp(token_of(decision), "at-2");
    }
    ok(renewed == 10, "who has nothing to go on with waits for the one who renews");
    ok(op.at[OP_TOKEN].calls == 1 && op.reuses == 0, "one call");
}

static void test_nobody_comes_back(void)
{
    gate_decision decision;

    settings = begin();
    world_wait(EXPIRED);
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(settings, page);
    fake_return(&the.store, &at_work);
    decision = ask_for(settings, page);
    is(said(decision), "FAIL idp_timeout 503", "who waits in vain is told to come again");
    ok(has_session() && op.at[OP_TOKEN].calls == 1, "the session stays, and nothing is sent");
}

/* --- somebody dies over it --- */

static void test_dead_leader(void)
{
    gate_settings *s = begin();
    gate_decision decision;

    world_wait(DUE);
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(s, page);
    fake_return(&the.store, &at_work);
    world_wait(55);
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200",
       "after one died over a renewal the old access token serves to its end");
    is(token_of(decision), "at-1", "and no other");
    ok(op.at[OP_TOKEN].calls == 1,
       "the refresh token, which may have been used, is not sent again");
    world_wait(5);
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401", "then the session is over");
    ok(!has_session() && !browser_cookie("__Host-oidc-gate-app"),
       "in the store and in the browser");
    ok(op_most_sent() == 1 && op.reuses == 0, "the refresh token was never sent again");
}

static bool is_dead(gate_span worker)
{
    return gate_span_is(worker, "dead");
}

static bool never(void *context)
{
    return false;
}

/* One that is known to be dead renews, and comes as far as the provider. */
static void die_over_it(gate_settings *s)
{
    the.gate.is_gone = is_dead;
    the.gate.self = gate_span_of("dead");
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(s, page);
    the.gate.self = gate_span_of("alive");
}

static void bury(void)
{
    the.gate.is_gone = NULL;
    the.gate.self = (gate_span){NULL, 0};
}

static void test_known_dead_leader(void)
{
    gate_settings *s = begin();

    world_wait(EXPIRED);
    die_over_it(s);
    fake_return(&the.store, &at_work);
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
       "nobody waits for a renewal whose process has died");
    ok(the.pauses == 0 && op.at[OP_TOKEN].calls == 1 && op_most_sent() == 1,
       "not a moment, and the refresh token is not sent again");
    bury();
}

static void leader_dies(void)
{
    fake_return(&the.store, &at_work);
}

/* Who waits has read the session before it was marked, and then comes to lead. */
static void test_dies_while_others_wait(void)
{
    static fake_moment before;
    gate_settings *s = begin();
    const gate_digest filed = fake_first(&the.store, GATE_STORE_SESSION)->key;
    const gate_span parts[] = {GATE_SPAN("renew"), {(const char *)filed.bytes, GATE_DIGEST_BYTES}};
    const gate_flight_plan lease = {.kind = GATE_STORE_DOCUMENT,
                                    .parts = parts,
                                    .count = 2,
                                    .lease_seconds = 20,
                                    .landed = never};
    gate_flight flight;
    gate_reason reason;

    world_wait(EXPIRED);
    fake_note(&the.store, &before);
    die_over_it(s);
    fake_return(&the.store, &before);
    gate_flight_join(&flight, request_at("GET", page, true), &the.gate, &lease, &reason);
    the.meanwhile = leader_dies;
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
       "who comes to lead knows what the dead has done");
    ok(op_most_sent() == 1, "the refresh token is not sent again");
    bury();
}

static void test_dead_leader_where_no_token_is_needed(void)
{
    gate_settings *s = begin();

    s->needs = 0;
    world_wait(DUE);
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(s, page);
    fake_return(&the.store, &at_work);
    world_wait(30);
    is(said(ask_for(s, page)), "ADMIT ok 200",
       "who it is, is believed as long as the access token lives");
    world_wait(EXPIRED);
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
       "and no longer where it cannot be renewed");
    ok(op_most_sent() == 1, "the refresh token is not sent again");
}

/* --- the provider does not play its part --- */

/* What a renewal comes to, when it is due and when it is overdue; and what becomes of the session.
 */
static void test_faults(void)
{
    static const struct {
        const char *name;
        gate_reason outage;
        bool acts_first;
        int status;
        const char *body;
        const char *due, *overdue, *recovered;
    } rows[] = {
        {"cannot be reached", GATE_IDP_UNREACHABLE, false, 0, NULL, "ADMIT ok 200",
         "FAIL idp_unreachable 503", "at-2"},
        {"answers 500", GATE_OK, false, 500, "", "ADMIT ok 200", "FAIL idp_error 503", "at-2"},
        {"is busy", GATE_OK, false, 429, "", "ADMIT ok 200", "FAIL idp_error 503", "at-2"},
        {"is behind a closed door", GATE_OK, false, 404, "<html>", "ADMIT ok 200",
         "FAIL idp_error 503", "at-2"},
        {"does not know the gate any more", GATE_OK, false, 401, "{\"error\":\"invalid_client\"}",
         "ADMIT ok 200", "FAIL idp_rejected_gateway 502", "at-2"},
        {"takes too long", GATE_IDP_TIMEOUT, true, 0, NULL, "ADMIT ok 200", "FAIL idp_timeout 503",
         NULL},
        {"breaks off", GATE_IDP_ERROR, true, 0, NULL, "ADMIT ok 200", "FAIL idp_error 503", NULL},
        {"answers with a page", GATE_OK, true, 200, "<html>", "ADMIT ok 200", "FAIL idp_error 503",
         NULL},
        {"says that the grant is over", GATE_OK, false, 400, "{\"error\":\"invalid_grant\"}",
         "CHALLENGE refresh_failed 401", "CHALLENGE refresh_failed 401", NULL},
        {"allows the gate no renewal", GATE_OK, false, 400, "{\"error\":\"unauthorized_client\"}",
         "CHALLENGE refresh_failed 401", "CHALLENGE refresh_failed 401", NULL},
    };

    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const size_t row = i / 2;
        const bool is_overdue = i % 2;
        const char *expected = is_overdue ? rows[row].overdue : rows[row].due;
        gate_settings *s = begin();
        gate_decision decision;

        world_wait(is_overdue ? EXPIRED : DUE);
        op.at[OP_TOKEN].outage = rows[row].outage;
        op.at[OP_TOKEN].acts_first = rows[row].acts_first;
        op.at[OP_TOKEN].status = rows[row].status;
        op.at[OP_TOKEN].body = rows[row].body;
        decision = ask_for(s, page);
        is(said(decision), expected, "a provider that %s, the token %s", rows[row].name,
           is_overdue ? "overdue" : "still good");
        if (decision.verb == GATE_ADMIT)
            is(token_of(decision), "at-1", "the old token serves");
        ok(has_session() == (decision.verb != GATE_CHALLENGE), "the session %s",
           decision.verb == GATE_CHALLENGE ? "is over" : "stays");
        is(said(ask_for(s, page)),
           decision.verb == GATE_CHALLENGE ? "CHALLENGE no_credential 401" : expected,
           "the next one fares alike");
        ok(op.at[OP_TOKEN].calls == 1, "without a call of its own");
        world_wait(EXPIRED);
        op.at[OP_TOKEN] = (op_behaviour){.calls = 1};
        decision = ask_for(s, page);
        if (rows[row].recovered)
            is(token_of(decision), rows[row].recovered, "when all is well again it is renewed");
        else
            ok(decision.verb == GATE_CHALLENGE, "and nobody tries that refresh token again");
        ok(op.reuses == 0, "none was sent that had been used");
    }
}

static void test_pages_sign_in_again(void)
{
    gate_settings *s = begin();

    world_wait(DUE);
    op.grant_is_over = true;
    is(said(open_page(s, page)), "REDIRECT refresh_failed 302",
       "whose grant is over is sent to sign in");
    ok(!has_session(), "without a session");
}

static void test_metadata_away(void)
{
    gate_settings *s = begin();

    world_wait(EXPIRED);
    world_new_process();
    fake_first(&the.store, GATE_STORE_DOCUMENT)->filed = false;
    while (fake_first(&the.store, GATE_STORE_DOCUMENT))
        fake_first(&the.store, GATE_STORE_DOCUMENT)->filed = false;
    op.at[OP_DISCOVERY].outage = GATE_IDP_TIMEOUT;
    is(said(ask_for(s, page)), "FAIL idp_timeout 503",
       "where it is not known whom to ask, nothing is sent");
    ok(has_session(), "and the session stays");
    op.at[OP_DISCOVERY].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(token_of(ask_for(s, page)), "at-2", "to be renewed when it is");
}

/* --- who it is, cannot be learnt, or is somebody else --- */

static void test_another_person(void)
{
    gate_settings *s = begin();

    world_wait(DUE);
    op.subject = "mallory";
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
       "a renewal never makes another person of somebody");
    ok(!has_session(), "the session is over");
}

static const char *mint_badly(apr_pool_t *p, const char *claims)
{
    return sign_jwt(p, sign_make_key(p, "P-256"), "ES256", "{\"alg\":\"ES256\",\"kid\":\"k1\"}",
                    claims);
}

static void test_bad_id_token(void)
{
    static const claim_change changes[] = {
        {"aud", "\"c-other\""},
        {"iss", "\"https://other.example\""},
        {"exp", "1"},
        {"sub", NULL},
    };

    for (size_t i = 0; i <= sizeof changes / sizeof *changes; i++) {
        gate_settings *s = begin();

        world_wait(DUE);
        if (i < sizeof changes / sizeof *changes)
            op.changes[0] = changes[i];
        else
            op.mint = mint_badly;
        is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
           "an ID token with another %s ends the session", op.mint ? "signature" : changes[i].name);
        ok(!has_session(), "for good");
    }
}

static void test_userinfo_away(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    s->userinfo_at_login = true;
    sign_in(s, page);
    world_wait(DUE);
    op.at[OP_USERINFO].outage = GATE_IDP_UNREACHABLE;
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200",
       "where userinfo is away at a renewal, what was known serves");
    is(token_of(decision), "at-1", "with the access token that goes with it");
    is(claim_of(decision.identity, "nickname"), "al", "and the claims");
    world_wait(EXPIRED - DUE);
    is(said(ask_for(s, page)), "FAIL idp_unreachable 503", "but not for ever");
    op.at[OP_USERINFO].outage = GATE_OK;
    world_wait(10);
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200", "when it is back the session is renewed");
    ok(op.reuses == 0 && op_most_sent() == 1, "with the refresh token that had come meanwhile");
}

static void test_userinfo_refuses(void)
{
    gate_settings *s = world_begin();

    s->userinfo_at_login = true;
    sign_in(s, page);
    world_wait(DUE);
    op.at[OP_USERINFO].status = 401;
    is(said(ask_for(s, page)), "CHALLENGE refresh_failed 401",
       "where userinfo refuses the new token the session is over");
    ok(!has_session(), "and gone");
}

/* --- signing out while it goes on --- */

static void end_session(void)
{
    fake_first(&the.store, GATE_STORE_SESSION)->filed = false;
}

static void test_ended_meanwhile(void)
{
    gate_settings *s = begin();

    world_wait(DUE);
    op.at[OP_TOKEN].during = end_session;
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "who signs out while a renewal goes on is signed out");
    ok(!has_session(), "and no late answer brings the session back");
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "now or later");
}

static void end_by_name(const char *session_id)
{
    const gate_ending ending = {.issuer = WORLD_ISSUER, .session_id = gate_span_of(session_id)};

    is(gate_reason_name(gate_revoke(request_at("POST", "/", false), &the.gate, &ending, NULL)),
       "ok", "the provider says that %s is over", session_id);
}

static void revoke_former(void)
{
    end_by_name("sid-1");
}

static void revoke_present(void)
{
    end_by_name("sid-2");
}

/* The provider calls the session otherwise from now on. */
static void test_ended_by_name(void)
{
    void (*const ends[])(void) = {revoke_former, revoke_present};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        gate_settings *s = begin();

        op.changes[0] = (claim_change){"sid", "\"sid-2\""};
        world_wait(DUE);
        op.at[OP_TOKEN].during = ends[i];
        is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
           "and so it is, by the name that it had or has, though a renewal goes on");
    }
}

static void test_ended_while_waiting(void)
{
    settings = begin();
    world_wait(EXPIRED);
    op.at[OP_TOKEN].during = note_at_work;
    ask_for(settings, page);
    fake_return(&the.store, &at_work);
    the.meanwhile = end_session;
    is(said(ask_for(settings, page)), "CHALLENGE session_expired 401",
       "nor does one who waited come in");
    ok(op.at[OP_TOKEN].calls == 1, "or ask");
}

/* --- a provider that is slow at everything --- */

static gate_verb second;

static void second_request(void)
{
    second = ask_for(settings, page).verb;
}

static void test_slow_provider(void)
{
    gate_decision decision;

    settings = world_begin();
    settings->needs = GATE_NEEDS_ACCESS_TOKEN;
    settings->userinfo_at_login = true;
    sign_in(settings, page);
    world_wait(EXPIRED);
    op.at[OP_TOKEN].seconds = 4;
    op.at[OP_USERINFO].seconds = 4;
    op.at[OP_USERINFO].during = second_request;
    decision = ask_for(settings, page);
    is(said(decision), "ADMIT ok 200", "a renewal of several slow calls comes to its end");
    ok(second == GATE_FAIL, "whoever cannot wait so long is told to come again");
    ok(has_session() && op.reuses == 0, "and does not take the session away");
}

static void test_marks_are_full(void)
{
    gate_settings *s = begin();

    the.store.is_full[GATE_STORE_MARK] = the.store.is_full[GATE_STORE_LEASE] = true;
    world_wait(EXPIRED);
    is(token_of(ask_for(s, page)), "at-2",
       "what strangers can fill keeps nobody from being renewed");
}

/* --- our own faults --- */

static void test_store_fails(bool ever_after, bool acts, bool is_overdue)
{
    int good = 0, bad = 0, wrong = 0, n = 0, calls;

    do {
        gate_settings *s = begin();
        gate_decision decision;

        world_wait(is_overdue ? EXPIRED : DUE);
        calls = the.store.calls;
        the.store.fail_at = calls + ++n;
        the.store.fails_ever_after = ever_after;
        the.store.acts_all_the_same = acts;
        decision = ask_for(s, page);
        calls = the.store.calls - calls;
        if (decision.verb == GATE_ADMIT)
            good++;
        else
            bad++;
        wrong += decision.verb != GATE_ADMIT && decision.verb != GATE_FAIL;
        wrong += decision.verb == GATE_ADMIT && strcmp(who(decision), "alice") != 0;
        wrong +=
            decision.verb == GATE_ADMIT && is_overdue && strcmp(token_of(decision), "at-2") != 0;
        the.store.fail_at = 0;
        for (int i = 0; i < 4; i++) {
            world_wait(100);
            ask_for(s, page);
        }
        wrong += op.reuses;
    } while (calls >= n && n < 50);
    ok(good && bad && !wrong && n < 50,
       "a renewal with the store silent at call 1 to %d: %d refused, %d good, no refresh token "
       "twice%s%s%s",
       n, bad, good, ever_after ? ", silent ever after" : "", acts ? ", written all the same" : "",
       is_overdue ? ", overdue" : "");
}

static void test_no_randomness(void)
{
    int wrong = 0, n = 0, calls;

    do {
        gate_settings *s = begin();
        gate_decision decision;

        world_wait(EXPIRED);
        calls = the.random_calls;
        the.random_fails_at = calls + ++n;
        decision = ask_for(s, page);
        calls = the.random_calls - calls;
        wrong += decision.verb == GATE_ADMIT && strcmp(token_of(decision), "at-2") != 0;
        the.random_fails_at = 0;
        world_wait(100);
        ask_for(s, page);
        wrong += op.reuses;
    } while (calls >= n && n < 20);
    ok(!wrong && n > 1 && n < 20, "without randomness nothing is renewed, and nothing sent twice");
}

int main(void)
{
    test_in_time();
    test_late();
    test_lifetime_stays();
    test_old_refresh_token_goes_on();
    test_new_claims();
    test_scope();
    test_many_in_time();
    test_many_late();
    test_nobody_comes_back();
    test_dead_leader();
    test_known_dead_leader();
    test_dies_while_others_wait();
    test_dead_leader_where_no_token_is_needed();
    test_faults();
    test_pages_sign_in_again();
    test_metadata_away();
    test_another_person();
    test_bad_id_token();
    test_userinfo_away();
    test_userinfo_refuses();
    test_ended_meanwhile();
    test_ended_by_name();
    test_ended_while_waiting();
    test_slow_provider();
    test_marks_are_full();
    for (int i = 0; i < 8; i++)
        test_store_fails(i & 1, i & 2, i & 4);
    test_no_randomness();
    return tap_done();
}
