# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# T-06 of the threat model: a provider that is broken, hijacked or malicious. A matrix: each way to
# misbehave (tests/lib/Gate/Hostile.pm, a row each) at each endpoint that the gate asks. For each cell:
# nobody is let in, the caller gets the answer that belongs to it, the log has the reason, the gate's
# own deadline ends what would not end by itself, nothing is asked elsewhere, no memory is left behind,
# and an honest answer afterwards works at once, or as soon as a failure is remembered no longer. Each
# liar is a provider of its own, so that all of them can lie at the same time.
use Gate::Test;

use Time::HiRes qw(sleep);

use Gate::Hostile qw(hostile_answers);

=httpd

<Macro Liar $number $total>
    <Location /$number>
        AuthType OIDCGate
        OIDCGateIssuer       @op@/$number
        OIDCGateClientID     c-web
        OIDCGateClientSecret file:@secrets@/c-web
        OIDCGateHTTP         connect=1s total=$total maxbody=256K
        OIDCGateUserinfo     login
        OIDCGateLogout       revoke=On
        OIDCGateHeader       X-Token "%{access_token}"
        Require valid-user
        ProxyPass @backend@
    </Location>
    <Location /$number/api>
        OIDCGateMethods  bearer
        OIDCGateAudience api://default
    </Location>
    <Location /$number/asked>
        OIDCGateMethods introspection
        OIDCGateCache   introspection=0 negative=0
    </Location>
    <Location /$number/batch>
        OIDCGateMethods client_credentials
        OIDCGateCache   token=0 negative=0
    </Location>
</Macro>
<Macro TenLiars $tens>
    Use Liar $tens0 5s
    Use Liar $tens1 5s
    Use Liar $tens2 5s
    Use Liar $tens3 5s
    Use Liar $tens4 5s
    Use Liar $tens5 5s
    Use Liar $tens6 5s
    Use Liar $tens7 5s
    Use Liar $tens8 5s
    Use Liar $tens9 5s
</Macro>
# those who take their time
Use Liar 100 1s
Use Liar 101 1s
Use TenLiars 11
Use TenLiars 12
Use TenLiars 13
Use TenLiars 14
Use TenLiars 15

=httpd second

Use TenLiars 16
Use TenLiars 17
Use TenLiars 18
Use TenLiars 19
Use TenLiars 20
Use TenLiars 21

=cut

my $op = provider();
my $backend = backend();
my $elsewhere = $op->tenant('elsewhere');
my $LANES = 12;
my $REMEMBERED = 6;    # seconds: longer than a failure counts

# In one virtual host or the other; those who take their time have a short deadline.
my %next = (late => 100, others => 110);
my @liars = map {
    my ($name, $kind, $fault) = @$_;
    my $number = $next{ $kind eq 'late' ? 'late' : 'others' }++;
    +{ name => $name, kind => $kind, fault => $fault, number => $number, host => $number < 160 ? '' : 'second' };
} hostile_answers($elsewhere->issuer . '/introspect');
my %liar = map { $_->{number} => $_ } @liars;
my $MANY = @liars;

# --- what each endpoint makes of each kind of answer ---

my @IDP_ERROR = (503, 'idp_error');
my %USUAL = (none => [@IDP_ERROR], object => [@IDP_ERROR], status => [@IDP_ERROR], refusal => [@IDP_ERROR],
             late => [503, 'idp_timeout']);
my @REJECTED = (502, 'idp_rejected_gateway');
my %ANSWER = (
    discovery     => { object => [502, 'idp_unsuitable'] },
    keys          => {},
    'back channel' => {},
    introspection => { object => [401, 'token_inactive'],
                       map { ("status $_" => [401, 'idp_rejected_gateway']) } 400, 401, 403 },
    code          => { refusal => [@REJECTED] },
    'client credentials' => { refusal => [@REJECTED], 'status 401' => [401, 'invalid_client'] },
    userinfo      => { object => [401, 'subject_mismatch'], map { ("status $_" => [@REJECTED]) } 401, 403 },
    refresh       => { refusal => [401, 'refresh_failed'], 'status 401' => [@REJECTED] },
    revocation    => { map { $_ => [303, 'ok'] } keys %USUAL },
);

