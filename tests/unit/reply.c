/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/reply.h"

#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tap.h"

static apr_pool_t *p;

#define MAX_BODY 20

static const struct {
    const char *bytes;
    int status;
    const char *body;
    bool keeps;
    const char *name;
} good[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 200, "abcde", true, "a length"},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", true, "no word behind the status"},
    {"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", 200, "ab", true, "lines without CR"},
    {"HTTP/1.1 200 OK\r\ncontent-LENGTH:2 \r\n\r\nab", 200, "ab", true, "names in any case"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200, "ab", true,
     "the same length twice"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789", 200,
     "01234567890123456789", true, "as much as there may be"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
     200, "abcde", true, "chunks"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00A\r\n0123456789\r\n"
     "a \r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n",
     200, "01234567890123456789", true, "chunks with trailers"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n1\r\na\r\n0\r\n\r\n",
     200, "a", false, "chunks and a length: the chunks count, and it is over"},
    {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 204, "", true, "a status without a body"},
    {"HTTP/1.1 304 No\r\n\r\n", 304, "", true, "... nor with a length"},
    {"HTTP/1.1 103 Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n"
     "Content-Length: 1\r\n\r\na",
     200, "a", true, "an interim answer"},
    {"HTTP/1.1 401 No\r\nConnection: x , Close\r\nContent-Length: 1\r\n\r\na", 401, "a", false,
     "it says that it closes"},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false, "an older version"},
    {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\na", 200, "a", true,
     "a header over two lines that nobody reads"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", 200, "a", false,
     "bytes behind its end: it is whole, and the last on its connection"},
};

static const struct {
    const char *bytes, *name;
} bad[] = {
    {"HTTP/2 200\r\n\r\n", "another version"},
    {"HTTP/1.2 200 OK\r\n\r\n", "a version that there is not"},
    {"HTTP/1.1 20 OK\r\n\r\n", "a status of two digits"},
    {"HTTP/1.1 2000 OK\r\n\r\n", "a status of four"},
    {"HTTP/1.1 099 OK\r\n\r\n", "a status below 100"},
    {"HTTP/1.1 600 OK\r\n\r\n", "a status above 599"},
    {"HTTP/1.1 +20 OK\r\n\r\n", "a status that is no number"},
    {"HTTP/1.1 101 Switching\r\n\r\n", "another protocol"},
    {"\r\nHTTP/1.1 200 OK\r\n\r\n", "an empty line in front"},
    {"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "a line that is no header"},
    {"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "a header without a name"},
    {"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na", "a blank before the colon"},
    {"HTTP/1.1 200 OK\r\n Content-Length: 1\r\n\r\na", "a header that goes on with none"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\na", "a length over two lines"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "two lengths"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "two lengths in one"},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na", "a length below nothing"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\na", "a length in other digits"},
    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\na", "an empty length"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na", "a length beyond numbers"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", "more than there may be"},
    {"HTTP/1.1 200 OK\r\n\r\n012345678901234567890", "more than there may be, until the end"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "another coding"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "... even none"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "chunks of chunks"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "a chunk that is none"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "a chunk without a size"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\n", "... but for its extension"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "a chunk below nothing"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", "a prefix"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n", "a chunk that is too large"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n",
     "a chunk beyond numbers"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n1\r\n",
     "one chunk too many"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
     "a chunk longer than it says"},
};

/* Brings the bytes in steps, until it is told that there need be no more. */
static gate_reply_part bring(gate_reply *reply, const char *bytes, size_t len, size_t step)
{
    gate_reply_part part = GATE_REPLY_MORE;

    for (size_t at = 0; at < len && part == GATE_REPLY_MORE;) {
        apr_size_t room;
        char *to = gate_reply_room(reply, &room);
        size_t count = step < len - at ? step : len - at;

        if (count > room)
            count = room;
        memcpy(to, bytes + at, count);
        at += count;
        part = gate_reply_take(reply, count);
    }
    return part;
}

static void test_good(void)
{
    gate_reply reply = {.bytes = NULL};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const size_t len = strlen(good[i].bytes);
        size_t right = 0;

        for (size_t step = 1; step <= len; step++) {
            gate_reply_part part;

            gate_reply_begin(&reply, p, MAX_BODY);
            part = bring(&reply, good[i].bytes, len, step);
            /* What lies behind the end may not have come in yet. */
            right += part == GATE_REPLY_WHOLE && reply.status == good[i].status &&
                     gate_span_is(gate_reply_body(&reply), good[i].body) &&
                     (reply.keeps == good[i].keeps || (step < len && !good[i].keeps));
            gate_reply_forget(&reply);
        }
        ok(right == len, "%s, in steps of 1 to %zu bytes (%zu)", good[i].name, len, right);
    }
    gate_reply_free(&reply);
}

static void test_bad(void)
{
    gate_reply reply = {.bytes = NULL};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const size_t len = strlen(bad[i].bytes);
        size_t right = 0;

        for (size_t step = 1; step <= len; step++) {
            gate_reply_begin(&reply, p, MAX_BODY);
            right += bring(&reply, bad[i].bytes, len, step) == GATE_REPLY_BAD && !reply.keeps &&
                     reply.problem;
        }
        ok(right == len, "%s: %s", bad[i].name, reply.problem);
    }
    gate_reply_begin(&reply, p, MAX_BODY);
    ok(bring(&reply, "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", 28, 100) == GATE_REPLY_BAD, "a NUL: %s",
       reply.problem);
    gate_reply_free(&reply);
}

/* Each of the good ones, broken off. */
static void test_ends(void)
{
    static const char until[] = "HTTP/1.1 200 OK\r\n\r\nabc";
    gate_reply reply = {.bytes = NULL};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t refused = 0, broken = 0;

        for (size_t len = 0; len < strlen(good[i].bytes); len++) {
            gate_reply_begin(&reply, p, MAX_BODY);
            if (bring(&reply, good[i].bytes, len, 7) != GATE_REPLY_MORE)
                break;
            broken++;
            refused += gate_reply_end(&reply) == GATE_REPLY_BAD;
        }
        ok(broken && refused == broken, "%s, broken off after any of %zu bytes", good[i].name,
           broken);
    }
    gate_reply_begin(&reply, p, MAX_BODY);
    gate_reply_end(&reply);
    is(reply.problem, "the connection was closed without an answer", "nothing at all");
    gate_reply_begin(&reply, p, MAX_BODY);
    ok(bring(&reply, until, strlen(until), 1) == GATE_REPLY_MORE &&
           gate_reply_end(&reply) == GATE_REPLY_WHOLE && !reply.keeps &&
           gate_span_is(gate_reply_body(&reply), "abc"),
       "without a length the end of the connection is that of the body");
    gate_reply_free(&reply);
}

