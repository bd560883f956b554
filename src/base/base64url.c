/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/base64url.h"

#include <stdint.h>

typedef struct alphabet {
    char last[2]; /* what stands for 62 and 63: all in which the two alphabets differ */
    bool padded;
} alphabet;

static const alphabet url_safe = {{'-', '_'}, false};
static const alphabet standard = {{'+', '/'}, true};

static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* Value plus one; 0 for what is in neither alphabet, and for 62 and 63, which are seen to apart. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62,
};

static char letter(const alphabet *in, unsigned value)
{
    return value < 62 ? common[value] : in->last[value - 62];
}

static int value_of(const alphabet *in, char c)
{
    int value = values[(unsigned char)c];
    if (value)
        return value - 1;
    return c == in->last[0] ? 62 : c == in->last[1] ? 63 : -1;
}

static const char *encode(apr_pool_t *p, const alphabet *in, gate_span bytes)
{
    char *text = apr_palloc(p, (bytes.len + 2) / 3 * 4 + 1);
    char *out = text;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        const unsigned char *from = (const unsigned char *)bytes.ptr + i;
        unsigned group = (unsigned)from[0] << 16 | (left > 1 ? (unsigned)from[1] << 8 : 0) |
                         (left > 2 ? from[2] : 0);
        *out++ = letter(in, group >> 18);
        *out++ = letter(in, group >> 12 & 63);
        if (left > 1)
            *out++ = letter(in, group >> 6 & 63);
        else if (in->padded)
            *out++ = '=';
        if (left > 2)
            *out++ = letter(in, group & 63);
        else if (in->padded)
            *out++ = '=';
    }
    *out = '\0';
    return text;
}

static bool decode(apr_pool_t *p, const alphabet *in, gate_span text, gate_span *bytes)
{
    if (text.len % 4 == 1)
        return false;
    size_t len = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    unsigned char *out = apr_palloc(p, len + 1);
    size_t done = 0;
    uint32_t bits = 0;
    unsigned pending = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = value_of(in, text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        pending += 6;
        if (pending >= 8) {
            pending -= 8;
            out[done++] = (unsigned char)(bits >> pending);
        }
    }
    if (bits & ((1u << pending) - 1))
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
