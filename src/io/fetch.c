/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* fetch.c - libcurl easy handles, kept between requests
 *
 * Each handle has connections of its own, and no two threads ever hold one handle: that is what
 * libcurl allows (its shared connection cache is not safe between threads). So a process keeps a
 * stack of idle handles and lends the one that spoke to the same origin last; its connection is
 * open, its TLS session and the provider's address are known, and as many threads as ask at once
 * have a connection each after their first question.
 *
 * A connection that sat idle may be closed by the peer at the very moment at which it is used
 * again. libcurl sees a close that has arrived and connects anew; a close still on its way shows
 * only as a request without an answer, which libcurl would send again, POST or not. RFC 9110
 * section 9.2.2 allows that for a GET; a POST may have used up a code or a refresh token, so it
 * goes out again only where not a byte of it had left (see permit_sending). To make that case rare,
 * a connection is used again only well within what the peer promises in "Keep-Alive: timeout=", or
 * within KEEP_SECONDS where it promises nothing. And none is used for longer than
 * LIFETIME_SECONDS, however busy: so that another address of the provider is noticed.
 *
 * What one handle is kept for says all that is set for good: a question sets its address, its
 * headers and its form, and no more. */
#include "io/fetch.h"

#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_time.h>
#include <curl/curl.h>

#include "base/base64url.h"
#include "base/seal.h"

#define IDLE_HANDLES_MAX     64
#define IDLE_HANDLE_SECONDS  120 /* then its sockets and certificates are given back */
#define CONNECTIONS_MAX      1L  /* of one handle */
#define KEPT_URL_BYTES       512
#define KEEP_SECONDS         15
#define KEEP_SECONDS_MAX     60
#define LIFETIME_SECONDS     300L
#define HEADERS_MAX_BYTES    (64 * 1024)  /* of one answer, interim answers and trailers counted */
#define SEND_BYTES           (16 * 1024L) /* libcurl takes no less, */
#define RECEIVE_BYTES        (4 * 1024L)  /* and both are made, and wiped, for each question */
#define BUFFER_FIRST_BYTES   (16 * 1024)
#define BUFFER_KEPT_BYTES    (64 * 1024)
#define CONTENT_TYPE_MAX     128
#define RETRY_AFTER_MAX      86400
#define DATE_MAX_BYTES       64
#define DETAIL_PATH_BYTES    96
#define DETAIL_MESSAGE_BYTES 160

typedef struct handle {
    CURL *curl;
    struct transfer *carries; /* what libcurl's callbacks are about */
    char message[CURL_ERROR_SIZE];
    char *origin;              /* where it leads, */
    char *way;                 /* and how */
    CURLU *address;            /* that it asked last, */
    char text[KEPT_URL_BYTES]; /* which is this, as it was said; "": none yet, or a longer one */
    apr_time_t idle_since;
    curl_socket_t socket; /* of its connection; CURL_SOCKET_BAD: it has none */
    long keep_seconds;    /* how long its connection may sit idle and still carry a question */
    char *buffer;         /* the answer's body, while it comes in */
    apr_size_t room;
} handle;

struct gate_fetcher {
    apr_thread_mutex_t *lock;
    handle *idle[IDLE_HANDLES_MAX]; /* in the order in which they came back */
    int count;
};

/* One question on its way. */
typedef struct transfer {
    handle *by;
    const gate_question *question;
    const gate_fetch_limits *limits;
    apr_size_t body_bytes, header_bytes;
    bool has_headers;    /* all of them: the empty line behind them came */
    apr_int64_t date;    /* gate_answer.date */
    const char *refusal; /* why a callback broke the transfer off; NULL: none did */
    int sendings;        /* how often the request went out, or was about to */
    long sent_before;    /* bytes that were out before the first of them: a proxy's CONNECT */
} transfer;

