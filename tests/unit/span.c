/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/span.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const gate_span absent = {NULL, 0};

static void equality(void)
{
    gate_span empty = GATE_SPAN(""), one = GATE_SPAN("a");
    ok(gate_span_equal(absent, absent), "two absent spans are equal");
    ok(!gate_span_equal(absent, empty), "absent and empty differ");
    ok(!gate_span_equal(empty, absent), "empty and absent differ");
    ok(gate_span_equal(empty, (gate_span){"x", 0}),
       "two empty spans are equal wherever they point");
    ok(!gate_span_equal(one, GATE_SPAN("ab")), "a prefix is not equal");
    ok(!gate_span_equal(GATE_SPAN("a\0b"), GATE_SPAN("a\0c")), "what comes after a NUL counts");
    ok(!gate_span_equal(one, GATE_SPAN("A")), "case counts");
    ok(gate_span_equal_nocase(GATE_SPAN("Bearer"), GATE_SPAN("bEARER")), "nocase does not");
    ok(!gate_span_equal_nocase(GATE_SPAN("[x]"), GATE_SPAN("{x}")), "only letters have a case");
    ok(!gate_span_equal_nocase(GATE_SPAN("\xc4"), GATE_SPAN("\xe4")), "and only ASCII ones");
    ok(!gate_span_equal_nocase(absent, empty), "nocase keeps absent and empty apart");
    ok(gate_span_equal_nocase(absent, absent), "nocase: two absent spans are equal");
    ok(gate_span_is(one, "a") && !gate_span_is(one, "ab") && !gate_span_is(absent, "a"),
       "a span is what it reads as");
    ok(gate_span_is(absent, NULL) && !gate_span_is(empty, NULL), "no text is the absent span");
    ok(gate_span_starts(GATE_SPAN("127.0"), "127.") && !gate_span_starts(GATE_SPAN("127"), "127."),
       "a prefix must be there whole");
    ok(gate_span_starts(one, "") && !gate_span_starts(absent, ""), "absent starts with nothing");
}

static void names(void)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"X-User", "x_user", true},
        {"X_USER", "X-User", true},
        {"X-User", "X-Users", false},
        {"X-User", "X.User", true},
        {"x~user", "X|USER", true},
        {"X-User", "X0User", false},
        {"X-User", "XaUser", false},
        {"__", "--", true},
        {"", "", true},
        {"X-Us\xc3\xa9", "x-us\xc3\xa9", true},
        {"X-Us\xc3\xa9", "x-us\xc3\xe9", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(gate_name_equal_folded(gate_span_of(cases[i].a), gate_span_of(cases[i].b)) ==
               cases[i].same,
           "folded, '%s' and '%s' are %s", cases[i].a, cases[i].b,
           cases[i].same ? "the same" : "different");
    ok(!gate_name_equal_folded(absent, GATE_SPAN("")), "folded: absent is not empty");
    ok(gate_name_equal_folded(absent, absent), "folded: absent is absent");
}

static void trimming(apr_pool_t *p)
{
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        {"", ""}, {" ", ""}, {" \t ", ""}, {"a", "a"}, {" a b\t", "a b"}, {"\na\n", "\na\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(gate_span_dup(p, gate_span_trim(gate_span_of(cases[i].text))), cases[i].trimmed,
           "trim case %zu", i);
    ok(gate_span_trim(absent).ptr == NULL, "what is absent stays absent when trimmed");
    ok(gate_span_dup(p, absent) == NULL, "a copy of nothing is nothing");
    is(gate_span_dup(p, (gate_span){"abc", 2}), "ab", "a copy ends where the span does");
}

static void cutting(apr_pool_t *p)
{
    static const struct {
        const char *text, *pieces; /* joined by '|', one in front of each */
    } cuts[] =
        {
            {"", ""},      {"a", "|a"},  {"a,b", "|a|b"}, {"a,,b", "|a||b"},
            {",a", "||a"}, {"a,", "|a"}, {",", "|"},      {",,", "||"},
        },
      words[] = {
          {"", ""}, {" \t ", ""}, {"a", "|a"}, {"  a  b\tc ", "|a|b|c"}, {"a,b", "|a,b"},
      };
    for (size_t i = 0; i < COUNT(cuts); i++) {
        const char *got = "";
        gate_span rest = gate_span_of(cuts[i].text), piece;
        while (gate_span_cut(&rest, ',', &piece))
            got = apr_pstrcat(p, got, "|", gate_span_dup(p, piece), NULL);
        is(got, cuts[i].pieces, "cut at commas: '%s'", cuts[i].text);
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        const char *got = "";
        gate_span rest = gate_span_of(words[i].text), word;
        while (gate_span_word(&rest, &word))
            got = apr_pstrcat(p, got, "|", gate_span_dup(p, word), NULL);
        is(got, words[i].pieces, "words of '%s'", words[i].text);
    }
    gate_span rest = absent, piece;
    ok(!gate_span_cut(&rest, ',', &piece) && !gate_span_word(&rest, &piece),
       "nothing is cut off what is absent");
}

