/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/rule.h"

#include "identity.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <regex.h>

#define COUNT(table)   (sizeof(table) / sizeof((table)[0]))
#define MAX_LINE_BYTES 65536

/* -- regular expressions for the rules: POSIX has some -- */

static apr_status_t release(void *regex)
{
    regfree(regex);
    return APR_SUCCESS;
}

static const void *compile_posix(apr_pool_t *p, const char *pattern, const char **problem)
{
    regex_t *regex = apr_palloc(p, sizeof *regex);
    if (regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB)) {
        *problem = "it does not compile";
        return NULL;
    }
    apr_pool_cleanup_register(p, regex, release, apr_pool_cleanup_null);
    return regex;
}

static gate_match match_posix(const void *regex, gate_span text)
{
    regmatch_t whole = {0, (regoff_t)text.len};
    return regexec(regex, text.ptr, 1, &whole, REG_STARTEND) ? GATE_MATCH_NO : GATE_MATCH_YES;
}

static const gate_regex_engine posix = {compile_posix, match_posix};

/* As rules.table says. */
static const gate_rule_time now = {1750000000, 30};

/* -- a rule as it stands behind Require -- */

/* Words as httpd parts them: blanks between, quotes around, a backslash before a quote or a
 * backslash. */
static const char *cut_word(apr_pool_t *p, const char **rest)
{
    const char *at = *rest + strspn(*rest, " ");
    const char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    char *word = apr_palloc(p, strlen(at) + 1), *to = word;
    while (*at && *at != (quote ? quote : ' ')) {
        if (*at == '\\' && (at[1] == '\\' || (quote && at[1] == quote)))
            at++;
        *to++ = *at++;
    }
    *to = '\0';
    *rest = at + (quote && *at == quote);
    return word;
}

static const char *const *part(apr_pool_t *p, const char *line)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(const char *));
    while (line[strspn(line, " ")])
        *(const char **)apr_array_push(words) = cut_word(p, &line);
    *(const char **)apr_array_push(words) = NULL;
    return (const char *const *)(const void *)words->elts;
}

static const struct {
    const char *name;
    const char *(*read)(apr_pool_t *p, const char *const *words, const gate_rule **rule);
} readers[] = {
    {"acr", gate_rule_acr},
    {"auth-age", gate_rule_auth_age},
    {"no-claim", gate_rule_no_claim},
    {"method", gate_rule_method},
};

static const char *read_rule(apr_pool_t *p, const char *line, const gate_rule **rule)
{
    const char *const *words = part(p, line);
    *rule = NULL;
    if (!strcmp(words[0], "claim"))
        return gate_rule_claim(p, words + 1, &posix, rule);
    for (size_t i = 0; i < COUNT(readers); i++)
        if (!strcmp(words[0], readers[i].name))
            return readers[i].read(p, words + 1, rule);
    for (int kind = 0; kind < GATE_RULE_KIND_COUNT; kind++)
        if (!strcmp(words[0], gate_rule_kind_name((gate_rule_kind)kind)))
            return gate_rule_list(p, (gate_rule_kind)kind, words + 1, rule);
    return "no such kind of rule";
}

static const gate_rule *rule_of(apr_pool_t *p, const char *line)
{
    const gate_rule *rule;
    const char *problem = read_rule(p, line, &rule);
    identity_must(!problem, problem ? problem : "", line);
    return rule;
}

static const char *judge(apr_pool_t *p, const char *line, const char *claims)
{
    const gate_rule *rule;
    if (read_rule(p, line, &rule))
        return "config_error";
    return gate_reason_name(gate_rule_check(rule, identity_of(p, claims), now, p, NULL));
}

/* -- the table -- */

/* Cuts the piece before the next tab, or the rest. */
static const char *cut_column(char **rest)
{
    char *column = *rest, *end = column + strcspn(column, "\t\n");
    *rest = *end == '\t' ? end + 1 : end;
    *end = '\0';
    return column;
}

