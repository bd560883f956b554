/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Steps are those of OIDC Core section 3.1.3.7. Steps 1 and 6 to 8 (decryption, signature,
 * algorithm) are jose's, before. */
#include "oidc/id_token.h"

#include "base/json.h"
#include "base/seal.h"
#include "oidc/claim.h"
#include "oidc/detail.h"

typedef struct check {
    apr_pool_t *p;
    const gate_jwt *jwt;
    const json_t *claims;
    const gate_id_token_want *want;
    const char **detail;
} check;

/* RFC 8725 section 3.11: an ID token says JWT, or nothing. The claims are those by which other
 * kinds are known: security events, logout tokens among them (RFC 8417 section 2.2), and signed
 * introspection answers (RFC 9701 section 5). */
static gate_reason check_kind(const check *c)
{
    static const char *const foreign[] = {"events", "token_introspection", NULL};
    gate_span typ = c->jwt->typ;
    const char *found;
    if (typ.ptr && !gate_span_equal_nocase(typ, GATE_SPAN("JWT"))) {
        gate_detail(c->p, c->detail, "typ is %s", gate_span_for_log(c->p, typ, 64));
        return GATE_WRONG_KIND;
    }
    if (gate_claim_any(c->claims, foreign, &found)) {
        gate_detail(c->p, c->detail, "it has %s, which no ID token has", found);
        return GATE_WRONG_KIND;
    }
    return GATE_OK;
}

/* Step 2. */
static gate_reason check_issuer(const check *c)
{
    return gate_claim_check_issuer(c->p, c->claims, c->want->issuer, c->detail);
}

/* Step 3. */
static gate_reason check_audience(const check *c)
{
    return gate_claim_check_client(c->p, c->claims, c->want->client_id, c->detail);
}

/* Steps 4 and 5: several audiences want an azp, and an azp is always us. */
static gate_reason check_authorized_party(const check *c)
{
    const json_t *azp = json_object_get(c->claims, "azp");
    bool is_needed = json_array_size(json_object_get(c->claims, "aud")) > 1;
    gate_span text;
    if (!azp && !is_needed)
        return GATE_OK;
    if (gate_json_string(c->claims, "azp", &text) == GATE_JSON_VALID &&
        gate_span_is(text, c->want->client_id))
        return GATE_OK;
    gate_detail(c->p, c->detail, "azp is %s, not %s", gate_detail_value(c->p, azp),
                c->want->client_id);
    return GATE_BAD_AUDIENCE;
}

/* Section 2: without a subject there is nobody. */
static gate_reason check_subject(const check *c)
{
    if (json_object_get(c->claims, "sub"))
        return gate_claim_check_names(c->p, c->claims, c->detail);
    gate_detail(c->p, c->detail, "no sub");
    return GATE_BAD_CLAIM;
}

/* Steps 9 and 10. An ID token is made for this login: it cannot be older than the login is. */
static gate_reason check_times(const check *c)
{
    const gate_id_token_want *want = c->want;
    apr_int64_t issued_at;
    gate_reason reason =
        gate_claim_check_times(c->p, c->claims, true, want->now, want->skew, NULL, c->detail);
    if (reason != GATE_OK)
        return reason;
    if (gate_json_seconds(c->claims, "iat", &issued_at) != GATE_JSON_VALID) {
        gate_detail(c->p, c->detail, "no iat");
        return GATE_BAD_CLAIM;
    }
    if (want->max_iat_age && want->now - issued_at > want->max_iat_age + want->skew) {
        gate_detail(c->p, c->detail, "iat is %" APR_INT64_T_FMT " seconds ago",
                    want->now - issued_at);
        return GATE_TOKEN_EXPIRED;
    }
    return GATE_OK;
}

bool gate_nonce_digest(gate_digest *digest, gate_span nonce)
{
    const gate_span parts[] = {GATE_SPAN("nonce"), nonce};
    return gate_digest_of(digest, parts, 2);
}

static bool is_nonce(const gate_digest *wanted, gate_span nonce)
{
    gate_digest digest;
    return gate_nonce_digest(&digest, nonce) &&
           gate_secret_equal((gate_span){(const char *)digest.bytes, sizeof digest.bytes},
                             (gate_span){(const char *)wanted->bytes, sizeof wanted->bytes});
}

/* Step 11. The values are left out of the log: a nonce is what ties a stolen answer to a browser.
 */
static gate_reason check_nonce(const check *c)
{
    gate_span nonce;
    if (!c->want->nonce)
        return GATE_OK;
    if (gate_json_string(c->claims, "nonce", &nonce) == GATE_JSON_VALID &&
        is_nonce(c->want->nonce, nonce))
        return GATE_OK;
    gate_detail(c->p, c->detail, "nonce is %s",
                json_object_get(c->claims, "nonce") ? "another login's" : "nothing");
    return GATE_NONCE_MISMATCH;
}

/* Section 3.1.3.8: at_hash need not be there, and is right where it is. */
static gate_reason check_access_token_hash(const check *c)
{
    gate_span hash;
    if (!c->want->access_token.ptr || !json_object_get(c->claims, "at_hash"))
        return GATE_OK;
    const char *expected = gate_alg_half_hash(c->p, c->jwt->alg, c->want->access_token);
    if (!expected)
        return GATE_INTERNAL;
    if (gate_json_string(c->claims, "at_hash", &hash) != GATE_JSON_VALID ||
        !gate_secret_equal(hash, gate_span_of(expected))) {
        gate_detail(c->p, c->detail, "at_hash is not that of the access token");
        return GATE_HASH_MISMATCH;
    }
    if (c->want->vouches)
        *c->want->vouches = true;
    return GATE_OK;
}

/* Step 13; step 12, acr, is a rule's. */
static gate_reason check_auth_time(const check *c)
{
    const gate_id_token_want *want = c->want;
    apr_int64_t auth_time;
    if (!want->max_age)
        return GATE_OK;
    if (gate_json_seconds(c->claims, "auth_time", &auth_time) != GATE_JSON_VALID ||
        auth_time > want->now + want->skew) {
        gate_detail(c->p, c->detail, "auth_time is %s",
                    gate_detail_value(c->p, json_object_get(c->claims, "auth_time")));
        return GATE_ACR_UNMET;
    }
    if (want->now - auth_time > want->max_age + want->skew) {
        gate_detail(c->p, c->detail, "auth_time is %" APR_INT64_T_FMT " seconds ago",
                    want->now - auth_time);
        return GATE_ACR_UNMET;
    }
    return GATE_OK;
}

gate_reason gate_id_token_check(apr_pool_t *p, const gate_jwt *jwt, const gate_id_token_want *want,
                                const char **detail)
{
    static gate_reason (*const checks[])(const check *) = {
        check_kind,  check_issuer, check_audience,          check_authorized_party, check_subject,
        check_times, check_nonce,  check_access_token_hash, check_auth_time,
    };
    const check c = {p, jwt, jwt->claims, want, detail};
    gate_reason reason = GATE_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks && reason == GATE_OK; i++)
        reason = checks[i](&c);
    return reason;
}
