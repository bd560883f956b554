/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/number.h"

#include "tap.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void numbers(void)
{
    static const char *const good[] = {
        "0",       "-0",   "7",    "-7",  "10",      "0.5",       "1.0",
        "1e2",     "1E+2", "1e-2", "0e0", "2.5e-07", "-1.25e300", "12345678901234567890",
        "1e999999"};
    static const char *const bad[] = {"",
                                      "-",
                                      "+7",
                                      "07",
                                      "00",
                                      ".5",
                                      "5.",
                                      "1.e2",
                                      "1e",
                                      "1e+",
                                      "e1",
                                      "0x1",
                                      "1 ",
                                      " 1",
                                      "1,5",
                                      "NaN",
                                      "Infinity",
                                      "--1",
                                      "1-",
                                      "1e1.5",
                                      "1e1000000",
                                      "seven",
                                      "1e99999999999999999999"};
    for (size_t i = 0; i < COUNT(good); i++)
        ok(gate_number_is(gate_span_of(good[i])), "'%s' is a number", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        ok(!gate_number_is(gate_span_of(bad[i])), "'%s' is none", bad[i]);
}

static int sign_of(int n)
{
    return (n > 0) - (n < 0);
}

/* In order, what is equal on one line. */
static void order(void)
{
    static const struct {
        int rank;
        const char *text;
    } cases[] = {
        {0, "-1e10"},
        {0, "-10000000000"},
        {0, "-10000000000.0"},
        {1, "-10.5"},
        {2, "-10.25"},
        {3, "-10"},
        {3, "-1.0e1"},
        {4, "-9"},
        {5, "-0.001"},
        {6, "0"},
        {6, "-0"},
        {6, "0.000"},
        {6, "0e9"},
        {6, "-0.0e-9"},
        {7, "1e-999999"},
        {8, "0.00125"},
        {8, "1.25e-3"},
        {8, "125e-5"},
        {9, "0.1"},
        {10, "0.30000000000000004"},
        {11, "0.9999"},
        {12, "1"},
        {12, "1.0"},
        {12, "10e-1"},
        {12, "0.1e1"},
        {13, "1.5"},
        {14, "9"},
        {15, "10"},
        {16, "99.99"},
        {17, "100"},
        {17, "1e2"},
        {17, "1.00E+2"},
        {18, "9007199254740992"},
        {19, "9007199254740993"},
        {20, "9223372036854775807"},
        {21, "9223372036854775808"},
        {22, "1e300"},
        {23, "1e999999"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t j = 0; j < COUNT(cases); j++) {
            const int want = sign_of(cases[i].rank - cases[j].rank);
            const int got = sign_of(
                gate_number_compare(gate_span_of(cases[i].text), gate_span_of(cases[j].text)));
            if (got != want || i == j)
                ok(got == want, "%s against %s is %d", cases[i].text, cases[j].text, want);
        }
}

int main(void)
{
    numbers();
    order();
    return tap_done();
}
