/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* config_private.h - what the files behind config.h share: the list of all that can be written, and
 * the sections it is written in */
#ifndef GATE_HTTPD_CONFIG_PRIVATE_H
#define GATE_HTTPD_CONFIG_PRIVATE_H

#include <stdatomic.h>

#include <apr_hash.h>
#include <apr_thread_mutex.h>

#include "gate/provider.h"
#include "httpd/config.h"

typedef struct gate_dir gate_dir;
typedef struct gate_host gate_host;

/* OIDCGateEndpoint; NULL where not given. */
typedef struct gate_endpoints {
    const char *urls[GATE_ENDPOINT_COUNT];
    const char *keys; /* what the file holds that is named in place of the jwks address */
} gate_endpoints;

/* OIDCGateHTTP proxy= and what belongs to it; NULL where not given. */
typedef struct gate_proxy {
    const char *url, *credentials, *exceptions;
} gate_proxy;

/* OIDCGateSessionStore and OIDCGateTokenStore. */
typedef struct gate_store_place {
    apr_size_t bytes;
    const char *file, *redis_url;
} gate_store_place;

/* OIDCGateSecretKey. */
typedef struct gate_secret_keys {
    const char *current, *old;
} gate_secret_keys;

#define GATE_INSECURE_HTTP_ISSUER 1u
#define GATE_INSECURE_HTTP_COOKIE 2u

/* All that can be written, once: X(type, name). The structure, the bits that say what is set, and
 * merging derive from it. Lists are arrays of words (const char *), of gate_told, or forms. */
#define GATE_DIR_FIELDS(X)                                                              \
    X(const char *, auth_type)   /* overheard: another module's directive */            \
    X(const server_rec *, named) /* overheard: the server in which ServerName stands */ \
    X(int, tls)                  /* overheard: SSLEngine */                             \
    X(int, forces_authn)         /* gate_config_force_authn */                          \
    X(const char *, issuer)                                                             \
    X(int, discovery)                                                                   \
    X(apr_array_header_t *, discovery_domains)                                          \
    X(gate_endpoints, endpoints)                                                        \
    X(const char *, client_id)                                                          \
    X(const char *, client_secret)                                                      \
    X(int, client_auth)                                                                 \
    X(unsigned, methods)                                                                \
    X(int, introspect_all)                                                              \
    X(const char *, resource)                                                           \
    X(const char *, resource_name)                                                      \
    X(const char *, resource_scopes)                                                    \
    X(apr_array_header_t *, audiences)                                                  \
    X(apr_array_header_t *, token_sources)                                              \
    X(gate_alg_set, algorithms)                                                         \
    X(int, token_profile)                                                               \
    X(int, skew)                                                                        \
    X(apr_array_header_t *, scope)                                                      \
    X(apr_array_header_t *, grant_scope)                                                \
    X(gate_form *, authorization_params)                                                \
    X(gate_form *, token_params)                                                        \
    X(gate_form *, introspection_params)                                                \
    X(int, response_mode)                                                               \
    X(int, par)                                                                         \
    X(int, userinfo)                                                                    \
    X(apr_array_header_t *, sources)                                                    \
    X(int, cache_introspection)                                                         \
    X(int, cache_negative)                                                              \
    X(int, cache_token)                                                                 \
    X(int, cache_stale)                                                                 \
    X(apr_array_header_t *, headers)                                                    \
    X(apr_array_header_t *, variables)                                                  \
    X(gate_assertion, assertion)                                                        \
    X(int, forward_credentials)                                                         \
    X(apr_array_header_t *, user_claims)                                                \
    X(int, on_unauthenticated)                                                          \
    X(int, enforces)                                                                    \
    X(int, preflight)                                                                   \
    X(const char *, base_url)                                                           \
    X(const char *, path)                                                               \
    X(const char *, cookie_name)                                                        \
    X(int, samesite)                                                                    \
    X(int, session_idle)                                                                \
    X(int, session_lifetime)                                                            \
    X(int, session_until)                                                               \
    X(apr_array_header_t *, logout_targets)                                             \
    X(int, revoke)                                                                      \
    X(int, http_connect)                                                                \
    X(int, http_total)                                                                  \
    X(const char *, http_cafile)                                                        \
    X(gate_proxy, http_proxy)                                                           \
    X(apr_size_t, http_maxbody)                                                         \
    X(int, http_inflight)                                                               \
    X(int, limit_address)                                                               \
    X(int, limit_total)                                                                 \
    X(unsigned, insecure)                                                               \
    X(gate_store_place, session_store)                                                  \
    X(gate_store_place, token_store)                                                    \
    X(gate_secret_keys, secret_keys)

typedef enum gate_field {
#define GATE_FIELD_CONSTANT(type, name) GATE_FIELD_##name,
    GATE_DIR_FIELDS(GATE_FIELD_CONSTANT)
#undef GATE_FIELD_CONSTANT
        GATE_FIELD_COUNT
} gate_field;