static void test_members(void)
{
    static const char text[] = "HTTP/1.1 503 No\r\nContent-Type: text/plain; charset=x\r\nDate: now\r\n"
                               "Retry-After:  7 \r\nKeep-Alive: max=5, Timeout=9\r\n"
                               "Content-Length: 0\r\n\r\n";
    static const char bare[] = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=x, timeout\r\n"
                               "Content-Length: 0\r\n\r\n";
    static const char hints[] = "HTTP/1.1 103 Hints\r\nContent-Type: a/b\r\nConnection: close\r\n"
                                "Date: then\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    gate_reply reply = {.bytes = NULL};

    gate_reply_begin(&reply, p, MAX_BODY);
    ok(bring(&reply, text, strlen(text), 100) == GATE_REPLY_WHOLE, "an answer with headers");
    gate_reply_forget(&reply);
    is(reply.content_type, "text/plain; charset=x", "its type, when it is forgotten as well");
    is(reply.date, "now", "its date");
    is(reply.retry_after, "7", "when to come again");
    ok(reply.keep_seconds == 9, "how long its connection is kept");
    gate_reply_begin(&reply, p, MAX_BODY);
    bring(&reply, bare, strlen(bare), 1000);
    ok(!reply.content_type && !reply.date && !reply.retry_after && reply.keep_seconds == -1,
       "what is not said is not there");
    gate_reply_begin(&reply, p, MAX_BODY);
    ok(bring(&reply, hints, strlen(hints), 1000) == GATE_REPLY_WHOLE && !reply.content_type &&
           !reply.date && reply.keeps,
       "what an interim answer says is not the answer's");
    gate_reply_free(&reply);
}

/* As many bytes of heads as may be, in one line or in many. */
static void test_large_heads(void)
{
    static const struct {
        const char *first, *again, *name;
    } heads[] = {
        {"HTTP/1.1 200 OK\r\nX: ", "x", "a header that does not end"},
        {"HTTP/1.1 200 OK\r\n", "X: y\r\n", "headers that do not end"},
        {"", "HTTP/1.1 100 Go on\r\n\r\n", "interim answers that do not end"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;x=y\r\na\r\n",
         "chunks that have more to say of themselves than in them"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n",
         "trailers that do not end"},
    };
    gate_reply reply = {.bytes = NULL};

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        const size_t len = strlen(heads[i].again);
        size_t sent = 0;
        gate_reply_part part;

        gate_reply_begin(&reply, p, 10 * GATE_REPLY_HEAD_MAX);
        part = bring(&reply, heads[i].first, strlen(heads[i].first), 1000);
        while (part == GATE_REPLY_MORE && sent < 3 * GATE_REPLY_HEAD_MAX) {
            part = bring(&reply, heads[i].again, len, len);
            sent += len;
        }
        ok(part == GATE_REPLY_BAD && sent < 2 * GATE_REPLY_HEAD_MAX, "%s: %s", heads[i].name,
           reply.problem);
        gate_reply_forget(&reply);
    }
    gate_reply_free(&reply);
}

static void test_buffer(void)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    gate_reply reply = {.bytes = NULL};
    char *body = malloc(100001);
    apr_size_t room;

    memset(body, 'b', 100000);
    body[100000] = '\0';
    gate_reply_begin(&reply, p, 100000);
    bring(&reply, head, strlen(head), 100);
    ok(bring(&reply, body, 100000, 5000) == GATE_REPLY_WHOLE &&
           gate_span_is(gate_reply_body(&reply), body),
       "a large body");
    gate_reply_forget(&reply);
    ok(!reply.bytes, "its buffer is not kept");
    gate_reply_begin(&reply, p, 100);
    bring(&reply, good[0].bytes, strlen(good[0].bytes), 100);
    gate_reply_forget(&reply);
    gate_reply_room(&reply, &room);
    ok(room == reply.room && !memchr(reply.bytes, 'a', strlen(good[0].bytes)),
       "of a small one it is, and nothing is left in it");
    gate_reply_free(&reply);
    free(body);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_good();
    test_bad();
    test_ends();
    test_members();
    test_large_heads();
    test_buffer();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
