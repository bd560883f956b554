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

#define OWN_COOKIES "OIDC_GATE_OWN_COOKIES"

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

/* mod_proxy_http and its like fill the one table, CGI, FastCGI and their like the other. */
static apr_status_t drop_forged(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;

    ap_remove_output_filter(filter);
    if (drop_from(r, r->headers_out) + drop_from(r, r->err_headers_out))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "the backend has set a cookie of the gate's own (%s-...), which is its alone "
                      "to set: dropped",
                      gate_config_site(r->server)->cookie);
    return ap_pass_brigade(filter->next, brigade);
}

void gate_register_cookie_filter(void)
{
    ap_register_output_filter(OWN_COOKIES, drop_forged, NULL, AP_FTYPE_CONTENT_SET);
}

void gate_watch_cookies(request_rec *r)
{
    if (!r->main && gate_config_site(r->server))
        ap_add_output_filter(OWN_COOKIES, NULL, r, r->connection);
}
