# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Sessions that others end: the provider by the back channel (OpenID Connect Back-Channel Logout 1.0) and the front
# channel (Front-Channel Logout 1.0), the administrator by an order.
use Gate::Test;

use Digest::SHA qw(sha1_base64);
use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLogout        revoke=On

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    OIDCGateHeader X-Sid "%{claim:sid}"
    ProxyPass @backend@
</Location>

<Location /fresh>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

<Location /admin>
    SetHandler oidc-gate-sessions
</Location>

<Location /admin/named>
    AuthType Basic
    AuthName admin
    AuthBasicProvider file
    AuthUserFile @logs@/logout.htpasswd
    Require user root
</Location>

<Location /admin/open>
    Require all granted
</Location>

<Location /admin/address>
    Require ip 127.0.0.1
</Location>

<Location /admin/either>
    AuthType Basic
    AuthName admin
    AuthBasicProvider file
    AuthUserFile @logs@/logout.htpasswd
    <RequireAny>
        Require user root
        Require all granted
    </RequireAny>
</Location>

<Location /admin/claimed>
    AuthType OIDCGate
    Require claim groups:ops
</Location>

=httpd cold

OIDCGateIssuer        @op@/cold
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
my $EVENT = 'http://schemas.openid.net/event/backchannel-logout';
my $BACK = '/oidc-gate/backchannel-logout';
my $FRONT = '/oidc-gate/frontchannel-logout';

write_file(Apache::Test::vars('t_logs') . '/logout.htpasswd', 'root:{SHA}' . sha1_base64('toor') . "=\n", 0644);

# A session of the second in which it is ended is ended too: whoever is to be signed in afterwards waits for the next.
sub next_second { sleep 1.02 - (time - int time); return }

