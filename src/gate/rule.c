/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/rule.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/number.h"
#include "base/quantity.h"
#include "gate/claim_note.h"
#include "gate/gate.h"
#include "oidc/token.h"

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
    /* Of the access token: an ID token's is always the gate itself. */
    [GATE_RULE_AUDIENCE] = {"audience", {"at:aud"}, false, GATE_CLAIM_MISSING, GATE_CLAIM_MISMATCH},
};

/* NAME, a sign, and what the claim must be. */
struct test {
    gate_claim_name name;
    gate_claim_name voucher; /* what may say that the claim proves nothing; without path: nothing */
    const struct sign *sign;
    gate_span value;
    const void *regex;
};

struct gate_rule {
    gate_reason (*check)(const gate_rule *rule, const gate_identity *identity);
    /* Says for the log what was there instead. */
    void (*describe)(gate_claim_note *note, const gate_rule *rule, const gate_identity *identity);

    /* claim */
    const gate_regex_engine *engine;
    const struct test *tests;
    int test_count;

    /* scope and its kin: their claims; no-claim: what must not be there */
    const gate_claim_name *names;
    int name_count;
    const struct kind *kind; /* NULL: another rule */
    bool or_granted;
    const char *const *alternatives; /* each "a b", one space between words */
    int alternative_count;

    /* method */
    unsigned methods; /* a bit for each gate_method */

    /* acr and auth-age */
    gate_step_up step_up; /* asks for nothing: another rule */
};

const char *gate_rule_kind_name(gate_rule_kind kind)
{
    return kind < GATE_RULE_KIND_COUNT ? kinds[kind].name : "none";
}

/* -- the signs between a name and a value -- */

static const char *read_value(apr_pool_t *p, const char *text, const gate_regex_engine *engine,
                              struct test *test)
{
    test->value = gate_span_of(apr_pstrdup(p, text));
    return NULL;
}

static bool is_same(gate_span a, gate_span b)
{
    return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len);
}

static gate_match match_if(bool is_so)
{
    return is_so ? GATE_MATCH_YES : GATE_MATCH_NO;
}

static gate_match equals(const gate_rule *rule, const struct test *test, gate_span value,
                         gate_value_type type)
{
    return match_if(is_same(value, test->value));
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

static gate_match matches(const gate_rule *rule, const struct test *test, gate_span value,
                          gate_value_type type)
{
    return rule->engine->matches(test->regex, value);
}

static const char *read_number(apr_pool_t *p, const char *text, const gate_regex_engine *engine,
                               struct test *test)
{
    if (!gate_number_is(gate_span_of(text)))
        return apr_psprintf(p, "\"%s\" is no number: write one as JSON does, such as 7 or -0.5",
                            text);
    return read_value(p, text, engine, test);
}

static gate_match is_at_least(const gate_rule *rule, const struct test *test, gate_span value,
                              gate_value_type type)
{
    return match_if(type == GATE_VALUE_NUMBER && gate_number_compare(value, test->value) >= 0);
}

static gate_match is_at_most(const gate_rule *rule, const struct test *test, gate_span value,
                             gate_value_type type)
{
    return match_if(type == GATE_VALUE_NUMBER && gate_number_compare(value, test->value) <= 0);
}

static const struct sign {
    const char *text;
    const char *(*read)(apr_pool_t *p, const char *text, const gate_regex_engine *engine,
                        struct test *test);
    /* Whether a value of the claim, neither null nor nested, is what is wanted. */
    gate_match (*holds)(const gate_rule *rule, const struct test *test, gate_span value,
                        gate_value_type type);
} signs[] = {
    {":", read_value, equals},
    {"~", read_regex, matches},
    {">=", read_number, is_at_least},
    {"<=", read_number, is_at_most},
};

/* The sign that stands there. The colon of "://" is none. */
static const struct sign *sign_at(const char *at)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (!strncmp(at, signs[i].text, strlen(signs[i].text)) && strncmp(at, "://", 3))
            return &signs[i];
    return NULL;
}

