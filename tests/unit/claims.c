/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claims.h"

#include "identity.h"
#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool find(const gate_identity *identity, const char *text, gate_claim *claim)
{
    gate_claim_name name;
    return gate_claim_name_read(gate_span_of(text), &name) &&
           gate_claim_find(identity, &name, claim);
}

/* All values, each with a letter for its type; "none" where there is no such claim. */
static const char *look_up(apr_pool_t *p, const gate_identity *identity, const char *name)
{
    static const char letters[] = {
        [GATE_VALUE_STRING] = 's', [GATE_VALUE_NUMBER] = 'n', [GATE_VALUE_BOOLEAN] = 'b',
        [GATE_VALUE_NULL] = '0',   [GATE_VALUE_JSON] = 'j',
    };
    gate_claim claim;
    if (!find(identity, name, &claim))
        return "none";
    const char *text = claim.is_array ? "array" : "";
    for (int i = 0; i < claim.count; i++) {
        gate_value_type type;
        const gate_span value = gate_claim_value(&claim, i, &type);
        text = apr_psprintf(p, "%s%s%c:%.*s", text, *text ? "|" : "", letters[type], (int)value.len,
                            value.ptr);
    }
    return text;
}

static void spelling(apr_pool_t *p)
{
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"\"x\"", "s:x"},
        {"\"\"", "s:"},
        {"\"a b\\n\\u00e9\\\"\"", "s:a b\n\xc3\xa9\""},
        {"0", "n:0"},
        {"-0", "n:0"},
        {"7", "n:7"},
        {"-12", "n:-12"},
        {"9223372036854775807", "n:9223372036854775807"},
        {"-9223372036854775808", "n:-9223372036854775808"},
        {"0.5", "n:0.5"},
        {"0.1", "n:0.1"},
        {"1.0", "n:1.0"},
        {"100.0", "n:100.0"},
        {"1e2", "n:100.0"},
        {"1.1", "n:1.1"},
        {"0.30000000000000004", "n:0.30000000000000004"},
        {"123456789.123", "n:123456789.123"},
        {"2.2250738585072014e-308", "n:2.2250738585072014e-308"},
        {"1e300", "n:1e300"},
        {"-2.5e-7", "n:-2.5e-7"},
        {"true", "b:true"},
        {"false", "b:false"},
        {"null", "0:null"},
        {"[]", "array"},
        {"[\"a\"]", "array|s:a"},
        {"[\"a\",\"\",\"a\"]", "array|s:a|s:|s:a"},
        {"[1,\"1\",true,\"true\",null]", "array|n:1|s:1|b:true|s:true|0:null"},
        {"[ [1, 2], {\"a\" : \"b\"} ]", "array|j:[1,2]|j:{\"a\":\"b\"}"},
        {"{}", "j:{}"},
        {"{ \"a\" : [ 1, 2 ], \"b\" : null }", "j:{\"a\":[1,2],\"b\":null}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_identity *identity =
            identity_of(p, apr_psprintf(p, "{\"c\":%s}", cases[i].json));
        is(look_up(p, identity, "c"), cases[i].want, "%s is kept with its type", cases[i].json);
    }
}

