/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/provider.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

#include "base/json.h"
#include "base/pack.h"
#include "gate/flight.h"

/* The two documents that a provider publishes. Each lives in the store, sealed, for all processes,
 * and read into memory in each process that uses it. */
typedef enum document_kind { METADATA, KEYS, DOCUMENT_KINDS } document_kind;

static const char *const document_names[DOCUMENT_KINDS] = {"metadata", "jwks"};

/* One document, read. Counted: a newer one takes its place while requests still use it. */
typedef struct document {
    apr_pool_t *pool;
    gate_provider *provider;
    int users; /* under the provider's mutex */
    apr_int64_t fetched;
    uint64_t version; /* of its record in the store; 0 where it could not be filed */
    const gate_metadata *metadata;
    const gate_jwks *keys;
} document;

struct gate_provider {
    gate_provider_options options;
    gate_digest fingerprint;
    gate_breaker breakers[GATE_CALL_KINDS]; /* of each endpoint, and of discovery */
    gate_metadata configured;               /* discovery off: all there is */
    const gate_jwks *given; /* keys that the configuration has; NULL: they are fetched */
    apr_thread_mutex_t *mutex;
    document *current[DOCUMENT_KINDS];
    apr_uint32_t looked[DOCUMENT_KINDS]; /* seconds: when it last looked for a newer one */
    apr_uint32_t inflight;
};

/* What one look for a document goes about with. */
typedef struct search {
    const gate_request *q;
    gate_world *w;
    gate_provider *provider;
    document_kind kind;
    uint64_t not_version; /* a document of this version will not do; 0: any will */
    document *found;
    const char **detail;
} search;

/* --- documents in memory --- */

static apr_status_t release(void *data)
{
    document *held = data;
    gate_provider *provider = held->provider;
    bool last;

    apr_thread_mutex_lock(provider->mutex);
    last = --held->users == 0;
    apr_thread_mutex_unlock(provider->mutex);
    if (last)
        apr_pool_destroy(held->pool);
    return APR_SUCCESS;
}

static apr_status_t forget(void *data)
{
    gate_provider *provider = data;

    for (int kind = METADATA; kind < DOCUMENT_KINDS; kind++) {
        if (provider->current[kind])
            release(provider->current[kind]);
    }
    return APR_SUCCESS;
}

static const char *joined(apr_pool_t *p, const char *const *words)
{
    const char *text = "";

    for (; words && *words; words++)
        text = apr_pstrcat(p, text, *words, " ", NULL);
    return text;
}

gate_provider *gate_provider_make(apr_pool_t *p, const gate_provider_options *options)
{
    gate_provider *provider = apr_pcalloc(p, sizeof *provider);
    /* Who is believed is part of it: a document that one certificate authority vouches for is not
     * taken by those who trust another. */
    gate_span parts[GATE_ENDPOINT_COUNT + 7] = {
        GATE_SPAN("provider"),
        gate_span_of(options->issuer),
        options->discovery ? GATE_SPAN("on") : GATE_SPAN("off"),
        gate_span_of(options->limits.ca_file),
        options->allow_http ? GATE_SPAN("http") : GATE_SPAN("https"),
        gate_span_of(options->keys),
        gate_span_of(joined(p, options->domains)),
    };

    provider->options = *options;
    provider->configured.issuer = options->issuer;
    if (options->keys && !(provider->given = gate_jwks_read(p, gate_span_of(options->keys))))
        return NULL;
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        provider->configured.endpoints[i] = options->endpoints[i];
        parts[i + 7] = gate_span_of(options->endpoints[i]);
    }
    if (!gate_digest_of(&provider->fingerprint, parts, GATE_ENDPOINT_COUNT + 7))
        return NULL;
    for (int i = 0; i < GATE_CALL_KINDS; i++) {
        if (!gate_breaker_make(&provider->breakers[i], &provider->fingerprint, (gate_endpoint)i))
            return NULL;
    }
    if (apr_thread_mutex_create(&provider->mutex, APR_THREAD_MUTEX_DEFAULT, p) != APR_SUCCESS)
        return NULL;
    apr_pool_cleanup_register(p, provider, forget, apr_pool_cleanup_null);
    return provider;
}

