/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/document.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include "base/json.h"
#include "base/pack.h"
#include "gate/flight.h"

static const char *const document_names[GATE_DOCUMENT_KINDS] = {"metadata", "jwks"};

/* --- in memory --- */

static apr_status_t release(void *data)
{
    gate_document *held = data;
    gate_provider *provider = held->provider;
    bool last;

    apr_thread_mutex_lock(provider->mutex);
    last = --held->users == 0;
    apr_thread_mutex_unlock(provider->mutex);
    if (last)
        apr_pool_destroy(held->pool);
    return APR_SUCCESS;
}

apr_status_t gate_documents_forget(void *data)
{
    gate_provider *provider = data;

    for (int kind = GATE_DOCUMENT_METADATA; kind < GATE_DOCUMENT_KINDS; kind++) {
        if (provider->current[kind])
            release(provider->current[kind]);
    }
    return APR_SUCCESS;
}

gate_document *gate_document_hold(const gate_document_search *s)
{
    gate_provider *provider = s->provider;
    gate_document *held;

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
static void install(const gate_document_search *s, gate_document *newer)
{
    gate_document *older;

    apr_thread_mutex_lock(s->provider->mutex);
    older = s->provider->current[s->kind];
    s->provider->current[s->kind] = newer;
    apr_thread_mutex_unlock(s->provider->mutex);
    if (older)
        release(older);
}

/* Discovery section 3: these are REQUIRED. Without them the document is not kept, but asked for
 * again soon. */
static gate_reason check_complete(const gate_document *read, const char **detail)
{
    static const gate_endpoint required[] = {GATE_ENDPOINT_AUTHORIZATION, GATE_ENDPOINT_TOKEN,
                                             GATE_ENDPOINT_JWKS};

    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        if (read->metadata->endpoints[required[i]])
            continue;
        *detail = gate_provider_lacks(read->pool, read->metadata, required[i]);
        return GATE_IDP_UNSUITABLE;
    }
    return GATE_OK;
}

static gate_reason read_metadata(gate_document *into, const gate_answer *answer,
                                 const char **detail)
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

static gate_reason read_keys(gate_document *into, const gate_answer *answer, const char **detail)
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
static gate_reason read_document(const gate_document_search *s, const gate_answer *answer,
                                 gate_document **made)
{
    apr_pool_t *pool;
    gate_document *into;
    const char *detail = NULL;
    gate_reason reason;

    /* It outlives the request, but what becomes of a process without memory is the same. */
    if (apr_pool_create_ex(&pool, NULL, apr_pool_abort_get(s->q->pool), NULL) != APR_SUCCESS)
        return GATE_INTERNAL;
    into = apr_pcalloc(pool, sizeof *into);
    *into = (gate_document){.pool = pool, .provider = s->provider, .users = 1};
    reason = s->kind == GATE_DOCUMENT_METADATA ? read_metadata(into, answer, &detail)
                                               : read_keys(into, answer, &detail);
    if (reason != GATE_OK) {
        *s->detail = detail ? apr_pstrdup(s->q->pool, detail) : NULL;
        apr_pool_destroy(pool);
        return reason;
    }
    *made = into;
    return GATE_OK;
}

/* --- in the store --- */

static bool key_of(const gate_document_search *s, gate_store_key *key)
{
    const gate_span parts[] = {
        GATE_SPAN("document"),
        gate_span_of(document_names[s->kind]),
        {(const char *)s->provider->fingerprint.bytes, GATE_DIGEST_BYTES},
    };

    return gate_digest_of(key, parts, 3);
}

static bool open_box(const gate_document_search *s, const gate_store_key *key, gate_span box,
                     gate_span *plain)
{
    const gate_span context = {(const char *)key->bytes, GATE_DIGEST_BYTES};

    for (int i = 0; i < s->w->key_count; i++) {
        if (gate_box_open(s->q->pool, &s->w->keys[i], "document", context, box, plain))
            return true;
    }
    return false;
}

