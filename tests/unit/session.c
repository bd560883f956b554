/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/session.h"

#include "gate/revoke.h"
#include "identity.h"
#include "world.h"

static const char name[] = "__Host-oidc-gate-app";

/* A session of the-subject; its cookie is in the browser. */
static gate_reason create(gate_settings *s, gate_tokens *tokens)
{
    const gate_tokens usual = {.access_token = GATE_SPAN("the-access-token"),
                               .refresh_token = GATE_SPAN("rt")};
    gate_span identity;
    const char *cookie = NULL;
    gate_reason reason;

    identity_encode(the.pool, "{\"email\":\"alice@example.com\"}", &identity);
    reason = gate_session_create(request_at("GET", "/", true), s, &the.gate, identity,
                                 tokens ? tokens : &usual, &cookie);
    if (reason == GATE_OK)
        browser_take(cookie);
    return reason;
}

static const char *find_as(gate_settings *s)
{
    gate_session *session = apr_pcalloc(the.pool, sizeof *session);

    return gate_reason_name(gate_session_find(request_at("GET", "/", true), s, &the.gate, session));
}

/* The same, and its tokens. */
static const char *find_tokens(gate_settings *s)
{
    const gate_request *q = request_at("GET", "/", true);
    gate_session session;
    gate_tokens tokens;
    gate_reason reason = gate_session_find(q, s, &the.gate, &session);

    if (reason == GATE_OK)
        reason = gate_session_tokens(q, &the.gate, &session, &tokens);
    return gate_reason_name(reason);
}

static bool holds(gate_span bytes, gate_span part)
{
    for (size_t i = 0; i + part.len <= bytes.len; i++) {
        if (!memcmp(bytes.ptr + i, part.ptr, part.len))
            return true;
    }
    return false;
}

static void test_round_trip(void)
{
    gate_settings *s = world_begin();
    const gate_request *q = request_at("GET", "/", true);
    gate_session session;
    gate_tokens tokens;
    const fake_record *filed;
    gate_span cookie, opens;

    is(gate_reason_name(create(s, NULL)), "ok", "a session is made");
    ok(strlen(browser_cookie(name)) == 43, "its cookie is 32 bytes");
    is(gate_reason_name(gate_session_find(q, s, &the.gate, &session)), "ok", "and finds it");
    is(text_of(gate_identity_subject(session.identity)), "the-subject", "with who it is");
    is(gate_reason_name(gate_session_tokens(q, &the.gate, &session, &tokens)), "ok",
       "and the tokens");
    is(text_of(tokens.access_token), "the-access-token", "as they were");
    ok(!tokens.id_token.ptr, "what was not there is not there");
    filed = fake_first(&the.store, GATE_STORE_SESSION);
    ok(!holds(filed->record.value, GATE_SPAN("alice")) &&
           !holds(filed->record.value, GATE_SPAN("the-access-token")),
       "in the store nothing of it can be read");
    gate_base64url_decode(the.pool, gate_span_of(browser_cookie(name)), &cookie);
    opens = (gate_span){cookie.ptr + 16, 16};
    ok(cookie.len == 32 && !holds((gate_span){(const char *)filed, sizeof *filed}, opens) &&
           !holds(filed->record.value, opens),
       "nor does the cookie's second half stand there, without which nothing opens");
}

