# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# A gate that asks nobody: the provider's keys are in a file (OIDCGateEndpoint jwks file:PATH).
use Gate::Test;

=httpd

OIDCGateIssuer    @op@
OIDCGateDiscovery Off
<Location /given>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    OIDCGateEndpoint jwks file:@keys@/jwks.json
    Require valid-user
    ProxyPass @backend@
</Location>
# The one file in place of the address that the metadata name.
<Location /people>
    AuthType OIDCGate
    OIDCGateIssuer       @op@/people
    OIDCGateDiscovery    On
    OIDCGateClientID     c-web
    OIDCGateClientSecret file:@secrets@/c-web
    OIDCGateEndpoint     jwks file:@keys@/jwks.json
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $people = $op->tenant('people');
my $backend = backend();

row 'a token that the keys fit is good, and nobody is asked' => sub {
    status_is get(ua(), '/given/x', bearer($op->mint(user => 'alice'))), 200;
    status_is get(ua(), '/given/x', bearer($op->mint(user => 'alice', alg => 'ES256'))), 200;
    calls_are $op, '';
};

row 'one that they do not fit is not, and nobody is asked for others' => sub {
    denied get(ua(), '/given/x', bearer($op->mint(user => 'alice', alg => $_))), 401, $_ for qw(ES384 EdDSA);
    denied get(ua(), '/given/x', bearer($op->mint(user => 'alice', key => 'rsa-evil', header => { kid => $_ }))), 401, $_ for qw(rsa1 other);
    denied get(ua(), '/given/x', bearer($op->mint(user => 'alice', claims => { iss => 'https://evil.example' }))), 401;
    calls_are $op, '';
    expect_log qr/reason=(?:unknown_kid|bad_signature|bad_issuer)/;
};

row 'people sign in with them too' => sub {
    status_is login(ua(), '/people/x')->{page}, 200;
    calls_are $people, 'D1 T1';
    $people->rotate;
    my $step = login(ua(), '/people/x');
    denied $step->{callback}, 401, 'a provider that has new keys is not believed' if $backend->reset;
    calls_are $people, 'T1', 'nor asked for them';
    expect_log qr/reason=unknown_kid/;
};

Test::More::done_testing();
