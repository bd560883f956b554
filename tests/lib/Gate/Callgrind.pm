# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Callgrind;

# How many instructions a request takes, and how many allocations, counted by valgrind: figures that
# come out the same whatever else the machine does. The server is one process with one thread, and
# callgrind writes what it has counted whenever httpd turns to the next request of a connection; so
# there is a file for each request, and nothing else is in it.
#
#   my $server = Gate::Callgrind->new(dir => DIR, httpd => FILE, port => N, directives => TEXT)->start;
#   my $cost = $server->cost(GET => '/page.txt', Cookie => 'a=b');   {instructions, allocations, check}: the
#                                                      median of many, on one connection; check: the
#                                                      instructions of the longest check of a signature
#   my $cost = $server->first_cost(...);               the same, each the first of its connection
#   my $cost = $server->story_cost(3, sub { my ($client, $turn) = @_; ... });
#                                                      of what takes three requests, asked of that client
#   my $cost = $server->new_cost(['Cookie', 'a=1'], ['Cookie', 'a=2'], ..., GET => '/page.txt', ...);
#                                                      the same, each of those headers once, on its connection
#   $server->stop;
#
# Where `streams` is given, the server speaks HTTP/2 as well, and has threads for that. Then callgrind is told when to write:
#
#   my $cost = $server->stream_cost('/page.txt', cookie => 'a=b');   a stream's, of many, one after the other on one connection
#
# /page.txt and /asked.txt are files of 100 bytes. A server of which `gate` is not given is httpd without the module.
use strict;
use warnings FATAL => 'all';

use IO::Socket::INET ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Gate::Client ();
use Gate::Streams ();

my $DEADLINE = 120;             # seconds that anything may take; valgrind is fifty times slower

my $TIMES = 9;                  # requests that are counted; their median is what counts
my $STREAMS = 50;               # that are counted together
# What a stream's own thread does for it: how often others look whether it has done so is not the same each time.
my @OF_A_STREAM = qw(ap_run_pre_connection ap_run_post_read_request ap_process_request);
my $NOT_YET = 3;                # what is remembered of a caller, is by then

# How often a story is told, from the first turn on.
sub turns { return $NOT_YET + $TIMES }

sub new {
    my ($class, %with) = @_;
    my $self = bless { %with, owner => $$ }, $class;
    mkdir "$self->{dir}/htdocs";
    put("$self->{dir}/htdocs/$_.txt", 'x' x 100) for qw(page asked);
    put("$self->{dir}/httpd-$self->{port}.conf", $self->configuration);
    return $self;
}

sub put {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!";
    print $out $text;
    close $out or die "$file: $!";
    return;
}

# The least that serves a file.
sub configuration {
    my ($self) = @_;
    my $libexec = qx(apxs -q LIBEXECDIR 2>/dev/null) || '/usr/lib/apache2/modules';
    chomp $libexec;
    my $modules = join '', map { "LoadModule ${_}_module $libexec/mod_$_.so\n" } 
        ($self->{streams} ? qw(mpm_event http2) : 'mpm_prefork'), qw(authn_core authz_core authz_user);
    $modules .= "LoadModule oidc_gate_module $self->{gate}\n" if $self->{gate};
    my $streams = $self->{streams} ? "Protocols h2c http/1.1\nThreadsPerChild 4\nMaxRequestWorkers 4\n" : '';
    return <<"CONF";
$modules
ServerRoot        "$self->{dir}"
DefaultRuntimeDir "$self->{dir}"
DocumentRoot      "$self->{dir}/htdocs"
PidFile           "$self->{dir}/pid-$self->{port}"
ErrorLog          "$self->{dir}/error_log"
LogLevel          warn
Listen            127.0.0.1:$self->{port}
ServerName        127.0.0.1:$self->{port}
KeepAlive         On
KeepAliveTimeout  300
MaxKeepAliveRequests 0
$streams
@{[$self->{directives} // '']}
CONF
}

sub start {
    my ($self) = @_;
    my @only = $self->{streams} ? map { "--toggle-collect=$_" } @OF_A_STREAM : ();
    my @command = ('valgrind', '--tool=callgrind', '--quiet', "--callgrind-out-file=$self->{dir}/cost-$self->{port}", @only,
                   '--dump-before=ap_read_request', '--dump-line=no', '--compress-strings=yes',
                   $self->{httpd}, '-X', '-f', "$self->{dir}/httpd-$self->{port}.conf");
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{dir}/output-$self->{port}";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    my $end = time + $DEADLINE;
    until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port})) {
        die "the server does not start: ", slurp("$self->{dir}/output-$self->{port}"), "\n"
            if time > $end || waitpid($self->{pid}, POSIX::WNOHANG()) > 0;
        sleep 0.1;
    }
    return $self;
}

