# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Signing out while the same session is in use, and while its tokens are being renewed: once the answer
# has come, nothing brings the session back.
use Gate::Test;

use Gate::Client ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(sleep time);

my ($ROUNDS, $BATCH) = (short_or_long(200, 10_000), short_or_long(100, 500));

my $op = provider(users => users($BATCH), access_token => 'opaque', secrets_file => undef);
my $backend = backend();
my $server = Gate::Server->new(name => 'races', port => port(),
                               directives => guarded($op->issuer, 'http://127.0.0.1:' . port('backend')));

my @lines = map { Gate::Client->new(port => port()) } 1 .. 6;
my ($bye, @hits) = @lines;

# One race: hits are on their way while the logout is; then more hits come, some while the first are
# still on their way. Returns the statuses before, and after.
sub race {
    my ($cookie, @paths) = @_;
    my $at = int rand @hits;
    for my $number (0 .. $#hits - 1) {
        $bye->tell(POST => '/oidc-gate/logout', Cookie => $cookie) if $number == $at;
        $hits[$number]->tell(GET => $paths[$number % @paths], Cookie => $cookie);
        sleep rand 0.002 if rand > 0.5;
    }
    $bye->tell(POST => '/oidc-gate/logout', Cookie => $cookie) if $at == $#hits;
    my $out = $bye->hear // die "no answer to a logout\n";
    my $late = $hits[-1];
    my @after = map { $late->ask(GET => $_, Cookie => $cookie)->{status} } @paths;
    my @before = map { $_->hear->{status} } @hits[0 .. $#hits - 1];
    push @after, map { $late->ask(GET => $_, Cookie => $cookie)->{status} } @paths;
    return ($out->{status}, \@before, \@after);
}

sub races {
    my ($rounds, @paths) = @_;
    my (%out, %before, %after);
    my $begun = time;
    for (my $done = 0; $done < $rounds; $done += $BATCH) {
        my @people = sign_in_all(port(), port('op'), names($BATCH));
        sleep 2.1;              # their access tokens run out
        for my $person (@people) {
            my ($out, $before, $after) = race($person->[1], @paths);
            $out{$out}++;
            $before{$_}++ for @$before;
            $after{$_}++ for @$after;
        }
    }
    note sprintf '%d races in %.1f s; before: %s', $rounds, time - $begun, join ', ', map { "$before{$_} times $_" } sort keys %before;
    is_deeply [keys %out], [303], 'every logout is answered';
    is join(' ', grep { !/^(?:200|401)$/ } keys %before), '', 'who came before the answer was let in, or was not';
    is_deeply [keys %after], [401], 'who came after it was not';
    is $op->state->{reuse}, 0, 'no refresh token came twice';
    return;
}

row "$ROUNDS times a logout races hits" => sub {
    $server->start;
    $op->set(lifetime => 1);
    races($ROUNDS, '/app/x');
};

row "$ROUNDS times a logout races a renewal" => sub { races($ROUNDS, '/fresh/x', '/app/x') };

row "$ROUNDS times a logout races a renewal that takes the provider a while" => sub {
    $op->fault(token => think => 0.004, when => { grant_type => 'refresh_token' });
    races($ROUNDS, '/fresh/x', '/app/x');
};

is_deeply [$server->complaints(qr/reason=(?:session_expired|refresh_failed|no_credential)/)], [], 'the log says nothing else';

done_testing;
