/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/identify.h"

#include "oidc/id_token.h"
#include "world.h"

static gate_span identity;
static gate_tokens tokens;
static const char *detail;

static const gate_digest *nonce_digest(void)
{
    static gate_digest digest;

    sign_must(gate_nonce_digest(&digest, GATE_SPAN("the-nonce")), "a digest");
    return &digest;
}

/* What the token endpoint of a login brings. */
static gate_token_set brought(const char *access_token)
{
    return (gate_token_set){
        .access_token = gate_span_of(access_token),
        .id_token =
            gate_span_of(op_id_token(WORLD_ISSUER, GATE_SPAN("c-app"), GATE_SPAN("the-nonce"))),
        .refresh_token = GATE_SPAN("rt"),
        .expires = world_clock() + 300,
    };
}

static const char *identify_with(const gate_token_set *set, const gate_identify_want *want)
{
    return gate_reason_name(gate_identify(request_at("GET", "/", true), &the.app, &the.gate, set,
                                          want, &identity, &tokens, &detail));
}

static const char *identify(const char *access_token)
{
    const gate_identify_want want = {.nonce = nonce_digest(),
                                     .scope = GATE_SPAN("openid asked-for")};
    const gate_token_set set = brought(access_token);

    return identify_with(&set, &want);
}

static const char *claim(const char *name)
{
    const char *value = claim_of(gate_identity_open(identity), name);

    return value ? value : "none";
}

static const char *access_jwt(const char *issuer, const char *members)
{
    return op_sign("at+jwt",
                   apr_psprintf(the.pool,
                                "{\"iss\":\"%s\",\"exp\":%" APR_INT64_T_FMT ",\"sub\":\"al@x\"%s}",
                                issuer, world_clock() + 300, members));
}

static void test_facts(void)
{
    const gate_identity *known;

    world_begin();
    is(identify("opaque"), "ok", "an ID token says who it is");
    known = gate_identity_open(identity);
    is(text_of(gate_identity_subject(known)), "alice", "by subject");
    is(text_of(gate_identity_issuer(known)), WORLD_ISSUER, "issuer");
    is(text_of(gate_identity_client_id(known)), "c-app", "client");
    is(text_of(gate_identity_session_id(known)), "sid-1", "and the provider's session");
    is(text_of(gate_identity_scope(known)), "openid asked-for",
       "where no scope is said it is the one that was asked for");
    ok(gate_identity_method(known) == GATE_METHOD_CODE && !gate_identity_is_client(known),
       "a person, by the code flow");
    ok(gate_identity_expires(known) == WORLD_START + 240, "believed until it can be renewed");
    ok(tokens.renew_at == WORLD_START + 240 && tokens.access_expires == WORLD_START + 300,
       "when a fifth of the life is left");
    ok(op.at[OP_USERINFO].calls == 0, "userinfo is asked only where that is wanted");
}

static void test_without_renewal(void)
{
    const gate_identify_want want = {.nonce = nonce_digest()};
    gate_token_set set;

    world_begin();
    set = brought("opaque");
    set.refresh_token = (gate_span){NULL, 0};
    identify_with(&set, &want);
    ok(gate_identity_expires(gate_identity_open(identity)) == 0,
       "who cannot be renewed is believed as long as the session lives");
    set = brought("opaque");
    set.expires = 0;
    identify_with(&set, &want);
    ok(gate_identity_expires(gate_identity_open(identity)) == 0 && tokens.renew_at == 0,
       "as is whose access token says no end");
}

static void test_sources(void)
{
    gate_settings *s = world_begin();

    s->userinfo_at_login = true;
    op.changes[0] = (claim_change){"a", "\"id\""};
    identify(access_jwt(WORLD_ISSUER, ",\"a\":\"at\",\"nickname\":\"at\",\"only\":\"at\""));
    is(claim("a"), "id", "a claim of the ID token hides that of other sources");
    is(claim("nickname"), "al", "then comes userinfo");
    is(claim("only"), "at", "then an access token that can be read");
    is(claim("at:nickname"), "at", "a pin says whose is meant");
    is(claim("sub"), "alice", "the subject is always the ID token's");
    ok(tokens.userinfo.ptr && strstr(text_of(tokens.userinfo), "\"nickname\":\"al\""),
       "what userinfo said is kept");
    s->sources[0] = GATE_SOURCE_ACCESS_TOKEN;
    s->sources[1] = GATE_SOURCE_ID_TOKEN;
    s->source_count = 2;
    identify(access_jwt(WORLD_ISSUER, ",\"a\":\"at\""));
    is(claim("a"), "at", "the administrator may order them otherwise");
    is(claim("nickname"), "none", "and leave one out");
    is(claim("sub"), "alice", "but for the subject");
    is(claim("iss"), WORLD_ISSUER, "and the issuer");
}

