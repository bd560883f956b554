# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::People;

# Many people, each with a session, and each a subject of their own: what the backend is told of one
# must never be told of another. And how much of it all a test does: a little in `make check`, a lot
# in `make check-long`.
use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Test::More ();

use Gate::Client ();
use Gate::Test qw();

our @EXPORT = qw(short_or_long names users sign_in_all look all_signed_in nothing_wrong guarded);

sub short_or_long { my ($short, $long) = @_; return $ENV{GATE_LONG} ? $long : $short }

sub names { my ($count) = @_; return map { "s$_" } 1 .. $count }
# For the provider.
sub users { my ($count) = @_; return { map { $_ => { sub => $_ } } names($count) } }

# A place that tells the backend who it is.
sub guarded {
    my ($op, $backend, $more) = @_;
    my $secrets = Apache::Test::vars('stage') . '/secrets';
    $more //= '';
    return <<"CONF";
OIDCGateIssuer        $op
OIDCGateClientID      c-web
OIDCGateClientSecret  file:$secrets/c-web
OIDCGateHTTP          inflight=1000
OIDCGateLimit         address=100000 total=100000
<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass $backend
</Location>
# Here the access token is needed, and so renewed.
<Location /fresh>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User  "%{claim:sub}"
    OIDCGateHeader X-Token "%{access_token}"
    ProxyPass $backend
</Location>
$more
CONF
}

# Signs them all in, several at a time: [name, cookie].
sub sign_in_all {
    my ($port, $op_port, @names) = @_;
    my $workers = 4;
    my @parts = Gate::Test::parallel($workers, sub {
        my ($number) = @_;
        my $client = Gate::Client->new(port => $port);
        my $op = Gate::Client->new(port => $op_port);
        my @mine = @names[grep { $_ % $workers == $number - 1 } 0 .. $#names];
        return [map { [$_, $client->sign_in('/app/x', $op, $_)] } @mine];
    });
    for my $part (@parts) { die "no login: $part\n" unless ref $part }
    return map { @$_ } @parts;
}

# Asks as one of them; what is wrong with the answer, or nothing.
sub look {
    my ($client, $person) = @_;
    my ($name, $cookie) = @$person;
    my $answer = $client->ask(GET => '/app/x', Cookie => $cookie);
    return "status $answer->{status}" if $answer->{status} != 200;
    my ($told) = $answer->{body} =~ /^X-User: (\S+)\r?$/m;
    return ($told // '') eq $name ? undef : "the session of $name is that of " . ($told // 'nobody');
}

# An assertion: every one of them still is who they are.
sub all_signed_in {
    my ($port, $people, $sentence) = @_;
    my $client = Gate::Client->new(port => $port);
    my %wrong;
    for my $person (@$people) {
        my $what = look($client, $person) // next;
        $wrong{$what}++;
    }
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is_deeply(\%wrong, {}, $sentence // 'all of ' . @$people . ' are still signed in');
}

# An assertion about what a load has met.
sub nothing_wrong {
    my ($told, $sentence) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    Test::More::note(Gate::Load::in_words($told));
    return Test::More::is_deeply($told->{wrong}, {}, $sentence);
}

1;