const gate_provider_options *gate_provider_says(const gate_provider *provider)
{
    return &provider->options;
}

/* The document in memory, held until the request is over; NULL for none. */
static document *hold(const search *s)
{
    gate_provider *provider = s->provider;
    document *held;

    apr_thread_mutex_lock(provider->mutex);
    held = provider->current[s->kind];
    if (held)
        held->users++;
    apr_thread_mutex_unlock(provider->mutex);
    if (held)
        apr_pool_cleanup_register(s->q->pool, held, release, apr_pool_cleanup_null);
    return held;
}

/* Puts a document in the place of the one in memory. That place is the one user it comes with. */
static void install(const search *s, document *newer)
{
    document *older;

    apr_thread_mutex_lock(s->provider->mutex);
    older = s->provider->current[s->kind];
    s->provider->current[s->kind] = newer;
    apr_thread_mutex_unlock(s->provider->mutex);
    if (older)
        release(older);
}

/* Why there is no such endpoint, and what can be done; in p. */
static const char *without(apr_pool_t *p, const gate_metadata *metadata, gate_endpoint endpoint)
{
    const char *name = gate_endpoint_name(endpoint), *url = metadata->elsewhere[endpoint];

    if (!url)
        return apr_psprintf(p, "the provider names no %s endpoint; OIDCGateEndpoint %s URL can",
                            name, name);
    return apr_psprintf(p,
                        "the metadata names the %s endpoint on another host: %s. If it is the "
                        "provider's, say OIDCGateDiscovery On domain=HOST",
                        name, url);
}

/* Discovery section 3: these are REQUIRED. Without them the document is not kept, but asked for
 * again soon. */
static gate_reason check_complete(const document *read, const char **detail)
{
    static const gate_endpoint required[] = {GATE_ENDPOINT_AUTHORIZATION, GATE_ENDPOINT_TOKEN,
                                             GATE_ENDPOINT_JWKS};

    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (read->metadata->endpoints[required[i]])
            continue;
        *detail = without(read->pool, read->metadata, required[i]);
        return GATE_IDP_UNSUITABLE;
    }
    return GATE_OK;
}

gate_metadata_want gate_provider_metadata_want(const gate_provider_options *options)
{
    return (gate_metadata_want){
        .issuer = options->issuer,
        .allow_http = options->allow_http,
        .domains = options->domains,
    };
}

static gate_reason read_metadata(document *into, const gate_answer *answer, const char **detail)
{
    const gate_provider_options *options = &into->provider->options;
    const gate_metadata_want want = gate_provider_metadata_want(options);
    gate_metadata *metadata;
    gate_reason reason = gate_metadata_read(into->pool, answer, &want, &metadata, detail);

    if (reason != GATE_OK)
        return reason;
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        if (options->endpoints[i])
            metadata->endpoints[i] = options->endpoints[i];
    }
    into->metadata = metadata;
    return check_complete(into, detail);
}

static gate_reason read_keys(document *into, const gate_answer *answer, const char **detail)
{
    into->keys = answer->status == 200 ? gate_jwks_read(into->pool, answer->body) : NULL;
    if (into->keys)
        return GATE_OK;
    *detail = apr_psprintf(into->pool,
                           "the key set could not be read (status %d, %" APR_SIZE_T_FMT " bytes)",
                           answer->status, answer->body.len);
    return GATE_IDP_ERROR;
}

/* Reads an answer into a document with a pool of its own. On a refusal *s->detail is in the
 * request's pool. */
static gate_reason read_document(const search *s, const gate_answer *answer, document **made)
{
    apr_pool_t *pool;
    document *into;
    const char *detail = NULL;
    gate_reason reason;

    /* It outlives the request, but what becomes of a process without memory is the same. */
    if (apr_pool_create_ex(&pool, NULL, apr_pool_abort_get(s->q->pool), NULL) != APR_SUCCESS)
        return GATE_INTERNAL;
    into = apr_pcalloc(pool, sizeof *into);
    *into = (document){.pool = pool, .provider = s->provider, .users = 1};
    reason = s->kind == METADATA ? read_metadata(into, answer, &detail)
                                 : read_keys(into, answer, &detail);
    if (reason != GATE_OK) {
        *s->detail = detail ? apr_pstrdup(s->q->pool, detail) : NULL;
        apr_pool_destroy(pool);
        return reason;
    }
    *made = into;
    return GATE_OK;
}

