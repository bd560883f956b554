/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/rows.h"

#include <apr_strings.h>

#include "oidc/authorize.h"
#include "oidc/introspect.h"
#include "oidc/token.h"

/* Each word alike. */
const char *gate_row_words(gate_config_line *line, const gate_row *row)
{
    const char *problem = NULL;

    for (int i = 0; !problem && i < line->count; i++)
        problem = row->slots->read(line, row->slots, line->words[i]);
    return problem;
}

static const char *all_keys(apr_pool_t *p, const gate_slot *slots)
{
    const char *text = "";

    for (; slots->key; slots++)
        text = apr_pstrcat(p, text, " ", slots->key, "=", NULL);
    return text + 1;
}

static const gate_slot *find_key(const gate_slot *slots, const char *word, const char *equals)
{
    const size_t len = (size_t)(equals - word);

    for (; slots->key; slots++) {
        if (strlen(slots->key) == len && !strncasecmp(slots->key, word, len))
            return slots;
    }
    return NULL;
}

/* key=value, in any order. */
const char *gate_row_keys(gate_config_line *line, const gate_row *row)
{
    unsigned seen = 0; /* a bit for each key */

    for (int i = 0; i < line->count; i++) {
        const char *word = line->words[i], *equals = strchr(word, '='), *problem;
        const gate_slot *slot = equals ? find_key(row->slots, word, equals) : NULL;

        if (!slot)
            return gate_complain(line, word, "there is no such word here; this takes %s",
                                 all_keys(line->pool, row->slots));
        if (seen >> (slot - row->slots) & 1 && !slot->is_list)
            return gate_complain(line, word, "%s= is there twice", slot->key);
        seen |= 1u << (slot - row->slots);
        problem = slot->read(line, slot, equals + 1);
        if (problem)
            return problem;
    }
    return NULL;
}

/* OIDCGateSessionStore shm:SIZE [file=PATH] */
const char *gate_row_store(gate_config_line *line, const gate_row *row)
{
    const char *problem = row->slots->read(line, row->slots, line->words[0]);

    if (problem || line->count == 1)
        return problem;
    if (strncasecmp(line->words[1], "file=", 5))
        return gate_complain(line, line->words[1], "behind shm:SIZE there may be file=PATH");
    return gate_read_store_file(line, row->slots, line->words[1] + 5);
}

/* The same behind the first word. */
static const char *read_keys_behind(const gate_config_line *line, const gate_row *row)
{
    gate_config_line rest = *line;

    rest.words++;
    rest.count--;
    return gate_row_keys(&rest, row);
}

/* OIDCGateDiscovery On|Off [domain=DOMAIN...] */
const char *gate_row_discovery(gate_config_line *line, const gate_row *row)
{
    static const gate_slot flag = {NULL, GATE_SLOT_AT(discovery)};
    const char *problem = gate_read_flag(line, &flag, line->words[0]);

    return problem ? problem : read_keys_behind(line, row);
}

/* OIDCGateResource URL [name=TEXT] [scopes="A B"] */
const char *gate_row_resource(gate_config_line *line, const gate_row *row)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(line->words[0]), &url) || (!url.is_https && !url.is_loopback))
        return gate_complain(line, line->words[0],
                             "a resource is known by an https address, such as "
                             "https://api.example.com/mcp");
    line->written->resource = line->words[0];
    gate_line_set(line, GATE_FIELD_resource);
    return read_keys_behind(line, row);
}

static const char *all_endpoints(apr_pool_t *p)
{
    const char *text = gate_endpoint_name((gate_endpoint)0);

    for (int i = 1; i < GATE_ENDPOINT_COUNT; i++)
        text = apr_pstrcat(p, text, " ", gate_endpoint_name((gate_endpoint)i), NULL);
    return text;
}

