/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* fetch.c - connections, kept between requests
 *
 * Each handle has one connection, and no two threads ever hold one handle. A process keeps a stack
 * of idle handles and lends the one that spoke to the same origin last; its connection is open, and
 * as many threads as ask at once have a connection each after their first question.
 *
 * A connection that sat idle may be closed by the peer at the very moment at which it is used
 * again. A close that has arrived is seen, and another connection is made; a close still on its way
 * shows only as a request without an answer. RFC 9110 section 9.2.2 allows to send a GET again
 * then; a POST may have used up a code or a refresh token, so it goes out again only where not a
 * byte of it had left. To make that case rare, a connection is used again only well within what the
 * peer promises in "Keep-Alive: timeout=", or within KEEP_SECONDS where it promises nothing. And
 * none is used for longer than LIFETIME_SECONDS, however busy: so that another address of the
 * provider, or a certificate that has expired, is noticed. */
#include "io/fetch.h"

#include <stdlib.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>
#include <curl/curl.h>

#include "base/seal.h"
#include "io/connection.h"
#include "io/reply.h"

#define IDLE_HANDLES_MAX     64
#define IDLE_HANDLE_SECONDS  120 /* then its sockets and certificates are given back */
#define KEEP_SECONDS         15
#define KEEP_SECONDS_MAX     60
#define LIFETIME_SECONDS     300
#define CONTENT_TYPE_MAX     128
#define RETRY_AFTER_MAX      86400
#define DETAIL_PATH_BYTES    96
#define DETAIL_MESSAGE_BYTES 160

typedef struct handle {
    gate_connection *connection;
    char *kept_for; /* where it leads, and how */
    apr_time_t opened, idle_since;
    apr_time_t keep; /* how long its connection may sit idle and still carry a question */
    gate_reply reply;
} handle;

struct gate_fetcher {
    apr_thread_mutex_t *lock;
    handle *idle[IDLE_HANDLES_MAX]; /* in the order in which they came back */
    int count;
};

apr_status_t gate_fetch_setup(void)
{
    return gate_connection_setup();
}

/* ---- handles ---- */

static void destroy(handle *h)
{
    if (!h)
        return;
    gate_connection_free(h->connection);
    gate_reply_free(&h->reply);
    gate_wipe_and_free(h->kept_for);
    free(h);
}

static handle *create(const char *purpose, const char *origin, const gate_fetch_limits *limits)
{
    handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->keep = apr_time_from_sec(KEEP_SECONDS);
    h->kept_for = strdup(purpose);
    h->connection = gate_connection_make(origin, limits);
    if (h->kept_for && h->connection)
        return h;
    destroy(h);
    return NULL;
}

static apr_status_t close_all(void *data)
{
    gate_fetcher *fetcher = data;
    while (fetcher->count)
        destroy(fetcher->idle[--fetcher->count]);
    return APR_SUCCESS;
}

gate_fetcher *gate_fetcher_make(apr_pool_t *p)
{
    gate_fetcher *fetcher = apr_pcalloc(p, sizeof *fetcher);
    if (apr_thread_mutex_create(&fetcher->lock, APR_THREAD_MUTEX_DEFAULT, p) != APR_SUCCESS)
        return NULL;
    apr_pool_cleanup_register(p, fetcher, close_all, apr_pool_cleanup_null);
    return fetcher;
}

/* Takes one out of the middle; the order of the others stays. */
static handle *remove_idle(gate_fetcher *fetcher, int at)
{
    handle *h = fetcher->idle[at];
    fetcher->count--;
    memmove(&fetcher->idle[at], &fetcher->idle[at + 1], (size_t)(fetcher->count - at) * sizeof h);
    return h;
}

/* Of the handles for that purpose, the one that came back last: its connection is the least likely
 * to be closed. NULL for none. */
static handle *borrow(gate_fetcher *fetcher, const char *purpose)
{
    handle *found = NULL;
    apr_thread_mutex_lock(fetcher->lock);
    for (int i = fetcher->count - 1; i >= 0 && !found; i--)
        if (strcmp(fetcher->idle[i]->kept_for, purpose) == 0)
            found = remove_idle(fetcher, i);
    apr_thread_mutex_unlock(fetcher->lock);
    return found;
}

/* One that came back makes room for itself and, by the way, ends the one that has been idle for too
 * long. */
static void give_back(gate_fetcher *fetcher, handle *h)
{
    handle *oldest = NULL;
    h->idle_since = gate_connection_clock();
    apr_thread_mutex_lock(fetcher->lock);
    if (fetcher->count == IDLE_HANDLES_MAX ||
        (fetcher->count &&
         h->idle_since - fetcher->idle[0]->idle_since > apr_time_from_sec(IDLE_HANDLE_SECONDS)))
        oldest = remove_idle(fetcher, 0);
    fetcher->idle[fetcher->count++] = h;
    apr_thread_mutex_unlock(fetcher->lock);
    destroy(oldest);
}