static void table(apr_pool_t *p)
{
    static const char path[] = "tests/unit/rules.table";
    static char line[MAX_LINE_BYTES];
    int rows = 0;
    FILE *file = fopen(path, "r");
    identity_must(file != NULL, "run from the top of the tree; not readable", path);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *rest = line;
        const char *want = cut_column(&rest), *rule = cut_column(&rest),
                   *claims = cut_column(&rest);
        is(judge(p, rule, claims), want, "%s of %s", rule, claims);
        rows++;
    }
    fclose(file);
    ok(rows >= 200, "the table has at least 200 rows (%d)", rows);
}

/* A rule and claims a line, tab between: prints what comes of it. Somebody else compares. */
static int answer(apr_pool_t *p)
{
    static char line[MAX_LINE_BYTES];
    apr_pool_t *each;
    apr_pool_create(&each, p);
    while (fgets(line, sizeof line, stdin)) {
        char *rest = line;
        const char *rule = cut_column(&rest), *claims = cut_column(&rest);
        puts(judge(each, rule, claims));
        apr_pool_clear(each);
    }
    return 0;
}

/* -- what the table does not say -- */

static void problems(apr_pool_t *p)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"claim", "nothing to require"},
        {"claim groups", "\"groups\" has no value: write NAME:VALUE"},
        {"claim groups:", "\"groups:\" has an empty value"},
        {"claim groups:", "groups~. where any value will do"},
        {"claim id:groups", "only say whose claim is meant"},
        {"claim :staff", "\":staff\" names no claim"},
        {"claim at:", "\"at:\" names no claim"},
        {"claim a:1 groups~(", "\"(\" is no regular expression: it does not compile"},
        {"claim level>=", "\"level>=\" has an empty value"},
        {"claim level>=high", "\"high\" is no number"},
        {"claim level<=07", "\"07\" is no number"},
        {"no-claim", "nothing to rule out"},
        {"no-claim act \"\"", "\"\" names no claim"},
        {"no-claim at:", "\"at:\" names no claim"},
        {"no-claim groups:banned", "write groups alone"},
        {"no-claim groups:banned", "put Require claim groups:banned into <RequireNone>"},
        {"no-claim id:groups~.", "write id:groups alone"},
        {"no-claim level>=3", "write level alone"},
        {"method", "nothing to require"},
        {"method code GET", "\"GET\" is no method"},
        {"scope", "nothing to require"},
        {"scope claim=scp", "nothing to require"},
        {"scope claim= read", "claim= names no claim"},
        {"scope read claim=scp", "must be the first word"},
        {"scope \"\"", "would admit everybody"},
        {"acr", "nothing to require"},
        {"acr \"\"", "\"\" is no value of acr"},
        {"acr \"gold silver\"", "write one or more words apart"},
        {"acr gold \"a\\\"b\"", "is no value of acr"},
        {"acr caf\xc3\xa9", "is no value of acr"},
        {"auth-age", "write one DURATION"},
        {"auth-age 5m 10m", "write one DURATION"},
        {"auth-age 0", "\"0\" is no age"},
        {"auth-age 0m", "\"0m\" is no age"},
        {"auth-age -5m", "\"-5m\" is no age"},
        {"auth-age 5x", "\"5x\" is no age"},
        {"auth-age \"\"", "\"\" is no age"},
        {"auth-age 99999999999999999999", "is no age"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_rule *rule;
        const char *problem = read_rule(p, cases[i].line, &rule);
        ok(problem && strstr(problem, cases[i].says), "%s: %s", cases[i].line, cases[i].says);
        ok(!rule, "and there is no rule");
    }
    const char *const words[] = {"a~b", NULL};
    const gate_rule *rule = NULL;
    ok(gate_rule_claim(p, words, NULL, &rule) && !rule, "no expressions where the server has none");
    const char *const plain[] = {"a:b", NULL};
    ok(!gate_rule_claim(p, plain, NULL, &rule) && rule, "but values work without them");
}

