# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Who somebody claims to be: every kind of route through the server, by every spelling of the headers
# that the gate tells backends in (I2, I3, T-22, T-23, T-29, T-33, T-35). What a stranger says of
# himself never arrives, on no route; what the gate says arrives exactly once.
use Gate::Test;

use IO::Socket::INET ();

=httpd main

ProxyRequests Off

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User          "%{claim:sub}"
OIDCGateHeader        X-Remote-Groups "%{claim:groups}" join=,
OIDCGateHeader        Remote-User     "%{user}"

# First, or mod_proxy would take the shorter address's worker for it, which does not upgrade.
ProxyPass /socket/ @backend@/socket/ upgrade=websocket
ProxyPass /socket-open/ @backend@/socket-open/ upgrade=websocket

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /pass>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated pass
    Require all granted
    ProxyPass @backend@
</Location>

<Location /open>
    ProxyPass @backend@
</Location>

<Location /forwarded>
    AuthType OIDCGate
    Require valid-user
    OIDCGateForwardCredentials On
    OIDCGateHeader Authorization "Basic %{claim:password}"
    ProxyPass @backend@
</Location>
<Location /forwarded/none>
    OIDCGateHeader unset Authorization
</Location>
<Location /forwarded/own>
    OIDCGateHeader X-User "%{claim:sub}"
</Location>

<Location /preflight>
    AuthType OIDCGate
    <LimitExcept OPTIONS>
        Require valid-user
    </LimitExcept>
    ProxyPass @backend@
</Location>

<Location /address>
    AuthType OIDCGate
    <RequireAny>
        Require ip 127.0.0.1
        Require valid-user
    </RequireAny>
    ProxyPass @backend@
</Location>

<Location /limited>
    AuthType OIDCGate
    <Limit GET POST>
        Require valid-user
    </Limit>
    ProxyPass @backend@
</Location>

RewriteEngine On
RewriteRule ^/rewritten(?:-in)?/(.*)$ @backend@/$1 [P]
<Location /rewritten-in>
    AuthType OIDCGate
    Require valid-user
</Location>

<Location /says-open>
    AuthType OIDCGate
    Require claim groups:nobody-has-this
    ErrorDocument 401 /open/says-401
    ErrorDocument 403 /open/says-403
    ProxyPass @backend@
</Location>

<Location /says-cgi>
    AuthType OIDCGate
    Require claim groups:nobody-has-this
    ErrorDocument 401 /cgi/env
    ErrorDocument 403 /cgi/env
    ProxyPass @backend@
</Location>

<Location /says-guarded>
    AuthType OIDCGate
    Require claim groups:nobody-has-this
    ErrorDocument 403 /app/says-403
    ProxyPass @backend@
</Location>

Alias /parts @docs@/parts
Alias /parts-in @docs@/parts
<Directory @docs@/parts>
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
</Directory>
<Location /parts-in>
    AuthType OIDCGate
    Require valid-user
</Location>

ScriptAlias /cgi-in/ @docs@/cgi/
<Location /cgi-in>
    AuthType OIDCGate
    Require valid-user
    OIDCGateEnv GATE_SUBJECT "%{claim:sub}"
</Location>

<Location /socket>
    AuthType OIDCGate
    Require valid-user
</Location>

=httpd two

<IfModule http2_module>
    Protocols h2c http/1.1
</IfModule>
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-User          "%{claim:sub}"
OIDCGateHeader        X-Remote-Groups "%{claim:groups}" join=,
<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /open>
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $DOCS = Apache::Test::vars('documentroot');
my $alice = ua();

# What the gate says of alice.
my %SAID = ('X-User' => 'alice-sub', 'X-Remote-Groups' => 'staff,ops', 'Remote-User' => 'alice-sub');
my @NAMES = qw(X-User X-Remote-Groups);

my $folded = sub { lc $_[0] =~ tr/_/-/r };
my $underscored = sub { $_[0] =~ tr/-/_/r };

