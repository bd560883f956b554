/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "gate/claims.h"

#include <stdlib.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/json.h"
#include "base/texts.h"

/* The record. Numbers are in the machine's own byte order (the magic tells a foreign one), texts
 * are counted from where they begin, and every text is kept once, however often it is said, with a
 * NUL behind it:
 *
 *      struct gate_identity    what is fixed, and how much follows
 *      struct entry  [entries] a claim each, nested ones too, by their hash; those with the same
 * one in order of precedence struct value  [values]  each entry has a run of them: one, or an
 * array's members char          [text_bytes]
 *
 * A look-up begins where the hash is to be expected, and is not longer because a claim has 400
 * values. gate_identity_open checks all offsets once; nothing is checked after that. */
#define MAGIC  0x32444947u /* the last digit is the version of the layout */
#define ABSENT UINT32_MAX  /* the offset of a text that is not there */

struct text {
    uint32_t offset, len;
};

struct gate_identity {
    uint32_t magic, bytes;
    int64_t expires, auth_time;
    struct text issuer, subject, client_id, session_id, scope;
    uint32_t entries, values, text_bytes;
    uint8_t method, is_client, sources, unused; /* sources: a bit for each that had claims */
};

struct entry {
    uint32_t hash;
    uint32_t path; /* where its text begins; JSON names hold no NUL */
    uint32_t first;
    uint32_t count : 20;
    uint32_t source : 2; /* GATE_SOURCE_COUNT: no source's, but a fact */
    uint32_t depth : 8;  /* how many dots of the path are steps into an object */
    uint32_t is_visible : 1, is_array : 1;
};

/* is_plain is never set in records of before there was that bit: what is not known to be plain is
 * looked at more closely. */
struct value {
    uint32_t offset;
    uint32_t len : 28, is_plain : 1, type : 3;
};

_Static_assert(sizeof(struct gate_identity) % 8 == 0, "the tables behind it are aligned");
_Static_assert(GATE_JSON_MAX_DEPTH < 1 << 8, "a depth fits its field");
_Static_assert(GATE_SOURCE_COUNT < 1 << 2, "and a source");
_Static_assert(GATE_IDENTITY_MAX_BYTES / sizeof(struct value) < 1 << 20, "and a count of values");
_Static_assert(GATE_IDENTITY_MAX_BYTES < 1 << 28, "and a length");

static const struct source_name {
    const char *name, *pin;
} source_names[GATE_SOURCE_COUNT] = {
    [GATE_SOURCE_ID_TOKEN] = {"id_token", "id:"},
    [GATE_SOURCE_USERINFO] = {"userinfo", "userinfo:"},
    [GATE_SOURCE_ACCESS_TOKEN] = {"access_token", "at:"},
};

bool gate_source_find(const char *name, gate_source *source)
{
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        if (!strcmp(source_names[i].name, name)) {
            *source = (gate_source)i;
            return true;
        }
    }
    return false;
}

const char *gate_source_name(gate_source source)
{
    return source < GATE_SOURCE_COUNT ? source_names[source].name : "none";
}

/* FNV-1a. It only spares comparisons: a collision costs one, and decides nothing. */
static uint32_t hash_of(gate_span s)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 16777619u;
    return hash;
}

/* -- encoding -- */

typedef struct maker {
    apr_pool_t *scratch;
    gate_reason reason;          /* GATE_OK as long as it goes well */
    apr_array_header_t *entries; /* of struct entry */
    apr_array_header_t *values;  /* of struct value */
    gate_texts texts;
    uint8_t source;  /* whose claims are being added, */
    bool is_visible; /* and whether no earlier source hides this one */
} maker;

static size_t size_of(const maker *m)
{
    return sizeof(gate_identity) + (size_t)m->entries->nelts * sizeof(struct entry) +
           (size_t)m->values->nelts * sizeof(struct value) + m->texts.len;
}

static bool goes_on(maker *m)
{
    if (m->reason == GATE_OK && size_of(m) > GATE_IDENTITY_MAX_BYTES)
        m->reason = GATE_SESSION_TOO_LARGE;
    return m->reason == GATE_OK;
}

/* Adds the text, or finds it where it was added before. */
static struct text keep(maker *m, gate_span s)
{
    const struct text absent = {ABSENT, 0};
    uint32_t offset;
    if (!s.ptr)
        return absent;
    if (gate_texts_keep(&m->texts, s, &offset))
        return (struct text){offset, (uint32_t)s.len};
    m->reason = GATE_SESSION_TOO_LARGE;
    return absent;
}

