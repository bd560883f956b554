/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* own_cookies.c - the gate's cookies, which are its alone to set
 *
 * A backend that has been taken over could set them too: end the session that a person has, or put
 * its own in the place, and so have them work as somebody else in all the other applications of the
 * host (session fixation). So each that the gate sets is noted, and others of these names go. */
#include "httpd/own_cookies.h"

#include "http_log.h"
#include "util_filter.h"

#include "base/span.h"
#include "httpd/config.h"

APLOG_USE_MODULE(oidc_gate);

/* The rings of APR's brigades drop a qualifier that they have put there themselves. */
#pragma GCC diagnostic ignored "-Wcast-qual"

#define OWN_COOKIES "OIDC_GATE_OWN_COOKIES"
#define INTERIM     "OIDC_GATE_INTERIM"

#define DROPPED \
    "the backend has set a cookie of the gate's own (%s-...), which is its alone to set: dropped"

/* Under this key a request's pool has those that were set; internal redirects share it. */
static const char noted[] = "oidc_gate cookies";

static apr_array_header_t *noted_in(request_rec *r)
{
    void *list = NULL;

    apr_pool_userdata_get(&list, noted, r->pool);
    return list;
}

void gate_set_cookies(request_rec *r, const gate_decision *decision)
{
    apr_array_header_t *list = noted_in(r);

    if (r->main || !decision->cookie_count)
        return;
    if (!list) {
        list = apr_array_make(r->pool, decision->cookie_count, sizeof(const char *));
        apr_pool_userdata_setn(list, noted, NULL, r->pool);
    }
    for (int i = 0; i < decision->cookie_count; i++) {
        APR_ARRAY_PUSH(list, const char *) = decision->cookies[i];
        apr_table_addn(r->err_headers_out, "Set-Cookie", decision->cookies[i]);
    }
}

/* "oidc-gate-1e6bfd55=...": the configured name, and what the gate puts behind it; in any case of
 * letters, as browsers look at what a name begins with (RFC 6265bis section 5.4). One without a
 * name, "=oidc-gate-1e6bfd55=...", is sent back without its first '='. */
static bool has_own_name(const char *value, const char *name)
{
    const size_t len = strlen(name);

    value += strspn(value, " \t=");
    return !strncasecmp(value, name, len) && value[len] == '-';
}

static bool is_noted(const apr_array_header_t *list, const char *value)
{
    for (int i = 0; list && i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), value))
            return true;
    }
    return false;
}

typedef struct sorting {
    const char *name;
    const apr_array_header_t *noted;
    apr_table_t *kept;
    int forged;
} sorting;

static int sort(void *data, const char *key, const char *value)
{
    sorting *s = data;

    if (has_own_name(value, s->name) && !is_noted(s->noted, value))
        s->forged++;
    else
        apr_table_addn(s->kept, key, value);
    return 1;
}

/* Takes those out that are not the gate's; their number. */
static int drop_from(request_rec *r, apr_table_t *headers)
{
    sorting s = {.name = gate_config_site(r->server)->cookie};
    const apr_array_header_t *kept;

    if (!apr_table_get(headers, "Set-Cookie"))
        return 0;
    s.noted = noted_in(r);
    s.kept = apr_table_make(r->pool, 4);
    apr_table_do(sort, &s, headers, "Set-Cookie", NULL);
    if (!s.forged)
        return 0;
    apr_table_unset(headers, "Set-Cookie");
    kept = apr_table_elts(s.kept);
    for (int i = 0; i < kept->nelts; i++) {
        const apr_table_entry_t *one = &APR_ARRAY_IDX(kept, i, apr_table_entry_t);

        apr_table_addn(headers, one->key, one->val);
    }
    return s.forged;
}

/* --- answers before the answer --- */

/* What mod_proxy hears before the answer itself (100 to 103, and the 101 of a WebSocket) it writes
 * to the connection, past all filters of the request. So the connection has one that looks at the
 * lines of these, from where a backend is asked to where its answer itself begins. */
typedef enum interim_state {
    RESTS,
    STARTS, /* at the first line of such an answer, or of something else */
    WITHIN,
    WITHIN_LAST /* what comes behind it is another protocol's */
} interim_state;

typedef struct interim {
    interim_state state;
    const char *name;          /* of the gate's cookies there */
    apr_bucket_brigade *line;  /* what there is of a line */
    apr_bucket_brigade *ready; /* what goes on */
} interim;

static ap_filter_rec_t *cookie_filter, *interim_filter;

#define LINE_MAX_BYTES 65536
#define SEEN_BYTES     256 /* of a line: the field's name and the cookie's are within */

static interim *find_watch(const conn_rec *c)
{
    for (const ap_filter_t *at = c->output_filters; at; at = at->next) {
        if (at->frec == interim_filter)
            return at->ctx;
    }
    return NULL;
}

static void watch_interim(request_rec *r)
{
    conn_rec *c = r->connection;
    interim *watch = find_watch(c);

    if (!watch) {
        watch = apr_pcalloc(c->pool, sizeof *watch);
        watch->line = apr_brigade_create(c->pool, c->bucket_alloc);
        watch->ready = apr_brigade_create(c->pool, c->bucket_alloc);
        ap_add_output_filter_handle(interim_filter, watch, r, c);
    }
    watch->state = STARTS;
    watch->name = gate_config_site(r->server)->cookie;
}

