/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* json_read.c - from text to jansson's values, once over the text: what a token is made of nearly
 * always is read here, and what is hard to read right (escapes, fractions, what is no ASCII) is
 * left to jansson, so that there is no second opinion on it. */
#include "base/json.h"

#include "base/json_memory.h"

#define MAX_DIGITS     18  /* of a number that fits 64 bits whatever they are */
#define MAX_SHORT_NAME 128 /* bytes */

/* What one byte may be part of. */
enum { IS_BLANK = 1, IS_PLAIN = 2, IS_NUMBER = 4 };

static const unsigned char kinds[256] = {
    [' '] = IS_BLANK | IS_PLAIN,
    ['\t'] = IS_BLANK,
    ['\n'] = IS_BLANK,
    ['\r'] = IS_BLANK,
    ['!'] = IS_PLAIN,
    ['#' ... '*'] = IS_PLAIN,
    ['+'] = IS_PLAIN | IS_NUMBER,
    [','] = IS_PLAIN,
    ['-'] = IS_PLAIN | IS_NUMBER,
    ['.'] = IS_PLAIN | IS_NUMBER,
    ['/'] = IS_PLAIN,
    ['0' ... '9'] = IS_PLAIN | IS_NUMBER,
    [':' ... 'D'] = IS_PLAIN,
    ['E'] = IS_PLAIN | IS_NUMBER,
    ['F' ... '['] = IS_PLAIN,
    [']' ... 'd'] = IS_PLAIN,
    ['e'] = IS_PLAIN | IS_NUMBER,
    ['f' ... 0x7f] = IS_PLAIN,
};

typedef struct reader {
    const unsigned char *at, *end;
} reader;

/* The next byte, or 0 at the end: a NUL in the text is of no kind, and refused like the end. */
static unsigned char look(const reader *r)
{
    return r->at < r->end ? *r->at : 0;
}

static void skip(reader *r, int kind)
{
    while (kinds[look(r)] & kind)
        r->at++;
}

static bool take(reader *r, unsigned char c)
{
    skip(r, IS_BLANK);
    if (look(r) != c)
        return false;
    r->at++;
    return true;
}

static json_t *ask_jansson(const unsigned char *from, const unsigned char *to)
{
    return json_loadb((const char *)from, (size_t)(to - from), JSON_DECODE_ANY, NULL);
}

/* Where a string that is not plain ends: behind its quote. Whatever else is wrong with it, jansson
 * will see. */
static bool skip_string(reader *r)
{
    for (; r->at < r->end; r->at++) {
        if (*r->at == '"') {
            r->at++;
            return true;
        }
        if (*r->at == '\\' && ++r->at == r->end)
            return false;
    }
    return false;
}

/* Behind the quote that begins it. A string of plain ASCII is *plain, and the text says what it is;
 * else it is the value that is returned; NULL with neither: it is none. */
static json_t *read_text(reader *r, gate_span *plain)
{
    const unsigned char *start = r->at;

    skip(r, IS_PLAIN);
    *plain = (gate_span){NULL, 0};
    if (look(r) == '"') {
        *plain = (gate_span){(const char *)start, (size_t)(r->at - start)};
        r->at++;
        return NULL;
    }
    return skip_string(r) ? ask_jansson(start - 1, r->at) : NULL;
}

static json_t *read_string(reader *r)
{
    gate_span plain;
    json_t *other = read_text(r, &plain);

    return plain.ptr ? json_stringn_nocheck(plain.ptr, plain.len) : other;
}

static json_t *read_number(reader *r)
{
    const unsigned char *start = r->at;
    json_int_t number = 0;

    skip(r, IS_NUMBER);
    if (r->at == start)
        return NULL;
    if (*start < '1' || *start > '9' || r->at - start > MAX_DIGITS)
        return ask_jansson(start, r->at);
    for (const unsigned char *at = start; at < r->at; at++) {
        if (*at < '0' || *at > '9')
            return ask_jansson(start, r->at);
        number = number * 10 + (*at - '0');
    }
    return json_integer(number);
}

