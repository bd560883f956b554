# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Wire;

# An HTTP/1.1 server on one select loop. Nothing in it waits, so a hundred answers can be late at
# the same time; and it can be told to answer as no server should.
#
# An answer is a hash: status, headers ([name, value] pairs), body. And, to misbehave:
#   raw => BYTES         instead of all that; keep => 1: and the connection stays
# Both a body and raw bytes can be a list of parts: BYTES, or [BYTES, TIMES].
#   delay => SECONDS     before the first byte
#   drip => SECONDS      between any two bytes
#   close => 1           no byte at all
#   hang => 1            no byte at all, and the connection stays open
#   truncate => N        N bytes, then the connection is closed
#   reset_after => N     N bytes, then the connection is reset
#   huge => N            the body is N bytes long
#   endless => 1         the body never ends
#   upgrade => 1         afterwards every byte that comes is sent back
#   then => CODE         after the delay, what CODE returns
use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use IO::Select ();
use IO::Socket::INET ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(door header form_pairs form_text);

my $READ_SIZE  = 65536;
my $HEAD_LIMIT = 1 << 20;

# A listening socket on loopback; port 0 is any free one.
sub door {
    my ($port) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 256,
                                 ReuseAddr => 1, Blocking => 0)
        // die "port $port of 127.0.0.1: $@\n";
}

# The first header of that name; undef where there is none.
sub header {
    my ($request, $name) = @_;
    my ($first) = grep { lc $_->[0] eq lc $name } @{ $request->{headers} };
    return $first && $first->[1];
}

