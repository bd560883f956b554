/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/gate.h"

static const char *const methods[GATE_METHOD_COUNT] = {
    [GATE_METHOD_CODE] = "code",
    [GATE_METHOD_BEARER] = "bearer",
    [GATE_METHOD_INTROSPECTION] = "introspection",
    [GATE_METHOD_CLIENT_CREDENTIALS] = "client_credentials",
};

const char *gate_method_name(gate_method method)
{
    return method < GATE_METHOD_COUNT ? methods[method] : "none";
}

bool gate_method_find(const char *name, gate_method *method)
{
    for (int i = 0; i < GATE_METHOD_COUNT; i++) {
        if (!strcmp(methods[i], name)) {
            *method = (gate_method)i;
            return true;
        }
    }
    return false;
}

/* How long a caller is asked to wait when somebody else is away; seconds. */
#define RETRY_AFTER_SECONDS 5

gate_decision gate_refuse(gate_reason reason, const char *detail)
{
    const int status = gate_reason_get(reason)->status;

    return (gate_decision){
        .verb = status == 401   ? GATE_CHALLENGE
                : status >= 500 ? GATE_FAIL
                                : GATE_REFUSE,
        .reason = reason,
        .status = status,
        .detail = detail,
        .retry_after = status == 503 || status == 429 ? RETRY_AFTER_SECONDS : 0,
    };
}

gate_decision gate_send_to(const gate_request *q, const char *location)
{
    return (gate_decision){
        .verb = GATE_REDIRECT,
        .status = strcmp(q->method, "POST") ? 302 : 303,
        .location = location,
    };
}

bool gate_comes_from_here(const gate_request *q, const gate_site *site)
{
    const char *fetch_site = q->header(q, "Sec-Fetch-Site");
    const char *origin = q->header(q, "Origin");

    if (fetch_site)
        return !strcmp(fetch_site, "same-origin") || !strcmp(fetch_site, "none");
    if (origin)
        return site && !strcmp(origin, site->origin);
    return !strcmp(q->method, "POST");
}

void gate_add_cookie(gate_decision *decision, const char *cookie)
{
    if (cookie && decision->cookie_count < GATE_MAX_COOKIES)
        decision->cookies[decision->cookie_count++] = cookie;
}
