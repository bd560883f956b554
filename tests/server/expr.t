# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# %{OIDC:path} in httpd's own expressions, wherever httpd has them; and what the access log is told of a decision.
use Gate::Test;

=httpd main

<AuthzProviderAlias expr not-banned "%{OIDC:groups} != 'banned'">
</AuthzProviderAlias>

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

CustomLog "@logs@/expr-decisions.log" "%U %>s verdict=%<{OIDCGATE_VERDICT}e reason=%<{OIDCGATE_REASON}e method=%<{OIDCGATE_METHOD}e provider=%<{OIDCGATE_PROVIDER}e client=%<{OIDCGATE_CLIENT}e cache=%<{OIDCGATE_CACHE}e calls=%<{OIDCGATE_CALLS}e rule=\"%<{OIDCGATE_RULE}e\" id=%<{OIDCGATE_ID}e mail=%<{MAIL}e"
CustomLog "@logs@/expr-alice.log" "%U" "expr=%{OIDC:sub} == 'alice-sub'"

# Asked before anybody is known.
SetEnvIfExpr "%{OIDC:sub} == ''" EARLY=nobody
RewriteEngine On
RewriteCond expr "%{OIDC:sub} == ''"
RewriteRule ^/early - [E=REWRITTEN_EARLY:nobody]
RequestHeader set X-Expr-Too-Early "expr=<%{OIDC:sub}>" early

<Macro Bearer>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    ProxyPass @backend@
</Macro>

<Location /headers>
    Use Bearer
    Require valid-user
    OIDCGateEnv   MAIL "%{claim:email}" encode=percent
    RequestHeader set X-Expr-Mail   "expr=%{OIDC:email}"
    RequestHeader set X-Expr-Groups "expr=<%{OIDC:groups}>"
    RequestHeader set X-Expr-Roles  "expr=<%{OIDC:realm_access.roles}>"
    RequestHeader set X-Expr-Url    "expr=<%{OIDC:https://x.io/level}>"
    RequestHeader set X-Expr-Sub    "expr=<%{OIDC:sub}>"
    RequestHeader set X-Expr-Missing "expr=<%{OIDC:nowhere}>"
    RequestHeader set X-Expr-Escaped "expr=%{escape:%{OIDC:email}}"
    RequestHeader set X-Expr-Staff  yes "expr='staff' in OIDC('groups')"
    Header        set X-Mine   "expr=<%{OIDC:email}>"
</Location>

<Location /pins>
    AuthType OIDCGate
    OIDCGateUserinfo login
    Require valid-user
    RequestHeader set X-Expr-Id       "expr=<%{OIDC:id:team}>"
    RequestHeader set X-Expr-Userinfo "expr=<%{OIDC:userinfo:team}>"
    RequestHeader set X-Expr-At       "expr=<%{OIDC:at:team}>"
    RequestHeader set X-Expr-First    "expr=<%{OIDC:team}>"
    ProxyPass @backend@
</Location>

<Location /open>
    RequestHeader set X-Expr-Sub "expr=<%{OIDC:sub}>"
    ProxyPass @backend@
</Location>

<Location /pass>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated pass
    Require all granted
    RequestHeader set X-Expr-Sub "expr=<%{OIDC:sub}>"
    ProxyPass @backend@
</Location>

<Location /documented>
    Use Bearer
    Require claim groups:staff
    ErrorDocument 403 /public/no-access.html
</Location>

<Location /early>
    Use Bearer
    Require valid-user
    RequestHeader set X-Early     "%{EARLY}e" env=EARLY
    RequestHeader set X-Rewritten "%{REWRITTEN_EARLY}e" env=REWRITTEN_EARLY
</Location>

<Location /rewritten>
    Use Bearer
    Require valid-user
    RewriteEngine On
    RewriteCond expr "'staff' in OIDC('groups') && %{OIDC:email} =~ /@example\.org$/"
    RewriteRule .* - [E=STAFF:yes]
    RequestHeader set X-Expr-Staff "%{STAFF}e" env=STAFF
</Location>

