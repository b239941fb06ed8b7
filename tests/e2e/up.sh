#!/usr/bin/env bash
# Starts etcd and kube-apiserver on loopback and waits until the API is ready. What an earlier run left is ended first.
set -euo pipefail
. "$(dirname "$0")/env.sh"
"$KIT/down.sh"
mkdir -p "$E2E_STATE"/{pki,log,pid,etcd}
chmod 700 "$E2E_STATE" "$E2E_STATE/etcd"
P=$E2E_STATE/pki

# One CA for certificates of servers, clients and the kubelet.
key() { openssl ecparam -genkey -name prime256v1 -noout -out "$P/$1.key" 2>/dev/null; }
crt() { # NAME SUBJECT EXTENSIONS
    key "$1"
    openssl req -new -key "$P/$1.key" -subj "$2" -out "$P/$1.csr"
    openssl x509 -req -in "$P/$1.csr" -CA "$P/ca.crt" -CAkey "$P/ca.key" -CAcreateserial -days 30 \
        -extfile <(printf '%s\n' "$3") -out "$P/$1.crt" 2>/dev/null
}
key ca
openssl req -x509 -new -key "$P/ca.key" -subj /CN=e2e-ca -days 30 -out "$P/ca.crt"
crt apiserver /CN=kube-apiserver $'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc\nextendedKeyUsage=serverAuth'
crt kubelet /CN=system:node:fake $'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth'
crt apiserver-kubelet-client /O=system:masters/CN=apiserver-kubelet-client extendedKeyUsage=clientAuth
crt admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
key sa
echo "e2e-token,viewer,viewer-uid" >"$E2E_STATE/tokens.csv"

config() { kubectl config --kubeconfig="$KUBECONFIG" "$@" >/dev/null; }
config set-cluster e2e --server="https://127.0.0.1:$API_PORT" --certificate-authority="$P/ca.crt"
config set-credentials admin --client-certificate="$P/admin.crt" --client-key="$P/admin.key"
config set-context e2e --cluster=e2e --user=admin
config use-context e2e

start() { # NAME COMMAND...
    local name=$1
    shift
    setsid "$@" >"$E2E_STATE/log/$name.log" 2>&1 </dev/null &
    echo $! >"$E2E_STATE/pid/$name"
}
# Without fsync: the data is thrown away.
start etcd "$BIN/etcd" --name e2e --unsafe-no-fsync --data-dir "$E2E_STATE/etcd" \
    --listen-client-urls "http://127.0.0.1:$ETCD_PORT" --advertise-client-urls "http://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls "http://127.0.0.1:$ETCD_PEER" --initial-advertise-peer-urls "http://127.0.0.1:$ETCD_PEER" \
    --initial-cluster "e2e=http://127.0.0.1:$ETCD_PEER" \
    --quota-backend-bytes 4294967296 --log-level warn
options=(
    --etcd-servers "http://127.0.0.1:$ETCD_PORT"
    --bind-address 127.0.0.1 --secure-port "$API_PORT" --advertise-address 127.0.0.1
    --endpoint-reconciler-type none               # Endpoints of the Service kubernetes may not hold a loopback address
    --service-cluster-ip-range 10.0.0.0/12
    --cert-dir "$P"
    --tls-cert-file "$P/apiserver.crt" --tls-private-key-file "$P/apiserver.key"
    --client-ca-file "$P/ca.crt"                  # of client certificates: CN is the user, O are the groups
    --token-auth-file "$E2E_STATE/tokens.csv"     # the bearer token e2e-token is user viewer
    --service-account-issuer https://kubernetes.default.svc
    --service-account-signing-key-file "$P/sa.key" --service-account-key-file "$P/sa.key"
    --authorization-mode RBAC
    --disable-admission-plugins ServiceAccount    # no controller makes the default service accounts
    --kubelet-preferred-address-types InternalIP  # exec and port-forward go to the Node's InternalIP
    --kubelet-client-certificate "$P/apiserver-kubelet-client.crt" --kubelet-client-key "$P/apiserver-kubelet-client.key"
    --audit-policy-file "$KIT/audit-policy.yaml" --audit-log-path "$E2E_STATE/log/audit.jsonl" --audit-log-mode blocking
    --enable-priority-and-fairness=false --max-requests-inflight 0 --max-mutating-requests-inflight 0
    --profiling=false
    ${APISERVER_EXTRA:-}
)
start kube-apiserver "$BIN/kube-apiserver" "${options[@]}"
ready() { curl -fsS --noproxy '*' --cacert "$P/ca.crt" "https://127.0.0.1:$API_PORT/readyz" >/dev/null 2>&1; }
for _ in $(seq 900); do
    ready && exit 0
    kill -0 "$(cat "$E2E_STATE/pid/kube-apiserver")" 2>/dev/null || break
    sleep 0.1
done
echo "the API server is not ready" >&2
tail -20 "$E2E_STATE/log/kube-apiserver.log" >&2
exit 1
