/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* vault.h - memory for what must not be in a core dump, nor, where the system lets us, in swap */
#ifndef GATE_BASE_VAULT_H
#define GATE_BASE_VAULT_H

#include "base/span.h"

/* Zeroed memory that is wiped and given back with p; children inherit it. For the few secrets that
 * live as long as a configuration or the process: pages of it belong to one pool. NULL: there is no
 * memory. */
void *gate_vault_alloc(apr_pool_t *p, size_t len);

/* A NUL-terminated copy there; NULL: there is no memory. */
const char *gate_vault_keep(apr_pool_t *p, gate_span bytes);

/* Keeps whole pages that are mapped already out of core dumps, as far as the system can. */
void gate_vault_hide(void *pages, size_t bytes);

#endif
