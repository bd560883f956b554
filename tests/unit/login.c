/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/login.h"

#include <unistd.h>

#include "gate/attempt.h"
#include "gate/session.h"
#include "oidc/id_token.h"
#include "world.h"

static const char page[] = "/app/x?a=1&b=%20";

static const char *parameter(const char *location, const char *name)
{
    gate_form *form;

    gate_form_parse(the.pool, gate_span_of(apr_pstrdup(the.pool, strchr(location, '?') + 1)), 32,
                    &form);
    return text_of(gate_form_get(form, name));
}

/* The Set-Cookie line of that name; NULL for none. */
static const char *set_cookie(gate_decision decision, const char *prefix)
{
    for (int i = 0; i < decision.cookie_count; i++) {
        if (gate_span_starts(gate_span_of(decision.cookies[i]), prefix))
            return decision.cookies[i];
    }
    return NULL;
}

static const char *session_cookie(void)
{
    return browser_cookie("__Host-oidc-gate-app");
}

/* --- there --- */

static void test_begin(void)
{
    gate_settings *s = world_begin();
    gate_decision decision = open_page(s, page);
    const char *url = decision.location, *cookie;
    gate_attempts found;
    gate_digest digest;

    is(said(decision), "REDIRECT no_credential 302",
       "a page without a session sends the browser away");
    ok(gate_span_starts(gate_span_of(url), WORLD_ISSUER
                        "/authorize?response_type=code&client_id=c-app&"
                        "redirect_uri=https%3A%2F%2Fwww.example%2Foidc-gate%2Fcallback&"
                        "scope=openid+profile&state="),
       "to the provider, for a code");
    is(parameter(url, "code_challenge_method"), "S256", "with PKCE");
    ok(strlen(parameter(url, "state")) == 43 && strlen(parameter(url, "nonce")) == 43,
       "state and nonce have 256 bits");
    ok(strcmp(parameter(url, "state"), parameter(url, "nonce")) != 0, "and are not the same");
    ok(decision.cookie_count == 1, "one cookie is set");
    cookie = set_cookie(decision, "__Host-oidc-gate-login-");
    ok(cookie && strstr(cookie, "; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"),
       "for ten minutes");
    ok(cookie && !strstr(cookie, parameter(url, "state")) &&
           !strstr(cookie, parameter(url, "nonce")),
       "which shows neither state nor nonce");
    gate_attempts_find(request_at("GET", page, true), s->site, &the.gate, &found);
    ok(found.count == 1 && gate_nonce_digest(&digest, gate_span_of(parameter(url, "nonce"))) &&
           !memcmp(found.items[0].attempt.nonce.ptr, digest.bytes, sizeof digest.bytes) &&
           found.items[0].attempt.nonce.len == sizeof digest.bytes,
       "nor has the nonce in it, but what it digests to");
    ok(fake_all_writes(&the.store) == the.store.writes[GATE_STORE_DOCUMENT],
       "nothing is stored but the metadata");
    ok(op.at[OP_DISCOVERY].calls == 1 && op_calls() == 1, "which was asked for once");
}

/* The ID tokens of this provider live 300 seconds. */
static void test_until_id_token(void)
{
    gate_settings *s = world_begin();

    s->session.ends_with_id_token = true;
    sign_in(s, page);
    world_wait(299);
    is(said(ask_for(s, page)), "ADMIT ok 200", "until=id_token: a session as long as the ID token");
    world_wait(1);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401", "is over with it");
}

static void test_abandoned(void)
{
    gate_settings *s = world_begin();
    int writes, calls;
    size_t header;

    open_page(s, page);
    open_page(s, page);
    writes = fake_all_writes(&the.store);
    calls = the.store.calls;
    for (int i = 0; i < 200; i++)
        open_page(s, apr_psprintf(the.pool, "/app/%d", i));
    header = strlen(world_header(request_at("GET", "/", true), "Cookie"));
    ok(fake_all_writes(&the.store) == writes, "200 logins that nobody finishes write nothing");
    ok(the.store.calls == calls, "nor do they ask the store");
    ok(op_calls() == 1, "nor the provider");
    ok(browser_count("__Host-oidc-gate-login-") == GATE_LOGINS_AT_ONCE,
       "and leave the newest five cookies");
    ok(header < 4096, "of %d bytes in all", (int)header);
}

static void test_oldest_goes(void)
{
    gate_settings *s = world_begin();
    const char *answers[6];

    for (int i = 0; i < 6; i++) {
        answers[i] = op_approve(open_page(s, apr_psprintf(the.pool, "/app/%d", i)).location);
        world_wait(1);
    }
    is(said(come_back(answers[0])), "REFUSE state_unknown 400",
       "of six attempts the oldest is dropped");
    for (int i = 5; i > 0; i--)
        is(come_back(answers[i]).location, apr_psprintf(the.pool, "/app/%d", i),
           "attempt %d is finished", i);
}

