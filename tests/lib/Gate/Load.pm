# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Load;

# People at work, while the test does something to the server: processes that ask on and on, each
# over a connection of its own, at a bounded rate.
#
#   my $load = Gate::Load->start(workers => 3, rate => 150, port => port(),
#                                ask => sub { my ($client, $number) = @_; ...; return $what_is_wrong });
#   ...
#   my $told = $load->stop;     asked, wrong => {text => times}, cut, refused, slowest
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Gate::Client ();

my $JSON = JSON::PP->new->utf8->canonical;

sub start {
    my ($class, %with) = @_;
    my $self = bless { begun => time, owner => $$ }, $class;
    my $stopped = 0;
    local $SIG{TERM} = sub { $stopped = 1 };     # before there is anybody whom it could meet without
    for my $number (1 .. $with{workers}) {
        pipe my $from, my $to;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            close $from;
            my $told = eval { work($number, \$stopped, %with) } // { wrong => { "died: $@" => 1 } };
            print $to $JSON->encode($told);
            close $to;
            POSIX::_exit(0);
        }
        push @{ $self->{workers} }, { pid => $pid, from => $from };
    }
    return $self;
}

# One process: until it is told to stop, or has asked so many times.
sub work {
    my ($number, $stopped, %with) = @_;
    srand $$;
    my $client = Gate::Client->new(port => $with{port}, $with{patience} ? (patience => $with{patience}) : ());
    my %wrong;
    my $begun = time;
    for (my $round = 1; !$$stopped && $round <= ($with{rounds} // 9e15); $round++) {
        my $what = eval { $with{ask}->($client, $number, $round) // '' } // "died: $@";
        $wrong{$what}++ if length $what;
        my $early = $with{rate} ? $begun + $round / $with{rate} - time : 0;
        sleep $early if $early > 0;
    }
    return { wrong => \%wrong, map { $_ => $client->{$_} // 0 } qw(asked closed cut refused slowest) };
}

# Waits for those whose rounds are counted, ends the others, and adds up.
sub finish {
    my ($self) = @_;
    my %all = (wrong => {}, slowest => 0);
    for my $worker (splice @{ $self->{workers} }) {
        my $from = $worker->{from};
        my $told = $JSON->decode(do { local $/; <$from> } // '{}');
        waitpid $worker->{pid}, 0;
        $all{wrong}{$_} += $told->{wrong}{$_} for keys %{ $told->{wrong} };
        $all{$_} += $told->{$_} // 0 for qw(asked closed cut refused);
        $all{slowest} = $told->{slowest} if ($told->{slowest} // 0) > $all{slowest};
    }
    $all{seconds} = time - $self->{begun};
    return \%all;
}

sub stop { my ($self) = @_; kill TERM => $_->{pid} for @{ $self->{workers} }; return $self->finish }

# What it was, in a line for the reader.
sub in_words {
    my ($told) = @_;
    return sprintf '%d requests in %.1f s, slowest %.2f s; %d kept connections closed, %d fresh ones cut, %d refused',
        @$told{qw(asked seconds slowest closed cut refused)};
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner} || !@{ $self->{workers} // [] };
    local $?;
    kill TERM => $_->{pid} for @{ $self->{workers} };
    waitpid $_->{pid}, 0 for @{ $self->{workers} };
    return;
}

1;
