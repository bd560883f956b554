/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Runs Project Wycheproof's JSON Web Signature and Key vectors through jwk, jwks, jws and jwt. The
 * folder is argv[1], or WYCHEPROOF_DIR, or the one beside the project. */
#include "tap.h"

#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/base64url.h"
#include "base/json.h"
#include "jose/jwt.h"

#define DEFAULT_DIR "../shared/vectors/wycheproof"

static const char signature_file[] = "json_web_signature_test.json";
static const char key_file[] = "json_web_key_test.json";
static const char crypto_file[] = "json_web_crypto_test.json";

/* Vectors where we differ from the file's verdict, each for a reason. They are run, and must come
 * out the other way. */
static const struct difference {
    const char *file;
    int first, last;
    const char *reason;
} differences[] = {
    {signature_file, 346, 346, "the key says PS256, the token PS384"},
    {signature_file, 347, 347, "the key says ES521, and there is no such algorithm"},
    {signature_file, 350, 350, "the key says PS256, the token PS384"},
    {signature_file, 351, 351, "the key says ES521, and there is no such algorithm"},
    {signature_file, 367, 367, "to the byte the text of 357, which is valid"},
    {signature_file, 370, 370, "to the byte the text of 357, which is valid"},
    {signature_file, 372, 373, "a character outside base64url (RFC 8725bis section 3.13)"},
    {key_file, 2, 2, "a published key set holds no symmetric keys that we would use"},
    {crypto_file, 48, 48, "a published key set holds no symmetric keys that we would use"},
};

/* Groups that are not run at all. */
static const struct skipped {
    const char *file, *comment, *reason;
} skipped_groups[] = {
    {crypto_file, "jwe_aes", "no encrypted tokens in this version"},
    {crypto_file, "jwe_ec", "no encrypted tokens in this version"},
};

/* What one group is verified with: a set, or a single secret. */
typedef struct verifier {
    const gate_jwks *set;
    const gate_jwk *secret;
} verifier;

static const char *text_of(apr_pool_t *p, const json_t *value)
{
    return json_is_string(value) ? json_string_value(value) : gate_json_compact(p, value).ptr;
}

static verifier read_keys(apr_pool_t *p, const json_t *group)
{
    const char *problem;
    const json_t *key = json_object_get(group, "public");
    if (!key)
        key = json_object_get(group, "private");
    if (json_array_size(json_object_get(key, "keys")) == 1)
        key = json_array_get(json_object_get(key, "keys"), 0);
    if (gate_span_is(gate_json_text(key, "kty"), "oct"))
        return (verifier){NULL, gate_jwk_read(p, key, &problem)};
    const char *document = text_of(p, key);
    if (!json_object_get(key, "keys"))
        document = apr_pstrcat(p, "{\"keys\":[", document, "]}", NULL);
    return (verifier){gate_jwks_read(p, gate_span_of(document)), NULL};
}

/* These vectors sign any bytes, where a JWT has claims: so the header and the signature are read
 * from a token with an empty claim set between them, and verified over what really was signed. */
static bool is_accepted(apr_pool_t *p, const verifier *with, const char *jws)
{
    const char *first = strchr(jws, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    gate_span payload;
    gate_jwt *jwt;
    if (second) {
        gate_span encoded = {first + 1, (size_t)(second - first - 1)};
        if (!gate_base64url_decode(p, encoded, &payload))
            return false;
        const char *header = apr_pstrmemdup(p, jws, (apr_size_t)(first - jws));
        gate_span text = gate_span_of(apr_pstrcat(p, header, ".e30", second, NULL));
        if (gate_jwt_read(p, text, GATE_ALGS_ASYMMETRIC | GATE_ALGS_SYMMETRIC, &jwt) != GATE_OK)
            return false;
        jwt->signed_text = (gate_span){jws, (size_t)(second - jws)};
    } else if (gate_jwt_read(p, gate_span_of(jws), ~0u, &jwt) != GATE_OK) {
        return false;
    }
    if (with->secret)
        return gate_jwt_verify_secret(jwt, with->secret) == GATE_OK;
    return with->set && gate_jwt_verify(jwt, with->set) == GATE_OK;
}

static const char *reason_to_differ(const char *file, int id)
{
    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
        if (strcmp(file, differences[i].file) == 0 && id >= differences[i].first &&
            id <= differences[i].last)
            return differences[i].reason;
    return NULL;
}

static void run_case(apr_pool_t *p, const char *file, const verifier *with, const json_t *test)
{
    int id = (int)json_integer_value(json_object_get(test, "tcId"));
    const char *comment = json_string_value(json_object_get(test, "comment"));
    const char *reason = reason_to_differ(file, id);
    bool wanted = gate_span_is(gate_json_text(test, "result"), "valid") != (reason != NULL);
    bool accepted = is_accepted(p, with, text_of(p, json_object_get(test, "jws")));
    ok(accepted == wanted, "%s %d: %s is %s%s%s", file, id, comment,
       wanted ? "accepted" : "refused", reason ? ": " : "", reason ? reason : "");
}

static const char *reason_to_skip(const char *file, const char *comment)
{
    for (size_t i = 0; i < sizeof skipped_groups / sizeof skipped_groups[0]; i++)
        if (strcmp(file, skipped_groups[i].file) == 0 &&
            strcmp(comment, skipped_groups[i].comment) == 0)
            return skipped_groups[i].reason;
    return NULL;
}

static void run_file(apr_pool_t *p, const char *file, const json_t *document)
{
    size_t i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(document, "testGroups"), i, group)
    {
        const char *comment = json_string_value(json_object_get(group, "comment"));
        const char *reason = reason_to_skip(file, comment);
        if (reason) {
            printf("ok %d - %s, group %s # SKIP %s\n", ++tap_run, file, comment, reason);
            continue;
        }
        const verifier with = read_keys(p, group);
        json_array_foreach(json_object_get(group, "tests"), j, test) run_case(p, file, &with, test);
    }
}

int main(int argc, char **argv)
{
    static const char *const files[] = {signature_file, key_file, crypto_file};
    const size_t count = sizeof files / sizeof files[0];
    json_t *documents[sizeof files / sizeof files[0]];
    const char *dir = argc > 1 ? argv[1] : getenv("WYCHEPROOF_DIR");
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    dir = dir ? dir : DEFAULT_DIR;
    for (size_t i = 0; i < count; i++) {
        const char *path = apr_pstrcat(p, dir, "/", files[i], NULL);
        documents[i] = gate_json_own(p, json_load_file(path, 0, NULL));
        if (!documents[i]) {
            printf("1..0 # SKIP wycheproof vectors are not there: %s\n", path);
            return 0;
        }
    }
    for (size_t i = 0; i < count; i++)
        run_file(p, files[i], documents[i]);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
