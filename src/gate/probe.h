/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* probe.h - what works at a provider and what does not, as an administrator sees it before anybody
 * signs in */
#ifndef GATE_GATE_PROBE_H
#define GATE_GATE_PROBE_H

#include "gate/gate.h"

typedef enum gate_verdict {
    GATE_WORKS,
    GATE_DOUBTFUL, /* it may work, and should be looked at */
    GATE_FAILS     /* something that is needed does not work */
} gate_verdict;

typedef struct gate_finding {
    gate_verdict verdict;
    const char *what;   /* "discovery", "keys", ... */
    const char *text;   /* no secret, and nothing of the provider's that is not escaped */
    const char *remedy; /* NULL where there is nothing to mend */
} gate_finding;

/* Asks the provider of these settings for its metadata and keys, and at its token and introspection
 * endpoints what becomes of a code and a token that nobody has: who does not know the client says
 * so. settings->methods says what is needed. Needs a world that can fetch, and its clock; no store.
 * The findings (of gate_finding, in p) are in the order in which they were made. */
apr_array_header_t *gate_probe(apr_pool_t *p, gate_world *w, const gate_settings *settings);

#endif
