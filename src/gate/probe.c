/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/probe.h"

#include <apr_strings.h>

#include "base/json.h"
#include "gate/provider.h"
#include "jose/jwks.h"
#include "oidc/detail.h"
#include "oidc/introspect.h"
#include "oidc/token.h"

/* What is sent in the place of a code and of a token. Nobody has such, and to whoever reads the
 * provider's log it says what it is. */
#define NOBODYS "oidc-gate-probe"

/* A code verifier's length is at least 43 (RFC 7636 section 4.1). */
#define NOBODYS_VERIFIER NOBODYS "-" NOBODYS "-" NOBODYS

#define TEXT_BYTES 200

typedef struct probe {
    apr_pool_t *pool;
    gate_world *w;
    const gate_settings *s;
    const gate_provider_options *options;
    apr_array_header_t *findings;
    const json_t *document; /* the metadata as they came; NULL where there are none */
    gate_metadata metadata;
    const char *detail; /* of the last question about metadata */
} probe;

/* A provider may say back what it was told (detail.h hides what looks like a secret; this one is
 * known). */
static bool has_secret(const probe *b, const char *text)
{
    const gate_span secret = b->s->client.secret;

    return secret.len && memmem(text, strlen(text), secret.ptr, secret.len);
}

static void find(probe *b, gate_verdict verdict, const char *what, const char *text,
                 const char *remedy)
{
    if (!text)
        text = "-";
    else if (has_secret(b, text))
        text = "what the provider says has the client's secret in it, and is not shown";
    APR_ARRAY_PUSH(b->findings, gate_finding) = (gate_finding){verdict, what, text, remedy};
}

static void find_reason(probe *b, const char *what, gate_reason reason, const char *detail)
{
    find(b, GATE_FAILS, what,
         apr_psprintf(b->pool, "%s: %s", gate_reason_name(reason),
                      detail ? gate_span_for_log(b->pool, gate_span_of(detail), TEXT_BYTES) : "-"),
         gate_reason_get(reason)->remedy);
}

static bool uses(const probe *b, gate_method method)
{
    return b->s->methods & 1u << method;
}

static gate_reason ask(const probe *b, const gate_question *question, gate_answer *answer,
                       const char **detail)
{
    gate_question dated = *question;

    dated.wants_date = true;
    *detail = NULL;
    return b->w->fetch(b->w->fetch_context, b->pool, &dated, &b->options->limits, answer, detail);
}

/* --- what it says of itself --- */

/* Whether the member is a list that has the word; the list may not be there at all. */
static gate_json_presence lists(const probe *b, const char *member, const char *word)
{
    const json_t *list = b->document ? json_object_get(b->document, member) : NULL;

    if (!list)
        return GATE_JSON_ABSENT;
    return gate_json_has_text(list, word, json_array_size(list)) ? GATE_JSON_VALID
                                                                 : GATE_JSON_BROKEN;
}

/* The tokens' times are read by the clock here, and were written by the clock there. The Date of
 * the answer may be a second old. */
static void compare_clocks(probe *b, const gate_answer *answer)
{
    const apr_int64_t ahead = answer->date - b->w->clock();
    const bool is_ahead = ahead > 0;
    const apr_int64_t apart = is_ahead ? ahead : -ahead;
    const char *text;

    if (!answer->date) {
        find(b, GATE_DOUBTFUL, "clocks", "the provider does not say what time it is",
             "compare them by hand; tokens are judged by OIDCGateClockSkew");
        return;
    }
    text = apr_psprintf(b->pool,
                        "the provider's is %" APR_INT64_T_FMT " s %s (OIDCGateClockSkew %d s)",
                        apart, is_ahead ? "ahead" : "behind", b->s->skew);
    if (apart <= b->s->skew)
        find(b, GATE_WORKS, "clocks", text, NULL);
    else
        find(b, GATE_FAILS, "clocks", text,
             "set the clocks of both by NTP; a larger OIDCGateClockSkew only hides it");
}

static gate_reason read_metadata(probe *b, const gate_answer *answer, const char **detail)
{
    gate_metadata *metadata;
    const gate_metadata_want want = gate_provider_metadata_want(b->options);
    const gate_reason reason = gate_metadata_read(b->pool, answer, &want, &metadata, detail);

    if (reason == GATE_OK) {
        b->metadata = *metadata;
        b->document = gate_json_object(b->pool, answer->body, GATE_METADATA_MAX_BYTES);
    }
    return reason;
}

