/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
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
    bool is_of_host;
} compiling;

/* A check returns NULL, or the problem: directive, value, place, remedy. */
typedef const char *check(compiling *c);

static bool takes(const compiling *c, gate_method method)
{
    return c->d->methods >> method & 1;
}

/* The first of two methods that is on, for texts. */
static const char *one_of(const compiling *c, gate_method a, gate_method b)
{
    return gate_method_name(takes(c, a) ? a : b);
}

static const char *place_of(const compiling *c, gate_field field)
{
    return gate_directive_place(c->p, c->d->where[field]);
}

static const char *section(const compiling *c)
{
    return gate_directives_text(c->p, c->d);
}

/* The gate itself asks the provider something, and says which client it is. */
static bool needs_client(const compiling *c)
{
    return takes(c, GATE_METHOD_CODE) || takes(c, GATE_METHOD_INTROSPECTION);
}

/* --- what does not hold together --- */

static const char *check_site(compiling *c)
{
    const char *problem = gate_host_make(c->host);
    const gate_site *site = &c->host->site;

    c->is_of_host = true;
    if (problem)
        return problem;
    if (takes(c, GATE_METHOD_CODE) && !site->secure && !c->host->is_loopback &&
        !(c->d->insecure & GATE_INSECURE_HTTP_COOKIE))
        return apr_psprintf(
            c->p,
            "%s signs people in at %s, where anybody on the way can read their session cookie. "
            "Say OIDCGateBaseURL https://... where browsers come by https, or OIDCGateInsecure "
            "http-cookie if it is to be so.",
            section(c), site->origin);
    c->is_of_host = false;
    return NULL;
}

/* Trailers come after the gate has decided; merged, they would be headers that it never saw. */
static const char *check_trailers(compiling *c)
{
    const core_server_config *core = ap_get_core_module_config(c->host->server->module_config);

    if (core->merge_trailers != AP_MERGE_TRAILERS_ENABLE)
        return NULL;
    return apr_psprintf(c->p,
                        "MergeTrailers On lets a caller add headers to a request after the gate "
                        "has looked at it, and %s is guarded. Say MergeTrailers Off.",
                        section(c));
}

static const char *check_issuer(compiling *c)
{
    const gate_directives *d = c->d;
    gate_url url;

    if (!d->issuer)
        return apr_psprintf(
            c->p,
            "OIDCGateIssuer is missing: %s is guarded, and nothing says by which provider. Say "
            "OIDCGateIssuer https://id.example.com/ there, or around it.",
            section(c));
    gate_url_parse(gate_span_of(d->issuer), &url);
    if (!url.is_https && !url.is_loopback && !(d->insecure & GATE_INSECURE_HTTP_ISSUER))
        return apr_psprintf(c->p,
                            "OIDCGateIssuer %s (%s) is no https address: anybody on the way could "
                            "be the provider. Say https, or OIDCGateInsecure http-issuer if it is "
                            "to be so.",
                            d->issuer, place_of(c, GATE_FIELD_issuer));
    return NULL;
}

static const char *check_endpoints(compiling *c)
{
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        const char *text = c->d->endpoints.urls[i];
        gate_url url;

        if (!text || (i == GATE_ENDPOINT_JWKS && c->d->endpoints.keys))
            continue;
        gate_url_parse(gate_span_of(text), &url);
        if (!url.is_https && !url.is_loopback && !(c->d->insecure & GATE_INSECURE_HTTP_ISSUER))
            return apr_psprintf(
                c->p,
                "OIDCGateEndpoint %s %s (%s) is no https address: anybody on the way could answer "
                "in the provider's name. Say https, or OIDCGateInsecure http-issuer if it is to "
                "be so.",
                gate_endpoint_name((gate_endpoint)i), text, place_of(c, GATE_FIELD_endpoints));
    }
    return NULL;
}

/* Without discovery, what a method needs must be written. The keys are not needed where signatures
 * are checked with the client secret. */
