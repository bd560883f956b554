/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Whole stories: browsers, programs, a provider and a store that lie and fail, in any order. Nobody
 * is let in but by the ledger, and every answer keeps to the invariants.
 *
 * The input is text. The first line says what is configured; each line after it is one step: a
 * letter, then a digit (or any character from '0' on) for each choice, then, for some, any bytes.
 */
#include "ledger.h"

#include "gate/dismiss.h"
#include "gate/signout.h"
#include "gate/step_up.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MOST_STEPS   40
#define MOST_SENT    16

typedef struct sent {
    const char *location, *answer;
} sent;

/* What one input has going. */
static struct scene {
    sent sent[MOST_SENT]; /* to the provider, and what it said there */
    int sent_count;
    world_cookie kept[COOKIES_MAX]; /* cookies that somebody has put aside */
    int kept_count;
    gate_decision admitted; /* the last one, at app */
    const char *last_jwt;
    bool lies[4]; /* for each of the changes to ID tokens */
    uint64_t chance;
    EVP_PKEY *keys[3]; /* the provider's old and new one, and one that is nobody's */
} scene;

/* --- the input --- */

static unsigned take(gate_span *line, unsigned choices)
{
    unsigned value = 0;

    if (line->len) {
        value = (unsigned char)*line->ptr;
        value = value >= '0' ? value - '0' : 0;
        line->ptr++;
        line->len--;
    }
    return value % choices;
}

/* Chance that is the same each time. */
static bool no_chance(void *bytes, size_t len)
{
    unsigned char *at = bytes;

    if (the.random_fails_at && ++the.random_calls == the.random_fails_at)
        return false;
    for (size_t i = 0; i < len; i++) {
        scene.chance ^= scene.chance << 13;
        scene.chance ^= scene.chance >> 7;
        scene.chance ^= scene.chance << 17;
        at[i] = (unsigned char)(scene.chance >> 32);
    }
    return true;
}

/* --- looking at answers --- */

static void look_at(const gate_decision *d)
{
    const char *problem = broken_invariant(d);

    if (problem)
        fuzz_fail(problem, gate_reason_name(d->reason), d->status);
    FUZZ_CHECK(!op.reuses); /* I6 */
    for (int i = 0; i < op.login_count; i++)
        FUZZ_CHECK(op.logins[i].sent <= 1); /* I7 */
    if (d->verb == GATE_REDIRECT && scene.sent_count < MOST_SENT &&
        strstr(d->location, "/authorize?"))
        scene.sent[scene.sent_count++] = (sent){d->location, NULL};
}

/* What nobody need ask anybody about. */
static bool is_malformed(gate_reason reason)
{
    return reason == GATE_MALFORMED_CREDENTIAL || reason == GATE_MULTIPLE_CREDENTIALS ||
           reason == GATE_MALFORMED_REQUEST || reason == GATE_MALFORMED_TOKEN ||
           reason == GATE_STATE_UNKNOWN;
}

/* How much was done for one answer. */
typedef struct effort {
    int calls, writes;
} effort;

static effort effort_so_far(void)
{
    return (effort){op_calls(), the.store.writes[GATE_STORE_SESSION] +
                                    the.store.writes[GATE_STORE_MARK] +
                                    the.store.writes[GATE_STORE_REVOCATION]};
}

static void check_effort(const gate_settings *place, const gate_decision *d, effort before)
{
    const effort after = effort_so_far();

    FUZZ_CHECK(after.calls - before.calls <= 8);
    FUZZ_CHECK(!is_malformed(d->reason) || after.calls == before.calls);
    /* I5: who has nothing leaves nothing where sessions are. */
    if (!d->known && !ledger_session_here(place))
        FUZZ_CHECK(after.writes == before.writes);
}

static void check_admitted(const gate_settings *place, const gate_decision *d)
{
    if (d->verb != GATE_ADMIT)
        return;
    if (!d->known)
        FUZZ_CHECK(place->on_unauthenticated == GATE_UNAUTHENTICATED_PASS && !d->identity);
    else
        FUZZ_CHECK(ledger_agrees(place, d, world_clock()));
}

