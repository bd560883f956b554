/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define LIMIT        4096

static const char *repeat(apr_pool_t *p, const char *piece, int times)
{
    const char *text = "";
    for (int i = 0; i < times; i++)
        text = apr_pstrcat(p, text, piece, NULL);
    return text;
}

static const char *nested(apr_pool_t *p, const char *open, const char *close, int times)
{
    return apr_pstrcat(p, "{\"a\":", repeat(p, open, times), "1", repeat(p, close, times), "}",
                       NULL);
}

/* And as jansson alone reads it. */
static bool reads(apr_pool_t *p, const char *text)
{
    const json_t *object = gate_json_object(p, gate_span_of(text), LIMIT);
    json_t *same = object ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const bool is_same = json_equal(object, same);
    json_decref(same);
    return object && is_same;
}

static bool refuses(apr_pool_t *p, const char *text)
{
    return !gate_json_object(p, gate_span_of(text), LIMIT);
}

static const char *const good_texts[] = {
    "{}",
    " {} ",
    "\r\n\t{\"a\" : null}\n",
    "{\"a\":1,\"A\":2}",
    "{\"\":0}",
    "{\"a\":\"\\u00e9\\ud83d\\ude00\"}",
    "{\"a\":\"\xc3\xa9\"}",
    "{\"a\":{\"a\":{\"a\":1}}}",
    "{\"a\":[1,\"x\",true,false,null,1.5e3,{}]}",
    "{\"__proto__\":{\"a\":1}}",
    "{\"a\":9223372036854775807}",
    "{\"a\":\"[[[[[[[[[[[[[[[[[[[[{{{{{{{{{{{{\"}",
    "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[\"}",
    "{\"a\\\\\":\"[[[[[[[[[[[[[[[[[[[[[[\"}",
    /* numbers of each kind */
    "{\"a\":[0,-0,1,-1,10,999999999999999999,1000000000000000000,-9223372036854775808]}",
    "{\"a\":[0.5,-0.5,1e3,1E3,1e+3,1e-3,12.25e2,0e0,1e-400]}",
    /* strings and names that are plain, and such that are not */
    "{\"a\":[\"\",\" \",\"\x7f\",\"/\",\"\\/\",\"\\b\\f\\n\\r\\t\\\"\\\\\",\"caf\xc3\xa9\"]}",
    "{\"caf\xc3\xa9\":1,\"caf\\u00e8\":2,\"\\\"\":3,\"cafe\":4}",
    "{\"a\" \t\n:\r [ ] , \"b\" : [ 1 , { } , { \"c\" : [ [ ] ] } ] }",
};

static const char *const bad_texts[] = {
    "",
    " ",
    "null",
    "1",
    "\"a\"",
    "[]",
    "[{}]",
    "{",
    "}",
    "{}{}",
    "{} x",
    "{}\"",
    "{},",
    "{\"a\":1,}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":01}",
    "{\"a\":+1}",
    "{\"a\":.5}",
    "{\"a\":1.}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":-}",
    "{\"a\":tru}",
    "{\"a\":1}//",
    "/**/{}",
    "\xef\xbb\xbf{}",
    /* duplicates, at any level and however they are spelt */
    "{\"a\":1,\"a\":1}",
    "{\"a\":1,\"b\":2,\"a\":3}",
    "{\"x\":{\"a\":1,\"a\":2}}",
    "{\"x\":[{\"a\":1,\"a\":2}]}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"\":1,\"\":2}",
    /* NUL, as an escape */
    "{\"a\":\"admin\\u0000x\"}",
    "{\"a\\u0000b\":1}",
    "{\"a\":\"\\u0000\"}",
    /* broken UTF-8, broken escapes */
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc3\"}",
    "{\"a\":\"\xc0\xaf\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\udc00\\ud800\"}",
    "{\"a\":\"\\x41\"}",
    "{\"a\":\"\n\"}",
    "{\"a\":\"\x01\"}",
    "{\"a\":\"\\u12\"}",
    /* numbers that nothing can hold */
    "{\"a\":1e400}",
    "{\"a\":-1e400}",
    "{\"a\":9223372036854775808}",
    "{\"a\":123456789012345678901234567890}",
    "{\"a\":-9223372036854775809}",
    "{\"a\":1-1}",
    "{\"a\":--1}",
    "{\"a\":00}",
    "{\"a\":-01}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":0x1}",
    "{\"a\":1a}",
    "{\"a\":e}",
    /* what is missing, or too much */
    "{\"a\":}",
    "{\"a\"}",
    "{\"a\":[}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1 2]}",
    "{\"a\":[1}",
    "{\"a\":1]",
    "{,}",
    "{\"a\"::1}",
    "{\"a\":truefalse}",
    "{\"a\":True}",
    "{\"a\":nul",
    "{\"a\":\"x",
    "{\"a\":\"x\\",
    "{\"a\":\"x\\\"",
    "{\"a",
    "{\"a\xff\":1}",
    "{\"caf\xc3\xa9\":1,\"caf\\u00e9\":1}",
    "{\"a\":\"\\u0041\xff\"}",
    "{\"a\":\v1}",
};

