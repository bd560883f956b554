/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* connection.c - libcurl makes the connection: it finds the address, asks a proxy for a tunnel,
 * does TLS and verifies whom it speaks to. What is said over it is not its affair: carrying
 * requests and answers through libcurl as well costs three times what the rest of a question
 * does. */
#include "io/connection.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <apr_strings.h>
#include <curl/curl.h>

#include "base/base64url.h"
#include "base/seal.h"

#define LONGEST_POLL_MS 1000 /* libcurl looks at its own clock then */

struct gate_connection {
    CURL *curl;
    CURLM *multi; /* curl is added to it as long as there is a connection, or was to be one */
    curl_socket_t socket;
    bool is_added, is_open;
    bool may_have_more; /* bytes that were read from the socket, and not taken yet */
    char message[CURL_ERROR_SIZE];
};

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

/* libcurl copies what the proxy wants to know. Where another part of this process has begun to use
 * it before, it keeps the memory that it has. */
apr_status_t gate_connection_setup(void)
{
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, gate_wipe_and_free, wipe_and_resize,
                                strdup, calloc) == CURLE_OK
               ? APR_SUCCESS
               : APR_EGENERAL;
}

apr_time_t gate_connection_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_time_t)now.tv_sec * APR_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* --- making one --- */

/* What never differs. Whoever reads this for safety: certificates and names are verified by
 * VERIFYPEER and VERIFYHOST, no netrc file or proxy of the environment counts, signals stay
 * httpd's. */
static const struct {
    CURLoption option;
    long value;
} numbers[] = {
    {CURLOPT_CONNECT_ONLY, 1},
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* a hanging name server does not hold a thread past its deadline */
    {CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_PROXY_SSL_VERIFYPEER, 1},
    {CURLOPT_PROXY_SSL_VERIFYHOST, 2},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2}, /* or later */
    {CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_HTTPPROXYTUNNEL, 1}, /* to plain http as well: a proxy carries, and does not answer */
    {CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
    {CURLOPT_TCP_KEEPALIVE, 1},
    {CURLOPT_NOPROGRESS, 1},
};

static const struct {
    CURLoption option;
    const char *value;
} texts[] = {
    {CURLOPT_PROTOCOLS_STR, "http,https"},
    {CURLOPT_USERAGENT, "mod_oidc_gate"}, /* as the proxy is told */
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

/* A file of certificates takes the place of the system's: the directory that libcurl knows as well
 * is put aside. */
static bool trust(CURL *curl, const gate_fetch_limits *limits)
{
    const char *ca_file = limits->ca_file;

    return (!ca_file || (curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                         curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
                         curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, ca_file) == CURLE_OK &&
                         curl_easy_setopt(curl, CURLOPT_PROXY_CAPATH, NULL) == CURLE_OK)) &&
           curl_easy_setopt(curl, CURLOPT_SSLCERT, limits->client_cert) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLKEY, limits->client_key) == CURLE_OK;
}

static bool set_proxy(CURL *curl, const gate_fetch_limits *limits)
{
    return curl_easy_setopt(curl, CURLOPT_PROXY, limits->proxy ? limits->proxy : "") == CURLE_OK &&
           /* NULL would mean the environment's. */
           curl_easy_setopt(curl, CURLOPT_NOPROXY, limits->no_proxy ? limits->no_proxy : "") ==
               CURLE_OK;
}

void gate_connection_close(gate_connection *c)
{
    if (c->is_added)
        curl_multi_remove_handle(c->multi, c->curl); /* with CONNECT_ONLY, that is its end */
    c->is_added = c->is_open = false;
}

void gate_connection_free(gate_connection *c)
{
    if (!c)
        return;
    gate_connection_close(c);
    curl_easy_cleanup(c->curl);
    curl_multi_cleanup(c->multi);
    free(c);
}

gate_connection *gate_connection_make(const char *origin, const gate_fetch_limits *limits)
{
    gate_connection *c = calloc(1, sizeof *c);

    if (c && (c->multi = curl_multi_init()) && (c->curl = curl_easy_init()) && configure(c->curl) && trust(c->curl, limits) &&
        set_proxy(c->curl, limits) && curl_easy_setopt(c->curl, CURLOPT_URL, origin) == CURLE_OK &&
        curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->message) == CURLE_OK)
        return c;
    gate_connection_free(c);
    return NULL;
}

/* --- connecting --- */

/* The header is for the proxy alone: libcurl sends it with CONNECT, and to no server. As a user and
 * password of its own it would percent-decode them. */
static const char *proxy_header(apr_pool_t *p, const gate_fetch_limits *limits)
{
    const char *header;

    if (!limits->proxy || !limits->proxy_credentials)
        return NULL;
    header = apr_pstrcat(p, "Proxy-Authorization: Basic ",
                         gate_base64_encode(p, gate_span_of(limits->proxy_credentials)), NULL);
    gate_wipe_with(p, gate_span_of(header));
    return header;
}