static const char *check_undiscovered(compiling *c)
{
    const struct {
        gate_endpoint endpoint;
        gate_method by;
        bool needed;
    } needs[] = {
        {GATE_ENDPOINT_AUTHORIZATION, GATE_METHOD_CODE, true},
        {GATE_ENDPOINT_TOKEN, GATE_METHOD_CODE, true},
        {GATE_ENDPOINT_JWKS, GATE_METHOD_CODE, c->d->algorithms & GATE_ALGS_ASYMMETRIC},
        {GATE_ENDPOINT_USERINFO, GATE_METHOD_CODE, c->d->userinfo},
        {GATE_ENDPOINT_PAR, GATE_METHOD_CODE, c->d->par == GATE_PAR_REQUIRED},
        {GATE_ENDPOINT_JWKS, GATE_METHOD_BEARER, true},
        {GATE_ENDPOINT_INTROSPECTION, GATE_METHOD_INTROSPECTION, true},
        {GATE_ENDPOINT_TOKEN, GATE_METHOD_CLIENT_CREDENTIALS, true},
    };

    for (size_t i = 0; !c->d->discovery && i < sizeof needs / sizeof *needs; i++) {
        const char *name = gate_endpoint_name(needs[i].endpoint);

        if (needs[i].needed && takes(c, needs[i].by) && !c->d->endpoints.urls[needs[i].endpoint])
            return apr_psprintf(
                c->p,
                "OIDCGateEndpoint %s is missing: %s has the method %s, which needs it, and "
                "OIDCGateDiscovery Off (%s) says not to ask the provider where it is. Say "
                "OIDCGateEndpoint %s https://..., or OIDCGateDiscovery On.",
                name, section(c), gate_method_name(needs[i].by), place_of(c, GATE_FIELD_discovery),
                name);
    }
    return NULL;
}

/* Why something that was written is not there: it belongs to another issuer or client
 * (fields_to_drop in config.c). */
static const char *lost(const compiling *c, gate_field field, gate_field to)
{
    if (!c->d->where[field] || c->d->set >> field & 1)
        return "";
    return apr_psprintf(c->p, " The one of %s belongs to another %s than the one of %s.",
                        place_of(c, field), to == GATE_FIELD_issuer ? "issuer" : "client",
                        place_of(c, to));
}

static const char *check_client(compiling *c)
{
    const gate_directives *d = c->d;
    const bool is_told = c->d->set & GATE_BIT(client_auth);

    if (!needs_client(c))
        return NULL;
    if (!d->client_id)
        return apr_psprintf(
            c->p,
            "OIDCGateClientID is missing: %s has the method %s, for which the provider must know "
            "the gate as a client.%s Say OIDCGateClientID with the id that the provider gave it.",
            section(c), one_of(c, GATE_METHOD_CODE, GATE_METHOD_INTROSPECTION),
            lost(c, GATE_FIELD_client_id, GATE_FIELD_issuer));
    if (!d->client_secret && !(is_told && d->client_auth == GATE_CLIENT_AUTH_NONE))
        return apr_psprintf(
            c->p,
            "OIDCGateClientSecret is missing: OIDCGateClientID %s (%s) has no secret in %s.%s Say "
            "OIDCGateClientSecret file:PATH, or OIDCGateClientAuth none if it is a public client.",
            d->client_id, place_of(c, GATE_FIELD_client_id), section(c),
            lost(c, GATE_FIELD_client_secret, GATE_FIELD_client_id));
    return NULL;
}

/* RFC 7518 section 3.2: a key as long as the hash, at least. */
static const char *check_secret_length(compiling *c)
{
    static const struct {
        gate_alg alg;
        size_t bytes;
    } needs[] = {{GATE_ALG_HS512, 64}, {GATE_ALG_HS384, 48}, {GATE_ALG_HS256, 32}};
    const size_t have = c->d->client_secret ? strlen(c->d->client_secret) : 0;

    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (c->d->algorithms & GATE_ALG_BIT(needs[i].alg) && have < needs[i].bytes)
            return apr_psprintf(
                c->p,
                "OIDCGateAlgorithms %s (%s) needs a client secret of at least %" APR_SIZE_T_FMT
                " characters in %s, where it has %" APR_SIZE_T_FMT
                ": whoever guesses it makes tokens. Have the provider make a longer one, or leave "
                "the algorithm out.",
                gate_alg_name(needs[i].alg), place_of(c, GATE_FIELD_algorithms), needs[i].bytes,
                section(c), have);
    }
    return NULL;
}

