# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Hostile;

# What a broken, hijacked or malicious provider may send instead of JSON: a table, a row per answer:
# its name, its kind, and a fault for Gate::OP. None of them says yes to anything, so no endpoint that
# answers so may lead to a request being let through, whichever it is. What the gate is to make of it
# depends on the kind alone:
#   none     no answer that can be read
#   object   a JSON object, which lacks what was asked for
#   late     nothing whole before the deadline
#   status   a status that means nothing here
#   refusal  400, 401 or 403: the provider refuses the question; or another of that hundred
# What is long is told as parts, [TEXT, TIMES], which the provider puts together.
use strict;
use warnings FATAL => 'all';

use Compress::Zlib ();
use Exporter qw(import);

our @EXPORT_OK = qw(hostile_answers);

my $OBJECT = '{"active":true}';
my $EMPTY_LIST = head('Content-Length: 2') . '[]';

sub head {
    return join "\r\n", 'HTTP/1.1 200 OK', 'Content-Type: application/json', 'Connection: close', @_, '', '';
}
sub answered {
    my ($body, @headers) = @_;
    return { body => $body, headers => [['Content-Type', 'application/json'], @headers] };
}
sub json  { return { status => 200, body => @_ > 1 ? [@_] : $_[0] } }
sub bytes { return { raw => @_ > 1 ? [@_] : $_[0] } }

# [name, kind, fault] each, in an order that never changes. `elsewhere` is an address that must never
# be asked.
sub hostile_answers {
    my ($elsewhere) = @_;
    my @none = (redirects($elsewhere), texts(), framing(), headers(), encodings());
    return (statuses(), pairs(none => @none), pairs(object => objects()), pairs(late => timing()));
}

sub pairs {
    my ($kind, @pairs) = @_;
    return map { [$pairs[$_ * 2], $kind, $pairs[$_ * 2 + 1]] } 0 .. @pairs / 2 - 1;
}

