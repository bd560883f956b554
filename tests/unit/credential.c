/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/credential.h"

#include "world.h"

#define BIT(method) (1u << GATE_METHOD_##method)
#define TOKENS      (BIT(BEARER) | BIT(INTROSPECTION))

static const gate_token_source authorization = {GATE_TOKEN_IN_AUTHORIZATION, NULL};
static const gate_token_source header = {GATE_TOKEN_IN_HEADER, "X-Token"};
static const gate_token_source cookie = {GATE_TOKEN_IN_COOKIE, "token"};
static const gate_token_source query = {GATE_TOKEN_IN_QUERY, "access_token"};

/* What a request brings, and where. */
typedef struct brought {
    const char *authorization, *header, *cookie, *query;
} brought;

/* What is found of it where tokens are taken from these places. */
static const char *found(const gate_token_source *sources, int count, unsigned methods,
                         const brought *what)
{
    gate_settings *s = world_begin();
    gate_request *q = request_at("GET", "/app/x", false);
    gate_credential credential;
    gate_reason reason;

    s->methods = methods;
    s->token_sources = (gate_token_sources){sources, count};
    the.authorization = what->authorization;
    browser_says(0, "X-Token", what->header);
    if (what->cookie)
        browser_set("token", what->cookie);
    q->taken_query = gate_span_of(what->query);
    reason = gate_credential_find(q, s, &credential);
    if (reason != GATE_OK)
        return gate_reason_name(reason);
    switch (credential.scheme) {
    case GATE_SCHEME_BEARER:
        return gate_span_dup(the.pool, credential.token);
    case GATE_SCHEME_BASIC:
        return "a client";
    default:
        return "nothing";
    }
}

