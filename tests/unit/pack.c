/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/pack.h"

#include <apr_general.h>
#include <stdint.h>

#include "tap.h"

static apr_pool_t *p;

static gate_span pack_three(void)
{
    gate_pack pack = {.count = 0};

    gate_pack_add(&pack, GATE_SPAN("first"));
    gate_pack_add(&pack, GATE_SPAN(""));
    gate_pack_add(&pack, (gate_span){NULL, 0});
    return gate_pack_bytes(p, &pack);
}

static void test_texts(void)
{
    gate_span texts[3];

    ok(gate_pack_read(pack_three(), texts, 3), "three texts are read back");
    ok(gate_span_is(texts[0], "first"), "as they were");
    ok(texts[1].ptr && !texts[1].len, "an empty one is empty");
    ok(!texts[2].ptr, "an absent one is absent");
    ok(!gate_pack_read(pack_three(), texts, 2), "they are not two");
    ok(!gate_pack_read(pack_three(), (gate_span[4]){{NULL, 0}}, 4), "nor four");
}

static void test_front(void)
{
    const gate_span all = pack_three();
    gate_span texts[3];
    const size_t len = gate_pack_front(all, texts, 2);

    ok(len == 4 + strlen("first") + 4, "two of them take so many bytes");
    ok(gate_span_is(texts[0], "first") && texts[1].ptr && !texts[1].len, "and are the first two");
    ok(gate_pack_front((gate_span){all.ptr, len}, texts, 2) == len, "which is all that is needed");
    ok(!gate_pack_front((gate_span){all.ptr, len - 1}, texts, 2), "a byte less is too little");
    ok(!gate_pack_front((gate_span){all.ptr, len}, texts, 3), "and for the third as well");
}

static void test_bytes(void)
{
    const char bytes[] = "a\0b";
    gate_pack pack = {.count = 0};
    gate_span text;

    gate_pack_add(&pack, (gate_span){bytes, 3});
    ok(gate_pack_read(gate_pack_bytes(p, &pack), &text, 1) && text.len == 3 &&
           !memcmp(text.ptr, bytes, 3),
       "any byte may stand in a text");
    pack.count = 0;
    ok(gate_pack_bytes(p, &pack).len == 0 && gate_pack_read(gate_pack_bytes(p, &pack), NULL, 0),
       "nothing is nothing");
}

static void test_numbers(void)
{
    static const apr_int64_t numbers[] = {0, 1, -1, 1750000000, INT64_MAX, INT64_MIN};
    gate_pack pack = {.count = 0};
    gate_span texts[6];
    apr_int64_t number;
    int good = 0;

    for (int i = 0; i < 6; i++)
        gate_pack_add_number(p, &pack, numbers[i]);
    ok(gate_pack_read(gate_pack_bytes(p, &pack), texts, 6), "numbers are read back");
    for (int i = 0; i < 6; i++)
        good += gate_pack_number(texts[i], &number) && number == numbers[i];
    ok(good == 6, "each as it was");
    ok(!gate_pack_number(GATE_SPAN("1234567"), &number), "a text of seven bytes is none");
    ok(!gate_pack_number((gate_span){NULL, 0}, &number), "nor is an absent one");
}

/* What comes out of a box was put into one; but a record's outer pack lies in the store as it is.
 */
static void test_damaged(void)
{
    const gate_span good = pack_three();
    gate_span texts[3];
    int read = 0;

    for (size_t len = 0; len < good.len; len++)
        read += gate_pack_read((gate_span){good.ptr, len}, texts, 3);
    ok(read == 0, "what was cut anywhere is no pack");
    ok(!gate_pack_read((gate_span){good.ptr, good.len + 1}, texts, 3),
       "nor what has a byte too many");
    ok(!gate_pack_read((gate_span){"\xfe\xff\xff\xff", 4}, texts, 1),
       "nor a length that is longer than all");
    ok(!gate_pack_read((gate_span){NULL, 0}, texts, 1), "nor nothing at all");
}

static void test_limit(void)
{
    gate_pack pack = {.count = 0};

    for (int i = 0; i < GATE_PACK_MAX_ITEMS + 5; i++)
        gate_pack_add(&pack, GATE_SPAN("x"));
    ok(pack.count == GATE_PACK_MAX_ITEMS, "there are never more than fit");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_texts();
    test_front();
    test_bytes();
    test_numbers();
    test_damaged();
    test_limit();
    apr_terminate();
    return tap_done();
}
