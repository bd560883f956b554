# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What comes between a request and its answer: another protocol, answers before the answer, a body that is too long.
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-Between-User "%{user}"

# First, or mod_proxy would take the shorter address's worker for it, which does not upgrade.
ProxyPass /between-socket/ @backend@/socket/ upgrade=websocket

<Location /between>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    ProxyPass @backend@
</Location>
<Location /between-open>
    ProxyPass @backend@
</Location>
<Location /between-socket>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
</Location>
<Location /oidc-gate/backchannel-logout>
    LimitRequestBody 100
</Location>

=httpd h2c

<IfModule http2_module>
    Protocols h2c http/1.1
    H2Upgrade on
    H2EarlyHints on
</IfModule>
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-Between-User "%{user}"
<Location /between>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods   code bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom authorization query:access_token
    ProxyPass @backend@
</Location>
=cut

my $op = provider();
my $backend = backend();
my $token = $op->mint(user => 'alice');

sub has_http2 { return Apache::Test::vars('mpm') ne 'prefork' && qx(curl --version 2>&1) =~ /^Features:.*\bHTTP2\b/m }

# What curl says of version and status, asking with those headers.
sub curl {
    my ($path, $how, @headers) = @_;
    open my $curl, '-|', qw(curl -sS --max-time 20 -o /dev/null -w), '%{http_version} %{http_code}', $how, (map { ('-H', $_) } @headers),
        url($path, 'h2c') or die "curl: $!";
    return join '', readline $curl;
}

row 'whoever offers HTTP/2 on the way (Upgrade: h2c) is known by the credential that came along' => sub {
    plan skip_all => 'no HTTP/2 here' unless has_http2();
    my $alice = ua();
    status_is login($alice, url('/between/x', 'h2c'))->{page}, 200, 'alice signs in';
    my ($cookie) = map { "Cookie: $_->{name}=$_->{value}; other=1" } gate_cookies($alice);
    for my $case (['a token', '/between/x', "Authorization: Bearer $token"], ['a session', '/between/x', $cookie],
                  ['a token in the address', "/between/x?access_token=$token"]) {
        my ($name, $path, @headers) = @$case;
        $backend->reset;
        is curl($path, '--http2', @headers), '1.1 200', "$name: answered as it was asked";
        is_deeply [$backend->got('X-Between-User')], ['alice-sub'], 'the backend knows who it is';
        is_deeply [map { $backend->got($_) } qw(Authorization HTTP2-Settings Upgrade)], [], 'and gets nothing of the offer';
    }
    is curl('/between/x', '--http2-prior-knowledge', "Authorization: Bearer $token"), '2 200', 'HTTP/2 from the start is as ever';
    is curl('/between/x', '--http2'), '1.1 401', 'nobody is nobody';
    is curl('/oidc-gate/nothing', '--http2'), '1.1 404', 'nor is the page of a refusal taken for what was asked';
    expect_log qr/no_credential/;
};

# --- answers before the answer ---

my $END = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

# All that comes back, in lines, of a request with that token.
sub lines_of {
    my ($path, @headers) = @_;
    return split /\r\n/, raw_request(join("\r\n", "GET $path HTTP/1.1", 'Host: ' . url('') =~ s{^http://}{}r, 'Connection: close',
                                          "Authorization: Bearer $token", @headers, '', ''));
}

row "a backend cannot set the gate's own cookies in an answer before the answer" => sub {
    my ($session) = do { my $alice = ua(); login($alice, '/between/x'); gate_cookies($alice) };
    my @forged = ("Set-Cookie: $session->{name}=forged; Path=/", "SET-COOKIE:$session->{name}=; Max-Age=0", 'set-cookie: =oidc-gate-x=1');
    my @fine = ('Set-Cookie: app=1; Path=/', 'Link: </style.css>; rel=preload');
    my $hints = join "\r\n", 'HTTP/1.1 103 Early Hints', $forged[0], $fine[0], $forged[1], $fine[1], $forged[2], '', '';
    my $large = join "\r\n", 'HTTP/1.1 103 Early Hints', (map { "Link: </$_.css>; rel=preload; as=" . 'x' x 500 } 1 .. 40), $forged[0], '', '';
    for my $path ('/between/hints', '/between-open/hints') {
        $backend->answer_at('/hints', raw => $hints . $hints . $large . $END);
        my @lines = lines_of($path);
        is scalar(grep { /^HTTP\/1.1 103/ } @lines), 3, "$path: all three come";
        is scalar(grep { /forged|oidc-gate-/i } @lines), 0, '... without those cookies' or diag join "\n", @lines[0 .. 12];
        is scalar(grep { $_ eq $fine[0] } @lines), 2, '... with the others';
        is scalar(grep { /^Link:/ } @lines), 42, '... and all else';
        is $lines[-1], 'ok', '... and the answer itself';
    }
    if (has_http2()) {
        $backend->answer_at('/hints', raw => $hints . $END);
        open my $curl, '-|', qw(curl -sS --max-time 20 -D - --http2-prior-knowledge -H), "Authorization: Bearer $token", url('/between/hints', 'h2c')
            or die "curl: $!";
        my $said = join '', readline $curl;
        like $said, qr/^HTTP\/2 103.*^set-cookie: app=1.*^HTTP\/2 200/ims, 'the same in HTTP/2';
        unlike $said, qr/forged|oidc-gate-/i, '... without those cookies';
    }
    log_like qr/the backend has set a cookie of the gate's own \(oidc-gate-\.\.\.\), which is its alone to set: dropped/;
};

row 'nor where it takes up another protocol' => sub {
    my ($session) = do { my $alice = ua(); login($alice, '/between/x'); gate_cookies($alice) };
    $backend->answer_at('/socket', raw => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Set-Cookie: $session->{name}=forged\r\nSet-Cookie: app=1\r\n\r\nHTTP/1.1 1 Set-Cookie: $session->{name}=said\r\n");
    my $answer = raw_request(join("\r\n", 'GET /between-socket/x HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket',
                                  "Authorization: Bearer $token", '', ''), port => port(), until => qr/=said\r\n\z/);
    like $answer, qr/^HTTP\/1.1 101/, 'it does';
    unlike $answer, qr/=forged/, 'without that cookie';
    like $answer, qr/^Set-Cookie: app=1\r$/m, 'with the other';
    like $answer, qr/\r\n\r\nHTTP\/1.1 1 Set-Cookie: \Q$session->{name}\E=said\r\n/, 'and what is said then is nobody else\'s to change';
    expect_log qr/own \(oidc-gate-/;
};

# --- a body that is too long ---

row 'a body longer than LimitRequestBody is answered once' => sub {
    my $body = 'logout_token=' . 'x' x 5000;
    my $answer = raw_request(join("\r\n", 'POST /oidc-gate/backchannel-logout HTTP/1.1', 'Host: x', 'Content-Type: application/x-www-form-urlencoded',
        'Transfer-Encoding: chunked', 'Connection: close', '', sprintf('%x', length $body), $body, '0', '', ''), port => port());
    like $answer, qr/^HTTP\/1.1 413/, 'with 413';
    like $answer, qr/<\/html>\s*\z/, 'and nothing behind it';
    log_like qr/deny status=400 reason=malformed_request/;
};

done_testing;
