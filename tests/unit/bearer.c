/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "base/base64url.h"
#include "oidc/bearer.h"

static apr_pool_t *p;

static const char *basic(const char *pair)
{
    return apr_pstrcat(p, "Basic ", gate_base64_encode(p, gate_span_of(pair)), NULL);
}

static char *repeated(const char *front, char c, size_t count)
{
    char *text = apr_pcalloc(p, strlen(front) + count + 1);
    memcpy(text, front, strlen(front));
    memset(text + strlen(front), c, count);
    return text;
}

static const struct {
    const char *value;
    gate_reason reason;
    gate_scheme scheme;
    const char *token;
    const char *name;
} values[] = {
    {NULL, GATE_OK, GATE_SCHEME_NONE, NULL, "no header is no credential"},
    {"", GATE_OK, GATE_SCHEME_NONE, NULL, "an empty header is no credential"},
    {" \t ", GATE_OK, GATE_SCHEME_NONE, NULL, "a blank header is no credential"},
    {"Bearer abc", GATE_OK, GATE_SCHEME_BEARER, "abc", "a bearer token is read"},
    {"bEaReR abc", GATE_OK, GATE_SCHEME_BEARER, "abc", "the scheme's case does not matter"},
    {"Bearer   abc", GATE_OK, GATE_SCHEME_BEARER, "abc", "more than one space is fine"},
    {" Bearer abc ", GATE_OK, GATE_SCHEME_BEARER, "abc",
     "blanks around the value are no part of it"},
    {"Bearer AZaz09-._~+/==", GATE_OK, GATE_SCHEME_BEARER,
     "AZaz09-._~+/==", "the whole b64token alphabet is taken"},
    {"Bearer", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a scheme without a token is malformed"},
    {"Bearer ", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a scheme and a space are malformed"},
    {"Bearer\tabc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a tab does not part scheme and token"},
    {"Bearer \tabc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a tab is no part of a token"},
    {"Bearer=abc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a '=' does not part scheme and token"},
    {"Bearer/abc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a '/' does not part scheme and token"},
    {"Bearer:abc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a ':' does not part scheme and token"},
    {"Bearer a b", GATE_MALFORMED_CREDENTIAL, 0, NULL, "two words are no token"},
    {"Bearer a=b", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a '=' within is no token"},
    {"Bearer ==", GATE_MALFORMED_CREDENTIAL, 0, NULL, "'=' alone is no token"},
    {"Bearer a\"b", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a quote is no part of a token"},
    {"Bearer a\x01"
     "b",
     GATE_MALFORMED_CREDENTIAL, 0, NULL, "a control character is no part of a token"},
    {"Bearer a\xc3\xa9", GATE_MALFORMED_CREDENTIAL, 0, NULL,
     "a letter outside ASCII is no part of a token"},
    {"Bearer a;b", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a ';' is no part of a token"},
    {"Bearer a%20b", GATE_MALFORMED_CREDENTIAL, 0, NULL, "an escape is no part of a token"},
    {"\"Bearer\" abc", GATE_MALFORMED_CREDENTIAL, 0, NULL, "a quoted scheme is malformed"},
    {"Bearer a, Bearer b", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "two joined bearer headers are two credentials"},
    {"Bearer a,Bearer a", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "the same token twice is two credentials"},
    {"Bearer a,", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "a comma at the end is a second, empty header"},
    {", Bearer a", GATE_MULTIPLE_CREDENTIALS, 0, NULL, "a comma in front is a first, empty header"},
    {"Bearer a, Basic YTpi", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "bearer and basic are two credentials"},
    {"Basic YTpi, Bearer a", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "basic and bearer are two credentials"},
    {"Bearer,", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "a comma right after the scheme is a second header"},
    {"Digest a=\"b\", c=\"d\"", GATE_OK, GATE_SCHEME_OTHER, NULL, "Digest has commas of its own"},
    {"Digest a=\"b\", Bearer x", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "a bearer token behind Digest is a second header"},
    {"Negotiate abc,basic YTpi", GATE_MULTIPLE_CREDENTIALS, 0, NULL,
     "basic behind Negotiate is a second header"},
    {"DPoP abc", GATE_OK, GATE_SCHEME_OTHER, NULL, "DPoP is none of ours"},
    {"Bearers abc", GATE_OK, GATE_SCHEME_OTHER, NULL, "a longer name is another scheme"},
    {"Beare abc", GATE_OK, GATE_SCHEME_OTHER, NULL, "a shorter name is another scheme"},
    {"abc", GATE_OK, GATE_SCHEME_OTHER, NULL, "a bare word is the name of another scheme"},
    {"Basic", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic without a value is malformed"},
    {"Basic !!!!", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic with no base64 is malformed"},
    {"Basic YTpi=", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic with wrong padding is malformed"},
    {"Basic YTp", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic with bits left over is malformed"},
    {"Basic YQ==", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic without a colon is malformed"},
    {"Basic YQE6Yg==", GATE_MALFORMED_CREDENTIAL, 0, NULL,
     "Basic with a control character in the id is malformed"},
    {"Basic YTpiCg==", GATE_MALFORMED_CREDENTIAL, 0, NULL,
     "Basic with a line end in the secret is malformed"},
    {"Basic YTpiAGM=", GATE_MALFORMED_CREDENTIAL, 0, NULL, "Basic with a NUL is malformed"},
};

static void test_values(void)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        gate_credential found;
        gate_reason reason = gate_credential_read(p, values[i].value, &found);
        is(gate_reason_name(reason), gate_reason_name(values[i].reason), "%s", values[i].name);
        if (values[i].reason == GATE_OK)
            ok(found.scheme == values[i].scheme && gate_span_is(found.token, values[i].token),
               "... and is understood: %s", values[i].name);
    }
}

/* A scheme's name is a token (RFC 9110 section 5.6.2), and of one byte here. */
static void test_scheme_names(void)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (int c = 1; c < 256; c++) {
        const char value[] = {(char)c, ' ', 'x', '\0'};
        bool is_name = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       strchr(others, c);
        gate_credential found;
        gate_reason reason = gate_credential_read(p, value, &found);
        if (c == ' ' || c == '\t' || is_name)
            ok(reason == GATE_OK && found.scheme == GATE_SCHEME_OTHER, "byte %d names a scheme", c);
        else
            ok(reason == GATE_MALFORMED_CREDENTIAL, "byte %d does not", c);
    }
}

static void test_basic(void)
{
    static const struct {
        const char *pair, *id, *secret, *name;
    } cases[] = {
        {"a:b", "a", "b", "an id and a secret"},
        {"a:b:c", "a", "b:c", "the first colon splits"},
        {"a:", "a", "", "an empty secret is a secret"},
        {":b", "", "b", "an empty id is an id"},
        {"c-\xc3\xa9:p\xc3\xa4ss %+:", "c-\xc3\xa9",
         "p\xc3\xa4ss %+:", "UTF-8, spaces and signs are kept"},
    };
    gate_credential found;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_reason reason = gate_credential_read(p, basic(cases[i].pair), &found);
        ok(reason == GATE_OK && found.scheme == GATE_SCHEME_BASIC &&
               gate_span_is(found.id, cases[i].id) && gate_span_is(found.secret, cases[i].secret),
           "Basic: %s", cases[i].name);
    }
    ok(gate_credential_read(p, "basic YTpi", &found) == GATE_OK &&
           found.scheme == GATE_SCHEME_BASIC,
       "Basic: the scheme's case does not matter");
    ok(gate_credential_read(p, "Basic YTpiYw", &found) == GATE_OK &&
           gate_span_is(found.secret, "bc"),
       "Basic: padding may be left out");
}

static void test_limits(void)
{
    gate_credential found;
    gate_reason reason =
        gate_credential_read(p, repeated("Bearer ", 'a', GATE_TOKEN_MAX_BYTES), &found);
    ok(reason == GATE_OK, "a token of the largest size is read");
    reason = gate_credential_read(p, repeated("Bearer ", 'a', GATE_TOKEN_MAX_BYTES + 1), &found);
    ok(reason == GATE_MALFORMED_CREDENTIAL, "a token one byte larger is malformed");
    reason = gate_credential_read(p, basic(repeated("a:", 'b', GATE_BASIC_MAX_BYTES / 4 * 3 - 2)),
                                  &found);
    ok(reason == GATE_OK, "a Basic value of the largest size is read");
    reason = gate_credential_read(p, basic(repeated("a:", 'b', GATE_BASIC_MAX_BYTES / 4 * 3 - 1)),
                                  &found);
    ok(reason == GATE_MALFORMED_CREDENTIAL, "a larger Basic value is malformed");
}

static void test_is_token(void)
{
    ok(gate_bearer_is_token(GATE_SPAN("a.b-c")),
       "a token from elsewhere is judged by the same alphabet");
    ok(gate_bearer_is_token(GATE_SPAN("a=")), "'=' may end it");
    ok(!gate_bearer_is_token(GATE_SPAN("")), "empty text is no token");
    ok(!gate_bearer_is_token((gate_span){NULL, 0}), "absent text is no token");
    ok(!gate_bearer_is_token(GATE_SPAN("a\0b")), "text with a NUL is no token");
    ok(!gate_bearer_is_token(GATE_SPAN("a,b")), "text with a comma is no token");
    ok(gate_bearer_is_token(gate_span_of(repeated("", 'a', GATE_TOKEN_MAX_BYTES))),
       "the largest size counts");
    ok(!gate_bearer_is_token(gate_span_of(repeated("", 'a', GATE_TOKEN_MAX_BYTES + 1))),
       "one byte more does not");
}

static void test_challenges(void)
{
    const gate_challenge bare = {.realm = "gate", .reason = GATE_NO_CREDENTIAL, .max_age = -1};
    is(gate_bearer_challenge(p, &bare), "Bearer realm=\"gate\"",
       "who sent nothing is told of no error");

    gate_challenge challenge = bare;
    challenge.description = "hidden";
    challenge.scope = "read";
    challenge.resource_metadata = "https://api/.well-known/oauth-protected-resource";
    is(gate_bearer_challenge(p, &challenge),
       "Bearer realm=\"gate\", scope=\"read\", "
       "resource_metadata=\"https://api/.well-known/oauth-protected-resource\"",
       "... nor of a description, but of what to ask for and where");

    challenge = bare;
    challenge.reason = GATE_TOKEN_EXPIRED;
    challenge.description = "get a new one ~";
    is(gate_bearer_challenge(p, &challenge),
       "Bearer realm=\"gate\", error=\"invalid_token\", error_description=\"get a new one ~\"",
       "a bad token is an invalid_token");

    challenge = bare;
    challenge.reason = GATE_SCOPE_MISSING;
    challenge.scope = "read write";
    is(gate_bearer_challenge(p, &challenge),
       "Bearer realm=\"gate\", error=\"insufficient_scope\", scope=\"read write\"",
       "a missing scope is named in full");

    challenge = bare;
    challenge.reason = GATE_ACR_UNMET;
    challenge.acr_values = "phr";
    challenge.max_age = 0;
    is(gate_bearer_challenge(p, &challenge),
       "Bearer realm=\"gate\", error=\"insufficient_user_authentication\", acr_values=\"phr\", "
       "max_age=\"0\"",
       "step-up names acr and age");

    challenge = bare;
    challenge.reason = GATE_MALFORMED_CREDENTIAL;
    challenge.description = "a\"b\\c\r\nd\xc3\xa9"
                            "e\x7f";
    is(gate_bearer_challenge(p, &challenge),
       "Bearer realm=\"gate\", error=\"invalid_request\", error_description=\"abcde\"",
       "what no quoted-string may hold is left out");

    challenge = bare;
    challenge.realm = "a\", error=\"b";
    is(gate_bearer_challenge(p, &challenge), "Bearer realm=\"a, error=b\"",
       "a realm cannot add attributes");

    challenge = bare;
    challenge.reason = GATE_IDP_TIMEOUT;
    challenge.description = "slow";
    is(gate_bearer_challenge(p, &challenge), "Bearer realm=\"gate\"",
       "a reason without an OAuth error sends none");

    is(gate_basic_challenge(p, "ga\"te"), "Basic realm=\"gate\", charset=\"UTF-8\"",
       "Basic names its charset");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_values();
    test_scheme_names();
    test_basic();
    test_limits();
    test_is_token();
    test_challenges();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
