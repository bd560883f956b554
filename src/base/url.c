/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/url.h"

#include <apr_strings.h>

#include "base/seal.h"

#define LOCAL_MAX_BYTES 4096
#define MAX_DECODINGS   4 /* "%252f" is two; nobody means anything good by more than four */
#define MAX_PORT_DIGITS 5

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Printable ASCII without SP: all that a URL is written in. */
static bool is_graphic(char c)
{
    return c > 0x20 && c < 0x7f;
}

static gate_span skip(gate_span s, size_t count)
{
    return (gate_span){s.ptr + count, s.len - count};
}

/* How many bytes come before the first of those in `stops`. Not with strchr: it would find a NUL
 * in any text. */
static size_t length_until(gate_span s, const char *stops)
{
    size_t len = 0, count = strlen(stops);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): the NUL behind the stops is none. */
    while (len < s.len && !memchr(stops, s.ptr[len], count))
        len++;
    return len;
}

static bool is_url_text(gate_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_graphic(text.ptr[i]) || strchr("#\\\"<>", text.ptr[i]))
            return false;
    return true;
}

static bool read_scheme(gate_span *rest, gate_url *url)
{
    size_t len = length_until(*rest, ":");
    url->scheme = (gate_span){rest->ptr, len};
    url->is_https = gate_span_equal_nocase(url->scheme, GATE_SPAN("https"));
    if (!url->is_https && !gate_span_equal_nocase(url->scheme, GATE_SPAN("http")))
        return false;
    *rest = skip(*rest, len);
    if (!gate_span_starts(*rest, "://"))
        return false;
    *rest = skip(*rest, strlen("://"));
    return true;
}

/* Letters, digits, '-', '.', '_', and no empty label: an encoded host is read differently by every
 * reader. */
static bool is_host_name(gate_span host)
{
    if (!host.len || host.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!is_alnum(c) && c != '-' && c != '.' && c != '_')
            return false;
        if (c == '.' && host.ptr[i - 1] == '.')
            return false;
    }
    return true;
}

/* "[...]", roughly: that it is one literal and nothing else; whether the address exists is for the
 * resolver. */
static bool is_address_literal(gate_span host)
{
    if (host.len < sizeof "[::]" - 1 || host.ptr[host.len - 1] != ']')
        return false;
    for (size_t i = 1; i < host.len - 1; i++)
        if (hex_value(host.ptr[i]) < 0 && host.ptr[i] != ':' && host.ptr[i] != '.')
            return false;
    return true;
}

static bool read_authority(gate_span authority, gate_url *url)
{
    size_t len = authority.len;
    if (len && authority.ptr[0] == '[') {
        len = length_until(authority, "]");
        if (len == authority.len)
            return false;
        len++;
        url->host = (gate_span){authority.ptr, len};
        if (!is_address_literal(url->host))
            return false;
    } else {
        len = length_until(authority, ":");
        url->host = (gate_span){authority.ptr, len};
        if (!is_host_name(url->host))
            return false;
    }
    url->port = url->is_https ? 443 : 80;
    if (len == authority.len)
        return true;
    apr_uint64_t port;
    gate_span digits = skip(authority, len + 1);
    if (authority.ptr[len] != ':' || digits.len > MAX_PORT_DIGITS ||
        !gate_span_number(digits, 65535, &port) || port == 0)
        return false;
    url->port = (unsigned)port;
    return true;
}

/* Four decimal numbers without leading zeros, the first of them 127. */
static bool is_loopback_ipv4(gate_span host)
{
    gate_span number;
    int count = 0;
    if (!gate_span_starts(host, "127.") || host.ptr[host.len - 1] == '.')
        return false;
    while (gate_span_cut(&host, '.', &number)) {
        apr_uint64_t value;
        if (++count > 4 || !gate_span_number(number, 255, &value) ||
            (number.len > 1 && number.ptr[0] == '0'))
            return false;
    }
    return count == 4;
}

static bool is_loopback(gate_span host)
{
    return gate_span_is(host, "[::1]") || gate_span_equal_nocase(host, GATE_SPAN("localhost")) ||
           is_loopback_ipv4(host);
}

bool gate_url_parse(gate_span text, gate_url *url)
{
    gate_url read = {.query = {NULL, 0}};
    gate_span rest = text;
    if (!text.ptr || !is_url_text(text) || !read_scheme(&rest, &read))
        return false;
    size_t len = length_until(rest, "/?");
    if (!read_authority((gate_span){rest.ptr, len}, &read))
        return false;
    rest = skip(rest, len);
    len = length_until(rest, "?");
    read.path = (gate_span){rest.ptr, len};
    if (len < rest.len)
        read.query = skip(rest, len + 1);
    read.is_loopback = is_loopback(read.host);
    *url = read;
    return true;
}

