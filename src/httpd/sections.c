/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* sections.c - what is written in which section, and what comes of several together */
#include "httpd/config_private.h"

#include <stdlib.h>

#include <apr_strings.h>

/* httpd merges sections anew for each request, up to three times, and so merging costs a look-up
 * here: a section remembers what came out with each base that it met. What came out is known by its
 * chain: the ids of the written sections in it, outermost first ("0.3.7"). However it was put
 * together, one chain is one pointer, and its settings are compiled once.
 *
 * Ids follow from the configuration alone, so a chain's name means the same in every process.
 *
 * Strangers choose paths, and a path chooses the sections that match. So many memos are kept beyond
 * those that were foreseen when the configuration was read; what is merged after that belongs to
 * its request. */
#define MAX_MEMOS 16384

gate_registry *gate_configuration;

/* --- sections as they are written --- */

/* Nothing is in it. */
static gate_dir *make(apr_pool_t *p)
{
    gate_dir *dir = apr_pcalloc(p, sizeof *dir);

    dir->enforces = true;
    return dir;
}

static gate_registry *begin(apr_pool_t *p)
{
    gate_registry *registry = apr_pcalloc(p, sizeof *registry);
    apr_allocator_t *allocator;

    if (apr_allocator_create(&allocator) != APR_SUCCESS ||
        apr_pool_create_ex(&registry->pool, p, NULL, allocator) != APR_SUCCESS)
        return NULL;
    apr_allocator_owner_set(allocator, registry->pool);
    if (apr_thread_mutex_create(&registry->mutex, APR_THREAD_MUTEX_DEFAULT, registry->pool) !=
        APR_SUCCESS)
        return NULL;
    registry->sections = apr_array_make(registry->pool, 32, sizeof(gate_dir *));
    registry->merged = apr_hash_make(registry->pool);
    registry->shared = apr_hash_make(registry->pool);
    registry->texts = apr_hash_make(registry->pool);
    gate_told_begin();
    return registry;
}

/* Called for the main server first of all, once per reading: all that is static begins anew here.
 */
void *gate_config_create_server(apr_pool_t *p, server_rec *s)
{
    if (!s->is_virtual) {
        gate_configuration = begin(p);
        if (!gate_configuration)
            abort(); /* as httpd itself does where there is no memory */
        gate_configuration->nothing = make(p);
    }
    return gate_configuration;
}

void *gate_config_merge_server(apr_pool_t *p, void *base, void *add)
{
    return add;
}

void *gate_config_create_dir(apr_pool_t *p, char *place)
{
    gate_dir *dir = make(p);

    dir->place = place;
    dir->is_fleeting = gate_configuration->is_read;
    return dir;
}

/* Gives a section its id, once. */
static void enroll(gate_dir *dir)
{
    apr_array_header_t *sections = gate_configuration->sections;
    int *id;

    if (dir->id_count)
        return;
    id = apr_palloc(gate_configuration->pool, sizeof *id);
    *id = sections->nelts;
    APR_ARRAY_PUSH(sections, gate_dir *) = dir;
    dir->ids = id;
    dir->id_count = 1;
    dir->number = gate_configuration->dir_count++;
}

gate_directives *gate_dir_begin(const cmd_parms *cmd, gate_dir *dir)
{
    enroll(dir);
    dir->heading = gate_directive_heading(cmd->directive);
    dir->server = cmd->server;
    if (!dir->written)
        dir->written = apr_pcalloc(cmd->pool, sizeof *dir->written);
    return dir->written;
}

void gate_config_force_authn(cmd_parms *cmd)
{
    gate_dir *dir =
        ap_set_config_vectors(cmd->server, cmd->context, cmd->path, &oidc_gate_module, cmd->pool);
    gate_directives *written;

    if (dir->is_fleeting) {
        dir->forces_authn = true;
        dir->stands_for = gate_configuration->nothing;
        return;
    }
    written = gate_dir_begin(cmd, dir);
    written->forces_authn = 1;
    written->set |= GATE_BIT(forces_authn);
    written->where[GATE_FIELD_forces_authn] = cmd->directive;
}

/* --- where something is written --- */

const char *gate_directive_place(apr_pool_t *p, const ap_directive_t *directive)
{
    return directive ? apr_psprintf(p, "%s:%d", directive->filename, directive->line_num)
                     : "by default";
}

static bool is_section(const ap_directive_t *directive)
{
    static const char *const names[] = {
        "<Location", "<LocationMatch", "<Directory",  "<DirectoryMatch",
        "<Files",    "<FilesMatch",    "<If",         "<ElseIf",
        "<Else",     "<Proxy",         "<ProxyMatch",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!strcasecmp(directive->directive, names[i]))
            return true;
    }
    return false;
}

const ap_directive_t *gate_directive_heading(const ap_directive_t *directive)
{
    for (; directive; directive = directive->parent) {
        if (is_section(directive))
            return directive;
    }
    return NULL;
}

const char *gate_heading_arguments(apr_pool_t *p, const ap_directive_t *heading)
{
    const size_t len = strlen(heading->args);

    return apr_pstrndup(p, heading->args, len && heading->args[len - 1] == '>' ? len - 1 : len);
}