static void test_cookies(void)
{
    static const struct {
        const char *value, *found, *what;
    } rows[] = {
        {"", "no_credential", "an empty cookie is none"},
        {"x", "session_tampered", "a short one was never ours"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "session_expired",
         "one of the right form that nothing is filed under"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", "session_tampered",
         "one with trailing bits"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A", "session_tampered",
         "one in another alphabet"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "session_tampered", "one that is longer"},
        {"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "session_tampered", "one in quotes"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();

        create(s, NULL);
        browser_set(name, rows[i].value);
        is(find_as(s), rows[i].found, "%s: %s", rows[i].what, rows[i].found);
    }
}

static void test_tampered(void)
{
    gate_settings *s = world_begin();
    const char *good;
    int expired = 0, tampered = 0;

    create(s, NULL);
    good = browser_cookie(name);
    for (int i = 0; i < 43; i++) {
        char *bad = apr_pstrdup(the.pool, good);
        const char *found;

        bad[i] = bad[i] == 'E' ? 'I' : 'E';
        browser_set(name, bad);
        found = find_as(s);
        expired += !strcmp(found, "session_expired");
        tampered += !strcmp(found, "session_tampered");
    }
    ok(expired + tampered == 43 && expired >= 21 && tampered >= 21,
       "no changed character is overlooked: %d lead nowhere, %d open nothing", expired, tampered);
    browser_set(name, good);
    is(find_as(s), "ok", "the right one still opens");
}

static void test_twice(void)
{
    gate_settings *s = world_begin();

    create(s, NULL);
    the.cookies[the.cookie_count++] =
        (world_cookie){name, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    is(find_as(s), "session_tampered", "of two cookies of that name neither is believed");
    the.cookies[1].value = the.cookies[0].value;
    is(find_as(s), "session_tampered", "not even where they are the same");
}

static void test_foreign_realm(void)
{
    gate_settings *s = world_begin();

    create(s, NULL);
    the.other.realm.cookie = s->realm.cookie;
    is(find_as(&the.other), "session_expired",
       "another realm does not find it, even under the same name");
    the.other.realm.fingerprint = s->realm.fingerprint;
    is(find_as(&the.other), "ok", "another place of the same realm does");
}

static void test_another_record(void)
{
    gate_settings *s = world_begin();
    fake_record *mine, *theirs = NULL;

    create(s, NULL);
    mine = fake_first(&the.store, GATE_STORE_SESSION);
    create(s, NULL);
    for (int i = 0; i < FAKE_RECORDS && !theirs; i++) {
        if (the.store.records[i].filed && &the.store.records[i] != mine)
            theirs = &the.store.records[i];
    }
    theirs->record.value = mine->record.value;
    is(find_as(s), "session_tampered",
       "a record that somebody put under another's key opens for nobody");
}

static void test_damaged_record(void)
{
    gate_settings *s = world_begin();
    fake_record *filed;
    char *value;
    size_t len;
    int found = 0;

    create(s, NULL);
    filed = fake_first(&the.store, GATE_STORE_SESSION);
    len = filed->record.value.len;
    ok(filed->front && filed->front < len, "who it is stands in front");
    for (size_t cut = 0; cut < len; cut++) {
        filed->record.value.len = cut;
        found += !strcmp(cut < filed->front ? find_as(s) : find_tokens(s), "ok");
    }
    ok(found == 0, "a record that was cut anywhere opens nothing");
    the.store.fail_at = the.store.calls + 2;
    filed->record.value.len = filed->front - 1;
    is(find_as(s), "store_unavailable", "and the store is asked whether it is to blame");
    the.store.fail_at = 0;
    filed->record.value.len = len;
    value = apr_pmemdup(the.pool, filed->record.value.ptr, len);
    filed->record.value.ptr = value;
    for (size_t i = 4; i < len - 4; i++) { /* the last four: there is no mark */
        value[i] ^= 1;
        found += !strcmp(i < filed->front ? find_as(s) : find_tokens(s), "ok");
        value[i] ^= 1;
    }
    ok(found == 0, "nor does one with a changed bit");
    is(find_as(s), "ok", "it is good again when it is whole");
}

/* What others do between the two readings of a session: its front, and then the rest. */
static void test_read_again(void)
{
    gate_settings *s = world_begin();
    const gate_request *q = request_at("GET", "/", true);
    const gate_tokens newer = {.access_token = GATE_SPAN("the-newer-one")};
    const gate_ending ending = {.issuer = identity_issuer,
                                .subject = gate_span_of(identity_subject)};
    gate_entry entry = {.expires = WORLD_START + 3600};
    gate_session session, other;
    gate_span identity;
    gate_tokens tokens;

    create(s, NULL);
    gate_session_find(q, s, &the.gate, &session);
    ok(session.is_front, "where no token is needed, none is read");
    other = session;
    identity_encode(the.pool, "{\"email\":\"bob@example.com\"}", &identity);
    gate_session_seal(q, &the.gate, &other, identity, &newer, &entry.value);
    the.store.store.replace(&the.store.store, GATE_STORE_SESSION, &session.lock.filed_under, q->now,
                            &entry, session.record.version, NULL);
    other = session;
    is(gate_reason_name(gate_session_tokens(q, &the.gate, &other, &tokens)), "ok",
       "it was renewed meanwhile");
    ok(holds(gate_identity_bytes(other.identity), GATE_SPAN("bob")) &&
           gate_span_is(tokens.access_token, "the-newer-one") &&
           other.record.version != session.record.version,
       "then all is as it is now");
    world_wait(1);
    gate_revoke(q, &the.gate, &ending, NULL);
    other = session;
    is(gate_reason_name(gate_session_tokens(q, &the.gate, &other, &tokens)), "session_expired",
       "it was renewed, and ended by its name");
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    is(find_as(s), "session_expired", "as it is for whoever comes now");
    gate_session_end(q, &the.gate, &session);
    is(gate_reason_name(gate_session_tokens(q, &the.gate, &session, &tokens)), "session_expired",
       "it is gone");
    ok(!session.record.value.ptr, "and for good");
}

static void test_times(void)
{
    gate_settings *s = world_begin();

    create(s, NULL);
    world_wait(1799);
    is(find_as(s), "ok", "just before it was idle too long it is there");
    world_wait(1799);
    is(find_as(s), "ok", "and that it was asked for has kept it alive");
    world_wait(1800);
    is(find_as(s), "session_expired", "idle for half an hour it is gone");
    s = world_begin();
    create(s, NULL);
    for (int i = 0; i < 8 * 3600 - 1800; i += 1000) {
        world_wait(1000);
        find_as(s);
    }
    the.now_ms = (WORLD_START + 8 * 3600 - 1) * 1000;
    is(find_as(s), "ok", "in constant use it lives its lifetime");
    world_wait(1);
    is(find_as(s), "session_expired", "and no second longer");
}

/* Seconds in which a clock is set forward or back while somebody is signed in, and what becomes of
 * the session. It is never good for longer than it was, and a clock that is set back signs nobody
 * out. */
static void test_clock_is_set(void)
{
    static const struct {
        apr_int64_t by;
        const char *becomes;
    } jumps[] = {
        {-60, "ok"},
        {-3600, "ok"},
        {-10 * 365 * 86400LL, "ok"},
        {1799, "ok"},
        {3600, "session_expired"},
        {10 * 365 * 86400LL, "session_expired"},
    };

    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        gate_settings *s = world_begin();

        create(s, NULL);
        the.now_ms += jumps[i].by * 1000;
        is(find_as(s), jumps[i].becomes, "the clock is set by %" APR_INT64_T_FMT " s", jumps[i].by);
        the.now_ms = (WORLD_START + 8 * 3600) * 1000;
        is(find_as(s), "session_expired", "... and at its end it is over all the same");
    }
}

/* 2038-01-19, 2106-02-07, and a day in 2200. */
static void test_late_years(void)
{
    static const apr_int64_t moments[] = {2147483647LL, 4294967295LL, 7258118400LL};

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        gate_settings *s = world_begin();

        the.now_ms = (moments[i] - 10) * 1000;
        create(s, NULL);
        world_wait(20);
        is(find_as(s), "ok", "a session over the second %" APR_INT64_T_FMT, moments[i]);
        world_wait(1800);
        is(find_as(s), "session_expired", "... is idle in its time");
    }
}

