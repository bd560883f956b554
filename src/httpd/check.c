/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* check.c - all that is written is looked at before anybody comes: what will meet where, and
 * whether that holds together */
#include "httpd/config_private.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>

#include "http_core.h"

APLOG_USE_MODULE(oidc_gate);

/* Which sections will meet in a request is known only when it comes. But what will meet at a
 * <Location>'s own path can be foreseen: the <Location>s around it, in their order. That is
 * compiled here, so that an error in it is found before anybody comes; and it is merged and ready
 * when somebody does. */

typedef enum family { LOCATIONS, DIRECTORIES, OTHERS } family;

/* A written section, as it stands in the configuration. */
typedef struct outline {
    gate_dir *dir;
    const ap_directive_t *top; /* the outermost section around it, itself where there is none */
    family family;             /* of the top */
    const char
        *path; /* its path; "/" where it is a pattern: what is around all paths is around it */
    const char *pattern; /* for apr_fnmatch */
    const ap_regex_t *regex;
    bool is_guarded; /* on some server */
} outline;

typedef struct checking {
    apr_pool_t *p;
    server_rec *main_server;
    apr_array_header_t *outlines; /* of outline, by id */
    apr_hash_t
        *tops; /* a server's address -> those of its outermost sections, of const outline * */
    apr_array_header_t *backends; /* what ProxyPass says */
    apr_hash_t *said;             /* texts */
    int errors;
    bool is_loud; /* warnings are for this pass over the configuration */
} checking;

/* --- what stands where --- */

static const ap_directive_t *outermost(const ap_directive_t *heading)
{
    const ap_directive_t *around;

    while ((around = gate_directive_heading(heading->parent)))
        heading = around;
    return heading;
}

static family family_of(const ap_directive_t *top)
{
    if (!strncasecmp(top->directive, "<Location", 9))
        return LOCATIONS;
    return strncasecmp(top->directive, "<Directory", 10) ? OTHERS : DIRECTORIES;
}

/* Reads "/app>" and "~ ^/app>" as httpd does. A regular expression that is none was refused before
 * this. */
static void read_path(checking *c, outline *o)
{
    const char *rest = gate_heading_arguments(c->p, o->top);
    const char *path = ap_getword_conf(c->p, &rest);
    const bool is_match = !strcasecmp(o->top->directive, "<LocationMatch") ||
                          !strcasecmp(o->top->directive, "<DirectoryMatch");

    o->path = "/";
    if (is_match || !strcmp(path, "~"))
        o->regex =
            ap_pregcomp(c->p, is_match ? path : ap_getword_conf(c->p, &rest), AP_REG_EXTENDED);
    else if (apr_fnmatch_test(path))
        o->pattern = path;
    else
        o->path = path;
}

static apr_array_header_t *tops_of(const checking *c, const server_rec *s)
{
    return apr_hash_get(c->tops, &s, sizeof s);
}

static void add_top(checking *c, const outline *o)
{
    apr_array_header_t *tops = tops_of(c, o->dir->server);

    if (!tops) {
        tops = apr_array_make(c->p, 8, sizeof o);
        apr_hash_set(c->tops, &o->dir->server, sizeof o->dir->server, tops);
    }
    APR_ARRAY_PUSH(tops, const outline *) = o;
}

static void outline_all(checking *c)
{
    const apr_array_header_t *sections = gate_configuration->sections;

    c->outlines = apr_array_make(c->p, sections->nelts + 1, sizeof(outline));
    c->tops = apr_hash_make(c->p);
    for (int i = 0; i < sections->nelts; i++) {
        outline *o = apr_array_push(c->outlines);

        o->dir = APR_ARRAY_IDX(sections, i, gate_dir *);
        if (!o->dir->heading)
            continue;
        o->top = outermost(o->dir->heading);
        o->family = family_of(o->top);
        read_path(c, o);
        if (o->dir->heading == o->top)
            add_top(c, o);
    }
}

bool gate_path_is_around(const char *outer, const char *path)
{
    const size_t len = strlen(outer);

    return !strncmp(outer, path, len) &&
           (!len || outer[len - 1] == '/' || path[len] == '/' || path[len] == '\0');
}

/* Whether a section is around a path, as ap_location_walk and ap_directory_walk have it. */
static bool is_around(const outline *o, const char *path)
{
    if (o->regex)
        return !ap_regexec(o->regex, path, 0, NULL, 0);
    if (o->pattern)
        return !apr_fnmatch(o->pattern, path, APR_FNM_PATHNAME);
    return gate_path_is_around(o->path, path);
}

/* Directories are met from the shortest path to the longest, and then the patterns. */
static size_t rank(const outline *o)
{
    if (o->family != DIRECTORIES)
        return 0;
    return o->regex ? SIZE_MAX : strlen(o->pattern ? o->pattern : o->path);
}

static void insert(apr_array_header_t *met, const outline *o)
{
    int i = met->nelts;

    apr_array_push(met);
    for (; i > 0 && rank(APR_ARRAY_IDX(met, i - 1, const outline *)) > rank(o); i--)
        APR_ARRAY_IDX(met, i, const outline *) = APR_ARRAY_IDX(met, i - 1, const outline *);
    APR_ARRAY_IDX(met, i, const outline *) = o;
}

