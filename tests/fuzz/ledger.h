/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* ledger.h - who may be let in, kept apart from the gate: what the fake provider gave and said, and
 * which sessions came of it and were ended */
#ifndef LEDGER_H
#define LEDGER_H

#include "fuzz.h"

#include "invariants.h"

#define LEDGER_ENTRIES 64

/* A JWT that the provider has signed for programs. */
typedef struct ledger_jwt {
    const char *text, *subject;
    apr_int64_t expires;
} ledger_jwt;

/* What the provider said, last, of an opaque token or of a client. */
typedef struct ledger_word {
    gate_span token, id, secret;
    apr_int64_t at, expires; /* 0: not said */
    bool is_yes;
} ledger_word;

typedef struct ledger_session {
    const char *cookie, *subject, *session_id;
    const gate_settings *place;
    apr_int64_t created;
    bool is_ended;
} ledger_session;

static struct ledger {
    ledger_jwt jwts[LEDGER_ENTRIES];
    ledger_word words[LEDGER_ENTRIES];
    ledger_session sessions[LEDGER_ENTRIES];
    int jwt_count, word_count, session_count;
    int codes_granted; /* by the token endpoint, as it should be */
} ledger;

/* --- what is written into it --- */

static void ledger_note_jwt(const char *text, const char *subject, apr_int64_t expires)
{
    if (ledger.jwt_count < LEDGER_ENTRIES)
        ledger.jwts[ledger.jwt_count++] = (ledger_jwt){text, subject, expires};
}

static ledger_word *ledger_word_of(gate_span token, gate_span id, gate_span secret)
{
    for (int i = 0; i < ledger.word_count; i++) {
        ledger_word *word = &ledger.words[i];

        if (gate_span_equal(word->token, token) && gate_span_equal(word->id, id) &&
            gate_span_equal(word->secret, secret))
            return word;
    }
    FUZZ_CHECK(ledger.word_count < LEDGER_ENTRIES);
    ledger.words[ledger.word_count] = (ledger_word){.token = token, .id = id, .secret = secret};
    return &ledger.words[ledger.word_count++];
}

/* What stands behind the scheme; absent where that is another one. */
static gate_span ledger_behind(const char *authorization, const char *scheme)
{
    gate_span text = gate_span_trim(gate_span_of(authorization ? authorization : "")), word;

    return gate_span_word(&text, &word) && gate_span_equal_nocase(word, gate_span_of(scheme))
               ? gate_span_trim(text)
               : (gate_span){NULL, 0};
}

/* id and secret of a Basic header, as they stand there. */
static bool ledger_split_basic(const char *authorization, gate_span *id, gate_span *secret)
{
    const gate_span text = ledger_behind(authorization, "Basic");

    return text.ptr && gate_base64_decode(the.pool, text, secret) && gate_span_cut(secret, ':', id);
}

static gate_span ledger_form_decoded(gate_span text)
{
    const char *pair = apr_psprintf(the.pool, "x=%.*s", (int)text.len, text.ptr ? text.ptr : "");
    gate_form *form;

    return gate_form_parse(the.pool, gate_span_of(pair), 1, &form) == GATE_OK
               ? gate_form_get(form, "x")
               : (gate_span){NULL, 0};
}

/* A plain reading of an answer, by jansson alone: yes is the boolean true in a whole object. */
static bool ledger_says_active(const gate_answer *answer, apr_int64_t *expires)
{
    json_t *object = answer->status == 200 ? json_loadb(answer->body.ptr, answer->body.len,
                                                        JSON_REJECT_DUPLICATES, NULL)
                                           : NULL;
    const bool is_yes = json_is_true(json_object_get(object, "active"));

    *expires = (apr_int64_t)json_number_value(json_object_get(object, "exp"));
    json_decref(object);
    return is_yes;
}

static void ledger_note_introspection(const gate_form *form, const gate_answer *answer)
{
    const gate_span none = {NULL, 0};
    ledger_word *word = ledger_word_of(gate_form_get(form, "token"), none, none);
    apr_int64_t expires;
    const bool is_yes = ledger_says_active(answer, &expires);

    /* What cannot be read is neither a yes nor a no. */
    if (answer->status != 200 || !gate_json_object(the.pool, answer->body, answer->body.len))
        return;
    /* A no is taken down even where one call to the store fails, but not where it is silent from
     * then on: OIDCGateCache stale= may still use an older yes then, when the provider is away as
     * well. */
    if (!is_yes && the.store.fail_at && the.store.fails_ever_after)
        return;
    word->is_yes = is_yes;
    word->expires = expires;
    word->at = world_clock();
}

static void ledger_note_grant(const gate_form *form, const gate_question *question,
                              const gate_answer *answer)
{
    const gate_span grant = gate_form_get(form, "grant_type"), none = {NULL, 0};
    gate_span id, secret;
    ledger_word *word;

    if (gate_span_is(grant, "authorization_code") && answer->status == 200 &&
        !op.at[OP_TOKEN].status)
        ledger.codes_granted++;
    if (!gate_span_is(grant, "client_credentials") ||
        !ledger_split_basic(question->authorization, &id, &secret))
        return;
    word = ledger_word_of(none, ledger_form_decoded(id), ledger_form_decoded(secret));
    word->is_yes = answer->status == 200;
    word->at = world_clock();
}

