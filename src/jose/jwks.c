/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwks.h"

#include "base/json.h"

/* A key that cannot be used is left out, whatever is wrong with it (RFC 7517 section 5). */
static const gate_jwk *read_published(apr_pool_t *p, const json_t *object)
{
    const char *problem;
    if (gate_span_is(gate_json_text(object, "kty"), "oct"))
        return NULL;
    return gate_jwk_read(p, object, &problem);
}

static const gate_jwks *read_set(apr_pool_t *p, const json_t *document)
{
    const json_t *members = json_object_get(document, "keys");
    if (!json_is_array(members) || json_array_size(members) > GATE_JWKS_MAX_KEYS)
        return NULL;
    int count = (int)json_array_size(members);
    const gate_jwk **keys = apr_pcalloc(p, (size_t)(count + 1) * sizeof *keys);
    gate_jwks *set = apr_pcalloc(p, sizeof *set);
    for (int i = 0; i < count; i++) {
        const gate_jwk *key = read_published(p, json_array_get(members, (size_t)i));
        if (key)
            keys[set->count++] = key;
        else
            set->skipped++;
    }
    set->keys = keys;
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
