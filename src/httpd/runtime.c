/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/runtime.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_time.h>

#include "http_core.h"
#include "mod_watchdog.h"
#include "unixd.h"

#include "base/json.h"
#include "base/vault.h"
#include "gate/provider.h"
#include "httpd/config.h"
#include "httpd/count.h"
#include "io/limit.h"

APLOG_USE_MODULE(oidc_gate);

/* A process, as others know it: which server, and its number there. */
typedef struct worker {
    char server[16]; /* random: the file of a store may hold what another server, or this one before
                        its last stop, has left */
    pid_t pid;
} worker;

/* All of it is made before children are forked, but for the connections. The module is linked to
 * stay in memory (Makefile), so that this outlives the configuration that comes and goes with each
 * restart. */
static struct runtime {
    apr_pool_t *pool;       /* the process's: never cleared */
    apr_pool_t *store_pool; /* the store's: goes when the store has moved */
    gate_shm *shm;
    gate_shm_options shm_options;
    gate_limit *limit;
    gate_key *keys; /* two */
    worker self;
    gate_world world;
} runtime;

gate_world *gate_runtime_world(void)
{
    return &runtime.world;
}

bool gate_runtime_usage(gate_store_kind kind, gate_shm_usage *usage)
{
    if (!runtime.shm)
        return false;
    gate_shm_usage_of(runtime.shm, kind, usage);
    return true;
}

/* --- the seams --- */

static gate_reason fetch(void *context, apr_pool_t *p, const gate_question *question,
                         const gate_fetch_limits *limits, gate_answer *answer, const char **detail)
{
    const apr_time_t begun = apr_time_now();

    if (context) {
        const gate_reason reason = gate_fetch(context, p, question, limits, answer, detail);

        gate_count_call(question->counted_as, reason, reason == GATE_OK ? answer->status : 0,
                        apr_time_now() - begun);
        return reason;
    }
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
    gate_count_waited(milliseconds);
}

static bool may_ask(void *context, const char *address, apr_int64_t now, int limit_address,
                    int limit_total)
{
    return gate_limit_count(context, address, now, limit_address) &&
           gate_limit_count(context, NULL, now, limit_total);
}

/* A number that was given to another process meanwhile only makes others wait as long as they would
 * anyway. */
static bool is_gone(gate_span name)
{
    worker other;

    if (name.len != sizeof other)
        return false;
    memcpy(&other, name.ptr, sizeof other);
    return !memcmp(other.server, runtime.self.server, sizeof other.server) && other.pid > 0 &&
           kill(other.pid, 0) != 0 && errno == ESRCH;
}

/* --- start --- */

static bool is_same_file(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_place(const gate_shm_options *a, const gate_shm_options *b)
{
    return a->session_bytes == b->session_bytes && a->token_bytes == b->token_bytes &&
           is_same_file(a->file, b->file);
}

/* Children of the generation before go on after a graceful restart, and know the old store alone:
 * who signed out there would still be signed in here. At any other restart they are gone before the
 * configuration is read again. */
static bool old_children_remain(void)
{
    return ap_unixd_mpm_get_retained_data()->was_graceful;
}

/* A file that is no longer written keeps the sessions that have ended since: whoever named it again
 * would bring them back. */
static void remove_left_file(apr_pool_t *p, const char *left, const char *file)
{
    apr_finfo_t old, now;

    if (!left || apr_stat(&old, left, APR_FINFO_IDENT, p) != APR_SUCCESS)
        return;
    if (file && apr_stat(&now, file, APR_FINFO_IDENT, p) == APR_SUCCESS &&
        old.device == now.device && old.inode == now.inode)
        return; /* two names of one file */
    apr_file_remove(left, p);
}

/* Makes the store, or moves what is in the one that is there. Where that fails, all stays as it
 * was. */
static apr_status_t settle_store(const gate_shm_options *wanted, const char **problem)
{
    apr_pool_t *left = runtime.store_pool, *p;
    gate_shm *shm;
    apr_status_t status = apr_pool_create(&p, runtime.pool);

    *problem = "out of memory";
    if (status != APR_SUCCESS)
        return status;
    status = runtime.shm ? gate_shm_resize(p, runtime.shm, wanted, &shm, problem)
                         : gate_shm_create(p, wanted, &shm, problem);
    if (status != APR_SUCCESS) {
        *problem = apr_pstrdup(runtime.pool, *problem);
        apr_pool_destroy(p);
        return status;
    }
    remove_left_file(p, runtime.shm_options.file, wanted->file);
    runtime.shm = shm;
    runtime.shm_options = *wanted;
    runtime.shm_options.file = wanted->file ? apr_pstrdup(p, wanted->file) : NULL;
    runtime.store_pool = p;
    if (left)
        apr_pool_destroy(left);
    return APR_SUCCESS;
}

/* A running site never goes down because its store cannot move: it keeps the one that it has, and
 * says so. */
static apr_status_t open_store(const gate_server_options *options, server_rec *main_server)
{
    const gate_shm_options wanted = {
        .session_bytes = options->session_bytes,
        .token_bytes = options->token_bytes,
        .file = options->store_file,
    };
    const char *problem = NULL;
    apr_status_t status;

    if (runtime.shm && is_same_place(&runtime.shm_options, &wanted))
        return APR_SUCCESS;
    if (runtime.shm && old_children_remain()) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                     "OIDCGateSessionStore, OIDCGateTokenStore: another size or file is taken at a "
                     "restart that is not "
                     "graceful; until then the store stays as it is");
        return APR_SUCCESS;
    }
    status = settle_store(&wanted, &problem);
    if (status != APR_SUCCESS)
        ap_log_error(APLOG_MARK, runtime.shm ? APLOG_ERR : APLOG_CRIT, status, main_server,
                     "OIDCGateSessionStore: %s%s", problem,
                     runtime.shm ? "; the store stays as it was" : "");
    return runtime.shm ? APR_SUCCESS : status;
}

