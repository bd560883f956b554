/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/attempt.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "base/cookie.h"
#include "base/pack.h"

/* All attempts' cookies together; bytes. */
#define COOKIES_MAX_BYTES 4096

static const char purpose[] = "login";

enum {
    CREATED,
    AGAIN,
    MAX_AGE,
    POSTED,
    SETTINGS,
    REALM,
    STATE,
    NONCE,
    VERIFIER,
    RETURN_TO,
    ACR_VALUES,
    ATTEMPT_TEXTS
};

/* --- the seal --- */

static bool seal_attempt(const gate_request *q, const gate_site *site, gate_world *w,
                         const gate_attempt *attempt, gate_span *box)
{
    gate_pack pack = {.count = 0};
    gate_span plain;
    bool sealed;

    gate_pack_add_number(q->pool, &pack, attempt->created);
    gate_pack_add_number(q->pool, &pack, attempt->again);
    gate_pack_add_number(q->pool, &pack, attempt->max_age);
    gate_pack_add_number(q->pool, &pack, attempt->posted);
    gate_pack_add(&pack, attempt->settings);
    gate_pack_add(&pack, attempt->realm);
    gate_pack_add(&pack, attempt->state);
    gate_pack_add(&pack, attempt->nonce);
    gate_pack_add(&pack, attempt->verifier);
    gate_pack_add(&pack, attempt->return_to);
    gate_pack_add(&pack, attempt->acr_values);
    plain = gate_pack_bytes(q->pool, &pack);
    sealed = gate_box_seal(q->pool, &w->keys[0], purpose, gate_span_of(site->origin), plain,
                           w->random, box);
    gate_wipe((void *)(uintptr_t)plain.ptr, plain.len);
    return sealed;
}

static bool open_attempt(const gate_request *q, const gate_site *site, gate_world *w,
                         gate_span text, gate_attempt *attempt)
{
    gate_span box, plain = {NULL, 0}, texts[ATTEMPT_TEXTS];

    if (!text.ptr || text.len > COOKIES_MAX_BYTES || !gate_base64url_decode(q->pool, text, &box))
        return false;
    for (int i = 0; i < w->key_count && !plain.ptr; i++) {
        if (!gate_box_open(q->pool, &w->keys[i], purpose, gate_span_of(site->origin), box, &plain))
            plain = (gate_span){NULL, 0};
    }
    gate_wipe_with(q->pool, plain);
    if (!plain.ptr || !gate_pack_read(plain, texts, ATTEMPT_TEXTS) ||
        texts[NONCE].len != GATE_DIGEST_BYTES)
        return false;
    attempt->settings = texts[SETTINGS];
    attempt->realm = texts[REALM];
    attempt->state = texts[STATE];
    attempt->nonce = texts[NONCE];
    attempt->verifier = texts[VERIFIER];
    attempt->return_to = texts[RETURN_TO];
    attempt->acr_values = texts[ACR_VALUES];
    return gate_pack_number(texts[CREATED], &attempt->created) &&
           gate_pack_number(texts[AGAIN], &attempt->again) &&
           gate_pack_number(texts[MAX_AGE], &attempt->max_age) &&
           gate_pack_number(texts[POSTED], &attempt->posted);
}

/* --- the cookies --- */

static const char mark[] = "-login-", digits[] = "0123456789abcdef";
_Static_assert(sizeof digits - 1 == GATE_ATTEMPT_SLOTS, "a digit for each slot");

static const char *cookie_name(apr_pool_t *p, const gate_site *site, int slot)
{
    const char digit[] = {digits[slot], '\0'};

    return apr_pstrcat(p, site->cookie, mark, digit, NULL);
}

/* Which slot a cookie of that name is of; -1: of none. */
static int slot_of(gate_span name, const gate_site *site)
{
    const size_t family = strlen(site->cookie), len = family + strlen(mark);
    const char *digit;

    if (name.len != len + 1 || memcmp(name.ptr, site->cookie, family) != 0 ||
        memcmp(name.ptr + family, mark, strlen(mark)) != 0)
        return -1;
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the NUL behind the digits is none. */
    digit = memchr(digits, name.ptr[len], GATE_ATTEMPT_SLOTS);
    return digit ? (int)(digit - digits) : -1;
}

/* The provider sends the browser back by a link from elsewhere, which brings Lax cookies along; or
 * has it post a form from there, which does not. Browsers take None with Secure alone: on loopback
 * by plain http, what the provider of another host has posted finds no attempt. */
static const char *samesite_of(const gate_site *site, bool posted)
{
    return posted && site->secure ? "None" : "Lax";
}

