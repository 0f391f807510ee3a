# What flannel leaves on a host whose pods are gone: its overlay link, both forms of its firewall rules, its files. The bridge is
# the lab's own cni0, which flannel calls by the same name.
address=$1

ip link add flannel.1 type vxlan id 1 dstport 8472 local "$address" dev host0 nolearning
ip addr add 10.244.99.0/32 dev flannel.1
ip link set flannel.1 up

for backend in nft legacy; do
  run=iptables-$backend
  $run -t nat -N FLANNEL-POSTRTG
  $run -t nat -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
  $run -t nat -A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE
  $run -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
  $run -N FLANNEL-FWD
  $run -A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
  $run -A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT
  $run -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
done
nft -f - <<'RULES'
table ip flannel-ipv4 {
  chain postrtg { type nat hook postrouting priority 100; ip saddr 10.244.0.0/16 counter masquerade comment "flanneld masq"; }
}
table ip6 flannel-ipv6 {
  chain forward { type filter hook forward priority 0; policy accept; }
}
RULES

mkdir -p /run/flannel /var/lib/cni/networks/cbr0 /etc/cni/net.d
cat > /run/flannel/subnet.env <<'ENV'
FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET=10.244.99.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
ENV
# It sorts behind the lab's own, which the runtime goes on using.
cat > /etc/cni/net.d/10-flannel.conflist <<'CONFIG'
{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
CONFIG
printf '10.244.99.7' > /var/lib/cni/networks/cbr0/last_reserved_ip.0
printf 'f00d\r\neth0' > /var/lib/cni/networks/cbr0/10.244.99.7
: > /var/lib/cni/networks/cbr0/lock
