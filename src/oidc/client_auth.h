/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* client_auth.h - how the gate, or a caller through it, says to the provider which client it is
 * (RFC 6749 section 2.3, OIDC Core section 9) */
#ifndef GATE_OIDC_CLIENT_AUTH_H
#define GATE_OIDC_CLIENT_AUTH_H

#include "base/message.h"
#include "base/reason.h"

typedef enum gate_client_auth {
    GATE_CLIENT_AUTH_BASIC, /* client_secret_basic */
    GATE_CLIENT_AUTH_POST,  /* client_secret_post */
    GATE_CLIENT_AUTH_NONE,  /* a public client: the id alone */
    GATE_CLIENT_AUTH_COUNT
} gate_client_auth;

/* A set of them, a bit each; one more bit says that there are others, which are not known here. */
typedef unsigned gate_client_auth_set;
#define GATE_CLIENT_AUTH_BIT(method) (1u << (method))
#define GATE_CLIENT_AUTH_OTHERS      GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_COUNT)

/* By the registered name ("client_secret_basic"); false for one that is not known here. */
bool gate_client_auth_find(gate_span name, gate_client_auth *method);
const char *gate_client_auth_name(gate_client_auth method);

/* What to use where nothing is configured: of those the provider offers, basic, then post; where it
 * says nothing, basic (RFC 8414 section 2: the default); without a secret, none. False where none
 * of what it offers will do. */
bool gate_client_auth_choose(gate_client_auth_set offered, bool has_secret,
                             gate_client_auth *method);

typedef struct gate_client {
    gate_span id, secret; /* secret absent for a public client */
    gate_client_auth method;
} gate_client;

/* Adds the client's credentials to a question that has a form. Id and secret are form-encoded
 * before they go into Basic (RFC 6749 section 2.3.1). */
void gate_client_authenticate(apr_pool_t *p, gate_question *question, const gate_client *client);

#endif
