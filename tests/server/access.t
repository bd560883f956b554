# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Scenario 4, access control: rows 4.1 to 4.17.
use Gate::Test;

use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /groupsroute>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    OIDCGateHeader Authorization "Bearer %{access_token}"
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>

<Location /anybody>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

# A program with a token of these claims; the answer's status.
sub with_claims {
    my ($path, %claims) = @_;
    my $token = $op->mint(claims => { sub => 'somebody', %claims });
    return get(ua(), $path, bearer($token))->code;
}

row '4.1 mallory, not signed in, is sent to the provider' => sub {
    my $start = browse(ua(), '/groupsroute/x');
    status_is $start, 302;
    redirects_to $start, qr/^\Q@{[$op->issuer]}\E\/authorize\?/;
    upstream_is 0;
};

row '4.2 mallory comes back from there: 403, no further redirect, and she stays signed in' => sub {
    my $ua = ua();
    my $step = login($ua, '/groupsroute/x', user => 'mallory');
    status_is $step->{callback}, 302, 'the login itself is fine';
    denied $step->{page}, 403;
    my $line = deny_line('claim_mismatch');
    is $line->{status}, 403, 'the log: status';
    is $line->{rule}, 'claim kong_claim:kong_group', 'which rule';
    like $line->{user}, qr/^mallory/, 'who';
    is $line->{method}, 'code', 'how she came';
    status_is browse($ua, '/anybody/x'), 200, 'where everybody may, she may';
    calls_are $op, 'D<=1 J<=1 T1';
    denied do { $backend->reset; browse($ua, '/groupsroute/x') }, 403, 'again 403';
    calls_are $op, '';
};

row '4.2 a claim that is not there at all is another reason than one with another value' => sub {
    $op->user(nobody => { name => 'N' });
    denied login(ua(), '/groupsroute/x', user => 'nobody')->{page}, 403;
    is deny_line('claim_missing')->{rule}, 'claim kong_claim:kong_group', 'claim_missing';
    $op->user('alice');
};

