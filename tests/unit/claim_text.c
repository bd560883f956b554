/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claim_text.h"

#include "identity.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
    const char *claim, *text, *texts; /* texts: parted by '|' */
} cases[] = {
    {"\"staff\"", "staff", "staff"},
    {"\"\"", "", ""},
    {"\"Doe, John\"", "Doe, John", "Doe, John"},
    {"\"caf\\u00e9\"", "caf\xc3\xa9", "caf\xc3\xa9"},
    {"\" a \"", " a ", " a "},
    {"7", "7", "7"},
    {"0.1", "0.1", "0.1"},
    {"true", "true", "true"},
    {"null", "", NULL},
    {"[]", "", NULL},
    {"[null]", "", NULL},
    {"[\"\"]", "", ""},
    {"[\"a\",\"b\"]", "a,b", "a|b"},
    {"[\"a\",null,7,false]", "a,7,false", "a|7|false"},
    {"[\"a,b\",\"c\"]", "a\\x2cb,c", "a,b|c"},
    {"[{\"a\":1,\"b\":2}]", "{\"a\":1\\x2c\"b\":2}", "{\"a\":1,\"b\":2}"},
    {"{\"a\":[1,2]}", "{\"a\":[1,2]}", "{\"a\":[1,2]}"},
    {"\"a\\r\\nSet-Cookie: x\"", "a\\x0d\\x0aSet-Cookie: x", "a\\x0d\\x0aSet-Cookie: x"},
    {"\"\\u0001\\t\\u007f\"", "\\x01\\x09\\x7f", "\\x01\\x09\\x7f"},
    {"[\"a\\n\",\"\\n\"]", "a\\x0a,\\x0a", "a\\x0a|\\x0a"},
    {"\"\\n\"", "\\x0a", "\\x0a"},
};

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_identity *identity =
            identity_of(p, apr_psprintf(p, "{\"c\":%s}", cases[i].claim));
        gate_claim_name name;
        gate_claim claim;
        gate_claim_name_read(GATE_SPAN("c"), &name);
        identity_must(gate_claim_find(identity, &name, &claim), "no claim", cases[i].claim);
        is(gate_claim_text(p, &claim), cases[i].text, "the text of %s", cases[i].claim);
        const apr_array_header_t *texts = gate_claim_texts(p, &claim);
        if (cases[i].texts)
            is(apr_array_pstrcat(p, texts, '|'), cases[i].texts, "its members");
        ok((texts->nelts == 0) == !cases[i].texts, "and whether there are any");
    }
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
