/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/record.h"

#include "base/pack.h"
#include "identity.h"
#include "world.h"

static gate_digest realm, another_realm;
static gate_record_lock lock;
static gate_owner owner = {{1, 2, 3}};

static const gate_tokens some = {
    .access_token = GATE_SPAN("access"),
    .refresh_token = GATE_SPAN("refresh"),
    .id_token = GATE_SPAN("id"),
    .userinfo = GATE_SPAN("{}"),
    .introspection = GATE_SPAN("{\"active\":true}"),
    .access_expires = 1750000300,
    .renew_at = 1750000240,
};

static void begin(void)
{
    world_begin();
    gate_random_bytes(&realm, sizeof realm);
    gate_random_bytes(&another_realm, sizeof another_realm);
    gate_random_bytes(&lock.key, sizeof lock.key);
    gate_random_bytes(&lock.filed_under, sizeof lock.filed_under);
    lock.realm = &realm;
}

static gate_span seal(const gate_tokens *tokens)
{
    gate_span identity, value = {NULL, 0};

    identity_encode(the.pool, "{\"email\":\"a@b\"}", &identity);
    gate_record_seal(the.pool, &the.gate, &lock, &owner, identity, tokens, &value);
    return value;
}

static bool opens(gate_span value)
{
    const gate_identity *identity;

    return gate_record_identity(the.pool, &lock, value, &identity) == GATE_OK;
}

static bool opens_tokens(gate_span value, gate_tokens *tokens)
{
    return gate_record_tokens(the.pool, &lock, value, tokens) == GATE_OK;
}

static void test_round_trip(void)
{
    const gate_identity *identity = NULL;
    gate_tokens tokens;
    gate_span value;

    begin();
    value = seal(&some);
    ok(gate_record_identity(the.pool, &lock, value, &identity) == GATE_OK,
       "an identity is sealed and opened");
    is(text_of(gate_identity_subject(identity)), "the-subject", "and is the same");
    ok(opens_tokens(value, &tokens), "and so are the tokens");
    ok(gate_span_equal(tokens.access_token, some.access_token) &&
           gate_span_equal(tokens.refresh_token, some.refresh_token) &&
           gate_span_equal(tokens.id_token, some.id_token) &&
           gate_span_equal(tokens.userinfo, some.userinfo) &&
           gate_span_equal(tokens.introspection, some.introspection) &&
           tokens.access_expires == some.access_expires && tokens.renew_at == some.renew_at,
       "each of them");
    ok(gate_record_marked(value) == 0, "it has no mark");
    value = seal(NULL);
    ok(opens(value) && !opens_tokens(value, &tokens), "where there are none there are none");
}

static void test_bound(void)
{
    gate_record_lock right;
    gate_tokens tokens;
    gate_span value;

    begin();
    right = lock;
    value = seal(&some);
    gate_random_bytes(&lock.key, sizeof lock.key);
    ok(!opens(value) && !opens_tokens(value, &tokens), "another key opens nothing");
    lock = right;
    gate_random_bytes(&lock.filed_under, sizeof lock.filed_under);
    ok(!opens(value) && !opens_tokens(value, &tokens), "nor does it open elsewhere");
    lock = right;
    lock.realm = &another_realm;
    ok(!opens(value) && !opens_tokens(value, &tokens), "nor in another realm");
    lock = right;
    ok(opens(value), "where it belongs it opens");
}

static void test_swapped(void)
{
    gate_span value, parts[4], swapped;
    gate_tokens tokens;
    char *bytes;

    begin();
    value = seal(&some);
    gate_pack_read(value, parts, 4);
    bytes = apr_pmemdup(the.pool, value.ptr, value.len);
    swapped = (gate_span){bytes, value.len};
    bytes += parts[1].ptr - 4 - value.ptr;
    memcpy(bytes, parts[2].ptr - 4, parts[2].len + 4);
    memcpy(bytes + parts[2].len + 4, parts[1].ptr - 4, parts[1].len + 4);
    ok(!opens(swapped) && !opens_tokens(swapped, &tokens),
       "the box of the tokens is none of an identity, nor the other way round");
}

