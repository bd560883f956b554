# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What a process was brought before is remembered. All here is asked again and again, on one connection and on others: nobody may be
# taken for somebody that was there before, nor for who they were before.
use Gate::Test;

use Gate::Client ();
use Gate::People;
use Gate::Server ();
use Gate::Streams ();
use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLogout        redirect=@base@/public/page.txt

<Location /app>
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    Require valid-user
    OIDCGateHeader X-User  "%{claim:sub}"
    OIDCGateHeader X-Memory-Mail  "%{claim:email}"
    ProxyPass @backend@
</Location>

<Location /ops>
    AuthType OIDCGate
    Require claim groups:ops
    OIDCGateHeader X-Memory-Name "%{claim:name}"
    ProxyPass @backend@
</Location>

<Location /brief>
    AuthType OIDCGate
    Require valid-user
    OIDCGateSession idle=6s lifetime=6s
    ProxyPass @backend@
</Location>

# One token may not stand in for the other, whatever else comes along.
<Location /named>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGateTokenFrom authorization header:X-Memory-Token
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

# mod_dir puts the settings of the index in the place of the directory's, when that was decided by its own.
Alias /memory-index @docs@
<Location /memory-index>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    Require valid-user
    DirectoryIndex index.html
    OIDCGateEnv MEMORY_TOLD "directory of %{claim:sub}"
    Header set X-Memory-Told "%{MEMORY_TOLD}e"
</Location>
<Location /memory-index/index.html>
    OIDCGateEnv MEMORY_TOLD "index of %{claim:sub}"
</Location>

=httpd two

<IfModule http2_module>
    Protocols h2c http/1.1
</IfModule>
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
    OIDCGateHeader X-User "%{claim:sub}"
</Location>

=cut

my $op = provider();
my $backend = backend();
my $at_provider = Gate::Client->new(port => port('op'));
my $client = Gate::Client->new(port => port());

# So many that each process is asked by some of them: all are open at the same time.
sub clients { return map { Gate::Client->new(port => port()) } 1 .. 12 }
sub next_second { sleep 1.02 - (time - int time); return }
sub cookie_for { my ($user) = @_; return Gate::Client->new(port => port())->sign_in('/app/x', $at_provider, $user) }
sub ask { my ($path, @headers) = @_; return $client->ask(GET => $path, @headers) }

sub told { my ($name) = @_; return join '|', $backend->got($name) }

# The same request so often that it is remembered; all answers and all that was told.
sub again {
    my ($path, @headers) = @_;
    return join ' ', map { my $status = ask($path, @headers)->{status}; $status . '=' . ($status == 200 ? told('X-User') : '') } 1 .. 3;
}

row 'the same person is the same, and others are others, on one connection' => sub {
    my ($alice, $mallory) = map { cookie_for($_) } qw(alice mallory);
    is again('/app/x', Cookie => $alice), join(' ', ('200=alice-sub') x 3), 'alice';
    for (1 .. 8) {
        is again('/app/x', Cookie => $mallory), join(' ', ('200=mallory-sub') x 3), 'mallory';
        is again('/app/x', Cookie => $alice), join(' ', ('200=alice-sub') x 3), 'alice again';
    }
    is again('/app/x'), join(' ', ('401=') x 3), 'and without a cookie nobody';
    is again('/app/x', Cookie => substr($alice, 0, -4) . 'AAAA'), join(' ', ('401=') x 3), 'nor with one that only begins alike';
    is again('/app/x', Cookie => $alice, 'X-User' => 'root'), join(' ', ('200=alice-sub') x 3), 'what she says of herself is not believed';
    is $client->{closed} // 0, 0, 'all on one connection';
    expect_log qr/reason=session_tampered/;
    expect_log qr/stripped client header "X-User"/;
};