/* -- matching -- */

/* Neither null nor a nested value is ever what a rule wants. */
static bool is_comparable(gate_value_type type)
{
    return type == GATE_VALUE_STRING || type == GATE_VALUE_NUMBER || type == GATE_VALUE_BOOLEAN;
}

static gate_match passes(const gate_rule *rule, const struct test *test, const gate_claim *claim)
{
    gate_match match = GATE_MATCH_NO;
    for (int i = 0; i < claim->count && match != GATE_MATCH_YES; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(claim, i, &type);
        const gate_match one =
            is_comparable(type) ? test->sign->holds(rule, test, value, type) : GATE_MATCH_NO;
        if (one != GATE_MATCH_NO)
            match = one;
    }
    return match;
}

/* OpenID Connect Core section 5.7: at many a provider anybody can write any address into their
 * account, and where the provider says itself that it has not looked, it is nobody's. */
static bool is_disowned(const gate_identity *identity, const struct test *test)
{
    gate_claim claim;

    if (!test->voucher.path.ptr || !gate_claim_find_for_rule(identity, &test->voucher, &claim))
        return false;
    for (int i = 0; i < claim.count; i++) {
        gate_value_type type;

        if (gate_span_is(gate_claim_value(&claim, i, &type), "false"))
            return true;
    }
    return false;
}

static gate_match is_met(const gate_rule *rule, const struct test *test, const gate_claim *claim,
                         const gate_identity *identity)
{
    const gate_match match = passes(rule, test, claim);

    return match == GATE_MATCH_YES && is_disowned(identity, test) ? GATE_MATCH_NO : match;
}

