/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* gate.h - the data model: a gate is a function from (request, settings, world) to a decision */
#ifndef GATE_GATE_GATE_H
#define GATE_GATE_GATE_H

#include "base/message.h"
#include "base/reason.h"
#include "base/seal.h"
#include "base/span.h"
#include "gate/claims.h"
#include "gate/template.h"
#include "gate/trace.h"
#include "io/fetch.h"
#include "io/store.h"
#include "jose/jws.h"
#include "oidc/client_auth.h"
#include "oidc/discovery.h"

typedef struct gate_request gate_request;
typedef struct gate_settings gate_settings;
typedef struct gate_site gate_site;
typedef struct gate_world gate_world;
typedef struct gate_provider gate_provider;

/* The world: everything that is not computed. Tests pass their own; that is the whole mocking
 * framework. */
struct gate_world {
    gate_store *store;
    gate_reason (*fetch)(void *context, apr_pool_t *p, const gate_question *question,
                         const gate_fetch_limits *limits, gate_answer *answer, const char **detail);
    void *fetch_context;
    gate_random_fn *random;
    /* Seconds since 1970, while something takes its time; a request has its own `now`. */
    apr_int64_t (*clock)(void);
    void (*pause)(int milliseconds); /* while another request does what this one waits for */
    /* Whether a credential that nobody knows yet may cause a call to the provider now:
     * OIDCGateLimit, counted over all processes. */
    bool (*may_ask)(void *context, const char *address, apr_int64_t now, int limit_address,
                    int limit_total);
    void *limit_context;
    /* Who is at work here, as it is left where others wait for it (two bytes or more), and whether
     * such a one is certainly no more: then nobody waits for it any longer. NULL: nobody knows,
     * only time tells. */
    gate_span self;
    bool (*is_gone)(gate_span worker);
    const gate_key *keys; /* OIDCGateSecretKey: the first seals, all of them open */
    int key_count;
};

#define GATE_CLIENT_SHOWN_BYTES 200 /* of a client's id */

/* What a credential was accepted for. What one realm accepted means nothing in another. */
typedef struct gate_realm {
    const char *issuer, *client_id;
    const char *client_shown; /* the latter, escaped for the log */
    gate_digest fingerprint; /* over these and the origin: bound into sessions and login states */
    const char *tag;         /* 8 characters of it, part of the cookie names */
    const char *cookie;      /* the name of its session cookie */
} gate_realm;

typedef enum gate_method {
    GATE_METHOD_CODE,
    GATE_METHOD_BEARER,
    GATE_METHOD_INTROSPECTION,
    GATE_METHOD_CLIENT_CREDENTIALS,
    GATE_METHOD_COUNT
} gate_method;

/* "code", "bearer", ... as OIDCGateMethods spells them. */
const char *gate_method_name(gate_method method);
bool gate_method_find(const char *name, gate_method *method);

typedef enum gate_unauthenticated {
    GATE_UNAUTHENTICATED_AUTO, /* navigations sign in, everything else gets 401 */
    GATE_UNAUTHENTICATED_LOGIN,
    GATE_UNAUTHENTICATED_401,
    GATE_UNAUTHENTICATED_PASS /* nobody, but let through */
} gate_unauthenticated;

/* OIDCGateTokenFrom: where a bearer token may stand. */
typedef enum gate_token_place {
    GATE_TOKEN_IN_AUTHORIZATION,
    GATE_TOKEN_IN_HEADER,
    GATE_TOKEN_IN_COOKIE,
    GATE_TOKEN_IN_QUERY
} gate_token_place;

typedef struct gate_token_source {
    gate_token_place place;
    const char *name; /* of the header, cookie or parameter; NULL: of AUTHORIZATION */
} gate_token_source;

typedef struct gate_token_sources {
    const gate_token_source *items;
    int count; /* 0: Authorization alone */
} gate_token_sources;

/* OIDCGateResponseMode: how the browser brings the provider's answer to the callback. */
typedef enum gate_response_mode { GATE_RESPONSE_QUERY, GATE_RESPONSE_FORM_POST } gate_response_mode;

/* OIDCGatePAR. */
typedef enum gate_par {
    GATE_PAR_OFF,
    GATE_PAR_AUTO, /* where the provider's metadata name the endpoint */
    GATE_PAR_REQUIRED
} gate_par;

/* OIDCGateCache, in seconds. */
typedef struct gate_cache_times {
    int introspection, negative, token, stale;
} gate_cache_times;

