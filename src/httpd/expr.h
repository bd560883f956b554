/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* expr.h - %{OIDC:path} in httpd's expressions */
#ifndef GATE_HTTPD_EXPR_H
#define GATE_HTTPD_EXPR_H

#include <stdbool.h>

#include "ap_expr.h"

#include "httpd/module.h"

/* The expr_lookup hook: %{OIDC:NAME} (or OIDC('NAME')) is a text, and behind `in` OIDC('NAME') is a
 * list. NAME is read when the expression is. Whatever nobody says, because nobody is known or there
 * is no such claim, is empty. */
int gate_expr_lookup(ap_expr_lookup_parms *parms);

/* Notes which claims (gate_claim_name) are looked at in expressions read with that scratch pool,
 * from now on until gate_expr_unnote. The list lives in p. */
apr_array_header_t *gate_expr_note(apr_pool_t *p, apr_pool_t *scratch);
void gate_expr_unnote(apr_pool_t *scratch);

/* Whether a text of the configuration has such an expression in it, as far as can be seen. */
bool gate_expr_is_mentioned(const char *text);

#endif