const char *gate_url_origin(apr_pool_t *p, const gate_url *url)
{
    char *host = apr_pstrmemdup(p, url->host.ptr, url->host.len);
    const char *scheme = url->is_https ? "https://" : "http://";
    for (char *c = host; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    if (url->port == (url->is_https ? 443 : 80))
        return apr_pstrcat(p, scheme, host, NULL);
    return apr_psprintf(p, "%s%s:%u", scheme, host, url->port);
}

/* "10.0.0.1" and "[::1]" have nothing beneath them. */
static bool is_address(gate_span host)
{
    for (size_t i = host.len; i > 0 && host.ptr[i - 1] != '.'; i--)
        if (!is_digit(host.ptr[i - 1]))
            return host.ptr[i - 1] == ']';
    return true;
}

bool gate_url_is_within(const gate_url *url, gate_span host)
{
    if (!host.len || url->host.len < host.len)
        return false;
    const size_t before = url->host.len - host.len;
    return gate_span_equal_nocase(skip(url->host, before), host) &&
           (!before || (url->host.ptr[before - 1] == '.' && !is_address(host)));
}

/* The byte that an escape at the start of s stands for, or -1. */
static int escaped_byte(gate_span s)
{
    if (s.len < 3 || s.ptr[0] != '%')
        return -1;
    int high = hex_value(s.ptr[1]), low = hex_value(s.ptr[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* One round of decoding, in place. False for an encoded control character, and, where `strict`,
 * for a '%' that is no escape; in later rounds such a '%' is itself decoded, and stays. */
static bool decode_round(char *path, size_t *len, bool strict, bool *changed)
{
    size_t out = 0;
    *changed = false;
    for (size_t i = 0; i < *len; i++) {
        char c = path[i];
        int byte = escaped_byte((gate_span){path + i, *len - i});
        if (byte >= 0) {
            if (byte < 0x20 || byte == 0x7f)
                return false;
            c = (char)byte;
            i += 2;
            *changed = true;
        } else if (c == '%' && strict) {
            return false;
        }
        path[out++] = c;
    }
    *len = out;
    return true;
}

/* What some reader somewhere takes for a slash or for nothing: lookalikes that Unicode
 * normalisation turns into slashes, overlong UTF-8, and blanks that are trimmed off. But for the
 * first two they begin with a byte that is no ASCII. */
static const struct spelling {
    const char *bytes;
    const char *meaning;
} spellings[] = {
    {"\\", "/"},           /* every browser */
    {" ", ""},             /* trimmed */
    {"\xc0\xaf", "/"},     /* overlong '/' */
    {"\xc1\x9c", "/"},     /* overlong '\' */
    {"\xe0\x80\xaf", "/"}, /* overlong '/' in three */
    {"\xe2\x81\x84", "/"}, /* U+2044 fraction slash */
    {"\xe2\x88\x95", "/"}, /* U+2215 division slash */
    {"\xe2\x88\x96", "/"}, /* U+2216 set minus */
    {"\xe2\xa7\xb5", "/"}, /* U+29F5 reverse solidus operator */
    {"\xe2\xa7\xb8", "/"}, /* U+29F8 big solidus */
    {"\xef\xb9\xa8", "/"}, /* U+FE68 small reverse solidus */
    {"\xef\xbc\x8f", "/"}, /* U+FF0F fullwidth solidus */
    {"\xef\xbc\xbc", "/"}, /* U+FF3C fullwidth reverse solidus */
    {"\xef\xbc\x8e", "."}, /* U+FF0E fullwidth full stop */
    {"\xe2\x80\xa4", "."}, /* U+2024 one dot leader */
    {"\xc2\x85", ""},      /* U+0085 next line */
    {"\xc2\xa0", ""},      /* U+00A0 no-break space */
    {"\xe1\x9a\x80", ""},  /* U+1680 ogham space mark */
    {"\xe2\x80\x8b", ""},  /* U+200B zero width space */
    {"\xe2\x80\xa8", ""},  /* U+2028 line separator */
    {"\xe2\x80\xa9", ""},  /* U+2029 paragraph separator */
    {"\xe3\x80\x80", ""},  /* U+3000 ideographic space */
    {"\xef\xbb\xbf", ""},  /* U+FEFF byte order mark */
};

static const struct spelling *spelling_at(gate_span s)
{
    if (s.ptr[0] > 0 && s.ptr[0] != '\\' && s.ptr[0] != ' ')
        return NULL;
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
        if (gate_span_starts(s, spellings[i].bytes))
            return &spellings[i];
    return NULL;
}

static size_t respell(char *path, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        const struct spelling *found = spelling_at((gate_span){path + i, len - i});
        if (!found) {
            path[out++] = path[i++];
            continue;
        }
        i += strlen(found->bytes);
        if (found->meaning[0])
            path[out++] = found->meaning[0];
    }
    return out;
}

/* Whether the path, its dot segments removed (RFC 3986 section 5.2.4), begins with "//". A
 * segment's parameters, from ';' on, do not hide what it is. */
static bool resolves_to_double_slash(gate_span path)
{
    size_t depth = 0;
    gate_span rest = skip(path, 1);
    while (rest.len) {
        size_t len = length_until(rest, "/");
        bool last = len == rest.len;
        size_t named = length_until((gate_span){rest.ptr, len}, ";");
        gate_span segment = {rest.ptr, named};
        if (!named && !last && depth == 0)
            return true;
        if (gate_span_is(segment, ".."))
            depth = depth ? depth - 1 : 0;
        else if (!gate_span_is(segment, "."))
            depth++;
        rest = skip(rest, last ? len : len + 1);
    }
    return false;
}

bool gate_url_is_local(gate_span text)
{
    char path[LOCAL_MAX_BYTES];
    if (!text.ptr || text.len > LOCAL_MAX_BYTES || !gate_span_starts(text, "/"))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_graphic(text.ptr[i]) || text.ptr[i] == '\\' || text.ptr[i] == '#')
            return false;
    size_t len = length_until(text, "?");
    memcpy(path, text.ptr, len);
    bool changed = true;
    for (int i = 0; changed; i++) {
        if (i > MAX_DECODINGS || !decode_round(path, &len, i == 0, &changed))
            return false;
    }
    len = respell(path, len);
    return !resolves_to_double_slash((gate_span){path, len});
}

/* Takes up to three bytes for one. What comes behind it. */
static char *encode_to(char *out, gate_span s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_alnum((char)c) || c == '-' || c == '.' || c == '_' || c == '~') {
            *out++ = (char)c;
        } else if (c == ' ') {
            *out++ = '+';
        } else {
            *out++ = '%';
            *out++ = digits[c >> 4];
            *out++ = digits[c & 15];
        }
    }
    return out;
}