static void controls(void)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool control = c < 0x20 || c == 0x7f;
        if (gate_span_has_control((gate_span){&byte, 1}) != control)
            ok(false, "byte %02x is %sa control character", c, control ? "" : "not ");
    }
    for (int c = 0; c < 256; c++) {
        const bool printable = c >= 0x20 && c <= 0x7e;
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            for (size_t len = at + 1; len <= sizeof text; len++)
                if (gate_span_is_printable((gate_span){text, len}) != printable)
                    ok(false, "byte %02x as number %zu of %zu is %sprintable", c, at + 1, len,
                       printable ? "" : "not ");
        }
    }
    ok(gate_span_is_printable(GATE_SPAN("")) && gate_span_is_printable((gate_span){NULL, 0}),
       "nothing has nothing that is not printable");
    ok(gate_span_has_control(GATE_SPAN("abc\r\n")), "a line end is seen anywhere");
    ok(!gate_span_has_control(GATE_SPAN("")), "nothing has no control character");
}

static void escaping(apr_pool_t *p)
{
    static const struct {
        gate_span text;
        size_t max;
        const char *log;
    } logs[] = {
        {GATE_SPAN("plain text"), 99, "plain text"},
        {GATE_SPAN("a\"b\\c"), 99, "a\\x22b\\x5cc"},
        {GATE_SPAN("a\nb\r\x1b[0m\x7f"), 99, "a\\x0ab\\x0d\\x1b[0m\\x7f"},
        {GATE_SPAN("\0\xff"), 99, "\\x00\\xff"},
        {GATE_SPAN("abcdef"), 6, "abcdef"},
        {GATE_SPAN("abcdef"), 5, "abcde..."},
        {GATE_SPAN("abcdef"), 0, "..."},
        {GATE_SPAN(""), 0, ""},
        {{NULL, 0}, 10, ""},
    };
    for (size_t i = 0; i < COUNT(logs); i++)
        is(gate_span_for_log(p, logs[i].text, logs[i].max), logs[i].log, "log line: %s",
           logs[i].log);
    is(gate_span_for_html(p, GATE_SPAN("<a href=\"x\" id='y'>&\n\x7f")),
       "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;",
       "HTML is escaped, control bytes dropped");
    is(gate_span_for_html(p, GATE_SPAN("\"\"\"\"")), "&quot;&quot;&quot;&quot;",
       "a text of nothing but the longest entity fits");
    is(gate_span_for_html(p, GATE_SPAN("gr\xc3\xbc\xc3\x9f")), "gr\xc3\xbc\xc3\x9f",
       "UTF-8 stays in HTML");
    is(gate_span_for_html(p, absent), "", "nothing is empty HTML");
}

static void numbers(void)
{
    static const struct {
        const char *text;
        apr_uint64_t max;
        bool good;
        apr_uint64_t number;
    } cases[] = {
        {"0", 0, true, 0},
        {"1", 0, false, 0},
        {"007", 9, true, 7},
        {"65535", 65535, true, 65535},
        {"65536", 65535, false, 0},
        {"10", 9, false, 0},
        {"18446744073709551615", APR_UINT64_MAX, true, APR_UINT64_MAX},
        {"18446744073709551616", APR_UINT64_MAX, false, 0},
        {"99999999999999999999999", APR_UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"-1", 9, false, 0},
        {"+1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1.0", 99, false, 0},
        {"0x1", 99, false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        apr_uint64_t number = 12345;
        bool good = gate_span_number(gate_span_of(cases[i].text), cases[i].max, &number);
        ok(good == cases[i].good && number == (good ? cases[i].number : 12345),
           "'%s' is %s number up to %" APR_UINT64_T_FMT, cases[i].text, cases[i].good ? "a" : "no",
           cases[i].max);
    }
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    equality();
    names();
    trimming(p);
    cutting(p);
    controls();
    escaping(p);
    numbers();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
