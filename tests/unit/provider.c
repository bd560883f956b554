/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/provider.h"

#include "gate/breaker.h"
#include "jose/jwt.h"
#include "world.h"

/* --- questions that the stories ask --- */

static const char *ask_metadata(void)
{
    const gate_metadata *metadata = NULL;
    const char *detail = NULL;
    gate_reason reason = gate_provider_metadata(request_at("GET", "/", true), &the.gate,
                                                the.app.provider, &metadata, &detail);

    return reason == GATE_OK && metadata ? "ok" : gate_reason_name(reason);
}

static const char *ask_endpoint(gate_endpoint endpoint, const char **detail)
{
    const char *url = NULL;
    gate_reason reason = gate_provider_endpoint(request_at("GET", "/", true), &the.gate,
                                                the.app.provider, endpoint, &url, detail);

    return reason == GATE_OK ? url : gate_reason_name(reason);
}

static gate_jwt *jwt_of(const char *text)
{
    gate_jwt *jwt = NULL;

    sign_must(gate_jwt_read(the.pool, gate_span_of(text), GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK,
              text);
    return jwt;
}

static const char *verify(const char *text)
{
    const char *detail = NULL;

    return gate_reason_name(gate_provider_verify(request_at("GET", "/", true), &the.gate,
                                                 the.app.provider, jwt_of(text), &detail));
}

static const char *verify_offline(const char *text)
{
    return gate_reason_name(gate_provider_verify_offline(request_at("GET", "/", true), &the.gate,
                                                         the.app.provider, jwt_of(text)));
}

static const char *token(void)
{
    return op_jwt(WORLD_ISSUER, ",\"sub\":\"bob\",\"client_id\":\"c\"");
}

static void rotate(const char *kid)
{
    op.key = sign_make_key(the.pool, "P-256");
    op.kid = kid;
}

static void tend(void)
{
    gate_provider_tend(request_at("GET", "/", false), &the.gate, the.app.provider);
}

/* --- metadata --- */

static void test_once(void)
{
    const char *detail = NULL;
    int calls;

    world_begin();
    for (int i = 0; i < 10; i++)
        ask_metadata();
    ok(op.at[OP_DISCOVERY].calls == 1, "metadata is asked for once");
    calls = the.store.calls;
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), WORLD_ISSUER "/token",
       "endpoints are found in it");
    ok(the.store.calls == calls, "in memory, without the store");
    ok(the.provider_calls == 1, "and the call is counted for the log");
    world_new_process();
    is(ask_metadata(), "ok", "another process");
    ok(op.at[OP_DISCOVERY].calls == 1, "takes it out of the store");
}

static void test_slow_first_time(void)
{
    const gate_request *q;
    const gate_metadata *metadata;
    const char *detail;

    world_begin();
    op.at[OP_DISCOVERY].seconds = 3;
    q = request_at("GET", "/", true);
    for (int i = 0; i < 5; i++)
        gate_provider_metadata(q, &the.gate, the.app.provider, &metadata, &detail);
    ok(op.at[OP_DISCOVERY].calls == 1,
       "a request that had to wait for metadata does not ask for it again");
}

static void test_no_discovery(void)
{
    gate_provider_options options = {.issuer = WORLD_ISSUER, .limits = {.total_ms = 5000}};
    const char *detail = NULL;

    world_begin();
    options.endpoints[GATE_ENDPOINT_TOKEN] = WORLD_ISSUER "/other-token";
    the.app.provider = gate_provider_make(the.pool, &options);
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), WORLD_ISSUER "/other-token",
       "what is configured needs no discovery");
    is(ask_endpoint(GATE_ENDPOINT_JWKS, &detail), "idp_unsuitable",
       "and what is not configured is not there");
    ok(detail && strstr(detail, "OIDCGateEndpoint jwks URL"), "the log says how to name it");
    ok(op_calls() == 0, "nobody is asked");
    is(ask_metadata(), "ok", "and what is configured is all there is to know");
}

static void test_configured_wins(void)
{
    gate_provider_options options = {
        .issuer = WORLD_ISSUER, .discovery = true, .limits = {.total_ms = 5000}};
    const char *detail = NULL;
    const gate_metadata *metadata;

    world_begin();
    options.endpoints[GATE_ENDPOINT_TOKEN] = WORLD_ISSUER "/other-token";
    the.app.provider = gate_provider_make(the.pool, &options);
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), WORLD_ISSUER "/other-token",
       "a configured endpoint wins");
    ok(op_calls() == 0, "without looking for another");
    gate_provider_metadata(request_at("GET", "/", true), &the.gate, the.app.provider, &metadata,
                           &detail);
    is(metadata->endpoints[GATE_ENDPOINT_TOKEN], WORLD_ISSUER "/other-token",
       "and stands in the metadata too");
    is(metadata->endpoints[GATE_ENDPOINT_JWKS], WORLD_ISSUER "/jwks",
       "beside what the provider says");
}

