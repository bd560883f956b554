/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/request.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"

#include "base/cookie.h"
#include "gate/decide.h"
#include "httpd/config.h"
#include "httpd/endpoints.h"
#include "httpd/runtime.h"
#include "oidc/bearer.h"

APLOG_USE_MODULE(oidc_gate);

#define ID_BYTES 9 /* of a request id that mod_unique_id did not make */

/* --- state --- */

gate_state *gate_state_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &oidc_gate_module);
}

/* The request whose parts a subrequest and its subrequests are. */
static request_rec *whole_of(request_rec *r)
{
    while (r->main)
        r = r->main;
    return r;
}

gate_state *gate_state_make(request_rec *r, const gate_settings *settings)
{
    const gate_state *before = gate_state_of(r);
    apr_pool_t *pool = whole_of(r)->pool;
    gate_state *state = apr_pcalloc(pool, sizeof *state);

    state->settings = settings;
    state->pool = pool;
    state->parts = before ? before->parts : NULL;
    ap_set_module_config(r->request_config, &oidc_gate_module, state);
    return state;
}

static bool speaks_for(const gate_state *state, const gate_settings *settings)
{
    return state->is_decided && state->settings == settings && state->decision.verb == GATE_ADMIT;
}

const gate_state *gate_state_for(request_rec *r, const gate_settings *settings)
{
    for (request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        for (const gate_state *state = gate_state_of(at); state; state = state->parts) {
            if (speaks_for(state, settings))
                return state;
        }
    }
    return NULL;
}

/* Other parts, and the request itself where mod_dir or mod_rewrite look ahead, need not ask
 * again. */
static void share(request_rec *r, gate_state *state)
{
    request_rec *whole = whole_of(r);
    gate_state *of_whole = gate_state_of(whole);

    if (whole == r)
        return;
    if (!of_whole)
        of_whole = gate_state_make(whole, NULL);
    state->parts = of_whole->parts;
    of_whole->parts = state;
}

const char *gate_request_id(request_rec *r)
{
    const char *id = apr_table_get(r->subprocess_env, "UNIQUE_ID");

    if (!id)
        id = gate_random_text(r->pool, gate_random_bytes, ID_BYTES);
    return id ? id : "-";
}

/* --- httpd's request as the gate sees it --- */

static const char *header(const gate_request *q, const char *name)
{
    const request_rec *r = q->context;

    return apr_table_get(r->headers_in, name);
}

static bool header_has(request_rec *r, const char *name, const char *part)
{
    const char *value = apr_table_get(r->headers_in, name);

    return value && ap_strcasestr(value, part);
}

/* Fetch Metadata says it where the browser sends it; older ones say what they accept. A page that is only fetched
 * ahead, put into a frame or asked for by a script is not opened by anybody. */
static bool is_navigation(request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    if (r->method_number != M_GET || apr_table_get(r->headers_in, "Upgrade")
        || header_has(r, "Sec-Purpose", "prefetch") || header_has(r, "Purpose", "prefetch"))
        return false;
    if (mode)
        return !strcmp(mode, "navigate") && (!dest || !strcmp(dest, "document"));
    return header_has(r, "Accept", "text/html") && !apr_table_get(r->headers_in, "X-Requested-With");
}

gate_audience gate_audience_of(request_rec *r)
{
    return is_navigation(r) || (r->method_number != M_GET && header_has(r, "Accept", "text/html")) ? GATE_FOR_PEOPLE
                                                                                                  : GATE_FOR_PROGRAMS;
}

/* Where the chain of internal redirects has come by an error: this is the page that says so. */
static bool is_error_document(const request_rec *r)
{
    for (const request_rec *at = r->prev; at; at = at->prev) {
        if (ap_is_HTTP_ERROR(at->status))
            return true;
    }
    return false;
}

/* What the caller asked for: path and query, before any internal redirect. RFC 9112 section
 * 3.2.2: it may come as a whole address; who we are is not the caller's to say, so its host
 * goes. */
static gate_span asked_for(const request_rec *r)
{
    const char *uri;

    while (r->prev)
        r = r->prev;
    uri = r->unparsed_uri;
    if (*uri != '/') {
        uri = strstr(uri, "://");
        uri = uri ? strchr(uri + 3, '/') : NULL;
    }
    return gate_span_of(uri ? uri : "/");
}

