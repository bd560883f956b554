/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/callback.h"

#define PARAMETERS_MAX  32
#define CODE_MAX_BYTES  (4 * 1024)
#define ERROR_MAX_BYTES 64

/* RFC 6749 appendix A.7: %x20-21 / %x23-5B / %x5D-7E. */
static bool is_error_code(gate_span text)
{
    if (!text.len || text.len > ERROR_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            return false;
    }
    return true;
}

gate_reason gate_callback_read(apr_pool_t *p, gate_span text, gate_callback *callback)
{
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {
        {"state", offsetof(gate_callback, state)},
        {"code", offsetof(gate_callback, code)},
        {"error", offsetof(gate_callback, error)},
        {"error_description", offsetof(gate_callback, error_description)},
        {"iss", offsetof(gate_callback, issuer)},
    };
    gate_form *form;
    if (text.len > GATE_CALLBACK_MAX_BYTES)
        return GATE_MALFORMED_REQUEST;
    gate_reason reason = gate_form_parse(p, text, PARAMETERS_MAX, &form);
    if (reason != GATE_OK)
        return reason;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        gate_span value = gate_form_get(form, members[i].name);
        if (gate_span_has_control(value))
            return GATE_MALFORMED_REQUEST;
        *(gate_span *)((char *)callback + members[i].offset) = value;
    }
    /* RFC 6749 sections 4.1.2 and 4.1.2.1: state comes back either way, and it is either a code or
     * an error. */
    if (!callback->state.ptr || !callback->code.ptr == !callback->error.ptr)
        return GATE_MALFORMED_REQUEST;
    if (callback->code.len > CODE_MAX_BYTES)
        return GATE_MALFORMED_REQUEST;
    if (callback->error.ptr && !is_error_code(callback->error))
        return GATE_MALFORMED_REQUEST;
    return GATE_OK;
}

gate_reason gate_callback_check_issuer(const gate_callback *callback, const char *issuer,
                                       bool sends_issuer)
{
    if (!callback->issuer.ptr)
        return sends_issuer ? GATE_ISSUER_MIXUP : GATE_OK;
    return gate_span_is(callback->issuer, issuer) ? GATE_OK : GATE_ISSUER_MIXUP;
}

gate_reason gate_callback_error(gate_span error, const char **registered)
{
    /* IANA's registry of OAuth errors, those of the authorization endpoint: RFC 6749 section
     * 4.1.2.1, RFC 8707 section 2, RFC 9396 section 5, OIDC Core section 3.1.2.6, and OIDC Unmet
     * Authentication Requirements section 4. */
    static const struct {
        const char *code;
        gate_reason reason;
    } meanings[] = {
        {"access_denied", GATE_LOGIN_DENIED},
        {"login_required", GATE_LOGIN_REQUIRED},
        {"interaction_required", GATE_LOGIN_REQUIRED},
        {"consent_required", GATE_LOGIN_REQUIRED},
        {"account_selection_required", GATE_LOGIN_REQUIRED},
        {"unmet_authentication_requirements", GATE_ACR_UNMET},
        {"server_error", GATE_IDP_ERROR},
        {"temporarily_unavailable", GATE_IDP_ERROR},
        {"invalid_request", GATE_IDP_REJECTED_GATEWAY},
        {"unauthorized_client", GATE_IDP_REJECTED_GATEWAY},
        {"unsupported_response_type", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_scope", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_target", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_authorization_details", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_request_uri", GATE_IDP_REJECTED_GATEWAY},
        {"invalid_request_object", GATE_IDP_REJECTED_GATEWAY},
        {"request_not_supported", GATE_IDP_REJECTED_GATEWAY},
        {"request_uri_not_supported", GATE_IDP_REJECTED_GATEWAY},
        {"registration_not_supported", GATE_IDP_REJECTED_GATEWAY},
    };
    *registered = NULL;
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (!gate_span_is(error, meanings[i].code))
            continue;
        *registered = meanings[i].code;
        return meanings[i].reason;
    }
    return GATE_IDP_REJECTED_GATEWAY;
}