_Static_assert(GATE_FIELD_COUNT <= 64, "each field has its bit");

#define GATE_BIT(name) ((apr_uint64_t)1 << GATE_FIELD_##name)

/* What a section means on this virtual host: settings, or the problem that there is. */
typedef struct gate_compiled {
    const gate_settings *settings;
    const char *problem;
    bool is_of_host; /* the problem lies with the virtual host */
} gate_compiled;

/* That base, followed by the section which holds this, gives that. */
typedef struct gate_memo {
    const gate_dir *base;
    gate_dir *merged;
    struct gate_memo *next;
} gate_memo;

#define GATE_MEMO_BUCKETS 8

/* What the directives of a section say, or those of several together. */
typedef struct gate_directives {
    apr_uint64_t set; /* a GATE_BIT for each field that is */
#define GATE_FIELD_MEMBER(type, name) type name;
    GATE_DIR_FIELDS(GATE_FIELD_MEMBER)
#undef GATE_FIELD_MEMBER
    const ap_directive_t *where[GATE_FIELD_COUNT]; /* without its bit: what was written, but
                                                      belonged to another issuer or client */
} gate_directives;

/* A section as it was written, or several of them merged. There are many, of hosts that are alike
 * too; so what is written stands once, where it was written, and is put together when somebody asks
 * for it (gate_dir_read). It never changes after check_config; memos and compiled are added to, by
 * whoever holds the mutex, and read without it. */
struct gate_dir {
    gate_directives *written; /* NULL: nothing is, or it is merged */
    const int *ids;           /* of the written sections that it consists of, outermost first */
    int id_count;
    unsigned number; /* in the order of making */

    const char *place; /* the path of the innermost section, for the log; NULL: a server's own */
    const ap_directive_t *heading; /* the "<Location" it was written in; NULL: a server's own, or
                                      merged */
    const server_rec *server;      /* the one it was written in; NULL: merged */
    gate_host *host;               /* the one that it counts in; NULL: in several */

    /* What requests ask of it; from check_config on. */
    const char *auth_type; /* NULL: not said */
    gate_token_sources token_sources;
    bool forces_authn;
    bool enforces;
    bool is_fleeting;     /* belongs to one request */
    gate_dir *stands_for; /* of a request with a .htaccess that forces authentication: what it is
                             beside that */

    _Atomic(gate_memo *) memos[GATE_MEMO_BUCKETS];
    _Atomic(const gate_compiled *) compiled;
};

typedef struct gate_provider_entry {
    gate_provider *provider;
    struct gate_provider_entry *next;
} gate_provider_entry;

/* All that is known of one reading of the configuration. The pool has an allocator of its own:
 * requests allocate from it, under the mutex. */
typedef struct gate_registry {
    apr_pool_t *pool;
    apr_thread_mutex_t *mutex;
    bool is_read;                 /* what is created from now on belongs to a request */
    apr_array_header_t *sections; /* of gate_dir *, by id */
    apr_hash_t *merged;           /* name of a chain -> gate_dir * */
    apr_hash_t *shared, *texts;   /* see shared.h */
    int memo_count;               /* of those made for requests */
    unsigned dir_count;
    const gate_directives *standard; /* what directives mean that are nowhere written */
    gate_dir *nothing;               /* and a section in which nothing is */
    _Atomic(gate_provider_entry *) providers;
    int provider_count;
    gate_server_options options;
} gate_registry;

/* Of the reading that is under way, or valid. */
extern gate_registry *gate_configuration;

/* What one virtual host has once; made where its first section is compiled. */
struct gate_host {
    gate_site site; /* first: gate_site.find comes back with it */
    server_rec *server;
    gate_dir *dir; /* what is written for the server as a whole */
    bool is_made;
    const char *problem; /* why it cannot be made */
    bool is_loopback;
    _Atomic(bool) is_used;
    gate_settings const **signs_people_in; /* site.settings */
    gate_settings const **resources;       /* site.resources */
};

/* A host signs people in for at most so many realms. */
#define GATE_HOST_MAX_REALMS 64
/* Resources of one virtual host that have metadata. */
#define GATE_HOST_MAX_RESOURCES 256

/* --- sections.c --- */

/* What stands in a section already, while a directive of it is read. */
gate_directives *gate_dir_begin(const cmd_parms *cmd, gate_dir *dir);
/* Once all is read: notes what requests ask of each section. */
void gate_dir_settle_all(void);
/* Makes what is written for a server as a whole the host's very own, and all that is merged from
 * it; returns that. */
gate_dir *gate_dir_give(gate_dir *dir, gate_host *host);
/* add within base; the same pointers give the same pointer. p is for what belongs to one request.
 */
