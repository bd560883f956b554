/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Durations and sizes: what is read is a number and a unit, and means what they say. */
#include "fuzz.h"

#include <apr_strings.h>

#include "base/quantity.h"

#define MOST (APR_UINT64_C(1) << 40)

/* Reads it once more, digit by digit, with all the room that it may take. */
static bool means(gate_span text, const char *letters, const apr_uint64_t *factors,
                  apr_uint64_t value)
{
    const char last = text.len ? text.ptr[text.len - 1] : '\0';
    const char *letter = last ? strchr(letters, last) : NULL;
    const apr_uint64_t factor = letter ? factors[letter - letters] : 1;
    apr_uint64_t number = 0;
    text.len -= letter != NULL;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || number > MOST)
            return false;
        number = number * 10 + (apr_uint64_t)(text.ptr[i] - '0');
    }
    return text.len && number <= MOST && number * factor <= MOST && number * factor == value;
}

static void try_input(apr_pool_t *p, gate_span input)
{
    static const apr_uint64_t seconds[] = {1, 60, 3600, 86400},
                              bytes[] = {1 << 10, 1 << 20, 1 << 30};
    apr_uint64_t value = 0;
    if (gate_duration_read(input, MOST, &value))
        FUZZ_CHECK(means(input, "smhd", seconds, value));
    else
        FUZZ_CHECK(!means(input, "smhd", seconds, 0) && !value);
    value = 0;
    if (gate_size_read(input, MOST, &value))
        FUZZ_CHECK(means(input, "KMG", bytes, value));
    else
        FUZZ_CHECK(!value);
    FUZZ_CHECK(!gate_size_read(input, 0, &value) || value == 0);
}