sub statuses {
    my $error = '{"error":"x"}';
    return (
        (map { ["status $_", refusal => { status => $_, body => $error }] } 400, 401, 403, 404, 407, 418),
        (map { ["status $_", status => { status => $_, body => $error }] }
            201, 204, 206, 304, 429, 500, 502, 503, 599),
        pairs(status =>
            'status 500 with an HTML page' => { status => 500, html => 1 },
            'status 500 with a yes' => { status => 500, body => $OBJECT },
        ),
        pairs(none =>
            'status 999' => bytes("HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n"),
            'status 42' => bytes("HTTP/1.1 42 ?\r\nContent-Length: 0\r\n\r\n"),
            'no status line' => bytes($OBJECT),
            'HTTP/3.7' => bytes("HTTP/3.7 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            'another protocol' => bytes("220 mail ESMTP\r\n"),
            'a TLS alert' => bytes("\x15\x03\x03\x00\x02\x02\x28"),
            'a thousand times 103' => bytes(["HTTP/1.1 103 Early Hints\r\n\r\n", 1000], $EMPTY_LIST),
            'a hundred thousand times 100' => bytes(["HTTP/1.1 100 Continue\r\n\r\n", 100_000], $EMPTY_LIST),
            '101 for nothing'
                => bytes("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nx"),
        ),
    );
}

sub redirects {
    my ($elsewhere) = @_;
    return (
        (map { ("redirect $_" => { status => $_, location => $elsewhere }) } 301, 302, 303, 307, 308),
        'redirect to a file' => { location => 'file:///etc/passwd' },
        'redirect to itself' => { location => '?' },
        'redirect without an address' => { status => 302, body => '' },
    );
}

# None of these is a JSON object that may be believed.
sub texts {
    return (
        'an HTML page' => { html => 1 },
        'nothing' => json(''),
        'a space' => json(' '),
        'null' => json('null'),
        'true' => json('true'),
        'a number' => json('1'),
        'a string' => json('"active"'),
        'a list' => json("[$OBJECT]"),
        'an object that does not end' => json('{"active":true'),
        'an object and more' => json("$OBJECT x"),
        'two objects' => json("$OBJECT$OBJECT"),
        'single quotes' => json("{'active':true}"),
        'a comment' => json('{"active":/**/true}'),
        'a comma too much' => json('{"active":true,}'),
        'NaN' => json('{"active":NaN}'),
        'a number beyond all' => json('{"active":1e99999}'),
        'a byte order mark' => json("\xef\xbb\xbf$OBJECT"),
        'UTF-16' => json(join '', map { "\0$_" } split //, $OBJECT),
        'broken UTF-8' => json("{\"active\":\"\xff\xfe\"}"),
        'UTF-8 longer than need be' => json("{\"active\":\"\xc0\xaf\"}"),
        'half a surrogate' => json('{"active":"\ud800"}'),
        'a NUL in a name' => json('{"active\u0000":true}'),
        'a NUL in a value' => json('{"iss":"https://good\u0000.evil"}'),
        'a NUL byte' => json("{\"active\":\0true}"),
        'a NUL behind the object' => json("$OBJECT\0"),
        'a raw line break in a value' => json("{\"iss\":\"a\r\nb\"}"),
        'a member twice' => json('{"active":true,"active":true}'),
        'a member twice, once escaped' => json('{"active":true,"\u0061ctive":true}'),
        'a member twice, deep inside' => json('{"a":[{"b":{"c":1,"c":2}}],"active":true}'),
        'lists a hundred thousand deep' => json(['[', 100_000], ''),
        'objects a hundred thousand deep' => json(['{"a":', 100_000], ''),
        'objects twenty deep' => json('{"a":' x 20 . '1' . '}' x 20),
        'a string of a megabyte' => json('{"active":"', ['A', 1 << 20], '"}'),
        'a JWT' => json('eyJhbGciOiJub25lIn0.eyJhY3RpdmUiOnRydWV9.'),
    );
}

# And these are objects that say nothing.
sub objects {
    my $many = join ',', map { qq("m$_":$_) } 1 .. 2_500;
    return (
        'an empty object' => json('{}'),
        'the yes of a string' => json('{"active":"true"}'),
        'a line break in a value' => json('{"iss":"https://good\r\nX-Evil: 1"}'),
        'thousands of members' => json("{$many}"),
        'ten thousand keys' => json('{"keys":[', ['{"kty":"oct"},', 10_000], '{}]}'),
        'members of prototypes' => json('{"__proto__":{"active":true},"constructor":{"active":true}}'),
    );
}

sub framing {
    my $chunked = head('Transfer-Encoding: chunked');
    my $yes = head('Content-Length: ' . length $OBJECT) . $OBJECT;
    return (
        'a body shorter than promised' => bytes(head('Content-Length: 1000') . $OBJECT),
        'a body longer than promised' => answered($OBJECT, ['Content-Length', 10]),
        'another answer behind the answer' => bytes(head('Content-Length: 2') . "[]$yes$yes"),
        'two lengths' => bytes(head('Content-Length: 2', 'Content-Length: 3') . '[] '),
        'a negative length' => bytes(head('Content-Length: -1') . $OBJECT),
        'a length that is no number' => bytes(head('Content-Length: many') . $OBJECT),
        'a length beyond all' => bytes(head('Content-Length: 99999999999999999999999') . $OBJECT),
        'chunks, and a length as well'
            => bytes(head('Transfer-Encoding: chunked', 'Content-Length: 15') . "0\r\n\r\n$OBJECT"),
        'a chunk that does not end' => bytes("${chunked}f\r\n$OBJECT"),
        'a chunk size that is none' => bytes("${chunked}xyz\r\n$OBJECT\r\n0\r\n\r\n"),
        'a chunk size beyond all' => bytes("${chunked}fffffffffffffffff\r\n$OBJECT"),
        'a megabyte of chunk extension' => bytes("${chunked}f;", ['x', 1 << 20], "\r\n"),
        'ten megabytes' => { huge => 10 << 20 },
        'no end' => { endless => 1 },
        'half a head' => bytes("HTTP/1.1 200 OK\r\nContent-Ty"),
        'a reset in the head' => { reset_after => 20, body => $OBJECT },
        'a reset in the body' => { reset_after => 80, body => 'x' x 5000 },
        'closed without a word' => { close => 1 },
    );
}

sub headers {
    my @list = ('Content-Length: 2');
    return (
        'ten thousand headers' => bytes("HTTP/1.1 200 OK\r\n", ["X-1: 1\r\n", 10_000], "Connection: close\r\n$list[0]\r\n\r\n[]"),
        'a header of a megabyte' => bytes("HTTP/1.1 200 OK\r\nX: ", ['A', 1 << 20], "\r\nConnection: close\r\n$list[0]\r\n\r\n[]"),
        'a header without a colon' => bytes(head('nonsense', @list) . '[]'),
        'a NUL in a header' => bytes(head("X: a\0b", @list) . '[]'),
        'a head that does not end' => bytes("HTTP/1.1 200 OK\r\n", ["X: 1\r\n", 100_000]),
    );
}

# No compression was asked for, so whatever comes compressed is no answer.
sub encodings {
    my $bomb = Compress::Zlib::memGzip('[' . ' ' x (20 << 20) . ']');
    return (
        'gzip' => answered(Compress::Zlib::memGzip($OBJECT), ['Content-Encoding', 'gzip']),
        'gzip that is none' => answered('no gzip', ['Content-Encoding', 'gzip']),
        'a gzip bomb' => answered($bomb, ['Content-Encoding', 'gzip']),
        'an encoding nobody knows' => answered("\1\2", ['Content-Encoding', 'x-y']),
    );
}

# These take as long as the gate lets them.
sub timing {
    return (
        'one byte a second' => { drip => 1, body => $OBJECT },
        'no answer at all' => { hang => 1 },
    );
}

1;
