/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/url.h"

#include "tap.h"

#include <apr_general.h>
#include <apr_strings.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SHOW(span)   gate_span_for_log(pool, span, 80)

static apr_pool_t *pool;

/* The families of open redirect payloads: with their like, browsers, servers and frameworks have
 * been fooled. */
static const gate_span payloads[] = {
    /* another authority, plainly */
    GATE_SPAN("//evil.example"),
    GATE_SPAN("//evil.example/"),
    GATE_SPAN("//evil.example/app"),
    GATE_SPAN("///evil.example"),
    GATE_SPAN("////evil.example"),
    GATE_SPAN("/////evil.example/%2f.."),
    GATE_SPAN("//"),
    GATE_SPAN("///"),
    GATE_SPAN("//?"),
    GATE_SPAN("//evil.example?x=/app"),
    GATE_SPAN("//evil%E3%80%82example"),
    GATE_SPAN("//[::1]"),
    GATE_SPAN("//2130706433/"),
    GATE_SPAN("//user@evil.example"),
    GATE_SPAN("//gate.example@evil.example/"),
    GATE_SPAN("//evil.example:443"),
    GATE_SPAN("//evil.example/%2e%2e"),
    GATE_SPAN("//evil.example//"),
    GATE_SPAN("//evil.example/..;/css"),
    GATE_SPAN("//XY>.7d8T\\205pZM@evil.example/"),
    /* no path at all, or another scheme */
    GATE_SPAN(""),
    GATE_SPAN("evil.example"),
    GATE_SPAN("www.evil.example"),
    GATE_SPAN("app"),
    GATE_SPAN("."),
    GATE_SPAN(".."),
    GATE_SPAN("./app"),
    GATE_SPAN("../app"),
    GATE_SPAN("?x=1"),
    GATE_SPAN("#x"),
    GATE_SPAN("@evil.example"),
    GATE_SPAN(".evil.example"),
    GATE_SPAN(":80"),
    GATE_SPAN("http://evil.example"),
    GATE_SPAN("https://evil.example/"),
    GATE_SPAN("HTTPS://evil.example"),
    GATE_SPAN("http:evil.example"),
    GATE_SPAN("http:/evil.example"),
    GATE_SPAN("http:///evil.example"),
    GATE_SPAN("https:evil.example"),
    GATE_SPAN("https:/\\evil.example"),
    GATE_SPAN("https:\\\\evil.example"),
    GATE_SPAN("h\tttp://evil.example"),
    GATE_SPAN("ht\ntp://evil.example"),
    GATE_SPAN("\x01http://evil.example"),
    GATE_SPAN("ftp://evil.example"),
    GATE_SPAN("file:///etc/passwd"),
    GATE_SPAN("ws://evil.example"),
    GATE_SPAN("javascript:alert(1)"),
    GATE_SPAN("JaVaScRiPt:alert(1)"),
    GATE_SPAN("java\nscript:alert(1)"),
    GATE_SPAN("javascript://%250Aalert(1)"),
    GATE_SPAN("\tjavascript:alert(1)"),
    GATE_SPAN("data:text/html,x"),
    GATE_SPAN("data:text/html;base64,PHg+"),
    GATE_SPAN("vbscript:x"),
    GATE_SPAN("about:blank"),
    GATE_SPAN("mailto:x@evil.example"),
    GATE_SPAN("x://evil.example"),
    GATE_SPAN("https%3a//evil.example"),
    GATE_SPAN("https://gate.example@evil.example"),
    GATE_SPAN("https://gate.example.evil.example/"),
    GATE_SPAN("https://gate.example:x@evil.example"),
    GATE_SPAN("https://gate.example/app"),
    GATE_SPAN("%2fapp"),
    GATE_SPAN("%2f%2fevil.example"),
    GATE_SPAN("%5cevil.example"),
    GATE_SPAN("%2f%5cevil.example"),
    GATE_SPAN("%68ttp://evil.example"),
    GATE_SPAN("%09//evil.example"),
    GATE_SPAN("%00//evil.example"),
    /* '\' is '/' to a browser */
    GATE_SPAN("/\\evil.example"),
    GATE_SPAN("/\\/evil.example"),
    GATE_SPAN("/\\\\evil.example"),
    GATE_SPAN("\\evil.example"),
    GATE_SPAN("\\\\evil.example"),
    GATE_SPAN("\\/evil.example"),
    GATE_SPAN("\\/\\/evil.example"),
    GATE_SPAN("//\\evil.example"),
    GATE_SPAN("/.\\evil.example"),
    GATE_SPAN("/..\\evil.example"),
    GATE_SPAN("/app\\x"),
    GATE_SPAN("/app?x=\\"),
    GATE_SPAN("/\\\tevil.example"),
    GATE_SPAN("/\\@evil.example"),
    GATE_SPAN("/app/..\\\\evil.example"),
    /* either of them encoded, once or more often */
    GATE_SPAN("/%2fevil.example"),
    GATE_SPAN("/%2Fevil.example"),
    GATE_SPAN("/%2f/evil.example"),
    GATE_SPAN("/%2f%2fevil.example"),
    GATE_SPAN("/%2F%2Fevil.example"),
    GATE_SPAN("/%5cevil.example"),
    GATE_SPAN("/%5Cevil.example"),
    GATE_SPAN("/%5c%5cevil.example"),
    GATE_SPAN("/%5c/evil.example"),
    GATE_SPAN("/%2f%5cevil.example"),
    GATE_SPAN("/%5c%2fevil.example"),
    GATE_SPAN("/%252fevil.example"),
    GATE_SPAN("/%252f%252fevil.example"),
    GATE_SPAN("/%255cevil.example"),
    GATE_SPAN("/%25252fevil.example"),
    GATE_SPAN("/%25255cevil.example"),
    GATE_SPAN("/%2525252fevil.example"),
    GATE_SPAN("/%252525252fevil.example"),
    GATE_SPAN("/%25252525252fevil.example"),
    GATE_SPAN("/%25%32%66evil.example"),
    GATE_SPAN("/%25%35%63evil.example"),
    GATE_SPAN("/%2%66evil.example"),
    GATE_SPAN("/%%32%66evil.example"),
    GATE_SPAN("/%%32fevil.example"),
    GATE_SPAN("/%u002fevil.example"),
    GATE_SPAN("/%u2215evil.example"),
    GATE_SPAN("/%"),
    GATE_SPAN("/%2"),
    GATE_SPAN("/%zz/evil.example"),
    GATE_SPAN("/%2g"),
    GATE_SPAN("/app/%"),
    GATE_SPAN("/app/%4"),
    GATE_SPAN("/a%25252525252fb"),
    /* dot segments that leave "//" at the front */
    GATE_SPAN("/.//evil.example"),
    GATE_SPAN("/..//evil.example"),
    GATE_SPAN("/././/evil.example"),
    GATE_SPAN("/../..//evil.example"),
    GATE_SPAN("/./..//evil.example"),
    GATE_SPAN("/.///evil.example"),
    GATE_SPAN("/app/..//evil.example"),
    GATE_SPAN("/app/../..//evil.example"),
    GATE_SPAN("/a/b/../..//evil.example"),
    GATE_SPAN("/a/./..//evil.example"),
    GATE_SPAN("/a/../b/..//evil.example"),
    GATE_SPAN("/%2e//evil.example"),
    GATE_SPAN("/%2e%2e//evil.example"),
    GATE_SPAN("/.%2e//evil.example"),
    GATE_SPAN("/%2e./%2fevil.example"),
    GATE_SPAN("/%2E%2F%2Fevil.example"),
    GATE_SPAN("/..%2f/evil.example"),
    GATE_SPAN("/..%2f%2fevil.example"),
    GATE_SPAN("/app/%2e%2e//evil.example"),
    GATE_SPAN("/app%2f..%2f%2fevil.example"),
    GATE_SPAN("/%252e%252e//evil.example"),
    GATE_SPAN("/.%5c/evil.example"),
    GATE_SPAN("/..%5cevil.example/..//x"),
    GATE_SPAN("/app/..%5c/evil.example"),
    GATE_SPAN("/.%5c%5cevil.example"),
    GATE_SPAN("/a/..%5c%5cevil.example"),
    GATE_SPAN("/%2e%5c%2fevil.example"),
    GATE_SPAN("/./%2fevil.example"),
    GATE_SPAN("/.;//evil.example"),
    GATE_SPAN("/..;//evil.example"),
    GATE_SPAN("/app/..;//evil.example"),
    GATE_SPAN("/;/evil.example"),
    GATE_SPAN("/;x=1//evil.example"),
    GATE_SPAN("/;@evil.example/x"),
    GATE_SPAN("/a;b/..//evil.example"),
    GATE_SPAN("/%3b/evil.example"),
    GATE_SPAN("/.%3b//evil.example"),
    GATE_SPAN("/..%3b/;/evil.example"),
    /* what is stripped or trimmed on the way: controls and blanks, as they are or encoded */
    GATE_SPAN("/\t/evil.example"),
    GATE_SPAN("/\n/evil.example"),
    GATE_SPAN("/\r/evil.example"),
    GATE_SPAN("/\r\n/evil.example"),
    GATE_SPAN("/\v/evil.example"),
    GATE_SPAN("/\f/evil.example"),
    GATE_SPAN("/\0/evil.example"),
    GATE_SPAN("/\x7f/evil.example"),
    GATE_SPAN("/\x1b/evil.example"),
    GATE_SPAN("\t//evil.example"),
    GATE_SPAN(" //evil.example"),
    GATE_SPAN("\n/app"),
    GATE_SPAN(" /app"),
    GATE_SPAN("/app\n"),
    GATE_SPAN("/app "),
    GATE_SPAN("/a b"),
    GATE_SPAN("/ /evil.example"),
    GATE_SPAN("/app\r\nLocation: http://evil.example"),
    GATE_SPAN("/app?x\r\nSet-Cookie: a=b"),
    GATE_SPAN("/%09/evil.example"),
    GATE_SPAN("/%0a/evil.example"),
    GATE_SPAN("/%0d/evil.example"),
    GATE_SPAN("/%0D%0A/evil.example"),
    GATE_SPAN("/%00/evil.example"),
    GATE_SPAN("/%0b/evil.example"),
    GATE_SPAN("/%0c/evil.example"),
    GATE_SPAN("/%1f/evil.example"),
    GATE_SPAN("/%7f/evil.example"),
    GATE_SPAN("/app%0d%0aLocation:%20x"),
    GATE_SPAN("/app/%00"),
    GATE_SPAN("/%2509/evil.example"),
    GATE_SPAN("/%250a/evil.example"),
    GATE_SPAN("/.%09./evil.example"),
    GATE_SPAN("/%20/evil.example"),
    GATE_SPAN("/%20%20/evil.example"),
    GATE_SPAN("/%2520/evil.example"),
    GATE_SPAN("/%20.//evil.example"),
    GATE_SPAN("/.%20.//evil.example"),
    GATE_SPAN("/%c2%a0/evil.example"),
    GATE_SPAN("/%c2%85/evil.example"),
    GATE_SPAN("/%e3%80%80/evil.example"),
    GATE_SPAN("/%e2%80%8b/evil.example"),
    GATE_SPAN("/%ef%bb%bf/evil.example"),
    GATE_SPAN("/%e1%9a%80/evil.example"),
    GATE_SPAN("/%e2%80%a8/evil.example"),
    GATE_SPAN("/%e2%80%a9/evil.example"),
    /* bytes that are no ASCII, and lookalikes */
    GATE_SPAN("/\xe3\x80\xb1"
              "evil.example"),
    GATE_SPAN("/\xef\xbc\x8f"
              "evil.example"),
    GATE_SPAN("/\xe2\x88\x95"
              "evil.example"),
    GATE_SPAN("/\xc0\xaf"
              "evil.example"),
    GATE_SPAN("\xe3\x80\xb1"
              "evil.example"),
    GATE_SPAN("/app\x80"),
    GATE_SPAN("/gr\xc3\xbc\xc3\x9f"
              "e"),
    GATE_SPAN("/app?x=\xff"),
    GATE_SPAN("\xef\xbb\xbf/app"),
    GATE_SPAN("\xef\xbc\x8f/evil.example"),
    GATE_SPAN("/%ef%bc%8fevil.example"),
    GATE_SPAN("/%EF%BC%8F/evil.example"),
    GATE_SPAN("/%e2%88%95evil.example"),
    GATE_SPAN("/%e2%81%84evil.example"),
    GATE_SPAN("/%e2%88%96evil.example"),
    GATE_SPAN("/%ef%bc%bcevil.example"),
    GATE_SPAN("/%e2%a7%b8evil.example"),
    GATE_SPAN("/%e2%a7%b5evil.example"),
    GATE_SPAN("/%ef%b9%a8evil.example"),
    GATE_SPAN("/%c0%afevil.example"),
    GATE_SPAN("/%c0%af%c0%afevil.example"),
    GATE_SPAN("/%c1%9cevil.example"),
    GATE_SPAN("/%e0%80%afevil.example"),
    GATE_SPAN("/%25c0%25afevil.example"),
    GATE_SPAN("/%ef%bc%8e//evil.example"),
    GATE_SPAN("/%ef%bc%8e%ef%bc%8e//evil.example"),
    GATE_SPAN("/%e2%80%a4//evil.example"),
    GATE_SPAN("/.%ef%bc%8f%ef%bc%8fevil.example"),
    /* a fragment is the browser's own */
    GATE_SPAN("/#"),
    GATE_SPAN("/app#x"),
    GATE_SPAN("/#//evil.example"),
    GATE_SPAN("/app?x=#y"),
};

