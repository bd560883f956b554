/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* memory.h - what a connection brought before: who sends the same credentials to the same place
 * again is the same, as long as the store says so, and is told the same */
#ifndef GATE_HTTPD_MEMORY_H
#define GATE_HTTPD_MEMORY_H

#include "httpd/request.h"

/* For each connection that begins (ap_hook_pre_connection): what it, or its HTTP/2 streams, will
 * bring is kept until it ends. */
int gate_memory_open(conn_rec *c, void *socket);

/* Fills in what was decided and made of an earlier request of the connection, where that still
 * holds. The store is asked as ever; what is spared is to open the record and to render. */
bool gate_memory_recall(request_rec *r, const gate_request *q, gate_state *state);

/* Keeps it, from the second request of a connection on. */
void gate_memory_keep(request_rec *r, const gate_state *state);

#endif
