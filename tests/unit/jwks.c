/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/jwks.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define EC(kid)                                                                                \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"," \
    "\"y\":"                                                                                   \
    "\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"kid\":\"" kid "\"}"
#define OKP \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define OCT "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"

static apr_pool_t *pool;

static const gate_jwks *read_text(const char *text)
{
    return gate_jwks_read(pool, gate_span_of(text));
}

static void sets(void)
{
    static const struct {
        const char *name, *text;
        int count, skipped; /* count -1: no set */
    } cases[] = {
        {"one key", "{\"keys\":[" EC("a") "]}", 1, 0},
        {"two keys", "{\"keys\":[" EC("a") "," OKP "]}", 2, 0},
        {"two keys of one kid", "{\"keys\":[" EC("a") "," EC("a") "]}", 2, 0},
        {"no keys", "{\"keys\":[]}", 0, 0},
        {"other members", "{\"a\":1,\"keys\":[" OKP "],\"z\":{}}", 1, 0},
        {"a symmetric key among others", "{\"keys\":[" OCT "," EC("a") "]}", 1, 1},
        {"only a symmetric key", "{\"keys\":[" OCT "]}", 0, 1},
        {"a key of another kind", "{\"keys\":[{\"kty\":\"PQ\"}," EC("a") "]}", 1, 1},
        {"a key without members", "{\"keys\":[{}," EC("a") "]}", 1, 1},
        {"members that are no keys", "{\"keys\":[1,null,\"x\",[]," EC("a") "]}", 1, 4},
        {"a key with a broken point",
         "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}," OKP "]}", 1,
         1},
        {"a key for encryption", "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\"}," OKP "]}", 1, 1},
        {"nothing", "", -1, 0},
        {"no object", "[" OKP "]", -1, 0},
        {"a single key", OKP, -1, 0},
        {"no JSON", "{\"keys\":[" OKP "}", -1, 0},
        {"more than JSON", "{\"keys\":[" OKP "]} x", -1, 0},
        {"keys that are an object", "{\"keys\":{\"a\":" OKP "}}", -1, 0},
        {"keys that are null", "{\"keys\":null}", -1, 0},
        {"keys twice", "{\"keys\":[],\"keys\":[" OKP "]}", -1, 0},
        {"a key with a member twice", "{\"keys\":[{\"kty\":\"oct\",\"kty\":\"EC\"}]}", -1, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_jwks *set = read_text(cases[i].text);
        ok(cases[i].count < 0
               ? !set
               : set && set->count == cases[i].count && set->skipped == cases[i].skipped,
           "%s: %s", cases[i].name, cases[i].count < 0 ? "no set" : "a set");
    }
    ok(!gate_jwks_read(pool, (gate_span){NULL, 0}), "what is absent is no set");
}

static void limits(void)
{
    const char *text = "{\"keys\":[{}";
    for (int i = 1; i < GATE_JWKS_MAX_KEYS; i++)
        text = apr_pstrcat(pool, text, ",{}", NULL);
    const gate_jwks *set = read_text(apr_pstrcat(pool, text, "]}", NULL));
    ok(set && set->skipped == GATE_JWKS_MAX_KEYS, "100 keys are a set");
    ok(!read_text(apr_pstrcat(pool, text, ",{}]}", NULL)), "101 are none");
    char *blanks = apr_palloc(pool, GATE_JWKS_MAX_BYTES);
    memset(blanks, ' ', GATE_JWKS_MAX_BYTES);
    static const char keys[] = "{\"keys\":[]}";
    memcpy(blanks, keys, sizeof keys - 1);
    ok(gate_jwks_read(pool, (gate_span){blanks, GATE_JWKS_MAX_BYTES}) != NULL,
       "256 KiB may be read");
    text = apr_pstrcat(pool, apr_pstrmemdup(pool, blanks, GATE_JWKS_MAX_BYTES), " ", NULL);
    ok(!read_text(text), "and not a byte more");
}

static void order(void)
{
    const gate_jwks *set =
        read_text("{\"keys\":[" EC("first") "," OCT "," EC("second") "," EC("third") "]}");
    ok(set && set->count == 3 && gate_span_is(set->keys[0]->kid, "first") &&
           gate_span_is(set->keys[1]->kid, "second") && gate_span_is(set->keys[2]->kid, "third"),
       "keys stay in their order");
}

static void problems(void)
{
    const gate_jwks *set =
        read_text("{\"keys\":[" EC("good") ",{\"kty\":\"PQ\",\"kid\":\"new\"},"
                  "{\"kty\":\"RSA\",\"use\":\"enc\",\"kid\":\"enc\"},{\"kid\":7}," OCT "]}");
    static const struct {
        const char *kid, *problem;
    } cases[] = {{"good", NULL},         {"new", "kty is none"}, {"enc", "use is not sig"},
                 {"nobody's", NULL}, {"", NULL},             {NULL, "kty is none"}};
    for (size_t i = 0; set && i < COUNT(cases); i++) {
        const char *problem = gate_jwks_problem(set, gate_span_of(cases[i].kid));
        ok(cases[i].problem ? problem && strstr(problem, cases[i].problem) : !problem,
           "why the key '%s' is not used: %s", cases[i].kid ? cases[i].kid : "any",
           problem ? problem : "it is, or there is none");
    }
    ok(set && set->skipped == 4 && strstr(set->skips[3].problem, "no secret"),
       "a symmetric key that was published is none");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    sets();
    limits();
    order();
    problems();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