/* What people do come back to. */
static const gate_span local[] = {
    GATE_SPAN("/"),
    GATE_SPAN("/app"),
    GATE_SPAN("/app/"),
    GATE_SPAN("/app/x?a=1&b=%20"),
    GATE_SPAN("/?"),
    GATE_SPAN("/?x"),
    GATE_SPAN("/?//evil.example"),
    GATE_SPAN("/app/?next=http://x/y"),
    GATE_SPAN("/app?x=//y"),
    GATE_SPAN("/app?x=%2f%2fy%5c"),
    GATE_SPAN("/app?x=%0d%0a"),
    GATE_SPAN("/app?a=100%"),
    GATE_SPAN("/app?q=%zz"),
    GATE_SPAN("/app?x[]=1&y={\"z\"}"),
    GATE_SPAN("/app??"),
    GATE_SPAN("/a.b/c-d_e~f"),
    GATE_SPAN("/.well-known/x"),
    GATE_SPAN("/..a/b"),
    GATE_SPAN("/.../x"),
    GATE_SPAN("/a//b"),
    GATE_SPAN("/a///b//"),
    GATE_SPAN("/a/../b"),
    GATE_SPAN("/a/./b/"),
    GATE_SPAN("/.."),
    GATE_SPAN("/."),
    GATE_SPAN("/./"),
    GATE_SPAN("/../"),
    GATE_SPAN("/a/.."),
    GATE_SPAN("/a/../"),
    GATE_SPAN("/a;v=1/b"),
    GATE_SPAN("/app;jsessionid=1"),
    GATE_SPAN("/a:b"),
    GATE_SPAN("/gr%C3%BC%C3%9Fe"),
    GATE_SPAN("/%E6%97%A5%E6%9C%AC/x"),
    GATE_SPAN("/%f0%9f%98%80"),
    GATE_SPAN("/my%20file"),
    GATE_SPAN("/50%25"),
    GATE_SPAN("/a%2fb"),
    GATE_SPAN("/a%2f%2fb"),
    GATE_SPAN("/a%5cb"),
    GATE_SPAN("/a%252fb"),
    GATE_SPAN("/wiki/AC%E2%88%95DC"),
    GATE_SPAN("/!$&'()*+,;=:@"),
    GATE_SPAN("/a+b"),
    /* these look bad, and are paths on this host to every reader that the others fool */
    GATE_SPAN("/@evil.example"),
    GATE_SPAN("/.evil.example"),
    GATE_SPAN("/evil.example"),
    GATE_SPAN("/http:evil.example"),
    GATE_SPAN("/http://evil.example"),
    GATE_SPAN("/javascript:alert(1)"),
    GATE_SPAN("/:80"),
    GATE_SPAN("/?@evil.example"),
    GATE_SPAN("/a?/../..//b"),
    GATE_SPAN("/<x>"),
    GATE_SPAN("/\"x\""),
};

