/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/memory.h"

#include <apr_strings.h>

#include "gate/decide.h"
#include "httpd/runtime.h"

/* What is kept stays as long as the connection: requests that are still being answered, or logged,
 * may point into it. So a connection that many people share, as a proxy's, is not followed for
 * long, and nothing large is kept. */
#define MAX_KEPT  4
#define MAX_BYTES 16384

typedef struct memory {
    const gate_site *site;
    const char *place;                  /* the settings' name */
    const char *authorization, *cookie; /* NULL where not sent */
    gate_decision decision;
    const char *user;
    apr_array_header_t *lines, *variables;
    int number; /* of those kept for this connection */
} memory;

static memory *memory_of(request_rec *r)
{
    return ap_get_module_config(r->connection->conn_config, &oidc_gate_module);
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* The streams of one HTTP/2 connection are at work at the same time, and the parts of a request
 * find what was decided for the whole. */
static bool is_first_look(request_rec *r)
{
    return !r->main && !r->prev && !r->connection->master;
}

bool gate_memory_recall(request_rec *r, const gate_request *q, gate_state *state)
{
    const gate_settings *s = state->settings;
    const memory *m = memory_of(r);

    if (!m || !is_first_look(r) || m->site != s->site || strcmp(m->place, s->name) ||
        !is_same(m->cookie, q->header(q, "Cookie")) ||
        !is_same(m->authorization, q->header(q, "Authorization")) ||
        !gate_decide_again(q, s, gate_runtime_world(), &m->decision))
        return false;
    state->decision = m->decision;
    state->user = m->user;
    state->lines = m->lines;
    state->variables = m->variables;
    return true;
}

static size_t bytes_of(const apr_array_header_t *lines)
{
    size_t bytes = 0;

    for (int i = 0; i < lines->nelts; i++)
        bytes += strlen(APR_ARRAY_IDX(lines, i, gate_line).value);
    return bytes;
}

/* A copy of what may be a token or a cookie: it is gone when the connection is. */
static const char *keep_secret(apr_pool_t *p, const char *text)
{
    const char *kept = apr_pstrdup(p, text);

    gate_wipe_with(p, gate_span_of(kept));
    return kept;
}

static apr_array_header_t *copy_lines(apr_pool_t *p, const apr_array_header_t *lines)
{
    apr_array_header_t *copy = apr_array_copy(p, lines);

    for (int i = 0; i < copy->nelts; i++) {
        gate_line *line = &APR_ARRAY_IDX(copy, i, gate_line);

        line->value = keep_secret(p, line->value);
    }
    return copy;
}

void gate_memory_keep(request_rec *r, const gate_state *state)
{
    apr_pool_t *p = r->connection->pool;
    const memory *before = memory_of(r);
    const int number = before ? before->number + 1 : 1;
    gate_span identity;
    memory *m;

    if (!r->connection->keepalives || !is_first_look(r) || number > MAX_KEPT ||
        !gate_decide_repeats(state->settings, &state->decision))
        return;
    identity = gate_identity_bytes(state->decision.identity);
    if (identity.len + bytes_of(state->lines) + bytes_of(state->variables) > MAX_BYTES)
        return;
    m = apr_palloc(p, sizeof *m);
    *m = (memory){
        .site = state->settings->site,
        .place = apr_pstrdup(p, state->settings->name),
        .authorization = keep_secret(p, apr_table_get(r->headers_in, "Authorization")),
        .cookie = keep_secret(p, apr_table_get(r->headers_in, "Cookie")),
        .decision = state->decision,
        .user = apr_pstrdup(p, state->user),
        .lines = copy_lines(p, state->lines),
        .variables = copy_lines(p, state->variables),
        .number = number,
    };
    m->decision.identity = apr_pmemdup(p, identity.ptr, identity.len);
    m->decision.tokens = NULL; /* nothing here needs them */
    if (m->decision.session)
        m->decision.session = apr_pmemdup(p, m->decision.session, sizeof *m->decision.session);
    if (m->decision.cache)
        m->decision.cache = "hit";
    ap_set_module_config(r->connection->conn_config, &oidc_gate_module, m);
}