static void details(apr_pool_t *p)
{
    static const struct {
        const char *line, *claims, *want;
    } cases[] = {
        {"claim groups:staff", "{\"groups\":\"boss\"}", "groups is 'boss'"},
        {"claim groups:staff", "{\"groups\":[\"a\",7,true,null,{\"b\":1}]}",
         "groups is ['a', 7, true, null, {\\x22b\\x22:1}]"},
        {"claim groups:staff", "{\"groups\":[]}", "groups is []"},
        {"claim groups:staff", "{\"groups\":\"\"}", "groups is ''"},
        {"claim groups:staff groups:boss", "{\"groups\":\"x\"}", "groups is 'x'"},
        {"claim groups:staff dept:it", "{\"groups\":\"x\",\"dept\":1}", "groups is 'x'; dept is 1"},
        {"claim groups:staff", "{\"groups\":\"a\\nlevel=error \\\"x\\\" \\u00e9\"}",
         "groups is 'a\\x0alevel=error \\x22x\\x22 \\xc3\\xa9'"},
        {"claim groups:staff", "{\"email\":\"x\"}",
         "there is no claim groups (claims are known from id_token)"},
        {"claim groups:staff", "[{\"id_token\":{\"a\":1}},{\"access_token\":{\"b\":1}}]",
         "there is no claim groups (claims are known from id_token, access_token)"},
        {"claim at:groups:staff", "{\"a\":1}",
         "there is no claim groups of access_token (claims are known from id_token)"},
        {"claim groups:staff", "[]",
         "there is no claim groups (no claims are known of an opaque token: turn on introspection "
         "or userinfo)"},
        {"scope read", "{\"scope\":\"write\"}", "scope is 'write'"},
        {"scope read", "{\"scp\":[\"write\"]}", "scp is ['write']"},
        {"scope read", "[\"openid email\"]", "the granted scope is 'openid email'"},
        {"group staff", "{\"email\":1}",
         "there is no claim groups (claims are known from id_token)"},
        {"audience api", "{\"aud\":\"c\"}",
         "there is no claim aud of access_token (claims are known from id_token)"},
        {"claim level>=3", "{\"level\":\"4\"}", "level is '4'"},
        {"claim level>=3 level<=1", "{\"level\":2}", "level is 2"},
        {"no-claim a act", "{\"act\":{\"sub\":\"x\"}}", "act is {\\x22sub\\x22:\\x22x\\x22}"},
        {"no-claim act", "[]",
         "there is no claim act (no claims are known of an opaque token: turn on introspection or "
         "userinfo)"},
        {"no-claim at:act", "{\"a\":1}",
         "there is no claim act of access_token (claims are known from id_token)"},
        {"method bearer", "{}", "the method is code"},
        {"acr gold", "{\"acr\":\"bron\\nze\"}", "acr is 'bron\\x0aze'"},
        {"acr gold", "{\"acr\":[\"gold\"]}", "there is no claim acr"},
        {"auth-age 5m", "{\"acr\":\"gold\"}", "there is no claim auth_time"},
        {"auth-age 5m", "{\"auth_time\":1749999600}", "auth_time is 400 seconds ago"},
        {"auth-age 5m", "{\"auth_time\":1750000031}", "auth_time is -31 seconds ago"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *detail = NULL;
        gate_rule_check(rule_of(p, cases[i].line), identity_of(p, cases[i].claims), now, p,
                        &detail);
        is(detail, cases[i].want, "%s of %s", cases[i].line, cases[i].claims);
    }
}

static const char *many(apr_pool_t *p, int count, const char *member)
{
    const char *list = apr_pstrcat(p, "\"", member, "\"", NULL);
    for (int i = 1; i < count; i++)
        list = apr_pstrcat(p, list, ",\"", member, "\"", NULL);
    return apr_pstrcat(p, "{\"groups\":[", list, "]}", NULL);
}

static void details_are_bounded(apr_pool_t *p)
{
    static const char controls[] =
        "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
        "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001";
    static const char long_value[] =
        "a-value-that-is-long-enough-to-be-cut-before-it-fills-the-whole-of-the-line";
    const gate_rule *rule = rule_of(p, "claim groups:staff");
    const char *const claims[] = {
        many(p, 400, "a-group-with-a-name"),
        many(p, 400, controls),
        many(p, 1, long_value),
        many(p, 3, long_value),
        apr_psprintf(p, "{\"groups\":\"%s%s%s\"}", controls, controls, controls),
    };
    for (size_t i = 0; i < COUNT(claims); i++) {
        const char *detail = NULL;
        gate_rule_check(rule, identity_of(p, claims[i]), now, p, &detail);
        ok(detail && strlen(detail) <= GATE_CLAIM_NOTE_BYTES, "a detail is short: %s", detail);
        ok(!gate_span_has_control(gate_span_of(detail)), "and has nothing that moves a cursor");
    }
    const char *detail = NULL;
    gate_rule_check(rule, identity_of(p, many(p, 400, "staf")), now, p, &detail);
    ok(strstr(detail, "'staf', ... ") && strstr(detail, " more]"),
       "it says how many it leaves out: %s", detail);

    const char *line = "claim", *names = "{\"x\":1";
    for (int i = 0; i < 60; i++) {
        line = apr_psprintf(p, "%s a-claim-%d:1", line, i);
        names = apr_psprintf(p, "%s,\"a-claim-%d\":2", names, i);
    }
    gate_rule_check(rule_of(p, line), identity_of(p, apr_pstrcat(p, names, "}", NULL)), now, p,
                    &detail);
    ok(strlen(detail) <= GATE_CLAIM_NOTE_BYTES, "so is that of a rule with 60 claims: %s", detail);
}

static void nobody(apr_pool_t *p)
{
    const char *detail = NULL;
    ok(gate_rule_check(rule_of(p, "claim a:1"), NULL, now, p, &detail) == GATE_CLAIM_MISSING,
       "nobody has no claims");
    is(detail, "there is no claim a (nobody is signed in)", "and the log says so");
    ok(gate_rule_check(rule_of(p, "scope a"), NULL, now, p, &detail) == GATE_SCOPE_MISSING,
       "nobody has no scope");
    ok(gate_rule_check(rule_of(p, "role a"), NULL, now, p, NULL) == GATE_CLAIM_MISSING,
       "nobody has no role");
    ok(gate_rule_check(rule_of(p, "no-claim a"), NULL, now, p, &detail) == GATE_CLAIMS_UNAVAILABLE,
       "that nobody has no claims meets no rule either");
    is(detail, "there is no claim a (nobody is signed in)", "as the log says");
    ok(gate_rule_check(rule_of(p, "method code"), NULL, now, p, &detail) == GATE_RULE_REFUSED,
       "nobody came by any method");
    is(detail, "the method is none", "as the log says");
    ok(gate_rule_check(rule_of(p, "claim a<=9"), NULL, now, p, NULL) == GATE_CLAIM_MISSING,
       "nobody is not less than anything");
    ok(gate_rule_check(rule_of(p, "acr a"), NULL, now, p, &detail) == GATE_ACR_UNMET,
       "nobody signed in in any way");
    ok(gate_rule_check(rule_of(p, "auth-age 5m"), NULL, now, p, NULL) == GATE_ACR_UNMET,
       "nor at any time");
}

/* An address that the provider does not vouch for is nobody's. */
static void addresses(apr_pool_t *p)
{
    static const struct {
        const char *rule, *claims;
        gate_reason reason;
    } cases[] = {
        {"claim email:a@x.example", "{\"email\":\"a@x.example\"}", GATE_OK},
        {"claim email:a@x.example", "{\"email\":\"a@x.example\",\"email_verified\":true}", GATE_OK},
        {"claim email:a@x.example", "{\"email\":\"a@x.example\",\"email_verified\":null}", GATE_OK},
        {"claim email:a@x.example", "{\"email\":\"a@x.example\",\"email_verified\":false}",
         GATE_CLAIM_MISMATCH},
        {"claim email:a@x.example", "{\"email\":\"a@x.example\",\"email_verified\":\"false\"}",
         GATE_CLAIM_MISMATCH},
        {"claim email~@x\\.example$", "{\"email\":\"a@x.example\",\"email_verified\":false}",
         GATE_CLAIM_MISMATCH},
        {"claim email:a@x.example sub:the-subject",
         "{\"email\":\"a@x.example\",\"email_verified\":false}", GATE_OK},
        {"claim id:email:a@x.example",
         "[{\"id_token\":{\"email\":\"a@x.example\"}},{\"userinfo\":{\"email_verified\":false}}]",
         GATE_OK},
        {"claim userinfo:email:a@x.example",
         "[{\"userinfo\":{\"email\":\"a@x.example\",\"email_verified\":false}}]",
         GATE_CLAIM_MISMATCH},
        {"claim email:b@x.example", "{\"email\":\"a@x.example\",\"email_verified\":false}",
         GATE_CLAIM_MISMATCH},
        {"claim mail:a@x.example", "{\"mail\":\"a@x.example\",\"email_verified\":false}", GATE_OK},
        {"claim email_verified:false", "{\"email_verified\":false}", GATE_OK},
    };
    const char *detail = NULL;

    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_identity *who = identity_of(p, cases[i].claims);

        ok(gate_rule_check(rule_of(p, cases[i].rule), who, now, p, &detail) == cases[i].reason,
           "Require %s, of %s", cases[i].rule, cases[i].claims);
    }
    gate_rule_check(rule_of(p, cases[3].rule), identity_of(p, cases[3].claims), now, p, &detail);
    ok(detail && strstr(detail, "email_verified is false"), "the log says that it is nobody's");
}

