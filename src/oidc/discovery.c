/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/discovery.h"

#include <apr_strings.h>

#include "base/json.h"
#include "oidc/detail.h"

#define ENDPOINT_MAX_BYTES 2048
#define METHODS_MAX        64

/* What the directive calls it, and what the document does (Discovery section 3, RFC 8414 section 2,
 * RFC 9126 section 5, RP-Initiated Logout section 2.1). */
static const struct {
    const char *name, *member;
} endpoints[GATE_ENDPOINT_COUNT] = {
    [GATE_ENDPOINT_AUTHORIZATION] = {"authorization", "authorization_endpoint"},
    [GATE_ENDPOINT_TOKEN] = {"token", "token_endpoint"},
    [GATE_ENDPOINT_INTROSPECTION] = {"introspection", "introspection_endpoint"},
    [GATE_ENDPOINT_USERINFO] = {"userinfo", "userinfo_endpoint"},
    [GATE_ENDPOINT_JWKS] = {"jwks", "jwks_uri"},
    [GATE_ENDPOINT_REVOCATION] = {"revocation", "revocation_endpoint"},
    [GATE_ENDPOINT_END_SESSION] = {"end_session", "end_session_endpoint"},
    [GATE_ENDPOINT_PAR] = {"par", "pushed_authorization_request_endpoint"},
};

bool gate_endpoint_find(const char *name, gate_endpoint *endpoint)
{
    for (int i = 0; i < GATE_ENDPOINT_COUNT; i++)
        if (strcmp(name, endpoints[i].name) == 0) {
            *endpoint = (gate_endpoint)i;
            return true;
        }
    return false;
}

const char *gate_endpoint_name(gate_endpoint endpoint)
{
    return endpoints[endpoint].name;
}

static const struct {
    const char *name;
    bool is_inserted; /* between host and path */
} places[] = {
    {"/.well-known/openid-configuration", false},
    {"/.well-known/oauth-authorization-server", true},
    {"/.well-known/openid-configuration", true},
};

const char *gate_discovery_url(apr_pool_t *p, const char *issuer, int place)
{
    gate_span base = gate_span_of(issuer), path = {NULL, 0};
    gate_url url;
    if (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    if (gate_url_parse(base, &url))
        path = url.path;
    /* Without a path the last place is the first. */
    if (place >= (int)(sizeof places / sizeof *places) - !path.len)
        return NULL;
    if (!places[place].is_inserted)
        path.len = 0;
    return apr_psprintf(p, "%.*s%s%.*s", (int)(base.len - path.len), base.ptr, places[place].name,
                        (int)path.len, path.len ? path.ptr : "");
}

/* Some servers say 403 of what they do not have. What asks for patience (408, 429) is no such
 * word. */
bool gate_discovery_goes_on(const gate_answer *answer)
{
    return answer->status >= 400 && answer->status < 500 && answer->status != 408 &&
           answer->status != 429;
}

/* The member, or NULL: null is how some providers leave one out. */
static const json_t *get(const json_t *document, const char *member)
{
    const json_t *value = json_object_get(document, member);
    return json_is_null(value) ? NULL : value;
}

static gate_reason broken(apr_pool_t *p, const char *member, const char **detail)
{
    gate_detail(p, detail, "%s has the wrong type", member);
    return GATE_IDP_ERROR;
}

/* Discovery section 4.3, RFC 8414 section 3.3: identical, or somebody else's document was put in
 * this place. */
static gate_reason read_issuer(apr_pool_t *p, const json_t *document, const char *issuer,
                               gate_metadata *metadata, const char **detail)
{
    const json_t *found = get(document, "issuer");
    if (found && !json_is_string(found))
        return broken(p, "issuer", detail);
    if (!gate_span_is(gate_json_text(document, "issuer"), issuer)) {
        gate_detail(p, detail, "issuer is %s, not %s", gate_detail_value(p, found), issuer);
        return GATE_IDP_UNSUITABLE;
    }
    metadata->issuer = apr_pstrdup(p, issuer);
    return GATE_OK;
}

/* A document that says more than it should, be it by mistake or by malice, must not send secrets
 * to strangers. So endpoints are on the issuer's own host or beneath it, or where the administrator
 * knows of them. Which names beside its own belong to one owner ("id.example.com" and
 * "api.example.com", but not "a.github.io" and "b.github.io") only a list can tell that changes
 * under one's feet: what is believed here is in the configuration. */
static bool is_trusted(const gate_url *url, const gate_metadata_want *want)
{
    gate_url issuer;
    if (gate_url_parse(gate_span_of(want->issuer), &issuer) &&
        (gate_url_is_within(url, issuer.host) || (url->is_loopback && issuer.is_loopback)))
        return true;
    for (const char *const *domain = want->domains; domain && *domain; domain++)
        if (gate_url_is_within(url, gate_span_of(*domain)))
            return true;
    return false;
}

static gate_reason read_endpoint(apr_pool_t *p, const json_t *document,
                                 const gate_metadata_want *want, gate_endpoint endpoint,
                                 gate_metadata *metadata, const char **detail)
{
    const char *member = endpoints[endpoint].member;
    const json_t *found = get(document, member);
    gate_url url;
    if (!found)
        return GATE_OK;
    if (!json_is_string(found))
        return broken(p, member, detail);
    gate_span text = gate_json_text(document, member);
    if (text.len > ENDPOINT_MAX_BYTES || !gate_url_parse(text, &url) ||
        !(url.is_https || want->allow_http)) {
        gate_detail(p, detail, "%s is %s, which is no https address", member,
                    gate_detail_value(p, found));
        return GATE_IDP_UNSUITABLE;
    }
    if (is_trusted(&url, want))
        metadata->endpoints[endpoint] = gate_span_dup(p, text);
    else
        metadata->elsewhere[endpoint] = gate_span_dup(p, text);
    return GATE_OK;
}

static gate_reason read_methods(apr_pool_t *p, const json_t *document, const char *member,
                                gate_client_auth_set *methods, const char **detail)
{
    const json_t *list = get(document, member);
    if (!list)
        return GATE_OK;
    if (!json_is_array(list) || json_array_size(list) > METHODS_MAX)
        return broken(p, member, detail);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        gate_client_auth method;
        if (!json_is_string(name))
            return broken(p, member, detail);
        gate_span text = {json_string_value(name), json_string_length(name)};
        *methods |= gate_client_auth_find(text, &method) ? GATE_CLIENT_AUTH_BIT(method)
                                                         : GATE_CLIENT_AUTH_OTHERS;
    }
    return GATE_OK;
}