/* All that a connection depends on. */
static const char *purpose_of(apr_pool_t *p, const char *origin, const gate_fetch_limits *limits)
{
    const char *const with[] = {
        limits->ca_file,     limits->proxy,      limits->proxy_credentials, limits->no_proxy,
        limits->client_cert, limits->client_key,
    };
    const char *texts[sizeof with / sizeof *with];
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        texts[i] = with[i] ? with[i] : "";
    const char *purpose =
        apr_pstrcat(p, origin, "\n", texts[0], "\n", texts[1], "\n", texts[2], "\n", texts[3],
                    "\n", texts[4], "\n", texts[5], NULL);
    if (limits->proxy_credentials)
        gate_wipe_with(p, gate_span_of(purpose));
    return purpose;
}

/* Whether its connection will do once more. */
static bool is_fresh(const handle *h)
{
    const apr_time_t now = gate_connection_clock();
    return now - h->idle_since < h->keep &&
           now - h->opened < apr_time_from_sec(LIFETIME_SECONDS) &&
           gate_connection_is_quiet(h->connection);
}

/* ---- one request ---- */

/* One question on its way. */
typedef struct transfer {
    apr_pool_t *pool;
    const gate_question *question;
    const gate_fetch_limits *limits;
    gate_url url;
    const char *origin;
    gate_span request; /* as it goes out */
    apr_time_t deadline;
    apr_size_t sent;
    bool is_unanswered; /* the connection ended, and not a byte had come */
    const char *message;
} transfer;

/* The scheme is no part of Host (RFC 9112 section 3.2). */
static const char *host_of(const transfer *t)
{
    return t->origin + t->url.scheme.len + strlen("://");
}

static const char *target_of(const transfer *t)
{
    const char *path = gate_span_dup(t->pool, t->url.path);
    return apr_pstrcat(t->pool, path && path[0] ? path : "/", t->url.query.ptr ? "?" : "",
                       t->url.query.ptr ? gate_span_dup(t->pool, t->url.query) : "", NULL);
}

static void compose(transfer *t)
{
    const gate_question *q = t->question;
    const char *body = q->form ? gate_form_text(q->form) : "", *framing = "";
    if (q->form)
        framing = apr_psprintf(t->pool,
                               "Content-Length: %" APR_SIZE_T_FMT "\r\n"
                               "Content-Type: application/x-www-form-urlencoded\r\n",
                               strlen(body));
    t->request = gate_span_of(apr_pstrcat(
        t->pool, q->form ? "POST " : "GET ", target_of(t), " HTTP/1.1\r\nHost: ", host_of(t),
        "\r\nUser-Agent: mod_oidc_gate\r\nAccept: ", q->accept ? q->accept : "*/*", "\r\n",
        q->authorization ? "Authorization: " : "", q->authorization ? q->authorization : "",
        q->authorization ? "\r\n" : "", framing, "\r\n", body, NULL));
    gate_wipe_with(t->pool, t->request);
    gate_wipe((void *)(uintptr_t)body, strlen(body));
}

static gate_reason fail(transfer *t, gate_reason reason, const char *message)
{
    t->message = message;
    return reason;
}

/* What libcurl knows of it says more. */
static const char *problem_of(transfer *t, const handle *h, const char *otherwise)
{
    const char *said = gate_connection_problem(h->connection);
    return said[0] ? apr_pstrdup(t->pool, said) : otherwise;
}

/* Sends the request, and takes in what comes. */
static gate_reason exchange(transfer *t, handle *h)
{
    gate_reply *reply = &h->reply;
    gate_reply_part part = GATE_REPLY_MORE;
    apr_size_t count, room;
    gate_carried carried = gate_connection_send(h->connection, t->request, t->deadline, &t->sent);
    gate_reply_begin(reply, t->pool, t->limits->max_body);
    while (carried == GATE_CARRIED && part == GATE_REPLY_MORE) {
        char *bytes = gate_reply_room(reply, &room);
        if (!bytes)
            return fail(t, GATE_INTERNAL, "no memory");
        carried = gate_connection_receive(h->connection, bytes, room, t->deadline, &count);
        if (carried == GATE_CARRIED)
            part = gate_reply_take(reply, count);
    }
    if (carried == GATE_CARRIED_END)
        part = gate_reply_end(reply);
    if (part == GATE_REPLY_WHOLE)
        return GATE_OK;
    if (carried == GATE_CARRIED_LATE)
        return fail(t, GATE_IDP_TIMEOUT, "no answer in time (OIDCGateHTTP total=)");
    t->is_unanswered = !reply->filled;
    return fail(t, GATE_IDP_ERROR,
                carried == GATE_CARRIED_CUT ? problem_of(t, h, "the connection was cut off")
                                            : reply->problem);
}

static gate_reason connect_anew(transfer *t, handle *h)
{
    const gate_reason reason =
        gate_connection_open(h->connection, t->pool, t->limits, t->deadline, &t->message);
    h->opened = gate_connection_clock();
    return reason;
}

/* Carries the question with that handle: over the connection that it has, where that will do, or
 * else over another. */
