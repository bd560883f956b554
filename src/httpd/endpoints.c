/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/endpoints.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "base/json.h"
#include "gate/dismiss.h"
#include "gate/login.h"
#include "gate/session.h"
#include "gate/signout.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/explain.h"
#include "httpd/guard.h"
#include "httpd/own_cookies.h"
#include "httpd/page.h"
#include "httpd/problem.h"
#include "httpd/request.h"
#include "httpd/runtime.h"
#include "httpd/status.h"
#include "oidc/resource.h"

APLOG_USE_MODULE(oidc_gate);

/* Beside those of a login that we know, whoever begins it may send others. */
#define LOGIN_MAX_PARAMETERS 32
#define LOGIN_HINT_MAX_BYTES 256

/* A logout token of 16 KiB, which needs no escaping, and what may stand beside it. */
#define BODY_MAX_BYTES (24 * 1024)
#define MAX_PARAMETERS 8

#define JSON "application/json"

/* What an endpoint is asked with. */
typedef struct visit {
    request_rec *r;
    const gate_site *site;
    gate_state *state;
    gate_request q;
    gate_world *w;
} visit;

#define GET_ONLY  (1u << M_GET)
#define POST_ONLY (1u << M_POST)
#define GET_POST  (GET_ONLY | POST_ONLY)

/* --- each endpoint --- */

/* A decision, answered; an ADMIT is left to the endpoint. */
static int answer(const visit *v, gate_decision decision)
{
    v->state->decision = decision;
    return gate_answer_with(v->r, v->state);
}

/* The method is none of these, and the answer says which they are (RFC 9110 section 15.5.6). */
static gate_decision refuse_method(const visit *v, unsigned methods)
{
    static const struct {
        unsigned methods;
        const char *text;
    } texts[] = {{GET_ONLY, "GET,HEAD"}, {POST_ONLY, "POST"}, {GET_POST, "GET,HEAD,POST"}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].methods == methods)
            apr_table_setn(v->r->err_headers_out, "Allow", texts[i].text);
    }
    v->r->allowed_methods->method_mask |= methods; /* httpd says it itself beside a mere text */
    return gate_refuse(GATE_METHOD_NOT_ALLOWED, NULL);
}

/* What holds at a path of this host: httpd itself is asked, by a subrequest that goes no further.
 */
static const gate_settings *settings_at(const visit *v, const char *uri)
{
    const char *problem = NULL;
    const gate_settings *settings;
    request_rec *there;

    v->state->is_probe = true;
    there = ap_sub_req_lookup_uri(uri, v->r, NULL);
    settings = gate_config_settings(there, &problem);
    ap_destroy_sub_req(there);
    v->state->is_probe = false;
    return settings;
}

/* The form of a POST, or the absent span where it is none that can be read. */
static gate_span read_form(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    char *body = apr_palloc(r->pool, BODY_MAX_BYTES);
    long got = 0, len = 0;

    if (!type ||
        strncasecmp(type, "application/x-www-form-urlencoded",
                    strlen("application/x-www-form-urlencoded")) ||
        ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK || !ap_should_client_block(r))
        return (gate_span){NULL, 0};
    while (len < BODY_MAX_BYTES &&
           (got = ap_get_client_block(r, body + len, (apr_size_t)(BODY_MAX_BYTES - len))) > 0)
        len += got;
    /* What was cut off, by a limit or by the network, says something else than what was sent. */
    return len < BODY_MAX_BYTES && !got ? (gate_span){body, (size_t)len} : (gate_span){NULL, 0};
}

/* A path of this host, out of a whole address of it. */
static gate_span path_of(const visit *v, gate_span target)
{
    gate_url url;

    if (!gate_url_parse(target, &url) ||
        strcmp(gate_url_origin(v->q.pool, &url), v->site->origin) != 0)
        return target;
    if (!url.path.len)
        return GATE_SPAN("/");
    return (gate_span){url.path.ptr, target.len - (size_t)(url.path.ptr - target.ptr)};
}