static void test_each_place(void)
{
    static const struct {
        const gate_token_source *source;
        brought what;
        const char *found, *name;
    } rows[] = {
        {&authorization, {.authorization = "Bearer a.b"}, "a.b", "Authorization"},
        {&header, {.header = "a.b"}, "a.b", "a header of its own"},
        {&header, {.header = " a.b "}, "a.b", "blanks around it are none of it"},
        {&header, {.header = "Bearer a.b"}, "a.b", "with the scheme in front"},
        {&header, {.header = "bearer  a.b"}, "a.b", "in any case"},
        {&header, {.header = ""}, "nothing", "an empty header"},
        {&header, {.header = "a.b, c.d"}, "multiple_credentials", "two such headers"},
        {&header, {.header = "Bearer a, Bearer a"}, "multiple_credentials", "twice the same"},
        {&header, {.header = "Basic YTpi"}, "malformed_credential", "a client in it"},
        {&header, {.header = "a b"}, "malformed_credential", "two words"},
        {&header, {.header = "a\"b"}, "malformed_credential", "what no token has"},
        {&cookie, {.cookie = "a.b"}, "a.b", "a cookie"},
        {&cookie, {.cookie = "\"a.b\""}, "malformed_credential", "a cookie in quotes"},
        {&query, {.query = "x=1&access_token=a.b"}, "a.b", "a parameter"},
        {&query, {.query = "access_token=a%2Fb"}, "a/b", "an encoded one"},
        {&query, {.query = "access_token="}, "nothing", "an empty one"},
        {&query, {.query = "access_token=a+b"}, "malformed_credential", "one with a blank"},
        {&query, {.query = "access_token=%0d%0a"}, "malformed_credential", "one with a line end"},
        {&query, {.query = "access_token=%zz"}, "malformed_credential", "a broken one"},
        {&query, {.query = "access_token=a&access_token=a"}, "multiple_credentials", "twice"},
        {&header, {.authorization = "Bearer a.b"}, "nothing", "Authorization is not asked then"},
        {&header, {.authorization = "Bearer !", .header = "a.b"}, "a.b", "whatever is in it"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        is(found(rows[i].source, 1, TOKENS, &rows[i].what), rows[i].found, "%s", rows[i].name);
    is(found(NULL, 0, TOKENS, &(brought){"Bearer a", "b", "c", "access_token=d"}), "a",
       "where nothing is said it is Authorization alone");
}

static void test_one_way_at_a_time(void)
{
    const gate_token_source all[] = {authorization, header, cookie, query};
    const char *const values[4] = {"Bearer a.b", "a.b", "a.b", "access_token=a.b"};

    for (unsigned which = 0; which < 16; which++) {
        const brought what = {which & 1 ? values[0] : NULL, which & 2 ? values[1] : NULL,
                              which & 4 ? values[2] : NULL, which & 8 ? values[3] : NULL};
        const int count = __builtin_popcount(which);

        is(found(all, 4, TOKENS, &what),
           count == 0   ? "nothing"
           : count == 1 ? "a.b"
                        : "multiple_credentials",
           "a token in %d places", count);
        is(found(all, 4, BIT(CODE), &what), "nothing", "is none where no tokens are taken");
    }
    is(found(all, 4, TOKENS | BIT(CLIENT_CREDENTIALS), &(brought){"Basic YTpi", "a.b", NULL, NULL}),
       "multiple_credentials", "a client and a token are two credentials");
    is(found(all, 4, TOKENS, &(brought){"Basic YTpi", "a.b", NULL, NULL}), "a.b",
       "but not where clients are nothing");
    is(found(&header, 1, TOKENS | BIT(CLIENT_CREDENTIALS),
             &(brought){"Basic YTpi", NULL, NULL, NULL}),
       "a client", "clients come by Authorization, wherever tokens come");
    is(found(all, 4, TOKENS, &(brought){"Negotiate abc", "a.b", NULL, NULL}), "a.b",
       "a scheme of others is no credential here");
    is(found(all, 4, TOKENS, &(brought){"Bearer !", "a.b", NULL, NULL}), "malformed_credential",
       "a bad one in one place is not made good by another");
}

/* --- cookies that browsers send along --- */

static const char *forced(const char *method, const char *site, const char *origin,
                          const char *upgrade)
{
    gate_settings *s = world_begin();
    gate_request *q = request_at(method, "/app/x", false);
    gate_credential credential;

    s->methods = TOKENS;
    s->token_sources = (gate_token_sources){&cookie, 1};
    browser_set("token", "a.b");
    browser_says(0, "Sec-Fetch-Site", site);
    browser_says(1, "Origin", origin);
    browser_says(2, "Upgrade", upgrade);
    return gate_reason_name(gate_credential_find(q, s, &credential));
}

static void test_forged_requests(void)
{
    static const struct {
        const char *method, *site, *origin, *upgrade, *said;
    } rows[] = {
        {"POST", "cross-site", "https://evil.example", NULL, "cross_site"},
        {"PUT", "cross-site", NULL, NULL, "cross_site"},
        {"DELETE", "cross-site", NULL, NULL, "cross_site"},
        {"PROPFIND", "cross-site", NULL, NULL, "cross_site"},
        {"get", "cross-site", NULL, NULL, "cross_site"},
        {"GET", "cross-site", NULL, NULL, "ok"},
        {"HEAD", "cross-site", NULL, NULL, "ok"},
        {"OPTIONS", "cross-site", "https://evil.example", NULL, "ok"},
        {"GET", "cross-site", "https://evil.example", "websocket", "cross_site"},
        {"GET", NULL, "https://evil.example", "websocket", "cross_site"},
        {"GET", "same-origin", "https://www.example", "websocket", "ok"},
        {"POST", "same-site", "https://app.example", NULL, "ok"},
        {"POST", "same-origin", "https://www.example", NULL, "ok"},
        {"POST", "none", NULL, NULL, "ok"},
        {"POST", NULL, "https://evil.example", NULL, "cross_site"},
        {"POST", NULL, "null", NULL, "cross_site"},
        {"POST", NULL, "https://www.example", NULL, "ok"},
        {"POST", NULL, NULL, NULL, "ok"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        is(forced(rows[i].method, rows[i].site, rows[i].origin, rows[i].upgrade), rows[i].said,
           "%s from %s, %s", rows[i].method, rows[i].site ? rows[i].site : "where is not said",
           rows[i].origin ? rows[i].origin : "no origin");
}

int main(void)
{
    test_each_place();
    test_one_way_at_a_time();
    test_forged_requests();
    return tap_done();
}
