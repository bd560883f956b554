/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/variables.h"

#include <apr_strings.h>

#define SHOWN_BYTES 200

const char *gate_state_method(const gate_state *state)
{
    const gate_decision *decision = &state->decision;

    return decision->known || decision->cache ? gate_method_name(decision->method) : NULL;
}

typedef struct verdict {
    request_rec *r;
    apr_pool_t *p;
    gate_state *state;
    const char *name;
    gate_reason reason;
} verdict;

static const char *name_of(const verdict *v)
{
    return v->state->is_watched ? apr_pstrcat(v->p, "would-", v->name, NULL) : v->name;
}

static const char *reason_of(const verdict *v)
{
    return gate_reason_name(v->reason);
}

static const char *method_of(const verdict *v)
{
    return gate_state_method(v->state);
}

static const char *provider_of(const verdict *v)
{
    return v->state->settings ? v->state->settings->realm.issuer : NULL;
}

/* Of a presented token, where it says so; else ours. */
static const char *client_of(const verdict *v)
{
    const gate_decision *decision = &v->state->decision;
    const gate_settings *s = v->state->settings; /* NULL: a login is just finished */
    gate_span client;

    if (!decision->known)
        return NULL;
    client = gate_identity_client_id(decision->identity);
    if (s && (client.ptr ? gate_span_is(client, s->realm.client_id)
                         : decision->method == GATE_METHOD_CODE))
        return s->realm.client_shown;
    return client.ptr ? gate_span_for_log(v->p, client, GATE_CLIENT_SHOWN_BYTES) : NULL;
}

static const char *cache_of(const verdict *v)
{
    return v->state->decision.cache;
}

static const char *calls_of(const verdict *v)
{
    return v->state->provider_calls ? apr_itoa(v->p, v->state->provider_calls) : "0";
}

static const char *rule_of(const verdict *v)
{
    const char *rule = v->state->refused_rule;

    return rule ? gate_span_for_log(v->p, gate_span_of(rule), SHOWN_BYTES) : NULL;
}

static const char *id_of(const verdict *v)
{
    return gate_state_id(v->r, v->state);
}

static const struct {
    const char *name;
    const char *(*value)(const verdict *v);
} variables[] = {
    {"OIDCGATE_VERDICT", name_of},  {"OIDCGATE_REASON", reason_of},
    {"OIDCGATE_METHOD", method_of}, {"OIDCGATE_PROVIDER", provider_of},
    {"OIDCGATE_CLIENT", client_of}, {"OIDCGATE_CACHE", cache_of},
    {"OIDCGATE_CALLS", calls_of},   {"OIDCGATE_RULE", rule_of},
    {"OIDCGATE_ID", id_of},
};

static void put(apr_table_t *table, const char *name, const char *value)
{
    if (value)
        apr_table_setn(table, name, value);
    else
        apr_table_unset(table, name);
}

/* Alike in their first letters, they would all be compared with each other; as a rule there is none
 * yet. */
void gate_set_variables(request_rec *r, gate_state *state, const char *verdict_name,
                        gate_reason reason)
{
    const verdict v = {r, r->pool, state, verdict_name, reason};
    const bool are_there = apr_table_get(r->subprocess_env, variables[0].name);

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = variables[i].value(&v);

        if (are_there)
            put(r->subprocess_env, variables[i].name, value);
        else if (value)
            apr_table_addn(r->subprocess_env, variables[i].name, value);
    }
}
