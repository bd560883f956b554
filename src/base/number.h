/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* number.h - numbers as JSON writes them (RFC 8259 section 6), compared as texts: exactly, whatever
 * their size */
#ifndef GATE_BASE_NUMBER_H
#define GATE_BASE_NUMBER_H

#include "base/span.h"

/* Whether all of s is a number. One with an exponent of more than six digits is none. */
bool gate_number_is(gate_span s);

/* Below, at or above 0, as a is less than, equal to or more than b: 7, 7.0 and 70e-1 are equal.
 * Both are numbers. */
int gate_number_compare(gate_span a, gate_span b);

#endif