static void redirects(void)
{
    ok(COUNT(payloads) >= 150, "%d payloads", (int)COUNT(payloads));
    for (size_t i = 0; i < COUNT(payloads); i++)
        ok(!gate_url_is_local(payloads[i]), "nobody is sent to \"%s\"", SHOW(payloads[i]));
    for (size_t i = 0; i < COUNT(local); i++)
        ok(gate_url_is_local(local[i]), "\"%s\" is local", SHOW(local[i]));
    ok(!gate_url_is_local((gate_span){NULL, 0}), "nowhere is not local");
    char *text = apr_palloc(pool, 4097);
    memset(text, '/', 4097);
    memset(text + 1, 'a', 4096);
    ok(gate_url_is_local((gate_span){text, 4096}), "4,096 bytes are not too long");
    ok(!gate_url_is_local((gate_span){text, 4097}), "4,097 are");
    memset(text, '/', 4097);
    ok(!gate_url_is_local((gate_span){text, 4096}), "4,096 slashes are not local");
    for (int i = 0; i < 4096; i += 2)
        memcpy(text + 1 + i, "./", 2);
    ok(gate_url_is_local((gate_span){text, 4095}), "two thousand dots are");
}

/* "/?/e": whatever stands between two slashes is either plainly a name, or refused. */
static void every_byte(void)
{
    for (int c = 0; c < 256; c++) {
        char text[] = {'/', (char)c, '/', 'e'};
        bool good = c > 0x20 && c < 0x7f && !strchr("/\\#%;.", c);
        if (c == '?')
            good = true;
        if (gate_url_is_local((gate_span){text, sizeof text}) != (good || c == '.'))
            ok(false, "'/', byte %02x, '/' is %slocal", c, good ? "" : "not ");
        char escaped[16];
        int len = apr_snprintf(escaped, sizeof escaped, "/%%%02x/e", c);
        bool hidden = c < 0x20 || c == 0x7f || strchr(" /\\;", c);
        if (gate_url_is_local((gate_span){escaped, (size_t)len}) == hidden)
            ok(false, "'%s' is %slocal", escaped, hidden ? "not " : "");
    }
    ok(true, "every byte between two slashes was judged, as it is and escaped");
}

