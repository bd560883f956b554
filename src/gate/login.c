/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/login.h"

#include <apr_strings.h>

#include "base/base64url.h"
#include "base/cookie.h"
#include "base/pack.h"
#include "gate/identify.h"
#include "gate/provider.h"
#include "gate/push.h"
#include "gate/session.h"
#include "oidc/authorize.h"
#include "oidc/callback.h"
#include "oidc/token.h"

/* --- the state of an attempt, sealed into a cookie of its own --- */

/* Cookies of attempts are named by a slot, so that a browser that opens forty tabs at once still
 * comes back with a Cookie header that httpd takes: there can never be more of them than this. */
#define SLOTS 16

/* All attempts' cookies together, and the longest return address in one of them; bytes. */
#define COOKIES_MAX_BYTES   4096
#define RETURN_TO_MAX_BYTES 1500

/* 256 bits for each of state, nonce and verifier (RFC 6749 section 10.10). */
#define SECRET_BYTES 32

static const char purpose[] = "login";

typedef struct login_attempt {
    apr_int64_t created, again, max_age, posted;
    gate_span settings, realm, state, nonce, verifier, return_to, acr_values;
} login_attempt;

enum {
    CREATED,
    AGAIN,
    MAX_AGE,
    POSTED,
    SETTINGS,
    REALM,
    STATE,
    NONCE,
    VERIFIER,
    RETURN_TO,
    ACR_VALUES,
    ATTEMPT_TEXTS
};

/* An attempt's cookie as it was found in the request. */
typedef struct found_attempt {
    login_attempt attempt;
    int slot;
    size_t bytes;
} found_attempt;

typedef struct found_attempts {
    found_attempt items[SLOTS];
    int count;
    unsigned dead_slots; /* a bit for each slot whose cookie is of no use */
} found_attempts;

static bool seal_attempt(const gate_request *q, const gate_site *site, gate_world *w,
                         const login_attempt *attempt, const char **text)
{
    gate_pack pack = {.count = 0};
    gate_span plain, box;
    bool sealed;

    gate_pack_add_number(q->pool, &pack, attempt->created);
    gate_pack_add_number(q->pool, &pack, attempt->again);
    gate_pack_add_number(q->pool, &pack, attempt->max_age);
    gate_pack_add_number(q->pool, &pack, attempt->posted);
    gate_pack_add(&pack, attempt->settings);
    gate_pack_add(&pack, attempt->realm);
    gate_pack_add(&pack, attempt->state);
    gate_pack_add(&pack, attempt->nonce);
    gate_pack_add(&pack, attempt->verifier);
    gate_pack_add(&pack, attempt->return_to);
    gate_pack_add(&pack, attempt->acr_values);
    plain = gate_pack_bytes(q->pool, &pack);
    sealed = gate_box_seal(q->pool, &w->keys[0], purpose, gate_span_of(site->origin), plain,
                           w->random, &box);
    gate_wipe((void *)(uintptr_t)plain.ptr, plain.len);
    if (sealed)
        *text = gate_base64url_encode(q->pool, box);
    return sealed;
}

static bool open_attempt(const gate_request *q, const gate_site *site, gate_world *w,
                         gate_span text, login_attempt *attempt)
{
    gate_span box, plain = {NULL, 0}, texts[ATTEMPT_TEXTS];

    if (!text.ptr || text.len > COOKIES_MAX_BYTES || !gate_base64url_decode(q->pool, text, &box))
        return false;
    for (int i = 0; i < w->key_count && !plain.ptr; i++) {
        if (!gate_box_open(q->pool, &w->keys[i], purpose, gate_span_of(site->origin), box, &plain))
            plain = (gate_span){NULL, 0};
    }
    if (!plain.ptr || !gate_pack_read(plain, texts, ATTEMPT_TEXTS))
        return false;
    attempt->settings = texts[SETTINGS];
    attempt->realm = texts[REALM];
    attempt->state = texts[STATE];
    attempt->nonce = texts[NONCE];
    attempt->verifier = texts[VERIFIER];
    attempt->return_to = texts[RETURN_TO];
    attempt->acr_values = texts[ACR_VALUES];
    return gate_pack_number(texts[CREATED], &attempt->created) &&
           gate_pack_number(texts[AGAIN], &attempt->again) &&
           gate_pack_number(texts[MAX_AGE], &attempt->max_age) &&
           gate_pack_number(texts[POSTED], &attempt->posted);
}