/* Whoever can check a symmetric signature can make one, and so access tokens are never signed with
 * one. */
static const char *check_bearer_algorithms(compiling *c)
{
    if (!takes(c, GATE_METHOD_BEARER) || c->d->algorithms & GATE_ALGS_ASYMMETRIC)
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateAlgorithms (%s) has nothing but HS algorithms, which are for ID tokens alone, "
        "and %s takes bearer tokens. Add the algorithm that the provider signs them with, such as "
        "RS256.",
        place_of(c, GATE_FIELD_algorithms), section(c));
}

static const char *check_audience(compiling *c)
{
    if (!takes(c, GATE_METHOD_BEARER) || c->d->audiences || c->d->resource)
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateAudience is missing: %s takes bearer tokens, and without an audience it would "
        "take tokens meant for other services. Say OIDCGateAudience https://api.example.com/ (or "
        "\"any\").",
        section(c));
}

static bool has_word(const apr_array_header_t *list, const char *word)
{
    for (int i = 0; i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), word))
            return true;
    }
    return false;
}

/* A header that the gate sets is taken off every request, and its cookies are no tokens. */
static const char *check_token_sources(compiling *c)
{
    const char *cookie = c->host->site.cookie;

    for (int i = 0; c->d->token_sources && i < c->d->token_sources->nelts; i++) {
        const gate_token_source *source = &APR_ARRAY_IDX(c->d->token_sources, i, gate_token_source);
        const bool is_told = source->place == GATE_TOKEN_IN_HEADER &&
                             gate_config_tells_header(gate_span_of(source->name));
        const bool is_own = source->place == GATE_TOKEN_IN_COOKIE &&
                            gate_span_starts(gate_span_of(source->name), cookie);

        if (is_told || is_own)
            return apr_psprintf(
                c->p,
                "OIDCGateTokenFrom %s:%s (%s) is what %s, and so no caller can bring a token in "
                "it to %s. Choose another name%s.",
                is_told ? "header" : "cookie", source->name, place_of(c, GATE_FIELD_token_sources),
                is_told ? "OIDCGateHeader sets here or elsewhere" : "the gate keeps sessions in",
                section(c),
                is_told ? "; OIDCGateForwardCredentials On lets the caller's own header through"
                        : "");
    }
    return NULL;
}

static const char *check_scope(compiling *c)
{
    if (!takes(c, GATE_METHOD_CODE) || has_word(c->d->scope, "openid"))
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateScope (%s) is without openid: the provider would not say who signed in at %s. "
        "Add openid to it; scopes of client_credentials are OIDCGateGrantScope's.",
        place_of(c, GATE_FIELD_scope), section(c));
}

static const char *check_login(compiling *c)
{
    if (c->d->on_unauthenticated != GATE_UNAUTHENTICATED_LOGIN || takes(c, GATE_METHOD_CODE))
        return NULL;
    return apr_psprintf(c->p,
                        "OIDCGateOnUnauthenticated login (%s) needs the method code, without "
                        "which nobody can sign in at %s. Add code to OIDCGateMethods, or say "
                        "OIDCGateOnUnauthenticated 401.",
                        place_of(c, GATE_FIELD_on_unauthenticated), section(c));
}

/* Form Post Response Mode: the form comes from the provider's page, and browsers send the login's
 * cookie along with it where that is SameSite=None, which they take with Secure alone. */
static const char *check_response_mode(compiling *c)
{
    const gate_site *site = &c->host->site;

    if (!takes(c, GATE_METHOD_CODE) || c->d->response_mode != GATE_RESPONSE_FORM_POST ||
        site->secure || c->host->is_loopback)
        return NULL;
    return apr_psprintf(c->p,
                        "OIDCGateResponseMode form_post (%s) needs https, and %s is at %s: "
                        "browsers would not bring the login's cookie along. Say OIDCGateBaseURL "
                        "https://... where browsers come by https, or OIDCGateResponseMode query.",
                        place_of(c, GATE_FIELD_response_mode), section(c), site->origin);
}