/* I12: the same question has the same answer. */
static void check_again(const gate_request *q, const gate_settings *place, const gate_decision *d)
{
    gate_decision again;

    if (!d->known || the.store.fail_at || the.random_fails_at)
        return;
    again = gate_decide(q, place, &the.gate);
    FUZZ_CHECK(
        again.known && again.method == d->method &&
        gate_span_equal(gate_identity_subject(again.identity), gate_identity_subject(d->identity)));
}

static gate_decision ask(unsigned place, const char *uri, bool is_navigation, bool is_subrequest)
{
    const gate_settings *s = place ? &the.other : &the.app;
    const effort before = effort_so_far();
    gate_request *q = request_at("GET", uri, is_navigation);
    gate_decision d;

    q->is_subrequest = is_subrequest;
    d = gate_decide(q, s, &the.gate);
    FUZZ_CHECK(!is_subrequest || (!d.cookie_count && d.verb != GATE_REDIRECT));
    check_admitted(s, &d);
    check_effort(s, &d, before);
    look_at(&d);
    check_again(q, s, &d);
    if (d.known && !place)
        scene.admitted = d;
    return browser_see(d);
}

/* --- people --- */

static void step_page(gate_span line)
{
    static const char *const uris[] = {"/app/x",
                                       "/app/x?a=1&b=%2f",
                                       "//evil.example/",
                                       "/\\evil.example",
                                       "/%2f%2fevil.example",
                                       "/app/..//evil.example",
                                       "/app/x\ny",
                                       ""};
    const unsigned place = take(&line, 2), uri = take(&line, COUNT(uris) + 1);

    ask(place,
        uri < COUNT(uris) ? uris[uri]
                          : apr_psprintf(the.pool, "/app/%0*d?%01000d", 100 * (int)line.len, 1, 2),
        true, false);
}

static void step_call(gate_span line)
{
    const unsigned place = take(&line, 2);

    ask(place, "/app/x", false, take(&line, 2) == 1);
}

/* The person signs in at the provider. */
static void step_approve(gate_span line)
{
    sent *at = scene.sent_count ? &scene.sent[take(&line, (unsigned)scene.sent_count)] : NULL;

    if (at && op.login_count < OP_LOGINS)
        at->answer = op_approve(at->location);
}

static const char *vary(const char *answer, gate_span line)
{
    const gate_span rest = gate_span_of(strchr(answer, '&') + 1);

    switch (take(&line, 10)) {
    case 1:
        return rest.ptr;
    case 2:
        return apr_pstrcat(the.pool, answer, "&iss=https%3A%2F%2Fop.example", NULL);
    case 3:
        return apr_pstrcat(the.pool, answer, "&iss=https%3A%2F%2Fother.example", NULL);
    case 4:
        return apr_pstrcat(the.pool, "error=access_denied&", rest.ptr, NULL);
    case 5:
        return apr_pstrcat(the.pool, answer, "&", rest.ptr, NULL);
    case 6:
        return apr_pstrcat(the.pool, "code=code-0&", rest.ptr, NULL);
    case 7:
        return apr_pstrmemdup(the.pool, answer, strlen(answer) - 1);
    case 8:
        return apr_pstrcat(the.pool, answer, "&", text_of(line), NULL);
    default:
        return answer;
    }
}

/* Whether nobody may be signed in by what the provider says now. */
static bool is_lying(void)
{
    const char *userinfo = the.app.userinfo_at_login ? op.at[OP_USERINFO].body : NULL;
    bool lies = op.mint || (userinfo && strstr(userinfo, "eve"));

    for (size_t i = 0; i < COUNT(scene.lies); i++)
        lies |= scene.lies[i];
    return lies;
}

