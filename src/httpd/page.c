/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/page.h"

#include <apr_strings.h>

#include "http_protocol.h"

#include <openssl/evp.h>

#include "base/url.h"
#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/problem.h"

APLOG_USE_MODULE(oidc_gate);

/* --- what is said --- */

/* What a person can do about it. */
typedef enum way_on {
    NO_WAY_ON,
    OPEN_AGAIN, /* the same address */
    SIGN_IN,    /* and come back to the page that was asked for */
    SIGN_OUT,   /* by a form, which is a POST: to leave is never a mere link's to do */
    GO_HOME
} way_on;

/* What a refusal means to a person. */
typedef struct wording {
    int status;         /* 0: any */
    gate_reason reason; /* GATE_OK: any */
    const char *title, *text;
    way_on way;
    const char *way_text;
} wording;

static const char unfinished[] = "Signing in was not finished";
static const char too_late[] =
    "It took too long, was begun in another browser, or was finished before. Please start again.";
static const char outage[] = "Signing in does not work at the moment";
static const char not_yours[] =
    "This is a fault of this site, not of yours. If it stays so, tell whoever runs the site.";

/* The first row that fits. */
static const wording wordings[] = {
    {400, GATE_STATE_UNKNOWN, unfinished, too_late, SIGN_IN, "Start again"},
    {400, GATE_STATE_EXPIRED, unfinished, too_late, SIGN_IN, "Start again"},
    {400, GATE_INVALID_GRANT, unfinished, too_late, SIGN_IN, "Start again"},
    {400, GATE_REPLAY, unfinished, too_late, SIGN_IN, "Start again"},
    {400, GATE_ISSUER_MIXUP, unfinished,
     "The answer did not come from the sign-in service that was asked. Please start again.",
     SIGN_IN, "Start again"},
    {400, GATE_OK, "This link does not work",
     "Something in the address is missing or broken. If it was a link, whoever made it should "
     "know.",
     GO_HOME, "Go to the start page"},
    {401, GATE_NO_CREDENTIAL, "Please sign in", "You need to be signed in for this.", SIGN_IN,
     "Sign in"},
    {401, GATE_SESSION_EXPIRED, "Please sign in again",
     "You have been signed out, because some time has passed.", SIGN_IN, "Sign in"},
    {401, GATE_OK, "You are not signed in",
     "Signing in did not work. Please start again; if that does not help, tell whoever runs this "
     "site.",
     SIGN_IN, "Start again"},
    {403, GATE_LOGIN_DENIED, "You were not signed in",
     "Signing in was cancelled, or the sign-in service did not allow it.", SIGN_IN, "Try again"},
    {403, GATE_ACR_UNMET, "This page asks for more",
     "You need to sign in more strongly, or anew, and the sign-in service did not do that.",
     SIGN_IN, "Try again"},
    {403, GATE_CROSS_SITE, "Do you want to sign out?",
     "Another site has sent you here. You are still signed in.", SIGN_OUT, "Sign out"},
    {403, GATE_OK, "You may not see this page",
     "You are signed in, but this page is not for this account. If you think that it should be, "
     "ask whoever runs this site.",
     SIGN_OUT, "Use another account"},
    {405, GATE_OK, "This does not work so", "This address does not take requests of this kind.",
     GO_HOME, "Go to the start page"},
    {429, GATE_OK, "Too many attempts", "More sign-ins come from here than this site can take.",
     OPEN_AGAIN, "Try again"},
    {502, GATE_OK, outage,
     "The sign-in service and this site do not understand each other. Only whoever runs this site "
     "can mend that: please tell them.",
     OPEN_AGAIN, "Try again"},
    {503, GATE_SESSIONS_FULL, outage, "More people are signed in than this site can take.",
     OPEN_AGAIN, "Try again"},
    {503, GATE_STORE_UNAVAILABLE, outage, not_yours, OPEN_AGAIN, "Try again"},
    {503, GATE_OK, outage, "The sign-in service gives no answer.", OPEN_AGAIN, "Try again"},
    {0, GATE_OK, "Something went wrong", not_yours, NO_WAY_ON, NULL},
};

/* Where nobody can sign in with a browser. */
static const wording for_programs = {401,
                                     GATE_OK,
                                     "This address is for programs",
                                     "They bring a token with them; a browser cannot sign in here.",
                                     NO_WAY_ON,
                                     NULL};

/* What a page of another site has sent in the person's name. */
static const wording from_elsewhere = {403,
                                       GATE_CROSS_SITE,
                                       "This came from another site",
                                       "A page of another site has sent this in your name. It has "
                                       "not been done.",
                                       GO_HOME,
                                       "Go to the start page"};

static bool takes_people(const gate_state *state)
{
    return !state->settings || state->settings->methods & 1u << GATE_METHOD_CODE;
}

static wording wording_of(const gate_state *state, int status)
{
    const gate_reason reason = gate_state_told(state);
    const wording *found = wordings;
    wording chosen;

    while (found->status &&
           (found->status != status || (found->reason != GATE_OK && found->reason != reason)))
        found++;
    if (reason == GATE_CROSS_SITE && state->settings)
        return from_elsewhere;
    if (takes_people(state))
        return *found;
    chosen = status == 401 ? for_programs : *found;
    if (chosen.way == SIGN_IN || chosen.way == SIGN_OUT)
        chosen.way = NO_WAY_ON;
    return chosen;
}