/* A provider of that issuer, whose metadata stand at that path. */
static void world_at(const char *issuer, const char *path, const char *const *domains)
{
    const gate_provider_options options = {
        .issuer = issuer, .discovery = true, .domains = domains, .limits = {.total_ms = 5000}};

    world_begin();
    op.metadata_at = path;
    op.at[OP_DISCOVERY].status = 200;
    op.at[OP_DISCOVERY].body = apr_psprintf(
        the.pool,
        "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/authorize\",\"token_endpoint\":"
        "\"https://tokens.example/token\",\"jwks_uri\":\"%s/jwks\"}",
        issuer, issuer, issuer);
    the.app.provider = gate_provider_make(the.pool, &options);
}

static const char *const token_hosts[] = {"tokens.example", NULL};

static void test_places(void)
{
    static const struct {
        const char *issuer, *path;
        int before; /* questions in vain */
    } places[] = {
        {WORLD_ISSUER, "/.well-known/openid-configuration", 0},
        {WORLD_ISSUER, "/.well-known/oauth-authorization-server", 1},
        {WORLD_ISSUER "/a/b", "/a/b/.well-known/openid-configuration", 0},
        {WORLD_ISSUER "/a/b", "/.well-known/oauth-authorization-server/a/b", 1},
        {WORLD_ISSUER "/a/b", "/.well-known/openid-configuration/a/b", 2},
    };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        world_at(places[i].issuer, places[i].path, token_hosts);
        is(ask_metadata(), "ok", "%s", places[i].path);
        ok(op.at[OP_DISCOVERY].calls == 1 && op.nothing_there == places[i].before,
           "... after %d in vain", places[i].before);
    }
}

static void test_nowhere(void)
{
    const char *detail = NULL;

    world_at(WORLD_ISSUER "/a", "/somewhere/else", token_hosts);
    for (int i = 0; i < 20; i++)
        is(ask_endpoint(GATE_ENDPOINT_JWKS, &detail), "idp_error", "no metadata anywhere");
    ok(op.nothing_there == 3, "each place is asked once, however many want to know: %d",
       op.nothing_there);
    world_at(WORLD_ISSUER "/a", "/somewhere/else", token_hosts);
    ask_endpoint(GATE_ENDPOINT_JWKS, &detail);
    ok(strstr(detail, "status 404") && strstr(detail, WORLD_ISSUER "/a/.well-known/openid-conf") &&
           strstr(detail, WORLD_ISSUER "/.well-known/oauth-authorization-server/a") &&
           strstr(detail, WORLD_ISSUER "/.well-known/openid-configuration/a"),
       "and the log says where it was looked: %s", detail);
}

static void test_place_is_the_issuers(void)
{
    world_at(WORLD_ISSUER "/a", "/.well-known/oauth-authorization-server/a", token_hosts);
    op.at[OP_DISCOVERY].body = op_metadata(WORLD_ISSUER);
    is(ask_metadata(), "idp_unsuitable", "a document of another issuer is none, wherever it is");
    ok(op.nothing_there == 1, "and nobody looks on");
}

static void test_outage_is_no_place(void)
{
    world_at(WORLD_ISSUER "/a", "/a/.well-known/openid-configuration", token_hosts);
    op.at[OP_DISCOVERY].status = 503;
    ask_metadata();
    ok(op.nothing_there == 0, "who is out of order is not asked elsewhere");
    world_at(WORLD_ISSUER "/a", "/a/.well-known/openid-configuration", token_hosts);
    op.at[OP_DISCOVERY].status = 404;
    op.at[OP_DISCOVERY].seconds = 5;
    ask_metadata();
    ok(op.nothing_there == 0, "nor who takes all the time there is to say no");
}

static void test_other_hosts(void)
{
    gate_provider_options options = {
        .issuer = WORLD_ISSUER, .discovery = true, .limits = {.total_ms = 5000}};
    const char *detail = NULL;

    world_at(WORLD_ISSUER, NULL, NULL);
    is(ask_endpoint(GATE_ENDPOINT_JWKS, &detail), "idp_unsuitable",
       "a token endpoint on a host that nobody knows as the provider's");
    ok(strstr(detail, "https://tokens.example/token") && strstr(detail, "domain="),
       "the log says which, and what to do: %s", detail);
    world_at(WORLD_ISSUER, NULL, token_hosts);
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), "https://tokens.example/token",
       "one that the administrator knows");
    world_at(WORLD_ISSUER, NULL, NULL);
    options.endpoints[GATE_ENDPOINT_TOKEN] = "https://elsewhere.example/token";
    the.app.provider = gate_provider_make(the.pool, &options);
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), "https://elsewhere.example/token",
       "what is configured may be anywhere");
    is(ask_endpoint(GATE_ENDPOINT_JWKS, &detail), WORLD_ISSUER "/jwks",
       "and then the metadata are of use");
}

