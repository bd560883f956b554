# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# `apachectl configtest` finds what is wrong with a configuration, and says it so that it can be put
# right: which directive, what value, where, and what to write instead.
use Gate::Test;

use Crypt::PK::ECC ();
use File::Temp ();
use Gate::JOSE qw(key_file);

my $dir = File::Temp->newdir;
write_file("$dir/secret", "s3cret-web\n", 0600);
write_file("$dir/open", "s3cret-web\n", 0644);
write_file("$dir/writable", "s3cret-web\n", 0602);
write_file("$dir/empty", "\n", 0600);
write_file("$dir/two", "one\ntwo\n", 0600);
write_file("$dir/long", 'x' x 5000, 0600);
write_file("$dir/proxy", "gate:s3cret\n", 0600);
write_file("$dir/no-keys", '{"keys":[{"kty":"oct","k":"AAAA"}]}', 0644);
write_file("$dir/key", 'k' x 32 . "\n", 0600);
write_file("$dir/short", 'k' x 31, 0600);
write_file("$dir/rsa.pem", slurp(key_file('rsa1')), 0600);
for my $name (qw(ec256 ed25519)) {
    my $pem = slurp(key_file($name));
    write_file("$dir/$name.pem", $pem, 0600);
    write_file("$dir/$name-open.pem", $pem, 0644);
}
write_file("$dir/public.pem", Crypt::PK::ECC->new(key_file('ec256'))->export_key_pem('public'), 0644);
write_file("$dir/public-writable.pem", slurp("$dir/public.pem"), 0666);
my $ASSERTION = "OIDCGateAssertion key=$dir/ec256.pem";

# A person's gate, and what is written in its place.
sub app {
    my (%with) = @_;
    my %line = (
        issuer => 'OIDCGateIssuer https://id.example.com/',
        id     => 'OIDCGateClientID web',
        secret => 'OIDCGateClientSecret s3cret-web',
        more   => '', inside => '', %with,
    );
    return join "\n", @line{qw(issuer id secret more)}, '<Location /app>', 'AuthType OIDCGate',
        $line{inside}, 'Require all granted', '</Location>';
}
sub host {
    my ($name, $inside, $port) = @_;
    $port //= 80;
    return "\n<VirtualHost *:$port>\nServerName $name\n$inside\n</VirtualHost>";
}

# --- what may be written ---

my @fine = (
    'nothing at all'                     => '',
    'the smallest useful configuration'  => app(),
    'no gate at all where none is asked for' => 'OIDCGateIssuer https://id.example.com/',
    'an issuer on loopback by http'      => app(issuer => 'OIDCGateIssuer http://127.0.0.1:8080'),
    'another way to write AuthType'      => app() =~ s/OIDCGate$/oidcgate/mr,
    'a public client'                    => app(secret => 'OIDCGateClientAuth none'),
    'a secret in a file'                 => app(secret => "OIDCGateClientSecret file:$dir/secret"),
    'a secret in the environment'        => app(secret => 'OIDCGateClientSecret env:PATH'),
    'a secret from a command'
        => app(secret => 'OIDCGateClientSecret "exec:/bin/echo s3cret"'),
    'bearer tokens need no client'       => app(id => '', secret => '', inside
        => "OIDCGateMethods bearer\nOIDCGateAudience api"),
    'bearer tokens for anybody, said so' => app(id => '', secret => '', inside
        => "OIDCGateMethods bearer\nOIDCGateAudience any"),
    'client credentials need no client and no audience'
        => app(id => '', secret => '', inside => 'OIDCGateMethods client_credentials'),
    'introspection without discovery'    => app(inside => <<'END'),
OIDCGateMethods introspection
OIDCGateDiscovery Off
OIDCGateEndpoint introspection https://id.example.com/introspect
END
    'a symmetric algorithm with a long secret'
        => app(secret => 'OIDCGateClientSecret ' . 'x' x 32, more => 'OIDCGateAlgorithms HS256'),
    'the resource parameter twice (RFC 8707)'
        => app(more
        => "OIDCGateTokenParam resource https://a.example\nOIDCGateTokenParam resource https://b.example"),
    'lists over several lines'           => app(inside => <<'END'),
OIDCGateMethods code
OIDCGateMethods bearer
OIDCGateAudience a b
OIDCGateAudience c
OIDCGateHeader X-User "%{user}"
OIDCGateHeader X-Groups "%{claim:groups}" join=, encode=percent required
END
    'the same header in another section' => app(more => 'OIDCGateHeader X-User "%{user}"',
        inside => 'OIDCGateHeader x_user "%{claim:email}"'),
    'presets, and lines of their own beside them' => app(inside => <<'END'),
OIDCGateHeader X-Consumer-Username "%{claim:email}"
OIDCGateHeader preset kong
OIDCGateHeader preset remote
OIDCGateHeader remote_user "%{claim:email}" default=nobody
OIDCGateHeader unset X-Authenticated-Groups
OIDCGateHeader unset X-Legacy-*
OIDCGateHeader preset MOD_auth_openidc
OIDCGateEnv preset mod_auth_openidc
OIDCGateEnv unset OIDC_access_token
END
    'an assertion'                       => app(more => $ASSERTION,
        inside => 'OIDCGateHeader X-Assertion "%{assertion:https://a.example}"'),
    'an assertion, whose key changes'    => app(
        more => "OIDCGateAssertion key=$dir/ed25519.pem old=$dir/public.pem lifetime=5m claim=email claim=id:groups",
        inside => 'OIDCGateEnv ASSERTION "%{assertion:https://a.example}" required'),
    'a name in https'                    => host('https://www.example.com', app()),
    'https from SSLEngine'               => host('www.example.com', "SSLEngine on\n" . app(), 8443),
    'https from the main server\'s SSLEngine' => "SSLEngine on\n"
        . host('www.example.com', app(), 8443),
    'https from the port'                => host('www.example.com', app(), 443),
    'https from the listener'            => "Listen 8443 https\n"
        . host('www.example.com', app(), 8443),
    'a __Host- cookie by https'
        => host('www.example.com', "OIDCGateCookie name=__Host-x\n" . app(), 443),
    'a name, and https from a base URL'
        => host('www.example.com', app(more => 'OIDCGateBaseURL https://www.example.com/')),
    'http, if it is to be so'
        => host('www.example.com', app(more => 'OIDCGateInsecure http-cookie')),
    'an issuer by http, if it is to be so'
        => app(issuer => 'OIDCGateIssuer http://id.example.com/',
        more => 'OIDCGateInsecure http-issuer'),
    'a proxy with all that belongs to it' => app(more
        => "OIDCGateHTTP proxy=http://p.example.com:3128 proxy-auth=file:$dir/proxy no-proxy=localhost,.example.com,10.0.0.0/8"),
    'keys from a file'                    => app(more
        => "OIDCGateEndpoint jwks file:" . Apache::Test::vars('stage') . '/tests/lib/keys/jwks.json'),
    'keys'                               => app(more
        => "OIDCGateSecretKey file:$dir/key file:$dir/key"),
    'stores'                             => app(more
        => "OIDCGateSessionStore shm:64M file=sessions\nOIDCGateTokenStore shm:1G"),
    'times and sizes at their bounds'    => app(more => <<'END'),
OIDCGateCache introspection=0 negative=1h token=1d stale=0s
OIDCGateSession idle=1s lifetime=366d
OIDCGateClockSkew 5m
OIDCGateHTTP connect=300 total=300s maxbody=16M inflight=10000 proxy=http://proxy.example.com:3128
OIDCGateLimit address=1 total=1000000
OIDCGateTokenStore shm:256K
END
    'another client for one Location, with its secret'
        => app(inside => "OIDCGateClientID api\nOIDCGateClientSecret s3cret-api"),
    'the same client again in one Location' => app(inside => 'OIDCGateClientID web'),
    'another issuer for bearer tokens of one Location'
        => app(inside
        => "OIDCGateIssuer https://other.example.com\nOIDCGateMethods bearer\nOIDCGateAudience api"),
    'a secret around, a client inside'   => app(id => '', inside => 'OIDCGateClientID web'),
    'sixty-four words and more'          => app(inside
        => "OIDCGateMethods bearer\nOIDCGateAudience " . join ' ', map { "a$_" } 1 .. 100),
    'a section that completes another at its path' => <<'END',
<Location />
    OIDCGateIssuer https://id.example.com/
    OIDCGateClientID web
</Location>
<LocationMatch ^/a>
    OIDCGateClientSecret s3cret
</LocationMatch>
<Location /app>
    AuthType OIDCGate
</Location>
END
    'a gate within <If>'                 => app()
        . "\n<If \"true\">\nAuthType OIDCGate\nRequire all granted\n</If>",
    'a gate in a <Directory>'            => app()
        . "\n<Directory /srv>\nAuthType OIDCGate\n<Files x>\nOIDCGateScope openid email\n</Files>\n</Directory>",
    'other kinds of authentication'      => "<Location /basic>\nAuthType Basic\n</Location>",
    'a Location for all, in a virtual host without an address for it: it stays closed there'
        => app() . host('www.example.com', 'Redirect permanent / https://www.example.com/'),
);