static gate_reason ask_for(void *context, const gate_question *question, gate_answer *answer)
{
    probe *b = context;

    return ask(b, question, answer, &b->detail);
}

/* Endpoints that are named and not taken; what needs one of them says so again. */
static void probe_hosts(probe *b)
{
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        const char *url = b->metadata.elsewhere[i];

        if (url && !b->options->endpoints[i])
            find(b, GATE_DOUBTFUL, "discovery",
                 apr_psprintf(b->pool, "the %s endpoint is on another host, and not used: %s",
                              gate_endpoint_name((gate_endpoint)i), url),
                 "if it is the provider's, say OIDCGateDiscovery On domain=HOST");
    }
}

static gate_reason discover(probe *b)
{
    gate_looked_up found = {.url = NULL};
    gate_reason reason = gate_provider_look_up(b->pool, b->w, b->options, ask_for, b, &found);

    if (reason == GATE_OK) {
        compare_clocks(b, &found.answer);
        reason = read_metadata(b, &found.answer, &b->detail);
    }
    if (reason == GATE_OK)
        find(b, GATE_WORKS, "discovery", apr_pstrcat(b->pool, found.url, " is read", NULL), NULL);
    else
        find_reason(b, "discovery", reason,
                    apr_psprintf(b->pool, "%s (at %s%s)", b->detail ? b->detail : "-", found.url,
                                 found.in_vain));
    return reason;
}

/* False: nothing more can be found out. */
static bool probe_discovery(probe *b)
{
    b->metadata.issuer = b->options->issuer;
    if (!b->options->discovery)
        find(b, GATE_WORKS, "discovery", "off: OIDCGateEndpoint says it all", NULL);
    else if (discover(b) != GATE_OK)
        return false;
    probe_hosts(b);
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++) {
        if (b->options->endpoints[i])
            b->metadata.endpoints[i] = b->options->endpoints[i];
    }
    return true;
}

/* An endpoint that is needed; NULL, and said, where there is none. */
static const char *need(probe *b, const char *what, gate_endpoint endpoint)
{
    const char *url = b->metadata.endpoints[endpoint], *name = gate_endpoint_name(endpoint);

    if (!url)
        find(b, GATE_FAILS, what, apr_psprintf(b->pool, "the provider names no %s endpoint", name),
             apr_psprintf(b->pool, "say OIDCGateEndpoint %s URL, or turn off what needs it", name));
    return url;
}

/* --- keys --- */

/* What is wrong with them, each fault once. */
static const char *unused(const probe *b, const gate_jwks *keys)
{
    const char *text = "";

    for (int i = 0; i < keys->skipped; i++) {
        const char *problem = keys->skips[i].problem;

        if (!strstr(text, problem))
            text = apr_pstrcat(b->pool, text, *text ? "; " : "", problem, NULL);
    }
    return text;
}

static void probe_keys(probe *b)
{
    const char *detail = NULL;
    gate_question question = {.accept = "application/json"};
    const gate_jwks *keys = NULL;
    gate_answer answer;
    gate_reason reason;

    if (b->options->keys) {
        find(b, GATE_WORKS, "keys", "from a file (OIDCGateEndpoint jwks)", NULL);
        return;
    }
    question.url = need(b, "keys", GATE_ENDPOINT_JWKS);
    if (!question.url)
        return;
    reason = ask(b, &question, &answer, &detail);
    if (reason == GATE_OK && !b->options->discovery)
        compare_clocks(b, &answer);
    if (reason == GATE_OK && answer.status == 200)
        keys = gate_jwks_read(b->pool, answer.body);
    if (reason == GATE_OK && !keys) {
        reason = GATE_IDP_ERROR;
        detail = apr_psprintf(b->pool, "status %d, and no key set", answer.status);
    }
    if (reason != GATE_OK)
        find_reason(b, "keys", reason, detail);
    else if (!keys->count)
        find(b, GATE_FAILS, "keys",
             apr_pstrcat(b->pool, "none that the gate can use", keys->skipped ? ": " : "",
                         unused(b, keys), NULL),
             "the provider must publish RSA keys of 2048 bits or more, or EC or Ed25519 keys");
    else
        find(b, GATE_WORKS, "keys",
             apr_psprintf(b->pool, "%d that can be used, %d that cannot%s%s", keys->count,
                          keys->skipped, keys->skipped ? ": " : "", unused(b, keys)),
             NULL);
}

