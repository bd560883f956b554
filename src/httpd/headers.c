/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/headers.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_request.h"

#include "base/cookie.h"
#include "httpd/address.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/count.h"
#include "httpd/endpoints.h"
#include "httpd/request.h"

APLOG_USE_MODULE(oidc_gate);

/* --- what strangers claim to be --- */

typedef struct sweep_list {
    apr_array_header_t *names; /* NULL as long as nothing was found */
    apr_pool_t *pool;
    gate_span prefix; /* what stands before each of the names */
} sweep_list;

static int note_told(void *data, const char *name, const char *value)
{
    sweep_list *sweep = data;
    const size_t skipped = sweep->prefix.len;

    if (skipped && !gate_span_starts(gate_span_of(name), sweep->prefix.ptr))
        return 1;
    if (gate_config_tells_header(gate_span_of(name + skipped))) {
        if (!sweep->names)
            sweep->names = apr_array_make(sweep->pool, 4, sizeof(const char *));
        APR_ARRAY_PUSH(sweep->names, const char *) = name;
    }
    return 1;
}

/* The names that were taken out of the table, or NULL. */
static apr_array_header_t *sweep_table_of(apr_pool_t *p, apr_table_t *table, gate_span prefix)
{
    sweep_list sweep = {.pool = p, .prefix = prefix};

    apr_table_do(note_told, &sweep, table, NULL);
    for (int i = 0; sweep.names && i < sweep.names->nelts; i++)
        apr_table_unset(table, APR_ARRAY_IDX(sweep.names, i, const char *));
    return sweep.names;
}

static apr_array_header_t *sweep_table(apr_pool_t *p, apr_table_t *table)
{
    return sweep_table_of(p, table, (gate_span){NULL, 0});
}

static void put_back(apr_table_t *headers, const char *name, const char *value)
{
    if (value)
        apr_table_setn(headers, name, value);
    else
        apr_table_unset(headers, name);
}

static void put_back_all(apr_table_t *headers, const gate_withheld *withheld)
{
    put_back(headers, "Authorization", withheld->authorization);
    put_back(headers, "Cookie", withheld->cookies);
    for (int i = 0; withheld->named && i < withheld->named->nelts; i++) {
        const gate_line *line = &APR_ARRAY_IDX(withheld->named, i, gate_line);

        put_back(headers, line->name, line->value);
    }
}

/* An internal redirect shares its headers with the request before it, a subrequest copies them.
 * It is a request in its own right: what was withheld from that one's backend, or told it, is
 * not what this one comes with. */
void gate_restore(request_rec *r)
{
    for (request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        const gate_state *state = gate_state_of(at);

        if (state && state->withheld.is_done) {
            put_back_all(r->headers_in, &state->withheld);
            return;
        }
    }
}

/* No hook is run first of all for a subrequest; so whoever looks at it first does this. It has the
 * headers of the page that it is a part of, and what mod_include has made variables of. */
void gate_receive(request_rec *r)
{
    if (!r->main || gate_state_of(r))
        return;
    gate_state_make(r, NULL);
    gate_restore(r);
    if (!gate_config_tells_headers())
        return;
    sweep_table(r->pool, r->headers_in);
    sweep_table_of(r->pool, r->subprocess_env, GATE_SPAN("HTTP_"));
}

/* --- the first look --- */

/* What a Connection header may not name: ours, and what carries credentials (RFC 9110 section 7.6.1
 * would have mod_proxy drop them). */
static bool is_protected(gate_span token)
{
    return gate_config_tells_header(token) || gate_span_equal_nocase(token, GATE_SPAN("Cookie")) ||
           gate_span_equal_nocase(token, GATE_SPAN("Authorization"));
}

