# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# OIDCGateTokenFrom: tokens that do not come in Authorization. One way at a time (RFC 6750 section 2);
# what is in the address is taken out of it before the backend, a rewrite rule or the log sees it
# (section 2.3); a cookie is no way in for other sites. Rows 1.21 and 3.14 of the scenarios.
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-api
OIDCGateClientSecret  file:@secrets@/c-api
CustomLog @logs@/token-from.log "%r|%q|%U|%{Referer}i"
RewriteEngine On
RewriteRule ^/rewritten/(.*)  @backend@/$1 [P,QSA]
RewriteRule ^/old/(.*)        /cgi/env/$1 [PT]

<Location /header>
    AuthType OIDCGate
    OIDCGateMethods   bearer client_credentials
    OIDCGateAudience  api://default
    OIDCGateTokenFrom header:X-Access-Token
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /cookie>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom cookie:token authorization
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /query>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default @base@/query
    OIDCGateResource  @base@/query
    OIDCGateTokenFrom query:access_token
    OIDCGateHeader    X-User "%{user}"
    Require valid-user
    ProxyPass @backend@
</Location>
# Both put the address together before anybody is asked who it is.
<Location /raw>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom query:access_token
    Require valid-user
    ProxyPass @backend@ nocanon
</Location>
<Location /rewritten>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom query:access_token
    Require valid-user
</Location>

<Location /all>
    AuthType OIDCGate
    OIDCGateMethods    introspection
    OIDCGateTokenFrom  authorization header:X-Access-Token cookie:token query:access_token
    OIDCGateOnUnauthenticated pass
    Require all granted
    ProxyPass @backend@
</Location>
<Location /all/forward>
    OIDCGateForwardCredentials On
</Location>

<Location /login>
    AuthType OIDCGate
    OIDCGateMethods   code bearer
    OIDCGateClientID  c-web
    OIDCGateClientSecret file:@secrets@/c-web
    OIDCGateAudience  api://default
    OIDCGateTokenFrom query:access_token authorization
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /cgi/env>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom query:access_token
    Require valid-user
</Location>

# Is met on the way to another place, and names no parameter itself.
<Directory @docs@/public>
    FallbackResource /cgi/env
</Directory>

<Location /status>
    SetHandler server-status
    Require all granted
</Location>

# Nothing to do with it: its parameters are its own.
<Location /open>
    Require all granted
    ProxyPass @backend@
</Location>

=httpd two

<IfModule http2_module>
    Protocols h2c http/1.1
</IfModule>
OIDCGateIssuer        @op@
CustomLog @logs@/token-from.log "%r|%q|%U|%{Referer}i"
<Location /query>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom query:access_token
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $token = $op->mint(user => 'alice');
my $other = $op->mint(user => 'mallory');
my $OWN_LOG = Apache::Test::vars('t_logs') . '/token-from.log';

sub told { return [map { $backend->got($_) } @_] }

# What the access log says of the requests that a row made, once all of these are there. Each is logged after its answer, so
# that none of them need come before another.
my $seen = 0;
sub accesses {
    my (@all) = @_;
    until_true(sub { my $text = substr slurp($OWN_LOG), $seen; !grep { $text !~ $_ } @all });
    my $text = substr slurp($OWN_LOG), $seen;
    $seen += length $text;
    return $text;
}

row 'a header of its own, and Authorization is none of it' => sub {
    status_is get(ua(), '/header/x', 'X-Access-Token' => $token, Authorization => 'Bearer nonsense'), 200;
    is_deeply told('X-Access-Token', 'Authorization'), [], 'neither reaches the backend';
    status_is get(ua(), '/header/x', 'X-Access-Token' => "Bearer $token"), 200;
    denied get(ua(), '/header/x', bearer($token)), 401 if $backend->reset;
    denied get(ua(), '/header/x', 'X-Access-Token' => "$token, $token"), 400;
    denied get(ua(), '/header/x', 'X-Access-Token' => $token, 'X-Access-Token' => $other), 400;
    denied get(ua(), '/header/x', 'X-Access-Token' => 'a b'), 400;
    denied get(ua(), '/header/x', 'X-Access-Token' => "$token!"), 400;
    denied get(ua(), '/header/x', 'X-Access-Token' => $token, basic('c-api', 's3cret')), 400, 'a client and a token are two';
    calls_are $op, 'D1 J1';
    expect_log qr/reason=(?:multiple_credentials|malformed_credential)/;
};

