# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What the standards demand of a client and a resource server, and no story tells: rows carry the
# numbers of the requirements.
use Gate::Test;

use URI::Escape qw(uri_escape);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateUserinfo      login
OIDCGateLogout        redirect=/bye redirect=https://www.example.com/bye

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /twice>
    AuthType OIDCGate
    OIDCGateAuthorizationParam resource https://a.example/
    OIDCGateTokenParam         resource https://a.example/
    OIDCGateTokenParam         resource https://b.example/
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /mail>
    AuthType OIDCGate
    Require claim email:alice@example.org
    ProxyPass @backend@
</Location>
<Location /batch>
    AuthType OIDCGate
    OIDCGateMethods client_credentials
    OIDCGateCache   token=1s
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /open>
    ProxyPass @backend@
</Location>

=httpd strict

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateCookie        samesite=strict

<Location />
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@/
</Location>

=httpd without

<Location /open>
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $BASE = url('');

# --- open redirects ---

# Ways to write an address elsewhere so that it looks like a path here: what is in front, the host, and
# what is behind.
my @FRONT = ('//', '///', '////', '/\\', '\\\\', '\\/', '/\\/', '/ /', "/\t/", "/\r\n/", '/%09/', '/%5c', '/%2f', '/%2F%2F', '//%2f..',
             '/.//', '/..//', '/./\\', '/;//', '/x//..//', 'http:', 'http:/', 'http://', 'https:', 'https:///', 'https:\\\\',
             'HTTPS://', ' https://', "\thttps://", "\0https://", 'javascript:', 'data:text/html,', 'file:///', 'ftp://',
             '@', '.', '', "$BASE\@", "$BASE.", '//127.0.0.1@', '//127.0.0.1:1@', 'http://127.0.0.1@', '?//', '#//', '/\x{0}/', '/%00/');
my @BEHIND = ('evil.example', 'evil.example/', 'evil.example:443/x?y#z', 'evil%2eexample', 'evil.example%2f..', '[::1]/', '0x7f.1/');

