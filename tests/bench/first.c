/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* What a token costs that was never seen before, without httpd: the whole of gate_accept (judged,
 * and filed in shared memory), beside the bare check of such a signature by OpenSSL. Both in turns,
 * on one thread, and the least of many turns each: the rest of the machine is not still.
 *
 *   make build/bench-first
 *   build/bench-first [tokens, 250] [turns, 40] [algorithm]
 *
 * JSON: microseconds of CPU. `make bench` runs it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <apr_general.h>

#include "base/json.h"
#include "gate/accept.h"
#include "gate/provider.h"
#include "io/store_shm.h"
#include "sign.h"

#define NOW    APR_INT64_C(1750000000)
#define ISSUER "http://127.0.0.1:8080"

static const struct algorithm {
    const char *name, *kind;
    bool is_whole; /* what is signed is no digest */
} algorithms[] = {{"RS256", "RSA", false}, {"ES256", "P-256", false}, {"EdDSA", "ED25519", true}};

static int count = 250, turns = 40;
static const char *only, *separator = "[";

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static apr_int64_t now(void)
{
    return NOW;
}

/* The token of `make bench`: twelve claims of a person, one a list of twenty. */
static const char *mint(apr_pool_t *p, const struct algorithm *a, EVP_PKEY *key, int serial)
{
    const char *groups = "\"team-001\"";

    for (int i = 2; i <= 20; i++)
        groups = apr_psprintf(p, "%s,\"team-%03d\"", groups, i);
    return sign_jwt(
        p, key, a->name,
        apr_psprintf(p, "{\"alg\":\"%s\",\"kid\":\"rsa1\",\"typ\":\"at+jwt\"}", a->name),
        apr_psprintf(
            p,
            "{\"iss\":\"" ISSUER "\",\"aud\":\"api://default\",\"client_id\":\"c-web\","
            "\"jti\":\"t%d\",\"iat\":%d,\"exp\":%d,\"sub\":\"248289761001-p20\","
            "\"preferred_username\":\"p20\",\"name\":\"Alice Liddell\",\"given_name\":"
            "\"Alice\",\"family_name\":\"Liddell\",\"email\":\"alice.liddell@example.org\","
            "\"email_verified\":true,\"locale\":\"en-GB\",\"zoneinfo\":\"Europe/London\","
            "\"phone_number\":\"+44 20 7946 0958\",\"department\":\"research\","
            "\"groups\":[%s]}",
            serial, (int)NOW, (int)NOW + 3600, groups));
}

typedef struct sample {
    unsigned char digest[32], signature[512];
    size_t len;
} sample;

static void sign(const struct algorithm *a, EVP_PKEY *key, sample *s, int serial)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    EVP_MD_CTX *whole = EVP_MD_CTX_new();

    *s = (sample){.len = sizeof s->signature};
    memcpy(s->digest, &serial, sizeof serial);
    sign_must(
        a->is_whole
            ? EVP_DigestSignInit(whole, NULL, NULL, NULL, key) == 1 &&
                  EVP_DigestSign(whole, s->signature, &s->len, s->digest, sizeof s->digest) == 1
            : EVP_PKEY_sign_init(context) == 1 &&
                  EVP_PKEY_sign(context, s->signature, &s->len, s->digest, sizeof s->digest) == 1,
        a->name);
    EVP_PKEY_CTX_free(context);
    EVP_MD_CTX_free(whole);
}

/* As `openssl speed` does: what is signed is a digest of the right size already, but for EdDSA. But
 * each signature is another, as those of tokens are: a processor that is shown the same one again
 * and again learns it by heart. */
static double bare(const struct algorithm *a, EVP_PKEY *key, const sample *samples)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    EVP_MD_CTX *whole = EVP_MD_CTX_new();

    EVP_PKEY_verify_init(context);
    double start = cpu();
    for (int i = 0; i < count; i++) {
        const sample *s = &samples[i];

        sign_must(a->is_whole ? EVP_DigestVerifyInit(whole, NULL, NULL, NULL, key) == 1 &&
                                    EVP_DigestVerify(whole, s->signature, s->len, s->digest,
                                                     sizeof s->digest) == 1
                              : EVP_PKEY_verify(context, s->signature, s->len, s->digest,
                                                sizeof s->digest) == 1,
                  a->name);
    }
    double each = (cpu() - start) / count;
    EVP_MD_CTX_free(whole);
    EVP_PKEY_CTX_free(context);
    return each;
}

