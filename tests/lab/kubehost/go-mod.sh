#!/bin/sh
# go-mod.sh VERSION: writes VERSION/go.mod and VERSION/go.sum, once per
# Kubernetes version; both are committed, since `go mod tidy` picks the newest of
# some small modules and would make every build its own.
set -eu
version=$1
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

release=$work/kubernetes.mod
(cd "$work" && go mod download "k8s.io/kubernetes@v$version")
cp "$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$version.mod" "$release"
# The etcd that this release was tested with.
etcd=$(awk '$1 == "go.etcd.io/etcd/server/v3" || $2 == "go.etcd.io/etcd/server/v3" { for (i = 1; i <= NF; i++) if ($i ~ /^v3/) { print $i; exit } }' "$release")

{
  printf 'module slipway.test/kubehost\n\ngo 1.25.0\n\ngodebug default=go1.24\n\nrequire (\n'
  for part in etcdctl etcdutl server; do printf '\tgo.etcd.io/etcd/%s/v3 %s\n' "$part" "$etcd"; done
  printf '\tk8s.io/kubernetes v%s\n)\n\n' "$version"
  # Its sister modules stand there as v0.0.0 with a path inside its own tree.
  printf 'replace (\n'
  sed -nE 's#^(replace)?[[:space:]]*([^ ]+) => \./staging/.*#\2#p' "$release" |
    while read -r module; do printf '\t%s => %s v0.%s\n' "$module" "$module" "${version#1.}"; done
  printf ')\n'
} > "$work/go.mod"
cp ./*.go "$work"
(cd "$work" && go mod tidy)
mkdir -p "$version"
cp "$work/go.mod" "$work/go.sum" "$version"
