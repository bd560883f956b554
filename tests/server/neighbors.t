# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-48, T-51: the gate beside httpd's other modules, each with directives of its own where the gate guards. What the gate promises holds
# beside each of them, and beside all of them at once, whichever is loaded first.
use Gate::Test;

use Gate::Client ();
use Gate::Server ();

my $op = provider();
my $backend = backend();
my ($OP, $BACKEND) = ($op->issuer, 'http://127.0.0.1:' . port('backend'));
my $SECRETS = Apache::Test::vars('stage') . '/secrets';
my ($LIBEXEC) = slurp(Apache::Test::vars('serverroot') . '/conf/modules.conf') =~ m{ (\S+)/mod_authz_core\.so$}m;

# Of each: the modules that it takes, what stands for the whole server, and what stands in the guarded place. A Basic user of httpd's
# own, who is none of the gate's, is in this file ("anne", "secret").
my $USERS = "$SECRETS/neighbors-users";
write_file($USERS, 'anne:{SHA}' . do { require Digest::SHA; Digest::SHA::sha1_base64('secret') } . "=\n", 0600);
my %NEIGHBOR = (
    access_compat   => { inside => "Order allow,deny\nAllow from all" },
    allowmethods    => { inside => 'AllowMethods GET HEAD POST OPTIONS DELETE' },
    auth_basic      => { inside => "AuthName theirs\nAuthBasicProvider file\nAuthUserFile $USERS" },
    auth_digest     => { inside => "AuthName theirs\nAuthDigestProvider file\nAuthUserFile $USERS" },
    auth_form       => { with => [qw(session session_cookie auth_form)],
                         inside => "AuthName theirs\nAuthFormProvider file\nAuthUserFile $USERS\nAuthFormLoginRequiredLocation http://127.0.0.1:1/" },
    authz_groupfile => { inside => 'AuthGroupFile /dev/null' },
    buffer          => { inside => 'SetOutputFilter BUFFER' },
    cache           => { with => [qw(cache socache_shmcb cache_socache)], server => 'CacheSocache shmcb:neighbors',
                         inside => "CacheEnable socache\nCacheIgnoreNoLastMod On" },
    dav             => { with => [qw(dav dav_fs)], server => 'DavLockDB locks', inside => 'Dav Off' },
    deflate         => { inside => 'SetOutputFilter DEFLATE' },
    dumpio          => { server => 'DumpIOInput Off' },
    expires         => { inside => "ExpiresActive On\nExpiresDefault A3600" },
    headers         => { inside => "RequestHeader set X-Neighbor-User evil\nRequestHeader set X_Neighbor_User evil early\nHeader set X-Said yes" },
    info            => {},
    log_debug       => { inside => 'LogMessage "seen" hook=all' },
    lua             => {},
    negotiation     => { inside => 'Options +MultiViews' },
    proxy_balancer  => { with => [qw(slotmem_shm lbmethod_byrequests proxy_balancer)],
                         server => "<Proxy balancer://neighbors>\nBalancerMember $BACKEND\n</Proxy>", proxy => 'balancer://neighbors/' },
    ratelimit       => { inside => "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 4000" },
    remoteip        => { server => "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1" },
    reqtimeout      => { server => 'RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500' },
    rewrite         => { inside => "RewriteEngine On\nRewriteCond %{IS_SUBREQ} false\nRewriteCond %{LA-U:REMOTE_USER} .\nRewriteRule . - [E=seen:1]\nRewriteRule unseen\$ $BACKEND/unseen [P]" },
    session_cookie  => { with => [qw(session session_cookie)], inside => "Session On\nSessionEnv On\nSessionMaxAge 60\nSessionCookieName theirs path=/" },
    setenvif        => { inside => 'SetEnvIf X-Neighbor-User (.+) REMOTE_USER=$1 OIDCGATE_VERDICT=allow OIDCGATE_USER=$1' },
    speling         => { inside => 'CheckSpelling On' },
    substitute      => { inside => "SetOutputFilter SUBSTITUTE\nSubstitute s/nothing/something/" },
    usertrack       => { inside => 'CookieTracking On' },
    userdir         => { server => 'UserDir disabled' },
    vhost_alias     => {},
);
for my $name (keys %NEIGHBOR) {
    my $neighbor = $NEIGHBOR{$name};
    $neighbor->{with} //= [$name];
    delete $NEIGHBOR{$name} if grep { !-e "$LIBEXEC/mod_$_.so" } @{ $neighbor->{with} };
}

