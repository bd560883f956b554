/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/values.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "httpd/overheard.h"
#include "httpd/shared.h"
#include "oidc/authorize.h"
#include "oidc/introspect.h"
#include "oidc/token.h"

/* What a directive takes, and where it goes. */
typedef struct gate_row {
    const char
        *standard; /* the default, in the directive's own words; NULL where none can be written */
    int min, max;  /* words; max 0: any number */
    bool is_main_only; /* said once for the whole server */
    const char *(*read)(gate_line *line, const struct gate_row *row);
    const gate_slot *slots; /* one, or those of read_keys, up to one without a key */
} gate_row;

/* --- how lines are read --- */

/* Each word alike. */
static const char *read_words(gate_line *line, const gate_row *row)
{
    const char *problem = NULL;

    for (int i = 0; !problem && i < line->count; i++)
        problem = row->slots->read(line, row->slots, line->words[i]);
    return problem;
}

static const char *all_keys(apr_pool_t *p, const gate_slot *slots)
{
    const char *text = "";

    for (; slots->key; slots++)
        text = apr_pstrcat(p, text, " ", slots->key, "=", NULL);
    return text + 1;
}

static const gate_slot *find_key(const gate_slot *slots, const char *word, const char *equals)
{
    const size_t len = (size_t)(equals - word);

    for (; slots->key; slots++) {
        if (strlen(slots->key) == len && !strncasecmp(slots->key, word, len))
            return slots;
    }
    return NULL;
}

/* key=value, in any order. */
static const char *read_keys(gate_line *line, const gate_row *row)
{
    unsigned seen = 0; /* a bit for each key */

    for (int i = 0; i < line->count; i++) {
        const char *word = line->words[i], *equals = strchr(word, '='), *problem;
        const gate_slot *slot = equals ? find_key(row->slots, word, equals) : NULL;

        if (!slot)
            return gate_complain(line, word, "there is no such word here; this takes %s",
                                 all_keys(line->pool, row->slots));
        if (seen >> (slot - row->slots) & 1 && !slot->is_list)
            return gate_complain(line, word, "%s= is there twice", slot->key);
        seen |= 1u << (slot - row->slots);
        problem = slot->read(line, slot, equals + 1);
        if (problem)
            return problem;
    }
    return NULL;
}

/* OIDCGateSessionStore shm:SIZE [file=PATH] */
static const char *read_store(gate_line *line, const gate_row *row)
{
    const char *problem = row->slots->read(line, row->slots, line->words[0]);

    if (problem || line->count == 1)
        return problem;
    if (strncasecmp(line->words[1], "file=", 5))
        return gate_complain(line, line->words[1], "behind shm:SIZE there may be file=PATH");
    return gate_read_store_file(line, row->slots, line->words[1] + 5);
}

/* The same behind the first word. */
static const char *read_keys_behind(const gate_line *line, const gate_row *row)
{
    gate_line rest = *line;

    rest.words++;
    rest.count--;
    return read_keys(&rest, row);
}

/* OIDCGateDiscovery On|Off [domain=DOMAIN...] */
static const char *read_discovery(gate_line *line, const gate_row *row)
{
    static const gate_slot flag = {NULL, GATE_SLOT_AT(discovery)};
    const char *problem = gate_read_flag(line, &flag, line->words[0]);

    return problem ? problem : read_keys_behind(line, row);
}

/* OIDCGateResource URL [name=TEXT] [scopes="A B"] */
static const char *read_resource(gate_line *line, const gate_row *row)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(line->words[0]), &url) || (!url.is_https && !url.is_loopback))
        return gate_complain(line, line->words[0],
                             "a resource is known by an https address, such as "
                             "https://api.example.com/mcp");
    line->written->resource = line->words[0];
    gate_line_set(line, GATE_FIELD_resource);
    return read_keys_behind(line, row);
}