static const struct {
    const char *text, *scheme, *host;
    unsigned port;
    const char *path, *query;
    bool is_https, is_loopback;
} good_addresses[] = {
    {"https://id.example.com", "https", "id.example.com", 443, "", NULL, true, false},
    {"https://id.example.com/", "https", "id.example.com", 443, "/", NULL, true, false},
    {"http://h/a/b?c=d/e?f", "http", "h", 80, "/a/b", "c=d/e?f", false, false},
    {"https://h?x", "https", "h", 443, "", "x", true, false},
    {"https://h/?", "https", "h", 443, "/", "", true, false},
    {"HTTPS://ID.Example.COM:8443/A", "HTTPS", "ID.Example.COM", 8443, "/A", NULL, true, false},
    {"http://h:1/", "http", "h", 1, "/", NULL, false, false},
    {"http://h:65535", "http", "h", 65535, "", NULL, false, false},
    {"https://h:0443/", "https", "h", 443, "/", NULL, true, false},
    {"https://my_idp-1.local./", "https", "my_idp-1.local.", 443, "/", NULL, true, false},
    {"https://h//x", "https", "h", 443, "//x", NULL, true, false},
    {"https://h/a@b:c", "https", "h", 443, "/a@b:c", NULL, true, false},
    {"https://h?a@b", "https", "h", 443, "", "a@b", true, false},
    {"https://h/%zz", "https", "h", 443, "/%zz", NULL, true, false},
    {"http://[2001:db8::1]:8080/x", "http", "[2001:db8::1]", 8080, "/x", NULL, false, false},
    {"http://[::ffff:127.0.0.1]/", "http", "[::ffff:127.0.0.1]", 80, "/", NULL, false, false},
    {"http://[::1]", "http", "[::1]", 80, "", NULL, false, true},
    {"http://[::1]:9/", "http", "[::1]", 9, "/", NULL, false, true},
    {"http://localhost:8080/", "http", "localhost", 8080, "/", NULL, false, true},
    {"https://LocalHost", "https", "LocalHost", 443, "", NULL, true, true},
    {"http://127.0.0.1", "http", "127.0.0.1", 80, "", NULL, false, true},
    {"http://127.255.255.255/", "http", "127.255.255.255", 80, "/", NULL, false, true},
    {"http://127.0.0.1.evil.example/", "http", "127.0.0.1.evil.example", 80, "/", NULL, false,
     false},
    {"http://localhost.evil.example/", "http", "localhost.evil.example", 80, "/", NULL, false,
     false},
    {"http://localhost./", "http", "localhost.", 80, "/", NULL, false, false},
    {"http://127.1/", "http", "127.1", 80, "/", NULL, false, false},
    {"http://127.0.0.256/", "http", "127.0.0.256", 80, "/", NULL, false, false},
    {"http://127.0.0.01/", "http", "127.0.0.01", 80, "/", NULL, false, false},
    {"http://127.0.0.1./", "http", "127.0.0.1.", 80, "/", NULL, false, false},
    {"http://127.0.0.1.1/", "http", "127.0.0.1.1", 80, "/", NULL, false, false},
    {"http://127.0.0.x/", "http", "127.0.0.x", 80, "/", NULL, false, false},
    {"http://128.0.0.1/", "http", "128.0.0.1", 80, "/", NULL, false, false},
    {"http://1270.0.0.1/", "http", "1270.0.0.1", 80, "/", NULL, false, false},
    {"http://[::2]/", "http", "[::2]", 80, "/", NULL, false, false},
};

