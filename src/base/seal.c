/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/seal.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include <apr_strings.h>
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
#define BLOCK_BYTES 64                 /* of SHA-256 */
#define MAX_BYTES   (64 * 1024 * 1024) /* of one part; OpenSSL counts in int */
#define MOST_NONCES 32

/* Looking an algorithm up costs more than sealing a small record with it, so it is done once. The
 * handles stay until the process ends: a library that is unloaded has no safe moment to give them
 * back in. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aes_gcm;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_model; /* computes nothing: its copies have the digest looked up */

typedef struct folder {
    EVP_CIPHER_CTX *cipher;
    bool has_key;
    gate_key given; /* what its key is, or is made of */
} folder;

/* What each thread computes with, over and over: making a context costs more than a small digest.
 * The key that was last used stays in it, beside the cookie or token that it came from, which is in
 * the memory of the request. */
typedef struct tools {
    EVP_MD_CTX *digest, *inner, *outer; /* the latter two have read the key of an HMAC */
    EVP_CIPHER_CTX *sealer, *opener;
    bool has_mac_key;
    gate_key macs_with;
    folder for_places, for_folds;
    gate_key fills_up; /* a place's key, made of the same as what for_places folds with */
    unsigned char nonces[MOST_NONCES][NONCE_BYTES]; /* no secrets, but each for one box only */
    int nonces_left;
} tools;
static __thread tools *own_tools;
static pthread_key_t tools_of_thread; /* gives them back when the thread ends */
static bool has_key;

static void give_back(void *data)
{
    tools *t = data;
    EVP_MD_CTX_free(t->digest);
    EVP_MD_CTX_free(t->inner);
    EVP_MD_CTX_free(t->outer);
    EVP_CIPHER_CTX_free(t->sealer);
    EVP_CIPHER_CTX_free(t->opener);
    EVP_CIPHER_CTX_free(t->for_places.cipher);
    EVP_CIPHER_CTX_free(t->for_folds.cipher);
    OPENSSL_clear_free(t, sizeof *t);
}

/* In a new process, which must not use what its parent will use as well. */
static void forget_nonces(void)
{
    if (own_tools)
        own_tools->nonces_left = 0;
}

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
    has_key = pthread_key_create(&tools_of_thread, give_back) == 0 &&
              pthread_atfork(NULL, NULL, forget_nonces) == 0;
}

static bool have_algorithms(void)
{
    return pthread_once(&once, fetch_algorithms) == 0 && aes_gcm && sha256 && hmac_model && has_key;
}

static EVP_MD_CTX *make_digest(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex2(context, sha256, NULL) == 1)
        return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

static EVP_CIPHER_CTX *make_cipher(bool seals)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context && EVP_CipherInit_ex2(context, aes_gcm, NULL, NULL, seals, NULL) == 1)
        return context;
    EVP_CIPHER_CTX_free(context);
    return NULL;
}

static tools *make_tools(void)
{
    tools *t = have_algorithms() ? OPENSSL_zalloc(sizeof *t) : NULL;
    if (!t)
        return NULL;
    t->digest = make_digest();
    t->inner = make_digest();
    t->outer = make_digest();
    t->sealer = make_cipher(true);
    t->opener = make_cipher(false);
    t->for_places.cipher = make_cipher(true);
    t->for_folds.cipher = make_cipher(true);
    if (!t->digest || !t->inner || !t->outer || !t->sealer || !t->opener || !t->for_places.cipher ||
        !t->for_folds.cipher || pthread_setspecific(tools_of_thread, t) != 0) {
        give_back(t);
        return NULL;
    }
    return own_tools = t;
}

/* NULL only when OpenSSL or memory fails. */
static tools *tools_here(void)
{
    return own_tools ? own_tools : make_tools();
}

static const unsigned char *bytes_of(gate_span s)
{
    return (const unsigned char *)(s.ptr ? s.ptr : "");
}

/* The length of a part, before the part: what makes ("ab", "c") another list than ("a", "bc"). */
static void frame(unsigned char out[FRAME_BYTES], size_t len)
{
    const uint64_t big_endian =
        __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? (uint64_t)len : __builtin_bswap64((uint64_t)len);
    memcpy(out, &big_endian, FRAME_BYTES);
}

bool gate_random_bytes(void *bytes, size_t len)
{
    return len <= INT_MAX && RAND_bytes(bytes, (int)len) == 1;
}

/* Takes in the parts, and gives out the digest of all that was taken in. */
static bool digest_rest(EVP_MD_CTX *context, const gate_span *parts, size_t count,
                        unsigned char *digest)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char length[FRAME_BYTES];
        frame(length, parts[i].len);
        if (EVP_DigestUpdate(context, length, sizeof length) != 1 ||
            EVP_DigestUpdate(context, bytes_of(parts[i]), parts[i].len) != 1)
            return false;
    }
    return EVP_DigestFinal_ex(context, digest, NULL) == 1;
}

static bool digest_parts(EVP_MD_CTX *context, const gate_span *parts, size_t count,
                         unsigned char *digest)
{
    return EVP_DigestInit_ex2(context, NULL, NULL) == 1 &&
           digest_rest(context, parts, count, digest);
}

