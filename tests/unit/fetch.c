/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sys/syscall.h>
#include <time.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>

#include "cert.h"
#include "io/fetch.h"
#include "peer.h"

static apr_pool_t *p;
static peer server;

static const gate_fetch_limits usual = {.connect_ms = 2000, .total_ms = 5000, .max_body = 100000};

typedef struct outcome {
    gate_reason reason;
    gate_answer answer;
    const char *detail;
    apr_time_t took;
} outcome;

static const char *at(const char *path)
{
    return apr_psprintf(p, "http://127.0.0.1:%d%s", server.port, path);
}

static outcome ask(gate_fetcher *fetcher, const gate_question *question,
                   const gate_fetch_limits *limits)
{
    outcome o = {.detail = NULL};
    apr_time_t begin = apr_time_now();
    o.reason = gate_fetch(fetcher, p, question, limits, &o.answer, &o.detail);
    o.took = apr_time_now() - begin;
    return o;
}

static outcome get(gate_fetcher *fetcher, const char *path)
{
    const gate_question question = {.url = at(path), .wants_date = true};
    return ask(fetcher, &question, &usual);
}

static outcome post(gate_fetcher *fetcher, const char *path)
{
    gate_question question = {.url = at(path), .form = gate_form_make(p)};
    gate_form_add_text(question.form, "code", "SplxlOBeZQQYbYS6WxSbIA");
    return ask(fetcher, &question, &usual);
}

static int connections(void)
{
    return atomic_load(&server.seen->connections);
}

static int requests(void)
{
    return atomic_load(&server.seen->requests);
}

/* Counts begin anew: what an earlier test gave up on may still be read by the old server. */
static void renew_server(void)
{
    peer_stop(&server);
    peer_start(&server);
}

static bool sent(const char *text)
{
    return strcasestr(server.seen->last, text) != NULL;
}

/* ---- the world ---- */

static long ahead;                         /* seconds, of the clocks by which things grow old */
static const char *moved_to = "127.0.0.1"; /* where moving.invalid is */

/* All three stand in for the C library's. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *now)
{
    const int result = (int)syscall(SYS_clock_gettime, id, now);
    if (id == CLOCK_MONOTONIC)
        now->tv_sec += ahead;
    return result;
}

/* By this one libcurl forgets addresses. */
__attribute__((visibility("default"))) time_t time(time_t *now)
{
    struct timespec real;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    if (now)
        *now = real.tv_sec + ahead;
    return real.tv_sec + ahead;
}

/* libcurl calls it in a thread of its own. */
__attribute__((visibility("default"))) int getaddrinfo(const char *host, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (host && strcmp(host, "hanging.invalid") == 0) {
        sleep(8);
        return EAI_AGAIN;
    }
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(host && strcmp(host, "moving.invalid") == 0 ? moved_to : host, service, hints,
                found);
}

static int open_files(void)
{
    int count = 0;
    DIR *files = opendir("/proc/self/fd");
    while (readdir(files))
        count++;
    closedir(files);
    return count;
}

/* ---- questions ---- */

static void test_get(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const gate_question question = {
        .url = at("/ok?a=b%20c"), .accept = "application/json", .authorization = "Bearer abc"};
    outcome o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_OK && o.answer.status == 200, "a GET is answered");
    ok(gate_span_is(o.answer.body, "{\"good\":true}"), "... with a body");
    is(o.answer.content_type, "application/json",
       "... and its type, in lower case, without parameters");
    ok(o.answer.retry_after == -1, "... and no time to wait");
    ok(!o.detail, "... and nothing to explain");
    ok(strncmp(server.seen->last, "GET /ok?a=b%20c HTTP/1.1\r\n", 26) == 0,
       "the target is as it was given");
    ok(sent("\r\nAccept: application/json\r\n"), "it says what it accepts");
    ok(sent("\r\nAuthorization: Bearer abc\r\n"), "it carries the authorization");
    ok(sent("\r\nUser-Agent: mod_oidc_gate\r\n"), "it says who asks");
    ok(!sent("Accept-Encoding") && !sent("Cookie") && !sent("Expect") && !sent("Upgrade"),
       "it says nothing else");
    get(fetcher, "/ok");
    ok(!sent("Authorization"),
       "the next question on that connection has no authorization of the last");
}