static void parsing(void)
{
    for (size_t i = 0; i < COUNT(good_addresses); i++) {
        gate_url url;
        bool read = gate_url_parse(gate_span_of(good_addresses[i].text), &url);
        ok(read && gate_span_is(url.scheme, good_addresses[i].scheme) &&
               gate_span_is(url.host, good_addresses[i].host) &&
               url.port == good_addresses[i].port &&
               gate_span_is(url.path, good_addresses[i].path) &&
               gate_span_is(url.query, good_addresses[i].query) &&
               url.is_https == good_addresses[i].is_https,
           "reads %s", good_addresses[i].text);
        ok(read && url.is_loopback == good_addresses[i].is_loopback, "%s is %sloopback",
           good_addresses[i].text, good_addresses[i].is_loopback ? "" : "not ");
    }
}

static const gate_span bad_addresses[] = {
    GATE_SPAN(""),
    GATE_SPAN("h"),
    GATE_SPAN("/x"),
    GATE_SPAN("//h/"),
    GATE_SPAN("http"),
    GATE_SPAN("http:"),
    GATE_SPAN("http:/"),
    GATE_SPAN("http://"),
    GATE_SPAN("http:///x"),
    GATE_SPAN("http:h"),
    GATE_SPAN("http:/h"),
    GATE_SPAN("http//h"),
    GATE_SPAN("://h"),
    GATE_SPAN("ftp://h/"),
    GATE_SPAN("httpx://h/"),
    GATE_SPAN("htt://h/"),
    GATE_SPAN("javascript://h/"),
    GATE_SPAN("https+x://h/"),
    GATE_SPAN("file:///x"),
    GATE_SPAN("http://?x"),
    GATE_SPAN("http://u@h/"),
    GATE_SPAN("http://u:p@h/"),
    GATE_SPAN("http://@h/"),
    GATE_SPAN("http://:@h/"),
    GATE_SPAN("http://h/#x"),
    GATE_SPAN("http://h#x"),
    GATE_SPAN("http://h/#"),
    GATE_SPAN("http://h/ "),
    GATE_SPAN(" http://h/"),
    GATE_SPAN("http://h /"),
    GATE_SPAN("http://h/a b"),
    GATE_SPAN("http://h/\t"),
    GATE_SPAN("http://h\n/"),
    GATE_SPAN("http://h/\r\n"),
    GATE_SPAN("http://h/\0"),
    GATE_SPAN("http://h\0.x/"),
    GATE_SPAN("http://h/\x7f"),
    GATE_SPAN("http://h\\x"),
    GATE_SPAN("http:\\\\h"),
    GATE_SPAN("http://h/\\"),
    GATE_SPAN("http://h/\""),
    GATE_SPAN("http://h/<"),
    GATE_SPAN("http://h/>"),
    GATE_SPAN("http://h/\xc3\xa9"),
    GATE_SPAN("http://\xc3\xa9/"),
    GATE_SPAN("http://:80"),
    GATE_SPAN("http://:80/"),
    GATE_SPAN("http://h:"),
    GATE_SPAN("http://h:/"),
    GATE_SPAN("http://h:0/"),
    GATE_SPAN("http://h:65536/"),
    GATE_SPAN("http://h:x/"),
    GATE_SPAN("http://h:-1/"),
    GATE_SPAN("http://h:+80/"),
    GATE_SPAN("http://h:80:80/"),
    GATE_SPAN("http://h:8 0/"),
    GATE_SPAN("http://h:000080/"),
    GATE_SPAN("http://h:4294967376/"),
    GATE_SPAN("http://h:0x50/"),
    GATE_SPAN("http://.h/"),
    GATE_SPAN("http://./"),
    GATE_SPAN("http://a..b/"),
    GATE_SPAN("http://h%2ex/"),
    GATE_SPAN("http://h%00/"),
    GATE_SPAN("http://h,x/"),
    GATE_SPAN("http://h;x/"),
    GATE_SPAN("http://h*x/"),
    GATE_SPAN("http://[]/"),
    GATE_SPAN("http://[:]/"),
    GATE_SPAN("http://[::1/"),
    GATE_SPAN("http://[::1"),
    GATE_SPAN("http://::1/"),
    GATE_SPAN("http://[::1]x/"),
    GATE_SPAN("http://[::1]:/"),
    GATE_SPAN("http://[::1]]/"),
    GATE_SPAN("http://[::1%25eth0]/"),
    GATE_SPAN("http://[::g]/"),
    GATE_SPAN("http://x[::1]/"),
    GATE_SPAN("http://[[::1]]/"),
    GATE_SPAN("http://[v1.x]/"),
};

