# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::OP;

# The test's hand on a provider that runs in a process of its own: it says who is signed in there,
# what the provider is to get wrong, and asks afterwards what it was asked.
#
#   my $op = Gate::OP->start(port => ...);     issuer http://127.0.0.1:PORT
#   $op->tenant('cold')                        another provider on the same port: its own issuer
#                                              http://127.0.0.1:PORT/cold, users, counters, faults;
#                                              nobody has heard of it before
#   $op->calls; $op->calls('T')                calls since the last reset, by letter: D discovery,
#                                              J jwks, A authorize, T token (and T:grant_type),
#                                              U userinfo, I introspect, R revoke, E end_session,
#                                              P par, X anything else
#   $op->requests('token')                     what was asked: method, query, headers, auth,
#                                              form ([name, value] pairs)
#   $op->set(access_token => 'opaque')         an ordinary setting: the list is in Gate::OP::Issuer
#   $op->fault(token => status => 500)         a misbehaviour on the wire: see `fault` below
#   $op->lie(id_token => set => {aud => 'x'})  a well-formed untruth: see `lie` below
#   $op->honest                                neither faults nor lies any more
#   $op->mint(claims => {...})                 any token, made here and now
use strict;
use warnings FATAL => 'all';
use parent 'Gate::Peer';

use Gate::JOSE qw(jwt random_id);
use Gate::OP::Server ();

sub made {
    my ($class, %with) = @_;
    return Gate::OP::Server->new(%with);
}

sub start {
    my ($class, %with) = @_;
    my $self = $class->SUPER::start(%with);
    $self->{base} = $with{base} // "http://127.0.0.1:$with{port}";
    $self->{tenant} = '';
    return $self;
}

# The provider of that name. It takes the settings of the first one at its start, and these.
sub tenant {
    my ($self, $name, %settings) = @_;
    my $tenant = bless { (map { $_ => $self->{$_} } qw(port control base)), tenant => $name }, ref $self;
    $tenant->set(%settings);
    return $tenant;
}

sub issuer { my ($self) = @_; return join '/', $self->{base}, $self->{tenant} || () }

sub tell { my ($self, $verb, @arguments) = @_; return $self->ask($verb, $self->{tenant}, @arguments) }

sub calls {
    my ($self, $letter) = @_;
    my $calls = $self->tell('calls');
    return $letter ? $calls->{$letter} // 0 : $calls;
}
sub requests { my ($self, $endpoint) = @_; return @{ $self->tell('requests', $endpoint) } }
sub reset    { $_[0]->tell('reset'); return $_[0] }
sub state    { return $_[0]->tell('state') }

# One value of what the last request to that endpoint had in its form.
sub form {
    my ($self, $endpoint, $name) = @_;
    my $last = ($self->requests($endpoint))[-1] or return;
    my ($pair) = grep { $_->[0] eq $name } @{ $last->{form} };
    return $pair && $pair->[1];
}

sub set { my ($self, %settings) = @_; $self->tell('set', \%settings); return $self }

# Who is signed in at the provider. With claims: somebody new, or the same person from now on.
sub user {
    my ($self, $name, $claims) = @_;
    $self->tell('user', $name, $claims);
    return $self;
}

# $op->fault(ENDPOINT, ...): what becomes of requests to an endpoint, from now on or `times => N`
# times, or only of those whose form has `when => {name => value}`. Either an answer of its own: the
# members of a Gate::Wire answer; json => DATA; html => 1; location => URL. Or the honest answer,
# ill-treated: delay, drip, truncate, reset_after; think => SECONDS (waits, then acts and answers); and
# lost => 1 (acted upon, never answered). $op->fault(ENDPOINT) alone: no more.
sub fault {
    my ($self, $endpoint, %fault) = @_;
    $self->tell('fault', $endpoint, %fault ? \%fault : undef);
    return $self;
}

# $op->lie(WHAT, ...). WHAT and what can be said of it:
#   id_token, access_token                     the twists of Gate::JOSE::jwt
#   discovery, jwks, token, userinfo, introspect, par   set => {}, drop => [], twice => {},
#                                              text => "instead of the JSON"
#   authorize                                  set => {}, drop => [], twice => {}, error => CODE,
#                                              error_description => TEXT
# $op->lie(WHAT) alone: the truth again.
sub lie {
    my ($self, $what, %lie) = @_;
    $self->tell('lie', $what, %lie ? \%lie : undef);
    return $self;
}
sub honest { $_[0]->tell('honest'); return $_[0] }

# From now on the provider signs with its next RSA key and publishes that instead of the one before
# (or beside it: keep => 1).
sub rotate { my ($self, %how) = @_; return $self->tell('rotate', \%how) }

# The client is switched off at the provider. how 'inactive': its tokens are no longer active, and
# it gets none; 'rejected': it is told invalid_client, whatever it asks.
sub deactivate {
    my ($self, $client, $how) = @_;
    $self->tell('deactivate', $client, $how // 'inactive');
    return $self;
}
sub activate { my ($self, $client) = @_; $self->tell('deactivate', $client, undef); return $self }

# The token is dead from now on, however well it is signed.
sub kill_token { my ($self, $token) = @_; $self->tell('kill', $token); return $self }

# A token of any kind: access (the default), id, logout, opaque. As an honest one unless told
# otherwise: user => NAME whose it is (nobody's: client credentials), client => ID, claims => {} on
# top of the usual ones, drop => [], header => {}, drop_header => [], alg, key and the other twists
# of Gate::JOSE::jwt. The provider knows it afterwards, for introspection and userinfo, unless
# unknown => 1.
sub mint {
    my ($self, %want) = @_;
    my $kind = delete $want{kind} // 'access';
    my $unknown = delete $want{unknown};
    my ($claims, $header, $facts) = @{ $self->tell('usual', $kind, { map { $_ => delete $want{$_} }
        grep { exists $want{$_} } qw(user client scope lifetime) }) };
    %$claims = (%$claims, %{ delete $want{claims} // {} });
    my $drop = delete $want{drop};
    delete @$claims{@$drop} if $drop;
    my $token = $kind eq 'opaque' ? random_id() : jwt(
        alg => $facts->{alg}, $want{alg} && $want{alg} ne $facts->{alg} ? () : (key => $facts->{key}), %want,
        claims => $claims, header => { %$header, %{ $want{header} // {} } });
    $self->tell('know', $token, $kind, $claims) unless $unknown;
    return $token;
}

1;
