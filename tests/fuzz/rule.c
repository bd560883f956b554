/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Rules as an administrator writes them, and claims as a provider tells them. */
#include "who.h"

#include <apr_strings.h>

#include "gate/rule.h"

/* Expressions are the server's; here one is a text that must be found. "(" is none. */
static const void *compile(apr_pool_t *p, const char *pattern, const char **problem)
{
    *problem = "a parenthesis";
    return strchr(pattern, '(') ? NULL : apr_pstrdup(p, pattern);
}

static gate_match matches(const void *regex, gate_span text)
{
    if (text.len > 1000)
        return GATE_MATCH_UNKNOWN;
    return memmem(text.ptr, text.len, regex, strlen(regex)) ? GATE_MATCH_YES : GATE_MATCH_NO;
}

static const gate_regex_engine engine = {compile, matches};

static const gate_rule_time now = {1750000000, 30};

static const char *read_rule(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    if (!words[0])
        return "no words";
    for (int kind = 0; kind < GATE_RULE_KIND_COUNT; kind++)
        if (!strcmp(words[0], gate_rule_kind_name((gate_rule_kind)kind)))
            return gate_rule_list(p, (gate_rule_kind)kind, words + 1, rule);
    if (!strcmp(words[0], "acr"))
        return gate_rule_acr(p, words + 1, rule);
    if (!strcmp(words[0], "auth-age"))
        return gate_rule_auth_age(p, words + 1, rule);
    if (!strcmp(words[0], "no-claim"))
        return gate_rule_no_claim(p, words + 1, rule);
    if (!strcmp(words[0], "method"))
        return gate_rule_method(p, words + 1, rule);
    return gate_rule_claim(p, words, &engine, rule);
}

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

static void judge(apr_pool_t *p, const gate_rule *rule, const gate_identity *identity)
{
    const char *detail = NULL;
    const gate_reason reason = gate_rule_check(rule, identity, now, p, &detail);
    FUZZ_CHECK(reason == GATE_OK || reason == GATE_CLAIM_MISSING || reason == GATE_CLAIM_MISMATCH ||
               reason == GATE_SCOPE_MISSING || reason == GATE_ACR_UNMET ||
               reason == GATE_CLAIMS_UNAVAILABLE || reason == GATE_RULE_REFUSED ||
               reason == GATE_RULE_UNDECIDED);
    FUZZ_CHECK((reason == GATE_OK) == (detail == NULL));
    FUZZ_CHECK(!detail || (strlen(detail) <= GATE_CLAIM_NOTE_BYTES && is_printable(detail)));
    FUZZ_CHECK(gate_rule_check(rule, identity, now, p, NULL) == reason);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const char *const *words = who_words(p, &input);
    const gate_rule *rule = NULL;
    const char *problem = read_rule(p, words, &rule);
    FUZZ_CHECK((problem != NULL) == (rule == NULL));
    if (problem)
        return;
    const char *needed = gate_rule_scope_needed(rule);
    FUZZ_CHECK(!needed || *needed);
    const gate_step_up *step_up = gate_rule_step_up(rule);
    FUZZ_CHECK(!step_up || !step_up->acr_values || *step_up->acr_values);
    FUZZ_CHECK(gate_rule_check(rule, NULL, now, p, NULL) != GATE_OK);
    judge(p, rule, NULL);
    judge(p, rule, who_of(p, input));
}