/* Takes members out of a header that is a list. */
static void sweep_list_of(request_rec *r, const char *name, bool (*goes)(gate_span member))
{
    gate_span rest = gate_span_of(apr_table_get(r->headers_in, name)), member;
    const char *kept = NULL;
    bool dropped = false;

    while (gate_span_cut(&rest, ',', &member)) {
        member = gate_span_trim(member);
        if (goes(member)) {
            dropped = true;
            continue;
        }
        kept = kept ? apr_pstrcat(r->pool, kept, ", ", gate_span_dup(r->pool, member), NULL)
                    : gate_span_dup(r->pool, member);
    }
    if (!dropped)
        return;
    if (kept && *kept)
        apr_table_setn(r->headers_in, name, kept);
    else
        apr_table_unset(r->headers_in, name);
}

static bool is_h2c(gate_span protocol)
{
    return gate_span_equal_nocase(protocol, GATE_SPAN("h2c"));
}

int gate_scrub(request_rec *r)
{
    apr_array_header_t *stripped;

    if (r->prev)
        gate_restore(r);
    /* mod_http2 would make a stream of a request that is judged already: of one without its
     * credentials, which have been withheld, or of the page that says no. So the offer is declined
     * (RFC 9110 section 7.8; RFC 9113 has it no more). */
    if (apr_table_get(r->headers_in, "Upgrade") && gate_config_site(r->server))
        sweep_list_of(r, "Upgrade", is_h2c);
    if (!gate_config_tells_headers())
        return DECLINED;
    stripped = sweep_table(r->pool, r->headers_in);
    if (r->trailers_in)
        sweep_table(r->pool, r->trailers_in);
    if (apr_table_get(r->headers_in, "Connection"))
        sweep_list_of(r, "Connection", is_protected);
    if (!stripped || !ap_is_initial_req(r))
        return DECLINED;
    gate_count_stripped(stripped->nelts);
    ap_log_rerror(
        APLOG_MARK, APLOG_WARNING, 0, r,
        "stripped client header \"%s\" (%d in all): only the gate says who somebody is",
        gate_span_for_log(r->pool, gate_span_of(APR_ARRAY_IDX(stripped, 0, const char *)), 64),
        stripped->nelts);
    return DECLINED;
}

/* Before any authentication, httpd itself would send the caller's cookies and credentials back
 * as a text (RFC 9110 section 9.3.8), for a script that may not read them otherwise. */
int gate_refuse_trace(request_rec *r)
{
    gate_state *state;

    if (r->method_number != M_TRACE || !gate_config_site(r->server))
        return DECLINED;
    state = gate_state_make(r, NULL);
    state->decision = gate_refuse(GATE_METHOD_NOT_ALLOWED, NULL);
    return gate_answer_with(r, state);
}

/* --- what the backend is told --- */

/* Where nothing is enforced, what did not let the caller in here may be meant for the backend, and
 * goes on to it as before there was a gate. */
static bool is_the_backends(request_rec *r, const gate_settings *s)
{
    const gate_state *state = s->enforces ? NULL : gate_state_for(r, s);

    return !s->enforces && !(state && state->decision.known);
}

/* What a token may have come in beside Authorization: the header goes, and the one cookie. */
static void withhold_named(request_rec *r, gate_state *state, const gate_settings *s)
{
    const gate_token_sources *sources = &s->token_sources;
    gate_withheld *withheld = &state->withheld;

    for (int i = 0; i < sources->count; i++) {
        const gate_token_source *source = &sources->items[i];
        const char *value = source->name ? apr_table_get(r->headers_in, source->name) : NULL;

        if (source->place == GATE_TOKEN_IN_COOKIE) {
            value = apr_table_get(r->headers_in, "Cookie");
            put_back(r->headers_in, "Cookie",
                     gate_cookie_without_one(r->pool, value, source->name));
        } else if (source->place == GATE_TOKEN_IN_HEADER && value) {
            if (!withheld->named)
                withheld->named = apr_array_make(state->pool, 1, sizeof(gate_line));
            APR_ARRAY_PUSH(withheld->named, gate_line) =
                (gate_line){.name = source->name, .value = value};
            apr_table_unset(r->headers_in, source->name);
        }
    }
}

