/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/seal.h"

/* Beyond 2^53 a double no longer tells one second from the next. */
#define MAX_SECONDS 9007199254740992LL

static json_malloc_t given_malloc;
static json_free_t given_free;

static void *malloc_or_end(size_t size)
{
    static const char last_words[] = "mod_oidc_gate: no memory for JSON, ending this process\n";
    void *made = given_malloc(size);

    if (!made) {
        (void)!write(STDERR_FILENO, last_words, sizeof last_words - 1);
        abort();
    }
    return made;
}

/* Tokens go through jansson's hands, and it copies them as it reads. Where another part of this
 * process has already given it a memory of its own, nobody can tell how much there is to wipe. */
static json_free_t wiping(json_malloc_t get, json_free_t release)
{
    return get == malloc && release == free ? gate_wipe_and_free : release;
}

/* jansson's reader does not look whether its buffer could grow, and then reads and writes past the
 * end of it (2.14: lex_save, lex_scan_string). So, as with httpd's pools, whoever asks for memory
 * gets it or is no more. */
void gate_json_setup(void)
{
    json_malloc_t now;

    json_get_alloc_funcs(&now, &given_free);
    if (now == malloc_or_end)
        return;
    given_malloc = now;
    json_set_alloc_funcs(malloc_or_end, wiping(given_malloc, given_free));
}

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

/* Counts brackets outside strings, without recursion and before a recursive parser sees the text.
 * Whether they pair up is the parser's business. */
static bool is_flat_enough(gate_span text)
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

json_t *gate_json_object(apr_pool_t *p, gate_span text, size_t max_bytes)
{
    if (!text.ptr || text.len > max_bytes || !is_flat_enough(text))
        return NULL;
    json_error_t error;
    json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }
    return gate_json_own(p, value);
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