/* Whoever has one address of IPv6 has a network of them, and so is counted as that. */
static const char *counted_as(request_rec *r)
{
    const unsigned char *bytes = r->useragent_addr->ipaddr_ptr;

    if (r->useragent_addr->family != APR_INET6 || IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)bytes))
        return r->useragent_ip;
    return apr_psprintf(r->pool, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", bytes[0], bytes[1], bytes[2], bytes[3],
                        bytes[4], bytes[5], bytes[6], bytes[7]);
}

gate_request gate_request_of(request_rec *r, gate_state *state)
{
    const char *query = strchr(r->unparsed_uri, '?');

    return (gate_request){
        .pool = state->pool,
        .now = apr_time_sec(r->request_time),
        .method = r->method,
        .uri = asked_for(r),
        .query = gate_span_of(query ? query + 1 : NULL),
        .address = counted_as(r),
        .is_navigation = is_navigation(r),
        /* An error document or a part of a page cannot send the browser away. */
        .is_subrequest = r->main || is_error_document(r),
        .header = header,
        .context = r,
        .provider_calls = &state->provider_calls,
    };
}

/* --- a decision as httpd's answer --- */

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

/* name="value" for the log line, or nothing. */
static const char *named(apr_pool_t *p, const char *name, const char *value, apr_size_t max_bytes)
{
    return value ? apr_psprintf(p, " %s=\"%s\"", name, gate_span_for_log(p, gate_span_of(value), max_bytes)) : "";
}

void gate_log_decision(request_rec *r, const gate_state *state, const char *verb, int status)
{
    const gate_decision *decision = &state->decision;
    const gate_reason reason = state->rule_reason ? state->rule_reason : decision->reason;
    const int level = level_of_line(decision, verb, reason);
    apr_pool_t *p = r->pool;

    if (!APLOG_R_IS_LEVEL(r, level))
        return;
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s status=%d reason=%s%s method=%s user=%s loc=%s%s idp_calls=%d rid=%s%s%s", verb,
                  status, gate_reason_name(reason), named(p, "rule", state->refused_rule, 200),
                  decision->known || decision->cache ? gate_method_name(decision->method) : "-",
                  text_or_dash(gate_span_for_log(p, gate_span_of(state->user), 64)),
                  state->settings ? state->settings->place : "-",
                  decision->cache ? apr_pstrcat(p, " cache=", decision->cache, NULL) : "", state->provider_calls,
                  state->id, named(p, "detail", state->rule_reason ? state->rule_detail : decision->detail, 400),
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

/* Bearer first, the stronger; Basic only where programs' credentials are taken, and never for a browser, which would open its password box. */
static void challenge(request_rec *r, const gate_state *state)
{
    const gate_reason reason = gate_state_told(state);
    const gate_settings *s = state->settings;
    const gate_challenge bearer = {
        .realm = realm_of(r),
        .reason = reason,
        .description = gate_reason_get(reason)->oauth_error ? gate_reason_get(reason)->remedy : NULL,
        .scope = state->scope_needed,
        .resource_metadata = s ? s->resource_metadata : NULL,
        .acr_values = state->step_up.acr_values,
        .max_age = state->step_up.max_age ? state->step_up.max_age : -1,
    };
    const bool takes_tokens = s && s->methods & ~(1u << GATE_METHOD_CLIENT_CREDENTIALS);
    const bool takes_clients = s && s->methods & 1u << GATE_METHOD_CLIENT_CREDENTIALS;
    const bool for_people = state->audience == GATE_FOR_PEOPLE;

    if (takes_tokens || for_people || !takes_clients || reason == GATE_ACR_UNMET)
        apr_table_addn(r->err_headers_out, "WWW-Authenticate", gate_bearer_challenge(r->pool, &bearer));
    if (takes_clients && !for_people)
        apr_table_addn(r->err_headers_out, "WWW-Authenticate", gate_basic_challenge(r->pool, realm_of(r)));
}

/* httpd's ErrorDocument comes first; without one, the gate's own endpoint says it, in the caller's form. */
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
    for (int i = 0; i < decision->cookie_count && !r->main; i++)
        apr_table_addn(r->err_headers_out, "Set-Cookie", decision->cookies[i]);
    if (decision->retry_after)
        apr_table_setn(r->err_headers_out, "Retry-After", apr_itoa(r->pool, decision->retry_after));
}

