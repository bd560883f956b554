# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# A hundred thousand hits of sessions, on few connections that stay open: the processes do not grow.
use Gate::Test;

use Gate::Client ();
use Gate::Load ();
use Gate::People;
use Gate::Server ();

my ($HITS, $PEOPLE, $WORKERS) = ($ENV{GATE_LEAK_HITS} // 100_000, 200, 2);
my $MAY_GROW = 1024;            # KiB, for what allocators keep

my $op = provider(users => users($PEOPLE), secrets_file => undef);
my $server = Gate::Server->new(name => 'slope', port => port(), processes => 1, directives => <<"CONF");
OIDCGateIssuer        @{[$op->issuer]}
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@{[Apache::Test::vars('stage')]}/secrets/c-web
OIDCGateHTTP          inflight=1000
OIDCGateLimit         address=100000 total=100000
Alias /app            @{[Apache::Test::vars('stage')]}/servers/slope/htdocs
<Location /app>
    AuthType OIDCGate
    Require claim "sub~^s"
    OIDCGateHeader X-User "%{claim:sub}"
    OIDCGateEnv    WHO    "%{claim:iss} %{claim:sub}"
</Location>
CONF

my @people;

# On each connection one person after another, each a few times.
sub hit {
    my ($count) = @_;
    my $load = Gate::Load->start(workers => $WORKERS, rounds => $count / $WORKERS, port => port(), ask => sub {
        my ($client, $number, $round) = @_;
        my $person = $people[($round / 4 + $number * 50) % @people];
        my $answer = $client->ask(GET => '/app/page.txt', Cookie => $person->[1]);
        return $answer->{status} == 200 ? undef : "status $answer->{status}";
    });
    my $told = $load->finish;
    is_deeply $told->{wrong}, {}, Gate::Load::in_words($told);
    return $server->memory;
}

row "$HITS hits" => sub {
    $server->start;
    @people = sign_in_all(port(), port('op'), names($PEOPLE));
    my $before = hit($HITS / 10);
    my $after = hit($HITS);
    cmp_ok $after - $before, '<=', $MAY_GROW, "the largest process: $before KiB of its own, then $after KiB";
    $server->leave;
};

done_testing;
