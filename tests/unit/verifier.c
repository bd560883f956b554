/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/verifier.h"

#include <pthread.h>

#include <apr_general.h>
#include <openssl/rsa.h>

#include "sign.h"
#include "tap.h"

#define TEXT    "header.payload"
#define THREADS 12 /* more than there are verifiers kept */
#define ROUNDS  40

static const gate_verifier_rule rs256 = {"SHA256", RSA_PKCS1_PADDING, false};
static const gate_verifier_rule rs512 = {"SHA512", RSA_PKCS1_PADDING, false};
static const gate_verifier_rule ps256 = {"SHA256", RSA_PKCS1_PSS_PADDING, false};
static const gate_verifier_rule eddsa = {"SHA512", 0, true};
static const gate_verifier_rule no_such_hash = {"SHA257", RSA_PKCS1_PADDING, false};

static gate_span signature_of(apr_pool_t *p, EVP_PKEY *key, const char *alg, const char *text)
{
    gate_span bytes = {NULL, 0};
    gate_base64url_decode(p, gate_span_of(sign_text(p, key, alg, text)), &bytes);
    return bytes;
}

static gate_span changed(apr_pool_t *p, gate_span signature)
{
    char *bytes = apr_pmemdup(p, signature.ptr, signature.len);
    bytes[signature.len / 2] = (char)(bytes[signature.len / 2] ^ 1);
    return (gate_span){bytes, signature.len};
}

/* As PS256 signs, but for the salt, which is shorter. */
static gate_span short_salted(apr_pool_t *p, EVP_PKEY *key, const char *text)
{
    unsigned char *bytes = apr_palloc(p, 512);
    size_t len = 512;
    EVP_MD_CTX *signs = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    const bool done =
        EVP_DigestSignInit_ex(signs, &how, "SHA256", NULL, NULL, key, NULL) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(how, 20) == 1 &&
        EVP_DigestSign(signs, bytes, &len, (const unsigned char *)text, strlen(text)) == 1;

    EVP_MD_CTX_free(signs);
    return (gate_span){done ? (const char *)bytes : NULL, len};
}

/* What one check leaves behind must not count in the next, whatever it was. */
static void one_after_the_other(apr_pool_t *p)
{
    EVP_PKEY *rsa = sign_make_key(p, "RSA"), *edwards = sign_make_key(p, "ED25519");
    const struct {
        const char *name, *alg;
        EVP_PKEY *key;
        const gate_verifier_rule *rule;
    } cases[] = {
        {"RS256", "RS256", rsa, &rs256},
        {"PS256", "PS256", rsa, &ps256},
        {"RS512", "RS512", rsa, &rs512},
        {"EdDSA", "EdDSA", edwards, &eddsa},
    };
    gate_verifiers *of_rsa = gate_verifiers_make(p, rsa);
    gate_verifiers *of_edwards = gate_verifiers_make(p, edwards);

    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        const size_t at = i % (sizeof cases / sizeof *cases);
        gate_verifiers *verifiers = cases[at].key == rsa ? of_rsa : of_edwards;
        const gate_span good = signature_of(p, cases[at].key, cases[at].alg, TEXT);
        const gate_span other = signature_of(p, cases[at].key, cases[at].alg, "header.other");
        const gate_span text = gate_span_of(TEXT);

        for (int round = 0; round < 2; round++) {
            ok(gate_verifiers_check(verifiers, cases[at].rule, text, good) == GATE_VERIFIER_GENUINE,
               "%s: what it signs is genuine", cases[at].name);
            ok(gate_verifiers_check(verifiers, cases[at].rule, text, changed(p, good)) ==
                   GATE_VERIFIER_REFUSED,
               "%s: a bit changed, it is refused", cases[at].name);
            ok(gate_verifiers_check(verifiers, cases[at].rule, text, other) ==
                   GATE_VERIFIER_REFUSED,
               "%s: so is the signature of another text", cases[at].name);
            ok(gate_verifiers_check(verifiers, cases[at].rule, (gate_span){NULL, 0}, good) ==
                   GATE_VERIFIER_REFUSED,
               "%s: and that of no text", cases[at].name);
        }
    }
    const gate_span pss = signature_of(p, rsa, "PS256", TEXT);
    ok(gate_verifiers_check(of_rsa, &rs256, gate_span_of(TEXT), pss) == GATE_VERIFIER_REFUSED,
       "by another rule, a genuine signature is none");
    ok(gate_verifiers_check(of_rsa, &ps256, gate_span_of(TEXT), pss) == GATE_VERIFIER_GENUINE,
       "by its own it is");
    const gate_span salted = short_salted(p, rsa, TEXT);
    ok(salted.ptr && gate_verifiers_check(of_rsa, &ps256, gate_span_of(TEXT), salted) ==
                         GATE_VERIFIER_REFUSED,
       "with a shorter salt than the hash it is none (RFC 7518 section 3.5)");
    ok(gate_verifiers_check(of_rsa, &no_such_hash, gate_span_of(TEXT), pss) == GATE_VERIFIER_FAILED,
       "what OpenSSL does not have fails");
    ok(gate_verifiers_check(of_rsa, &eddsa, gate_span_of(TEXT), pss) != GATE_VERIFIER_GENUINE,
       "and a rule for other keys takes nothing");
}

typedef struct crowd {
    gate_verifiers *verifiers;
    gate_span good, bad;
} crowd;

static void *check_often(void *data)
{
    const crowd *c = data;
    uintptr_t wrong = 0;

    for (int i = 0; i < ROUNDS; i++) {
        const gate_verifier_rule *rule = i % 8 ? &rs256 : &rs512;
        const bool is_good = i % 3 && rule == &rs256;

        wrong += gate_verifiers_check(c->verifiers, rule, gate_span_of(TEXT),
                                      i % 3 ? c->good : c->bad) !=
                 (is_good ? GATE_VERIFIER_GENUINE : GATE_VERIFIER_REFUSED);
    }
    return (void *)wrong;
}

static void at_once(apr_pool_t *p)
{
    EVP_PKEY *key = sign_make_key(p, "RSA");
    const gate_span good = signature_of(p, key, "RS256", TEXT);
    crowd c = {gate_verifiers_make(p, key), good, changed(p, good)};
    pthread_t threads[THREADS];
    uintptr_t wrong = 0;

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, check_often, &c);
    for (int i = 0; i < THREADS; i++) {
        void *result;

        pthread_join(threads[i], &result);
        wrong += (uintptr_t)result;
    }
    ok(wrong == 0, "many threads at once each get the right answer");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    one_after_the_other(p);
    at_once(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
