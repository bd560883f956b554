/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* world_store.h - a store in plain memory that does what io/store.h says, fails when it is told to,
 * and can be put back in time */
#ifndef WORLD_STORE_H
#define WORLD_STORE_H

#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "io/store.h"

#define FAKE_UNUSED  __attribute__((unused))
#define FAKE_RECORDS 512

typedef struct fake_record {
    bool filed;
    gate_store_kind kind;
    gate_store_key key;
    gate_record record;
    uint32_t front;
} fake_record;

typedef struct fake_store {
    gate_store store;
    apr_pool_t *pool;
    fake_record records[FAKE_RECORDS];
    uint64_t versions;
    int64_t latest[GATE_STORE_KINDS];
    int calls;
    int writes[GATE_STORE_KINDS]; /* calls that write, by kind */
    int fail_at;                  /* the call that could not tell, counted from 1; 0: none */
    bool fails_ever_after;        /* and all that follow it */
    bool acts_all_the_same;       /* it is carried out, and only the answer is lost */
    bool fails_full; /* it could tell, and has no room: of the calls that write, and those alone */
    bool is_full[GATE_STORE_KINDS];
} fake_store;

/* Whether this call is one of those that cannot tell. */
static bool fake_fails(fake_store *fake)
{
    fake->calls++;
    return fake->fail_at && (fake->calls == fake->fail_at ||
                             (fake->fails_ever_after && fake->calls > fake->fail_at));
}

static bool fake_is_alive(const fake_record *at, int64_t now)
{
    return at->filed && now < at->record.expires &&
           (!at->record.idle || now < at->record.seen + at->record.idle);
}

/* What is under that key, or NULL. What has expired is forgotten by the way. */
static fake_record *fake_find(fake_store *fake, gate_store_kind kind, const gate_store_key *key,
                              int64_t now)
{
    for (int i = 0; i < FAKE_RECORDS; i++) {
        fake_record *at = &fake->records[i];

        if (!at->filed || at->kind != kind || memcmp(&at->key, key, sizeof *key) != 0)
            continue;
        if (fake_is_alive(at, now))
            return at;
        at->filed = false;
    }
    return NULL;
}

static fake_record *fake_room(fake_store *fake, int64_t now)
{
    for (int i = 0; i < FAKE_RECORDS; i++) {
        if (!fake_is_alive(&fake->records[i], now))
            return &fake->records[i];
    }
    printf("Bail out! the fake store is too small\n");
    exit(1);
}

static void fake_fill(fake_store *fake, fake_record *at, const gate_entry *entry, uint64_t *version)
{
    at->record.value =
        (gate_span){apr_pmemdup(fake->pool, entry->value.ptr, entry->value.len), entry->value.len};
    at->front = entry->front;
    at->record.version = ++fake->versions;
    at->record.expires = entry->expires;
    if (entry->expires > fake->latest[at->kind])
        fake->latest[at->kind] = entry->expires;
    at->record.idle = entry->idle;
    if (version)
        *version = at->record.version;
}

static gate_store_answer fake_new(fake_store *fake, gate_store_kind kind, const gate_store_key *key,
                                  int64_t now, const gate_entry *entry, uint64_t *version)
{
    fake_record *at = fake_room(fake, now);

    if (fake->is_full[kind] || entry->value.len > GATE_STORE_MAX_VALUE)
        return GATE_STORE_FULL;
    *at = (fake_record){
        .filed = true, .kind = kind, .key = *key, .record = {.created = now, .seen = now}};
    fake_fill(fake, at, entry, version);
    return GATE_STORE_DONE;
}

static gate_store_answer fake_read(fake_record *at, int64_t now, apr_pool_t *p, gate_record *record)
{
    if (!at)
        return GATE_STORE_ABSENT;
    if (now > at->record.seen)
        at->record.seen = now;
    *record = at->record;
    record->value.ptr = apr_pmemdup(p, at->record.value.ptr, at->record.value.len);
    return GATE_STORE_DONE;
}

