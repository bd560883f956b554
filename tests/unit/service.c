/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/service.h"

#include "world.h"

/* A program comes with id and secret; the provider knows those whose secret is their id and
 * "-secret". */
static gate_decision serve(const gate_settings *s, const char *id, const char *secret)
{
    const gate_credential credential = {
        .scheme = GATE_SCHEME_BASIC, .id = gate_span_of(id), .secret = gate_span_of(secret)};

    return gate_serve(request_at("GET", "/", false), s, &the.gate, &credential);
}

static const char *token_of(gate_decision decision)
{
    return decision.tokens ? text_of(decision.tokens->access_token) : "none";
}

static int asked(void)
{
    return op.at[OP_TOKEN].calls;
}

static gate_settings *begin(void)
{
    gate_settings *s = world_begin();

    s->methods = 1u << GATE_METHOD_CLIENT_CREDENTIALS;
    s->client_credentials_scope = "api.read";
    s->needs = GATE_NEEDS_ACCESS_TOKEN;
    return s;
}

static void test_serve(void)
{
    gate_settings *s = begin();
    gate_decision decision = serve(s, "c-api", "c-api-secret");

    is(said(decision), "ADMIT ok 200", "a program with the right secret is let in");
    is(who(decision), "c-api", "as itself");
    ok(gate_identity_is_client(decision.identity), "which is no user");
    is(gate_method_name(decision.method), "client_credentials", "by that method");
    is(token_of(decision), "at-1", "and the backend may get the provider's token");
    is(op.at[OP_TOKEN].form, "grant_type=client_credentials&scope=api.read",
       "it was asked for with the configured scope alone");
    is(op.at[OP_TOKEN].authorization, "Basic Yy1hcGk6Yy1hcGktc2VjcmV0",
       "and the caller's own credentials");
    ok(op.at[OP_DISCOVERY].calls == 1 && asked() == 1 && op_calls() == 2, "one call for each");
    is(decision.cache, "miss", "seen first");
    for (int i = 0; i < 10; i++)
        decision = serve(s, "c-api", "c-api-secret");
    is(decision.cache, "hit", "then it is known");
    is(token_of(decision), "at-1", "by the same token");
    ok(asked() == 1, "without another call");
}

static void test_no_cache(void)
{
    gate_settings *s = begin();

    s->cache.token = 0;
    for (int i = 0; i < 3; i++)
        is(serve(s, "c-api", "c-api-secret").cache, "off", "where nothing is kept");
    ok(asked() == 3, "the provider is asked each time");
}

static void test_no_scope(void)
{
    gate_settings *s = begin();

    s->client_credentials_scope = NULL;
    serve(s, "c-api", "c-api-secret");
    is(op.at[OP_TOKEN].form, "grant_type=client_credentials",
       "where no scope is configured none is asked for");
}

static void test_wrong_secret(void)
{
    gate_settings *s = begin();
    gate_decision decision;

    for (int i = 0; i < 5; i++) {
        decision = serve(s, "c-api", "wrong");
        is(said(decision), "CHALLENGE invalid_client 401", "a wrong secret is refused");
    }
    ok(asked() == 1, "for one question");
    ok(decision.detail == NULL || !strstr(decision.detail, "wrong"),
       "and does not stand in the log");
    is(said(serve(s, "c-api", "c-api-secret")), "ADMIT ok 200", "the right one is let in at once");
    ok(asked() == 2, "for another question");
    is(said(serve(s, "c-nobody", "x")), "CHALLENGE invalid_client 401",
       "as is an unknown client refused");
    is(said(serve(s, "c-api", "")), "CHALLENGE invalid_client 401", "and one without a secret");
    is(said(serve(s, "", "x")), "CHALLENGE invalid_client 401", "or a name");
    ok(asked() == 4, "of those the one without a secret asks nobody");
}

/* One credential's parts are not another's. */
static void test_parts(void)
{
    gate_settings *s = begin();

    serve(s, "a", "a-secret");
    is(said(serve(s, "aa", "-secret")), "CHALLENGE invalid_client 401",
       "what is known is the pair");
    s->client_credentials_scope = "other";
    is(serve(s, "a", "a-secret").cache, "miss", "with its scope");
}

static void test_special_characters(void)
{
    gate_settings *s = begin();

    is(said(serve(s, "c:%+ \xc3\xa4", "c:%+ \xc3\xa4-secret")), "ADMIT ok 200",
       "id and secret are form-encoded on their way (RFC 6749 section 2.3.1)");
}

