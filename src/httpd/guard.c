/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/guard.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_request.h"

#include "gate/decide.h"
#include "httpd/address.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/headers.h"
#include "httpd/memory.h"
#include "httpd/own_cookies.h"
#include "httpd/request.h"
#include "httpd/runtime.h"
#include "httpd/variables.h"

APLOG_USE_MODULE(oidc_gate);

/* --- who --- */

#define CLIENT_PREFIX "client:"

const char *gate_user_of(apr_pool_t *p, const gate_settings *s, const gate_identity *identity)
{
    for (int i = 0; i < s->user_claim_count; i++) {
        gate_value_type type;
        gate_claim claim;
        gate_span value;

        if (!gate_claim_find(identity, &s->user_claims[i], &claim) || claim.count != 1)
            continue;
        value = gate_claim_value(&claim, 0, &type);
        if (!value.len || type == GATE_VALUE_NULL || type == GATE_VALUE_JSON ||
            gate_span_has_control(value))
            continue;
        if (gate_identity_is_client(identity))
            return apr_pstrcat(p, CLIENT_PREFIX, gate_span_dup(p, value), NULL);
        if (!gate_span_starts(value, CLIENT_PREFIX)) /* nor is a user's name taken for a client's */
            return gate_span_dup(p, value);
    }
    return NULL;
}

static gate_template_values values_of(const gate_state *state, apr_int64_t now)
{
    const gate_tokens none = {.access_expires = 0};
    const gate_decision *decision = &state->decision;
    const gate_tokens *tokens = decision->tokens ? decision->tokens : &none;
    const gate_site *site = state->settings->site;

    return (gate_template_values){
        .identity = decision->identity,
        .user = state->user,
        .method = gate_method_name(decision->method),
        .access_token = tokens->access_token,
        .id_token = tokens->id_token,
        .introspection = tokens->introspection,
        .userinfo = tokens->userinfo,
        .access_expires = tokens->access_expires,
        .expires =
            decision->session ? decision->expires : gate_identity_expires(decision->identity),
        .session = decision->session,
        .assertion = site->assertion,
        .origin = site->origin,
        .now = now,
        .random = gate_runtime_world()->random,
    };
}

static gate_reason render(apr_pool_t *p, const gate_template_values *values,
                          const gate_told_list *list, const char **told, const char **detail)
{
    size_t bytes = 0;

    for (int i = 0; i < list->count; i++) {
        gate_span value;
        const gate_reason reason =
            gate_template_render(p, list->items[i].template, values, &value, detail);

        if (reason != GATE_OK)
            return reason;
        told[i] = value.ptr;
        bytes += value.len;
    }
    if (bytes <= 2 * GATE_TEMPLATE_MAX_BYTES)
        return GATE_OK;
    *detail = "all headers together are longer than any backend takes";
    return GATE_CLAIM_UNSAFE;
}

/* All that the backend will be told is made now: what cannot be told truthfully refuses the request
 * before anything else is asked. */
static gate_reason tell(gate_state *state, apr_int64_t now, const char **detail)
{
    const gate_settings *s = state->settings;
    const char **told = apr_palloc(state->pool, gate_told_count(s) * sizeof *told);
    gate_template_values values;
    gate_reason reason;

    state->told = told;
    state->user = gate_user_of(state->pool, s, state->decision.identity);
    if (!state->user) {
        *detail =
            "none of OIDCGateRemoteUser's claims is there, and no request goes on without a name";
        return GATE_CLAIM_MISSING;
    }
    values = values_of(state, now);
    reason = render(state->pool, &values, &s->headers, told, detail);
    return reason == GATE_OK
               ? render(state->pool, &values, &s->variables, told + s->headers.count, detail)
               : reason;
}

void gate_prepare(gate_state *state, apr_int64_t now)
{
    const char *detail = NULL;
    const gate_reason reason = tell(state, now, &detail);

    if (reason == GATE_OK)
        return;
    gate_decision refusal = gate_refuse(reason, detail);
    refusal.filed_under = state->decision.filed_under;
    state->decision = refusal;
}

