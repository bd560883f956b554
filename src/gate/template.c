/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/template.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/base64url.h"

enum what {
    LITERAL,
    CLAIM,
    ASSERTION,
    USER,
    METHOD,
    ACCESS_TOKEN,
    ACCESS_EXPIRES,
    ID_TOKEN,
    INTROSPECTION,
    USERINFO,
    SESSION,
    EXPIRES
};

/* What %{...} may stand for, beside claims and assertions. */
static const struct placeholder {
    const char *name;
    enum what what;
    unsigned needs;
} placeholders[] = {
    {"user", USER, 0},
    {"method", METHOD, 0},
    {"access_token", ACCESS_TOKEN, GATE_NEEDS_ACCESS_TOKEN},
    {"access_token_expires", ACCESS_EXPIRES, GATE_NEEDS_ACCESS_TOKEN},
    {"id_token", ID_TOKEN, GATE_NEEDS_ID_TOKEN},
    {"introspection", INTROSPECTION, GATE_NEEDS_INTROSPECTION},
    {"userinfo", USERINFO, GATE_NEEDS_USERINFO},
    {"session", SESSION, 0},
    {"expires", EXPIRES, 0},
};
enum { PLACEHOLDERS = sizeof placeholders / sizeof placeholders[0] };

#define CLAIM_PREFIX     "claim:"
#define ASSERTION_PREFIX "assertion:"

struct segment {
    enum what what;
    gate_span text; /* LITERAL: itself; else what stands between the braces */
    gate_claim_name claim;
    gate_span audience; /* ASSERTION */
};

/* The value as it grows: no template makes more than fits, so nothing is measured first. */
typedef struct writer {
    apr_pool_t *pool;
    char *bytes; /* GATE_TEMPLATE_MAX_BYTES of them, and one for a separator too many */
    size_t len;
    size_t plain;        /* how much of it needs no closer look: up to where it is plain claims */
    bool ends_in_value;  /* what stands last came from outside */
    const char *problem; /* why something is unsafe */
} writer;

struct gate_template {
    const struct segment *segments;
    int count;
    gate_span separator;
    gate_reason (*encode)(writer *w, gate_span value);
    bool required;
    bool is_claim;     /* a claim alone, as it is: most are */
    bool joins_simply; /* members as they are, a single character between them */
    unsigned needs;
    const gate_template *otherwise; /* where something is missing; NULL: nothing is said then */
};

/* -- writing -- */

_Static_assert(GATE_TEMPLATE_MAX_BYTES == 16 * 1024, "the message below names the limit");

static gate_reason refuse(writer *w, const char *problem)
{
    w->problem = problem;
    return GATE_CLAIM_UNSAFE;
}

static gate_reason refuse_longer(writer *w)
{
    return refuse(w, "makes the value longer than 16 KiB");
}