my %loaded = map { $_ => 1 } slurp(Apache::Test::vars('serverroot') . '/conf/modules.conf') =~ /^LoadModule (\w+)_module/mg;
sub load { my (@names) = @_; my %seen; return join '', map { "LoadModule ${_}_module $LIBEXEC/mod_$_.so\n" } grep { !$loaded{$_} && !$seen{$_}++ } @names }

# A place of the name, with what its neighbors say there.
sub place {
    my ($name, @neighbors) = @_;
    my ($to) = ((map { $_->{proxy} // () } @neighbors), "$BACKEND/");
    my $inside = join "\n", map { $_->{inside} // () } @neighbors;
    return <<"CONF";
<Location /$name>
    $inside
    AuthType OIDCGate
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    Require claim groups:staff
    ProxyPass $to
</Location>
CONF
}
my @NAMES = sort keys %NEIGHBOR;
# What would end in one another: two of these cannot have one place.
my @TOGETHER = grep { !/^(?:auth_digest|auth_form|cache|proxy_balancer|ratelimit|substitute|buffer)$/ } @NAMES;
my $DIRECTIVES = join "\n", "OIDCGateIssuer $OP", 'OIDCGateClientID c-web', "OIDCGateClientSecret file:$SECRETS/c-web",
    'OIDCGateHeader X-Neighbor-User "%{claim:sub}"', (map { $_->{server} // () } @NEIGHBOR{@NAMES}),
    (map { place($_, $NEIGHBOR{$_}) } @NAMES), place('together', @NEIGHBOR{@TOGETHER});
my $MODULES = load(map { @{ $NEIGHBOR{$_}{with} } } @NAMES);

my %token = map { $_ => $op->mint(user => $_) } qw(alice mallory);
my ($client, $there) = (Gate::Client->new(port => port()), Gate::Client->new(port => port('op')));
my $session;

# A request with a header that says who it is, in two spellings, and what the backend was told.
my @LIE = ('X-Neighbor-User' => 'admin', 'X_Neighbor_User' => 'admin');
sub ask {
    my ($path, @headers) = @_;
    $backend->reset;
    my $answer = request(ua(), GET => $path, @LIE, @headers);
    return ($answer->code, scalar $backend->count, [$backend->count ? $backend->got_folded('X-Neighbor-User') : ()], $answer);
}

sub promises_hold_at {
    my ($name) = @_;
    my $path = "/$name/x";
    my ($status, $count, $told, $answer) = ask($path);
    is $status, 401, "$name: nobody is asked for a token";
    like join(' | ', header_values($answer, 'WWW-Authenticate')), qr/^Bearer realm="[^"]*"$/, '... and for nothing else';
    is $count, 0, '... and the backend hears nothing of it';
    ($status, $count) = ask($path, basic('anne', 'secret'));
    is "$status $count", '401 0', '... nor is a user of httpd let in';
    my $page = browse(ua(), $path);
    is $page->code, 302, '... a page is sent to sign in';
    ($status, $count, $told) = ask($path, bearer($token{alice}));
    is "$status $count", '200 1', '... who brings a token passes';
    is_deeply $told, ['X-Neighbor-User: alice-sub'], '... and the backend is told who it is, once';
    is_deeply [map { $backend->got($_) } qw(Authorization)], [], '... and gets no credential';
    ($status, $count) = ask($path, bearer($token{mallory}));
    is "$status $count", '403 0', '... who may not pass does not';
    ($status, $count) = ask($path, bearer("$token{alice}x"));
    is "$status $count", '401 0', '... nor with a bad token';
    ($status, $count, $told) = ask($path, Cookie => "$session; theirs=1");
    is "$status $count @$told", '200 1 X-Neighbor-User: alice-sub', '... who is signed in passes';
    unlike join(' ', $backend->got('Cookie')), qr/oidc-gate/, '... and the cookie stays here';
    return;
}

for my $order ('before', 'behind') {
    my $server = Gate::Server->new(name => "neighbors-$order", port => port(), processes => 1, modules => $order eq 'before' ? $MODULES : '',
                                   directives => ($order eq 'behind' ? $MODULES : '') . $DIRECTIVES);
    $server->start;
    $session = $client->sign_in('/together/x', $there, 'alice');
    row "loaded $order the gate: $_" => do { my $name = $_; sub { promises_hold_at($name) } } for @NAMES, 'together';
    is_deeply [$server->complaints(qr/reason=|stripped client header|authorization failure/)], [], 'the log says nothing else';
    $server->stop;
}

done_testing;
