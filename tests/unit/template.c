/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/template.h"

#include "identity.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#include "base/base64url.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define MAX_OPTIONS  4

static const gate_template *compile(apr_pool_t *p, const char *text, const char *const *options)
{
    const gate_template *compiled = NULL;
    const char *problem = gate_template_compile(p, text, options, &compiled);
    identity_must(!problem, problem ? problem : "", text);
    return compiled;
}

/* The value, "-" for a header that is left out, else the reason and the detail. */
static const char *render(apr_pool_t *p, const gate_template *compiled,
                          const gate_template_values *values)
{
    gate_span value;
    const char *detail = "no detail";
    const gate_reason reason = gate_template_render(p, compiled, values, &value, &detail);
    if (reason != GATE_OK)
        return apr_psprintf(p, "%s: %s", gate_reason_name(reason), detail);
    if (value.ptr && value.ptr[value.len])
        return "not terminated";
    return value.ptr ? value.ptr : "-";
}

static void values(apr_pool_t *p)
{
    static const char claims[] =
        "{\"email\":\"bob@example.org\",\"n\":7,\"x\":0.5,\"yes\":true,\"nothing\":null,\"empty\":"
        "\"\","
        "\"groups\":[\"a\",\"b\"],\"none\":[],\"nulls\":[null,null],\"some\":[\"a\",null,7,true,"
        "\"\"],\"one\":[\"\"],"
        "\"deep\":{\"a\":[1,{\"b\":2}],\"c\":\"d\"},\"mixed\":[{\"a\":1},[2]],\"comma\":[\"a,b\","
        "\"c\"],"
        "\"urn:x:roles\":[\"r\"],\"tab\":\"a\\tb\",\"crlf\":\"a\\r\\nX-Admin: "
        "yes\",\"del\":\"a\\u007f\","
        "\"low\":\"12345678\\u001f\",\"list\":[\"ok\",\"a\\nb\"],\"blank\":\" bob\",\"tail\":\"bob "
        "\",\"space\":\" \","
        "\"caf\\u00e9\":\"caf\\u00e9 \\ud83d\\ude00 "
        "~\",\"sub\":\"other\",\"front\":[\"\",\"a\"],\"back\":[\"a\",\"\"]}";
    static const struct {
        const char *text, *options[MAX_OPTIONS], *want;
    } cases[] = {
        /* what can be put in */
        {"", {0}, ""},
        {"plain text", {0}, "plain text"},
        {"100%%", {0}, "100%"},
        {"%%{user}", {0}, "%{user}"},
        {"%{user}", {0}, "bob"},
        {"%{method}", {0}, "code"},
        {"Bearer %{access_token}", {0}, "Bearer at.x"},
        {"%{id_token}", {0}, "id.x"},
        {"%{introspection}", {0}, "{\"active\":true}"},
        {"%{userinfo}", {0}, "-"},
        {"%{claim:email}", {0}, "bob@example.org"},
        {"<%{claim:email}> (%{user})", {0}, "<bob@example.org> (bob)"},
        {"%{claim:n}/%{claim:x}/%{claim:yes}", {0}, "7/0.5/true"},
        {"%{claim:sub} of %{claim:iss}", {0}, "the-subject of https://op.example"},
        {"%{claim:id:sub}", {0}, "other"},
        {"%{claim:at:sub}", {0}, "-"},
        {"%{claim:urn:x:roles}", {0}, "r"},
        {"%{claim:deep}", {0}, "{\"a\":[1,{\"b\":2}],\"c\":\"d\"}"},
        {"%{claim:deep.c}", {0}, "d"},
        {"%{claim:caf\xc3\xa9}", {0}, "caf\xc3\xa9 \xf0\x9f\x98\x80 ~"},
        /* what is missing */
        {"%{claim:dept}", {0}, "-"},
        {"x %{claim:dept} y", {0}, "-"},
        {"%{claim:email} %{claim:dept}", {0}, "-"},
        {"%{claim:nothing}", {0}, "-"},
        {"%{claim:none}", {0}, "-"},
        {"%{claim:nulls}", {0}, "-"},
        {"%{claim:empty}", {0}, ""},
        {"[%{claim:empty}]", {0}, "[]"},
        {"%{claim:dept}", {"required"}, "claim_missing: %{claim:dept} is missing"},
        {"%{claim:email} %{claim:none}", {"required"}, "claim_missing: %{claim:none} is missing"},
        {"%{userinfo}", {"required"}, "claim_missing: %{userinfo} is missing"},
        {"%{claim:at:dept}", {"required"}, "claims_unavailable: %{claim:at:dept} is missing"},
        {"%{claim:email}", {"required"}, "bob@example.org"},
        /* what stands in its place */
        {"%{claim:dept}", {"default=none known"}, "none known"},
        {"%{claim:dept}", {"default="}, ""},
        {"%{claim:dept}", {"default=%{user} (%{claim:n})"}, "bob (7)"},
        {"%{claim:email} of %{claim:dept}", {"default=%{claim:email}"}, "bob@example.org"},
        {"%{claim:dept}", {"default=%{claim:at:dept}"}, "-"},
        {"%{claim:dept}",
         {"default=%{claim:unit}", "required"},
         "claim_missing: %{claim:unit} is missing"},
        {"%{claim:dept}", {"required", "default=none"}, "none"},
        {"%{claim:dept}", {"default=%{claim:groups}", "join=+"}, "a+b"},
        {"%{claim:dept}", {"encode=percent", "default=%{claim:email}"}, "bob%40example.org"},
        {"%{claim:empty}", {"default=none"}, ""},
        {"%{claim:email}", {"default=none"}, "bob@example.org"},
        {"%{claim:dept}",
         {"default=%{claim:crlf}"},
         "claim_unsafe: %{claim:crlf} holds a control character; see encode="},
        {"%{claim:crlf}",
         {"default=none"},
         "claim_unsafe: %{claim:crlf} holds a control character; see encode="},
        /* when it ends */
        {"%{expires}", {0}, "1700003600"},
        {"%{access_token_expires}", {0}, "1700000300"},
        {"%{assertion:https://a.example}", {0}, "-"},
        {"%{assertion:https://a.example}",
         {"required"},
         "claim_missing: %{assertion:https://a.example} is missing"},
        /* lists */
        {"%{claim:groups}", {0}, "a,b"},
        {"%{claim:groups}", {"join=|"}, "a|b"},
        {"%{claim:groups}", {"join= "}, "a b"},
        {"%{claim:groups}", {"join=, ", "required"}, "a, b"},
        {"%{claim:groups}+%{claim:groups}", {0}, "a,b+a,b"},
        {"%{claim:some}", {0}, "a,7,true,"},
        {"%{claim:one}", {0}, ""},
        {"%{claim:mixed}", {0}, "{\"a\":1},[2]"},
        {"%{claim:comma}", {"join=;"}, "a,b;c"},
        {"%{claim:comma}",
         {0},
         "claim_unsafe: %{claim:comma} has a member that holds the separator; see join= and "
         "encode="},
        /* encodings */
        {"%{claim:email}", {"encode=raw"}, "bob@example.org"},
        {"a b: %{claim:email}", {"encode=percent"}, "a b: bob%40example.org"},
        {"%{claim:caf\xc3\xa9}", {"encode=percent"}, "caf%C3%A9%20%F0%9F%98%80%20~"},
        {"%{claim:crlf}", {"encode=percent"}, "a%0D%0AX-Admin%3A%20yes"},
        {"%{claim:comma}", {"encode=percent"}, "a%2Cb,c"},
        {"%{claim:comma}", {"encode=base64url"}, "YSxi,Yw"},
        {"v=%{claim:email};", {"encode=base64url"}, "v=Ym9iQGV4YW1wbGUub3Jn;"},
        {"%{claim:space}", {"encode=percent"}, "%20"},
        {"%{user}", {"encode=base64url"}, "Ym9i"},
        {"%{claim:groups}", {"encode=percent", "join=%"}, "a%b"},
        {"%{claim:list}",
         {"encode=percent", "join=%"},
         "claim_unsafe: %{claim:list} has a member that holds the separator; see join= and "
         "encode="},
        /* what no header carries */
        {"%{claim:tab}", {0}, "a\tb"},
        {"%{claim:crlf}",
         {0},
         "claim_unsafe: %{claim:crlf} holds a control character; see encode="},
        {"%{claim:del}", {0}, "claim_unsafe: %{claim:del} holds a control character; see encode="},
        {"%{claim:low}", {0}, "claim_unsafe: %{claim:low} holds a control character; see encode="},
        {"%{claim:list}",
         {0},
         "claim_unsafe: %{claim:list} holds a control character; see encode="},
        {"%{claim:blank}",
         {0},
         "claim_unsafe: %{claim:blank} begins with a blank, which HTTP would strip; see encode="},
        {"%{claim:tail}",
         {0},
         "claim_unsafe: %{claim:tail} ends with a blank, which HTTP would strip; see encode="},
        {"%{claim:space}",
         {0},
         "claim_unsafe: %{claim:space} begins with a blank, which HTTP would strip; see encode="},
        {"%{claim:front}",
         {"join= "},
         "claim_unsafe: %{claim:front} begins with a blank, which HTTP would strip; see encode="},
        {"%{claim:back}",
         {"join= "},
         "claim_unsafe: %{claim:back} ends with a blank, which HTTP would strip; see encode="},
        {"[%{claim:blank}|%{claim:tail}]", {0}, "[ bob|bob ]"},
        {"%{claim:blank}", {"encode=percent"}, "%20bob"},
        {"%{claim:empty} x", {0}, " x"},
        {"x %{claim:empty}", {0}, "x "},
    };
    const gate_template_values known = {
        .identity = identity_of(p, claims),
        .user = "bob",
        .method = "code",
        .access_token = GATE_SPAN("at.x"),
        .id_token = GATE_SPAN("id.x"),
        .introspection = GATE_SPAN("{\"active\":true}"),
        .access_expires = 1700000300,
        .expires = 1700003600,
    };
    gate_template_values before = known;
    before.identity = identity_as_before(p, known.identity);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_template *compiled = compile(p, cases[i].text, cases[i].options);
        is(render(p, compiled, &known), cases[i].want, "\"%s\" %s", cases[i].text,
           cases[i].options[0] ? cases[i].options[0] : "");
        is(render(p, compiled, &before), cases[i].want, "and of a record that says less");
    }
}

