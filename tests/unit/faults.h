/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* faults.h - whatever the gate asks of the world can be made to fail: the n-th time alone, or from
 * then on. What the fake provider itself does meanwhile does not fail and is not counted.
 *
 * Without memory for OpenSSL there is a refusal. Pools and jansson never say that there is none: as
 * everywhere in httpd, the process ends, in order and at once. */
#ifndef FAULTS_H
#define FAULTS_H

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_allocator.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "world.h"

typedef enum fault_kind {
    FAULT_POOL_MEMORY, /* ends the process */
    FAULT_JSON_MEMORY, /* the same */
    FAULT_CRYPTO_MEMORY,
    FAULT_STORE_SILENT,  /* and nothing is done */
    FAULT_STORE_LOST,    /* it is done, and only the answer is lost */
    FAULT_STORE_FULL,    /* for what is new */
    FAULT_UNREACHABLE,   /* the question is not sent */
    FAULT_TIMEOUT,       /* it is sent and acted upon, and no answer comes */
    FAULT_BROKEN_ANSWER, /* the same, and half of one comes */
    FAULT_SERVER_ERROR,  /* 500 */
    FAULT_EMPTY_ANSWER,  /* 200, and nothing in it */
    FAULT_RANDOM,
    FAULT_CLOCK_ZERO,   /* 1970 */
    FAULT_CLOCK_AHEAD,  /* a day */
    FAULT_CLOCK_BEHIND, /* a day */
    FAULT_LIMIT,        /* strangers' questions are used up */
    FAULT_KINDS
} fault_kind;

static const char *const fault_names[FAULT_KINDS] = {
    [FAULT_POOL_MEMORY] = "memory for pools",
    [FAULT_JSON_MEMORY] = "memory for JSON",
    [FAULT_CRYPTO_MEMORY] = "memory for cryptography",
    [FAULT_STORE_SILENT] = "an answer of the store",
    [FAULT_STORE_LOST] = "a store's \"done\"",
    [FAULT_STORE_FULL] = "room in the store",
    [FAULT_UNREACHABLE] = "a connection",
    [FAULT_TIMEOUT] = "a timely answer",
    [FAULT_BROKEN_ANSWER] = "the end of an answer",
    [FAULT_SERVER_ERROR] = "a sound provider",
    [FAULT_EMPTY_ANSWER] = "a body",
    [FAULT_RANDOM] = "randomness",
    [FAULT_CLOCK_ZERO] = "a clock that was ever set",
    [FAULT_CLOCK_AHEAD] = "a clock that is not ahead",
    [FAULT_CLOCK_BEHIND] = "a clock that is not behind",
    [FAULT_LIMIT] = "leave to ask",
};

static struct faults {
    fault_kind kind;
    int at; /* the call that fails, counted from 1 */
    bool ever_after;
    bool is_armed;
    int calls;                   /* of that kind since it was armed */
    long json_live, crypto_live; /* pieces of memory that were not given back */
} faults;

/* Whether this call is one that fails. */
static bool fault_here(fault_kind kind)
{
    if (!faults.is_armed || kind != faults.kind)
        return false;
    faults.calls++;
    return faults.calls == faults.at || (faults.ever_after && faults.calls > faults.at);
}

/* --- memory --- */

#ifdef __SANITIZE_ADDRESS__
/* malloc and mmap are the sanitizer's, and there is nothing that it could see in a process that
 * ends without memory. */
#define FAULT_FIRST FAULT_CRYPTO_MEMORY
#else
#define FAULT_FIRST FAULT_POOL_MEMORY
#define POOL_BLOCK  8192 /* bytes: what APR asks for at once, and hardly anybody else */

void *__libc_malloc(size_t size);

/* These two take the place of the C library's for APR too, which uses one or the other, as it was
 * built. */
__attribute__((visibility("default"))) void *malloc(size_t size)
{
    if (size >= POOL_BLOCK && fault_here(FAULT_POOL_MEMORY))
        return NULL;
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *mmap(void *at, size_t size, int protection, int flags,
                                                  int file, off_t offset)
{
    if (size >= POOL_BLOCK && fault_here(FAULT_POOL_MEMORY))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, size, protection, flags, file, offset);
}
#endif

/* As httpd ends a process whose pools have no memory. */
static int fault_end_process(int status)
{
    abort();
}

static void *fault_json_malloc(size_t size)
{
    void *made = fault_here(FAULT_JSON_MEMORY) ? NULL : malloc(size);

    faults.json_live += made != NULL;
    return made;
}

static void fault_json_free(void *piece)
{
    faults.json_live -= piece != NULL;
    free(piece);
}

