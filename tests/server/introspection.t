# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Scenario 3, tokens that the provider is asked about: rows 3.1 to 3.17.
use Gate::Test;

use MIME::Base64 qw(decode_base64url);
use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-api
OIDCGateClientSecret  file:@secrets@/c-api

<Location /introspectionroute>
    AuthType OIDCGate
    Require valid-user
    OIDCGateDiscovery  Off
    OIDCGateEndpoint   introspection @op@/introspect
    OIDCGateMethods    introspection
    OIDCGateIntrospect all
    OIDCGateCache      introspection=0
    OIDCGateHeader     X-User "%{user}"
    OIDCGateHeader     X-Name "%{claim:name}" encode=percent
    OIDCGateHeader     X-Method "%{method}"
    ProxyPass          @backend@
</Location>

<Macro Cached $path $cache>
    <Location $path>
        AuthType OIDCGate
        Require valid-user
        OIDCGateDiscovery Off
        OIDCGateEndpoint  introspection @op@/introspect
        OIDCGateMethods   introspection
        OIDCGateCache     $cache
        ProxyPass         @backend@
    </Location>
</Macro>
Use Cached /cached "introspection=30s negative=5s"
Use Cached /brief  "introspection=4s negative=4s"
Use Cached /stale  "introspection=1s stale=6s"

# A provider that wants more than the token.
<Location /more>
    AuthType OIDCGate
    OIDCGateMethods    introspection
    OIDCGateIntrospectionParam token_type_hint jwt
    OIDCGateIntrospectionParam realm "a b"
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $ua = ua();
my $PROCESSES = Apache::Test::vars('mpm') eq 'prefork' ? 64 : 2;

sub with { my ($path, $token) = @_; return get(ua(), $path, bearer($token)) }
sub opaque { return $op->mint(kind => 'opaque', user => 'alice', @_) }
sub challenge_of { my ($answer) = @_; return join ' | ', header_values($answer, 'WWW-Authenticate') }
sub becomes { my ($status, $path, $token) = @_; return until_true(sub { with($path, $token)->code == $status }) }

row '3.1 without a token: 401, and the challenge speaks of no error' => sub {
    my $answer = get($ua, '/introspectionroute/x');
    denied $answer, 401;
    is challenge_of($answer), 'Bearer realm="OpenID Connect"', 'the challenge';
    calls_are $op, '';
    log_like qr/deny status=401 reason=no_credential/;
};

row '3.2 with nothing kept, each request is a question' => sub {
    my $token = opaque();
    for (1 .. 5) {
        status_is with('/introspectionroute/x', $token), 200;
        is_deeply [map { $backend->got($_) } 'X-User', 'X-Name', 'X-Method'],
            ['alice-sub', 'Alice%20Li%C3%B8nn%20%E6%9D%8E', 'introspection'], 'the backend is told who it is';
    }
    my ($asked) = $op->requests('introspect');
    is $asked->{method}, 'POST', 'a POST';
    is $asked->{query}, '', 'nothing in the address';
    is_deeply { map { $_->[0] => $_->[1] } @{ $asked->{form} } }, { token => $token, token_type_hint => 'access_token' }, 'the form';
    is $asked->{auth}, 'client_secret_basic', "with the gate's own credentials";
    is_deeply [$backend->got('Authorization')], [], 'and the token stays here';
    calls_are $op, 'I5';
    upstream_is 5;
    log_like qr/allow status=200 .*method=introspection .*cache=off idp_calls=1/;
};

row '3.3 what is kept is not asked again, until its time is over' => sub {
    my $token = opaque();
    status_is with('/cached/x', $token), 200 for 1 .. 5;
    calls_are $op, 'I1';
    log_like qr/allow .*cache=hit idp_calls=0/;
    $token = opaque();
    status_is with('/brief/x', $token), 200 for 1 .. 3;
    calls_are $op, 'I1';
    sleep 4.1;
    $op->reset;
    status_is with('/brief/x', $token), 200;
    calls_are $op, 'I1';
};

row '3.3 nothing is kept past its own end' => sub {
    my $token = opaque(lifetime => 2);
    my $answer = with('/cached/x', $token);
    status_is $answer, 200;
    sleep 2.1;
    $_->reset for $op, $backend;
    denied with('/cached/x', $token), 401;
    calls_are $op, 'I1';
    log_like qr/reason=token_inactive/;
};

