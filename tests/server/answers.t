# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What the gate says when it says no: every reason of src/base/reason.h, the forms for programs and for people, and that
# nothing of anybody's words comes back.
use Gate::Test;

use Gate::Server ();
use List::Util qw(first);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateUserinfo      login
OIDCGateCache         introspection=0 token=0

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

<Location /api>
    SetEnvIf X-Request-Id (.+) UNIQUE_ID=$1
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    <RequireAny>
        Require claim kong_claim:kong_group
        Require claim kong_claim:kong_group
    </RequireAny>
    ProxyPass @backend@
</Location>
<Location /api/absent>
    Require claim nobody-has-this:x
</Location>
<Location /api/scope>
    Require scope "a b"
</Location>
<Location /api/user>
    Require user nobody-is-this
</Location>
<Location /api/acr>
    Require acr gold
</Location>
<Location /api/undecided>
    Require claim "motto~^(a+)+$"
</Location>
<Location /api/unsafe>
    Require valid-user
    OIDCGateHeader X-Motto "%{claim:motto}"
</Location>

<Location /introspected>
    AuthType OIDCGate
    OIDCGateMethods    introspection
    OIDCGateIntrospect all
    OIDCGateAudience   any
    OIDCGateHTTP       connect=1s total=1s inflight=1
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /introspected/limited>
    OIDCGateLimit address=1 total=1
</Location>

<Location /client>
    AuthType OIDCGate
    OIDCGateMethods client_credentials
    OIDCGateHeader  X-Dept "%{claim:dept}" required
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /all>
    AuthType OIDCGate
    OIDCGateMethods  code bearer client_credentials
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /away>
    AuthType OIDCGate
    OIDCGateIssuer       http://127.0.0.1:@spare_port@
    OIDCGateClientID     c-web
    OIDCGateClientSecret file:@secrets@/c-web
    OIDCGateMethods      code introspection
    OIDCGateAudience     any
    Require valid-user
</Location>

<Location /unsuitable>
    AuthType OIDCGate
    OIDCGateIssuer       @op@/unsuitable
    OIDCGateClientID     c-web
    OIDCGateClientSecret file:@secrets@/c-web
    OIDCGateMethods      introspection
    OIDCGateAudience     any
    Require valid-user
</Location>

<Location /sessions>
    SetHandler oidc-gate-sessions
    Require all granted
</Location>

=cut

my $op = provider();
my $backend = backend();

# --- every reason ---

# The rows of the table, as the compiler reads them.
sub reasons {
    my $table = slurp(Apache::Test::vars('stage') . '/src/base/reason.h');
    my ($rows) = $table =~ /#define GATE_REASONS\(X\)(.*?)\n\n/s;
    my @rows;
    while ($rows =~ /X\((\w+), (\w+), (\d+), (NULL|"\w+"), (\w+),[\s\\]*((?:"[^"]*"[\s\\]*)+)\)/g) {
        my ($name, $status, $error, $remedy) = ($2, $3, $4, $6);
        push @rows, { name => $name, status => $status, error => $error eq 'NULL' ? undef : $error =~ s/"//gr,
                      remedy => join '', $remedy =~ /"([^"]*)"/g };
    }
    return @rows;
}

# What a program hears that brings the provider's answer back, which is a lie. Or, with `fault`, of whom the provider then
# says nothing good.
sub callback_says {
    my ($lie, %how) = @_;
    my $ua = ua();
    $op->lie(@$lie) if $lie;
    my $start = start_login($ua, '/app/x');
    my $to = at_provider($ua, $start)->header('Location');
    $op->fault(@{ $how{fault} }) if $how{fault};
    my $cookie = cookie_header($ua, 'login');
    my $answer = get($ua, $to);
    return $how{twice} ? get(ua(), $to, Cookie => $cookie) : $answer;
}
sub id_token_says { my (@lie) = @_; return callback_says([id_token => @lie]) }
sub cookie_header { my ($ua, $kind) = @_; return join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua, $kind) }
sub api { my ($path, %token) = @_; return get(ua(), $path, bearer($op->mint(user => 'alice', %token))) }
sub signed_in { my ($ua, %who) = (ua(), @_); login($ua, '/app/x', %who); $backend->reset; return $ua }
sub asked { return get(ua(), '/introspected/x', bearer('a-token-' . rand)) }
# A client of its own each time: what is known of one is remembered.
sub client { my ($id, %fault) = @_; $op->fault(token => %fault) if %fault; return get(ua(), '/client/x', basic($id, 'o')) }

