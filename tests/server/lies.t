# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# A provider that lies in good form (T-03, T-06 and T-16 of the threat model): untrue metadata, untrue
# keys, answers to a login that are none, a clock that is off, keys that change at the worst moment.
# What is no answer at all is in hostile.t; ID tokens, introspection and logout tokens that say what is
# not so are in code-flow.t, introspection.t and logout.t.
use Gate::Test;

use Gate::JOSE qw(jwk);

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Macro Told $name>
    <Location /$name>
        AuthType OIDCGate
        OIDCGateIssuer @op@/$name
        OIDCGateHeader X-Token "%{access_token}"
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location /$name/api>
        OIDCGateMethods  bearer
        OIDCGateAudience api://default
    </Location>
    <Location /$name/asked>
        OIDCGateMethods introspection
        OIDCGateCache   introspection=0 negative=0
    </Location>
</Macro>
<Macro TenTold $name>
    Use Told $name0
    Use Told $name1
    Use Told $name2
    Use Told $name3
    Use Told $name4
    Use Told $name5
    Use Told $name6
    Use Told $name7
    Use Told $name8
    Use Told $name9
</Macro>
Use Told answers
Use Told clock
Use TenTold metadata1
Use TenTold metadata2
Use TenTold keys1
Use TenTold moment1

=cut

my $op = provider();
my $backend = backend();
my %next = (metadata => 10, keys => 10, moment => 10);

# A provider that nobody has asked before: its place, and the hand on it.
sub fresh { my ($what) = @_; my $name = $what . $next{$what}++; return ("/$name", $op->tenant($name)) }

# --- metadata ---

# What is told => what the gate answers. All of it is 200 and JSON.
my @METADATA = (
    "another's issuer"           => { set => { issuer => 'https://evil.example' } },
    'the issuer and a slash'     => { set => { issuer => "@{[$op->issuer]}/metadata11/" } },
    'no issuer'                  => { drop => ['issuer'] },
    'an issuer that is a list'   => { set => { issuer => ['x'] } }, 'idp_error',
    (map { my $kind = $_; ("no $kind" => { drop => [$kind] }) } qw(authorization_endpoint token_endpoint jwks_uri)),
    (map { ("an endpoint that is $_->[0]" => { set => { authorization_endpoint => $_->[1] } }) }
        ['a script', 'javascript:alert(1)//'], ['a file', 'file:///etc/passwd'], ['a path', '/authorize'],
        ['of another kind', 'ldap://id.example.com/'], ['with a password', 'https://a:b@id.example.com/'],
        ['two lines', "https://id.example.com/\r\nX-Evil: 1"], ['with a blank', 'https://id.example.com/ x'],
        ['too long', 'https://id.example.com/' . 'x' x 3000], ['nothing', '']),
    'an endpoint that is a number' => { set => { token_endpoint => 7 } }, 'idp_error',
    'methods that are no list'   => { set => { token_endpoint_auth_methods_supported => 'none' } }, 'idp_error',
    'a hundred methods'          => { set => { token_endpoint_auth_methods_supported => [('x') x 100] } }, 'idp_error',
    'a flag that is a word'      => { set => { authorization_response_iss_parameter_supported => 'false' } }, 'idp_error',
);

row 'T-06 metadata that cannot be meant sends nobody anywhere' => sub {
    my $count = 0;
    while (@METADATA) {
        my ($name, $lie) = splice @METADATA, 0, 2;
        my $reason = @METADATA && $METADATA[0] =~ /^idp_/ ? shift @METADATA : 'idp_unsuitable';
        my ($at, $provider) = fresh('metadata');
        $provider->lie(discovery => %$lie);
        denied browse(ua(), "$at/x"), $reason eq 'idp_error' ? 503 : 502, $name;
        log_like qr/reason=$reason .*loc=$at /, "$name: $reason";
        is_deeply $provider->calls, { D => 1 }, "$name: nothing else is asked";
        $count++;
    }
    is $count, 20, 'twenty ways';
};

# --- keys ---

