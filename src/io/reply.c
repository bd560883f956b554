/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* reply.c - strict where it matters which byte belongs to which answer: lengths and chunks that
 * could be read in two ways are refused, and a connection on which anything was odd is not used
 * again (RFC 9112 section 6.3). What is of no use here (trailers, chunk extensions, most headers)
 * is counted and passed over. */
#include "io/reply.h"

#include <stdlib.h>

#include <apr_strings.h>

#include "base/seal.h"

#define BUFFER_FIRST_BYTES (8 * 1024)
#define BUFFER_KEPT_BYTES  (64 * 1024)
#define BUFFER_STEP_BYTES  1024 /* with less room than that there is more made */
#define KEEP_SECONDS_MAX   3600

/* What a step of reading comes to; the others are gate_reply_part's. */
typedef enum progress { ON = GATE_REPLY_BAD + 1 } progress;

static int bad(gate_reply *r, const char *problem)
{
    r->problem = problem;
    r->keeps = false;
    return GATE_REPLY_BAD;
}

/* --- headers --- */

static bool take_length(gate_reply *r, gate_span value)
{
    apr_uint64_t length;

    if (!gate_span_number(value, APR_INT64_MAX, &length) || (r->has_length && length != r->left))
        return false;
    r->has_length = true;
    r->left = length;
    return true;
}

/* No other coding was asked for. */
static bool take_coding(gate_reply *r, gate_span value)
{
    const bool good = !r->is_chunked && gate_span_equal_nocase(value, GATE_SPAN("chunked"));

    r->is_chunked = true;
    return good;
}

static bool take_connection(gate_reply *r, gate_span value)
{
    gate_span option;

    while (gate_span_cut(&value, ',', &option)) {
        if (gate_span_equal_nocase(gate_span_trim(option), GATE_SPAN("close")))
            r->keeps = false;
    }
    return true;
}

/* "timeout=5, max=100" */
static bool take_keep_alive(gate_reply *r, gate_span value)
{
    gate_span parameter, name;

    while (gate_span_cut(&value, ',', &parameter)) {
        gate_span rest = gate_span_trim(parameter);
        apr_uint64_t seconds;

        if (gate_span_cut(&rest, '=', &name) &&
            gate_span_equal_nocase(name, GATE_SPAN("timeout")) &&
            gate_span_number(rest, KEEP_SECONDS_MAX, &seconds))
            r->keep_seconds = (apr_int64_t)seconds;
    }
    return true;
}

static bool take_content_type(gate_reply *r, gate_span value)
{
    r->content_type = gate_span_dup(r->pool, value);
    return true;
}

static bool take_retry_after(gate_reply *r, gate_span value)
{
    r->retry_after = gate_span_dup(r->pool, value);
    return true;
}

static bool take_date(gate_reply *r, gate_span value)
{
    r->date = gate_span_dup(r->pool, value);
    return true;
}

#define NAMED(name) {name, sizeof(name) - 1}
static const struct {
    gate_span name;
    bool (*take)(gate_reply *r, gate_span value);
    const char *problem; /* where the value will not do */
} headers[] = {
    {NAMED("content-length"), take_length, "a Content-Length that is none"},
    {NAMED("transfer-encoding"), take_coding, "a Transfer-Encoding that was not asked for"},
    {NAMED("connection"), take_connection, NULL},
    {NAMED("keep-alive"), take_keep_alive, NULL},
    {NAMED("content-type"), take_content_type, NULL},
    {NAMED("retry-after"), take_retry_after, NULL},
    {NAMED("date"), take_date, NULL},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A line that goes on with the one before (RFC 9112 section 5.2) may do so where that one is of no
 * interest. */
static int read_header(gate_reply *r, gate_span line)
{
    gate_span name;

    if (is_blank(line.ptr[0]))
        return r->is_skipping ? ON : bad(r, "a header over several lines");
    if (!memchr(line.ptr, ':', line.len) || !gate_span_cut(&line, ':', &name) || !name.len ||
        is_blank(name.ptr[name.len - 1])) /* RFC 9112 section 5.1 */
        return bad(r, "a header line that is none");
    r->is_skipping = true;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        if (!gate_span_equal_nocase(name, headers[i].name))
            continue;
        r->is_skipping = false;
        return headers[i].take(r, gate_span_trim(line)) ? ON : bad(r, headers[i].problem);
    }
    return ON;
}

