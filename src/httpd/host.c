/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* host.c - what a virtual host has once: its address, its cookies, its realms and resources */
#include "httpd/config_private.h"

#include <apr_strings.h>

#include "ap_listen.h"

/* Chains are as long as sections nest or overlap. */
#define MAX_CHAIN 64

/* --- its address --- */

/* The port of its addresses, or of the one listener that there is. 0: several, so that it is not
 * known which one browsers see. */
static apr_port_t port_of(const server_rec *s)
{
    apr_port_t port = 0;

    if (s->port) /* stands in ServerName */
        return s->port;
    if (s->is_virtual) {
        for (const server_addr_rec *address = s->addrs; address; address = address->next) {
            if (port && address->host_port != port)
                return 0;
            port = address->host_port;
        }
        if (port)
            return port;
    }
    for (const ap_listen_rec *listener = ap_listeners; listener; listener = listener->next) {
        if (port && listener->bind_addr->port != port)
            return 0;
        port = listener->bind_addr->port;
    }
    return port;
}

static bool listens_with_tls(apr_port_t port)
{
    for (const ap_listen_rec *listener = ap_listeners; listener; listener = listener->next) {
        if (listener->bind_addr->port == port && listener->protocol &&
            !strcasecmp(listener->protocol, "https"))
            return true;
    }
    return port == 443;
}

/* What ServerName and the listener make of it; NULL where they do not say. */
static const char *derive_origin(apr_pool_t *p, const gate_host *host, const gate_directives *d)
{
    const server_rec *s = host->server;
    const char *scheme = s->server_scheme;
    apr_port_t port = port_of(s);
    gate_url url;

    if (d->named != s)
        return NULL;
    if (scheme && !s->port) /* the name is an address already */
        port = strcmp(scheme, "https") ? 80 : 443;
    if (!port)
        return NULL;
    if (!scheme && d->set & GATE_BIT(tls))
        scheme = d->tls ? "https" : "http";
    if (!scheme)
        scheme = listens_with_tls(port) ? "https" : "http";
    if (!gate_url_parse(
            gate_span_of(apr_psprintf(p, "%s://%s:%u", scheme, s->server_hostname, port)), &url))
        return NULL;
    return gate_url_origin(p, &url);
}

static const char *server_text(apr_pool_t *p, const server_rec *s)
{
    return s->is_virtual
               ? apr_psprintf(p, "the virtual host of %s:%u", s->defn_name, s->defn_line_number)
               : "the main server";
}

/* --- its cookies --- */

static const char *check_cookie(apr_pool_t *p, const gate_host *host, const gate_directives *d)
{
    const gate_site *site = &host->site;

    if (!site->secure &&
        (!strncasecmp(site->cookie, "__Host-", 7) || !strncasecmp(site->cookie, "__Secure-", 9)))
        return apr_psprintf(p,
                            "OIDCGateCookie name=%s (%s): browsers take a cookie of this name "
                            "from https alone, and %s is %s. Say name=oidc-gate, or an https "
                            "address with OIDCGateBaseURL.",
                            site->cookie, gate_directive_place(p, d->where[GATE_FIELD_cookie_name]),
                            server_text(p, host->server), site->origin);
    return NULL;
}

/* What browsers know of it. */
static const char *make_site(gate_host *host, const gate_directives *d)
{
    apr_pool_t *p = gate_configuration->pool;
    gate_site *site = &host->site;
    gate_url url;

    site->origin = d->base_url ? d->base_url : derive_origin(p, host, d);
    if (!site->origin)
        return apr_psprintf(
            p,
            "OIDCGateBaseURL is missing: ServerName and the listeners of %s do not say what its "
            "address is as browsers see it. Say OIDCGateBaseURL https://www.example.com there.",
            server_text(p, host->server));
    gate_url_parse(gate_span_of(site->origin), &url);
    host->is_loopback = url.is_loopback;
    site->secure = url.is_https;
    site->path = d->path;
    site->cookie = d->cookie_name ? d->cookie_name
                   : url.is_https ? "__Host-oidc-gate"
                                  : "oidc-gate";
    site->samesite = d->samesite ? "Strict" : "Lax";
    if (d->assertion.signer)
        site->assertion = apr_pmemdup(p, &d->assertion, sizeof d->assertion);
    site->find = gate_host_find;
    return check_cookie(p, host, d);
}

