/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* rows.h - the forms that the lines of directives have: one reader for each */
#ifndef GATE_HTTPD_ROWS_H
#define GATE_HTTPD_ROWS_H

#include "httpd/values.h"

/* What a directive takes, and where it goes. */
typedef struct gate_row gate_row;

/* Reads a line, whose words are as many as the row says. NULL, or what is wrong with it. */
typedef const char *gate_row_reader(gate_config_line *line, const gate_row *row);

struct gate_row {
    const char *standard; /* the default, in the directive's own words; NULL: none can be written */
    int min, max;         /* words; max 0: any number */
    bool is_main_only;    /* said once for the whole server */
    gate_row_reader *read;
    const gate_slot *slots; /* one, or those of gate_row_keys, up to one without a key */
};

gate_row_reader gate_row_words; /* each alike, into the one slot */
gate_row_reader gate_row_keys;  /* key=value, in any order */
gate_row_reader gate_row_store;
gate_row_reader gate_row_discovery;
gate_row_reader gate_row_resource;
gate_row_reader gate_row_endpoint;
gate_row_reader gate_row_client_auth;
gate_row_reader gate_row_grant_scope;
gate_row_reader gate_row_authorization_param;
gate_row_reader gate_row_introspection_param;
gate_row_reader gate_row_token_param;
gate_row_reader gate_row_header;
gate_row_reader gate_row_variable;
gate_row_reader gate_row_assertion;

#endif
