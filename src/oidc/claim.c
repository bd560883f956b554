/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/claim.h"

#include "base/json.h"
#include "jose/jwt.h"
#include "oidc/detail.h"

bool gate_claim_any(const json_t *claims, const char *const *names, const char **found)
{
    for (; *names; names++)
        if (json_object_get(claims, *names)) {
            *found = *names;
            return true;
        }
    return false;
}

gate_reason gate_claim_check_issuer(apr_pool_t *p, const json_t *claims, const char *issuer,
                                    const char **detail)
{
    gate_span found;
    /* RFC 7519 section 4.1.1: case counts, and nothing is normalised; a slash more is another
     * issuer. */
    if (gate_json_string(claims, "iss", &found) == GATE_JSON_VALID && gate_span_is(found, issuer))
        return GATE_OK;
    gate_detail(p, detail, "iss is %s, not %s",
                gate_detail_value(p, json_object_get(claims, "iss")), issuer);
    return GATE_BAD_ISSUER;
}

gate_reason gate_claim_check_audience(apr_pool_t *p, const json_t *claims,
                                      const char *const *audiences, const char **detail)
{
    const json_t *found = json_object_get(claims, "aud");
    for (const char *const *audience = audiences; *audience && found; audience++)
        if (gate_json_has_text(found, *audience, GATE_AUDIENCES_MAX))
            return GATE_OK;
    gate_detail(p, detail, "aud is %s, not %s%s", gate_detail_value(p, found),
                *audiences ? *audiences : "any", *audiences && audiences[1] ? " or another" : "");
    return GATE_BAD_AUDIENCE;
}

gate_reason gate_claim_check_client(apr_pool_t *p, const json_t *claims, const char *client_id,
                                    const char **detail)
{
    const char *const audiences[] = {client_id, NULL};
    const json_t *aud = json_object_get(claims, "aud");
    gate_reason reason = gate_claim_check_audience(p, claims, audiences, detail);
    if (reason != GATE_OK)
        return reason;
    for (size_t i = 0; i < json_array_size(aud); i++)
        if (strcmp(json_string_value(json_array_get(aud, i)), client_id) != 0) {
            gate_detail(p, detail, "aud has %s beside %s",
                        gate_detail_value(p, json_array_get(aud, i)), client_id);
            return GATE_BAD_AUDIENCE;
        }
    return GATE_OK;
}

static bool is_name(const json_t *claims, const char *claim, size_t max_bytes)
{
    gate_span text;
    switch (gate_json_string(claims, claim, &text)) {
    case GATE_JSON_ABSENT:
        return true;
    case GATE_JSON_VALID:
        return text.len && text.len <= max_bytes && !gate_span_has_control(text);
    default:
        return false;
    }
}

gate_reason gate_claim_check_names(apr_pool_t *p, const json_t *claims, const char **detail)
{
    static const struct {
        const char *claim;
        size_t max_bytes;
    } names[] = {
        {"sub", GATE_SUBJECT_MAX_BYTES},
        {"client_id", SIZE_MAX},
        {"azp", SIZE_MAX},
        {"cid", SIZE_MAX},
        {"jti", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!is_name(claims, names[i].claim, names[i].max_bytes)) {
            gate_detail(p, detail, "%s is %s", names[i].claim,
                        gate_detail_value(p, json_object_get(claims, names[i].claim)));
            return GATE_BAD_CLAIM;
        }
    return GATE_OK;
}

/* nbf and iat alone, for what need not have an end. */
static gate_reason check_starts(const json_t *claims, apr_int64_t now, apr_int64_t skew)
{
    static const char *const starts[] = {"nbf", "iat"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        apr_int64_t start = 0;
        if (gate_json_seconds(claims, starts[i], &start) == GATE_JSON_BROKEN)
            return GATE_BAD_CLAIM;
        if (start > now + skew)
            return GATE_TOKEN_NOT_YET_VALID;
    }
    return GATE_OK;
}

gate_reason gate_claim_check_times(apr_pool_t *p, const json_t *claims, bool needs_expiry,
                                   apr_int64_t now, apr_int64_t skew, apr_int64_t *expires,
                                   const char **detail)
{
    bool has_end = json_object_get(claims, "exp") != NULL;
    if (expires)
        *expires = 0;
    gate_reason reason = needs_expiry || has_end ? gate_jwt_check_times(claims, now, skew, expires)
                                                 : check_starts(claims, now, skew);
    if (reason != GATE_OK)
        gate_detail(p, detail, "exp is %s, nbf %s, iat %s; it is %" APR_INT64_T_FMT,
                    gate_detail_value(p, json_object_get(claims, "exp")),
                    gate_detail_value(p, json_object_get(claims, "nbf")),
                    gate_detail_value(p, json_object_get(claims, "iat")), now);
    return reason;
}

gate_reason gate_claim_check_unbound(apr_pool_t *p, const json_t *claims, const char **detail)
{
    if (!json_object_get(claims, "cnf"))
        return GATE_OK;
    gate_detail(p, detail, "it has cnf: it is bound to a key");
    return GATE_POP_FAILED;
}
