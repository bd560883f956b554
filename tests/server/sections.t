# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Strangers choose paths, and a path chooses the sections that meet at it. What is kept of such meetings has an end; what is
# decided at one that is not kept is the same.
use Gate::Test;

use Gate::Client ();
use Gate::Server ();

my $op = provider();
my $backend = backend();
my $at_provider = Gate::Client->new(port => port('op'));

my @LETTERS = 'a' .. 'p';
my $sections = join '', map { <<"CONF" } @LETTERS;
<LocationMatch "^/app/[^/]*$_">
    OIDCGateHeader X-Sections-Last "$_ %{claim:sub}"
</LocationMatch>
CONF
my $server = Gate::Server->new(name => 'sections', port => port('spare'), processes => 1, directives => <<"CONF");
OIDCGateIssuer        @{[$op->issuer]}
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@{[Apache::Test::vars('stage')]}/secrets/c-web
ProxyPass /app/ http://127.0.0.1:@{[port('backend')]}/
<Location /app>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require valid-user
</Location>
$sections
<LocationMatch "^/app/[^/]*z">
    OIDCGateAudience api://z
</LocationMatch>
CONF
$server->start;
my $client = Gate::Client->new(port => port('spare'));

# A path at which these sections meet: the number's bits say which.
sub path_of { my ($number) = @_; return '/app/x' . join '', map { $number >> $_ & 1 ? $LETTERS[$_] : () } 0 .. $#LETTERS }
sub last_of { my ($number) = @_; return (map { $number >> $_ & 1 ? $LETTERS[$_] : () } 0 .. $#LETTERS)[-1] }

# Each that is kept takes memory; when another thousand take none, no more are kept.
row 'so many meetings that no more are kept' => sub {
    my ($before, $after) = (0, $server->memory);
    for (my $number = 1; $after - $before > 128 && $number < 60_000; $before = $after, $after = $server->memory) {
        $client->ask(GET => path_of($number += 2)) for 1 .. 3000;
    }
    cmp_ok $after - $before, '<=', 128, "and no more memory is taken: $after KiB";
};

# Of the upper half of the numbers none was asked for.
row 'a guard is one there too, its headers are told, and people can sign in' => sub {
    my ($alice, $z) = map { $op->mint(user => 'alice', claims => { aud => $_ }) } qw(api://default api://z);
    for my $number (60_001, 61_234, 62_345, 65_535) {
        my $path = path_of($number);
        is $client->ask(GET => $path)->{status}, 401, "$path: nobody";
        is $client->ask(GET => $path, bearer($z))->{status}, 401, 'a token for another place';
        for (1 .. 3) {
            is $client->ask(GET => $path, bearer($alice))->{status}, 200, 'one for this';
            is_deeply [$backend->got('X-Sections-Last')], [last_of($number) . ' alice-sub'], 'and the backend is told what that place says';
        }
        is $client->ask(GET => "${path}z", bearer($alice))->{status}, 401, 'where one more section meets, its word counts';
        is $client->ask(GET => "${path}z", bearer($z))->{status}, 200, 'for both';
        my $cookie = $client->sign_in($path, $at_provider, 'mallory');
        is $client->ask(GET => $path, Cookie => $cookie)->{status}, 200, 'somebody signs in';
        is_deeply [$backend->got('X-Sections-Last')], [last_of($number) . ' mallory-sub'], 'and is told of';
        my $answer = $client->ask(GET => "/oidc-gate/login?return_to=$path");
        like "$answer->{status} $answer->{headers}{location}[0]", qr{^302 \Q@{[$op->issuer]}\E/authorize\?.*&client_id=c-web&}, 'as by a link';
    }
};

undef $client;                 # who keeps a connection open is waited for
$server->leave;
is_deeply [$server->complaints(qr/reason=bad_audience/)], [], 'the log has nothing else to say';
done_testing;