row '3.3 JWTs are asked about where no other method takes them' => sub {
    my $token = $op->mint(user => 'alice');
    status_is with('/cached/x', $token), 200 for 1 .. 3;
    calls_are $op, 'I1';
};

=httpd

<Location /parallel>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateLimit   address=10 total=100
    ProxyPass       @backend@
</Location>

=cut

row '3.4 twenty at once with one new token are one question' => sub {
    status_is with('/parallel/x', opaque()), 200;
    $_->reset for $op, $backend;
    $op->fault(introspect => delay => 0.5);
    my %pid;
    for (my $try = 1; $try <= 5 && keys %pid < 2; $try++) {     # one process may take them all, but not each time
        my $token = opaque();
        my $before = log_lines();
        is_deeply [parallel(20, sub { with('/parallel/x', $token)->code })], [(200) x 20], 'all are let in';
        calls_are $op, 'I1';
        upstream_is 20;
        my @lines = log_lines();
        %pid = map { /\[pid (\d+).* allow / ? ($1 => 1) : () } @lines[$before .. $#lines];
    }
    cmp_ok scalar keys %pid, '>=', 2, 'by more than one process';
};

row '3.4 and with one bad token as well' => sub {
    $op->fault(introspect => delay => 0.5);
    is_deeply [parallel(20, sub { with('/parallel/x', 'nobody-knows-this-one')->code })], [(401) x 20], 'all are refused';
    calls_are $op, 'I1';
    log_like qr/reason=token_inactive/;
};

row '3.5 who is switched off is out on the very next request' => sub {
    my $token = $op->mint(kind => 'opaque', client => 'c-web', user => 'alice');
    status_is with('/introspectionroute/x', $token), 200;
    $op->deactivate('c-web');
    $_->reset for $op, $backend;
    my $answer = with('/introspectionroute/x', $token);
    denied $answer, 401;
    like challenge_of($answer), qr/^Bearer realm="OpenID Connect", error="invalid_token", error_description="[^"]+"$/, 'invalid_token';
    calls_are $op, 'I1';
    log_like qr/\[oidc_gate:warn\].*deny status=401 reason=token_inactive/;
    $op->activate('c-web');
};

row '3.5 where the provider refuses the asking client itself, the caller gets 401 and the log an error' => sub {
    my $token = opaque(client => 'c-api');
    status_is with('/introspectionroute/x', $token), 200;
    $op->deactivate('c-api', 'rejected');
    $_->reset for $op, $backend;
    my $answer = with('/introspectionroute/x', $token);
    denied $answer, 401;
    like challenge_of($answer), qr/^Bearer realm="OpenID Connect", error="invalid_token"/, 'the token is of no use';
    is json($answer)->{reason}, 'token_inactive', 'and no word of what is between the gate and its provider';
    calls_are $op, 'I1';
    log_like qr/\[oidc_gate:error\].*deny status=401 reason=idp_rejected_gateway/;
    $op->activate('c-api');
    status_is with('/introspectionroute/x', $token), 200, 'and when it is back, so is the caller';
};

row '3.6 what is kept is good until its time is over, and no longer' => sub {
    my $token = opaque();
    status_is with('/brief/x', $token), 200;
    $op->kill_token($token);
    status_is with('/brief/x', $token), 200, 'not noticed yet';
    $backend->reset;
    ok becomes(401, '/brief/x', $token), 'then 401';
    log_like qr/reason=token_inactive/;
};

row '3.7 a token that is known to be bad is not asked about again' => sub {
    denied with('/cached/x', 'bad-token-37'), 401 for 1 .. 3;
    calls_are $op, 'I1';
    log_like qr/reason=token_inactive .*cache=hit idp_calls=0/;
};

row '3.8 a provider that fails is 503, whatever it says, and never a verdict' => sub {
    my @faults = (
        ['500', idp_error => status => 500, json => { active => JSON::PP::true }], ['503', idp_error => status => 503],
        ['404', idp_error => status => 404], ['429', idp_error => status => 429], ['302', idp_error => location => '/x'],
        ['204', idp_error => status => 204], ['an HTML page', idp_error => html => 1], ['a megabyte', idp_error => huge => 1 << 20],
        ['no JSON', idp_error => body => '{"active":tru'], ['a list', idp_error => json => [JSON::PP::true]],
        ['a member twice', idp_error => body => '{"active":false,"active":true}'], ['a reset', 'idp_\w+' => reset_after => 20],
    );
    for (@faults) {
        my ($name, $reason, @fault) = @$_;
        my $token = opaque();
        $op->fault(introspect => @fault);
        my $answer = with('/introspectionroute/x', $token);
        denied $answer, 503, "$name: 503";
        is $answer->header('Retry-After'), 5, 'Retry-After';
        is deny_line($reason)->{status}, 503, 'the log says why';
        $op->honest;
        ok becomes(200, '/introspectionroute/x', $token), 'and an honest answer afterwards is taken';
        $backend->reset;
    }
    log_like qr/\[oidc_gate:error\].*reason=idp_error/;
};

=httpd

<Location /impatient>
    AuthType OIDCGate
    Require valid-user
    OIDCGateDiscovery  Off
    OIDCGateEndpoint   introspection @op@/introspect
    OIDCGateMethods    introspection
    OIDCGateHTTP       connect=2s total=2s
    ProxyPass          @backend@
</Location>

=cut

row '3.8 a provider that is slow or not there is 503 too, and nothing is kept of it' => sub {
    my $token = opaque();
    $op->fault(introspect => hang => 1);
    denied with('/impatient/x', $token), 503, 'slow';
    log_like qr/\[oidc_gate:error\].*reason=idp_timeout/;
    $op->honest;
    ok becomes(200, '/impatient/x', $token), 'then it works';
    $backend->reset;
    $op->down;
    denied with('/impatient/x', opaque()), 503, 'not there';
    log_like qr/\[oidc_gate:error\].*reason=idp_unreachable/;
    $op->up;
    ok becomes(200, '/impatient/x', opaque()), 'then it works again';
};

=httpd

<Location /breaker>
    AuthType OIDCGate
    Require valid-user
    OIDCGateDiscovery  Off
    OIDCGateIssuer     @op@/breaker
    OIDCGateClientID   c-api
    OIDCGateClientSecret file:@secrets@/c-api
    OIDCGateEndpoint   introspection @op@/breaker/introspect
    OIDCGateMethods    introspection
    OIDCGateCache      introspection=0
    ProxyPass          @backend@
</Location>

=cut

row '3.8 an endpoint that fails five times in a row is left alone for five seconds' => sub {
    my $broken = $op->tenant('breaker');
    my $token = $broken->mint(kind => 'opaque', user => 'alice');
    status_is with('/breaker/x', $token), 200;
    $_->reset for $broken, $backend;
    $broken->fault(introspect => status => 500);
    my %status;
    my $began = time;
    $status{ with('/breaker/x', $token)->code }++ for 1 .. 25;
    is_deeply [keys %status], [503], 'all are 503';
    my $fast = time - $began < 4;      # or the pause has ended meanwhile
    SKIP: {
        skip 'this machine is too slow', 1 unless $fast;
        is $broken->calls('I'), 5, 'five questions, however many processes there are';
    }
    log_like qr/reason=idp_unreachable .*idp_calls=0 .*left alone/, 'then none';
    upstream_is 0;
    $broken->honest;
    ok until_true(sub { with('/breaker/x', $token)->code == 200 }, 8), 'and it is tried again';
    until_true(sub { with('/breaker/x', $token)->code == 200 or sleep 0.2 and 0 }, 8) for 1 .. 3;
    expect_log qr/reason=idp_error/;
};

row '3.9 while the provider is away, what is kept serves until its time is over' => sub {
    my $token = opaque();
    status_is with('/brief/x', $token), 200;
    $op->down;
    status_is with('/brief/x', $token), 200;
    $backend->reset;
    ok becomes(503, '/brief/x', $token), 'then 503';
    $op->up;
    ok becomes(200, '/brief/x', $token), 'and 200 when it is back';
    log_like qr/reason=idp_unreachable/;
};

row '3.9 and with stale= a little longer, which the log tells' => sub {
    my $token = opaque();
    status_is with('/stale/x', $token), 200;
    $op->down;
    sleep 1.5;
    status_is with('/stale/x', $token), 200, 'after its time';
    log_like qr/\[oidc_gate:warn\].*allow status=200 .*cache=stale/;
    ok becomes(503, '/stale/x', $token), 'then 503, when that is over';
    log_like qr/reason=idp_unreachable/;
    $op->up;
    ok becomes(200, '/stale/x', $token), 'and 200 when it is back';
};

row '3.9 a verdict is not overruled by what was kept' => sub {
    my $token = opaque();
    status_is with('/stale/x', $token), 200;
    $op->kill_token($token);
    ok becomes(401, '/stale/x', $token), 'dead';
    $op->down;
    sleep 0.2;
    $backend->reset;
    my %status = map { sleep 0.4; (with('/stale/x', $token)->code => 1) } 1 .. 12;
    ok !$status{200}, 'and dead it stays';
    upstream_is 0;
    $op->up;
    ok becomes(401, '/stale/x', $token), 'the provider says so again';
    expect_log qr/reason=(?:token_inactive|idp_unreachable)/;
};

row '3.9 nor does stale= let anybody in past the end of the token' => sub {
    my $token = opaque(lifetime => 2);
    status_is with('/stale/x', $token), 200;
    $op->down;
    sleep 2.1;
    $backend->reset;
    denied with('/stale/x', $token), 503;
    $op->up;
    ok becomes(401, '/stale/x', $token), 'which the provider confirms';
    expect_log qr/reason=(?:token_inactive|idp_unreachable)|cache=stale/;
};

=httpd

<Macro Beside $path $which>
    <Location $path>
        AuthType OIDCGate
        Require valid-user
        OIDCGateMethods    bearer introspection
        OIDCGateAudience   api://default
        OIDCGateIntrospect $which
        OIDCGateHeader     X-Method "%{method}"
        ProxyPass          @backend@
    </Location>
</Macro>
Use Beside /opaque opaque
Use Beside /all    all

=cut

row '3.10 opaque: JWTs are checked here, other tokens there' => sub {
    my $token = $op->mint(user => 'alice');
    $op->kill_token($token);
    status_is with('/opaque/x', $token), 200, 'a revoked JWT, before it ends';
    is_deeply [$backend->got('X-Method')], ['bearer'], 'by its signature';
    calls_are $op, 'D<=1 J1';
    status_is with('/opaque/x', opaque()), 200, 'another token';
    is_deeply [$backend->got('X-Method')], ['introspection'], 'by a question';
    calls_are $op, 'I1';
};

row '3.10 all: a revoked JWT is 401' => sub {
    my $token = $op->mint(user => 'alice');
    status_is with('/all/x', $token), 200;
    calls_are $op, 'I1';
    $op->kill_token(my $dead = $op->mint(user => 'alice'));
    $backend->reset;
    denied with('/all/x', $dead), 401;
    calls_are $op, 'I1';
    log_like qr/reason=token_inactive/;
};

row '3.11 what can be seen without asking is not asked' => sub {
    my %bad = (
        token_expired => $op->mint(user => 'alice', claims => { exp => time - 60, iat => time - 100 }),
        token_not_yet_valid => $op->mint(user => 'alice', claims => { nbf => time + 600 }),
        bad_signature => $op->mint(user => 'alice', signature => 'flipped'),
    );
    for my $reason (sort keys %bad) {
        my $answer = with('/all/x', $bad{$reason});
        denied $answer, 401, $reason;
        like challenge_of($answer), qr/error="invalid_token"/, 'invalid_token';
        is json($answer)->{reason}, $reason, 'the body says why';
        log_like qr/reason=$reason/;
    }
    calls_are $op, '';
};

row '3.12 active is the boolean true, or the token is not' => sub {
    my @values = ('true', 1, 0, 'yes', undef, [], [JSON::PP::true], {}, 1.0, 'active');
    my $json = JSON::PP->new->allow_nonref;
    for my $value (@values) {
        $op->lie(introspect => set => { active => $value });
        denied with('/introspectionroute/x', opaque()), 401, 'active: ' . $json->encode($value);
    }
    $op->lie(introspect => drop => ['active']);
    denied with('/introspectionroute/x', opaque()), 401, 'not there';
    $op->lie(introspect => text => '{"Active":true}');
    denied with('/introspectionroute/x', opaque()), 401, 'in capitals';
    log_like qr/reason=token_inactive/;
};

=httpd

<Location /mine>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  introspection
    OIDCGateAudience api://default
    OIDCGateCache    introspection=0
    ProxyPass        @backend@
</Location>

=cut

row '3.13 an active token must fit what it says of itself' => sub {
    my $now = time;
    my @rows = (
        [token_expired => exp => int $now - 60], [token_expired => exp => 0], [bad_claim => exp => -1], [bad_claim => exp => 1e300],
        [bad_claim => exp => "$now"], [bad_claim => exp => undef], [bad_claim => exp => JSON::PP::true],
        [token_not_yet_valid => nbf => int $now + 600], [bad_claim => nbf => 'soon'], [token_not_yet_valid => iat => int $now + 600],
        [bad_issuer => iss => 'https://evil.example'], [bad_issuer => iss => $op->issuer . '/'], [bad_issuer => iss => [$op->issuer]],
        [bad_issuer => iss => undef], [bad_audience => aud => 'https://elsewhere.example'], [bad_audience => aud => []],
        [bad_audience => aud => ['API://default']], [bad_audience => aud => { 'api://default' => 1 }], [bad_audience => aud => undef],
        [pop_failed => cnf => { jkt => 'x' }], [bad_claim => sub => 7], [bad_claim => sub => ''],
    );
    my $json = JSON::PP->new->allow_nonref;
    for (@rows) {
        my ($reason, $claim, $value) = @$_;
        $op->lie(introspect => set => { $claim => $value });
        my $answer = with('/mine/x', opaque());
        my $name = "$claim " . $json->encode($value);
        denied $answer, 401, $name;
        is eval { json($answer)->{reason} }, $reason, "$name: $reason";
        log_like qr/reason=$reason/, "$name: the log says so";
    }
    for ([exp => int $now + 60.5], [exp => $now + 60.5], [aud => ['x', 'api://default']], [nbf => int $now - 5]) {
        my ($claim, $value) = @$_;
        $op->lie(introspect => set => { $claim => $value });
        is with('/mine/x', opaque())->code, 200, "$claim " . $json->encode($value) . ' passes';
    }
    $op->lie(introspect => drop => [qw(exp iss iat)]);
    status_is with('/mine/x', opaque()), 200, 'and what an answer leaves out is not held against it';
};

row 'IN-3 where an audience is said, a token that does not say for whom it is may be for another service' => sub {
    $op->lie(introspect => drop => ['aud']);
    denied with('/mine/x', opaque()), 401;
    log_like qr/reason=bad_audience/;
    status_is with('/introspectionroute/x', opaque()), 200, 'where none is said, none is asked for';
};

row '3.13 an answer without anybody in it lets nobody in' => sub {
    $op->lie(introspect => text => '{"active":true,"aud":"api://default"}');
    denied with('/mine/x', opaque()), 403;
    log_like qr/reason=claim_missing/;
};

row '3.14 a token in the query is nobody\'s, and two in the header are none' => sub {
    my $token = opaque();
    denied get($ua, "/cached/x?access_token=$token"), 401, 'query';
    status_is get($ua, "/cached/x?access_token=other", bearer($token)), 200, 'query beside the header: the header counts';
    $_->reset for $op, $backend;
    my @two = (["Authorization: Bearer $token", 'Authorization: Bearer other'], ["Authorization: Bearer $token", "Authorization: Bearer $token"],
               ["Authorization: Bearer $token, Bearer other"], ["Authorization: Bearer $token,other"], ["Authorization: Bearer ,$token"]);
    for (@two) {
        my $answer = raw_request(join "\r\n", 'GET /introspectionroute/x HTTP/1.1', 'Host: x', 'Connection: close', @$_, '', '');
        my ($name) = map { s/\Q$token\E/.../gr } join ' / ', @$_;
        like $answer, qr/\AHTTP\/1\.1 400 /, $name;
        like $answer, qr/^WWW-Authenticate: Bearer realm="OpenID Connect", error="invalid_request"/m, 'invalid_request';
    }
    calls_are $op, '';
    upstream_is 0;
    log_like qr/reason=multiple_credentials/;
    expect_log qr/reason=no_credential/;
};

=httpd long

LimitRequestFieldSize 100000
OIDCGateIssuer        @op@
OIDCGateClientID      c-api
OIDCGateClientSecret  file:@secrets@/c-api

<Location />
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    ProxyPass       @backend@/
</Location>

=cut

row '3.15 what cannot be a token is not asked about' => sub {
    my %bad = (
        'a space' => 'abc def', 'a quote' => 'abc"def', 'a control character' => "abc\x01def", 'DEL' => "abc\x7f", 'a high byte' => "abc\xe4",
        'a NUL' => "abc\0def", 'a tab' => "abc\tdef", 'braces' => '{abc}', 'a sign within' => 'abc=def', 'only signs' => '===', 'a semicolon' => 'a;b',
        '17 kilobytes' => 'a' x 17000, '64 kilobytes' => 'a' x 65536, 'nothing' => '',
    );
    for my $name (sort keys %bad) {
        my $answer = raw_request("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer $bad{$name}\r\n\r\n", host => 'long');
        like $answer, qr/\AHTTP\/1\.1 400 /, $name;
    }
    for my $break ("\r", "\n", "\r\n") {
        my $answer = raw_request("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer abc${break}def\r\n\r\n", host => 'long');
        like $answer, qr/\AHTTP\/1\.1 400 /, 'a line break';
    }
    calls_are $op, '';
    upstream_is 0;
    log_like qr/reason=malformed_credential/;
    status_is get($ua, url('/x', 'long'), bearer(opaque())), 200, 'any other is';
};

=httpd

<Location /told>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateHeader  X-Introspection "%{introspection}" encode=base64url
    OIDCGateHeader  X-Token         "%{access_token}"
    ProxyPass       @backend@
</Location>

=cut

row "3.16 the provider's answer can be told as it came, asked about or kept" => sub {
    my $token = opaque();
    my @told;
    for my $time ('asked', 'kept') {
        status_is with('/told/x', $token), 200, $time;
        my ($text) = $backend->got('X-Introspection');
        like $text, qr/^[A-Za-z0-9_-]+$/, 'base64url';
        push @told, JSON::PP->new->utf8->decode(decode_base64url($text));
        is_deeply [$backend->got('X-Token')], [$token], 'and the token, where it is asked for';
    }
    is $told[0]{name}, "Alice Li\x{f8}nn \x{674e}", 'whole';
    is_deeply $told[1], $told[0], 'the same each time';
    calls_are $op, 'D<=1 I1';
};

row '3.17 back again: the old token is what the provider says, a new one is good' => sub {
    my $old = $op->mint(kind => 'opaque', client => 'c-web', user => 'alice');
    $op->deactivate('c-web');
    denied with('/brief/x', $old), 401;
    $op->activate('c-web');
    status_is with('/brief/x', $op->mint(kind => 'opaque', client => 'c-web', user => 'alice')), 200, 'a new token, at once';
    ok becomes(200, '/brief/x', $old), 'the old one, when the refusal is forgotten';
    log_like qr/reason=token_inactive/;
};

=httpd

<Location /limited>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateCache   introspection=0
    OIDCGateLimit   address=5 total=100
    ProxyPass       @backend@
</Location>

=cut

row 'where nothing is kept, bad tokens are limited and good ones are not' => sub {
    my $good = opaque();
    sleep 1.05;
    status_is with('/limited/x', $good), 200;
    is scalar(grep { with('/limited/x', $good)->code == 200 } 1 .. 30), 30, 'a good token, thirty times';
    calls_are $op, 'D<=1 I31';
    my $began = int time;
    my %count;
    $count{ with('/limited/x', "guess-$_")->code }++ for 1 .. 30;
    my $seconds = int(time) - $began + 1;
    cmp_ok $op->calls('I'), '<=', 5 * $seconds, 'guesses: five a second';
    cmp_ok $count{429}, '>', 0, 'and 429';
    is scalar(grep { with('/limited/x', $good)->code == 200 } 1 .. 5), 5, 'which does not touch the good one';
    log_like qr/deny status=429 reason=rate_limited/;
    expect_log qr/reason=token_inactive/;
};

row 'a provider is told more than the token where it wants that' => sub {
    my $token = opaque();
    status_is with('/more/x', $token), 200;
    my ($asked) = $op->requests('introspect');
    is_deeply { map { @$_ } @{ $asked->{form} } }, { token => $token, token_type_hint => 'jwt', realm => 'a b' }, 'and what it was to be told';
};

row 'one place does not believe what another was told' => sub {
    my $token = opaque();
    status_is with('/cached/x', $token), 200;
    $_->reset for $op, $backend;
    $op->lie(introspect => set => { active => JSON::PP::false });
    denied get($ua, url('/x', 'long'), bearer($token)), 401, 'another place with other endpoints asks for itself';
    calls_are $op, 'I1';
    log_like qr/reason=token_inactive/;
};

done_testing;
