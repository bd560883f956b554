/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/number.h"

#include <apr_lib.h>

#define MAX_EXPONENT 999999

/* 0.00125e2 is digits "125", magnitude 0: the first of them stands right behind the point. */
typedef struct number {
    int sign;         /* -1, 0 or 1 */
    gate_span digits; /* from the first that is not 0; a point may be among them */
    apr_int64_t magnitude;
} number;

static size_t count_digits(gate_span s)
{
    size_t count = 0;
    while (count < s.len && apr_isdigit(s.ptr[count]))
        count++;
    return count;
}

static void skip(gate_span *s, size_t count)
{
    s->ptr += count;
    s->len -= count;
}

static bool take(gate_span *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    skip(s, 1);
    return true;
}

/* Takes digits, at least one. */
static bool take_digits(gate_span *s, size_t *count)
{
    *count = count_digits(*s);
    skip(s, *count);
    return *count > 0;
}

static bool take_exponent(gate_span *s, apr_int64_t *exponent)
{
    *exponent = 0;
    if (!take(s, 'e') && !take(s, 'E'))
        return true;
    const bool is_negative = take(s, '-');
    if (!is_negative)
        take(s, '+');
    apr_uint64_t value;
    if (!gate_span_number(*s, MAX_EXPONENT, &value))
        return false;
    skip(s, s->len);
    *exponent = is_negative ? -(apr_int64_t)value : (apr_int64_t)value;
    return true;
}

/* Leaves leading zeros out, and says what it is. */
static void settle(number *n, gate_span digits, size_t before_point, apr_int64_t exponent)
{
    n->magnitude = (apr_int64_t)before_point + exponent;
    while (digits.len && (digits.ptr[0] == '0' || digits.ptr[0] == '.')) {
        n->magnitude -= digits.ptr[0] == '0';
        skip(&digits, 1);
    }
    n->digits = digits;
    if (!digits.len)
        n->sign = 0;
}

static bool read_number(gate_span s, number *n)
{
    size_t before_point, behind;
    apr_int64_t exponent;
    n->sign = take(&s, '-') ? -1 : 1;
    gate_span digits = s;
    if (!take_digits(&s, &before_point) || (before_point > 1 && digits.ptr[0] == '0'))
        return false;
    if (take(&s, '.') && !take_digits(&s, &behind))
        return false;
    digits.len = (size_t)(s.ptr - digits.ptr);
    if (!take_exponent(&s, &exponent) || s.len)
        return false;
    settle(n, digits, before_point, exponent);
    return true;
}

bool gate_number_is(gate_span s)
{
    number n;
    return read_number(s, &n);
}

/* The next digit, 0 where there are no more. */
static char next_digit(gate_span *digits)
{
    take(digits, '.');
    if (!digits->len)
        return '0';
    const char digit = digits->ptr[0];
    skip(digits, 1);
    return digit;
}

static int compare_sizes(number a, number b)
{
    if (a.magnitude != b.magnitude)
        return a.magnitude < b.magnitude ? -1 : 1;
    while (a.digits.len || b.digits.len) {
        const int difference = next_digit(&a.digits) - next_digit(&b.digits);
        if (difference)
            return difference;
    }
    return 0;
}

int gate_number_compare(gate_span a, gate_span b)
{
    number left = {.sign = 0}, right = {.sign = 0};
    read_number(a, &left);
    read_number(b, &right);
    if (left.sign != right.sign)
        return left.sign - right.sign;
    return left.sign ? left.sign * compare_sizes(left, right) : 0;
}
