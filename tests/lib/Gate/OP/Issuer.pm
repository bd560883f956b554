# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::OP::Issuer;

# One OpenID provider, stricter than most: PKCE always, codes and refresh tokens once, and a refresh
# token that comes twice ends the whole grant. Its endpoints are methods that take a request and
# return an answer (Gate::Wire). What the test has told it to lie about is in `lies`, and each lie
# is told in one place: `document` for JSON, `token_text` for JWTs, `authorize`.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256);
use MIME::Base64 qw(decode_base64 encode_base64url);

use Gate::JOSE qw(decode half_hash json_encode jwk jwt random_id verify);
use Gate::Wire qw(form_text header);

my %ALICE = (
    sub => 'alice-sub', preferred_username => 'alice', name => "Alice Li\x{f8}nn \x{674e}",
    email => 'alice@example.org', email_verified => JSON::PP::true, groups => ['staff', 'ops'], kong_claim => ['kong_group'],
    realm_access => { roles => ['admin', 'user'] }, 'https://x.io/roles' => ['admin'],
);
my %MALLORY = (
    sub => 'mallory-sub', preferred_username => 'mallory', name => 'Mallory', email => 'mallory@example.org',
    email_verified => JSON::PP::true, groups => ['guests'], kong_claim => ['other'],
);

# What `set` can set.
my %SETTING = (
    issuer => undef,
    users => { alice => \%ALICE, mallory => \%MALLORY },
    clients => {
        'c-web' => { secret => 's3cret-web', grants => [qw(authorization_code refresh_token)] },
        'c-api' => { secret => 's3cret', grants => ['client_credentials'] },
    },
    user => 'alice',              # who is signed in
    alg => 'RS256',               # of all that is signed
    keys => [qw(rsa1 ec256 ec384 ec521 ed25519)],   # published
    access_token => 'jwt',        # or 'opaque'
    audience => 'api://default',  # of access tokens
    scopes => [qw(api.read api.write)],             # what client credentials may ask for
    lifetime => 300,              # of access tokens and ID tokens, seconds
    refresh => 1,                 # whether the code flow gives a refresh token
    refresh_id_token => 1,        # whether a refresh gives a new ID token
    metadata_at => undef,         # the one path where metadata stand; else wherever it is asked for them
    par => 0,                     # whether the metadata names a PAR endpoint
    claims_in => {},              # where => [names]: id_token, access_token, userinfo, introspection.
                                  # all of a user's claims otherwise
    auth_methods => [qw(client_secret_basic client_secret_post)],
    secrets_file => undef,        # where secrets are written down, for the runner to look for
);