static gate_store_answer fake_get(gate_store *store, gate_store_kind kind,
                                  const gate_store_key *key, int64_t now, apr_pool_t *p,
                                  gate_record *record)
{
    fake_store *fake = (fake_store *)store;

    if (fake_fails(fake) && !fake->fails_full)
        return GATE_STORE_UNSURE;
    return fake_read(fake_find(fake, kind, key, now), now, p, record);
}

static gate_store_answer fake_front(gate_store *store, gate_store_kind kind,
                                    const gate_store_key *key, int64_t now, apr_pool_t *p,
                                    gate_record *record)
{
    gate_store_answer answer = fake_get(store, kind, key, now, p, record);
    const fake_record *at = fake_find((fake_store *)store, kind, key, now);

    if (answer == GATE_STORE_DONE && at->front && at->front < record->value.len)
        record->value = (gate_span){apr_pmemdup(p, record->value.ptr, at->front), at->front};
    return answer;
}

static gate_store_answer fake_look(gate_store *store, gate_store_kind kind,
                                   const gate_store_key *key, int64_t now, gate_record *record)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = fake_get(store, kind, key, now, fake->pool, record);

    if (answer == GATE_STORE_DONE)
        record->value = (gate_span){"", 0};
    return answer;
}

/* Before each call that writes: whether it is to be done at all, and what is to be answered. */
static bool fake_writes(fake_store *fake, gate_store_kind kind, bool *is_lost)
{
    *is_lost = fake_fails(fake);
    fake->writes[kind]++;
    return !*is_lost || fake->acts_all_the_same;
}

/* What is answered in place of what is right. */
static gate_store_answer fake_lost(const fake_store *fake)
{
    return fake->fails_full ? GATE_STORE_FULL : GATE_STORE_UNSURE;
}

/* The same before each call that takes away: that needs no room. */
static bool fake_removes(fake_store *fake, gate_store_kind kind, bool *is_lost)
{
    const bool done = fake_writes(fake, kind, is_lost);

    *is_lost = *is_lost && !fake->fails_full;
    return done || fake->fails_full;
}

static gate_store_answer fake_put(gate_store *store, gate_store_kind kind,
                                  const gate_store_key *key, int64_t now, const gate_entry *entry,
                                  uint64_t *version)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = GATE_STORE_DONE;
    bool is_lost;

    if (fake_writes(fake, kind, &is_lost)) {
        fake_record *at = fake_find(fake, kind, key, now);

        if (at)
            fake_fill(fake, at, entry, version);
        else
            answer = fake_new(fake, kind, key, now, entry, version);
    }
    return is_lost ? fake_lost(fake) : answer;
}

static gate_store_answer fake_add(gate_store *store, gate_store_kind kind,
                                  const gate_store_key *key, int64_t now, const gate_entry *entry,
                                  uint64_t *version)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = GATE_STORE_CONFLICT;
    bool is_lost;

    if (fake_writes(fake, kind, &is_lost) && !fake_find(fake, kind, key, now))
        answer = fake_new(fake, kind, key, now, entry, version);
    return is_lost ? fake_lost(fake) : answer;
}

static gate_store_answer fake_replace(gate_store *store, gate_store_kind kind,
                                      const gate_store_key *key, int64_t now,
                                      const gate_entry *entry, uint64_t if_version,
                                      uint64_t *version)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = GATE_STORE_ABSENT;
    bool is_lost;

    if (fake_writes(fake, kind, &is_lost)) {
        fake_record *at = fake_find(fake, kind, key, now);

        if (at && at->record.version != if_version)
            answer = GATE_STORE_CONFLICT;
        if (at && at->record.version == if_version) {
            fake_fill(fake, at, entry, version);
            answer = GATE_STORE_DONE;
        }
    }
    return is_lost ? fake_lost(fake) : answer;
}

