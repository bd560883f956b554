# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# No secret is shown to anybody for whom it is not meant (requirements.md I9): a server of its own, at the most talkative log level,
# goes through every story, good and bad; then all that it has written is searched for every token, code, secret, cookie and
# key that was in it. The values that only the server has are planted; the others are those that the provider and the gate have made.
use Gate::Test;

use Gate::JOSE qw(random_id);
use Gate::Server ();
use MIME::Base64 qw(encode_base64);
use URI ();
use URI::Escape qw(uri_unescape);

my $LOGS = Apache::Test::vars('t_logs');
my $KEYS = Apache::Test::vars('stage') . '/secrets';

# --- what must not be seen ---

# The rig writes down what the provider gives out, and each cookie that the gate sets; here is where this test's begin.
my $SECRETS_FROM = -s "$LOGS/secrets" // 0;
sub plant { open my $out, '>>', "$LOGS/secrets" or die "secrets: $!"; print $out map { "$_\n" } @_; close $out or die "secrets: $!"; return $_[0] }

sub secrets {
    open my $in, '<', "$LOGS/secrets" or die "secrets: $!";
    seek $in, $SECRETS_FROM, 0;
    my %seen;
    return grep { !$seen{$_}++ } map { chomp; $_ } <$in>;
}

my %PLANTED = map { $_ => plant("planted-$_-" . random_id(18)) } qw(web-secret post-secret api-secret server-key proxy-password);
plant($_, encode_base64($_, '') =~ s/=+$//r) for "web:$PLANTED{'web-secret'}", "api:$PLANTED{'api-secret'}", "gate:$PLANTED{'proxy-password'}";
plant(grep { length > 20 && !/-----/ } split /\n/, slurp("$KEYS/ec256.pem"));

# A text is put down, with where it comes from; and what in it is meant to be there.
my @SEEN;
sub saw { my ($where, $text, @fine) = @_; push @SEEN, [$where, $text, { map { $_ => 1 } @fine }]; return }

# Those of the secrets that stand in a text, as they are or in %XX.
sub found_in {
    my ($text, $fine, @secrets) = @_;
    my @texts = ($text, $text =~ /%[0-9A-Fa-f]{2}/ ? uri_unescape($text) : ());
    return grep { my $secret = $_; !$fine->{$secret} && grep { index($_, $secret) >= 0 } @texts } @secrets;
}

# --- the server ---

my $op = provider(clients => {
    web => { secret => $PLANTED{'web-secret'}, grants => [qw(authorization_code refresh_token)] },
    posting => { secret => $PLANTED{'post-secret'}, grants => [qw(authorization_code refresh_token)] },
    api => { secret => $PLANTED{'api-secret'}, grants => ['client_credentials'] },
});
my $backend = backend();
my %at = map { $_ => $op->tenant($_, par => 1) } qw(pushed proxied);
$at{opaque} = $op->tenant('opaque', access_token => 'opaque');
my ($OP, $BACKEND) = ($op->issuer, 'http://127.0.0.1:' . port('backend'));

write_file("$KEYS/secrets-$_", "$PLANTED{$_}\n", 0600) for keys %PLANTED;
write_file("$KEYS/secrets-proxy", "gate:$PLANTED{'proxy-password'}\n", 0600);

# httpd itself writes down what it reads and sends, at the levels that these modules are kept from here.
my $DIRECTIVES = <<"CONF";
LogLevel trace8 core:debug http:debug
CustomLog common.log   "%h %l %u %t \\"%r\\" %>s %b"
CustomLog combined.log "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" \\"%{User-Agent}i\\" %U %q %<{OIDCGATE_REASON}e"
ExtendedStatus On
OIDCGateLimit        address=100000 total=100000
OIDCGateSecretKey    file:$KEYS/secrets-server-key
OIDCGateSessionStore shm:4M file=sessions
OIDCGateAssertion    key=$KEYS/ec256.pem
OIDCGateLogout       revoke=On redirect=http://127.0.0.1:@{[port()]}/signed-out
<Location /server-status>
    SetHandler server-status
    Require all granted
</Location>
<Macro Gate \$name \$issuer \$client \$lines>
    <Location /\$name>
        AuthType OIDCGate
        OIDCGateIssuer   \$issuer
        OIDCGateClientID \$client
        OIDCGateClientSecret file:$KEYS/secrets-\$client-secret
        \$lines
        ProxyPass $BACKEND/\$name
        Require valid-user
    </Location>
</Macro>
Use Gate app      $OP        web  "OIDCGateUserinfo login"
Use Gate told     $OP        web  "OIDCGateHeader Authorization \\"Bearer %{access_token}\\""
Use Gate pushed   $OP/pushed web  "AuthName x"
Use Gate form     $OP/opaque web  "OIDCGateResponseMode form_post"
Use Gate api      $OP        web  "OIDCGateMethods bearer"
Use Gate asked    $OP/opaque web  "OIDCGateMethods introspection"
Use Gate batch    $OP        api  "OIDCGateMethods client_credentials"
Use Gate trial    $OP        web  "OIDCGateMethods code bearer"
Use Gate query    $OP        web  "OIDCGateMethods bearer"
Use Gate proxied  $OP/proxied web "OIDCGateHTTP proxy=http://127.0.0.1:@{[port('spare')]} proxy-auth=file:$KEYS/secrets-proxy"
Use Gate explain  $OP        web  "SetHandler oidc-gate-explain"
Use Gate status   $OP        web  "SetHandler oidc-gate-status"
<Location /api>
    OIDCGateAudience api://default
    OIDCGateHeader X-Assertion "%{assertion:https://orders.example.com}"
</Location>
<Location /asked>
    OIDCGateAudience any
</Location>
<Location /batch>
    OIDCGateAudience any
</Location>
<Location /trial>
    OIDCGateAudience api://default
    OIDCGateEnforce Off
</Location>
<Location /query>
    OIDCGateAudience api://default
    OIDCGateTokenFrom query:access_token header:X-Token cookie:tok
</Location>
CONF
symlink "$KEYS/secrets-$_->[0]", "$KEYS/secrets-$_->[1]" for [qw(post-secret posting-secret)];

my $server = Gate::Server->new(name => 'secrets', port => port(), processes => 2, directives => $DIRECTIVES)->start;
my $DIR = $server->dir;

# A browser whose every answer from the gate is put down. To the provider the protocol itself sends state, nonce and the ID token that is
# to be signed out; to the browser its cookies.
sub watched {
    my $ua = ua();
    $ua->add_handler(response_done => sub {
        my ($answer) = @_;
        return if $answer->request->uri->port != port();
        my @fine;
        my $to = $answer->header('Location') // '';
        if ($to =~ /^\Q$OP\E/) {
            my %asked = URI->new($to)->query_form;
            plant(grep { defined && length > 7 } @asked{qw(state nonce request_uri)});
            push @fine, values %asked;
            @fine = map { ($_, map { substr $_, 0, 40 } split /\./) } grep { defined } @fine;
        }
        push @fine, map { $_->{value} } cookies_of($answer);
        my $body = $answer->content;
        push @fine, $body =~ /^Authorization: Bearer ([^\r\n]+)/m ? map { substr $_, 0, 40 } split /\./, $1 : ()
            if $answer->request->uri->path =~ m{^/told};
        saw('the answer to ' . $answer->request->method . ' ' . $answer->request->uri->path, $answer->headers->as_string . $body, @fine);
        return;
    });
    return $ua;
}
sub called { my ($ua, $path, %who) = @_; return login($ua, $path, user => 'alice', %who) }
sub refused { my ($answer, $status, $name) = @_; return status_is $answer, $status, $name }
sub forged { my ($token) = @_; return $token =~ s/.{8}$/AAAAAAAA/r }
my $person = watched();

row 'people sign in, in each way; and do not' => sub {
    status_is called($person, "/$_/x?a=1")->{page}, 200, $_ for qw(app pushed form);
    status_is browse($person, '/told/x'), 200, 'told';
    status_is browse($person, '/app/x'), 200, 'a session that is known';
    my $step = called(watched(), '/app/x');
    isnt $step->{callback}->code, 200, 'it leads on';
    refused browse(watched(), $step->{callback}->request->uri), 400, 'what a browser brings that has not begun it';
    my $ua = watched();
    my $back = at_provider($ua, start_login($ua, '/app/x'))->header('Location');
    my ($code) = $back =~ /[?&]code=([^&]+)/;
    $op->fault(token => status => 400, json => { error => 'invalid_grant', error_description => "no such code: $code" });
    refused browse($ua, $back), 400, 'a code that the provider does not take';
    $op->honest;
    for my $lie ([id_token => set => { nonce => 'other' }], [id_token => alg => 'none'], [token => drop => ['id_token']],
                 [userinfo => set => { sub => 'other' }], [authorize => error => 'access_denied', error_description => 'no']) {
        $op->lie(@$lie);
        my $answer = called(watched(), '/app/x')->{callback};
        cmp_ok $answer->code, '>=', 400, "$lie->[0] $lie->[1]";
        $op->honest;
    }
    ok !called(watched(), '/proxied/x')->{page}, 'a proxy that is no more';
    hear_backend();
};

row 'tokens are renewed; and not' => sub {
    my $ua = watched();
    $op->set(lifetime => 1);
    status_is called($ua, '/told/x')->{page}, 200;
    until_true(sub { status_at($ua) == 200 && $op->calls('T') > 1 }, 5);
    $op->fault(token => status => 400, json => { error => 'invalid_grant' });
    isnt until_true(sub { my $s = status_at($ua); $s != 200 && $s }, 5), 200, 'a grant that is over';
    $op->honest;
    $op->set(lifetime => 300);
    hear_backend();
};
sub status_at { my ($ua) = @_; return browse($ua, '/told/x')->code }

row 'programs bring tokens and secrets, good and bad, in every place' => sub {
    my $program = watched();
    my $good = $op->mint(user => 'alice');
    status_is get($program, '/api/x', bearer($good)), 200;
    status_is get($program, '/query/x', 'X-Token' => $good), 200;
    status_is get($program, '/query/x', Cookie => "tok=$good"), 200;
    status_is get($program, "/query/x?a=1&access_token=$good"), 200, 'in the address';
    refused get($program, '/query/x?access_token=' . forged($good)), 401;
    refused get($program, "/query/x?access_token=$good", 'X-Token' => $good), 400, 'in two places';
    refused get($program, '/api/x', Authorization => "Bearer $good, Bearer $good"), 400;
    for my $bad (forged($good), $op->mint(user => 'alice', claims => { exp => 1 }), $op->mint(user => 'alice', claims => { aud => 'x' }),
                 $op->mint(user => 'alice', alg => 'HS256', key => 'secret:s3cret-web'), plant('Planted.Token.' . random_id())) {
        refused get($program, "/$_/x", bearer($bad)), 401 for qw(api asked);
    }
    my $opaque = $at{opaque}->mint(kind => 'opaque', user => 'alice');
    status_is get($program, '/asked/x', bearer($opaque)), 200;
    $at{opaque}->fault(introspect => status => 500);
    refused get($program, '/asked/x', bearer($at{opaque}->mint(kind => 'opaque', user => 'alice'))), 503;
    $at{opaque}->honest;
    status_is get($program, '/batch/x', basic(api => $PLANTED{'api-secret'})), 200;
    my $wrong = plant('planted-wrong-' . random_id());
    plant(encode_base64("api:$wrong", '') =~ s/=+$//r);
    refused get($program, '/batch/x', basic(api => $wrong)), 401;
    refused get($program, '/batch/x', Authorization => "Basic $wrong"), 400;
    hear_backend();
};

row 'a gate on trial says what it would do, and why is explained, without them' => sub {
    my $token = $op->mint(user => 'alice');
    get(watched(), '/trial/x', bearer($_)) for $token, 'what-is-no-token-goes-on';
    browse(watched(), '/trial/x');
    status_is called($person, '/explain?path=/app/x')->{page} // browse($person, '/explain?path=/app/x'), 200;
    for my $path (qw(/app/x /told/x /api/x /query/x /asked/x /batch/x /proxied/x)) {
        post($person, '/explain', [path => $path, @$_]) for [], [token => $token], [token => forged($token)], [token => $token, ask => 'yes'];
    }
    get($person, $_) for qw(/oidc-gate/whoami /oidc-gate/jwks /server-status /server-status?auto /status?json /status?metrics);
    status_is browse($person, '/status'), 200, 'the page with counts';
    hear_backend();
};

# What the backend has heard, which is forgotten as the next row begins.
sub hear_backend {
    for my $request ($backend->requests) {
        my @fine = $request->{target} =~ m{^/told} && $request->{head} =~ /^Authorization: Bearer ([^\r\n]+)/m ? map { substr $_, 0, 40 } split /\./, $1 : ();
        saw("what the backend was told for $request->{target}", $request->{head}, @fine);
    }
    return;
}

row 'people are signed out: by themselves, by the provider, and by what is no logout token' => sub {
    my $ua = watched();
    called($ua, '/told/x');
    my $logout = post($ua, '/oidc-gate/logout', [], 'Sec-Fetch-Site' => 'same-origin');
    redirects_to $logout, qr/id_token_hint=/;
    for my $token ($op->mint(kind => 'logout', client => 'web', user => 'alice'), $op->mint(kind => 'id', client => 'web', user => 'alice'), 'no-token-at-all') {
        post(watched(), '/oidc-gate/backchannel-logout', [logout_token => $token]);
    }
    browse($ua, '/app/x');
    browse($person, '/app/x');
    hear_backend();
};

row 'a configuration that is wrong is told without what is secret in it' => sub {
    my $secret = plant('planted-written-' . random_id(18));
    my $key = plant('planted-short-key');
    write_file("$KEYS/secrets-open", "$secret\n", 0644);
    write_file("$KEYS/secrets-short", "$key\n", 0600);
    write_file("$KEYS/secrets-two", "$secret\n$secret\n", 0600);
    write_file("$KEYS/secrets-command", "#!/bin/sh\nprintf '$secret\\001'\n", 0700);
    local $ENV{GATE_TEST_SECRET} = "$secret\x01";
    my $gate = "OIDCGateIssuer http://127.0.0.1:1\nOIDCGateClientID x\n<Location /x>\nAuthType OIDCGate\nRequire valid-user\n</Location>\n";
    for my $line ("OIDCGateClientSecret file:$KEYS/secrets-open", "OIDCGateClientSecret file:$KEYS/secrets-two", "OIDCGateClientSecret $secret $secret",
                  'OIDCGateClientSecret env:GATE_TEST_SECRET', "OIDCGateClientSecret exec:$KEYS/secrets-command",
                  "OIDCGateSecretKey $secret", "OIDCGateSecretKey file:$KEYS/secrets-short", "OIDCGateSecretKey file:$KEYS/secrets-open",
                  "OIDCGateSessionStore redis://:$secret\@127.0.0.1:1", "OIDCGateHTTP proxy=http://gate:$secret\@127.0.0.1:1", "OIDCGateHTTP proxy-auth=$secret",
                  "OIDCGateHTTP proxy-auth=file:$KEYS/secrets-open", "OIDCGateAssertion key=$KEYS/secrets-short", "OIDCGateTokenParam client_secret $secret",
                  "OIDCGateIssuer http://gate:$secret\@127.0.0.1:1", "OIDCGateEndpoint token http://gate:$secret\@127.0.0.1:1/t",
                  "OIDCGateClientSecret $secret\nOIDCGateMethods bearer") {
        my ($fine, $said) = config_output("$line\n$gate");
        ok !$fine, 'refused: ' . $line =~ s/\Q$secret\E/.../gr;
        saw("a configuration with $line" =~ s/\Q$secret\E/.../gr, $said);
    }
    for my $what (qw(DUMP_VHOSTS DUMP_RUN_CFG DUMP_MODULES DUMP_INCLUDES OIDC_GATE_PROBE)) {
        my $httpd = Apache::Test::vars('httpd');
        saw("-D $what", scalar qx($httpd -t -D $what -f $DIR/httpd.conf 2>&1));
    }
};

row 'none of it was written down anywhere, or shown to anybody else' => sub {
    $server->stop;
    my @secrets = secrets();
    cmp_ok scalar(@secrets), '>', 100, 'there was much to find';
    saw($_, slurp("$DIR/$_")) for qw(error_log common.log combined.log sessions);
    cmp_ok length(slurp("$DIR/$_")), '>', 5000, "$_ has something in it" for qw(error_log combined.log sessions);
    like slurp("$DIR/error_log"), qr/oidc_gate:trace|oidc_gate:debug/, 'it was talkative';
    my %leaks;
    for my $seen (@SEEN) {
        my ($where, $text, $fine) = @$seen;
        push @{ $leaks{$where} }, found_in($text, $fine, @secrets);
    }
    my @leaks = map { my $where = $_; map { "$where has $_" } @{ $leaks{$where} } } sort keys %leaks;
    ok !@leaks, 'nothing' or Test::More::diag(join "\n", @leaks[0 .. ($#leaks > 40 ? 40 : $#leaks)]);
    ok found_in(slurp("$KEYS/secrets-web-secret"), {}, @secrets), 'and what is looked for would be found';
};

Test::More::done_testing();
