/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/texts.h"

#define FIRST_BYTES 2048
#define FIRST_SLOTS 128

/* A text that was kept. It ends behind its NUL, so that `end` is 0 for none. */
struct gate_texts_slot {
    uint32_t sum, offset, end;
};

gate_texts gate_texts_make(apr_pool_t *p, size_t most)
{
    return (gate_texts){
        .pool = p,
        .bytes = apr_palloc(p, FIRST_BYTES),
        .room = FIRST_BYTES,
        .most = most,
        .slots = apr_pcalloc(p, FIRST_SLOTS * sizeof(struct gate_texts_slot)),
        .slot_count = FIRST_SLOTS,
    };
}

/* Where to look first. It begins with an address, which nobody outside this process knows: who
 * chooses the texts cannot choose many that are looked for at the same place. */
static uint32_t sum_of(const gate_texts *texts, gate_span s)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t sum = (uint64_t)(uintptr_t)texts->pool * odd ^ s.len, word;
    size_t at = 0;
    for (; s.len - at > sizeof word; at += sizeof word) {
        memcpy(&word, s.ptr + at, sizeof word);
        sum = (sum ^ word) * odd;
        sum ^= sum >> 32;
    }
    /* The last eight, of which some may have been seen. */
    if (s.len >= sizeof word) {
        memcpy(&word, s.ptr + s.len - sizeof word, sizeof word);
    } else {
        word = 0;
        memcpy(&word, s.ptr, s.len);
    }
    sum = (sum ^ word) * odd;
    sum ^= sum >> 32;
    return (uint32_t)(sum * odd >> 32);
}

static bool has(const gate_texts *texts, const struct gate_texts_slot *slot, gate_span s)
{
    return slot->end - slot->offset == s.len + 1 &&
           !memcmp(texts->bytes + slot->offset, s.ptr, s.len);
}

/* The slot that has the text, or the free one where it belongs. */
static struct gate_texts_slot *find(const gate_texts *texts, gate_span s, uint32_t sum)
{
    uint32_t at = sum & (texts->slot_count - 1);
    while (texts->slots[at].end &&
           (texts->slots[at].sum != sum || !has(texts, &texts->slots[at], s)))
        at = (at + 1) & (texts->slot_count - 1);
    return &texts->slots[at];
}

static void double_slots(gate_texts *texts)
{
    const struct gate_texts_slot *before = texts->slots;
    const uint32_t count = texts->slot_count;
    texts->slot_count *= 2;
    texts->slots = apr_pcalloc(texts->pool, texts->slot_count * sizeof *before);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = before[i].sum & (texts->slot_count - 1);
        if (!before[i].end)
            continue;
        while (texts->slots[at].end)
            at = (at + 1) & (texts->slot_count - 1);
        texts->slots[at] = before[i];
    }
}

static void make_room(gate_texts *texts, size_t len)
{
    size_t room = texts->room;
    while (room < texts->len + len)
        room *= 2;
    if (room == texts->room)
        return;
    char *bytes = apr_palloc(texts->pool, room);
    memcpy(bytes, texts->bytes, texts->len);
    texts->bytes = bytes;
    texts->room = room;
}

bool gate_texts_keep(gate_texts *texts, gate_span s, uint32_t *offset)
{
    const uint32_t sum = sum_of(texts, s);
    struct gate_texts_slot *slot = find(texts, s, sum);
    *offset = slot->offset;
    if (slot->end)
        return true;
    if (s.len >= texts->most - texts->len)
        return false;
    make_room(texts, s.len + 1);
    *offset = (uint32_t)texts->len;
    memcpy(texts->bytes + texts->len, s.ptr, s.len);
    texts->bytes[texts->len + s.len] = '\0';
    texts->len += s.len + 1;
    *slot = (struct gate_texts_slot){sum, *offset, (uint32_t)texts->len};
    if (++texts->count == texts->slot_count / 2)
        double_slots(texts);
    return true;
}
