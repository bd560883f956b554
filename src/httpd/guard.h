/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* guard.h - who is it, and may they: the hooks that httpd asks */
#ifndef GATE_HTTPD_GUARD_H
#define GATE_HTTPD_GUARD_H

#include "httpd/module.h"

int gate_force_user(request_rec *r); /* force_authn: whether it must be known who it is, where httpd
                                        would not ask */
int gate_check_user(request_rec *r); /* check_user_id: who is it */
int gate_check_rules(request_rec *r); /* auth_checker: may they */

#endif