static void objects(apr_pool_t *p)
{
    for (size_t i = 0; i < COUNT(good_texts); i++)
        ok(reads(p, good_texts[i]), "reads %s",
           gate_span_for_log(p, gate_span_of(good_texts[i]), 60));
    for (size_t i = 0; i < COUNT(bad_texts); i++)
        ok(refuses(p, bad_texts[i]), "refuses %s",
           gate_span_for_log(p, gate_span_of(bad_texts[i]), 60));
    const char *name = repeat(p, "0123456789abcdef", 16);
    ok(reads(p, apr_pstrcat(p, "{\"", name, "\":1,\"", name, "0\":2}", NULL)), "reads long names");
    ok(refuses(p, apr_pstrcat(p, "{\"", name, "\":1,\"", name, "\":2}", NULL)),
       "refuses a long name that comes twice");
    ok(!gate_json_object(p, GATE_SPAN("{\"a\":\"x\0y\"}"), LIMIT), "refuses a NUL as it is");
    ok(!gate_json_object(p, GATE_SPAN("{}\0"), LIMIT), "refuses a NUL at the end");
    ok(!gate_json_object(p, GATE_SPAN("{\"a\":1\0}"), LIMIT), "refuses a NUL behind a number");
    ok(!gate_json_object(p, GATE_SPAN("{\"a\\"), LIMIT), "refuses an escape at the end");
    ok(!gate_json_object(p, (gate_span){NULL, 0}, LIMIT), "refuses what is absent");
}

static void limits(apr_pool_t *p)
{
    ok(gate_json_object(p, GATE_SPAN("{\"a\":1}"), 7) != NULL, "reads as many bytes as it may");
    ok(!gate_json_object(p, GATE_SPAN("{\"a\":1}"), 6), "and not one more");
    ok(!gate_json_object(p, GATE_SPAN("{\"a\":1} "), 7), "be it a blank");
    ok(reads(p, nested(p, "[", "]", GATE_JSON_MAX_DEPTH - 1)), "reads 16 levels of arrays");
    ok(refuses(p, nested(p, "[", "]", GATE_JSON_MAX_DEPTH)), "refuses 17 levels of arrays");
    ok(reads(p, nested(p, "{\"a\":", "}", GATE_JSON_MAX_DEPTH - 1)), "reads 16 levels of objects");
    ok(refuses(p, nested(p, "{\"a\":", "}", GATE_JSON_MAX_DEPTH)), "refuses 17 levels of objects");
    ok(refuses(p, nested(p, "[", "]", 400)), "refuses 400 levels");
    ok(reads(p, apr_pstrcat(p, "{\"a\":[", repeat(p, "[],", 300), "1]}", NULL)),
       "brackets side by side are no depth");
    ok(refuses(p, repeat(p, "{\"a\":[", 600)), "refuses what only ever opens");
    ok(refuses(p, apr_pstrcat(p, repeat(p, "]", 100), repeat(p, "[", 110), NULL)),
       "refuses what closes first");
}