/* Once a request, however often its settings change on the way (mod_dir puts the index file's in
 * their place). */
static void withhold_credentials(request_rec *r, const gate_settings *s)
{
    gate_state *state = gate_state_of(r);
    apr_table_t *headers = r->headers_in;
    gate_withheld *withheld;

    if (!state)
        state = gate_state_make(r, NULL);
    withheld = &state->withheld;
    if (withheld->is_done)
        return;
    withheld->is_done = true;
    withheld->authorization = apr_table_get(headers, "Authorization");
    withheld->cookies = apr_table_get(headers, "Cookie");
    if (s->forward_credentials) {
        if (s->owns_authorization && !is_the_backends(r, s))
            apr_table_unset(headers, "Authorization");
        return;
    }
    if (withheld->cookies)
        put_back(headers, "Cookie",
                 gate_cookie_without(r->pool, withheld->cookies, s->site->cookie));
    if (is_the_backends(r, s))
        return;
    apr_table_unset(headers, "Authorization");
    withhold_named(r, state, s);
}

int gate_withhold(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);

    gate_receive(r);
    if (settings && gate_open_endpoint(r) != OK)
        withhold_credentials(r, settings);
    return DECLINED;
}

static int is_other(void *data, const char *name, const char *value)
{
    return !gate_config_tells_header(gate_span_of(name));
}

/* Another module may have put something under one of our names. Where none has, which is found out
 * at once for all of them, there is nothing to look for under each. */
static void set_headers(apr_table_t *headers, const gate_state *state)
{
    const gate_told_list *told = &state->settings->headers;
    const bool is_swept = told->count && apr_table_do(is_other, NULL, headers, NULL);

    for (int i = 0; i < told->count; i++) {
        if (!state->told[i])
            continue;
        if (is_swept && told->items[i].is_swept)
            apr_table_addn(headers, told->items[i].name, state->told[i]);
        else
            apr_table_setn(headers, told->items[i].name, state->told[i]);
    }
}

static void set_variables(apr_table_t *variables, const gate_state *state)
{
    const gate_told_list *told = &state->settings->variables;
    const char *const *values = state->told + state->settings->headers.count;

    for (int i = 0; i < told->count; i++) {
        if (values[i])
            apr_table_setn(variables, told->items[i].name, values[i]);
    }
}

/* What is guarded is nobody else's, however somebody was let in: mod_cache, which would answer
 * before any rule is asked, does not keep it, and no cache on the way either. */
static void keep_private(request_rec *r)
{
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    if (gate_taken_query(r)) { /* RFC 6750 section 2.3; and no page says where the token stood */
        apr_table_setn(r->err_headers_out, "Cache-Control", "private, no-store");
        apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
    } else if (!apr_table_get(r->err_headers_out, "Cache-Control")) {
        apr_table_setn(r->err_headers_out, "Cache-Control", "private");
    }
}

int gate_publish(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);
    const gate_state *state = settings ? gate_state_for(r, settings) : NULL;

    if (!settings || gate_open_endpoint(r) == OK)
        return DECLINED;
    gate_take_query(r); /* mod_dir has put another place's settings in this one's */
    withhold_credentials(r, settings);
    keep_private(r);
    if (!state || !state->decision.known)
        return DECLINED;
    set_headers(r->headers_in, state);
    set_variables(r->subprocess_env, state);
    return DECLINED;
}

int gate_publish_to_proxy(request_rec *r)
{
    const char *problem = NULL;
    const gate_settings *settings = gate_config_settings(r, &problem);
    const gate_state *state = settings ? gate_state_for(r, settings) : NULL;

    if (gate_config_tells_headers())
        sweep_table(r->pool, r->headers_in);
    if (state && state->decision.known)
        set_headers(r->headers_in, state);
    return OK;
}