/* A session came of it: only where the provider granted this very code, and told the truth. */
static void note_new_session(const gate_decision *d, int granted_before)
{
    FUZZ_CHECK(ledger.codes_granted == granted_before + 1 && !is_lying());
    for (int i = 0; i < 2; i++) {
        const char *name =
            apr_pstrcat(the.pool, ledger_cookie_name(the.settings_list[i]), "=", NULL);

        for (int n = 0; n < d->cookie_count; n++) {
            const char *end = strchr(d->cookies[n], ';'), *value = d->cookies[n] + strlen(name);

            if (gate_span_starts(gate_span_of(d->cookies[n]), name) && end > value)
                ledger_note_session(the.settings_list[i],
                                    apr_pstrmemdup(the.pool, value, (apr_size_t)(end - value)),
                                    d->identity);
        }
    }
}

static void land(const char *answer)
{
    const char *uri = apr_pstrcat(the.pool, "/oidc-gate/callback?", answer, NULL);
    const gate_request *q = request_at("GET", uri, true);
    const int granted = ledger.codes_granted, sessions = ledger.session_count;
    const effort before = effort_so_far();
    const gate_decision d = gate_login_finish(q, &the.site, &the.gate, q->query);

    FUZZ_CHECK(d.verb != GATE_ADMIT);
    if (d.known)
        note_new_session(&d, granted);
    FUZZ_CHECK(ledger.session_count - sessions == d.known);
    FUZZ_CHECK(effort_so_far().calls - before.calls <= 8);
    FUZZ_CHECK(!is_malformed(d.reason) || effort_so_far().calls == before.calls);
    look_at(&d);
    browser_see(d);
}

static void step_come_back(gate_span line)
{
    const sent *at = scene.sent_count ? &scene.sent[take(&line, (unsigned)scene.sent_count)] : NULL;

    if (at && at->answer)
        land(vary(at->answer, line));
}

static void step_land(gate_span line)
{
    land(text_of(line));
}

static void step_step_up(gate_span line)
{
    const gate_step_up need = {
        .acr_values = take(&line, 2) ? "gold" : NULL,
        .max_age = take(&line, 4) * 20,
    };
    gate_decision d;

    if (!scene.admitted.known || !gate_step_up_is_asked(&need))
        return;
    d = gate_decide_step_up(request_at("GET", "/app/x", true), &the.app, &the.gate, &scene.admitted,
                            &need);
    FUZZ_CHECK(d.verb != GATE_ADMIT);
    look_at(&d);
    browser_see(d);
}

/* --- programs --- */

static void carry(const char *scheme, const char *credential)
{
    the.authorization = apr_pstrcat(the.pool, scheme, " ", credential, NULL);
}

static void carry_client(const char *text)
{
    carry("Basic", gate_base64_encode(the.pool, gate_span_of(text)));
}

/* Signed by the provider, and good where members say so. */
static void carry_jwt(const char *issuer, const char *members, bool is_good)
{
    const apr_int64_t expires = world_clock() + (op.expires_in ? op.expires_in : 300);

    scene.last_jwt = op_jwt(issuer, members);
    if (is_good)
        ledger_note_jwt(scene.last_jwt, "bob", expires);
    carry("Bearer", scene.last_jwt);
}

static void carry_changed(gate_span line)
{
    char *text = apr_pstrdup(the.pool, scene.last_jwt ? scene.last_jwt : "a.b.c");
    const size_t at = (take(&line, 80) * 80 + take(&line, 80)) % strlen(text);

    text[at] = (char)('0' + take(&line, 79));
    carry("Bearer", text);
}

static void carry_foreign(const char *members)
{
    EVP_PKEY *own = op.key;

    op.key = scene.keys[2];
    carry_jwt(WORLD_ISSUER, members, false);
    op.key = own;
}

