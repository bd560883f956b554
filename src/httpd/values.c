/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/values.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/quantity.h"

/* An address may have a password before its host, which is nobody's who reads what is wrong with
 * it.
 */
static const char *without_password(apr_pool_t *p, const char *word)
{
    const char *host = strstr(word, "://"), *at = host ? strrchr(host, '@') : NULL;

    return at ? apr_pstrcat(p, apr_pstrmemdup(p, word, (apr_size_t)(host - word)), "://...", at,
                            NULL)
              : word;
}

const char *gate_complain(const gate_config_line *line, const char *word, const char *format, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = apr_pvsprintf(line->pool, format, arguments);
    va_end(arguments);
    return apr_pstrcat(line->pool, line->cmd->cmd->name, word ? " " : "",
                       word ? without_password(line->pool, word) : "", ": ", text, NULL);
}

void gate_line_set(gate_config_line *line, gate_field field)
{
    line->written->set |= (apr_uint64_t)1 << field;
    line->written->where[field] = line->cmd->directive;
}

static bool is_set(const gate_config_line *line, const gate_slot *slot)
{
    return line->written->set >> slot->field & 1;
}

void *gate_line_place(const gate_config_line *line, const gate_slot *slot)
{
    return (char *)line->written + slot->offset;
}

const char *gate_line_set_text(gate_config_line *line, const gate_slot *slot, const char *text)
{
    *(const char **)gate_line_place(line, slot) = text;
    gate_line_set(line, slot->field);
    return NULL;
}

static const char *set_number(gate_config_line *line, const gate_slot *slot, int number)
{
    *(int *)gate_line_place(line, slot) = number;
    gate_line_set(line, slot->field);
    return NULL;
}

apr_array_header_t *gate_line_list(gate_config_line *line, const gate_slot *slot, int size)
{
    apr_array_header_t **list = gate_line_place(line, slot);

    if (!is_set(line, slot))
        *list = apr_array_make(line->pool, 4, size);
    gate_line_set(line, slot->field);
    return *list;
}

static void add_word(gate_config_line *line, const gate_slot *slot, const char *word)
{
    APR_ARRAY_PUSH(gate_line_list(line, slot, sizeof(const char *)), const char *) = word;
}

static bool is_token(const char *text, const char *others)
{
    for (const char *c = text; *c; c++) {
        if (!apr_isalnum(*c) && !strchr(others, *c))
            return false;
    }
    return *text;
}

/* --- text --- */

const char *gate_read_text(gate_config_line *line, const gate_slot *slot, const char *word)
{
    if (!*word || gate_span_has_control(gate_span_of(word)))
        return gate_complain(line, NULL,
                             "an empty value, or one with a line break in it, cannot be meant");
    return gate_line_set_text(line, slot, word);
}

const char *gate_read_issuer(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(word), &url) || url.query.ptr)
        return gate_complain(
            line, word,
            "an issuer is an address without query and fragment, as the provider's own metadata "
            "spell it, such as https://id.example.com/");
    if (strstr(word, "/.well-known/"))
        return gate_complain(
            line, word, "leave out /.well-known and what follows: the issuer is %s",
            apr_pstrmemdup(line->pool, word, (apr_size_t)(strstr(word, "/.well-known/") - word)));
    return gate_line_set_text(line, slot, word);
}

const char *gate_read_origin(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(word), &url) || url.query.ptr || url.path.len > 1)
        return gate_complain(
            line, word,
            "this takes scheme, host and port alone, as browsers see them, such as "
            "https://www.example.com; a path is OIDCGatePath's");
    return gate_line_set_text(line, slot, gate_url_origin(line->pool, &url));
}

const char *gate_read_path(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const size_t len = strlen(word);

    if (word[0] != '/' || len < 2 || word[len - 1] == '/' || strstr(word, "//") ||
        strstr(word, "/.") || !is_token(word, "/-._~"))
        return gate_complain(
            line, word,
            "a path begins with '/', does not end with one, and has letters, digits, '-', '_', "
            "'.' and '~' between, and no '..', such as /oidc-gate");
    return gate_line_set_text(line, slot, word);
}

const char *gate_read_proxy(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_proxy *proxy = gate_line_place(line, slot);
    gate_url url;

    if (strcasecmp(word, "none") != 0 &&
        (!gate_url_parse(gate_span_of(word), &url) || url.query.ptr || url.path.len > 1))
        return gate_complain(
            line, word,
            "a proxy is an address such as http://proxy.example.com:3128, or none; who may use it "
            "is said by proxy-auth=");
    *proxy = (gate_proxy){.url = strcasecmp(word, "none") ? word : NULL};
    gate_line_set(line, slot->field);
    return NULL;
}

