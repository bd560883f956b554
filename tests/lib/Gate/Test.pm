# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Test;

# What a server test is written with. `use Gate::Test;` gives strict, warnings, Test::More and the
# functions below, and skips the whole test where the module is not loaded (not so with ':rig').
#
#   my $op = provider();  my $backend = backend();          this test's own, on the ports of @op@ and @backend@
#   row '2.1 a sentence' => sub { ... };                    a subtest; counters and log begin anew
#   my $r = browse(ua(), '/app');                           a person's browser asks for a page
#   my $r = get(ua(), '/app', Authorization => "Bearer $t");   a program asks
#   status_is $r, 302;  denied $r, 401;
#   calls_are $op, 'D1 T1 J<=1';  upstream_is 0;
#   log_like qr/reason=no_credential/, 'sentence';
use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename);
use File::Temp ();
use HTTP::Request ();
use HTTP::Response ();
use IO::Socket::INET ();
use JSON::PP ();
use LWP::UserAgent ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Test2::API ();
use Test::More ();
use Time::HiRes qw(sleep time);
use URI ();

use Apache::Test ();
use Gate::Backend ();
use Gate::Jar ();
use Gate::Log ();
use Gate::OP ();
use Gate::Wire ();

our @EXPORT = qw(
    provider backend port url ua get browse post request basic bearer
    login start_login at_provider call_back follow raw_request parallel until_true json header_values cookies_of cookie_of gate_cookies has_gate_session
    row status_is denied calls_are upstream_is redirects_to
    log_lines log_like log_unlike expect_log deny_line
    config_fails config_ok config_output write_file slurp decoded
);

my $NAME = basename($0) =~ s/\.t$//r;
my $LOGS = Apache::Test::vars('t_logs');
my $PROTECTED = Gate::Backend::MARKER;
my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;
my $DEADLINE = 20;                      # seconds that anything may take to come about

my (@PEERS, $BACKEND, $LOG_FROM);
my $OWNER = $$;

sub import {
    my ($class, @how) = @_;
    strict->import;
    warnings->import(FATAL => 'all');
    no strict 'refs';
    *{ caller() . "::$_" } = \&$_ for @EXPORT;
    Test::More->export_to_level(1);
    my $rig = grep { $_ eq ':rig' } @how;
    my $none = Apache::Test::vars('module') eq 'none';
    Test::More::plan(skip_all => 'the module is not loaded') if $none && !$rig;
    begin_log();
    write_down_failures($LOGS, $NAME);
    return;
}