/* The page that was to say why a request is refused is refused itself. The first answer stands:
 * httpd says it without a page. */
static bool was_refused_before(request_rec *r)
{
    for (request_rec *at = r->prev; at; at = at->prev) {
        const gate_state *state = gate_state_of(at);

        if (state && state->is_refused)
            return true;
    }
    return false;
}

static int refuse(request_rec *r, gate_state *state, gate_reason reason, int status)
{
    if (was_refused_before(r))
        return status;
    state->is_refused = true;
    state->audience = gate_audience_of(r); /* httpd makes a GET of the request before it asks for the page */
    send_headers(r, &state->decision);
    if (status == 401 || (status == 403 && gate_reason_get(reason)->oauth_error)
        || (status == 400 && gate_reason_get(reason)->oauth_error && state->settings))
        challenge(r, state);
    gate_log_decision(r, state, "deny", status);
    prepare_page(r, status);
    return status;
}

int gate_answer_with(request_rec *r, gate_state *state)
{
    const gate_decision *decision = &state->decision;

    if (!state->id)
        state->id = gate_request_id(r);
    if (decision->verb != GATE_REDIRECT)
        return refuse(r, state, decision->reason, decision->status);
    send_headers(r, decision);
    apr_table_setn(r->err_headers_out, "Location", decision->location);
    gate_log_decision(r, state, decision->known ? "login" : "redirect", decision->status);
    return decision->status;
}

/* --- what strangers claim to be --- */

typedef struct sweep_list {
    apr_array_header_t *names; /* NULL as long as nothing was found */
    apr_pool_t *pool;
} sweep_list;

static int note_told(void *data, const char *name, const char *value)
{
    sweep_list *sweep = data;

    if (gate_config_tells_header(gate_span_of(name))) {
        if (!sweep->names)
            sweep->names = apr_array_make(sweep->pool, 4, sizeof(const char *));
        APR_ARRAY_PUSH(sweep->names, const char *) = name;
    }
    return 1;
}

/* The names that were taken out of the table, or NULL. */
static apr_array_header_t *sweep_table(apr_pool_t *p, apr_table_t *table)
{
    sweep_list sweep = {.pool = p};

    apr_table_do(note_told, &sweep, table, NULL);
    for (int i = 0; sweep.names && i < sweep.names->nelts; i++)
        apr_table_unset(table, APR_ARRAY_IDX(sweep.names, i, const char *));
    return sweep.names;
}

static void put_back(apr_table_t *headers, const char *name, const char *value)
{
    if (value)
        apr_table_setn(headers, name, value);
    else
        apr_table_unset(headers, name);
}

/* An internal redirect shares its headers with the request before it, a subrequest copies them.
 * It is a request in its own right: what was withheld from that one's backend, or told it, is
 * not what this one comes with. */
static void restore_credentials(request_rec *r)
{
    for (request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        const gate_state *state = gate_state_of(at);

        if (state && state->withholds) {
            put_back(r->headers_in, "Authorization", state->authorization);
            put_back(r->headers_in, "Cookie", state->cookies);
            return;
        }
    }
}

/* No hook is run first of all for a subrequest; so whoever looks at it first does this. */
static void receive(request_rec *r)
{
    if (!r->main || gate_state_of(r))
        return;
    gate_state_make(r, NULL);
    restore_credentials(r);
    if (gate_config_tells_headers())
        sweep_table(r->pool, r->headers_in);
}

/* --- who --- */

#define CLIENT_PREFIX "client:"

/* The first of OIDCGateRemoteUser's claims that there is. A client's name is marked as such: it is never taken for a
 * user's, even where the two are alike (RFC 9700 section 4.15). */
static const char *user_of(apr_pool_t *p, const gate_settings *s, const gate_identity *identity)
{
    for (int i = 0; i < s->user_claim_count; i++) {
        gate_value_type type;
        gate_claim claim;
        gate_span value;

        if (!gate_claim_find(identity, &s->user_claims[i], &claim) || claim.count != 1)
            continue;
        value = gate_claim_value(&claim, 0, &type);
        if (!value.len || type == GATE_VALUE_NULL || type == GATE_VALUE_JSON || gate_span_has_control(value))
            continue;
        if (gate_identity_is_client(identity))
            return apr_pstrcat(p, CLIENT_PREFIX, gate_span_dup(p, value), NULL);
        if (!gate_span_starts(value, CLIENT_PREFIX)) /* nor is a user's name taken for a client's */
            return gate_span_dup(p, value);
    }
    return NULL;
}

