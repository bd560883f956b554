/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claim_note.h"

#include <apr_strings.h>

#define SHOWN_NAME_BYTES  64
#define SHOWN_VALUE_BYTES 64

void gate_note_text(gate_claim_note *note, const char *text)
{
    const size_t len = strlen(text), room = GATE_CLAIM_NOTE_BYTES - note->len;
    memcpy(note->text + note->len, text, len < room ? len : room);
    note->len += len < room ? len : room;
    note->text[note->len] = '\0';
}

static bool fits(const gate_claim_note *note, const char *text, size_t reserve)
{
    return note->len + strlen(text) + reserve <= GATE_CLAIM_NOTE_BYTES;
}

static const char *show(apr_pool_t *p, gate_span value, gate_value_type type)
{
    const char *text = gate_span_for_log(p, value, SHOWN_VALUE_BYTES);
    return type == GATE_VALUE_STRING ? apr_pstrcat(p, "'", text, "'", NULL) : text;
}

void gate_note_quoted(gate_claim_note *note, gate_span value)
{
    gate_note_text(note, show(note->pool, value, GATE_VALUE_STRING));
}

static void add_members(gate_claim_note *note, const gate_claim *claim)
{
    const size_t reserve = strlen(", ... 1000000 more]");
    gate_note_text(note, "[");
    for (int i = 0; i < claim->count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(claim, i, &type);
        const char *text =
            apr_pstrcat(note->pool, i ? ", " : "", show(note->pool, value, type), NULL);
        if (!fits(note, text, reserve)) {
            gate_note_text(
                note, apr_psprintf(note->pool, "%s... %d more", i ? ", " : "", claim->count - i));
            break;
        }
        gate_note_text(note, text);
    }
    gate_note_text(note, "]");
}

static void add_name(gate_claim_note *note, const char *before, const gate_claim_name *name)
{
    gate_note_text(note, note->len ? "; " : "");
    gate_note_text(note, before);
    gate_note_text(note, gate_span_for_log(note->pool, name->path, SHOWN_NAME_BYTES));
}

void gate_note_found(gate_claim_note *note, const gate_claim_name *name, const gate_claim *claim)
{
    gate_value_type type;
    add_name(note, "", name);
    gate_note_text(note, " is ");
    if (claim->is_array) {
        add_members(note, claim);
        return;
    }
    const gate_span value = gate_claim_value(claim, 0, &type);
    gate_note_text(note, show(note->pool, value, type));
}

/* Whoever wonders where a claim is reads here which sources were read at all. */
static void add_sources(gate_claim_note *note, const gate_identity *identity)
{
    if (!identity) {
        gate_note_text(note, " (nobody is signed in)");
        return;
    }
    if (!gate_identity_has_claims(identity, -1)) {
        gate_note_text(note, " (no claims are known of an opaque token: turn on introspection or "
                             "userinfo)");
        return;
    }
    const char *before = " (claims are known from ";
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        if (!gate_identity_has_claims(identity, i))
            continue;
        gate_note_text(note, before);
        gate_note_text(note, gate_source_name((gate_source)i));
        before = ", ";
    }
    gate_note_text(note, ")");
}

void gate_note_missing(gate_claim_note *note, const gate_claim_name *name,
                       const gate_identity *identity)
{
    if (gate_claim_is_barred(identity, name)) {
        gate_note_text(note, note->len ? "; " : "");
        gate_note_text(note, "a client is no user");
        return;
    }
    add_name(note, "there is no claim ", name);
    if (name->source >= 0) {
        gate_note_text(note, " of ");
        gate_note_text(note, gate_source_name((gate_source)name->source));
    }
    add_sources(note, identity);
}

void gate_note_claim(gate_claim_note *note, const gate_claim_name *name,
                     const gate_identity *identity)
{
    gate_claim claim;
    if (gate_claim_find_for_rule(identity, name, &claim))
        gate_note_found(note, name, &claim);
    else
        gate_note_missing(note, name, identity);
}

const char *gate_note_end(const gate_claim_note *note)
{
    return apr_pstrmemdup(note->pool, note->text, note->len);
}
