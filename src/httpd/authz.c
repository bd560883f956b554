/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/authz.h"

#include <apr_strings.h>

#include "ap_provider.h"
#include "ap_regex.h"
#include "http_request.h"
#include "mod_auth.h"

#include "gate/rule.h"
#include "httpd/config.h"
#include "httpd/request.h"

APLOG_USE_MODULE(oidc_gate);

/* --- httpd's regular expressions for the rules --- */

static const void *compile_regex(apr_pool_t *p, const char *pattern, const char **problem)
{
    const ap_regex_t *regex = ap_pregcomp(p, pattern, 0);

    if (!regex)
        *problem = "it is no regular expression";
    return regex;
}

static bool matches(const void *regex, gate_span text)
{
    return ap_regexec_len(regex, text.ptr, text.len, 0, NULL, 0) == 0;
}

static const gate_regex_engine regex_engine = {compile_regex, matches};

/* --- reading a Require line --- */

/* The words behind the provider's name, unquoted. */
static const char *const *words_of(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(char *));
    const char *word;

    while (*(word = ap_getword_conf(p, &args)))
        APR_ARRAY_PUSH(words, const char *) = word;
    APR_ARRAY_PUSH(words, const char *) = NULL;
    return (const char *const *)words->elts;
}

/* Alone, the contrary of a gate rule lets in whoever does not sign in: the very person it names, by
 * signing out. */
static const char *refuse_negation(cmd_parms *cmd)
{
    const char *args = cmd->directive->args;
    const char *first = ap_getword_conf(cmd->temp_pool, &args);

    if (strcasecmp(first, "not"))
        return NULL;
    return apr_psprintf(
        cmd->pool,
        "Require %s (%s:%d): a negated gate rule would admit whoever does not sign in. Say who may "
        "pass, or "
        "put the rule without \"not\" into <RequireNone> beside one that asks people to sign in.",
        cmd->directive->args, cmd->directive->filename, cmd->directive->line_num);
}

static bool is_within_none(const cmd_parms *cmd)
{
    for (const ap_directive_t *at = cmd->directive->parent; at; at = at->parent) {
        if (!strcasecmp(at->directive, "<RequireNone"))
            return true;
    }
    return false;
}

static const char *read_line(cmd_parms *cmd, const char *problem)
{
    const char *negated = refuse_negation(cmd);

    if (negated)
        return negated;
    if (is_within_none(cmd))
        gate_config_force_authn(cmd);
    return problem ? apr_psprintf(cmd->pool, "Require %s: %s", cmd->directive->args, problem)
                   : NULL;
}

static const char *read_claim(cmd_parms *cmd, const char *args, const void **parsed)
{
    const gate_rule *rule = NULL;
    const char *problem =
        gate_rule_claim(cmd->pool, words_of(cmd->pool, args), &regex_engine, &rule);

    *parsed = rule;
    return read_line(cmd, problem);
}

static const char *read_list(cmd_parms *cmd, gate_rule_kind kind, const char *args,
                             const void **parsed)
{
    const gate_rule *rule = NULL;
    const char *problem = gate_rule_list(cmd->pool, kind, words_of(cmd->pool, args), &rule);

    *parsed = rule;
    return read_line(cmd, problem);
}

static const char *read_acr(cmd_parms *cmd, const char *args, const void **parsed)
{
    const gate_rule *rule = NULL;
    const char *problem = gate_rule_acr(cmd->pool, words_of(cmd->pool, args), &rule);

    *parsed = rule;
    return read_line(cmd, problem);
}

static const char *read_auth_age(cmd_parms *cmd, const char *args, const void **parsed)
{
    const gate_rule *rule = NULL;
    const char *problem = gate_rule_auth_age(cmd->pool, words_of(cmd->pool, args), &rule);

    *parsed = rule;
    return read_line(cmd, problem);
}

static const char *read_scope(cmd_parms *cmd, const char *args, const void **parsed)
{
    return read_list(cmd, GATE_RULE_SCOPE, args, parsed);
}

static const char *read_role(cmd_parms *cmd, const char *args, const void **parsed)
{
    return read_list(cmd, GATE_RULE_ROLE, args, parsed);
}

static const char *read_group(cmd_parms *cmd, const char *args, const void **parsed)
{
    return read_list(cmd, GATE_RULE_GROUP, args, parsed);
}

/* --- asking it --- */

