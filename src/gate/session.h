/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* session.h - a person's session: an opaque cookie, half of it where the record is filed, half of
 * it what opens it */
#ifndef GATE_GATE_SESSION_H
#define GATE_GATE_SESSION_H

#include "gate/gate.h"
#include "gate/record.h"

typedef struct gate_session {
    gate_record_lock lock;
    bool is_ours;       /* its cookie reads like one of ours, and lock is made from it */
    gate_record record; /* as the store gave it; */
    bool is_front;      /* of its value, no more than who it is needs */
    const gate_identity *identity;
    gate_endings endings; /* by which it is asked whether it was ended from elsewhere */
} gate_session;

/* The value of that cookie, as it was sent; absent where it was not. False where it comes twice: a
 * sibling host may have set one of them, and neither is believed. */
bool gate_session_cookie_find(const gate_request *q, const gate_settings *s, gate_span *value);

/* The session that the request brings. NO_CREDENTIAL: no cookie. SESSION_TAMPERED: a cookie that is
 * none of ours, comes twice, or does not open what is filed under it. SESSION_EXPIRED: nothing is
 * filed there any more, or it was ended from elsewhere, and then record.value is absent; or it is
 * too old for this place. STORE_UNAVAILABLE. */
gate_reason gate_session_find(const gate_request *q, const gate_settings *s, gate_world *w,
                              gate_session *session);

/* Whether it was ended from elsewhere: then it is dropped, and SESSION_EXPIRED. STORE_UNAVAILABLE.
 * gate_session_find has asked that already. */
gate_reason gate_session_check(const gate_request *q, gate_world *w, gate_session *session);

/* Files a new session under a new id, never one that the browser brought. *cookie is the Set-Cookie
 * value. SESSIONS_FULL, SESSION_TOO_LARGE, STORE_UNAVAILABLE, INTERNAL; SESSION_EXPIRED where it
 * was ended from elsewhere before it began. */
gate_reason gate_session_create(const gate_request *q, const gate_settings *s, gate_world *w,
                                gate_span identity, const gate_tokens *tokens, const char **cookie);

/* Seals who it is from now on, and the tokens, into a value for the store. session->identity is
 * that of the value. False where that fails. */
bool gate_session_seal(const gate_request *q, gate_world *w, gate_session *session,
                       gate_span identity, const gate_tokens *tokens, gate_span *value);

/* Ends it: whoever comes with its cookie from now on has no session. STORE_UNAVAILABLE where that
 * could not be made sure. */
gate_reason gate_session_end(const gate_request *q, gate_world *w, const gate_session *session);

/* The Set-Cookie value that takes the cookie away from the browser, in the request's pool. */
const char *gate_session_cookie_end(const gate_request *q, const gate_settings *s);

/* The tokens behind it. Where no more than the front of its record is at hand, it is read again;
 * then session->identity and the rest are of that reading, and what gate_session_find says may be
 * the answer as well. SESSION_TAMPERED where the tokens do not open. */
gate_reason gate_session_tokens(const gate_request *q, gate_world *w, gate_session *session,
                                gate_tokens *tokens);

#endif
