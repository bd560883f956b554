/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/callback.h"

static apr_pool_t *p;

static const struct {
    const char *text;
    gate_reason reason;
    const char *name;
} callbacks[] = {
    {"state=s&code=c", GATE_OK, "state and code are an answer"},
    {"code=c&state=s&iss=https%3A%2F%2Fid.example", GATE_OK, "so they are with an issuer"},
    {"state=s&error=access_denied&error_description=no", GATE_OK, "state and error are an answer"},
    {"state=s&code=c&session_state=x&scope=openid", GATE_OK, "what is not known is passed over"},
    {"state=s&code=c&error=", GATE_OK, "an empty error is none"},
    {"", GATE_MALFORMED_REQUEST, "nothing is no answer"},
    {"code=c", GATE_MALFORMED_REQUEST, "a code without state is malformed"},
    {"error=access_denied", GATE_MALFORMED_REQUEST, "an error without state is malformed"},
    {"state=&code=c", GATE_MALFORMED_REQUEST, "an empty state is none"},
    {"state=s", GATE_MALFORMED_REQUEST, "neither code nor error is malformed"},
    {"state=s&code=", GATE_MALFORMED_REQUEST, "an empty code is none"},
    {"state=s&code=c&error=e", GATE_MALFORMED_REQUEST, "code and error at once are malformed"},
    {"state=s&code=c&code=c", GATE_MALFORMED_REQUEST, "a code that comes twice is malformed"},
    {"state=s&state=t&code=c", GATE_MALFORMED_REQUEST, "a state that comes twice is malformed"},
    {"state=s&code=c&iss=a&iss=b", GATE_MALFORMED_REQUEST, "an iss that comes twice is malformed"},
    {"state=s&error=e&error=e", GATE_MALFORMED_REQUEST, "an error that comes twice is malformed"},
    {"state=s&code=c&x=1&x=2", GATE_MALFORMED_REQUEST, "so is anything else that comes twice"},
    {"state=s&co%64e=c&code=c", GATE_MALFORMED_REQUEST, "a name is compared once it is decoded"},
    {"state=s&code=%0d%0a", GATE_MALFORMED_REQUEST, "a line end in the code is malformed"},
    {"state=%09s&code=c", GATE_MALFORMED_REQUEST, "a tab in the state is malformed"},
    {"state=s&code=c%00d", GATE_MALFORMED_REQUEST, "a NUL in the code is malformed"},
    {"state=s&code=c&iss=a%7f", GATE_MALFORMED_REQUEST, "a DEL in iss is malformed"},
    {"state=s&error=e&error_description=a%0ab", GATE_MALFORMED_REQUEST,
     "a line end in the description is malformed"},
    {"state=s&code=%zz", GATE_MALFORMED_REQUEST, "a broken escape is malformed"},
    {"state=s&error=a%22b", GATE_MALFORMED_REQUEST, "a quote in an error code is malformed"},
    {"state=s&error=a%5cb", GATE_MALFORMED_REQUEST, "a backslash in an error code is malformed"},
    {"state=s&error=a%20b%21~%5d", GATE_OK, "an error code has blanks and signs"},
    {"state=s&error=%c3%a9", GATE_MALFORMED_REQUEST, "an error code is ASCII"},
    {"state=s&error=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     GATE_MALFORMED_REQUEST, "an error code of 65 characters is malformed"},
    {"state=s&error=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", GATE_OK,
     "one of 64 is read"},
};

static void test_reading(void)
{
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        gate_callback found;
        gate_reason reason = gate_callback_read(p, gate_span_of(callbacks[i].text), &found);
        is(gate_reason_name(reason), gate_reason_name(callbacks[i].reason), "%s",
           callbacks[i].name);
    }
}

static void test_members(void)
{
    gate_callback found;
    gate_callback_read(p, GATE_SPAN("state=a+b&code=c%2Bd&iss=https://id"), &found);
    ok(gate_span_is(found.state, "a b"), "state is decoded");
    ok(gate_span_is(found.code, "c+d"), "code is decoded");
    ok(gate_span_is(found.issuer, "https://id"), "iss is there");
    ok(!found.error.ptr && !found.error_description.ptr, "error is absent");
    gate_callback_read(p, GATE_SPAN("state=s&error=e&error_description=so%20it%20is"), &found);
    ok(gate_span_is(found.error, "e") && gate_span_is(found.error_description, "so it is"),
       "error and description are there");
    ok(!found.code.ptr && !found.issuer.ptr, "code and iss are absent");
}

static const char *padded(const char *front, size_t count)
{
    char *tail = apr_palloc(p, count + 1);
    memset(tail, 'a', count);
    tail[count] = '\0';
    return apr_pstrcat(p, front, tail, NULL);
}

