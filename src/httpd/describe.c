/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/describe.h"

#include <apr_strings.h>

#include "httpd/config_private.h"

APLOG_USE_MODULE(oidc_gate);

#define SHOWN_BYTES 400

/* --- what may be shown --- */

static const char *whole(apr_pool_t *p, const char *args)
{
    return args;
}

/* file:PATH and env:NAME say where it is; a command, or the text itself, may be the secret. */
static const char *secret_kind(apr_pool_t *p, const char *args)
{
    const char *word = ap_getword_conf(p, &args);

    if (!strncasecmp(word, "file:", 5) || !strncasecmp(word, "env:", 4))
        return word;
    return strncasecmp(word, "exec:", 5) ? "(the text itself)" : "exec:...";
}

/* The name; the value may be between the administrator and the provider. */
static const char *name_alone(apr_pool_t *p, const char *args)
{
    return apr_pstrcat(p, ap_getword_conf(p, &args), " ...", NULL);
}

/* The name, and what is put in; what stands beside it may be between the gate and a backend. */
static const char *name_and_sources(apr_pool_t *p, const char *args)
{
    const char *text = ap_getword_conf(p, &args), *at = ap_getword_conf(p, &args), *end;

    while ((at = strstr(at, "%{")) && (end = strchr(at, '}'))) {
        text = apr_psprintf(p, "%s %.*s", text, (int)(end + 1 - at), at);
        at = end;
    }
    return text;
}

static const char *without_password(apr_pool_t *p, const char *word)
{
    const char *command = strstr(word, "=exec:");

    if (command)
        return apr_psprintf(p, "%.*s=exec:...", (int)(command - word), word);
    return strstr(word, "://") && strchr(word, '@') ? "(an address with a password)" : word;
}

/* Neither addresses with a user's name and password in them, nor commands. */
static const char *without_passwords(apr_pool_t *p, const char *args)
{
    const char *text = "";

    while (*args)
        text = apr_pstrcat(p, text, *text ? " " : "",
                           without_password(p, ap_getword_conf(p, &args)), NULL);
    return text;
}

static const struct {
    const char *directive;
    const char *(*show)(apr_pool_t *p, const char *args);
} shows[] = {
    {"OIDCGateClientSecret", secret_kind},       {"OIDCGateHeader", name_and_sources},
    {"OIDCGateEnv", name_and_sources},           {"OIDCGateHTTP", without_passwords},
    {"OIDCGateSessionStore", without_passwords},
};

static const char *shown(apr_pool_t *p, const ap_directive_t *directive)
{
    const char *(*show)(apr_pool_t * p, const char *args) = whole;
    const char *end = strstr(directive->directive, "Param");

    if (end && !end[strlen("Param")])
        show = name_alone;
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
        if (!strcasecmp(shows[i].directive, directive->directive))
            show = shows[i].show;
    }
    return gate_span_for_log(p, gate_span_of(show(p, directive->args)), SHOWN_BYTES);
}

/* --- what is written --- */

typedef struct listing {
    apr_pool_t *p;
    json_t *written;
    apr_hash_t *seen; /* directives, by their address */
} listing;

static void add_line(listing *l, const ap_directive_t *directive)
{
    if (apr_hash_get(l->seen, &directive, sizeof directive))
        return;
    apr_hash_set(l->seen, apr_pmemdup(l->p, &directive, sizeof directive), sizeof directive, l);
    json_array_append_new(l->written,
                          json_pack("{s:s, s:s, s:s}", "directive", directive->directive, "says",
                                    shown(l->p, directive), "from",
                                    gate_directive_place(l->p, directive)));
}

/* All lines of that name in the same section: those of a list add up. */
static void add_lines(listing *l, const ap_directive_t *directive)
{
    const ap_directive_t *at = directive->parent ? directive->parent->first_child : ap_conftree;

    for (; at; at = at->next) {
        if (!strcasecmp(at->directive, directive->directive))
            add_line(l, at);
    }
    add_line(l, directive);
}

/* Whether the directive holds here at all. */
static bool add_directive(listing *l, const gate_directives *says, const char *name)
{
    bool is_written = false;

    for (int i = 0; i < GATE_FIELD_COUNT; i++) {
        const ap_directive_t *where = says->set >> i & 1 ? says->where[i] : NULL;

        if (!where || strcasecmp(where->directive, name))
            continue;
        add_lines(l, where);
        is_written = true;
    }
    return is_written;
}

/* "On|Off (default: On)" -> "On" */
static const char *default_of(apr_pool_t *p, const command_rec *command)
{
    static const char opening[] = " (default: ";
    const char *text = strstr(command->errmsg, opening);

    if (!text)
        return NULL;
    text += strlen(opening);
    return apr_pstrndup(p, text, strlen(text) - 1);
}

json_t *gate_describe(request_rec *r)
{
    const gate_dir *dir = ap_get_module_config(r->per_dir_config, &oidc_gate_module);
    listing l = {.p = r->pool, .written = json_array(), .seen = apr_hash_make(r->pool)};
    json_t *defaults = json_object();
    gate_directives says;

    gate_dir_read(dir->stands_for ? dir->stands_for : dir, &says);
    add_directive(&l, &says, "AuthType");
    for (const command_rec *command = gate_commands; command->name; command++) {
        const char *standard = default_of(r->pool, command);

        if (standard && !add_directive(&l, &says, command->name))
            json_object_set_new(defaults, command->name, json_string(standard));
    }
    return json_pack("{s:o, s:o}", "written", l.written, "defaults", defaults);
}
