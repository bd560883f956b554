# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What each feature promises, where another one is at work as well.
use Gate::Test;

use IO::Socket::INET ();

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User "%{user}"

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /cgi/cookies>
    AuthType OIDCGate
    Require valid-user
</Location>

<Location /fast>
    AuthType OIDCGate
    Require valid-user
    ProxyPass fcgi://127.0.0.1:@spare_port@/
</Location>
<Location /replaced>
    AuthType OIDCGate
    Require valid-user
    ProxyPass fcgi://127.0.0.1:@spare_port@/
    ProxyErrorOverride On
</Location>

# Preflights, and rules that need no name.
<Location /asked>
    AuthType OIDCGate
    OIDCGateMethods   bearer
    OIDCGateAudience  api://default
    OIDCGatePreflight pass
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /asked/denied>
    Require all denied
</Location>
<Location /asked/elsewhere>
    <RequireAll>
        Require valid-user
        Require ip 192.0.2.0/24
    </RequireAll>
</Location>
<Location /asked/here>
    <RequireAll>
        Require valid-user
        Require ip 127.0.0.0/8
    </RequireAll>
</Location>
<Location /asked/either>
    <RequireAny>
        Require valid-user
        Require ip 127.0.0.0/8
    </RequireAny>
</Location>
<Location /asked/unless>
    <RequireAll>
        Require all granted
        <RequireNone>
            Require claim sub:mallory-sub
        </RequireNone>
    </RequireAll>
</Location>
<Location /asked/nobody>
    OIDCGateOnUnauthenticated pass
    Require all granted
</Location>
<Location /asked/trial>
    OIDCGateEnforce Off
</Location>
<Location /asked/trial/denied>
    Require all denied
</Location>

# Whoever ends sessions, and what is read of a form.
<Location /end>
    AuthType OIDCGate
    Require valid-user
    SetHandler oidc-gate-sessions
    LimitRequestBody 40
</Location>

<Location /explain>
    AuthType OIDCGate
    Require valid-user
    SetHandler oidc-gate-explain
</Location>
<Location /spoken>
    AuthType OIDCGate
    OIDCGateHTTP proxy=http://127.0.0.1:1 "proxy-auth=exec:/bin/echo user:not-to-be-shown"
    Require valid-user
</Location>
<Location /free>
    AuthType OIDCGate
    Require all granted
    ProxyPass @backend@
</Location>
<Location /elsewhere>
    AuthType OIDCGate
    <RequireAll>
        Require valid-user
        Require ip 192.0.2.0/24
    </RequireAll>
</Location>

<Location /forced>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated pass
    Require all granted
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

row 'no program of any kind gives a browser a session' => sub {
    my $ua = ua();
    status_is login($ua, '/app/x')->{page}, 200, 'signed in';
    my ($session) = gate_cookies($ua);
    for my $status (200, 302, 404, 500) {
        my $answer = get($ua, "/cgi/cookies?$status&a=1&$session->{name}=stolen&b=2");
        status_is $answer, $status;
        is_deeply [header_values($answer, 'Set-Cookie')], ['a=1; Path=/', 'b=2; Path=/'], 'none of ours, all of the others';
    }
    is_deeply [gate_cookies($ua)], [$session], 'the session is as it was';
    log_like qr/has set a cookie of the gate's own \(oidc-gate-\.\.\.\)/;
};

# A FastCGI program that answers so many requests, each with these lines of a CGI program. Records are those of the
# FastCGI specification, section 8: type, id, and the length of what follows.
sub fastcgi {
    my ($times, @lines) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => port('spare'), Listen => 5, ReuseAddr => 1) or die "no socket: $!";
    my $pid = fork // die "no process: $!";
    return $pid if $pid;
    my $record = sub { pack('CCnnCC', 1, $_[0], 1, length $_[1], 0, 0) . $_[1] };
    for (1 .. $times) {
        my $client = $listener->accept or last;
        my $asked = '';
        while ($asked !~ /\x01\x05\x00\x01\x00\x00..\z/s) { sysread $client, $asked, 65536, length $asked or last }
        print $client $record->(6, join("\r\n", @lines, '', 'PROTECTED-CONTENT')), $record->(6, ''), $record->(3, "\0" x 8);
        close $client;
    }
    POSIX::_exit(0);
}

