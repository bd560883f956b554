/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* claims.h - who it is, as one flat read-only record: encoded once when the claims are verified,
 * read in place from then on */
#ifndef GATE_GATE_CLAIMS_H
#define GATE_GATE_CLAIMS_H

#include <stdint.h>

#include <jansson.h>

#include "base/reason.h"
#include "base/span.h"

/* Where a claim comes from. */
typedef enum gate_source {
    GATE_SOURCE_ID_TOKEN,     /* pinned by "id:" */
    GATE_SOURCE_USERINFO,     /* "userinfo:" */
    GATE_SOURCE_ACCESS_TOKEN, /* "at:"; a verified JWT, or what introspection said of the token */
    GATE_SOURCE_COUNT
} gate_source;

/* "id_token", "userinfo", "access_token" as OIDCGateClaimsFrom spells them. */
bool gate_source_find(const char *name, gate_source *source);
const char *gate_source_name(gate_source source);

/* The largest record that is made: what does not fit is SESSION_TOO_LARGE, never cut. */
#define GATE_IDENTITY_MAX_BYTES (256 * 1024)

/* An encoded identity, 8-byte aligned. Only claims.c knows its inside (drawn there). */
typedef struct gate_identity gate_identity;

/* What is known beside the claims. Spans are copied into the record. */
typedef struct gate_identity_facts {
    int method; /* a gate_method */
    gate_span issuer, subject;
    gate_span client_id;  /* the client of a presented token; absent: not known */
    gate_span scope;      /* as the token endpoint granted it, used where no claim says */
    gate_span session_id; /* "sid" of the ID token, for logout */
    apr_int64_t expires;  /* seconds since 1970: no longer believed from then on; 0: the session's
                             limits alone count */
    bool is_client; /* a program with its own credentials (subject is the client): never a user */
} gate_identity_facts;

typedef struct gate_claim_set {
    gate_source source;
    const json_t *claims; /* an object */
} gate_claim_set;

/* Encodes. The sets stand in their order of precedence: a top-level claim of an earlier one hides
 * that of a later, but for iss and sub, which are always the facts' issuer and subject. Objects are
 * flattened ("realm_access.roles"), at most to GATE_JSON_MAX_DEPTH. SESSION_TOO_LARGE beyond
 * GATE_IDENTITY_MAX_BYTES. *bytes is the record, in p; gate_identity_open reads it. */
gate_reason gate_identity_make(apr_pool_t *p, const gate_identity_facts *facts,
                               const gate_claim_set *sets, int count, gate_span *bytes);

/* Looks at a record in place: bytes must live as long as the identity and be 8-byte aligned (memory
 * from a pool is). NULL where they are no record: every offset is checked here once, so that no
 * later look-up has to. */
const gate_identity *gate_identity_open(gate_span bytes);

/* The record itself. */
gate_span gate_identity_bytes(const gate_identity *identity);
gate_span gate_identity_issuer(const gate_identity *identity);
gate_span gate_identity_subject(const gate_identity *identity);
gate_span gate_identity_client_id(const gate_identity *identity);
gate_span gate_identity_session_id(const gate_identity *identity);
/* As granted (see the facts), not the claim. */
gate_span gate_identity_scope(const gate_identity *identity);
apr_int64_t gate_identity_expires(const gate_identity *identity);
/* The claim auth_time; 0 where there is none. */
apr_int64_t gate_identity_auth_time(const gate_identity *identity);
int gate_identity_method(const gate_identity *identity);
bool gate_identity_is_client(const gate_identity *identity);
/* Whether that source (a gate_source; -1: any) had claims at all. An opaque token that nobody was
 * asked about has none. */
bool gate_identity_has_claims(const gate_identity *identity, int source);

/* The name of a claim as rules and templates write it, compiled: "email", "realm_access.roles",
 * "id:email", "https://x.io/roles". */
typedef struct gate_claim_name {
    gate_span path; /* without the pin */
    int source;     /* a gate_source, or -1: whichever comes first */
    uint32_t hash;
} gate_claim_name;

/* text is borrowed. False for an empty name. */
bool gate_claim_name_read(gate_span text, gate_claim_name *name);

typedef enum gate_value_type {
    GATE_VALUE_STRING,
    GATE_VALUE_NUMBER,  /* as JSON spells it, in the fewest digits: "7", "0.1", "1.0" */
    GATE_VALUE_BOOLEAN, /* "true", "false" */
    GATE_VALUE_NULL,
    GATE_VALUE_JSON /* an object, or an array within an array: its compact text; no rule ever
                       matches it */
} gate_value_type;

/* A claim that was found; valid as long as the identity. */
typedef struct gate_claim {
    const void *values; /* the first of them, within the record, */
    const char *texts;  /* and what they point into */
    int count;          /* of values: 1 for a scalar or object, any number for an array */
    bool is_array;
} gate_claim;

/* Finds a claim: the literal name first, dots and all, then the path; among several ways to read
 * the path, the one with the fewest steps into objects, and then the one that stands first.
 * Unpinned, "iss" and "sub" are the facts'; pinned, a source's own. False where there is none. */
bool gate_claim_find(const gate_identity *identity, const gate_claim_name *name, gate_claim *claim);

/* Whether no rule may look at that claim of this caller: a rule about a subject is about a person,
 * and a client may have got itself a person's name (RFC 9700 section 4.15). */
bool gate_claim_is_barred(const gate_identity *identity, const gate_claim_name *name);

/* As rules and expressions find it: nobody (NULL) has no claims, and what is barred is not there.
 */
bool gate_claim_find_for_rule(const gate_identity *identity, const gate_claim_name *name,
                              gate_claim *claim);

/* The i-th value, 0 <= i < claim->count. A byte behind it can be read, too: it is NUL in every
 * record that was made here. */
gate_span gate_claim_value(const gate_claim *claim, int i, gate_value_type *type);

/* Finds a claim's value that is no array, and certainly what a header field carries and gives back
 * as it is: neither empty nor null, without a control character, and without a blank at either end.
 * It ends in a NUL. False for any other: gate_claim_find says what it is. */
bool gate_claim_find_plain(const gate_identity *identity, const gate_claim_name *name,
                           gate_span *value);

/* Writes all values, with the separator between them, into at most `room` bytes. How many they are;
 * 0, and then anything may be in them, where not all are plain, one holds the separator, or there
 * is no room for one separator more. */
size_t gate_claim_join(const gate_claim *claim, char separator, char *to, size_t room);

#endif