/* Each token has some, and a format costs several times as much. */
static gate_span spell_integer(apr_pool_t *p, json_int_t number)
{
    char text[24], *first = text + sizeof text;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--first = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        *--first = '-';
    const size_t len = (size_t)(text + sizeof text - first);
    return (gate_span){apr_pstrmemdup(p, first, len), len};
}

/* The shortest text that reads back as the same number: "0.1", where a fixed 17 digits would give
 * "0.10000000000000001", which nobody writes into a rule. jansson prints and reads it, because it
 * does not ask the locale. */
static gate_span spell_real(apr_pool_t *p, const json_t *number)
{
    char text[40];
    size_t len = 0;
    for (size_t digits = 15; digits <= 17; digits++) {
        len = json_dumpb(number, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *again = json_loadb(text, len, JSON_DECODE_ANY, NULL);
        const bool is_same = json_real_value(again) == json_real_value(number);
        json_decref(again);
        if (is_same)
            break;
    }
    return (gate_span){apr_pstrmemdup(p, text, len), len};
}

static gate_span spell(apr_pool_t *p, const json_t *value, gate_value_type *type)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        *type = GATE_VALUE_STRING;
        return (gate_span){json_string_value(value), json_string_length(value)};
    case JSON_INTEGER:
        *type = GATE_VALUE_NUMBER;
        return spell_integer(p, json_integer_value(value));
    case JSON_REAL:
        *type = GATE_VALUE_NUMBER;
        return spell_real(p, value);
    case JSON_TRUE:
        *type = GATE_VALUE_BOOLEAN;
        return GATE_SPAN("true");
    case JSON_FALSE:
        *type = GATE_VALUE_BOOLEAN;
        return GATE_SPAN("false");
    case JSON_NULL:
        *type = GATE_VALUE_NULL;
        return GATE_SPAN("null");
    default:
        *type = GATE_VALUE_JSON;
        return gate_json_compact(p, value);
    }
}

static bool is_plain(gate_span s)
{
    return s.len && gate_span_trim(s).len == s.len && !gate_span_has_control(s);
}

static void add_text(maker *m, gate_span s, gate_value_type type)
{
    const struct text text = keep(m, s);
    struct value *value = apr_array_push(m->values);
    *value = (struct value){
        .offset = text.offset,
        .len = text.len,
        .type = type,
        .is_plain = type != GATE_VALUE_NULL && is_plain(s),
    };
}

static void add_value(maker *m, const json_t *json)
{
    gate_value_type type;
    const gate_span s = spell(m->scratch, json, &type);
    if (!s.ptr)
        m->reason = GATE_INTERNAL;
    add_text(m, s, type);
}

static struct entry *add_entry(maker *m, gate_span path, int depth)
{
    const struct text text = keep(m, path);
    struct entry *entry = apr_array_push(m->entries);
    *entry = (struct entry){
        .hash = hash_of(path),
        .path = text.offset,
        .first = (uint32_t)m->values->nelts,
        .count = 1,
        .source = m->source,
        .depth = (uint8_t)depth,
        .is_visible = m->is_visible,
    };
    return entry;
}

/* jansson iterates only over what may be changed. Nothing is changed here. */
static json_t *iterable(const json_t *object)
{
    return (json_t *)(uintptr_t)object;
}

static gate_span step(maker *m, gate_span path, const char *name)
{
    const gate_span last = gate_span_of(name);
    char *joined = apr_palloc(m->scratch, path.len + 1 + last.len);
    memcpy(joined, path.ptr, path.len);
    joined[path.len] = '.';
    memcpy(joined + path.len + 1, last.ptr, last.len);
    return (gate_span){joined, path.len + 1 + last.len};
}

/* One claim and, below an object, all that is in it: as deep as gate_json_object reads. */
static void add_claim(maker *m, gate_span path, int depth, const json_t *json)
{
    struct entry *entry = add_entry(m, path, depth);
    if (json_is_array(json)) {
        const size_t count = json_array_size(json);
        entry->is_array = true;
        entry->count = (uint32_t)count;
        for (size_t i = 0; i < count && goes_on(m); i++)
            add_value(m, json_array_get(json, i));
        return;
    }
    add_value(m, json);
    if (!json_is_object(json) || depth + 1 >= GATE_JSON_MAX_DEPTH)
        return;
    json_t *object = iterable(json);
    for (void *at = json_object_iter(object); at && goes_on(m);
         at = json_object_iter_next(object, at))
        add_claim(m, step(m, path, json_object_iter_key(at)), depth + 1,
                  json_object_iter_value(at));
}

/* iss and sub say who it is: one answer, verified, whatever a source claims beside it. */
static bool is_fact(const char *name)
{
    return !strcmp(name, "iss") || !strcmp(name, "sub");
}

