/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Addresses, local targets, percent escapes and forms. */
#include "fuzz.h"

#include "base/url.h"

static void check_address(apr_pool_t *p, gate_span text)
{
    gate_url url, again;
    if (!gate_url_parse(text, &url))
        return;
    FUZZ_CHECK(url.host.len && url.port > 0 && url.port < 65536 && !gate_span_has_control(text));
    FUZZ_CHECK(!memchr(url.host.ptr, '@', url.host.len) && !memchr(text.ptr, '#', text.len));
    FUZZ_CHECK(!url.path.len || url.path.ptr[0] == '/');
    const char *origin = gate_url_origin(p, &url);
    FUZZ_CHECK(gate_url_parse(gate_span_of(origin), &again));
    FUZZ_CHECK(again.port == url.port && again.is_https == url.is_https &&
               again.is_loopback == url.is_loopback &&
               gate_span_equal_nocase(again.host, url.host) && !again.path.len && !again.query.ptr);
    FUZZ_CHECK(strcmp(origin, gate_url_origin(p, &again)) == 0);
}

/* What a browser does with a Location (WHATWG URL, "relative slash state"), and what a careless
 * server does with a path: neither may see another host. */
static void check_local(apr_pool_t *p, gate_span text)
{
    gate_span decoded;
    if (!gate_url_is_local(text))
        return;
    FUZZ_CHECK(text.len && text.ptr[0] == '/');
    FUZZ_CHECK(text.len < 2 || (text.ptr[1] != '/' && text.ptr[1] != '\\'));
    for (size_t i = 0; i < text.len; i++)
        FUZZ_CHECK(text.ptr[i] > 0x20 && text.ptr[i] < 0x7f && text.ptr[i] != '\\');
    const char *query = memchr(text.ptr, '?', text.len);
    gate_span path = {text.ptr, query ? (size_t)(query - text.ptr) : text.len};
    for (int i = 0; i < 4 && gate_form_decode(p, path, &decoded); i++) {
        FUZZ_CHECK(!gate_span_has_control(decoded));
        FUZZ_CHECK(decoded.len < 2 || (decoded.ptr[1] != '/' && decoded.ptr[1] != '\\'));
        FUZZ_CHECK(!gate_span_starts(decoded, "/.//") && !gate_span_starts(decoded, "/..//") &&
                   !gate_span_starts(decoded, "/.\\/") &&
                   !gate_span_starts(decoded, "/..\\"
                                              "/"));
        path = decoded;
    }
}

static void check_escapes(apr_pool_t *p, gate_span text)
{
    gate_span back, decoded;
    bool plain = !text.len || !memchr(text.ptr, '\0', text.len);
    FUZZ_CHECK(gate_form_decode(p, gate_span_of(gate_form_encode(p, text)), &back) == plain);
    FUZZ_CHECK(!plain || gate_span_equal(back, text));
    if (gate_form_decode(p, text, &decoded))
        FUZZ_CHECK(decoded.len <= text.len && !memchr(decoded.ptr, '\0', decoded.len));
}

static void check_form(apr_pool_t *p, gate_span text)
{
    gate_form *form, *again;
    if (gate_form_parse(p, text, 32, &form) != GATE_OK)
        return;
    FUZZ_CHECK(form->pairs->nelts <= 32);
    const char *written = gate_form_text(form);
    FUZZ_CHECK(gate_form_parse(p, gate_span_of(written), 32, &again) == GATE_OK);
    FUZZ_CHECK(again->pairs->nelts == form->pairs->nelts);
    for (int i = 0; i < form->pairs->nelts; i++) {
        const gate_pair *one = &APR_ARRAY_IDX(form->pairs, i, gate_pair);
        const gate_pair *two = &APR_ARRAY_IDX(again->pairs, i, gate_pair);
        FUZZ_CHECK(one->value.len && gate_span_equal(one->name, two->name) &&
                   gate_span_equal(one->value, two->value));
        FUZZ_CHECK(gate_span_equal(gate_form_get(form, gate_span_dup(p, one->name)), one->value));
    }
    FUZZ_CHECK(strcmp(written, gate_form_text(again)) == 0);
}

static void try_input(apr_pool_t *p, gate_span input)
{
    check_address(p, input);
    check_local(p, input);
    check_escapes(p, input);
    check_form(p, input);
}