/* The provider, with somebody who writes down what it says. */
static gate_reason ledger_fetch(void *context, apr_pool_t *p, const gate_question *question,
                                const gate_fetch_limits *limits, gate_answer *answer,
                                const char **detail)
{
    const gate_reason reason = op_fetch(context, p, question, limits, answer, detail);
    gate_form *form = NULL;

    if (reason != GATE_OK) {
        *answer = (gate_answer){.status = 0};
        *detail = "no answer";
        return reason;
    }
    if (!question->form || gate_form_parse(the.pool, gate_span_of(gate_form_text(question->form)),
                                           32, &form) != GATE_OK)
        return reason;
    if (strstr(question->url, "/introspect"))
        ledger_note_introspection(form, answer);
    else if (strstr(question->url, "/token"))
        ledger_note_grant(form, question, answer);
    return reason;
}

static bool ledger_is_of(const ledger_session *session, const gate_settings *place)
{
    return session->place == place;
}

static ledger_session *ledger_session_of(const char *cookie)
{
    for (int i = 0; i < ledger.session_count; i++) {
        if (!strcmp(ledger.sessions[i].cookie, cookie))
            return &ledger.sessions[i];
    }
    return NULL;
}

static void ledger_note_session(const gate_settings *place, const char *cookie,
                                const gate_identity *identity)
{
    /* I8: a session has a name that nobody could know before. */
    FUZZ_CHECK(!ledger_session_of(cookie) && strlen(cookie) == 43);
    FUZZ_CHECK(ledger.session_count < LEDGER_ENTRIES);
    ledger.sessions[ledger.session_count++] = (ledger_session){
        .cookie = apr_pstrdup(the.pool, cookie),
        .subject = text_of(gate_identity_subject(identity)),
        .session_id = text_of(gate_identity_session_id(identity)),
        .place = place,
        .created = world_clock(),
    };
}

/* NULL stands for any. */
static void ledger_end(const char *issuer, const char *session_id, const char *subject)
{
    for (int i = 0; i < ledger.session_count; i++) {
        ledger_session *session = &ledger.sessions[i];

        if ((!issuer || !strcmp(session->place->realm.issuer, issuer)) &&
            (!session_id || (session->session_id && !strcmp(session->session_id, session_id))) &&
            (!subject || !strcmp(session->subject, subject)))
            session->is_ended = true;
    }
}

/* --- what is looked up in it --- */

/* The one cookie of that name in the browser; NULL where there is none, or several. */
static const char *ledger_only_cookie(const char *name)
{
    const char *value = NULL;

    for (int i = 0; i < the.cookie_count; i++) {
        if (strcmp(the.cookies[i].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = the.cookies[i].value;
    }
    return value;
}

static const char *ledger_cookie_name(const gate_settings *place)
{
    return apr_pstrcat(the.pool, the.site.cookie, "-", place->realm.tag, NULL);
}

/* The session that the browser has a good claim to here. */
static ledger_session *ledger_session_here(const gate_settings *place)
{
    const char *cookie = ledger_only_cookie(ledger_cookie_name(place));
    ledger_session *session = cookie ? ledger_session_of(cookie) : NULL;

    return session && ledger_is_of(session, place) ? session : NULL;
}

static bool ledger_has_session(const gate_settings *place, const gate_decision *d, apr_int64_t now)
{
    const ledger_session *session = ledger_session_here(place);

    return session && !session->is_ended && now < session->created + place->session.lifetime &&
           gate_span_is(gate_identity_subject(d->identity), session->subject);
}

static gate_span ledger_bearer(void)
{
    return ledger_behind(the.authorization, "Bearer");
}

static bool ledger_has_jwt(const gate_settings *place, const gate_decision *d, apr_int64_t now)
{
    const gate_span token = ledger_bearer();

    for (int i = 0; i < ledger.jwt_count; i++) {
        const ledger_jwt *jwt = &ledger.jwts[i];

        if (gate_span_is(token, jwt->text) && now < jwt->expires + place->skew &&
            gate_span_is(gate_identity_subject(d->identity), jwt->subject))
            return true;
    }
    return false;
}

/* A yes, and the last word, and not too long ago. */
static bool ledger_has_word(const ledger_word *word, int seconds, int skew, apr_int64_t now)
{
    return word->is_yes && now < word->at + (seconds ? seconds : 1) &&
           (!word->expires || now < word->expires + skew);
}

static bool ledger_was_introspected(const gate_settings *place, apr_int64_t now)
{
    const gate_span none = {NULL, 0};

    return ledger_has_word(ledger_word_of(ledger_bearer(), none, none),
                           place->cache.introspection + place->cache.stale, place->skew, now);
}

static bool ledger_was_granted(const gate_settings *place, apr_int64_t now)
{
    const gate_span none = {NULL, 0};
    gate_span id, secret;

    return ledger_split_basic(the.authorization, &id, &secret) &&
           ledger_has_word(ledger_word_of(none, id, secret), place->cache.token, place->skew, now);
}

/* Whether somebody who was let in had what it takes. */
static bool ledger_agrees(const gate_settings *place, const gate_decision *d, apr_int64_t now)
{
    switch (d->method) {
    case GATE_METHOD_CODE:
        return ledger_has_session(place, d, now);
    case GATE_METHOD_BEARER:
        return ledger_has_jwt(place, d, now);
    case GATE_METHOD_INTROSPECTION:
        return ledger_was_introspected(place, now);
    case GATE_METHOD_CLIENT_CREDENTIALS:
        return ledger_was_granted(place, now);
    default:
        return false;
    }
}

#endif