/* realloc(), but that what it leaves behind is wiped. */
static void *wipe_and_resize(void *block, size_t size)
{
    const size_t had = block ? malloc_usable_size(block) : 0;
    void *made = malloc(size);

    if (made && block) {
        memcpy(made, block, had < size ? had : size);
        gate_wipe_and_free(block);
    }
    return made;
}

/* Questions and answers have secrets in them, and libcurl copies them as it sends and reads. Where
 * another part of this process has begun to use it before, it keeps the memory that it has. */
apr_status_t gate_fetch_setup(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, gate_wipe_and_free, wipe_and_resize,
                                strdup, calloc) == CURLE_OK
               ? APR_SUCCESS
               : APR_EGENERAL;
}

/* ---- what libcurl calls ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *data)
{
    handle *h = data;
    transfer *t = h->carries;
    apr_size_t len = size * count;
    if (len > t->limits->max_body - t->body_bytes) {
        t->refusal = "the answer is larger than OIDCGateHTTP maxbody=";
        return CURL_WRITEFUNC_ERROR;
    }
    if (len > h->room - t->body_bytes) {
        apr_size_t room = h->room ? h->room : BUFFER_FIRST_BYTES;
        while (room - t->body_bytes < len)
            room *= 2;
        char *larger = malloc(room);
        if (!larger)
            return CURL_WRITEFUNC_ERROR;
        if (h->buffer) {
            memcpy(larger, h->buffer, t->body_bytes);
            gate_wipe(h->buffer, t->body_bytes);
            free(h->buffer);
        }
        h->buffer = larger;
        h->room = room;
    }
    memcpy(h->buffer + t->body_bytes, bytes, len);
    t->body_bytes += len;
    return len;
}

/* "Keep-Alive: timeout=5, max=100": libcurl counts in whole seconds, rounded down, and the clocks
 * of both ends start a round trip apart, so two seconds less than promised. */
static void note_keep_alive(handle *h, gate_span parameters)
{
    gate_span parameter;
    while (gate_span_cut(&parameters, ',', &parameter)) {
        gate_span rest = gate_span_trim(parameter);
        gate_span name;
        apr_uint64_t seconds;
        if (!gate_span_cut(&rest, '=', &name) ||
            !gate_span_equal_nocase(name, GATE_SPAN("timeout")) ||
            !gate_span_number(rest, KEEP_SECONDS_MAX * 10, &seconds))
            continue;
        seconds = seconds > 2 ? seconds - 2 : 0;
        h->keep_seconds = seconds < KEEP_SECONDS_MAX ? (long)seconds : KEEP_SECONDS_MAX;
    }
}

/* "Thu, 26 Nov 2026 04:09:19 GMT" (RFC 9110 section 5.6.7); 0 for what is none. */
static apr_int64_t read_date(gate_span text)
{
    char date[DATE_MAX_BYTES];
    time_t seconds;
    if (text.len >= sizeof date)
        return 0;
    memcpy(date, text.ptr, text.len);
    date[text.len] = '\0';
    seconds = curl_getdate(date, NULL);
    return seconds > 0 ? (apr_int64_t)seconds : 0;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *data)
{
    transfer *t = ((const handle *)data)->carries;
    gate_span line = {bytes, size * count};
    t->header_bytes += line.len;
    if (t->header_bytes > HEADERS_MAX_BYTES) {
        t->refusal = "the answer's headers are too large";
        return CURL_WRITEFUNC_ERROR;
    }
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    /* libcurl is content with an answer that ends within its headers. */
    if (gate_span_starts(line, "HTTP/")) {
        t->has_headers = false;
        t->date = 0;
    }
    if (!line.len)
        t->has_headers = true;
    gate_span name;
    if (!gate_span_cut(&line, ':', &name))
        return size * count;
    if (gate_span_equal_nocase(name, GATE_SPAN("keep-alive")))
        note_keep_alive(t->by, line);
    else if (t->question->wants_date && gate_span_equal_nocase(name, GATE_SPAN("date")))
        t->date = read_date(gate_span_trim(line));
    return size * count;
}

