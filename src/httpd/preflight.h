/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* preflight.h - the question that a browser asks before a script of another origin may ask its own
 * (Fetch section 4.8) */
#ifndef GATE_HTTPD_PREFLIGHT_H
#define GATE_HTTPD_PREFLIGHT_H

#include "httpd/module.h"

/* The check_access_ex hook, before any rule is asked: where OIDCGatePreflight is pass, such a
 * question goes on as nobody's, without credentials, whatever it brings along. OK, or DECLINED. */
int gate_pass_preflight(request_rec *r);

#endif
