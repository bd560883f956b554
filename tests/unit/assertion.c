/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/assertion.h"

#include "identity.h"
#include "sign.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/pem.h>

#include "base/json.h"
#include "gate/template.h"
#include "jose/jwt.h"

#define NOW      1700000000
#define AUDIENCE "https://backend.example"

static const gate_signer *signer_of(apr_pool_t *p, EVP_PKEY *key)
{
    const char *problem = NULL;
    char *bytes;
    BIO *bio = BIO_new(BIO_s_mem());
    sign_must(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, "a private key");
    const long len = BIO_get_mem_data(bio, &bytes);
    const gate_signer *signer = gate_signer_read(p, (gate_span){bytes, (size_t)len}, &problem);
    BIO_free(bio);
    sign_must(signer != NULL, problem);
    return signer;
}

static apr_array_header_t *names(apr_pool_t *p, const char *words)
{
    apr_array_header_t *list = apr_array_make(p, 8, sizeof(gate_claim_name));
    gate_span rest = gate_span_of(words), word;
    while (gate_span_word(&rest, &word))
        sign_must(gate_claim_name_read(word, apr_array_push(list)), words);
    return list;
}

static bool no_randomness(void *bytes, size_t len)
{
    return false;
}

/* The claims of what is made of the identity; *verdict is that of the published keys. */
static const json_t *read_claims(apr_pool_t *p, const gate_assertion *assertion, const char *json,
                                 gate_reason *verdict)
{
    const gate_asserted who = {
        .issuer = "https://www.example.com",
        .user = "bob",
        .method = "code",
        .identity = identity_of(p, json),
        .now = NOW,
    };
    gate_span text;
    gate_jwt *jwt;
    const gate_jwks *keys = gate_jwks_read(p, gate_span_of(gate_assertion_keys(p, assertion)));
    sign_must(gate_assertion_make(p, assertion, &who, GATE_SPAN(AUDIENCE), gate_random_bytes,
                                  &text) == GATE_OK,
              json);
    sign_must(gate_jwt_read(p, text, GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK, text.ptr);
    if (verdict)
        *verdict = gate_jwt_verify(jwt, keys);
    return jwt->claims;
}

static const json_t *claims_of(apr_pool_t *p, const gate_assertion *assertion, const char *json)
{
    gate_reason verdict;
    const json_t *claims = read_claims(p, assertion, json, &verdict);
    ok(verdict == GATE_OK, "what is signed verifies");
    return claims;
}

static const char *text_of(apr_pool_t *p, const json_t *claims, const char *name)
{
    return gate_json_compact(p, json_object_get(claims, name)).ptr;
}

static void who_it_is(apr_pool_t *p, const gate_assertion *assertion)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"iss", "\"https://www.example.com\""},
        {"sub", "\"bob\""},
        {"aud", "\"" AUDIENCE "\""},
        {"iat", "1700000000"},
        {"exp", "1700000060"},
        {"idp", "\"https://op.example\""},
        {"method", "\"code\""},
    };
    const json_t *claims = claims_of(p, assertion, "{\"email\":\"b@x\"}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        is(text_of(p, claims, cases[i].name), cases[i].want, "%s", cases[i].name);
    ok(json_object_size(claims) == 8, "nothing that was not asked for is said");
    const gate_span jti = gate_json_text(claims, "jti");
    ok(jti.len == 22, "it has an id");
    ok(!gate_span_equal(gate_json_text(claims_of(p, assertion, "{}"), "jti"), jti),
       "which no other has");
}

