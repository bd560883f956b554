# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-11 of the threat model: who is not proven to be the provider is told nothing.
use Gate::Test;

=httpd good

Use ProviderTLS @op@ localhost

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

row 'T-11 one whose certificate has run out, is for another name, or is vouched for by nobody, is not asked anything' => sub {
    for my $name (qw(expired named selfsigned)) {
        denied browse(ua(), "/$name/x"), 503, "$name: a login";
        denied get(ua(), "/introspected-$name/x", bearer($at{$name}->mint(user => 'alice'))), 503, "$name: introspection";
        is_deeply $at{$name}->calls, {}, "$name: no byte of a request";
    }
    log_like qr/reason=idp_unreachable.*certificate/i, 'the log says what is wrong';
    expect_log qr/\[ssl:|\[proxy/;
};

row 'T-11 an authority that was not named is not believed' => sub {
    my $unnamed = $op->tenant('unnamed', issuer => url('/unnamed', 'good', 'https'));
    denied browse(ua(), url('/unnamed/x', 'system')), 503;
    is_deeply $unnamed->calls, {}, 'no byte of a request';
    expect_log qr/reason=idp_unreachable/;
};

done_testing;
