/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* faults.c - one failure at a time, everywhere: memory, store, provider, chance and clock. A story
 * that ends well may end in a refusal then, but never with somebody else let in; one that ends in a
 * refusal never ends in anything else; and what was only a failure is forgotten a minute later. */
#include "faults.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/dismiss.h"
#include "gate/revoke.h"
#include "gate/signout.h"
#include "gate/step_up.h"
#include "invariants.h"

#define BIT(method) (1u << GATE_METHOD_##method)
#define MOST_CALLS  20000

static const char page[] = "/app/x";
static const char session_cookie[] = "__Host-oidc-gate-app";

/* One story. Whoever it lets in must be `who`; NULL: nobody may. */
typedef struct story {
    const char *name;
    void (*prepare)(void);        /* before anything fails */
    gate_decision (*tell)(void);  /* while things fail */
    gate_decision (*again)(void); /* a minute later, when nothing fails any more: `who` is let in;
                                     NULL: not asked */
    const char *who;
} story;

static const char *broken; /* the first thing that did not hold in this telling */

/* Every decision on the way is looked at. */
static gate_decision look(gate_decision decision)
{
    const char *problem = broken_invariant(&decision);

    if (problem && !broken)
        broken = problem;
    return decision;
}

static const gate_decision refused = {.verb = GATE_REFUSE, .status = 400, .reason = GATE_REPLAY};

/* --- people --- */

static const char *sent_there(const gate_decision *decision)
{
    return decision->verb == GATE_REDIRECT && strstr(decision->location, "/authorize?")
               ? op_approve(decision->location)
               : NULL;
}

static gate_decision finish(const char *answer)
{
    return answer ? look(come_back(answer)) : refused;
}

static gate_decision visit(void)
{
    return look(open_page(&the.app, page));
}

static gate_decision log_in(void)
{
    const gate_decision gone = visit();

    finish(sent_there(&gone));
    return visit();
}

/* With the session that there may be, else with a new one. */
static gate_decision visit_anyhow(void)
{
    const gate_decision decision = visit();

    return decision.verb == GATE_REDIRECT ? log_in() : decision;
}

static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    faults_seize();
    return s;
}

static void begin_visitor(void)
{
    gate_settings *s = begin();

    s->userinfo_at_login = true;
    s->needs = GATE_NEEDS_USERINFO | GATE_NEEDS_ID_TOKEN;
    op.gives_jwts = true;
}

static void begin_signed_in(void)
{
    begin_visitor();
    sign_in(&the.app, page);
}

static void begin_while_others_are_ended(void)
{
    const gate_ending ending = {.issuer = WORLD_ISSUER, .subject = GATE_SPAN("mallory")};

    begin_signed_in();
    the.gate.key_count = 2;
    gate_revoke(request_at("GET", page, false), &the.gate, &ending, NULL);
}

static void begin_renewal(void)
{
    begin_signed_in();
    the.app.needs = GATE_NEEDS_ACCESS_TOKEN;
    world_wait(250);
}

static void begin_overdue_renewal(void)
{
    begin_renewal();
    world_wait(100);
}

/* --- step-up --- */

static const gate_step_up gold = {.acr_values = "gold", .max_age = 60};

static void begin_step_up(void)
{
    begin_signed_in();
    world_wait(10);
    op.claims_more =
        apr_psprintf(the.pool, ",\"acr\":\"gold\",\"auth_time\":%" APR_INT64_T_FMT, world_clock());
}

static gate_decision step_up(void)
{
    const gate_decision before = visit();
    gate_decision gone, after;

    if (!before.known)
        return before;
    gone = look(browser_see(
        gate_decide_step_up(request_at("GET", page, true), &the.app, &the.gate, &before, &gold)));
    finish(sent_there(&gone));
    after = visit();
    return after.known && gate_step_up_check(&gold, after.identity, world_clock(), 0, the.pool,
                                             NULL) == GATE_OK
               ? after
               : refused;
}

/* --- programs --- */

static const char usual[] = ",\"sub\":\"bob\",\"client_id\":\"c-cli\",\"aud\":\"api://default\"";

static void carry(const char *scheme, const char *credential)
{
    the.authorization = apr_pstrcat(the.pool, scheme, " ", credential, NULL);
}

static gate_decision call(void)
{
    return look(ask_for(&the.app, page));
}

static void begin_bearer(void)
{
    begin()->methods = BIT(BEARER);
    carry("Bearer", op_jwt(WORLD_ISSUER, usual));
}