const char *gate_row_endpoint(gate_config_line *line, const gate_row *row)
{
    const char *word = line->words[1];
    gate_endpoint endpoint;
    gate_url url;

    if (!gate_endpoint_find(line->words[0], &endpoint))
        return gate_complain(line, line->words[0], "there is no such endpoint; there are %s",
                             all_endpoints(line->pool));
    if (!(line->written->set & GATE_BIT(endpoints)))
        line->written->endpoints = (gate_endpoints){.keys = NULL};
    if (endpoint == GATE_ENDPOINT_JWKS && !strncasecmp(word, "file:", 5)) {
        const char *problem = gate_read_key_set(line, word + 5, &line->written->endpoints.keys);

        if (problem)
            return problem;
    } else if (!gate_url_parse(gate_span_of(word), &url)) {
        return gate_complain(line, word,
                             "an endpoint is an address such as https://id.example.com/token");
    }
    line->written->endpoints.urls[endpoint] = word;
    gate_line_set(line, GATE_FIELD_endpoints);
    return NULL;
}

const char *gate_row_client_auth(gate_config_line *line, const gate_row *row)
{
    static const char *const later[] = {"client_secret_jwt", "private_key_jwt", "tls_client_auth",
                                        "self_signed_tls_client_auth"};
    const char *word = line->words[0];
    gate_client_auth method;

    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (!strcasecmp(word, later[i]))
            return gate_complain(line, word,
                                 "this version does not have it; say client_secret_basic, "
                                 "client_secret_post or none");
    }
    if (!gate_client_auth_find(gate_span_of(word), &method))
        return gate_complain(line, word, "say client_secret_basic, client_secret_post or none");
    if (line->count > 1)
        return gate_complain(line, line->words[1],
                             "none of the methods of this version takes key= or cert=");
    line->written->client_auth = (int)method;
    gate_line_set(line, GATE_FIELD_client_auth);
    return NULL;
}

const char *gate_row_grant_scope(gate_config_line *line, const gate_row *row)
{
    const char *problem = NULL;

    if (strcasecmp(line->words[0], "client_credentials"))
        return gate_complain(
            line, line->words[0],
            "say client_credentials; the scopes of the code flow are OIDCGateScope's");
    for (int i = 1; !problem && i < line->count; i++)
        problem = row->slots->read(line, row->slots, line->words[i]);
    return problem;
}

/* RFC 6749 section 3.1: parameters come once, but for resource, of which there may be several (RFC
 * 8707 section 2). */
static const char *read_param(gate_config_line *line, const gate_slot *slot,
                              bool (*owns)(const char *name))
{
    gate_form **form = (gate_form **)(void *)((char *)line->written + slot->offset);
    const char *name = line->words[0], *value = line->words[1];

    if (!*name || !*value)
        return gate_complain(line, NULL, "neither the name nor the value may be empty");
    if (owns(name))
        return gate_complain(
            line, name,
            "the gate sets this parameter itself; where it is yours to choose, it has a directive "
            "of its own, such as OIDCGateScope");
    if (!(line->written->set >> slot->field & 1))
        *form = gate_form_make(line->pool);
    if (gate_form_get(*form, name).ptr && strcmp(name, "resource"))
        return gate_complain(line, name, "this parameter is there already");
    gate_form_add_text(*form, name, value);
    gate_line_set(line, slot->field);
    return NULL;
}

const char *gate_row_authorization_param(gate_config_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_authorize_owns);
}

const char *gate_row_introspection_param(gate_config_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_introspection_owns);
}

const char *gate_row_token_param(gate_config_line *line, const gate_row *row)
{
    return read_param(line, row->slots, gate_token_owns);
}

const char *gate_row_header(gate_config_line *line, const gate_row *row)
{
    return gate_tell_header(line, row->slots);
}

const char *gate_row_variable(gate_config_line *line, const gate_row *row)
{
    return gate_tell_variable(line, row->slots);
}

/* OIDCGateAssertion key=FILE [old=FILE] [lifetime=DURATION] [claim=NAME...]: each line says all of
 * it. */
const char *gate_row_assertion(gate_config_line *line, const gate_row *row)
{
    gate_assertion *assertion = &line->written->assertion;
    const char *problem;

    *assertion = (gate_assertion){.lifetime = 60};
    problem = gate_row_keys(line, row);
    if (problem)
        return problem;
    if (!assertion->signer)
        return gate_complain(line, NULL, "key= is missing: say key=FILE, a private key");
    return assertion->signer->can_sign
               ? NULL
               : gate_complain(line, NULL,
                               "key= is a public key, with which nothing can be signed; one that "
                               "is only published stands behind old=");
}
