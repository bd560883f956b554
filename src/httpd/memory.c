/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/memory.h"

#include "ap_mpm.h"

#include "gate/decide.h"
#include "httpd/config.h"
#include "httpd/runtime.h"

/* A thread answers one request at a time, but for whom it answers changes. */
#define PLACES_PER_THREAD 32
#define MIN_PLACES        64
#define MAX_PLACES        1024

/* The process's; NULL where there is no memory for it. What is found on it is copied into the
 * request, which may go on, and be logged, when others have taken the place. Nothing on it opens
 * anything: neither a cookie nor a token is kept, but its keyed hash. */
static gate_shelf *shelf;

void gate_memory_child(apr_pool_t *pchild, server_rec *main_server)
{
    int threads = 1, places;

    if (!gate_config_options()->used)
        return;
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    places = threads < MAX_PLACES / PLACES_PER_THREAD ? threads * PLACES_PER_THREAD : MAX_PLACES;
    shelf = gate_shelf_make((unsigned)(places > MIN_PLACES ? places : MIN_PLACES));
}

/* The parts of a request find what was decided for the whole. */
static bool is_first_look(const request_rec *r)
{
    return !r->main && !r->prev;
}

/* Where it comes to, and what it brings. A place is known by the sections that made it: its
 * settings may be those of one request alone. */
gate_memory_key gate_memory_key_of(request_rec *r, const gate_request *q, const gate_settings *s)
{
    enum { PLACE = 2 };
    gate_memory_key key = {.is_made = false};
    gate_span parts[PLACE + GATE_BROUGHT_PARTS] = {
        {(const char *)&s->site, sizeof s->site},
        gate_span_of(s->name),
    };

    if (!shelf || !is_first_look(r) || !gate_decide_brought(q, s, parts + PLACE))
        return key;
    key.is_made = gate_shelf_name_of(shelf, &key.name, parts, sizeof parts / sizeof *parts);
    return key;
}

/* --- what is kept: one block, in which everything is found by its distance from the beginning ---
 */

typedef struct kept_line {
    uint32_t name, value;
    bool is_swept;
} kept_line;

/* The lines follow: headers, then variables; then the identity, and all texts. */
typedef struct kept {
    gate_decision decision; /* without its pointers */
    gate_digest session;
    bool has_session;
    bool is_cached; /* it comes from what is known of a token */
    uint32_t header_count, variable_count;
    uint32_t identity, user;
    kept_line lines[];
} kept;

#define ALIGNMENT 8 /* the identity's */

static size_t size_of_lines(const apr_array_header_t *lines)
{
    size_t bytes = 0;

    for (int i = 0; i < lines->nelts; i++) {
        const gate_line *line = &APR_ARRAY_IDX(lines, i, gate_line);

        bytes += strlen(line->name) + 1 + strlen(line->value) + 1;
    }
    return bytes + (size_t)lines->nelts * sizeof(kept_line);
}

static size_t size_of(const gate_state *state)
{
    return sizeof(kept) + ALIGNMENT + gate_identity_bytes(state->decision.identity).len +
           strlen(state->user) + 1 + size_of_lines(state->lines) + size_of_lines(state->variables);
}

/* Adds bytes behind those that are there; how far from the beginning they are. */
static uint32_t add(gate_span *block, const void *bytes, size_t len)
{
    const size_t at = block->len;

    memcpy((char *)(uintptr_t)block->ptr + at, bytes, len);
    block->len += len;
    return (uint32_t)at;
}

static uint32_t add_text(gate_span *block, const char *text)
{
    return add(block, text, strlen(text) + 1);
}

static void add_lines(gate_span *block, kept_line *to, const apr_array_header_t *lines)
{
    for (int i = 0; i < lines->nelts; i++) {
        const gate_line *line = &APR_ARRAY_IDX(lines, i, gate_line);

        to[i].name = add_text(block, line->name);
        to[i].value = add_text(block, line->value);
        to[i].is_swept = line->is_swept;
    }
}

/* The decision, with nothing in it that points anywhere: tokens and texts for the log are not there
 * where it repeats. */
static void take_decision(kept *k, const gate_decision *decision)
{
    *k = (kept){.decision = *decision};
    k->decision.identity = NULL;
    k->decision.tokens = NULL;
    k->decision.session = NULL;
    k->decision.cache = NULL;
    k->is_cached = decision->cache;
    k->has_session = decision->session;
    if (decision->session)
        k->session = *decision->session;
}

static gate_span pack(apr_pool_t *p, size_t size, const gate_state *state)
{
    const gate_span identity = gate_identity_bytes(state->decision.identity);
    kept *k = apr_palloc(p, size);
    gate_span block = {(const char *)k, sizeof *k};

    take_decision(k, &state->decision);
    k->header_count = (uint32_t)state->lines->nelts;
    k->variable_count = (uint32_t)state->variables->nelts;
    block.len += (k->header_count + k->variable_count) * sizeof *k->lines;
    block.len += (ALIGNMENT - block.len % ALIGNMENT) % ALIGNMENT;
    k->identity = add(&block, identity.ptr, identity.len);
    k->user = add_text(&block, state->user);
    add_lines(&block, k->lines, state->lines);
    add_lines(&block, k->lines + k->header_count, state->variables);
    return block;
}

static apr_array_header_t *unpack_lines(apr_pool_t *p, const char *block, const kept_line *from,
                                        uint32_t count)
{
    apr_array_header_t *lines = apr_array_make(p, (int)count, sizeof(gate_line));

    lines->nelts = (int)count;
    for (uint32_t i = 0; i < count; i++)
        APR_ARRAY_IDX(lines, i, gate_line) =
            (gate_line){block + from[i].name, block + from[i].value, from[i].is_swept};
    return lines;
}

static void unpack_decision(gate_decision *decision, const kept *k, const char *block)
{
    *decision = k->decision;
    decision->identity = (const gate_identity *)(const void *)(block + k->identity);
    decision->session = k->has_session ? &k->session : NULL;
    decision->cache = k->is_cached ? "hit" : NULL;
}

/* --- what is done with it --- */

bool gate_memory_recall(const gate_memory_key *key, const gate_request *q, gate_state *state)
{
    gate_span block;
    const kept *k;

    if (!key->is_made || !gate_shelf_find(shelf, &key->name, q->now, q->pool, &block))
        return false;
    k = (const kept *)(const void *)block.ptr;
    unpack_decision(&state->decision, k, block.ptr);
    if (!gate_decide_again(q, state->settings, gate_runtime_world(), &state->decision)) {
        gate_shelf_drop(shelf, &key->name);
        state->decision = (gate_decision){.verb = GATE_FAIL, .reason = GATE_INTERNAL};
        return false;
    }
    state->user = block.ptr + k->user;
    state->lines = unpack_lines(q->pool, block.ptr, k->lines, k->header_count);
    state->variables =
        unpack_lines(q->pool, block.ptr, k->lines + k->header_count, k->variable_count);
    return true;
}

void gate_memory_keep(const gate_memory_key *key, const gate_request *q, const gate_state *state)
{
    size_t size;

    if (!key->is_made || !gate_decide_repeats(state->settings, &state->decision))
        return;
    size = size_of(state);
    if (size <= GATE_SHELF_BLOCK_BYTES)
        gate_shelf_put(shelf, &key->name, q->now, pack(q->pool, size, state));
}
