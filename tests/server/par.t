# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# OIDCGatePAR (RFC 9126; requirements.md PAR-1): what the provider is asked for, the gate tells it
# itself, and the browser only names it.
use Gate::Test;

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Macro Guarded $name $lines>
    <Location /$name>
        AuthType OIDCGate
        OIDCGateIssuer @op@/$name
        $lines
        Require valid-user
        ProxyPass @backend@
    </Location>
</Macro>
Use Guarded auto      "AuthName by-default"
Use Guarded plain     "AuthName by-default"
Use Guarded off       "OIDCGatePAR Off"
Use Guarded required  "OIDCGatePAR required"
Use Guarded nowhere   "OIDCGatePAR required"
Use Guarded wanting   "AuthName by-default"
Use Guarded denying   "OIDCGatePAR Off"
Use Guarded posting   "OIDCGateClientAuth client_secret_post"
Use Guarded down      "AuthName by-default"
Use Guarded few       "OIDCGateLimit address=2 total=100"
Use Guarded none      "OIDCGateLimit address=2 total=100"
<Location /none>
    OIDCGatePAR required
</Location>
<Location /named>
    AuthType OIDCGate
    OIDCGateIssuer @op@/named
    OIDCGateEndpoint par @op@/auto/par
    Require valid-user
</Location>

=cut

my $op = provider();
my $backend = backend();
my %at = map { $_ => $op->tenant($_, par => 1) } qw(auto off required wanting denying posting down few none);
$at{$_} = $op->tenant($_) for qw(plain nowhere named);

