/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/seal.h"

#include "tap.h"

#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "base/base64url.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char plain_text[] = "what nobody else may read";

/* Random functions to inject: none to be had, and one that a test can predict. */
static bool no_random(void *bytes, size_t len)
{
    memset(bytes, 'x', len);
    return false;
}

static bool constant_random(void *bytes, size_t len)
{
    memset(bytes, 0x5a, len);
    return true;
}

static const char *hex(apr_pool_t *p, const void *bytes, size_t len)
{
    char *text = apr_palloc(p, len * 2 + 1);
    for (size_t i = 0; i < len; i++)
        apr_snprintf(text + i * 2, 3, "%02x", ((const unsigned char *)bytes)[i]);
    return text;
}

static gate_key key_of(const char *purpose)
{
    gate_key key;
    if (!gate_key_derive(&key, GATE_SPAN("0123456789abcdef0123456789abcdef"), purpose))
        memset(&key, 0, sizeof key);
    return key;
}

static void sealing(apr_pool_t *p)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 70000};
    const gate_key key = key_of("session");
    char *bytes = apr_pcalloc(p, 70000);
    gate_span box, other, opened;
    memset(bytes, 'q', 70000);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        gate_span plain = {bytes, lengths[i]};
        ok(gate_box_seal(p, &key, "t", GATE_SPAN("c"), plain, gate_random_bytes, &box) &&
               box.len == plain.len + GATE_BOX_OVERHEAD &&
               gate_box_open(p, &key, "t", GATE_SPAN("c"), box, &opened) &&
               gate_span_equal(opened, plain) && opened.ptr[opened.len] == '\0',
           "%zu bytes are sealed and opened", lengths[i]);
    }
    gate_box_seal(p, &key, "t", GATE_SPAN(""), gate_span_of(plain_text), gate_random_bytes, &box);
    gate_box_seal(p, &key, "t", GATE_SPAN(""), gate_span_of(plain_text), gate_random_bytes, &other);
    ok(!gate_span_equal(box, other), "no two boxes are the same");
    ok(gate_box_seal(p, &key, "t", (gate_span){NULL, 0}, (gate_span){NULL, 0}, gate_random_bytes,
                     &box) &&
           gate_box_open(p, &key, "t", GATE_SPAN(""), box, &opened) && opened.len == 0,
       "what is absent is sealed as empty");
}

/* The figures come from another implementation of AES-GCM. */
static void known_box(apr_pool_t *p)
{
    gate_key key;
    gate_span box;
    memset(key.bytes, 1, sizeof key.bytes);
    ok(gate_box_seal(p, &key, "session", GATE_SPAN("ctx"), GATE_SPAN("hello"), constant_random,
                     &box),
       "a box with a known nonce is sealed");
    is(hex(p, box.ptr, box.len),
       "5a5a5a5a5a5a5a5a5a5a5a5a534e678e22bea21f02148d68091ef4077f43b240e5",
       "and is AES-256-GCM over the framed purpose and context");
}

static void tampering(apr_pool_t *p)
{
    const gate_key key = key_of("session");
    const gate_span context = GATE_SPAN("realm");
    gate_span box, opened = GATE_SPAN("untouched");
    size_t opened_count = 0;
    gate_box_seal(p, &key, "t", context, gate_span_of(plain_text), gate_random_bytes, &box);
    for (size_t bit = 0; bit < box.len * 8; bit++) {
        char *bytes = apr_pstrmemdup(p, box.ptr, box.len);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ (1 << bit % 8));
        opened_count += gate_box_open(p, &key, "t", context, (gate_span){bytes, box.len}, &opened);
    }
    ok(opened_count == 0, "a box with any one bit flipped does not open");
    for (size_t len = 0; len < box.len; len++)
        opened_count += gate_box_open(p, &key, "t", context, (gate_span){box.ptr, len}, &opened);
    ok(opened_count == 0, "nor does one that is cut off anywhere");
    char *longer = apr_palloc(p, box.len + 1);
    memcpy(longer, box.ptr, box.len); /* there may be a NUL in it */
    longer[box.len] = 'x';
    ok(!gate_box_open(p, &key, "t", context, (gate_span){longer, box.len + 1}, &opened),
       "nor one with a byte more");
    ok(!gate_box_open(p, &key, "t", context, (gate_span){NULL, 0}, &opened), "nor none at all");
    ok(gate_span_is(opened, "untouched"), "and nothing of it is handed out");
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
    ok(gate_box_open(p, &key, "t", context, box, &opened) && gate_span_is(opened, plain_text),
       "the box itself does open");
}

