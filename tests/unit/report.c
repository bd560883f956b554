/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/report.h"

#include <apr_general.h>

#include "base/json.h"
#include "tap.h"

static const int bounds[] = {5, 1000, 0};
static const gate_metric requests = {.name = "requests_total",
                                     .help = "One\\two\nthree.",
                                     .type = GATE_METRIC_COUNTER,
                                     .labels = {"location", "reason"}};
static const gate_metric held = {
    .name = "held", .help = "Held.", .type = GATE_METRIC_GAUGE, .unit = GATE_UNIT_BYTES};
static const gate_metric since = {
    .name = "since", .help = "Since.", .type = GATE_METRIC_GAUGE, .unit = GATE_UNIT_DATE};
static const gate_metric took = {.name = "took_seconds",
                                 .help = "Took.",
                                 .type = GATE_METRIC_HISTOGRAM,
                                 .labels = {"to"},
                                 .bounds = bounds};

static apr_pool_t *pool;

static gate_report *count(const char *location, apr_uint64_t value)
{
    gate_report *report = gate_report_make(pool);

    gate_report_add(report, &requests, (gate_sample){.labels = {location, "ok"}, .value = value});
    return report;
}

static void test_prometheus(void)
{
    gate_report *report = count("/app", UINT64_MAX);

    gate_report_add(report, &held, (gate_sample){.value = 0});
    gate_report_add(report, &requests, (gate_sample){.labels = {"/b", "replay"}, .value = 2});
    is(gate_report_prometheus(report),
       "# HELP requests_total One\\\\two\\nthree.\n"
       "# TYPE requests_total counter\n"
       "requests_total{location=\"/app\",reason=\"ok\"} 18446744073709551615\n"
       "requests_total{location=\"/b\",reason=\"replay\"} 2\n"
       "# HELP held Held.\n"
       "# TYPE held gauge\n"
       "held 0\n",
       "the samples of a metric stand together, below its name");
    is(gate_report_prometheus(gate_report_make(pool)), "", "nothing is nothing");
}

static void test_labels(void)
{
    is(gate_report_prometheus(count("a\"b\\c\nd{},=", 1)),
       "# HELP requests_total One\\\\two\\nthree.\n"
       "# TYPE requests_total counter\n"
       "requests_total{location=\"a\\\"b\\\\c\\nd{},=\",reason=\"ok\"} 1\n",
       "no label gets out of its quotes, or its line");
    is(gate_report_json(count("a\"b\\c\nd", 1)),
       "{\"requests_total\":[{\"location\":\"a\\\"b\\\\c\\nd\",\"reason\":\"ok\",\"value\":1}]}",
       "in JSON neither");
    ok(strstr(gate_report_html(count("<b>&\"", 1)), "<td>&lt;b&gt;&amp;&quot;</td>") ||
           strstr(gate_report_html(count("<b>&\"", 1)), "<td>&lt;b&gt;&amp;&#34;</td>"),
       "nor in HTML");
    ok(gate_report_json(count("\xff", 1)) == NULL, "what is no UTF-8 is no JSON");
}

static void test_histogram(void)
{
    static const apr_uint64_t buckets[] = {3, 0, 2};
    gate_report *report = gate_report_make(pool);

    gate_report_add(report, &took, (gate_sample){{"x"}, 12345678, buckets});
    is(gate_report_prometheus(report),
       "# HELP took_seconds Took.\n"
       "# TYPE took_seconds histogram\n"
       "took_seconds_bucket{to=\"x\",le=\"0.005\"} 3\n"
       "took_seconds_bucket{to=\"x\",le=\"1\"} 3\n"
       "took_seconds_bucket{to=\"x\",le=\"+Inf\"} 5\n"
       "took_seconds_sum{to=\"x\"} 12.345678\n"
       "took_seconds_count{to=\"x\"} 5\n",
       "each bucket holds those before it");
    is(gate_report_json(report),
       "{\"took_seconds\":[{\"to\":\"x\",\"count\":5,\"seconds\":12.345677999999999,"
       "\"le 0.005\":3,\"le 1\":0,\"le +Inf\":2}]}",
       "in JSON each its own");
    ok(strstr(gate_report_html(report), "<td>5 of 2469.135 ms on average</td>"),
       "people see the average");
}

static void test_units(void)
{
    gate_report *report = gate_report_make(pool);
    const char *html;

    gate_report_add(report, &held, (gate_sample){.value = 1000});
    gate_report_add(report, &held, (gate_sample){.value = 33554432});
    gate_report_add(report, &since, (gate_sample){.value = 1750000000});
    html = gate_report_html(report);
    ok(strstr(html, "<td>1 KiB</td>") && strstr(html, "<td>32.0 MiB</td>"), "bytes for people");
    ok(strstr(html, "<td>Sun, 15 Jun 2025 15:06:40 GMT</td>"), "a date for people");
    ok(strstr(html, "<tr><th scope=\"row\">Since.</th><td></td><td>Sun"),
       "one number is one line, for people");
    ok(strstr(html, "<caption>Held.</caption>"), "several are a table");
    ok(strstr(gate_report_prometheus(report), "since 1750000000\n"), "and a number for programs");
}

int main(void)
{
    apr_initialize();
    gate_json_setup();
    apr_pool_create(&pool, NULL);
    test_prometheus();
    test_labels();
    test_histogram();
    test_units();
    apr_terminate();
    return tap_done();
}
