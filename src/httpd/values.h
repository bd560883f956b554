/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* values.h - the words behind a directive: one reader for each kind of value */
#ifndef GATE_HTTPD_VALUES_H
#define GATE_HTTPD_VALUES_H

#include "httpd/config_private.h"

/* A directive while it is read. */
typedef struct gate_config_line {
    cmd_parms *cmd;
    apr_pool_t *pool;         /* for what is kept of it */
    apr_pool_t *scratch;      /* until it is read */
    gate_directives *written; /* in its section, so far */
    int count;
    const char *const *words; /* NULL-terminated */
} gate_config_line;

/* A word that may stand there. Case does not matter. */
typedef struct gate_choice {
    const char *name; /* NULL ends a list of them */
    int value;
} gate_choice;

/* Where a value goes and what it may be. A reader returns NULL, or what is wrong and how to say it.
 */
typedef struct gate_slot {
    const char *key; /* of "idle=30m"; NULL where the value stands by itself */
    gate_field field;
    size_t offset; /* in gate_directives */
    const char *(*read)(gate_config_line *line, const struct gate_slot *slot, const char *word);
    apr_uint64_t min, max;
    const gate_choice *choices;
    bool is_list; /* its key may come more than once */
} gate_slot;

#define GATE_SLOT_AT(name) .field = GATE_FIELD_##name, .offset = offsetof(gate_directives, name)

/* "OIDCGateX word: ..."; without a word, where it had better not be shown, "OIDCGateX: ...". In the
 * line's pool. */
const char *gate_complain(const gate_config_line *line, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where in the section the slot's value goes. */
void *gate_line_place(const gate_config_line *line, const gate_slot *slot);
/* Notes that the field is set, and where. */
void gate_line_set(gate_config_line *line, gate_field field);
/* Puts a text there, and notes it; NULL. */
const char *gate_line_set_text(gate_config_line *line, const gate_slot *slot, const char *text);
/* The slot's list; several lines in one section add up. */
apr_array_header_t *gate_line_list(gate_config_line *line, const gate_slot *slot, int size);

typedef const char *gate_reader(gate_config_line *line, const gate_slot *slot, const char *word);

gate_reader gate_read_text;       /* const char *: visible characters */
gate_reader gate_read_issuer;     /* const char *: an address without query */
gate_reader gate_read_origin;     /* const char *: "https://host[:port]", made canonical */
gate_reader gate_read_path;       /* const char *: "/oidc-gate" */
gate_reader gate_read_proxy;      /* gate_proxy: an address, or "none" */
gate_reader gate_read_proxy_auth; /* gate_proxy: user:password, by file:, env: or exec: */
gate_reader gate_read_no_proxy;   /* gate_proxy: hosts that are reached without it */
gate_reader gate_read_file;      /* const char *: a file that can be read, relative to ServerRoot */
gate_reader gate_read_cookie;    /* const char *: a cookie's name */
gate_reader gate_read_secret;    /* const char *: file:, env:, exec: or itself */
gate_reader gate_read_key_file;  /* gate_secret_keys: file:, the first and the second */
gate_reader gate_read_signer;    /* const gate_signer *: a file with a key in PEM form */
gate_reader gate_read_duration;  /* int: min to max seconds */
gate_reader gate_read_count;     /* int: min to max */
gate_reader gate_read_size;      /* apr_size_t: min to max bytes */
gate_reader gate_read_choice;    /* int */
gate_reader gate_read_flag;      /* int: On, Off */
gate_reader gate_read_bit;       /* unsigned: the choices of all words */
gate_reader gate_read_algorithm; /* gate_alg_set: the algorithms of all words */
gate_reader gate_read_audience;  /* list of words */
gate_reader gate_read_scope;     /* list of words */
gate_reader gate_read_token_source;   /* list of gate_token_source */
gate_reader gate_read_source;         /* list of words */
gate_reader gate_read_claim;          /* list of words */
gate_reader gate_read_domain;         /* list of words: names of hosts, or what they are beneath */
gate_reader gate_read_target;         /* list of words: addresses to go to */
gate_reader gate_read_asserted_claim; /* list of gate_claim_name, of an assertion */
gate_reader gate_read_store;      /* gate_store_place: shm:SIZE, and redis:// where max says so */
gate_reader gate_read_store_file; /* gate_store_place: its file */

/* --- secrets.c --- */

/* The secret that a word names (file:, env:, exec:), or the word itself. NULL, or what is wrong
 * with it. */
const char *gate_secret_named(const gate_config_line *line, const char *word, const char **text);

/* What a file with a key set holds, be it relative to ServerRoot; in the line's pool. NULL, or what
 * is wrong with it. */
const char *gate_read_key_set(gate_config_line *line, const char *path, const char **text);

/* --- tell.c --- */

/* RFC 9110 section 5.6.2. */
bool gate_is_token(const char *text);
/* What says where a request goes, how long it is and what becomes of the connection, and the
 * browser's cookies: nobody else's to name. */
bool gate_is_server_header(gate_span name);

/* OIDCGateHeader and OIDCGateEnv: NAME TEMPLATE [option...], or preset NAME, or unset NAME. */
const char *gate_tell_header(gate_config_line *line, const gate_slot *slot);
const char *gate_tell_variable(gate_config_line *line, const gate_slot *slot);

/* --- presets.c --- */

/* A name that backends read already, and what it says. */
typedef struct gate_preset_row {
    const char *preset;
    const char *name;     /* with a '*' at its end: all that begin so, and they are not told */
    const char *template; /* NULL: not told, and nobody else may say it */
} gate_preset_row;

/* The next row of a preset behind that one; NULL gives the first. NULL where there is none: of an
 * unknown preset there is no first. */
const gate_preset_row *gate_preset_next(const char *preset, const gate_preset_row *row);
/* "kong, remote", in p. */
const char *gate_preset_names(apr_pool_t *p);

#endif