gate_dir *gate_dir_merge(apr_pool_t *p, gate_dir *base, gate_dir *add);
/* "0.3.7", in p: what the sections of a chain are called together. */
const char *gate_chain_name(apr_pool_t *p, const int *ids, int count);
/* The chain of these written sections; NULL: there is none of such an id. p as above. */
gate_dir *gate_dir_find(apr_pool_t *p, const int *ids, int count);
/* What its sections say together. */
void gate_dir_read(const gate_dir *dir, gate_directives *says);
/* Fills in what is nowhere written; bits and places stay. */
void gate_directives_complete(gate_directives *says);
/* Whether AuthType gives it to the gate; and whether it may, where that is an expression which only
 * a request can answer. */
bool gate_dir_is_guarded(const gate_dir *dir);
bool gate_dir_may_be_guarded(const gate_dir *dir);

/* "httpd.conf:42", in p. */
const char *gate_directive_place(apr_pool_t *p, const ap_directive_t *directive);
/* The "<Location", "<Directory" and so on that the directive stands in; NULL: none. */
const ap_directive_t *gate_directive_heading(const ap_directive_t *directive);
/* What stands behind "<Location", without the '>', in p; and the first word of it. */
const char *gate_heading_arguments(apr_pool_t *p, const ap_directive_t *heading);
const char *gate_heading_path(apr_pool_t *p, const ap_directive_t *heading);
/* "<Location /app> (httpd.conf:42)", in p: the section that says AuthType, or something else. */
const char *gate_directives_text(apr_pool_t *p, const gate_directives *says);

/* --- config.c --- */

/* What dir means. Compiled when first asked for, kept but where it belongs to one request. */
const gate_compiled *gate_dir_compiled(apr_pool_t *p, gate_dir *dir);

/* --- providers.c --- */

/* The one provider of which that is said; it keeps the texts, which are the configuration's. NULL:
 * there are too many, or no memory. */
gate_provider *gate_provider_for(const gate_provider_options *options);

/* --- directives.c --- */

/* The defaults in the table of directives, read by the same readers. */
const gate_directives *gate_directive_standards(apr_pool_t *p, server_rec *main_server);

/* --- host.c --- */

/* Makes the host's site, once. NULL, or the problem. */
const char *gate_host_make(gate_host *host);
/* gate_site.find. */
const gate_settings *gate_host_find(const gate_site *site, apr_pool_t *p, const char *name);
/* Notes settings that sign people in, one of each realm. False where there is no room for more. */
bool gate_host_add(gate_host *host, const gate_settings *settings);
/* Notes where a protected resource of the host says what it is. False as above. */
bool gate_host_add_resource(gate_host *host, const gate_settings *settings);
/* Whether any connection can come to a server: false for a main server whose addresses all belong
 * to virtual hosts. */
bool gate_host_is_reached(const server_rec *s, const server_rec *main_server);

/* --- consistency.c --- */

/* What does not hold together in a section with its defaults, on its host: directive, value, place,
 * remedy, in p; NULL: nothing. Makes the host's site. *is_of_host: the problem lies with the host.
 */
const char *gate_inconsistency(apr_pool_t *p, const gate_directives *d, gate_host *host,
                               bool *is_of_host);

/* --- compile.c --- */

/* Whether a list of words has this one. */
bool gate_words_have(const apr_array_header_t *list, const char *word);

/* What was written -> what it means, in p; under the mutex. scratch may go afterwards. */
const gate_compiled *gate_compile(apr_pool_t *p, apr_pool_t *scratch, const gate_dir *dir);

/* A list of gate_token_source as settings have it. */
static inline gate_token_sources gate_token_sources_of(const apr_array_header_t *list)
{
    return (gate_token_sources){(const gate_token_source *)(const void *)list->elts, list->nelts};
}

/* --- check.c --- */

/* httpd reads the configuration twice at the start, and what a warning says is said once. */
bool gate_config_is_last_pass(void);
/* Whether a <Location> of that plain path is around the other path, or is it. */
bool gate_path_is_around(const char *outer, const char *path);

/* --- backends.c --- */

/* What ProxyPass says, in p. */
apr_array_header_t *gate_backends_read(apr_pool_t *p);
/* Calls visit for each backend that a path of that server, and what is beneath it, goes to in the
 * clear and beyond this machine: "ProxyPass http://10.0.0.5/ (httpd.conf:12)", in p. */
void gate_backends_in_clear(apr_pool_t *p, const apr_array_header_t *all, const server_rec *s,
                            const char *path, void (*visit)(void *context, const char *text),
                            void *context);

/* --- neighbors.c --- */

typedef void gate_tell(void *context, const char *text);
/* Tells of directives of other modules that may undo a gate. guarded: the address of a section's
 * directive -> bool *, whether it is guarded; one that is not in it is as what is around it. */
void gate_neighbors_check(apr_pool_t *p, apr_hash_t *guarded, gate_tell *tell, void *context);

/* --- told.c --- */

/* A header that some part of the configuration sets, or nobody may; a name that ends in '*' stands
 * for all that begin so. And the end of these notes. */
void gate_told_note(apr_pool_t *p, const char *name);
void gate_told_begin(void);

#endif
