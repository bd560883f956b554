/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* report.h - numbers with names and labels, written for Prometheus (text format 0.0.4), for
 * programs (JSON) and for people (HTML) */
#ifndef GATE_BASE_REPORT_H
#define GATE_BASE_REPORT_H

#include <apr_tables.h>

#include "base/span.h"

#define GATE_REPORT_MAX_LABELS 5

typedef enum gate_metric_type {
    GATE_METRIC_COUNTER,
    GATE_METRIC_GAUGE,
    GATE_METRIC_HISTOGRAM /* of durations */
} gate_metric_type;

/* How people get to see the value; programs get it as it is. */
typedef enum gate_metric_unit {
    GATE_UNIT_NONE,
    GATE_UNIT_BYTES,
    GATE_UNIT_SECONDS,
    GATE_UNIT_DATE /* seconds since 1970 */
} gate_metric_unit;

/* What is counted. Name and label names are Prometheus's: letters, digits and '_'. */
typedef struct gate_metric {
    const char *name, *help;
    gate_metric_type type;
    gate_metric_unit unit;
    const char *labels[GATE_REPORT_MAX_LABELS]; /* their names; NULL behind the last */
    const int *bounds; /* of a histogram: milliseconds, growing; 0 behind the last */
} gate_metric;

/* How much of it there is. */
typedef struct gate_sample {
    const char *labels[GATE_REPORT_MAX_LABELS]; /* their values, UTF-8 */
    apr_uint64_t value;                         /* of a histogram: the sum, in microseconds */
    const apr_uint64_t *buckets; /* of a histogram: how many within each bound, and not within the
                                    one before; one more for those beyond the last */
} gate_sample;

typedef struct gate_report gate_report;

gate_report *gate_report_make(apr_pool_t *p);

/* Adds a sample, beside the others of that metric; those come in the order in which they were first
 * met. The metric, and what the sample points to, live as long as the report. */
void gate_report_add(gate_report *report, const gate_metric *metric, gate_sample sample);

/* Each in the report's pool. The JSON is an object with an array for each metric; NULL where a
 * label is no UTF-8. */
const char *gate_report_prometheus(const gate_report *report);
const char *gate_report_json(const gate_report *report);
/* A table for each metric; those of one sample and one label at most share the first. */
const char *gate_report_html(const gate_report *report);

#endif