static void binding(apr_pool_t *p)
{
    const gate_key key = key_of("session"), other = key_of("login");
    static const struct {
        const char *purpose, *context;
    } wrong[] = {
        {"sessio", "realm"},   {"session2", "realm"}, {"Session", "realm"}, {"session", ""},
        {"session", "realm2"}, {"", "realm"},         {"sessionr", "ealm"}, {"sessio", "nrealm"},
        {"", "sessionrealm"},  {"sessionrealm", ""},  {"realm", "session"},
    };
    gate_span box, opened;
    gate_box_seal(p, &key, "session", GATE_SPAN("realm"), gate_span_of(plain_text),
                  gate_random_bytes, &box);
    ok(gate_box_open(p, &key, "session", GATE_SPAN("realm"), box, &opened), "the four agree");
    ok(!gate_box_open(p, &other, "session", GATE_SPAN("realm"), box, &opened), "another key fails");
    for (size_t i = 0; i < COUNT(wrong); i++)
        ok(!gate_box_open(p, &key, wrong[i].purpose, gate_span_of(wrong[i].context), box, &opened),
           "purpose '%s' and context '%s' fail", wrong[i].purpose, wrong[i].context);
}

enum { NONCE = 12, BOXES = 100 };

static bool draws(apr_pool_t *p, char nonce[NONCE])
{
    const gate_key key = key_of("nonces");
    gate_span box;
    if (!gate_box_seal(p, &key, "t", GATE_SPAN("c"), gate_span_of(plain_text), gate_random_bytes,
                       &box))
        return false;
    memcpy(nonce, box.ptr, NONCE);
    return true;
}

/* AES-GCM with a nonce that was used before is broken: no two boxes of any process may share one,
 * and least of all those of a parent and its child. */
static void nonces(apr_pool_t *p)
{
    char drawn[2 * BOXES][NONCE];
    int to[2], failed = 0, same = 0;
    for (int i = 0; i < BOXES; i++)
        failed += !draws(p, drawn[i]);
    if (!ok(pipe(to) == 0, "a pipe"))
        return;
    const pid_t child = fork();
    for (int i = BOXES; i < 2 * BOXES; i++)
        failed += !draws(p, drawn[i]);
    if (child == 0)
        _exit(failed || write(to[1], drawn + BOXES, BOXES * NONCE) != BOXES * NONCE);
    char of_child[BOXES][NONCE];
    int status = 1;
    close(to[1]);
    ok(child > 0 && read(to[0], of_child, sizeof of_child) == (ssize_t)sizeof of_child &&
           waitpid(child, &status, 0) == child && status == 0 && !failed,
       "parent and child each seal");
    close(to[0]);
    for (int i = 0; i < 2 * BOXES; i++) {
        for (int j = 0; j < i; j++)
            same += !memcmp(drawn[i], drawn[j], NONCE);
        for (int j = 0; j < BOXES; j++)
            same += !memcmp(drawn[i], of_child[j], NONCE);
    }
    ok(same == 0, "and no two boxes have the same nonce");
}

static void no_randomness(apr_pool_t *p)
{
    const gate_key key = key_of("session");
    gate_span box = GATE_SPAN("untouched");
    ok(!gate_box_seal(p, &key, "t", GATE_SPAN("c"), gate_span_of(plain_text), no_random, &box),
       "without randomness nothing is sealed");
    ok(gate_span_is(box, "untouched"), "and there is no box");
    ok(!gate_random_text(p, no_random, 32), "nor is there a random text");
    is(gate_random_text(p, constant_random, 3), "Wlpa", "with some there is, as base64url");
    const char *one = gate_random_text(p, gate_random_bytes, 32);
    const char *two = gate_random_text(p, gate_random_bytes, 32);
    ok(one && two && strlen(one) == 43 && strcmp(one, two) != 0,
       "32 bytes are 43 characters, and never the same");
    is(gate_random_text(p, gate_random_bytes, 0), "", "no bytes are no characters");
    ok(!gate_random_bytes(&box, (size_t)-1), "more bytes than OpenSSL can count are refused");
}

