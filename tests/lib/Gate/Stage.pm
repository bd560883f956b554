# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Stage;

# Makes the server's configuration out of the tests. Each test carries its own, in blocks that stand
# beside the requests and expectations they belong to, and that Perl takes for documentation:
#
#   =httpd                   into the test's own virtual host, http://127.0.0.1:@port@
#   =httpd NAME              into a further virtual host of the test, http://127.0.0.1:@port_NAME@
#   =httpd main              into the main server
#
#   <Location /app> ...
#
#   =cut
#
# @names@ are replaced: @port@ @base@ @port_NAME@ @base_NAME@, @op_port@ @op@ (the test's provider;
# its issuer), @backend_port@ @backend@ (its backend), @spare_port@, @secrets@ (files that only the
# server's user can read: c-web, c-api, key, key2, ec256.pem, ed25519.pem), @keys@, @docs@, @logs@, @module@. Every test has
# ports of its own, so no two share a provider, a key set or a session. Only the tests that are run
# are configured.
use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename);
use IO::Socket::INET ();

my $PORTS_EACH = 12;
my %OFFSET = (spare => 9, op => 10, backend => 11);

my %SECRET = ('c-web' => 's3cret-web', 'c-api' => 's3cret', key => 'k' x 32, key2 => 'l' x 32);

sub new {
    my ($class, %with) = @_;
    my $self = bless { %with, server => "$with{stage}/tests/server" }, $class;
    $self->{port} = free_ports(1 + $PORTS_EACH * @{ $self->{tests} }, $self->{mpm});
    my $next = $self->{port} + 1;
    for my $file (@{ $self->{tests} }) {
        $self->{block}{ name_of($file) } = $next;
        $next += $PORTS_EACH;
    }
    return $self;
}

sub name_of { return basename($_[0]) =~ s/\.t$//r }

# As many ports in a row, none of them taken. Each MPM has a range of its own, so that the runs of
# `make check` never meet; where to look first in it depends on the process, so that two of one kind
# seldom do. All below the range from which systems hand out ports by themselves.
my %RANGE = (event => 12_000, prefork => 18_600, worker => 25_200);
my $RANGE_SIZE = 6_600;

sub free_ports {
    my ($count, $mpm) = @_;
    my $low = $RANGE{$mpm} // die "no ports for the MPM $mpm\n";
    my $starts = $RANGE_SIZE - $count;
    my $from = $$ * 97 % $starts;
    for (1 .. 50) {
        return $low + $from unless grep { taken($_) } $low + $from .. $low + $from + $count - 1;
        $from = ($from + $count) % $starts;
    }
    die "no $count free ports\n";
}
sub taken {
    my ($port) = @_;
    return !IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1, Listen => 1);
}

# What Apache::Test is to know; tests get it by Apache::Test::vars.
sub variables {
    my ($self) = @_;
    my %blocks = %{ $self->{block} };
    return {
        t_dir      => $self->{server},
        httpd_conf => "$self->{server}/conf/modules.conf",
        httpd      => $ENV{HTTPD} // '/usr/sbin/apache2',
        servername => '127.0.0.1',
        port       => $self->{port},
        module     => $self->{module},
        mpm        => $self->{mpm},
        stage      => $self->{stage},
        blocks     => join(' ', map { "$_=$blocks{$_}" } sort keys %blocks),
    };
}

sub put {
    my ($file, $text, $mode) = @_;
    open my $out, '>', $file or die "$file: $!";
    chmod $mode, $file if defined $mode;
    print $out $text;
    close $out or die "$file: $!";
    return;
}

