"""Every way to say which cluster is meant and as whom, and what is said where it does not work."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from suite import Skip, equal, has
from checks.access import bind

NAME = "kubernetes.default.svc"  # a name of the server's certificate that is not this machine's


def run(suite, cluster):
    suite.check("kubeconfig: a missing file", missing_file, cluster)
    suite.check("kubeconfig: a context that is not there", missing_context, cluster)
    suite.check("kubeconfig: a server that is not there", closed_port, cluster)
    suite.check("kubeconfig: a server that does not answer", silent, cluster)
    if not cluster.own:
        return
    suite.check("kubeconfig: client certificate", client_certificate, cluster)
    suite.check("kubeconfig: token", token, cluster)
    suite.check("kubeconfig: exec plugin", exec_plugin, cluster)
    suite.check("kubeconfig: service account in a Pod", in_cluster, cluster)
    suite.check("kubeconfig: proxy, NO_PROXY", proxy, cluster)
    suite.check("kubeconfig: two files merged", merged, cluster)
    suite.check("kubeconfig: a CA that did not sign", wrong_authority, cluster)


def server(cluster):
    text = pathlib.Path(cluster.kubeconfig).read_text()
    return re.search(r"server: (\S+)", text)[1]


def config(cluster, name, user, context="it", **more):
    """A kubeconfig file with one context."""
    of_cluster = {"server": server(cluster), "certificate-authority": str(cluster.state / "pki/ca.crt")} | more
    value = {
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "clusters": [{"name": "c", "cluster": of_cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u", "namespace": "bookinfo"}}],
    }
    return cluster.file(name, json.dumps(value))


def reads(cluster, file=None, *arguments, env=None):
    """The cluster is read, and said to be what the administrator sees."""
    where = ["--kubeconfig", file] if file else []
    run = cluster.meshctl("tls-check", "-A", "--strict-read", "-o", "json", *where, *arguments, env=env)
    assert run.code in (0, 1), f"exit code {run.code}: {run.err}"
    equal(run.json()["cells"], cluster.report("tls-check", "-A")["cells"], "the rows")
    assert run.json()["cells"], "no row"
    return run


def viewer(cluster):
    """The user of the static token may read."""
    bind(cluster, "viewer", "meshctl")


def client_certificate(cluster):
    pki = cluster.state / "pki"
    reads(cluster, config(cluster, "certificate.json", {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}))


def token(cluster):
    viewer(cluster)
    reads(cluster, config(cluster, "token.json", {"token": "e2e-token"}))
    reads(cluster, config(cluster, "token-file.json", {"tokenFile": str(cluster.file("token", "e2e-token\n"))}))
    # Flags alone, without any file.
    flags = ["--server", server(cluster), "--certificate-authority", cluster.state / "pki/ca.crt", "--token", "e2e-token"]
    reads(cluster, None, *flags, env={"KUBECONFIG": "/dev/null"})
    return "kubeconfig, token file, flags"


def exec_plugin(cluster):
    viewer(cluster)
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "e2e-token"}}
    script = cluster.file("plugin", f"#!/bin/sh\necho called >>\"$CALLS\"\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    script.chmod(0o755)
    calls = cluster.file("calls", "")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never",
              "env": [{"name": "CALLS", "value": str(calls)}]}
    reads(cluster, config(cluster, "exec.json", {"exec": plugin}))
    assert calls.read_text() == "called\n", f"the plugin ran {len(calls.read_text().split())} times"
    failing = cluster.file("failing", "#!/bin/sh\necho 'log in first' >&2\nexit 3\n")
    failing.chmod(0o755)
    run = cluster.meshctl("tls-check", "-A", "--kubeconfig", config(cluster, "exec2.json", {"exec": plugin | {"command": str(failing)}}))
    equal(run.code, 2, "exit code of a plugin that fails")
    has(run.err, "failing")
    return run.err.strip()[:300]


def in_cluster(cluster):
    """The service account's files stand where a Pod has them, in a mount namespace of this check alone."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode or not os.path.isdir("/var/run"):
        raise Skip("this machine gives no mount namespace (unshare), and the folder of the service account is fixed")
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "meshctl", "namespace": "bookinfo"}})
    bind(cluster, "system:serviceaccount:bookinfo:meshctl", "meshctl")
    word = cluster.kubectl("create", "token", "meshctl", "-n", "bookinfo").out
    folder = cluster.file("account/token", word).parent
    shutil.copy(cluster.state / "pki/ca.crt", folder)
    (folder / "namespace").write_text("bookinfo")
    host, port = re.search(r"https://([^:]+):(\d+)", server(cluster)).groups()
    # The folder of files is under /tmp, so that a new /run does not hide it.
    script = (
        'set -e; mount -t tmpfs none /run; mkdir -p /run/secrets/kubernetes.io/serviceaccount; '
        'cp "$1"/* /run/secrets/kubernetes.io/serviceaccount/; shift; exec "$@"'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", folder, cluster.meshctl_path, "tls-check", "-o", "json", "--strict-read"]
    env = {"KUBECONFIG": "", "HOME": "/nonexistent", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    run = cluster.run(command, env=env)
    assert run.code in (0, 1), f"exit code {run.code}: {run.err}"
    rows = run.json()["cells"]
    # Without -n the namespace is the Pod's.
    equal({cell["server"]["host"].split(".")[1] for cell in rows}, {"bookinfo"}, "namespaces of the rows")
    return f"{len(rows)} rows"


class Proxy:
    """A proxy that knows CONNECT: whatever it is asked for is the API server."""

    def __init__(self, target):
        self.target, self.asked = target, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096) or b"\r\n\r\n"
        self.asked.append(head.split(b"\r\n")[0].decode())
        upstream = socket.create_connection(self.target)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self.copy, args=(upstream, client), daemon=True).start()
        self.copy(client, upstream)

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def proxy(cluster):
    pki = cluster.state / "pki"
    user = {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}
    host, port = re.search(r"https://([^:]+):(\d+)", server(cluster)).groups()
    through = Proxy((host, int(port)))
    address, far = f"http://127.0.0.1:{through.port}", f"https://{NAME}:{port}"

    def asked():
        found, through.asked = through.asked, []
        return found

    reads(cluster, config(cluster, "proxy.json", user, **{"proxy-url": address}))
    assert asked(), "proxy-url of the kubeconfig was not used"
    plain = config(cluster, "far.json", user, server=far)
    reads(cluster, plain, env={"HTTPS_PROXY": address})
    lines = asked()
    assert lines and set(lines) == {f"CONNECT {NAME}:{port} HTTP/1.1"}, lines
    # NO_PROXY names servers, not proxies.
    reads(cluster, plain, env={"HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1,example.com"})
    assert asked(), "NO_PROXY was held against the proxy's own address"
    for exempt in (NAME, ".svc", "*"):
        run = cluster.meshctl("tls-check", "-A", "--kubeconfig", plain, env={"HTTPS_PROXY": address, "NO_PROXY": exempt})
        equal((run.code, asked()), (2, []), f"NO_PROXY={exempt}: exit code and proxied connections")
        has(run.err, "could not reach", NAME)
    # This machine is not reached through the environment's proxy.
    reads(cluster, config(cluster, "near.json", user), env={"HTTPS_PROXY": address})
    equal(asked(), [], "connections to this machine through the proxy")
    through.socket.close()
    return "proxy-url, HTTPS_PROXY, NO_PROXY"


