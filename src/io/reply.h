/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* reply.h - reading an HTTP/1.1 answer as its bytes come in (RFC 9112); who brings them is the
 * caller's affair */
#ifndef GATE_IO_REPLY_H
#define GATE_IO_REPLY_H

#include "base/span.h"

#define GATE_REPLY_HEAD_MAX (64 * 1024) /* interim answers, chunk sizes and trailers counted */

typedef enum gate_reply_part {
    GATE_REPLY_MORE,  /* it goes on */
    GATE_REPLY_WHOLE, /* it is complete */
    GATE_REPLY_BAD    /* it is none, or larger than allowed: see problem */
} gate_reply_part;

/* Where in an answer the next byte stands. */
typedef enum gate_reply_stage {
    GATE_REPLY_STATUS,
    GATE_REPLY_HEADERS,
    GATE_REPLY_BODY, /* of a length that was said */
    GATE_REPLY_UNTIL_CLOSE,
    GATE_REPLY_CHUNK_SIZE,
    GATE_REPLY_CHUNK,
    GATE_REPLY_CHUNK_END,
    GATE_REPLY_TRAILERS,
    GATE_REPLY_DONE
} gate_reply_stage;

/* One answer. All zero before the first; the buffer stays from one to the next. */
typedef struct gate_reply {
    /* what it says, once it is WHOLE */
    int status;               /* 200 to 599 */
    const char *content_type; /* as they were written; NULL: not said */
    const char *retry_after;
    const char *date;
    bool keeps; /* the connection may be used again */
    apr_int64_t keep_seconds; /* how long it may be idle, by Keep-Alive; -1: not said */
    const char *problem;      /* what is wrong with it, where it is BAD */

    /* where the reading is */
    apr_pool_t *pool;
    apr_size_t max_body;
    gate_reply_stage stage;
    char *bytes;
    apr_size_t room, filled, at; /* of bytes: how many there can be, are, and have been read */
    apr_size_t most_filled;      /* chunks were there too, before they were put together */
    apr_size_t head_bytes;
    apr_size_t body, body_end; /* where the body stands in bytes */
    apr_uint64_t left;         /* of the body or the chunk */
    bool has_length, is_chunked, is_skipping;
} gate_reply;

/* Begins with a new answer. What is kept of its headers goes into p; its body may have max_body
 * bytes. */
void gate_reply_begin(gate_reply *reply, apr_pool_t *p, apr_size_t max_body);

/* Where the next bytes are to be put, and how many there can be: at least one. NULL where there is
 * no memory. */
char *gate_reply_room(gate_reply *reply, apr_size_t *room);

/* As many were put there. */
gate_reply_part gate_reply_take(gate_reply *reply, apr_size_t count);

/* The connection was closed in an orderly way: WHOLE where that is how the answer ends, else
 * BAD. */
gate_reply_part gate_reply_end(gate_reply *reply);

/* The body of one that is WHOLE, until the next call with it. */
gate_span gate_reply_body(const gate_reply *reply);

/* Overwrites what was read, and gives back a buffer that has become large. */
void gate_reply_forget(gate_reply *reply);

/* Gives back all of it. */
void gate_reply_free(gate_reply *reply);

#endif
