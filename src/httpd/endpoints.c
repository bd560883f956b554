/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/endpoints.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_request.h"

#include "base/json.h"
#include "gate/dismiss.h"
#include "gate/login.h"
#include "gate/session.h"
#include "gate/signout.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/guard.h"
#include "httpd/own_cookies.h"
#include "httpd/page.h"
#include "httpd/problem.h"
#include "httpd/request.h"
#include "httpd/visit.h"
#include "oidc/resource.h"

APLOG_USE_MODULE(oidc_gate);

/* Beside those of a login that we know, whoever begins it may send others. */
#define LOGIN_MAX_PARAMETERS 32
#define LOGIN_HINT_MAX_BYTES 256

#define MAX_PARAMETERS 8

/* --- each endpoint --- */

/* A request for a path of this host, by which httpd itself is asked what it comes to: it goes no
 * further. */
static request_rec *probe(const gate_visit *v, const char *uri)
{
    request_rec *there;

    v->state->is_probe = true;
    there = ap_sub_req_lookup_uri(uri, v->r, NULL);
    v->state->is_probe = false;
    return there;
}

/* What holds there. */
static const gate_settings *settings_at(const gate_visit *v, const char *uri)
{
    const char *problem = NULL;
    request_rec *there = probe(v, uri);
    const gate_settings *settings = gate_config_settings(there, &problem);

    ap_destroy_sub_req(there);
    return settings;
}

