# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Backend;

# What stands behind mod_proxy: it answers everything with a marker and the request's head as it
# came, byte by byte, and remembers it. A denied request must not get here, and its answer must not
# hold the marker.
use strict;
use warnings FATAL => 'all';
use parent 'Gate::Peer';

use Digest::SHA qw(sha256_hex);
use Gate::Wire qw(header);

use constant MARKER => 'PROTECTED-CONTENT';

# --- in the test ---

# How many requests there were since the last reset.
sub count { return $_[0]->ask('count') }
# All of them, oldest first: method, target, head (the bytes), headers ([name, value] in order),
# length and sha256 of the body.
sub requests { return @{ $_[0]->ask('requests') } }
sub last { return ($_[0]->requests)[-1] }
sub reset { $_[0]->ask('reset'); return $_[0] }

# From now on requests whose path begins so are answered with that; the longest such path counts.
# See Gate::Wire for what an answer may be. Without an answer: as before.
sub answer_at {
    my ($self, $path, %answer) = @_;
    $self->ask('answer', $path, %answer ? \%answer : undef);
    return $self;
}

# The values of a header in the last request, each line apart; the name is compared without regard
# to case, and, if asked, to signs: all that is neither letter nor digit is alike.
sub got {
    my ($self, $name) = @_;
    my $last = $self->last or return;
    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $last->{headers} };
}
sub got_folded {
    my ($self, $name) = @_;
    my $last = $self->last or return;
    my $fold = sub { lc $_[0] =~ s/[^A-Za-z0-9]/-/gr };
    return map { "$_->[0]: $_->[1]" } grep { $fold->($_->[0]) eq $fold->($name) } @{ $last->{headers} };
}

# --- in the process of its own ---

sub made { return bless { requests => [], answers => {} }, 'Gate::Backend::Server' }

package Gate::Backend::Server;

my $KEPT = 2000;

sub answer {
    my ($self, $request) = @_;
    push @{ $self->{requests} }, {
        (map { $_ => $request->{$_} } qw(method target path query version head headers)),
        length => length $request->{body}, sha256 => Digest::SHA::sha256_hex($request->{body}),
    };
    shift @{ $self->{requests} } if @{ $self->{requests} } > $KEPT;
    $self->{count}++;
    my ($path) = sort { length $b <=> length $a }
                 grep { index($request->{path}, $_) == 0 } keys %{ $self->{answers} };
    return websocket() if !defined $path && lc(Gate::Wire::header($request, 'Upgrade') // '') eq 'websocket';
    my %told = defined $path ? %{ $self->{answers}{$path} } : ();
    my $body = Gate::Backend::MARKER . "\n" . $request->{head} . "body: " . length($request->{body}) . "\n";
    return { status => 200, body => $body, %told,
             headers => [['Content-Type', 'text/plain'], @{ $told{headers} // [] }] };
}

sub websocket {
    return { status => 101, upgrade => 1,
             headers => [['Upgrade', 'websocket'], ['Connection', 'Upgrade']] };
}

sub control {
    my ($self, $verb, @arguments) = @_;
    if ($verb eq 'count')    { return $self->{count} // 0 }
    if ($verb eq 'requests') { return $self->{requests} }
    if ($verb eq 'reset')    { @$self{qw(count requests)} = (0, []); return }
    if ($verb eq 'answer') {
        my ($path, $answer) = @arguments;
        $answer ? ($self->{answers}{$path} = $answer) : delete $self->{answers}{$path};
        return;
    }
    die "the backend does not know '$verb'\n";
}

1;