static gate_reason check_tests(const gate_rule *rule, const gate_identity *identity)
{
    gate_reason reason = GATE_CLAIM_MISSING;
    for (int i = 0; i < rule->test_count; i++) {
        const gate_claim_name *name = &rule->tests[i].name;
        gate_claim claim;
        const bool is_there = gate_claim_find_for_rule(identity, name, &claim);
        const gate_match match =
            is_there ? is_met(rule, &rule->tests[i], &claim, identity) : GATE_MATCH_NO;
        if (match == GATE_MATCH_YES)
            return GATE_OK;
        if (match == GATE_MATCH_UNKNOWN)
            reason = GATE_RULE_UNDECIDED;
        else if (reason == GATE_CLAIM_MISSING && (is_there || gate_claim_is_barred(identity, name)))
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
        if (!gate_claim_find_for_rule(identity, &rule->names[i], &list->claim))
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

static bool list_has(const struct list *list, gate_span word)
{
    if (list->is_text)
        return gate_scope_has(list->text, word);
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

/* In any source at all: what one hides of another counts too. */
static bool find_anywhere(const gate_identity *identity, const gate_claim_name *name,
                          gate_claim *claim)
{
    gate_claim_name pinned = *name;
    if (gate_claim_find(identity, name, claim))
        return true;
    for (int i = 0; name->source < 0 && i < GATE_SOURCE_COUNT; i++) {
        pinned.source = i;
        if (gate_claim_find(identity, &pinned, claim))
            return true;
    }
    return false;
}

/* That a claim is not there can only be told where claims are known: nobody, and a token that
 * nobody can read, are refused. */
static bool is_known(const gate_identity *identity, const gate_claim_name *name)
{
    return identity && gate_identity_has_claims(identity, name->source);
}

static gate_reason check_absence(const gate_rule *rule, const gate_identity *identity)
{
    gate_claim claim;
    for (int i = 0; i < rule->name_count; i++) {
        if (!is_known(identity, &rule->names[i]))
            return GATE_CLAIMS_UNAVAILABLE;
        if (find_anywhere(identity, &rule->names[i], &claim))
            return GATE_CLAIM_MISMATCH;
    }
    return GATE_OK;
}

static gate_reason check_method(const gate_rule *rule, const gate_identity *identity)
{
    return identity && rule->methods >> gate_identity_method(identity) & 1 ? GATE_OK
                                                                           : GATE_RULE_REFUSED;
}

/* -- what the claim was, for the log -- */

static bool was_shown(const struct test *tests, int index)
{
    for (int i = 0; i < index; i++)
        if (tests[i].name.source == tests[index].name.source &&
            is_same(tests[i].name.path, tests[index].name.path))
            return true;
    return false;
}

static void describe_tests(gate_claim_note *note, const gate_rule *rule,
                           const gate_identity *identity)
{
    for (int i = 0; i < rule->test_count && note->len < GATE_CLAIM_NOTE_BYTES; i++) {
        const struct test *test = &rule->tests[i];

        if (was_shown(rule->tests, i))
            continue;
        gate_note_claim(note, &test->name, identity);
        if (is_disowned(identity, test))
            gate_note_claim(note, &test->voucher, identity);
    }
}

static void describe_list(gate_claim_note *note, const gate_rule *rule,
                          const gate_identity *identity)
{
    struct list list;
    if (!find_list(rule, identity, &list)) {
        gate_note_missing(note, &rule->names[0], identity);
    } else if (list.name) {
        gate_note_found(note, list.name, &list.claim);
    } else {
        gate_note_text(note, "the granted scope is ");
        gate_note_quoted(note, list.text);
    }
}

static void describe_absence(gate_claim_note *note, const gate_rule *rule,
                             const gate_identity *identity)
{
    gate_claim claim;
    for (int i = 0; i < rule->name_count && !note->len; i++) {
        if (!is_known(identity, &rule->names[i]))
            gate_note_missing(note, &rule->names[i], identity);
        else if (find_anywhere(identity, &rule->names[i], &claim))
            gate_note_found(note, &rule->names[i], &claim);
    }
}

static void describe_method(gate_claim_note *note, const gate_rule *rule,
                            const gate_identity *identity)
{
    gate_note_text(note, "the method is ");
    gate_note_text(note, identity ? gate_method_name((gate_method)gate_identity_method(identity))
                                  : "none");
}

/* -- reading -- */

static bool is_escape(const char *at)
{
    return at[0] == '\\' && at[1] && strchr(":~<>", at[1]);
}

/* Where the name ends: at a sign, or at the end of the word where there is none. */
static const char *end_of_name(const char *at)
{
    for (; *at && !sign_at(at); at++)
        if (is_escape(at))
            at++;
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

static void find_voucher(struct test *test)
{
    if (!gate_span_is(test->name.path, "email"))
        return;
    gate_claim_name_read(GATE_SPAN("email_verified"), &test->voucher);
    test->voucher.source = test->name.source;
}

static const char *read_test(apr_pool_t *p, const char *word, const gate_regex_engine *engine,
                             struct test *test)
{
    gate_claim_name whole;
    if (!gate_claim_name_read(gate_span_of(word), &whole))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME:VALUE or NAME~REGEX", word);
    const char *end = end_of_name(whole.path.ptr);
    test->sign = sign_at(end);
    if (!test->sign)
        return apr_psprintf(
            p,
            "\"%s\" has no value: write NAME:VALUE or NAME~REGEX, as in "
            "groups:staff (\"id:\", \"userinfo:\" and \"at:\" in front of NAME only "
            "say whose claim is meant)",
            word);
    if (!gate_claim_name_read(unescape(p, word, end), &test->name))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME:VALUE or NAME~REGEX", word);
    find_voucher(test);
    const char *value = end + strlen(test->sign->text);
    if (!*value)
        return apr_psprintf(p,
                            "\"%s\" has an empty value: write what the claim must be, or %.*s~. "
                            "where any value will do",
                            word, (int)(end - word), word);
    return test->sign->read(p, value, engine, test);
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
    made->check = check_tests;
    made->describe = describe_tests;
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
    gate_claim_name *names = apr_pcalloc(p, MAX_CLAIMS_OF_KIND * sizeof *names);
    const char *first = **words;
    rule->names = names;
    if (first && gate_span_starts(gate_span_of(first), CLAIM_OPTION)) {
        const char *name = apr_pstrdup(p, first + strlen(CLAIM_OPTION));
        rule->or_granted = false;
        rule->name_count = 1;
        ++*words;
        return gate_claim_name_read(gate_span_of(name), &names[0])
                   ? NULL
                   : "claim= names no claim: write claim=NAME";
    }
    rule->or_granted = rule->kind->or_granted;
    for (int i = 0; i < MAX_CLAIMS_OF_KIND && rule->kind->claims[i]; i++) {
        gate_claim_name_read(gate_span_of(rule->kind->claims[i]), &names[i]);
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
    made->check = check_list;
    made->describe = describe_list;
    made->kind = &kinds[kind];
    const char *problem = read_names(p, &words, made);
    if (!problem)
        problem = read_alternatives(p, words, made);
    if (!problem)
        *rule = made;
    return problem;
}

/* Like the name in NAME:VALUE; and what has a value is no name, or it would name a claim that
 * nobody has. */
static const char *read_absent(apr_pool_t *p, const char *word, gate_claim_name *name)
{
    gate_claim_name whole;
    if (!gate_claim_name_read(gate_span_of(word), &whole))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME", word);
    const char *end = end_of_name(whole.path.ptr);
    if (*end)
        return apr_psprintf(p,
                            "\"%s\" has a value: write %.*s alone, which nobody may have at all; "
                            "to keep out one of its values, put Require claim %s into "
                            "<RequireNone>",
                            word, (int)(end - word), word, word);
    if (!gate_claim_name_read(unescape(p, word, end), name))
        return apr_psprintf(p, "\"%s\" names no claim: write NAME", word);
    return NULL;
}

const char *gate_rule_no_claim(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(gate_claim_name));
    for (; *words; words++) {
        const char *problem = read_absent(p, *words, apr_array_push(names));
        if (problem)
            return problem;
    }
    if (!names->nelts)
        return "nothing to rule out: write NAME..., as in act";
    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->check = check_absence;
    made->describe = describe_absence;
    made->names = (const gate_claim_name *)names->elts;
    made->name_count = names->nelts;
    *rule = made;
    return NULL;
}

const char *gate_rule_method(apr_pool_t *p, const char *const *words, const gate_rule **rule)
{
    unsigned methods = 0;
    for (; *words; words++) {
        gate_method method;
        if (!gate_method_find(*words, &method))
            return apr_psprintf(p,
                                "\"%s\" is no method: write one or more of those that "
                                "OIDCGateMethods knows, as in code",
                                *words);
        methods |= 1u << method;
    }
    if (!methods)
        return "nothing to require: write METHOD..., as in code";
    gate_rule *made = apr_pcalloc(p, sizeof *made);
    made->check = check_method;
    made->describe = describe_method;
    made->methods = methods;
    *rule = made;
    return NULL;
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

/* -- asking -- */

const char *gate_rule_seen(const gate_rule *rule, const gate_identity *identity, apr_pool_t *p)
{
    gate_claim_note note = {.pool = p, .len = 0};
    if (gate_step_up_is_asked(&rule->step_up))
        return NULL;
    rule->describe(&note, rule, identity);
    return gate_note_end(&note);
}

gate_reason gate_rule_check(const gate_rule *rule, const gate_identity *identity,
                            gate_rule_time time, apr_pool_t *p, const char **detail)
{
    if (gate_step_up_is_asked(&rule->step_up))
        return gate_step_up_check(&rule->step_up, identity, time.now, time.skew, p, detail);
    const gate_reason reason = rule->check(rule, identity);
    if (reason == GATE_OK || !detail)
        return reason;
    *detail = gate_rule_seen(rule, identity, p);
    return reason;
}

const char *gate_rule_scope_needed(const gate_rule *rule)
{
    return rule->kind == &kinds[GATE_RULE_SCOPE] ? rule->alternatives[0] : NULL;
}

const gate_step_up *gate_rule_step_up(const gate_rule *rule)
{
    return gate_step_up_is_asked(&rule->step_up) ? &rule->step_up : NULL;
}