row 'B-24 good configurations are taken' => sub {
    while (my ($name, $directives) = splice @fine, 0, 2) {
        config_ok($directives, $name);
    }
};

# --- one directive alone ---

my @refused = (
    # names and contexts
    'OIDCGateNothing x'                          => qr/Invalid command 'OIDCGateNothing'/,
    "<Location /x>\nOIDCGateBaseURL https://a.example\n</Location>"
        => qr/OIDCGateBaseURL not allowed in <Location> context/,
    "<Location /x>\nOIDCGateInsecure http-cookie\n</Location>"
        => qr/OIDCGateInsecure not allowed in <Location> context/,
    'OIDCGateMethods code'                       => qr/OIDCGateMethods not allowed/,
    'OIDCGateAudience any'                       => qr/OIDCGateAudience not allowed/,
    host('a.example', 'OIDCGateSessionStore shm:32M')
        => qr/OIDCGateSessionStore cannot occur within <VirtualHost>/,
    host('a.example', 'OIDCGateTokenStore shm:32M')
        => qr/OIDCGateTokenStore cannot occur within <VirtualHost>/,
    host('a.example', "OIDCGateSecretKey file:$dir/key")
        => qr/OIDCGateSecretKey cannot occur within <VirtualHost>/,
    "<Location /x>\n<Limit GET>\nOIDCGateIssuer https://a.example\n</Limit>\n</Location>"
                                                 => qr/OIDCGateIssuer cannot occur within <Limit>/,

    # how many words
    'OIDCGateIssuer'                             => qr/OIDCGateIssuer: say OIDCGateIssuer URL/,
    'OIDCGateIssuer https://a.example https://b.example'
        => qr/OIDCGateIssuer: say OIDCGateIssuer URL/,
    'OIDCGateEndpoint token'                     => qr/say OIDCGateEndpoint KIND URL/,
    'OIDCGateSession'                            => qr/say OIDCGateSession idle=DURATION/,

    # addresses
    'OIDCGateIssuer id.example.com'
        => qr/OIDCGateIssuer id.example.com: an issuer is an address/,
    'OIDCGateIssuer https://id.example.com/?a=b' => qr/an issuer is an address without query/,
    'OIDCGateIssuer https://id.example.com/#a'   => qr/an issuer is an address/,
    'OIDCGateIssuer ldap://id.example.com/'      => qr/an issuer is an address/,
    'OIDCGateIssuer "https://id.example.com/ x"' => qr/an issuer is an address/,
    'OIDCGateEndpoint tokens https://a.example'
        => qr/OIDCGateEndpoint tokens: there is no such endpoint; there are .*token introspection/,
    'OIDCGateEndpoint token /token'
        => qr{OIDCGateEndpoint /token: an endpoint is an address},
    'OIDCGateBaseURL www.example.com'
        => qr/OIDCGateBaseURL www.example.com: .*scheme, host and port alone/,
    'OIDCGateBaseURL https://www.example.com/app' => qr/a path is OIDCGatePath's/,
    'OIDCGateBaseURL https://www.example.com?x'  => qr/scheme, host and port alone/,
    (map { ("OIDCGatePath $_" => qr/OIDCGatePath \Q$_\E: a path begins with/) }
        '/', 'oidc', '/oidc/', '/a/../b', '/..', '//a', '/a//b', '/a?b', '/a%2fb', '/a;b', '/./a'),
    'OIDCGatePath ""'                            => qr/a path begins with/,
    'OIDCGateLogout redirect=http://www.example.com/'
        => qr{OIDCGateLogout http://www.example.com/: .*https address},
    'OIDCGateLogout redirect=//evil.example/'    => qr/a path on this host/,
    'OIDCGateLogout redirect=/\\\\evil.example'  => qr/a path on this host/,
    'OIDCGateLogout redirect=bye'                => qr/a path on this host/,
    'OIDCGateHTTP proxy=http://u:p@proxy.example.com'
        => qr{OIDCGateHTTP http://\.\.\.\@proxy\.example\.com: a proxy is an address such as http://proxy.example.com:3128, or none; who may use it is said by proxy-auth=$}m,
    'OIDCGateHTTP no-proxy=localhost'
        => qr/OIDCGateHTTP localhost: this belongs to a proxy=/,
    'OIDCGateHTTP proxy=none no-proxy=localhost' => qr/this belongs to a proxy=/,
    "OIDCGateHTTP proxy=http://p:1 'no-proxy=a b'" => qr/say hosts and domains/,
    'OIDCGateHTTP proxy-auth=env:HOME'           => qr/OIDCGateHTTP: proxy-auth= belongs to/,
    'OIDCGateHTTP proxy=http://p:1 proxy-auth=user:password'
        => qr/OIDCGateHTTP: proxy-auth= is file:PATH, env:NAME or exec:COMMAND/,
    "OIDCGateHTTP proxy=http://p:1 proxy-auth=file:$dir/key" => qr/where user:password is/,
    'OIDCGateIntrospectionParam token x'         => qr/the gate sets this parameter itself/,
    "OIDCGateEndpoint jwks file:$dir/none"       => qr{$dir/none cannot be read},
    "OIDCGateEndpoint jwks file:$dir/key"        => qr/to hold a JSON Web Key Set/,
    "OIDCGateEndpoint jwks file:$dir/no-keys"    => qr/with a public key in it/,
    "OIDCGateEndpoint jwks file:$dir/writable"   => qr/others can write this file, and so make tokens/,
    "OIDCGateEndpoint token file:$dir/key"       => qr/an endpoint is an address/,
    'OIDCGateHTTP proxy=proxy.example.com:3128'
        => qr/OIDCGateHTTP proxy.example.com:3128: a proxy is an address/,

    # secrets
    "OIDCGateClientSecret file:$dir/open"
        => qr{OIDCGateClientSecret $dir/open: others can read or write this file.*chmod},
    "OIDCGateClientSecret file:$dir/writable"    => qr/others can read or write this file/,
    "OIDCGateClientSecret file:$dir/none"        => qr{$dir/none cannot be read: No such file},
    "OIDCGateClientSecret file:$dir"             => qr/no plain file|cannot be read/,
    "OIDCGateClientSecret file:$dir/empty"       => qr/one line, which is the secret/,
    "OIDCGateClientSecret file:$dir/two"         => qr/one line, which is the secret/,
    "OIDCGateClientSecret file:$dir/long"        => qr/no secret is longer than 4096 bytes/,
    'OIDCGateClientSecret env:NO_SUCH_VARIABLE'
        => qr/env:NO_SUCH_VARIABLE: there is no such variable/,
    'OIDCGateClientSecret exec:/bin/true'        => qr{/bin/true printed nothing},
    'OIDCGateClientSecret exec:/bin/false'       => qr{/bin/false failed with exit status 1, so what it printed is no secret},
    'OIDCGateClientSecret "exec:/bin/sh -c \'echo hush; exit 3\'"' => qr{/bin/sh failed with exit status 3},
    'OIDCGateClientSecret "exec:/bin/sh -c \'echo hush; kill -9 $$\'"' => qr{/bin/sh failed with signal 9},
    'OIDCGateClientSecret "exec:/bin/sh -c \'printf %9000d 7\'"' => qr{no secret is longer than},
    'OIDCGateClientSecret exec:/nowhere/secret'  => qr{/nowhere/secret cannot be run: No such file},
    'OIDCGateHTTP proxy=http://127.0.0.1:1 "proxy-auth=exec:/bin/sh -c \'echo a:b; exit 1\'"' => qr{/bin/sh failed with exit status 1},
    'OIDCGateClientSecret exec:'                 => qr/exec: takes a command/,
    'OIDCGateClientSecret ""'                    => qr/OIDCGateClientSecret: the secret is empty/,
    'OIDCGateSecretKey ' . 'k' x 32
        => qr/OIDCGateSecretKey: a key is given as file:PATH/,
    "OIDCGateSecretKey file:$dir/short"
        => qr/a key has 32 to 64 characters.*openssl rand -hex 32/,
    "OIDCGateSecretKey file:$dir/open"           => qr/others can read or write/,
    "OIDCGateSecretKey file:$dir/key file:$dir/short" => qr/a key has 32 to 64 characters/,
    "OIDCGateHTTP cafile=$dir/none"              => qr{$dir/none cannot be read},
    'OIDCGateClientID ""'                        => qr/an empty value/,

    # words to choose from
    'OIDCGateIssuer https://id.example.com/x/.well-known/openid-configuration'
        => qr{leave out /\.well-known and what follows: the issuer is https://id\.example\.com/x},
    'OIDCGateDiscovery perhaps'                  => qr/OIDCGateDiscovery perhaps: say On or Off/,
    'OIDCGateDiscovery domain=example.com'       => qr/OIDCGateDiscovery domain=example.com: say On or Off/,
    'OIDCGateDiscovery On host=example.com'      => qr/host=example.com: there is no such word here; this takes domain=/,
    (map { ("OIDCGateDiscovery On domain=$_"     => qr/OIDCGateDiscovery \Q$_\E: a domain is a name such as example.com/) }
        qw(com https://example.com example.com/x example.com:443 .example.com *.example.com)),
    'OIDCGateUserinfo always'                    => qr/OIDCGateUserinfo always: say Off or login/,
    (map { ("OIDCGateClientAuth $_"
        => qr/OIDCGateClientAuth $_: this version does not have it; say client_secret_basic,/) }
        qw(client_secret_jwt private_key_jwt tls_client_auth)),
    'OIDCGateClientAuth private_key_jwt key=/x'  => qr/this version does not have it/,
    'OIDCGateClientAuth basic'
        => qr/OIDCGateClientAuth basic: say client_secret_basic/,
    'OIDCGateClientAuth none key=/x'             => qr/takes key= or cert=/,
    'OIDCGateAlgorithms none'
        => qr/OIDCGateAlgorithms none: a token without a signature/,
    'OIDCGateAlgorithms RS256 rs512'
        => qr/OIDCGateAlgorithms rs512: there is no such algorithm here; there are RS256/,
    'OIDCGateClaimsFrom id_token idtoken'
        => qr/OIDCGateClaimsFrom idtoken: say id_token, userinfo or access_token/,
    'OIDCGateClaimsFrom userinfo userinfo'       => qr/it is there already/,
    'OIDCGateCookie samesite=none'               => qr/OIDCGateCookie none: say lax or strict/,
    'OIDCGateCookie name=a=b'                    => qr/a cookie's name is made of/,
    'OIDCGateCookie "name=a b"'                  => qr/a cookie's name is made of/,
    'OIDCGateCookie secure=off'
        => qr/OIDCGateCookie secure=off: there is no such word here; this takes name= samesite=/,
    'OIDCGateInsecure everything'
        => qr/OIDCGateInsecure everything: say http-issuer or http-cookie/,
    'OIDCGateGrantScope code openid'
        => qr/OIDCGateGrantScope code: say client_credentials/,
    'OIDCGateScope openid "pro\"file"'           => qr/a scope has no quotes/,
    'OIDCGateScope ""'                           => qr/an empty scope/,
    'OIDCGateRemoteUser ""'                      => qr/no name of a claim/,
    "<Location /x>\nOIDCGateMethods code basic\n</Location>"
        => qr/OIDCGateMethods basic: say code, bearer, introspection or client_credentials/,
    "<Location /x>\nOIDCGateTokenProfile rfc6750\n</Location>"
        => qr/OIDCGateTokenProfile rfc6750: say any or rfc9068/,
    "<Location /x>\nOIDCGateIntrospect jwt\n</Location>"
        => qr/OIDCGateIntrospect jwt: say opaque or all/,
    "<Location /x>\nOIDCGateOnUnauthenticated deny\n</Location>"
        => qr/say auto, login, 401 or pass/,
    "<Location /x>\nOIDCGateAudience any api\n</Location>"
        => qr/OIDCGateAudience api: "any" stands alone/,
    "<Location /x>\nOIDCGateAudience api\nOIDCGateAudience any\n</Location>"
        => qr/OIDCGateAudience any: "any" stands alone/,
    "<Location /x>\nOIDCGateAudience \"\"\n</Location>"          => qr/an empty audience/,

    # times, sizes and numbers
    (map { ("OIDCGateClockSkew $_"
        => qr/OIDCGateClockSkew \Q$_\E: a time is a whole number with s, m, h or d .* from 0s to 5m/) }
        '30ms', '-1', '1.5m', '11m', 'soon', '30S', '5w'),
    'OIDCGateSession idle=0'
        => qr/OIDCGateSession 0: a time is .* here from 1s to 366d/,
    'OIDCGateSession idle=30m idle=40m'
        => qr/OIDCGateSession idle=40m: idle= is there twice/,
    'OIDCGateSession until=tomorrow'            => qr/OIDCGateSession tomorrow: say lifetime or id_token/,
    'OIDCGateSession 30m'
        => qr/OIDCGateSession 30m: there is no such word here; this takes idle= lifetime=/,
    'OIDCGateCache introspect=1m'
        => qr/this takes introspection= negative= token= stale=/,
    'OIDCGateHTTP total=1h'                      => qr/OIDCGateHTTP 1h: a time is .* from 1s to 5m/,
    'OIDCGateHTTP maxbody=1G'
        => qr/OIDCGateHTTP 1G: a size is .* from 1K to 16M/,
    'OIDCGateHTTP inflight=0'
        => qr/OIDCGateHTTP 0: this takes a whole number from 1 to 10000/,
    'OIDCGateLimit address=0'                    => qr/a whole number from 1 to 1000000/,
    'OIDCGateLimit total=ten'
        => qr/OIDCGateLimit ten: this takes a whole number/,
    'OIDCGateSessionStore 32M'
        => qr/OIDCGateSessionStore 32M: say shm:SIZE, such as shm:64M, or redis/,
    'OIDCGateSessionStore shm:32MB'
        => qr/OIDCGateSessionStore shm:32MB: a size is .* from 256K to 64G/,
    'OIDCGateSessionStore shm:1K'                => qr/from 256K to 64G/,
    'OIDCGateSessionStore shm:100G'              => qr/from 256K to 64G/,
    'OIDCGateSessionStore shm:32M mode=fast'
        => qr/OIDCGateSessionStore mode=fast: behind shm:SIZE there may be file=PATH/,
    'OIDCGateSessionStore redis://'              => qr/say shm:SIZE/,
    'OIDCGateTokenStore redis://a.example'
        => qr/OIDCGateTokenStore .*: say shm:SIZE, such as shm:64M$/m,

    # parameters
    (map { ("OIDCGateAuthorizationParam $_ x"
        => qr/OIDCGateAuthorizationParam $_: the gate sets this parameter itself/) }
        qw(client_id redirect_uri state nonce scope response_type code_challenge)),
    (map { ("OIDCGateTokenParam $_ x"
        => qr/OIDCGateTokenParam $_: the gate sets this parameter itself/) }
        qw(grant_type code refresh_token client_id redirect_uri code_verifier)),
    "OIDCGateAuthorizationParam prompt login\nOIDCGateAuthorizationParam prompt none"
        => qr/OIDCGateAuthorizationParam prompt: this parameter is there already/,
    'OIDCGateTokenParam audience ""'             => qr/neither the name nor the value may be empty/,

    # what is told
    (map { ("OIDCGateHeader $_ x" => qr/OIDCGateHeader $_: this header is the server's own/) }
        qw(Host connection Content-Length content_length Transfer-Encoding Cookie Upgrade TE Trailer
           Proxy-Authorization proxy_x)),
    'OIDCGateHeader X-User: "%{user}"'
        => qr/OIDCGateHeader X-User:: a header's name is made of/,
    'OIDCGateHeader "X User" "%{user}"'          => qr/a header's name is made of/,
    'OIDCGateHeader "" "%{user}"'                => qr/a header's name is made of/,
    'OIDCGateHeader preset koNg2'                => qr/OIDCGateHeader koNg2: there is no such preset; there are kong, oauth2-proxy, remote, mod_auth_openidc$/m,
    'OIDCGateHeader preset kong remote'          => qr/OIDCGateHeader preset: one name stands behind it/,
    'OIDCGateHeader unset X-A X-B'               => qr/OIDCGateHeader unset: one name stands behind it/,
    'OIDCGateHeader unset Host'                  => qr/OIDCGateHeader Host: this header is the server's own/,
    "OIDCGateHeader unset X-A\nOIDCGateHeader x_a b" => qr/OIDCGateHeader x_a: X-A is set already/,
    (map { ("OIDCGateHeader unset $_" => qr/OIDCGateHeader \Q$_\E: a family of names ends in/) } qw(* X* X-*y Authorization*)),
    (map { ("OIDCGateHeader unset $_" => qr/OIDCGateHeader \Q$_\E: .*the server's own/) } qw(Content-* set_* Proxy-* proxy_x_* Keep-*)),
    'OIDCGateHeader X-* "%{user}"'               => qr/OIDCGateHeader X-\*: only unset takes/,
    'OIDCGateEnv preset kong'                    => qr/OIDCGateEnv kong: these are headers: say OIDCGateHeader preset kong/,
    'OIDCGateEnv preset remote'                  => qr/say OIDCGateHeader preset remote/,
    'OIDCGateEnv unset A-B'                      => qr/OIDCGateEnv A-B: a variable's name/,
    'OIDCGateHeader X-User "%{user}" "default=%{x}"' => qr/OIDCGateHeader X-User: %\{x\} is nothing that can be put in/,
    'OIDCGateHeader X-A "%{assertion}"'          => qr/OIDCGateHeader X-A: .*does not say for which backend/,

    # assertions
    'OIDCGateAssertion lifetime=60s'             => qr/OIDCGateAssertion: key= is missing/,
    "$ASSERTION key=$dir/ed25519.pem"            => qr/OIDCGateAssertion key=\S+: key= is there twice/,
    "OIDCGateAssertion key=$dir/none.pem"        => qr/none\.pem cannot be read/,
    "OIDCGateAssertion key=$dir/secret"          => qr/this is no key in PEM form; make one with openssl ecparam/,
    "OIDCGateAssertion key=$dir/rsa.pem"         => qr/the key is none on P-256, P-384, P-521 or Ed25519/,
    "OIDCGateAssertion key=$dir/long"            => qr/no secret is longer than/,
    "OIDCGateAssertion key=$dir/ec256-open.pem"  => qr/others can read or write this file.*chmod o-rw/,
    "$ASSERTION old=$dir/ed25519-open.pem"       => qr/others can read or write this file/,
    "$ASSERTION old=$dir/public-writable.pem"    => qr/others can read or write this file/,
    "OIDCGateAssertion key=$dir/public.pem"      => qr/key= is a public key/,
    "$ASSERTION lifetime=4s"                     => qr/here from 5s to 1h/,
    (map { ("$ASSERTION claim=$_" => qr/OIDCGateAssertion $_: the gate itself says what stands under this name/) } qw(iss sub aud iat nbf exp jti idp method id:sub)),
    "$ASSERTION claim=email claim=at:email"      => qr/OIDCGateAssertion at:email: a claim of this name is there already/,
    "$ASSERTION claim="                          => qr/this is no name of a claim/,
    'OIDCGateHeader X-User'                      => qr/say OIDCGateHeader NAME TEMPLATE/,
    'OIDCGateHeader X-User "%{nobody}"'          => qr/OIDCGateHeader X-User: /,
    'OIDCGateHeader X-User "%{user}" encode=hex' => qr/OIDCGateHeader X-User: .*hex/,
    "OIDCGateHeader X-User a\nOIDCGateHeader x_user b"
        => qr/OIDCGateHeader x_user: X-User is set already in this section, and is the same/,
    "OIDCGateEnv USER a\nOIDCGateEnv USER b"
        => qr/OIDCGateEnv USER: USER is set already in this section$/m,
    'OIDCGateEnv 1A "%{user}"'                   => qr/OIDCGateEnv 1A: a variable's name/,
    'OIDCGateEnv A-B "%{user}"'                  => qr/OIDCGateEnv A-B: a variable's name/,
    'OIDCGateEnv HTTP_X_USER "%{user}"'          => qr/say OIDCGateHeader/,
    'OIDCGateEnv REMOTE_USER "%{user}"'          => qr/say OIDCGateRemoteUser/,
);

row 'T-20 a directive that cannot be meant is refused, with its name, its value and the remedy' => sub {
    while (my ($directives, $like) = splice @refused, 0, 2) {
        config_fails($directives, $like, 'refused: ' . $directives =~ s/\n/ | /gr =~ s/(.{90}).*/$1.../r);
    }
};

# --- what does not hold together ---

my $place = qr/<Location \/app> \(\S*httpd\.conf:\d+\)/;
my @incoherent = (
    'no issuer'                  => app(issuer => ''),
        qr/OIDCGateIssuer is missing: $place is guarded/,
    'no client'                  => app(id => ''),
        qr/OIDCGateClientID is missing: $place has the method code/,
    'no client for introspection' => app(id => '', inside => 'OIDCGateMethods introspection'),
        qr/OIDCGateClientID is missing: $place has the method introspection/,
    'no secret'                  => app(secret => ''),
        qr/OIDCGateClientSecret is missing: OIDCGateClientID web \(\S+:\d+\) has no secret.*OIDCGateClientAuth none/,
    'no secret for client_secret_post' => app(secret => 'OIDCGateClientAuth client_secret_post'),
        qr/OIDCGateClientSecret is missing/,
    'no audience'                => app(inside => 'OIDCGateMethods code bearer'),
        qr{OIDCGateAudience is missing: $place takes bearer tokens, and .* Say OIDCGateAudience https},
    'an issuer by http'          => app(issuer => 'OIDCGateIssuer http://id.example.com/'),
        qr{OIDCGateIssuer http://id.example.com/ \(\S+:\d+\) is no https address.*OIDCGateInsecure http-issuer},
    'an issuer whose name merely begins like loopback'
        => app(issuer => 'OIDCGateIssuer http://127.0.0.1.example.com/'), qr/is no https address/,
    'an endpoint by http'
        => app(more => 'OIDCGateEndpoint token http://id.example.com/token'),
        qr{OIDCGateEndpoint token http://id.example.com/token \(\S+:\d+\) is no https address},
    (map {
        my ($kind, $has, $inside) = @$_;
        ("no $kind endpoint without discovery" => app(
            more => join("\n", 'OIDCGateDiscovery Off',
                         map { "OIDCGateEndpoint $_ https://id.example.com/$_" } @$has),
            inside => $inside),
        qr/OIDCGateEndpoint $kind is missing: $place has the method \w+, which needs it/)
    }   ['authorization', [qw(token jwks)], ''], ['token', [qw(authorization jwks)], ''],
        ['jwks', [qw(authorization token)], ''],
        ['userinfo', [qw(authorization token jwks)], 'OIDCGateUserinfo login'],
        ['jwks', [qw(token)], "OIDCGateMethods bearer\nOIDCGateAudience a"], ['introspection',
        [qw(token)], 'OIDCGateMethods introspection'],
        ['token', [], 'OIDCGateMethods client_credentials']),
    'an assertion without a key' => app(inside => 'OIDCGateHeader X-A "%{assertion:https://a.example}"'),
        qr/OIDCGateAssertion is missing: OIDCGateHeader X-A \(\S+:\d+\) in $place has %\{assertion:...\}.*openssl ecparam.*OIDCGateAssertion key=FILE/,
    'an assertion without a key, in a variable, by default' => app(inside => 'OIDCGateEnv A "%{claim:x}" "default=%{assertion:b}"'),
        qr/OIDCGateAssertion is missing: OIDCGateEnv A \(/,
    'a short secret for HS256'   => app(more => 'OIDCGateAlgorithms RS256 HS256'),
        qr/OIDCGateAlgorithms HS256 \(\S+:\d+\) needs a client secret of at least 32 .* in $place, .* 10:/,
    'a secret too short for HS512' => app(secret => 'OIDCGateClientSecret ' . 'x' x 63,
        more => 'OIDCGateAlgorithms HS512'), qr/at least 64 characters/,
    'HS256 without a secret'     => app(secret => 'OIDCGateClientAuth none',
        more => 'OIDCGateAlgorithms HS256'), qr/at least 32 characters/,
    'bearer tokens by HS256'     => app(secret => 'OIDCGateClientSecret ' . 'x' x 32,
        more => 'OIDCGateAlgorithms HS256',
                                        inside => "OIDCGateMethods bearer\nOIDCGateAudience a"),
                                        qr/nothing but HS algorithms/,
    'login without code'         => app(inside
        => "OIDCGateMethods bearer\nOIDCGateAudience a\nOIDCGateOnUnauthenticated login"),
        qr/OIDCGateOnUnauthenticated login \(\S+:\d+\) needs the method code/,
    'a scope without openid'     => app(more => 'OIDCGateScope email'),
        qr/OIDCGateScope \(\S+:\d+\) is without openid/,
    'idle longer than lifetime'  => app(more => 'OIDCGateSession idle=9h'),
        qr/OIDCGateSession idle=32400s \(\S+:\d+\) is longer than lifetime=28800s \(by default\)/,
    'connect longer than total'  => app(more => 'OIDCGateHTTP connect=6s'),
        qr/OIDCGateHTTP connect=6s \(\S+:\d+\) is longer than total=5s \(by default\)/,
    'merged trailers'            => app(more => 'MergeTrailers On'),
        qr/MergeTrailers On .*$place is guarded\. Say MergeTrailers Off/,

    # T-45: what belongs together is not inherited apart
    'another client without its secret' => app(inside => 'OIDCGateClientID api'),
        qr/OIDCGateClientSecret is missing: OIDCGateClientID api .* The one of \S+:\d+ belongs to another client/,
    'another issuer without its client'
        => app(inside => 'OIDCGateIssuer https://other.example.com'),
        qr/OIDCGateClientID is missing: .* The one of \S+:\d+ belongs to another issuer/,
    'another issuer in a virtual host'  => app() =~ s/<Location.*//sr
        . host('localhost', app(issuer => 'OIDCGateIssuer https://other.example.com', id => '',
        secret => '')),
        qr/OIDCGateClientID is missing/,
    'another issuer does not inherit endpoints' => app(more
        => "OIDCGateDiscovery Off\nOIDCGateEndpoint introspection https://id.example.com/i",
        inside => join "\n", 'OIDCGateIssuer https://other.example.com', 'OIDCGateDiscovery Off',
            'OIDCGateClientID a', 'OIDCGateClientSecret b', 'OIDCGateMethods introspection'),
        qr/OIDCGateEndpoint introspection is missing/,

    # where it stands
    'a <Directory>'              => "<Directory /srv>\nAuthType OIDCGate\n</Directory>",
        qr{OIDCGateIssuer is missing: <Directory /srv> \(},
    'a <LocationMatch>'          => "<LocationMatch ^/a>\nAuthType OIDCGate\n</LocationMatch>",
        qr{OIDCGateIssuer is missing: <LocationMatch \^/a> \(},
    'an <If>'                    => "<If \"true\">\nAuthType OIDCGate\n</If>",
        qr{OIDCGateIssuer is missing: <If "true"> \(},
    'an <If> in a <Location>'    => app(inside
        => "<If \"true\">\nOIDCGateMethods bearer\n</If>"), qr/OIDCGateAudience is missing/,
    'a <Files> in a <Directory>'
        => "<Directory /srv>\n<Files x>\nAuthType OIDCGate\n</Files>\n</Directory>",
        qr{OIDCGateIssuer is missing: <Files x> \(},
    'within another <Location>'  => app()
        . "\n<Location /app/api>\nOIDCGateMethods bearer\n</Location>",
        qr/OIDCGateAudience is missing/,
    'within a <LocationMatch>'   => app()
        . "\n<LocationMatch ^/app/a>\nOIDCGateMethods code\n</LocationMatch>"
        . "\n<Location /app/api>\nOIDCGateMethods bearer\n</Location>", qr/OIDCGateAudience is missing/,
    'AuthType within <Limit>'
        => "<Location /app>\n<Limit POST>\nAuthType OIDCGate\n</Limit>\n</Location>",
        qr/OIDCGateIssuer is missing: $place/,
    'a virtual host'
        => host('localhost', "<Location /app>\nAuthType OIDCGate\n</Location>"),
        qr/OIDCGateIssuer is missing: $place/,

    # the site
    'a cookie by http'           => host('www.example.com', app()),
        qr{$place signs people in at http://www\.example\.com, where .*OIDCGateBaseURL https.*http-cookie},
    'https, but not here'        => "SSLEngine on\n"
        . host('www.example.com', "SSLEngine off\n" . app(), 8443),
        qr{at http://www\.example\.com:8443, where anybody},
    'a Location for all, where no server has an address for it' => app()
        . host('www.example.com', '', 1),
        qr{$place signs people in at http://www\.example\.com:1, .* answers 500 on this virtual host},
    'a base URL by http'         => app(more => 'OIDCGateBaseURL http://www.example.com:8080'),
        qr{at http://www\.example\.com:8080, where anybody},
    'a __Host- cookie by http'   => app(more => 'OIDCGateCookie name=__Host-x'),
        qr/OIDCGateCookie name=__Host-x \(\S+:\d+\): browsers take a cookie of this name from https alone/,
    'a __Secure- cookie by http' => app(more => 'OIDCGateCookie name=__secure-x'),
        qr/from https alone/,
    'a virtual host without a name' => "<VirtualHost 127.0.0.1:80>\n" . app() . "\n</VirtualHost>",
        qr{OIDCGateBaseURL is missing: ServerName and the listeners of the virtual host of \S+:\d+ do},
    'a port that nobody knows'
        => "Listen 127.0.0.1:2\n<VirtualHost 127.0.0.1:*>\nServerName www.example.com\n" . app()
        . "\n</VirtualHost>",
        qr/OIDCGateBaseURL is missing/,
);

row 'T-20 what does not hold together is refused, with directive, place and remedy' => sub {
    while (my ($name, $directives, $like) = splice @incoherent, 0, 3) {
        config_fails($directives, $like, $name);
    }
};

row 'all problems are said at once, and each once' => sub {
    my ($fine, $said) = config_output(app(issuer => '')
        . "\n<Location /api>\nAuthType OIDCGate\nOIDCGateMethods bearer\n</Location>"
        . "\n<Location /app/x>\nOIDCGateScope openid\n</Location>");
    ok !$fine, 'refused';
    my @said = $said =~ /(is missing: <Location \S+)/g;
    is_deeply \@said, ['is missing: <Location /app>', 'is missing: <Location /api>'], 'both, once';
};

# Which ProxyPass, by its address, is warned of.
sub in_the_clear {
    my ($fine, $said) = config_output(join "\n", @_);
    ok $fine, 'taken' or diag $said;
    return [sort $said =~ /ProxyPass (\S+) \(\S+:\d+\): what OIDCGateHeader says goes there in the clear/g];
}

row '9700-5 headers that go to another machine in the clear are warned of' => sub {
    my $told = 'OIDCGateHeader X-User "%{user}"';
    my @far = ('ProxyPass http://10.0.0.5:8080/');
    is_deeply in_the_clear(app(inside => join "\n", $told, @far)), ['http://10.0.0.5:8080/'], 'in the guarded place';
    is_deeply in_the_clear(app(inside => $told), 'ProxyPass / http://app.example.com/'), ['http://app.example.com/'], 'around it';
    is_deeply in_the_clear(app(inside => $told), 'ProxyPass /app/x h2c://app:80/', 'ProxyPass /app/y fcgi://10.0.0.6:9000/'),
        ['fcgi://10.0.0.6:9000/', 'h2c://app:80/'], 'beneath it';
    is_deeply in_the_clear(app(more => $told), '<Location /app/z>', 'ProxyPass ws://app:81/', '</Location>'), ['ws://app:81/'], 'in a place beneath it';
    is_deeply in_the_clear(app(inside => $told), "ProxyPass $_"), [], "not by $_"
        for '/app https://app.example.com/', '/app http://127.0.0.1:3000/', '/app http://localhost/', '/app http://[::1]:1/', '/app "unix:/run/app|http://app/"',
            '/application http://10.0.0.5/', '/other http://10.0.0.5/', '/app !', '/app balancer://apps/';
    is_deeply in_the_clear(app(inside => $told), 'ProxyPass /app http://127.0.0.1/', 'ProxyPass / http://10.0.0.5/'), [], 'what another takes first';
    is_deeply in_the_clear(app(inside => join "\n", $told, 'ProxyPass http://127.0.0.1/'), 'ProxyPass / http://10.0.0.5/'), [], 'or the place itself';
    is_deeply in_the_clear(app(inside => $far[0])), [], 'where nothing is told, nothing is said';
    is_deeply in_the_clear(host('a.example', app(more => 'OIDCGateBaseURL https://a.example', inside => $told)), host('b.example', 'ProxyPass / http://10.0.0.5/')), [],
        'another virtual host has its own';
    is_deeply in_the_clear(host('a.example', app(more => "OIDCGateBaseURL https://a.example\nProxyPass / http://10.0.0.5/", inside => $told))), ['http://10.0.0.5/'],
        'within one';
};

row 'what is dangerous is warned of' => sub {
    my (undef, $said) = config_output(host('www.example.com', app(issuer => 'OIDCGateIssuer http://id.example.com',
        more => 'OIDCGateInsecure http-issuer http-cookie')));
    like $said,
        qr/OIDCGateInsecure http-issuer \(\S+:\d+\): whoever is on the way to the provider/, 'http-issuer';
    like $said,
        qr/OIDCGateInsecure http-cookie \(\S+:\d+\): whoever is on the way to a browser/, 'http-cookie';
    like $said, qr{http://www\.example\.com is guarded, but not by https}, 'an http site';
    (undef, $said) = config_output(app() . host('www.example.com', ''));
    like $said,
        qr{at http://www\.example\.com, .* Until then, <Location /app> \(\S+:\d+\) answers 500},
        'an inherited Location that stays closed';
    (undef, $said) = config_output(app());
    unlike $said, qr/OIDCGate|is guarded/, 'and nothing is said where all is well';
};

# --- what other modules are told ---

# Modules that only a few of these configurations need.
sub with_module {
    my ($name, $directives) = @_;
    my $loaded = slurp(Apache::Test::vars('serverroot') . '/conf/modules.conf');
    my ($libexec) = $loaded =~ m{ (\S+)/mod_authz_core\.so$}m;
    return $directives if $loaded =~ /^LoadModule ${name}_module/m;
    return "LoadModule ${name}_module $libexec/mod_$name.so\n$directives";
}
sub directory {
    my ($inside) = @_;
    return app() =~ s/<Location.*//sr . "\n<Directory /srv/app>\nAuthType OIDCGate\n$inside\n</Directory>";
}
sub bare { my ($inside) = @_; return app() =~ s/Require all granted/$inside/r }
my $rules = "Require valid-user\n";
my $credentials = qr/what is written down has the cookies and credentials of whoever comes/;

# name, configuration, and 'refused' or 'warned of' with what is said; or 'taken', with the reason
# for that.
my @neighbors = (
    'a gate without a rule'        => "<Directory /srv/app>\nRequire all granted\n</Directory>\n" . app() =~ s/Require all granted//r,
        'warned of' => qr/AuthType OIDCGate \(\S+:\d+\): no Require beside it.* Say Require valid-user/,
    '... its rule is in a block'   => bare("<RequireAny>\nRequire valid-user\n</RequireAny>"), taken => 'it has one',
    '... its rule is around it'    => "<Location />\nRequire valid-user\n</Location>\n" . bare(''), taken => 'it has one',
    '... around it all may'        => "<Location />\nRequire all granted\n</Location>\n" . bare(''),
        'warned of' => qr/AuthType OIDCGate \(\S+:\d+\): no Require beside it/,
    '... its rule is elsewhere'    => "<Location /application>\nRequire valid-user\n</Location>\n" . bare(''),
        'warned of' => qr/AuthType OIDCGate \(\S+:\d+\): no Require beside it/,
    "a gate's rule without a gate" => app(inside => 'Require claim a:b') =~ s/AuthType OIDCGate//r,
        'warned of' => qr/Require claim a:b \(\S+:\d+\): this rule is the gate's to answer, and it is not asked anywhere.* Say AuthType OIDCGate/,
    '... under another AuthType'   => app(inside => 'Require scope a') =~ s/AuthType OIDCGate/AuthType OIDCGates/r,
        'warned of' => qr/AuthType OIDCGates \(\S+:\d+\): the Require line beside it is the gate's.* Say AuthType OIDCGate/,
    'another AuthType'             => "<Location /other>\nAuthType Basic\nRequire valid-user\n</Location>\n" . app(), taken => 'that is its own affair',
    'Satisfy Any'                  => with_module(access_compat => app(inside => 'Satisfy Any')),
        'warned of' => qr{Satisfy Any \(\S+:\d+\): whoever Allow lets in.* Say <RequireAny>},
    'rules for some methods alone' => bare("<Limit GET POST>\nRequire claim groups:staff\n</Limit>"),
        'warned of' => qr{<Limit GET POST> \(\S+:\d+\): the rules in it are for these methods alone.*Put Require outside},
    '... and in a block'           => bare("<Limit PUT>\n<RequireAny>\nRequire claim groups:staff\n</RequireAny>\n</Limit>"),
        'warned of' => qr{<Limit PUT> \(\S+:\d+\): the rules},
    'more rules for some methods'  => bare("$rules<Limit PUT>\nRequire claim groups:staff\n</Limit>"),
        taken => 'the others have theirs',
    'rules for all other methods'  => bare("<LimitExcept GET>\nRequire valid-user\n</LimitExcept>"),
        taken => 'that is the other way round',
    'a .htaccess with authority'   => directory("${rules}AllowOverride FileInfo AuthConfig"),
        'warned of' => qr{AllowOverride FileInfo AuthConfig \(\S+:\d+\): whoever writes a \.htaccess.*Say it without AuthConfig},
    'a .htaccess with all of it'   => directory("${rules}AllowOverride All"), 'warned of' => qr/AllowOverride All \(/,
    'a .htaccess without'          => directory("${rules}AllowOverride FileInfo Indexes"), taken => 'it says nothing of rules',
    'a .htaccess elsewhere'        => directory($rules) . "\n<Directory /srv/other>\nAllowOverride All\n</Directory>",
        taken => 'nothing is guarded there',
    (map { ("answers for pages of any origin: $_" => app(inside =>
            "Header set Access-Control-Allow-Origin $_\nHeader always set Access-Control-Allow-Credentials true"),
        'warned of' => qr{Header always set Access-Control-Allow-Credentials true \(\S+:\d+\): pages of every origin}) }
        '"*"', '"%{ORIGIN}e"', '"expr=%{req:Origin}"'),
    'answers for pages of one'     => app(inside =>
            "Header set Access-Control-Allow-Origin https://a.example\nHeader set Access-Control-Allow-Credentials true"),
        taken => 'it is named',
    'answers for all, without cookies' => app(inside => 'Header set Access-Control-Allow-Origin "*"'),
        taken => 'browsers send no cookie then',
    'answers for all, elsewhere'   => app()
        . "\n<Location /open>\nHeader set Access-Control-Allow-Origin \"*\"\nHeader set Access-Control-Allow-Credentials true\n</Location>",
        taken => 'nothing is guarded there',
    'requests that are none'       => app(more => 'HttpProtocolOptions Unsafe'),
        'warned of' => qr{HttpProtocolOptions Unsafe \(\S+:\d+\): malformed requests are let in.*Say HttpProtocolOptions Strict},
    'requests as they should be'   => app(more => 'HttpProtocolOptions Strict'), taken => 'that is as it is without it',
    (map { ("AllowEncodedSlashes $_" => app(more => "AllowEncodedSlashes $_"),
        'warned of' => qr{AllowEncodedSlashes $_ \(\S+:\d+\): .*%2F.*Say AllowEncodedSlashes Off}) } qw(On NoDecode)),
    'AllowEncodedSlashes Off'      => app(more => 'AllowEncodedSlashes Off'), taken => 'that is as it is without it',
    'ProxyPass with nocanon'       => app(more => 'ProxyPass /app http://127.0.0.1:3000/ nocanon'),
        'warned of' => qr{ProxyPass /app \S+ nocanon \(\S+:\d+\): the backend is sent the path as the caller wrote it.*Leave nocanon out},
    '... in the Location'          => app(inside => 'ProxyPass http://127.0.0.1:3000/ nocanon'), 'warned of' => qr/ProxyPass \S+ nocanon/,
    '... in a virtual host'        => app() . host('localhost', 'ProxyPass /app http://127.0.0.1:3000/ nocanon'),
        'warned of' => qr/ProxyPass \S+ \S+ nocanon/,
    '... by a pattern'             => app(more => 'ProxyPassMatch ^/app(.*) http://127.0.0.1:3000$1 nocanon'),
        'warned of' => qr/ProxyPassMatch \S+ \S+ nocanon/,
    'ProxyPass without'            => app(more => 'ProxyPass /app http://127.0.0.1:3000/'), taken => 'httpd writes the path',
    (map { ("a log with $_" => app(more => "LogFormat \"%h $_ %s\" x"),
        'warned of' => qr{LogFormat \S.* \(\S+:\d+\): $credentials}) }
        '%{Cookie}i', '%{cookie}i', '%{Authorization}i', '%{Set-Cookie}o'),
    'a log of its own with that'   => app(more => 'CustomLog /dev/null "%h %{Cookie}i"'),
        'warned of' => qr{CustomLog \S.* \(\S+:\d+\): $credentials},
    'a log without'                => app(more => 'LogFormat "%h %u %{User-Agent}i" x'),
        taken => 'there is nothing in it',
    'a forensic log'               => with_module(log_forensic => app(more => 'ForensicLog /dev/null')),
        'warned of' => qr{ForensicLog /dev/null \(\S+:\d+\): $credentials},
    'a dump of what comes'         => with_module(dumpio => app(more => 'DumpIOInput On')),
        'warned of' => qr{DumpIOInput On \(\S+:\d+\): $credentials.*Say DumpIOInput Off},
    'a dump of what goes'          => with_module(dumpio => app(more => 'DumpIOOutput On')),
        'warned of' => qr/DumpIOOutput On \(/,
    'no dump'                      => with_module(dumpio => app(more => 'DumpIOInput Off')), taken => 'it is off',
    'all that, and no gate'        => with_module(dumpio => "DumpIOInput On\nAllowEncodedSlashes On\nHttpProtocolOptions Unsafe"),
        taken => 'it is none of our business',
    'rules that only keep out'     => bare("<RequireAll>\nRequire all granted\nRequire not claim groups:guests\n</RequireAll>"),
        refused => qr/Require not claim groups:guests \(\S+:\d+\): a negated gate rule would admit.*Say who may pass/,
    'a cache over it'              => app(more => 'CacheEnable socache /app'), taken => 'what is guarded is not kept: tests/server/traps.t',
    'TraceEnable On'               => app(more => 'TraceEnable On'), taken => 'TRACE is refused where the gate is: tests/server/traps.t',
);

row 'T-20, T-31, T-35 to T-40, T-47 what other modules do to a gate is refused, warned of, or harmless' => sub {
    while (my ($name, $directives, $how, $what) = splice @neighbors, 0, 4) {
        my ($fine, $said) = config_output($directives);
        my $good = $how eq 'refused' ? !$fine && $said =~ $what
                 : $how eq 'taken'   ? $fine && $said !~ /OIDCGate|\(\S+:\d+\): / : $fine && $said =~ $what;
        ok $good, "$how: $name" . ($how eq 'taken' ? ", for $what" : '') or diag $said;
    }
};

row 'what nobody could be signed out of is refused' => sub {
    my $realms = sub {
        my ($count) = @_;
        return join "\n", map { "<Location /r$_>\nAuthType OIDCGate\nOIDCGateIssuer https://id.example.com/$_\n"
            . "OIDCGateClientID web\nOIDCGateClientSecret s3cret\nRequire valid-user\n</Location>" } 1 .. $count;
    };
    config_ok($realms->(64), 'as many issuers on one host as signing out looks through');
    config_fails($realms->(65), qr{<Location /r65> \(\S+:\d+\) signs people in, .* for 64 pairs of .* Spread them over virtual hosts},
        'and one more');
    config_ok($realms->(64) . host('localhost', $realms->(1) =~ s/r1/x/gr), 'another host has its own');
};

row 'no secret is in what is said' => sub {
    for my $secret ("\"hush\x07hush\"", '"exec:hush hush"') {
        my ($fine, $said) = config_output("OIDCGateClientSecret $secret");
        ok !$fine, 'refused';
        unlike $said, qr/hush\x07|exec:hush/, 'and not shown';
    }
};

row 'directives of other modules stay theirs' => sub {
    config_fails("<Location /x>\nAuthType\n</Location>",
        qr/AuthType takes one argument/, "a bad AuthType is httpd's to refuse");
    config_fails('ServerName "*.example.com"', qr/Invalid ServerName/, 'a bad ServerName too');
    config_fails('AuthType Basic', qr/AuthType not allowed here/, 'and where it stands');
    my $conf = Apache::Test::vars('serverroot') . '/conf';
    my $modules = join '', grep { /_(?:mpm_\w+|authz_core|oidc_gate)\.so/ } map { "$_\n" }
        split /\n/, slurp("$conf/modules.conf") . slurp("$conf/module.conf");
    for my $directive ('SSLEngine on', "<Location /x>\nAuthType OIDCGate\n</Location>") {
        write_file("$dir/bare.conf",
            "$modules\nServerRoot $dir\nListen 127.0.0.1:1\nServerName localhost:1\n$directive\n");
        my $said = qx(@{[Apache::Test::vars('httpd')]} -t -f $dir/bare.conf 2>&1);
        my ($name) = $directive =~ /(SSLEngine|AuthType)/;
        ok $? != 0 && $said =~ /Invalid command '$name'/, "without its module there is no $name" or diag $said;
    }
};

=httpd

OIDCGateIssuer https://id.example.com/
OIDCGateClientID web
OIDCGateClientSecret s3cret-web
<Location /mcp>
    AuthType OIDCGate
    OIDCGateMethods bearer
    OIDCGateResource @base@/mcp "name=All tools" scopes=tools
    Require valid-user
</Location>
<Location /mcp/same>
    OIDCGateClockSkew 10s
</Location>
<Location /mcp/other>
    OIDCGateResource @base@/mcp/other
</Location>
<Location /mcp/foreign>
    OIDCGateIssuer https://other.example.com
    OIDCGateResource @base@/mcp/foreign name=Foreign
</Location>
<Directory @docs@/htaccess>
    AllowOverride AuthConfig
    AllowOverrideList OIDCGateIssuer OIDCGateEnforce
</Directory>

=cut

row 'T-45 what belongs together is inherited together, and the rest by itself' => sub {
    my $about = sub { json(get(ua(), "/.well-known/oauth-protected-resource$_[0]")) };
    my %all = (bearer_methods_supported => ['header'],
               authorization_servers => ['https://id.example.com/']);
    is_deeply $about->('/mcp'), { %all, resource => url('/mcp'), resource_name => 'All tools',
        scopes_supported => ['tools'] }, 'the outer Location, and one within it that says nothing of this';
    is_deeply $about->('/mcp/other'), { %all, resource => url('/mcp/other') },
        'another resource has no name of the former one, and its issuer';
    is_deeply $about->('/mcp/foreign'), { %all, resource => url('/mcp/foreign'),
        resource_name => 'Foreign', authorization_servers => ['https://other.example.com'] },
        'another issuer';
    status_is get(ua(), "/mcp$_"), 401, "$_ is guarded" for '', '/same', '/other', '/foreign/x';
    like get(ua(), '/mcp/other/x')->header('WWW-Authenticate'), qr{oauth-protected-resource/mcp/other"},
        'a challenge speaks of the inner one';
};

row 'T-47 a .htaccess cannot set up a gate' => sub {
    my $docs = Apache::Test::vars('documentroot') . '/htaccess';
    mkdir $docs;
    write_file("$docs/page.txt", 'a page');
    for (['AuthType Basic', 200], ['AuthType OIDCGate', 500],
        ['OIDCGateIssuer https://evil.example', 500], ['OIDCGateEnforce Off', 500],
        ['Require all granted', 200]) {
        my ($line, $status) = @$_;
        write_file("$docs/.htaccess", "$line\n");
        status_is get(ua(), '/htaccess/page.txt'), $status, $line;
    }
    log_like qr/AuthType OIDCGate cannot stand in \.htaccess: say it in a <Location> or <Directory>/;
    log_like qr/OIDCGateIssuer cannot occur within htaccess files/;
    log_like qr/OIDCGateEnforce cannot occur within htaccess files/;
    unlink "$docs/.htaccess";
};

done_testing;
