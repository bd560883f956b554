/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* neighbors.c - what the directives of other modules do to a gate
 *
 * What they mean to their own modules nobody else can see; but how they are written can be read in
 * the configuration's tree. All of them have their uses, so they are warned of, and not refused. */
#include "httpd/authz.h"
#include "httpd/config_private.h"

#include <apr_strings.h>

/* What is looked at. */
typedef enum range {
    NEAR, /* what stands in a guarded section */
    FAR,  /* all, where anything is guarded */
    ALL   /* and where nothing is */
} range;

typedef struct danger {
    const char *directive;
    range range;
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

/* The same in whatever block within; where `decides`, one that lets in everybody is none. */
static bool has_rule_within(apr_pool_t *p, const ap_directive_t *first, bool decides)
{
    for (; first; first = first->next) {
        if (is_rule(first) && !(decides && has_word(p, first, "granted")))
            return true;
        if (has_rule_within(p, first->first_child, decides))
            return true;
    }
    return false;
}

/* Whether one section is around the other: of the same kind, and, where both are plain paths, of
 * one above it. Patterns are believed to be. */
static bool is_around(apr_pool_t *p, const ap_directive_t *outer, const ap_directive_t *inner)
{
    const char *outer_path, *inner_path;

    if (outer == inner || strncasecmp(outer->directive, inner->directive, strlen("<Direct")))
        return false;
    outer_path = gate_heading_path(p, outer);
    inner_path = gate_heading_path(p, inner);
    return strcasecmp(outer->directive, inner->directive) || *outer_path == '~' ||
           *inner_path == '~' || gate_path_is_around(outer_path, inner_path);
}

static bool has_rule_around(apr_pool_t *p, const ap_directive_t *first,
                            const ap_directive_t *section)
{
    for (; first; first = first->next) {
        if (has_rule_around(p, first->first_child, section) ||
            (is_around(p, first, section) && has_rule_within(p, first->first_child, true)))
            return true;
    }
    return false;
}

/* Without a rule of its own, a section has those of what is around it: where they are a
 * <Directory>'s that lets in everybody, nobody is asked who he is. */
static bool guards_nothing(apr_pool_t *p, const ap_directive_t *written)
{
    const ap_directive_t *section = gate_directive_heading(written->parent);

    return section && !has_rule_within(p, section->first_child, false) &&
           !has_rule_around(p, ap_conftree, section);
}

static bool is_gate_rule(apr_pool_t *p, const ap_directive_t *written)
{
    const char *rest = written->args;

    return !strcasecmp(written->directive, "Require") && gate_is_rule(ap_getword_conf(p, &rest));
}

static bool has_gate_rule(apr_pool_t *p, const ap_directive_t *first)
{
    for (; first; first = first->next) {
        if (is_gate_rule(p, first) || has_gate_rule(p, first->first_child))
            return true;
    }
    return false;
}

static bool is_type_of_gate(apr_pool_t *p, const ap_directive_t *written)
{
    return !strcasecmp(written->directive, "AuthType") &&
           (has_word(p, written, "OIDCGate") || strstr(written->args, "%{"));
}

static bool is_type_of_others(apr_pool_t *p, const ap_directive_t *written)
{
    return !is_type_of_gate(p, written) && written->parent &&
           has_gate_rule(p, written->parent->first_child);
}

static bool has_type_of_gate(apr_pool_t *p, const ap_directive_t *first)
{
    for (; first; first = first->next) {
        if (is_type_of_gate(p, first) || has_type_of_gate(p, first->first_child))
            return true;
    }
    return false;
}

static bool has_type(const ap_directive_t *first)
{
    while (first && strcasecmp(first->directive, "AuthType"))
        first = first->next;
    return first != NULL;
}

static bool is_asked_by_nobody(apr_pool_t *p, const ap_directive_t *written)
{
    const ap_directive_t *section = gate_directive_heading(written->parent);

    return is_gate_rule(p, written) && !(section && has_type(section->first_child)) &&
           !has_type_of_gate(p, ap_conftree);
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
    {"AuthType", NEAR, guards_nothing,
     "no Require beside it says who may pass, so what holds there is what holds around it, which "
     "may be that everybody does. Say Require valid-user, or for whom it is."},
    {"AuthType", ALL, is_type_of_others,
     "the Require line beside it is the gate's to answer, and it is not asked there: nobody "
     "passes. Say AuthType OIDCGate."},
    {"Require", ALL, is_asked_by_nobody,
     "this rule is the gate's to answer, and it is not asked anywhere: nobody passes. Say AuthType "
     "OIDCGate beside it."},
    {"Satisfy", NEAR, says_any,
     "whoever Allow lets in, which is everybody where nothing else is said, is not asked who they "
     "are. Say <RequireAny> in its place, with the gate's rules and Require ip in it."},
    {"<Limit", NEAR, limits_all_rules,
     "the rules in it are for these methods alone, and with any other method nothing is asked but "
     "that somebody is known. Put Require outside of it, or say <LimitExcept>."},
    {"AllowOverride", NEAR, lends_authority,
     "whoever writes a .htaccess there can put other rules, or none, in the place of the gate's. "
     "Say it without AuthConfig, or guard a <Location>, which comes after .htaccess."},
    {"Header", NEAR, shares_with_all,
     "pages of every origin can read here what somebody sees who is signed in. Let "
     "Access-Control-Allow-Origin name the origins that may."},
    {"HttpProtocolOptions", FAR, says_unsafe,
     "malformed requests are let in, and what this server takes for one header a backend may take "
     "for another. Say HttpProtocolOptions Strict."},
    {"AllowEncodedSlashes", FAR, lets_slashes_in,
     "a backend may take a path with %2F in it for another place than the one whose rules were "
     "asked. Say AllowEncodedSlashes Off, unless it reads such paths as this server does."},
    {"ProxyPass", FAR, says_nocanon, ANOTHER_PATH},
    {"ProxyPassMatch", FAR, says_nocanon, ANOTHER_PATH},
    {"LogFormat", FAR, logs_credentials, TAKES_THEIR_PLACE "Leave them out: %u says who it was."},
    {"CustomLog", FAR, logs_credentials, TAKES_THEIR_PLACE "Leave them out: %u says who it was."},
    {"ForensicLog", FAR, NULL, TAKES_THEIR_PLACE "Take it out when it has done its work."},
    {"DumpIOInput", FAR, says_on,
     TAKES_THEIR_PLACE "Say DumpIOInput Off when it has done its work."},
    {"DumpIOOutput", FAR, says_on,
     TAKES_THEIR_PLACE "Say DumpIOOutput Off when it has done its work."},
};

/* --- the walk --- */

typedef struct walk {
    apr_pool_t *p;
    apr_hash_t *guarded;
    bool is_used; /* something is guarded */
    gate_tell *tell;
    void *context;
} walk;

static bool is_in_range(const walk *w, const danger *d, bool is_guarded)
{
    return d->range == ALL || (d->range == FAR ? w->is_used : is_guarded);
}

static void look_at(const walk *w, const ap_directive_t *written, bool is_guarded)
{
    for (size_t i = 0; i < sizeof dangers / sizeof *dangers; i++) {
        const danger *d = &dangers[i];

        if (strcasecmp(written->directive, d->directive) || !is_in_range(w, d, is_guarded) ||
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
    const walk w = {.p = p,
                    .guarded = guarded,
                    .is_used = gate_configuration->options.used,
                    .tell = tell,
                    .context = context};

    look_around(&w, ap_conftree, false);
}
