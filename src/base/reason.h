/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* reason.h - every way the gate can say no, one row each; code, log, tests and manual derive from
 * it */
#ifndef GATE_BASE_REASON_H
#define GATE_BASE_REASON_H

/* Whose move it is, which is also how loud the log line is. */
typedef enum gate_level {
    GATE_LEVEL_INFO, /* nobody's: a visitor without a credential */
    GATE_LEVEL_WARN, /* the caller's: a bad credential, a refusal */
    GATE_LEVEL_ERROR /* the administrator's: configuration, provider, or our own fault */
} gate_level;

/* X(CONSTANT, name, HTTP status, OAuth error or NULL, level, what to do about it)
 *
 * The name is the log's identifier: stable, greppable, documented. The status is the usual one; a
 * decision may carry another where the specification of its place says so. */
#define GATE_REASONS(X)                                                                            \
    /* nothing, or nothing readable, was presented */                                              \
    X(NO_CREDENTIAL, no_credential, 401, NULL, INFO,                                               \
      "sign in, or send a token")                                                                  \
    X(MALFORMED_CREDENTIAL, malformed_credential, 400, "invalid_request", WARN,                    \
      "send one well-formed Authorization header (RFC 6750 section 2.1, RFC 7617)")                \
    X(MULTIPLE_CREDENTIALS, multiple_credentials, 400, "invalid_request", WARN,                    \
      "send the credential once, in one place")                                                    \
    X(MALFORMED_REQUEST, malformed_request, 400, "invalid_request", WARN,                          \
      "a parameter is doubled, broken or too long")                                                \
    X(METHOD_NOT_ALLOWED, method_not_allowed, 405, NULL, INFO,                                     \
      "this endpoint takes another HTTP method")                                                   \
    X(TARGET_UNSAFE, target_unsafe, 400, NULL, WARN,                                               \
      "a return address must be a path on this host")                                              \
    X(CROSS_SITE, cross_site, 403, NULL, WARN,                                                     \
      "a page of another site may not do this; use POST from a page of this host")                 \
    X(RATE_LIMITED, rate_limited, 429, NULL, WARN,                                                 \
      "wait; OIDCGateLimit says how many unknown credentials a second are judged")                 \
    /* a token that was read and is not good */                                                    \
    X(MALFORMED_TOKEN, malformed_token, 401, "invalid_token", WARN,                                \
      "the token is no JWT that this gate can read")                                               \
    X(BAD_ALG, bad_alg, 401, "invalid_token", WARN,                                                \
      "the signature algorithm is not in OIDCGateAlgorithms, or does not fit the key")             \
    X(UNKNOWN_KID, unknown_kid, 401, "invalid_token", WARN,                                        \
      "the provider publishes no key that fits the token")                                         \
    X(BAD_SIGNATURE, bad_signature, 401, "invalid_token", WARN,                                    \
      "the token was not signed by the provider")                                                  \
    X(WRONG_KIND, wrong_kind, 401, "invalid_token", WARN,                                          \
      "send an access token, not an ID token or another kind of JWT")                              \
    X(BAD_ISSUER, bad_issuer, 401, "invalid_token", WARN,                                          \
      "the token is another issuer's; compare OIDCGateIssuer, to the last slash")                  \
    X(BAD_AUDIENCE, bad_audience, 401, "invalid_token", WARN,                                      \
      "the token is meant for somebody else; compare OIDCGateAudience or OIDCGateClientID")        \
    X(BAD_CLAIM, bad_claim, 401, "invalid_token", WARN,                                            \
      "a claim that must be there is missing or has the wrong type")                               \
    X(TOKEN_EXPIRED, token_expired, 401, "invalid_token", WARN,                                    \
      "get a new token; if it is new, compare the clocks (OIDCGateClockSkew)")                     \
    X(TOKEN_NOT_YET_VALID, token_not_yet_valid, 401, "invalid_token", WARN,                        \
      "compare the clocks of provider and gate (OIDCGateClockSkew)")                               \
    X(TOKEN_INACTIVE, token_inactive, 401, "invalid_token", WARN,                                  \
      "the provider says that the token is not active")                                            \
    X(POP_FAILED, pop_failed, 401, "invalid_token", WARN,                                          \
      "the token is bound to a key, and the proof is missing")                                     \
    X(REPLAY, replay, 400, "invalid_request", WARN,                                                \
      "this was used before")                                                                      \
    X(NONCE_MISMATCH, nonce_mismatch, 401, NULL, WARN,                                             \
      "the ID token answers another login")                                                        \
    X(HASH_MISMATCH, hash_mismatch, 401, NULL, WARN,                                               \
      "the ID token names another access token")                                                   \
    X(SUBJECT_MISMATCH, subject_mismatch, 401, NULL, WARN,                                         \
      "userinfo or a renewed ID token speaks of somebody else")                                    \
    /* client id and secret */                                                                     \
    X(INVALID_CLIENT, invalid_client, 401, NULL, WARN,                                             \
      "the provider does not know this client id with this secret")                                \
    X(UNAUTHORIZED_CLIENT, unauthorized_client, 403, NULL, WARN,                                   \
      "allow the client this grant at the provider")                                               \
    /* a login on its way */                                                                       \
    X(STATE_UNKNOWN, state_unknown, 400, NULL, WARN,                                               \
      "the login was begun in another browser, or its cookie is gone: begin again")                \
    X(STATE_EXPIRED, state_expired, 400, NULL, INFO,                                               \
      "the login took more than ten minutes: begin again")                                         \
    X(ISSUER_MIXUP, issuer_mixup, 400, NULL, WARN,                                                 \
      "the answer comes from another provider than the one that was asked (RFC 9207)")             \
    X(LOGIN_DENIED, login_denied, 403, NULL, WARN,                                                 \
      "the provider, or the person there, refused the login")                                      \
    X(LOGIN_REQUIRED, login_required, 401, NULL, INFO,                                             \
      "the provider needs the person to sign in")                                                  \
    X(INVALID_GRANT, invalid_grant, 400, NULL, WARN,                                               \
      "the code was used before or is too old: begin again")                                       \
    /* a session */                                                                                \
    X(SESSION_EXPIRED, session_expired, 401, NULL, INFO,                                           \
      "sign in again; OIDCGateSession sets the limits")                                            \
    X(SESSION_TAMPERED, session_tampered, 401, NULL, WARN,                                         \
      "the session cookie is not one that this gate has set here")                                 \
    X(REFRESH_FAILED, refresh_failed, 401, NULL, WARN,                                             \
      "the provider no longer renews the tokens: sign in again")                                   \
    X(SESSIONS_FULL, sessions_full, 503, NULL, ERROR,                                              \
      "the session region is full: give OIDCGateSessionStore more memory")                         \
    X(SESSION_TOO_LARGE, session_too_large, 502, NULL, ERROR,                                      \
      "the provider's tokens and claims are larger than a session may be: ask it for less")        \
    /* known, but not allowed */                                                                   \
    X(CLAIM_MISSING, claim_missing, 403, "insufficient_scope", WARN,                               \
      "the rule wants a claim that the caller does not have; if the provider knows it, ask for the " \
      "scope that brings it, or turn on userinfo or introspection")                                \
    X(CLAIM_MISMATCH, claim_mismatch, 403, "insufficient_scope", WARN,                             \
      "the rule wants another value of the claim")                                                 \
    X(SCOPE_MISSING, scope_missing, 403, "insufficient_scope", WARN,                               \
      "ask the provider for a token with the scope that the rule wants")                           \
    X(RULE_REFUSED, rule_refused, 403, "insufficient_scope", WARN,                                 \
      "a Require line of this place refused")                                                      \
    X(RULE_UNDECIDED, rule_undecided, 403, NULL, WARN,                                             \
      "a regular expression gave up on a claim: write a simpler one")                              \
    X(ACR_UNMET, acr_unmet, 401, "insufficient_user_authentication", WARN,                         \
      "sign in again, more strongly or more recently (RFC 9470)")                                  \
    X(CLAIMS_UNAVAILABLE, claims_unavailable, 403, NULL, WARN,                                     \
      "the token is opaque: turn on introspection or userinfo to learn its claims")                \
    X(CLAIM_UNSAFE, claim_unsafe, 403, NULL, WARN,                                                 \
      "a claim that goes into a header has a control character or is too long; see encode=")       \
    /* the provider */                                                                             \
    X(IDP_UNREACHABLE, idp_unreachable, 503, NULL, ERROR,                                          \
      "no connection to the provider: name, route, firewall, certificate (cafile=)")               \
    X(IDP_TIMEOUT, idp_timeout, 503, NULL, ERROR,                                                  \
      "the provider took longer than OIDCGateHTTP total=")                                         \
    X(IDP_ERROR, idp_error, 503, NULL, ERROR,                                                      \
      "the provider answered with an error, or with something that is no answer")                  \
    X(IDP_BUSY, idp_busy, 503, NULL, ERROR,                                                        \
      "as many are held up by the provider as OIDCGateHTTP inflight= allows")                      \
    X(IDP_REJECTED_GATEWAY, idp_rejected_gateway, 502, NULL, ERROR,                                \
      "the provider refuses the gate itself: client id, secret, redirect address, scopes")         \
    X(IDP_UNSUITABLE, idp_unsuitable, 502, NULL, ERROR,                                            \
      "the provider's metadata lacks what is needed, or names another issuer")                     \
    /* ourselves */                                                                                \
    X(STORE_UNAVAILABLE, store_unavailable, 503, NULL, ERROR,                                      \
      "the store gave no answer; see the lines before this one")                                   \
    X(CONFIG_ERROR, config_error, 500, NULL, ERROR,                                                \
      "the configuration of this place does not hold together; run apachectl configtest")          \
    X(INTERNAL, internal, 500, NULL, ERROR,                                                        \
      "a library failed (memory, randomness, cryptography); see the detail")

typedef enum gate_reason {
    GATE_OK = 0, /* nothing speaks against it */
#define GATE_REASON_CONSTANT(constant, name, status, error, level, remedy) GATE_##constant,
    GATE_REASONS(GATE_REASON_CONSTANT)
#undef GATE_REASON_CONSTANT
    GATE_REASON_COUNT
} gate_reason;

typedef struct gate_reason_row {
    const char *name;
    int status;
    const char *oauth_error; /* RFC 6750 section 3.1, RFC 9470 section 3; NULL where none applies */
    gate_level level;
    const char *remedy;
} gate_reason_row;

/* The row of a reason; GATE_OK has the name "ok" and status 200. Never NULL. */
const gate_reason_row *gate_reason_get(gate_reason reason);

static inline const char *gate_reason_name(gate_reason reason)
{
    return gate_reason_get(reason)->name;
}

#endif