Alias /parts @docs@/expr-parts
<Directory @docs@/expr-parts>
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
</Directory>
<Location /parts>
    AuthType OIDCGate
    Require valid-user
</Location>

=cut

my $op = provider();
my $backend = backend();
my $LOGS = Apache::Test::vars('t_logs');
my $DOCS = Apache::Test::vars('documentroot');

# A program with a token of these claims.
sub with_claims {
    my ($path, %claims) = @_;
    return get(ua(), $path, bearer($op->mint(claims => { sub => 'somebody', %claims })));
}

sub told { my ($name) = @_; return join '|', $backend->got($name) }

# The last line of an access log; httpd writes it when the answer is already on its way.
sub last_line {
    my ($file, $like) = @_;
    return until_true(sub { -e "$LOGS/$file" && (grep { $_ =~ $like } split /^/, slurp("$LOGS/$file"))[-1] }) // '';
}

row 'RequestHeader and Header say what the claims are' => sub {
    my $answer = with_claims('/headers/x', email => 'a@example.org', groups => ['staff', 'ops'], realm_access => { roles => ['admin'] },
                             'https://x.io/level' => 7);
    status_is $answer, 200;
    is told('X-Expr-Mail'), 'a@example.org', 'a text';
    is told('X-Expr-Groups'), '<staff,ops>', 'a list';
    is told('X-Expr-Roles'), '<admin>', 'a path';
    is told('X-Expr-Url'), '<7>', 'a number, by a name that is a URL';
    is told('X-Expr-Sub'), '<somebody>', 'who it is';
    is told('X-Expr-Missing'), '<>', 'what is not there is empty';
    is told('X-Expr-Staff'), 'yes', 'a member of a list';
    is $answer->header('X-Mine'), '<a@example.org>', 'the answer';
};

row 'a list is its members, and no member reads like two' => sub {
    with_claims('/headers/x', groups => ['ops,staff', 'x']);
    is told('X-Expr-Staff'), '', 'a member with a comma is one';
    is told('X-Expr-Groups'), '<ops\x2cstaff,x>', 'and is written as one';
    with_claims('/headers/x', groups => 'staff');
    is told('X-Expr-Staff'), 'yes', 'a text is its own member';
    with_claims('/headers/x', groups => ['STAFF', 'staff2', { staff => 1 }, 'staff ', undef]);
    is told('X-Expr-Staff'), '', 'none of these is staff';
    with_claims('/headers/x', groups => []);
    is told('X-Expr-Groups'), '<>', 'no members';
};

row 'a claim cannot put lines into a header' => sub {
    my $answer = with_claims('/headers/x', email => "a\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1", groups => ["b\nX-Evil: 2", "\x7f\t"]);
    is told('X-Expr-Mail'), 'a\x0d\x0aX-Evil: 1\x0d\x0a\x0d\x0aGET /evil HTTP/1.1', 'it stays one line';
    is told('X-Expr-Escaped'), 'a%5cx0d%5cx0aX-Evil:%201%5cx0d%5cx0a%5cx0d%5cx0aGET%20/evil%20HTTP/1.1', 'nor is it one for a function of httpd';
    is told('X-Expr-Groups'), '<b\x0aX-Evil: 2,\x7f\x09>', 'so does a member';
    is told('X-Expr-Evil'), '', 'there is no other header';
    ok !defined $answer->header('X-Expr-Evil'), 'nor in the answer';
    upstream_is 1;
};

row 'RFC 9700 4.15: a client that has got itself a name is nobody of that name' => sub {
    $backend->reset;
    status_is with_claims('/headers/x', sub => 'alice', client_id => 'alice'), 200;
    is told('X-Expr-Sub'), '<>', 'it has no subject';
};

row 'a pin says whose claim is meant' => sub {
    $op->set(claims_in => { id_token => ['name'], userinfo => ['team'], access_token => ['team'] });
    $op->user(pinned => { name => 'P', team => 'red' });
    status_is login(ua(), '/pins/x', user => 'pinned')->{page}, 200;
    is told('X-Expr-Id'), '<>', 'id:';
    is told('X-Expr-Userinfo'), '<red>', 'userinfo:';
    is told('X-Expr-At'), '<red>', 'at:';
    is told('X-Expr-First'), '<red>', 'the first that says it';
    $op->set(claims_in => undef);
    $op->user('alice');
};

