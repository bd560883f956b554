# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# tests/run tests/interop/browser.t, after tests/interop/setup: a person at a real browser, and a provider that is not ours.
use Gate::Test;

use Gate::Browser ();
use Gate::RealOP ();

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email

<Location /app>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    OIDCGateHeader X-User "%{claim:preferred_username}"
    ProxyPass @backend@
</Location>

=httpd strict

# To a browser, localhost and 127.0.0.1 are two sites: the provider is on the other.
OIDCGateBaseURL       http://localhost:@port_strict@
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email
OIDCGateCookie        samesite=strict

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:preferred_username}"
    ProxyPass @backend@
</Location>

=cut

my $STRICT = url('', 'strict') =~ s/127\.0\.0\.1/localhost/r;
my $browser = Gate::Browser->start;
my $provider = Gate::RealOP->start(redirectUris => [url('/oidc-gate/callback'), "$STRICT/oidc-gate/callback"], postLogoutRedirectUris => [url('/oidc-gate/logout')]);
my $issuer = $provider->issuer;
my $backend = backend();

sub is_at {
    my ($seen, $where, $name) = @_;
    like $seen->{url}, $where, $name or diag $seen->{text};
    is_deeply $seen->{complaints}, [], 'no policy has held anything back';
    return;
}

row 'bob signs in, and hears that this page is not for him' => sub {
    is_at $browser->open(url('/app/x?a=1&b=%20')), qr{^\Q$issuer\E/interaction/}, 'the provider asks who it is';
    $browser->type('input[name=login]' => 'bob');
    $browser->type('input[name=password]' => 'any');
    my $seen = $browser->press('button');
    is_at $seen, qr{/app/x\?a=1&b=%20$}, 'back at the page that he asked for';
    is $seen->{status}, 403, 'which is not for him';
    upstream_is 0;
    is deny_line('claim_mismatch')->{user}, 'bob', 'the log says why';
};

row 'he signs out, here and at the provider' => sub {
    is_at $browser->press('button'), qr{^\Q$issuer\E/session/end}, 'the provider asks whether he means it';
    my $seen = $browser->press('button[value=yes]');
    is_at $seen, qr{^\Q@{[url('/oidc-gate/logout')]}\E}, 'and sends him back';
    is $seen->{title}, 'You are signed out', 'the gate says so';
};

row 'alice signs in at the same browser, and lands on the page that she asked for' => sub {
    is_at $browser->open(url('/app/x?a=1&b=%20')), qr{^\Q$issuer\E/interaction/}, 'the provider asks who it is';
    $browser->type('input[name=login]' => 'alice');
    my $seen = $browser->press('button');
    is_at $seen, qr{/app/x\?a=1&b=%20$}, 'the page that she asked for';
    is $seen->{status}, 200, 'which she may see';
    is_deeply [$backend->got('X-User')], ['alice'], 'the backend is told who she is';
    like $seen->{text}, qr/^X-User: alice$/m, 'and so she sees';
    upstream_is 1;
};

row 'she stays signed in, whatever she opens' => sub {
    is $browser->open(url('/app/y'))->{status}, 200, 'another page';
    upstream_is 1;
};

row 'CK-6 a cookie that no other site has brought along is there all the same, behind the sign-in at another site' => sub {
    $browser->forget;
    is_at $browser->open("$STRICT/app/x?a=1"), qr{^\Q$issuer\E/interaction/}, 'the provider, on another site, asks who it is';
    $browser->type('input[name=login]' => 'alice');
    my $seen = $browser->press('button');
    is_at $seen, qr{^\Q$STRICT\E/app/x\?a=1$}, 'the page that she asked for';
    is $seen->{status}, 200, 'which she may see';
    is_deeply [$backend->got('X-User')], ['alice'], 'the backend is told who she is';
    is $browser->open("$STRICT/app/y")->{status}, 200, 'and she stays signed in';
    upstream_is 2;
};

done_testing;
