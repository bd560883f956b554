/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/problem.h"

#include "http_protocol.h"

#include <jansson.h>

#include "base/json.h"
#include "httpd/answer.h"

APLOG_USE_MODULE(oidc_gate);

static int send_as(request_rec *r, const char *type, const char *json)
{
    ap_set_content_type(r, type);
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   "default-src 'none'; frame-ancestors 'none'");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    ap_rputs(json, r);
    ap_rputs("\n", r);
    return OK;
}

int gate_send_json(request_rec *r, const char *json)
{
    return send_as(r, "application/json", json);
}

/* What a program is told. */
typedef struct refusal {
    const gate_state *state;
    const gate_reason_row *row;
    int status;
} refusal;

/* For reasons that have no OAuth error of their own. */
static const char *error(const refusal *refused)
{
    static const struct {
        int status;
        const char *error;
    } usual[] = {
        {400, "invalid_request"}, {401, "unauthorized"}, {403, "access_denied"},
        {405, "invalid_request"}, {429, "rate_limited"}, {503, "temporarily_unavailable"},
    };

    for (size_t i = 0; i < sizeof usual / sizeof *usual && !refused->row->oauth_error; i++) {
        if (usual[i].status == refused->status)
            return usual[i].error;
    }
    return refused->row->oauth_error ? refused->row->oauth_error : "server_error";
}

static json_t *error_of(const refusal *refused)
{
    return json_string(error(refused));
}

/* RFC 9457 section 4.2.1: what is wrong is said by the status, and by our own members. */
static json_t *type_of(const refusal *refused)
{
    return json_string("about:blank");
}

static json_t *title_of(const refusal *refused)
{
    const char *line = ap_get_status_line(refused->status); /* "403 Forbidden" */

    return json_string(strchr(line, ' ') + 1);
}

static json_t *status_of(const refusal *refused)
{
    return json_integer(refused->status);
}

static json_t *remedy_of(const refusal *refused)
{
    return json_string(refused->row->remedy);
}

static json_t *provider_error_of(const refusal *refused)
{
    const char *error = refused->state->decision.provider_error;

    return error ? json_string(error) : NULL;
}

static json_t *reason_of(const refusal *refused)
{
    return json_string(refused->row->name);
}

static json_t *id_of(const refusal *refused)
{
    return json_string(refused->state->id);
}

#define JSON    (1u << GATE_AS_JSON)
#define PROBLEM (1u << GATE_AS_PROBLEM)

/* The members in their order; those that have nothing to say are left out. */
static const struct member {
    const char *name;
    unsigned forms;
    json_t *(*value)(const refusal *refused);
} members[] = {
    {"type", PROBLEM, type_of},
    {"title", PROBLEM, title_of},
    {"status", PROBLEM, status_of},
    {"detail", PROBLEM, remedy_of},
    {"error", JSON | PROBLEM, error_of},
    {"error_description", JSON, remedy_of},
    {"provider_error", JSON | PROBLEM, provider_error_of},
    {"reason", JSON | PROBLEM, reason_of},
    {"request_id", JSON | PROBLEM, id_of},
};

int gate_problem_refusal(request_rec *r, const gate_state *state, int status)
{
    const refusal refused = {state, gate_reason_get(gate_state_told(state)), status};
    const bool is_problem = state->representation == GATE_AS_PROBLEM;
    json_t *body = gate_json_own(r->pool, json_object());

    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *value =
            (members[i].forms & 1u << state->representation) ? members[i].value(&refused) : NULL;

        if (value)
            json_object_set_new(body, members[i].name, value);
    }
    return send_as(r, is_problem ? "application/problem+json" : "application/json",
                   body ? gate_json_compact(r->pool, body).ptr : "{}");
}
