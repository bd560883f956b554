/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/page.h"

#include <apr_strings.h>

#include "http_protocol.h"

#include <jansson.h>
#include <openssl/evp.h>

#include "base/json.h"
#include "base/url.h"
#include "httpd/answer.h"
#include "httpd/config.h"

APLOG_USE_MODULE(oidc_gate);

/* What a status means to a person, and whether beginning again can help. */
typedef struct wording {
    int status;
    const char *title, *text;
    bool again;
    const char *error; /* for programs, where the reason has no OAuth error of its own */
} wording;

static const wording wordings[] = {
    {400, "This did not work",
     "The request cannot be used as it is. If you were signing in, please start again.", true,
     "invalid_request"},
    {401, "Please sign in", "You need to be signed in to see this page.", true, "unauthorized"},
    {403, "No access",
     "You are signed in, but you may not see this page. If you think you should, ask whoever runs "
     "this site.",
     false, "access_denied"},
    {405, "Not like that", "This address does not take requests of this kind.", false,
     "invalid_request"},
    {429, "Too many attempts", "Please wait a moment, then try again.", false, "rate_limited"},
    {502, "Signing in does not work at present",
     "The sign-in service and this site do not understand each other. Whoever runs this site has "
     "been told.",
     false, "server_error"},
    {503, "Signing in does not work at present",
     "The sign-in service cannot be reached. Please try again in a moment.", false,
     "temporarily_unavailable"},
    {0, "Something went wrong",
     "This is a fault of the site, not yours. Whoever runs it has been told.", false,
     "server_error"},
};

static const wording *wording_of(int status)
{
    const wording *found = wordings;

    while (found->status && found->status != status)
        found++;
    return found;
}

static const char style[] =
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 "
    "system-ui,sans-serif;max-width:34rem;margin:12vh auto;"
    "padding:0 1.5rem}h1{font-size:1.6rem;line-height:1.2}a{color:LinkText}small{opacity:.8}";

/* The page's own style, by its digest: nothing else is let in (Content Security Policy level 2). */
static const char *content_policy(apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!EVP_Digest(style, sizeof style - 1, digest, &len, EVP_sha256(), NULL))
        return "default-src 'none'";
    EVP_EncodeBlock(text, digest, (int)len);
    return apr_psprintf(
        p,
        "default-src 'none'; style-src 'sha256-%s'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'",
        text);
}

static void send_page(request_rec *r, const char *title, const char *text, const char *link,
                      const char *link_text, const char *small)
{
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy", content_policy(r->pool));
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    ap_rvputs(r,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
              title, "</title>\n<style>", style, "</style>\n</head>\n<body>\n<main>\n<h1>", title,
              "</h1>\n<p>", text, "</p>\n", NULL);
    if (link)
        ap_rvputs(r, "<p><a href=\"", gate_span_for_html(r->pool, gate_span_of(link)), "\">",
                  link_text, "</a></p>\n", NULL);
    if (small)
        ap_rvputs(r, "<p><small>", small, "</small></p>\n", NULL);
    ap_rputs("</main>\n</body>\n</html>\n", r);
}

static const char *refusal_json(request_rec *r, const gate_state *state, int status)
{
    const gate_reason reason = gate_state_told(state);
    const char *error = gate_reason_get(reason)->oauth_error;
    json_t *body = gate_json_own(
        r->pool,
        json_pack("{s:s, s:s, s:s, s:s}", "error", error ? error : wording_of(status)->error,
                  "error_description", gate_reason_get(reason)->remedy, "reason",
                  gate_reason_name(reason), "request_id", state->id));

    return body ? gate_json_compact(r->pool, body).ptr : "{}";
}

int gate_page_json(request_rec *r, const char *json)
{
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    ap_rputs(json, r);
    ap_rputs("\n", r);
    return OK;
}

int gate_page_refusal(request_rec *r, const gate_state *state, int status)
{
    const wording *say = wording_of(status);
    const char *small;

    if (state->audience == GATE_FOR_PROGRAMS)
        return gate_page_json(r, refusal_json(r, state, status));
    small =
        apr_psprintf(r->pool, "%s &middot; request %s", gate_reason_name(gate_state_told(state)),
                     gate_span_for_html(r->pool, gate_span_of(state->id)));
    send_page(r, say->title, say->text, say->again ? "/" : NULL, "Start again", small);
    return OK;
}

int gate_page_signed_out(request_rec *r)
{
    if (gate_audience_of(r) == GATE_FOR_PROGRAMS)
        return gate_page_json(r, "{\"signed_in\":false}");
    send_page(r, "You are signed out", "To go on, sign in again.", "/", "Start again", NULL);
    return OK;
}

int gate_page_framed(request_rec *r, const char *issuer)
{
    const char *ancestor = "'none'";
    gate_url url;

    if (issuer && gate_url_parse(gate_span_of(issuer), &url))
        ancestor = gate_url_origin(r->pool, &url);
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   apr_psprintf(r->pool, "default-src 'none'; frame-ancestors %s", ancestor));
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    ap_rputs("<!DOCTYPE html>\n<title>Signed out</title>\n", r);
    return OK;
}
