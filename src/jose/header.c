/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/header.h"

#include "base/base64url.h"
#include "base/json.h"

/* All tokens of a key have the same header, so each thread remembers what the last few said. That
 * depends on their bytes alone: which keys there are, and whether one of them has signed the token,
 * is asked each time. Who sends headers that nobody has, only makes the others be read again. */
#define KEPT            4
#define KEPT_MAX_BYTES  256 /* encoded */
#define TEXTS_MAX_BYTES (KEPT_MAX_BYTES / 4 * 3)

typedef struct memory {
    size_t len; /* 0: of none */
    char encoded[KEPT_MAX_BYTES];
    gate_header said; /* its texts are in the next */
    char texts[TEXTS_MAX_BYTES];
} memory;

static __thread struct {
    memory kept[KEPT];
    unsigned next; /* to be written over */
} own;

static const memory *recall(gate_span encoded)
{
    for (int i = 0; i < KEPT; i++) {
        const memory *m = &own.kept[i];

        if (m->len == encoded.len && !memcmp(m->encoded, encoded.ptr, encoded.len))
            return m;
    }
    return NULL;
}

static gate_span copy_to(char **to, gate_span text)
{
    const gate_span copy = {text.ptr ? *to : NULL, text.len};

    if (text.ptr)
        memcpy(*to, text.ptr, text.len);
    *to += text.len;
    return copy;
}

/* What it says in texts is shorter than it is. */
static void remember(gate_span encoded, const gate_header *said)
{
    memory *m = &own.kept[own.next % KEPT];
    char *to = m->texts;

    if (encoded.len > sizeof m->encoded || said->kid.len + said->typ.len > sizeof m->texts)
        return;
    own.next++;
    m->len = encoded.len;
    memcpy(m->encoded, encoded.ptr, encoded.len);
    m->said = (gate_header){
        .alg = said->alg,
        .kid = copy_to(&to, said->kid),
        .typ = copy_to(&to, said->typ),
    };
}

static gate_span copy_in(apr_pool_t *p, gate_span text)
{
    return (gate_span){text.ptr ? gate_span_dup(p, text) : NULL, text.len};
}

/* RFC 7515 section 4.1.9: "application/" may be left out, so it always is. */
static gate_span short_type(gate_span typ)
{
    const gate_span prefix = GATE_SPAN("application/");

    if (typ.len <= prefix.len || !gate_span_equal_nocase((gate_span){typ.ptr, prefix.len}, prefix))
        return typ;
    return (gate_span){typ.ptr + prefix.len, typ.len - prefix.len};
}

static gate_reason interpret(const json_t *object, gate_header *header)
{
    gate_span alg;

    if (gate_json_string(object, "alg", &alg) != GATE_JSON_VALID ||
        gate_json_string(object, "kid", &header->kid) == GATE_JSON_BROKEN ||
        gate_json_string(object, "typ", &header->typ) == GATE_JSON_BROKEN)
        return GATE_MALFORMED_TOKEN;
    /* RFC 7515 section 4.1.11, RFC 7797: whatever they ask for, we do not do it. */
    if (json_object_get(object, "crit") || json_object_get(object, "b64"))
        return GATE_MALFORMED_TOKEN;
    if (!gate_alg_find(alg, &header->alg))
        return GATE_BAD_ALG;
    header->typ = short_type(header->typ);
    return GATE_OK;
}

gate_reason gate_header_read(apr_pool_t *p, gate_span encoded, gate_header *header)
{
    const memory *known = recall(encoded);
    const json_t *object;
    gate_reason reason;
    gate_span text;

    if (known) {
        *header = known->said;
        header->kid = copy_in(p, header->kid);
        header->typ = copy_in(p, header->typ);
        return GATE_OK;
    }
    *header = (gate_header){.alg = GATE_ALG_COUNT};
    if (encoded.len / 4 * 3 > GATE_HEADER_MAX_BYTES || !gate_base64url_decode(p, encoded, &text))
        return GATE_MALFORMED_TOKEN;
    object = gate_json_object(p, text, GATE_HEADER_MAX_BYTES);
    reason = object ? interpret(object, header) : GATE_MALFORMED_TOKEN;
    if (reason == GATE_OK)
        remember(encoded, header);
    return reason;
}
