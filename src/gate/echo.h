/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* echo.h - what a provider says back of what it was told in confidence */
#ifndef GATE_GATE_ECHO_H
#define GATE_GATE_ECHO_H

#include "base/message.h"

/* Blots out of an answer that is no success each code, token, secret and verifier of the question
 * ("no such code: ..."): such an answer is read to be logged. The body is then another, in p. */
void gate_echo_blot(apr_pool_t *p, const gate_question *question, gate_answer *answer);

#endif
