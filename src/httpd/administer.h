/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* administer.h - the handlers for administrators: who asks, and whether anybody else could */
#ifndef GATE_HTTPD_ADMINISTER_H
#define GATE_HTTPD_ADMINISTER_H

#include "httpd/module.h"

/* SetHandler oidc-gate-sessions: an administrator ends sessions. */
int gate_serve_sessions(request_rec *r);
/* SetHandler oidc-gate-explain: an administrator asks why. */
int gate_serve_explain(request_rec *r);
/* SetHandler oidc-gate-status: how the gate is doing. */
int gate_serve_status(request_rec *r);

#endif
