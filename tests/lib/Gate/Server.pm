# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Server;

# A server of the test's own, beside the one that all tests share: one that can be restarted,
# stopped and killed. It runs as the test's user, in a directory of the stage, with the modules of
# the other one but for those that start processes, or slowly.
#
#   my $server = Gate::Server->new(name => 'restart', port => port(), directives => sub { ... });
#   $server->start->graceful->restart->stop;
#
# `modules` is text with LoadModule lines, before the gate's own. Directives are text, with or without the virtual hosts and Locations it needs; `configure` gives
# others, which count from the next (re)start on.
use strict;
use warnings FATAL => 'all';

use Fcntl qw(SEEK_SET);
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);

use Apache::Test ();
use Gate::Log ();

my $PATIENCE = 30;              # seconds that a server may take to come or to go; `patience` says otherwise

sub new {
    my ($class, %with) = @_;
    my $vars = Apache::Test::vars();
    my $self = bless {
        httpd => $vars->{httpd}, patience => $PATIENCE, %with, mpm => $vars->{mpm}, owner => $$, begun => 0, seen => 0,
        log_from => 0, dir => "$vars->{stage}/servers/$with{name}",
    }, $class;
    mkdir "$vars->{stage}/servers";
    mkdir $self->{dir} or die "$self->{dir}: $!";
    mkdir "$self->{dir}/htdocs";
    put("$self->{dir}/htdocs/$_.txt", "a page\n") for qw(page held);
    return $self->configure($with{directives});
}

sub put {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!";
    print $out $text;
    close $out or die "$file: $!";
    return;
}