static void begin_bearer_seen(void)
{
    begin_bearer();
    call();
}

/* The provider has a new key, and this process does not know it yet. */
static void begin_new_key(void)
{
    begin_bearer_seen();
    world_wait(61);
    op.kid = "k2";
    carry("Bearer", op_jwt(WORLD_ISSUER, usual));
}

static void begin_introspection(void)
{
    gate_settings *s = begin();

    s->methods = BIT(INTROSPECTION);
    s->needs = GATE_NEEDS_INTROSPECTION;
    carry("Bearer", "good-token-of-alice");
}

static void begin_introspection_seen(void)
{
    begin_introspection();
    call();
}

static void begin_introspection_each_time(void)
{
    begin_introspection();
    the.app.cache.introspection = 0;
    call();
}

static void begin_introspection_stale(void)
{
    begin_introspection();
    the.app.cache.stale = 300;
    call();
    world_wait(60);
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
}

static void begin_introspection_of_jwt(void)
{
    begin_bearer_seen();
    the.app.methods = BIT(INTROSPECTION);
    the.app.introspect_all = true;
    op.subject = "bob";
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":true,\"aud\":\"api://default\",\"sub\":\"bob\"}";
}

static void begin_client(void)
{
    begin()->methods = BIT(CLIENT_CREDENTIALS);
    the.app.needs = GATE_NEEDS_ACCESS_TOKEN;
    carry("Basic", gate_base64_encode(the.pool, GATE_SPAN("c-api:c-api-secret")));
}

static void begin_client_with_jwt(void)
{
    begin_client();
    op.gives_jwts = true;
    op.subject = "c-api";
}

static void begin_client_seen(void)
{
    begin_client();
    call();
}

/* --- the end of a session. Who is told that it is over, finds it over. --- */

static bool is_promised(const gate_decision *decision)
{
    return decision->verb == GATE_ADMIT || decision->verb == GATE_REDIRECT;
}

/* The old cookie, in the hand of one who kept it. */
static gate_decision come_with_old_cookie(const char *kept)
{
    faults.is_armed = false;
    the.store.fail_at = 0;
    browser_set(session_cookie, kept);
    return call();
}

static void begin_later(void)
{
    begin_signed_in();
    the.app.revoke = true;
    world_wait(10);
}

static gate_decision sign_out(void)
{
    const char *kept = browser_cookie(session_cookie);
    const gate_decision farewell = look(browser_see(gate_sign_out(
        request_at("POST", "/oidc-gate/logout", true), &the.site, &the.gate, gate_span_of(NULL))));

    return is_promised(&farewell) ? come_with_old_cookie(kept) : refused;
}

static const char *logout_token;

static void begin_back_channel(void)
{
    begin_later();
    logout_token = op_sign(
        "logout+jwt",
        apr_psprintf(the.pool,
                     "{\"iss\":\"%s\",\"aud\":\"c-app\",\"iat\":%" APR_INT64_T_FMT
                     ",\"exp\":%" APR_INT64_T_FMT ",\"jti\":\"J-0\",\"sub\":\"alice\","
                     "\"sid\":\"sid-1\","
                     "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}}",
                     WORLD_ISSUER, world_clock(), world_clock() + 200));
}

static gate_decision post_logout_token(void)
{
    return look(gate_dismiss_by_token(
        request_at("POST", "/oidc-gate/backchannel-logout", false), &the.site, &the.gate,
        gate_span_of(apr_pstrcat(the.pool, "logout_token=", logout_token, NULL))));
}

static gate_decision back_channel(void)
{
    const gate_decision told = post_logout_token();

    return is_promised(&told) ? come_with_old_cookie(browser_cookie(session_cookie)) : refused;
}

/* The provider, which was told that it failed, tries once more, and is told what is true. */
static gate_decision back_channel_again(void)
{
    const gate_decision told = post_logout_token();
    const gate_decision after = come_with_old_cookie(browser_cookie(session_cookie));

    if (after.known && !broken)
        broken = "a session outlives a logout token that was brought twice";
    return is_promised(&told) || told.reason == GATE_REPLAY ? refused : after;
}