# Whether a browser that is sent there stays on this host: RFC 3986, and what browsers make of it (they
# take \ for /, and leave out tabs, line breaks and what stands around).
sub stays_here {
    my ($to) = @_;
    my $seen = $to =~ tr/\t\r\n//dr =~ s/^[\0-\x20]+//r =~ tr{\\}{/}r;
    return $seen =~ m{^\Q$BASE\E(?:[/?#]|$)} || $seen =~ m{^/(?!/)} && $seen !~ /[\0-\x1f]/;
}

row '9700-1 nobody is sent anywhere else after a login, whatever is asked for' => sub {
    my ($count, @away, @strange) = (0);
    for my $target (map { my $front = $_; map { "$front$_" } @BEHIND } @FRONT) {
        for my $name (qw(return_to target_link_uri)) {
            my $more = $name eq 'return_to' ? '' : '&iss=' . uri_escape($op->issuer);
            my $answer = browse(ua(), "/oidc-gate/login?$name=" . uri_escape($target) . $more);
            my $to = $answer->header('Location') // '';
            push @away, $target unless $answer->code == 400 || stays_here($to) || $to =~ m{^\Q@{[$op->issuer]}\E/authorize\?};
            push @strange, "$target: " . $answer->code if $answer->code !~ /^(?:302|303|400)$/;
            $count++;
        }
    }
    is_deeply \@away, [], "$count addresses: none leads away";
    is_deeply \@strange, [], 'and each has its answer';
    expect_log qr/reason=(?:target_unsafe|malformed_request|issuer_mixup)/;
};

row '9700-1 nor after a logout' => sub {
    my $ua = ua();
    status_is login($ua, '/app/x')->{page}, 200, 'signed in';
    my ($count, @taken) = (0);
    for my $target (map { my $front = $_; map { "$front$_" } @BEHIND } @FRONT, 'https://www.example.com/bye/', 'https://www.example.com/bye?') {
        my $answer = post($ua, '/oidc-gate/logout', [redirect => $target]);
        my $to = URI->new($answer->header('Location') // '');
        my %asked = $to->can('query_form') ? $to->query_form : ();
        push @taken, $target unless $answer->code == 400 || stays_here($asked{post_logout_redirect_uri} // 'nowhere');
        login($ua, '/app/x') unless has_gate_session($ua);
        $count++;
    }
    is_deeply \@taken, [], "$count addresses: none is passed on";
    redirects_to post($ua, '/oidc-gate/logout', [redirect => 'https://www.example.com/bye']), qr/post_logout_redirect_uri=https%3A%2F%2Fwww\.example\.com%2Fbye(?:&|$)/, 'one that is allowed is';
    expect_log qr/reason=(?:target_unsafe|malformed_request)/;
};

# --- who is sent to sign in ---

row 'FM-1, FM-2 what no person opens begins no login' => sub {
    my @page = ('Accept' => 'text/html', 'Sec-Fetch-Site' => 'none');
    my @not = (
        'a page that is fetched ahead' => ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Sec-Purpose' => 'prefetch'],
        'a page that is rendered ahead' => ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Sec-Purpose' => 'prefetch;prerender'],
        'the same, by an older name' => ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', 'Purpose' => 'prefetch'],
        (map { ("a $_" => ['Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => $_]) } qw(iframe frame embed object)),
        (map { ("a request for a $_" => ['Sec-Fetch-Mode' => 'no-cors', 'Sec-Fetch-Dest' => $_]) } qw(image script style worker)),
        'a script\'s own request' => ['Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty'],
        'a web socket' => ['Sec-Fetch-Mode' => 'websocket', 'Sec-Fetch-Dest' => 'websocket'],
        'an older script' => ['X-Requested-With' => 'XMLHttpRequest'],
    );
    while (my ($name, $headers) = splice @not, 0, 2) {
        my $answer = get(ua(), '/app/x', @page, @$headers);
        denied $answer, 401, $name;
        is_deeply [header_values($answer, 'Set-Cookie')], [], "$name: no cookie";
    }
    status_is get(ua(), '/app/x', @page, 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document'), 302, 'a person who opens a page does';
    expect_log qr/reason=no_credential/;
};

# --- the gate's own pages ---

row '9700-9, H-1 its own pages let nothing else in, and stand in no frame' => sub {
    my @pages = (
        'a refusal' => browse(ua(), '/oidc-gate/callback?code=c&state=s'),
        'a missing session' => get(ua(), '/app/x', Accept => 'text/html', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'iframe'),
        'signed out' => browse(ua(), '/oidc-gate/logout'),
        'a bad target' => browse(ua(), '/oidc-gate/login?return_to=//evil.example'),
    );
    while (my ($name, $page) = splice @pages, 0, 2) {
        like $page->header('Cache-Control'), qr/no-store/, "$name: kept by nobody";
        is $page->header('X-Content-Type-Options'), 'nosniff', "$name: taken for nothing else";
        next if $page->content_type ne 'text/html';
        like $page->header('Content-Security-Policy') // '', qr/default-src 'none'.*frame-ancestors 'none'/, "$name: no frame, nothing from elsewhere";
        unlike $page->content, qr/<script|<img|<link|src=|\son\w+=/i, "$name: nothing active";
    }
    expect_log qr/reason=(?:state_unknown|no_credential|target_unsafe)/;
};

# --- what is asked ---

row '6749-1, 6749-3, 7636-1, OC-13 what is asked is asked once, in its place' => sub {
    my $ua = ua();
    my $start = start_login($ua, '/app/x');
    my %asked = URI->new($start->header('Location'))->query_form;
    is $asked{code_challenge_method}, 'S256', 'S256 alone';
    unlike $asked{redirect_uri}, qr/[#?]/, 'the redirect address has no fragment and no query';
    status_is call_back($ua, at_provider($ua, $start)), 302;
    my ($token) = $op->requests('token');
    is $op->form(token => 'redirect_uri'), $asked{redirect_uri}, 'the same redirect address';
    is $token->{query}, '', 'nothing in the address';
    my %count;
    $count{ $_->[0] }++ for @{ $token->{form} };
    is_deeply [grep { $count{$_} > 1 } keys %count], [], 'nothing twice';
    my ($userinfo) = $op->requests('userinfo');
    is_deeply [@$userinfo{qw(method query)}], ['GET', ''], 'userinfo has the token in the header';
};

# This provider takes nothing twice, but it has been told.
row 'CK-6 a cookie that no other site brings along: behind the sign-in a page of this host leads on' => sub {
    my $ua = ua();
    my $callback = call_back($ua, at_provider($ua, start_login($ua, url('/app/x?a=1&b=<', 'strict'))));
    status_is $callback, 200, 'no redirect';
    like cookie_of($callback, qr/^oidc-gate-(?!login)/)->{samesite}, qr/^strict$/i, 'the session is Strict';
    like $callback->content, qr{<meta http-equiv="refresh" content="0; url=/app/x\?a=1&amp;b=}, 'the page leads on';
    unlike $callback->content, qr/b=</, '... to what is escaped';
    is $callback->header('Cache-Control'), 'no-store', 'and nobody keeps it';
    status_is get($ua, url('/app/x', 'strict')), 200, 'she is signed in';
    for my $own (qw(/oidc-gate/logout /%6fidc-gate/logout /x/../oidc-gate/logout /oidc-gate/./logout?redirect=/)) {
        my $to = url('/oidc-gate/login?return_to=' . uri_escape($own), 'strict');
        my $page = call_back($ua, at_provider($ua, browse($ua, $to)));
        unlike $page->content, qr/url=[^"]*logout/, "a link of another site does not lead to $own";
    }
};

row '8707-1 resource goes out as often as it is configured' => sub {
    my $ua = ua();
    my $start = start_login($ua, '/twice/x');
    like $start->header('Location'), qr/&resource=https%3A%2F%2Fa\.example%2F(?:&|$)/, 'to the authorization endpoint';
    denied call_back($ua, at_provider($ua, $start)), 502;
    my ($token) = $op->requests('token');
    is_deeply [map { $_->[1] } grep { $_->[0] eq 'resource' } @{ $token->{form} }], ['https://a.example/', 'https://b.example/'],
        'and to the token endpoint, twice';
    expect_log qr/reason=idp_rejected_gateway/;
};

row '6749-13 a refresh token that comes with client credentials is not used' => sub {
    $op->lie(token => set => { refresh_token => 'never-to-be-sent', expires_in => 1 });
    status_is get(ua(), '/batch/x', basic('c-api', 's3cret')), 200;
    sleep 2;
    status_is get(ua(), '/batch/x', basic('c-api', 's3cret')), 200, 'another token, got as the first one';
    is $op->calls('T:refresh_token'), 0, 'no refresh';
    is $op->calls('T:client_credentials'), 2, 'but two exchanges';
};

row 'OC-14 an address that the provider does not vouch for opens nothing' => sub {
    my $ua = ua();
    status_is login($ua, '/mail/x')->{page}, 200, 'it is vouched for';
    $op->lie(userinfo => set => { email_verified => JSON::PP::false });
    $op->lie(id_token => set => { email_verified => JSON::PP::false });
    $backend->reset;
    denied login(ua(), '/mail/x')->{page}, 403, 'it is not';
    log_like qr/reason=claim_mismatch .*email_verified is false/;
};

row 'T-13 a backend gives nobody a session, and takes none away' => sub {
    my $ua = ua();
    status_is login($ua, '/app/x')->{page}, 200, 'signed in';
    my ($session) = gate_cookies($ua);
    my @own = ("$session->{name}=stolen; Path=/; HttpOnly", uc($session->{name}) . '=x; Path=/', " $session->{name}=; Max-Age=0; Path=/",
               'oidc-gate-login-3=x; Path=/', 'oidc-gate-12345678=x');
    my @others = ('a=1; Path=/', 'oidc-gateway=1', 'x-oidc-gate-1=1', 'b=2');
    for my $status (200, 302, 404, 500) {
        $backend->answer_at($_, status => $status, headers => [['X-Other', 'yes'], map { ['Set-Cookie', $_] } $others[0], @own, @others[1 .. 3]])
            for '/cookies';
        for my $path ('/app/cookies', '/open/cookies') {
            my $answer = get($ua, $path);
            is $answer->code, $status, "$path: $status";
            is_deeply [header_values($answer, 'Set-Cookie')], \@others, 'none of ours, all of the others';
            is $answer->header('X-Other'), 'yes', 'and other headers';
        }
    }
    is_deeply [gate_cookies($ua)], [$session], 'the session is as it was';
    is_deeply [map { s/^ //r } header_values(get(ua(), url('/open/cookies', 'without')), 'Set-Cookie')],
        [map { s/^ //r } $others[0], @own, @others[1 .. 3]], 'where there is no gate, all of them';
    log_like qr/the backend has set a cookie of the gate's own \(oidc-gate-\.\.\.\)/;
};

done_testing;