/* Adds the top sections written in `writer` that are met where o is met. */
static void add_tops(const checking *c, const outline *o, const server_rec *writer,
                     apr_array_header_t *met)
{
    const apr_array_header_t *tops = tops_of(c, writer);

    for (int i = 0; tops && i < tops->nelts; i++) {
        const outline *other = APR_ARRAY_IDX(tops, i, const outline *);

        if (other->top == o->top ||
            (o->family != OTHERS && other->family == o->family && is_around(other, o->path)))
            insert(met, other);
    }
}

/* The sections between the top and o, and o itself. */
static void add_nested(const checking *c, const outline *o, const ap_directive_t *heading,
                       apr_array_header_t *met)
{
    if (!heading || heading == o->top)
        return;
    add_nested(c, o, gate_directive_heading(heading->parent), met);
    for (int i = 0; i < c->outlines->nelts; i++) {
        const outline *other = &APR_ARRAY_IDX(c->outlines, i, outline);

        if (other->dir->heading == heading)
            APR_ARRAY_PUSH(met, const outline *) = other;
    }
}

/* What a request for o's own path will be told by, on that server. Put together as httpd does it,
 * so that each step is remembered: the top sections first, then the server's own before them, then
 * what is nested in them. */
static gate_dir *foresee(const checking *c, const outline *o, const server_rec *s)
{
    apr_array_header_t *met = apr_array_make(c->p, 8, sizeof(const outline *));
    gate_dir *tops = gate_configuration->nothing, *dir;

    add_tops(c, o, c->main_server, met);
    if (s != c->main_server)
        add_tops(c, o, s, met);
    for (int i = 0; i < met->nelts; i++)
        tops = gate_dir_merge(c->p, tops, APR_ARRAY_IDX(met, i, const outline *)->dir);
    dir = gate_dir_merge(c->p, ap_get_module_config(s->lookup_defaults, &oidc_gate_module), tops);
    apr_array_clear(met);
    add_nested(c, o, o->dir->heading, met);
    for (int i = 0; i < met->nelts; i++)
        dir = gate_dir_merge(c->p, dir, APR_ARRAY_IDX(met, i, const outline *)->dir);
    return dir;
}

/* --- telling --- */

/* What was said before is not said again; false. */
static bool say(checking *c, int level, const char *format, va_list arguments)
{
    const char *text = apr_pvsprintf(c->p, format, arguments);

    if (apr_hash_get(c->said, text, APR_HASH_KEY_STRING))
        return false;
    apr_hash_set(c->said, text, APR_HASH_KEY_STRING, text);
    ap_log_error(APLOG_MARK, level | APLOG_STARTUP, 0, c->main_server, "%s", text);
    return true;
}

__attribute__((format(printf, 2, 3))) static void complain(checking *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    c->errors += say(c, APLOG_ERR, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 2, 3))) static void warn(checking *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (c->is_loud)
        say(c, APLOG_WARNING, format, arguments);
    va_end(arguments);
}

/* --- the check --- */

/* The outermost section of each server knows from now on which host it is. */
static void give_hosts(checking *c)
{
    for (server_rec *s = c->main_server; s; s = s->next) {
        gate_dir *written = ap_get_module_config(s->lookup_defaults, &oidc_gate_module);
        gate_host *host = apr_pcalloc(gate_configuration->pool, sizeof *host);

        host->server = s;
        host->dir = gate_dir_give(written, host);
        ap_set_module_config(s->lookup_defaults, &oidc_gate_module, host->dir);
    }
}

/* Whether o is guarded on that server, as far as can be seen; and what it means there. */
static const gate_compiled *compile(const checking *c, const outline *o, const server_rec *s)
{
    gate_dir *dir = foresee(c, o, s);

    if (gate_dir_may_be_guarded(dir))
        gate_configuration->options.used = true;
    return gate_dir_is_guarded(dir) ? gate_dir_compiled(c->p, dir) : NULL;
}

static void warn_watched(checking *c, const outline *o, const gate_settings *settings)
{
    if (!settings->enforces)
        warn(c,
             "%s is not enforced (OIDCGateEnforce Off): whatever is decided there, "
             "everybody passes, and the log says who would not have.",
             gate_directives_text(c->p, o->dir->written));
}

static void warn_backend(void *context, const char *text)
{
    checking *c = context;

    warn(c,
         "%s: what OIDCGateHeader says goes there in the clear, and whoever is on the way can read "
         "it and say something else. Say https://, or let the backend check an %%{assertion:...}.",
         text);
}

/* RFC 9700 section 4.13: the way to the backend is to be protected too. */
static void warn_told(checking *c, const outline *o, const server_rec *s,
                      const gate_settings *settings)
{
    if (settings->headers.count && o->family == LOCATIONS)
        gate_backends_in_clear(c->p, c->backends, s, o->path, warn_backend, c);
}

