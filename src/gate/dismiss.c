/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/dismiss.h"

#include <apr_strings.h>

#include "gate/identify.h"
#include "gate/revoke.h"
#include "gate/session.h"
#include "oidc/claim.h"
#include "oidc/logout.h"

#define MAX_PARAMETERS 8

static gate_decision done(const char *detail)
{
    return (gate_decision){.verb = GATE_ADMIT, .status = 200, .detail = detail};
}

/* --- the back channel --- */

/* A logout token on its way. */
typedef struct dismissal {
    const gate_request *q;
    const gate_site *site;
    gate_world *w;
    const gate_settings *s;
    gate_logout_token token;
    gate_store_key mark;
    const char *detail;
} dismissal;

/* Whose it says it is: the realm whose keys are then to prove it. */
static gate_reason find_realm(dismissal *d, gate_span text)
{
    const gate_site *site = d->site;
    gate_jwt *jwt;
    gate_reason reason =
        gate_jwt_read(d->q->pool, text, GATE_ALGS_ASYMMETRIC | GATE_ALGS_SYMMETRIC, &jwt);

    if (reason != GATE_OK)
        return reason;
    reason = GATE_BAD_ISSUER;
    for (int i = 0; i < site->settings_count; i++) {
        const gate_realm *realm = &site->settings[i]->realm;

        if (gate_claim_check_issuer(d->q->pool, jwt->claims, realm->issuer, &d->detail) != GATE_OK)
            continue;
        reason = gate_claim_check_client(d->q->pool, jwt->claims, realm->client_id, &d->detail);
        if (reason == GATE_OK) {
            d->s = site->settings[i];
            d->detail = NULL;
            return GATE_OK;
        }
    }
    return reason;
}

static gate_reason verify(dismissal *d, gate_span text)
{
    const gate_logout_want want = {
        .issuer = d->s->realm.issuer,
        .client_id = d->s->realm.client_id,
        .now = d->q->now,
        .skew = d->s->skew,
    };
    gate_jwt *jwt;
    gate_reason reason = gate_identify_read(d->q, d->s, d->w, text, &jwt, &d->detail);

    return reason == GATE_OK
               ? gate_logout_token_check(d->q->pool, jwt, &want, &d->token, &d->detail)
               : reason;
}

/* How long a token counts as used whose sessions are only about to be ended. Whoever fails at that,
 * be it by dying, is soon asked again. */
#define ABOUT_TO_SECONDS 10

/* Section 2.6, step 8. */
static gate_reason use_up(dismissal *d)
{
    const gate_span parts[] = {
        GATE_SPAN("logout"),
        gate_span_of(d->s->realm.issuer),
        gate_span_of(d->s->realm.client_id),
        d->token.id,
    };
    const gate_entry entry = {
        .value = GATE_SPAN(""),
        .expires = d->q->now + ABOUT_TO_SECONDS,
    };
    gate_store *store = d->w->store;

    if (!gate_digest_of(&d->mark, parts, 4))
        return GATE_INTERNAL;
    switch (store->add(store, GATE_STORE_MARK, &d->mark, d->q->now, &entry, NULL)) {
    case GATE_STORE_DONE:
        return GATE_OK;
    case GATE_STORE_CONFLICT:
        return GATE_REPLAY;
    default:
        return GATE_STORE_UNAVAILABLE;
    }
}

/* It is done: the mark outlives the token. One as young as the clocks allow is as old as it may be
 * after this. */
static gate_reason keep_used(dismissal *d)
{
    const gate_entry entry = {
        .value = GATE_SPAN(""),
        .expires = d->q->now + GATE_LOGOUT_TOKEN_SECONDS + 2 * d->s->skew + 1,
    };
    gate_store *store = d->w->store;

    return store->put(store, GATE_STORE_MARK, &d->mark, d->q->now, &entry, NULL) == GATE_STORE_DONE
               ? GATE_OK
               : GATE_STORE_UNAVAILABLE;
}

