/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* rule.h - the Require language: compiled when the configuration is read, pure when a request is
 * matched */
#ifndef GATE_GATE_RULE_H
#define GATE_GATE_RULE_H

#include "base/reason.h"
#include "gate/claim_note.h"
#include "gate/claims.h"
#include "gate/step_up.h"

/* Whether a text is what a rule wants; UNKNOWN where a regular expression gave up on it. */
typedef enum gate_match { GATE_MATCH_NO, GATE_MATCH_YES, GATE_MATCH_UNKNOWN } gate_match;

/* Regular expressions are the server's: gate/ knows none of its own. */
typedef struct gate_regex_engine {
    /* NULL and *problem for a pattern that is none. */
    const void *(*compile)(apr_pool_t *p, const char *pattern, const char **problem);
    /* Anywhere in text, as httpd's own expressions do. */
    gate_match (*matches)(const void *regex, gate_span text);
} gate_regex_engine;

typedef struct gate_rule gate_rule;

/* Each reads the words behind "Require claim" and so on (already parted and unquoted,
 * NULL-terminated) into a rule in p. Returns NULL, or what is wrong with them and how to say it,
 * for the administrator. The words are copied.
 *
 * claim NAME:VALUE...  Any one of them. The value compares exactly, against a string, a number, a
 * boolean, or any member of an array. NAME~REGEX matches the same values. NAME>=NUMBER and
 * NAME<=NUMBER compare numbers, and nothing that merely reads like one.
 *
 * The claim email is nobody's where email_verified of the same source is false: CLAIM_MISMATCH.
 *
 * The name ends at the first ':', '~', ">=" or "<=" that is no part of "://" and no pin ("id:",
 * "userinfo:", "at:"). Within a name a backslash before ':', '~', '<' or '>' takes its meaning
 * away: "cognito\:groups:staff". */
const char *gate_rule_claim(apr_pool_t *p, const char *const *words, const gate_regex_engine *regex,
                            const gate_rule **rule);

/* The rules that ask whether words are in a list. They differ in the claim that is read, and in the
 * reason to refuse. */
typedef enum gate_rule_kind {
    GATE_RULE_SCOPE,    /* claim scope, else scp, else as granted; SCOPE_MISSING */
    GATE_RULE_ROLE,     /* claim roles; CLAIM_MISSING, CLAIM_MISMATCH */
    GATE_RULE_GROUP,    /* claim groups; the same */
    GATE_RULE_AUDIENCE, /* claim aud of the access token; the same */
    GATE_RULE_KIND_COUNT
} gate_rule_kind;

/* "scope", "role", "group", "audience": the word behind Require. */
const char *gate_rule_kind_name(gate_rule_kind kind);

/* scope [claim=NAME] "a b" c...  (a and b) or c.
 *
 * They are looked for in the kind's claims or in the named one (all of NAME, colons too). A string
 * is read as words parted by spaces, an array as its members, which are split no further. */
const char *gate_rule_list(apr_pool_t *p, gate_rule_kind kind, const char *const *words,
                           const gate_rule **rule);

/* no-claim NAME...  None of these claims is there, in whatever source, not even as null. NAME reads
 * as above, and ends with the word. Where it cannot be known, because the source (or, without a
 * pin, every source) is opaque or was not asked, it is refused. */
const char *gate_rule_no_claim(apr_pool_t *p, const char *const *words, const gate_rule **rule);

/* method METHOD...  Somebody came by one of them ("code", "bearer", ...). */
const char *gate_rule_method(apr_pool_t *p, const char *const *words, const gate_rule **rule);

/* acr VALUE...  The claim acr is one of them, to the letter. */
const char *gate_rule_acr(apr_pool_t *p, const char *const *words, const gate_rule **rule);

/* auth-age DURATION  The claim auth_time is not longer ago than that. */
const char *gate_rule_auth_age(apr_pool_t *p, const char *const *words, const gate_rule **rule);

/* When a rule is asked, and how far clocks may differ. */
typedef struct gate_rule_time {
    apr_int64_t now; /* seconds since 1970 */
    int skew;        /* seconds */
} gate_rule_time;

/* Whether the rule admits. GATE_OK, CLAIM_MISSING (no such claim), CLAIM_MISMATCH (another value,
 * or one where there may be none), CLAIMS_UNAVAILABLE (none is known where that matters),
 * SCOPE_MISSING, ACR_UNMET, RULE_REFUSED (another method), RULE_UNDECIDED (not even that it refuses
 * can be said). Nobody (NULL) has no claims. detail may
 * be NULL, which costs least; on a refusal *detail gets what the claim was, escaped, in at most
 * GATE_CLAIM_NOTE_BYTES. Pure: same rule, identity and time, same answer, any number of times. */
gate_reason gate_rule_check(const gate_rule *rule, const gate_identity *identity,
                            gate_rule_time time, apr_pool_t *p, const char **detail);

/* What the claims that the rule asks for are, in the words of a refusal, whether it refuses or not.
 * In p. NULL for rules about signing in. */
const char *gate_rule_seen(const gate_rule *rule, const gate_identity *identity, apr_pool_t *p);

/* What a scope rule would need, as a challenge says it (its first alternative: "a b"); NULL for
 * other rules. */
const char *gate_rule_scope_needed(const gate_rule *rule);

/* What an acr or auth-age rule wants; NULL for other rules. */
const gate_step_up *gate_rule_step_up(const gate_rule *rule);

#endif
