/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Key sets and single keys, as a provider's answer has them. */
#include "fuzz.h"

#include <openssl/err.h>

#include "base/json.h"
#include "jose/jws.h"

/* A key that was read can be asked, and says no to what nobody has signed. */
static void ask(const gate_jwk *key)
{
    static const char zeros[132] = "";
    FUZZ_CHECK((key->type == GATE_KEY_OCT) == (key->pkey == NULL));
    for (int alg = 0; alg < GATE_ALG_COUNT; alg++) {
        gate_reason reason = gate_jws_verify((gate_alg)alg, key, GATE_SPAN("text"),
                                             (gate_span){zeros, sizeof zeros});
        FUZZ_CHECK(reason == GATE_BAD_SIGNATURE || reason == GATE_BAD_ALG);
    }
}

static void try_input(apr_pool_t *p, gate_span input)
{
    const gate_jwks *set = gate_jwks_read(p, input);
    for (int i = 0; set && i < set->count; i++) {
        FUZZ_CHECK(set->keys[i]->type != GATE_KEY_OCT);
        ask(set->keys[i]);
    }
    const json_t *object = gate_json_object(p, input, GATE_JWKS_MAX_BYTES);
    const char *problem = NULL;
    const gate_jwk *key = object ? gate_jwk_read(p, object, &problem) : NULL;
    FUZZ_CHECK(!object || !key == (problem != NULL));
    if (key)
        ask(key);
    FUZZ_CHECK(ERR_peek_error() == 0);
}