def merged(cluster):
    """The context is in one file, its cluster and user in the other; a third is not there."""
    pki = cluster.state / "pki"
    first = {"apiVersion": "v1", "kind": "Config", "current-context": "it",
             "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u", "namespace": "bookinfo"}}]}
    second = json.loads(config(cluster, "second.json", {"client-certificate": str(pki / "admin.crt"), "client-key": str(pki / "admin.key")}).read_text())
    second["current-context"], second["contexts"] = "other", []
    files = [cluster.file("first.json", json.dumps(first)), cluster.state / "nothing", cluster.file("second.json", json.dumps(second))]
    reads(cluster, env={"KUBECONFIG": ":".join(map(str, files))})


def missing_file(cluster):
    run = cluster.meshctl("tls-check", "-A", "--kubeconfig", "/nonexistent/config")
    equal(run.code, 2, "exit code")
    has(run.err, "/nonexistent/config", "there is no such file")
    run = cluster.meshctl("tls-check", "-A", env={"KUBECONFIG": "/nonexistent/config", "HOME": "/nonexistent"})
    equal(run.code, 2, "exit code with KUBECONFIG")
    has(run.err, "no cluster to read", "--kubeconfig FILE")
    return run.err.strip()


def missing_context(cluster):
    run = cluster.meshctl("tls-check", "-A", "--context", "nowhere")
    equal(run.code, 2, "exit code")
    there = cluster.kubectl("config", "get-contexts", "-o", "name").out.split()
    has(run.err, "nowhere", there[0])
    return run.err.strip()


def closed_port(cluster):
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    run = cluster.meshctl("tls-check", "-A", "--server", f"https://127.0.0.1:{port}", "--request-timeout", "30s")
    equal(run.code, 2, "exit code")
    has(run.err, "could not reach", str(port), "--context")
    assert run.seconds < 20, f"took {run.seconds:.1f} s"
    return f"{run.err.strip()} ({run.seconds:.1f} s)"


def silent(cluster):
    with socket.create_server(("127.0.0.1", 0)) as one:
        begin = time.monotonic()
        run = cluster.meshctl("tls-check", "-A", "--server", f"https://127.0.0.1:{one.getsockname()[1]}", "--request-timeout", "2s")
    equal(run.code, 2, "exit code")
    has(run.err, "did not answer within 2s", "--request-timeout")
    assert 1.5 < time.monotonic() - begin < 15, f"took {run.seconds:.1f} s"
    return f"{run.err.strip()} ({run.seconds:.1f} s)"


def wrong_authority(cluster):
    folder = cluster.state / "files"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=other",
               "-days", "2", "-keyout", folder / "other.key", "-out", folder / "other.crt"]
    cluster.run(command, ok=True)
    run = cluster.meshctl("tls-check", "-A", "--certificate-authority", folder / "other.crt")
    equal(run.code, 2, "exit code")
    has(run.err, "cannot be trusted", "--certificate-authority")
    run = cluster.meshctl("tls-check", "-A", "--insecure-skip-tls-verify", "-o", "json")
    assert run.code in (0, 1), run.err
    return "and --insecure-skip-tls-verify reads on"
