/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/values.h"

#include <stdlib.h>

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "base/quantity.h"
#include "base/vault.h"
#include "jose/jwks.h"

#define MAX_SECRET_BYTES 4096
#define MIN_KEY_BYTES    32
#define MAX_KEY_BYTES    64 /* what gate_key_derive takes */

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

const char *gate_complain(const gate_line *line, const char *word, const char *format, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = apr_pvsprintf(line->pool, format, arguments);
    va_end(arguments);
    return apr_pstrcat(line->pool, line->cmd->cmd->name, word ? " " : "",
                       word ? without_password(line->pool, word) : "", ": ", text, NULL);
}

void gate_line_set(gate_line *line, gate_field field)
{
    line->written->set |= (apr_uint64_t)1 << field;
    line->written->where[field] = line->cmd->directive;
}

static bool is_set(const gate_line *line, const gate_slot *slot)
{
    return line->written->set >> slot->field & 1;
}

static void *place(const gate_line *line, const gate_slot *slot)
{
    return (char *)line->written + slot->offset;
}

static const char *set_text(gate_line *line, const gate_slot *slot, const char *text)
{
    *(const char **)place(line, slot) = text;
    gate_line_set(line, slot->field);
    return NULL;
}

static const char *set_number(gate_line *line, const gate_slot *slot, int number)
{
    *(int *)place(line, slot) = number;
    gate_line_set(line, slot->field);
    return NULL;
}

apr_array_header_t *gate_line_list(gate_line *line, const gate_slot *slot, int size)
{
    apr_array_header_t **list = place(line, slot);

    if (!is_set(line, slot))
        *list = apr_array_make(line->pool, 4, size);
    gate_line_set(line, slot->field);
    return *list;
}

static void add_word(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_text(gate_line *line, const gate_slot *slot, const char *word)
{
    if (!*word || gate_span_has_control(gate_span_of(word)))
        return gate_complain(line, NULL,
                             "an empty value, or one with a line break in it, cannot be meant");
    return set_text(line, slot, word);
}

const char *gate_read_issuer(gate_line *line, const gate_slot *slot, const char *word)
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
    return set_text(line, slot, word);
}

const char *gate_read_origin(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(word), &url) || url.query.ptr || url.path.len > 1)
        return gate_complain(
            line, word,
            "this takes scheme, host and port alone, as browsers see them, such as "
            "https://www.example.com; a path is OIDCGatePath's");
    return set_text(line, slot, gate_url_origin(line->pool, &url));
}

const char *gate_read_path(gate_line *line, const gate_slot *slot, const char *word)
{
    const size_t len = strlen(word);

    if (word[0] != '/' || len < 2 || word[len - 1] == '/' || strstr(word, "//") ||
        strstr(word, "/.") || !is_token(word, "/-._~"))
        return gate_complain(
            line, word,
            "a path begins with '/', does not end with one, and has letters, digits, '-', '_', "
            "'.' and '~' between, and no '..', such as /oidc-gate");
    return set_text(line, slot, word);
}

