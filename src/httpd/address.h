/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* address.h - takes a token, or the code of a login, out of a request's address, before the backend, a
 * rewrite rule or the access log reads it there (RFC 6750 section 2.3) */
#ifndef GATE_HTTPD_ADDRESS_H
#define GATE_HTTPD_ADDRESS_H

#include "httpd/request.h"

/* The translate_name hook, first of all, and again where the gate looks at a request that has come
 * by another way, or is about to be served. Takes code and state from the callback, nothing from the
 * gate's other endpoints, and elsewhere what OIDCGateTokenFrom names. Always DECLINED. */
int gate_take_query(request_rec *r);

/* The query with which r, or the request that it was made from, came before something was taken out
 * of it; NULL where nothing was. */
const char *gate_taken_query(request_rec *r);

#endif