static void test_post(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    gate_question question = {.url = at("/echo"), .form = gate_form_make(p)};
    gate_form_add_text(question.form, "a b", "c&d");
    outcome o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_OK && gate_span_is(o.answer.body, "a+b=c%26d"), "a form is posted");
    ok(sent("POST /echo") && sent("\r\nContent-Type: application/x-www-form-urlencoded\r\n"),
       "... as a form");

    char *large = apr_pcalloc(p, 90001);
    memset(large, 'x', 90000);
    gate_form_add_text(question.form, "large", large);
    o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_OK && o.answer.body.len == 90000 + strlen("a+b=c%26d&large="),
       "so is a large one");
    ok(!sent("Expect"), "... at once");
    question.form = gate_form_make(p);
    o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_OK && sent("POST /echo") && !o.answer.body.len,
       "an empty form is a POST too");
    get(fetcher, "/ok");
    ok(sent("GET /ok") && !sent("Content-"), "the next GET has nothing of it");
}

static void test_refused_questions(void)
{
    static const char *const addresses[] = {
        "ftp://127.0.0.1/",       "file:///etc/passwd",   "127.0.0.1",   "",
        "http://u:p@127.0.0.1/x", "http://127.0.0.1/a b", "gopher://x/", "http://127.0.0.1:0/",
    };
    gate_fetcher *fetcher = gate_fetcher_make(p);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const gate_question question = {.url = addresses[i]};
        outcome o = ask(fetcher, &question, &usual);
        ok(o.reason == GATE_IDP_UNREACHABLE && o.detail, "\"%s\" is no address: %s", addresses[i],
           o.detail);
    }
    int before = connections();
    const gate_question question = {.url = at("/ok"), .authorization = "Bearer a\r\nX: y"};
    outcome o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_INTERNAL && connections() == before, "a line end in a header goes nowhere");
}

/* ---- answers ---- */

static const struct {
    const char *path;
    int status;
    const char *body, *name;
} good_answers[] = {
    {"/redirect", 302, "", "a redirect is an answer, and is not followed"},
    {"/unauthorized", 401, "no", "so is a 401, whatever it offers"},
    {"/busy", 503, "", "so is a 503"},
    {"/missing", 404, "", "so is a 404"},
    {"/chunked", 200, "abcde", "chunks are put together"},
    {"/until-close", 200, "all of it", "a body may end with the connection"},
    {"/encoded", 200, "not gzip", "nothing is decoded that was not asked for"},
    {"/interim", 200, "{\"good\":true}", "interim answers are passed over"},
};

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof good_answers / sizeof *good_answers; i++) {
        gate_fetcher *fetcher = gate_fetcher_make(p);
        int before = requests();
        outcome o = get(fetcher, good_answers[i].path);
        ok(o.reason == GATE_OK && o.answer.status == good_answers[i].status &&
               gate_span_is(o.answer.body, good_answers[i].body),
           "%s", good_answers[i].name);
        ok(requests() == before + 1, "... to one question");
    }
}

static void test_answer_members(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    ok(get(fetcher, "/busy").answer.retry_after == 7, "the time to wait is read");
    ok(get(fetcher, "/busy-forever").answer.retry_after == 86400, "... and bounded");
    ok(get(fetcher, "/dated").answer.date == 1750000000, "the time that it is there is read");
    ok(get(fetcher, "/misdated").answer.date == 0, "... where it is a time");
    ok(get(fetcher, "/ok").answer.date == 0, "... and said");
    is(get(fetcher, "/bytes").answer.content_type, "", "no type is an empty type");
    is(get(fetcher, "/odd-type").answer.content_type, "", "so is one with a control character");
    outcome o = get(fetcher, "/bytes");
    ok(o.answer.body.len == 5 && memcmp(o.answer.body.ptr, "a\0b\0c", 5) == 0,
       "a NUL does not end a body");
    get(fetcher, "/ok");
    ok(memcmp(o.answer.body.ptr, "a\0b\0c", 5) == 0,
       "a body is the caller's, whatever comes after");
    o = get(fetcher, "/missing");
    ok(o.answer.body.ptr && !o.answer.body.len, "no body is an empty body");
    get(fetcher, "/cookie");
    get(fetcher, "/ok");
    ok(!sent("Cookie"), "a cookie is not sent back");
}

