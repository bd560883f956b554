/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/login.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "gate/attempt.h"
#include "gate/identify.h"
#include "gate/provider.h"
#include "gate/push.h"
#include "gate/session.h"
#include "oidc/authorize.h"
#include "oidc/callback.h"
#include "oidc/id_token.h"
#include "oidc/token.h"

/* The longest return address that goes into a cookie; bytes. */
#define RETURN_TO_MAX_BYTES 1500

/* 256 bits for each of state, nonce and verifier (RFC 6749 section 10.10). */
#define SECRET_BYTES 32

/* --- there --- */

static const char *redirect_uri(const gate_request *q, const gate_site *site)
{
    return apr_pstrcat(q->pool, site->origin, site->path, "/callback", NULL);
}

/* Local by construction, and short enough for a cookie: at need without its query, at worst the
 * site's root. */
static gate_span safe_return(gate_span wanted)
{
    if (wanted.len > RETURN_TO_MAX_BYTES) {
        const char *query = memchr(wanted.ptr, '?', wanted.len);

        if (query)
            wanted.len = (size_t)(query - wanted.ptr);
    }
    return wanted.len <= RETURN_TO_MAX_BYTES && gate_url_is_local(wanted) ? wanted : GATE_SPAN("/");
}

static bool is_set_by(const gate_login_plan *plan, const char *name)
{
    return (plan->step_up.acr_values && !strcmp(name, "acr_values")) ||
           (plan->step_up.max_age && !strcmp(name, "max_age")) ||
           (plan->login_hint.ptr && !strcmp(name, "login_hint"));
}

/* What is configured, but for what this login wants otherwise. */
static const gate_form *parameters(apr_pool_t *p, const gate_settings *s,
                                   const gate_login_plan *plan)
{
    const gate_step_up *need = &plan->step_up;
    const gate_form *configured = s->authorization_params;
    gate_form *form = gate_form_make(p);

    if (!gate_step_up_is_asked(need) && !plan->login_hint.ptr)
        return configured;
    gate_form_add_text(form, "acr_values", need->acr_values);
    if (need->max_age)
        gate_form_add_text(form, "max_age", apr_psprintf(p, "%" APR_INT64_T_FMT, need->max_age));
    if (plan->login_hint.ptr)
        gate_form_add(form, "login_hint", plan->login_hint);
    for (int i = 0; configured && i < configured->pairs->nelts; i++) {
        const gate_pair *pair = &APR_ARRAY_IDX(configured->pairs, i, gate_pair);
        const char *name = gate_span_dup(p, pair->name);

        if (!is_set_by(plan, name))
            gate_form_add(form, name, pair->value);
    }
    return form;
}

/* The address that the browser is sent to. */
static gate_reason make_url(const gate_request *q, const gate_settings *s, gate_world *w,
                            const gate_authorize *request, const char **url, const char **detail)
{
    const char *endpoint, *request_uri;
    gate_form *form = gate_authorize_form(q->pool, request);
    gate_reason reason =
        gate_provider_endpoint(q, w, s->provider, GATE_ENDPOINT_AUTHORIZATION, &endpoint, detail);

    if (!form)
        return GATE_INTERNAL;
    if (reason == GATE_OK)
        reason = gate_push(q, s, w, form, &request_uri, detail);
    if (reason != GATE_OK)
        return reason;
    if (request_uri)
        form = gate_authorize_pushed(q->pool, request->client_id, request_uri);
    *url = gate_url_with_query(q->pool, endpoint, form);
    return GATE_OK;
}

enum { STATE, NONCE, VERIFIER, SECRETS };

/* All out of one draw. */
static bool draw_secrets(const gate_request *q, gate_world *w, const char *secrets[SECRETS])
{
    char bytes[SECRETS][SECRET_BYTES];

    if (!w->random(bytes, sizeof bytes))
        return false;
    for (int i = 0; i < SECRETS; i++)
        secrets[i] = gate_base64url_encode(q->pool, (gate_span){bytes[i], SECRET_BYTES});
    gate_wipe(bytes, sizeof bytes);
    gate_wipe_with(q->pool, gate_span_of(secrets[VERIFIER]));
    return true;
}

