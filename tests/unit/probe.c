/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/probe.h"

#include "gate/provider.h"
#include "world.h"

static apr_array_header_t *findings;

static void probe(void)
{
    findings = gate_probe(the.pool, &the.gate, &the.app);
}

/* What was found of it; NULL: nothing. */
static const gate_finding *found(const char *what)
{
    for (int i = 0; i < findings->nelts; i++) {
        const gate_finding *finding = &APR_ARRAY_IDX(findings, i, gate_finding);

        if (!strcmp(finding->what, what))
            return finding;
    }
    return NULL;
}

static bool is_found(const char *what, gate_verdict verdict)
{
    const gate_finding *finding = found(what);

    if (finding && finding->verdict == verdict)
        return verdict == GATE_WORKS || finding->remedy;
    printf("# %s: %s\n", what, finding ? finding->text : "nothing");
    return false;
}

static void begin(unsigned methods)
{
    world_begin();
    the.app.methods = methods;
    op.metadata_more = ",\"code_challenge_methods_supported\":[\"plain\",\"S256\"],"
                       "\"id_token_signing_alg_values_supported\":[\"none\",\"ES256\"]";
}

#define CODE          (1u << GATE_METHOD_CODE)
#define BEARER        (1u << GATE_METHOD_BEARER)
#define INTROSPECTION (1u << GATE_METHOD_INTROSPECTION)
#define CLIENTS       (1u << GATE_METHOD_CLIENT_CREDENTIALS)

static void test_well(void)
{
    begin(CODE | INTROSPECTION);
    probe();
    ok(is_found("discovery", GATE_WORKS), "the metadata are read");
    ok(is_found("keys", GATE_WORKS), "so are the keys");
    ok(is_found("algorithms", GATE_WORKS), "an algorithm is common");
    is(found("algorithms")->text, "ES256", "which is said");
    ok(is_found("client authentication", GATE_WORKS), "the client is known");
    ok(is_found("introspection", GATE_WORKS), "at each endpoint");
    ok(is_found("PKCE", GATE_WORKS), "S256 is offered");
    ok(is_found("PAR", GATE_WORKS), "PAR is not, and not needed");
    ok(is_found("clocks", GATE_DOUBTFUL), "the time is not said");
    ok(op_calls() == 4, "one call each");
    ok(the.store.calls == 0, "and the store is not asked");
}

static void test_needs(void)
{
    begin(BEARER);
    probe();
    ok(found("keys") && !found("client authentication") && !found("PKCE"),
       "for JWTs the keys will do");
    begin(INTROSPECTION);
    probe();
    ok(!found("keys") && found("introspection"), "for introspection no key is needed");
    begin(CLIENTS);
    probe();
    ok(is_found("client credentials", GATE_DOUBTFUL), "a grant that is not listed is doubtful");
    op.metadata_more = ",\"grant_types_supported\":[\"client_credentials\"]";
    probe();
    ok(is_found("client credentials", GATE_WORKS), "one that is listed is not");
    ok(op.at[OP_TOKEN].calls == 0, "callers' secrets are not tried");
}

static void test_client(void)
{
    static const struct {
        int status;
        const char *body;
        gate_verdict token, introspection;
    } rows[] = {
        {401, "{\"error\":\"invalid_client\"}", GATE_FAILS, GATE_FAILS},
        {401, "", GATE_FAILS, GATE_FAILS},
        {400, "{\"error\":\"unauthorized_client\"}", GATE_FAILS, GATE_FAILS},
        {400, "{\"error\":\"invalid_grant\"}", GATE_WORKS, GATE_FAILS},
        {400, "{\"error\":\"invalid_request\"}", GATE_DOUBTFUL, GATE_FAILS},
        {500, "", GATE_FAILS, GATE_FAILS},
        {200, "<html>", GATE_FAILS, GATE_FAILS},
        {200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"active\":true}", GATE_FAILS,
         GATE_FAILS},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(CODE | INTROSPECTION);
        op.at[OP_TOKEN].status = op.at[OP_INTROSPECTION].status = rows[i].status;
        op.at[OP_TOKEN].body = op.at[OP_INTROSPECTION].body = rows[i].body;
        probe();
        ok(is_found("client authentication", rows[i].token), "the token endpoint says %d %s",
           rows[i].status, rows[i].body);
        ok(is_found("introspection", rows[i].introspection), "the introspection endpoint too");
    }
}

