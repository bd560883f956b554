/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* directives.c - the table of directives: name, context, syntax, default, reader */
#include "httpd/overheard.h"
#include "httpd/rows.h"
#include "httpd/shared.h"

/* --- the one handler --- */

/* Not httpd's own splitting into words, which leaves out those beyond a limit without saying so.
 * Readers keep words as they are. */
static void split(gate_config_line *line, const char *rest)
{
    apr_array_header_t *words = apr_array_make(line->scratch, 8, sizeof(const char *));

    while (*rest)
        APR_ARRAY_PUSH(words, const char *) =
            gate_shared_text(ap_getword_conf(line->scratch, &rest));
    line->count = words->nelts;
    APR_ARRAY_PUSH(words, const char *) = NULL;
    line->words = (const char *const *)words->elts;
}

static const char *read_line(gate_config_line *line, const gate_row *row, const char *arguments)
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
    gate_config_line line = {.cmd = cmd, .pool = cmd->pool};
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
#define ONE(...)                                                            \
    .min = 1, .max = 1, .read = gate_row_words, .slots = &(const gate_slot) \
    {                                                                       \
        NULL, __VA_ARGS__                                                   \
    }
#define SEVERAL(...)                                              \
    .min = 1, .read = gate_row_words, .slots = &(const gate_slot) \
    {                                                             \
        NULL, __VA_ARGS__                                         \
    }
#define KEYS(keys) .min = 1, .read = gate_row_keys, .slots = keys
#define SLOT(...)               \
    .slots = &(const gate_slot) \
    {                           \
        NULL, __VA_ARGS__       \
    }

const command_rec gate_commands[] = {
    ROW("OIDCGateIssuer", ANYWHERE, "URL", "none", ONE(GATE_SLOT_AT(issuer), gate_read_issuer)),
    ROW_WITH_DEFAULT("OIDCGateDiscovery", ANYWHERE, "On|Off [domain=DOMAIN...]", "On", .min = 1,
                     .read = gate_row_discovery, .slots = discovery_keys),
    ROW("OIDCGateEndpoint", ANYWHERE, "KIND URL|jwks file:PATH", "none", .min = 2, .max = 2,
        .read = gate_row_endpoint),
    ROW("OIDCGateClientID", ANYWHERE, "ID", "none", ONE(GATE_SLOT_AT(client_id), gate_read_text)),
    ROW("OIDCGateClientSecret", ANYWHERE, "file:PATH|env:NAME|exec:COMMAND|TEXT", "none",
        ONE(GATE_SLOT_AT(client_secret), gate_read_secret)),
    ROW("OIDCGateClientAuth", ANYWHERE, "METHOD", "from discovery, client_secret_basic preferred",
        .min = 1, .max = 3, .read = gate_row_client_auth),
    ROW_WITH_DEFAULT("OIDCGateMethods", LOCATION, "METHOD...", "code",
                     SEVERAL(GATE_SLOT_AT(methods), gate_read_bit, .choices = methods)),
    ROW("OIDCGateIntrospect", LOCATION, "opaque|all", "opaque where bearer is also on, else all",
        ONE(GATE_SLOT_AT(introspect_all), gate_read_choice, .choices = introspects)),
    ROW("OIDCGateAudience", LOCATION, "AUDIENCE...|any", "none",
        SEVERAL(GATE_SLOT_AT(audiences), gate_read_audience)),
    ROW_WITH_DEFAULT("OIDCGateTokenFrom", LOCATION,
                     "authorization|header:NAME|cookie:NAME|query:NAME...", "authorization",
                     SEVERAL(GATE_SLOT_AT(token_sources), gate_read_token_source)),
    ROW_WITH_DEFAULT("OIDCGateTokenProfile", LOCATION, "any|rfc9068", "any",
                     ONE(GATE_SLOT_AT(token_profile), gate_read_choice, .choices = profiles)),
    ROW("OIDCGateResource", LOCATION, "URL [name=TEXT] [scopes=TEXT]", "none", .min = 1, .max = 3,
        .read = gate_row_resource, .slots = resource_keys),
    ROW_WITH_DEFAULT("OIDCGateAlgorithms", ANYWHERE, "ALGORITHM...",
                     "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA",
                     SEVERAL(GATE_SLOT_AT(algorithms), gate_read_algorithm)),
    ROW_WITH_DEFAULT("OIDCGateClockSkew", ANYWHERE, "DURATION", "30s",
                     ONE(GATE_SLOT_AT(skew), gate_read_duration, 0, 300)),
    ROW_WITH_DEFAULT("OIDCGateScope", ANYWHERE, "SCOPE...", "openid",
                     SEVERAL(GATE_SLOT_AT(scope), gate_read_scope)),
    ROW("OIDCGateGrantScope", ANYWHERE, "client_credentials SCOPE...", "none sent", .min = 2,
        .read = gate_row_grant_scope, SLOT(GATE_SLOT_AT(grant_scope), gate_read_scope)),
    ROW("OIDCGateAuthorizationParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = gate_row_authorization_param, SLOT(GATE_SLOT_AT(authorization_params))),
    ROW("OIDCGateTokenParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = gate_row_token_param, SLOT(GATE_SLOT_AT(token_params))),
    ROW("OIDCGateIntrospectionParam", ANYWHERE, "NAME VALUE", "none", .min = 2, .max = 2,
        .read = gate_row_introspection_param, SLOT(GATE_SLOT_AT(introspection_params))),
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
        "none", .min = 2, .max = 6, .read = gate_row_header, SLOT(GATE_SLOT_AT(headers))),
    ROW("OIDCGateEnv", ANYWHERE,
        "NAME TEMPLATE [join=TEXT] [encode=raw|base64url|percent] [default=TEMPLATE] [required] | "
        "preset NAME | unset NAME",
        "none", .min = 2, .max = 6, .read = gate_row_variable, SLOT(GATE_SLOT_AT(variables))),
    ROW("OIDCGateAssertion", SERVER, "key=FILE [old=FILE] [lifetime=DURATION] [claim=NAME...]",
        "none; lifetime=60s", .min = 1, .read = gate_row_assertion, .slots = assertion_keys),
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
        .max = 2, .is_main_only = true, .read = gate_row_store,
        SLOT(GATE_SLOT_AT(session_store), gate_read_store, STORE_MIN, STORE_MAX, .choices = redis)),
    ROW_WITH_DEFAULT("OIDCGateTokenStore", SERVER, "shm:SIZE", "shm:16M", .is_main_only = true,
                     ONE(GATE_SLOT_AT(token_store), gate_read_store, STORE_MIN, STORE_MAX)),
    ROW("OIDCGateSecretKey", SERVER, "file:PATH [file:OLD]", "generated, kept over restarts",
        .min = 1, .max = 2, .is_main_only = true, .read = gate_row_words,
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
    gate_config_line line = {.cmd = &parms, .pool = p, .written = standard};

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