static void test_unneeded_on_another_host(void)
{
    const char *detail = NULL;

    world_begin();
    op.metadata_more = ",\"pushed_authorization_request_endpoint\":\"https://other.example/par\"";
    is(ask_endpoint(GATE_ENDPOINT_TOKEN, &detail), WORLD_ISSUER "/token",
       "an endpoint elsewhere that nobody needs is in nobody's way");
    is(ask_endpoint(GATE_ENDPOINT_PAR, &detail), "idp_unsuitable", "who needs it does not get it");
    ok(strstr(detail, "https://other.example/par"), "and learns why: %s", detail);
}

static void test_unsuitable(void)
{
    static const struct {
        const char *body, *reason, *name;
    } rows[] = {
        {"{\"issuer\":\"https://evil.example\"}", "idp_unsuitable", "of another issuer"},
        {"{\"issuer\":\"https://op.example/\"}", "idp_unsuitable",
         "of an issuer with a slash more"},
        {"{}", "idp_unsuitable", "without an issuer"},
        {"{\"issuer\":\"https://op.example\",\"token_endpoint\":\"http://op.example/token\"}",
         "idp_unsuitable", "with an endpoint that is not https"},
        {"<html>", "idp_error", "that is a page"},
        {"[]", "idp_error", "that is a list"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin();
        op.at[OP_DISCOVERY].status = 200;
        op.at[OP_DISCOVERY].body = rows[i].body;
        is(ask_metadata(), rows[i].reason, "a document %s is not taken", rows[i].name);
        is(ask_metadata(), rows[i].reason, "by the next one neither");
        ok(op.at[OP_DISCOVERY].calls == 1, "who does not ask again at once");
    }
}

static void test_incomplete(void)
{
    const char *detail = NULL;

    world_begin();
    op.at[OP_DISCOVERY].status = 200;
    op.at[OP_DISCOVERY].body = "{\"issuer\":\"" WORLD_ISSUER "\",\"jwks_uri\":\"" WORLD_ISSUER
                               "/jwks\",\"authorization_endpoint\":\"" WORLD_ISSUER "/a\"}";
    is(ask_endpoint(GATE_ENDPOINT_JWKS, &detail), "idp_unsuitable",
       "a document without what it must have is not taken");
    op.at[OP_DISCOVERY].status = 0;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(ask_metadata(), "ok", "but asked for again soon");
}

static fake_moment at_work, done;

static void note_at_work(void)
{
    fake_note(&the.store, &at_work);
}

static void leader_is_done(void)
{
    fake_return(&the.store, &done);
}

static void test_many_cold(void)
{
    int good = 0;

    world_begin();
    op.at[OP_DISCOVERY].during = note_at_work;
    ask_metadata();
    fake_note(&the.store, &done);
    for (int i = 0; i < 19; i++) {
        fake_return(&the.store, &at_work);
        world_new_process();
        the.meanwhile = leader_is_done;
        good += !strcmp(ask_metadata(), "ok");
    }
    ok(good == 19 && op.at[OP_DISCOVERY].calls == 1,
       "twenty processes that start at once ask once");
}

static void test_failure_is_remembered(void)
{
    world_begin();
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    for (int i = 0; i < 10; i++)
        is(ask_metadata(), "idp_unreachable", "a provider that is away is away");
    world_new_process();
    is(ask_metadata(), "idp_unreachable", "for other processes too");
    ok(op.at[OP_DISCOVERY].calls == 1, "at the cost of one call");
    op.at[OP_DISCOVERY].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS - 1);
    is(ask_metadata(), "idp_unreachable", "for five seconds");
    world_wait(1);
    is(ask_metadata(), "ok", "then it is asked again");
}

static void test_stale(void)
{
    world_begin();
    ask_metadata();
    world_wait(GATE_DOCUMENT_FRESH_SECONDS - 1);
    ask_metadata();
    ok(op.at[OP_DISCOVERY].calls == 1, "a document is good for an hour");
    world_wait(1);
    ask_metadata();
    ok(op.at[OP_DISCOVERY].calls == 2, "then it is asked for again");
    op.at[OP_DISCOVERY].outage = GATE_IDP_TIMEOUT;
    world_wait(GATE_DOCUMENT_FRESH_SECONDS);
    is(ask_metadata(), "ok", "where that fails the old one serves");
    is(ask_metadata(), "ok", "for all");
    ok(op.at[OP_DISCOVERY].calls == 3, "and one call is made");
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(ask_metadata(), "ok", "a little later too");
    ok(op.at[OP_DISCOVERY].calls == 4, "when it is tried once more");
    world_wait(GATE_DOCUMENT_STALE_SECONDS - GATE_DOCUMENT_FRESH_SECONDS -
               GATE_DOCUMENT_RETRY_SECONDS - 1);
    is(ask_metadata(), "ok", "up to a day");
    world_wait(1);
    is(ask_metadata(), "idp_timeout", "and no longer");
    world_new_process();
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(ask_metadata(), "idp_timeout", "nor out of the store");
    op.at[OP_DISCOVERY].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(ask_metadata(), "ok", "when it is back all is well");
}