static const char *all_endpoints(apr_pool_t *p)
{
    const char *text = gate_endpoint_name((gate_endpoint)0);

    for (int i = 1; i < GATE_ENDPOINT_COUNT; i++)
        text = apr_pstrcat(p, text, " ", gate_endpoint_name((gate_endpoint)i), NULL);
    return text;
}

static const char *read_endpoint(gate_line *line, const gate_row *row)
{
    const char *word = line->words[1];
    gate_endpoint endpoint;
    gate_url url;

    if (!gate_endpoint_find(line->words[0], &endpoint))
        return gate_complain(line, line->words[0], "there is no such endpoint; there are %s",
                             all_endpoints(line->pool));
    if (!(line->written->set & GATE_BIT(endpoints)))
        line->written->endpoints = (gate_endpoints){.keys = NULL};
    if (endpoint == GATE_ENDPOINT_JWKS && !strncasecmp(word, "file:", 5)) {
        const char *problem = gate_read_key_set(line, word + 5, &line->written->endpoints.keys);

        if (problem)
            return problem;
    } else if (!gate_url_parse(gate_span_of(word), &url)) {
        return gate_complain(line, word,
                             "an endpoint is an address such as https://id.example.com/token");
    }
    line->written->endpoints.urls[endpoint] = word;
    gate_line_set(line, GATE_FIELD_endpoints);
    return NULL;
}

static const char *read_client_auth(gate_line *line, const gate_row *row)
{
    static const char *const later[] = {"client_secret_jwt", "private_key_jwt", "tls_client_auth",
                                        "self_signed_tls_client_auth"};
    const char *word = line->words[0];
    gate_client_auth method;

    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (!strcasecmp(word, later[i]))
            return gate_complain(line, word,
                                 "this version does not have it; say client_secret_basic, "
                                 "client_secret_post or none");
    }
    if (!gate_client_auth_find(gate_span_of(word), &method))
        return gate_complain(line, word, "say client_secret_basic, client_secret_post or none");
    if (line->count > 1)
        return gate_complain(line, line->words[1],
                             "none of the methods of this version takes key= or cert=");
    line->written->client_auth = (int)method;
    gate_line_set(line, GATE_FIELD_client_auth);
    return NULL;
}

static const char *add_token_source(gate_line *line, const gate_slot *slot,
                                    const gate_token_source *source, const char *word)
{
    apr_array_header_t *list = gate_line_list(line, slot, sizeof *source);

    for (int i = 0; i < list->nelts; i++) {
        const gate_token_source *other = &APR_ARRAY_IDX(list, i, gate_token_source);

        if (other->place == source->place &&
            (!source->name || !strcasecmp(other->name, source->name)))
            return gate_complain(line, word, "it is there twice");
    }
    APR_ARRAY_PUSH(list, gate_token_source) = *source;
    return NULL;
}

/* What a header, a cookie and a parameter may all be called. */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/* OIDCGateTokenFrom SOURCE... */
static const char *read_token_source(gate_line *line, const gate_slot *slot, const char *word)
{
    static const struct {
        const char *prefix;
        gate_token_place place;
    } places[] = {
        {"header:", GATE_TOKEN_IN_HEADER},
        {"cookie:", GATE_TOKEN_IN_COOKIE},
        {"query:", GATE_TOKEN_IN_QUERY},
    };
    gate_token_source source = {GATE_TOKEN_IN_AUTHORIZATION, NULL};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!strncasecmp(word, places[i].prefix, strlen(places[i].prefix)))
            source = (gate_token_source){places[i].place, word + strlen(places[i].prefix)};
    }
    if (!source.name && strcasecmp(word, "authorization"))
        return gate_complain(line, word,
                             "say authorization, header:NAME, cookie:NAME or query:NAME");
    if (source.name &&
        (!*source.name || strspn(source.name, NAME_CHARACTERS) != strlen(source.name)))
        return gate_complain(line, word, "a name is made of letters, digits, '-', '_' and '.'");
    if (source.place == GATE_TOKEN_IN_HEADER && (gate_is_server_header(gate_span_of(source.name)) ||
                                                 !strcasecmp(source.name, "Authorization")))
        return gate_complain(line, word,
                             "this header is the server's own, or the browser's; choose another, "
                             "such as X-Access-Token. The usual one is called authorization");
    return add_token_source(line, slot, &source, word);
}