static const struct {
    const char *path;
    gate_reason reason;
    const char *name;
} bad_answers[] = {
    {"/close", GATE_IDP_ERROR, "a connection closed without an answer"},
    {"/reset", GATE_IDP_ERROR, "a connection reset without an answer"},
    {"/half-head", GATE_IDP_ERROR, "half a header"},
    {"/short", GATE_IDP_ERROR, "half a body"},
    {"/short-chunk", GATE_IDP_ERROR, "half a chunk"},
    {"/bad-chunk", GATE_IDP_ERROR, "a chunk that is none"},
    {"/bad-length", GATE_IDP_ERROR, "a length that is none"},
    {"/garbage", GATE_IDP_ERROR, "what is no HTTP"},
    {"/bad-status", GATE_IDP_ERROR, "a status that does not exist"},
    {"/switching", GATE_IDP_ERROR, "another protocol"},
    {"/huge", GATE_IDP_ERROR, "a body that says how large it is"},
    {"/endless", GATE_IDP_ERROR, "a body that does not end"},
    {"/endless-headers", GATE_IDP_ERROR, "headers that do not end"},
    {"/endless-interim", GATE_IDP_ERROR, "interim answers that do not end"},
    {"/silent", GATE_IDP_TIMEOUT, "no answer at all"},
    {"/slow-head", GATE_IDP_TIMEOUT, "a header a byte at a time"},
    {"/slow-body", GATE_IDP_TIMEOUT, "a body a byte at a time"},
};

/* Those that would go on for ever are given little time; it is over long before they are. */
static void test_bad_answers(void)
{
    const gate_fetch_limits hasty = {.connect_ms = 600, .total_ms = 600, .max_body = 100000};
    for (size_t i = 0; i < sizeof bad_answers / sizeof *bad_answers; i++)
        for (int posted = 0; posted < 2; posted++) {
            gate_fetcher *fetcher = gate_fetcher_make(p);
            gate_question question = {
                .url = apr_pstrcat(p, at(bad_answers[i].path), "?code=s3cret", NULL)};
            const gate_fetch_limits *limits =
                bad_answers[i].reason == GATE_IDP_TIMEOUT ? &hasty : &usual;
            if (posted)
                question.form = gate_form_make(p);
            int before = requests();
            outcome o = ask(fetcher, &question, limits);
            is(gate_reason_name(o.reason), gate_reason_name(bad_answers[i].reason), "%s",
               bad_answers[i].name);
            ok(o.detail && strstr(o.detail, bad_answers[i].path) && !strstr(o.detail, "s3cret"),
               "... %s", o.detail);
            ok(o.took < apr_time_from_sec(20), "... within its time");
            ok(peer_comes_to(&server.seen->requests, before + 1) && requests() == before + 1,
               "... to one question");
            ok(gate_fetch(fetcher, p, &question, limits, &o.answer, NULL) == bad_answers[i].reason,
               "... and nobody need ask why");
            peer_comes_to(&server.seen->requests, before + 2);
        }
}

static void test_sizes(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const gate_question whole = {.url = at("/exact")}, chunks = {.url = at("/chunked")};
    gate_fetch_limits limits = usual;
    limits.max_body = 1000;
    ok(ask(fetcher, &whole, &limits).reason == GATE_OK, "a body of the largest size is read");
    limits.max_body = 999;
    ok(ask(fetcher, &whole, &limits).reason == GATE_IDP_ERROR, "one byte more is an error");
    limits.max_body = 5;
    ok(ask(fetcher, &chunks, &limits).reason == GATE_OK, "the same holds for chunks");
    limits.max_body = 4;
    outcome o = ask(fetcher, &chunks, &limits);
    ok(o.reason == GATE_IDP_ERROR && strstr(o.detail, "maxbody"), "... %s", o.detail);
}