const char *gate_form_encode(apr_pool_t *p, gate_span s)
{
    char *text = apr_palloc(p, s.len * 3 + 1);
    *encode_to(text, s) = '\0';
    return text;
}

bool gate_form_decode(apr_pool_t *p, gate_span s, gate_span *decoded)
{
    char *text = apr_palloc(p, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int byte = escaped_byte(skip(s, i));
            if (byte < 0)
                return false;
            c = (char)byte;
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return false;
        text[len++] = c;
    }
    text[len] = '\0';
    *decoded = (gate_span){text, len};
    return true;
}

gate_form *gate_form_make(apr_pool_t *p)
{
    gate_form *form = apr_palloc(p, sizeof *form);
    form->pool = p;
    form->pairs = apr_array_make(p, 8, sizeof(gate_pair));
    return form;
}

static const gate_pair *find(const gate_form *form, gate_span name)
{
    const gate_pair *pairs = (const gate_pair *)form->pairs->elts;
    for (int i = 0; i < form->pairs->nelts; i++)
        if (gate_span_equal(pairs[i].name, name))
            return &pairs[i];
    return NULL;
}

static void push(gate_form *form, gate_span name, gate_span value)
{
    *(gate_pair *)apr_array_push(form->pairs) = (gate_pair){name, value};
}

static void drop_empty(gate_form *form)
{
    gate_pair *pairs = (gate_pair *)form->pairs->elts;
    int kept = 0;
    for (int i = 0; i < form->pairs->nelts; i++)
        if (pairs[i].value.len)
            pairs[kept++] = pairs[i];
    form->pairs->nelts = kept;
}

gate_reason gate_form_parse(apr_pool_t *p, gate_span text, int max_pairs, gate_form **form)
{
    gate_form *read = gate_form_make(p);
    gate_span piece;
    while (gate_span_cut(&text, '&', &piece)) {
        if (!piece.len)
            continue;
        size_t len = length_until(piece, "=");
        gate_span name, value = skip(piece, len < piece.len ? len + 1 : len);
        if (read->pairs->nelts == max_pairs ||
            !gate_form_decode(p, (gate_span){piece.ptr, len}, &name) ||
            !gate_form_decode(p, value, &value) || find(read, name))
            return GATE_MALFORMED_REQUEST;
        push(read, name, value);
    }
    drop_empty(read);
    *form = read;
    return GATE_OK;
}

gate_span gate_form_get(const gate_form *form, const char *name)
{
    const gate_pair *pair = find(form, gate_span_of(name));
    return pair ? pair->value : (gate_span){NULL, 0};
}

void gate_form_add(gate_form *form, const char *name, gate_span value)
{
    push(form, gate_span_of(name), value);
}

void gate_form_add_text(gate_form *form, const char *name, const char *value)
{
    if (value)
        gate_form_add(form, name, gate_span_of(value));
}

const char *gate_form_text(const gate_form *form)
{
    const gate_pair *pairs = (const gate_pair *)form->pairs->elts;
    size_t most = 1;
    for (int i = 0; i < form->pairs->nelts; i++)
        most += (pairs[i].name.len + pairs[i].value.len) * 3 + 2;
    char *text = apr_palloc(form->pool, most);
    char *out = text;
    for (int i = 0; i < form->pairs->nelts; i++) {
        if (i)
            *out++ = '&';
        out = encode_to(out, pairs[i].name);
        *out++ = '=';
        out = encode_to(out, pairs[i].value);
    }
    *out = '\0';
    return text;
}

const char *gate_url_with_query(apr_pool_t *p, const char *base, const gate_form *form)
{
    if (!form->pairs->nelts)
        return base;
    const char *query = strchr(base, '?');
    const char *separator = !query ? "?" : query[1] && base[strlen(base) - 1] != '&' ? "&" : "";
    return apr_pstrcat(p, base, separator, gate_form_text(form), NULL);
}
