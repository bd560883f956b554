/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/signout.h"

#include <apr_strings.h>

#include "gate/provider.h"
#include "gate/session.h"
#include "oidc/logout.h"
#include "oidc/token.h"

#define MAX_PARAMETERS 8

/* The session that is meant. */
typedef struct leaving {
    const gate_request *q;
    gate_world *w;
    const gate_settings *s;
    gate_session session;
    gate_tokens tokens;
    const char *target;     /* absolute; NULL: none was asked for */
    const char *state;      /* for whoever asked, by way of the provider; NULL: none */
    gate_decision farewell; /* so far it only takes away the cookies that are of no use any more */
} leaving;

/* The session of that realm's cookie. One that is too old for one place of its realm may still be
 * good at another: it is found as well, by who can open it. */
static gate_reason find(const gate_request *q, const gate_settings *s, gate_world *w,
                        gate_session *session)
{
    const gate_reason reason = gate_session_find(q, s, w, session);
    gate_tokens tokens;

    return reason == GATE_SESSION_EXPIRED && session->record.value.ptr
               ? gate_session_tokens(q, w, session, &tokens)
               : reason;
}

/* The sessions of this browser, at most one of each realm; the first that fits becomes l's. Their
 * number, or -1 where the store could not tell. */
static int find_sessions(leaving *l, const gate_site *site, gate_span realm)
{
    int count = 0;

    for (int i = 0; i < site->settings_count; i++) {
        const gate_settings *s = site->settings[i];
        gate_session session;
        gate_reason reason;

        if (realm.ptr && !gate_span_is(realm, s->realm.tag))
            continue;
        reason = find(l->q, s, l->w, &session);
        if (reason == GATE_STORE_UNAVAILABLE || reason == GATE_INTERNAL)
            return -1;
        if (reason != GATE_OK) {
            if (reason != GATE_NO_CREDENTIAL)
                gate_add_cookie(&l->farewell, gate_session_cookie_end(l->q, s));
        } else if (count++ == 0) {
            l->s = s;
            l->session = session;
        }
    }
    return count;
}

/* The address to go to afterwards. False for one that is not allowed. */
static bool choose_target(leaving *l, gate_span wanted)
{
    if (!wanted.ptr)
        return true;
    if (gate_url_is_local(wanted)) {
        l->target =
            apr_pstrcat(l->q->pool, l->s->site->origin, gate_span_dup(l->q->pool, wanted), NULL);
        return true;
    }
    for (const char *const *allowed = l->s->logout_targets; allowed && *allowed; allowed++) {
        if (gate_span_is(wanted, *allowed)) {
            l->target = *allowed;
            return true;
        }
    }
    return false;
}

/* RFC 7009: the refresh token first, since it can make others. That it fails holds nobody back, and
 * no longer than one call may take. */
static void revoke_tokens(leaving *l)
{
    const struct {
        gate_span token;
        const char *hint;
    } tokens[] = {{l->tokens.refresh_token, "refresh_token"},
                  {l->tokens.access_token, "access_token"}};

    for (size_t i = 0; i < 2; i++) {
        const char *detail = NULL;
        gate_answer answer;

        if (tokens[i].token.ptr &&
            gate_provider_post(l->q, l->w, l->s, GATE_ENDPOINT_REVOCATION,
                               gate_token_revocation(l->q->pool, tokens[i].token, tokens[i].hint),
                               &answer, &detail) != GATE_OK)
            return;
    }
}

/* Where the provider wants people to sign out; NULL where it has no such place, or is away. */
static const char *end_session_url(const leaving *l)
{
    gate_end_session request = {
        .id_token = l->tokens.id_token,
        .client_id = l->s->realm.client_id,
        .post_logout_redirect_uri = l->target,
        .state = l->state,
    };
    const gate_site *site = l->s->site;
    const char *detail = NULL;

    if (!request.post_logout_redirect_uri && l->s->logout_targets && l->s->logout_targets[0])
        request.post_logout_redirect_uri = l->s->logout_targets[0];
    if (!request.post_logout_redirect_uri) /* this very endpoint: without a session it says that
                                              nobody is signed in */
        request.post_logout_redirect_uri =
            apr_pstrcat(l->q->pool, site->origin, site->path, "/logout", NULL);
    if (gate_provider_endpoint(l->q, l->w, l->s->provider, GATE_ENDPOINT_END_SESSION,
                               &request.endpoint, &detail) != GATE_OK)
        return NULL;
    return gate_end_session_url(l->q->pool, &request);
}

static gate_decision leave(leaving *l)
{
    gate_reason reason;

    if (gate_session_tokens(l->q, l->w, &l->session, &l->tokens) != GATE_OK)
        l->tokens = (gate_tokens){.access_expires = 0};
    reason = gate_session_end(l->q, l->w, &l->session);
    if (reason != GATE_OK)
        return gate_refuse(reason, "the session could not be ended");
    gate_add_cookie(&l->farewell, gate_session_cookie_end(l->q, l->s));
    if (l->s->revoke)
        revoke_tokens(l);
    l->farewell.location = end_session_url(l);
    if (!l->farewell.location)
        l->farewell.location = l->target;
    if (l->farewell.location) {
        const gate_decision sent = gate_send_to(l->q, l->farewell.location);

        l->farewell.verb = sent.verb;
        l->farewell.status = sent.status;
    }
    return l->farewell;
}

gate_decision gate_sign_out(const gate_request *q, const gate_site *site, gate_world *w,
                            gate_span parameters)
{
    leaving l = {.q = q, .w = w, .farewell = {.verb = GATE_ADMIT, .status = 200}};
    gate_form *form;
    int sessions;

    if (gate_form_parse(q->pool, parameters, MAX_PARAMETERS, &form) != GATE_OK)
        return gate_refuse(GATE_MALFORMED_REQUEST, NULL);
    sessions = find_sessions(&l, site, gate_form_get(form, "realm"));
    if (sessions < 0)
        return gate_refuse(GATE_STORE_UNAVAILABLE, NULL);
    if (sessions == 0)
        return l.farewell;
    if (!gate_comes_from_here(q, site))
        return gate_refuse(GATE_CROSS_SITE, NULL);
    if (sessions > 1)
        return gate_refuse(GATE_MALFORMED_REQUEST, "several sessions: realm= must say which");
    if (!choose_target(&l, gate_form_get(form, "redirect")))
        return gate_refuse(GATE_TARGET_UNSAFE, NULL);
    if (l.target) /* the gate's own page has no use for one */
        l.state = gate_span_dup(q->pool, gate_form_get(form, "state"));
    return leave(&l);
}
