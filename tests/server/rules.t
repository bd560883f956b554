# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Gate rules within httpd's own: containers, other names, negations; and the rules that scenario 4 does not have.
use Gate::Test;

=httpd main

<AuthzProviderAlias claim is-staff groups:staff>
</AuthzProviderAlias>
<AuthzProviderAlias oidc-group is-banned banned>
    # Whatever stands here is httpd's.
    AuthName "banned"
</AuthzProviderAlias>

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Macro Guarded>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience any
    ProxyPass @backend@
</Macro>

<Location /alias>
    Use Guarded
    Require is-staff
</Location>

<Location /alias-any>
    Use Guarded
    <RequireAny>
        Require is-staff
        Require claim groups:boss
    </RequireAny>
</Location>

<Location /alias-none>
    Use Guarded
    <RequireAll>
        Require all granted
        <RequireNone>
            Require is-banned
        </RequireNone>
    </RequireAll>
</Location>

<Location /none>
    Use Guarded
    <RequireAll>
        Require all granted
        <RequireNone>
            Require claim groups:banned
            Require scope expelled
            Require claim level<=0
        </RequireNone>
    </RequireAll>
</Location>

<Location /none-without>
    Use Guarded
    <RequireAll>
        Require all granted
        <RequireNone>
            Require no-claim act
        </RequireNone>
    </RequireAll>
</Location>

<Location /address>
    Use Guarded
    <RequireAny>
        Require is-staff
        Require ip 127.0.0.1
    </RequireAny>
</Location>

<Location /nested>
    Use Guarded
    <RequireAll>
        Require claim groups:staff
        <RequireAny>
            Require claim level>=3
            <RequireAll>
                Require role admin
                Require no-claim act
            </RequireAll>
        </RequireAny>
    </RequireAll>
</Location>

<Location /audience>
    Use Guarded
    Require audience "https://api.example/ https://other.example/" internal
</Location>

<Location /number>
    Use Guarded
    Require claim level>=3 https://x.io/level<=-0.5
</Location>

<Location /without>
    Use Guarded
    Require no-claim act may_act
</Location>

<Location /people>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience any
    Require oidc-method code
    ProxyPass @backend@
</Location>

<Location /own-token>
    AuthType OIDCGate
    Require no-claim at:act
    ProxyPass @backend@
</Location>

<Location /pass-without>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated pass
    Require no-claim act
    ProxyPass @backend@
</Location>

<Location /long>
    Use Guarded
    Require oidc-claim groups:staff groups~(?i)^boss$
</Location>

# An expression that a caller can lead astray for longer than PCRE goes on; behind it what is to be found.
<Location /astray>
    Use Guarded
    <RequireAll>
        Require all granted
        <RequireNone>
            Require claim name~^(?:a+)+!|banned$
        </RequireNone>
    </RequireAll>
</Location>
<Location /astray-any>
    Use Guarded
    <RequireAny>
        Require claim name:x
        Require claim name~^(?:a+)+!|banned$
        Require claim groups:staff
    </RequireAny>
</Location>

<Location /theirs>
    Use Guarded
    <RequireAny>
        Require user bob
        Require ip 192.0.2.1
    </RequireAny>
</Location>

Alias /htaccess @docs@/rules-htaccess
<Directory @docs@/rules-htaccess>
    AllowOverride AuthConfig
</Directory>
<Location /htaccess>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience any
</Location>

=cut

my $op = provider();
my $backend = backend();
my $DOCS = Apache::Test::vars('documentroot');

sub asks { my ($path, %claims) = @_; return get(ua(), $path, bearer($op->mint(claims => { sub => 'somebody', %claims })))->code }

# The rule that refused, and what the claim was.
sub why { my $line = deny_line(); return "$line->{reason}: $line->{rule}: $line->{detail}" }

row 'AuthzProviderAlias gives a rule another name' => sub {
    denied get(ua(), '/alias/x'), 401, 'nobody';
    is asks('/alias/x', groups => 'staff'), 200, 'who meets it';
    is asks('/alias/x', groups => 'x'), 403, 'who does not';
    is why(), q(claim_mismatch: claim groups:staff: groups is 'x'), 'the log has the rule itself';
    is asks('/alias-any/x', groups => 'boss'), 200, 'beside another rule';
    is asks('/alias-any/x', groups => 'staff'), 200, 'it still counts';
    is asks('/alias-any/x'), 403, 'neither';
};

