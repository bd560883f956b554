# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Children are killed at random moments, and more are made by graceful restarts, while people sign in and out and tokens are renewed: nothing
# that was acknowledged is lost, nobody waits for the dead, nobody is taken for somebody else.
use Gate::Test;

use Gate::Client ();
use Gate::Load ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(sleep time);

my ($KILLS, $PEOPLE) = (short_or_long(200, 10_000), 200);
my $NEWCOMERS = 50;             # names for those who come and go

my $op = provider(users => users($PEOPLE + $NEWCOMERS), access_token => 'opaque', lifetime => 36_000, secrets_file => undef);
my $backend = backend();
my $guarded = guarded($op->issuer, 'http://127.0.0.1:' . port('backend'), 'OIDCGateSessionStore shm:32M file=sessions');
my $server = Gate::Server->new(name => 'kill', port => port(), processes => 12, directives => $guarded);

# --- those who write ---

# Somebody comes, is let in, and goes; what was acknowledged holds. A login whose answer was cut off is begun anew.
sub come_and_go {
    my ($client, $number) = @_;
    my $name = 's' . ($PEOPLE + 1 + int rand $NEWCOMERS);
    my $cookie = arrive($client, $name) // return;
    my $what = look($client, [$name, $cookie]);
    return "just signed in: $what" if $what;
    my $bye = leave($client, $cookie) // return;
    return "signing out: $bye" if $bye != 302 && $bye != 303 && $bye != 200;
    my $after = $client->ask(GET => '/app/x', Cookie => $cookie)->{status};
    return $after == 401 ? undef : "after signing out: $after";
}

# What changes something is asked once: whether it was done, nobody knows when the answer was cut off.
sub arrive {
    my ($client, $name) = @_;
    my ($back, $attempt) = $client->begin('/app/x', op_client($client), $name);
    local $client->{once} = 1;
    delete $client->{socket};   # one that the server may have closed by right
    my $answer = $client->browse($back, Cookie => $attempt) or return;
    return Gate::Client::session_of($answer) // die "no session: $answer->{status}\n";
}

sub leave {
    my ($client, $cookie) = @_;
    local $client->{once} = 1;
    delete $client->{socket};
    my $answer = $client->ask(POST => '/oidc-gate/logout', Cookie => $cookie) or return;
    return $answer->{status};
}

sub op_client { my ($client) = @_; return $client->{op} //= Gate::Client->new(port => port('op')) }

# Somebody whose access token is renewed at every other request, as it lives for two seconds. Where the one who renewed it was killed,
# the grant may be over, and the session then is; it is never another's.
sub renew {
    my ($client, $number) = @_;
    my $name = "s$number";
    $client->{mine} //= arrive($client, $name) // return;
    my $answer = $client->ask(GET => '/fresh/x', Cookie => $client->{mine});
    if ($answer->{status} == 401) {
        delete $client->{mine};
        return;
    }
    return if $answer->{status} == 503 || $answer->{status} == 504;   # the one at work may be dead: asked again later
    return "renewing: $answer->{status}" if $answer->{status} != 200;
    my ($told) = $answer->{body} =~ /^X-User: (\S+)\r?$/m;
    return ($told // '') eq $name ? undef : "the session of $name is that of " . ($told // 'nobody');
}

# --- the test ---

my @people;
# Those who must not be lost have tokens that outlast the test; others, from then on, have some that need renewing.
row 'people sign in' => sub {
    $server->start;
    @people = sign_in_all(port(), port('op'), names($PEOPLE));
    all_signed_in(port(), \@people);
    $op->set(lifetime => 2);
};

row "$KILLS children are killed" => sub {
    my @work = (
        Gate::Load->start(workers => 2, rate => 300, port => port(),
                          ask => sub { my ($client) = @_; look($client, $people[rand @people]) }),
        Gate::Load->start(workers => 2, rate => 60, port => port(), ask => \&come_and_go),
        Gate::Load->start(workers => 2, rate => 60, port => port(), ask => \&renew),
        Gate::Load->start(workers => 1, rate => 50, port => port(), ask => sub {
            my $status = $_[0]->ask(GET => '/page.txt')->{status};
            return $status == 200 ? undef : "a plain page: $status";
        }),
    );
    my $begun = time;
    my $killed = 0;
    while ($killed < $KILLS) {
        $killed += $server->kill_one;
        sleep rand 0.04;
    }
    note sprintf '%d kills in %.1f s', $killed, time - $begun;
    my ($hits, $logins, $renewals, $plain) = map { $_->stop } @work;
    nothing_wrong($hits, 'whoever was signed in is, as their own self');
    nothing_wrong($logins, 'who signs in is in, who signs out is out');
    nothing_wrong($renewals, 'tokens are renewed');
    nothing_wrong($plain, 'plain pages, to compare');
    cmp_ok $hits->{slowest}, '<', short_or_long(10, 2) + $plain->{slowest}, 'nobody waits for the dead';
    all_signed_in(port(), \@people);
    is $op->state->{reuse}, 0, 'no code and no refresh token was sent twice';
};

row 'and afterwards all is in order' => sub {
    $op->set(lifetime => 300);
    my @more = sign_in_all(port(), port('op'), names(50));
    all_signed_in(port(), \@more, 'others can sign in');
    $server->stop->start;
    all_signed_in(port(), [@people, @more], 'a new start finds the store whole');
};

is_deeply [$server->complaints(
    qr/AH00052: child pid \d+ exit signal Killed/, qr/reason=(?:session_expired|no_credential|idp_timeout|refresh_failed|idp_unreachable|replay)/,
    qr/AH03490|AH00484|AH10392|AH01110|AH01102/)], [], 'the log says nothing else';

done_testing;
