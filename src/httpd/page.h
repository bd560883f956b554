/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* page.h - what people get to see of the gate itself: plain pages, light and dark, without a script
 */
#ifndef GATE_HTTPD_PAGE_H
#define GATE_HTTPD_PAGE_H

#include "httpd/request.h"

/* What a form of these pages says beside what it asks for, so that its answer is a page as well. */
#define GATE_PAGE_FIELD "by"
#define GATE_PAGE_VALUE "page"

/* Answers with the page, or the JSON, that says why not; r->status and its headers are set. state
 * is that of the request that was refused. */
int gate_page_refusal(request_rec *r, const gate_state *state, int status);

/* "You are signed out." */
int gate_page_signed_out(request_rec *r);

/* A page for administrators; title and text are plain, the rest is HTML. */
int gate_page_report(request_rec *r, const char *title, const char *text, const char *rest);

/* A page that leads to another address by itself, or by its link; title and text are plain. */
int gate_page_leading(request_rec *r, const char *title, const char *text, const char *location);

/* An empty page that only a page of that issuer may have in a frame; NULL: none. */
int gate_page_framed(request_rec *r, const char *issuer);

#endif
