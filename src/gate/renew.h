/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* renew.h - a session's tokens renewed before they run out: once, however many requests ask, and no
 * refresh token sent twice */
#ifndef GATE_GATE_RENEW_H
#define GATE_GATE_RENEW_H

#include "gate/session.h"

/* Renews what is due. GATE_OK: *session and *tokens are as good as can be: new, or the old ones
 * where the provider is away and the old ones still serve. REFRESH_FAILED: the provider renews no
 * more, or it is not known whether a former attempt used the refresh token up; the session is
 * ended. SESSION_EXPIRED: it was ended meanwhile. The provider's outage, where an access token is
 * needed and the old one has run out: the session stays. */
gate_reason gate_session_renew(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_session *session, gate_tokens *tokens, const char **detail);

#endif
