/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* status.h - how the gate is doing, for people, programs and Prometheus: SetHandler
 * oidc-gate-status */
#ifndef GATE_HTTPD_STATUS_H
#define GATE_HTTPD_STATUS_H

#include "gate/gate.h"
#include "httpd/module.h"

/* Answers in the form that the query asks for: ?json, ?metrics, else a page. The page of somebody
 * who may has a button for what gate_status_order does. No answer holds who somebody is, a client
 * id, a secret, or a path beyond those that are configured. */
int gate_status_show(request_rec *r, const gate_request *q, bool may_order);

/* What came of an order. */
typedef struct gate_status_outcome {
    int fetched; /* documents */
    const char *json, *paragraphs;
} gate_status_outcome;

/* Does what a form says: forget=metadata has all that is at hand of providers fetched anew; where
 * that fails, what was there stays. */
gate_decision gate_status_order(request_rec *r, const gate_request *q, const gate_site *site,
                                gate_span text, gate_status_outcome *outcome);
int gate_status_say(request_rec *r, const gate_status_outcome *outcome);

#endif