static bool is_hidden(const gate_claim_set *sets, int index, const char *name)
{
    for (int i = 0; i < index; i++)
        if (json_object_get(sets[i].claims, name))
            return true;
    return is_fact(name);
}

static void add_set(maker *m, const gate_claim_set *sets, int index)
{
    json_t *object = iterable(sets[index].claims);
    m->source = (uint8_t)sets[index].source;
    for (void *at = json_object_iter(object); at && goes_on(m);
         at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        m->is_visible = !is_hidden(sets, index, name);
        add_claim(m, gate_span_of(name), 0, json_object_iter_value(at));
    }
}

static void add_fact(maker *m, gate_span name, gate_span text)
{
    if (!text.ptr)
        return;
    m->source = GATE_SOURCE_COUNT;
    m->is_visible = true;
    add_entry(m, name, 0);
    add_text(m, text, GATE_VALUE_STRING);
}

static apr_int64_t find_auth_time(const gate_claim_set *sets, int count)
{
    apr_int64_t seconds = 0;
    for (int i = 0; i < count; i++)
        if (gate_json_seconds(sets[i].claims, "auth_time", &seconds) != GATE_JSON_ABSENT)
            return seconds;
    return 0;
}

static uint8_t list_sources(const gate_claim_set *sets, int count)
{
    unsigned sources = 0;
    for (int i = 0; i < count; i++)
        if (json_object_size(sets[i].claims))
            sources |= 1u << sets[i].source;
    return (uint8_t)sources;
}