row 'where nobody is known it is empty, whatever is sent' => sub {
    my $alice = ua();
    login($alice, '/pins/x');
    get($alice, '/pass/x');
    is told('X-Expr-Sub'), '<alice-sub>', 'where who comes may be somebody, she is';
    get($alice, '/open/x', 'X-Expr-Sub' => 'admin');
    is told('X-Expr-Sub'), '<>', 'an open place';
    get(ua(), '/pass/x');
    is told('X-Expr-Sub'), '<>', 'nobody, by permission';
};

row 'before authentication it is empty: SetEnvIfExpr, RewriteCond of a server, RequestHeader early' => sub {
    status_is with_claims('/early/x'), 200;
    is told('X-Early'), 'nobody', 'SetEnvIfExpr';
    is told('X-Rewritten'), 'nobody', 'RewriteCond';
    is told('X-Expr-Too-Early'), '<>', 'RequestHeader early';
};

row 'RewriteCond in a Location is asked afterwards' => sub {
    with_claims('/rewritten/x', email => 'a@example.org', groups => ['staff']);
    is told('X-Expr-Staff'), 'yes', 'both';
    with_claims('/rewritten/x', email => "a\@example.org\n", groups => ['staff']);
    is told('X-Expr-Staff'), '', 'a line end is part of the value';
    with_claims('/rewritten/x', email => 'a@example.org');
    is told('X-Expr-Staff'), '', 'without the group';
};

write_file("$DOCS/expr-parts/who.shtml", <<'PAGE') if mkdir "$DOCS/expr-parts";
<!--#if expr="%{OIDC:sub} == 'alice-sub'" -->it is she<!--#else -->somebody else<!--#endif -->
PAGE

row 'a page with conditions' => sub {
    like login(ua(), '/parts/who.shtml')->{page}->content, qr/it is she/, 'alice';
    like login(ua(), '/parts/who.shtml', user => 'mallory')->{page}->content, qr/somebody else/, 'mallory';
};

row 'CustomLog: a condition, and what is said of each decision' => sub {
    with_claims('/headers/alice', sub => 'alice-sub');
    with_claims('/headers/other');
    like last_line('expr-decisions.log', qr{/headers/other}), qr{ 200 verdict=allow reason=ok method=bearer }, 'allowed';
    ok last_line('expr-alice.log', qr{^/headers/alice$}), 'a condition that holds';
    unlike slurp("$LOGS/expr-alice.log"), qr{/headers/other}, 'and one that does not';

    my $token = $op->mint(claims => { sub => 'x', client_id => 'batch', email => "evil\n\"x" });
    status_is get(ua(), '/headers/first', bearer($token)), 200;
    status_is get(ua(), '/headers/again', bearer($token)), 200;
    my $line = last_line('expr-decisions.log', qr{/headers/again});
    like $line, qr{ mail=evil%0A%22x$}, "a claim, by OIDCGateEnv";
    like $line, qr{ provider=\Q@{[$op->issuer]}\E client=batch cache=hit calls=0 rule="-" id=\S{8,}}, 'provider, client, cache, calls, id';
    unlike slurp("$LOGS/expr-decisions.log"), qr/^x"|\Q$token\E/m, 'no claim breaks the line, and no token is in it';
};

row 'CustomLog: refusals' => sub {
    my $nobody = get(ua(), '/headers/nobody');
    status_is $nobody, 401;
    like last_line('expr-decisions.log', qr{/headers/nobody}), qr{ 401 verdict=deny reason=no_credential method=- provider=\S+ client=- }, 'nobody';
    browse(ua(), '/pins/sent-away');
    like last_line('expr-decisions.log', qr{/pins/sent-away}), qr{ 302 verdict=redirect reason=no_credential }, 'sent to the provider';
    get(ua(), '/pass/anybody');
    like last_line('expr-decisions.log', qr{/pass/anybody}), qr{ 200 verdict=allow reason=no_credential method=- }, 'nobody, by permission';
    get(ua(), '/open/anybody');
    like last_line('expr-decisions.log', qr{/open/anybody}), qr{ 200 verdict=- reason=- method=- .* id=- }, 'no decision at all';
    expect_log qr/reason=no_credential/;
};

