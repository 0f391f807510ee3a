# Runs once per boot, before anything that needs the network.
set -e
ip link set host0 up
ip addr add "@ADDRESS@/24" dev host0
ip route add default via @GATEWAY@
@ROUTES@
# Where /etc/resolv.conf points: an address of our own with nobody behind it, so that an unknown name fails at once.
# 127.0.0.1 would not do: CoreDNS is given that file too, would ask itself, notice, and end.
ip addr add 169.254.53.53/32 dev lo
sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
# The cgroup trees are this host's own, but arrive read-only.
for controller in blkio freezer devices cpuset cpuacct cpu memory pids; do
	mount -o remount,bind,rw "/sys/fs/cgroup/$controller"
done
mount -o remount,rw /sys/fs/cgroup
mount --make-rshared /