/* A section of the main server comes to every virtual host. Where one of them only lacks an address
 * for it, that is no reason to refuse to start: it stays closed there. But somewhere it must open.
 */
static void check_section(checking *c, outline *o)
{
    apr_array_header_t *closed = apr_array_make(c->p, 4, sizeof(const char *));
    bool opens = false;

    for (const server_rec *s = c->main_server; s; s = s->next) {
        const gate_compiled *compiled;

        if ((o->dir->server != s && o->dir->server != c->main_server) ||
            !gate_host_is_reached(s, c->main_server))
            continue;
        compiled = compile(c, o, s);
        if (!compiled)
            continue;
        o->is_guarded = true;
        if (!compiled->problem) {
            opens = true;
            warn_watched(c, o, compiled->settings);
            warn_told(c, o, s, compiled->settings);
        } else if (!compiled->is_of_host || o->dir->server == s)
            complain(c, "%s", compiled->problem);
        else
            APR_ARRAY_PUSH(closed, const char *) = compiled->problem;
    }
    for (int i = 0; i < closed->nelts; i++)
        (opens ? warn : complain)(c, "%s Until then, %s answers 500 on this virtual host.",
                                  APR_ARRAY_IDX(closed, i, const char *),
                                  gate_directives_text(c->p, o->dir->written));
}

static void check_sections(checking *c)
{
    for (int i = 0; i < c->outlines->nelts; i++) {
        outline *o = &APR_ARRAY_IDX(c->outlines, i, outline);

        if (o->top)
            check_section(c, o);
    }
}

static void warn_insecure(checking *c, const gate_directives *says)
{
    static const struct {
        unsigned bit;
        const char *word, *means;
    } words[] = {
        {GATE_INSECURE_HTTP_ISSUER, "http-issuer",
         "whoever is on the way to the provider can sign in as anybody"},
        {GATE_INSECURE_HTTP_COOKIE, "http-cookie",
         "whoever is on the way to a browser can take over its session"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (says->insecure & words[i].bit)
            warn(c, "OIDCGateInsecure %s (%s): %s.", words[i].word,
                 gate_directive_place(c->p, says->where[GATE_FIELD_insecure]), words[i].means);
    }
}

static void warn_hosts(checking *c)
{
    for (server_rec *s = c->main_server; s; s = s->next) {
        const gate_dir *dir = ap_get_module_config(s->lookup_defaults, &oidc_gate_module);
        const gate_host *host = dir->host;
        gate_directives says;

        gate_dir_read(dir, &says);
        warn_insecure(c, &says);
        if (atomic_load(&host->is_used) && !host->site.secure && !host->is_loopback)
            warn(c,
                 "%s is guarded, but not by https: tokens and cookies can be read on "
                 "the way. Where something before this server speaks https, say "
                 "OIDCGateBaseURL https://...",
                 host->site.origin);
    }
}

static void tell(void *context, const char *text)
{
    warn(context, "%s", text);
}

/* What other modules are told that this one should know. */
static void check_neighbors(checking *c)
{
    apr_hash_t *guarded = apr_hash_make(c->p);

    for (int i = 0; i < c->outlines->nelts; i++) {
        const outline *o = &APR_ARRAY_IDX(c->outlines, i, outline);

        if (o->top)
            apr_hash_set(guarded, &o->dir->heading, sizeof o->dir->heading, &o->is_guarded);
    }
    gate_neighbors_check(c->p, guarded, tell, c);
}

/* The directive's form is the contract; what stands behind it is not there yet. */
static void refuse_redis(checking *c, const gate_server_options *options)
{
    if (options->redis_url)
        complain(
            c,
            "OIDCGateSessionStore: this version has no store in Redis; say shm:SIZE [file=PATH], "
            "which keeps sessions on this machine");
}

static void set_options(const checking *c)
{
    gate_server_options *options = &gate_configuration->options;
    gate_directives d;

    gate_dir_read(ap_get_module_config(c->main_server->lookup_defaults, &oidc_gate_module), &d);
    gate_directives_complete(&d);
    options->session_bytes = d.session_store.bytes;
    options->store_file = d.session_store.file;
    options->redis_url = d.session_store.redis_url;
    options->token_bytes = d.token_store.bytes;
    options->secret_key = d.secret_keys.current;
    options->old_secret_key = d.secret_keys.old;
}

bool gate_config_is_last_pass(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG ||
           ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
}

int gate_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server)
{
    checking c = {.p = ptemp,
                  .main_server = main_server,
                  .said = apr_hash_make(ptemp),
                  .is_loud = gate_config_is_last_pass()};

    gate_configuration->standard = gate_directive_standards(gate_configuration->pool, main_server);
    if (!gate_configuration->standard) {
        complain(&c, "a default of this module's own cannot be read");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    gate_dir_settle_all();
    outline_all(&c);
    c.backends = gate_backends_read(ptemp);
    give_hosts(&c);
    check_sections(&c);
    check_neighbors(&c);
    warn_hosts(&c);
    set_options(&c);
    refuse_redis(&c, &gate_configuration->options);
    gate_configuration->is_read = true;
    return c.errors ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