const char *gate_host_make(gate_host *host)
{
    gate_directives says;

    if (host->is_made)
        return host->problem;
    host->is_made = true;
    gate_dir_read(host->dir, &says);
    gate_directives_complete(&says);
    host->problem = make_site(host, &says);
    return host->problem;
}

/* --- its settings --- */

/* "0.3.7". */
static int read_name(const char *name, int *ids)
{
    gate_span rest = gate_span_of(name), piece;
    int count = 0;

    while (gate_span_cut(&rest, '.', &piece)) {
        apr_uint64_t id;

        if (count == MAX_CHAIN || !gate_span_number(piece, INT32_MAX, &id))
            return 0;
        ids[count++] = (int)id;
    }
    return count;
}

const gate_settings *gate_host_find(const gate_site *site, apr_pool_t *p, const char *name)
{
    int ids[MAX_CHAIN];
    const int count = read_name(name, ids);
    gate_dir *dir = gate_dir_find(p, ids, count);

    if (!dir || !dir->host || &dir->host->site != site || !gate_dir_may_be_guarded(dir))
        return NULL;
    return gate_dir_compiled(p, dir)->settings;
}

/* Room for the host's settings of one kind, made where there is a first of them: most hosts have
 * none of some kinds. */
static gate_settings const **room_for(gate_settings const ***list, int most)
{
    if (!*list)
        *list = apr_pcalloc(gate_configuration->pool, sizeof **list * (size_t)most);
    return *list;
}

bool gate_host_add(gate_host *host, const gate_settings *settings)
{
    gate_site *site = &host->site;

    if (settings->response_mode == GATE_RESPONSE_FORM_POST)
        __atomic_store_n(&site->takes_posts, true, __ATOMIC_RELEASE);
    for (int i = 0; i < site->settings_count; i++) {
        if (!memcmp(&site->settings[i]->realm.fingerprint, &settings->realm.fingerprint,
                    sizeof(gate_digest)))
            return true;
    }
    if (site->settings_count == GATE_HOST_MAX_REALMS)
        return false;
    site->settings = room_for(&host->signs_people_in, GATE_HOST_MAX_REALMS);
    host->signs_people_in[site->settings_count] = settings;
    __atomic_store_n(&site->settings_count, site->settings_count + 1, __ATOMIC_RELEASE);
    return true;
}

bool gate_host_add_resource(gate_host *host, const gate_settings *settings)
{
    gate_site *site = &host->site;

    for (int i = 0; i < site->resource_count; i++) {
        if (!strcmp(site->resources[i]->resource_path, settings->resource_path))
            return true;
    }
    if (site->resource_count == GATE_HOST_MAX_RESOURCES)
        return false;
    site->resources = room_for(&host->resources, GATE_HOST_MAX_RESOURCES);
    host->resources[site->resource_count] = settings;
    __atomic_store_n(&site->resource_count, site->resource_count + 1, __ATOMIC_RELEASE);
    return true;
}

/* --- whether it is reached --- */

static bool covers(const server_rec *s, const apr_sockaddr_t *listening)
{
    for (const server_addr_rec *address = s->addrs; address; address = address->next) {
        if ((!address->host_port || address->host_port == listening->port) &&
            (apr_sockaddr_is_wildcard(address->host_addr) ||
             apr_sockaddr_equal(address->host_addr, listening)))
            return true;
    }
    return false;
}

bool gate_host_is_reached(const server_rec *s, const server_rec *main_server)
{
    if (s != main_server)
        return true;
    for (const ap_listen_rec *listener = ap_listeners; listener; listener = listener->next) {
        const server_rec *other = s->next;

        while (other && !covers(other, listener->bind_addr))
            other = other->next;
        if (!other)
            return true;
    }
    return !ap_listeners;
}
