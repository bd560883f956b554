/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* id_token.h - who signed in: the checks of OIDC Core section 3.1.3.7 on a token whose signature is
 * verified */
#ifndef GATE_OIDC_ID_TOKEN_H
#define GATE_OIDC_ID_TOKEN_H

#include "base/seal.h"
#include "jose/jwt.h"

typedef struct gate_id_token_want {
    const char *issuer, *client_id;
    const gate_digest *nonce; /* gate_nonce_digest of the one that was sent; NULL after a refresh
                                 (section 12.2): then it is not compared */
    gate_span access_token;   /* absent: at_hash is not checked */
    bool *vouches; /* set where at_hash was there and is that of the access token; NULL: nobody asks
                    */
    apr_int64_t now, skew;
    apr_int64_t max_age;     /* seconds that auth_time may lie back; 0: not asked for */
    apr_int64_t max_iat_age; /* the same for iat: the life of a login attempt; 0: not checked */
} gate_id_token_want;

/* What is kept of a nonce while a login is under way: it shows nobody what the ID token will have
 * in it (section 15.5.2). False where OpenSSL fails. */
bool gate_nonce_digest(gate_digest *digest, gate_span nonce);

/* Each check cites its step. BAD_ISSUER; BAD_AUDIENCE (client_id not in aud, another audience
 * beside it, azp missing where it is needed or another client's); BAD_CLAIM (sub missing, empty,
 * over 255 bytes or with control characters; iat or exp missing); TOKEN_EXPIRED;
 * TOKEN_NOT_YET_VALID; NONCE_MISMATCH; HASH_MISMATCH; ACR_UNMET (auth_time too old, in the future,
 * or missing where max_age was asked for); WRONG_KIND (typ says that it is another kind of JWT:
 * at+jwt, logout+jwt, ...). *detail names the claim and both values, bounded and escaped. */
gate_reason gate_id_token_check(apr_pool_t *p, const gate_jwt *jwt, const gate_id_token_want *want,
                                const char **detail);

#endif