static void step_carry(gate_span line)
{
    static const char good[] = ",\"sub\":\"bob\",\"client_id\":\"c-cli\",\"aud\":\"api://default\"";
    const char *claims;

    switch (take(&line, 15)) {
    case 0:
        the.authorization = NULL;
        break;
    case 1:
        carry_jwt(WORLD_ISSUER, good, true);
        break;
    case 2:
        carry_jwt(WORLD_ISSUER, ",\"sub\":\"bob\",\"client_id\":\"c\",\"aud\":[\"x\"]", false);
        break;
    case 3:
        carry_jwt(OTHER_ISSUER, good, false);
        break;
    case 4:
        carry_foreign(good);
        break;
    case 5:
        carry("Bearer", op_id_token(WORLD_ISSUER, GATE_SPAN("api://default"), GATE_SPAN("n")));
        break;
    case 6:
        carry("Bearer", apr_psprintf(the.pool, "good-%u", take(&line, 4)));
        break;
    case 7:
        carry("Bearer", "a-token-of-no-use");
        break;
    case 8:
        carry_client("c-api:c-api-secret");
        break;
    case 9:
        carry_client("c-api:a-wrong-guess");
        break;
    case 10:
        carry_client(take(&line, 2) ? "c%20:c%20-secret" : "c-\xc3\xa9+&:c-\xc3\xa9+&-secret");
        break;
    case 11:
        carry_changed(line);
        break;
    case 12:
        claims = sign_base64url(the.pool, good, sizeof good - 1);
        carry("Bearer", apr_pstrcat(the.pool, "eyJhbGciOiJub25lIn0.", claims, ".", NULL));
        break;
    case 13:
        carry_jwt(WORLD_ISSUER, apr_pstrcat(the.pool, good, ",\"cnf\":{\"jkt\":\"x\"}", NULL),
                  false);
        break;
    default:
        carry_jwt(WORLD_ISSUER, apr_pstrcat(the.pool, good, ",\"nbf\":4000000000", NULL), false);
    }
}

static void step_header(gate_span line)
{
    the.authorization = text_of(line);
}

/* --- cookies that are not as the gate set them --- */

static void change_cookie(world_cookie *cookie, unsigned at, unsigned with)
{
    char *value = apr_pstrdup(the.pool, cookie->value);

    if (*value)
        value[at % strlen(value)] = (char)('0' + with);
    cookie->value = value;
}

static void double_cookie(const world_cookie *cookie, const char *value)
{
    if (the.cookie_count < COOKIES_MAX / 2)
        the.cookies[the.cookie_count++] = (world_cookie){cookie->name, value};
}

static void step_cookie(gate_span line)
{
    const unsigned what = take(&line, 7);
    world_cookie *cookie =
        the.cookie_count ? &the.cookies[take(&line, (unsigned)the.cookie_count)] : NULL;

    if (what == 0) {
        the.cookie_count = 0;
    } else if (what == 1) {
        memcpy(scene.kept, the.cookies, sizeof scene.kept);
        scene.kept_count = the.cookie_count;
    } else if (what == 2) {
        memcpy(the.cookies, scene.kept, sizeof scene.kept);
        the.cookie_count = scene.kept_count;
    } else if (cookie && what == 3) {
        const unsigned at = take(&line, 80);

        change_cookie(cookie, at, take(&line, 79));
    } else if (cookie && what == 4) {
        double_cookie(cookie, cookie->value);
    } else if (cookie && what == 5) {
        double_cookie(cookie, text_of(line));
    } else if (cookie) {
        cookie->name = ledger_cookie_name(take(&line, 2) ? &the.other : &the.app);
    }
}

/* --- the ends of sessions --- */

static bool is_promised(const gate_decision *d)
{
    return d->verb == GATE_ADMIT || d->verb == GATE_REDIRECT;
}

static bool takes_away(const gate_decision *d, const char *name)
{
    const char *ends = apr_pstrcat(the.pool, name, "=;", NULL);

    for (int i = 0; i < d->cookie_count; i++) {
        if (gate_span_starts(gate_span_of(d->cookies[i]), ends))
            return true;
    }
    return false;
}

/* A browser that is told to drop its cookie has no session any more, nor has who kept a copy. */
static void note_farewell(const gate_decision *d)
{
    for (int i = 0; i < 2; i++) {
        ledger_session *session = ledger_session_here(the.settings_list[i]);

        if (session && is_promised(d) && takes_away(d, ledger_cookie_name(the.settings_list[i])))
            session->is_ended = true;
    }
}

