/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "oidc/resource.h"

#include <apr_strings.h>

#include "base/json.h"
#include "base/url.h"

const char *gate_resource_path(apr_pool_t *p, const char *identifier)
{
    gate_url url;
    gate_span path;

    if (!gate_url_parse(gate_span_of(identifier), &url))
        return NULL;
    /* Section 3.1: a '/' that ends the path is left out before the well-known part goes in. */
    path = url.path;
    if (path.len && path.ptr[path.len - 1] == '/')
        path.len--;
    return apr_pstrcat(p, GATE_RESOURCE_WELL_KNOWN, path.len ? gate_span_dup(p, path) : "",
                       url.query.ptr ? "?" : "", url.query.ptr ? gate_span_dup(p, url.query) : "",
                       NULL);
}

const char *gate_resource_url(apr_pool_t *p, const char *identifier)
{
    gate_url url;

    if (!gate_url_parse(gate_span_of(identifier), &url))
        return NULL;
    return apr_pstrcat(p, gate_url_origin(p, &url), gate_resource_path(p, identifier), NULL);
}

static json_t *words(gate_span text)
{
    json_t *array = json_array();
    gate_span word;

    while (gate_span_word(&text, &word))
        json_array_append_new(array, json_stringn(word.ptr, word.len));
    return array;
}

const char *gate_resource_document(apr_pool_t *p, const gate_resource *resource)
{
    json_t *document = gate_json_own(p, json_pack("{s:s, s:[s], s:o}", "resource",
                                                  resource->identifier, "authorization_servers",
                                                  resource->issuer, "bearer_methods_supported",
                                                  words(gate_span_of(resource->methods))));

    if (!document)
        return NULL;
    if (resource->name)
        json_object_set_new(document, "resource_name", json_string(resource->name));
    if (resource->scopes)
        json_object_set_new(document, "scopes_supported", words(gate_span_of(resource->scopes)));
    return gate_json_compact(p, document).ptr;
}
