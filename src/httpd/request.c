/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/request.h"

#include <apr_strings.h>

#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "base/base64url.h"
#include "base/media.h"
#include "httpd/address.h"

#define ID_BYTES     9 /* of a request id that mod_unique_id did not make */
#define ID_MAX_CHARS 64

/* --- state --- */

gate_state *gate_state_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &oidc_gate_module);
}

request_rec *gate_whole_of(request_rec *r)
{
    while (r->main)
        r = r->main;
    return r;
}

gate_state *gate_state_make(request_rec *r, const gate_settings *settings)
{
    const gate_state *before = gate_state_of(r);
    apr_pool_t *pool = gate_whole_of(r)->pool;
    gate_state *state = apr_pcalloc(pool, sizeof *state);

    state->settings = settings;
    state->pool = pool;
    if (before) {
        state->parts = before->parts;
        state->taken_query = before->taken_query;
        state->withheld = before->withheld;
    }
    ap_set_module_config(r->request_config, &oidc_gate_module, state);
    return state;
}

static bool speaks_for(const gate_state *state, const gate_settings *settings)
{
    return state->is_decided && state->settings == settings && state->decision.verb == GATE_ADMIT;
}

const gate_state *gate_state_for(request_rec *r, const gate_settings *settings)
{
    for (request_rec *at = r; at; at = at->prev ? at->prev : at->main) {
        for (const gate_state *state = gate_state_of(at); state; state = state->parts) {
            if (speaks_for(state, settings))
                return state;
        }
    }
    return NULL;
}

/* Other parts, and the request itself where mod_dir or mod_rewrite look ahead, need not ask
 * again. */
void gate_state_share(request_rec *r, gate_state *state)
{
    request_rec *whole = gate_whole_of(r);
    gate_state *of_whole = gate_state_of(whole);

    if (whole == r)
        return;
    if (!of_whole)
        of_whole = gate_state_make(whole, NULL);
    state->parts = of_whole->parts;
    of_whole->parts = state;
}

/* UNIQUE_ID may also be what SetEnvIf has made of a header that a stranger sent. */
static bool is_request_id(const char *id)
{
    const size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-_.@:/+=");

    return len && len <= ID_MAX_CHARS && !id[len];
}

/* Randomness costs more to ask for than to have: each thread makes many ids at once. */
static const char *make_random_id(apr_pool_t *p)
{
    enum { AT_ONCE = 32, ID_CHARS = ID_BYTES / 3 * 4 };
    _Static_assert(ID_BYTES % 3 == 0, "each id is so many characters of their text");
    static __thread char ids[AT_ONCE * ID_CHARS];
    static __thread size_t left;

    if (!left) {
        char bytes[AT_ONCE * ID_BYTES];

        if (!gate_random_bytes(bytes, sizeof bytes))
            return "-";
        memcpy(ids, gate_base64url_encode(p, (gate_span){bytes, sizeof bytes}), sizeof ids);
        left = sizeof ids;
    }
    left -= ID_CHARS;
    return apr_pstrmemdup(p, ids + left, ID_CHARS);
}

static const char *make_id(request_rec *r)
{
    const char *id = apr_table_get(r->subprocess_env, "UNIQUE_ID");

    return id && is_request_id(id) ? id : make_random_id(r->pool);
}

/* All that one request is made of has one id, whoever needs it first. */
const char *gate_state_id(request_rec *r, gate_state *state)
{
    request_rec *first = r;
    gate_state *of_first;

    if (state->id)
        return state->id;
    while (first->prev || first->main)
        first = first->prev ? first->prev : first->main;
    of_first = gate_state_of(first);
    if (of_first && !of_first->id)
        of_first->id = make_id(first);
    return state->id = of_first ? of_first->id : make_id(r);
}

/* --- httpd's request as the gate sees it --- */

static const char *header(const gate_request *q, const char *name)
{
    const request_rec *r = q->context;

    return apr_table_get(r->headers_in, name);
}

