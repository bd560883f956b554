# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Tokens that are JWTs and checked here: RFC 6750, RFC 9068, and which kind of token is taken where.
use Gate::Test;

use Math::BigInt ();
use MIME::Base64 qw(encode_base64url);
use Time::HiRes qw(sleep time);

use Gate::JOSE qw(half_hash json_encode jwt);

=httpd

LimitRequestFieldSize 100000
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /api>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    OIDCGateHeader   X-User "%{user}"
    OIDCGateHeader   X-Method "%{method}"
    ProxyPass        @backend@
</Location>

<Location /scoped>
    AuthType OIDCGate
    AuthName "the \"orders\" API"
    Require scope    "orders:read orders:list"
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    ProxyPass        @backend@
</Location>

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $ua = ua();

sub with { my ($path, $token) = @_; return get(ua(), $path, bearer($token)) }
sub challenge_of { my ($answer) = @_; return join ' | ', header_values($answer, 'WWW-Authenticate') }
sub token { return $op->mint(user => 'alice', @_) }

# The keys are known, so that whatever is asked afterwards is asked because of the token.
sub know_keys { with('/api/x', token()); $_->reset for $op, $backend; return }

# A bad token: 401 invalid_token with that reason, nothing at the backend, no question to the provider.
sub refused {
    my ($token, $reason, $name) = @_;
    my $answer = with('/api/x', $token);
    my $said = eval { json($answer)->{reason} } // '';
    my $ok = $answer->code == 401 && $said =~ /^(?:$reason)$/ && challenge_of($answer) =~ /^Bearer realm="[^"]*", error="invalid_token"/
          && $answer->content !~ /PROTECTED-CONTENT/;
    ok $ok, "$name: 401 $reason" or diag $answer->as_string;
    expect_log qr/deny status=401 reason=(?:$reason)/;
    return;
}

sub nothing_happened { upstream_is 0; calls_are $op, ''; return }

row 'an honest token passes, and is not judged again' => sub {
    my $token = token();
    status_is with('/api/x', $token), 200;
    is_deeply [map { $backend->got($_) } qw(X-User X-Method)], [qw(alice-sub bearer)], 'the backend is told';
    is_deeply [$backend->got('Authorization')], [], 'the token stays here';
    calls_are $op, 'D1 J1';
    status_is with('/api/x', $token), 200 for 1 .. 10;
    calls_are $op, '';
    log_like qr/allow status=200 .*method=bearer user=alice-sub .*cache=hit idp_calls=0/;
    status_is with('/api/x', token()), 200, 'another one needs no question either';
    calls_are $op, '';
};

row 'a token seen before is answered though the provider and its keys are gone' => sub {
    my $token = token();
    status_is with('/api/x', $token), 200;
    $op->down;
    status_is with('/api/x', $token), 200 for 1 .. 5;
    $op->up;
    calls_are $op, '';
};

row 'all algorithms of the default pass, written as they are' => sub {
    for my $alg (qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA)) {
        is with('/api/x', token(alg => $alg))->code, 200, $alg;
    }
    calls_are $op, 'J<=1';
};

# --- RFC 6750 section 3: the challenge ---

row 'without a token the challenge has a realm and no error' => sub {
    for my $path ('/api/x', '/api/x?access_token=' . token()) {
        my $answer = get($ua, $path);
        denied $answer, 401;
        is challenge_of($answer), 'Bearer realm="OpenID Connect"', 'the challenge';
    }
    status_is post($ua, '/api/x', [access_token => token()]), 401, 'a form is no place for it either';
    nothing_happened;
    log_like qr/\[oidc_gate:info\].*deny status=401 reason=no_credential/;
};

row 'a bad token is invalid_token' => sub {
    my $answer = with('/api/x', token(claims => { exp => time - 100, iat => time - 200 }));
    denied $answer, 401;
    like challenge_of($answer), qr/^Bearer realm="OpenID Connect", error="invalid_token", error_description="[ -!#-\[\]-~]+"$/, 'and nothing else';
    is json($answer)->{error}, 'invalid_token', 'the body says the same';
    log_like qr/\[oidc_gate:warn\].*deny status=401 reason=token_expired/;
    log_unlike qr/eyJ/, 'no token in the log';
};

