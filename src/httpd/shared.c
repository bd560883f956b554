/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/shared.h"

#include <apr_strings.h>

#include "httpd/config_private.h"

/* Kind and words, each with the NUL that ends it, so that no two lists of words read alike. */
static gate_span key_of(apr_pool_t *p, const char *kind, const char *const *words)
{
    size_t len = strlen(kind) + 1;
    char *key, *to;

    for (int i = 0; words[i]; i++)
        len += strlen(words[i]) + 1;
    key = apr_palloc(p, len);
    to = (char *)memcpy(key, kind, strlen(kind) + 1) + strlen(kind) + 1;
    for (int i = 0; words[i]; i++)
        to = (char *)memcpy(to, words[i], strlen(words[i]) + 1) + strlen(words[i]) + 1;
    return (gate_span){key, len};
}

const void *gate_shared_find(apr_pool_t *scratch, const char *kind, const char *const *words)
{
    const gate_span key = key_of(scratch, kind, words);

    return apr_hash_get(gate_configuration->shared, key.ptr, (apr_ssize_t)key.len);
}

void gate_shared_keep(const char *kind, const char *const *words, const void *made)
{
    gate_registry *registry = gate_configuration;
    gate_span key;

    if (registry->is_read)
        return;
    key = key_of(registry->pool, kind, words);
    apr_hash_set(registry->shared, key.ptr, (apr_ssize_t)key.len, made);
}

const char *gate_shared_text(const char *text)
{
    gate_registry *registry = gate_configuration;
    const char *shared = apr_hash_get(registry->texts, text, APR_HASH_KEY_STRING);

    if (!shared) {
        shared = apr_pstrdup(registry->pool, text);
        apr_hash_set(registry->texts, shared, APR_HASH_KEY_STRING, shared);
    }
    return shared;
}
