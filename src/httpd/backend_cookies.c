/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* backend_cookies.c - no backend gives a browser a session
 *
 * A backend that has been taken over could set the gate's own cookies: end the session that a
 * person has, or put its own in the place, and so have them work as somebody else in all the other
 * applications of the host (session fixation). The gate's own cookies come by another way
 * (err_headers_out), which no answer of mod_proxy takes. */
#include "httpd/backend_cookies.h"

#include "http_log.h"
#include "util_filter.h"

#include "base/span.h"
#include "httpd/config.h"

APLOG_USE_MODULE(oidc_gate);

#define OWN_COOKIES "OIDC_GATE_OWN_COOKIES"

/* "oidc-gate-1e6bfd55=...": the configured name, and what the gate puts behind it; in any case of
 * letters, as browsers look at what a name begins with (RFC 6265bis section 5.4). */
static bool is_own(const char *value, const char *name)
{
    const size_t len = strlen(name);

    value += strspn(value, " \t");
    return !strncasecmp(value, name, len) && value[len] == '-';
}

typedef struct sorting {
    apr_table_t *others;
    const char *name;
    int own;
} sorting;

static int sort(void *data, const char *key, const char *value)
{
    sorting *s = data;

    if (is_own(value, s->name))
        s->own++;
    else
        apr_table_addn(s->others, key, value);
    return 1;
}

static void keep_others(apr_table_t *headers, const apr_table_t *others)
{
    const apr_array_header_t *kept = apr_table_elts(others);

    apr_table_unset(headers, "Set-Cookie");
    for (int i = 0; i < kept->nelts; i++) {
        const apr_table_entry_t *one = &APR_ARRAY_IDX(kept, i, apr_table_entry_t);

        apr_table_addn(headers, one->key, one->val);
    }
}

static apr_status_t drop_own(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;
    sorting s = {.name = gate_config_site(r->server)->cookie};

    ap_remove_output_filter(filter);
    if (apr_table_get(r->headers_out, "Set-Cookie")) {
        s.others = apr_table_make(r->pool, 4);
        apr_table_do(sort, &s, r->headers_out, "Set-Cookie", NULL);
    }
    if (s.own) {
        keep_others(r->headers_out, s.others);
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "the backend has set a cookie of the gate's own (%s-...), which is its alone "
                      "to set: dropped",
                      s.name);
    }
    return ap_pass_brigade(filter->next, brigade);
}

void gate_register_cookie_filter(void)
{
    ap_register_output_filter(OWN_COOKIES, drop_own, NULL, AP_FTYPE_CONTENT_SET);
}

void gate_watch_cookies(request_rec *r)
{
    if (!r->main && gate_config_site(r->server))
        ap_add_output_filter(OWN_COOKIES, NULL, r, r->connection);
}
