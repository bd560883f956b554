# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# OIDCGateResponseMode form_post (OAuth 2.0 Form Post Response Mode; requirements.md FP-1): the answer
# of the provider comes as a form, from its own page. Rows 2.2 and 2.5 to 2.9 of the scenarios in
# that way.
use Gate::Test;

=httpd

SSLEngine on
SSLCertificateFile    @keys@/localhost.crt
SSLCertificateKeyFile @keys@/localhost.key
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateResponseMode  form_post
CustomLog @logs@/form-post.log "%r"

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd query

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd loopback

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    OIDCGateResponseMode form_post
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $BASE = url('', '', 'https');
my $CALLBACK = "$BASE/oidc-gate/callback";
my @FOREIGN = ('Accept' => 'text/html', 'Sec-Fetch-Site' => 'cross-site', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document');

# A login up to the moment before the browser posts the answer: the browser, and the provider's page.
sub before_callback {
    my ($path) = @_;
    my $ua = ua();
    return ($ua, at_provider($ua, start_login($ua, $BASE . ($path // '/app/x'))));
}

# What that page would post, as pairs, with some of it changed.
sub posted {
    my ($answer, %change) = @_;
    my %pair = map { s/&#(\d+);/chr $1/ger } $answer->content =~ /name="([^"]*)" value="([^"]*)"/g;
    %pair = (%pair, %change);
    return [map { $_ => $pair{$_} } grep { defined $pair{$_} } sort keys %pair];
}

row '2.1 the provider is asked for a form, and the cookie comes along with it' => sub {
    my $start = browse(ua(), "$BASE/app/x");
    status_is $start, 302;
    like $start->header('Location'), qr/[?&]response_mode=form_post(?:&|$)/;
    my $cookie = cookie_of($start, qr/^__Host-oidc-gate-login/);
    is $cookie->{samesite}, 'None', 'SameSite=None';
    ok $cookie->{secure} && $cookie->{httponly}, 'Secure; HttpOnly';
    unlike browse(ua(), url('/app/x', 'query'))->header('Location'), qr/response_mode/, 'elsewhere it is not';
};

row '2.2 and 2.3 she signs in, by a form that her browser posts from the provider' => sub {
    my ($ua, $answer) = before_callback('/app/x?a=1&b=%20');
    status_is $answer, 200;
    my $callback = call_back($ua, $answer);
    is $callback->request->header('Sec-Fetch-Site'), 'cross-site', 'from another site';
    status_is $callback, 303;
    redirects_to $callback, qr{^(?:\Q$BASE\E)?/app/x\?a=1&b=%20$};
    is has_gate_session($ua), 1, 'a session';
    is scalar(() = gate_cookies($ua, 'login')), 0, 'the login is over';
    is cookie_of($callback, qr/^__Host-oidc-gate-(?!login)/)->{samesite}, 'Lax', 'the session is for this site';
    like $callback->header('Cache-Control'), qr/no-store/;
    is $op->form(token => 'redirect_uri'), $CALLBACK, 'the same redirect address';
    my $page = follow($ua, $callback);
    status_is $page, 200;
    is $backend->last->{target}, '/x?a=1&b=%20', 'the backend sees it so';
    my $log = Apache::Test::vars('t_logs') . '/form-post.log';
    ok until_true(sub { slurp($log) =~ m{^GET /app/x\?a=1&b=%20 HTTP/1\.1\n\z}m }), 'the access log has her page';
    unlike slurp($log), qr/code=|state=/, 'and no code';
};

row '2.5 the back button: the form again does no harm' => sub {
    my ($ua, $answer) = before_callback();
    status_is call_back($ua, $answer), 303, 'the first time';
    my ($before) = gate_cookies($ua);
    $op->reset;
    my $again = call_back($ua, $answer);
    status_is $again, 303, 'again it is sent on by a link';
    redirects_to $again, "$CALLBACK?error=unknown&state=unknown", 'with nothing of what was posted';
    my $link = follow($ua, $again);
    status_is $link, 303;
    redirects_to $link, qr{^(?:\Q$BASE\E)?/$}, 'which brings the session, and ends at the root';
    calls_are $op, '', 'the code is not sent again';
    is_deeply [gate_cookies($ua)], [$before], 'the session is as it was';
    log_like qr/redirect .*reason=state_unknown/;
};

row '2.6 a form with a state that nobody knows is a page with a way out, and no loop' => sub {
    for my $state ('forged', 'A' x 43) {
        my $ua = ua();
        my $answer = post($ua, $CALLBACK, [code => 'c', state => $state], @FOREIGN);
        status_is $answer, 303;
        unlike $answer->header('Location'), qr/\Q$state\E/, 'nothing is repeated';
        my $page = follow($ua, $answer);
        denied $page, 400;
        like $page->content, qr/<a href="/, 'start again';
    }
    my ($ua, $answer) = before_callback();
    denied follow(ua(), post(ua(), $CALLBACK, posted($answer), @FOREIGN)), 400, "another browser's state is as unknown";
    calls_are $op, '', 'and its code is not sent';
    expect_log qr/reason=state_unknown/;
};

row '2.6 what is no such form is 400 or 405, asks nobody and spoils nothing' => sub {
    my ($ua, $answer) = before_callback();
    my %good = @{ posted($answer) };
    $op->reset;
    my $post = sub { my ($body, $type) = @_; request($ua, POST => $CALLBACK, @FOREIGN, 'Content-Type' => $type // 'application/x-www-form-urlencoded', Content => $body) };
    my $text = join '&', map { "$_=" . URI::Escape::uri_escape($good{$_}) } sort keys %good;
    denied $post->($_), 400, substr $_, 0, 40
        for '', "state=$good{state}", "code=c&$text", "state=$good{state}&$text", "code=%00&state=$good{state}", "$text&x=" . 'x' x 30_000, 'x=' . 'x' x 30_000 . "&$text";
    denied $post->($text, $_), 400, $_ for 'text/plain', 'application/json', 'multipart/form-data; boundary=x';
    denied browse($ua, "$CALLBACK?$text"), 400, 'in the address it is no answer: the login was begun for a form';
    denied request($ua, PUT => $CALLBACK, Content => $text), 405;
    calls_are $op, '';
    status_is call_back($ua, $answer), 303, 'the honest answer still counts';
    expect_log qr/reason=(?:malformed_request|method_not_allowed)/;
};

row '2.8 two tabs at once, finished in any order' => sub {
    my $ua = ua();
    my ($one, $two) = map { at_provider($ua, start_login($ua, "$BASE/app/$_")) } qw(one two);
    redirects_to call_back($ua, $two), qr{/app/two$};
    redirects_to call_back($ua, $one), qr{/app/one$};
    is scalar(() = gate_cookies($ua, 'login')), 0, 'none under way';
};

row '2.9 an error comes by a form too' => sub {
    my %status = (access_denied => 403, login_required => 401, server_error => 503);
    for my $error (sort keys %status) {
        $op->lie(authorize => error => $error, error_description => '<script>alert(1)</script>');
        my ($ua, $answer) = before_callback();
        my $page = call_back($ua, $answer);
        denied $page, $status{$error}, "$error is $status{$error}";
        unlike $page->content, qr/<script|alert/, 'the description is not shown';
        ok !has_gate_session($ua), 'nobody is signed in';
    }
    expect_log qr/reason=(?:login_denied|login_required|idp_error)/;
};

row '2.10 another issuer, and a nonce of another login' => sub {
    my ($ua, $answer) = before_callback();
    denied post($ua, $CALLBACK, posted($answer, iss => 'https://evil.example'), @FOREIGN), 400;
    log_like qr/reason=issuer_mixup/;
    ($ua, $answer) = before_callback();
    $op->lie(id_token => set => { nonce => 'other' });
    denied call_back($ua, $answer), 401;
    log_like qr/reason=nonce_mismatch/;
    ok !has_gate_session($ua), 'nobody is signed in';
};

row 'where nothing is posted, a form is 405, and where the answer was to be a link, none' => sub {
    denied post(ua(), url('/oidc-gate/callback', 'query'), [code => 'c', state => 's'], @FOREIGN), 405;
    expect_log qr/reason=method_not_allowed/;
};

row 'on loopback, by http, a provider of the same host may post' => sub {
    my $ua = ua();
    my $start = start_login($ua, url('/app/x', 'loopback'));
    my $cookie = cookie_of($start, qr/^oidc-gate-login/);
    is $cookie->{samesite}, 'Lax', 'browsers take no SameSite=None without https';
    ok !$cookie->{secure};
    my $callback = call_back($ua, at_provider($ua, $start));
    is $callback->request->header('Sec-Fetch-Site'), 'same-site';
    status_is $callback, 303;
    status_is follow($ua, $callback), 200;
};

row 'a form needs https, and is asked for by the gate alone' => sub {
    config_fails <<'CONF', qr/OIDCGateResponseMode form_post \(\S+\) needs https/;
ServerName www.example.com:80
OIDCGateInsecure http-cookie
OIDCGateIssuer https://id.example.com
OIDCGateClientID x
OIDCGateClientSecret y
OIDCGateResponseMode form_post
<Location /x>
    AuthType OIDCGate
    Require valid-user
</Location>
CONF
    config_fails 'OIDCGateResponseMode fragment', qr/OIDCGateResponseMode fragment/;
    config_fails 'OIDCGateAuthorizationParam response_mode form_post', qr/the gate sets this parameter itself/;
};

Test::More::done_testing();
