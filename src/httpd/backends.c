/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* backends.c - which backends are reached in the clear, as far as ProxyPass says so */
#include "httpd/config_private.h"

#include <apr_strings.h>

/* One ProxyPass with a plain path. */
typedef struct backend {
    const char *path, *address;
    const ap_directive_t *directive;
    const ap_directive_t *host; /* the <VirtualHost> around it; NULL: the main server */
    bool in_location;
} backend;

/* --- reading --- */

static const ap_directive_t *host_of(const ap_directive_t *directive)
{
    while (directive && strcasecmp(directive->directive, "<VirtualHost"))
        directive = directive->parent;
    return directive;
}

/* The path of a <Location>; NULL for a pattern, of which nobody can say where it begins. */
static const char *location_path(apr_pool_t *p, const ap_directive_t *heading)
{
    const char *path = gate_heading_path(p, heading);

    return strcasecmp(heading->directive, "<Location") || strpbrk(path, "*?[") ? NULL : path;
}

static void add(apr_pool_t *p, const ap_directive_t *directive, apr_array_header_t *all)
{
    const ap_directive_t *heading = gate_directive_heading(directive->parent);
    const char *rest = directive->args;
    backend b = {.directive = directive, .host = host_of(directive), .in_location = heading};

    b.path = heading ? location_path(p, heading) : ap_getword_conf(p, &rest);
    b.address = ap_getword_conf(p, &rest);
    if (b.path && *b.path == '/')
        APR_ARRAY_PUSH(all, backend) = b;
}

static void read_tree(apr_pool_t *p, const ap_directive_t *directive, apr_array_header_t *all)
{
    for (; directive; directive = directive->next) {
        if (!strcasecmp(directive->directive, "ProxyPass"))
            add(p, directive, all);
        read_tree(p, directive->first_child, all);
    }
}

apr_array_header_t *gate_backends_read(apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 16, sizeof(backend));

    read_tree(p, ap_conftree, all);
    return all;
}

/* --- asking --- */

static bool belongs_to(const backend *b, const server_rec *s)
{
    return !b->host || (s->is_virtual && b->host->line_num == (int)s->defn_line_number &&
                        !strcmp(b->host->filename, s->defn_name));
}

/* By a scheme that says who it is in the clear, to another machine. */
static bool is_in_clear(apr_pool_t *p, const backend *b)
{
    static const char *const schemes[] = {"http://", "ws://",   "h2c://",  "ajp://",
                                          "fcgi://", "scgi://", "uwsgi://"};
    gate_url url;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const size_t len = strlen(schemes[i]);

        if (!strncasecmp(b->address, schemes[i], len))
            return gate_url_parse(gate_span_of(apr_pstrcat(p, "http://", b->address + len, NULL)),
                                  &url) &&
                   !url.is_loopback;
    }
    return false;
}

/* What serves the path itself: the innermost <Location>'s, else the server's first. */
static const backend *serving(const apr_array_header_t *all, const server_rec *s, const char *path)
{
    const backend *found = NULL;

    for (int i = 0; i < all->nelts; i++) {
        const backend *b = &APR_ARRAY_IDX(all, i, backend);

        if (!belongs_to(b, s) || !gate_path_is_around(b->path, path))
            continue;
        if (!found ||
            (b->in_location && (!found->in_location || strlen(b->path) >= strlen(found->path))))
            found = b;
    }
    return found;
}

void gate_backends_in_clear(apr_pool_t *p, const apr_array_header_t *all, const server_rec *s,
                            const char *path, void (*visit)(void *context, const char *text),
                            void *context)
{
    const backend *own = serving(all, s, path);

    for (int i = 0; i < all->nelts; i++) {
        const backend *b = &APR_ARRAY_IDX(all, i, backend);
        const bool is_beneath = gate_path_is_around(path, b->path) && strcmp(path, b->path) != 0;

        if (belongs_to(b, s) && (b == own || is_beneath) && is_in_clear(p, b))
            visit(context, apr_psprintf(p, "ProxyPass %s (%s)", b->address,
                                        gate_directive_place(p, b->directive)));
    }
}
