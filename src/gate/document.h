/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* document.h - the two documents that a provider publishes: held in memory, filed for all
 * processes, and fetched by one for all. Only provider.c goes here; all others ask it. */
#ifndef GATE_GATE_DOCUMENT_H
#define GATE_GATE_DOCUMENT_H

#include <apr_thread_mutex.h>

#include "gate/provider.h"

/* Each lives in the store, sealed, for all processes, and read into memory in each process that
 * uses it. */
typedef enum gate_document_kind {
    GATE_DOCUMENT_METADATA,
    GATE_DOCUMENT_KEYS,
    GATE_DOCUMENT_KINDS
} gate_document_kind;

/* One document, read. Counted: a newer one takes its place while requests still use it. */
typedef struct gate_document {
    apr_pool_t *pool;
    gate_provider *provider;
    int users; /* under the provider's mutex */
    apr_int64_t fetched;
    uint64_t version; /* of its record in the store; 0 where it could not be filed */
    const gate_metadata *metadata;
    const gate_jwks *keys;
} gate_document;

struct gate_provider {
    gate_provider_options options;
    gate_digest fingerprint;
    gate_breaker breakers[GATE_CALL_KINDS]; /* of each endpoint, and of discovery */
    gate_metadata configured;               /* discovery off: all there is */
    const gate_jwks *given; /* keys that the configuration has; NULL: they are fetched */
    apr_thread_mutex_t *mutex;
    gate_document *current[GATE_DOCUMENT_KINDS];
    apr_uint32_t looked[GATE_DOCUMENT_KINDS]; /* seconds: when it last looked for a newer one */
    apr_uint32_t inflight;
    gate_crowd crowd;
};

/* What one look for a document goes about with. */
typedef struct gate_document_search {
    const gate_request *q;
    gate_world *w;
    gate_provider *provider;
    gate_document_kind kind;
    uint64_t not_version; /* a document of this version will not do; 0: any will */
    gate_document *found; /* held until the request is over */
    const char **detail;
} gate_document_search;

/* The document: from memory, from the store, from the provider, in this order. One that is no
 * longer fresh is asked for again, and served as it is where that fails. The reasons of
 * gate_provider_metadata. */
gate_reason gate_document_find(gate_document_search *s);

/* The one in memory, held until the request is over; NULL for none. */
gate_document *gate_document_hold(const gate_document_search *s);

/* Takes the store's, where it has one that will do. What does not open or read counts as not there.
 */
bool gate_document_load(gate_document_search *s);

/* Fetches it, unless another request does; waits for that one, or takes what is there by then. A
 * failure is remembered for a while, so that a provider that is away costs one attempt and not one
 * for each visitor. The reasons of gate_provider_metadata. */
gate_reason gate_document_fetch(gate_document_search *s, bool waits);

/* Whether newer keys than those that were found are to be had: another process may know them
 * already, or the provider is asked, once in GATE_KEYS_REFETCH_SECONDS. */
bool gate_document_find_newer_keys(gate_document_search *s);

/* Lets go of what a provider has in memory: the cleanup of its pool. */
apr_status_t gate_documents_forget(void *provider);

/* Why the provider has no such endpoint, and what can be done; in p. */
const char *gate_provider_lacks(apr_pool_t *p, const gate_metadata *metadata,
                                gate_endpoint endpoint);

#endif