static void test_owner(void)
{
    const gate_owner other = {{9}};
    gate_span value, marked, cut;
    char *bytes;

    begin();
    value = seal(&some);
    gate_record_mark(the.pool, value, 1750000001, &marked);
    cut = (gate_span){value.ptr, 128};
    ok(gate_record_is_of(value, &owner) && gate_record_is_of(marked, &owner),
       "whose a record is stands beside its boxes");
    ok(gate_record_is_of(cut, &owner), "and can be read from its beginning");
    ok(!gate_record_is_of(value, &other) && !gate_record_is_of((gate_span){value.ptr, 19}, &owner),
       "it is nobody else's");
    bytes = apr_pmemdup(the.pool, value.ptr, value.len);
    memcpy(bytes + 4, &other, sizeof other);
    ok(!opens((gate_span){bytes, value.len}), "given to another owner it does not open");
}

static void test_mark(void)
{
    gate_span value, marked = {NULL, 0};
    gate_tokens tokens;

    begin();
    value = seal(&some);
    ok(gate_record_mark(the.pool, value, 1750000001, &marked), "a record is marked");
    ok(gate_record_marked(marked) == 1750000001, "with the time");
    ok(opens(marked) && opens_tokens(marked, &tokens), "and opens as before");
    ok(!gate_record_mark(the.pool, GATE_SPAN("garbage"), 1, &marked),
       "what is no record is not marked");
    ok(gate_record_marked(GATE_SPAN("garbage")) == 0 &&
           gate_record_marked((gate_span){NULL, 0}) == 0,
       "nor has it a mark");
}

static void test_exchange(void)
{
    const gate_tokens other = {.access_token = GATE_SPAN("newer")};
    gate_span value, marked, exchanged = {NULL, 0};
    gate_tokens tokens;

    begin();
    value = seal(&some);
    gate_record_mark(the.pool, value, 1, &marked);
    ok(gate_record_exchange_tokens(the.pool, &the.gate, &lock, marked, &other, &exchanged),
       "tokens are exchanged");
    ok(opens(exchanged) && opens_tokens(exchanged, &tokens) &&
           gate_span_is(tokens.access_token, "newer") && !tokens.refresh_token.ptr,
       "for those alone");
    ok(gate_record_marked(exchanged) == 0, "and the mark goes with the old ones");
    ok(!gate_record_exchange_tokens(the.pool, &the.gate, &lock, GATE_SPAN("garbage"), &other,
                                    &exchanged),
       "what is no record has none");
}

static void test_no_randomness(void)
{
    gate_span identity, value = {NULL, 0};

    for (int n = 1; n <= 2; n++) {
        begin();
        identity_encode(the.pool, "{}", &identity);
        the.random_fails_at = n;
        ok(!gate_record_seal(the.pool, &the.gate, &lock, &owner, identity, &some, &value),
           "without randomness nothing is sealed");
    }
}

static void test_garbage(void)
{
    unsigned char bytes[200];
    int opened = 0;

    begin();
    for (int i = 0; i < 1000; i++) {
        gate_tokens tokens;

        gate_random_bytes(bytes, sizeof bytes);
        bytes[1] = bytes[2] = bytes[3] = 0;
        opened += opens((gate_span){(const char *)bytes, sizeof bytes});
        opened += opens_tokens((gate_span){(const char *)bytes, sizeof bytes}, &tokens);
    }
    ok(opened == 0, "nothing else opens");
}

int main(void)
{
    test_round_trip();
    test_bound();
    test_swapped();
    test_owner();
    test_mark();
    test_exchange();
    test_no_randomness();
    test_garbage();
    return tap_done();
}
