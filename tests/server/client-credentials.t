# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Scenario 1, programs that come with a client id and secret: rows 1.0 to 1.23.
use Gate::Test;

use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer @op@

<Location /open>
    ProxyPass @backend@
</Location>

<Location /oidcroute>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials api.read
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    OIDCGateHeader     Issuer_Header "%{claim:iss}"
    OIDCGateHeader     X-User        "%{user}"
    ProxyPass          @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $ua = ua();
my @GOOD = basic('c-api', 's3cret');

sub token_that_came { my ($token) = map { s/^Bearer //r } $backend->got('Authorization'); return $token }
sub wait_until { my ($end) = @_; sleep $end - time if $end > time; return }

# Which of httpd's processes admitted that client since the row began.
sub processes_that_admitted {
    my ($client) = @_;
    my %pid = map { /\[pid (\d+)/ ? ($1 => 1) : () } grep { / allow status=200 .*user=client:\Q$client\E / } log_lines();
    return keys %pid;
}

row '1.0 a place without the gate is open, and the provider hears nothing' => sub {
    status_is get($ua, '/open/get'), 200;
    upstream_is 1;
    calls_are $op, '';
};

row '1.18 httpd serves while the provider is away, and asks it when it is back' => sub {
    $op->down;
    my $answer = get($ua, '/oidcroute/get', @GOOD);
    denied $answer, 503;
    is $answer->header('Retry-After'), 5, 'Retry-After';
    is deny_line('idp_unreachable')->{method}, 'client_credentials', 'the log says why';
    $op->up;
    ok until_true(sub { get($ua, '/oidcroute/get', @GOOD)->code == 200 }, 15), 'then it works, without a reload';
};

row '1.1 without a credential: 401 and Basic, no cookie, and the provider hears nothing' => sub {
    my $answer = get($ua, '/oidcroute/get');
    denied $answer, 401;
    is_deeply [header_values($answer, 'WWW-Authenticate')], ['Basic realm="OpenID Connect", charset="UTF-8"'], 'the challenge';
    is $answer->header('Set-Cookie'), undef, 'no cookie';
    is json($answer)->{reason}, 'no_credential', 'the body says why';
    is deny_line('no_credential')->{status}, 401, 'so does the log';
    calls_are $op, '';
};

row '1.1 a browser gets no password box' => sub {
    my $answer = browse($ua, '/oidcroute/get');
    denied $answer, 401;
    is_deeply [header_values($answer, 'WWW-Authenticate')], ['Bearer realm="OpenID Connect"'], 'Bearer alone';
    calls_are $op, '';
};

=httpd

<Location /cold>
    AuthType OIDCGate
    Require valid-user
    OIDCGateIssuer     @op@/cold
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials api.read
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    ProxyPass          @backend@
</Location>

=cut

my $first;
row "1.2 id and secret become the provider's token" => sub {
    my $cold = $op->tenant('cold');
    status_is get($ua, '/cold/get', @GOOD), 200;
    $first = token_that_came();
    is decoded($first)->{claims}{iss}, $cold->issuer, "the provider's token";
    is scalar $backend->got('Authorization'), 1, 'and no Basic beside it';
    unlike $backend->last->{head}, qr/s3cret|Basic|czNjcmV0/, 'nor the secret anywhere';
    upstream_is 1;
    my ($asked) = $cold->requests('token');
    is_deeply { map { $_->[0] => $_->[1] } @{ $asked->{form} } }, { grant_type => 'client_credentials', scope => 'api.read' },
        'the form: no openid, no redirect_uri';
    is $asked->{auth}, 'client_secret_basic', "the caller's credentials";
    calls_are $cold, 'D1 T1 J1';
    log_like qr/allow status=200 .*method=client_credentials user=client:c-api .*cache=miss idp_calls=3/;
};

row '1.3 ten more ask the provider nothing, and give the same token' => sub {
    my $cold = $op->tenant('cold');
    for (1 .. 10) {
        status_is get(ua(), '/cold/get', @GOOD), 200;
        is token_that_came(), $first, 'the same';
    }
    upstream_is 10;
    calls_are $cold, '';
    log_like qr/allow .*cache=hit idp_calls=0/;
};

=httpd

<Location /uncached>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateCache   token=0
    ProxyPass       @backend@
</Location>

=cut

row '1.4 with token=0 each request is a token request' => sub {
    status_is get($ua, '/uncached/get', @GOOD), 200 for 1 .. 3;
    calls_are $op, 'T3';
    log_like qr/allow .*cache=off/;
};

=httpd

<Location /parallel>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateLimit   address=10 total=100
    OIDCGateTokenParam resource https://parallel.example/
    ProxyPass       @backend@
</Location>

=cut

row '1.5 twenty at once, none known before, are one token request' => sub {
    get($ua, '/oidcroute/get', @GOOD);      # metadata and keys
    $_->reset for $op, $backend;
    $op->fault(token => delay => 0.5);
    my $processes = 0;
    for (my $try = 1; $try <= 5 && $processes < 2; $try++) {        # one process may take them all, but not each time
        my $client = "c-twenty-$try";
        $op->set(clients => { $client => { secret => 't', grants => ['client_credentials'] } });
        is_deeply [parallel(20, sub { get(ua(), '/parallel/get', basic($client, 't'))->code })], [(200) x 20], 'all are let in, whatever the limit';
        calls_are $op, 'T1';
        upstream_is 20;
        $processes = processes_that_admitted($client);
    }
    cmp_ok $processes, '>=', 2, 'in more than one process';
};

row '1.5 twenty wrong ones at once are one token request too' => sub {
    $op->fault(token => delay => 0.5);
    is_deeply [parallel(20, sub { get(ua(), '/parallel/get', basic('c-api', 'wrong-twenty'))->code })], [(401) x 20], 'all are refused';
    calls_are $op, 'T1';
    upstream_is 0;
    log_like qr/reason=invalid_client/;
};

row '1.6 a wrong secret is 401, and is in no log' => sub {
    my $answer = get($ua, '/oidcroute/get', basic('c-api', 'wrong-secret-16'));
    denied $answer, 401;
    is_deeply [header_values($answer, 'WWW-Authenticate')], ['Basic realm="OpenID Connect", charset="UTF-8"'], 'the challenge';
    calls_are $op, 'T1';
    is json($answer)->{reason}, 'invalid_client', 'the body says why';
    my $line = deny_line('invalid_client');
    is $line->{status}, 401, 'the log: status';
    is $line->{idp_calls}, 1, 'and calls';
    log_unlike qr/wrong-secret-16|@{[substr $GOOD[1], 6]}/, 'no secret';
};

row '1.7 the same wrong secret again is known; the right one works at once' => sub {
    denied get(ua(), '/oidcroute/get', basic('c-api', 'wrong-secret-16')), 401 for 1 .. 5;
    calls_are $op, '';
    log_like qr/deny .*reason=invalid_client .*cache=hit idp_calls=0/;
    status_is get($ua, '/oidcroute/get', @GOOD), 200;
    calls_are $op, '';
    status_is get($ua, '/parallel/get', @GOOD), 200, 'elsewhere as well';
};

=httpd

<Location /forgetful>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateCache   token=4s negative=4s
    ProxyPass       @backend@
</Location>

=cut

row '1.7 a secret that becomes right is let in when the negative time is over' => sub {
    denied get($ua, '/forgetful/get', basic('c-later', 'soon')), 401;
    $op->set(clients => { 'c-later' => { secret => 'soon', grants => ['client_credentials'] } });
    denied get($ua, '/forgetful/get', basic('c-later', 'soon')), 401, 'not at once';
    calls_are $op, 'T1';
    ok until_true(sub { get($ua, '/forgetful/get', basic('c-later', 'soon'))->code == 200 }), 'but soon';
    calls_are $op, 'T1';
    expect_log qr/reason=invalid_client/;
};

row '1.8 what is no credential is no question to the provider' => sub {
    my $encoded = sub { 'Basic ' . MIME::Base64::encode_base64($_[0], '') };
    my @rows = (
        ['an empty secret', 401, $encoded->('c-api:')],
        ['no colon', 400, $encoded->('c-api')],
        ['nothing at all', 400, 'Basic'],
        ['nothing encoded', 400, $encoded->('')],
        ['no base64', 400, 'Basic c-api:s3cret'],
        ['base64 and more', 400, 'Basic YTpi YTpi'],
        ['the alphabet of URLs', 400, 'Basic -_-_'],
        ['a NUL', 400, $encoded->("c-api:s3\0cret")],
        ['a line break', 400, $encoded->("c-api\r\nX: y:s3cret")],
        ['DEL', 400, $encoded->("c-api:s3\x7fcret")],
        ['three kilobytes', 400, $encoded->('c-api:' . 's' x 3000)],
        ['nine kilobytes', 400, $encoded->('c-api:' . 's' x 9000)],
    );
    for (@rows) {
        my ($name, $status, $value) = @$_;
        my $answer = get(ua(), '/oidcroute/get', Authorization => $value);
        is $answer->code, $status, "$name: $status";
        unlike $answer->content, qr/PROTECTED-CONTENT/, "$name: nothing protected";
    }
    upstream_is 0;
    calls_are $op, '';
    log_like qr/reason=malformed_credential/;
    expect_log qr/reason=invalid_client/;
};

row '1.8 an unknown client is 401' => sub {
    denied get($ua, '/oidcroute/get', basic('nobody', 's3cret')), 401;
    denied get($ua, '/oidcroute/get', basic('', 's3cret')), 401, 'one without a name too';
    calls_are $op, 'T<=2';
    log_like qr/reason=invalid_client/;
};

row '1.9 who is switched off at the provider is out when the token time is over, at the latest' => sub {
    $op->set(clients => { 'c-off' => { secret => 'soon', grants => ['client_credentials'] } });
    status_is get($ua, '/forgetful/get', basic('c-off', 'soon')), 200;
    $op->deactivate('c-off');
    status_is get($ua, '/forgetful/get', basic('c-off', 'soon')), 200, 'still known';
    $backend->reset;
    ok until_true(sub { get($ua, '/forgetful/get', basic('c-off', 'soon'))->code == 401 }), 'then 401';
    log_like qr/reason=invalid_client/;
};

=httpd

<Location /told>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateHeader  X-Dept "%{claim:dept}"
    ProxyPass       @backend@
</Location>

<Location /required>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateHeader  X-Dept "%{claim:dept}" required
    ProxyPass       @backend@
</Location>

<Location /cgi/env>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateEnv     GATE_ISSUER "%{claim:iss}"
    OIDCGateHeader  Issuer_Header "%{claim:iss}"
</Location>

=cut

my @SPOOFED = (Issuer_Header => 'x', 'Issuer-Header' => 'y', 'ISSUER_HEADER' => 'z');
sub spoofed {
    my ($path, @lines) = @_;
    return raw_request(join "\r\n", "GET $path HTTP/1.1", 'Host: x', "Authorization: $GOOD[1]", 'Connection: close', @lines, '', '');
}

row '1.10 a header for the backend is there once, whatever the caller sends under that name' => sub {
    like spoofed('/oidcroute/get', 'Issuer_Header: x', 'Issuer-Header: y', 'ISSUER_HEADER: z', 'issuer-header: w'), qr/^HTTP\/1.1 200/;
    is_deeply [$backend->got_folded('Issuer-Header')], ['Issuer_Header: ' . $op->issuer], 'one line';
    log_like qr/stripped client header/;
    like spoofed('/cgi/env', 'Issuer_Header: x', 'Issuer-Header: y'), qr/^GATE_ISSUER=\Q@{[$op->issuer]}\E$/m, 'a variable for CGI';
    unlike spoofed('/cgi/env', 'Issuer-Header: y'), qr/^HTTP_ISSUER_HEADER=y/m, "not the caller's";
};

row '1.11 a claim that is not there leaves its header out, also where the caller sends it' => sub {
    like spoofed('/told/get', 'X-Dept: admin'), qr/^HTTP\/1.1 200/;
    is_deeply [$backend->got_folded('X-Dept')], [], 'absent, not empty';
    log_like qr/stripped client header/;
};

row '1.12 and where it is required, nobody passes without it' => sub {
    denied get($ua, '/required/get', @GOOD, 'X-Dept' => 'admin'), 403;
    log_like qr/deny status=403 reason=claim_missing/;
    expect_log qr/stripped client header/;
};

row '1.13 an opaque token has no claims: headers are left out, or the log says what would help' => sub {
    $op->set(access_token => 'opaque', clients => { 'c-opaque' => { secret => 'o', grants => ['client_credentials'] } });
    status_is get($ua, '/told/get', basic('c-opaque', 'o')), 200;
    is_deeply [$backend->got_folded('X-Dept')], [], 'no header';
    status_is get($ua, '/oidcroute/get', basic('c-opaque', 'o')), 200;
    is_deeply [$backend->got('X-User')], ['client:c-opaque'], 'but it is known whose it is';
    is_deeply [$backend->got('Issuer_Header')], [$op->issuer], 'and who gave it';
    $backend->reset;
    denied get($ua, '/required/get', basic('c-opaque', 'o')), 403;
    my $line = deny_line('claims_unavailable');
    like $line->{remedy}, qr/introspection or userinfo/, 'the log names the fix';
    $op->set(access_token => 'jwt');
};

row '1.14 a token that runs out is replaced, and never sent on' => sub {
    $op->set(lifetime => 4, clients => { 'c-brief' => { secret => 'b', grants => ['client_credentials'] } });
    status_is get($ua, '/oidcroute/get', basic('c-brief', 'b')), 200;
    status_is get($ua, '/oidcroute/get', basic('c-brief', 'b')), 200;
    calls_are $op, 'T1';
    my $before = token_that_came();
    wait_until(decoded($before)->{claims}{exp} + 0.1);
    status_is get($ua, '/oidcroute/get', basic('c-brief', 'b')), 200;
    isnt token_that_came(), $before, 'another one';
    cmp_ok decoded(token_that_came())->{claims}{exp}, '>', time, 'that is good';
    calls_are $op, 'T1';
    $op->set(lifetime => 300);
};

row '1.14 whatever expires_in is, nobody is locked out, and nothing is kept longer than it says' => sub {
    my $number = 0;
    my @rows = (['a text of digits', '300', 1], ['a number with a fraction', 300.5, 1], ['beyond all numbers', 1e300, 2],
                ['zero', 0, 2], ['negative', -5, 2], ['null', undef, 2], ['true', JSON::PP::true, 2], ['a word', 'soon', 2],
                ['a list', [300], 2], ['an empty text', '', 2], ['not there', 'DROP', 2]);
    for (@rows) {
        my ($name, $value, $calls) = @$_;
        my $client = 'c-odd' . $number++;
        $op->set(access_token => 'opaque', clients => { $client => { secret => 'odd', grants => ['client_credentials'] } });
        $op->lie(token => ref $value || ($value // '') ne 'DROP' ? (set => { expires_in => $value }) : (drop => ['expires_in']));
        is get($ua, '/oidcroute/get', basic($client, 'odd'))->code, 200, "$name: let in" for 1, 2;
        calls_are $op, "T$calls", "$name: " . ($calls == 1 ? 'kept' : 'not kept');
    }
    $op->set(access_token => 'jwt');
};

row '1.15 what the provider does not understand is the administrator\'s to mend: 502' => sub {
    for my $code (qw(invalid_scope unsupported_grant_type invalid_request invalid_grant)) {
        $op->fault(token => status => 400, json => { error => $code });
        denied get($ua, '/oidcroute/get', basic("c-$code", 'x')), 502, "$code: 502";
        my $line = deny_line('idp_rejected_gateway');
        like $line->{detail}, qr/$code/, 'and the log says so' if $code ne 'invalid_grant';
    }
    log_like qr/\[oidc_gate:error\].*reason=idp_rejected_gateway/;
    calls_are $op, 'T4';
};

=httpd

<Location /greedy>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials openid
    ProxyPass          @backend@
</Location>

=cut

row '1.15 a scope that the provider does not give to programs is 502' => sub {
    denied get($ua, '/greedy/get', @GOOD), 502;
    like deny_line('idp_rejected_gateway')->{detail}, qr/invalid_scope/, 'and the log says so';
};

row '1.16 a client that may not do this at the provider is 403' => sub {
    denied get($ua, '/oidcroute/get', basic('c-web', 's3cret-web')), 403;
    calls_are $op, 'T1';
    log_like qr/deny status=403 reason=unauthorized_client/;
    $op->fault(token => status => 403, json => { error => 'unauthorized_client' });
    denied get($ua, '/oidcroute/get', basic('c-web', 'x')), 403, 'whatever status it says so with';
    $op->fault(token => status => 401, json => { error => 'unauthorized_client' });
    denied get($ua, '/oidcroute/get', basic('c-web', 'y')), 401, 'but for 401, which is about the secret';
    expect_log qr/reason=(?:unauthorized|invalid)_client/;
};

=httpd

<Location /impatient>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateHTTP    connect=3s total=3s
    ProxyPass       @backend@
</Location>

=cut

row '1.17 a provider that is away, broken or slow is 503, never 401, and nothing is kept of it' => sub {
    status_is get($ua, '/impatient/get', @GOOD), 200;
    my @rows = (['500', idp_error => status => 500], ['503', idp_error => status => 503], ['429', idp_error => status => 429],
                ['an HTML page', idp_error => html => 1], ['no answer in time', idp_timeout => hang => 1],
                ['a connection that closes', 'idp_\w+' => close => 1], ['500 with invalid_client', idp_error => status => 500, json => { error => 'invalid_client' }],
                ['429 with invalid_client', idp_error => status => 429, json => { error => 'invalid_client' }]);
    my $number = 0;
    $backend->reset;
    for (@rows) {
        my ($name, $reason, @fault) = @$_;
        my $client = 'c-fault' . $number++;
        $op->set(clients => { $client => { secret => 'f', grants => ['client_credentials'] } });
        $op->fault(token => @fault);
        my $answer = get(ua(), '/impatient/get', basic($client, 'f'));
        denied $answer, 503, "$name: 503";
        is $answer->header('Retry-After'), 5, "$name: Retry-After";
        like deny_line($reason)->{method}, qr/^client_credentials$/, "$name: the log says why";
        $op->honest;
        ok until_true(sub { get(ua(), '/impatient/get', basic($client, 'f'))->code == 200 }, 10), "$name: it works again at once";
        $backend->reset;
    }
    log_like qr/\[oidc_gate:error\].*reason=idp_error/;
};

row '1.17 who is known is served while the provider is away' => sub {
    status_is get($ua, '/impatient/get', @GOOD), 200;
    $op->down;
    status_is get(ua(), '/impatient/get', @GOOD), 200 for 1 .. 5;
    $op->up;
    calls_are $op, '';
};

row '1.20 any id and secret that Basic can carry reach the provider whole' => sub {
    my $number = 0;
    for my $secret ('%:+ äöü', 'a%2Bb', 'a+b c', '100%', '::', "\xe4", '&=?#"\\\'', ' ', 's' x 1000) {
        my $id = 'c-%+ äöü ' . $number++;
        $op->set(clients => { $id => { secret => $secret, grants => ['client_credentials'] } });
        is get($ua, '/oidcroute/get', basic($id, $secret))->code, 200, "'" . ($secret =~ s/[^ -~]/?/gr =~ s/^(.{20}).*/$1.../r) . "'";
    }
    calls_are $op, 'T9';
};

row '1.20 requests of all kinds arrive as they were sent' => sub {
    my $head = request($ua, HEAD => '/oidcroute/get', @GOOD);
    status_is $head, 200, 'HEAD';
    is $head->content, '', 'which has no body';
    like raw_request("GET /oidcroute/get HTTP/1.0\r\nAuthorization: $GOOD[1]\r\n\r\n"), qr/\AHTTP\/1\.[01] 200 .*PROTECTED-CONTENT/s, 'HTTP/1.0';
    like raw_request("HEAD /oidcroute/get HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), qr/\AHTTP\/1\.1 401 /, 'HEAD without a credential';
    is request($ua, $_ => '/oidcroute/x?a=1&b=%2F', @GOOD, Content => 'abc')->code, 200, $_ for qw(PUT PATCH DELETE POST);
    is $backend->last->{target}, '/x?a=1&b=%2F', 'the address too';
    is $backend->last->{length}, 3, 'and the body';
    expect_log qr/reason=no_credential/;
};

row '1.20 ten megabytes in chunks arrive whole, on the first request too' => sub {
    my @chunks = map { chr(65 + $_ % 26) x 65536 } 0 .. 159;
    $op->set(clients => { 'c-bulk' => { secret => 'b', grants => ['client_credentials'] } });
    for my $which ('first', 'second') {
        my @left = @chunks;
        my $request = HTTP::Request->new(POST => url('/oidcroute/up'), [basic('c-bulk', 'b')], sub { shift @left // '' });
        status_is $ua->request($request), 200, "the $which";
        is $backend->last->{length}, 10 << 20, 'ten megabytes';
        is $backend->last->{sha256}, sha256_hex(join '', @chunks), 'unchanged';
    }
    $backend->reset;
    my @left = @chunks;
    my $refused = ua()->request(HTTP::Request->new(POST => url('/oidcroute/up'), [basic('c-bulk', 'x')], sub { shift @left // '' }));
    ok $refused->code == 401 || $refused->code == 500, 'refused before its body is read';   # 500 is LWP's, which was still sending
    upstream_is 0;
    expect_log qr/reason=invalid_client/;
};

row '1.21 a secret in the query or the body is nobody\'s' => sub {
    denied get($ua, '/oidcroute/get?client_id=c-api&client_secret=in-the-query-21'), 401, 'query';
    denied post($ua, '/oidcroute/get', [client_id => 'c-api', client_secret => 's3cret']), 401, 'body';
    calls_are $op, '';
    log_unlike qr/in-the-query-21/, 'and the query is not logged';
    expect_log qr/reason=no_credential/;
};

row '1.22 two credentials are none: 400' => sub {
    my $one = $GOOD[1];
    my %lines = (
        'two lines' => ["Authorization: $one", "Authorization: $one"],
        'two lines of two schemes' => ["Authorization: $one", 'Authorization: Bearer abc'],
        'the other way round' => ['Authorization: Bearer abc', "Authorization: $one"],
        'a list' => ["Authorization: $one, Bearer abc"],
        'a list without a space' => ["Authorization: $one,$one"],
        'behind a foreign scheme' => ["Authorization: Digest a=b, $one"],
        'folded names' => ["authorization: $one", "AUTHORIZATION: $one"],
    );
    for my $name (sort keys %lines) {
        my $answer = raw_request(join "\r\n", 'GET /oidcroute/get HTTP/1.1', 'Host: x', 'Connection: close', @{ $lines{$name} }, '', '');
        like $answer, qr/\AHTTP\/1\.1 400 /, $name;
        like $answer, qr/"error": ?"invalid_request"/, 'invalid_request';
    }
    upstream_is 0;
    calls_are $op, '';
    log_like qr/reason=multiple_credentials/;
};

row '1.22 a token is nothing that this place takes' => sub {
    denied get($ua, '/oidcroute/get', bearer($op->mint(client => 'c-api'))), 401;
    calls_are $op, '';
    expect_log qr/reason=no_credential/;
};

row '1.23 a token of the provider that does not verify is not sent on: 502' => sub {
    my @lies = (['signature', signature => 'flipped'], ['issuer', set => { iss => 'https://evil.example' }], ['key', key => 'rsa-evil'],
                ['algorithm', alg => 'none'], ['expired', set => { exp => time - 100 }], ['bound to a key', set => { cnf => { jkt => 'x' } }],
                ['no end', drop => ['exp']]);
    my $number = 0;
    for (@lies) {
        my ($name, @lie) = @$_;
        my $client = 'c-lie' . $number++;
        $op->set(clients => { $client => { secret => 'l', grants => ['client_credentials'] } });
        $op->lie(access_token => @lie);
        denied get(ua(), '/oidcroute/get', basic($client, 'l')), 502, "$name: 502";
        is deny_line('idp_rejected_gateway')->{status}, 502, 'the log says so';
        $op->lie('access_token');
        ok until_true(sub { get(ua(), '/oidcroute/get', basic($client, 'l'))->code == 200 }), 'an honest one afterwards is let in';
        $backend->reset;
    }
    for (['MAC', 1], ['N_A', 1], ['', 1], ['bearer', 0], ['BEARER', 0]) {
        my ($type, $bad) = @$_;
        my $client = "c-type-$type";
        $op->set(clients => { $client => { secret => 'l', grants => ['client_credentials'] } });
        $op->lie(token => set => { token_type => $type });
        is get(ua(), '/oidcroute/get', basic($client, 'l'))->code, $bad ? 503 : 200, "token_type '$type'";
    }
    expect_log qr/reason=idp_error/;
};

# --- what one place knows is nothing to another ---

=httpd

<Location /narrow>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials api.write
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    ProxyPass          @backend@
</Location>

<Location /orders>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateTokenParam resource https://orders.example/
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    ProxyPass          @backend@
</Location>

<Location /bills>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateTokenParam resource https://bills.example/
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    ProxyPass          @backend@
</Location>

<Location /meant>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    client_credentials
    OIDCGateAudience   https://elsewhere.example/
    ProxyPass          @backend@
</Location>

=cut

row 'a token that was got for one place is not used at another that asks for another' => sub {
    $op->set(clients => { 'c-places' => { secret => 'p', grants => ['client_credentials'] } });
    my @credential = basic('c-places', 'p');
    my %token;
    for my $place (qw(oidcroute narrow orders bills)) {
        status_is get($ua, "/$place/get", @credential), 200, $place;
        $token{$place} = token_that_came();
        calls_are $op, 'T1', "$place: a token of its own";
    }
    is scalar(keys %{ { reverse %token } }), 4, 'four tokens';
    is decoded($token{narrow})->{claims}{scope}, 'api.write', 'with the scope that the place asks for';
    denied do { $backend->reset; get($ua, '/meant/get', @credential) }, 502, 'a token that is not meant for the place is not taken';
    log_like qr/reason=idp_rejected_gateway .*detail="aud is/;
};

# --- clients are no users ---

=httpd

<Location /user-alice>
    AuthType OIDCGate
    OIDCGateMethods client_credentials bearer introspection
    OIDCGateAudience api://default
    OIDCGateClientID c-web
    OIDCGateClientSecret file:@secrets@/c-web
    Require user alice alice-sub
    ProxyPass @backend@
</Location>

<Location /sub-alice>
    AuthType OIDCGate
    OIDCGateMethods client_credentials bearer introspection
    OIDCGateAudience api://default
    OIDCGateClientID c-web
    OIDCGateClientSecret file:@secrets@/c-web
    Require claim sub:alice sub:alice-sub at:sub:alice sub~^alice
    ProxyPass @backend@
</Location>

<Location /client-alice>
    AuthType OIDCGate
    OIDCGateMethods client_credentials bearer
    OIDCGateAudience api://default
    Require user client:alice
    OIDCGateHeader X-User "%{user}"
    ProxyPass @backend@
</Location>

=cut

row 'a client that is called like a user is not that user' => sub {
    $op->set(clients => { alice => { secret => 'a', grants => ['client_credentials'] } });
    for my $place (qw(user-alice sub-alice)) {
        denied get($ua, "/$place/x", basic('alice', 'a')), 403, "$place: with id and secret";
        denied get($ua, "/$place/x", bearer($op->mint(client => 'alice'))), 403, "$place: with a JWT";
        denied get($ua, "/$place/x", bearer($op->mint(kind => 'opaque', client => 'alice'))), 403, "$place: with a token that is introspected";
        is get($ua, "/$place/x", bearer($op->mint(user => 'alice')))->code, 200, "$place: alice herself passes";
        $backend->reset;
    }
    status_is get($ua, '/client-alice/x', basic('alice', 'a')), 200, 'as a client it may be named';
    is_deeply [$backend->got('X-User')], ['client:alice'], 'and is called so';
    $backend->reset;
    denied get($ua, '/client-alice/x', bearer($op->mint(claims => { sub => 'client:alice' }, client => 'x', user => 'alice'))), 403, 'a user who is called like a client is not one';
    expect_log qr/reason=(?:rule_refused|claim_missing|claim_mismatch)/;
};

row "nor where the provider gives the client's token another subject" => sub {
    $op->lie(access_token => set => { sub => 'alice-sub' });
    $op->set(clients => { 'c-service' => { secret => 's', grants => ['client_credentials'] } });
    denied get($ua, "/$_/x", basic('c-service', 's')), 403, $_ for qw(user-alice sub-alice);
    expect_log qr/reason=(?:rule_refused|claim_missing|claim_mismatch)/;
};

# --- limits ---

=httpd limited

OIDCGateIssuer @op@
OIDCGateLimit  address=5 total=12

<Location />
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    ProxyPass       @backend@/
</Location>

=cut

# What other rows have counted is over.
sub begin_second { sleep 1.05; return }

# Guesses one after the other; how many seconds of the clock they met at most, how many of them one second met at least, and the
# answers.
sub guess {
    my (@guesses) = @_;
    my $began = time;
    my %within;
    my @answers = map {
        my ($address, $id, $secret) = @$_;
        my $from = ua();
        $from->local_address($address);
        my $second = int time;
        my $answer = get($from, url('/x', 'limited'), basic($id, $secret));
        $within{$second}++ if int time == $second;
        $answer;
    } @guesses;
    return (int(time) - int($began) + 1, (sort { $b <=> $a } values %within)[0] // 0, @answers);
}

sub limited_is {
    my ($most, $name, @guesses) = @_;
    $op->reset;
    my ($seconds, $crowd, @answers) = guess(@guesses);
    expect_log qr/reason=invalid_client/;
    my %count;
    $count{ $_->code }++ for @answers;
    cmp_ok $op->calls('T'), '<=', $most * $seconds, "$name: at most $most a second reach the provider";
    return note 'this machine is too slow for more than that' if $crowd <= $most;
    # Two names may share a counter: there are 4096.
    cmp_ok $count{401}, '>=', $most - 2, "$name: and about so many do";
    cmp_ok $count{429}, '>', 0, "$name: the others get 429";
    my ($late) = grep { $_->code == 429 } @answers;
    ok $late && $late->header('Retry-After'), "$name: with Retry-After";
    is $late && json($late)->{reason}, 'rate_limited', "$name: and the reason";
    is keys %count, 2, "$name: and there is no other answer";
    log_like qr/deny status=429 reason=rate_limited/;
    return;
}

row 'one address that guesses is limited' => sub {
    begin_second();
    status_is get($ua, url('/x', 'limited'), @GOOD), 200;
    limited_is(5, 'many ids', map { ['127.0.0.31', "guessed-$_", 'x'] } 1 .. 30);
    $backend->reset;
    my (undef, undef, @good) = guess(map { ['127.0.0.31', 'c-api', 's3cret'] } 1 .. 20);
    is scalar(grep { $_->code == 200 } @good), 20, 'a credential that is known to be good is not counted';
};

row 'one client id that is guessed at is limited, from wherever' => sub {
    begin_second();
    limited_is(5, 'many addresses', map { ["127.0.1.$_", 'guessed-at', "x$_"] } 1 .. 30);
};

row 'all together are limited' => sub {
    begin_second();
    limited_is(12, 'many ids and addresses', map { ["127.0.2.$_", "all-$_", 'x'] } 1 .. 120);
};

row 'a client id that looks like an address or like everybody is counted for neither' => sub {
    # Two names may share a counter, but hardly those of both.
    my @answers = map {
        my $address = "127.0.3.$_";
        begin_second();
        guess(map { ["127.0.4.$_", $address, "x$_"] } 1 .. 5);
        guess(map { ["127.0.4.@{[10 + $_]}", '*', "y$_"] } 1 .. 5);
        (guess([$address, 'another', 'z']))[-1];
    } 98, 99;
    ok scalar(grep { $_->code == 401 } @answers), 'that address may still ask';
    expect_log qr/reason=(?:invalid_client|rate_limited)/;
};

done_testing;