static gate_reason read_flag(apr_pool_t *p, const json_t *document, const char *member, bool *flag,
                             const char **detail)
{
    const json_t *found = get(document, member);
    if (found && !json_is_boolean(found))
        return broken(p, member, detail);
    *flag = json_is_true(found);
    return GATE_OK;
}

static gate_reason read_members(apr_pool_t *p, const json_t *document,
                                const gate_metadata_want *want, gate_metadata *metadata,
                                const char **detail)
{
    const struct {
        const char *member;
        gate_client_auth_set *methods;
    } lists[] = {
        {"token_endpoint_auth_methods_supported", &metadata->token_auth},
        {"introspection_endpoint_auth_methods_supported", &metadata->introspection_auth},
        {"revocation_endpoint_auth_methods_supported", &metadata->revocation_auth},
    };
    const struct {
        const char *member;
        bool *flag;
    } flags[] = {
        {"authorization_response_iss_parameter_supported", &metadata->sends_issuer},
        {"require_pushed_authorization_requests", &metadata->requires_par},
    };
    gate_reason reason = GATE_OK;
    for (int i = 0; i < GATE_ENDPOINT_COUNT && reason == GATE_OK; i++)
        reason = read_endpoint(p, document, want, (gate_endpoint)i, metadata, detail);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && reason == GATE_OK; i++)
        reason = read_methods(p, document, lists[i].member, lists[i].methods, detail);
    for (size_t i = 0; i < sizeof flags / sizeof *flags && reason == GATE_OK; i++)
        reason = read_flag(p, document, flags[i].member, flags[i].flag, detail);
    return reason;
}

gate_reason gate_metadata_read(apr_pool_t *p, const gate_answer *answer,
                               const gate_metadata_want *want, gate_metadata **metadata,
                               const char **detail)
{
    if (answer->status != 200) {
        gate_detail(p, detail, "status %d", answer->status);
        return GATE_IDP_ERROR;
    }
    const json_t *document = gate_json_object(p, answer->body, GATE_METADATA_MAX_BYTES);
    if (!document) {
        gate_detail(p, detail, "the document is no JSON object");
        return GATE_IDP_ERROR;
    }
    gate_metadata *read = apr_pcalloc(p, sizeof *read);
    gate_reason reason = read_issuer(p, document, want->issuer, read, detail);
    if (reason == GATE_OK)
        reason = read_members(p, document, want, read, detail);
    if (reason == GATE_OK)
        *metadata = read;
    return reason;
}
