/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/seal.h"

#include <limits.h>
#include <pthread.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/base64url.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16
#define FRAME_BYTES 8
#define SECRET_MIN  16
#define SECRET_MAX  64
#define MAX_BYTES   (64 * 1024 * 1024) /* of one part; OpenSSL counts in int */

/* Looking an algorithm up costs more than sealing a small record with it, so it is done once. The
 * handles stay until the process ends: a library that is unloaded has no safe moment to give them
 * back in. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aes_gcm;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_model; /* computes nothing: its copies have the digest looked up */

static void fetch_algorithms(void)
{
    static const unsigned char no_key[GATE_KEY_BYTES];
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hmac_model = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    if (hmac_model && EVP_MAC_init(hmac_model, no_key, sizeof no_key, parameters) != 1) {
        EVP_MAC_CTX_free(hmac_model);
        hmac_model = NULL;
    }
}

static bool have_algorithms(void)
{
    return pthread_once(&once, fetch_algorithms) == 0 && aes_gcm && sha256 && hmac_model;
}

static const unsigned char *bytes_of(gate_span s)
{
    return (const unsigned char *)(s.ptr ? s.ptr : "");
}

/* The length of a part, before the part: what makes ("ab", "c") another list than ("a", "bc"). */
static void frame(unsigned char out[FRAME_BYTES], size_t len)
{
    for (int i = FRAME_BYTES - 1; i >= 0; i--) {
        out[i] = (unsigned char)(len & 0xff);
        len >>= 8;
    }
}

bool gate_random_bytes(void *bytes, size_t len)
{
    return len <= INT_MAX && RAND_bytes(bytes, (int)len) == 1;
}

bool gate_digest_of(gate_digest *digest, const gate_span *parts, size_t count)
{
    bool good = false;
    EVP_MD_CTX *context = have_algorithms() ? EVP_MD_CTX_new() : NULL;
    if (!context || EVP_DigestInit_ex2(context, sha256, NULL) != 1)
        goto out;
    for (size_t i = 0; i < count; i++) {
        unsigned char length[FRAME_BYTES];
        frame(length, parts[i].len);
        if (EVP_DigestUpdate(context, length, sizeof length) != 1 ||
            EVP_DigestUpdate(context, bytes_of(parts[i]), parts[i].len) != 1)
            goto out;
    }
    good = EVP_DigestFinal_ex(context, digest->bytes, NULL) == 1;
out:
    EVP_MD_CTX_free(context);
    return good;
}

static EVP_MAC_CTX *start_hmac(const unsigned char *key, size_t len)
{
    EVP_MAC_CTX *context = have_algorithms() ? EVP_MAC_CTX_dup(hmac_model) : NULL;
    if (context && EVP_MAC_init(context, key, len, NULL) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    return context;
}

bool gate_keyed_digest_of(gate_digest *digest, const gate_key *key, const gate_span *parts,
                          size_t count)
{
    bool good = false;
    size_t len;
    EVP_MAC_CTX *context = start_hmac(key->bytes, sizeof key->bytes);
    if (!context)
        goto out;
    for (size_t i = 0; i < count; i++) {
        unsigned char length[FRAME_BYTES];
        frame(length, parts[i].len);
        if (EVP_MAC_update(context, length, sizeof length) != 1 ||
            EVP_MAC_update(context, bytes_of(parts[i]), parts[i].len) != 1)
            goto out;
    }
    good = EVP_MAC_final(context, digest->bytes, &len, sizeof digest->bytes) == 1;
out:
    EVP_MAC_CTX_free(context);
    return good;
}

bool gate_key_derive(gate_key *key, gate_span secret, const char *purpose)
{
    bool good = false;
    size_t len;
    if (!secret.ptr || secret.len < SECRET_MIN || secret.len > SECRET_MAX)
        return false;
    EVP_MAC_CTX *context = start_hmac(bytes_of(secret), secret.len);
    if (!context)
        goto out;
    good = EVP_MAC_update(context, (const unsigned char *)purpose, strlen(purpose)) == 1 &&
           EVP_MAC_final(context, key->bytes, &len, sizeof key->bytes) == 1;
out:
    EVP_MAC_CTX_free(context);
    return good;
}

/* What the box is bound to, without being in it: purpose and context, framed. */
static bool bind_to(EVP_CIPHER_CTX *cipher, const char *purpose, gate_span context)
{
    const gate_span parts[] = {gate_span_of(purpose), context};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        unsigned char length[FRAME_BYTES];
        int done;
        frame(length, parts[i].len);
        if (parts[i].len > MAX_BYTES ||
            EVP_CipherUpdate(cipher, NULL, &done, length, sizeof length) != 1 ||
            EVP_CipherUpdate(cipher, NULL, &done, bytes_of(parts[i]), (int)parts[i].len) != 1)
            return false;
    }
    return true;
}