static const char *check_times(compiling *c)
{
    const gate_directives *d = c->d;

    if (d->session_idle > d->session_lifetime)
        return apr_psprintf(c->p,
                            "OIDCGateSession idle=%ds (%s) is longer than lifetime=%ds (%s) in "
                            "%s: it would never come to bear. Say a shorter idle, or a longer "
                            "lifetime.",
                            d->session_idle, place_of(c, GATE_FIELD_session_idle),
                            d->session_lifetime, place_of(c, GATE_FIELD_session_lifetime),
                            section(c));
    if (d->http_connect > d->http_total)
        return apr_psprintf(c->p,
                            "OIDCGateHTTP connect=%ds (%s) is longer than total=%ds (%s) in %s, "
                            "which is for the connection and the answer together. Say a shorter "
                            "connect, or a longer total.",
                            d->http_connect, place_of(c, GATE_FIELD_http_connect), d->http_total,
                            place_of(c, GATE_FIELD_http_total), section(c));
    return NULL;
}

/* RFC 9728 section 2, and section 7.4: what it calls itself is what tokens for it must be meant
 * for. */
static const char *check_resource(compiling *c)
{
    const gate_directives *d = c->d;

    if (!d->resource || !d->audiences || has_word(d->audiences, "any") ||
        has_word(d->audiences, d->resource))
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateAudience (%s) does not have %s, by which OIDCGateResource (%s) makes "
        "%s known: clients would get tokens that are refused here. Add it, or leave "
        "OIDCGateAudience out, and it is the audience.",
        place_of(c, GATE_FIELD_audiences), d->resource, place_of(c, GATE_FIELD_resource),
        section(c));
}

/* The first of them that holds an assertion; NULL: none. */
static const char *find_assertion(const apr_array_header_t *list)
{
    for (int i = 0; list && i < list->nelts; i++) {
        const gate_told *told = &APR_ARRAY_IDX(list, i, gate_told);

        if (told->template && gate_template_needs(told->template) & GATE_NEEDS_ASSERTION)
            return told->name;
    }
    return NULL;
}

static const char *check_assertion(compiling *c)
{
    const char *header = find_assertion(c->d->headers), *variable = find_assertion(c->d->variables);

    if ((!header && !variable) || c->host->site.assertion)
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateAssertion is missing: %s %s (%s) in %s has %%{assertion:...}, and nothing says "
        "with which key it is signed. Make one with openssl ecparam -name prime256v1 -genkey "
        "-noout -out FILE, and say OIDCGateAssertion key=FILE in the virtual host.",
        header ? "OIDCGateHeader" : "OIDCGateEnv", header ? header : variable,
        place_of(c, header ? GATE_FIELD_headers : GATE_FIELD_variables), section(c));
}

static check *const checks[] = {
    check_site,         check_trailers,      check_issuer,        check_endpoints,
    check_undiscovered, check_client,        check_scope,         check_secret_length,
    check_audience,     check_login,         check_times,         check_bearer_algorithms,
    check_resource,     check_token_sources, check_response_mode, check_assertion,
};

/* --- what it means --- */

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
                     section(c));
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
    if (d->audiences && !has_word(d->audiences, "any"))
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
    gate_directives says;
    compiling c = {.p = p, .scratch = scratch, .dir = dir, .d = &says, .host = dir->host};
    gate_compiled *compiled = apr_pcalloc(p, sizeof *compiled);
    const char *problem = NULL;

    gate_dir_read(dir, &says);
    gate_directives_complete(&says);
    for (size_t i = 0; !problem && i < sizeof checks / sizeof *checks; i++)
        problem = checks[i](&c);
    if (!problem)
        problem = build(&c);
    if (!problem && !dir->is_fleeting)
        problem = enroll(&c);
    compiled->problem = problem;
    compiled->is_of_host = c.is_of_host;
    if (problem)
        return compiled;
    compiled->settings = c.s;
    atomic_store_explicit(&c.host->is_used, true, memory_order_release);
    return compiled;
}