static const char *read_grant_scope(gate_line *line, const gate_row *row)
{
    const char *problem = NULL;

    if (strcasecmp(line->words[0], "client_credentials"))
        return gate_complain(
            line, line->words[0],
            "say client_credentials; the scopes of the code flow are OIDCGateScope's");
    for (int i = 1; !problem && i < line->count; i++)
        problem = row->slots->read(line, row->slots, line->words[i]);
    return problem;
}

/* RFC 6749 section 3.1: parameters come once, but for resource, of which there may be several (RFC
 * 8707 section 2). */
static const char *read_param(gate_line *line, const gate_slot *slot,
                              bool (*owns)(const char *name))
{
    gate_form **form = (gate_form **)(void *)((char *)line->written + slot->offset);
    const char *name = line->words[0], *value = line->words[1];

    if (!*name || !*value)
        return gate_complain(line, NULL, "neither the name nor the value may be empty");
    if (owns(name))
        return gate_complain(
            line, name,
            "the gate sets this parameter itself; where it is yours to choose, it has a directive "
            "of its own, such as OIDCGateScope");
    if (!(line->written->set >> slot->field & 1))
        *form = gate_form_make(line->pool);
    if (gate_form_get(*form, name).ptr && strcmp(name, "resource"))
        return gate_complain(line, name, "this parameter is there already");
    gate_form_add_text(*form, name, value);
    gate_line_set(line, slot->field);
    return NULL;
}

static const char *read_authorization_param(gate_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_authorize_owns);
}

static const char *read_introspection_param(gate_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_introspection_owns);
}

static const char *read_token_param(gate_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_token_owns);
}

static const char *read_header(gate_line *line, const gate_row *row)
{
    return gate_tell_header(line, row->slots);
}

static const char *read_variable(gate_line *line, const gate_row *row)
{
    return gate_tell_variable(line, row->slots);
}

/* OIDCGateAssertion key=FILE [old=FILE] [lifetime=DURATION] [claim=NAME...]: each line says all of
 * it. */
static const char *read_assertion(gate_line *line, const gate_row *row)
{
    gate_assertion *assertion = &line->written->assertion;
    const char *problem;

    *assertion = (gate_assertion){.lifetime = 60};
    problem = read_keys(line, row);
    if (problem)
        return problem;
    if (!assertion->signer)
        return gate_complain(line, NULL, "key= is missing: say key=FILE, a private key");
    return assertion->signer->can_sign
               ? NULL
               : gate_complain(line, NULL,
                               "key= is a public key, with which nothing can be signed; one that "
                               "is only published stands behind old=");
}

/* --- the one handler --- */

/* Not httpd's own splitting into words, which leaves out those beyond a limit without saying so.
 * Readers keep words as they are. */
static void split(gate_line *line, const char *rest)
{
    apr_array_header_t *words = apr_array_make(line->scratch, 8, sizeof(const char *));

    while (*rest)
        APR_ARRAY_PUSH(words, const char *) =
            gate_shared_text(ap_getword_conf(line->scratch, &rest));
    line->count = words->nelts;
    APR_ARRAY_PUSH(words, const char *) = NULL;
    line->words = (const char *const *)words->elts;
}

static const char *read_line(gate_line *line, const gate_row *row, const char *arguments)
{
    const char *problem;

    apr_pool_create(&line->scratch, line->cmd->temp_pool);
    split(line, arguments);
    problem =
        line->count < row->min || (row->max && line->count > row->max)
            ? gate_complain(line, NULL, "say %s %s", line->cmd->cmd->name, line->cmd->cmd->errmsg)
            : row->read(line, row);
    apr_pool_destroy(line->scratch);
    return problem;
}

