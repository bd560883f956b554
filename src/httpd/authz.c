/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/authz.h"

#include <apr_hash.h>
#include <apr_strings.h>

#include "ap_provider.h"
#include "ap_regex.h"
#include "http_request.h"
#include "mod_auth.h"

#include "gate/rule.h"
#include "httpd/config.h"
#include "httpd/expr.h"
#include "httpd/request.h"
#include "httpd/shared.h"

APLOG_USE_MODULE(oidc_gate);

/* --- httpd's regular expressions for the rules --- */

static const void *compile_regex(apr_pool_t *p, const char *pattern, const char **problem)
{
    const ap_regex_t *regex = ap_pregcomp(p, pattern, 0);

    if (!regex)
        *problem = "it is no regular expression";
    return regex;
}

/* PCRE gives up on a text that would take it too long. That is no "no": within <RequireNone> it
 * would let in whom the rule is to keep out. */
static gate_match matches(const void *regex, gate_span text)
{
    switch (ap_regexec_len(regex, text.ptr, text.len, 0, NULL, 0)) {
    case 0:
        return GATE_MATCH_YES;
    case AP_REG_NOMATCH:
        return GATE_MATCH_NO;
    default:
        return GATE_MATCH_UNKNOWN;
    }
}

static const gate_regex_engine regex_engine = {compile_regex, matches};

/* --- reading a Require line --- */

/* A rule as it was written. */
typedef struct written_rule {
    const char *kind;                 /* for the log */
    const gate_rule *rule;            /* NULL: an expression */
    const void *expression;           /* as mod_authz_core has read it, */
    const apr_array_header_t *claims; /* and the claims in it: of gate_claim_name */
} written_rule;

/* The names that <AuthzProviderAlias> gave to gate rules. */
static apr_hash_t *aliases;

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

static const ap_directive_t *section_around(const cmd_parms *cmd, const char *name)
{
    const ap_directive_t *at = cmd->directive;

    while (at && strcasecmp(at->directive, name))
        at = at->parent;
    return at;
}

/* <AuthzProviderAlias PROVIDER NAME ...>: httpd does not say it to us when the name is used. */
static void note_alias(const cmd_parms *cmd, const ap_directive_t *alias)
{
    const char *args = alias->args, *name;

    ap_getword_conf(cmd->temp_pool, &args);
    name = ap_getword_conf(cmd->pool, &args);
    apr_hash_set(aliases, name, APR_HASH_KEY_STRING, name);
}

/* Where a rule stands: nowhere that it would let in whoever does not sign in. */
static const char *check_place(cmd_parms *cmd)
{
    const char *negated = refuse_negation(cmd);

    if (!negated && section_around(cmd, "<RequireNone"))
        gate_config_force_authn(cmd);
    return negated;
}

const char *gate_check_require(cmd_parms *cmd, const char *args)
{
    const char *name = ap_getword_conf(cmd->temp_pool, &args);

    if (!strcasecmp(name, "not"))
        name = ap_getword_conf(cmd->temp_pool, &args);
    return apr_hash_get(aliases, name, APR_HASH_KEY_STRING) ? check_place(cmd) : NULL;
}

/* Says where the problem of a rule is that was read, if it has one. */
static const char *place_rule(cmd_parms *cmd, const char *problem)
{
    const ap_directive_t *alias = section_around(cmd, "<AuthzProviderAlias");
    const char *misplaced = alias ? NULL : check_place(cmd);

    if (misplaced)
        return misplaced;
    if (problem)
        return apr_psprintf(cmd->pool, "Require %s: %s", alias ? alias->args : cmd->directive->args,
                            problem);
    if (alias)
        note_alias(cmd, alias);
    return NULL;
}

typedef const char *rule_reader(apr_pool_t *p, const char *const *words, const gate_rule **rule);

/* The same line makes the same rule, wherever it stands. */
static const char *read_rule(cmd_parms *cmd, const char *kind, rule_reader *read, const char *args,
                             const void **parsed)
{
    const char *const line[] = {args, NULL};
    written_rule written = {.kind = kind};
    const char *problem = NULL;
    apr_pool_t *scratch;

    apr_pool_create(&scratch, cmd->temp_pool);
    *parsed = gate_shared_find(scratch, kind, line);
    if (!*parsed)
        problem = read(cmd->pool, words_of(scratch, args), &written.rule);
    if (!*parsed && !problem) {
        *parsed = apr_pmemdup(cmd->pool, &written, sizeof written);
        gate_shared_keep(kind, line, *parsed);
    }
    apr_pool_destroy(scratch);
    return place_rule(cmd, problem);
}