static void test_return_to(void)
{
    static const struct {
        const char *wanted, *got, *name;
    } rows[] = {
        {"/app/x?a=1&b=%20", "/app/x?a=1&b=%20", "a path with its query is kept to the letter"},
        {"//evil.example/", "/", "another host is not gone to"},
        {"/\\evil.example/", "/", "nor by a backslash"},
        {"https://evil.example/", "/", "nor by an absolute address"},
        {"/app%0d%0aSet-Cookie:x", "/", "an encoded line break is none of a path"},
        {"", "/", "what is empty is the root"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();

        is(sign_in(s, rows[i].wanted).location, rows[i].got, "%s", rows[i].name);
    }
}

static void test_long_return_to(void)
{
    gate_settings *s = world_begin();
    char *query = apr_palloc(the.pool, 9000), *path = apr_palloc(the.pool, 9000);

    memset(query, 'q', 8999);
    memset(path, 'p', 8999);
    query[8000] = path[8000] = '\0';
    is(sign_in(s, apr_pstrcat(the.pool, "/app?", query, NULL)).location, "/app",
       "too long an address loses its query");
    s = world_begin();
    is(sign_in(s, apr_pstrcat(the.pool, "/", path, NULL)).location, "/",
       "too long a path becomes the root");
}

static void test_post_is_seen_other(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    s->on_unauthenticated = GATE_UNAUTHENTICATED_LOGIN;
    decision = gate_decide(request_at("POST", page, false), s, &the.gate);
    is(said(decision), "REDIRECT no_credential 303",
       "a POST that is sent to sign in becomes a GET (RFC 9700 4.12)");
}

static void test_large_attempts(void)
{
    gate_settings *s = world_begin();
    char *path = apr_palloc(the.pool, 1400);
    size_t header;

    memset(path, 'p', 1399);
    path[0] = '/';
    path[1399] = '\0';
    for (int i = 0; i < 5; i++)
        open_page(s, path);
    header = strlen(world_header(request_at("GET", "/", true), "Cookie"));
    ok(browser_count("__Host-oidc-gate-login-") == 1 && header < 4096,
       "long ways back leave fewer attempts, so that httpd takes the Cookie header (%d bytes)",
       (int)header);
    is(come_back(op_approve(open_page(s, path).location)).location, path, "and are found");
}

static void test_useless_cookies(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;

    for (int slot = 0; slot < 16; slot++)
        browser_set(apr_psprintf(the.pool, "__Host-oidc-gate-login-%x", (unsigned)slot), "useless");
    alarm(10);
    decision = open_page(s, page);
    alarm(0);
    is(said(decision), "REDIRECT no_credential 302",
       "a browser whose cookies of attempts are all useless still signs in");
    ok(browser_count("__Host-oidc-gate-login-") == 1,
       "they are taken away, and one takes their place");
    ok(decision.cookie_count == 16, "each is named once");
    is(come_back(op_approve(decision.location)).location, page, "and the login is finished");
}

/* --- and back --- */

static void test_finish(void)
{
    gate_settings *s = world_begin();
    gate_decision decision = open_page(s, page);
    const char *answer = op_approve(decision.location), *form, *cookie;

    decision = come_back(answer);
    form = op.at[OP_TOKEN].form;
    is(said(decision), "REDIRECT ok 302", "the browser is sent on");
    is(decision.location, page, "to exactly where it wanted to go");
    is(who(decision), "alice", "it is known who signed in");
    ok(op.at[OP_TOKEN].calls == 1 && op.at[OP_JWKS].calls == 1 && op_calls() == 3,
       "one token call, one for the keys");
    ok(strstr(form, "grant_type=authorization_code&code=code-0&redirect_uri=https%3A%2F%2Fwww."
                    "example%2Foidc-gate%2Fcallback"
                    "&code_verifier="),
       "with code, redirect address and verifier");
    is(op.at[OP_TOKEN].authorization, "Basic Yy1hcHA6Yy1hcHAtc2VjcmV0",
       "and the client's credentials as Basic");
    cookie = set_cookie(decision, "__Host-oidc-gate-app=");
    ok(cookie && strstr(cookie, "; Path=/; Secure; HttpOnly; SameSite=Lax"),
       "the session cookie is set");
    ok(browser_count("__Host-oidc-gate-login-") == 0, "the attempt's cookie is taken away");
    ok(fake_count(&the.store, GATE_STORE_SESSION, world_clock()) == 1, "one session is filed");
    is(said(open_page(s, page)), "ADMIT ok 200", "and opens the page");
}

static void test_no_calls_afterwards(void)
{
    gate_settings *s = world_begin();
    int calls;

    sign_in(s, page);
    calls = op_calls();
    for (int i = 0; i < 100; i++)
        open_page(s, page);
    ok(op_calls() == calls, "a hundred pages later the provider was not asked again");
    the.now_ms += 60 * 1000;
    for (int i = 0; i < OP_ENDPOINTS; i++)
        op.at[i].outage = GATE_IDP_UNREACHABLE;
    is(said(open_page(s, page)), "ADMIT ok 200", "nor does it matter that it is away");
}

static void test_tabs(void)
{
    gate_settings *s = world_begin();
    const char *one = op_approve(open_page(s, "/app/one").location);
    const char *two = op_approve(open_page(s, "/app/two").location);

    is(come_back(two).location, "/app/two", "of two tabs the second is finished first");
    is(come_back(one).location, "/app/one", "and the first ends where it began");
    ok(browser_count("__Host-oidc-gate-login-") == 0, "no attempt is left over");
    ok(fake_count(&the.store, GATE_STORE_SESSION, world_clock()) == 1,
       "and one session: the later took the earlier's place");
}

static void test_expired(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);
    gate_decision again;

    world_wait(GATE_LOGIN_SECONDS);
    again = come_back(answer);
    is(said(again), "REDIRECT state_expired 302", "a login that took too long is begun once more");
    ok(op.at[OP_TOKEN].calls == 0, "without using the code");
    ok(browser_count("__Host-oidc-gate-login-") == 1, "in place of the old attempt");
    answer = op_approve(again.location);
    world_wait(GATE_LOGIN_SECONDS);
    is(said(come_back(answer)), "REFUSE state_expired 400", "and no third time");
    ok(browser_count("__Host-oidc-gate-login-") == 0, "then nothing is left of it");
}

static void test_again_in_time(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    world_wait(GATE_LOGIN_SECONDS);
    answer = op_approve(come_back(answer).location);
    is(come_back(answer).location, page,
       "the second time in time, the person still gets to the first page");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    world_wait(GATE_LOGIN_SECONDS - 1);
    is(said(come_back(answer)), "REDIRECT ok 302", "in the last second it is not too late");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    world_wait(-2 * GATE_LOGIN_SECONDS);
    is(said(come_back(answer)), "REDIRECT state_expired 302",
       "one from the future is begun again as well");
}

static void test_replay(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);
    world_cookie kept[COOKIES_MAX];
    const int count = the.cookie_count;
    gate_decision decision;

    memcpy(kept, the.cookies, sizeof kept);
    come_back(answer);
    memcpy(the.cookies, kept, sizeof kept);
    the.cookie_count = count;
    decision = come_back(answer);
    is(said(decision), "REFUSE replay 400", "a state that was used is refused, cookie or not");
    ok(op.at[OP_TOKEN].calls == 1, "and the code is not sent again");
    ok(!set_cookie(decision, "__Host-oidc-gate-app="), "no session comes of it");
}

static void test_back_button(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location), *before;
    gate_decision decision;

    come_back(answer);
    before = session_cookie();
    decision = come_back(answer);
    is(said(decision), "REDIRECT ok 303", "the back button of somebody signed in leads on");
    is(decision.location, "/", "to the site's root");
    ok(op.at[OP_TOKEN].calls == 1, "the code is not sent again");
    is(session_cookie(), before, "the session is as it was");
}

