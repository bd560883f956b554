/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* overheard.h - directives of other modules that the gate hears too: what it notes of them, and
 * what it cannot let pass */
#ifndef GATE_HTTPD_OVERHEARD_H
#define GATE_HTTPD_OVERHEARD_H

#include "httpd/module.h"

/* For the table of directives, raw arguments each. DECLINE_CMD, with which httpd goes on to the
 * module whose directive it is; or what is wrong with it. */
typedef const char *gate_overhearer(cmd_parms *cmd, void *dir, const char *arguments);

gate_overhearer gate_overhear_auth_type;    /* whether a section is the gate's */
gate_overhearer gate_overhear_server_name;  /* whether a virtual host has a name of its own */
gate_overhearer gate_overhear_tls;          /* SSLEngine: whether it speaks https */
gate_overhearer gate_overhear_require;      /* gate rules by another name */
gate_overhearer gate_overhear_if;           /* cannot ask for claims */
gate_overhearer gate_overhear_early;        /* asks for claims too early: warned of */
gate_overhearer gate_overhear_rewrite_cond; /* the same, outside of sections */

#endif
