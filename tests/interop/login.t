# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# tests/run tests/interop/login.t, after tests/interop/setup: people and programs at a provider that
# is not ours. What the server tests show with a provider that we wrote must hold with one that we
# did not.
use Gate::Test;

use Gate::RealOP ();

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email
OIDCGateLogout        redirect=@base@/public/page.txt

<Location /app>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    OIDCGateHeader X-User   "%{claim:preferred_username}"
    OIDCGateHeader X-Groups "%{claim:groups}" join=,
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

<Location /any>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:preferred_username}"
    ProxyPass @backend@
</Location>

<Location /posted>
    AuthType OIDCGate
    OIDCGateResponseMode form_post
    OIDCGatePAR required
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /service>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    OIDCGateGrantScope client_credentials api.read
    OIDCGateAudience api://default
    OIDCGateHeader Authorization "Bearer %{access_token}"
    OIDCGateHeader Issuer_Header "%{claim:iss}"
    ProxyPass @backend@
</Location>

<Location /introspected>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateClientID c-api
    OIDCGateClientSecret file:@secrets@/c-api
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

<Location /asked-each-time>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateIntrospect all
    OIDCGateClientID c-api
    OIDCGateClientSecret file:@secrets@/c-api
    OIDCGateCache introspection=0
    ProxyPass @backend@
</Location>

<Location /jwt>
    AuthType OIDCGate
    Require scope api.read
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    ProxyPass @backend@
</Location>

=cut

my $provider = Gate::RealOP->start(redirectUris => [url('/oidc-gate/callback')], postLogoutRedirectUris => [url('/public/page.txt')],
                                   backchannelLogoutUri => url('/oidc-gate/backchannel-logout'));
my $issuer = $provider->issuer;
my $backend = backend();

