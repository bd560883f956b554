/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/client_auth.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "base/seal.h"

/* By their names in the IANA registry of token endpoint authentication methods. */
static const char *const names[GATE_CLIENT_AUTH_COUNT] = {
    [GATE_CLIENT_AUTH_BASIC] = "client_secret_basic",
    [GATE_CLIENT_AUTH_POST] = "client_secret_post",
    [GATE_CLIENT_AUTH_NONE] = "none",
};

bool gate_client_auth_find(gate_span name, gate_client_auth *method)
{
    for (int i = 0; i < GATE_CLIENT_AUTH_COUNT; i++)
        if (gate_span_is(name, names[i])) {
            *method = (gate_client_auth)i;
            return true;
        }
    return false;
}

const char *gate_client_auth_name(gate_client_auth method)
{
    return names[method];
}

bool gate_client_auth_choose(gate_client_auth_set offered, bool has_secret,
                             gate_client_auth *method)
{
    *method = has_secret ? GATE_CLIENT_AUTH_BASIC : GATE_CLIENT_AUTH_NONE;
    /* Providers take public clients and leave "none" out of their metadata; without a secret there
     * is no other way. */
    if (!has_secret || !offered || offered & GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_BASIC))
        return true;
    *method = GATE_CLIENT_AUTH_POST;
    return offered & GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_POST);
}

static void authenticate_basic(apr_pool_t *p, gate_question *question, const gate_client *client)
{
    const char *secret = gate_form_encode(p, client->secret);
    const char *pair = apr_pstrcat(p, gate_form_encode(p, client->id), ":", secret, NULL);
    const char *encoded = gate_base64_encode(p, gate_span_of(pair));
    question->authorization = apr_pstrcat(p, "Basic ", encoded, NULL);
    gate_wipe_with(p, gate_span_of(secret));
    gate_wipe_with(p, gate_span_of(pair));
    gate_wipe_with(p, gate_span_of(encoded));
    gate_wipe_with(p, gate_span_of(question->authorization));
}

/* A pushed authorization request has it already, and no parameter comes twice (RFC 6749 section
 * 3.2). */
static void add_id(gate_form *form, const gate_client *client)
{
    if (!gate_form_get(form, "client_id").ptr)
        gate_form_add(form, "client_id", client->id);
}

void gate_client_authenticate(apr_pool_t *p, gate_question *question, const gate_client *client)
{
    switch (client->method) {
    case GATE_CLIENT_AUTH_POST:
        add_id(question->form, client);
        gate_form_add(question->form, "client_secret", client->secret);
        return;
    case GATE_CLIENT_AUTH_NONE:
        add_id(question->form, client);
        return;
    default:
        authenticate_basic(p, question, client);
    }
}
