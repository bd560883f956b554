/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/quantity.h"

typedef struct unit {
    char letter;
    apr_uint64_t factor;
} unit;

static const unit durations[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
static const unit sizes[] = {{'K', 1u << 10}, {'M', 1u << 20}, {'G', 1u << 30}};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* What a number is multiplied by; the letter is cut off text. */
static apr_uint64_t cut_unit(gate_span *text, const unit *units, size_t count)
{
    for (size_t i = 0; text->len && i < count; i++) {
        if (text->ptr[text->len - 1] == units[i].letter) {
            text->len--;
            return units[i].factor;
        }
    }
    return 1;
}

static bool take(gate_span text, const unit *units, size_t count, apr_uint64_t max,
                 apr_uint64_t *value)
{
    const apr_uint64_t factor = cut_unit(&text, units, count);
    apr_uint64_t number;

    if (!gate_span_number(text, max / factor, &number))
        return false;
    *value = number * factor;
    return true;
}

bool gate_duration_read(gate_span text, apr_uint64_t max, apr_uint64_t *seconds)
{
    return take(text, durations, COUNT(durations), max, seconds);
}

bool gate_size_read(gate_span text, apr_uint64_t max, apr_uint64_t *bytes)
{
    return take(text, sizes, COUNT(sizes), max, bytes);
}