/* --- documents in the store --- */

static bool key_of(const search *s, gate_store_key *key)
{
    const gate_span parts[] = {
        GATE_SPAN("document"),
        gate_span_of(document_names[s->kind]),
        {(const char *)s->provider->fingerprint.bytes, GATE_DIGEST_BYTES},
    };

    return gate_digest_of(key, parts, 3);
}

static bool open_box(const search *s, const gate_store_key *key, gate_span box, gate_span *plain)
{
    const gate_span context = {(const char *)key->bytes, GATE_DIGEST_BYTES};

    for (int i = 0; i < s->w->key_count; i++) {
        if (gate_box_open(s->q->pool, &s->w->keys[i], "document", context, box, plain))
            return true;
    }
    return false;
}

/* Takes the store's document, where it has one that will do. What does not open or read counts as
 * not there. */
static bool load(search *s)
{
    gate_store *store = s->w->store;
    gate_answer answer = {.status = 200, .content_type = "application/json"};
    gate_span plain, texts[2];
    gate_store_key key;
    gate_record record;
    document *made;
    apr_int64_t fetched;

    if (!key_of(s, &key) ||
        store->get(store, GATE_STORE_DOCUMENT, &key, s->q->now, s->q->pool, &record) !=
            GATE_STORE_DONE ||
        record.version == s->not_version)
        return false;
    s->found = hold(s);
    if (s->found && s->found->version == record.version)
        return true;
    if (!open_box(s, &key, record.value, &plain) || !gate_pack_read(plain, texts, 2) ||
        !gate_pack_number(texts[0], &fetched))
        return false;
    if (s->found && s->found->fetched > fetched) /* a newer one that could not be filed */
        return false;
    answer.body = texts[1];
    if (read_document(s, &answer, &made) != GATE_OK)
        return false;
    made->fetched = fetched;
    made->version = record.version;
    install(s, made);
    s->found = hold(s);
    return true;
}

/* Files a document for the other processes. Where that fails this one still has it. */
static uint64_t save(const search *s, gate_span body)
{
    gate_store *store = s->w->store;
    const apr_int64_t now = s->w->clock();
    gate_entry entry = {.expires = now + GATE_DOCUMENT_STALE_SECONDS};
    gate_pack pack = {.count = 0};
    gate_store_key key;
    uint64_t version = 0;

    gate_pack_add_number(s->q->pool, &pack, now);
    gate_pack_add(&pack, body);
    if (!key_of(s, &key) ||
        !gate_box_seal(s->q->pool, &s->w->keys[0], "document",
                       (gate_span){(const char *)key.bytes, GATE_DIGEST_BYTES},
                       gate_pack_bytes(s->q->pool, &pack), s->w->random, &entry.value))
        return 0;
    if (store->put(store, GATE_STORE_DOCUMENT, &key, now, &entry, &version) != GATE_STORE_DONE)
        return 0;
    return version;
}

/* --- documents from the provider --- */

gate_reason gate_provider_look_up(apr_pool_t *p, gate_world *w,
                                  const gate_provider_options *options, gate_asker *ask,
                                  void *context, gate_looked_up *found)
{
    const apr_int64_t begun = w->clock();
    gate_question question = {.accept = "application/json"};
    gate_reason reason = GATE_OK;

    found->in_vain = "";
    for (int place = 0; (question.url = gate_discovery_url(p, options->issuer, place)); place++) {
        if (place)
            found->in_vain = apr_pstrcat(p, found->in_vain, " or ", found->url, NULL);
        found->url = question.url;
        reason = ask(context, &question, &found->answer);
        if (reason != GATE_OK || !gate_discovery_goes_on(&found->answer) ||
            w->clock() - begun >= options->limits.total_ms / 1000)
            break;
    }
    return reason;
}

