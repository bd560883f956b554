/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/userinfo.h"

static apr_pool_t *p;

static void test_question(void)
{
    gate_question question =
        gate_userinfo_ask(p, "https://id.example/userinfo", GATE_SPAN("a.b-c"));
    is(question.url, "https://id.example/userinfo", "the token is not in the address");
    is(question.authorization, "Bearer a.b-c", "it is in the header");
    is(question.accept, "application/json", "JSON is asked for");
    ok(!question.form, "it is a GET");
}

static const struct {
    int status;
    const char *type, *body;
    gate_reason reason;
    const char *name;
} answers[] = {
    {200, "application/json", "{\"sub\":\"alice\",\"email\":\"a@b\"}", GATE_OK, "the same subject"},
    {200, "", "{\"sub\":\"alice\"}", GATE_OK, "an answer without a type"},
    {200, "application/json", "{\"sub\":\"mallory\"}", GATE_SUBJECT_MISMATCH, "another subject"},
    {200, "application/json", "{\"sub\":\"Alice\"}", GATE_SUBJECT_MISMATCH, "another case"},
    {200, "application/json", "{\"sub\":\"alic\"}", GATE_SUBJECT_MISMATCH, "a part of the subject"},
    {200, "application/json", "{\"sub\":\"\"}", GATE_SUBJECT_MISMATCH, "an empty subject"},
    {200, "application/json", "{\"sub\":1}", GATE_SUBJECT_MISMATCH, "a number as subject"},
    {200, "application/json", "{\"sub\":null}", GATE_SUBJECT_MISMATCH, "a null subject"},
    {200, "application/json", "{\"sub\":[\"alice\"]}", GATE_SUBJECT_MISMATCH, "a list as subject"},
    {200, "application/json", "{}", GATE_SUBJECT_MISMATCH, "no subject"},
    {200, "application/json", "{\"sub\":\"mallory\",\"sub\":\"alice\"}", GATE_IDP_ERROR,
     "two subjects"},
    {200, "application/json", "{\"sub\":\"alice\\u0000\"}", GATE_IDP_ERROR, "a NUL"},
    {200, "application/json", "", GATE_IDP_ERROR, "an empty body"},
    {200, "text/html", "<html>", GATE_IDP_ERROR, "a page"},
    {200, "application/json", "[{\"sub\":\"alice\"}]", GATE_IDP_ERROR, "a list"},
    {200, "application/json", "\"alice\"", GATE_IDP_ERROR, "a text"},
    {200, "application/jwt", "eyJhbGciOiJSUzI1NiJ9.e30.AA", GATE_IDP_ERROR, "a signed answer"},
    {200, "application/jwt", "{\"sub\":\"alice\"}", GATE_IDP_ERROR, "what says that it is signed"},
    {201, "application/json", "{\"sub\":\"alice\"}", GATE_IDP_ERROR, "201"},
    {302, "application/json", "{\"sub\":\"alice\"}", GATE_IDP_ERROR, "a redirect"},
    {401, "application/json", "{\"sub\":\"alice\"}", GATE_IDP_REJECTED_GATEWAY, "401"},
    {403, "", "", GATE_IDP_REJECTED_GATEWAY, "403"},
    {400, "", "", GATE_IDP_ERROR, "400"},
    {404, "", "", GATE_IDP_ERROR, "404"},
    {429, "", "", GATE_IDP_ERROR, "429"},
    {500, "application/json", "{\"sub\":\"alice\"}", GATE_IDP_ERROR, "500"},
    {503, "", "", GATE_IDP_ERROR, "503"},
};

static void test_answers(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const json_t *claims = NULL;
        const char *detail = NULL;
        gate_answer answer = {answers[i].status, answers[i].type, -1, gate_span_of(answers[i].body),
                              0};
        gate_reason reason = gate_userinfo_read(p, &answer, GATE_SPAN("alice"), &claims, &detail);
        is(gate_reason_name(reason), gate_reason_name(answers[i].reason), "%s", answers[i].name);
        ok(reason == GATE_OK ? claims != NULL : !claims && detail && *detail,
           "... with claims, or with why not: %s", detail ? detail : "-");
        ok(gate_userinfo_read(p, &answer, GATE_SPAN("alice"), &claims, NULL) == reason,
           "... which nobody need ask");
    }
}

static void test_no_subject(void)
{
    const json_t *claims = NULL;
    gate_answer without = {200, "application/json", -1, GATE_SPAN("{}"), 0};
    gate_answer empty = {200, "application/json", -1, GATE_SPAN("{\"sub\":\"\"}"), 0};
    ok(gate_userinfo_read(p, &without, (gate_span){NULL, 0}, &claims, NULL) ==
           GATE_SUBJECT_MISMATCH,
       "no subject is not the same as no subject");
    ok(gate_userinfo_read(p, &empty, GATE_SPAN(""), &claims, NULL) == GATE_SUBJECT_MISMATCH,
       "nor an empty one as an empty one");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_question();
    test_answers();
    test_no_subject();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
