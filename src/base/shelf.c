/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/shelf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <apr_strings.h>

#include "base/vault.h"

/* A name belongs to one board, and its block to any of the places there. */
#define PLACES 8

typedef struct place {
    gate_shelf_name name;
    uint64_t asked; /* when, by the board's own count */
    int64_t seen;   /* when, in seconds */
    size_t len;     /* 0: empty */
    unsigned char *bytes;
} place;

typedef struct board {
    pthread_mutex_t lock;
    uint64_t count; /* of what was found or put here */
    place places[PLACES];
} board;

struct gate_shelf {
    gate_key key;
    unsigned boards;
    atomic_uint hand; /* the board that is tidied next */
    board board[];
};

/* --- making it --- */

/* The rooms of all places stand behind the boards, at the beginning of a page. */
static size_t front_bytes(unsigned boards)
{
    enum { PAGE = 4096 };
    return (sizeof(gate_shelf) + boards * sizeof(board) + PAGE - 1) / PAGE * PAGE;
}

static bool equip(gate_shelf *shelf, unsigned at)
{
    board *b = &shelf->board[at];
    for (unsigned i = 0; i < PLACES; i++)
        b->places[i].bytes = (unsigned char *)shelf + front_bytes(shelf->boards) +
                             ((size_t)at * PLACES + i) * GATE_SHELF_BLOCK_BYTES;
    return pthread_mutex_init(&b->lock, NULL) == 0;
}

gate_shelf *gate_shelf_make(unsigned places)
{
    const unsigned boards = (places + PLACES - 1) / PLACES;
    const size_t bytes = front_bytes(boards) + (size_t)boards * PLACES * GATE_SHELF_BLOCK_BYTES;
    gate_shelf *shelf =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (shelf == MAP_FAILED)
        return NULL;
    gate_vault_hide(shelf, bytes);
    bool made = boards > 0 && gate_random_bytes(&shelf->key, sizeof shelf->key);
    shelf->boards = boards;
    for (unsigned i = 0; i < boards && made; i++)
        made = equip(shelf, i);
    if (made)
        return shelf;
    munmap(shelf, bytes);
    return NULL;
}

/* --- one board --- */

static board *board_of(gate_shelf *shelf, const gate_shelf_name *name)
{
    uint32_t word;
    memcpy(&word, name->bytes, sizeof word);
    return &shelf->board[word % shelf->boards];
}

static bool reach(board *b)
{
    return pthread_mutex_trylock(&b->lock) == 0;
}

static void leave(board *b)
{
    pthread_mutex_unlock(&b->lock);
}

static place *find(board *b, const gate_shelf_name *name)
{
    for (unsigned i = 0; i < PLACES; i++) {
        place *at = &b->places[i];
        if (at->len && gate_fold_equal(&at->name, name))
            return at;
    }
    return NULL;
}

/* An empty one was never asked for, or not since it was emptied. */
static place *longest_unasked(board *b)
{
    place *found = &b->places[0];
    for (unsigned i = 1; i < PLACES; i++) {
        if (b->places[i].asked < found->asked)
            found = &b->places[i];
    }
    return found;
}

static void note_asked(board *b, place *at, int64_t now)
{
    at->asked = ++b->count;
    at->seen = now;
}

/* All of it, or what is behind the beginning that others overwrite. */
static void wipe_from(place *at, size_t begin)
{
    if (at->len > begin)
        gate_wipe(at->bytes + begin, at->len - begin);
}

static void clear(place *at)
{
    wipe_from(at, 0);
    gate_wipe(&at->name, sizeof at->name);
    at->asked = 0;
    at->len = 0;
}

/* Whoever puts something in looks after one more board, so that nothing stays because others are
 * busier. */
static void tidy_next(gate_shelf *shelf, int64_t now)
{
    board *b = &shelf->board[atomic_fetch_add_explicit(&shelf->hand, 1, memory_order_relaxed) %
                             shelf->boards];
    if (!reach(b))
        return;
    for (unsigned i = 0; i < PLACES; i++) {
        if (b->places[i].len && now - b->places[i].seen >= GATE_SHELF_SECONDS)
            clear(&b->places[i]);
    }
    leave(b);
}

/* --- what others call --- */

bool gate_shelf_name_of(const gate_shelf *shelf, gate_shelf_name *name, const gate_span *parts,
                        size_t count)
{
    return gate_fold_of(name, &shelf->key, parts, count);
}

/* Nobody waits here, so that memory may be had while others find nothing. */
bool gate_shelf_find(gate_shelf *shelf, const gate_shelf_name *name, int64_t now, apr_pool_t *p,
                     gate_span *block)
{
    board *b = board_of(shelf, name);
    place *at;
    if (!reach(b))
        return false;
    at = find(b, name);
    if (at) {
        *block = (gate_span){apr_pmemdup(p, at->bytes, at->len), at->len};
        note_asked(b, at, now);
    }
    leave(b);
    return at;
}

void gate_shelf_put(gate_shelf *shelf, const gate_shelf_name *name, int64_t now, gate_span block)
{
    board *b = board_of(shelf, name);
    place *at;
    if (!block.len || block.len > GATE_SHELF_BLOCK_BYTES)
        return;
    tidy_next(shelf, now);
    if (!reach(b))
        return;
    at = find(b, name);
    if (!at)
        at = longest_unasked(b);
    wipe_from(at, block.len);
    memcpy(at->bytes, block.ptr, block.len);
    at->name = *name;
    at->len = block.len;
    note_asked(b, at, now);
    leave(b);
}

void gate_shelf_drop(gate_shelf *shelf, const gate_shelf_name *name)
{
    board *b = board_of(shelf, name);
    place *at;
    if (!reach(b))
        return;
    at = find(b, name);
    if (at)
        clear(at);
    leave(b);
}