/* OIDCGateSession, in seconds. */
typedef struct gate_session_times {
    int idle, lifetime;
    bool ends_with_id_token; /* until=id_token: no later than the ID token of the login */
} gate_session_times;

/* A header or variable that the backend is told. */
typedef struct gate_told {
    const char *name;
    const gate_template *template; /* NULL, while the configuration is read: it is not told */
    bool is_preset;                /* a line of its own takes its place */
    bool is_swept; /* a header that the scrub takes off: nobody else's value of it can be there */
} gate_told;

typedef struct gate_told_list {
    const gate_told *items;
    int count;
} gate_told_list;

/* What one Location means: compiled when the configuration is read, never changed. */
struct gate_settings {
    const char *name;  /* which configuration sections made it; see gate_site.find */
    const char *place; /* the Location, for the log */
    int counted_as;    /* the number under which its decisions are counted */
    const gate_site *site;
    gate_realm realm;
    gate_provider *provider;
    gate_client client;
    bool client_auth_given; /* client.method was configured; else the provider's metadata counts */

    unsigned methods; /* a bit for each gate_method */
    gate_unauthenticated on_unauthenticated;
    bool passes_preflights; /* OIDCGatePreflight pass */
    bool enforces;          /* what is decided; else it is only said */

    /* the code flow */
    const char *scope;
    const gate_form *authorization_params, *token_params; /* NULL for none */
    gate_response_mode response_mode;
    gate_par par;
    bool userinfo_at_login;
    gate_source sources[GATE_SOURCE_COUNT]; /* OIDCGateClaimsFrom, in order */
    int source_count;
    gate_session_times session;

    /* presented tokens */
    gate_token_sources token_sources;
    const char *const *audiences; /* NULL-terminated; NULL: any */
    gate_alg_set algorithms;
    bool strict_tokens; /* OIDCGateTokenProfile rfc9068 */
    int skew; /* seconds */
    bool introspect_all;
    const gate_form *introspection_params; /* NULL for none */
    const char *client_credentials_scope;  /* NULL: none sent */
    gate_cache_times cache;
    int limit_address, limit_total; /* OIDCGateLimit: calls a second for unknown credentials */
    gate_digest accept_fingerprint; /* over realm, audiences and all else that tokens meet */

    /* itself as a protected resource (RFC 9728) */
    const char *resource;          /* NULL: not one that says so */
    const char *resource_document; /* what it says of itself, as JSON */
    const char *resource_path;     /* where on its host that stands */
    const char *resource_metadata; /* the whole address, for challenges */

    /* what is told */
    gate_told_list headers, variables;
    const gate_claim_name *user_claims; /* OIDCGateRemoteUser */
    int user_claim_count;
    unsigned needs;  /* GATE_NEEDS_TOKENS of all templates: what beside the identity must be opened
                      */
    bool tells_anew; /* something of it is made for each request */
    bool forward_credentials;
    bool owns_authorization; /* what backends find there is the gate's to say, or nobody's */

    /* signing out */
    const char *const *logout_targets; /* NULL-terminated; NULL: none but the site itself */
    bool revoke;
};

/* What a virtual host has once: its own origin, endpoints and cookies. */
struct gate_site {
    const char *origin;   /* "https://www.example.com", from configuration, never from a request */
    const char *path;     /* OIDCGatePath */
    const char *cookie;   /* OIDCGateCookie, or the default */
    const char *samesite; /* "Lax" or "Strict" */
    bool secure;          /* the origin is https: cookies are Secure */
    const gate_assertion *assertion;      /* OIDCGateAssertion; NULL: none are made */
    const gate_settings *const *settings; /* one of each realm that signs people in here */
    int settings_count;
    bool takes_posts;                      /* some of them have answers posted to the callback */
    const gate_settings *const *resources; /* those of a path of their own (OIDCGateResource) */
    int resource_count;
    /* The settings of that name, made again where this process has not met them yet, and for p's
     * request alone where no more are kept; NULL where the configuration has no such. */
    const gate_settings *(*find)(const gate_site *site, apr_pool_t *p, const char *name);
};

