# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What the backend is told: the header families that it may already read, defaults, names of sessions, values as they are
# or not at all; the same in the environment of CGI and FastCGI; and assertions, checked as a backend checks them, by a
# verifier that shares nothing with what signs them.
use Gate::Test;

use Encode qw(encode_utf8);
use Gate::JOSE qw(believe json_decode json_encode jwt key_file);
use MIME::Base64 qw(decode_base64url encode_base64url);
use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateScope         openid profile email
OIDCGateAssertion     key=@secrets@/ec256.pem claim=email claim=groups claim=id:name claim=realm_access claim=email_verified

<Location /open>
    ProxyPass @backend@
</Location>
<Location />
    AuthType OIDCGate
    Require valid-user
</Location>
<LocationMatch ^/(?:open|docs)>
    Require all granted
</LocationMatch>

<Location /kong>
    OIDCGateHeader preset kong
    ProxyPass      @backend@
</Location>
<Location /proxy2>
    OIDCGateHeader preset oauth2-proxy
    ProxyPass      @backend@
</Location>
<Location /remote>
    OIDCGateHeader preset remote
    ProxyPass      @backend@
</Location>
<Location /mao>
    OIDCGateHeader preset mod_auth_openidc
    ProxyPass      @backend@
</Location>

<Location /own>
    OIDCGateHeader REMOTE-USER "me: %{claim:email}"
    OIDCGateHeader preset remote
    OIDCGateHeader Remote-Groups "%{claim:groups}" join=;
    OIDCGateHeader unset Remote-Email
    OIDCGateHeader unset X-Legacy-*
    OIDCGateHeader X-Dept "%{claim:dept}" "default=none, says %{user}"
    OIDCGateHeader X-Unit "%{claim:dept}" default=%{claim:unit}
    OIDCGateHeader X-Expires "%{expires}"
    OIDCGateHeader X-Session "%{session}"
    ProxyPass      @backend@
</Location>

<Location /encoded>
    OIDCGateHeader X-Raw     "%{claim:name}"
    OIDCGateHeader X-Percent "%{claim:name}" encode=percent
    OIDCGateHeader X-Base    "%{claim:name}" encode=base64url
    OIDCGateHeader X-Groups  "%{claim:groups}" encode=percent
    ProxyPass      @backend@
</Location>

<Location /asserted>
    OIDCGateHeader X-Assertion "%{assertion:https://orders.example}"
    OIDCGateHeader X-Other     "Signed %{assertion:billing}"
    ProxyPass      @backend@
</Location>
<Location /asserted/pass>
    OIDCGateOnUnauthenticated pass
    Require all granted
</Location>
<Location /asserted/bearer>
    OIDCGateHeader Authorization "Bearer %{assertion:https://orders.example}"
</Location>
<Location /asserted/api>
    OIDCGateMethods  bearer
    OIDCGateAudience api://default https://orders.example
</Location>
<Location /asserted/batch>
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials api.read
</Location>

ScriptAlias /cgi-in/ @docs@/cgi/
<Location /cgi-in>
    OIDCGateEnv preset mod_auth_openidc
    OIDCGateEnv unset OIDC_access_token
    OIDCGateEnv OIDC_CLAIM_name "%{claim:name}" encode=percent
    OIDCGateEnv GATE_DEPT "%{claim:dept}" default=none
    OIDCGateEnv GATE_ASSERTION "%{assertion:https://orders.example}"
</Location>
<Location /fcgi>
    OIDCGateEnv preset mod_auth_openidc
    OIDCGateEnv GATE_GROUPS "%{claim:groups}" join=|
    OIDCGateHeader X-User "%{user}"
    ProxyPass fcgi://127.0.0.1:@spare_port@/
</Location>

=httpd change

# The key changes: this one signs, the one before is still known.
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateAssertion     key=@secrets@/ed25519.pem old=@secrets@/ec256.pem lifetime=2m
<Location /asserted>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-Assertion "%{assertion:https://orders.example}"
    ProxyPass @backend@
</Location>

