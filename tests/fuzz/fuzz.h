/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* fuzz.h - what the fuzz targets share. A target includes it once and defines try_input. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <apr_general.h>
#include <apr_pools.h>

#include "base/span.h"

/* Called by libFuzzer, or by replay.c. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef FUZZ_REPLAY

/* What must hold for every input; it does not depend on NDEBUG. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

__attribute__((unused)) static void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* The target: input is borrowed, p ends after the call. */
static void try_input(apr_pool_t *p, gate_span input);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return apr_initialize() != APR_SUCCESS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p;
    if (apr_pool_create(&p, NULL) == APR_SUCCESS) {
        try_input(p, (gate_span){data ? (const char *)data : "", size});
        apr_pool_destroy(p);
    }
    return 0;
}

#endif
#endif