row 'another place is another: its rules hold, and its headers are told' => sub {
    my ($alice, $mallory) = map { cookie_for($_) } qw(alice mallory);
    again('/app/x', Cookie => $mallory);
    is ask('/ops/x', Cookie => $mallory)->{status}, 403, 'a rule refuses her';
    is ask('/app/x', Cookie => $mallory)->{status}, 200, 'and she is known where she may be';
    again('/app/x', Cookie => $alice);
    for (1 .. 2) {
        is ask('/ops/x', Cookie => $alice)->{status}, 200, 'he may';
        is told('X-User') . '/' . (told('X-Memory-Name') ? 'a name' : ''), '/a name', 'and is named as that place says';
    }
    expect_log qr/reason=claim_mismatch/;
};

row 'the same on connections of their own' => sub {
    my %sends = ((map { ("$_-sub" => [Cookie => cookie_for($_)]) } qw(alice mallory)), '' => []);
    $sends{'carol-sub'} = [bearer($op->mint(user => 'alice', claims => { sub => 'carol-sub' }))];
    my (@asked, @found);
    for my $who ((sort keys %sends) x 12) {
        my $answer = Gate::Client->new(port => port())->ask(GET => '/app/x', @{ $sends{$who} });
        push @asked, $who;
        push @found, $answer->{status} == 200 ? told('X-User') : '';
    }
    is_deeply \@found, \@asked, 'each is who asked, or nobody';
};

row 'what one place may be brought, is nothing to another' => sub {
    my @tokens = map { $op->mint(user => $_) } qw(alice mallory);
    for (1 .. 3) {
        is ask('/named/x', 'X-Memory-Token' => $tokens[0])->{status} . told('X-User'), '200alice-sub', 'his, in a header of its own';
        is ask('/named/x', 'X-Memory-Token' => $tokens[1])->{status} . told('X-User'), '200mallory-sub', 'hers';
        is ask('/named/x', bearer($tokens[0]))->{status} . told('X-User'), '200alice-sub', 'his, where tokens stand';
        is ask('/named/x', bearer($tokens[0]), 'X-Memory-Token' => $tokens[1])->{status}, 400, 'both are too many';
        is ask('/app/x', 'X-Memory-Token' => $tokens[0])->{status}, 401, 'elsewhere that header is none';
    }
    expect_log qr/reason=multiple_credentials/;
};

row 'where httpd goes on elsewhere, that place counts' => sub {
    my $token = $op->mint(user => 'alice');
    for (1 .. 3) {
        my @told = map { ask("/memory-index/$_", bearer($token))->{headers}{'x-memory-told'}[0] // 'nothing' } '', 'index.html', 'page.txt';
        is_deeply \@told, ['index of alice-sub', 'index of alice-sub', 'directory of alice-sub'], 'each as it says';
    }
};

row 'who signed out elsewhere is out on every connection, and in every process' => sub {
    my ($alice, $mallory) = map { cookie_for($_) } qw(alice mallory);
    my @all = clients();
    my $looks = sub { my ($cookie) = @_; return join ' ', map { my $c = $_; map { $c->ask(GET => '/app/x', Cookie => $cookie)->{status} } 1 .. 3 } @all };
    is $looks->($_), join(' ', (200) x (3 * @all)), 'signed in' for $alice, $mallory;
    my $elsewhere = Gate::Client->new(port => port());
    like $elsewhere->ask(POST => '/oidc-gate/logout', Cookie => $alice, 'Sec-Fetch-Site' => 'same-origin')->{status}, qr/^30[23]$/, 'one signs out';
    is $looks->($alice), join(' ', (401) x (3 * @all)), 'and is out';
    is $looks->($mallory), join(' ', (200) x (3 * @all)), 'the other is not';
    expect_log qr/reason=session_expired/;
};

row 'whose sessions the provider has ended is out too' => sub {
    next_second();
    my ($alice, $mallory) = map { cookie_for($_) } qw(alice mallory);
    my @all = clients();
    my $looks = sub { my ($cookie) = @_; return join ' ', map { my $c = $_; map { $c->ask(GET => '/app/x', Cookie => $cookie)->{status} } 1 .. 3 } @all };
    is $looks->($_), join(' ', (200) x (3 * @all)), 'signed in' for $alice, $mallory;
    status_is post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $op->mint(kind => 'logout', client => 'c-web', user => 'alice')]), 200;
    is $looks->($alice), join(' ', (401) x (3 * @all)), 'one is out';
    is $looks->($mallory), join(' ', (200) x (3 * @all)), 'the other is not';
    next_second();
    is again('/app/x', Cookie => cookie_for('alice')), join(' ', ('200=alice-sub') x 3), 'until the next login';
    expect_log qr/reason=session_expired/;
};

