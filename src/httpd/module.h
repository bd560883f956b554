/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* module.h - what every httpd-side file of the module needs to log as it */
#ifndef GATE_HTTPD_MODULE_H
#define GATE_HTTPD_MODULE_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

/* As CHANGES has it. */
#define GATE_VERSION "0.1"

/* httpd leaves AP_MODULE_DECLARE_DATA empty on Unix, so with -fvisibility=hidden
 * the module structure must be exported by hand. */
extern module AP_MODULE_DECLARE_DATA oidc_gate_module __attribute__((visibility("default")));

#endif
