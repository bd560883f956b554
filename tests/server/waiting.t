# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# A provider that takes its time holds up those who need it, and not the whole server: whoever asks for nothing of it is served
# meanwhile (T-43, B-09).
use Gate::Test;

use Gate::Client ();
use Gate::Server ();
use IO::Select ();
use IO::Socket::INET ();

my $op = provider();
my $CROWD = 90;                 # more than the server has workers: 4 * 16
my $SECONDS = 9;                # for which the provider is silent

plan skip_all => 'a process without threads waits or serves' if Apache::Test::vars('mpm') eq 'prefork';

my $server = Gate::Server->new(name => 'waiting', port => port('spare'), processes => 1, directives => <<"CONF");
OIDCGateIssuer        @{[$op->issuer]}
OIDCGateClientID      c-api
OIDCGateClientSecret  file:@{[Apache::Test::vars('stage')]}/secrets/c-api
OIDCGateHTTP          total=30s
<Location /held.txt>
    AuthType OIDCGate
    OIDCGateMethods introspection
    Require valid-user
</Location>
CONF
$server->start;

sub ask_for {
    my ($path, @headers) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port('spare')) or die "no connection: $@\n";
    print $socket join "\r\n", "GET $path HTTP/1.1", 'Host: x', 'Connection: close', @headers, '', '';
    return $socket;
}
sub status_in { my ($socket) = @_; local $/; return (readline($socket) // '') =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'nothing' }

row 'T-43 many bring one token that the provider is asked about: others are served, until it answers and then' => sub {
    my $token = $op->mint(user => 'alice');
    is(Gate::Client->new(port => port('spare'))->ask(GET => '/held.txt', bearer($op->mint(user => 'mallory')))->{status}, 200, 'it answers at once');
    $op->fault(introspect => think => $SECONDS, times => 1);
    my @crowd = map { ask_for('/held.txt', "Authorization: Bearer $token") } 1 .. $CROWD;
    ok until_true(sub { $op->calls('I') == 2 }), 'one asks, and the others wait';
    is(Gate::Client->new(port => port('spare'))->ask(GET => '/page.txt')->{status}, 200, 'a page that is open to all') for 1 .. 5;
    my %early = map { $_ => status_in($_) } IO::Select->new(@crowd)->can_read(0);
    is_deeply [grep { $_ != 503 } values %early], [], 'is served while the provider is silent';
    my @all = map { my $done = $early{$_}; $done // status_in($_) } @crowd;
    is_deeply [grep { !/^(?:200|503)$/ } @all], [], 'who could not wait is told to come again';
    cmp_ok scalar(grep { $_ == 200 } @all), '>=', 8, 'and others wait for the one answer';
    is $op->calls('I'), 2, 'which is the only one';
};

$server->leave;
is_deeply [$server->complaints(qr/reason=idp_busy|reached MaxRequestWorkers/)], [], 'the log says no more than that';
done_testing;