row 'CustomLog: what was decided, whatever page is shown instead' => sub {
    my $answer = with_claims('/documented/x', groups => 'x');
    status_is $answer, 403;
    like $answer->content, qr/Sorry, you may not/, 'an ErrorDocument';
    like last_line('expr-decisions.log', qr{/documented/x}), qr{ 403 verdict=deny reason=claim_mismatch method=bearer .*rule="claim groups:staff"}, 'the decision';
    expect_log qr/reason=claim_mismatch/;
};

=httpd rules

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web
CustomLog "@logs@/expr-rules.log" "%U %>s %<{OIDCGATE_REASON}e rule=%<{OIDCGATE_RULE}e %<{OIDCGATE_VERDICT}e"

<Location /not-banned>
    AuthType OIDCGate
    OIDCGateMethods code bearer
    OIDCGateAudience api://default
    Require expr "%{OIDC:groups} != 'banned'"
    ProxyPass @backend@
</Location>

<Location /in>
    Use Bearer
    Require expr "'staff' in OIDC('groups') || %{OIDC:level} -ge 3"
</Location>

<Location /none>
    Use Bearer
    <RequireAll>
        Require all granted
        <RequireNone>
            Require expr "%{OIDC:groups} == 'banned'"
        </RequireNone>
    </RequireAll>
</Location>

<Location /any>
    Use Bearer
    <RequireAny>
        Require expr "%{REQUEST_METHOD} == 'OPTIONS'"
        Require expr "%{OIDC:groups} == 'staff'"
        Require claim groups:boss
    </RequireAny>
</Location>

<Location /pass-but>
    AuthType OIDCGate
    OIDCGateOnUnauthenticated pass
    OIDCGateMethods bearer
    OIDCGateAudience api://default
    Require expr "%{OIDC:groups} != 'banned'"
    ProxyPass @backend@
</Location>

<Location /alias>
    Use Bearer
    Require not-banned
</Location>

<Location /trial>
    Use Bearer
    OIDCGateEnforce Off
    Require expr "%{OIDC:groups} != 'banned'"
    RequestHeader set X-Expr-Sub "expr=<%{OIDC:sub}>"
</Location>

<Location /basic>
    AuthType Basic
    AuthName "another's"
    AuthUserFile /dev/null
    Require expr "%{OIDC:groups} != 'banned'"
    ProxyPass @backend@
</Location>

<Location /not-ours>
    Require expr "%{REQUEST_METHOD} == 'GET'"
    ProxyPass @backend@
</Location>

Alias /htaccess @docs@/expr-htaccess
<Directory @docs@/expr-htaccess>
    AllowOverride AuthConfig
</Directory>
<Location /htaccess>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateAudience api://default
</Location>

=cut

sub asks { my ($path, %claims) = @_; return with_claims(url($path, 'rules'), %claims)->code }

row 'Require expr about claims is asked of who is known, and of nobody else' => sub {
    denied get(ua(), url('/not-banned/x', 'rules')), 401, 'a program that is nobody';
    status_is browse(ua(), url('/not-banned/x', 'rules')), 302, 'a person is asked to sign in';
    upstream_is 0;
    is asks('/not-banned/x', groups => 'banned'), 403, 'the banned';
    is asks('/not-banned/x', groups => 'staff'), 200, 'others';
    is asks('/not-banned/x'), 200, 'and who is in no group';
    $backend->reset;
    denied get(ua(), url('/pass-but/x', 'rules')), 401, 'permission to be nobody does not meet a rule';
    is asks('/pass-but/x'), 200, 'somebody does';
    expect_log qr/deny status=40[13]/;
};

