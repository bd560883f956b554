/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* told.h - what holds for every answer that is read, and for every line about it */
#ifndef TOLD_H
#define TOLD_H

#include "base/message.h"
#include "base/reason.h"
#include "fuzz.h"
#include "oidc/detail.h"

#define TOLD_NOW 1700000000

/* "200 {...}": the input's status and body; 200 where no number stands in front. */
static inline gate_answer told_answer(gate_span input)
{
    gate_answer answer = {.status = 200, .content_type = "", .retry_after = -1, .body = input};
    int status = 0;
    size_t len = 0;
    while (len < 3 && len < input.len && input.ptr[len] >= '0' && input.ptr[len] <= '9')
        status = status * 10 + input.ptr[len++] - '0';
    if (len == 3 && input.len > 3 && input.ptr[3] == ' ') {
        answer.status = status;
        answer.body = (gate_span){input.ptr + 4, input.len - 4};
    }
    return answer;
}

/* A refusal says why, in one line that can stand between double quotes. */
static inline void told_check(gate_reason reason, const char *detail)
{
    FUZZ_CHECK(reason < GATE_REASON_COUNT);
    FUZZ_CHECK(reason == GATE_OK || (detail && *detail));
    FUZZ_CHECK(!detail || strlen(detail) <= GATE_DETAIL_MAX_BYTES);
    for (const char *c = detail; c && *c; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~' && *c != '"');
}

#endif
