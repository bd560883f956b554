/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/step_up.h"

#include <apr_strings.h>

#include "oidc/token.h"

#define SHOWN_BYTES 64

bool gate_step_up_is_asked(const gate_step_up *need)
{
    return need->acr_values || need->max_age;
}

/* RFC 9470 section 6.1, OIDC Core section 2: acr is one string. */
static gate_reason check_acr(const char *acr_values, const gate_identity *identity, apr_pool_t *p,
                             const char **detail)
{
    gate_claim_name name;
    gate_claim claim;
    gate_value_type type = GATE_VALUE_NULL;
    gate_span value = {NULL, 0};
    gate_claim_name_read(GATE_SPAN("acr"), &name);
    if (identity && gate_claim_find(identity, &name, &claim) && !claim.is_array)
        value = gate_claim_value(&claim, 0, &type);
    if (type == GATE_VALUE_STRING && gate_scope_has(gate_span_of(acr_values), value))
        return GATE_OK;
    if (detail && value.ptr)
        *detail = apr_psprintf(p, "acr is '%s'", gate_span_for_log(p, value, SHOWN_BYTES));
    else if (detail)
        *detail = "there is no claim acr";
    return GATE_ACR_UNMET;
}

static gate_reason check_age(apr_int64_t max_age, const gate_identity *identity, apr_int64_t now,
                             int skew, apr_pool_t *p, const char **detail)
{
    const apr_int64_t auth_time = identity ? gate_identity_auth_time(identity) : 0;
    if (!auth_time) {
        if (detail)
            *detail = "there is no claim auth_time";
        return GATE_ACR_UNMET;
    }
    if (auth_time <= now + skew && now - auth_time <= max_age + skew)
        return GATE_OK;
    if (detail)
        *detail = apr_psprintf(p, "auth_time is %" APR_INT64_T_FMT " seconds ago", now - auth_time);
    return GATE_ACR_UNMET;
}

gate_reason gate_step_up_check(const gate_step_up *need, const gate_identity *identity,
                               apr_int64_t now, int skew, apr_pool_t *p, const char **detail)
{
    gate_reason reason = GATE_OK;
    if (need->acr_values)
        reason = check_acr(need->acr_values, identity, p, detail);
    if (reason == GATE_OK && need->max_age)
        reason = check_age(need->max_age, identity, now, skew, p, detail);
    return reason;
}

/* The words of a that are in b too, in a's order; NULL where there are none. */
static const char *words_in_both(apr_pool_t *p, const char *a, const char *b)
{
    gate_span rest = gate_span_of(a), word;
    const char *both = NULL;
    while (gate_span_cut(&rest, ' ', &word))
        if (gate_scope_has(gate_span_of(b), word))
            both = apr_pstrcat(p, both ? both : "", both ? " " : "", gate_span_dup(p, word), NULL);
    return both;
}

bool gate_step_up_narrow(apr_pool_t *p, gate_step_up *need, const gate_step_up *more)
{
    const char *acr_values = need->acr_values ? need->acr_values : more->acr_values;
    if (need->acr_values && more->acr_values) {
        acr_values = words_in_both(p, need->acr_values, more->acr_values);
        if (!acr_values)
            return false;
    }
    need->acr_values = acr_values;
    if (more->max_age && (!need->max_age || more->max_age < need->max_age))
        need->max_age = more->max_age;
    return true;
}