static void take_user(request_rec *r, const gate_state *state)
{
    static char auth_type[] = "OIDCGate";

    if (state->user) {
        r->user = apr_pstrdup(r->pool, state->user);
        r->ap_auth_type = auth_type;
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

    state->sections = r->per_dir_config;
    state->decision = earlier->decision;
    state->user = earlier->user;
    state->id = earlier->id;
    state->told = earlier->told;
    state->is_decided = state->is_inherited = true;
    return state;
}

/* What a request comes to. */
typedef struct place {
    const gate_settings *settings;
    const char *problem; /* where there are none, because of that */
} place;

static gate_state *decide(request_rec *r, const place *at)
{
    const gate_settings *settings = at->settings;
    const gate_state *before = gate_state_of(r);
    const bool is_first = !before || !before->is_decided;
    gate_state *state = gate_state_make(r, settings);
    gate_request q = gate_request_glance(r, state);
    gate_memory_key key = {.is_made = false};

    state->sections = r->per_dir_config;
    state->is_decided = true;
    if (is_first && settings)
        key = gate_memory_key_of(r, &q, settings);
    if (gate_memory_recall(&key, &q, state))
        return state;
    q = gate_request_of(r, state);
    q.brought = key.is_made ? key.brought : NULL;
    q.is_watched = !gate_config_enforces(r);
    state->decision = settings ? gate_decide(&q, settings, gate_runtime_world())
                               : gate_refuse(GATE_CONFIG_ERROR, at->problem);
    if (state->decision.verb == GATE_ADMIT && state->decision.known) {
        gate_prepare(state, q.now);
        gate_memory_keep(&key, &q, state);
    }
    if (state->decision.verb == GATE_ADMIT && gate_config_enforces(r))
        gate_set_cookies(r, &state->decision);
    gate_state_share(r, state);
    return state;
}

static bool is_guarded(request_rec *r, place *at)
{
    at->settings = gate_config_settings(r, &at->problem);
    return at->settings || at->problem;
}

/* Decided once, whoever asks first. */
static gate_state *consider(request_rec *r, const place *at)
{
    const gate_state *earlier = at->settings ? gate_state_for(r, at->settings) : NULL;
    gate_state *own = gate_state_of(r);

    gate_receive(r);
    gate_take_query(r);
    if (own && own->is_decided && own->settings == at->settings)
        return own;
    return earlier ? inherit(r, earlier) : decide(r, at);
}

/* --- may they --- */

int gate_ask_rules(request_rec *r, gate_state *state)
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
    status = gate_ask_rules(r, state);
    state->assumes_step_up = false;
    if (status == OK)
        return true;
    state->step_up = (gate_step_up){.max_age = 0};
    return false;
}

static int ask_to_step_up(request_rec *r, gate_state *state)
{
    gate_request q = gate_request_of(r, state);
    gate_decision decision;

    q.is_watched = state->is_watched;
    decision = gate_decide_step_up(&q, state->settings, gate_runtime_world(), &state->decision,
                                   &state->step_up);
    state->rule_reason = decision.reason; /* or why the person cannot be sent away just now */
    state->rule_detail = decision.reason == GATE_ACR_UNMET ? state->unmet_detail : decision.detail;
    state->refused_rule = state->unmet_rule;
    state->scope_needed = NULL;
    if (decision.verb == GATE_CHALLENGE)
        return gate_deny(r, state, decision.reason, decision.status);
    state->decision = decision;
    return gate_answer_with(r, state);
}

/* httpd's own rule engine is asked, and its verdict said in the gate's words: who is known and may
 * not pass gets 403, without AuthzSendForbiddenOnFailure. */
static int judge(request_rec *r, gate_state *state)
{
    int status = gate_ask_rules(r, state);
    bool step_up;

    if (status == HTTP_INTERNAL_SERVER_ERROR && state->rule_reason == GATE_RULE_UNDECIDED)
        status = HTTP_FORBIDDEN;
    if (status == OK) {
        state->rule_reason = GATE_OK; /* of a rule whose neighbour granted */
        state->refused_rule = NULL;
        if (state->is_inherited)
            gate_set_variables(r, state, "allow", state->decision.reason);
        else
            gate_log_decision(r, state, "allow", HTTP_OK);
        return OK;
    }
    if (status != HTTP_UNAUTHORIZED && status != HTTP_FORBIDDEN)
        return status;
    step_up = would_step_up_help(r, state);
    if (!gate_was_refused_before(r))
        apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    if (step_up)
        return ask_to_step_up(r, state);
    if (!state->rule_reason) {
        state->rule_reason = GATE_RULE_REFUSED;
        state->rule_detail =
            "it is a rule of another module; LogLevel authz_core:debug shows which";
    }
    return gate_deny(r, state, state->rule_reason, gate_reason_get(state->rule_reason)->status);
}

