"""Faults that a real server plays: kinds that are not served, lists that grow too old between two pages."""

import http.client
import http.server
import json
import os
import re
import threading
import urllib.parse

from suite import equal, has

PODS = 1200  # three pages


def before_the_kinds(suite, cluster):
    """Before the custom kinds are installed."""
    suite.check("faults: kinds that are not served", not_served, cluster)


def run(suite, cluster):
    if cluster.own:
        suite.check("faults: 410 between two pages", too_old, cluster)


def not_served(cluster):
    cluster.namespace("bare")
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "bare"}, "spec": {"ports": [{"port": 80}]}})
    run = cluster.meshctl("tls-check", "-A", "-o", "json")
    assert run.code in (0, 1, 3), f"exit code {run.code}: {run.err}"
    has(run.err, "serves no PeerAuthentication and no DestinationRule", "is Istio installed")
    return run.err.strip()


class Between(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the API server; before the first continued page of Pods etcd forgets its history."""

    protocol_version = "HTTP/1.1"
    cluster = None
    compactions = 1
    statuses = []

    def do_GET(self):
        if "/pods?" in self.path and "continue=" in self.path and Between.compactions:
            Between.compactions -= 1
            compact(self.cluster)
        connection = self.cluster.connection()
        connection.request("GET", self.path, headers={"Accept": self.headers.get("Accept", "application/json")})
        answer = connection.getresponse()
        body = answer.read()
        if "/pods?" in self.path:
            Between.statuses.append(answer.status)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def compact(cluster):
    """Makes every continue token so far too old."""
    cluster.kubectl("annotate", "namespace", "load", f"now={os.urandom(4).hex()}", "--overwrite")
    port = int(os.environ.get("ETCD_PORT", "23790"))

    def etcd(path, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", path, json.dumps(body))
        return json.loads(connection.getresponse().read())

    revision = etcd("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
    etcd("/v3/kv/compaction", {"revision": revision, "physical": True})


def too_old(cluster):
    cluster.clear()
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}", "namespace": "load", "labels": {"app": "a"}},
             "spec": {"containers": [{"name": "a", "image": "a"}]}} for number in range(PODS)]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "load"},
               "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}}
    refused = cluster.load([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}}, service, *pods])
    assert not refused, refused[:3]
    Between.cluster = cluster
    direct = cluster.meshctl("tls-check", "-A", "-o", "json")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between) as between:
        threading.Thread(target=between.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{between.server_address[1]}"
        run = cluster.meshctl("tls-check", "-A", "-o", "json", "--server", address, env={"KUBECONFIG": "/dev/null"})
        first, Between.statuses = Between.statuses, []
        assert 410 in first, f"the server gave no 410 but {first}"
        equal(run.code, direct.code, "exit code")
        equal(run.json()["cells"], direct.json()["cells"], "the rows")
        assert "MC0010" not in run.out, "a list that was begun again is whole"
        # One that is always too old is given up, and said.
        Between.compactions = 1000
        run = cluster.meshctl("tls-check", "-A", "-o", "json", "--server", address, env={"KUBECONFIG": "/dev/null"})
        equal(run.code, 1, "exit code where it never ends")
        has(run.out, "MC0010", "changed too fast")
        between.shutdown()
    return f"answers for pods: {' '.join(map(str, first))}"
