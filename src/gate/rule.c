/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/rule.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/quantity.h"

#define MAX_CLAIMS_OF_KIND 2

/* A rule over a list. A new one is a row here and a constant in rule.h. */
static const struct kind {
    const char *name;
    const char *claims[MAX_CLAIMS_OF_KIND]; /* the first that exists is read */
    bool or_granted;                        /* and else what the token endpoint granted */
    gate_reason missing, mismatch;
} kinds[GATE_RULE_KIND_COUNT] = {
    /* RFC 9068 section 2.2.3 has "scope", a string; others write "scp", often a list. */
    [GATE_RULE_SCOPE] = {"scope", {"scope", "scp"}, true, GATE_SCOPE_MISSING, GATE_SCOPE_MISSING},
    /* RFC 9068 section 2.2.3.1. */
    [GATE_RULE_ROLE] = {"role", {"roles"}, false, GATE_CLAIM_MISSING, GATE_CLAIM_MISMATCH},
    [GATE_RULE_GROUP] = {"group", {"groups"}, false, GATE_CLAIM_MISSING, GATE_CLAIM_MISMATCH},
};

/* NAME:VALUE or NAME~REGEX. */
struct test {
    gate_claim_name name;
    gate_span value;
    const void *regex; /* NULL: the value counts */
};

struct gate_rule {
    /* claim */
    const gate_regex_engine *engine;
    const struct test *tests;
    int test_count;

    /* scope and its kin */
    const struct kind *kind; /* NULL: a claim rule */
    gate_claim_name names[MAX_CLAIMS_OF_KIND];
    int name_count;
    bool or_granted;
    const char *const *alternatives; /* each "a b", one space between words */
    int alternative_count;

    /* acr and auth-age */
    gate_step_up step_up; /* asks for nothing: another rule */
};

const char *gate_rule_kind_name(gate_rule_kind kind)
{
    return kind < GATE_RULE_KIND_COUNT ? kinds[kind].name : "none";
}

/* -- reading -- */

static bool is_escape(const char *at)
{
    return at[0] == '\\' && (at[1] == ':' || at[1] == '~');
}

/* Where the name ends: at a ':' or '~', or at the end of the word where there is none. */
static const char *end_of_name(const char *at)
{
    for (; *at; at++) {
        if (is_escape(at))
            at++;
        else if (*at == '~' || (*at == ':' && strncmp(at, "://", 3)))
            break;
    }
    return at;
}

static gate_span unescape(apr_pool_t *p, const char *from, const char *end)
{
    char *text = apr_palloc(p, (size_t)(end - from) + 1);
    char *to = text;
    while (from < end) {
        if (is_escape(from))
            from++;
        *to++ = *from++;
    }
    *to = '\0';
    return (gate_span){text, (size_t)(to - text)};
}

static const char *read_regex(apr_pool_t *p, const char *pattern, const gate_regex_engine *engine,
                              struct test *test)
{
    const char *problem = "regular expressions are not available here";
    if (engine)
        test->regex = engine->compile(p, pattern, &problem);
    if (!test->regex)
        return apr_psprintf(p, "\"%s\" is no regular expression: %s", pattern, problem);
    return NULL;
}

static const char *read_test(apr_pool_t *p, const char *word, const gate_regex_engine *engine,
                             struct test *test)
{
    gate_claim_name whole;
    if (!gate_claim_name_read(gate_span_of(word), &whole))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME:VALUE or NAME~REGEX", word);
    const char *end = end_of_name(whole.path.ptr);
    if (!*end)
        return apr_psprintf(
            p,
            "\"%s\" has no value: write NAME:VALUE or NAME~REGEX, as in "
            "groups:staff (\"id:\", \"userinfo:\" and \"at:\" in front of NAME only "
            "say whose claim is meant)",
            word);
    if (!gate_claim_name_read(unescape(p, word, end), &test->name))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME:VALUE or NAME~REGEX", word);
    if (!end[1])
        return apr_psprintf(p,
                            "\"%s\" has an empty value: write what the claim must be, or %.*s~. "
                            "where any value will do",
                            word, (int)(end - word), word);
    if (*end == '~')
        return read_regex(p, end + 1, engine, test);
    test->value = gate_span_of(apr_pstrdup(p, end + 1));
    return NULL;
}

const char *gate_rule_claim(apr_pool_t *p, const char *const *words, const gate_regex_engine *regex,
                            const gate_rule **rule)
{
    apr_array_header_t *tests = apr_array_make(p, 4, sizeof(struct test));
    for (; *words; words++) {
        struct test test = {0};
        const char *problem = read_test(p, *words, regex, &test);
        if (problem)
            return problem;
        *(struct test *)apr_array_push(tests) = test;
    }
    if (!tests->nelts)
        return "nothing to require: write NAME:VALUE or NAME~REGEX, as in groups:staff";

    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->engine = regex;
    made->tests = (const struct test *)tests->elts;
    made->test_count = tests->nelts;
    *rule = made;
    return NULL;
}

