# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# RFC 9728: a place says which tokens it takes, and whose, so that a client that was refused finds
# its way (requirements.md PR-1 to PR-4).
use Gate::Test;

=httpd

OIDCGateIssuer        @op@
OIDCGateClientID      c-web
OIDCGateClientSecret  file:@secrets@/c-web

<Location /mcp>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateResource @base@/mcp "name=Tools of ours" "scopes=tools:read tools:write"
    Require scope "tools:read"
    ProxyPass @backend@/
</Location>

<Location /plain>
    AuthType OIDCGate
    OIDCGateMethods  bearer
    OIDCGateAudience @base@/plain/ other
    OIDCGateResource @base@/plain/
    Require valid-user
    ProxyPass @backend@/
</Location>

=cut

my $op = provider();
my $backend = backend();
my $BASE = url('');

row 'PR-1, PR-2 the metadata stand where RFC 9728 puts them, for everybody' => sub {
    my $answer = get(ua(), '/.well-known/oauth-protected-resource/mcp');
    status_is $answer, 200;
    is $answer->header('Content-Type'), 'application/json';
    is $answer->header('Access-Control-Allow-Origin'), '*', 'for scripts too';
    is_deeply json($answer), {
        resource => "$BASE/mcp", authorization_servers => [$op->issuer], bearer_methods_supported => ['header'],
        resource_name => 'Tools of ours', scopes_supported => ['tools:read', 'tools:write'],
    }, 'what they say';
    is json(get(ua(), '/.well-known/oauth-protected-resource/plain'))->{resource}, "$BASE/plain/", 'each place its own';
    status_is get(ua(), '/.well-known/oauth-protected-resource'), 404;
    status_is get(ua(), '/.well-known/oauth-protected-resource/mcp/x'), 404;
    calls_are $op, '';
};

row 'PR-3 every challenge says where they stand' => sub {
    my $where = qr{resource_metadata="\Q$BASE\E/\.well-known/oauth-protected-resource/mcp"};
    my $none = get(ua(), '/mcp/x');
    status_is $none, 401;
    like $none->header('WWW-Authenticate'), $where;
    unlike $none->header('WWW-Authenticate'), qr/error=/, 'no error where nothing was sent';
    my $poor = get(ua(), '/mcp/x', bearer($op->mint(user => 'alice', claims => { aud => "$BASE/mcp", scope => 'other' })));
    status_is $poor, 403;
    like $poor->header('WWW-Authenticate'), $where;
    like $poor->header('WWW-Authenticate'), qr/error="insufficient_scope".*scope="tools:read"|scope="tools:read".*error="insufficient_scope"/;
    upstream_is 0;
    expect_log qr/reason=(?:no_credential|scope_missing)/;
};

row 'PR-2 a token must be meant for the resource; where no audience is given, that is the audience' => sub {
    my %claims = (scope => 'tools:read');
    status_is get(ua(), '/mcp/x', bearer($op->mint(user => 'alice', claims => { %claims, aud => "$BASE/mcp" }))), 200;
    status_is get(ua(), '/mcp/x', bearer($op->mint(user => 'alice', claims => { %claims, aud => 'api://default' }))), 401;
    expect_log qr/reason=bad_audience/;
};

row 'PR-4 nothing that a caller says changes what is said' => sub {
    my $answer = get(ua(), '/.well-known/oauth-protected-resource/mcp', Host => 'evil.example', 'X-Forwarded-Host' => 'evil.example',
                     'X-Forwarded-Proto' => 'https');
    unlike $answer->content, qr/evil/;
};

done_testing;
