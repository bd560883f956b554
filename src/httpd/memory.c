/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/memory.h"

#include <apr_strings.h>

#include "gate/decide.h"
#include "httpd/config.h"
#include "httpd/runtime.h"

/* What is kept stays as long as the connection: requests that are still being answered, or logged,
 * may point into it. So a connection that many people share, as a proxy's, is not followed for
 * long, and nothing large is kept. */
#define MAX_KEPT  4
#define MAX_BYTES 16384

typedef struct memory {
    const struct memory *before; /* of those kept for this connection */
    apr_pool_t *pool;
    const gate_site *site;
    const char *place;                  /* the settings' name */
    const char *authorization, *cookie; /* NULL where not sent */
    gate_decision decision;
    const char *user;
    apr_array_header_t *lines, *variables;
} memory;

/* The streams of one HTTP/2 connection are at work at the same time, in threads of their own. What
 * is kept is whole before it can be found, and is not changed after that: so nobody waits. */
typedef struct album {
    const memory *newest;
    unsigned asked, kept;
} album;

static conn_rec *whole_of(conn_rec *c)
{
    return c->master ? c->master : c;
}

static album *album_of(request_rec *r)
{
    return ap_get_module_config(whole_of(r->connection)->conn_config, &oidc_gate_module);
}

/* By now the streams, and all that may point here, are gone: their pools are the connection's. */
static apr_status_t forget(void *data)
{
    const album *a = data;

    for (const memory *m = a->newest, *before; m; m = before) {
        before = m->before;
        apr_pool_destroy(m->pool);
    }
    return APR_SUCCESS;
}

int gate_memory_open(conn_rec *c, void *socket)
{
    album *a;

    if (c->master || !gate_config_options()->used)
        return DECLINED;
    a = apr_pcalloc(c->pool, sizeof *a);
    ap_set_module_config(c->conn_config, &oidc_gate_module, a);
    apr_pool_cleanup_register(c->pool, a, forget, apr_pool_cleanup_null);
    return DECLINED;
}

/* A connection may be shared, by the people behind a proxy: how long it takes tells none of them
 * anything of another's credential. */
static bool is_same(const char *a, const char *b)
{
    return a && b ? gate_secret_equal(gate_span_of(a), gate_span_of(b)) : a == b;
}

/* The parts of a request find what was decided for the whole. */
static bool is_first_look(request_rec *r)
{
    return !r->main && !r->prev;
}

bool gate_memory_recall(request_rec *r, const gate_request *q, gate_state *state)
{
    const gate_settings *s = state->settings;
    const album *a = album_of(r);
    const memory *m = a ? __atomic_load_n(&a->newest, __ATOMIC_ACQUIRE) : NULL;

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

static bool is_small(const gate_state *state)
{
    return gate_identity_bytes(state->decision.identity).len + bytes_of(state->lines) +
               bytes_of(state->variables) <=
           MAX_BYTES;
}

/* Whether the connection has asked before, and there is room. */
static bool is_worth_it(request_rec *r, const gate_state *state, album *a)
{
    return __atomic_fetch_add(&a->asked, 1, __ATOMIC_RELAXED) && is_first_look(r) &&
           gate_decide_repeats(state->settings, &state->decision) && is_small(state) &&
           __atomic_load_n(&a->kept, __ATOMIC_RELAXED) < MAX_KEPT &&
           __atomic_fetch_add(&a->kept, 1, __ATOMIC_RELAXED) < MAX_KEPT;
}

static memory *copy_out(apr_pool_t *p, request_rec *r, const gate_state *state)
{
    const gate_span identity = gate_identity_bytes(state->decision.identity);
    memory *m = apr_palloc(p, sizeof *m);

    *m = (memory){
        .pool = p,
        .site = state->settings->site,
        .place = apr_pstrdup(p, state->settings->name),
        .authorization = keep_secret(p, apr_table_get(r->headers_in, "Authorization")),
        .cookie = keep_secret(p, apr_table_get(r->headers_in, "Cookie")),
        .decision = state->decision,
        .user = apr_pstrdup(p, state->user),
        .lines = copy_lines(p, state->lines),
        .variables = copy_lines(p, state->variables),
    };
    m->decision.identity = apr_pmemdup(p, identity.ptr, identity.len);
    m->decision.tokens = NULL; /* nothing here needs them */
    if (m->decision.session)
        m->decision.session = apr_pmemdup(p, m->decision.session, sizeof *m->decision.session);
    if (m->decision.cache)
        m->decision.cache = "hit";
    return m;
}

void gate_memory_keep(request_rec *r, const gate_state *state)
{
    album *a = album_of(r);
    apr_pool_t *pool;
    memory *m;

    if (!a || !is_worth_it(r, state, a))
        return;
    /* Not the connection's pool: streams would allocate from it at the same time. */
    if (apr_pool_create_ex(&pool, NULL, apr_pool_abort_get(r->pool), NULL) != APR_SUCCESS)
        return;
    m = copy_out(pool, r, state);
    m->before = __atomic_load_n(&a->newest, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&a->newest, &m->before, m, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
        continue;
}