/* Discovery section 3: of ID tokens. Of access tokens no provider says it. */
static void probe_algorithms(probe *b)
{
    static const char member[] = "id_token_signing_alg_values_supported";
    const char *common = "";

    if (lists(b, member, "") == GATE_JSON_ABSENT)
        return;
    for (int alg = 0; alg < GATE_ALG_COUNT; alg++) {
        const char *name = gate_alg_name((gate_alg)alg);

        if (gate_alg_allowed((gate_alg)alg, b->s->algorithms) &&
            lists(b, member, name) == GATE_JSON_VALID)
            common = apr_pstrcat(b->pool, common, *common ? " " : "", name, NULL);
    }
    if (*common)
        find(b, GATE_WORKS, "algorithms", common, NULL);
    else
        find(b, GATE_FAILS, "algorithms", "the provider signs with none of OIDCGateAlgorithms",
             "have it sign this client's tokens with RS256 or ES256");
}

/* --- whether it knows us --- */

static bool question_for(probe *b, const char *what, gate_endpoint endpoint, gate_form *form,
                         gate_question *question)
{
    const char *detail = NULL;
    gate_client client;
    gate_reason reason;

    *question = (gate_question){.accept = "application/json", .form = form};
    question->url = need(b, what, endpoint);
    if (!question->url)
        return false;
    reason = gate_provider_client(&b->metadata, b->s, endpoint, &client, &detail);
    if (reason != GATE_OK) {
        find_reason(b, what, reason, detail);
        return false;
    }
    gate_client_authenticate(b->pool, question, &client);
    return true;
}

static const char know_us[] =
    "compare OIDCGateClientID and OIDCGateClientSecret with what the provider has, and the way in "
    "which the client is to authenticate there with OIDCGateClientAuth";

/* A code that nobody has is refused because of the client, or because of the code: then the client
 * is known (RFC 6749 section 5.2). */
static void probe_token(probe *b)
{
    static const char what[] = "client authentication";
    const char *callback =
        apr_pstrcat(b->pool, b->s->site->origin, b->s->site->path, "/callback", NULL);
    gate_form *form = gate_token_by_code(b->pool, GATE_SPAN(NOBODYS), callback, NOBODYS_VERIFIER,
                                         b->s->token_params);
    const char *detail;
    gate_question question;
    gate_token_set tokens;
    gate_answer answer;
    gate_reason reason;

    if (!question_for(b, what, GATE_ENDPOINT_TOKEN, form, &question))
        return;
    reason = ask(b, &question, &answer, &detail);
    if (reason == GATE_OK) {
        reason = gate_token_read(b->pool, &answer, b->w->clock(), &tokens, &detail);
        if (reason == GATE_OK) {
            find(b, GATE_FAILS, what, "the provider gives a token for a code that nobody has",
                 "this is no provider to be trusted");
            return;
        }
    }
    if (reason == GATE_INVALID_GRANT)
        find(b, GATE_WORKS, what, "the token endpoint knows the client", NULL);
    else if (reason == GATE_INVALID_CLIENT)
        find(b, GATE_FAILS, what, detail, know_us);
    else if (reason == GATE_UNAUTHORIZED_CLIENT)
        find(b, GATE_FAILS, what, detail,
             "allow the client the authorization code grant at the provider");
    else if (reason == GATE_IDP_REJECTED_GATEWAY)
        find(b, GATE_DOUBTFUL, what, detail,
             "the provider refuses the question before it says whether it knows the client; sign "
             "in once");
    else
        find_reason(b, what, reason, detail);
}

