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
    static const char *const domains[] = {"a", "t", "i", "u", "j", "r", "e", "p",
                                          "other.example", NULL};
    const gate_metadata_want want = {ISSUER, allow_http, domains};
    gate_answer answer = {200, "application/json", -1, gate_span_of(text), 0};
    *metadata = NULL;
    return gate_metadata_read(p, &answer, &want, metadata, detail);
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

static const struct {
    const char *issuer, *places[3];
} addresses_of[] = {
    {"https://id.example",
     {"https://id.example/.well-known/openid-configuration",
      "https://id.example/.well-known/oauth-authorization-server"}},
    {"https://id.example/",
     {"https://id.example/.well-known/openid-configuration",
      "https://id.example/.well-known/oauth-authorization-server"}},
    {"https://id.example:8443/realms/a",
     {"https://id.example:8443/realms/a/.well-known/openid-configuration",
      "https://id.example:8443/.well-known/oauth-authorization-server/realms/a",
      "https://id.example:8443/.well-known/openid-configuration/realms/a"}},
    {"https://id.example/a/",
     {"https://id.example/a/.well-known/openid-configuration",
      "https://id.example/.well-known/oauth-authorization-server/a",
      "https://id.example/.well-known/openid-configuration/a"}},
};

static void test_address(void)
{
    for (size_t i = 0; i < sizeof addresses_of / sizeof *addresses_of; i++)
        for (int place = 0; place < 4; place++) {
            const char *url = gate_discovery_url(p, addresses_of[i].issuer, place);
            const char *wanted = place < 3 ? addresses_of[i].places[place] : NULL;
            if (wanted)
                is(url, wanted, "%s, place %d", addresses_of[i].issuer, place);
            else
                ok(!url, "%s has no place %d", addresses_of[i].issuer, place);
        }
}

static void test_goes_on(void)
{
    static const struct {
        int status;
        bool goes_on;
    } answers[] = {{200, false}, {204, false}, {302, false}, {400, true},  {401, true},
                   {403, true},  {404, true},  {410, true},  {408, false}, {429, false},
                   {500, false}, {503, false}};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const gate_answer answer = {.status = answers[i].status};
        ok(gate_discovery_goes_on(&answer) == answers[i].goes_on, "%d: %s", answers[i].status,
           answers[i].goes_on ? "look elsewhere" : "that is the answer");
    }
}

/* Whose host an endpoint may be on. */
static const struct {
    const char *issuer, *domains[3], *endpoint;
    bool taken;
} hosts[] = {
    {"https://id.example.com", {NULL}, "https://id.example.com/token", true},
    {"https://id.example.com/realm", {NULL}, "https://ID.EXAMPLE.COM:8443/token", true},
    {"https://id.example.com", {NULL}, "https://eu.id.example.com/token", true},
    {"https://example.com", {NULL}, "https://id.example.com/token", true},
    {"https://id.example.com", {NULL}, "https://api.example.com/token", false},
    {"https://id.example.com", {NULL}, "https://example.com/token", false},
    {"https://id.example.com", {NULL}, "https://evil.example/token", false},
    {"https://id.example.com", {NULL}, "https://evilid.example.com/token", false},
    {"https://id.example.com", {NULL}, "https://id.example.com.evil.example/token", false},
    {"https://a.github.io", {NULL}, "https://b.github.io/token", false},
    {"https://example.co.uk", {NULL}, "https://evil.co.uk/token", false},
    {"https://id.example.com", {"example.com"}, "https://api.example.com/token", true},
    {"https://id.example.com", {"x.example", "Example.COM"}, "https://example.com/token", true},
    {"https://id.example.com", {"example.com"}, "https://badexample.com/token", false},
    {"https://accounts.google.com", {"googleapis.com"}, "https://oauth2.googleapis.com/t", true},
    {"https://10.0.0.1", {NULL}, "https://10.0.0.1:444/token", true},
    {"https://10.0.0.1", {NULL}, "https://evil.10.0.0.1/token", false},
    {"https://10.0.0.1", {NULL}, "https://10.0.0.2/token", false},
    {"https://[2001:db8::1]", {NULL}, "https://[2001:db8::1]/token", true},
    {"https://[2001:db8::1]", {NULL}, "https://[2001:db8::2]/token", false},
    {"https://127.0.0.1:8443", {NULL}, "https://localhost:9000/token", true},
    {"https://localhost", {NULL}, "https://id.example.com/token", false},
    {"https://id.example.com", {NULL}, "https://127.0.0.1/token", false},
};

static void test_hosts(void)
{
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const gate_metadata_want want = {hosts[i].issuer, false, hosts[i].domains};
        const char *text = apr_psprintf(p, "{\"issuer\":\"%s\",\"token_endpoint\":\"%s\"}",
                                        hosts[i].issuer, hosts[i].endpoint);
        gate_answer answer = {200, "application/json", -1, gate_span_of(text), 0};
        gate_metadata *metadata = NULL;
        if (!ok(gate_metadata_read(p, &answer, &want, &metadata, NULL) == GATE_OK, "%s is read",
                hosts[i].issuer))
            continue;
        is(hosts[i].taken ? metadata->endpoints[GATE_ENDPOINT_TOKEN]
                          : metadata->elsewhere[GATE_ENDPOINT_TOKEN],
           hosts[i].endpoint, "%s %s %s's", hosts[i].endpoint, hosts[i].taken ? "is" : "is not",
           hosts[i].issuer);
        ok(!(hosts[i].taken ? metadata->elsewhere
                            : metadata->endpoints)[GATE_ENDPOINT_TOKEN],
           "... and nothing else");
    }
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
        const gate_metadata_want want = {.issuer = ISSUER};
        ok(gate_metadata_read(p, &answer, &want, &metadata, &detail) == GATE_IDP_ERROR &&
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
    test_goes_on();
    test_hosts();
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
