# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Jar;

# The cookies of one browser, kept and sent as RFC 6265 and its revision say and as libraries often do
# not: Max-Age counts, Secure stays on https, __Host- must mean it, ports make no difference, and a
# form from another site (Sec-Fetch-Site: cross-site) brings only what is SameSite=None.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time);

sub new { return bless { cookies => {} }, $_[0] }

# What LWP calls with each answer.
sub extract_cookies {
    my ($self, $response) = @_;
    my $uri = $response->request->uri;
    $self->take($uri, $_) for $response->header('Set-Cookie');
    return $response;
}

# One Set-Cookie line.
sub take {
    my ($self, $uri, $line) = @_;
    my ($pair, @attributes) = split /\s*;\s*/, $line;
    my ($name, $value) = $pair =~ /^\s*([^=]*?)\s*=\s*(.*?)\s*$/ or return;
    my %is = map { my ($key, $said) = split /\s*=\s*/, $_, 2; (lc $key => $said // 1) } @attributes;
    my $path = ($is{path} // '') =~ m{^/} ? $is{path} : $uri->path =~ s{/[^/]*$}{}r || '/';
    my $https = $uri->scheme eq 'https';
    return if $is{secure} && !$https || $is{domain};
    return if lc($is{samesite} // '') eq 'none' && !$is{secure};
    return if $name =~ /^__Host-/ && !($is{secure} && $path eq '/');
    my $key = join "\0", $uri->host, $path, $name;
    return delete $self->{cookies}{$key} if defined $is{'max-age'} && $is{'max-age'} <= 0;
    my $end = defined $is{'max-age'} ? time + $is{'max-age'} : undef;
    $self->{cookies}{$key} = { host => $uri->host, path => $path, name => $name, value => $value,
                               secure => $is{secure}, samesite => lc($is{samesite} // 'lax'), end => $end, order => $self->{count}++ };
    return;
}

# What LWP calls with each request that does not have a Cookie header already.
sub add_cookie_header {
    my ($self, $request) = @_;
    my $uri = $request->uri;
    my $is_foreign = $request->method !~ /^(?:GET|HEAD)$/ && ($request->header('Sec-Fetch-Site') // '') eq 'cross-site';
    my @fit = grep { fits($_, $uri) && !($is_foreign && $_->{samesite} ne 'none') } $self->all;
    my @sorted = sort { length $b->{path} <=> length $a->{path} || $a->{order} <=> $b->{order} } @fit;
    $request->header(Cookie => join '; ', map { "$_->{name}=$_->{value}" } @sorted) if @sorted;
    return $request;
}

sub fits {
    my ($cookie, $uri) = @_;
    my $path = $uri->path || '/';
    my $below = $cookie->{path} =~ m{/$} ? $cookie->{path} : "$cookie->{path}/";
    return $cookie->{host} eq $uri->host && (!$cookie->{secure} || $uri->scheme eq 'https')
        && ($path eq $cookie->{path} || index($path, $below) == 0);
}

# All that have not run out: {host, path, name, value}.
sub all {
    my ($self) = @_;
    return grep { !defined $_->{end} || $_->{end} > time } values %{ $self->{cookies} };
}

1;
