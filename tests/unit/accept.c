/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/accept.h"

#include "world.h"

/* How an introspection begins that lets anybody in. */
#define ACTIVE "{\"active\":true,\"aud\":\"api://default\""

static const char usual[] = ",\"sub\":\"bob\",\"client_id\":\"c-cli\",\"aud\":\"api://default\"";

static gate_decision present(const gate_settings *s, const char *token)
{
    return gate_accept(request_at("GET", "/", false), s, &the.gate, gate_span_of(token));
}

static const char *token(void)
{
    return op_jwt(WORLD_ISSUER, usual);
}

static int asked(void)
{
    return op.at[OP_INTROSPECTION].calls;
}

/* A place that takes JWTs; one that has every token introspected. */
static gate_settings *begin_bearer(void)
{
    gate_settings *s = world_begin();

    s->methods = 1u << GATE_METHOD_BEARER;
    return s;
}

static gate_settings *begin_introspection(void)
{
    gate_settings *s = world_begin();

    s->methods = 1u << GATE_METHOD_INTROSPECTION;
    s->introspect_all = true;
    return s;
}

/* --- JWTs, checked here --- */

static void test_bearer(void)
{
    gate_settings *s = begin_bearer();
    const char *good = token();
    gate_decision decision = present(s, good);

    is(said(decision), "ADMIT ok 200", "a good JWT is let in");
    is(who(decision), "bob", "as whom it names");
    is(gate_method_name(decision.method), "bearer", "by that method");
    is(decision.cache, "miss", "seen first");
    ok(decision.tokens->access_expires == WORLD_START + 300, "with its end");
    ok(op_calls() == 2 && op.at[OP_JWKS].calls == 1, "for the keys alone");
    the.store.calls = 0;
    decision = present(s, good);
    is(decision.cache, "hit", "then it is known");
    is(who(decision), "bob", "as the same one");
    ok(the.store.calls == 1 && op_calls() == 2, "at the cost of one look into the store");
    is(present(s, token()).cache, "miss", "another token is another");
}

static void test_bearer_without_cache(void)
{
    gate_settings *s = begin_bearer();
    const char *good = token();

    s->cache.token = 0;
    for (int i = 0; i < 3; i++)
        is(present(s, good).cache, "off", "where nothing is kept it is checked each time");
    ok(the.store.writes[GATE_STORE_TOKEN] == 0, "and nothing is written");
}

static void test_bearer_ends(void)
{
    gate_settings *s = begin_bearer();
    const char *good;

    op.expires_in = 60;
    good = token();
    present(s, good);
    world_wait(59);
    is(present(s, good).cache, "hit", "in its last second it is known");
    world_wait(1);
    is(present(s, good).cache, "miss", "then it is looked at again");
    world_wait(30);
    is(said(present(s, good)), "CHALLENGE token_expired 401",
       "and is over when the clocks' difference is");
}

static const char *signed_otherwise(const char *alg_header, bool other_key)
{
    EVP_PKEY *key = other_key ? sign_make_key(the.pool, "P-256") : op.key;
    const char *claims = apr_psprintf(the.pool, "{\"iss\":\"%s\",\"exp\":%" APR_INT64_T_FMT "%s}",
                                      WORLD_ISSUER, world_clock() + 300, usual);

    return sign_jwt(the.pool, key, "ES256", alg_header, claims);
}

static const char *with_claims(const char *issuer, const char *members)
{
    return op_sign("at+jwt", apr_psprintf(the.pool, "{\"iss\":\"%s\"%s}", issuer, members));
}

