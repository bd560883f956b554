# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-06 of the threat model: a provider that is broken, hijacked or malicious. Whatever it sends,
# nobody is let in, nobody waits longer than was configured, nothing is asked elsewhere, and an
# honest answer afterwards works at once.
use Gate::Test;

use Time::HiRes qw(time);

use Gate::Hostile qw(hostile_answers);

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHTTP          connect=1s total=1s

<Location /app>
    AuthType OIDCGate
    Require valid-user
    ProxyPass @backend@
</Location>

<Location /introspected>
    AuthType OIDCGate
    Require valid-user
    OIDCGateMethods introspection
    OIDCGateCache introspection=0 negative=0
    ProxyPass @backend@
</Location>

=cut

my $op = provider();
my $backend = backend();
my $elsewhere = $op->tenant('elsewhere');

# Every hostile answer in turn, with its name; the code says whether the gate has asked for it.
sub each_answer {
    my ($code) = @_;
    my @answers = hostile_answers($elsewhere->issuer . '/introspect');
    my ($count, $heard) = (@answers / 2, 0);
    while (my ($name, $answer) = splice @answers, 0, 2) { $heard++ if $code->($name, $answer) }
    cmp_ok $heard, '>', 0.9 * $count, "$heard of $count were heard";   # an endpoint that fails often is left alone for a moment
    is_deeply $elsewhere->calls, {}, 'nothing was asked elsewhere';
    expect_log qr/reason=(?:idp_\w+|token_inactive|bad_\w+|malformed_token|invalid_grant|login_\w+)/;
    return;
}

row 'introspection: no answer but an honest yes lets anybody in' => sub {
    my $token = $op->mint(user => 'alice');
    status_is get(ua(), '/introspected/x', bearer($token)), 200, 'the truth';
    each_answer(sub {
        my ($name, $answer) = @_;
        $op->honest;
        $op->fault(introspect => %$answer);
        $_->reset for $op, $backend;
        my $began = time;
        my $status = get(ua(), '/introspected/x', bearer($token))->code;
        like $status, qr/^(?:401|502|503)$/, "$name: $status";
        cmp_ok time - $began, '<', 3, "$name: in time";
        upstream_is 0, "$name: nothing at the backend";
        my $heard = $op->calls('I');
        $op->honest;
        ok until_true(sub { get(ua(), '/introspected/x', bearer($token))->code == 200 }, 10), "after $name: an honest yes works";
        return $heard;
    });
};

row 'the token endpoint: no answer but an honest one signs anybody in' => sub {
    each_answer(sub {
        my ($name, $answer) = @_;
        my $ua = ua();
        $op->honest;
        my $back = at_provider($ua, start_login($ua, '/app/x'));
        $op->fault(token => %$answer);
        $op->reset;
        my $began = time;
        my $response = call_back($ua, $back);
        like $response->code, qr/^(?:400|401|502|503)$/, "$name: " . $response->code;
        cmp_ok time - $began, '<', 3, "$name: in time";
        ok !has_gate_session($ua), "$name: no session";
        my $heard = $op->calls('T');
        $op->honest;
        my $again = until_true(sub { my $page = login(ua(), '/app/x')->{page}; $page && $page->code == 200 }, 10);
        ok $again, "after $name: an honest answer works";
        return $heard;
    });
};

=httpd cold

<Macro Cold $n>
    <Location /cold$n>
        AuthType OIDCGate
        OIDCGateIssuer        @op@/cold$n
        OIDCGateClientID      c-web
        OIDCGateClientSecret  file:@secrets@/c-web
        OIDCGateHTTP          connect=1s total=1s
        Require valid-user
        ProxyPass @backend@
    </Location>
</Macro>
Use Cold 1
Use Cold 2
Use Cold 3
Use Cold 4
Use Cold 5
Use Cold 6
Use Cold 7
Use Cold 8

=cut

row 'discovery: a document that is none sends nobody anywhere' => sub {
    my @documents = (
        ['an HTML page', fault => discovery => html => 1],
        ['a redirect', fault => discovery => location => $op->tenant('elsewhere')->issuer . '/.well-known/openid-configuration'],
        ['ten megabytes', fault => discovery => huge => 10 << 20],
        ['one byte a second', fault => discovery => drip => 1],
        ["another's issuer", lie => discovery => set => { issuer => 'https://evil.example' }],
        ['the issuer twice', lie => discovery => twice => { issuer => 'https://evil.example' }],
        ['no authorization endpoint', lie => discovery => drop => ['authorization_endpoint']],
        ['an endpoint that is no address', lie => discovery => set => { authorization_endpoint => "javascript:alert(1)//" }],
    );
    for my $number (1 .. @documents) {
        my ($name, $what, @how) = @{ $documents[$number - 1] };
        my $cold = $op->tenant("cold$number");
        $cold->$what(@how);
        my $answer = browse(ua(), url("/cold$number/x", 'cold'));
        denied $answer, $answer->code == 502 ? 502 : 503, $name;
        $cold->honest;
        my $recovered = until_true(sub { browse(ua(), url("/cold$number/x", 'cold'))->code == 302 }, 12);
        ok $recovered, "after $name: an honest document works";
    }
    is_deeply $elsewhere->calls, {}, 'nothing was asked elsewhere';
    expect_log qr/reason=idp_\w+/;
};

done_testing;
