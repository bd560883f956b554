/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/credential.h"

#include "base/cookie.h"
#include "base/query.h"

#define TOKEN_METHODS  (1u << GATE_METHOD_BEARER | 1u << GATE_METHOD_INTROSPECTION)
#define CLIENT_METHODS (1u << GATE_METHOD_CLIENT_CREDENTIALS)

/* A token, as it stands. */
static gate_reason take(gate_span text, gate_credential *credential)
{
    if (!gate_bearer_is_token(text))
        return GATE_MALFORMED_CREDENTIAL;
    credential->scheme = GATE_SCHEME_BEARER;
    credential->token = text;
    return GATE_OK;
}

static bool takes_authorization(const gate_settings *s)
{
    for (int i = 0; i < s->token_sources.count; i++) {
        if (s->token_sources.items[i].place == GATE_TOKEN_IN_AUTHORIZATION)
            return true;
    }
    return !s->token_sources.count;
}

/* A credential of a kind that nobody here takes is none. */
static gate_reason from_authorization(const gate_request *q, const gate_settings *s,
                                      gate_credential *credential)
{
    const bool tokens = s->methods & TOKEN_METHODS && takes_authorization(s);
    const bool clients = s->methods & CLIENT_METHODS;
    gate_reason reason;

    if (!tokens && !clients)
        return GATE_OK;
    reason = gate_credential_read(q->pool, q->header(q, "Authorization"), credential);
    if (!(credential->scheme == GATE_SCHEME_BEARER && tokens) &&
        !(credential->scheme == GATE_SCHEME_BASIC && clients))
        credential->scheme = GATE_SCHEME_NONE;
    return reason;
}

/* The token alone, or as it would stand in Authorization. Two such headers are joined by httpd with
 * a comma, which no token has. */
static gate_reason from_header(const gate_request *q, const char *name, gate_credential *credential)
{
    const char *value = q->header(q, name);
    const gate_span text = gate_span_trim(gate_span_of(value));

    if (!text.len)
        return GATE_OK;
    if (memchr(text.ptr, ',', text.len))
        return GATE_MULTIPLE_CREDENTIALS;
    if (memchr(text.ptr, ' ', text.len)) {
        const gate_reason reason = gate_credential_read(q->pool, value, credential);

        return credential->scheme == GATE_SCHEME_BEARER ? reason : GATE_MALFORMED_CREDENTIAL;
    }
    return take(text, credential);
}

/* Whether a request may change something. A WebSocket is opened by a GET, and then does. */
static bool may_change_something(const gate_request *q)
{
    static const char *const harmless[] = {"GET", "HEAD", "OPTIONS"};

    if (q->header(q, "Upgrade"))
        return true;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (!strcmp(q->method, harmless[i]))
            return false;
    }
    return true;
}

/* Browsers send a cookie along with whatever a page of another site has them ask for: what changes
 * something is not to be had that way. All else may be, since its answer is not for that page to
 * read. Where the browser does not say from where it asks, another origin is enough to refuse. */
static bool is_forced(const gate_request *q, const gate_settings *s)
{
    const char *site = q->header(q, "Sec-Fetch-Site");
    const char *origin = q->header(q, "Origin");

    if (!may_change_something(q))
        return false;
    return site ? !strcmp(site, "cross-site") : origin && strcmp(origin, s->site->origin) != 0;
}

static gate_reason from_cookie(const gate_request *q, const gate_settings *s, const char *name,
                               gate_credential *credential)
{
    gate_span value;

    switch (gate_cookie_find(gate_span_of(q->header(q, "Cookie")), gate_span_of(name), &value)) {
    case GATE_COOKIE_NONE:
        return GATE_OK;
    case GATE_COOKIE_ONE:
        return is_forced(q, s) ? GATE_CROSS_SITE : take(value, credential);
    default:
        return GATE_MULTIPLE_CREDENTIALS;
    }
}

/* Only what was taken out of the address, before anybody else could read it there, is a token. */
static gate_reason from_query(const gate_request *q, const char *name, gate_credential *credential)
{
    gate_span value;

    switch (gate_query_find(q->pool, q->taken_query, name, &value)) {
    case GATE_QUERY_NONE:
        return GATE_OK;
    case GATE_QUERY_ONE:
        return take(value, credential);
    case GATE_QUERY_SEVERAL:
        return GATE_MULTIPLE_CREDENTIALS;
    default:
        return GATE_MALFORMED_CREDENTIAL;
    }
}

static gate_reason from(const gate_request *q, const gate_settings *s,
                        const gate_token_source *source, gate_credential *credential)
{
    switch (source->place) {
    case GATE_TOKEN_IN_HEADER:
        return from_header(q, source->name, credential);
    case GATE_TOKEN_IN_COOKIE:
        return from_cookie(q, s, source->name, credential);
    case GATE_TOKEN_IN_QUERY:
        return from_query(q, source->name, credential);
    default: /* is looked at whatever the sources, for the sake of clients */
        return GATE_OK;
    }
}

gate_reason gate_credential_find(const gate_request *q, const gate_settings *s,
                                 gate_credential *credential)
{
    gate_reason reason;

    *credential = (gate_credential){.scheme = GATE_SCHEME_NONE};
    reason = from_authorization(q, s, credential);
    for (int i = 0; reason == GATE_OK && s->methods & TOKEN_METHODS && i < s->token_sources.count;
         i++) {
        gate_credential another = {.scheme = GATE_SCHEME_NONE};

        reason = from(q, s, &s->token_sources.items[i], &another);
        if (another.scheme == GATE_SCHEME_NONE)
            continue;
        if (credential->scheme != GATE_SCHEME_NONE)
            return GATE_MULTIPLE_CREDENTIALS;
        *credential = another;
    }
    return reason;
}
