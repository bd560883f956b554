/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "oidc/discovery.h"

#define ISSUER "https://id.example"

static apr_pool_t *p;

static const char *const members[GATE_ENDPOINT_COUNT] = {
    "authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "revocation_endpoint",
    "end_session_endpoint",
    "pushed_authorization_request_endpoint",
};

static gate_reason read_document(const char *text, bool allow_http, gate_metadata **metadata,
                                 const char **detail)
{
    gate_answer answer = {200, "application/json", -1, gate_span_of(text), 0};
    *metadata = NULL;
    return gate_metadata_read(p, &answer, ISSUER, allow_http, metadata, detail);
}

static void test_names(void)
{
    static const char *const names[] = {"authorization", "token",      "introspection", "userinfo",
                                        "jwks",          "revocation", "end_session",   "par"};
    gate_endpoint endpoint;
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        ok(gate_endpoint_find(names[i], &endpoint) && endpoint == (gate_endpoint)i, "%s is found",
           names[i]);
        is(gate_endpoint_name((gate_endpoint)i), names[i], "%s has its name", names[i]);
    }
    ok(!gate_endpoint_find("Token", &endpoint) && !gate_endpoint_find("", &endpoint) &&
           !gate_endpoint_find("token_endpoint", &endpoint),
       "other words are none");
}

static void test_address(void)
{
    is(gate_discovery_url(p, "https://id.example"),
       "https://id.example/.well-known/openid-configuration", "an issuer without a path");
    is(gate_discovery_url(p, "https://id.example/"),
       "https://id.example/.well-known/openid-configuration", "an issuer with a slash");
    is(gate_discovery_url(p, "https://id.example/realms/a"),
       "https://id.example/realms/a/.well-known/openid-configuration", "an issuer with a path");
    is(gate_discovery_url(p, "https://id.example/a/"),
       "https://id.example/a/.well-known/openid-configuration", "a path with a slash");
}

static void test_whole(void)
{
    gate_metadata *metadata;
    gate_reason reason = read_document(
        "{\"issuer\":\"" ISSUER "\","
        "\"authorization_endpoint\":\"https://id.example/a?x=1\",\"token_endpoint\":\"https://t\","
        "\"introspection_endpoint\":\"https://i\",\"userinfo_endpoint\":\"https://u\","
        "\"jwks_uri\":\"https://j\",\"revocation_endpoint\":\"https://r\","
        "\"end_session_endpoint\":\"https://e\","
        "\"pushed_authorization_request_endpoint\":\"https://p\","
        "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\",\"private_key_jwt\"],"
        "\"introspection_endpoint_auth_methods_supported\":[\"client_secret_basic\",\"none\"],"
        "\"revocation_endpoint_auth_methods_supported\":[],"
        "\"authorization_response_iss_parameter_supported\":true,"
        "\"require_pushed_authorization_requests\":true,"
        "\"other\":{\"member\":[1]}}",
        false, &metadata, NULL);
    static const char *const addresses[GATE_ENDPOINT_COUNT] = {"https://id.example/a?x=1",
                                                               "https://t",
                                                               "https://i",
                                                               "https://u",
                                                               "https://j",
                                                               "https://r",
                                                               "https://e",
                                                               "https://p"};
    if (!ok(reason == GATE_OK && metadata, "a whole document is read"))
        return;
    is(metadata->issuer, ISSUER, "the issuer");
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++)
        is(metadata->endpoints[i], addresses[i], "%s", members[i]);
    ok(metadata->token_auth ==
           (GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_POST) | GATE_CLIENT_AUTH_OTHERS),
       "methods at the token endpoint, one of them unknown");
    ok(metadata->introspection_auth == (GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_BASIC) |
                                        GATE_CLIENT_AUTH_BIT(GATE_CLIENT_AUTH_NONE)),
       "methods at the introspection endpoint");
    ok(!metadata->revocation_auth, "an empty list says nothing");
    ok(metadata->sends_issuer && metadata->requires_par, "both flags");
}

