#!/usr/bin/env bash
# Ends what up.sh and kubelet.sh started, each by its pid, and removes their state.
. "$(dirname "$0")/env.sh"
for name in kubelet kube-apiserver etcd; do
    file=$E2E_STATE/pid/$name
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    # A pid may be another program's by now. -9: the data is thrown away, and a graceful end takes seconds.
    case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in "$(realpath "$E2E_CACHE")"/*) kill -9 "$pid" 2>/dev/null ;; esac
    for _ in $(seq 50); do
        readlink "/proc/$pid/exe" >/dev/null 2>&1 || break
        sleep 0.1
    done
    rm -f "$file"
done
# Only a folder that up.sh made.
[ ! -d "$E2E_STATE/pki" ] || rm -rf "$E2E_STATE"