static gate_store_answer fake_take(gate_store *store, gate_store_kind kind,
                                   const gate_store_key *key, int64_t now, apr_pool_t *p,
                                   gate_record *record)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = GATE_STORE_ABSENT;
    bool is_lost;

    if (fake_removes(fake, kind, &is_lost)) {
        fake_record *at = fake_find(fake, kind, key, now);

        answer = fake_read(at, now, p, record);
        if (at)
            at->filed = false;
    }
    return is_lost ? GATE_STORE_UNSURE : answer;
}

static gate_store_answer fake_drop(gate_store *store, gate_store_kind kind,
                                   const gate_store_key *key, int64_t now)
{
    fake_store *fake = (fake_store *)store;
    gate_store_answer answer = GATE_STORE_ABSENT;
    bool is_lost;

    if (fake_removes(fake, kind, &is_lost)) {
        fake_record *at = fake_find(fake, kind, key, now);

        if (at) {
            at->filed = false;
            answer = GATE_STORE_DONE;
        }
    }
    return is_lost ? GATE_STORE_UNSURE : answer;
}

static gate_store_answer fake_each(gate_store *store, gate_store_kind kind, int64_t now,
                                   gate_store_visit *visit, void *context)
{
    fake_store *fake = (fake_store *)store;

    if (fake_fails(fake) && !fake->fails_full)
        return GATE_STORE_UNSURE;
    for (int i = 0; i < FAKE_RECORDS; i++) {
        fake_record *at = &fake->records[i];
        gate_record record = at->record;

        if (at->kind != kind || !fake_is_alive(at, now))
            continue;
        if (record.value.len > GATE_STORE_GLANCE)
            record.value.len = GATE_STORE_GLANCE;
        if (!visit(context, &at->key, &record))
            break;
    }
    return GATE_STORE_DONE;
}

static int64_t fake_latest(gate_store *store, gate_store_kind kind)
{
    return ((fake_store *)store)->latest[kind];
}

/* An empty store whose values live in p. */
static void fake_store_begin(fake_store *fake, apr_pool_t *p)
{
    memset(fake, 0, sizeof *fake);
    fake->pool = p;
    fake->store = (gate_store){fake_get,     fake_front, fake_look, fake_put,  fake_add,
                               fake_replace, fake_take,  fake_drop, fake_each, fake_latest};
}

/* How many records of that kind are alive. */
static FAKE_UNUSED int fake_count(const fake_store *fake, gate_store_kind kind, int64_t now)
{
    int count = 0;

    for (int i = 0; i < FAKE_RECORDS; i++)
        count += fake->records[i].kind == kind && fake_is_alive(&fake->records[i], now);
    return count;
}

/* The first of that kind, alive or not; NULL for none. */
static FAKE_UNUSED fake_record *fake_first(fake_store *fake, gate_store_kind kind)
{
    for (int i = 0; i < FAKE_RECORDS; i++) {
        if (fake->records[i].filed && fake->records[i].kind == kind)
            return &fake->records[i];
    }
    return NULL;
}

static FAKE_UNUSED int fake_all_writes(const fake_store *fake)
{
    int writes = 0;

    for (int kind = 0; kind < GATE_STORE_KINDS; kind++)
        writes += fake->writes[kind];
    return writes;
}

/* What is filed now, to be put back later: so that one request meets the store as another left it,
 * while that one was still at work. Counters and switches stay. */
typedef struct fake_moment {
    fake_record records[FAKE_RECORDS];
} fake_moment;

static FAKE_UNUSED void fake_note(const fake_store *fake, fake_moment *moment)
{
    memcpy(moment->records, fake->records, sizeof fake->records);
}

static FAKE_UNUSED void fake_return(fake_store *fake, const fake_moment *moment)
{
    memcpy(fake->records, moment->records, sizeof fake->records);
}

#endif
