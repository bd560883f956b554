/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A provider's metadata document: what is taken is its issuer's own, and every address in it is
 * one. */
#include "oidc/discovery.h"
#include "told.h"

#define ISSUER "https://id.example"

static void try_document(apr_pool_t *p, const gate_answer *answer, bool allow_http)
{
    gate_metadata *metadata = NULL;
    const char *detail = NULL;
    static const char *const domains[] = {"other.example", NULL};
    const gate_metadata_want want = {ISSUER, allow_http, domains};
    gate_reason reason = gate_metadata_read(p, answer, &want, &metadata, &detail);
    told_check(reason, detail);
    FUZZ_CHECK((reason == GATE_OK) == (metadata != NULL));
    if (!metadata)
        return;
    FUZZ_CHECK(answer->status == 200 && strcmp(metadata->issuer, ISSUER) == 0);
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        gate_url url;
        if (!metadata->endpoints[i])
            continue;
        FUZZ_CHECK(gate_url_parse(gate_span_of(metadata->endpoints[i]), &url));
        FUZZ_CHECK(url.is_https || allow_http);
        FUZZ_CHECK(gate_url_is_within(&url, GATE_SPAN("id.example")) ||
                   gate_url_is_within(&url, GATE_SPAN("other.example")));
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_answer answer = told_answer(input);
    try_document(p, &answer, false);
    try_document(p, &answer, true);
}