/* A client, or a person, of that name. */
static const gate_identity *caller(apr_pool_t *p, const char *name, bool is_client)
{
    const char *text = apr_psprintf(p, "{\"sub\":\"%s\",\"client_id\":\"c\"}", name);
    const gate_claim_set set = {GATE_SOURCE_ACCESS_TOKEN,
                                gate_json_own(p, json_loads(text, 0, NULL))};
    const gate_identity_facts facts = {
        .issuer = gate_span_of(identity_issuer),
        .subject = gate_span_of(name),
        .is_client = is_client,
    };
    gate_span bytes = {NULL, 0};
    gate_identity_make(p, &facts, &set, 1, &bytes);
    return gate_identity_open(bytes);
}

static void clients(apr_pool_t *p)
{
    static const char *const rules[] = {"claim sub:alice", "claim at:sub:alice", "claim sub~.",
                                        "scope claim=sub alice", "claim x:y sub:alice"};
    for (size_t i = 0; i < COUNT(rules); i++) {
        const gate_rule *rule = rule_of(p, rules[i]);
        ok(gate_rule_check(rule, caller(p, "alice", false), now, p, NULL) == GATE_OK,
           "Require %s admits alice", rules[i]);
        ok(gate_rule_check(rule, caller(p, "alice", true), now, p, NULL) != GATE_OK,
           "and no client that is called alice (RFC 9700 4.15)");
    }
    const char *detail = NULL;
    ok(gate_rule_check(rule_of(p, "claim sub:alice"), caller(p, "alice", true), now, p, &detail) ==
           GATE_CLAIM_MISMATCH,
       "which is another value, not a missing one");
    is(detail, "a client is no user", "and the log says so");
    ok(gate_rule_check(rule_of(p, "claim client_id:c"), caller(p, "alice", true), now, p, NULL) ==
           GATE_OK,
       "a rule about clients admits it");
}

