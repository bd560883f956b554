/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/administer.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_request.h"

#include "gate/dismiss.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/explain.h"
#include "httpd/problem.h"
#include "httpd/status.h"
#include "httpd/visit.h"

/* --- who asks --- */

/* Whether the rules of this place let nobody in without a name: httpd's own engine is asked what it
 * would say to a request that has none. A name alone says nothing, for any may have been brought to
 * a place that lets everybody in. */
static bool is_named_place(request_rec *r)
{
    char *user = r->user;
    bool is_required;

    r->user = NULL;
    is_required = ap_some_authn_required(r);
    r->user = user;
    return is_required;
}

/* Whether the rules of this place would let in somebody without a name who comes from that address.
 * What they say meanwhile is not for the log. */
static bool lets_in(request_rec *r, const char *address)
{
    static const struct ap_logconf silence = {NULL, APLOG_EMERG};
    const request_rec as_it_is = *r;
    bool by_address, by_rules;

    if (apr_sockaddr_info_get(&r->useragent_addr, address, APR_UNSPEC, 0, 0, r->pool) !=
        APR_SUCCESS) {
        r->useragent_addr = as_it_is.useragent_addr;
        return false;
    }
    r->useragent_ip = apr_pstrdup(r->pool, address);
    r->useragent_host = apr_pstrdup(r->pool, ""); /* known to have no name */
    r->user = NULL;
    r->log = &silence;
    by_address = ap_run_access_checker(r) == OK;
    by_rules = ap_run_access_checker_ex(r) == OK;
    r->useragent_addr = as_it_is.useragent_addr;
    r->useragent_ip = as_it_is.useragent_ip;
    r->useragent_host = as_it_is.useragent_host;
    r->user = as_it_is.user;
    r->log = as_it_is.log;
    return ap_satisfies(r) == SATISFY_ANY ? by_address || by_rules : by_address && by_rules;
}

/* Whether anybody could come in here: strangers are imagined, from addresses that nobody has (RFC
 * 5737, RFC 3849), and httpd is asked about them. Of one family they must be let in from more than
 * one network, for somebody may have written one of these. */
static bool is_open_place(request_rec *r)
{
    return (lets_in(r, "192.0.2.1") && lets_in(r, "203.0.113.1")) || lets_in(r, "2001:db8::1");
}

static gate_decision refuse_place(const gate_visit *v, const char *wants, const char *else_)
{
    gate_decision decision =
        gate_refuse(GATE_CONFIG_ERROR, apr_psprintf(v->r->pool,
                                                    "%s wants a Require that asks %s: as it is, "
                                                    "anybody could %s",
                                                    v->r->handler, wants, else_));

    decision.verb = GATE_REFUSE;
    decision.status = HTTP_FORBIDDEN;
    return decision;
}

/* Whether an administrator is asking, in a way that this handler takes. */
static gate_decision admit_administrator(const gate_visit *v, unsigned methods, const char *else_)
{
    if (!v->r->user || !is_named_place(v->r))
        return refuse_place(v, "who it is, such as Require claim or Require user", else_);
    if (!gate_visit_is_by(v->r, methods))
        return gate_visit_refuse_method(v, methods);
    if (!gate_config_options()->used)
        return gate_refuse(GATE_CONFIG_ERROR, "nothing is guarded by this server");
    return (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
}

/* --- what is asked --- */

/* Whether the request is for that handler; then its visit is begun. */
static bool begin(request_rec *r, const char *handler, gate_visit *v)
{
    if (!r->handler || strcmp(r->handler, handler))
        return false;
    *v = gate_visit_begin(r);
    v->state->user = r->user;
    return true;
}

int gate_serve_sessions(request_rec *r)
{
    apr_uint64_t ended = 0;
    gate_decision decision;
    gate_visit v;

    if (!begin(r, "oidc-gate-sessions", &v))
        return DECLINED;
    decision = admit_administrator(&v, GATE_POST_ONLY, "end sessions");
    if (decision.verb != GATE_ADMIT)
        return gate_visit_answer(&v, decision);
    decision = gate_dismiss_by_order(&v.q, v.site, v.w, gate_visit_form(r), &ended);
    if (decision.verb != GATE_ADMIT)
        return gate_visit_answer(&v, decision);
    gate_visit_note_ended(&v, decision);
    return gate_send_json(r, apr_psprintf(r->pool, "{\"ended\":%" APR_UINT64_T_FMT "}", ended));
}

int gate_serve_explain(request_rec *r)
{
    gate_decision decision;
    const char *json = NULL;
    gate_visit v;

    if (!begin(r, "oidc-gate-explain", &v))
        return DECLINED;
    decision = admit_administrator(&v, GATE_GET_POST, "learn what holds here");
    if (decision.verb == GATE_ADMIT)
        decision = gate_explain(r, &v.q, gate_visit_parameters(&v), v.site, &json);
    return decision.verb == GATE_ADMIT ? gate_send_json(r, json) : gate_visit_answer(&v, decision);
}

/* To read is for whoever is let in by a name or by an address, as what scrapes it has no name; to
 * have something done is for an administrator. */
int gate_serve_status(request_rec *r)
{
    gate_status_outcome outcome;
    gate_decision decision;
    gate_visit v;

    if (!begin(r, "oidc-gate-status", &v))
        return DECLINED;
    if (r->method_number == M_GET)
        return is_open_place(r)
                   ? gate_visit_answer(&v, refuse_place(&v,
                                                        "who it is or where it comes from, such as "
                                                        "Require claim or Require ip",
                                                        "read it"))
                   : gate_status_show(r, &v.q, r->user && is_named_place(r));
    decision = admit_administrator(&v, GATE_GET_POST, "have metadata fetched");
    if (decision.verb == GATE_ADMIT)
        decision = gate_status_order(r, &v.q, v.site, gate_visit_form(r), &outcome);
    if (decision.verb != GATE_ADMIT)
        return gate_visit_answer(&v, decision);
    v.state->decision = decision;
    gate_log_decision(r, v.state, "allow", decision.status);
    return gate_status_say(r, &outcome);
}
