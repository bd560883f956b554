/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/runtime.h"

#include <apr_strings.h>
#include <apr_time.h>

#include "http_core.h"
#include "mod_watchdog.h"

#include "gate/provider.h"
#include "httpd/config.h"
#include "io/limit.h"
#include "io/store_shm.h"

APLOG_USE_MODULE(oidc_gate);

/* All of it is made before children are forked, but for the connections. The module is linked to stay in memory (Makefile), so
 * that this outlives the configuration that comes and goes with each restart. */
static struct runtime {
    apr_pool_t *pool; /* the process's: never cleared */
    gate_shm *shm;
    gate_shm_options shm_options;
    gate_limit *limit;
    gate_key generated; /* where no OIDCGateSecretKey is given */
    gate_key keys[2];
    gate_world world;
} runtime;

gate_world *gate_runtime_world(void)
{
    return &runtime.world;
}

/* --- the seams --- */

static gate_reason fetch(void *context, apr_pool_t *p, const gate_question *question,
                         const gate_fetch_limits *limits, gate_answer *answer, const char **detail)
{
    if (context)
        return gate_fetch(context, p, question, limits, answer, detail);
    *detail = "this process could not make ready for calls to providers when it began";
    return GATE_INTERNAL;
}

static apr_int64_t clock_now(void)
{
    return apr_time_sec(apr_time_now());
}

static void pause_for(int milliseconds)
{
    apr_sleep(apr_time_from_msec(milliseconds));
}

/* One name for all addresses together: no address reads like it. */
#define ALL_ADDRESSES "*"

static bool may_ask(void *context, const char *address, apr_int64_t now, int limit_address, int limit_total)
{
    return gate_limit_count(context, address, now, limit_address)
        && gate_limit_count(context, ALL_ADDRESSES, now, limit_total);
}

/* --- start --- */

static bool same_sizes(const gate_shm_options *a, const gate_shm_options *b)
{
    return a->session_bytes == b->session_bytes && a->token_bytes == b->token_bytes;
}

/* Makes the store the first time; later it is the same one, in a new size where the configuration says another. */
static apr_status_t open_store(const gate_server_options *options, const char **problem)
{
    const gate_shm_options wanted = {
        .session_bytes = options->session_bytes,
        .token_bytes = options->token_bytes,
        .file = options->store_file ? apr_pstrdup(runtime.pool, options->store_file) : NULL,
    };
    apr_status_t status = APR_SUCCESS;

    if (!runtime.shm)
        status = gate_shm_create(runtime.pool, &wanted, &runtime.shm, problem);
    else if (!same_sizes(&runtime.shm_options, &wanted))
        status = gate_shm_resize(runtime.pool, runtime.shm, &wanted, &runtime.shm, problem);
    if (status == APR_SUCCESS)
        runtime.shm_options = wanted;
    return status;
}

static bool read_keys(const gate_server_options *options)
{
    static const char purpose[] = "gate";
    bool made;

    if (!options->secret_key) {
        runtime.keys[0] = runtime.generated;
        runtime.world.key_count = 1;
        return true;
    }
    made = gate_key_derive(&runtime.keys[0], gate_span_of(options->secret_key), purpose);
    runtime.world.key_count = 1;
    if (options->old_secret_key) {
        made = made && gate_key_derive(&runtime.keys[1], gate_span_of(options->old_secret_key), purpose);
        runtime.world.key_count = 2;
    }
    return made;
}

/* What is made once in the life of the process. */
static bool start_once(apr_pool_t *process_pool)
{
    if (runtime.pool)
        return true;
    runtime.limit = gate_limit_make();
    if (!runtime.limit || !gate_random_bytes(runtime.generated.bytes, GATE_KEY_BYTES)
        || gate_fetch_setup() != APR_SUCCESS)
        return false;
    runtime.pool = process_pool;
    return true;
}

int gate_runtime_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    const gate_server_options *options = gate_config_options();
    const char *problem = "";
    apr_status_t status;

    /* httpd reads its configuration twice when it starts; the first time is for looking. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || !options->used)
        return OK;
    if (!start_once(main_server->process->pool) || !read_keys(options)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "no memory, no randomness or no cryptography to start with");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    status = open_store(options, &problem);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, main_server, "OIDCGateSessionStore: %s", problem);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    runtime.world.store = gate_shm_store(runtime.shm);
    runtime.world.fetch = fetch;
    runtime.world.random = gate_random_bytes;
    runtime.world.clock = clock_now;
    runtime.world.pause = pause_for;
    runtime.world.may_ask = may_ask;
    runtime.world.limit_context = runtime.limit;
    runtime.world.keys = runtime.keys;
    return OK;
}

/* --- each child --- */

/* What the watchdog asks for has no request behind it. */
static const char *no_header(const gate_request *q, const char *name)
{
    return NULL;
}

static void tend(gate_provider *provider, void *context)
{
    gate_provider_tend(context, &runtime.world, provider);
}

static apr_status_t watch(int state, void *data, apr_pool_t *pool)
{
    int calls = 0;
    gate_request q = {
        .pool = pool,
        .now = clock_now(),
        .method = "GET",
        .header = no_header,
        .provider_calls = &calls,
    };

    if (state == AP_WATCHDOG_STATE_RUNNING)
        gate_config_each_provider(tend, &q);
    return APR_SUCCESS;
}

#define WATCH_EVERY_SECONDS 10

int gate_runtime_watch(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *set = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    /* Without mod_watchdog a visitor who meets an old document waits while it is fetched anew. */
    if (!get || !set || !gate_config_options()->used || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    if (get(&watchdog, "_oidc_gate_", 0, 1, pconf) == APR_SUCCESS)
        set(watchdog, apr_time_from_sec(WATCH_EVERY_SECONDS), NULL, watch);
    return OK;
}

void gate_runtime_child(apr_pool_t *pchild, server_rec *main_server)
{
    if (runtime.pool)
        runtime.world.fetch_context = gate_fetcher_make(pchild);
}
