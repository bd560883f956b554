/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json_memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/seal.h"

#define ALIGNED_TO 8           /* as pools do */
#define MOST_AHEAD (64 * 1024) /* bytes that are taken from a pool before anybody asks for them */

/* One piece of a pool; what is lent of it is behind this. */
typedef struct piece {
    char *at, *end;
} piece;

/* What a thread is lent. */
static __thread struct loan {
    apr_pool_t *pool; /* NULL: nothing */
    piece *now;
    size_t next; /* the size of the next piece */
} loan;

static json_malloc_t given_malloc;
static json_free_t given_free;

static void end_without_memory(void)
{
    static const char last_words[] = "mod_oidc_gate: no memory for JSON, ending this process\n";

    (void)!write(STDERR_FILENO, last_words, sizeof last_words - 1);
    abort();
}

/* As much of it as was ever used. */
static apr_status_t wipe_piece(void *data)
{
    piece *used = data;

    gate_wipe(used + 1, (size_t)(used->at - (char *)(used + 1)));
    return APR_SUCCESS;
}

static void take_piece(struct loan *l, size_t size)
{
    const size_t room = size > l->next ? size : l->next;

    l->now = apr_palloc(l->pool, sizeof *l->now + room);
    if (!l->now)
        end_without_memory();
    l->now->at = (char *)(l->now + 1);
    l->now->end = l->now->at + room;
    apr_pool_cleanup_register(l->pool, l->now, wipe_piece, apr_pool_cleanup_null);
    if (l->next < MOST_AHEAD)
        l->next *= 2;
}

static void *lend(struct loan *l, size_t size)
{
    char *lent;

    if (size > (size_t)PTRDIFF_MAX)
        end_without_memory();
    size = (size + ALIGNED_TO - 1) & ~(size_t)(ALIGNED_TO - 1);
    if (!l->now || size > (size_t)(l->now->end - l->now->at))
        take_piece(l, size);
    lent = l->now->at;
    l->now->at += size;
    return lent;
}

static void *malloc_or_end(size_t size)
{
    struct loan *l = &loan;
    void *made = l->pool ? lend(l, size) : given_malloc(size);

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