static void strangers(apr_pool_t *p)
{
    static const char *const required[] = {"required", NULL};
    const gate_template_values nobody = {0};
    const gate_template_values opaque = {.identity = identity_of(p, "[]"), .user = "web"};
    const gate_template *dept = compile(p, "%{claim:dept}", required);

    is(render(p, compile(p, "%{claim:sub}", NULL), &nobody), "-", "nobody has no subject");
    is(render(p, compile(p, "%{user}", NULL), &nobody), "-", "and no name");
    is(render(p, compile(p, "%{access_token}", NULL), &nobody), "-", "and no token");
    is(render(p, dept, &nobody), "claim_missing: %{claim:dept} is missing",
       "what nobody must have is missing");
    is(render(p, dept, &opaque), "claims_unavailable: %{claim:dept} is missing",
       "of an opaque token it is said that nothing is known");
    is(render(p, compile(p, "%{claim:sub} %{user}", required), &opaque), "the-subject web",
       "but for who it is");
    is(render(p, compile(p, "%{id_token}", required), &opaque),
       "claim_missing: %{id_token} is missing", "a token is no claim");

    gate_span value;
    ok(gate_template_render(p, dept, &nobody, &value, NULL) == GATE_CLAIM_MISSING && !value.ptr,
       "nobody needs to ask for the detail");
}