/* ---- connections ---- */

static void test_reuse(void)
{
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    int before = connections(), asked = requests();
    for (int i = 0; i < 10; i++)
        ok(get(fetcher, "/ok").reason == GATE_OK && post(fetcher, "/echo").reason == GATE_OK,
           "asked twice");
    get(fetcher, "/redirect");
    get(fetcher, "/unauthorized");
    ok(connections() == before + 1 && requests() == asked + 22,
       "22 questions go over one connection");
    int closed = atomic_load(&server.seen->closed);
    get(fetcher, "/leave");
    peer_comes_to(&server.seen->closed, closed + 1);
    ok(post(fetcher, "/echo").reason == GATE_OK && connections() == before + 2,
       "a connection that the peer has closed is replaced, for a POST too");
    get(fetcher, "/missing");
    ok(connections() == before + 2, "a 404 leaves the connection as it is");
}

/* What a connection asked last is no more than that. */
static void test_addresses(void)
{
    static const char *const paths[] = {
        "/ok",         "/ok?a=b", "/ok",         "/a/../ok?x", "/ok?",      "/ok?a=%41&b=c+d%2f",
        "/ok?a=b",     "/ok?a=",  "/ok/%2e%2e/", "/ok//x;y=z", "/ok?A=b",   "/ok",
        "/ok?a=b&c=d", "/ok?a=b", "/OK",         "/./ok",      "/ok?a=%c3", "/",
    };
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const int before = connections();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (int again = 0; again < 2; again++) {
            const char *line = apr_pstrcat(p, "GET ", paths[i], " HTTP/1.1\r\n", NULL);
            get(fetcher, paths[i]);
            ok(strncmp(server.seen->last, line, strlen(line)) == 0, "%s is asked for%s", paths[i],
               again ? " again" : "");
        }
    }
    ok(connections() == before + 1, "all over one connection");
}

static void test_idle_limit(void)
{
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    int before = connections();
    get(fetcher, "/short-idle");
    get(fetcher, "/short-idle");
    ok(connections() == before + 1, "a connection is used again at once");
    ahead += 9; /* two seconds less than promised, and one more */
    post(fetcher, "/echo");
    ok(connections() == before + 2, "... but not after what the peer's Keep-Alive allows");
}

static void test_closed_connections(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    get(fetcher, "/until-close");
    const int before = open_files();
    for (int i = 0; i < 20; i++)
        ok(get(fetcher, "/until-close").reason == GATE_OK, "one more connection");
    ok(open_files() <= before, "those that are over are closed (%d before, %d now)", before,
       open_files());
}

/* Both answers may be there when the first is read, or the second comes when nobody waits. */
static void test_answers_unasked_for(void)
{
    static const char *const paths[] = {"/two-at-once", "/one-and-one"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        renew_server();
        gate_fetcher *fetcher = gate_fetcher_make(p);
        outcome o = get(fetcher, paths[i]);
        ok(o.reason == GATE_OK && gate_span_is(o.answer.body, "{\"good\":true}"),
           "of two answers to one question the first counts");
        peer_comes_to(&server.seen->answers, 1);
        o = post(fetcher, "/echo");
        ok(o.reason == GATE_OK && gate_span_is(o.answer.body, "code=SplxlOBeZQQYbYS6WxSbIA"),
           "... and the second is not the next question's: %s \"%s\"", gate_reason_name(o.reason),
           o.reason == GATE_OK ? gate_span_dup(p, o.answer.body) : o.detail);
    }
}

