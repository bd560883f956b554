# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-10 of the threat model: more bad credentials than anybody has, as fast as they come. The provider hears as many as
# OIDCGateLimit says, and whoever is signed in notices nothing.
use Gate::Test;

use Time::HiRes qw(sleep time);

use Gate::JOSE qw(random_id);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLimit         address=20 total=30

<Location /app>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{user}"
    ProxyPass @backend@
</Location>

<Location /tokens>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateCache   introspection=1h
    ProxyPass @backend@
</Location>

<Location /uncached>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateCache   introspection=0
    ProxyPass @backend@
</Location>

<Location /clients>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods client_credentials
    ProxyPass @backend@
</Location>

<Location /jwts>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods  bearer
    OIDCGateAudience api://default
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();

my $CLIENTS = 4;        # at once
my $EACH    = 250;      # requests of each
my ($ADDRESS, $TOTAL) = (20, 30);

# People who have signed in, before anything happens.
my @people = map { my $ua = ua(); login($ua, '/app/x', user => $_ % 2 ? 'alice' : 'mallory'); $ua } 1 .. 10;
my $program = $op->mint(kind => 'opaque', user => 'alice');

row 'ten people are signed in, and a program is known' => sub {
    is scalar(grep { get($_, '/app/x')->code == 200 } @people), 10, 'people';
    status_is get(ua(), "/$_/x", bearer($program)), 200, $_ for qw(tokens uncached);
    status_is get(ua(), '/jwts/x', bearer($op->mint(user => 'alice'))), 200, 'jwts';
};

# All the others send what they send, while one goes through the pages of those who are signed in, and brings the good token.
# The statuses of both, and how many seconds of the clock it touched.
sub flood {
    my ($path, @credential) = @_;
    sleep 1.05;         # what was counted before is over
    $op->reset;
    my $began = int time;
    my ($honest, @flood) = parallel(1 + $CLIENTS, sub {
        my ($number) = @_;
        return pages() if $number == 1;
        my $ua = ua();
        $ua->local_address("127.0.9.$number");
        my %count;
        $count{ get($ua, $path, $credential[0]->())->code }++ for 1 .. $EACH;
        return \%count;
    });
    my %count;
    for my $one (@flood) { $count{$_} += $one->{$_} for keys %$one }
    return ($honest, \%count, int(time) - $began + 1);
}

sub pages {
    my %count;
    for my $turn (1 .. 10) {
        $count{ get($_, '/app/x')->code }++ for @people;
        $count{ get(ua(), '/tokens/x', bearer($program))->code }++;
    }
    return \%count;
}

sub flood_is_harmless {
    my ($letter, $path, $credential) = @_;
    my ($honest, $flood, $seconds) = flood($path, $credential);
    is_deeply $honest, { 200 => 110 }, 'whoever is known is let in, each time';
    my ($asked, $all) = ($op->calls($letter), 0);
    $all += $_ for values %$flood;
    is $all, $CLIENTS * $EACH, 'a thousand answers';
    cmp_ok $asked, '<=', $TOTAL * $seconds, "the provider heard $asked in $seconds seconds: at most $TOTAL a second";
    is_deeply [grep { !/^(?:401|429)$/ } keys %$flood], [], 'all of them refusals';
    is $flood->{401} // 0, $asked, 'as many as were asked about are 401' if $letter ne 'J';
    expect_log qr/reason=(?:rate_limited|token_inactive|invalid_client|unknown_kid)/;
    return $flood;
}

row 'a thousand random tokens' => sub {
    my $flood = flood_is_harmless(I => '/tokens/x', sub { bearer(random_id()) });
    cmp_ok $flood->{429}, '>', 0, 'the others are told to wait';
};

row 'a thousand random tokens where nothing is kept' => sub {
    my $flood = flood_is_harmless(I => '/uncached/x', sub { bearer(random_id()) });
    cmp_ok $flood->{429}, '>', 0, 'the others are told to wait';
    status_is get(ua(), '/uncached/x', bearer($program)), 200, 'a token that was good is asked about, not counted';
};

row 'a thousand guesses at a secret' => sub {
    my $flood = flood_is_harmless(T => '/clients/x', sub { basic('c-api', random_id()) });
    cmp_ok $flood->{429}, '>', 0, 'the others are told to wait';
};

row 'a thousand JWTs of keys that nobody knows' => sub {
    my $token = $op->mint(user => 'alice', key => 'rsa-evil', header => { kid => 'nobody' }, unknown => 1);
    my ($head, $rest) = split /\./, $token, 2;
    flood_is_harmless(J => '/jwts/x', sub {
        my $header = Gate::JOSE::json_encode({ alg => 'RS256', typ => 'at+jwt', kid => random_id() });
        return bearer(MIME::Base64::encode_base64url($header) . ".$rest");
    });
    calls_are $op, 'J<=1';
};

row 'two hundred logins that nobody finishes end no session' => sub {
    my $visitor = $people[0];
    my @cookies = gate_cookies($visitor);
    is scalar(grep { browse(ua(), '/app/x')->code == 302 } 1 .. 200), 200, 'two hundred strangers are sent away to sign in';
    is scalar(grep { get($_, '/app/x')->code == 200 } @people), 10, 'and everybody is still signed in';
    is_deeply [gate_cookies($visitor)], \@cookies, 'with the same cookie';
};

row 'nor do two hundred in one browser, and it can still sign in' => sub {
    my $ua = ua();
    is scalar(grep { browse($ua, '/app/x')->code == 302 } 1 .. 200), 200, 'each is sent to sign in';
    cmp_ok scalar(() = gate_cookies($ua, 'login')), '<=', 10, 'it holds few cookies';
    status_is login($ua, '/app/y')->{page}, 200, 'the next login goes through';
    is_deeply [$backend->got('X-User')], ['alice-sub'], 'as who it is';
    status_is get($ua, '/app/x'), 200, 'and holds';
};

row 'callbacks that nobody was sent to are refused without a question, and harm nobody' => sub {
    my %count;
    $count{ browse(ua(), "/oidc-gate/callback?code=c$_&state=" . random_id())->code }++ for 1 .. 100;
    is_deeply [grep { !/^(?:400|429)$/ } keys %count], [], 'refused';
    is scalar(grep { get($_, '/app/x')->code == 200 } @people), 10, 'everybody is still signed in';
    calls_are $op, '';
    expect_log qr/reason=(?:state_unknown|rate_limited)/;
};

done_testing;
