/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json.h"

#include <string.h>

#include "base/json_memory.h"

/* Beyond 2^53 a double no longer tells one second from the next. */
#define MAX_SECONDS 9007199254740992LL

static apr_status_t release(void *value)
{
    json_decref(value);
    return APR_SUCCESS;
}

json_t *gate_json_own(apr_pool_t *p, json_t *value)
{
    if (value)
        apr_pool_cleanup_register(p, value, release, apr_pool_cleanup_null);
    return value;
}

/* How often the byte is there; more than `most` need not be counted. */
static int count_byte(gate_span text, char byte, int most)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    int count = 0;
    while (count <= most && (at = memchr(at, byte, (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* Counts brackets outside strings, without recursion and before a recursive parser sees the text;
 * whether they pair up is the parser's business. */
static bool is_flat(gate_span text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > GATE_JSON_MAX_DEPTH)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

/* Most texts open fewer brackets than may stand within each other, and need no closer look. And
 * jansson passes over a NUL behind a number. */
static bool is_within_limits(gate_span text)
{
    const int most = GATE_JSON_MAX_DEPTH;
    return !memchr(text.ptr, '\0', text.len) &&
           (count_byte(text, '{', most) + count_byte(text, '[', most) <= most || is_flat(text));
}

/* Values of a token take about so much memory for each byte of text. */
#define BYTES_PER_BYTE 7
#define BYTES_AT_LEAST 512

const json_t *gate_json_object(apr_pool_t *p, gate_span text, size_t max_bytes)
{
    json_t *value;
    bool is_lent;

    if (!text.ptr || text.len > max_bytes || !is_within_limits(text))
        return NULL;
    is_lent = gate_json_lend(p, BYTES_AT_LEAST + text.len * BYTES_PER_BYTE);
    value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (is_lent)
        gate_json_lending_ends();
    else
        gate_json_own(p, value);
    return json_is_object(value) ? value : NULL;
}

static gate_span text_of(const json_t *string)
{
    return (gate_span){json_string_value(string), json_string_length(string)};
}

gate_span gate_json_text(const json_t *object, const char *name)
{
    return text_of(json_object_get(object, name));
}

gate_json_presence gate_json_seconds(const json_t *object, const char *name, apr_int64_t *seconds)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return GATE_JSON_ABSENT;
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number < 0 || number > MAX_SECONDS)
            return GATE_JSON_BROKEN;
        *seconds = number;
        return GATE_JSON_VALID;
    }
    double number = json_is_real(value) ? json_real_value(value) : -1;
    /* Asked this way round, a NaN is broken too. */
    if (!(number >= 0 && number <= (double)MAX_SECONDS))
        return GATE_JSON_BROKEN;
    *seconds = (apr_int64_t)number;
    return GATE_JSON_VALID;
}

gate_json_presence gate_json_string(const json_t *object, const char *name, gate_span *text)
{
    const json_t *value = json_object_get(object, name);
    if (!value)
        return GATE_JSON_ABSENT;
    if (!json_is_string(value))
        return GATE_JSON_BROKEN;
    *text = text_of(value);
    return GATE_JSON_VALID;
}

bool gate_json_has_text(const json_t *value, const char *text, size_t max_members)
{
    if (json_is_string(value))
        return gate_span_is(text_of(value), text);
    if (!json_is_array(value) || json_array_size(value) > max_members)
        return false;
    bool found = false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *member = json_array_get(value, i);
        if (!json_is_string(member))
            return false;
        found = found || gate_span_is(text_of(member), text);
    }
    return found;
}

gate_span gate_json_compact(apr_pool_t *p, const json_t *value)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t len = json_dumpb(value, NULL, 0, flags);
    if (!len)
        return (gate_span){NULL, 0};
    char *text = apr_palloc(p, len + 1);
    if (json_dumpb(value, text, len, flags) != len)
        return (gate_span){NULL, 0};
    text[len] = '\0';
    return (gate_span){text, len};
}

gate_span gate_json_quote(apr_pool_t *p, gate_span text)
{
    static const char digits[] = "0123456789abcdef";
    char *quoted = apr_palloc(p, text.len * strlen("\\u0000") + sizeof "\"\""), *out = quoted;
    *out++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20) {
            memcpy(out, "\\u00", 4);
            out[4] = digits[c >> 4];
            out[5] = digits[c & 15];
            out += 6;
            continue;
        }
        if (c == '"' || c == '\\')
            *out++ = '\\';
        *out++ = (char)c;
    }
    *out++ = '"';
    *out = '\0';
    return (gate_span){quoted, (size_t)(out - quoted)};
}