sub tampered { my $cookie = cookie_header(signed_in()); $cookie =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/e; return $cookie }

sub ended {
    my $ua = signed_in();
    my $cookie = cookie_header($ua);
    post($ua, '/oidc-gate/logout', [], 'Sec-Fetch-Site' => 'same-origin');
    return $cookie;
}

sub no_longer_renewed {
    $op->set(lifetime => 1);
    my $ua = signed_in();
    $op->set(lifetime => 300);
    $op->fault(token => status => 400, json => { error => 'invalid_grant' });
    my $from = time;
    until_true(sub { time >= $from + 2 });
    return get($ua, '/app/x');
}

# Several at once, of whom only one may ask; one of the others' answers.
sub crowded_out {
    $op->fault(introspect => delay => 0.5);
    my $busy;
    for (1 .. 5) {                      # they may miss each other
        my @all = parallel(4, sub { asked()->as_string });
        $busy = first { $_->content =~ /idp_busy/ } map { HTTP::Response->parse($_) } @all;
        last if $busy;
    }
    return $busy;
}

sub too_many {
    for (1 .. 200) {
        my $answer = get(ua(), '/introspected/limited/x', bearer("t$_"));
        return $answer if $answer->code == 429;
    }
    return;
}

sub unsuitable {
    $op->tenant('unsuitable')->lie(discovery => set => { issuer => 'https://other.example' });
    return get(ua(), '/unsuitable/x', bearer('t'));
}

# As many people as fit, and one more, at a server whose sessions have little room.
sub crowd {
    my $server = Gate::Server->new(name => 'answers', port => port('spare'), directives => <<"CONF");
OIDCGateSessionStore shm:256K
<VirtualHost *:@{[port('spare')]}>
ServerName 127.0.0.1:@{[port('spare')]}
OIDCGateIssuer        @{[$op->issuer]}
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@{[Apache::Test::vars('stage')]}/secrets/c-web
<Location /app>
    AuthType OIDCGate
    Require valid-user
</Location>
</VirtualHost>
CONF
    $server->start;
    $op->user(crowd => { sub => 'crowd', groups => [map { "group-$_-of-many-that-make-a-session-large" } 1 .. 150] });
    for (1 .. 200) {
        my $ua = ua();
        my $start = browse($ua, url('/app/page.txt', 'spare'));
        my $answer = get($ua, at_provider($ua, $start, user => 'crowd')->header('Location'));
        next if $answer->code == 302;
        $server->stop;
        return $answer;
    }
    return;
}

