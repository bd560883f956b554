# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Several realms on one host: other clients, other issuers, side by side, each with its own session and its own end.
use Gate::Test;

use Time::HiRes qw(sleep time);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateLogout        redirect=@base@/public/page.txt

<Location /one>
    AuthType OIDCGate
    Require valid-user
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

<Location /one/again>
    ProxyPass @backend@
</Location>

<Location /two>
    AuthType OIDCGate
    Require valid-user
    OIDCGateClientID     c-two
    OIDCGateClientSecret file:@secrets@/c-api
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

<Location /three>
    AuthType OIDCGate
    Require valid-user
    OIDCGateIssuer       @op@/three
    OIDCGateClientID     c-web
    OIDCGateClientSecret file:@secrets@/c-web
    OIDCGateHeader X-User "%{claim:sub}"
    ProxyPass @backend@
</Location>

=cut

my @clients = (clients => { 'c-two' => { secret => 's3cret', grants => [qw(authorization_code refresh_token)] } });
my $op = provider(@clients);
my $three = $op->tenant('three');
my $backend = backend();

sub next_second { sleep 1.02 - (time - int time); return }
sub leave { my ($ua, @form) = @_; return post($ua, '/oidc-gate/logout', [@form], 'Sec-Fetch-Site' => 'same-origin') }
sub is_in { my ($ua, @places) = @_; return join ' ', grep { browse($ua, "/$_")->code == 200 } @places }

# Who is signed in where: realm => subject, and the tag of each.
sub realms { my ($ua) = @_; my $all = json(get($ua, '/oidc-gate/whoami')); return ref $all eq 'ARRAY' ? @$all : $all }

sub signed_in_everywhere {
    my $ua = ua();
    next_second();
    login($ua, '/one', user => 'alice');
    login($ua, '/two', user => 'mallory');
    login($ua, '/three', user => 'alice');
    $_->reset for $op, $three, $backend;
    return $ua;
}

row 'each realm has its own session and its own cookie' => sub {
    my $ua = signed_in_everywhere();
    is has_gate_session($ua), 3, 'three cookies';
    is is_in($ua, qw(one two three one/again)), 'one two three one/again', 'signed in at each';
    browse($ua, '/two');
    is_deeply [$backend->got('X-User')], ['mallory-sub'], 'as somebody else at one of them';
    is scalar(realms($ua)), 3, 'whoami knows of all';
    my ($one, $two) = map { my $name = $_->{name}; $name } gate_cookies($ua);
    my %value = map { $_->{name} => $_->{value} } gate_cookies($ua);
    status_is browse(ua(), '/one', Cookie => "$one=$value{$two}"), 302, 'no cookie is good under the name of another';
    expect_log qr/reason=session_(?:expired|tampered)/;
};

row 'signing out of one leaves the others' => sub {
    my $ua = signed_in_everywhere();
    denied leave($ua), 400, 'which one must be said';
    is deny_line()->{reason}, 'malformed_request', 'the log says so';
    my ($mallory) = grep { $_->{subject} eq 'mallory-sub' } realms($ua);
    my $answer = leave($ua, realm => $mallory->{realm});
    redirects_to $answer, qr/\Q@{[$op->issuer]}\E\/end_session\?.*client_id=c-two/, 'the realm of the second client';
    is is_in($ua, qw(one two three)), 'one three', 'the others stay';
    is has_gate_session($ua), 2, 'two cookies';
    my ($foreign) = grep { $_->{issuer} eq $three->issuer } realms($ua);
    redirects_to leave($ua, realm => $foreign->{realm}), qr/^\Q@{[$three->issuer]}\E\/end_session\?/, 'that of the other issuer';
    is is_in($ua, qw(one two three)), 'one', 'the first stays';
    redirects_to leave($ua), qr/client_id=c-web/, 'the last one need not be named';
    is has_gate_session($ua), 0, 'no cookie is left';
    status_is leave($ua), 200, 'and then there is nothing to do';
};

row 'what a provider ends is ended at its own realms' => sub {
    my $ua = signed_in_everywhere();
    my $token = $three->mint(kind => 'logout', client => 'c-web', user => 'alice');
    status_is post(ua(), '/oidc-gate/backchannel-logout', [logout_token => $token]), 200;
    is is_in($ua, qw(one two three)), 'one two', 'the same subject of another issuer stays';
    expect_log qr/reason=session_expired/;
};

row 'a way back: to an address that is allowed, with the state that was given, or none' => sub {
    my $ua = ua();
    login($ua, '/one');
    my $answer = leave($ua, redirect => url('/public/page.txt'), state => 'S&1');
    my %asked = URI->new($answer->header('Location'))->query_form;
    is $asked{state}, 'S&1', 'the state goes to the provider';
    redirects_to follow($ua, $answer), url('/public/page.txt') . '?state=S%261', 'and comes back';
    status_is follow($ua, follow($ua, $answer)), 200, 'to a page';
    next_second();
    login($ua, '/one');
    $answer = leave($ua, redirect => '/public/page.txt');
    redirects_to follow($ua, $answer), url('/public/page.txt'), 'a path of this host, without a state';
    my $own = url('/oidc-gate/logout');
    for my $query ('', '?state=unknown', '?state=a&other=b') {
        status_is browse(ua(), "$own$query"), 200, "the gate's own page, '$query'";
    }
};

row 'cookies of sessions that are gone are taken away' => sub {
    my $ua = ua();
    login($ua, '/one');
    my ($cookie) = gate_cookies($ua);
    my $answer = leave(my $other = ua());
    status_is $answer, 200, 'without a cookie there is nothing to say';
    is scalar(cookies_of($answer)), 0, 'and none to take away';
    leave($ua);
    $answer = post(ua(), '/oidc-gate/logout', [], 'Sec-Fetch-Site' => 'same-origin', Cookie => "$cookie->{name}=$cookie->{value}");
    status_is $answer, 200, 'an old cookie';
    my $taken = cookie_of($answer, qr/^\Q$cookie->{name}\E$/);
    is $taken->{'max-age'}, 0, 'is taken away';
    is $taken->{path}, '/', 'from where it was set';
};

row 'whoever signs in again gets a new session, and the old one ends' => sub {
    my $ua = ua();
    login($ua, '/one', user => 'alice');
    my ($old) = gate_cookies($ua);
    my $callback = call_back($ua, at_provider($ua, browse($ua, '/oidc-gate/login?return_to=/one'), user => 'mallory'));
    redirects_to $callback, '/one', 'signed in as somebody else';
    my ($new) = gate_cookies($ua);
    is $new->{name}, $old->{name}, 'one cookie';
    isnt $new->{value}, $old->{value}, 'with another id';
    browse($ua, '/one');
    is_deeply [$backend->got('X-User')], ['mallory-sub'], 'as whom she has signed in';
    status_is browse(ua(), '/one', Cookie => "$old->{name}=$old->{value}"), 302, 'the old id opens nothing';
    expect_log qr/reason=session_expired/;
};

done_testing;