gate_decision gate_login_begin(const gate_request *q, const gate_settings *s, gate_world *w,
                               const gate_login_plan *plan)
{
    const char *secrets[SECRETS] = {NULL};
    gate_digest nonce;
    const bool drawn =
        draw_secrets(q, w, secrets) && gate_nonce_digest(&nonce, gate_span_of(secrets[NONCE]));
    const bool posted = s->response_mode == GATE_RESPONSE_FORM_POST;
    const gate_attempt attempt = {
        .created = q->now,
        .again = plan->again,
        .max_age = plan->step_up.max_age,
        .posted = posted,
        .settings = gate_span_of(s->name),
        .realm = {(const char *)s->realm.fingerprint.bytes, GATE_DIGEST_BYTES},
        .state = gate_span_of(secrets[STATE]),
        .nonce = {(const char *)nonce.bytes, sizeof nonce.bytes},
        .verifier = gate_span_of(secrets[VERIFIER]),
        .return_to = safe_return(plan->return_to),
        .acr_values = gate_span_of(plan->step_up.acr_values),
    };
    const gate_authorize request = {
        .client_id = s->realm.client_id,
        .redirect_uri = redirect_uri(q, s->site),
        .scope = s->scope,
        .response_mode = posted ? "form_post" : NULL,
        .state = secrets[STATE],
        .nonce = secrets[NONCE],
        .verifier = secrets[VERIFIER],
        .extra = parameters(q->pool, s, plan),
    };
    const char *detail = NULL, *url;
    gate_decision decision;
    gate_reason reason = GATE_INTERNAL;

    if (drawn)
        reason = make_url(q, s, w, &request, &url, &detail);
    if (reason != GATE_OK)
        return gate_refuse(reason, detail);
    decision = gate_send_to(q, url);
    decision.reason = plan->reason;
    return gate_attempt_remember(q, s->site, w, &attempt, &decision)
               ? decision
               : gate_refuse(GATE_INTERNAL, "no randomness, or no cryptography");
}

/* --- and back --- */

/* How long a page may take to be asked for behind the callback, and its rules still hold. */
#define LANDING_SECONDS 5

/* What a callback is finished with. */
typedef struct landing {
    const gate_request *q;
    const gate_site *site;
    gate_world *w;
    const gate_settings *s;
    gate_callback callback;
    const gate_attempt *attempt;
    bool can_return; /* nothing is spent yet: the attempt stays, the same answer may come again */
    const char *detail;
    const char *provider_error; /* see gate_decision */
} landing;

/* Whether somebody signed in already came here, by the back button or a bookmark. */
static bool has_session(const landing *l)
{
    for (int i = 0; i < l->site->settings_count; i++) {
        gate_session session;

        if (gate_session_find(l->q, l->site->settings[i], l->w, &session) == GATE_OK)
            return true;
    }
    return false;
}

static bool is_posted(const gate_request *q)
{
    return !strcmp(q->method, "POST");
}

/* A form from another site comes without the session's cookie: who posts it again, by the back
 * button, comes once more by a link, which brings the cookie along. Nothing of the form goes
 * along. */
static gate_decision unknown(const landing *l, const char *detail)
{
    gate_decision decision;

    if (has_session(l))
        return (gate_decision){.verb = GATE_REDIRECT, .status = 303, .location = "/"};
    if (!is_posted(l->q))
        return gate_refuse(GATE_STATE_UNKNOWN, detail);
    decision = gate_send_to(l->q, apr_pstrcat(l->q->pool, redirect_uri(l->q, l->site),
                                              "?error=unknown&state=unknown", NULL));
    decision.reason = GATE_STATE_UNKNOWN;
    decision.detail = detail;
    return decision;
}

static const gate_found_attempt *attempt_of(const gate_attempts *found, gate_span state)
{
    for (int i = 0; i < found->count; i++) {
        if (gate_secret_equal(found->items[i].attempt.state, state))
            return &found->items[i];
    }
    return NULL;
}

/* A state is used once, whatever the outcome (RFC 9700 section 4.2), so that no answer makes us ask
 * the provider twice. */
static gate_reason use_up(landing *l)
{
    const gate_span parts[] = {GATE_SPAN("state"), l->attempt->state};
    const gate_entry mark = {.value = GATE_SPAN(""), .expires = l->q->now + GATE_LOGIN_SECONDS};
    gate_store_key key;

    if (!gate_digest_of(&key, parts, 2))
        return GATE_INTERNAL;
    switch (l->w->store->add(l->w->store, GATE_STORE_MARK, &key, l->q->now, &mark, NULL)) {
    case GATE_STORE_DONE:
        return GATE_OK;
    case GATE_STORE_CONFLICT:
        return GATE_REPLAY;
    case GATE_STORE_FULL: /* the mark stands in the same region as the session will */
        l->can_return = true;
        return GATE_SESSIONS_FULL;
    default:
        l->can_return = true;
        return GATE_STORE_UNAVAILABLE;
    }
}