row 'what was renewed in one process is told by all' => sub {
    $op->user('changing', { sub => 'changing-sub', email => 'before@example.org' });
    $op->set(lifetime => 8);
    my $cookie = cookie_for('changing');
    my $begun = time;
    $op->set(lifetime => 300);
    my @all = clients();
    my $tells = sub { return join ' ', map { my $c = $_; map { $c->ask(GET => '/app/x', Cookie => $cookie); told('X-Memory-Mail') } 1 .. 2 } @all };
    is $tells->(), join(' ', ('before@example.org') x (2 * @all)), 'as it was';
    $op->user('changing', { sub => 'changing-sub', email => 'after@example.org' });
    sleep 0.1 while time < $begun + 8;
    $op->reset;
    is $tells->(), join(' ', ('after@example.org') x (2 * @all)), 'as it is';
    calls_are $op, 'T1';
};

row 'with another configuration all is forgotten' => sub {
    my $conf = sub { my ($claim) = @_; return guarded($op->issuer, 'http://127.0.0.1:' . port('backend')) =~ s/%\{claim:sub\}/%{claim:$claim}/r };
    my $server = Gate::Server->new(name => 'memory', port => port('spare'), processes => 1, directives => $conf->('sub'));
    $server->start;
    my $alice = Gate::Client->new(port => port('spare'))->sign_in('/app/x', $at_provider, 'alice');
    my $tells = sub { return join ' ', map { Gate::Client->new(port => port('spare'))->ask(GET => '/app/x', Cookie => $alice); told('X-User') } 1 .. 8 };
    is $tells->(), join(' ', ('alice-sub') x 8), 'as it was said';
    $server->configure($conf->('email'))->graceful;
    ok until_true(sub { $tells->() eq join ' ', ('alice@example.org') x 8 }, 20), 'as it is said now, when who served before has gone';
    $server->leave;
};

# What is kept of each is more than 10 KB: those that come after the first are 5 MB.
row 'however many come, it grows no more' => sub {
    my $server = Gate::Server->new(name => 'memory-many', port => port('spare'), processes => 1, directives => <<"CONF");
OIDCGateIssuer        @{[$op->issuer]}
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@{[Apache::Test::vars('stage')]}/secrets/c-web
<Location /page.txt>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    Require valid-user
    OIDCGateHeader X-Memory-Long "%{claim:long}"
</Location>
CONF
    $server->start;
    my %status;
    my $come = sub {
        for my $number (1 .. $_[0]) {
            my @token = bearer($op->mint(user => 'alice', alg => 'ES256', unknown => 1, claims => { n => $number, long => 'x' x 5000 }));
            my $client = Gate::Client->new(port => port('spare'));
            $status{ $client->ask(GET => '/page.txt', @token)->{status} }++ for 1 .. 3;
        }
        return $server->memory;
    };
    my ($before, $after) = ($come->(600), $come->(500));
    is_deeply \%status, { 200 => 3300 }, 'all pass';
    cmp_ok $after - $before, '<=', 2048, "the largest process: $before KiB of its own, then $after KiB";
    $server->leave;
};

