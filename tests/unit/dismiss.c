/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/dismiss.h"

#include "world.h"

static const char page[] = "/app/x";
static const char cookie[] = "__Host-oidc-gate-app";

static int sessions(void)
{
    return fake_count(&the.store, GATE_STORE_SESSION, world_clock());
}

static int revocations(void)
{
    return fake_count(&the.store, GATE_STORE_REVOCATION, world_clock());
}

/* Signed in, a while ago. */
static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    sign_in(s, page);
    world_wait(10);
    return s;
}

/* --- the back channel --- */

static const char *const jtis[] = {"\"J-1\"", "\"J-2\"", "\"J-3\""};

/* A logout token made now, with these changes. */
static const char *token_with(const claim_change *changes, size_t count)
{
    const char *good = apr_psprintf(
        the.pool,
        "{\"iss\":\"%s\",\"aud\":\"c-app\",\"iat\":%" APR_INT64_T_FMT ",\"exp\":%" APR_INT64_T_FMT
        ",\"jti\":\"J-0\",\"sub\":\"alice\",\"sid\":\"sid-1\","
        "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}",
        WORLD_ISSUER, world_clock(), world_clock() + 120);

    return op_sign("logout+jwt",
                   gate_json_compact(the.pool, claims_with(the.pool, good, changes, count)).ptr);
}

static gate_decision post(const char *form)
{
    return gate_dismiss_by_token(request_at("POST", "/oidc-gate/backchannel-logout", false),
                                 &the.site, &the.gate, gate_span_of(form));
}

static const char *tell(const char *token)
{
    return said(post(apr_pstrcat(the.pool, "logout_token=", token, NULL)));
}

static void test_token(void)
{
    gate_settings *s = begin();
    const char *token = token_with(NULL, 0), *again;

    is(tell(token), "ADMIT ok 200", "a logout token is taken");
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "and ends the session");
    world_wait(1);
    sign_in(s, page);
    is(tell(token), "REFUSE replay 400", "the same token once more is not");
    is(who(ask_for(s, page)), "alice", "and ends nothing");
    world_wait(60);
    is(tell(token), "REFUSE replay 400", "nor a while later");
    world_wait(241);
    is(tell(token), "REFUSE token_expired 400", "nor later");
    again = token_with(&(claim_change){"jti", jtis[1]}, 1);
    world_wait(-29);
    is(tell(again), "ADMIT ok 200", "a token from a clock that is ahead is taken");
    world_wait(29 + 300 + 30);
    is(tell(again), "REFUSE token_expired 400", "and forgotten when it is too old");
}

