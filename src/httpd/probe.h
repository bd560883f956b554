/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* probe.h - apachectl -t -D OIDC_GATE_PROBE: each provider is asked, and what does not work is said
 */
#ifndef GATE_HTTPD_PROBE_H
#define GATE_HTTPD_PROBE_H

#include "httpd/module.h"

/* The check_config hook, behind all others. Does nothing at a start, or without that word. What
 * is found goes to standard output, a line each; where something that is needed does not work, the
 * configuration is refused. */
int gate_probe_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server);

#endif
