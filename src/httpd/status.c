/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/status.h"

#include <apr_strings.h>

#include "http_protocol.h"

#include "base/json.h"
#include "base/report.h"
#include "httpd/config.h"
#include "httpd/count.h"
#include "httpd/page.h"
#include "httpd/problem.h"
#include "httpd/runtime.h"

APLOG_USE_MODULE(oidc_gate);

#define MAX_PARAMETERS 4
#define LABEL_BYTES    256

/* --- what there is to say --- */

#define METRIC(type_, unit_, name_, help_, ...)                                              \
    {                                                                                        \
        .name = "oidc_gate_" name_, .help = help_, .type = type_, .unit = unit_, .labels = { \
            __VA_ARGS__                                                                      \
        }                                                                                    \
    }
#define COUNTER(...)     METRIC(GATE_METRIC_COUNTER, GATE_UNIT_NONE, __VA_ARGS__)
#define GAUGE(unit, ...) METRIC(GATE_METRIC_GAUGE, unit, __VA_ARGS__)

static const gate_metric info =
    GAUGE(GATE_UNIT_NONE, "info", "The module's version; the number is always 1.", "version");
static const gate_metric since =
    GAUGE(GATE_UNIT_DATE, "start_timestamp_seconds",
          "Since when is counted. A graceful restart goes on counting.", NULL);
static const gate_metric requests =
    COUNTER("requests_total", "Decisions, one for each line of the log.", "location", "provider",
            "method", "decision", "reason");
static const gate_metric stripped =
    COUNTER("spoof_stripped_total",
            "Headers taken off requests because nobody but the gate may say them.", NULL);
static const gate_metric waited = COUNTER(
    "flight_wait_milliseconds_total",
    "Time spent waiting for a call to a provider that another request had under way.", NULL);
/* In the order of gate_counted_cache. */
static const gate_metric caches[] = {
    COUNTER("cache_hits_total", "Tokens and clients known from before.", "cache"),
    COUNTER("cache_misses_total", "Tokens and clients that had to be judged.", "cache"),
    COUNTER("cache_shared_total", "Tokens and clients that another request judged meanwhile.",
            "cache"),
    COUNTER("cache_stale_total",
            "Tokens known from before, let in while the provider could not be asked.", "cache"),
    COUNTER("cache_off_total", "Tokens that the provider is asked about each time.", "cache"),
};
static const gate_metric sessions = GAUGE(GATE_UNIT_NONE, "sessions", "Sessions held.", NULL);
static const gate_metric records =
    GAUGE(GATE_UNIT_NONE, "store_records",
          "Records held; among them those that have expired and nobody met since.", "kind");
static const gate_metric store_bytes =
    GAUGE(GATE_UNIT_BYTES, "store_bytes", "Size of each region of the store.", "region");
static const gate_metric store_used =
    GAUGE(GATE_UNIT_BYTES, "store_used_bytes", "What of it is in use.", "region");
static const gate_metric evictions =
    COUNTER("cache_evictions_total", "Records that were still good when they made room.", "cache");
static const gate_metric refusals =
    COUNTER("store_full_total", "Records that found no room, and were refused.", "kind");
static const gate_metric repairs =
    COUNTER("store_repairs_total",
            "Parts of the store put in order after a process had died over them.", "region");
static const gate_metric metadata_age =
    GAUGE(GATE_UNIT_SECONDS, "metadata_age_seconds", "Age of the metadata in use.", "provider");
static const gate_metric keys_age =
    GAUGE(GATE_UNIT_SECONDS, "jwks_age_seconds", "Age of the keys in use.", "provider");
static const gate_metric breaker = GAUGE(
    GATE_UNIT_NONE, "breaker_state",
    "Endpoints that have failed: 0 is asked, 1 is left alone, 2 is tried by whoever comes next.",
    "provider", "endpoint");
static const gate_metric calls =
    COUNTER("idp_requests_total", "Calls to providers, by how they ended.", "provider", "endpoint",
            "status");
