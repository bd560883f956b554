/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* shared.h - what many sections and virtual hosts say in the same words: it is made once, and lives
 * as long as the configuration */
#ifndef GATE_HTTPD_SHARED_H
#define GATE_HTTPD_SHARED_H

#include <apr_pools.h>

/* What was made of these words (NULL-terminated) before, as that kind of thing; NULL: nothing. */
const void *gate_shared_find(apr_pool_t *scratch, const char *kind, const char *const *words);

/* Keeps what is made of them. What a request makes is not kept: it does not live as long. */
void gate_shared_keep(const char *kind, const char *const *words, const void *made);

/* The one copy of a text, made where there is none; while the configuration is read. */
const char *gate_shared_text(const char *text);

#endif