static const char *shown(apr_pool_t *p, const char *text)
{
    return gate_span_for_log(p, gate_span_of(text), 64);
}

static void problems(apr_pool_t *p)
{
    static const struct {
        const char *text, *options[MAX_OPTIONS], *says;
    } cases[] = {
        {"%{email}",
         {0},
         "%{email} is nothing that can be put in; there are %{claim:NAME}, "
         "%{assertion:AUDIENCE}, %{user}, %{method}, %{access_token}, %{access_token_expires}, "
         "%{id_token}, %{introspection}, %{userinfo}, %{session}, %{expires}"},
        {"%{}", {0}, "%{} is nothing"},
        {"%{User}", {0}, "%{User} is nothing"},
        {"%{user }", {0}, "%{user } is nothing"},
        {"%{claim}", {0}, "%{claim} is nothing"},
        {"%{claim:}", {0}, "names no claim"},
        {"%{claim:id:}", {0}, "names no claim"},
        {"%{user", {0}, "no closing }"},
        {"100%", {0}, "a percent sign stands alone: write %%"},
        {"%user", {0}, "a percent sign stands alone"},
        {"a\nb", {0}, "control character"},
        {"%{user}", {"join="}, "join= is empty"},
        {"%{user}", {"join=\n"}, "join= holds a control character"},
        {"%{user}", {"encode="}, "encode= is unknown; there are raw"},
        {"%{user}", {"encode=base64"}, "encode=base64 is unknown"},
        {"%{user}", {"Required"}, "\"Required\" is no option; there are join="},
        {"Bearer", {"%{access_token}"}, "a template with spaces stands in quotes"},
        {"%{user}", {"default=%{nobody}"}, "%{nobody} is nothing"},
        {"%{assertion}", {0}, "does not say for which backend"},
        {"%{assertion:}", {0}, "does not say for which backend"},
        {"%{assertion:two words}", {0}, "without blanks"},
        {"%{assertion:caf\xc3\xa9}", {0}, "without blanks"},
        {"%{assertions:x}", {0}, "%{assertions:x} is nothing"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_template *compiled = NULL;
        const char *problem = gate_template_compile(p, cases[i].text, cases[i].options, &compiled);
        ok(problem && strstr(problem, cases[i].says), "\"%s\" %s: %s", shown(p, cases[i].text),
           shown(p, cases[i].options[0]), cases[i].says);
        ok(!compiled, "and there is no template");
    }
}

static void needs(apr_pool_t *p)
{
    static const struct {
        const char *text;
        unsigned want;
    } cases[] = {
        {"%{claim:access_token} %{user} %{method} %%{id_token}", 0},
        {"%{access_token}", GATE_NEEDS_ACCESS_TOKEN},
        {"%{id_token}", GATE_NEEDS_ID_TOKEN},
        {"%{introspection}", GATE_NEEDS_INTROSPECTION},
        {"%{userinfo}", GATE_NEEDS_USERINFO},
        {"%{userinfo}%{id_token}%{userinfo}", GATE_NEEDS_USERINFO | GATE_NEEDS_ID_TOKEN},
        {"%{access_token_expires}", GATE_NEEDS_ACCESS_TOKEN},
        {"%{session} %{expires}", 0},
        {"%{assertion:a}", GATE_NEEDS_ASSERTION},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(gate_template_needs(compile(p, cases[i].text, NULL)) == cases[i].want, "what %s needs",
           cases[i].text);
    static const char *const options[] = {"default=%{id_token}", NULL};
    ok(gate_template_needs(compile(p, "%{access_token}", options)) ==
           (GATE_NEEDS_ACCESS_TOKEN | GATE_NEEDS_ID_TOKEN),
       "what a default needs is needed");
    ok(!(GATE_NEEDS_TOKENS & GATE_NEEDS_ASSERTION), "an assertion is no token of the provider's");
}

/* A session has one name for all its requests, which is neither where it is filed nor anything
 * that shows where. */
static void sessions(apr_pool_t *p)
{
    const gate_template *compiled = compile(p, "%{session}", NULL);
    const gate_digest one = {.bytes = {1, 2, 3}}, other = {.bytes = {1, 2, 4}};
    gate_template_values who = {.session = &one};
    const char *name = render(p, compiled, &who), *again = render(p, compiled, &who);

    is(again, name, "a session is known by one name");
    ok(strlen(name) == 22 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789-_") == 22,
       "of 22 characters that stand everywhere (%s)", name);
    ok(strncmp(name, gate_base64url_encode(p, (gate_span){(const char *)one.bytes, 16}), 4) != 0,
       "which is not where it is filed");
    who.session = &other;
    ok(strcmp(render(p, compiled, &who), name) != 0, "another session has another");
    who.session = NULL;
    is(render(p, compiled, &who), "-", "a token has none");
    who.expires = 0;
    is(render(p, compile(p, "%{expires}", NULL), &who), "-", "and what is not known is not said");
}

static void text_is_copied(apr_pool_t *p)
{
    char text[] = "<%{claim:email}>", option[] = "join=;";
    const char *const options[] = {option, NULL};
    const gate_template *compiled = compile(p, text, options);
    memset(text, 'x', strlen(text));
    memset(option, 'x', strlen(option));
    const gate_template_values who = {.identity = identity_of(p, "{\"email\":[\"a\",\"b\"]}")};
    is(render(p, compiled, &who), "<a;b>", "a template does not need its text any more");
}

static const char *repeat(apr_pool_t *p, char c, size_t len)
{
    char *text = apr_palloc(p, len + 1);
    memset(text, c, len);
    text[len] = '\0';
    return text;
}

static void lengths(apr_pool_t *p)
{
    static const char *const percent[] = {"encode=percent", NULL}, *const base64url[] = {
                                                                       "encode=base64url", NULL};
    const gate_template *one = compile(p, "%{user}", NULL), *two = compile(p, "%{user}x", NULL);
    const char *longest = repeat(p, 'a', GATE_TEMPLATE_MAX_BYTES);
    gate_template_values who = {.user = longest};
    is(render(p, one, &who), longest, "a value may be as long as the limit");
    is(render(p, two, &who), "claim_unsafe: 'x' makes the value longer than 16 KiB",
       "and no longer");
    who.user = apr_pstrcat(p, longest, "a", NULL);
    is(render(p, one, &who), "claim_unsafe: %{user} makes the value longer than 16 KiB",
       "however it comes");
    who.user = repeat(p, '/', GATE_TEMPLATE_MAX_BYTES / 3);
    ok(strlen(render(p, compile(p, "%{user}", percent), &who)) == GATE_TEMPLATE_MAX_BYTES / 3 * 3,
       "what counts is the length as it is sent");
    who.user = repeat(p, '/', GATE_TEMPLATE_MAX_BYTES / 3 + 1);
    is(render(p, compile(p, "%{user}", percent), &who),
       "claim_unsafe: %{user} makes the value longer than 16 KiB", "with percent signs");
    who.user = longest;
    is(render(p, compile(p, "%{user}", base64url), &who),
       "claim_unsafe: %{user} makes the value longer than 16 KiB", "or in base64url");
}

/* Each control character at each place: none comes through, whatever stands beside it. */
static void controls(apr_pool_t *p)
{
    const gate_template *compiled = compile(p, "%{access_token}", NULL);
    int through = 0, refused = 0;
    for (int c = 1; c < 256; c++) {
        const bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
        for (size_t at = 1; at < 23; at++) {
            char text[] = "a\xff\x80\tz \x7e!aaaaaaa\x81\xa0\xdf\xe0\x9f\x21zzz";
            gate_span value;
            text[at] = (char)c;
            const gate_template_values who = {.access_token = {text, strlen(text)}};
            const gate_reason reason = gate_template_render(p, compiled, &who, &value, NULL);
            through += is_control && reason == GATE_OK;
            refused += !is_control && reason != GATE_OK;
        }
    }
    ok(through == 0, "no control character comes through");
    ok(refused == 0, "and nothing else is taken for one (%d)", refused);
    const gate_template_values who = {.access_token = {"a\0b", 3}};
    is(render(p, compiled, &who),
       "claim_unsafe: %{access_token} holds a control character; see encode=", "nor a NUL");
}

/* -- whoever splits a list at the separator gets the members back -- */

static unsigned draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 16) % below;
}

