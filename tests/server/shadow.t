# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# OIDCGateEnforce Off: each place stands twice, once enforced and once only watched. What is said of a request is the
# same; in the watched one, everybody passes.
use Gate::Test;

=httpd main

<Macro Places $path $enforce>
    <Location $path/group>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateMethods code bearer
        OIDCGateAudience api://default
        OIDCGateHeader X-User  "%{user}"
        OIDCGateHeader X-Group "%{claim:kong_claim}" join=,
        Require claim kong_claim:kong_group
        ProxyPass @backend@
    </Location>
    <Location $path/asked>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateMethods introspection
        OIDCGateCache introspection=0
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location $path/client>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateMethods client_credentials
        OIDCGateHeader X-User "%{user}"
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location $path/gold>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateHeader X-User "%{user}"
        Require acr gold
        ProxyPass @backend@
    </Location>
    <Location $path/name>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateHeader X-User "%{user}"
        Require user alice
        ProxyPass @backend@
    </Location>
    <Location $path/unless>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateHeader X-User "%{user}"
        <RequireAll>
            Require valid-user
            <RequireNone>
                Require claim kong_claim:other
            </RequireNone>
        </RequireAll>
        ProxyPass @backend@
    </Location>
    <Location $path/open>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateMethods code bearer
        OIDCGateAudience api://default
        OIDCGateOnUnauthenticated pass
        OIDCGateHeader X-User "%{user}"
        Require all granted
        ProxyPass @backend@
    </Location>
    <Location $path/told>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        OIDCGateHeader X-User "%{user}"
        OIDCGateHeader X-Dept "%{claim:department}" required
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location $path/elsewhere>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        <RequireAll>
            Require claim kong_claim:kong_group
            Require ip 192.0.2.0/24
        </RequireAll>
        ProxyPass @backend@
    </Location>
    <Location $path/here>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        <RequireAny>
            Require ip 127.0.0.0/8
            Require claim kong_claim:kong_group
        </RequireAny>
        ProxyPass @backend@
    </Location>
    <Location $path/ended>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        Require claim kong_claim:kong_group
        SetHandler oidc-gate-sessions
    </Location>
    <Location $path/public>
        AuthType OIDCGate
        OIDCGateEnforce $enforce
        Require claim kong_claim:kong_group
    </Location>
</Macro>

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
Use Places /on On
Use Places /off Off
DocumentRoot @docs@
Alias /on/public  @docs@
Alias /off/public @docs@

=httpd pushed

OIDCGateIssuer        @op@/pushing
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
Use Places /on On
Use Places /off Off

=httpd away

OIDCGateIssuer        http://127.0.0.1:@spare_port@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
Use Places /on On
Use Places /off Off

=cut

my $op = provider();
my $backend = backend();

# The decision's line of the last request to a place, without what two requests never have in common.
sub line_of {
    my ($loc) = @_;
    expect_log qr/\b(?:deny|allow|redirect|login) status=.* loc=\Q$loc\E /, qr/authorization failure/;
    my $line = until_true(sub { (grep { /oidc_gate:.* loc=\Q$loc\E / && / status=/ } log_lines())[-1] }) // '';
    my ($level, $said) = $line =~ /\[oidc_gate:(\w+)\].*?((?:would )?\w+ status=.*)/ or return;
    $said =~ s/ (?:loc|rid|idp_calls|cred|cache)=\S*//g; # what a cache knows, it knows in fewer words
    $said =~ s/ detail="(?:[^"\\]|\\.)*"//;
    return "$level $said";
}

# The same request to both. The enforced one is answered with that status; the other passes, and says the same.
sub both {
    my ($place, $ask, $status, $name) = @_;
    my ($on, $off);
    subtest $name => sub {
        $op->reset;
        $on = $ask->("/on$place/x");
        status_is $on, $status, 'enforced';
        my $most = $op->calls;
        my $said = line_of("/on$place");
        like $said, qr/^\w+ (?!would)/, 'that is said' or return;
        $_->reset for $op, $backend;
        $off = $ask->("/off$place/x");
        status_is $off, 200, 'watched: it passes';
        upstream_is 1;
        my $calls = $op->calls;
        cmp_ok $calls->{$_}, '<=', $most->{$_} // 0, "no more calls to the provider ($_)" for grep { /^[DJTIU]$/ } keys %$calls;
        is line_of("/off$place"), $said =~ s/^(\w+) /$1 would /r, 'and the same is said';
        ok !$off->header('Set-Cookie'), 'no cookie is set';
        ok !$off->header($_), "no $_" for qw(WWW-Authenticate Location);
    };
    return $off;
}