# reason => how a request comes to hear it. Otherwise than by the row: status, and why.
my %REACH = (
    no_credential => sub { get(ua(), '/api/x') },
    malformed_credential => sub { get(ua(), '/api/x', Authorization => 'Bearer a b') },
    multiple_credentials => sub { get(ua(), '/api/x', Authorization => 'Bearer a', Authorization => 'Bearer b') },
    malformed_request => sub { get(ua(), '/oidc-gate/callback?state=a&state=b') },
    method_not_allowed => sub { post(ua(), '/oidc-gate/whoami', []) },
    target_unsafe => sub { get(ua(), '/oidc-gate/login?return_to=//evil.example') },
    cross_site => sub { post(ua(), '/oidc-gate/logout', [], Cookie => cookie_header(signed_in()), 'Sec-Fetch-Site' => 'cross-site') },
    rate_limited => \&too_many,
    malformed_token => sub { get(ua(), '/api/x', bearer('nonsense')) },
    bad_alg => sub { api('/api/x', alg => 'none') },
    unknown_kid => sub { api('/api/x', header => { kid => 'no-such-key' }) },
    bad_signature => sub { api('/api/x', signature => 'flipped') },
    wrong_kind => sub { api('/api/x', header => { typ => 'logout+jwt' }) },
    bad_issuer => sub { api('/api/x', claims => { iss => 'https://evil.example' }) },
    bad_audience => sub { api('/api/x', claims => { aud => 'other' }) },
    bad_claim => sub { api('/api/x', claims => { sub => 7 }) },
    token_expired => sub { api('/api/x', claims => { exp => time - 600 }) },
    token_not_yet_valid => sub { api('/api/x', claims => { nbf => time + 600 }) },
    token_inactive => \&asked,
    pop_failed => sub { api('/api/x', claims => { cnf => { jkt => 'x' } }) },
    replay => sub { callback_says(undef, twice => 1) },
    nonce_mismatch => sub { id_token_says(set => { nonce => 'other' }) },
    hash_mismatch => sub { id_token_says(set => { at_hash => 'A' x 22 }) },
    subject_mismatch => sub { callback_says([userinfo => set => { sub => 'somebody-else' }]) },
    invalid_client => sub { get(ua(), '/client/x', basic('c-api', 'wrong')) },
    unauthorized_client => sub { client('c-not-allowed', status => 403, json => { error => 'unauthorized_client' }) },
    state_unknown => sub { get(ua(), '/oidc-gate/callback?code=c&state=x') },
    issuer_mixup => sub { callback_says([authorize => set => { iss => 'https://evil.example' }]) },
    login_denied => sub { callback_says([authorize => error => 'access_denied']) },
    login_required => sub { callback_says([authorize => error => 'login_required']) },
    invalid_grant => sub { callback_says(undef, fault => [token => status => 400, json => { error => 'invalid_grant' }]) },
    session_expired => sub { get(ua(), '/app/x', Cookie => ended()) },
    session_tampered => sub { get(ua(), '/app/x', Cookie => tampered()) },
    refresh_failed => \&no_longer_renewed,
    sessions_full => \&crowd,
    session_too_large => sub {
        $op->user(large => { sub => 'large', groups => [map { "g$_" } 1 .. 20_000] });
        $op->set(claims_in => { id_token => [], access_token => [] });
        my $answer = callback_says(undef);
        $op->user('alice');
        $op->set(claims_in => {});
        return $answer;
    },
    claim_missing => sub { api('/api/absent/x') },
    claim_mismatch => sub { api('/api/x', user => 'mallory') },
    scope_missing => sub { api('/api/scope/x') },
    rule_undecided => sub { api('/api/undecided/x', claims => { motto => 'a' x 40 . '!' }) },
    rule_refused => sub { api('/api/user/x') },
    acr_unmet => sub { api('/api/acr/x') },
    claims_unavailable => sub {
        $op->set(access_token => 'opaque', clients => { 'c-opaque' => { secret => 'o', grants => ['client_credentials'] } });
        my $answer = client('c-opaque');
        $op->set(access_token => 'jwt');
        return $answer;
    },
    claim_unsafe => sub { api('/api/unsafe/x', claims => { motto => "one\nX-User: root" }) },
    idp_unreachable => sub { get(ua(), '/away/x', bearer('t')) },
    idp_timeout => sub { $op->fault(introspect => delay => 2); asked() },
    idp_error => sub { $op->fault(introspect => status => 500, html => 1); asked() },
    idp_busy => \&crowded_out,
    idp_rejected_gateway => sub { client('c-not-understood', status => 400, json => { error => 'unsupported_grant_type' }) },
    idp_unsuitable => \&unsuitable,
    config_error => [sub { get(ua(), '/sessions') }, 403, 'open to everybody, it is for nobody; the site itself works'],
);

# Those that no request of ours can bring about, and where they are shown instead.
my %ELSEWHERE = (
    state_expired => 'ten minutes pass in tests/unit/login.c',
    store_unavailable => 'the store fails in tests/unit/decide.c, accept.c and dismiss.c',
    internal => 'a library would have to fail',
);

# Calls under way are counted in each process, and with prefork each has one.
if (Apache::Test::vars('mpm') eq 'prefork') {
    delete $REACH{idp_busy};
    $ELSEWHERE{idp_busy} = 'several calls of one process: with the other MPMs';
}

row 'every reason is one that a request can be told, or is known to be none' => sub {
    my @rows = reasons();
    cmp_ok scalar @rows, '>', 40, 'the table is read';
    for my $row (@rows) {
        ok !!$REACH{ $row->{name} } != !!$ELSEWHERE{ $row->{name} }, "$row->{name}: in one of the two lists";
    }
    my %known = map { $_->{name} => 1 } @rows;
    is_deeply [grep { !$known{$_} } keys %REACH, keys %ELSEWHERE], [], 'and none beside';
};

