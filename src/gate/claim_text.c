/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claim_text.h"

#include <apr_strings.h>

#define ESCAPED_BYTES 4 /* \xNN */

static bool must_escape(unsigned char c, bool commas_too)
{
    return c < 0x20 || c == 0x7f || (commas_too && c == ',');
}

static char *write_escaped(char *to, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escaped[ESCAPED_BYTES] = {'\\', 'x', digits[c >> 4], digits[c & 15]};
    memcpy(to, escaped, sizeof escaped);
    return to + sizeof escaped;
}

static const char *text_of(apr_pool_t *p, gate_span value, bool commas_too)
{
    size_t escapes = 0;
    for (size_t i = 0; i < value.len; i++)
        escapes += must_escape((unsigned char)value.ptr[i], commas_too);
    if (!escapes)
        return apr_pstrmemdup(p, value.ptr, value.len);
    char *text = apr_palloc(p, value.len + escapes * (ESCAPED_BYTES - 1) + 1), *to = text;
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.ptr[i];
        if (must_escape(c, commas_too))
            to = write_escaped(to, c);
        else
            *to++ = value.ptr[i];
    }
    *to = '\0';
    return text;
}

static apr_array_header_t *texts_of(apr_pool_t *p, const gate_claim *claim, bool commas_too)
{
    apr_array_header_t *texts = apr_array_make(p, claim->count, sizeof(const char *));
    for (int i = 0; i < claim->count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(claim, i, &type);
        if (type != GATE_VALUE_NULL)
            APR_ARRAY_PUSH(texts, const char *) = text_of(p, value, commas_too);
    }
    return texts;
}

apr_array_header_t *gate_claim_texts(apr_pool_t *p, const gate_claim *claim)
{
    return texts_of(p, claim, false);
}

const char *gate_claim_text(apr_pool_t *p, const gate_claim *claim)
{
    return apr_array_pstrcat(p, texts_of(p, claim, claim->is_array), ',');
}
