# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Scenario 2, what becomes of a session: rows 2.14 to 2.19, 2.21 and 2.22.
use Gate::Test;

use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLogout        redirect=@base@/public/page.txt revoke=On

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

<Location /plain>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

<Location /until>
    AuthType OIDCGate
    OIDCGateSession until=id_token
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd short

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateSession       idle=2s lifetime=4s
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd punctual

OIDCGateIssuer        @op@/punctual
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateClockSkew     0s
<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

=httpd other

OIDCGateIssuer        @op@/other
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

# Somebody who has just signed in, with an access token that lives so many seconds; later ones live
# long.
sub signed_in {
    my ($lifetime, $path) = @_;
    my $ua = ua();
    $op->set(lifetime => $lifetime // 300);
    my $page = login($ua, $path // '/app/x')->{page};
    die "no login\n" unless $page && $page->code == 200;
    $op->set(lifetime => 300);
    $op->reset;
    $backend->reset;
    return $ua;
}
sub cookie_header { my ($ua) = @_; return join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua) }
sub wait_until { my ($moment) = @_; sleep 0.1 while time < $moment; return }

row '2.14 an access token that has run out is renewed once, however many ask, and the refresh token with it' => sub {
    my $ua = signed_in(2);
    my $cookie = cookie_header($ua);
    $op->set(lifetime => 5);
    wait_until(time + 2.5);
    my $asked = time;
    my @codes = parallel(10, sub { get(ua(), '/app/x', Cookie => $cookie)->code });
    my $renewed = time;
    is_deeply \@codes, [(200) x 10], 'all ten are answered';
    calls_are $op, 'T1';
    is $op->state->{reuse}, 0, 'no refresh token was sent twice';
    my %tokens = map { $_->[1] => 1 } map { grep { lc $_->[0] eq 'authorization' } @{ $_->{headers} } } $backend->requests;
    is scalar(keys %tokens), 1, 'the backend gets one access token from all';
    my ($token) = map { s/^Bearer //r } keys %tokens;
    cmp_ok decoded($token)->{claims}{exp}, '>', $asked, 'the new one';
    upstream_is 10;
    $op->set(lifetime => 300);
    wait_until($renewed + 5.5);
    status_is get(ua(), '/app/x', Cookie => $cookie), 200, 'and when that has run out, again';
    is $op->calls('T:refresh_token'), 1, 'with the new refresh token';
    is $op->state->{reuse}, 0, 'never the old one';
};

row '2.14 tokens are judged by the clock when they come, not by that when they were asked for' => sub {
    my $punctual = $op->tenant('punctual', lifetime => 4);
    my $page = url('/app/x', 'punctual');
    $punctual->fault(token => think => 1.5);
    my $ua = ua();
    status_is login($ua, $page)->{page}, 200, 'a login that took a while, with no patience for clocks';
    $punctual->set(lifetime => 300);
    wait_until(time + 4.5);
    status_is get($ua, $page), 200, 'a refresh that took a while';
    calls_are $punctual, 'D1 J1 T2';
};

row '2.15 a refresh that the provider refuses ends the session: a page signs in again, a script gets 401' => sub {
    for my $case (['a page' => sub { browse(ua(), '/app/x', Cookie => $_[0]) }, 302],
                  ['a script' => sub { get(ua(), '/app/x', Cookie => $_[0], Accept => 'application/json') }, 401]) {
        my ($who, $ask, $status) = @$case;
        my $ua = signed_in(1);
        my $cookie = cookie_header($ua);
        $op->fault(token => status => 400, json => { error => 'invalid_grant' }, when => { grant_type => 'refresh_token' });
        wait_until(time + 2);
        status_is $ask->($cookie), $status, "$who: $status";
        calls_are $op, 'T1';
        log_like qr/reason=refresh_failed/;
        $op->honest;
        status_is get(ua(), '/plain/x', Cookie => $cookie), 401, "$who: the session is gone";
        upstream_is 0;
    }
    expect_log qr/reason=session_expired/;
};

row '6749-10 a refresh that brings a wider scope ends the session; a narrower one does not' => sub {
    for my $case (['openid', 200], ['openid admin', 401]) {
        my ($scope, $status) = @$case;
        my $ua = signed_in(1);
        my $cookie = cookie_header($ua);
        $op->lie(token => set => { scope => $scope });
        $backend->reset;
        wait_until(time + 2);
        status_is get(ua(), '/app/x', Cookie => $cookie, Accept => 'application/json'), $status, "'$scope': $status";
        calls_are $op, 'T1';
        upstream_is $status == 200 ? 1 : 0;
        $op->honest;
    }
    log_like qr/reason=refresh_failed .*detail="the renewed tokens have the scope admin, which was not granted"/, 'and the log says why';
};

row '2.16 the provider is away: with a good access token nothing happens, with an old one 503, and the session stays' => sub {
    my $good = signed_in();
    my $old = signed_in(1);
    wait_until(time + 2);
    $op->down;
    status_is browse($good, '/app/x'), 200, 'a good one';
    $backend->reset;
    my $answer = browse($old, '/app/x');
    denied $answer, 503;
    ok $answer->header('Retry-After'), 'Retry-After';
    log_like qr/reason=idp_unreachable/;
    $op->up;
    my $recovered = until_true(sub { browse($old, '/app/x')->code == 200 });
    ok $recovered, 'when it is back, so is she';
};

row '2.17 a cookie that is not what the gate has set is as good as none, and the log says so' => sub {
    my $ua = signed_in();
    my ($session) = gate_cookies($ua);
    my ($name, $value) = @$session{qw(name value)};
    my $at = int(length($value) * 3 / 4);
    my $flipped = $value;
    substr($flipped, $at, 1) = substr($value, $at, 1) eq 'A' ? 'B' : 'A';
    my %bad = (
        flipped => "$name=$flipped", truncated => "$name=" . substr($value, 0, -4), longer => "$name=${value}AAAA",
        'not even base64' => "$name=%%%", 'twice' => "$name=$value; $name=$flipped", 'twice the same' => "$name=$value; $name=$value",
        'megabytes' => "$name=" . 'A' x 7000,
    );
    for my $how (sort keys %bad) {
        my $answer = browse(ua(), '/app/x', Cookie => $bad{$how});
        status_is $answer, 302, "$how: signs in";
        status_is get(ua(), '/app/x', Cookie => $bad{$how}), 401, "$how: 401 for a program";
    }
    log_like qr/\[oidc_gate:warn\].*reason=session_tampered/, 'at warn';
    my $stranger = substr($value, 0, $at) =~ tr/A-Za-z/B-ZAb-za/r . substr $value, $at;
    status_is browse(ua(), '/app/x', Cookie => "$name=$stranger"), 302, 'one that was never given out';
    status_is browse(ua(), '/app/x', Cookie => "$name="), 302, 'an empty one';
    status_is browse(ua(), '/app/x', Cookie => $name), 302, 'a name alone';
    status_is browse(ua(), '/app/x', Cookie => ' ; ;; =; a'), 302, 'no cookies at all, but semicolons';
    expect_log qr/reason=(?:session_expired|session_tampered|no_credential)/;
    status_is browse($ua, '/app/x'), 200, 'the true one works';
    upstream_is 1;
};

row '2.17 a session of another provider, or of another host, is none here' => sub {
    my $other = ua();
    status_is login($other, url('/app/x', 'other'))->{page}, 200, 'signed in elsewhere';
    my ($theirs) = gate_cookies($other);
    my $mine = signed_in();
    my ($own) = gate_cookies($mine);
    $backend->reset;
    status_is browse(ua(), '/app/x', Cookie => "$theirs->{name}=$theirs->{value}"), 302, 'under its own name';
    status_is browse(ua(), '/app/x', Cookie => "$own->{name}=$theirs->{value}"), 302, 'under the name of ours';
    status_is browse(ua(), url('/app/x', 'other'), Cookie => "$theirs->{name}=$own->{value}"), 302, 'and the other way round';
    upstream_is 0;
    expect_log qr/reason=session_(?:tampered|expired)/;
};

row '2.18 a session ends when it was idle too long, and when it has lasted too long' => sub {
    my $page = url('/app/x', 'short');
    my $idle = signed_in(300, $page);
    my $busy = signed_in(300, $page);
    my $ends = until_true(sub { browse($busy, $page)->code == 302 }, 8);
    ok $ends, 'the one that was never idle has lasted too long';
    status_is browse($idle, $page), 302, 'the one that was never used was idle too long';
    log_like qr/reason=session_expired/;
    calls_are $op, '';
};

row '2.18 a session that would be over before it begins is none: the login ends, and is not begun again and again' => sub {
    my $ua = ua();
    $op->lie(id_token => set => { exp => int(time) - 5 });
    status_is login($ua, '/app/x')->{page}, 200, 'the clocks may be so far apart';
    $ua = ua();
    $backend->reset;
    denied login($ua, '/until/x')->{callback}, 401, 'where sessions end with the ID token, this one has ended';
    ok !has_gate_session($ua), 'no session';
    log_like qr/deny status=401 reason=token_expired/;
};

row '2.19 signing out ends the session here, its tokens at the provider, and leads on to sign out there' => sub {
    my $ua = signed_in();
    my $cookie = cookie_header($ua);
    my $answer = post($ua, '/oidc-gate/logout', [], 'Sec-Fetch-Site' => 'same-origin');
    like $answer->code, qr/^30[23]$/, 'a redirect';
    redirects_to $answer, qr/^\Q@{[$op->issuer]}\E\/end_session\?/, 'to the provider';
    my %asked = URI->new($answer->header('Location'))->query_form;
    is decoded($asked{id_token_hint})->{claims}{sub}, 'alice-sub', 'id_token_hint';
    is $asked{client_id}, 'c-web', 'client_id';
    is $asked{post_logout_redirect_uri}, url('/public/page.txt'), 'post_logout_redirect_uri';
    is has_gate_session($ua), 0, 'the cookie is taken away';
    like $answer->header('Cache-Control'), qr/no-store/, 'nobody keeps that answer';
    is_deeply [map { my ($hint) = grep { $_->[0] eq 'token_type_hint' } @{ $_->{form} }; $hint->[1] } $op->requests('revoke')],
        [qw(refresh_token access_token)], 'both tokens are revoked';
    calls_are $op, 'R2';
    status_is browse(ua(), '/app/x', Cookie => $cookie), 302, 'the old cookie opens nothing any more';
    status_is get(ua(), '/plain/x', Cookie => $cookie), 401, 'anywhere';
    upstream_is 0;
    redirects_to follow($ua, $answer), url('/public/page.txt'), 'the provider sends her back';
    expect_log qr/reason=session_expired/;
};

row '2.19 another site cannot sign her out, and nobody is sent to an address that was not allowed' => sub {
    my $ua = signed_in();
    denied request($ua, GET => '/oidc-gate/logout', 'Sec-Fetch-Site' => 'cross-site'), 403, 'a link from elsewhere';
    denied post(ua(), '/oidc-gate/logout', [], Cookie => cookie_header($ua), 'Sec-Fetch-Site' => 'cross-site'), 403, 'a form from elsewhere, be its cookie sent';
    denied post($ua, '/oidc-gate/logout', [], Origin => 'https://evil.example'), 403, 'an older browser, from elsewhere';
    log_like qr/reason=cross_site/;
    for my $target ('https://evil.example/', '//evil.example/', '/\\evil.example', "/x\r\ny", 'javascript:alert(1)',
                    url('/public/page.txt') . '.evil.example') {
        denied post($ua, '/oidc-gate/logout', [redirect => $target], 'Sec-Fetch-Site' => 'same-origin'), 400, $target =~ s/\r\n/ CRLF /r;
    }
    log_like qr/reason=target_unsafe/;
    status_is browse($ua, '/app/x'), 200, 'she is still signed in';
};

row '2.21 the provider is away, the session is good: nobody notices' => sub {
    my $ua = signed_in();
    $op->down;
    is_deeply [map { browse($ua, '/app/x')->code } 1 .. 5], [(200) x 5], 'all answered';
    $op->up;
    calls_are $op, '';
    upstream_is 5;
};

# --- the server's own life ---

sub server_pid { my $pid = slurp(Apache::Test::vars('t_pid_file')); return $pid =~ s/\s+//r }
# Those that serve: with threads, where the MPM has any, which tells them from mod_cgid's.
sub children {
    my ($pid) = @_;
    opendir my $proc, '/proc' or return;
    my @all = grep { /^\d+$/ && (eval { slurp("/proc/$_/stat") } // '') =~ /\) \S (\d+) / && $1 == $pid }
              readdir $proc;
    return @all if Apache::Test::vars('mpm') eq 'prefork';
    return grep { (eval { slurp("/proc/$_/status") } // '') =~ /^Threads:\s+(\d+)/m && $1 > 1 } @all;
}

row '2.22 a graceful restart keeps the session' => sub {
    my $ua = signed_in();
    my %old = map { $_ => 1 } children(server_pid());
    kill USR1 => server_pid();
    ok until_true(sub { grep { /resuming normal operations/ } log_lines() }, 15), 'the server has begun anew';
    is_deeply [map { browse($ua, '/app/x')->code } 1 .. 10], [(200) x 10], 'she is still signed in';
    calls_are $op, '';
    my $fresh = login(ua(), '/app/x')->{page};
    status_is $fresh, 200, 'and others can sign in';
    undef $ua;                          # a child of before stays as long as somebody is connected
    ok until_true(sub { !grep { $old{$_} } children(server_pid()) }), 'the children of before are gone';
};

row '2.22 a child that is killed takes nothing with it' => sub {
    my $ua = signed_in();
    my @before = children(server_pid());
    kill KILL => $before[0];
    expect_log qr/child pid $before[0] exit signal Killed/;
    my @codes = map { until_true(sub { my $code = browse(ua(), '/app/x', Cookie => cookie_header($ua))->code; $code != 500 && $code }) } 1 .. 20;
    is_deeply \@codes, [(200) x 20], 'she is still signed in';
    calls_are $op, '';
    ok until_true(sub { grep { my $child = $_; !grep { $_ == $child } @before } children(server_pid()) }, 15), 'another child has taken its place';
    status_is browse($ua, '/app/x'), 200, 'and there too';
};

done_testing;
