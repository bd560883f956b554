/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/signout.h"

#include "world.h"

static const char page[] = "/app/x";
static const char cookie[] = "__Host-oidc-gate-app";

/* Whoever asks to be signed out: with that method, and these parameters. */
static gate_decision leave_by(const char *method, const char *parameters)
{
    const char *uri =
        apr_pstrcat(the.pool, "/oidc-gate/logout", parameters ? "?" : "", parameters, NULL);

    return browser_see(gate_sign_out(request_at(method, uri, true), &the.site, &the.gate,
                                     gate_span_of(parameters)));
}

static gate_decision leave_for(const char *parameters)
{
    return leave_by("POST", parameters);
}

static int sessions(void)
{
    return fake_count(&the.store, GATE_STORE_SESSION, world_clock());
}

static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    sign_in(s, page);
    return s;
}

static void test_sign_out(void)
{
    gate_settings *s = begin();
    const char *kept = browser_cookie(cookie);
    gate_decision decision = leave_for(NULL);

    is(said(decision), "REDIRECT ok 303", "who signs out here is sent to sign out at the provider");
    ok(gate_span_starts(gate_span_of(decision.location), WORLD_ISSUER "/end?id_token_hint=eyJ"),
       "with the ID token as a hint");
    ok(strstr(decision.location, "client_id=c-app") &&
           strstr(decision.location,
                  "post_logout_redirect_uri=https%3A%2F%2Fwww.example%2Foidc-gate%2Flogout"),
       "and comes back to where it is said");
    ok(!browser_cookie(cookie) && sessions() == 0, "cookie and session are gone");
    ok(!decision.known && !decision.identity, "and nobody is known any more");
    ok(op.at[OP_REVOCATION].calls == 0, "tokens are revoked only where that is wanted");
    is(said(ask_for(s, page)), "CHALLENGE no_credential 401", "the next request is nobody's");
    browser_set(cookie, kept);
    is(said(open_page(s, page)), "REDIRECT session_expired 302", "and an old cookie opens nothing");
}

static void test_nobody(void)
{
    gate_decision decision;

    world_begin();
    decision = leave_for(NULL);
    is(said(decision), "ADMIT ok 200", "who has no session is told so");
    ok(decision.cookie_count == 0, "and nothing is set");
    browser_says(0, "Sec-Fetch-Site", "cross-site");
    is(said(leave_by("GET", NULL)), "ADMIT ok 200", "as is who comes back from the provider");
}