/* Called whenever libcurl is about to send the request, so also before it sends it again. */
static int permit_sending(void *data, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    transfer *t = ((const handle *)data)->carries;
    long sent = 0;
    if (curl_easy_getinfo(t->by->curl, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK)
        return CURL_PREREQFUNC_ABORT;
    if (!t->sendings++)
        t->sent_before = sent;
    if (sent == t->sent_before || !t->question->form)
        return CURL_PREREQFUNC_OK;
    t->refusal = "the connection was closed without an answer, and a POST is not sent twice";
    return CURL_PREREQFUNC_ABORT;
}

/* ---- handles ---- */

/* What never differs. Whoever reads this for safety: certificates and names are verified by
 * VERIFYPEER and VERIFYHOST, no redirect, cookie, netrc file or proxy of the environment counts,
 * nothing is decompressed, signals stay httpd's. */
static const struct {
    CURLoption option;
    long value;
} numbers[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* a hanging name server does not hold a thread past its deadline */
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_HTTP09_ALLOWED, 0},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_PROXY_SSL_VERIFYPEER, 1},
    {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}, /* or later */
    {CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_MAXCONNECTS, CONNECTIONS_MAX},
    {CURLOPT_MAXLIFETIME_CONN, LIFETIME_SECONDS},
    {CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES},
    {CURLOPT_BUFFERSIZE, RECEIVE_BYTES},
    {CURLOPT_NOPROGRESS, 1},
};

static const struct {
    CURLoption option;
    const char *value;
} texts[] = {
    {CURLOPT_PROTOCOLS_STR, "http,https"},
    {CURLOPT_USERAGENT, "mod_oidc_gate"},
};

static bool configure(CURL *curl)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (curl_easy_setopt(curl, numbers[i].option, numbers[i].value) != CURLE_OK)
            return false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (curl_easy_setopt(curl, texts[i].option, texts[i].value) != CURLE_OK)
            return false;
    return true;
}

static bool set_callbacks(handle *h)
{
    return curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_PREREQFUNCTION, permit_sending) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_PREREQDATA, h) == CURLE_OK &&
           curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->message) == CURLE_OK;
}

static long at_least_one(int ms)
{
    return ms > 0 ? ms : 1; /* to libcurl, 0 means for ever */
}

static bool set_bounds(CURL *curl, const gate_fetch_limits *limits)
{
    return curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, at_least_one(limits->connect_ms)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, at_least_one(limits->total_ms)) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)limits->max_body) ==
               CURLE_OK;
}

static bool set_way(CURL *curl, const gate_fetch_limits *limits)
{
    return curl_easy_setopt(curl, CURLOPT_SSLCERT, limits->client_cert) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLKEY, limits->client_key) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, limits->proxy ? limits->proxy : "") == CURLE_OK &&
           /* NULL would mean the environment's. */
           curl_easy_setopt(curl, CURLOPT_NOPROXY, limits->no_proxy ? limits->no_proxy : "") ==
               CURLE_OK;
}

/* A file of certificates takes the place of the system's: the directory that libcurl knows as well
 * is put aside. */
static bool trust(CURL *curl, const char *ca_file)
{
    return !ca_file || (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
                        curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, ca_file) == CURLE_OK &&
                        curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK);
}

static void destroy(handle *h)
{
    if (!h)
        return;
    if (h->curl)
        curl_easy_cleanup(h->curl);
    curl_url_cleanup(h->address);
    free(h->buffer);
    free(h->origin);
    gate_wipe_and_free(h->way);
    gate_wipe(h->text, sizeof h->text);
    free(h);
}