static void step_sign_out(gate_span line)
{
    static const char *const sites[] = {NULL, "same-origin", "none", "cross-site", "same-site"};
    gate_decision d;

    browser_says(0, "Sec-Fetch-Site", sites[take(&line, COUNT(sites))]);
    d = gate_sign_out(request_at(take(&line, 2) ? "GET" : "POST", "/oidc-gate/logout", true),
                      &the.site, &the.gate, gate_span_of(text_of(line)));
    browser_says(0, NULL, NULL);
    note_farewell(&d);
    look_at(&d);
    browser_see(d);
}

/* The claims of a logout token with one thing about it. */
static const char *const logout_claims[] = {
    ",\"sub\":\"alice\",\"sid\":\"sid-1\"",
    ",\"sub\":\"alice\"",
    ",\"sid\":\"sid-1\"",
    ",\"sub\":\"mallory\"",
    "",
    ",\"sub\":\"alice\",\"nonce\":\"n\"",
};

static void step_logout_token(gate_span line)
{
    const unsigned claims = take(&line, COUNT(logout_claims)), jti = take(&line, 4);
    const bool is_foreign = take(&line, 2) == 1;
    const apr_int64_t now = world_clock();
    EVP_PKEY *own = op.key;
    const char *token;
    gate_decision d;

    if (is_foreign)
        op.key = scene.keys[2];
    token = op_sign(
        "logout+jwt",
        apr_psprintf(the.pool,
                     "{\"iss\":\"%s\",\"aud\":\"c-app\",\"iat\":%" APR_INT64_T_FMT
                     ",\"exp\":%" APR_INT64_T_FMT ",\"jti\":\"J-%u\"%s,"
                     "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}",
                     WORLD_ISSUER, now, now + 120, jti, logout_claims[claims]));
    op.key = own;
    d = gate_dismiss_by_token(request_at("POST", "/oidc-gate/backchannel-logout", false), &the.site,
                              &the.gate,
                              gate_span_of(apr_pstrcat(the.pool, "logout_token=", token, NULL)));
    FUZZ_CHECK(!is_promised(&d) || (!is_foreign && claims < 4));
    if (is_promised(&d))
        ledger_end(WORLD_ISSUER, strstr(logout_claims[claims], "sid") ? "sid-1" : NULL,
                   strstr(logout_claims[claims], "sid")     ? NULL
                   : strstr(logout_claims[claims], "alice") ? "alice"
                                                            : "mallory");
    look_at(&d);
}

static void step_logout_form(gate_span line)
{
    const gate_decision d =
        gate_dismiss_by_token(request_at("POST", "/oidc-gate/backchannel-logout", false), &the.site,
                              &the.gate, gate_span_of(text_of(line)));

    FUZZ_CHECK(!is_promised(&d));
    look_at(&d);
}

static void step_frame(gate_span line)
{
    const char *framed_by;
    const gate_decision d = gate_dismiss_by_frame(
        request_at("GET", "/oidc-gate/frontchannel-logout", false), &the.site, &the.gate,
        take(&line, 2) ? gate_span_of(text_of(line))
                       : GATE_SPAN("iss=https%3A%2F%2Fop.example&sid=sid-1"),
        &framed_by);

    FUZZ_CHECK(!framed_by || !strcmp(framed_by, WORLD_ISSUER) || !strcmp(framed_by, OTHER_ISSUER));
    note_farewell(&d);
    look_at(&d);
    browser_see(d);
}

static void step_order(gate_span line)
{
    static const char *const forms[] = {"subject=alice&issuer=https%3A%2F%2Fop.example", "all=yes",
                                        "subject=bob"};
    const unsigned form = take(&line, COUNT(forms) + 1);
    apr_uint64_t ended;
    const gate_decision d = gate_dismiss_by_order(
        request_at("POST", "/status", false), &the.site, &the.gate,
        gate_span_of(form < COUNT(forms) ? forms[form] : text_of(line)), &ended);

    if (is_promised(&d) && form < 2)
        ledger_end(form ? NULL : WORLD_ISSUER, NULL, form ? NULL : "alice");
    else if (is_promised(&d))
        ledger_end(NULL, NULL, NULL); /* not worked out here: nobody need be in any more */
    look_at(&d);
}