static const char *set(cmd_parms *cmd, void *dir, const char *arguments)
{
    const gate_row *row = cmd->info;
    gate_line line = {.cmd = cmd, .pool = cmd->pool};
    const char *problem = ap_check_cmd_context(cmd, NOT_IN_LIMIT | NOT_IN_HTACCESS);

    if (!problem && row->is_main_only)
        problem = ap_check_cmd_context(cmd, NOT_IN_VIRTUALHOST);
    if (problem)
        return problem;
    line.written = gate_dir_begin(cmd, dir);
    /* What comes back is a complaint, made in the pool: nothing of the line. */
    /* cppcheck-suppress returnDanglingLifetime */
    return read_line(&line, row, arguments);
}

/* --- what other modules are told, and the gate must know --- */

/* --- the table --- */

#define SECONDS_A_DAY 86400

static const gate_choice methods[] = {
    {"code", 1 << GATE_METHOD_CODE},
    {"bearer", 1 << GATE_METHOD_BEARER},
    {"introspection", 1 << GATE_METHOD_INTROSPECTION},
    {"client_credentials", 1 << GATE_METHOD_CLIENT_CREDENTIALS},
    {NULL, 0},
};
static const gate_choice introspects[] = {{"opaque", 0}, {"all", 1}, {NULL, 0}};
static const gate_choice profiles[] = {{"any", 0}, {"rfc9068", 1}, {NULL, 0}};
static const gate_choice userinfos[] = {{"Off", 0}, {"login", 1}, {NULL, 0}};
static const gate_choice response_modes[] = {
    {"query", GATE_RESPONSE_QUERY},
    {"form_post", GATE_RESPONSE_FORM_POST},
    {NULL, 0},
};
static const gate_choice pars[] = {
    {"Off", GATE_PAR_OFF},
    {"auto", GATE_PAR_AUTO},
    {"required", GATE_PAR_REQUIRED},
    {NULL, 0},
};
static const gate_choice unauthenticated[] = {
    {"auto", GATE_UNAUTHENTICATED_AUTO},
    {"login", GATE_UNAUTHENTICATED_LOGIN},
    {"401", GATE_UNAUTHENTICATED_401},
    {"pass", GATE_UNAUTHENTICATED_PASS},
    {NULL, 0},
};
static const gate_choice preflights[] = {{"auth", 0}, {"pass", 1}, {NULL, 0}};
static const gate_choice ends[] = {{"lifetime", 0}, {"id_token", 1}, {NULL, 0}};
static const gate_choice samesites[] = {{"lax", 0}, {"strict", 1}, {NULL, 0}};
static const gate_choice insecures[] = {
    {"http-issuer", GATE_INSECURE_HTTP_ISSUER},
    {"http-cookie", GATE_INSECURE_HTTP_COOKIE},
    {NULL, 0},
};
static const gate_choice redis[] = {{"redis", 0}, {NULL, 0}};