row 'nor does FastCGI, even where httpd says something else in its place' => sub {
    my $ua = ua();
    login($ua, '/app/x');
    my ($session) = gate_cookies($ua);
    my $pid = fastcgi(2, 'Status: 500', "Set-Cookie: $session->{name}=stolen; Path=/", 'Set-Cookie: a=1', 'Content-Type: text/plain');
    for my $place (qw(fast replaced)) {
        my $answer = get($ua, "/$place/x");
        status_is $answer, 500;
        is_deeply [header_values($answer, 'Set-Cookie')], ['a=1'], "$place: not ours";
    }
    is_deeply [gate_cookies($ua)], [$session], 'the session is as it was';
    kill KILL => $pid;
    waitpid $pid, 0;
    log_like qr/has set a cookie of the gate's own/;
};

row 'nor a cookie without a name, which comes back as one with a name' => sub {
    $backend->answer_at('/nameless', headers => [map { ['Set-Cookie', $_] } '=oidc-gate-12345678=x; Path=/', ' = oidc-gate-12345678=x', '=other=1']);
    my $ua = ua();
    login($ua, '/app/x');
    is_deeply [header_values(get($ua, '/app/nameless'), 'Set-Cookie')], ['=other=1'], 'not ours';
    log_like qr/has set a cookie of the gate's own/;
};

my @ASKED = (Origin => 'https://app.example', 'Access-Control-Request-Method' => 'PUT');
sub preflight { my ($path, @more) = @_; return request(ua(), OPTIONS => $path, @ASKED, @more) }

row 'a preflight passes where nothing but a name is missing' => sub {
    status_is preflight("/asked/$_/x"), 403, $_ for qw(denied elsewhere trial/denied);
    is $backend->count, 0, 'and the backend does not hear of it';
    status_is preflight("/asked/$_/x", bearer('nonsense'), 'X-User' => 'admin'), 200, $_ for qw(here either unless nobody);
    is_deeply [map { grep { $_->[0] =~ /^(?:x-user|authorization)$/i } @{ $_->{headers} } } $backend->requests], [], 'as nobody';
    status_is preflight('/asked/trial/x', 'X-User' => 'admin'), 200, 'trial';
    is_deeply [$backend->got_folded('X-User')], [], 'as nobody, too';
    log_unlike qr/malformed_credential/, 'what it brings is not looked at';
    expect_log qr/client denied by server configuration/, qr/stripped client header/;
};

row 'half a form is no form' => sub {
    my $ua = ua();
    login($ua, '/app/x');
    my ($session) = gate_cookies($ua);
    my @chunks = map { sprintf "%x\r\n%s\r\n", length $_, $_ } 'subject=alice-sub', '&issuer=' . 'x' x 60;
    my $answer = raw_request(join '', "POST /end HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: $session->{name}=$session->{value}\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", @chunks, "0\r\n\r\n");
    like $answer, qr{^HTTP/1.1 413 }, 'what came is too long';
    unlike $answer, qr/"ended"/, 'and is not done';
    status_is get($ua, '/app/x'), 200, 'nobody is signed out by it';
    expect_log qr/reason=malformed_request/;
};

row 'explain says what is answered, where the gate is not even asked' => sub {
    my $ua = ua();
    login($ua, '/app/x');
    my $verdict = sub { my $about = json(get($ua, "/explain?path=/$_[0]/x&who=nobody&as=browser"))->{decision}; "$about->{verb} $about->{status}" };
    for (['free', 200, 'admit 200'], ['elsewhere', 403, 'refuse 403'], ['forced', 200, 'admit 200'], ['app', 302, 'redirect 302']) {
        my ($place, $status, $says) = @$_;
        status_is browse(ua(), "/$place/x"), $status, $place;
        is $verdict->($place), $says, 'and explained';
    }
    expect_log qr/client denied by server configuration/;
};

row 'the place of the explanation is explained like any other' => sub {
    my $ua = ua();
    login($ua, '/app/x');
    my $decision = json(get($ua, '/explain?path=/explain'))->{decision};
    is "$decision->{verb} $decision->{user}", 'admit alice-sub', 'with what the caller came with';
    unlike get($ua, '/explain?path=/spoken')->content, qr/not-to-be-shown/, 'no command is shown';
};

Test::More::done_testing();
