# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# What a hit may cost: instructions and allocations beyond those of httpd without the gate, for the same request. They are counted by
# valgrind, not timed, so they are the same on a busy machine. They do depend on the machine's libraries; what is promised has room
# for that, and the rest is the last measurement and a twenty-fifth.
use Gate::Test;

use Gate::Callgrind ();
use Gate::Client ();

my $mpm = Apache::Test::vars('mpm');
Test::More::plan(skip_all => 'counted in one process with one thread, prefork; and HTTP/2 with event') if $mpm eq 'worker';
Test::More::plan(skip_all => 'sanitizers count for themselves') if Apache::Test::vars('httpd') =~ /httpd-san$/;

# Twelve claims; with tokens of the usual size a session of 3 KB.
sub person {
    my ($name, $groups) = @_;
    return {
        sub => "248289761001-$name", preferred_username => $name, name => 'Alice Liddell', given_name => 'Alice', family_name => 'Liddell',
        email => 'alice.liddell@example.org', email_verified => JSON::PP::true, locale => 'en-GB', zoneinfo => 'Europe/London',
        phone_number => '+44 20 7946 0958', department => 'research', groups => [map { sprintf 'team-%03d', $_ } 1 .. $groups],
    };
}
my %person = map { ("p$_" => person("p$_", $_)) } 20, 100, 400;
my $op = provider(users => \%person, claims_in => { access_token => [] }, secrets_file => undef);

my $vars = Apache::Test::vars();
my $dir = "$vars->{stage}/budget";
mkdir $dir;
my $headers = join '', map { 'OIDCGateHeader X-Claim-' . tr/_/-/r . " %{claim:$_}\n" } sort keys %{ $person{p20} };
my %all = (dir => $dir, httpd => $vars->{httpd}, streams => $mpm eq 'event');
my $guarded = Gate::Callgrind->new(%all, port => port(), gate => $vars->{module}, directives => <<"CONF");
OIDCGateIssuer       @{[$op->issuer]}
OIDCGateClientID     c-web
OIDCGateClientSecret file:$vars->{stage}/secrets/c-web
OIDCGateLimit        address=100000 total=100000
<Location /page.txt>
    AuthType OIDCGate
    Require claim groups:team-011
    OIDCGateMethods  code bearer
    OIDCGateAudience api://default
    $headers
</Location>
<Location /asked.txt>
    AuthType OIDCGate
    Require claim groups:team-011
    OIDCGateMethods introspection
    OIDCGateCache   introspection=0
    $headers
</Location>
CONF
my $plain = Gate::Callgrind->new(%all, port => port('spare'));
$_->start for $plain, $guarded;

# As a program or an old browser asks: what is sent in plain httpd's headers costs it as much.
my @request = (GET => '/page.txt', 'User-Agent' => 'tests/1.0', Accept => '*/*', 'Accept-Language' => 'en');
my $at_provider = Gate::Client->new(port => port('op'));
sub session { my ($user) = @_; return [Cookie => Gate::Client->new(port => port())->sign_in('/page.txt', $at_provider, $user)] }
# The first time a token is judged, and what came of it is filed; the process remembers it from the second on.
sub filed_token {
    my $token = [bearer($op->mint(user => 'p20', claims => $person{p20}))];
    Gate::Callgrind::ask(Gate::Client->new(port => port()), @request, @$token);
    return $token;
}

sub beyond {
    my ($how, @what) = @_;
    my ($with, $without) = map { $_->$how(@what) } $guarded, $plain;
    return { map { $_ => $with->{$_} - $without->{$_} } qw(instructions allocations) };
}

if ($mpm eq 'event') {
    row 'a stream of HTTP/2 costs no more than any other hit' => sub {
        for my $what (['a session', session('p20')], ['a token', filed_token()]) {
            my ($name, $header) = @$what;
            my $cost = beyond('stream_cost', '/page.txt', lc $header->[0] => $header->[1]);
            cmp_ok $cost->{instructions}, '<=', 20_000, "$name: instructions";       # promised
            cmp_ok $cost->{allocations}, '<=', 10, "$name: allocations";             # promised
            note sprintf '%-40s %7d instructions, %d allocations', $name, @$cost{qw(instructions allocations)};
        }
    };
    $_->stop for $plain, $guarded;
    done_testing;
    exit;
}

my %new = (session => [map { session('p20') } 1 .. 5], token => [map { filed_token() } 1 .. 5]);
my %old = map { ($_ => $new{$_}[0]) } keys %new;