static void test_little(void)
{
    static const char *const documents[] = {
        "{\"issuer\":\"" ISSUER "\"}",
        "{\"issuer\":\"" ISSUER "\",\"token_endpoint\":null,"
        "\"token_endpoint_auth_methods_supported\":null,"
        "\"authorization_response_iss_parameter_supported\":null}",
        "{\"issuer\":\"" ISSUER "\",\"authorization_response_iss_parameter_supported\":false,"
        "\"require_pushed_authorization_requests\":false}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        gate_metadata *metadata;
        gate_reason reason = read_document(documents[i], false, &metadata, NULL);
        ok(reason == GATE_OK && !metadata->endpoints[GATE_ENDPOINT_TOKEN] &&
               !metadata->token_auth && !metadata->sends_issuer && !metadata->requires_par,
           "what is not said is absent: %s", documents[i]);
    }
}

static const struct {
    const char *document;
    gate_reason reason;
    const char *name;
} documents[] = {
    {"", GATE_IDP_ERROR, "an empty body"},
    {"<html>", GATE_IDP_ERROR, "a page"},
    {"[]", GATE_IDP_ERROR, "a list"},
    {"{\"issuer\":\"" ISSUER "\"", GATE_IDP_ERROR, "half a document"},
    {"{\"issuer\":\"" ISSUER "\",\"issuer\":\"" ISSUER "\"}", GATE_IDP_ERROR, "two issuers"},
    {"{\"issuer\":1}", GATE_IDP_ERROR, "a number as issuer"},
    {"{\"issuer\":[\"" ISSUER "\"]}", GATE_IDP_ERROR, "a list as issuer"},
    {"{}", GATE_IDP_UNSUITABLE, "no issuer"},
    {"{\"issuer\":null}", GATE_IDP_UNSUITABLE, "a null issuer"},
    {"{\"issuer\":\"https://evil.example\"}", GATE_IDP_UNSUITABLE, "another issuer"},
    {"{\"issuer\":\"" ISSUER "/\"}", GATE_IDP_UNSUITABLE, "a slash more"},
    {"{\"issuer\":\"https://ID.example\"}", GATE_IDP_UNSUITABLE, "another case"},
    {"{\"issuer\":\"" ISSUER ":443\"}", GATE_IDP_UNSUITABLE, "a port more"},
    {"{\"issuer\":\"\"}", GATE_IDP_UNSUITABLE, "an empty issuer"},
    {"{\"issuer\":\"" ISSUER "\",\"token_endpoint_auth_methods_supported\":\"none\"}",
     GATE_IDP_ERROR, "a text as list of methods"},
    {"{\"issuer\":\"" ISSUER "\",\"token_endpoint_auth_methods_supported\":[1]}", GATE_IDP_ERROR,
     "a number as method"},
    {"{\"issuer\":\"" ISSUER "\",\"revocation_endpoint_auth_methods_supported\":{}}",
     GATE_IDP_ERROR, "an object as list of methods"},
    {"{\"issuer\":\"" ISSUER "\",\"introspection_endpoint_auth_methods_supported\":true}",
     GATE_IDP_ERROR, "a flag as list of methods"},
    {"{\"issuer\":\"" ISSUER "\",\"authorization_response_iss_parameter_supported\":\"true\"}",
     GATE_IDP_ERROR, "a text as flag"},
    {"{\"issuer\":\"" ISSUER "\",\"require_pushed_authorization_requests\":1}", GATE_IDP_ERROR,
     "a number as flag"},
};

static void test_documents(void)
{
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        gate_metadata *metadata;
        const char *detail = NULL;
        gate_reason reason = read_document(documents[i].document, false, &metadata, &detail);
        is(gate_reason_name(reason), gate_reason_name(documents[i].reason), "%s",
           documents[i].name);
        ok(!metadata && detail && *detail, "... and why: %s", detail);
        ok(read_document(documents[i].document, false, &metadata, NULL) == reason,
           "... which nobody need ask");
    }
}

