/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/cookie.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Each cookie as "name=value" or, where there is no value, "name!", in angle brackets. */
static const char *listed(apr_pool_t *p, gate_span header)
{
    const char *text = "";
    gate_span name, value;
    while (gate_cookie_next(&header, &name, &value))
        text = apr_pstrcat(p, text, "<", gate_span_dup(p, name), value.ptr ? "=" : "!",
                           value.ptr ? gate_span_dup(p, value) : "", ">", NULL);
    return text;
}

static void walking(apr_pool_t *p)
{
    static const struct {
        const char *header, *listed;
    } cases[] = {
        {"", ""},
        {";", ""},
        {"; ;", ""},
        {",", "<,!>"},
        {" \t", ""},
        {";;; ;  ;", ""},
        {"=", "<=>"},
        {"==", "<==>"},
        {"=a", "<=a>"},
        {"a", "<a!>"},
        {"a;", "<a!>"},
        {"a=", "<a=>"},
        {"a=b", "<a=b>"},
        {"a=b;", "<a=b>"},
        {"a=b; c=d", "<a=b><c=d>"},
        {"a=b;c=d", "<a=b><c=d>"},
        {"a=b, c=d", "<a=b, c=d>"},
        {"a=b,c=d", "<a=b,c=d>"},
        {"a=b ; c", "<a=b><c!>"},
        {"  a = b  ;\tc\t=\td", "<a=b><c=d>"},
        {"a=b=c==", "<a=b=c==>"},
        {"a=\"b c\"", "<a=\"b c\">"},
        {"a=\"b;c\"", "<a=\"b><c\"!>"},
        {"$Version=1; a=b; $Path=/", "<$Version=1><a=b><$Path=/>"},
        {"a=1; a=2", "<a=1><a=2>"},
        {"a=\xff\xfe", "<a=\xff\xfe>"},
        {"a=b; ;c=d", "<a=b><c=d>"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(listed(p, gate_span_of(cases[i].header)), cases[i].listed, "walks through '%s'",
           gate_span_for_log(p, gate_span_of(cases[i].header), 60));
    is(listed(p, (gate_span){NULL, 0}), "", "walks through no header at all");
    gate_span nul = GATE_SPAN("a=b\0c"), name, value;
    ok(gate_cookie_next(&nul, &name, &value) && value.len == 3, "a NUL ends nothing");
}

static void finding(apr_pool_t *p)
{
    static const struct {
        const char *header;
        gate_cookie_count count;
        const char *value;
    } cases[] = {
        {"", GATE_COOKIE_NONE, NULL},
        {"gate", GATE_COOKIE_NONE, NULL},
        {"gate=", GATE_COOKIE_NONE, NULL},
        {"gate= ; x=1", GATE_COOKIE_NONE, NULL},
        {"gate=v", GATE_COOKIE_ONE, "v"},
        {"x=1; gate=v; y=2", GATE_COOKIE_ONE, "v"},
        {"x=1, gate=v", GATE_COOKIE_NONE, NULL},
        {"x=1,gate=v", GATE_COOKIE_NONE, NULL},
        {"x=1,gate=v; gate=w", GATE_COOKIE_ONE, "w"},
        {"gate=w; x=1,gate=v", GATE_COOKIE_ONE, "w"},
        {"gate=v, x=1", GATE_COOKIE_SEVERAL, NULL},
        {"gate=; gate=v", GATE_COOKIE_ONE, "v"},
        {"gate=a=b", GATE_COOKIE_ONE, "a=b"},
        {"gate=v; gate=v", GATE_COOKIE_SEVERAL, NULL},
        {"gate=v, gate=w", GATE_COOKIE_SEVERAL, NULL},
        {"gate=v,gate=w", GATE_COOKIE_SEVERAL, NULL},
        {"gate=v; x=1; gate =w", GATE_COOKIE_SEVERAL, NULL},
        {"gate=1; gate=2; gate=3", GATE_COOKIE_SEVERAL, NULL},
        {"Gate=v", GATE_COOKIE_NONE, NULL},
        {"gate2=v", GATE_COOKIE_NONE, NULL},
        {"gate-x=v", GATE_COOKIE_NONE, NULL},
        {"agate=v", GATE_COOKIE_NONE, NULL},
        {"x=gate=v", GATE_COOKIE_NONE, NULL},
        {"\"gate\"=v", GATE_COOKIE_NONE, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_span value = {NULL, 0};
        gate_cookie_count count =
            gate_cookie_find(gate_span_of(cases[i].header), GATE_SPAN("gate"), &value);
        ok(count == cases[i].count &&
               (count != GATE_COOKIE_ONE || gate_span_is(value, cases[i].value)),
           "'%s' has %s", cases[i].header,
           cases[i].count == GATE_COOKIE_NONE  ? "none"
           : cases[i].count == GATE_COOKIE_ONE ? "one"
                                               : "several");
    }
}

static void without(apr_pool_t *p)
{
    static const struct {
        const char *header, *left; /* NULL: nothing is left */
    } cases[] = {
        {"gate=1", NULL},
        {"gate", NULL},
        {"gate=1;", NULL},
        {"; gate=1 ; ", NULL},
        {"gate=1; gate-a=2, gate-b=3", NULL},
        {"gate=1; x=2", "x=2"},
        {"gate=1,x=2", "x=2"},
        {"x=2; gate=1", "x=2"},
        {"x=2; gate=1;", "x=2"},
        {"x=2; gate=1; y=3", "x=2; y=3"},
        {"x=2;gate=1;y=3", "x=2;y=3"},
        {"x=2, gate=1, y=3", "x=2, y=3"},
        {"x=2, gate=1; y=3", "x=2; y=3"},
        {"x=2; gate-state-abc=1; y=3; gate=4", "x=2; y=3"},
        {"x=\"a, b\"; gate=1; y=a,b,,c", "x=\"a, b\"; y=a,b,,c"},
        {"gate=1; x=\"a;b\"", "x=\"a;b\""},
        {"gate=1; x=gate", "x=gate"},
        {"gate=1;  x  =  1  ; y", "x  =  1  ; y"},
        {" gate =1; x=1", "x=1"},
        {"gate=1; =; x", "=; x"},
        {"x=1; gate-=2", "x=1"},
        {"x=\xff; gate=1; y=\xfe", "x=\xff; y=\xfe"},
    };
    static const char *const untouched[] = {
        "",
        ";",
        "; ;",
        "=",
        "a",
        "x=1",
        "gates=1; x=2",
        "gat=1",
        "x=gate",
        "x=a, b; y=gate-1",
        "Gate=1",
        "gate_x=1",
        "gate.x=1",
        " x=1 ;; y=2 ,",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *left = gate_cookie_without(p, cases[i].header, "gate");
        ok(cases[i].left ? left && strcmp(left, cases[i].left) == 0 : !left,
           "of '%s' there is left: %s", gate_span_for_log(p, gate_span_of(cases[i].header), 60),
           left ? gate_span_for_log(p, gate_span_of(left), 60) : "nothing");
    }
    for (size_t i = 0; i < COUNT(untouched); i++)
        ok(gate_cookie_without(p, untouched[i], "gate") == untouched[i], "'%s' stays as it is",
           untouched[i]);
    ok(!gate_cookie_without(p, NULL, "gate"), "no header stays no header");
}

static void without_one(apr_pool_t *p)
{
    static const struct {
        const char *header, *left; /* NULL: nothing */
    } cases[] = {
        {"t=1", NULL},
        {"a=1; t=2; b=3", "a=1; b=3"},
        {"t=1; t=2, a=3", "a=3"},
        {"t-x=1; t=2; tt=3", "t-x=1; tt=3"},
        {"t; a", "a"},
        {"T=1; a=t", "T=1; a=t"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *left = gate_cookie_without_one(p, cases[i].header, "t");
        ok(cases[i].left ? left && strcmp(left, cases[i].left) == 0 : !left,
           "without the one cookie, of '%s' there is left: %s", cases[i].header,
           left ? left : "nothing");
    }
}

static void setting(apr_pool_t *p)
{
    static const struct {
        gate_cookie cookie;
        const char *text;
    } cases[] = {
        {{"__Host-gate", "v", "/", "Lax", -1, true},
         "__Host-gate=v; Path=/; Secure; HttpOnly; SameSite=Lax"},
        {{"gate", "v", "/oidc", "Strict", 600, false},
         "gate=v; Path=/oidc; Max-Age=600; HttpOnly; SameSite=Strict"},
        {{"gate", "", "/", "None", 0, true},
         "gate=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(gate_cookie_text(p, &cases[i].cookie), cases[i].text, "sets %s", cases[i].text);
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    walking(p);
    finding(p);
    without(p);
    without_one(p);
    setting(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
