/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* resource.h - a place that takes tokens says which, and whose: OAuth 2.0 Protected Resource
 * Metadata (RFC 9728) */
#ifndef GATE_OIDC_RESOURCE_H
#define GATE_OIDC_RESOURCE_H

#include "base/span.h"

/* What stands before the resource's own path in the address of its metadata (section 3.1). */
#define GATE_RESOURCE_WELL_KNOWN "/.well-known/oauth-protected-resource"

typedef struct gate_resource {
    const char *identifier; /* an absolute https address (http on loopback) without a fragment */
    const char *issuer;     /* the provider whose tokens are taken */
    const char *name;       /* for people; NULL: none */
    const char *scopes;     /* parted by spaces; NULL: not said */
    const char *methods;    /* "header", "query" (RFC 6750 sections 2.1 and 2.3), parted by spaces:
                               where a token may stand; "" for elsewhere alone */
} gate_resource;

/* The path of the metadata of a resource on its host: the well-known part is put in before the
 * identifier's path. In p; NULL where the identifier is no address. */
const char *gate_resource_path(apr_pool_t *p, const char *identifier);

/* The whole address of the metadata, in p; NULL as above. */
const char *gate_resource_url(apr_pool_t *p, const char *identifier);

/* The document, in p; NULL where there is no memory. */
const char *gate_resource_document(apr_pool_t *p, const gate_resource *resource);

#endif