# From now on all that this process says of a failure is written down: which assertion, what was got and what expected, and
# what it dies of. Processes that it forks say nothing of it.
sub write_down_failures {
    my ($logs, $name) = @_;
    my $owner = $$;
    my $failed = sub { Gate::Log::note($logs, { test => $name, failed => "@_" }) if $$ == $owner };
    Test2::API::test2_stack()->top->listen(sub {
        my (undef, $event) = @_;
        $failed->($_->{details}) for grep { $_->{debug} } @{ $event->facet_data->{info} // [] };
    }, inherit => 1);
    $SIG{__DIE__} = sub { $failed->(@_) if !$^S };
    return;
}

END {
    if ($$ == $OWNER) {
        local $?;
        $_->stop for grep { $_ } @PEERS;
        Gate::Log::note($LOGS, { test => $NAME, end => -s "$LOGS/error_log" }) if defined $LOG_FROM;
    }
}

# --- the world around the gate ---

my %BLOCK = split /[= ]/, Apache::Test::vars('blocks');
my %HOSTS;

# The port of a virtual host of this test; of its own one without a name; 'op', 'backend', 'spare'.
# Read from the configuration that was made of this test.
sub port {
    my ($name) = @_;
    if (!%HOSTS) {
        my $stage = do { require Gate::Stage; bless { block => \%BLOCK }, 'Gate::Stage' };
        my %seen;
        my @hosts = slurp($0) =~ /^=httpd[ \t]*(\S*)[ \t]*$/mg;
        %HOSTS = $stage->ports($NAME, grep { length && $_ ne 'main' && !$seen{$_}++ } @hosts);
    }
    return $HOSTS{ $name // '' } // die "no virtual host '$name' in $NAME.t\n";
}

# An address at this test's server; of a virtual host with name, scheme included, where one is
# given.
sub url {
    my ($path, $host, $scheme) = @_;
    return ($scheme // 'http') . '://127.0.0.1:' . port($host // '') . $path;
}

# Starts this test's provider. See Gate::OP.
sub provider {
    my (%with) = @_;
    my $op = Gate::OP->start(port => port('op'), secrets_file => "$LOGS/secrets", %with);
    push @PEERS, $op;
    return $op;
}

# Starts this test's backend, the one that @backend@ names. See Gate::Backend.
sub backend {
    $BACKEND = Gate::Backend->start(port => port('backend'));
    push @PEERS, $BACKEND;
    return $BACKEND;
}

# --- browsers and programs ---

# A browser of its own: cookies, and no redirect followed. Whatever cookie the gate gives it must
# never show in a log.
sub ua {
    my $authority = Apache::Test::vars('stage') . '/tests/lib/keys/ca.crt';
    my $ua = LWP::UserAgent->new(
        cookie_jar => Gate::Jar->new, requests_redirectable => [],
        timeout => 20, agent => 'tests', keep_alive => 1, ssl_opts => { SSL_ca_file => $authority });
    $ua->add_handler(response_done => \&note_cookies);
    return $ua;
}

sub note_cookies {
    my ($response) = @_;
    my @values = map { /^[^=]*oidc-gate[^=]*=([^;]{16,})/ } $response->header('Set-Cookie') or return;
    open my $out, '>>', "$LOGS/secrets" or return;
    print $out map { "$_\n" } @values;
    return;
}

# One request. Headers: name => value, more than one of a name as well; a Cookie among them is sent
# instead of those that the browser holds. The body is Content => TEXT, last. As browsers do, what is harmless is asked again
# where a kept connection turns out to be closed: a server may do so at any time, also while the question is on its way.
sub request {
    my ($ua, $method, $path, @headers) = @_;
    my $content = @headers > 1 && $headers[-2] eq 'Content' ? (splice @headers, -2)[1] : undef;
    my $uri = $path =~ m{^https?://} ? $path : url($path);
    my $request = HTTP::Request->new($method, $uri, \@headers, $content);
    my $was_kept = $method =~ /^(?:GET|HEAD)$/ && $ua->conn_cache->get_connections($request->uri->scheme, $request->uri->host_port);
    my $answer = $ua->request($request);
    return $was_kept && is_cut_off($answer) ? $ua->request($request) : $answer;
}
sub is_cut_off {
    my ($answer) = @_;
    return ($answer->header('Client-Warning') // '') eq 'Internal response'
        && $answer->message =~ /closed connection without|Connection reset|Broken pipe/;
}

sub get { my ($ua, $path, @headers) = @_; return request($ua, GET => $path, @headers) }

# As browsers ask when a person clicks.
my @NAVIGATION = ('Accept' => 'text/html,application/xhtml+xml,*/*;q=0.8', 'Sec-Fetch-Mode' => 'navigate',
                  'Sec-Fetch-Dest' => 'document', 'Sec-Fetch-Site' => 'none', 'Sec-Fetch-User' => '?1');
sub browse { my ($ua, $path, @headers) = @_; return request($ua, GET => $path, @NAVIGATION, @headers) }

# A form: pairs name => value.
sub post {
    my ($ua, $path, $pairs, @headers) = @_;
    my $form = Gate::Wire::form_text(map { [@$pairs[$_ * 2, $_ * 2 + 1]] } 0 .. @$pairs / 2 - 1);
    my @type = ('Content-Type' => 'application/x-www-form-urlencoded');
    return request($ua, POST => $path, @type, @headers, Content => $form);
}

sub basic  { my ($id, $secret) = @_; return (Authorization => 'Basic ' . encode_base64("$id:$secret", '')) }
sub bearer { my ($token) = @_; return (Authorization => "Bearer $token") }

# Where the answer sends the browser to.
sub follow {
    my ($ua, $response, @headers) = @_;
    my $to = $response->header('Location') // die 'no redirect: ' . $response->status_line . "\n";
    return browse($ua, URI->new_abs($to, $response->request->uri), @headers);
}

# --- signing in, step by step ---

# Asks for a page; the answer sends to the provider.
sub start_login { my ($ua, $path) = @_; return browse($ua, $path) }

# Goes where that answer sends to, as a person who is signed in there; returns what the provider
# answers, a redirect back.
sub at_provider {
    my ($ua, $start, %who) = @_;
    my $to = URI->new($start->header('Location')
        // die 'no redirect to the provider: ' . $start->status_line . "\n");
    $to->query_form($to->query_form, _user => $who{user}) if defined $who{user};
    return browse($ua, $to);
}

# The whole way: asks, signs in (user => NAME), brings the answer back, follows. The answers of the
# steps as start, provider, callback, page; those that were not reached are missing.
sub login {
    my ($ua, $path, %who) = @_;
    my %step = (start => start_login($ua, $path));
    return \%step unless $step{start}->is_redirect;
    $step{provider} = at_provider($ua, $step{start}, %who);
    $step{callback} = call_back($ua, $step{provider});
    $step{page} = follow($ua, $step{callback}) if $step{callback} && $step{callback}->is_redirect;
    return \%step;
}

# Brings the provider's answer back, as a redirect or as the form that a browser would post by
# itself.
sub call_back {
    my ($ua, $answer) = @_;
    return follow($ua, $answer) if $answer->is_redirect;
    my ($action) = $answer->content =~ /<form method="post" action="([^"]+)"/ or return;
    my @pairs = map { s/&#(\d+);/chr $1/ger } $answer->content =~ /name="([^"]*)" value="([^"]*)"/g;
    my %navigation = (@NAVIGATION, 'Sec-Fetch-Site' => from_site($action, $answer->request->uri));
    return post($ua, $action, \@pairs, %navigation);
}

# How a browser says from where a page of that address asks for another: ports do not count.
sub from_site {
    my ($to, $from) = map { URI->new($_) } @_;
    return $to->scheme eq $from->scheme && $to->host eq $from->host ? 'same-site' : 'cross-site';
}

# --- below HTTP libraries ---

# Sends bytes, and returns the bytes that come back until the other side ends, or they are a whole answer, or like `until`.
sub raw_request {
    my ($bytes, %to) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => $DEADLINE,
                                       PeerPort => $to{port} // port($to{host}))
        or die "no connection: $@\n";
    print $socket $bytes;
    my $answer = '';
    my $end = time + $DEADLINE;
    while ((my $left = $end - time) > 0) {
        my $ready = '';
        vec($ready, fileno $socket, 1) = 1;
        last unless select $ready, undef, undef, $left;
        last unless sysread $socket, $answer, 65536, length $answer;
        last if $to{until} ? $answer =~ $to{until} : complete($answer);
    }
    return $answer;
}

sub complete {
    my ($answer) = @_;
    my ($head, $body) = $answer =~ /\A(HTTP.*?\r\n\r\n)(.*)/s or return 0;
    return $head =~ /^Content-Length: *(\d+)/mi && length $body >= $1;
}

# Does the same N times at once, each time in a process of its own, and returns what each returns
# (as JSON can say it).
sub parallel {
    my ($count, $do) = @_;
    pipe my $gate_out, my $gate_in;
    my @children = map {
        pipe my $from, my $to;
        my $number = $_;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            close $gate_in;
            sysread $gate_out, my $go, 1;      # all start when the other end closes
            my $result = eval { $JSON->encode($do->($number)) };
            print $to $result // $JSON->encode("died: $@");
            close $to;
            POSIX::_exit(0);
        }
        close $to;
        { pid => $pid, from => $from };
    } 1 .. $count;
    close $gate_in;
    my @results = map { $JSON->decode(do { local $/; readline $_->{from} } // 'null') } @children;
    waitpid $_->{pid}, 0 for @children;
    return @results;
}

# Asks again and again until it is so, or the deadline has passed.
sub until_true {
    my ($is_so, $deadline) = @_;
    my $end = time + ($deadline // $DEADLINE);
    my $answer;
    until ($answer = $is_so->()) {
        return $answer if time > $end;
        sleep 0.05;
    }
    return $answer;
}

# --- reading answers ---

sub json { return eval { $JSON->decode($_[0]->content) } }

# All values of a header, each line apart.
sub header_values { my ($response, $name) = @_; return $response->header($name) }

# The cookies that an answer sets: {name, value, and its attributes in lower case}.
sub cookies_of {
    my ($response) = @_;
    return map {
        my ($pair, @attributes) = split /;\s*/, $_;
        my ($name, $value) = split /=/, $pair, 2;
        +{ name => $name, value => $value,
           map { my ($key, $said) = split /=/, $_, 2; (lc $key => $said // 1) } @attributes };
    } $response->header('Set-Cookie');
}

# The first of them whose name is like that.
sub cookie_of { my ($response, $name) = @_; return (grep { $_->{name} =~ $name } cookies_of($response))[0] }

# The gate's cookies that a browser holds, {name, value}: those of sessions; with 'login', those of
# logins under way.
sub gate_cookies {
    my ($ua, $kind) = @_;
    my @all = grep { $_->{name} =~ /^(?:__Host-)?oidc-gate-/ } $ua->cookie_jar->all;
    my $is_login = qr/oidc-gate-login-/;
    return map { { name => $_->{name}, value => $_->{value} } }
           grep { ($kind // '') eq 'login' ? $_->{name} =~ $is_login : $_->{name} !~ $is_login } @all;
}
sub has_gate_session { return scalar(() = gate_cookies($_[0])) }

sub decoded { require Gate::JOSE; return Gate::JOSE::decode($_[0]) }

# --- assertions ---

sub tested { local $Test::Builder::Level = $Test::Builder::Level + 2; return Test::More::ok($_[0], $_[1]) }

# A subtest, named by the row of the scenarios that it shows. Counters, backend and log begin anew,
# and the provider is honest.
sub row {
    my ($name, $code) = @_;
    $_->reset for @PEERS;
    $_->honest for grep { $_->isa('Gate::OP') } @PEERS;
    $LOG_FROM = -s "$LOGS/error_log";
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::subtest($name, $code);
}

sub status_is {
    my ($response, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $response //= HTTP::Response->new(0, 'this was not even reached');
    my $fine = Test::More::is($response->code, $status, $name // "the answer is $status");
    Test::More::diag(substr $response->as_string, 0, 1500) unless $fine;
    return $fine;
}

# A denial: that status, nothing protected in it, not to be kept by anybody, and nothing at the
# backend.
sub denied {
    my ($response, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $name //= "denied with $status";
    $response //= HTTP::Response->new(0, 'this was not even reached');
    my @wrong;
    push @wrong, 'status ' . $response->code if $response->code != $status;
    push @wrong, 'protected content' if $response->content =~ /$PROTECTED/;
    push @wrong, 'no Cache-Control: no-store' if ($response->header('Cache-Control') // '') !~ /no-store/;
    push @wrong, 'a 401 without a challenge' if $status == 401 && !$response->header('WWW-Authenticate');
    push @wrong, 'a request at the backend' if $BACKEND && $BACKEND->count;
    Test::More::ok(!@wrong, $name)
        or Test::More::diag(join "\n", @wrong, substr $response->as_string, 0, 1500);
    return !@wrong;
}

# The address that an answer redirects to; a pattern or the exact text.
sub redirects_to {
    my ($response, $where, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $to = $response->header('Location') // '(' . $response->status_line . ')';
    $name //= 'redirects to the right place';
    return ref $where ? Test::More::like($to, $where, $name) : Test::More::is($to, $where, $name);
}

# The calls that the provider got since the row began, or since this was last asked: 'D1 T1 J<=1'.
# What is not named is none, but for those that the browser makes (A and E).
sub calls_are {
    my ($op, $want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = $op->calls;
    $op->reset;
    my %want = map { /^([A-Z])(<=|>=|)(\d+)$/ ? ($1 => [$2, $3]) : die "calls '$_'\n" } split ' ', $want;
    my @wrong;
    my %all = (%want, map { $_ => 1 } grep { /^[BCDF-Z]$/ } keys %$got);
    for my $letter (sort keys %all) {
        my ($how, $count) = @{ $want{$letter} // ['', 0] };
        my $is = $got->{$letter} // 0;
        push @wrong, "$letter$is, not $letter$how$count"
            unless $how eq '<=' ? $is <= $count : $how eq '>=' ? $is >= $count : $is == $count;
    }
    Test::More::ok(!@wrong, $name // 'calls to the provider: ' . ($want || 'none'))
        or Test::More::diag("calls: @wrong; all: ", join ' ', map { "$_$got->{$_}" } sort keys %$got);
    return !@wrong;
}

# How many requests reached the backend since the row began, or since this was last asked.
sub upstream_is {
    my ($want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = $BACKEND->count;
    $BACKEND->reset;
    return Test::More::is($got, $want, $name // "$want requests at the backend");
}

# --- the log ---

sub begin_log {
    $LOG_FROM = -s "$LOGS/error_log" // 0;
    Gate::Log::note($LOGS, { test => $NAME, begin => $LOG_FROM });
    return;
}

# The lines that were logged since the row, or the test, began.
sub log_lines {
    open my $in, '<', "$LOGS/error_log" or die "error_log: $!";
    seek $in, $LOG_FROM, 0;
    my @lines = <$in>;
    chomp @lines;
    return @lines;
}

# Declares that lines like this may be there, however loud, from here to the end of the test.
sub expect_log { Gate::Log::note($LOGS, { test => $NAME, expect => "$_" }) for @_; return }

# A line like this is logged, now or very soon. That it is loud is fine then.
sub log_like {
    my ($pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    expect_log($pattern);
    my $found = until_true(sub { scalar grep { $_ =~ $pattern } log_lines() });
    Test::More::ok($found, $name // "logged: $pattern")
        or Test::More::diag("nothing like $pattern in\n", map { "  $_\n" }
                                grep { /oidc_gate:|:(warn|error)\]/ } log_lines());
    return $found;
}

sub log_unlike {
    my ($pattern, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @found = grep { $_ =~ $pattern } log_lines();
    Test::More::ok(!@found, $name // "not logged: $pattern") or Test::More::diag(@found);
    return !@found;
}

# The fields of the last line of a denial: status, reason, rule, method, user, ... Its being there
# is expected.
sub deny_line {
    my ($reason) = @_;
    my $pattern = $reason ? qr/\bdeny .*reason=$reason\b/ : qr/\bdeny status=/;
    expect_log($pattern);
    my $line = until_true(sub { (grep { $_ =~ $pattern } log_lines())[-1] });
    return Gate::Log::fields($line // '');
}

# --- configurations that must, or must not, be taken ---

# What `apache2 -t` says to a small server with these directives in it, and whether it is content.
# What follows them are further words of its command line.
sub config_output {
    my ($directives, @words) = @_;
    my $dir = File::Temp->newdir;
    my $server = Apache::Test::vars('serverroot');
    write_file("$dir/httpd.conf", <<"CONF");
@{[slurp("$server/conf/modules.conf")]}
@{[-e "$server/conf/module.conf" ? slurp("$server/conf/module.conf") : '']}
ServerRoot "$dir"
DefaultRuntimeDir "$dir"
DocumentRoot "@{[Apache::Test::vars('documentroot')]}"
PidFile "$dir/pid"
ErrorLog "$dir/error_log"
TypesConfig /dev/null
Listen 127.0.0.1:1
ServerName 127.0.0.1:80
$directives
CONF
    my $httpd = Apache::Test::vars('httpd');
    my $said = qx($httpd -t @words -f $dir/httpd.conf 2>&1);
    my $fine = $? == 0;
    $said .= slurp("$dir/error_log") if -e "$dir/error_log";
    return ($fine, $said);
}

# The configuration is refused, and for that reason.
sub config_fails {
    my ($directives, $like, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($fine, $said) = config_output($directives);
    my $good = Test::More::ok(!$fine && $said =~ $like, $name // "refused: $like");
    Test::More::diag($fine ? 'taken: ' : 'refused otherwise: ', $said) unless $good;
    return $good;
}

sub config_ok {
    my ($directives, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($fine, $said) = config_output($directives);
    return Test::More::ok($fine, $name // 'the configuration is taken') || Test::More::diag($said);
}

# --- files ---

sub slurp { my ($file) = @_; open my $in, '<', $file or die "$file: $!"; local $/; return <$in> }

sub write_file {
    my ($file, $text, $mode) = @_;
    open my $out, '>', $file or die "$file: $!";
    chmod $mode, $file if defined $mode;
    print $out $text;
    close $out or die "$file: $!";
    return;
}

1;