static gate_reason render(apr_pool_t *p, const gate_state *state, const gate_told_list *list,
                          apr_array_header_t **lines, const char **detail)
{
    const gate_tokens none = {.access_expires = 0};
    const gate_tokens *tokens = state->decision.tokens ? state->decision.tokens : &none;
    const gate_template_values values = {
        .identity = state->decision.identity,
        .user = state->user,
        .method = gate_method_name(state->decision.method),
        .access_token = tokens->access_token,
        .id_token = tokens->id_token,
        .introspection = tokens->introspection,
        .userinfo = tokens->userinfo,
    };

    size_t bytes = 0;

    *lines = apr_array_make(p, list->count, sizeof(gate_line));
    for (int i = 0; i < list->count; i++) {
        gate_span value;
        const gate_reason reason = gate_template_render(p, list->items[i].template, &values, &value, detail);

        if (reason != GATE_OK)
            return reason;
        if (!value.ptr)
            continue;
        bytes += value.len;
        APR_ARRAY_PUSH(*lines, gate_line) = (gate_line){list->items[i].name, value.ptr};
    }
    if (bytes <= 2 * GATE_TEMPLATE_MAX_BYTES)
        return GATE_OK;
    *detail = "all headers together are longer than any backend takes";
    return GATE_CLAIM_UNSAFE;
}

/* All that the backend will be told is made now: what cannot be told truthfully refuses the request before anything else is asked. */
static gate_reason prepare(gate_state *state, const char **detail)
{
    const gate_settings *s = state->settings;
    gate_reason reason;

    state->user = user_of(state->pool, s, state->decision.identity);
    if (!state->user) {
        *detail = "none of OIDCGateRemoteUser's claims is there, and no request goes on without a name";
        return GATE_CLAIM_MISSING;
    }
    reason = render(state->pool, state, &s->headers, &state->lines, detail);
    return reason == GATE_OK ? render(state->pool, state, &s->variables, &state->variables, detail) : reason;
}

static void take_user(request_rec *r, const gate_state *state)
{
    if (state->user) {
        r->user = apr_pstrdup(r->pool, state->user);
        r->ap_auth_type = apr_pstrdup(r->pool, "OIDCGate");
    }
}

/* A subrequest that only asks which settings hold somewhere is not to be decided. */
static bool is_probed(request_rec *r)
{
    const gate_state *above = r->main ? gate_state_of(r->main) : NULL;

    return above && above->is_probe;
}

/* What was decided of the same caller under the same settings holds here too. */
static gate_state *inherit(request_rec *r, const gate_state *earlier)
{
    gate_state *state = gate_state_make(r, earlier->settings);

    state->decision = earlier->decision;
    state->user = earlier->user;
    state->id = earlier->id;
    state->lines = earlier->lines;
    state->variables = earlier->variables;
    state->is_decided = state->is_inherited = true;
    return state;
}

static gate_state *decide(request_rec *r, const gate_settings *settings, const char *problem)
{
    gate_state *state = gate_state_make(r, settings);
    const gate_request q = gate_request_of(r, state);
    const char *detail = NULL;
    gate_reason reason;

    state->is_decided = true;
    state->decision = settings ? gate_decide(&q, settings, gate_runtime_world())
                               : gate_refuse(GATE_CONFIG_ERROR, problem);
    if (state->decision.verb == GATE_ADMIT && state->decision.known) {
        reason = prepare(state, &detail);
        if (reason != GATE_OK)
            state->decision = gate_refuse(reason, detail);
    }
    if (state->decision.verb == GATE_ADMIT) {
        for (int i = 0; i < state->decision.cookie_count && !r->main; i++)
            apr_table_addn(r->err_headers_out, "Set-Cookie", state->decision.cookies[i]);
    }
    share(r, state);
    return state;
}

static bool is_guarded(request_rec *r)
{
    const char *problem = NULL;

    return gate_config_settings(r, &problem) || problem;
}

/* Decided once, whoever asks first. */
static gate_state *consider(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);
    const gate_state *earlier = settings ? gate_state_for(r, settings) : NULL;
    gate_state *own = gate_state_of(r);

    receive(r);
    if (own && own->is_decided && own->settings == settings)
        return own;
    return earlier ? inherit(r, earlier) : decide(r, settings, problem);
}

