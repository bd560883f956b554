/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/explain.h"

#include <apr_strings.h>

#include "http_protocol.h"
#include "http_request.h"

#include "base/json.h"
#include "gate/decide.h"
#include "gate/filed.h"
#include "gate/rehearse.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/describe.h"
#include "httpd/endpoints.h"
#include "httpd/guard.h"
#include "httpd/headers.h"
#include "httpd/request.h"
#include "httpd/runtime.h"

APLOG_USE_MODULE(oidc_gate);

#define MAX_PARAMETERS 8
#define SHOWN_BYTES    400

/* A question on its way to its answer. */
typedef struct explaining {
    request_rec *r;
    const gate_form *form;
    bool is_post;
    request_rec *there;       /* a request for the path, that goes no further than its settings */
    bool is_own;              /* it brings what the caller came with; */
    const char *token;        /* else that token, or NULL for nothing, */
    gate_token_source source; /* in the first place where one may stand there */
    gate_state *state;        /* of there */
    gate_rehearsal rehearsal;
    gate_request q;
    int calls;
    json_t *answer;
} explaining;

static gate_span parameter(const explaining *e, const char *name)
{
    return gate_form_get(e->form, name);
}

static json_t *text_or_null(apr_pool_t *p, const char *text)
{
    return text ? json_string(gate_span_for_log(p, gate_span_of(text), SHOWN_BYTES)) : json_null();
}

/* --- by the name of a credential --- */

static json_t *describe_filed(const gate_filed *filed)
{
    static const char *const kinds[GATE_STORE_KINDS] = {
        [GATE_STORE_SESSION] = "session",
        [GATE_STORE_TOKEN] = "credential found good",
        [GATE_STORE_NEGATIVE] = "credential found bad",
    };
    const gate_record *record = &filed->record;
    json_t *about;

    if (!filed->is_found)
        return json_pack("{s:b, s:s}", "known", 0, "means",
                         "nothing is filed by that name: it has expired, was ended or pushed out, "
                         "or never was good");
    about = json_pack("{s:b, s:s, s:I, s:I, s:I, s:i}", "known", 1, "kind", kinds[filed->kind],
                      "created", (json_int_t)record->created, "seen", (json_int_t)record->seen,
                      "expires", (json_int_t)record->expires, "idle", (int)record->idle);
    if (filed->kind == GATE_STORE_NEGATIVE)
        json_object_set_new(about, "reason", json_string(gate_reason_name(filed->reason)));
    if (filed->all_ended_at)
        json_object_set_new(about, "ended", json_integer((json_int_t)filed->all_ended_at));
    return about;
}

