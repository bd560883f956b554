/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* media.h - how much a caller wants a media type: the Accept header (RFC 9110 sections 12.4.2 and
 * 12.5.1) */
#ifndef GATE_BASE_MEDIA_H
#define GATE_BASE_MEDIA_H

#include "base/span.h"

/* Weights are thousandths, as the header can say them. */
#define GATE_MEDIA_MAX 1000

typedef struct gate_media_wish {
    int weight;    /* 0: not wanted, to GATE_MEDIA_MAX */
    bool is_named; /* by its own name, not only by a range such as "text/" and an asterisk */
} gate_media_wish;

/* What `accept` says of a media type: the most specific range that takes it in counts; of equals,
 * the greater weight. An absent or blank header takes everything. A range's parameters other than
 * its weight are not looked at; one whose weight cannot be read is left out. `type` is
 * "text/html". */
gate_media_wish gate_media_wanted(gate_span accept, const char *type);

#endif