row '4.3 alice may, and the backend gets a token that says why' => sub {
    status_is login(ua(), '/groupsroute/x', user => 'alice')->{page}, 200;
    my ($token) = map { s/^Bearer //r } $backend->got('Authorization');
    is_deeply decoded($token)->{claims}{kong_claim}, ['kong_group'], 'kong_claim';
    upstream_is 1;
};

row "4.4 mallory's token, in a program: 403 and insufficient_scope; alice's: 200" => sub {
    my $answer = get(ua(), '/groupsroute/x', bearer($op->mint(user => 'mallory')));
    denied $answer, 403;
    my ($challenge) = header_values($answer, 'WWW-Authenticate');
    like $challenge, qr/^Bearer /, 'a Bearer challenge';
    like $challenge, qr/error="insufficient_scope"/, 'that says so';
    unlike $challenge, qr/scope="/, 'without a scope, since no scope would help';
    log_like qr/deny status=403 reason=claim_mismatch .*method=bearer/;
    status_is get(ua(), '/groupsroute/x', bearer($op->mint(user => 'alice'))), 200, 'alice';
    upstream_is 1;
};

=httpd

<Location /shape>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>

<Location /scope-shape>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require scope claim=kong_claim kong_group
    ProxyPass @backend@
</Location>

=cut

row '4.6 the value compares exactly, whatever shape the claim has' => sub {
    my $json = JSON::PP->new->canonical->allow_nonref;
    my @yes = (['kong_group'], ['a', 'kong_group'], 'kong_group');
    my @no = ('a kong_group b', 'kong_group2', 'KONG_GROUP', ['kong_group2'], { kong_group => 1 }, 7, JSON::PP::true, undef, '', [],
              [['kong_group']], [{ kong_claim => 'kong_group' }], 'kong_group ', ' kong_group', "kong_group\n", 'kong', 'kong_groupkong_group');
    is with_claims('/shape/x', kong_claim => $_), 200, $json->encode($_) . ' passes' for @yes;
    is with_claims('/shape/x', kong_claim => $_), 403, $json->encode($_) . ' does not' for @no;
    is with_claims('/shape/x'), 403, 'absent does not';
    is with_claims('/shape/x', 'kong_claim:kong_group' => 1, kong_claims => ['kong_group']), 403, 'nor do others of its kind';
    expect_log qr/deny status=403 reason=claim_/;
    upstream_is scalar @yes;
};

row '4.6 a value with a NUL in it is no value: the token is refused as a whole' => sub {
    is with_claims('/shape/x', kong_claim => "kong_group\0x"), 401, 'as a text';
    is with_claims('/shape/x', kong_claim => ["kong_group\0"]), 401, 'in a list';
    log_like qr/reason=malformed_token/;
    upstream_is 0;
};

row '4.6 Require scope reads a text as words, and a list as it is' => sub {
    is with_claims('/scope-shape/x', kong_claim => $_), 200, "'@{[ref $_ ? qq(list @$_) : $_]}' passes"
        for 'a kong_group b', 'kong_group', ['kong_group'], ['a', 'kong_group'];
    is with_claims('/scope-shape/x', kong_claim => $_), 403, "'@{[ref $_ ? qq(list @$_) : $_]}' does not"
        for 'akong_group', 'kong_group2', 'KONG_GROUP', '', ['kong'], [], 'a,kong_group';
    expect_log qr/reason=scope_missing/;
};

=httpd

<Location /words>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require scope claim=kong_claim "kong group"
    ProxyPass @backend@
</Location>

<Location /sentence>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require claim "kong_claim:kong group"
    ProxyPass @backend@
</Location>

=cut

row '4.7 for Require scope two words are two scopes; for Require claim they are one text' => sub {
    is with_claims('/words/x', kong_claim => ['kong group']), 403, 'scope: a member with a space is neither word';
    is with_claims('/words/x', kong_claim => ['kong', 'group']), 200, 'scope: both words';
    is with_claims('/words/x', kong_claim => 'group x kong'), 200, 'scope: both words in a text';
    is with_claims('/words/x', kong_claim => 'kong'), 403, 'scope: one of them';
    is with_claims('/sentence/x', kong_claim => ['kong group']), 200, 'claim: the whole text';
    is with_claims('/sentence/x', kong_claim => ['kong', 'group']), 403, 'claim: not its parts';
    expect_log qr/reason=(?:scope_missing|claim_mismatch)/;
};

=httpd

<Location /truth>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require scope "employee marketing" super-admins
    ProxyPass @backend@
</Location>

<Location /both>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    <RequireAll>
        Require claim groups:employee
        Require claim groups:marketing
    </RequireAll>
    ProxyPass @backend@
</Location>

=cut

row '4.8 (employee and marketing) or super-admins' => sub {
    for my $bits (0 .. 7) {
        my ($employee, $marketing, $super) = map { $bits >> $_ & 1 } 0 .. 2;
        my @has = (('employee') x $employee, ('marketing') x $marketing, ('super-admins') x $super);
        my $may = $employee && $marketing || $super ? 200 : 403;
        is with_claims('/truth/x', scope => "@has"), $may, "scope '@has': $may";
        my $listed = $op->mint(claims => { scp => [@has] }, drop => ['scope']);
        is get(ua(), '/truth/x', bearer($listed))->code, $may, "scp [@has]: $may";
        my $both = $employee && $marketing ? 200 : 403;
        is with_claims('/both/x', groups => [@has]), $both, "two lines in RequireAll, [@has]: $both";
    }
    my $answer = get(ua(), '/truth/x', bearer($op->mint(claims => { scope => 'employee' })));
    like $answer->header('WWW-Authenticate'), qr/scope="[^"]*\bmarketing\b/, 'the challenge says which scopes are wanted';
    expect_log qr/reason=(?:scope_missing|claim_mi)/;
};

=httpd

<Location /nested>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require claim realm_access.roles:admin
    ProxyPass @backend@
</Location>

<Location /url>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require claim https://x.io/roles:admin
    ProxyPass @backend@
</Location>

<Location /pattern>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require claim email~^[^@]+@example\.org$
    ProxyPass @backend@
</Location>

=cut

row '4.9 a path descends, a literal name with dots or a URL wins, a pattern matches' => sub {
    is with_claims('/nested/x', realm_access => { roles => ['user', 'admin'] }), 200, 'a path';
    is with_claims('/nested/x', realm_access => { roles => ['user'] }), 403, 'another role';
    is with_claims('/nested/x', realm_access => 'roles'), 403, 'not an object';
    is with_claims('/nested/x', realm_access => [{ roles => ['admin'] }]), 403, 'a list on the way';
    is with_claims('/nested/x', 'realm_access.roles' => ['admin']), 200, 'the literal name';
    is with_claims('/nested/x', 'realm_access.roles' => ['user'], realm_access => { roles => ['admin'] }), 403, 'the literal name wins';
    is with_claims('/url/x', 'https://x.io/roles' => ['admin']), 200, 'a name that is a URL';
    is with_claims('/url/x', 'https://x.io/roles' => ['user']), 403, 'another role there';
    is with_claims('/url/x', https => { '//x' => { 'io/roles' => ['admin'] } }), 403, 'which is not taken apart';
    is with_claims('/pattern/x', email => 'a@example.org'), 200, 'a pattern';
    is with_claims('/pattern/x', email => $_), 403, "not $_" for 'a@example.org.evil', 'a@b@example.org', "a\@example.org\n";
    expect_log qr/reason=claim_/;
};

