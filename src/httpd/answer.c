/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/answer.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include "gate/filed.h"
#include "httpd/config.h"
#include "httpd/count.h"
#include "httpd/own_cookies.h"
#include "httpd/runtime.h"
#include "httpd/variables.h"
#include "oidc/bearer.h"

APLOG_USE_MODULE(oidc_gate);

static int level_of(gate_reason reason)
{
    switch (gate_reason_get(reason)->level) {
    case GATE_LEVEL_INFO:
        return APLOG_INFO;
    case GATE_LEVEL_WARN:
        return APLOG_WARNING;
    default:
        return APLOG_ERR;
    }
}

static int level_of_line(const gate_decision *decision, const char *verb, gate_reason reason)
{
    if (!strcmp(verb, "deny"))
        return level_of(reason);
    if (strcmp(verb, "allow"))
        return APLOG_INFO;
    /* Somebody passes whom the provider could not be asked about. */
    return decision->cache && !strcmp(decision->cache, "stale") ? APLOG_WARNING : APLOG_DEBUG;
}

static const char *text_or_dash(const char *text)
{
    return text && *text ? text : "-";
}

/* Whether it can stand between double quotes as it is. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if (*text < ' ' || *text > '~' || *text == '"')
            return false;
    }
    return true;
}

/* name="value" for the log line, or nothing. What a claim was has been escaped where it was said,
 * and is not escaped twice. */
static const char *named(apr_pool_t *p, const char *name, const char *value, apr_size_t max_bytes)
{
    if (!value)
        return "";
    if (!is_plain(value) || strlen(value) > max_bytes)
        value = gate_span_for_log(p, gate_span_of(value), max_bytes);
    return apr_psprintf(p, " %s=\"%s\"", name, value);
}

/* By which an administrator asks what is known of it (SetHandler oidc-gate-explain). */
static const char *credential_name(apr_pool_t *p, const gate_decision *decision)
{
    const char *name = decision->filed_under.is_known
                           ? gate_filed_name(p, gate_runtime_world(), &decision->filed_under.key)
                           : NULL;

    return name ? apr_pstrcat(p, " cred=", name, NULL) : "";
}

void gate_log_decision(request_rec *r, gate_state *state, const char *verb, int status)
{
    const gate_decision *decision = &state->decision;
    const gate_reason reason = state->rule_reason ? state->rule_reason : decision->reason;
    const int level = level_of_line(decision, verb, reason);
    const char *method = gate_state_method(state);
    apr_pool_t *p = r->pool;

    gate_set_variables(r, state, verb, reason);
    gate_count_decision(state, verb, reason);
    if (!APLOG_R_IS_LEVEL(r, level))
        return;
    ap_log_rerror(
        APLOG_MARK, level, 0, r,
        "%s%s status=%d reason=%s%s method=%s user=%s loc=%s%s idp_calls=%d%s rid=%s%s%s",
        state->is_watched ? "would " : "", verb, status, gate_reason_name(reason),
        named(p, "rule", state->refused_rule, 200), text_or_dash(method),
        text_or_dash(gate_span_for_log(p, gate_span_of(state->user), 64)),
        state->settings ? state->settings->place : "-",
        decision->cache ? apr_pstrcat(p, " cache=", decision->cache, NULL) : "",
        state->provider_calls, credential_name(p, decision), gate_state_id(r, state),
        named(p, "detail", state->rule_reason ? state->rule_detail : decision->detail, 400),
        level <= APLOG_WARNING ? named(p, "remedy", gate_reason_get(reason)->remedy, 400) : "");
}

gate_reason gate_state_told(const gate_state *state)
{
    if (state->rule_reason)
        return state->rule_reason;
    return state->decision.told ? state->decision.told : state->decision.reason;
}

static const char *realm_of(request_rec *r)
{
    const char *name = ap_auth_name(r);

    return name ? name : "OpenID Connect";
}

/* A script's requests, and those for pictures, open that box too. */
static bool is_browser(request_rec *r, const gate_state *state)
{
    return state->representation == GATE_AS_PAGE ||
           apr_table_get(r->headers_in, "Sec-Fetch-Mode") ||
           apr_table_get(r->headers_in, "X-Requested-With");
}

/* Bearer first, the stronger; Basic only where programs' credentials are taken, and never for a
 * browser, which would open its password box. */