/* Each of them at each endpoint. */
static const struct {
    const char *value;
    gate_reason strict, with_http;
} addresses[] = {
    {"\"https://id.example/x\"", GATE_OK, GATE_OK},
    {"\"https://other.example:8443/x?y=z\"", GATE_OK, GATE_OK},
    {"\"http://id.example/x\"", GATE_IDP_UNSUITABLE, GATE_OK},
    {"\"\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"/x\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"//id.example/x\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"ftp://id.example/x\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"file:///etc/passwd\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"https://user@id.example/x\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"https://id.example/x#y\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"https://id.example/x\\r\\nHost: y\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"\"https://\"", GATE_IDP_UNSUITABLE, GATE_IDP_UNSUITABLE},
    {"7", GATE_IDP_ERROR, GATE_IDP_ERROR},
    {"[\"https://id.example/x\"]", GATE_IDP_ERROR, GATE_IDP_ERROR},
};

static void test_endpoints(void)
{
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        for (int e = 0; e < GATE_ENDPOINT_COUNT; e++) {
            gate_metadata *metadata;
            const char *detail = NULL;
            const char *text = apr_pstrcat(p, "{\"issuer\":\"" ISSUER "\",\"", members[e],
                                           "\":", addresses[i].value, "}", NULL);
            gate_reason strict = read_document(text, false, &metadata, &detail);
            gate_reason with_http = read_document(text, true, &metadata, NULL);
            ok(strict == addresses[i].strict && with_http == addresses[i].with_http, "%s %s is %s",
               members[e], addresses[i].value, gate_reason_name(strict));
            ok(strict == GATE_OK || strstr(detail, members[e]), "... and the detail names it");
        }
}

static char *padded(const char *front, size_t count, const char *back)
{
    size_t len = strlen(front);
    char *text = apr_palloc(p, len + count + strlen(back) + 1);
    memcpy(text, front, len);
    memset(text + len, 'a', count);
    memcpy(text + len + count, back, strlen(back) + 1);
    return text;
}

static void test_limits(void)
{
    static const char front[] = "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://id/";
    static const char note[] = "{\"issuer\":\"" ISSUER "\",\"x\":\"";
    size_t rest = strlen("https://id/");
    gate_metadata *metadata;
    ok(read_document(padded(front, 2048 - rest, "\"}"), false, &metadata, NULL) == GATE_OK,
       "an address of 2,048 bytes is read");
    ok(read_document(padded(front, 2049 - rest, "\"}"), false, &metadata, NULL) ==
           GATE_IDP_UNSUITABLE,
       "one byte more is none");
    rest = strlen(note) + 2;
    ok(read_document(padded(note, GATE_METADATA_MAX_BYTES - rest, "\"}"), false, &metadata, NULL) ==
           GATE_OK,
       "a document of 256 KiB is read");
    ok(read_document(padded(note, GATE_METADATA_MAX_BYTES - rest + 1, "\"}"), false, &metadata,
                     NULL) == GATE_IDP_ERROR,
       "one byte more is none");
}

static void test_method_count(void)
{
    static const char front[] =
        "{\"issuer\":\"" ISSUER "\",\"token_endpoint_auth_methods_supported\":[";
    gate_metadata *metadata;
    const char *methods = "\"a\"";
    for (int i = 1; i < 64; i++)
        methods = apr_pstrcat(p, methods, ",\"a\"", NULL);
    const char *text = apr_pstrcat(p, front, methods, "]}", NULL);
    ok(read_document(text, false, &metadata, NULL) == GATE_OK, "64 methods are read");
    text = apr_pstrcat(p, front, methods, ",\"a\"]}", NULL);
    ok(read_document(text, false, &metadata, NULL) == GATE_IDP_ERROR, "65 are none");
}

static void test_statuses(void)
{
    static const int statuses[] = {201, 204, 301, 302, 400, 401, 403, 404, 429, 500, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        gate_metadata *metadata = NULL;
        const char *detail = NULL;
        gate_answer answer = {statuses[i], "application/json", -1,
                              GATE_SPAN("{\"issuer\":\"" ISSUER "\"}"), 0};
        ok(gate_metadata_read(p, &answer, ISSUER, false, &metadata, &detail) == GATE_IDP_ERROR &&
               !metadata,
           "a document with status %d is none", statuses[i]);
        is(detail, apr_psprintf(p, "status %d", statuses[i]), "... and the detail says so");
    }
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_names();
    test_address();
    test_whole();
    test_little();
    test_documents();
    test_endpoints();
    test_limits();
    test_method_count();
    test_statuses();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