=httpd elsewhere

OIDCGateIssuer        @op@/elsewhere
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /groupsroute>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>

<Location /pinned>
    AuthType OIDCGate
    Require claim id:kong_claim:kong_group
    ProxyPass @backend@
</Location>

=cut

row '4.10 the claim stands in the access token alone: read where that is a JWT, and where it is opaque 403 with advice' => sub {
    my $elsewhere = $op->tenant('elsewhere', claims_in => { id_token => ['name'], userinfo => ['name'] });
    my $page = url('/groupsroute/x', 'elsewhere');
    my $ua = ua();
    status_is login($ua, $page)->{page}, 200, 'a JWT';
    $backend->reset;
    denied browse($ua, url('/pinned/x', 'elsewhere')), 403, 'but it is not the ID token that says so';
    $elsewhere->set(access_token => 'opaque');
    denied login(ua(), $page)->{page}, 403;
    my $line = log_like qr/reason=claim_missing.*(?:opaque|introspection|userinfo)/, 'the log has advice';
};

=httpd changing

OIDCGateIssuer        @op@/changing
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /groupsroute>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

=cut

row '4.11 who leaves the group keeps access until the next refresh, and not longer' => sub {
    my $changing = $op->tenant('changing', lifetime => 5);
    my $page = url('/groupsroute/x', 'changing');
    $changing->user(eve => { kong_claim => ['kong_group'] });
    my $ua = ua();
    status_is login($ua, $page)->{page}, 200, 'in the group';
    $changing->user(eve => { kong_claim => ['other'] });
    status_is browse($ua, $page), 200, 'left it, and nobody has asked yet';
    ok until_true(sub { browse($ua, $page)->code == 403 }), 'after the refresh 403';
    cmp_ok $changing->calls('T:refresh_token'), '>=', 1, 'there was one';
    log_like qr/reason=claim_mismatch/;
};

=httpd

<Location /public-area>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /admin-area>
    AuthType OIDCGate
    Require claim groups:ops
    ProxyPass @backend@
</Location>

=cut

row '4.12 one login, and each place decides for itself' => sub {
    my ($alice, $mallory) = (ua(), ua());
    status_is login($alice, '/public-area/x')->{page}, 200, 'alice signs in';
    status_is login($mallory, '/public-area/x', user => 'mallory')->{page}, 200, 'so does mallory';
    $_->reset for $op, $backend;
    is_deeply [map { browse($alice, $_)->code } '/public-area/x', '/admin-area/x', '/public-area/x'], [200, 200, 200], 'alice';
    is_deeply [map { browse($mallory, $_)->code } '/public-area/x', '/admin-area/x', '/public-area/x'], [200, 403, 200], 'mallory';
    calls_are $op, '';
    upstream_is 5;
    expect_log qr/reason=claim_mismatch/;
};

=httpd

<Location /none>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    <RequireAll>
        Require all granted
        <RequireNone>
            Require claim groups:banned
        </RequireNone>
    </RequireAll>
    ProxyPass @backend@
</Location>

=cut

row '4.13 a negated rule is refused where it stands, with advice; within RequireNone it lets in nobody who is nobody' => sub {
    my $section = sub { <<"CONF" };
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<Location /x>
    AuthType OIDCGate
    <RequireAll>
        Require valid-user
        Require not $_[0]
    </RequireAll>
</Location>
CONF
    config_fails $section->('claim groups:banned'), qr/Require not claim|not claim|negat/i, 'Require not claim';
    config_fails $section->('scope a'), qr/Require not scope|not scope|negat/i, 'Require not scope';
    denied get(ua(), '/none/x'), 401, 'nobody';
    is with_claims('/none/x', groups => ['banned']), 403, 'the banned';
    is with_claims('/none/x', groups => ['staff']), 200, 'everybody else';
    expect_log qr/deny status=40[13]/;
    upstream_is 1;
};

