/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/base64url.h"

#include "tap.h"

#include <apr_general.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* RFC 4648 section 10, and the two characters in which the alphabets differ. */
static const struct pair {
    gate_span bytes;
    const char *url, *padded;
} pairs[] = {
    {GATE_SPAN(""), "", ""},
    {GATE_SPAN("f"), "Zg", "Zg=="},
    {GATE_SPAN("fo"), "Zm8", "Zm8="},
    {GATE_SPAN("foo"), "Zm9v", "Zm9v"},
    {GATE_SPAN("foob"), "Zm9vYg", "Zm9vYg=="},
    {GATE_SPAN("fooba"), "Zm9vYmE", "Zm9vYmE="},
    {GATE_SPAN("foobar"), "Zm9vYmFy", "Zm9vYmFy"},
    {GATE_SPAN("\xfb\xff\xbf"), "-_-_", "+/+/"},
    {GATE_SPAN("\0\0"), "AAA", "AAA="},
    {GATE_SPAN("\xff\xff\xff\xff"), "_____w", "/////w=="},
};

/* One letter, or none: what decodes four times over is a letter. */
static void letters(apr_pool_t *p)
{
    unsigned wrong = 0;
    gate_span got;
    for (int c = 0; c < 256; c++) {
        const char text[] = {'A', (char)c, 'z', (char)c, '_', (char)c, '-', (char)c};
        const gate_span whole = {text, sizeof text};
        wrong += gate_base64url_is(whole) != gate_base64url_decode(p, whole, &got);
    }
    ok(wrong == 0, "a letter is what decodes");
    ok(gate_base64url_is(GATE_SPAN("")) && gate_base64url_is(GATE_SPAN("A")),
       "nothing but letters, however many");
    ok(!gate_base64url_is(GATE_SPAN("AAAA.")) && !gate_base64url_is(GATE_SPAN("=AAA")) &&
           !gate_base64url_is(((gate_span){"AA\0A", 4})),
       "wherever what is none stands");
}

static void vectors(apr_pool_t *p)
{
    gate_span got;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        is(gate_base64url_encode(p, pairs[i].bytes), pairs[i].url, "encodes to %s", pairs[i].url);
        is(gate_base64_encode(p, pairs[i].bytes), pairs[i].padded, "encodes, padded, to %s",
           pairs[i].padded);
        ok(gate_base64url_decode(p, gate_span_of(pairs[i].url), &got) &&
               gate_span_equal(got, pairs[i].bytes) && got.ptr[got.len] == '\0',
           "decodes %s", pairs[i].url);
        ok(gate_base64_decode(p, gate_span_of(pairs[i].padded), &got) &&
               gate_span_equal(got, pairs[i].bytes),
           "decodes the padded %s", pairs[i].padded);
    }
    ok(gate_base64_decode(p, GATE_SPAN("Zm8"), &got) && gate_span_is(got, "fo"),
       "standard base64 may come without its padding");
    ok(gate_base64url_decode(p, (gate_span){NULL, 0}, &got) && got.len == 0,
       "an absent text gives empty bytes");
}

static void refusals(apr_pool_t *p)
{
    static const gate_span url[] = {
        GATE_SPAN("Z"),      GATE_SPAN("Zm9vY"),  GATE_SPAN("Zg=="),    GATE_SPAN("Zm8="),
        GATE_SPAN("Zm9v="),  GATE_SPAN("="),      GATE_SPAN("===="),    GATE_SPAN("Zm+v"),
        GATE_SPAN("Zm/v"),   GATE_SPAN("Zm9v\n"), GATE_SPAN(" Zm9v"),   GATE_SPAN("Zm 9"),
        GATE_SPAN("Zm9v\0"), GATE_SPAN("Zm.v"),   GATE_SPAN("Zm9\xff"), GATE_SPAN("Zm9\x80"),
        GATE_SPAN("Zh"),     GATE_SPAN("Zv"),     GATE_SPAN("Zm9"),     GATE_SPAN("Zm_"),
        GATE_SPAN("AB"),     GATE_SPAN("AAB"),    GATE_SPAN("Zm%39"),   GATE_SPAN("\"Zm9v\""),
    };
    static const gate_span standard[] = {
        GATE_SPAN("Zg="),      GATE_SPAN("Zg==="), GATE_SPAN("Z==="),     GATE_SPAN("===="),
        GATE_SPAN("="),        GATE_SPAN("=="),    GATE_SPAN("Zm9v===="), GATE_SPAN("Zm9v=="),
        GATE_SPAN("Zg==Zg=="), GATE_SPAN("Zg=v"),  GATE_SPAN("Zm-v"),     GATE_SPAN("Zm_v"),
        GATE_SPAN("Zh=="),     GATE_SPAN("Zm9="),  GATE_SPAN("Zm9v\r\n"), GATE_SPAN("Zm9v "),
    };
    gate_span got;
    for (size_t i = 0; i < COUNT(url); i++)
        ok(!gate_base64url_decode(p, url[i], &got), "base64url: refuses %s",
           gate_span_for_log(p, url[i], 40));
    for (size_t i = 0; i < COUNT(standard); i++)
        ok(!gate_base64_decode(p, standard[i], &got), "base64: refuses %s",
           gate_span_for_log(p, standard[i], 40));
}

/* Of all texts of up to three characters, none decodes to what another one decodes to. */
static void uniqueness(apr_pool_t *p)
{
    static const char letters[] = "AQgwz-_+/=09";
    const size_t count = sizeof letters - 1;
    unsigned good = 0, bad = 0;
    for (size_t i = 0; i < count * count * count; i++) {
        char text[] = {letters[i % count], letters[i / count % count], letters[i / count / count]};
        for (size_t len = 2; len <= 3; len++) {
            gate_span bytes, piece = {text, len};
            if (!gate_base64url_decode(p, piece, &bytes))
                continue;
            good++;
            if (!gate_span_is(piece, gate_base64url_encode(p, bytes)))
                bad++;
        }
    }
    ok(good > 100 && bad == 0, "one text for one value: %u texts came back as they were", good);
}

static void every_byte(apr_pool_t *p)
{
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    bool good = true;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        gate_span got, in = {bytes + sizeof bytes - len, len};
        good = good && gate_base64url_decode(p, gate_span_of(gate_base64url_encode(p, in)), &got) &&
               gate_span_equal(got, in) &&
               gate_base64_decode(p, gate_span_of(gate_base64_encode(p, in)), &got) &&
               gate_span_equal(got, in);
    }
    ok(good, "every byte and every length goes there and back");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    letters(p);
    vectors(p);
    refusals(p);
    uniqueness(p);
    every_byte(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
