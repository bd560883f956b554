# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# SetHandler oidc-gate-explain: an administrator asks what holds at a path, why a request is decided as it is, and what
# is known of a credential that a line of the log names.
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateTokenParam    audience not-to-be-shown

<Location /explain>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim kong_claim:kong_group
    SetHandler oidc-gate-explain
</Location>

# Here anybody could ask.
<Location /explain-open>
    SetHandler oidc-gate-explain
    Require all granted
</Location>
<Location /explain-watched>
    AuthType OIDCGate
    OIDCGateEnforce Off
    Require claim kong_claim:kong_group
    SetHandler oidc-gate-explain
</Location>

<Location /app>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    OIDCGateAudience api://other
    OIDCGateHeader X-User "%{user}"
    OIDCGateHeader X-Key  "not-to-be-shown %{claim:sub}"
    OIDCGateHeader X-Dept "%{claim:department}"
    <RequireAll>
        Require claim email~@
        Require claim kong_claim:kong_group kong_claim:third
    </RequireAll>
    ProxyPass @backend@
</Location>
<Location /asked>
    AuthType OIDCGate
    OIDCGateMethods introspection
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /in>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require valid-user
</Location>
<Location /in/header>
    OIDCGateTokenFrom header:X-Explained-Token
</Location>
<Location /in/cookie>
    OIDCGateTokenFrom cookie:tok
</Location>
<Location /in/query>
    OIDCGateTokenFrom query:access_token
</Location>
<Location /elsewhere>
    AuthType OIDCGate
    <RequireAll>
        Require valid-user
        Require ip 192.0.2.0/24
    </RequireAll>
</Location>
<Location /gold>
    AuthType OIDCGate
    Require acr gold
</Location>
<Location /watched>
    AuthType OIDCGate
    OIDCGateEnforce Off
    Require claim kong_claim:third
</Location>
<Location /plain>
    Require all granted
</Location>

=cut

my $op = provider();
my $backend = backend();
my $admin = ua();
$op->user('alice');
status_is login($admin, '/explain?path=/app/x', user => 'alice')->{page}, 200, 'alice is an administrator';
expect_log qr{is not enforced \(OIDCGateEnforce Off\)};

sub about { my ($question) = @_; return json(get($admin, "/explain?$question")) }
sub about_token {
    my ($token, $path, @more) = @_;
    return json(post($admin, '/explain', [path => $path, token => $token, @more]));
}
sub step { my ($answer, $name) = @_; return (grep { $_->{step} =~ $name } @{ $answer->{trace} })[0] }
sub order { my ($answer) = @_; return join ' > ', map { $_->{step} } @{ $answer->{trace} } }

row 'what holds at a path, and where each of it was written' => sub {
    my $answer = get($admin, '/explain?path=/app/x');
    status_is $answer, 200;
    is $answer->header('Cache-Control'), 'no-store', 'kept by nobody';
    my $about = json($answer);
    my %written;
    push @{ $written{ $_->{directive} } }, $_->{says} for @{ $about->{directives}{written} };
    is_deeply $written{OIDCGateMethods}, ['code bearer'], 'methods';
    is_deeply $written{OIDCGateAudience}, ['api://default', 'api://other'], 'all lines of a list';
    is_deeply $written{OIDCGateIssuer}, [$op->issuer], 'what is inherited';
    is_deeply $written{OIDCGateHeader}, ['X-User %{user}', 'X-Key %{claim:sub}', 'X-Dept %{claim:department}'], 'headers, without their own words';
    is_deeply $written{OIDCGateTokenParam}, ['audience ...'], 'parameters, without their values';
    like $written{OIDCGateClientSecret}[0], qr/^file:/, 'where a secret is';
    like $_->{from}, qr/(?:explain|module)\.conf:\d+$/, "$_->{directive}: file and line" for @{ $about->{directives}{written} };
    is $about->{directives}{defaults}{OIDCGateEnforce}, 'On', 'defaults';
    ok !exists $about->{directives}{defaults}{OIDCGateMethods}, 'of what is not written';
    unlike $answer->content, qr/not-to-be-shown|s3cret/, 'and no secret';
    is_deeply json(get($admin, '/explain?path=/plain/x')), { path => '/plain/x', guarded => JSON::PP::false }, 'a path that is not guarded';
    like about('path=/oidc-gate/callback')->{means}, qr/own/, "and one of the gate's own";
};

