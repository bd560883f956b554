/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "tap.h"

#include <apr_general.h>

#include "oidc/resource.h"

/* RFC 9728 section 3.1 */
static const struct {
    const char *identifier, *url;
} places[] = {
    {"https://api.example.com", "https://api.example.com/.well-known/oauth-protected-resource"},
    {"https://api.example.com/", "https://api.example.com/.well-known/oauth-protected-resource"},
    {"https://api.example.com/mcp",
     "https://api.example.com/.well-known/oauth-protected-resource/mcp"},
    {"https://api.example.com:8443/a/b/",
     "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b"},
    {"https://api.example.com/a?tenant=1",
     "https://api.example.com/.well-known/oauth-protected-resource/a?tenant=1"},
};

int main(void)
{
    const gate_resource full = {"https://api.example.com/mcp", "https://id.example.com", "Tools",
                                "read write", "header query"};
    const gate_resource little = {"https://api.example.com/mcp", "https://id.example.com", NULL,
                                  NULL, "header"};
    const gate_resource odd = {"https://api.example.com/mcp", "https://id.example.com", NULL, NULL,
                               ""};
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        is(gate_resource_url(p, places[i].identifier), places[i].url, "%s has its metadata there",
           places[i].identifier);
    ok(gate_resource_url(p, "mcp") == NULL, "what is no address has no metadata");
    is(gate_resource_document(p, &little),
       "{\"resource\":\"https://api.example.com/mcp\","
       "\"authorization_servers\":[\"https://id.example.com\"],"
       "\"bearer_methods_supported\":[\"header\"]}",
       "the least that a document says");
    is(gate_resource_document(p, &full),
       "{\"resource\":\"https://api.example.com/mcp\","
       "\"authorization_servers\":[\"https://id.example.com\"],"
       "\"bearer_methods_supported\":[\"header\",\"query\"],\"resource_name\":\"Tools\","
       "\"scopes_supported\":[\"read\",\"write\"]}",
       "name and scopes are said where they are known");
    is(gate_resource_document(p, &odd),
       "{\"resource\":\"https://api.example.com/mcp\","
       "\"authorization_servers\":[\"https://id.example.com\"],"
       "\"bearer_methods_supported\":[]}",
       "where tokens stand somewhere else, that no RFC knows, no way is named");
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