static json_t *read_word(reader *r, const char *word, json_t *value)
{
    const size_t len = strlen(word);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return NULL;
    r->at += len;
    return value;
}

static json_t *read_value(reader *r, int depth);

/* Whatever becomes of it, the value is the object's or no more. A name that is there already does
 * not make the object larger. */
static bool add_member(json_t *object, const char *name, json_t *value)
{
    const size_t before = json_object_size(object);

    return json_object_set_new_nocheck(object, name, value) == 0 &&
           json_object_size(object) == before + 1;
}

static bool add_named(json_t *object, gate_span plain, json_t *value)
{
    char name[MAX_SHORT_NAME];
    json_t *long_name;
    bool added;

    if (plain.len < sizeof name) {
        memcpy(name, plain.ptr, plain.len);
        name[plain.len] = '\0';
        return add_member(object, name, value);
    }
    long_name = json_stringn_nocheck(plain.ptr, plain.len);
    added = add_member(object, json_string_value(long_name), value);
    json_decref(long_name);
    return added;
}

static bool read_member(reader *r, json_t *object, int depth)
{
    gate_span plain;
    json_t *other, *value;
    bool added = false;

    if (!take(r, '"'))
        return false;
    other = read_text(r, &plain);
    if ((plain.ptr || other) && take(r, ':') && (value = read_value(r, depth)) != NULL)
        added = plain.ptr ? add_named(object, plain, value)
                          : add_member(object, json_string_value(other), value);
    json_decref(other);
    return added;
}

static bool read_element(reader *r, json_t *array, int depth)
{
    json_t *value = read_value(r, depth);

    return value && json_array_append_new(array, value) == 0;
}

/* Behind the bracket that opens it. */
static json_t *read_nest(reader *r, json_t *nest, unsigned char closes, int depth,
                         bool (*read_one)(reader *r, json_t *nest, int depth))
{
    bool good = depth <= GATE_JSON_MAX_DEPTH;

    if (good && take(r, closes))
        return nest;
    while (good && (good = read_one(r, nest, depth)) && take(r, ','))
        continue;
    if (good && take(r, closes))
        return nest;
    json_decref(nest);
    return NULL;
}

static json_t *read_value(reader *r, int depth)
{
    skip(r, IS_BLANK);
    switch (look(r)) {
    case '{':
        r->at++;
        return read_nest(r, json_object(), '}', depth + 1, read_member);
    case '[':
        r->at++;
        return read_nest(r, json_array(), ']', depth + 1, read_element);
    case '"':
        r->at++;
        return read_string(r);
    case 't':
        return read_word(r, "true", json_true());
    case 'f':
        return read_word(r, "false", json_false());
    case 'n':
        return read_word(r, "null", json_null());
    default:
        return read_number(r);
    }
}

static json_t *read_document(gate_span text)
{
    reader r = {(const unsigned char *)text.ptr, (const unsigned char *)text.ptr + text.len};
    json_t *value;

    skip(&r, IS_BLANK);
    value = look(&r) == '{' ? read_value(&r, 0) : NULL;
    skip(&r, IS_BLANK);
    if (r.at == r.end)
        return value;
    json_decref(value);
    return NULL;
}

/* Values of a token take about so much memory for each byte of text. */
#define BYTES_PER_BYTE 5
#define BYTES_AT_LEAST 1024

json_t *gate_json_object(apr_pool_t *p, gate_span text, size_t max_bytes)
{
    json_t *value;

    if (!text.ptr || text.len > max_bytes)
        return NULL;
    if (!gate_json_lend(p, BYTES_AT_LEAST + text.len * BYTES_PER_BYTE))
        return gate_json_own(p, read_document(text));
    value = read_document(text);
    gate_json_lending_ends();
    return value;
}
