# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# A login that begins elsewhere: the provider, or a list of applications, sends somebody to
# .../login with iss, target_link_uri and login_hint (OIDC Core section 4; requirements.md OC-18).
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateAuthorizationParam login_hint nobody
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /other>
    AuthType OIDCGate
    OIDCGateIssuer   @op@/other
    OIDCGateClientID c-web
    OIDCGateClientSecret file:@secrets@/c-web
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /open>
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $other = $op->tenant('other');
my $backend = backend();
my $BASE = url('');
my $ISSUER = $op->issuer;
my @FOREIGN = ('Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate', 'Accept' => 'text/html');

sub login_url { my (%with) = @_; my $uri = URI->new(url('/oidc-gate/login')); $uri->query_form(%with); return "$uri" }
sub asked { my ($answer) = @_; return { URI->new($answer->header('Location') // '')->query_form } }

row 'OC-18 a link of the provider begins a login, and leads to the page that it names' => sub {
    my $ua = ua();
    my $start = browse($ua, login_url(iss => $ISSUER, target_link_uri => "$BASE/app/x?a=1", login_hint => 'alice@example.org', other => 'x'));
    status_is $start, 302;
    redirects_to $start, qr/^\Q$ISSUER\E\/authorize\?/;
    is asked($start)->{login_hint}, 'alice@example.org', 'the hint goes to the provider, in place of the configured one';
    ok !exists asked($start)->{other}, 'other parameters are ignored';
    my $callback = call_back($ua, at_provider($ua, $start));
    redirects_to $callback, qr{^(?:\Q$BASE\E)?/app/x\?a=1$};
    status_is follow($ua, $callback), 200;
};

row 'OC-18 so does a form' => sub {
    my $ua = ua();
    my $start = post($ua, url('/oidc-gate/login'), [iss => $ISSUER, target_link_uri => "$BASE/app/x"], @FOREIGN, 'Sec-Fetch-Dest' => 'document');
    status_is $start, 303;
    redirects_to call_back($ua, at_provider($ua, $start)), qr{/app/x$};
};

row 'OC-18 the issuer alone says with whom, and leads to the root' => sub {
    for my $case ([$ISSUER, $op], [$other->issuer, $other]) {
        my $ua = ua();
        my $start = browse($ua, login_url(iss => $case->[0]));
        redirects_to $start, qr/^\Q$case->[0]\E\/authorize\?/;
        redirects_to call_back($ua, at_provider($ua, $start)), qr{^(?:\Q$BASE\E)?/$};
    }
};

row 'OC-18 an issuer that is not the one of that page begins nothing' => sub {
    for my $iss ('https://evil.example', "$ISSUER/", $other->issuer, uc $ISSUER) {
        denied browse(ua(), login_url(iss => $iss, target_link_uri => "$BASE/app/x")), 400, $iss;
    }
    denied browse(ua(), login_url(iss => 'https://evil.example')), 400, 'nor where no page is named';
    denied browse(ua(), login_url(iss => $ISSUER, target_link_uri => "$BASE/open/x")), 400, 'nor at a page that no provider guards';
    denied browse(ua(), login_url(target_link_uri => "$BASE/app/x")), 400, 'nor is one left out';
    log_like qr/reason=issuer_mixup/;
    expect_log qr/reason=malformed_request/;
    calls_are $op, '';
};

row 'OC-18 nobody is led to another host' => sub {
    my $host = URI->new($BASE)->host_port;
    for my $target ('https://evil.example/', '//evil.example/', '/\\evil.example', "https://$host/app/x", "http://$host.evil.example/app/x",
                    "http://x\@$host/app/x", "$BASE//evil.example/", "$BASE\@evil.example/", 'javascript:alert(1)', "http://127.0.0.1:1/app/x") {
        denied browse(ua(), login_url(iss => $ISSUER, target_link_uri => $target)), 400, $target;
    }
    log_like qr/reason=target_unsafe/;
    calls_are $op, '';
};

row 'OC-18 a login is never begun in a frame, by a picture or by a script' => sub {
    for my $dest (qw(iframe frame object embed image script empty)) {
        my $answer = get(ua(), login_url(iss => $ISSUER, target_link_uri => "$BASE/app/x"), @FOREIGN, 'Sec-Fetch-Dest' => $dest);
        denied $answer, 403, $dest;
        ok !$answer->header('Set-Cookie');
    }
    log_like qr/reason=cross_site/;
};

row 'OC-18 what is doubled, broken or too long begins nothing' => sub {
    my $good = login_url(iss => $ISSUER);
    denied browse(ua(), "$good&$_"), 400, substr $_, 0, 40
        for 'iss=https://evil.example', 'target_link_uri=/app&target_link_uri=/app', 'login_hint=a%0d%0ab', 'login_hint=' . 'a' x 300, 'login_hint=%zz';
    denied request(ua(), PUT => $good), 405;
    expect_log qr/reason=(?:malformed_request|method_not_allowed)/;
    calls_are $op, '';
};

Test::More::done_testing();
