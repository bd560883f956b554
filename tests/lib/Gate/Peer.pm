# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Peer;

# A server of ours in a process of its own, and the line to it. A subclass says what it answers:
#   CLASS->made(%with)              in the new process: an object with
#     ->answer($request)            what the world gets (see Gate::Wire), and
#     ->control($verb, @arguments)  what the test gets
# The test holds a handle and calls ->ask($verb, @arguments); it may do so from any process that it
# forks. The control line has a port of its own, so that the server can be away for the world and
# still be told to come back.
use strict;
use warnings FATAL => 'all';

use IO::Socket::INET ();
use JSON::PP ();
use POSIX ();

use Gate::Wire qw(door);

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;

sub start {
    my ($class, %with) = @_;
    my $port = $with{port} // die "a port, please\n";
    my $door = door($port);
    my $control = door(0);
    my $self = bless { port => $port, control => $control->sockport, owner => $$ }, $class;
    my $parent = $$;
    $self->{pid} = fork // die "fork: $!";
    return $self if $self->{pid};
    $0 = "$class on port $port";
    eval { serve($class, $parent, $door, $control, %with); 1 } or print STDERR "# $0: $@";
    POSIX::_exit(0);
}

# The life of the process: until it is told to go, or the test is gone.
sub serve {
    my ($class, $parent, $door, $control, %with) = @_;
    $SIG{$_} = sub { POSIX::_exit(0) } for qw(TERM INT HUP);
    $SIG{PIPE} = 'IGNORE';
    delete @SIG{qw(__DIE__ __WARN__)};
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    my $wire = Gate::Wire->new;
    my $made = $class->made(%with);
    my $answer = sub { $made->answer($_[0]) };
    my %own = (
        down => sub { $wire->close_door($door) if $door; undef $door },
        up   => sub { $wire->open_door($door = door($with{port}), $answer) unless $door },
    );
    $wire->open_door($door, $answer);
    $wire->open_door($control, sub {
        my ($verb, @arguments) = @{ $JSON->decode($_[0]{body}) };
        my $said = eval { [$own{$verb} ? scalar $own{$verb}->() : $made->control($verb, @arguments)] };
        return { body => $JSON->encode($said ? { said => $said->[0] } : { error => "$@" }) };
    });
    $wire->run(sub { getppid == $parent });
    return;
}

# Tells the server something and returns what it says to that.
sub ask {
    my ($self, $verb, @arguments) = @_;
    my $line = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{control}, Timeout => 5)
        // die ref($self) . " is gone: $@\n";
    my $body = $JSON->encode([$verb, @arguments]);
    print $line "POST /_control HTTP/1.0\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    my ($answer) = do { local $/; <$line> } =~ /\r\n\r\n(.*)/s or die "no answer to $verb\n";
    my $said = $JSON->decode($answer);
    die "$verb: $said->{error}" if defined $said->{error};
    return $said->{said};
}

# Nobody is at home: connections are refused, those that stand are closed. And back again.
sub down { $_[0]->ask('down'); return $_[0] }
sub up   { $_[0]->ask('up'); return $_[0] }

sub port { return $_[0]{port} }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    return if $$ != $self->{owner};
    local $?;
    kill TERM => $pid;
    waitpid $pid, 0;
    return;
}
sub DESTROY { $_[0]->stop }

1;