#define CLAIM_OPTION "claim="

/* Takes claim=NAME off the words, if it is there. */
static const char *read_names(apr_pool_t *p, const char *const **words, gate_rule *rule)
{
    const char *first = **words;
    if (first && gate_span_starts(gate_span_of(first), CLAIM_OPTION)) {
        const char *name = apr_pstrdup(p, first + strlen(CLAIM_OPTION));
        rule->or_granted = false;
        rule->name_count = 1;
        ++*words;
        return gate_claim_name_read(gate_span_of(name), &rule->names[0])
                   ? NULL
                   : "claim= names no claim: write claim=NAME";
    }
    rule->or_granted = rule->kind->or_granted;
    for (int i = 0; i < MAX_CLAIMS_OF_KIND && rule->kind->claims[i]; i++) {
        gate_claim_name_read(gate_span_of(rule->kind->claims[i]), &rule->names[i]);
        rule->name_count = i + 1;
    }
    return NULL;
}

/* One space between the words of an alternative, none around them; "" where there are none. */
static const char *tidy(apr_pool_t *p, const char *alternative)
{
    gate_span rest = gate_span_of(alternative), word;
    char *text = apr_palloc(p, rest.len + 1);
    char *to = text;
    while (gate_span_word(&rest, &word)) {
        if (to != text)
            *to++ = ' ';
        memcpy(to, word.ptr, word.len);
        to += word.len;
    }
    *to = '\0';
    return text;
}

static const char *read_alternatives(apr_pool_t *p, const char *const *words, gate_rule *rule)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    for (; *words; words++) {
        const char *alternative = tidy(p, *words);
        if (!*alternative)
            return "an empty word would admit everybody: leave it out";
        if (gate_span_starts(gate_span_of(alternative), CLAIM_OPTION))
            return apr_psprintf(p, "\"%s\" must be the first word, and the only one of its kind",
                                alternative);
        *(const char **)apr_array_push(list) = alternative;
    }
    if (!list->nelts)
        return "nothing to require: write [claim=NAME] WORD..., with words that must all be there "
               "in one pair of quotes";
    rule->alternatives = (const char *const *)(const void *)list->elts;
    rule->alternative_count = list->nelts;
    return NULL;
}

const char *gate_rule_list(apr_pool_t *p, gate_rule_kind kind, const char *const *words,
                           const gate_rule **rule)
{
    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->kind = &kinds[kind];
    const char *problem = read_names(p, &words, made);
    if (!problem)
        problem = read_alternatives(p, words, made);
    if (!problem)
        *rule = made;
    return problem;
}

/* All values together, which go into a cookie and into a header, and the longest age; a century of
 * seconds fits any number that a provider reads. */
#define ACR_VALUES_MAX_BYTES 512
#define AUTH_AGE_MAX_SECONDS (APR_UINT64_C(100) * 366 * 24 * 3600)

/* What acr_values may name, parted by spaces, in a quoted-string: as the words of a scope (RFC 6749
 * section 3.3). */
static bool is_acr_value(const char *text)
{
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            return false;
    return *text;
}

const char *gate_rule_acr(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    const char *values = NULL;
    for (; *words; words++) {
        if (!is_acr_value(*words))
            return apr_psprintf(p,
                                "\"%s\" is no value of acr: write one or more words apart, of "
                                "printable ASCII without quotes and backslashes",
                                *words);
        values = apr_pstrcat(p, values ? values : "", values ? " " : "", *words, NULL);
    }
    if (!values)
        return "nothing to require: write VALUE..., as the provider names its levels of sign-in";
    if (strlen(values) > ACR_VALUES_MAX_BYTES)
        return apr_psprintf(p, "the values are longer than %d bytes together",
                            ACR_VALUES_MAX_BYTES);
    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->step_up.acr_values = values;
    *rule = made;
    return NULL;
}

const char *gate_rule_auth_age(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    apr_uint64_t seconds;
    if (!words[0] || words[1])
        return "write one DURATION, as in auth-age 5m";
    if (!gate_duration_read(gate_span_of(words[0]), AUTH_AGE_MAX_SECONDS, &seconds) || !seconds)
        return apr_psprintf(p, "\"%s\" is no age: write a number with s, m, h or d, as in 5m",
                            words[0]);
    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->step_up.max_age = (apr_int64_t)seconds;
    *rule = made;
    return NULL;
}

/* -- matching -- */