/* --- where it leads to --- */

/* The page on this host that the person wanted; never one of the gate's own addresses, whose time
 * is over. */
static const char *page_wanted(request_rec *r, const gate_site *site, const gate_state *state)
{
    const gate_span asked = gate_asked_for(r);
    const size_t len = strlen(site->path);

    if (state->decision.return_to)
        return state->decision.return_to;
    if (!gate_url_is_local(asked) ||
        (gate_span_starts(asked, site->path) && asked.len > len && asked.ptr[len] == '/'))
        return "/";
    return gate_span_dup(r->pool, asked);
}

static const char *sign_in_at(apr_pool_t *p, const gate_site *site, const char *return_to)
{
    gate_form *form = gate_form_make(p);

    gate_form_add_text(form, "return_to", return_to);
    return gate_url_with_query(p, apr_pstrcat(p, site->path, "/login", NULL), form);
}

static const char *html(request_rec *r, const char *text)
{
    return gate_span_for_html(r->pool, gate_span_of(text));
}

static const char *link_to(request_rec *r, const char *address, const char *text)
{
    return apr_pstrcat(r->pool, "<p><a href=\"", html(r, address), "\">", text, "</a></p>\n", NULL);
}

/* Signs out of the session that was refused, and of no other. */
static const char *sign_out_form(request_rec *r, const gate_site *site, const gate_state *state,
                                 const char *text)
{
    const char *realm = state->settings
                            ? apr_pstrcat(r->pool, "<input type=\"hidden\" name=\"realm\" value=\"",
                                          html(r, state->settings->realm.tag), "\">\n", NULL)
                            : "";

    return apr_pstrcat(r->pool, "<form method=\"post\" action=\"", html(r, site->path),
                       "/logout\">\n<input type=\"hidden\" name=\"" GATE_PAGE_FIELD
                       "\" value=\"" GATE_PAGE_VALUE "\">\n",
                       realm, "<button>", text, "</button>\n</form>\n", NULL);
}

/* The way on as HTML. */
static const char *way_of(request_rec *r, const gate_state *state, const wording *say)
{
    const gate_site *site = gate_config_site(r->server);
    const char *wanted = page_wanted(r, site, state);

    switch (say->way) {
    case OPEN_AGAIN: /* a form that was sent is not to be opened as if it were a page */
        if (state->decision.return_to)
            return link_to(r, sign_in_at(r->pool, site, wanted), say->way_text);
        return state->can_repeat ? link_to(r, wanted, say->way_text) : "";
    case SIGN_IN:
        return link_to(r, sign_in_at(r->pool, site, wanted), say->way_text);
    case SIGN_OUT:
        return sign_out_form(r, site, state, say->way_text);
    case GO_HOME:
        return link_to(r, "/", say->way_text);
    default:
        return "";
    }
}

/* Whoever sent a form should know what has become of it. */
static const char *loss_of(const gate_state *state, const wording *say)
{
    return !state->can_repeat && (say->way == SIGN_IN || say->way == OPEN_AGAIN)
               ? "<p>What you sent just now has not been kept.</p>\n"
               : "";
}

/* Retry-After, in words. */
static const char *wait_of(request_rec *r, int seconds)
{
    if (!seconds)
        return "";
    if (seconds < 120)
        return apr_psprintf(r->pool, "<p>Please try again in %d second%s.</p>\n", seconds,
                            seconds == 1 ? "" : "s");
    return apr_psprintf(r->pool, "<p>Please try again in %d minutes.</p>\n", (seconds + 59) / 60);
}

/* What whoever runs the site will ask for. */
static const char *reference_of(request_rec *r, const gate_state *state)
{
    const char *error = state->decision.provider_error;

    return apr_pstrcat(
        r->pool, "<dl>\n<div><dt>Reason</dt><dd>", gate_reason_name(gate_state_told(state)),
        error ? " (" : "", error ? error : "", error ? ")" : "",
        "</dd></div>\n<div><dt>Request</dt><dd>", html(r, state->id), "</dd></div>\n</dl>\n", NULL);
}

/* --- how it looks --- */

