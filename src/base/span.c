/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/span.h"

#include <stdint.h>

#include <apr_strings.h>

/* ASCII only: the C library's functions ask the locale, and a locale is no part of a protocol. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static char fold(char c)
{
    const char small = lower(c);
    return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') ? small : '-';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

bool gate_span_equal(gate_span a, gate_span b)
{
    if (!a.ptr || !b.ptr)
        return a.ptr == b.ptr;
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

bool gate_span_equal_nocase(gate_span a, gate_span b)
{
    if (!a.ptr || !b.ptr)
        return a.ptr == b.ptr;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

bool gate_span_starts(gate_span s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.ptr && s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

gate_span gate_span_trim(gate_span s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool gate_span_cut(gate_span *rest, char separator, gate_span *piece)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->ptr, separator, rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    size_t taken = end ? len + 1 : len;
    *piece = (gate_span){rest->ptr, len};
    *rest = (gate_span){rest->ptr + taken, rest->len - taken};
    return true;
}

bool gate_span_word(gate_span *rest, gate_span *word)
{
    gate_span s = gate_span_trim(*rest);
    size_t len = 0;
    while (len < s.len && !is_blank(s.ptr[len]))
        len++;
    if (!len)
        return false;
    *word = (gate_span){s.ptr, len};
    *rest = (gate_span){s.ptr + len, s.len - len};
    return true;
}

const char *gate_span_dup(apr_pool_t *p, gate_span s)
{
    return s.ptr ? apr_pstrmemdup(p, s.ptr, s.len) : NULL;
}

/* Whether any byte of the eight is a control character: a borrow sets a high bit, and only such a
 * byte borrows first. */
static bool has_control_in(uint64_t word)
{
    const uint64_t each = 0x0101010101010101u, high = each << 7;
    const uint64_t del = word ^ each * 0x7f;
    return (((word - each * 0x20) & ~word) | ((del - each) & ~del)) & high;
}

/* Tokens and lists are long, and all of them are read on every request: eight bytes at a time, and
 * the last eight once more where some are left over. */
bool gate_span_has_control(gate_span s)
{
    uint64_t word;
    if (s.len < sizeof word) {
        for (size_t i = 0; i < s.len; i++)
            if (is_control(s.ptr[i]))
                return true;
        return false;
    }
    for (size_t i = 0; i + sizeof word <= s.len; i += sizeof word) {
        memcpy(&word, s.ptr + i, sizeof word);
        if (has_control_in(word))
            return true;
    }
    memcpy(&word, s.ptr + s.len - sizeof word, sizeof word);
    return has_control_in(word);
}

bool gate_span_is_printable(gate_span s)
{
    uint64_t bits = 0, word;
    size_t at = 0;
    for (; s.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, s.ptr + at, sizeof word);
        bits |= word;
    }
    for (; at < s.len; at++)
        bits |= (unsigned char)s.ptr[at];
    return !(bits & 0x8080808080808080u) && !gate_span_has_control(s);
}

bool gate_name_equal_folded(gate_span a, gate_span b)
{
    if (!a.ptr || !b.ptr)
        return a.ptr == b.ptr;
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    return true;
}

const char *gate_span_for_log(apr_pool_t *p, gate_span s, size_t max_bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = s.len < max_bytes ? s.len : max_bytes;
    char *text = apr_palloc(p, len * 4 + sizeof "...");
    char *out = text;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *out++ = (char)c;
            continue;
        }
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    memcpy(out, s.len > max_bytes ? "..." : "", s.len > max_bytes ? sizeof "..." : 1);
    return text;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

const char *gate_span_for_html(apr_pool_t *p, gate_span s)
{
    char *text = apr_palloc(p, s.len * strlen("&quot;") + 1);
    char *out = text;
    for (size_t i = 0; i < s.len; i++) {
        const char *escaped = entity(s.ptr[i]);
        if (escaped) {
            size_t len = strlen(escaped);
            memcpy(out, escaped, len);
            out += len;
        } else if (!is_control(s.ptr[i])) {
            *out++ = s.ptr[i];
        }
    }
    *out = '\0';
    return text;
}

bool gate_span_number(gate_span s, apr_uint64_t max, apr_uint64_t *number)
{
    apr_uint64_t n = 0;
    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (n > max / 10 || n * 10 > max - digit || digit > max)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return true;
}