static void paths(apr_pool_t *p)
{
    static const struct {
        const char *json, *name, *want;
    } cases[] = {
        {"{\"email\":\"a@b\"}", "email", "s:a@b"},
        {"{\"email\":\"a@b\"}", "Email", "none"},
        {"{\"email\":\"a@b\"}", "emai", "none"},
        {"{\"email\":\"a@b\"}", "email.", "none"},
        {"{}", "email", "none"},
        {"{\"realm_access\":{\"roles\":[\"admin\"]}}", "realm_access.roles", "array|s:admin"},
        {"{\"realm_access\":{\"roles\":[\"admin\"]}}", "realm_access", "j:{\"roles\":[\"admin\"]}"},
        {"{\"realm_access\":{\"roles\":[\"admin\"]}}", "roles", "none"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", "a.b.c.d", "n:1"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", "a.b.c", "j:{\"d\":1}"},
        {"{\"https://x.io/roles\":[\"admin\"]}", "https://x.io/roles", "array|s:admin"},
        {"{\"cognito:groups\":[\"admin\"]}", "cognito:groups", "array|s:admin"},
        /* The literal name wins over the path, wherever it stands. */
        {"{\"a.b\":1,\"a\":{\"b\":2}}", "a.b", "n:1"},
        {"{\"a\":{\"b\":2},\"a.b\":1}", "a.b", "n:1"},
        {"{\"a\":{\"b\":2},\"a.b\":null}", "a.b", "0:null"},
        {"{\"a\":{\"b\":2},\"a.b\":{\"x\":1}}", "a.b", "j:{\"x\":1}"},
        {"{\"a\":{\"b\":{\"c\":3},\"b.c\":2}}", "a.b.c", "n:2"},
        {"{\"a\":{\"b\":{\"c\":3}},\"a.b\":{\"c\":2}}", "a.b.c", "n:2"},
        {"{\"a.b\":{\"c\":2},\"a\":{\"b.c\":1}}", "a.b.c", "n:2"},
        {"{\"a\":{\"b.c\":1},\"a.b\":{\"c\":2}}", "a.b.c", "n:1"},
        /* Arrays have no path below them, however a name is written. */
        {"{\"a\":[{\"b\":1}]}", "a.b", "none"},
        {"{\"a\":[{\"b\":1}]}", "a.0.b", "none"},
        {"{\"a\":[{\"b\":1}]}", "a", "array|j:{\"b\":1}"},
        {"{\"__proto__\":{\"a\":1}}", "a", "none"},
        {"{\"\":{\"a\":1}}", ".a", "n:1"},
        {"{\"a\":{\"\":1}}", "a.", "n:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(look_up(p, identity_of(p, cases[i].json), cases[i].name), cases[i].want, "%s of %s",
           cases[i].name, cases[i].json);
}

static void sources(apr_pool_t *p)
{
    static const char three[] =
        "[{\"id_token\":{\"email\":\"id@x\",\"only_id\":1,\"deep\":{\"a\":1},\"nothing\":null,"
        "\"iss\":\"https://id.example\",\"sub\":{\"x\":1}}},"
        "{\"userinfo\":{\"email\":\"ui@x\",\"only_ui\":2,\"deep\":{\"a\":2,\"b\":3},\"sub\":\"ui\","
        "\"nothing\":\"something\",\"deep.a\":4}},"
        "{\"access_token\":{\"email\":\"at@x\",\"only_at\":[],\"sub\":\"at\",\"iss\":7}}]";
    static const struct {
        const char *name, *want;
    } cases[] = {
        {"email", "s:id@x"},
        {"id:email", "s:id@x"},
        {"userinfo:email", "s:ui@x"},
        {"at:email", "s:at@x"},
        {"only_ui", "n:2"},
        {"only_at", "array"},
        {"id:only_ui", "none"},
        {"at:only_id", "none"},
        /* A claim is hidden whole: what an earlier source says of it is all there is to say. */
        {"deep.b", "none"},
        {"userinfo:deep.b", "n:3"},
        {"nothing", "0:null"},
        {"userinfo:nothing", "s:something"},
        /* deep.a as a claim of its own hides nothing and is hidden by nothing; the literal name
           wins. */
        {"deep.a", "n:4"},
        {"id:deep.a", "n:1"},
        /* Who it is has one answer. */
        {"iss", "s:https://op.example"},
        {"sub", "s:the-subject"},
        {"sub.x", "none"},
        {"id:iss", "s:https://id.example"},
        {"id:sub.x", "n:1"},
        {"userinfo:iss", "none"},
        {"userinfo:sub", "s:ui"},
        {"at:sub", "s:at"},
        {"at:iss", "n:7"},
    };
    const gate_identity *identity = identity_of(p, three);
    for (size_t i = 0; i < COUNT(cases); i++)
        is(look_up(p, identity, cases[i].name), cases[i].want, "%s of three sources",
           cases[i].name);

    identity = identity_of(p, "[{\"access_token\":{\"a\":1}},{\"id_token\":{\"a\":2}}]");
    is(look_up(p, identity, "a"), "n:1",
       "the order of the sets is the precedence, not the kind of source");
    ok(gate_identity_has_claims(identity, -1), "there are claims");
    ok(gate_identity_has_claims(identity, GATE_SOURCE_ACCESS_TOKEN), "the access token has claims");
    ok(!gate_identity_has_claims(identity, GATE_SOURCE_USERINFO), "userinfo was not there");

    identity = identity_of(p, "[]");
    is(look_up(p, identity, "sub"), "s:the-subject", "without any claims the subject is known");
    ok(!gate_identity_has_claims(identity, -1), "but no claims are");
    identity = identity_of(p, "[{\"access_token\":{}}]");
    ok(!gate_identity_has_claims(identity, -1), "nor does an empty set have any");
}

static void names(void)
{
    static const struct {
        const char *text, *path;
        int source;
    } cases[] = {
        {"email", "email", -1},
        {"id:email", "email", GATE_SOURCE_ID_TOKEN},
        {"userinfo:email", "email", GATE_SOURCE_USERINFO},
        {"at:email", "email", GATE_SOURCE_ACCESS_TOKEN},
        {"id:id:email", "id:email", GATE_SOURCE_ID_TOKEN},
        {"at:https://x.io/roles", "https://x.io/roles", GATE_SOURCE_ACCESS_TOKEN},
        {"ID:email", "ID:email", -1},
        {"id", "id", -1},
        {"ident:x", "ident:x", -1},
        {"access_token:x", "access_token:x", -1},
        {"", NULL, 0},
        {"id:", NULL, 0},
        {"userinfo:", NULL, 0},
        {"at:", NULL, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_claim_name name;
        const bool is_name = gate_claim_name_read(gate_span_of(cases[i].text), &name);
        ok(is_name == (cases[i].path != NULL), "\"%s\" %s a name", cases[i].text,
           cases[i].path ? "is" : "is no");
        if (is_name)
            ok(gate_span_is(name.path, cases[i].path) && name.source == cases[i].source,
               "\"%s\" is read as %s of source %d", cases[i].text, cases[i].path, cases[i].source);
    }
}

static void source_names(void)
{
    static const char *const spelled[] = {"id_token", "userinfo", "access_token"};
    gate_source source;
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        ok(gate_source_find(spelled[i], &source) && (int)source == i, "%s is a source", spelled[i]);
        is(gate_source_name((gate_source)i), spelled[i], "and has that name");
    }
    ok(!gate_source_find("ID_TOKEN", &source), "in lower case only");
    ok(!gate_source_find("", &source), "an empty word is no source");
}

static void facts(apr_pool_t *p)
{
    const gate_identity_facts all = {
        .method = 3,
        .issuer = GATE_SPAN("https://op"),
        .subject = GATE_SPAN("bob"),
        .client_id = GATE_SPAN("web"),
        .scope = GATE_SPAN(""),
        .session_id = GATE_SPAN("s-1"),
        .expires = 4102444800,
        .is_client = true,
    };
    gate_span bytes;
    ok(gate_identity_make(p, &all, NULL, 0, &bytes) == GATE_OK, "facts alone make an identity");
    const gate_identity *identity = gate_identity_open(bytes);
    ok(gate_span_is(gate_identity_issuer(identity), "https://op"), "issuer");
    ok(gate_span_is(gate_identity_subject(identity), "bob"), "subject");
    ok(gate_span_is(gate_identity_client_id(identity), "web"), "client id");
    ok(gate_span_is(gate_identity_session_id(identity), "s-1"), "session id");
    ok(gate_span_is(gate_identity_scope(identity), ""), "an empty scope is not an absent one");
    ok(gate_identity_expires(identity) == 4102444800, "expires");
    ok(gate_identity_method(identity) == 3, "method");
    ok(gate_identity_is_client(identity), "a program");

    const gate_identity_facts none = {0};
    ok(gate_identity_make(p, &none, NULL, 0, &bytes) == GATE_OK, "no facts make an identity too");
    identity = gate_identity_open(bytes);
    ok(!gate_identity_issuer(identity).ptr && !gate_identity_subject(identity).ptr &&
           !gate_identity_client_id(identity).ptr && !gate_identity_session_id(identity).ptr &&
           !gate_identity_scope(identity).ptr,
       "what is absent stays absent");
    is(look_up(p, identity, "sub"), "none", "and no claim stands for it");
    ok(!gate_identity_is_client(identity), "not a program");
}

static void auth_times(apr_pool_t *p)
{
    static const struct {
        const char *json;
        apr_int64_t want;
    } cases[] = {
        {"{}", 0},
        {"{\"auth_time\":1700000000}", 1700000000},
        {"{\"auth_time\":1700000000.9}", 1700000000},
        {"{\"auth_time\":\"1700000000\"}", 0},
        {"{\"auth_time\":-1}", 0},
        {"[{\"id_token\":{\"auth_time\":5}},{\"userinfo\":{\"auth_time\":6}}]", 5},
        {"[{\"id_token\":{}},{\"access_token\":{\"auth_time\":6}}]", 6},
        {"[{\"id_token\":{\"auth_time\":null}},{\"access_token\":{\"auth_time\":6}}]", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(gate_identity_auth_time(identity_of(p, cases[i].json)) == cases[i].want,
           "auth_time of %s", cases[i].json);
}

/* {"groups":["group-0",...],"last":1} */
static json_t *many_groups(apr_pool_t *p, int count)
{
    json_t *groups = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(groups, json_string(apr_psprintf(p, "group-%d", i)));
    return gate_json_own(p, json_pack("{s:o,s:i}", "groups", groups, "last", 1));
}

static gate_reason encode(apr_pool_t *p, const json_t *claims, gate_span *bytes)
{
    const gate_identity_facts nothing = {0};
    const gate_claim_set set = {GATE_SOURCE_ID_TOKEN, claims};
    *bytes = (gate_span){NULL, 0};
    return gate_identity_make(p, &nothing, &set, 1, bytes);
}

static void sizes(apr_pool_t *p)
{
    gate_span bytes;
    gate_claim claim;
    gate_value_type type;

    ok(encode(p, many_groups(p, 10000), &bytes) == GATE_OK, "10,000 groups fit");
    const gate_identity *identity = gate_identity_open(bytes);
    ok(identity && find(identity, "groups", &claim) && claim.count == 10000, "and are all there");
    ok(gate_span_is(gate_claim_value(&claim, 9999, &type), "group-9999"), "to the last");
    ok(find(identity, "last", &claim), "so is the claim behind them");

    ok(encode(p, many_groups(p, 30000), &bytes) == GATE_SESSION_TOO_LARGE, "30,000 do not fit");
    ok(!bytes.ptr, "and then there is nothing, rather than a part");

    char *text = apr_palloc(p, GATE_IDENTITY_MAX_BYTES + 1);
    memset(text, 'x', GATE_IDENTITY_MAX_BYTES);
    text[GATE_IDENTITY_MAX_BYTES] = '\0';
    json_t *one = gate_json_own(p, json_pack("{s:s}", "a", text));
    ok(encode(p, one, &bytes) == GATE_SESSION_TOO_LARGE,
       "one value as large as the limit does not fit");
    one = gate_json_own(p, json_pack("{s:s}", text, "a"));
    ok(encode(p, one, &bytes) == GATE_SESSION_TOO_LARGE, "nor does such a name");
    text[GATE_IDENTITY_MAX_BYTES - 4096] = '\0';
    one = gate_json_own(p, json_pack("{s:s}", "a", text));
    ok(encode(p, one, &bytes) == GATE_OK && bytes.len <= GATE_IDENTITY_MAX_BYTES &&
           gate_identity_open(bytes),
       "one a little shorter does");
}

/* Where each name below repeats a long one above, the work must end with the limit, not with the
 * last name. */
static void long_names_above_many(apr_pool_t *p)
{
    char *name = apr_palloc(p, 100001);
    memset(name, 'n', 100000);
    name[100000] = '\0';
    json_t *many = json_object();
    for (int i = 0; i < 50000; i++)
        json_object_set_new(many, apr_psprintf(p, "%d", i), json_null());
    json_t *claims = gate_json_own(p, json_pack("{s:o}", name, many));
    gate_span bytes;
    ok(encode(p, claims, &bytes) == GATE_SESSION_TOO_LARGE,
       "50,000 names below one of 100,000 bytes do not fit");
}

static const char *below(apr_pool_t *p, int depth)
{
    const char *path = "d";
    for (int i = 1; i < depth; i++)
        path = apr_pstrcat(p, path, ".d", NULL);
    return path;
}

static void depths(apr_pool_t *p)
{
    json_t *claims = json_integer(1);
    for (int i = 0; i < 500; i++)
        claims = json_pack("{s:o}", "d", claims);
    gate_json_own(p, claims);
    gate_span bytes;
    ok(encode(p, claims, &bytes) == GATE_OK, "500 objects within each other make an identity");
    const gate_identity *identity = gate_identity_open(bytes);
    gate_claim claim;
    ok(find(identity, below(p, GATE_JSON_MAX_DEPTH), &claim),
       "a path goes as deep as JSON is read");
    ok(!find(identity, below(p, GATE_JSON_MAX_DEPTH + 1), &claim), "and no deeper");
}

static void texts_are_kept_once(apr_pool_t *p)
{
    static const char claims[] =
        "{\"email\":\"somebody@example.com\",\"name\":\"Some Body of Somewhere\","
        "\"preferred_username\":\"somebody@example.com\","
        "\"groups\":[\"a-group-of-people\",\"another-group-of-people\"]}";
    gate_span once, thrice;
    identity_encode(p, claims, &once);
    identity_encode(p,
                    apr_psprintf(p, "[{\"id_token\":%s},{\"userinfo\":%s},{\"access_token\":%s}]",
                                 claims, claims, claims),
                    &thrice);
    ok(thrice.len < once.len * 2,
       "three sources that say the same take less than twice the room (%d, %d)", (int)once.len,
       (int)thrice.len);
}

static void nul_within(apr_pool_t *p)
{
    json_t *claims = gate_json_own(p, json_pack("{s:s#}", "role", "admin\0x", 7));
    gate_span bytes;
    gate_claim claim;
    gate_value_type type;
    ok(encode(p, claims, &bytes) == GATE_OK && find(gate_identity_open(bytes), "role", &claim),
       "a NUL within");
    const gate_span value = gate_claim_value(&claim, 0, &type);
    ok(value.len == 7 && !memcmp(value.ptr, "admin\0x", 7), "ends no value early");
}

/* Touches all that a reader could touch; the sanitizers watch. */
static size_t touch(const gate_identity *identity)
{
    static const char *const asked[] = {"iss",  "sub",    "email",    "groups",
                                        "deep", "deep.a", "id:email", "at:iss"};
    const gate_span texts[] = {
        gate_identity_issuer(identity),    gate_identity_subject(identity),
        gate_identity_client_id(identity), gate_identity_session_id(identity),
        gate_identity_scope(identity),
    };
    size_t sum = 0;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t n = 0; n < texts[i].len; n++)
            sum += (unsigned char)texts[i].ptr[n];
    for (size_t i = 0; i < COUNT(asked); i++) {
        gate_claim claim;
        char text[16];
        if (!find(identity, asked[i], &claim))
            continue;
        sum += gate_claim_join(&claim, ',', text, sizeof text);
        for (int v = 0; v < claim.count; v++) {
            gate_value_type type;
            const gate_span value = gate_claim_value(&claim, v, &type);
            for (size_t n = 0; n <= value.len; n++)
                sum += (unsigned char)value.ptr[n];
        }
    }
    return sum;
}

static bool find_plain(const gate_identity *identity, gate_span *value)
{
    gate_claim_name name;
    return gate_claim_name_read(GATE_SPAN("c"), &name) &&
           gate_claim_find_plain(identity, &name, value);
}

static void plain_ones(apr_pool_t *p)
{
    static const struct {
        const char *json;
        bool is_plain;
    } cases[] = {
        {"\"x\"", true},   {"\"a b\"", true},   {"7", true},          {"{\"a\":\"b\"}", true},
        {"\"\"", false},   {"null", false},     {"[\"x\"]", false},   {"[]", false},
        {"\" a\"", false}, {"\"a\\t\"", false}, {"\"a\\nb\"", false}, {"\"a\\u007f\"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const gate_identity *identity =
            identity_of(p, apr_psprintf(p, "{\"c\":%s}", cases[i].json));
        gate_span value;
        ok(find_plain(identity, &value) == cases[i].is_plain, "%s is %splain", cases[i].json,
           cases[i].is_plain ? "" : "not ");
        ok(!cases[i].is_plain || !value.ptr[value.len], "and ends");
        ok(!find_plain(identity_as_before(p, identity), &value), "what is not known to be is not");
    }
}

/* All members of c with commas between them; "-" where they must be looked at one by one. */
static const char *joined(apr_pool_t *p, const char *json, size_t room)
{
    char *text = apr_pcalloc(p, room + 1);
    gate_claim claim;
    find(identity_of(p, json), "c", &claim);
    const size_t len = gate_claim_join(&claim, ',', text, room);
    ok(!text[room], "no more is written than there is room for");
    return len ? apr_pstrmemdup(p, text, len) : "-";
}

static void joins(apr_pool_t *p)
{
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"{\"c\":[\"a\",\"bc\",\"d\"]}", "a,bc,d"},
        {"{\"c\":[\"a\"]}", "a"},
        {"{\"c\":[7,true,{\"a\":1}]}", "7,true,{\"a\":1}"},
        /* texts that were kept before, and so stand elsewhere */
        {"{\"b\":\"two\",\"c\":[\"one\",\"two\",\"three\",\"one\",\"one\"]}",
         "one,two,three,one,one"},
        {"{\"b\":[\"a\",\"x\",\"d\"],\"c\":[\"d\",\"x\",\"a\",\"x\"]}", "d,x,a,x"},
        {"{\"c\":[]}", "-"},
        {"{\"c\":[\"a\",null]}", "-"},
        {"{\"c\":[\"a\",\"\"]}", "-"},
        {"{\"c\":[\"a\",\"b,c\"]}", "-"},
        {"{\"c\":[\",\",\"a\"]}", "-"},
        {"{\"c\":[\"a\",\"b\\n\",\"c\"]}", "-"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        is(joined(p, cases[i].json, 100), cases[i].want, "%s", cases[i].json);
    is(joined(p, "{\"c\":[\"a\",\"bc\"]}", 5), "a,bc", "there is room for one more");
    is(joined(p, "{\"c\":[\"a\",\"bc\"]}", 4), "-", "and else for none");
    is(joined(p, "{\"b\":\"x\",\"c\":[\"a\",\"x\"]}", 3), "-", "wherever they stand");
    is(joined(p, "{\"c\":[\"a\"]}", 0), "-", "nor where there is none at all");
}

static const gate_identity *open_copy(const char *bytes, size_t len, char **copy)
{
    *copy = malloc(len ? len : 1);
    memcpy(*copy, bytes, len);
    return gate_identity_open((gate_span){*copy, len});
}

static void broken_records(apr_pool_t *p)
{
    static const unsigned char changes[] = {0x01, 0x02, 0x08, 0x20, 0x80, 0xff};
    gate_span bytes;
    char *copy;
    identity_encode(p, "{\"email\":\"a@b\",\"groups\":[\"x\",\"y\",7],\"deep\":{\"a\":null}}",
                    &bytes);
    char *record = apr_pmemdup(p, bytes.ptr, bytes.len);

    int opened = 0;
    for (size_t len = 0; len < bytes.len; len++) {
        opened += open_copy(record, len, &copy) != NULL;
        free(copy);
    }
    ok(opened == 0, "no beginning of a record is a record");

    size_t sum = 0;
    int refused = 0;
    for (size_t i = 0; i < bytes.len * COUNT(changes); i++) {
        record[i / COUNT(changes)] ^= (char)changes[i % COUNT(changes)];
        const gate_identity *identity = open_copy(record, bytes.len, &copy);
        sum += identity ? touch(identity) : 0;
        refused += !identity;
        free(copy);
        record[i / COUNT(changes)] ^= (char)changes[i % COUNT(changes)];
    }
    ok(refused > 0 && sum > 0, "a changed record is refused (%d times) or stays within itself",
       refused);
}

static void refused_records(apr_pool_t *p)
{
    gate_span bytes;
    identity_encode(p, "{\"a\":1}", &bytes);
    char *longer = apr_pcalloc(p, bytes.len + 8);
    memcpy(longer, bytes.ptr, bytes.len);
    ok(gate_identity_open((gate_span){longer, bytes.len}), "a copy is a record");
    ok(!gate_identity_open((gate_span){longer, bytes.len + 1}),
       "with a byte behind it, it is none");
    ok(!gate_identity_open((gate_span){NULL, 0}), "nothing is none");
    ok(!gate_identity_open(GATE_SPAN("")), "an empty text is none");
    memmove(longer + 1, bytes.ptr, bytes.len);
    ok(!gate_identity_open((gate_span){longer + 1, bytes.len}),
       "off its alignment it is not looked at");
    char *large = apr_pcalloc(p, GATE_IDENTITY_MAX_BYTES + 8);
    ok(!gate_identity_open((gate_span){large, GATE_IDENTITY_MAX_BYTES + 8}),
       "over the limit neither");
}

/* A client's subject is no person's. */
static void barred(apr_pool_t *p)
{
    static const char *const names[] = {"sub", "at:sub"};
    const gate_claim_set set = {GATE_SOURCE_ACCESS_TOKEN,
                                gate_json_own(p, json_loads("{\"sub\":\"x\",\"a\":1}", 0, NULL))};
    for (int is_client = 0; is_client <= 1; is_client++) {
        const gate_identity_facts facts = {.subject = GATE_SPAN("x"), .is_client = is_client};
        gate_span bytes = {NULL, 0};
        gate_identity_make(p, &facts, &set, 1, &bytes);
        const gate_identity *identity = gate_identity_open(bytes);
        gate_claim_name name;
        gate_claim claim;
        for (size_t i = 0; i < COUNT(names); i++) {
            gate_claim_name_read(gate_span_of(names[i]), &name);
            ok(gate_claim_is_barred(identity, &name) == is_client, "%s of %s", names[i],
               is_client ? "a client is barred" : "a person is not");
            ok(gate_claim_find_for_rule(identity, &name, &claim) == !is_client,
               "and rules find it accordingly");
            ok(gate_claim_find(identity, &name, &claim), "though it is there");
        }
        gate_claim_name_read(GATE_SPAN("a"), &name);
        ok(gate_claim_find_for_rule(identity, &name, &claim), "any other claim is found");
        ok(!gate_claim_find_for_rule(NULL, &name, &claim) && !gate_claim_is_barred(NULL, &name),
           "but not of nobody");
    }
}

int main(void)
{
    apr_pool_t *p;
    apr_initialize();
    apr_pool_create(&p, NULL);
    spelling(p);
    paths(p);
    sources(p);
    names();
    source_names();
    facts(p);
    auth_times(p);
    sizes(p);
    long_names_above_many(p);
    depths(p);
    texts_are_kept_once(p);
    nul_within(p);
    plain_ones(p);
    joins(p);
    broken_records(p);
    refused_records(p);
    barred(p);
    apr_pool_destroy(p);
    apr_terminate();
    return tap_done();
}
