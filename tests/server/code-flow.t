# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Scenario 2, the authorization code flow: rows 2.1 to 2.13, 2.20 and 2.23. (2.7, a login that takes
# more than ten minutes, needs another clock: tests/unit.)
use Gate::Test;

use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64url);
use Time::HiRes qw(sleep);

use Gate::JOSE qw(jwk);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    OIDCGateHeader X-Id-Token    "%{id_token}"
    OIDCGateHeader X-At-Note     "%{claim:at:note}"
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $alice = ua();
my $BASE = url('');
my $CALLBACK = url('/oidc-gate/callback');

sub query_of { my ($response) = @_; return { URI->new($response->header('Location') // '')->query_form } }

# A login up to the moment before the browser brings the answer back: the browser, and the address
# that it would go to.
sub before_callback {
    my ($path, %who) = @_;
    my $ua = ua();
    my $answer = at_provider($ua, start_login($ua, $path // '/app/x'), %who);
    return ($ua, $answer->header('Location'));
}

row '2.1 a page without a session sends the browser to the provider, and remembers why in one cookie' => sub {
    my $start = browse($alice, '/app/x?a=1&b=%20');
    status_is $start, 302;
    redirects_to $start, qr/^\Q@{[$op->issuer]}\E\/authorize\?/;
    my $asked = query_of($start);
    is_deeply [sort keys %$asked], [sort qw(response_type client_id redirect_uri scope state nonce code_challenge code_challenge_method)],
        'these parameters and no others';
    is_deeply { map { $_ => $asked->{$_} } qw(response_type client_id redirect_uri scope code_challenge_method) },
        { response_type => 'code', client_id => 'c-web', redirect_uri => $CALLBACK, scope => 'openid profile email',
          code_challenge_method => 'S256' }, 'with these values';
    like $start->header('Location'), qr/[?&]scope=openid(?:\+|%20)profile(?:\+|%20)email&/, 'the scope is encoded';
    like $asked->{$_}, qr/^[A-Za-z0-9_-]{43,}$/, "$_ has 256 bits" for qw(state nonce code_challenge);
    my @cookies = header_values($start, 'Set-Cookie');
    is @cookies, 1, 'one cookie';
    my $cookie = cookie_of($start, qr/^oidc-gate/);
    ok $cookie->{httponly}, 'HttpOnly';
    is $cookie->{samesite}, 'Lax', 'SameSite=Lax';
    is $cookie->{'max-age'}, 600, 'ten minutes';
    like $cookie->{path}, qr{^/(?:oidc-gate)?$}, 'sent to the callback';
    ok !$cookie->{domain}, 'to this host alone';
    unlike $cookie->{value}, qr/\Q$asked->{$_}\E/, "$_ does not stand in it in the clear" for qw(state nonce);
    like $start->header('Cache-Control'), qr/no-store/, 'nobody keeps that answer';
    upstream_is 0;
    calls_are $op, 'D1';
    log_like qr/redirect .*reason=no_credential/, 'the log says why';
};

row '2.2 and 2.3 she signs in, lands on exactly the page that she wanted, and the backend is told' => sub {
    my $start = browse($alice, '/app/x?a=1&b=%20');
    my $asked = query_of($start);
    my $callback = call_back($alice, at_provider($alice, $start));
    status_is $callback, 302;
    redirects_to $callback, qr{^(?:\Q$BASE\E)?/app/x\?a=1&b=%20$}, 'to the very page';
    is has_gate_session($alice), 1, 'a session cookie';
    my $session = cookie_of($callback, qr/^oidc-gate-(?!login)/);
    ok $session->{httponly}, 'HttpOnly';
    is $session->{samesite}, 'Lax', 'SameSite=Lax';
    is $session->{path}, '/', 'for the whole host';
    ok !$session->{domain}, 'and for this host alone';
    is cookie_of($callback, qr/^oidc-gate-login/)->{'max-age'}, 0, 'the login cookie is taken away';
    is $callback->header('Referrer-Policy'), 'no-referrer', 'the code does not leak by Referer';
    like $callback->header('Cache-Control'), qr/no-store/, 'nobody keeps that answer';
    upstream_is 0;
    is $op->form(token => 'grant_type'), 'authorization_code', 'the token request: grant';
    is $op->form(token => 'redirect_uri'), $CALLBACK, 'the same redirect address';
    is encode_base64url(sha256($op->form(token => 'code_verifier'))), $asked->{code_challenge}, 'the verifier of the challenge';
    is [$op->requests('token')]->[0]{auth}, 'client_secret_basic', 'the client authenticates';
    calls_are $op, 'T1 J<=1';

    my $page = follow($alice, $callback);
    status_is $page, 200;
    like $page->content, qr/PROTECTED-CONTENT/, 'the page itself';
    my ($token) = map { s/^Bearer //r } $backend->got('Authorization');
    is decoded($token)->{claims}{sub}, 'alice-sub', 'the backend gets the access token';
    my ($id_token) = $backend->got('X-Id-Token');
    is decoded($id_token)->{claims}{nonce}, $asked->{nonce}, 'and the ID token';
    is $backend->last->{target}, '/x?a=1&b=%20', 'the address has not changed on the way';
    upstream_is 1;
    calls_are $op, '';
    log_like qr/login status=302 reason=ok method=code user=alice-sub /, 'the log says who signed in';
    ok until_true(sub { slurp(Apache::Test::vars('t_logs') . '/access_log') =~ m{GET /app/x 200 user=alice-sub} }), 'the access log knows her';
};

row "2.3 the gate's own cookies stay here, others go on to the backend" => sub {
    my ($session) = gate_cookies($alice);
    status_is get(ua(), '/app/x', Cookie => "a=1; $session->{name}=$session->{value}; b=2"), 200;
    is_deeply [$backend->got('Cookie')], ['a=1; b=2'], 'what the backend sees';
    status_is get(ua(), '/app/x', Cookie => "$session->{name}=$session->{value}"), 200;
    is_deeply [$backend->got('Cookie')], [], 'nothing where there is nothing else';
};

row '2.4 a hundred more requests ask the provider nothing' => sub {
    my $good = grep { browse($alice, "/app/$_")->code == 200 } 1 .. 100;
    is $good, 100, 'all answered';
    calls_are $op, '';
    upstream_is 100;
};

row '2.5 the back button: the callback again does no harm' => sub {
    my ($ua, $to) = before_callback();
    status_is browse($ua, $to), 302, 'the first time';
    my ($before) = gate_cookies($ua);
    $op->reset;
    my $again = browse($ua, $to);
    status_is $again, 303;
    redirects_to $again, qr{^(?:\Q$BASE\E)?/$}, 'to the base';
    calls_are $op, '', 'the code is not sent again';
    is_deeply [gate_cookies($ua)], [$before], 'the session is as it was';
    status_is browse($ua, '/app/x'), 200, 'and works';
};

row '2.6 a callback with a state that nobody knows is a page with a way out, not a loop and not an error of ours' => sub {
    for my $state ('forged', 'A' x 43, encode_base64url("\0" x 32)) {
        my $answer = browse(ua(), "/oidc-gate/callback?code=c&state=$state");
        denied $answer, 400;
        like $answer->content, qr/<a href="/, 'start again';
        unlike $answer->content, qr/\Q$state\E/, 'nothing is repeated';
    }
    calls_are $op, '';
    log_like qr/reason=state_unknown/;
    my ($ua, $to) = before_callback();
    denied browse(ua(), $to), 400, "another browser's state is as unknown";
    calls_are $op, '', 'and its code is not sent';
};

row '2.6 a malformed callback is 400, and asks the provider nothing' => sub {
    my ($ua, $to) = before_callback();
    $op->reset;
    my %query = URI->new($to)->query_form;
    my $state = $query{state};
    for my $bad ('', "state=$state", 'code=c', "code=c&code=d&state=$state", "code=c&state=$state&state=$state",
                 "code=&state=$state", "code=c&error=x&state=$state", "code=%00&state=$state", 'code=' . 'c' x 5000 . "&state=$state") {
        denied browse($ua, "/oidc-gate/callback?$bad"), 400, substr $bad, 0, 60;
    }
    calls_are $op, '';
    expect_log qr/reason=(?:malformed_request|state_unknown)/;
    status_is browse($ua, $to), 302, 'the honest answer still counts';
};

row '2.8 two tabs at once, finished in any order, each end on their own page' => sub {
    my $ua = ua();
    my ($one, $two) = map { start_login($ua, $_) } '/app/one', '/app/two';
    is scalar(() = gate_cookies($ua, 'login')), 2, 'two logins under way';
    my $second = call_back($ua, at_provider($ua, $two));
    redirects_to $second, qr{/app/two$};
    my $first = call_back($ua, at_provider($ua, $one));
    redirects_to $first, qr{/app/one$};
    is scalar(() = gate_cookies($ua, 'login')), 0, 'none under way';
    status_is follow($ua, $first), 200;
};

row '2.8 a browser that opens twenty tabs keeps five logins, and forgets the oldest' => sub {
    my $ua = ua();
    my @starts = start_login($ua, '/app/1');
    sleep 1.1;                          # the gate counts in seconds
    push @starts, map { start_login($ua, "/app/$_") } 2 .. 20;
    is scalar(() = gate_cookies($ua, 'login')), 5, 'five';
    denied call_back($ua, at_provider($ua, $starts[0])), 400, 'the oldest is forgotten';
    log_like qr/reason=state_unknown/;
    redirects_to call_back($ua, at_provider($ua, $starts[-1])), qr{/app/20$}, 'the newest works';
};

row '2.9 what the provider refuses has its own status; its words are for the log' => sub {
    my %status = (access_denied => 403, login_required => 401, server_error => 503, temporarily_unavailable => 503);
    for my $error (sort keys %status) {
        my $ua = ua();
        $op->lie(authorize => error => $error, error_description => '<script>alert(1)</script>');
        my $answer = call_back($ua, at_provider($ua, start_login($ua, '/app/x')));
        denied $answer, $status{$error}, "$error is $status{$error}";
        unlike $answer->content, qr/<script|alert/, 'the description is not shown';
        ok !has_gate_session($ua), 'nobody is signed in';
    }
    $op->lie(authorize => error => '<b>x</b>');
    my ($ua, $to) = before_callback();
    unlike browse($ua, $to)->content, qr/<b>x/, 'nor an error that is markup';
    calls_are $op, '';
    expect_log qr/reason=(?:login_denied|login_required|idp_error|idp_rejected_gateway|malformed_request)/;
};

# name => [the lie, the reason]. The signature is good unless the name says otherwise.
my @ID_TOKEN_LIES = (
    'another nonce' => [{ set => { nonce => 'other' } }, 'nonce_mismatch'],
    'no nonce' => [{ drop => ['nonce'] }, 'nonce_mismatch'],
    'another audience' => [{ set => { aud => 'c-other' } }, 'bad_audience'],
    'a second audience' => [{ set => { aud => ['c-web', 'c-other'] } }, 'bad_audience'],
    'no audience' => [{ drop => ['aud'] }, '(?:bad_audience|bad_claim)'],
    'azp of another' => [{ set => { azp => 'c-other' } }, 'bad_audience'],
    'another issuer' => [{ set => { iss => 'https://evil.example' } }, 'bad_issuer'],
    'the issuer with a slash' => [{ set => { iss => $op->issuer . '/' } }, 'bad_issuer'],
    'no subject' => [{ drop => ['sub'] }, 'bad_claim'],
    'an empty subject' => [{ set => { sub => '' } }, 'bad_claim'],
    'a subject that is a number' => [{ set => { sub => 7 } }, 'bad_claim'],
    'expired' => [{ set => { exp => time - 600 } }, 'token_expired'],
    'no exp' => [{ drop => ['exp'] }, 'bad_claim'],
    'no iat' => [{ drop => ['iat'] }, 'bad_claim'],
    'from the future' => [{ set => { iat => time + 600 } }, 'token_not_yet_valid'],
    'not yet valid' => [{ set => { nbf => time + 600 } }, 'token_not_yet_valid'],
    'alg none' => [{ alg => 'none' }, 'bad_alg'],
    'alg nOnE' => [{ alg => 'none', set_header => { alg => 'nOnE' } }, 'bad_alg'],
    'HS256 with the public key' => [{ alg => 'HS256', key => 'public:rsa1', set_header => { kid => 'rsa1' } }, 'bad_alg'],
    'HS256 with the client secret' => [{ alg => 'HS256' }, 'bad_alg'],
    'an algorithm nobody knows' => [{ set_header => { alg => 'RS257' } }, 'bad_alg'],
    'ES256 by name, RS256 by nature' => [{ set_header => { alg => 'ES256' } }, 'bad_(?:alg|signature)'],
    "another's signature" => [{ key => 'rsa-evil', set_header => { kid => 'rsa1' } }, 'bad_signature'],
    "another's signature, key included" => [{ key => 'rsa-evil', set_header => { kid => 'rsa1', jwk => jwk('rsa-evil') } }, 'bad_signature'],
    'a broken signature' => [{ signature => 'flipped' }, 'bad_signature'],
    'a short signature' => [{ signature => 'truncated' }, 'bad_signature'],
    'no signature' => [{ signature => 'absent' }, '(?:bad_signature|malformed_token)'],
    'crit' => [{ set_header => { crit => ['b64'], b64 => \0 } }, 'malformed_token'],
    'a claim twice' => [{ claims_twice => { sub => 'mallory-sub' } }, 'malformed_token'],
    'alg twice' => [{ header_twice => { alg => 'none' } }, 'malformed_token'],
    'at_hash of another token' => [{ set => { at_hash => 'A' x 22 } }, 'hash_mismatch'],
    'an access token' => [{ set_header => { typ => 'at+jwt' } }, 'wrong_kind'],
    'a logout token' => [{ set_header => { typ => 'logout+jwt' } }, 'wrong_kind'],
    'no JWT at all' => [{ instead => 'nonsense' }, 'malformed_token'],
    'a key that nobody knows' => [{ set_header => { kid => 'no-such-key' } }, 'unknown_kid'],
);

row '2.10 an ID token that is not what it should be signs nobody in' => sub {
    for my $number (0 .. @ID_TOKEN_LIES / 2 - 1) {
        my ($name, $case) = @ID_TOKEN_LIES[$number * 2, $number * 2 + 1];
        my ($lie, $reason) = @$case;
        $op->honest;
        $op->lie(id_token => %$lie);
        my ($ua, $to) = before_callback();
        $op->reset;
        denied browse($ua, $to), 401, "$name is 401";
        ok !has_gate_session($ua), "$name: no session";
        log_like qr/reason=$reason\b/, "$name: $reason";
        calls_are $op, 'T1 J<=1', "$name: one token request";
    }
    $op->honest;
    status_is login(ua(), '/app/x')->{page}, 200, 'the truth does';
};

row '2.10 good variations of an ID token do sign in' => sub {
    my @good = (
        'aud as a list' => { set => { aud => ['c-web'] } },
        'azp of our own' => { set => { azp => 'c-web' } },
        'no at_hash' => { drop => ['at_hash'] },
        'no typ' => { drop_header => ['typ'] },
        map { ($_ => { alg => $_, drop => ['at_hash'] }) } qw(PS256 ES256 ES384 ES512 EdDSA RS512),
    );
    while (my ($name, $lie) = splice @good, 0, 2) {
        $op->lie(id_token => %$lie);
        my $page = login(ua(), '/app/x')->{page};
        ok $page && $page->code == 200, $name;
    }
};

row '2.10 what an access token says counts where the provider has signed it, or its hash in the ID token' => sub {
    my $hashless = { drop => ['at_hash'] };
    my @cases = (
        ['signed',                                {},                                                      {},        'yes'],
        ['signed, and no at_hash',                {},                                                      $hashless, 'yes'],
        ['badly signed, and its at_hash',         { signature => 'flipped' },                              {},        'yes'],
        ['badly signed, and no at_hash',          { signature => 'flipped' },                              $hashless, undef],
        ["another's signature, and no at_hash",   { key => 'rsa-evil', set_header => { kid => 'rsa1' } },  $hashless, undef],
        ["another's key, and its at_hash",        { key => 'rsa-evil', set_header => { kid => 'evil' } },  {},        undef],
        ['of another issuer, and its at_hash',    { set => { note => 'yes', iss => 'https://evil.example' } }, {},    undef],
        ['expired, and its at_hash',              { set => { note => 'yes', exp => time - 600 } },         {},        undef],
    );
    for my $case (@cases) {
        my ($name, $access_token, $id_token, $note) = @$case;
        $op->honest;
        $op->lie(access_token => set => { note => 'yes' }, %$access_token);
        $op->lie(id_token => %$id_token) if %$id_token;
        status_is login(ua(), '/app/x')->{page}, 200, "$name: a person is signed in";
        is_deeply [$backend->got('X-At-Note')], [$note // ()], $note ? 'and it counts' : 'and it does not count';
    }
    $op->honest;
};

row '2.10 an answer that comes from another provider is refused before anything of it is used (RFC 9207)' => sub {
    for my $lie ([set => { iss => 'https://evil.example' }], [set => { iss => $op->issuer . '/' }], [drop => ['iss']],
                 [set => { iss => 'https://evil.example' }, error => 'access_denied']) {
        $op->lie(authorize => @$lie);
        my ($ua, $to) = before_callback();
        $op->reset;
        denied browse($ua, $to), 400;
        ok !has_gate_session($ua), 'nobody is signed in';
        calls_are $op, '', 'the code goes nowhere';
    }
    log_like qr/reason=issuer_mixup/;
};

row '2.11 a code that the provider does not take: 400 and a way out; a provider that fails: 503; asked once' => sub {
    my @cases = (
        [{ status => 400, json => { error => 'invalid_grant' } }, 400, 'invalid_grant'],
        [{ status => 500, html => 1 }, 503, 'idp_error'],
        [{ status => 429, json => {} }, 503, 'idp_error'],
        [{ close => 1 }, 503, 'idp_(?:error|unreachable)'],
        [{ json => { token_type => 'Bearer' } }, 503, 'idp_error'],
        [{ status => 401, json => { error => 'invalid_client' } }, 502, 'idp_rejected_gateway'],
        [{ status => 400, json => { error => 'unsupported_grant_type' } }, 502, 'idp_rejected_gateway'],
    );
    for my $case (@cases) {
        my ($fault, $status, $reason) = @$case;
        $op->honest;
        status_is login(ua(), '/app/x')->{page}, 200, '(before that, all is well)';
        my ($ua, $to) = before_callback();
        $_->reset for $op, $backend;
        $op->fault(token => %$fault);
        my $answer = browse($ua, $to);
        denied $answer, $status, "$reason is $status";
        ok !has_gate_session($ua), 'nobody is signed in';
        ok $answer->header('Retry-After'), 'Retry-After' if $status == 503;
        calls_are $op, 'T1', 'no second try';
        log_like qr/reason=$reason\b/;
        denied browse($ua, $to), 400, 'nor at the second callback';
        calls_are $op, '';
        expect_log qr/reason=(?:state_unknown|replay)/;
    }
};

row '2.12 a script without a session gets 401 as JSON, and no login is begun' => sub {
    for my $headers (['X-Requested-With' => 'XMLHttpRequest'], ['Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'],
                     [Accept => 'application/json']) {
        my $answer = get(ua(), '/app/x', @$headers);
        denied $answer, 401, "@$headers";
        ok !header_values($answer, 'Set-Cookie'), 'no cookie';
        like $answer->header('Content-Type'), qr{^application/json}, 'JSON';
        is json($answer)->{reason}, 'no_credential', 'that says why';
    }
    calls_are $op, '';
    expect_log qr/reason=no_credential/;
};

row '2.13 a form that is sent without a session gets 401, not a redirect that would lose it' => sub {
    for my $method (qw(POST PUT DELETE PATCH)) {
        my $answer = request(ua(), $method, '/app/x', Accept => 'text/html', 'Sec-Fetch-Mode' => 'navigate',
                             'Content-Type' => 'text/plain', Content => 'x');
        denied $answer, 401, $method;
        ok !header_values($answer, 'Set-Cookie'), 'no cookie';
    }
    calls_are $op, '';
};

# Begins a login with a request that no browser library would send, and finishes it with the cookies
# taken along by hand. Returns where it would end.
sub smuggled {
    my ($target, $host) = @_;
    my $answer = raw_request("GET $target HTTP/1.1\r\nHost: $host\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n"
        . "Sec-Fetch-Dest: document\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\n"
        . "Connection: close\r\n\r\n");
    my ($to) = $answer =~ /^Location: (\S+)/mi or return $answer =~ /^(HTTP\S+ \d+)/;
    return $to unless index($to, $op->issuer) == 0;
    my ($cookie) = $answer =~ /^Set-Cookie: ([^;]+)/mi;
    my $back = get(ua(), $to)->header('Location');
    return "redirect_uri $back" unless index($back, $CALLBACK) == 0;
    return get(ua(), $back, Cookie => $cookie)->header('Location');
}

row '2.20 the page to return to is on this host, whatever was asked for' => sub {
    my $own = '127.0.0.1:' . port();
    for my $case (['//app/x', $own], ['///app//x', $own], ['/app//evil.example', $own], ['/app/..//evil.example', $own],
                  ['/app/\\evil.example', $own], ['/app/%5cevil.example', $own], ['/app/x%0d%0aSet-Cookie:a=1', $own],
                  ['/app/%09//evil.example', $own], ['/app/x?//evil.example', $own], ["http://$own/app/x", $own],
                  ['http://evil.example/app/x', 'evil.example'], ['/app/x', 'evil.example'], ['/app/x', "evil.example:$own"],
                  ['http://evil.example@' . $own . '/app/x', $own]) {
        my ($target, $host) = @$case;
        my $end = smuggled($target, $host);
        my $absolute = $end =~ /^HTTP/ ? $end : URI->new_abs($end, "$BASE/");
        ok $absolute =~ /^HTTP\S+ 4\d\d/ || $absolute =~ m{^\Q$BASE\E/} && $end !~ m{^//|^/\\|[\r\n]}, "$target at $host ends at $absolute";
    }
};

=httpd rotating

OIDCGateIssuer        @op@/rotating
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

row '2.23 the provider changes its keys between two logins: one more look at the key set, and no more' => sub {
    my $rotating = $op->tenant('rotating');
    my $page = url('/app/x', 'rotating');
    status_is login(ua(), $page)->{page}, 200, 'with the first key';
    calls_are $rotating, 'D1 J1 T1';
    $rotating->rotate;
    status_is login(ua(), $page)->{page}, 200, 'with the next';
    calls_are $rotating, 'J1 T1';
    status_is login(ua(), $page)->{page}, 200, 'and again';
    calls_are $rotating, 'T1';
    for my $number (1 .. 10) {
        $rotating->lie(id_token => set_header => { kid => "made-up-$number" });
        login(ua(), $page);
    }
    calls_are $rotating, 'T10 J<=1', 'made-up keys do not make the gate ask again and again';
    log_like qr/reason=unknown_kid/;
};

row 'whoami tells the pages of this host who is signed in, and no token' => sub {
    my $answer = get($alice, '/oidc-gate/whoami');
    status_is $answer, 200;
    my $who = json($answer);
    is $who->{user}, 'alice-sub', 'the user, as the backend is told';
    is $who->{subject}, 'alice-sub', 'the subject';
    is $who->{method}, 'code', 'how';
    cmp_ok $who->{expires}, '>', time, 'until when';
    unlike $answer->content, qr/eyJ/, 'no token';
    like $answer->header('Cache-Control'), qr/no-store/, 'nobody keeps that';
    my $nobody = get(ua(), '/oidc-gate/whoami');
    status_is $nobody, 401;
    expect_log qr/reason=no_credential/;
};

done_testing;