my $other = jwk('rsa-evil');
# [keys, what becomes of an honest token, the reason]
my @KEYS = (
    'no keys' => [[], 401, 'unknown_kid'],
    "others' keys alone" => [[$other], 401, 'unknown_kid'],
    "another's key of that name" => [[jwk('rsa-evil', kid => 'rsa1')], 401, 'bad_signature'],
    "another's key of that name, and the right one" => [[jwk('rsa-evil', kid => 'rsa1'), jwk('rsa1')], 200],
    'keys that are none, and the right one' => [[{}, 7, 'x', { kty => 'oct', k => 'AAAA', kid => 'rsa1' }, { kty => 'XYZ', kid => 'rsa1' },
        { %{ jwk('rsa1') }, n => '!' }, { %{ jwk('rsa1') }, e => 'AQ' }, { kty => 'EC', crv => 'P-256', x => 'AA', y => 'AA', kid => 'rsa1' },
        jwk('rsa1')], 200],
    'the right one, for encryption' => [[jwk('rsa1', use => 'enc')], 401, 'unknown_kid'],
    'the right one, for another algorithm' => [[jwk('rsa1', alg => 'PS512')], 401, '(?:bad_alg|unknown_kid|bad_signature)'],
    'one that is too short' => [[jwk('rsa-short', kid => 'rsa1')], 401, 'unknown_kid'],
    'a hundred, and the right one among them' => [[(map { jwk('rsa-evil', kid => "k$_") } 1 .. 99), jwk('rsa1')], 200],
    'a thousand' => [[map { { kty => 'oct', kid => "k$_" } } 1 .. 1000], 503, 'idp_error'],
);

row 'T-06, J-15 keys that are not the signer\'s vouch for nobody; the right one counts, whatever stands around it' => sub {
    while (my ($name, $case) = splice @KEYS, 0, 2) {
        my ($keys, $status, $reason) = @$case;
        my ($at, $provider) = fresh('keys');
        $provider->lie(jwks => set => { keys => $keys });
        my $answer = get(ua(), "$at/api", bearer($provider->mint(user => 'alice')));
        status_is $answer, $status, "$name: $status";
        log_like qr/reason=$reason .*loc=$at\/api /, "$name: $reason" if $reason;
        cmp_ok $provider->calls('J'), '<=', 2, "$name: asked at most twice";
    }
};

# --- what comes back from a login ---

my $answers = $op->tenant('answers');
my $CALLBACK = '/oidc-gate/callback';

