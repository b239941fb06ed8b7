"""The cluster under test: kubectl, meshctl, and, where the suite started the servers itself, their API and audit log."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What would lead a command to another cluster, or colour its output.
FOREIGN = re.compile(r"^(KUBE|KUBECONFIG$|https?_proxy$|no_proxy$|all_proxy$|NO_COLOR$)", re.IGNORECASE)


@dataclass
class Run:
    """What a command did."""

    code: int
    out: str
    err: str
    seconds: float

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError(f"no JSON but exit code {self.code}, {self.out[:300]!r}, {self.err[:1000]!r}") from None


@dataclass
class Cluster:
    """A cluster. `own`: the suite started it, and may do with it what it likes."""

    meshctl_path: str
    kubeconfig: str
    own: bool
    state: pathlib.Path
    prefix: str = ""
    made: list = field(default_factory=list)

    def run(self, command, stdin=None, env=None, timeout=300, ok=False):
        clean = {key: value for key, value in os.environ.items() if not FOREIGN.match(key)}
        clean |= {"KUBECONFIG": self.kubeconfig} | (env or {})
        begin = time.monotonic()
        done = subprocess.run(
            [str(word) for word in command], input=stdin, capture_output=True, text=True, env=clean, timeout=timeout, check=False
        )
        run = Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)
        assert not ok or run.code == 0, f"{' '.join(map(str, command))[:300]}: exit code {run.code}: {run.err[:1500]}"
        return run

    def kubectl(self, *arguments, stdin=None, ok=True, **options):
        return self.run(["kubectl", *arguments], stdin=stdin, ok=ok, **options)

    def meshctl(self, *arguments, **options):
        return self.run([self.meshctl_path, *arguments], **options)

    def report(self, *arguments, **options):
        """A report as JSON; its exit code has to be one of a report."""
        run = self.meshctl(*arguments, "-o", "json", **options)
        assert run.code in (0, 1), f"meshctl {' '.join(map(str, arguments))}: exit code {run.code}: {run.err[:1500]}"
        return run.json()

    def has_command(self, name):
        return self.meshctl(name, "--help").code == 0

    def apply(self, text):
        return self.kubectl("apply", "-f", "-", stdin=text if isinstance(text, str) else json.dumps(text))

    def namespace(self, name, labels=None):
        """Makes a namespace, which is removed at the end. In a foreign cluster its name has a prefix."""
        name = self.prefix + name
        labels = {"app.kubernetes.io/managed-by": "meshctl-e2e"} | (labels or {})
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self.made.append(name)
        return name

    # What the cluster has, as files.

    def served(self, *extra):
        """Of the kinds of the documented ClusterRoles those that the cluster serves, as kubectl names them."""
        names = set(self.kubectl("api-resources", "--verbs=list", "-o", "name").out.split())
        wanted = set().union(*(listed(role) for role in ("meshctl", *extra)))
        found = names & {f"{name}.{group}" if group else name for group, name in wanted}
        # meshctl lists Endpoints only where there are no EndpointSlices.
        return sorted(found - ({"endpoints"} if "endpointslices.discovery.k8s.io" in found else set()))

    def get_yaml(self, namespaces=None, roles=()):
        """`kubectl get -o yaml` of what meshctl reads; `namespaces`: `None` for all."""
        kinds = self.served(*roles)
        texts = [self.kubectl("get", "configmap", "istio", "-n", "istio-system", "--ignore-not-found", "-o", "yaml").out]
        if namespaces is None:
            texts.append(self.kubectl("get", ",".join(kinds), "-A", "-o", "yaml").out)
        else:
            wide = set(self.kubectl("api-resources", "--namespaced=false", "-o", "name").out.split())
            kinds = ",".join(kind for kind in kinds if kind not in wide)
            texts.append(self.kubectl("get", "namespaces", *namespaces, "--ignore-not-found", "-o", "yaml").out)
            texts += [self.kubectl("get", kinds, "-n", namespace, "-o", "yaml").out for namespace in namespaces]
        return "---\n".join(text for text in texts if text)

    def file(self, name, text):
        """A file of the state's folder."""
        path = self.state / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    # The rest needs servers of our own.

    def connection(self):
        """A connection to the API server as its administrator."""
        server = re.search(r"server: https://([^:\s]+):(\d+)", pathlib.Path(self.kubeconfig).read_text())
        pki = self.state / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return http.client.HTTPSConnection(server[1], int(server[2]), context=context, timeout=60)

    def load(self, objects):
        """Creates objects with their status, quickly. Gives those that the server refuses, with its reason."""
        local = threading.local()

        def call(method, path, body):
            if not hasattr(local, "connection"):
                local.connection = self.connection()
            local.connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = local.connection.getresponse()
            text = answer.read()
            return answer.status, text

        def one(wanted):
            status, text = call("POST", path_of(wanted), wanted)
            if status == 409 and wanted["kind"] == "Namespace":
                status, text = call("PUT", f"{path_of(wanted)}/{wanted['metadata']['name']}", wanted)
            if status < 300 and wanted.get("status") and wanted["kind"] in ("Pod", "Service", "Deployment"):
                status, text = call("PUT", f"{path_of(wanted)}/{wanted['metadata']['name']}/status", wanted)
            if status >= 300:
                return f"{wanted['kind']} {wanted['metadata'].get('name')}: {json.loads(text).get('message', '')}"
            return None

        spaces = [one(item) for item in objects if item["kind"] == "Namespace"]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            rest = list(pool.map(one, [item for item in objects if item["kind"] != "Namespace"]))
        return [why for why in spaces + rest if why]

    def clear(self, keep=()):
        """Removes every object that meshctl reads, and the namespaces that the server does not make itself."""
        always = {"default", "kube-system", "kube-public", "kube-node-lease", *keep}
        names = self.kubectl("get", "ns", "-o", "name").out.split()
        names = [name.removeprefix("namespace/") for name in names]
        connection = self.connection()

        def call(method, path, body=None):
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

        discovery = self.kubectl("api-resources", "--namespaced", "--verbs=deletecollection", "--no-headers").out
        rows = [line.split() for line in discovery.splitlines()]
        resources = [(row[-3], row[0]) for row in rows]
        wanted = {name for _, name in listed("meshctl") | listed("meshctl-lint")} | {"configmaps", "services"}
        for name in set(names) - set(keep):
            for version, resource in resources:
                if resource in wanted:
                    root = "api" if "/" not in version else "apis"
                    query = "gracePeriodSeconds=0" + ("&fieldSelector=metadata.name!=kubernetes" if name == "default" else "")
                    call("DELETE", f"/{root}/{version}/namespaces/{name}/{resource}?{query}")
        for name in set(names) - always:
            # No controller empties namespaces here: they are, and may go.
            call("DELETE", f"/api/v1/namespaces/{name}")
            call("PUT", f"/api/v1/namespaces/{name}/finalize", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def audit_mark(self):
        return (self.state / "log/audit.jsonl").stat().st_size

    def audit_since(self, mark, user=None):
        """Requests of the audit log, of one impersonated user where it is said."""
        with open(self.state / "log/audit.jsonl", encoding="utf-8") as file:
            file.seek(mark)
            requests = [json.loads(line) for line in file if line.endswith("\n")]
        return [one for one in requests if not user or one.get("impersonatedUser", {}).get("username") == user]

    def remove_namespaces(self):
        """Of a foreign cluster: what was made in it goes."""
        for name in reversed(self.made):
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", ok=False)


def path_of(item):
    version, namespace = item["apiVersion"], item["metadata"].get("namespace")
    kind = item["kind"].lower()
    plural = kind if kind.endswith("s") else kind[:-1] + "ies" if kind.endswith("y") and kind[-2] not in "aeiou" else kind + "s"
    root = "/apis" if "/" in version else "/api"
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}/{version}{within}/{plural}"


