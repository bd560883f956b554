/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* describe.h - what holds at a place, and where each of it was written, for an administrator */
#ifndef GATE_HTTPD_DESCRIBE_H
#define GATE_HTTPD_DESCRIBE_H

#include <jansson.h>

#include "gate/gate.h"
#include "httpd/module.h"

/* Each directive that holds for the request, as it is written and where, and the defaults of the
 * others. Secrets are not shown: of what may be one, only its kind or its name. NULL where there is
 * no memory; the caller owns it. */
json_t *gate_describe(request_rec *r);

#endif
