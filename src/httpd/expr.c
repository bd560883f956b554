/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/expr.h"

#include <apr_strings.h>

#include "gate/claim_text.h"
#include "httpd/config.h"
#include "httpd/request.h"

#define NAME "OIDC"

/* --- asking it --- */

/* As the gate has decided; it is asked nothing here. NULL: nobody, or not yet. */
static const gate_identity *known_in(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = r ? gate_config_settings(r, &problem) : NULL;
    const gate_state *state = settings ? gate_state_for(r, settings) : NULL;

    return state && state->decision.known ? state->decision.identity : NULL;
}

static const char *text_of(ap_expr_eval_ctx_t *ctx, const void *name, const char *arg)
{
    gate_claim claim;

    return gate_claim_find_for_rule(known_in(ctx->r), name, &claim)
               ? gate_claim_text(ctx->p, &claim)
               : "";
}

static apr_array_header_t *list_of(ap_expr_eval_ctx_t *ctx, const void *name, const char *arg)
{
    gate_claim claim;

    return gate_claim_find_for_rule(known_in(ctx->r), name, &claim)
               ? gate_claim_texts(ctx->p, &claim)
               : NULL;
}

/* --- reading it --- */

/* Under this key the scratch pool has the list of claims, while they are noted. */
static const char notes[] = "oidc_gate expr";

apr_array_header_t *gate_expr_note(apr_pool_t *p, apr_pool_t *scratch)
{
    apr_array_header_t *claims = apr_array_make(p, 2, sizeof(gate_claim_name));

    apr_pool_userdata_setn(claims, notes, NULL, scratch);
    return claims;
}

void gate_expr_unnote(apr_pool_t *scratch)
{
    apr_pool_userdata_setn(NULL, notes, NULL, scratch);
}

static void note(apr_pool_t *scratch, const gate_claim_name *name)
{
    void *claims = NULL;

    apr_pool_userdata_get(&claims, notes, scratch);
    if (claims)
        APR_ARRAY_PUSH((apr_array_header_t *)claims, gate_claim_name) = *name;
}

int gate_expr_lookup(ap_expr_lookup_parms *parms)
{
    const bool is_list = parms->type == AP_EXPR_FUNC_LIST;
    gate_claim_name *name;

    if (strcasecmp(parms->name, NAME) || (!is_list && parms->type != AP_EXPR_FUNC_STRING))
        return DECLINED;
    name = apr_palloc(parms->pool, sizeof *name);
    if (!parms->arg ||
        !gate_claim_name_read(gate_span_of(apr_pstrdup(parms->pool, parms->arg)), name)) {
        *parms->err = "OIDC wants the name of a claim, written out, as in %{OIDC:email}";
        return !OK;
    }
    note(parms->ptemp, name);
    *parms->func = is_list ? (const void *)list_of : (const void *)text_of;
    *parms->data = name;
    return OK;
}

bool gate_expr_is_mentioned(const char *text)
{
    while ((text = ap_strcasestr(text, NAME))) {
        text += strlen(NAME);
        if (text[strspn(text, " \t")] == '(' || *text == ':')
            return true;
    }
    return false;
}