static gate_reason ask_for(void *context, const gate_question *question, gate_answer *answer)
{
    const search *s = context;

    return gate_provider_ask(s->q, s->w, s->provider,
                             s->kind == METADATA ? GATE_ENDPOINT_COUNT : GATE_ENDPOINT_JWKS,
                             question, answer, s->detail);
}

static gate_reason ask_for_keys(search *s, gate_looked_up *found)
{
    gate_question question = {.accept = "application/json"};
    gate_reason reason = gate_provider_endpoint(s->q, s->w, s->provider, GATE_ENDPOINT_JWKS,
                                                &question.url, s->detail);

    found->url = question.url;
    found->in_vain = "";
    return reason == GATE_OK ? ask_for(s, &question, &found->answer) : reason;
}

static gate_reason fetch(search *s)
{
    gate_looked_up found = {.in_vain = ""};
    document *made;
    gate_reason reason =
        s->kind == METADATA
            ? gate_provider_look_up(s->q->pool, s->w, &s->provider->options, ask_for, s, &found)
            : ask_for_keys(s, &found);

    if (reason != GATE_OK)
        return reason;
    reason = read_document(s, &found.answer, &made);
    if (reason != GATE_OK) {
        *s->detail = apr_psprintf(s->q->pool, "%s (at %s%s)", *s->detail ? *s->detail : "-",
                                  found.url, found.in_vain);
        return reason;
    }
    made->fetched = s->w->clock();
    made->version = save(s, found.answer.body);
    install(s, made);
    s->found = hold(s);
    return GATE_OK;
}

static bool landed(void *context)
{
    return load(context);
}

/* Metadata may take two calls' time (gate_provider_look_up). */
static int lease_seconds(const search *s)
{
    return (s->provider->options.limits.total_ms / 1000 + 1) * (s->kind == METADATA ? 2 : 1);
}

/* Fetches, or waits for the one who does; a failure is remembered for a while, so that a provider
 * that is away costs one attempt and not one for each visitor. */
static gate_reason fetch_once(search *s, int wait_seconds)
{
    const gate_span parts[] = {
        GATE_SPAN("fetch"),
        gate_span_of(document_names[s->kind]),
        {(const char *)s->provider->fingerprint.bytes, GATE_DIGEST_BYTES},
    };
    const gate_flight_plan plan = {
        .kind = GATE_STORE_DOCUMENT,
        .parts = parts,
        .count = 3,
        .lease_seconds = lease_seconds(s),
        .wait_seconds = wait_seconds,
        .landed = landed,
        .context = s,
    };
    gate_flight flight;
    gate_reason reason;

    switch (gate_flight_join(&flight, s->q, s->w, &plan, &reason)) {
    case GATE_FLIGHT_LANDED:
        return GATE_OK;
    case GATE_FLIGHT_LEAD:
        reason = fetch(s);
        gate_flight_end(&flight, reason, GATE_DOCUMENT_RETRY_SECONDS);
        return reason;
    default:
        if (!*s->detail)
            *s->detail = "another request asked a moment ago, in vain";
        return reason;
    }
}

static bool is_fresh(const document *held, apr_int64_t now)
{
    const apr_int64_t age = now - held->fetched;

    return age >= 0 && age < GATE_DOCUMENT_FRESH_SECONDS;
}

/* Whether what is in memory will do, or it is time to look whether another process has a newer one:
 * else a key that the provider has withdrawn would go on counting in some processes. */
static bool is_current(search *s, apr_int64_t now)
{
    volatile apr_uint32_t *looked = &s->provider->looked[s->kind];
    const apr_uint32_t before = apr_atomic_read32(looked);

    if (!s->found || !is_fresh(s->found, now))
        return false;
    return (apr_uint32_t)now - before < GATE_DOCUMENT_LOOK_SECONDS ||
           apr_atomic_cas32(looked, (apr_uint32_t)now, before) != before;
}

/* The document: from memory, from the store, from the provider, in this order. One that is no
 * longer fresh is asked for again, and served as it is where that fails. */