/* Whether the proxy stands before it in this section: elsewhere it may be another one. */
static bool has_proxy(const gate_config_line *line, const gate_slot *slot)
{
    return is_set(line, slot) && ((const gate_proxy *)gate_line_place(line, slot))->url;
}

const char *gate_read_no_proxy(gate_config_line *line, const gate_slot *slot, const char *word)
{
    if (!has_proxy(line, slot))
        return gate_complain(line, word, "this belongs to a proxy=, and stands behind it");
    if (!is_token(word, ".-_:,/[]"))
        return gate_complain(line, word,
                             "say hosts and domains, such as no-proxy=localhost,.example.com");
    ((gate_proxy *)gate_line_place(line, slot))->exceptions = word;
    return NULL;
}

const char *gate_read_cookie(gate_config_line *line, const gate_slot *slot, const char *word)
{
    if (!gate_is_token(word))
        return gate_complain(line, word, "a cookie's name is made of letters, digits, '-' and '_'");
    return gate_line_set_text(line, slot, word);
}

/* --- secrets --- */

const char *gate_read_secret(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const char *secret, *problem = gate_secret_named(line, word, &secret);

    return problem ? problem : gate_line_set_text(line, slot, secret);
}

/* RFC 7617 section 2: the user ends at the first colon. */
const char *gate_read_proxy_auth(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const char *secret, *problem;

    if (!has_proxy(line, slot))
        return gate_complain(line, NULL, "proxy-auth= belongs to a proxy=, and stands behind it");
    problem = gate_secret_named(line, word, &secret);
    if (problem)
        return problem;
    if (secret == word || !strchr(secret, ':'))
        return gate_complain(line, NULL,
                             "proxy-auth= is file:PATH, env:NAME or exec:COMMAND, where "
                             "user:password is");
    ((gate_proxy *)gate_line_place(line, slot))->credentials = secret;
    return NULL;
}

/* --- numbers --- */

static const char *duration_text(apr_pool_t *p, apr_uint64_t seconds)
{
    static const struct {
        unsigned seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};

    for (size_t i = 0; seconds && i < sizeof units / sizeof *units; i++) {
        if (seconds % units[i].seconds == 0)
            return apr_psprintf(p, "%" APR_UINT64_T_FMT "%c", seconds / units[i].seconds,
                                units[i].unit);
    }
    return apr_psprintf(p, "%" APR_UINT64_T_FMT "s", seconds);
}

const char *gate_read_duration(gate_config_line *line, const gate_slot *slot, const char *word)
{
    apr_uint64_t seconds;

    if (!gate_duration_read(gate_span_of(word), slot->max, &seconds) || seconds < slot->min)
        return gate_complain(
            line, word,
            "a time is a whole number with s, m, h or d behind it, such as 30s or 5m; here from "
            "%s to %s",
            duration_text(line->pool, slot->min), duration_text(line->pool, slot->max));
    return set_number(line, slot, (int)seconds);
}

const char *gate_read_count(gate_config_line *line, const gate_slot *slot, const char *word)
{
    apr_uint64_t count;

    if (!gate_span_number(gate_span_of(word), slot->max, &count) || count < slot->min)
        return gate_complain(line, word,
                             "this takes a whole number from %" APR_UINT64_T_FMT
                             " to %" APR_UINT64_T_FMT,
                             slot->min, slot->max);
    return set_number(line, slot, (int)count);
}

static const char *size_text(apr_pool_t *p, apr_uint64_t bytes)
{
    char letter = 'K';

    for (bytes >>= 10; letter != 'G' && bytes && bytes % 1024 == 0; bytes >>= 10)
        letter = letter == 'K' ? 'M' : 'G';
    return apr_psprintf(p, "%" APR_UINT64_T_FMT "%c", bytes, letter);
}

static const char *read_size(const gate_config_line *line, const gate_slot *slot, const char *word,
                             const char *text, apr_size_t *size)
{
    apr_uint64_t bytes;

    if (!gate_size_read(gate_span_of(text), slot->max, &bytes) || bytes < slot->min)
        return gate_complain(
            line, word,
            "a size is a whole number with K, M or G behind it, such as 64M; here from %s to %s",
            size_text(line->pool, slot->min), size_text(line->pool, slot->max));
    *size = (apr_size_t)bytes;
    return NULL;
}

const char *gate_read_size(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const char *problem = read_size(line, slot, word, word, gate_line_place(line, slot));

    if (!problem)
        gate_line_set(line, slot->field);
    return problem;
}

/* --- words to choose from --- */

static const char *all_choices(apr_pool_t *p, const gate_choice *choices)
{
    const char *text = choices->name;

    for (choices++; choices->name; choices++)
        text = apr_pstrcat(p, text, choices[1].name ? ", " : " or ", choices->name, NULL);
    return text;
}

