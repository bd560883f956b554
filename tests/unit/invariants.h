/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* invariants.h - what holds for every decision, whatever was asked and whatever failed */
#ifndef INVARIANTS_H
#define INVARIANTS_H

#include "world.h"

/* Where a browser may be sent: to this host, to a target that is configured, or to the provider's
 * two places for people. */
static bool is_own_target(const char *location)
{
    static const char *const places[] = {WORLD_ISSUER "/authorize?", WORLD_ISSUER "/end?",
                                         OTHER_ISSUER "/authorize?", OTHER_ISSUER "/end?"};
    const gate_span text = gate_span_of(location);
    const size_t origin = strlen(the.site.origin);

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (gate_span_starts(text, places[i]))
            return true;
    }
    for (const char *const *t = the.app.logout_targets; t && *t; t++) {
        if (gate_span_is(text, *t))
            return true;
    }
    return gate_url_is_local(text) || (gate_span_starts(text, the.site.origin) &&
                                       gate_url_is_local(gate_span_of(location + origin)));
}

/* One of the gate's own, for this host alone, out of a script's reach. */
static bool is_own_cookie(const char *cookie)
{
    const size_t name = strlen(the.site.cookie);

    return cookie && gate_span_starts(gate_span_of(cookie), the.site.cookie) &&
           cookie[name] == '-' && strchr(cookie, '=') && strstr(cookie, "; Path=/;") &&
           strstr(cookie, "; Secure") && strstr(cookie, "; HttpOnly") &&
           strstr(cookie, "; SameSite=") && !strstr(cookie, "; Domain") &&
           !gate_span_has_control(gate_span_of(cookie)) && strlen(cookie) < 4096;
}

/* What the browser holds and the configuration hides must not stand in what is logged. */
static bool tells_a_secret(const char *text)
{
    if (strstr(text, "-secret"))
        return true;
    for (int i = 0; i < the.cookie_count; i++) {
        if (strlen(the.cookies[i].value) >= 16 && strstr(text, the.cookies[i].value))
            return true;
    }
    return the.authorization && strlen(the.authorization) >= 24 &&
           strstr(text, the.authorization + 7);
}

static bool is_for_the_log(const char *detail)
{
    for (const char *c = detail; *c; c++) {
        if (*c < ' ' || *c > '~')
            return false;
    }
    return strlen(detail) <= 1024 && !tells_a_secret(detail);
}

/* Whether verb, status and what goes with them belong together. */
static bool is_whole(const gate_decision *d)
{
    switch (d->verb) {
    case GATE_ADMIT:
        return d->status == 200 && !d->location;
    case GATE_REDIRECT:
        return (d->status == 302 || d->status == 303) && d->location;
    case GATE_CHALLENGE:
        return d->status == 401 && d->reason != GATE_OK;
    case GATE_REFUSE:
        return d->status >= 400 && d->status < 500 && d->status != 401 && d->reason != GATE_OK;
    case GATE_FAIL:
        return d->status >= 500 && d->status < 600 && d->reason != GATE_OK;
    default:
        return false;
    }
}

/* Somebody has an issuer that is believed, and a name; but for tokens, which need none (RFC 7662
 * section 2.2): there it is the adapter that lets nobody on without a user's. Nobody has neither.
 */
static bool is_somebody_or_nobody(const gate_decision *d)
{
    gate_span issuer;

    if (!d->known)
        return !d->identity;
    if (!d->identity || (d->verb != GATE_ADMIT && d->verb != GATE_REDIRECT))
        return false;
    issuer = gate_identity_issuer(d->identity);
    return (gate_span_is(issuer, WORLD_ISSUER) || gate_span_is(issuer, OTHER_ISSUER)) &&
           (gate_identity_subject(d->identity).len || gate_identity_client_id(d->identity).len ||
            d->method == GATE_METHOD_BEARER || d->method == GATE_METHOD_INTROSPECTION);
}

/* NULL, or what does not hold. */
static WORLD_UNUSED const char *broken_invariant(const gate_decision *d)
{
    if (d->reason >= GATE_REASON_COUNT || d->told >= GATE_REASON_COUNT || !is_whole(d))
        return "verb, status and reason belong together";
    if (!is_somebody_or_nobody(d))
        return "who is known has a name, and who is not has no identity";
    if (d->location && !is_own_target(d->location))
        return "a browser is sent to this host or to its provider alone";
    if (d->location && strstr(d->location, "-secret"))
        return "an address holds no secret";
    if (d->cookie_count < 0 || d->cookie_count > GATE_MAX_COOKIES)
        return "cookies are counted";
    for (int i = 0; i < d->cookie_count; i++) {
        if (!is_own_cookie(d->cookies[i]))
            return "a cookie is the gate's own, for this host alone, and out of reach of scripts";
    }
    if (d->detail && !is_for_the_log(d->detail))
        return "a detail is short, printable and without a secret";
    return NULL;
}

#endif