/* Neither null nor a nested value is ever what a rule wants. */
static bool is_comparable(gate_value_type type)
{
    return type == GATE_VALUE_STRING || type == GATE_VALUE_NUMBER || type == GATE_VALUE_BOOLEAN;
}

static bool is_same(gate_span a, gate_span b)
{
    return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

/* RFC 9700 section 4.15: a rule about a subject is about a person, and a client may have got itself
 * a person's name. */
static bool is_barred(const gate_identity *identity, const gate_claim_name *name)
{
    return identity && gate_identity_is_client(identity) && gate_span_is(name->path, "sub");
}

static bool find(const gate_identity *identity, const gate_claim_name *name, gate_claim *claim)
{
    return identity && !is_barred(identity, name) && gate_claim_find(identity, name, claim);
}

static bool passes(const gate_rule *rule, const struct test *test, const gate_claim *claim)
{
    for (int i = 0; i < claim->count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(claim, i, &type);
        if (!is_comparable(type))
            continue;
        if (test->regex ? rule->engine->matches(test->regex, value) : is_same(value, test->value))
            return true;
    }
    return false;
}

static gate_reason check_tests(const gate_rule *rule, const gate_identity *identity)
{
    gate_reason reason = GATE_CLAIM_MISSING;
    for (int i = 0; i < rule->test_count; i++) {
        const gate_claim_name *name = &rule->tests[i].name;
        gate_claim claim;
        const bool is_there = find(identity, name, &claim);
        if (is_there && passes(rule, &rule->tests[i], &claim))
            return GATE_OK;
        if (is_there || is_barred(identity, name))
            reason = GATE_CLAIM_MISMATCH;
    }
    return reason;
}

/* What a list rule looks at: a text of words, or the members of a claim. */
struct list {
    bool is_text;
    gate_span text;
    gate_claim claim;
    const gate_claim_name *name; /* NULL: as granted */
};

static bool find_list(const gate_rule *rule, const gate_identity *identity, struct list *list)
{
    for (int i = 0; i < rule->name_count; i++) {
        gate_value_type type = GATE_VALUE_JSON;
        if (!find(identity, &rule->names[i], &list->claim))
            continue;
        list->name = &rule->names[i];
        if (!list->claim.is_array)
            list->text = gate_claim_value(&list->claim, 0, &type);
        list->is_text = type == GATE_VALUE_STRING;
        return true;
    }
    list->name = NULL;
    list->is_text = true;
    list->text =
        identity && rule->or_granted ? gate_identity_scope(identity) : (gate_span){NULL, 0};
    return list->text.ptr;
}

/* Words of a scope are parted by SP, and by nothing else (RFC 6749 section 3.3). */
static bool text_has(gate_span text, gate_span word)
{
    gate_span piece;
    while (gate_span_cut(&text, ' ', &piece))
        if (is_same(piece, word))
            return true;
    return false;
}

static bool list_has(const struct list *list, gate_span word)
{
    if (list->is_text)
        return text_has(list->text, word);
    for (int i = 0; i < list->claim.count; i++) {
        gate_value_type type;
        const gate_span member = gate_claim_value(&list->claim, i, &type);
        if (is_comparable(type) && is_same(member, word))
            return true;
    }
    return false;
}

static bool list_has_all(const struct list *list, const char *words)
{
    gate_span rest = gate_span_of(words), word;
    while (gate_span_cut(&rest, ' ', &word))
        if (!list_has(list, word))
            return false;
    return true;
}

static gate_reason check_list(const gate_rule *rule, const gate_identity *identity)
{
    struct list list;
    if (!find_list(rule, identity, &list))
        return rule->kind->missing;
    for (int i = 0; i < rule->alternative_count; i++)
        if (list_has_all(&list, rule->alternatives[i]))
            return GATE_OK;
    return rule->kind->mismatch;
}

/* -- what the claim was, for the log -- */

#define SHOWN_NAME_BYTES  64
#define SHOWN_VALUE_BYTES 64

typedef struct note {
    apr_pool_t *pool;
    char text[GATE_RULE_DETAIL_BYTES + 1];
    size_t len;
} note;

/* Adds what fits. The text is printable ASCII already. */
static void add(note *n, const char *text)
{
    const size_t len = strlen(text), room = GATE_RULE_DETAIL_BYTES - n->len;
    memcpy(n->text + n->len, text, len < room ? len : room);
    n->len += len < room ? len : room;
    n->text[n->len] = '\0';
}

static bool fits(const note *n, const char *text, size_t reserve)
{
    return n->len + strlen(text) + reserve <= GATE_RULE_DETAIL_BYTES;
}

static const char *show(apr_pool_t *p, gate_span value, gate_value_type type)
{
    const char *text = gate_span_for_log(p, value, SHOWN_VALUE_BYTES);
    return type == GATE_VALUE_STRING ? apr_pstrcat(p, "'", text, "'", NULL) : text;
}

static void add_members(note *n, const gate_claim *claim)
{
    const size_t reserve = strlen(", ... 1000000 more]");
    add(n, "[");
    for (int i = 0; i < claim->count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(claim, i, &type);
        const char *text = apr_pstrcat(n->pool, i ? ", " : "", show(n->pool, value, type), NULL);
        if (!fits(n, text, reserve)) {
            add(n, apr_psprintf(n->pool, "%s... %d more", i ? ", " : "", claim->count - i));
            break;
        }
        add(n, text);
    }
    add(n, "]");
}

static void add_claim(note *n, const gate_claim_name *name, const gate_claim *claim)
{
    gate_value_type type;
    add(n, n->len ? "; " : "");
    add(n, gate_span_for_log(n->pool, name->path, SHOWN_NAME_BYTES));
    add(n, " is ");
    if (claim->is_array) {
        add_members(n, claim);
        return;
    }
    const gate_span value = gate_claim_value(claim, 0, &type);
    add(n, show(n->pool, value, type));
}

/* Whoever wonders where a claim is reads here which sources were read at all. */
static void add_sources(note *n, const gate_identity *identity)
{
    if (!identity) {
        add(n, " (nobody is signed in)");
        return;
    }
    if (!gate_identity_has_claims(identity, -1)) {
        add(n, " (no claims are known of an opaque token: turn on introspection or userinfo)");
        return;
    }
    const char *before = " (claims are known from ";
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        if (!gate_identity_has_claims(identity, i))
            continue;
        add(n, before);
        add(n, gate_source_name((gate_source)i));
        before = ", ";
    }
    add(n, ")");
}

