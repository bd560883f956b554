/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* consistency.c - what a section says, and its virtual host, that does not hold together */
#include "httpd/config_private.h"

#include <apr_strings.h>

#include "http_core.h"

/* A section with its defaults, on its host. */
typedef struct checking {
    apr_pool_t *p;
    const gate_directives *d;
    gate_host *host;
    bool is_of_host; /* the problem lies with it */
} checking;

/* A check returns NULL, or the problem: directive, value, place, remedy. */
typedef const char *check(checking *c);

static bool takes(const checking *c, gate_method method)
{
    return c->d->methods >> method & 1;
}

/* The first of two methods that is on, for texts. */
static const char *one_of(const checking *c, gate_method a, gate_method b)
{
    return gate_method_name(takes(c, a) ? a : b);
}

static const char *place_of(const checking *c, gate_field field)
{
    return gate_directive_place(c->p, c->d->where[field]);
}

static const char *section(const checking *c)
{
    return gate_directives_text(c->p, c->d);
}

/* The gate itself asks the provider something, and says which client it is. */
static bool needs_client(const checking *c)
{
    return takes(c, GATE_METHOD_CODE) || takes(c, GATE_METHOD_INTROSPECTION);
}

static const char *check_site(checking *c)
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
static const char *check_trailers(checking *c)
{
    const core_server_config *core = ap_get_core_module_config(c->host->server->module_config);

    if (core->merge_trailers != AP_MERGE_TRAILERS_ENABLE)
        return NULL;
    return apr_psprintf(c->p,
                        "MergeTrailers On lets a caller add headers to a request after the gate "
                        "has looked at it, and %s is guarded. Say MergeTrailers Off.",
                        section(c));
}

static const char *check_issuer(checking *c)
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

static const char *check_endpoints(checking *c)
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
static const char *check_undiscovered(checking *c)
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
static const char *lost(const checking *c, gate_field field, gate_field to)
{
    if (!c->d->where[field] || c->d->set >> field & 1)
        return "";
    return apr_psprintf(c->p, " The one of %s belongs to another %s than the one of %s.",
                        place_of(c, field), to == GATE_FIELD_issuer ? "issuer" : "client",
                        place_of(c, to));
}

static const char *check_client(checking *c)
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
static const char *check_secret_length(checking *c)
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
static const char *check_bearer_algorithms(checking *c)
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

static const char *check_audience(checking *c)
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

/* A header that the gate sets is taken off every request, and its cookies are no tokens. */
static const char *check_token_sources(checking *c)
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

static const char *check_scope(checking *c)
{
    if (!takes(c, GATE_METHOD_CODE) || gate_words_have(c->d->scope, "openid"))
        return NULL;
    return apr_psprintf(
        c->p,
        "OIDCGateScope (%s) is without openid: the provider would not say who signed in at %s. "
        "Add openid to it; scopes of client_credentials are OIDCGateGrantScope's.",
        place_of(c, GATE_FIELD_scope), section(c));
}

static const char *check_login(checking *c)
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
static const char *check_response_mode(checking *c)
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

static const char *check_times(checking *c)
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
static const char *check_resource(checking *c)
{
    const gate_directives *d = c->d;

    if (!d->resource || !d->audiences || gate_words_have(d->audiences, "any") ||
        gate_words_have(d->audiences, d->resource))
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

static const char *check_assertion(checking *c)
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

const char *gate_inconsistency(apr_pool_t *p, const gate_directives *d, gate_host *host,
                               bool *is_of_host)
{
    checking c = {.p = p, .d = d, .host = host};
    const char *problem = NULL;

    for (size_t i = 0; !problem && i < sizeof checks / sizeof *checks; i++)
        problem = checks[i](&c);
    *is_of_host = c.is_of_host;
    return problem;
}