const char *gate_read_proxy(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_proxy *proxy = place(line, slot);
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
static bool has_proxy(const gate_line *line, const gate_slot *slot)
{
    return is_set(line, slot) && ((const gate_proxy *)place(line, slot))->url;
}

const char *gate_read_no_proxy(gate_line *line, const gate_slot *slot, const char *word)
{
    if (!has_proxy(line, slot))
        return gate_complain(line, word, "this belongs to a proxy=, and stands behind it");
    if (!is_token(word, ".-_:,/[]"))
        return gate_complain(line, word,
                             "say hosts and domains, such as no-proxy=localhost,.example.com");
    ((gate_proxy *)place(line, slot))->exceptions = word;
    return NULL;
}

const char *gate_read_cookie(gate_line *line, const gate_slot *slot, const char *word)
{
    if (!gate_is_token(word))
        return gate_complain(line, word, "a cookie's name is made of letters, digits, '-' and '_'");
    return set_text(line, slot, word);
}

/* --- files and secrets --- */

static const char *open_file(const gate_line *line, const char *word, apr_file_t **file)
{
    const char *path = ap_server_root_relative(line->pool, word);
    apr_status_t rv;

    if (!path)
        return gate_complain(line, word, "this is no name of a file");
    rv = apr_file_open(file, path, APR_READ | APR_BINARY, 0, line->pool);
    if (rv != APR_SUCCESS) {
        char why[120];

        return gate_complain(line, word, "%s cannot be read: %s", path,
                             apr_strerror(rv, why, sizeof why));
    }
    return NULL;
}

const char *gate_read_file(gate_line *line, const gate_slot *slot, const char *word)
{
    apr_file_t *file = NULL;
    const char *problem = open_file(line, word, &file);

    if (problem)
        return problem;
    apr_file_close(file);
    return set_text(line, slot, ap_server_root_relative(line->pool, word));
}

/* The keys are no secret, but whoever writes them makes tokens. */
static const char *check_keys(const gate_line *line, const char *path, apr_file_t *file,
                              const char **text)
{
    char *bytes = apr_palloc(line->pool, GATE_JWKS_MAX_BYTES + 1);
    const gate_jwks *keys;
    apr_finfo_t info;
    apr_size_t len = 0;

    if (apr_file_info_get(&info, APR_FINFO_PROT | APR_FINFO_TYPE, file) != APR_SUCCESS ||
        info.filetype != APR_REG)
        return gate_complain(line, path, "this is no plain file");
    if (info.protection & APR_FPROT_WWRITE)
        return gate_complain(line, path,
                             "others can write this file, and so make tokens; say chmod o-w to it");
    if (apr_file_read_full(file, bytes, GATE_JWKS_MAX_BYTES + 1, &len) != APR_EOF)
        return gate_complain(line, path, "no key set is larger than %d bytes", GATE_JWKS_MAX_BYTES);
    keys = gate_jwks_read(line->pool, (gate_span){bytes, len});
    if (!keys || !keys->count)
        return gate_complain(line, path,
                             "this file is to hold a JSON Web Key Set (RFC 7517 section 5) with a "
                             "public key in it that can check signatures");
    bytes[len] = '\0';
    *text = bytes;
    return NULL;
}

const char *gate_read_key_set(gate_line *line, const char *path, const char **text)
{
    apr_file_t *file = NULL;
    const char *problem = open_file(line, path, &file);

    if (problem)
        return problem;
    problem = check_keys(line, path, file, text);
    apr_file_close(file);
    return problem;
}

/* Looks at the open file and not at its name: what is checked is what is read. */
static const char *check_privacy(const gate_line *line, const char *word, apr_file_t *file,
                                 bool is_secret)
{
    const apr_fileperms_t others = APR_FPROT_WWRITE | (is_secret ? APR_FPROT_WREAD : 0);
    apr_finfo_t info;

    if (apr_file_info_get(&info, APR_FINFO_PROT | APR_FINFO_TYPE, file) != APR_SUCCESS)
        return gate_complain(line, word, "its permissions cannot be read");
    if (info.filetype != APR_REG)
        return gate_complain(line, word, "this is no plain file");
    if (info.protection & others)
        return gate_complain(
            line, word,
            "others can read or write this file, and so know the secret or set it; say chmod o-rw "
            "to it, and make a new secret");
    return NULL;
}

/* What the open file holds, into the MAX_SECRET_BYTES + 1 of bytes. */
static const char *read_bytes(const gate_line *line, const char *word, apr_file_t *file,
                              char *bytes, apr_size_t *len)
{
    return apr_file_read_full(file, bytes, MAX_SECRET_BYTES + 1, len) == APR_EOF
               ? NULL
               : gate_complain(line, word, "no secret is longer than %d bytes", MAX_SECRET_BYTES);
}

/* Where no core dump has it. */
static const char *keep(const gate_line *line, gate_span bytes, const char **secret)
{
    *secret = gate_vault_keep(line->pool, bytes);
    return *secret ? NULL : gate_complain(line, NULL, "there is no memory for the secret");
}

/* What the file holds, without the line end behind it. */
static const char *read_secret_file(const gate_line *line, const char *word, const char **secret)
{
    char bytes[MAX_SECRET_BYTES + 1];
    apr_size_t len = 0;
    apr_file_t *file = NULL;
    const char *problem = open_file(line, word, &file);

    if (problem)
        return problem;
    problem = check_privacy(line, word, file, true);
    if (!problem)
        problem = read_bytes(line, word, file, bytes, &len);
    apr_file_close(file);
    if (!problem) {
        if (len && bytes[len - 1] == '\n')
            len--;
        if (len && bytes[len - 1] == '\r')
            len--;
        if (!len || gate_span_has_control((gate_span){bytes, len}))
            problem =
                gate_complain(line, word, "this file is to hold one line, which is the secret");
        else
            problem = keep(line, (gate_span){bytes, len}, secret);
    }
    gate_wipe(bytes, sizeof bytes);
    return problem;
}

/* What the program prints, up to the end of the first line, into the MAX_SECRET_BYTES + 1 of bytes;
 * it is heard out, so that it does not fail because nobody listens. */
static apr_size_t hear(apr_file_t *out, char *bytes)
{
    char rest[512];
    apr_size_t len = 0, more = sizeof rest;
    const char *end;

    apr_file_read_full(out, bytes, MAX_SECRET_BYTES + 1, &len);
    while (apr_file_read(out, rest, &more) == APR_SUCCESS)
        more = sizeof rest;
    gate_wipe(rest, sizeof rest);
    end = memchr(bytes, '\n', len);
    if (end)
        len = (apr_size_t)(end - bytes);
    return len && bytes[len - 1] == '\r' ? len - 1 : len;
}

/* Runs a program; *ended_with is its exit status, or the negative number of the signal that ended
 * it. */
static apr_status_t run(apr_pool_t *p, char *const *words, char *bytes, apr_size_t *len,
                        int *ended_with)
{
    apr_procattr_t *attributes;
    apr_proc_t process;
    apr_exit_why_e why;
    apr_status_t status = apr_procattr_create(&attributes, p);

    if (status == APR_SUCCESS)
        status = apr_procattr_io_set(attributes, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE);
    if (status == APR_SUCCESS)
        status = apr_procattr_cmdtype_set(attributes, APR_PROGRAM);
    if (status == APR_SUCCESS)
        status = apr_procattr_error_check_set(attributes, 1);
    if (status == APR_SUCCESS)
        status =
            apr_proc_create(&process, words[0], (const char *const *)words, NULL, attributes, p);
    if (status != APR_SUCCESS)
        return status;
    *len = hear(process.out, bytes);
    apr_file_close(process.out);
    if (!APR_STATUS_IS_CHILD_DONE(apr_proc_wait(&process, ended_with, &why, APR_WAIT)))
        return APR_EGENERAL;
    if (!APR_PROC_CHECK_EXIT(why))
        *ended_with = -*ended_with;
    return APR_SUCCESS;
}

static const char *read_command(const gate_line *line, const char *command, const char **secret)
{
    char bytes[MAX_SECRET_BYTES + 1];
    char **words;
    apr_size_t len = 0;
    int ended_with = 0;
    apr_status_t status;
    const char *problem = NULL;

    if (apr_tokenize_to_argv(command, &words, line->pool) != APR_SUCCESS || !words[0])
        return gate_complain(line, NULL, "exec: takes a command, in quotes where it has arguments");
    status = run(line->pool, words, bytes, &len, &ended_with);
    if (status != APR_SUCCESS)
        problem = gate_complain(line, NULL, "%s cannot be run: %pm", words[0], &status);
    else if (ended_with)
        problem = gate_complain(line, NULL,
                                "%s failed with %s %d, so what it printed is no secret; run it by "
                                "hand, as the user who starts the server",
                                words[0], ended_with < 0 ? "signal" : "exit status",
                                ended_with < 0 ? -ended_with : ended_with);
    else if (len > MAX_SECRET_BYTES)
        problem = gate_complain(line, NULL, "no secret is longer than %d bytes", MAX_SECRET_BYTES);
    else if (!len)
        problem =
            gate_complain(line, NULL, "%s printed nothing that could be the secret", words[0]);
    else
        problem = keep(line, (gate_span){bytes, len}, secret);
    gate_wipe(bytes, sizeof bytes);
    return problem;
}

/* The secret that a word names; or the word itself. */
static const char *read_reference(const gate_line *line, const char *word, const char **text)
{
    const char *secret = word, *problem = NULL, *named = NULL;

    if (!strncasecmp(word, "file:", 5))
        problem = read_secret_file(line, word + 5, &secret);
    else if (!strncasecmp(word, "exec:", 5))
        problem = read_command(line, word + 5, &secret);
    else if (!strncasecmp(word, "env:", 4))
        problem = (named = getenv(word + 4))
                      ? keep(line, gate_span_of(named), &secret)
                      : gate_complain(line, word,
                                      "there is no such variable where the server is started");
    if (!problem && (!secret || !*secret || gate_span_has_control(gate_span_of(secret))))
        problem =
            gate_complain(line, NULL, "the secret is empty, or has a control character in it");
    if (!problem)
        *text = secret;
    return problem;
}

const char *gate_read_secret(gate_line *line, const gate_slot *slot, const char *word)
{
    const char *secret, *problem = read_reference(line, word, &secret);

    return problem ? problem : set_text(line, slot, secret);
}

/* RFC 7617 section 2: the user ends at the first colon. */
const char *gate_read_proxy_auth(gate_line *line, const gate_slot *slot, const char *word)
{
    const char *secret, *problem;

    if (!has_proxy(line, slot))
        return gate_complain(line, NULL, "proxy-auth= belongs to a proxy=, and stands behind it");
    problem = read_reference(line, word, &secret);
    if (problem)
        return problem;
    if (secret == word || !strchr(secret, ':'))
        return gate_complain(line, NULL,
                             "proxy-auth= is file:PATH, env:NAME or exec:COMMAND, where "
                             "user:password is");
    ((gate_proxy *)place(line, slot))->credentials = secret;
    return NULL;
}

const char *gate_read_key_file(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_secret_keys *keys = place(line, slot);
    const char *key = "", *problem;

    if (strncasecmp(word, "file:", 5))
        return gate_complain(line, NULL, "a key is given as file:PATH, never by itself");
    problem = read_secret_file(line, word + 5, &key);
    if (problem)
        return problem;
    if (strlen(key) < MIN_KEY_BYTES || strlen(key) > MAX_KEY_BYTES)
        return gate_complain(
            line, word,
            "a key has %d to %d characters, and must not be guessed; make one with openssl rand "
            "-hex 32",
            MIN_KEY_BYTES, MAX_KEY_BYTES);
    if (word == line->words[0])
        *keys = (gate_secret_keys){.current = key};
    else
        keys->old = key;
    gate_line_set(line, slot->field);
    return NULL;
}

/* A public key is no secret, but who sets it makes what is signed. */
const char *gate_read_signer(gate_line *line, const gate_slot *slot, const char *word)
{
    const gate_signer **place_of_it = place(line, slot);
    char bytes[MAX_SECRET_BYTES + 1];
    const char *why;
    apr_size_t len = 0;
    apr_file_t *file = NULL;
    const char *problem = open_file(line, word, &file);

    if (problem)
        return problem;
    problem = read_bytes(line, word, file, bytes, &len);
    if (!problem) {
        *place_of_it = gate_signer_read(line->pool, (gate_span){bytes, len}, &why);
        problem = *place_of_it
                      ? check_privacy(line, word, file, (*place_of_it)->can_sign)
                      : gate_complain(line, word,
                                      "%s; make one with openssl ecparam -name prime256v1 -genkey "
                                      "-noout",
                                      why);
    }
    apr_file_close(file);
    gate_wipe(bytes, sizeof bytes);
    gate_line_set(line, slot->field);
    return problem;
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

const char *gate_read_duration(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_count(gate_line *line, const gate_slot *slot, const char *word)
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

static const char *read_size(const gate_line *line, const gate_slot *slot, const char *word,
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

const char *gate_read_size(gate_line *line, const gate_slot *slot, const char *word)
{
    const char *problem = read_size(line, slot, word, word, place(line, slot));

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

static const char *choose(const gate_line *line, const gate_slot *slot, const char *word,
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

const char *gate_read_choice(gate_line *line, const gate_slot *slot, const char *word)
{
    int value;
    const char *problem = choose(line, slot, word, &value);

    return problem ? problem : set_number(line, slot, value);
}

const char *gate_read_flag(gate_line *line, const gate_slot *slot, const char *word)
{
    static const gate_choice flags[] = {{"On", 1}, {"Off", 0}, {NULL, 0}};
    gate_slot flag = *slot;

    flag.choices = flags;
    return gate_read_choice(line, &flag, word);
}

static const char *add_bits(gate_line *line, const gate_slot *slot, unsigned bits)
{
    unsigned *all = place(line, slot);

    *all = bits | (is_set(line, slot) ? *all : 0);
    gate_line_set(line, slot->field);
    return NULL;
}

const char *gate_read_bit(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_algorithm(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_audience(gate_line *line, const gate_slot *slot, const char *word)
{
    const apr_array_header_t *list = *(apr_array_header_t **)place(line, slot);
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

const char *gate_read_scope(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_source(gate_line *line, const gate_slot *slot, const char *word)
{
    const apr_array_header_t *list = *(apr_array_header_t **)place(line, slot);
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

const char *gate_read_claim(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_claim_name name;

    if (!gate_claim_name_read(gate_span_of(word), &name) ||
        gate_span_has_control(gate_span_of(word)))
        return gate_complain(line, word, "this is no name of a claim");
    add_word(line, slot, word);
    return NULL;
}

const char *gate_read_asserted_claim(gate_line *line, const gate_slot *slot, const char *word)
{
    apr_array_header_t **list = place(line, slot);
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
const char *gate_read_domain(gate_line *line, const gate_slot *slot, const char *word)
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

const char *gate_read_target(gate_line *line, const gate_slot *slot, const char *word)
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

/* --- stores --- */

static bool is_redis(const char *word)
{
    const char *rest = !strncasecmp(word, "redis://", 8)    ? word + 8
                       : !strncasecmp(word, "rediss://", 9) ? word + 9
                                                            : "";

    return *rest && *rest != '/' && !gate_span_has_control(gate_span_of(rest));
}

const char *gate_read_store(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_store_place *store = place(line, slot);
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

const char *gate_read_store_file(gate_line *line, const gate_slot *slot, const char *word)
{
    gate_store_place *store = place(line, slot);

    if (store->redis_url)
        return gate_complain(line, word, "a file is for shm: alone");
    store->file = ap_runtime_dir_relative(line->pool, word);
    return store->file ? NULL : gate_complain(line, word, "this is no name of a file");
}