static gate_decision front_channel(void)
{
    const char *kept = browser_cookie(session_cookie), *framed_by;
    const gate_decision told = look(browser_see(gate_dismiss_by_frame(
        request_at("GET", "/oidc-gate/frontchannel-logout", false), &the.site, &the.gate,
        GATE_SPAN("iss=https%3A%2F%2Fop.example&sid=sid-1"), &framed_by)));

    /* It says only that what was meant is gone, where it takes the cookie away. */
    return is_promised(&told) && !browser_cookie(session_cookie) ? come_with_old_cookie(kept)
                                                                 : refused;
}

static gate_decision order(const char *form)
{
    apr_uint64_t ended;
    const gate_decision told = look(gate_dismiss_by_order(
        request_at("POST", "/status", false), &the.site, &the.gate, gate_span_of(form), &ended));

    return is_promised(&told) ? come_with_old_cookie(browser_cookie(session_cookie)) : refused;
}

static gate_decision order_one(void)
{
    return order("subject=alice&issuer=https%3A%2F%2Fop.example");
}

static gate_decision order_all(void)
{
    return order("all=yes");
}

/* --- what is refused, and stays refused --- */

static void begin_foreign_signature(void)
{
    EVP_PKEY *own = op.key;

    begin_bearer_seen();
    own = op.key;
    op.key = sign_make_key(the.pool, "P-256");
    carry("Bearer", op_jwt(WORLD_ISSUER, usual));
    op.key = own;
}

static void begin_expired_token(void)
{
    begin_bearer();
    world_wait(331);
}

static void begin_other_audience(void)
{
    begin_bearer();
    carry("Bearer",
          op_jwt(WORLD_ISSUER, ",\"sub\":\"bob\",\"client_id\":\"c-cli\",\"aud\":\"api://other\""));
}

static void begin_other_issuer(void)
{
    begin_bearer();
    carry("Bearer", op_jwt(OTHER_ISSUER, usual));
}

static void begin_id_token_as_token(void)
{
    begin_bearer();
    carry("Bearer", op_id_token(WORLD_ISSUER, GATE_SPAN("api://default"), GATE_SPAN("n")));
}

static void begin_inactive(void)
{
    begin_introspection();
    carry("Bearer", "a-token-that-is-not-active");
}

/* Good once, by the provider's word good no more, and then the provider goes away. */
static void begin_inactive_and_away(void)
{
    begin_introspection();
    the.app.cache.stale = 300;
    call();
    world_wait(31);
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    call();
    world_wait(11);
    op.at[OP_INTROSPECTION].status = 0;
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
}

/* The same, and the failure comes when the provider says so. A store that is silent from then on
 * takes nothing down, and is not asked about. */
static void begin_becoming_inactive(void)
{
    begin_introspection();
    the.app.cache.stale = 300;
    call();
    world_wait(31);
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
}

static gate_decision become_inactive(void)
{
    const gate_decision decision = call();
    const bool is_told = decision.reason == GATE_TOKEN_INACTIVE;
    const bool is_lasting = faults.ever_after && fault_is_of_store(faults.kind);

    faults.is_armed = false;
    the.store.fail_at = 0;
    world_wait(11);
    op.at[OP_INTROSPECTION].status = 0;
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
    /* That it is let in where the provider was not heard is what stale= is for. */
    return is_told && !is_lasting ? call() : refused;
}

static void begin_wrong_secret(void)
{
    begin_client();
    carry("Basic", gate_base64_encode(the.pool, GATE_SPAN("c-api:a-guess")));
}

static void begin_forged_cookie(void)
{
    char *cookie;

    begin_signed_in();
    cookie = apr_pstrdup(the.pool, browser_cookie(session_cookie));
    cookie[40] = cookie[40] == 'A' ? 'B' : 'A'; /* in the half that opens */
    browser_set(session_cookie, cookie);
}

static void begin_cookie_of_another_realm(void)
{
    begin();
    sign_in(&the.other, page);
    browser_set(session_cookie, browser_cookie("__Host-oidc-gate-other"));
}

static void begin_too_old_a_session(void)
{
    begin_signed_in();
    the.app.session.lifetime = 600;
    world_wait(600);
}

static void begin_ended(void)
{
    const gate_ending ending = {
        .issuer = WORLD_ISSUER, .subject = GATE_SPAN("alice"), .session_id = GATE_SPAN("sid-1")};

    begin_later();
    gate_revoke(request_at("GET", page, false), &the.gate, &ending, NULL);
}

static void begin_no_more_renewals(void)
{
    begin_overdue_renewal();
    op.grant_is_over = true;
}

static const char *kept_answer;

