#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# The Require language a second time, from its description and not from its code: claims are read where they
# stand, without records and hashes. Reads lines "rule<TAB>claims" and prints what comes of each, as
# build/unit/rule - does; or is required by rules_oracle.t, which compares the two.
package Gate::RulesOracle;

use strict;
use warnings;

use Math::BigFloat ();

my %FACTS = (iss => 'https://op.example', sub => 'the-subject');
my %PINS  = ('id:' => 'id_token', 'userinfo:' => 'userinfo', 'at:' => 'access_token');
my %KINDS = (
    scope => { claims => ['scope', 'scp'], missing => 'scope_missing', mismatch => 'scope_missing', granted => 1 },
    role  => { claims => ['roles'],  missing => 'claim_missing', mismatch => 'claim_mismatch' },
    group => { claims => ['groups'], missing => 'claim_missing', mismatch => 'claim_mismatch' },
    audience => { claims => ['at:aud'], missing => 'claim_missing', mismatch => 'claim_mismatch' },
);

# -- JSON: each value is [type, what it is], so that 7 and "7" stay two things; members keep their order.

my %ESCAPES = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

sub unescape {
    my ($text) = @_;
    $text =~ s{\\u([0-9a-fA-F]{4})|\\(.)}{
        if (defined $1) { my $c = chr hex $1; utf8::encode($c); $c } else { $ESCAPES{$2} // $2 }
    }ge;
    return $text;
}

# The shortest text that reads back as the same number, with a ".0" where it would look like an integer.
sub spell_real {
    my ($number) = @_;
    my $text;
    for my $digits (15 .. 17) {
        $text = sprintf "%.${digits}g", $number;
        last if $text == $number;
    }
    $text .= '.0' if $text !~ /[.e]/;
    $text =~ s/e([+-])0*(\d)/'e' . ($1 eq '-' ? '-' : '') . $2/e;
    return $text;
}

sub parse_value {
    for ($_[0]) {
        /\G\s*/gc;
        return [string  => unescape($1)]                      if /\G"((?:[^"\\]|\\.)*)"/gcs;
        return [number  => spell_real($1)]                    if /\G(-?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+))/gc;
        return [number  => $1 eq '-0' ? '0' : $1]             if /\G(-?\d+)/gc;
        return [boolean => $1]                                if /\G(true|false)/gc;
        return [null    => 'null']                            if /\Gnull/gc;
        return [array   => parse_list($_, ']', \&parse_value)]  if /\G\[/gc;
        return [object  => parse_list($_, '}', \&parse_member)] if /\G\{/gc;
        die 'no JSON: ' . substr($_, pos() // 0);
    }
}

sub parse_member {
    my $name = parse_value($_[0]);
    $_[0] =~ /\G\s*:/gc or die 'no member';
    return [$name->[1], parse_value($_[0])];
}

sub parse_list {
    my (undef, $end, $parse) = @_;
    my @list;
    return \@list if $_[0] =~ /\G\s*\Q$end\E/gc;
    while (1) {
        push @list, $parse->($_[0]);
        return \@list if $_[0] =~ /\G\s*\Q$end\E/gc;
        $_[0] =~ /\G\s*,/gc or die 'no list';
    }
}

# -- who it is: { sets => [[source, members], ...], granted => text }

sub parse_claims {
    my ($json) = @_;
    pos($json) = 0;
    my $value = parse_value($json);
    return { sets => [[id_token => $value->[1]]] } if $value->[0] eq 'object';
    my %who = (sets => []);
    for my $item (@{ $value->[1] }) {
        if   ($item->[0] eq 'string') { $who{granted} = $item->[1] }
        else                          { push @{ $who{sets} }, [$_->[0], $_->[1][1]] for @{ $item->[1] } }
    }
    return \%who;
}

# Every way to read a path in an object, as [steps, value], in the order in which they stand.
sub ways {
    my ($members, $path, $steps) = @_;
    my @ways;
    for my $member (@$members) {
        my ($name, $value) = @$member;
        push @ways, [$steps, $value] if $name eq $path;
        push @ways, ways($value->[1], substr($path, 1 + length $name), $steps + 1)
            if $value->[0] eq 'object' && index($path, "$name.") == 0;
    }
    return @ways;
}

sub find_claim {
    my ($who, $name) = @_;
    my ($pin, $path) = $name =~ /\A(id:|userinfo:|at:)?(.*)\z/s;
    return [string => $FACTS{$path}] if !defined $pin && exists $FACTS{$path};
    my (@ways, %seen);
    for my $set (@{ $who->{sets} }) {
        my ($source, $members) = @$set;
        next if defined $pin && $PINS{$pin} ne $source;
        my @told = defined $pin ? @$members : grep { !$seen{ $_->[0] } && !exists $FACTS{ $_->[0] } } @$members;
        push @ways, ways(\@told, $path, 0);
        $seen{ $_->[0] } = 1 for @$members;
    }
    my ($best) = sort { $a->[0] <=> $b->[0] } @ways;    # perl's sort is stable
    return $best && $best->[1];
}

# -- rules

sub part {
    my ($line) = @_;
    my @words;
    while ($line =~ /\G *(?:"((?:\\["\\]|[^"])*)"|'((?:\\['\\]|[^'])*)'|([^ ]+))/gc) {
        my ($word, $quote) = defined $1 ? ($1, '"') : defined $2 ? ($2, "'") : ($3, '');
        $word =~ s/\\(\\|\Q$quote\E)/$1/g if $quote;
        $word =~ s/\\\\/\\/g if !$quote;
        push @words, $word;
    }
    return @words;
}

# A name as far as the first sign: what it is, the sign (or none), and the rest.
sub cut_name {
    my ($word) = @_;
    my ($name, $sign, $rest) =
        $word =~ m{\A((?:id:|userinfo:|at:)?+(?:\\[:~<>]|:(?=//)|[<>](?!=)|[^:~<>\\]|\\(?![:~<>]))*+)(:|~|>=|<=|\z)(.*)\z}s;
    $name =~ s/\\([:~<>])/$1/g;
    return ($name =~ /\A(?:id:|userinfo:|at:)?\z/ ? undef : $name, $sign, $rest);
}

# [name, sign, value], or nothing for a word that is refused.
sub parse_test {
    my ($name, $sign, $value) = cut_name(@_);
    return if !defined $name || $sign eq '' || $value eq '';
    if ($sign eq '~') {
        $value =~ s/\$\z/\\z/;
        $value = eval { qr/$value/s } or return;
    }
    return if $sign =~ /=/ && $value !~ /\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,6})?\z/;
    return [$name, $sign, $value];
}

sub scalars {
    my ($value) = @_;
    my @values = $value->[0] eq 'array' ? @{ $value->[1] } : $value;
    return grep { $_->[0] =~ /\A(?:string|number|boolean)\z/ } @values;
}

sub texts { return map { $_->[1] } scalars(@_) }

my %HOLDS = (
    ':'  => sub { $_[0][1] eq $_[1] },
    '~'  => sub { $_[0][1] =~ $_[1] },
    '>=' => sub { $_[0][0] eq 'number' && Math::BigFloat->new($_[0][1]) >= Math::BigFloat->new($_[1]) },
    '<=' => sub { $_[0][0] eq 'number' && Math::BigFloat->new($_[0][1]) <= Math::BigFloat->new($_[1]) },
);

sub judge_claim {
    my ($who, @words) = @_;
    my @tests = map { parse_test($_) // return 'config_error' } @words or return 'config_error';
    my $found = 0;
    for my $test (@tests) {
        my ($name, $sign, $wanted) = @$test;
        my $value = find_claim($who, $name) or next;
        $found = 1;
        return 'ok' if grep { $HOLDS{$sign}->($_, $wanted) } scalars($value);
    }
    return $found ? 'claim_mismatch' : 'claim_missing';
}

sub judge_list {
    my ($kind, $who, @words) = @_;
    my @names   = @{ $kind->{claims} };
    my $granted = $kind->{granted};
    if (@words && $words[0] =~ /\Aclaim=(.*)\z/s) {
        (@names, $granted) = ($1);
        return 'config_error' if $1 =~ /\A(?:id:|userinfo:|at:)?\z/;
        shift @words;
    }
    my @alternatives = map { [split ' ', $_] } @words;
    return 'config_error'
        if !@alternatives || grep { !@$_ || $_->[0] =~ /\Aclaim=/ } @alternatives;

    my ($value) = grep { defined } map { find_claim($who, $_) } @names;
    $value //= [string => $who->{granted}] if $granted && defined $who->{granted};
    return $kind->{missing} if !$value;
    my %has = map { $_ => 1 } $value->[0] eq 'string' ? split(/ +/, $value->[1]) : texts($value);
    for my $alternative (@alternatives) {
        return 'ok' if !grep { !$has{$_} } @$alternative;
    }
    return $kind->{mismatch};
}

# No source that is known may say it, and one must be known.
sub judge_absence {
    my ($who, @words) = @_;
    return 'config_error' if !@words;
    my @names;
    for my $word (@words) {
        my ($name, $sign) = cut_name($word);
        return 'config_error' if !defined $name || $sign ne '';
        push @names, $name;
    }
    for my $name (@names) {
        my ($pin, $path) = $name =~ /\A(id:|userinfo:|at:)?(.*)\z/s;
        my @pins = $pin // sort keys %PINS;
        my %known = map { $_->[0] => 1 } grep { @{ $_->[1] } } @{ $who->{sets} };
        return 'claims_unavailable' if !grep { $known{ $PINS{$_} } } @pins;
        return 'claim_mismatch' if grep { find_claim($who, $_) } (defined $pin ? () : $path), map { "$_$path" } @pins;
    }
    return 'ok';
}

# Everybody here signed in with a code.
sub judge_method {
    my ($who, @words) = @_;
    return 'config_error' if !@words || grep { !/\A(?:code|bearer|introspection|client_credentials)\z/ } @words;
    return grep({ $_ eq 'code' } @words) ? 'ok' : 'rule_refused';
}

# The moment at which all rules are judged, and how far clocks may differ.
my ($NOW, $SKEW) = (1_750_000_000, 30);
my %UNITS = ('' => 1, s => 1, m => 60, h => 3600, d => 86400);

sub judge_acr {
    my ($who, @words) = @_;
    return 'config_error' if !@words || grep { !/\A[!#-\[\]-~]+\z/ } @words;
    my $acr = find_claim($who, 'acr');
    return $acr && $acr->[0] eq 'string' && grep({ $_ eq $acr->[1] } @words) ? 'ok' : 'acr_unmet';
}

# Of the first source that has one; a top-level claim alone.
sub judge_age {
    my ($who, @words) = @_;
    return 'config_error' if @words != 1;
    my ($number, $unit) = $words[0] =~ /\A([0-9]{1,9})([smhd]?)\z/ or return 'config_error';
    my $age = $number * $UNITS{$unit} or return 'config_error';
    my ($time) = map { $_->[1] } grep { $_->[0] eq 'auth_time' } map { @{ $_->[1] } } @{ $who->{sets} };
    return 'acr_unmet' if !$time || $time->[0] ne 'number';
    return $time->[1] <= $NOW + $SKEW && $NOW - $time->[1] <= $age + $SKEW ? 'ok' : 'acr_unmet';
}

my %JUDGES = (
    'claim' => \&judge_claim, 'no-claim' => \&judge_absence, 'method' => \&judge_method,
    'acr' => \&judge_acr, 'auth-age' => \&judge_age,
);

sub judge {
    my ($line, $json) = @_;
    my ($kind, @words) = part($line);
    my $who = parse_claims($json);
    return $JUDGES{$kind} ? $JUDGES{$kind}->($who, @words) : judge_list($KINDS{$kind}, $who, @words);
}

if (!caller) {
    while (my $line = <STDIN>) {
        chomp $line;
        print judge(split /\t/, $line, 2), "\n";
    }
}

1;
