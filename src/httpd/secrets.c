/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* secrets.c - what the configuration keeps outside of itself: secrets and keys, in files, variables
 * and programs */
#include "httpd/values.h"

#include <stdlib.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "base/vault.h"
#include "jose/jwks.h"

#define MAX_SECRET_BYTES 4096
#define MIN_KEY_BYTES    32
#define MAX_KEY_BYTES    64 /* what gate_key_derive takes */

static const char *open_file(const gate_config_line *line, const char *word, apr_file_t **file)
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

const char *gate_read_file(gate_config_line *line, const gate_slot *slot, const char *word)
{
    apr_file_t *file = NULL;
    const char *problem = open_file(line, word, &file);

    if (problem)
        return problem;
    apr_file_close(file);
    return gate_line_set_text(line, slot, ap_server_root_relative(line->pool, word));
}

/* The keys are no secret, but whoever writes them makes tokens. */
static const char *check_keys(const gate_config_line *line, const char *path, apr_file_t *file,
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

const char *gate_read_key_set(gate_config_line *line, const char *path, const char **text)
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
static const char *check_privacy(const gate_config_line *line, const char *word, apr_file_t *file,
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
static const char *read_bytes(const gate_config_line *line, const char *word, apr_file_t *file,
                              char *bytes, apr_size_t *len)
{
    return apr_file_read_full(file, bytes, MAX_SECRET_BYTES + 1, len) == APR_EOF
               ? NULL
               : gate_complain(line, word, "no secret is longer than %d bytes", MAX_SECRET_BYTES);
}

/* Where no core dump has it. */
static const char *keep(const gate_config_line *line, gate_span bytes, const char **secret)
{
    *secret = gate_vault_keep(line->pool, bytes);
    return *secret ? NULL : gate_complain(line, NULL, "there is no memory for the secret");
}

/* What the file holds, without the line end behind it. */
static const char *read_secret_file(const gate_config_line *line, const char *word,
                                    const char **secret)
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

static const char *read_command(const gate_config_line *line, const char *command,
                                const char **secret)
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

const char *gate_secret_named(const gate_config_line *line, const char *word, const char **text)
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

const char *gate_read_key_file(gate_config_line *line, const gate_slot *slot, const char *word)
{
    gate_secret_keys *keys = gate_line_place(line, slot);
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
const char *gate_read_signer(gate_config_line *line, const gate_slot *slot, const char *word)
{
    const gate_signer **place_of_it = gate_line_place(line, slot);
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