sub slurp { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> // '' }

sub dir { return $_[0]{dir} }

# --- the configuration ---

# As many processes, with a few threads each where the MPM has threads. Idle ones enough, so that
# httpd puts others in the place of those that are killed as fast as it can.
sub processes {
    my ($self) = @_;
    my $count = $self->{processes} // 4;
    my $most = 4 * $count;
    return <<"CONF" if $self->{mpm} eq 'prefork';
StartServers        @{[4 * $count]}
MinSpareServers     @{[4 * $count]}
MaxSpareServers     @{[8 * $count]}
ServerLimit         @{[12 * $count]}
MaxRequestWorkers   @{[12 * $count]}
CONF
    return <<"CONF";
StartServers        $count
ServerLimit         $most
ThreadsPerChild     16
ThreadLimit         16
MinSpareThreads     @{[16 * $count]}
MaxSpareThreads     @{[16 * 2 * $count]}
MaxRequestWorkers   @{[16 * $most]}
CONF
}

sub configure {
    my ($self, $directives) = @_;
    my $conf = Apache::Test::vars('serverroot') . '/conf';
    my $modules = join '', grep { !/ (?:cgid?|ssl)_module / } map { "$_\n" } split /\n/, slurp("$conf/modules.conf");
    put("$self->{dir}/httpd.conf", <<"CONF");
$modules
@{[$self->{modules} // '']}
LoadModule        oidc_gate_module @{[Apache::Test::vars('module')]}
ServerRoot        "$self->{dir}"
DefaultRuntimeDir "$self->{dir}"
DocumentRoot      "$self->{dir}/htdocs"
PidFile           "$self->{dir}/pid"
ErrorLog          "$self->{dir}/error_log"
LogLevel          notice
TypesConfig       /dev/null
Listen            127.0.0.1:$self->{port}
ServerName        127.0.0.1:$self->{port}
KeepAlive         On
KeepAliveTimeout  60
MaxKeepAliveRequests 0
@{[$self->processes]}
<Directory />
    Require all denied
</Directory>
<Directory "$self->{dir}/htdocs">
    Require all granted
</Directory>
$directives
CONF
    return $self;
}

# What httpd says of the configuration as it is, and whether it is content.
sub test_configuration {
    my ($self) = @_;
    my $said = qx($self->{httpd} -t -f $self->{dir}/httpd.conf 2>&1);
    return ($? == 0, $said);
}

# --- its life ---

sub start {
    my ($self) = @_;
    system($self->{httpd}, '-f', "$self->{dir}/httpd.conf", '-k', 'start') == 0
        or die "the server does not start: ", slurp("$self->{dir}/error_log"), "\n";
    return $self->await_begin;
}

sub pid { my ($self) = @_; my ($pid) = slurp("$self->{dir}/pid") =~ /^(\d+)/; return $pid // die "no server\n" }

# Until the server says once more that it has begun.
sub await_begin {
    my ($self) = @_;
    my $end = time + $self->{patience};
    until ($self->begins > $self->{begun}) {
        die "the server has not begun: ", slurp("$self->{dir}/error_log"), "\n" if time > $end;
        sleep 0.01;
    }
    $self->{begun} = $self->{seen};
    return $self;
}

# How often it has said so. The log is read once.
sub begins {
    my ($self) = @_;
    open my $in, '<', "$self->{dir}/error_log" or return $self->{seen};
    seek $in, $self->{log_from}, SEEK_SET;
    while (my $line = <$in>) {
        last if $line !~ /\n\z/;
        $self->{seen}++ if $line =~ /resuming normal operations/;
        $self->{log_from} = tell $in;
    }
    return $self->{seen};
}

sub graceful { my ($self) = @_; kill USR1 => $self->pid; return $self->await_begin }
sub restart  { my ($self) = @_; kill HUP => $self->pid; return $self->await_begin }

sub stop {
    my ($self) = @_;
    my $pid = $self->pid;
    kill TERM => $pid;
    $self->await_end($pid);
    return $self;
}

# Stops when everybody has been served, and waits for that.
sub leave {
    my ($self) = @_;
    my $pid = $self->pid;
    kill WINCH => $pid;
    $self->await_end($pid);
    return $self;
}

# As the system's manager would: first the parent, then whoever is left.
sub kill_all {
    my ($self) = @_;
    my $pid = $self->pid;
    kill STOP => $pid;                  # or there may be one more
    $self->await_end($pid, 'T');
    my @all = ($pid, split ' ', slurp("/proc/$pid/task/$pid/children"));
    kill KILL => $_ for @all;
    $self->await_end($_) for @all;
    unlink "$self->{dir}/pid";
    return $self;
}

# Until it is gone, or in that state.
sub await_end {
    my ($self, $pid, $state) = @_;
    $state //= 'Z';
    my $end = time + $self->{patience};
    while (slurp("/proc/$pid/stat") =~ /\) [^$state]/) {
        die "process $pid does not go\n" if time > $end;
        sleep 0.01;
    }
    return;
}

# --- its processes ---

# Those that serve: with threads, where the MPM has any.
sub children {
    my ($self) = @_;
    my $pid = $self->pid;
    my @all = split ' ', slurp("/proc/$pid/task/$pid/children");
    return @all if $self->{mpm} eq 'prefork';
    return grep { slurp("/proc/$_/status") =~ /^Threads:\s+(\d+)/m && $1 > 4 } @all;
}

# Kills one of them; how many that were. httpd is in no hurry to put others in the place of the dead,
# but for a graceful restart, so it gets one instead before people have to wait for a free process.
sub kill_one {
    my ($self) = @_;
    my @children = $self->children;
    my $enough = $self->{mpm} eq 'prefork' ? 3.5 * ($self->{processes} // 4) : 4;
    return kill KILL => $children[rand @children] if @children >= $enough;
    $self->graceful;
    my $end = time + $self->{patience};
    sleep 0.02 until $self->children >= $enough || time > $end;     # or the next one is asked for while they are being made
    return 0;
}

# The memory of the largest that is its own and not shared, in KiB. Sanitizers keep what is freed, so nothing is told of it then.
sub memory {
    my ($self) = @_;
    return 0 if $self->{httpd} =~ /san$/;
    my @each = map { slurp("/proc/$_/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : () } $self->children;
    return (sort { $b <=> $a } @each)[0] // 0;
}

# --- its log ---

sub log_lines { my ($self) = @_; return split /\n/, slurp("$self->{dir}/error_log") }

# The loud lines but for those that are like one of these.
sub complaints {
    my ($self, @expected) = @_;
    my @noise = Gate::Log::patterns(Apache::Test::vars('serverroot') . '/noise');
    my %seen;
    return grep { my $line = $_; Gate::Log::is_loud($line) && !grep { $line =~ $_ } @noise, @expected }
           grep { !$seen{ Gate::Log::kind($_) }++ } $self->log_lines;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local ($?, $@);
    eval { $self->kill_all };
    return;
}

1;