static const char *draw_members(apr_pool_t *p, unsigned *state, const char **members, int count)
{
    const char *json = "";
    for (int i = 0; i < count; i++) {
        char text[5];
        const size_t len = draw(state, sizeof text);
        for (size_t n = 0; n < len; n++)
            text[n] = "a-, "[draw(state, 4)];
        members[i] = apr_pstrmemdup(p, text, len);
        json = apr_pstrcat(p, json, i ? ",\"" : "\"", members[i], "\"", NULL);
    }
    return apr_pstrcat(p, "{\"c\":[", json, "]}", NULL);
}

static bool splits_into(const char *value, const char *separator, const char *const *members,
                        int count)
{
    for (int i = 0; i < count; i++) {
        const char *end = strstr(value, separator);
        const size_t len = end ? (size_t)(end - value) : strlen(value);
        if (len != strlen(members[i]) || memcmp(value, members[i], len) || !end != (i == count - 1))
            return false;
        value += len + (end ? strlen(separator) : 0);
    }
    return true;
}

static void lists_come_back(apr_pool_t *p)
{
    enum { ROUNDS = 20000, MAX_MEMBERS = 4 };
    static const char *const separators[] = {",", "-", "--", ", ", "-,-", "- -", "aa"};
    unsigned state = 1;
    int back = 0, refused = 0;
    apr_pool_t *each;
    apr_pool_create(&each, p);
    for (int i = 0; i < ROUNDS; i++, apr_pool_clear(each)) {
        const char *separator = separators[draw(&state, COUNT(separators))];
        const char *const options[] = {apr_pstrcat(each, "join=", separator, NULL), NULL};
        const char *members[MAX_MEMBERS];
        const int count = 1 + (int)draw(&state, MAX_MEMBERS);
        const char *json = draw_members(each, &state, members, count);
        const gate_template_values who = {.identity = identity_of(each, json)};
        gate_span value;
        if (gate_template_render(each, compile(each, "%{claim:c}", options), &who, &value, NULL) !=
            GATE_OK) {
            refused++;
        } else if (splits_into(value.ptr, separator, members, count)) {
            back++;
        } else {
            ok(0, "%s with \"%s\" is told as \"%s\"", json, separator, value.ptr);
            return;
        }
    }
    ok(back > ROUNDS / 20 && refused > ROUNDS / 20, "lists are told apart (%d) or refused (%d)",
       back, refused);
    apr_pool_destroy(each);
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    values(p);
    strangers(p);
    problems(p);
    needs(p);
    sessions(p);
    text_is_copied(p);
    lengths(p);
    controls(p);
    lists_come_back(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