for my $row (reasons()) {
    my ($reach, $status, $why) = ref $REACH{ $row->{name} } eq 'ARRAY' ? @{ $REACH{ $row->{name} } } : $REACH{ $row->{name} };
    next unless $reach;
    $status //= $row->{status};
    row "$row->{name}: $status" . ($why ? " ($why)" : '') => sub {
        expect_log qr/reason=(?:$row->{name}|ok|no_credential)\b/;
        my $answer = $reach->();
        denied $answer, $status;
        return unless $answer;
        my $body = json($answer);
        is $answer->header('Content-Type'), 'application/json', 'JSON';
        is $body->{reason}, $row->{name}, 'its name';
        is $body->{error_description}, $row->{remedy}, 'what to do';
        is $body->{error}, $row->{error}, 'its OAuth error' if $row->{error};
        ok $body->{error}, 'an error';
        if ($reach != \&crowd) {        # that server has a log of its own
            my $id = $body->{request_id} // 'none';
            log_like qr/deny status=$status reason=$row->{name} .*rid=\Q$id\E/,
                'the log has it under the same number';
        }
        my @challenges = header_values($answer, 'WWW-Authenticate');
        is scalar @challenges, 1, 'one challenge' if $status == 401;
        like $challenges[0] // '', $row->{error} ? qr/error="$row->{error}"/ : qr/^(?!.*error=)/, 'which says so' if $status == 401;
        ok !@challenges, 'no challenge' if $status >= 404;
        my $waits = $status == 429 || $status == 503;
        is $answer->header('Retry-After') // '', $waits ? 5 : '', $waits ? 'when to come again' : 'no Retry-After';
        is $answer->header('Content-Security-Policy'), "default-src 'none'; frame-ancestors 'none'", 'no page of anybody';
        like $answer->header('Vary'), qr/\bAccept\b/, 'it depends on what is accepted';
    };
}

# --- the forms ---

my $PAGE = qr{^text/html; charset=utf-8$}i;
my $JSON = qr{^application/json$};
my $PROBLEM = qr{^application/problem\+json$};

row 'the form is the one that the caller accepts' => sub {
    my @cases = (
        # method, Accept, others, form
        [GET => undef, [], $JSON],
        [GET => '*/*', [], $JSON],
        [GET => '', [], $JSON],
        [GET => 'application/json', [], $JSON],
        [GET => 'application/problem+json', [], $PROBLEM],
        [GET => 'Application/Problem+JSON; charset=utf-8', [], $PROBLEM],
        [GET => 'application/json, application/problem+json', [], $PROBLEM],
        [GET => 'application/json, application/problem+json;q=0.9', [], $JSON],
        [GET => 'application/problem+json;q=0.5, */*;q=0.1', [], $PROBLEM],
        [GET => 'application/problem+json;q=0.5, */*', [], $JSON],
        [GET => 'application/problem+json;q=0', [], $JSON],
        [GET => 'application/problem+json;q=nonsense, application/json', [], $JSON],
        [GET => 'application/problem+json-not', [], $JSON],
        [GET => 'application/*', [], $JSON],
        [GET => 'image/png', [], $JSON],
        [GET => 'text/html', [], $PAGE],
        [GET => 'text/html;q=0', [], $JSON],
        [GET => 'application/json, text/html;q=0.5', [], $JSON],
        [GET => 'text/html, application/json;q=0.5', [], $PAGE],
        [GET => 'text/html', ['X-Requested-With' => 'XMLHttpRequest'], $JSON],
        [GET => 'text/html, application/problem+json', ['X-Requested-With' => 'XMLHttpRequest'], $PROBLEM],
        [GET => 'text/html', ['Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'], $JSON],
        [GET => '*/*', ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document'], $PAGE],
        [GET => 'text/html', ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'iframe'], $JSON],
        [POST => 'text/html,application/xhtml+xml,*/*;q=0.8', [], $PAGE],
        [POST => 'application/problem+json', [], $PROBLEM],
        [PUT => '*/*', [], $JSON],
    );
    for my $case (@cases) {
        my ($method, $accept, $others, $form) = @$case;
        my $answer = request(ua(), $method, '/api/x', defined $accept ? (Accept => $accept) : (), @$others);
        denied $answer, 401, my $name = join ' ', $method, $accept // '(nothing)', @$others;
        like join(' ', $answer->header('Content-Type')), $form, $name;
        is $answer->header('X-Content-Type-Options'), 'nosniff', 'and nobody guesses';
    }
    expect_log qr/reason=no_credential/;
};

