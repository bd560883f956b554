/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/reason.h"

#include "tap.h"

#include <stdbool.h>
#include <stddef.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool is_lower_snake(const char *name)
{
    if (!(*name >= 'a' && *name <= 'z'))
        return false;
    for (const char *c = name; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c == '_' && c[1] >= 'a' && c[1] <= 'z'))
            return false;
    return true;
}

static bool is_status(int status)
{
    static const int statuses[] = {400, 401, 403, 405, 429, 500, 502, 503};
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i] == status)
            return true;
    return false;
}

/* The error code and the status that RFC 6750 section 3.1 and RFC 9470 section 3 put together. */
static bool is_error_of(const char *error, int status)
{
    static const struct {
        const char *error;
        int status;
    } codes[] = {
        {"invalid_request", 400},
        {"invalid_token", 401},
        {"insufficient_scope", 403},
        {"insufficient_user_authentication", 401},
    };
    for (size_t i = 0; i < COUNT(codes); i++)
        if (strcmp(codes[i].error, error) == 0)
            return codes[i].status == status;
    return false;
}

/* Who has to act follows from the status, and the other way round. */
static bool is_level_of(const gate_reason_row *row)
{
    if (row->status >= 500)
        return row->level == GATE_LEVEL_ERROR;
    return row->level == GATE_LEVEL_INFO || row->level == GATE_LEVEL_WARN;
}

static bool is_single(gate_reason reason)
{
    for (int other = 0; other < GATE_REASON_COUNT; other++)
        if (other != (int)reason &&
            strcmp(gate_reason_name((gate_reason)other), gate_reason_name(reason)) == 0)
            return false;
    return true;
}

static void check_row(gate_reason reason)
{
    const gate_reason_row *row = gate_reason_get(reason);
    ok(is_lower_snake(row->name), "%s: the name is lower_snake", row->name);
    ok(is_single(reason), "%s: the name is there once", row->name);
    ok(is_status(row->status), "%s: %d is one of the statuses that the gate gives", row->name,
       row->status);
    ok(!row->oauth_error || is_error_of(row->oauth_error, row->status), "%s: %s goes with %d",
       row->name, row->oauth_error ? row->oauth_error : "no error", row->status);
    ok(is_level_of(row), "%s: the level fits the status", row->name);
    ok(row->remedy[0] && row->remedy[strlen(row->remedy) - 1] != '.',
       "%s: there is a remedy, and it is a clause", row->name);
}

/* 401 says "come back with a credential", 403 "no credential of yours will do". */
static void check_meaning(void)
{
    static const gate_reason unauthorized[] = {
        GATE_NO_CREDENTIAL, GATE_BAD_SIGNATURE, GATE_TOKEN_EXPIRED,   GATE_TOKEN_INACTIVE,
        GATE_ACR_UNMET,     GATE_UNKNOWN_KID,   GATE_SESSION_EXPIRED, GATE_INVALID_CLIENT,
    };
    static const gate_reason forbidden[] = {
        GATE_CLAIM_MISSING, GATE_CLAIM_MISMATCH, GATE_SCOPE_MISSING,
        GATE_RULE_REFUSED,  GATE_CROSS_SITE,
    };
    static const gate_reason outages[] = {
        GATE_IDP_UNREACHABLE,   GATE_IDP_TIMEOUT,   GATE_IDP_BUSY,
        GATE_STORE_UNAVAILABLE, GATE_SESSIONS_FULL,
    };
    for (size_t i = 0; i < COUNT(unauthorized); i++)
        ok(gate_reason_get(unauthorized[i])->status == 401, "%s is 401",
           gate_reason_name(unauthorized[i]));
    for (size_t i = 0; i < COUNT(forbidden); i++)
        ok(gate_reason_get(forbidden[i])->status == 403, "%s is 403",
           gate_reason_name(forbidden[i]));
    for (size_t i = 0; i < COUNT(outages); i++)
        ok(gate_reason_get(outages[i])->status == 503, "%s is 503, never 401",
           gate_reason_name(outages[i]));
    ok(!gate_reason_get(GATE_NO_CREDENTIAL)->oauth_error,
       "without a credential there is no error code (RFC 6750 section 3.1)");
}

int main(void)
{
    ok(gate_reason_get(GATE_OK)->status == 200, "ok is 200");
    is(gate_reason_name(GATE_OK), "ok", "ok is called so");
    for (int reason = GATE_OK + 1; reason < GATE_REASON_COUNT; reason++)
        check_row((gate_reason)reason);
    check_meaning();
    is(gate_reason_name(GATE_REASON_COUNT), "internal", "what is no reason is our own fault");
    is(gate_reason_name((gate_reason)-1), "internal", "whichever way it is out of range");
    return tap_done();
}
