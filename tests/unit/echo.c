/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/echo.h"

#include "tap.h"

#include <apr_general.h>

static const char *heard(apr_pool_t *p, const gate_question *question, int status, const char *body)
{
    gate_answer answer = {.status = status, .body = gate_span_of(body)};

    gate_echo_blot(p, question, &answer);
    return answer.body.ptr;
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    gate_form *form = gate_form_make(p);
    gate_form_add_text(form, "grant_type", "authorization_code");
    gate_form_add_text(form, "code", "c0dec0de");
    gate_form_add_text(form, "code_verifier", "verifier-43");
    gate_form_add_text(form, "client_secret", "short");
    const gate_question posted = {.form = form, .authorization = "Basic d2ViOnNlY3JldA=="};
    const gate_question got = {.authorization = "Bearer to-ken-to-ken"}, bare = {.url = "x"};

    is(heard(p, &posted, 400, "{\"error\":\"invalid_grant\",\"error_description\":\"no code c0dec0de\"}"),
       "{\"error\":\"invalid_grant\",\"error_description\":\"no code ********\"}", "a code that comes back");
    is(heard(p, &posted, 500, "c0dec0dec0dec0de verifier-43 d2ViOnNlY3JldA=="),
       "**************** *********** ****************", "several, several times, and the credentials");
    is(heard(p, &posted, 400, "authorization_code c0dec0d short Basic"), "authorization_code c0dec0d short Basic",
       "what is no secret stays, and so does what may be any word");
    is(heard(p, &posted, 200, "c0dec0de"), "c0dec0de", "a success is read, and not logged");
    is(heard(p, &got, 403, "<to-ken-to-ken>"), "<*************>", "a token in a header");
    is(heard(p, &bare, 404, "whatever"), "whatever", "nothing was told");
    gate_form *stars = gate_form_make(p);
    gate_form_add_text(stars, "code", "********");
    const gate_question odd = {.form = stars};
    is(heard(p, &odd, 400, "********, *********"), "********, *********", "a code that looks like that already has an end");
    ok(!heard(p, &posted, 400, NULL), "an answer without a body");
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