row 'problem details are those of RFC 9457' => sub {
    my @ask = (Accept => 'application/problem+json');
    my $answer = get(ua(), '/api/x', bearer('nonsense'), @ask);
    denied $answer, 401;
    is_deeply json($answer), {
        type => 'about:blank', title => 'Unauthorized', status => 401, detail => 'the token is no JWT that this gate can read',
        error => 'invalid_token', reason => 'malformed_token', request_id => deny_line('malformed_token')->{rid},
    }, 'a bad token';
    $answer = get(ua(), '/away/x', bearer('t'), @ask);
    is_deeply [@{ json($answer) }{qw(title status error reason)}],
        ['Service Unavailable', 503, 'temporarily_unavailable', 'idp_unreachable'], 'an outage';
    is $answer->header('Retry-After'), 5, 'with Retry-After';
    log_like qr/reason=idp_unreachable/;
};

row 'a HEAD has the headers, and no body' => sub {
    for my $accept ('*/*', 'application/problem+json', 'text/html') {
        my ($get, $head) = map { request(ua(), $_, '/api/x', Accept => $accept) } qw(GET HEAD);
        denied $head, 401, $accept;
        is $head->content, '', 'no body';
        is_deeply [map { [$head->header($_)] } qw(Content-Type WWW-Authenticate Vary Content-Language)],
            [map { [$get->header($_)] } qw(Content-Type WWW-Authenticate Vary Content-Language)], 'the headers of the GET';
    }
    expect_log qr/reason=no_credential/;
};

row 'a method that an address does not take: 405 says which it does' => sub {
    my %takes = (whoami => 'GET', callback => 'GET,POST', login => 'GET,POST', logout => 'GET,POST', 'backchannel-logout' => 'POST');
    for my $name (sort keys %takes) {
        my $answer = request(ua(), PUT => "/oidc-gate/$name", Content => 'x');
        denied $answer, 405, $name;
        my %allowed = map { $_ => 1 } grep { $_ ne 'HEAD' } split /,\s*/, $answer->header('Allow') // '';
        is join(',', sort keys %allowed), $takes{$name}, 'Allow (RFC 9110 section 15.5.6)';
    }
    is post(ua(), '/oidc-gate/callback', [])->header('Allow'), 'GET,HEAD', 'a callback that nobody may post to says so';
    expect_log qr/reason=method_not_allowed/;
};

# --- the challenges ---

row 'Bearer comes before Basic, and no browser is asked for a password' => sub {
    my %challenges = (
        '/all/x' => ['Bearer realm="OpenID Connect"', 'Basic realm="OpenID Connect", charset="UTF-8"'],
        '/client/x' => ['Basic realm="OpenID Connect", charset="UTF-8"'],
        '/api/x' => ['Bearer realm="OpenID Connect"'],
    );
    my %browser = (
        'a script' => ['Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'],
        'a picture' => ['Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => 'image'],
        'an older script' => ['X-Requested-With' => 'XMLHttpRequest'],
    );
    for my $place (sort keys %challenges) {
        my $answer = get(ua(), $place);
        denied $answer, 401;
        is_deeply [header_values($answer, 'WWW-Authenticate')], $challenges{$place}, "$place: a program";
        for my $who (sort keys %browser) {
            my $seen = get(ua(), $place, @{ $browser{$who} });
            denied $seen, 401;
            is_deeply [header_values($seen, 'WWW-Authenticate')], ['Bearer realm="OpenID Connect"'], "$place: $who";
        }
        my $form = request(ua(), POST => $place, Accept => 'text/html', Content => 'a=1');
        is_deeply [header_values($form, 'WWW-Authenticate')], ['Bearer realm="OpenID Connect"'], "$place: a form";
    }
    expect_log qr/reason=no_credential/;
};

# --- the pages ---

# Where the page leads to: its link, or its form.
sub leads_to {
    my ($answer) = @_;
    my $page = $answer->decoded_content;
    my ($link) = $page =~ /<a href="([^"]*)"/;
    ($link) = $page =~ /<form method="post" action="([^"]*)"/ if !defined $link;
    return ($link // '') =~ s/&amp;/&/gr;
}