static void test_bad_jwts(void)
{
    for (int row = 0; row < 16; row++) {
        gate_settings *s = begin_bearer();
        const struct {
            const char *name, *token, *reason;
        } rows[16] = {
            {"signed with another key",
             signed_otherwise("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", true),
             "bad_signature"},
            {"with a key nobody knows",
             signed_otherwise("{\"alg\":\"ES256\",\"kid\":\"k9\",\"typ\":\"at+jwt\"}", true),
             "unknown_kid"},
            {"unsigned", "eyJhbGciOiJub25lIn0.e30.", "bad_alg"},
            {"with the public key as a secret",
             sign_jwt_hmac(the.pool, gate_span_of(sign_public_jwk(the.pool, op.key, NULL, NULL)),
                           "HS256", "{\"alg\":\"HS256\"}", "{}"),
             "bad_alg"},
            {"that asks for something critical",
             signed_otherwise("{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"x\"]}", false),
             "malformed_token"},
            {"that is an ID token",
             op_id_token(WORLD_ISSUER, GATE_SPAN("api://default"), GATE_SPAN("n")), "wrong_kind"},
            {"of another issuer", op_jwt(OTHER_ISSUER, usual), "bad_issuer"},
            {"for another audience",
             op_jwt(WORLD_ISSUER, ",\"sub\":\"bob\",\"aud\":\"api://other\""), "bad_audience"},
            {"for nobody", op_jwt(WORLD_ISSUER, ",\"sub\":\"bob\""), "bad_audience"},
            {"that has expired",
             with_claims(WORLD_ISSUER, ",\"aud\":\"api://default\",\"exp\":1749999969"),
             "token_expired"},
            {"without an end", with_claims(WORLD_ISSUER, ",\"aud\":\"api://default\""),
             "bad_claim"},
            {"of tomorrow",
             with_claims(WORLD_ISSUER,
                         ",\"aud\":\"api://default\",\"exp\":1760000000,\"nbf\":1750000031"),
             "token_not_yet_valid"},
            {"that is bound to a key",
             op_jwt(WORLD_ISSUER, ",\"aud\":\"api://default\",\"cnf\":{\"jkt\":\"x\"}"),
             "pop_failed"},
            {"with a subject that is no text",
             op_jwt(WORLD_ISSUER, ",\"aud\":\"api://default\",\"sub\":7"), "bad_claim"},
            {"that is opaque", "opaque", "malformed_token"},
            {"that is nearly one", "a.b", "malformed_token"},
        };

        is(said(present(s, rows[row].token)),
           apr_psprintf(the.pool, "CHALLENGE %s 401", rows[row].reason), "a token %s",
           rows[row].name);
        ok(the.store.writes[GATE_STORE_TOKEN] == 0 && the.store.writes[GATE_STORE_NEGATIVE] == 0,
           "is nothing to remember");
    }
}

