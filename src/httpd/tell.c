/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* tell.c - OIDCGateHeader and OIDCGateEnv as they are written: what the backend is told */
#include "httpd/values.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "httpd/shared.h"

/* --- names --- */

bool gate_is_token(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    }
    return *text;
}

static const char *const of_the_server[] = {
    "Host",    "Connection", "Content-Length", "Transfer-Encoding", "Cookie", "Set-Cookie",
    "Upgrade", "TE",         "Trailer",        "Keep-Alive",        "Expect",
};
enum { OF_THE_SERVER = sizeof of_the_server / sizeof *of_the_server };

static bool begins_folded(gate_span name, gate_span prefix)
{
    return name.len >= prefix.len &&
           gate_name_equal_folded((gate_span){name.ptr, prefix.len}, prefix);
}

bool gate_is_server_header(gate_span name)
{
    for (int i = 0; i < OF_THE_SERVER; i++) {
        if (gate_name_equal_folded(name, gate_span_of(of_the_server[i])))
            return true;
    }
    return begins_folded(name, GATE_SPAN("Proxy-"));
}

static const char *check_header(const gate_config_line *line, const char *name)
{
    if (!gate_is_token(name))
        return gate_complain(
            line, name,
            "a header's name is made of letters, digits and '-' (RFC 9110 section 5.1); a colon "
            "is not part of it");
    if (gate_is_server_header(gate_span_of(name)))
        return gate_complain(
            line, name,
            "this header is the server's own, or the browser's; choose another, such as X-User");
    if (name[strlen(name) - 1] == '*')
        return gate_complain(line, name, "only unset takes all names that begin alike");
    return NULL;
}

/* All names that begin so: a family, and none with what the server itself needs in it. */
static const char *check_family(const gate_config_line *line, const char *name)
{
    const gate_span prefix = {name, strlen(name) - 1};

    if (!gate_is_token(name) || !prefix.len || !strchr("-_", name[prefix.len - 1]))
        return gate_complain(line, name, "a family of names ends in \"-*\" or \"_*\"");
    for (int i = 0; i < OF_THE_SERVER; i++) {
        if (begins_folded(gate_span_of(of_the_server[i]), prefix))
            return gate_complain(line, name, "%s is one of them, and the server's own",
                                 of_the_server[i]);
    }
    return gate_is_server_header(prefix)
               ? gate_complain(line, name, "these headers are the server's own")
               : NULL;
}

static const char *check_variable(const gate_config_line *line, const char *name)
{
    bool is_fine = *name && !apr_isdigit(*name);

    for (const char *c = name; *c; c++)
        is_fine = is_fine && (apr_isalnum(*c) || *c == '_');
    if (!is_fine)
        return gate_complain(line, name, "a variable's name is made of letters, digits and '_'");
    if (!strncasecmp(name, "HTTP_", 5))
        return gate_complain(line, name,
                             "variables of this name are request headers: say OIDCGateHeader");
    if (!strcasecmp(name, "REMOTE_USER"))
        return gate_complain(line, name, "say OIDCGateRemoteUser, which access logs heed too");
    return NULL;
}

/* --- lines --- */

/* Careless backends do not tell X-User and x_user apart: one would hide the other. */
static gate_told *find(const apr_array_header_t *list, const char *name)
{
    for (int i = 0; i < list->nelts; i++) {
        gate_told *told = &APR_ARRAY_IDX(list, i, gate_told);

        if (gate_name_equal_folded(gate_span_of(told->name), gate_span_of(name)))
            return told;
    }
    return NULL;
}

/* A line of its own counts more than a preset's, whichever comes first. */
static const char *add(gate_config_line *line, const gate_slot *slot, const gate_told *told)
{
    apr_array_header_t *list = gate_line_list(line, slot, sizeof(gate_told));
    gate_told *there = find(list, told->name);

    if (!there)
        APR_ARRAY_PUSH(list, gate_told) = *told;
    else if (there->is_preset)
        *there = *told;
    else if (!told->is_preset)
        return gate_complain(
            line, told->name, "%s is set already in this section%s", there->name,
            strcmp(there->name, told->name) ? ", and is the same name to many programs" : "");
    return NULL;
}

