/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/record.h"

#include "base/pack.h"

/* A value: the owner's tag or absent, the identity's box, the tokens' box or absent, the mark of a
 * renewal or absent. The tag stands first, where a walk over the store sees it; the two that a hit
 * needs are the front. */
enum { OWNER, IDENTITY_BOX, FRONT_PARTS, TOKENS_BOX = FRONT_PARTS, MARK, PARTS };

/* The tokens' box, opened. */
enum { ACCESS, REFRESH, ID, USERINFO, INTROSPECTION, ACCESS_EXPIRES, RENEW_AT, TOKEN_TEXTS };

static const char identity_purpose[] = "identity";
static const char tokens_purpose[] = "tokens";

/* What a box is bound to, as one text. */
typedef struct binding {
    unsigned char bytes[2 * GATE_DIGEST_BYTES + sizeof(gate_owner)];
} binding;

/* The owner's tag is the identity's; a longer one is nobody's, and opens nothing. */
static gate_span bound_to(const gate_record_lock *lock, gate_span owner, binding *bound)
{
    const size_t len = owner.len <= sizeof(gate_owner) ? owner.len : 0;

    memcpy(bound->bytes, lock->realm->bytes, GATE_DIGEST_BYTES);
    memcpy(bound->bytes + GATE_DIGEST_BYTES, lock->filed_under.bytes, GATE_DIGEST_BYTES);
    if (len)
        memcpy(bound->bytes + 2 * GATE_DIGEST_BYTES, owner.ptr, len);
    return (gate_span){(const char *)bound->bytes, 2 * GATE_DIGEST_BYTES + len};
}

static const gate_span nobody = {NULL, 0};

static gate_span pack_tokens(apr_pool_t *p, const gate_tokens *tokens)
{
    gate_pack pack = {.count = 0};

    gate_pack_add(&pack, tokens->access_token);
    gate_pack_add(&pack, tokens->refresh_token);
    gate_pack_add(&pack, tokens->id_token);
    gate_pack_add(&pack, tokens->userinfo);
    gate_pack_add(&pack, tokens->introspection);
    gate_pack_add_number(p, &pack, tokens->access_expires);
    gate_pack_add_number(p, &pack, tokens->renew_at);
    return gate_pack_bytes(p, &pack);
}

static gate_span pack_parts(apr_pool_t *p, const gate_span *parts)
{
    gate_pack pack = {.count = 0};

    for (int i = 0; i < PARTS; i++)
        gate_pack_add(&pack, parts[i]);
    return gate_pack_bytes(p, &pack);
}

static bool seal_tokens(apr_pool_t *p, gate_world *w, const gate_record_lock *lock,
                        const gate_tokens *tokens, gate_span *box)
{
    binding bound;
    const gate_span plain = pack_tokens(p, tokens);
    const bool sealed = gate_box_seal(p, &lock->key, tokens_purpose, bound_to(lock, nobody, &bound),
                                      plain, w->random, box);

    gate_wipe((void *)(uintptr_t)plain.ptr, plain.len);
    return sealed;
}

bool gate_record_seal(apr_pool_t *p, gate_world *w, const gate_record_lock *lock,
                      const gate_owner *owner, gate_span identity, const gate_tokens *tokens,
                      gate_span *value)
{
    binding bound;
    gate_span parts[PARTS] = {{NULL, 0}};

    if (owner)
        parts[OWNER] = (gate_span){(const char *)owner->bytes, sizeof owner->bytes};
    if (!gate_box_seal(p, &lock->key, identity_purpose, bound_to(lock, parts[OWNER], &bound),
                       identity, w->random, &parts[IDENTITY_BOX]) ||
        (tokens && !seal_tokens(p, w, lock, tokens, &parts[TOKENS_BOX])))
        return false;
    *value = pack_parts(p, parts);
    return true;
}