sub signed_in {
    my ($user) = @_;
    my $ua = ua();
    $op->user($user);
    login($ua, '/on/open/x');
    login($ua, '/oidc-gate/login?return_to=/on/open/x');
    $_->reset for $op, $backend;
    return $ua;
}

row 'nobody: a browser would be sent away, a program would be challenged' => sub {
    for my $place ('/group', '/gold', '/name', '/unless', '/told') {
        both($place, sub { browse(ua(), $_[0]) }, 302, "$place: redirect");
        both($place, sub { get(ua(), $_[0]) }, 401, "$place: challenge");
    }
    both('/client', sub { get(ua(), $_[0]) }, 401, 'a program without its secret');
    browse(ua(), '/off/group/x', 'X-User' => 'alice', 'x_group' => 'kong_group');
    is_deeply [$backend->got_folded('X-User'), $backend->got_folded('X-Group')], [], 'and nobody is nobody';
    log_like qr/stripped client header/;
};

row 'somebody who may not: refuse, and still told' => sub {
    my $ua = signed_in('mallory');
    my ($mallory) = do { browse($ua, '/off/open/x'); $backend->got('X-User') };
    ok $mallory, 'she is known';
    for my $place ('/group', '/name', '/unless') {
        $backend->reset;
        both($place, sub { browse($ua, $_[0]) }, 403, "$place: a person");
        browse($ua, "/off$place/x");
        is_deeply [$backend->got('X-User')], [$mallory], 'the backend is told who it is';
    }
    my $token = $op->mint(user => 'mallory');
    both('/group', sub { get(ua(), $_[0], bearer($token)) }, 403, 'a program');
    both('/told', sub { browse($ua, $_[0]) }, 403, 'what cannot be told in full is not told');
    browse($ua, '/off/told/x');
    is_deeply [$backend->got('X-User')], [], 'nothing of it';
    both('/gold', sub { browse($ua, $_[0]) }, 302, 'sent back for a stronger login');
    browse($ua, '/off/gold/x');
    is_deeply [$backend->got('X-User')], [$mallory], 'and is who she is meanwhile';
    both('/gold', sub { get($ua, $_[0]) }, 401, 'or told what it takes');
};

row 'somebody who may: allow' => sub {
    my $ua = signed_in('alice');
    both('/group', sub { browse($ua, $_[0]) }, 200, 'a person');
    browse($ua, '/off/group/x');
    is_deeply [$backend->got('X-Group')], ['kong_group'], 'with all that is told';
    my $token = $op->mint(user => 'alice');
    both('/group', sub { get(ua(), $_[0], bearer($token)) }, 200, 'a program');
    both('/open', sub { get(ua(), $_[0]) }, 200, 'nobody, where that is allowed');
    both('/client', sub { get(ua(), $_[0], basic('c-api', 's3cret')) }, 200, 'a client');
};

row 'bad credentials: challenge, 400, and they are nobody' => sub {
    my @bad = ([401, 'no token at all', bearer('xxx.yyy.zzz')],
               [401, 'one of another audience', bearer($op->mint(user => 'alice', claims => { aud => 'other' }))],
               [401, 'an expired one', bearer($op->mint(user => 'alice', claims => { exp => 1000 }))],
               [400, 'several', Authorization => 'Bearer a', Authorization => 'Bearer b']);
    for (@bad) {
        my ($status, $name, @headers) = @$_;
        both($_, sub { get(ua(), $_[0], @headers) }, $status, "$name at $_") for '/group', '/open';
        get(ua(), '/off/open/x', @headers);
        is_deeply [$backend->got('X-User')], [], 'nobody';
        $backend->reset;
    }
    both('/client', sub { get(ua(), $_[0], basic('c-api', 'wrong')) }, 401, 'a wrong secret');
    my $dead = $op->mint(user => 'alice');
    $op->kill_token($dead);
    both('/asked', sub { get(ua(), $_[0], bearer($dead)) }, 401, 'a token that is no longer active');
};

