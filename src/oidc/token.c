/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/token.h"

#include "base/json.h"
#include "oidc/bearer.h"
#include "oidc/detail.h"

#define ANSWER_MAX_BYTES (256 * 1024)
#define TYPE_MAX_BYTES   32
#define EXPIRES_IN_MAX   (APR_INT64_C(1) << 53)

/* ---- questions ---- */

static const char *const owned[] = {
    "grant_type", "code",      "redirect_uri",  "code_verifier",    "refresh_token",
    "scope",      "client_id", "client_secret", "client_assertion", "client_assertion_type",
};

bool gate_token_owns(const char *name)
{
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (strcmp(name, owned[i]) == 0)
            return true;
    return false;
}

static gate_form *make_form(apr_pool_t *p, const char *grant_type)
{
    gate_form *form = gate_form_make(p);
    gate_form_add_text(form, "grant_type", grant_type);
    return form;
}

static gate_form *with_extra(apr_pool_t *p, gate_form *form, const gate_form *extra)
{
    if (!extra)
        return form;
    const gate_pair *pairs = (const gate_pair *)extra->pairs->elts;
    for (int i = 0; i < extra->pairs->nelts; i++) {
        const char *name = gate_span_dup(p, pairs[i].name);
        if (!gate_token_owns(name))
            gate_form_add(form, name, pairs[i].value);
    }
    return form;
}

gate_form *gate_token_by_code(apr_pool_t *p, gate_span code, const char *redirect_uri,
                              const char *verifier, const gate_form *extra)
{
    gate_form *form = make_form(p, "authorization_code");
    gate_form_add(form, "code", code);
    gate_form_add_text(form, "redirect_uri", redirect_uri);
    gate_form_add_text(form, "code_verifier", verifier);
    return with_extra(p, form, extra);
}

gate_form *gate_token_by_refresh(apr_pool_t *p, gate_span refresh_token, const gate_form *extra)
{
    gate_form *form = make_form(p, "refresh_token");
    gate_form_add(form, "refresh_token", refresh_token);
    return with_extra(p, form, extra);
}

gate_form *gate_token_by_client_credentials(apr_pool_t *p, const char *scope,
                                            const gate_form *extra)
{
    gate_form *form = make_form(p, "client_credentials");
    gate_form_add_text(form, "scope", scope);
    return with_extra(p, form, extra);
}

gate_form *gate_token_revocation(apr_pool_t *p, gate_span token, const char *hint)
{
    gate_form *form = gate_form_make(p);
    gate_form_add(form, "token", token);
    gate_form_add_text(form, "token_type_hint", hint);
    return form;
}

/* ---- scopes ---- */

bool gate_scope_has(gate_span scope, gate_span word)
{
    gate_span piece;
    while (gate_span_cut(&scope, ' ', &piece))
        if (gate_span_equal(piece, word))
            return true;
    return false;
}

bool gate_scope_is_wider(gate_span scope, gate_span granted, gate_span *word)
{
    while (gate_span_cut(&scope, ' ', word))
        if (word->len && !gate_scope_has(granted, *word))
            return true;
    return false;
}

/* ---- answers ---- */

/* RFC 6749 section 5.2, and the two codes of section 4.1.2.1 that providers send from here as well.
 * A provider that answers unauthorized_client with a 401 speaks of the secret, not of the grant:
 * 401 is for failed authentication alone. */
static const struct {
    const char *code;
    gate_reason reason, reason_at_401;
} errors[] = {
    {"invalid_request", GATE_IDP_REJECTED_GATEWAY, GATE_IDP_REJECTED_GATEWAY},
    {"invalid_client", GATE_INVALID_CLIENT, GATE_INVALID_CLIENT},
    {"invalid_grant", GATE_INVALID_GRANT, GATE_INVALID_GRANT},
    {"unauthorized_client", GATE_UNAUTHORIZED_CLIENT, GATE_INVALID_CLIENT},
    {"unsupported_grant_type", GATE_IDP_REJECTED_GATEWAY, GATE_IDP_REJECTED_GATEWAY},
    {"invalid_scope", GATE_IDP_REJECTED_GATEWAY, GATE_IDP_REJECTED_GATEWAY},
    {"server_error", GATE_IDP_ERROR, GATE_IDP_ERROR},
    {"temporarily_unavailable", GATE_IDP_ERROR, GATE_IDP_ERROR},
};

