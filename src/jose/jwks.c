/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwks.h"

#include "base/json.h"

/* A key that cannot be used is left out, whatever is wrong with it (RFC 7517 section 5). */
static const gate_jwk *read_published(apr_pool_t *p, const json_t *object, const char **problem)
{
    if (!gate_span_is(gate_json_text(object, "kty"), "oct"))
        return gate_jwk_read(p, object, problem);
    *problem = "a symmetric key, which is no secret where it is published";
    return NULL;
}

static gate_jwks_skipped skip(apr_pool_t *p, const json_t *object, const char *problem)
{
    const gate_span kid = gate_json_text(object, "kid");
    return (gate_jwks_skipped){{gate_span_dup(p, kid), kid.len}, problem};
}

static const gate_jwks *read_set(apr_pool_t *p, const json_t *document)
{
    const json_t *members = json_object_get(document, "keys");
    if (!json_is_array(members) || json_array_size(members) > GATE_JWKS_MAX_KEYS)
        return NULL;
    int count = (int)json_array_size(members);
    const gate_jwk **keys = apr_pcalloc(p, (size_t)(count + 1) * sizeof *keys);
    gate_jwks_skipped *skips = apr_pcalloc(p, (size_t)(count + 1) * sizeof *skips);
    gate_jwks *set = apr_pcalloc(p, sizeof *set);
    for (int i = 0; i < count; i++) {
        const json_t *member = json_array_get(members, (size_t)i);
        const char *problem;
        const gate_jwk *key = read_published(p, member, &problem);
        if (key)
            keys[set->count++] = key;
        else
            skips[set->skipped++] = skip(p, member, problem);
    }
    set->keys = keys;
    set->skips = skips;
    return set;
}

const gate_jwks *gate_jwks_read(apr_pool_t *p, gate_span document)
{
    /* As a tree the document takes many times its size, so it goes as soon as the keys are read. */
    apr_pool_t *scratch;
    if (apr_pool_create(&scratch, p) != APR_SUCCESS)
        return NULL;
    const json_t *object = gate_json_object(scratch, document, GATE_JWKS_MAX_BYTES);
    const gate_jwks *set = object ? read_set(p, object) : NULL;
    apr_pool_destroy(scratch);
    return set;
}

const char *gate_jwks_problem(const gate_jwks *set, gate_span kid)
{
    for (int i = 0; i < set->skipped; i++)
        if (!kid.ptr || gate_span_equal(set->skips[i].kid, kid))
            return set->skips[i].problem;
    return NULL;
}