row 'it says in the log which rule refused, and what the claims were' => sub {
    is asks('/not-banned/x', groups => 'banned'), 403;
    my $line = deny_line('rule_refused');
    like $line->{rule}, qr/^expr .*%\{OIDC:groups\} != 'banned'/, 'the rule';
    is $line->{detail}, "groups is 'banned'", 'the claim';
    like last_line('expr-rules.log', qr{/not-banned/x 403}), qr/403 rule_refused rule=expr .*OIDC:groups/, 'the access log has the rule too';
    is asks('/in/x', groups => ["a\n\"b"], level => 2), 403;
    is deny_line('rule_refused')->{detail}, q(groups is ['a\\\\x0a\\\\x22b']; level is 2), "all its claims, escaped (and httpd doubles backslashes)";
};

row 'lists, numbers, and rules beside it' => sub {
    is asks('/in/x', groups => ['ops', 'staff']), 200, 'in the list';
    is asks('/in/x', groups => ['ops,staff']), 403, 'not in the list';
    is asks('/in/x', level => 3), 200, 'the number';
    is asks('/in/x'), 403, 'neither';
    is asks('/any/x', groups => 'staff'), 200, 'the expression';
    is asks('/any/x', groups => 'boss'), 200, 'the claim';
    is asks('/any/x', groups => 'x'), 403, 'neither';
    is request(ua(), OPTIONS => url('/any/x', 'rules'))->code, 200, "an expression of httpd's own needs nobody";
    denied do { $backend->reset; get(ua(), url('/any/x', 'rules')) }, 401, 'nobody';
    expect_log qr/deny status=40[13]/;
};

row 'within RequireNone, and by another name, it lets in nobody who is nobody' => sub {
    denied get(ua(), url('/none/x', 'rules')), 401, 'RequireNone: nobody';
    is asks('/none/x', groups => 'banned'), 403, 'the banned';
    is asks('/none/x', groups => 'staff'), 200, 'others';
    $backend->reset;
    denied get(ua(), url('/alias/x', 'rules')), 401, 'AuthzProviderAlias: nobody';
    is asks('/alias/x', groups => 'banned'), 403, 'the banned';
    is asks('/alias/x', groups => 'staff'), 200, 'others';
    expect_log qr/deny status=40[13]/;
};

row 'whom another module knows is nobody to the gate' => sub {
    status_is get(ua(), url('/basic/x', 'rules')), 401, 'another AuthType';
    upstream_is 0;
    status_is get(ua(), url('/not-ours/x', 'rules')), 200, 'an expression without claims is left alone';
    status_is request(ua(), POST => url('/not-ours/x', 'rules')), 403, 'whether it holds or not';
    expect_log qr/AH01630: client denied/;
};

row 'a gate on trial says what it would have done' => sub {
    is asks('/trial/banned', groups => 'banned'), 200, 'the banned pass';
    is told('X-Expr-Sub'), '<somebody>', 'as who they are';
    like last_line('expr-rules.log', qr{/trial/banned}), qr/200 rule_refused rule=expr .*would-deny$/, 'with what the access log says of it';
    status_is get(ua(), url('/trial/nobody', 'rules')), 200, 'so does nobody';
    is told('X-Expr-Sub'), '<>', 'as nobody';
    like last_line('expr-rules.log', qr{/trial/nobody}), qr/200 no_credential rule=- would-deny$/, 'and the log of that';
    expect_log qr/would deny status=40[13]/, qr/is not enforced/;
};

row 'a .htaccess may have such a rule' => sub {
    mkdir "$DOCS/expr-htaccess";
    write_file("$DOCS/expr-htaccess/page.txt", "PAGE\n", 0644);
    write_file("$DOCS/expr-htaccess/.htaccess", qq(Require expr "%{OIDC:groups} != 'banned'"\n), 0644);
    is get(ua(), url('/htaccess/page.txt', 'rules'))->code, 401, 'nobody';
    is asks('/htaccess/page.txt', groups => 'banned'), 403, 'the banned';
    is asks('/htaccess/page.txt'), 200, 'others';
    write_file("$DOCS/expr-htaccess/.htaccess", qq(AuthType "%{OIDC:type}"\nRequire all granted\n), 0644);
    is get(ua(), url('/htaccess/page.txt', 'rules'))->code, 500, 'who is asked cannot depend on who it is';
    expect_log qr/deny status=40[13]/, qr/AuthType cannot depend on who somebody is/;
};

