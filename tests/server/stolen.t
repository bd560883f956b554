# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What somebody else's code, somebody else's answer, or a cookie that somebody has put there is worth: nothing. Rows carry the
# numbers of the threats.
use Gate::Test;

use Time::HiRes qw(sleep);

=httpd

OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /app>
    AuthType OIDCGate
    OIDCGateIssuer @op@
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>
<Location /other>
    AuthType OIDCGate
    OIDCGateIssuer @op@/other
    Require valid-user
    ProxyPass @backend@
</Location>

=httpd streams

Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile    @keys@/localhost.crt
SSLCertificateKeyFile @keys@/localhost.key
OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
<Location /told>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader Authorization "Bearer %{access_token}"
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $other = $op->tenant('other');
my $backend = backend();

sub answer_of { my ($response) = @_; return URI->new($response->header('Location')) }
sub with { my ($uri, %change) = @_; my $new = $uri->clone; $new->query_form({ $uri->query_form, %change }); return $new }

row 'T-02 a code that was stolen opens nothing in the login of another, and is burnt' => sub {
    my ($victim, $thief) = (ua(), ua());
    my $stolen = answer_of(at_provider($victim, start_login($victim, '/app/x'), user => 'alice'));
    my $own = answer_of(at_provider($thief, start_login($thief, '/app/x'), user => 'mallory'));
    my $answer = browse($thief, with($own, code => { $stolen->query_form }->{code}));
    denied $answer, 400;
    is has_gate_session($thief), 0, 'no session';
    calls_are $op, 'D<=1 T1', 'the provider has refused the verifier';
    expect_log qr/reason=invalid_grant/;
    denied browse($thief, $stolen), 400, 'nor does her whole answer in his browser';
    expect_log qr/reason=state_unknown/;
    calls_are $op, '', 'of which the provider does not even hear';
};

row 'T-03 an answer of the honest provider is none in a login that another provider has begun' => sub {
    my $ua = ua();
    my %asked = URI->new(start_login($ua, '/other/x')->header('Location'))->query_form;
    my $honest = URI->new($op->issuer . '/authorize');
    $honest->query_form(%asked, _user => 'alice');
    my $answer = browse($ua, answer_of(browse($ua, $honest)));
    denied $answer, 400;
    is deny_line()->{reason}, 'issuer_mixup', 'the log says so';
    is $op->calls('T') + $other->calls('T'), 0, 'and the code goes to nobody';
    is has_gate_session($ua), 0, 'no session';
};

row 'T-04 a session cookie that was there before a login is not the one after it, and opens nothing' => sub {
    my $first = ua();
    login($first, '/app/x', user => 'mallory');
    my ($name) = map { $_->{name} } gate_cookies($first);
    my $planted = 'A' x 43;
    my $ua = ua();
    status_is browse($ua, '/app/x', Cookie => "$name=$planted"), 302, 'it is nobody';
    my $start = start_login($ua, '/app/x');
    my $answer = at_provider($ua, $start, user => 'alice');
    my @attempts = map { "$_->{name}=$_->{value}" } gate_cookies($ua, 'login');
    my $callback = browse($ua, answer_of($answer), Cookie => join '; ', "$name=$planted", @attempts);
    my $given = cookie_of($callback, qr/^\Q$name\E$/);
    ok $given && $given->{value} ne $planted, 'after the login the cookie is another';
    status_is browse(ua(), '/app/x', Cookie => "$name=$given->{value}"), 200, 'which is alice';
    status_is browse(ua(), '/app/x', Cookie => "$name=$planted"), 302, 'and the first is nobody still';
    status_is browse(ua(), '/app/x', Cookie => "$name=$planted; $name=$given->{value}"), 302, 'two of a name are none';
    expect_log qr/reason=session_(?:expired|tampered)/;
};

# A sibling host cannot set a cookie with the prefix __Host-, but one of another name, and browsers bring along a comma within its
# value; httpd joins two Cookie fields with one.
row 'T-01 T-04 what stands within the cookie of a sibling host is no cookie of the gate' => sub {
    my ($thief, $victim) = (ua(), ua());
    my $start = start_login($thief, '/app/x');
    my $answer = answer_of(at_provider($thief, $start, user => 'mallory'));
    my ($attempt) = map { "$_->{name}=$_->{value}" } gate_cookies($thief, 'login');
    my $planted = browse($victim, $answer, Cookie => "theme=dark,$attempt");
    denied $planted, 400, 'his login is not finished in her browser';
    is has_gate_session($victim), 0, 'which is nobody';
    call_back($thief, at_provider($thief, start_login($thief, '/app/x'), user => 'mallory'));
    my ($session) = map { "$_->{name}=$_->{value}" } gate_cookies($thief);
    status_is browse(ua(), '/app/x', Cookie => "theme=dark; $session"), 200, 'his session';
    status_is browse(ua(), '/app/x', Cookie => "theme=dark$_$session"), 302, 'is not hers' for ',', ', ';
    status_is login($victim, '/app/x', user => 'alice')->{page}, 200, 'when she has one of her own';
    my ($hers) = map { "$_->{name}=$_->{value}" } gate_cookies($victim);
    $backend->reset;
    status_is browse(ua(), '/app/x', Cookie => "$hers; theme=dark,$session"), 200, 'it counts, and she keeps it';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'as alice';
    unlike +($backend->got('Cookie'))[0] // '', qr/oidc-gate/, 'and the backend sees neither';
    status_is browse(ua(), '/app/x', Cookie => "$hers,$session"), 302, 'two in one are none';
    expect_log qr/reason=(?:state_unknown|session_tampered)/;
};

row 'T-42 thirty streams of one HTTP/2 connection find a token that has run out: one renewal' => sub {
    plan skip_all => 'mod_http2 does not go with this MPM' if Apache::Test::vars('mpm') eq 'prefork';
    plan skip_all => 'this curl does not speak HTTP/2' unless qx(curl --version 2>&1) =~ /^Features:.*\bHTTP2\b/m;
    my $ua = ua();
    $op->set(lifetime => 2);
    status_is login($ua, url('/told/x', 'streams', 'https'), user => 'alice')->{page}, 200;
    my ($cookie) = map { "$_->{name}=$_->{value}" } gate_cookies($ua);
    $op->set(lifetime => 300);
    sleep 2.1;
    $_->reset for $op, $backend;
    my @each = map { ('-o', '/dev/null', url("/told/$_", 'streams', 'https')) } 1 .. 30;
    my $authority = Apache::Test::vars('stage') . '/tests/lib/keys/ca.crt';
    open my $curl, '-|', qw(curl -sS --max-time 20 --http2 --parallel --parallel-max 30 --cacert), $authority, '-w', '%{http_version} %{http_code}\n',
        '-H', "Cookie: $cookie", @each or die "curl: $!";
    my @said = map { chomp; $_ } <$curl>;
    is_deeply [grep { $_ ne '2 200' } @said], [], 'all of them pass' or Test::More::diag(join ' ', @said);
    is scalar(@said), 30, 'thirty of them';
    calls_are $op, 'T1', 'one renewal';
    my %tokens = map { map { $_->[1] => 1 } grep { lc $_->[0] eq 'authorization' } @{ $_->{headers} } } $backend->requests;
    is scalar(keys %tokens), 1, 'and the backend gets the new token alone';
};

Test::More::done_testing();
