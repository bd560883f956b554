# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::JOSE;

# Signs tokens as RFC 7515 to 7519 say, with the keys beside this file; and, where a test asks, as
# they forbid. It shares nothing with the code that is tested.
use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Spec ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64url encode_base64url);

use Crypt::Mac::HMAC qw(hmac);
use Crypt::PK::ECC ();
use Crypt::PK::Ed25519 ();
use Crypt::PK::RSA ();
use Digest::SHA qw(sha256 sha384 sha512);

our @EXPORT_OK = qw(believe decode half_hash json_decode json_encode jwk jwt key_file key_for random_id verify);

my $KEYS = File::Spec->rel2abs(dirname(__FILE__) . '/../keys');
my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;

sub json_encode { return $JSON->encode($_[0]) }
sub json_decode { return $JSON->decode($_[0]) }

# Which of the keys an algorithm takes when nobody names one.
my %KEY_FOR = (
    (map { $_ => 'rsa1' } qw(RS256 RS384 RS512 PS256 PS384 PS512)),
    ES256 => 'ec256', ES384 => 'ec384', ES512 => 'ec521', EdDSA => 'ed25519',
    (map { $_ => 'secret:s3cret-web' } qw(HS256 HS384 HS512)), none => '',
);
sub key_for { return $KEY_FOR{ $_[0] } // die "no algorithm $_[0]\n" }

my %opened;
sub key_file { return "$KEYS/$_[0].pem" }

# "rsa1", "ec256", "ed25519" ...: the key of that file. 
sub open_key {
    my ($name) = @_;
    my $class = $name =~ /^rsa/ ? 'Crypt::PK::RSA'
              : $name =~ /^ec/  ? 'Crypt::PK::ECC' : 'Crypt::PK::Ed25519';
    return $opened{$name} //= $class->new(key_file($name));
}

# "secret:TEXT" is TEXT; "public:NAME" is the PEM text of a public key, which is what a confused
# verifier takes for the secret of an HMAC; any other name is itself.
sub secret_of {
    my ($name) = @_;
    return $1 if $name =~ /^secret:(.*)$/s;
    return open_key($1)->export_key_pem($1 =~ /^rsa/ ? 'public_x509' : 'public') if $name =~ /^public:(.*)$/;
    return $name;
}

# The public key as a JWK; more members may be given.
sub jwk {
    my ($name, %more) = @_;
    my $jwk = open_key($name)->export_key_jwk('public', 1);
    delete @$jwk{qw(alg kid use key_ops)};
    return { %$jwk, use => 'sig', kid => $name, %more };
}

my %HASH = (256 => 'SHA256', 384 => 'SHA384', 512 => 'SHA512');
my %SIGN = (
    RS => sub { $_[0]->sign_message($_[1], $_[2], 'v1.5') },
    PS => sub { $_[0]->sign_message($_[1], $_[2], 'pss', substr($_[2], 3) / 8) },
    ES => sub { $_[0]->sign_message_rfc7518($_[1], $_[2]) },
);
sub signature {
    my ($alg, $key, $text) = @_;
    return '' if lc $alg eq 'none';
    return open_key($key)->sign_message($text) if $alg =~ /^Ed/;
    my ($family, $hash) = $alg =~ /^([A-Z]S)(\d+)$/ or die "no algorithm $alg\n";
    return hmac($HASH{$hash}, secret_of($key), $text) if $family eq 'HS';
    return $SIGN{$family}->(open_key($key), $text, $HASH{$hash});
}

my %VERIFY = (
    RS => sub { $_[0]->verify_message($_[1], $_[2], $_[3], 'v1.5') },
    PS => sub { $_[0]->verify_message($_[1], $_[2], $_[3], 'pss', substr($_[3], 3) / 8) },
    ES => sub { $_[0]->verify_message_rfc7518($_[1], $_[2], $_[3]) },
);

# Whether the token's signature is that key's.
sub verify {
    my ($token, $key) = @_;
    my ($text, $mac) = $token =~ /^(.*)\.([^.]*)$/s or return 0;
    my $alg = decode($token)->{header}{alg};
    my $signature = decode_base64url($mac);
    return open_key($key)->verify_message($signature, $text) if $alg eq 'EdDSA';
    my ($family, $hash) = $alg =~ /^([A-Z]S)(\d+)$/ or return 0;
    return $signature eq hmac($HASH{$hash}, secret_of($key), $text) if $family eq 'HS';
    return $VERIFY{$family}->(open_key($key), $signature, $text, $HASH{$hash});
}

# What a service does with a token that it is given: checks it with a published key set (its JSON), and that it is meant for
# it: iss, aud, now. Its claims, or the reason why not, a text.
my %CLASS = (EC => 'Crypt::PK::ECC', OKP => 'Crypt::PK::Ed25519');
my %EXPECTED = ('P-256' => 'ES256', 'P-384' => 'ES384', 'P-521' => 'ES512', Ed25519 => 'EdDSA');
sub believe {
    my ($token, $set, %want) = @_;
    my ($text, $mac) = ($token // '') =~ /^([\w-]+\.[\w-]+)\.([\w-]+)$/ or return 'no JWT';
    my $jwt = decode($token);
    my ($jwk) = grep { $_->{kid} eq ($jwt->{header}{kid} // '') } @{ json_decode($set)->{keys} } or return 'no key';
    my $alg = $EXPECTED{ $jwk->{crv} } // '';
    return 'alg' if $alg ne $jwk->{alg} || $alg ne $jwt->{header}{alg} || $jwk->{use} ne 'sig';
    my $key = $CLASS{ $jwk->{kty} }->new({ map { $_ => $jwk->{$_} } grep { exists $jwk->{$_} } qw(kty crv x y) });
    my $signature = decode_base64url($mac);
    my $good = $alg eq 'EdDSA' ? $key->verify_message($signature, $text) : $key->verify_message_rfc7518($signature, $text, $HASH{ substr $alg, 2 });
    return 'signature' if !$good;
    my $claims = $jwt->{claims};
    return 'iss' if $claims->{iss} ne $want{iss};
    return 'aud' if $claims->{aud} ne $want{aud};
    my $now = $want{now} // time;
    return 'iat' if $claims->{iat} > $now + 30;
    return 'exp' if $claims->{exp} <= $now;
    return $claims;
}

# Header and claims of a token, unverified.
sub decode {
    my ($token) = @_;
    my ($header, $claims) = map { json_decode(decode_base64url($_)) } (split /\./, $token)[0, 1];
    return { header => $header, claims => $claims };
}

# What an honest object becomes: `set` members replace, `drop` names leave.
sub bend {
    my ($object, $set, $drop) = @_;
    my %bent = (%$object, %{ $set // {} });
    delete @bent{ @{ $drop // [] } };
    return \%bent;
}

# JSON text in which a member stands twice: first as it is, then with the other value.
sub doubled {
    my ($object, $again) = @_;
    my $text = json_encode($object);
    for my $name (sort keys %{ $again // {} }) {
        my $member = json_encode($name) . ':' . json_encode($again->{$name});
        $text =~ s/\}\z/,$member}/;
    }
    return $text;
}

my %TWIST = (
    absent    => sub { '' },
    truncated => sub { substr $_[0], 0, length($_[0]) - 1 },
    longer    => sub { "$_[0]\0" },
    zero      => sub { "\0" x length $_[0] },
    flipped   => sub { my $copy = $_[0]; substr($copy, 0, 1) ^= "\x01"; $copy },
);

# A signed token. claims, header: objects. And how it may differ from an honest one: set, drop
# (claims); set_header, drop_header; alg; key; claims_twice, header_twice ({member => second
# value}); claims_text, header_text (instead of JSON made here); signature (a row of %TWIST).
sub jwt {
    my (%want) = @_;
    my $alg = $want{alg} // 'RS256';
    my $key = $want{key} // key_for($alg);
    my %kid = $key =~ /^(secret:|public:|$)/ ? () : (kid => $key);
    my $header = bend({ alg => $alg, typ => 'JWT', %kid, %{ $want{header} // {} } },
                      $want{set_header}, $want{drop_header});
    my $claims = bend($want{claims}, $want{set}, $want{drop});
    my $text = join '.', map { encode_base64url($_) }
        $want{header_text} // doubled($header, $want{header_twice}),
        $want{claims_text} // doubled($claims, $want{claims_twice});
    my $signature = signature($alg, $key, $text);
    $signature = $TWIST{ $want{signature} }->($signature) if $want{signature};
    return "$text." . encode_base64url($signature);
}

# at_hash and c_hash (OIDC Core section 3.1.3.6).
sub half_hash {
    my ($alg, $text) = @_;
    my $digest = $alg =~ /384$/ ? sha384($text) : $alg =~ /512$|^Ed/ ? sha512($text) : sha256($text);
    return encode_base64url(substr $digest, 0, length($digest) / 2);
}

sub random_id {
    my ($bytes) = @_;
    open my $source, '<:raw', '/dev/urandom' or die "urandom: $!";
    read $source, my $random, $bytes // 24;
    return encode_base64url($random);
}

1;