static void test_access_tokens(void)
{
    EVP_PKEY *foreign;

    world_begin();
    foreign = sign_make_key(the.pool, "P-256");
    is(identify("opaque"), "ok", "an access token need not be readable");
    is(identify(access_jwt(OTHER_ISSUER, ",\"a\":\"at\"")), "ok", "nor this provider's");
    is(claim("a"), "none", "and then does not count");
    identify(sign_jwt(the.pool, foreign, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k1\"}",
                      "{\"iss\":\"https://op.example\",\"exp\":1760000000,\"a\":\"at\"}"));
    is(claim("a"), "none", "nor does one that is badly signed");
    identify(op_sign("at+jwt", "{\"iss\":\"https://op.example\",\"exp\":1749999900,\"a\":\"at\"}"));
    is(claim("a"), "none", "nor one that has expired");
    the.app.source_count = 2;
    identify(access_jwt(WORLD_ISSUER, ",\"a\":\"at\""));
    is(claim("a"), "none", "nor any, where the administrator does not want it");
    op.at[OP_JWKS].calls = 0;
    identify(sign_jwt(the.pool, foreign, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k9\"}",
                      "{\"iss\":\"https://op.example\",\"exp\":1760000000}"));
    ok(op.at[OP_JWKS].calls == 0, "and then nobody looks for its key");
}

/* The same text with another signature. */
static const char *resigned(const char *token)
{
    char *text = apr_pstrdup(the.pool, token);
    char *first = strrchr(text, '.') + 1;

    *first = *first == 'A' ? 'B' : 'A';
    return text;
}

static const char *hash_of(const char *token)
{
    return apr_psprintf(the.pool, "\"%s\"",
                        gate_alg_half_hash(the.pool, GATE_ALG_ES256, gate_span_of(token)));
}

/* An ID token that has the hash of an access token vouches for its bytes, as far as they say that
 * they are this provider's. */
static void test_vouched(void)
{
    const char *good, *bad, *foreign;
    gate_tokens before;
    const gate_identify_want renewal = {
        .before = &before, .subject = GATE_SPAN("alice"), .scope = GATE_SPAN("granted")};
    gate_token_set set;

    world_begin();
    good = access_jwt(WORLD_ISSUER, ",\"a\":\"at\"");
    bad = resigned(good);
    foreign = sign_jwt(the.pool, op.key, "ES256", "{\"alg\":\"ES256\",\"kid\":\"k9\"}",
                       "{\"iss\":\"https://op.example\",\"exp\":1760000000,\"a\":\"at\"}");
    identify(bad);
    is(claim("a"), "none", "an access token that is badly signed does not count");
    op.changes[0] = (claim_change){"at_hash", hash_of(bad)};
    is(identify(bad), "ok", "where the ID token has its hash");
    is(claim("a"), "at", "what it says is signed there");
    is(identify(good), "hash_mismatch", "and nobody else's");
    op.changes[0] = (claim_change){"at_hash", hash_of(foreign)};
    is(identify(foreign), "ok", "one that names a key which the provider does not publish");
    is(claim("a"), "none", "is for others to read, whoever vouches for it");
    op.changes[0] = (claim_change){"at_hash", hash_of(access_jwt(OTHER_ISSUER, ",\"a\":\"at\""))};
    identify(access_jwt(OTHER_ISSUER, ",\"a\":\"at\""));
    is(claim("a"), "none", "as is another issuer's");
    good = op_sign("at+jwt", "{\"iss\":\"https://op.example\",\"exp\":1749999900,\"a\":\"at\"}");
    op.changes[0] = (claim_change){"at_hash", hash_of(good)};
    identify(good);
    is(claim("a"), "none", "and one that has expired has expired");
    op.changes[0] = (claim_change){"at_hash", hash_of(bad)};
    identify(bad);
    before = tokens;
    set = brought(bad);
    set.id_token = (gate_span){NULL, 0};
    is(identify_with(&set, &renewal), "ok", "a renewal without an ID token");
    is(claim("a"), "none", "has nobody who vouches for anything");
}

