/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json_memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/seal.h"

#define ALIGNED_TO 16
#define MOST_AHEAD (64 * 1024) /* bytes that are taken from a pool before anybody asks for them */

/* What a thread is lent. */
static __thread struct loan {
    apr_pool_t *pool; /* NULL: nothing */
    char *at;
    size_t left;
    size_t next; /* the size of the next piece of the pool */
} loan;

static json_malloc_t given_malloc;
static json_free_t given_free;

static void end_without_memory(void)
{
    static const char last_words[] = "mod_oidc_gate: no memory for JSON, ending this process\n";

    (void)!write(STDERR_FILENO, last_words, sizeof last_words - 1);
    abort();
}

static void take_piece(size_t size)
{
    loan.left = size > loan.next ? size : loan.next;
    loan.at = apr_palloc(loan.pool, loan.left);
    if (!loan.at)
        end_without_memory();
    gate_wipe_with(loan.pool, (gate_span){loan.at, loan.left});
    if (loan.next < MOST_AHEAD)
        loan.next *= 2;
}

static void *lend(size_t size)
{
    char *lent;

    if (size > (size_t)PTRDIFF_MAX)
        end_without_memory();
    size = (size + ALIGNED_TO - 1) & ~(size_t)(ALIGNED_TO - 1);
    if (size > loan.left)
        take_piece(size);
    lent = loan.at;
    loan.at += size;
    loan.left -= size;
    return lent;
}

static void *malloc_or_end(size_t size)
{
    void *made = loan.pool ? lend(size) : given_malloc(size);

    if (!made)
        end_without_memory();
    return made;
}

/* Tokens go through jansson's hands, and it copies them as it reads. Where another part of this
 * process has already given it a memory of its own, nobody can tell how much there is to wipe. */
static void wipe_and_free(void *block)
{
    if (loan.pool)
        return;
    if (given_malloc == malloc && given_free == free)
        gate_wipe_and_free(block);
    else
        given_free(block);
}

/* jansson's reader does not look whether its buffer could grow, and then reads and writes past the
 * end of it (2.14: lex_save, lex_scan_string). So, as with httpd's pools, whoever asks for memory
 * gets it or is no more. */
void gate_json_setup(void)
{
    json_malloc_t now_malloc;
    json_free_t now_free;

    json_get_alloc_funcs(&now_malloc, &now_free);
    if (now_malloc == malloc_or_end)
        return;
    given_malloc = now_malloc;
    given_free = now_free;
    json_set_alloc_funcs(malloc_or_end, wipe_and_free);
}

bool gate_json_lend(apr_pool_t *p, size_t first)
{
    json_malloc_t asked;
    json_free_t given_back_to;

    json_get_alloc_funcs(&asked, &given_back_to);
    if (asked != malloc_or_end || given_back_to != wipe_and_free || loan.pool)
        return false;
    loan = (struct loan){.pool = p, .next = first < MOST_AHEAD ? first : MOST_AHEAD};
    return true;
}

void gate_json_lending_ends(void)
{
    loan = (struct loan){.pool = NULL};
}