row 'a token without the scope is told which: insufficient_scope' => sub {
    my $answer = with('/scoped/x', token(scope => 'orders:read'));
    denied $answer, 403;
    like challenge_of($answer), qr/^Bearer realm="the orders API", error="insufficient_scope", error_description="[^"]+", scope="orders:read orders:list"$/, 'once each';
    is with('/scoped/x', token(scope => 'orders:list x orders:read'))->code, 200, 'with it, it passes';
    is with('/scoped/x', token(scope => $_))->code, 403, "'$_' does not" for 'orders:readorders:list', 'orders:readonly orders:list', 'ORDERS:READ ORDERS:LIST', '';
    log_like qr/reason=scope_missing/;
};

row 'a token that is bad in form is invalid_request, and no question' => sub {
    my $good = token();
    my %bad = (
        'no token' => 'Bearer', 'only a space' => 'Bearer ', 'two tokens' => "Bearer $good $good", 'a list' => "Bearer $good, Bearer $good",
        'a quoted token' => "Bearer \"$good\"", 'a tab' => "Bearer\t$good", 'an equals sign' => "Bearer=$good", 'a high byte' => "Bearer $good\xe4",
        '64 kilobytes' => 'Bearer ' . 'a' x 65536, 'a JWT of 64 kilobytes' => 'Bearer ' . token(claims => { x => 'y' x 48000 }, unknown => 1),
        'Basic behind it' => "Bearer $good,Basic YTpi", 'behind Digest' => "Digest a=b, Bearer $good", 'no scheme' => ", $good",
    );
    for my $name (sort keys %bad) {
        my $answer = raw_request("GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: $bad{$name}\r\n\r\n");
        like $answer, qr/\AHTTP\/1\.1 400 /, $name;
        like $answer, qr/^WWW-Authenticate: Bearer realm="OpenID Connect", error="invalid_request"/m, 'invalid_request';
    }
    for (["Bearer $good", "Bearer $good"], ["Bearer $good", 'Bearer x'], ['Basic YTpi', "Bearer $good"], ["Bearer $good", 'Basic YTpi'], ['Digest a=b', "Bearer $good"]) {
        my $lines = join '', map { "Authorization: $_\r\n" } @$_;
        like raw_request("GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n$lines\r\n"), qr/\AHTTP\/1\.1 400 /, 'two lines';
    }
    for my $byte ("\0", "\x01", "\r") {
        my $answer = raw_request("GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer $good${byte}x\r\n\r\n");
        like $answer, qr/\AHTTP\/1\.1 400 /, sprintf 'byte %d, by httpd itself', ord $byte;
    }
    nothing_happened;
    log_like qr/reason=malformed_credential/;
    log_like qr/reason=multiple_credentials/;
};

row 'the scheme is read in any case, the token exactly' => sub {
    my $token = token();
    for my $scheme (qw(Bearer bearer BEARER bEaReR)) {
        is get(ua(), '/api/x', Authorization => "$scheme $token")->code, 200, $scheme;
    }
    is get(ua(), '/api/x', Authorization => "Bearer   $token")->code, 200, 'more than one space';
    for my $scheme (qw(Bearers Beare Token DPoP JWT), 'Bearer-x') {
        is get(ua(), '/api/x', Authorization => "$scheme $token")->code, 401, "$scheme is another scheme";
    }
    expect_log qr/reason=no_credential/;
};

# --- RFC 9068 section 4: what is checked ---