/* What signs people in with that provider; NULL for none. */
static const gate_settings *settings_of(const visit *v, gate_span issuer)
{
    for (int i = 0; i < v->site->settings_count; i++) {
        if (gate_span_is(issuer, v->site->settings[i]->realm.issuer))
            return v->site->settings[i];
    }
    return NULL;
}

/* A page is opened, by somebody who will see where it leads: no frame, no picture, no script. */
static bool is_opened(const request_rec *r)
{
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    return !dest || !strcmp(dest, "document");
}

/* Where a login shall lead to, and with which provider: return_to= is this host's own way to ask
 * for one; iss=, target_link_uri= and login_hint= are the provider's (OIDC Core section 4). */
static gate_reason plan_login(const visit *v, const gate_form *form, gate_login_plan *plan,
                              const gate_settings **settings)
{
    const gate_span issuer = gate_form_get(form, "iss");
    const gate_span target = gate_form_get(form, "target_link_uri");

    plan->login_hint = gate_form_get(form, "login_hint");
    plan->return_to = target.ptr ? path_of(v, target) : gate_form_get(form, "return_to");
    if (gate_span_has_control(plan->login_hint) || plan->login_hint.len > LOGIN_HINT_MAX_BYTES)
        return GATE_MALFORMED_REQUEST;
    if (plan->return_to.ptr && !gate_url_is_local(plan->return_to))
        return GATE_TARGET_UNSAFE;
    if (target.ptr && !issuer.ptr)
        return GATE_MALFORMED_REQUEST;
    *settings = issuer.ptr && !plan->return_to.ptr ? settings_of(v, issuer) : NULL;
    if (!plan->return_to.ptr)
        plan->return_to = GATE_SPAN("/");
    if (!*settings)
        *settings = settings_at(v, gate_span_dup(v->q.pool, plan->return_to));
    if (issuer.ptr && !(*settings && gate_span_is(issuer, (*settings)->realm.issuer)))
        return GATE_ISSUER_MIXUP;
    return GATE_OK;
}

/* Signs in, for a page that is open to everybody and has a link for it, or because the provider
 * says so. */
static int login(visit *v)
{
    const gate_span asked = v->r->method_number == M_POST ? read_form(v->r) : v->q.query;
    gate_login_plan plan = {.reason = GATE_NO_CREDENTIAL};
    const gate_settings *settings;
    gate_decision decision;
    gate_form *form;
    gate_reason reason = gate_form_parse(v->q.pool, asked, LOGIN_MAX_PARAMETERS, &form);

    if (reason == GATE_OK && !is_opened(v->r))
        reason = GATE_CROSS_SITE;
    if (reason == GATE_OK)
        reason = plan_login(v, form, &plan, &settings);
    if (reason != GATE_OK)
        return answer(v, gate_refuse(reason, NULL));
    if (!settings || !(settings->methods & 1u << GATE_METHOD_CODE))
        return answer(v, gate_send_to(&v->q, gate_span_dup(v->q.pool, plan.return_to)));
    v->state->settings = settings;
    decision = gate_login_begin(&v->q, settings, v->w, &plan);
    decision.return_to = gate_span_dup(v->q.pool, plan.return_to);
    return answer(v, decision);
}

/* The provider's answer, by a link or, where that is configured, by a form. The link is what it was
 * when the request came: code and state were taken out of it. */
static int callback(visit *v)
{
    const bool is_posted = v->r->method_number == M_POST;
    const gate_span query = v->q.taken_query.ptr ? v->q.taken_query : v->q.query;

    if (is_posted && !__atomic_load_n(&v->site->takes_posts, __ATOMIC_ACQUIRE))
        return answer(v, refuse_method(v, GET_ONLY));
    return answer(v,
                  gate_login_finish(&v->q, v->site, v->w, is_posted ? read_form(v->r) : query));
}

