/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* endpoints.h - the gate's own addresses under OIDCGatePath: callback, login, logout, whoami, and
 * the page that says why not */
#ifndef GATE_HTTPD_ENDPOINTS_H
#define GATE_HTTPD_ENDPOINTS_H

#include <stdbool.h>

#include "httpd/module.h"

/* The check_access_ex hook: the endpoints are open, whatever the Location they fall into says. */
int gate_open_endpoint(request_rec *r);
/* Whether the request is for the one to which the provider sends people back. */
bool gate_is_callback(request_rec *r);
/* The translate_name and map_to_storage hooks: no rewriting, no proxying, no file stands in their
 * way. */
int gate_claim_endpoint(request_rec *r);
/* The handler. */
int gate_serve_endpoint(request_rec *r);

#endif
