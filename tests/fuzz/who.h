/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* who.h - inputs that are some lines and, behind them, the claims of somebody */
#ifndef WHO_H
#define WHO_H

#include "fuzz.h"

#include <apr_tables.h>

#include "base/json.h"
#include "gate/claims.h"

#define WHO_MAX_BYTES 65536

/* The claims, told by two sources at once; somebody without claims where the text is no JSON
 * object. */
__attribute__((unused)) static const gate_identity *who_of(apr_pool_t *p, gate_span text)
{
    const json_t *claims = gate_json_object(p, text, WHO_MAX_BYTES);
    const gate_claim_set sets[] = {{GATE_SOURCE_ID_TOKEN, claims},
                                   {GATE_SOURCE_ACCESS_TOKEN, claims}};
    const gate_identity_facts facts = {
        .issuer = GATE_SPAN("https://op.example"),
        .subject = GATE_SPAN("somebody"),
        .scope = GATE_SPAN("openid email"),
    };
    gate_span bytes = {NULL, 0};
    const gate_reason reason = gate_identity_make(p, &facts, sets, claims ? 2 : 0, &bytes);
    FUZZ_CHECK(reason == GATE_OK || reason == GATE_SESSION_TOO_LARGE);
    const gate_identity *identity = gate_identity_open(bytes);
    FUZZ_CHECK(!identity == (reason != GATE_OK));
    return identity;
}

/* Cuts a line off and parts it at tabs: C strings in p, NULL behind the last. */
__attribute__((unused)) static const char *const *who_words(apr_pool_t *p, gate_span *rest)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));
    gate_span line, word;
    if (gate_span_cut(rest, '\n', &line))
        while (gate_span_cut(&line, '\t', &word))
            *(const char **)apr_array_push(words) = gate_span_dup(p, word);
    *(const char **)apr_array_push(words) = NULL;
    return (const char *const *)(const void *)words->elts;
}

#endif
