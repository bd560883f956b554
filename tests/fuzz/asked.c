/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* What goes to a provider: whatever an administrator configured and a browser asked for arrives
 * there as it was meant, each name once. The input is some lines. */
#include "fuzz.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "oidc/authorize.h"
#include "oidc/client_auth.h"
#include "oidc/logout.h"

static const char *next(apr_pool_t *p, gate_span *rest)
{
    gate_span line = {"", 0};
    gate_span_cut(rest, '\n', &line);
    return gate_span_dup(p, (gate_span){line.ptr, strnlen(line.ptr, line.len)});
}

static bool says(const gate_form *form, const char *name, const char *value)
{
    const gate_span found = gate_form_get(form, name);
    return *value ? gate_span_is(found, value) : !found.ptr;
}

static void check_authorize(apr_pool_t *p, const char *const *lines)
{
    gate_form *extra, *again;
    const gate_authorize request = {
        .client_id = lines[0],
        .redirect_uri = "https://www.example/oidc-gate/callback",
        .scope = lines[1],
        .state = lines[2],
        .nonce = lines[3],
        .verifier = lines[2],
        .extra = gate_form_parse(p, gate_span_of(lines[4]), 8, &extra) == GATE_OK ? extra : NULL,
    };
    gate_form *form = gate_authorize_form(p, &request);
    FUZZ_CHECK(form &&
               gate_form_parse(p, gate_span_of(gate_form_text(form)), 64, &again) == GATE_OK);
    FUZZ_CHECK(says(again, "client_id", lines[0]) && says(again, "scope", lines[1]) &&
               says(again, "state", lines[2]) && says(again, "nonce", lines[3]) &&
               says(again, "response_type", "code") &&
               says(again, "code_challenge_method", "S256"));
}

static void check_end_session(apr_pool_t *p, const char *const *lines)
{
    gate_form *again;
    const gate_end_session request = {
        .endpoint = "https://id.example/end?a=1",
        .id_token = gate_span_of(lines[0]),
        .client_id = lines[1],
        .post_logout_redirect_uri = lines[2],
        .state = lines[3],
    };
    const char *url = gate_end_session_url(p, &request);
    FUZZ_CHECK(gate_span_starts(gate_span_of(url), "https://id.example/end?a=1"));
    FUZZ_CHECK(gate_form_parse(p, gate_span_of(strchr(url, '?') + 1), 16, &again) == GATE_OK);
    FUZZ_CHECK(says(again, "a", "1") && says(again, "id_token_hint", lines[0]) &&
               says(again, "post_logout_redirect_uri", lines[2]) && says(again, "state", lines[3]));
}

/* RFC 6749 section 2.3.1: form-encoded, joined, base64; and back. */
static void check_client(apr_pool_t *p, const char *const *lines)
{
    gate_span text, id;
    gate_form *again;
    gate_question question = {.form = gate_form_make(p)};
    const gate_client client = {gate_span_of(lines[0]), gate_span_of(lines[1]),
                                GATE_CLIENT_AUTH_BASIC};
    gate_client_authenticate(p, &question, &client);
    FUZZ_CHECK(gate_span_starts(gate_span_of(question.authorization), "Basic ") &&
               gate_base64_decode(p, gate_span_of(question.authorization + 6), &text));
    FUZZ_CHECK(gate_span_cut(&text, ':', &id));
    const char *pair =
        apr_pstrcat(p, "id=", gate_span_dup(p, id), "&secret=", gate_span_dup(p, text), NULL);
    FUZZ_CHECK(gate_form_parse(p, gate_span_of(pair), 2, &again) == GATE_OK);
    FUZZ_CHECK(says(again, "id", lines[0]) && says(again, "secret", lines[1]));
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const char *lines[5];
    for (int i = 0; i < 5; i++)
        lines[i] = next(p, &input);
    check_authorize(p, lines);
    check_end_session(p, lines);
    check_client(p, lines);
}
