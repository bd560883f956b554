/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* compile.c - what was written becomes settings: all that a request needs, made ready */
#include "httpd/config_private.h"
#include "httpd/count.h"

#include <apr_strings.h>

#include "ap_mpm.h"
#include "http_core.h"

#include "oidc/resource.h"

/* A section on its way from what was written to what it means. */
typedef struct compiling {
    apr_pool_t *p, *scratch;
    const gate_dir *dir;
    const gate_directives *d; /* what is written in it; and the defaults, without their bit */
    gate_host *host;
    gate_settings *s;
} compiling;

static bool takes(const compiling *c, gate_method method)
{
    return c->d->methods >> method & 1;
}

bool gate_words_have(const apr_array_header_t *list, const char *word)
{
    for (int i = 0; i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), word))
            return true;
    }
    return false;
}

static const char *const *words(apr_pool_t *p, const apr_array_header_t *list)
{
    const char **all = apr_pcalloc(p, sizeof *all * (size_t)(list->nelts + 1));

    for (int i = 0; i < list->nelts; i++)
        all[i] = APR_ARRAY_IDX(list, i, const char *);
    return all;
}

static const char *joined(apr_pool_t *p, const apr_array_header_t *list)
{
    return list ? apr_array_pstrcat(p, list, ' ') : NULL;
}

static void set_sources(compiling *c)
{
    const apr_array_header_t *list = c->d->sources;

    for (int i = 0; i < list->nelts; i++)
        gate_source_find(APR_ARRAY_IDX(list, i, const char *),
                         &c->s->sources[c->s->source_count++]);
}

static void set_user_claims(compiling *c)
{
    const apr_array_header_t *list = c->d->user_claims;
    gate_claim_name *names = apr_palloc(c->p, sizeof *names * (size_t)list->nelts);

    for (int i = 0; i < list->nelts; i++)
        gate_claim_name_read(gate_span_of(APR_ARRAY_IDX(list, i, const char *)), &names[i]);
    c->s->user_claims = names;
    c->s->user_claim_count = list->nelts;
}

/* Without what is only kept from others. */
static gate_told_list told(compiling *c, const apr_array_header_t *list, bool is_header)
{
    const int count = list ? list->nelts : 0;
    gate_told *items = apr_palloc(c->p, sizeof *items * (size_t)(count + 1));
    gate_told_list told = {items, 0};

    for (int i = 0; i < count; i++) {
        const gate_told *item = &APR_ARRAY_IDX(list, i, gate_told);
        const bool is_authorization = is_header && !strcasecmp(item->name, "Authorization");

        c->s->owns_authorization |= is_authorization;
        if (!item->template)
            continue;
        c->s->needs |= gate_template_needs(item->template) & GATE_NEEDS_TOKENS;
        c->s->tells_anew |= (gate_template_needs(item->template) & GATE_NEEDS_ASSERTION) != 0;
        items[told.count] = *item;
        items[told.count++].is_swept = is_header && !is_authorization;
    }
    return told;
}

/* A path becomes an address of this host: the provider wants one. */
static const char *const *logout_targets(compiling *c)
{
    const apr_array_header_t *list = c->d->logout_targets;
    const char **targets;

    if (!list)
        return NULL;
    targets = apr_pcalloc(c->p, sizeof *targets * (size_t)(list->nelts + 1));
    for (int i = 0; i < list->nelts; i++) {
        const char *target = APR_ARRAY_IDX(list, i, const char *);

        targets[i] =
            target[0] == '/' ? apr_pstrcat(c->p, c->host->site.origin, target, NULL) : target;
    }
    return targets;
}

/* A quarter of the workers of a process, so that a provider which hangs leaves the others to do
 * their work. A process with one worker has none to spare. */
static int inflight(const compiling *c)
{
    int threads = 0;

    if (c->d->set & GATE_BIT(http_inflight))
        return c->d->http_inflight;
    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS || threads < 4)
        return 0;
    return threads / 4;
}

static const char *set_provider(compiling *c)
{
    const gate_directives *d = c->d;
    gate_provider_options options = {
        .issuer = d->issuer,
        .discovery = d->discovery,
        .domains = d->discovery_domains ? words(c->scratch, d->discovery_domains) : NULL,
        .limits = {.connect_ms = d->http_connect * 1000,
                   .total_ms = d->http_total * 1000,
                   .max_body = d->http_maxbody,
                   .ca_file = d->http_cafile,
                   .proxy = d->http_proxy.url,
                   .proxy_credentials = d->http_proxy.credentials,
                   .no_proxy = d->http_proxy.exceptions},
        .keys = d->endpoints.keys,
        .inflight = inflight(c),
        .counted_as = gate_count_provider(d->issuer, !gate_configuration->is_read),
    };
    gate_url url;

    memcpy(options.endpoints, d->endpoints.urls, sizeof options.endpoints);
    options.allow_http = (gate_url_parse(gate_span_of(d->issuer), &url) && url.is_loopback) ||
                         d->insecure & GATE_INSECURE_HTTP_ISSUER;
    c->s->provider = gate_provider_for(&options);
    c->s->counted_as = gate_count_place(c->s->place, d->issuer, !gate_configuration->is_read);
    return c->s->provider
               ? NULL
               : apr_psprintf(
                     c->p, "%s: its provider cannot be made (out of memory, or too many providers)",
                     gate_directives_text(c->p, c->d));
}