/* Others have ended sessions: the log says so. */
static void note_ended(const visit *v, gate_decision decision)
{
    v->state->decision = decision;
    gate_set_cookies(v->r, &decision);
    gate_log_decision(v->r, v->state, "logout", decision.status);
}

/* The provider says who has signed out there. No browser comes by here, and no cookie. */
static int backchannel_logout(visit *v)
{
    const gate_decision decision = gate_dismiss_by_token(&v->q, v->site, v->w, read_form(v->r));

    if (decision.verb != GATE_ADMIT)
        return answer(v, decision);
    note_ended(v, decision);
    return OK;
}

/* The same from a frame in the provider's page, which brings the cookie along where the browser
 * lets it. */
static int frontchannel_logout(visit *v)
{
    const char *issuer;
    const gate_decision decision = gate_dismiss_by_frame(&v->q, v->site, v->w, v->q.query, &issuer);

    if (decision.verb != GATE_ADMIT)
        return answer(v, decision);
    note_ended(v, decision);
    return gate_page_framed(v->r, issuer);
}

/* The form of the gate's own page: what it leads to may stand at no other host, or the browser
 * holds it back (Content Security Policy level 3 section 6.4.1), so a page leads on. */
static bool is_by_page(const visit *v, gate_span parameters)
{
    gate_form *form;

    return v->r->method_number == M_POST &&
           gate_form_parse(v->q.pool, parameters, MAX_PARAMETERS, &form) == GATE_OK &&
           gate_span_is(gate_form_get(form, GATE_PAGE_FIELD), GATE_PAGE_VALUE);
}

static int logout(visit *v)
{
    const gate_span parameters = v->r->method_number == M_POST ? read_form(v->r) : v->q.query;
    const gate_decision decision = gate_sign_out(&v->q, v->site, v->w, parameters);

    if (decision.verb != GATE_ADMIT &&
        (decision.verb != GATE_REDIRECT || !is_by_page(v, parameters)))
        return answer(v, decision);
    gate_set_cookies(v->r, &decision);
    if (decision.verb == GATE_ADMIT)
        return gate_page_signed_out(v->r);
    v->state->decision = decision;
    gate_log_decision(v->r, v->state, "redirect", HTTP_OK);
    return gate_page_leading(v->r, decision.location);
}

static json_t *describe(apr_pool_t *p, const gate_settings *s, const gate_session *session)
{
    const gate_identity *identity = session->identity;
    const gate_span subject = gate_identity_subject(identity);
    const apr_int64_t idle_until =
        session->record.idle ? session->record.seen + session->record.idle : 0;

    return json_pack("{s:s?, s:s%, s:s, s:s, s:s, s:I, s:I}", "user", gate_user_of(p, s, identity),
                     "subject", subject.ptr, subject.len, "issuer", s->realm.issuer, "method",
                     gate_method_name((gate_method)gate_identity_method(identity)), "realm",
                     s->realm.tag, "expires", (json_int_t)session->record.expires, "idle_until",
                     (json_int_t)idle_until);
}

/* Who is signed in here, for the pages of this host; never a token. */
static int whoami(visit *v)
{
    json_t *sessions = gate_json_own(v->q.pool, json_array());

    for (int i = 0; i < v->site->settings_count; i++) {
        gate_session session;
        const gate_reason reason = gate_session_find(&v->q, v->site->settings[i], v->w, &session);

        if (reason == GATE_STORE_UNAVAILABLE)
            return answer(v, gate_refuse(reason, NULL));
        if (reason == GATE_OK)
            json_array_append_new(sessions, describe(v->q.pool, v->site->settings[i], &session));
    }
    if (json_array_size(sessions) == 0)
        return answer(v, gate_refuse(GATE_NO_CREDENTIAL, NULL));
    if (json_array_size(sessions) == 1)
        sessions = json_array_get(sessions, 0);
    return gate_send_json(v->r, JSON, gate_json_compact(v->q.pool, sessions).ptr);
}

