# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# The modules of the OpenID Foundation's public test plans for relying parties, each as a row of its
# name: Basic, Config, Form Post (that is Basic once more, and an error), RP-Initiated, Back-Channel and
# Front-Channel Logout, Third-Party-Initiated Login, and refresh tokens. The provider does what the
# module's does, and the gate is to do what the module wants of a client. A client that rejects an ID
# token is to ask for nothing afterwards: neither userinfo nor a page.
use Gate::Test;

use Time::HiRes qw(sleep time);

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Macro Party $name>
    <Location /$name>
        AuthType OIDCGate
        OIDCGateIssuer   @op@/$name
        OIDCGateScope    openid profile email
        OIDCGateUserinfo login
        OIDCGateHeader   X-User  "%{claim:sub}"
        OIDCGateHeader   X-Name  "%{claim:name}" encode=percent
        OIDCGateHeader   X-Email "%{claim:email}"
        OIDCGateHeader   X-Sid   "%{claim:sid}"
        OIDCGateHeader   X-Token "%{access_token}"
        Require valid-user
        ProxyPass @backend@
    </Location>
</Macro>
Use Party basic
Use Party posted
<Location /posted>
    OIDCGateResponseMode form_post
</Location>
<Location /posted/prompt>
    OIDCGateAuthorizationParam prompt none
    OIDCGateAuthorizationParam max_age 0
</Location>
Use Party config
Use Party keys
Use Party mismatch
Use Party native
Use Party rotating
Use Party logout
Use Party refresh

=cut

my $op = provider();
my $backend = backend();

# Plan => modules, as the suite has them.
my @BASIC = map { "oidcc-client-test$_" } ('', qw(
    -invalid-iss -missing-sub -invalid-aud -missing-iat -kid-absent-single-jwks -kid-absent-multiple-jwks
    -idtoken-sig-rs256 -idtoken-sig-none -invalid-sig-rs256 -userinfo-invalid-sub -nonce-invalid
    -scope-userinfo-claims -client-secret-basic));
my $BACK = 'oidcc-client-test-rp-backchannel-rpinitlogout';
my %PLAN = (
    'Basic RP' => \@BASIC,
    'Form Post Basic RP' => [@BASIC, 'oidcc-client-test-form-post-error'],
    'Config RP' => [map { "oidcc-client-test-$_" } qw(discovery-openid-config discovery-jwks-uri-keys
        discovery-issuer-mismatch idtoken-sig-none signing-key-rotation-just-before-signing signing-key-rotation)],
    'RP-Initiated Logout RP' => [map { "oidcc-client-test-rp-init-logout$_" } '', '-other-state', '-no-state'],
    'Back-Channel Logout RP' => [$BACK, map { "$BACK-$_" }
        qw(alg-none no-event with-nonce wrong-alg wrong-aud wrong-event wrong-iss)],
    'Front-Channel Logout RP' => [map { "oidcc-client-test-rp-frontchannel-$_" } qw(rpinitlogout opinitlogout)],
    'Third-Party-Initiated Login RP' => ['oidcc-client-test-3rd-party-init-login'],
    'Refresh Token RP' => ['oidcc-client-test-refresh-token',
        map { "oidcc-client-test-refresh-token-invalid-$_" } qw(issuer sub)],
);
my %done;

# A module of a plan, with that provider, which is honest when it begins.
sub module {
    my ($plan, $name, $provider, $code) = @_;
    $done{$plan}{$name} = 1;
    $provider->honest->reset;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return row "$plan: $name" => sub { $code->(); $provider->honest };
}

# --- Basic, and Form Post ---

sub accepted {
    my ($path) = @_;
    my $page = login(ua(), $path)->{page};
    status_is $page, 200, 'the client takes it';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'and knows who it is';
    return $page;
}

sub rejected {
    my ($path, $provider, $reason) = @_;
    my $ua = ua();
    my $answer = call_back($ua, at_provider($ua, start_login($ua, $path)));
    denied $answer, 401, 'the client rejects it';
    ok !has_gate_session($ua), 'nobody is signed in';
    log_like qr/reason=$reason\b/, "and says why: $reason";
    return $provider->calls('U');
}