static gate_span number(apr_pool_t *p, unsigned value)
{
    return gate_span_of(apr_psprintf(p, "%u", value));
}

/* Four bytes of the fingerprint tell the realms of one host apart; the cookie is bound to all of
 * it. */
static bool set_realm(compiling *c)
{
    gate_realm *realm = &c->s->realm;
    const gate_span parts[] = {
        GATE_SPAN("realm"),
        gate_span_of(c->d->issuer),
        gate_span_of(c->d->client_id),
        gate_span_of(c->host->site.origin),
    };
    const unsigned char *bytes = realm->fingerprint.bytes;

    realm->issuer = c->d->issuer;
    realm->client_id = c->d->client_id;
    realm->client_shown =
        gate_span_for_log(c->p, gate_span_of(realm->client_id), GATE_CLIENT_SHOWN_BYTES);
    if (!gate_digest_of(&realm->fingerprint, parts, 4))
        return false;
    realm->tag = apr_psprintf(c->p, "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
    realm->cookie = apr_pstrcat(c->p, c->host->site.cookie, "-", realm->tag, NULL);
    return true;
}

/* Everything that a presented token was found good under. Where any of it changes, what was found
 * before no longer counts. */
static bool set_accept_fingerprint(compiling *c)
{
    const gate_settings *s = c->s;
    apr_array_header_t *parts = apr_array_make(c->scratch, 24, sizeof(gate_span));
    const gate_span first[] = {
        GATE_SPAN("accept"),
        {(const char *)s->realm.fingerprint.bytes, GATE_DIGEST_BYTES},
        number(c->scratch, s->methods),
        number(c->scratch, s->algorithms),
        s->introspect_all ? GATE_SPAN("all") : GATE_SPAN("opaque"),
        s->strict_tokens ? GATE_SPAN("rfc9068") : GATE_SPAN("any"),
        c->d->discovery ? GATE_SPAN("discovery") : GATE_SPAN("endpoints"),
        gate_span_of(joined(c->scratch, c->d->discovery_domains)),
        gate_span_of(joined(c->scratch, c->d->sources)),
        number(c->scratch, (unsigned)s->skew),
        gate_span_of(s->token_params ? gate_form_text(s->token_params) : NULL),
        gate_span_of(s->introspection_params ? gate_form_text(s->introspection_params) : NULL),
        gate_span_of(c->d->endpoints.keys),
    };

    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        APR_ARRAY_PUSH(parts, gate_span) = first[i];
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++)
        APR_ARRAY_PUSH(parts, gate_span) = gate_span_of(c->d->endpoints.urls[i]);
    for (const char *const *audience = s->audiences; audience && *audience; audience++)
        APR_ARRAY_PUSH(parts, gate_span) = gate_span_of(*audience);
    return gate_digest_of(&c->s->accept_fingerprint, (const gate_span *)(const void *)parts->elts,
                          (size_t)parts->nelts);
}

static void set_who(compiling *c)
{
    const gate_directives *d = c->d;
    gate_settings *s = c->s;

    s->name = gate_chain_name(c->p, c->dir->ids, c->dir->id_count);
    s->place = c->dir->place ? c->dir->place : "/";
    s->site = &c->host->site;
    s->client = (gate_client){gate_span_of(d->client_id), gate_span_of(d->client_secret),
                              (gate_client_auth)d->client_auth};
    s->client_auth_given = c->d->set & GATE_BIT(client_auth);
    s->methods = d->methods;
    s->on_unauthenticated = (gate_unauthenticated)d->on_unauthenticated;
    s->enforces = d->enforces;
    s->passes_preflights = d->preflight;
    s->session = (gate_session_times){d->session_idle, d->session_lifetime, d->session_until};
    s->limit_address = d->limit_address;
    s->limit_total = d->limit_total;
}