row 'a rule in RequireNone keeps out whom it names, and nobody gets in by not signing in' => sub {
    for my $path ('/none/x', '/alias-none/x') {
        $backend->reset;
        denied get(ua(), $path), 401, "$path: nobody";
        is asks($path, groups => ['staff', 'banned']), 403, 'the banned';
        is asks($path, groups => ['staff']), 200, 'others';
    }
    is asks('/none/x', scope => 'read expelled'), 403, 'by scope';
    is asks('/none/x', level => -1), 403, 'by number';
    is asks('/none/x', level => 1), 200, 'another number';
    denied do { $backend->reset; get(ua(), '/none-without/x') }, 401, 'nobody has no claim, but is nobody';
    is asks('/none-without/x'), 403, 'who has not the claim that must be there';
    is asks('/none-without/x', act => { sub => 'x' }), 200, 'who has it';
    expect_log qr/deny status=40[13]/;
};

row 'an address beside a rule opens, whether or not the rule comes first' => sub {
    is get(ua(), '/address/x')->code, 200, 'nobody, from there';
    is asks('/address/x', groups => 'x'), 200, 'somebody, from there';
};

row 'containers within containers' => sub {
    is asks('/nested/x', groups => 'staff', level => 3), 200, 'staff and level';
    is asks('/nested/x', groups => 'staff', roles => ['admin']), 200, 'staff, and admin who acts for nobody';
    is asks('/nested/x', groups => 'staff', roles => ['admin'], act => {}), 403, 'admin who acts for somebody';
    is asks('/nested/x', groups => 'x', level => 3), 403, 'level alone';
    is asks('/nested/x', groups => 'staff', level => '3'), 403, 'a text is no number';
    expect_log qr/deny status=403/;
};

