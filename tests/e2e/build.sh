#!/usr/bin/env bash
# Builds the servers into $E2E_CACHE/bin from Go modules, once: six minutes on two idle cores, nothing when they are there.
# The files are named by the versions of go.mod, so a stale one is never used. With --list: says their names, and builds nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
version() { sed -n "s#^\s*$1 \(v[^ ]*\).*#\1#p" "$KIT/server/go.mod" | head -1; }
kubernetes=$(version k8s.io/kubernetes) etcd=$(version go.etcd.io/etcd/server/v3) v=k8s.io/component-base/version
# The fake kubelet is named by its source.
kubelet=kubelet-$(cat "$KIT/server/cmd/kubelet/main.go" "$KIT/server/go.mod" | sha256sum | cut -c1-12)
if [ "${1:-}" = --list ]; then
    printf '%s\n' "$BIN/kube-apiserver-$kubernetes" "$BIN/etcd-$etcd" "$BIN/$kubelet"
    exit
fi
mkdir -p "$BIN"
export CGO_ENABLED=0

build() { # OUT PACKAGE LDFLAGS
    [ -e "$BIN/$1" ] && return
    echo "building $1"
    (cd "$KIT/server" && nice go build -mod=readonly -p 2 -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w ${3:-}" -o "$BIN/$1.tmp" "$2")
    mv "$BIN/$1.tmp" "$BIN/$1"
}

# -X: what /version reports; without it a text that kubectl and parsers of versions refuse.
build "kube-apiserver-$kubernetes" ./cmd/kube-apiserver \
    "-X $v.gitVersion=$kubernetes -X $v.gitMajor=1 -X $v.gitMinor=$(cut -d. -f2 <<<"$kubernetes")"
build "etcd-$etcd" ./cmd/etcd
ln -sf "kube-apiserver-$kubernetes" "$BIN/kube-apiserver"
ln -sf "etcd-$etcd" "$BIN/etcd"
build "$kubelet" ./cmd/kubelet
ln -sf "$kubelet" "$BIN/kubelet"
