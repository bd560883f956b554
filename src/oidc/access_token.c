/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/access_token.h"

#include "oidc/claim.h"
#include "oidc/detail.h"

#define TYP_LOGGED_BYTES 64

/* RFC 9068 section 4 wants typ at+jwt, which may be spelled as the media type that it is. Providers
 * older than it send JWT, or nothing; theirs counts if it has what access tokens have and nothing
 * that ID tokens, logout tokens or signed introspection answers have. */
static gate_reason check_kind(apr_pool_t *p, const gate_jwt *jwt, bool is_strict,
                              const char **detail)
{
    static const char *const marks[] = {"scope", "scp", "client_id", "azp", "cid", NULL};
    static const char *const foreign[] = {
        "nonce", "at_hash", "c_hash", "events", "token_introspection", NULL};
    const char *found;
    if (gate_span_equal_nocase(jwt->typ, GATE_SPAN("at+jwt")))
        return GATE_OK;
    if (is_strict && !jwt->typ.ptr) {
        gate_detail(p, detail, "it has no typ, and OIDCGateTokenProfile wants at+jwt");
        return GATE_WRONG_KIND;
    }
    if (is_strict || (jwt->typ.ptr && !gate_span_equal_nocase(jwt->typ, GATE_SPAN("JWT")))) {
        gate_detail(p, detail, "typ is %s", gate_span_for_log(p, jwt->typ, TYP_LOGGED_BYTES));
        return GATE_WRONG_KIND;
    }
    if (gate_claim_any(jwt->claims, foreign, &found)) {
        gate_detail(p, detail, "it has %s, which no access token has", found);
        return GATE_WRONG_KIND;
    }
    if (!gate_claim_any(jwt->claims, marks, &found)) {
        gate_detail(p, detail, "typ is not at+jwt, and no scope, scp, client_id, azp or cid");
        return GATE_WRONG_KIND;
    }
    return GATE_OK;
}

static bool is_audience(const json_t *value)
{
    const size_t count = json_array_size(value);
    if (json_is_string(value))
        return true;
    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return count > 0 && count <= GATE_AUDIENCES_MAX;
}

/* RFC 9068 section 2.2: these are REQUIRED. Of which type the others must be is checked where each
 * is read; aud is not, where any will do. */
static gate_reason check_complete(apr_pool_t *p, const gate_jwt *jwt, const char **detail)
{
    static const char *const required[] = {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"};
    const json_t *audience = json_object_get(jwt->claims, "aud");
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!json_object_get(jwt->claims, required[i])) {
            gate_detail(p, detail, "it has no %s, which RFC 9068 requires", required[i]);
            return GATE_BAD_CLAIM;
        }
    if (is_audience(audience))
        return GATE_OK;
    gate_detail(p, detail, "aud is %s", gate_detail_value(p, audience));
    return GATE_BAD_CLAIM;
}

gate_reason gate_access_token_check(apr_pool_t *p, const gate_jwt *jwt,
                                    const gate_access_token_want *want, apr_int64_t *expires,
                                    const char **detail)
{
    gate_reason reason = check_kind(p, jwt, want->is_strict, detail);
    if (reason == GATE_OK && want->is_strict)
        reason = check_complete(p, jwt, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_issuer(p, jwt->claims, want->issuer, detail);
    /* RFC 9068 section 4: whoever takes tokens that are meant for others lets those others act as
     * his callers. */
    if (reason == GATE_OK && want->audiences)
        reason = gate_claim_check_audience(p, jwt->claims, want->audiences, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_names(p, jwt->claims, detail);
    if (reason == GATE_OK)
        reason =
            gate_claim_check_times(p, jwt->claims, true, want->now, want->skew, expires, detail);
    if (reason == GATE_OK)
        reason = gate_claim_check_unbound(p, jwt->claims, detail);
    return reason;
}