static void own(apr_pool_t *p)
{
    apr_pool_t *child;
    json_t *value = json_string("x");
    apr_pool_create(&child, p);
    ok(gate_json_own(child, json_incref(value)) == value, "a value is given to the pool");
    ok(value->refcount == 2, "which holds it");
    apr_pool_destroy(child);
    ok(value->refcount == 1, "until it is destroyed");
    json_decref(value);
    ok(gate_json_own(p, NULL) == NULL, "nothing stays nothing");
}

static void members(apr_pool_t *p)
{
    const json_t *object = gate_json_object(
        p, GATE_SPAN("{\"s\":\"text\",\"e\":\"\",\"n\":1,\"z\":null,\"a\":[\"x\"],\"t\":true}"),
        LIMIT);
    gate_span text = GATE_SPAN("as before");
    is(gate_json_text(object, "s").ptr, "text", "a string member is read");
    ok(gate_json_text(object, "e").ptr && gate_json_text(object, "e").len == 0,
       "an empty string is there");
    ok(!gate_json_text(object, "n").ptr && !gate_json_text(object, "z").ptr &&
           !gate_json_text(object, "a").ptr && !gate_json_text(object, "none").ptr,
       "what is no string, or not there, is absent");
    ok(!gate_json_text(NULL, "s").ptr, "no object has no members");
    ok(!gate_json_text(json_object_get(object, "a"), "s").ptr, "nor has an array");
    ok(gate_json_string(object, "none", &text) == GATE_JSON_ABSENT &&
           gate_span_is(text, "as before"),
       "a string that is not there leaves all as it was");
    ok(gate_json_string(object, "s", &text) == GATE_JSON_VALID && gate_span_is(text, "text"),
       "a string that is there is read");
    ok(gate_json_string(object, "e", &text) == GATE_JSON_VALID && text.len == 0,
       "an empty one too");
    static const char *const broken[] = {"n", "z", "a", "t"};
    for (size_t i = 0; i < COUNT(broken); i++)
        ok(gate_json_string(object, broken[i], &text) == GATE_JSON_BROKEN, "%s is no string",
           broken[i]);
}

static void seconds(apr_pool_t *p)
{
    static const struct {
        const char *value;
        gate_json_presence presence;
        apr_int64_t seconds;
    } cases[] = {
        {"0", GATE_JSON_VALID, 0},
        {"1700000000", GATE_JSON_VALID, 1700000000},
        {"1700000000.999", GATE_JSON_VALID, 1700000000},
        {"1.7e9", GATE_JSON_VALID, 1700000000},
        {"0.5", GATE_JSON_VALID, 0},
        {"-0.0", GATE_JSON_VALID, 0},
        {"9007199254740992", GATE_JSON_VALID, 9007199254740992},
        {"9007199254740992.0", GATE_JSON_VALID, 9007199254740992},
        {"9007199254740993", GATE_JSON_BROKEN, 0},
        {"9007199254740994.0", GATE_JSON_BROKEN, 0},
        {"1e300", GATE_JSON_BROKEN, 0},
        {"9223372036854775807", GATE_JSON_BROKEN, 0},
        {"-1", GATE_JSON_BROKEN, 0},
        {"-0.001", GATE_JSON_BROKEN, 0},
        {"-1e300", GATE_JSON_BROKEN, 0},
        {"\"1700000000\"", GATE_JSON_BROKEN, 0},
        {"null", GATE_JSON_BROKEN, 0},
        {"true", GATE_JSON_BROKEN, 0},
        {"[1]", GATE_JSON_BROKEN, 0},
        {"{}", GATE_JSON_BROKEN, 0},
    };
    apr_int64_t got = 77;
    ok(gate_json_seconds(gate_json_object(p, GATE_SPAN("{}"), LIMIT), "exp", &got) ==
               GATE_JSON_ABSENT &&
           got == 77,
       "a date that is not there leaves all as it was");
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = apr_pstrcat(p, "{\"exp\":", cases[i].value, "}", NULL);
        const json_t *object = gate_json_object(p, gate_span_of(text), LIMIT);
        got = 77;
        ok(object && gate_json_seconds(object, "exp", &got) == cases[i].presence &&
               got == (cases[i].presence == GATE_JSON_VALID ? cases[i].seconds : 77),
           "%s is %s date", cases[i].value, cases[i].presence == GATE_JSON_VALID ? "a" : "no");
    }
}