static const gate_metric failure = GAUGE(GATE_UNIT_DATE, "idp_last_failure_timestamp_seconds",
                                         "When a call last failed.", "provider", "endpoint");
static const int call_bounds[] = GATE_CALL_BOUNDS;
static const gate_metric duration = {.name = "oidc_gate_idp_duration_seconds",
                                     .help = "How long calls to providers took.",
                                     .type = GATE_METRIC_HISTOGRAM,
                                     .labels = {"provider", "endpoint"},
                                     .bounds = call_bounds};

_Static_assert(sizeof caches / sizeof *caches == GATE_COUNT_CACHES, "each has its name");

/* A report on its way. */
typedef struct telling {
    apr_pool_t *pool;
    const gate_request *q;
    gate_report *report;
    bool is_told[GATE_COUNT_PROVIDERS];
} telling;

static void tell(const telling *t, const gate_metric *metric, apr_uint64_t value)
{
    gate_report_add(t->report, metric, (gate_sample){.value = value});
}

static void tell_of(const telling *t, const gate_metric *metric, const char *label,
                    apr_uint64_t value)
{
    gate_report_add(t->report, metric, (gate_sample){{label}, value, NULL});
}

/* What is written in the configuration may be anything; here it is printable. */
static const char *label_of(const telling *t, const char *text)
{
    return gate_span_for_log(t->pool, gate_span_of(text), LABEL_BYTES);
}

/* --- decisions --- */

static const char *method_name(int method)
{
    return method < GATE_METHOD_COUNT ? gate_method_name((gate_method)method) : "none";
}

static void tell_place(const telling *t, int place)
{
    const gate_counted_place names = gate_counted_place_of(place);
    const char *location = label_of(t, names.place), *issuer = label_of(t, names.issuer);

    for (int verdict = 0; verdict < GATE_COUNT_VERDICTS; verdict++) {
        for (int method = 0; method <= GATE_METHOD_COUNT; method++) {
            for (int reason = 0; reason < GATE_REASON_COUNT; reason++) {
                const apr_uint64_t count =
                    gate_counted_decisions(place, verdict, method, (gate_reason)reason);
                const gate_sample sample = {{location, issuer, method_name(method),
                                             gate_counted_verdict(verdict),
                                             gate_reason_name((gate_reason)reason)},
                                            count,
                                            NULL};

                if (count)
                    gate_report_add(t->report, &requests, sample);
            }
        }
    }
}

static void tell_decisions(const telling *t)
{
    for (int place = 0; place < gate_counted_places(); place++)
        tell_place(t, place);
    tell(t, &stripped, gate_counted_stripped());
    for (int cache = 0; cache < GATE_COUNT_CACHES; cache++)
        tell_of(t, &caches[cache], "token", gate_counted_cache(cache));
    tell(t, &waited, gate_counted_waited());
}

/* --- the store --- */

static const char *const kinds[GATE_STORE_KINDS] = {
    [GATE_STORE_SESSION] = "session",       [GATE_STORE_MARK] = "mark",
    [GATE_STORE_REVOCATION] = "revocation", [GATE_STORE_DOCUMENT] = "document",
    [GATE_STORE_TOKEN] = "token",           [GATE_STORE_NEGATIVE] = "negative",
    [GATE_STORE_LEASE] = "lease",
};

static void tell_region(const telling *t, const char *name, gate_store_kind from,
                        gate_store_kind to)
{
    gate_shm_usage usage;

    if (!gate_runtime_usage(from, &usage))
        return;
    if (from == GATE_STORE_SESSION)
        tell(t, &sessions, usage.records[GATE_STORE_SESSION]);
    tell_of(t, &store_bytes, name, usage.bytes);
    tell_of(t, &store_used, name, usage.bytes_used);
    tell_of(t, &repairs, name, usage.repaired);
    for (int kind = (int)from; kind <= (int)to; kind++) {
        tell_of(t, &records, kinds[kind], usage.records[kind]);
        tell_of(t, &refusals, kinds[kind], usage.refused[kind]);
        if (from == GATE_STORE_TOKEN) /* of the others none makes room */
            tell_of(t, &evictions, kinds[kind], usage.evicted[kind]);
    }
}