static void set_how(compiling *c)
{
    const gate_directives *d = c->d;
    gate_settings *s = c->s;

    s->scope = joined(c->p, d->scope);
    s->client_credentials_scope = joined(c->p, d->grant_scope);
    s->authorization_params = d->authorization_params;
    s->token_params = d->token_params;
    s->introspection_params = d->introspection_params;
    s->response_mode = (gate_response_mode)d->response_mode;
    s->par = (gate_par)d->par;
    s->userinfo_at_login = d->userinfo;
    if (d->audiences && !gate_words_have(d->audiences, "any"))
        s->audiences = words(c->p, d->audiences);
    if (!d->audiences && d->resource)
        s->audiences =
            apr_pmemdup(c->p, (const char *const[]){d->resource, NULL}, 2 * sizeof(const char *));
    if (d->token_sources)
        s->token_sources = gate_token_sources_of(d->token_sources);
    s->algorithms = d->algorithms;
    s->strict_tokens = d->token_profile;
    s->skew = d->skew;
    s->introspect_all =
        (c->d->set & GATE_BIT(introspect_all)) ? d->introspect_all : !takes(c, GATE_METHOD_BEARER);
    s->cache = (gate_cache_times){d->cache_introspection, d->cache_negative, d->cache_token,
                                  d->cache_stale};
    set_sources(c);
}

static void set_what_is_told(compiling *c)
{
    c->s->headers = told(c, c->d->headers, true);
    c->s->variables = told(c, c->d->variables, false);
    c->s->forward_credentials = c->d->forward_credentials;
    set_user_claims(c);
    c->s->logout_targets = logout_targets(c);
    c->s->revoke = c->d->revoke;
}

/* RFC 9728 section 2 knows those ways that RFC 6750 does: Authorization, and a parameter of this
 * very name. */
static const char *bearer_methods(const compiling *c)
{
    bool header = !c->s->token_sources.count, query = false;

    for (int i = 0; i < c->s->token_sources.count; i++) {
        const gate_token_source *source = &c->s->token_sources.items[i];

        header = header || source->place == GATE_TOKEN_IN_AUTHORIZATION;
        query = query ||
                (source->place == GATE_TOKEN_IN_QUERY && !strcmp(source->name, "access_token"));
    }
    return apr_pstrcat(c->p, header ? "header " : "", query ? "query" : "", NULL);
}

static void set_resource(compiling *c)
{
    const gate_resource resource = {
        .identifier = c->d->resource,
        .issuer = c->d->issuer,
        .name = c->d->resource_name,
        .scopes = c->d->resource_scopes,
        .methods = bearer_methods(c),
    };

    if (!c->d->resource)
        return;
    c->s->resource = c->d->resource;
    c->s->resource_document = gate_resource_document(c->p, &resource);
    c->s->resource_path = gate_resource_path(c->p, c->d->resource);
    c->s->resource_metadata = gate_resource_url(c->p, c->d->resource);
}

static const char *build(compiling *c)
{
    c->s = apr_pcalloc(c->p, sizeof *c->s);
    set_who(c);
    set_how(c);
    set_what_is_told(c);
    set_resource(c);
    if (!set_realm(c) || !set_accept_fingerprint(c))
        return "OpenSSL has no SHA-256";
    return set_provider(c);
}

/* Makes it known to its host: whoever could not be found there again could not be signed out. */
static const char *enroll(const compiling *c)
{
    if (takes(c, GATE_METHOD_CODE) && !gate_host_add(c->host, c->s))
        return apr_psprintf(c->p,
                            "%s signs people in, and its virtual host does so already for %d pairs "
                            "of OIDCGateIssuer and OIDCGateClientID, which are as many as signing "
                            "out looks through. Spread them over virtual hosts.",
                            gate_directives_text(c->p, c->d), GATE_HOST_MAX_REALMS);
    if (c->s->resource && !gate_host_add_resource(c->host, c->s))
        return apr_psprintf(c->p,
                            "OIDCGateResource %s: its virtual host has %d resources already, which "
                            "are as many as it has metadata for. Spread them over virtual hosts.",
                            c->s->resource, GATE_HOST_MAX_RESOURCES);
    return NULL;
}

const gate_compiled *gate_compile(apr_pool_t *p, apr_pool_t *scratch, const gate_dir *dir)
{
    gate_compiled *compiled = apr_pcalloc(p, sizeof *compiled);
    gate_directives says;
    compiling c = {.p = p, .scratch = scratch, .dir = dir, .d = &says, .host = dir->host};

    gate_dir_read(dir, &says);
    gate_directives_complete(&says);
    compiled->problem = gate_inconsistency(p, &says, dir->host, &compiled->is_of_host);
    if (!compiled->problem)
        compiled->problem = build(&c);
    if (!compiled->problem && !dir->is_fleeting)
        compiled->problem = enroll(&c);
    if (compiled->problem)
        return compiled;
    compiled->settings = c.s;
    atomic_store_explicit(&dir->host->is_used, true, memory_order_release);
    return compiled;
}
