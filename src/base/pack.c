/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/pack.h"

#include <apr_strings.h>

/* The length that stands for an absent text. */
#define ABSENT 0xffffffffu

void gate_pack_add(gate_pack *pack, gate_span text)
{
    if (pack->count < GATE_PACK_MAX_ITEMS)
        pack->texts[pack->count++] = text;
}

void gate_pack_add_number(apr_pool_t *p, gate_pack *pack, apr_int64_t number)
{
    apr_int64_t *copy = apr_pmemdup(p, &number, sizeof number);

    gate_pack_add(pack, (gate_span){(const char *)copy, sizeof *copy});
}

gate_span gate_pack_bytes(apr_pool_t *p, const gate_pack *pack)
{
    size_t size = 0;
    char *bytes, *at;

    for (int i = 0; i < pack->count; i++)
        size += sizeof(apr_uint32_t) + pack->texts[i].len;
    at = bytes = apr_palloc(p, size + 1);
    for (int i = 0; i < pack->count; i++) {
        const gate_span text = pack->texts[i];
        const apr_uint32_t len = text.ptr ? (apr_uint32_t)text.len : ABSENT;

        memcpy(at, &len, sizeof len);
        at += sizeof len;
        if (!text.ptr)
            continue;
        memcpy(at, text.ptr, text.len);
        at += text.len;
    }
    return (gate_span){bytes, size};
}

/* Takes one text off the beginning. */
static bool cut(gate_span *bytes, gate_span *text)
{
    apr_uint32_t len;

    if (bytes->len < sizeof len)
        return false;
    memcpy(&len, bytes->ptr, sizeof len);
    bytes->ptr += sizeof len;
    bytes->len -= sizeof len;
    if (len == ABSENT) {
        *text = (gate_span){NULL, 0};
        return true;
    }
    if (len > bytes->len)
        return false;
    *text = (gate_span){bytes->ptr, len};
    bytes->ptr += len;
    bytes->len -= len;
    return true;
}

static bool cut_all(gate_span *bytes, gate_span *texts, int count)
{
    for (int i = 0; i < count; i++) {
        if (!cut(bytes, &texts[i]))
            return false;
    }
    return true;
}

bool gate_pack_read(gate_span bytes, gate_span *texts, int count)
{
    return cut_all(&bytes, texts, count) && bytes.len == 0;
}

size_t gate_pack_front(gate_span bytes, gate_span *texts, int count)
{
    const size_t whole = bytes.len;

    return cut_all(&bytes, texts, count) ? whole - bytes.len : 0;
}

bool gate_pack_number(gate_span text, apr_int64_t *number)
{
    if (!text.ptr || text.len != sizeof *number)
        return false;
    memcpy(number, text.ptr, sizeof *number);
    return true;
}