static const gate_state *state_of(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);

    return settings ? gate_state_for(r, settings) : NULL;
}

static gate_rule_time time_of(request_rec *r, const gate_state *state)
{
    return (gate_rule_time){apr_time_sec(r->request_time), state->settings->skew};
}

/* The first of them is what the log shows. */
static authz_status refuse(gate_state *state, gate_reason reason, const char *rule,
                           const char *detail, const char *scope_needed)
{
    if (!state->rule_reason) {
        state->rule_reason = reason;
        state->rule_detail = detail;
        state->refused_rule = rule;
        state->scope_needed = scope_needed;
    }
    return AUTHZ_DENIED;
}

/* Whoever signs in again may meet this rule. While it is being found out whether that would help,
 * the rule admits. */
static authz_status want_step_up(gate_state *state, const gate_step_up *need, const char *rule,
                                 const char *detail)
{
    if (!state->unmet_rule) {
        state->unmet_rule = rule;
        state->unmet_detail = detail;
    }
    if (!state->assumes_step_up)
        return AUTHZ_DENIED;
    if (gate_step_up_narrow(state->pool, &state->step_up, need))
        return AUTHZ_GRANTED;
    return refuse(state, GATE_RULE_REFUSED, rule, "no acr meets this rule and those before it",
                  NULL);
}

/* httpd may ask any number of rules, any number of times. */
static authz_status check(request_rec *r, const char *kind, const char *line, const gate_rule *rule)
{
    const gate_state *known = state_of(r);
    gate_state *state = gate_state_of(r);
    const char *detail = NULL, *name;
    gate_reason reason;

    if (!r->user || !known || !known->decision.known)
        return AUTHZ_DENIED_NO_USER;
    reason = gate_rule_check(rule, known->decision.identity, time_of(r, known), r->pool, &detail);
    if (reason == GATE_OK)
        return AUTHZ_GRANTED;
    if (!state)
        return AUTHZ_DENIED;
    name = apr_pstrcat(r->pool, kind, " ", line, NULL);
    if (gate_rule_step_up(rule))
        return want_step_up(state, gate_rule_step_up(rule), name, detail);
    return refuse(state, reason, name, detail, gate_rule_scope_needed(rule));
}

static authz_status check_claim(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "claim", line, parsed);
}

static authz_status check_scope(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "scope", line, parsed);
}

static authz_status check_role(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "role", line, parsed);
}

static authz_status check_group(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "group", line, parsed);
}

static authz_status check_acr(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "acr", line, parsed);
}

static authz_status check_auth_age(request_rec *r, const char *line, const void *parsed)
{
    return check(r, "auth-age", line, parsed);
}

static const authz_provider claim_provider = {check_claim, read_claim};
static const authz_provider scope_provider = {check_scope, read_scope};
static const authz_provider role_provider = {check_role, read_role};
static const authz_provider group_provider = {check_group, read_group};
static const authz_provider acr_provider = {check_acr, read_acr};
static const authz_provider auth_age_provider = {check_auth_age, read_auth_age};

/* Each rule has a name of its own, and a short one where no other module has that already. */

static const struct {
    const char *name;
    const authz_provider *provider;
} rules[] = {
    {"oidc-claim", &claim_provider},       {"claim", &claim_provider},
    {"oidc-scope", &scope_provider},       {"scope", &scope_provider},
    {"oidc-role", &role_provider},         {"role", &role_provider},
    {"oidc-group", &group_provider},       {"group", &group_provider},
    {"oidc-acr", &acr_provider},           {"acr", &acr_provider},
    {"oidc-auth-age", &auth_age_provider}, {"auth-age", &auth_age_provider},
};

int gate_register_rules(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (ap_lookup_provider(AUTHZ_PROVIDER_GROUP, rules[i].name, AUTHZ_PROVIDER_VERSION)) {
            ap_log_perror(
                APLOG_MARK, APLOG_NOTICE | APLOG_STARTUP, 0, plog,
                "\"Require %s\" is another module's here; the gate's own is \"Require oidc-%s\"",
                rules[i].name, rules[i].name);
            continue;
        }
        ap_register_auth_provider(pconf, AUTHZ_PROVIDER_GROUP, rules[i].name,
                                  AUTHZ_PROVIDER_VERSION, rules[i].provider,
                                  AP_AUTH_INTERNAL_PER_CONF);
    }
    return OK;
}