# name => [lie, the reason for rejecting it]; without a reason it is to be taken.
my %ID_TOKEN = (
    '-invalid-iss' => [{ set => { iss => 'https://issuer.example/1' } }, 'bad_issuer'],
    '-missing-sub' => [{ drop => ['sub'] }, 'bad_claim'],
    '-invalid-aud' => [{ set => { aud => 'invalid' } }, 'bad_audience'],
    '-missing-iat' => [{ drop => ['iat'] }, 'bad_claim'],
    '-idtoken-sig-none' => [{ alg => 'none' }, 'bad_alg'],
    '-invalid-sig-rs256' => [{ signature => 'flipped' }, 'bad_signature'],
    '-nonce-invalid' => [{ set => { nonce => '1' } }, 'nonce_mismatch'],
);

sub basic_plan {
    my ($plan, $path, $provider) = @_;
    my $name = sub { return "oidcc-client-test$_[0]" };
    module $plan, $name->(''), $provider, sub {
        accepted("$path/x");
        my ($token) = (($provider->requests('userinfo'))[-1] // {})->{headers};
        like [grep { lc $_->[0] eq 'authorization' } @{ $token // [] }]->[0][1] // '', qr/^Bearer \S+$/, 'userinfo is asked with the token in the header';
        calls_are $provider, 'D<=1 T1 J<=1 U1';
    };
    for my $what (sort keys %ID_TOKEN) {
        my ($lie, $reason) = @{ $ID_TOKEN{$what} };
        module $plan, $name->($what), $provider, sub {
            $provider->lie(id_token => %$lie);
            is rejected("$path/x", $provider, $reason), 0, 'userinfo is not asked';
        };
    }
    for my $case (['-kid-absent-single-jwks', ['rsa1']], ['-kid-absent-multiple-jwks', [qw(rsa3 rsa2 rsa1)]]) {
        my ($what, $keys) = @$case;
        module $plan, $name->($what), $provider, sub {
            $provider->set(keys => $keys);
            $provider->lie(id_token => drop_header => ['kid']);
            accepted("$path/x");
            $provider->set(keys => [qw(rsa1 ec256)]);
        };
    }
    module $plan, $name->('-idtoken-sig-rs256'), $provider, sub {
        $provider->set(alg => 'RS256');
        accepted("$path/x");
    };
    module $plan, $name->('-userinfo-invalid-sub'), $provider, sub {
        $provider->lie(userinfo => set => { sub => 'alice-sub-invalid' });
        is rejected("$path/x", $provider, 'subject_mismatch'), 1, 'after one look at userinfo';
    };
    module $plan, $name->('-scope-userinfo-claims'), $provider, sub {
        $provider->set(claims_in => { id_token => [], access_token => [] });
        accepted("$path/x");
        like [$provider->requests('authorize')]->[-1]{query}, qr/scope=openid(?:\+|%20)profile(?:\+|%20)email/, 'the scopes are asked for';
        is_deeply [map { $backend->got($_) } qw(X-Name X-Email)], ['Alice%20Li%C3%B8nn%20%E6%9D%8E', 'alice@example.org'],
            'and the claims of userinfo are used';
        $provider->set(claims_in => {});
    };
    module $plan, $name->('-client-secret-basic'), $provider, sub {
        $provider->set(auth_methods => ['client_secret_basic']);
        accepted("$path/x");
        is [$provider->requests('token')]->[-1]{auth}, 'client_secret_basic', 'the client authenticates so';
    };
    return;
}

basic_plan('Basic RP', '/basic', $op->tenant('basic'));
my $posted = $op->tenant('posted');
basic_plan('Form Post Basic RP', '/posted', $posted);
module 'Form Post Basic RP', 'oidcc-client-test-form-post-error', $posted, sub {
    $posted->lie(authorize => error => 'login_required');
    my $ua = ua();
    my $start = start_login($ua, '/posted/prompt/x');
    my %asked = URI->new($start->header('Location'))->query_form;
    is_deeply [@asked{qw(response_mode max_age prompt)}], ['form_post', 0, 'none'], 'what cannot be granted is asked for';
    my $page = call_back($ua, at_provider($ua, $start));
    denied $page, 401, 'an error page';
    ok !has_gate_session($ua), 'nobody is signed in';
    log_like qr/reason=login_required/;
};

# --- Config ---

my $config = $op->tenant('config');
module 'Config RP', 'oidcc-client-test-discovery-openid-config', $config, sub {
    accepted('/config/x');
    calls_are $config, 'D1 J1 T1 U1', 'the configuration is retrieved and used';
};
module 'Config RP', 'oidcc-client-test-idtoken-sig-none', $config, sub {
    $config->lie(id_token => alg => 'none');
    rejected('/config/x', $config, 'bad_alg');
};
my $keys = $op->tenant('keys');
module 'Config RP', 'oidcc-client-test-discovery-jwks-uri-keys', $keys, sub {
    $keys->set(keys => ['rsa2', 'rsa1']);
    accepted('/keys/x');
    calls_are $keys, 'D1 J1 T1 U1', 'the keys are those of the jwks_uri that the configuration names';
};
my $mismatch = $op->tenant('mismatch');
module 'Config RP', 'oidcc-client-test-discovery-issuer-mismatch', $mismatch, sub {
    $mismatch->lie(discovery => set => { issuer => $mismatch->issuer . '/INVALID' });
    denied browse(ua(), '/mismatch/x'), 502, 'the client goes no further';
    log_like qr/reason=idp_unsuitable.*issuer is /;
    calls_are $mismatch, 'D1';
};
my $native = $op->tenant('native');
module 'Config RP', 'oidcc-client-test-signing-key-rotation-just-before-signing', $native, sub {
    my $ua = ua();
    accepted('/native/x');
    my $answer = at_provider($ua, start_login($ua, '/native/x'));
    $native->rotate;
    status_is follow($ua, call_back($ua, $answer)), 200, 'keys that are new when the token is signed are fetched';
    is $native->calls('J'), 2, 'twice in all';
};
my $rotating = $op->tenant('rotating');
module 'Config RP', 'oidcc-client-test-signing-key-rotation', $rotating, sub {
    accepted('/rotating/x');
    $rotating->rotate;
    accepted('/rotating/x');
    is $rotating->calls('J'), 2, 'the keys were fetched again';
};

# --- Logout ---

my $logout = $op->tenant('logout');
sub next_second { sleep 1.02 - (time - int time); return }
sub signed_in {
    my $ua = ua();
    next_second();      # what is ended, is ended with its second
    status_is login($ua, '/logout/x')->{page}, 200, 'signed in';
    my ($sid) = $backend->got('X-Sid');
    return ($ua, $sid);
}
sub is_in { my ($ua) = @_; return get($ua, '/logout/x')->code == 200 }

# RP-initiated: here, at the provider, and back with what `back` makes of the address.
sub leave {
    my ($ua, $back) = @_;
    my $answer = post($ua, '/oidc-gate/logout', [redirect => '/oidc-gate/logout', state => 'a-state']);
    redirects_to $answer, qr/^\Q@{[$logout->issuer]}\E\/end_session\?/, 'to the end_session_endpoint';
    my %asked = URI->new($answer->header('Location'))->query_form;
    ok $asked{id_token_hint} && $asked{post_logout_redirect_uri}, 'with a hint, and the address to come back to';
    ok !has_gate_session($ua), 'the session here is over';
    my $there = browse($ua, $answer->header('Location'));
    redirects_to $there, url('/oidc-gate/logout?state=a-state'), 'the provider sends back';
    my $page = browse($ua, $back ? $back->($there->header('Location')) : $there->header('Location'));
    status_is $page, 200, 'a page says that it is done';
    return;
}

my %BACK_TO = ('' => undef, '-other-state' => sub { return "$_[0]-wrong" }, '-no-state' => sub { return $_[0] =~ s/\?.*//r });
for my $how ('', '-other-state', '-no-state') {
    module 'RP-Initiated Logout RP', "oidcc-client-test-rp-init-logout$how", $logout, sub {
        my ($ua) = signed_in();
        leave($ua, $BACK_TO{$how});
        ok !is_in($ua), 'signed out';
        expect_log qr/reason=no_credential/;
    };
}

my %LOGOUT_TOKEN = (
    '' => [{}],
    '-alg-none' => [{ alg => 'none' }, 'bad_alg|malformed_token'],
    '-no-event' => [{ drop => ['events'] }, 'wrong_kind|bad_claim'],
    '-with-nonce' => [{ claims => { nonce => 'a-nonce' } }, 'wrong_kind|bad_claim'],
    '-wrong-alg' => [{ alg => 'HS256', key => 'secret:s3cret-web' }, 'bad_alg'],
    '-wrong-aud' => [{ claims => { aud => 'wrong-audience' } }, 'bad_audience'],
    '-wrong-event' => [{ claims => { events => { 'http://schemas.openid.net/event/wrong' => {} } } }, 'wrong_kind|bad_claim'],
    '-wrong-iss' => [{ claims => { iss => 'https://wrong.example/' } }, 'bad_issuer'],
);
for my $how (sort keys %LOGOUT_TOKEN) {
    module 'Back-Channel Logout RP', "$BACK$how", $logout, sub {
        my ($want, $reason) = @{ $LOGOUT_TOKEN{$how} };
        my ($ua, $sid) = signed_in();
        my %claims = (sid => $sid, %{ $want->{claims} // {} });
        my $token = $logout->mint(kind => 'logout', client => 'c-web', user => 'alice', %$want, claims => \%claims);
        my $answer = post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $token]);
        status_is $answer, $reason ? 400 : 200;
        like $answer->header('Cache-Control'), qr/no-store/, 'Cache-Control: no-store';
        log_like qr/reason=(?:$reason)\b/ if $reason;
        is is_in($ua), $reason ? 1 : '', $reason ? 'she is still signed in' : 'she is signed out';
        leave($ua) if $reason;
        expect_log qr/reason=(?:session_expired|no_credential)/;
    };
}

sub frame {
    my ($ua, $sid) = @_;
    my $uri = URI->new('/oidc-gate/frontchannel-logout');
    $uri->query_form(iss => $logout->issuer, sid => $sid);
    return get($ua, "$uri");
}
module 'Front-Channel Logout RP', 'oidcc-client-test-rp-frontchannel-rpinitlogout', $logout, sub {
    my ($ua, $sid) = signed_in();
    leave($ua);
    status_is frame($ua, $sid), 200, 'the frame that the provider then shows';
    ok !is_in($ua), 'signed out';
    expect_log qr/reason=(?:session_expired|no_credential)/;
};
module 'Front-Channel Logout RP', 'oidcc-client-test-rp-frontchannel-opinitlogout', $logout, sub {
    my ($ua, $sid) = signed_in();
    status_is frame($ua, $sid), 200, 'the frame in the page of the provider';
    ok !is_in($ua), 'signed out';
    expect_log qr/reason=(?:session_expired|no_credential)/;
};

# --- Third-party-initiated login ---

module 'Third-Party-Initiated Login RP', 'oidcc-client-test-3rd-party-init-login', $logout, sub {
    my $ua = ua();
    my $uri = URI->new('/oidc-gate/login');
    $uri->query_form(iss => $logout->issuer, target_link_uri => url('/logout/x'));
    my $start = browse($ua, "$uri", 'Sec-Fetch-Site' => 'cross-site');
    redirects_to $start, qr/^\Q@{[$logout->issuer]}\E\/authorize\?/, 'the user is sent on to the authorization endpoint';
    status_is follow($ua, call_back($ua, at_provider($ua, $start))), 200, 'and the usual way completes';
};

# --- Refresh tokens ---

my $refresh = $op->tenant('refresh');
my %renewed = (
    '' => [{}, 200],
    '-invalid-issuer' => [{ set => { iss => 'https://issuer.example/' } }, 401],
    '-invalid-sub' => [{ set => { sub => 'mallory-sub' } }, 401],
);
my %ua = map { $_ => ua() } keys %renewed;
my %first;
row 'Refresh Token RP: three sign in, whose tokens end soon' => sub {
    $refresh->set(lifetime => 2);
    for my $how (sort keys %ua) {
        status_is login($ua{$how}, '/refresh/x')->{page}, 200;
        ($first{$how}) = $backend->got('X-Token');
    }
    $refresh->set(lifetime => 300);
    sleep 2.2;
};
for my $how (sort keys %renewed) {
    module 'Refresh Token RP', "oidcc-client-test-refresh-token$how", $refresh, sub {
        my ($lie, $status) = @{ $renewed{$how} };
        $refresh->lie(id_token => %$lie) if %$lie;
        my $page = get($ua{$how}, '/refresh/x');
        is $refresh->calls('T:refresh_token'), 1, 'the refresh token is used';
        if ($status == 200) {
            status_is $page, 200;
            isnt [$backend->got('X-Token')]->[0], $first{$how}, 'the new access token goes to the backend';
            is $refresh->calls('U'), 1, 'and was used to ask for userinfo';
        } else {
            denied $page, 401, 'the client notices';
            expect_log qr/reason=refresh_failed/;
        }
    };
}

row 'every module of these plans has had its row' => sub {
    is_deeply [sort keys %{ $done{$_} }], [sort @{ $PLAN{$_} }], "$_: " . @{ $PLAN{$_} } for sort keys %PLAN;
};

done_testing;
