# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Client;

# A small and fast HTTP client over one kept-alive connection. A server that is restarted or killed
# cuts connections; as browsers do, the client asks again on a new one where that is harmless, and
# counts how often.
#
#   my $client = Gate::Client->new(port => 80);
#   my $answer = $client->ask(GET => '/page', Cookie => 'a=b');     status, headers, body
#   my $cookie = $client->sign_in('/page', $op, 'alice');           by the code flow
use strict;
use warnings FATAL => 'all';

use Errno ();
use IO::Select ();
use IO::Socket::INET ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);

my $PATIENCE = 20;              # seconds for one request, whatever happens meanwhile; `patience` says otherwise

sub new {
    my ($class, %with) = @_;
    return bless { patience => $PATIENCE, %with, cut => 0, refused => 0, slowest => 0, asked => 0 }, $class;
}

# The answer; or nothing, where the connection was cut and `once` is set.
sub ask {
    my ($self, $method, $path, @headers) = @_;
    my $bytes = $self->request_bytes($method, $path, @headers);
    my $begun = time;
    $self->{asked}++;
    my $answer;
    until ($answer = $self->attempt($bytes)) {
        die "stuck: no answer to $method $path in $self->{patience} seconds\n" if time - $begun > $self->{patience};
        last if $self->{once};
    }
    my $took = time - $begun;
    $self->{slowest} = $took if $took > $self->{slowest};
    return $answer;
}

sub request_bytes {
    my ($self, $method, $path, @headers) = @_;
    my $bytes = "$method $path HTTP/1.1\r\nHost: 127.0.0.1:$self->{port}\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) { $bytes .= "$name: $value\r\n" }
    $bytes .= "Content-Length: 0\r\n" if $method eq 'POST';
    return "$bytes\r\n";
}

# A request whose answer is awaited later: `tell`, and then `hear`, which returns nothing where the connection was cut.
sub tell {
    my ($self, @request) = @_;
    my $socket = $self->connection // die "refused\n";
    $self->{asked}++;
    syswrite $socket, $self->request_bytes(@request);
    return;
}
sub hear {
    my ($self) = @_;
    my $answer = $self->read_answer;
    delete $self->{socket} if !$answer || ($answer->{headers}{connection}[0] // '') =~ /close/i;
    return $answer;
}

sub connection {
    my ($self) = @_;
    return $self->{socket} if $self->{socket};
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 5);
    if (!$socket) {
        $self->{refused}++ if !$!{EINTR};       # a signal to this process is not the server's doing
        sleep 0.02;
        return;
    }
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    return $self->{socket} = $socket;
}

sub attempt {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $was_open = $self->{socket};
    my $socket = $self->connection or return;
    if (defined syswrite $socket, $bytes) {
        my $answer = $self->read_answer;
        delete $self->{socket} if !$answer || ($answer->{headers}{connection}[0] // '') =~ /close/i;
        return $answer if $answer;
    }
    delete $self->{socket};
    # One that had been idle may have been closed by right; a fresh one was cut.
    $self->{ $was_open ? 'closed' : 'cut' }++;
    return;
}

sub read_answer {
    my ($self) = @_;
    my $socket = $self->{socket};
    my $select = IO::Select->new($socket);
    my ($text, $answer) = ('');
    my $end = time + $self->{patience};
    while (time < $end) {
        $select->can_read($end - time) or next;     # a signal to this process is not the server's doing
        my $got = sysread $socket, $text, 65536, length $text;
        next if !defined $got && $!{EINTR};
        return if !$got;
        $answer //= head(\$text);
        next unless $answer;
        return { %$answer, body => $text } if length $text >= $answer->{length};
    }
    return;
}

# Takes the head off the front, once it is whole.
sub head {
    my ($text) = @_;
    $$text =~ s/\A(HTTP.*?\r\n)\r\n//s or return;
    my ($first, @lines) = split /\r\n/, $1;
    my ($status) = $first =~ /^HTTP\S+ (\d+)/;
    my %headers;
    for my $line (@lines) {
        my ($name, $value) = split /:\s*/, $line, 2;
        push @{ $headers{ lc $name } }, $value;
    }
    die "an answer without a length: $first @lines\n" unless defined $headers{'content-length'} || $status =~ /^[13]0?4?$/;
    return { status => $status, headers => \%headers, length => $headers{'content-length'}[0] // 0 };
}

# As browsers ask when a person clicks.
my @NAVIGATION = ('Accept' => 'text/html', 'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document',
                  'Sec-Fetch-Site' => 'none');

sub browse { my ($self, $path, @headers) = @_; return $self->ask(GET => $path, @NAVIGATION, @headers) }

# The name=value pairs that an answer sets.
sub cookies { my ($answer) = @_; return map { /^([^;]+)/ } @{ $answer->{headers}{'set-cookie'} // [] } }
sub target { my ($answer) = @_; return ($answer->{headers}{location}[0] // '') =~ s{^http://[^/]+}{}r }

# Begins a login: the provider's answer as the path that leads back, and the cookie to bring along.
sub begin {
    my ($self, $path, $op, $user) = @_;
    my $start = $self->browse($path);
    die "no login: $start->{status}\n" if $start->{status} != 302;
    my ($attempt) = grep { /oidc-gate-login/ } cookies($start);
    my $there = $op->browse(target($start) . "&_user=$user");
    return (target($there), $attempt);
}

# The session's cookie, of somebody who has just signed in.
sub sign_in {
    my ($self, $path, $op, $user) = @_;
    my ($back, $attempt) = $self->begin($path, $op, $user);
    my $answer = $self->browse($back, Cookie => $attempt);
    return session_of($answer) // die "no session: $answer->{status}\n";
}

sub session_of {
    my ($answer) = @_;
    my ($session) = grep { !/oidc-gate-login/ && /=.{16}/ } cookies($answer);
    return $session;
}

1;
