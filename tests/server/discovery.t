# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Where a provider's metadata are looked for, and which of the endpoints in it are believed to be its own.
use Gate::Test;

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /places/behind>
    AuthType OIDCGate
    OIDCGateIssuer @op@/behind
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /places/between>
    AuthType OIDCGate
    OIDCGateIssuer @op@/one/between
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /places/former>
    AuthType OIDCGate
    OIDCGateIssuer @op@/former
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /places/nowhere>
    AuthType OIDCGate
    OIDCGateIssuer @op@/nowhere
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /places/foreign>
    AuthType OIDCGate
    OIDCGateIssuer @op@/foreign
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /places/known>
    AuthType OIDCGate
    OIDCGateIssuer @op@/known
    OIDCGateDiscovery On domain=tokens.example domain=other.example
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

my %AT = (
    behind => '/behind/.well-known/openid-configuration',
    'one/between' => '/.well-known/oauth-authorization-server/one/between',
    former => '/.well-known/openid-configuration/former',
    nowhere => '/elsewhere/.well-known/openid-configuration',
);
my %tenant = map { $_ => $op->tenant($_, $AT{$_} ? (metadata_at => $AT{$_}) : ()) } keys %AT, qw(foreign known);

for ([behind => 1], ['one/between' => 2], [former => 3]) {
    my ($name, $questions) = @$_;
    row "8414-1 metadata at $AT{$name}" => sub {
        my ($place) = $name =~ /(\w+)$/;
        my $step = login(ua(), "/places/$place/x");
        status_is $step->{page}, 200, 'somebody signs in';
        calls_are $tenant{$name}, "D$questions T1 J1", "found at the place number $questions";
        login(ua(), "/places/$place/x");
        calls_are $tenant{$name}, 'T1', 'and asked for no more';
    };
}

row '8414-1 metadata nowhere: each place is asked once, whoever comes' => sub {
    denied(browse(ua(), '/places/nowhere/x'), 503) for 1 .. 12;
    calls_are $tenant{nowhere}, 'D3';
    log_like qr{status 404 \(at \S+/.well-known/openid-configuration/nowhere or \S+/nowhere/.well-known/openid-configuration or },
        'the log says where it was looked';
};

row '8414-3 an endpoint on a host that is not the provider\'s: nobody is sent there, and no secret' => sub {
    $tenant{foreign}->lie(discovery => set => { token_endpoint => 'http://tokens.example/token' });
    denied(browse(ua(), '/places/foreign/x'), 502);
    log_like qr{reason=idp_unsuitable .*token endpoint on another host: http://tokens.example/token.*OIDCGateDiscovery On domain=},
        'the log says what to do';
};

row '8414-3 the same where the administrator knows that host' => sub {
    $tenant{known}->lie(discovery => set => { token_endpoint => 'http://tokens.example/token' });
    status_is browse(ua(), '/places/known/x'), 302, 'people are sent to sign in';
};

expect_log qr/reason=idp_error .*in vain/;
done_testing;