const char *gate_heading_path(apr_pool_t *p, const ap_directive_t *heading)
{
    const char *arguments = gate_heading_arguments(p, heading);

    return ap_getword_conf(p, &arguments);
}

static const ap_directive_t *any_place(const gate_directives *says)
{
    if (says->set & GATE_BIT(auth_type))
        return says->where[GATE_FIELD_auth_type];
    for (int i = 0; i < GATE_FIELD_COUNT; i++) {
        if (says->where[i])
            return says->where[i];
    }
    return NULL;
}

const char *gate_directives_text(apr_pool_t *p, const gate_directives *says)
{
    const ap_directive_t *place = any_place(says), *heading = gate_directive_heading(place);

    if (!heading)
        return place ? gate_directive_place(p, place) : "this server";
    return apr_psprintf(p, "%s %s (%s)", heading->directive, heading->args,
                        gate_directive_place(p, heading));
}

bool gate_dir_is_guarded(const gate_dir *dir)
{
    return dir->auth_type && !strcasecmp(dir->auth_type, "OIDCGate");
}

bool gate_dir_may_be_guarded(const gate_dir *dir)
{
    return gate_dir_is_guarded(dir) || (dir->auth_type && strstr(dir->auth_type, "%{"));
}

/* --- merging --- */

/* A client id belongs to an issuer, a secret to a client id, and a resource's name to the resource:
 * with another one, what belonged to the former is not inherited, so that no secret goes to
 * somebody it was not meant for. That it was there is still seen from its place. */
static apr_uint64_t fields_to_drop(const gate_directives *base, const gate_directives *add)
{
    const apr_uint64_t of_client = GATE_BIT(client_secret) | GATE_BIT(client_auth);
    const apr_uint64_t of_issuer = GATE_BIT(client_id) | GATE_BIT(discovery) |
                                   GATE_BIT(discovery_domains) | GATE_BIT(endpoints) | of_client;
    const apr_uint64_t both = base->set & add->set;
    apr_uint64_t fields = 0;

    if (both & GATE_BIT(issuer) && strcmp(base->issuer, add->issuer))
        fields |= of_issuer;
    if (both & GATE_BIT(client_id) && strcmp(base->client_id, add->client_id))
        fields |= of_client;
    if (both & GATE_BIT(resource) && strcmp(base->resource, add->resource))
        fields |= GATE_BIT(resource_name) | GATE_BIT(resource_scopes);
    return fields;
}