/* An attempt costs its beginner nothing; what it may make us ask the provider is limited as other
 * strangers' questions are. */
static gate_reason may_ask(landing *l)
{
    const gate_settings *s = l->s;

    if (l->w->may_ask(l->w->limit_context, l->q->address, l->q->now, s->limit_address,
                      s->limit_total))
        return GATE_OK;
    l->can_return = true;
    return GATE_RATE_LIMITED;
}

/* Whether this answer is the asked provider's, and good news. The metadata that says how to know is
 * asked for before the state is used up: no answer makes that happen more often. */
static gate_reason hear(landing *l)
{
    const gate_metadata *metadata;
    gate_reason reason = gate_provider_metadata(l->q, l->w, l->s->provider, &metadata, &l->detail);

    l->can_return = reason != GATE_OK;
    if (reason != GATE_OK)
        return reason;
    reason = gate_callback_check_issuer(&l->callback, l->s->realm.issuer, metadata->sends_issuer);
    if (reason != GATE_OK || !l->callback.error.ptr)
        return reason;
    l->detail =
        apr_psprintf(l->q->pool, "%s: %s", gate_span_for_log(l->q->pool, l->callback.error, 64),
                     gate_span_for_log(l->q->pool, l->callback.error_description, 200));
    return gate_callback_error(l->callback.error, &l->provider_error);
}

static gate_reason redeem(landing *l, gate_token_set *tokens)
{
    const char *verifier = gate_span_dup(l->q->pool, l->attempt->verifier);
    gate_form *form = gate_token_by_code(l->q->pool, l->callback.code, redirect_uri(l->q, l->site),
                                         verifier, l->s->token_params);
    gate_answer answer;
    gate_reason reason =
        gate_provider_post(l->q, l->w, l->s, GATE_ENDPOINT_TOKEN, form, &answer, &l->detail);

    gate_wipe_with(l->q->pool, gate_span_of(verifier));
    if (reason == GATE_OK)
        reason = gate_token_read(l->q->pool, &answer, l->w->clock(), tokens, &l->detail);
    /* Which client this is, is the gate's own business, never the visitor's fault. */
    return reason == GATE_INVALID_CLIENT || reason == GATE_UNAUTHORIZED_CLIENT
               ? GATE_IDP_REJECTED_GATEWAY
               : reason;
}

/* How a rule wants the person to have signed in. */
static gate_step_up asked(const landing *l)
{
    const gate_span acr_values = l->attempt->acr_values;

    return (gate_step_up){
        .acr_values = acr_values.ptr ? gate_span_dup(l->q->pool, acr_values) : NULL,
        .max_age = l->attempt->max_age,
    };
}

/* The max_age that was asked for (OIDC Core section 3.1.2.1), counted from when the browser was
 * sent away; 0 where none was. */
static apr_int64_t max_age_of(const landing *l)
{
    const gate_form *params = l->s->authorization_params;
    const gate_span text = params ? gate_form_get(params, "max_age") : (gate_span){NULL, 0};
    apr_uint64_t seconds = (apr_uint64_t)l->attempt->max_age;

    if (!seconds && (!text.ptr || !gate_span_number(text, APR_INT32_MAX, &seconds)))
        return 0;
    return (apr_int64_t)seconds + (l->q->now - l->attempt->created) + 1;
}

/* Whether signing in again has brought what the rule wants. The rule will be asked again in a
 * moment, of the same claims: unless it admits then, the person is refused here, or their browser
 * would be sent to and fro without end. */
static gate_reason check_step_up(landing *l, gate_span identity)
{
    const gate_step_up need = asked(l);
    const apr_int64_t now = l->w->clock();
    const apr_int64_t half = need.max_age / 2;
    const apr_int64_t moment = half < LANDING_SECONDS ? half : LANDING_SECONDS;
    const gate_identity *who = gate_identity_open(identity);
    apr_pool_t *p = l->q->pool;
    gate_reason reason = gate_step_up_check(&need, who, now, l->s->skew, p, &l->detail);

    if (reason == GATE_OK)
        reason = gate_step_up_check(&need, who, now + moment, l->s->skew, p, &l->detail);
    return reason;
}