static void test_limits(void)
{
    gate_callback found;
    const char *text = padded("state=s&code=", 4096);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_OK, "a code of 4 KiB is read");
    text = padded("state=s&code=", 4097);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_MALFORMED_REQUEST,
       "one byte more is malformed");
    text = padded("code=c&state=", GATE_CALLBACK_MAX_BYTES - 13);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_OK, "a query of 8 KiB is read");
    text = padded("code=c&state=", GATE_CALLBACK_MAX_BYTES - 12);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_MALFORMED_REQUEST,
       "one byte more is malformed");
    text = "state=s&code=c";
    for (int i = 0; i < 30; i++)
        text = apr_psprintf(p, "%s&x%d=1", text, i);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_OK, "32 parameters are read");
    text = apr_psprintf(p, "%s&more=1", text);
    ok(gate_callback_read(p, gate_span_of(text), &found) == GATE_MALFORMED_REQUEST,
       "33 are malformed");
}

static void test_issuer(void)
{
    static const struct {
        const char *query;
        bool sends_issuer;
        gate_reason reason;
        const char *name;
    } cases[] = {
        {"", false, GATE_OK, "no iss is fine where none is promised"},
        {"", true, GATE_ISSUER_MIXUP, "no iss is a mix-up where it is promised"},
        {"&iss=", true, GATE_ISSUER_MIXUP, "an empty iss is none"},
        {"&iss=https://id.example", true, GATE_OK, "the right iss is fine"},
        {"&iss=https://id.example", false, GATE_OK, "the right iss is fine where none is promised"},
        {"&iss=https://evil.example", true, GATE_ISSUER_MIXUP, "another iss is a mix-up"},
        {"&iss=https://evil.example", false, GATE_ISSUER_MIXUP, "... promised or not"},
        {"&iss=https://id.example/", true, GATE_ISSUER_MIXUP, "a slash more is another issuer"},
        {"&iss=HTTPS://id.example", true, GATE_ISSUER_MIXUP, "nothing is normalised"},
        {"&iss=https://id.exampl", true, GATE_ISSUER_MIXUP, "a prefix is another issuer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_callback found;
        const char *kinds[] = {"state=s&code=c", "state=s&error=server_error"};
        for (int k = 0; k < 2; k++) {
            const char *text = apr_pstrcat(p, kinds[k], cases[i].query, NULL);
            gate_callback_read(p, gate_span_of(text), &found);
            gate_reason reason =
                gate_callback_check_issuer(&found, "https://id.example", cases[i].sends_issuer);
            is(gate_reason_name(reason), gate_reason_name(cases[i].reason), "%s (%s)",
               cases[i].name, k ? "error" : "code");
        }
    }
}

static void test_errors(void)
{
    static const struct {
        const char *code;
        gate_reason reason;
    } cases[] = {
        {"access_denied", GATE_LOGIN_DENIED},
        {"unmet_authentication_requirements", GATE_ACR_UNMET},
        {"login_required", GATE_LOGIN_REQUIRED},
        {"interaction_required", GATE_LOGIN_REQUIRED},
        {"consent_required", GATE_LOGIN_REQUIRED},
        {"account_selection_required", GATE_LOGIN_REQUIRED},
        {"server_error", GATE_IDP_ERROR},
        {"temporarily_unavailable", GATE_IDP_ERROR},
        {"invalid_request", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_scope", GATE_IDP_REJECTED_GATEWAY},
        {"unauthorized_client", GATE_IDP_REJECTED_GATEWAY},
        {"unsupported_response_type", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_target", GATE_IDP_REJECTED_GATEWAY},
        {"registration_not_supported", GATE_IDP_REJECTED_GATEWAY},
        {"Access_Denied", GATE_IDP_REJECTED_GATEWAY},
        {"access_denied2", GATE_IDP_REJECTED_GATEWAY},
        {"access", GATE_IDP_REJECTED_GATEWAY},
        {"something_new", GATE_IDP_REJECTED_GATEWAY},
    };
    /* From there on they are no registered codes. */
    const char *first_unknown = "Access_Denied";
    bool is_known = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *registered = "left as it was";
        is(gate_reason_name(gate_callback_error(gate_span_of(cases[i].code), &registered)),
           gate_reason_name(cases[i].reason), "error %s is %s", cases[i].code,
           gate_reason_name(cases[i].reason));
        is_known = is_known && strcmp(cases[i].code, first_unknown);
        if (is_known)
            is(registered, cases[i].code, "and may be shown");
        else
            ok(!registered, "and is not for showing");
    }
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_reading();
    test_members();
    test_limits();
    test_issuer();
    test_errors();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
