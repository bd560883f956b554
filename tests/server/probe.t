# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# `apachectl -t -D OIDC_GATE_PROBE` asks each provider, and says what works there and what does not, each with what to do
# about it.
use Gate::Test;

use POSIX ();

=httpd

# Nothing: what is tried here is never started.

=cut

my $op = provider();
my $issuer = $op->issuer;

# A configuration with that in it, and what the probe says of it.
sub app {
    my (%with) = @_;
    my %line = (issuer => "OIDCGateIssuer $issuer", id => 'OIDCGateClientID c-web', secret => 'OIDCGateClientSecret s3cret-web',
                more => '', inside => '', %with);
    return join "\n", @line{qw(issuer id secret more)}, '<Location /app>', 'AuthType OIDCGate', $line{inside},
        'Require valid-user', '</Location>';
}
sub probe { my ($fine, $said) = config_output(app(@_), '-D', 'OIDC_GATE_PROBE'); return { fine => $fine, said => $said } }

sub works {
    my ($probe, $like, $name) = @_;
    ok $probe->{fine} && $probe->{said} =~ /^  works  $like/m, $name or diag $probe->{said};
    return;
}
sub fails {
    my ($probe, $like, $name) = @_;
    ok !$probe->{fine} && $probe->{said} =~ /^  FAILS  $like.*\. Remedy: \S/m && $probe->{said} !~ /Syntax OK/, $name
        or diag $probe->{said};
    return;
}

row 'where all is well, each line says what works' => sub {
    my $probe = probe();
    like $probe->{said}, qr/^\Q$issuer\E, client c-web \(code\)$/m, 'whom it is about';
    works $probe, qr{discovery: \Q$issuer\E/.well-known/openid-configuration is read}, 'discovery';
    like $probe->{said}, qr/^  look   clocks: the provider does not say what time it is/m, 'clocks, as far as it says';
    works $probe, qr/keys: \d that can be used/, 'keys';
    works $probe, qr/algorithms: RS256\n/, 'algorithms';
    works $probe, qr/client authentication: the token endpoint knows the client/, 'the client';
    works $probe, qr/PKCE: S256/, 'PKCE';
    works $probe, qr/PAR: not offered/, 'PAR';
    like $probe->{said}, qr/^Syntax OK$/m, 'and httpd says its own';
    calls_are $op, 'D1 J1 T1';
};

row 'without that word nobody is asked' => sub {
    my ($fine, $said) = config_output(app());
    ok $fine && $said !~ /client c-web/, 'a plain configtest';
    calls_are $op, '';
};

row 'what is needed decides what is asked' => sub {
    my $all = probe(inside => "OIDCGateMethods code bearer introspection client_credentials\nOIDCGateAudience api://default");
    like $all->{said}, qr/client c-web \(code bearer introspection client_credentials\)/, 'all methods';
    works $all, qr/introspection: the introspection endpoint knows the client/, 'introspection';
    works $all, qr/client credentials: offered/, 'client credentials';
    $op->reset;
    my $bearer = probe(secret => '', inside => "OIDCGateMethods bearer\nOIDCGateAudience api://default");
    works $bearer, qr/keys:/, 'a place for JWTs';
    unlike $bearer->{said}, qr/authentication|PKCE|introspection/, 'needs no more';
    calls_are $op, 'D1 J1';
    my $other = "\n<Location /other>\nAuthType OIDCGate\nRequire valid-user\n</Location>";
    my (undef, $said) = config_output(app() . $other, '-D', 'OIDC_GATE_PROBE');
    my @asked = $said =~ /^http.*client c-web/mg;
    is scalar @asked, 1, 'two places of one client are asked about once';
    (undef, $said) = config_output('', '-D', 'OIDC_GATE_PROBE');
    like $said, qr/Nothing is guarded/, 'and no place about nothing';
};

