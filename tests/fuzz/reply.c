/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Answers of a provider: what is made of one does not depend on the pieces in which it comes. */
#include "fuzz.h"

#include "io/reply.h"

#define MAX_BODY 64

static gate_reply_part bring(gate_reply *reply, gate_span input, size_t step)
{
    gate_reply_part part = GATE_REPLY_MORE;
    while (input.len && part == GATE_REPLY_MORE) {
        apr_size_t room;
        char *to = gate_reply_room(reply, &room);
        size_t count = step < input.len ? step : input.len;
        FUZZ_CHECK(to && room);
        if (count > room)
            count = room;
        memcpy(to, input.ptr, count);
        input = (gate_span){input.ptr + count, input.len - count};
        part = gate_reply_take(reply, count);
    }
    return part == GATE_REPLY_MORE ? gate_reply_end(reply) : part;
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_reply whole = {.bytes = NULL}, pieces = {.bytes = NULL};
    gate_reply_begin(&whole, p, MAX_BODY);
    const gate_reply_part part = bring(&whole, input, input.len);
    for (size_t step = 1; step < 8; step += 3) {
        gate_reply_begin(&pieces, p, MAX_BODY);
        FUZZ_CHECK(bring(&pieces, input, step) == part);
        if (part == GATE_REPLY_BAD) {
            FUZZ_CHECK(whole.problem && !whole.keeps && !pieces.keeps);
            continue;
        }
        FUZZ_CHECK(whole.status >= 200 && whole.status <= 599 && whole.status == pieces.status);
        FUZZ_CHECK(gate_reply_body(&whole).len <= MAX_BODY);
        FUZZ_CHECK(gate_span_equal(gate_reply_body(&whole), gate_reply_body(&pieces)));
        FUZZ_CHECK(!whole.keeps || (whole.at == whole.filled && pieces.keeps));
    }
    gate_reply_free(&whole);
    gate_reply_free(&pieces);
}