static void test_news(void)
{
    const gate_metadata *metadata;
    const char *detail = NULL;

    world_begin();
    ask_metadata();
    world_wait(GATE_DOCUMENT_FRESH_SECONDS);
    op.metadata_more = ",\"authorization_response_iss_parameter_supported\":true";
    gate_provider_metadata(request_at("GET", "/", true), &the.gate, the.app.provider, &metadata,
                           &detail);
    ok(metadata->sends_issuer, "who asks again sees what has changed");
}

static void test_stale_for_a_new_process(void)
{
    world_begin();
    ask_metadata();
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    world_wait(GATE_DOCUMENT_STALE_SECONDS - 10);
    world_new_process();
    is(ask_metadata(), "ok",
       "a process that starts while the provider is away serves what the store has");
}

static void test_clock_goes_back(void)
{
    world_begin();
    ask_metadata();
    world_wait(-365 * 24 * 3600);
    ask_metadata();
    ok(op.at[OP_DISCOVERY].calls == 2, "a document from the far future is not fresh");
}

/* --- keys --- */

static void test_keys(void)
{
    world_begin();
    is(verify(token()), "ok", "a token is verified with the provider's keys");
    for (int i = 0; i < 20; i++)
        verify(token());
    ok(op.at[OP_JWKS].calls == 1, "which are asked for once");
    world_new_process();
    is(verify(token()), "ok", "another process");
    ok(op.at[OP_JWKS].calls == 1, "takes them out of the store");
}

static void test_rotation(void)
{
    const char *before;

    world_begin();
    before = token();
    verify(before);
    rotate("k2");
    is(verify(token()), "ok", "a token with a new key is verified");
    ok(op.at[OP_JWKS].calls == 2, "after one look for it");
    verify(token());
    ok(op.at[OP_JWKS].calls == 2, "which is not made again");
    is(verify(before), "unknown_kid", "the old key is gone");
    ok(op.at[OP_JWKS].calls == 2, "and nobody looks for it within a minute");
    world_wait(GATE_KEYS_REFETCH_SECONDS);
    rotate("k3");
    is(verify(token()), "ok", "a minute later it may be looked for again");
    ok(op.at[OP_JWKS].calls == 3, "once");
}

static void test_rotation_seen_elsewhere(void)
{
    gate_provider *first;

    world_begin();
    verify(token());
    verify(token());
    first = the.app.provider;
    rotate("k2");
    world_new_process();
    is(verify(token()), "ok", "one process has learnt the new key");
    the.app.provider = first;
    is(verify(token()), "ok", "and the other takes it from there");
    ok(op.at[OP_JWKS].calls == 2, "without asking the provider");
}

static void test_withdrawn(void)
{
    gate_provider *first;
    const char *before;

    world_begin();
    before = token();
    verify(before);
    verify(before);
    first = the.app.provider;
    rotate("k2");
    world_new_process();
    verify(token());
    the.app.provider = first;
    world_wait(GATE_DOCUMENT_LOOK_SECONDS);
    is(verify(before), "unknown_kid",
       "a key that was withdrawn is soon forgotten by all processes");
    ok(op.at[OP_JWKS].calls == 2, "without asking the provider");
    the.store.fail_at = the.store.calls + 1;
    the.store.fails_ever_after = true;
    world_wait(GATE_DOCUMENT_LOOK_SECONDS);
    is(verify(token()), "ok", "where the store cannot say, what is in memory serves");
}

static void test_rotation_without_kid(void)
{
    const char *header = "{\"alg\":\"ES256\"}";
    const char *claims = "{}";

    world_begin();
    verify(sign_jwt(the.pool, op.key, "ES256", header, claims));
    rotate("k2");
    is(verify(sign_jwt(the.pool, op.key, "ES256", header, claims)), "ok",
       "a token that names no key is tried with newer ones");
    ok(op.at[OP_JWKS].calls == 2, "after one look for them");
    is(verify(sign_jwt(the.pool, sign_make_key(the.pool, "P-256"), "ES256", header, claims)),
       "bad_signature", "if none fits, it is badly signed");
    ok(op.at[OP_JWKS].calls == 2, "and that makes nobody ask again");
}