static handle *create(const char *origin, const char *way, const gate_fetch_limits *limits)
{
    handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->keep_seconds = KEEP_SECONDS;
    h->socket = CURL_SOCKET_BAD;
    h->origin = strdup(origin);
    h->way = strdup(way);
    h->curl = curl_easy_init();
    if (h->origin && h->way && h->curl && configure(h->curl) && set_way(h->curl, limits) &&
        trust(h->curl, limits->ca_file) && set_callbacks(h))
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

static bool asked(const handle *h, const char *url)
{
    return strcmp(h->text, url) == 0;
}

static bool leads_to(const handle *h, const char *origin)
{
    return strcmp(h->origin, origin) == 0;
}

/* Of those that fit what is wanted and go that way, the one that came back last: its connection is
 * the least likely to be closed. NULL: none does. */
static handle *borrow(gate_fetcher *fetcher, bool (*fits)(const handle *h, const char *wanted),
                      const char *wanted, const char *way)
{
    handle *found = NULL;
    apr_thread_mutex_lock(fetcher->lock);
    for (int i = fetcher->count - 1; i >= 0 && !found; i--)
        if (fits(fetcher->idle[i], wanted) && strcmp(fetcher->idle[i]->way, way) == 0)
            found = remove_idle(fetcher, i);
    apr_thread_mutex_unlock(fetcher->lock);
    return found;
}

/* All that a handle depends on beside the origin. */
static const char *way_of(apr_pool_t *p, const gate_fetch_limits *limits)
{
    const char *const with[] = {
        limits->ca_file,  limits->proxy,       limits->proxy_credentials,
        limits->no_proxy, limits->client_cert, limits->client_key,
    };
    const char *said[sizeof with / sizeof *with];
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        said[i] = with[i] ? with[i] : "";
    const char *way = apr_pstrcat(p, said[0], "\n", said[1], "\n", said[2], "\n", said[3], "\n",
                                  said[4], "\n", said[5], NULL);
    if (limits->proxy_credentials)
        gate_wipe_with(p, gate_span_of(way));
    return way;
}

/* One that came back makes room for itself and, by the way, ends the one that has been idle for too
 * long. */
static void give_back(gate_fetcher *fetcher, handle *h)
{
    handle *oldest = NULL;
    h->idle_since = apr_time_now();
    apr_thread_mutex_lock(fetcher->lock);
    if (fetcher->count == IDLE_HANDLES_MAX ||
        (fetcher->count &&
         h->idle_since - fetcher->idle[0]->idle_since > apr_time_from_sec(IDLE_HANDLE_SECONDS)))
        oldest = remove_idle(fetcher, 0);
    fetcher->idle[fetcher->count++] = h;
    apr_thread_mutex_unlock(fetcher->lock);
    destroy(oldest);
}

/* ---- one request ---- */

static bool set_method(CURL *curl, const gate_question *question)
{
    if (!question->form)
        return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    const char *text = gate_form_text(question->form);
    gate_wipe_with(question->form->pool, gate_span_of(text));
    return text && curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text) == CURLE_OK;
}

/* An address is taken apart once: mostly the next question goes where the last one went. No name of
 * a user is in it, and its path stays as it is. */
static bool set_address(handle *h, const char *url)
{
    if (asked(h, url))
        return true;
    gate_wipe(h->text, sizeof h->text);
    if (!h->address)
        h->address = curl_url();
    if (!h->address ||
        curl_url_set(h->address, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) !=
            CURLUE_OK ||
        curl_easy_setopt(h->curl, CURLOPT_CURLU, h->address) != CURLE_OK)
        return false;
    const size_t size = strlen(url) + 1;
    if (size <= sizeof h->text)
        memcpy(h->text, url, size);
    return true;
}

/* The header of the proxy is for it alone: libcurl sends it with CONNECT, or where the proxy itself
 * is asked, and to no server. As a user and password of its own it would percent-decode them. */
