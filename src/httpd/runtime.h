/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* runtime.h - what lives as long as the server or a process of it: the store, the keys, the
 * connections, the world made of them */
#ifndef GATE_HTTPD_RUNTIME_H
#define GATE_HTTPD_RUNTIME_H

#include "gate/gate.h"
#include "httpd/module.h"
#include "io/store_shm.h"

/* The post_config hook: makes, or finds again after a restart, what must outlive one. */
int gate_runtime_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server);

/* The post_config hook that has providers' documents kept fresh in the background, by one process,
 * where mod_watchdog is there. */
int gate_runtime_watch(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server);

/* The child_init hook. */
void gate_runtime_child(apr_pool_t *pchild, server_rec *main_server);

/* A world that can ask providers, and knows the time: for `apachectl -t`, where nothing else is
 * started. It lives in p. False: there is no memory for it. */
bool gate_runtime_bare(apr_pool_t *p, gate_world *w);

/* How full the region is that keeps records of a kind. False: there is no store on this machine. */
bool gate_runtime_usage(gate_store_kind kind, gate_shm_usage *usage);

/* The world of this process. */
gate_world *gate_runtime_world(void);

#endif