static gate_reason find(search *s)
{
    const apr_int64_t now = s->w->clock(); /* the request itself may be older than the document */
    document *stale;

    s->found = hold(s);
    if (is_current(s, now))
        return GATE_OK;
    load(s);
    if (s->found && is_fresh(s->found, now))
        return GATE_OK;
    stale = s->found;
    if (!stale || now - stale->fetched >= GATE_DOCUMENT_STALE_SECONDS)
        return fetch_once(s, lease_seconds(s));
    s->not_version = stale->version;
    if (fetch_once(s, 0) != GATE_OK)
        s->found = stale;
    return GATE_OK;
}

/* --- what the stories ask for --- */

gate_reason gate_provider_metadata(const gate_request *q, gate_world *w, gate_provider *provider,
                                   const gate_metadata **metadata, const char **detail)
{
    search s = {.q = q, .w = w, .provider = provider, .kind = METADATA, .detail = detail};
    gate_reason reason;

    *detail = NULL;
    if (!provider->options.discovery) {
        *metadata = &provider->configured;
        return GATE_OK;
    }
    reason = find(&s);
    if (reason == GATE_OK)
        *metadata = s.found->metadata;
    return reason;
}

gate_reason gate_provider_endpoint(const gate_request *q, gate_world *w, gate_provider *provider,
                                   gate_endpoint endpoint, const char **url, const char **detail)
{
    const gate_metadata *metadata;
    gate_reason reason;

    *url = provider->options.endpoints[endpoint];
    if (*url)
        return GATE_OK;
    reason = gate_provider_metadata(q, w, provider, &metadata, detail);
    if (reason != GATE_OK)
        return reason;
    *url = metadata->endpoints[endpoint];
    if (*url)
        return GATE_OK;
    *detail = without(q->pool, metadata, endpoint);
    return GATE_IDP_UNSUITABLE;
}

/* Only one request in GATE_KEYS_REFETCH_SECONDS may ask for keys out of turn, whatever strangers
 * put into "kid". The mark is filed among the documents, from where no stranger can push it out. */
static bool may_refetch(const search *s)
{
    const gate_span parts[] = {
        GATE_SPAN("refetch"),
        {(const char *)s->provider->fingerprint.bytes, GATE_DIGEST_BYTES},
    };
    const apr_int64_t now = s->w->clock();
    const gate_entry mark = {.value = GATE_SPAN(""), .expires = now + GATE_KEYS_REFETCH_SECONDS};
    gate_store *store = s->w->store;
    gate_store_key key;

    return gate_digest_of(&key, parts, 2) &&
           store->add(store, GATE_STORE_DOCUMENT, &key, now, &mark, NULL) == GATE_STORE_DONE;
}

/* The provider may have new keys: another process may know them already, or it is asked, or neither
 * is to be had now. */
static bool find_newer_keys(search *s)
{
    const gate_span parts[] = {
        GATE_SPAN("newer keys"),
        {(const char *)s->provider->fingerprint.bytes, GATE_DIGEST_BYTES},
    };
    const gate_flight_plan plan = {
        .kind = GATE_STORE_DOCUMENT,
        .parts = parts,
        .count = 2,
        .lease_seconds = lease_seconds(s),
        .wait_seconds = lease_seconds(s),
        .landed = landed,
        .context = s,
    };
    gate_flight flight;
    gate_reason reason;
    bool fetched = false;

    s->not_version = s->found->version;
    switch (gate_flight_join(&flight, s->q, s->w, &plan, &reason)) {
    case GATE_FLIGHT_LANDED:
        return true;
    case GATE_FLIGHT_LEAD:
        fetched = may_refetch(s) && fetch(s) == GATE_OK;
        gate_flight_end(&flight, GATE_OK, 0);
        return fetched;
    default:
        return false;
    }
}

/* Whether newer keys may help. A token that names no key is tried with all there are, and a new one
 * among them looks like a bad signature. */
static bool may_be_newer(const gate_jwt *jwt, gate_reason reason)
{
    return reason == GATE_UNKNOWN_KID || (reason == GATE_BAD_SIGNATURE && !jwt->kid.ptr);
}