static void probe_introspection(probe *b)
{
    static const char what[] = "introspection";
    const gate_introspection_want want = {.now = b->w->clock()};
    gate_form *form =
        gate_introspection_form(b->pool, GATE_SPAN(NOBODYS), b->s->introspection_params);
    const char *detail;
    gate_question question;
    const json_t *claims;
    gate_answer answer;
    apr_int64_t expires;
    gate_reason reason;

    if (!question_for(b, what, GATE_ENDPOINT_INTROSPECTION, form, &question))
        return;
    reason = ask(b, &question, &answer, &detail);
    if (reason == GATE_OK) {
        reason = gate_introspection_read(b->pool, &answer, &want, &claims, &expires, &detail);
        if (reason == GATE_OK) {
            find(b, GATE_FAILS, what, "the provider says that a token is good which nobody has",
                 "this is no provider to be trusted");
            return;
        }
    }
    if (reason == GATE_TOKEN_INACTIVE)
        find(b, GATE_WORKS, what, "the introspection endpoint knows the client", NULL);
    else if (reason == GATE_IDP_REJECTED_GATEWAY)
        find(b, GATE_FAILS, what, detail, know_us);
    else
        find_reason(b, what, reason, detail);
}

/* --- what it offers --- */

static void probe_pkce(probe *b)
{
    switch (lists(b, "code_challenge_methods_supported", "S256")) {
    case GATE_JSON_VALID:
        find(b, GATE_WORKS, "PKCE", "S256", NULL);
        break;
    case GATE_JSON_BROKEN:
        find(b, GATE_FAILS, "PKCE", "the provider offers PKCE, but not S256",
             "turn S256 on there: the gate uses nothing else");
        break;
    default:
        find(b, GATE_DOUBTFUL, "PKCE", "the provider does not say that it has it",
             "the gate sends it all the same; see that the provider checks it");
    }
}

static void probe_par(probe *b)
{
    const bool is_offered = b->metadata.endpoints[GATE_ENDPOINT_PAR] != NULL;

    if (b->s->par == GATE_PAR_REQUIRED && !is_offered)
        find(b, GATE_FAILS, "PAR", "OIDCGatePAR required, and the provider names no endpoint",
             "say OIDCGatePAR auto, or OIDCGateEndpoint par URL");
    else if (b->s->par == GATE_PAR_OFF && b->metadata.requires_par)
        find(b, GATE_FAILS, "PAR", "the provider requires it, and it is off",
             "say OIDCGatePAR auto");
    else
        find(b, GATE_WORKS, "PAR", is_offered ? "offered" : "not offered", NULL);
}

static void probe_response_mode(probe *b)
{
    if (b->s->response_mode == GATE_RESPONSE_FORM_POST &&
        lists(b, "response_modes_supported", "form_post") == GATE_JSON_BROKEN)
        find(b, GATE_FAILS, "response mode", "the provider does not offer form_post",
             "say OIDCGateResponseMode query");
}

/* The callers' own id and secret are not ours to try. RFC 8414 section 2: where no grants are
 * listed, this is none of them. */
static void probe_client_credentials(probe *b)
{
    static const char what[] = "client credentials";

    if (!need(b, what, GATE_ENDPOINT_TOKEN))
        return;
    if (lists(b, "grant_types_supported", "client_credentials") == GATE_JSON_VALID)
        find(b, GATE_WORKS, what, "offered; callers bring their own, so none was tried", NULL);
    else
        find(b, GATE_DOUBTFUL, what, "the provider does not say that it has this grant",
             "try it with a client of yours, and allow it the grant at the provider");
}

static void probe_code(probe *b)
{
    need(b, "signing in", GATE_ENDPOINT_AUTHORIZATION);
    probe_token(b);
    probe_pkce(b);
    probe_par(b);
    probe_response_mode(b);
    if (b->s->userinfo_at_login && need(b, "userinfo", GATE_ENDPOINT_USERINFO))
        find(b, GATE_WORKS, "userinfo", "offered", NULL);
}

apr_array_header_t *gate_probe(apr_pool_t *p, gate_world *w, const gate_settings *settings)
{
    probe b = {.pool = p,
               .w = w,
               .s = settings,
               .options = gate_provider_says(settings->provider),
               .findings = apr_array_make(p, 16, sizeof(gate_finding))};

    if (!probe_discovery(&b))
        return b.findings;
    if (uses(&b, GATE_METHOD_CODE) || uses(&b, GATE_METHOD_BEARER)) {
        probe_keys(&b);
        probe_algorithms(&b);
    }
    if (uses(&b, GATE_METHOD_CODE))
        probe_code(&b);
    if (uses(&b, GATE_METHOD_INTROSPECTION))
        probe_introspection(&b);
    if (uses(&b, GATE_METHOD_CLIENT_CREDENTIALS))
        probe_client_credentials(&b);
    return b.findings;
}
