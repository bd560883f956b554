/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/quantity.h"

#include "tap.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define BAD          ((apr_uint64_t)-1)

typedef struct written {
    const char *text;
    apr_uint64_t value; /* BAD: refused */
} written;

static const written durations[] = {
    {"0", 0},        {"30", 30},       {"30s", 30},   {"5m", 300},     {"8h", 28800},
    {"2d", 172800},  {"0s", 0},        {"007m", 420}, {"1000000s", 1000000},
    {"1000001s", BAD}, {"278h", BAD},  {"", BAD},     {"s", BAD},      {"5 m", BAD},
    {" 5m", BAD},    {"5m ", BAD},     {"-5m", BAD},  {"+5m", BAD},    {"1.5h", BAD},
    {"5M", BAD},     {"5S", BAD},      {"5ms", BAD},  {"5sm", BAD},    {"5w", BAD},
    {"0x10", BAD},   {"1e3", BAD},     {"5m5s", BAD}, {"18446744073709551616", BAD},
    {"307445734561825861m", BAD},
};

static const written sizes[] = {
    {"0", 0},          {"4096", 4096},  {"64K", 65536},   {"1M", 1048576}, {"64M", 67108864},
    {"1G", 1073741824}, {"2G", BAD},    {"1T", BAD},      {"64k", BAD},    {"64MB", BAD},
    {"64KB", BAD},     {"K", BAD},      {"", BAD},        {"1.5M", BAD},   {"64 M", BAD},
    {"17179869185G", BAD},
};

static void durations_read(void)
{
    for (size_t i = 0; i < COUNT(durations); i++) {
        apr_uint64_t seconds = BAD;
        const bool taken = gate_duration_read(gate_span_of(durations[i].text), 1000000, &seconds);

        ok(taken == (durations[i].value != BAD) && seconds == durations[i].value,
           "the duration '%s' is %s", durations[i].text, taken ? "taken" : "refused");
    }
}

static void sizes_read(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        apr_uint64_t bytes = BAD;
        const bool taken = gate_size_read(gate_span_of(sizes[i].text), 1u << 30, &bytes);

        ok(taken == (sizes[i].value != BAD) && bytes == sizes[i].value, "the size '%s' is %s",
           sizes[i].text, taken ? "taken" : "refused");
    }
}

int main(void)
{
    apr_uint64_t value = 7;

    durations_read();
    sizes_read();
    ok(!gate_duration_read((gate_span){NULL, 0}, 10, &value) && value == 7,
       "absent text is refused, and the value left alone");
    return tap_done();
}