static bool read_keys(const gate_server_options *options)
{
    static const char purpose[] = "gate";
    bool made;

    if (!options->secret_key) { /* one is made with the store, and lives as long as what it names */
        runtime.keys[0] = *gate_shm_secret(runtime.shm);
        runtime.world.key_count = 1;
        return true;
    }
    made = gate_key_derive(&runtime.keys[0], gate_span_of(options->secret_key), purpose);
    runtime.world.key_count = 1;
    if (options->old_secret_key) {
        made = made &&
               gate_key_derive(&runtime.keys[1], gate_span_of(options->old_secret_key), purpose);
        runtime.world.key_count = 2;
    }
    return made;
}

/* What is made once in the life of the process. */
static bool start_once(apr_pool_t *process_pool)
{
    if (runtime.pool)
        return true;
    gate_json_setup();
    runtime.limit = gate_limit_make();
    runtime.keys = gate_vault_alloc(process_pool, 2 * sizeof *runtime.keys);
    if (!runtime.limit || !runtime.keys || !gate_count_begin() ||
        !gate_random_bytes(runtime.self.server, sizeof runtime.self.server) ||
        gate_fetch_setup() != APR_SUCCESS)
        return false;
    runtime.pool = process_pool;
    return true;
}

int gate_runtime_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server)
{
    const gate_server_options *options = gate_config_options();

    /* httpd reads its configuration twice when it starts; the first time is for looking. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || !options->used)
        return OK;
    if (!start_once(main_server->process->pool)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server,
                     "no memory or no randomness to start with");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (open_store(options, main_server) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (!read_keys(options)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "no cryptography to start with");
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

bool gate_runtime_bare(apr_pool_t *p, gate_world *w)
{
    gate_json_setup();
    if (gate_fetch_setup() != APR_SUCCESS)
        return false;
    *w = (gate_world){
        .fetch = fetch,
        .fetch_context = gate_fetcher_make(p),
        .random = gate_random_bytes,
        .clock = clock_now,
        .pause = pause_for,
    };
    return w->fetch_context != NULL;
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

int gate_runtime_watch(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *set =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;

    /* Without mod_watchdog a visitor who meets an old document waits while it is fetched anew. */
    if (!get || !set || !gate_config_options()->used ||
        ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    if (get(&watchdog, "_oidc_gate_", 0, 1, pconf) == APR_SUCCESS)
        set(watchdog, apr_time_from_sec(WATCH_EVERY_SECONDS), NULL, watch);
    return OK;
}

void gate_runtime_child(apr_pool_t *pchild, server_rec *main_server)
{
    if (!runtime.pool)
        return;
    runtime.world.fetch_context = gate_fetcher_make(pchild);
    runtime.self.pid = getpid();
    runtime.world.self = (gate_span){(const char *)&runtime.self, sizeof runtime.self};
    runtime.world.is_gone = is_gone;
}
