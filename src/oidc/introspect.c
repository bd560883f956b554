/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/introspect.h"

#include "base/json.h"
#include "oidc/claim.h"
#include "oidc/detail.h"

#define ANSWER_MAX_BYTES (256 * 1024)

static const char *const owned[] = {
    "token", "client_id", "client_secret", "client_assertion", "client_assertion_type",
};

bool gate_introspection_owns(const char *name)
{
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (strcmp(name, owned[i]) == 0)
            return true;
    return false;
}

gate_form *gate_introspection_form(apr_pool_t *p, gate_span token, const gate_form *extra)
{
    gate_form *form = gate_form_make(p);
    gate_form_add(form, "token", token);
    if (!extra || !gate_form_get(extra, "token_type_hint").ptr)
        gate_form_add_text(form, "token_type_hint", "access_token");
    for (int i = 0; extra && i < extra->pairs->nelts; i++) {
        const gate_pair *pair = &APR_ARRAY_IDX(extra->pairs, i, gate_pair);
        const char *name = gate_span_dup(p, pair->name);
        if (!gate_introspection_owns(name))
            gate_form_add(form, name, pair->value);
    }
    return form;
}

/* What is no answer to the question. */
static gate_reason check_status(apr_pool_t *p, const gate_answer *answer, const char **detail)
{
    int status = answer->status;
    if (status == 200)
        return GATE_OK;
    const char *error = gate_detail_error(p, gate_json_object(p, answer->body, ANSWER_MAX_BYTES));
    gate_detail(p, detail, "status %d%s%s", status, *error ? ", " : "", error);
    return status == 400 || status == 401 || status == 403 ? GATE_IDP_REJECTED_GATEWAY
                                                           : GATE_IDP_ERROR;
}

/* Section 2.2: `active` is a boolean; whatever only looks like a yes is none. */
static gate_reason check_active(apr_pool_t *p, const json_t *object, const char **detail)
{
    const json_t *active = json_object_get(object, "active");
    if (json_is_true(active))
        return GATE_OK;
    gate_detail(p, detail, "active is %s",
                json_is_false(active) ? "false" : "not the boolean true");
    return GATE_TOKEN_INACTIVE;
}

/* An answer may leave these out; what it says must agree with what this gate takes, or a token of
 * another tenant would pass. Where an audience is wanted it must be there: RFC 7662 section 2.2 has
 * it OPTIONAL, but a token that does not say for whom it is may be for another service. */
static gate_reason check_members(apr_pool_t *p, const json_t *object,
                                 const gate_introspection_want *want, apr_int64_t *expires,
                                 const char **detail)
{
    gate_reason reason = GATE_OK;
    if (want->issuer && json_object_get(object, "iss"))
        reason = gate_claim_check_issuer(p, object, want->issuer, detail);
    if (reason == GATE_OK && want->audiences)
        reason = gate_claim_check_audience(p, object, want->audiences, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_names(p, object, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_times(p, object, false, want->now, want->skew, expires, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_unbound(p, object, detail);
    return reason;
}

gate_reason gate_introspection_read(apr_pool_t *p, const gate_answer *answer,
                                    const gate_introspection_want *want, const json_t **claims,
                                    apr_int64_t *expires, const char **detail)
{
    gate_reason reason = check_status(p, answer, detail);
    if (reason != GATE_OK)
        return reason;
    const json_t *object = gate_json_object(p, answer->body, ANSWER_MAX_BYTES);
    if (!object) {
        gate_detail(p, detail, "the answer is no JSON object, but %s",
                    gate_span_for_log(p, gate_span_of(answer->content_type), 64));
        return GATE_IDP_ERROR;
    }
    reason = check_active(p, object, detail);
    if (reason == GATE_OK)
        reason = check_members(p, object, want, expires, detail);
    if (reason == GATE_OK)
        *claims = object;
    return reason;
}