=httpd without

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $alice = ua();
my $NAME = encode_utf8("Alice Li\x{f8}nn \x{674e}");
status_is login($alice, '/remote/x')->{page}, 200, 'alice signs in';

# All the headers of these names that the backend got, whatever their spelling: name => [values].
sub arrived {
    my (@names) = @_;
    return { map { my $name = $_; my @got = map { s/^[^:]*: //r } $backend->got_folded($name); @got ? ($name => \@got) : () } @names };
}

# --- presets ---

my %CLAIMS = (
    sub => 'alice-sub', iss => $op->issuer, aud => 'c-web', name => $NAME, preferred_username => 'alice', email => 'alice@example.org',
    email_verified => 'true', groups => 'staff,ops',
);
my %PRESET = (
    kong => {
        said => { 'X-Consumer-Username' => 'alice-sub', 'X-Credential-Identifier' => 'alice-sub', 'X-Authenticated-Groups' => 'staff,ops' },
        kept => [qw(X-Consumer-ID X-Consumer-Custom-ID X-Consumer-Groups X-Anonymous-Consumer)],
    },
    proxy2 => {
        said => { 'X-Forwarded-User' => 'alice-sub', 'X-Forwarded-Email' => 'alice@example.org', 'X-Forwarded-Groups' => 'staff,ops',
                  'X-Forwarded-Preferred-Username' => 'alice' },
        kept => ['X-Forwarded-Access-Token', map { "X-Auth-Request-$_" } qw(User Email Groups Preferred-Username Access-Token)],
    },
    remote => {
        said => { 'Remote-User' => 'alice-sub', 'Remote-Groups' => 'staff,ops', 'Remote-Email' => 'alice@example.org', 'Remote-Name' => $NAME },
        kept => [],
    },
    mao => {
        said => { map { ("OIDC_CLAIM_$_" => $CLAIMS{$_}) } keys %CLAIMS },
        kept => [qw(OIDC_CLAIM_admin OIDC_CLAIM_given_name OIDC_CLAIM_ OIDC_id_token OIDC_userinfo_json OIDC_anything)],
    },
);
my @SPELLINGS = (
    sub { $_[0] }, sub { lc $_[0] }, sub { uc $_[0] }, sub { $_[0] =~ tr/_/-/r }, sub { $_[0] =~ tr/-/_/r }, sub { lc $_[0] =~ tr/-/_/r },
    sub { uc $_[0] =~ s/_/-/r }, sub { $_[0] =~ s/[-_](?=[^-_]*$)/_/r },
);

# What a stranger sends under all these names, in one spelling, in one request.
sub spoofed {
    my ($path, $spell, $names, @lines) = @_;
    $backend->reset;
    return raw_request(join "\r\n", "GET $path HTTP/1.1", 'Host: x', 'Connection: close', @lines, (map { $spell->($_) . ': admin' } @$names), '', '');
}

expect_log qr/stripped client header/, qr/deny status=40[13]/;
my ($cookie) = map { "Cookie: $_->{name}=$_->{value}" } gate_cookies($alice);
for my $preset (sort keys %PRESET) {
    row "the preset $preset: what it names comes once, from the gate alone" => sub {
        my ($said, $kept) = @{ $PRESET{$preset} }{qw(said kept)};
        my @names = (sort keys %$said, @$kept);
        for my $number (0 .. $#SPELLINGS) {
            like spoofed("/$preset/x", $SPELLINGS[$number], \@names, $cookie), qr{^HTTP/1\.1 200}, "spelling $number";
            is_deeply arrived(@names), { map { ($_ => [$said->{$_}]) } keys %$said }, 'what the gate says, and nothing beside it';
            like spoofed('/open/x', $SPELLINGS[$number], \@names), qr{^HTTP/1\.1 200}, 'at an open place';
            is_deeply arrived(@names), {}, 'nothing at all';
        }
    };
}

row 'the preset kong passes the access token on, in place of what the caller brings' => sub {
    status_is get($alice, '/kong/x', Authorization => 'Bearer forged'), 200;
    my @got = $backend->got('Authorization');
    is @got, 1, 'one Authorization';
    like $got[0], qr/^Bearer ey/, 'with the token';
    is decoded($got[0] =~ s/^Bearer //r)->{claims}{sub}, 'alice-sub', 'that the provider gave for her';
    status_is get($alice, '/remote/x'), 200;
    is_deeply [$backend->got('Authorization')], [], 'the preset remote passes none on';
};

row 'the preset mod_auth_openidc tells the access token, and until when it is good' => sub {
    status_is get($alice, '/mao/x'), 200;
    my $got = arrived(qw(OIDC_access_token OIDC_access_token_expires));
    my $claims = decoded($got->{OIDC_access_token}[0])->{claims};
    is $claims->{sub}, 'alice-sub', 'her token';
    cmp_ok abs($got->{OIDC_access_token_expires}[0] - $claims->{exp}), '<=', 20, 'and its end, in seconds since 1970';
};

row 'a line of its own counts more than a preset, before it and behind it; what is unset is nobody\'s to say' => sub {
    my @names = qw(Remote-User Remote-Groups Remote-Email Remote-Name X-Legacy-User X-Legacy-Role);
    for my $spell (@SPELLINGS) {
        like spoofed('/own/x', $spell, \@names, $cookie), qr{^HTTP/1\.1 200};
        is_deeply arrived(@names),
            { 'Remote-User' => ['me: alice@example.org'], 'Remote-Groups' => ['staff;ops'], 'Remote-Name' => [$NAME] }, 'and nothing beside it';
    }
    like spoofed('/open/x', $SPELLINGS[0], ['X-Legacyless']), qr/200/;
    is_deeply arrived('X-Legacyless'), { 'X-Legacyless' => ['admin'] }, 'what only begins alike is anybody\'s';
};

# --- values ---

row 'what is missing has a default, which may say more than a text' => sub {
    status_is get($alice, '/own/x', 'X-Unit' => 'admin'), 200;
    is_deeply arrived(qw(X-Dept X-Unit)), { 'X-Dept' => ['none, says alice-sub'] }, 'and where that is missing too, there is no header';
};

row 'a session has a name that is not its cookie, and an end' => sub {
    my $name = sub {
        my ($who) = @_;
        status_is get($who, '/own/x'), 200;
        return arrived('X-Session')->{'X-Session'}[0];
    };
    my $first = $name->($alice);
    like $first, qr/^[\w-]{22}$/, 'a short name';
    is $name->($alice), $first, 'the same each time';
    my ($value) = map { $_->{value} } gate_cookies($alice);
    unlike $value, qr/\Q$first\E/, 'which is not in the cookie';
    cmp_ok abs(arrived('X-Expires')->{'X-Expires'}[0] - time - 8 * 3600), '<', 120, 'it ends after its lifetime';
    my $again = ua();
    login($again, '/own/x');
    isnt $name->($again), $first, 'another session of hers has another';
    my ($forged) = map { "$_->{name}=$first" } gate_cookies($alice);
    $backend->reset;
    denied get(ua(), '/own/x', Cookie => $forged), 401, 'and it opens nothing';
};

row 'letters beyond ASCII are UTF-8, percent signs or base64url' => sub {
    status_is get($alice, '/encoded/x'), 200;
    my ($raw, $percent, $base) = map { $backend->got($_) } qw(X-Raw X-Percent X-Base);
    is $raw, $NAME, 'as they are: UTF-8';
    is $percent =~ s/%([0-9A-F]{2})/chr hex $1/ger, $NAME, 'percent signs give it back';
    like $percent, qr/^[\w.~%-]+$/, 'and are ASCII';
    is decode_base64url($base), $NAME, 'so does base64url';
};

# Each of them signs in, and what their claims are worth is decided there.
my %HOSTILE = (
    splitter => [{ groups => ['a,admin', 'b'] }, qr/%\{claim:groups\} has a member that holds the separator/],
    liner    => [{ groups => ['ok'], name => "x\r\nX-Admin: yes" }, qr/%\{claim:name\} holds a control character/],
    nuller   => [{ groups => ['ok'], name => "x\ny" }, qr/%\{claim:name\} holds a control character/],
    talker   => [{ groups => ['ok'], name => "\x{f8}" x 4000 }, qr/%\{claim:name\} makes the value longer than 16 KiB/, '/encoded/x'],
    blanker  => [{ groups => ['ok'], name => ' root' }, qr/%\{claim:name\} begins with a blank/],
);
for my $user (sort keys %HOSTILE) {
    row "what no header can carry refuses the request: $user" => sub {
        my ($claims, $detail, $path) = @{ $HOSTILE{$user} };
        $op->user($user, $claims);
        my $ua = ua();
        my $step = login($ua, $path // '/remote/x', user => $user);
        denied $step->{page}, 403;
        like deny_line('claim_unsafe')->{detail} // '', $detail, 'the log names the claim';
        ok has_gate_session($ua), 'the session is kept';
    };
}
$op->user('alice');

row 'with an encoding each of a list is told from the others' => sub {
    $op->user(splitter => $HOSTILE{splitter}[0] = { groups => ['a,admin', 'b'], name => 'x' });
    my $ua = ua();
    status_is login($ua, '/encoded/x', user => 'splitter')->{page}, 200;
    is_deeply arrived('X-Groups'), { 'X-Groups' => ['a%2Cadmin,b'] }, 'two groups are two';
    $op->user('alice');
};

# --- programs that run here ---

# What a program was told: its environment, name => value.
sub environment { my ($text) = @_; return { map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } split /\n/, $text } }

row 'CGI: the environment says the same' => sub {
    my $env = environment(get($alice, '/cgi-in/env', 'OIDC-CLAIM-sub' => 'admin', 'GATE-DEPT' => 'admin')->content);
    is $env->{"OIDC_CLAIM_$_"}, $CLAIMS{$_}, "OIDC_CLAIM_$_" for grep { $_ ne 'name' } sort keys %CLAIMS;
    is $env->{OIDC_CLAIM_name}, $NAME =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ger, 'a line of its own counts more';
    is $env->{GATE_DEPT}, 'none', 'a default';
    ok !exists $env->{$_}, "no $_" for qw(OIDC_access_token OIDC_CLAIM_given_name HTTP_OIDC_CLAIM_SUB HTTP_GATE_DEPT_);
    is $env->{REMOTE_USER}, 'alice-sub', 'REMOTE_USER';
    my $claims = believe($env->{GATE_ASSERTION}, get(ua(), '/oidc-gate/jwks')->content, iss => url(''), aud => 'https://orders.example');
    is ref $claims && $claims->{sub}, 'alice-sub', 'an assertion';
};

# A FastCGI program that answers each request with its environment (FastCGI 1.0, sections 3 and 5).
sub fastcgi {
    my ($port) = @_;
    my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 5, ReuseAddr => 1) or die "port $port: $!";
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    alarm 60;
    while (my $peer = $door->accept) {
        my $params = '';
        while (read($peer, my $head, 8) // 0) {
            my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $head;
            read $peer, my $body, $length if $length;
            read $peer, my $rest, $padding if $padding;
            $params .= $body if $type == 4 && $length;
            last if $type == 5 && !$length;
        }
        my %env;
        my $number = sub { my $n = unpack 'C', $params; return unpack('N', substr $params, 0, 4, '') & 0x7fffffff if $n > 127; substr $params, 0, 1, ''; $n };
        while (length $params) {
            my ($name, $value) = ($number->(), $number->());
            my $key = substr $params, 0, $name, '';
            $env{$key} = substr $params, 0, $value, '';
        }
        my $out = join "\n", 'Content-Type: text/plain', '', map { "$_=$env{$_}" } sort keys %env;
        print $peer pack('CCnnCC', 1, 6, 1, length $out, 0, 0), $out, pack('CCnnCC', 1, 6, 1, 0, 0, 0), pack('CCnnCCNCx3', 1, 3, 1, 8, 0, 0, 0, 0);
        close $peer;
    }
    POSIX::_exit(0);
}

row 'FastCGI: the environment says the same' => sub {
    my $pid = fastcgi(port('spare'));
    my $answer = get($alice, '/fcgi/x', 'X-User' => 'admin', 'X_User' => 'admin', 'OIDC-CLAIM-sub' => 'admin');
    kill TERM => $pid;
    waitpid $pid, 0;
    status_is $answer, 200;
    my $env = environment($answer->content);
    is $env->{"OIDC_CLAIM_$_"}, $CLAIMS{$_}, "OIDC_CLAIM_$_" for sort keys %CLAIMS;
    is $env->{GATE_GROUPS}, 'staff|ops', 'a variable of its own';
    is $env->{HTTP_X_USER}, 'alice-sub', 'a header';
    is $env->{REMOTE_USER}, 'alice-sub', 'REMOTE_USER';
    ok !exists $env->{HTTP_OIDC_CLAIM_SUB}, 'and nothing that she said herself';
};

# --- assertions ---

my $SET = get(ua(), '/oidc-gate/jwks');
my %HERE = (iss => url(''), aud => 'https://orders.example');

# What the backend was given at a place.
sub assertion { my ($who, @ask) = @_; status_is get($who, @ask), 200; return ($backend->got('X-Assertion'))[0] }

row 'the keys are published, and nothing else of them' => sub {
    status_is $SET, 200, 'to whoever asks, though all of the site is guarded';
    is $SET->header('Content-Type'), 'application/json', 'as JSON';
    is_deeply [$SET->header('Cache-Control')], ['public, max-age=300'], 'to be kept for a while';
    my $keys = json_decode($SET->content)->{keys};
    is @$keys, 1, 'one key';
    is_deeply [sort keys %{ $keys->[0] }], [sort qw(kty crv x y kid alg use)], 'its public half';
    my $key = Crypt::PK::ECC->new(key_file('ec256'));
    is $keys->[0]{kid}, $key->export_key_jwk_thumbprint('SHA256'), 'under its thumbprint (RFC 7638)';
    status_is request(ua(), POST => '/oidc-gate/jwks'), 405, 'there is nothing to post';
    status_is get(ua(), url('/oidc-gate/jwks', 'without')), 404, 'a host that signs nothing has no keys';
};

row 'a backend believes what it is given, and knows what it says' => sub {
    my $claims = believe(assertion($alice, '/asserted/x'), $SET->content, %HERE);
    ok ref $claims, 'believed' or diag $claims;
    my ($iat, $exp, $jti) = delete @$claims{qw(iat exp jti)};
    is $exp - $iat, 60, 'for a minute';
    cmp_ok abs($iat - time), '<', 30, 'from now on';
    is_deeply $claims, {
        %HERE, sub => 'alice-sub', idp => $op->issuer, method => 'code', email => 'alice@example.org', groups => ['staff', 'ops'],
        name => "Alice Li\x{f8}nn \x{674e}", realm_access => { roles => ['admin', 'user'] }, email_verified => JSON::PP::true,
    }, 'claims as the provider sent them';
    my $other = believe(assertion($alice, '/asserted/x'), $SET->content, %HERE);
    isnt $other->{jti}, $jti, 'each has an id of its own';
};

row 'a backend that takes bearer tokens gets it as one, in place of what the caller brings' => sub {
    status_is get($alice, '/asserted/bearer/x', Authorization => 'Bearer forged'), 200;
    my @got = $backend->got('Authorization');
    is @got, 1, 'one Authorization';
    my $claims = believe($got[0] =~ s/^Bearer //r, $SET->content, %HERE);
    is ref $claims && $claims->{sub}, 'alice-sub', 'which says who she is';
};

row 'a backend that checks is not fooled' => sub {
    my $good = assertion($alice, '/asserted/x');
    my ($for_billing) = map { s/^Signed //r } $backend->got('X-Other');
    is ref believe($for_billing, $SET->content, %HERE, aud => 'billing'), 'HASH', 'another backend has its own';
    is believe($for_billing, $SET->content, %HERE), 'aud', 'which is not for this one';
    is believe($good, $SET->content, %HERE, iss => 'http://other.example'), 'iss', 'nor one of another site';
    is believe($good, $SET->content, %HERE, now => time + 61), 'exp', 'after a minute it is worth nothing';
    my ($header, $claims, $signature) = split /\./, $good;
    my $forged = encode_base64url(json_encode({ %{ decoded($good)->{claims} }, sub => 'admin' }));
    is believe("$header.$forged.$signature", $SET->content, %HERE), 'signature', 'somebody else put in';
    is believe("$header.$claims." . substr($signature, 0, -4) . 'AAAA', $SET->content, %HERE), 'signature', 'another signature';
    my %same = (claims => decoded($good)->{claims}, alg => 'ES256', header => { kid => decoded($good)->{header}{kid} });
    is believe(jwt(%same, key => 'ec256-evil'), $SET->content, %HERE), 'signature', 'another key that calls itself like this one';
    is ref believe(jwt(%same), $SET->content, %HERE), 'HASH', 'where the same made here with the right key would be believed';
    is believe(jwt(%same, alg => 'none'), $SET->content, %HERE), 'no JWT', 'none at all';
};

row 'nobody else says it, and of nobody it is not said' => sub {
    for my $spelling ('X-Assertion', 'x_assertion', 'X_Assertion') {
        status_is get(ua(), '/open/x', $spelling => 'forged'), 200;
        is_deeply arrived('X-Assertion'), {}, "open: no $spelling";
        status_is get(ua(), '/asserted/pass/x', $spelling => 'forged'), 200;
        is_deeply arrived('X-Assertion'), {}, 'let through as nobody: none';
    }
    is ref believe(assertion($alice, '/asserted/pass/x', 'X-Assertion' => 'forged'), $SET->content, %HERE), 'HASH', 'with her session: hers';
};

row 'programs are asserted as what they are' => sub {
    my $claims = believe(assertion(ua(), '/asserted/api/x', bearer($op->mint(user => 'alice'))), $SET->content, %HERE);
    is_deeply [@$claims{qw(sub method idp)}], ['alice-sub', 'bearer', $op->issuer], 'who brings a token';
    $claims = believe(assertion(ua(), '/asserted/batch/x', basic('c-api', 's3cret')), $SET->content, %HERE);
    is_deeply [@$claims{qw(sub method)}], ['client:c-api', 'client_credentials'], 'a client is never taken for a person';
};

row 'what the gate asserts is no token that lets anybody in' => sub {
    my $assertion = assertion($alice, '/asserted/x');
    $backend->reset;
    denied get(ua(), '/asserted/api/x', bearer($assertion)), 401;
};

row 'it does not outlive what it speaks of' => sub {
    my $token = $op->mint(user => 'alice', lifetime => 20);
    my $claims = believe(assertion(ua(), '/asserted/api/x', bearer($token)), $SET->content, %HERE);
    is $claims->{exp}, decoded($token)->{claims}{exp}, 'the token ends before the minute does';
};

row 'while the key changes, both are published and the new one signs' => sub {
    my $set = get(ua(), url('/oidc-gate/jwks', 'change'))->content;
    is_deeply [map { $_->{alg} } @{ json_decode($set)->{keys} }], ['EdDSA', 'ES256'], 'both';
    my $ua = ua();
    status_is login($ua, url('/asserted/x', 'change'))->{page}, 200;
    my $assertion = ($backend->got('X-Assertion'))[0];
    is decoded($assertion)->{header}{alg}, 'EdDSA', 'the new one signs';
    my $claims = believe($assertion, $set, iss => url('', 'change'), aud => 'https://orders.example');
    is $claims->{exp} - $claims->{iat}, 120, 'for as long as OIDCGateAssertion says';
    is believe($assertion, $SET->content, iss => url('', 'change'), aud => 'https://orders.example'), 'no key', 'whoever has the old set asks again';
    is ref believe(assertion($alice, '/asserted/x'), $set, %HERE), 'HASH', 'what the old one signed is still believed';
};

done_testing;
