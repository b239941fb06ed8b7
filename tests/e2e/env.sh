# Sourced by every script here. Folders and ports can be set from outside, so that several suites run side by side.
KIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
E2E_CACHE=${E2E_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/meshctl-e2e} # built servers: kept between runs
E2E_STATE=${E2E_STATE:-${TMPDIR:-/tmp}/meshctl-e2e}                 # data, certificates, logs, pids: removed by down.sh
ETCD_PORT=${ETCD_PORT:-23790} ETCD_PEER=${ETCD_PEER:-23800}
API_PORT=${API_PORT:-26443} KUBELET_PORT=${KUBELET_PORT:-20250}
export KUBECONFIG=$E2E_STATE/admin.kubeconfig
BIN=$E2E_CACHE/bin