static void test_provider(void)
{
    begin(CODE);
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    probe();
    ok(is_found("discovery", GATE_FAILS) && findings->nelts == 1, "without metadata all ends");
    begin(CODE);
    op.at[OP_JWKS].outage = GATE_IDP_TIMEOUT;
    probe();
    ok(is_found("keys", GATE_FAILS), "keys that do not come are missed");
    ok(is_found("client authentication", GATE_WORKS), "and all else is looked at");
    begin(CODE);
    op.at[OP_JWKS].status = 200;
    op.at[OP_JWKS].body = "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}";
    probe();
    ok(is_found("keys", GATE_FAILS), "keys that cannot be used are missed too");
    begin(CODE);
    op.metadata_more = ",\"code_challenge_methods_supported\":[\"plain\"],"
                       "\"id_token_signing_alg_values_supported\":[\"HS256\"]";
    probe();
    ok(is_found("PKCE", GATE_FAILS), "PKCE without S256 is none");
    ok(is_found("algorithms", GATE_FAILS), "algorithms that are not accepted are none");
    begin(CODE);
    op.metadata_more = "";
    probe();
    ok(is_found("PKCE", GATE_DOUBTFUL), "who does not speak of PKCE may have it");
    ok(!found("algorithms"), "and who does not speak of algorithms too");
}

static void test_wishes(void)
{
    begin(CODE);
    the.app.par = GATE_PAR_REQUIRED;
    probe();
    ok(is_found("PAR", GATE_FAILS), "PAR that is required and not offered");
    op.metadata_more = ",\"require_pushed_authorization_requests\":true,"
                       "\"pushed_authorization_request_endpoint\":\"" WORLD_ISSUER "/par\"";
    probe();
    ok(is_found("PAR", GATE_WORKS), "and offered");
    the.app.par = GATE_PAR_OFF;
    probe();
    ok(is_found("PAR", GATE_FAILS), "and wanted there, but off");
    op.metadata_more = ",\"response_modes_supported\":[\"query\"]";
    the.app.response_mode = GATE_RESPONSE_FORM_POST;
    probe();
    ok(is_found("response mode", GATE_FAILS), "a response mode that is not offered");
}

static void test_configured(void)
{
    gate_provider_options options = {
        .issuer = WORLD_ISSUER,
        .endpoints = {[GATE_ENDPOINT_TOKEN] = WORLD_ISSUER "/token"},
        .limits = {.total_ms = 5000},
    };

    begin(CODE);
    the.app.provider = gate_provider_make(the.pool, &options);
    probe();
    ok(op.at[OP_DISCOVERY].calls == 0, "with discovery off nobody is asked for metadata");
    ok(is_found("client authentication", GATE_WORKS), "endpoints are those that are configured");
    ok(is_found("keys", GATE_FAILS) && is_found("signing in", GATE_FAILS), "and no others");
}

/* The client's secret is in no finding, however the provider takes it up. */
static void test_secret(void)
{
    begin(CODE | INTROSPECTION);
    op.at[OP_TOKEN].status = op.at[OP_INTROSPECTION].status = 401;
    op.at[OP_TOKEN].body = op.at[OP_INTROSPECTION].body =
        "{\"error\":\"invalid_client\",\"error_description\":\"\\u001b[31m no\\nsuch client\"}";
    probe();
    for (int i = 0; i < findings->nelts; i++) {
        const gate_finding *finding = &APR_ARRAY_IDX(findings, i, gate_finding);

        ok(!strstr(finding->text, gate_span_dup(the.pool, the.app.client.secret)) &&
               !strpbrk(finding->text, "\x1b\n"),
           "%s: neither a secret nor a control character", finding->what);
    }
}

static void test_echo(void)
{
    const char *secret;

    begin(CODE);
    secret = gate_span_dup(the.pool, the.app.client.secret);
    op.at[OP_TOKEN].status = 401;
    op.at[OP_TOKEN].body =
        apr_pstrcat(the.pool, "{\"error\":\"invalid_client\",\"error_description\":\"not ", secret,
                    "!\"}", NULL);
    probe();
    ok(is_found("client authentication", GATE_FAILS), "a provider that says our secret back");
    ok(!strstr(found("client authentication")->text, secret), "is not repeated");
}

int main(void)
{
    test_well();
    test_needs();
    test_client();
    test_provider();
    test_wishes();
    test_configured();
    test_secret();
    test_echo();
    return tap_done();
}
