/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/report.h"

#include <apr_strings.h>
#include <apr_time.h>

#include "base/json.h"

/* All samples of one metric. */
typedef struct family {
    const gate_metric *metric;
    apr_array_header_t *samples; /* of gate_sample */
} family;

struct gate_report {
    apr_pool_t *pool;
    apr_array_header_t *families; /* of family */
};

/* A text on its way, in pieces. */
typedef struct writer {
    apr_pool_t *pool;
    apr_array_header_t *pieces; /* of const char * */
} writer;

gate_report *gate_report_make(apr_pool_t *p)
{
    gate_report *report = apr_palloc(p, sizeof *report);

    *report = (gate_report){p, apr_array_make(p, 32, sizeof(family))};
    return report;
}

void gate_report_add(gate_report *report, const gate_metric *metric, gate_sample sample)
{
    family *found = NULL;

    for (int i = 0; i < report->families->nelts && !found; i++) {
        family *other = &APR_ARRAY_IDX(report->families, i, family);

        if (other->metric == metric)
            found = other;
    }
    if (!found) {
        found = apr_array_push(report->families);
        *found = (family){metric, apr_array_make(report->pool, 8, sizeof(gate_sample))};
    }
    APR_ARRAY_PUSH(found->samples, gate_sample) = sample;
}

static writer writer_of(const gate_report *report)
{
    return (writer){report->pool, apr_array_make(report->pool, 256, sizeof(const char *))};
}

static void say(const writer *w, const char *text)
{
    APR_ARRAY_PUSH(w->pieces, const char *) = text;
}

static const char *written(const writer *w)
{
    return apr_array_pstrcat(w->pool, w->pieces, 0);
}

static const char *number(apr_pool_t *p, apr_uint64_t value)
{
    return apr_psprintf(p, "%" APR_UINT64_T_FMT, value);
}

/* Seconds, out of so many parts of a second, without a fraction that says nothing. */
static const char *decimal(apr_pool_t *p, apr_uint64_t value, apr_uint64_t parts, int digits)
{
    char *text = apr_psprintf(p, "%" APR_UINT64_T_FMT ".%0*" APR_UINT64_T_FMT, value / parts,
                              digits, value % parts);
    size_t len = strlen(text);

    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    text[len] = '\0';
    return text;
}

static const char *seconds_of(apr_pool_t *p, apr_uint64_t microseconds)
{
    return decimal(p, microseconds, 1000000, 6);
}

static const char *bound_of(apr_pool_t *p, int milliseconds)
{
    return milliseconds ? decimal(p, (apr_uint64_t)milliseconds, 1000, 3) : "+Inf";
}

/* How many buckets there are, the one beyond the last bound included. */
static int bucket_count(const gate_metric *metric)
{
    int count = 0;

    while (metric->bounds[count])
        count++;
    return count + 1;
}

static apr_uint64_t total(const gate_metric *metric, const gate_sample *sample)
{
    apr_uint64_t sum = 0;

    for (int i = bucket_count(metric) - 1; i >= 0; i--)
        sum += sample->buckets[i];
    return sum;
}

/* --- Prometheus --- */

/* Of a label's value: backslash, double quote and line feed; of help: no quotes to escape. */
static const char *escaped(apr_pool_t *p, const char *text, bool is_quoted)
{
    char *safe = apr_palloc(p, 2 * strlen(text) + 1), *out = safe;

    for (; *text; text++) {
        if (*text == '\\' || *text == '\n' || (is_quoted && *text == '"'))
            *out++ = '\\';
        *out++ = *text == '\n' ? 'n' : *text;
    }
    *out = '\0';
    return safe;
}

