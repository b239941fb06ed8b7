#!/usr/bin/env bash
# meshctl pcap-verify beside the tools that people use today, on one capture, in one run.
#
#   benches/peers.sh CAPTURE [RUNS]
#
# Prints CPU seconds (user and system; the best of RUNS, default 3), wall seconds, and how many times meshctl's CPU
# seconds each takes. `cat` is the physical limit. Tools that are not installed are named, not measured.
# MESHCTL names the binary; default target/release/meshctl.
set -euo pipefail

capture=${1:?usage: benches/peers.sh CAPTURE [RUNS]}
runs=${2:-3}
meshctl=${MESHCTL:-target/release/meshctl}
[ -r "$capture" ] || { echo "peers.sh: cannot read $capture" >&2; exit 2; }
[ -x "$meshctl" ] || { echo "peers.sh: no $meshctl: cargo build --release --locked" >&2; exit 2; }
TIMEFORMAT='%U %S %R'

# best COMMAND...: "CPU WALL" of its best run. What it prints is thrown away; verdicts make exit codes.
best() {
  local n times cpu wall best_cpu='' best_wall=''
  for n in $(seq "$runs"); do
    times=$({ time "$@" >/dev/null 2>/dev/null || true; } 2>&1)
    read -r user system wall <<<"$times"
    cpu=$(awk -v u="$user" -v s="$system" 'BEGIN { printf "%.3f", u + s }')
    if [ -z "$best_cpu" ] || awk -v a="$cpu" -v b="$best_cpu" 'BEGIN { exit !(a < b) }'; then
      best_cpu=$cpu best_wall=$wall
    fi
  done
  echo "$best_cpu $best_wall"
}

# row NAME COMMAND...
row() {
  local name=$1 cpu wall
  shift
  if ! command -v "$1" >/dev/null; then
    printf '%-28s not installed\n' "$name"
    return
  fi
  read -r cpu wall <<<"$(best "$@")"
  : "${base:=$cpu}"
  awk -v name="$name" -v cpu="$cpu" -v wall="$wall" -v base="$base" -v bytes="$bytes" 'BEGIN {
    printf "%-28s %9.2f %9.2f %9.0f %9.2f\n", name, cpu, wall, (cpu > 0 ? bytes / 1e6 / cpu : 0), (base > 0 ? cpu / base : 0)
  }'
}

bytes=$(stat -c %s "$capture")
echo "$capture: $bytes bytes; best of $runs"
printf '%-28s %9s %9s %9s %9s\n' command 'CPU s' 'wall s' 'MB/CPU s' 'ratio'
cat "$capture" >/dev/null
row 'meshctl pcap-verify' "$meshctl" pcap-verify "$capture"
row 'cat' cat "$capture"
row 'tcpdump -w /dev/null' tcpdump -r "$capture" -w /dev/null
row 'ndpiReader -q' ndpiReader -q -i "$capture"
row 'tshark -q -z conv,tcp' tshark -n -q -z conv,tcp -r "$capture"
if [ -r /proc/self/status ]; then
  "$meshctl" pcap-verify "$capture" >/dev/null 2>&1 &
  pid=$! peak=0
  while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null); do
    peak=$(awk '{ print $2 }' <<<"$line")
    sleep 0.02
  done
  wait "$pid" || true
  echo "meshctl's peak memory: $((peak / 1024)) MB"
fi