static void test_dead_cookies(void)
{
    static const char *const values[] = {"garbage", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

    for (size_t i = 0; i < 2; i++) {
        world_begin();
        browser_set(cookie, values[i]);
        is(said(leave_for(NULL)), "ADMIT ok 200", "who has a useless cookie is signed out");
        ok(!browser_cookie(cookie), "and rid of it");
    }
    begin();
    browser_set("__Host-oidc-gate-other", "garbage");
    is(said(leave_for(NULL)), "REDIRECT ok 303",
       "beside a session a useless cookie is no second one");
    ok(the.cookie_count == 0, "and goes with it");
}

static void test_tampered(void)
{
    char *bad;

    begin();
    bad = apr_pstrdup(the.pool, browser_cookie(cookie));
    bad[40] = bad[40] == 'A' ? 'B' : 'A';
    browser_set(cookie, bad);
    is(said(leave_for(NULL)), "ADMIT ok 200", "a cookie that finds a session and does not open it");
    ok(sessions() == 1, "ends nobody's");
}

static void test_too_old_here(void)
{
    gate_settings *s = begin();

    char *bad;

    s->session.lifetime = 60;
    world_wait(60);
    bad = apr_pstrdup(the.pool, browser_cookie(cookie));
    bad[40] = bad[40] == 'A' ? 'B' : 'A';
    the.cookies[0].value = bad;
    leave_for(NULL);
    ok(sessions() == 1, "who cannot open a session that is too old here does not end it");
    s = begin();
    s->session.lifetime = 60;
    world_wait(60);
    is(said(leave_for(NULL)), "REDIRECT ok 303",
       "a session that is too old for one place of its realm is ended all the same");
    ok(sessions() == 0 && !browser_cookie(cookie), "for it may be good at another");
}

static void test_cross_site(void)
{
    static const struct {
        const char *method, *fetch_site, *origin;
        bool allowed;
        const char *name;
    } rows[] = {
        {"POST", NULL, NULL, true, "a POST of an old browser or a program"},
        {"POST", "same-origin", NULL, true, "a POST from a page of this host"},
        {"POST", "none", NULL, true, "a POST that no page makes"},
        {"POST", "cross-site", NULL, false, "a POST from elsewhere"},
        {"POST", "same-site", NULL, false, "a POST from a sibling host"},
        {"POST", NULL, "https://www.example", true, "a POST with this origin"},
        {"POST", NULL, "https://evil.example", false, "a POST with another"},
        {"POST", NULL, "null", false, "a POST with none to speak of"},
        {"POST", "cross-site", "https://www.example", false, "a POST that contradicts itself"},
        {"GET", NULL, NULL, false, "a GET that proves nothing: an image elsewhere"},
        {"GET", "same-origin", NULL, true, "a link on a page of this host"},
        {"GET", "none", NULL, true, "an address typed in"},
        {"GET", "cross-site", NULL, false, "a link elsewhere"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_decision decision;

        begin();
        browser_says(0, "Sec-Fetch-Site", rows[i].fetch_site);
        browser_says(1, "Origin", rows[i].origin);
        decision = leave_by(rows[i].method, NULL);
        ok(rows[i].allowed == (sessions() == 0), "%s %s", rows[i].name,
           rows[i].allowed ? "signs out" : "does not");
        is(said(decision),
           !rows[i].allowed           ? "REFUSE cross_site 403"
           : rows[i].method[0] == 'P' ? "REDIRECT ok 303"
                                      : "REDIRECT ok 302",
           "and is told");
        ok(rows[i].allowed == !browser_cookie(cookie), "with the cookie gone or kept");
    }
}

static void test_targets(void)
{
    static const char *const allowed[] = {"https://portal.example/bye",
                                          "https://portal.example/en/bye", NULL};
    static const struct {
        const char *parameters, *target;
    } rows[] = {
        {"redirect=%2Fbye%3Fa%3Db", "https%3A%2F%2Fwww.example%2Fbye%3Fa%3Db"},
        {"redirect=https%3A%2F%2Fportal.example%2Fbye", "https%3A%2F%2Fportal.example%2Fbye"},
        {"redirect=https%3A%2F%2Fportal.example%2Fen%2Fbye",
         "https%3A%2F%2Fportal.example%2Fen%2Fbye"},
        {"redirect=https%3A%2F%2Fportal.example%2Fbye%3Fx", NULL},
        {"redirect=https%3A%2F%2Fevil.example%2F", NULL},
        {"redirect=%2F%2Fevil.example%2F", NULL},
        {"redirect=%2F%5Cevil.example%2F", NULL},
        {"redirect=javascript%3Aalert(1)", NULL},
        {"redirect=", "https%3A%2F%2Fportal.example%2Fbye"},
        {NULL, "https%3A%2F%2Fportal.example%2Fbye"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();
        gate_decision decision;

        s->logout_targets = allowed;
        decision = leave_for(rows[i].parameters);
        is(said(decision), rows[i].target ? "REDIRECT ok 303" : "REFUSE target_unsafe 400",
           "signing out with %s", rows[i].parameters ? rows[i].parameters : "no target");
        if (rows[i].target)
            ok(strstr(decision.location,
                      apr_pstrcat(the.pool, "post_logout_redirect_uri=", rows[i].target, NULL)) !=
                   NULL,
               "leads to %s", rows[i].target);
        else
            ok(sessions() == 1, "does not happen");
    }
}

static void test_state(void)
{
    begin();
    ok(strstr(leave_for("redirect=%2Fbye&state=S%26T").location, "&state=S%26T") != NULL,
       "a state goes to the provider, to come back");
    begin();
    ok(!strstr(leave_for("redirect=%2Fbye").location, "state="), "and need not be there");
    begin();
    ok(!strstr(leave_for("state=S").location, "state="),
       "nobody waits for it where the gate's own page is the target");
}

static void test_provider_away(void)
{
    gate_settings *s = begin();

    s->revoke = true;
    world_new_process();
    for (int i = 0; i < FAKE_RECORDS; i++)
        the.store.records[i].filed &= the.store.records[i].kind == GATE_STORE_SESSION;
    for (int i = 0; i < OP_ENDPOINTS; i++)
        op.at[i].outage = GATE_IDP_TIMEOUT;
    op.at[OP_DISCOVERY].calls = 0;
    is(said(leave_for(NULL)), "ADMIT ok 200", "a provider that is away keeps nobody signed in");
    ok(sessions() == 0 && !browser_cookie(cookie), "session and cookie are gone");
    ok(op.at[OP_DISCOVERY].calls == 1, "after one call");
    begin();
    for (int i = 0; i < FAKE_RECORDS; i++)
        the.store.records[i].filed &= the.store.records[i].kind == GATE_STORE_SESSION;
    world_new_process();
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    is(leave_for("redirect=%2Fbye").location, "https://www.example/bye",
       "and people go straight to where they want to go");
}

static void test_revoke(void)
{
    gate_settings *s = begin();

    s->revoke = true;
    leave_for(NULL);
    ok(op.at[OP_REVOCATION].calls == 2, "where it is wanted both tokens are revoked");
    is(op.at[OP_REVOCATION].form, "token=at-1&token_type_hint=access_token",
       "the access token last");
    is(op.at[OP_REVOCATION].authorization, "Basic Yy1hcHA6Yy1hcHAtc2VjcmV0",
       "with the client's credentials");
    s = begin();
    s->revoke = true;
    op.at[OP_REVOCATION].outage = GATE_IDP_TIMEOUT;
    is(said(leave_for(NULL)), "REDIRECT ok 303", "that it fails holds nobody back");
    ok(op.at[OP_REVOCATION].calls == 1 && strstr(op.at[OP_REVOCATION].form, "token=rt-0"),
       "longer than one call may take");
    ok(sessions() == 0, "the session is gone");
    s = world_begin();
    s->revoke = true;
    op.no_refresh_tokens = true;
    sign_in(s, page);
    leave_for(NULL);
    ok(op.at[OP_REVOCATION].calls == 1, "a token that is not there is not revoked");
}

static void test_two_realms(void)
{
    gate_settings *s = begin();

    sign_in(&the.other, "/other");
    is(said(leave_for(NULL)), "REFUSE malformed_request 400",
       "who has two sessions must say which is meant");
    ok(sessions() == 2, "and keeps both");
    is(said(leave_for("realm=other")), "REDIRECT ok 303", "who says it");
    ok(sessions() == 1 && browser_cookie(cookie) && !browser_cookie("__Host-oidc-gate-other"),
       "leaves that one");
    is(who(ask_for(s, page)), "alice", "and stays in the other");
    is(said(leave_for("realm=nonsense")), "ADMIT ok 200",
       "in a realm that does not exist nobody is signed in");
    ok(sessions() == 1, "and nobody signed out");
}

static void test_malformed(void)
{
    begin();
    is(said(leave_for("redirect=a&redirect=b")), "REFUSE malformed_request 400",
       "a doubled parameter is refused");
    is(said(leave_for("redirect=%")), "REFUSE malformed_request 400", "and a broken one");
    ok(sessions() == 1, "nothing happened");
}

static void test_store_fails(void)
{
    int n = 0, lies = 0, calls;

    do {
        gate_decision decision;

        begin();
        calls = the.store.calls;
        the.store.fail_at = calls + ++n;
        decision = leave_for(NULL);
        calls = the.store.calls - calls;
        lies += decision.verb != GATE_FAIL && (sessions() != 0 || browser_cookie(cookie) != NULL);
        lies += decision.verb == GATE_FAIL && !browser_cookie(cookie);
    } while (calls >= n && n < 20);
    ok(!lies && n > 2 && n < 20,
       "with the store silent at call 1 to %d nobody is told to be signed out who is not", n);
}

int main(void)
{
    test_sign_out();
    test_nobody();
    test_dead_cookies();
    test_tampered();
    test_too_old_here();
    test_cross_site();
    test_targets();
    test_state();
    test_provider_away();
    test_revoke();
    test_two_realms();
    test_malformed();
    test_store_fails();
    return tap_done();
}