static const gate_slot cache_keys[] = {
    {"introspection", GATE_SLOT_AT(cache_introspection), gate_read_duration, 0, SECONDS_A_DAY},
    {"negative", GATE_SLOT_AT(cache_negative), gate_read_duration, 0, 3600},
    {"token", GATE_SLOT_AT(cache_token), gate_read_duration, 0, SECONDS_A_DAY},
    {"stale", GATE_SLOT_AT(cache_stale), gate_read_duration, 0, SECONDS_A_DAY},
    {.key = NULL},
};
static const gate_slot cookie_keys[] = {
    {"name", GATE_SLOT_AT(cookie_name), gate_read_cookie},
    {"samesite", GATE_SLOT_AT(samesite), gate_read_choice, .choices = samesites},
    {.key = NULL},
};
static const gate_slot session_keys[] = {
    {"idle", GATE_SLOT_AT(session_idle), gate_read_duration, 1, 366 * SECONDS_A_DAY},
    {"lifetime", GATE_SLOT_AT(session_lifetime), gate_read_duration, 1, 366 * SECONDS_A_DAY},
    {"until", GATE_SLOT_AT(session_until), gate_read_choice, .choices = ends},
    {.key = NULL},
};
static const gate_slot discovery_keys[] = {
    {"domain", GATE_SLOT_AT(discovery_domains), gate_read_domain, .is_list = true},
    {.key = NULL},
};
static const gate_slot resource_keys[] = {
    {"name", GATE_SLOT_AT(resource_name), gate_read_text},
    {"scopes", GATE_SLOT_AT(resource_scopes), gate_read_text},
    {.key = NULL},
};
static const gate_slot logout_keys[] = {
    {"redirect", GATE_SLOT_AT(logout_targets), gate_read_target, .is_list = true},
    {"revoke", GATE_SLOT_AT(revoke), gate_read_flag},
    {.key = NULL},
};
static const gate_slot http_keys[] = {
    {"connect", GATE_SLOT_AT(http_connect), gate_read_duration, 1, 300},
    {"total", GATE_SLOT_AT(http_total), gate_read_duration, 1, 300},
    {"cafile", GATE_SLOT_AT(http_cafile), gate_read_file},
    {"proxy", GATE_SLOT_AT(http_proxy), gate_read_proxy},
    {"proxy-auth", GATE_SLOT_AT(http_proxy), gate_read_proxy_auth},
    {"no-proxy", GATE_SLOT_AT(http_proxy), gate_read_no_proxy},
    {"maxbody", GATE_SLOT_AT(http_maxbody), gate_read_size, 1 << 10, 16 << 20},
    {"inflight", GATE_SLOT_AT(http_inflight), gate_read_count, 1, 10000},
    {.key = NULL},
};
#define ASSERTION_SLOT(member) \
    .field = GATE_FIELD_assertion, .offset = offsetof(gate_directives, assertion.member)
static const gate_slot assertion_keys[] = {
    {"key", ASSERTION_SLOT(signer), gate_read_signer},
    {"old", ASSERTION_SLOT(other), gate_read_signer},
    {"lifetime", ASSERTION_SLOT(lifetime), gate_read_duration, 5, 3600},
    {"claim", ASSERTION_SLOT(claims), gate_read_asserted_claim, .is_list = true},
    {.key = NULL},
};
static const gate_slot limit_keys[] = {
    {"address", GATE_SLOT_AT(limit_address), gate_read_count, 1, 1000000},
    {"total", GATE_SLOT_AT(limit_total), gate_read_count, 1, 1000000},
    {.key = NULL},
};

#define STORE_MIN ((apr_uint64_t)256 << 10)
#define STORE_MAX ((apr_uint64_t)64 << 30)

#define ANYWHERE (RSRC_CONF | ACCESS_CONF)
#define SERVER   RSRC_CONF
#define LOCATION ACCESS_CONF

/* The row of a directive: name, context, syntax, default, and the members of gate_row. `apache2 -L`
 * shows syntax and default. */
#define ROW(name, context, syntax, said, ...) \
    AP_INIT_RAW_ARGS(name, set, &((gate_row){__VA_ARGS__}), context, syntax " (default: " said ")")
/* The same for a default that can be written as it is. */
#define ROW_WITH_DEFAULT(name, context, syntax, said, ...) \
    ROW(name, context, syntax, said, .standard = said, __VA_ARGS__)
/* One word, or several alike. */
#define ONE(...)                                                        \
    .min = 1, .max = 1, .read = read_words, .slots = &(const gate_slot) \
    {                                                                   \
        NULL, __VA_ARGS__                                               \
    }
#define SEVERAL(...)                                          \
    .min = 1, .read = read_words, .slots = &(const gate_slot) \
    {                                                         \
        NULL, __VA_ARGS__                                     \
    }
#define KEYS(keys) .min = 1, .read = read_keys, .slots = keys
#define SLOT(...)               \
    .slots = &(const gate_slot) \
    {                           \
        NULL, __VA_ARGS__       \
    }

