/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/filed.h"

#include "gate/revoke.h"
#include "world.h"

static const char page[] = "/app/x";

static gate_reason find(const char *name, gate_filed *filed)
{
    return gate_filed_find(request_at("GET", "/", false), &the.gate, gate_span_of(name), filed);
}

static const char *name_of(gate_decision decision)
{
    return decision.filed_under.is_known
               ? gate_filed_name(the.pool, &the.gate, &decision.filed_under.key)
               : "none";
}

static void test_session(void)
{
    gate_settings *s = world_begin();
    const char *name;
    gate_filed filed;

    is(name_of(ask_for(s, page)), "none", "who brings nothing has no name");
    sign_in(s, page);
    world_wait(20);
    name = name_of(ask_for(s, page));
    ok(strlen(name) == GATE_FILED_NAME_CHARS, "a session has one");
    is(name_of(ask_for(s, page)), name, "always the same");
    ok(find(name, &filed) == GATE_OK && filed.is_found && filed.kind == GATE_STORE_SESSION,
       "by which it is found");
    ok(filed.record.created == WORLD_START && !filed.record.value.ptr && !filed.all_ended_at,
       "with its times, and nothing that is in it");
    ok(gate_revoke(request_at("POST", "/", false), &the.gate, &(gate_ending){.issuer = NULL},
                   NULL) == GATE_OK &&
           find(name, &filed) == GATE_OK && filed.all_ended_at == WORLD_START + 20,
       "that everybody's were ended is said");
    the.keys[1] = the.keys[0];
    memset(&the.keys[0], 7, sizeof the.keys[0]);
    the.gate.key_count = 2;
    ok(find(name, &filed) == GATE_OK && filed.is_found, "a name outlives a change of the key");
    the.gate.key_count = 1;
    ok(find(name, &filed) == GATE_OK && !filed.is_found, "but not the key");
}

static void test_tokens(void)
{
    gate_settings *s = world_begin();
    gate_filed filed;

    s->methods |= 1u << GATE_METHOD_INTROSPECTION;
    s->introspect_all = true;
    the.authorization = "Bearer good";
    ok(find(name_of(ask_for(s, page)), &filed) == GATE_OK && filed.is_found &&
           filed.kind == GATE_STORE_TOKEN,
       "a token that is good");
    op.at[OP_INTROSPECTION].body = "{\"active\":false}";
    op.at[OP_INTROSPECTION].status = 200;
    the.authorization = "Bearer bad";
    ok(find(name_of(ask_for(s, page)), &filed) == GATE_OK && filed.is_found &&
           filed.kind == GATE_STORE_NEGATIVE && filed.reason == GATE_TOKEN_INACTIVE,
       "one that is not, and why");
}

static void test_other_names(void)
{
    static const char *const names[] = {"", "0123456789abcde", "0123456789abcdef0",
                                        "0123456789ABCDEF", "0123456789abcdeg"};
    gate_filed filed;

    world_begin();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        is(gate_reason_name(find(names[i], &filed)), "malformed_request", "'%s' is none", names[i]);
    ok(find("0123456789abcdef", &filed) == GATE_OK && !filed.is_found, "nobody's");
    the.store.fail_at = 1;
    the.store.fails_ever_after = true;
    is(gate_reason_name(find("0123456789abcdef", &filed)), "store_unavailable",
       "a store that cannot tell does not say no");
}

int main(void)
{
    test_session();
    test_tokens();
    test_other_names();
    return tap_done();
}
