/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/par.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

static const struct {
    int status;
    const char *body;
    gate_reason reason;
    const char *name;
} rows[] = {
    {201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}", GATE_OK, "an answer"},
    {201, "{\"request_uri\":\"https://id/r?1\",\"expires_in\":1,\"x\":[]}", GATE_OK,
     "with more in it"},
    {200, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}", GATE_IDP_ERROR, "a 200"},
    {202, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}", GATE_IDP_ERROR, "a 202"},
    {302, "", GATE_IDP_ERROR, "a redirect"},
    {201, "", GATE_IDP_ERROR, "nothing"},
    {201, "[]", GATE_IDP_ERROR, "a list"},
    {201, "{\"expires_in\":60}", GATE_IDP_ERROR, "no request_uri"},
    {201, "{\"request_uri\":\"\",\"expires_in\":60}", GATE_IDP_ERROR, "an empty one"},
    {201, "{\"request_uri\":7,\"expires_in\":60}", GATE_IDP_ERROR, "a number"},
    {201, "{\"request_uri\":\"x\",\"expires_in\":60}", GATE_IDP_ERROR, "no address"},
    {201, "{\"request_uri\":\":x\",\"expires_in\":60}", GATE_IDP_ERROR, "one without a scheme"},
    {201, "{\"request_uri\":\"urn:x 1\",\"expires_in\":60}", GATE_IDP_ERROR, "a blank in it"},
    {201, "{\"request_uri\":\"urn:x\\u0000\",\"expires_in\":60}", GATE_IDP_ERROR, "a NUL in it"},
    {201, "{\"request_uri\":\"urn:\\u00e9\",\"expires_in\":60}", GATE_IDP_ERROR,
     "a letter of others"},
    {201, "{\"request_uri\":\"urn:x:1\",\"request_uri\":\"urn:x:2\",\"expires_in\":60}",
     GATE_IDP_ERROR, "two of them"},
    {201, "{\"request_uri\":\"urn:x:1\"}", GATE_IDP_ERROR, "no expires_in"},
    {201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":0}", GATE_IDP_ERROR, "none left"},
    {201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":-1}", GATE_IDP_ERROR, "less than none"},
    {201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":\"60\"}", GATE_IDP_ERROR, "a text"},
    {400, "{\"error\":\"invalid_request\"}", GATE_IDP_REJECTED_GATEWAY, "a refusal"},
    {401, "", GATE_IDP_REJECTED_GATEWAY, "a client that it does not know"},
    {403, "<html>", GATE_IDP_REJECTED_GATEWAY, "one that may not"},
    {413, "", GATE_IDP_REJECTED_GATEWAY, "too long a request"},
    {404, "", GATE_IDP_ERROR, "no such place"},
    {429, "", GATE_IDP_ERROR, "too many of them"},
    {500, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}", GATE_IDP_ERROR, "an accident"},
};

static apr_pool_t *p;

static gate_reason read_answer(int status, const char *body, const char **uri, const char **detail)
{
    const gate_answer answer = {.status = status, .body = gate_span_of(body)};

    *uri = *detail = NULL;
    return gate_par_read(p, &answer, uri, detail);
}

int main(void)
{
    const char *uri, *detail, *longest;

    apr_initialize();
    apr_pool_create(&p, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(read_answer(rows[i].status, rows[i].body, &uri, &detail) == rows[i].reason, "%s",
           rows[i].name);
        ok(!uri == (rows[i].reason != GATE_OK) && !detail == (rows[i].reason == GATE_OK),
           "and so it is said");
    }
    read_answer(201, "{\"request_uri\":\"urn:x:1\",\"expires_in\":60}", &uri, &detail);
    is(uri, "urn:x:1", "the request's name");
    read_answer(400, "{\"error\":\"invalid_scope\",\"error_description\":\"a\\nb\"}", &uri,
                &detail);
    ok(strstr(detail, "status 400") && strstr(detail, "invalid_scope") && !strchr(detail, '\n'),
       "the log is told why, in one line");
    longest = apr_psprintf(p, "{\"request_uri\":\"urn:%01020d\",\"expires_in\":60}", 0);
    ok(read_answer(201, longest, &uri, &detail) == GATE_OK, "1,024 characters are taken");
    longest = apr_psprintf(p, "{\"request_uri\":\"urn:%01021d\",\"expires_in\":60}", 0);
    ok(read_answer(201, longest, &uri, &detail) == GATE_IDP_ERROR, "and no more");
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