static gate_reason put(writer *w, gate_span s)
{
    if (s.len > GATE_TEMPLATE_MAX_BYTES - w->len)
        return refuse_longer(w);
    memcpy(w->bytes + w->len, s.ptr, s.len);
    w->len += s.len;
    return GATE_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* HTAB is the only control character that a field value may hold (RFC 9110 section 5.5). */
static bool is_forbidden(unsigned char c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool has_forbidden(gate_span s)
{
    if (!gate_span_has_control(s))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (is_forbidden((unsigned char)s.ptr[i]))
            return true;
    return false;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static gate_reason put_percent(writer *w, gate_span value)
{
    static const char digits[] = "0123456789ABCDEF";
    gate_reason reason = GATE_OK;
    for (size_t i = 0; i < value.len && reason == GATE_OK; i++) {
        const unsigned char c = (unsigned char)value.ptr[i];
        const char escaped[] = {'%', digits[c >> 4], digits[c & 15]};
        reason = put(w, is_unreserved(value.ptr[i]) ? (gate_span){value.ptr + i, 1}
                                                    : (gate_span){escaped, sizeof escaped});
    }
    return reason;
}

static gate_reason put_base64url(writer *w, gate_span value)
{
    return put(w, gate_span_of(gate_base64url_encode(w->pool, value)));
}

static const struct encoding {
    const char *name;
    gate_reason (*encode)(writer *w, gate_span value);
} encodings[] = {
    {"raw", put},
    {"percent", put_percent},
    {"base64url", put_base64url},
};
enum { ENCODINGS = sizeof encodings / sizeof encodings[0] };

/* -- compiling -- */

static const char *list_placeholders(apr_pool_t *p)
{
    const char *list = "%{claim:NAME}, %{assertion:AUDIENCE}";
    for (int i = 0; i < PLACEHOLDERS; i++)
        list = apr_pstrcat(p, list, ", %{", placeholders[i].name, "}", NULL);
    return list;
}

static bool cut_prefix(gate_span *name, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (!gate_span_starts(*name, prefix))
        return false;
    *name = (gate_span){name->ptr + len, name->len - len};
    return true;
}

/* An assertion that anybody might take for meant for him is one that any backend can use at all
 * others (RFC 7519 section 4.1.3). */
static const char *read_audience(gate_span audience, struct segment *segment)
{
    segment->what = ASSERTION;
    segment->audience = audience;
    if (!audience.len || audience.len > GATE_ASSERTION_MAX_AUDIENCE)
        return "%{assertion:} does not say for which backend it is: write "
               "%{assertion:https://backend.example.com}";
    for (size_t i = 0; i < audience.len; i++)
        if (audience.ptr[i] <= ' ' || audience.ptr[i] > '~')
            return "an audience is an address or a name without blanks and foreign letters";
    return NULL;
}

static const char *read_placeholder(apr_pool_t *p, gate_span name, struct segment *segment,
                                    unsigned *needs)
{
    segment->text = name;
    if (cut_prefix(&name, CLAIM_PREFIX)) {
        segment->what = CLAIM;
        return gate_claim_name_read(name, &segment->claim)
                   ? NULL
                   : "%{claim:} names no claim: write %{claim:NAME}";
    }
    if (gate_span_is(name, "assertion") || cut_prefix(&name, ASSERTION_PREFIX)) {
        *needs |= GATE_NEEDS_ASSERTION;
        return read_audience(segment->text.len == name.len ? GATE_SPAN("") : name, segment);
    }
    for (int i = 0; i < PLACEHOLDERS; i++) {
        if (gate_span_is(name, placeholders[i].name)) {
            segment->what = placeholders[i].what;
            *needs |= placeholders[i].needs;
            return NULL;
        }
    }
    return apr_psprintf(p, "%%{%.*s} is nothing that can be put in; there are %s", (int)name.len,
                        name.ptr, list_placeholders(p));
}

/* Cuts one segment off the front of *rest, which is not empty. */
static const char *read_segment(apr_pool_t *p, const char **rest, struct segment *segment,
                                unsigned *needs)
{
    const char *at = *rest;
    if (at[0] != '%') {
        segment->text = (gate_span){at, strcspn(at, "%")};
        *rest = at + segment->text.len;
        return gate_span_has_control(segment->text) ? "it holds a control character" : NULL;
    }
    if (at[1] == '%') {
        segment->text = (gate_span){at, 1};
        *rest = at + 2;
        return NULL;
    }
    if (at[1] != '{')
        return "a percent sign stands alone: write %% for the sign itself, %{...} for a value";
    const char *end = strchr(at, '}');
    if (!end)
        return "a %{ has no closing }";
    *rest = end + 1;
    return read_placeholder(p, (gate_span){at + 2, (size_t)(end - at) - 2}, segment, needs);
}

static const char *read_encoding(apr_pool_t *p, const char *name, gate_template *made)
{
    for (int i = 0; i < ENCODINGS; i++) {
        if (!strcmp(name, encodings[i].name)) {
            made->encode = encodings[i].encode;
            return NULL;
        }
    }
    return apr_psprintf(p, "encode=%s is unknown; there are raw, percent and base64url", name);
}

static const char *read_separator(apr_pool_t *p, const char *separator, gate_template *made)
{
    made->separator = gate_span_of(apr_pstrdup(p, separator));
    if (!made->separator.len)
        return "join= is empty, and then members cannot be told apart: write join=, or another "
               "separator";
    return gate_span_has_control(made->separator) ? "join= holds a control character" : NULL;
}

static const char *read_option(apr_pool_t *p, const char *option, gate_template *made,
                               const char **otherwise)
{
    static const char join[] = "join=", encode[] = "encode=", instead[] = "default=";
    if (!strcmp(option, "required")) {
        made->required = true;
        return NULL;
    }
    if (!strncmp(option, join, strlen(join)))
        return read_separator(p, option + strlen(join), made);
    if (!strncmp(option, encode, strlen(encode)))
        return read_encoding(p, option + strlen(encode), made);
    if (!strncmp(option, instead, strlen(instead))) {
        *otherwise = option + strlen(instead);
        return NULL;
    }
    return apr_psprintf(
        p,
        "\"%s\" is no option; there are join=SEPARATOR, encode=raw|percent|base64url, "
        "default=TEMPLATE and required (a template with spaces stands in quotes)",
        option);
}

static const char *read_text(apr_pool_t *p, const char *text, gate_template *made)
{
    apr_array_header_t *segments = apr_array_make(p, 4, sizeof(struct segment));
    const char *problem = NULL, *rest = apr_pstrdup(p, text);
    while (*rest && !problem) {
        struct segment *segment = apr_array_push(segments);
        *segment = (struct segment){.what = LITERAL};
        problem = read_segment(p, &rest, segment, &made->needs);
    }
    made->segments = (const struct segment *)segments->elts;
    made->count = segments->nelts;
    return problem;
}

/* With the same options; what it needs is needed. */
static const char *read_otherwise(apr_pool_t *p, const char *text, gate_template *made)
{
    gate_template *otherwise = apr_pmemdup(p, made, sizeof *made);
    const char *problem = read_text(p, text, otherwise);
    made->needs |= otherwise->needs;
    made->otherwise = otherwise;
    return problem;
}

const char *gate_template_compile(apr_pool_t *p, const char *text, const char *const *options,
                                  const gate_template **compiled)
{
    gate_template *made = apr_pcalloc(p, sizeof *made);
    const char *otherwise = NULL, *problem;
    made->separator = GATE_SPAN(",");
    made->encode = put;
    problem = read_text(p, text, made);
    for (; options && *options && !problem; options++)
        problem = read_option(p, *options, made, &otherwise);
    if (!problem && otherwise)
        problem = read_otherwise(p, otherwise, made);
    made->is_claim = made->count == 1 && made->segments[0].what == CLAIM && made->encode == put;
    made->joins_simply = made->encode == put && made->separator.len == 1;
    if (!problem)
        *compiled = made;
    return problem;
}

unsigned gate_template_needs(const gate_template *compiled)
{
    return compiled->needs;
}

/* -- rendering -- */

/* Whether a reader who splits at the separator gets the member that was written last back: the
 * separator begins nowhere within it, not even with its first half there and its second half in the
 * separator that follows ("a-" before "--"). */
static bool reads_as_one(const writer *w, size_t begin, gate_span separator)
{
    const char *end = w->bytes + w->len;
    for (const char *at = w->bytes + begin; at < end; at++) {
        at = memchr(at, separator.ptr[0], (size_t)(end - at));
        if (!at)
            return true;
        const size_t inside =
            (size_t)(end - at) < separator.len ? (size_t)(end - at) : separator.len;
        if (!memcmp(at, separator.ptr, inside) &&
            !memcmp(separator.ptr + inside, separator.ptr, separator.len - inside))
            return false;
    }
    return true;
}

static gate_reason refuse_member(writer *w)
{
    return refuse(w, "has a member that holds the separator; see join= and encode=");
}

static gate_reason put_members(writer *w, const gate_template *t, const gate_claim *claim)
{
    bool is_first = true;
    for (int i = 0; i < claim->count; i++) {
        gate_value_type type;
        const gate_span member = gate_claim_value(claim, i, &type);
        if (type == GATE_VALUE_NULL)
            continue;
        gate_reason reason = is_first ? GATE_OK : put(w, t->separator);
        const size_t begin = w->len;
        if (reason == GATE_OK)
            reason = t->encode(w, member);
        if (reason != GATE_OK)
            return reason;
        if (!reads_as_one(w, begin, t->separator))
            return refuse_member(w);
        is_first = false;
    }
    return is_first ? GATE_CLAIM_MISSING : GATE_OK;
}

/* There may be hundreds. False where one of them needs a closer look. */
static bool put_plain_members(writer *w, char separator, const gate_claim *claim)
{
    const size_t room = GATE_TEMPLATE_MAX_BYTES + 1 - w->len;
    const size_t len = gate_claim_join(claim, separator, w->bytes + w->len, room);
    w->len += len;
    w->plain = w->len;
    return len;
}

static gate_reason put_claim(writer *w, const gate_template *t, const struct segment *segment,
                             const gate_identity *identity)
{
    gate_claim claim;
    gate_value_type type;
    if (!identity || !gate_claim_find(identity, &segment->claim, &claim))
        return GATE_CLAIM_MISSING;
    if (claim.is_array)
        return t->joins_simply && put_plain_members(w, t->separator.ptr[0], &claim)
                   ? GATE_OK
                   : put_members(w, t, &claim);
    const gate_span value = gate_claim_value(&claim, 0, &type);
    return type == GATE_VALUE_NULL ? GATE_CLAIM_MISSING : t->encode(w, value);
}

/* The same for all requests of a session, and for no other; it opens nothing, and does not say
 * where the session is filed. */
static gate_span name_session(apr_pool_t *p, const gate_digest *filed_under)
{
    enum { NAME_BYTES = 16 };
    const gate_span parts[] = {GATE_SPAN("session for backends"),
                               {(const char *)filed_under->bytes, GATE_DIGEST_BYTES}};
    gate_digest name;
    return gate_digest_of(&name, parts, 2)
               ? gate_span_of(
                     gate_base64url_encode(p, (gate_span){(const char *)name.bytes, NAME_BYTES}))
               : (gate_span){NULL, 0};
}

static gate_span date(apr_pool_t *p, apr_int64_t seconds)
{
    return gate_span_of(seconds ? apr_psprintf(p, "%" APR_INT64_T_FMT, seconds) : NULL);
}

static gate_span value_of(apr_pool_t *p, enum what what, const gate_template_values *values)
{
    switch (what) {
    case USER:
        return gate_span_of(values->user);
    case METHOD:
        return gate_span_of(values->method);
    case ACCESS_TOKEN:
        return values->access_token;
    case ACCESS_EXPIRES:
        return date(p, values->access_expires);
    case ID_TOKEN:
        return values->id_token;
    case INTROSPECTION:
        return values->introspection;
    case USERINFO:
        return values->userinfo;
    case SESSION:
        return values->session ? name_session(p, values->session) : (gate_span){NULL, 0};
    case EXPIRES:
        return date(p, values->expires);
    default:
        return (gate_span){NULL, 0};
    }
}

static gate_reason put_assertion(writer *w, const gate_template *t, const struct segment *segment,
                                 const gate_template_values *values)
{
    const gate_asserted who = {
        .issuer = values->origin,
        .user = values->user,
        .method = values->method,
        .identity = values->identity,
        .now = values->now,
    };
    gate_span text;
    if (!values->assertion || !values->identity || !values->user)
        return GATE_CLAIM_MISSING;
    const gate_reason reason = gate_assertion_make(w->pool, values->assertion, &who,
                                                   segment->audience, values->random, &text);
    if (reason == GATE_OK)
        return t->encode(w, text);
    w->problem = "cannot be signed";
    return reason;
}

static gate_reason put_segment(writer *w, const gate_template *t, const struct segment *segment,
                               const gate_template_values *values)
{
    const size_t begin = w->len;
    gate_reason reason;
    if (segment->what == LITERAL) {
        w->ends_in_value = false;
        return put(w, segment->text);
    }
    if (segment->what == CLAIM) {
        reason = put_claim(w, t, segment, values->identity);
    } else if (segment->what == ASSERTION) {
        reason = put_assertion(w, t, segment, values);
    } else {
        const gate_span value = value_of(w->pool, segment->what, values);
        reason = value.ptr ? t->encode(w, value) : GATE_CLAIM_MISSING;
    }
    if (reason != GATE_OK || w->len == begin)
        return reason;
    if (w->plain != w->len && has_forbidden((gate_span){w->bytes + begin, w->len - begin}))
        return refuse(w, "holds a control character; see encode=");
    w->ends_in_value = true;
    if (!begin && is_blank(w->bytes[0]))
        return refuse(w, "begins with a blank, which HTTP would strip; see encode=");
    return GATE_OK;
}

/* Whether the claim could not have been there: nothing is known of a token that nobody can read. */
static bool is_unavailable(const struct segment *segment, const gate_identity *identity)
{
    if (segment->what != CLAIM || !identity)
        return false;
    return !gate_identity_has_claims(identity, -1) ||
           (segment->claim.source == GATE_SOURCE_ACCESS_TOKEN &&
            !gate_identity_has_claims(identity, GATE_SOURCE_ACCESS_TOKEN));
}

/* What a segment's reason means for the whole. */
static gate_reason judge(const writer *w, const gate_template *t, const struct segment *segment,
                         const gate_identity *identity, gate_reason reason, const char **detail)
{
    enum { SHOWN_BYTES = 128 };
    const int len = segment->text.len < SHOWN_BYTES ? (int)segment->text.len : SHOWN_BYTES;
    const char *problem = w->problem;
    if (reason == GATE_CLAIM_MISSING) {
        if (!t->required)
            return GATE_OK;
        if (is_unavailable(segment, identity))
            reason = GATE_CLAIMS_UNAVAILABLE;
        problem = "is missing";
    }
    if (detail)
        *detail = apr_psprintf(w->pool, segment->what == LITERAL ? "'%.*s' %s" : "%%{%.*s} %s", len,
                               segment->text.ptr, problem);
    return reason;
}

/* One text, without its default. CLAIM_MISSING where something is. *segment is where it ended. */
static gate_reason fill(writer *w, const gate_template *t, const gate_template_values *values,
                        const struct segment **segment)
{
    w->len = w->plain = 0;
    w->ends_in_value = false;
    for (int i = 0; i < t->count; i++) {
        *segment = &t->segments[i];
        gate_reason reason = put_segment(w, t, *segment, values);
        if (reason == GATE_OK && i == t->count - 1 && w->ends_in_value &&
            is_blank(w->bytes[w->len - 1]))
            reason = refuse(w, "ends with a blank, which HTTP would strip; see encode=");
        if (reason != GATE_OK)
            return reason;
    }
    return GATE_OK;
}

static gate_reason render(apr_pool_t *p, const gate_template *compiled,
                          const gate_template_values *values, gate_span *value, const char **detail)
{
    char bytes[GATE_TEMPLATE_MAX_BYTES + 1];
    writer w = {.pool = p, .bytes = bytes};
    const struct segment *segment = NULL;
    *value = (gate_span){NULL, 0};
    gate_reason reason = fill(&w, compiled, values, &segment);
    if (reason == GATE_CLAIM_MISSING && compiled->otherwise) {
        compiled = compiled->otherwise;
        reason = fill(&w, compiled, values, &segment);
    }
    if (reason != GATE_OK)
        return judge(&w, compiled, segment, values->identity, reason, detail);
    *value = (gate_span){apr_pstrmemdup(p, bytes, w.len), w.len};
    return GATE_OK;
}

gate_reason gate_template_render(apr_pool_t *p, const gate_template *compiled,
                                 const gate_template_values *values, gate_span *value,
                                 const char **detail)
{
    /* As it stands in the record: nothing is copied. */
    if (compiled->is_claim && values->identity &&
        gate_claim_find_plain(values->identity, &compiled->segments[0].claim, value) &&
        value->len <= GATE_TEMPLATE_MAX_BYTES)
        return GATE_OK;
    return render(p, compiled, values, value, detail);
}