/* Puts what is set in add over what is in onto. */
static void lay_over(gate_directives *onto, const gate_directives *add)
{
    onto->set &= ~fields_to_drop(onto, add);
#define GATE_FIELD_LAY(type, name)                                      \
    if (add->set & GATE_BIT(name)) {                                    \
        onto->name = add->name;                                         \
        onto->where[GATE_FIELD_##name] = add->where[GATE_FIELD_##name]; \
    }
    GATE_DIR_FIELDS(GATE_FIELD_LAY)
#undef GATE_FIELD_LAY
    onto->set |= add->set;
}

void gate_directives_complete(gate_directives *says)
{
    const gate_directives *standard = gate_configuration->standard;

#define GATE_FIELD_COMPLETE(type, name) \
    if (!(says->set & GATE_BIT(name)))  \
        says->name = standard->name;
    GATE_DIR_FIELDS(GATE_FIELD_COMPLETE)
#undef GATE_FIELD_COMPLETE
}

static gate_dir *section(int id)
{
    return APR_ARRAY_IDX(gate_configuration->sections, id, gate_dir *);
}

/* From the sections as they were written, so that it does not matter in which order they were put
 * together. */
void gate_dir_read(const gate_dir *dir, gate_directives *says)
{
    memset(says, 0, sizeof *says);
    for (int i = 0; i < dir->id_count; i++) {
        const gate_directives *written = section(dir->ids[i])->written;

        if (written)
            lay_over(says, written);
    }
}

static void settle(gate_dir *dir)
{
    gate_directives says;

    gate_dir_read(dir, &says);
    dir->auth_type = (says.set & GATE_BIT(auth_type)) ? says.auth_type : NULL;
    if (says.set & GATE_BIT(token_sources))
        dir->token_sources = gate_token_sources_of(says.token_sources);
    dir->forces_authn =
        says.set & GATE_BIT(forces_authn) || (says.set & GATE_BIT(on_unauthenticated) &&
                                              says.on_unauthenticated == GATE_UNAUTHENTICATED_PASS);
    dir->enforces = !(says.set & GATE_BIT(enforces)) || says.enforces;
}

void gate_dir_settle_all(void)
{
    for (int i = 0; i < gate_configuration->sections->nelts; i++)
        settle(section(i));
}

static bool has_id(const int *ids, int count, int id)
{
    for (int i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

/* The chain of add within base. A section that is in both counts where it comes last. */
static int *chain(apr_pool_t *p, const gate_dir *base, const gate_dir *add, int *count)
{
    int *ids = apr_palloc(p, sizeof *ids * (size_t)(base->id_count + add->id_count));

    *count = 0;
    for (int i = 0; i < base->id_count; i++) {
        if (!has_id(add->ids, add->id_count, base->ids[i]))
            ids[(*count)++] = base->ids[i];
    }
    for (int i = 0; i < add->id_count; i++)
        ids[(*count)++] = add->ids[i];
    return ids;
}

const char *gate_chain_name(apr_pool_t *p, const int *ids, int count)
{
    const char *name = "";

    for (int i = 0; i < count; i++)
        name = apr_psprintf(p, "%s%s%d", name, i ? "." : "", ids[i]);
    return name;
}

static gate_dir *merge_chain(apr_pool_t *p, const int *ids, int count)
{
    gate_dir *dir = make(p);

    dir->ids = ids;
    dir->id_count = count;
    for (int i = 0; i < count; i++) {
        const gate_dir *written = section(ids[i]);

        if (written->place && written->place[0] != '*') /* "*If" is no path */
            dir->place = written->place;
        if (written->host)
            dir->host = written->host;
    }
    settle(dir);
    return dir;
}

static gate_dir *recall(const gate_dir *base, gate_dir *add)
{
    const gate_memo *memo =
        atomic_load_explicit(&add->memos[base->number % GATE_MEMO_BUCKETS], memory_order_acquire);

    for (; memo; memo = memo->next) {
        if (memo->base == base)
            return memo->merged;
    }
    return NULL;
}

static void remember(const gate_dir *base, gate_dir *add, gate_dir *merged)
{
    _Atomic(gate_memo *) *bucket = &add->memos[base->number % GATE_MEMO_BUCKETS];
    gate_memo *memo = apr_palloc(gate_configuration->pool, sizeof *memo);

    *memo = (gate_memo){base, merged, atomic_load(bucket)};
    atomic_store_explicit(bucket, memo, memory_order_release);
    if (gate_configuration->is_read)
        gate_configuration->memo_count++;
}

/* Under the mutex. NULL: there are so many chains that no more are kept. */
static gate_dir *keep(apr_pool_t *scratch, const gate_dir *base, gate_dir *add)
{
    gate_registry *registry = gate_configuration;
    gate_dir *merged = recall(base, add); /* another thread may have been faster */
    const char *name;
    int *ids, count;

    if (merged || (registry->is_read && registry->memo_count >= MAX_MEMOS))
        return merged;
    ids = chain(scratch, base, add, &count);
    name = gate_chain_name(scratch, ids, count);
    merged = apr_hash_get(registry->merged, name, APR_HASH_KEY_STRING);
    if (!merged) {
        merged = merge_chain(registry->pool,
                             apr_pmemdup(registry->pool, ids, sizeof *ids * (size_t)count), count);
        merged->number = registry->dir_count++;
        apr_hash_set(registry->merged, apr_pstrdup(registry->pool, name), APR_HASH_KEY_STRING,
                     merged);
    }
    remember(base, add, merged);
    return merged;
}

static gate_dir *merge_slowly(apr_pool_t *p, gate_dir *base, gate_dir *add)
{
    gate_dir *merged = NULL;
    int *ids, count;

    if (!base->is_fleeting && !add->is_fleeting) {
        apr_thread_mutex_lock(gate_configuration->mutex);
        merged = keep(p, base, add);
        apr_thread_mutex_unlock(gate_configuration->mutex);
    }
    if (merged)
        return merged;
    ids = chain(p, base, add, &count);
    merged = merge_chain(p, ids, count);
    merged->is_fleeting = true;
    return merged;
}

gate_dir *gate_dir_merge(apr_pool_t *p, gate_dir *base, gate_dir *add)
{
    gate_dir *merged;

    if (!add->id_count)
        return base;
    if (!base->id_count)
        return add;
    merged = recall(base, add);
    return merged ? merged : merge_slowly(p, base, add);
}

gate_dir *gate_dir_give(gate_dir *dir, gate_host *host)
{
    gate_dir *own = make(gate_configuration->pool);

    own->host = host;
    own->server = host->server;
    enroll(own);
    return gate_dir_merge(gate_configuration->pool, dir, own);
}

gate_dir *gate_dir_find(apr_pool_t *p, const int *ids, int count)
{
    gate_dir *dir = NULL;

    for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= gate_configuration->sections->nelts)
            return NULL;
        dir = dir ? gate_dir_merge(p, dir, section(ids[i])) : section(ids[i]);
    }
    return dir;
}

/* One side comes from a .htaccess with a gate rule in <RequireNone>. All else it leaves as it is,
 * so what it stands for stays the pointer that settings are kept with. */
static gate_dir *merge_forced(apr_pool_t *p, gate_dir *base, gate_dir *add)
{
    gate_dir *forced = make(p);

    forced->stands_for = gate_dir_merge(p, base->stands_for ? base->stands_for : base,
                                        add->stands_for ? add->stands_for : add);
    forced->forces_authn = true;
    return forced;
}

void *gate_config_merge_dir(apr_pool_t *p, void *base_, void *add_)
{
    gate_dir *base = base_, *add = add_;

    return base->stands_for || add->stands_for ? merge_forced(p, base, add)
                                               : gate_dir_merge(p, base, add);
}
