/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* told.c - every header name that is the gate's alone to say */
#include "httpd/config_private.h"

/* Names by their length. Nearly every header of a request is told from them by its length and first
 * letter alone. What is longer than the last length is in its list as well. */
#define MAX_LENGTH 63

typedef struct name_list {
    uint32_t initials; /* a bit for each letter that begins a name, as folded by initial() */
    int count, room;
    gate_span *names;
} name_list;

static name_list lists[MAX_LENGTH + 1];
static name_list prefixes;
static bool any;

/* Alike for both cases of a letter, and for all that is none. */
static uint32_t initial(gate_span name)
{
    const unsigned letter = (unsigned)((name.ptr[0] | 0x20) - 'a');

    return 1u << (letter < 26 ? letter : 31);
}

static name_list *list_for(gate_span name)
{
    return &lists[name.len < MAX_LENGTH ? name.len : MAX_LENGTH];
}

static bool holds(const name_list *list, gate_span name)
{
    for (int i = 0; i < list->count; i++) {
        if (gate_name_equal_folded(list->names[i], name))
            return true;
    }
    return false;
}

static bool begins_like_one(gate_span name)
{
    for (int i = 0; i < prefixes.count; i++) {
        const gate_span prefix = prefixes.names[i];

        if (name.len >= prefix.len &&
            gate_name_equal_folded(prefix, (gate_span){name.ptr, prefix.len}))
            return true;
    }
    return false;
}

static void add(apr_pool_t *p, name_list *list, gate_span name)
{
    if (holds(list, name))
        return;
    if (list->count == list->room) {
        gate_span *names = apr_palloc(p, sizeof *names * (size_t)(list->room = 2 * list->room + 4));

        if (list->count)
            memcpy(names, list->names, sizeof *names * (size_t)list->count);
        list->names = names;
    }
    list->names[list->count++] = name;
    list->initials |= initial(name);
    any = true;
}

void gate_told_begin(void)
{
    memset(lists, 0, sizeof lists);
    prefixes = (name_list){0};
    any = false;
}

void gate_told_note(apr_pool_t *p, const char *text)
{
    gate_span name = gate_span_of(text);

    if (gate_name_equal_folded(name, GATE_SPAN("Authorization")))
        return;
    if (name.ptr[name.len - 1] != '*') {
        add(p, list_for(name), name);
        return;
    }
    name.len--;
    add(p, &prefixes, name);
}

bool gate_config_tells_header(gate_span name)
{
    const name_list *list = list_for(name);
    uint32_t letter;

    if (!name.len)
        return false;
    letter = initial(name);
    return (list->initials & letter && holds(list, name)) ||
           (prefixes.initials & letter && begins_like_one(name));
}

bool gate_config_tells_headers(void)
{
    return any;
}
