/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* preflight.h - the question that a browser asks before a script of another origin may ask its own
 * (Fetch section 4.8) */
#ifndef GATE_HTTPD_PREFLIGHT_H
#define GATE_HTTPD_PREFLIGHT_H

#include "httpd/module.h"

/* The check_access_ex hooks. Where OIDCGatePreflight is pass, such a question goes on as nobody's,
 * without credentials, whatever it brings along: that is noted before any rule is asked, */
int gate_note_preflight(request_rec *r);
/* and it passes where httpd's rules want nothing but a name. OK, or DECLINED. */
int gate_pass_preflight(request_rec *r);

#endif