/* --- the world --- */

static void step_time(gate_span line)
{
    static const int seconds[] = {1, 5, 11, 31, 61, 241, 301, 601, 1801, 28801, 90000};

    world_wait(seconds[take(&line, COUNT(seconds))]);
}

/* How an endpoint behaves from now on. */
static void step_provider(gate_span line)
{
    static const struct {
        gate_reason outage;
        bool acts_first;
        int status;
        const char *body;
    } ways[] = {
        {GATE_OK, false, 0, NULL},
        {GATE_IDP_UNREACHABLE, false, 0, NULL},
        {GATE_IDP_TIMEOUT, true, 0, NULL},
        {GATE_IDP_ERROR, false, 0, NULL},
        {GATE_OK, false, 500, "<html>"},
        {GATE_OK, false, 302, ""},
        {GATE_OK, false, 401, "{\"error\":\"invalid_client\"}"},
        {GATE_OK, false, 400, "{\"error\":\"invalid_grant\"}"},
        {GATE_OK, true, 503, ""},
        {GATE_OK, false, 200, ""},
        {GATE_OK, false, 200, "{\"active\":false}"},
        {GATE_OK, false, 200, "{\"sub\":\"eve\"}"},
    };
    op_behaviour *at = &op.at[take(&line, OP_ENDPOINTS)];
    const unsigned way = take(&line, COUNT(ways) + 1);

    at->outage = GATE_OK;
    at->acts_first = false;
    if (way < COUNT(ways)) {
        at->outage = ways[way].outage;
        at->acts_first = ways[way].acts_first;
        at->status = ways[way].status;
        at->body = ways[way].body;
    } else if (at != &op.at[OP_DISCOVERY]) { /* what it says of its addresses is believed */
        at->status = 200;
        at->body = text_of(line);
    }
}

/* ID tokens with one thing wrong with them; the first rows are not. */
static void step_claim(gate_span line)
{
    static const claim_change changes[] = {
        {NULL, NULL},
        {"sid", "\"sid-2\""},
        {"nonce", "\"another\""},
        {"aud", "\"c-else\""},
        {"aud", "[\"c-app\",\"c-else\"]"},
        {"iss", "\"https://evil.example\""},
        {"iat", NULL},
        {"exp", "1"},
        {"exp", "\"4000000000\""},
        {"sub", NULL},
        {"sub", "\"\""},
        {"sub", "\"a\\nb\""},
        {"sub", "7"},
        {"azp", "\"c-else\""},
        {"at_hash", "\"AAAAAAAAAAAAAAAAAAAAAA\""},
        {"nbf", "4000000000"},
    };
    const unsigned slot = take(&line, COUNT(op.changes)), row = take(&line, COUNT(changes));

    op.changes[slot] = changes[row];
    scene.lies[slot] = row > 1;
}

static void step_more_claims(gate_span line)
{
    static const char *const more[] = {
        "", ",\"groups\":[\"staff\",\"a\\\"b\"]", ",\"a\":{\"b\":{\"c\":[1,2.5,null,true,{}]}}",
        ",\"acr\":\"gold\",\"auth_time\":1750000000", ",\"email\":\"\\u0001\""};

    op.claims_more = more[take(&line, COUNT(more))];
}

static const char *mint_foreign(apr_pool_t *p, const char *claims)
{
    return sign_jwt(p, scene.keys[2], "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", claims);
}

static const char *mint_none(apr_pool_t *p, const char *claims)
{
    return apr_pstrcat(p, "eyJhbGciOiJub25lIn0.", sign_base64url(p, claims, strlen(claims)), ".",
                       NULL);
}

static void step_key(gate_span line)
{
    switch (take(&line, 4)) {
    case 0:
        op.key = scene.keys[0];
        op.kid = "k1";
        op.mint = NULL;
        break;
    case 1:
        op.key = scene.keys[1];
        op.kid = "k2";
        break;
    case 2:
        op.mint = mint_foreign;
        break;
    default:
        op.mint = mint_none;
    }
}

