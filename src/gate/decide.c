/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/decide.h"

#include <apr_strings.h>

#include "gate/accept.h"
#include "gate/credential.h"
#include "gate/login.h"
#include "gate/renew.h"
#include "gate/revoke.h"
#include "gate/service.h"
#include "gate/session.h"

static gate_decision admit(gate_method method, const gate_identity *identity,
                           const gate_tokens *tokens)
{
    return (gate_decision){
        .verb = GATE_ADMIT,
        .status = 200,
        .known = true,
        .method = method,
        .identity = identity,
        .tokens = tokens,
    };
}

/* A place may be stricter than the one where the session began. */
static apr_int64_t end_of(const gate_settings *s, const gate_session *session)
{
    const apr_int64_t here = session->record.created + s->session.lifetime;

    return session->record.expires < here ? session->record.expires : here;
}

static const char *scheme_text(gate_reason reason, const gate_credential *credential)
{
    if (reason != GATE_OK)
        return "not one credential that can be read";
    switch (credential->scheme) {
    case GATE_SCHEME_BEARER:
        return "Bearer";
    case GATE_SCHEME_BASIC:
        return "Basic";
    default:
        return "none that is taken here";
    }
}

/* A credential that an enabled method takes is judged, and a bad one never falls through to the
 * next method, or to another place where one may stand. False: there is none. */
static bool judge_credential(const gate_request *q, const gate_settings *s, gate_world *w,
                             gate_decision *decision)
{
    gate_credential credential;
    const gate_reason reason = gate_credential_find(q, s, &credential);

    if (q->trace)
        gate_trace_add(q->trace, "credential", scheme_text(reason, &credential), reason, NULL);
    if (reason != GATE_OK)
        *decision = gate_refuse(reason, NULL);
    else if (credential.scheme == GATE_SCHEME_BEARER)
        *decision = gate_accept(q, s, w, credential.token);
    else if (credential.scheme == GATE_SCHEME_BASIC)
        *decision = gate_serve(q, s, w, &credential);
    else
        return false;
    return true;
}

/* Opens the tokens where something needs them, and renews them where that is due. */
static gate_reason open_tokens(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_session *session, gate_tokens *tokens, const char **detail)
{
    gate_reason reason = gate_session_tokens(q, w, session, tokens);
    const apr_int64_t believed_until = gate_identity_expires(session->identity);

    if (reason == GATE_OK && believed_until && q->now >= believed_until)
        reason = gate_session_renew(q, s, w, session, tokens, detail);
    if (reason == GATE_OK && s->needs & GATE_NEEDS_ACCESS_TOKEN && tokens->access_expires &&
        q->now >= tokens->access_expires)
        return GATE_TOKEN_EXPIRED; /* and nothing to renew it with: a backend is never sent a stale
                                      one */
    return reason;
}

/* The million-fold case. GATE_OK: *decision admits. */
static gate_reason use_session(const gate_request *q, const gate_settings *s, gate_world *w,
                               gate_session *session, gate_decision *decision, const char **detail)
{
    gate_tokens *tokens = NULL;
    apr_int64_t believed_until;
    gate_reason reason = gate_session_find(q, s, w, session);

    if (reason != GATE_OK)
        return reason;
    believed_until = gate_identity_expires(session->identity);
    if (s->needs || (believed_until && q->now >= believed_until)) {
        tokens = apr_palloc(q->pool, sizeof *tokens);
        reason = open_tokens(q, s, w, session, tokens, detail);
        gate_trace_add(q->trace, "tokens of the session",
                       "needed by what is told, or due to be renewed", reason, *detail);
        if (reason != GATE_OK)
            return reason;
    }
    *decision = admit(GATE_METHOD_CODE, session->identity, tokens);
    decision->session =
        apr_pmemdup(q->pool, &session->lock.filed_under, sizeof session->lock.filed_under);
    decision->expires = end_of(s, session);
    decision->basis = (gate_basis){GATE_STORE_SESSION, session->lock.filed_under,
                                   session->record.version, session->endings};
    return GATE_OK;
}

/* Whether the cookie is of no use any more, here or elsewhere. A session that is only too old for
 * this place, or without the access token that is needed here, still serves others of its realm. */
static bool is_dead(gate_reason reason, const gate_session *session)
{
    return reason == GATE_SESSION_TAMPERED || reason == GATE_REFRESH_FAILED ||
           (reason == GATE_SESSION_EXPIRED && !session->record.value.ptr);
}

static void trace_nobody(const gate_request *q, const gate_settings *s,
                         const gate_decision *decision)
{
    static const char *const policies[] = {"auto", "login", "401", "pass"};

    if (q->trace)
        gate_trace_add(
            q->trace, "nobody",
            apr_psprintf(q->pool, "OIDCGateOnUnauthenticated %s; %s",
                         policies[s->on_unauthenticated],
                         q->is_navigation ? "a browser opens a page" : "no browser opens a page"),
            decision->reason, decision->detail);
}

