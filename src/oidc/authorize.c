/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/authorize.h"

#include <openssl/evp.h>

#include "base/base64url.h"

/* "request" and "request_uri" would have the provider overlook all that stands beside them (OIDC
 * Core section 6). */
static const char *const owned[] = {
    "response_type", "client_id",   "redirect_uri",   "scope",
    "state",         "nonce",       "code_challenge", "code_challenge_method",
    "request",       "request_uri", "response_mode",
};

bool gate_authorize_owns(const char *name)
{
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (strcmp(name, owned[i]) == 0)
            return true;
    return false;
}

const char *gate_pkce_challenge(apr_pool_t *p, const char *verifier)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!EVP_Digest(verifier, strlen(verifier), hash, &len, EVP_sha256(), NULL))
        return NULL;
    return gate_base64url_encode(p, (gate_span){(const char *)hash, len});
}

static void add_extra(apr_pool_t *p, gate_form *form, const gate_form *extra)
{
    if (!extra)
        return;
    const gate_pair *pairs = (const gate_pair *)extra->pairs->elts;
    for (int i = 0; i < extra->pairs->nelts; i++) {
        const char *name = gate_span_dup(p, pairs[i].name);
        if (!gate_authorize_owns(name))
            gate_form_add(form, name, pairs[i].value);
    }
}

gate_form *gate_authorize_form(apr_pool_t *p, const gate_authorize *request)
{
    const char *challenge = gate_pkce_challenge(p, request->verifier);
    if (!challenge)
        return NULL;
    gate_form *form = gate_form_make(p);
    gate_form_add_text(form, "response_type", "code");
    gate_form_add_text(form, "client_id", request->client_id);
    gate_form_add_text(form, "redirect_uri", request->redirect_uri);
    gate_form_add_text(form, "scope", request->scope);
    gate_form_add_text(form, "state", request->state);
    gate_form_add_text(form, "nonce", request->nonce);
    gate_form_add_text(form, "code_challenge", challenge);
    /* RFC 7636 section 4.2: S256 alone; "plain" does not exist here. */
    gate_form_add_text(form, "code_challenge_method", "S256");
    gate_form_add_text(form, "response_mode", request->response_mode);
    add_extra(p, form, request->extra);
    return form;
}

gate_form *gate_authorize_pushed(apr_pool_t *p, const char *client_id, const char *request_uri)
{
    gate_form *form = gate_form_make(p);
    gate_form_add_text(form, "client_id", client_id);
    gate_form_add_text(form, "request_uri", request_uri);
    return form;
}