row 'each page leads on, to where it makes sense' => sub {
    my $mallory = ua();
    login($mallory, '/app/x', user => 'mallory');
    $backend->reset;
    my $nobody = browse(ua(), '/api/x?a=1');
    is leads_to($nobody), '', 'where only programs may come, nowhere';
    like $nobody->content, qr/<h1>This address is for programs/, 'and it says so';
    is leads_to(browse(ua(), '/oidc-gate/callback?code=c&state=x')), '/oidc-gate/login?return_to=%2F', 'a login that nobody knows: a new one';
    is leads_to(browse(ua(), '/oidc-gate/callback?code=c')), '/', 'a broken address: the start page';
    is leads_to(browse(ua(), '/away/x?a=1&b=%22')), '/away/x?a=1&b=%22', 'an outage: once more';
    my $form = request(ua(), POST => '/app/x?a=1', Accept => 'text/html', Content => 'b=2');
    is leads_to($form), '/oidc-gate/login?return_to=%2Fapp%2Fx%3Fa%3D1', 'a form of nobody: to sign in';
    like $form->content, qr/has not been kept/, 'and the person is told that it is lost';
    $op->lie(authorize => error => 'access_denied');
    my $ua = ua();
    my $ended = call_back($ua, at_provider($ua, start_login($ua, '/app/x?a=1')));
    is leads_to($ended), '/oidc-gate/login?return_to=%2Fapp%2Fx%3Fa%3D1', 'a login that ended: the page that was asked for';
    $op->honest;
    my $again = login($ua, leads_to($ended));
    redirects_to $again->{callback}, '/app/x?a=1', 'which works';
    my $cross = browse($mallory, '/oidc-gate/logout', 'Sec-Fetch-Site' => 'cross-site');
    is leads_to($cross), '/oidc-gate/logout', 'a logout by others: her own, by a form';
    expect_log qr/deny status=/;
};

=httpd

<Location /addressed>
    AuthType OIDCGate
    OIDCGateMethods   code bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom authorization query:access_token cookie:at
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

row 'a token that came in the address, or with a page of another site, is not carried on' => sub {
    my $page = browse(ua(), '/addressed/x?a=1&access_token=nonsense&b=2');
    denied $page, 401;
    is leads_to($page), '/oidc-gate/login?return_to=%2Faddressed%2Fx%3Fa%3D1%26b%3D2', 'the address without it';
    unlike $page->content, qr/nonsense/, 'nothing of it';
    my $sent = post(ua(), '/addressed/x', [a => 1], Accept => 'text/html', Cookie => 'at=nonsense', 'Sec-Fetch-Site' => 'cross-site');
    denied $sent, 403;
    like $sent->content, qr/<h1>This came from another site/, 'it is not taken for a logout';
    is leads_to($sent), '/', 'and is not sent once more';
    expect_log qr/deny status=40[13]/;
};

row 'the form of the page that says no signs out of that session, and leads on by a page' => sub {
    my $ua = signed_in(user => 'mallory');
    my $page = browse($ua, '/oidc-gate/logout', 'Sec-Fetch-Site' => 'cross-site');
    my @fields = $page->content =~ /<input type="hidden" name="([^"]*)" value="([^"]*)">/g;
    my $answer = post($ua, leads_to($page), \@fields, Accept => 'text/html', 'Sec-Fetch-Site' => 'same-origin');
    status_is $answer, 200, 'no redirect, which a policy might hold back';
    my ($to) = $answer->content =~ /<meta http-equiv="refresh" content="0; url=([^"]*)">/;
    like $to, qr{^\Q@{[$op->issuer]}\E/end_session\?}, 'but a page that leads to the provider';
    like $answer->header('Content-Security-Policy'), qr/form-action 'self'/, 'under the same policy';
    ok !has_gate_session($ua), 'she is out';
    denied get($ua, '/app/x'), 401;
    expect_log qr/deny status=/;
};

row 'a page lets nothing in but itself, and says in which language' => sub {
    my $answer = browse(ua(), '/api/x');
    my $policy = $answer->header('Content-Security-Policy');
    like $policy, qr/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+\/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/, 'its policy';
    my ($style) = $answer->content =~ m{<style>(.*?)</style>}s;
    require Digest::SHA;
    like $policy, qr/\Q@{[Digest::SHA::sha256_base64($style)]}\E/, 'knows its style';
    unlike $answer->content, qr/<script|javascript:|\son\w+=|style="|<img|https?:/, 'there is nothing else to let in';
    is $answer->header('Content-Language'), 'en', 'Content-Language';
    like $answer->content, qr/^<!DOCTYPE html>\n<html lang="en">/, 'and lang';
    expect_log qr/deny status=/;
};

# --- nobody's words ---