static const char *choose(const gate_config_line *line, const gate_slot *slot, const char *word,
                          int *value)
{
    for (const gate_choice *choice = slot->choices; choice->name; choice++) {
        if (!strcasecmp(choice->name, word)) {
            *value = choice->value;
            return NULL;
        }
    }
    return gate_complain(line, word, "say %s", all_choices(line->pool, slot->choices));
}

const char *gate_read_choice(gate_config_line *line, const gate_slot *slot, const char *word)
{
    int value;
    const char *problem = choose(line, slot, word, &value);

    return problem ? problem : set_number(line, slot, value);
}

const char *gate_read_flag(gate_config_line *line, const gate_slot *slot, const char *word)
{
    static const gate_choice flags[] = {{"On", 1}, {"Off", 0}, {NULL, 0}};
    gate_slot flag = *slot;

    flag.choices = flags;
    return gate_read_choice(line, &flag, word);
}

static const char *add_bits(gate_config_line *line, const gate_slot *slot, unsigned bits)
{
    unsigned *all = gate_line_place(line, slot);

    *all = bits | (is_set(line, slot) ? *all : 0);
    gate_line_set(line, slot->field);
    return NULL;
}

const char *gate_read_bit(gate_config_line *line, const gate_slot *slot, const char *word)
{
    int value = 0;
    const char *problem = choose(line, slot, word, &value);

    return problem ? problem : add_bits(line, slot, (unsigned)value);
}

static const char *all_algorithms(apr_pool_t *p)
{
    const char *text = gate_alg_name((gate_alg)0);

    for (int i = 1; i < GATE_ALG_COUNT; i++)
        text = apr_pstrcat(p, text, " ", gate_alg_name((gate_alg)i), NULL);
    return text;
}

const char *gate_read_algorithm(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_alg alg;

    if (!strcasecmp(word, "none"))
        return gate_complain(line, word,
                             "a token without a signature is one that anybody could have made; "
                             "say what the provider signs with, such as RS256");
    if (!gate_alg_find(gate_span_of(word), &alg))
        return gate_complain(line, word, "there is no such algorithm here; there are %s",
                             all_algorithms(line->pool));
    return add_bits(line, slot, GATE_ALG_BIT(alg));
}

/* --- lists --- */

const char *gate_read_audience(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const apr_array_header_t *list = *(apr_array_header_t **)gate_line_place(line, slot);
    const bool any = !strcasecmp(word, "any");

    if (!*word)
        return gate_complain(line, NULL, "an empty audience cannot be meant");
    if (is_set(line, slot) && list->nelts &&
        (any || !strcasecmp(APR_ARRAY_IDX(list, 0, const char *), "any")))
        return gate_complain(line, word,
                             "\"any\" stands alone: beside it, no audience has a meaning");
    add_word(line, slot, any ? "any" : word);
    return NULL;
}

/* RFC 6749 section 3.3. */
static bool is_scope_token(const char *word)
{
    for (const char *c = word; *c; c++) {
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    }
    return *word;
}

const char *gate_read_scope(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const char *rest = word;

    if (!*word)
        return gate_complain(line, NULL, "an empty scope cannot be meant");
    while (*rest) {
        const char *scope = ap_getword_white(line->pool, &rest);

        if (*scope && !is_scope_token(scope))
            return gate_complain(line, scope,
                                 "a scope has no quotes, backslashes and foreign letters in it");
        if (*scope)
            add_word(line, slot, scope);
    }
    return NULL;
}

const char *gate_read_source(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const apr_array_header_t *list = *(apr_array_header_t **)gate_line_place(line, slot);
    gate_source source;

    if (!gate_source_find(word, &source))
        return gate_complain(line, word, "say id_token, userinfo or access_token");
    for (int i = 0; is_set(line, slot) && i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), word))
            return gate_complain(line, word, "it is there already, further up in the order");
    }
    add_word(line, slot, word);
    return NULL;
}

const char *gate_read_claim(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_claim_name name;

    if (!gate_claim_name_read(gate_span_of(word), &name) ||
        gate_span_has_control(gate_span_of(word)))
        return gate_complain(line, word, "this is no name of a claim");
    add_word(line, slot, word);
    return NULL;
}

const char *gate_read_asserted_claim(gate_config_line *line, const gate_slot *slot,
                                     const char *word)
{
    apr_array_header_t **list = gate_line_place(line, slot);
    const gate_span text = gate_span_of(apr_pstrdup(line->pool, word));
    gate_claim_name name;

    if (!gate_claim_name_read(text, &name) || gate_span_has_control(text))
        return gate_complain(line, word, "this is no name of a claim");
    if (gate_assertion_owns(name.path))
        return gate_complain(line, word, "the gate itself says what stands under this name");
    if (!*list)
        *list = apr_array_make(line->pool, 4, sizeof name);
    for (int i = 0; i < (*list)->nelts; i++) {
        if (gate_span_equal(APR_ARRAY_IDX(*list, i, gate_claim_name).path, name.path))
            return gate_complain(line, word, "a claim of this name is there already");
    }
    APR_ARRAY_PUSH(*list, gate_claim_name) = name;
    return NULL;
}