/* --- the cookies --- */

static const char *cookie_name(apr_pool_t *p, const gate_site *site, int slot)
{
    return apr_psprintf(p, "%s-login-%x", site->cookie, (unsigned)slot);
}

/* The provider sends the browser back by a link from elsewhere, which brings Lax cookies along; or
 * has it post a form from there, which does not. Browsers take None with Secure alone: on loopback
 * by plain http, what the provider of another host has posted finds no attempt. */
static const char *samesite_of(const gate_site *site, bool posted)
{
    return posted && site->secure ? "None" : "Lax";
}

/* max_age 0 takes the cookie away. */
static const char *cookie_text(const gate_request *q, const gate_site *site, int slot,
                               const char *value, int max_age, bool posted)
{
    const gate_cookie cookie = {
        .name = cookie_name(q->pool, site, slot),
        .value = value,
        .path = "/",
        .samesite = samesite_of(site, posted),
        .max_age = max_age,
        .secure = site->secure,
    };

    return gate_cookie_text(q->pool, &cookie);
}

static bool is_expired(const gate_request *q, const login_attempt *attempt)
{
    return q->now >= attempt->created + GATE_LOGIN_SECONDS ||
           q->now < attempt->created - GATE_LOGIN_SECONDS;
}

static void find_attempts(const gate_request *q, const gate_site *site, gate_world *w,
                          found_attempts *found)
{
    const gate_span header = gate_span_of(q->header(q, "Cookie"));

    *found = (found_attempts){.count = 0};
    for (int slot = 0; slot < SLOTS; slot++) {
        found_attempt *item = &found->items[found->count];
        gate_span text;

        switch (gate_cookie_find(header, gate_span_of(cookie_name(q->pool, site, slot)), &text)) {
        case GATE_COOKIE_NONE:
            continue;
        case GATE_COOKIE_ONE:
            if (open_attempt(q, site, w, text, &item->attempt)) {
                item->slot = slot;
                item->bytes = text.len;
                found->count++;
                continue;
            }
            break;
        default:
            break;
        }
        found->dead_slots |= 1u << slot;
    }
}

static void forget(const gate_request *q, const gate_site *site, gate_decision *decision, int slot)
{
    gate_add_cookie(decision, cookie_text(q, site, slot, "", 0, false));
}

/* Takes the oldest attempt out of the list; its slot. */
static int drop_oldest(found_attempts *found)
{
    int oldest = 0, slot;

    for (int i = 1; i < found->count; i++) {
        if (found->items[i].attempt.created < found->items[oldest].attempt.created)
            oldest = i;
    }
    slot = found->items[oldest].slot;
    found->items[oldest] = found->items[--found->count];
    return slot;
}

static size_t bytes_of(const found_attempts *found)
{
    size_t bytes = 0;

    for (int i = 0; i < found->count; i++)
        bytes += found->items[i].bytes;
    return bytes;
}

/* Makes room for one attempt more: those that took too long go, then the oldest. */
static void make_room(const gate_request *q, found_attempts *found, size_t bytes)
{
    for (int i = 0; i < found->count; i++) {
        if (is_expired(q, &found->items[i].attempt)) {
            found->dead_slots |= 1u << found->items[i].slot;
            found->items[i--] = found->items[--found->count];
        }
    }
    while (found->count >= GATE_LOGINS_AT_ONCE ||
           (found->count && bytes_of(found) + bytes > COOKIES_MAX_BYTES))
        found->dead_slots |= 1u << drop_oldest(found);
}

/* A slot that no attempt of this browser has, at random: requests that start at the same moment do
 * not see each other. There are more slots than attempts. */
static int free_slot(const found_attempts *found, unsigned char random)
{
    unsigned taken = 0;
    int slot = random % SLOTS;

    for (int i = 0; i < found->count; i++)
        taken |= 1u << found->items[i].slot;
    while (taken & 1u << slot)
        slot = (slot + 1) % SLOTS;
    return slot;
}

