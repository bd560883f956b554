/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>

#include "base/query.h"

static apr_pool_t *p;

static const struct {
    const char *query;
    gate_query_count count;
    const char *value; /* where there is one */
    const char *left;  /* NULL: nothing */
} rows[] = {
    {"", GATE_QUERY_NONE, NULL, ""},
    {"a=1&b=2", GATE_QUERY_NONE, NULL, "a=1&b=2"},
    {"t=x", GATE_QUERY_ONE, "x", NULL},
    {"a=1&t=x&b=%20", GATE_QUERY_ONE, "x", "a=1&b=%20"},
    {"t=x&a=1", GATE_QUERY_ONE, "x", "a=1"},
    {"a=1&t=x", GATE_QUERY_ONE, "x", "a=1"},
    {"a=1&&t=x&b", GATE_QUERY_ONE, "x", "a=1&&b"},
    {"t=x%2By%3D", GATE_QUERY_ONE, "x+y=", NULL},
    {"t=x+y", GATE_QUERY_ONE, "x y", NULL},
    {"t=x=y", GATE_QUERY_ONE, "x=y", NULL},
    {"%74=x&a=%zz", GATE_QUERY_ONE, "x", "a=%zz"},
    {"t=x&t=x", GATE_QUERY_SEVERAL, NULL, NULL},
    {"t=x&a=1&%74=y", GATE_QUERY_SEVERAL, NULL, "a=1"},
    {"t=", GATE_QUERY_NONE, NULL, NULL},
    {"t", GATE_QUERY_NONE, NULL, NULL},
    {"t=&a=1&t=x", GATE_QUERY_ONE, "x", "a=1"},
    {"t=%zz&a=1", GATE_QUERY_BROKEN, NULL, "a=1"},
    {"t=%00", GATE_QUERY_BROKEN, NULL, NULL},
    {"t=%2", GATE_QUERY_BROKEN, NULL, NULL},
    {"T=x&tt=x&t%20=x&t.=x&a=t", GATE_QUERY_NONE, NULL, "T=x&tt=x&t%20=x&t.=x&a=t"},
    {"%7=x&%=x&%%74=x", GATE_QUERY_NONE, NULL, "%7=x&%=x&%%74=x"},
    {"a=1;t=x", GATE_QUERY_NONE, NULL, "a=1;t=x"},
};

int main(void)
{
    const char *untouched = "a=1&tt=2";

    apr_initialize();
    apr_pool_create(&p, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gate_span value = {NULL, 0};
        const char *left = gate_query_without(p, rows[i].query, "t");

        ok(gate_query_find(p, gate_span_of(rows[i].query), "t", &value) == rows[i].count,
           "in '%s' it is found as often as it is there", rows[i].query);
        ok(!rows[i].value || gate_span_is(value, rows[i].value), "with its value");
        ok(rows[i].left ? left && !strcmp(left, rows[i].left) : !left,
           "without it there is left %s", left ? left : "nothing");
    }
    ok(gate_query_without(p, untouched, "t") == untouched, "what needs no change is not copied");
    ok(!gate_query_without(p, NULL, "t"), "no query stays no query");
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