/* --- the parts of an answer --- */

/* "HTTP/1.1 200 OK"; what stands behind the number is for people. */
static int read_status(gate_reply *r, gate_span line)
{
    apr_uint64_t number;

    if (line.len < 12 || !gate_span_starts(line, "HTTP/1.") || line.ptr[8] != ' ' ||
        (line.len > 12 && line.ptr[12] != ' ') ||
        (line.ptr[7] != '1' && line.ptr[7] != '0') ||
        !gate_span_number((gate_span){line.ptr + 9, 3}, 999, &number))
        return bad(r, "this is no HTTP/1.1");
    if (number < 100 || number > 599 || number == 101) /* nothing was asked to be switched to */
        return bad(r, "a status that does not exist");
    r->status = (int)number;
    r->content_type = r->retry_after = r->date = NULL;
    r->has_length = r->is_chunked = r->is_skipping = false;
    r->left = 0;
    r->keep_seconds = -1;
    r->keeps = line.ptr[7] == '1';
    r->stage = GATE_REPLY_HEADERS;
    return ON;
}

static const char too_large[] = "the answer is larger than OIDCGateHTTP maxbody=";

/* The empty line behind the headers: how the body's end will be known (RFC 9112 section 6.3). */
static int begin_body(gate_reply *r)
{
    if (r->status < 200) {
        r->stage = GATE_REPLY_STATUS;
        return ON;
    }
    r->body = r->body_end = r->at;
    if (r->status == 204 || r->status == 304) {
        r->left = 0;
        r->stage = GATE_REPLY_BODY;
    } else if (r->is_chunked) {
        r->keeps = r->keeps && !r->has_length;
        r->stage = GATE_REPLY_CHUNK_SIZE;
    } else if (r->has_length) {
        if (r->left > r->max_body)
            return bad(r, too_large);
        r->stage = GATE_REPLY_BODY;
    } else {
        r->keeps = false;
        r->stage = GATE_REPLY_UNTIL_CLOSE;
    }
    return ON;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a2;name=value" */
static int read_chunk_size(gate_reply *r, gate_span line)
{
    const apr_size_t most = r->max_body - (r->body_end - r->body);
    gate_span size;

    if (!gate_span_cut(&line, ';', &size) || !(size = gate_span_trim(size)).len)
        return bad(r, "a chunk that is none");
    r->left = 0;
    for (size_t i = 0; i < size.len; i++) {
        if (digit_of(size.ptr[i]) < 0)
            return bad(r, "a chunk that is none");
        r->left = r->left * 16 + (apr_uint64_t)digit_of(size.ptr[i]);
        if (r->left > most)
            return bad(r, too_large);
    }
    r->stage = r->left ? GATE_REPLY_CHUNK : GATE_REPLY_TRAILERS;
    return ON;
}

static int read_line(gate_reply *r, gate_span line)
{
    switch (r->stage) {
    case GATE_REPLY_STATUS:
        return read_status(r, line);
    case GATE_REPLY_HEADERS:
        return line.len ? read_header(r, line) : begin_body(r);
    case GATE_REPLY_CHUNK_SIZE:
        return read_chunk_size(r, line);
    case GATE_REPLY_CHUNK_END:
        if (line.len)
            return bad(r, "a chunk that does not end where it said");
        r->stage = GATE_REPLY_CHUNK_SIZE;
        return ON;
    default: /* trailers */
        if (!line.len)
            r->stage = GATE_REPLY_DONE;
        return ON;
    }
}

/* The next line, and what it means. */
static int step_line(gate_reply *r)
{
    const char *from = r->bytes + r->at;
    const apr_size_t there = r->filled - r->at;
    const char *end = memchr(from, '\n', there);
    const apr_size_t taken = end ? (apr_size_t)(end - from) + 1 : there;
    gate_span line = {from, taken - (end != NULL)};

    if (taken > GATE_REPLY_HEAD_MAX - r->head_bytes)
        return bad(r, "the answer's headers are too large");
    if (!end)
        return GATE_REPLY_MORE;
    r->head_bytes += taken;
    r->at += taken;
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (memchr(line.ptr, '\0', line.len))
        return bad(r, "a NUL in the answer's headers");
    return read_line(r, line);
}

/* As much of the body as is there, put behind what there was of it. */
static int step_body(gate_reply *r)
{
    const apr_size_t there = r->filled - r->at;
    const apr_size_t taken = there < r->left ? there : (apr_size_t)r->left;

    if (r->at != r->body_end)
        memmove(r->bytes + r->body_end, r->bytes + r->at, taken);
    r->at += taken;
    r->body_end += taken;
    r->left -= taken;
    if (r->left)
        return GATE_REPLY_MORE;
    r->stage = r->stage == GATE_REPLY_CHUNK ? GATE_REPLY_CHUNK_END : GATE_REPLY_DONE;
    return ON;
}

static int step(gate_reply *r)
{
    switch (r->stage) {
    case GATE_REPLY_BODY:
    case GATE_REPLY_CHUNK:
        return step_body(r);
    case GATE_REPLY_UNTIL_CLOSE:
        r->body_end = r->at = r->filled;
        return r->body_end - r->body > r->max_body ? bad(r, too_large) : GATE_REPLY_MORE;
    case GATE_REPLY_DONE:
        if (r->at != r->filled) /* bytes that nobody asked for */
            r->keeps = false;
        return GATE_REPLY_WHOLE;
    default:
        return step_line(r);
    }
}

/* What was read of the framing makes room for what comes. */
static void close_gap(gate_reply *r)
{
    if (r->stage < GATE_REPLY_CHUNK_SIZE || r->at == r->body_end)
        return;
    memmove(r->bytes + r->body_end, r->bytes + r->at, r->filled - r->at);
    r->filled -= r->at - r->body_end;
    r->at = r->body_end;
}

/* --- the whole --- */

void gate_reply_begin(gate_reply *r, apr_pool_t *p, apr_size_t max_body)
{
    *r = (gate_reply){.pool = p, .max_body = max_body, .bytes = r->bytes, .room = r->room};
}

char *gate_reply_room(gate_reply *r, apr_size_t *room)
{
    if (r->room - r->filled < BUFFER_STEP_BYTES) {
        const apr_size_t wanted = r->room ? r->room * 2 : BUFFER_FIRST_BYTES;
        char *larger = malloc(wanted);

        if (!larger)
            return NULL;
        if (r->filled)
            memcpy(larger, r->bytes, r->filled);
        gate_wipe_and_free(r->bytes);
        r->bytes = larger;
        r->room = wanted;
    }
    *room = r->room - r->filled;
    return r->bytes + r->filled;
}

gate_reply_part gate_reply_take(gate_reply *r, apr_size_t count)
{
    int outcome = ON;

    r->filled += count;
    if (r->filled > r->most_filled)
        r->most_filled = r->filled;
    while (outcome == ON)
        outcome = step(r);
    if (outcome == GATE_REPLY_MORE)
        close_gap(r);
    return (gate_reply_part)outcome;
}

gate_reply_part gate_reply_end(gate_reply *r)
{
    if (r->stage == GATE_REPLY_UNTIL_CLOSE)
        return GATE_REPLY_WHOLE;
    return (gate_reply_part)bad(r, r->head_bytes || r->filled
                                       ? "the answer breaks off"
                                       : "the connection was closed without an answer");
}

gate_span gate_reply_body(const gate_reply *r)
{
    return (gate_span){r->bytes + r->body, r->body_end - r->body};
}

void gate_reply_forget(gate_reply *r)
{
    if (r->room > BUFFER_KEPT_BYTES) {
        gate_reply_free(r);
        return;
    }
    gate_wipe(r->bytes, r->most_filled);
    r->filled = r->most_filled = 0;
}

void gate_reply_free(gate_reply *r)
{
    gate_wipe_and_free(r->bytes);
    r->bytes = NULL;
    r->room = r->filled = 0;
}