static bool header_has(request_rec *r, const char *name, const char *part)
{
    const char *value = apr_table_get(r->headers_in, name);

    return value && ap_strcasestr(value, part);
}

/* Whether a page will do at least as well as JSON. Most requests that name no page need no closer
 * look. */
static bool wants_page(request_rec *r)
{
    const gate_span accept = gate_span_of(apr_table_get(r->headers_in, "Accept"));
    gate_media_wish page;

    if (!accept.ptr || !ap_strcasestr(accept.ptr, "text/html"))
        return false;
    page = gate_media_wanted(accept, "text/html");
    return page.is_named && page.weight &&
           page.weight >= gate_media_wanted(accept, "application/json").weight;
}

/* Fetch Metadata says it where the browser sends it; older ones say what they accept. A page that
 * is only fetched ahead, put into a frame or asked for by a script is not opened by anybody. */
static bool is_navigation(request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    if (r->method_number != M_GET || apr_table_get(r->headers_in, "Upgrade") ||
        header_has(r, "Sec-Purpose", "prefetch") || header_has(r, "Purpose", "prefetch"))
        return false;
    if (mode)
        return !strcmp(mode, "navigate") && (!dest || !strcmp(dest, "document"));
    return wants_page(r) && !apr_table_get(r->headers_in, "X-Requested-With");
}

/* Problem details are for those who name them, and like nothing better. */
gate_representation gate_representation_of(request_rec *r)
{
    const gate_span accept = gate_span_of(apr_table_get(r->headers_in, "Accept"));
    const gate_media_wish problem = gate_media_wanted(accept, "application/problem+json");

    if (is_navigation(r) || (r->method_number != M_GET && wants_page(r)))
        return GATE_AS_PAGE;
    return problem.is_named && problem.weight &&
                   problem.weight >= gate_media_wanted(accept, "application/json").weight
               ? GATE_AS_PROBLEM
               : GATE_AS_JSON;
}

/* Where the chain of internal redirects has come by an error: this is the page that says so. */
static bool is_error_document(const request_rec *r)
{
    for (const request_rec *at = r->prev; at; at = at->prev) {
        if (ap_is_HTTP_ERROR(at->status))
            return true;
    }
    return false;
}

/* RFC 9112 section 3.2.2: it may come as a whole address; who we are is not the caller's to say, so
 * its host goes. */
gate_span gate_asked_for(const request_rec *r)
{
    const char *uri;

    while (r->prev)
        r = r->prev;
    uri = r->unparsed_uri;
    if (*uri != '/') {
        uri = strstr(uri, "://");
        uri = uri ? strchr(uri + 3, '/') : NULL;
    }
    return gate_span_of(uri ? uri : "/");
}

/* Whoever has one address of IPv6 has a network of them, and so is counted as that. */
static const char *counted_as(request_rec *r)
{
    const unsigned char *bytes = r->useragent_addr->ipaddr_ptr;

    if (r->useragent_addr->family != APR_INET6 ||
        IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)bytes))
        return r->useragent_ip;
    return apr_psprintf(r->pool, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", bytes[0], bytes[1],
                        bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]);
}

gate_request gate_request_glance(request_rec *r, gate_state *state)
{
    return (gate_request){
        .pool = state->pool,
        .now = apr_time_sec(r->request_time),
        .method = r->method,
        .header = header,
        .context = r,
        .provider_calls = &state->provider_calls,
    };
}

gate_request gate_request_of(request_rec *r, gate_state *state)
{
    const char *query = strchr(r->unparsed_uri, '?');
    gate_request q = gate_request_glance(r, state);

    q.uri = gate_asked_for(r);
    q.query = gate_span_of(query ? query + 1 : NULL);
    q.taken_query = gate_span_of(gate_taken_query(r));
    q.address = counted_as(r);
    q.is_navigation = is_navigation(r);
    /* An error document or a part of a page cannot send the browser away. */
    q.is_subrequest = r->main || is_error_document(r);
    return q;
}