static void step_fault(gate_span line)
{
    const unsigned what = take(&line, 3), n = 1 + take(&line, 20);

    the.store.fail_at = what < 2 ? the.store.calls + (int)n : 0;
    the.store.acts_all_the_same = what == 1;
    the.store.fails_ever_after = take(&line, 2) == 1;
    the.random_fails_at = what == 2 ? the.random_calls + (int)n : 0;
}

static void step_mend(gate_span line)
{
    the.store.fail_at = the.random_fails_at = 0;
}

static void step_process(gate_span line)
{
    world_new_process();
}

static void step_limit(gate_span line)
{
    the.questions_left = (int)take(&line, 4) - 1;
}

static void step_person(gate_span line)
{
    static const char *const people[] = {"alice", "bob",
                                         "\xc3\xa9"
                                         "lo\xc3\xafse"};

    op.subject = people[take(&line, COUNT(people))];
    op.grant_is_over = take(&line, 2) == 1;
}

static const struct {
    char letter;
    void (*take)(gate_span line);
} steps[] = {
    {'P', step_page},   {'C', step_call},        {'A', step_approve},      {'R', step_come_back},
    {'Q', step_land},   {'U', step_step_up},     {'B', step_carry},        {'H', step_header},
    {'K', step_cookie}, {'S', step_sign_out},    {'D', step_logout_token}, {'E', step_logout_form},
    {'F', step_frame},  {'W', step_order},       {'T', step_time},         {'O', step_provider},
    {'L', step_claim},  {'M', step_more_claims}, {'Y', step_key},          {'X', step_fault},
    {'V', step_mend},   {'N', step_process},     {'Z', step_limit},        {'J', step_person},
};

/* --- from the beginning --- */

static EVP_PKEY *fixed_key(unsigned char seed)
{
    unsigned char bytes[32];

    memset(bytes, seed, sizeof bytes);
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, sizeof bytes);
}

static void configure(gate_span line)
{
    static const char *const targets[] = {"https://www.example/bye", "https://else.example/", NULL};
    static const int seconds[] = {30, 0, 1, 300};
    gate_settings *s = &the.app;

    s->methods = take(&line, 1u << GATE_METHOD_COUNT);
    s->on_unauthenticated = (gate_unauthenticated)take(&line, 4);
    s->needs = take(&line, 16);
    s->cache.introspection = seconds[take(&line, 4)];
    s->cache.stale = take(&line, 2) ? 300 : 0;
    s->cache.negative = take(&line, 2) ? 0 : 10;
    s->cache.token = take(&line, 2) ? 0 : 300;
    s->introspect_all = take(&line, 2) == 1;
    s->userinfo_at_login = take(&line, 2) == 1;
    s->revoke = take(&line, 2) == 1;
    s->session.lifetime = take(&line, 2) ? 600 : 8 * 3600;
    s->logout_targets = targets;
    the.gate.key_count = 1 + (int)take(&line, 2);
    op.gives_jwts = take(&line, 2) == 1;
    op.no_refresh_tokens = take(&line, 2) == 1;
    op.no_id_token_at_refresh = take(&line, 2) == 1;
}

static void begin(void)
{
    static EVP_PKEY *keys[3];

    world_begin();
    memset(&ledger, 0, sizeof ledger);
    memset(&scene, 0, sizeof scene);
    for (unsigned char i = 0; i < 3; i++) {
        if (!keys[i])
            keys[i] = fixed_key(i + 1);
        scene.keys[i] = keys[i];
    }
    scene.chance = 88172645463325252u;
    memset(the.keys, 7, sizeof the.keys);
    op.key = scene.keys[0];
    the.gate.fetch = ledger_fetch;
    the.gate.random = no_chance;
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span line;

    begin();
    if (gate_span_cut(&input, '\n', &line))
        configure(line);
    for (int n = 0; n < MOST_STEPS && gate_span_cut(&input, '\n', &line); n++) {
        for (size_t i = 0; line.len && i < COUNT(steps); i++) {
            if (steps[i].letter == *line.ptr) {
                steps[i].take((gate_span){line.ptr + 1, line.len - 1});
                break;
            }
        }
    }
}
