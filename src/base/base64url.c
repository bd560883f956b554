/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/base64url.h"

#include <stdint.h>

#define IS_LETTER 0x40 /* set beside the value of each letter that there is */
#define COMMON_VALUES                                                                          \
    ['A'] = 64, ['B'] = 65, ['C'] = 66, ['D'] = 67, ['E'] = 68, ['F'] = 69, ['G'] = 70,        \
    ['H'] = 71, ['I'] = 72, ['J'] = 73, ['K'] = 74, ['L'] = 75, ['M'] = 76, ['N'] = 77,        \
    ['O'] = 78, ['P'] = 79, ['Q'] = 80, ['R'] = 81, ['S'] = 82, ['T'] = 83, ['U'] = 84,        \
    ['V'] = 85, ['W'] = 86, ['X'] = 87, ['Y'] = 88, ['Z'] = 89, ['a'] = 90, ['b'] = 91,        \
    ['c'] = 92, ['d'] = 93, ['e'] = 94, ['f'] = 95, ['g'] = 96, ['h'] = 97, ['i'] = 98,        \
    ['j'] = 99, ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103, ['o'] = 104, ['p'] = 105,  \
    ['q'] = 106, ['r'] = 107, ['s'] = 108, ['t'] = 109, ['u'] = 110, ['v'] = 111, ['w'] = 112, \
    ['x'] = 113, ['y'] = 114, ['z'] = 115, ['0'] = 116, ['1'] = 117, ['2'] = 118, ['3'] = 119, \
    ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123, ['8'] = 124, ['9'] = 125

#define COMMON_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

typedef struct alphabet {
    char letters[65];
    bool padded;
    unsigned char values[256]; /* 0 for what is no letter of it */
} alphabet;

static const alphabet url_safe = {
    COMMON_LETTERS "-_", false, {COMMON_VALUES, ['-'] = 126, ['_'] = 127}};
static const alphabet standard = {
    COMMON_LETTERS "+/", true, {COMMON_VALUES, ['+'] = 126, ['/'] = 127}};

static const char *encode(apr_pool_t *p, const alphabet *in, gate_span bytes)
{
    char *text = apr_palloc(p, (bytes.len + 2) / 3 * 4 + 1);
    char *out = text;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        const unsigned char *from = (const unsigned char *)bytes.ptr + i;
        unsigned group = (unsigned)from[0] << 16 | (left > 1 ? (unsigned)from[1] << 8 : 0) |
                         (left > 2 ? from[2] : 0);
        *out++ = in->letters[group >> 18];
        *out++ = in->letters[group >> 12 & 63];
        if (left > 1)
            *out++ = in->letters[group >> 6 & 63];
        else if (in->padded)
            *out++ = '=';
        if (left > 2)
            *out++ = in->letters[group & 63];
        else if (in->padded)
            *out++ = '=';
    }
    *out = '\0';
    return text;
}

/* Four letters, side by side. False where one is none. */
static inline bool read_group(const alphabet *in, const unsigned char *text, uint32_t *bits)
{
    const uint32_t a = in->values[text[0]], b = in->values[text[1]], c = in->values[text[2]],
                   d = in->values[text[3]];
    *bits = (a & 63) << 18 | (b & 63) << 12 | (c & 63) << 6 | (d & 63);
    return a & b & c & d & IS_LETTER;
}

/* The two or three that are left: what the last of them says beyond the last byte is nothing. */
static bool read_rest(const alphabet *in, const char *text, size_t count, unsigned char *to)
{
    unsigned char whole[] = "AAAA";
    uint32_t bits;
    memcpy(whole, text, count);
    if (!read_group(in, whole, &bits) || bits & (count == 2 ? 0xffffu : 0xffu))
        return false;
    to[0] = (unsigned char)(bits >> 16);
    if (count == 3)
        to[1] = (unsigned char)(bits >> 8);
    return true;
}

static bool decode(apr_pool_t *p, const alphabet *in, gate_span text, gate_span *bytes)
{
    const size_t groups = text.len / 4, rest = text.len % 4;
    const size_t len = groups * 3 + rest * 3 / 4;
    uint32_t bits;
    if (rest == 1)
        return false;
    unsigned char *out = apr_palloc(p, len + 1);
    for (size_t i = 0; i < groups; i++) {
        if (!read_group(in, (const unsigned char *)text.ptr + i * 4, &bits))
            return false;
        out[i * 3] = (unsigned char)(bits >> 16);
        out[i * 3 + 1] = (unsigned char)(bits >> 8);
        out[i * 3 + 2] = (unsigned char)bits;
    }
    if (rest && !read_rest(in, text.ptr + groups * 4, rest, out + groups * 3))
        return false;
    out[len] = '\0';
    *bytes = (gate_span){(const char *)out, len};
    return true;
}

const char *gate_base64url_encode(apr_pool_t *p, gate_span bytes)
{
    return encode(p, &url_safe, bytes);
}

bool gate_base64url_decode(apr_pool_t *p, gate_span text, gate_span *bytes)
{
    return decode(p, &url_safe, text, bytes);
}

bool gate_base64url_is(gate_span text)
{
    const unsigned char *values = url_safe.values, *at = (const unsigned char *)text.ptr;
    unsigned all = IS_LETTER;
    size_t i = 0;
    for (; text.len - i >= 4; i += 4)
        all &= values[at[i]] & values[at[i + 1]] & values[at[i + 2]] & values[at[i + 3]];
    for (; i < text.len; i++)
        all &= values[at[i]];
    return all != 0;
}

const char *gate_base64_encode(apr_pool_t *p, gate_span bytes)
{
    return encode(p, &standard, bytes);
}

bool gate_base64_decode(apr_pool_t *p, gate_span text, gate_span *bytes)
{
    /* At most two '=' that complete a group of four; any other is a foreign character. */
    if (text.len && text.len % 4 == 0) {
        for (int i = 0; i < 2 && text.ptr[text.len - 1] == '='; i++)
            text.len--;
    }
    return decode(p, &standard, text, bytes);
}