static void test_userinfo(void)
{
    static const struct {
        int status;
        const char *body, *reason, *name;
    } rows[] = {
        {0, NULL, "ok", "as it should be"},
        {200, "{\"sub\":\"mallory\"}", "subject_mismatch", "of somebody else"},
        {200, "{}", "subject_mismatch", "of nobody"},
        {200, "<html>", "idp_error", "that is a page"},
        {401, "", "idp_rejected_gateway", "that refuses the token"},
        {500, "", "idp_error", "that fails"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world_begin();
        the.app.userinfo_at_login = true;
        op.at[OP_USERINFO].status = rows[i].status;
        op.at[OP_USERINFO].body = rows[i].body;
        is(identify("opaque"), rows[i].reason, "userinfo %s", rows[i].name);
        is(op.at[OP_USERINFO].authorization, "Bearer opaque", "asked with the access token");
    }
}

static const char *mint_with_long_secret(apr_pool_t *p, const char *claims)
{
    return sign_jwt_hmac(p, the.app.client.secret, "HS256", "{\"alg\":\"HS256\"}", claims);
}

static const char *mint_with_other_secret(apr_pool_t *p, const char *claims)
{
    return sign_jwt_hmac(p, GATE_SPAN("0123456789012345678901234567890123456789"), "HS256",
                         "{\"alg\":\"HS256\"}", claims);
}

static void test_shared_secret(void)
{
    const char *bad;

    world_begin();
    the.app.client.secret = GATE_SPAN("a secret of more than two hundred and fifty-six bits");
    op.mint = mint_with_long_secret;
    is(identify("opaque"), "bad_alg", "HS256 is not taken unless it is named");
    the.app.algorithms = GATE_ALG_BIT(GATE_ALG_HS256);
    is(identify("opaque"), "ok", "where it is, the client's secret is the key");
    op.mint = mint_with_other_secret;
    is(identify("opaque"), "bad_signature", "and no other");
    ok(op.at[OP_JWKS].calls == 0, "keys are not asked for");
    op.mint = NULL;
    is(identify("opaque"), "bad_alg", "nor is another algorithm taken then");
    the.app.algorithms |= GATE_ALGS_ASYMMETRIC;
    bad = resigned(access_jwt(WORLD_ISSUER, ",\"a\":\"at\""));
    op.changes[0] = (claim_change){"at_hash", hash_of(bad)};
    identify(bad);
    is(claim("a"), "at", "the provider's key vouches for an access token");
    op.mint = mint_with_long_secret;
    is(identify("opaque"), "hash_mismatch", "where the client's secret signs, at_hash counts too");
    is(identify(bad), "ok", "and is right where it is right");
    is(claim("a"), "none", "but that vouches for nothing");
}

static void test_clock(void)
{
    const gate_identify_want want = {.nonce = nonce_digest()};
    const gate_request *q;
    gate_token_set set;

    world_begin();
    q = request_at("GET", "/", true);
    world_wait(60);
    set = brought("opaque");
    is(gate_reason_name(
           gate_identify(q, &the.app, &the.gate, &set, &want, &identity, &tokens, &detail)),
       "ok", "an ID token may be younger than the request that waited for it");
}

static void test_renewal(void)
{
    gate_tokens before;
    gate_identify_want want = {
        .before = &before, .subject = GATE_SPAN("alice"), .scope = GATE_SPAN("granted")};
    gate_token_set set;

    world_begin();
    identify("opaque");
    before = tokens;
    set = brought("newer");
    set.id_token = set.refresh_token = (gate_span){NULL, 0};
    is(identify_with(&set, &want), "ok", "a renewal may bring an access token alone");
    ok(gate_span_is(tokens.access_token, "newer"), "which counts");
    ok(gate_span_equal(tokens.id_token, before.id_token) &&
           gate_span_is(tokens.refresh_token, "rt"),
       "the others stay");
    is(text_of(gate_identity_scope(gate_identity_open(identity))), "granted", "as does the scope");
    set.id_token =
        gate_span_of(op_id_token(WORLD_ISSUER, GATE_SPAN("c-app"), GATE_SPAN("another")));
    is(identify_with(&set, &want), "nonce_mismatch", "a renewed ID token is of no other login");
    set.id_token =
        gate_span_of(op_id_token(WORLD_ISSUER, GATE_SPAN("c-app"), GATE_SPAN("the-nonce")));
    is(identify_with(&set, &want), "ok", "of the same it may be");
    set.id_token = (gate_span){NULL, 0};
    set.scope = GATE_SPAN("granted more");
    is(identify_with(&set, &want), "idp_unsuitable", "but not a wider one");
    set.scope = GATE_SPAN("granted");
    is(identify_with(&set, &want), "ok", "the same is no wider");
    want.subject = GATE_SPAN("mallory");
    is(identify_with(&set, &want), "subject_mismatch", "it is never somebody else's");
    want.before = NULL;
    is(identify_with(&set, &want), "idp_error", "a login must bring an ID token");
}

int main(void)
{
    test_facts();
    test_without_renewal();
    test_sources();
    test_access_tokens();
    test_vouched();
    test_userinfo();
    test_shared_secret();
    test_clock();
    test_renewal();
    return tap_done();
}