static void add_missing(note *n, const gate_claim_name *name, const gate_identity *identity)
{
    add(n, n->len ? "; " : "");
    if (is_barred(identity, name)) {
        add(n, "a client is no user");
        return;
    }
    add(n, "there is no claim ");
    add(n, gate_span_for_log(n->pool, name->path, SHOWN_NAME_BYTES));
    if (name->source >= 0)
        add(n, apr_psprintf(n->pool, " of %s", gate_source_name((gate_source)name->source)));
    add_sources(n, identity);
}

static bool was_shown(const struct test *tests, int index)
{
    for (int i = 0; i < index; i++)
        if (tests[i].name.source == tests[index].name.source &&
            is_same(tests[i].name.path, tests[index].name.path))
            return true;
    return false;
}

static void describe_tests(note *n, const gate_rule *rule, const gate_identity *identity)
{
    for (int i = 0; i < rule->test_count && n->len < GATE_RULE_DETAIL_BYTES; i++) {
        const gate_claim_name *name = &rule->tests[i].name;
        gate_claim claim;
        if (was_shown(rule->tests, i))
            continue;
        if (find(identity, name, &claim))
            add_claim(n, name, &claim);
        else
            add_missing(n, name, identity);
    }
}

static void describe_list(note *n, const gate_rule *rule, const gate_identity *identity)
{
    struct list list;
    if (!find_list(rule, identity, &list)) {
        add_missing(n, &rule->names[0], identity);
    } else if (list.name) {
        add_claim(n, list.name, &list.claim);
    } else {
        add(n, "the granted scope is ");
        add(n, show(n->pool, list.text, GATE_VALUE_STRING));
    }
}

static gate_reason check_lists(const gate_rule *rule, const gate_identity *identity, apr_pool_t *p,
                               const char **detail)
{
    const gate_reason reason =
        rule->kind ? check_list(rule, identity) : check_tests(rule, identity);
    if (reason == GATE_OK || !detail)
        return reason;
    note n = {.pool = p, .len = 0};
    if (rule->kind)
        describe_list(&n, rule, identity);
    else
        describe_tests(&n, rule, identity);
    *detail = apr_pstrmemdup(p, n.text, n.len);
    return reason;
}

gate_reason gate_rule_check(const gate_rule *rule, const gate_identity *identity,
                            gate_rule_time time, apr_pool_t *p, const char **detail)
{
    if (gate_rule_step_up(rule))
        return gate_step_up_check(&rule->step_up, identity, time.now, time.skew, p, detail);
    return check_lists(rule, identity, p, detail);
}

const char *gate_rule_scope_needed(const gate_rule *rule)
{
    return rule->kind == &kinds[GATE_RULE_SCOPE] ? rule->alternatives[0] : NULL;
}

const gate_step_up *gate_rule_step_up(const gate_rule *rule)
{
    return gate_step_up_is_asked(&rule->step_up) ? &rule->step_up : NULL;
}