row 'clients come by Authorization, wherever tokens come' => sub {
    status_is get(ua(), '/header/x', basic('c-api', 's3cret')), 200;
    calls_are $op, 'T1 J<=1';
};

row 'a bad token is 401, however good another credential is elsewhere' => sub {
    my $stale = $op->mint(user => 'alice', claims => { exp => time - 600 });
    denied get(ua(), '/header/x', 'X-Access-Token' => $stale), 401;
    denied get(ua(), '/cookie/x', Cookie => "token=$stale"), 401;
    denied get(ua(), "/query/x?access_token=$stale"), 401;
    denied get(ua(), '/header/x', 'X-Access-Token' => $stale, bearer($token)), 401, 'Authorization does not count there';
    denied get(ua(), '/cookie/x', Cookie => "token=$stale", bearer($token)), 400, 'two places are one too many';
    expect_log qr/reason=(?:token_expired|multiple_credentials)/;
};

row 'a cookie, of exactly that name, and not for the backend' => sub {
    status_is get(ua(), '/cookie/x', Cookie => "a=1; token=$token; token-x=2; atoken=3"), 200;
    is_deeply told('Cookie'), ['a=1; token-x=2; atoken=3'], 'the others go on';
    status_is get(ua(), '/cookie/x', bearer($token), Cookie => 'a=1; tokens=2'), 200;
    is_deeply told('Cookie', 'Authorization'), ['a=1; tokens=2'], 'Authorization does as well';
    $backend->reset;
    denied get(ua(), '/cookie/x', Cookie => "token=$token; token=$token"), 400;
    denied get(ua(), '/cookie/x', Cookie => 'token="quoted"'), 400;
    expect_log qr/reason=(?:multiple_credentials|malformed_credential)/;
};