# Everything that is generated, below the stage; as the user that the server runs as.
sub write {
    my ($self) = @_;
    my $server = $self->{server};
    mkdir $_ for "$server/conf/tests", "$server/logs", "$self->{stage}/secrets";
    put("$self->{stage}/secrets/$_", "$SECRET{$_}\n", 0600) for keys %SECRET;
    for my $key (qw(ec256.pem ed25519.pem)) {
        my $text = do { local (@ARGV, $/) = "$self->{stage}/tests/lib/keys/$key"; <> };
        put("$self->{stage}/secrets/$key", $text, 0600);
    }
    put("$server/conf/modules.conf", $self->modules);
    put("$server/conf/module.conf", <<"CONF") if $self->{module} ne 'none';
LoadModule    oidc_gate_module $self->{module}
LogLevel      info oidc_gate:trace8
# All tests come from one address, and faster than anybody: what tests the limit sets its own.
OIDCGateLimit address=100000 total=100000
CONF
    for my $file (@{ $self->{tests} }) {
        my $text = do { local (@ARGV, $/) = $file; <> };
        next if $self->{module} eq 'none' && $text !~ /^use Gate::Test\b.*':rig'/m;
        my $name = name_of($file);
        put("$server/conf/tests/$name.conf", $self->configuration($name, $text));
    }
    return;
}

# The modules of all tests, those of the MPM, and ours.
sub modules {
    my ($self) = @_;
    my $libexec = qx(apxs -q LIBEXECDIR 2>/dev/null) || '/usr/lib/apache2/modules';
    chomp $libexec;
    open my $in, '<', "$self->{server}/conf/modules.list" or die "modules.list: $!";
    my @names = ("mpm_$self->{mpm}", $self->{mpm} eq 'prefork' ? 'cgi' : 'cgid');
    push @names, grep { length && !/^#/ } map { s/\s+//gr } <$in>;
    # mod_http2 says itself that it does not go with prefork.
    @names = grep { $_ ne 'http2' } @names if $self->{mpm} eq 'prefork';
    return join '', map { "LoadModule ${_}_module $libexec/mod_$_.so\n" } @names;
}

sub configuration {
    my ($self, $name, $text) = @_;
    my %block;
    my @order;
    while ($text =~ /^=httpd[ \t]*(\S*)[ \t]*\n(.*?)(?=^=httpd|^=cut)/msg) {
        push @order, $1 unless exists $block{$1};
        $block{$1} .= $2;
    }
    my %port = $self->ports($name, grep { length && $_ ne 'main' } @order);
    my $all = "# from $name.t\n";
    $all .= $_ eq 'main' ? $block{$_} : virtual_host($port{$_}, $block{$_}) for @order;
    $all .= "UndefMacro $_\n" for $all =~ /^\s*<Macro\s+(\w+)/mg;     # its macros are its own
    return $self->filled($name, $all, %port);
}

# The ports of a test, by name; its own virtual host has the name ''.
sub ports {
    my ($self, $name, @hosts) = @_;
    my $first = $self->{block}{$name};
    die "$name.t: more virtual hosts than ports\n" if @hosts > $OFFSET{spare} - 1;
    return ('' => $first, (map { $_ => $first + $OFFSET{$_} } keys %OFFSET),
            map { $hosts[$_] => $first + 1 + $_ } 0 .. $#hosts);
}

sub virtual_host {
    my ($port, $text) = @_;
    return <<"CONF";
Listen 127.0.0.1:$port
<VirtualHost 127.0.0.1:$port>
    ServerName 127.0.0.1:$port
$text
</VirtualHost>
CONF
}

sub filled {
    my ($self, $name, $text, %port) = @_;
    my %value = (
        secrets => "$self->{stage}/secrets", keys => "$self->{stage}/tests/lib/keys",
        docs => "$self->{server}/htdocs", logs => "$self->{server}/logs", module => $self->{module},
        op => "http://127.0.0.1:$port{op}", backend => "http://127.0.0.1:$port{backend}",
        port => $port{''}, base => "http://127.0.0.1:$port{''}",
    );
    for my $host (keys %port) {
        $value{"port_$host"} = $value{"${host}_port"} = $port{$host};
        $value{"base_$host"} = "http://127.0.0.1:$port{$host}";
    }
    $text =~ s/\@(\w+)\@/$value{$1} \/\/ die "$name.t: there is no \@$1\@\n"/ge;
    return $text;
}

1;