static void test_which(void)
{
    static const struct {
        claim_change changes[2];
        bool ends;
        const char *name;
    } rows[] = {
        {{{"sub", NULL}}, true, "by sid"},
        {{{"sid", NULL}}, true, "by sub"},
        {{{"sid", "\"sid-2\""}}, false, "by another sid of the same person"},
        {{{"sid", NULL}, {"sub", "\"bob\""}}, false, "by another sub"},
        {{{"sub", "\"bob\""}}, true, "by sid, whatever sub says"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();

        is(tell(token_with(rows[i].changes, 2)), "ADMIT ok 200", "%s: 200", rows[i].name);
        is(who(ask_for(s, page)), rows[i].ends ? "nobody" : "alice", "and the session is %s",
           rows[i].ends ? "ended" : "not meant");
    }
}

static void test_several(void)
{
    gate_settings *s = begin();
    const char *first = browser_cookie(cookie);

    browser_drop(cookie);
    sign_in(s, page);
    world_wait(1);
    ok(sessions() == 2, "two browsers of one person");
    tell(token_with(&(claim_change){"sid", NULL}, 1));
    is(who(ask_for(s, page)), "nobody", "by sub, one is signed out");
    browser_set(cookie, first);
    is(who(ask_for(s, page)), "nobody", "and so is the other");
}

static void test_bad_tokens(void)
{
    static const struct {
        claim_change change;
        const char *said;
    } rows[] = {
        {{"iss", "\"https://evil.example\""}, "REFUSE bad_issuer 400"},
        {{"iss", "\"" OTHER_ISSUER "\""}, "REFUSE bad_audience 400"},
        {{"aud", "\"c-else\""}, "REFUSE bad_audience 400"},
        {{"aud", "[\"c-app\",\"c-else\"]"}, "REFUSE bad_audience 400"},
        {{"nonce", "\"N\""}, "REFUSE wrong_kind 400"},
        {{"events", "{\"x\":{}}"}, "REFUSE wrong_kind 400"},
        {{"iat", NULL}, "REFUSE bad_claim 400"},
        {{"jti", NULL}, "REFUSE bad_claim 400"},
        {{"exp", "1"}, "REFUSE token_expired 400"},
    };
    const char *foreign;
    char *changed;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();

        is(tell(token_with(&rows[i].change, 1)), rows[i].said, "%s: %s", rows[i].change.name,
           rows[i].said);
        is(who(ask_for(s, page)), "alice", "and nobody is signed out");
        ok(fake_count(&the.store, GATE_STORE_MARK, world_clock()) == 1,
           "nor is anything marked but the login");
    }
    begin();
    changed = apr_pstrdup(the.pool, token_with(NULL, 0));
    changed[strlen(changed) - 30] = changed[strlen(changed) - 30] == 'A' ? 'B' : 'A';
    is(tell(changed), "REFUSE bad_signature 400", "a token that somebody changed");
    is(tell("x"), "REFUSE malformed_token 400", "none at all");
    op.kid = "k-unknown";
    foreign = token_with(NULL, 0);
    op.kid = "k1";
    is(tell(foreign), "REFUSE unknown_kid 400", "a key that nobody knows");
    ok(revocations() == 0, "end nothing");
}

static void test_forms(void)
{
    static const char *const forms[] = {
        NULL, "", "logout_token=", "other=x", "logout_token=a&logout_token=b", "logout_token=%",
    };

    begin();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        ok(post(forms[i]).status == 400, "'%s' is no form with one token",
           forms[i] ? forms[i] : "nothing");
    is(said(post(apr_pstrcat(the.pool, "a=b&logout_token=", token_with(NULL, 0), NULL))),
       "ADMIT ok 200", "what stands beside the token does not matter");
}

static void test_provider_away(void)
{
    const char *token;

    begin();
    token = token_with(NULL, 0);
    world_new_process();
    for (int i = 0; i < FAKE_RECORDS; i++)
        the.store.records[i].filed &= the.store.records[i].kind != GATE_STORE_DOCUMENT;
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    is(tell(token), "FAIL idp_unreachable 503", "without the provider's keys nobody can tell");
    op.at[OP_DISCOVERY].outage = GATE_OK;
    world_wait(10);
    is(tell(token), "ADMIT ok 200", "with them, the same token is good");
}

/* Told that it failed, the provider tries again, and is not told then that it has succeeded before.
 */
static void test_store_fails(bool ever_after, bool acts)
{
    int n = 0, calls, lies = 0, failures = 0;

    do {
        gate_settings *s = begin();
        const char *token = token_with(NULL, 0), *first, *again;

        calls = the.store.calls;
        the.store.fail_at = calls + ++n;
        the.store.fails_ever_after = ever_after;
        the.store.acts_all_the_same = acts;
        first = tell(token);
        calls = the.store.calls - calls;
        the.store.fail_at = 0;
        if (strcmp(first, "ADMIT ok 200") != 0) {
            failures++;
            lies += strcmp(first, "FAIL store_unavailable 503") != 0;
            world_wait(10);
            again = tell(token); /* a replay is one only where it has been done */
            lies += strcmp(again, "ADMIT ok 200") != 0 &&
                    (!acts || strcmp(again, "REFUSE replay 400") != 0);
        }
        lies += strcmp(who(ask_for(s, page)), "nobody") != 0;
    } while (calls >= n && n < 20);
    ok(!lies && failures && n < 20,
       "where the store is silent at call 1 to %d the provider is told so, and may ask again%s%s",
       n, ever_after ? ", silent ever after" : "", acts ? ", written all the same" : "");
}