static void remember(const gate_request *q, const gate_site *site, gate_world *w, const char *text,
                     bool posted, gate_decision *decision)
{
    found_attempts found;
    unsigned char random = 0;
    int own;

    find_attempts(q, site, w, &found);
    make_room(q, &found, strlen(text));
    w->random(&random, 1);
    own = free_slot(&found, random);
    for (int slot = 0; slot < SLOTS; slot++) {
        if (found.dead_slots & 1u << slot && slot != own)
            forget(q, site, decision, slot);
    }
    gate_add_cookie(decision, cookie_text(q, site, own, text, GATE_LOGIN_SECONDS, posted));
}

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

gate_decision gate_login_begin(const gate_request *q, const gate_settings *s, gate_world *w,
                               const gate_login_plan *plan)
{
    const char *state = gate_random_text(q->pool, w->random, SECRET_BYTES);
    const char *nonce = gate_random_text(q->pool, w->random, SECRET_BYTES);
    const char *verifier = gate_random_text(q->pool, w->random, SECRET_BYTES);
    const bool posted = s->response_mode == GATE_RESPONSE_FORM_POST;
    const login_attempt attempt = {
        .created = q->now,
        .again = plan->again,
        .max_age = plan->step_up.max_age,
        .posted = posted,
        .settings = gate_span_of(s->name),
        .realm = {(const char *)s->realm.fingerprint.bytes, GATE_DIGEST_BYTES},
        .state = gate_span_of(state),
        .nonce = gate_span_of(nonce),
        .verifier = gate_span_of(verifier),
        .return_to = safe_return(plan->return_to),
        .acr_values = gate_span_of(plan->step_up.acr_values),
    };
    const gate_authorize request = {
        .client_id = s->realm.client_id,
        .redirect_uri = redirect_uri(q, s->site),
        .scope = s->scope,
        .response_mode = posted ? "form_post" : NULL,
        .state = state,
        .nonce = nonce,
        .verifier = verifier,
        .extra = parameters(q->pool, s, plan),
    };
    const char *detail = "no randomness, or no cryptography", *text, *url;
    gate_decision decision;
    gate_reason reason = GATE_INTERNAL;

    if (state && nonce && verifier && seal_attempt(q, s->site, w, &attempt, &text))
        reason = make_url(q, s, w, &request, &url, &detail);
    if (reason != GATE_OK)
        return gate_refuse(reason, detail);
    decision = gate_send_to(q, url);
    decision.reason = plan->reason;
    remember(q, s->site, w, text, posted, &decision);
    return decision;
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
    const login_attempt *attempt;
    bool can_return; /* nothing is spent yet: the attempt stays, the same answer may come again */
    const char *detail;
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

static const found_attempt *attempt_of(const found_attempts *found, gate_span state)
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
    return gate_callback_error(l->callback.error);
}

static gate_reason redeem(landing *l, gate_token_set *tokens)
{
    gate_form *form =
        gate_token_by_code(l->q->pool, l->callback.code, redirect_uri(l->q, l->site),
                           gate_span_dup(l->q->pool, l->attempt->verifier), l->s->token_params);
    gate_answer answer;
    gate_reason reason =
        gate_provider_post(l->q, l->w, l->s, GATE_ENDPOINT_TOKEN, form, &answer, &l->detail);

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
    const gate_identify_want want = {
        .nonce = l->attempt->nonce,
        .max_age = max_age_of(l),
        .scope = gate_span_of(l->s->scope),
    };
    gate_token_set set;
    gate_tokens tokens;
    gate_span identity;
    gate_decision decision;
    const char *cookie = NULL;
    gate_reason reason = hear(l);

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

    l->s = l->site->find(l->site, gate_span_dup(l->q->pool, l->attempt->settings));
    if (!l->s || l->attempt->realm.len != GATE_DIGEST_BYTES ||
        memcmp(l->attempt->realm.ptr, l->s->realm.fingerprint.bytes, GATE_DIGEST_BYTES))
        return unknown(l, "the configuration has changed since this login was begun");
    if (!is_expired(l->q, l->attempt))
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
    const found_attempt *found;
    found_attempts attempts;
    gate_decision decision;
    gate_reason reason = gate_callback_read(q->pool, answer, &l.callback);

    if (reason != GATE_OK)
        return gate_refuse(reason, NULL);
    find_attempts(q, site, w, &attempts);
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
    if (!l.can_return)
        forget(q, site, &decision, found->slot);
    return decision;
}
