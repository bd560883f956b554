/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* discovery.h - the provider's metadata document (OpenID Connect Discovery 1.0, RFC 8414) */
#ifndef GATE_OIDC_DISCOVERY_H
#define GATE_OIDC_DISCOVERY_H

#include "base/message.h"
#include "base/reason.h"
#include "oidc/client_auth.h"

#define GATE_METADATA_MAX_BYTES (256 * 1024)

/* The endpoints that OIDCGateEndpoint can name; the array below is indexed by them. */
typedef enum gate_endpoint {
    GATE_ENDPOINT_AUTHORIZATION,
    GATE_ENDPOINT_TOKEN,
    GATE_ENDPOINT_INTROSPECTION,
    GATE_ENDPOINT_USERINFO,
    GATE_ENDPOINT_JWKS,
    GATE_ENDPOINT_REVOCATION,
    GATE_ENDPOINT_END_SESSION,
    GATE_ENDPOINT_PAR,
    GATE_ENDPOINT_COUNT
} gate_endpoint;

/* "authorization", "token", ... as the directive spells them; false for another word. */
bool gate_endpoint_find(const char *name, gate_endpoint *endpoint);
const char *gate_endpoint_name(gate_endpoint endpoint);

typedef struct gate_metadata {
    const char *issuer;
    const char *endpoints[GATE_ENDPOINT_COUNT]; /* NULL where the provider has none */
    /* Endpoints that it names, and that are not taken: on a host that is not known to be its own.
     * NULL where there is none such. */
    const char *elsewhere[GATE_ENDPOINT_COUNT];
    gate_client_auth_set token_auth; /* what the provider says it takes; 0: did not say */
    gate_client_auth_set introspection_auth;
    gate_client_auth_set revocation_auth;
    bool sends_issuer; /* authorization_response_iss_parameter_supported (RFC 9207 section 3) */
    bool requires_par;
} gate_metadata;

/* Where the document may be, in the order in which it is looked for: place is 0, 1, ... OpenID
 * providers have it behind the issuer ("/.well-known/openid-configuration", Discovery section 4.1),
 * other authorization servers between its host and its path
 * ("/.well-known/oauth-authorization-server", RFC 8414 section 3.1), or there under the former name
 * (section 5). NULL: there are no more. In p. */
const char *gate_discovery_url(apr_pool_t *p, const char *issuer, int place);

/* Whether that answer says that there is none, so that the next place may have it. */
bool gate_discovery_goes_on(const gate_answer *answer);

/* Whose document it must be. */
typedef struct gate_metadata_want {
    const char *issuer;
    bool allow_http;            /* a provider on loopback, or OIDCGateInsecure http-issuer */
    const char *const *domains; /* where it has endpoints beside its own host: up to a NULL; NULL:
                                   nowhere */
} gate_metadata_want;

/* Reads the answer to a GET of such an address. IDP_ERROR: no 200, no JSON object, or what breaks
 * its type. IDP_UNSUITABLE: its issuer is not, byte by byte, the one that was configured (section
 * 4.3, RFC 8414 section 3.3), or an endpoint is no absolute https address (http where allow_http
 * says so). *detail says which. Lives in p. */
gate_reason gate_metadata_read(apr_pool_t *p, const gate_answer *answer,
                               const gate_metadata_want *want, gate_metadata **metadata,
                               const char **detail);

#endif
