/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "io/meter.h"

#include <sys/mman.h>

gate_meter *gate_meter_make(size_t count)
{
    gate_meter *meter = mmap(NULL, sizeof *meter + count * sizeof meter->cells[0],
                             PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (meter == MAP_FAILED)
        return NULL;
    meter->count = count;
    return meter;
}