/* A path of this host, out of a whole address of it. */
static gate_span path_of(const gate_visit *v, gate_span target)
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
static const gate_settings *settings_of(const gate_visit *v, gate_span issuer)
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
static gate_reason plan_login(const gate_visit *v, const gate_form *form, gate_login_plan *plan,
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
static int login(gate_visit *v)
{
    gate_login_plan plan = {.reason = GATE_NO_CREDENTIAL};
    const gate_settings *settings;
    gate_decision decision;
    gate_form *form;
    gate_reason reason =
        gate_form_parse(v->q.pool, gate_visit_parameters(v), LOGIN_MAX_PARAMETERS, &form);

    if (reason == GATE_OK && !is_opened(v->r))
        reason = GATE_CROSS_SITE;
    if (reason == GATE_OK)
        reason = plan_login(v, form, &plan, &settings);
    if (reason != GATE_OK)
        return gate_visit_answer(v, gate_refuse(reason, NULL));
    if (!settings || !(settings->methods & 1u << GATE_METHOD_CODE))
        return gate_visit_answer(v, gate_send_to(&v->q, gate_span_dup(v->q.pool, plan.return_to)));
    v->state->settings = settings;
    decision = gate_login_begin(&v->q, settings, v->w, &plan);
    decision.return_to = gate_span_dup(v->q.pool, plan.return_to);
    return gate_visit_answer(v, decision);
}

/* Whether that leads to an address of the gate's own, however it is spelled. */
static bool is_own_address(const gate_visit *v, const char *uri)
{
    request_rec *there = probe(v, uri);
    const bool is_own = gate_open_endpoint(there) == OK;

    ap_destroy_sub_req(there);
    return is_own;
}

/* A browser does not bring a SameSite=Strict cookie along where another site has sent it, and on a
 * redirect it still comes from the provider. From a page of this host it does not: so that page
 * leads to none of the gate's own addresses, where a link of another site must not sign out. */
static int lead_on(gate_visit *v, const gate_decision *decision)
{
    const char *location = is_own_address(v, decision->location) ? "/" : decision->location;

    v->state->decision = *decision;
    gate_set_cookies(v->r, decision);
    gate_log_decision(v->r, v->state, "login", HTTP_OK);
    return gate_page_leading(v->r, "You are signed in", "The page that you asked for comes next.",
                             location);
}

/* The provider's answer, by a link or, where that is configured, by a form. The link is what it was
 * when the request came: code and state were taken out of it. */
static int callback(gate_visit *v)
{
    const bool is_posted = v->r->method_number == M_POST;
    const gate_span query = v->q.taken_query.ptr ? v->q.taken_query : v->q.query;
    gate_decision decision;

    if (is_posted && !__atomic_load_n(&v->site->takes_posts, __ATOMIC_ACQUIRE))
        return gate_visit_answer(v, gate_visit_refuse_method(v, GATE_GET_ONLY));
    decision = gate_login_finish(&v->q, v->site, v->w, is_posted ? gate_visit_form(v->r) : query);
    if (decision.signed_in_at)
        v->state->user = gate_user_of(v->q.pool, decision.signed_in_at, decision.identity);
    return decision.known && !strcmp(v->site->samesite, "Strict") ? lead_on(v, &decision)
                                                                  : gate_visit_answer(v, decision);
}

/* The provider says who has signed out there. No browser comes by here, and no cookie. */
static int backchannel_logout(gate_visit *v)
{
    const gate_decision decision =
        gate_dismiss_by_token(&v->q, v->site, v->w, gate_visit_form(v->r));

    if (decision.verb != GATE_ADMIT)
        return gate_visit_answer(v, decision);
    gate_visit_note_ended(v, decision);
    return OK;
}

/* The same from a frame in the provider's page, which brings the cookie along where the browser
 * lets it. */
static int frontchannel_logout(gate_visit *v)
{
    const char *issuer;
    const gate_decision decision = gate_dismiss_by_frame(&v->q, v->site, v->w, v->q.query, &issuer);

    if (decision.verb != GATE_ADMIT)
        return gate_visit_answer(v, decision);
    gate_visit_note_ended(v, decision);
    return gate_page_framed(v->r, issuer);
}

/* The form of the gate's own page: what it leads to may stand at no other host, or the browser
 * holds it back (Content Security Policy level 3 section 6.4.1), so a page leads on. */
static bool is_by_page(const gate_visit *v, gate_span parameters)
{
    gate_form *form;

    return v->r->method_number == M_POST &&
           gate_form_parse(v->q.pool, parameters, MAX_PARAMETERS, &form) == GATE_OK &&
           gate_span_is(gate_form_get(form, GATE_PAGE_FIELD), GATE_PAGE_VALUE);
}

static int logout(gate_visit *v)
{
    const gate_span parameters = gate_visit_parameters(v);
    const gate_decision decision = gate_sign_out(&v->q, v->site, v->w, parameters);

    if (decision.verb != GATE_ADMIT &&
        (decision.verb != GATE_REDIRECT || !is_by_page(v, parameters)))
        return gate_visit_answer(v, decision);
    gate_set_cookies(v->r, &decision);
    if (decision.verb == GATE_ADMIT)
        return gate_page_signed_out(v->r);
    v->state->decision = decision;
    gate_log_decision(v->r, v->state, "redirect", HTTP_OK);
    return gate_page_leading(v->r, "You are signed out here", "The sign-in service comes next.",
                             decision.location);
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
static int whoami(gate_visit *v)
{
    json_t *sessions = gate_json_own(v->q.pool, json_array());

    for (int i = 0; i < v->site->settings_count; i++) {
        gate_session session;
        const gate_reason reason = gate_session_find(&v->q, v->site->settings[i], v->w, &session);

        if (reason == GATE_STORE_UNAVAILABLE)
            return gate_visit_answer(v, gate_refuse(reason, NULL));
        if (reason == GATE_OK)
            json_array_append_new(sessions, describe(v->q.pool, v->site->settings[i], &session));
    }
    if (json_array_size(sessions) == 0)
        return gate_visit_answer(v, gate_refuse(GATE_NO_CREDENTIAL, NULL));
    if (json_array_size(sessions) == 1)
        sessions = json_array_get(sessions, 0);
    return gate_send_json(v->r, gate_json_compact(v->q.pool, sessions).ptr);
}

/* Whoever checks assertions asks for the keys again when he meets one that he does not know; else
 * what he has is good for a while. */
#define KEYS_MAX_AGE "300"

/* With what keys this host signs (RFC 7517 section 8.5.1). */
static int jwks(gate_visit *v)
{
    if (!v->site->assertion)
        return HTTP_NOT_FOUND;
    apr_table_setn(v->r->err_headers_out, "Cache-Control", "public, max-age=" KEYS_MAX_AGE);
    return gate_send_json(v->r, gate_assertion_keys(v->q.pool, v->site->assertion));
}

/* Not for visitors: where httpd comes by itself to say why a request was refused. */
static int error(gate_visit *v)
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
    int (*serve)(gate_visit *v);
} endpoints[] = {
    {"callback", GATE_GET_POST, callback},
    {"login", GATE_GET_POST, login},
    {"logout", GATE_GET_POST, logout},
    {"backchannel-logout", GATE_POST_ONLY, backchannel_logout},
    {"frontchannel-logout", GATE_GET_ONLY, frontchannel_logout},
    {"whoami", GATE_GET_ONLY, whoami},
    {"jwks", GATE_GET_ONLY, jwks},
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
static int describe_resource(gate_visit *v)
{
    const gate_settings *resource = find_resource(v->site, v->r->uri);

    if (!resource)
        return HTTP_NOT_FOUND;
    apr_table_setn(v->r->err_headers_out, "Access-Control-Allow-Origin", "*");
    return gate_send_json(v->r, resource->resource_document);
}

static const struct endpoint resource_endpoint = {"resource", GATE_GET_ONLY, describe_resource};

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

int gate_serve_endpoint(request_rec *r)
{
    const struct endpoint *endpoint = find_endpoint(r);
    gate_visit v;

    if (!endpoint)
        return DECLINED;
    v = gate_visit_begin(r);
    if (!gate_visit_is_by(r, endpoint->methods))
        return gate_visit_answer(&v, gate_visit_refuse_method(&v, endpoint->methods));
    return endpoint->serve(&v);
}
