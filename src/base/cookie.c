/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/cookie.h"

#include <apr_strings.h>

/* Cuts off the next piece as it stands, blanks and all. httpd joins two Cookie fields with ',':
 * what is to go, goes from behind each. False when nothing is left. */
static bool cut(gate_span *rest, gate_span *piece)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->ptr, ';', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    end = memchr(rest->ptr, ',', len);
    if (end)
        len = (size_t)(end - rest->ptr);
    size_t taken = len < rest->len ? len + 1 : len;
    *piece = (gate_span){rest->ptr, len};
    *rest = (gate_span){rest->ptr + taken, rest->len - taken};
    return true;
}

static void split(gate_span piece, gate_span *name, gate_span *value)
{
    const char *equals = memchr(piece.ptr, '=', piece.len);
    if (!equals) {
        *name = gate_span_trim(piece);
        *value = (gate_span){NULL, 0};
        return;
    }
    size_t len = (size_t)(equals - piece.ptr);
    *name = gate_span_trim((gate_span){piece.ptr, len});
    *value = gate_span_trim((gate_span){equals + 1, piece.len - len - 1});
}

bool gate_cookie_next(gate_span *header, gate_span *name, gate_span *value)
{
    gate_span piece;
    while (gate_span_cut(header, ';', &piece)) {
        if (!gate_span_trim(piece).len)
            continue;
        split(piece, name, value);
        return true;
    }
    return false;
}

gate_cookie_count gate_cookie_find(gate_span header, gate_span name, gate_span *value)
{
    gate_cookie_count count = GATE_COOKIE_NONE;
    gate_span found, found_value;
    while (gate_cookie_next(&header, &found, &found_value)) {
        if (!gate_span_equal(found, name) || !found_value.len)
            continue;
        if (count == GATE_COOKIE_ONE || memchr(found_value.ptr, ',', found_value.len))
            return GATE_COOKIE_SEVERAL;
        count = GATE_COOKIE_ONE;
        *value = found_value;
    }
    return count;
}

/* Whether a piece is to go: the cookie of that name, or one of its family. */
typedef bool goes_fn(gate_span piece, const char *name);

static bool is_of_family(gate_span piece, const char *name)
{
    gate_span found, value;
    split(piece, &found, &value);
    size_t len = strlen(name);
    return gate_span_starts(found, name) && (found.len == len || found.ptr[len] == '-');
}

static bool is_called(gate_span piece, const char *name)
{
    gate_span found, value;
    split(piece, &found, &value);
    return gate_span_is(found, name);
}

/* Copies the pieces that stay, each with the separator that was before it. */
static const char *copy_others(apr_pool_t *p, gate_span header, const char *name, goes_fn *goes)
{
    const char *start = header.ptr;
    char *text = apr_palloc(p, header.len + 1);
    char *out = text;
    bool any = false;
    gate_span piece;
    while (cut(&header, &piece)) {
        if (goes(piece, name))
            continue;
        bool blank = !gate_span_trim(piece).len;
        if (out == text) {
            /* In front there is no separator, nor the blanks that came after it. */
            while (piece.len && (piece.ptr[0] == ' ' || piece.ptr[0] == '\t')) {
                piece.ptr++;
                piece.len--;
            }
            if (blank)
                continue;
        } else if (piece.ptr > start) {
            *out++ = piece.ptr[-1];
        }
        memcpy(out, piece.ptr, piece.len);
        out += piece.len;
        any = any || !blank;
    }
    *out = '\0';
    return any ? text : NULL;
}

static const char *without(apr_pool_t *p, const char *header, const char *name, goes_fn *goes)
{
    gate_span rest = gate_span_of(header), piece;
    bool any = false;
    int pieces = 0;
    for (; cut(&rest, &piece); pieces++)
        any = any || goes(piece, name);
    if (!any)
        return header;
    return pieces == 1 ? NULL : copy_others(p, gate_span_of(header), name, goes);
}

const char *gate_cookie_without(apr_pool_t *p, const char *header, const char *name)
{
    return without(p, header, name, is_of_family);
}

const char *gate_cookie_without_one(apr_pool_t *p, const char *header, const char *name)
{
    return without(p, header, name, is_called);
}

const char *gate_cookie_text(apr_pool_t *p, const gate_cookie *cookie)
{
    const char *age = cookie->max_age < 0 ? "" : apr_psprintf(p, "; Max-Age=%d", cookie->max_age);
    return apr_pstrcat(p, cookie->name, "=", cookie->value, "; Path=", cookie->path, age,
                       cookie->secure ? "; Secure" : "", "; HttpOnly; SameSite=", cookie->samesite,
                       NULL);
}
