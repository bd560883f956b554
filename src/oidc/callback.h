/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* callback.h - the second half of the code flow: what the browser brings back (RFC 6749
 * section 4.1.2, RFC 9207) */
#ifndef GATE_OIDC_CALLBACK_H
#define GATE_OIDC_CALLBACK_H

#include "base/reason.h"
#include "base/url.h"

#define GATE_CALLBACK_MAX_BYTES (8 * 1024)

typedef struct gate_callback {
    gate_span state;             /* always there */
    gate_span code;              /* there, or `error` is */
    gate_span error;             /* 1 to 64 characters of RFC 6749's alphabet */
    gate_span error_description; /* for the log alone; absent where the provider sent none */
    gate_span issuer;            /* "iss", absent where not sent */
} gate_callback;

/* Reads the query (or form) of the callback. MALFORMED_REQUEST for a doubled parameter, more than
 * 32, no state, neither or both of code and error, a code over 4 KiB, or control characters. Empty
 * counts as omitted. */
gate_reason gate_callback_read(apr_pool_t *p, gate_span text, gate_callback *callback);

/* RFC 9207 section 2.4: iss must be the provider that was asked; it may be missing only where the
 * provider does not promise it. ISSUER_MIXUP. Before anything else of the answer is used, errors
 * too. */
gate_reason gate_callback_check_issuer(const gate_callback *callback, const char *issuer,
                                       bool sends_issuer);

/* What an "error" means for the person in front of it: LOGIN_DENIED (access_denied), LOGIN_REQUIRED
 * (login_required, interaction_required, consent_required, account_selection_required), ACR_UNMET
 * (unmet_authentication_requirements), IDP_ERROR (server_error, temporarily_unavailable), and
 * IDP_REJECTED_GATEWAY for all that is the gate's own fault (invalid_request, invalid_scope,
 * unauthorized_client, ...) or unknown. *registered is that code in our own spelling, to be shown
 * to whoever it may concern; NULL where it is none that is registered: a provider's own words are
 * not for showing. */
gate_reason gate_callback_error(gate_span error, const char **registered);

#endif