static char *append(char *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

/* By hash, and else as they were added: what comes later has its values later, but for one without
 * any. */
static int compare_entries(const void *a_, const void *b_)
{
    const struct entry *a = a_, *b = b_;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (int)(a->count != 0) - (int)(b->count != 0);
}

/* A person's claims are few: each finds its place among those before it. */
#define FEW_ENTRIES 64

static void sort_entries(struct entry *entries, uint32_t count)
{
    if (count > FEW_ENTRIES) {
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        const struct entry entry = entries[i];
        uint32_t at = i;
        for (; at > 0 && compare_entries(&entries[at - 1], &entry) > 0; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static gate_span assemble(apr_pool_t *p, const maker *m, gate_identity *head)
{
    const size_t size = size_of(m);
    head->bytes = (uint32_t)size;
    head->entries = (uint32_t)m->entries->nelts;
    head->values = (uint32_t)m->values->nelts;
    head->text_bytes = (uint32_t)m->texts.len;
    sort_entries((struct entry *)(void *)m->entries->elts, head->entries);

    char *record = apr_palloc(p, size);
    char *to = append(record, head, sizeof *head);
    to = append(to, m->entries->elts, head->entries * sizeof(struct entry));
    to = append(to, m->values->elts, head->values * sizeof(struct value));
    append(to, m->texts.bytes, m->texts.len);
    return (gate_span){record, size};
}

static gate_reason make(apr_pool_t *p, apr_pool_t *scratch, const gate_identity_facts *facts,
                        const gate_claim_set *sets, int count, gate_span *bytes)
{
    enum { FIRST_ENTRIES = 32, FIRST_VALUES = 64 };
    maker m = {
        .scratch = scratch,
        .entries = apr_array_make(scratch, FIRST_ENTRIES, sizeof(struct entry)),
        .values = apr_array_make(scratch, FIRST_VALUES, sizeof(struct value)),
        .texts = gate_texts_make(scratch, GATE_IDENTITY_MAX_BYTES),
    };
    gate_identity head = {
        .magic = MAGIC,
        .expires = facts->expires,
        .auth_time = find_auth_time(sets, count),
        .issuer = keep(&m, facts->issuer),
        .subject = keep(&m, facts->subject),
        .client_id = keep(&m, facts->client_id),
        .session_id = keep(&m, facts->session_id),
        .scope = keep(&m, facts->scope),
        .method = (uint8_t)facts->method,
        .is_client = facts->is_client,
        .sources = list_sources(sets, count),
    };
    add_fact(&m, GATE_SPAN("iss"), facts->issuer);
    add_fact(&m, GATE_SPAN("sub"), facts->subject);
    for (int i = 0; i < count && goes_on(&m); i++)
        add_set(&m, sets, i);
    if (goes_on(&m))
        *bytes = assemble(p, &m, &head);
    return m.reason;
}

gate_reason gate_identity_make(apr_pool_t *p, const gate_identity_facts *facts,
                               const gate_claim_set *sets, int count, gate_span *bytes)
{
    apr_pool_t *scratch;
    if (apr_pool_create(&scratch, p) != APR_SUCCESS)
        return GATE_INTERNAL;
    const gate_reason reason = make(p, scratch, facts, sets, count, bytes);
    apr_pool_destroy(scratch);
    return reason;
}

/* -- reading in place -- */

static const struct entry *entries_of(const gate_identity *identity)
{
    return (const struct entry *)(identity + 1);
}

static const struct value *values_of(const gate_identity *identity)
{
    return (const struct value *)(entries_of(identity) + identity->entries);
}

static const char *texts_of(const gate_identity *identity)
{
    return (const char *)(values_of(identity) + identity->values);
}

static bool has_whole_tables(const gate_identity *identity, size_t len)
{
    const uint64_t size = sizeof *identity + identity->entries * (uint64_t)sizeof(struct entry) +
                          identity->values * (uint64_t)sizeof(struct value) + identity->text_bytes;
    return identity->magic == MAGIC && identity->bytes == len && size == len;
}

/* With at least a byte behind it. */
static bool is_text_inside(uint32_t whole, uint32_t offset, uint32_t len)
{
    return (uint64_t)offset + len < whole;
}

static bool is_text(const gate_identity *identity, struct text text)
{
    return (text.offset == ABSENT && !text.len) ||
           is_text_inside(identity->text_bytes, text.offset, text.len);
}

/* No name runs out of the record. */
static bool has_end(const gate_identity *identity)
{
    return !identity->text_bytes || !((const char *)identity)[identity->bytes - 1];
}

static bool has_good_head(const gate_identity *identity)
{
    return is_text(identity, identity->issuer) && is_text(identity, identity->subject) &&
           is_text(identity, identity->client_id) && is_text(identity, identity->session_id) &&
           is_text(identity, identity->scope) && identity->is_client <= 1;
}

static bool has_good_entries(const gate_identity *identity)
{
    const struct entry *entry = entries_of(identity), *const end = entry + identity->entries;
    const uint32_t texts = identity->text_bytes, values = identity->values;
    for (; entry < end; entry++) {
        if (entry->path >= texts || (uint64_t)entry->first + entry->count > values ||
            (entry->count != 1 && !entry->is_array))
            return false;
    }
    return true;
}

/* There may be hundreds. */
static bool has_good_values(const gate_identity *identity)
{
    const struct value *value = values_of(identity), *const end = value + identity->values;
    const uint32_t whole = identity->text_bytes;
    for (; value < end; value++) {
        if (!is_text_inside(whole, value->offset, value->len) || value->type > GATE_VALUE_JSON)
            return false;
    }
    return true;
}

const gate_identity *gate_identity_open(gate_span bytes)
{
    if (!bytes.ptr || bytes.len < sizeof(gate_identity) || bytes.len > GATE_IDENTITY_MAX_BYTES ||
        (uintptr_t)bytes.ptr % 8)
        return NULL;
    const gate_identity *identity = (const void *)bytes.ptr;
    if (!has_whole_tables(identity, bytes.len) || !has_end(identity) || !has_good_head(identity) ||
        !has_good_entries(identity) || !has_good_values(identity))
        return NULL;
    return identity;
}

static gate_span fact(const gate_identity *identity, struct text text)
{
    if (text.offset == ABSENT)
        return (gate_span){NULL, 0};
    return (gate_span){texts_of(identity) + text.offset, text.len};
}

gate_span gate_identity_bytes(const gate_identity *identity)
{
    return (gate_span){(const char *)identity, identity->bytes};
}

gate_span gate_identity_issuer(const gate_identity *identity)
{
    return fact(identity, identity->issuer);
}

gate_span gate_identity_subject(const gate_identity *identity)
{
    return fact(identity, identity->subject);
}

gate_span gate_identity_client_id(const gate_identity *identity)
{
    return fact(identity, identity->client_id);
}

gate_span gate_identity_session_id(const gate_identity *identity)
{
    return fact(identity, identity->session_id);
}

gate_span gate_identity_scope(const gate_identity *identity)
{
    return fact(identity, identity->scope);
}

apr_int64_t gate_identity_expires(const gate_identity *identity)
{
    return identity->expires;
}

apr_int64_t gate_identity_auth_time(const gate_identity *identity)
{
    return identity->auth_time;
}

int gate_identity_method(const gate_identity *identity)
{
    return identity->method;
}

bool gate_identity_is_client(const gate_identity *identity)
{
    return identity->is_client;
}

bool gate_identity_has_claims(const gate_identity *identity, int source)
{
    return source < 0 ? identity->sources != 0 : identity->sources >> source & 1;
}

bool gate_claim_name_read(gate_span text, gate_claim_name *name)
{
    *name = (gate_claim_name){.path = text, .source = -1};
    for (int i = 0; i < GATE_SOURCE_COUNT; i++) {
        const char *pin = source_names[i].pin;
        if (!gate_span_starts(text, pin))
            continue;
        name->source = i;
        name->path = (gate_span){text.ptr + strlen(pin), text.len - strlen(pin)};
        break;
    }
    name->hash = hash_of(name->path);
    return name->path.len > 0;
}

static bool is_meant(const gate_identity *identity, const struct entry *entry,
                     const gate_claim_name *name)
{
    const char *path = texts_of(identity) + entry->path;
    if (name->source < 0 ? !entry->is_visible : (int)entry->source != name->source)
        return false;
    return name->path.len < identity->text_bytes - entry->path && !path[name->path.len] &&
           !memcmp(path, name->path.ptr, name->path.len);
}

/* The first entry whose hash is not smaller. Hashes lie evenly, so that where one is to be expected
 * it is not far. */
static uint32_t find_hash(const struct entry *entries, uint32_t count, uint32_t hash)
{
    uint32_t at = (uint32_t)((uint64_t)hash * count >> 32);
    while (at > 0 && entries[at - 1].hash >= hash)
        at--;
    while (at < count && entries[at].hash < hash)
        at++;
    return at;
}

/* NULL where there is none. */
static const struct entry *find_entry(const gate_identity *identity, const gate_claim_name *name)
{
    const struct entry *entries = entries_of(identity), *best = NULL;
    const uint32_t count = identity->entries;
    for (uint32_t i = find_hash(entries, count, name->hash);
         i < count && entries[i].hash == name->hash; i++) {
        const struct entry *entry = &entries[i];
        if (is_meant(identity, entry, name) && (!best || entry->depth < best->depth))
            best = entry;
    }
    return best;
}

bool gate_claim_find(const gate_identity *identity, const gate_claim_name *name, gate_claim *claim)
{
    const struct entry *entry = find_entry(identity, name);
    if (!entry)
        return false;
    *claim = (gate_claim){
        .values = values_of(identity) + entry->first,
        .texts = texts_of(identity),
        .count = (int)entry->count,
        .is_array = entry->is_array,
    };
    return true;
}

bool gate_claim_find_plain(const gate_identity *identity, const gate_claim_name *name,
                           gate_span *value)
{
    const struct entry *entry = find_entry(identity, name);
    if (!entry || entry->is_array)
        return false;
    const struct value found = values_of(identity)[entry->first];
    *value = (gate_span){texts_of(identity) + found.offset, found.len};
    return found.is_plain;
}

bool gate_claim_is_barred(const gate_identity *identity, const gate_claim_name *name)
{
    return identity && gate_identity_is_client(identity) && gate_span_is(name->path, "sub");
}

bool gate_claim_find_for_rule(const gate_identity *identity, const gate_claim_name *name,
                              gate_claim *claim)
{
    return identity && !gate_claim_is_barred(identity, name) &&
           gate_claim_find(identity, name, claim);
}

gate_span gate_claim_value(const gate_claim *claim, int i, gate_value_type *type)
{
    const struct value value = ((const struct value *)claim->values)[i];
    *type = (gate_value_type)value.type;
    return (gate_span){claim->texts + value.offset, value.len};
}

/* The values from *i on that stand in a row, each with its NUL behind it, as one text; *i is then
 * behind them. Absent where one of them is not plain. */
static gate_span cut_row(const gate_claim *claim, int *i)
{
    const struct value *value = (const struct value *)claim->values + *i;
    const struct value *const end = (const struct value *)claim->values + claim->count;
    const uint32_t begin = value->offset;
    uint32_t behind, plain = 1;
    do {
        plain &= value->is_plain;
        behind = value->offset + value->len;
    } while (++value < end && value->offset == behind + 1);
    *i = (int)(value - (const struct value *)claim->values);
    return plain ? (gate_span){claim->texts + begin, behind - begin} : (gate_span){NULL, 0};
}

size_t gate_claim_join(const gate_claim *claim, char separator, char *to, size_t room)
{
    const struct value *values = claim->values;
    size_t len = 0;
    for (int i = 0; i < claim->count;) {
        const gate_span row = cut_row(claim, &i);
        if (!row.ptr || row.len >= room - len || memchr(row.ptr, separator, row.len))
            return 0;
        memcpy(to + len, row.ptr, row.len);
        len += row.len + 1;
    }
    for (int i = 0; i < claim->count; i++) {
        to += values[i].len;
        *to++ = separator;
    }
    return len ? len - 1 : 0;
}