static bool prepare(transfer *t, struct curl_slist *headers, struct curl_slist *proxy_header)
{
    CURL *curl = t->by->curl;
    return set_bounds(curl, t->limits) && set_method(curl, t->question) &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXYHEADER, proxy_header->data ? proxy_header : NULL) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, t->by->keep_seconds) == CURLE_OK;
}

/* What failed before there was a peer to talk to. Everything that is not listed is the peer's
 * doing. */
static gate_reason reason_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return GATE_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return GATE_IDP_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_INTERFACE_FAILED:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_PEER_FAILED_VERIFICATION:
        return GATE_IDP_UNREACHABLE;
    case CURLE_FAILED_INIT:
        return GATE_INTERNAL;
    default: /* CURLE_OUT_OF_MEMORY too: that is what libcurl says of headers beyond its own limit
              */
        return GATE_IDP_ERROR;
    }
}

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

static bool read_answer(apr_pool_t *p, const transfer *t, gate_answer *answer)
{
    CURL *curl = t->by->curl;
    long status = 0;
    char *type = NULL;
    curl_off_t retry_after = 0;
    if (!t->has_headers || curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status < 200 || status > 599 ||
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK ||
        curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after) != CURLE_OK)
        return false;
    answer->status = (int)status;
    answer->content_type = media_type(p, type);
    answer->retry_after = retry_after <= 0                ? -1
                          : retry_after < RETRY_AFTER_MAX ? retry_after
                                                          : RETRY_AFTER_MAX;
    answer->date = t->date;
    answer->body.ptr = apr_pstrmemdup(p, t->body_bytes ? t->by->buffer : "", t->body_bytes);
    answer->body.len = t->body_bytes;
    gate_wipe_with(p, answer->body);
    return true;
}

/* The answer may have been tokens: they stay in no buffer of ours. */
static void forget(handle *h, apr_size_t body_bytes)
{
    if (h->buffer)
        gate_wipe(h->buffer, body_bytes);
    if (h->room > BUFFER_KEPT_BYTES) {
        free(h->buffer);
        h->buffer = NULL;
        h->room = 0;
    }
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(h->curl, CURLOPT_PROXYHEADER, NULL);
    h->carries = NULL;
    if (curl_easy_getinfo(h->curl, CURLINFO_ACTIVESOCKET, &h->socket) != CURLE_OK)
        h->socket = CURL_SOCKET_BAD;
}

/* "https://id.example.com/token: Connection refused": never the query, which may have a secret. */
static gate_reason explain(apr_pool_t *p, gate_reason reason, const char *address,
                           const char *message, const char **detail)
{
    gate_url url;
    const bool is_address = gate_url_parse(gate_span_of(address), &url);
    if (detail)
        *detail =
            apr_pstrcat(p, is_address ? gate_url_origin(p, &url) : "",
                        is_address ? gate_span_for_log(p, url.path, DETAIL_PATH_BYTES) : "", ": ",
                        gate_span_for_log(p, gate_span_of(message), DETAIL_MESSAGE_BYTES), NULL);
    return reason;
}

/* A header that was made for this question alone. */
static void wipe_line(const struct curl_slist *line)
{
    if (line->data)
        gate_wipe(line->data, strlen(line->data));
}

/* What comes in while nobody has asked is at best the peer's farewell, at worst another answer,
 * which libcurl would take for that to the next question. So nothing more is to come that way:
 * libcurl sees that, and connects anew. */
static void hang_up_if_unquiet(const handle *h)
{
    struct pollfd socket = {.fd = h->socket, .events = POLLIN};
    if (h->socket != CURL_SOCKET_BAD && poll(&socket, 1, 0) != 0)
        shutdown(h->socket, SHUT_RDWR);
}