/* Nobody: by policy let through as such, sent to sign in, or asked for a credential. */
static gate_decision treat_nobody(const gate_request *q, const gate_settings *s, gate_world *w,
                                  gate_reason why)
{
    const gate_login_plan plan = {.return_to = q->uri, .reason = why};
    const bool may_login = s->methods & 1u << GATE_METHOD_CODE && !q->is_subrequest;
    gate_decision decision = gate_refuse(why, NULL);

    switch (s->on_unauthenticated) {
    case GATE_UNAUTHENTICATED_PASS:
        decision = (gate_decision){.verb = GATE_ADMIT, .status = 200, .reason = why};
        break;
    case GATE_UNAUTHENTICATED_LOGIN:
        if (may_login)
            decision = gate_login_begin(q, s, w, &plan);
        break;
    case GATE_UNAUTHENTICATED_AUTO:
        if (may_login && q->is_navigation)
            decision = gate_login_begin(q, s, w, &plan);
        break;
    case GATE_UNAUTHENTICATED_401:
        break;
    }
    trace_nobody(q, s, &decision);
    return decision;
}

/* Whether the caller is simply nobody, or nobody any more; all else is an answer of its own. */
static bool is_nobody(gate_reason reason)
{
    return gate_reason_get(reason)->status == 401;
}

gate_decision gate_decide(const gate_request *q, const gate_settings *s, gate_world *w)
{
    const char *detail = NULL;
    gate_reason reason = GATE_NO_CREDENTIAL;
    gate_session session;
    gate_decision decision;

    if (judge_credential(q, s, w, &decision))
        return decision;
    session.is_ours = false;
    if (s->methods & 1u << GATE_METHOD_CODE)
        reason = use_session(q, s, w, &session, &decision, &detail);
    if (reason != GATE_OK)
        decision = is_nobody(reason) ? treat_nobody(q, s, w, reason) : gate_refuse(reason, detail);
    if (session.is_ours)
        decision.filed_under = (gate_filed_under){true, session.lock.filed_under};
    if (reason == GATE_OK)
        return decision;
    if (!decision.detail)
        decision.detail = detail;
    if (!q->is_subrequest && is_dead(reason, &session))
        gate_add_cookie(&decision, gate_session_cookie_end(q, s));
    return decision;
}

bool gate_decide_brought(const gate_request *q, const gate_settings *s,
                         gate_span parts[GATE_BROUGHT_PARTS])
{
    parts[0] = (gate_span){NULL, 0};
    parts[1] = gate_span_of(q->header(q, "Authorization"));
    if (s->methods & 1u << GATE_METHOD_CODE && !gate_session_cookie_find(q, s, &parts[0]))
        return false;
    return parts[0].len || parts[1].len;
}

bool gate_decide_repeats(const gate_settings *s, const gate_decision *decision)
{
    for (int i = 0; i < s->token_sources.count; i++) {
        if (s->token_sources.items[i].name) /* some other header, cookie or parameter */
            return false;
    }
    return decision->verb == GATE_ADMIT && decision->known && decision->basis.version &&
           !decision->cookie_count && !decision->detail && !s->needs && !s->tells_anew;
}

bool gate_decide_again(const gate_request *q, const gate_settings *s, gate_world *w,
                       const gate_decision *before)
{
    const apr_int64_t believed_until = gate_identity_expires(before->identity);
    const gate_basis *basis = &before->basis;
    gate_record record;

    if ((believed_until && q->now >= believed_until) ||
        w->store->look(w->store, basis->kind, &basis->key, q->now, &record) != GATE_STORE_DONE ||
        record.version != basis->version)
        return false;
    return basis->kind != GATE_STORE_SESSION ||
           (q->now < record.created + s->session.lifetime &&
            gate_revoked_since(q, w, &basis->endings, &record) == GATE_OK);
}

/* Whether whoever opens a page here may be sent away to sign in. */
static bool signs_people_in(const gate_settings *s)
{
    return s->on_unauthenticated == GATE_UNAUTHENTICATED_AUTO ||
           s->on_unauthenticated == GATE_UNAUTHENTICATED_LOGIN;
}

gate_decision gate_decide_step_up(const gate_request *q, const gate_settings *s, gate_world *w,
                                  const gate_decision *admitted, const gate_step_up *need)
{
    const gate_login_plan plan = {
        .return_to = q->uri,
        .reason = GATE_ACR_UNMET,
        .step_up = *need,
    };

    gate_decision decision = gate_refuse(GATE_ACR_UNMET, NULL);

    if (admitted->method == GATE_METHOD_CODE && q->is_navigation && !q->is_subrequest &&
        signs_people_in(s))
        decision = gate_login_begin(q, s, w, &plan);
    decision.filed_under = admitted->filed_under;
    return decision;
}