/* A connection that is always busy is never idle, and yet the provider may move. */
static void test_moving_provider(void)
{
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const gate_question question = {
        .url = apr_psprintf(p, "http://moving.invalid:%d/ok", server.port)};
    peer other;
    peer_start_at(&other, 2, server.port);
    int before = connections();
    ok(ask(fetcher, &question, &usual).reason == GATE_OK && connections() == before + 1,
       "a provider is where its name says");
    moved_to = "127.0.0.2";
    for (int i = 0; i < 29; i++) {
        ahead += 10;
        ok(ask(fetcher, &question, &usual).reason == GATE_OK, "asked every ten seconds");
    }
    ok(connections() == before + 1 && !atomic_load(&other.seen->requests),
       "one connection is used for minutes");
    ahead += 10;
    ok(ask(fetcher, &question, &usual).reason == GATE_OK && atomic_load(&other.seen->requests) == 1,
       "... but not for more than five: where the provider has moved to is seen then");
    peer_stop(&other);
    fetcher = gate_fetcher_make(p);
    moved_to = "127.0.0.1";
    ask(fetcher, &question, &usual);
    before = connections();
    ahead += 16;
    ask(fetcher, &question, &usual);
    ok(connections() == before + 1, "one that was idle for sixteen seconds is not used again");
}

static void test_dying_connection(void)
{
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    get(fetcher, "/then-die");
    int before = connections(), asked = requests();
    outcome o = post(fetcher, "/echo");
    ok(o.reason == GATE_IDP_ERROR && requests() == asked + 1,
       "a POST that was read and not answered is not sent again");
    ok(strstr(o.detail, "not sent twice") && !strstr(o.detail, "Splx"), "... %s", o.detail);
    ok(post(fetcher, "/echo").reason == GATE_OK, "... and the next one goes well");

    fetcher = gate_fetcher_make(p);
    get(fetcher, "/then-die");
    before = connections(), asked = requests();
    o = get(fetcher, "/ok");
    ok(o.reason == GATE_OK && requests() == asked + 2 && connections() == before + 1,
       "a GET is sent again, over another connection");
    for (int i = 0; i < 8; i++) {
        get(fetcher, "/then-die");
        ok(get(fetcher, "/ok").reason == GATE_OK, "... as often as it takes");
    }
}

static void test_unreachable(void)
{
    gate_fetcher *fetcher = gate_fetcher_make(p);
    gate_question question = {.url = "http://127.0.0.1:1/token?code=s3cret"};
    outcome o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_IDP_UNREACHABLE, "nobody listens");
    ok(strstr(o.detail, "http://127.0.0.1:1/token: ") && !strstr(o.detail, "s3cret"), "... %s",
       o.detail);
    question.url = "http://no-such-host.invalid/";
    o = ask(fetcher, &question, &usual);
    ok(o.reason == GATE_IDP_UNREACHABLE || o.reason == GATE_IDP_TIMEOUT, "no such host: %s",
       o.detail);
}

/* A listener whose queue is full does not answer at all: Linux drops what would be one too many. */
static void test_connect_timeout(void)
{
    const gate_fetch_limits hasty = {.connect_ms = 300, .total_ms = 20000, .max_body = 1000};
    gate_fetcher *fetcher = gate_fetcher_make(p);
    int port, waiting[4];
    int fd = peer_listen(0, &port);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 4; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof address);
    }
    const gate_question question = {.url = apr_psprintf(p, "http://127.0.0.1:%d/", port)};
    outcome o = ask(fetcher, &question, &hasty);
    ok(o.reason == GATE_IDP_UNREACHABLE && o.took < apr_time_from_sec(15),
       "no connection in time, so nothing was sent: %s", o.detail);
    for (int i = 0; i < 4; i++)
        close(waiting[i]);
    close(fd);
}

static void test_hanging_resolver(void)
{
    const gate_fetch_limits hasty = {.connect_ms = 300, .total_ms = 400, .max_body = 1000};
    const gate_question question = {.url = "http://hanging.invalid/"};
    outcome o = ask(gate_fetcher_make(p), &question, &hasty);
    ok(o.reason == GATE_IDP_UNREACHABLE, "a name server that does not answer: %s", o.detail);
    ok(o.took < apr_time_from_sec(7), "... holds nobody until it does");
}