static void digests(apr_pool_t *p)
{
    const gate_span ab_c[] = {GATE_SPAN("ab"), GATE_SPAN("c")};
    const gate_span a_bc[] = {GATE_SPAN("a"), GATE_SPAN("bc")};
    const gate_span abc[] = {GATE_SPAN("abc"), GATE_SPAN("")};
    const gate_span absent[] = {GATE_SPAN("abc"), {NULL, 0}};
    const gate_span *lists[] = {ab_c, a_bc, abc};
    gate_digest digest, others[COUNT(lists)], keyed;
    const gate_key key = key_of("digest"), other_key = key_of("digest2");
    ok(gate_digest_of(&digest, ab_c, 2), "a digest is made");
    is(hex(p, digest.bytes, sizeof digest.bytes),
       "601d5476e2ccfe2c87a2bba7a322659734a05749d5b5aa781f513e4912db0d5f",
       "SHA-256 over framed parts");
    for (size_t i = 0; i < COUNT(lists); i++)
        gate_digest_of(&others[i], lists[i], 2);
    ok(memcmp(&others[0], &others[1], sizeof digest) &&
           memcmp(&others[1], &others[2], sizeof digest) &&
           memcmp(&others[0], &others[2], sizeof digest),
       "where one part ends and the next begins counts");
    gate_digest_of(&digest, abc, 1);
    ok(memcmp(&digest, &others[2], sizeof digest) != 0, "how many parts there are counts");
    gate_digest_of(&digest, absent, 2);
    ok(memcmp(&digest, &others[2], sizeof digest) == 0, "an absent part is an empty one");
    ok(gate_digest_of(&digest, NULL, 0), "no parts have a digest");
    is(hex(p, digest.bytes, 4), "e3b0c442", "which is that of nothing");
    ok(gate_keyed_digest_of(&keyed, &key, ab_c, 2), "a keyed digest is made");
    is(hex(p, keyed.bytes, sizeof keyed.bytes),
       "9f25390b577d788015125b58bdf3edb1ad69169a72376c13d0e5fef37f732fea",
       "HMAC-SHA-256 over framed parts");
    gate_keyed_digest_of(&digest, &other_key, ab_c, 2);
    ok(memcmp(&digest, &keyed, sizeof digest) != 0, "another key gives another digest");
    gate_keyed_digest_of(&digest, &key, a_bc, 2);
    ok(memcmp(&digest, &keyed, sizeof digest) != 0, "other parts give another digest");
    gate_keyed_digest_of(&digest, &key, ab_c, 2);
    ok(memcmp(&digest, &keyed, sizeof digest) == 0, "the same parts give the same digest");
}