row 'why somebody is let in or not: the steps in order, each with what was seen' => sub {
    my $about = about('path=/app/x');
    is $about->{decision}{verb}, 'admit', 'alice, with her own session' or diag explain $about;
    is $about->{decision}{user}, 'alice-sub', 'who she is';
    like order($about), qr/^all rules together, without a name > credential > session cookie > session record > sessions ended by others > user > Require claim email~@ > Require claim kong_claim:kong_group kong_claim:third > all rules together > header X-User/,
        'in this order';
    is step($about, qr/Require claim kong/)->{seen}, "kong_claim is ['kong_group']", 'what the claim is' or diag explain $about->{trace};
    is step($about, qr/header X-Dept/)->{seen}, 'left out: something in it is not there', 'a header that will not be there';
    upstream_is 0, 'nothing went there';
    calls_are $op, '', 'and nobody was asked';
    $about = about_token($op->mint(user => 'mallory', claims => { kong_claim => 'fourth', email => 'm@example.com' }), '/app/x');
    is $about->{decision}{status}, 403, 'a token of mallory';
    is $about->{decision}{reason}, 'claim_mismatch', 'why';
    is $about->{decision}{rule}, 'claim kong_claim:kong_group kong_claim:third', 'which rule';
    is step($about, qr/Require claim email/)->{verdict}, 'ok', 'the rule before it was met';
    is step($about, qr/Require claim kong/)->{seen}, "kong_claim is 'fourth'", 'what her claim is';
    is step($about, qr/^signature/)->{verdict}, 'ok', 'the signature';
    $about = about_token($op->mint(user => 'alice', claims => { aud => 'api://x' }), '/app/x');
    is $about->{decision}{reason}, 'bad_audience', 'a token of another audience';
    is +(($about->{trace}[-1]{verdict})), 'bad_audience', 'with which the trace ends';
};

row 'a token is brought where the place takes one' => sub {
    my $token = $op->mint(user => 'alice');
    is about_token($token, "/in/$_/x")->{decision}{verb}, 'admit', "in $_" for qw(authorization header cookie query);
};

row 'what others would be told' => sub {
    is about('path=/app/x&who=nobody')->{decision}{verb}, 'challenge', 'a program without anything';
    my $about = about('path=/app/x&who=nobody&as=browser');
    is $about->{decision}{verb}, 'redirect', 'a browser';
    like step($about, qr/^nobody/)->{seen}, qr/auto; a browser opens a page/, 'by which policy';
    is step($about, qr/Require claim email/)->{verdict}, 'no_credential', 'each rule asks for a name';
    $about = about('path=/elsewhere/x');
    like step($about, qr/without a name/)->{seen}, qr/^403, whoever it is/, "a rule of httpd's own";
    is about('path=/gold/x')->{decision}{reason}, 'acr_unmet', 'a rule about signing in';
    is about('path=/app/x&method=DELETE&who=nobody&as=browser')->{decision}{verb}, 'challenge', 'another method';
    $about = about('path=/app/x&method=TRACE&who=nobody');
    ok $about->{guarded}, 'TRACE: the place is guarded';
    is_deeply [@{ $about->{decision} }{qw(verb status reason)}], ['refuse', 405, 'method_not_allowed'], '... and the host refuses it';
    is order($about), 'method', '... before anything else is looked at';
    $about = about('path=/watched/x');
    is $about->{decision}{status}, 403, 'a place on trial';
    is $about->{decision}{enforced}, JSON::PP::false, 'says so';
    log_unlike qr/authorization failure|would deny/, 'none of it is in the log as if it had happened';
    upstream_is 0;
};

