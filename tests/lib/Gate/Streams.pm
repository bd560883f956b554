# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Streams;

# The streams of one HTTP/2 connection: just what it takes to ask on many of them at the same time,
# each with headers of its own, and to read the bodies (RFC 9113, RFC 7541).
#
#   my $streams = Gate::Streams->new(port => N);
#   my @bodies = $streams->ask([path => '/x', cookie => 'a=b'], [path => '/y'], ...);   at once
use strict;
use warnings FATAL => 'all';

use IO::Socket::INET ();

my $DEADLINE = 60;              # seconds that all answers together may take

my %TYPE = (data => 0, headers => 1, reset => 3, settings => 4, goaway => 7, window_update => 8);
my ($ACK, $END_STREAM, $END_HEADERS) = (1, 1, 4);

sub new {
    my ($class, %with) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $with{port}) or die "connect: $!";
    my $self = bless { socket => $socket, authority => "127.0.0.1:$with{port}", next => 1 }, $class;
    print {$socket} "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    $self->frame('settings', 0, 0, '');
    $self->frame('window_update', 0, 0, pack('N', 1 << 30));
    $socket->flush;
    return $self;
}

sub frame {
    my ($self, $type, $flags, $stream, $payload) = @_;
    print { $self->{socket} } substr(pack('N', length $payload), 1), pack('CCN', $TYPE{$type}, $flags, $stream), $payload;
    return;
}

# RFC 7541 sections 5.1 and 5.2: a prefix of seven bits, and no Huffman code.
sub text {
    my ($text) = @_;
    my $length = length $text;
    return chr($length) . $text if $length < 127;
    my ($bytes, $left) = (chr 127, $length - 127);
    for (; $left >= 128; $left >>= 7) { $bytes .= chr($left & 127 | 128) }
    return $bytes . chr($left) . $text;
}

# Section 6.2.2: each is written out.
sub request {
    my ($self, @headers) = @_;
    my %pseudo = @headers;
    my @all = (':method' => 'GET', ':scheme' => 'http', ':authority' => $self->{authority}, ':path' => $pseudo{path});
    push @all, map { $headers[$_] eq 'path' ? () : @headers[$_, $_ + 1] } grep { $_ % 2 == 0 } 0 .. $#headers;
    my $block = '';
    while (my ($name, $value) = splice @all, 0, 2) { $block .= "\0" . text($name) . text($value) }
    return $block;
}

sub take {
    my ($self, $length) = @_;
    my $bytes = '';
    while (length $bytes < $length) {
        my $got = read $self->{socket}, $bytes, $length - length $bytes, length $bytes;
        die "the connection ended\n" unless $got;
    }
    return $bytes;
}

sub ask {
    my ($self, @requests) = @_;
    my (@order, %body);
    for my $request (@requests) {
        push @order, $self->{next};
        $self->frame('headers', $END_STREAM | $END_HEADERS, $self->{next}, $self->request(@$request));
        $self->{next} += 2;
    }
    $self->{socket}->flush;
    local $SIG{ALRM} = sub { die "no answer on some streams\n" };
    alarm $DEADLINE;
    my %open = map { $_ => 1 } @order;
    while (%open) {
        my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $self->take(9);
        my $payload = $self->take($high << 16 | $low);
        die "the connection was ended\n" if $type == $TYPE{goaway};
        die "stream $stream was ended\n" if $type == $TYPE{reset};
        $body{$stream} .= $payload if $type == $TYPE{data};
        if ($type == $TYPE{settings} && !($flags & $ACK)) { $self->frame('settings', $ACK, 0, ''); $self->{socket}->flush }
        delete $open{$stream} if ($type == $TYPE{data} || $type == $TYPE{headers}) && $flags & $END_STREAM;
    }
    alarm 0;
    return map { $_ // '' } @body{@order};
}

1;