/* Somebody has a used answer, and the attempt's cookies as they were before it was used. */
static void begin_replay(void)
{
    world_cookie cookies[COOKIES_MAX];
    int count;

    begin_visitor();
    kept_answer = op_approve(open_page(&the.app, page).location);
    count = the.cookie_count;
    memcpy(cookies, the.cookies, sizeof cookies);
    come_back(kept_answer);
    the.cookie_count = count;
    memcpy(the.cookies, cookies, sizeof cookies);
    op.logins[0].is_redeemed = false; /* and the provider would not even mind */
}

static gate_decision bring_answer(void)
{
    finish(kept_answer);
    return visit();
}

static void begin_another_browser(void)
{
    begin_visitor();
    kept_answer = op_approve(open_page(&the.app, page).location);
    the.cookie_count = 0;
}

static void begin_login_with(claim_change change)
{
    begin_visitor();
    op.changes[0] = change;
    kept_answer = op_approve(open_page(&the.app, page).location);
}

static void begin_wrong_nonce(void)
{
    begin_login_with((claim_change){"nonce", "\"another\""});
}

static void begin_wrong_client(void)
{
    begin_login_with((claim_change){"aud", "\"c-else\""});
}

static void begin_wrong_person_in_userinfo(void)
{
    begin_login_with((claim_change){"sub", "\"eve\""});
}

static void begin_weak_step_up(void)
{
    begin_step_up();
    op.claims_more = ",\"acr\":\"bronze\",\"auth_time\":1";
}

/* --- the tellings --- */

static const story stories[] = {
    {"a login", begin_visitor, log_in, visit_anyhow, "alice"},
    {"a session", begin_signed_in, visit, visit_anyhow, "alice"},
    {"a session while others are ended", begin_while_others_are_ended, visit, visit_anyhow,
     "alice"},
    {"a renewal", begin_renewal, visit, visit_anyhow, "alice"},
    {"a renewal that cannot wait", begin_overdue_renewal, visit, visit_anyhow, "alice"},
    {"a stronger login", begin_step_up, step_up, visit_anyhow, "alice"},
    {"a JWT", begin_bearer, call, call, "bob"},
    {"a JWT seen before", begin_bearer_seen, call, call, "bob"},
    {"a JWT of a new key", begin_new_key, call, call, "bob"},
    {"introspection", begin_introspection, call, call, "alice"},
    {"introspection seen before", begin_introspection_seen, call, call, "alice"},
    {"introspection each time", begin_introspection_each_time, call, call, "alice"},
    {"introspection while the provider is away", begin_introspection_stale, call, NULL, "alice"},
    {"introspection of a JWT", begin_introspection_of_jwt, call, call, "bob"},
    {"a client", begin_client, call, call, "c-api"},
    {"a client whose token is a JWT", begin_client_with_jwt, call, call, "c-api"},
    {"a client seen before", begin_client_seen, call, call, "c-api"},

    {"signing out", begin_later, sign_out, NULL, NULL},
    {"logout by the back channel", begin_back_channel, back_channel, back_channel_again, NULL},
    {"logout by the front channel", begin_later, front_channel, NULL, NULL},
    {"an order about one", begin_later, order_one, NULL, NULL},
    {"an order about all", begin_later, order_all, NULL, NULL},

    {"a JWT that somebody else signed", begin_foreign_signature, call, NULL, NULL},
    {"a JWT whose time is over", begin_expired_token, call, NULL, NULL},
    {"a JWT for another place", begin_other_audience, call, NULL, NULL},
    {"a JWT of another issuer", begin_other_issuer, call, NULL, NULL},
    {"an ID token as a token", begin_id_token_as_token, call, NULL, NULL},
    {"an inactive token", begin_inactive, call, call, NULL},
    {"an inactive token while the provider is away", begin_inactive_and_away, call, call, NULL},
    {"a token that has become inactive", begin_becoming_inactive, become_inactive, NULL, NULL},
    {"a client with a wrong secret", begin_wrong_secret, call, call, NULL},
    {"a forged cookie", begin_forged_cookie, call, NULL, NULL},
    {"a cookie of another realm", begin_cookie_of_another_realm, call, NULL, NULL},
    {"a session that is too old here", begin_too_old_a_session, call, NULL, NULL},
    {"a session that was ended", begin_ended, call, call, NULL},
    {"a session that is not renewed", begin_no_more_renewals, call, NULL, NULL},
    {"a used answer", begin_replay, bring_answer, NULL, NULL},
    {"an answer in another browser", begin_another_browser, bring_answer, NULL, NULL},
    {"a login with another's nonce", begin_wrong_nonce, bring_answer, NULL, NULL},
    {"a login for another client", begin_wrong_client, bring_answer, NULL, NULL},
    {"a login with another's userinfo", begin_wrong_person_in_userinfo, bring_answer, NULL, NULL},
    {"a login too weak for its rule", begin_weak_step_up, step_up, NULL, NULL},
};

