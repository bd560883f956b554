/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* provider.h - what a provider says of itself (metadata, keys), kept fresh and served stale, and
 * every call that is made to it */
#ifndef GATE_GATE_PROVIDER_H
#define GATE_GATE_PROVIDER_H

#include "gate/breaker.h"
#include "gate/flight.h"
#include "gate/gate.h"
#include "jose/jwks.h"
#include "jose/jwt.h"

/* How long a document is taken as it is, how long it is served while the provider cannot be asked,
 * how long a failure is remembered, and how often an unknown key may make us ask again; seconds. */
#define GATE_DOCUMENT_FRESH_SECONDS 3600
#define GATE_DOCUMENT_STALE_SECONDS (24 * 3600)
#define GATE_DOCUMENT_RETRY_SECONDS 5
#define GATE_DOCUMENT_LOOK_SECONDS  5 /* how often a process looks what others have fetched */
#define GATE_KEYS_REFETCH_SECONDS   60

/* What the configuration says of a provider. Borrowed: lives as long as the provider. */
typedef struct gate_provider_options {
    const char *issuer;
    bool discovery;                             /* off: the endpoints below are all there is */
    const char *endpoints[GATE_ENDPOINT_COUNT]; /* OIDCGateEndpoint: wins over the metadata; NULL
                                                   where not given */
    const char *const *domains; /* where else its metadata may name endpoints: up to a NULL; NULL:
                                   nowhere */
    const char *keys; /* a key set as text, in place of the one that is fetched; NULL: none */
    bool allow_http;  /* the issuer is on loopback, or OIDCGateInsecure http-issuer */
    gate_fetch_limits limits;
    int inflight;   /* calls at once, per process; 0: no limit */
    int counted_as; /* the number under which its calls are counted */
} gate_provider_options;

/* Each endpoint, and the metadata document: gate_question.counted_as is the provider's number times
 * this, and the endpoint's. */
#define GATE_CALL_KINDS (GATE_ENDPOINT_COUNT + 1)

/* A provider of the configuration: one for all Locations that say the same of it. Lives in p, which
 * outlives all requests; made before threads and children. */
gate_provider *gate_provider_make(apr_pool_t *p, const gate_provider_options *options);

const gate_provider_options *gate_provider_says(const gate_provider *provider);

/* Those in this process who wait for what others ask of it: twice as many as may ask, once it is
 * slow. */
gate_crowd *gate_provider_crowd(gate_provider *provider);

/* The provider's metadata, fetched when first needed. With discovery off: the configured endpoints.
 * Valid as long as the request. IDP_UNREACHABLE, IDP_TIMEOUT, IDP_ERROR, IDP_BUSY, IDP_UNSUITABLE,
 * STORE_UNAVAILABLE. */
gate_reason gate_provider_metadata(const gate_request *q, gate_world *w, gate_provider *provider,
                                   const gate_metadata **metadata, const char **detail);

/* Its endpoint of that kind; IDP_UNSUITABLE where it has none, or as gate_provider_metadata. */
gate_reason gate_provider_endpoint(const gate_request *q, gate_world *w, gate_provider *provider,
                                   gate_endpoint endpoint, const char **url, const char **detail);

/* What its metadata must be. */
gate_metadata_want gate_provider_metadata_want(const gate_provider_options *options);

/* Asks one question, for whoever looks for metadata. */
typedef gate_reason gate_asker(void *context, const gate_question *question, gate_answer *answer);

typedef struct gate_looked_up {
    gate_answer answer;
    const char *url;     /* that it came from */
    const char *in_vain; /* " or URL" for each place before, where there was none */
} gate_looked_up;

/* Asks for the metadata, at one place after the other (gate_discovery_url) while the answer is that
 * there are none, but for no longer than two calls may take. The reasons of ask. */
gate_reason gate_provider_look_up(apr_pool_t *p, gate_world *w,
                                  const gate_provider_options *options, gate_asker *ask,
                                  void *context, gate_looked_up *found);

/* Verifies a token's signature with the provider's keys; an unknown key makes it ask for them
 * again, once in GATE_KEYS_REFETCH_SECONDS over all processes. The reasons of gate_jwt_verify, or
 * the provider's outage. */
gate_reason gate_provider_verify(const gate_request *q, gate_world *w, gate_provider *provider,
                                 const gate_jwt *jwt, const char **detail);

/* The same with the keys that are at hand, without asking anybody: UNKNOWN_KID where there are
 * none, or newer ones might fit. */
gate_reason gate_provider_verify_offline(const gate_request *q, gate_world *w,
                                         gate_provider *provider, const gate_jwt *jwt);

/* Whether one of the provider's keys, as they are at hand, is of the kid and algorithm that the
 * token names: says nothing of its signature. */
bool gate_provider_has_key(const gate_request *q, gate_provider *provider, const gate_jwt *jwt);

/* Asks: counted for the log, within the in-flight cap, and not at all while that endpoint fails
 * again and again. The reasons of gate_fetch, or IDP_BUSY. GATE_ENDPOINT_COUNT stands for the
 * metadata document. */
gate_reason gate_provider_ask(const gate_request *q, gate_world *w, gate_provider *provider,
                              gate_endpoint endpoint, const gate_question *question,
                              gate_answer *answer, const char **detail);

/* Makes a question to one of the provider's endpoints, with the gate's client credentials: all that
 * can fail before anything is sent. The reasons of gate_provider_endpoint. */
gate_reason gate_provider_question(const gate_request *q, gate_world *w, const gate_settings *s,
                                   gate_endpoint endpoint, gate_form *form, gate_question *question,
                                   const char **detail);

/* How the gate says who it is at an endpoint of a provider with these metadata: as configured, or
 * by the best of what is offered there. IDP_UNSUITABLE where there is none. */
gate_reason gate_provider_client(const gate_metadata *metadata, const gate_settings *s,
                                 gate_endpoint endpoint, gate_client *client, const char **detail);

/* Both at once. */
gate_reason gate_provider_post(const gate_request *q, gate_world *w, const gate_settings *s,
                               gate_endpoint endpoint, gate_form *form, gate_answer *answer,
                               const char **detail);

/* What is at hand of a provider, without asking it; seconds since 1970, 0 where there is none. */
typedef struct gate_provider_look {
    apr_int64_t metadata_fetched, keys_fetched;
} gate_provider_look;

gate_provider_look gate_provider_look_at(const gate_request *q, gate_world *w,
                                         gate_provider *provider);

/* Whether that endpoint is left alone just now. */
gate_breaker_state gate_provider_rests(const gate_request *q, gate_world *w,
                                       const gate_provider *provider, gate_endpoint endpoint);

/* Fetches what is at hand anew, however fresh it is; the other processes take it within
 * GATE_DOCUMENT_LOOK_SECONDS. Where that fails, what was there stays. *fetched is how many
 * documents came. */
gate_reason gate_provider_refresh(const gate_request *q, gate_world *w, gate_provider *provider,
                                  int *fetched, const char **detail);

/* Fetches again what is in use and grows old. Called now and then, by one process, outside any
 * request. */
void gate_provider_tend(const gate_request *q, gate_world *w, gate_provider *provider);

#endif
