/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "base/json.h"
#include "oidc/detail.h"

static apr_pool_t *p;

static const json_t *object(const char *text)
{
    return gate_json_object(p, gate_span_of(text), 65536);
}

static void test_bounds(void)
{
    char text[1000];
    const char *detail = "untouched";
    gate_detail(p, &detail, "%s is %d", "a", 1);
    is(detail, "a is 1", "a detail is formatted");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    gate_detail(p, &detail, "%s", text);
    ok(strlen(detail) == GATE_DETAIL_MAX_BYTES, "a detail is cut");
    gate_detail(p, NULL, "%s", text);
    ok(true, "nobody need want a detail");
}

static void test_values(void)
{
    const json_t *claims =
        object("{\"text\":\"a\\\"b\\n\",\"number\":12,\"list\":[\"a\",1],\"null\":null}");
    is(gate_detail_value(p, json_object_get(claims, "text")), "a\\x22b\\x0a", "text is escaped");
    is(gate_detail_value(p, json_object_get(claims, "number")), "12", "a number is JSON");
    is(gate_detail_value(p, json_object_get(claims, "list")), "[\\x22a\\x22,1]", "a list is JSON");
    is(gate_detail_value(p, json_object_get(claims, "null")), "null", "null is JSON");
    is(gate_detail_value(p, NULL), "nothing", "what is not there is nothing");
}

/* What providers say, and what of it may stand in a log. */
static const struct {
    const char *said, *logged, *name;
} words[] = {
    {"The authorization code has expired.", "The authorization code has expired.",
     "plain words stay"},
    {"unsupported_grant_type", "unsupported_grant_type", "long words stay"},
    {"Unauthorized-client-application", "Unauthorized-client-application",
     "a capital in front is a word's"},
    {"see https://login.example.com/help", "see https://login.example.com/help",
     "addresses in lower case stay"},
    {"Code SplxlOBeZQQYbYS6WxSbIA is unknown", "Code *** is unknown", "a code is masked"},
    {"token 'eyJhbGciOiJIUzI1NiJ9.e30.abc_-123'", "token '***'", "a JWT is masked"},
    {"secret=abcdefghijklmnop1", "***", "a secret is masked with the name in front of it"},
    {"(0123456789abcdef)", "(***)", "16 digits are masked"},
    {"(0123456789abcde)", "(0123456789abcde)", "15 are not"},
    {"a0123456789abcdef,b0123456789abcdef", "***,***", "each one is masked"},
    {"a\"b\r\nc", "a\\x22b\\x0d\\x0ac", "the rest is escaped"},
    {"", "", "no words are no words"},
};

static void test_words(void)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        is(gate_detail_words(p, gate_span_of(words[i].said), 100), words[i].logged, "%s",
           words[i].name);
    is(gate_detail_words(p, GATE_SPAN("abcdef"), 3), "abc...", "words are cut");
    is(gate_detail_words(p, GATE_SPAN("SplxlOBeZQQYbYS6WxSbIA"), 3), "***",
       "what is masked is masked before the cut");
    is(gate_detail_words(p, (gate_span){NULL, 0}, 3), "", "absent words are none");
}

static void test_errors(void)
{
    is(gate_detail_error(p, object("{\"error\":\"invalid_grant\"}")), "invalid_grant",
       "an error's code");
    is(gate_detail_error(p,
                         object("{\"error\":\"invalid_grant\",\"error_description\":\"too old\"}")),
       "invalid_grant: too old", "... with its description");
    is(gate_detail_error(p, object("{\"error\":\"e\",\"error_description\":\"\"}")), "e",
       "an empty description is none");
    is(gate_detail_error(
           p, object("{\"error\":\"e\",\"error_description\":\"SplxlOBeZQQYbYS6WxSbIA\"}")),
       "e: ***", "a secret in the description is masked");
    is(gate_detail_error(p, object("{\"error\":\"SplxlOBeZQQYbYS6WxSbIA\"}")), "***",
       "a secret in the code is masked");
    is(gate_detail_error(p, object("{\"error\":{\"message\":\"x\"}}")), "",
       "an error that is no text is none");
    is(gate_detail_error(p, object("{}")), "", "an object without an error has none");
    is(gate_detail_error(p, NULL), "", "no object has none");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_bounds();
    test_values();
    test_words();
    test_errors();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
