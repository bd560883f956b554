/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* world.h - a world of its own for the gate: store, provider, clock, chance, a browser, and the
 * settings of two places, all in a test's hand */
#ifndef WORLD_H
#define WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/base64url.h"
#include "base/cookie.h"
#include "gate/decide.h"
#include "gate/gate.h"
#include "gate/login.h"
#include "gate/provider.h"
#include "tap.h"
#include "world_provider.h"
#include "world_store.h"

#define WORLD_UNUSED __attribute__((unused))

#define WORLD_START  APR_INT64_C(1750000000)
#define WORLD_ISSUER "https://op.example"
#define OTHER_ISSUER "https://other.example"

#define COOKIES_MAX 64

typedef struct world_cookie {
    const char *name, *value;
} world_cookie;

static struct world {
    apr_pool_t *pool;
    gate_world gate;
    fake_store store;
    gate_key keys[2];

    apr_int64_t now_ms;
    void (*meanwhile)(void); /* runs in the next pause, once */
    int pauses;
    int random_fails_at; /* the call that has none, counted from 1; 0: none */
    bool random_fails_ever_after;
    int random_calls;
    int questions_left;   /* of strangers' credentials; -1: any number */
    const char *asked_by; /* whom the last one was counted for */
    int limit_address, limit_total; /* within what it was to be */
    int provider_calls;

    gate_site site;
    gate_settings app, other; /* two realms: another client of another provider */
    const gate_settings *settings_list[2];

    world_cookie cookies[COOKIES_MAX]; /* the browser's */
    int cookie_count;
    const char *authorization;
    const char *extra_names[4], *extra_values[4]; /* of headers */
} the;

/* --- what the gate is given --- */

static apr_int64_t world_clock(void)
{
    return the.now_ms / 1000;
}

static WORLD_UNUSED void world_wait(int seconds)
{
    the.now_ms += (apr_int64_t)seconds * 1000;
}

static void world_pause(int milliseconds)
{
    void (*meanwhile)(void) = the.meanwhile;

    the.pauses++;
    the.now_ms += milliseconds;
    the.meanwhile = NULL;
    if (meanwhile)
        meanwhile();
}

static bool world_random(void *bytes, size_t len)
{
    the.random_calls++;
    if (the.random_fails_at &&
        (the.random_calls == the.random_fails_at ||
         (the.random_fails_ever_after && the.random_calls > the.random_fails_at)))
        return false;
    return gate_random_bytes(bytes, len);
}

static bool world_may_ask(void *context, const char *name, apr_int64_t now, int limit_address,
                          int limit_total)
{
    the.asked_by = apr_pstrdup(the.pool, name);
    the.limit_address = limit_address;
    the.limit_total = limit_total;
    if (the.questions_left == 0)
        return false;
    the.questions_left -= the.questions_left > 0;
    return true;
}

/* --- what is configured --- */

static const gate_settings *world_find(const gate_site *site, apr_pool_t *p, const char *name)
{
    for (int i = 0; i < site->settings_count; i++) {
        if (!strcmp(site->settings[i]->name, name))
            return site->settings[i];
    }
    return NULL;
}

static gate_provider *world_provider(const char *issuer)
{
    gate_provider_options *options = apr_pcalloc(the.pool, sizeof *options);

    options->issuer = issuer;
    options->discovery = true;
    options->limits = (gate_fetch_limits){.connect_ms = 2000, .total_ms = 5000, .max_body = 262144};
    return gate_provider_make(the.pool, options);
}

/* A gate that takes people, with a client c-NAME of that provider. */
static void world_place(gate_settings *s, const char *name, const char *issuer)
{
    static const char *const audiences[] = {"api://default", NULL};
    const char *client = apr_pstrcat(the.pool, "c-", name, NULL);
    const gate_span parts[] = {gate_span_of(issuer), gate_span_of(client),
                               gate_span_of(the.site.origin)};

    *s = (gate_settings){
        .name = name,
        .place = apr_pstrcat(the.pool, "/", name, NULL),
        .site = &the.site,
        .realm = {.issuer = issuer,
                  .client_id = client,
                  .tag = name,
                  .cookie = apr_pstrcat(the.pool, the.site.cookie, "-", name, NULL)},
        .provider = world_provider(issuer),
        .client = {.id = gate_span_of(client),
                   .secret = gate_span_of(apr_pstrcat(the.pool, client, "-secret", NULL))},
        .methods = 1u << GATE_METHOD_CODE,
        .scope = "openid profile",
        .sources = {GATE_SOURCE_ID_TOKEN, GATE_SOURCE_USERINFO, GATE_SOURCE_ACCESS_TOKEN},
        .source_count = 3,
        .session = {.idle = 1800, .lifetime = 8 * 3600},
        .audiences = audiences,
        .algorithms = GATE_ALGS_ASYMMETRIC,
        .skew = 30,
        .cache = {.introspection = 30, .negative = 10, .token = 300},
        .limit_address = 10,
        .limit_total = 100,
    };
    gate_digest_of(&s->realm.fingerprint, parts, 3);
    s->accept_fingerprint = s->realm.fingerprint;
}

