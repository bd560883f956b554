/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/echo.h"

#include <apr_strings.h>

#define SECRET_MIN_BYTES 6 /* what is shorter may be part of any word */

/* The parameters that are secrets: RFC 6749 sections 2.3.1, 4.1.3 and 6, RFC 7636 section 4.5, RFC
 * 7009 section 2.1, RFC 7662 section 2.1. */
static const char *const secrets[] = {
    "client_secret", "code", "code_verifier", "refresh_token", "token",
};

static void blot(apr_pool_t *p, gate_answer *answer, gate_span secret)
{
    char *text, *at, *end;

    if (secret.len < SECRET_MIN_BYTES || !answer->body.ptr ||
        !memmem(answer->body.ptr, answer->body.len, secret.ptr, secret.len))
        return;
    text = apr_pstrmemdup(p, answer->body.ptr, answer->body.len);
    answer->body.ptr = text;
    end = text + answer->body.len;
    while ((at = memmem(text, (size_t)(end - text), secret.ptr, secret.len))) {
        memset(at, '*', secret.len);
        text = at + secret.len;
    }
}

void gate_echo_blot(apr_pool_t *p, const gate_question *question, gate_answer *answer)
{
    const char *credential = question->authorization ? strchr(question->authorization, ' ') : NULL;

    if (answer->status == 200)
        return;
    for (size_t i = 0; question->form && i < sizeof secrets / sizeof *secrets; i++)
        blot(p, answer, gate_form_get(question->form, secrets[i]));
    if (credential)
        blot(p, answer, gate_span_of(credential + 1));
}