/* {a="1",b="2"}, and le, where there is one. */
static void say_labels(const writer *w, const gate_metric *metric, const gate_sample *sample,
                       const char *le)
{
    const char *separator = "{";

    for (int i = 0; i < GATE_REPORT_MAX_LABELS && metric->labels[i]; i++) {
        say(w, apr_pstrcat(w->pool, separator, metric->labels[i], "=\"",
                           escaped(w->pool, sample->labels[i], true), "\"", NULL));
        separator = ",";
    }
    if (le)
        say(w, apr_pstrcat(w->pool, separator, "le=\"", le, "\"", NULL));
    if (le || metric->labels[0])
        say(w, "}");
}

static void say_line(const writer *w, const gate_metric *metric, const gate_sample *sample,
                     const char *suffix, const char *le, const char *value)
{
    say(w, metric->name);
    say(w, suffix);
    say_labels(w, metric, sample, le);
    say(w, " ");
    say(w, value);
    say(w, "\n");
}

/* There a bucket holds all that is within its bound. */
static void say_histogram(const writer *w, const gate_metric *metric, const gate_sample *sample)
{
    apr_uint64_t within = 0;

    for (int i = 0; i < bucket_count(metric); i++) {
        within += sample->buckets[i];
        say_line(w, metric, sample, "_bucket", bound_of(w->pool, metric->bounds[i]),
                 number(w->pool, within));
    }
    say_line(w, metric, sample, "_sum", NULL, seconds_of(w->pool, sample->value));
    say_line(w, metric, sample, "_count", NULL, number(w->pool, within));
}

const char *gate_report_prometheus(const gate_report *report)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const writer w = writer_of(report);

    for (int i = 0; i < report->families->nelts; i++) {
        const family *f = &APR_ARRAY_IDX(report->families, i, family);

        say(&w, apr_pstrcat(w.pool, "# HELP ", f->metric->name, " ",
                            escaped(w.pool, f->metric->help, false), "\n# TYPE ", f->metric->name,
                            " ", types[f->metric->type], "\n", NULL));
        for (int n = 0; n < f->samples->nelts; n++) {
            const gate_sample *sample = &APR_ARRAY_IDX(f->samples, n, gate_sample);

            if (f->metric->type == GATE_METRIC_HISTOGRAM)
                say_histogram(&w, f->metric, sample);
            else
                say_line(&w, f->metric, sample, "", NULL, number(w.pool, sample->value));
        }
    }
    return written(&w);
}

/* --- JSON --- */

static json_t *sample_object(apr_pool_t *p, const gate_metric *metric, const gate_sample *sample)
{
    json_t *object = json_object();

    for (int i = 0; i < GATE_REPORT_MAX_LABELS && metric->labels[i]; i++) {
        if (json_object_set_new(object, metric->labels[i], json_string(sample->labels[i])) != 0)
            return json_decref(object), NULL;
    }
    if (metric->type != GATE_METRIC_HISTOGRAM) {
        json_object_set_new(object, "value", json_integer((json_int_t)sample->value));
        return object;
    }
    json_object_set_new(object, "count", json_integer((json_int_t)total(metric, sample)));
    json_object_set_new(object, "seconds", json_real((double)sample->value / 1e6));
    for (int i = 0; i < bucket_count(metric); i++) {
        const char *name = apr_pstrcat(p, "le ", bound_of(p, metric->bounds[i]), NULL);

        json_object_set_new(object, name, json_integer((json_int_t)sample->buckets[i]));
    }
    return object;
}

const char *gate_report_json(const gate_report *report)
{
    json_t *all = gate_json_own(report->pool, json_object());

    for (int i = 0; i < report->families->nelts; i++) {
        const family *f = &APR_ARRAY_IDX(report->families, i, family);
        json_t *list = json_array();

        json_object_set_new(all, f->metric->name, list);
        for (int n = 0; n < f->samples->nelts; n++) {
            json_t *object =
                sample_object(report->pool, f->metric, &APR_ARRAY_IDX(f->samples, n, gate_sample));

            if (json_array_append_new(list, object) != 0)
                return NULL;
        }
    }
    return gate_json_compact(report->pool, all).ptr;
}

