/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/texts.h"

#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "tap.h"

#define MANY 5000
#define MOST (1024 * 1024)

static bool keeps(gate_texts *texts, gate_span s, uint32_t *offset)
{
    return gate_texts_keep(texts, s, offset) && !memcmp(texts->bytes + *offset, s.ptr, s.len) &&
           !texts->bytes[*offset + s.len];
}

static void once(apr_pool_t *p)
{
    gate_texts texts = gate_texts_make(p, MOST);
    uint32_t first, again, other;

    ok(keeps(&texts, GATE_SPAN(""), &first) && first == 0 && texts.len == 1,
       "the empty text is one");
    ok(keeps(&texts, GATE_SPAN(""), &again) && again == first && texts.len == 1, "and kept once");
    ok(keeps(&texts, GATE_SPAN("admin"), &first) && keeps(&texts, GATE_SPAN("admin"), &again) &&
           first == again && texts.len == 7,
       "so is any other");
    ok(keeps(&texts, GATE_SPAN("admi"), &other) && other != first, "a beginning is another");
    ok(keeps(&texts, GATE_SPAN("admin\0"), &other) && other != first,
       "so is what goes on behind a NUL");
    ok(keeps(&texts, GATE_SPAN("a-text-of-16-byt"), &first) &&
           keeps(&texts, GATE_SPAN("a-text-of-16-byt\0"), &other) && other != first,
       "also where it is as long as a whole number of words");
}

static void many(apr_pool_t *p)
{
    gate_texts texts = gate_texts_make(p, MOST);
    uint32_t *offsets = apr_palloc(p, MANY * sizeof *offsets), again;
    int good = 0, same = 0;

    for (int i = 0; i < MANY; i++)
        good += keeps(&texts, gate_span_of(apr_psprintf(p, "group-%d", i)), &offsets[i]);
    const size_t len = texts.len;
    for (int i = 0; i < MANY; i++)
        same += keeps(&texts, gate_span_of(apr_psprintf(p, "group-%d", i)), &again) &&
                again == offsets[i];
    ok(good == MANY, "many are kept");
    ok(same == MANY && texts.len == len, "and found, however many there are");
}

static void limit(apr_pool_t *p)
{
    gate_texts texts = gate_texts_make(p, 8);
    uint32_t offset;

    ok(keeps(&texts, GATE_SPAN("abc"), &offset), "there is room");
    ok(!gate_texts_keep(&texts, GATE_SPAN("defg"), &offset), "not for one byte too many");
    ok(keeps(&texts, GATE_SPAN("def"), &offset), "but to the last");
    ok(!gate_texts_keep(&texts, GATE_SPAN(""), &offset), "not even for the empty text then");
    ok(keeps(&texts, GATE_SPAN("abc"), &offset) && offset == 0, "what is there is still found");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    once(p);
    many(p);
    limit(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