row 'what is asked too early is warned of, once a start' => sub {
    my $said = sub { my (undef, $text) = config_output($_[0]); return scalar(() = $text =~ /it is asked before anybody has signed in/g) };
    is $said->(qq(SetEnvIfExpr "%{OIDC:sub} == ''" X=y)), 1, 'SetEnvIfExpr';
    is $said->(qq(<Location /x>\nSetEnvIfExpr "'a' in OIDC('groups')" X=y\n</Location>)), 1, 'wherever it stands';
    is $said->(qq(RewriteCond expr "%{OIDC:sub} == ''"\nRewriteRule ^ - [E=X:y])), 1, 'RewriteCond of a server';
    is $said->(qq(<VirtualHost *:1>\nRewriteCond expr "%{OIDC:sub} == ''"\nRewriteRule ^ - [E=X:y]\n</VirtualHost>)), 1, 'and of a virtual host';
    is $said->(qq(<Location /x>\nRewriteCond expr "%{OIDC:sub} == ''"\nRewriteRule ^ - [E=X:y]\n</Location>)), 0, 'not of a Location';
    is $said->(qq(SetEnvIfExpr "%{REQUEST_URI} == '/OIDC'" X=y)), 0, 'nor of anything else';
};

row 'what cannot be meant is refused when the configuration is read' => sub {
    my $section = sub { <<"CONF" };
OIDCGateIssuer https://id.example.org/
OIDCGateClientID c-web
OIDCGateClientSecret TEXT
<Location /x>
    AuthType OIDCGate
    $_[0]
</Location>
CONF
    config_ok $section->('Require expr "%{OIDC:groups} == \'a\'"'), 'a rule';
    config_ok $section->("<RequireAll>\nRequire valid-user\nRequire not expr \"%{REQUEST_METHOD} == 'PUT'\"\n</RequireAll>"),
        'an expression without claims may be negated';
    config_fails $section->("<RequireAll>\nRequire valid-user\nRequire not expr \"%{OIDC:groups} == 'a'\"\n</RequireAll>"),
        qr/Require not expr .*negated gate rule/, 'one with claims may not';
    config_fails $section->('Require expr "%{OIDC:} == \'a\'"'), qr/OIDC wants the name of a claim|syntax error|Cannot parse/i, 'no name';
    config_fails $section->('Require expr "%{OIDC:id:} == \'a\'"'), qr/OIDC wants the name of a claim/, 'a pin alone';
    config_fails $section->('Require expr "%{OIDC} == \'a\'"'), qr/Variable 'OIDC' does not exist/, 'no variable';
    config_fails $section->('Require expr "%{OIDC:%{REMOTE_USER}} == \'a\'"'), qr/OIDC wants the name of a claim/, 'a name that depends on the request';
    config_fails $section->(qq(Require valid-user\n<If "%{OIDC:groups} == 'a'">\nRequire all granted\n</If>)),
        qr/<If .*decided before anybody has signed in/, 'an <If>';
    config_fails $section->(qq(Require valid-user\n<If "false">\nRequire all denied\n</If>\n<ElseIf "'a' in OIDC ('groups')">\nRequire all granted\n</ElseIf>)),
        qr/<ElseIf .*decided before anybody has signed in/, 'an <ElseIf>';
    config_ok $section->(qq(Require valid-user\n<If "%{REQUEST_URI} =~ m#OIDC#">\nHeader set X y\n</If>)), 'another <If>';
    config_fails "<Location /y>\nAuthType \"%{OIDC:x}\"\nRequire valid-user\n</Location>", qr/AuthType cannot depend/, 'AuthType';
};

done_testing;