row 'a page of another site cannot have a browser use the cookie' => sub {
    my @cookie = (Cookie => "token=$token");
    for my $method (qw(POST PUT DELETE PATCH)) {
        denied request(ua(), $method, '/cookie/x', @cookie, 'Sec-Fetch-Site' => 'cross-site'), 403, "$method from another site";
    }
    denied request(ua(), 'POST', '/cookie/x', @cookie, Origin => 'https://evil.example'), 403, 'an older browser, by its Origin';
    denied get(ua(), '/cookie/x', @cookie, Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-Fetch-Site' => 'cross-site'), 403, 'a WebSocket';
    log_like qr/reason=cross_site/;
    status_is request(ua(), 'POST', '/cookie/x', @cookie, 'Sec-Fetch-Site' => $_), 200, "$_ may" for qw(same-origin same-site none);
    status_is get(ua(), '/cookie/x', @cookie, 'Sec-Fetch-Site' => 'cross-site'), 200, 'a link may';
    status_is request(ua(), 'POST', '/cookie/x', bearer($token), 'Sec-Fetch-Site' => 'cross-site'), 200, 'and so may who has the token itself';
};

row 'a parameter is gone from the address, for the backend and for the log' => sub {
    my $answer = get(ua(), "/query/x?a=1&access_token=$token&b=%20");
    status_is $answer, 200;
    is $backend->last->{target}, '/x?a=1&b=%20', 'the backend gets the others as they were';
    is_deeply told('X-User'), ['alice-sub'], 'and is told who it is';
    unlike $backend->last->{head}, qr/\Q$token\E/, 'the token is nowhere';
    like join(', ', header_values($answer, 'Cache-Control')), qr/private.*no-store/, 'nobody keeps the answer';
    is $answer->header('Referrer-Policy'), 'no-referrer', 'nor says where it came from';
    status_is get(ua(), "/query/only?access_token=$token"), 200;
    is $backend->last->{target}, '/only', 'not even the question mark is left';
    status_is get(ua(), "/query/spelled?%61ccess_token=$token&access_token="), 200, 'in any spelling';
    is $backend->last->{target}, '/spelled';
    status_is get(ua(), url("/query/last?x=access_token&access_token=$token")), 200;
    is $backend->last->{target}, '/last?x=access_token';
    my @log = sort grep { m{^GET /query/(?:x\?a=1&b|only|spelled|last)} } split /\n/, accesses(map { qr{/$_.*\n} } qw(x\?a=1&b only spelled last));
    is_deeply \@log, [
        'GET /query/last?x=access_token HTTP/1.1|?x=access_token|/query/last|-',
        'GET /query/only HTTP/1.1||/query/only|-',
        'GET /query/spelled HTTP/1.1||/query/spelled|-',
        'GET /query/x?a=1&b=%20 HTTP/1.1|?a=1&b=%20|/query/x|-',
    ], 'what the access log has';
};

row "the server's status page does not show it, neither afterwards nor meanwhile" => sub {
    $backend->answer_at('/slow', delay => 2);
    my ($status) = parallel(2, sub {
        my ($number) = @_;
        return get(ua(), "/query/slow?b=1&access_token=$token")->code if $number == 2;
        return until_true(sub { my $page = get(ua(), '/status')->content; $page =~ m{GET /query/slow} && $page });
    });
    $backend->answer_at('/slow');
    like $status, qr{GET /query/slow\?b=1 HTTP}, 'it is there';
    unlike $status, qr/access_token=/, 'without the token';
};

row 'wherever the address is put together early, it is there without the token' => sub {
    for my $place ('/raw', '/rewritten') {
        status_is get(ua(), "$place/x?a=1&access_token=$token"), 200, $place;
        is $backend->last->{target}, '/x?a=1', 'what the backend is asked';
    }
    my $answer = raw_request("GET http://127.0.0.1/query/abs?access_token=$token&a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    like $answer, qr/^HTTP\/1\.1 200 /, 'an address that is absolute';
    is $backend->last->{target}, '/abs?a=1';
    unlike accesses(qr/abs/), qr/access_token/, 'nor does the access log have it';
};

row 'HTTP/2' => sub {
    plan skip_all => 'mod_http2 does not go with this MPM' if Apache::Test::vars('mpm') eq 'prefork';
    plan skip_all => 'this curl does not speak HTTP/2' unless qx(curl --version 2>&1) =~ /^Features:.*\bHTTP2\b/m;
    open my $curl, '-|', qw(curl -sS --max-time 20 --http2-prior-knowledge -o /dev/null -w), '%{http_version} %{http_code}',
        url("/query/two?a=1&access_token=$token", 'two') or die "curl: $!";
    is join('', readline $curl), '2 200';
    is $backend->last->{target}, '/two?a=1';
    is_deeply [grep { /two/ } split /\n/, accesses(qr/two.*\n/)], ['GET /query/two?a=1 HTTP/2.0|?a=1|/query/two|-'], 'what the access log has';
};

row 'a CGI program sees neither the parameter nor the address that it was in' => sub {
    my $answer = get(ua(), "/cgi/env?a=1&access_token=$token");
    status_is $answer, 200;
    like $answer->content, qr/^QUERY_STRING=a=1$/m;
    like $answer->content, qr{^REQUEST_URI=/cgi/env\?a=1$}m;
    unlike $answer->content, qr/\Q$token\E/;
    my $rewritten = get(ua(), "/old/x?a=1&access_token=$token");
    like $rewritten->content, qr{^REQUEST_URI=/old/x\?a=1$}m, 'nor where a rule has led to it';
    unlike $rewritten->content, qr/\Q$token\E/;
    my $elsewhere = get(ua(), "/public/none?a=1&access_token=$token");
    status_is $elsewhere, 200;
    like $elsewhere->content, qr/^QUERY_STRING=a=1$/m, 'nor where httpd goes on by itself';
    unlike $elsewhere->content, qr/\Q$token\E/;
    my $log = accesses(qr{/public/none}, qr{GET /old/x});
    unlike $log, qr/access_token/, 'the log has none of it';
    like $log, qr{GET /old/x\?a=1 HTTP}, 'and the log tells of the address that was asked for';
};

row 'what is refused is not in the log either' => sub {
    denied get(ua(), "/query/no?access_token=$token&access_token=$other"), 400;
    denied get(ua(), "/query/no?access_token=$token+x"), 400;
    denied get(ua(), '/query/no?access_token=%zz'), 400;
    denied get(ua(), "/query/no?access_token=" . 'x' x 5000), 401;
    denied get(ua(), "/query/none"), 401;
    denied get(ua(), '/query/none', bearer($token)), 401, 'Authorization is no way in there';
    expect_log qr/reason=(?:multiple_credentials|malformed_credential|malformed_token|no_credential)/;
    unlike accesses(qr/none.*none/s), qr/access_token/;
    calls_are $op, '';
};

row 'a person who signs in comes back without it, and so do the endpoints' => sub {
    my $bad = browse(ua(), "/login/x?access_token=$other&a=1");
    status_is $bad, 200, 'a good token needs no login';
    my $ua = ua();
    my $step = login($ua, '/login/x?access_token=&a=1');
    redirects_to $step->{callback}, qr{/login/x\?a=1$}, 'an empty one is not brought back';
    status_is $step->{page}, 200;
    accesses(qr/callback/);
};

row 'one way at a time, of all that are allowed' => sub {
    my @ways = ([bearer($token)], ['X-Access-Token' => $token], [Cookie => "token=$token"]);
    my $with = sub { my ($query, @which) = @_; get(ua(), "/all/x$query", map { @{ $ways[$_] } } @which) };
    status_is $with->('', $_), 200 for 0 .. 2;
    status_is $with->("?access_token=$token"), 200;
    calls_are $op, 'I1', 'the same token, asked for once';
    $backend->reset;
    denied $with->('', 0, 1), 400;
    denied $with->('', 1, 2), 400;
    denied $with->("?access_token=$token", 2), 400;
    denied $with->("?access_token=$token", 0, 1, 2), 400;
    calls_are $op, '', 'nobody is asked about those';
    log_like qr/reason=multiple_credentials/;
    status_is get(ua(), '/all/x'), 200, 'where nobody may pass, nobody does';
    denied get(ua(), '/all/x', Cookie => 'token=nonsense'), 401 if $backend->reset;
    expect_log qr/reason=token_inactive/;
};

row 'OIDCGateForwardCredentials lets headers and cookies go on, never what was in the address' => sub {
    status_is get(ua(), '/all/forward/x', 'X-Access-Token' => $token), 200;
    is_deeply told('X-Access-Token'), [$token];
    status_is get(ua(), '/all/forward/x', Cookie => "a=1; token=$token"), 200;
    is_deeply told('Cookie'), ["a=1; token=$token"];
    status_is get(ua(), "/all/forward/x?access_token=$token"), 200;
    is $backend->last->{target}, '/forward/x';
};

row 'elsewhere a parameter of that name is nobody\'s business' => sub {
    status_is get(ua(), '/open/x?access_token=theirs'), 200;
    is $backend->last->{target}, '/x?access_token=theirs';
};

row 'RFC 9728 the metadata say which ways there are' => sub {
    is_deeply json(get(ua(), '/.well-known/oauth-protected-resource/query'))->{bearer_methods_supported}, ['query'];
};

row 'what cannot be meant is refused when the configuration is read' => sub {
    my $place = sub { my ($line) = @_; return <<"CONF" };
OIDCGateIssuer http://127.0.0.1:1
<Location /x>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience a
    $line
</Location>
CONF
    config_ok $place->('OIDCGateTokenFrom authorization header:X-T cookie:t query:t');
    config_fails $place->('OIDCGateTokenFrom body'), qr/OIDCGateTokenFrom body: say authorization, header:NAME/;
    config_fails $place->("OIDCGateTokenFrom $_"), qr/made of letters/ for 'header:', 'cookie:a=b', 'query:a&b';
    config_fails $place->("OIDCGateTokenFrom header:$_"), qr/the server's own, or the browser's/
        for qw(Host Cookie connection Content-Length Proxy-Authorization Authorization);
    config_fails $place->('OIDCGateTokenFrom query:a query:a'), qr/it is there twice/;
    config_fails $place->("OIDCGateTokenFrom header:X-T\nOIDCGateHeader x_t %{user}"), qr/OIDCGateHeader sets here or elsewhere/;
    config_fails $place->('OIDCGateTokenFrom cookie:oidc-gate-x'), qr/the gate keeps sessions in/;
};

Test::More::done_testing();
