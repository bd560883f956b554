/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/access_token.h"

#include "oidc/claim.h"
#include "oidc/detail.h"

#define TYP_LOGGED_BYTES 64

/* RFC 9068 section 4 wants typ at+jwt. Providers older than it send JWT, or nothing; theirs counts
 * if it has what access tokens have and nothing that ID tokens, logout tokens or signed
 * introspection answers have. */
static gate_reason check_kind(apr_pool_t *p, const gate_jwt *jwt, const char **detail)
{
    static const char *const marks[] = {"scope", "scp", "client_id", "azp", "cid", NULL};
    static const char *const foreign[] = {
        "nonce", "at_hash", "c_hash", "events", "token_introspection", NULL};
    const char *found;
    if (gate_span_equal_nocase(jwt->typ, GATE_SPAN("at+jwt")))
        return GATE_OK;
    if (jwt->typ.ptr && !gate_span_equal_nocase(jwt->typ, GATE_SPAN("JWT"))) {
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

gate_reason gate_access_token_check(apr_pool_t *p, const gate_jwt *jwt,
                                    const gate_access_token_want *want, apr_int64_t *expires,
                                    const char **detail)
{
    gate_reason reason = check_kind(p, jwt, detail);
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