bool gate_record_exchange_tokens(apr_pool_t *p, gate_world *w, const gate_record_lock *lock,
                                 gate_span value, const gate_tokens *tokens, gate_span *exchanged)
{
    gate_span parts[PARTS];

    if (!gate_pack_read(value, parts, PARTS) ||
        !seal_tokens(p, w, lock, tokens, &parts[TOKENS_BOX]))
        return false;
    parts[MARK] = (gate_span){NULL, 0};
    *exchanged = pack_parts(p, parts);
    return true;
}

uint32_t gate_record_front(gate_span value)
{
    gate_span parts[FRONT_PARTS];

    return (uint32_t)gate_pack_front(value, parts, FRONT_PARTS);
}

bool gate_record_is_of(gate_span value, const gate_owner *owner)
{
    const gate_span tag = {(const char *)owner->bytes, sizeof owner->bytes};
    gate_span found;

    return gate_pack_front(value, &found, 1) && gate_span_equal(found, tag);
}

bool gate_record_mark(apr_pool_t *p, gate_span value, apr_int64_t since, gate_span *marked)
{
    gate_span parts[PARTS];

    if (!gate_pack_read(value, parts, PARTS))
        return false;
    parts[MARK] = (gate_span){(const char *)&since, sizeof since};
    *marked = pack_parts(p, parts);
    return true;
}

apr_int64_t gate_record_marked(gate_span value)
{
    gate_span parts[PARTS];
    apr_int64_t since;

    return gate_pack_read(value, parts, PARTS) && gate_pack_number(parts[MARK], &since) ? since : 0;
}

static gate_reason open_box(apr_pool_t *p, const gate_record_lock *lock, const char *purpose,
                            gate_span owner, gate_span box, gate_span *plain)
{
    binding bound;

    if (!box.ptr)
        return GATE_SESSION_TAMPERED;
    switch (gate_box_try(p, &lock->key, purpose, bound_to(lock, owner, &bound), box, plain)) {
    case GATE_BOX_OPENED:
        return GATE_OK;
    case GATE_BOX_FOREIGN:
        return GATE_SESSION_TAMPERED;
    default:
        return GATE_INTERNAL;
    }
}

gate_reason gate_record_identity(apr_pool_t *p, const gate_record_lock *lock, gate_span value,
                                 const gate_identity **identity)
{
    gate_span parts[FRONT_PARTS], plain;
    gate_reason reason;

    if (!gate_pack_front(value, parts, FRONT_PARTS))
        return GATE_SESSION_TAMPERED;
    reason = open_box(p, lock, identity_purpose, parts[OWNER], parts[IDENTITY_BOX], &plain);
    if (reason != GATE_OK)
        return reason;
    *identity = gate_identity_open(plain);
    return *identity ? GATE_OK : GATE_SESSION_TAMPERED;
}

gate_reason gate_record_tokens(apr_pool_t *p, const gate_record_lock *lock, gate_span value,
                               gate_tokens *tokens)
{
    gate_span parts[PARTS], plain, texts[TOKEN_TEXTS];
    gate_reason reason;

    if (!gate_pack_read(value, parts, PARTS))
        return GATE_SESSION_TAMPERED;
    reason = open_box(p, lock, tokens_purpose, nobody, parts[TOKENS_BOX], &plain);
    if (reason != GATE_OK)
        return reason;
    gate_wipe_with(p, plain);
    if (!gate_pack_read(plain, texts, TOKEN_TEXTS))
        return GATE_SESSION_TAMPERED;
    *tokens = (gate_tokens){
        .access_token = texts[ACCESS],
        .refresh_token = texts[REFRESH],
        .id_token = texts[ID],
        .userinfo = texts[USERINFO],
        .introspection = texts[INTROSPECTION],
    };
    return gate_pack_number(texts[ACCESS_EXPIRES], &tokens->access_expires) &&
                   gate_pack_number(texts[RENEW_AT], &tokens->renew_at)
               ? GATE_OK
               : GATE_SESSION_TAMPERED;
}