/* httpd's rules let the caller in without a name. That is the last word only about somebody who
 * has none, by permission (OIDCGateOnUnauthenticated pass): httpd goes on without authentication
 * then. */
int gate_force_user(request_rec *r)
{
    gate_state *state;

    if (!gate_config_forces_authn(r) || !is_guarded(r))
        return DECLINED;
    if (is_probed(r))
        return OK;
    state = consider(r);
    if (state->decision.verb != GATE_ADMIT || state->decision.known)
        return OK;
    if (!state->id)
        state->id = gate_request_id(r);
    if (!state->is_inherited)
        gate_log_decision(r, state, "allow", HTTP_OK);
    return DECLINED;
}

int gate_check_user(request_rec *r)
{
    gate_state *state;

    if (!is_guarded(r))
        return DECLINED;
    if (is_probed(r))
        return HTTP_UNAUTHORIZED;
    state = consider(r);
    if (state->decision.verb == GATE_ADMIT && !state->decision.known) /* nobody, where the rules ask for somebody */
        state->decision = gate_refuse(GATE_NO_CREDENTIAL, NULL);
    if (state->decision.verb != GATE_ADMIT)
        return gate_answer_with(r, state);
    take_user(r, state);
    return OK;
}

/* --- may they --- */

static int ask_rules(request_rec *r, gate_state *state)
{
    int status;

    state->in_rules = true;
    status = ap_run_auth_checker(r);
    state->in_rules = false;
    return status;
}

/* Whether somebody who signs in again, as the rules want it, would be let in: httpd is asked once
 * more, with that taken for granted. What an alternative wants is noted even where another rule
 * beside it refuses: then more is asked for than would do, but never less. */
static bool would_step_up_help(request_rec *r, gate_state *state)
{
    int status;

    if (!state->unmet_rule)
        return false;
    state->assumes_step_up = true;
    status = ask_rules(r, state);
    state->assumes_step_up = false;
    if (status == OK)
        return true;
    state->step_up = (gate_step_up){.max_age = 0};
    return false;
}

static int ask_to_step_up(request_rec *r, gate_state *state)
{
    const gate_request q = gate_request_of(r, state);
    const gate_decision decision = gate_decide_step_up(&q, state->settings, gate_runtime_world(),
                                                       &state->decision, &state->step_up);

    state->rule_reason = decision.reason; /* or why the person cannot be sent away just now */
    state->rule_detail = decision.reason == GATE_ACR_UNMET ? state->unmet_detail : decision.detail;
    state->refused_rule = state->unmet_rule;
    state->scope_needed = NULL;
    if (decision.verb == GATE_CHALLENGE)
        return refuse(r, state, decision.reason, decision.status);
    state->decision = decision;
    return gate_answer_with(r, state);
}

/* httpd's own rule engine is asked, and its verdict said in the gate's words: who is known and may not pass gets 403, without
 * AuthzSendForbiddenOnFailure. */
int gate_check_rules(request_rec *r)
{
    gate_state *state = gate_state_of(r);
    bool step_up;
    int status;

    if (!state || !state->is_decided || state->in_rules || state->decision.verb != GATE_ADMIT)
        return DECLINED;
    if (!state->id)
        state->id = gate_request_id(r);
    status = ask_rules(r, state);
    if (status == OK) {
        state->rule_reason = GATE_OK; /* of a rule whose neighbour granted */
        state->refused_rule = NULL;
        if (!state->is_inherited)
            gate_log_decision(r, state, "allow", HTTP_OK);
        return OK;
    }
    if (status != HTTP_UNAUTHORIZED && status != HTTP_FORBIDDEN)
        return status;
    step_up = would_step_up_help(r, state);
    if (!was_refused_before(r))
        apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    if (step_up)
        return ask_to_step_up(r, state);
    if (!state->rule_reason)
        state->rule_reason = GATE_RULE_REFUSED;
    return refuse(r, state, state->rule_reason, gate_reason_get(state->rule_reason)->status);
}

/* --- the first look --- */

/* What a Connection header may not name: ours, and what carries credentials (RFC 9110 section 7.6.1 would have mod_proxy drop them). */
static bool is_protected(gate_span token)
{
    return gate_config_tells_header(token) || gate_span_equal_nocase(token, GATE_SPAN("Cookie"))
        || gate_span_equal_nocase(token, GATE_SPAN("Authorization"));
}