/* Whoever checks assertions asks for the keys again when he meets one that he does not know; else
 * what he has is good for a while. */
#define KEYS_MAX_AGE "300"

/* With what keys this host signs (RFC 7517 section 8.5.1). */
static int jwks(visit *v)
{
    if (!v->site->assertion)
        return HTTP_NOT_FOUND;
    apr_table_setn(v->r->err_headers_out, "Cache-Control", "public, max-age=" KEYS_MAX_AGE);
    return gate_send_json(v->r, JSON, gate_assertion_keys(v->q.pool, v->site->assertion));
}

/* Not for visitors: where httpd comes by itself to say why a request was refused. */
static int error(visit *v)
{
    const gate_state *refused = v->r->prev ? gate_state_of(v->r->prev) : NULL;

    if (!refused || !refused->is_refused)
        return HTTP_NOT_FOUND;
    return gate_page_refusal(v->r, refused, v->r->prev->status);
}

/* --- the table --- */

static const struct endpoint {
    const char *name;
    unsigned methods;
    int (*serve)(visit *v);
} endpoints[] = {
    {"callback", GET_POST, callback},
    {"login", GET_POST, login},
    {"logout", GET_POST, logout},
    {"backchannel-logout", POST_ONLY, backchannel_logout},
    {"frontchannel-logout", GET_ONLY, frontchannel_logout},
    {"whoami", GET_ONLY, whoami},
    {"jwks", GET_ONLY, jwks},
    {"error", ~0u, error},
};

/* The resource whose metadata stand at that path (RFC 9728 section 3.1); NULL for none. */
static const gate_settings *find_resource(const gate_site *site, const char *uri)
{
    if (strncmp(uri, GATE_RESOURCE_WELL_KNOWN, strlen(GATE_RESOURCE_WELL_KNOWN)))
        return NULL;
    for (int i = 0; i < site->resource_count; i++) {
        if (!strcmp(site->resources[i]->resource_path, uri))
            return site->resources[i];
    }
    return NULL;
}

/* What a protected resource says of itself, to whoever asks, from whatever page. */
static int describe_resource(visit *v)
{
    apr_table_setn(v->r->err_headers_out, "Access-Control-Allow-Origin", "*");
    return gate_send_json(v->r, JSON, find_resource(v->site, v->r->uri)->resource_document);
}

static const struct endpoint resource_endpoint = {"resource", GET_ONLY, describe_resource};

/* Nearly every request is told from those that mean an endpoint by its path's second letter. */
static bool may_mean_endpoint(const gate_site *site, const char *uri)
{
    return uri[0] == '/' && (uri[1] == site->path[1] || uri[1] == GATE_RESOURCE_WELL_KNOWN[1]);
}

/* The endpoint that the request means; NULL for none. */
static const struct endpoint *find_endpoint(request_rec *r)
{
    const gate_site *site = gate_config_site(r->server);
    size_t len;

    if (!site || !may_mean_endpoint(site, r->uri))
        return NULL;
    len = strlen(site->path);
    if (find_resource(site, r->uri))
        return &resource_endpoint;
    if (strncmp(r->uri, site->path, len) || r->uri[len] != '/')
        return NULL;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        if (!strcmp(r->uri + len + 1, endpoints[i].name))
            return &endpoints[i];
    }
    return NULL;
}

int gate_open_endpoint(request_rec *r)
{
    return find_endpoint(r) ? OK : DECLINED;
}

bool gate_is_callback(request_rec *r)
{
    const struct endpoint *endpoint = find_endpoint(r);

    return endpoint && endpoint->serve == callback;
}

int gate_claim_endpoint(request_rec *r)
{
    if (!find_endpoint(r))
        return DECLINED;
    r->filename = apr_pstrdup(r->pool, r->uri);
    return OK;
}

