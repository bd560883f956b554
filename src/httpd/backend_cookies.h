/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* backend_cookies.h - no backend gives a browser a session */
#ifndef GATE_HTTPD_BACKEND_COOKIES_H
#define GATE_HTTPD_BACKEND_COOKIES_H

#include "httpd/module.h"

void gate_register_cookie_filter(void);
void gate_watch_cookies(request_rec *r); /* insert_filter: where the host has a gate */

#endif
