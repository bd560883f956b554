/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* memory.h - what this process was brought before: who sends the same credential to the same place
 * again is the same, as long as the store says so, and is told the same */
#ifndef GATE_HTTPD_MEMORY_H
#define GATE_HTTPD_MEMORY_H

#include "base/shelf.h"
#include "gate/decide.h"
#include "httpd/request.h"

/* The child_init hook. What is remembered goes with the process, and so with the configuration that
 * it was decided by: each process reads only one. */
void gate_memory_child(apr_pool_t *pchild, server_rec *main_server);

/* By what a request and its place are known again. */
typedef struct gate_memory_key {
    bool is_made; /* false: by nothing */
    gate_shelf_name name;
    gate_span brought[GATE_BROUGHT_PARTS]; /* by the request */
} gate_memory_key;

gate_memory_key gate_memory_key_of(request_rec *r, const gate_request *q, const gate_settings *s);

/* Fills in what was decided and made of an earlier request, where that still holds. The store is
 * asked as ever; what is spared is to open the record and to render. */
bool gate_memory_recall(const gate_memory_key *key, const gate_request *q, gate_state *state);

/* Keeps it, where the next such request is to be answered alike. */
void gate_memory_keep(const gate_memory_key *key, const gate_request *q, const gate_state *state);

#endif
