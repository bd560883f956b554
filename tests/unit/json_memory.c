/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/json_memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/json.h"
#include "tap.h"

#define MEMBERS 2000

/* Whoever wipes a block asks how large it is. */
static const void *asked_of;

size_t malloc_usable_size(void *block)
{
    asked_of = block;
    return 0;
}

static void setup(void)
{
    json_malloc_t first, second;
    json_free_t give_back;

    ok(!gate_json_lend(NULL, 100), "whom jansson does not ask cannot lend it anything");
    gate_json_setup();
    json_get_alloc_funcs(&first, &give_back);
    gate_json_setup();
    json_get_alloc_funcs(&second, &give_back);
    ok(first != malloc && first == second, "memory is asked for through the gate, and once");
    json_t *value = json_integer(1);
    json_decref(value);
    ok(asked_of == value, "and wiped before it is given back");
}

static const char *look_for;
static char found[8];

/* Runs when the pool is cleared, after what was registered later. */
static apr_status_t look_later(void *data)
{
    memcpy(found, look_for, sizeof found - 1);
    return APR_SUCCESS;
}

static void lending(apr_pool_t *p)
{
    apr_pool_t *request;

    apr_pool_create(&request, p);
    apr_pool_cleanup_register(request, NULL, look_later, apr_pool_cleanup_null);
    ok(gate_json_lend(request, 64), "a pool lends its memory");
    ok(!gate_json_lend(p, 64), "one at a time");
    json_t *value = json_string("secret!"), *large = json_object();
    asked_of = NULL;
    json_decref(json_string("gone"));
    for (int i = 0; i < MEMBERS; i++)
        json_object_set_new(large, apr_psprintf(p, "name-%d", i), json_integer(i));
    gate_json_lending_ends();
    ok(!asked_of, "nothing of it is given back");
    is(json_string_value(value), "secret!", "what was made stays");
    ok(json_object_size(large) == MEMBERS &&
           json_integer_value(json_object_get(large, "name-1999")) == MEMBERS - 1,
       "however much it is");
    json_t *outside = json_integer(2);
    json_decref(outside);
    ok(asked_of == outside, "then memory is malloc's again");
    look_for = json_string_value(value);
    apr_pool_destroy(request);
    ok(!memchr(found, 's', sizeof found) && !memchr(found, '!', sizeof found),
       "with the pool it is wiped");
}

static void *make_one(void *data)
{
    json_t *value = json_integer(3);

    json_decref(value);
    *(bool *)data = asked_of == value;
    return NULL;
}

static void other_threads(apr_pool_t *p)
{
    pthread_t other;
    bool is_from_malloc = false;

    gate_json_lend(p, 64);
    pthread_create(&other, NULL, make_one, &is_from_malloc);
    pthread_join(other, NULL);
    gate_json_lending_ends();
    ok(is_from_malloc, "other threads are lent nothing");
}

/* As another module of the same server may do at any time. */
static void given_to_somebody_else(apr_pool_t *p)
{
    json_malloc_t ours;
    json_free_t also_ours;

    json_get_alloc_funcs(&ours, &also_ours);
    json_set_alloc_funcs(malloc, free);
    ok(!gate_json_lend(p, 64), "nothing is lent to whom jansson does not ask");
    const json_t *object = gate_json_object(p, GATE_SPAN("{\"a\":[1,\"x\"]}"), 100);
    ok(object && object->refcount == 1, "and documents are read all the same");
    json_set_alloc_funcs(ours, also_ours);
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    setup();
    lending(p);
    other_threads(p);
    given_to_somebody_else(p);
    apr_pool_t *outer = p;
    apr_pool_destroy(outer);
    apr_terminate();
    return tap_done();
}