/* Text against its ground: 7:1 and more, light and dark (WCAG 2.2, contrast enhanced). */
static const char style[] =
    ":root{color-scheme:light dark;--ground:#f2f4f7;--sheet:#fff;--line:#d3d9e2;--text:#1a1f28;"
    "--quiet:#474f5c;--act:#0b4f9e;--act-text:#fff}"
    "@media (prefers-color-scheme:dark){:root{--ground:#0e1116;--sheet:#171c24;--line:#343d4b;"
    "--text:#e8ecf2;--quiet:#b4bdca;--act:#a9cdfb;--act-text:#06182e}}"
    "*{box-sizing:border-box}"
    "body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;"
    "padding:1.5rem;background:var(--ground);color:var(--text);"
    "font:1.0625rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}"
    "main{width:100%;max-width:34rem;padding:2.25rem 2.5rem;background:var(--sheet);"
    "border:1px solid var(--line);border-radius:.75rem;overflow-wrap:anywhere}"
    "h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.25;text-wrap:balance}p{margin:0 0 1rem}"
    ".site{margin:0 0 .5rem;color:var(--quiet);font-size:.9375rem}"
    "a,button{display:inline-block;margin:.5rem 0;padding:.65rem 1.3rem;border:1px solid "
    "transparent;border-radius:.5rem;background:var(--act);color:var(--act-text);font:inherit;"
    "font-weight:600;text-decoration:none;cursor:pointer}"
    "a:hover,button:hover{text-decoration:underline}"
    "a:focus-visible,button:focus-visible{outline:3px solid var(--act);outline-offset:3px}"
    "dl{margin:1.25rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--quiet);"
    "font-size:.875rem}dl div{display:flex;gap:.75rem}dt{min-width:4.5rem}"
    "main:has(table){max-width:64rem}table{width:100%;margin:1.5rem 0 0;border-collapse:collapse;"
    "font-size:.875rem}caption{padding:.5rem 0;text-align:left;font-weight:600}"
    "th,td{padding:.3rem .75rem .3rem 0;border-top:1px solid var(--line);text-align:left;"
    "vertical-align:top}th{color:var(--quiet);font-weight:400}"
    "td:last-child{font-variant-numeric:tabular-nums;text-align:right}"
    "dd{margin:0;font-family:ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}"
    "@media (max-width:30rem){body{padding:0;align-items:stretch}main{max-width:none;"
    "border:0;border-radius:0;padding:2rem 1.25rem}a,button{display:block;width:100%;"
    "text-align:center}}";

/* The page's own style, by its digest, and its own form: nothing else is let in (Content Security
 * Policy level 3). */
static const char *content_policy(apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!EVP_Digest(style, sizeof style - 1, digest, &len, EVP_sha256(), NULL))
        return "default-src 'none'; form-action 'self'; frame-ancestors 'none'";
    EVP_EncodeBlock(text, digest, (int)len);
    return apr_psprintf(p,
                        "default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
                        "base-uri 'none'; frame-ancestors 'none'",
                        text);
}

/* Which site speaks, as its configuration names it. */
static const char *site_name(request_rec *r)
{
    const gate_site *site = gate_config_site(r->server);
    const char *host = site ? strstr(site->origin, "://") : NULL;

    return host ? apr_pstrcat(r->pool, "<p class=\"site\">", html(r, host + 3), "</p>\n", NULL)
                : "";
}

/* Title and text are plain, head and rest HTML. */
static int send_page(request_rec *r, const char *title, const char *text, const char *head,
                     const char *rest)
{
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->err_headers_out, "Content-Language", "en");
    apr_table_setn(r->err_headers_out, "Content-Security-Policy", content_policy(r->pool));
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    ap_rvputs(r,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"robots\" content=\"noindex\">\n",
              head, "<title>", title, "</title>\n<style>", style,
              "</style>\n</head>\n<body>\n<main>\n", site_name(r), "<h1>", title, "</h1>\n<p>",
              text, "</p>\n", rest, "</main>\n</body>\n</html>\n", NULL);
    return OK;
}

/* --- the pages --- */

/* What chose the form of this answer (RFC 9110 section 12.5.5), for those who keep even what says
 * no-store. */
static void say_what_varies(request_rec *r)
{
    apr_table_mergen(r->err_headers_out, "Vary",
                     "Accept, Sec-Fetch-Mode, Sec-Fetch-Dest, X-Requested-With");
}

int gate_page_refusal(request_rec *r, const gate_state *state, int status)
{
    const wording say = wording_of(state, status);

    say_what_varies(r);
    if (state->representation != GATE_AS_PAGE)
        return gate_problem_refusal(r, state, status);
    return send_page(r, say.title, say.text, "",
                     apr_pstrcat(r->pool, loss_of(state, &say),
                                 wait_of(r, state->decision.retry_after), way_of(r, state, &say),
                                 reference_of(r, state), NULL));
}

int gate_page_signed_out(request_rec *r)
{
    const gate_site *site = gate_config_site(r->server);

    say_what_varies(r);
    if (gate_representation_of(r) != GATE_AS_PAGE)
        return gate_send_json(r, "{\"signed_in\":false}");
    return send_page(r, "You are signed out",
                     "On a computer that others use, close the browser too.", "",
                     link_to(r, sign_in_at(r->pool, site, "/"), "Sign in again"));
}

int gate_page_report(request_rec *r, const char *title, const char *text, const char *rest)
{
    return send_page(r, html(r, title), html(r, text), "", rest);
}

int gate_page_leading(request_rec *r, const char *title, const char *text, const char *location)
{
    const char *head =
        apr_pstrcat(r->pool, "<meta http-equiv=\"refresh\" content=\"0; url=", html(r, location),
                    "\">\n", NULL);

    return send_page(r, title, text, head, link_to(r, location, "Go on"));
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
