/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* page.h - what people and programs get to read from the gate itself */
#ifndef GATE_HTTPD_PAGE_H
#define GATE_HTTPD_PAGE_H

#include "httpd/request.h"

/* Answers with the page, or the JSON, that says why not; r->status and its headers are set. state
 * is that of the request that was refused. */
int gate_page_refusal(request_rec *r, const gate_state *state, int status);

/* "You are signed out." */
int gate_page_signed_out(request_rec *r);

/* An empty page that only a page of that issuer may have in a frame; NULL: none. */
int gate_page_framed(request_rec *r, const char *issuer);

/* Sends JSON text. */
int gate_page_json(request_rec *r, const char *json);

#endif
