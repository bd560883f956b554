/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "claims.h"
#include "oidc/claim.h"

#define NOW  1700000000
#define SKEW 30

static apr_pool_t *p;

static const json_t *claims(const char *name, const char *value)
{
    const claim_change change = {name, value};
    return claims_with(p, "{}", &change, 1);
}

static const char *numbers(int count, const char *last)
{
    const char *list = "[";
    for (int i = 1; i < count; i++)
        list = apr_psprintf(p, "%s\"a%d\",", list, i);
    return apr_pstrcat(p, list, last, "]", NULL);
}

static void test_any(void)
{
    static const char *const names[] = {"a", "b", NULL};
    const char *found = NULL;
    ok(gate_claim_any(claims("b", "null"), names, &found) && strcmp(found, "b") == 0,
       "a claim counts as there, whatever its type");
    ok(!gate_claim_any(claims("c", "1"), names, &found), "others do not count");
}

static void test_issuer(void)
{
    static const struct {
        const char *value;
        gate_reason reason;
    } cases[] = {
        {"\"https://id\"", GATE_OK},
        {"\"https://id/\"", GATE_BAD_ISSUER},
        {"\"https://i\"", GATE_BAD_ISSUER},
        {"\"HTTPS://id\"", GATE_BAD_ISSUER},
        {"\"https://id \"", GATE_BAD_ISSUER},
        {"\"\"", GATE_BAD_ISSUER},
        {"[\"https://id\"]", GATE_BAD_ISSUER},
        {"null", GATE_BAD_ISSUER},
        {NULL, GATE_BAD_ISSUER},
    };
    const char *detail = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        is(gate_reason_name(
               gate_claim_check_issuer(p, claims("iss", cases[i].value), "https://id", &detail)),
           gate_reason_name(cases[i].reason), "iss %s",
           cases[i].value ? cases[i].value : "missing");
    gate_claim_check_issuer(p, claims("iss", "\"https://evil\\n\""), "https://id", &detail);
    is(detail, "iss is https://evil\\x0a, not https://id", "both values are said");
}

static void test_audience(void)
{
    const struct {
        const char *value;
        gate_reason reason;
        const char *name;
    } cases[] = {
        {"\"api\"", GATE_OK, "one text"},
        {"[\"api\"]", GATE_OK, "a list of one"},
        {"[\"x\",\"api\"]", GATE_OK, "a member of a list"},
        {"\"other\"", GATE_OK, "the second that will do"},
        {"\"ap\"", GATE_BAD_AUDIENCE, "a prefix"},
        {"\"api2\"", GATE_BAD_AUDIENCE, "a longer one"},
        {"\"API\"", GATE_BAD_AUDIENCE, "another case"},
        {"\"x api\"", GATE_BAD_AUDIENCE, "a list in one text"},
        {"[]", GATE_BAD_AUDIENCE, "an empty list"},
        {"[\"api\",1]", GATE_BAD_AUDIENCE, "a list with a number"},
        {"[[\"api\"]]", GATE_BAD_AUDIENCE, "a list in a list"},
        {"{\"api\":1}", GATE_BAD_AUDIENCE, "an object"},
        {"null", GATE_BAD_AUDIENCE, "null"},
        {NULL, GATE_BAD_AUDIENCE, "nothing"},
        {numbers(64, "\"api\""), GATE_OK, "the last of 64"},
        {numbers(65, "\"api\""), GATE_BAD_AUDIENCE, "the last of 65"},
    };
    const char *const audiences[] = {"api", "other", NULL};
    const char *const none[] = {NULL};
    const char *detail = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        is(gate_reason_name(
               gate_claim_check_audience(p, claims("aud", cases[i].value), audiences, &detail)),
           gate_reason_name(cases[i].reason), "aud: %s", cases[i].name);
    ok(strstr(detail, ", not api or another"), "the detail says what was wanted");
    ok(gate_claim_check_audience(p, claims("aud", "\"api\""), none, &detail) == GATE_BAD_AUDIENCE,
       "no audience at all fits an empty list of them");
}