static void challenge(request_rec *r, const gate_state *state)
{
    const gate_reason reason = gate_state_told(state);
    const gate_settings *s = state->settings;
    const gate_challenge bearer = {
        .realm = realm_of(r),
        .reason = reason,
        .description =
            gate_reason_get(reason)->oauth_error ? gate_reason_get(reason)->remedy : NULL,
        .scope = state->scope_needed,
        .resource_metadata = s ? s->resource_metadata : NULL,
        .acr_values = state->step_up.acr_values,
        .max_age = state->step_up.max_age ? state->step_up.max_age : -1,
    };
    const bool takes_tokens = s && s->methods & ~(1u << GATE_METHOD_CLIENT_CREDENTIALS);
    const bool takes_clients = s && s->methods & 1u << GATE_METHOD_CLIENT_CREDENTIALS;
    const bool has_password_box = is_browser(r, state);

    if (takes_tokens || has_password_box || !takes_clients || reason == GATE_ACR_UNMET)
        apr_table_addn(r->err_headers_out, "WWW-Authenticate",
                       gate_bearer_challenge(r->pool, &bearer));
    if (takes_clients && !has_password_box)
        apr_table_addn(r->err_headers_out, "WWW-Authenticate",
                       gate_basic_challenge(r->pool, realm_of(r)));
}

/* httpd's ErrorDocument comes first; without one, the gate's own endpoint says it, in the caller's
 * form. */
static void prepare_page(request_rec *r, int status)
{
    const gate_site *site = gate_config_site(r->server);

    if (site && !r->main && !ap_response_code_string(r, ap_index_of_response(status)))
        ap_custom_response(r, status, apr_pstrcat(r->pool, site->path, "/error", NULL));
}

static void send_headers(request_rec *r, const gate_decision *decision)
{
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
    gate_set_cookies(r, decision);
    if (decision->retry_after)
        apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, decision->retry_after));
}

/* The request that was refused, where r is for the page that says why; else NULL. */
static request_rec *refused_before(request_rec *r)
{
    for (request_rec *at = r->prev; at; at = at->prev) {
        const gate_state *state = gate_state_of(at);

        if (state && state->is_refused)
            return at;
    }
    return NULL;
}

/* That page is refused itself. The first answer stands: httpd says it without a page. */
bool gate_was_refused_before(request_rec *r)
{
    return refused_before(r) != NULL;
}

/* --- pages of the administrator's --- */

#define KEEP_STATUS "OIDC_GATE_KEEP_STATUS"

/* What says why a request is refused may come from a backend, which says 200 because it has that
 * page: to the caller it is still a refusal. A redirect, or a failure, is what it is. */
static apr_status_t keep_status(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;

    if (ap_is_HTTP_SUCCESS(r->status) || r->status == HTTP_NOT_MODIFIED) {
        r->status = refused_before(r)->status;
        r->status_line = NULL;
    }
    ap_remove_output_filter(filter);
    return ap_pass_brigade(filter->next, brigade);
}

void gate_register_filters(void)
{
    ap_register_output_filter(KEEP_STATUS, keep_status, NULL, AP_FTYPE_CONTENT_SET);
}

void gate_watch_status(request_rec *r)
{
    const request_rec *refused = refused_before(r);

    if (refused && ap_is_HTTP_ERROR(refused->status))
        ap_add_output_filter(KEEP_STATUS, NULL, r, r->connection);
}

/* --- the answer --- */

int gate_deny(request_rec *r, gate_state *state, gate_reason reason, int status)
{
    if (state->is_watched) {
        gate_log_decision(r, state, "deny", status);
        return OK;
    }
    if (gate_was_refused_before(r))
        return status;
    state->is_refused = true;
    /* httpd makes a GET of the request before it asks for the page. */
    state->representation = gate_representation_of(r);
    state->can_repeat = r->method_number == M_GET;
    send_headers(r, &state->decision);
    if (status == 401 || (status == 403 && gate_reason_get(reason)->oauth_error) ||
        (status == 400 && gate_reason_get(reason)->oauth_error && state->settings))
        challenge(r, state);
    gate_state_id(r, state); /* for the page, too */
    gate_log_decision(r, state, "deny", status);
    if (state->is_answered)
        return AP_FILTER_ERROR;
    prepare_page(r, status);
    return status;
}

int gate_answer_with(request_rec *r, gate_state *state)
{
    const gate_decision *decision = &state->decision;

    if (decision->verb != GATE_REDIRECT)
        return gate_deny(r, state, decision->reason, decision->status);
    gate_log_decision(r, state, decision->known ? "login" : "redirect", decision->status);
    if (state->is_watched)
        return OK;
    send_headers(r, decision);
    apr_table_setn(r->err_headers_out, "Location", decision->location);
    return decision->status;
}
