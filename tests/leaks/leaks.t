# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# httpd under valgrind, and everybody at once: no process loses memory, none looks where nothing is.
# `make leaks` runs it; GATE_LEAK_ROUNDS=N for more of it.
use Gate::Test;

use Gate::Client ();
use Gate::Load ();
use Gate::People;
use Gate::Server ();
use MIME::Base64 qw(encode_base64);

my $ROUNDS = $ENV{GATE_LEAK_ROUNDS} // 100;
my ($WORKERS, $PEOPLE) = (2, 8);

my $op = provider(users => users($PEOPLE), secrets_file => undef);
my $backend = backend();
my $at = 'http://127.0.0.1:' . port('backend');
my $server = Gate::Server->new(name => 'leaks', port => port(), processes => 1, patience => 240,
    httpd => Apache::Test::vars('stage') . '/tests/leaks/httpd-valgrind',
    directives => guarded($op->issuer, $at, <<"CONF"));
OIDCGateUserinfo login
OIDCGateLogout   revoke=On
OIDCGateAssertion key=@{[Apache::Test::vars('stage')]}/secrets/ec256.pem lifetime=30s
LogLevel         oidc_gate:crit
<Location /app/told>
    OIDCGateHeader X-Assertion "%{assertion:billing}"
    OIDCGateEnv    ROUND       "%{claim:sub}"
</Location>
<Location /jwt>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    OIDCGateTokenFrom authorization query:access_token
    Require claim scope:openid "name~^A"
    Require valid-user
    OIDCGateHeader   X-Claims "%{claim:sub} %{claim:scope} %{method}"
    ProxyPass $at
</Location>
<Location /opaque>
    AuthType OIDCGate
    OIDCGateMethods introspection
    OIDCGateCache   introspection=1s negative=1s
    Require valid-user
    OIDCGateHeader  X-User "%{user}"
    ProxyPass $at
</Location>
<Location /service>
    AuthType OIDCGate
    OIDCGateMethods    client_credentials
    OIDCGateGrantScope client_credentials api.read
    OIDCGateCache      token=1s
    Require valid-user
    OIDCGateHeader     Authorization "Bearer %{access_token}"
    ProxyPass $at
</Location>
CONF
$ENV{GATE_VALGRIND} = $server->dir;

my $jwt = $op->mint(user => 's1');
my @opaque = map { $op->mint(user => 's1', kind => 'opaque') } 1 .. 3;
my @people;

sub noise { return join '', map { chr(33 + rand 94) } 1 .. $_[0] }
sub as { my ($pair) = @_; return (Authorization => 'Basic ' . encode_base64($pair, '')) }

# What comes, and how that may be answered. The last ones are bad, each in a way of its own.
my @KINDS = (
    (sub { ($_[0]->ask(GET => '/app/x', Cookie => $people[rand @people][1]), 200) }) x 4,
    (sub { ($_[0]->ask(GET => '/jwt/x', Authorization => "Bearer $jwt"), 200) }) x 2,
    (sub { ($_[0]->ask(GET => '/opaque/x', Authorization => "Bearer $opaque[rand @opaque]"), 200) }) x 2,
    (sub { ($_[0]->ask(GET => '/service/x', as('c-api:s3cret')), 200) }) x 2,
    sub { ($_[0]->ask(GET => "/jwt/x?a=1&access_token=$jwt"), 200) },
    sub { ($_[0]->ask(GET => '/app/told/x', Cookie => $people[rand @people][1]), 200) },
    sub { ($_[0]->ask(GET => '/fresh/x', Cookie => $people[rand @people][1]), 200) },
    sub { ($_[0]->browse('/app/x?' . int rand 1e6), 302) },
    sub { ($_[0]->ask(GET => '/app/x'), 401) },
    sub {
        my ($client, $provider) = @_;
        my $cookie = $client->sign_in('/app/x', $provider, 's1');
        return ($client->ask(POST => '/oidc-gate/logout', Cookie => $cookie), 303);
    },
    sub { ($_[0]->ask(GET => '/jwt/x', Authorization => 'Bearer ' . substr($jwt, 0, rand length $jwt)), qr/^40[01]$/) },
    sub { ($_[0]->ask(GET => '/jwt/x', Authorization => "Bearer $jwt", 'Authorization' => 'Basic x'), qr/^40[01]$/) },
    sub { ($_[0]->ask(GET => '/opaque/x', Authorization => 'Bearer x' . int rand 1e6), 401) },
    sub { ($_[0]->ask(GET => '/service/x', as('c-api:' . noise(9))), 401) },
    sub { ($_[0]->ask(GET => '/service/x', Authorization => 'Basic ' . noise(20)), qr/^40[01]$/) },
    sub { ($_[0]->ask(GET => '/app/x', Cookie => $people[0][1] =~ s/=.*/'=' . noise(43) =~ tr{;,"}{}dr/er), qr/^40[01]$/) },
    sub { ($_[0]->browse('/oidc-gate/callback?code=x&state=' . int rand 1e9), 400) },
    sub { ($_[0]->ask(POST => '/oidc-gate/backchannel-logout'), 400) },
);

sub everybody {
    my $provider;
    my $load = Gate::Load->start(workers => $WORKERS, patience => 120, rounds => $ROUNDS * @KINDS / $WORKERS, port => port(), ask => sub {
        my ($client, $number, $round) = @_;
        $provider //= Gate::Client->new(port => port('op'));
        my $kind = ($round + $number * 7) % @KINDS;
        my ($answer, $may) = $KINDS[$kind]->($client, $provider);
        return $answer->{status} =~ /^$may$/ ? undef : "kind $kind: $answer->{status}";
    });
    my $told = $load->finish;
    is_deeply $told->{wrong}, {}, Gate::Load::in_words($told);
    return;
}

row "$ROUNDS rounds of everything, a graceful restart, as many again" => sub {
    $server->start;
    @people = sign_in_all(port(), port('op'), names($PEOPLE));
    everybody();
    $server->graceful;
    everybody();
    $server->leave;
};

row 'nothing is lost, nothing is touched that is not there' => sub {
    my @files = glob $server->dir . '/valgrind.*';
    cmp_ok scalar @files, '>=', 4, scalar(@files) . ' processes have reported';
    for my $file (@files) {
        my $said = slurp($file);
        my ($errors) = $said =~ /ERROR SUMMARY: (\d+) errors/;     # none: the process was killed
        my ($lost) = $said =~ /definitely lost: ([\d,]+) bytes/;
        is $errors, 0, 'nothing to report; lost: ' . ($lost // 'not even a byte reachable') or diag substr $said, 0, 8000;
    }
};

done_testing;
