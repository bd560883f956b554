# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::OP::Server;

# The provider's process: finds out which issuer and which endpoint a request means, counts it,
# keeps it, and lets the issuer answer, or the fault that the test has put in the way.
use strict;
use warnings FATAL => 'all';

use Gate::JOSE qw(json_encode);
use Gate::OP::Issuer ();
use Gate::Wire qw(form_pairs header);

my %LETTER = (discovery => 'D', jwks => 'J', authorize => 'A', token => 'T', userinfo => 'U',
              introspect => 'I', revoke => 'R', end_session => 'E', par => 'P', other => 'X');
my $ENDPOINTS = join '|', grep { !/discovery|other/ } keys %LETTER;
my $WELL_KNOWN = qr{/\.well-known/(?:openid-configuration|oauth-authorization-server)};
my $KEPT = 5000;

sub new {
    my ($class, %with) = @_;
    $with{base} //= "http://127.0.0.1:$with{port}";
    my $self = bless { with => \%with, issuers => {} }, $class;
    return $self;
}

sub issuer {
    my ($self, $name) = @_;
    my %with = %{ $self->{with} };
    return $self->{issuers}{$name} //= {
        is => Gate::OP::Issuer->new(%with, issuer => join('/', $with{base}, length $name ? $name : ())),
        calls => {}, requests => {}, faults => {},
    };
}

# Which provider, and which endpoint of it.
sub place {
    my ($path) = @_;
    return ($1, 'discovery') if $path =~ m{^/?(.*?)$WELL_KNOWN$};
    return ($1, 'discovery') if $path =~ m{^$WELL_KNOWN/(.+)$};
    return ($1, $2) if $path =~ m{^/?(.*?)/($ENDPOINTS)$};
    return ('', 'other');
}

sub answer {
    my ($self, $request) = @_;
    if ($request->{path} eq '/_control') {
        return { body => json_encode($self->control(@{ Gate::JOSE::json_decode($request->{body}) })) };
    }
    my ($name, $endpoint) = place($request->{path});
    my $issuer = $self->issuer($name);
    $request->{query_pairs} = [form_pairs($request->{query})];
    $request->{form} = (header($request, 'Content-Type') // '') =~ m{^application/x-www-form-urlencoded}i
                     ? [form_pairs($request->{body})] : [];
    note($issuer, $endpoint, $request);
    my $fault = fault_for($issuer, $endpoint, $request);
    return own_answer($fault) if $fault && is_own($fault);
    my $honest = sub { return { %{ $issuer->{is}->$endpoint($request) }, %{ $fault // {} } } };
    return { delay => delete $fault->{think}, then => $honest } if $fault && $fault->{think};
    my $answer = $honest->();
    return $fault && $fault->{lost} ? { close => 1 } : $answer;
}

sub note {
    my ($issuer, $endpoint, $request) = @_;
    my $letter = $LETTER{$endpoint};
    $issuer->{calls}{$letter}++;
    my ($grant) = grep { $_->[0] eq 'grant_type' } @{ $request->{form} };
    $issuer->{calls}{"T:$grant->[1]"}++ if $endpoint eq 'token' && $grant;
    my $kept = $issuer->{requests}{$endpoint} //= [];
    push @$kept, $request;
    shift @$kept if @$kept > $KEPT;
    return;
}

sub fault_for {
    my ($issuer, $endpoint, $request) = @_;
    my $fault = $issuer->{faults}{$endpoint} or return;
    my $when = $fault->{when} // {};
    for my $name (keys %$when) {
        return unless grep { $_->[0] eq $name && $_->[1] eq $when->{$name} } @{ $request->{form} };
    }
    return if exists $fault->{times} && $fault->{times}-- <= 0;
    return { map { $_ => $fault->{$_} } grep { !/^(when|times)$/ } keys %$fault };
}

# Whether the fault is an answer of its own, not the honest one ill-treated.
sub is_own {
    my ($fault) = @_;
    return grep { exists $fault->{$_} }
        qw(status headers body raw json html location close hang huge endless);
}

sub own_answer {
    my ($fault) = @_;
    my %answer = %$fault;
    my $json = [['Content-Type', 'application/json']];
    $answer{body} = json_encode(delete $answer{json}) if exists $answer{json};
    if (delete $answer{html}) {
        $answer{body} = '<html><h1>Hello</h1></html>';
        $answer{headers} = [['Content-Type', 'text/html']];
    }
    if (exists $answer{location}) {
        $answer{status} //= 302;
        push @{ $answer{headers} }, ['Location', delete $answer{location}];
    }
    $answer{headers} //= $json;
    return \%answer;
}

my %CONTROL = (
    calls    => sub { $_[0]{calls} },
    requests => sub { my ($issuer, $at) = @_; [map { slim($_) } @{ $issuer->{requests}{$at} // [] }] },
    reset    => sub { @{ $_[0] }{qw(calls requests)} = ({}, {}); return },
    honest   => sub { $_[0]{faults} = {}; $_[0]{is}{lies} = {}; return },
    fault    => sub { my ($issuer, $at, $fault) = @_; change($issuer->{faults}, known($at), $fault) },
    lie      => sub { my ($issuer, $what, $lie) = @_; change($issuer->{is}{lies}, $what, $lie) },
);

sub slim {
    my ($request) = @_;
    return { map { $_ => $request->{$_} } qw(method path query query_pairs headers form body auth time) };
}
sub known { my ($endpoint) = @_; return $LETTER{$endpoint} ? $endpoint : die "no endpoint '$endpoint'\n" }
sub change {
    my ($table, $name, $value) = @_;
    $value ? ($table->{$name} = $value) : delete $table->{$name};
    return;
}

# What the test says; verbs that are not the process's are the issuer's.
sub control {
    my ($self, $verb, $name, @arguments) = @_;
    my $issuer = $self->issuer($name);
    return $CONTROL{$verb}->($issuer, @arguments) if $CONTROL{$verb};
    my $method = $issuer->{is}->can("tell_$verb") // die "the provider does not know '$verb'\n";
    return $method->($issuer->{is}, @arguments);
}

1;