/* "HTTP/1.1 103 Early Hints" */
static interim_state state_behind(const char *status_line)
{
    if (strncmp(status_line, "HTTP/1.", 7) || !status_line[7] || strncmp(status_line + 8, " 1", 2))
        return RESTS;
    return strncmp(status_line + 9, "101", 3) ? WITHIN : WITHIN_LAST;
}

static bool is_forged_line(const char *line, const char *name)
{
    static const char field[] = "Set-Cookie:";

    return !strncasecmp(line, field, sizeof field - 1) &&
           has_own_name(line + sizeof field - 1, name);
}

/* What becomes of a whole line; false: it goes. */
static bool keep_line(interim *watch, const char *line)
{
    const bool is_end = line[0] == '\r' || line[0] == '\n';

    if (watch->state == STARTS)
        watch->state = state_behind(line);
    else if (is_end)
        watch->state = watch->state == WITHIN ? STARTS : RESTS;
    else
        return !is_forged_line(line, watch->name);
    return true;
}

static bool is_whole(const apr_bucket_brigade *line)
{
    const char *bytes;
    apr_size_t len;

    return apr_bucket_read(APR_BRIGADE_LAST(line), &bytes, &len, APR_BLOCK_READ) == APR_SUCCESS &&
           len && bytes[len - 1] == '\n';
}

/* mod_proxy takes no such line from a backend; what is none at all ends the connection. */
static bool is_too_long(apr_bucket_brigade *line)
{
    apr_off_t bytes = 0;

    return apr_brigade_length(line, 1, &bytes) != APR_SUCCESS || bytes >= LINE_MAX_BYTES;
}

/* Takes the next piece off the brigade: what is no text, or a line, or what there is of one. */
static apr_status_t take_piece(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    interim *watch = filter->ctx;
    apr_bucket *first = APR_BRIGADE_FIRST(brigade);
    char seen[SEEN_BYTES + 1];
    apr_size_t len = SEEN_BYTES;
    apr_status_t status;

    if (APR_BUCKET_IS_METADATA(first)) {
        APR_BUCKET_REMOVE(first);
        APR_BRIGADE_INSERT_TAIL(watch->ready, first);
        return APR_SUCCESS;
    }
    status = apr_brigade_split_line(watch->line, brigade, APR_BLOCK_READ, LINE_MAX_BYTES);
    if (status != APR_SUCCESS)
        return status;
    if (!is_whole(watch->line))
        return is_too_long(watch->line) ? APR_ENOSPC : APR_SUCCESS;
    status = apr_brigade_flatten(watch->line, seen, &len);
    seen[len] = 0;
    if (status == APR_SUCCESS && keep_line(watch, seen)) {
        APR_BRIGADE_CONCAT(watch->ready, watch->line);
        return APR_SUCCESS;
    }
    ap_log_cerror(APLOG_MARK, APLOG_WARNING, status, filter->c, DROPPED, watch->name);
    apr_brigade_cleanup(watch->line);
    return status;
}

static apr_status_t drop_from_interim(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    interim *watch = filter->ctx;
    apr_status_t status = APR_SUCCESS;

    if (watch->state == RESTS)
        return ap_pass_brigade(filter->next, brigade);
    while (status == APR_SUCCESS && watch->state != RESTS && !APR_BRIGADE_EMPTY(brigade))
        status = take_piece(filter, brigade);
    if (status != APR_SUCCESS)
        return status;
    for (apr_bucket *at = APR_BRIGADE_FIRST(watch->line); at != APR_BRIGADE_SENTINEL(watch->line);
         at = APR_BUCKET_NEXT(at))
        apr_bucket_setaside(at, filter->c->pool);
    APR_BRIGADE_CONCAT(watch->ready, brigade);
    status = ap_pass_brigade(filter->next, watch->ready);
    apr_brigade_cleanup(watch->ready);
    return status;
}

/* --- the answer --- */

/* mod_proxy_http and its like fill the one table, CGI, FastCGI and their like the other. */
static apr_status_t drop_forged(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;
    interim *watch = find_watch(r->connection);

    ap_remove_output_filter(filter);
    if (watch)
        watch->state = RESTS;
    if (drop_from(r, r->headers_out) + drop_from(r, r->err_headers_out))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, DROPPED,
                      gate_config_site(r->server)->cookie);
    return ap_pass_brigade(filter->next, brigade);
}

void gate_register_cookie_filter(void)
{
    cookie_filter = ap_register_output_filter(OWN_COOKIES, drop_forged, NULL, AP_FTYPE_CONTENT_SET);
    interim_filter =
        ap_register_output_filter(INTERIM, drop_from_interim, NULL, AP_FTYPE_CONNECTION);
}

static bool is_proxied(const request_rec *r)
{
    return r->proxyreq || (r->handler && !strncmp(r->handler, "proxy", 5));
}

void gate_watch_cookies(request_rec *r)
{
    if (r->main || !gate_config_site(r->server))
        return;
    ap_add_output_filter_handle(cookie_filter, NULL, r, r->connection);
    if (is_proxied(r))
        watch_interim(r);
}