static long milliseconds_until(apr_time_t deadline)
{
    const apr_time_t left = deadline - gate_connection_clock();

    return left > 1000 ? (long)(left / 1000) : 1; /* to libcurl, 0 means for ever */
}

static CURLcode perform(gate_connection *c)
{
    const CURLMsg *message;
    CURLMcode went = curl_multi_add_handle(c->multi, c->curl);
    int running = 1, others;

    c->is_added = went == CURLM_OK;
    while (went == CURLM_OK && running) {
        went = curl_multi_perform(c->multi, &running);
        if (went == CURLM_OK && running)
            went = curl_multi_poll(c->multi, NULL, 0, LONGEST_POLL_MS, NULL);
    }
    message = curl_multi_info_read(c->multi, &others);
    return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_FAILED_INIT;
}

static CURLcode connect_with(gate_connection *c, const char *header, long connect_ms, long total_ms)
{
    struct curl_slist headers = {.data = (char *)(uintptr_t)header}; /* it is only read */
    CURLcode result = CURLE_FAILED_INIT;

    gate_connection_close(c);
    if (curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) == CURLE_OK &&
        curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, total_ms) == CURLE_OK &&
        curl_easy_setopt(c->curl, CURLOPT_PROXYHEADER, header ? &headers : NULL) == CURLE_OK)
        result = perform(c);
    curl_easy_setopt(c->curl, CURLOPT_PROXYHEADER, NULL);
    if (result == CURLE_OK)
        result = curl_easy_getinfo(c->curl, CURLINFO_ACTIVESOCKET, &c->socket);
    return result == CURLE_OK && c->socket == CURL_SOCKET_BAD ? CURLE_COULDNT_CONNECT : result;
}

gate_reason gate_connection_open(gate_connection *c, apr_pool_t *p,
                                 const gate_fetch_limits *limits, apr_time_t deadline,
                                 const char **message)
{
    const long connect_ms = limits->connect_ms > 0 ? limits->connect_ms : 1;
    CURLcode result;

    c->message[0] = '\0';
    result = connect_with(c, proxy_header(p, limits), connect_ms, milliseconds_until(deadline));
    c->is_open = result == CURLE_OK;
    c->may_have_more = false;
    if (c->is_open)
        return GATE_OK;
    *message = apr_pstrdup(p, c->message[0] ? c->message : curl_easy_strerror(result));
    return result == CURLE_FAILED_INIT ? GATE_INTERNAL : GATE_IDP_UNREACHABLE;
}

const char *gate_connection_problem(const gate_connection *c)
{
    return c->message;
}

/* --- bytes --- */

bool gate_connection_is_quiet(gate_connection *c)
{
    char byte;
    size_t count;

    c->may_have_more = false;
    return c->is_open && curl_easy_recv(c->curl, &byte, sizeof byte, &count) == CURLE_AGAIN;
}

/* False once the deadline has passed. */
static bool await(const gate_connection *c, short events, apr_time_t deadline)
{
    for (;;) {
        struct pollfd socket = {.fd = c->socket, .events = events};
        const apr_time_t left = deadline - gate_connection_clock();
        const apr_time_t ms = left > 0 ? (left + 999) / 1000 : 0;
        const int ready = poll(&socket, 1, ms < INT_MAX ? (int)ms : INT_MAX);

        if (ready != 0 && !(ready < 0 && errno == EINTR))
            return true; /* what is wrong with it, is told by who reads or writes */
        if (ready == 0 && ms < INT_MAX)
            return false;
    }
}

gate_carried gate_connection_send(gate_connection *c, gate_span bytes, apr_time_t deadline,
                                  apr_size_t *sent)
{
    *sent = 0;
    while (*sent < bytes.len) {
        size_t count = 0;
        const CURLcode result =
            curl_easy_send(c->curl, bytes.ptr + *sent, bytes.len - *sent, &count);

        *sent += count;
        if (result == CURLE_AGAIN) {
            if (!await(c, POLLOUT, deadline))
                return GATE_CARRIED_LATE;
        } else if (result != CURLE_OK) {
            return GATE_CARRIED_CUT;
        }
    }
    return GATE_CARRIED;
}

gate_carried gate_connection_receive(gate_connection *c, char *bytes, apr_size_t room,
                                     apr_time_t deadline, apr_size_t *count)
{
    for (;;) {
        size_t got = 0;

        if (!c->may_have_more && !await(c, POLLIN, deadline))
            return GATE_CARRIED_LATE;
        switch (curl_easy_recv(c->curl, bytes, room, &got)) {
        case CURLE_OK:
            c->may_have_more = true;
            *count = got;
            return got ? GATE_CARRIED : GATE_CARRIED_END;
        case CURLE_AGAIN: /* all was taken, or a TLS record carries no bytes or is not whole yet */
            c->may_have_more = false;
            break;
        default:
            return GATE_CARRIED_CUT;
        }
    }
}
