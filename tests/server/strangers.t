# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Strangers in masses, who begin logins and never come back, who try tokens and cookies that nobody gave
# them: they take no memory, and no place from those who are signed in.
use Gate::Test;

use Gate::Client ();
use Gate::Load ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(time);

my ($STRANGERS, $PEOPLE, $WORKERS) = (short_or_long(20_000, 1_000_000), 200, 4);

my $op = provider(users => users($PEOPLE), access_token => 'opaque', refresh => 0, secrets_file => undef);
my $backend = backend();
# Hardly larger than the people need, in both regions.
my $server = Gate::Server->new(name => 'strangers', port => port(), processes => 2, directives =>
    guarded($op->issuer, 'http://127.0.0.1:' . port('backend'), <<"CONF"));
OIDCGateSessionStore shm:1M
OIDCGateTokenStore   shm:256K
LogLevel             oidc_gate:crit
<Location /api>
    AuthType OIDCGate
    OIDCGateMethods introspection code
    OIDCGateLimit address=20 total=20
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass http://127.0.0.1:@{[port('backend')]}
</Location>
CONF

my @people;
my $name;                       # of the session's cookie

my @LETTERS = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_');
sub noise { my ($length) = @_; return join '', map { $LETTERS[rand 64] } 1 .. $length }

# What a stranger may try, and how that may be answered.
my @TRIES = (
    sub { ($_[0]->browse('/app/x?' . noise(8)), qr/^302$/) },
    sub { ($_[0]->ask(GET => '/api/x', Authorization => 'Bearer ' . noise(40)), qr/^(?:401|429)$/) },
    sub { ($_[0]->ask(GET => '/app/x', Cookie => "$name=" . noise(42) . 'A'), qr/^401$/) },
    sub { ($_[0]->ask(GET => '/app/x', Cookie => "$name=" . noise(rand 200)), qr/^401$/) },
    sub { ($_[0]->browse('/oidc-gate/callback?code=' . noise(20) . '&state=' . noise(43)), qr/^400$/) },
);

sub flood {
    my ($count) = @_;
    my $load = Gate::Load->start(workers => $WORKERS, rounds => $count / $WORKERS, port => port(), ask => sub {
        my ($client, undef, $round) = @_;
        my ($answer, $may) = $TRIES[$round % @TRIES]->($client);
        return $answer->{status} =~ $may ? undef : "try $round: $answer->{status}";
    });
    return $load->finish;
}

row 'people sign in' => sub {
    $server->start;
    @people = sign_in_all(port(), port('op'), names($PEOPLE));
    ($name) = $people[0][1] =~ /^([^=]+)=/;
    all_signed_in(port(), \@people);
};

row "$STRANGERS strangers try" => sub {
    nothing_wrong(flood(5_000), 'none of the first is let in');
    my $before = $server->memory;
    nothing_wrong(flood($STRANGERS), 'none of the others is');
    my $after = $server->memory;
    note "the largest process: $before KiB, and afterwards $after KiB";
    cmp_ok $after, '<', $before + 2048, 'they leave nothing behind in the memory of the processes';
    all_signed_in(port(), \@people);
};

row 'others can still sign in' => sub {
    my @more = sign_in_all(port(), port('op'), names(20));
    all_signed_in(port(), [@people, @more]);
};

is_deeply [$server->complaints], [], 'the log says nothing else';

done_testing;
