/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Boxes and packs: what was sealed opens as it was, and nothing else opens; what was packed is
 * read, and whatever is read was packed. */
#include "fuzz.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include "base/pack.h"
#include "base/seal.h"

static const gate_key key = {"the key of the fuzzer"}, other_key = {"another one"};

static bool same_chance(void *bytes, size_t len)
{
    memset(bytes, 'n', len);
    return true;
}

static bool opens(apr_pool_t *p, const gate_key *with, const char *purpose, gate_span box,
                  gate_span *plain)
{
    *plain = (gate_span){NULL, 0};
    return gate_box_open(p, with, purpose, GATE_SPAN("place"), box, plain);
}

static void check_sealed(apr_pool_t *p, gate_span input)
{
    gate_span box, plain;
    FUZZ_CHECK(gate_box_seal(p, &key, "fuzz", GATE_SPAN("place"), input, same_chance, &box));
    FUZZ_CHECK(box.len == input.len + GATE_BOX_OVERHEAD);
    FUZZ_CHECK(opens(p, &key, "fuzz", box, &plain) && gate_span_equal(plain, input));
    FUZZ_CHECK(!opens(p, &other_key, "fuzz", box, &plain) && !plain.ptr);
    FUZZ_CHECK(!opens(p, &key, "fuz", box, &plain) && !plain.ptr);
    char *changed = apr_pmemdup(p, box.ptr, box.len);
    changed[input.len ? (unsigned char)input.ptr[0] % box.len : 0] ^= 1;
    FUZZ_CHECK(!opens(p, &key, "fuzz", (gate_span){changed, box.len}, &plain) && !plain.ptr);
    box.len--;
    FUZZ_CHECK(!opens(p, &key, "fuzz", box, &plain) && !plain.ptr);
}

/* A run of bytes that can be read is what packing its texts gives. */
static void check_pack(apr_pool_t *p, gate_span input)
{
    gate_span texts[GATE_PACK_MAX_ITEMS], first;
    for (int count = 0; count <= GATE_PACK_MAX_ITEMS; count++) {
        gate_pack pack = {.count = 0};
        if (!gate_pack_read(input, texts, count))
            continue;
        for (int i = 0; i < count; i++) {
            apr_int64_t number;
            gate_pack_add(&pack, texts[i]);
            FUZZ_CHECK(gate_pack_number(texts[i], &number) ==
                       (texts[i].ptr && texts[i].len == sizeof number));
        }
        FUZZ_CHECK(count == 0 ||
                   (gate_pack_front(input, &first, 1) && gate_span_equal(first, texts[0])));
        FUZZ_CHECK(gate_span_equal(gate_pack_bytes(p, &pack),
                                   (gate_span){input.ptr ? input.ptr : "", input.len}));
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_span plain;
    FUZZ_CHECK(!opens(p, &key, "fuzz", input, &plain) && !plain.ptr);
    check_sealed(p, input);
    check_pack(p, input);
    FUZZ_CHECK(ERR_peek_error() == 0);
}
