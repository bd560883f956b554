# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# SetHandler oidc-gate-status: how the gate is doing, for people, programs and Prometheus; and what may be ordered there.
use Gate::Test;

use Gate::Server ();

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
OIDCGateHeader        X-Status-User "%{user}"

<Location /app>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
    ProxyPass @backend@
</Location>
<Location /api>
    AuthType OIDCGate
    OIDCGateMethods bearer introspection
    OIDCGateAudience api://default
    Require valid-user
    ProxyPass @backend@
</Location>
<Location /watched>
    AuthType OIDCGate
    OIDCGateEnforce Off
    Require claim kong_claim:third
    ProxyPass @backend@
</Location>

<Location /status>
    SetHandler oidc-gate-status
</Location>
<Location /status/known>
    AuthType OIDCGate
    Require claim kong_claim:kong_group
</Location>
<Location /status/local>
    Require local
</Location>
<Location /status/address>
    Require ip 127.0.0.0/8 192.0.2.0/24
</Location>
<Location /status/elsewhere>
    Require ip 198.51.100.7
</Location>
<Location /status/open>
    Require all granted
</Location>
<Location /status/not>
    <RequireAll>
        Require all granted
        Require not ip 198.51.100.7
    </RequireAll>
</Location>
<Location /status/six>
    Require ip 127.0.0.1 2000::/3
</Location>
<Location /status/either>
    AuthType OIDCGate
    <RequireAny>
        Require claim kong_claim:kong_group
        Require all granted
    </RequireAny>
</Location>
<Location /status/trial>
    AuthType OIDCGate
    OIDCGateEnforce Off
    Require claim kong_claim:kong_group
</Location>

# A virtual host that guards nothing, as one for a scraper may be.
=httpd metrics

<Location />
    SetHandler oidc-gate-status
    Require ip 127.0.0.1
</Location>

=cut

my $op = provider();
my $backend = backend();
my $issuer = $op->issuer;
my $alice = ua();
expect_log qr{is not enforced \(OIDCGateEnforce Off\)};

sub numbers { return json(get(ua(), '/status/local?json')) }

