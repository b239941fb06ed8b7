"""authz-check of a Pod, by port-forward and by exec, is authz-check of its dump."""

import gzip
import http.server
import json
import os
import threading

from cluster import HERE, ROOT, roles
from report import normal, same
from suite import Skip, equal, has
from checks.access import bind, requests, rules

DUMP = ROOT / "testdata/envoy/details-permissive-port-strict.json"
OTHER = ROOT / "testdata/envoy/details-strict-rbac-http.json.gz"


def run(suite, cluster):
    for name, function in [
        ("by port-forward", by_port_forward),
        ("by exec, where port-forward is refused", by_exec),
        ("where both are refused", refused),
        ("a workload's Pods", workload),
        ("the documented role suffices", role),
        ("--save keeps the dumps", save),
    ]:
        suite.check(f"pods: {name}", prepared, cluster, function)


def prepared(cluster, function):
    if not cluster.own:
        raise Skip("the proxies of a cluster that is not ours have other dumps")
    if "--save" not in cluster.meshctl("authz-check", "--help").out:
        raise Skip("this meshctl reads no proxy of a cluster")
    if not (cluster.state / "pid/kubelet").exists():
        start(cluster)
    return function(cluster)


class Admin(http.server.BaseHTTPRequestHandler):
    """Envoy's admin port, as far as it is asked: a file. It keeps connections open as Envoy does: what a Pod has sent last
    before it closes can be lost on the way through a port-forward, and the client then waits for it."""

    protocol_version = "HTTP/1.1"
    body = b""

    def do_GET(self):
        found = self.path.partition("?")[0] == "/config_dump"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.body)

    def log_message(self, *_):
        pass


def start(cluster):
    """A fake kubelet of one node, its Pods, and their proxies."""
    Admin.body = DUMP.read_bytes()
    admin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    threading.Thread(target=admin.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{admin.server_address[1]}"
    # By exec another dump comes than by port-forward: so it is known which way was taken.
    folder = cluster.file("dumps/config_dump", gzip.decompress(OTHER.read_bytes()).decode()).parent
    pods = {
        "mesh/forward": {"admin": address, "dir": str(folder)},
        "mesh/exec": {"admin": address, "dir": str(folder), "refuse": "portforward"},
        "mesh/neither": {"admin": address, "refuse": "portforward exec"},
        "mesh/details-1": {"admin": address},
        "mesh/details-2": {"admin": address},
    }
    file = cluster.file("pods.json", json.dumps(pods))
    cluster.run([HERE / "kubelet.sh", file], ok=True, env={key: value for key, value in os.environ.items() if key.startswith("E2E_")})
    space = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mesh"}}]
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "details", "namespace": "mesh"},
        "spec": {"selector": {"matchLabels": {"app": "details"}},
                 "template": {"metadata": {"labels": {"app": "details"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}},
    }
    refused = cluster.load(space + [deployment] + [pod(name.split("/")[1]) for name in pods])
    assert not refused, refused


def pod(name):
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "mesh", "labels": {"app": name.split("-")[0]}},
        "spec": {"nodeName": "fake", "containers": [{"name": "app", "image": "a"}, {"name": "istio-proxy", "image": "a"}]},
        "status": {"phase": "Running", "podIP": "10.244.0.1", "podIPs": [{"ip": "10.244.0.1"}],
                   "conditions": [{"type": "Ready", "status": "True"}],
                   "containerStatuses": [{"name": "istio-proxy", "image": "a", "imageID": "a", "ready": True, "restartCount": 0,
                                          "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
    }


AT = ["--at", "2026-01-01T00:00:00Z"]


def offline(cluster, file):
    return cluster.report("authz-check", "-f", file, *AT)


def differs(cluster):
    """The two dumps give different reports, so an equal one says which was read."""
    assert normal(offline(cluster, DUMP)) != normal(offline(cluster, OTHER)), "both dumps give the same report"


def by_port_forward(cluster):
    differs(cluster)
    same(cluster.report("authz-check", "forward.mesh", *AT), offline(cluster, DUMP))
    table = cluster.meshctl("authz-check", "forward", "-n", "mesh", *AT)
    has(table.out, "9080")


def by_exec(cluster):
    same(cluster.report("authz-check", "exec.mesh", *AT), offline(cluster, OTHER))


def refused(cluster):
    run = cluster.meshctl("authz-check", "neither.mesh", *AT)
    assert run.code in (1, 2), f"exit code {run.code}"
    has(run.out + run.err, "refused by the test")
    gone = cluster.meshctl("authz-check", "nobody.mesh")
    equal(gone.code, 2, "exit code for a Pod that is not there")
    has(gone.err, "nobody")
    return f"{(run.out + run.err).strip()[:300]} | {gone.err.strip()[:200]}"


def workload(cluster):
    report = cluster.report("authz-check", "deploy/details", "-n", "mesh", "--all-pods", *AT)
    equal(len(report["proxies"]), 2, "proxies")


def role(cluster):
    cluster.apply(roles()["ClusterRole", "meshctl-authz-check"])
    user = "meshctl-dumps"
    bind(cluster, user, "meshctl-authz-check", "mesh")
    mark = cluster.audit_mark()
    for name in ("forward.mesh", "exec.mesh", "deploy/details.mesh"):
        run = cluster.meshctl("authz-check", name, "--as", user, *AT)
        assert run.code in (0, 1), f"{name}: exit code {run.code}: {run.err}"
    asked = list(requests(cluster.audit_since(mark, user)))
    assert any(one[2] == "pods/portforward" for one in asked) and any(one[2] == "pods/exec" for one in asked), asked
    beyond = {one[:3] for one in asked} - {(verb, group, resource) for group, resource, verb in rules("meshctl-authz-check")}
    assert not beyond, f"asks for more than the role: {sorted(beyond)}"
    # With only one of the verbs nothing is read, and it is said.
    fewer = roles()["ClusterRole", "meshctl-authz-check"].replace("name: meshctl-authz-check", "name: meshctl-get-only")
    cluster.apply(fewer.replace("[get, create]", "[get]"))
    bind(cluster, "meshctl-get-only", "meshctl-get-only", "mesh")
    run = cluster.meshctl("authz-check", "forward.mesh", "--as", "meshctl-get-only", *AT)
    assert run.code in (1, 2), f"exit code {run.code}"
    has(run.out + run.err, "create")
    return f"{len(asked)} requests; with get only: {run.err.strip()[:300]}"


def save(cluster):
    folder = cluster.state / "files/kept"
    run = cluster.meshctl("authz-check", "forward.mesh", "--save", folder, *AT)
    assert run.code in (0, 1), run.err
    kept = list(folder.iterdir())
    equal([file.name for file in kept], ["forward.mesh.json"], "files")
    same(offline(cluster, kept[0]), offline(cluster, DUMP))