/* A browser at the callback is nobody who could answer a challenge. */
static gate_decision not_signed_in(gate_reason reason, const char *detail)
{
    gate_decision decision = gate_refuse(reason, detail);

    if (reason == GATE_ACR_UNMET) {
        decision.verb = GATE_REFUSE;
        decision.status = 403;
    }
    return decision;
}

/* A session that the browser still has is replaced, never taken over. */
static void end_former(const landing *l)
{
    gate_session former;

    if (gate_session_find(l->q, l->s, l->w, &former) == GATE_OK)
        gate_session_end(l->q, l->w, &former);
}

static gate_decision sign_in(landing *l)
{
    gate_digest nonce;
    const gate_identify_want want = {
        .nonce = &nonce,
        .max_age = max_age_of(l),
        .scope = gate_span_of(l->s->scope),
    };
    gate_token_set set;
    gate_tokens tokens;
    gate_span identity;
    gate_decision decision;
    const char *cookie = NULL;
    gate_reason reason = hear(l);

    memcpy(nonce.bytes, l->attempt->nonce.ptr, sizeof nonce.bytes);
    if (reason == GATE_OK)
        reason = may_ask(l);
    if (reason == GATE_OK)
        reason = use_up(l);
    if (reason == GATE_OK)
        reason = redeem(l, &set);
    if (reason == GATE_OK)
        reason = gate_identify(l->q, l->s, l->w, &set, &want, &identity, &tokens, &l->detail);
    if (reason == GATE_OK)
        reason = check_step_up(l, identity);
    if (reason == GATE_OK)
        reason = gate_session_create(l->q, l->s, l->w, identity, &tokens, &cookie);
    if (reason != GATE_OK)
        return not_signed_in(reason, l->detail);
    end_former(l);
    decision = gate_send_to(l->q, gate_span_dup(l->q->pool, l->attempt->return_to));
    decision.known = true;
    decision.method = GATE_METHOD_CODE;
    decision.identity = gate_identity_open(identity);
    decision.signed_in_at = l->s;
    gate_add_cookie(&decision, cookie);
    return decision;
}

static gate_decision land(landing *l)
{
    const gate_login_plan once_more = {
        .return_to = l->attempt->return_to,
        .reason = GATE_STATE_EXPIRED,
        .again = true,
        .step_up = asked(l),
    };

    l->s = l->site->find(l->site, l->q->pool, gate_span_dup(l->q->pool, l->attempt->settings));
    if (!l->s || l->attempt->realm.len != GATE_DIGEST_BYTES ||
        memcmp(l->attempt->realm.ptr, l->s->realm.fingerprint.bytes, GATE_DIGEST_BYTES))
        return unknown(l, "the configuration has changed since this login was begun");
    if (!gate_attempt_is_expired(l->q, l->attempt))
        return sign_in(l);
    if (l->attempt->again)
        return gate_refuse(GATE_STATE_EXPIRED, NULL);
    l->can_return = true; /* the new attempt makes room for itself */
    return gate_login_begin(l->q, l->s, l->w, &once_more);
}

gate_decision gate_login_finish(const gate_request *q, const gate_site *site, gate_world *w,
                                gate_span answer)
{
    landing l = {.q = q, .site = site, .w = w};
    const gate_found_attempt *found;
    gate_attempts attempts;
    gate_decision decision;
    gate_reason reason = gate_callback_read(q->pool, answer, &l.callback);

    if (reason != GATE_OK)
        return gate_refuse(reason, NULL);
    gate_attempts_find(q, site, w, &attempts);
    found = attempt_of(&attempts, l.callback.state);
    if (!found)
        return unknown(&l, "no attempt of this browser has that state");
    l.attempt = &found->attempt;
    if (l.attempt->posted != is_posted(q)) /* OIDC Form Post Response Mode section 2 */
        return gate_refuse(GATE_MALFORMED_REQUEST,
                           l.attempt->posted
                               ? "the answer was to be posted, and came in the address"
                               : "the answer was not to be posted");
    decision = land(&l);
    decision.return_to = gate_span_dup(q->pool, l.attempt->return_to);
    decision.provider_error = l.provider_error;
    if (!l.can_return)
        gate_attempt_forget(q, site, &decision, found->slot);
    return decision;
}