static void test_names(void)
{
    static const char *const names[] = {"sub", "client_id", "azp", "cid", "jti"};
    static const char *const wrong[] = {"\"\"", "\"a\\u001fb\"", "\"a\\u007f\"", "1",
                                        "null", "[\"a\"]",       "{}",           "true"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *detail = NULL;
        ok(gate_claim_check_names(p,
                                  claims(names[i], "\"b\xc3\xb6"
                                                   "b\""),
                                  NULL) == GATE_OK,
           "%s is a text", names[i]);
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
            ok(gate_claim_check_names(p, claims(names[i], wrong[k]), &detail) == GATE_BAD_CLAIM &&
                   strncmp(detail, names[i], strlen(names[i])) == 0,
               "%s cannot be %s", names[i], wrong[k]);
    }
    ok(gate_claim_check_names(p, claims(NULL, NULL), NULL) == GATE_OK, "they may all be missing");
    char *text = apr_pcalloc(p, 259);
    memset(text, 'a', 257);
    text[0] = text[256] = '"';
    ok(gate_claim_check_names(p, claims("sub", text), NULL) == GATE_OK, "sub may have 255 bytes");
    text[256] = 'a';
    text[257] = '"';
    ok(gate_claim_check_names(p, claims("sub", text), NULL) == GATE_BAD_CLAIM, "and no more");
    ok(gate_claim_check_names(p, claims("jti", text), NULL) == GATE_OK, "the others may");
}

static void test_times(void)
{
    static const struct {
        claim_change changes[2];
        gate_reason needed, not_needed;
        apr_int64_t expires;
    } cases[] = {
        {{{"exp", "1700000060"}}, GATE_OK, GATE_OK, NOW + 60},
        {{{"exp", "1700000000"}}, GATE_OK, GATE_OK, NOW},
        {{{"exp", "1699999971"}}, GATE_OK, GATE_OK, NOW - 29},
        {{{"exp", "1699999970"}}, GATE_TOKEN_EXPIRED, GATE_TOKEN_EXPIRED, 0},
        {{{"exp", "0"}}, GATE_TOKEN_EXPIRED, GATE_TOKEN_EXPIRED, 0},
        {{{"exp", "\"1700000060\""}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
        {{{"exp", "-1"}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
        {{{"exp", "1e300"}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
        {{{"exp", "null"}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
        {{{NULL, NULL}}, GATE_BAD_CLAIM, GATE_OK, 0},
        {{{"exp", "1700000060"}, {"nbf", "1700000031"}},
         GATE_TOKEN_NOT_YET_VALID,
         GATE_TOKEN_NOT_YET_VALID,
         0},
        {{{"exp", "1700000060"}, {"nbf", "1700000030"}}, GATE_OK, GATE_OK, NOW + 60},
        {{{"nbf", "1700000031"}}, GATE_BAD_CLAIM, GATE_TOKEN_NOT_YET_VALID, 0},
        {{{"nbf", "1700000030"}}, GATE_BAD_CLAIM, GATE_OK, 0},
        {{{"iat", "1700000031"}}, GATE_BAD_CLAIM, GATE_TOKEN_NOT_YET_VALID, 0},
        {{{"iat", "1700000030.9"}}, GATE_BAD_CLAIM, GATE_OK, 0},
        {{{"nbf", "true"}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
        {{{"iat", "\"now\""}}, GATE_BAD_CLAIM, GATE_BAD_CLAIM, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const json_t *found = claims_with(p, "{}", cases[i].changes, 2);
        for (int needed = 0; needed < 2; needed++) {
            const char *detail = NULL;
            apr_int64_t expires = 7;
            gate_reason reason =
                gate_claim_check_times(p, found, needed, NOW, SKEW, &expires, &detail);
            gate_reason wanted = needed ? cases[i].needed : cases[i].not_needed;
            is(gate_reason_name(reason), gate_reason_name(wanted), "times %s, exp %s",
               gate_json_compact(p, found).ptr, needed ? "needed" : "not needed");
            ok(reason == GATE_OK ? expires == cases[i].expires : detail && *detail,
               "... and when it ends, or why not");
        }
    }
    ok(gate_claim_check_times(p, claims(NULL, NULL), false, NOW, SKEW, NULL, NULL) == GATE_OK,
       "nobody need ask when");
}

static void test_unbound(void)
{
    static const char *const bound[] = {"{\"jkt\":\"x\"}", "{\"x5t#S256\":\"x\"}", "{}", "null",
                                        "1"};
    for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
        ok(gate_claim_check_unbound(p, claims("cnf", bound[i]), NULL) == GATE_POP_FAILED,
           "cnf %s binds", bound[i]);
    ok(gate_claim_check_unbound(p, claims("cn", "1"), NULL) == GATE_OK, "no cnf does not");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_any();
    test_issuer();
    test_audience();
    test_names();
    test_times();
    test_unbound();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
