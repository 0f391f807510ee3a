# Makes the certificates of one etcd member as kubeadm would make its own, below one authority that stays on this host. Words: the
# member's name, its address, the version of Kubernetes. Prints where they lie.
name=$1 address=$2 version=$3
authority=/root/etcd-pki/authority
own=/root/etcd-pki/$name
configure() { # FOLDER
	mkdir -p "$1"
	cat > "$1.yaml" <<-CONFIG
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: InitConfiguration
		localAPIEndpoint: {advertiseAddress: $address}
		nodeRegistration: {name: $name, criSocket: unix:///run/containerd/containerd.sock}
		---
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: ClusterConfiguration
		kubernetesVersion: v$version
		certificatesDir: $1
		etcd: {local: {dataDir: /var/lib/etcd}}
	CONFIG
}
if [ ! -e "$authority/etcd/ca.key" ]; then
	configure "$authority"
	kubeadm init phase certs etcd-ca --config "$authority.yaml" >&2
fi
configure "$own"
mkdir -p "$own/etcd"
cp "$authority/etcd/ca.crt" "$authority/etcd/ca.key" "$own/etcd/"
for what in etcd-server etcd-peer etcd-healthcheck-client apiserver-etcd-client; do
	kubeadm init phase certs $what --config "$own.yaml" >&2
done
rm "$own/etcd/ca.key"
echo "$own"