/* The figures come from another implementation of AES-GCM. */
static void places(apr_pool_t *p)
{
    const gate_key key = key_of("digest"), other_key = key_of("digest2");
    char *token = apr_palloc(p, 1000);
    const gate_span ab_c[] = {GATE_SPAN("ab"), GATE_SPAN("c")};
    const gate_span a_bc[] = {GATE_SPAN("a"), GATE_SPAN("bc")};
    const gate_span long_one[] = {GATE_SPAN("token"), {token, 1000}};
    gate_digest where, other;
    gate_key opens, opens_other;
    int same = 0;
    memset(token, 'x', 1000);
    ok(gate_place_of(&where, &opens, &key, ab_c, 2), "a place is found");
    is(hex(p, where.bytes, sizeof where.bytes),
       "2ea16e7dec3b66e14a9ee5876e84477300000000000000000000000000000000",
       "it is the first half of a digest of a GMAC");
    gate_place_beside(&other, &where, "was good");
    is(hex(p, other.bytes, sizeof other.bytes),
       "2ea16e7dec3b66e14a9ee5876e84477377617320676f6f640000000000000000",
       "beside it there is room for what else is filed of the same thing");
    is(hex(p, opens.bytes, sizeof opens.bytes),
       "f1f618d1da84b146f6cf4ed3dd60a0d8b852adf4d08f02793f7ac828e89dd843",
       "the second half opens it, filled up with what only this server knows");
    ok(gate_place_of(&other, &opens_other, &other_key, ab_c, 2) &&
           memcmp(&where, &other, sizeof where) && memcmp(&opens, &opens_other, sizeof opens),
       "with another key both are others");
    ok(gate_place_of(&other, &opens_other, &key, a_bc, 2) && memcmp(&where, &other, sizeof where) &&
           memcmp(&opens, &opens_other, sizeof opens),
       "and with other parts");
    ok(gate_place_of(&other, &opens_other, &key, long_one, 2), "parts may be long");
    is(hex(p, other.bytes, sizeof other.bytes),
       "df887f6b6ecda4c8f4b729564f8b4b8c00000000000000000000000000000000",
       "and are computed alike");
    for (size_t bit = 0; bit < 8000; bit += 7) {
        token[bit / 8] ^= (char)(1 << bit % 8);
        gate_place_of(&where, &opens, &key, long_one, 2);
        same +=
            !memcmp(&where, &other, sizeof where) || !memcmp(&opens, &opens_other, sizeof opens);
        token[bit / 8] ^= (char)(1 << bit % 8);
    }
    ok(same == 0, "each bit of them counts");
    ok(gate_place_of(&where, &opens, &key, ab_c, 2) &&
           !strcmp(hex(p, where.bytes, 8), "2ea16e7dec3b66e1"),
       "what was computed in between does not matter");
}

static void folds(apr_pool_t *p)
{
    const gate_key key = key_of("digest"), other_key = key_of("digest2");
    char *token = apr_palloc(p, 1000);
    const gate_span ab_c[] = {GATE_SPAN("ab"), GATE_SPAN("c")};
    const gate_span a_bc[] = {GATE_SPAN("a"), GATE_SPAN("bc")};
    const gate_span long_one[] = {GATE_SPAN("token"), {token, 1000}};
    gate_fold folded, again, other;
    gate_digest where;
    gate_key opens;
    int same = 0;
    memset(token, 'x', 1000);
    ok(gate_fold_of(&folded, &key, ab_c, 2), "parts are folded");
    is(hex(p, folded.bytes, sizeof folded.bytes), "a196d728fa85f0d0121df39cfcef7e9b",
       "which is their GMAC");
    ok(gate_place_of(&where, &opens, &key, ab_c, 2) && gate_fold_of(&again, &key, ab_c, 2) &&
           gate_fold_equal(&folded, &again),
       "the same parts give the same fold, whatever was computed in between");
    ok(gate_fold_of(&other, &other_key, ab_c, 2) && !gate_fold_equal(&folded, &other),
       "with another key it is another");
    ok(gate_fold_of(&other, &key, a_bc, 2) && !gate_fold_equal(&folded, &other),
       "and with other parts");
    gate_fold_of(&folded, &key, long_one, 2);
    for (size_t bit = 0; bit < 8000; bit += 7) {
        token[bit / 8] ^= (char)(1 << bit % 8);
        gate_fold_of(&other, &key, long_one, 2);
        same += gate_fold_equal(&folded, &other);
        token[bit / 8] ^= (char)(1 << bit % 8);
    }
    ok(same == 0, "each bit of them counts");
    for (size_t i = 0; i < sizeof folded.bytes; i++) {
        other = folded;
        other.bytes[i] ^= 0x10;
        same += gate_fold_equal(&folded, &other);
    }
    ok(same == 0, "each byte of a fold is compared");
}