row 'what the gate did not take may be meant for the backend, and its own cookies never are' => sub {
    get(ua(), '/off/group/x', basic('old', 'app'), Cookie => 'a=b; oidc-gate-01234567=xyz');
    is_deeply [$backend->got('Authorization')], [{ basic('old', 'app') }->{Authorization}], 'Basic of an application that asks for it itself';
    is_deeply [$backend->got('Cookie')], ['a=b'], 'cookies';
    $backend->reset;
    my $token = $op->mint(user => 'alice');
    get(ua(), '/off/group/x', bearer($token));
    is_deeply [$backend->got('Authorization')], [], 'a token that was taken stays here';
    line_of('/off/group');
};

row 'the provider is away: fail' => sub {
    $op->fault(introspect => status => 500);
    my $token = $op->mint(user => 'alice');
    both('/asked', sub { get(ua(), $_[0], bearer($token)) }, 503, 'a token that nobody can judge');
    my $there = sub { my ($path) = @_; browse(ua(), url($path, 'away')) };
    both('/group', $there, 503, 'a login that cannot begin');
};

row 'a login that nobody begins is not pushed either' => sub {
    my $pushing = $op->tenant('pushing', par => 1);
    my $there = sub { browse(ua(), url($_[0], 'pushed')) };
    status_is $there->('/on/group/x'), 302, 'enforced';
    cmp_ok $pushing->calls('P'), '==', 1, 'it is pushed';
    $_->reset for $pushing, $backend;
    status_is $there->('/off/group/x'), 200, 'watched' for 1 .. 3;
    cmp_ok $pushing->calls('P'), '==', 0, 'it is not';
    like line_of('/off/group'), qr/would redirect status=302/, 'and the same is said';
};

row "what is not the gate's to say holds" => sub {
    my $ua = signed_in('alice');
    for my $on ('/on', '/off') {
        status_is browse($ua, "$on/elsewhere/x"), 403, "$on: another network is asked for";
        status_is browse(ua(), "$on/elsewhere/x"), 403, "$on: the same for nobody";
        upstream_is 0;
        status_is browse(ua(), "$on/here/x"), 200, "$on: let in by address";
        upstream_is 1;
    }
    expect_log qr/client denied by server configuration/;
    log_unlike qr{loc=/o\w+/(?:elsewhere|here)}, 'the gate had nothing to say';
};

row 'what only those with a name may do stays shut' => sub {
    my $ua = signed_in('alice');
    status_is post($ua, '/off/ended', [subject => 'nobody']), 403, 'a watched place lets everybody in, and so ends no sessions';
    status_is post($ua, '/on/ended', [subject => 'nobody']), 200, 'an enforced one does';
    log_like qr/deny status=403 reason=config_error .*anybody could end sessions/;
    line_of('/off/ended');
};

row 'one request, one line, however many parts it has' => sub {
    status_is get(ua(), '/off/public/'), 200, 'a directory and its index';
    my @lines = grep { m{would deny .*loc=/off/public} } log_lines();
    is @lines, 1, 'one line' or diag @lines;
    line_of('/off/public');
};

row 'each start warns of it, and .htaccess cannot say it' => sub {
    my $of_a_gate = sub { "OIDCGateIssuer https://id.example.com/\nOIDCGateClientID web\nOIDCGateClientSecret s3cret\n"
        . "<Location /app>\nAuthType OIDCGate\n$_[0]Require valid-user\n</Location>\n" };
    my $warning = qr{<Location /app> .* is not enforced \(OIDCGateEnforce Off\)};
    my ($fine, $said) = config_output($of_a_gate->("OIDCGateEnforce Off\n"));
    ok $fine, 'it is taken';
    is scalar(() = $said =~ /$warning/g), 1, 'and warned of, once' or diag $said;
    ($fine, $said) = config_output($of_a_gate->("OIDCGateEnforce On\n"));
    unlike $said, qr/not enforced/, 'else there is no warning';
    config_fails $of_a_gate->("OIDCGateEnforce Maybe\n"), qr/OIDCGateEnforce/, 'On or Off';
    config_fails "OIDCGateEnforce Off\n", qr/OIDCGateEnforce not allowed here|only inside|cannot occur/, 'not for a whole server';
};

expect_log qr{is not enforced \(OIDCGateEnforce Off\)};
done_testing;
