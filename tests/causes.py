#!/usr/bin/env python3
"""Lint findings and rows of tls-check never disagree: counts over meshes, exit 1 where something is wrong.

    tests/causes.py BINARY FOLDER...

Each FOLDER holds one folder per mesh (or YAML files of one mesh each). For each mesh the binary runs twice, as
`tls-check --expand -o json` and `lint -o json`, and then:

- every CONFLICT cell whose client is not an expected one (outside the mesh) is covered by exactly one finding, through
  `edges`: client, host, port, subset, endpoint, workload port;
- every finding with a code of ONLY_WITH_A_ROW covers such a cell;
- a finding of high confidence that covers a cell is an error, where the cell's confidence is not low, its client has a
  proxy and, for a subset, a route sends there;
- on a mesh whose cells are all OK, PLAINTEXT or expected no finding is an error of high confidence, but for codes of
  CLAIMS_NO_FAILURE.
"""

import collections
import json
import os
import subprocess
import sys

# Rules that never appear without a failing row.
ONLY_WITH_A_ROW = {"MC0201", "MC0202", "MC0203", "MC0301", "MC0302"}

# Rules of severity error that do not say that a call fails: what is written is not what happens, or cannot be read.
CLAIMS_NO_FAILURE = {
    "MC0001", "MC0005", "MC0006", "MC0007", "MC0009",  # input that is refused or not read
    "MC0101", "MC0102", "MC0103", "MC0104", "MC0106", "MC0111",  # a policy that does not do what it says
    "MC0204", "MC0206", "MC0207", "MC0209",            # a rule whose tls is not what clients send
    "MC0213",                                          # fails for the API server, which the input rarely holds
    "MC0304", "MC0312",                                # traffic that bypasses the proxy, as plaintext
    "MC0307", "MC0310",                                # the kubelet and the API server are no clients of the matrix
    "MC0401", "MC0404", "MC0405",                      # authorization
    "MC0503",                                          # a gateway's own settings
}


def run(binary, command):
    # The exit code says what was found; the text tells whether it worked.
    done = subprocess.run([binary, *command], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


def meshes(folders):
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            inner = os.path.join(path, "mesh.yaml")
            if os.path.exists(inner):
                yield inner
            elif os.path.isdir(path) or name.endswith((".yaml", ".yml")):
                yield path


def cell_key(cell):
    client, server, endpoint = cell["client"], cell["server"], cell["endpoint"] or {}
    who = f'{endpoint["namespace"]}/{endpoint["workload"]}' if endpoint.get("workload") else endpoint.get("address")
    name = f'{client["namespace"]}/{client["workload"]}'
    return name, server["host"], server["port"], server["subset"], who, endpoint.get("port") or 0


def edge_keys(edge):
    for client in edge["clients"]:
        yield client, edge["host"], edge["port"], edge["subset"], edge["endpoint"], edge["workload_port"]


def check(path, checked, linted, counts, wrong):
    cells = checked["cells"]
    failing = collections.Counter(cell_key(c) for c in cells if c["status"] == "CONFLICT" and not c["expected"])
    broken = {
        cell_key(c)
        for c in cells
        if c["status"] == "CONFLICT" and c["confidence"] != "low" and c["client"]["proxy"] != "none" and c["routed"]
    }
    covering = collections.defaultdict(set)
    for number, finding in enumerate(linted["findings"]):
        keys = {key for edge in finding.get("edges") or [] for key in edge_keys(edge)}
        for key in keys:
            covering[key].add(number)
        code = finding["code"]
        counts["findings", code] += 1
        if finding["severity"] != "error" and finding["confidence"] == "high" and keys & broken:
            wrong.append(f"{path}: {code} at line {finding['line']} is no error, and calls fail because of it")
        if code in ONLY_WITH_A_ROW and not any(key in failing for key in keys):
            wrong.append(f"{path}: {code} at line {finding['line']} without a failing row")
    for key, times in failing.items():
        by = len(covering.get(key, ()))
        counts["cells", "one" if by == 1 else "none" if by == 0 else "several"] += times
        if by != 1:
            wrong.append(f"{path}: {key} has {by} causes")
    for key in covering:
        if key not in failing:
            wrong.append(f"{path}: {key} is named as failing and is not")
    quiet = all(c["status"] in ("OK", "PLAINTEXT") or c["expected"] for c in cells)
    counts["meshes", "all OK or PLAINTEXT" if quiet else "other"] += 1
    for finding in linted["findings"] if quiet else []:
        if finding["severity"] == "error" and finding["confidence"] == "high":
            code = finding["code"]
            counts["errors on a mesh that works", code] += 1
            if code not in CLAIMS_NO_FAILURE:
                wrong.append(f"{path}: {code} at line {finding['line']}, and every row is OK or PLAINTEXT")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, folders = sys.argv[1], sys.argv[2:]
    counts, wrong = collections.Counter(), []
    for path in meshes(folders):
        checked = run(binary, ["tls-check", "-f", path, "--expand", "-o", "json"])
        linted = run(binary, ["lint", path, "-o", "json"])
        if linted is None:
            wrong.append(f"{path}: no output of lint")
        elif checked is None:
            counts["meshes", "without rows"] += 1
        else:
            check(path, checked, linted, counts, wrong)
    for (what, which), count in sorted(counts.items()):
        print(f"{what:28} {which:20} {count}")
    print(f"{len(wrong)} wrong")
    for line in wrong[:50]:
        print(line)
    sys.exit(1 if wrong or not counts else 0)


if __name__ == "__main__":
    main()
