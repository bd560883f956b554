/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* mod_oidc_gate.c - the table of contents: every hook, with the reason for its place */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_proxy.h"

#include "httpd/address.h"
#include "httpd/administer.h"
#include "httpd/answer.h"
#include "httpd/authz.h"
#include "httpd/config.h"
#include "httpd/endpoints.h"
#include "httpd/expr.h"
#include "httpd/guard.h"
#include "httpd/headers.h"
#include "httpd/memory.h"
#include "httpd/module.h"
#include "httpd/own_cookies.h"
#include "httpd/preflight.h"
#include "httpd/probe.h"
#include "httpd/runtime.h"

static void hook_start(void)
{
    /* Last, when every other module that has a "Require claim" has said so. */
    ap_hook_pre_config(gate_register_rules, NULL, NULL, APR_HOOK_LAST);
    /* Here `apachectl configtest` comes by too. */
    ap_hook_check_config(gate_config_check, NULL, NULL, APR_HOOK_MIDDLE);
    /* Behind everybody's, where `apachectl -t -D OIDC_GATE_PROBE` says so: asks the providers. */
    ap_hook_check_config(gate_probe_config, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* While expressions are read: ours has a name of its own. */
    ap_hook_expr_lookup(gate_expr_lookup, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(gate_runtime_start, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(gate_runtime_watch, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_init(gate_runtime_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(gate_memory_child, NULL, NULL, APR_HOOK_MIDDLE);
}

/* As a request meets them. */
static void hook_requests(void)
{
    /* Before anything can believe what a stranger claims to be, on every request of the server. */
    ap_hook_post_read_request(gate_scrub, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Before mod_rewrite and mod_proxy, which make other addresses out of this one: a token in it
     * goes no further (OIDCGateTokenFrom query:NAME). */
    ap_hook_translate_name(gate_take_query, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Before mod_rewrite, mod_alias and mod_proxy: nothing takes the callback away from us. */
    ap_hook_translate_name(gate_claim_endpoint, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(gate_claim_endpoint, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Before httpd's own, which answers TRACE. */
    ap_hook_map_to_storage(gate_refuse_trace, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* First: the endpoints are open, whatever the Location they fall into says. */
    ap_hook_check_access_ex(gate_open_endpoint, NULL, NULL, APR_HOOK_FIRST,
                            AP_AUTH_INTERNAL_PER_CONF);
    /* Before any rule is asked: whatever such a question brings along, it is nobody's. */
    ap_hook_check_access_ex(gate_note_preflight, NULL, NULL, APR_HOOK_FIRST,
                            AP_AUTH_INTERNAL_PER_CONF);
    /* Behind mod_authz_core, when nothing but a name is missing: where the administrator wants it,
     * what a browser asks before a script may ask needs none. */
    ap_hook_check_access_ex(gate_pass_preflight, NULL, NULL, APR_HOOK_LAST + 1,
                            AP_AUTH_INTERNAL_PER_CONF);
    /* And where the gate only watches, that is where it says what it would have done. */
    ap_hook_check_access_ex(gate_watch_user, NULL, NULL, APR_HOOK_REALLY_LAST,
                            AP_AUTH_INTERNAL_PER_CONF);
    /* Even where httpd's own access rules would do without: a place that lets everybody pass still
     * wants to know who it is, and a rule within <RequireNone> names people who must be known to be
     * kept out. */
    ap_hook_force_authn(gate_force_user, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_authn(gate_check_user, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    /* Before mod_authz_core, whose rule engine we ask: a known caller who may not pass gets 403. */
    ap_hook_check_authz(gate_check_rules, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
}

static void hook_answers(void)
{
    /* First, before mod_headers: what the administrator says in place of the caller's credentials
     * stays. */
    ap_hook_fixups(gate_withhold, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* Last, behind mod_headers: what the backend is told is what we say. */
    ap_hook_fixups(gate_publish, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* And once more in mod_proxy, after it has dropped the headers that Connection names. */
    APR_OPTIONAL_HOOK(proxy, fixups, gate_publish_to_proxy, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* A refusal stays one, whatever the page says that comes with it. */
    ap_hook_insert_filter(gate_watch_status, NULL, NULL, APR_HOOK_MIDDLE);
    gate_register_filters();
    /* What is the gate's alone to set. */
    ap_hook_insert_filter(gate_watch_cookies, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_error_filter(gate_watch_cookies, NULL, NULL, APR_HOOK_MIDDLE);
    gate_register_cookie_filter();
    /* Before mod_proxy and every other handler. */
    ap_hook_handler(gate_serve_endpoint, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(gate_serve_sessions, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(gate_serve_explain, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(gate_serve_status, NULL, NULL, APR_HOOK_MIDDLE);
}

static void register_hooks(apr_pool_t *p)
{
    hook_start();
    hook_requests();
    hook_answers();
}

AP_DECLARE_MODULE(oidc_gate) = {STANDARD20_MODULE_STUFF,  gate_config_create_dir,
                                gate_config_merge_dir,    gate_config_create_server,
                                gate_config_merge_server, gate_commands,
                                register_hooks,           AP_MODULE_FLAG_NONE};