static void test_stricter_place(void)
{
    gate_settings *s = world_begin();
    gate_settings strict = *s;

    create(s, NULL);
    strict.session.lifetime = 60;
    world_wait(59);
    is(find_as(&strict), "ok", "a place with a shorter lifetime takes a young session");
    world_wait(1);
    is(find_as(&strict), "session_expired", "but not one that is too old for it");
    is(find_as(s), "ok", "which is still good where it began");
}

static void test_until_id_token(void)
{
    gate_settings *s = world_begin();
    gate_tokens tokens = {.access_token = GATE_SPAN("at"), .id_expires = WORLD_START + 300};

    s->session.ends_with_id_token = true;
    create(s, &tokens);
    world_wait(299);
    is(find_as(s), "ok", "until=id_token: as long as the ID token");
    world_wait(1);
    is(find_as(s), "session_expired", "and no longer");
    s = world_begin();
    create(s, &tokens);
    world_wait(300);
    is(find_as(s), "ok", "without that word the ID token's end is not the session's");
    s = world_begin();
    s->session.ends_with_id_token = true;
    tokens.id_expires = WORLD_START + 30 * 3600;
    s->session.idle = 0;
    create(s, &tokens);
    world_wait(s->session.lifetime);
    is(find_as(s), "session_expired", "nor does a late end make it live longer than its lifetime");
    s = world_begin();
    s->session.ends_with_id_token = true;
    tokens.id_expires = WORLD_START;
    is(gate_reason_name(create(s, &tokens)), "token_expired",
       "an ID token that has ended, if only by a moment, begins none");
}