my @budget = (
    # what                                  how           request                              instructions
    ['a session, new to the process',       'new_cost',   [@{ $new{session} }, @request],      36_100],
    ['a token, new to the process',         'new_cost',   [@{ $new{token} }, @request],        46_900],
    ['a session, first on its connection',  'first_cost', [@request, @{ $old{session} }],      20_000],    # promised
    ['a token, first on its connection',    'first_cost', [@request, @{ $old{token} }],        20_000],    # promised
    ['a session, again on a connection',    'cost',       [@request, @{ $old{session} }],      20_000],    # promised
    ['a token, again on a connection',      'cost',       [@request, @{ $old{token} }],        20_000],    # promised
);

row 'a hit costs no more than it may' => sub {
    for my $line (@budget) {
        my ($what, $how, $request, $most) = @$line;
        my $cost = beyond($how, @$request);
        cmp_ok $cost->{instructions}, '<=', $most, "$what: instructions";
        cmp_ok $cost->{allocations}, '<=', 10, "$what: allocations";     # promised
        note sprintf '%-40s %7d instructions, %d allocations', $what, @$cost{qw(instructions allocations)};
    }
};

# Beside the check of the signature, which is the library's own: how long that is depends on the processor.
row 'a token seen first costs its signature, and no more than it may' => sub {
    for my $line (['RS256', 254_300], ['ES256', 250_300], ['EdDSA', 234_000]) {
        my ($alg, $most) = @$line;
        my @tokens = map { $op->mint(user => 'p20', claims => $person{p20}, alg => $alg) } 1 .. 2 * Gate::Callgrind::turns();
        my ($with, $without) = map { $_->story_cost(1, sub { Gate::Callgrind::ask($_[0], @request, bearer(shift @tokens)) }) } $guarded, $plain;
        my $beyond = $with->{instructions} - $without->{instructions} - $with->{check};
        cmp_ok $with->{check}, '>', 20_000, "$alg: it is checked";
        cmp_ok $beyond, '<=', $most, "$alg: instructions beyond that";
        note sprintf '%-40s %7d instructions beyond the check, which takes %d', "a token seen first, $alg", $beyond, $with->{check};
    }
};

# Each asks anew: a token that nobody has seen, and a whole login with its three requests.
my $provider = Gate::Client->new(port => port('op'));
my @stories = (
    # what                          requests  what is done                                                               instructions
    ['an introspection, not cached',       1, sub { Gate::Callgrind::ask($_[0], GET => '/asked.txt', @request[2 .. $#request],
                                                                         bearer($op->mint(kind => 'opaque', user => 'p20', claims => $person{p20}))) }, 287_500],
    ['a login, start to session',          3, sub { Gate::Callgrind::ask($_[0], @request, Cookie => $_[0]->sign_in('/page.txt', $provider, 'p20')) },   1_254_100],
);
row 'asking the provider costs no more than it may' => sub {
    my $page = $plain->cost(@request)->{instructions};
    for my $line (@stories) {
        my ($what, $requests, $story, $most) = @$line;
        my $beside = $guarded->story_cost($requests, $story)->{instructions} - $requests * $page;
        cmp_ok $beside, '<=', $most, "$what: instructions";
        note sprintf '%-40s %7d instructions', $what, $beside;
    }
};

# What is remembered is copied, and callgrind counts each byte of what is longer than a page.
row 'and grows no faster than the list of groups' => sub {
    my (%new_cost, %cost);
    for my $groups (20, 100, 400) {
        my @sessions = map { session("p$groups") } 1 .. 3;
        $new_cost{$groups} = beyond('new_cost', @sessions, @request)->{instructions};
        $cost{$groups} = beyond('first_cost', @request, @{ $sessions[0] })->{instructions};
    }
    note join ', ', map { "$_ groups: $new_cost{$_} instructions, then $cost{$_}" } 20, 100, 400;
    cmp_ok +($new_cost{400} - $new_cost{100}) / 300, '<=', 1.5 * ($new_cost{100} - $new_cost{20}) / 80, 'each of 400 costs what each of 100 does';
    cmp_ok +($cost{400} - $cost{20}) / 380, '<=', 50, 'and next to nothing when they are remembered';
};

# From then on all sessions are asked whether they are among those that were ended.
row 'nor more when somebody was signed out by the provider' => sub {
    my $token = $op->mint(kind => 'logout', client => 'c-web', user => 'p400');
    status_is post(ua(), url('/oidc-gate/backchannel-logout'), [logout_token => $token], Connection => 'close'), 200;
    my $cost = beyond('first_cost', @request, @{ $old{session} });
    cmp_ok $cost->{instructions}, '<=', 20_000, 'a session, first on its connection: instructions';     # promised
    cmp_ok $cost->{allocations}, '<=', 10, 'and allocations';                                           # promised
    note "$cost->{instructions} instructions, $cost->{allocations} allocations";
};

$_->stop for $plain, $guarded;
done_testing;
