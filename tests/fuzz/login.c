/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* The state cookie of a login: as it comes, and sealed with the gate's own key, as by one who has
 * it. The input is the query that comes back, and after a newline the cookie, or its contents. */
#include "fuzz.h"

#include "invariants.h"

static void land(const char *query, const char *cookie)
{
    const gate_request *q;
    gate_decision d;
    const char *problem;
    browser_set("__Host-oidc-gate-login-0", cookie);
    q = request_at("GET", apr_pstrcat(the.pool, "/oidc-gate/callback?", query, NULL), true);
    d = gate_login_finish(q, &the.site, &the.gate, q->query);
    problem = broken_invariant(&d);
    if (problem)
        fuzz_fail(problem, gate_reason_name(d.reason), d.status);
    /* The provider grants no code that is not its own. */
    FUZZ_CHECK(!d.known && (d.verb == GATE_REDIRECT || d.status >= 400));
}

/* "app" and its realm stand in front, so that there is a place for it to be good at. */
static const char *seal_contents(gate_span contents)
{
    const apr_int64_t now = world_clock(), none = 0;
    const gate_span usual[] = {
        {(const char *)&now, sizeof now},
        {(const char *)&none, sizeof none},
        {(const char *)&none, sizeof none},
        {(const char *)&none, sizeof none},
        GATE_SPAN("app"),
        {(const char *)the.app.realm.fingerprint.bytes, GATE_DIGEST_BYTES},
    };
    char *bytes = apr_palloc(the.pool, contents.len + sizeof usual + 256), *at = bytes;
    gate_span box = {"", 0};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const apr_uint32_t len = (apr_uint32_t)usual[i].len;
        memcpy(at, &len, sizeof len);
        memcpy(at + sizeof len, usual[i].ptr, len);
        at += sizeof len + len;
    }
    memcpy(at, contents.ptr, contents.len);
    gate_box_seal(the.pool, &the.keys[0], "login", gate_span_of(the.site.origin),
                  (gate_span){bytes, (size_t)(at - bytes) + contents.len}, gate_random_bytes, &box);
    return gate_base64url_encode(the.pool, box);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span query = {"", 0};
    gate_span box = {"", 0};
    gate_span_cut(&input, '\n', &query);
    world_begin();
    land(gate_span_dup(p, query), gate_span_dup(p, input));
    gate_box_seal(p, &the.keys[0], "login", gate_span_of(the.site.origin), input, gate_random_bytes,
                  &box);
    land(gate_span_dup(p, query), gate_base64url_encode(p, box));
    land(gate_span_dup(p, query), seal_contents(input));
}