static void test_flood(void)
{
    EVP_PKEY *foreign;
    int unknown = 0;

    world_begin();
    verify(token());
    foreign = sign_make_key(the.pool, "P-256");
    for (int i = 0; i < 100; i++) {
        const char *header = apr_psprintf(the.pool, "{\"alg\":\"ES256\",\"kid\":\"flood-%d\"}", i);

        if (i % 10 == 0)
            world_new_process();
        the.now_ms += 500;
        unknown +=
            !strcmp(verify(sign_jwt(the.pool, foreign, "ES256", header, "{}")), "unknown_kid");
    }
    ok(unknown == 100, "a hundred tokens with keys that do not exist are refused");
    ok(op.at[OP_JWKS].calls == 2, "at the cost of one call in a minute, over all processes");
    is(verify(token()), "ok", "and good tokens do not notice");
}

static void test_store_away_in_flood(void)
{
    world_begin();
    verify(token());
    the.store.fail_at = 1;
    the.store.fails_ever_after = true;
    rotate("k2");
    for (int i = 0; i < 10; i++)
        verify(token());
    ok(op.at[OP_JWKS].calls == 1,
       "where nobody can tell who asked last, nobody asks for newer keys");
    is(verify(token()), "unknown_kid", "and an unknown key is unknown");
}

/* Keys that are in the configuration: nobody is asked for others, whatever a token wants. */
static void test_given_keys(void)
{
    gate_provider_options options;
    gate_provider *fetched;

    world_begin();
    fetched = the.app.provider;
    options = *gate_provider_says(fetched);
    options.keys = op_jwks();
    the.app.provider = gate_provider_make(the.pool, &options);
    is(verify(token()), "ok", "a token that they fit is good");
    is(verify_offline(token()), "ok", "at a glance too");
    op.kid = "k2";
    is(verify(token()), "unknown_kid", "one of another key is not");
    ok(op_calls() == 0, "and nobody was asked");
    gate_provider_tend(request_at("GET", "/", false), &the.gate, the.app.provider);
    ok(op.at[OP_JWKS].calls == 0, "nor later on");
    options.keys = "{}";
    ok(!gate_provider_make(the.pool, &options), "what is no key set makes no provider");
}

static void test_unusable_key(void)
{
    const char *text, *detail = NULL;
    gate_reason reason;

    world_begin();
    op.at[OP_JWKS].status = 200;
    op.at[OP_JWKS].body = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k1\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}";
    text = token();
    reason = gate_provider_verify(request_at("GET", "/", true), &the.gate, the.app.provider,
                                  jwt_of(text), &detail);
    is(gate_reason_name(reason), "unknown_kid", "a key that is too weak is none");
    ok(detail && strstr(detail, "under 2,048"), "and the log says why: %s", detail);
}

static void test_keys_away(void)
{
    world_begin();
    op.at[OP_JWKS].outage = GATE_IDP_UNREACHABLE;
    is(verify(token()), "idp_unreachable", "without keys no token is judged");
    is(verify(token()), "idp_unreachable", "nor the next");
    ok(op.at[OP_JWKS].calls == 1, "for one call");
    is(verify_offline(token()), "unknown_kid", "who does not ask has no keys");
    op.at[OP_JWKS].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(verify(token()), "ok", "when they are back all is well");
    op.at[OP_JWKS].outage = GATE_IDP_TIMEOUT;
    world_wait(GATE_DOCUMENT_STALE_SECONDS - 1);
    is(verify(token()), "ok", "keys serve for a day while the provider is away");
}

static void test_offline(void)
{
    const int calls = 0;

    world_begin();
    is(verify_offline(token()), "unknown_kid", "keys that nobody asked for are not there");
    ok(op_calls() == calls, "and are not asked for");
    verify(token());
    world_new_process();
    is(verify_offline(token()), "ok", "keys in the store are");
    is(verify_offline(sign_jwt(the.pool, sign_make_key(the.pool, "P-256"), "ES256",
                               "{\"alg\":\"ES256\",\"kid\":\"k1\"}", "{}")),
       "bad_signature", "and show a bad signature");
    is(verify_offline(sign_jwt(the.pool, sign_make_key(the.pool, "P-256"), "ES256",
                               "{\"alg\":\"ES256\"}", "{}")),
       "unknown_kid", "unless the token names no key, and newer ones might fit");
}

/* --- documents in the store are the provider's own --- */

static void test_foreign_document(void)
{
    fake_record *documents[2];
    gate_span value;
    int count = 0;

    world_begin();
    verify(token());
    for (int i = 0; i < FAKE_RECORDS && count < 2; i++) {
        if (the.store.records[i].filed && the.store.records[i].record.value.len > 100)
            documents[count++] = &the.store.records[i];
    }
    value = documents[0]->record.value;
    documents[0]->record.value = documents[1]->record.value;
    documents[1]->record.value = value;
    world_new_process();
    is(verify(token()), "ok", "a document that was put in another's place is not read");
    ok(op.at[OP_DISCOVERY].calls == 2 && op.at[OP_JWKS].calls == 2, "but asked for");
}

