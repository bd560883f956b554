# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-11 of the threat model: who is not proven to be the provider is told nothing.
use Gate::Test;

use Gate::Client ();

=httpd good

Use ProviderTLS @op@ localhost
CustomLog "@logs@/tls-kept.log" "%k %U"

=httpd expired

Use ProviderTLS @op@ expired

=httpd named

Use ProviderTLS @op@ wrong-name

=httpd selfsigned

Use ProviderTLS @op@ self-signed

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHTTP          cafile=@keys@/ca.crt

<Macro Behind $name $port>
    <Location /$name>
        AuthType OIDCGate
        OIDCGateIssuer https://127.0.0.1:$port/$name
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location /introspected-$name>
        AuthType OIDCGate
        OIDCGateIssuer https://127.0.0.1:$port/$name
        OIDCGateMethods introspection
        OIDCGateDiscovery Off
        OIDCGateEndpoint introspection https://127.0.0.1:$port/$name/introspect
        Require valid-user
        ProxyPass @backend@
    </Location>
</Macro>
Use Behind good       @port_good@
Use Behind expired    @port_expired@
Use Behind named      @port_named@
Use Behind selfsigned @port_selfsigned@

# One endpoint of an honest provider is somewhere else.
<Macro Astray $kind $name $port>
    <Location /$name-$kind>
        AuthType OIDCGate
        OIDCGateIssuer   https://127.0.0.1:@port_good@/$name-$kind
        OIDCGateEndpoint $kind https://127.0.0.1:$port/astray/$kind
        OIDCGateUserinfo login
        OIDCGateLogout   revoke=On
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location /$name-$kind/asked>
        OIDCGateMethods introspection
    </Location>
    <Location /$name-$kind/batch>
        OIDCGateMethods client_credentials
    </Location>
    <Location /$name-$kind/api>
        OIDCGateMethods  bearer
        OIDCGateAudience api://default
    </Location>
    <Location /$name-$kind/pushed>
        OIDCGatePAR required
    </Location>
</Macro>
<Macro AllAstray $name $port>
    Use Astray jwks          $name $port
    Use Astray token         $name $port
    Use Astray userinfo      $name $port
    Use Astray introspection $name $port
    Use Astray revocation    $name $port
    Use Astray par           $name $port
</Macro>
Use AllAstray expired    @port_expired@
Use AllAstray named      @port_named@
Use AllAstray selfsigned @port_selfsigned@

=httpd system

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /unnamed>
    AuthType OIDCGate
    OIDCGateIssuer https://127.0.0.1:@port_good@/unnamed
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my %at = map { $_ => $op->tenant($_, issuer => url("/$_", $_, 'https')) } qw(good expired named selfsigned);

row 'T-11 a provider whose certificate is good signs people in' => sub {
    my $ua = ua();
    status_is login($ua, '/good/x')->{page}, 200;
    calls_are $at{good}, 'D1 J1 T1';
    status_is get(ua(), '/introspected-good/x', bearer($at{good}->mint(user => 'alice'))), 200, 'and introspects';
};

# %k: how many requests came before on the same connection. Whoever asks does so from one process.
row 'one connection carries as many questions as there are' => sub {
    my $client = Gate::Client->new(port => port());
    my $asked = sub { grep { m{/good/introspect$} } split /\n/, slurp(Apache::Test::vars('t_logs') . '/tls-kept.log') };
    ok until_true(sub { $asked->() == 1 }), 'one question before';
    for my $i (1 .. 20) {
        is $client->ask(GET => '/introspected-good/x', bearer($at{good}->mint(user => 'alice', claims => { jti => "kept-$i" })))->{status}, 200, "token $i";
    }
    ok until_true(sub { $asked->() == 21 }), 'all of them were asked about';
    my @last = ($asked->())[-20 .. -1];
    cmp_ok scalar(grep { /^0 / } @last), '<=', 1, 'over one connection: ' . join ' ', map { /^(\d+)/ } @last;
};

row 'T-11 one whose certificate has run out, is for another name, or is vouched for by nobody, is not asked anything' => sub {
    for my $name (qw(expired named selfsigned)) {
        denied browse(ua(), "/$name/x"), 503, "$name: a login";
        denied get(ua(), "/introspected-$name/x", bearer($at{$name}->mint(user => 'alice'))), 503, "$name: introspection";
        is_deeply $at{$name}->calls, {}, "$name: no byte of a request";
    }
    log_like qr/reason=idp_unreachable.*certificate/i, 'the log says what is wrong';
};

row 'T-11 an authority that was not named is not believed' => sub {
    my $unnamed = $op->tenant('unnamed', issuer => url('/unnamed', 'good', 'https'));
    denied browse(ua(), url('/unnamed/x', 'system')), 503;
    is_deeply $unnamed->calls, {}, 'no byte of a request';
    expect_log qr/reason=idp_unreachable/;
};

# What asks each endpoint, and the status where it is not proven to be the provider's.
sub come_back {
    my ($at) = @_;
    my $ua = ua();
    return (call_back($ua, at_provider($ua, start_login($ua, "$at/x"))), $ua);
}
my %ASKS = (
    jwks          => [503, sub { come_back($_[0]) }, sub { get(ua(), "$_[0]/api", bearer($_[1]->mint(user => 'alice'))) }],
    token         => [503, sub { come_back($_[0]) }, sub { get(ua(), "$_[0]/batch", basic('c-api', 's3cret')) }],
    userinfo      => [503, sub { come_back($_[0]) }],
    introspection => [503, sub { get(ua(), "$_[0]/asked", bearer($_[1]->mint(user => 'alice'))) }],
    par           => [503, sub { browse(ua(), "$_[0]/pushed") }],
    revocation    => [303, sub { my (undef, $ua) = come_back($_[0]); return post($ua, '/oidc-gate/logout', []) }],
);

row 'T-11 no endpoint is told anything where its certificate does not prove it' => sub {
    my $astray = $op->tenant('astray');
    for my $name (qw(expired named selfsigned)) {
        for my $kind (sort keys %ASKS) {
            my $place = "$name-$kind";
            my $honest = $op->tenant($place, issuer => url("/$place", 'good', 'https'));
            my ($status, @ask) = @{ $ASKS{$kind} };
            status_is +($_->("/$place", $honest))[0], $status, "$name: $kind" for @ask;
        }
    }
    is_deeply $astray->calls, {}, 'no byte of a request reached them';
    upstream_is 0;
    log_like qr/reason=idp_unreachable.*certificate/i, 'the log says what is wrong';
    expect_log qr/reason=idp_unreachable/;
};

done_testing;
