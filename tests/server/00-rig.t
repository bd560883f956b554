# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# The rig tests itself: what the other tests rely on is so. It needs no module.
use Gate::Test ':rig';

use File::Temp ();
use MIME::Base64 qw(encode_base64url);
use Digest::SHA qw(sha256);
use Time::HiRes qw(time);

use Gate::Hostile qw(hostile_answers);
use Gate::Jar ();
use Gate::JOSE qw(decode half_hash jwt key_for verify);
use Gate::Log ();

=httpd

ProxyPass /ws/ @backend@/ws/ upgrade=websocket
ProxyPass /through/ @backend@/
<Location /denied>
    Require all denied
</Location>

=httpd tls

Use ProviderTLS @op@ localhost

=httpd expired

Use ProviderTLS @op@ expired

=httpd wrong

Use ProviderTLS @op@ wrong-name

=cut

my $op = provider();
my $backend = backend();
my $ua = ua();

sub at { my ($path) = @_; return $op->issuer . $path }
sub token_request { my ($client, %form) = @_; return post($ua, at('/token'), [%form], basic(@$client)) }
my ($WEB, $API) = (['c-web', 's3cret-web'], ['c-api', 's3cret']);
my $BACK = 'http://127.0.0.1:1/oidc-gate/callback';
my $VERIFIER = 'v' x 43;