static gate_reason verify_with(const gate_jwt *jwt, const gate_jwks *keys, apr_pool_t *p,
                               const char **detail)
{
    const gate_reason reason = gate_jwt_verify(jwt, keys);
    const char *problem = reason == GATE_UNKNOWN_KID ? gate_jwks_problem(keys, jwt->kid) : NULL;

    *detail = problem
                  ? apr_pstrcat(p, "the provider publishes a key that is not used: ", problem, NULL)
                  : NULL;
    return reason;
}

gate_reason gate_provider_verify(const gate_request *q, gate_world *w, gate_provider *provider,
                                 const gate_jwt *jwt, const char **detail)
{
    search s = {.q = q, .w = w, .provider = provider, .kind = KEYS, .detail = detail};
    gate_reason reason;

    *detail = NULL;
    if (provider->given)
        return verify_with(jwt, provider->given, q->pool, detail);
    reason = find(&s);
    if (reason != GATE_OK)
        return reason;
    reason = verify_with(jwt, s.found->keys, q->pool, detail);
    if (!may_be_newer(jwt, reason) || !find_newer_keys(&s))
        return reason;
    return verify_with(jwt, s.found->keys, q->pool, detail);
}

gate_reason gate_provider_verify_offline(const gate_request *q, gate_world *w,
                                         gate_provider *provider, const gate_jwt *jwt)
{
    const char *detail = NULL;
    search s = {.q = q, .w = w, .provider = provider, .kind = KEYS, .detail = &detail};
    gate_reason reason;

    if (provider->given)
        return gate_jwt_verify(jwt, provider->given);
    s.found = hold(&s);
    if (!s.found && !load(&s))
        return GATE_UNKNOWN_KID;
    reason = gate_jwt_verify(jwt, s.found->keys);
    return may_be_newer(jwt, reason) ? GATE_UNKNOWN_KID : reason;
}

static gate_reason ask_now(const gate_request *q, gate_world *w, gate_provider *provider,
                           gate_endpoint endpoint, const gate_question *question,
                           gate_answer *answer, const char **detail)
{
    gate_question counted = *question;

    counted.counted_as = provider->options.counted_as * GATE_CALL_KINDS + (int)endpoint;
    ++*q->provider_calls;
    return w->fetch(w->fetch_context, q->pool, &counted, &provider->options.limits, answer, detail);
}

gate_reason gate_provider_ask(const gate_request *q, gate_world *w, gate_provider *provider,
                              gate_endpoint endpoint, const gate_question *question,
                              gate_answer *answer, const char **detail)
{
    const apr_uint32_t most = (apr_uint32_t)provider->options.inflight;
    const gate_breaker *breaker = &provider->breakers[endpoint];
    gate_reason reason = GATE_IDP_BUSY;

    if (gate_breaker_is_open(breaker, q, w)) {
        *detail = "it failed again and again, and is left alone for a moment";
        return GATE_IDP_UNREACHABLE;
    }
    if (apr_atomic_inc32(&provider->inflight) < most || most == 0) {
        reason = ask_now(q, w, provider, endpoint, question, answer, detail);
        gate_breaker_note(breaker, q, w, reason == GATE_OK && answer->status < 500);
    }
    apr_atomic_dec32(&provider->inflight);
    return reason;
}

/* The offers that count at an endpoint: its own where the provider names them, else the token
 * endpoint's (RFC 8414 section 2). */
static gate_client_auth_set offers_at(const gate_metadata *metadata, gate_endpoint endpoint)
{
    if (endpoint == GATE_ENDPOINT_INTROSPECTION && metadata->introspection_auth)
        return metadata->introspection_auth;
    if (endpoint == GATE_ENDPOINT_REVOCATION && metadata->revocation_auth)
        return metadata->revocation_auth;
    return metadata->token_auth;
}

gate_reason gate_provider_client(const gate_metadata *metadata, const gate_settings *s,
                                 gate_endpoint endpoint, gate_client *client, const char **detail)
{
    *client = s->client;
    if (s->client_auth_given ||
        gate_client_auth_choose(offers_at(metadata, endpoint), client->secret.ptr != NULL,
                                &client->method))
        return GATE_OK;
    *detail =
        "the provider takes no client authentication that the gate has; see OIDCGateClientAuth";
    return GATE_IDP_UNSUITABLE;
}