static void *fault_crypto_malloc(size_t size, const char *file, int line)
{
    void *made = fault_here(FAULT_CRYPTO_MEMORY) ? NULL : malloc(size);

    faults.crypto_live += made != NULL;
    return made;
}

static void *fault_crypto_realloc(void *piece, size_t size, const char *file, int line)
{
    void *made;

    if (fault_here(FAULT_CRYPTO_MEMORY))
        return NULL;
    made = realloc(piece, size);
    faults.crypto_live += !piece && made;
    return made;
}

static void fault_crypto_free(void *piece, const char *file, int line)
{
    faults.crypto_live -= piece != NULL;
    free(piece);
}

/* Before anything else: neither library takes other functions once it has memory. */
static void faults_begin(void)
{
    json_set_alloc_funcs(fault_json_malloc, fault_json_free);
    sign_must(
        CRYPTO_set_mem_functions(fault_crypto_malloc, fault_crypto_realloc, fault_crypto_free),
        "OpenSSL takes other functions for its memory");
    gate_json_setup();
}

static bool fault_ends_process(fault_kind kind)
{
    return kind == FAULT_JSON_MEMORY || kind == FAULT_POOL_MEMORY;
}

/* --- the world --- */

static gate_reason fault_fetch(void *context, apr_pool_t *p, const gate_question *question,
                               const gate_fetch_limits *limits, gate_answer *answer,
                               const char **detail)
{
    const bool was_armed = faults.is_armed;
    const bool is_away = fault_here(FAULT_UNREACHABLE);
    const bool is_late = fault_here(FAULT_TIMEOUT);
    const bool is_broken = fault_here(FAULT_BROKEN_ANSWER);
    gate_reason reason = GATE_IDP_UNREACHABLE;

    faults.is_armed = false;
    if (!is_away)
        reason = op_fetch(context, p, question, limits, answer, detail);
    faults.is_armed = was_armed;
    if (is_late)
        reason = GATE_IDP_TIMEOUT;
    if (is_broken)
        reason = GATE_IDP_ERROR;
    if (reason != GATE_OK) {
        *answer = (gate_answer){.status = 0};
        *detail = "a fault of the test";
    } else if (fault_here(FAULT_SERVER_ERROR)) {
        op_answer(answer, 500, "<html>");
    } else if (fault_here(FAULT_EMPTY_ANSWER)) {
        op_answer(answer, 200, "");
    }
    return reason;
}

static bool fault_random(void *bytes, size_t len)
{
    return !fault_here(FAULT_RANDOM) && world_random(bytes, len);
}

static apr_int64_t fault_clock(void)
{
    const apr_int64_t now = world_clock();

    if (fault_here(FAULT_CLOCK_ZERO))
        return 0;
    if (fault_here(FAULT_CLOCK_AHEAD))
        return now + 86400;
    return fault_here(FAULT_CLOCK_BEHIND) ? now - 86400 : now;
}

static bool fault_may_ask(void *context, const char *name, apr_int64_t now, int limit_address,
                          int limit_total)
{
    return !fault_here(FAULT_LIMIT) &&
           world_may_ask(context, name, now, limit_address, limit_total);
}

static void faults_seize(void)
{
    /* What is given back is given back to malloc, so that all that is wanted is asked for there. */
    apr_allocator_max_free_set(apr_pool_allocator_get(the.pool), 1);
    apr_pool_abort_set(fault_end_process, the.pool);
    the.gate.fetch = fault_fetch;
    the.gate.random = fault_random;
    the.gate.clock = fault_clock;
    the.gate.may_ask = fault_may_ask;
}

/* --- the store: it counts for itself --- */

static bool fault_is_of_store(fault_kind kind)
{
    return kind == FAULT_STORE_SILENT || kind == FAULT_STORE_LOST || kind == FAULT_STORE_FULL;
}

static void faults_arm(fault_kind kind, int at, bool ever_after)
{
    faults.kind = kind;
    faults.at = at;
    faults.ever_after = ever_after;
    faults.calls = 0;
    faults.is_armed = true;
    if (!fault_is_of_store(kind))
        return;
    the.store.fail_at = the.store.calls + at;
    the.store.fails_ever_after = ever_after;
    the.store.acts_all_the_same = kind == FAULT_STORE_LOST;
    the.store.fails_full = kind == FAULT_STORE_FULL;
    faults.calls = -the.store.calls;
}

/* Whether there was a call to fail at all. */
static bool faults_disarm(void)
{
    faults.is_armed = false;
    if (fault_is_of_store(faults.kind))
        faults.calls += the.store.calls;
    the.store.fail_at = 0;
    return faults.calls >= faults.at;
}

#endif