/* --- the front channel --- */

static gate_decision show_frame(const char *parameters, const char **framed_by)
{
    return browser_see(
        gate_dismiss_by_frame(request_at("GET", "/oidc-gate/frontchannel-logout", false), &the.site,
                              &the.gate, gate_span_of(parameters), framed_by));
}

static void test_frame(void)
{
    static const struct {
        const char *parameters, *said;
        bool ends, is_ours;
    } rows[] = {
        {"iss=https%3A%2F%2Fop.example&sid=sid-1", "ADMIT ok 200", true, true},
        {"iss=https%3A%2F%2Fop.example&sid=sid-2", "ADMIT ok 200", false, true},
        {"iss=https%3A%2F%2Fother.example&sid=sid-1", "ADMIT ok 200", false, true},
        {"iss=https%3A%2F%2Fevil.example&sid=sid-1", "ADMIT ok 200", false, false},
        {"sid=sid-1", "REFUSE malformed_request 400", false, false},
        {"iss=https%3A%2F%2Fop.example", "REFUSE malformed_request 400", false, false},
        {"iss=https%3A%2F%2Fop.example&sid=", "REFUSE malformed_request 400", false, false},
        {"iss=https%3A%2F%2Fop.example&sid=sid-1&sid=sid-1", "REFUSE malformed_request 400", false,
         false},
        {NULL, "REFUSE malformed_request 400", false, false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();
        const char *framed_by = "unset";

        s->revoke = true;
        is(said(show_frame(rows[i].parameters, &framed_by)), rows[i].said, "%s: %s",
           rows[i].parameters ? rows[i].parameters : "nothing", rows[i].said);
        ok(rows[i].ends == (sessions() == 0) && rows[i].ends == !browser_cookie(cookie),
           "the session is %s", rows[i].ends ? "ended" : "kept");
        ok(rows[i].is_ours == (framed_by != NULL), "the page may%s be framed",
           rows[i].is_ours ? "" : " not");
        ok(op.at[OP_REVOCATION].calls == 0, "and no token is revoked");
    }
}

static void test_frame_without_cookie(void)
{
    gate_settings *s = begin();
    const char *kept = browser_cookie(cookie), *framed_by;

    browser_drop(cookie);
    show_frame("iss=https%3A%2F%2Fop.example&sid=sid-1", &framed_by);
    browser_set(cookie, kept);
    is(who(ask_for(s, page)), "alice", "without the cookie a frame ends nothing");
}

/* --- the administrator --- */

static const char *order_of(const char *form, const gate_site *site)
{
    apr_uint64_t ended = 4711;
    gate_decision decision = gate_dismiss_by_order(request_at("POST", "/admin", false), site,
                                                   &the.gate, gate_span_of(form), &ended);

    return decision.verb == GATE_ADMIT ? apr_psprintf(the.pool, "%d", (int)ended) : said(decision);
}

static const char *order(const char *form)
{
    return order_of(form, &the.site);
}

static gate_settings *begin_many(void)
{
    gate_settings *s = world_begin();

    for (int i = 0; i < 3; i++) {
        browser_drop(cookie);
        sign_in(s, page);
    }
    sign_in(&the.other, "/other/x");
    op.subject = "bob";
    browser_drop(cookie);
    sign_in(s, page);
    world_wait(2);
    return s;
}

static void test_order(void)
{
    gate_settings *s = begin_many();

    is(order("subject=alice&issuer=https%3A%2F%2Fop.example"), "3",
       "all sessions of a subject are ended, and counted");
    ok(sessions() == 2, "and no others");
    is(who(ask_for(s, page)), "bob", "not another's");
    is(who(ask_for(&the.other, page)), "alice", "nor those of another issuer's alice");
    is(order("subject=alice&issuer=https%3A%2F%2Fop.example"), "0", "once more there are none");
    is(order("all=yes"), "2", "everybody's are ended, and counted");
    ok(sessions() == 0 && revocations() == 2, "with a record for those that nobody saw");
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "bob is signed out");
    op.subject = "alice";
    world_wait(1);
    sign_in(s, page);
    is(who(ask_for(s, page)), "alice", "whoever signs in afterwards is signed in");
}