static void test_foreign_state(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);
    int reads, calls;

    open_page(s, page);
    reads = the.store.calls;
    calls = op_calls();
    the.cookie_count = 0;
    is(said(come_back(answer)), "REFUSE state_unknown 400",
       "another browser cannot finish a login");
    open_page(s, page);
    is(said(come_back("code=c&state=0123456789012345678901234567890123456789012")),
       "REFUSE state_unknown 400", "a state that was made up is unknown");
    is(said(come_back(apr_pstrcat(the.pool, answer, "x", NULL))), "REFUSE state_unknown 400",
       "and so is a longer one");
    ok(the.store.calls == reads && op_calls() == calls, "none of them asks store or provider");
    ok(browser_count("__Host-oidc-gate-login-") == 1,
       "and none takes away the attempt that is under way");
}

/* The one cookie of an attempt, and what becomes of the login when it is another's. */
static void test_sealed_elsewhere(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    the.site.origin = "https://another.example";
    is(said(come_back(answer)), "REFUSE state_unknown 400",
       "an attempt of another host does not open here");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    gate_random_bytes(the.keys, sizeof the.keys[0]);
    is(said(come_back(answer)), "REFUSE state_unknown 400",
       "nor one that was sealed with another key");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    the.keys[1] = the.keys[0];
    gate_random_bytes(the.keys, sizeof the.keys[0]);
    the.gate.key_count = 2;
    is(said(come_back(answer)), "REDIRECT ok 302",
       "but the key before the present one still opens it");
}

static void test_tampered_attempt(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location), *name = the.cookies[0].name;
    const char *good = the.cookies[0].value;
    const size_t step = strlen(good) / 16;
    int refused = 0;

    for (size_t i = 0; i < 16; i++) {
        char *bad = apr_pstrdup(the.pool, good);

        bad[i * step] = bad[i * step] == 'A' ? 'B' : 'A';
        browser_set(name, bad);
        refused += come_back(answer).reason == GATE_STATE_UNKNOWN;
    }
    ok(refused == 16, "a changed character anywhere in the cookie makes it nobody's");
    browser_set(name, apr_pstrmemdup(the.pool, good, strlen(good) / 2));
    is(said(come_back(answer)), "REFUSE state_unknown 400", "and so does half of it");
    browser_set(name, good);
    is(said(come_back(answer)), "REDIRECT ok 302", "the right one is still good");
}

static void test_doubled_attempt(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    the.cookies[the.cookie_count++] = (world_cookie){the.cookies[0].name, "another"};
    is(said(come_back(answer)), "REFUSE state_unknown 400",
       "an attempt whose cookie comes twice is not believed");
    is(said(open_page(s, page)), "REDIRECT no_credential 302", "and makes room for the next");
    ok(browser_count("__Host-oidc-gate-login-") == 1, "alone");
}

static void test_configuration_changed(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    s->name = "renamed";
    is(said(come_back(answer)), "REFUSE state_unknown 400",
       "a place that is gone finishes no login");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    s->realm.fingerprint = the.other.realm.fingerprint;
    is(said(come_back(answer)), "REFUSE state_unknown 400", "nor one that is another realm now");
    ok(op.at[OP_TOKEN].calls == 0, "the code is not sent");
}