static gate_reason reason_of(gate_span code, int status)
{
    bool is_401 = status == 401;
    if (status < 400 || status >= 500 || status == 429)
        return GATE_IDP_ERROR;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (gate_span_is(code, errors[i].code))
            return is_401 ? errors[i].reason_at_401 : errors[i].reason;
    if (is_401)
        return GATE_INVALID_CLIENT;
    return code.ptr ? GATE_IDP_REJECTED_GATEWAY : GATE_IDP_ERROR;
}

/* RFC 6749 appendix A.12 and A.17: printable ASCII. */
static bool is_token(gate_span text)
{
    return text.len <= GATE_TOKEN_MAX_BYTES && gate_span_is_printable(text);
}

/* A member that need not be there; null is how some providers leave one out. */
static bool read_optional(const json_t *object, const char *name, gate_span *text)
{
    if (json_is_null(json_object_get(object, name))) {
        *text = (gate_span){NULL, 0};
        return true;
    }
    switch (gate_json_string(object, name, text)) {
    case GATE_JSON_ABSENT:
        *text = (gate_span){NULL, 0};
        return true;
    case GATE_JSON_VALID:
        return is_token(*text);
    default:
        return false;
    }
}

static void drop_empty(gate_span *text)
{
    if (!text->len)
        *text = (gate_span){NULL, 0};
}

/* Section 5.1 wants a number; old providers send one in quotes. Anything else, zero too, is nothing
 * to count on. */
static apr_int64_t read_expiry(const json_t *object, apr_int64_t now)
{
    apr_int64_t seconds = 0;
    apr_uint64_t number;
    gate_span text = gate_json_text(object, "expires_in");
    if (text.ptr)
        seconds = gate_span_number(text, EXPIRES_IN_MAX, &number) ? (apr_int64_t)number : 0;
    else if (gate_json_seconds(object, "expires_in", &seconds) != GATE_JSON_VALID)
        return 0;
    return seconds > 0 ? now + seconds : 0;
}

static gate_reason read_tokens(apr_pool_t *p, const json_t *object, apr_int64_t now,
                               gate_token_set *tokens, const char **detail)
{
    const struct {
        const char *name;
        gate_span *text;
    } members[] = {
        {"access_token", &tokens->access_token},
        {"id_token", &tokens->id_token},
        {"refresh_token", &tokens->refresh_token},
        {"scope", &tokens->scope},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!read_optional(object, members[i].name, members[i].text)) {
            gate_detail(p, detail, "%s is no text of at most %d printable characters",
                        members[i].name, GATE_TOKEN_MAX_BYTES);
            return GATE_IDP_ERROR;
        }
    if (!tokens->access_token.len) {
        const char *error = gate_detail_error(p, object);
        gate_detail(p, detail, "no access_token%s%s", *error ? ", but " : "", error);
        return GATE_IDP_ERROR;
    }
    /* Section 7.1: a type that is not understood means that the token cannot be used. */
    gate_span type = gate_json_text(object, "token_type");
    if (!gate_span_equal_nocase(type, GATE_SPAN("Bearer"))) {
        gate_detail(p, detail, "token_type is %s, not Bearer",
                    gate_detail_words(p, type, TYPE_MAX_BYTES));
        return GATE_IDP_ERROR;
    }
    drop_empty(&tokens->id_token);
    drop_empty(&tokens->refresh_token);
    tokens->expires = read_expiry(object, now);
    return GATE_OK;
}

gate_reason gate_token_read(apr_pool_t *p, const gate_answer *answer, apr_int64_t now,
                            gate_token_set *tokens, const char **detail)
{
    const json_t *object = gate_json_object(p, answer->body, ANSWER_MAX_BYTES);
    if (answer->status == 200 && object)
        return read_tokens(p, object, now, tokens, detail);
    if (answer->status == 200) {
        gate_detail(p, detail, "the answer is no JSON object");
        return GATE_IDP_ERROR;
    }
    const char *error = object ? gate_detail_error(p, object) : "";
    gate_detail(p, detail, "status %d%s%s", answer->status, *error ? ", " : "", error);
    return reason_of(object ? gate_json_text(object, "error") : (gate_span){NULL, 0},
                     answer->status);
}