/* Section 2.4: with a sid, that session alone. What could not be done may be asked for again. */
static gate_reason end(dismissal *d)
{
    const gate_ending ending = {
        .issuer = d->s->realm.issuer,
        .session_id = d->token.session_id,
        .subject = d->token.subject,
    };
    gate_store *store = d->w->store;
    gate_reason reason = gate_revoke(d->q, d->w, &ending, NULL);

    if (reason == GATE_OK)
        return keep_used(d);
    store->drop(store, GATE_STORE_MARK, &d->mark, d->q->now);
    return reason;
}

/* Section 2.8: whatever is wrong with the token is 400. */
static gate_decision refuse_token(gate_reason reason, const char *detail)
{
    gate_decision decision = gate_refuse(reason, detail);

    if (decision.status == 401 || decision.status == 403) {
        decision.verb = GATE_REFUSE;
        decision.status = 400;
    }
    return decision;
}

gate_decision gate_dismiss_by_token(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span form)
{
    dismissal d = {.q = q, .site = site, .w = w};
    gate_span text = {NULL, 0};
    gate_form *parsed;
    gate_reason reason = gate_form_parse(q->pool, form, MAX_PARAMETERS, &parsed);

    if (reason == GATE_OK)
        text = gate_form_get(parsed, "logout_token");
    if (!text.ptr)
        return gate_refuse(GATE_MALFORMED_REQUEST, "no form with one logout_token");
    reason = find_realm(&d, text);
    if (reason == GATE_OK)
        reason = verify(&d, text);
    if (reason == GATE_OK)
        reason = use_up(&d);
    if (reason == GATE_OK)
        reason = end(&d);
    if (reason != GATE_OK)
        return refuse_token(reason, d.detail);
    return done(d.token.session_id.ptr ? "one session, as the provider asked"
                                       : "all sessions of a subject, as the provider asked");
}

/* --- the front channel --- */

/* Ends the session of that realm's cookie, if it is the one that is meant. */
static gate_reason end_if_meant(const gate_request *q, const gate_settings *s, gate_world *w,
                                gate_span session_id, gate_decision *decision)
{
    gate_session session;
    gate_reason reason = gate_session_find(q, s, w, &session);

    if (reason == GATE_STORE_UNAVAILABLE || reason == GATE_INTERNAL)
        return reason;
    if (reason != GATE_OK ||
        !gate_secret_equal(gate_identity_session_id(session.identity), session_id))
        return GATE_OK;
    decision->detail = "one session, as the provider's page asked";
    gate_add_cookie(decision, gate_session_cookie_end(q, s));
    return gate_session_end(q, w, &session);
}

gate_decision gate_dismiss_by_frame(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span parameters, const char **framed_by)
{
    gate_decision decision = done("no session of this browser was meant");
    gate_span issuer, session_id;
    gate_form *form;

    *framed_by = NULL;
    if (gate_form_parse(q->pool, parameters, MAX_PARAMETERS, &form) != GATE_OK)
        return gate_refuse(GATE_MALFORMED_REQUEST, NULL);
    issuer = gate_form_get(form, "iss");
    session_id = gate_form_get(form, "sid");
    if (!issuer.len || !session_id.len)
        return gate_refuse(GATE_MALFORMED_REQUEST, "iss and sid must both be there");
    for (int i = 0; i < site->settings_count; i++) {
        const gate_settings *s = site->settings[i];
        gate_reason reason;

        if (!gate_span_is(issuer, s->realm.issuer))
            continue;
        *framed_by = s->realm.issuer;
        reason = end_if_meant(q, s, w, session_id, &decision);
        if (reason != GATE_OK)
            return gate_refuse(reason, NULL);
    }
    return decision;
}

/* --- the administrator --- */

/* What is looked for while walking over all sessions. */
typedef struct search {
    gate_world *w;
    apr_int64_t now, since;
    gate_owner owners[2]; /* by each of the keys */
    int owner_count;
    bool is_everybody;
    bool has_failed;
    apr_uint64_t ended;
} search;

