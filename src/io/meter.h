/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* meter.h - numbers that all processes count up together, in memory that they share */
#ifndef GATE_IO_METER_H
#define GATE_IO_METER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Counting is one atomic addition, without a lock, and orders nothing else: a number may be read a
 * moment before another that was counted earlier. */
typedef struct gate_meter {
    size_t count;
    _Atomic uint64_t cells[];
} gate_meter;

/* So many numbers, all 0, in anonymous shared memory that lives as long as the process and its
 * children; made before they are forked. What is never counted takes no memory. NULL where there is
 * none. */
gate_meter *gate_meter_make(size_t count);

static inline void gate_meter_add(gate_meter *meter, size_t cell, uint64_t more)
{
    atomic_fetch_add_explicit(&meter->cells[cell], more, memory_order_relaxed);
}

static inline void gate_meter_set(gate_meter *meter, size_t cell, uint64_t value)
{
    atomic_store_explicit(&meter->cells[cell], value, memory_order_relaxed);
}

static inline uint64_t gate_meter_read(const gate_meter *meter, size_t cell)
{
    return atomic_load_explicit(&meter->cells[cell], memory_order_relaxed);
}

#endif
