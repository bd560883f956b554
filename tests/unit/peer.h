/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* peer.h - an HTTP server in a process of its own that misbehaves as the path of a request asks it
 * to */
#ifndef PEER_H
#define PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEER_LAST_MAX (256 * 1024)

/* What both processes see: what has begun, and what is over. */
typedef struct peer_seen {
    atomic_int connections, requests, answers, closed;
    char last[PEER_LAST_MAX]; /* the last request as it came */
} peer_seen;

typedef struct peer {
    pid_t pid;
    peer_seen *seen;
    int listener, port;
} peer;

typedef struct peer_connection {
    const peer *of;
    int fd;
    bool dies; /* reads the next request, and closes */
    char request[PEER_LAST_MAX];
} peer_connection;

static void peer_must(bool good, const char *what)
{
    if (good)
        return;
    printf("Bail out! %s\n", what);
    exit(1);
}

static bool peer_send(peer_connection *c, const void *bytes, size_t len)
{
    const char *rest = bytes;
    while (len) {
        long sent = send(c->fd, rest, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        rest += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool peer_say(peer_connection *c, const char *text)
{
    return peer_send(c, text, strlen(text));
}

/* 200 with this body and these further header lines. */
static bool peer_answer(peer_connection *c, const char *headers, const char *body)
{
    char head[1024];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n", strlen(body),
             headers);
    return peer_say(c, head) && peer_say(c, body);
}

/* ---- behaviours: each says whether the connection stays open ---- */

static bool peer_ok(peer_connection *c)
{
    return peer_answer(c, "Content-Type: Application/JSON; charset=utf-8\r\n", "{\"good\":true}");
}

static bool peer_echo(peer_connection *c)
{
    return peer_answer(c, "", strstr(c->request, "\r\n\r\n") + 4);
}

static bool peer_redirect(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
}

static bool peer_unauthorized(peer_connection *c)
{
    return peer_say(
        c,
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\n"
        "Content-Length: 2\r\n\r\nno");
}

static bool peer_busy(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
}

static bool peer_dated(peer_connection *c)
{
    return peer_answer(c, "Date: Sun, 15 Jun 2025 15:06:40 GMT\r\n", "x");
}

static bool peer_misdated(peer_connection *c)
{
    return peer_answer(
        c, "date: sometime after the middle of the month, or rather later than that\r\n", "x");
}

static bool peer_busy_forever(peer_connection *c)
{
    return peer_say(c,
                    "HTTP/1.1 503 Busy\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n");
}

static bool peer_bytes(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") &&
           peer_send(c, "a\0b\0c", 5);
}

static bool peer_exact(peer_connection *c)
{
    char body[1001] = {0};
    memset(body, 'x', 1000);
    return peer_answer(c, "", body);
}

static bool peer_chunked(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n");
}

static bool peer_until_close(peer_connection *c)
{
    peer_say(c, "HTTP/1.0 200 OK\r\n\r\nall of it");
    return false;
}

static bool peer_encoded(peer_connection *c)
{
    return peer_answer(c, "Content-Encoding: gzip\r\n", "not gzip");
}

static bool peer_cookie(peer_connection *c)
{
    return peer_answer(c, "Set-Cookie: a=b; Path=/\r\n", "");
}

static bool peer_odd_type(peer_connection *c)
{
    return peer_answer(c, "Content-Type: text/\x01html\r\n", "");
}

static bool peer_interim(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n") &&
           peer_ok(c);
}

static bool peer_short_idle(peer_connection *c)
{
    return peer_answer(c, "Keep-Alive: Timeout=10, max=90, timeout\r\nX-Keep-Alive: timeout=90\r\n",
                       "");
}

/* Says that it will stay, and goes. */
static bool peer_leave(peer_connection *c)
{
    peer_ok(c);
    return false;
}

static bool peer_two_at_once(peer_connection *c)
{
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"good\":true}"
                         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    return peer_say(c, answer);
}

static bool peer_one_and_one(peer_connection *c)
{
    if (!peer_ok(c))
        return false;
    usleep(20000);
    return peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
}

/* The next request on this connection is read, and then not answered. */
static bool peer_then_die(peer_connection *c)
{
    c->dies = true;
    return peer_ok(c);
}

static bool peer_close(peer_connection *c)
{
    return false;
}

static bool peer_reset(peer_connection *c)
{
    const struct linger at_once = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return false;
}

static bool peer_silent(peer_connection *c)
{
    sleep(30);
    return false;
}

static bool peer_slow_body(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (peer_say(c, "x"))
        usleep(50000);
    return false;
}

static bool peer_slow_head(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nX: ");
    while (peer_say(c, "x"))
        usleep(50000);
    return false;
}

static bool peer_huge(peer_connection *c)
{
    return peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nx");
}

static bool peer_endless(peer_connection *c)
{
    char chunk[6 + 4096 + 2];
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, "1000\r\n", 6);
    memcpy(chunk + 6 + 4096, "\r\n", 2);
    peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (peer_send(c, chunk, sizeof chunk))
        continue;
    return false;
}

static bool peer_endless_headers(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\n");
    while (peer_say(c, "X-Header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"))
        continue;
    return false;
}

static bool peer_endless_interim(peer_connection *c)
{
    while (peer_say(c, "HTTP/1.1 100 Continue\r\n\r\n"))
        continue;
    return false;
}

static bool peer_short(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    return false;
}

static bool peer_short_chunk(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf");
    return false;
}

static bool peer_bad_chunk(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n");
    return false;
}

static bool peer_half_head(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nContent-Le");
    return false;
}

static bool peer_garbage(peer_connection *c)
{
    peer_say(c, "This is no HTTP at all\r\n\r\n");
    return false;
}

static bool peer_bad_status(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static bool peer_switching(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    return false;
}

static bool peer_bad_length(peer_connection *c)
{
    peer_say(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx");
    return false;
}

static const struct {
    const char *path;
    bool (*behave)(peer_connection *);
} peer_paths[] = {
    {"/ok", peer_ok},
    {"/echo", peer_echo},
    {"/redirect", peer_redirect},
    {"/unauthorized", peer_unauthorized},
    {"/busy", peer_busy},
    {"/dated", peer_dated},
    {"/misdated", peer_misdated},
    {"/busy-forever", peer_busy_forever},
    {"/bytes", peer_bytes},
    {"/exact", peer_exact},
    {"/chunked", peer_chunked},
    {"/until-close", peer_until_close},
    {"/encoded", peer_encoded},
    {"/cookie", peer_cookie},
    {"/odd-type", peer_odd_type},
    {"/interim", peer_interim},
    {"/short-idle", peer_short_idle},
    {"/leave", peer_leave},
    {"/then-die", peer_then_die},
    {"/two-at-once", peer_two_at_once},
    {"/one-and-one", peer_one_and_one},
    {"/close", peer_close},
    {"/reset", peer_reset},
    {"/silent", peer_silent},
    {"/slow-body", peer_slow_body},
    {"/slow-head", peer_slow_head},
    {"/huge", peer_huge},
    {"/endless", peer_endless},
    {"/endless-headers", peer_endless_headers},
    {"/endless-interim", peer_endless_interim},
    {"/short", peer_short},
    {"/short-chunk", peer_short_chunk},
    {"/bad-chunk", peer_bad_chunk},
    {"/half-head", peer_half_head},
    {"/garbage", peer_garbage},
    {"/bad-status", peer_bad_status},
    {"/switching", peer_switching},
    {"/bad-length", peer_bad_length},
};

/* ---- connections ---- */

static size_t peer_body_length(const char *request)
{
    const char *header = strcasestr(request, "\r\nContent-Length:");
    return header ? (size_t)strtoul(header + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

static bool peer_is_whole(const char *request, size_t len)
{
    const char *end = strstr(request, "\r\n\r\n");
    return end && len >= (size_t)(end + 4 - request) + peer_body_length(request);
}

static bool peer_read(peer_connection *c)
{
    size_t len = 0;
    c->request[0] = '\0';
    while (!peer_is_whole(c->request, len)) {
        size_t room = sizeof c->request - 1 - len;
        long got = recv(c->fd, c->request + len, room, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        c->request[len] = '\0';
    }
    return true;
}

/* The path of "GET /path?query HTTP/1.1", or, as a proxy is asked, of "GET http://host/path
 * HTTP/1.1". */
static bool peer_is_path(const char *request, const char *path)
{
    const char *target = strchr(request, ' ');
    if (!target++)
        return false;
    if (strncmp(target, "http://", 7) == 0)
        target = strchr(target + 7, '/');
    size_t len = strlen(path);
    return target && strncmp(target, path, len) == 0 && (target[len] == ' ' || target[len] == '?');
}

static bool peer_serve(peer_connection *c)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    if (!peer_read(c))
        return false;
    atomic_fetch_add(&c->of->seen->requests, 1);
    pthread_mutex_lock(&one_at_a_time);
    memcpy(c->of->seen->last, c->request, strlen(c->request) + 1);
    pthread_mutex_unlock(&one_at_a_time);
    if (c->dies)
        return false;
    for (size_t i = 0; i < sizeof peer_paths / sizeof *peer_paths; i++)
        if (peer_is_path(c->request, peer_paths[i].path)) {
            const bool stays = peer_paths[i].behave(c);
            atomic_fetch_add(&c->of->seen->answers, 1);
            return stays;
        }
    return peer_say(c, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

static void *peer_converse(void *data)
{
    peer_connection *c = data;
    while (peer_serve(c))
        continue;
    close(c->fd);
    atomic_fetch_add(&c->of->seen->closed, 1);
    free(c);
    return NULL;
}

/* ---- the process ---- */

/* At 127.0.0.last; at any port where none is given. */
static int peer_listen_at(unsigned last, int backlog, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(0x7f000000u + last),
                                  .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer_must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                  listen(fd, backlog) == 0 &&
                  getsockname(fd, (struct sockaddr *)&address, &len) == 0,
              "no port to listen on");
    *port = ntohs(address.sin_port);
    return fd;
}

static int peer_listen(int backlog, int *port)
{
    *port = 0;
    return peer_listen_at(1, backlog, port);
}

static void peer_run(const peer *it)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int fd = accept(it->listener, NULL, NULL);
        peer_connection *c = calloc(1, sizeof *c);
        pthread_t thread;
        if (fd < 0 || !c)
            _exit(1);
        atomic_fetch_add(&it->seen->connections, 1);
        c->of = it;
        c->fd = fd;
        if (pthread_create(&thread, NULL, peer_converse, c) != 0)
            _exit(1);
        pthread_detach(thread);
    }
}

static void peer_start_at(peer *it, unsigned last, int port)
{
    it->port = port;
    it->listener = peer_listen_at(last, 128, &it->port);
    it->seen =
        mmap(NULL, sizeof *it->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    peer_must(it->seen != MAP_FAILED, "no shared memory");
    fflush(stdout);
    it->pid = fork();
    peer_must(it->pid >= 0, "no process");
    if (it->pid == 0)
        peer_run(it);
    close(it->listener);
}

static void peer_start(peer *it)
{
    peer_start_at(it, 1, 0);
}

/* Waits until there are so many of what a peer has seen. False where that takes forever. */
__attribute__((unused)) static bool peer_comes_to(const atomic_int *seen, int count)
{
    for (int i = 0; i < 4000; i++) {
        if (atomic_load(seen) >= count)
            return true;
        usleep(5000);
    }
    return false;
}

static void peer_stop(peer *it)
{
    kill(it->pid, SIGKILL);
    waitpid(it->pid, NULL, 0);
    munmap(it->seen, sizeof *it->seen);
}

#endif
