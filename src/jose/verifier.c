/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "jose/verifier.h"

#include <stdatomic.h>

#include <openssl/rsa.h>

/* Making one costs OpenSSL as much as a tenth of a check: it looks up the algorithms by their names
 * each time. One is used by one thread at a time. */
typedef struct verifier {
    const gate_verifier_rule *rule;
    EVP_MD_CTX *digest;   /* of the text; with EdDSA it is the whole verifier */
    EVP_PKEY_CTX *checks; /* the signature of such a digest; NULL with EdDSA */
} verifier;

/* As many as there are checks at once, which is hardly more than there are processors. More are
 * made where they are needed, and not kept. */
#define MOST_KEPT 8

struct gate_verifiers {
    EVP_PKEY *key;
    _Atomic(verifier *) kept[MOST_KEPT];
};

static void discard(verifier *v)
{
    EVP_MD_CTX_free(v->digest);
    EVP_PKEY_CTX_free(v->checks);
    OPENSSL_free(v);
}

static apr_status_t discard_all(void *data)
{
    gate_verifiers *all = data;

    for (int i = 0; i < MOST_KEPT; i++) {
        verifier *v = atomic_exchange(&all->kept[i], NULL);

        if (v)
            discard(v);
    }
    return APR_SUCCESS;
}

gate_verifiers *gate_verifiers_make(apr_pool_t *p, EVP_PKEY *key)
{
    gate_verifiers *all = apr_pcalloc(p, sizeof *all);

    all->key = key;
    apr_pool_cleanup_register(p, all, discard_all, apr_pool_cleanup_null);
    return all;
}

static bool set_padding(EVP_PKEY_CTX *context, int padding)
{
    if (!padding)
        return true;
    if (EVP_PKEY_CTX_set_rsa_padding(context, padding) != 1)
        return false;
    /* RFC 7518 section 3.5: the salt is as long as the hash, neither more nor less. */
    return padding != RSA_PKCS1_PSS_PADDING ||
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

static bool prepare_digested(verifier *v, EVP_PKEY *key)
{
    EVP_MD *hash = EVP_MD_fetch(NULL, v->rule->hash, NULL);
    bool good = hash && (v->checks = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)) != NULL &&
                EVP_DigestInit_ex2(v->digest, hash, NULL) == 1 &&
                EVP_PKEY_verify_init(v->checks) == 1 && set_padding(v->checks, v->rule->padding) &&
                EVP_PKEY_CTX_set_signature_md(v->checks, hash) == 1;

    EVP_MD_free(hash);
    return good;
}

static verifier *make(EVP_PKEY *key, const gate_verifier_rule *rule)
{
    verifier *v = OPENSSL_zalloc(sizeof *v);

    if (!v)
        return NULL;
    v->rule = rule;
    v->digest = EVP_MD_CTX_new();
    if (!v->digest || !(rule->has_own_hash ? EVP_DigestVerifyInit_ex(v->digest, NULL, NULL, NULL,
                                                                     NULL, key, NULL) == 1
                                           : prepare_digested(v, key))) {
        discard(v);
        return NULL;
    }
    return v;
}

/* One that was kept for this rule, or a new one. A key is hardly ever used with several: then one
 * makes room for the other. */
static verifier *take(gate_verifiers *all, const gate_verifier_rule *rule)
{
    for (int i = 0; i < MOST_KEPT; i++) {
        verifier *v = atomic_load_explicit(&all->kept[i], memory_order_relaxed)
                          ? atomic_exchange(&all->kept[i], NULL)
                          : NULL;

        if (v && v->rule == rule)
            return v;
        if (v)
            discard(v);
    }
    return make(all->key, rule);
}

static void put_back(gate_verifiers *all, verifier *v)
{
    for (int i = 0; i < MOST_KEPT; i++) {
        verifier *none = NULL;

        if (atomic_compare_exchange_strong(&all->kept[i], &none, v))
            return;
    }
    discard(v);
}

static const unsigned char *bytes_of(gate_span s)
{
    return (const unsigned char *)(s.ptr ? s.ptr : "");
}

/* The last step of each: any other answer than 1 is the signature's fault. What could be ours has
 * been seen to before. */
static gate_verifier_answer answer_of(int said)
{
    return said == 1 ? GATE_VERIFIER_GENUINE : GATE_VERIFIER_REFUSED;
}

static gate_verifier_answer check_digested(verifier *v, gate_span text, gate_span signature)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;

    if (EVP_DigestInit_ex2(v->digest, NULL, NULL) != 1 ||
        EVP_DigestUpdate(v->digest, bytes_of(text), text.len) != 1 ||
        EVP_DigestFinal_ex(v->digest, digest, &len) != 1)
        return GATE_VERIFIER_FAILED;
    return answer_of(EVP_PKEY_verify(v->checks, bytes_of(signature), signature.len, digest, len));
}

/* EdDSA hashes the text together with the key and the signature, so it is given all of it at once.
 * Without a key, the context is made ready with the one that it has. */
static gate_verifier_answer check_whole(verifier *v, gate_span text, gate_span signature)
{
    if (EVP_DigestVerifyInit_ex(v->digest, NULL, NULL, NULL, NULL, NULL, NULL) != 1)
        return GATE_VERIFIER_FAILED;
    return answer_of(
        EVP_DigestVerify(v->digest, bytes_of(signature), signature.len, bytes_of(text), text.len));
}

gate_verifier_answer gate_verifiers_check(gate_verifiers *verifiers, const gate_verifier_rule *rule,
                                          gate_span text, gate_span signature)
{
    verifier *v = take(verifiers, rule);
    gate_verifier_answer answer;

    if (!v)
        return GATE_VERIFIER_FAILED;
    answer =
        rule->has_own_hash ? check_whole(v, text, signature) : check_digested(v, text, signature);
    if (answer == GATE_VERIFIER_FAILED)
        discard(v); /* who knows what is left in it */
    else
        put_back(verifiers, v);
    return answer;
}