static void test_no_time(void)
{
    const gate_fetch_limits none = {.max_body = 1000};
    gate_fetcher *fetcher = gate_fetcher_make(p);
    const gate_question question = {.url = at("/silent")};
    outcome o = ask(fetcher, &question, &none);
    ok(o.reason != GATE_OK && o.took < apr_time_from_sec(20), "no time at all is not all the time");
}

/* ---- proxies ---- */

static void test_proxies(void)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy",
                                        "ALL_PROXY"};
    gate_fetch_limits limits = usual;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    ok(get(gate_fetcher_make(p), "/ok").reason == GATE_OK,
       "proxies of the environment do not count");

    limits.proxy = at("");
    const gate_question elsewhere = {.url = "http://elsewhere.invalid/ok"};
    setenv("no_proxy", "*", 1);
    gate_fetcher *fetcher = gate_fetcher_make(p);
    outcome o = ask(fetcher, &elsewhere, &limits);
    ok(o.reason == GATE_OK && sent("GET http://elsewhere.invalid/ok HTTP/1.1\r\n"),
       "the proxy that is set does, whatever no_proxy says");
    ok(!sent("\r\nProxy-Authorization:"), "it is told no name where none is set");
    limits.proxy_credentials = "gate%41:p:%20w";
    o = ask(fetcher, &elsewhere, &limits);
    ok(o.reason == GATE_OK && sent("\r\nProxy-Authorization: Basic Z2F0ZSU0MTpwOiUyMHc=\r\n"),
       "name and password are sent to it as they are");
    const gate_question here = {.url = at("/ok")};
    limits.no_proxy = "localhost,127.0.0.1,.example";
    o = ask(fetcher, &here, &limits);
    ok(o.reason == GATE_OK && sent("GET /ok HTTP/1.1\r\n") && !sent("Proxy-Authorization"),
       "hosts that are reached without it are told nothing");
    limits.no_proxy = limits.proxy_credentials = NULL;
    o = ask(fetcher, &elsewhere, &limits);
    ok(o.reason == GATE_OK && !sent("Proxy-Authorization"), "nor is the proxy any more");
    limits.proxy = NULL;
    o = ask(fetcher, &elsewhere, &limits);
    ok(o.reason != GATE_OK, "... and is not used when it is set no longer");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    unsetenv("no_proxy");
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS  25

static void *ask_often(void *data)
{
    gate_fetcher *fetcher = data;
    apr_pool_t *own;
    long failed = 0;
    apr_pool_create(&own, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        const char *body = apr_psprintf(own, "%lx-%d", (unsigned long)pthread_self(), i);
        gate_question question = {.url = apr_psprintf(own, "http://127.0.0.1:%d/echo", server.port),
                                  .form = gate_form_make(own)};
        gate_answer answer;
        gate_form_add_text(question.form, "is", body);
        failed += gate_fetch(fetcher, own, &question, &usual, &answer, NULL) != GATE_OK ||
                  !gate_span_is(answer.body, apr_pstrcat(own, "is=", body, NULL));
    }
    apr_pool_destroy(own);
    return (void *)failed;
}

static void test_threads(void)
{
    renew_server();
    gate_fetcher *fetcher = gate_fetcher_make(p);
    pthread_t threads[THREADS];
    int before = connections(), asked = requests();
    long failed = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, ask_often, fetcher);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed += (long)result;
    }
    ok(!failed && requests() == asked + THREADS * ROUNDS,
       "8 threads get 25 answers each, and each its own");
    ok(connections() <= before + THREADS, "... over at most 8 connections");
    before = connections();
    get(fetcher, "/ok");
    ok(connections() == before, "... which are there for those who come later");
}

/* A handle is kept for an origin and its certificates, so as many names of files are as many
 * purposes. */
static outcome ask_for(gate_fetcher *fetcher, int purpose)
{
    const gate_question question = {.url = at("/ok")};
    gate_fetch_limits limits = usual;
    limits.ca_file = apr_psprintf(p, "authorities-%d", purpose);
    return ask(fetcher, &question, &limits);
}