# Somebody who has signed in; the provider's sid of that session.
sub signed_in {
    my ($user) = @_;
    my $ua = ua();
    next_second();
    my $page = login($ua, '/app/x', user => $user // 'alice')->{page};
    die "no login\n" unless $page && $page->code == 200;
    my ($sid) = $backend->got('X-Sid');
    $op->reset;
    $backend->reset;
    return ($ua, $sid);
}
sub is_in { my ($ua) = @_; return browse($ua, '/app/x')->code == 200 }
sub notify { my ($token, @headers) = @_; return post(ua(), $BACK, [logout_token => $token], @headers) }
sub logout_token { my (%want) = @_; return $op->mint(kind => 'logout', client => 'c-web', user => 'alice', %want) }

row 'by sid: that session is ended, and no other' => sub {
    my ($one, $sid) = signed_in();
    my ($other) = signed_in();
    my $answer = notify(logout_token(claims => { sid => $sid }));
    status_is $answer, 200;
    like $answer->header('Cache-Control'), qr/no-store/, 'Cache-Control: no-store';
    is $answer->content, '', 'nothing else is said';
    ok !is_in($one), 'the one';
    is has_gate_session($one), 0, 'its cookie is taken away';
    ok is_in($other), 'the other stays';
    log_like qr/logout status=200 .*one session/, 'the log says so';
    expect_log qr/reason=session_expired/;
    is $op->calls('R'), 0, 'no token is revoked';
};

row 'by sub: all sessions of that subject are ended, and no others' => sub {
    my @alices = map { (signed_in())[0] } 1 .. 3;
    my ($mallory) = signed_in('mallory');
    status_is notify(logout_token()), 200;
    is_deeply [map { is_in($_) ? 1 : 0 } @alices], [0, 0, 0], 'all three';
    ok is_in($mallory), 'somebody else stays';
    next_second();
    status_is login($alices[0], '/app/x')->{page}, 200, 'and she may sign in again';
    ok is_in($alices[0]), 'for good';
    expect_log qr/reason=session_expired/;
};

row 'an unknown session is no error' => sub {
    status_is notify(logout_token(claims => { sid => 'nobody-knows-it' })), 200, 'by sid';
    status_is notify(logout_token(claims => { sub => 'nobody' })), 200, 'by sub';
};

row 'without sub, by sid alone' => sub {
    my ($ua, $sid) = signed_in();
    status_is notify(logout_token(claims => { sid => $sid }, drop => ['sub'])), 200;
    ok !is_in($ua), 'ended';
};

row 'typ: logout+jwt, JWT, or none' => sub {
    status_is notify(logout_token(header => { typ => 'JWT' })), 200, 'JWT';
    status_is notify(logout_token(drop_header => ['typ'])), 200, 'none';
    denied notify(logout_token(header => { typ => 'at+jwt' })), 400, 'another';
    is deny_line()->{reason}, 'wrong_kind';
};

row 'a token is used once' => sub {
    my ($ua, $sid) = signed_in();
    my $token = logout_token(claims => { sid => $sid });
    status_is notify($token), 200, 'the first time';
    denied notify($token), 400, 'the second';
    is deny_line()->{reason}, 'replay';
    my ($alice) = signed_in();
    my $by_sub = logout_token();
    my @codes = parallel(8, sub { notify($by_sub)->code });
    is_deeply [sort @codes], [200, (400) x 7], 'of eight at once, one';
    expect_log qr/reason=(?:replay|session_expired)/;
};

my %bad = (
    'a nonce'                  => [{ claims => { nonce => 'N' } }, 'wrong_kind'],
    'another event'            => [{ claims => { events => { 'http://example.org/event' => {} } } }, 'wrong_kind'],
    'no events'                => [{ drop => ['events'] }, 'wrong_kind'],
    'an event of no object'    => [{ claims => { events => { $EVENT => JSON::PP::true } } }, 'wrong_kind'],
    'another audience'         => [{ claims => { aud => 'c-other' } }, 'bad_audience'],
    'another audience beside'  => [{ claims => { aud => ['c-web', 'c-other'] } }, 'bad_audience'],
    'no audience'              => [{ drop => ['aud'] }, 'bad_audience'],
    'another issuer'           => [{ claims => { iss => 'https://evil.example' } }, 'bad_issuer'],
    'no issuer'                => [{ drop => ['iss'] }, 'bad_issuer'],
    'no signature'             => [{ signature => 'absent' }, 'bad_signature|malformed_token'],
    'another signature'        => [{ signature => 'flipped' }, 'bad_signature'],
    'alg none'                 => [{ alg => 'none' }, 'bad_alg|malformed_token'],
    'alg HS256, by the secret' => [{ alg => 'HS256', key => 'secret:s3cret-web' }, 'bad_alg'],
    'alg HS256, by the public key' => [{ alg => 'HS256', key => 'public:rsa1' }, 'bad_alg'],
    'a key of somebody else'   => [{ key => 'rsa-evil' }, 'unknown_kid'],
    'that key under our name'  => [{ key => 'rsa-evil', header => { kid => 'rsa1' }, set_header => { kid => 'rsa1' } }, 'bad_signature'],
    'no iat'                   => [{ drop => ['iat'] }, 'bad_claim'],
    'an old iat'               => [{ claims => { iat => time - 400 } }, 'token_expired'],
    'an iat to come'           => [{ claims => { iat => time + 400 } }, 'token_not_yet_valid'],
    'no jti'                   => [{ drop => ['jti'] }, 'bad_claim'],
    'neither sub nor sid'      => [{ drop => ['sub'] }, 'bad_claim'],
    'an empty sub'             => [{ claims => { sub => '' } }, 'bad_claim'],
    'a sid that is a number'   => [{ claims => { sid => 7 } }, 'bad_claim'],
    'expired'                  => [{ claims => { exp => time - 60 } }, 'token_expired'],
    'iss twice'                => [{ claims_twice => { iss => 'https://evil.example' } }, 'malformed_token'],
);
row 'a bad token is 400 with a reason, and ends nothing' => sub {
    my ($ua) = signed_in();
    for my $name (sort keys %bad) {
        my ($want, $reason) = @{ $bad{$name} };
        my $answer = notify(logout_token(%$want));
        denied $answer, 400, "$name: 400, not to be kept";
        like json($answer)->{error} // '', qr/^invalid_/, "$name: JSON with the error";
        like deny_line()->{reason}, qr/^(?:$reason)$/, "$name: $reason";
    }
    my $id = $op->mint(kind => 'id', user => 'alice');
    denied notify($id), 400, 'an ID token';
    is deny_line()->{reason}, 'wrong_kind', 'is no logout token';
    ok is_in($ua), 'she is still signed in';
};

row 'a form with exactly one token, by POST' => sub {
    my ($ua) = signed_in();
    my $token = logout_token();
    denied get(ua(), "$BACK?logout_token=$token"), 405, 'GET';
    denied request(ua(), POST => "$BACK?logout_token=$token"), 400, 'in the query';
    denied post(ua(), $BACK, []), 400, 'none';
    denied post(ua(), $BACK, [logout_token => $token, logout_token => $token]), 400, 'two';
    denied request(ua(), POST => $BACK, 'Content-Type' => 'application/json', Content => "{\"logout_token\":\"$token\"}"), 400, 'JSON';
    denied post(ua(), $BACK, [logout_token => 'x' x 17_000]), 400, 'too long';
    denied post(ua(), $BACK, [logout_token => 'x' x 100_000]), 400, 'much too long';
    expect_log qr/reason=(?:malformed_request|malformed_token|method_not_allowed)/;
    ok is_in($ua), 'she is still signed in';
    status_is post(ua(), $BACK, [logout_token => $token, more => 'x']), 200, 'with something beside it';
    ok !is_in($ua), 'she is signed out';
};

row 'unknown keys make the provider be asked now and then, and no more' => sub {
    my $unknown = sub { notify(logout_token(key => 'rsa-evil', header => { kid => "k$_[0]" }, set_header => { kid => "k$_[0]" }))->code };
    is_deeply [map { $unknown->($_) } 1 .. 20], [(400) x 20], 'twenty forged tokens';
    cmp_ok $op->calls('J'), '<=', 1, 'at most one call for keys';
    expect_log qr/reason=unknown_kid/;
};

row 'the keys are not to be had: 503, and the same token is good later' => sub {
    my $cold = $op->tenant('cold');
    my $token = $cold->mint(kind => 'logout', client => 'c-web', user => 'alice');
    my $there = url($BACK, 'cold');
    $cold->fault(discovery => status => 500);
    my $answer = post(ua(), $there, [logout_token => $token]);
    denied $answer, 503;
    ok $answer->header('Retry-After'), 'Retry-After';
    log_like qr/reason=idp_error/;
    $cold->fault('discovery');
    ok until_true(sub { post(ua(), $there, [logout_token => $token])->code == 200 }, 15), 'then 200';
    expect_log qr/reason=idp_/;
};

row 'a token for one host is none for another' => sub {
    denied post(ua(), url($BACK, 'cold'), [logout_token => logout_token()]), 400;
    is deny_line()->{reason}, 'bad_issuer';
};

row 'nobody is admitted after the answer to the logout' => sub {
    my ($ua, $sid) = signed_in();
    my $cookie = join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua);
    my $token = logout_token(claims => { sid => $sid });
    my @seen = parallel(5, sub {
        my ($number) = @_;
        if ($number == 1) {
            until_true(sub { $backend->count > 20 });
            my $code = notify($token)->code;
            return { code => $code, answered => time };
        }
        # Until they are out, and a little longer.
        my ($me, $refused, @admitted) = (ua(), 0);
        until_true(sub {
            my $from = time;
            my $code = get($me, '/app/x', Cookie => $cookie)->code;
            push @admitted, $from if $code == 200;
            return ($refused += $code == 401) > 5;
        });
        return \@admitted;
    });
    my ($logout, @hitters) = @seen;
    is $logout->{code}, 200, 'the logout is answered';
    my @admitted = map { @$_ } @hitters;
    cmp_ok scalar(@admitted), '>', 20, scalar(@admitted) . ' were admitted before';
    is scalar(grep { $_ > $logout->{answered} } @admitted), 0, 'none that came afterwards';
    expect_log qr/reason=session_expired/;
};