static void test_two_providers(void)
{
    const char *detail = NULL, *url = NULL;

    world_begin();
    ask_metadata();
    gate_provider_endpoint(request_at("GET", "/", true), &the.gate, the.other.provider,
                           GATE_ENDPOINT_TOKEN, &url, &detail);
    is(url, OTHER_ISSUER "/token", "another provider has its own metadata");
    ok(op.at[OP_DISCOVERY].calls == 2, "asked for by itself");
}

static void test_store_fails(void)
{
    int good = 0, n = 0;

    do {
        world_begin();
        the.store.fail_at = ++n;
        good += !strcmp(verify(token()), "ok");
    } while (the.store.calls >= n && n < 50);
    ok(good > 1 && n < 50, "keys are had, or not, with the store silent at call 1 to %d: %d times",
       n, good);
    world_begin();
    the.store.is_full[GATE_STORE_DOCUMENT] = true;
    is(ask_metadata(), "store_unavailable", "without room for a lease nobody asks");
}

/* --- calls --- */

static void test_busy(void)
{
    gate_provider_options options = {
        .issuer = WORLD_ISSUER, .discovery = true, .limits = {.total_ms = 5000}, .inflight = 1};

    world_begin();
    the.app.provider = gate_provider_make(the.pool, &options);
    is(ask_metadata(), "ok", "one call at once may be made");
    is(verify(token()), "ok", "and then another");
}

static const char *inner;

static void ask_inside(void)
{
    inner = verify(token());
}

static void test_inflight(void)
{
    gate_provider_options options = {
        .issuer = WORLD_ISSUER, .discovery = true, .limits = {.total_ms = 5000}, .inflight = 1};

    world_begin();
    the.app.provider = gate_provider_make(the.pool, &options);
    ask_metadata();
    world_wait(GATE_DOCUMENT_FRESH_SECONDS);
    op.at[OP_DISCOVERY].during = ask_inside;
    ask_metadata();
    is(inner, "idp_busy", "while as many calls as may be are under way, another fails at once");
    is(verify(token()), "ok", "and does not a moment later");
}

static const char *ask_userinfo(void)
{
    const gate_question question = {.url = WORLD_ISSUER "/userinfo"};
    const char *detail = NULL;
    gate_answer answer;

    return gate_reason_name(gate_provider_ask(request_at("GET", "/", true), &the.gate,
                                              the.app.provider, GATE_ENDPOINT_USERINFO, &question,
                                              &answer, &detail));
}

static void test_breaker(void)
{
    world_begin();
    op.at[OP_USERINFO].outage = GATE_IDP_TIMEOUT;
    for (int i = 0; i < GATE_BREAKER_FAILURES; i++)
        is(ask_userinfo(), "idp_timeout", "failure %d", i + 1);
    is(ask_userinfo(), "idp_unreachable", "after five in a row the endpoint is left alone");
    ok(op.at[OP_USERINFO].calls == GATE_BREAKER_FAILURES, "at no cost");
    is(ask_metadata(), "ok", "others are not");
    world_wait(GATE_BREAKER_SECONDS);
    is(ask_userinfo(), "idp_timeout", "then one tries it");
    is(ask_userinfo(), "idp_unreachable", "and the others wait for what comes of that");
    world_wait(GATE_BREAKER_SECONDS);
    op.at[OP_USERINFO].outage = GATE_OK;
    is(ask_userinfo(), "ok", "when it is back it is asked");
    is(ask_userinfo(), "ok", "by all");
}

static const char *meanwhile;

static void ask_meanwhile(void)
{
    meanwhile = ask_userinfo();
}

static void test_breaker_lets_one_try(void)
{
    world_begin();
    op.at[OP_USERINFO].status = 500;
    for (int i = 0; i < GATE_BREAKER_FAILURES; i++)
        is(ask_userinfo(), "ok", "an answer of 500 is an answer");
    is(ask_userinfo(), "idp_unreachable", "but of the kind after which nobody asks");
    world_wait(GATE_BREAKER_SECONDS);
    op.at[OP_USERINFO].status = 0;
    op.at[OP_USERINFO].during = ask_meanwhile;
    is(ask_userinfo(), "ok", "while one tries it");
    is(meanwhile, "idp_unreachable", "the others do not");
}

static void test_breaker_counts_in_a_row(void)
{
    world_begin();
    for (int i = 0; i < 20; i++) {
        op.at[OP_USERINFO].outage = i % GATE_BREAKER_FAILURES ? GATE_IDP_TIMEOUT : GATE_OK;
        ask_userinfo();
    }
    ok(op.at[OP_USERINFO].calls == 20, "failures between successes stop nobody");
}

