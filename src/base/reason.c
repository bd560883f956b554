/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/reason.h"

#include <stddef.h>

static const gate_reason_row rows[GATE_REASON_COUNT] = {
    [GATE_OK] = {"ok", 200, NULL, GATE_LEVEL_INFO, ""},
#define GATE_REASON_ROW(constant, name, status, error, level, remedy)                               \
    [GATE_##constant] = {#name, status, error, GATE_LEVEL_##level, remedy},
    GATE_REASONS(GATE_REASON_ROW)
#undef GATE_REASON_ROW
};

const gate_reason_row *gate_reason_get(gate_reason reason)
{
    return &rows[reason < GATE_REASON_COUNT ? reason : GATE_INTERNAL];
}