static void test_clients_are_no_users(void)
{
    static const struct {
        const char *members;
        bool is_client;
        const char *name;
    } rows[] = {
        {",\"sub\":\"bob\",\"client_id\":\"c-cli\"", false, "a person's token"},
        {",\"sub\":\"c-cli\",\"client_id\":\"c-cli\"", true,
         "a token that a client has for itself"},
        {",\"sub\":\"alice\",\"azp\":\"alice\"", true, "one of a client with a person's name"},
        {",\"client_id\":\"c-cli\"", true, "one that names no subject"},
        {",\"sub\":\"bob\",\"scope\":\"a\"", false, "one that names no client"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin_bearer();
        gate_decision decision =
            present(s, op_jwt(WORLD_ISSUER, apr_pstrcat(the.pool, ",\"aud\":\"api://default\"",
                                                        rows[i].members, NULL)));

        ok(decision.identity && gate_identity_is_client(decision.identity) == rows[i].is_client,
           "%s is a %s's", rows[i].name, rows[i].is_client ? "client" : "user");
    }
}

static void test_keys_away(void)
{
    gate_settings *s = begin_bearer();

    op.at[OP_JWKS].outage = GATE_IDP_UNREACHABLE;
    is(said(present(s, token())), "FAIL idp_unreachable 503",
       "without keys nobody says that a token is bad");
    op.at[OP_JWKS].outage = GATE_OK;
    world_wait(GATE_DOCUMENT_RETRY_SECONDS);
    is(said(present(s, token())), "ADMIT ok 200", "when they are back it is good");
}

static void test_realms_share_nothing(void)
{
    gate_settings *s = begin_bearer();
    const char *good = token();
    gate_settings strict = *s;

    the.other.methods = s->methods;
    present(s, good);
    is(said(present(&the.other, good)), "CHALLENGE bad_issuer 401",
       "what one realm has accepted means nothing in another");
    gate_random_bytes(&strict.accept_fingerprint, sizeof strict.accept_fingerprint);
    is(present(&strict, good).cache, "miss", "nor where it is accepted under other conditions");
    strict.accept_fingerprint = s->accept_fingerprint;
    is(present(&strict, good).cache, "hit", "where they are the same it does");
    strict.cache.token = 10;
    is(present(&strict, good).cache, "miss",
       "what may be kept less long is not taken from where it is kept longer");
}

/* --- introspection --- */

static void test_introspection(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    s->cache.introspection = 0;
    for (int i = 0; i < 5; i++) {
        decision = present(s, "good-1");
        is(said(decision), "ADMIT ok 200", "an active token is let in");
        is(decision.cache, "off", "nothing is kept");
    }
    ok(asked() == 5, "and the provider asked each time");
    is(who(decision), "alice", "who says whose it is");
    is(gate_method_name(decision.method), "introspection", "by that method");
    is(op.at[OP_INTROSPECTION].form, "token=good-1&token_type_hint=access_token",
       "it is asked about that token");
    is(op.at[OP_INTROSPECTION].authorization, "Basic Yy1hcHA6Yy1hcHAtc2VjcmV0",
       "by the gate's client");
    s->introspection_params = gate_form_make(the.pool);
    gate_form_add_text((gate_form *)(uintptr_t)s->introspection_params, "realm", "x");
    present(s, "good-2");
    is(op.at[OP_INTROSPECTION].form, "token=good-2&token_type_hint=access_token&realm=x",
       "with what is configured beside it");
}

static void test_introspection_cached(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    for (int i = 0; i < 5; i++)
        decision = present(s, "good-1");
    is(decision.cache, "hit", "where it may be kept it is");
    ok(asked() == 1, "and the provider asked once");
    the.store.calls = 0;
    present(s, "good-1");
    ok(the.store.calls == 1, "a hit costs one look into the store");
    world_wait(31);
    is(present(s, "good-1").cache, "miss", "after its time");
    ok(asked() == 2, "it is asked again");
}

static void test_never_past_its_end(void)
{
    gate_settings *s = begin_introspection();

    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = ACTIVE ",\"sub\":\"a\",\"exp\":1750000010}";
    present(s, "good-1");
    world_wait(9);
    is(present(s, "good-1").cache, "hit", "a verdict is kept up to the token's end");
    world_wait(1);
    is(present(s, "good-1").cache, "miss", "and not past it");
}

static void test_deactivated(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    s->cache.introspection = 0;
    present(s, "good-1");
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    is(said(present(s, "good-1")), "CHALLENGE token_inactive 401",
       "what is switched off is refused on the very next request");
    op.at[OP_INTROSPECTION].status = 401;
    op.at[OP_INTROSPECTION].body = "{\"error\":\"invalid_client\"}";
    decision = present(s, "good-1");
    is(said(decision), "CHALLENGE idp_rejected_gateway 401",
       "as where the provider does not know the gate's client any more");
    ok(decision.detail && strstr(decision.detail, "invalid_client"), "which is said in the log");
    s = begin_introspection();
    present(s, "good-1");
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    world_wait(29);
    is(said(present(s, "good-1")), "ADMIT ok 200",
       "where verdicts are kept it is good up to that time");
    world_wait(1);
    is(said(present(s, "good-1")), "CHALLENGE token_inactive 401", "and no longer");
}

static void test_negative(void)
{
    gate_settings *s = begin_introspection();

    for (int i = 0; i < 3; i++)
        is(said(present(s, "bad-1")), "CHALLENGE token_inactive 401",
           "an inactive token is refused");
    ok(asked() == 1, "for one question");
    is(gate_method_name(present(s, "bad-1").method), "introspection", "by that method");
    world_wait(10);
    present(s, "bad-1");
    ok(asked() == 2, "until that is forgotten");
    s = begin_introspection();
    s->cache.negative = 0;
    for (int i = 0; i < 3; i++)
        present(s, "bad-1");
    ok(asked() == 3, "where it may not be remembered it is not");
}

static void test_answers(void)
{
    static const struct {
        const char *body, *said;
    } rows[] = {
        {"{\"active\":\"true\"}", "CHALLENGE token_inactive 401"},
        {"{\"active\":1}", "CHALLENGE token_inactive 401"},
        {"{}", "CHALLENGE token_inactive 401"},
        {"{\"active\":null}", "CHALLENGE token_inactive 401"},
        {"{\"active\":false,\"active\":true}", "FAIL idp_error 503"},
        {"[]", "FAIL idp_error 503"},
        {"<html>", "FAIL idp_error 503"},
        {"", "FAIL idp_error 503"},
        {ACTIVE ",\"exp\":1749999969}", "CHALLENGE token_expired 401"},
        {ACTIVE ",\"nbf\":1750000031}", "CHALLENGE token_not_yet_valid 401"},
        {"{\"active\":true,\"iss\":\"https://other.example\"}", "CHALLENGE bad_issuer 401"},
        {"{\"active\":true,\"aud\":\"api://other\"}", "CHALLENGE bad_audience 401"},
        {"{\"active\":true,\"sub\":\"a\"}", "CHALLENGE bad_audience 401"},
        {"{\"active\":true,\"aud\":[\"x\",\"api://default\"],\"sub\":\"a\"}", "ADMIT ok 200"},
        {ACTIVE ",\"cnf\":{}}", "CHALLENGE pop_failed 401"},
        {ACTIVE ",\"sub\":\"a\"}", "ADMIT ok 200"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin_introspection();

        op.at[OP_INTROSPECTION].status = 200;
        op.at[OP_INTROSPECTION].body = rows[i].body;
        is(said(present(s, "t")), rows[i].said, "the answer %s",
           *rows[i].body ? rows[i].body : "that is empty");
    }
}

static void test_faults(void)
{
    static const struct {
        gate_reason outage;
        int status;
        const char *body, *said, *name;
    } rows[] = {
        {GATE_IDP_UNREACHABLE, 0, NULL, "FAIL idp_unreachable 503", "cannot be reached"},
        {GATE_IDP_TIMEOUT, 0, NULL, "FAIL idp_timeout 503", "takes too long"},
        {GATE_IDP_ERROR, 0, NULL, "FAIL idp_error 503", "breaks off, or sends too much"},
        {GATE_OK, 500, "", "FAIL idp_error 503", "answers 500"},
        {GATE_OK, 302, "", "FAIL idp_error 503", "answers with a redirect"},
        {GATE_OK, 200, "<html>", "FAIL idp_error 503", "answers with a page"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_settings *s = begin_introspection();
        gate_decision decision;

        op.at[OP_INTROSPECTION].outage = rows[i].outage;
        op.at[OP_INTROSPECTION].status = rows[i].status;
        op.at[OP_INTROSPECTION].body = rows[i].body;
        decision = present(s, "good-1");
        is(said(decision), rows[i].said, "a provider that %s", rows[i].name);
        ok(decision.retry_after == 5, "may be tried again");
        is(said(present(s, "good-1")), rows[i].said, "who comes just after it");
        ok(asked() == 1, "fails without a question");
        op.at[OP_INTROSPECTION] = (op_behaviour){.calls = 1};
        world_wait(1);
        is(said(present(s, "good-1")), "ADMIT ok 200",
           "a moment later all is well: nobody remembers that it was bad");
    }
}

static void test_away_with_cache(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    present(s, "good-1");
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
    world_wait(29);
    is(said(present(s, "good-1")), "ADMIT ok 200",
       "what is known is good while the provider is away");
    world_wait(1);
    is(said(present(s, "good-1")), "FAIL idp_unreachable 503", "and no longer than else");
    s = begin_introspection();
    s->cache.stale = 60;
    present(s, "good-1");
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
    world_wait(60);
    decision = present(s, "good-1");
    is(said(decision), "ADMIT ok 200", "where the administrator allows it, a while longer");
    is(decision.cache, "stale", "which is said");
    the.store.fail_at = the.store.calls + 1;
    is(said(present(s, "good-1")), "FAIL store_unavailable 503",
       "but never where the store cannot tell");
    ok(asked() == 2, "and then nobody is asked");
    the.store.fail_at = 0;
    is(who(decision), "alice", "as the same one");
    is(said(present(s, "good-2")), "FAIL idp_unreachable 503", "not who was not known before");
    world_wait(30);
    is(said(present(s, "good-1")), "FAIL idp_unreachable 503", "and not for ever");
}

static void test_stale_is_for_outages(void)
{
    gate_settings *s = begin_introspection();

    s->cache.stale = 600;
    present(s, "good-1");
    world_wait(31);
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    is(said(present(s, "good-1")), "CHALLENGE token_inactive 401",
       "what the provider says counts, however much may be stale");
    op.at[OP_INTROSPECTION].outage = GATE_IDP_UNREACHABLE;
    world_wait(31);
    is(said(present(s, "good-1")), "FAIL idp_unreachable 503",
       "and is not forgotten when it is away");
}

static void test_jwt_or_opaque(void)
{
    gate_settings *s = begin_bearer();

    s->methods |= 1u << GATE_METHOD_INTROSPECTION;
    is(gate_method_name(present(s, token()).method), "bearer",
       "where both are on, a JWT is checked here");
    ok(asked() == 0, "without a question");
    is(gate_method_name(present(s, "good-1").method), "introspection",
       "an opaque token is asked about");
    s->introspect_all = true;
    gate_random_bytes(&s->accept_fingerprint, sizeof s->accept_fingerprint);
    present(s, token());
    ok(asked() == 2, "or all are");
    s->introspect_all = false;
    s->methods = 1u << GATE_METHOD_INTROSPECTION;
    is(said(present(s, token())), "CHALLENGE malformed_token 401",
       "where opaque tokens alone are taken a JWT is not");
    s->introspect_all = true;
    is(said(present(s, token())), "CHALLENGE token_inactive 401",
       "and the provider's word counts, however well it is signed");
}

static void test_glance(void)
{
    gate_settings *s = begin_introspection();
    const char *expired =
        with_claims(WORLD_ISSUER, ",\"aud\":\"api://default\",\"exp\":1749999969");
    const char *forged =
        signed_otherwise("{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", true);

    present(s, expired);
    ok(asked() == 1, "without keys at hand a JWT is asked about");
    the.app.methods |= 1u << GATE_METHOD_BEARER;
    s->introspect_all = false;
    present(s, token());
    s->introspect_all = true;
    s->cache.negative = 0;
    is(said(present(s, expired)), "CHALLENGE token_expired 401",
       "with them, one that has expired is not");
    is(said(present(s, forged)), "CHALLENGE bad_signature 401", "nor one that is badly signed");
    ok(asked() == 1, "for nothing");
    present(s, with_claims(WORLD_ISSUER, ",\"aud\":\"api://default\""));
    ok(asked() == 2, "whether one that says no end is good is the provider's to say");
}

static void test_no_discovery(void)
{
    gate_settings *s = begin_introspection();
    gate_provider_options options = {.issuer = WORLD_ISSUER, .limits = {.total_ms = 5000}};

    options.endpoints[GATE_ENDPOINT_INTROSPECTION] = WORLD_ISSUER "/introspect";
    s->provider = gate_provider_make(the.pool, &options);
    is(said(present(s, "good-1")), "ADMIT ok 200",
       "with the endpoint configured there is no discovery");
    ok(op_calls() == 1, "there is one call");
}

static void test_what_is_told(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    s->needs = GATE_NEEDS_INTROSPECTION;
    op.claims_more = ",\"dept\":\"x\"";
    for (int i = 0; i < 2; i++) {
        decision = present(s, "good-1");
        ok(decision.tokens && strstr(text_of(decision.tokens->introspection), "\"dept\":\"x\""),
           "the provider's answer can be told to the backend, %s", decision.cache);
        ok(gate_span_is(decision.tokens->access_token, "good-1"), "and the token");
        ok(decision.tokens->access_expires == WORLD_START + 3600, "with its end");
    }
    is(claim_of(decision.identity, "dept"), "x", "and its claims");
}

/* A place that needs more of a token than one that has seen it before. */
static void test_more_is_needed(void)
{
    gate_settings *s = begin_introspection();
    gate_settings more = *s;

    more.needs = GATE_NEEDS_INTROSPECTION;
    present(s, "good-1");
    is(present(&more, "good-1").cache, "miss", "what was not kept is asked for");
    is(present(s, "good-1").cache, "hit", "and serves both");
    is(present(&more, "good-1").cache, "hit", "from then on");
}

/* --- many at once --- */

static fake_moment at_work, done;

static void note_at_work(void)
{
    fake_note(&the.store, &at_work);
}

static void leader_is_done(void)
{
    fake_return(&the.store, &done);
}

static void test_many(const char *text, const char *expected)
{
    gate_settings *s = begin_introspection();
    int alike = 0, shared = 0;

    op.at[OP_INTROSPECTION].during = note_at_work;
    present(s, text);
    fake_note(&the.store, &done);
    for (int i = 0; i < 19; i++) {
        gate_decision decision;

        fake_return(&the.store, &at_work);
        the.meanwhile = leader_is_done;
        decision = present(s, text);
        alike += !strcmp(said(decision), expected);
        shared += decision.cache && !strcmp(decision.cache, "shared");
    }
    ok(alike == 19 && shared == 19,
       "of twenty who bring \"%s\" at once, nineteen are told what the first was: %s", text,
       expected);
    ok(asked() == 1, "for one question");
}

static void test_leader_dies(void)
{
    gate_settings *s = begin_introspection();

    op.at[OP_INTROSPECTION].during = note_at_work;
    present(s, "good-1");
    fake_return(&the.store, &at_work);
    is(said(present(s, "good-1")), "ADMIT ok 200",
       "where the first one dies over it, another asks");
    ok(asked() == 2, "once");
    ok(the.now_ms < (WORLD_START + 8) * 1000, "when its time is over");
}

static void test_leader_is_slow(void)
{
    gate_settings *s = begin_introspection();

    op.at[OP_INTROSPECTION].during = note_at_work;
    present(s, "good-1");
    fake_return(&the.store, &at_work);
    the.store.is_full[GATE_STORE_LEASE] = true;
    is(said(present(s, "good-1")), "FAIL store_unavailable 503",
       "where nobody can lead nobody is let in");
}

/* --- limits --- */

static void test_limits(void)
{
    gate_settings *s = begin_introspection();
    gate_decision decision;

    present(s, "good-1");
    the.questions_left = 0;
    decision = present(s, "good-2");
    is(said(decision), "REFUSE rate_limited 429",
       "who asks too much about tokens that nobody knows must wait");
    ok(decision.retry_after > 0 && asked() == 1, "and nobody is asked");
    is(said(present(s, "good-1")), "ADMIT ok 200", "what is known is let in");
    world_wait(31);
    is(said(present(s, "good-1")), "ADMIT ok 200", "and so is what was good the last time");
    ok(asked() == 2, "though it must be asked about again");
    is(said(present(s, "bad-1")), "REFUSE rate_limited 429", "of bad ones nothing is known");
    the.questions_left = 1;
    is(said(present(s, "good-2")), "ADMIT ok 200", "with the next second comes the next question");
    ok(the.questions_left == 0, "which counts");
}

static void test_limits_without_cache(void)
{
    gate_settings *s = begin_introspection();

    s->cache.introspection = 0;
    present(s, "good-1");
    the.questions_left = 0;
    for (int i = 0; i < 50; i++)
        present(s, "good-1");
    ok(asked() == 51,
       "where nothing is kept, who was good the last time is asked about as often as he comes");
    is(said(present(s, "bad-1")), "REFUSE rate_limited 429", "but not a stranger");
    op.at[OP_INTROSPECTION].status = 200;
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    present(s, "good-1");
    is(said(present(s, "good-1")), "REFUSE rate_limited 429", "nor who was bad the last time");
}

/* --- our own faults --- */

static void test_store_fails(const char *text, bool is_good, bool ever_after, bool acts)
{
    int admitted = 0, failed = 0, wrong = 0, n = 0;

    do {
        gate_settings *s = begin_introspection();
        gate_decision decision;

        the.store.fail_at = ++n;
        the.store.fails_ever_after = ever_after;
        the.store.acts_all_the_same = acts;
        decision = present(s, text);
        admitted += decision.verb == GATE_ADMIT;
        failed += decision.verb == GATE_FAIL;
        wrong += decision.verb == GATE_ADMIT && !is_good;
        wrong += decision.verb == GATE_CHALLENGE && is_good;
        wrong += decision.verb == GATE_ADMIT && strcmp(who(decision), "alice") != 0;
    } while (the.store.calls >= n && n < 100);
    ok(!wrong && failed && (admitted || !is_good) && n < 100,
       "\"%s\" with the store silent at call 1 to %d: never the wrong answer%s%s", text, n,
       ever_after ? ", silent ever after" : "", acts ? ", written all the same" : "");
}

static void test_no_randomness(void)
{
    gate_settings *s = begin_introspection();
    int good = 0;

    the.random_fails_at = 1;
    the.random_fails_ever_after = true;
    for (int i = 0; i < 3; i++)
        good += !strcmp(said(present(s, "good-1")), "ADMIT ok 200");
    ok(good == 3, "without randomness nothing is kept, and what is good is good");
    ok(asked() == 3, "for a question each");
    ok(fake_count(&the.store, GATE_STORE_TOKEN, world_clock()) == 1,
       "and nothing is filed but a good name");
}

static void test_nothing_readable_is_filed(void)
{
    gate_settings *s = begin_introspection();
    int found = 0;

    s->needs = GATE_NEEDS_INTROSPECTION;
    s->cache.stale = 60;
    present(s, "good-token-of-alice");
    for (int i = 0; i < FAKE_RECORDS; i++) {
        const gate_span value = the.store.records[i].record.value;

        for (size_t at = 0; the.store.records[i].filed && at + 5 <= value.len; at++)
            found += !memcmp(value.ptr + at, "alice", 5) || !memcmp(value.ptr + at, "good-", 5);
    }
    ok(found == 0, "neither token nor person can be read in the store");
}

int main(void)
{
    test_bearer();
    test_bearer_without_cache();
    test_bearer_ends();
    test_bad_jwts();
    test_clients_are_no_users();
    test_keys_away();
    test_realms_share_nothing();
    test_introspection();
    test_introspection_cached();
    test_never_past_its_end();
    test_deactivated();
    test_negative();
    test_answers();
    test_faults();
    test_away_with_cache();
    test_stale_is_for_outages();
    test_jwt_or_opaque();
    test_glance();
    test_no_discovery();
    test_what_is_told();
    test_more_is_needed();
    test_many("good-1", "ADMIT ok 200");
    test_many("bad-1", "CHALLENGE token_inactive 401");
    test_leader_dies();
    test_leader_is_slow();
    test_limits();
    test_limits_without_cache();
    for (int i = 0; i < 4; i++) {
        test_store_fails("good-1", true, i & 1, i & 2);
        test_store_fails("bad-1", false, i & 1, i & 2);
    }
    test_no_randomness();
    test_nothing_readable_is_filed();
    return tap_done();
}
