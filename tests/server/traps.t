# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What httpd does that a gate must know of: T-21 to T-38, T-40, T-41, T-47, T-49, T-50 and T-52 of the
# threat model. Who somebody claims to be, by every route and spelling, is in spoof.t.
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User "%{claim:sub}"

<Location /app>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /staff>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
    ProxyPass @backend@
</Location>

<Location /open>
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $DOCS = Apache::Test::vars('documentroot') . '/traps';
my $LOGS = Apache::Test::vars('t_logs');
my ($alice, $mallory) = (ua(), ua());
my $GUARDED = qr/PROTECTED-CONTENT/;

mkdir $DOCS;
write_file("$DOCS/page.txt", "PROTECTED-CONTENT\n");
status_is login($alice, '/app/x')->{page}, 200, 'alice signs in';
status_is login($mallory, '/app/x', user => 'mallory')->{page}, 200, 'mallory signs in';

sub cookies { my ($ua) = @_; return join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua) }

# A request byte by byte: its first line, and its other lines.
sub ask_raw {
    my ($first, @lines) = @_;
    push @lines, 'Connection: close' unless grep { /^Connection:/i } @lines;
    unshift @lines, 'Host: 127.0.0.1' unless grep { /^Host:/i } @lines;
    return raw_request(join "\r\n", "$first HTTP/1.1", @lines, '', '');
}
sub status_of { my ($answer) = @_; return ($answer =~ m{^HTTP/1\.[01] (\d+)})[0] // 0 }

# The lines with which the gate says what it has decided.
sub decisions { return grep { /oidc_gate:\w+\].*(?:allow|deny|redirect|login) status=/ } log_lines() }

=httpd main

CacheSocache shmcb

=httpd

CacheEnable socache /kept
CacheEnable socache /kept-open
<Location /kept>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@/kept
</Location>
<Location /kept-open>
    ProxyPass @backend@/kept
</Location>
<Location /kept/in-part>
    <RequireAny>
        Require expr "%{HTTP:X-Insider} == 'yes'"
        Require valid-user
    </RequireAny>
</Location>
<Location /kept/for-all>
    OIDCGateOnUnauthenticated pass
    Require all granted
</Location>

=httpd late

CacheQuickHandler Off
CacheStorePrivate On
CacheEnable socache /kept
CacheEnable socache /kept-open
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User "%{claim:sub}"
<Location /kept>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@/kept
</Location>
<Location /kept-open>
    ProxyPass @backend@/kept
</Location>
<Location /kept/in-part>
    <RequireAny>
        Require expr "%{HTTP:X-Insider} == 'yes'"
        Require valid-user
    </RequireAny>
</Location>
<Location /kept/for-all>
    OIDCGateOnUnauthenticated pass
    Require all granted
</Location>

=cut

my @FRESH = (['Last-Modified', 'Tue, 01 Jan 2019 00:00:00 GMT'], ['ETag', '"1"']);
my %KEPT = (public => [@FRESH, ['Cache-Control', 'public, max-age=600, s-maxage=600']], silent => [@FRESH],
            plain => [@FRESH, ['Cache-Control', 'max-age=600']], dated => [@FRESH, ['Expires', 'Tue, 01 Jan 2069 00:00:00 GMT']]);
for my $host ('', 'late') {
    my $when = $host ? 'after the rules' : 'before any rule is asked';
    row "T-21 mod_cache, which answers $when, keeps nothing that is guarded" => sub {
        my ($her, $him) = (ua(), ua());
        login($her, url('/kept/in', $host));
        login($him, url('/kept/in', $host), user => 'mallory');
        $backend->answer_at('/kept', headers => $KEPT{public});
        status_is get(ua(), url('/kept-open/control', $host)), 200 for 1 .. 2;
        is [$backend->requests]->[-1]{path}, '/kept/control', 'an open page is asked for once,';
        is scalar(grep { $_->{path} eq '/kept/control' } $backend->requests), 1, 'and kept';
        for my $kind (sort keys %KEPT) {
            $backend->answer_at('/kept', headers => $KEPT{$kind});
            my $page = url("/kept/$kind", $host);
            status_is get($her, $page), 200, "$kind: alice";
            $backend->reset;
            denied get(ua(), $page), 401, "$kind: nobody gets nothing from her";
            like get($him, $page)->content, qr/^X-User: mallory-sub\r?$/m, "$kind: mallory gets his own";
            my $insiders = url("/kept/in-part/$kind", $host);
            status_is get(ua(), $insiders, 'X-Insider' => 'yes'), 200, "$kind: an insider, without a name";
            $backend->reset;
            denied get(ua(), $insiders), 401, "$kind: nobody gets nothing from him";
            my $for_all = url("/kept/for-all/$kind", $host);
            unlike get(ua(), $for_all)->content, qr/^X-User:/mi, "$kind: where everybody may, nobody is nobody";
            like get($her, $for_all)->content, qr/^X-User: alice-sub\r?$/m, 'and she is she';
            unlike get(ua(), $for_all)->content, qr/^X-User:/mi, 'nobody again is nobody';
        }
        $backend->answer_at('/kept');
        expect_log qr/reason=no_credential/;
    };
}