row 'who signed out elsewhere is out at once' => sub {
    my $alice = cookie_for('alice');
    is again('/app/x', Cookie => $alice), join(' ', ('200=alice-sub') x 3), 'signed in';
    my $elsewhere = Gate::Client->new(port => port());
    like $elsewhere->ask(POST => '/oidc-gate/logout', Cookie => $alice, 'Sec-Fetch-Site' => 'same-origin')->{status}, qr/^30[23]$/, 'signs out on another';
    is again('/app/x', Cookie => $alice), join(' ', ('401=') x 3), 'and is out here';
    expect_log qr/reason=session_expired/;
};

row 'a session ends in its time' => sub {
    my $alice = cookie_for('alice');
    is again('/brief/x', Cookie => $alice), join(' ', ('200=') x 3), 'young enough';
    ok until_true(sub { ask('/brief/x', Cookie => $alice)->{status} == 401 }), 'and then too old here';
    is ask('/app/x', Cookie => $alice)->{status}, 200, 'but not elsewhere';
};

row 'tokens and people on one connection' => sub {
    my $alice = cookie_for('alice');
    my @tokens = map { $op->mint(user => $_) } qw(alice mallory);
    for (1 .. 2) {
        is again('/app/x', bearer($tokens[1])), join(' ', ('200=mallory-sub') x 3), 'her token';
        is again('/app/x', bearer($tokens[0])), join(' ', ('200=alice-sub') x 3), 'his token';
        is again('/app/x', Cookie => $alice, bearer($tokens[1])), join(' ', ('200=mallory-sub') x 3), 'a token comes before a session';
        is again('/app/x', Cookie => $alice, bearer('x' . $tokens[1])), join(' ', ('401=') x 3), 'and a bad one is none';
        is again('/app/x', Cookie => $alice), join(' ', ('200=alice-sub') x 3), 'his session';
    }
    expect_log qr/reason=malformed_token/;
};

row 'the streams of one HTTP/2 connection are each their own' => sub {
    plan skip_all => 'mod_http2 does not go with this MPM' if Apache::Test::vars('mpm') eq 'prefork';
    my %sends = (
        'alice-sub'   => [cookie => Gate::Client->new(port => port('two'))->sign_in('/app/x', $at_provider, 'alice')],
        'mallory-sub' => [cookie => Gate::Client->new(port => port('two'))->sign_in('/app/x', $at_provider, 'mallory')],
        'carol-sub'   => [authorization => 'Bearer ' . $op->mint(user => 'alice', claims => { sub => 'carol-sub' })],
        ''            => [],
    );
    my @in_turns = (sort keys %sends) x 8;
    for my $at_once (1, 16) {
        my $streams = Gate::Streams->new(port => port('two'));
        my (@asked, @found);
        for my $first (keys %sends) {            # what one of them brought is remembered, and others come beside it
            my @who = (($first) x 8, @in_turns);
            push @asked, @who;
            while (my @some = splice @who, 0, $at_once) {
                push @found, map { /^X-User: (\S+)/m ? $1 : /PROTECTED/ ? 'somebody' : '' }
                    $streams->ask(map { [path => '/app/x', @{ $sends{$_} }] } @some);
            }
        }
        is_deeply \@found, \@asked, "$at_once at once: each is who asked, or nobody";
    }
    my $streams = Gate::Streams->new(port => port('two'));
    my @alice = @{ $sends{'alice-sub'} };
    like +($streams->ask([path => '/app/x', cookie => 'theme=dark', @alice, cookie => 'a=b, c']))[0], qr/^X-User: alice-sub/m,
        'each of the cookies may come in a field of its own (RFC 9113 section 8.2.3)';
    like +($streams->ask([path => '/app/x', @alice]))[0], qr/^X-User: alice-sub/m, 'and who' for 1 .. 3;
    my $elsewhere = Gate::Client->new(port => port('two'));
    $elsewhere->ask(POST => '/oidc-gate/logout', Cookie => $alice[1], 'Sec-Fetch-Site' => 'same-origin');
    unlike $_, qr/PROTECTED/, 'has signed out elsewhere is out here' for $streams->ask(([path => '/app/x', @alice]) x 8);
    expect_log qr/reason=session_expired/;
};

done_testing;
