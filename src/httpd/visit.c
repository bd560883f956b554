/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "httpd/visit.h"

#include "http_protocol.h"

#include "httpd/answer.h"
#include "httpd/config.h"
#include "httpd/own_cookies.h"
#include "httpd/runtime.h"

/* A logout token of 16 KiB, which needs no escaping, and what may stand beside it. */
#define BODY_MAX_BYTES (24 * 1024)

gate_visit gate_visit_begin(request_rec *r)
{
    gate_visit v = {.r = r, .site = gate_config_site(r->server), .w = gate_runtime_world()};

    v.state = gate_state_make(r, NULL);
    v.q = gate_request_of(r, v.state);
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "no-referrer");
    return v;
}

int gate_visit_answer(const gate_visit *v, gate_decision decision)
{
    v->state->decision = decision;
    return gate_answer_with(v->r, v->state);
}

bool gate_visit_is_by(const request_rec *r, unsigned methods)
{
    return r->method_number < 32 && methods & 1u << r->method_number;
}

gate_decision gate_visit_refuse_method(const gate_visit *v, unsigned methods)
{
    static const struct {
        unsigned methods;
        const char *text;
    } texts[] = {
        {GATE_GET_ONLY, "GET,HEAD"}, {GATE_POST_ONLY, "POST"}, {GATE_GET_POST, "GET,HEAD,POST"}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].methods == methods)
            apr_table_setn(v->r->err_headers_out, "Allow", texts[i].text);
    }
    v->r->allowed_methods->method_mask |= methods; /* httpd says it itself beside a mere text */
    return gate_refuse(GATE_METHOD_NOT_ALLOWED, NULL);
}

gate_span gate_visit_form(request_rec *r)
{
    const char *type = apr_table_get(r->headers_in, "Content-Type");
    char *body = apr_palloc(r->pool, BODY_MAX_BYTES);
    long got = 0, len = 0;

    if (!type ||
        strncasecmp(type, "application/x-www-form-urlencoded",
                    strlen("application/x-www-form-urlencoded")) ||
        ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK || !ap_should_client_block(r))
        return (gate_span){NULL, 0};
    while (len < BODY_MAX_BYTES &&
           (got = ap_get_client_block(r, body + len, (apr_size_t)(BODY_MAX_BYTES - len))) > 0)
        len += got;
    /* A body that is longer than LimitRequestBody has httpd answer while it is read. */
    if (got < 0 && ap_is_HTTP_ERROR(r->status))
        gate_state_of(r)->is_answered = true;
    /* What was cut off, by a limit or by the network, says something else than what was sent. */
    return len < BODY_MAX_BYTES && !got ? (gate_span){body, (size_t)len} : (gate_span){NULL, 0};
}

gate_span gate_visit_parameters(const gate_visit *v)
{
    return v->r->method_number == M_POST ? gate_visit_form(v->r) : v->q.query;
}

void gate_visit_note_ended(const gate_visit *v, gate_decision decision)
{
    v->state->decision = decision;
    gate_set_cookies(v->r, &decision);
    gate_log_decision(v->r, v->state, "logout", decision.status);
}
