/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* claims.h - a good set of claims with one thing wrong */
#ifndef CLAIMS_H
#define CLAIMS_H

#include "base/json.h"

/* The claim of that name replaced by a JSON value, or left out where the value is NULL. A name of
 * NULL changes nothing. */
typedef struct claim_change {
    const char *name, *value;
} claim_change;

static json_t *claims_with(apr_pool_t *p, const char *good, const claim_change *changes,
                           size_t count)
{
    json_t *claims = json_loads(good, JSON_DISABLE_EOF_CHECK, NULL);
    for (size_t i = 0; i < count; i++) {
        if (!changes[i].name)
            continue;
        if (!changes[i].value)
            json_object_del(claims, changes[i].name);
        else
            json_object_set_new(claims, changes[i].name,
                                json_loads(changes[i].value, JSON_DECODE_ANY, NULL));
    }
    return gate_json_own(p, claims);
}

#endif