typedef struct telling {
    int calls, good, refused;
    long crypto_live;
} telling;

static bool is_who(gate_decision decision, const char *wanted)
{
    return wanted ? decision.verb == GATE_ADMIT && !strcmp(who(decision), wanted)
                  : decision.verb != GATE_ADMIT && !decision.known;
}

/* A digest that could not be made is nobody's name in the store. */
static bool has_nameless_record(void)
{
    static const gate_store_key nameless;

    for (int i = 0; i < FAKE_RECORDS; i++) {
        if (the.store.records[i].filed &&
            !memcmp(&the.store.records[i].key, &nameless, sizeof nameless))
            return true;
    }
    return false;
}

/* Everything that the telling had, given back: nothing is left over. */
static void check_memory(telling *t)
{
    world_clear();
    ERR_clear_error();
    if (faults.json_live && !broken)
        broken = "memory for JSON is lost";
    if (t->crypto_live && faults.crypto_live > t->crypto_live && !broken)
        broken = "memory for cryptography is lost";
}

/* Tells it with that call failing. False: there was no such call. */
static bool tell_once(const story *s, fault_kind kind, int at, bool ever_after, telling *t)
{
    gate_decision decision;
    bool has_failed;

    broken = NULL;
    s->prepare();
    faults_arm(kind, at, ever_after);
    decision = s->tell();
    has_failed = faults_disarm();
    if (!broken && decision.verb == GATE_ADMIT && !(s->who && is_who(decision, s->who)))
        broken = "somebody is let in who must not be";
    if (is_who(decision, s->who))
        t->good++;
    else
        t->refused++;
    if (!broken && op.reuses)
        broken = "a refresh token is sent again";
    if (!broken && !has_failed && !is_who(decision, s->who))
        broken = "it ends otherwise without any failure";
    if (!broken && has_nameless_record())
        broken = "something is filed under no name";
    world_wait(61);
    if (!broken && s->again && !is_who(s->again(), s->who))
        broken = "a minute later it is not forgotten";
    check_memory(t);
    if (broken)
        printf("# call %d%s: %s %s\n", at, ever_after ? " and on" : "", broken,
               gate_reason_name(decision.reason));
    return has_failed;
}

/* The same in a process of its own, which must end where it has no memory, and not go on. */
static bool tell_apart(const story *s, fault_kind kind, int at, bool ever_after, telling *t)
{
    const struct rlimit no_core = {0, 0};
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        sign_must(freopen("/dev/null", "w", stderr) != NULL, "nowhere to write to");
        _exit(tell_once(s, kind, at, ever_after, t) || broken);
    }
    sign_must(child > 0 && waitpid(child, &status, 0) == child, "no process");
    broken = NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        t->good++;
        return false;
    }
    t->refused++;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        broken = "without memory a process goes on, or falls";
        printf("# call %d: %s\n", at, broken);
    }
    return true;
}

static void tell(const story *s, fault_kind kind)
{
    telling t = {0};
    int wrong = 0, n = 0;

    for (int ever_after = 0; ever_after <= !fault_ends_process(kind); ever_after++) {
        bool has_failed = true;

        for (n = 1; has_failed && n < MOST_CALLS; n++) {
            has_failed = fault_ends_process(kind) ? tell_apart(s, kind, n, ever_after, &t)
                                                  : tell_once(s, kind, n, ever_after, &t);
            wrong += broken != NULL;
        }
        wrong += has_failed;
    }
    if (n > 2 || wrong)
        ok(!wrong, "%s without %s at call 1 to %d: %d refused, %d as it should be", s->name,
           fault_names[kind], n - 2, t.refused, t.good);
}

int main(int argc, char **argv)
{
    faults_begin();
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        if (argc > 1 && !strstr(stories[i].name, argv[1]))
            continue;
        for (int kind = FAULT_FIRST; kind < FAULT_KINDS; kind++) {
            if (argc > 2 && atoi(argv[2]) != kind)
                continue;
            tell(&stories[i], (fault_kind)kind);
        }
    }
    return tap_done();
}