row 'who, for whom, when' => sub {
    know_keys();
    my $now = int time;
    my %c = (
        bad_issuer => [iss => 'https://evil.example', iss => $op->issuer . '/', iss => uc $op->issuer, iss => [$op->issuer], iss => undef, iss => '', iss => 7,
                       iss => $op->issuer . '#', iss => $op->issuer . ' '],
        bad_audience => [aud => 'https://elsewhere.example', aud => 'c-web', aud => [], aud => undef, aud => '', aud => 'api://default/', aud => 'api://defaul',
                         aud => ['x', 'y'], aud => { 'api://default' => 1 }, aud => ['api://default', 7], aud => [['api://default']],
                         aud => [('x') x 65, 'api://default']],
        token_expired => [exp => $now - 60, exp => 0, exp => 1, exp => $now - 31.5],
        token_not_yet_valid => [nbf => $now + 600, nbf => $now + 600.5, iat => $now + 600],
        bad_claim => [exp => "@{[$now + 60]}", exp => 1e300, exp => -1, exp => -0.5, exp => undef, exp => JSON::PP::true, exp => [], exp => {}, exp => '',
                      exp => 9007199254740994, nbf => 'soon', nbf => -1, nbf => 1e300, nbf => undef, iat => "$now", iat => -5, iat => [], sub => 7, sub => undef, sub => '', sub => ['alice-sub'],
                      sub => "a\nb", client_id => 7, client_id => { a => 1 }, sub => 'x' x 300],
        pop_failed => [cnf => { jkt => 'x' }, cnf => { 'x5t#S256' => 'x' }, cnf => undef, cnf => {}, cnf => 'x'],
        malformed_token => [sub => "alice-sub\0x", x => "\0", aud => ["api://default\0"]],
    );
    my $json = JSON::PP->new->allow_nonref->ascii;
    for my $reason (sort keys %c) {
        my @pairs = @{ $c{$reason} };
        while (my ($claim, $value) = splice @pairs, 0, 2) {
            my $shown = substr $json->encode($value), 0, 50;
            my $either = $reason eq 'bad_claim' && $claim eq 'sub' && ref $value ? 'bad_claim|claim_missing' : $reason;
            refused(token(claims => { $claim => $value }, unknown => 1), $either, "$claim $shown");
        }
    }
    refused(token(drop => [$_], unknown => 1), 'bad_' . ($_ eq 'iss' ? 'issuer' : $_ eq 'aud' ? 'audience' : 'claim'), "without $_") for qw(iss aud exp);
    nothing_happened;
};

row 'what differs within the rules passes' => sub {
    my $now = int time;
    for ([exp => $now + 60.75], [aud => ['x', 'api://default']], [nbf => $now - 1], [nbf => $now - 1.5], [iat => $now + 10], [exp => $now - 5],
         [exp => 9007199254740992], [jti => 'x'], [sub => 'x' x 255]) {
        my ($claim, $value) = @$_;
        is with('/api/x', token(claims => { $claim => $value }, unknown => 1))->code, 200, "$claim " . substr(json_encode($value), 0, 40);
    }
    is with('/api/x', token(drop => [$_], unknown => 1))->code, 200, "without $_" for qw(iat jti client_id scope);
};

row 'a token without anybody in it lets nobody in' => sub {
    denied with('/api/x', token(drop => [qw(sub client_id)], unknown => 1)), 403;
    log_like qr/reason=claim_missing/;
};

