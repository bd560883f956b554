/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* authz.h - the Require providers: claim, scope, role, group, acr, auth-age */
#ifndef GATE_HTTPD_AUTHZ_H
#define GATE_HTTPD_AUTHZ_H

#include "httpd/module.h"

/* The pre_config hook, when all modules are there: registers each rule as oidc-NAME, and as NAME
 * where no other module has that; says so where one has. */
int gate_register_rules(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);

#endif
