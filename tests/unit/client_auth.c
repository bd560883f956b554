/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>

#include "base/base64url.h"
#include "oidc/client_auth.h"

#define BASIC  GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_BASIC)
#define POST   GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_POST)
#define NONE   GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_NONE)
#define OTHERS GATE_CLIENT_AUTH_OTHERS

static apr_pool_t *p;

static void test_names(void)
{
    static const char *const names[] = {"client_secret_basic", "client_secret_post", "none"};
    gate_client_auth method;
    for (int i = 0; i < GATE_CLIENT_AUTH_COUNT; i++) {
        ok(gate_client_auth_find(gate_span_of(names[i]), &method) && method == (gate_client_auth)i,
           "%s is found", names[i]);
        is(gate_client_auth_name((gate_client_auth)i), names[i], "%s has its name", names[i]);
    }
    ok(!gate_client_auth_find(GATE_SPAN("client_secret"), &method), "a part of a name is none");
    ok(!gate_client_auth_find(GATE_SPAN("None"), &method), "case counts");
    ok(!gate_client_auth_find(GATE_SPAN(""), &method), "an empty name is none");
    ok(!gate_client_auth_find((gate_span){NULL, 0}, &method), "an absent name is none");
}

static void test_choice(void)
{
    static const struct {
        gate_client_auth_set offered;
        bool has_secret, will_do;
        gate_client_auth method;
        const char *name;
    } cases[] = {
        {0, true, true, GATE_CLIENT_AUTH_BASIC, "basic where the provider says nothing"},
        {BASIC | POST, true, true, GATE_CLIENT_AUTH_BASIC, "basic before post"},
        {POST, true, true, GATE_CLIENT_AUTH_POST, "post where it is all that is offered"},
        {POST | OTHERS, true, true, GATE_CLIENT_AUTH_POST, "post before what is not known here"},
        {OTHERS, true, false, 0, "nothing where only unknown methods are offered"},
        {NONE, true, false, 0, "nothing where a secret is not taken"},
        {0, false, true, GATE_CLIENT_AUTH_NONE, "none without a secret"},
        {NONE, false, true, GATE_CLIENT_AUTH_NONE, "none without a secret, where it is offered"},
        {BASIC, false, true, GATE_CLIENT_AUTH_NONE, "none without a secret, whatever is offered"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_client_auth method;
        bool will_do = gate_client_auth_choose(cases[i].offered, cases[i].has_secret, &method);
        ok(will_do == cases[i].will_do && (!will_do || method == cases[i].method), "chosen: %s",
           cases[i].name);
    }
}

static gate_question asked(gate_client_auth method, const char *id, const char *secret)
{
    gate_question question = {.url = "https://id.example/token", .form = gate_form_make(p)};
    const gate_client client = {gate_span_of(id), gate_span_of(secret), method};
    gate_form_add_text(question.form, "grant_type", "client_credentials");
    gate_client_authenticate(p, &question, &client);
    return question;
}

static const char *decoded(const char *authorization)
{
    gate_span bytes;
    if (!authorization || strncmp(authorization, "Basic ", 6) != 0 ||
        !gate_base64_decode(p, gate_span_of(authorization + 6), &bytes))
        return NULL;
    return gate_span_dup(p, bytes);
}

static void test_authentication(void)
{
    gate_question question = asked(GATE_CLIENT_AUTH_BASIC, "web", "s3cret");
    is(question.authorization, "Basic d2ViOnMzY3JldA==", "basic goes into the header");
    is(gate_form_text(question.form), "grant_type=client_credentials",
       "... and leaves the form alone");

    /* RFC 6749 section 2.3.1: form-encoded before base64, so that a colon in the id splits nothing.
     */
    question = asked(GATE_CLIENT_AUTH_BASIC, "a:b%+\xc3\xa9 c", "p:%+ \xc3\xa4");
    is(decoded(question.authorization), "a%3Ab%25%2B%C3%A9+c:p%3A%25%2B+%C3%A4",
       "id and secret are form-encoded inside basic");

    question = asked(GATE_CLIENT_AUTH_POST, "a&b", "c=d");
    is(gate_form_text(question.form),
       "grant_type=client_credentials&client_id=a%26b&client_secret=c%3Dd",
       "post goes into the form");
    ok(!question.authorization, "... and into no header");

    question = asked(GATE_CLIENT_AUTH_NONE, "public", NULL);
    is(gate_form_text(question.form), "grant_type=client_credentials&client_id=public",
       "a public client sends its id alone");
    ok(!question.authorization, "... and no header");

    question = asked(GATE_CLIENT_AUTH_BASIC, "web", NULL);
    is(decoded(question.authorization), "web:", "basic with an absent secret has an empty one");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_names();
    test_choice();
    test_authentication();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