row 'the provider is asked where that is asked for' => sub {
    my $token = $op->mint(user => 'alice', kind => 'opaque');
    my $about = about_token($token, '/asked/x');
    is $about->{decision}{verb}, 'open', 'what only the provider knows stays open' or diag explain $about;
    like step($about, qr/provider would be asked/)->{seen}, qr{^POST \Q@{[$op->issuer]}\E/introspect$}, 'with what it would be asked';
    calls_are $op, '', 'and was not';
    is about_token($token, '/asked/x', ask => 'yes')->{decision}{verb}, 'admit', 'asked';
    calls_are $op, 'D<=1 J<=1 I1';
    $about = about_token($token, '/asked/x');
    is $about->{decision}{verb}, 'admit', 'and known from then on';
    is step($about, qr/^verdict/)->{seen}, 'hit', 'as it says';
    calls_are $op, '';
    $op->fault(introspect => status => 500);
    about_token($op->mint(kind => 'opaque'), '/asked/x') for 1 .. 6;
    $op->fault('introspect');
    is get(ua(), '/asked/x', bearer($op->mint(user => 'alice', kind => 'opaque')))->code, 200, 'not asking is not taken for failing';
};

row 'from a line of the log: what is known of the credential that it names' => sub {
    my $who = ua();
    login($who, '/app/x', user => 'mallory');
    my $line = deny_line('claim_m\w+');
    like $line->{cred}, qr/^[0-9a-f]{16}$/, 'the line names it' or return;
    my $filed = about("digest=$line->{cred}")->{credential};
    is $filed->{kind}, 'session', 'a session';
    cmp_ok $filed->{expires}, '>', time, 'that lives';
    ok $filed->{known} && !$filed->{ended}, 'and was not ended';
    is_deeply [sort keys %$filed], [qw(created expires idle kind known seen)], 'nothing that is in it';
    my ($cookie) = gate_cookies($who);
    is about("digest=" . substr($cookie->{value}, 0, 16))->{credential}, undef, 'the cookie is no such name';
    post($who, '/oidc-gate/logout', []);
    is about("digest=$line->{cred}")->{credential}{known}, JSON::PP::false, 'signed out: gone';

    get(ua(), '/app/x', bearer($op->mint(user => 'mallory')));
    my $good = about('digest=' . deny_line('claim_mismatch')->{cred})->{credential};
    is $good->{kind}, 'credential found good', 'a token that is good, of somebody who may not';
    my $dead = $op->mint(user => 'alice', kind => 'opaque');
    $op->kill_token($dead);
    get(ua(), '/asked/x', bearer($dead));
    my $bad = about('digest=' . deny_line('token_inactive')->{cred})->{credential};
    is $bad->{kind}, 'credential found bad', 'and one that is not';
    is $bad->{reason}, 'token_inactive', 'why';
    expect_log qr/malformed_request/;
};

row 'for administrators alone, and by their own doing' => sub {
    status_is browse(ua(), '/explain?path=/app/x'), 302, 'nobody signs in first';
    my $mallory = ua();
    login($mallory, '/app/x', user => 'mallory');
    status_is browse($mallory, '/explain?path=/app/x'), 403, 'nobody else';
    status_is get($admin, '/explain-open?path=/app/x'), 403, 'nor where anybody may come';
    status_is get($admin, '/explain-watched?path=/app/x'), 403, 'nor where nothing is enforced';
    log_like qr/reason=config_error .*anybody could learn what holds here/;
    my $token = $op->mint(user => 'alice');
    status_is get($admin, "/explain?path=/app/x&$_"), 400, "$_ is for POST" for 'token=x', 'ask=yes';
    status_is get($admin, "/explain?$_"), 400, "'$_' is no question" for '', 'path=//evil.example/', 'path=app', 'path=/a&path=/b', 'digest=xyz', 'path=/a&method=NONSENSE';
    my @anyhow = (Cookie => join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($admin));
    status_is post($admin, '/explain', [path => '/app/x'], @anyhow, 'Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.example'), 403,
        'and no page of another site asks, whatever the browser sends along';
    status_is request($admin, PUT => '/explain?path=/app/x'), 405, 'GET and POST';
    expect_log qr/deny status=4/;
    log_unlike qr/\Q$token\E/, 'a token that was asked about is in no log';
};

done_testing;