static gate_reason carry(transfer *t, handle *h)
{
    if (is_fresh(h)) {
        const gate_reason reason = exchange(t, h);
        if (reason == GATE_OK || !t->is_unanswered)
            return reason;
        if (t->question->form && t->sent)
            return fail(t, reason,
                        "the connection was closed without an answer, and a POST is not sent "
                        "twice");
    }
    const gate_reason reason = connect_anew(t, h);
    return reason == GATE_OK ? exchange(t, h) : reason;
}

/* ---- its answer ---- */

/* The media type alone, in lower case; what is no such thing counts as not sent. */
static const char *media_type(apr_pool_t *p, const char *value)
{
    gate_span rest = gate_span_of(value), type;
    if (!value || !gate_span_cut(&rest, ';', &type))
        return "";
    type = gate_span_trim(type);
    if (type.len > CONTENT_TYPE_MAX || gate_span_has_control(type))
        return "";
    char *lower = apr_pstrmemdup(p, type.ptr, type.len);
    for (char *c = lower; *c; c++)
        *c = (char)apr_tolower(*c);
    return lower;
}

/* "Thu, 26 Nov 2026 04:09:19 GMT" (RFC 9110 section 5.6.7); 0 for what is none. */
static apr_int64_t read_date(const char *text)
{
    const time_t seconds = text ? curl_getdate(text, NULL) : 0;
    return seconds > 0 ? (apr_int64_t)seconds : 0;
}

/* Seconds, or when they are over (RFC 9110 section 10.2.3); -1 where it is not said. */
static apr_int64_t read_retry_after(const char *text)
{
    apr_uint64_t seconds;
    apr_int64_t after;
    if (!text)
        return -1;
    if (gate_span_number(gate_span_of(text), APR_INT64_MAX, &seconds))
        after = (apr_int64_t)seconds;
    else
        after = read_date(text) - apr_time_sec(apr_time_now());
    return after <= 0 ? -1 : after < RETRY_AFTER_MAX ? after : RETRY_AFTER_MAX;
}

static void read_answer(const transfer *t, const gate_reply *reply, gate_answer *answer)
{
    const gate_span body = gate_reply_body(reply);
    answer->status = reply->status;
    answer->content_type = media_type(t->pool, reply->content_type);
    answer->retry_after = read_retry_after(reply->retry_after);
    answer->date = t->question->wants_date ? read_date(reply->date) : 0;
    answer->body = (gate_span){apr_pstrmemdup(t->pool, body.ptr, body.len), body.len};
    gate_wipe_with(t->pool, answer->body);
}

/* What its connection is good for after an answer. Clocks of both ends start a round trip apart, so
 * a second less than promised. */
static void keep(handle *h)
{
    const apr_int64_t said = h->reply.keep_seconds;
    if (!h->reply.keeps)
        gate_connection_close(h->connection);
    if (said >= 0)
        h->keep = apr_time_from_sec(said < 1                   ? 0
                                    : said <= KEEP_SECONDS_MAX ? said - 1
                                                               : KEEP_SECONDS_MAX);
}

/* "https://id.example.com/token: Connection refused": never the query, which may have a secret. */
static gate_reason explain(const transfer *t, gate_reason reason, const char *message,
                           const char **detail)
{
    apr_pool_t *p = t->pool;
    if (detail)
        *detail = apr_pstrcat(p, t->origin, gate_span_for_log(p, t->url.path, DETAIL_PATH_BYTES),
                              ": ", gate_span_for_log(p, gate_span_of(message),
                                                      DETAIL_MESSAGE_BYTES),
                              NULL);
    return reason;
}

/* ---- the whole ---- */

gate_reason gate_fetch(gate_fetcher *fetcher, apr_pool_t *p, const gate_question *question,
                       const gate_fetch_limits *limits, gate_answer *answer, const char **detail)
{
    transfer t = {
        .pool = p,
        .question = question,
        .limits = limits,
        .url = {.path = GATE_SPAN("")},
        .origin = "",
        .deadline = gate_connection_clock() + apr_time_from_msec(limits->total_ms),
    };
    if (!gate_url_parse(gate_span_of(question->url), &t.url))
        return explain(&t, GATE_IDP_UNREACHABLE, "no http or https address", detail);
    t.origin = gate_url_origin(p, &t.url);
    if (gate_span_has_control(gate_span_of(question->authorization)))
        return explain(&t, GATE_INTERNAL, "a control character in a header", detail);
    const char *purpose = purpose_of(p, t.origin, limits);
    handle *h = borrow(fetcher, purpose);
    if (!h)
        h = create(purpose, t.origin, limits);
    if (!h)
        return explain(&t, GATE_INTERNAL, "no libcurl handle", detail);
    compose(&t);
    const gate_reason reason = carry(&t, h);
    if (reason != GATE_OK) {
        destroy(h);
        return explain(&t, reason, t.message, detail);
    }
    read_answer(&t, &h->reply, answer);
    keep(h);
    gate_reply_forget(&h->reply);
    give_back(fetcher, h);
    return GATE_OK;
}
