#!/usr/bin/env bash
# Starts the fake kubelet as that of Node `fake`. Usage: kubelet.sh PODS.json, which is read at each request.
set -euo pipefail
. "$(dirname "$0")/env.sh"
setsid "$BIN/kubelet" -listen "127.0.0.1:$KUBELET_PORT" -cert "$E2E_STATE/pki/kubelet.crt" -key "$E2E_STATE/pki/kubelet.key" \
    -pods "$(realpath "$1")" >"$E2E_STATE/log/kubelet.log" 2>&1 </dev/null &
echo $! >"$E2E_STATE/pid/kubelet"
kubectl create -f - >/dev/null <<<'{"apiVersion":"v1","kind":"Node","metadata":{"name":"fake"}}'
# The API server finds a kubelet by the Node's InternalIP and kubeletEndpoint.
kubectl patch node fake --subresource=status -p '{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],
"daemonEndpoints":{"kubeletEndpoint":{"Port":'"$KUBELET_PORT"'}}}}' >/dev/null
for _ in $(seq 300); do
    curl -fsSk --noproxy '*' "https://127.0.0.1:$KUBELET_PORT/healthz" >/dev/null 2>&1 && exit 0
    sleep 0.1
done
tail "$E2E_STATE/log/kubelet.log" >&2
exit 1