row 'a text that is not UTF-8, or no JSON, is no token' => sub {
    know_keys();
    my %claims = (iss => $op->issuer, sub => 'alice-sub', aud => 'api://default', exp => int(time) + 60, client_id => 'c-web');
    my $honest = json_encode(\%claims);
    my %text = (
        'not UTF-8' => $honest =~ s/alice/\xff\xfe/r, 'overlong UTF-8' => $honest =~ s/alice/\xc0\xaf/r, 'UTF-8 cut short' => $honest =~ s/alice-sub/alice\xe2\x82/r,
        'a surrogate' => $honest =~ s/alice/\xed\xa0\x80/r, 'half a surrogate' => $honest =~ s/alice/\\ud800/r, 'a NUL byte' => $honest =~ s/alice/\0/r,
        'an escaped NUL' => $honest =~ s/alice/\\u0000/r, 'a line break' => $honest =~ s/alice/\n/r, 'a byte order mark' => "\xef\xbb\xbf$honest",
        'an end too early' => substr($honest, 0, -1), 'more behind it' => "$honest x", 'two objects' => $honest . $honest, 'a list' => "[$honest]", 'a number' => '1', 'null' => 'null',
        'nothing' => ' ', 'a comma too much' => $honest =~ s/\}$/,}/r, 'a comment' => $honest =~ s/\{/{\/**\//r, 'NaN' => $honest =~ s/\}$/,"x":NaN}/r,
        'beyond all numbers' => $honest =~ s/\}$/,"x":1e99999}/r, 'deep' => $honest =~ s/\}$/',"x":' . '[' x 40 . ']' x 40 . '}'/er,
        'a member twice' => $honest =~ s/\}$/,"sub":"mallory-sub"}/r, 'a member twice, once escaped' => $honest =~ s/\}$/,"\\u0073ub":"mallory-sub"}/r,
    );
    refused(jwt(header => { typ => 'at+jwt' }, claims => {}, claims_text => $text{$_}), 'malformed_token', $_) for sort keys %text;
    is with('/api/x', jwt(header => { typ => 'at+jwt' }, claims => {}, claims_text => $honest))->code, 200, 'and the honest one passes';
    upstream_is 1;
    calls_are $op, '';
};

row 'a header that is not the one is no header' => sub {
    know_keys();
    my %header = (
        'crit' => { crit => ['exp'] }, 'an empty crit' => { crit => [] }, 'b64' => { b64 => JSON::PP::false }, 'a kid that is a number' => { kid => 7 },
        'a typ that is a list' => { typ => ['at+jwt'] }, 'an alg that is a number' => { alg => 1 }, 'no alg' => { alg => undef },
    );
    refused(token(set_header => $header{$_}, unknown => 1), 'malformed_token', $_) for sort keys %header;
    refused(token(header_twice => { alg => 'none' }, unknown => 1), 'malformed_token', 'alg twice');
    refused(token(header_text => "{\"alg\":\"RS256\",\"typ\":\"at+jwt\",\"x\":\"" . 'y' x 5000 . '"}', unknown => 1), 'malformed_token', 'five kilobytes');
    refused(token(set_header => { alg => $_ }, unknown => 1), 'bad_alg', "alg $_") for qw(none None NONE nOnE HS256 HS384 HS512 rs256 RS255 RSA-OAEP dir ES256K), '', 'RS256 ';
    nothing_happened;
};

row 'a form that is not the compact one is no token' => sub {
    know_keys();
    my ($head, $body, $mac) = split /\./, token();
    my %form = (
        'two parts' => "$head.$body", 'an empty signature' => "$head.$body.", 'four parts' => "$head.$body.$mac.x", 'five parts' => "$head..$body.$mac.x", 'an empty head' => ".$body.$mac",
        'no claims' => "$head..$mac", 'only dots' => '..', 'padding' => "$head.$body.$mac=", 'base64' => "$head.$body." . ($mac =~ tr{-_}{+/}r) . '+/', 'loose bits' => "$head.$body.${mac}A",
        'no JWT' => 'abcdef', 'a tilde' => "$head.$body.$mac~", 'the head swapped' => "$body.$head.$mac",
    );
    refused($form{$_}, 'malformed_token|bad_signature|bad_alg', $_) for sort keys %form;
    nothing_happened;
};

row 'only the key that it should be' => sub {
    know_keys();
    refused(token(signature => $_, unknown => 1), 'bad_signature', "a signature that is $_") for qw(absent truncated longer zero flipped);
    refused(token(key => 'rsa-evil', header => { kid => 'rsa1' }, unknown => 1), 'bad_signature', "another key under the right one's name");
    refused(token(alg => 'none', unknown => 1), 'bad_alg', 'alg none');
    refused(token(alg => 'HS256', key => 'public:rsa1', header => { kid => 'rsa1' }, unknown => 1), 'bad_alg', 'HS256 with the public key for a secret');
    refused(token(alg => 'HS256', key => 'secret:s3cret-web', unknown => 1), 'bad_alg', "HS256 with the client's secret");
    refused(token(alg => 'ES256', key => 'ec256-evil', header => { kid => 'ec256' }, unknown => 1), 'bad_signature', 'another key of another kind');
    refused(token(alg => 'RS256', header => { kid => 'ec256' }, unknown => 1), 'bad_alg|unknown_kid|bad_signature', 'an algorithm that does not fit the key');
    refused(token(alg => 'EdDSA', key => 'ed25519-evil', header => { kid => 'ed25519' }, unknown => 1), 'bad_signature', 'Ed25519');
    upstream_is 0;
    calls_are $op, 'J<=1';      # another key may have taken that name
};

row 'a key that the token brings along, or points to, is not used' => sub {
    know_keys();
    my $elsewhere = $op->tenant('elsewhere');
    my $evil = Gate::JOSE::jwk('rsa-evil');
    my %bring = (jwk => $evil, jku => $elsewhere->issuer . '/jwks', x5u => $elsewhere->issuer . '/jwks', x5c => ['MIIB']);
    for my $name (sort keys %bring) {
        refused(token(key => 'rsa-evil', header => { kid => 'rsa1', $name => $bring{$name} }, unknown => 1), 'bad_signature', $name);
    }
    is_deeply $elsewhere->calls, {}, 'nobody else is asked';
    nothing_happened;
};

# --- keys that change ---

=httpd

<Macro Of $path $tenant>
    <Location $path>
        AuthType OIDCGate
        Require valid-user
        OIDCGateIssuer   @op@/$tenant
        OIDCGateMethods  bearer
        OIDCGateAudience api://default
        ProxyPass        @backend@
    </Location>
</Macro>
Use Of /rotating rotating
Use Of /flooded  flooded
Use Of /parallel parallel
Use Of /faulty   faulty

=cut

row 'a new key of the provider is found, once' => sub {
    my $rotating = $op->tenant('rotating');
    my $old = $rotating->mint(user => 'alice');
    status_is with('/rotating/x', $old), 200;
    calls_are $rotating, 'D1 J1';
    $rotating->rotate;
    status_is with('/rotating/x', $rotating->mint(user => 'alice')), 200, 'a token of the new key';
    calls_are $rotating, 'J1';
    status_is with('/rotating/x', $rotating->mint(user => 'alice')), 200, 'another';
    status_is with('/rotating/x', $old), 200, 'the old token was found good before';
    calls_are $rotating, '';
    $backend->reset;
    my $withdrawn = sub { with('/rotating/x', $rotating->mint(user => 'alice', key => 'rsa1'))->code };
    ok until_true(sub { 20 == grep { $withdrawn->() == 401 } 1 .. 20 }, 15), 'what the old key signs is soon refused by every process';
    calls_are $rotating, 'J<=1';
    log_like qr/reason=unknown_kid/;
};

# A modulus as the faulty generator makes them: modulo every small prime it is a power of 65537.
sub faulty_modulus {
    my $product = Math::BigInt->new(1);
    $product *= $_ for grep { my $n = $_; !grep { $n % $_ == 0 } 2 .. $n - 1 } 3 .. 167;
    my $n = (Math::BigInt->new(2)->bpow(2047) / $product + 1) * $product + Math::BigInt->new(65537)->bmodpow(7, $product);
    $n += $product if $n->is_even;
    return encode_base64url($n->to_bytes);
}

row 'J-8 a key of the faulty generator (CVE-2017-15361) is not used, and the log says so' => sub {
    my $faulty = $op->tenant('faulty');
    my $key = { kty => 'RSA', kid => 'rsa1', use => 'sig', e => 'AQAB', n => faulty_modulus() };
    $faulty->lie(jwks => set => { keys => [$key] });
    denied with('/faulty/x', $faulty->mint(user => 'alice')), 401;
    log_like qr/reason=unknown_kid .*detail="the provider publishes a key that is not used: an RSA key of the faulty kind of CVE-2017-15361"/;
};

row 'keys that nobody knows make the provider hear one question a minute' => sub {
    my $flooded = $op->tenant('flooded');
    status_is with('/flooded/x', $flooded->mint(user => 'alice')), 200;
    $_->reset for $flooded, $backend;
    my @codes = parallel(4, sub {
        my ($number) = @_;
        return [map { with('/flooded/x', $flooded->mint(user => 'alice', key => 'rsa-evil', header => { kid => "k-$number-$_" }, unknown => 1))->code } 1 .. 25];
    });
    is scalar(grep { $_ == 401 } map { @$_ } @codes), 100, 'a hundred of them are refused';
    calls_are $flooded, 'J<=1';
    upstream_is 0;
    status_is with('/flooded/x', $flooded->mint(user => 'alice')), 200, 'an honest one passes all the while';
    log_like qr/reason=unknown_kid/;
};

row 'twenty at once, and nothing is known of the provider: one document each' => sub {
    my $cold = $op->tenant('parallel');
    $cold->fault($_ => delay => 0.3) for qw(discovery jwks);
    my @tokens = map { $cold->mint(user => 'alice') } 1 .. 20;
    is_deeply [parallel(20, sub { with('/parallel/x', $tokens[$_[0] - 1])->code })], [(200) x 20], 'all pass';
    calls_are $cold, 'D1 J1';
};

row 'a provider that cannot give its keys is 503, not 401' => sub {
    my $away = $op->tenant('away');
    $away->fault(jwks => status => 500);
    my $answer = with('/away/x', $away->mint(user => 'alice'));
    denied $answer, 503;
    is $answer->header('Retry-After'), 5, 'Retry-After';
    is challenge_of($answer), '', 'no challenge';
    log_like qr/\[oidc_gate:error\].*reason=idp_error/;
    $away->honest;
    ok until_true(sub { with('/away/x', $away->mint(user => 'alice'))->code == 200 }, 12), 'and when it can, 200';
};

=httpd

Use Of /away away

=cut

# --- each kind of token in each place that takes one (RFC 8725 section 3.11) ---

# Tokens of the provider, with all that their kind has, and as much as possible of what the others have: same issuer, same
# person, in time, and an audience that fits every place.
sub kinds {
    my (%more) = @_;
    my $now = int time;
    my %all = (iss => $op->issuer, sub => 'alice-sub', aud => ['api://default', 'c-web'], iat => $now, exp => $now + 300, jti => "j$now", %more);
    my $event = { 'http://schemas.openid.net/event/backchannel-logout' => {} };
    my %kind = (
        'access token'        => ['at+jwt', { client_id => 'c-web', scope => 'openid' }],
        'ID token'            => ['JWT', { nonce => 'n', at_hash => 'h', azp => 'c-web', auth_time => $now, sid => 's' }],
        'logout token'        => ['logout+jwt', { events => $event, sid => 's', client_id => 'c-web' }],
        'userinfo'            => ['JWT', { name => 'Alice', email => 'alice@example.org' }],
        'introspection answer' => ['token-introspection+jwt', { token_introspection => { active => JSON::PP::true, sub => 'alice-sub' }, client_id => 'c-web', scope => 'openid' }],
        'DPoP proof'          => ['dpop+jwt', { htm => 'GET', htu => url('/api/x'), ath => 'a', client_id => 'c-web', scope => 'openid' }],
    );
    return map { my ($typ, $claims) = @{ $kind{$_} }; ($_ => jwt(header => { typ => $typ }, claims => { %all, %$claims, %more })) } keys %kind;
}

row 'of all kinds of tokens, only an access token is one' => sub {
    know_keys();
    my %token = kinds();
    is with('/api/x', $token{'access token'})->code, 200, 'an access token';
    upstream_is 1;
    refused($token{$_}, 'wrong_kind', $_) for grep { $_ ne 'access token' } sort keys %token;
    nothing_happened;
};

row 'nor is any other kind where typ says nothing' => sub {
    know_keys();
    my $now = int time;
    my %base = (iss => $op->issuer, sub => 'alice-sub', aud => ['api://default', 'c-web'], iat => $now, exp => $now + 300);
    my %mark = (scope => 'openid', scp => ['openid'], client_id => 'c-web', azp => 'c-web', cid => 'c-web');
    for my $typ ('JWT', 'jwt', 'application/jwt', undef) {
        my @header = defined $typ ? (header => { typ => $typ }) : (drop_header => ['typ']);
        my $name = defined $typ ? "typ $typ" : 'no typ';
        is with('/api/x', jwt(@header, claims => { %base, $_ => $mark{$_} }))->code, 200, "$name and $_: an access token" for sort keys %mark;
        refused(jwt(@header, claims => \%base), 'wrong_kind', "$name, none of these");
        refused(jwt(@header, claims => { %base, %mark, $_ => 'x' }), 'wrong_kind', "$name, all of these and $_")
            for qw(nonce at_hash c_hash events token_introspection);
    }
    upstream_is 20;
    is with('/api/x', jwt(header => { typ => $_ }, claims => \%base))->code, 200, "typ $_" for 'at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/AT+jwt';
    $backend->reset;
    refused(jwt(header => { typ => $_ }, claims => { %base, %mark }), 'wrong_kind', "typ $_")
        for 'at+jwt ', 'at', 'JWS', 'JOSE', 'secevent+jwt', 'oauth-authz-req+jwt', 'application/at+jwt; x', 'application/application/at+jwt', 'id_token', '', 'client-authentication+jwt';
    nothing_happened;
};

=httpd introspecting

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location />
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    ProxyPass       @backend@/
</Location>

=cut

row 'the introspection endpoint decides what it knows; a JWT is no answer of it' => sub {
    my %token = kinds();
    denied get(ua(), url('/x', 'introspecting'), bearer($token{$_})), 401, $_ for sort keys %token;
    log_like qr/reason=token_inactive/;
    my $alice = token();
    for my $kind (sort keys %token) {
        $op->fault(introspect => headers => [['Content-Type', 'application/token-introspection+jwt']], body => $token{$kind});
        my $answer = get(ua(), url('/x', 'introspecting'), bearer(token()));
        ok $answer->code =~ /^(?:401|503)$/, "$kind as an answer: " . $answer->code;
        $op->honest;
        until_true(sub { get(ua(), url('/x', 'introspecting'), bearer(token()))->code == 200 }, 8);
    }
    expect_log qr/reason=idp_\w+/;
};

row 'the callback takes an ID token, and no other kind' => sub {
    my %as = kinds();
    for my $kind (sort keys %as) {
        my $ua = ua();
        my $start = start_login($ua, '/app/x');
        my ($nonce) = $start->header('Location') =~ /[?&]nonce=([^&]+)/;
        my $back = at_provider($ua, $start);
        # Userinfo with all that an ID token must have would be one: nothing else tells them apart.
        my %bound = $kind eq 'userinfo' ? () : (nonce => $nonce);
        my %token = kinds(%bound, auth_time => int time, aud => 'c-web', azp => 'c-web');
        my ($header, $claims) = @{ decoded($token{$kind}) }{qw(header claims)};
        delete $claims->{at_hash};      # it would be another access token's
        $op->lie(id_token => instead => jwt(header => $header, claims => $claims));
        my $answer = call_back($ua, $back);
        $op->lie('id_token');
        is has_gate_session($ua), $kind eq 'ID token' ? 1 : 0, "$kind: " . ($kind eq 'ID token' ? 'a session' : 'none');
        $kind eq 'ID token' ? status_is($answer, 302, $kind) : denied($answer, 401, $kind);
    }
    upstream_is 0;
    log_like qr/reason=wrong_kind/;
    expect_log qr/reason=nonce_mismatch/;
};

row 'userinfo that is signed as a JWT is not taken for the claims, whatever kind it is' => sub {
    my %token = kinds();
    for my $kind (sort keys %token) {
        $op->fault(userinfo => headers => [['Content-Type', 'application/jwt']], body => $token{$kind});
        my $ua = ua();
        my $step = login($ua, '/userinfo/x');
        ok !$step->{page} || $step->{page}->code != 200, "$kind: no page";
        ok !has_gate_session($ua), "$kind: no session";
    }
    upstream_is 0;
};

=httpd

<Location /userinfo>
    AuthType OIDCGate
    Require valid-user
    OIDCGateUserinfo login
    ProxyPass @backend@
</Location>

=cut

# --- what one place accepts is nothing to another ---

=httpd

<Location /other-audience>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer
    OIDCGateAudience https://other.example/
    ProxyPass        @backend@
</Location>

<Location /any-audience>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer
    OIDCGateAudience any
    ProxyPass        @backend@
</Location>

<Location /other-issuer>
    AuthType OIDCGate
    Require valid-user
    OIDCGateIssuer   @op@/other
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    ProxyPass        @backend@
</Location>

<Location /other-algorithm>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods    bearer
    OIDCGateAudience   api://default
    OIDCGateAlgorithms ES256
    ProxyPass          @backend@
</Location>

<Location /other-clock>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateClockSkew 300s
    ProxyPass         @backend@
</Location>

<Location /by-the-book>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods      bearer
    OIDCGateAudience     api://default
    OIDCGateTokenProfile rfc9068
    ProxyPass            @backend@
</Location>

=httpd other

OIDCGateIssuer        @op@
OIDCGateClientID      c-api
OIDCGateClientSecret  file:@secrets@/c-api

<Location /api>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer introspection
    OIDCGateIntrospect all
    OIDCGateAudience api://default
    ProxyPass        @backend@
</Location>

=cut

row 'a token that one place has accepted is judged anew by every other' => sub {
    my $token = token();
    my @refusing = (['/other-audience/x', 'bad_audience'], ['/other-issuer/x', 'bad_issuer|unknown_kid'], ['/other-algorithm/x', 'bad_alg']);
    for my $round ('before', 'afterwards') {
        for (@refusing) {
            my ($path, $reason) = @$_;
            my $answer = with($path, $token);
            is $answer->code, 401, "$round: $path";
            like json($answer)->{reason}, qr/^(?:$reason)$/, $reason;
        }
        is with('/api/x', $token)->code, 200, "$round: where it is good, it is good";
        is with('/any-audience/x', $token)->code, 200, "$round: and where any audience will do";
    }
    upstream_is 4;
    expect_log qr/reason=(?:bad_audience|bad_issuer|unknown_kid|bad_alg)/;
};

row 'a clock that is read generously at one place is not at another' => sub {
    my $early = token(claims => { nbf => int(time) + 120 });
    is with('/other-clock/x', $early)->code, 200, 'five minutes may be off here';
    is with('/api/x', $early)->code, 401, 'but not there';
    is with('/other-clock/x', $early)->code, 200, 'still';
    log_like qr/reason=token_not_yet_valid/;
};

row 'AT-4 where the book counts, all that it requires must be there, whatever was good elsewhere' => sub {
    is with('/by-the-book/x', token())->code, 200, 'a token by the book';
    for my $lack (qw(sub client_id iat jti)) {
        my $token = token(drop => [$lack]);
        is with('/api/x', $token)->code, 200, "without $lack: good enough for others";
        my $answer = with('/by-the-book/x', $token);
        is $answer->code, 401, '... and not here';
        is json($answer)->{reason}, 'bad_claim', 'bad_claim';
        log_like qr/detail="it has no $lack, which RFC 9068 requires"/;
    }
    is json(with('/by-the-book/x', token(drop => [$_])))->{error}, 'invalid_token', "without $_" for qw(iss exp aud);
    is json(with('/by-the-book/x', token(header => { typ => 'JWT' })))->{reason}, 'wrong_kind', 'not at+jwt';
    expect_log qr/reason=(?:bad_claim|wrong_kind)/;
};

row 'another virtual host asks for itself' => sub {
    my $token = token();
    is with('/api/x', $token)->code, 200, 'good here';
    $op->kill_token($token);
    $_->reset for $op, $backend;
    denied get(ua(), url('/api/x', 'other'), bearer($token)), 401, 'and dead there';
    calls_are $op, 'D<=1 J<=1 I1';
    is with('/api/x', $token)->code, 200, 'still good here';
    log_like qr/reason=token_inactive/;
};

row 'a session is no token, and a token no session' => sub {
    my $alice = ua();
    login($alice, '/app/x');
    my ($session) = gate_cookies($alice);
    denied do { $_->reset for $op, $backend; get($alice, '/api/x') }, 401, 'a session where tokens are asked for';
    denied get(ua(), '/api/x', bearer($session->{value} =~ tr/A-Za-z0-9_.-//cdr)), 401, 'the cookie as a token';
    denied get(ua(), '/app/x', bearer(token())), 401, 'a token where people sign in';
    denied get(ua(), '/app/x', Cookie => "$session->{name}=" . token()), 401, 'a token as the cookie';
    is get($alice, '/app/x', bearer(token()))->code, 200, 'a token beside the session, where no token is taken';
    expect_log qr/reason=(?:no_credential|malformed_token|session_tampered|session_\w+)/;
};

=httpd

<Location /both>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    OIDCGateHeader   X-User "%{user}"
    ProxyPass        @backend@
</Location>

<Location /pass>
    AuthType OIDCGate
    Require all granted
    OIDCGateMethods           bearer
    OIDCGateAudience          api://default
    OIDCGateOnUnauthenticated pass
    OIDCGateHeader            X-User "%{user}"
    ProxyPass                 @backend@
</Location>

=cut

row 'a bad token beside a good session is a bad token' => sub {
    my $alice = ua();
    status_is login($alice, '/both/x')->{page}, 200;
    $backend->reset;
    denied get($alice, '/both/x', bearer('eyJhbGciOiJub25lIn0.e30.')), 401;
    denied browse($alice, '/both/x', bearer('eyJhbGciOiJub25lIn0.e30.')), 401, 'in a browser too: it is not sent to sign in';
    status_is get($alice, '/both/x', bearer($op->mint(user => 'mallory'))), 200, 'a good one counts before the session';
    is_deeply [$backend->got('X-User')], ['mallory-sub'], 'and says who it is';
    log_like qr/reason=bad_alg/;
};

row 'where nobody may pass, a bad token still may not' => sub {
    status_is get($ua, '/pass/x', 'X-User' => 'admin'), 200, 'nobody';
    is_deeply [$backend->got('X-User')], [], 'as nobody';
    status_is with('/pass/x', token()), 200, 'somebody';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'as somebody';
    $backend->reset;
    denied with('/pass/x', token(claims => { exp => 1 })), 401, 'a bad token';
    expect_log qr/stripped client header|reason=token_expired/;
};

# --- what the configuration must say ---

row 'bearer without an audience is no configuration' => sub {
    my $issuer = $op->issuer;
    config_fails <<"CONF", qr/OIDCGateAudience/;
OIDCGateIssuer $issuer
<Location /x>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods bearer
</Location>
CONF
};

done_testing;
