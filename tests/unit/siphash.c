/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "tap.h"

#define MOST 2048

static const gate_siphash_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

/* The parts as the header says that they are framed. */
static size_t frame(unsigned char *bytes, const gate_span *parts, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        for (int b = 0; b < 8; b++)
            bytes[len++] = (unsigned char)((uint64_t)parts[i].len >> 8 * b);
        for (size_t b = 0; b < (parts[i].len + 7) / 8 * 8; b++)
            bytes[len++] = b < parts[i].len ? (unsigned char)parts[i].ptr[b] : 0;
    }
    return len;
}

/* OpenSSL's own, with as many rounds. */
static bool ask_openssl(const unsigned char *bytes, size_t len, unsigned char hash[16])
{
    unsigned char key_bytes[16];
    size_t size = 16, got = 0;
    unsigned rounds = 1, last_rounds = 3;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &rounds),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &last_rounds),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool good;

    for (unsigned char i = 0; i < 16; i++)
        key_bytes[i] = i;
    good = context && EVP_MAC_init(context, key_bytes, 16, parameters) == 1 &&
           EVP_MAC_update(context, bytes, len) == 1 &&
           EVP_MAC_final(context, hash, &got, 16) == 1 && got == 16;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good;
}

static bool agrees(const gate_span *parts, size_t count)
{
    static unsigned char bytes[2 * MOST + 64];
    const gate_siphash ours = gate_siphash_of(&key, parts, count);
    unsigned char theirs[16];
    uint64_t words[2] = {0, 0};

    if (!ask_openssl(bytes, frame(bytes, parts, count), theirs))
        return false;
    for (int i = 0; i < 16; i++)
        words[i / 8] |= (uint64_t)theirs[i] << 8 * (i % 8);
    return ours.words[0] == words[0] && ours.words[1] == words[1];
}

static void test_openssl(void)
{
    static char text[MOST];
    int good = 0;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7 + 3);
    for (size_t len = 0; len < 600; len++) {
        const gate_span parts[] = {{text, len}, {text + len, len / 3}};

        good += agrees(parts, 1) && agrees(parts, 2);
    }
    ok(good == 600, "texts of 0 to 599 bytes, alone and in pairs: as OpenSSL says");
    ok(agrees(&(gate_span){text, sizeof text}, 1), "and long ones");
    ok(agrees(NULL, 0), "and none");
}

static bool is_same(const gate_span *a, const gate_span *b, size_t count)
{
    const gate_siphash left = gate_siphash_of(&key, a, count), right = gate_siphash_of(&key, b, count);

    return gate_siphash_equal(&left, &right);
}

static void test_parts(void)
{
    const gate_span ab_c[] = {GATE_SPAN("ab"), GATE_SPAN("c")};
    const gate_span a_bc[] = {GATE_SPAN("a"), GATE_SPAN("bc")};
    const gate_span empty[] = {GATE_SPAN("ab"), GATE_SPAN("")};
    const gate_span absent[] = {GATE_SPAN("ab"), {NULL, 0}};
    const gate_span zero[] = {{"ab\0", 3}, GATE_SPAN("")};

    ok(is_same(ab_c, ab_c, 2), "the same parts have the same hash");
    ok(!is_same(ab_c, a_bc, 2), "the same letters in other parts another");
    ok(is_same(empty, absent, 2), "an absent part counts as empty");
    ok(!is_same(empty, zero, 2), "a zero at the end is none of those that fill up");
    const gate_siphash one = gate_siphash_of(&key, empty, 1), two = gate_siphash_of(&key, empty, 2);
    ok(!gate_siphash_equal(&one, &two), "and one part more is another list, be it empty");
}

static void test_key(void)
{
    const gate_span part = GATE_SPAN("ab");
    const gate_siphash_key other = {{key.words[0], key.words[1] ^ 1}};
    const gate_siphash a = gate_siphash_of(&key, &part, 1), b = gate_siphash_of(&other, &part, 1);

    ok(!gate_siphash_equal(&a, &b), "with another key all is another");
}

static void test_equal(void)
{
    const gate_siphash a = {{1, 2}};
    int same = 0;

    for (int bit = 0; bit < 128; bit++) {
        gate_siphash b = a;

        b.words[bit / 64] ^= UINT64_C(1) << bit % 64;
        same += gate_siphash_equal(&a, &b);
    }
    ok(gate_siphash_equal(&a, &a) && !same, "one bit is a difference, wherever it is");
}

int main(void)
{
    test_openssl();
    test_parts();
    test_key();
    test_equal();
    return tap_done();
}