static void test_client_auth(void)
{
    static const struct {
        const char *metadata;
        bool has_secret, basic, post;
        const char *reason, *name;
    } rows[] = {
        {"", true, true, false, "ok", "nothing said: basic"},
        {",\"token_endpoint_auth_methods_supported\":[\"client_secret_post\",\"client_secret_"
         "basic\"]",
         true, true, false, "ok", "both: basic"},
        {",\"token_endpoint_auth_methods_supported\":[\"client_secret_post\"]", true, false, true,
         "ok", "post alone"},
        {",\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"]", true, false, false,
         "idp_unsuitable", "none that the gate has"},
        {",\"token_endpoint_auth_methods_supported\":[\"client_secret_basic\"]", false, false,
         false, "ok", "no secret"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = world_begin();
        gate_form *form = gate_form_make(the.pool);
        const char *detail = NULL, *text;
        gate_question question;
        gate_reason reason;

        op.metadata_more = rows[i].metadata;
        if (!rows[i].has_secret)
            s->client.secret = (gate_span){NULL, 0};
        reason = gate_provider_question(request_at("GET", "/", true), &the.gate, s,
                                        GATE_ENDPOINT_TOKEN, form, &question, &detail);
        text = gate_form_text(form);
        is(gate_reason_name(reason), rows[i].reason, "client authentication: %s", rows[i].name);
        ok(rows[i].basic == (question.authorization != NULL) &&
               rows[i].post == (strstr(text, "client_secret=") != NULL),
           "the secret stands where it should");
    }
}

static void test_client_auth_by_endpoint(void)
{
    static const gate_endpoint endpoints[] = {GATE_ENDPOINT_INTROSPECTION, GATE_ENDPOINT_REVOCATION,
                                              GATE_ENDPOINT_TOKEN};
    gate_settings *s = world_begin();

    op.metadata_more =
        ",\"introspection_endpoint_auth_methods_supported\":[\"client_secret_post\"],"
        "\"revocation_endpoint_auth_methods_supported\":[\"client_secret_post\"]";
    for (int i = 0; i < 3; i++) {
        gate_form *form = gate_form_make(the.pool);
        const char *detail = NULL;
        gate_question question;

        gate_provider_question(request_at("GET", "/", true), &the.gate, s, endpoints[i], form,
                               &question, &detail);
        ok((question.authorization != NULL) == (endpoints[i] == GATE_ENDPOINT_TOKEN),
           "each endpoint says for itself what it takes: %s", gate_endpoint_name(endpoints[i]));
    }
}

/* --- the watchdog --- */

static void test_tend(void)
{
    world_begin();
    tend();
    ok(op_calls() == 0, "what nobody uses is not asked for");
    verify(token());
    world_wait(GATE_DOCUMENT_FRESH_SECONDS * 4 / 5 - 1);
    tend();
    ok(op.at[OP_DISCOVERY].calls == 1 && op.at[OP_JWKS].calls == 1, "nor what is fresh");
    world_wait(1);
    tend();
    ok(op.at[OP_DISCOVERY].calls == 2 && op.at[OP_JWKS].calls == 2,
       "what grows old is asked for before anybody waits for it");
    world_wait(GATE_DOCUMENT_FRESH_SECONDS / 2);
    verify(token());
    ok(op.at[OP_DISCOVERY].calls == 2 && op.at[OP_JWKS].calls == 2, "and then is fresh for all");
    op.at[OP_JWKS].outage = GATE_IDP_UNREACHABLE;
    world_wait(GATE_DOCUMENT_FRESH_SECONDS);
    tend();
    is(verify(token()), "ok", "where it fails, nothing is lost");
}

static void test_tend_without_discovery(void)
{
    gate_provider_options options = {.issuer = WORLD_ISSUER, .limits = {.total_ms = 5000}};

    world_begin();
    options.endpoints[GATE_ENDPOINT_JWKS] = WORLD_ISSUER "/jwks";
    the.app.provider = gate_provider_make(the.pool, &options);
    verify(token());
    world_wait(GATE_DOCUMENT_FRESH_SECONDS * 4 / 5);
    tend();
    ok(op.at[OP_DISCOVERY].calls == 0 && op.at[OP_JWKS].calls == 2,
       "without discovery the keys alone are tended");
}

