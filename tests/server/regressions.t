# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Twenty things that went wrong once in gates of this kind, one row each. Most are tested at length elsewhere; here it is
# seen at a glance that none of them comes back.
use Gate::Test;

=httpd main

<Macro Guarded $path $methods>
    <Location $path>
        AuthType OIDCGate
        OIDCGateMethods $methods
        OIDCGateAudience api://default
        Require valid-user
        ProxyPass @backend@
    </Location>
</Macro>

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLogout        redirect=https://bye.example.com/
OIDCGateHeader        X-Dept "%{claim:department}"

Use Guarded /api    bearer
Use Guarded /app    code
Use Guarded /asked  introspection
Use Guarded /read   client_credentials
Use Guarded /write  client_credentials
Use Guarded /null   client_credentials
<Location /read>
    OIDCGateGrantScope client_credentials api.read
    OIDCGateHeader     Authorization "Bearer %{access_token}"
</Location>
<Location /write>
    OIDCGateGrantScope client_credentials api.write
    OIDCGateHeader     Authorization "Bearer %{access_token}"
</Location>
<Location /null>
    OIDCGateGrantScope client_credentials api.read api.write
</Location>
<Location /asked>
    OIDCGateCache introspection=0
</Location>
<Location /other-client>
    AuthType OIDCGate
    OIDCGateMethods      introspection
    OIDCGateCache        introspection=0
    OIDCGateClientID     c-api
    OIDCGateClientSecret file:@secrets@/c-api
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /staff>
    AuthType OIDCGate
    OIDCGateUserinfo login
    Require group staff
    ProxyPass @backend@
</Location>
<Location /nested>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    Require claim realm_access.roles:admin
    ProxyPass @backend@
</Location>
<Location /one-name>
    AuthType OIDCGate
    OIDCGateClaimsFrom access_token id_token
    OIDCGateRemoteUser preferred_username
    OIDCGateHeader     X-Name "%{claim:preferred_username}"
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /denied>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    ErrorDocument 401 "own page for 401"
    ErrorDocument 403 "own page for 403"
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>
<Location /open>
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    OIDCGateOnUnauthenticated pass
    OIDCGateHeader   X-User "%{user}"
    Require all granted
    ProxyPass @backend@
</Location>
<Location /session>
    AuthType OIDCGate
    OIDCGateHeader X-Session "%{session}"
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd down

OIDCGateIssuer        @op@/late
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
Use Guarded /late-api bearer

=cut

my $op = provider();
my $backend = backend();
my @PROGRAM = basic('c-api', 's3cret');
sub token { return bearer($op->mint(user => 'alice', @_)) }

row '1 a header whose claim is missing is not the one that the caller sent' => sub {
    status_is get(ua(), '/api/x', token(), 'X-Dept' => 'admin', 'x_dept' => 'admin'), 200;
    is_deeply [$backend->got_folded('X-Dept')], [], 'there is none';
    log_like qr/stripped client header/;
};

row '2 expires_in of nothing or less is not kept for ever' => sub {
    $op->set(access_token => 'opaque');
    for my $value (0, -1) {
        $op->lie(token => set => { expires_in => $value });
        status_is get(ua(), '/read/x', @PROGRAM), 200, "expires_in $value" for 1 .. 2;
        calls_are $op, 'D<=1 T2', 'it is asked for each time';
    }
    $op->set(access_token => 'jwt');
};

row '3 a refusal shows the page of its own status' => sub {
    my $answer = get(ua(), '/denied/x', bearer($op->mint(user => 'mallory')));
    status_is $answer, 403;
    like $answer->content, qr/own page for 403/, 'of 403';
    $answer = get(ua(), '/denied/x');
    status_is $answer, 401;
    like $answer->content, qr/own page for 401/, 'of 401';
    expect_log qr/deny status=403/;
};

row '4 a provider that is down at the start is found when it is up' => sub {
    my $late = $op->tenant('late');
    $late->fault($_ => status => 503) for qw(discovery jwks);
    status_is get(ua(), url('/late-api/x', 'down'), bearer($late->mint(user => 'alice'))), 503, 'down';
    $late->fault($_) for qw(discovery jwks);
    ok until_true(sub { get(ua(), url('/late-api/x', 'down'), bearer($late->mint(user => 'alice')))->code == 200 }, 15), 'up, without a restart';
    expect_log qr/reason=idp_/;
};