row "nothing of the provider's words comes back, but the name of an error that is registered" => sub {
    my $words = "</script><script>alert(1)</script>\"'><b>pwned";
    for my $case (['access_denied', 1], ['invalid_scope', 1], ['pwned_by_me', 0], ['<b>pwned</b>', 0]) {
        my ($error, $is_shown) = @$case;
        for my $as (\&browse, \&get) {
            $op->honest;
            $op->lie(authorize => error => $error, error_description => $words, set => { error_uri => "https://pwned.example/$words" });
            my $ua = ua();
            my $to = at_provider($ua, start_login($ua, '/app/x'))->header('Location');
            my $answer = $as->($ua, $to);
            cmp_ok $answer->code, '>=', 400, "$error: refused";
            unlike $answer->as_string =~ s/^Set-Cookie:.*//mgr, qr/pwned|alert|<b>/, 'no word of it';
            is !!($answer->content =~ /\b\Q$error\E\b/), !!$is_shown, $is_shown ? 'the code is shown' : 'not even the code';
        }
    }
    expect_log qr/deny status=/;
};

row "nothing of the caller's comes back that is not escaped" => sub {
    my $html = qr/<script|<b>|"><|'onload=/;
    for my $path ('/api/%3Cscript%3Ealert(1)%3C/script%3E?x=%3Cb%3E', '/api/x?"><script>alert(1)</script>', "/api/x?'onload=alert(1)",
                  '/away/"><b>x</b>?a=</script><script>alert(1)</script>', '/away/x?a=%0d%0aX-Evil:%201', '/away/%0d%0aX-Evil:%201',
                  '/oidc-gate/callback?state=</script><script>alert(1)</script>&code="><b>', '/oidc-gate/callback?error="><script>alert(1)</script>&state=x',
                  '/oidc-gate/callback?state=a%0d%0aX-Evil:%201&code=c', '/oidc-gate/login?return_to="><script>alert(1)</script>',
                  '/oidc-gate/login?return_to=//evil.example', '/oidc-gate/login?return_to=%0d%0aX-Evil:1', '/oidc-gate/logout?redirect="><b>') {
        for my $accept ("text/html\r\nSec-Fetch-Mode: navigate", '*/*', 'application/problem+json') {
            my $answer = raw_request("GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: $accept\r\nConnection: close\r\n\r\n");
            my ($head, $body) = split /\r\n\r\n/, $answer, 2;
            unlike $body // '', $html, "$path as $accept";
            unlike $head // '', qr/^X-Evil/m, 'no header of theirs';
            unlike $body // '', qr/evil\.example/, 'no address of theirs';
        }
    }
    expect_log qr/deny status=/;
};

row 'a request id is short and plain, whoever writes it' => sub {
    for my $id ('an-id.of_mine:1', 'x" onload="alert(1)', '<b>', "a b", 'x' x 65, "caf\xe9") {
        for my $as (\&browse, \&get) {
            my $answer = $as->(ua(), '/api/x', 'X-Request-Id' => $id);
            my ($said) = $answer->content =~ m{Request</dt><dd>([^<]*)<|"request_id":"([^"]*)"} ? $1 // $2 : undef;
            if ($id eq 'an-id.of_mine:1') { is $said, $id, 'it is taken where it is one' }
            else { like $said, qr/^[A-Za-z0-9\@_-]{12,30}$/, 'else one is made' }
        }
    }
    expect_log qr/deny status=/;
};

# --- ErrorDocument ---

=httpd

<Location /documented>
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    Require claim    kong_claim:kong_group
    ProxyPass @backend@
</Location>
<Location /documented/text>
    ErrorDocument 400 "The administrator says 400"
    ErrorDocument 401 "The administrator says 401"
    ErrorDocument 403 "The administrator says 403"
</Location>
<Location /documented/page>
    ErrorDocument 400 /public/page.txt
    ErrorDocument 401 /public/page.txt
    ErrorDocument 403 /public/page.txt
</Location>
<Location /documented/guarded>
    ErrorDocument 400 /app/says-400
    ErrorDocument 401 /app/says-401
    ErrorDocument 403 /api/says-403
</Location>
<Location /documented/itself>
    ErrorDocument 401 /documented/itself/says-401
    ErrorDocument 403 /documented/itself/says-403
</Location>
<Location /documented/proxied>
    ErrorDocument 400 /help/says-400
    ErrorDocument 401 /help/says-401
    ErrorDocument 403 /help/says-403