sub new {
    my ($class, %with) = @_;
    my %settings = map { $_ => exists $with{$_} ? $with{$_} : $SETTING{$_} } keys %SETTING;
    $settings{$_} = { %{ $SETTING{$_} }, %{ $with{$_} // {} } } for qw(users clients);
    return bless { %settings, lies => {}, codes => {}, tokens => {}, grants => {}, pushed => {},
                   asserted => {}, reuse => 0, key => 'rsa1', off => {} }, $class;
}

# --- answers ---

sub json_answer {
    my ($status, $data, @headers) = @_;
    return { status => $status, body => ref $data ? json_encode($data) : $data,
             headers => [['Content-Type', 'application/json'], ['Cache-Control', 'no-store'], @headers] };
}

# A JSON document, or what the lie of that name makes of it.
sub document {
    my ($self, $name, $truth, @headers) = @_;
    my $lie = $self->{lies}{$name} or return json_answer(200, $truth, @headers);
    return json_answer(200, $lie->{text}) if defined $lie->{text};
    my $bent = Gate::JOSE::bend($truth, @$lie{qw(set drop)});
    return json_answer(200, Gate::JOSE::doubled($bent, $lie->{twice}));
}

sub oauth_error {
    my ($status, $code, $why) = @_;
    my @challenge = $status == 401 ? ['WWW-Authenticate', 'Basic realm="provider"'] : ();
    return json_answer($status, { error => $code, error_description => $why }, @challenge);
}

sub page {
    my ($status, $text) = @_;
    return { status => $status, body => "<html><p>$text</p></html>",
             headers => [['Content-Type', 'text/html']] };
}

sub redirect {
    my ($to) = @_;
    return { status => 302, headers => [['Location', $to], ['Cache-Control', 'no-store']] };
}

sub other { return page(404, 'no such endpoint') }

# A form as a hash; dies with the name of a member that is there twice (RFC 6749 section 3.2).
sub single {
    my (@pairs) = @_;
    my %form;
    for my $pair (@pairs) {
        die "$pair->[0] twice\n" if exists $form{ $pair->[0] };
        $form{ $pair->[0] } = $pair->[1];
    }
    return \%form;
}

# --- discovery and keys ---

sub discovery {
    my ($self, $request) = @_;
    return other() if ($self->{metadata_at} // $request->{path}) ne $request->{path};
    my $at = $self->{issuer} =~ s{/$}{}r;
    return $self->document(discovery => {
        issuer => $self->{issuer},
        authorization_endpoint => "$at/authorize", token_endpoint => "$at/token", jwks_uri => "$at/jwks",
        userinfo_endpoint => "$at/userinfo", introspection_endpoint => "$at/introspect",
        revocation_endpoint => "$at/revoke", end_session_endpoint => "$at/end_session",
        $self->{par} ? (pushed_authorization_request_endpoint => "$at/par") : (),
        response_types_supported => ['code'], response_modes_supported => [qw(query form_post)],
        grant_types_supported => [qw(authorization_code refresh_token client_credentials)],
        subject_types_supported => ['public'], id_token_signing_alg_values_supported => [$self->{alg}],
        token_endpoint_auth_methods_supported => $self->{auth_methods},
        introspection_endpoint_auth_methods_supported => $self->{auth_methods},
        revocation_endpoint_auth_methods_supported => $self->{auth_methods},
        code_challenge_methods_supported => ['S256'], scopes_supported => [qw(openid profile email)],
        authorization_response_iss_parameter_supported => JSON::PP::true,
        backchannel_logout_supported => JSON::PP::true,
        backchannel_logout_session_supported => JSON::PP::true,
    });
}

sub jwks {
    my ($self) = @_;
    return $self->document(jwks => { keys => [map { jwk($_) } @{ $self->{keys} }] });
}

# --- tokens ---

sub signing_key {
    my ($self, $alg) = @_;
    return $alg =~ /^[RP]S/ ? $self->{key} : Gate::JOSE::key_for($alg);
}

# Signs claims, or lies. Both end up among the tokens that this provider knows.
sub token_text {
    my ($self, $kind, $claims, $header) = @_;
    my %lie = %{ $self->{lies}{$kind} // {} };
    my $alg = $lie{alg} // $self->{alg};
    my $text = $lie{instead} // jwt(alg => $alg, key => $self->signing_key($alg), %lie,
                                    claims => $claims, header => $header);
    return $self->remember($text, $kind, $claims);
}

sub remember {
    my ($self, $text, $kind, $claims, %more) = @_;
    $self->{tokens}{$text} = { kind => $kind, claims => $claims, %more };
    return $self->secret($text);
}

# Written down for the runner, which looks for it in the logs: a token by its claims and by its
# signature.
sub secret {
    my ($self, $text) = @_;
    my $file = $self->{secrets_file} // return $text;
    open my $out, '>>', $file or die "$file: $!";
    my @parts = $text =~ /^[^.]+\.([^.]+)\.(.*)$/ ? ($1, $2) : $text;
    print $out map { substr($_, 0, 40) . "\n" } grep { length > 7 } @parts;
    return $text;
}

sub person {
    my ($self, $name, $where) = @_;
    my $claims = $self->{users}{$name} // die "no user '$name'\n";
    my $only = $self->{claims_in}{$where} or return %$claims;
    return map { $_ => $claims->{$_} } grep { exists $claims->{$_} } 'sub', @$only;
}

sub usual_claims {
    my ($self, $grant) = @_;
    my $now = time;
    return (iss => $self->{issuer}, iat => $now, exp => $now + ($grant->{lifetime} // $self->{lifetime}),
            jti => random_id(12));
}

sub access_claims {
    my ($self, $grant) = @_;
    my @person = defined $grant->{user} ? $self->person($grant->{user}, 'access_token')
                                        : (sub => $grant->{client});
    return { @person, $self->usual_claims($grant), aud => $self->{audience}, client_id => $grant->{client},
             scope => $grant->{scope} };
}

sub new_access_token {
    my ($self, $grant) = @_;
    my $claims = $self->access_claims($grant);
    my $text = $self->{access_token} eq 'jwt'
        ? $self->token_text(access_token => $claims, { typ => 'at+jwt' })
        : $self->remember(random_id(), access_token => $claims);
    $self->{tokens}{$text}{grant} = $grant;
    return $text;
}

sub new_refresh_token {
    my ($self, $grant) = @_;
    return $self->remember(random_id(), refresh_token => {}, grant => $grant);
}

sub new_id_token {
    my ($self, $grant, $access_token, $nonce) = @_;
    return $self->token_text(id_token => {
        $self->person($grant->{user}, 'id_token'), $self->usual_claims($grant),
        aud => $grant->{client}, auth_time => $grant->{auth_time}, sid => $grant->{sid},
        at_hash => half_hash($self->{alg}, $access_token),
        defined $nonce ? (nonce => $nonce) : (), defined $grant->{acr} ? (acr => $grant->{acr}) : (),
    }, { typ => 'JWT' });
}

# The record of a token that is good now; else nothing.
sub live {
    my ($self, $text, $kind) = @_;
    my $token = $self->{tokens}{ $text // '' } or return;
    my $client = $token->{claims}{client_id} // ($token->{grant} // {})->{client} // '';
    return if $token->{kind} ne $kind || $token->{dead} || ($token->{grant} // {})->{dead};
    return if $self->{off}{$client} || ($token->{claims}{exp} // time + 1) <= time;
    return $token;
}

# --- who is asking ---

# The client that makes the request, or the answer that it gets for being nobody: (client id, undef)
# or (undef, answer).
sub authenticate {
    my ($self, $request, $form) = @_;
    my ($id, $secret, $how);
    my $basic = header($request, 'Authorization');
    my @ways = grep { defined } $basic, @$form{qw(client_secret client_assertion)};
    return (undef, oauth_error(400, 'invalid_request', 'two ways to authenticate')) if @ways > 1;
    if (defined $basic) {
        my ($text) = $basic =~ /^Basic ([A-Za-z0-9+\/]+=*)$/i;
        ($id, $secret) = map { Gate::Wire::unescape($_) } split /:/, decode_base64($text // ''), 2;
        $how = 'client_secret_basic';
    } elsif (defined $form->{client_assertion}) {
        ($id, $how) = $self->asserted($form);
    } else {
        ($id, $secret) = @$form{qw(client_id client_secret)};
        $how = defined $secret ? 'client_secret_post' : 'none';
    }
    $request->{auth} = $how;
    my $client = $self->{clients}{ $id // '' };
    my $known = $client && ($self->{off}{$id} // '') ne 'rejected' && $self->proven($client, $how, $secret);
    return ($id, undef) if $known;
    return (undef, oauth_error(401, 'invalid_client', 'unknown client or wrong secret'));
}

sub proven {
    my ($self, $client, $how, $secret) = @_;
    return 1 if ($how // '') =~ /_jwt$/;
    return !defined $client->{secret} if ($how // '') eq 'none';
    return defined $secret && defined $client->{secret} && $secret eq $client->{secret};
}

# RFC 7523 section 3: a JWT that the client has signed, for us, short-lived, once. The id, and the
# method, or nothing.
sub asserted {
    my ($self, $form) = @_;
    my $jwt = eval { decode($form->{client_assertion}) } or return;
    my ($claims, $alg) = ($jwt->{claims}, $jwt->{header}{alg} // '');
    my $client = $self->{clients}{ $claims->{sub} // '' } or return;
    my $key = $alg =~ /^HS/ ? "secret:$client->{secret}" : $client->{key} // return;
    return unless eval { verify($form->{client_assertion}, $key) };
    return unless ($claims->{iss} // '') eq $claims->{sub} && !ref $claims->{aud};
    return unless $claims->{aud} eq $self->{issuer} && $claims->{exp} > time && $claims->{exp} <= time + 300;
    return if $self->{asserted}{ $claims->{jti} // return }++;
    return ($claims->{sub}, $alg =~ /^HS/ ? 'client_secret_jwt' : 'private_key_jwt');
}

# --- the authorization endpoint ---

sub authorize {
    my ($self, $request) = @_;
    my $ask = eval { single(@{ $request->{query_pairs} }, @{ $request->{form} }) }
        or return page(400, "doubled: $@");
    if (defined $ask->{request_uri}) {
        my $pushed = delete $self->{pushed}{ $ask->{request_uri} };
        return page(400, 'request_uri') unless $pushed && $pushed->{client_id} eq ($ask->{client_id} // '');
        $ask = { %$pushed, map { $_ => $ask->{$_} } grep { /^_/ } keys %$ask };
    }
    my $problem = $self->unfit($ask);
    return page(400, $problem) if $problem;
    my $lie = $self->{lies}{authorize} // {};
    my $error = $lie->{error} // $self->refusal($ask);
    my %truth = (iss => $self->{issuer}, state => $ask->{state},
                 $error ? (error => $error, error_description => $lie->{error_description})
                        : (code => $self->new_code($ask)));
    my $said = Gate::JOSE::bend(\%truth, @$lie{qw(set drop)});
    my $again = $lie->{twice} // {};
    my @pairs = ((map { [$_, $said->{$_}] } grep { defined $said->{$_} } sort keys %$said),
                 map { [$_, $again->{$_}] } sort keys %$again);
    return form_post($ask->{redirect_uri}, @pairs) if ($ask->{response_mode} // '') eq 'form_post';
    return redirect($ask->{redirect_uri} . ($ask->{redirect_uri} =~ /\?/ ? '&' : '?') . form_text(@pairs));
}

# What is wrong with a request that must not even be answered by redirect.
sub unfit {
    my ($self, $ask) = @_;
    my $client = $self->{clients}{ $ask->{client_id} // '' } or return 'unknown client';
    my $uri = $ask->{redirect_uri} // return 'no redirect_uri';
    return 'redirect_uri' unless $uri =~ m{^https?://[^#]+$};
    my $registered = $client->{redirect_uris} or return;
    return 'redirect_uri is not registered' unless grep { $_ eq $uri } @$registered;
    return;
}

# The error code of a request that is answered by redirect; nothing where it is fine.
sub refusal {
    my ($self, $ask) = @_;
    return 'unsupported_response_type' if ($ask->{response_type} // '') ne 'code';
    return 'invalid_request' if ($ask->{code_challenge_method} // '') ne 'S256';
    return 'invalid_request' if ($ask->{code_challenge} // '') !~ /^[A-Za-z0-9_-]{43}$/;
    return 'invalid_scope' if (" $ask->{scope} " // '') !~ / openid /;
    my $user = $ask->{_user} // $self->{user};
    return 'login_required' unless defined $user && $self->{users}{$user};
    return;
}

sub new_code {
    my ($self, $ask) = @_;
    my $code = random_id();
    my ($acr) = split / /, $ask->{acr_values} // '';
    my %grant = (client => $ask->{client_id}, user => $ask->{_user} // $self->{user}, scope => $ask->{scope},
                 auth_time => time, sid => random_id(12), acr => $acr);
    $self->{codes}{$code} = { grant => \%grant,
                              map { $_ => $ask->{$_} } qw(redirect_uri code_challenge nonce) };
    return $self->secret($code);
}

sub form_post {
    my ($to, @pairs) = @_;
    my $escape = sub { $_[0] =~ s/([&<>"])/'&#' . ord($1) . ';'/ger };
    my $input = '<input type="hidden" name="%s" value="%s">';
    my $inputs = join '', map { sprintf $input, map { $escape->($_) } @$_ } @pairs;
    return page(200, sprintf '<form method="post" action="%s">%s</form>', $escape->($to), $inputs);
}

sub par {
    my ($self, $request) = @_;
    my $form = eval { single(@{ $request->{form} }) } or return oauth_error(400, 'invalid_request', $@);
    my ($client, $answer) = $self->authenticate($request, $form);
    return $answer if $answer;
    return oauth_error(400, 'invalid_request', 'client_id') if ($form->{client_id} // $client) ne $client;
    my $uri = 'urn:ietf:params:oauth:request_uri:' . random_id();
    my %asked = map { $_ => $form->{$_} } grep { !/^client_(secret|assertion)/ } keys %$form;
    $self->{pushed}{$uri} = { %asked, client_id => $client };
    my $said = $self->document(par => { request_uri => $uri, expires_in => 60 });
    return { %$said, status => 201 };
}

# --- the token endpoint ---

my %GRANT = (
    authorization_code => \&by_code, refresh_token => \&by_refresh,
    client_credentials => \&by_client_credentials,
);

sub token {
    my ($self, $request) = @_;
    return oauth_error(405, 'invalid_request', 'POST, please') if $request->{method} ne 'POST';
    my $form = eval { single(@{ $request->{form} }) } or return oauth_error(400, 'invalid_request', $@);
    $self->secret($_) for grep { defined } @$form{qw(code_verifier client_secret)};
    my ($client, $answer) = $self->authenticate($request, $form);
    return $answer if $answer;
    return oauth_error(401, 'invalid_client', 'switched off') if $self->{off}{$client};
    my $type = $form->{grant_type} // '';
    my $grant = $GRANT{$type} // return oauth_error(400, 'unsupported_grant_type', $type);
    my $allowed = $self->{clients}{$client}{grants};
    return oauth_error(400, 'unauthorized_client', $type) unless grep { $_ eq $type } @$allowed;
    return $grant->($self, $client, $form);
}

sub by_code {
    my ($self, $client, $form) = @_;
    my $code = $self->{codes}{ $form->{code} // '' }
        or return oauth_error(400, 'invalid_grant', 'no such code');
    my $grant = $code->{grant};
    if ($code->{used}++) {
        $grant->{dead} = 1;
        $self->{reuse}++;
        return oauth_error(400, 'invalid_grant', 'the code was used before');
    }
    my $challenge = encode_base64url(sha256($form->{code_verifier} // ''));
    return oauth_error(400, 'invalid_grant', 'another client') if $grant->{client} ne $client;
    return oauth_error(400, 'invalid_grant', 'redirect_uri')
        if ($form->{redirect_uri} // '') ne $code->{redirect_uri};
    return oauth_error(400, 'invalid_grant', 'code_verifier') if $challenge ne $code->{code_challenge};
    return oauth_error(400, 'invalid_grant', 'too late') if $grant->{auth_time} + 60 < time;
    my $access_token = $self->new_access_token($grant);
    my $id_token = $self->new_id_token($grant, $access_token, $code->{nonce});
    return $self->token_answer($grant, $access_token, $id_token,
                               $self->{refresh} ? $self->new_refresh_token($grant) : undef);
}

sub by_refresh {
    my ($self, $client, $form) = @_;
    my $token = $self->{tokens}{ $form->{refresh_token} // '' };
    return oauth_error(400, 'invalid_grant', 'no such refresh token')
        unless $token && $token->{kind} eq 'refresh_token';
    my $grant = $token->{grant};
    if ($token->{used}++) {
        $grant->{dead} = 1;
        $self->{reuse}++;
    }
    return oauth_error(400, 'invalid_grant', 'the grant is over') if $grant->{dead} || $token->{dead};
    return oauth_error(400, 'invalid_grant', 'another client') if $grant->{client} ne $client;
    my $access_token = $self->new_access_token($grant);
    my $id_token = $self->{refresh_id_token} ? $self->new_id_token($grant, $access_token) : undef;
    return $self->token_answer($grant, $access_token, $id_token, $self->new_refresh_token($grant));
}

sub by_client_credentials {
    my ($self, $client, $form) = @_;
    my @asked = split / /, $form->{scope} // '';
    my %may = map { $_ => 1 } @{ $self->{scopes} };
    return oauth_error(400, 'invalid_scope', "@asked") if grep { !$may{$_} } @asked;
    my $grant = { client => $client, scope => "@asked" };
    return $self->token_answer($grant, $self->new_access_token($grant));
}

sub token_answer {
    my ($self, $grant, $access_token, $id_token, $refresh_token) = @_;
    return $self->document(token => {
        access_token => $access_token, token_type => 'Bearer', expires_in => $self->{lifetime} + 0,
        scope => $grant->{scope}, defined $id_token ? (id_token => $id_token) : (),
        defined $refresh_token ? (refresh_token => $refresh_token) : (),
    });
}

# --- the other endpoints ---

sub userinfo {
    my ($self, $request) = @_;
    my ($text) = (header($request, 'Authorization') // '') =~ /^Bearer (\S+)$/i;
    my $token = $self->live($text, 'access_token');
    my $user = $token && ($token->{grant} // {})->{user};
    my $challenge = ['WWW-Authenticate', 'Bearer error="invalid_token"'];
    return json_answer(401, { error => 'invalid_token' }, $challenge) unless defined $user;
    return $self->document(userinfo => { $self->person($user, 'userinfo') });
}

sub introspect {
    my ($self, $request) = @_;
    my $form = eval { single(@{ $request->{form} }) } or return oauth_error(400, 'invalid_request', $@);
    my (undef, $answer) = $self->authenticate($request, $form);
    return $answer if $answer;
    my $token = $self->live($form->{token}, 'access_token');
    return $self->document(introspect => { active => JSON::PP::false }) unless $token;
    my %claims = %{ $token->{claims} };
    if (my $only = $self->{claims_in}{introspection}) {
        my @names = (qw(iss sub aud exp iat jti client_id scope), @$only);
        %claims = map { $_ => $claims{$_} } grep { exists $claims{$_} } @names;
    }
    return $self->document(introspect => { active => JSON::PP::true, token_type => 'Bearer', %claims });
}

sub revoke {
    my ($self, $request) = @_;
    my $form = eval { single(@{ $request->{form} }) } or return oauth_error(400, 'invalid_request', $@);
    my (undef, $answer) = $self->authenticate($request, $form);
    return $answer if $answer;
    $self->tell_kill($form->{token}) if defined $form->{token};
    return { status => 200 };
}

sub end_session {
    my ($self, $request) = @_;
    my $ask = eval { single(@{ $request->{query_pairs} }, @{ $request->{form} }) }
        or return page(400, "doubled: $@");
    my $hint = $self->{tokens}{ $ask->{id_token_hint} // '' };
    return page(400, 'id_token_hint') unless $hint && $hint->{kind} eq 'id_token';
    my $to = $ask->{post_logout_redirect_uri} // return page(200, 'signed out');
    return redirect($to) unless defined $ask->{state};
    return redirect($to . ($to =~ /\?/ ? '&' : '?') . form_text(['state', $ask->{state}]));
}

# --- what the test tells ---

sub tell_set {
    my ($self, $settings) = @_;
    for my $name (keys %$settings) {
        die "no setting '$name'\n" unless exists $SETTING{$name};
        my $value = $settings->{$name};
        $self->{$name} = $name =~ /^(users|clients)$/ ? { %{ $self->{$name} }, %$value } : $value;
    }
    return;
}

sub tell_user {
    my ($self, $name, $claims) = @_;
    $self->{users} = { %{ $self->{users} }, $name => { sub => "$name-sub", %$claims } } if $claims;
    die "no user '$name'\n" unless $self->{users}{$name};
    $self->{user} = $name;
    return;
}

sub tell_rotate {
    my ($self, $how) = @_;
    my %next = (rsa1 => 'rsa2', rsa2 => 'rsa3', rsa3 => 'rsa1');
    my $old = $self->{key};
    $self->{key} = $next{$old};
    my @others = grep { $_ ne $self->{key} && ($how->{keep} || $_ ne $old) } @{ $self->{keys} };
    $self->{keys} = [$self->{key}, @others];
    return $self->{key};
}

sub tell_deactivate {
    my ($self, $client, $how) = @_;
    defined $how ? ($self->{off}{$client} = $how) : delete $self->{off}{$client};
    return;
}

sub tell_kill {
    my ($self, $text) = @_;
    my $token = $self->{tokens}{$text} or return;
    $token->{dead} = 1;
    $token->{grant}{dead} = 1 if $token->{kind} eq 'refresh_token';
    return;
}

# How an honest token of that kind looks: claims, header, and what it would be signed with.
sub tell_usual {
    my ($self, $kind, $how) = @_;
    my %grant = (client => 'c-web', scope => 'openid', auth_time => time, %$how);
    my $facts = { alg => $self->{alg}, key => $self->signing_key($self->{alg}) };
    if ($kind =~ /^(access|opaque)$/) {
        return [$self->access_claims(\%grant), { typ => 'at+jwt' }, $facts];
    }
    my %common = ($self->usual_claims(\%grant), aud => $grant{client});
    my %person = $self->person($grant{user} // $self->{user}, 'id_token');
    if ($kind eq 'id') {
        return [{ %person, %common, auth_time => time }, { typ => 'JWT' }, $facts];
    }
    die "no kind '$kind'\n" if $kind ne 'logout';
    my $event = { 'http://schemas.openid.net/event/backchannel-logout' => {} };
    return [{ %common, sub => $person{sub}, events => $event }, { typ => 'logout+jwt' }, $facts];
}

sub tell_know {
    my ($self, $text, $kind, $claims) = @_;
    my $users = $self->{users};
    my ($user) = grep { ($users->{$_}{sub} // '') eq ($claims->{sub} // "\0") } keys %$users;
    my %kind = (access => 'access_token', opaque => 'access_token', id => 'id_token',
                logout => 'logout_token');
    $self->remember($text, $kind{$kind}, $claims,
                    grant => { user => $user, client => $claims->{client_id} });
    return;
}

sub tell_state {
    my ($self) = @_;
    return { map { $_ => $self->{$_} } qw(issuer key keys alg user reuse off) };
}

1;