static void test_idle_handles(void)
{
    apr_pool_t *own;
    renew_server();
    apr_pool_create(&own, NULL);
    gate_fetcher *fetcher = gate_fetcher_make(own);
    int before = connections(), failed = 0;
    for (int i = 0; i < 70; i++)
        failed += ask_for(fetcher, i).reason != GATE_OK;
    ok(!failed && connections() == before + 70, "70 purposes have a connection each");
    ask_for(fetcher, 69);
    ask_for(fetcher, 10);
    ok(connections() == before + 70, "the last of them are kept");
    ask_for(fetcher, 0);
    ok(connections() == before + 71, "the first had to make room");
    apr_pool_destroy(own);
    ok(get(gate_fetcher_make(p), "/ok").reason == GATE_OK,
       "a fetcher goes with its pool, and others stay");
}

/* ---- TLS ---- */

typedef struct tls_server {
    pid_t pid;
    int port;
} tls_server;

static char directory[] = "/tmp/gate-fetch-XXXXXX";

static const char *file(const char *name)
{
    return apr_pstrcat(p, directory, "/", name, NULL);
}

/* openssl s_server with that certificate: it answers any GET. */
static tls_server serve_tls(const char *pem, const char *option, const char *value)
{
    tls_server started = {.port = 0};
    int out[2];
    char line[256];
    peer_must(pipe(out) == 0, "no pipe");
    fflush(stdout);
    started.pid = fork();
    if (started.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        dup2(out[1], STDERR_FILENO);
        execlp("openssl", "openssl", "s_server", "-www", "-accept", "127.0.0.1:0", "-cert",
               file(pem), "-key", file(pem), option, value, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    while (!started.port && fgets(line, sizeof line, lines))
        if (strncmp(line, "ACCEPT ", 7) == 0)
            started.port = (int)strtol(strrchr(line, ':') + 1, NULL, 10);
    peer_must(started.port != 0, "openssl s_server does not start");
    return started; /* the pipe stays open: s_server writes to it */
}

static void stop_tls(const tls_server *started)
{
    kill(started->pid, SIGKILL);
    waitpid(started->pid, NULL, 0);
}

static void make_certificates(void)
{
    const long day = 86400;
    const char *local = "DNS:localhost,IP:127.0.0.1";
    cert ca = cert_make(&(cert_wish){"Test CA", NULL, NULL, 1, -day, day});
    cert stranger = cert_make(&(cert_wish){"Other CA", NULL, NULL, 1, -day, day});
    const struct {
        const char *name;
        cert_wish wish;
    } wishes[] = {
        {"good", {"localhost", local, &ca, 0, -day, day}},
        {"host", {"elsewhere", "DNS:elsewhere.example", &ca, 0, -day, day}},
        {"expired", {"localhost", local, &ca, 0, -2 * day, -day}},
        {"early", {"localhost", local, &ca, 0, day, 2 * day}},
        {"self", {"localhost", local, NULL, 0, -day, day}},
        {"stranger", {"localhost", local, &stranger, 0, -day, day}},
        {"client", {"gate", NULL, &ca, 0, -day, day}},
    };
    peer_must(mkdtemp(directory) != NULL, "no directory");
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        cert made = cert_make(&wishes[i].wish);
        cert_write(&made, file(wishes[i].name), 1);
        cert_write(&made, file(apr_pstrcat(p, wishes[i].name, "-bare", NULL)), 0);
        cert_free(&made);
    }
    cert_write(&ca, file("ca"), 0);
    cert_free(&ca);
    cert_free(&stranger);
}

static outcome ask_tls(const tls_server *started, const gate_fetch_limits *limits)
{
    gate_question question = {
        .url = apr_psprintf(p, "https://127.0.0.1:%d/?code=s3cret", started->port)};
    return ask(gate_fetcher_make(p), &question, limits);
}

static const struct {
    const char *certificate, *option, *value, *ca;
    gate_reason reason;
    const char *name;
} tls_cases[] = {
    {"good", NULL, NULL, "ca", GATE_OK, "a certificate by a known authority, for this name"},
    {"good", NULL, NULL, NULL, GATE_IDP_UNREACHABLE, "an authority that the system does not know"},
    {"good", NULL, NULL, "missing", GATE_IDP_UNREACHABLE,
     "a file of authorities that is not there"},
    {"good", NULL, NULL, "client", GATE_IDP_UNREACHABLE, "a file that holds another certificate"},
    {"host", NULL, NULL, "ca", GATE_IDP_UNREACHABLE, "a certificate for another name"},
    {"expired", NULL, NULL, "ca", GATE_IDP_UNREACHABLE, "a certificate that has expired"},
    {"early", NULL, NULL, "ca", GATE_IDP_UNREACHABLE, "a certificate that is not valid yet"},
    {"self", NULL, NULL, "ca", GATE_IDP_UNREACHABLE, "a certificate that signed itself"},
    {"stranger", NULL, NULL, "ca", GATE_IDP_UNREACHABLE, "another authority's certificate"},
    {"good", "-cipher", "DEFAULT:@SECLEVEL=0", "ca", GATE_OK, "TLS 1.2 or later"},
    {"good", "-tls1_1", NULL, "ca", GATE_IDP_UNREACHABLE, "TLS 1.1 and no later"},
};

static void test_tls(void)
{
    for (size_t i = 0; i < sizeof tls_cases / sizeof *tls_cases; i++) {
        gate_fetch_limits limits = usual;
        tls_server started =
            serve_tls(tls_cases[i].certificate, tls_cases[i].option, tls_cases[i].value);
        limits.ca_file = tls_cases[i].ca ? file(tls_cases[i].ca) : NULL;
        outcome o = ask_tls(&started, &limits);
        is(gate_reason_name(o.reason), gate_reason_name(tls_cases[i].reason), "%s",
           tls_cases[i].name);
        ok(o.reason == GATE_OK ? o.answer.status == 200 : o.detail && !strstr(o.detail, "s3cret"),
           "... %s", o.detail ? o.detail : "-");
        stop_tls(&started);
    }
}

static void test_client_certificate(void)
{
    gate_fetch_limits limits = usual;
    limits.ca_file = file("ca");
    tls_server started = serve_tls("good", "-Verify", "1");
    outcome o = ask_tls(&started, &limits);
    ok(o.reason != GATE_OK, "a peer that wants our certificate refuses us without: %s", o.detail);
    limits.client_cert = file("client-bare");
    limits.client_key = file("client");
    o = ask_tls(&started, &limits);
    ok(o.reason == GATE_OK && strstr(gate_span_dup(p, o.answer.body), "Client certificate"),
       "... and takes us with it");
    stop_tls(&started);
}

static void test_plain_peer(void)
{
    renew_server();
    gate_question question = {.url = apr_psprintf(p, "https://127.0.0.1:%d/ok", server.port)};
    const gate_fetch_limits hasty = {.connect_ms = 300, .total_ms = 400, .max_body = 1000};
    int asked = requests();
    outcome o = ask(gate_fetcher_make(p), &question, &hasty);
    ok(o.reason != GATE_OK && requests() == asked, "a peer without TLS is told nothing: %s",
       o.detail);
}

static void remove_certificates(void)
{
    static const char *const names[] = {"good", "host",     "expired", "early",
                                        "self", "stranger", "client",  "ca"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unlink(file(names[i]));
        unlink(file(apr_pstrcat(p, names[i], "-bare", NULL)));
    }
    rmdir(directory);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    peer_start(&server);
    ok(gate_fetch_setup() == APR_SUCCESS, "the library is set up");
    test_get();
    test_post();
    test_refused_questions();
    test_answers();
    test_answer_members();
    test_bad_answers();
    test_sizes();
    test_reuse();
    test_addresses();
    test_idle_limit();
    test_closed_connections();
    test_answers_unasked_for();
    test_moving_provider();
    test_dying_connection();
    test_unreachable();
    test_connect_timeout();
    test_hanging_resolver();
    test_no_time();
    test_proxies();
    test_threads();
    test_idle_handles();
    make_certificates();
    test_tls();
    test_client_certificate();
    test_plain_peer();
    remove_certificates();
    peer_stop(&server);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
