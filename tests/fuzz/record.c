/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A stored record, whatever has become of it: it opens as what it was, or not at all. The input is
 * a list of changes of three bytes to a record (where, 2, and what); and a record in itself. */
#include "fuzz.h"

#include <apr_strings.h>

#include "gate/record.h"

static const gate_digest realm = {"a realm"};
static const gate_owner owner = {"somebody"};
static const gate_tokens tokens = {
    .access_token = {"at", 2},
    .refresh_token = {"rt", 2},
    .access_expires = 1700000000,
};

static bool same_chance(void *bytes, size_t len)
{
    memset(bytes, 'n', len);
    return true;
}

static bool is_as_before(const gate_tokens *opened)
{
    return gate_span_equal(opened->access_token, tokens.access_token) &&
           gate_span_equal(opened->refresh_token, tokens.refresh_token) && !opened->id_token.ptr &&
           opened->access_expires == tokens.access_expires;
}

/* Whatever bytes these are: if they open, it is as what was sealed. */
static void check_value(apr_pool_t *p, const gate_record_lock *lock, gate_span value)
{
    const gate_identity *identity = NULL;
    gate_tokens opened;
    gate_span marked;
    const gate_reason who = gate_record_identity(p, lock, value, &identity);
    const gate_reason what = gate_record_tokens(p, lock, value, &opened);
    FUZZ_CHECK(who == GATE_OK || who == GATE_SESSION_TAMPERED);
    FUZZ_CHECK(what == GATE_OK || what == GATE_SESSION_TAMPERED);
    FUZZ_CHECK(who != GATE_OK || gate_span_is(gate_identity_subject(identity), "alice"));
    FUZZ_CHECK(what != GATE_OK || is_as_before(&opened));
    /* The owner's tag is the identity's: with another one it does not open. */
    FUZZ_CHECK(who != GATE_OK || gate_record_is_of(value, &owner));
    gate_record_is_of((gate_span){value.ptr, value.len < 60 ? value.len : 60}, &owner);
    if (gate_record_mark(p, value, 7, &marked)) {
        FUZZ_CHECK(gate_record_marked(marked) == 7);
        FUZZ_CHECK(gate_record_identity(p, lock, marked, &identity) == who &&
                   gate_record_tokens(p, lock, marked, &opened) == what);
    } else { /* no whole record; the identity opens where the front is */
        FUZZ_CHECK((who != GATE_OK || gate_record_front(value)) && what != GATE_OK &&
                   !gate_record_marked(value));
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    static const gate_key key = {"the key of the fuzzer"};
    const gate_record_lock lock = {.key = key, .realm = &realm, .filed_under = {"its place"}};
    const gate_identity_facts facts = {.issuer = GATE_SPAN("https://op.example"),
                                       .subject = GATE_SPAN("alice")};
    gate_world world = {.random = same_chance};
    gate_span identity, value;
    char *bytes;
    FUZZ_CHECK(gate_identity_make(p, &facts, NULL, 0, &identity) == GATE_OK);
    FUZZ_CHECK(gate_record_seal(p, &world, &lock, &owner, identity, &tokens, &value));
    check_value(p, &lock, value);
    check_value(p, &lock, input);
    bytes = apr_pmemdup(p, value.ptr, value.len);
    for (; input.len >= 3; input.ptr += 3, input.len -= 3) {
        const unsigned char *at = (const unsigned char *)input.ptr;
        bytes[(at[0] | (size_t)at[1] << 8) % value.len] = (char)at[2];
    }
    check_value(p, &lock, (gate_span){bytes, value.len - (input.len ? 1 : 0)});
}