row '5 times that are no numbers are refused' => sub {
    for my $claim (qw(exp nbf iat)) {
        status_is get(ua(), '/api/x', token(claims => { $claim => $_ })), 401, "$claim: $_" for 'soon', '1750000000', 'true';
    }
    upstream_is 0;
    expect_log qr/deny status=401/;
};

row '6 null, where JSON is expected, is no crash' => sub {
    status_is post(ua(), '/api/x', [], token(), 'Content-Type' => 'application/json'), 200, "a caller's body is none of the gate's";
    status_is request(ua(), POST => '/api/x', token(), 'Content-Type' => 'application/json', Content => 'null'), 200, 'whatever is in it';
    $op->lie(introspect => text => 'null');
    status_is get(ua(), '/asked/x', token()), 503, 'an answer of the provider';
    $op->lie('introspect');
    $op->lie(token => text => 'null');
    like get(ua(), '/null/x', @PROGRAM)->code, qr/^50[23]$/, 'another one';
    expect_log qr/deny status=50\d/;
};

row '7 a setting of a store is not half heeded' => sub {
    my ($fine, $said) = config_output("OIDCGateSessionStore redis://:hush-hush\@127.0.0.1:6379/3\n");
    ok !$fine, 'what this version does not have is refused';
    unlike $said, qr/hush-hush/, 'and its password not shown';
};

