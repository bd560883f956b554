/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* presets.c - the header families that backends read already */
#include "httpd/values.h"

#include <apr_strings.h>

/* A claim under the name that mod_auth_openidc gives it. */
#define CLAIM(claim)                                                  \
    {                                                                 \
        "mod_auth_openidc", "OIDC_CLAIM_" claim, "%{claim:" claim "}" \
    }

/* A row for each header; rows of one preset stand together. Names without a template are those of
 * the family which the gate has nothing to say under: that a stranger says nothing either is all
 * the more needed. */
static const gate_preset_row rows[] = {
    /* What Kong tells the service behind it. The ids of consumers are those of its own database,
     * and nobody is let in as its anonymous consumer. */
    {"kong", "Authorization", "Bearer %{access_token}"},
    {"kong", "X-Consumer-Username", "%{user}"},
    {"kong", "X-Credential-Identifier", "%{user}"},
    {"kong", "X-Authenticated-Groups", "%{claim:groups}"},
    {"kong", "X-Consumer-*", NULL},
    {"kong", "X-Anonymous-Consumer", NULL},

    /* Tokens are passed on by oauth2-proxy only where it is told to; X-Auth-Request-* are what it
     * answers nginx with, and some backends believe them too. */
    {"oauth2-proxy", "X-Forwarded-User", "%{user}"},
    {"oauth2-proxy", "X-Forwarded-Email", "%{claim:email}"},
    {"oauth2-proxy", "X-Forwarded-Groups", "%{claim:groups}"},
    {"oauth2-proxy", "X-Forwarded-Preferred-Username", "%{claim:preferred_username}"},
    {"oauth2-proxy", "X-Forwarded-Access-Token", NULL},
    {"oauth2-proxy", "X-Auth-Request-User", NULL},
    {"oauth2-proxy", "X-Auth-Request-Email", NULL},
    {"oauth2-proxy", "X-Auth-Request-Groups", NULL},
    {"oauth2-proxy", "X-Auth-Request-Preferred-Username", NULL},
    {"oauth2-proxy", "X-Auth-Request-Access-Token", NULL},

    {"remote", "Remote-User", "%{user}"},
    {"remote", "Remote-Groups", "%{claim:groups}"},
    {"remote", "Remote-Email", "%{claim:email}"},
    {"remote", "Remote-Name", "%{claim:name}"},

    /* That module has a header for each claim that happens to be there. A header can only be
     * guarded by its name: so here are the claims of OIDC Core sections 2 and 5.1, and those that
     * most providers have beside them; and whatever else begins so is nobody's to say. */
    CLAIM("iss"),
    CLAIM("sub"),
    CLAIM("aud"),
    CLAIM("azp"),
    CLAIM("exp"),
    CLAIM("iat"),
    CLAIM("auth_time"),
    CLAIM("nonce"),
    CLAIM("acr"),
    CLAIM("amr"),
    CLAIM("sid"),
    CLAIM("name"),
    CLAIM("given_name"),
    CLAIM("family_name"),
    CLAIM("middle_name"),
    CLAIM("nickname"),
    CLAIM("preferred_username"),
    CLAIM("profile"),
    CLAIM("picture"),
    CLAIM("website"),
    CLAIM("email"),
    CLAIM("email_verified"),
    CLAIM("gender"),
    CLAIM("birthdate"),
    CLAIM("zoneinfo"),
    CLAIM("locale"),
    CLAIM("phone_number"),
    CLAIM("phone_number_verified"),
    CLAIM("address"),
    CLAIM("updated_at"),
    CLAIM("groups"),
    CLAIM("roles"),
    CLAIM("scope"),
    CLAIM("client_id"),
    CLAIM("username"),
    CLAIM("upn"),
    CLAIM("oid"),
    CLAIM("tid"),
    CLAIM("hd"),
    {"mod_auth_openidc", "OIDC_access_token", "%{access_token}"},
    {"mod_auth_openidc", "OIDC_access_token_expires", "%{access_token_expires}"},
    {"mod_auth_openidc", "OIDC_*", NULL},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

const gate_preset_row *gate_preset_next(const char *preset, const gate_preset_row *row)
{
    for (row = row ? row + 1 : rows; row < rows + ROWS; row++) {
        if (!strcasecmp(row->preset, preset))
            return row;
    }
    return NULL;
}

const char *gate_preset_names(apr_pool_t *p)
{
    const char *names = rows->preset;

    for (int i = 1; i < ROWS; i++) {
        if (strcmp(rows[i].preset, rows[i - 1].preset))
            names = apr_pstrcat(p, names, ", ", rows[i].preset, NULL);
    }
    return names;
}
