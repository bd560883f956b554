/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* explain.h - why a request is let in or not: SetHandler oidc-gate-explain */
#ifndef GATE_HTTPD_EXPLAIN_H
#define GATE_HTTPD_EXPLAIN_H

#include "gate/gate.h"
#include "httpd/module.h"

/* Answers the question in `parameters` (a query, or the form of a POST) of r, whose caller is known
 * to be an administrator; q is the same request as the gate sees it, and site may be NULL. ADMIT:
 * *json is the answer, in r->pool. Else what is wrong with the question.
 *
 *   path=/app/x      what holds there, and how a request for it is decided, step by step
 *   method=POST      of that request; GET where not said
 *   as=browser       a browser opens it as a page; else a program asks
 *   who=nobody       who brings nothing; else whoever asks here, with the credentials they came
 * with token=...        who brings that token; in a POST alone ask=yes          the provider is
 * asked where it would be; in a POST alone. Else nothing is asked and nothing is changed, and where
 * that decides, the decision stays open digest=...       what the store knows by that name of a
 * credential ("cred=" in the log)
 */
gate_decision gate_explain(request_rec *r, const gate_request *q, gate_span parameters,
                           const gate_site *site, const char **json);

#endif