static void what_is_configured(apr_pool_t *p, const gate_assertion *plain)
{
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"email", "\"b\\\"\\\\@x\\n\xc3\xa9\""},
        {"n", "7"},
        {"x", "0.5"},
        {"yes", "true"},
        {"nothing", "null"},
        {"groups", "[\"a\",\"b,c\",1,null,false]"},
        {"none", "[]"},
        {"deep", "{\"a\":[1,{\"b\":2}]}"},
        {"list", "[{\"a\":1},[2]]"},
        {"deep.a", "[1,{\"b\":2}]"},
        {"https://x.example/r", "[\"r\"]"},
    };
    gate_assertion assertion = *plain;
    assertion.claims = names(
        p, "email n id:x yes nothing groups none deep list deep.a https://x.example/r gone at:n");
    const json_t *claims = claims_of(
        p, &assertion,
        "{\"email\":\"b\\\"\\\\@x\\n\\u00e9\",\"n\":7,\"x\":0.5,\"yes\":true,\"nothing\":null,"
        "\"groups\":[\"a\",\"b,c\",1,null,false],\"none\":[],\"deep\":{\"a\":[1,{\"b\":2}]},"
        "\"list\":[{\"a\":1},[2]],\"https://x.example/r\":[\"r\"],\"other\":1}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        is(text_of(p, claims, cases[i].name), cases[i].want, "%s comes as it was", cases[i].name);
    ok(json_object_size(claims) == 8 + sizeof cases / sizeof cases[0],
       "what is not there, or not asked for, is not said");
}

/* -- whatever the claims are, who reads the assertion gets them back -- */

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 16) % below;
}

static json_t *draw_string(unsigned *state)
{
    static const char *const pieces[] = {
        "a",    ",",    "\"",       "\\",      "/", "\n", "\x01",
        "\x1f", "\x7f", "\xc3\xa9", "\\u0022", "}", "]",  "\xf0\x9f\x98\x80",
        "</x>"};
    char text[64] = "";
    for (unsigned i = draw(state, 6); i; i--)
        strncat(text, pieces[draw(state, sizeof pieces / sizeof pieces[0])],
                sizeof text - strlen(text) - 1);
    return json_string(text);
}

static json_t *draw_value(unsigned *state, unsigned depth)
{
    json_t *value;
    switch (draw(state, depth ? 7 : 5)) {
    case 0:
        return json_integer((json_int_t)draw(state, 60000) - 30000);
    case 1:
        return json_real(draw(state, 1000) / 7.0);
    case 2:
        return json_boolean(draw(state, 2));
    case 3:
        return json_null();
    case 5:
        value = json_array();
        for (unsigned i = draw(state, 4); i; i--)
            json_array_append_new(value, draw_value(state, depth - 1));
        return value;
    case 6:
        value = json_object();
        for (unsigned i = draw(state, 4); i; i--)
            json_object_set_new(value, i % 2 ? "x" : "y\"\\", draw_value(state, depth - 1));
        return value;
    default:
        return draw_string(state);
    }
}

static void any_claims(apr_pool_t *parent, const gate_assertion *plain)
{
    static const char *const all[] = {"a", "b.c", "d\"e", "f\xc3\xa9", "https://x.example/g"};
    gate_assertion assertion = *plain;
    unsigned state = 7;
    int different = 0, compared = 0;
    assertion.claims = names(parent, "a b.c d\"e f\xc3\xa9 https://x.example/g");
    for (int i = 0; i < 300; i++) {
        apr_pool_t *p;
        apr_pool_create(&p, parent);
        json_t *object = gate_json_own(p, json_object());
        for (size_t n = 0; n < sizeof all / sizeof all[0]; n++)
            json_object_set_new(object, all[n], draw_value(&state, 3));
        const json_t *claims = read_claims(p, &assertion, gate_json_compact(p, object).ptr, NULL);
        for (size_t n = 0; n < sizeof all / sizeof all[0]; n++, compared++)
            different +=
                !json_equal(json_object_get(claims, all[n]), json_object_get(object, all[n]));
        apr_pool_destroy(p);
    }
    ok(different == 0, "of %d claims all come back as they were (%d do not)", compared, different);
}