/* --- where nothing is enforced --- */

static void say_verdict(request_rec *r, gate_state *state, bool is_name_wanted)
{
    int status = OK;

    if (state->decision.verb == GATE_ADMIT && !state->decision.known) {
        if (state->is_inherited)
            return;
        if (!is_name_wanted) {
            gate_log_decision(r, state, "allow", HTTP_OK);
            return;
        }
        state->decision = gate_refuse(GATE_NO_CREDENTIAL, NULL);
    }
    if (state->decision.verb != GATE_ADMIT)
        gate_answer_with(r, state);
    else
        status = judge(r, state);
    if (status == OK) /* said */
        return;
    state->rule_reason = GATE_RULE_REFUSED;
    gate_log_decision(r, state, "deny", status);
}

/* All is decided as ever, and said; then everybody passes as who they are. httpd comes here when
 * nothing but a name is missing, so that all rules that do not ask for one have held already; or
 * when it would let the caller in without one. */
static void watch(request_rec *r, const place *at, bool is_name_wanted)
{
    const gate_decision nobody = {.verb = GATE_ADMIT, .status = HTTP_OK};
    gate_state *state = consider(r, at);
    const gate_decision decided = state->decision;

    state->is_watched = true;
    if (decided.verb == GATE_ADMIT)
        take_user(r, state);
    say_verdict(r, state, is_name_wanted);
    state->decision = decided.verb == GATE_ADMIT ? decided : nobody;
    if (!state->decision.known)
        state->user = NULL;
}

/* --- httpd's questions --- */

/* httpd, or a handler of ours, may ask again. */
static bool is_watched(request_rec *r)
{
    const gate_state *state = gate_state_of(r);

    return state && state->is_watched;
}

int gate_watch_user(request_rec *r)
{
    place at;

    if (gate_config_enforces(r) || !is_guarded(r, &at) || is_probed(r))
        return DECLINED;
    if (!is_watched(r))
        watch(r, &at, true);
    return OK;
}

/* httpd's rules let the caller in without a name. That is the last word only about somebody who
 * has none, by permission (OIDCGateOnUnauthenticated pass): httpd goes on without authentication
 * then. */
int gate_force_user(request_rec *r)
{
    gate_state *state;
    place at;

    if (!gate_config_forces_authn(r) || !is_guarded(r, &at))
        return DECLINED;
    if (is_probed(r))
        return OK;
    if (!gate_config_enforces(r)) {
        if (!is_watched(r))
            watch(r, &at, false);
        return DECLINED;
    }
    state = consider(r, &at);
    if (state->decision.verb != GATE_ADMIT || state->decision.known)
        return OK;
    if (!state->is_inherited)
        gate_log_decision(r, state, "allow", HTTP_OK);
    return DECLINED;
}

int gate_check_user(request_rec *r)
{
    gate_state *state;
    place at;

    if (!is_guarded(r, &at))
        return DECLINED;
    if (is_probed(r))
        return HTTP_UNAUTHORIZED;
    state = consider(r, &at);
    if (state->decision.verb == GATE_ADMIT &&
        !state->decision.known) /* nobody, where the rules ask for somebody */
        state->decision = gate_refuse(GATE_NO_CREDENTIAL, NULL);
    if (state->decision.verb != GATE_ADMIT)
        return gate_answer_with(r, state);
    take_user(r, state);
    return OK;
}

int gate_check_rules(request_rec *r)
{
    gate_state *state = gate_state_of(r);

    if (!state || !state->is_decided || state->in_rules || state->decision.verb != GATE_ADMIT)
        return DECLINED;
    return judge(r, state);
}