gate_reason gate_provider_question(const gate_request *q, gate_world *w, const gate_settings *s,
                                   gate_endpoint endpoint, gate_form *form, gate_question *question,
                                   const char **detail)
{
    static const gate_metadata none = {.issuer = NULL};
    const gate_metadata *metadata = &none;
    gate_client client;
    gate_reason reason;

    *question = (gate_question){.accept = "application/json", .form = form};
    reason = gate_provider_endpoint(q, w, s->provider, endpoint, &question->url, detail);
    if (reason == GATE_OK && !s->client_auth_given)
        reason = gate_provider_metadata(q, w, s->provider, &metadata, detail);
    if (reason == GATE_OK)
        reason = gate_provider_client(metadata, s, endpoint, &client, detail);
    if (reason == GATE_OK)
        gate_client_authenticate(q->pool, question, &client);
    return reason;
}

gate_reason gate_provider_post(const gate_request *q, gate_world *w, const gate_settings *s,
                               gate_endpoint endpoint, gate_form *form, gate_answer *answer,
                               const char **detail)
{
    gate_question question;
    gate_reason reason = gate_provider_question(q, w, s, endpoint, form, &question, detail);

    return reason == GATE_OK
               ? gate_provider_ask(q, w, s->provider, endpoint, &question, answer, detail)
               : reason;
}

/* Older than this much of its fresh time, a document is fetched again before anybody has to wait
 * for it. */
#define TEND_AFTER_SECONDS (GATE_DOCUMENT_FRESH_SECONDS * 4 / 5)

void gate_provider_tend(const gate_request *q, gate_world *w, gate_provider *provider)
{
    for (int kind = METADATA; kind < DOCUMENT_KINDS; kind++) {
        const char *detail = NULL;
        search s = {
            .q = q, .w = w, .provider = provider, .kind = (document_kind)kind, .detail = &detail};

        if ((kind == METADATA && !provider->options.discovery) || !load(&s))
            continue;
        s.not_version = s.found->version;
        if (q->now - s.found->fetched >= TEND_AFTER_SECONDS || q->now < s.found->fetched)
            fetch_once(&s, 0);
    }
}

/* --- what an administrator asks for --- */

/* Whether the provider has such a document at all, and it is at hand. */
static bool is_in_use(search *s)
{
    if (s->kind == METADATA ? !s->provider->options.discovery : s->provider->given != NULL)
        return false;
    if (!load(s))
        s->found = hold(s); /* one that could not be filed */
    return s->found != NULL;
}

gate_provider_look gate_provider_look_at(const gate_request *q, gate_world *w,
                                         gate_provider *provider)
{
    apr_int64_t fetched[DOCUMENT_KINDS] = {0, 0};

    for (int kind = METADATA; kind < DOCUMENT_KINDS; kind++) {
        const char *detail = NULL;
        search s = {
            .q = q, .w = w, .provider = provider, .kind = (document_kind)kind, .detail = &detail};

        if (is_in_use(&s))
            fetched[kind] = s.found->fetched;
    }
    return (gate_provider_look){fetched[METADATA], fetched[KEYS]};
}

gate_breaker_state gate_provider_rests(const gate_request *q, gate_world *w,
                                       const gate_provider *provider, gate_endpoint endpoint)
{
    return gate_breaker_look(&provider->breakers[endpoint], q, w);
}

gate_reason gate_provider_refresh(const gate_request *q, gate_world *w, gate_provider *provider,
                                  int *fetched, const char **detail)
{
    gate_reason first = GATE_OK;

    *fetched = 0;
    *detail = NULL;
    for (int kind = METADATA; kind < DOCUMENT_KINDS; kind++) {
        const char *problem = NULL;
        search s = {
            .q = q, .w = w, .provider = provider, .kind = (document_kind)kind, .detail = &problem};
        gate_reason reason;

        if (!is_in_use(&s))
            continue;
        s.not_version = s.found->version;
        reason = fetch_once(&s, lease_seconds(&s));
        *fetched += reason == GATE_OK;
        if (reason != GATE_OK && first == GATE_OK) {
            first = reason;
            *detail = problem;
        }
    }
    return first;
}