static const char *claim_of(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    return gate_rule_claim(p, words, &regex_engine, rule);
}

static const char *scope_of(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    return gate_rule_list(p, GATE_RULE_SCOPE, words, rule);
}

static const char *role_of(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    return gate_rule_list(p, GATE_RULE_ROLE, words, rule);
}

static const char *group_of(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    return gate_rule_list(p, GATE_RULE_GROUP, words, rule);
}

static const char *audience_of(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    return gate_rule_list(p, GATE_RULE_AUDIENCE, words, rule);
}

/* httpd does not say by which name it calls a provider, so each has a function of its own: its
 * name, its kind in the log, and the reader of its words. */
#define RULES(X)                                                      \
    X(claim, "claim", claim_of)                                       \
    X(scope, gate_rule_kind_name(GATE_RULE_SCOPE), scope_of)          \
    X(role, gate_rule_kind_name(GATE_RULE_ROLE), role_of)             \
    X(group, gate_rule_kind_name(GATE_RULE_GROUP), group_of)          \
    X(audience, gate_rule_kind_name(GATE_RULE_AUDIENCE), audience_of) \
    X(no_claim, "no-claim", gate_rule_no_claim)                       \
    X(method, "oidc-method", gate_rule_method)                        \
    X(acr, "acr", gate_rule_acr)                                      \
    X(auth_age, "auth-age", gate_rule_auth_age)

#define READ_RULE(name, kind, reader)                                                     \
    static const char *read_##name(cmd_parms *cmd, const char *args, const void **parsed) \
    {                                                                                     \
        return read_rule(cmd, kind, reader, args, parsed);                                \
    }
RULES(READ_RULE)

/* mod_authz_core's "Require expr". */
static const authz_provider *plain_expr;