# Each spelling: a sentence, and what makes the lines of a request for a header's name. More of it may stand
# in the trailer; 'refused' where httpd may as well answer 400.
my @SPELLINGS = (
    { name => 'as it is configured', head => sub { "$_[0]: admin" } },
    { name => 'in small letters', head => sub { lc($_[0]) . ': admin' } },
    { name => 'in capitals', head => sub { uc($_[0]) . ': admin' } },
    { name => 'with underscores', head => sub { $underscored->($_[0]) . ': admin' } },
    { name => 'with underscores in small letters', head => sub { lc $underscored->($_[0]) . ': admin' } },
    { name => 'with only the last dash an underscore', head => sub { $_[0] =~ s/-(?=[^-]*$)/_/r . ': admin' } },
    { name => 'with other signs for the dashes', head => sub { map { $_[0] =~ s/-/$_/gr . ': admin' } qw(. ~ ! $ + | * ' ` ^), '%', '#', '&' } },
    { name => 'with its value on a folded line', head => sub { ("$_[0]:", ' admin') } },
    { name => 'as the folded rest of another header', head => sub { ('X-Harmless: yes', " $_[0]: admin") } },
    { name => 'many times, each otherwise', head => sub { ("$_[0]: admin", lc($_[0]) . ': root', uc $underscored->($_[0]) . ': root', "$_[0]: admin") } },
    { name => 'among the options of Connection', head => sub { ("Connection: $_[0]", "$_[0]: admin") } },
    { name => 'among those, otherwise, and on several lines', head => sub { ('Connection: x-other, ' . lc $_[0], 'connection:' . uc $underscored->($_[0]) . " , $_[0]", "$_[0]: admin") } },
    { name => 'in trailers', trailer => sub { ("$_[0]: admin", lc $underscored->($_[0]) . ': admin') } },
    { name => 'with a space before the colon', refused => 1, head => sub { "$_[0] : admin" } },
    { name => 'with a no-break space or a tilde', refused => 1, head => sub { ("$_[0]\xa0: admin", "$_[0]~: admin") } },
);

# The lines of a request.
sub lines_of {
    my ($method, $path, $spelling, $name, $who, @more) = @_;
    my @lines = ("$method $path HTTP/1.1", 'Host: 127.0.0.1', 'Accept: */*', @more);
    push @lines, 'Connection: close' unless grep { /^Connection:/ } @more;
    push @lines, 'Cookie: ' . join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($who) if $who;
    push @lines, $spelling->{head}->($name) if $spelling->{head};
    return join "\r\n", @lines, '', '' unless $spelling->{trailer};
    return join "\r\n", @lines, 'Transfer-Encoding: chunked', "Trailer: $name", '', '3', 'abc', '0', $spelling->{trailer}->($name), '', '';
}

# The answer's head alone: what comes after that of a websocket does not end by itself.
sub head_of_answer {
    my ($bytes) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port(), Timeout => 5) or die "no connection: $@\n";
    print $socket $bytes;
    local $/ = "\r\n\r\n";
    return readline($socket) // '';
}

# What a backend was told under any spelling of the name: "Name: value" for each.
sub told { my ($name) = @_; return [$backend->got_folded($name)] }

# The same of a CGI program's environment, or of a page that shows it.
sub told_in_text {
    my ($name, $text) = @_;
    my $variable = 'HTTP_' . uc $underscored->($name);
    return [map { "$name: $_" } $text =~ /^\Q$variable\E=([^\r\n]*)/mg];
}

# Asks once for each spelling of each name, and compares what arrived with what must. A refused request must not
# arrive at all. want: 'gate' or 'nobody'.
sub no_spelling_arrives {
    my (%route) = @_;
    my ($method, $who, @more) = ($route{method} // 'GET', $route{who}, @{ $route{lines} // [] });
    for my $name (@{ $route{names} // \@NAMES }) {
        my $want = $route{want} eq 'gate' ? ["$name: $SAID{$name}"] : [];
        for my $spelling (@SPELLINGS) {
            next if $spelling->{trailer} && $route{no_body};
            $backend->reset;
            my $lines = lines_of($method, $route{path}, $spelling, $name, $who, @more);
            my $answer = $route{no_body} ? head_of_answer($lines) : raw_request($lines);
            my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
            my $label = "$method $route{path}, $name $spelling->{name}";
            if ($spelling->{refused} && ($status // 0) == 400) { is $backend->count, 0, "$label: refused by httpd"; next }
            my $told = $route{text} ? told_in_text($name, $answer) : told($name);
            my $fine = ($status // 0) == ($route{status} // 200) && @$told == @$want && "@$told" eq "@$want"
                && ($route{text} || $backend->count == 1);
            ok $fine, $label or diag explain { status => $status, told => $told, want => $want, arrived => $backend->count };
        }
    }
    return;
}

expect_log qr/stripped client header/, qr/deny status=40[13]/;
status_is login($alice, '/app/x')->{page}, 200, 'alice signs in';

row 'authenticated: the backend is told by the gate alone' => sub {
    no_spelling_arrives(path => '/app/x', who => $alice, want => 'gate');
    no_spelling_arrives(path => '/app/x', who => $alice, want => 'gate', method => $_) for 'POST';
};

row 'anonymous by permission: the backend hears of nobody; with a session, of her' => sub {
    no_spelling_arrives(path => '/pass/x', want => 'nobody');
    no_spelling_arrives(path => '/pass/x', who => $alice, want => 'gate');
};

row 'an open Location beside the gate: the backend hears of nobody, whoever comes' => sub {
    no_spelling_arrives(path => '/open/x', want => 'nobody');
    no_spelling_arrives(path => '/open/x', who => $alice, want => 'nobody');
};

row 'Authorization, where the gate is to say it, is nobody else\'s, whatever else goes on' => sub {
    for (['/forwarded/x' => 0], ['/forwarded/none/x' => 0], ['/forwarded/own/x' => 1]) {
        my ($path, $goes_on) = @$_;
        $backend->reset;
        status_is get($alice, $path, Authorization => 'Basic ' . 'cm9vdDpyb290'), 200, $path;
        is_deeply [$backend->got('Authorization')], [('Basic cm9vdDpyb290') x $goes_on], $goes_on ? 'what the gate does not say is forwarded' : 'a claim that is missing makes room for nobody';
        like +($backend->got('Cookie'))[0], qr/oidc-gate/, 'the cookie is forwarded';
    }
};

row 'OPTIONS, where the administrator lets it through' => sub {
    no_spelling_arrives(path => '/preflight/x', method => 'OPTIONS', want => 'nobody');
};

row 'a Location that an address opens: nobody has signed in' => sub {
    no_spelling_arrives(path => '/address/x', want => 'nobody');
};

row 'a method that <Limit> leaves open' => sub {
    no_spelling_arrives(path => '/limited/x', method => $_, want => 'nobody') for 'PUT', 'FOO';
    no_spelling_arrives(path => '/limited/x', who => $alice, want => 'gate');
};

row 'a rewritten address that mod_proxy takes' => sub {
    no_spelling_arrives(path => '/rewritten/x', want => 'nobody');
    no_spelling_arrives(path => '/rewritten-in/x', who => $alice, want => 'gate');
};

row 'an ErrorDocument: open, proxied or a program, it hears of nobody' => sub {
    no_spelling_arrives(path => '/says-open/x', want => 'nobody', status => 401);
    no_spelling_arrives(path => '/says-open/x', who => $alice, want => 'nobody', status => 403);
    no_spelling_arrives(path => '/says-cgi/x', want => 'nobody', status => 401, text => 1);
    no_spelling_arrives(path => '/says-cgi/x', who => $alice, want => 'nobody', status => 403, text => 1);
};

row 'an ErrorDocument that is guarded itself hears of her what the gate says' => sub {
    no_spelling_arrives(path => '/says-guarded/x', who => $alice, want => 'gate', status => 403);
};

write_file("$DOCS/parts/open.shtml", qq(<!--#include virtual="/open/part" -->\n)) if mkdir "$DOCS/parts";
write_file("$DOCS/parts/guarded.shtml", qq(<!--#include virtual="/app/part" -->\n));
write_file("$DOCS/parts/program.shtml", qq(<!--#include virtual="/cgi/env" -->\n));
write_file("$DOCS/parts/shown.shtml", join '', map { qq($_=<!--#echo var="$_" -->\n) } qw(HTTP_X_USER HTTP_X_REMOTE_GROUPS));

row 'a part of a page hears what its own place says, not what the page was sent with' => sub {
    no_spelling_arrives(path => '/parts/open.shtml', want => 'nobody');
    no_spelling_arrives(path => '/parts-in/open.shtml', who => $alice, want => 'nobody');
    no_spelling_arrives(path => '/parts/guarded.shtml', who => $alice, want => 'gate');
    no_spelling_arrives(path => '/parts-in/guarded.shtml', who => $alice, want => 'gate');
    no_spelling_arrives(path => '/parts-in/program.shtml', who => $alice, want => 'nobody', text => 1, names => [keys %SAID]);
};

row 'a page that shows its own environment' => sub {
    like get($alice, '/parts/shown.shtml', 'X-User' => 'admin')->content, qr/^HTTP_X_USER=\(none\)$/m, 'open: nobody';
    like get($alice, '/parts-in/shown.shtml', 'X-User' => 'admin')->content, qr/^HTTP_X_USER=alice-sub$/m, 'guarded: she';
};

row 'a program: its environment says what the gate says' => sub {
    no_spelling_arrives(path => '/cgi/env', want => 'nobody', text => 1, names => [keys %SAID]);
    no_spelling_arrives(path => '/cgi-in/env', who => $alice, want => 'gate', text => 1, names => [keys %SAID]);
    my $answer = get($alice, '/cgi-in/env', 'GATE-SUBJECT' => 'admin', 'Gate_Subject' => 'admin');
    like $answer->content, qr/^GATE_SUBJECT=alice-sub$/m, 'OIDCGateEnv';
    like $answer->content, qr/^REMOTE_USER=alice-sub$/m, 'REMOTE_USER';
    like $answer->content, qr/^AUTH_TYPE=OIDCGate$/m, 'AUTH_TYPE';
    unlike get(ua(), '/cgi/env', 'X-Harmless' => 1)->content, qr/^(?:REMOTE_USER|AUTH_TYPE|GATE_SUBJECT)=/m, 'an open program: nobody';
};

row 'a websocket: its handshake is a request like any other' => sub {
    my @upgrade = ('Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');
    no_spelling_arrives(path => '/socket/x', who => $alice, want => 'gate', status => 101, lines => \@upgrade, no_body => 1);
    no_spelling_arrives(path => '/socket-open/x', want => 'nobody', status => 101, lines => \@upgrade, no_body => 1);
};

row 'HTTP/2' => sub {
    plan skip_all => 'mod_http2 does not go with this MPM' if Apache::Test::vars('mpm') eq 'prefork';
    plan skip_all => 'this curl does not speak HTTP/2' unless qx(curl --version 2>&1) =~ /^Features:.*\bHTTP2\b/m;
    my $alice_there = ua();
    status_is login($alice_there, url('/app/x', 'two'))->{page}, 200, 'alice signs in there';
    my ($cookie) = map { "$_->{name}=$_->{value}" } gate_cookies($alice_there);
    my $ask = sub {
        my ($path, @lines) = @_;
        $backend->reset;
        open my $curl, '-|', qw(curl -sS --max-time 20 --http2-prior-knowledge -o /dev/null -w), '%{http_version} %{http_code}',
            (map { ('-H', $_) } @lines), url($path, 'two') or die "curl: $!";
        return join '', readline $curl;
    };
    for my $name (@NAMES) {
        for my $spelling (grep { !$_->{refused} && $_->{head} && $_->{name} !~ /fold|Connection/ } @SPELLINGS) {
            is $ask->('/app/x', "Cookie: $cookie", $spelling->{head}->($name)), '2 200', "signed in, $name $spelling->{name}";
            is_deeply told($name), ["$name: $SAID{$name}"], 'the gate says who';
            is $ask->('/open/x', "Cookie: $cookie", $spelling->{head}->($name)), '2 200', "open, $name $spelling->{name}";
            is_deeply told($name), [], 'nobody';
        }
    }
    is $ask->('/app/x', 'X-User: admin'), '2 401', 'nobody stays out';
};

done_testing;