static visit begin(request_rec *r)
{
    visit v = {.r = r, .site = gate_config_site(r->server), .w = gate_runtime_world()};

    v.state = gate_state_make(r, NULL);
    v.q = gate_request_of(r, v.state);
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
    return v;
}

static bool is_allowed(const request_rec *r, unsigned methods)
{
    return r->method_number < 32 && methods & 1u << r->method_number;
}

int gate_serve_endpoint(request_rec *r)
{
    const struct endpoint *endpoint = find_endpoint(r);
    visit v;

    if (!endpoint)
        return DECLINED;
    v = begin(r);
    if (!is_allowed(r, endpoint->methods))
        return answer(&v, refuse_method(&v, endpoint->methods));
    return endpoint->serve(&v);
}

/* --- the administrator's --- */

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

static gate_decision refuse_place(const visit *v, const char *wants, const char *else_)
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
static gate_decision admit_administrator(const visit *v, unsigned methods, const char *else_)
{
    if (!v->r->user || !is_named_place(v->r))
        return refuse_place(v, "who it is, such as Require claim or Require user", else_);
    if (!is_allowed(v->r, methods))
        return refuse_method(v, methods);
    if (!gate_config_options()->used)
        return gate_refuse(GATE_CONFIG_ERROR, "nothing is guarded by this server");
    return (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
}

int gate_serve_sessions(request_rec *r)
{
    apr_uint64_t ended = 0;
    gate_decision decision;
    visit v;

    if (!r->handler || strcmp(r->handler, "oidc-gate-sessions"))
        return DECLINED;
    v = begin(r);
    v.state->user = r->user;
    decision = admit_administrator(&v, POST_ONLY, "end sessions");
    if (decision.verb != GATE_ADMIT)
        return answer(&v, decision);
    decision = gate_dismiss_by_order(&v.q, v.site, v.w, read_form(r), &ended);
    if (decision.verb != GATE_ADMIT)
        return answer(&v, decision);
    note_ended(&v, decision);
    return gate_send_json(r, JSON,
                          apr_psprintf(r->pool, "{\"ended\":%" APR_UINT64_T_FMT "}", ended));
}

int gate_serve_explain(request_rec *r)
{
    gate_decision decision;
    const char *json = NULL;
    visit v;

    if (!r->handler || strcmp(r->handler, "oidc-gate-explain"))
        return DECLINED;
    v = begin(r);
    v.state->user = r->user;
    decision = admit_administrator(&v, GET_POST, "learn what holds here");
    if (decision.verb == GATE_ADMIT)
        decision = gate_explain(r, &v.q, r->method_number == M_POST ? read_form(r) : v.q.query,
                                v.site, &json);
    return decision.verb == GATE_ADMIT ? gate_send_json(r, JSON, json) : answer(&v, decision);
}

/* To read is for whoever is let in by a name or by an address, as what scrapes it has no name; to
 * have something done is for an administrator. */
int gate_serve_status(request_rec *r)
{
    gate_status_outcome outcome;
    gate_decision decision;
    visit v;

    if (!r->handler || strcmp(r->handler, "oidc-gate-status"))
        return DECLINED;
    v = begin(r);
    v.state->user = r->user;
    if (r->method_number == M_GET)
        return is_open_place(r)
                   ? answer(&v, refuse_place(&v,
                                             "who it is or where it comes from, such as "
                                             "Require claim or Require ip",
                                             "read it"))
                   : gate_status_show(r, &v.q, r->user && is_named_place(r));
    decision = admit_administrator(&v, GET_POST, "have metadata fetched");
    if (decision.verb == GATE_ADMIT)
        decision = gate_status_order(r, &v.q, v.site, read_form(r), &outcome);
    if (decision.verb != GATE_ADMIT)
        return answer(&v, decision);
    v.state->decision = decision;
    gate_log_decision(r, v.state, "allow", decision.status);
    return gate_status_say(r, &outcome);
}