sub expected {
    my ($endpoint, $liar) = @_;
    my %here = (%USUAL, %{ $ANSWER{$endpoint} });
    return @{ $here{ $liar->{name} } // $here{ $liar->{kind} } };
}

# --- asking many at once ---

sub at { my ($liar, $path) = @_; return url("/$liar->{number}$path", $liar->{host}) }
sub at_gate { my ($liar, $path) = @_; return url("/oidc-gate/$path", $liar->{host}) }
sub provider_of { my ($liar) = @_; return $op->tenant($liar->{number}) }

# Does the same with every liar, in some processes at once; all that it returns, in one list.
sub with_all {
    my ($do) = @_;
    return map { ref $_ ? @$_ : die "$_\n" } parallel($LANES, sub {
        my ($lane) = @_;
        return [map { $do->($_, provider_of($_)) } grep { $_->{number} % $LANES == $lane % $LANES } @liars];
    });
}

# An answer, made small for the way back.
sub cell {
    my ($endpoint, $liar, $response, %more) = @_;
    $response //= HTTP::Response->new(0, 'this was not even reached');
    my $text = $response->content;
    my ($id) = $text =~ m{(?:"request_id":"|<dt>Request</dt><dd>)([\w.-]+)};
    return { endpoint => $endpoint, number => $liar->{number}, status => $response->code, id => $id,
             protected => scalar($text =~ /PROTECTED-CONTENT/), %more };
}

# An honest answer after a lie: what was got, and what is due.
sub recovery {
    my ($endpoint, $liar, $response, $due) = @_;
    return cell($endpoint, $liar, $response, due => $due);
}

sub reasons {
    my %of;
    for my $line (grep { /\brid=/ } log_lines()) {
        my $field = Gate::Log::fields($line);
        $of{ $field->{rid} } = $field;
    }
    return \%of;
}

# Each cell against the table.
sub judge {
    my (@cells) = @_;
    my $logged = reasons();
    my (%count, %wrong);
    for my $cell (@cells) {
        my $liar = $liar{ $cell->{number} };
        my $endpoint = $cell->{endpoint};
        my ($status, $reason) = defined $cell->{due} ? ($cell->{due}) : expected($endpoint, $liar);
        my $field = $logged->{ $cell->{id} // '' } // {};
        $count{$endpoint}++;
        my @bad;
        push @bad, "status $cell->{status}, not $status" if $cell->{status} != $status;
        push @bad, 'reason ' . ($field->{reason} // 'none') . ", not $reason"
            if defined $reason && $reason ne 'ok' && ($field->{reason} // '') ne $reason;
        push @bad, 'protected content' if $cell->{protected} && $status != 200;
        push @bad, $cell->{wrong} if $cell->{wrong};
        push @{ $wrong{$endpoint} }, (defined $cell->{due} ? 'after ' : '') . "$liar->{name}: @bad" if @bad;
    }
    for my $endpoint (sort keys %count) {
        ok !$wrong{$endpoint}, "$endpoint: $count{$endpoint} answers as they should be"
            or diag map { "    $_\n" } @{ $wrong{$endpoint} };
    }
    expect_log qr/reason=(?:idp_\w+|token_inactive|invalid_client|subject_mismatch|refresh_failed|state_unknown|session_expired)\b/;
    return;
}

# --- one look at each endpoint ---

sub notify {
    my ($liar, $provider) = @_;
    my $token = $provider->mint(kind => 'logout', client => 'c-web', claims => { sub => 'nobody' });
    return post(ua(), at_gate($liar, 'backchannel-logout'), [logout_token => $token]);
}

# A person signs in, up to the answer of the callback.
sub come_back {
    my ($ua, $liar) = @_;
    return call_back($ua, at_provider($ua, start_login($ua, at($liar, '/x'))));
}
sub ask {
    my ($liar, $path, $provider, %token) = @_;
    return get(ua(), at($liar, $path), bearer($provider->mint(user => 'alice', %token)));
}
sub batch { my ($liar) = @_; return get(ua(), at($liar, '/batch'), basic('c-api', 's3cret')) }
sub cookie_text { my ($ua) = @_; return join '; ', map { "$_->{name}=$_->{value}" } gate_cookies($ua) }

sub one_lie {
    my ($endpoint, $at, $liar, $provider, $do) = @_;
    $provider->honest->fault($at => %{ $liar->{fault} });
    my $cell = cell($endpoint, $liar, $do->());
    $provider->honest;
    return $cell;
}

cmp_ok scalar(@liars), '>=', 60, scalar(@liars) . ' ways to misbehave';

row 'discovery: a document that is none sends nobody anywhere' => sub {
    judge(with_all(sub {
        my ($liar, $provider) = @_;
        return one_lie(discovery => discovery => $liar, $provider, sub { browse(ua(), at($liar, '/x')) });
    }));
    upstream_is 0;
    sleep $REMEMBERED;
};

# The back channel comes second, and is told what the first one heard.
row 'keys: a set that is none vouches for nobody, and what discovery said is forgiven' => sub {
    judge(with_all(sub {
        my ($liar, $provider) = @_;
        return (recovery(discovery => $liar, browse(ua(), at($liar, '/x')), 302),
            one_lie(keys => jwks => $liar, $provider, sub { ask($liar, '/api', $provider) }),
            cell('back channel' => $liar, notify($liar, $provider)));
    }));
    upstream_is 0;
    sleep $REMEMBERED;
};

row 'introspection and client credentials: no answer but an honest yes lets anybody in, and the next one does' => sub {
    judge(with_all(sub {
        my ($liar, $provider) = @_;
        my $token = $provider->mint(kind => 'opaque', user => 'alice');
        my $asked = sub { get(ua(), at($liar, '/asked'), bearer($token)) };
        return (recovery(keys => $liar, ask($liar, '/api', $provider), 200),
            recovery('back channel' => $liar, notify($liar, $provider), 200),
            one_lie(introspection => introspect => $liar, $provider, $asked),
            recovery(introspection => $liar, $asked->(), 200),
            one_lie('client credentials' => token => $liar, $provider, sub { batch($liar) }),
            recovery('client credentials' => $liar, batch($liar), 200));
    }));
    upstream_is 3 * $MANY, 'the backend saw the honest ones alone';
};

my %session;    # of each liar: the cookie of one whose access token ends soon
row 'token, userinfo, revocation: no answer but an honest one signs anybody in, and none keeps anybody from leaving' => sub {
    my @all = with_all(sub {
        my ($liar, $provider) = @_;
        my @cells;
        my $ua = ua();
        push @cells, one_lie(code => token => $liar, $provider, sub { come_back($ua, $liar) });
        $cells[-1]{wrong} = 'a session' if has_gate_session($ua);
        push @cells, recovery(code => $liar, login($ua, at($liar, '/x'))->{page}, 200);
        push @cells, one_lie(revocation => revoke => $liar, $provider, sub { post($ua, at_gate($liar, 'logout'), []) });
        $cells[-1]{wrong} = 'still a session' if has_gate_session($ua);
        push @cells, one_lie(userinfo => userinfo => $liar, $provider, sub { come_back($ua, $liar) });
        $cells[-1]{wrong} = 'a session' if has_gate_session($ua);
        $provider->set(lifetime => 2);
        push @cells, recovery(userinfo => $liar, login($ua, at($liar, '/x'))->{page}, 200);
        $provider->set(lifetime => 300);
        $cells[-1]{cookie} = cookie_text($ua);
        return @cells;
    });
    $session{ $_->{number} } = delete $_->{cookie} for grep { $_->{cookie} } @all;
    judge(@all);
    upstream_is 2 * $MANY, 'the backend saw the honest ones alone';
    sleep 2.1;
};

row 'refresh: no answer but an honest one renews a session' => sub {
    judge(with_all(sub {
        my ($liar, $provider) = @_;
        return one_lie(refresh => token => $liar, $provider, sub {
            get(ua(), at($liar, '/x'), Cookie => $session{ $liar->{number} });
        });
    }));
    upstream_is 0;
    sleep $REMEMBERED;
};

# Whether the refresh token was used up is known only where the answer was whole and no success. Where
# it is not known it is not sent again: the person signs in anew.
row 'refresh: afterwards the same session goes on, or a new one begins' => sub {
    my @all = with_all(sub {
        my ($liar, $provider) = @_;
        my $ua = ua();
        my $same = get($ua, at($liar, '/x'), Cookie => $session{ $liar->{number} });
        my $refused = $liar->{kind} eq 'refusal' && $liar->{name} ne 'status 401';
        my $unspent = !$refused && $liar->{name} =~ /^(?:status (?:401|304|[45]\d\d)|redirect \d|redirect (?:to|without))/;
        return (recovery(refresh => $liar, $same, $unspent ? 200 : 401),
            recovery(refresh => $liar, login($ua, at($liar, '/x'))->{page}, 200));
    });
    judge(@all);
    cmp_ok $op->tenant($_->{number})->state->{reuse}, '==', 0, "$_->{name}: no token was sent twice" for @liars;
};

# --- what is no row of the matrix ---

my $honest = { number => 213, host => 'second' };
my $truth = provider_of($honest);
sub is_asked { my ($token) = @_; return get(ua(), at($honest, '/asked'), bearer($token))->code }

row 'an answer behind an answer is nobody\'s: what is left on a connection is not the next answer' => sub {
    my ($yes, $good, $bad) = ('{"active":true}', map { $truth->mint(kind => 'opaque', user => 'alice') } 1 .. 2);
    $truth->kill_token($bad);
    my $head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
    my @codes = map {
        $truth->fault(introspect => raw => "$head 16\r\n\r\n{\"active\":false}$head 15\r\n\r\n$yes", keep => 1);
        my $lied = is_asked($good);
        $truth->honest;
        ($lied, is_asked($bad));
    } 1 .. 20;
    is_deeply [grep { $_ == 200 } @codes], [], 'twenty times, nobody is let in by what was left over';
    ok until_true(sub { is_asked($good) == 200 }), 'and an honest yes is heard';
    expect_log qr/reason=(?:token_inactive|idp_\w+)/;
};

row 'an honest answer that is cut off at any byte is none' => sub {
    my ($token, $let_in) = ($truth->mint(kind => 'opaque', user => 'alice'), 0);
    my $yes = '{"active":true,"sub":"a\u0062c"}';
    my $whole = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
              . length($yes) . "\r\n\r\n$yes";
    my $ask = sub { my $is = is_asked($token) == 200; $let_in += $is; return $is };
    $truth->fault(introspect => raw => $whole);
    ok until_true($ask, 10), 'whole, it lets in';
    for my $how (qw(truncate reset_after)) {
        my @wrong = grep {
            $truth->fault(introspect => raw => $whole, $how => $_);
            my $is = $ask->();
            $truth->honest;
            until_true($ask, 10) if $_ % 2;      # or the endpoint is left alone for a moment
            $is;
        } 0 .. length($whole) - 1;
        is_deeply \@wrong, [], "$how: " . length($whole) . ' ways';
    }
    upstream_is $let_in, 'nothing but whole answers reached the backend';
    expect_log qr/reason=idp_\w+/;
};

# What the largest process of the server has for itself, in bytes.
sub memory {
    my $parent = slurp(Apache::Test::vars('t_pid_file')) + 0;
    my ($most) = sort { $b <=> $a } map {
        my $status = eval { slurp($_) } // '';
        my ($of) = $status =~ /^PPid:\s+(\d+)/m;
        my ($kilobytes) = defined $of && $of == $parent ? $status =~ /^RssAnon:\s+(\d+)/m : ();
        ($kilobytes // 0) * 1024;
    } glob '/proc/[0-9]*/status';
    return $most;
}

row 'what a provider sends too much of is not kept' => sub {
    plan(skip_all => 'a sanitizer keeps it') if Apache::Test::vars('httpd') =~ /httpd-san/;
    my $token = $truth->mint(kind => 'opaque', user => 'alice');
    my @large = grep { $_->{name} =~ /thousand|mega|bomb|no end|does not end/ } @liars;
    my $round = sub {
        for my $liar (@large) {
            $truth->fault(introspect => %{ $liar->{fault} });
            return 0 if is_asked($token) == 200;
            $truth->honest;
            return 0 unless until_true(sub { is_asked($token) == 200 }, 10);
        }
        return 1;
    };
    ok $round->(), 'a first round of ' . @large;
    my $before = memory();
    ok $round->(), "round $_" for 2 .. 6;
    my $grown = memory() - $before;
    note sprintf 'the largest process has grown by %d KiB', $grown >> 10;
    cmp_ok $grown, '<', 32 << 20, 'five more take less than 32 MB, of ' . 5 * @large . ' and more that were sent';
    expect_log qr/reason=(?:idp_\w+|token_inactive)/;
};

row 'nothing was asked elsewhere' => sub {
    is_deeply $elsewhere->calls, {}, 'no redirect was followed';
    is_deeply [map { $_->{target} } $op->requests('other')], [], 'and no address asked that the provider does not have';
};

done_testing;