typedef struct gate {
    gate_settings settings;
    gate_world world;
    gate_key key;
    EVP_PKEY *signer;
    apr_pool_t *of_request;
} gate;

static void prepare(apr_pool_t *p, const struct algorithm *a, gate *g)
{
    static const char *const audiences[] = {"api://default", NULL};
    static gate_site site = {.origin = "https://www.example"};
    /* As a server has it that runs for a while: full, each record in the place of others. */
    const gate_shm_options sizes = {(apr_size_t)1 << 20, (apr_size_t)4 << 20, NULL};
    gate_provider_options *options = apr_pcalloc(p, sizeof *options);
    const char *problem;
    gate_shm *shm;

    *g = (gate){.signer = sign_make_key(p, a->kind)};
    options->issuer = ISSUER;
    options->keys =
        apr_pstrcat(p, "{\"keys\":[", sign_public_jwk(p, g->signer, "rsa1", a->name), "]}", NULL);
    sign_must(gate_shm_create(p, &sizes, &shm, &problem) == APR_SUCCESS, "shared memory");
    gate_random_bytes(&g->key, sizeof g->key);
    g->world = (gate_world){.store = gate_shm_store(shm),
                            .random = gate_random_bytes,
                            .clock = now,
                            .keys = &g->key,
                            .key_count = 1};
    g->settings = (gate_settings){
        .name = "bench",
        .site = &site,
        .realm = {.issuer = ISSUER, .client_id = "c-web", .tag = "bench"},
        .provider = gate_provider_make(p, options),
        .methods = 1u << GATE_METHOD_BEARER,
        .audiences = audiences,
        .algorithms = GATE_ALGS_ASYMMETRIC,
        .skew = 30,
        .cache = {.introspection = 30, .negative = 10, .token = 300},
    };
    apr_pool_create(&g->of_request, p);
}

static double judge(gate *g, const char *const *tokens, const char *cache)
{
    int calls = 0;
    double start = cpu();

    for (int i = 0; i < count; i++) {
        const gate_request q = {
            .pool = g->of_request, .now = NOW, .method = "GET", .provider_calls = &calls};
        const gate_decision decision =
            gate_accept(&q, &g->settings, &g->world, gate_span_of(tokens[i]));

        sign_must(decision.verb == GATE_ADMIT && !strcmp(decision.cache, cache), "a verdict");
        apr_pool_clear(g->of_request);
    }
    return (cpu() - start) / count;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* What is accepted for one place is not seen yet at another: in each turn it is a new one. */
static void measure(apr_pool_t *p, const struct algorithm *a)
{
    const char **tokens = apr_palloc(p, (apr_size_t)count * sizeof *tokens);
    sample *samples = apr_palloc(p, (apr_size_t)count * sizeof *samples);
    double check = 1e9, first = 1e9, again = 1e9;
    gate g;

    prepare(p, a, &g);
    for (int i = 0; i < count; i++) {
        tokens[i] = mint(p, a, g.signer, i);
        sign(a, g.signer, &samples[i], i);
    }
    for (int turn = 0; turn < turns; turn++) {
        memcpy(g.settings.accept_fingerprint.bytes, &turn, sizeof turn);
        check = least(check, bare(a, g.signer, samples));
        first = least(first, judge(&g, tokens, "miss"));
        again = least(again, judge(&g, tokens, "hit"));
    }
    printf("%s{\"algorithm\":\"%s\",\"check_us\":%.1f,\"first_us\":%.1f,\"beyond_us\":%.1f,"
           "\"again_us\":%.1f}",
           separator, a->name, check, first, first - check, again);
    separator = ",\n";
}

/* On a thread that is not the first, as the workers of httpd are: malloc tells them apart. */
static void *work(void *data)
{
    apr_pool_t *p = data;

    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        if (!only || !strcmp(only, algorithms[i].name))
            measure(p, &algorithms[i]);
    }
    printf("]\n");
    return NULL;
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    pthread_t worker;

    count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : count;
    turns = argc > 2 ? (int)strtol(argv[2], NULL, 10) : turns;
    only = argc > 3 ? argv[3] : NULL;
    apr_initialize();
    apr_pool_create(&p, NULL);
    gate_json_setup();
    if (pthread_create(&worker, NULL, work, p) == 0)
        pthread_join(worker, NULL);
    apr_pool_destroy(p);
    apr_terminate();
    return 0;
}