static gate_decision explain_credential(explaining *e)
{
    gate_filed filed;
    const gate_reason reason =
        gate_filed_find(&e->q, gate_runtime_world(), parameter(e, "digest"), &filed);

    if (reason != GATE_OK)
        return gate_refuse(reason, "digest= is the name that a line of the log has as cred=");
    json_object_set_new(e->answer, "credential", describe_filed(&filed));
    return (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
}

/* --- the request that is thought of --- */

/* The token in its header. */
static const char *brought(const explaining *e, const char *name)
{
    apr_pool_t *p = e->r->pool;

    switch (e->source.place) {
    case GATE_TOKEN_IN_AUTHORIZATION:
        return strcasecmp(name, "Authorization") ? NULL : apr_pstrcat(p, "Bearer ", e->token, NULL);
    case GATE_TOKEN_IN_HEADER:
        return strcasecmp(name, e->source.name) ? NULL : e->token;
    case GATE_TOKEN_IN_COOKIE:
        return strcasecmp(name, "Cookie") ? NULL
                                          : apr_pstrcat(p, e->source.name, "=", e->token, NULL);
    default:
        return NULL;
    }
}

static const char *header(const gate_request *q, const char *name)
{
    const explaining *e = q->context;

    if (e->is_own)
        return apr_table_get(e->there->headers_in, name);
    return e->token ? brought(e, name) : NULL;
}

/* httpd itself is asked what holds there, as for the sign-in link. What its rules say
 * meanwhile is for the answer, and not for its log. */
static void look_there(explaining *e, const char *method, const char *path)
{
    static const struct ap_logconf silence = {NULL, APLOG_EMERG};

    e->there = ap_sub_req_method_uri(method, path, e->r, NULL);
    gate_receive(e->there);
    gate_restore(e->there); /* httpd has gone on to its fixups where the very same place is meant */
    e->there->log = &silence;
    e->there->user = NULL;
}

static void take_credential(explaining *e, const gate_settings *settings)
{
    const gate_span token = parameter(e, "token");
    const gate_token_sources sources =
        settings ? settings->token_sources : (gate_token_sources){NULL, 0};

    e->is_own = !token.ptr && !gate_span_is(parameter(e, "who"), "nobody");
    e->token = token.ptr ? gate_span_dup(e->r->pool, token) : NULL;
    if (sources.count)
        e->source = sources.items[0];
    e->q.taken_query = (gate_span){NULL, 0};
    if (e->token && e->source.place == GATE_TOKEN_IN_QUERY)
        e->q.taken_query = gate_span_of(apr_pstrcat(e->r->pool, e->source.name, "=",
                                                    gate_form_encode(e->r->pool, token), NULL));
}

static void imagine(explaining *e, const gate_request *q, const char *method, gate_span path)
{
    const char *query = memchr(path.ptr, '?', path.len);

    e->q = *q;
    e->q.method = method;
    e->q.uri = path;
    e->q.query = query ? (gate_span){query + 1, path.len - (size_t)(query + 1 - path.ptr)}
                       : (gate_span){NULL, 0};
    e->q.is_navigation = gate_span_is(parameter(e, "as"), "browser") && !strcmp(method, "GET");
    e->q.is_subrequest = false;
    e->q.is_watched = true;
    e->q.header = header;
    e->q.context = e;
    e->q.provider_calls = &e->calls;
    e->q.trace = gate_trace_make(e->r->pool);
}

/* --- how it is decided --- */

static void note(explaining *e, const char *name, const char *seen, gate_reason reason)
{
    gate_trace_add(e->q.trace, name, seen, reason, NULL);
}

static int ask_rules_of_nobody(explaining *e)
{
    int status;

    e->state->in_rules = true;
    status = ap_run_access_checker_ex(e->there);
    e->state->in_rules = false;
    return status;
}

/* The gate's rules, each for itself: none of them says no before it knows who it is. httpd's own
 * are not seen one by one. */
static void list_rules(explaining *e)
{
    e->state->trace = e->q.trace;
    ask_rules_of_nobody(e);
}

/* What httpd says before anybody is known: OK lets everybody in, DECLINED asks for a name, and all
 * else is a refusal of everybody. */
static int ask_without_name(explaining *e)
{
    const int status = ask_rules_of_nobody(e);

    if (status == OK)
        note(e, "all rules together, without a name", "they let everybody in", GATE_OK);
    else if (status == DECLINED)
        note(e, "all rules together, without a name", "they ask for one", GATE_OK);
    else
        note(e, "all rules together, without a name",
             apr_psprintf(e->r->pool,
                          "%d, whoever it is: a rule of httpd's own refuses this "
                          "request (from the address that you ask from)",
                          status),
             GATE_RULE_REFUSED);
    return status;
}

/* Whether that was the last word: the gate is asked by none but httpd, and where it does without,
 * only if something forces it (gate_force_user). */
static bool is_settled(explaining *e, int status)
{
    if (status == DECLINED || (status == OK && gate_config_forces_authn(e->there)))
        return false;
    e->state->decision = status == OK ? (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK}
                                      : gate_refuse(GATE_RULE_REFUSED, "whoever it is");
    return true;
}

static void ask_with_name(explaining *e)
{
    gate_state *state = e->state;
    int status;

    e->there->user = apr_pstrdup(e->there->pool, state->user);
    state->trace = e->q.trace;
    status = gate_ask_rules(e->there, state);
    e->there->user = NULL;
    if (status == OK) {
        state->rule_reason = GATE_OK;
        state->refused_rule = NULL;
    } else if (state->unmet_rule && !state->rule_reason) {
        state->rule_reason = GATE_ACR_UNMET;
        state->refused_rule = state->unmet_rule;
    } else if (!state->rule_reason) {
        state->rule_reason = GATE_RULE_REFUSED;
    }
    note(e, "all rules together", state->user, state->rule_reason);
}

static void note_told(explaining *e, const char *kind, const gate_told_list *told,
                      const char *const *texts)
{
    for (int i = 0; i < told->count; i++)
        note(e, apr_pstrcat(e->r->pool, kind, " ", told->items[i].name, NULL),
             texts[i] ? "told" : "left out: something in it is not there", GATE_OK);
}

/* No place is asked about it: the host refuses it before it looks which one is meant. */
static bool is_trace(const char *method)
{
    return ap_method_number_of(method) == M_TRACE;
}

static void decide(explaining *e, const gate_settings *settings, const char *problem)
{
    gate_state *state = e->state = gate_state_make(e->there, settings);

    if (is_trace(e->q.method)) {
        state->decision = gate_refuse(GATE_METHOD_NOT_ALLOWED, NULL);
        note(e, "method", "TRACE, which this host refuses", state->decision.reason);
        return;
    }
    if (!settings) {
        state->decision = gate_refuse(GATE_CONFIG_ERROR, problem);
        return;
    }
    if (is_settled(e, ask_without_name(e)))
        return;
    state->is_decided = true;
    state->decision = gate_decide(&e->q, settings, &e->rehearsal.world);
    if (state->decision.reason == GATE_NO_CREDENTIAL)
        list_rules(e);
    if (state->decision.verb != GATE_ADMIT || !state->decision.known)
        return;
    gate_prepare(state, e->q.now);
    note(e, "user", state->user, state->decision.reason);
    if (state->decision.verb != GATE_ADMIT)
        return;
    ask_with_name(e);
    if (state->rule_reason)
        return;
    note_told(e, "header", &settings->headers, state->told);
    note_told(e, "variable", &settings->variables, state->told + settings->headers.count);
}

/* --- the answer --- */

static json_t *steps(const explaining *e)
{
    json_t *list = json_array();

    for (int i = 0; i < e->q.trace->steps->nelts; i++) {
        const gate_step *step = &APR_ARRAY_IDX(e->q.trace->steps, i, gate_step);
        json_t *item = json_pack("{s:o, s:o, s:s}", "step", text_or_null(e->r->pool, step->name),
                                 "seen", text_or_null(e->r->pool, step->seen), "verdict",
                                 gate_reason_name(step->reason));

        if (step->detail)
            json_object_set_new(item, "detail", text_or_null(e->r->pool, step->detail));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *verdict(const explaining *e)
{
    static const char *const verbs[] = {"admit", "redirect", "challenge", "refuse", "fail"};
    const gate_state *state = e->state;
    const gate_decision *d = &state->decision;
    const gate_reason reason = state->rule_reason ? state->rule_reason : d->reason;
    const bool refuses = state->rule_reason && d->verb == GATE_ADMIT;
    const char *name = d->filed_under.is_known
                           ? gate_filed_name(e->r->pool, gate_runtime_world(), &d->filed_under.key)
                           : NULL;

    if (e->rehearsal.calls && !e->rehearsal.asks)
        return json_pack("{s:s, s:s}", "verb", "open", "means",
                         "the provider would be asked; POST with ask=yes has it asked");
    return json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "verb",
                     refuses ? verbs[GATE_REFUSE] : verbs[d->verb], "status",
                     refuses ? gate_reason_get(reason)->status : d->status, "reason",
                     gate_reason_name(reason), "remedy", gate_reason_get(reason)->remedy, "rule",
                     text_or_null(e->r->pool, state->refused_rule), "user",
                     text_or_null(e->r->pool, state->user), "detail",
                     text_or_null(e->r->pool, d->detail), "digest", text_or_null(e->r->pool, name),
                     "enforced", gate_config_enforces(e->there));
}

static gate_decision explain_path(explaining *e, const gate_request *q, gate_world *w)
{
    const gate_span path = parameter(e, "path"), asked = parameter(e, "method");
    const char *method = asked.len ? gate_span_dup(e->r->pool, asked) : "GET";
    const char *problem = NULL;
    const gate_settings *settings;

    if (!gate_url_is_local(path) || ap_method_number_of(method) == M_INVALID)
        return gate_refuse(GATE_TARGET_UNSAFE,
                           "path= is a path on this host, and method= a method");
    imagine(e, q, method, path);
    look_there(e, is_trace(method) ? "GET" : method, gate_span_dup(e->r->pool, path));
    settings = gate_config_settings(e->there, &problem);
    take_credential(e, settings);
    json_object_set_new(e->answer, "path",
                        text_or_null(e->r->pool, gate_span_dup(e->r->pool, path)));
    json_object_set_new(e->answer, "guarded", json_boolean(settings || problem));
    if (gate_open_endpoint(e->there) == OK) {
        json_object_set_new(e->answer, "means", json_string("an address of the gate's own"));
    } else if (settings || problem) {
        gate_rehearse(&e->rehearsal, w, e->q.trace, gate_span_is(parameter(e, "ask"), "yes"));
        decide(e, settings, problem);
        json_object_set_new(e->answer, "place", json_string(settings ? settings->place : "-"));
        json_object_set_new(e->answer, "decision", verdict(e));
        json_object_set_new(e->answer, "trace", steps(e));
        json_object_set_new(e->answer, "directives", gate_describe(e->there));
    } else if (is_trace(method)) {
        json_object_set_new(e->answer, "means", json_string("this host refuses TRACE"));
    }
    ap_destroy_sub_req(e->there);
    return (gate_decision){.verb = GATE_ADMIT, .status = HTTP_OK};
}

/* What a query may not hold: a token would be in the access log, and a link must not make anybody
 * ask the provider. */
static bool is_asked_rightly(const explaining *e)
{
    return (parameter(e, "path").ptr || parameter(e, "digest").ptr) &&
           (e->is_post || (!parameter(e, "token").ptr && !parameter(e, "ask").ptr));
}

gate_decision gate_explain(request_rec *r, const gate_request *q, gate_span parameters,
                           const gate_site *site, const char **json)
{
    explaining e = {.r = r, .is_post = r->method_number == M_POST, .q = *q};
    gate_state *state = gate_state_of(r);
    gate_decision decision = {.verb = GATE_ADMIT, .status = HTTP_OK};
    gate_form *form;

    if (e.is_post && !gate_comes_from_here(q, site))
        return gate_refuse(GATE_CROSS_SITE, NULL);
    if (gate_form_parse(r->pool, parameters, MAX_PARAMETERS, &form) != GATE_OK)
        return gate_refuse(GATE_MALFORMED_REQUEST, "no form that can be read");
    e.form = form;
    if (!is_asked_rightly(&e))
        return gate_refuse(GATE_MALFORMED_REQUEST,
                           "path= or digest= is asked about; token= and ask= go in a POST");
    e.answer = gate_json_own(r->pool, json_object());
    if (parameter(&e, "digest").ptr)
        decision = explain_credential(&e);
    state->is_probe = true;
    if (decision.verb == GATE_ADMIT && parameter(&e, "path").ptr)
        decision = explain_path(&e, q, gate_runtime_world());
    state->is_probe = false;
    *json = gate_json_compact(r->pool, e.answer).ptr;
    return decision;
}