/* An expression that asks for claims is a gate rule, and all others are httpd's alone. */
static const char *read_expr(cmd_parms *cmd, const char *args, const void **parsed)
{
    written_rule written = {.kind = "expr"};
    const char *problem;

    written.claims = gate_expr_note(cmd->pool, cmd->temp_pool);
    problem = plain_expr->parse_require_line(cmd, args, &written.expression);
    gate_expr_unnote(cmd->temp_pool);
    *parsed = apr_pmemdup(cmd->pool, &written, sizeof written);
    return problem || !written.claims->nelts ? problem : place_rule(cmd, NULL);
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

/* Neither grants nor denies, which a container could turn around: no other rule is asked. */
static authz_status give_up(gate_state *state, gate_reason reason, const char *rule,
                            const char *detail)
{
    state->rule_reason = GATE_OK;
    refuse(state, reason, rule, detail, NULL);
    return AUTHZ_GENERAL_ERROR;
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

/* Somebody who is known to the gate, and nobody else; NULL for none. */
static const gate_state *known_of(request_rec *r)
{
    const gate_state *state = r->user ? state_of(r) : NULL;

    return state && state->decision.known ? state : NULL;
}

/* For whoever asks why: what the rule is, and what the claim was. */
static void trace(request_rec *r, const written_rule *written, const char *line, gate_reason reason,
                  const char *seen)
{
    const gate_state *state = gate_state_of(r);

    if (state && state->trace)
        gate_trace_add(state->trace,
                       apr_pstrcat(r->pool, "Require ", written->kind, " ", line, NULL), seen,
                       reason, NULL);
}

static bool is_traced(request_rec *r)
{
    const gate_state *state = gate_state_of(r);

    return state && state->trace;
}

static authz_status want_user(request_rec *r, const written_rule *written, const char *line)
{
    trace(r, written, line, GATE_NO_CREDENTIAL, "it asks for somebody who is known");
    return AUTHZ_DENIED_NO_USER;
}

/* httpd may ask any number of rules, any number of times. */
static authz_status check(request_rec *r, const char *line, const void *parsed)
{
    const written_rule *written = parsed;
    const gate_state *known = known_of(r);
    gate_state *state = gate_state_of(r);
    const char *detail = NULL, *name;
    gate_reason reason;

    if (!known)
        return want_user(r, written, line);
    reason = gate_rule_check(written->rule, known->decision.identity, time_of(r, known), r->pool,
                             &detail);
    if (is_traced(r))
        trace(r, written, line, reason,
              detail ? detail : gate_rule_seen(written->rule, known->decision.identity, r->pool));
    if (reason == GATE_OK)
        return AUTHZ_GRANTED;
    if (!state)
        return reason == GATE_RULE_UNDECIDED ? AUTHZ_GENERAL_ERROR : AUTHZ_DENIED;
    name = apr_pstrcat(r->pool, written->kind, " ", line, NULL);
    if (reason == GATE_RULE_UNDECIDED)
        return give_up(state, reason, name, detail);
    if (gate_rule_step_up(written->rule))
        return want_step_up(state, gate_rule_step_up(written->rule), name, detail);
    return refuse(state, reason, name, detail, gate_rule_scope_needed(written->rule));
}

/* What the claims of an expression were. */
static const char *describe(apr_pool_t *p, const apr_array_header_t *claims,
                            const gate_identity *identity)
{
    gate_claim_note note = {.pool = p, .len = 0};

    for (int i = 0; i < claims->nelts; i++)
        gate_note_claim(&note, &APR_ARRAY_IDX(claims, i, gate_claim_name), identity);
    return gate_note_end(&note);
}

/* "%{OIDC:groups} != 'banned'" is true of whoever does not sign in, and so is not asked of them. */
static authz_status check_expr(request_rec *r, const char *line, const void *parsed)
{
    const written_rule *written = parsed;
    const gate_state *known;
    gate_state *state;
    authz_status status;

    if (!written->claims->nelts)
        return plain_expr->check_authorization(r, line, written->expression);
    known = known_of(r);
    if (!known)
        return want_user(r, written, line);
    status = plain_expr->check_authorization(r, line, written->expression);
    if (is_traced(r))
        trace(r, written, line, status == AUTHZ_GRANTED ? GATE_OK : GATE_RULE_REFUSED,
              describe(r->pool, written->claims, known->decision.identity));
    state = gate_state_of(r);
    if ((status != AUTHZ_DENIED && status != AUTHZ_DENIED_NO_USER) || !state)
        return status;
    return refuse(state, GATE_RULE_REFUSED, apr_pstrcat(r->pool, written->kind, " ", line, NULL),
                  describe(r->pool, written->claims, known->decision.identity), NULL);
}

#define RULE_PROVIDER(name, kind, reader) \
    static const authz_provider name##_provider = {check, read_##name};
RULES(RULE_PROVIDER)
static const authz_provider expr_provider = {check_expr, read_expr};

/* Each rule has a name of its own, and a short one where no other module has that already. */

static const struct {
    const char *name;
    const authz_provider *provider;
} rules[] = {
    {"oidc-claim", &claim_provider},       {"claim", &claim_provider},
    {"oidc-scope", &scope_provider},       {"scope", &scope_provider},
    {"oidc-role", &role_provider},         {"role", &role_provider},
    {"oidc-group", &group_provider},       {"group", &group_provider},
    {"oidc-audience", &audience_provider}, {"audience", &audience_provider},
    {"oidc-no-claim", &no_claim_provider}, {"no-claim", &no_claim_provider},
    {"oidc-acr", &acr_provider},           {"acr", &acr_provider},
    {"oidc-auth-age", &auth_age_provider}, {"auth-age", &auth_age_provider},
    {"oidc-method", &method_provider}, /* "Require method" is httpd's, for GET and the like */
};

bool gate_is_rule(const char *name)
{
    const void *found = ap_lookup_provider(AUTHZ_PROVIDER_GROUP, name, AUTHZ_PROVIDER_VERSION);

    for (size_t i = 0; found && i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].provider == found)
            return true;
    }
    return false;
}

static void add_provider(apr_pool_t *p, const char *name, const authz_provider *provider)
{
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, name, AUTHZ_PROVIDER_VERSION, provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}

/* Ours in the place of mod_authz_core's, which it goes on to. */
static void wrap_expr(apr_pool_t *p)
{
    plain_expr = ap_lookup_provider(AUTHZ_PROVIDER_GROUP, "expr", AUTHZ_PROVIDER_VERSION);
    if (plain_expr)
        add_provider(p, "expr", &expr_provider);
}

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
        add_provider(pconf, rules[i].name, rules[i].provider);
    }
    wrap_expr(pconf);
    aliases = apr_hash_make(pconf);
    return OK;
}