/* Expressions that give up on a text with a question mark, and find everything else. */
static const void *compile_weak(apr_pool_t *p, const char *pattern, const char **problem)
{
    return apr_pstrdup(p, pattern);
}

static gate_match match_weak(const void *regex, gate_span text)
{
    if (text.len && memchr(text.ptr, '?', text.len))
        return GATE_MATCH_UNKNOWN;
    return gate_span_is(text, regex) ? GATE_MATCH_YES : GATE_MATCH_NO;
}

static void undecided(apr_pool_t *p)
{
    static const gate_regex_engine weak = {compile_weak, match_weak};
    static const struct {
        const char *words[3], *claims;
        gate_reason want;
    } cases[] = {
        {{"a~x"}, "{\"a\":\"?\"}", GATE_RULE_UNDECIDED},
        {{"a~x"}, "{\"a\":[\"y\",\"?\",\"z\"]}", GATE_RULE_UNDECIDED},
        {{"a~x"}, "{\"a\":[\"?\",\"x\"]}", GATE_OK},
        {{"a~x", "b~x"}, "{\"a\":\"?\",\"b\":\"x\"}", GATE_OK},
        {{"a~x", "b~x"}, "{\"a\":\"?\",\"b\":\"y\"}", GATE_RULE_UNDECIDED},
        {{"b~x", "a~x"}, "{\"a\":\"?\",\"b\":\"y\"}", GATE_RULE_UNDECIDED},
        {{"a~x", "c~x"}, "{\"a\":\"?\"}", GATE_RULE_UNDECIDED},
        {{"a~x"}, "{\"a\":\"y\"}", GATE_CLAIM_MISMATCH},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_rule *rule = NULL;
        ok(!gate_rule_claim(p, cases[i].words, &weak, &rule), "a rule with expressions");
        const char *detail = NULL;
        const gate_reason reason =
            gate_rule_check(rule, identity_of(p, cases[i].claims), now, p, &detail);
        is(gate_reason_name(reason), gate_reason_name(cases[i].want), "of %s", cases[i].claims);
        ok((reason == GATE_OK) == !detail, "and why is said");
    }
}