static void test_expiry(void)
{
    gate_settings *s = begin();

    op.expires_in = 2;
    serve(s, "c-api", "c-api-secret");
    world_wait(1);
    is(serve(s, "c-api", "c-api-secret").cache, "hit", "a token is used as long as it lives");
    world_wait(1);
    is(token_of(serve(s, "c-api", "c-api-secret")), "at-2", "and then another is got");
    op.expires_in = 0;
    world_wait(3);
    serve(s, "c-api", "c-api-secret");
    is(serve(s, "c-api", "c-api-secret").cache, "miss", "one whose end is not said is not kept");
    op.expires_in = 10000;
    serve(s, "c-api", "c-api-secret");
    world_wait(299);
    is(serve(s, "c-api", "c-api-secret").cache, "hit",
       "and none longer than the administrator says");
    world_wait(1);
    is(serve(s, "c-api", "c-api-secret").cache, "miss", "however long it lives");
}

static void test_provider_refuses(void)
{
    static const struct {
        int status;
        const char *body, *said;
        bool is_remembered;
    } rows[] = {
        {400, "{\"error\":\"invalid_scope\"}", "FAIL idp_rejected_gateway 502", false},
        {400, "{\"error\":\"unsupported_grant_type\"}", "FAIL idp_rejected_gateway 502", false},
        {400, "{\"error\":\"invalid_grant\"}", "FAIL idp_rejected_gateway 502", false},
        {400, "{\"error\":\"unauthorized_client\"}", "REFUSE unauthorized_client 403", true},
        {400, "{\"error\":\"invalid_client\"}", "CHALLENGE invalid_client 401", true},
        {401, "", "CHALLENGE invalid_client 401", true},
        {429, "", "FAIL idp_error 503", false},
        {500, "", "FAIL idp_error 503", false},
        {200, "<html>", "FAIL idp_error 503", false},
        {200, "{\"access_token\":\"x\"}", "FAIL idp_error 503", false},
        {200, "{\"access_token\":\"x\",\"token_type\":\"mac\"}", "FAIL idp_error 503", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin();

        op.at[OP_TOKEN].status = rows[i].status;
        op.at[OP_TOKEN].body = rows[i].body;
        is(said(serve(s, "c-api", "c-api-secret")), rows[i].said, "the provider answers %d %s",
           rows[i].status, rows[i].body);
        op.at[OP_TOKEN].status = 0;
        world_wait(1);
        is(said(serve(s, "c-api", "c-api-secret")),
           rows[i].is_remembered ? rows[i].said : "ADMIT ok 200", "a moment later that is %s",
           rows[i].is_remembered ? "still so" : "forgotten");
    }
}

static void test_provider_away(void)
{
    static const op_endpoint endpoints[] = {OP_DISCOVERY, OP_TOKEN};

    for (size_t i = 0; i < 2; i++) {
        gate_settings *s = begin();
        gate_decision decision;

        op.at[endpoints[i]].outage = GATE_IDP_UNREACHABLE;
        decision = serve(s, "c-api", "c-api-secret");
        is(said(decision), "FAIL idp_unreachable 503",
           "a provider that is away says nothing of a secret");
        ok(decision.retry_after == 5, "which may be tried again");
        op.at[endpoints[i]].outage = GATE_OK;
        world_wait(5);
        is(said(serve(s, "c-api", "c-api-secret")), "ADMIT ok 200", "when it is back all is well");
    }
}

/* --- a token that is a JWT is judged like any other --- */

static void test_jwt(void)
{
    gate_settings *s = begin();
    gate_decision decision;

    op.gives_jwts = true;
    op.claims_more = ",\"dept\":\"x\"";
    decision = serve(s, "c-api", "c-api-secret");
    is(said(decision), "ADMIT ok 200", "a token that can be read is");
    is(claim_of(decision.identity, "dept"), "x", "and its claims count");
    ok(gate_identity_is_client(decision.identity), "it is a client's, whatever subject it names");
    ok(op.at[OP_JWKS].calls == 1, "its signature is checked");
    is(claim_of(decision.identity, "iss"), WORLD_ISSUER, "it says who issued it");
}

static void test_jwt_ends_first(void)
{
    gate_settings *s = begin();

    op.gives_jwts = true;
    op.expires_in = 60;
    op.claims_more = ",\"x\":1";
    op.at[OP_TOKEN].status = 200;
    op.at[OP_TOKEN].body =
        apr_pstrcat(the.pool, "{\"token_type\":\"Bearer\",\"expires_in\":300,\"access_token\":\"",
                    op_access_token(WORLD_ISSUER, "c-api"), "\"}", NULL);
    serve(s, "c-api", "c-api-secret");
    world_wait(59);
    is(serve(s, "c-api", "c-api-secret").cache, "hit", "a token is kept");
    world_wait(1);
    is(serve(s, "c-api", "c-api-secret").cache, "miss",
       "up to its own end, where the provider says a later one");
    s = begin();
    op.gives_jwts = true;
    op.at[OP_TOKEN].status = 200;
    op.at[OP_TOKEN].body = apr_pstrcat(the.pool, "{\"token_type\":\"Bearer\",\"access_token\":\"",
                                       op_access_token(WORLD_ISSUER, "c-api"), "\"}", NULL);
    serve(s, "c-api", "c-api-secret");
    is(serve(s, "c-api", "c-api-secret").cache, "hit", "or says none");
}

static void test_kept_elsewhere(void)
{
    gate_settings *s = begin();
    gate_settings another = *s;

    serve(s, "c-api", "c-api-secret");
    another.cache.token = 0;
    is(serve(&another, "c-api", "c-api-secret").cache, "off",
       "what one place keeps is nothing to a place that keeps nothing");
    ok(asked() == 2, "which asks for itself");
}

static void test_bad_jwt(void)
{
    gate_settings *s = begin();
    static const char *const audiences[] = {"api://another", NULL};

    op.gives_jwts = true;
    s->audiences = audiences;
    is(said(serve(s, "c-api", "c-api-secret")), "FAIL idp_rejected_gateway 502",
       "one that is not meant for here is not the caller's fault");
    ok(the.store.writes[GATE_STORE_TOKEN] == 0 && the.store.writes[GATE_STORE_NEGATIVE] == 0,
       "nor remembered as such");
    s = begin();
    op.at[OP_TOKEN].status = 200;
    op.at[OP_TOKEN].body =
        "{\"access_token\":\"e30.e30.AAAA\",\"token_type\":\"Bearer\",\"expires_in\":60}";
    is(said(serve(s, "c-api", "c-api-secret")), "FAIL idp_rejected_gateway 502",
       "nor one that is signed by nobody");
    s = begin();
    op.gives_jwts = true;
    op.at[OP_JWKS].outage = GATE_IDP_TIMEOUT;
    is(said(serve(s, "c-api", "c-api-secret")), "FAIL idp_timeout 503",
       "without keys none is believed");
}

static void test_opaque(void)
{
    gate_settings *s = begin();
    gate_decision decision = serve(s, "c-api", "c-api-secret");

    is(claim_of(decision.identity, "iss"), WORLD_ISSUER,
       "of an opaque token it is known who issued it");
    ok(!gate_identity_has_claims(decision.identity, -1), "and nothing else");
}

/* --- how the caller's credentials are sent --- */

static void test_client_without_secret_here(void)
{
    gate_settings *s = begin();

    s->client_auth_given = true;
    s->client.method = GATE_CLIENT_AUTH_NONE;
    s->client.secret = (gate_span){NULL, 0};
    is(said(serve(s, "c-api", "c-api-secret")), "ADMIT ok 200",
       "where the gate itself has no secret, a caller's is sent all the same");
    is(said(serve(s, "c-api", "wrong")), "CHALLENGE invalid_client 401", "and counts");
    s = begin();
    s->client_auth_given = true;
    s->client.method = GATE_CLIENT_AUTH_POST;
    serve(s, "c-api", "c-api-secret");
    ok(strstr(op.at[OP_TOKEN].form, "client_id=c-api&client_secret=c-api-secret") &&
           !op.at[OP_TOKEN].authorization,
       "else it is sent in the way in which the gate's own is");
}

/* --- many at once, and too many --- */

static fake_moment at_work, done;

static void note_at_work(void)
{
    fake_note(&the.store, &at_work);
}

static void leader_is_done(void)
{
    fake_return(&the.store, &done);
}

static void test_many(void)
{
    gate_settings *s = begin();
    int alike = 0;

    op.at[OP_TOKEN].during = note_at_work;
    serve(s, "c-api", "c-api-secret");
    fake_note(&the.store, &done);
    for (int i = 0; i < 19; i++) {
        fake_return(&the.store, &at_work);
        the.meanwhile = leader_is_done;
        alike += !strcmp(token_of(serve(s, "c-api", "c-api-secret")), "at-1");
    }
    ok(alike == 19 && asked() == 1, "twenty at once get one token, for one question");
}

static const char *names_asked[8];
static int names_count;

static bool note_name(void *context, const char *name, apr_int64_t now, int limit_address,
                      int limit_total)
{
    names_asked[names_count++ % 8] =
        apr_psprintf(the.pool, "%s %d %d", name, limit_address, limit_total);
    return true;
}

static void test_limits(void)
{
    gate_settings *s = begin();

    serve(s, "c-good", "c-good-secret");
    the.questions_left = 0;
    is(said(serve(s, "c-api", "guess")), "REFUSE rate_limited 429",
       "who guesses too much must wait");
    ok(asked() == 1, "and the provider is not asked");
    is(said(serve(s, "c-good", "c-good-secret")), "ADMIT ok 200", "who is known need not");
    world_wait(301);
    is(said(serve(s, "c-good", "c-good-secret")), "ADMIT ok 200", "nor who was good the last time");
    ok(asked() == 2, "though it must be asked about again");
    s = begin();
    names_count = 0;
    the.gate.may_ask = note_name;
    serve(s, "192.0.2.99", "guess");
    ok(names_count == 2, "guesses are counted twice");
    is(names_asked[0], "client 192.0.2.99 10 0", "for the client, by a name that is no address");
    is(names_asked[1], "192.0.2.1 10 100", "and for the address, and all together");
}

/* --- our own faults --- */

static void test_store_fails(const char *secret, bool is_good, bool ever_after, bool acts)
{
    int admitted = 0, failed = 0, wrong = 0, n = 0;

    do {
        gate_settings *s = begin();
        gate_decision decision;

        the.store.fail_at = ++n;
        the.store.fails_ever_after = ever_after;
        the.store.acts_all_the_same = acts;
        decision = serve(s, "c-api", secret);
        admitted += decision.verb == GATE_ADMIT;
        failed += decision.verb == GATE_FAIL;
        wrong += decision.verb == GATE_ADMIT && !is_good;
        wrong += decision.verb == GATE_CHALLENGE && is_good;
        wrong += decision.verb == GATE_ADMIT && strcmp(token_of(decision), "at-1") != 0;
    } while (the.store.calls >= n && n < 100);
    ok(!wrong && failed && (admitted || !is_good) && n < 100,
       "the secret \"%s\" with the store silent at call 1 to %d: never the wrong answer%s%s",
       secret, n, ever_after ? ", silent ever after" : "", acts ? ", written all the same" : "");
}

static void test_nothing_readable_is_filed(void)
{
    gate_settings *s = begin();
    int found = 0;

    serve(s, "c-api", "c-api-secret");
    for (int i = 0; i < FAKE_RECORDS; i++) {
        const gate_span value = the.store.records[i].record.value;

        for (size_t at = 0; the.store.records[i].filed && at + 4 <= value.len; at++)
            found += !memcmp(value.ptr + at, "c-ap", 4) || !memcmp(value.ptr + at, "at-1", 4);
    }
    ok(found == 0, "neither client nor token can be read in the store");
}

/* Whoever has the store, but not the server's secret, cannot try secrets on it. */
static void test_no_guessing_at_the_store(void)
{
    gate_settings *s = begin();

    serve(s, "c-api", "c-api-secret");
    gate_random_bytes(the.keys, sizeof the.keys[0]);
    is(serve(s, "c-api", "c-api-secret").cache, "miss",
       "with another secret of the server nothing is found again");
}

int main(void)
{
    test_serve();
    test_no_cache();
    test_no_scope();
    test_wrong_secret();
    test_parts();
    test_special_characters();
    test_expiry();
    test_provider_refuses();
    test_provider_away();
    test_jwt();
    test_jwt_ends_first();
    test_kept_elsewhere();
    test_bad_jwt();
    test_opaque();
    test_client_without_secret_here();
    test_many();
    test_limits();
    for (int i = 0; i < 4; i++) {
        test_store_fails("c-api-secret", true, i & 1, i & 2);
        test_store_fails("wrong", false, i & 1, i & 2);
    }
    test_nothing_readable_is_filed();
    test_no_guessing_at_the_store();
    return tap_done();
}
