# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# OIDCGatePreflight: what a browser asks before a script of another origin may ask (Fetch section 4.8;
# row 4.15 of the scenarios). It brings no credentials, and is let through only where the
# administrator says so, as nobody.
use Gate::Test;

=httpd

OIDCGateIssuer    @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader    X-User   "%{user}"
OIDCGateHeader    X-Static "fixed"
<Location /auth>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /pass>
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    OIDCGatePreflight pass
    Require claim groups:staff
    ProxyPass @backend@
</Location>
<Location /pass/nobody>
    OIDCGateOnUnauthenticated pass
    Require all granted
</Location>
<Location /pass/trial>
    OIDCGateEnforce Off
</Location>
<Location /pass/index>
    OIDCGatePreflight auth
</Location>

=cut

my $op = provider();
my $backend = backend();
my $token = $op->mint(user => 'alice');
my @ASKED = (Origin => 'https://app.example', 'Access-Control-Request-Method' => 'PUT', 'Access-Control-Request-Headers' => 'authorization');

sub preflight { my ($path, @more) = @_; return request(ua(), OPTIONS => $path, @ASKED, @more) }

row 'by default it is treated like any other request' => sub {
    denied preflight('/auth/x'), 401;
    denied preflight('/pass/index'), 401, 'and where an inner place says so again';
    expect_log qr/reason=no_credential/;
};

row '4.15 where it may pass, the backend answers it, and is told of nobody' => sub {
    status_is preflight('/pass/x'), 200;
    is $backend->last->{method}, 'OPTIONS';
    is_deeply [$backend->got('Access-Control-Request-Method'), $backend->got('Origin')], ['PUT', 'https://app.example'];
    calls_are $op, '';
    log_like qr/allow status=200 .*user=- loc=\/pass/;
};

row '4.15 whoever it claims to be' => sub {
    my $ua = ua();
    login($ua, '/pass/x');
    $backend->reset;
    my @claims = ('X-User' => 'admin', 'x_user' => 'admin', 'X-Static' => 'x', bearer($token));
    status_is preflight('/pass/x', @claims), 200;
    is_deeply [$backend->got_folded($_)], [], "no $_" for qw(X-User X-Static Authorization);
    status_is request($ua, OPTIONS => '/pass/x', @ASKED), 200, 'a browser that is signed in';
    is_deeply [$backend->got_folded($_)], [], "no $_" for qw(X-User X-Static Cookie);
    status_is preflight('/pass/x', bearer('nonsense')), 200, 'a credential is not even looked at';
    status_is preflight("/pass/$_/x", @claims), 200, "$_: as nobody too" for qw(nobody trial);
    is_deeply [$backend->got_folded($_)], [], "no $_" for qw(X-User X-Static);
    expect_log qr/stripped client header/;
};

row 'nothing passes that is not exactly that' => sub {
    denied request(ua(), OPTIONS => '/pass/x'), 401, 'no Origin, nothing asked for';
    denied request(ua(), OPTIONS => '/pass/x', Origin => 'https://app.example'), 401, 'nothing asked for';
    denied request(ua(), OPTIONS => '/pass/x', 'Access-Control-Request-Method' => 'PUT'), 401, 'no Origin';
    denied request(ua(), $_ => '/pass/x', @ASKED), 401, $_ for qw(GET HEAD POST PUT DELETE PROPFIND);
    denied request(ua(), GET => '/pass/x', @ASKED, 'X-HTTP-Method-Override' => 'OPTIONS'), 401, 'a method by another name';
    expect_log qr/reason=no_credential/;
};

row 'what is asked for then is judged as ever' => sub {
    status_is request(ua(), PUT => '/pass/x', Origin => 'https://app.example', bearer($token)), 200;
    is_deeply [$backend->got('X-User')], ['alice-sub'];
    denied request(ua(), PUT => '/pass/x', Origin => 'https://app.example', bearer($op->mint(user => 'mallory'))), 403 if $backend->reset;
    expect_log qr/reason=claim_mismatch/;
};

Test::More::done_testing();