row 'a refresh that is under way brings nothing back' => sub {
    my $ua = ua();
    next_second();
    $op->set(lifetime => 2);
    status_is login($ua, '/fresh/x')->{page}, 200, 'signed in';
    $op->set(lifetime => 300);
    sleep 2.2;
    $op->reset;
    $op->fault(token => think => 3);
    my @codes = parallel(2, sub {
        return get($ua, '/fresh/x')->code if $_[0] == 1;
        until_true(sub { $op->calls('T') });
        return notify(logout_token())->code;
    });
    is_deeply \@codes, [401, 200], 'she is signed out while her tokens are renewed';
    $op->honest;
    status_is get($ua, '/fresh/x'), 401, 'and stays so';
    expect_log qr/reason=session_expired/;
};

# --- the front channel ---

sub frame { my ($ua, $iss, $sid) = @_; return get($ua, "$FRONT?iss=" . URI::Escape::uri_escape($iss) . "&sid=$sid") }

row 'a frame in the provider\'s page ends the session that it names' => sub {
    require URI::Escape;
    my ($ua, $sid) = signed_in();
    my $answer = frame($ua, $op->issuer, $sid);
    status_is $answer, 200;
    like $answer->header('Cache-Control'), qr/no-store/, 'not kept';
    my $op_at = $op->issuer;
    like $answer->header('Content-Security-Policy'), qr/frame-ancestors \Q$op_at\E(?:;|$)/, 'for the provider\'s frames alone';
    is $answer->header('X-Frame-Options'), undef, 'which nothing else forbids';
    is has_gate_session($ua), 0, 'the cookie is gone';
    ok !is_in($ua), 'and the session';
    is $op->calls('R'), 0, 'its tokens are not revoked: nothing proves who asked';
};