/* A top-level domain belongs to nobody: everything would be beneath it. */
const char *gate_read_domain(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const char *address = apr_pstrcat(line->pool, "https://", word, NULL);
    gate_url url;

    if (!gate_url_parse(gate_span_of(address), &url) || url.host.len != strlen(word) ||
        (!strchr(word, '.') && *word != '[' && !url.is_loopback))
        return gate_complain(line, word,
                             "a domain is a name such as example.com, which stands for all hosts "
                             "beneath it, or a host such as login.example.com");
    add_word(line, slot, word);
    return NULL;
}

const char *gate_read_target(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const gate_span text = gate_span_of(word);
    gate_url url;

    if (!gate_url_is_local(text) &&
        !(gate_url_parse(text, &url) && (url.is_https || url.is_loopback)))
        return gate_complain(line, word,
                             "after signing out people are sent to an https address such as "
                             "https://www.example.com/bye, or to a path on this host such as /bye");
    add_word(line, slot, word);
    return NULL;
}

static const char *add_token_source(gate_config_line *line, const gate_slot *slot,
                                    const gate_token_source *source, const char *word)
{
    apr_array_header_t *list = gate_line_list(line, slot, sizeof *source);

    for (int i = 0; i < list->nelts; i++) {
        const gate_token_source *other = &APR_ARRAY_IDX(list, i, gate_token_source);

        if (other->place == source->place &&
            (!source->name || !strcasecmp(other->name, source->name)))
            return gate_complain(line, word, "it is there twice");
    }
    APR_ARRAY_PUSH(list, gate_token_source) = *source;
    return NULL;
}

/* What a header, a cookie and a parameter may all be called. */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

/* OIDCGateTokenFrom SOURCE... */
const char *gate_read_token_source(gate_config_line *line, const gate_slot *slot, const char *word)
{
    static const struct {
        const char *prefix;
        gate_token_place place;
    } places[] = {
        {"header:", GATE_TOKEN_IN_HEADER},
        {"cookie:", GATE_TOKEN_IN_COOKIE},
        {"query:", GATE_TOKEN_IN_QUERY},
    };
    gate_token_source source = {GATE_TOKEN_IN_AUTHORIZATION, NULL};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!strncasecmp(word, places[i].prefix, strlen(places[i].prefix)))
            source = (gate_token_source){places[i].place, word + strlen(places[i].prefix)};
    }
    if (!source.name && strcasecmp(word, "authorization"))
        return gate_complain(line, word,
                             "say authorization, header:NAME, cookie:NAME or query:NAME");
    if (source.name &&
        (!*source.name || strspn(source.name, NAME_CHARACTERS) != strlen(source.name)))
        return gate_complain(line, word, "a name is made of letters, digits, '-', '_' and '.'");
    if (source.place == GATE_TOKEN_IN_HEADER && (gate_is_server_header(gate_span_of(source.name)) ||
                                                 !strcasecmp(source.name, "Authorization")))
        return gate_complain(line, word,
                             "this header is the server's own, or the browser's; choose another, "
                             "such as X-Access-Token. The usual one is called authorization");
    return add_token_source(line, slot, &source, word);
}

/* --- stores --- */

static bool is_redis(const char *word)
{
    const char *rest = !strncasecmp(word, "redis://", 8)    ? word + 8
                       : !strncasecmp(word, "rediss://", 9) ? word + 9
                                                            : "";

    return *rest && *rest != '/' && !gate_span_has_control(gate_span_of(rest));
}

const char *gate_read_store(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_store_place *store = gate_line_place(line, slot);
    const char *problem;

    if (slot->choices && is_redis(word)) {
        *store = (gate_store_place){.redis_url = word};
        gate_line_set(line, slot->field);
        return NULL;
    }
    if (strncasecmp(word, "shm:", 4))
        return gate_complain(line, word, "say shm:SIZE, such as shm:64M%s",
                             slot->choices ? ", or redis://HOST:PORT" : "");
    *store = (gate_store_place){0};
    problem = read_size(line, slot, word, word + 4, &store->bytes);
    if (!problem)
        gate_line_set(line, slot->field);
    return problem;
}

const char *gate_read_store_file(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_store_place *store = gate_line_place(line, slot);

    if (store->redis_url)
        return gate_complain(line, word, "a file is for shm: alone");
    store->file = ap_runtime_dir_relative(line->pool, word);
    return store->file ? NULL : gate_complain(line, word, "this is no name of a file");
}