# Goes on from an answer as a person would: follows what redirects, fills in what asks for a name,
# presses the first button. Ends at the first answer that comes from our own server, and returns it.
sub walk {
    my ($ua, $answer, $name) = @_;
    for (1 .. 12) {
        return $answer if $answer->request->uri !~ /^\Q$issuer\E/ && !$answer->is_redirect;
        if ($answer->is_redirect) { $answer = follow($ua, $answer); next }
        my ($form) = $answer->content =~ m{(<form.*?</form>)}s or return $answer;
        my ($action) = $form =~ /action="([^"]*)"/;
        my ($button) = $answer->content =~ /(<button[^>]*>)/;
        my @pairs = map { my ($field) = /name="([^"]*)"/; my ($value) = /value="([^"]*)"/; defined $field ? ($field => $value // '') : () }
                    $form =~ /<input[^>]*>/g, $button // ();
        my %fill = (login => $name, password => 'any');
        $pairs[$_ * 2 + 1] = $fill{ $pairs[$_ * 2] } // $pairs[$_ * 2 + 1] for 0 .. @pairs / 2 - 1;
        my $where = URI->new_abs(($action // '') =~ s/&amp;/&/gr, $answer->request->uri);
        $answer = post($ua, "$where", \@pairs, Accept => 'text/html');
    }
    die "walking in circles\n";
}
sub sign_in { my ($ua, $path, $name) = @_; return walk($ua, browse($ua, $path), $name) }

my $alice = ua();

row 'alice signs in and lands on the page that she asked for' => sub {
    my $page = sign_in($alice, '/app/x?a=1&b=%20', 'alice');
    status_is $page, 200;
    is $page->request->uri, url('/app/x?a=1&b=%20'), 'that very page';
    is $backend->last->{target}, '/x?a=1&b=%20', 'the backend sees it so';
    is_deeply [$backend->got('X-User')], ['alice'], 'who it is';
    is_deeply [$backend->got('X-Groups')], ['staff,ops'], 'groups';
    like +($backend->got('Authorization'))[0], qr/^Bearer \S+$/, 'the access token';
    unlike +($backend->got('Cookie'))[0] // '', qr/oidc-gate/, 'the session cookie stays here';
    upstream_is 1;
};

row 'what is asked for is pushed, and the answer may be posted' => sub {
    my $start = browse(ua(), '/app/x');
    is_deeply [sort keys %{ { URI->new($start->header('Location'))->query_form } }], [qw(client_id request_uri)], 'the request is named';
    my $page = sign_in(ua(), '/posted/x?a=1', 'alice');
    status_is $page, 200;
    is $page->request->uri, url('/posted/x?a=1'), 'the page that was asked for';
    upstream_is 1;
};

row 'she stays signed in' => sub {
    status_is browse($alice, '/app/y'), 200;
    status_is browse($alice, '/any'), 200, 'at another place too';
    upstream_is 2;
};

row 'her access token is known to introspection' => sub {
    browse($alice, '/app/token');
    my ($token) = map { s/^Bearer //r } $backend->got('Authorization');
    status_is get(ua(), '/introspected', bearer($token)), 200;
    is_deeply [$backend->got('X-User')], ['alice'], 'and says who she is';
    $backend->reset;
    denied get(ua(), '/introspected', bearer('x' . $token)), 401, 'another token is not';
    is deny_line()->{reason}, 'token_inactive', 'the log says so';
};

row 'bob is known and may not: 403, and he stays signed in' => sub {
    my $bob = ua();
    denied sign_in($bob, '/app/x', 'bob'), 403;
    is deny_line('claim_mismatch')->{status}, 403, 'the log says why';
    status_is browse($bob, '/any'), 200, 'where everybody may, he may';
    is_deeply [$backend->got('X-User')], ['bob'], 'as himself';
};

row 'a program comes with its id and secret' => sub {
    status_is get(ua(), '/service/x', basic('c-api', 's3cret')), 200;
    like +($backend->got('Authorization'))[0], qr/^Bearer ey/, 'the backend gets a token, not the secret';
    is_deeply [$backend->got('Issuer_Header')], [$issuer], 'and what is in it';
    my ($token) = map { s/^Bearer //r } $backend->got('Authorization');
    status_is get(ua(), '/jwt/x', bearer($token)), 200, 'that token is a good bearer token itself';
    $backend->reset;
    denied get(ua(), '/service/x', basic('c-api', 'wrong')), 401, 'a wrong secret';
    is deny_line('invalid_client')->{status}, 401, 'the log says so';
    denied get(ua(), '/jwt/x', bearer($token =~ s/.\z/$& eq 'A' ? 'B' : 'A'/er)), 401, 'a token with another signature';
    expect_log qr/deny status=401/;
};

sub opaque_token {
    my $answer = post(ua(), "$issuer/token", [grant_type => 'client_credentials', scope => 'api.read'], basic('c-app', 's3cret'));
    return json($answer)->{access_token};
}

row 'a token that is revoked at the provider is refused on the next request' => sub {
    my $token = opaque_token();
    status_is get(ua(), '/asked-each-time/x', bearer($token)), 200;
    status_is post(ua(), "$issuer/token/revocation", [token => $token], basic('c-app', 's3cret')), 200, 'it is revoked';
    $backend->reset;
    denied get(ua(), '/asked-each-time/x', bearer($token)), 401;
    is deny_line('token_inactive')->{status}, 401, 'the log says so';
};

row 'so is one of an application that is switched off, until it is switched on again' => sub {
    my $token = opaque_token();
    status_is get(ua(), '/asked-each-time/x', bearer($token)), 200;
    status_is post(ua(), "$issuer/demo/deactivate", [client => 'c-app']), 200, 'it is switched off';
    $backend->reset;
    denied get(ua(), '/asked-each-time/x', bearer($token)), 401;
    status_is post(ua(), "$issuer/demo/activate", [client => 'c-app']), 200, 'and on again';
    status_is get(ua(), '/asked-each-time/x', bearer($token)), 200, 'it is good again';
};

row 'a JWT that this provider does not introspect is refused, which the administrator hears of' => sub {
    status_is get(ua(), '/service/x', basic('c-api', 's3cret')), 200;
    my ($token) = map { s/^Bearer //r } $backend->got('Authorization');
    $backend->reset;
    denied get(ua(), '/asked-each-time/x', bearer($token)), 401;
    is deny_line('idp_rejected_gateway')->{status}, 401, 'as an error of the provider towards the gate';
};

row 'who signs out at the provider is signed out here: it says so by the back channel' => sub {
    my $bob = ua();
    sign_in($bob, '/any', 'bob');
    status_is browse($bob, '/any'), 200, 'signed in';
    my $asks = browse($bob, "$issuer/session/end");
    my $done = walk($bob, $asks);
    ok until_true(sub { browse($bob, '/any')->code != 200 }), 'the session has ended';
    log_like qr/logout status=200 .*as the provider asked/, 'the log says why';
    status_is browse($alice, '/any'), 200, 'nobody else is';
    expect_log qr/reason=session_expired/;
};

row 'alice signs out, here and at the provider' => sub {
    my $page = walk($alice, post($alice, '/oidc-gate/logout', [], 'Sec-Fetch-Site' => 'same-origin'));
    is $page->request->uri =~ s/\?.*//r, url('/public/page.txt'), 'she comes back to where she was promised';
    redirects_to browse($alice, '/app/x'), qr/^\Q$issuer\E/, 'here she is nobody';
    my $asked = follow($alice, browse($alice, '/app/x'));
    $asked = follow($alice, $asked) while $asked->is_redirect && $asked->header('Location') !~ /oidc-gate/;
    like $asked->content, qr/name="login"/, 'and the provider asks again who she is';
};

done_testing;