static void sweep_connection(request_rec *r)
{
    gate_span rest = gate_span_of(apr_table_get(r->headers_in, "Connection")), token;
    const char *kept = NULL;
    bool dropped = false;

    while (gate_span_cut(&rest, ',', &token)) {
        token = gate_span_trim(token);
        if (is_protected(token)) {
            dropped = true;
            continue;
        }
        kept = kept ? apr_pstrcat(r->pool, kept, ", ", gate_span_dup(r->pool, token), NULL)
                    : gate_span_dup(r->pool, token);
    }
    if (!dropped)
        return;
    if (kept && *kept)
        apr_table_setn(r->headers_in, "Connection", kept);
    else
        apr_table_unset(r->headers_in, "Connection");
}

int gate_scrub(request_rec *r)
{
    apr_array_header_t *stripped;

    if (r->prev)
        restore_credentials(r);
    if (!gate_config_tells_headers())
        return DECLINED;
    stripped = sweep_table(r->pool, r->headers_in);
    if (r->trailers_in)
        sweep_table(r->pool, r->trailers_in);
    if (apr_table_get(r->headers_in, "Connection"))
        sweep_connection(r);
    if (stripped && ap_is_initial_req(r))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "stripped client header \"%s\" (%d in all): only the gate says who somebody is",
                      gate_span_for_log(r->pool, gate_span_of(APR_ARRAY_IDX(stripped, 0, const char *)), 64),
                      stripped->nelts);
    return DECLINED;
}

/* Before any authentication, httpd itself would send the caller's cookies and credentials back
 * as a text (RFC 9110 section 9.3.8), for a script that may not read them otherwise. */
int gate_refuse_trace(request_rec *r)
{
    gate_state *state;

    if (r->method_number != M_TRACE || !gate_config_site(r->server))
        return DECLINED;
    state = gate_state_make(r, NULL);
    state->decision = gate_refuse(GATE_METHOD_NOT_ALLOWED, NULL);
    return gate_answer_with(r, state);
}

/* --- what the backend is told --- */

/* Once a request, however often its settings change on the way (mod_dir puts the index file's in
 * their place). */
static void withhold_credentials(request_rec *r, const gate_settings *s)
{
    gate_state *state = gate_state_of(r);
    apr_table_t *headers = r->headers_in;

    if (!state)
        state = gate_state_make(r, NULL);
    if (state->withholds)
        return;
    state->withholds = true;
    state->authorization = apr_table_get(headers, "Authorization");
    state->cookies = apr_table_get(headers, "Cookie");
    if (s->forward_credentials)
        return;
    apr_table_unset(headers, "Authorization");
    if (state->cookies)
        put_back(headers, "Cookie", gate_cookie_without(r->pool, state->cookies, s->site->cookie));
}

int gate_withhold(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);

    receive(r);
    if (settings && gate_open_endpoint(r) != OK)
        withhold_credentials(r, settings);
    return DECLINED;
}

static void set_lines(apr_table_t *table, const apr_array_header_t *lines)
{
    for (int i = 0; lines && i < lines->nelts; i++) {
        const gate_line *line = &APR_ARRAY_IDX(lines, i, gate_line);

        apr_table_setn(table, line->name, line->value);
    }
}

/* What is guarded is nobody else's, however somebody was let in: mod_cache, which would answer
 * before any rule is asked, does not keep it, and no cache on the way either. */
static void keep_private(request_rec *r)
{
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    if (!apr_table_get(r->err_headers_out, "Cache-Control"))
        apr_table_setn(r->err_headers_out, "Cache-Control", "private");
}

int gate_publish(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);
    const gate_state *state = settings ? gate_state_for(r, settings) : NULL;

    if (!settings || gate_open_endpoint(r) == OK)
        return DECLINED;
    withhold_credentials(r, settings);
    keep_private(r);
    if (!state || !state->decision.known)
        return DECLINED;
    set_lines(r->headers_in, state->lines);
    set_lines(r->subprocess_env, state->variables);
    return DECLINED;
}

int gate_publish_to_proxy(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);
    const gate_state *state = settings ? gate_state_for(r, settings) : NULL;

    if (gate_config_tells_headers())
        sweep_table(r->pool, r->headers_in);
    if (state && state->decision.known)
        set_lines(r->headers_in, state->lines);
    return OK;
}
