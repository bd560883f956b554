# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# P-06, T-12: what would be in a core dump of the server's processes has none of the secrets that live as long as they do, and
# nothing of the store. The processes' memory is read as the kernel would write it: all mappings but those that are to be left out.
use Gate::Test;

use Gate::Client ();
use Gate::JOSE qw(random_id);
use Gate::Server ();

my $KEYS = Apache::Test::vars('stage') . '/secrets';
my %SECRET = map { $_ => random_id(24) } qw(file program key proxy);
write_file("$KEYS/dumped-$_", "$SECRET{$_}\n", 0600) for keys %SECRET;
write_file("$KEYS/dumped-proxy", "gate:$SECRET{proxy}\n", 0600);
write_file("$KEYS/dumped-command", "#!/bin/sh\ncat '$KEYS/dumped-program'\n", 0700);

my $op = provider(clients => {
    web => { secret => $SECRET{file}, grants => [qw(authorization_code refresh_token)] },
    other => { secret => $SECRET{program}, grants => [qw(authorization_code refresh_token)] },
});
my $backend = backend();
my $issuer = $op->issuer;

my $server = Gate::Server->new(name => 'core-dump', port => port(), processes => 2, directives => <<"CONF");
OIDCGateSecretKey    file:$KEYS/dumped-key
OIDCGateIssuer       $issuer
OIDCGateClientID     web
OIDCGateClientSecret file:$KEYS/dumped-file
<Location /app>
    AuthType OIDCGate
    OIDCGateHeader X-Token "%{access_token}"
    Require valid-user
    ProxyPass http://127.0.0.1:@{[port('backend')]}
</Location>
<Location /other>
    AuthType OIDCGate
    OIDCGateIssuer       $issuer/other
    OIDCGateClientID     other
    OIDCGateClientSecret exec:$KEYS/dumped-command
    Require valid-user
    ProxyPass http://127.0.0.1:@{[port('backend')]}
</Location>
<Location /behind-a-proxy>
    AuthType OIDCGate
    OIDCGateHTTP proxy=http://127.0.0.1:1 proxy-auth=file:$KEYS/dumped-proxy
    Require valid-user
</Location>
CONF
$server->start;

sub processes {
    my $parent = $server->pid;
    return $parent, split ' ', slurp("/proc/$parent/task/$parent/children");
}

# The mappings of a process: [from, to, what it is, whether a core dump has it]. None where it has gone.
sub mappings {
    no warnings 'portable';
    my ($pid) = @_;
    my @all;
    for (split /\n/, eval { slurp("/proc/$pid/smaps") } // '') {
        if (/^([0-9a-f]+)-([0-9a-f]+) (r?)\S* \S+ \S+ \S+\s*(.*)$/) { push @all, [hex $1, hex $2, $4, $3 eq 'r'] }
        $all[-1][3] &&= 0 if /^VmFlags:.* (?:dd|io)\b/;
    }
    return @all;
}

# Which of these texts stand where a core dump would have them, and where. A process that is ending has no memory any more.
sub dumped {
    my ($pid, %texts) = @_;
    my @mappings = mappings($pid) or return;
    my @found;
    open my $memory, '<:raw', "/proc/$pid/mem" or return mappings($pid) ? "/proc/$pid/mem: $!" : ();
    for (grep { $_->[3] && $_->[2] !~ /^\[v/ } @mappings) {
        my ($from, $to, $what) = @$_;
        sysseek $memory, $from, 0;
        my $bytes = '';
        1 while $from + length $bytes < $to && sysread $memory, $bytes, $to - $from - length $bytes, length $bytes;
        push @found, map { "$_ in " . ($what || 'memory without a name') } grep { index($bytes, $texts{$_}) >= 0 } keys %texts;
    }
    return @found;
}

my $client = Gate::Client->new(port => port());
my $there = Gate::Client->new(port => port('op'));
my $cookie = $client->sign_in('/app/x', $there, 'alice');
is $client->ask(GET => '/app/x', Cookie => $cookie)->{status}, 200, 'somebody is signed in';

row 'what this test can see' => sub {
    my ($pid) = processes();
    is_deeply [grep { !/^marker in / } dumped($pid, marker => 'OIDCGateClientSecret')], [], 'the memory of the server';
    isnt scalar(dumped($pid, marker => 'OIDCGateClientSecret')), 0, 'where the names of directives are';
    my $gone = fork // die "fork: $!";
    POSIX::_exit(0) if !$gone;
    waitpid $gone, 0;
    is_deeply [dumped($gone, marker => 'OIDCGateClientSecret')], [], 'nothing of a process that has gone';
};

row 'no client secret, no key and no password of a proxy' => sub {
    for my $pid (processes()) {
        is_deeply [dumped($pid, %SECRET)], [], "process $pid";
    }
};

row 'nothing of the store' => sub {
    for my $pid (processes()) {
        my @all = mappings($pid) or next;
        my @shared = grep { $_->[2] =~ m{/dev/zero|SYSV} && $_->[1] - $_->[0] > 1 << 20 } @all;
        ok scalar(grep { !$_->[3] } @shared), "process $pid has it";
    }
};

$server->graceful;
row 'the same when the configuration was read again' => sub {
    is $client->ask(GET => '/app/x', Cookie => $cookie)->{status}, 200, 'somebody is signed in';
    is_deeply [dumped($_, %SECRET)], [], "process $_" for processes();
};

$server->stop;
done_testing;
