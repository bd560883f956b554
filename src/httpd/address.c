/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/address.h"

#include <apr_strings.h>

#include "http_core.h"
#include "scoreboard.h"

#include "base/query.h"
#include "httpd/config.h"
#include "httpd/endpoints.h"
#include "httpd/headers.h"

/* query without all that a token may stand in; the very same text where there is none of it. */
static const char *without_tokens(apr_pool_t *p, const gate_token_sources *sources,
                                  const char *query)
{
    for (int i = 0; query && i < sources->count; i++) {
        if (sources->items[i].place == GATE_TOKEN_IN_QUERY)
            query = gate_query_without(p, query, sources->items[i].name);
    }
    return query;
}

/* An address with another query. */
static char *with_query(apr_pool_t *p, const char *address, const char *query)
{
    const size_t len = strcspn(address, "?");

    return apr_pstrcat(p, apr_pstrmemdup(p, address, len), query ? "?" : "", query ? query : "",
                       NULL);
}

/* An address as it is already on its way to the backend ("proxy:http://..."), with the query in it.
 */
static void clean_target(request_rec *r, const gate_token_sources *sources)
{
    char *query = r->filename && r->proxyreq ? strchr(r->filename, '?') : NULL;

    if (query)
        r->filename = with_query(r->pool, r->filename, without_tokens(r->pool, sources, query + 1));
}

/* The query as it was asked for; NULL for none. */
static const char *asked_query(const request_rec *r)
{
    const char *mark = r->unparsed_uri ? strchr(r->unparsed_uri, '?') : NULL;

    return mark ? mark + 1 : NULL;
}

/* The address as it was asked for: the_request is what the access log and CGI's REQUEST_URI are
 * made of, and the server's status page shows what it was told when the request came. A part of a
 * page has the line of the whole. */
static void clean_line(request_rec *r, const gate_token_sources *sources)
{
    const char *asked = asked_query(r);
    const char *query = without_tokens(r->pool, sources, asked);

    if (query == asked)
        return;
    r->unparsed_uri = with_query(r->pool, r->unparsed_uri, query);
    if (r->main)
        return;
    r->the_request = apr_pstrcat(r->pool, r->method, " ", r->unparsed_uri,
                                 r->assbackwards ? NULL : " ", r->protocol, NULL);
    ap_update_child_status(r->connection->sbh, SERVER_BUSY_WRITE, r);
}

/* Everything in which httpd and its modules keep an address; args is what the backend's query is.
 */
static void clean_request(request_rec *r, const gate_token_sources *sources)
{
    const char *query = without_tokens(r->pool, sources, r->args);

    clean_target(r, sources);
    clean_line(r, sources);
    if (query == r->args)
        return;
    r->args = apr_pstrdup(r->pool, query);
    r->parsed_uri.query = r->args;
}

/* The query in which there is a token: that of the request as it is, or, where httpd has gone on
 * with it elsewhere, as it was asked for. NULL for none. */
static const char *query_with_token(request_rec *r, const gate_token_sources *sources)
{
    const char *asked = asked_query(r);

    if (without_tokens(r->pool, sources, r->args) != r->args)
        return r->args;
    return without_tokens(r->pool, sources, asked) != asked ? asked : NULL;
}

/* What opens a login, for as long as it is not finished (RFC 6749 section 10.5). */
static gate_token_sources answer_of_provider(void)
{
    static const gate_token_source items[] = {{GATE_TOKEN_IN_QUERY, "code"},
                                              {GATE_TOKEN_IN_QUERY, "state"}};

    return (gate_token_sources){items, sizeof items / sizeof *items};
}

/* Where in the address of this request a secret may stand. */
static gate_token_sources sources_of(request_rec *r)
{
    if (gate_is_callback(r))
        return answer_of_provider();
    return gate_open_endpoint(r) == OK ? (gate_token_sources){NULL, 0}
                                       : gate_config_token_sources(r);
}

int gate_take_query(request_rec *r)
{
    gate_token_sources sources;
    const char *query;

    if (!r->args && !asked_query(r))
        return DECLINED;
    sources = sources_of(r);
    if (!sources.count || !(query = query_with_token(r, &sources)))
        return DECLINED;
    gate_receive(r);
    if (!gate_state_of(r))
        gate_state_make(r, NULL);
    gate_state_of(r)->taken_query = query;
    for (request_rec *at = r; at; at = at->prev) /* the access log tells of the first */
        clean_request(at, &sources);
    return DECLINED;
}

const char *gate_taken_query(request_rec *r)
{
    for (request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        const gate_state *state = gate_state_of(at);

        if (state && state->taken_query)
            return state->taken_query;
    }
    return NULL;
}