/* --- providers --- */

static apr_uint64_t age_of(const telling *t, apr_int64_t fetched)
{
    return t->q->now > fetched ? (apr_uint64_t)(t->q->now - fetched) : 0;
}

static const char *endpoint_name(int endpoint)
{
    return endpoint < GATE_ENDPOINT_COUNT ? gate_endpoint_name((gate_endpoint)endpoint)
                                          : "metadata";
}

/* Several may be one and the same to whoever counts: what they differ in is no label. */
static void tell_provider(gate_provider *provider, void *context)
{
    telling *t = context;
    const int number = gate_provider_says(provider)->counted_as;
    const char *issuer = label_of(t, gate_counted_issuer(number));
    gate_world *w = gate_runtime_world();
    gate_provider_look look;

    if (t->is_told[number])
        return;
    t->is_told[number] = true;
    look = gate_provider_look_at(t->q, w, provider);
    if (look.metadata_fetched)
        tell_of(t, &metadata_age, issuer, age_of(t, look.metadata_fetched));
    if (look.keys_fetched)
        tell_of(t, &keys_age, issuer, age_of(t, look.keys_fetched));
    for (int endpoint = 0; endpoint < GATE_CALL_KINDS; endpoint++) {
        const gate_breaker_state state =
            gate_provider_rests(t->q, w, provider, (gate_endpoint)endpoint);

        if (state != GATE_BREAKER_CLOSED || gate_counted_calls_to(number, endpoint).failed_at)
            gate_report_add(t->report, &breaker,
                            (gate_sample){{issuer, endpoint_name(endpoint)}, state, NULL});
    }
}

static void tell_calls(const telling *t, int provider, int endpoint)
{
    gate_counted_calls *seen = apr_palloc(t->pool, sizeof *seen);
    const char *issuer = label_of(t, gate_counted_issuer(provider));
    const char *name = endpoint_name(endpoint);
    apr_uint64_t all = 0;

    *seen = gate_counted_calls_to(provider, endpoint);
    for (int i = 0; i < GATE_CALL_OUTCOME_COUNT; i++) {
        const char *outcome = gate_counted_outcome_name((gate_call_outcome)i);

        if (seen->outcomes[i])
            gate_report_add(t->report, &calls,
                            (gate_sample){{issuer, name, outcome}, seen->outcomes[i], NULL});
        all += seen->outcomes[i];
    }
    if (!all)
        return;
    gate_report_add(t->report, &duration,
                    (gate_sample){{issuer, name}, seen->microseconds, seen->buckets});
    if (seen->failed_at)
        gate_report_add(t->report, &failure, (gate_sample){{issuer, name}, seen->failed_at, NULL});
}

static const gate_report *make_report(request_rec *r, const gate_request *q)
{
    telling t = {.pool = r->pool, .q = q, .report = gate_report_make(r->pool)};

    tell_of(&t, &info, GATE_VERSION, 1);
    tell(&t, &since, (apr_uint64_t)apr_time_sec(gate_counted_since()));
    tell_decisions(&t);
    gate_config_each_provider(tell_provider, &t);
    for (int provider = 0; provider < gate_counted_providers(); provider++) {
        for (int endpoint = 0; endpoint < GATE_CALL_KINDS; endpoint++)
            tell_calls(&t, provider, endpoint);
    }
    tell_region(&t, "sessions", GATE_STORE_SESSION, GATE_STORE_DOCUMENT);
    tell_region(&t, "tokens", GATE_STORE_TOKEN, GATE_STORE_LEASE);
    return t.report;
}

/* --- the answer --- */

/* A word of the query, "?metrics" or, as Prometheus is made to say it, "?metrics=". */
static bool is_asked(gate_span query, const char *word)
{
    gate_span parameter, name;

    while (gate_span_cut(&query, '&', &parameter)) {
        if (gate_span_cut(&parameter, '=', &name) && gate_span_is(name, word))
            return true;
    }
    return false;
}