def objects_of(cluster, *files):
    """The objects of manifests, by kubectl: this machine's Python reads no YAML."""
    arguments = [word for file in files for word in ("-f", str(file))]
    run = cluster.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", *arguments, ok=False)
    decoder, objects, at = json.JSONDecoder(), [], 0
    text = run.out.strip()
    while at < len(text):
        item, at = decoder.raw_decode(text, at)
        objects += item["items"] if item["kind"] == "List" else [item]
        while at < len(text) and text[at].isspace():
            at += 1
    return objects, run.err.strip()


def roles():
    """The roles of docs/cluster.md, as text, by (kind, name)."""
    page = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")
    found = {}
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        for text in block.split("---\n"):
            kind, name = re.search(r"^kind: (\w+)", text, re.M), re.search(r"^  name: ([\w-]+)", text, re.M)
            if kind and name:
                found[kind[1], name[1]] = text
    assert found, "docs/cluster.md has no roles"
    return found


def rules(name, kind="ClusterRole"):
    """The rules of a documented role as a set of (group, resource, verb)."""
    text = roles()[kind, name]
    found = set()
    for group, names, _, verbs in re.findall(
        r'- apiGroups: \["?([^"\]]*)"?\]\n    resources: \[([^\]]*)\][^\n]*\n(    resourceNames: [^\n]*\n)?    verbs: \[([^\]]*)\]', text
    ):
        found |= {(group, one.strip(), verb.strip()) for one in names.split(",") for verb in verbs.split(",")}
    assert found, f"{kind} {name} of docs/cluster.md has no rules"
    return found


def listed(name):
    return {(group, resource) for group, resource, verb in rules(name) if verb == "list"}