const command_rec gate_commands[] = {
    ROW("OIDCGateIssuer", ANYWHERE, "URL", "none", ONE(GATE_SLOT_AT(issuer), gate_read_issuer)),
    ROW_WITH_DEFAULT("OIDCGateDiscovery", ANYWHERE, "On|Off [domain=DOMAIN...]", "On", .min = 1,
                     .read = read_discovery, .slots = discovery_keys),
    ROW("OIDCGateEndpoint", ANYWHERE, "KIND URL|jwks file:PATH", "none", .min = 2, .max = 2,
        .read = read_endpoint),
    ROW("OIDCGateClientID", ANYWHERE, "ID", "none", ONE(GATE_SLOT_AT(client_id), gate_read_text)),
    ROW("OIDCGateClientSecret", ANYWHERE, "file:PATH|env:NAME|exec:COMMAND|TEXT", "none",
        ONE(GATE_SLOT_AT(client_secret), gate_read_secret)),
    ROW("OIDCGateClientAuth", ANYWHERE, "METHOD", "from discovery, client_secret_basic preferred",
        .min = 1, .max = 3, .read = read_client_auth),
    ROW_WITH_DEFAULT("OIDCGateMethods", LOCATION, "METHOD...", "code",
                     SEVERAL(GATE_SLOT_AT(methods), gate_read_bit, .choices = methods)),
    ROW("OIDCGateIntrospect", LOCATION, "opaque|all", "opaque where bearer is also on, else all",
        ONE(GATE_SLOT_AT(introspect_all), gate_read_choice, .choices = introspects)),
    ROW("OIDCGateAudience", LOCATION, "AUDIENCE...|any", "none",
        SEVERAL(GATE_SLOT_AT(audiences), gate_read_audience)),
    ROW_WITH_DEFAULT("OIDCGateTokenFrom", LOCATION,
                     "authorization|header:NAME|cookie:NAME|query:NAME...", "authorization",
                     SEVERAL(GATE_SLOT_AT(token_sources), read_token_source)),
    ROW_WITH_DEFAULT("OIDCGateTokenProfile", LOCATION, "any|rfc9068", "any",
                     ONE(GATE_SLOT_AT(token_profile), gate_read_choice, .choices = profiles)),
    ROW("OIDCGateResource", LOCATION, "URL [name=TEXT] [scopes=TEXT]", "none", .min = 1, .max = 3,
        .read = read_resource, .slots = resource_keys),
    ROW_WITH_DEFAULT("OIDCGateAlgorithms", ANYWHERE, "ALGORITHM...",
                     "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA",
                     SEVERAL(GATE_SLOT_AT(algorithms), gate_read_algorithm)),
    ROW_WITH_DEFAULT("OIDCGateClockSkew", ANYWHERE, "DURATION", "30s",
                     ONE(GATE_SLOT_AT(skew), gate_read_duration, 0, 300)),
    ROW_WITH_DEFAULT("OIDCGateScope", ANYWHERE, "SCOPE...", "openid",
                     SEVERAL(GATE_SLOT_AT(scope), gate_read_scope)),
    ROW("OIDCGateGrantScope", ANYWHERE, "client_credentials SCOPE...", "none sent", .min = 2,
        .read = read_grant_scope, SLOT(GATE_SLOT_AT(grant_scope), gate_read_scope)),
    ROW("OIDCGateAuthorizationParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = read_authorization_param, SLOT(GATE_SLOT_AT(authorization_params))),
    ROW("OIDCGateTokenParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = read_token_param, SLOT(GATE_SLOT_AT(token_params))),
    ROW("OIDCGateIntrospectionParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = read_introspection_param, SLOT(GATE_SLOT_AT(introspection_params))),
    ROW_WITH_DEFAULT("OIDCGateResponseMode", ANYWHERE, "query|form_post", "query",
                     ONE(GATE_SLOT_AT(response_mode), gate_read_choice, .choices = response_modes)),
    ROW_WITH_DEFAULT("OIDCGatePAR", ANYWHERE, "Off|auto|required", "auto",
                     ONE(GATE_SLOT_AT(par), gate_read_choice, .choices = pars)),
    ROW_WITH_DEFAULT("OIDCGateUserinfo", ANYWHERE, "Off|login", "Off",
                     ONE(GATE_SLOT_AT(userinfo), gate_read_choice, .choices = userinfos)),
    ROW_WITH_DEFAULT("OIDCGateClaimsFrom", ANYWHERE, "SOURCE...", "id_token userinfo access_token",
                     SEVERAL(GATE_SLOT_AT(sources), gate_read_source)),
    ROW_WITH_DEFAULT("OIDCGateCache", ANYWHERE,
                     "introspection=DURATION negative=DURATION token=DURATION stale=DURATION",
                     "introspection=30s negative=10s token=300s stale=0", KEYS(cache_keys)),
    ROW("OIDCGateHeader", ANYWHERE,
        "NAME TEMPLATE [join=TEXT] [encode=raw|base64url|percent] [default=TEMPLATE] [required] | "
        "preset NAME | unset NAME",
        "none", .min = 2, .max = 6, .read = read_header, SLOT(GATE_SLOT_AT(headers))),
    ROW("OIDCGateEnv", ANYWHERE,
        "NAME TEMPLATE [join=TEXT] [encode=raw|base64url|percent] [default=TEMPLATE] [required] | "
        "preset NAME | unset NAME",
        "none", .min = 2, .max = 6, .read = read_variable, SLOT(GATE_SLOT_AT(variables))),
    ROW("OIDCGateAssertion", SERVER, "key=FILE [old=FILE] [lifetime=DURATION] [claim=NAME...]",
        "none; lifetime=60s", .min = 1, .read = read_assertion, .slots = assertion_keys),
    ROW_WITH_DEFAULT("OIDCGateForwardCredentials", LOCATION, "On|Off", "Off",
                     ONE(GATE_SLOT_AT(forward_credentials), gate_read_flag)),
    ROW_WITH_DEFAULT("OIDCGateRemoteUser", ANYWHERE, "CLAIM...", "sub client_id azp cid",
                     SEVERAL(GATE_SLOT_AT(user_claims), gate_read_claim)),
    ROW_WITH_DEFAULT(
        "OIDCGateOnUnauthenticated", LOCATION, "auto|login|401|pass", "auto",
        ONE(GATE_SLOT_AT(on_unauthenticated), gate_read_choice, .choices = unauthenticated)),
    ROW_WITH_DEFAULT("OIDCGatePreflight", LOCATION, "auth|pass", "auth",
                     ONE(GATE_SLOT_AT(preflight), gate_read_choice, .choices = preflights)),
    ROW_WITH_DEFAULT("OIDCGateEnforce", LOCATION, "On|Off", "On",
                     ONE(GATE_SLOT_AT(enforces), gate_read_flag)),
    ROW("OIDCGateBaseURL", SERVER, "URL", "from ServerName and the listener",
        ONE(GATE_SLOT_AT(base_url), gate_read_origin)),
    ROW_WITH_DEFAULT("OIDCGatePath", SERVER, "PATH", "/oidc-gate",
                     ONE(GATE_SLOT_AT(path), gate_read_path)),
    ROW_WITH_DEFAULT("OIDCGateSession", ANYWHERE,
                     "idle=DURATION lifetime=DURATION until=lifetime|id_token",
                     "idle=30m lifetime=8h until=lifetime", KEYS(session_keys)),
    ROW_WITH_DEFAULT(
        "OIDCGateSessionStore", SERVER,
        "shm:SIZE [file=PATH] | redis://HOST:PORT | rediss://HOST:PORT", "shm:32M", .min = 1,
        .max = 2, .is_main_only = true, .read = read_store,
        SLOT(GATE_SLOT_AT(session_store), gate_read_store, STORE_MIN, STORE_MAX, .choices = redis)),
    ROW_WITH_DEFAULT("OIDCGateTokenStore", SERVER, "shm:SIZE", "shm:16M", .is_main_only = true,
                     ONE(GATE_SLOT_AT(token_store), gate_read_store, STORE_MIN, STORE_MAX)),
    ROW("OIDCGateSecretKey", SERVER, "file:PATH [file:OLD]", "generated, kept over restarts",
        .min = 1, .max = 2, .is_main_only = true, .read = read_words,
        SLOT(GATE_SLOT_AT(secret_keys), gate_read_key_file)),
    ROW("OIDCGateCookie", SERVER, "name=NAME samesite=lax|strict",
        "name=__Host-oidc-gate on https, name=oidc-gate on loopback http; samesite=lax",
        KEYS(cookie_keys)),
    ROW("OIDCGateLogout", ANYWHERE, "redirect=URL... revoke=On|Off", "revoke=Off",
        KEYS(logout_keys)),
    ROW("OIDCGateHTTP", ANYWHERE,
        "connect=DURATION total=DURATION cafile=PATH proxy=URL|none "
        "proxy-auth=file:PATH|env:NAME|exec:COMMAND no-proxy=HOST,... maxbody=SIZE inflight=N",
        "connect=2s total=5s proxy=none maxbody=256K, the system's cafile, inflight a quarter of "
        "the workers",
        .standard = "connect=2s total=5s proxy=none maxbody=256K", KEYS(http_keys)),
    ROW_WITH_DEFAULT("OIDCGateLimit", ANYWHERE, "address=N total=N", "address=10 total=100",
                     KEYS(limit_keys)),
    ROW("OIDCGateInsecure", SERVER, "http-issuer http-cookie", "none",
        SEVERAL(GATE_SLOT_AT(insecure), gate_read_bit, .choices = insecures)),

    /* Overheard. Each goes on to the module whose directive it is. */
    AP_INIT_RAW_ARGS("AuthType", gate_overhear_auth_type, NULL, OR_AUTHCFG, "noted for OIDCGate"),
    AP_INIT_RAW_ARGS("ServerName", gate_overhear_server_name, NULL, RSRC_CONF,
                     "noted for OIDCGateBaseURL"),
    AP_INIT_RAW_ARGS("SSLEngine", gate_overhear_tls, NULL, RSRC_CONF, "noted for OIDCGateBaseURL"),
    AP_INIT_RAW_ARGS("Require", gate_overhear_require, NULL, OR_AUTHCFG, "noted for gate rules"),
    AP_INIT_RAW_ARGS("SetEnvIfExpr", gate_overhear_early, NULL, OR_FILEINFO,
                     "noted for %{OIDC:...}"),
    AP_INIT_RAW_ARGS("RewriteCond", gate_overhear_rewrite_cond, NULL, OR_FILEINFO,
                     "noted for %{OIDC:...}"),
    AP_INIT_RAW_ARGS("<If", gate_overhear_if, NULL, OR_ALL, "noted for %{OIDC:...}"),
    AP_INIT_RAW_ARGS("<ElseIf", gate_overhear_if, NULL, OR_ALL, "noted for %{OIDC:...}"),
    {.name = NULL},
};

/* One directive's default, as if it stood in the configuration. */
static const char *read_standard(apr_pool_t *p, server_rec *s, const command_rec *command,
                                 gate_directives *standard)
{
    const gate_row *row = command->cmd_data;
    cmd_parms parms = {
        .pool = p, .temp_pool = p, .server = s, .cmd = command, .info = command->cmd_data};
    gate_line line = {.cmd = &parms, .pool = p, .written = standard};

    /* As above. */
    /* cppcheck-suppress returnDanglingLifetime */
    return read_line(&line, row, row->standard);
}

const gate_directives *gate_directive_standards(apr_pool_t *p, server_rec *main_server)
{
    gate_directives *standard = apr_pcalloc(p, sizeof *standard);

    for (const command_rec *command = gate_commands; command->name; command++) {
        const gate_row *row = command->cmd_data;

        if (row && row->standard && read_standard(p, main_server, command, standard))
            return NULL;
    }
    return standard;
}
