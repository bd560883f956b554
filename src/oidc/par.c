/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/par.h"

#include "base/json.h"
#include "oidc/detail.h"

#define ANSWER_MAX_BYTES      (16 * 1024)
#define REQUEST_URI_MAX_BYTES 1024

/* RFC 3986 section 4.3, as far as it matters here: it goes into an address, encoded. */
static bool is_uri(gate_span text)
{
    if (!text.len || text.len > REQUEST_URI_MAX_BYTES || !memchr(text.ptr + 1, ':', text.len - 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    }
    return true;
}

static gate_reason refused(apr_pool_t *p, int status, const json_t *object, const char **detail)
{
    const char *error = object ? gate_detail_error(p, object) : "";

    gate_detail(p, detail, "the pushed request: status %d%s%s", status, *error ? ", " : "", error);
    return status == 400 || status == 401 || status == 403 || status == 413
               ? GATE_IDP_REJECTED_GATEWAY
               : GATE_IDP_ERROR;
}

gate_reason gate_par_read(apr_pool_t *p, const gate_answer *answer, const char **request_uri,
                          const char **detail)
{
    const json_t *object = gate_json_object(p, answer->body, ANSWER_MAX_BYTES);
    apr_int64_t seconds;
    gate_span uri;

    if (answer->status != 201)
        return refused(p, answer->status, object, detail);
    uri = object ? gate_json_text(object, "request_uri") : (gate_span){NULL, 0};
    if (!is_uri(uri)) {
        gate_detail(p, detail, "the answer to the pushed request has no request_uri");
        return GATE_IDP_ERROR;
    }
    if (gate_json_seconds(object, "expires_in", &seconds) != GATE_JSON_VALID || seconds <= 0) {
        gate_detail(p, detail, "the answer to the pushed request has no expires_in");
        return GATE_IDP_ERROR;
    }
    *request_uri = gate_span_dup(p, uri);
    return GATE_OK;
}