row 'a provider that does not know the client' => sub {
    fails probe(secret => 'OIDCGateClientSecret wr0ng-s3cret'), qr/client authentication: .*invalid_client/, 'with that secret';
    fails probe(id => 'OIDCGateClientID nobody'), qr/client authentication: .*invalid_client/, 'with that id';
    fails probe(secret => 'OIDCGateClientSecret wr0ng-s3cret', inside => 'OIDCGateMethods introspection'),
        qr/introspection: /, 'at the introspection endpoint';
    $op->set(auth_methods => ['private_key_jwt_of_tomorrow']);
    fails probe(), qr/client authentication: idp_unsuitable/, 'in no way that the gate has';
    $op->set(auth_methods => [qw(client_secret_basic client_secret_post)]);
};

row 'a provider whose answers cannot be used' => sub {
    $op->lie(discovery => set => { issuer => 'https://evil.example' });
    fails probe(), qr/discovery: idp_unsuitable/, 'another issuer';
    $op->fault(discovery => status => 500);
    fails probe(), qr/discovery: idp_error/, 'none';
    $op->honest;
    $op->fault(jwks => status => 404);
    fails probe(), qr/keys: idp_error: status 404/, 'no keys';
    $op->honest;
    $op->lie(jwks => text => '{"keys":[]}');
    fails probe(), qr/keys: none that the gate can use/, 'an empty set';
    $op->honest;
    $op->lie(discovery => set => { id_token_signing_alg_values_supported => ['HS256'] });
    fails probe(), qr/algorithms: the provider signs with none of/, 'signatures that are not accepted';
    $op->lie(discovery => set => { code_challenge_methods_supported => ['plain'] });
    fails probe(), qr/PKCE: .*not S256/, 'PKCE without S256';
    $op->lie(discovery => drop => ['code_challenge_methods_supported']);
    my $silent = probe();
    ok $silent->{fine} && $silent->{said} =~ /^  look   PKCE: /m, 'a provider that does not speak of PKCE is only to be looked at';
    $op->lie(discovery => drop => ['introspection_endpoint']);
    fails probe(inside => 'OIDCGateMethods introspection'), qr/introspection: the provider names no introspection endpoint/, 'no endpoint';
    $op->honest;
    fails probe(issuer => 'OIDCGateIssuer http://127.0.0.1:' . port('spare')), qr/discovery: idp_unreachable/, 'nobody at all';
    fails probe(more => 'OIDCGatePAR required'), qr/PAR: OIDCGatePAR required/, 'no PAR where it is required';
};

row 'the clocks of both are compared' => sub {
    my $metadata = json(get(ua(), "$issuer/.well-known/openid-configuration"));
    my $says = sub {
        my ($seconds) = @_;
        my $date = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + $seconds));
        $op->fault(discovery => status => 200, json => $metadata, headers => [['Date', $date], ['Content-Type', 'application/json']]);
        return probe(more => 'OIDCGateClockSkew 1m');
    };
    works $says->(0), qr/clocks: the provider's is \d+ s (?:ahead|behind) \(OIDCGateClockSkew 60 s\)/, 'as good as the same';
    fails $says->(600), qr/clocks: the provider's is \d+ s ahead/, 'ahead';
    fails $says->(-600), qr/clocks: the provider's is \d+ s behind/, 'behind';
};

row 'no secret is in what is said' => sub {
    my @said = map { $_->{said} } probe(), probe(secret => 'OIDCGateClientSecret s3cret-web-of-ours');
    unlike join('', @said), qr/s3cret|czNjcmV0/, 'neither as it is nor encoded';
};

row 'what a provider says is escaped' => sub {
    $op->fault(token => status => 400, json => { error => "invalid_client", error_description => "\e[31mred\nworks: all" });
    my $said = probe()->{said};
    unlike $said, qr/\e/, 'no control character';
    unlike $said, qr/^works: all/m, 'no line of its own';
};

done_testing;