static void test_mixup(void)
{
    static const struct {
        const char *metadata, *issuer, *said, *name;
    } rows[] = {
        {"", "&iss=https%3A%2F%2Fop.example", "REDIRECT ok 302",
         "the issuer that was asked may say so"},
        {"", "&iss=https%3A%2F%2Fother.example", "REFUSE issuer_mixup 400",
         "another one may not (RFC 9207)"},
        {"", "&iss=https%3A%2F%2Fop.example%2F", "REFUSE issuer_mixup 400",
         "nor one with a slash more"},
        {",\"authorization_response_iss_parameter_supported\":true", "", "REFUSE issuer_mixup 400",
         "where it is promised it must be there"},
        {",\"authorization_response_iss_parameter_supported\":true",
         "&iss=https%3A%2F%2Fop.example", "REDIRECT ok 302", "and there it is"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_decision decision;

        op.metadata_more = rows[i].metadata;
        decision = come_back(
            apr_pstrcat(the.pool, op_approve(open_page(s, page).location), rows[i].issuer, NULL));
        is(said(decision), rows[i].said, "%s", rows[i].name);
        ok(op.at[OP_TOKEN].calls == (decision.reason == GATE_OK), "and then the code is%s sent",
           decision.reason == GATE_OK ? "" : " not");
    }
}

static void test_provider_says_no(void)
{
    static const struct {
        const char *error, *said;
    } rows[] = {
        {"access_denied", "REFUSE login_denied 403"},
        {"login_required", "CHALLENGE login_required 401"},
        {"interaction_required", "CHALLENGE login_required 401"},
        {"unmet_authentication_requirements", "REFUSE acr_unmet 403"},
        {"server_error", "FAIL idp_error 503"},
        {"temporarily_unavailable", "FAIL idp_error 503"},
        {"invalid_scope", "FAIL idp_rejected_gateway 502"},
        {"something_else", "FAIL idp_rejected_gateway 502"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        const char *state = parameter(open_page(s, page).location, "state");
        gate_decision decision = come_back(apr_psprintf(
            the.pool, "error=%s&state=%s&error_description=%%3Cb%%3E%%22", rows[i].error, state));

        is(said(decision), rows[i].said, "error=%s", rows[i].error);
        is(decision.detail, apr_psprintf(the.pool, "%s: <b>\\x22", rows[i].error),
           "its words are for the log, escaped");
        ok(op.at[OP_TOKEN].calls == 0, "no token call");
    }
}

static void test_malformed(void)
{
    static const char *const queries[] = {
        "",
        "code=c",
        "state=s",
        "code=&state=s",
        "code=c&code=d&state=s",
        "code=c&state=s&state=s",
        "code=c&error=access_denied&state=s",
        "code=c%0a&state=s",
        "code=%&state=s",
    };
    int refused = 0;

    world_begin();
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        refused += !strcmp(said(come_back(queries[i])), "REFUSE malformed_request 400");
    ok(refused == (int)(sizeof queries / sizeof *queries), "a callback that is none is refused");
    ok(the.store.calls == 0 && op_calls() == 0, "before anything else is asked");
}

/* --- the ID token --- */

static EVP_PKEY *other_key(void)
{
    static EVP_PKEY *key;
    static apr_pool_t *ever;

    if (!ever) {
        apr_pool_create(&ever, NULL);
        key = sign_make_key(ever, "P-256");
    }
    return key;
}

static const char *mint_unsigned(apr_pool_t *p, const char *claims)
{
    const char header[] = "{\"alg\":\"none\"}";

    return apr_pstrcat(p, sign_base64url(p, header, strlen(header)), ".",
                       sign_base64url(p, claims, strlen(claims)), ".", NULL);
}

static const char *mint_with_public_key(apr_pool_t *p, const char *claims)
{
    return sign_jwt_hmac(p, gate_span_of(sign_public_jwk(p, op.key, "k1", NULL)), "HS256",
                         "{\"alg\":\"HS256\",\"kid\":\"k1\"}", claims);
}

static const char *mint_with_secret(apr_pool_t *p, const char *claims)
{
    return sign_jwt_hmac(p, the.app.client.secret, "HS256", "{\"alg\":\"HS256\"}", claims);
}

static const char *mint_with_wrong_secret(apr_pool_t *p, const char *claims)
{
    return sign_jwt_hmac(p, GATE_SPAN("not the secret, but just as long"), "HS256",
                         "{\"alg\":\"HS256\"}", claims);
}

static const char *mint_badly_signed(apr_pool_t *p, const char *claims)
{
    return sign_jwt(p, other_key(), "ES256", "{\"alg\":\"ES256\",\"kid\":\"k1\"}", claims);
}

static const char *mint_with_unknown_key(apr_pool_t *p, const char *claims)
{
    return sign_jwt(p, other_key(), "ES256", "{\"alg\":\"ES256\",\"kid\":\"k9\"}", claims);
}

static const char *mint_access_token(apr_pool_t *p, const char *claims)
{
    return sign_jwt(p, op.key, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}",
                    claims);
}

static const char *mint_garbage(apr_pool_t *p, const char *claims)
{
    return "not.a.token.at.all";
}

static void test_id_tokens(void)
{
    static const struct {
        const char *name;
        claim_change change;
        const char *(*mint)(apr_pool_t *p, const char *claims);
        gate_reason reason;
    } rows[] = {
        {"another login's nonce", {"nonce", "\"other\""}, NULL, GATE_NONCE_MISMATCH},
        {"no nonce", {"nonce", NULL}, NULL, GATE_NONCE_MISMATCH},
        {"another client's", {"aud", "\"c-other\""}, NULL, GATE_BAD_AUDIENCE},
        {"two audiences", {"aud", "[\"c-app\",\"c-other\"]"}, NULL, GATE_BAD_AUDIENCE},
        {"another azp", {"azp", "\"c-other\""}, NULL, GATE_BAD_AUDIENCE},
        {"another issuer's", {"iss", "\"https://other.example\""}, NULL, GATE_BAD_ISSUER},
        {"no issuer", {"iss", NULL}, NULL, GATE_BAD_ISSUER},
        {"expired", {"exp", "1749999900"}, NULL, GATE_TOKEN_EXPIRED},
        {"no expiry", {"exp", NULL}, NULL, GATE_BAD_CLAIM},
        {"issued in the future", {"iat", "1750000900"}, NULL, GATE_TOKEN_NOT_YET_VALID},
        {"issued long ago", {"iat", "1749990000"}, NULL, GATE_TOKEN_EXPIRED},
        {"no subject", {"sub", NULL}, NULL, GATE_BAD_CLAIM},
        {"an empty subject", {"sub", "\"\""}, NULL, GATE_BAD_CLAIM},
        {"another access token's hash",
         {"at_hash", "\"AAAAAAAAAAAAAAAAAAAAAA\""},
         NULL,
         GATE_HASH_MISMATCH},
        {"unsigned", {NULL, NULL}, mint_unsigned, GATE_BAD_ALG},
        {"signed with the public key as a secret",
         {NULL, NULL},
         mint_with_public_key,
         GATE_BAD_ALG},
        {"signed with the client's secret, where that is not allowed",
         {NULL, NULL},
         mint_with_secret,
         GATE_BAD_ALG},
        {"signed with another key", {NULL, NULL}, mint_badly_signed, GATE_BAD_SIGNATURE},
        {"signed with a key that is not published",
         {NULL, NULL},
         mint_with_unknown_key,
         GATE_UNKNOWN_KID},
        {"of the kind of access tokens", {NULL, NULL}, mint_access_token, GATE_WRONG_KIND},
        {"no JWT", {NULL, NULL}, mint_garbage, GATE_MALFORMED_TOKEN},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_decision decision;

        op.changes[0] = rows[i].change;
        op.mint = rows[i].mint;
        decision = sign_in(s, page);
        ok(decision.verb == GATE_CHALLENGE && decision.status == 401 &&
               decision.reason == rows[i].reason,
           "an ID token, %s, is %s (%s)", rows[i].name, gate_reason_name(rows[i].reason),
           said(decision));
        ok(!decision.known && !session_cookie() && !the.store.writes[GATE_STORE_SESSION],
           "and makes no session");
        ok(op.at[OP_JWKS].calls <= 2, "for at most one look for newer keys");
    }
}

static void test_max_age(void)
{
    static const struct {
        const char *max_age, *auth_time, *said, *name;
    } rows[] = {
        {NULL, NULL, "REDIRECT ok 302",
         "where no max_age is asked for, auth_time need not be there"},
        {"300", NULL, "REFUSE acr_unmet 403", "where it is, it must be"},
        {"300", "1749999800", "REDIRECT ok 302",
         "who signed in 200 seconds before is recent enough for 300"},
        {"300", "1749999600", "REFUSE acr_unmet 403", "and 400 seconds are too many"},
        {"0", "1750000100", "REDIRECT ok 302", "where 0 is asked for, it must have been now"},
        {"0", "1749999900", "REFUSE acr_unmet 403", "not a while before"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_form *params = gate_form_make(the.pool);
        const char *answer;

        gate_form_add_text(params, "max_age", rows[i].max_age);
        s->authorization_params = params;
        op.changes[0] = (claim_change){"auth_time", rows[i].auth_time};
        answer = op_approve(open_page(s, page).location);
        world_wait(120);
        is(said(come_back(answer)), rows[i].said, "%s", rows[i].name);
    }
}

static void test_symmetric_id_token(void)
{
    gate_settings *s = world_begin();

    s->algorithms = GATE_ALG_BIT(GATE_ALG_HS256);
    s->client.secret = gate_span_of("c-app-secret");
    op.mint = mint_with_secret;
    is(said(sign_in(s, page)), "CHALLENGE bad_alg 401",
       "HS256 with a secret of under 256 bits is refused");
    s->client_auth_given = true;
    s->client.method = GATE_CLIENT_AUTH_BASIC;
    op.mint = mint_with_wrong_secret;
    is(said(sign_in(s, page)), "CHALLENGE bad_alg 401", "whoever signed it");
}

static void test_no_id_token(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);
    gate_decision decision;

    op.at[OP_TOKEN].status = 200;
    op.at[OP_TOKEN].body = "{\"access_token\":\"at\",\"token_type\":\"bearer\"}";
    decision = come_back(answer);
    is(said(decision), "FAIL idp_error 503", "a login without an ID token is the provider's fault");
    ok(decision.detail && strstr(decision.detail, "openid"),
       "and the log says what may be missing");
}

/* --- what may go wrong on the way --- */

static void test_provider_away(void)
{
    static const struct {
        op_endpoint endpoint;
        const char *name;
    } endpoints[] = {{OP_DISCOVERY, "metadata"},
                     {OP_TOKEN, "token"},
                     {OP_JWKS, "keys"},
                     {OP_USERINFO, "userinfo"}};
    static const struct {
        gate_reason outage;
        int status;
        const char *body, *said, *name;
    } faults[] = {
        {GATE_IDP_UNREACHABLE, 0, NULL, "FAIL idp_unreachable 503", "cannot be reached"},
        {GATE_IDP_TIMEOUT, 0, NULL, "FAIL idp_timeout 503", "takes too long"},
        {GATE_IDP_ERROR, 0, NULL, "FAIL idp_error 503", "breaks off"},
        {GATE_OK, 500, "", "FAIL idp_error 503", "answers 500"},
        {GATE_OK, 200, "<html>", "FAIL idp_error 503", "answers with a page"},
    };

    for (size_t e = 0; e < sizeof endpoints / sizeof *endpoints; e++) {
        for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
            gate_settings *s = world_begin();
            op_behaviour *at = &op.at[endpoints[e].endpoint];
            gate_decision decision;

            s->userinfo_at_login = true;
            at->outage = faults[f].outage;
            at->status = faults[f].status;
            at->body = faults[f].body;
            decision = open_page(s, page);
            if (decision.verb == GATE_REDIRECT)
                decision = come_back(op_approve(decision.location));
            is(said(decision), faults[f].said, "a login whose %s endpoint %s", endpoints[e].name,
               faults[f].name);
            ok(decision.retry_after == 5, "may be tried again");
            ok(at->calls == 1, "and asked once");
            ok(!the.store.writes[GATE_STORE_SESSION] && !session_cookie(), "no session");
        }
    }
}