/* A text, and the options behind it. */
static const char *compile(const gate_config_line *line, const char *const *words,
                           const gate_template **template)
{
    const char *problem;

    *template = gate_shared_find(line->scratch, "template", words);
    if (*template)
        return NULL;
    problem = gate_template_compile(line->pool, words[0], words + 1, template);
    if (!problem)
        gate_shared_keep("template", words, *template);
    return problem;
}

static const char *add_line(gate_config_line *line, const gate_slot *slot)
{
    gate_told told = {.name = line->words[0]};
    const char *problem = compile(line, line->words + 1, &told.template);

    return problem ? gate_complain(line, told.name, "%s", problem) : add(line, slot, &told);
}

/* What one kind of told things differs in from the other. */
typedef struct gate_telling {
    const char *(*check)(const gate_config_line *line, const char *name);
    bool is_header; /* strangers can send it */
} gate_telling;

static void note(const gate_config_line *line, const gate_telling *kind, const char *name)
{
    if (kind->is_header)
        gate_told_note(line->pool, name);
}

static const char *add_row(gate_config_line *line, const gate_slot *slot, const gate_telling *kind,
                           const gate_preset_row *row)
{
    const char *const words[] = {row->template, NULL};
    gate_told told = {.name = row->name, .is_preset = true};
    const char *problem;

    note(line, kind, row->name);
    if (!row->template)
        return NULL;
    if (kind->check(line, row->name))
        return gate_complain(line, row->preset, "these are headers: say OIDCGateHeader preset %s",
                             row->preset);
    problem = compile(line, words, &told.template);
    return problem ? gate_complain(line, row->name, "%s", problem) : add(line, slot, &told);
}

static const char *add_preset(gate_config_line *line, const gate_slot *slot,
                              const gate_telling *kind)
{
    const char *name = line->words[1], *problem = NULL;
    const gate_preset_row *row = gate_preset_next(name, NULL);

    if (!row)
        return gate_complain(line, name, "there is no such preset; there are %s",
                             gate_preset_names(line->pool));
    for (; row && !problem; row = gate_preset_next(name, row))
        problem = add_row(line, slot, kind, row);
    return problem;
}

/* Not told, and nobody else's to say. */
static const char *add_silence(gate_config_line *line, const gate_slot *slot,
                               const gate_telling *kind)
{
    const gate_told told = {.name = line->words[1]};
    const bool is_family = kind->is_header && strchr(told.name, '*');
    const char *problem = is_family ? check_family(line, told.name) : kind->check(line, told.name);

    if (problem)
        return problem;
    note(line, kind, told.name);
    return add(line, slot, &told);
}

static const char *tell(gate_config_line *line, const gate_slot *slot, const gate_telling *kind)
{
    const char *name = line->words[0], *problem;
    const bool is_preset = !strcasecmp(name, "preset");

    if (is_preset || !strcasecmp(name, "unset")) {
        if (line->count != 2)
            return gate_complain(line, name, "one name stands behind it, and nothing else");
        return is_preset ? add_preset(line, slot, kind) : add_silence(line, slot, kind);
    }
    problem = kind->check(line, name);
    if (!problem)
        problem = add_line(line, slot);
    if (!problem)
        note(line, kind, name);
    return problem;
}

const char *gate_tell_header(gate_config_line *line, const gate_slot *slot)
{
    return tell(line, slot, &(const gate_telling){check_header, true});
}

const char *gate_tell_variable(gate_config_line *line, const gate_slot *slot)
{
    return tell(line, slot, &(const gate_telling){check_variable, false});
}