# A login up to the moment before the browser comes back: the browser, and what it would bring.
sub before_callback {
    my ($path) = @_;
    my $ua = ua();
    my $to = at_provider($ua, start_login($ua, $path // '/answers/x'))->header('Location');
    return ($ua, $to, { URI->new($to)->query_form });
}

my $many = join '&', map { "p$_=1" } 1 .. 10_000;
# What is brought (C, S and I stand for the honest code, state and issuer) => [status, reason].
my @BROUGHT = (
    'nothing' => ['', 400, 'malformed_request'],
    'no state' => ['code=C&iss=I', 400, 'malformed_request'],
    'no code' => ['state=S&iss=I', 400, 'malformed_request'],
    'an empty code' => ['code=&state=S&iss=I', 400, 'malformed_request'],
    'a code that is all blanks, and a state too much' => ['code=C&state=S&state=S&iss=I', 400, 'malformed_request'],
    'the code twice' => ['code=C&code=C&state=S&iss=I', 400, 'malformed_request'],
    'the issuer twice' => ['code=C&state=S&iss=I&iss=I', 400, 'malformed_request'],
    'a code and an error' => ['code=C&error=access_denied&state=S&iss=I', 400, 'malformed_request'],
    'the error twice' => ['error=a&error=b&state=S&iss=I', 400, 'malformed_request'],
    'a NUL in the code' => ['code=C%00&state=S&iss=I', 400, 'malformed_request'],
    'a line break in the code' => ['code=C%0d%0aX-Evil:1&state=S&iss=I', 400, 'malformed_request'],
    'a NUL in the state' => ['code=C&state=S%00&iss=I', 400, 'malformed_request|state_unknown'],
    'a NUL in the issuer' => ['code=C&state=S&iss=I%00.evil', 400, 'malformed_request|issuer_mixup'],
    'a line break in an error' => ['error=access_denied&error_description=x%0d%0aforged%20line&state=S&iss=I', 400, 'malformed_request'],
    'half an escape' => ['code=C&state=S&iss=I&x=%4', 400, 'malformed_request'],
    'an escape that is none' => ['code=%zz&state=S&iss=I', 400, 'malformed_request'],
    'a code of seven thousand characters' => ['code=' . 'c' x 7000 . '&state=S&iss=I', 400, 'malformed_request'],
    'hundreds of parameters' => [substr($many, 0, 7000) . '&code=C&state=S&iss=I', 400, 'malformed_request'],
    "another's state" => ['code=C&state=' . 'A' x 43 . '&iss=I', 400, 'state_unknown'],
    'half the state' => ['code=C&state=half&iss=I', 400, 'state_unknown'],
    'a state in another case' => ['code=C&state=lower&iss=I', 400, 'state_unknown'],
);
# These are the end of the login: an answer was heard, and it was bad.
my @HEARD = (
    'no issuer' => ['code=C&state=S', 400, 'issuer_mixup'],
    "another's issuer" => ['code=C&state=S&iss=https%3A%2F%2Fevil.example', 400, 'issuer_mixup'],
    'the issuer and a slash' => ['code=C&state=S&iss=I%2F', 400, 'issuer_mixup'],
    'an empty issuer' => ['code=C&state=S&iss=', 400, 'issuer_mixup'],
    "an error of another's" => ['error=access_denied&state=S&iss=https%3A%2F%2Fevil.example', 400, 'issuer_mixup'],
    'a refusal' => ['error=access_denied&state=S&iss=I', 403, 'login_denied'],
    'an error that nobody knows' => ['error=a_new_one&state=S&iss=I', 502, 'idp_rejected_gateway|login_denied'],
    'an error with markup' => ['error=access_denied&error_description=%3Cscript%3Ex%22%27%3C%2Fscript%3E&error_uri=https%3A%2F%2Fevil.example&state=S&iss=I', 403, 'login_denied'],
);

sub filled {
    my ($text, $honest) = @_;
    my %is = (C => $honest->{code}, S => $honest->{state}, I => URI::Escape::uri_escape($honest->{iss}));
    $is{half} = substr $is{S}, 0, 20;
    $is{lower} = lc $is{S};
    return $text =~ s/(?<==)(C|S|I|half|lower)(?![A-Za-z0-9])/$is{$1}/gr;
}

row 'T-01, T-03, T-06 an answer that is none costs nothing, and spoils nothing' => sub {
    require URI::Escape;
    my ($ua, $to, $honest) = before_callback();
    $answers->reset;
    while (my ($name, $case) = splice @BROUGHT, 0, 2) {
        my ($query, $status, $reason) = @$case;
        my $answer = browse($ua, "$CALLBACK?" . filled($query, $honest));
        denied $answer, $status, $name;
        like deny_line()->{reason} // '', qr/^(?:$reason)$/, "$name: $reason";
        ok !has_gate_session($ua), "$name: no session";
    }
    calls_are $answers, '', 'the provider was not asked';
    status_is browse($ua, $to), 302, 'the honest answer still counts';
};

row 'T-03, T-06 a bad answer ends the login, and nothing of it is shown' => sub {
    my $count = 0;
    while (my ($name, $case) = splice @HEARD, 0, 2) {
        my ($query, $status, $reason) = @$case;
        my ($ua, $to, $honest) = before_callback();
        $answers->reset;
        my $answer = browse($ua, "$CALLBACK?" . filled($query, $honest));
        denied $answer, $status, $name;
        like deny_line()->{reason} // '', qr/^(?:$reason)$/, "$name: $reason";
        unlike $answer->content, qr{<script|evil}, "$name: nothing is repeated";
        denied browse($ua, $to), 400, "$name: the honest answer comes too late";
        calls_are $answers, '', "$name: the code goes nowhere";
        ok !has_gate_session($ua), "$name: no session";
        $count++;
    }
    log_unlike qr/^forged line/m, 'no line of the log is forged';
    expect_log qr/reason=(?:state_unknown|issuer_mixup|login_denied|idp_\w+)/;
};

row 'T-02, T-17 an answer that comes by another method, or twice at once, is heard once' => sub {
    my ($ua, $to, $honest) = before_callback();
    for my $method (qw(PUT DELETE OPTIONS HEAD)) {
        my $answer = request(ua(), $method => $to);
        isnt $answer->code, 302, "$method: not heard";
    }
    denied post($ua, $CALLBACK, [%$honest]), 405, 'POST';
    $answers->reset;
    my ($attempt) = map { "$_->{name}=$_->{value}" } gate_cookies($ua, 'login');
    my @codes = parallel(8, sub { browse(ua(), $to, Cookie => $attempt)->code });
    is scalar(grep { $_ == 302 } @codes), 1, 'eight at once: one is signed in';
    is scalar(grep { $_ == 400 } @codes), 7, 'the others are too late';
    is $answers->calls('T'), 1, 'the code was sent once';
    expect_log qr/reason=(?:replay|method_not_allowed|state_unknown|no_credential)/;
};

# --- a clock that is off ---

my $clock = $op->tenant('clock');
my $SKEW = 30;      # seconds, OIDCGateClockSkew's default; ten seconds for what takes its time

# What a provider says whose clock is so many seconds ahead.
sub times_at { my ($ahead) = @_; return (iat => time + $ahead, nbf => time + $ahead, exp => time + $ahead + 60) }

row 'a clock that is off by less than the skew harms nobody' => sub {
    for my $ahead (-$SKEW + 10, $SKEW - 10) {
        my %times = times_at($ahead);
        $clock->lie($_ => set => \%times) for qw(id_token introspect);
        status_is login(ua(), '/clock/x')->{page}, 200, "$ahead s: a login";
        status_is get(ua(), '/clock/api', bearer($clock->mint(user => 'alice', claims => \%times))), 200, "$ahead s: a token";
        status_is get(ua(), '/clock/asked', bearer($clock->mint(kind => 'opaque', user => 'alice'))), 200, "$ahead s: introspection";
        $clock->honest;
    }
};

row 'one that is off by more keeps everybody out, and the log says which way' => sub {
    for my $case ([-300, 'token_expired'], [300, 'token_not_yet_valid'], [9e9, 'token_not_yet_valid']) {
        my ($ahead, $reason) = @$case;
        my %times = times_at($ahead);
        $clock->lie($_ => set => \%times) for qw(id_token introspect);
        my $ua = ua();
        denied call_back($ua, at_provider($ua, start_login($ua, '/clock/x'))), 401, "$ahead s: a login";
        is deny_line()->{reason}, $reason, "$ahead s: a login: $reason";
        for my $try (['api', 'access'], ['asked', 'opaque']) {
            my ($path, $kind) = @$try;
            my %claims = $kind eq 'access' ? %times : ();
            denied get(ua(), "/clock/$path", bearer($clock->mint(kind => $kind, user => 'alice', claims => \%claims))), 401, "$ahead s: $path";
            is deny_line()->{reason}, $reason, "$ahead s: $path: $reason";
        }
        my $logout = $clock->mint(kind => 'logout', client => 'c-web', claims => { sub => 'x', %times });
        denied post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $logout]), 400, "$ahead s: a logout token";
        $clock->honest;
    }
    expect_log qr/reason=token_\w+/;
};