static void words_are_copied(apr_pool_t *p)
{
    char claim[] = "at:groups:staff", option[] = "claim=groups", word[] = "staff boss";
    const char *const claim_words[] = {claim, NULL}, *const list_words[] = {option, word, NULL};
    const gate_rule *by_value = NULL, *by_list = NULL;
    ok(!gate_rule_claim(p, claim_words, &posix, &by_value), "a rule is read");
    ok(!gate_rule_list(p, GATE_RULE_GROUP, list_words, &by_list), "and another");
    memset(claim, 'x', strlen(claim));
    memset(option, 'x', strlen(option));
    memset(word, 'x', strlen(word));
    const gate_identity *identity =
        identity_of(p, "[{\"access_token\":{\"groups\":[\"boss\",\"staff\"]}}]");
    ok(gate_rule_check(by_value, identity, now, p, NULL) == GATE_OK,
       "it does not need the words any more");
    ok(gate_rule_check(by_list, identity, now, p, NULL) == GATE_OK, "nor does the other");
}

static void scopes_needed(apr_pool_t *p)
{
    is(gate_rule_scope_needed(rule_of(p, "scope \" read  write \" admin")), "read write",
       "a challenge names the first alternative");
    is(gate_rule_scope_needed(rule_of(p, "scope claim=kong_claim kong_group")), "kong_group",
       "of another claim too");
    ok(!gate_rule_scope_needed(rule_of(p, "group staff")), "a group is no scope");
    ok(!gate_rule_scope_needed(rule_of(p, "claim scope:read")), "nor is a claim");
}

static void steps_up(apr_pool_t *p)
{
    const gate_step_up *acr = gate_rule_step_up(rule_of(p, "acr gold silver"));
    const gate_step_up *age = gate_rule_step_up(rule_of(p, "auth-age 2h"));
    is(acr->acr_values, "gold silver", "a rule says which acr_values it wants");
    ok(acr->max_age == 0, "and no age");
    ok(age->max_age == 7200, "another says which max_age");
    ok(!age->acr_values, "and no acr_values");
    ok(!gate_rule_step_up(rule_of(p, "claim acr:gold")), "a claim rule about acr only refuses");
    ok(!gate_rule_step_up(rule_of(p, "scope gold")), "so does a scope");
    char *values = apr_pstrcat(p, "acr ", NULL);
    for (int i = 0; i < 52; i++)
        values = apr_pstrcat(p, values, " 123456789", NULL);
    const gate_rule *rule;
    ok(strstr(read_rule(p, values, &rule), "longer than 512 bytes"), "a list of acrs has an end");
}

static void kinds(void)
{
    is(gate_rule_kind_name(GATE_RULE_SCOPE), "scope", "Require scope");
    is(gate_rule_kind_name(GATE_RULE_ROLE), "role", "Require role");
    is(gate_rule_kind_name(GATE_RULE_GROUP), "group", "Require group");
    is(gate_rule_kind_name(GATE_RULE_AUDIENCE), "audience", "Require audience");
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    if (argc > 1 && !strcmp(argv[1], "-"))
        return answer(p);
    table(p);
    problems(p);
    details(p);
    details_are_bounded(p);
    nobody(p);
    addresses(p);
    clients(p);
    undecided(p);
    words_are_copied(p);
    scopes_needed(p);
    steps_up(p);
    kinds();
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
