/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* identity.h - identities for tests, made of JSON that stands in the test */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "base/json.h"
#include "gate/claims.h"

#define IDENTITY_UNUSED __attribute__((unused))

static const char identity_issuer[] IDENTITY_UNUSED = "https://op.example";
static const char identity_subject[] IDENTITY_UNUSED = "the-subject";

/* A test without its identity has nothing to say. */
static void identity_must(int good, const char *what, const char *json)
{
    if (good)
        return;
    printf("Bail out! %s: %s\n", what, json);
    exit(1);
}

/* One member of the list: {"userinfo":{...}}, or a text, which is the granted scope. */
static int identity_add(const json_t *item, gate_identity_facts *facts, gate_claim_set *set)
{
    if (json_is_string(item)) {
        facts->scope = (gate_span){json_string_value(item), json_string_length(item)};
        return 0;
    }
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        set->source = (gate_source)i;
        set->claims = json_object_get(item, gate_source_name(set->source));
        if (set->claims)
            return 1;
    }
    identity_must(0, "a set names no source", "");
    return 0;
}

/* json is an object, the claims of an ID token; or a list of sets in their order of precedence.
 * Issuer and subject are the two above. */
static IDENTITY_UNUSED gate_reason identity_encode(apr_pool_t *p, const char *json,
                                                   gate_span *bytes)
{
    json_error_t error;
    json_t *value = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    identity_must(value != NULL, error.text, json);
    gate_json_own(p, value);

    gate_identity_facts facts = {
        .issuer = gate_span_of(identity_issuer),
        .subject = gate_span_of(identity_subject),
    };
    gate_claim_set sets[GATE_SOURCE_COUNT * 2] = {{GATE_SOURCE_ID_TOKEN, value}};
    int count = 1;
    if (json_is_array(value)) {
        count = 0;
        for (size_t i = 0; i < json_array_size(value) && i < GATE_SOURCE_COUNT * 2; i++)
            count += identity_add(json_array_get(value, i), &facts, &sets[count]);
    }
    return gate_identity_make(p, &facts, sets, count, bytes);
}

static IDENTITY_UNUSED const gate_identity *identity_of(apr_pool_t *p, const char *json)
{
    gate_span bytes = {NULL, 0};
    identity_must(identity_encode(p, json, &bytes) == GATE_OK, "no identity can be made of it",
                  json);
    const gate_identity *identity = gate_identity_open(bytes);
    identity_must(identity != NULL, "the identity cannot be opened", json);
    return identity;
}

/* The same as it was encoded when no record said which values are plain. Where things are in it,
 * gate/claims.c draws. */
static IDENTITY_UNUSED const gate_identity *identity_as_before(apr_pool_t *p,
                                                               const gate_identity *identity)
{
    enum { HEAD = 80, ENTRY = 16, VALUE = 8, ENTRIES_AT = 64, VALUES_AT = 68 };
    gate_span bytes = gate_identity_bytes(identity);
    char *copy = apr_pmemdup(p, bytes.ptr, bytes.len);
    uint32_t entries, values, word;
    memcpy(&entries, copy + ENTRIES_AT, sizeof entries);
    memcpy(&values, copy + VALUES_AT, sizeof values);
    for (uint32_t i = 0; i < values; i++) {
        char *at = copy + HEAD + entries * ENTRY + i * VALUE + sizeof word;
        memcpy(&word, at, sizeof word);
        word &= ~(1u << 28);
        memcpy(at, &word, sizeof word);
    }
    identity = gate_identity_open((gate_span){copy, bytes.len});
    identity_must(identity != NULL, "the identity of before cannot be opened", "");
    return identity;
}

#endif