static gate_reason converse(apr_pool_t *p, transfer *t, struct curl_slist *headers,
                            struct curl_slist *proxy_header, gate_answer *answer,
                            const char **message)
{
    handle *h = t->by;
    *message = "no address that libcurl takes";
    if (!set_address(h, t->question->url))
        return GATE_IDP_UNREACHABLE;
    *message = "libcurl refused a setting";
    if (!prepare(t, headers, proxy_header))
        return GATE_INTERNAL;
    hang_up_if_unquiet(h);
    CURLcode result = curl_easy_perform(h->curl);
    gate_reason reason = reason_of(result);
    /* Nothing was sent, so nothing can have been acted upon: whoever asks may try again. */
    if (reason == GATE_IDP_TIMEOUT && !t->sendings)
        reason = GATE_IDP_UNREACHABLE;
    *message = t->refusal      ? t->refusal
               : h->message[0] ? apr_pstrdup(p, h->message)
                               : curl_easy_strerror(result);
    if (reason == GATE_OK && !read_answer(p, t, answer)) {
        *message = "the answer breaks off, or has no status that exists";
        reason = GATE_IDP_ERROR;
    }
    forget(h, t->body_bytes);
    return reason;
}

/* Carries the question with that handle, and leaves nothing secret behind. */
static gate_reason carry(apr_pool_t *p, transfer *t, gate_answer *answer, const char **message)
{
    char no_expect[] = "Expect:";
    struct curl_slist headers[3] = {{.data = no_expect}};
    struct curl_slist *last = headers, proxy_header = {.data = NULL};
    if (t->question->accept) {
        last->next = last + 1;
        last++;
        last->data = apr_pstrcat(p, "Accept: ", t->question->accept, NULL);
    }
    if (t->question->authorization) {
        last->next = last + 1;
        last++;
        last->data = apr_pstrcat(p, "Authorization: ", t->question->authorization, NULL);
    }
    if (t->limits->proxy_credentials)
        proxy_header.data =
            apr_pstrcat(p, "Proxy-Authorization: Basic ",
                        gate_base64_encode(p, gate_span_of(t->limits->proxy_credentials)), NULL);
    t->by->carries = t;
    t->by->message[0] = '\0';
    const gate_reason reason = converse(p, t, headers, &proxy_header, answer, message);
    wipe_line(last);
    wipe_line(&proxy_header);
    return reason;
}

/* One that asked this very address last knows it already; else one that leads there. */
static gate_reason find_handle(gate_fetcher *fetcher, apr_pool_t *p, const char *address,
                               const gate_fetch_limits *limits, handle **found,
                               const char **message)
{
    const char *way = way_of(p, limits), *origin;
    gate_url url;
    *found = borrow(fetcher, asked, address, way);
    if (*found)
        return GATE_OK;
    *message = "no http or https address";
    if (!gate_url_parse(gate_span_of(address), &url))
        return GATE_IDP_UNREACHABLE;
    origin = gate_url_origin(p, &url);
    *found = borrow(fetcher, leads_to, origin, way);
    if (!*found)
        *found = create(origin, way, limits);
    *message = "no libcurl handle";
    return *found ? GATE_OK : GATE_INTERNAL;
}

gate_reason gate_fetch(gate_fetcher *fetcher, apr_pool_t *p, const gate_question *question,
                       const gate_fetch_limits *limits, gate_answer *answer, const char **detail)
{
    const char *message = "a control character in a header";
    handle *h;
    gate_reason reason = gate_span_has_control(gate_span_of(question->authorization))
                             ? GATE_INTERNAL
                             : find_handle(fetcher, p, question->url, limits, &h, &message);
    if (reason != GATE_OK)
        return explain(p, reason, question->url, message, detail);
    transfer t = {.by = h, .question = question, .limits = limits};
    reason = carry(p, &t, answer, &message);
    if (reason != GATE_OK)
        explain(p, reason, question->url, message, detail);
    /* libcurl counts sendings-again over a handle's whole life and fails at the sixth: such a
     * handle ends here. */
    if (reason == GATE_OK && t.sendings == 1)
        give_back(fetcher, h);
    else
        destroy(h);
    return reason;
}
