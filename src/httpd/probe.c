/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "http_core.h"

#include "gate/probe.h"
#include "gate/provider.h"
#include "httpd/config.h"
#include "httpd/runtime.h"

APLOG_USE_MODULE(oidc_gate);

#define PROBE "OIDC_GATE_PROBE"

/* What is asked about is one client at one provider, for all that its places need together. */
typedef struct collecting {
    apr_array_header_t *clients; /* of gate_settings */
} collecting;

static bool same_client(const gate_settings *a, const gate_settings *b)
{
    return a->provider == b->provider && a->client.method == b->client.method &&
           a->client_auth_given == b->client_auth_given &&
           gate_span_equal(a->client.id, b->client.id) &&
           gate_span_equal(a->client.secret, b->client.secret);
}

/* The stricter of both, so that what one of them could not do with is found. */
static void widen(gate_settings *onto, const gate_settings *other)
{
    const gate_alg_set common = onto->algorithms & other->algorithms;
    const bool had_code = onto->methods & 1u << GATE_METHOD_CODE;
    const bool has_code = other->methods & 1u << GATE_METHOD_CODE;

    onto->methods |= other->methods;
    onto->algorithms = common ? common : onto->algorithms;
    onto->skew = other->skew < onto->skew ? other->skew : onto->skew;
    if (!has_code)
        return;
    onto->par = had_code && onto->par > other->par ? onto->par : other->par;
    onto->response_mode = had_code && onto->response_mode > other->response_mode
                              ? onto->response_mode
                              : other->response_mode;
    onto->userinfo_at_login = onto->userinfo_at_login || other->userinfo_at_login;
}

static void collect(const gate_settings *settings, void *context)
{
    collecting *c = context;

    for (int i = 0; i < c->clients->nelts; i++) {
        gate_settings *known = &APR_ARRAY_IDX(c->clients, i, gate_settings);

        if (same_client(known, settings)) {
            widen(known, settings);
            return;
        }
    }
    APR_ARRAY_PUSH(c->clients, gate_settings) = *settings;
}

/* A place for tokens alone needs no client. */
static const char *client_text(const gate_settings *client)
{
    return client->realm.client_id ? client->realm.client_id : "-";
}

static int by_name(const void *a, const void *b)
{
    const gate_settings *left = a, *right = b;
    const int order = strcmp(left->realm.issuer, right->realm.issuer);

    return order ? order : strcmp(client_text(left), client_text(right));
}

static const char *methods_text(apr_pool_t *p, unsigned methods)
{
    const char *text = "";

    for (int method = 0; method < GATE_METHOD_COUNT; method++) {
        if (methods & 1u << method)
            text =
                apr_pstrcat(p, text, *text ? " " : "", gate_method_name((gate_method)method), NULL);
    }
    return text;
}

/* Returns how many findings are failures. */
static int print(apr_pool_t *p, const gate_settings *client, const apr_array_header_t *findings)
{
    static const char *const verdicts[] = {"works", "look", "FAILS"};
    int failures = 0;

    printf("%s, client %s (%s)\n", client->realm.issuer, client_text(client),
           methods_text(p, client->methods));
    for (int i = 0; i < findings->nelts; i++) {
        const gate_finding *found = &APR_ARRAY_IDX(findings, i, gate_finding);

        printf("  %-5s  %s: %s%s%s\n", verdicts[found->verdict], found->what, found->text,
               found->remedy ? ". Remedy: " : "", found->remedy ? found->remedy : "");
        failures += found->verdict == GATE_FAILS;
    }
    return failures;
}

int gate_probe_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server)
{
    collecting c = {apr_array_make(ptemp, 8, sizeof(gate_settings))};
    gate_world w;
    int failures = 0;

    if (ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_CONFIG_TEST || !ap_exists_config_define(PROBE))
        return OK;
    if (!gate_runtime_bare(ptemp, &w)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT | APLOG_STARTUP, 0, main_server,
                     "no memory to ask providers with");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    gate_config_each_settings(collect, &c);
    qsort(c.clients->elts, (size_t)c.clients->nelts, sizeof(gate_settings), by_name);
    if (!c.clients->nelts)
        printf("Nothing is guarded by this server: no provider is asked.\n");
    for (int i = 0; i < c.clients->nelts; i++) {
        const gate_settings *client = &APR_ARRAY_IDX(c.clients, i, gate_settings);

        failures += print(ptemp, client, gate_probe(ptemp, &w, client));
        (void)fflush(stdout);
    }
    if (!failures)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, main_server,
                 "%d of what is needed of providers does not work; see the lines that say FAILS",
                 failures);
    return HTTP_INTERNAL_SERVER_ERROR;
}
