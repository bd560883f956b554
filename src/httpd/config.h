/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* config.h - the configuration, as httpd reads it, and as requests ask for it */
#ifndef GATE_HTTPD_CONFIG_H
#define GATE_HTTPD_CONFIG_H

#include "gate/gate.h"
#include "httpd/module.h"

/* For the module record. */
extern const command_rec gate_commands[];
void *gate_config_create_dir(apr_pool_t *p, char *place);
void *gate_config_merge_dir(apr_pool_t *p, void *base, void *add);
void *gate_config_create_server(apr_pool_t *p, server_rec *s);
void *gate_config_merge_server(apr_pool_t *p, void *base, void *add);

/* The check_config hook: compiles every section that says AuthType OIDCGate, for every virtual
 * host, and so finds what does not hold together; `apachectl configtest` comes by here too. OK, or
 * an error is logged that names directive, value, place and remedy. */
int gate_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server);

/* What the Location of this request means. NULL where the gate is not asked to guard it (AuthType
 * is another's). *problem is set, and NULL returned, where its configuration does not hold
 * together; the caller then fails closed. Costs a few pointer comparisons. */
const gate_settings *gate_config_settings(request_rec *r, const char **problem);

/* The virtual host's site; NULL where no Location of it is guarded. */
const gate_site *gate_config_site(server_rec *s);

/* Whether authentication must run even where httpd's access rules alone would let the request in:
 * OIDCGateOnUnauthenticated pass, or a gate rule within <RequireNone>. */
bool gate_config_forces_authn(request_rec *r);

/* Whether what is decided about this request is also done (OIDCGateEnforce). */
bool gate_config_enforces(request_rec *r);

/* Called while a Require line is read: its section holds a gate rule within <RequireNone>. */
void gate_config_force_authn(cmd_parms *cmd);

/* OIDCGateTokenFrom as it stands for this request, be its place guarded or not. */
gate_token_sources gate_config_token_sources(request_rec *r);

/* Every header name that any part of the configuration can set, for the scrub: asked once a header
 * of each request. Authorization and Cookie are not among them: credentials are dealt with where
 * the gate is on. */
bool gate_config_tells_header(gate_span name);
/* Whether there is any such name at all. */
bool gate_config_tells_headers(void);

/* What is said once for the whole server. */
typedef struct gate_server_options {
    apr_size_t session_bytes, token_bytes; /* OIDCGateSessionStore, OIDCGateTokenStore */
    const char *store_file;                /* shm:SIZE file=PATH, or NULL */
    const char *redis_url;                 /* redis://... or rediss://..., or NULL */
    const char *secret_key,
        *old_secret_key; /* the bytes of OIDCGateSecretKey's files as text, or NULL: generated */
    bool used;           /* some Location is guarded: without one the module does nothing */
} gate_server_options;

const gate_server_options *gate_config_options(void);

/* Calls visit for the settings of each place that was foreseen when the configuration was read; in
 * no particular order. */
void gate_config_each_settings(void (*visit)(const gate_settings *settings, void *context),
                               void *context);

/* Calls visit for each provider of the configuration. */
void gate_config_each_provider(void (*visit)(gate_provider *provider, void *context),
                               void *context);

#endif
