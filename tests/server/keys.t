# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What becomes of logins and of ended sessions when the server's key changes, or was never given.
use Gate::Test;

use Gate::Client ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(sleep time);

my $op = provider(users => users(9), access_token => 'opaque', refresh => 0);
my $backend = backend();
my $stage = Apache::Test::vars('stage');

sub with_keys {
    my ($keys) = @_;
    return ($keys ? "OIDCGateSecretKey $keys\n" : '') . "OIDCGateSessionStore shm:4M file=sessions\n"
        . guarded($op->issuer, 'http://127.0.0.1:' . port('backend'));
}
my ($old, $new) = map { "file:$stage/secrets/$_" } qw(key key2);
my $server = Gate::Server->new(name => 'keys', port => port(), directives => with_keys($old));
$server->start;

my $client = Gate::Client->new(port => port());
sub signed_in { my ($name) = @_; return $client->sign_in('/app/x', Gate::Client->new(port => port('op')), $name) }
sub status { my ($cookie) = @_; return $client->ask(GET => '/app/x', Cookie => $cookie)->{status} }

# The provider ends all sessions of somebody.
sub end {
    my ($name) = @_;
    my $token = $op->mint(kind => 'logout', client => 'c-web', user => $name);
    return post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $token])->code;
}

# Begins a login, does something to the server, and comes back.
sub login_over {
    my ($do) = @_;
    my ($back, $attempt) = $client->begin('/app/x', Gate::Client->new(port => port('op')), 's9');
    $do->();
    return $client->browse($back, Cookie => $attempt)->{status};
}

my ($ended, $kept) = map { signed_in($_) } qw(s1 s2);

row 'the key changes, and the old one stays for a while: logins under way go on, and so do sessions' => sub {
    is end('s1'), 200, 'one is signed out';
    is status($kept), 200, 'another is signed in';
    my $change = sub { $server->configure(with_keys("$new $old"))->graceful };
    is login_over($change), 302, 'a login under way is finished';
    is status($ended), 401, 'who was signed out stays so';
    is status($kept), 200, 'who was not is signed in';
};

row 'sessions of the old key are ended under the new one' => sub {
    is end('s2'), 200;
    is status($kept), 401, 'signed out';
    sleep 1.1;
    $kept = signed_in('s2');
    is status($kept), 200, 'and in again';
};

row 'the old key goes: so do the sessions that began under it, for nobody can tell any more who of them was signed out' => sub {
    my $older = do { $server->configure(with_keys($old))->restart; signed_in('s3') };
    is status($older), 200, 'signed in under one key';
    $server->configure(with_keys($new))->restart;
    is status($older), 401, 'under another: not';
    is status($kept), 200, 'those of that key go on';
    is login_over(sub { $server->configure(with_keys($old))->restart }), 400, 'a login under way has to begin anew';
};

row 'no key is given: one is kept with the sessions' => sub {
    $server->configure(with_keys())->restart;
    my ($one, $two) = map { signed_in($_) } qw(s4 s5);
    is end('s4'), 200, 'one is signed out';
    is login_over(sub { $server->stop->start }), 302, 'a login under way outlives a stop';
    is status($one), 401, 'who was signed out stays so';
    is status($two), 200, 'who was not is signed in';
    is login_over(sub { $server->kill_all->start }), 302, 'and the same at the end of the parent';
    is status($one), 401, 'out is out';
    is status($two), 200, 'and in is in';
};

$server->stop;
expect_log qr/reason=(?:session_expired|state_unknown)/;

done_testing;
