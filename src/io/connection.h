/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* connection.h - one connection to a provider over which bytes go, with TLS where its address says
 * so (libcurl) */
#ifndef GATE_IO_CONNECTION_H
#define GATE_IO_CONNECTION_H

#include <apr_time.h>

#include "base/url.h"
#include "io/fetch.h"

typedef struct gate_connection gate_connection;

/* What became of an attempt to send or receive. */
typedef enum gate_carried {
    GATE_CARRIED,      /* some bytes, or all */
    GATE_CARRIED_END,  /* the peer has closed in an orderly way */
    GATE_CARRIED_LATE, /* the deadline has passed */
    GATE_CARRIED_CUT   /* the connection is no more */
} gate_carried;

/* Readies the library: once per process image, before children are forked and before any thread
 * runs. */
apr_status_t gate_connection_setup(void);

/* One that is good for that origin ("https://id.example.com") and goes there as the limits say; it
 * is not open yet. Nothing is borrowed. NULL where there is no memory. */
gate_connection *gate_connection_make(const char *origin, const gate_fetch_limits *limits);

/* NULL is fine. */
void gate_connection_free(gate_connection *c);

/* Connects, whether it was open before or not; what was learnt before (the provider's address, the
 * TLS session, the certificates that are believed) is used again. limits are those that it was made
 * with. IDP_UNREACHABLE where that fails, or takes longer than connect_ms or what is left until the
 * deadline; *message (in p) then says why. */
gate_reason gate_connection_open(gate_connection *c, apr_pool_t *p,
                                 const gate_fetch_limits *limits, apr_time_t deadline,
                                 const char **message);

/* Whether it is open and nothing has come in that nobody asked for: neither bytes nor its end. */
bool gate_connection_is_quiet(gate_connection *c);

/* Sends all of it, or as much as can be sent until the deadline (gate_connection_clock); *sent says
 * how much. */
gate_carried gate_connection_send(gate_connection *c, gate_span bytes, apr_time_t deadline,
                                  apr_size_t *sent);

/* Waits for bytes, and takes as many as are there, at most room. */
gate_carried gate_connection_receive(gate_connection *c, char *bytes, apr_size_t room,
                                     apr_time_t deadline, apr_size_t *count);

/* What libcurl has said of the last failure to send or receive; "" for nothing. Lives as long as c
 * is not opened again. */
const char *gate_connection_problem(const gate_connection *c);

/* Ends it, as far as it is open. */
void gate_connection_close(gate_connection *c);

/* Microseconds of a clock that nobody sets. */
apr_time_t gate_connection_clock(void);

#endif