static void test_end(void)
{
    gate_settings *s = world_begin();
    const gate_request *q = request_at("GET", "/", true);
    const char *cookie;
    gate_session session;

    create(s, NULL);
    gate_session_find(q, s, &the.gate, &session);
    is(gate_reason_name(gate_session_end(q, &the.gate, &session)), "ok", "a session is ended");
    is(find_as(s), "session_expired", "and its cookie is good for nothing");
    is(gate_reason_name(gate_session_end(q, &the.gate, &session)), "ok",
       "to end it again is no error");
    cookie = gate_session_cookie_end(q, s);
    is(cookie, "__Host-oidc-gate-app=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
       "the browser is told to forget it");
    the.site.secure = false;
    s->realm.cookie = "oidc-gate-app";
    the.site.samesite = "Strict";
    is(gate_session_cookie_end(q, s),
       "oidc-gate-app=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict",
       "in the way in which it was set");
}

static void test_store_fails(void)
{
    gate_settings *s = world_begin();
    const gate_request *q = request_at("GET", "/", true);
    gate_session session;

    the.store.fail_at = 1;
    is(gate_reason_name(create(s, NULL)), "store_unavailable",
       "what may not be filed is no session");
    create(s, NULL);
    the.store.fail_at = the.store.calls + 1;
    is(find_as(s), "store_unavailable",
       "what cannot be looked up is not found, and not gone either");
    gate_session_find(q, s, &the.gate, &session);
    the.store.fail_at = the.store.calls + 1;
    is(gate_reason_name(gate_session_end(q, &the.gate, &session)), "store_unavailable",
       "an end that is not sure is said to be none");
    the.store.is_full[GATE_STORE_SESSION] = true;
    is(gate_reason_name(create(s, NULL)), "sessions_full", "a full store says so");
}

static void test_too_large(void)
{
    gate_settings *s = world_begin();
    char *text = apr_palloc(the.pool, GATE_STORE_MAX_VALUE);
    gate_tokens tokens = {.userinfo = {text, GATE_STORE_MAX_VALUE}};

    memset(text, 'x', GATE_STORE_MAX_VALUE);
    is(gate_reason_name(create(s, &tokens)), "session_too_large",
       "what is larger than a record may be is refused as such");
}

static void test_no_randomness(void)
{
    for (int n = 1; n <= 3; n++) {
        gate_settings *s = world_begin();

        the.random_fails_at = n;
        is(gate_reason_name(create(s, NULL)), "internal",
           "without randomness at call %d there is no session", n);
        ok(!fake_first(&the.store, GATE_STORE_SESSION), "and nothing is filed");
    }
}

int main(void)
{
    test_round_trip();
    test_cookies();
    test_tampered();
    test_twice();
    test_foreign_realm();
    test_another_record();
    test_damaged_record();
    test_read_again();
    test_times();
    test_clock_is_set();
    test_late_years();
    test_stricter_place();
    test_until_id_token();
    test_end();
    test_store_fails();
    test_too_large();
    test_no_randomness();
    return tap_done();
}
