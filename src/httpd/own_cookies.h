/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* own_cookies.h - the gate's cookies, which are its alone to set */
#ifndef GATE_HTTPD_OWN_COOKIES_H
#define GATE_HTTPD_OWN_COOKIES_H

#include "gate/gate.h"
#include "httpd/module.h"

/* Sets the decision's cookies, whatever becomes of the answer. A part of a page sets none. */
void gate_set_cookies(request_rec *r, const gate_decision *decision);

void gate_register_cookie_filter(void);
void gate_watch_cookies(request_rec *r); /* insert_filter, insert_error_filter: where the host has a
                                            gate */

#endif
