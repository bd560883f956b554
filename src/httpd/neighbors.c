/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* neighbors.c - what the directives of other modules do to a gate
 *
 * What they mean to their own modules nobody else can see; but how they are written can be read in
 * the configuration's tree. All of them have their uses, so they are warned of, and not refused. */
#include "httpd/config_private.h"

#include <apr_strings.h>

typedef struct danger {
    const char *directive;
    bool is_near; /* only what stands in a guarded section; else all, where anything is guarded */
    bool (*is_meant)(apr_pool_t *p, const ap_directive_t *written); /* NULL: however written */
    const char *means;
} danger;

/* --- how it is written --- */

static bool has_word(apr_pool_t *p, const ap_directive_t *written, const char *word)
{
    const char *rest = written->args, *found;

    while (*(found = ap_getword_conf(p, &rest))) {
        if (!strcasecmp(found, word))
            return true;
    }
    return false;
}

static bool says_on(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "On");
}

static bool says_any(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "Any");
}

static bool says_unsafe(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "Unsafe");
}

static bool says_nocanon(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "nocanon");
}

static bool lets_slashes_in(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "On") || has_word(p, written, "NoDecode");
}

static bool lends_authority(apr_pool_t *p, const ap_directive_t *written)
{
    return has_word(p, written, "AuthConfig") || has_word(p, written, "All");
}

static bool logs_credentials(apr_pool_t *p, const ap_directive_t *written)
{
    static const char *const fields[] = {"{Cookie}i", "{Authorization}i", "{Set-Cookie}o"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (ap_strcasestr(written->args, fields[i]))
            return true;
    }
    return false;
}

static bool is_rule(const ap_directive_t *written)
{
    return !strncasecmp(written->directive, "Require", 7) ||
           !strncasecmp(written->directive, "<Require", 8);
}

static bool has_rule(const ap_directive_t *first)
{
    for (; first; first = first->next) {
        if (is_rule(first))
            return true;
    }
    return false;
}

/* <Limit> with all the rules that its section has. */
static bool limits_all_rules(apr_pool_t *p, const ap_directive_t *written)
{
    return has_rule(written->first_child) && written->parent &&
           !has_rule(written->parent->first_child);
}

/* Whether a Header line allows whatever origin asks: all, or the one that the caller names. */
static bool allows_any_origin(const ap_directive_t *written)
{
    const char *origin = ap_strcasestr(written->args, "Access-Control-Allow-Origin");

    return origin &&
           (strchr(origin, '*') || strstr(origin, "%{") || ap_strcasestr(origin, "expr="));
}

static bool shares_with_all(apr_pool_t *p, const ap_directive_t *written)
{
    const ap_directive_t *beside = written->parent ? written->parent->first_child : NULL;

    if (!ap_strcasestr(written->args, "Access-Control-Allow-Credentials"))
        return false;
    for (; beside; beside = beside->next) {
        if (!strcasecmp(beside->directive, "Header") && allows_any_origin(beside))
            return true;
    }
    return false;
}

/* --- the table --- */

#define TAKES_THEIR_PLACE                                                                          \
    "what is written down has the cookies and credentials of whoever comes, and who reads it can " \
    "take their place. "
#define ANOTHER_PATH                                                                            \
    "the backend is sent the path as the caller wrote it, while the gate's rules go by what "   \
    "httpd made of it: where the two differ, one place is open by the rules of another. Leave " \
    "nocanon out, unless the backend reads paths as httpd does."

static const danger dangers[] = {
    {"Satisfy", true, says_any,
     "whoever Allow lets in, which is everybody where nothing else is said, is not asked who they "
     "are. Say <RequireAny> in its place, with the gate's rules and Require ip in it."},
    {"<Limit", true, limits_all_rules,
     "the rules in it are for these methods alone, and with any other method nothing is asked but "
     "that somebody is known. Put Require outside of it, or say <LimitExcept>."},
    {"AllowOverride", true, lends_authority,
     "whoever writes a .htaccess there can put other rules, or none, in the place of the gate's. "
     "Say it without AuthConfig, or guard a <Location>, which comes after .htaccess."},
    {"Header", true, shares_with_all,
     "pages of every origin can read here what somebody sees who is signed in. Let "
     "Access-Control-Allow-Origin name the origins that may."},
    {"HttpProtocolOptions", false, says_unsafe,
     "malformed requests are let in, and what this server takes for one header a backend may take "
     "for another. Say HttpProtocolOptions Strict."},
    {"AllowEncodedSlashes", false, lets_slashes_in,
     "a backend may take a path with %2F in it for another place than the one whose rules were "
     "asked. Say AllowEncodedSlashes Off, unless it reads such paths as this server does."},
    {"ProxyPass", false, says_nocanon, ANOTHER_PATH},
    {"ProxyPassMatch", false, says_nocanon, ANOTHER_PATH},
    {"LogFormat", false, logs_credentials, TAKES_THEIR_PLACE "Leave them out: %u says who it was."},
    {"CustomLog", false, logs_credentials, TAKES_THEIR_PLACE "Leave them out: %u says who it was."},
    {"ForensicLog", false, NULL, TAKES_THEIR_PLACE "Take it out when it has done its work."},
    {"DumpIOInput", false, says_on,
     TAKES_THEIR_PLACE "Say DumpIOInput Off when it has done its work."},
    {"DumpIOOutput", false, says_on,
     TAKES_THEIR_PLACE "Say DumpIOOutput Off when it has done its work."},
};

/* --- the walk --- */

typedef struct walk {
    apr_pool_t *p;
    apr_hash_t *guarded;
    gate_tell *tell;
    void *context;
} walk;

static void look_at(const walk *w, const ap_directive_t *written, bool is_guarded)
{
    for (size_t i = 0; i < sizeof dangers / sizeof *dangers; i++) {
        const danger *d = &dangers[i];

        if (strcasecmp(written->directive, d->directive) || (d->is_near && !is_guarded) ||
            (d->is_meant && !d->is_meant(w->p, written)))
            continue;
        w->tell(w->context, apr_psprintf(w->p, "%s %s (%s): %s", written->directive, written->args,
                                         gate_directive_place(w->p, written), d->means));
    }
}

/* Configurations nest as deep as their author has written them. */
static void look_around(const walk *w, const ap_directive_t *first, bool is_guarded)
{
    for (; first; first = first->next) {
        const bool *says = apr_hash_get(w->guarded, &first, sizeof first);

        look_at(w, first, is_guarded);
        look_around(w, first->first_child, says ? *says : is_guarded);
    }
}

void gate_neighbors_check(apr_pool_t *p, apr_hash_t *guarded, gate_tell *tell, void *context)
{
    const walk w = {.p = p, .guarded = guarded, .tell = tell, .context = context};

    look_around(&w, ap_conftree, false);
}