</Location>
<Location /help>
    ProxyPass @backend@
</Location>
<Location /documented/missing>
    ErrorDocument 401 /public/there-is-no-such-page
    ErrorDocument 403 /public/there-is-no-such-page
</Location>
<Location /documented/elsewhere>
    ErrorDocument 403 http://127.0.0.1:@op_port@/help
</Location>
<Location /documented/default>
    ErrorDocument 401 default
    ErrorDocument 403 default
</Location>
<Location /away/text>
    ErrorDocument 503 "The administrator says 503"
    ErrorDocument 502 "The administrator says 502"
</Location>
=httpd documented

OIDCGateIssuer       @op@
OIDCGateClientID     c-web
OIDCGateClientSecret file:@secrets@/c-web
ErrorDocument 400 "The administrator says 400"
ErrorDocument 405 "The administrator says 405"
<Location /app>
    AuthType OIDCGate
    Require valid-user
</Location>

=cut

# One request for each status that a place can refuse with.
sub refusals {
    my ($place) = @_;
    return (400 => get(ua(), $place, bearer('a'), bearer('b')), 401 => get(ua(), $place),
            403 => get(ua(), $place, bearer($op->mint(user => 'mallory'))));
}

row "4.16 the administrator's ErrorDocument comes first, whatever the status; status and headers stay the gate's" => sub {
    my $body = slurp(Apache::Test::vars('documentroot') . '/public/page.txt');
    my %refused = refusals('/documented/text/x');
    for my $status (sort keys %refused) {
        denied $refused{$status}, $status;
        is $refused{$status}->content, "The administrator says $status", "$status: a text";
        ok $refused{$status}->header('WWW-Authenticate'), "$status: and our challenge";
    }
    %refused = refusals('/documented/page/x');
    for my $status (sort keys %refused) {
        denied $refused{$status}, $status;
        is $refused{$status}->content, $body, "$status: a page";
        ok $refused{$status}->header('WWW-Authenticate'), "$status: and our challenge";
    }
    %refused = refusals('/documented/proxied/x');
    for my $status (sort keys %refused) {
        status_is $refused{$status}, $status, "$status: one from a backend, which says 200";
        like $refused{$status}->content, qr{^GET /says-$status }m, 'is shown';
        ok $refused{$status}->header('WWW-Authenticate'), "$status: and our challenge";
    }
    $backend->reset;
    my $away = get(ua(), '/away/text/x', bearer('t'));
    denied $away, 503;
    is $away->content, 'The administrator says 503', 'an outage';
    is $away->header('Retry-After'), 5, 'and our Retry-After';
    is get(ua(), url('/oidc-gate/callback?code=c', 'documented'))->content, 'The administrator says 400', "the gate's own addresses too: 400";
    my $not_so = post(ua(), url('/oidc-gate/whoami', 'documented'), []);
    is $not_so->content, 'The administrator says 405', 'and 405';
    like $not_so->header('Allow'), qr/^(?!.*POST).*\bGET\b/, 'with our Allow';
    expect_log qr/deny status=/;
};

row 'T-30 one that is guarded itself, or is not there, makes no loop and no other status' => sub {
    for my $place (qw(guarded missing itself)) {
        my %refused = refusals("/documented/$place/x");
        delete $refused{400} if $place ne 'guarded';
        for my $status (sort keys %refused) {
            my $answer = $refused{$status};
            status_is $answer, $status, "$place: $status";
            is scalar(my @challenges = header_values($answer, 'WWW-Authenticate')), 1, 'one challenge';
            is_deeply [header_values($answer, 'Set-Cookie')], [], 'and no login';
        }
    }
    $backend->reset;
    expect_log qr/deny status=/;
};

row 'one elsewhere is a redirect to there, by which nobody is let in' => sub {
    my %refused = refusals('/documented/elsewhere/x');
    redirects_to $refused{403}, "@{[$op->issuer]}/help";
    status_is $refused{403}, 302;
    denied $refused{401}, 401, 'for 401 there can be none';
    upstream_is 0;
    expect_log qr/deny status=/;
};

row 'where it is the default, that is ours' => sub {
    my %refused = refusals('/documented/default/x');
    is json($refused{$_})->{reason}, $_ == 401 ? 'no_credential' : 'claim_mismatch', "our $_" for 401, 403;
    expect_log qr/deny status=/;
};

done_testing;