bool gate_box_seal(apr_pool_t *p, const gate_key *key, const char *purpose, gate_span context,
                   gate_span plain, gate_random_fn *random, gate_span *box)
{
    bool good = false;
    int done, rest;
    if (plain.len > MAX_BYTES)
        return false;
    unsigned char *out = apr_palloc(p, plain.len + GATE_BOX_OVERHEAD);
    unsigned char *body = out + NONCE_BYTES, *tag = body + plain.len;
    if (!random(out, NONCE_BYTES))
        return false;
    EVP_CIPHER_CTX *cipher = have_algorithms() ? EVP_CIPHER_CTX_new() : NULL;
    if (!cipher || EVP_EncryptInit_ex2(cipher, aes_gcm, key->bytes, out, NULL) != 1 ||
        !bind_to(cipher, purpose, context) ||
        EVP_EncryptUpdate(cipher, body, &done, bytes_of(plain), (int)plain.len) != 1 ||
        EVP_EncryptFinal_ex(cipher, body + done, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) != 1)
        goto out;
    *box = (gate_span){(const char *)out, plain.len + GATE_BOX_OVERHEAD};
    good = true;
out:
    EVP_CIPHER_CTX_free(cipher);
    return good;
}

gate_box_answer gate_box_try(apr_pool_t *p, const gate_key *key, const char *purpose,
                             gate_span context, gate_span box, gate_span *plain)
{
    gate_box_answer answer = GATE_BOX_FAILED;
    int done = 0, rest;
    if (!box.ptr || box.len < GATE_BOX_OVERHEAD || box.len - GATE_BOX_OVERHEAD > MAX_BYTES)
        return GATE_BOX_FOREIGN;
    size_t len = box.len - GATE_BOX_OVERHEAD;
    unsigned char *out = apr_palloc(p, len + 1), tag[TAG_BYTES];
    const unsigned char *nonce = bytes_of(box), *body = nonce + NONCE_BYTES;
    memcpy(tag, body + len, TAG_BYTES);
    EVP_CIPHER_CTX *cipher = have_algorithms() ? EVP_CIPHER_CTX_new() : NULL;
    if (!cipher || EVP_DecryptInit_ex2(cipher, aes_gcm, key->bytes, nonce, NULL) != 1 ||
        !bind_to(cipher, purpose, context) ||
        EVP_DecryptUpdate(cipher, out, &done, body, (int)len) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1)
        goto out;
    answer = GATE_BOX_FOREIGN;
    if (EVP_DecryptFinal_ex(cipher, out + done, &rest) != 1)
        goto out;
    out[len] = '\0';
    *plain = (gate_span){(const char *)out, len};
    answer = GATE_BOX_OPENED;
out:
    /* GCM gives out bytes before it knows whether they are genuine. */
    if (answer != GATE_BOX_OPENED)
        gate_wipe(out, len);
    EVP_CIPHER_CTX_free(cipher);
    return answer;
}

bool gate_box_open(apr_pool_t *p, const gate_key *key, const char *purpose, gate_span context,
                   gate_span box, gate_span *plain)
{
    return gate_box_try(p, key, purpose, context, box, plain) == GATE_BOX_OPENED;
}

const char *gate_random_text(apr_pool_t *p, gate_random_fn *random, size_t len)
{
    char *bytes = apr_palloc(p, len);
    if (!random(bytes, len))
        return NULL;
    const char *text = gate_base64url_encode(p, (gate_span){bytes, len});
    gate_wipe(bytes, len);
    return text;
}

bool gate_secret_equal(gate_span a, gate_span b)
{
    return a.ptr && b.ptr && a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}

void gate_wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}