static bool is_meant(const search *s, const gate_record *record)
{
    bool meant = s->is_everybody;

    for (int i = 0; i < s->owner_count; i++)
        meant |= gate_record_is_of(record->value, &s->owners[i]);
    return meant && record->created <= s->since;
}

static bool visit(void *context, const gate_store_key *key, const gate_record *record)
{
    search *s = context;

    if (!is_meant(s, record))
        return true;
    switch (s->w->store->drop(s->w->store, GATE_STORE_SESSION, key, s->now)) {
    case GATE_STORE_DONE:
        s->ended++;
        break;
    case GATE_STORE_ABSENT:
        break;
    default:
        s->has_failed = true;
        break;
    }
    return true;
}

static bool name_owner(search *s, const gate_ending *ending)
{
    const gate_span issuer = gate_span_of(ending->issuer);
    bool named = true;

    s->owner_count = s->is_everybody ? 0 : s->w->key_count;
    for (int i = 0; i < s->owner_count; i++)
        named = named && gate_owner_of(s->w, i, issuer, ending->subject, &s->owners[i]);
    return named;
}

/* The issuer that is meant where none is named: the only one that the host has. NULL: there are
 * others, or none. */
static const char *only_issuer(const gate_site *site)
{
    for (int i = 1; site && i < site->settings_count; i++) {
        if (strcmp(site->settings[i]->realm.issuer, site->settings[0]->realm.issuer))
            return NULL;
    }
    return site && site->settings_count ? site->settings[0]->realm.issuer : NULL;
}

/* What is asked for: somebody's or everybody's, and never both. NULL, or what is wrong. */
static const char *read_order(const gate_request *q, const gate_site *site, gate_span text,
                              gate_ending *ending)
{
    gate_span subject, issuer, all;
    gate_form *form;

    if (gate_form_parse(q->pool, text, MAX_PARAMETERS, &form) != GATE_OK)
        return "no form that can be read";
    subject = gate_form_get(form, "subject");
    issuer = gate_form_get(form, "issuer");
    all = gate_form_get(form, "all");
    *ending = (gate_ending){.subject = subject};
    if (all.ptr)
        return gate_span_is(all, "yes") && !subject.ptr && !issuer.ptr
                   ? NULL
                   : "all=yes goes alone, or not at all";
    if (!subject.len)
        return "subject= or all=yes must say whose sessions";
    ending->issuer = issuer.len ? gate_span_dup(q->pool, issuer) : only_issuer(site);
    return ending->issuer ? NULL : "several issuers: issuer= must say whose subject";
}

/* First what makes it true for whoever comes; then the walk, for the count and the room. */
gate_decision gate_dismiss_by_order(const gate_request *q, const gate_site *site, gate_world *w,
                                    gate_span form, apr_uint64_t *ended)
{
    search s = {.w = w, .now = q->now};
    gate_ending ending;
    const char *problem;
    gate_reason reason;

    if (!gate_comes_from_here(q, site))
        return gate_refuse(GATE_CROSS_SITE, NULL);
    problem = read_order(q, site, form, &ending);
    if (problem)
        return gate_refuse(GATE_MALFORMED_REQUEST, problem);
    s.is_everybody = !ending.issuer;
    if (!name_owner(&s, &ending))
        return gate_refuse(GATE_INTERNAL, NULL);
    reason = gate_revoke(q, w, &ending, &s.since);
    if (reason != GATE_OK)
        return gate_refuse(reason, NULL);
    if (w->store->each(w->store, GATE_STORE_SESSION, q->now, visit, &s) != GATE_STORE_DONE ||
        s.has_failed)
        return gate_refuse(GATE_STORE_UNAVAILABLE, "they are ended, but could not all be counted");
    *ended = s.ended;
    return done(apr_psprintf(q->pool, "%" APR_UINT64_T_FMT " sessions, as the administrator asked",
                             s.ended));
}