/* Whoever signs out while the walk goes on. */
static gate_store_answer each_and_gone(gate_store *store, gate_store_kind kind, int64_t now,
                                       gate_store_visit *visit, void *context)
{
    fake_record *first = fake_first(&the.store, kind);
    const fake_record gone = *first;

    first->filed = false;
    visit(context, &gone.key, &gone.record);
    return fake_each(store, kind, now, visit, context);
}

static void test_order_while_one_leaves(void)
{
    begin_many();
    the.store.store.each = each_and_gone;
    is(order("all=yes"), "4", "who has left by then is not counted");
}

static void test_order_by_old_key(void)
{
    begin_many();
    the.keys[1] = the.keys[0];
    gate_random_bytes(&the.keys[0], sizeof the.keys[0]);
    the.gate.key_count = 2;
    is(order("subject=alice&issuer=https%3A%2F%2Fop.example"), "3",
       "sessions from before a change of the key are found");
}

static void test_bad_orders(void)
{
    static const char *const forms[] = {
        NULL,
        "",
        "subject=",
        "all=no",
        "all=",
        "all=yes&subject=alice",
        "all=yes&issuer=https%3A%2F%2Fop.example",
        "subject=a&subject=b",
        "subject=alice", /* whose? */
    };

    begin_many();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        is(order(forms[i]), "REFUSE malformed_request 400", "'%s' is no order",
           forms[i] ? forms[i] : "nothing");
    ok(sessions() == 5 && revocations() == 0, "and nobody is signed out");
    the.site.settings_count = 1;
    is(order("subject=alice"), "3", "where there is one issuer it need not be named");
    is(order_of("subject=alice", NULL), "REFUSE malformed_request 400",
       "where there is none it must");
    is(order_of("subject=bob&issuer=https%3A%2F%2Fop.example", NULL), "1", "and then it may");
}

static void test_order_from_elsewhere(void)
{
    begin_many();
    browser_says(0, "Sec-Fetch-Site", "cross-site");
    is(order("all=yes"), "REFUSE cross_site 403", "no page elsewhere gives orders");
    browser_says(0, "Sec-Fetch-Site", NULL);
    browser_says(1, "Origin", "https://evil.example");
    is(order("all=yes"), "REFUSE cross_site 403", "nor in an older browser");
    is(order_of("all=yes", NULL), "REFUSE cross_site 403", "nor where the host has no origin");
    browser_says(1, "Origin", "https://www.example");
    ok(sessions() == 5, "so far nobody is signed out");
    is(order("all=yes"), "5", "a page of this host does");
}

static void test_order_fails(void)
{
    int n, lies = 0;

    for (n = 1; n <= 5; n++) {
        begin_many();
        the.store.fail_at = the.store.calls + n;
        lies += strcmp(order("all=yes"), "FAIL store_unavailable 503") != 0;
    }
    ok(!lies, "where the store is silent nobody is told that it is done");
}

int main(void)
{
    test_token();
    test_which();
    test_several();
    test_bad_tokens();
    test_forms();
    test_provider_away();
    test_store_fails(false, false);
    test_store_fails(true, false);
    test_store_fails(false, true);
    test_store_fails(true, true);
    test_frame();
    test_frame_without_cookie();
    test_order();
    test_order_while_one_leaves();
    test_order_by_old_key();
    test_bad_orders();
    test_order_from_elsewhere();
    test_order_fails();
    return tap_done();
}