static void test_token_endpoint_refuses(void)
{
    static const struct {
        int status;
        const char *body, *said;
    } rows[] = {
        {400, "{\"error\":\"invalid_grant\"}", "REFUSE invalid_grant 400"},
        {401, "{\"error\":\"invalid_client\"}", "FAIL idp_rejected_gateway 502"},
        {401, "", "FAIL idp_rejected_gateway 502"},
        {400, "{\"error\":\"unauthorized_client\"}", "FAIL idp_rejected_gateway 502"},
        {400, "{\"error\":\"invalid_request\"}", "FAIL idp_rejected_gateway 502"},
        {429, "", "FAIL idp_error 503"},
        {302, "", "FAIL idp_error 503"},
        {200, "{}", "FAIL idp_error 503"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();

        op.at[OP_TOKEN].status = rows[i].status;
        op.at[OP_TOKEN].body = rows[i].body;
        is(said(sign_in(s, page)), rows[i].said, "the token endpoint answers %d %s", rows[i].status,
           rows[i].body);
        ok(op.at[OP_TOKEN].calls == 1, "and is asked once");
    }
}

/* A whole login with one thing broken; never may somebody come out of it who did not sign in. */
static bool try_login(void)
{
    gate_decision decision = open_page(&the.app, page);

    if (decision.verb == GATE_REDIRECT)
        decision = come_back(op_approve(decision.location));
    if (decision.verb == GATE_REDIRECT)
        decision = open_page(&the.app, page);
    return decision.verb == GATE_ADMIT && !strcmp(who(decision), "alice");
}

static void test_store_fails(bool ever_after, bool acts)
{
    int good = 0, bad = 0, n = 0;

    do {
        world_begin();
        the.store.fail_at = ++n;
        the.store.fails_ever_after = ever_after;
        the.store.acts_all_the_same = acts;
        if (try_login())
            good++;
        else
            bad++;
    } while (the.store.calls >= n && n < 100);
    ok(good > 0 && bad > 0 && n < 100,
       "a login with the store silent at call 1 to %d: %d refused, %d good%s%s", n, bad, good,
       ever_after ? ", silent ever after" : "", acts ? ", written all the same" : "");
}

static void test_no_randomness(bool ever_after)
{
    int good = 0, bad = 0, n = 0;

    do {
        world_begin();
        the.random_fails_at = ++n;
        the.random_fails_ever_after = ever_after;
        if (try_login())
            good++;
        else
            bad++;
    } while (the.random_calls >= n && n < 100);
    ok(bad >= 5 && good >= 1 && n < 100,
       "a login without randomness at call 1 to %d: %d refused, %d good%s", n, bad, good,
       ever_after ? ", none ever after" : "");
}

static void test_store_unsure_of_state(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    the.store.fail_at = the.store.calls + 1;
    the.store.fails_ever_after = true;
    is(said(come_back(answer)), "FAIL store_unavailable 503",
       "where nobody can tell whether a state was used, it is not");
    ok(op.at[OP_TOKEN].calls == 0, "and the code is not sent");
    the.store.fail_at = 0;
    is(said(come_back(answer)), "REDIRECT ok 302",
       "with the store back, reloading the page finishes the login");
    s = world_begin();
    answer = op_approve(open_page(s, page).location);
    open_page(s, page);
    the.store.fail_at = the.store.calls + 1;
    the.store.acts_all_the_same = true;
    come_back(answer);
    is(said(come_back(answer)), "REFUSE replay 400",
       "unless the state was marked as used, and only the answer was lost");
}

static void test_metadata_away_at_callback(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);

    world_new_process();
    world_wait(300);
    memset(the.store.records, 0, sizeof the.store.records);
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    is(said(come_back(answer)), "FAIL idp_unreachable 503",
       "without metadata no callback is believed");
    op.at[OP_DISCOVERY].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(said(come_back(answer)), "REDIRECT ok 302",
       "when the provider is back, reloading the page finishes the login");
}