row 'T-21 caches on the way are told as well, whatever the backend says' => sub {
    for my $says ('public, max-age=600', 'no-store', 'private, no-cache', undef) {
        $backend->answer_at('/private', headers => [defined $says ? ['Cache-Control', $says] : ()]);
        my @got = header_values(get($alice, '/app/private'), 'Cache-Control');
        like "@got", qr/private/, 'private, beside ' . ($says // 'nothing');
        like "@got", qr/\Q$says\E/, 'what the backend says is there too' if defined $says;
        unlike get(ua(), '/open/private')->header('Cache-Control') // '', qr/private/, 'elsewhere the gate says nothing' if !defined $says;
    }
    $backend->answer_at('/private');
};

=httpd

<Location /tokens>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User        "%{claim:sub}"
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

=cut

row 'T-22 what Connection names is not taken off on its way to the backend' => sub {
    my @ways = ('Connection: close, X-User, Cookie, Authorization', 'connection: close,x-user,cookie,authorization',
                'CONNECTION:  x_user , COOKIE , AUTHORIZATION ,close', "Connection: close\r\nConnection: X-User\r\nConnection: Cookie, Authorization",
                "Connection: close, X-User\r\n , Cookie\r\n , Authorization", 'Connection: close, , X-User,,Cookie,Authorization,');
    for my $way (@ways) {
        my $answer = ask_raw('GET /tokens/x', 'Cookie: a=1; ' . cookies($alice), $way);
        is status_of($answer), 200, $way =~ s/\r\n/ | /gr;
        is_deeply [$backend->got('X-User')], ['alice-sub'], 'the identity arrives,';
        is_deeply [$backend->got('Cookie')], ['a=1'], "the application's cookie,";
        like join('|', $backend->got('Authorization')), qr/^Bearer [^|]+$/, 'and the token';
    }
    ask_raw('GET /app/x', 'Cookie: ' . cookies($alice), 'Connection: close, X-Hop', 'X-Hop: 1');
    is_deeply [$backend->got('X-Hop')], [], 'what is none of ours is still taken off';
};

=httpd

<Location /by-method>
    AuthType OIDCGate
    <Limit GET POST>
        Require valid-user
    </Limit>
    ProxyPass @backend@
</Location>

=cut

row 'T-23 where httpd does not ask who it is, the backend hears of nobody, and the cookie stays here' => sub {
    for my $method (qw(PUT DELETE OPTIONS PATCH FOO)) {
        is status_of(ask_raw("$method /by-method/x", 'X-User: admin', 'X_USER: admin', 'Cookie: ' . cookies($alice))), 200, $method;
        is_deeply [$backend->got_folded('X-User')], [], 'nobody';
        is_deeply [$backend->got('Cookie')], [], 'no cookie of ours';
    }
    expect_log qr/stripped client header/;
    $backend->reset;
    is status_of(ask_raw("$_ /by-method/x")), 401, "$_ is guarded" for qw(GET POST HEAD);
    upstream_is 0;
};

=httpd

<Location /not-banned>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    <RequireAll>
        Require all granted
        <RequireNone>
            Require claim groups:guests
        </RequireNone>
    </RequireAll>
    ProxyPass @backend@
</Location>

=cut

row 'T-24 who is kept out by name does not get in by not signing in' => sub {
    denied get(ua(), '/not-banned/x'), 401, 'nobody';
    status_is browse(ua(), '/not-banned/x'), 302, 'a browser is sent to sign in';
    denied get($mallory, '/not-banned/x'), 403, 'mallory, whom the rule names';
    status_is get($alice, '/not-banned/x'), 200, 'alice';
    denied do { $backend->reset; get($mallory, '/not-banned/x', Cookie => 'a=1') }, 401, 'mallory without his cookie';
    expect_log qr/deny status=40[13]/;
    my $section = sub { <<"CONF" };
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<Location /x>
    AuthType OIDCGate
    $_[0]
</Location>
CONF
    for my $rule ('claim groups:guests', 'oidc-claim groups:guests', 'scope a', 'role b', 'group c') {
        config_fails $section->("<RequireAll>\nRequire all granted\nRequire not $rule\n</RequireAll>"), qr/RequireNone/, "Require not $rule";
        config_fails $section->("<RequireAny>\nRequire valid-user\nRequire NOT $rule\n</RequireAny>"), qr/negated|negate|RequireNone/i, "Require NOT $rule";
    }
};

=httpd

<Location /asked-often>
    AuthType OIDCGate
    OIDCGateMethods introspection
    OIDCGateIntrospect all
    OIDCGateCache introspection=0
    <RequireAny>
        Require claim groups:x
        Require claim groups:y
        <RequireAll>
            Require claim groups:staff
            Require scope openid
        </RequireAll>
        Require claim groups:staff
    </RequireAny>
    ProxyPass @backend@
</Location>

=cut

row 'T-25 however many rules there are and however often httpd asks them, there is one call and one decision' => sub {
    status_is get(ua(), '/asked-often/x', bearer($op->mint(user => 'alice'))), 200;
    calls_are $op, 'I1 D<=1';
    is scalar(my @lines = decisions()), 1, 'one line';
    denied do { $backend->reset; get(ua(), '/asked-often/x', bearer($op->mint(user => 'mallory'))) }, 403;
    calls_are $op, 'I1';
    is scalar(@lines = decisions()), 2, 'one more line';
    is deny_line('claim_mismatch')->{rule}, 'claim groups:x', 'it names the first rule that refused';
};

=httpd

<Location /named>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    OIDCGateRemoteUser nickname email
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /whoever>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    OIDCGateOnUnauthenticated pass
    Require all granted
    ProxyPass @backend@
</Location>

<Location /whoever-is-somebody>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    OIDCGateOnUnauthenticated pass
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

row 'T-26 nobody is never somebody with an empty name' => sub {
    my $with = sub {
        my %claims = @_;
        return bearer($op->mint(user => 'alice', claims => \%claims, drop => [grep { !exists $claims{$_} } qw(nickname email)]));
    };
    status_is get(ua(), '/named/x', $with->(nickname => 'al')), 200, 'a name';
    status_is get(ua(), '/named/x', $with->(nickname => '', email => 'a@b')), 200, 'an empty one is none: the next counts';
    $backend->reset;
    for my $claims ([], [nickname => ''], [nickname => '', email => ''], [nickname => []], [nickname => ['']], [nickname => {}], [nickname => undef]) {
        my $answer = get(ua(), '/named/x', $with->(@$claims));
        denied $answer, 403, 'no name: ' . JSON::PP->new->canonical->allow_nonref->encode($claims);
    }
    denied get(ua(), '/app/x', bearer($op->mint(user => 'alice', claims => { sub => '' }))), 401, 'an empty subject';
    expect_log qr/deny status=40[13]/;
    status_is get(ua(), '/whoever/x'), 200, 'where everybody may, nobody may';
    is_deeply [$backend->got_folded('X-User')], [], 'as nobody';
    log_like qr/allow status=200 reason=no_credential .*user=- loc=\/whoever/;
    status_is get($alice, '/whoever/x'), 200, 'and alice';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'as alice';
    $backend->reset;
    denied get(ua(), '/whoever/x', bearer("x.y.z")), 401, 'a bad token is refused there too';
    denied get(ua(), '/whoever-is-somebody/x'), 401, 'nobody is no valid user';
    status_is get($alice, '/whoever-is-somebody/x'), 200, 'alice is';
    ok until_true(sub { slurp("$LOGS/access_log") =~ m{GET /whoever/x 200 user=-} }), 'the access log knows nobody as -';
    unlike slurp("$LOGS/access_log"), qr/user=""?$/m, 'and no empty name';
};

=httpd

Alias /files @docs@/traps
<Directory @docs@/traps>
    Options +Indexes +Includes +MultiViews
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
</Directory>
ScriptAlias /programs @docs@/cgi
<LocationMatch ^/(?:files|programs)>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
</LocationMatch>

=cut

row 'T-27 after a refusal no handler runs: neither files, directories, programs nor backends show anything' => sub {
    my %refusal = (
        'nobody, a program' => sub { get(ua(), $_[0]) }, 'nobody, a browser' => sub { browse(ua(), $_[0]) },
        'nobody, a form' => sub { post(ua(), $_[0], [a => 1], Accept => 'text/html') },
        'a bad token' => sub { get(ua(), $_[0], bearer("x.y.z")) }, 'two tokens' => sub { get(ua(), $_[0], bearer('a'), bearer('b')) },
        'mallory' => sub { get($mallory, $_[0]) }, 'mallory, a browser' => sub { browse($mallory, $_[0]) },
        'mallory, a form' => sub { post($mallory, $_[0], [a => 1]) },
    );
    for my $path ('/files/page.txt', '/files/', '/files/page', '/programs/env', '/staff/x') {
        status_is get($alice, $path), 200, "$path: alice" if $path ne '/staff/x';
        for my $who (sort keys %refusal) {
            my $answer = $refusal{$who}->($path);
            like $answer->code, qr/^(?:302|40[013])$/, "$path: $who, " . $answer->code;
            # Our page knows where to go after signing in.
            unlike $answer->content =~ s/\?return_to=[^"]*//r, qr/$GUARDED|page\.txt|REMOTE_ADDR/, 'shows nothing';
        }
    }
    upstream_is 0;
    expect_log qr/deny status=40[013]/;
};

=httpd

Alias /pages @docs@/traps/pages
<Directory @docs@/traps/pages>
    Options +Includes +Indexes +MultiViews
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
</Directory>
Alias /pages-open @docs@/traps/pages
<Location /pages>
    AuthType OIDCGate
    OIDCGateMethods introspection
    OIDCGateIntrospect all
    OIDCGateCache introspection=0
    Require valid-user
</Location>
<Location /part>
    AuthType OIDCGate
    OIDCGateMethods introspection
    OIDCGateIntrospect all
    OIDCGateCache introspection=0
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /part-to-log-in>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated login
    Require valid-user
    ProxyPass @backend@
</Location>
RewriteEngine On
RewriteCond %{LA-U:REMOTE_USER} ^alice-sub$
RewriteRule ^/pages/ahead$ /pages/1.txt [PT]

=cut

mkdir "$DOCS/pages";
write_file("$DOCS/pages/$_.txt", "PROTECTED-CONTENT $_\n") for 1 .. 5;
write_file("$DOCS/pages/three.shtml", qq(<!--#include virtual="/part/a" --><!--#include virtual="/part/b" --><!--#include virtual="/pages/1.txt" -->\n));
write_file("$DOCS/pages/parts.shtml", qq(<!--#include virtual="/part/a" --><!--#include virtual="/part/b" -->\n));
write_file("$DOCS/pages/login.shtml", qq(<!--#include virtual="/part-to-log-in/a" -->\n));

row 'T-28 parts of a page are decided once, and ask the provider once for each place' => sub {
    my %calls = ('/pages/' => 1, '/pages/1' => 1, '/pages/1.txt' => 1, '/pages/ahead' => 1, '/pages/three.shtml' => 2,
                 '/pages-open/parts.shtml' => 1);
    for my $path (sort keys %calls) {
        my $token = $op->mint(user => 'alice');
        $op->reset;
        my $answer = get(ua(), $path, bearer($token));
        status_is $answer, 200, $path;
        is $op->calls('I'), $calls{$path}, "$path: calls";
        is_deeply [header_values($answer, 'Set-Cookie')], [], 'no cookie';
    }
    like get(ua(), '/pages-open/parts.shtml', bearer($op->mint(user => 'alice')))->content, qr/$GUARDED.*$GUARDED/s, 'both parts are there';
};

row 'T-28 a part that may not be shown is left out: no redirect, no cookie, no call' => sub {
    for my $path ('/pages-open/parts.shtml', '/pages-open/login.shtml') {
        my $answer = browse(ua(), $path);
        status_is $answer, 200, $path;
        unlike $answer->content, $GUARDED, 'nothing guarded in it';
        is_deeply [header_values($answer, 'Set-Cookie')], [], 'no cookie';
        ok !$answer->header('WWW-Authenticate'), 'no challenge';
    }
    upstream_is 0;
    calls_are $op, '';
    expect_log qr/unable to include/, qr/reason=no_credential/;
};

=httpd

ErrorDocument 404 /open/says-404
Alias /gone @docs@/traps/gone
<Location /gone>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User        "%{claim:sub}"
    OIDCGateHeader Authorization "Bearer %{access_token}"
</Location>
Alias /moved @docs@/traps
<Location /moved>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "old"
</Location>
<Directory @docs@/traps>
    RewriteEngine On
    RewriteRule ^to-tokens$ /tokens/x
    RewriteRule ^to-open$ /open/x
    RewriteRule ^to-staff$ /staff/x
</Directory>
Alias /moved-open @docs@/traps

=cut

row 'T-29 an internal redirect is a request in its own right: another place tells its own, and gets no token that was for another' => sub {
    status_is get($alice, '/gone/nothing', Cookie => 'a=1; ' . cookies($alice)), 200, 'a proxied ErrorDocument';
    is $backend->last->{path}, '/says-404', 'reached';
    is_deeply [$backend->got_folded('X-User')], [], 'without a name';
    is_deeply [$backend->got('Authorization')], [], 'without the token';
    status_is get($alice, '/moved/to-tokens'), 200, 'rewritten within its directory, into a place with other settings';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'the name that this place tells';
    like join('|', $backend->got('Authorization')), qr/^Bearer [^|]+$/, 'its token';
    is_deeply [$backend->got('Cookie')], [], 'and no cookie of ours';
    status_is get($alice, '/moved/to-open'), 200, 'into an open place';
    is_deeply [$backend->got_folded('X-User')], [], 'nobody';
    $backend->reset;
    denied get($mallory, '/moved/to-staff'), 403, 'mallory is refused where it leads';
    denied get(ua(), '/moved-open/to-staff'), 401, 'so is nobody';
    expect_log qr/deny status=40[13]/;
    my $step = login(ua(), '/moved-open/to-staff');
    status_is $step->{page}, 200, 'a browser signs in on the way';
    like $step->{callback}->header('Location'), qr{/moved-open/to-staff$}, 'and comes back to what it asked for';
};

=httpd

<Location /own-page>
    AuthType OIDCGate
    Require valid-user
    ErrorDocument 401 /own-page/says-401
    ProxyPass @backend@
</Location>

<Location /loop>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
    ErrorDocument 401 /app/says-401
    ErrorDocument 403 /staff/says-403
    ErrorDocument 400 /app/says-400
    ProxyPass @backend@
</Location>

=cut

row 'T-30 an ErrorDocument that is guarded itself makes no loop: the first answer stands, and is said once' => sub {
    my $answer = get(ua(), '/loop/x');
    denied $answer, 401;
    is scalar(my @challenges = header_values($answer, 'WWW-Authenticate')), 1, 'one challenge';
    my @lines = decisions();
    is scalar @lines, 1, 'one line in the log' or diag @lines;
    $answer = get($mallory, '/loop/x');
    denied $answer, 403;
    is scalar(@lines = decisions()), 2, 'one more';
    $answer = browse(ua(), '/loop/x', bearer('a'), bearer('b'));
    denied $answer, 400;
    is scalar(@lines = decisions()), 3, 'one more';
    is_deeply [header_values($answer, 'Set-Cookie')], [], 'nobody is sent to sign in by an error page';
    calls_are $op, '';
    like get(ua(), '/own-page/x', 'X-User' => 'admin')->content, qr{^GET /says-401 }m, 'one within the place itself is shown, as httpd does';
    is_deeply [$backend->got_folded('X-User')], [], 'to nobody';
    expect_log qr/deny status=40[013]/, qr/stripped client header/;
};

=httpd

<Location /merged>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /merged/both>
    AuthMerging And
    Require claim groups:staff
</Location>
<Location /merged/either>
    AuthMerging Or
    Require claim groups:nobody-has-this
</Location>
<Location /merged/instead>
    Require all granted
</Location>

=cut

row 'T-31 sections merge as httpd says: And adds a rule, Or a way in, and Off (the default) puts the inner in place of the outer' => sub {
    my %want = ('/merged/x' => [401, 200, 200], '/merged/both/x' => [401, 403, 200], '/merged/either/x' => [401, 200, 200],
                '/merged/instead/x' => [200, 200, 200]);
    for my $path (sort keys %want) {
        is_deeply [map { get($_, $path)->code } ua(), $mallory, $alice], $want{$path}, "$path: nobody, mallory, alice";
    }
    status_is get($alice, '/merged/instead/x', 'X-User' => 'admin'), 200;
    is_deeply [$backend->got_folded('X-User')], [], 'who gets in without being asked is nobody';
    expect_log qr/deny status=40[13]/, qr/stripped client header/;
};

=httpd

<Location /headers>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
    RequestHeader unset X-User
    RequestHeader set X_User admin
    RequestHeader append X-User admin
    RequestHeader set Authorization "Basic YmFja2VuZDpzZWNyZXQ="
    RequestHeader set Connection "close, X-User"
    ProxyPass @backend@
</Location>

=cut

row 'T-32 mod_headers neither takes nor changes what the gate says; but what it sets in place of the credentials stays' => sub {
    for my $how ([Cookie => cookies($alice)], [bearer($op->mint(user => 'alice'))]) {
        status_is get(ua(), '/headers/x', @$how), 200;
        is_deeply $backend->got_folded('X-User') ? [$backend->got_folded('X-User')] : [], ['X-User: alice-sub'], 'the name, once';
        is_deeply [$backend->got('Authorization')], ['Basic YmFja2VuZDpzZWNyZXQ='], "the administrator's own credentials for the backend";
    }
};

row 'T-33 what is no header name does not pass httpd at all' => sub {
    for my $line ('X-User : admin', "X-User\xa0: admin", 'X-User~ : admin', 'X User: admin', "\x00X-User: admin", ': admin') {
        is status_of(ask_raw('GET /open/x', $line)), 400, join '', 'refused: ', $line =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
    }
    upstream_is 0;
};

row 'T-34 a credential that is there twice is none: neither the first nor the last is taken' => sub {
    my ($hers, $his) = map { $op->mint(user => $_) } qw(alice mallory);
    for my $pair ([$hers, $his], [$his, $hers], [$hers, $hers]) {
        my $answer = ask_raw('GET /app/x', map { "Authorization: Bearer $_" } @$pair);
        is status_of($answer), 400, 'two Authorization headers';
    }
    is status_of(ask_raw('GET /app/x', "Authorization: Bearer $hers, Bearer $his")), 400, 'two in one';
    my ($one, $two) = map { cookies($_) } $alice, $mallory;
    my $name = (gate_cookies($alice))[0]{name};
    for my $cookies (["Cookie: $one", "Cookie: $two"], ["Cookie: $one; $two"], ["Cookie: $one", "Cookie: $name=x"], ["Cookie: $name=x; $one"],
                     ["Cookie: a=1", "Cookie: $one", "Cookie: $two"]) {
        is status_of(ask_raw('GET /app/x', @$cookies)), 401, 'two sessions: ' . join ' | ', map { s/=[^;]{20}[^;]*/=.../gr } @$cookies;
    }
    upstream_is 0;
    expect_log qr/deny status=40[01]/;
    is status_of(ask_raw('GET /app/x', "Cookie: a=1; $one; b=2")), 200, 'one session among others';
    is_deeply [$backend->got('Cookie')], ['a=1; b=2'], 'and the others go on';
};

row 'T-35 merging trailers into headers is refused where the gate is' => sub {
    my $guarded = <<"CONF";
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<Location /x>
    AuthType OIDCGate
    Require valid-user
</Location>
CONF
    config_fails "MergeTrailers On\n$guarded", qr/MergeTrailers/, 'MergeTrailers On';
    config_ok "MergeTrailers Off\n$guarded", 'MergeTrailers Off';
    config_ok $guarded, 'and without a word about it';
    config_ok 'MergeTrailers On', 'where there is no gate it is none of our business';
    my $answer = raw_request(join "\r\n", 'POST /open/x HTTP/1.1', 'Host: 127.0.0.1', 'Connection: close', 'Transfer-Encoding: chunked', 'Trailer: X-User', '',
                             '3', 'abc', '0', 'X-User: admin', 'x_user: admin', 'Authorization: Bearer x', '', '');
    is status_of($answer), 200, 'trailers';
    is_deeply [$backend->got_folded('X-User'), $backend->got('Authorization')], [], 'become no headers';
};

=httpd paths

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /p>
    AuthType OIDCGate
    Require valid-user
</Location>
ProxyPass / @backend@/

=cut

row 'T-36 no spelling of a path leads past its Location' => sub {
    for my $target ('/p/x', '//p/x', '/p//x', '/./p/x', '/open/../p/x', '/%70/x', '/p/%78', '/p/./x', '/x/..//p/x', '/p/%2e/x', '/open/%2e%2e/p/x',
                    '/p', '/p?x', '/p/../p/x', '/open/..//p/x', '/p;x/..;/p/x', '/p/x;y', '/p/x%00', '/p%2fx', '/open%2f..%2fp/x', '/%2570/x') {
        $backend->reset;
        my $answer = raw_request("GET $target HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", host => 'paths');
        my @seen = map { $_->{target} } $backend->requests;
        # A path that reaches the backend must not be one that means /p there, read once more.
        my @wrong = grep { (s/%([0-9a-f]{2})/chr hex $1/gier) =~ m{^/+p(?:[/?]|$)} } @seen;
        is_deeply \@wrong, [], "$target: " . status_of($answer);
    }
    expect_log qr/deny status=401/;
};

row 'T-37 the host that a caller names is never ours: where to come back to stands in the configuration' => sub {
    my $our = url('');
    my @ways = (['GET http://evil.example/app/x?a=1'], ['GET http://evil.example/app/x?a=1', 'Host: evil.example'], ['GET /app/x?a=1', 'Host: evil.example'],
                ['GET /app/x?a=1', 'Host: 127.0.0.1', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 444',
                 'Forwarded: host=evil.example;proto=https', 'X-Original-URL: /evil', 'X-Rewrite-URL: /evil']);
    for my $way (@ways) {
        my $answer = ask_raw(@$way, 'Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document');
        is status_of($answer), 302, join ' | ', @$way;
        my ($to) = $answer =~ /^Location: (\S+)/mi;
        unlike $to, qr/evil/, 'no word of that host';
        is { URI->new($to)->query_form }->{redirect_uri}, "$our/oidc-gate/callback", 'our own address';
        my ($cookie) = $answer =~ /^Set-Cookie: ([^;\r\n]+)/mi;
        my $back = at_provider(ua(), HTTP::Response->new(302, 'Found', [Location => $to]));
        my $home = ask_raw('GET ' . URI->new($back->header('Location'))->path_query, "Cookie: $cookie", 'Host: evil.example');
        like $home, qr{^Location: (?:\Q$our\E)?/app/x\?a=1\r$}m, 'and back to the page that was asked for';
    }
};

row 'T-38 what proxies are said to have seen changes nothing' => sub {
    my $start = browse(ua(), '/app/x', 'X-Forwarded-Proto' => 'https', 'X-Forwarded-For' => '10.0.0.1', 'Forwarded' => 'for=10.0.0.1;proto=https');
    my $cookie = cookie_of($start, qr/^oidc-gate-login/);
    ok $cookie && !$cookie->{secure}, 'the cookie is that of the address that we have';
    status_is get(ua(), '/app/x', 'X-Forwarded-User' => 'alice', 'X-Remote-User' => 'alice', 'X-Original-User' => 'alice'), 401, 'nobody is let in by such a word';
    expect_log qr/deny status=401/;
};

=httpd traced

TraceEnable On
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
</Location>

=httpd untraced

TraceEnable On

=cut

row 'T-40 every method is asked for a credential, and TRACE is refused where the gate is' => sub {
    for my $method (qw(GET HEAD POST PUT DELETE PATCH OPTIONS PROPFIND MKCOL LOCK FOO get)) {
        my $answer = ask_raw("$method /app/x", 'X-User: admin');
        is status_of($answer), 401, $method;
        unlike $answer, $GUARDED, 'nothing shown';
    }
    upstream_is 0;
    expect_log qr/deny status=40[015]/, qr/stripped client header/;
    for my $path ('/app/x', '/', '/page.txt') {
        my $answer = raw_request("TRACE $path HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: secret=planted\r\n\r\n", host => 'traced');
        is status_of($answer), 405, "TRACE $path, though httpd has it on";
        unlike $answer, qr/planted/, 'no cookie comes back';
    }
    my $plain = raw_request("TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: secret=planted\r\n\r\n", host => 'untraced');
    like $plain, qr/planted/, 'elsewhere it is as the administrator says';
    is status_of(ask_raw('OPTIONS *')), 200, "the server's own OPTIONS";
    like status_of(ask_raw('CONNECT 127.0.0.1:1')), qr/^40/, 'CONNECT';
    upstream_is 0;
};

=httpd

<Location /socket>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

=cut

row 'T-41 a websocket is asked for its credential, and never sent away to sign in' => sub {
    my @upgrade = ('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');
    for my $more ([], ['Sec-Fetch-Mode: websocket', 'Sec-Fetch-Dest: websocket'], ['Accept: text/html'], ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']) {
        is status_of(ask_raw('GET /socket/x', @upgrade, @$more)), 401, "nobody: 401 @$more";
    }
    upstream_is 0;
    calls_are $op, '';
    expect_log qr/deny status=401/;
};

=httpd

Alias /author @docs@/traps/author
<Directory @docs@/traps/author>
    AuthType OIDCGate
    AllowOverride All
    Require all denied
</Directory>

=cut

row 'T-47 who may write a .htaccess may say who passes, and nothing else about the gate' => sub {
    mkdir "$DOCS/author";
    write_file("$DOCS/author/page.txt", "PROTECTED-CONTENT\n");
    my $with = sub { write_file("$DOCS/author/.htaccess", $_[0]); return };
    for my $directive ('AuthType OIDCGate', 'OIDCGateIssuer http://127.0.0.1:1', 'OIDCGateClientID evil', 'OIDCGateClientSecret file:/etc/passwd', 'OIDCGateMethods bearer',
                       'OIDCGateAudience any', 'OIDCGateHeader X-User admin', 'OIDCGateEnv X admin', 'OIDCGateOnUnauthenticated pass',
                       'OIDCGateRemoteUser email', 'OIDCGateForwardCredentials On', 'OIDCGateSession idle=1000h', 'OIDCGateInsecure http-issuer') {
        $with->("Require valid-user\n$directive\n");
        my $answer = get($alice, '/author/page.txt');
        status_is $answer, 500, "$directive is refused";
        unlike $answer->content, $GUARDED, 'and nothing shown';
        my ($name) = split ' ', $directive;
        log_like qr/htaccess: $name (?:not allowed here|OIDCGate cannot stand)/, 'the log says why';
    }
    $with->("Require claim groups:staff\n");
    denied get(ua(), '/author/page.txt'), 401, 'Require claim: nobody';
    status_is get($alice, '/author/page.txt'), 200, 'alice';
    denied get($mallory, '/author/page.txt'), 403, 'mallory';
    $with->("<RequireAll>\nRequire all granted\n<RequireNone>\nRequire claim groups:guests\n</RequireNone>\n</RequireAll>\n");
    denied get(ua(), '/author/page.txt'), 401, 'RequireNone: nobody';
    denied get($mallory, '/author/page.txt'), 403, 'mallory';
    status_is get($alice, '/author/page.txt'), 200, 'alice';
    $with->("Require not claim groups:guests\n");
    status_is get($alice, '/author/page.txt'), 500, 'a negated rule is refused there too';
    expect_log qr/deny status=40[13]/, qr/a negated gate rule would admit/;
};

row 'T-49 nothing is called that is known to be wrong or unsafe' => sub {
    my $module = Apache::Test::vars('module');
    my @symbols = map { /\bU (\w+)/ ? $1 : () } qx(nm -D --undefined-only \Q$module\E 2>/dev/null);
    plan skip_all => 'no nm here' unless @symbols;
    my %called = map { $_ => 1 } @symbols;
    ok $called{ap_auth_type} || $called{apr_table_get}, 'the list is a list';
    ok !$called{$_}, "not $_" for qw(ap_some_auth_required ap_get_basic_auth_pw apr_strnatcmp strcpy stpcpy strcat sprintf vsprintf gets atoi atol
                                     strtok alloca system popen getenv_insecure rand random srand tmpnam mktemp __strcpy_chk __strcat_chk __sprintf_chk __vsprintf_chk);
};

row 'B-20 the module is built so that a fault in it is hard to use' => sub {
    my $module = Apache::Test::vars('module');
    my $said = qx(readelf -lWd \Q$module\E 2>/dev/null);
    plan skip_all => 'no readelf here, or a build for tests' if !$said || qx(nm -D \Q$module\E) =~ /__(?:asan|tsan|gcov)_/;
    like $said, qr/GNU_RELRO/, 'what is relocated is read-only afterwards';
    like $said, qr/BIND_NOW|FLAGS.*\bNOW\b/, 'all of it, at once';
    like $said, qr/GNU_STACK\s+(?:0x\S+\s+)+RW\s/, 'the stack is not executed';
    unlike $said, qr/^\s+LOAD\s.*RWE/m, 'nothing is both written and executed';
    unlike $said, qr/TEXTREL|RPATH|RUNPATH/, 'no relocations in code, no search paths';
    my $symbols = qx(nm -D --undefined-only \Q$module\E);
    like $symbols, qr/__stack_chk_fail/, 'stacks are guarded';
    like $symbols, qr/__\w+_chk\b(?<!__stack_chk)/, 'and lengths checked';
};

row 'T-50 conditions, ranges, HEAD and Expect are looked at after the refusal, and show nothing' => sub {
    my $real = get($alice, '/files/page.txt');
    my @conditions = ([Range => 'bytes=0-3'], ['If-Modified-Since' => 'Tue, 01 Jan 2069 00:00:00 GMT'], ['If-None-Match' => $real->header('ETag')],
                      ['If-None-Match' => '*'], ['If-Match' => '"x"'], ['If-Unmodified-Since' => 'Tue, 01 Jan 1999 00:00:00 GMT'],
                      ['If-Range' => $real->header('ETag'), Range => 'bytes=0-'], [Expect => 'something'], ['Accept-Encoding' => 'gzip'],
                      ['Max-Forwards' => 0], ['X-HTTP-Method-Override' => 'GET']);
    for my $condition (@conditions) {
        for my $method (qw(GET HEAD)) {
            my $answer = request(ua(), $method, '/files/page.txt', @$condition);
            my $status = $condition->[0] eq 'Expect' ? qr/^(?:401|417)$/ : qr/^401$/;
            like $answer->code, $status, "$method, $condition->[0]";
            ok !$answer->header($_), "no $_" for qw(ETag Last-Modified Content-Range Accept-Ranges);
            unlike $answer->content, qr/PROT/, 'nothing shown';
            is $answer->content, '', 'no body' if $method eq 'HEAD';
        }
    }
    my $answer = raw_request("POST /app/x HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\nConnection: close\r\n\r\n");
    is status_of($answer), 401, 'Expect: 100-continue: the refusal comes at once, without asking for the body';
    upstream_is 0;
    expect_log qr/deny status=401/;
};

=httpd

ScriptAlias /with-auth @docs@/cgi
<Directory @docs@/cgi>
    CGIPassAuth On
</Directory>
<Location /with-auth>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
</Location>

=cut

row 'T-52 a program gets neither the token nor the cookie, even where httpd would hand it on' => sub {
    my $token = $op->mint(user => 'alice');
    my $answer = get(ua(), '/with-auth/env', bearer($token), Cookie => 'a=1; ' . cookies($mallory));
    status_is $answer, 200;
    unlike $answer->content, qr/\Q$token\E/, 'no token';
    unlike $answer->content, qr/oidc-gate-\w+=/, 'no cookie of ours';
    like $answer->content, qr/^HTTP_COOKIE=a=1$/m, 'others go on';
    like $answer->content, qr/^REMOTE_USER=alice-sub$/m, 'REMOTE_USER';
};

=httpd front

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User "%{claim:sub}"
RewriteEngine On
RewriteRule ^ /index.html
<Location />
    AuthType OIDCGate
    Require valid-user
</Location>

=httpd proxied

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User "%{claim:sub}"
ProxyPass / @backend@/
<Location />
    AuthType OIDCGate
    Require valid-user
</Location>

=cut

row "a front controller, a proxy of everything and a guarded '/' leave the gate its own addresses" => sub {
    for my $host ('front', 'proxied') {
        my $ua = ua();
        my $step = login($ua, url('/some/page?x=1', $host));
        status_is $step->{callback}, 302, "$host: the callback is ours";
        status_is $step->{page}, 200, "$host: and then the page";
        $backend->reset;
        my $who = get($ua, url('/oidc-gate/whoami', $host));
        status_is $who, 200, "$host: whoami";
        is json($who)->{subject}, 'alice-sub', 'knows her';
        status_is get(ua(), url('/oidc-gate/whoami', $host)), 401, 'and nobody else';
        status_is browse(ua(), url('/oidc-gate/callback?state=x&code=y', $host)), 400, 'a callback that nobody has begun';
        my $out = post($ua, url('/oidc-gate/logout', $host), [], 'Sec-Fetch-Site' => 'same-origin');
        like $out->code, qr/^(?:200|30[23])$/, "$host: logout";
        denied get($ua, url('/some/page', $host)), 401, 'and she is out';
    }
    expect_log qr/deny status=40[01]/;
};

=httpd

<Location /says-text>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
    ErrorDocument 401 "Text of the administrator"
    ErrorDocument 403 "Text for those who are known"
    ProxyPass @backend@
</Location>

=cut

row "the administrator's ErrorDocument wins; ours keeps the status and the headers, for every method" => sub {
    my $answer = get(ua(), '/says-text/x');
    status_is $answer, 401;
    is $answer->content, 'Text of the administrator', 'a text';
    ok $answer->header('WWW-Authenticate'), 'with the challenge';
    is browse($mallory, '/says-text/x')->content, 'Text for those who are known', 'for 403 too';
    for my $how (['GET'], ['HEAD'], ['POST', Content => 'a=1'], ['PUT', Content => 'x' x 100_000], ['DELETE'], ['OPTIONS'], ['PROPFIND']) {
        my ($method, @body) = @$how;
        for my $accept ('*/*', 'text/html') {
            my $refused = request(ua(), $method, '/staff/x', Accept => $accept, 'X-Requested-With' => 'x', @body);
            denied $refused, 401, "$method, $accept";
            my $is_page = $accept eq 'text/html' && $method !~ /^(?:GET|HEAD)$/;
            my $type = $is_page ? qr{^text/html} : qr{^application/json};
            like $refused->header('Content-Type'), $type, 'in the form that the caller takes';
            if ($method eq 'HEAD') { is $refused->content, '', 'without a body' }
            elsif ($is_page) { like $refused->content, qr/<h1>Please sign in/, 'our page' }
            else { is json($refused)->{reason}, 'no_credential', 'our reason' }
            is header_values($refused, 'WWW-Authenticate') // 0, 'Bearer realm="OpenID Connect"', 'the challenge, once';
        }
    }
    my $known = request($mallory, PUT => '/staff/x', Content => 'x');
    denied $known, 403, 'known and refused';
    is json($known)->{reason}, 'claim_mismatch', 'our reason';
    expect_log qr/deny status=40[13]/;
};

row 'a refusal leaves the connection as it should be: the body of a refused request is not the next request' => sub {
    my $inner = "GET /open/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    my $answer = raw_request("POST /staff/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " . length($inner) . "\r\n\r\n$inner"
        . "GET /staff/y HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", until => qr/\AHTTP.*\r\n\r\n.*\bHTTP\/1.1 \d+ .*\r\n\r\n./s);
    unlike $answer, $GUARDED, 'nothing shown';
    upstream_is 0;
    expect_log qr/deny status=401/;
};

=httpd

<Location /one-line>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
</Location>
Alias /one-line @docs@/traps/site
<Directory @docs@/traps/site>
    DirectoryIndex missing.html index.html
</Directory>

=cut

mkdir "$DOCS/site";
write_file("$DOCS/site/index.html", "<html>PROTECTED-CONTENT</html>\n");

row 'each decision is one line, whatever httpd makes of the request' => sub {
    my $count = 0;
    for my $path ('/one-line/', '/one-line/index.html', '/staff/x', '/files/page', '/files/') {
        for my $who (ua(), $mallory, $alice) {
            my $answer = get($who, $path);
            my @lines = decisions();
            is @lines - $count, 1, "$path: " . $answer->code or diag @lines[$count .. $#lines];
            $count = @lines;
        }
    }
    my $ua = ua();
    login($ua, '/one-line/');
    my @lines = splice @{ [decisions()] }, $count;
    is_deeply [map { /\b(allow|deny|redirect|login) status=/ } @lines], [qw(redirect login allow)], 'a login: sent away, came back, let in';
    expect_log qr/deny status=40[13]/;
};

done_testing;