/* The end of it all: whatever still holds memory after this has lost it. */
static void world_clear(void)
{
    if (the.pool)
        apr_pool_destroy(the.pool);
    memset(&the, 0, sizeof the);
}

static void world_end(void)
{
    world_clear();
    apr_terminate();
}

/* Everything from the beginning. Returns the place of most tests, to be changed as they like. */
static gate_settings *world_begin(void)
{
    static EVP_PKEY *key;
    static apr_pool_t *ever;

    if (!ever) {
        apr_initialize();
        atexit(world_end);
        apr_pool_create(&ever, NULL);
        key = sign_make_key(ever, "P-256");
    }
    world_clear();
    apr_pool_create(&the.pool, ever);
    the.now_ms = WORLD_START * 1000;
    the.questions_left = -1;
    gate_random_bytes(the.keys, sizeof the.keys);
    fake_store_begin(&the.store, the.pool);
    op_begin(the.pool, world_clock, world_wait, key);
    the.gate = (gate_world){
        .store = &the.store.store,
        .fetch = op_fetch,
        .random = world_random,
        .clock = world_clock,
        .pause = world_pause,
        .may_ask = world_may_ask,
        .keys = the.keys,
        .key_count = 1,
    };
    the.site = (gate_site){
        .origin = "https://www.example",
        .path = "/oidc-gate",
        .cookie = "__Host-oidc-gate",
        .samesite = "Lax",
        .secure = true,
        .settings = the.settings_list,
        .settings_count = 2,
        .find = world_find,
    };
    world_place(&the.app, "app", WORLD_ISSUER);
    world_place(&the.other, "other", OTHER_ISSUER);
    the.settings_list[0] = &the.app;
    the.settings_list[1] = &the.other;
    return &the.app;
}

/* Another process of the same server: what it has in memory it has still to learn. */
static WORLD_UNUSED void world_new_process(void)
{
    the.app.provider = world_provider(WORLD_ISSUER);
    the.other.provider = world_provider(OTHER_ISSUER);
}

/* --- the browser --- */

static WORLD_UNUSED const char *browser_cookie(const char *name)
{
    for (int i = 0; i < the.cookie_count; i++) {
        if (!strcmp(the.cookies[i].name, name))
            return the.cookies[i].value;
    }
    return NULL;
}

static void browser_drop(const char *name)
{
    for (int i = 0; i < the.cookie_count; i++) {
        if (!strcmp(the.cookies[i].name, name))
            the.cookies[i--] = the.cookies[--the.cookie_count];
    }
}

static void browser_set(const char *name, const char *value)
{
    browser_drop(name);
    sign_must(the.cookie_count < COOKIES_MAX, "too many cookies");
    the.cookies[the.cookie_count++] =
        (world_cookie){apr_pstrdup(the.pool, name), apr_pstrdup(the.pool, value)};
}

/* How many cookies there are whose name begins so. */
static WORLD_UNUSED int browser_count(const char *prefix)
{
    int count = 0;

    for (int i = 0; i < the.cookie_count; i++)
        count += gate_span_starts(gate_span_of(the.cookies[i].name), prefix);
    return count;
}

static void browser_take(const char *set_cookie)
{
    const char *equals = strchr(set_cookie, '='), *end = strchr(set_cookie, ';');
    const char *name = apr_pstrmemdup(the.pool, set_cookie, (apr_size_t)(equals - set_cookie));

    sign_must(equals && end && equals < end, set_cookie);
    if (strstr(set_cookie, "; Max-Age=0"))
        browser_drop(name);
    else
        browser_set(name, apr_pstrmemdup(the.pool, equals + 1, (apr_size_t)(end - equals - 1)));
}