static void test_callbacks_are_limited(void)
{
    gate_settings *s = world_begin();
    const char *answer = op_approve(open_page(s, page).location);
    int writes;
    gate_decision decision;

    the.questions_left = 0;
    writes = fake_all_writes(&the.store);
    decision = come_back(answer);
    is(said(decision), "REFUSE rate_limited 429",
       "a stranger cannot make us ask for tokens as often as he likes");
    ok(decision.retry_after > 0, "he is told to wait");
    is(the.asked_by, "192.0.2.1", "it is his address that is counted");
    ok(op.at[OP_TOKEN].calls == 0 && fake_all_writes(&the.store) == writes,
       "nothing is asked, nothing written");
    the.questions_left = 1;
    is(said(come_back(answer)), "REDIRECT ok 302", "a moment later the same answer is good");
    ok(the.questions_left == 0, "and counted");
}

static void test_sessions_full(void)
{
    gate_settings *s = world_begin();

    the.store.is_full[GATE_STORE_SESSION] = true;
    is(said(sign_in(s, page)), "FAIL sessions_full 503",
       "a full store takes no new session, and says so");
    ok(!session_cookie(), "no cookie is set for what is not there");
    s = world_begin();
    the.store.is_full[GATE_STORE_MARK] = true;
    is(said(sign_in(s, page)), "FAIL sessions_full 503",
       "nor a login whose state it cannot mark as used");
    ok(op.at[OP_TOKEN].calls == 0, "whose code is not sent then");
}

/* --- the session that comes of it --- */