# Walks to a code, as a gate and a browser would; returns what the browser brings back.
sub sign_in {
    my (%more) = @_;
    my %ask = (response_type => 'code', client_id => 'c-web', redirect_uri => $BACK, scope => 'openid', state => 'st',
               nonce => 'no', code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($VERIFIER)), %more);
    my $answer = get($ua, at('/authorize?' . Gate::Wire::form_text(map { [$_, $ask{$_}] } grep { defined $ask{$_} } sort keys %ask)));
    return { URI->new($answer->header('Location') // "http://x/?status=" . $answer->code)->query_form };
}
sub exchange {
    my ($code, %more) = @_;
    return token_request($WEB, grant_type => 'authorization_code', code => $code, redirect_uri => $BACK, code_verifier => $VERIFIER, %more);
}
sub refresh { my ($token) = @_; return token_request($WEB, grant_type => 'refresh_token', refresh_token => $token) }

row 'every algorithm signs, and only its key verifies' => sub {
    for my $alg (qw(RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256)) {
        my $token = jwt(alg => $alg, claims => { sub => 'x' });
        ok verify($token, key_for($alg)), "$alg verifies";
        my %evil = (R => 'rsa-evil', P => 'rsa-evil', E => 'ec256-evil', H => 'secret:other');
        my $other = $alg eq 'EdDSA' ? 'ed25519-evil' : $evil{ substr $alg, 0, 1 };
        ok !eval { verify($token, $other) }, "$alg with another key does not";
        ok !verify(jwt(alg => $alg, claims => { sub => 'x' }, signature => 'flipped'), key_for($alg)), "$alg, flipped, does not";
    }
    my ($text, $signature) = jwt(claims => { a => 1 }) =~ /^(.*)\.(.*)$/;
    my $dir = File::Temp->newdir;
    write_file("$dir/text", $text);
    write_file("$dir/signature", MIME::Base64::decode_base64url($signature));
    my $key = Gate::JOSE::key_file('rsa1');
    like qx(openssl dgst -sha256 -prverify $key -signature $dir/signature $dir/text 2>&1), qr/Verified OK/, 'OpenSSL agrees';
    is half_hash('RS256', 'jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y'), '77QmUPtjPfzWtF2AnpK9RQ', 'at_hash as published';
};

row 'tokens are bent as they are told' => sub {
    my $token = jwt(claims => { a => 1, b => 2 }, set => { a => 3 }, drop => ['b'], set_header => { crit => ['x'] }, drop_header => ['kid']);
    is_deeply decode($token), { header => { alg => 'RS256', typ => 'JWT', crit => ['x'] }, claims => { a => 3 } }, 'set and drop';
    my ($claims) = (split /\./, jwt(claims => { sub => 'a' }, claims_twice => { sub => 'b' }))[1];
    is MIME::Base64::decode_base64url($claims), '{"sub":"a","sub":"b"}', 'a member twice';
    like jwt(alg => 'none', claims => {}), qr/^[\w-]+\.[\w-]+\.$/, 'alg none has no signature';
    my $confused = jwt(alg => 'HS256', key => 'public:rsa1', set_header => { kid => 'rsa1' }, claims => {});
    ok verify($confused, 'public:rsa1'), 'HS256 with the public key as its secret';
};

row 'the provider counts what it is asked, and each tenant for itself' => sub {
    my $other = $op->tenant('other');
    get($ua, $_->issuer . '/.well-known/openid-configuration') for $op, $other, $other;
    get($ua, at('/jwks'));
    token_request($API, grant_type => 'client_credentials', scope => 'api.read');
    is_deeply $op->calls, { D => 1, J => 1, T => 1, 'T:client_credentials' => 1 }, 'the one';
    is_deeply $other->calls, { D => 2 }, 'the other';
    is $op->form(token => 'scope'), 'api.read', 'and remembers';
    is_deeply [$op->requests('token')]->[0]{auth}, 'client_secret_basic', 'how the client came';
    my $metadata = json(get($ua, $other->issuer . '/.well-known/openid-configuration'));
    is $metadata->{issuer}, $op->issuer . '/other', 'a tenant is an issuer';
    is $metadata->{token_endpoint}, $op->issuer . '/other/token', 'with endpoints of its own';
    $op->reset;
    is_deeply $op->calls, {}, 'reset';
    calls_are $op, '', 'calls_are agrees';
    get($ua, at('/jwks')) for 1 .. 2;
    calls_are $op, 'J2';
};

row 'the code flow works once, with the right verifier, redirect address and client' => sub {
    my $back = sign_in();
    is $back->{state}, 'st', 'the state comes back';
    is $back->{iss}, $op->issuer, 'so does the issuer';
    my $tokens = json(exchange($back->{code}));
    my $id = decode($tokens->{id_token});
    ok verify($tokens->{id_token}, 'rsa1'), 'the ID token verifies';
    is $id->{claims}{nonce}, 'no', 'nonce';
    is $id->{claims}{aud}, 'c-web', 'aud';
    is $id->{claims}{at_hash}, half_hash('RS256', $tokens->{access_token}), 'at_hash';
    is_deeply $id->{claims}{kong_claim}, ['kong_group'], 'the claims of alice';
    is decode($tokens->{access_token})->{header}{typ}, 'at+jwt', 'typ of the access token';
    is json(get($ua, at('/userinfo'), bearer($tokens->{access_token})))->{sub}, 'alice-sub', 'userinfo';
    is json(exchange($back->{code}))->{error}, 'invalid_grant', 'the code works once';
    status_is get($ua, at('/userinfo'), bearer($tokens->{access_token})), 401, 'and using it twice ends the grant';

    for my $wrong ([code_verifier => 'w' x 43], [redirect_uri => "$BACK/"], [code => 'nonsense']) {
        is json(exchange(sign_in()->{code}, @$wrong))->{error}, 'invalid_grant', "wrong $wrong->[0]";
    }
    is sign_in(code_challenge_method => 'plain')->{error}, 'invalid_request', 'PKCE plain is refused';
    is sign_in(code_challenge => undef)->{error}, 'invalid_request', 'no PKCE is refused';
    is sign_in(client_id => 'nobody')->{status}, 400, 'an unknown client gets no redirect';
    is sign_in(_user => 'mallory')->{iss}, $op->issuer, 'somebody else may be signed in';
};

row 'clients authenticate by basic (form-decoded), by post, by a signed assertion, and never by two of them' => sub {
    my ($id, $secret) = ('c%+ x', "p:+%\xe4");
    $op->set(clients => { $id => { secret => $secret, grants => ['client_credentials'] },
                          'c-key' => { key => 'ec256', grants => ['client_credentials'] } });
    my @grant = (grant_type => 'client_credentials');
    my ($q, $w) = map { s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger } $id, $secret;
    status_is post($ua, at('/token'), [@grant], basic($q, $w)), 200, 'basic, form-encoded';
    status_is post($ua, at('/token'), [@grant], basic($id, $secret)), 401, 'basic, not encoded';
    status_is post($ua, at('/token'), [@grant, client_id => 'c-api', client_secret => 's3cret']), 200, 'post';
    status_is post($ua, at('/token'), [@grant, client_id => 'c-api', client_secret => 's3cret'], basic(@$API)), 400, 'both';
    status_is post($ua, at('/token'), [@grant], basic('c-api', 'wrong')), 401, 'a wrong secret';
    status_is post($ua, at('/token'), [@grant], basic('c-api', '')), 401, 'an empty secret';
    status_is post($ua, at('/token'), [@grant, client_id => 'c-api']), 401, 'no secret';
    status_is post($ua, at('/token'), [@grant, @grant], basic(@$API)), 400, 'a parameter twice';
    my %claims = (iss => 'c-key', sub => 'c-key', aud => $op->issuer, exp => time + 60, jti => 'once');
    my @assertion = (client_assertion_type => 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
                     client_assertion => jwt(alg => 'ES256', claims => \%claims));
    status_is post($ua, at('/token'), [@grant, @assertion]), 200, 'private_key_jwt';
    status_is post($ua, at('/token'), [@grant, @assertion]), 401, 'the same assertion again';
    is json(token_request($API, @grant, scope => 'openid'))->{error}, 'invalid_scope', 'no openid for client credentials';
    is json(token_request($WEB, @grant))->{error}, 'unauthorized_client', 'a client without that grant';
};

row 'a refresh token works once; the second time ends the grant' => sub {
    my $first = json(exchange(sign_in()->{code}));
    my $second = json(refresh($first->{refresh_token}));
    isnt $second->{refresh_token}, $first->{refresh_token}, 'it rotates';
    ok $second->{id_token} && !exists decode($second->{id_token})->{claims}{nonce}, 'a new ID token, without nonce';
    status_is get($ua, at('/userinfo'), bearer($second->{access_token})), 200, 'the new access token works';
    is json(refresh($first->{refresh_token}))->{error}, 'invalid_grant', 'the old one again';
    is json(refresh($second->{refresh_token}))->{error}, 'invalid_grant', 'and with it the new one is dead';
    status_is get($ua, at('/userinfo'), bearer($second->{access_token})), 401, 'and its access token';
    is $op->state->{reuse} >= 1, 1, 'the provider has noticed';
    is $op->calls('T:refresh_token'), 3, 'three refreshes';
};

row 'claims follow the person' => sub {
    $op->user(carol => { groups => ['a'] });
    my $tokens = json(exchange(sign_in()->{code}));
    $op->user(carol => { groups => ['b'] });
    is_deeply decode(json(refresh($tokens->{refresh_token}))->{id_token})->{claims}{groups}, ['b'], 'after a refresh';
    $op->user('alice');
    my $split = $op->tenant('split', claims_in => { id_token => ['name'], access_token => ['groups'] });
    my $id = decode($split->mint(kind => 'id', user => 'alice'))->{claims};
    ok !exists $id->{groups} && exists $id->{name}, 'and stand where the provider puts them: ID token';
    ok exists decode($split->mint(user => 'alice'))->{claims}{groups}, 'access token';
};

row 'introspection tells the living from the dead' => sub {
    my $ask = sub { json(post($ua, at('/introspect'), [token => $_[0]], basic(@$API))) };
    my $token = $op->mint(user => 'alice');
    is $ask->($token)->{active}, JSON::PP::true, 'a minted token is active';
    is $ask->($op->mint(kind => 'opaque', user => 'alice'))->{sub}, 'alice-sub', 'so is an opaque one';
    is $ask->('nonsense')->{active}, JSON::PP::false, 'a stranger is not';
    is $ask->($op->mint(claims => { exp => time - 1 }))->{active}, JSON::PP::false, 'an expired one is not';
    $op->kill_token($token);
    is $ask->($token)->{active}, JSON::PP::false, 'a revoked one is not';
    status_is post($ua, at('/introspect'), [token => 'x']), 401, 'and nobody is told who does not say who he is';

    my $of_client = $op->mint(client => 'c-api');
    $op->deactivate('c-api');
    is $ask->($of_client)->{active}, JSON::PP::false, 'client inactive: its tokens are';
    $op->deactivate('c-api', 'rejected');
    is $ask->($of_client)->{error}, 'invalid_client', 'client rejected: it is told so';
    $op->activate('c-api');
    is $ask->($of_client)->{active}, JSON::PP::true, 'and back';
};

row 'the rest of the endpoints' => sub {
    my $tokens = json(exchange(sign_in()->{code}));
    my $pushed = json(post($ua, at('/par'), [response_type => 'code', redirect_uri => $BACK, scope => 'openid', state => 'pushed',
        code_challenge_method => 'S256', code_challenge => encode_base64url(sha256($VERIFIER))], basic(@$WEB)));
    like $pushed->{request_uri}, qr/^urn:/, 'PAR';
    my $to = at('/authorize?client_id=c-web&request_uri=' . $pushed->{request_uri});
    like get($ua, $to)->header('Location'), qr/state=pushed/, 'a pushed request is taken';
    status_is get($ua, $to), 400, 'once';
    my $posted = get($ua, at('/authorize?' . Gate::Wire::form_text(map { [@$_] } [response_type => 'code'], [client_id => 'c-web'],
        [redirect_uri => $BACK], [scope => 'openid'], [state => '"<&'], [response_mode => 'form_post'],
        [code_challenge_method => 'S256'], [code_challenge => 'c' x 43])));
    like $posted->content, qr/name="state" value="&#34;&#60;&#38;"/, 'form_post';
    status_is post($ua, at('/revoke'), [token => $tokens->{refresh_token}], basic(@$WEB)), 200, 'revocation';
    is json(refresh($tokens->{refresh_token}))->{error}, 'invalid_grant', 'revoked';
    redirects_to get($ua, at("/end_session?id_token_hint=$tokens->{id_token}&post_logout_redirect_uri=http://x/&state=s")), 'http://x/?state=s';
    status_is get($ua, at('/end_session?id_token_hint=x')), 400, 'a hint that is none';
    is $op->rotate, 'rsa2', 'keys rotate';
    is_deeply [map { $_->{kid} } @{ json(get($ua, at('/jwks')))->{keys} }], [qw(rsa2 ec256 ec384 ec521 ed25519)], 'in the key set too';
    is decode($op->mint)->{header}{kid}, 'rsa2', 'and in what is signed';
};

row 'the provider lies as it is told, and stops' => sub {
    $op->lie(id_token => set => { nonce => 'other' }, drop => ['exp'], alg => 'none');
    my $id = decode(json(exchange(sign_in()->{code}))->{id_token});
    is $id->{header}{alg}, 'none', 'alg';
    ok $id->{claims}{nonce} eq 'other' && !exists $id->{claims}{exp}, 'claims';
    $op->lie(discovery => set => { issuer => 'https://evil' }, drop => ['jwks_uri'], twice => { token_endpoint => 'x' });
    my $metadata = get($ua, at('/.well-known/openid-configuration'))->content;
    like $metadata, qr/"token_endpoint":.*"token_endpoint":"x"/, 'metadata, doubled';
    like $metadata, qr/"issuer":"https:..evil"/, 'metadata, changed';
    $op->lie(authorize => set => { iss => 'https://evil' }, drop => ['state']);
    is_deeply [@{ sign_in() }{qw(iss state)}], ['https://evil', undef], 'the way back';
    $op->lie(authorize => error => 'access_denied', error_description => '<b>');
    is_deeply [@{ sign_in() }{qw(error error_description code)}], ['access_denied', '<b>', undef], 'an error';
    $op->lie(token => drop => ['access_token'], set => { expires_in => 'soon' });
    is json(exchange(do { $op->lie('authorize'); sign_in()->{code} }))->{expires_in}, 'soon', 'the token answer';
    $op->lie(jwks => text => '[]');
    is get($ua, at('/jwks'))->content, '[]', 'any text';
    $op->honest;
    is sign_in()->{iss}, $op->issuer, 'honest again';
};

row 'the provider misbehaves on the wire, for some requests or all' => sub {
    $op->fault(jwks => status => 500, times => 1);
    is_deeply [map { get($ua, at('/jwks'))->code } 1 .. 2], [500, 200], 'once';
    $op->fault(token => status => 503, when => { grant_type => 'refresh_token' });
    status_is refresh('x'), 503, 'this grant';
    status_is token_request($API, grant_type => 'client_credentials'), 200, 'but not that';
    $op->fault(jwks => location => 'http://x/');
    status_is get($ua, at('/jwks')), 302, 'redirect';
    $op->fault(jwks => json => { keys => [] });
    is get($ua, at('/jwks'))->content, '{"keys":[]}', 'other JSON';
    $op->fault(jwks => truncate => 300);
    like raw_request("GET /jwks HTTP/1.1\r\n\r\n", port => port('op')), qr/\AHTTP.{296}\z/s, 'half an honest answer';
    $op->fault(token => lost => 1);
    my $tokens = do { $op->fault('token'); json(exchange(sign_in()->{code})) };
    $op->fault(token => lost => 1);
    isnt refresh($tokens->{refresh_token})->code, 200, 'acted upon, never answered';
    $op->fault('token');
    is json(refresh($tokens->{refresh_token}))->{error}, 'invalid_grant', '(it was acted upon)';
    $op->down;
    like get(ua(), at('/jwks'))->status_line, qr/^500 Can't connect/, 'nobody at home';
    $op->up;
    $op->honest;
    status_is get($ua, at('/jwks')), 200, 'back';
};

row 'a kept connection that was closed is no answer, a new one is' => sub {
    my $keeps = ua();
    status_is get($keeps, at('/jwks')), 200;
    $op->fault(jwks => close => 1, times => 1);
    status_is get($keeps, at('/jwks')), 200, 'asked again';
    calls_are $op, 'J3';
    $op->fault(jwks => close => 1, times => 1);
    status_is get(ua(), at('/jwks')), 500, 'but not on a new one';
    status_is post($keeps, at('/jwks'), []), 200, '(the same connection)';
    $op->fault(jwks => close => 1, times => 1);
    status_is post($keeps, at('/jwks'), []), 500, 'nor a form';
};

row 'twenty requests may be late at the same time' => sub {
    $op->fault(jwks => delay => 1);
    my $began = time;
    my @codes = parallel(20, sub { get(ua(), at('/jwks'))->code });
    my $took = time - $began;
    is_deeply \@codes, [(200) x 20], 'all are answered';
    cmp_ok $took, '>=', 1, 'late';
    cmp_ok $took, '<', 20, 'but not one after the other';
    calls_are $op, 'J20';
};

row 'a door may be closed while somebody inside speaks' => sub {
    my $wire = Gate::Wire->new;
    my ($one, $two) = map { Gate::Wire::door(0) } 1 .. 2;
    $wire->open_door($one, sub { return {} });
    $wire->open_door($two, sub { $wire->close_door($one); return { body => 'closed' } });
    my ($first, $last) = map {
        my $line = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_->sockport) // die "connect: $!";
        $wire->turn;
        $line;
    } $one, $two;       # IO::Select begins with the last
    print $_ "GET / HTTP/1.0\r\n\r\n" for $last, $first;
    $wire->turn for 1 .. 2;
    like join('', <$last>), qr/closed/, 'who has it closed is answered';
    is join('', <$first>), '', 'the other is cut off';
};

