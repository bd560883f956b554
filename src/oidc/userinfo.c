/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/userinfo.h"

#include <apr_strings.h>

#include "base/json.h"
#include "base/seal.h"
#include "oidc/detail.h"

#define ANSWER_MAX_BYTES (256 * 1024)

gate_question gate_userinfo_ask(apr_pool_t *p, const char *endpoint, gate_span access_token)
{
    const char *bearer =
        apr_psprintf(p, "Bearer %.*s", (int)access_token.len, access_token.ptr);

    gate_wipe_with(p, gate_span_of(bearer));
    return (gate_question){
        .url = endpoint,
        .accept = "application/json",
        .authorization = bearer,
    };
}

gate_reason gate_userinfo_read(apr_pool_t *p, const gate_answer *answer, gate_span subject,
                               const json_t **claims, const char **detail)
{
    if (answer->status != 200) {
        gate_detail(p, detail, "status %d", answer->status);
        return answer->status == 401 || answer->status == 403 ? GATE_IDP_REJECTED_GATEWAY
                                                              : GATE_IDP_ERROR;
    }
    bool is_signed = strcmp(answer->content_type, "application/jwt") == 0;
    const json_t *object = is_signed ? NULL : gate_json_object(p, answer->body, ANSWER_MAX_BYTES);
    if (!object) {
        gate_detail(p, detail, "the answer is no JSON object, but %s",
                    gate_span_for_log(p, gate_span_of(answer->content_type), 64));
        return GATE_IDP_ERROR;
    }
    /* Section 5.3.2: without the same sub these may be anybody's claims. */
    gate_span found;
    if (!subject.len || gate_json_string(object, "sub", &found) != GATE_JSON_VALID ||
        !gate_span_equal(found, subject)) {
        gate_detail(p, detail, "sub is %s, not %s",
                    gate_detail_value(p, json_object_get(object, "sub")),
                    gate_span_for_log(p, subject, 64));
        return GATE_SUBJECT_MISMATCH;
    }
    *claims = object;
    return GATE_OK;
}
