/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* guard.h - who is it, and may they: the hooks that httpd asks */
#ifndef GATE_HTTPD_GUARD_H
#define GATE_HTTPD_GUARD_H

#include "httpd/request.h"

/* What r->user becomes: the first of OIDCGateRemoteUser's claims that there is; NULL for none. A
 * client's name is marked as such: it is never taken for a user's, even where the two are alike
 * (RFC 9700 section 4.15). In p. */
const char *gate_user_of(apr_pool_t *p, const gate_settings *s, const gate_identity *identity);

/* What httpd's rules say to whom the state's decision knows: what auth_checker returns. */
int gate_ask_rules(request_rec *r, gate_state *state);

/* Makes all that the backend will be told of whom the state's decision lets in. What cannot be told
 * truthfully makes it a refusal, before anything else is asked. */
void gate_prepare(gate_state *state, apr_int64_t now);

int gate_watch_user(request_rec *r); /* check_access_ex, last: a name is missing, and nothing is
                                        enforced */
int gate_force_user(request_rec *r); /* force_authn: whether it must be known who it is, where httpd
                                        would not ask */
int gate_check_user(request_rec *r); /* check_user_id: who is it */
int gate_check_rules(request_rec *r); /* auth_checker: may they */

#endif