static void test_documents_are_freed(void)
{
    apr_pool_t *request;
    gate_request *q;
    const gate_metadata *metadata;
    const char *detail;

    world_begin();
    apr_pool_create(&request, the.pool);
    q = request_at("GET", "/", true);
    q->pool = request;
    gate_provider_metadata(q, &the.gate, the.app.provider, &metadata, &detail);
    world_wait(GATE_DOCUMENT_FRESH_SECONDS);
    ask_metadata();
    is(metadata->endpoints[GATE_ENDPOINT_TOKEN], WORLD_ISSUER "/token",
       "a document is there as long as the request that looks at it, also when a newer one has "
       "come");
    apr_pool_destroy(request);
    is(ask_metadata(), "ok", "and its end takes nothing from others");
}

/* --- what an administrator asks for --- */

static const char *refresh(int *fetched)
{
    const char *detail = NULL;

    return gate_reason_name(gate_provider_refresh(request_at("GET", "/", false), &the.gate,
                                                  the.app.provider, fetched, &detail));
}

static gate_provider_look look(void)
{
    return gate_provider_look_at(request_at("GET", "/", false), &the.gate, the.app.provider);
}

static void test_refresh(void)
{
    int fetched = -1;

    world_begin();
    is(refresh(&fetched), "ok", "what is not in use");
    ok(fetched == 0 && op_calls() == 0, "is not fetched");
    verify(token());
    rotate("k2");
    is(refresh(&fetched), "ok", "what is in use");
    ok(fetched == 2 && op.at[OP_DISCOVERY].calls == 2 && op.at[OP_JWKS].calls == 2,
       "is fetched anew, however fresh it is");
    is(verify_offline(token()), "ok", "and taken");
    op.at[OP_JWKS].outage = GATE_IDP_TIMEOUT;
    is(refresh(&fetched), "idp_timeout", "what cannot be fetched is said");
    ok(fetched == 1, "the rest comes");
    is(verify_offline(token()), "ok", "and what was there stays");
}

static void test_refresh_is_for_all(void)
{
    gate_provider *first;
    int fetched;

    world_begin();
    verify(token());
    first = the.app.provider;
    world_new_process();
    verify(token());
    rotate("k2");
    refresh(&fetched);
    the.app.provider = first;
    world_wait(GATE_DOCUMENT_LOOK_SECONDS);
    verify(token());
    ok(op.at[OP_JWKS].calls == 2, "another process has them without a call");
}

static void test_look(void)
{
    gate_provider_look seen;

    world_begin();
    seen = look();
    ok(!seen.metadata_fetched && !seen.keys_fetched, "nothing is known of whom nobody asked");
    verify(token());
    seen = look();
    ok(seen.metadata_fetched == the.gate.clock() && seen.keys_fetched == the.gate.clock(),
       "then both are");
    world_wait(100);
    seen = look();
    ok(seen.keys_fetched == the.gate.clock() - 100, "and grow old");
    world_new_process();
    ok(look().keys_fetched == the.gate.clock() - 100, "as another process sees it");
    ok(op.at[OP_DISCOVERY].calls == 1 && op.at[OP_JWKS].calls == 1, "to look asks nobody");
}

static void test_rests(void)
{
    world_begin();
    op.at[OP_DISCOVERY].outage = GATE_IDP_UNREACHABLE;
    for (int i = 0; i < GATE_BREAKER_FAILURES; i++) {
        ask_metadata();
        world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    }
    ok(gate_provider_rests(request_at("GET", "/", false), &the.gate, the.app.provider,
                           GATE_ENDPOINT_COUNT) != GATE_BREAKER_CLOSED,
       "an endpoint that fails again and again is seen to rest");
    ok(gate_provider_rests(request_at("GET", "/", false), &the.gate, the.app.provider,
                           GATE_ENDPOINT_TOKEN) == GATE_BREAKER_CLOSED,
       "and no other");
}

int main(void)
{
    test_once();
    test_slow_first_time();
    test_no_discovery();
    test_configured_wins();
    test_places();
    test_nowhere();
    test_place_is_the_issuers();
    test_outage_is_no_place();
    test_other_hosts();
    test_unneeded_on_another_host();
    test_unsuitable();
    test_incomplete();
    test_many_cold();
    test_failure_is_remembered();
    test_stale();
    test_news();
    test_stale_for_a_new_process();
    test_clock_goes_back();
    test_keys();
    test_rotation();
    test_rotation_seen_elsewhere();
    test_withdrawn();
    test_rotation_without_kid();
    test_flood();
    test_store_away_in_flood();
    test_given_keys();
    test_unusable_key();
    test_keys_away();
    test_offline();
    test_foreign_document();
    test_two_providers();
    test_store_fails();
    test_busy();
    test_inflight();
    test_breaker();
    test_breaker_lets_one_try();
    test_breaker_counts_in_a_row();
    test_client_auth();
    test_client_auth_by_endpoint();
    test_tend();
    test_tend_without_discovery();
    test_refresh();
    test_refresh_is_for_all();
    test_look();
    test_rests();
    test_documents_are_freed();
    return tap_done();
}