row 'an answer may be thought over first, or be ready and come late' => sub {
    my $issued = sub { decode(json(token_request($API, grant_type => 'client_credentials'))->{access_token})->{claims}{iat} };
    $op->fault(token => delay => 1.2);
    my $made = $issued->();
    cmp_ok $made, '<=', time - 1.2, 'ready and late: made when it was asked for';
    $op->fault(token => think => 1.2);
    my $began = time;
    cmp_ok $issued->(), '>=', int $began + 1, 'thought over: made later';
};

row 'every hostile answer can be sent, and none is a yes' => sub {
    my @answers = hostile_answers('http://127.0.0.1:1/');
    cmp_ok scalar(@answers), '>=', 60, 'there are enough';
    for (@answers) {
        my ($name, undef, $answer) = @$_;
        next if $answer->{hang} || $answer->{drip} || $answer->{endless};
        $op->fault(introspect => %$answer);
        my $reply = raw_request("POST /introspect HTTP/1.0\r\n\r\n", port => port('op'));
        my ($body) = $reply =~ /\AHTTP\/1\.1 200 .*?\r\n\r\n(.*)/s;
        my $data = eval { JSON::PP->new->utf8->max_depth(64)->decode($body // '') };
        ok length $reply || $answer->{close}, "$name is sent" or diag explain $answer if !$answer->{reset_after};
        ok !(ref $data eq 'HASH' && ref $data->{active} && $data->{active}) || $name =~ /twice|length|shorter|longer|UTF-16|behind/, "$name is no yes";
    }
};

row 'the backend sees what is sent, byte by byte and twice where it is twice' => sub {
    raw_request("GET /through/a%20b?q HTTP/1.1\r\nHost: x\r\nX-Who: 1\r\nx-who: 2\r\nX_Who: 3\r\nConnection: close\r\n\r\n");
    is_deeply [$backend->got('X-Who')], ['1, 2'], 'httpd joins doubles';
    is_deeply [$backend->got_folded('x-who')], ['X-Who: 1, 2', 'X_Who: 3'], 'but passes other spellings';
    is $backend->last->{target}, '/a%20b?q', 'target';
    raw_request("GET /a HTTP/1.1\r\nHost: x\r\nX-Who: 1\r\nX-Who:  2 \r\nConnection: close\r\n\r\n", port => port('backend'));
    is_deeply [$backend->got('X-Who')], [1, 2], 'and the backend itself shows doubles';
    upstream_is 2;
    like get($ua, '/through/')->content, qr/^PROTECTED-CONTENT$/m, 'the marker';
    $backend->answer_at('/c', headers => [['Cache-Control', 'max-age=60'], ['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2']]);
    my $answer = get($ua, '/through/c/d');
    is $answer->header('Cache-Control'), 'max-age=60', 'told headers';
    is_deeply [header_values($answer, 'Set-Cookie')], ['a=1', 'b=2'], 'each line apart';
    post($ua, '/through/up', [x => 'y' x 100_000]);
    is $backend->last->{length}, 100_002, 'the body arrives';
    my $upgraded = raw_request("GET /ws/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\nhello", until => qr/hello\z/);
    like $upgraded, qr/\AHTTP\/1.1 101 .*hello\z/s, 'an upgraded connection echoes';
};

row 'a browser keeps cookies as browsers do' => sub {
    my $jar = Gate::Jar->new;
    my $kept = sub { join ' ', sort map { $_->{name} } $jar->all };
    my $sent = sub { $jar->add_cookie_header(HTTP::Request->new(GET => $_[0]))->header('Cookie') // '' };
    $jar->take(URI->new('http://h/a/b'), $_) for 'a=1; Path=/', 'b=2', 'c=3; Secure', '__Host-d=4; Path=/',
        'e=5; Path=/; Max-Age=60', 'f=6; Path=/; Max-Age=0', 'nonsense';
    is $kept->(), 'a b e', 'http';
    $jar->take(URI->new('https://h/a/b'), $_) for '__Host-d=4; Path=/; Secure', '__Host-g=5; Path=/a; Secure', 'h=1; Secure';
    is $kept->(), '__Host-d a b e h', 'https';
    is $sent->('http://h:8080/a/x'), 'b=2; a=1; e=5', 'the longer path first; ports do not matter';
    is $sent->('http://h/ab'), 'a=1; e=5', 'below a path only';
    is $sent->('https://h/'), 'a=1; e=5; __Host-d=4', 'secure ones to https';
    is $sent->('http://other/'), '', 'to no other host';
    $jar->take(URI->new('https://h/'), $_) for 'k=7; Path=/; SameSite=None', 'l=8; Path=/; SameSite=None; Secure';
    my $form = HTTP::Request->new(POST => 'https://h/', ['Sec-Fetch-Site' => 'cross-site']);
    is $jar->add_cookie_header($form)->header('Cookie'), 'l=8', 'what a form of another site brings along';
    $jar->take(URI->new('http://h/x'), 'a=; Path=/; Max-Age=0');
    unlike $kept->(), qr/a/, 'and they end';
};

row 'a denial is a denial only if nothing leaks' => sub {
    my $good = HTTP::Response->new(403, 'no', ['Cache-Control' => 'no-store'], 'go away');
    denied $good, 403;
    for my $bad (HTTP::Response->new(403, 'no', ['Cache-Control' => 'no-store'], 'PROTECTED-CONTENT'),
                 HTTP::Response->new(403, 'no', [], 'x'), HTTP::Response->new(401, 'no', ['Cache-Control' => 'no-store'], 'x')) {
        ok !quiet(sub { denied($bad, $bad->code) }), 'a bad one is found out';
    }
};

row 'a provider with TLS: good, expired, of another name' => sub {
    is json(get($ua, url('/.well-known/openid-configuration', 'tls', 'https')))->{issuer}, $op->issuer, 'the good one';
    calls_are $op, 'D1';
    like get(ua(), url('/jwks', $_, 'https'))->status_line, qr/^500 Can't connect.*(verify|hostname)/, $_ for qw(expired wrong);
    calls_are $op, '';
};

row 'requests at once come back in order, with what each found' => sub {
    is_deeply [parallel(5, sub { $_[0] * 2 })], [2, 4, 6, 8, 10], 'results';
    is_deeply [map { /^died: no/ ? 1 : 0 } parallel(2, sub { die "no\n" })], [1, 1], 'deaths are told';
};

row 'configurations are judged by httpd itself' => sub {
    config_ok 'ServerAdmin somebody@example.org';
    config_fails 'NoSuchDirective On', qr/Invalid command 'NoSuchDirective'/;
    config_fails "ProxyPass\n", qr/ProxyPass/, 'and with its message';
};

row 'the log is read: what is declared passes, what is not does not, and secrets never' => sub {
    status_is get($ua, '/denied'), 403;
    log_like qr/AH01630: client denied by server configuration/, 'a line of this server';
    log_unlike qr/no such line/;
    is_deeply Gate::Log::fields('deny status=403 reason=claim_mismatch rule="claim a:\"b c\"" user=bob'),
        { status => 403, reason => 'claim_mismatch', rule => 'claim a:\"b c\"', user => 'bob' }, 'fields of a decision';
    my $dir = File::Temp->newdir;
    mkdir "$dir/logs";
    my $line = sub { "[now] [$_[0]] [pid 1] $_[1]\n" };
    my $first = $line->('oidc_gate:warn', 'deny reason=a') . $line->('oidc_gate:info', 'fine');
    write_file("$dir/logs/error_log", $first . $line->('oidc_gate:warn', 'deny reason=b') . $line->('core:notice', 'x')
        . "==1==ERROR: AddressSanitizer: x\n" . $line->('core:error', 'noisy') . $line->('oidc_gate:debug', 'sealed topsecretvalue'));
    write_file("$dir/noise", "# why\nnoisy\n");
    write_file("$dir/logs/secrets", "topsecretvalue\n");
    Gate::Log::note("$dir/logs", $_) for { test => 'one', begin => 0 }, { test => 'one', expect => 'reason=a' },
        { test => 'two', begin => length $first };
    my @bad = Gate::Log::unexpected("$dir");
    is_deeply [map { /(reason=b|Sanitizer|SECRET)/ } @bad], [qw(reason=b Sanitizer SECRET)], 'three of them' or diag @bad;
};

# A test that fails, and dies: outside of all others, as what is caught is no end.
my $failed = File::Temp->newdir;
quiet(sub {
    Gate::Test::write_down_failures("$failed", 'example');
    Gate::Log::note("$failed", { test => 'example', begin => 0 });
    pass 'what is fine';
    subtest 'a part' => sub { is 'one', 'two', 'a number'; pass 'another' };
    status_is(HTTP::Response->new(500, 'no', [], 'a page of the server'), 200, 'an answer');
    eval { die "caught\n" };
    parallel(1, sub { fail 'elsewhere' });
    die "the end\n";
});

row 'what failed is written down: each assertion with what it says, in parts of a test too, and what a test died of' => sub {
    Gate::Log::note("$failed", $_) for map { { test => $_, begin => 0 }, { test => $_, end => 1 } } qw(long silent);
    Gate::Log::note("$failed", { test => 'long', failed => join "\n", 1 .. 100 });
    my @said = Gate::Log::failures("$failed");
    my $text = join "\n", @said;
    like $text, qr/^example\.t:\n.*Failed test 'a number'\n.*at \S+00-rig\.t line \d+\.\n +got: 'one'\n +expected: 'two'\n/s, 'a part';
    like $text, qr/Failed test 'an answer'.*a page of the server/s, 'an answer';
    unlike $text, qr/fine|another|caught|elsewhere|silent/, 'nothing else';
    like $text, qr/^ {4}the end\n {4}it did not come to its end$/m, 'the end of it';
    is $said[-1], '    ... and 70 more lines', 'and no more than can be read';
};

# Runs an assertion that must fail, without saying so; whether it passed.
sub quiet {
    my ($code) = @_;
    my $passed;
    my $pid = open(my $from, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        my $builder = Test::More->builder;
        $builder->reset;
        $builder->no_ending(1);
        $builder->output('/dev/null');
        $builder->failure_output('/dev/null');
        syswrite STDOUT, $code->() ? 1 : 0;
        POSIX::_exit(0);
    }
    $passed = <$from>;
    close $from;
    return $passed;
}

done_testing;
