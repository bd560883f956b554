/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claim_note.h"

#include "identity.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *note_of(apr_pool_t *p, const char *claims, const char *pinned)
{
    gate_claim_note note = {.pool = p, .len = 0};
    gate_claim_name name;
    gate_claim_name_read(gate_span_of(pinned), &name);
    gate_note_claim(&note, &name, claims ? identity_of(p, claims) : NULL);
    return gate_note_end(&note);
}

static void claims(apr_pool_t *p)
{
    static const struct {
        const char *claims, *name, *want;
    } cases[] = {
        {"{\"a\":\"x\"}", "a", "a is 'x'"},
        {"{\"a\":7}", "id:a", "a is 7"},
        {"{\"a\":null}", "a", "a is null"},
        {"{\"a\":[]}", "a", "a is []"},
        {"{\"a\":[\"x\",true,null,[1]]}", "a", "a is ['x', true, null, [1]]"},
        {"{\"a\":{\"b\":1}}", "a.b", "a.b is 1"},
        {"{\"a\":\"\\\"\\\\\\n\\u00e9\"}", "a", "a is '\\x22\\x5c\\x0a\\xc3\\xa9'"},
        {"{\"b\":1}", "a", "there is no claim a (claims are known from id_token)"},
        {"{\"b\":1}", "at:a",
         "there is no claim a of access_token (claims are known from id_token)"},
        {"[]", "a",
         "there is no claim a (no claims are known of an opaque token: turn on introspection or "
         "userinfo)"},
        {NULL, "a", "there is no claim a (nobody is signed in)"},
        {NULL, "a\n\"b", "there is no claim a\\x0a\\x22b (nobody is signed in)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(note_of(p, cases[i].claims, cases[i].name), cases[i].want, "%s of %s", cases[i].name,
           cases[i].claims ? cases[i].claims : "nobody");
}

static void several(apr_pool_t *p)
{
    const gate_identity *identity = identity_of(p, "{\"a\":1,\"b\":\"x\"}");
    gate_claim_note note = {.pool = p, .len = 0};
    gate_claim_name a, b;
    gate_claim_name_read(GATE_SPAN("a"), &a);
    gate_claim_name_read(GATE_SPAN("b"), &b);
    gate_note_claim(&note, &a, identity);
    gate_note_claim(&note, &b, identity);
    gate_note_text(&note, ", and ");
    gate_note_quoted(&note, GATE_SPAN("c\x1b"));
    is(gate_note_end(&note), "a is 1; b is 'x', and 'c\\x1b'", "one after the other");
}

/* However much there is to say. */
static void bounds(apr_pool_t *p)
{
    gate_claim_note note = {.pool = p, .len = 0};
    const char *list = "\"a-member-of-some-length\"";
    for (int i = 0; i < 100; i++)
        list = apr_pstrcat(p, list, ",\"\\u0001\\u0001\\u0001\\u0001-", apr_itoa(p, i), "\"", NULL);
    const char *text = note_of(p, apr_pstrcat(p, "{\"a\":[", list, "]}", NULL), "a");
    ok(strlen(text) <= GATE_CLAIM_NOTE_BYTES, "a list is cut: %s", text);
    ok(strstr(text, " more]"), "and says so");
    for (int i = 0; i < 100; i++)
        gate_note_text(&note, "0123456789");
    ok(strlen(gate_note_end(&note)) == GATE_CLAIM_NOTE_BYTES, "what does not fit is left out");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    claims(p);
    several(p);
    bounds(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
