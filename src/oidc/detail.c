/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/detail.h"

#include <stdarg.h>

#include <apr_strings.h>

#include "base/json.h"

#define VALUE_MAX_BYTES       80
#define ERROR_MAX_BYTES       48
#define DESCRIPTION_MAX_BYTES 160
#define SECRET_MIN_BYTES      16

void gate_detail(apr_pool_t *p, const char **detail, const char *format, ...)
{
    char text[GATE_DETAIL_MAX_BYTES + 1];
    va_list arguments;
    if (!detail)
        return;
    va_start(arguments, format);
    apr_vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *detail = apr_pstrdup(p, text);
}

const char *gate_detail_value(apr_pool_t *p, const json_t *value)
{
    if (!value)
        return "nothing";
    gate_span text = json_is_string(value)
                         ? (gate_span){json_string_value(value), json_string_length(value)}
                         : gate_json_compact(p, value);
    return gate_span_for_log(p, text, VALUE_MAX_BYTES);
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Codes, tokens and most secrets are made of these. */
static bool is_secret_char(char c)
{
    return is_lower(c) || is_upper(c) || is_digit(c) || (c && strchr("-._~+/=", c));
}

/* Long, and no word: a word has no digit, and a capital letter only in front. */
static bool looks_secret(gate_span run)
{
    if (run.len < SECRET_MIN_BYTES)
        return false;
    for (size_t i = 0; i < run.len; i++)
        if (is_digit(run.ptr[i]) || (i && is_upper(run.ptr[i])))
            return true;
    return false;
}

static gate_span mask(apr_pool_t *p, gate_span text)
{
    static const char stars[] = "***";
    char *masked = apr_palloc(p, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len;) {
        gate_span run = {text.ptr + i, 0};
        while (i + run.len < text.len && is_secret_char(run.ptr[run.len]))
            run.len++;
        gate_span shown = looks_secret(run) ? gate_span_of(stars) : run;
        size_t taken = run.len;
        if (!taken)
            shown.len = taken = 1;
        memcpy(masked + len, shown.ptr, shown.len);
        len += shown.len;
        i += taken;
    }
    return (gate_span){masked, len};
}

const char *gate_detail_words(apr_pool_t *p, gate_span text, size_t max_bytes)
{
    return gate_span_for_log(p, mask(p, text), max_bytes);
}

const char *gate_detail_error(apr_pool_t *p, const json_t *object)
{
    gate_span code = gate_json_text(object, "error");
    gate_span description = gate_json_text(object, "error_description");
    if (!code.ptr)
        return "";
    const char *text = gate_detail_words(p, code, ERROR_MAX_BYTES);
    if (!description.len)
        return text;
    return apr_pstrcat(p, text, ": ", gate_detail_words(p, description, DESCRIPTION_MAX_BYTES),
                       NULL);
}
