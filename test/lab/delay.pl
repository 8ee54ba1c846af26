#!/usr/bin/perl
# Carries Ethernet frames between two links, each a fixed time after it came: the "long cable" of a slow host, for kernels
# without netem. Perl because every Debian has it and because it opens packet sockets without anything compiled.
# Usage: delay.pl MILLISECONDS LINK LINK. Says "ready" once, then nothing any more.
use strict;
use warnings;

use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use constant { AF_PACKET => 17, SOCK_RAW => 3, ETH_P_ALL => 3, MSG_DONTWAIT => 0x40 };
use constant { SOL_PACKET => 263, PACKET_IGNORE_OUTGOING => 23, SOL_SOCKET => 1, SO_RCVBUFFORCE => 33 };

my ($milliseconds, @names) = @ARGV;
my $delay = $milliseconds / 1000;
my @links = map { open_link($_) } @names;
# One queue for each direction; the delay is the same for all, so what came first goes first.
my @queues = ([], []);

$| = 1;
print "ready\n";

while (1) {
	my $now = clock_gettime(CLOCK_MONOTONIC);
	my $next;
	for my $side (0, 1) {
		my $queue = $queues[$side];
		while (@$queue && $queue->[0][0] <= $now) {
			# A link that is down takes nothing: the frame is lost, as on a cable that is cut.
			send($links[1 - $side], (shift @$queue)->[1], 0);
		}
		$next = $queue->[0][0] if @$queue && (!defined $next || $queue->[0][0] < $next);
	}
	my $readable = '';
	vec($readable, fileno($_), 1) = 1 for @links;
	select($readable, undef, undef, defined $next ? $next - $now : undef);
	for my $side (0, 1) {
		for (1 .. 256) {
			my $frame;
			last unless defined recv($links[$side], $frame, 65536, MSG_DONTWAIT);
			push @{ $queues[$side] }, [clock_gettime(CLOCK_MONOTONIC) + $delay, $frame];
		}
	}
}

sub open_link {
	my ($name) = @_;
	open(my $file, '<', "/sys/class/net/$name/ifindex") or die "no link $name: $!\n";
	my $index = <$file>;
	my $protocol = unpack('S', pack('n', ETH_P_ALL));
	socket(my $socket, AF_PACKET, SOCK_RAW, $protocol) or die "packet socket: $!\n";
	bind($socket, pack('S n i S C C a8', AF_PACKET, ETH_P_ALL, $index, 0, 0, 0, '')) or die "$name: $!\n";
	setsockopt($socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, pack('i', 1)) or die "$name: $!\n";
	setsockopt($socket, SOL_SOCKET, SO_RCVBUFFORCE, pack('i', 16 << 20));
	return $socket;
}
