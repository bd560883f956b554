# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Many requests of one session at the moment when its access token runs out, over several processes, at
# a provider that ends the grant when a refresh token comes twice.
use Gate::Test;

use Gate::Client ();
use Gate::People;
use Gate::Server ();
use Time::HiRes qw(sleep time);

my ($ROUNDS, $WITH_KILLS) = (short_or_long(30, 1_000), short_or_long(30, 1_000));
my ($AT_ONCE, $PEOPLE) = (40, 25);
# Seconds: of a token, and from one round to the next. Where whole seconds are counted a token lives one less: whoever is
# answered later than that after the round began may by right meet the next one.
my ($LIFETIME, $EVERY) = (3, 0.2);
my $LATE = $LIFETIME - 1;

my $op = provider(users => users($WITH_KILLS), access_token => 'opaque', secrets_file => undef);
my $backend = backend();
my $server = Gate::Server->new(name => 'storm', port => port(), processes => 12,
                               directives => guarded($op->issuer, 'http://127.0.0.1:' . port('backend')));

# All at once, round after round, each time with the next session. Comes back with how often each status was met, with how many
# tokens a round met that had more than one, in how many rounds somebody was late, and with the slowest answer.
sub storm {
    my ($rounds, @people) = @_;
    my $from = time + 1 + $LIFETIME;
    my @told = parallel($AT_ONCE, sub { [click($from, $rounds, @people)] });
    my (%count, @tokens, %several, %late);
    my $slowest = 0;
    for my $answer (map { ref $_ ? @$_ : die "$_\n" } @told) {
        my ($round, $status, $token, $took, $at) = @$answer;
        $count{$status}++;
        $late{$round}++ if $at >= $LATE;
        $tokens[$round]{$token}++ if $status == 200 && $at < $LATE;
        $slowest = $took if $took > $slowest;
    }
    $several{ scalar keys %$_ }++ for grep { $_ && keys %$_ > 1 } @tokens;
    return { count => \%count, several => \%several, late => scalar(keys %late), slowest => $slowest };
}

sub click {
    my ($from, $rounds, @people) = @_;
    my $client = Gate::Client->new(port => port());
    my @met;
    for my $round (0 .. $rounds - 1) {
        my $early = $from + $round * $EVERY - time;
        sleep $early if $early > 0;
        my $begun = time;
        my $answer = $client->ask(GET => '/fresh/x', Cookie => $people[$round % @people][1]);
        my ($token) = $answer->{body} =~ /^X-Token: (\S+)\r?$/m;
        push @met, [$round, $answer->{status}, $token // 'none', time - $begun, time - $from - $round * $EVERY];
    }
    return @met;
}

row "$ROUNDS times $AT_ONCE requests at once: one refresh each time, and the grant lives" => sub {
    $server->start;
    $op->set(lifetime => $LIFETIME);
    my @people = sign_in_all(port(), port('op'), names($PEOPLE));
    $op->reset;
    my $begun = time;
    my $told = storm($ROUNDS, @people);
    note sprintf '%d requests in %.1f s, slowest %.2f s', $ROUNDS * $AT_ONCE, time - $begun, $told->{slowest};
    is_deeply $told->{count}, { 200 => $ROUNDS * $AT_ONCE }, 'all of them are answered';
    is_deeply $told->{several}, {}, 'all of a round with the same token';
    my $asked = $op->calls('T:refresh_token');
    ok $asked >= $ROUNDS && $asked <= $ROUNDS + $told->{late}, 'the provider was asked once a round' or diag "$asked times, $told->{late} rounds were late";
    is $op->state->{reuse}, 0, 'no refresh token came twice';
};

row "$WITH_KILLS times, and children are killed over it: at worst somebody signs in anew, never is a refresh token sent twice" => sub {
    my @people = sign_in_all(port(), port('op'), names($WITH_KILLS));
    $op->fault(token => think => 0.05, when => { grant_type => 'refresh_token' });  # so that many die while they wait
    $op->reset;
    my $killer = fork // die "fork: $!";
    if (!$killer) {
        my $parent = getppid;
        while (getppid == $parent) { $server->kill_one; sleep rand 0.06 }
        POSIX::_exit(0);
    }
    my $begun = time;
    my $told = eval { storm($WITH_KILLS, @people) };
    my $failed = $@;
    kill KILL => $killer;
    waitpid $killer, 0;
    die $failed if $failed;
    my $count = $told->{count};
    note join ', ', map { "$count->{$_} times $_" } sort keys %$count;
    note sprintf 'in %.1f s, slowest %.2f s', time - $begun, $told->{slowest};
    is join(' ', grep { !/^(?:200|401)$/ } sort keys %$count), '', 'every answer is 200, or 401 from a session whose renewal nobody heard the end of';
    is_deeply $told->{several}, {}, 'all of a round with the same token';
    cmp_ok $told->{slowest}, '<', 10, 'nobody waits for the dead (whom httpd buries once a second)';
    is $op->state->{reuse}, 0, 'no refresh token came twice';
};

is_deeply [$server->complaints(
    qr/AH00052: child pid \d+ exit signal Killed/, qr/reason=(?:session_expired|refresh_failed)/, qr/AH03490|AH00484|AH10392/)],
    [], 'the log says nothing else';

done_testing;