row '4.14 a token that has run out is 401, whatever group it names' => sub {
    my $answer = get(ua(), '/groupsroute/x', bearer($op->mint(user => 'alice', claims => { exp => time - 600 })));
    denied $answer, 401;
    like $answer->header('WWW-Authenticate'), qr/error="invalid_token"/, 'invalid_token';
    is deny_line('token_expired')->{status}, 401, 'the log says so';
};

=httpd

<Location /cors>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    OIDCGateHeader X-User "%{claim:sub}"
    <LimitExcept OPTIONS>
        Require valid-user
    </LimitExcept>
    ProxyPass @backend@
</Location>

=cut

row '4.15 a preflight passes where the administrator lets it, and as nobody' => sub {
    my $answer = request(ua(), OPTIONS => '/cors/x', Origin => 'https://app.example', 'Access-Control-Request-Method' => 'PUT',
                         'X-User' => 'admin', 'x_user' => 'admin');
    status_is $answer, 200;
    is_deeply [$backend->got_folded('X-User')], [], 'who it claims to be goes no further';
    log_like qr/stripped client header/;
    upstream_is 1;
    denied request(ua(), PUT => '/cors/x', Content => 'x'), 401, 'what follows needs a token';
    denied request(ua(), OPTIONS => '/groupsroute/x', Origin => 'https://app.example', 'Access-Control-Request-Method' => 'PUT'), 401,
        'elsewhere a preflight is a request like any other';
};

=httpd

<Location /documented>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    ErrorDocument 403 /public/no-access.html
    ErrorDocument 401 /public/no-access.html
    ProxyPass @backend@
</Location>

=cut

row "4.16 httpd's own ErrorDocument is shown, with the status that it belongs to" => sub {
    my $page = login(ua(), '/documented/x', user => 'mallory')->{page};
    status_is $page, 403;
    like $page->content, qr/Sorry, you may not/, 'the custom page';
    my $answer = get(ua(), '/documented/x');
    status_is $answer, 401;
    like $answer->content, qr/Sorry, you may not/, 'for 401 too';
    ok $answer->header('WWW-Authenticate'), 'and the challenge stays';
    upstream_is 0;
    expect_log qr/reason=(?:claim_mismatch|no_credential)/;
};

=httpd

<Location /index>
    AuthType OIDCGate
    OIDCGateMethods bearer introspection
    OIDCGateIntrospect all
    OIDCGateCache introspection=0
    OIDCGateClientID c-api
    OIDCGateClientSecret file:@secrets@/c-api
    OIDCGateAudience api://default
    Require claim kong_claim:kong_group
</Location>
Alias /index @docs@
<Directory @docs@>
    DirectoryIndex missing.html index.html
    Options +Indexes +MultiViews +FollowSymLinks
</Directory>
RewriteEngine On
RewriteRule ^/alias/(.*)$ /index/$1 [PT]

=cut

row '4.17 sub-requests, index files and internal redirects are decided once' => sub {
    my $token = $op->mint(user => 'alice');
    for my $path ('/index/page.txt', '/index/', '/alias/page.txt', '/index/page') {
        $op->reset;
        my $answer = get(ua(), $path, bearer($token));
        status_is $answer, 200, $path;
        is $op->calls('I'), 1, "$path: one introspection";
    }
    denied get(ua(), $_), 401, "$_: nobody" for '/index/page.txt', '/index/', '/alias/page.txt';
    log_like qr/reason=no_credential/;
};

row '4.17 no spelling of the path leads around the gate' => sub {
    for my $target ('//index/page.txt', '/index//page.txt', '/./index/page.txt', '/public/../index/page.txt', '/%69ndex/page.txt',
                    '/index/%70age.txt', '/index/./page.txt', '/x/..//index/page.txt', '/index/%2e/page.txt', '/public/%2e%2e/index/page.txt',
                    '/index/page.txt?x', '/index/page.txt/', '/INDEX/page.txt', '/index;x/page.txt', '/index/page.txt%00', '/index%2fpage.txt') {
        my $answer = raw_request("GET $target HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        my ($status) = $answer =~ /^HTTP\S+ (\d+)/;
        like $status, qr/^40[0134]$/, "$target is $status";
        unlike $answer, qr/PROTECTED-CONTENT/, 'and shows nothing';
    }
    calls_are $op, '';
};

done_testing;