/* max_age 0 takes the cookie away. */
static const char *cookie_text(const gate_request *q, const gate_site *site, int slot,
                               const char *value, int max_age, bool posted)
{
    const gate_cookie cookie = {
        .name = cookie_name(q->pool, site, slot),
        .value = value,
        .path = "/",
        .samesite = samesite_of(site, posted),
        .max_age = max_age,
        .secure = site->secure,
    };

    return gate_cookie_text(q->pool, &cookie);
}

bool gate_attempt_is_expired(const gate_request *q, const gate_attempt *attempt)
{
    return q->now >= attempt->created + GATE_LOGIN_SECONDS ||
           q->now < attempt->created - GATE_LOGIN_SECONDS;
}

void gate_attempts_find(const gate_request *q, const gate_site *site, gate_world *w,
                        gate_attempts *found)
{
    gate_span header = gate_span_of(q->header(q, "Cookie")), name, value;
    struct {
        gate_span text;
        int times;
    } brought[GATE_ATTEMPT_SLOTS] = {{.times = 0}};

    *found = (gate_attempts){.count = 0};
    while (gate_cookie_next(&header, &name, &value)) {
        const int slot = value.len ? slot_of(name, site) : -1;

        if (slot >= 0 && !brought[slot].times++)
            brought[slot].text = value;
    }
    for (int slot = 0; slot < GATE_ATTEMPT_SLOTS; slot++) {
        gate_found_attempt *item = &found->items[found->count];
        const gate_span text = brought[slot].text;

        if (!brought[slot].times)
            continue;
        /* Of two that are called the same, a sibling host may have set one. */
        if (brought[slot].times > 1 || !open_attempt(q, site, w, text, &item->attempt)) {
            found->dead_slots |= 1u << slot;
            continue;
        }
        item->slot = slot;
        item->bytes = text.len;
        found->count++;
    }
}

void gate_attempt_forget(const gate_request *q, const gate_site *site, gate_decision *decision,
                         int slot)
{
    gate_add_cookie(decision, cookie_text(q, site, slot, "", 0, false));
}

/* Takes the oldest attempt out of the list; its slot. */
static int drop_oldest(gate_attempts *found)
{
    int oldest = 0, slot;

    for (int i = 1; i < found->count; i++) {
        if (found->items[i].attempt.created < found->items[oldest].attempt.created)
            oldest = i;
    }
    slot = found->items[oldest].slot;
    found->items[oldest] = found->items[--found->count];
    return slot;
}

static size_t bytes_of(const gate_attempts *found)
{
    size_t bytes = 0;

    for (int i = 0; i < found->count; i++)
        bytes += found->items[i].bytes;
    return bytes;
}

/* Makes room for one attempt more: those that took too long go, then the oldest. */
static void make_room(const gate_request *q, gate_attempts *found, size_t bytes)
{
    for (int i = 0; i < found->count; i++) {
        if (gate_attempt_is_expired(q, &found->items[i].attempt)) {
            found->dead_slots |= 1u << found->items[i].slot;
            found->items[i--] = found->items[--found->count];
        }
    }
    while (found->count >= GATE_LOGINS_AT_ONCE ||
           (found->count && bytes_of(found) + bytes > COOKIES_MAX_BYTES))
        found->dead_slots |= 1u << drop_oldest(found);
}

/* A slot that no attempt of this browser has, at random: requests that start at the same moment do
 * not see each other. There are more slots than attempts. */
static int free_slot(const gate_attempts *found, unsigned char random)
{
    unsigned taken = 0;
    int slot = random % GATE_ATTEMPT_SLOTS;

    for (int i = 0; i < found->count; i++)
        taken |= 1u << found->items[i].slot;
    while (taken & 1u << slot)
        slot = (slot + 1) % GATE_ATTEMPT_SLOTS;
    return slot;
}

bool gate_attempt_remember(const gate_request *q, const gate_site *site, gate_world *w,
                           const gate_attempt *attempt, gate_decision *decision)
{
    gate_attempts found;
    const char *text;
    gate_span box;
    int own;

    if (!seal_attempt(q, site, w, attempt, &box))
        return false;
    text = gate_base64url_encode(q->pool, box);
    gate_attempts_find(q, site, w, &found);
    make_room(q, &found, strlen(text));
    own = free_slot(&found, (unsigned char)box.ptr[0]); /* of its nonce */
    for (int slot = 0; slot < GATE_ATTEMPT_SLOTS; slot++) {
        if (found.dead_slots & 1u << slot && slot != own)
            gate_attempt_forget(q, site, decision, slot);
    }
    gate_add_cookie(decision, cookie_text(q, site, own, text, GATE_LOGIN_SECONDS, attempt->posted));
    return true;
}
