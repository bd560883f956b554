# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Log;

# The error log as a test result. Tests say which lines they expect (Gate::Test writes it down
# beside the log: which test, from which byte to which, and patterns); every other line of level
# warn or above fails the run, and so does a secret at any level. What a test says of its failures is
# written down there as well, for whoever reads only the end of a run's output.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();

my $LOUD = qr/^\[[^\]]+\] \[[\w-]*:(?:emerg|alert|crit|error|warn)\]/;
my $TROUBLE = qr/Sanitizer|runtime error:|exit signal|Assertion|child pid/;

my $JSON = JSON::PP->new->utf8->canonical;

# One more fact about a test: {test, begin => byte}, {test, end => byte}, {test, expect => pattern} or
# {test, failed => text}.
sub note {
    my ($logs, $fact) = @_;
    open my $out, '>>', "$logs/declared" or die "$logs/declared: $!";
    print $out $JSON->encode($fact), "\n";
    close $out or die "$logs/declared: $!";
    return;
}

# Whether somebody has to look at this line: it is loud, or it is none of httpd's.
sub is_loud { return $_[0] =~ $LOUD || $_[0] =~ $TROUBLE || $_[0] !~ /^\[/ && $_[0] =~ /\S/ }

# reason=..., status=... and so on of a decision's line.
sub fields {
    my ($line) = @_;
    my %field;
    while ($line =~ /\b(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g) { $field{$1} = $2 // $3 }
    return \%field;
}

sub patterns {
    my ($file) = @_;
    open my $in, '<', $file or return;
    return map { qr/$_/ } grep { length && !/^#/ } map { chomp; $_ } <$in>;
}

# Which tests ran when, and what each expects.
sub declared {
    my ($logs) = @_;
    my %test;
    open my $in, '<', "$logs/declared" or return \%test;
    while (my $line = <$in>) {
        my $fact = $JSON->decode($line);
        my $test = $test{ $fact->{test} } //= { expect => [], failed => [] };
        push @{ $test->{expect} }, qr/$fact->{expect}/ if defined $fact->{expect};
        push @{ $test->{failed} }, $fact->{failed} if defined $fact->{failed};
        for (qw(begin end)) { $test->{$_} = $fact->{$_} if defined $fact->{$_} }
    }
    return \%test;
}

# The lines that nobody has declared, each kind once.
sub unexpected {
    my ($server) = @_;
    my $logs = "$server/logs";
    open my $in, '<', "$logs/error_log" or return;
    my @noise = patterns("$server/noise");
    my $tests = declared($logs);
    my $secrets = secrets("$logs/secrets");
    my (@bad, %seen);
    my $at = 0;
    while (my $line = <$in>) {
        my @near = near($tests, $at);
        $at = tell $in;
        my $secret = secret_in($line, $secrets);
        push @bad, "SECRET $secret: $line" if defined $secret && !$seen{$secret}++;
        next unless is_loud($line);
        next if !grep({ $line =~ $_ } $TROUBLE) && grep { $line =~ $_ } @noise;
        next if grep { $line =~ $_ } map { @{ $_->{expect} } } @near;
        push @bad, $line unless $seen{ kind($line) }++;
    }
    return @bad;
}

# The tests that a line at this byte may belong to: the one that ran then, and the one before it, as
# a server may speak a moment late. Not those that ended where they began: their servers have logs of their own.
sub near {
    my ($tests, $at) = @_;
    my @heard = grep { ($_->{end} // 9e15) > ($_->{begin} // 9e15) || !defined $_->{end} } values %$tests;
    my @begun = sort { $b->{begin} <=> $a->{begin} } grep { ($_->{begin} // 9e15) <= $at } @heard;
    return grep { defined } @begun[0, 1];
}

# --- what failed ---

# All that was written down, and who did not come to an end: a few lines of each test.
my ($MOST_LINES, $MOST_CHARACTERS) = (30, 300);
sub failures {
    my ($logs) = @_;
    my $tests = declared($logs);
    return map {
        my $test = $tests->{$_};
        my @lines = map { split /\n/ } @{ $test->{failed} };
        push @lines, 'it did not come to its end' if defined $test->{begin} && !defined $test->{end};
        my $more = @lines - $MOST_LINES;
        splice @lines, $MOST_LINES, $more, "... and $more more lines" if $more > 0;
        @lines ? ("$_.t:", map { '    ' . substr $_, 0, $MOST_CHARACTERS } @lines) : ();
    } sort keys %$tests;
}

# A line without what differs each time.
sub kind { return $_[0] =~ s/^(?:\[[^\]]*\] ?)+//r =~ s/\d+/N/gr =~ s/rid=\S+//r }

# All that must never be logged, by its first characters: a pattern of thousands would take Perl
# seconds.
my $FIRST = 8;
sub secrets {
    my ($file) = @_;
    my %by_start;
    open my $in, '<', $file or return \%by_start;
    while (my $secret = <$in>) {
        chomp $secret;
        $by_start{ substr $secret, 0, $FIRST }{$secret} = 1;
    }
    return \%by_start;
}

# The first of them that stands in a line; undef where there is none.
sub secret_in {
    my ($line, $secrets) = @_;
    for my $at (0 .. length($line) - $FIRST) {
        my $some = $secrets->{ substr $line, $at, $FIRST } or next;
        for my $secret (keys %$some) {
            return $secret if substr($line, $at, length $secret) eq $secret;
        }
    }
    return;
}

1;