static void audiences(apr_pool_t *p)
{
    static const struct {
        const char *value;
        size_t max;
        bool has;
    } cases[] = {
        {"\"me\"", 9, true},
        {"\"you\"", 9, false},
        {"\"ME\"", 9, false},
        {"\"me \"", 9, false},
        {"\"\"", 9, false},
        {"[\"me\"]", 9, true},
        {"[\"you\",\"me\"]", 9, true},
        {"[\"me\",\"me\"]", 9, true},
        {"[]", 9, false},
        {"[\"you\"]", 9, false},
        {"[\"you\",\"me\"]", 2, true},
        {"[\"you\",\"me\"]", 1, false},
        {"[\"me\",1]", 9, false},
        {"[null,\"me\"]", 9, false},
        {"[\"me\",[\"me\"]]", 9, false},
        {"[[\"me\"]]", 9, false},
        {"{\"me\":1}", 9, false},
        {"null", 9, false},
        {"true", 9, false},
        {"1", 9, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = apr_pstrcat(p, "{\"aud\":", cases[i].value, "}", NULL);
        const json_t *object = gate_json_object(p, gate_span_of(text), LIMIT);
        ok(gate_json_has_text(json_object_get(object, "aud"), "me", cases[i].max) == cases[i].has,
           "%s, at most %zu of them, %s me", cases[i].value, cases[i].max,
           cases[i].has ? "has" : "does not have");
    }
    ok(!gate_json_has_text(NULL, "me", 9), "nothing has nothing");
}

static void compact(apr_pool_t *p)
{
    static const char *const texts[] = {
        "{}",
        "{\"z\":1,\"a\":[true,null,\"x\"],\"m\":{\"y\":1.5}}",
        "{\"a\":\"\\n\\\"\xc3\xa9\"}",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        const json_t *object = gate_json_object(p, gate_span_of(texts[i]), LIMIT);
        is(gate_json_compact(p, object).ptr, texts[i], "comes out as it came in: case %zu", i);
    }
    const json_t *spaced = gate_json_object(p, GATE_SPAN("{ \"b\" : [ 1 , 2 ] }"), LIMIT);
    is(gate_json_compact(p, spaced).ptr, "{\"b\":[1,2]}", "blanks go");
    is(gate_json_compact(p, json_object_get(spaced, "b")).ptr, "[1,2]", "an array has a text");
    gate_span text = gate_json_compact(p, gate_json_own(p, json_string("x")));
    ok(gate_span_is(text, "\"x\""), "so has a single string");
    ok(!gate_json_compact(p, NULL).ptr, "nothing has none");
}

static void quote(apr_pool_t *p)
{
    static const struct {
        gate_span text;
        const char *want;
    } cases[] = {
        {GATE_SPAN(""), "\"\""},
        {GATE_SPAN("bob"), "\"bob\""},
        {GATE_SPAN("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
        {GATE_SPAN("\r\n\t\x01\x1f\x7f"), "\"\\u000d\\u000a\\u0009\\u0001\\u001f\x7f\""},
        {GATE_SPAN("caf\xc3\xa9 \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xf0\x9f\x98\x80\""},
        {{"a\0b", 3}, "\"a\\u0000b\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_span quoted = gate_json_quote(p, cases[i].text);
        is(quoted.ptr, cases[i].want, "quoted: case %zu", i);
        ok(quoted.len == strlen(quoted.ptr), "its length is said");
    }
    char all[256];
    for (int c = 1; c < 0x80; c++)
        all[c - 1] = (char)c;
    const gate_span text = {all, 0x7f};
    const char *object = apr_pstrcat(p, "{\"a\":", gate_json_quote(p, text).ptr, "}", NULL);
    ok(gate_span_equal(gate_json_text(gate_json_object(p, gate_span_of(object), LIMIT), "a"), text),
       "whoever reads it gets the text back");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    objects(p); /* with jansson's own memory */
    gate_json_setup();
    objects(p);
    limits(p);
    own(p);
    members(p);
    seconds(p);
    audiences(p);
    compact(p);
    quote(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
