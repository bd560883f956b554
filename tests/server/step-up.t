# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Step-up: rules about how, and how recently, somebody signed in (RFC 9470).
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /gold>
    AuthType OIDCGate
    Require acr gold
    ProxyPass @backend@
</Location>

<Location /fresh>
    AuthType OIDCGate
    Require auth-age 5m
    ProxyPass @backend@
</Location>

<Location /vault>
    AuthType OIDCGate
    OIDCGateAuthorizationParam acr_values bronze
    OIDCGateAuthorizationParam ui_locales de
    <RequireAll>
        Require oidc-acr gold platinum
        Require oidc-auth-age 10m
        Require oidc-auth-age 5m
        Require oidc-acr platinum gold silver
    </RequireAll>
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

my $LONG_AGO = 4000;
my @SCRIPT = (Accept => '*/*', 'Sec-Fetch-Mode' => 'cors', 'Sec-Fetch-Dest' => 'empty', 'X-Requested-With' => 'XMLHttpRequest');

# A person who signed in long ago, and in no particular way.
sub old_hand {
    my ($path, %who) = @_;
    my $ua = ua();
    $op->lie(id_token => set => { auth_time => int(time) - $LONG_AGO }, drop => ['acr']);
    my $page = login($ua, $path // '/app/x', %who)->{page};
    status_is $page, 200, 'signed in, long ago';
    $op->honest;
    $_->reset for $op, $backend;
    return $ua;
}

# Follows every redirect, as a browser does; the last answer.
sub travel {
    my ($ua, $path) = @_;
    my $answer = browse($ua, $path);
    for (1 .. 20) {
        return $answer unless $answer->is_redirect;
        $answer = follow($ua, $answer);
    }
    return HTTP::Response->new(0, 'more than 20 redirects');
}

sub asked_of { my ($answer) = @_; return { URI->new($answer->header('Location'))->query_form } }

sub session_of { return (gate_cookies($_[0]))[0]{value} }

sub challenge_of { my ($answer) = @_; return join "\n", $answer->header('WWW-Authenticate') }

row 'a browser goes back once for the acr that is wanted, and lands on the page with a new session' => sub {
    my $ua = old_hand();
    my $before = session_of($ua);
    my $start = browse($ua, '/gold/x?a=1&b=%20');
    status_is $start, 302;
    redirects_to $start, qr{^\Q@{[$op->issuer]}\E/authorize\?}, 'to the provider';
    is asked_of($start)->{acr_values}, 'gold', 'which is told the acr';
    ok !defined asked_of($start)->{max_age}, 'and no age';
    is session_of($ua), $before, 'the session is as it was meanwhile';
    log_like qr/redirect status=302 reason=acr_unmet rule="acr gold".*user=alice/, 'the log says why';
    upstream_is 0, 'nothing of the page is asked for before';
    my $back = call_back($ua, at_provider($ua, $start));
    redirects_to $back, '/gold/x?a=1&b=%20', 'back to the very page';
    status_is follow($ua, $back), 200;
    upstream_is 1;
    isnt session_of($ua), $before, 'in a new session';
    my $other = ua();
    denied get($other, '/app/x', Cookie => (gate_cookies($ua))[0]{name} . "=$before"), 401, 'the old one is ended';
    log_like qr/reason=session_expired/;
    status_is browse($ua, '/gold/x'), 200, 'from then on the page is open';
    status_is browse($ua, '/app/x'), 200, 'and so are others';
    is $op->calls('A'), 1, 'once at the provider';
};

row 'a sign-in of long ago is renewed' => sub {
    my $ua = old_hand();
    my $start = browse($ua, '/fresh/x');
    is asked_of($start)->{max_age}, 300, 'the provider is told the age';
    ok !defined asked_of($start)->{acr_values}, 'and no acr';
    status_is follow($ua, call_back($ua, at_provider($ua, $start))), 200;
    status_is browse($ua, '/fresh/x'), 200, 'fresh it stays, for a while';
    calls_are $op, 'T1';
};

row 'who has just signed in need not do so again' => sub {
    my $ua = ua();
    status_is login($ua, '/fresh/x')->{page}, 200;
    is $op->calls('A'), 1, 'one login';
};

row 'a stranger signs in, and then once more as the page wants it' => sub {
    status_is travel(ua(), '/gold/x'), 200;
    is $op->calls('A'), 2, 'two visits to the provider';
};

row 'several rules make one question, before which configured parameters give way' => sub {
    my $ua = old_hand();
    my $start = browse($ua, '/vault/x');
    my $ask = asked_of($start);
    is $ask->{acr_values}, 'gold platinum', 'the acrs that every rule takes';
    is $ask->{max_age}, 300, 'the shortest age';
    is $ask->{ui_locales}, 'de', 'and what is configured beside';
    is scalar(() = $start->header('Location') =~ /acr_values=/g), 1, 'acr_values stand there once';
    status_is follow($ua, call_back($ua, at_provider($ua, $start))), 200;
    is $op->calls('A'), 1, 'once at the provider';
};

row 'a provider that does not do as it is asked is believed, and the person refused: no loop' => sub {
    my %lies = (
        'another acr'                => ['/gold/x', set => { acr => 'silver' }],
        'an acr that looks like it'  => ['/gold/x', set => { acr => 'Gold' }],
        'no acr'                     => ['/gold/x', drop => ['acr']],
        'the old sign-in'            => ['/fresh/x', set => { auth_time => int(time) - $LONG_AGO }],
        'no time'                    => ['/fresh/x', drop => ['auth_time']],
        'a time to come'             => ['/fresh/x', set => { auth_time => int(time) + $LONG_AGO }],
        'the right acr, but long ago' => ['/vault/x', set => { auth_time => int(time) - $LONG_AGO }],
        'right now, by another acr'  => ['/vault/x', set => { acr => 'bronze' }],
    );
    for my $name (sort keys %lies) {
        my ($path, @lie) = @{ $lies{$name} };
        my $ua = old_hand();
        my $before = session_of($ua);
        $op->lie(id_token => @lie);
        my $answer = travel($ua, $path);
        denied $answer, 403, $name;
        unlike $answer->header('Set-Cookie') // '', qr/oidc-gate-(?!login)/, 'no session of it is set';
        is $op->calls('A'), 1, 'after one visit to the provider';
        is session_of($ua), $before, 'the session is the one that there was';
        status_is browse($ua, '/app/x'), 200, 'and good for what it was good for';
        is deny_line('acr_unmet')->{status}, 403, 'the log says why';
        ok !gate_cookies($ua, 'login'), 'and nothing is left of the attempt';
    }
};

row 'the provider says itself that it cannot: 403' => sub {
    my $ua = old_hand();
    $op->lie(authorize => error => 'unmet_authentication_requirements');
    denied travel($ua, '/gold/x'), 403;
    is deny_line('acr_unmet')->{status}, 403;
    status_is browse($ua, '/app/x'), 200, 'the session is kept';
};

row 'a step-up is for those who would be let in by it' => sub {
    my $ua = old_hand('/app/x', user => 'mallory');
    denied browse($ua, '/ops/x'), 403, 'whom another rule refuses is not sent about';
    is deny_line('claim_mismatch')->{rule}, 'claim groups:ops', 'and the log names that rule';
    is $op->calls('A'), 0, 'not to the provider';
    denied browse($ua, '/elsewhere/x'), 403, "be it a rule of httpd's own";
    is deny_line('rule_refused')->{status}, 403;
    denied browse($ua, '/impossible/x'), 403, 'nor who is to be two things at once';
    like deny_line('rule_refused')->{detail}, qr/no acr/, 'of which the log tells the administrator';
    is $op->calls('A'), 0, 'never';
    status_is travel(old_hand(), '/ops/x'), 200, 'who needs nothing else, is';
};

=httpd

<Location /ops>
    AuthType OIDCGate
    <RequireAll>
        Require acr gold
        Require claim groups:ops
    </RequireAll>
    ProxyPass @backend@
</Location>

<Location /elsewhere>
    AuthType OIDCGate
    <RequireAll>
        Require acr gold
        Require user somebody-else
    </RequireAll>
    ProxyPass @backend@
</Location>

<Location /impossible>
    AuthType OIDCGate
    <RequireAll>
        Require acr gold
        Require acr silver
    </RequireAll>
    ProxyPass @backend@
</Location>

<Location /any>
    AuthType OIDCGate
    <RequireAny>
        Require acr gold
        Require claim groups:ops
    </RequireAny>
    ProxyPass @backend@
</Location>

<Location /any-other-way-round>
    AuthType OIDCGate
    <RequireAny>
        Require claim groups:ops
        Require auth-age 5m
        Require acr gold
    </RequireAny>
    ProxyPass @backend@
</Location>

<Location /not-lead>
    AuthType OIDCGate
    <RequireAll>
        Require valid-user
        <RequireNone>
            Require acr lead
        </RequireNone>
    </RequireAll>
    ProxyPass @backend@
</Location>

=cut

row 'of alternatives, one that admits is enough' => sub {
    my $alice = old_hand();
    status_is browse($alice, $_), 200, "alice is in the group: $_" for '/any/x', '/any-other-way-round/x';
    is $op->calls('A'), 0, 'and is not sent anywhere';
    my $mallory = old_hand('/app/x', user => 'mallory');
    my $start = browse($mallory, '/any/x');
    is asked_of($start)->{acr_values}, 'gold', 'mallory is not: asked for what will do';
    $start = browse($mallory, '/any-other-way-round/x');
    is asked_of($start)->{max_age}, 300, 'the first of those that will do';
    ok !defined asked_of($start)->{acr_values}, 'and no more than that';
    log_like qr/redirect status=302 reason=acr_unmet rule="auth-age 5m"/;
    my $back = call_back($mallory, at_provider($mallory, $start, user => 'mallory'));
    status_is follow($mallory, $back), 200, 'then it is open';
};

row 'a rule that keeps somebody out is no reason to sign in' => sub {
    my $ua = old_hand();
    status_is browse($ua, '/not-lead/x'), 200, 'no acr is not lead';
    $op->lie(id_token => set => { acr => 'lead' });
    $ua = ua();
    $backend->reset;
    denied login($ua, '/not-lead/x')->{page}, 403, 'lead is';
    is $op->calls('A'), 1, 'and is not sent about';
    expect_log qr/reason=rule_refused/;
};

=httpd

<Location /api>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    <RequireAll>
        Require acr gold platinum
        Require auth-age 5m
    </RequireAll>
    ProxyPass @backend@
</Location>

<Location /api-age>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require auth-age 1h
    ProxyPass @backend@
</Location>

<Location /api-any>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    <RequireAny>
        Require scope orders:write
        Require acr gold
    </RequireAny>
    ProxyPass @backend@
</Location>

<Location /asked>
    AuthType OIDCGate
    OIDCGateMethods introspection
    OIDCGateIntrospect all
    OIDCGateAudience api://default
    Require acr gold
    ProxyPass @backend@
</Location>

<Location /no-login>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated 401
    Require acr gold
    ProxyPass @backend@
</Location>

=cut

sub token { return bearer($op->mint(user => 'alice', claims => {@_})) }

row 'an API is told what is wanted (RFC 9470 section 3)' => sub {
    for my $case (['nothing of it'], ['another acr', acr => 'silver', auth_time => int time],
                  ['too long ago', acr => 'gold', auth_time => int(time) - $LONG_AGO], ['no time', acr => 'gold']) {
        my ($name, %claims) = @$case;
        my $answer = get(ua(), '/api/x', token(%claims));
        denied $answer, 401, $name;
        my $challenge = challenge_of($answer);
        like $challenge, qr/^Bearer /, 'a Bearer challenge';
        like $challenge, qr/\berror="insufficient_user_authentication"/, 'with the error';
        unlike $challenge, qr/\bscope=/, 'and no scope';
        my %want = (acr_values => 'gold platinum', max_age => 300);
        delete $want{acr_values} if ($claims{acr} // '') eq 'gold';
        delete $want{max_age} if ($claims{auth_time} // 0) > time - 60;
        for (qw(acr_values max_age)) {
            my ($said) = $challenge =~ /\b$_="([^"]*)"/;
            is $said, $want{$_}, "$_: " . ($want{$_} // 'not needed');
        }
        is deny_line('acr_unmet')->{status}, 401;
    }
    status_is get(ua(), '/api/x', token(acr => 'platinum', auth_time => int time)), 200, 'and let in with it';
    like challenge_of(get(ua(), '/api-age/x', token())), qr/max_age="3600"/, 'an age alone';
    is json(get(ua(), '/api/x', token()))->{reason}, 'acr_unmet', 'the body names the reason';
    my $challenge = challenge_of(get(ua(), '/api-any/x', token(scope => 'orders:read')));
    like $challenge, qr/acr_values="gold"/, 'of alternatives, the one that can be asked for';
    unlike $challenge, qr/scope=/, 'and not the scope beside it';
    status_is get(ua(), '/api-any/x', token(scope => 'orders:write')), 200, 'which would do as well';
};

row 'a browser that brings a token is not sent away either' => sub {
    my $answer = browse(ua(), '/api/x', token(acr => 'silver'));
    denied $answer, 401;
    like challenge_of($answer), qr/insufficient_user_authentication/;
    is $op->calls('A'), 0;
    expect_log qr/reason=acr_unmet/;
};

row 'what introspection says of the acr counts (RFC 9470 section 6.2)' => sub {
    my $token = $op->mint(user => 'alice', claims => { acr => 'gold' });
    status_is get(ua(), '/asked/x', bearer($token)), 200, 'gold';
    upstream_is 1;
    my $answer = get(ua(), '/asked/x', token(acr => 'silver'));
    denied $answer, 401, 'silver';
    like challenge_of($answer), qr/error="insufficient_user_authentication".*acr_values="gold"/;
    expect_log qr/reason=acr_unmet/;
};

row 'a script in a page, and what sends data, is told and not sent away' => sub {
    my $ua = old_hand();
    for my $answer (get($ua, '/gold/x', @SCRIPT), request($ua, POST => '/gold/x', Content => 'a=1'),
                    get($ua, '/gold/x', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'iframe', Accept => 'text/html')) {
        denied $answer, 401;
        like challenge_of($answer), qr/error="insufficient_user_authentication".*acr_values="gold"/, 'challenged';
    }
    is deny_line('acr_unmet')->{user}, 'alice-sub', 'the log says who';
    is $op->calls('A'), 0, 'nobody is sent to the provider';
    status_is browse($ua, '/app/x'), 200, 'the session goes on';
    $backend->reset;
    denied browse($ua, '/no-login/x'), 401, 'nor where nobody is sent to sign in';
};


row 'a rule that makes no sense is refused where it stands' => sub {
    my $section = sub { <<"CONF" };
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<Location /x>
    AuthType OIDCGate
    Require $_[0]
</Location>
CONF
    config_fails $section->('acr'), qr/Require acr: nothing to require/, 'no acr';
    config_fails $section->('acr "gold silver"'), qr/write one or more words apart/, 'two in one';
    config_fails $section->('auth-age'), qr/Require auth-age: write one DURATION/, 'no age';
    config_fails $section->('auth-age soon'), qr/"soon" is no age/, 'no duration';
    config_fails $section->('oidc-auth-age 0'), qr/"0" is no age/, 'an age that nobody can have';
    config_fails $section->('not acr gold'), qr/negated/, 'who did not sign in so';
};

done_testing;
