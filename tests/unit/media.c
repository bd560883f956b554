/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/media.h"

#include "tap.h"

#define HTML    "text/html"
#define JSON    "application/json"
#define PROBLEM "application/problem+json"

static const struct {
    const char *accept, *type;
    int weight;
    bool is_named;
} cases[] = {
    {NULL, HTML, 1000, false},
    {"", HTML, 1000, false},
    {" \t", HTML, 1000, false},
    {"*/*", HTML, 1000, false},
    {"text/*", HTML, 1000, false},
    {"text/*", JSON, 0, false},
    {"text/html", HTML, 1000, true},
    {"Text/HTML", HTML, 1000, true},
    {"text/html", JSON, 0, false},
    {"text/html;q=0", HTML, 0, true},
    {"text/html;q=0.5", HTML, 500, true},
    {"text/html; Q=0.25", HTML, 250, true},
    {"text/html ; q=0.125", HTML, 125, true},
    {"text/html;q=0.", HTML, 0, true},
    {"text/html;q=1.000", HTML, 1000, true},
    {"text/html;charset=utf-8;q=0.3", HTML, 300, true},
    {"text/html;q=0.3;ext=1", HTML, 300, true},
    {"text/html;charset=utf-8", HTML, 1000, true},
    /* the most specific range counts, wherever it stands */
    {"*/*;q=0.9, text/html;q=0.1", HTML, 100, true},
    {"text/html;q=0.1, */*;q=0.9", HTML, 100, true},
    {"text/*;q=0.2, */*;q=0.9", HTML, 200, false},
    {"*/*, text/html;q=0", HTML, 0, true},
    {"text/html;q=0.1, text/html;q=0.7, text/html;q=0.4", HTML, 700, true},
    {"application/json, application/problem+json;q=0.9", PROBLEM, 900, true},
    {"application/json", PROBLEM, 0, false},
    {"application/*+json", PROBLEM, 0, false},
    {"application/problem+json", JSON, 0, false},
    /* what cannot be read says nothing */
    {"text/html;q=nonsense", HTML, 0, false},
    {"text/html;q=1.5", HTML, 0, false},
    {"text/html;q=1.001", HTML, 0, false},
    {"text/html;q=2", HTML, 0, false},
    {"text/html;q=-1", HTML, 0, false},
    {"text/html;q=.5", HTML, 0, false},
    {"text/html;q=0.1234", HTML, 0, false},
    {"text/html;q=", HTML, 0, false},
    {"text/html;q=00", HTML, 0, false},
    {"text/html;q=x, */*;q=0.2", HTML, 200, false},
    {",,text/html,,", HTML, 1000, true},
    {";q=1,=,;,text/html", HTML, 1000, true},
    {"text", HTML, 0, false},
    {"text/", HTML, 0, false},
    {"*", HTML, 0, false},
    {"*/html", HTML, 0, false},
    {"text/htm", HTML, 0, false},
    {"text/html5", HTML, 0, false},
};

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *accept = cases[i].accept;
        const gate_media_wish wish = gate_media_wanted(gate_span_of(accept), cases[i].type);

        ok(wish.weight == cases[i].weight && wish.is_named == cases[i].is_named,
           "'%s' wants %s by %d, and is %d", accept ? accept : "(nothing)", cases[i].type,
           cases[i].weight, wish.weight);
    }
    return tap_done();
}
