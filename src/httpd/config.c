/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* config.c - what requests ask of the configuration */
#include "httpd/config_private.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_request.h"

#include "httpd/request.h"

const gate_compiled *gate_dir_compiled(apr_pool_t *p, gate_dir *dir)
{
    const gate_compiled *compiled = atomic_load_explicit(&dir->compiled, memory_order_acquire);

    if (compiled)
        return compiled;
    apr_thread_mutex_lock(gate_configuration->mutex);
    compiled = atomic_load(&dir->compiled);
    if (!compiled) {
        apr_pool_t *scratch;

        apr_pool_create(&scratch, gate_configuration->pool);
        compiled = gate_compile(dir->is_fleeting ? p : gate_configuration->pool, scratch, dir);
        atomic_store_explicit(&dir->compiled, compiled, memory_order_release);
        apr_pool_destroy(scratch);
    }
    apr_thread_mutex_unlock(gate_configuration->mutex);
    return compiled;
}

static gate_dir *dir_of(ap_conf_vector_t *sections)
{
    return ap_get_module_config(sections, &oidc_gate_module);
}

/* What stays the same pointer, whatever a .htaccess forces. */
static gate_dir *stable_of(const request_rec *r)
{
    gate_dir *dir = dir_of(r->per_dir_config);

    return dir->stands_for ? dir->stands_for : dir;
}

static bool is_ours(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && !strcasecmp(type, "OIDCGate");
}

/* From the decision on they are those that it was made by; NULL where there was none, or the
 * request has others now. */
static const gate_settings *decided_by(request_rec *r)
{
    const gate_state *state = gate_state_of(r);

    return state && state->sections == r->per_dir_config ? state->settings : NULL;
}

const gate_settings *gate_config_settings(request_rec *r, const char **problem)
{
    const gate_settings *settings = decided_by(r);
    const gate_compiled *compiled;

    *problem = NULL;
    if (settings)
        return settings;
    if (!is_ours(r))
        return NULL;
    /* What is made for one request is known to all its parts, and outlives each of them. */
    compiled = gate_dir_compiled(gate_whole_of(r)->pool, stable_of(r));
    *problem = compiled->problem;
    return compiled->settings;
}

bool gate_config_forces_authn(request_rec *r)
{
    const gate_dir *dir = dir_of(r->per_dir_config);

    return (dir->forces_authn || stable_of(r)->forces_authn) && is_ours(r);
}

bool gate_config_enforces(request_rec *r)
{
    return stable_of(r)->enforces;
}

gate_token_sources gate_config_token_sources(request_rec *r)
{
    return stable_of(r)->token_sources;
}

const gate_site *gate_config_site(server_rec *s)
{
    const gate_dir *dir = dir_of(s->lookup_defaults);

    return dir->host && atomic_load_explicit(&dir->host->is_used, memory_order_acquire)
               ? &dir->host->site
               : NULL;
}

const gate_server_options *gate_config_options(void)
{
    return &gate_configuration->options;
}

void gate_config_each_settings(void (*visit)(const gate_settings *settings, void *context),
                               void *context)
{
    gate_registry *registry = gate_configuration;

    for (apr_hash_index_t *at = apr_hash_first(registry->pool, registry->merged); at;
         at = apr_hash_next(at)) {
        gate_dir *dir = apr_hash_this_val(at);
        const gate_compiled *compiled = atomic_load(&dir->compiled);

        if (compiled && compiled->settings)
            visit(compiled->settings, context);
    }
}