static void test_new_id(void)
{
    gate_settings *s = world_begin();
    world_cookie planted;
    gate_decision decision;

    browser_set("__Host-oidc-gate-app", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    sign_in(s, page);
    ok(strcmp(session_cookie(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") != 0,
       "a cookie that was planted before is never taken over");
    planted = (world_cookie){"__Host-oidc-gate-app", session_cookie()};
    gate_login_plan plan = {.return_to = gate_span_of(page), .reason = GATE_NO_CREDENTIAL};
    decision = browser_see(gate_login_begin(request_at("GET", page, true), s, &the.gate, &plan));
    come_back(op_approve(decision.location));
    ok(strcmp(session_cookie(), planted.value) != 0, "whoever signs in again gets a new id");
    browser_set(planted.name, planted.value);
    is(said(ask_for(s, page)), "CHALLENGE session_expired 401",
       "and the old one is good for nothing");
}

static void test_two_realms(void)
{
    gate_settings *s = world_begin();
    const char *one = op_approve(open_page(s, "/app").location);
    const char *two = op_approve(open_page(&the.other, "/other").location);
    const char *cookie;

    come_back(two);
    ok(session_cookie() == NULL, "a login at one realm is none at the other");
    is(said(ask_for(s, "/app")), "CHALLENGE no_credential 401", "there nobody is known");
    come_back(one);
    is(said(ask_for(s, "/app")), "ADMIT ok 200", "until they sign in there too");
    is(said(ask_for(&the.other, "/other")), "ADMIT ok 200", "which leaves the first alone");
    cookie = session_cookie();
    browser_drop("__Host-oidc-gate-app");
    browser_set("__Host-oidc-gate-other", cookie);
    is(said(ask_for(&the.other, "/other")), "CHALLENGE session_expired 401",
       "the cookie of one realm, under the name of the other, is nobody's");
}

/* A code of one provider is never sent to another: the attempt says which one was asked. */
static void test_answer_of_the_other(void)
{
    gate_settings *s = world_begin();
    const char *one = op_approve(open_page(s, "/app").location);
    gate_decision decision;

    open_page(&the.other, "/other");
    decision = come_back(apr_pstrcat(the.pool, one, "&iss=https%3A%2F%2Fother.example", NULL));
    is(said(decision), "REFUSE issuer_mixup 400",
       "the other provider cannot answer for the one that was asked");
    ok(op.at[OP_TOKEN].calls == 0, "no code is sent anywhere");
}

/* --- step-up --- */

/* A rule sends somebody who has a session back to the provider. */
static gate_decision step_up(const gate_settings *s, const char *acr_values, apr_int64_t max_age)
{
    const gate_decision admitted = open_page(s, page);
    const gate_step_up need = {acr_values, max_age};

    return browser_see(
        gate_decide_step_up(request_at("GET", page, true), s, &the.gate, &admitted, &need));
}

static const char *time_text(apr_int64_t time)
{
    return apr_psprintf(the.pool, "%" APR_INT64_T_FMT, time);
}

static void test_step_up_asks(void)
{
    gate_settings *s = world_begin();
    gate_form *params = gate_form_make(the.pool);
    gate_decision decision;

    gate_form_add_text(params, "acr_values", "bronze");
    gate_form_add_text(params, "prompt", "select_account");
    gate_form_add_text(params, "max_age", "9999");
    s->authorization_params = params;
    op.changes[0] = (claim_change){"auth_time", time_text(world_clock())};
    sign_in(s, page);
    decision = step_up(s, "gold silver", 300);
    is(said(decision), "REDIRECT acr_unmet 302", "who must sign in again is sent to the provider");
    ok(strstr(decision.location, "&acr_values=gold+silver&max_age=300") != NULL,
       "and it is told how");
    ok(!strstr(decision.location, "bronze") && !strstr(decision.location, "9999"),
       "which the configured parameters do not gainsay");
    is(parameter(decision.location, "prompt"), "select_account", "while others stay");
    decision = step_up(s, "gold", 0);
    is(parameter(decision.location, "max_age"), "9999", "as does a max_age where none is wanted");
    is(parameter(decision.location, "acr_values"), "gold", "beside the acr");
    decision = step_up(s, NULL, 60);
    is(parameter(decision.location, "acr_values"), "bronze", "and an acr where none is wanted");
    is(parameter(decision.location, "max_age"), "60", "beside the age");
}

static void test_step_up_returns(void)
{
    static const struct {
        const char *acr_values;
        apr_int64_t max_age;
        const char *acr;
        apr_int64_t age; /* of the sign-in, when the browser comes back; -1: no auth_time */
        const char *said, *name;
    } rows[] = {
        {"gold", 0, "\"gold\"", -1, "REDIRECT ok 302", "asked for gold, got gold"},
        {"gold silver", 0, "\"silver\"", -1, "REDIRECT ok 302", "either will do"},
        {"gold", 0, "\"silver\"", -1, "REFUSE acr_unmet 403", "silver is not gold"},
        {"gold", 0, "\"Gold\"", -1, "REFUSE acr_unmet 403", "nor is Gold"},
        {"gold", 0, "[\"gold\"]", -1, "REFUSE acr_unmet 403", "nor a list of it"},
        {"gold", 0, NULL, -1, "REFUSE acr_unmet 403", "no acr is not gold"},
        {NULL, 300, NULL, 0, "REDIRECT ok 302", "signed in just now"},
        {NULL, 300, NULL, 325, "REDIRECT ok 302", "as long ago as may be, and lasts a moment"},
        {NULL, 300, NULL, 326, "REFUSE acr_unmet 403", "good now, and no more on the page"},
        {NULL, 300, NULL, 4000, "REFUSE acr_unmet 403", "signed in long ago"},
        {NULL, 300, NULL, -30, "REDIRECT ok 302", "as early as clocks may differ"},
        {NULL, 300, NULL, -31, "REFUSE acr_unmet 403", "signed in tomorrow"},
        {NULL, 300, NULL, -1, "REFUSE acr_unmet 403", "asked when, and not told"},
        {"gold", 300, "\"gold\"", 10, "REDIRECT ok 302", "both asked, both met"},
        {"gold", 300, "\"gold\"", 400, "REFUSE acr_unmet 403", "gold, but too long ago"},
        {"gold", 300, "\"lead\"", 10, "REFUSE acr_unmet 403", "just now, but by lead"},
        {"gold", 300, "\"gold\"", -1, "REFUSE acr_unmet 403", "gold, but who knows when"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        const bool is_good = !strcmp(rows[i].said, "REDIRECT ok 302");
        const char *answer, *before;
        gate_decision decision;

        sign_in(s, page);
        before = session_cookie();
        answer = op_approve(step_up(s, rows[i].acr_values, rows[i].max_age).location);
        world_wait(20);
        op.changes[0] = (claim_change){"acr", rows[i].acr};
        if (rows[i].age != -1)
            op.changes[1] = (claim_change){"auth_time", time_text(world_clock() - rows[i].age)};
        decision = come_back(answer);
        is(said(decision), rows[i].said, "%s", rows[i].name);
        ok(!strcmp(session_cookie(), before) == !is_good, "%s",
           is_good ? "the session is a new one" : "the session is the one that there was");
        ok(fake_count(&the.store, GATE_STORE_SESSION, world_clock()) == 1, "and there is no other");
        is(said(ask_for(s, page)), "ADMIT ok 200", "which is good");
        if (is_good)
            is(decision.location, page, "the person lands on the page");
        else
            ok(decision.detail && !set_cookie(decision, "__Host-oidc-gate-app="),
               "the log says why");
    }
}

/* The rule reads acr and auth_time where OIDCGateClaimsFrom says; what only the ID token knows does
 * not count there, and would send the browser back without end. */
static void test_step_up_reads_as_rules_do(void)
{
    gate_settings *s = world_begin();

    s->userinfo_at_login = true;
    s->sources[0] = GATE_SOURCE_USERINFO;
    s->source_count = 1;
    sign_in(s, page);
    op.changes[0] = (claim_change){"acr", "\"gold\""};
    is(said(come_back(op_approve(step_up(s, "gold", 0).location))), "REFUSE acr_unmet 403",
       "an acr that no rule can see is none");
    op.claims_more = ",\"acr\":\"gold\",\"auth_time\":1750000000";
    op.changes[0] = (claim_change){"auth_time", NULL};
    is(said(come_back(op_approve(step_up(s, "gold", 300).location))), "REFUSE acr_unmet 403",
       "and where an age is asked for, the ID token must tell it");
}

static void test_step_up_takes_too_long(void)
{
    gate_settings *s = world_begin();
    const char *answer;
    gate_decision again;

    sign_in(s, page);
    answer = op_approve(step_up(s, "gold", 300).location);
    world_wait(GATE_LOGIN_SECONDS);
    again = come_back(answer);
    is(said(again), "REDIRECT state_expired 302", "one that took too long is begun once more");
    ok(strstr(again.location, "&acr_values=gold&max_age=300") != NULL, "with what was asked for");
    op.changes[0] = (claim_change){"auth_time", time_text(world_clock())};
    is(said(come_back(op_approve(again.location))), "REFUSE acr_unmet 403",
       "and it is still wanted");
}

static void test_step_up_is_for_people(void)
{
    static const gate_step_up need = {"gold", 0};
    gate_settings *s = world_begin();
    gate_decision admitted = sign_in(s, page), bearer;
    gate_request *q = request_at("GET", page, false);

    admitted = open_page(s, page);
    is(said(gate_decide_step_up(q, s, &the.gate, &admitted, &need)), "CHALLENGE acr_unmet 401",
       "a script is told, not sent away");
    q = request_at("GET", page, true);
    q->is_subrequest = true;
    is(said(gate_decide_step_up(q, s, &the.gate, &admitted, &need)), "CHALLENGE acr_unmet 401",
       "so is a part of a page");
    q->is_subrequest = false;
    bearer = admitted;
    bearer.method = GATE_METHOD_BEARER;
    is(said(gate_decide_step_up(q, s, &the.gate, &bearer, &need)), "CHALLENGE acr_unmet 401",
       "and who came with a token");
    s->on_unauthenticated = GATE_UNAUTHENTICATED_401;
    is(said(gate_decide_step_up(q, s, &the.gate, &admitted, &need)), "CHALLENGE acr_unmet 401",
       "and anybody where nobody is sent to sign in");
    s->on_unauthenticated = GATE_UNAUTHENTICATED_LOGIN;
    is(said(gate_decide_step_up(q, s, &the.gate, &admitted, &need)), "REDIRECT acr_unmet 302",
       "but a person is sent");
    world_new_process();
    world_wait(300);
    memset(the.store.records, 0, sizeof the.store.records);
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    is(said(gate_decide_step_up(q, s, &the.gate, &admitted, &need)), "FAIL idp_unreachable 503",
       "as long as it is known where to");
}

/* --- by a form --- */

static void test_form_post(void)
{
    gate_settings *s = world_begin();
    gate_decision decision;
    const char *answer;

    s->response_mode = GATE_RESPONSE_FORM_POST;
    decision = open_page(s, page);
    is(parameter(decision.location, "response_mode"), "form_post", "the provider is told");
    ok(strstr(set_cookie(decision, "__Host-oidc-gate-login-"), "; Secure; HttpOnly; SameSite=None"),
       "the cookie comes along with a form from there");
    answer = op_approve(decision.location);
    is(said(come_back(answer)), "REFUSE malformed_request 400", "in the address it is no answer");
    ok(op.at[OP_TOKEN].calls == 0 && browser_count("__Host-oidc-gate-login-") == 1,
       "and spoils nothing");
    decision = post_back(answer);
    is(said(decision), "REDIRECT ok 303", "as a form it is one");
    is(decision.location, page, "and leads to the page");
    ok(session_cookie() && browser_count("__Host-oidc-gate-login-") == 0, "with a session");
}

static void test_form_post_again(void)
{
    gate_settings *s = world_begin();
    const char *answer, *session;
    gate_decision decision;

    s->response_mode = GATE_RESPONSE_FORM_POST;
    answer = op_approve(open_page(s, page).location);
    post_back(answer);
    session = session_cookie();
    browser_drop("__Host-oidc-gate-app"); /* which no form from elsewhere brings along */
    decision = post_back(answer);
    is(said(decision), "REDIRECT state_unknown 303", "posted again it is sent on, by a link");
    is(decision.location, "https://www.example/oidc-gate/callback?error=unknown&state=unknown",
       "without anything that was posted");
    is(said(come_back("error=unknown&state=unknown")), "REFUSE state_unknown 400",
       "which ends there for who has no session");
    browser_set("__Host-oidc-gate-app", session);
    is(said(come_back("error=unknown&state=unknown")), "REDIRECT ok 303",
       "and at the root for who has one");
    ok(op.at[OP_TOKEN].calls == 1, "the code was sent once");
}

static void test_form_post_errors(void)
{
    static const struct {
        const char *form, *said;
    } rows[] = {
        {"", "REFUSE malformed_request 400"},
        {"code=c&code=d&state=s", "REFUSE malformed_request 400"},
        {"code=c&state=forged", "REDIRECT state_unknown 303"},
        {"error=access_denied&state=forged", "REDIRECT state_unknown 303"},
    };
    gate_settings *s = world_begin();
    const char *state;

    s->response_mode = GATE_RESPONSE_FORM_POST;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        is(said(post_back(rows[i].form)), rows[i].said, "posted: '%s'", rows[i].form);
    state = parameter(open_page(s, page).location, "state");
    is(said(post_back(apr_pstrcat(the.pool, "error=access_denied&state=", state, NULL))),
       "REFUSE login_denied 403", "an error may be posted too");
    s->response_mode = GATE_RESPONSE_QUERY;
    is(said(post_back(op_approve(open_page(s, page).location))), "REFUSE malformed_request 400",
       "where the answer was to come in the address, a form is none");
    s = world_begin();
    s->response_mode = GATE_RESPONSE_FORM_POST;
    the.site.secure = false;
    ok(strstr(set_cookie(open_page(s, page), "__Host-oidc-gate-login-"), "HttpOnly; SameSite=Lax"),
       "without https, where browsers take no SameSite=None, the cookie stays as it is");
}

/* --- who it is likely to be --- */

static void test_login_hint(void)
{
    gate_settings *s = world_begin();
    gate_form *configured = gate_form_make(the.pool);
    const gate_login_plan plan = {.return_to = gate_span_of(page),
                                  .reason = GATE_NO_CREDENTIAL,
                                  .login_hint = GATE_SPAN("bob&prompt=none")};
    const char *url;

    gate_form_add_text(configured, "login_hint", "nobody");
    gate_form_add_text(configured, "prompt", "login");
    s->authorization_params = configured;
    url = gate_login_begin(request_at("GET", page, true), s, &the.gate, &plan).location;
    is(parameter(url, "login_hint"), "bob&prompt=none", "the provider is told who it may be");
    is(parameter(url, "prompt"), "login", "and all else as it is configured");
    ok(!strstr(strstr(url, "login_hint=") + 1, "login_hint="), "once");
}

int main(void)
{
    test_begin();
    test_until_id_token();
    test_abandoned();
    test_oldest_goes();
    test_return_to();
    test_long_return_to();
    test_post_is_seen_other();
    test_large_attempts();
    test_useless_cookies();
    test_finish();
    test_no_calls_afterwards();
    test_tabs();
    test_expired();
    test_again_in_time();
    test_replay();
    test_back_button();
    test_foreign_state();
    test_sealed_elsewhere();
    test_tampered_attempt();
    test_doubled_attempt();
    test_configuration_changed();
    test_mixup();
    test_provider_says_no();
    test_malformed();
    test_id_tokens();
    test_max_age();
    test_symmetric_id_token();
    test_no_id_token();
    test_provider_away();
    test_token_endpoint_refuses();
    test_store_fails(false, false);
    test_store_fails(true, false);
    test_store_fails(false, true);
    test_store_fails(true, true);
    test_no_randomness(false);
    test_no_randomness(true);
    test_store_unsure_of_state();
    test_metadata_away_at_callback();
    test_callbacks_are_limited();
    test_sessions_full();
    test_new_id();
    test_two_realms();
    test_answer_of_the_other();
    test_step_up_asks();
    test_step_up_returns();
    test_step_up_reads_as_rules_do();
    test_step_up_takes_too_long();
    test_step_up_is_for_people();
    test_form_post();
    test_form_post_again();
    test_form_post_errors();
    test_login_hint();
    return tap_done();
}