static void refusals(void)
{
    gate_url url = {.port = 99};
    for (size_t i = 0; i < COUNT(bad_addresses); i++)
        ok(!gate_url_parse(bad_addresses[i], &url), "refuses \"%s\"", SHOW(bad_addresses[i]));
    ok(!gate_url_parse((gate_span){NULL, 0}, &url), "refuses what is absent");
    ok(url.port == 99, "and leaves the result as it was");
}

static void origins(void)
{
    static const struct {
        const char *text, *origin;
    } cases[] = {
        {"https://ID.Example.com/x?y", "https://id.example.com"},
        {"HTTP://h:80/", "http://h"},
        {"https://h:443/", "https://h"},
        {"https://h:80/", "https://h:80"},
        {"http://h:443/", "http://h:443"},
        {"http://[2001:DB8::A]:8080/", "http://[2001:db8::a]:8080"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gate_url url;
        is(gate_url_parse(gate_span_of(cases[i].text), &url) ? gate_url_origin(pool, &url)
                                                             : "refused",
           cases[i].origin, "the origin of %s", cases[i].text);
    }
}

static void escapes(void)
{
    static const struct {
        gate_span plain;
        const char *encoded;
    } cases[] = {
        {GATE_SPAN(""), ""},
        {GATE_SPAN("AZaz09-._~"), "AZaz09-._~"},
        {GATE_SPAN("a b+c"), "a+b%2Bc"},
        {GATE_SPAN(":/?#[]@!$&'()*,;=%"), "%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2C%3B%3D%25"},
        {GATE_SPAN("\r\n\x7f\xc3\xa9\xff"), "%0D%0A%7F%C3%A9%FF"},
        /* RFC 6749 appendix B */
        {GATE_SPAN(" %&+\xc2\xa3\xe2\x82\xac"), "+%25%26%2B%C2%A3%E2%82%AC"},
    };
    static const gate_span broken[] = {
        GATE_SPAN("%"),      GATE_SPAN("%2"),   GATE_SPAN("a%"),  GATE_SPAN("%zz"),
        GATE_SPAN("%2g"),    GATE_SPAN("%g2"),  GATE_SPAN("%00"), GATE_SPAN("a%00b"),
        GATE_SPAN("a\0b"),   GATE_SPAN("%%41"), GATE_SPAN("% 1"), GATE_SPAN("%+1"),
        GATE_SPAN("%u0041"), GATE_SPAN("%0x"),
    };
    gate_span decoded;
    for (size_t i = 0; i < COUNT(cases); i++) {
        is(gate_form_encode(pool, cases[i].plain), cases[i].encoded, "encodes \"%s\"",
           SHOW(cases[i].plain));
        ok(gate_form_decode(pool, gate_span_of(cases[i].encoded), &decoded) &&
               gate_span_equal(decoded, cases[i].plain),
           "and decodes it");
    }
    ok(gate_form_decode(pool, GATE_SPAN("a+b%20%2b%2B"), &decoded) &&
           gate_span_is(decoded, "a b ++"),
       "SP is spelled in two ways, and hex digits have either case");
    for (size_t i = 0; i < COUNT(broken); i++)
        ok(!gate_form_decode(pool, broken[i], &decoded), "does not decode \"%s\"", SHOW(broken[i]));
}

static const struct {
    const char *text, *again; /* NULL: refused */
} form_cases[] = {
    {"", ""},
    {"&", ""},
    {"&&&", ""},
    {"a=b", "a=b"},
    {"a=b&c=d", "a=b&c=d"},
    {"c=d&a=b&", "c=d&a=b"},
    {"a=b+c%20d%2B", "a=b+c+d%2B"},
    {"a=b=c==", "a=b%3Dc%3D%3D"},
    {"a%3Db=c%26d", "a%3Db=c%26d"},
    {"a", ""},
    {"a=", ""},
    {"a=&b=1", "b=1"},
    {"=x", "=x"},
    {"a=1&A=2", "a=1&A=2"},
    {"a=1;b=2", "a=1%3Bb%3D2"},
    {"a=%E2%82%AC", "a=%E2%82%AC"},
    {"a=\xff", "a=%FF"},
    {"a=1&a=1", NULL},
    {"a=1&a=2", NULL},
    {"a=1&a=", NULL},
    {"a=&a=1", NULL},
    {"a&a=1", NULL},
    {"a=1&b=2&%61=3", NULL},
    {"a+b=1&a%20b=2", NULL},
    {"=1&=2", NULL},
    {"a=%", NULL},
    {"a=%4", NULL},
    {"a=%zz", NULL},
    {"%=1", NULL},
    {"a=%00", NULL},
    {"%00=1", NULL},
    {"a=1&b=2&c=3&d=4&e=5", NULL},
};

static void forms(void)
{
    gate_form *form;
    for (size_t i = 0; i < COUNT(form_cases); i++) {
        gate_reason reason = gate_form_parse(pool, gate_span_of(form_cases[i].text), 4, &form);
        if (form_cases[i].again)
            is(reason == GATE_OK ? gate_form_text(form) : "refused", form_cases[i].again,
               "reads the form '%s'", form_cases[i].text);
        else
            ok(reason == GATE_MALFORMED_REQUEST, "refuses the form '%s'", form_cases[i].text);
    }
    ok(gate_form_parse(pool, GATE_SPAN("a=1\0&b=2"), 4, &form) == GATE_MALFORMED_REQUEST,
       "refuses a NUL in a value");
    ok(gate_form_parse(pool, GATE_SPAN("a\0=1"), 4, &form) == GATE_MALFORMED_REQUEST,
       "refuses a NUL in a name");
    ok(gate_form_parse(pool, (gate_span){NULL, 0}, 4, &form) == GATE_OK && form->pairs->nelts == 0,
       "no text is an empty form");
    ok(gate_form_parse(pool, GATE_SPAN("a=1&b=2&c=3&d=4"), 4, &form) == GATE_OK,
       "reads as many pairs as it may");
    ok(gate_form_parse(pool, GATE_SPAN("a=x+y&b="), 4, &form) == GATE_OK &&
           gate_span_is(gate_form_get(form, "a"), "x y") && !gate_form_get(form, "b").ptr &&
           !gate_form_get(form, "c").ptr && !gate_form_get(form, "A").ptr,
       "a value is found under its name; what is empty or not there is absent");
}

static void composing(void)
{
    gate_form *form = gate_form_make(pool);
    is(gate_form_text(form), "", "an empty form is an empty text");
    is(gate_url_with_query(pool, "https://h/x", form), "https://h/x", "and adds no query");
    gate_form_add_text(form, "scope", "openid profile");
    gate_form_add_text(form, "none", NULL);
    gate_form_add(form, "a&b", GATE_SPAN("c=d/"));
    is(gate_form_text(form), "scope=openid+profile&a%26b=c%3Dd%2F",
       "pairs are encoded, in their order");
    is(gate_url_with_query(pool, "https://h/x", form),
       "https://h/x?scope=openid+profile&a%26b=c%3Dd%2F", "a form becomes the query");
    is(gate_url_with_query(pool, "https://h/x?y=1", form),
       "https://h/x?y=1&scope=openid+profile&a%26b=c%3Dd%2F", "or follows the one that is there");
    is(gate_url_with_query(pool, "https://h/x?", form),
       "https://h/x?scope=openid+profile&a%26b=c%3Dd%2F", "an empty query needs no '&'");
    is(gate_url_with_query(pool, "https://h/x?y&", form),
       "https://h/x?y&scope=openid+profile&a%26b=c%3Dd%2F", "nor does one that ends in it");
}

static void within(void)
{
    static const struct {
        const char *url, *host;
        bool is_so;
    } cases[] = {
        {"https://example.com/", "example.com", true},
        {"https://a.Example.Com/", "eXample.com", true},
        {"https://a.b.example.com/", "example.com", true},
        {"https://badexample.com/", "example.com", false},
        {"https://example.com.evil/", "example.com", false},
        {"https://com/", "example.com", false},
        {"https://a.127.0.0.1/", "127.0.0.1", false},
        {"https://127.0.0.1/", "127.0.0.1", true},
        {"https://[::1]/", "[::1]", true},
        {"https://[::2]/", "[::1]", false},
        {"https://a.xn--p1a1/", "xn--p1a1", true},
        {"https://example.com/", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gate_url url;
        ok(gate_url_parse(gate_span_of(cases[i].url), &url) &&
               gate_url_is_within(&url, gate_span_of(cases[i].host)) == cases[i].is_so,
           "%s is %swithin \"%s\"", cases[i].url, cases[i].is_so ? "" : "not ", cases[i].host);
    }
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    within();
    redirects();
    every_byte();
    parsing();
    refusals();
    origins();
    escapes();
    forms();
    composing();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
