/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/header.h"

#include "tap.h"

#include <pthread.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/base64url.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static apr_pool_t *pool;
static gate_header header;

/* What a header says, in words; read as often as is wanted, each time out of memory of its own. */
static const char *said(const char *text)
{
    gate_span encoded = gate_span_of(gate_base64url_encode(pool, gate_span_of(text)));
    const gate_reason reason =
        gate_header_read(pool, (gate_span){gate_span_dup(pool, encoded), encoded.len}, &header);

    return reason == GATE_OK ? apr_pstrcat(pool, gate_alg_name(header.alg), " ",
                                           header.kid.ptr ? header.kid.ptr : "-", " ",
                                           header.typ.ptr ? header.typ.ptr : "-", NULL)
                             : gate_reason_name(reason);
}

static const struct {
    const char *text, *says;
} cases[] = {
    {"{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "RS256 k1 at+jwt"},
    {"{\"alg\":\"RS256\",\"kid\":\"k2\",\"typ\":\"at+jwt\"}", "RS256 k2 at+jwt"},
    {"{\"alg\":\"RS384\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "RS384 k1 at+jwt"},
    {"{\"typ\":\"application/at+jwt\",\"alg\":\"ES256\"}", "ES256 - at+jwt"},
    {"{\"alg\":\"ES256\",\"kid\":\"\"}", "ES256  -"},
    {"{\"alg\":\"ES256\"}", "ES256 - -"},
    {"{\"alg\":\"EdDSA\",\"jku\":\"https://x\",\"kid\":\"a\"}", "EdDSA a -"},
    {"{\"alg\":\"HS256\"}", "HS256 - -"},
    {"{\"alg\":\"none\"}", "bad_alg"},
    {"{\"alg\":\"rs256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", "bad_alg"},
    {"{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\",\"crit\":[]}", "malformed_token"},
    {"{\"alg\":\"RS256\",\"kid\":\"k1\",\"b64\":true}", "malformed_token"},
    {"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", "malformed_token"},
    {"{\"alg\":7}", "malformed_token"},
    {"{\"alg\":\"RS256\",\"kid\":7}", "malformed_token"},
    {"{\"alg\":\"RS256\",\"typ\":null}", "malformed_token"},
    {"{}", "malformed_token"},
    {"[]", "malformed_token"},
    {"", "malformed_token"},
};

static void *read_all(void *again)
{
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < COUNT(cases); i++)
            for (int time = 0; time < 3; time++)
                is(said(cases[i].text), cases[i].says, "%s, turn %d, time %d%s", cases[i].text,
                   turn + 1, time + 1, again ? ", on another thread" : "");
    return NULL;
}

/* What follows is refused, whatever was read just before. */
static void test_encodings(void)
{
    static const char *const broken[] = {
        "eyJhbGciOiJFUzI1NiJ8",
        "eyJhbGciOiJFUzI1NiJ",
        "eyJhbGciOiJFUzI1NiJ9=",
        "eyJhbGciOiJFUzI1NiJ9 ",
        "eyJhbGciOiJFUzI1N+J9",
        "",
        "!",
    };

    is(said("{\"alg\":\"ES256\"}"), "ES256 - -", "(a good one)");
    ok(gate_header_read(pool, GATE_SPAN("eyJhbGciOiJFUzI1NiJ9"), &header) == GATE_OK &&
           header.alg == GATE_ALG_ES256,
       "as it is encoded");
    for (size_t i = 0; i < COUNT(broken); i++)
        ok(gate_header_read(pool, gate_span_of(broken[i]), &header) == GATE_MALFORMED_TOKEN,
           "'%s' is none", broken[i]);
}

static const char *padded(size_t len, const char *kid)
{
    return apr_psprintf(pool, "{\"alg\":\"RS256\",\"kid\":\"%s%0*d\"}", kid, (int)len, 0);
}

/* Those that are too long to be remembered, and those that just are not. */
static void test_lengths(void)
{
    for (size_t len = 1; len < 400; len++) {
        const char *one = said(padded(len, "x")), *other = said(padded(len, "y"));
        const char *again = said(padded(len, "x"));

        if (strcmp(one, again) || !strcmp(one, other) ||
            strlen(one) != strlen("RS256 x") + len + strlen(" -"))
            ok(false, "a kid of %zu characters is read as %s, then as %s", len + 1, one, again);
    }
    ok(gate_span_starts(header.kid, "x0"), "kids of all lengths are read, and read again");
}

/* What one caller was told stays as it is, whatever is read and remembered later. */
static void test_lifetime(void)
{
    gate_header first;

    said(cases[0].text);
    said(cases[0].text);
    first = header;
    for (int i = 0; i < 100; i++)
        said(padded(10, apr_psprintf(pool, "%d", i)));
    ok(gate_span_is(first.kid, "k1") && gate_span_is(first.typ, "at+jwt"),
       "what was read lives as long as its pool");
}

int main(void)
{
    pthread_t thread;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    read_all(NULL);
    if (pthread_create(&thread, NULL, read_all, pool) == 0)
        pthread_join(thread, NULL);
    test_encodings();
    test_lengths();
    test_lifetime();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
