# What a user has on a host beside Kubernetes, and what must outlive it: firewall rules in every place where rules can be, links
# of the kinds that network plugins use, and a podman with a network of its own in the very folders and chains of the plugins.
address=$1

nft -f - <<'RULES'
table inet user_fw {
  set allowed { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
  chain input {
    type filter hook input priority 10; policy accept;
    ip saddr @allowed counter accept comment "of the user"
    tcp dport 2222 counter drop
  }
}
table ip user_nat {
  chain out { type nat hook postrouting priority 110; oifname "br-user" counter masquerade; }
}
RULES

for backend in nft legacy; do
  for family in iptables ip6tables; do
    run=$family-$backend
    $run -N USER-IN
    $run -A USER-IN -p tcp --dport 2223 -m comment --comment "of the user" -j ACCEPT
    $run -A USER-IN -j RETURN
    $run -A INPUT -p tcp --dport 2223 -j USER-IN
    $run -A FORWARD -i br-user -o br-user -m comment --comment "of the user" -j ACCEPT
    $run -t mangle -A PREROUTING -i br-user -j MARK --set-xmark 0x7/0xff
    $run -t nat -A POSTROUTING -o br-user -j MASQUERADE
  done
done

ip link add br-user type bridge
ip addr add 172.31.0.1/24 dev br-user
ip link set br-user up
ip link add vxlan42 type vxlan id 42 dstport 4789 local "$address" dev host0
ip addr add 172.31.42.1/24 dev vxlan42
ip link set vxlan42 up

# A container of podman's with a published port, as its network plugins leave it while it runs.
id=6d1f0c3b2a4e5968778695a4b3c2d1e0f00112233445566778899aabbccddeef
chain=CNI-0f1e2d3c4b5a69788796a5b4
port=CNI-DN-0f1e2d3c4b5a697887960
mkdir -p /etc/cni/net.d /var/lib/cni/networks/podman /var/lib/cni/results
cat > /etc/cni/net.d/87-podman-bridge.conflist <<'CONFIG'
{
  "cniVersion": "0.4.0",
  "name": "podman",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni-podman0",
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}},
    {"type": "firewall"},
    {"type": "tuning"}
  ]
}
CONFIG
printf '%s\r\neth0' "$id" > /var/lib/cni/networks/podman/10.88.0.5
printf '10.88.0.5' > /var/lib/cni/networks/podman/last_reserved_ip.0
: > /var/lib/cni/networks/podman/lock
printf '{"kind":"cniCacheV1","containerId":"%s","networkName":"podman","ifName":"eth0"}' "$id" > "/var/lib/cni/results/podman-$id-eth0"

ip link add cni-podman0 type bridge
ip addr add 10.88.0.1/16 dev cni-podman0
ip link set cni-podman0 up

run=iptables-nft
$run -t nat -N "$chain"
$run -t nat -A "$chain" -d 10.88.0.0/16 -m comment --comment "name: \"podman\" id: \"$id\"" -j ACCEPT
$run -t nat -A "$chain" ! -d 224.0.0.0/4 -m comment --comment "name: \"podman\" id: \"$id\"" -j MASQUERADE
$run -t nat -A POSTROUTING -s 10.88.0.5/32 -m comment --comment "name: \"podman\" id: \"$id\"" -j "$chain"
# These three may be there already: the plugins share them with Kubernetes'.
for shared in CNI-HOSTPORT-DNAT CNI-HOSTPORT-MASQ CNI-HOSTPORT-SETMARK; do
  $run -t nat -N $shared 2>/dev/null || true
done
put() { $run -t nat -C "$@" 2>/dev/null || $run -t nat -A "$@"; }
put CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
put CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
put PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
put OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
put POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
$run -t nat -N "$port"
$run -t nat -A "$port" -s 10.88.0.0/16 -p tcp --dport 8080 -j CNI-HOSTPORT-SETMARK
$run -t nat -A "$port" -p tcp --dport 8080 -j DNAT --to-destination 10.88.0.5:80
$run -t nat -A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"podman\" id: \"$id\"" -m multiport --dports 8080 -j "$port"
