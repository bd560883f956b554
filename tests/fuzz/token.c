/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* An answer of the token endpoint: what is taken is whole, printable, and from a 200. */
#include "oidc/bearer.h"
#include "oidc/token.h"
#include "told.h"

static void check_text(gate_span text)
{
    FUZZ_CHECK(text.len <= GATE_TOKEN_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++)
        FUZZ_CHECK(text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    gate_answer answer = told_answer(input);
    gate_token_set tokens;
    const char *detail = NULL;
    gate_reason reason = gate_token_read(p, &answer, TOLD_NOW, &tokens, &detail);
    told_check(reason, detail);
    if (reason != GATE_OK)
        return;
    FUZZ_CHECK(answer.status == 200 && tokens.access_token.len);
    FUZZ_CHECK(!tokens.id_token.ptr || tokens.id_token.len);
    FUZZ_CHECK(!tokens.refresh_token.ptr || tokens.refresh_token.len);
    FUZZ_CHECK(!tokens.expires || tokens.expires > TOLD_NOW);
    check_text(tokens.access_token);
    check_text(tokens.id_token);
    check_text(tokens.refresh_token);
    check_text(tokens.scope);
}
