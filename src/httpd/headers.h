/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* headers.h - what strangers claim to be goes, what the backend is told comes */
#ifndef GATE_HTTPD_HEADERS_H
#define GATE_HTTPD_HEADERS_H

#include "httpd/module.h"

/* No hook is run first of all for a subrequest; so whoever looks at it first calls this. */
void gate_receive(request_rec *r);

/* Puts back what was withheld from the backend of this request, or of the one it was made from. */
void gate_restore(request_rec *r);

int gate_scrub(request_rec *r);            /* post_read_request: what strangers claim to be, goes */
int gate_refuse_trace(request_rec *r);     /* map_to_storage: TRACE shows what it was sent with */
int gate_withhold(request_rec *r);         /* fixups: the caller's credentials stay here */
int gate_publish(request_rec *r);          /* fixups: tell the backend */
int gate_publish_to_proxy(request_rec *r); /* mod_proxy's own fixups: once more, after it has
                                              dropped what Connection names */

#endif