row 'Require audience' => sub {
    is asks('/audience/x', aud => ['https://other.example/', 'https://api.example/']), 200, 'both';
    is asks('/audience/x', aud => 'internal'), 200, 'the other';
    is asks('/audience/x', aud => 'https://api.example/'), 403, 'one of two';
    is why(), q(claim_mismatch: audience \\x22https://api.example/ https://other.example/\\x22 internal: aud is 'https://api.example/')
        =~ s/\\x/\\\\x/gr, 'the log';
};

row 'numbers' => sub {
    is asks('/number/x', level => $_), 200, "$_ is enough" for 3, 3.5, 1e9;
    is asks('/number/x', 'https://x.io/level' => $_), 200, "$_ is little enough" for -1, -0.5;
    is asks('/number/x', level => 2.99), 403, 'not enough';
    is why(), 'claim_mismatch: claim level>=3 https://x.io/level<=-0.5: level is 2.99; there is no claim https://x.io/level (claims are known from access_token)', 'the log';
    is asks('/number/x', level => $_), 403, 'no number' for '4', \1, undef, [], { level => 4 };
    expect_log qr/reason=claim_m/;
};

row 'a claim that must be absent: somebody must be known, and what there is must be known' => sub {
    is asks('/without/x'), 200, 'absent';
    is asks('/without/x', act => $_), 403, 'there' for { sub => 'x' }, '', undef, \0, [];
    is asks('/without/x', may_act => 1), 403, 'the other';
    is why(), 'claim_mismatch: no-claim act may_act: may_act is 1', 'the log';
    $backend->reset;
    denied get(ua(), '/without/x'), 401, 'nobody has no claims, and may not pass';
    denied get(ua(), '/pass-without/x'), 401, 'nor by permission to be nobody';
    expect_log qr/deny status=40[13]/;
};

row 'what an opaque token says is not known, and so not absent' => sub {
    status_is login(ua(), '/own-token/x')->{page}, 200, 'a JWT that does not say it';
    $op->set(access_token => 'opaque');
    $backend->reset;
    denied login(ua(), '/own-token/x')->{page}, 403, 'an opaque one';
    is why(), 'claims_unavailable: no-claim at:act: there is no claim act of access_token (claims are known from id_token)', 'the log';
    $op->set(access_token => 'jwt');
};

row 'Require oidc-method' => sub {
    status_is login(ua(), '/people/x')->{page}, 200, 'a person';
    is asks('/people/x'), 403, 'a program';
    is why(), 'rule_refused: oidc-method code: the method is bearer', 'the log';
    is asks('/long/x', groups => 'staff'), 200, 'and rules by their long names';
    is asks('/long/x'), 403, 'refuse too';
    is deny_line('claim_missing')->{rule}, 'claim groups:staff groups~(?i)^boss$', 'by their short ones';
    is asks('/long/x', groups => 'Boss'), 200, 'an expression may ignore case';
    is asks('/long/x', groups => 'Staff'), 403, 'a value does not';
};

row 'an expression that gives up refuses, in whatever container' => sub {
    is asks('/astray/x', name => 'banned'), 403, 'the banned';
    is asks('/astray/x', name => 'aaa'), 200, 'others';
    my $long = 'a' x 40 . '?banned';
    is asks('/astray/x', name => $long), 403, 'who leads the expression astray does not get in by it';
    like why(), qr/^rule_undecided: claim name~.*: name is 'aaaa/, 'the log';
    is asks('/astray-any/x', name => $long, groups => 'staff'), 403, 'nor is 500 the answer';
    is deny_line('rule_undecided')->{status}, 403, 'the log';
};

row "a rule of httpd's own refuses somebody" => sub {
    is asks('/theirs/x', sub => 'alice'), 403;
    my $line = deny_line('rule_refused');
    like $line->{detail}, qr/another module; LogLevel authz_core:debug/, 'the log says where to look';
    ok !defined $line->{rule}, 'and blames no gate rule';
    is asks('/theirs/x', sub => 'bob'), 200, 'or lets pass';
};

row 'a .htaccess has its rules, and its negations are no way in' => sub {
    mkdir "$DOCS/rules-htaccess";
    write_file("$DOCS/rules-htaccess/page.txt", "PAGE\n", 0644);
    my $says = sub { write_file("$DOCS/rules-htaccess/.htaccess", "$_[0]\n", 0644) };
    $says->('Require is-staff');
    is get(ua(), '/htaccess/page.txt')->code, 401, 'nobody';
    is asks('/htaccess/page.txt', groups => 'staff'), 200, 'staff';
    $says->("<RequireAll>\nRequire all granted\n<RequireNone>\nRequire is-banned\n</RequireNone>\n</RequireAll>");
    is get(ua(), '/htaccess/page.txt')->code, 401, 'RequireNone: nobody';
    is asks('/htaccess/page.txt', groups => 'banned'), 403, 'the banned';
    is asks('/htaccess/page.txt'), 200, 'others';
    for my $rule ('is-banned', 'claim groups:banned') {
        $says->("<RequireAll>\nRequire all granted\nRequire not $rule\n</RequireAll>");
        is get(ua(), '/htaccess/page.txt')->code, 500, "not $rule is refused";
    }
    expect_log qr/deny status=40[13]/, qr/a negated gate rule would admit whoever does not sign in/;
};

row 'negated rules are refused where they stand, by whatever name, with the way to say it' => sub {
    my $section = sub { <<"CONF" };
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<AuthzProviderAlias claim aliased groups:banned>
</AuthzProviderAlias>
<Location /x>
    AuthType OIDCGate
    <RequireAll>
        Require valid-user
        $_[0]
    </RequireAll>
</Location>
CONF
    my @rules = ('claim a:b', 'scope a', 'role a', 'group a', 'audience a', 'no-claim a', 'acr a', 'auth-age 5m');
    for my $rule (@rules, (map { "oidc-$_" } @rules), 'oidc-method code', 'aliased', q(expr "%{OIDC:a} == 'b'")) {
        config_fails $section->("Require not $rule"),
            qr/Require not \Q$rule\E.*would admit whoever does not sign in.*<RequireNone> beside one that asks people to sign in/,
            "Require not $rule";
        config_ok $section->("<RequireNone>\nRequire $rule\n</RequireNone>"), "$rule within RequireNone";
    }
    config_ok $section->('Require not ip 10.0.0.0/8'), "other modules' rules may be negated";
    config_ok $section->('Require not user mallory'), 'even those about names';
};

done_testing;
