/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* message.h - one HTTP question and its answer as data: oidc/ makes and reads them, io/ carries
 * them */
#ifndef GATE_BASE_MESSAGE_H
#define GATE_BASE_MESSAGE_H

#include "base/span.h"
#include "base/url.h"

/* A question to a provider. GET where form is NULL, else POST with the form as its body. */
typedef struct gate_question {
    const char *url;
    const char *accept;        /* what the answer should be: "application/json" */
    const char *authorization; /* value of the header of that name, or NULL */
    gate_form *form;
    int counted_as;  /* the number under which the call is counted */
    bool wants_date; /* the answer's date is read */
} gate_question;

/* What came back, headers and body whole. Only the members that anybody reads. */
typedef struct gate_answer {
    int status;               /* 200 ... */
    const char *content_type; /* without parameters, lower case; "" where none was sent */
    apr_int64_t retry_after;  /* seconds; -1 where not said */
    gate_span body;
    apr_int64_t date;         /* seconds since 1970, by the clock there; 0 where not said, or not wanted */
} gate_answer;

#endif
