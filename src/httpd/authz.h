/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* authz.h - the Require providers: claim, scope and so on, and expr where it asks for claims */
#ifndef GATE_HTTPD_AUTHZ_H
#define GATE_HTTPD_AUTHZ_H

#include <stdbool.h>

#include "httpd/module.h"

/* The pre_config hook, when all modules are there: registers each rule as oidc-NAME, and as NAME
 * where no other module has that; says so where one has. */
int gate_register_rules(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp);

/* Called for each Require line, whosever rule it names: what is wrong with a negated one whose name
 * an <AuthzProviderAlias> gave to a gate rule, or NULL. */
const char *gate_check_require(cmd_parms *cmd, const char *args);

/* Whether a Require line of that name is answered by the gate. */
bool gate_is_rule(const char *name);

#endif
