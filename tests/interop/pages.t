# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# tests/run tests/interop/pages.t, after tests/interop/setup: what a person sees of the gate, in a real browser. Each page is
# looked at light and dark, wide and narrow, and judged by axe-core. GATE_PICTURES=DIRECTORY keeps what was seen.
use Gate::Test;

use Gate::Browser ();

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:preferred_username}"
    ProxyPass @backend@
</Location>

<Location /staff>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>

<Location /strong>
    AuthType OIDCGate
    Require acr gold
    ProxyPass @backend@
</Location>

<Location /asks>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated 401
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /programs>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /away>
    AuthType OIDCGate
    OIDCGateIssuer       http://127.0.0.1:@spare_port@
    OIDCGateClientID     c-web
    OIDCGateClientSecret file:@secrets@/c-web
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /limited>
    AuthType OIDCGate
    OIDCGateMethods code introspection
    OIDCGateAudience any
    OIDCGateLimit address=1 total=1
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $browser = Gate::Browser->start;

# Judges the page that is open, as it looks in each light and at each width.
sub judge {
    my ($name) = @_;
    my %ground;
    for my $scheme (qw(light dark)) {
        for my $width (1000, 320) {
            my $look = $browser->look($scheme, $width);
            ok !$look->{scrolls}, "$name, $scheme, $width: nothing is beside the screen";
            $ground{$scheme} = $look->{background};
            $browser->picture("$ENV{GATE_PICTURES}/$name-$scheme-$width.png") if $ENV{GATE_PICTURES};
        }
        my $judgement = $browser->check;
        is_deeply $judgement->{violations}, [], "$name, $scheme: axe-core has nothing against it";
        cmp_ok $judgement->{passes}, '>', 10, 'having looked';
    }
    isnt $ground{light}, $ground{dark}, "$name: light is not dark";
    return;
}

sub seen_is {
    my ($seen, $status, $title) = @_;
    is $seen->{status}, $status, "status $status";
    is $seen->{title}, $title, "it says '$title'";
    is_deeply $seen->{complaints}, [], "the page's policy lets through all that it has";
    return;
}

# Presses what leads on, and says where to.
sub leads_to {
    my ($what, $where, $name) = @_;
    my $seen = $browser->press($what);
    like $seen->{url}, $where, $name;
    is_deeply $seen->{complaints}, [], 'and nothing is held back on the way';
    return $seen;
}

my $LOGIN = qr{^\Q@{[$op->issuer]}\E/authorize};

row 'who may not see a page hears so, and can sign in as somebody else' => sub {
    $op->user('mallory');
    my $seen = $browser->open(url('/staff/x?a=1'));
    seen_is $seen, 403, 'You may not see this page';
    like $seen->{text}, qr/\bclaim_m/, 'why';
    is_deeply deny_line()->{status}, 403, 'the log knows';
    like $seen->{text}, qr/\Q@{[deny_line()->{rid}]}\E/, 'under the same number';
    judge('denied');
    my $focus = $browser->tab;
    is $focus->{text}, 'Use another account', 'the keyboard reaches what there is to do';
    like $focus->{outline}, qr/^solid 3px/, 'and shows it';
    $seen = leads_to('button', qr{/oidc-gate/logout}, 'signs out');
    seen_is $seen, 200, 'You are signed out';
    judge('signed-out');
    status_is get(ua(), '/staff/x'), 401, 'she is out';
};

row 'who must sign in' => sub {
    $browser->forget;
    seen_is $browser->open(url('/asks/x?a=1&b=%22')), 401, 'Please sign in';
    judge('sign-in');
    $op->user('alice');
    leads_to('a', qr{/asks/x\?a=1&b=%22$}, 'the link signs in, and leads to the page that was asked for');
    upstream_is 1;
    expect_log qr/reason=no_credential/;
};

row 'a place for programs' => sub {
    my $seen = $browser->open(url('/programs/x'));
    seen_is $seen, 401, 'This address is for programs';
    judge('programs');
};

row 'a login that was begun elsewhere' => sub {
    $browser->forget;
    seen_is $browser->open(url('/oidc-gate/callback?code=c&state=x')), 400, 'Signing in was not finished';
    judge('unfinished');
    seen_is $browser->open(url('/oidc-gate/callback?code=c')), 400, 'This link does not work';
    judge('malformed');
    log_like qr/reason=state_unknown/;
    log_like qr/reason=malformed_request/;
};

row 'a login that the provider ends' => sub {
    $browser->forget;
    $op->lie(authorize => error => 'access_denied', error_description => '<h1>pwned</h1>');
    my $seen = $browser->open(url('/app/x?a=1'));
    seen_is $seen, 403, 'You were not signed in';
    like $seen->{text}, qr/login_denied \(access_denied\)/, 'what the provider calls it';
    unlike $seen->{text}, qr/pwned/, 'and nothing of its own words';
    judge('cancelled');
    $op->honest;
    leads_to('a', qr{/app/x\?a=1$}, 'trying again leads to the page that was asked for');
    $browser->forget;
    $op->lie(authorize => error => 'invalid_scope');
    seen_is $browser->open(url('/app/x?a=1')), 502, 'Signing in does not work at the moment';
    judge('rejected');
    $browser->forget;
    $op->honest;
    $op->lie(id_token => drop => ['acr']);
    seen_is $browser->open(url('/strong/x')), 403, 'This page asks for more';
    judge('stronger');
    log_like qr/reason=$_/ for qw(login_denied idp_rejected_gateway acr_unmet);
};

row 'a provider that is away' => sub {
    my $seen = $browser->open(url('/away/x'));
    seen_is $seen, 503, 'Signing in does not work at the moment';
    like $seen->{text}, qr/try again in $seen->{headers}{'retry-after'} seconds/, 'how long to wait';
    judge('away');
    log_like qr/reason=idp_unreachable/;
};

row 'too many' => sub {
    my $seen;
    for (1 .. 20) {
        get(ua(), '/limited/x', bearer("a$_")) for 1 .. 3;
        $seen = $browser->open(url('/limited/x'), headers => bearer_header('b'));
        last if $seen->{status} == 429;
    }
    seen_is $seen, 429, 'Too many attempts';
    judge('too-many');
    expect_log qr/reason=(?:rate_limited|token_inactive|malformed_token)/;
};
sub bearer_header { my %h = bearer($_[0]); return \%h }

row 'a link elsewhere signs nobody out, but can ask' => sub {
    $browser->forget;
    $op->user('alice');
    seen_is $browser->open(url('/app/x')), 200, '';
    $browser->open('data:text/html,<a href="' . url('/oidc-gate/logout') . '">a cat</a>');
    my $seen = $browser->press('a');
    seen_is $seen, 403, 'Do you want to sign out?';
    judge('cross-site');
    seen_is leads_to('button', qr{/oidc-gate/logout}, 'she does'), 200, 'You are signed out';
    log_like qr/reason=cross_site/;
};

done_testing;