# The number with these labels; 0 where there is none.
sub number {
    my ($all, $name, %labels) = @_;
    my ($found) = grep { my $sample = $_; !grep { ($sample->{$_} // '') ne $labels{$_} } keys %labels } @{ $all->{$name} };
    return $found ? $found->{value} // $found->{count} : 0;
}

# How much more of it there is after something was done.
sub grows {
    my ($do, @of) = @_;
    my $before = numbers();
    $do->();
    my $after = numbers();
    return map { number($after, @$_) - number($before, @$_) } @of;
}
sub decided { my (%labels) = @_; return [oidc_gate_requests_total => provider => $op->issuer, %labels] }

row 'each decision is counted once, by place, method, verdict and reason' => sub {
    my $mallory = ua();
    $op->user('alice');
    is_deeply [grows(sub { login($alice, '/app/x', user => 'alice') },
        decided(location => '/app', method => 'none', decision => 'redirect', reason => 'no_credential'),
        decided(location => '/app', method => 'code', decision => 'allow', reason => 'ok'),
        [oidc_gate_requests_total => location => '-', decision => 'login'])], [1, 1, 1], 'a login: sent away, come back, let in';
    is_deeply [grows(sub { get($alice, '/app/x') for 1 .. 3 },
        decided(location => '/app', method => 'code', decision => 'allow', reason => 'ok'))], [3], 'three pages';
    is_deeply [grows(sub { login($mallory, '/app/x', user => 'mallory') },
        decided(location => '/app', method => 'code', decision => 'deny', reason => 'claim_mismatch'))], [1], 'a refusal';
    is_deeply [grows(sub { get($mallory, '/watched/x') },
        decided(location => '/watched', method => 'code', decision => 'would_deny', reason => 'claim_mismatch'))], [1], 'on trial';
    is_deeply [grows(sub { get(ua(), '/api/x', bearer('opaque-0')) },
        decided(location => '/api', method => 'introspection', decision => 'deny', reason => 'token_inactive'))], [1], 'a bad token';
    expect_log qr/reason=(?:claim_mismatch|claim_missing|no_credential|token_inactive)/;
};

row 'and what is known of tokens, calls to the provider, and headers that strangers send' => sub {
    my $token = $op->mint;
    my @of = map { ["oidc_gate_cache_${_}_total", cache => 'token'] } qw(misses hits);
    is_deeply [grows(sub { get(ua(), '/api/x', bearer($token)) for 1 .. 3 }, @of)], [1, 2], 'seen first, and seen before';
    my @calls = map { ["oidc_gate_idp_requests_total", provider => $op->issuer, endpoint => 'introspection', status => $_] } qw(2xx 5xx);
    is_deeply [grows(sub { get(ua(), '/api/x', bearer('opaque-1')) }, @calls,
        [oidc_gate_idp_duration_seconds => provider => $op->issuer, endpoint => 'introspection'])], [1, 0, 1], 'a call';
    $op->fault(introspect => status => 500);
    is_deeply [grows(sub { get(ua(), '/api/x', bearer('opaque-2')) }, @calls)], [0, 1], 'one that fails';
    my ($failed) = grep { $_->{endpoint} eq 'introspection' && $_->{provider} eq $op->issuer }
                        @{ numbers()->{oidc_gate_idp_last_failure_timestamp_seconds} };
    ok $failed && abs($failed->{value} - time) < 300, 'and when that was';
    is_deeply [grows(sub { get($alice, '/app/x', 'X-Status-User' => 'root') },
        ['oidc_gate_spoof_stripped_total'])], [1], 'a header';
    expect_log qr/reason=(?:token_inactive|idp_error|idp_rejected_gateway)|stripped client header/;
};

row 'Prometheus gets the text format 0.0.4' => sub {
    my $answer = get(ua(), '/status/local?metrics=');
    status_is $answer, 200;
    is $answer->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8', 'its type';
    like $answer->header('Cache-Control'), qr/no-store/, 'not kept';
    my (%type, %seen, $of);
    for my $line (split /\n/, $answer->content) {
        if ($line =~ /^# (HELP|TYPE) (\w+) (.+)/) {
            fail "$2 has one $1" if $seen{"$1 $2"}++;
            ($of, $type{$2}) = ($2, $3) if $1 eq 'TYPE';
            next;
        }
        my ($name, $labels, $value) = $line =~ /^(\w+?)(\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\d+(?:\.\d+)?)$/
            or fail("a line that can be read: $line"), next;
        $labels //= '';
        fail "$line comes once" if $seen{"$name$labels"}++;
        my $family = $type{$of} eq 'histogram' ? $name =~ s/_(?:bucket|sum|count)$//r : $name;
        fail "$line stands below its TYPE" if $family ne $of;
    }
    is $type{oidc_gate_requests_total}, 'counter', 'a counter';
    is $type{oidc_gate_sessions}, 'gauge', 'a gauge';
    is $type{oidc_gate_idp_duration_seconds}, 'histogram', 'a histogram';
    like $answer->content, qr/^oidc_gate_info\{version="\d+\.\d+"\} 1$/m, 'the version';
    my @buckets = $answer->content =~ /^oidc_gate_idp_duration_seconds_bucket\{provider="\Q@{[$op->issuer]}\E",endpoint="introspection",le="[^"]+"\} (\d+)$/mg;
    is_deeply \@buckets, [sort { $a <=> $b } @buckets], 'each bucket holds those before it';
    is scalar @buckets, 11, 'up to +Inf';
    like $answer->content, qr/^oidc_gate_jwks_age_seconds\{provider="\Q@{[$op->issuer]}\E"\} \d+$/m, 'the age of the keys';
};

row 'nobody is named there, and no path that is not configured' => sub {
    login(ua(), '/app/secret-path?q=1', user => 'alice');
    for my $form ('', '?json', '?metrics') {
        my $text = get(ua(), "/status/local$form")->content;
        unlike $text, qr/alice-sub|alice@|c-web|s3cret|secret-path|opaque-1/, "$form says nothing of that";
    }
};

row 'people get a page' => sub {
    my $page = browse($alice, '/status/known');
    status_is $page, 200;
    like $page->header('Content-Type'), qr{^text/html}, 'HTML';
    like $page->header('Content-Security-Policy'), qr/default-src 'none'; style-src 'sha256-/, 'that lets nothing in';
    like $page->content, qr{<td>/app</td><td>\Q@{[$op->issuer]}\E</td><td>code</td><td>allow</td><td>ok</td>}, 'with the numbers';
    like $page->content, qr{<form method="post" action="/status/known">}, 'and a button for who may press it';
    unlike browse(ua(), '/status/local')->content, qr/<form/, 'and none for others';
    my $head = request(ua(), HEAD => '/status/local?metrics');
    status_is $head, 200, 'HEAD';
    is $head->content, '', 'without a body';
};

row 'whoever has a name or an address may read, anybody may not' => sub {
    status_is get(ua(), "/status/$_?metrics"), 200, "$_: by address" for qw(local address);
    status_is get(ua(), '/status/elsewhere?metrics'), 403, 'from another address';
    expect_log qr/AH01630/;
    status_is request(ua(), GET => url('/', 'metrics') . '?metrics'), 200, 'on a virtual host that guards nothing';
    status_is get(ua(), '/status/known?metrics'), 401, 'without a name';
    for my $place (qw(open not six either trial)) {
        denied get(ua(), "/status/$place?metrics"), 403, "$place: where anybody could, nobody does";
        is deny_line()->{reason}, 'config_error', 'the log says so';
    }
    denied get($alice, '/status/open'), 403, 'not even by name';
    expect_log qr/reason=(?:config_error|no_credential)/;
    log_unlike qr/203\.0\.113|2001:db8/, 'strangers who are only imagined are in no log';
};

row 'an administrator has metadata and keys fetched anew' => sub {
    my $answer = post($alice, '/status/known', [forget => 'metadata'], 'Sec-Fetch-Site' => 'same-origin');
    status_is $answer, 200;
    cmp_ok json($answer)->{fetched}, '>=', 2, 'they came';
    calls_are $op, 'D1 J1';
    log_like qr/allow status=200 .*user=\S+ .*documents fetched anew, as the administrator asked/, 'the log says so';
    my $page = post($alice, '/status/known', [forget => 'metadata'], 'Sec-Fetch-Site' => 'same-origin',
                    'Sec-Fetch-Mode' => 'navigate', 'Sec-Fetch-Dest' => 'document', Accept => 'text/html');
    like $page->content, qr/Documents that came: \d+/, 'a person is told on a page';
};

row 'what cannot be fetched stays as it was' => sub {
    $op->fault(jwks => status => 500);
    my $answer = json(post($alice, '/status/known', [forget => 'metadata'], 'Sec-Fetch-Site' => 'same-origin'));
    my ($ours) = grep { $_->{provider} eq $op->issuer } @{ $answer->{failed} };
    is $ours->{reason}, 'idp_error', 'the answer says what did not come';
    status_is get(ua(), '/api/x', bearer($op->mint)), 200, 'the keys that were there still count';
    expect_log qr/reason=idp_error/;
};

row 'nobody else has that done' => sub {
    my @order = ([forget => 'metadata']);
    denied post(ua(), '/status/local', @order), 403, 'by address alone';
    is deny_line()->{reason}, 'config_error', 'the log says why';
    denied post(ua(), '/status/open', @order), 403, 'anybody';
    status_is post(ua(), '/status/known', @order), 401, 'without a name';
    denied post($alice, '/status/known', @order, Origin => 'https://evil.example'), 403, 'from a page elsewhere';
    denied post($alice, '/status/known', [forget => 'everything'], 'Sec-Fetch-Site' => 'same-origin'), 400, 'something else';
    denied request($alice, PUT => '/status/known', 'Sec-Fetch-Site' => 'same-origin'), 405, 'by another method';
    calls_are $op, '';
    expect_log qr/reason=(?:config_error|cross_site|malformed_request|method_not_allowed|no_credential)/;
};

row 'a graceful restart goes on counting, also where places come and go' => sub {
    my $at = 'http://127.0.0.1:' . port('spare');
    my $with = sub {
        return join "\n", "OIDCGateIssuer $issuer", 'OIDCGateClientID c-web', 'OIDCGateClientSecret s3cret-web',
            (map { "<Location $_>\nAuthType OIDCGate\nRequire valid-user\n</Location>" } @_),
            '<Location /status>', 'SetHandler oidc-gate-status', 'Require local', '</Location>', '';
    };
    my $refused = sub {
        my ($path) = @_;
        my ($count) = get(ua(), "$at/status?metrics")->content
            =~ /^oidc_gate_requests_total\{location="\Q$path\E".*decision="deny",reason="no_credential"\} (\d+)$/m;
        return $count // 0;
    };
    my $server = Gate::Server->new(name => 'status', port => port('spare'), directives => $with->('/one'));
    $server->start;
    # In the server of all tests the sessions of others run out meanwhile.
    my $sessions = sub { return get(ua(), "$at/status?metrics")->content =~ /^oidc_gate_sessions (\d+)$/m ? $1 : 'none' };
    is $sessions->(), 0, 'no session';
    login(ua(), "$at/one");
    is $sessions->(), 1, 'and one';
    get(ua(), "$at/one") for 1 .. 3;
    is $refused->('/one'), 3, 'three refusals';
    my $file = $server->dir . '/httpd.conf';
    my $zero = "<Location /zero>\nAuthType OIDCGate\nRequire valid-user\n</Location>\n";
    write_file($file, slurp($file) =~ s{(?=<Location /one>)}{$zero}r);
    $server->graceful;
    ok until_true(sub { get(ua(), "$at/zero"); $refused->('/zero') }), 'a new place is counted for itself';
    get(ua(), "$at/one");
    is $refused->('/one'), 4, 'and an old one goes on';
    $server->stop;
};

done_testing;