/* All that a decision may look at. */
struct gate_request {
    apr_pool_t *pool;
    apr_int64_t now;       /* seconds since 1970 */
    const char *method;    /* "GET" */
    gate_span uri;         /* path and query as the browser sent them, "/app/x?a=1" */
    gate_span query;       /* absent where there is none */
    gate_span taken_query; /* the query as it came, where a token may have been in it and was taken
                              out of the address; else absent */
    const char *address;   /* whose calls are counted together: the caller's, of IPv6 its /64 */
    bool is_navigation;    /* a browser is opening a page: only then is it sent away to sign in */
    bool is_subrequest;
    bool is_watched;     /* nothing is done of what is decided: nobody is sent to the provider */
    void *context;       /* the adapter's */
    int *provider_calls; /* counts what this request asked the provider */
    gate_trace *trace;   /* gets each step of the decision; NULL: nobody asks why */
    const gate_span *brought; /* what gate_decide_brought has found in it; NULL: nobody has asked */
    const char *(*header)(const gate_request *q, const char *name); /* NULL where not sent */
};

/* What goes with a verb. CHALLENGE, REFUSE and FAIL follow from the reason's status: 401, another
 * 4xx, 5xx. */
typedef enum gate_verb {
    GATE_ADMIT,
    GATE_REDIRECT,
    GATE_CHALLENGE,
    GATE_REFUSE,
    GATE_FAIL
} gate_verb;

#define GATE_MAX_COOKIES 24

/* The tokens and raw answers behind an identity; opened only where a template or a refresh needs
 * them. */
typedef struct gate_tokens {
    gate_span access_token, refresh_token, id_token; /* absent where there is none */
    gate_span userinfo, introspection;               /* JSON text */
    apr_int64_t access_expires;                      /* seconds since 1970; 0: not known */
    apr_int64_t renew_at; /* from then on it is better renewed; 0: never */
    apr_int64_t id_expires; /* exp of the ID token, where that was read just now */
} gate_tokens;

/* Where the record of a credential is filed, or would be; see filed.h. */
typedef struct gate_filed_under {
    bool is_known;
    gate_store_key key;
} gate_filed_under;

/* Under which keys it would stand that a session was ended from elsewhere; see revoke.h. */
typedef struct gate_endings {
    int count; /* 0: nobody's was of late, when it was asked */
    gate_store_key keys[6];
} gate_endings;

/* The record in the store that a decision rests on. */
typedef struct gate_basis {
    gate_store_kind kind;
    gate_store_key key;
    uint64_t version;     /* 0: on none */
    gate_endings endings; /* of a SESSION */
} gate_basis;

/* The only thing that leaves gate/. */
typedef struct gate_decision {
    gate_verb verb;
    gate_reason reason;
    int status;                    /* 200 for ADMIT; else what is answered */
    gate_reason told;              /* what the caller is told, where that differs; else GATE_OK */
    const char *detail;            /* for the log, never for the caller; NULL for none */
    gate_method method;            /* which one judged, where known is true */
    bool known;                    /* identity is somebody */
    const gate_identity *identity; /* NULL: nobody */
    const gate_tokens *tokens;     /* NULL where settings->needs asks for none */
    gate_basis basis;              /* the record that it rests on */
    const gate_digest *session; /* where the session it comes from is filed; NULL: from a token */
    apr_int64_t expires;        /* when that ends; 0: not known */
    const char *location;       /* REDIRECT */
    const char *cookies[GATE_MAX_COOKIES]; /* values of Set-Cookie */
    int cookie_count;
    int retry_after;            /* seconds; 0: not said */
    const gate_settings *signed_in_at; /* a login is finished: whose it was; else NULL */
    const char *return_to;      /* the page on this host that a login was begun for, or NULL */
    const char *provider_error; /* the registered code with which the provider ended it, or NULL */
    const char *cache;          /* "hit", "miss", "shared", "stale", "off" or NULL: for the log */
    gate_filed_under filed_under; /* the credential that was judged */
} gate_decision;

/* A decision with the verb and status that belong to the reason. */
gate_decision gate_refuse(gate_reason reason, const char *detail);

/* A decision that sends the browser elsewhere: with 303 after a POST (RFC 9700 section 4.12), else
 * with 302. */
gate_decision gate_send_to(const gate_request *q, const char *location);

/* Fetch Metadata: whether no page of another site makes this request. A POST may come from this
 * host or from no page at all; a GET must prove that. Older browsers and programs say nothing, and
 * then a POST will do: the cookie is SameSite, so another site's form does not bring it along. site
 * is NULL where the host has none. */
bool gate_comes_from_here(const gate_request *q, const gate_site *site);

/* Adds a Set-Cookie value; those over GATE_MAX_COOKIES are left out. NULL adds nothing. */
void gate_add_cookie(gate_decision *decision, const char *cookie);

#endif
