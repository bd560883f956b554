/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/authorize.h"

static apr_pool_t *p;

static gate_authorize request(void)
{
    return (gate_authorize){
        .client_id = "web",
        .redirect_uri = "https://www.example/oidc-gate/callback",
        .scope = "openid email",
        .state = "S-1",
        .nonce = "N-1",
        .verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    };
}

static const char endpoint[] = "https://id.example/authorize";

static const char *address(const gate_authorize *login)
{
    return gate_url_with_query(p, endpoint, gate_authorize_form(p, login));
}

static void test_challenge(void)
{
    is(gate_pkce_challenge(p, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
       "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "the challenge of RFC 7636 appendix B");
}

static void test_address(void)
{
    gate_authorize login = request();
    is(address(&login),
       "https://id.example/authorize?response_type=code&client_id=web"
       "&redirect_uri=https%3A%2F%2Fwww.example%2Foidc-gate%2Fcallback&scope=openid+email&state=S-1"
       "&nonce=N-1&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
       "&code_challenge_method=S256",
       "all parameters stand in their order");

    login.response_mode = "form_post";
    ok(strstr(address(&login), "&code_challenge_method=S256&response_mode=form_post") != NULL,
       "the response mode where it is not the usual one");

    login = request();
    login.client_id = "a&scope=admin";
    ok(strstr(address(&login), "client_id=a%26scope%3Dadmin&") != NULL,
       "a value cannot add a parameter");
}

static void test_extra(void)
{
    gate_authorize login = request();
    gate_form *extra = gate_form_make(p);
    const char *plain = address(&login);
    login.extra = extra;
    is(address(&login), plain, "an empty form adds nothing");

    gate_form_add_text(extra, "prompt", "login");
    gate_form_add_text(extra, "resource", "https://a/");
    gate_form_add_text(extra, "resource", "https://b/");
    is(address(&login),
       apr_pstrcat(p, plain,
                   "&prompt=login&resource=https%3A%2F%2Fa%2F&resource=https%3A%2F%2Fb%2F", NULL),
       "extra parameters come last, in their order, and may repeat");

    static const char *const owned[] = {
        "response_type", "client_id",      "redirect_uri",          "scope",   "state",
        "nonce",         "code_challenge", "code_challenge_method", "request", "request_uri",
        "response_mode",
    };
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        login.extra = extra = gate_form_make(p);
        gate_form_add_text(extra, owned[i], "evil");
        is(address(&login), plain, "configuration does not set %s", owned[i]);
        ok(gate_authorize_owns(owned[i]), "%s is the gate's", owned[i]);
    }
    ok(!gate_authorize_owns("prompt") && !gate_authorize_owns("Scope") && !gate_authorize_owns(""),
       "other names are not");
}

static void test_pushed(void)
{
    is(gate_url_with_query(p, endpoint, gate_authorize_pushed(p, "a&b", "urn:x:1")),
       "https://id.example/authorize?client_id=a%26b&request_uri=urn%3Ax%3A1",
       "a request that was pushed is named, and no parameter more");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_challenge();
    test_address();
    test_extra();
    test_pushed();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