row 'and no other' => sub {
    my ($ua, $sid) = signed_in();
    my $kept = join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua);
    status_is frame($ua, $op->issuer, 'another'), 200, 'another sid';
    my $foreign = frame($ua, 'https://evil.example', $sid);
    status_is $foreign, 200, 'another issuer';
    like $foreign->header('Content-Security-Policy'), qr/frame-ancestors 'none'/, 'in nobody\'s frame';
    status_is frame(ua(), $op->issuer, $sid), 200, 'without the cookie';
    denied get($ua, "$FRONT?sid=$sid"), 400, 'without iss';
    denied get($ua, "$FRONT?iss=" . URI::Escape::uri_escape($op->issuer)), 400, 'without sid';
    denied get($ua, $FRONT), 400, 'without both';
    denied post($ua, $FRONT, [iss => $op->issuer, sid => $sid]), 405, 'by POST';
    expect_log qr/reason=(?:malformed_request|method_not_allowed)/;
    ok is_in($ua), 'she is still signed in';
};

# --- the administrator ---

my @root = basic('root', 'toor');

row 'an administrator ends all sessions of somebody, and is told how many' => sub {
    my @alices = map { (signed_in())[0] } 1 .. 2;
    my ($mallory) = signed_in('mallory');
    my $answer = post(ua(), '/admin/named', [subject => 'mallory-sub'], @root);
    status_is $answer, 200;
    cmp_ok json($answer)->{ended}, '>=', 1, 'at least this one';
    like $answer->header('Cache-Control'), qr/no-store/, 'not kept';
    ok !is_in($mallory), 'he is signed out';
    is_deeply [map { is_in($_) ? 1 : 0 } @alices], [1, 1], 'nobody else';
    log_like qr/logout status=200 .*user=root .*as the administrator asked/, 'the log says who did it';
    is json(post(ua(), '/admin/named', [subject => 'mallory-sub', issuer => $op->issuer], @root))->{ended}, 0, 'once more: none';
    expect_log qr/reason=session_expired/;
};

row 'or everybody\'s' => sub {
    my @people = map { (signed_in($_))[0] } qw(alice mallory);
    my $answer = post(ua(), '/admin/named', [all => 'yes'], @root);
    status_is $answer, 200;
    cmp_ok json($answer)->{ended}, '>=', 2, 'at least these';
    is_deeply [map { is_in($_) ? 1 : 0 } @people], [0, 0], 'all are signed out';
    is json(post(ua(), '/admin/named', [all => 'yes'], @root))->{ended}, 0, 'once more: none';
    next_second();
    status_is login($people[0], '/app/x')->{page}, 200, 'whoever signs in again is signed in';
    ok is_in($people[0]), 'for good';
    expect_log qr/reason=session_expired/;
};

row 'nobody else does' => sub {
    my ($ua) = signed_in();
    for my $place (qw(/admin /admin/open /admin/address /admin/either)) {
        denied post(ua(), $place, [all => 'yes']), 403, "$place: where anybody would be let in, nobody is";
        is deny_line()->{reason}, 'config_error', 'the log says so';
    }
    denied post(ua(), '/admin/either', [all => 'yes'], @root), 403, 'not even by name';
    status_is post(ua(), '/admin/named', [all => 'yes']), 401, 'without a name';
    status_is post(ua(), '/admin/named', [all => 'yes'], basic('root', 'wrong')), 401, 'with a wrong password';
    expect_log qr/user root: authentication failure|AH01617/;
    denied get(ua(), '/admin/named?all=yes', @root), 405, 'by GET';
    denied post(ua(), '/admin/named', [all => 'yes'], @root, 'Sec-Fetch-Site' => 'cross-site'), 403, 'from a page elsewhere';
    denied post(ua(), '/admin/named', [all => 'yes'], @root, Origin => 'https://evil.example'), 403, 'in an older browser';
    for my $form ([], [subject => ''], [all => 'no'], [all => 'yes', subject => 'alice-sub']) {
        denied post(ua(), '/admin/named', $form, @root), 400, "with '@$form'";
    }
    expect_log qr/reason=(?:cross_site|malformed_request|method_not_allowed|config_error)/;
    ok is_in($ua), 'she is still signed in';
};

row 'an administrator may be known by the gate itself' => sub {
    my ($mallory) = signed_in('mallory');
    denied post($mallory, '/admin/claimed', [all => 'yes'], 'Sec-Fetch-Site' => 'same-origin'), 403, 'without the claim: not';
    expect_log qr/reason=claim_mismatch/;
    my ($alice) = signed_in();
    my $answer = post($alice, '/admin/claimed', [subject => 'mallory-sub'], 'Sec-Fetch-Site' => 'same-origin');
    status_is $answer, 200, 'with it';
    cmp_ok json($answer)->{ended}, '>=', 1, 'one at least';
    ok !is_in($mallory), 'he is signed out';
    ok is_in($alice), 'she is not';
    expect_log qr/reason=session_expired/;
};

done_testing;
