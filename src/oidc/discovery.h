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
    gate_client_auth_set token_auth; /* what the provider says it takes; 0: did not say */
    gate_client_auth_set introspection_auth;
    gate_client_auth_set revocation_auth;
    bool sends_issuer; /* authorization_response_iss_parameter_supported (RFC 9207 section 3) */
    bool requires_par;
} gate_metadata;

/* Where the document is: issuer without its last '/', then "/.well-known/openid-configuration"
 * (Discovery section 4.1). In p. */
const char *gate_discovery_url(apr_pool_t *p, const char *issuer);

/* Reads the answer to a GET of that address. IDP_ERROR: no 200, no JSON object, or what breaks its
 * type. IDP_UNSUITABLE: its issuer is not, byte by byte, the one that was configured (section 4.3),
 * or an endpoint is no absolute https address (http is taken where allow_http says so: a provider
 * on loopback, or by OIDCGateInsecure). *detail says which. Lives in p. */
gate_reason gate_metadata_read(apr_pool_t *p, const gate_answer *answer, const char *issuer,
                               bool allow_http, gate_metadata **metadata, const char **detail);

#endif
