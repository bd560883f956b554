# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
#
# Many virtual hosts: what they have in common is there once. Their sections are httpd's too, so what it takes for as many lines of its
# own is what all is measured by.
use Gate::Test;

use Gate::Server ();

Test::More::plan(skip_all => 'sanitizers keep what is freed') if Apache::Test::vars('httpd') =~ /httpd-san$/;

my @CLAIMS = map { "claim-$_" } 1 .. 12;
my $HOSTS = 100;

# Seven Locations, with twelve headers each and a few rules.
sub sections {
    my ($guarded) = @_;
    my $type = $guarded ? "AuthType OIDCGate\n" : "AuthType Basic\nAuthName hosts\n";
    my $rule = $guarded ? 'claim groups:' : 'user ';
    my $told = $guarded ? 'OIDCGateHeader X-Hosts-' : 'SetEnv HOSTS_';
    my $lines = join '', map { "$told$_ \"%{claim:$_}\"\n" } @CLAIMS;
    my @places = map { my $place = $_; ("<Location /hosts-$place>\n$type<RequireAny>\n", (map { "Require ${rule}team-$_\n" } 1 .. $place), "</RequireAny>\n$lines</Location>\n") } 1 .. 7;
    return join '', $guarded ? "OIDCGateIssuer http://127.0.0.1:9\nOIDCGateClientID c-web\nOIDCGateClientSecret file:"
        . Apache::Test::vars('stage') . "/secrets/c-web\n" : '', @places;
}

# So many, each with the sections of its own; or with none.
sub hosts {
    my ($count, $guarded, $own) = @_;
    return join '', map {
        "<VirtualHost *>\nServerName http://host$_.example\n" . ($guarded ? "OIDCGateBaseURL http://127.0.0.1:$_\n" : '') . "$own</VirtualHost>\n"
    } 1 .. $count;
}

my $server = Gate::Server->new(name => 'hosts', port => port(), processes => 1, directives => '');
sub kib { return slurp('/proc/' . $server->pid . '/status') =~ /^RssAnon:\s+(\d+)/m ? $1 : die 'no memory is told of' }

# What the server takes, in KiB.
sub taken {
    my ($directives) = @_;
    $server->configure($directives)->start;
    my $taken = kib();
    $server->stop;
    return $taken;
}

row 'sections of each host take hardly more than such sections take of httpd alone' => sub {
    my %more = map { my $guarded = $_; ($guarded => taken(hosts(1 + $HOSTS, $guarded, sections($guarded))) - taken(hosts(1, $guarded, sections($guarded)))) } 0, 1;
    cmp_ok $more{0}, '>', 10 * $HOSTS, 'what is measured is there';
    cmp_ok $more{1}, '<', 2 * $more{0}, "$HOSTS more hosts";
};

row 'sections that each host inherits are there once' => sub {
    my $more = taken(sections(1) . hosts(1 + $HOSTS, 1, '')) - taken(sections(1) . hosts(1, 1, ''));
    cmp_ok $more, '<', 30 * $HOSTS, "$HOSTS more hosts";
};

row 'a graceful restart does not make it more' => sub {
    $server->configure(hosts($HOSTS, 1, sections(1)))->start;
    $server->graceful;
    my $before = kib();
    $server->graceful for 1 .. 3;
    cmp_ok kib(), '<', $before + 1024, 'after three more';
    $server->stop;
};

is_deeply [$server->complaints], [], 'the log is quiet';

done_testing;
