#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Two readings of the Require language agree: on every row of rules.table, and on random rules and claims.
#
#   prove tests/unit/rules_oracle.t                  100,000 random cases, the same each time
#   prove tests/unit/rules_oracle.t :: 2000 [SEED]   as many as that; SEED 0 makes one up
#
# Needs build/unit/rule; BUILD names another folder than build.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp ();
use List::Util qw(shuffle);
use Test::More;

my $here = dirname(__FILE__);
require "./$here/rules_oracle.pl";

my $rule  = ($ENV{BUILD} // 'build') . '/unit/rule';
my $cases = shift // 100_000;
my $seed  = (shift // 1_598_594_476) || int rand 2**31;
BAIL_OUT("$rule is not built: make $rule") if !-x $rule;

# -- random rules and claims: few names and few values, so that they meet often, and in odd ways

my @NAMES = (qw(a b a.b a.b.c scope scp roles groups aud iss sub a<b), 'https://x.io/r', 'c:d', 'e~f', 'a.', '');
my @OFTEN = qw(a a b a.b scope roles groups aud);
my @NUMBERS = qw(0 7 7 7.0 6.9999 -0 70e-1 0.1 1e2 100 99.5 -7 0.30000000000000004 12345678901234567 1e-999999 07 7x);
my @WORDS = ('x', 'y', 'x y', 'y x', ' x', 'x ', 'xx', 'X', '7', '7.0', '0.1', 'true', 'null', '', 'https://op.example',
    'the-subject', '://', 'x:y', "caf\xc3\xa9");
my @PATTERNS = ('x', '^x', 'x$', '^x$', '^[xy]', '.', '7', 'u', 'x y', '^(x|7)$', '(', ':');

sub one_of { return $_[rand @_] }

# Half of the cases are about these: few paths, and many ways to read them.
my @PARTS = qw(a b c a.b b.c a.b.c sub);
my @PATHS = qw(a.b a.b.c a.b.c sub sub.a);
my $narrow;

sub some_name { return $narrow ? one_of(@PARTS) : rand() < 0.6 ? one_of(@OFTEN) : one_of(@NAMES) }

sub some_word { return $narrow || rand() < 0.5 ? one_of(qw(x y 7), 'x y') : one_of(@WORDS) }

sub quote_json {
    my ($text) = @_;
    $text =~ s/(["\\])/\\$1/g;
    return qq{"$text"};
}

sub random_value {
    my ($depth) = @_;
    my $kind = int rand($depth > 3 ? 6 : $narrow ? 12 : 9);
    return quote_json($narrow ? one_of(qw(x y)) : some_word()) if $kind < 3;
    return one_of(qw(7 7.0 0.1 1e2 -0 0.30000000000000004 12345678901234567 2.5e-7)) if $kind == 3;
    return one_of(qw(true false null)) if $kind == 4;
    return random_set($depth + 1) if $kind > 6;
    return '[' . join(',', map { random_value($depth + 2) } 1 .. rand 4) . ']';
}

sub random_set {
    my ($depth) = @_;
    my %taken;
    my @names = grep { !$taken{$_}++ } map { some_name() } 1 .. rand 6;
    return '{' . join(',', map { quote_json($_) . ':' . random_value($depth) } @names) . '}';
}

# How and when somebody signed in, mostly near the limits.
sub random_sign_in {
    my @acr = map { '"acr":' . one_of(map { qq("$_") } qw(x y xx X)) } 1 .. rand 2;
    my @time = map { '"auth_time":' . (1_750_000_000 - one_of(-31, -30, 0, 60, 90, 91, 330, 331, 4000)) } 1 .. rand 3 > 1;
    return '{' . join(',', @acr, @time, rand() < 0.1 ? one_of('"b":"x"', '"c":1') : ()) . '}';
}

sub random_claims {
    return rand() < 0.7 ? random_sign_in() : '[{"userinfo":' . random_sign_in() . '},{"id_token":' . random_sign_in() . '}]'
        if $_[0] =~ /\A(?:acr|auth-age)/;
    return random_set(0) if rand() < 0.3;
    my @sources = shuffle(qw(id_token userinfo access_token));
    my @sets = map { qq({"$_":) . random_set(0) . '}' } @sources[0 .. int(rand 4) - 1];
    push @sets, quote_json(one_of(@WORDS)) if rand() < 0.4;
    return '[' . join(',', @sets) . ']';
}

sub quote_word {
    my ($word) = @_;
    return $word if $word ne '' && $word !~ /[ "'\\]/;
    $word =~ s/(["\\])/\\$1/g;
    return qq{"$word"};
}

sub random_name {
    return one_of('', '', '', 'id:', 'userinfo:', 'at:') . ($narrow ? one_of(@PATHS) : some_name());
}

sub random_test {
    my $name = random_name();
    $name =~ s/([:~])/\\$1/g if rand() < 0.1;
    $name =~ s/(?<=[ce])([:~])/\\$1/g if rand() < 0.9;
    return $name . one_of(':' . some_word(), ':' . some_word(), '~' . one_of(@PATTERNS), rand() < 0.1 ? '' : ':x',
        one_of('>=', '<=') . one_of(@NUMBERS));
}

sub random_step_up {
    my $words = one_of(0 .. 20) ? 1 + int rand 2 : 0;
    return join ' ', 'acr', map { quote_word(one_of(qw(x x y 7), 'x y')) } 1 .. $words if rand() < 0.5;
    return join ' ', 'auth-age', map { one_of(qw(60 1m 60s 5m 5m 1h 1d 0)) } 1 .. one_of(1, 1, 1, $words);
}

sub random_absence {
    my $words = one_of(0 .. 20) ? 1 + int rand 2 : 0;
    return join ' ', 'no-claim', map { quote_word(rand() < 0.05 ? random_test() : random_name()) } 1 .. $words;
}

sub random_rule {
    return random_step_up() if rand() < 0.15;
    return random_absence() if rand() < 0.1;
    return join ' ', 'method', map { one_of(qw(code bearer introspection client_credentials GET)) } 1 .. rand 3 if rand() < 0.05;
    my $kind = one_of(qw(claim claim claim scope role group audience));
    my @words = map { $kind eq 'claim' ? random_test() : some_word() } 1 .. rand(10) < 9 ? 1 + int rand 3 : 0;
    unshift @words, 'claim=' . random_name() if $kind ne 'claim' && rand() < 0.5;
    push @words, 'claim=a' if $kind ne 'claim' && rand() < 0.02;
    return join ' ', $kind, map { quote_word($_) } @words;
}

# -- comparing

sub ask_gate {
    my ($lines) = @_;
    my $file = File::Temp->new;
    print {$file} @$lines;
    close $file or die $!;
    my @answers = qx{'$rule' - < '$file'};
    is($?, 0, "$rule - ends well");
    chomp @answers;
    return @answers;
}

my $rows = 0;
open my $table, '<', "$here/rules.table" or BAIL_OUT("$here/rules.table: $!");
while (my $line = <$table>) {
    next if $line =~ /\A(?:#|\n)/;
    chomp $line;
    my ($want, $require, $claims) = split /\t/, $line;
    is(Gate::RulesOracle::judge($require, $claims), $want, "$require of $claims");
    $rows++;
}
cmp_ok($rows, '>=', 200, 'the table has at least 200 rows');

srand $seed;
my (@lines, @wanted, %met);
for (1 .. $cases) {
    $narrow = rand() < 0.5;
    my $require = random_rule();
    my $claims = random_claims($require);
    push @lines, "$require\t$claims\n";
    push @wanted, Gate::RulesOracle::judge($require, $claims);
    $met{ $wanted[-1] }++;
}
my @got = ask_gate(\@lines);
is(scalar @got, $cases, 'every case is answered');
my @differences = grep { ($got[$_] // 'nothing') ne $wanted[$_] } 0 .. $#lines;
ok(!@differences, "gate and oracle agree on $cases random cases (seed $seed)");
diag("gate: $got[$_], oracle: $wanted[$_], for $lines[$_]") for grep { defined } @differences[0 .. 9];
cmp_ok($met{$_} // 0, '>', $cases / 100, "$_ is met often enough to mean something")
    for qw(ok claim_missing claim_mismatch scope_missing acr_unmet claims_unavailable rule_refused config_error);

done_testing();
