/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/assertion.h"

#include <apr_strings.h>

#include "base/json.h"

#define JTI_BYTES 16

bool gate_assertion_owns(gate_span claim)
{
    static const char *const names[] = {"iss", "sub", "aud", "iat",   "nbf",
                                        "exp", "jti", "idp", "method"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (gate_span_is(claim, names[i]))
            return true;
    return false;
}

/* -- JSON text, as pieces that are put together at the end -- */

static void add(apr_array_header_t *pieces, gate_span text)
{
    struct iovec *piece = apr_array_push(pieces);
    *piece = (struct iovec){(void *)(uintptr_t)text.ptr, text.len};
}

static void add_string(apr_array_header_t *pieces, gate_span text)
{
    add(pieces, gate_json_quote(pieces->pool, text));
}

/* A string member; the name is ours and needs no escapes. */
static void add_member(apr_array_header_t *pieces, const char *before, gate_span text)
{
    add(pieces, gate_span_of(before));
    add_string(pieces, text);
}

static void add_value(apr_array_header_t *pieces, const gate_claim *claim, int i)
{
    gate_value_type type;
    const gate_span value = gate_claim_value(claim, i, &type);
    if (type == GATE_VALUE_STRING)
        add_string(pieces, value);
    else
        add(pieces, type == GATE_VALUE_NULL ? GATE_SPAN("null") : value);
}

static void add_claim(apr_array_header_t *pieces, const gate_identity *identity,
                      const gate_claim_name *name)
{
    gate_claim claim;
    if (!gate_claim_find(identity, name, &claim))
        return;
    add_member(pieces, ",", name->path);
    add(pieces, claim.is_array ? GATE_SPAN(":[") : GATE_SPAN(":"));
    for (int i = 0; i < claim.count; i++) {
        if (i)
            add(pieces, GATE_SPAN(","));
        add_value(pieces, &claim, i);
    }
    if (claim.is_array)
        add(pieces, GATE_SPAN("]"));
}

static apr_int64_t end_of(const gate_assertion *assertion, const gate_asserted *who)
{
    const apr_int64_t known = gate_identity_expires(who->identity);
    const apr_int64_t end = who->now + assertion->lifetime;
    return known > who->now && known < end ? known : end;
}

static gate_span claims_of(apr_pool_t *p, const gate_assertion *assertion, const gate_asserted *who,
                           gate_span audience, const char *jti)
{
    apr_array_header_t *pieces = apr_array_make(p, 64, sizeof(struct iovec));
    add_member(pieces, "{\"iss\":", gate_span_of(who->issuer));
    add_member(pieces, ",\"sub\":", gate_span_of(who->user));
    add_member(pieces, ",\"aud\":", audience);
    add(pieces,
        gate_span_of(apr_psprintf(p, ",\"iat\":%" APR_INT64_T_FMT ",\"exp\":%" APR_INT64_T_FMT,
                                  who->now, end_of(assertion, who))));
    add_member(pieces, ",\"jti\":", gate_span_of(jti));
    add_member(pieces, ",\"idp\":", gate_identity_issuer(who->identity));
    add_member(pieces, ",\"method\":", gate_span_of(who->method));
    for (int i = 0; assertion->claims && i < assertion->claims->nelts; i++)
        add_claim(pieces, who->identity, &APR_ARRAY_IDX(assertion->claims, i, gate_claim_name));
    add(pieces, GATE_SPAN("}"));
    gate_span text;
    text.ptr =
        apr_pstrcatv(p, (struct iovec *)(void *)pieces->elts, (apr_size_t)pieces->nelts, &text.len);
    return text;
}

gate_reason gate_assertion_make(apr_pool_t *p, const gate_assertion *assertion,
                                const gate_asserted *who, gate_span audience,
                                gate_random_fn *random, gate_span *text)
{
    const char *jti = gate_random_text(p, random, JTI_BYTES);
    if (!jti)
        return GATE_INTERNAL;
    *text = gate_span_of(
        gate_signer_sign(p, assertion->signer, claims_of(p, assertion, who, audience, jti)));
    return text->ptr ? GATE_OK : GATE_INTERNAL;
}

const char *gate_assertion_keys(apr_pool_t *p, const gate_assertion *assertion)
{
    const bool has_other =
        assertion->other && strcmp(assertion->other->kid, assertion->signer->kid) != 0;
    return apr_pstrcat(p, "{\"keys\":[", assertion->signer->jwk, has_other ? "," : "",
                       has_other ? assertion->other->jwk : "", "]}", NULL);
}
