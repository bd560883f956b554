/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* step_up.h - how strongly, and how recently, somebody must have signed in (RFC 9470, OIDC Core
 * section 3.1.2.1) */
#ifndef GATE_GATE_STEP_UP_H
#define GATE_GATE_STEP_UP_H

#include "base/reason.h"
#include "gate/claims.h"

typedef struct gate_step_up {
    const char *acr_values; /* any one of them, one space between; NULL: whichever */
    apr_int64_t max_age;    /* seconds that the sign-in may lie back; 0: any number */
} gate_step_up;

/* Whether anything is asked for at all. */
bool gate_step_up_is_asked(const gate_step_up *need);

/* GATE_OK where acr is, to the letter, one of acr_values, and auth_time is neither longer ago than
 * max_age nor in the future, both but for skew seconds. ACR_UNMET: not so, or a claim that is
 * needed is missing or no text. Nobody (NULL) meets nothing. detail may be NULL; on a refusal
 * *detail says what the claim was, bounded and escaped. */
gate_reason gate_step_up_check(const gate_step_up *need, const gate_identity *identity,
                               apr_int64_t now, int skew, apr_pool_t *p, const char **detail);

/* Makes *need what meets it and also `more`. False, and *need is as before, where no acr does. */
bool gate_step_up_narrow(apr_pool_t *p, gate_step_up *need, const gate_step_up *more);

#endif