row '8 a token that was got for one scope is not given to another' => sub {
    status_is get(ua(), "/$_/x", @PROGRAM), 200, $_ for qw(read write read write);
    calls_are $op, 'D<=1 J<=1 T<=2';
    my @scopes = map { decoded((header_of($_, 'Authorization') // '') =~ s/^Bearer //r)->{claims}{scope} } $backend->requests;
    is_deeply \@scopes, [qw(api.read api.write api.read api.write)], 'each place its own';
};
sub header_of { my ($request, $name) = @_; return (map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $request->{headers} })[0] }

row '9 no redirect_uri goes with client credentials' => sub {
    $op->set(clients => { %{ { 'c-new' => { secret => 's3cret-new', grants => ['client_credentials'] } } } });
    get(ua(), '/read/x', basic('c-new', 's3cret-new'));
    my ($asked) = $op->requests('token');
    ok $asked, 'the provider was asked' or return;
    is_deeply [sort map { $_->[0] } @{ $asked->{form} }], [qw(grant_type scope)], 'for a grant and a scope, and nothing else';
    $op->set(clients => { 'c-web' => { secret => 's3cret-web', grants => [qw(authorization_code refresh_token)] },
                          'c-api' => { secret => 's3cret', grants => ['client_credentials'] } });
    expect_log qr/deny status=/;
};

row '10 addresses with spaces' => sub {
    my $step = login(ua(), '/app/a%20b?c=%20d+e', user => 'alice');
    status_is $step->{page}, 200;
    is $step->{page}->request->uri->path_query, '/app/a%20b?c=%20d+e', 'who signs in comes back to the same';
    config_fails "OIDCGatePath \"/a b\"\n", qr/OIDCGatePath/, "and the gate's own has none";
};

row '11 signing out without a session is no error' => sub {
    my $answer = post(ua(), '/oidc-gate/logout', []);
    ok $answer->code =~ /^(?:200|302|303)$/, 'an answer' or diag $answer->as_string;
    my $to = $answer->header('Location') // '';
    ok $to !~ m{/end_session} || $to =~ /client_id=/, 'and the provider is not asked without saying for whom';
    my $ua = ua();
    login($ua, '/app/x', user => 'alice');
    like post($ua, '/oidc-gate/logout', [])->header('Location'), qr/client_id=c-web/, 'with one it is told the client';
    ok post($ua, '/oidc-gate/logout', [])->code < 400, 'and again';
};

row '12 one claim is one value, wherever it is used' => sub {
    $op->lie(access_token => set => { preferred_username => 'alice-at' });
    my $step = login(ua(), '/one-name/x', user => 'alice');
    status_is $step->{page}, 200;
    is_deeply [$backend->got('X-Name')], ['alice-at'], 'from the first source that has it';
    log_like qr/allow .*user=alice-at /, 'as the user is';
};

row '13 a token that is bound to a key is not taken for an ordinary one' => sub {
    $op->lie(introspect => set => { cnf => { jkt => 'x' } });
    status_is get(ua(), '/asked/x', token()), 401, 'by introspection';
    status_is get(ua(), '/api/x', token(claims => { cnf => { jkt => 'x' } })), 401, 'as a JWT';
    expect_log qr/reason=pop_failed/;
};

row '14 another client has its own secret' => sub {
    status_is get(ua(), "/$_/x", token()), 200, $_ for 'asked', 'other-client';
    my @auth = map { (header_of($_, 'Authorization') // '') } $op->requests('introspect');
    is_deeply \@auth, [{ basic('c-web', 's3cret-web') }->{Authorization}, { basic('c-api', 's3cret') }->{Authorization}], 'each with its own';
};

row '15 groups that are in userinfo alone' => sub {
    $op->set(claims_in => { id_token => ['email'], access_token => [], userinfo => ['groups'] });
    status_is login(ua(), '/staff/x', user => 'alice')->{page}, 200, 'are found';
    status_is login(ua(), '/staff/x', user => 'mallory')->{page}, 403, 'and count';
    $op->set(claims_in => {});
    $op->user('alice');
    expect_log qr/deny status=403/;
};

row '16 a path into a claim' => sub {
    status_is get(ua(), '/nested/x', token()), 200, 'is followed';
    status_is get(ua(), '/nested/x', token(claims => { realm_access => $_ })), 403, 'as far as it goes'
        for { roles => ['user'] }, 'admin', [], undef, { roles => { admin => 1 } };
    expect_log qr/deny status=403/;
};

row '17 nobody is nobody, the second time too' => sub {
    status_is get(ua(), '/open/x'), 200, 'nobody' for 1 .. 3;
    is_deeply [$backend->got('X-User')], [], 'is told as nobody';
    status_is get(ua(), '/open/x', token()), 200, 'somebody in between';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'is somebody';
    $backend->reset;
    status_is get(ua(), '/open/x'), 200, 'and nobody is nobody again';
    is_deeply [$backend->got('X-User')], [], 'as before';
};

row '18 one header needs no other' => sub {
    status_is login(ua(), '/session/x', user => 'alice')->{page}, 200;
    my @names = $backend->got('X-Session');
    ok @names == 1 && length $names[0], 'the name of the session, alone';
};

row '19 a wrong issuer is named for the token that had it' => sub {
    status_is get(ua(), '/api/x', token(claims => { iss => 'https://other.example' })), 401;
    my $line = deny_line('bad_issuer');
    is $line->{method}, 'bearer', 'an access token';
    like $line->{detail}, qr{https://other\.example}, 'and whose it is';
    $op->lie(id_token => set => { iss => 'https://wrong.example' });
    my $step = login(ua(), '/app/y', user => 'alice');
    cmp_ok $step->{callback}->code, '>=', 400, 'an ID token';
    like deny_line('bad_issuer')->{detail}, qr{https://wrong\.example}, 'its own issuer';
};

row '20 credentials of one thing are not those of another' => sub {
    my $of = sub { "OIDCGateIssuer https://id.example.com/\nOIDCGateClientID web\nOIDCGateClientSecret s3cret-one\n$_[0]" };
    config_fails $of->("<Location /a>\nAuthType OIDCGate\nOIDCGateClientID other\nRequire valid-user\n</Location>\n"),
        qr/OIDCGateClientSecret is missing: OIDCGateClientID other/, 'a secret goes with its client';
    config_fails $of->("<Location /a>\nAuthType OIDCGate\nOIDCGateIssuer https://two.example.com/\nRequire valid-user\n</Location>\n"),
        qr/OIDCGateClientID is missing/, 'and a client with its issuer';
};

done_testing;