sub slurp { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> // '' }

# The number of files that there are by now.
sub dumps { my ($self) = @_; my @files = glob "$self->{dir}/cost-$self->{port}.*"; return scalar @files }

sub ask {
    my ($client, @request) = @_;
    my $status = $client->ask(@request)->{status};
    die "@request[0, 1]: $status\n" if $status != 200;
    return;
}

sub cost {
    my ($self, @request) = @_;
    return $self->story_cost(1, sub { ask($_[0], @request) });
}

# One connection: a file for what went before it, and one for each request.
sub story_cost {
    my ($self, $requests, $story) = @_;
    my $before = $self->settled;
    my $client = Gate::Client->new(port => $self->{port});
    $story->($client, $_) for 1 .. turns();
    $self->settled($before + 1 + $requests * turns());
    return $self->median(map { my $from = $before + 1 + $requests * ($NOT_YET + $_ - 1); [map { $from + $_ } 1 .. $requests] } 1 .. $TIMES);
}

sub first_cost {
    my ($self, @request) = @_;
    my $before = $self->settled;
    ask(Gate::Client->new(port => $self->{port}), @request) for 1 .. $TIMES;
    $self->settled($before + 2 * $TIMES);
    return $self->median(map { [$before + 2 * $_] } 1 .. $TIMES);
}

sub stream_cost {
    my ($self, $path, @headers) = @_;
    my $streams = Gate::Streams->new(port => $self->{port});
    my $ask = sub {
        for (1 .. $_[0]) {
            my ($body) = $streams->ask([path => $path, @headers]);
            die "a stream: $body\n" if $body ne 'x' x 100;
        }
    };
    $ask->(3 * $TIMES);                 # until all threads have met it
    my $before = $self->write_now;
    $ask->($STREAMS);
    my $sum = $self->sum($before + 1 .. $self->write_now);
    return { map { ($_ => int $sum->{$_} / $STREAMS) } qw(instructions allocations) };
}

# The number of files, with what was counted up to now.
sub write_now {
    my ($self) = @_;
    my $before = $self->settled(0);
    system("callgrind_control --dump $self->{pid} >'$self->{dir}/control' 2>&1") == 0 or die 'callgrind_control: ', slurp("$self->{dir}/control"), "\n";
    return $self->settled($before + 1);
}

sub new_cost {
    my ($self, @request) = @_;
    my @each;
    push @each, shift @request while ref $request[0];
    my $before = $self->settled;
    ask(Gate::Client->new(port => $self->{port}), @request, @$_) for @each;
    $self->settled($before + 2 * @each);
    return $self->median(map { [$before + 2 * $_] } 1 .. @each);
}

# Of stories, each the numbers of its files.
sub median {
    my ($self, @stories) = @_;
    my @costs = map { $self->sum(@$_) } @stories;
    my @sorted = sort { $a->{instructions} <=> $b->{instructions} } @costs;
    return $sorted[@sorted / 2];
}
sub sum {
    my ($self, @numbers) = @_;
    my %sum = (instructions => 0, allocations => 0, check => 0);
    for my $number (@numbers) {
        my $file = read_dump("$self->{dir}/cost-$self->{port}.$number");
        $sum{$_} += $file->{$_} for keys %sum;
    }
    return \%sum;
}

# Until there are as many files, and the last of them is whole.
sub settled {
    my ($self, $want) = @_;
    my $end = time + $DEADLINE;
    my ($count, $again) = (0, -1);
    until ($count == $again && $count >= ($want // 1) && slurp("$self->{dir}/cost-$self->{port}.$count") =~ /^totals: /m) {
        die "callgrind writes no files\n" if time > $end;
        $again = $count;
        sleep 0.3;
        $count = $self->dumps;
    }
    die "$count files, not $want\n" if $want && $count != $want;
    return $count;
}

my %ALLOCATES = map { $_ => 1 } qw(malloc calloc realloc);
# What a library checks a signature with; one of these may call another.
my %CHECKS = map { $_ => 1 } qw(EVP_PKEY_verify EVP_DigestVerify RSA_verify ECDSA_verify ECDSA_do_verify);

sub read_dump {
    my ($file) = @_;
    my ($allocations, $check, $called, %name) = (0, 0, '');
    open my $in, '<', $file or die "$file: $!";
    my $total;
    while (my $line = <$in>) {
        if ($line =~ /^cfn=\((\d+)\)(?: (.*))?$/) {
            $name{$1} = $2 if defined $2;
            $called = $name{$1} // '';
        }
        elsif ($line =~ /^fn=\((\d+)\) (.*)$/) { $name{$1} = $2 }
        elsif ($line =~ /^calls=(\d+)/) {
            $allocations += $1 if $ALLOCATES{$called};
            my ($all) = (<$in> // '') =~ /(\d+)$/;           # of the call, with all that it calls
            $check = $all if $CHECKS{$called} && $all > $check;
        }
        elsif ($line =~ /^(?:totals|summary): (\d+)/) { $total = $1 }
    }
    return { instructions => $total // die("$file: no total\n"), allocations => $allocations, check => $check };
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    local $?;
    kill TERM => $pid;
    my $end = time + 10;
    until (waitpid $pid, POSIX::WNOHANG()) {    # ended now, or before this
        kill KILL => $pid if time > $end;
        sleep 0.05;
    }
    return;
}
sub DESTROY { my ($self) = @_; $self->stop if $$ == $self->{owner}; return }

1;