/* --- HTML --- */

static const char *bytes_text(apr_pool_t *p, apr_uint64_t bytes)
{
    return bytes < 1024 * 1024 ? apr_psprintf(p, "%" APR_UINT64_T_FMT " KiB", (bytes + 1023) / 1024)
                               : apr_psprintf(p, "%.1f MiB", (double)bytes / (1024 * 1024));
}

static const char *date_text(apr_pool_t *p, apr_uint64_t seconds)
{
    char *text = apr_palloc(p, APR_RFC822_DATE_LEN);

    return apr_rfc822_date(text, apr_time_from_sec((apr_int64_t)seconds)) == APR_SUCCESS ? text
                                                                                         : "?";
}

static const char *value_text(apr_pool_t *p, const gate_metric *metric, const gate_sample *sample)
{
    if (metric->type == GATE_METRIC_HISTOGRAM) {
        const apr_uint64_t count = total(metric, sample);

        return apr_psprintf(p, "%" APR_UINT64_T_FMT " of %s ms on average", count,
                            count ? decimal(p, sample->value / count, 1000, 3) : "0");
    }
    switch (metric->unit) {
    case GATE_UNIT_BYTES:
        return bytes_text(p, sample->value);
    case GATE_UNIT_SECONDS:
        return apr_psprintf(p, "%" APR_UINT64_T_FMT " s", sample->value);
    case GATE_UNIT_DATE:
        return date_text(p, sample->value);
    default:
        return number(p, sample->value);
    }
}

static void say_cell(const writer *w, const char *open, const char *text, const char *close)
{
    say(w, open);
    say(w, gate_span_for_html(w->pool, gate_span_of(text)));
    say(w, close);
}

static void say_table(const writer *w, const family *f)
{
    const gate_metric *metric = f->metric;

    say_cell(w, "<table>\n<caption>", metric->help, "</caption>\n<tr>");
    for (int i = 0; i < GATE_REPORT_MAX_LABELS && metric->labels[i]; i++)
        say_cell(w, "<th scope=\"col\">", metric->labels[i], "</th>");
    say(w, "<th scope=\"col\"></th></tr>\n");
    for (int n = 0; n < f->samples->nelts; n++) {
        const gate_sample *sample = &APR_ARRAY_IDX(f->samples, n, gate_sample);

        say(w, "<tr>");
        for (int i = 0; i < GATE_REPORT_MAX_LABELS && metric->labels[i]; i++)
            say_cell(w, "<td>", sample->labels[i], "</td>");
        say_cell(w, "<td>", value_text(w->pool, metric, sample), "</td></tr>\n");
    }
    say(w, "</table>\n");
}

/* What has one sample is a line of the first table. */
static bool is_single(const family *f)
{
    return f->samples->nelts == 1 && (!f->metric->labels[0] || !f->metric->labels[1]);
}

static void say_single(const writer *w, const family *f)
{
    const gate_sample *sample = &APR_ARRAY_IDX(f->samples, 0, gate_sample);

    say_cell(w, "<tr><th scope=\"row\">", f->metric->help, "</th>");
    say_cell(w, "<td>", f->metric->labels[0] ? sample->labels[0] : "", "</td>");
    say_cell(w, "<td>", value_text(w->pool, f->metric, sample), "</td></tr>\n");
}

const char *gate_report_html(const gate_report *report)
{
    const writer w = writer_of(report);

    say(&w, "<table>\n");
    for (int i = 0; i < report->families->nelts; i++) {
        const family *f = &APR_ARRAY_IDX(report->families, i, family);

        if (is_single(f))
            say_single(&w, f);
    }
    say(&w, "</table>\n");
    for (int i = 0; i < report->families->nelts; i++) {
        const family *f = &APR_ARRAY_IDX(report->families, i, family);

        if (!is_single(f))
            say_table(&w, f);
    }
    return written(&w);
}