bool gate_document_load(gate_document_search *s)
{
    gate_store *store = s->w->store;
    gate_answer answer = {.status = 200, .content_type = "application/json"};
    gate_span plain, texts[2];
    gate_store_key key;
    gate_record record;
    gate_document *made;
    apr_int64_t fetched;

    if (!key_of(s, &key) ||
        store->get(store, GATE_STORE_DOCUMENT, &key, s->q->now, s->q->pool, &record) !=
            GATE_STORE_DONE ||
        record.version == s->not_version)
        return false;
    s->found = gate_document_hold(s);
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
    s->found = gate_document_hold(s);
    return true;
}

/* Files a document for the other processes. Where that fails this one still has it. */
static uint64_t save(const gate_document_search *s, gate_span body)
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

/* --- from the provider --- */

static gate_reason ask_for(void *context, const gate_question *question, gate_answer *answer)
{
    const gate_document_search *s = context;

    return gate_provider_ask(s->q, s->w, s->provider,
                             s->kind == GATE_DOCUMENT_METADATA ? GATE_ENDPOINT_COUNT
                                                               : GATE_ENDPOINT_JWKS,
                             question, answer, s->detail);
}

static gate_reason ask_for_keys(gate_document_search *s, gate_looked_up *found)
{
    gate_question question = {.accept = "application/json"};
    gate_reason reason = gate_provider_endpoint(s->q, s->w, s->provider, GATE_ENDPOINT_JWKS,
                                                &question.url, s->detail);

    found->url = question.url;
    found->in_vain = "";
    return reason == GATE_OK ? ask_for(s, &question, &found->answer) : reason;
}

static gate_reason fetch(gate_document_search *s)
{
    gate_looked_up found = {.in_vain = ""};
    gate_document *made;
    gate_reason reason =
        s->kind == GATE_DOCUMENT_METADATA
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
    s->found = gate_document_hold(s);
    return GATE_OK;
}

static bool landed(void *context)
{
    return gate_document_load(context);
}

/* Metadata may take two calls' time (gate_provider_look_up). */
static int lease_seconds(const gate_document_search *s)
{
    return (s->provider->options.limits.total_ms / 1000 + 1) *
           (s->kind == GATE_DOCUMENT_METADATA ? 2 : 1);
}

gate_reason gate_document_fetch(gate_document_search *s, bool waits)
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
        .wait_seconds = waits ? lease_seconds(s) : 0,
        .crowd = &s->provider->crowd,
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
        if (!*s->detail && reason != GATE_IDP_BUSY)
            *s->detail = "another request asked a moment ago, in vain";
        return reason;
    }
}

static bool is_fresh(const gate_document *held, apr_int64_t now)
{
    const apr_int64_t age = now - held->fetched;

    return age >= 0 && age < GATE_DOCUMENT_FRESH_SECONDS;
}

/* Whether what is in memory will do, or it is time to look whether another process has a newer one:
 * else a key that the provider has withdrawn would go on counting in some processes. */
static bool is_current(gate_document_search *s, apr_int64_t now)
{
    volatile apr_uint32_t *looked = &s->provider->looked[s->kind];
    const apr_uint32_t before = apr_atomic_read32(looked);

    if (!s->found || !is_fresh(s->found, now))
        return false;
    return (apr_uint32_t)now - before < GATE_DOCUMENT_LOOK_SECONDS ||
           apr_atomic_cas32(looked, (apr_uint32_t)now, before) != before;
}

gate_reason gate_document_find(gate_document_search *s)
{
    const apr_int64_t now = s->w->clock(); /* the request itself may be older than the document */
    gate_document *stale;

    s->found = gate_document_hold(s);
    if (is_current(s, now))
        return GATE_OK;
    gate_document_load(s);
    if (s->found && is_fresh(s->found, now))
        return GATE_OK;
    stale = s->found;
    if (!stale || now - stale->fetched >= GATE_DOCUMENT_STALE_SECONDS)
        return gate_document_fetch(s, true);
    s->not_version = stale->version;
    if (gate_document_fetch(s, false) != GATE_OK)
        s->found = stale;
    return GATE_OK;
}

/* Only one request in GATE_KEYS_REFETCH_SECONDS may ask for keys out of turn, whatever strangers
 * put into "kid". The mark is filed among the documents, from where no stranger can push it out. */
static bool may_refetch(const gate_document_search *s)
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

bool gate_document_find_newer_keys(gate_document_search *s)
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
        .crowd = &s->provider->crowd,
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