# --- keys that change at the worst moment ---

# Each from the first request on: what is done before the keys change, and what must work afterwards.
my @MOMENTS = (
    'before anything' => sub { return sub { login(ua(), "$_[0]/x")->{page} } },
    'while the person is at the provider' => sub {
        my ($at) = @_;
        my $ua = ua();
        my $start = start_login($ua, "$at/x");
        return sub { follow($ua, call_back($ua, at_provider($ua, $start))) };
    },
    'on the way back' => sub {
        my ($at) = @_;
        my $ua = ua();
        my $back = at_provider($ua, start_login($ua, "$at/x"));
        return sub { follow($ua, call_back($ua, $back)) };
    },
    'between two logins' => sub {
        my ($at) = @_;
        login(ua(), "$at/x");
        return sub { login(ua(), "$at/x")->{page} };
    },
    'while somebody is signed in' => sub {
        my ($at) = @_;
        my $ua = ua();
        login($ua, "$at/x");
        return sub { browse($ua, "$at/x") };
    },
    'between two tokens' => sub {
        my ($at, $provider) = @_;
        get(ua(), "$at/api", bearer($provider->mint(user => 'alice')));
        return sub { get(ua(), "$at/api", bearer($provider->mint(user => 'alice'))) };
    },
    'after a token that was seen' => sub {
        my ($at, $provider) = @_;
        my $token = $provider->mint(user => 'alice');
        get(ua(), "$at/api", bearer($token));
        return sub { get(ua(), "$at/api", bearer($token)) };
    },
    'before a token is renewed' => sub {
        my ($at, $provider) = @_;
        my $ua = ua();
        $provider->set(lifetime => 1);
        login($ua, "$at/x");
        $provider->set(lifetime => 300);
        sleep 2;
        return sub { get($ua, "$at/x") };
    },
    'before somebody is signed out by the provider' => sub {
        my ($at, $provider) = @_;
        login(ua(), "$at/x");
        return sub {
            my $token = $provider->mint(kind => 'logout', client => 'c-web', user => 'mallory');
            post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $token]);
        };
    },
);

row 'OC-17 the key set changes at any step: nobody notices' => sub {
    while (my ($name, $begin) = splice @MOMENTS, 0, 2) {
        my ($at, $provider) = fresh('moment');
        my $go_on = $begin->($at, $provider);
        $provider->rotate;
        status_is $go_on->($at), 200, $name;
        cmp_ok $provider->calls('J'), '<=', 2, "$name: the keys were asked for twice at most";
    }
};

row 'OC-17, J-16 a token of the withdrawn key is good no longer, and asks for keys once' => sub {
    my ($at, $provider) = fresh('moment');
    my @tokens = map { $provider->mint(user => 'alice') } 1 .. 5;
    status_is get(ua(), "$at/api", bearer($provider->mint(user => 'alice'))), 200;
    $provider->rotate;
    status_is get(ua(), "$at/api", bearer($provider->mint(user => 'alice'))), 200, 'the new key';
    is get(ua(), "$at/api", bearer($_))->code, 401, 'the old key' for @tokens;
    upstream_is 2;
    is $provider->calls('J'), 2, 'the keys were asked for twice in all';
    log_like qr/reason=unknown_kid/;
};

done_testing;