static const char *button(request_rec *r)
{
    return apr_pstrcat(r->pool, "<form method=\"post\" action=\"",
                       gate_span_for_html(r->pool, gate_span_of(r->uri)),
                       "\">\n<input type=\"hidden\" name=\"forget\" value=\"metadata\">\n"
                       "<button>Fetch metadata and keys anew</button>\n</form>\n",
                       NULL);
}

int gate_status_show(request_rec *r, const gate_request *q, bool may_order)
{
    const gate_report *report = make_report(r, q);

    if (is_asked(q->query, "metrics")) {
        ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
        ap_rputs(gate_report_prometheus(report), r);
        return OK;
    }
    if (is_asked(q->query, "json"))
        return gate_send_json(r, gate_report_json(report));
    return gate_page_report(
        r, "The gate",
        "What all processes of this server have counted. The same for programs "
        "is at ?json, for Prometheus at ?metrics.",
        apr_pstrcat(r->pool, may_order ? button(r) : "", gate_report_html(report), NULL));
}

/* --- what it is told to do --- */

typedef struct forgetting {
    const gate_request *q;
    json_t *failed;
    const char *paragraphs;
    int fetched;
} forgetting;

static void forget(gate_provider *provider, void *context)
{
    forgetting *f = context;
    const char *detail = NULL;
    int fetched;
    const gate_reason reason =
        gate_provider_refresh(f->q, gate_runtime_world(), provider, &fetched, &detail);
    const char *issuer = gate_provider_says(provider)->issuer;
    apr_pool_t *p = f->q->pool;

    f->fetched += fetched;
    if (reason == GATE_OK)
        return;
    detail = detail ? gate_span_for_log(p, gate_span_of(detail), LABEL_BYTES) : "";
    json_array_append_new(f->failed, json_pack("{s:s, s:s, s:s}", "provider", issuer, "reason",
                                               gate_reason_name(reason), "detail", detail));
    f->paragraphs =
        apr_pstrcat(p, f->paragraphs, "<p>", gate_span_for_html(p, gate_span_of(issuer)), ": ",
                    gate_reason_name(reason), ", ", gate_span_for_html(p, gate_span_of(detail)),
                    "</p>\n", NULL);
}

gate_decision gate_status_order(request_rec *r, const gate_request *q, const gate_site *site,
                                gate_span text, gate_status_outcome *outcome)
{
    forgetting f = {.q = q, .paragraphs = ""};
    gate_form *form;
    json_t *answer;

    if (!gate_comes_from_here(q, site))
        return gate_refuse(GATE_CROSS_SITE, NULL);
    if (gate_form_parse(r->pool, text, MAX_PARAMETERS, &form) != GATE_OK ||
        !gate_span_is(gate_form_get(form, "forget"), "metadata"))
        return gate_refuse(GATE_MALFORMED_REQUEST, "forget=metadata is all that can be asked for");
    answer = gate_json_own(r->pool, json_object());
    f.failed = json_array();
    json_object_set_new(answer, "failed", f.failed);
    gate_config_each_provider(forget, &f);
    json_object_set_new(answer, "fetched", json_integer(f.fetched));
    *outcome =
        (gate_status_outcome){f.fetched, gate_json_compact(r->pool, answer).ptr, f.paragraphs};
    return (gate_decision){.verb = GATE_ADMIT,
                           .status = HTTP_OK,
                           .detail = apr_psprintf(r->pool,
                                                  "%d documents fetched anew, as the administrator "
                                                  "asked",
                                                  f.fetched)};
}

int gate_status_say(request_rec *r, const gate_status_outcome *outcome)
{
    if (gate_representation_of(r) != GATE_AS_PAGE)
        return gate_send_json(r, outcome->json);
    return gate_page_report(r, "Fetched anew",
                            apr_psprintf(r->pool, "Documents that came: %d.", outcome->fetched),
                            outcome->paragraphs);
}
