/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* fetch.h - one HTTP request to a provider, with a deadline and a size, over kept-alive connections
 * (libcurl) */
#ifndef GATE_IO_FETCH_H
#define GATE_IO_FETCH_H

#include "base/message.h"
#include "base/reason.h"
#include "base/span.h"

/* OIDCGateHTTP, and what the client authentication needs on the wire. */
typedef struct gate_fetch_limits {
    int connect_ms, total_ms;
    apr_size_t max_body;     /* bytes of the answer's body */
    const char *ca_file;     /* NULL: the system's */
    const char *proxy;       /* NULL: none, whatever the environment says */
    const char *proxy_credentials; /* "user:password", for the proxy alone; NULL: none */
    const char *no_proxy; /* hosts and domains reached without it, parted by commas; NULL: none */
    const char *client_cert; /* for tls_client_auth, else NULL */
    const char *client_key;
} gate_fetch_limits;

typedef struct gate_fetcher gate_fetcher;

/* Readies the library: once per process image, before children are forked and before any thread
 * runs. */
apr_status_t gate_fetch_setup(void);

/* The connections of one process: handles are kept and shared out to threads. Made in the child,
 * never before fork; everything is closed when p goes. NULL where there is no mutex for it. */
gate_fetcher *gate_fetcher_make(apr_pool_t *p);

/* Asks, and waits. GATE_OK: there is an answer, whatever its status; its body is in p.
 * IDP_UNREACHABLE: no connection, in time or at all, or a certificate that does not verify; nothing
 * was sent. IDP_TIMEOUT: total_ms ran out after that. IDP_ERROR: an answer that breaks off, is no
 * HTTP, or is larger than max_body.
 * *detail (may be NULL) then says what happened, without any secret.
 *
 * Redirects are not followed: a 302 is an answer of that status. Only http and https, no cookies,
 * no compression asked for, no proxy from the environment, certificates and names verified always.
 * A request goes out once: only one whose kept-alive connection was closed by the peer before a
 * byte of it was answered is sent again, and of those only a GET (a POST may have been acted upon,
 * unless not one byte of it had left). */
gate_reason gate_fetch(gate_fetcher *fetcher, apr_pool_t *p, const gate_question *question,
                       const gate_fetch_limits *limits, gate_answer *answer, const char **detail);

#endif
