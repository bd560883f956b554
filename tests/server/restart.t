# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Sessions outlive the server: restarts of every kind, the end of the parent, another size of the store.
use Gate::Test;

use Gate::Client ();
use Gate::Load ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(sleep time);

my ($RESTARTS, $PEOPLE) = (short_or_long(50, 1_000), short_or_long(500, 10_000));

my $op = provider(users => users($PEOPLE), access_token => 'opaque', refresh => 0, secrets_file => undef);
my $backend = backend();

# The configuration with that store, and more of it.
sub with_store {
    my ($store, $more) = @_;
    return "OIDCGateSessionStore $store\n" . ($more // '')
        . guarded($op->issuer, 'http://127.0.0.1:' . port('backend'), <<"CONF");
<Location /held.txt>
    AuthType OIDCGate
    Require valid-user
</Location>
CONF
}

my $server = Gate::Server->new(name => 'restart', port => port(), directives => with_store('shm:64M file=sessions'));
my $file = $server->dir . '/sessions';
my $secrets = Apache::Test::vars('stage') . '/secrets';
my @people;

# Three who click on and on, a few hundred times a second together; every tenth time for a page that is not guarded.
sub clicks {
    return Gate::Load->start(workers => 3, rate => 150, port => port(), ask => sub {
        my ($client, undef, $round) = @_;
        return look($client, $people[rand @people]) if $round % 10;
        my $plain = $client->ask(GET => '/page.txt');
        return $plain->{status} == 200 ? undef : "a plain page: $plain->{status}";
    });
}

# Others who ask for a guarded page of httpd's own, each time on a new connection. mod_proxy cuts one now and then at a graceful
# restart, also where there is no gate; a guarded page must not be.
sub new_ones {
    return Gate::Load->start(workers => 1, rate => 100, port => port(), ask => sub {
        my ($client) = @_;
        delete $client->{socket};
        my $status = $client->ask(GET => '/held.txt', Cookie => $people[rand @people][1])->{status};
        return $status == 200 ? undef : "status $status";
    });
}

row "$PEOPLE people sign in" => sub {
    $server->start;
    like slurp('/proc/' . $server->pid . '/status'), qr/^Threads:\s+1$/m, 'P-11 no thread is there before the children are';
    my $begun = time;
    @people = sign_in_all(port(), port('op'), names($PEOPLE));
    note sprintf '%d logins in %.1f s', scalar @people, time - $begun;
    all_signed_in(port(), \@people);
};

row "$RESTARTS graceful restarts under load lose no session, and nobody notices" => sub {
    my ($load, $new) = (clicks(), new_ones());
    for (1 .. $RESTARTS) {
        $server->graceful;
        sleep 0.1;
    }
    my ($told, $told_new) = ($load->stop, $new->stop);
    nothing_wrong($told, 'every answer is 200, and its own person\'s');
    nothing_wrong($told_new, 'on new connections too');
    is $told->{refused} + $told_new->{refused}, 0, 'no connection is refused';
    is $told_new->{cut}, 0, 'none of the new ones is cut';
    cmp_ok $told->{asked}, '>', $RESTARTS, 'people were at work at each of them';
    all_signed_in(port(), \@people);
};

row 'nor do restarts that are not graceful' => sub {
    my $load = clicks();
    for (1 .. short_or_long(5, 100)) {
        $server->restart;
        sleep 0.2;
    }
    nothing_wrong($load->stop, 'every answer is 200');
    all_signed_in(port(), \@people);
};

row 'nor a stop and a start' => sub {
    for (1 .. short_or_long(2, 20)) {
        $server->stop->start;
        all_signed_in(port(), \@people);
    }
    is sprintf('%04o', (stat $file)[2] & 07777), '0600', 'the file is for nobody else';
};

row 'nor a parent that is killed, and its children with it, while people are at work' => sub {
    for (1 .. short_or_long(2, 20)) {
        my $load = clicks();
        sleep 0.3;
        $server->kill_all->start;
        nothing_wrong($load->stop, 'every answer is 200');
        all_signed_in(port(), \@people);
    }
};

row 'another size is taken at the next start, and everybody comes along' => sub {
    $server->stop->configure(with_store('shm:96M file=sessions'))->start;
    all_signed_in(port(), \@people, 'larger, by stop and start');
    cmp_ok -s $file, '>', 96 << 20, 'it is larger';
    $server->configure(with_store('shm:64M file=sessions'))->restart;
    all_signed_in(port(), \@people, 'smaller, by a restart');
    cmp_ok -s $file, '<', 96 << 20, 'it is smaller';
};

row 'at a graceful restart it is not, because children of before are at work in the old one' => sub {
    my $load = clicks();
    $server->configure(with_store('shm:96M file=sessions'))->graceful;
    nothing_wrong($load->stop, 'nobody notices');
    ok scalar(grep { /\[oidc_gate:warn\].*is taken at a restart that is not graceful/ } $server->log_lines), 'the log says so';
    cmp_ok -s $file, '<', 96 << 20, 'the file is as it was';
    all_signed_in(port(), \@people);
    $server->restart;
    cmp_ok -s $file, '>', 96 << 20, 'after a restart it is larger';
    all_signed_in(port(), \@people);
};

row 'a size into which they do not fit is refused, and the site goes on' => sub {
    $server->configure(with_store('shm:256K file=sessions'))->restart;
    ok scalar(grep { /\[oidc_gate:error\].*does not fit into the new size.*the store stays as it was/ } $server->log_lines), 'the log says so';
    all_signed_in(port(), \@people);
    $server->configure(with_store('shm:96M file=/nowhere/at/all'))->restart;
    ok scalar(grep { m{\[oidc_gate:error\].*/nowhere/at/all.*the store stays as it was} } $server->log_lines), 'nor a place that is none';
    all_signed_in(port(), \@people);
};

row 'another file takes over what was in the one before, which is removed: nobody ended is ever brought back by it' => sub {
    $server->configure(with_store('shm:64M file=others'))->restart;
    ok -e $server->dir . '/others', 'the new file';
    ok !-e $file, 'the old one is gone';
    all_signed_in(port(), \@people);
    my $leaver = pop @people;
    my $client = Gate::Client->new(port => port());
    is $client->ask(POST => '/oidc-gate/logout', Cookie => $leaver->[1])->{status}, 303, 'one signs out';
    $server->configure(with_store('shm:64M file=sessions'))->restart;
    is $client->ask(GET => '/app/x', Cookie => $leaver->[1])->{status}, 401, 'and stays out';
    $server->stop->start;
    is $client->ask(GET => '/app/x', Cookie => $leaver->[1])->{status}, 401, 'after a stop too';
    all_signed_in(port(), \@people);
    $server->configure(with_store('shm:64M'))->restart;
    ok !-e $file, 'without a file there is none';
    all_signed_in(port(), \@people);
    $server->configure(with_store('shm:64M file=sessions'))->restart;
    all_signed_in(port(), \@people, 'and back into one');
};

# Begins a login, does something to the server, and comes back.
sub login_over {
    my ($do) = @_;
    my $client = Gate::Client->new(port => port());
    my ($back, $attempt) = $client->begin('/app/x', Gate::Client->new(port => port('op')), 's1');
    $do->();
    return $client->browse($back, Cookie => $attempt);
}

row 'a login under way outlives restarts, and a stop where the key is kept: in the file, or by OIDCGateSecretKey' => sub {
    is login_over(sub { $server->graceful })->{status}, 302, 'a graceful restart';
    is login_over(sub { $server->restart })->{status}, 302, 'one that is not';
    is login_over(sub { $server->stop->start })->{status}, 302, 'a stop, with the key that is kept with the sessions';
    is login_over(sub { $server->configure(with_store('shm:96M file=sessions'))->restart })->{status}, 302, 'another size';
    $server->configure(with_store('shm:64M file=sessions', "OIDCGateSecretKey file:$secrets/key\n"))->restart;
    all_signed_in(port(), \@people, 'sessions do not depend on that key');
    is login_over(sub { $server->stop->start })->{status}, 302, 'a stop';
    is login_over(sub { $server->kill_all->start })->{status}, 302, 'the end of the parent';
    all_signed_in(port(), \@people);
};

row 'without a file a stop ends all sessions, restarts do not' => sub {
    $server->stop->configure(with_store('shm:64M'))->start;
    my $client = Gate::Client->new(port => port());
    is $client->ask(GET => '/app/x', Cookie => $people[0][1])->{status}, 401, 'there are none';
    is login_over(sub { $server->stop->start })->{status}, 400, 'and a login under way begins anew';
    my @few = sign_in_all(port(), port('op'), names(20));
    $server->graceful->restart->graceful;
    all_signed_in(port(), \@few);
    $server->configure(with_store('shm:32M'))->restart;
    all_signed_in(port(), \@few, 'in another size');
};

row 'Redis is refused when the configuration is read' => sub {
    $server->configure(with_store('redis://127.0.0.1:6379'));
    my ($fine, $said) = $server->test_configuration;
    ok !$fine, 'refused';
    like $said, qr/OIDCGateSessionStore: this version has no store in Redis; say shm:SIZE/, 'clearly';
};

is_deeply [$server->complaints(
    qr/reason=(?:session_expired|no_credential|state_unknown)/, qr/restart that is not graceful/, qr/store stays as it was/,
    qr/AH00098: pid file .* overwritten -- Unclean shutdown/, qr/AH01110|AH01102|AH00898/)], [], 'the log of it all is quiet';

done_testing;