static void owns(void)
{
    static const char *const ours[] = {"iss", "sub", "aud", "iat",   "nbf",
                                       "exp", "jti", "idp", "method"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        ok(gate_assertion_owns(gate_span_of(ours[i])), "%s is the gate's to say", ours[i]);
    ok(!gate_assertion_owns(GATE_SPAN("email")) && !gate_assertion_owns(GATE_SPAN("su")) &&
           !gate_assertion_owns(GATE_SPAN("subject")),
       "others are not");
}

/* It is not believed longer than what it says. */
static void ends(apr_pool_t *p, const gate_assertion *assertion)
{
    static const struct {
        apr_int64_t expires, want;
        const char *name;
    } cases[] = {
        {0, NOW + 60, "where the identity has no end of its own"},
        {NOW + 3600, NOW + 60, "where it ends later"},
        {NOW + 20, NOW + 20, "where it ends before"},
        {NOW - 20, NOW + 60, "where it is the session that counts"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const gate_identity_facts facts = {
            .issuer = GATE_SPAN("i"), .subject = GATE_SPAN("s"), .expires = cases[i].expires};
        gate_span bytes, text;
        gate_jwt *jwt;
        apr_int64_t exp = 0;
        sign_must(gate_identity_make(p, &facts, NULL, 0, &bytes) == GATE_OK, "an identity");
        const gate_asserted who = {"o", "u", "code", gate_identity_open(bytes), NOW};
        sign_must(gate_assertion_make(p, assertion, &who, GATE_SPAN("a"), gate_random_bytes,
                                      &text) == GATE_OK &&
                      gate_jwt_read(p, text, GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK,
                  "an assertion");
        gate_json_seconds(jwt->claims, "exp", &exp);
        ok(exp == cases[i].want, "it ends as it should %s", cases[i].name);
    }
}

static void keys_change(apr_pool_t *p, const gate_assertion *assertion)
{
    gate_assertion both = *assertion;
    both.other = signer_of(p, sign_make_key(p, "ED25519"));
    const gate_jwks *one = gate_jwks_read(p, gate_span_of(gate_assertion_keys(p, assertion)));
    const gate_jwks *two = gate_jwks_read(p, gate_span_of(gate_assertion_keys(p, &both)));
    ok(one && one->count == 1 && gate_span_is(one->keys[0]->kid, assertion->signer->kid),
       "the key is published under its thumbprint");
    ok(two && two->count == 2 && gate_span_is(two->keys[1]->kid, both.other->kid),
       "so is the other one while they change");
    both.other = both.signer;
    const gate_jwks *same = gate_jwks_read(p, gate_span_of(gate_assertion_keys(p, &both)));
    ok(same && same->count == 1, "and the same twice is one");
}

static void in_a_template(apr_pool_t *p, const gate_assertion *assertion)
{
    const gate_template *compiled = NULL;
    gate_template_values values = {
        .identity = identity_of(p, "{}"),
        .user = "bob",
        .method = "code",
        .assertion = assertion,
        .origin = "https://www.example.com",
        .now = NOW,
        .random = gate_random_bytes,
    };
    gate_span value;
    gate_jwt *jwt;
    const char *detail = NULL;
    sign_must(!gate_template_compile(p, "%{assertion:" AUDIENCE "}", NULL, &compiled), "compiles");
    ok(gate_template_render(p, compiled, &values, &value, NULL) == GATE_OK && value.ptr &&
           gate_jwt_read(p, value, GATE_ALGS_ASYMMETRIC, &jwt) == GATE_OK &&
           gate_span_is(gate_json_text(jwt->claims, "aud"), AUDIENCE),
       "a template has one for its audience");
    values.random = no_randomness;
    ok(gate_template_render(p, compiled, &values, &value, &detail) == GATE_INTERNAL && !value.ptr,
       "without randomness there is none, and no value");
    is(detail, "%{assertion:" AUDIENCE "} cannot be signed", "which is said");
    values.user = NULL;
    ok(gate_template_render(p, compiled, &values, &value, NULL) == GATE_OK && !value.ptr,
       "nothing is asserted of nobody");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    const gate_assertion assertion = {signer_of(p, sign_make_key(p, "P-256")), NULL, 60, NULL};
    who_it_is(p, &assertion);
    what_is_configured(p, &assertion);
    any_claims(p, &assertion);
    owns();
    ends(p, &assertion);
    keys_change(p, &assertion);
    in_a_template(p, &assertion);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
