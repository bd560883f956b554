/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/decide.h"

#include "gate/revoke.h"
#include "world.h"

#define BIT(method) (1u << GATE_METHOD_##method)

static const char page[] = "/app/x";

/* A token that the provider of `app` has signed for this place. */
static const char *good_token(void)
{
    return apr_pstrcat(
        the.pool, "Bearer ",
        op_jwt(WORLD_ISSUER, ",\"sub\":\"bob\",\"client_id\":\"c-cli\",\"aud\":\"api://default\""),
        NULL);
}

/* --- nobody --- */

static void test_nobody(void)
{
    static const struct {
        gate_unauthenticated policy;
        bool is_navigation, is_subrequest;
        unsigned methods;
        const char *said, *name;
    } rows[] = {
        {GATE_UNAUTHENTICATED_AUTO, true, false, BIT(CODE), "REDIRECT no_credential 302",
         "a page is sent to sign in"},
        {GATE_UNAUTHENTICATED_AUTO, false, false, BIT(CODE), "CHALLENGE no_credential 401",
         "a script is not"},
        {GATE_UNAUTHENTICATED_AUTO, true, true, BIT(CODE), "CHALLENGE no_credential 401",
         "nor is a part of a page"},
        {GATE_UNAUTHENTICATED_AUTO, true, false, BIT(BEARER), "CHALLENGE no_credential 401",
         "nor where nobody can sign in"},
        {GATE_UNAUTHENTICATED_AUTO, true, false, BIT(CODE) | BIT(BEARER),
         "REDIRECT no_credential 302", "a page is where tokens are taken too"},
        {GATE_UNAUTHENTICATED_LOGIN, false, false, BIT(CODE), "REDIRECT no_credential 302",
         "login sends all away"},
        {GATE_UNAUTHENTICATED_LOGIN, false, true, BIT(CODE), "CHALLENGE no_credential 401",
         "but for subrequests"},
        {GATE_UNAUTHENTICATED_LOGIN, true, false, BIT(CLIENT_CREDENTIALS),
         "CHALLENGE no_credential 401", "and places where nobody can sign in"},
        {GATE_UNAUTHENTICATED_401, true, false, BIT(CODE), "CHALLENGE no_credential 401",
         "401 sends nobody away"},
        {GATE_UNAUTHENTICATED_PASS, true, false, BIT(CODE), "ADMIT no_credential 200",
         "pass lets nobody in"},
        {GATE_UNAUTHENTICATED_PASS, false, true, BIT(BEARER), "ADMIT no_credential 200",
         "whoever asks"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_request *q = request_at("GET", page, rows[i].is_navigation);
        gate_decision decision;

        s->on_unauthenticated = rows[i].policy;
        s->methods = rows[i].methods;
        q->is_subrequest = rows[i].is_subrequest;
        decision = gate_decide(q, s, &the.gate);
        is(said(decision), rows[i].said, "%s", rows[i].name);
        ok(!decision.known && !decision.identity, "as nobody");
        ok(decision.cookie_count == (decision.verb == GATE_REDIRECT),
           "and sets a cookie only for a login");
    }
}

static void test_nobody_costs_nothing(void)
{
    gate_settings *s = world_begin();

    s->methods = BIT(CODE) | BIT(BEARER) | BIT(INTROSPECTION) | BIT(CLIENT_CREDENTIALS);
    ask_for(s, page);
    ok(op_calls() == 0 && the.store.calls == 0,
       "who presents nothing makes nobody ask the provider, nor the store");
}

/* --- credentials in Authorization --- */

static void test_credentials(void)
{
    static const struct {
        unsigned methods;
        const char *authorization, *said, *name;
    } rows[] = {
        {BIT(CODE), "Bearer x", "CHALLENGE no_credential 401",
         "where only people come, a token is nothing"},
        {BIT(CODE), "Bearer x, Bearer y", "CHALLENGE no_credential 401", "nor are two"},
        {BIT(BEARER), "Bearer x", "CHALLENGE malformed_token 401", "no JWT, where JWTs are wanted"},
        {BIT(BEARER), "Bearer x, Bearer y", "REFUSE multiple_credentials 400", "two tokens"},
        {BIT(BEARER), "Basic eDp5, Bearer y", "REFUSE multiple_credentials 400",
         "a client and a token"},
        {BIT(BEARER), "Bearer a b", "REFUSE malformed_credential 400", "a token with a blank"},
        {BIT(BEARER), "Bearer ", "REFUSE malformed_credential 400", "no token"},
        {BIT(BEARER), "Basic eDp5", "CHALLENGE no_credential 401",
         "a client, where only tokens are taken"},
        {BIT(CLIENT_CREDENTIALS), "Bearer x", "CHALLENGE no_credential 401",
         "a token, where only clients are taken"},
        {BIT(CLIENT_CREDENTIALS), "Basic !", "REFUSE malformed_credential 400",
         "a client that is no base64"},
        {BIT(CLIENT_CREDENTIALS), "Basic eA==", "REFUSE malformed_credential 400",
         "a client without a colon"},
        {BIT(BEARER), "Digest a=b, c=d", "CHALLENGE no_credential 401", "another scheme"},
        {BIT(BEARER), "", "CHALLENGE no_credential 401", "an empty header"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();

        s->methods = rows[i].methods;
        the.authorization = rows[i].authorization;
        is(said(ask_for(s, page)), rows[i].said, "%s", rows[i].name);
        ok(op_calls() == 0, "and nobody is asked");
    }
}

static void test_bad_token_and_good_session(void)
{
    gate_settings *s = world_begin();

    s->methods |= BIT(BEARER);
    sign_in(s, page);
    is(who(ask_for(s, page)), "alice", "a session is good");
    the.authorization = "Bearer no.such.token";
    is(said(ask_for(s, page)), "CHALLENGE malformed_token 401",
       "a bad token beside it is not made good by it");
    is(said(open_page(s, page)), "CHALLENGE malformed_token 401",
       "nor is its bearer sent to sign in");
    the.authorization = good_token();
    is(who(ask_for(s, page)), "bob", "a good one says who it is");
    s->on_unauthenticated = GATE_UNAUTHENTICATED_PASS;
    the.authorization = "Bearer no.such.token";
    is(said(ask_for(s, page)), "CHALLENGE malformed_token 401",
       "where nobody may pass, a bad token may not");
    s->methods = BIT(CODE);
    is(who(ask_for(s, page)), "alice", "where no tokens are taken, it is no concern of ours");
}

static void test_good_token(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    s->methods |= BIT(BEARER);
    the.authorization = good_token();
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200", "a good token is let in");
    is(gate_method_name(decision.method), "bearer", "by that method");
    is(decision.cache, "miss", "seen first");
    ok(decision.cookie_count == 0, "and gets no cookie");
    decision = ask_for(s, page);
    is(decision.cache, "hit", "and known from then on");
    is(who(decision), "bob", "as the same one");
}

static void test_good_client(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    s->methods |= BIT(CLIENT_CREDENTIALS);
    sign_in(s, page);
    the.authorization = "Basic Yy1hcGk6Yy1hcGktc2VjcmV0";
    decision = ask_for(s, page);
    is(said(decision), "ADMIT ok 200", "a program with its secret is let in");
    is(who(decision), "c-api", "as itself, whoever else has a session");
    the.authorization = "Basic Yy1hcGk6d3Jvbmc=";
    is(said(ask_for(s, page)), "CHALLENGE invalid_client 401",
       "with a wrong one it is not, whoever else has a session");
}

/* --- sessions --- */

static void test_session(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;
    int writes;

    sign_in(s, page);
    writes = fake_all_writes(&the.store);
    the.store.calls = 0;
    decision = open_page(s, page);
    is(said(decision), "ADMIT ok 200", "a session lets in");
    is(who(decision), "alice", "who it belongs to");
    is(gate_method_name(decision.method), "code", "by the code flow");
    ok(!decision.tokens && decision.cookie_count == 0,
       "no token is opened that nothing needs, no cookie set");
    ok(the.store.calls == 1 && fake_all_writes(&the.store) == writes,
       "it costs one look into the store");
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    decision = open_page(s, page);
    ok(decision.tokens && gate_span_is(decision.tokens->access_token, "at-1"),
       "where one is needed it is there");
}

static void test_useless_session(void)
{
    static const struct {
        const char *cookie, *page, *script, *name;
    } rows[] = {
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "REDIRECT session_expired 302",
         "CHALLENGE session_expired 401", "a session that is gone"},
        {"garbage", "REDIRECT session_tampered 302", "CHALLENGE session_tampered 401",
         "a cookie that is none of ours"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_decision decision;

        browser_set("__Host-oidc-gate-app", rows[i].cookie);
        is(said(ask_for(s, page)), rows[i].script, "%s: a script is told", rows[i].name);
        ok(!browser_cookie("__Host-oidc-gate-app"), "and the cookie taken away");
        browser_set("__Host-oidc-gate-app", rows[i].cookie);
        is(said(open_page(s, page)), rows[i].page, "a page is sent to sign in");
        browser_set("__Host-oidc-gate-app", rows[i].cookie);
        s->on_unauthenticated = GATE_UNAUTHENTICATED_PASS;
        decision = open_page(s, page);
        ok(decision.verb == GATE_ADMIT && !decision.known, "where nobody may pass, it is nobody");
        browser_set("__Host-oidc-gate-app", rows[i].cookie);
        s->on_unauthenticated = GATE_UNAUTHENTICATED_401;
        is(said(open_page(s, page)), rows[i].script, "where nobody is sent away, a page is told");
    }
}

static void test_store_away(void)
{
    gate_settings *s = world_begin();

    sign_in(s, page);
    the.store.fail_at = 1;
    the.store.fails_ever_after = true;
    is(said(open_page(s, page)), "FAIL store_unavailable 503",
       "a store that is away sends nobody to sign in");
    ok(browser_cookie("__Host-oidc-gate-app") != NULL, "and costs nobody the session");
    s->on_unauthenticated = GATE_UNAUTHENTICATED_PASS;
    is(said(open_page(s, page)), "FAIL store_unavailable 503",
       "nor is who cannot be looked up let in as nobody");
    the.store.fail_at = 0;
    is(said(open_page(s, page)), "ADMIT ok 200", "when it is back all is as before");
}

/* A session whose access token cannot be renewed lives on; only what needs the token goes without
 * it. */
static void test_stale_access_token(void)
{
    gate_settings *s = world_begin();

    op.no_refresh_tokens = true;
    sign_in(s, page);
    world_wait(299);
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    is(said(ask_for(s, page)), "ADMIT ok 200",
       "up to its last second an access token is given to the backend");
    world_wait(1);
    is(said(ask_for(s, page)), "CHALLENGE token_expired 401", "and not after that");
    ok(browser_cookie("__Host-oidc-gate-app") != NULL, "the session stays");
    s->needs = GATE_NEEDS_ID_TOKEN;
    is(said(ask_for(s, page)), "ADMIT ok 200", "for where none is needed");
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    is(said(open_page(s, page)), "REDIRECT token_expired 302", "a page is sent to get a new one");
}

static void test_stricter_place(void)
{
    gate_settings *s = world_begin();
    gate_settings strict = *s;

    sign_in(s, page);
    strict.session.lifetime = 60;
    world_wait(60);
    is(said(ask_for(&strict, page)), "CHALLENGE session_expired 401",
       "a session may be too old for one place");
    is(said(ask_for(s, page)), "ADMIT ok 200", "and still good at another");
}

static void test_why(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    sign_in(s, page);
    world_wait(240);
    op.at[OP_TOKEN].status = 400;
    op.at[OP_TOKEN].body = "{\"error\":\"invalid_grant\"}";
    decision = open_page(s, page);
    is(said(decision), "REDIRECT refresh_failed 302", "who cannot be renewed is sent to sign in");
    ok(decision.detail && strstr(decision.detail, "invalid_grant"),
       "and the log says what the provider said");
}

static void test_same_answer(void)
{
    gate_settings *s = world_begin();
    int same = 0;

    sign_in(s, page);
    for (int i = 0; i < 50; i++)
        same += !strcmp(said(open_page(s, page)), "ADMIT ok 200");
    browser_drop("__Host-oidc-gate-app");
    for (int i = 0; i < 50; i++)
        same += !strcmp(said(ask_for(s, page)), "CHALLENGE no_credential 401");
    ok(same == 100, "the same question has the same answer, any number of times");
}

/* --- the same again --- */

static bool again(gate_settings *s, const gate_decision *before)
{
    return gate_decide_again(request_at("GET", page, true), s, &the.gate, before);
}

static void test_again(void)
{
    gate_settings *s = world_begin();
    static const gate_token_source named = {GATE_TOKEN_IN_HEADER, "X-Token"};
    gate_decision before, odd;
    gate_settings stricter, needy;
    fake_record *filed;

    sign_in(s, page);
    before = open_page(s, page);
    ok(gate_decide_repeats(s, &before) && again(s, &before), "what was decided still holds");
    needy = *s;
    needy.needs = GATE_NEEDS_ACCESS_TOKEN;
    ok(!gate_decide_repeats(&needy, &before),
       "not where tokens are told, which have their own end");
    needy = *s;
    needy.tells_anew = true;
    ok(!gate_decide_repeats(&needy, &before), "nor where something is made for each request");
    needy = *s;
    needy.token_sources = (gate_token_sources){&named, 1};
    ok(!gate_decide_repeats(&needy, &before), "nor where a credential may stand elsewhere, too");
    odd = before;
    odd.detail = "a line of its own";
    ok(!gate_decide_repeats(s, &odd), "nor where there is more to say of it");
    world_wait(10);
    stricter = *s;
    stricter.session.lifetime = 10;
    ok(again(s, &before) && !again(&stricter, &before), "nor for longer than this place allows");
    filed = fake_first(&the.store, GATE_STORE_SESSION);
    filed->record.version++;
    ok(!again(s, &before), "nor for another version of the record");
    filed->record.version--;
    the.store.fail_at = the.store.calls + 1;
    ok(!again(s, &before), "nor where the store cannot tell");
    the.store.fail_at = 0;
    ok(again(s, &before), "with all as it was it holds");
    filed->filed = false;
    ok(!again(s, &before), "and not when the record is gone");
}

/* Nothing but the clock moves: the record is there, in that version. */
static void test_again_renewal(void)
{
    gate_settings *s = world_begin();
    gate_decision before;
    apr_int64_t until;

    sign_in(s, page);
    before = open_page(s, page);
    until = gate_identity_expires(before.identity);
    ok(until > WORLD_START && until < WORLD_START + s->session.lifetime,
       "who it is, is believed until it can be renewed");
    world_wait((int)(until - WORLD_START - 1));
    ok(again(s, &before), "so long it holds");
    world_wait(1);
    ok(!again(s, &before), "and then somebody must ask the provider");
}

static void test_again_revoked(void)
{
    gate_settings *s = world_begin();
    gate_decision before;

    sign_in(s, page);
    before = open_page(s, page);
    const gate_ending ending = {
        .issuer = s->realm.issuer,
        .subject = gate_identity_subject(before.identity),
    };
    ok(again(s, &before), "somebody is signed in");
    const gate_ending another = {.issuer = s->realm.issuer, .subject = GATE_SPAN("another")};
    ok(gate_revoke(request_at("GET", page, true), &the.gate, &another, NULL) == GATE_OK &&
           !again(s, &before),
       "when another is signed out elsewhere, it must be asked whether that is the same");
    before = open_page(s, page);
    ok(before.verb == GATE_ADMIT && again(s, &before), "and once that is known, it holds");
    ok(gate_revoke(request_at("GET", page, true), &the.gate, &ending, NULL) == GATE_OK &&
           !again(s, &before),
       "and no longer when signed out elsewhere");
}

static void test_again_token(void)
{
    gate_settings *s = world_begin();
    gate_decision before;

    s->methods = BIT(BEARER);
    the.authorization = good_token();
    before = ask_for(s, page);
    ok(!gate_decide_repeats(s, &before), "a token that was not seen before rests on no record");
    before = ask_for(s, page);
    ok(gate_decide_repeats(s, &before) && again(s, &before), "the next time it does");
    world_wait(s->cache.token);
    ok(!again(s, &before), "for as long as it is kept");
}

/* --- by what it is known again --- */

/* Whether two requests bring the same, as far as the decision goes. */
typedef struct brought {
    bool is_any;
    gate_span parts[GATE_BROUGHT_PARTS];
} brought;

static brought bring(const gate_settings *s)
{
    brought b = {.is_any = false};

    b.is_any = gate_decide_brought(request_at("GET", page, true), s, b.parts);
    return b;
}

static bool is_same(const brought *a, const brought *b)
{
    int same = 0;

    for (int i = 0; i < GATE_BROUGHT_PARTS; i++)
        same += gate_span_equal(a->parts[i], b->parts[i]);
    return same == GATE_BROUGHT_PARTS;
}

static void test_brought_session(void)
{
    gate_settings *s = world_begin();
    brought hers, now;

    ok(!bring(s).is_any, "who brings nothing is not known again");
    sign_in(s, page);
    hers = bring(s);
    ok(hers.is_any, "who has a session is");
    browser_set("theme", "dark");
    now = bring(s);
    ok(now.is_any && is_same(&hers, &now), "whatever other cookies there are");
    the.cookies[0].value = apr_pstrcat(the.pool, the.cookies[0].value, "A", NULL);
    now = bring(s);
    ok(now.is_any && !is_same(&hers, &now), "another cookie is another");
    the.cookies[the.cookie_count++] = the.cookies[0];
    ok(!bring(s).is_any, "of two nobody is known");
    s->methods = BIT(BEARER);
    ok(!bring(s).is_any, "nor by one where none is taken");
}

static void test_brought_token(void)
{
    gate_settings *s = world_begin();
    brought hers, now;

    s->methods |= BIT(BEARER);
    sign_in(s, page);
    hers = bring(s);
    the.authorization = good_token();
    now = bring(s);
    ok(now.is_any && !is_same(&hers, &now), "a token beside a session is not the session");
    hers = now;
    browser_drop(the.cookies[0].name);
    now = bring(s);
    ok(now.is_any && !is_same(&hers, &now), "nor is it what it is alone");
    hers = now;
    the.authorization = apr_pstrcat(the.pool, the.authorization, "=", NULL);
    now = bring(s);
    ok(now.is_any && !is_same(&hers, &now), "one letter more is another");
}

int main(void)
{
    test_nobody();
    test_nobody_costs_nothing();
    test_credentials();
    test_bad_token_and_good_session();
    test_good_token();
    test_good_client();
    test_session();
    test_useless_session();
    test_store_away();
    test_stale_access_token();
    test_stricter_place();
    test_why();
    test_same_answer();
    test_again();
    test_again_renewal();
    test_again_revoked();
    test_again_token();
    test_brought_session();
    test_brought_token();
    return tap_done();
}