sub asked { my ($answer) = @_; return { URI->new($answer->header('Location') // '')->query_form } }

sub wants_it { $_->lie(discovery => set => { require_pushed_authorization_requests => JSON::PP::true }) for @_; return }

row 'where the provider takes it, the request is pushed, and the browser names it' => sub {
    my $ua = ua();
    my $start = start_login($ua, '/auto/x?a=1');
    status_is $start, 302;
    redirects_to $start, qr/^\Q@{[$at{auto}->issuer]}\E\/authorize\?/;
    is_deeply [sort keys %{ asked($start) }], [qw(client_id request_uri)], 'with these parameters alone';
    is asked($start)->{client_id}, 'c-web';
    like asked($start)->{request_uri}, qr/^urn:ietf:params:oauth:request_uri:/;
    my ($pushed) = $at{auto}->requests('par');
    is $pushed->{auth}, 'client_secret_basic', 'the client authenticates';
    my %form = map { @$_ } @{ $pushed->{form} };
    is_deeply [sort keys %form], [sort qw(response_type client_id redirect_uri scope state nonce code_challenge code_challenge_method)],
        'what is pushed is the whole request';
    is_deeply [@form{qw(response_type client_id scope redirect_uri)}], ['code', 'c-web', 'openid', url('/oidc-gate/callback')];
    calls_are $at{auto}, 'D1 P1';
    my $callback = call_back($ua, at_provider($ua, $start));
    redirects_to $callback, qr{/auto/x\?a=1$}, 'she signs in';
    is $at{auto}->form(token => 'redirect_uri'), $form{redirect_uri}, 'the same redirect address';
    status_is follow($ua, $callback), 200;
    calls_are $at{auto}, 'T1 J1', 'and pushes nothing any more';
};

row 'each login is pushed anew' => sub {
    my @names = map { asked(start_login(ua(), '/auto/x'))->{request_uri} } 1 .. 2;
    isnt $names[0], $names[1];
    calls_are $at{auto}, 'P2';
};

row 'where it does not, or it is switched off, the browser carries the request' => sub {
    for my $name (qw(plain off)) {
        my $step = login(ua(), "/$name/x");
        like $step->{start}->header('Location'), qr/[?&]code_challenge=/, $name;
        status_is $step->{page}, 200;
        is $at{$name}->calls('P'), 0, 'nothing is pushed';
    }
};

row 'required is required' => sub {
    status_is login(ua(), '/required/x')->{page}, 200;
    is $at{required}->calls('P'), 1;
    $backend->reset;
    denied browse(ua(), '/nowhere/x'), 502;
    log_like qr/reason=idp_unsuitable .*OIDCGateEndpoint par/;
};

row 'what the provider wants is done, or it is said that it cannot be' => sub {
    wants_it(@at{qw(wanting denying)});
    status_is login(ua(), '/wanting/x')->{page}, 200;
    is $at{wanting}->calls('P'), 1;
    $backend->reset;
    denied browse(ua(), '/denying/x'), 502;
    log_like qr/reason=idp_unsuitable .*OIDCGatePAR is Off/;
};

row 'a client that authenticates in the form is named in it once' => sub {
    my $start = start_login(ua(), '/posting/x');
    like $start->header('Location'), qr/request_uri=/;
    my ($pushed) = $at{posting}->requests('par');
    is scalar(grep { $_->[0] eq 'client_id' } @{ $pushed->{form} }), 1;
    is $pushed->{auth}, 'client_secret_post';
    unlike $start->header('Location'), qr/secret/;
};

row 'an endpoint that only the configuration names' => sub {
    like browse(ua(), '/named/x')->header('Location'), qr/request_uri=/;
    is $at{auto}->calls('P'), 1;
};

row 'a provider that is away, or answers wrongly: nobody is sent there, and nobody signs in' => sub {
    my %trouble = (500 => 503, 429 => 503, 200 => 503, 302 => 503, 400 => 502, 401 => 502);
    for my $status (sort keys %trouble) {
        $at{auto}->fault(par => status => $status, json => { error => 'x', request_uri => 'urn:x:1', expires_in => 60 });
        my $answer = browse(ua(), '/auto/x');
        denied $answer, $trouble{$status}, "its $status is $trouble{$status}";
        ok !$answer->header('Set-Cookie'), 'no login is begun';
        $at{auto}->honest;
    }
    for my $lie ({ drop => ['request_uri'] }, { set => { request_uri => "urn:x\r\nSet-Cookie: a=b" } }, { drop => ['expires_in'] },
                 { set => { expires_in => 0 } }, { text => 'no JSON' }, { twice => { request_uri => 'urn:y:1' } }) {
        $at{auto}->lie(par => %$lie);
        denied browse(ua(), '/auto/x'), 503;
        $at{auto}->honest;
    }
    expect_log qr/reason=(?:idp_error|idp_rejected_gateway)/;
    $at{down}->fault(par => hang => 1);
    my $hung = browse(ua(), '/down/x');
    denied $hung, 503;
    ok $hung->header('Retry-After'), 'with Retry-After';
    expect_log qr/reason=idp_timeout/;
};

row 'who opens many pages makes the gate push no more than half of what strangers may cause' => sub {
    # Both requests of one address within one second, whenever a second begins: of twenty at once, most are in the same.
    my @starts = parallel(20, sub { browse(ua(), '/few/x')->header('Location') });
    is scalar(grep { m{/few/authorize\?} } @starts), 20, 'all are sent to sign in';
    my $pushed = grep { /request_uri=/ } @starts;
    is $at{few}->calls('P'), $pushed, 'those that name a request have pushed it';
    cmp_ok $pushed, '<', 20, 'others carry theirs';
    my @refused = parallel(20, sub { my $r = browse(ua(), '/none/x'); [$r->code, $r->header('Retry-After')] });
    is scalar(grep { $_->[0] == 302 } @refused), $at{none}->calls('P'), 'where it is required, there is no other way';
    my @told = grep { $_->[0] == 429 } @refused;
    is scalar(@told) + $at{none}->calls('P'), 20, 'the others are 429';
    is scalar(grep { $_->[1] } @told), scalar @told, 'with Retry-After';
    expect_log qr/reason=rate_limited/;
};

row 'without discovery it is known beforehand' => sub {
    my $with = sub { my ($more) = @_; return <<"CONF" };
OIDCGateIssuer http://127.0.0.1:1
OIDCGateClientID x
OIDCGateClientSecret y
OIDCGateDiscovery Off
OIDCGateEndpoint authorization http://127.0.0.1:1/a
OIDCGateEndpoint token http://127.0.0.1:1/t
OIDCGateEndpoint jwks http://127.0.0.1:1/j
$more
<Location /x>
    AuthType OIDCGate
    Require valid-user
</Location>
CONF
    config_ok $with->('');
    config_fails $with->('OIDCGatePAR required'), qr/OIDCGateEndpoint par/;
    config_ok $with->("OIDCGatePAR required\nOIDCGateEndpoint par http://127.0.0.1:1/p");
};

Test::More::done_testing();