bool gate_digest_of(gate_digest *digest, const gate_span *parts, size_t count)
{
    const tools *t = tools_here();
    return t && digest_parts(t->digest, parts, count, digest->bytes);
}

static bool take_in_key(EVP_MD_CTX *context, const gate_key *key, unsigned char padding)
{
    unsigned char block[BLOCK_BYTES];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (i < sizeof key->bytes ? key->bytes[i] : 0) ^ padding;
    const bool good = EVP_DigestInit_ex2(context, NULL, NULL) == 1 &&
                      EVP_DigestUpdate(context, block, sizeof block) == 1;
    gate_wipe(block, sizeof block);
    return good;
}

/* RFC 2104 section 4: what the key does to both digests is computed once. */
static bool give_mac_key(tools *t, const gate_key *key)
{
    if (t->has_mac_key && !memcmp(&t->macs_with, key, sizeof *key))
        return true;
    t->has_mac_key = take_in_key(t->inner, key, 0x36) && take_in_key(t->outer, key, 0x5c);
    t->macs_with = *key;
    return t->has_mac_key;
}

bool gate_keyed_digest_of(gate_digest *digest, const gate_key *key, const gate_span *parts,
                          size_t count)
{
    tools *t = tools_here();
    return t && give_mac_key(t, key) && EVP_MD_CTX_copy_ex(t->digest, t->inner) == 1 &&
           digest_rest(t->digest, parts, count, digest->bytes) &&
           EVP_MD_CTX_copy_ex(t->digest, t->outer) == 1 &&
           EVP_DigestUpdate(t->digest, digest->bytes, sizeof digest->bytes) == 1 &&
           EVP_DigestFinal_ex(t->digest, digest->bytes, NULL) == 1;
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

static bool authenticate(EVP_CIPHER_CTX *cipher, const void *bytes, size_t len)
{
    int done;
    return len <= MAX_BYTES && EVP_CipherUpdate(cipher, NULL, &done, bytes, (int)len) == 1;
}

/* The parts, framed, as what a box is bound to without being in it; short ones in one piece. */
static bool authenticate_parts(EVP_CIPHER_CTX *cipher, const gate_span *parts, size_t count)
{
    unsigned char piece[256];
    size_t filled = 0;
    for (size_t i = 0; i < count; i++) {
        if (filled + FRAME_BYTES + parts[i].len > sizeof piece) {
            if (!authenticate(cipher, piece, filled))
                return false;
            filled = 0;
        }
        frame(piece + filled, parts[i].len);
        filled += FRAME_BYTES;
        if (filled + parts[i].len > sizeof piece) {
            if (!authenticate(cipher, piece, filled) ||
                !authenticate(cipher, parts[i].ptr, parts[i].len))
                return false;
            filled = 0;
            continue;
        }
        memcpy(piece + filled, bytes_of(parts[i]), parts[i].len);
        filled += parts[i].len;
    }
    return !filled || authenticate(cipher, piece, filled);
}

/* What the box is bound to: purpose and context. */
static bool bind_to(EVP_CIPHER_CTX *cipher, const char *purpose, gate_span context)
{
    const gate_span parts[] = {gate_span_of(purpose), context};
    return authenticate_parts(cipher, parts, 2);
}

static bool was_given(const folder *f, const gate_key *key)
{
    return f->has_key && !memcmp(&f->given, key, sizeof *key);
}

static bool give(folder *f, const gate_key *given, const gate_key *key)
{
    f->given = *given;
    f->has_key = EVP_EncryptInit_ex2(f->cipher, NULL, key->bytes, NULL, NULL) == 1;
    return f->has_key;
}

/* Both are keys of their own. */
static bool give_for_places(tools *t, const gate_key *key)
{
    const gate_span secret = {(const char *)key->bytes, sizeof key->bytes};
    gate_key own;
    if (was_given(&t->for_places, key))
        return true;
    t->for_places.has_key = false;
    const bool given = gate_key_derive(&own, secret, "fold") &&
                       gate_key_derive(&t->fills_up, secret, "fill") &&
                       give(&t->for_places, key, &own);
    gate_wipe(&own, sizeof own);
    return given;
}

/* GHASH, a universal hash, as GMAC masks it (NIST SP 800-38D section 6.4): without the key nobody
 * finds two lists of parts that fold to the same, but with a probability of 2^-100. That holds for
 * who sees no fold, and the nonce is always the same: so a fold is a secret, which leaves no
 * process, and others see at most a digest of it. */
static bool fold(const folder *f, const gate_span *parts, size_t count,
                 unsigned char folded[GATE_FOLD_BYTES])
{
    static const unsigned char nonce[NONCE_BYTES];
    int done;
    return EVP_EncryptInit_ex2(f->cipher, NULL, NULL, nonce, NULL) == 1 &&
           authenticate_parts(f->cipher, parts, count) &&
           EVP_EncryptFinal_ex(f->cipher, folded, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(f->cipher, EVP_CTRL_AEAD_GET_TAG, GATE_FOLD_BYTES, folded) == 1;
}

bool gate_fold_of(gate_fold *folded, const gate_key *key, const gate_span *parts, size_t count)
{
    tools *t = tools_here();
    return t && (was_given(&t->for_folds, key) || give(&t->for_folds, key, key)) &&
           fold(&t->for_folds, parts, count, folded->bytes);
}

/* Without a branch, and without a call: a few are compared on each request. */
bool gate_fold_equal(const gate_fold *a, const gate_fold *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

bool gate_place_of(gate_digest *where, gate_key *opens, const gate_key *key, const gate_span *parts,
                   size_t count)
{
    enum { HALF = GATE_DIGEST_BYTES / 2 };
    unsigned char folded[GATE_FOLD_BYTES];
    gate_digest digest;
    tools *t = tools_here();
    const gate_span secret = {(const char *)folded, sizeof folded};
    const bool made = t && give_for_places(t, key) && fold(&t->for_places, parts, count, folded) &&
                      digest_parts(t->digest, &secret, 1, digest.bytes);
    if (made) {
        memcpy(where->bytes, digest.bytes, HALF);
        memset(where->bytes + HALF, 0, HALF);
        memcpy(opens->bytes, digest.bytes + HALF, HALF);
        memcpy(opens->bytes + HALF, t->fills_up.bytes, HALF);
    }
    gate_wipe(folded, sizeof folded);
    gate_wipe(&digest, sizeof digest);
    return made;
}

void gate_place_beside(gate_digest *beside, const gate_digest *where, const char *purpose)
{
    enum { HALF = GATE_DIGEST_BYTES / 2 };
    *beside = *where;
    for (size_t i = 0; i < HALF && purpose[i]; i++)
        beside->bytes[HALF + i] ^= (unsigned char)purpose[i];
}

/* Random, as each nonce of a box is; but OpenSSL's generator is asked for many at once, which costs
 * hardly more than asking for one. */
static bool draw_nonce(tools *t, gate_random_fn *random, unsigned char *nonce)
{
    if (random != gate_random_bytes)
        return random(nonce, NONCE_BYTES);
    if (!t->nonces_left) {
        if (!random(t->nonces, sizeof t->nonces))
            return false;
        t->nonces_left = MOST_NONCES;
    }
    memcpy(nonce, t->nonces[--t->nonces_left], NONCE_BYTES);
    return true;
}

bool gate_box_seal(apr_pool_t *p, const gate_key *key, const char *purpose, gate_span context,
                   gate_span plain, gate_random_fn *random, gate_span *box)
{
    int done, rest;
    if (plain.len > MAX_BYTES)
        return false;
    unsigned char *out = apr_palloc(p, plain.len + GATE_BOX_OVERHEAD);
    unsigned char *body = out + NONCE_BYTES, *tag = body + plain.len;
    tools *t = tools_here();
    if (!t || !draw_nonce(t, random, out))
        return false;
    EVP_CIPHER_CTX *cipher = t->sealer;
    if (EVP_EncryptInit_ex2(cipher, NULL, key->bytes, out, NULL) != 1 ||
        !bind_to(cipher, purpose, context) ||
        EVP_EncryptUpdate(cipher, body, &done, bytes_of(plain), (int)plain.len) != 1 ||
        EVP_EncryptFinal_ex(cipher, body + done, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) != 1)
        return false;
    *box = (gate_span){(const char *)out, plain.len + GATE_BOX_OVERHEAD};
    return true;
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
    const tools *t = tools_here();
    EVP_CIPHER_CTX *cipher = t ? t->opener : NULL;
    if (!cipher || EVP_DecryptInit_ex2(cipher, NULL, key->bytes, nonce, NULL) != 1 ||
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

/* As CRYPTO_memcmp, but eight bytes at a time, since whole tokens are compared on each request. The
 * barrier keeps the compiler from stopping at the first difference. */
static bool is_equal(const char *a, const char *b, size_t len)
{
    uint64_t differences = 0;
    size_t at = 0;
    for (; len - at >= sizeof differences; at += sizeof differences) {
        uint64_t x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        differences |= x ^ y;
        __asm__ volatile("" : "+r"(differences));
    }
    return !(differences | (uint64_t)(unsigned)CRYPTO_memcmp(a + at, b + at, len - at));
}

bool gate_secret_equal(gate_span a, gate_span b)
{
    return a.ptr && b.ptr && a.len == b.len && is_equal(a.ptr, b.ptr, a.len);
}

void gate_wipe(void *bytes, size_t len)
{
    if (len)
        explicit_bzero(bytes, len);
}

static apr_status_t wipe_span(void *data)
{
    const gate_span *bytes = data;

    gate_wipe((void *)(uintptr_t)bytes->ptr, bytes->len);
    return APR_SUCCESS;
}

void gate_wipe_with(apr_pool_t *p, gate_span bytes)
{
    if (bytes.len)
        apr_pool_cleanup_register(p, apr_pmemdup(p, &bytes, sizeof bytes), wipe_span,
                                  apr_pool_cleanup_null);
}

void gate_wipe_and_free(void *block)
{
    if (block)
        gate_wipe(block, malloc_usable_size(block));
    free(block);
}