/* RFC 4231 */
static void derivation(apr_pool_t *p)
{
    static const struct {
        const char *secret, *purpose, *key;
    } cases[] = {
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
         "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa",
         "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
         "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
         "\xdd\xdd\xdd\xdd\xdd\xdd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    };
    static const char secret[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefX";
    gate_key key, other;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ok(gate_key_derive(&key, gate_span_of(cases[i].secret), cases[i].purpose), "derives a key");
        is(hex(p, key.bytes, sizeof key.bytes), cases[i].key, "RFC 4231's case %zu", i);
    }
    ok(gate_key_derive(&key, (gate_span){secret, 16}, "a"), "16 bytes are a secret");
    ok(gate_key_derive(&key, (gate_span){secret, 64}, "a"), "64 bytes are a secret");
    ok(!gate_key_derive(&key, (gate_span){secret, 15}, "a"), "15 bytes are too few");
    ok(!gate_key_derive(&key, (gate_span){secret, 65}, "a"), "65 bytes are too many");
    ok(!gate_key_derive(&key, (gate_span){NULL, 0}, "a"), "none are none");
    gate_key_derive(&key, (gate_span){secret, 32}, "a");
    gate_key_derive(&other, (gate_span){secret, 32}, "b");
    ok(memcmp(&key, &other, sizeof key) != 0, "each purpose has its key");
}

static void comparing(void)
{
    const gate_span absent = {NULL, 0};
    ok(gate_secret_equal(GATE_SPAN("secret"), GATE_SPAN("secret")), "the same secret is equal");
    ok(!gate_secret_equal(GATE_SPAN("secret"), GATE_SPAN("secres")), "the last byte counts");
    ok(!gate_secret_equal(GATE_SPAN("secret"), GATE_SPAN("tecret")), "the first byte counts");
    ok(!gate_secret_equal(GATE_SPAN("secret"), GATE_SPAN("secret1")), "the length counts");
    ok(!gate_secret_equal(GATE_SPAN("a\0b"), GATE_SPAN("a\0c")), "what comes after a NUL counts");
    ok(!gate_secret_equal(absent, absent),
       "no secret equals no secret: nobody gets in with nothing");
    ok(!gate_secret_equal(absent, GATE_SPAN("")) && !gate_secret_equal(GATE_SPAN(""), absent),
       "nor an empty one");
    char one[40], other[40];
    bool each_counts = true;
    memset(one, 'x', sizeof one);
    for (size_t len = 1; len <= sizeof one; len++)
        for (size_t at = 0; at < len; at++) {
            memcpy(other, one, len);
            each_counts &= gate_secret_equal((gate_span){one, len}, (gate_span){other, len});
            other[at] ^= (char)(1 << at % 8);
            each_counts &= !gate_secret_equal((gate_span){one, len}, (gate_span){other, len});
        }
    ok(each_counts, "each bit of each byte counts, whatever the length");
    char bytes[] = "secret";
    gate_wipe(bytes, sizeof bytes);
    ok(memcmp(bytes, "\0\0\0\0\0\0", sizeof bytes) == 0, "a wiped secret is gone");
}

/* What is in a pool is looked at by a cleanup that runs after the one that wipes. */
static apr_status_t look_later(void *data)
{
    const char *bytes = data;

    ok(!memcmp(bytes, "\0\0\0\0\0\0", 6), "what ends with a pool is wiped before others get it");
    return APR_SUCCESS;
}

static void wiping(apr_pool_t *p)
{
    apr_pool_t *request;
    char *kept;
    const gate_span none = {NULL, 0};

    apr_pool_create(&request, p);
    kept = apr_pstrdup(request, "secret");
    apr_pool_cleanup_register(request, kept, look_later, apr_pool_cleanup_null);
    gate_wipe_with(request, gate_span_of(kept));
    gate_wipe_with(request, none);
    is(kept, "secret", "until then it is there");
    apr_pool_destroy(request);
    gate_wipe_and_free(NULL);
    gate_wipe_and_free(malloc(100));
    ok(true, "and what was malloc()ed, or was not, is given back");
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    sealing(p);
    known_box(p);
    tampering(p);
    binding(p);
    nonces(p);
    no_randomness(p);
    digests(p);
    places(p);
    folds(p);
    derivation(p);
    comparing();
    wiping(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