/* Takes over what an answer sets, and gives it back. */
static gate_decision browser_see(gate_decision decision)
{
    for (int i = 0; i < decision.cookie_count; i++)
        browser_take(decision.cookies[i]);
    return decision;
}

static const char *world_header(const gate_request *q, const char *name)
{
    const char *text = NULL;

    for (int i = 0; i < 4; i++) {
        if (the.extra_names[i] && !strcasecmp(the.extra_names[i], name))
            return the.extra_values[i];
    }
    if (!strcasecmp(name, "Authorization"))
        return the.authorization;
    if (strcasecmp(name, "Cookie") != 0)
        return NULL;
    for (int i = 0; i < the.cookie_count; i++)
        text = apr_pstrcat(q->pool, text ? text : "", text ? "; " : "", the.cookies[i].name, "=",
                           the.cookies[i].value, NULL);
    return text;
}

static WORLD_UNUSED void browser_says(int slot, const char *name, const char *value)
{
    the.extra_names[slot] = name;
    the.extra_values[slot] = value;
}

/* A request as it would come now, with the cookies of the browser. It lives as long as the world.
 */
static gate_request *request_at(const char *method, const char *uri, bool is_navigation)
{
    gate_request *q = apr_pcalloc(the.pool, sizeof *q);
    const char *query = strchr(uri, '?');

    apr_pool_create(&q->pool, the.pool);
    q->now = world_clock();
    q->method = method;
    q->uri = gate_span_of(uri);
    q->query = gate_span_of(query ? query + 1 : NULL);
    q->address = "192.0.2.1";
    q->is_navigation = is_navigation;
    q->header = world_header;
    q->provider_calls = &the.provider_calls;
    return q;
}

/* A person opens a page. */
static WORLD_UNUSED gate_decision open_page(const gate_settings *s, const char *uri)
{
    return browser_see(gate_decide(request_at("GET", uri, true), s, &the.gate));
}

/* A script, or a program, asks for something. */
static WORLD_UNUSED gate_decision ask_for(const gate_settings *s, const char *uri)
{
    return browser_see(gate_decide(request_at("GET", uri, false), s, &the.gate));
}

/* The browser comes back from the provider. */
static WORLD_UNUSED gate_decision come_back(const char *answer)
{
    const char *uri = apr_pstrcat(the.pool, "/oidc-gate/callback?", answer, NULL);
    const gate_request *q = request_at("GET", uri, true);

    return browser_see(gate_login_finish(q, &the.site, &the.gate, q->query));
}

/* The same by a form. */
static WORLD_UNUSED gate_decision post_back(const char *answer)
{
    const gate_request *q = request_at("POST", "/oidc-gate/callback", false);

    return browser_see(gate_login_finish(q, &the.site, &the.gate, gate_span_of(answer)));
}

/* There and back again: the person has a session. */
static WORLD_UNUSED gate_decision sign_in(const gate_settings *s, const char *uri)
{
    return come_back(op_approve(open_page(s, uri).location));
}

/* --- what is looked at --- */

static WORLD_UNUSED const char *verb_name(gate_verb verb)
{
    static const char *const names[] = {"ADMIT", "REDIRECT", "CHALLENGE", "REFUSE", "FAIL"};

    return names[verb];
}

/* "ADMIT ok 200": verb, reason, status. */
static WORLD_UNUSED const char *said(gate_decision decision)
{
    return apr_psprintf(the.pool, "%s %s %d", verb_name(decision.verb),
                        gate_reason_name(decision.reason), decision.status);
}

/* Who it is: "alice", or "nobody". */
static WORLD_UNUSED const char *who(gate_decision decision)
{
    const char *subject = decision.identity
                              ? gate_span_dup(the.pool, gate_identity_subject(decision.identity))
                              : NULL;

    return decision.known && subject ? subject : "nobody";
}

/* A claim's first value as text; NULL where there is none. */
static WORLD_UNUSED const char *claim_of(const gate_identity *identity, const char *name)
{
    gate_claim_name compiled;
    gate_value_type type;
    gate_claim claim;

    if (!identity || !gate_claim_name_read(gate_span_of(name), &compiled) ||
        !gate_claim_find(identity, &compiled, &claim) || !claim.count)
        return NULL;
    return gate_span_dup(the.pool, gate_claim_value(&claim, 0, &type));
}

static WORLD_UNUSED const char *text_of(gate_span span)
{
    return gate_span_dup(the.pool, span);
}

#endif
