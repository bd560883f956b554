/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* providers.c - the providers of the configuration: one for all sections that say the same of it */
#include "httpd/config_private.h"

#include <apr_strings.h>

#define MAX_PROVIDERS 1024

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_words(const char *const *a, const char *const *b)
{
    for (; a && b && *a && *b; a++, b++) {
        if (strcmp(*a, *b))
            return false;
    }
    return !(a && *a) && !(b && *b);
}

static bool same_provider(const gate_provider_options *a, const gate_provider_options *b)
{
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        if (!same_text(a->endpoints[i], b->endpoints[i]))
            return false;
    }
    return same_text(a->issuer, b->issuer) && a->discovery == b->discovery &&
           same_words(a->domains, b->domains) && a->allow_http == b->allow_http &&
           a->inflight == b->inflight && a->limits.connect_ms == b->limits.connect_ms &&
           a->limits.total_ms == b->limits.total_ms && a->limits.max_body == b->limits.max_body &&
           same_text(a->limits.ca_file, b->limits.ca_file) &&
           same_text(a->limits.proxy, b->limits.proxy) &&
           same_text(a->limits.proxy_credentials, b->limits.proxy_credentials) &&
           same_text(a->limits.no_proxy, b->limits.no_proxy) && same_text(a->keys, b->keys) &&
           same_text(a->limits.client_cert, b->limits.client_cert) &&
           same_text(a->limits.client_key, b->limits.client_key);
}

static const char *const *copied(apr_pool_t *p, const char *const *words)
{
    size_t count = 0;

    while (words && words[count])
        count++;
    return words ? apr_pmemdup(p, words, sizeof *words * (count + 1)) : NULL;
}

gate_provider *gate_provider_for(const gate_provider_options *options)
{
    gate_registry *registry = gate_configuration;
    gate_provider_entry *first = atomic_load(&registry->providers), *entry;
    gate_provider_options kept = *options;

    for (entry = first; entry; entry = entry->next) {
        if (same_provider(gate_provider_says(entry->provider), options))
            return entry->provider;
    }
    if (registry->provider_count >= MAX_PROVIDERS)
        return NULL;
    kept.domains = copied(registry->pool, options->domains);
    entry = apr_palloc(registry->pool, sizeof *entry);
    entry->provider = gate_provider_make(registry->pool, &kept);
    entry->next = first;
    if (!entry->provider)
        return NULL;
    registry->provider_count++;
    atomic_store_explicit(&registry->providers, entry, memory_order_release);
    return entry->provider;
}

void gate_config_each_provider(void (*visit)(gate_provider *provider, void *context), void *context)
{
    const gate_provider_entry *entry =
        atomic_load_explicit(&gate_configuration->providers, memory_order_acquire);

    for (; entry; entry = entry->next)
        visit(entry->provider, context);
}
