/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/push.h"

#include "world.h"

static const char page[] = "/app/x";
static const char offered[] = ",\"pushed_authorization_request_endpoint\":\"" WORLD_ISSUER "/par\"";
static const char wanted[] = ",\"pushed_authorization_request_endpoint\":\"" WORLD_ISSUER
                             "/par\",\"require_pushed_authorization_requests\":true";
static const char impossible[] = ",\"require_pushed_authorization_requests\":true";

static gate_settings *begin(gate_par par, const char *metadata)
{
    gate_settings *s = world_begin();

    s->par = par;
    op.metadata_more = metadata;
    return s;
}

/* What the browser is sent away with. */
static const char *sent_with(gate_decision decision)
{
    if (decision.verb != GATE_REDIRECT)
        return said(decision);
    return strstr(decision.location, "request_uri=") ? "a name" : "the request";
}

static void test_when(void)
{
    static const struct {
        gate_par par;
        const char *metadata, *sent, *name;
    } rows[] = {
        {GATE_PAR_OFF, "", "the request", "Off"},
        {GATE_PAR_OFF, offered, "the request", "Off, where it could be"},
        {GATE_PAR_OFF, wanted, "FAIL idp_unsuitable 502", "Off, where it must be"},
        {GATE_PAR_AUTO, "", "the request", "auto, where it cannot be"},
        {GATE_PAR_AUTO, offered, "a name", "auto, where it can be"},
        {GATE_PAR_AUTO, wanted, "a name", "auto, where it must be"},
        {GATE_PAR_AUTO, impossible, "FAIL idp_unsuitable 502", "auto, where it must and cannot be"},
        {GATE_PAR_REQUIRED, "", "FAIL idp_unsuitable 502", "required, where it cannot be"},
        {GATE_PAR_REQUIRED, offered, "a name", "required, where it can be"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const gate_settings *s = begin(rows[i].par, rows[i].metadata);
        const gate_decision decision = open_page(s, page);

        is(sent_with(decision), rows[i].sent, "%s", rows[i].name);
        ok(op.at[OP_PAR].calls == !strcmp(rows[i].sent, "a name"), "and is pushed only then");
        ok(decision.cookie_count == (decision.verb == GATE_REDIRECT),
           "a login is remembered only where one is begun");
    }
}

static void test_there_and_back(void)
{
    gate_settings *s = begin(GATE_PAR_AUTO, offered);
    gate_form *extra = gate_form_make(the.pool);
    gate_decision decision;

    gate_form_add_text(extra, "prompt", "login");
    s->authorization_params = extra;
    decision = open_page(s, page);
    ok(strncmp(decision.location, WORLD_ISSUER "/authorize?client_id=c-app&request_uri=", 54) == 0,
       "the address has the client and the request's name");
    ok(!strstr(decision.location, "state=") && !strstr(decision.location, "openid"),
       "and nothing of the request");
    ok(op.at[OP_PAR].authorization != NULL, "which was pushed by the client itself");
    ok(strstr(op.at[OP_PAR].form, "response_type=code&client_id=c-app&") &&
           strstr(op.at[OP_PAR].form, "&scope=openid+profile&") &&
           strstr(op.at[OP_PAR].form, "&nonce=") && strstr(op.at[OP_PAR].form, "&prompt=login"),
       "with all that is in it");
    is(said(come_back(op_approve(decision.location))), "REDIRECT ok 302", "and it signs in");
    is(said(open_page(s, page)), "ADMIT ok 200", "who has a session");
    ok(op.at[OP_PAR].calls == 1, "pushes nothing");
}

static void test_post(void)
{
    gate_settings *s = begin(GATE_PAR_REQUIRED, offered);
    const char *id;

    s->client_auth_given = true;
    s->client.method = GATE_CLIENT_AUTH_POST;
    open_page(s, page);
    id = strstr(op.at[OP_PAR].form, "client_id=");
    ok(id && !strstr(id + 1, "client_id="), "the client's id is there once");
    ok(strstr(id, "&client_secret=c-app-secret") != NULL, "beside its secret");
}

/* Whoever opens pages makes the gate push: no more of it than half of what strangers may cause. */
static void test_limit(void)
{
    gate_settings *s = begin(GATE_PAR_AUTO, offered);

    s->limit_address = 1;
    s->limit_total = 7;
    the.questions_left = 1;
    is(sent_with(open_page(s, page)), "a name", "while there is room it is pushed");
    ok(the.limit_address == 1 && the.limit_total == 4, "within half of the limit");
    is(sent_with(open_page(s, page)), "the request", "then the browser carries it");
    is(said(come_back(op_approve(open_page(s, page).location))), "REFUSE rate_limited 429",
       "(as those who come back are counted too)");
    ok(op.at[OP_PAR].calls == 1, "and nobody is asked");
    s->par = GATE_PAR_REQUIRED;
    is(sent_with(open_page(s, page)), "REFUSE rate_limited 429", "unless it must be pushed");
    s = begin(GATE_PAR_AUTO, wanted);
    the.questions_left = 0;
    is(sent_with(open_page(s, page)), "REFUSE rate_limited 429", "whoever says so");
    ok(op.at[OP_PAR].calls == 0, "nobody is asked");
}

/* Where nothing is enforced, nobody will come with the request. */
static void test_watched(void)
{
    const gate_settings *s = begin(GATE_PAR_REQUIRED, wanted);
    gate_request *q = request_at("GET", page, true);

    q->is_watched = true;
    the.questions_left = 0;
    is(sent_with(gate_decide(q, s, &the.gate)), "the request", "it would be pushed");
    ok(op.at[OP_PAR].calls == 0, "and is not, nor counted");
    s = begin(GATE_PAR_REQUIRED, "");
    q = request_at("GET", page, true);
    q->is_watched = true;
    is(sent_with(gate_decide(q, s, &the.gate)), "FAIL idp_unsuitable 502",
       "that it could not be is said all the same");
}

static void test_trouble(void)
{
    static const struct {
        gate_reason outage;
        int status;
        const char *body, *said;
    } rows[] = {
        {GATE_IDP_UNREACHABLE, 0, NULL, "FAIL idp_unreachable 503"},
        {GATE_IDP_TIMEOUT, 0, NULL, "FAIL idp_timeout 503"},
        {GATE_OK, 500, "", "FAIL idp_error 503"},
        {GATE_OK, 200, "{}", "FAIL idp_error 503"},
        {GATE_OK, 401, "{\"error\":\"invalid_client\"}", "FAIL idp_rejected_gateway 502"},
        {GATE_OK, 400, "{\"error\":\"invalid_request\"}", "FAIL idp_rejected_gateway 502"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const gate_settings *s = begin(GATE_PAR_AUTO, offered);
        gate_decision decision;

        op.at[OP_PAR].outage = rows[i].outage;
        op.at[OP_PAR].status = rows[i].status;
        op.at[OP_PAR].body = rows[i].body;
        decision = open_page(s, page);
        is(said(decision), rows[i].said, "nobody is sent away with a request that was not taken");
        ok(decision.cookie_count == 0 && !decision.location, "nor is one remembered");
    }
}

int main(void)
{
    test_when();
    test_there_and_back();
    test_post();
    test_limit();
    test_watched();
    test_trouble();
    return tap_done();
}