sub unescape {
    my ($text) = @_;
    $text =~ tr/+/ /;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

# A query or form as [name, value] pairs, in order, doubled ones too.
sub form_pairs {
    my ($text) = @_;
    return map { my ($name, $value) = split /=/, $_, 2; [unescape($name), unescape($value // '')] }
           grep { length } split /&/, $text // '';
}

# Pairs as a query or form.
sub form_text {
    my @pairs = @_;
    my $escape = sub { my $text = shift; $text =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge; $text };
    return join '&', map { $escape->($_->[0]) . '=' . $escape->($_->[1]) } @pairs;
}

sub new { return bless { doors => {}, lines => {} }, $_[0] }

# Who comes in by this door is answered by that code: it gets the request, a hash, and returns the
# answer.
sub open_door {
    my ($self, $socket, $answer) = @_;
    $self->{doors}{ fileno $socket } = { socket => $socket, answer => $answer };
    return;
}

# From now on, whoever knocks is refused; who is in, is thrown out.
sub close_door {
    my ($self, $socket) = @_;
    my $door = delete $self->{doors}{ fileno $socket };
    $self->hang_up($_) for grep { $_->{answer} == $door->{answer} } values %{ $self->{lines} };
    close $socket;
    return;
}

sub run {
    my ($self, $go_on) = @_;
    $self->turn while $go_on->();
    return;
}

# One turn of the loop: who has sent something, who can take something, whose time has come.
sub turn {
    my ($self) = @_;
    my $now = time;
    my @lines = values %{ $self->{lines} };
    my @wait = map { $_->{due} - $now } grep { $_->{talking} && $_->{due} > $now } @lines;
    my ($soonest) = sort { $a <=> $b } @wait, 0.5;
    my $readers = IO::Select->new((map { $_->{socket} } values %{ $self->{doors} }, @lines));
    my $writers = IO::Select->new(map { $_->{socket} } grep { $_->{talking} && $_->{due} <= $now } @lines);
    my ($can_read, $can_write) = IO::Select->select($readers, $writers, undef, $soonest) or return;
    # What one of them says may close others.
    for my $socket (@{ $can_read // [] }) {
        next if !defined fileno $socket;
        my $door = $self->{doors}{ fileno $socket };
        $door ? $self->let_in($door) : $self->hear($self->{lines}{ fileno $socket });
    }
    for my $socket (@{ $can_write // [] }) {
        my $line = defined fileno $socket ? $self->{lines}{ fileno $socket } : undef;
        $self->talk($line) if $line;
    }
    return;
}

sub let_in {
    my ($self, $door) = @_;
    while (my $socket = $door->{socket}->accept) {
        $socket->blocking(0);
        $self->{lines}{ fileno $socket } =
            { socket => $socket, answer => $door->{answer}, in => '', due => 0 };
    }
    return;
}

sub hear {
    my ($self, $line) = @_;
    return unless $line;
    my $got = sysread $line->{socket}, $line->{in}, $READ_SIZE, length $line->{in};
    return if !defined $got && ($!{EAGAIN} || $!{EINTR});
    return $self->hang_up($line) unless $got;
    return $self->echo($line) if $line->{upgraded};
    $self->next_request($line) unless $line->{talking};
    return;
}

sub echo {
    my ($self, $line) = @_;
    $line->{out} .= $line->{in};
    @$line{qw(in talking)} = ('', 1);
    return;
}

# Takes one whole request off the line, if it is there, and readies the answer.
sub next_request {
    my ($self, $line) = @_;
    my $request = eval { take_request(\$line->{in}) };
    return $self->say($line, { version => '1.0', method => '?' }, { status => 400, body => $@ }) if $@;
    return unless $request;
    if ($request->{wants_continue}) {
        syswrite $line->{socket}, "HTTP/1.1 100 Continue\r\n\r\n" unless $line->{told_to_continue}++;
        return;
    }
    $line->{told_to_continue} = 0;
    my $answer = eval { $line->{answer}->($request) };
    if (!$answer) {
        print STDERR "# $0: $@";
        $answer = { status => 500, body => "the test's own server failed: $@" };
    }
    return $self->say($line, $request, $answer);
}

# The request at the front of the buffer, which it then leaves; nothing where it is not whole yet.
sub take_request {
    my ($buffer) = @_;
    my ($head) = $$buffer =~ /\A(.*?\r?\n\r?\n)/s;
    die "no end of the head\n" if !$head && length $$buffer > $HEAD_LIMIT;
    return unless $head;
    my ($first, @rest) = split /\r?\n/, $head;
    my ($method, $target, $version) = $first =~ m{^(\S+) (\S+) HTTP/(1\.[01])$} or die "bad request line\n";
    my @headers = map { /^([^:]+):[ \t]*(.*?)[ \t]*$/ ? [$1, $2] : die "bad header line\n" } @rest;
    my ($path, $query) = split /\?/, $target, 2;
    my %request = (head => $head, method => $method, target => $target, path => $path, query => $query // '',
                   version => $version, headers => \@headers, time => time);
    my $waiting = lc(header(\%request, 'Expect') // '') eq '100-continue';
    my ($body, $used) = take_body(\%request, $$buffer, length $head);
    return $waiting ? { wants_continue => 1 } : undef unless defined $body;
    substr $$buffer, 0, $used, '';
    $request{body} = $body;
    return \%request;
}

# The body, and where it ends in the buffer.
sub take_body {
    my ($request, $buffer, $from) = @_;
    if (lc(header($request, 'Transfer-Encoding') // '') eq 'chunked') {
        pos($buffer) = $from;
        my $body = '';
        while ($buffer =~ /\G([0-9A-Fa-f]+)[^\n]*\n/gc) {
            my $size = hex $1;
            return $buffer =~ /\G((?:[^\r\n]+\r?\n)*)\r?\n/gc ? ($body, pos $buffer) : () if !$size;
            return if length $buffer < pos($buffer) + $size + 2;
            $body .= substr $buffer, pos $buffer, $size;
            pos($buffer) += $size + 2;
        }
        return;
    }
    my $length = header($request, 'Content-Length') // 0;
    return if length $buffer < $from + $length;
    return (substr($buffer, $from, $length), $from + $length);
}

my %PHRASE = (200 => 'OK', 302 => 'Found', 400 => 'Bad Request', 401 => 'Unauthorized', 404 => 'Not Found');

sub answer_bytes {
    my ($request, $answer, $keep) = @_;
    my $body = put_together($answer->{body}) // '';
    my $status = $answer->{status} // 200;
    my @headers = @{ $answer->{headers} // [] };
    my $long = $answer->{huge} || $answer->{endless};
    unless (grep { lc $_->[0] eq 'content-length' || lc $_->[0] eq 'transfer-encoding' } @headers) {
        push @headers, ['Content-Length', $answer->{huge} // length $body]
            unless $answer->{endless} || $status == 204 || $status == 304 || $status < 200;
    }
    push @headers, ['Connection', 'close'] if !$keep && !$answer->{upgrade};
    my $head = join '', "HTTP/1.1 $status " . ($PHRASE{$status} // 'Whatever') . "\r\n",
                        (map { "$_->[0]: $_->[1]\r\n" } @headers), "\r\n";
    return $head . ($request->{method} eq 'HEAD' || $long ? '' : $body);
}

sub put_together {
    my ($text) = @_;
    return ref $text ? join '', map { ref $_ ? $_->[0] x $_->[1] : $_ } @$text : $text;
}

# Readies an answer: what goes out, when, and what becomes of the connection.
sub say {
    my ($self, $line, $request, $answer) = @_;
    if ($answer->{then}) {
        my $due = time + ($answer->{delay} // 0);
        @$line{qw(out due talking then)} = ('', $due, 1, [$request, $answer->{then}]);
        return;
    }
    my $keep = $request->{version} eq '1.1' && lc(header($request, 'Connection') // '') ne 'close'
            && !$answer->{endless};
    my $out = $answer->{close} ? '' : put_together($answer->{raw}) // answer_bytes($request, $answer, $keep);
    my $end = defined $answer->{raw} && !$answer->{keep} || $answer->{close} || !$keep ? 'close' : 'keep';
    my $cut = $answer->{reset_after} // $answer->{truncate};
    if (defined $cut) {
        $out = substr $out, 0, $cut;
        $end = defined $answer->{reset_after} ? 'reset' : 'close';
    }
    my $delay = $answer->{hang} ? 1e9 : $answer->{delay} // 0;
    utf8::encode($out) if utf8::is_utf8($out) && !utf8::downgrade($out, 1);
    @$line{qw(out end due drip talking)} = ($out, $end, time + $delay, $answer->{drip}, 1);
    $line->{more} = $answer->{endless} ? 9e15 : $answer->{huge} // 0 if !defined $cut;
    $line->{upgraded} = 1 if $answer->{upgrade};
    return;
}

sub talk {
    my ($self, $line) = @_;
    if (my $then = delete $line->{then}) {
        my ($request, $code) = @$then;
        return $self->say($line, $request, $code->());
    }
    $self->refill($line) if $line->{out} eq '' && $line->{more};
    if (length $line->{out}) {
        my $put = syswrite $line->{socket}, $line->{out}, $line->{drip} ? 1 : length $line->{out};
        return if !defined $put && ($!{EAGAIN} || $!{EINTR});
        return $self->hang_up($line) if !defined $put;
        substr $line->{out}, 0, $put, '';
        $line->{due} = time + $line->{drip} if $line->{drip};
        return if length $line->{out} || $line->{more};
    }
    return $self->hang_up($line, $line->{end} eq 'reset') if $line->{end} ne 'keep' && !$line->{upgraded};
    $line->{talking} = 0;
    return $line->{upgraded} ? length $line->{in} && $self->echo($line) : $self->next_request($line);
}

sub refill {
    my ($self, $line) = @_;
    my $size = $line->{more} < $READ_SIZE ? $line->{more} : $READ_SIZE;
    $line->{out} = 'A' x $size;
    $line->{more} -= $size;
    return;
}

sub hang_up {
    my ($self, $line, $rudely) = @_;
    setsockopt $line->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 if $rudely;
    delete $self->{lines}{ fileno $line->{socket} };
    close $line->{socket};
    return;
}

1;
