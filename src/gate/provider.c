/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/provider.h"

#include <apr_atomic.h>
#include <apr_strings.h>

#include "gate/document.h"

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
    provider->crowd.most = 2 * (apr_uint32_t)options->inflight;
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
    apr_pool_cleanup_register(p, provider, gate_documents_forget, apr_pool_cleanup_null);
    return provider;
}

const gate_provider_options *gate_provider_says(const gate_provider *provider)
{
    return &provider->options;
}

gate_crowd *gate_provider_crowd(gate_provider *provider)
{
    return &provider->crowd;
}

gate_metadata_want gate_provider_metadata_want(const gate_provider_options *options)
{
    return (gate_metadata_want){
        .issuer = options->issuer,
        .allow_http = options->allow_http,
        .domains = options->domains,
    };
}

const char *gate_provider_lacks(apr_pool_t *p, const gate_metadata *metadata,
                                gate_endpoint endpoint)
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

/* --- what the stories ask for --- */

static gate_document_search look_for(const gate_request *q, gate_world *w, gate_provider *provider,
                                     gate_document_kind kind, const char **detail)
{
    return (gate_document_search){
        .q = q, .w = w, .provider = provider, .kind = kind, .detail = detail};
}

gate_reason gate_provider_metadata(const gate_request *q, gate_world *w, gate_provider *provider,
                                   const gate_metadata **metadata, const char **detail)
{
    gate_document_search s = look_for(q, w, provider, GATE_DOCUMENT_METADATA, detail);
    gate_reason reason;

    *detail = NULL;
    if (!provider->options.discovery) {
        *metadata = &provider->configured;
        return GATE_OK;
    }
    reason = gate_document_find(&s);
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
    *detail = gate_provider_lacks(q->pool, metadata, endpoint);
    return GATE_IDP_UNSUITABLE;
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
    gate_document_search s = look_for(q, w, provider, GATE_DOCUMENT_KEYS, detail);
    gate_reason reason;

    *detail = NULL;
    if (provider->given)
        return verify_with(jwt, provider->given, q->pool, detail);
    reason = gate_document_find(&s);
    if (reason != GATE_OK)
        return reason;
    reason = verify_with(jwt, s.found->keys, q->pool, detail);
    if (!may_be_newer(jwt, reason) || !gate_document_find_newer_keys(&s))
        return reason;
    return verify_with(jwt, s.found->keys, q->pool, detail);
}

gate_reason gate_provider_verify_offline(const gate_request *q, gate_world *w,
                                         gate_provider *provider, const gate_jwt *jwt)
{
    const char *detail = NULL;
    gate_document_search s = look_for(q, w, provider, GATE_DOCUMENT_KEYS, &detail);
    gate_reason reason;

    if (provider->given)
        return gate_jwt_verify(jwt, provider->given);
    s.found = gate_document_hold(&s);
    if (!s.found && !gate_document_load(&s))
        return GATE_UNKNOWN_KID;
    reason = gate_jwt_verify(jwt, s.found->keys);
    return may_be_newer(jwt, reason) ? GATE_UNKNOWN_KID : reason;
}

bool gate_provider_has_key(const gate_request *q, gate_provider *provider, const gate_jwt *jwt)
{
    const gate_document_search s = {.q = q, .provider = provider, .kind = GATE_DOCUMENT_KEYS};
    const gate_document *held;

    if (provider->given)
        return gate_jwt_names_key(jwt, provider->given);
    held = gate_document_hold(&s);
    return held && gate_jwt_names_key(jwt, held->keys);
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
    for (int kind = GATE_DOCUMENT_METADATA; kind < GATE_DOCUMENT_KINDS; kind++) {
        const char *detail = NULL;
        gate_document_search s = look_for(q, w, provider, (gate_document_kind)kind, &detail);

        if ((kind == GATE_DOCUMENT_METADATA && !provider->options.discovery) ||
            !gate_document_load(&s))
            continue;
        s.not_version = s.found->version;
        if (q->now - s.found->fetched >= TEND_AFTER_SECONDS || q->now < s.found->fetched)
            gate_document_fetch(&s, false);
    }
}

/* --- what an administrator asks for --- */

/* Whether the provider has such a document at all, and it is at hand. */
static bool is_in_use(gate_document_search *s)
{
    if (s->kind == GATE_DOCUMENT_METADATA ? !s->provider->options.discovery
                                          : s->provider->given != NULL)
        return false;
    if (!gate_document_load(s))
        s->found = gate_document_hold(s); /* one that could not be filed */
    return s->found != NULL;
}

gate_provider_look gate_provider_look_at(const gate_request *q, gate_world *w,
                                         gate_provider *provider)
{
    apr_int64_t fetched[GATE_DOCUMENT_KINDS] = {0, 0};

    for (int kind = GATE_DOCUMENT_METADATA; kind < GATE_DOCUMENT_KINDS; kind++) {
        const char *detail = NULL;
        gate_document_search s = look_for(q, w, provider, (gate_document_kind)kind, &detail);

        if (is_in_use(&s))
            fetched[kind] = s.found->fetched;
    }
    return (gate_provider_look){fetched[GATE_DOCUMENT_METADATA], fetched[GATE_DOCUMENT_KEYS]};
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
    for (int kind = GATE_DOCUMENT_METADATA; kind < GATE_DOCUMENT_KINDS; kind++) {
        const char *problem = NULL;
        gate_document_search s = look_for(q, w, provider, (gate_document_kind)kind, &problem);
        gate_reason reason;

        if (!is_in_use(&s))
            continue;
        s.not_version = s.found->version;
        reason = gate_document_fetch(&s, true);
        *fetched += reason == GATE_OK;
        if (reason != GATE_OK && first == GATE_OK) {
            first = reason;
            *detail = problem;
        }
    }
    return first;
}
