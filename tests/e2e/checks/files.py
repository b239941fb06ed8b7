"""What tls-check and lint say of a cluster is what they say of `kubectl get -o yaml` of the same objects."""

import json
import os
import pathlib

from cluster import ROOT, objects_of
from report import normal, same
from suite import Skip, equal

BASE = ROOT / "testdata/mesh/bookinfo/base.yaml"
# Policies that are applied to bookinfo one after the other: folders of testdata/mesh.
SCENARIOS = [
    "bookinfo-strict",
    "bookinfo-permissive-rule-disable",
    "bookinfo-disable-rule-mutual",
    "bookinfo-strict-rule-disable",
    "subset-without-policy",
    "outside-client",
    "kubernetes-api",
]
MESHES = 20


def run(suite, cluster):
    suite.check("files: an object that differs is seen", an_object_that_differs, cluster)
    if not cluster.own:
        suite.check("files: bookinfo in a namespace of its own", foreign, cluster)
        return
    said = {}
    for name in SCENARIOS:
        suite.check(f"files: {name}", scenario, cluster, name, said)
    suite.check("files: the scenarios differ from each other", scenarios_differ, said)
    suite.check("files: the control plane's settings", settings, cluster)
    suite.check("files: lint --cluster", lint, cluster)
    suite.check("files: -n reads what it needs", one_namespace, cluster)
    suite.check("files: samples", samples, cluster)
    for folder in meshes():
        suite.check(f"files: mesh {folder.name}", mesh, cluster, folder)


def both(cluster, *arguments, namespaces=None, command="tls-check"):
    """The report from the cluster, after it was found equal to that of the same objects as files."""
    path = cluster.file("mesh.yaml", cluster.get_yaml(namespaces, ("meshctl-lint",) if command == "lint" else ()))
    if command == "lint":
        live, offline = cluster.report("lint", "--cluster", "-A"), cluster.report("lint", path)
    else:
        where = ["-A"] if namespaces is None else ["-n", namespaces[0]]
        live = cluster.report(command, *where, *arguments)
        # What istiod's environment says, files do not.
        where = ([] if namespaces is None else where) + istiod_env(cluster)
        offline = cluster.report(command, "-f", path, *where, *arguments)
        if namespaces is not None:
            # Files do not say that they are all there is of a few namespaces.
            equal(live["summary"].pop("read_namespaces"), sorted(namespaces), "summary.read_namespaces")
    same(live, offline)
    return live


def istiod_env(cluster):
    """Flags for the variables of istiod that meshctl knows."""
    path = "{range .items[0].spec.template.spec.containers[0].env[*]}{.name}={.value}{'\\n'}{end}"
    run = cluster.kubectl("get", "deployment", "-n", "istio-system", "-l", "app=istiod", "-o", f"jsonpath={path}", ok=False)
    pairs = [line for line in run.out.splitlines() if not line.endswith("=")]
    return [word for pair in pairs if known(cluster, pair) for word in ("--istiod-env", pair)]


def known(cluster, pair):
    return cluster.meshctl("tls-check", "-f", BASE, "--istiod-env", pair).code != 2


def apply_scenario(cluster, name):
    cluster.clear()
    cluster.kubectl("apply", "-f", BASE)
    folder = ROOT / "testdata/mesh" / name
    # Policies of the root namespace need it.
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}})
    for file in sorted(folder.glob("*.yaml")):
        if "kind: Service\n" in file.read_text() and "name: kubernetes" in file.read_text():
            continue  # the API server has made this Service itself
        cluster.kubectl("apply", "-f", file)


def scenario(cluster, name, said):
    apply_scenario(cluster, name)
    live = both(cluster, "--expand")
    grouped = both(cluster)
    said[name] = live
    return f"{len(live['cells'])} cells, {len(grouped['cells'])} rows, {words(live)}"


def words(report):
    """The summary in short."""
    counts = {key: value for key, value in report["summary"].items() if isinstance(value, int) and value}
    return ", ".join(f"{value} {key}" for key, value in counts.items())


def scenarios_differ(said):
    # Reports that are all equal would show nothing.
    texts = {json.dumps(normal(report)["cells"], sort_keys=True) for report in said.values()}
    assert said and len(texts) == len(said), f"{len(said)} scenarios, but {len(texts)} different reports"
    return f"{len(said)} reports"


def an_object_that_differs(cluster):
    """The comparison itself: a changed mode, a missing object and a changed reason are each a difference."""
    policy = ROOT / "testdata/mesh/bookinfo-strict/peer-authentication.yaml"
    text = BASE.read_text() + "---\n" + policy.read_text()

    def judged(name, text):
        return cluster.report("tls-check", "--expand", "-f", cluster.file(name, text))

    first = judged("first.yaml", text)
    same(first, judged("again.yaml", "# one line more\n" + text))
    without = "---\n".join(part for part in text.split("---\n") if "name: ratings-v1" not in part)
    renamed = text.replace("  name: default\n", "  name: other\n")
    changed = {"mode": text.replace("STRICT", "DISABLE"), "object": without, "reason": renamed}
    for what, other in changed.items():
        assert other != text, f"the {what} did not change"
        try:
            same(first, judged("changed.yaml", other))
        except AssertionError as error:
            assert "the reports differ" in str(error), error
        else:
            raise AssertionError(f"a changed {what} went unseen")
    return ", ".join(changed)


def lint(cluster):
    """What each rule reports, all at once: of objects with the same name the first is kept."""
    cluster.clear()
    objects, _ = objects_of(cluster, *sorted((ROOT / "testdata/lint").glob("*/bad.yaml")))
    refused = cluster.load(with_namespaces(objects))
    live = both(cluster, command="lint")
    codes = {finding["code"] for finding in live["findings"]}
    assert len(codes) >= 10, f"only {sorted(codes)}"
    return f"{len(objects) - len(refused)} objects, {len(live['findings'])} findings of {len(codes)} codes"


def settings(cluster):
    """The ConfigMap and istiod's environment count, as they do with files and flags."""
    apply_scenario(cluster, "bookinfo-strict")
    before = both(cluster, "--expand")
    istiod(cluster, mesh="enableAutoMtls: false\n", env={"CLUSTER_ID": "east", "PILOT_TRACE_SAMPLING": "1"})
    flags = istiod_env(cluster)
    equal(flags, ["--istiod-env", "CLUSTER_ID=east"], "flags for istiod's environment")
    after = both(cluster, "--expand")
    assert normal(before)["cells"] != normal(after)["cells"], "enableAutoMtls: false changes nothing"
    return words(after)


def istiod(cluster, mesh="enableAutoMtls: true\nrootNamespace: istio-system\n", env=None):
    """A control plane as Istio's charts name it, its settings, and a Secret that nobody may ask for."""
    env = [{"name": name, "value": value} for name, value in (env or {"CLUSTER_ID": "Kubernetes"}).items()]
    container = {"name": "discovery", "image": "registry.example/pilot:1.26.0", "env": env}
    labels = {"app": "istiod"}
    at = {"namespace": "istio-system"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    cluster.apply({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "labels": labels} | at,
         "spec": {"selector": {"matchLabels": labels}, "template": template}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"} | at, "data": {"mesh": mesh}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "istio-ca-secret"} | at, "stringData": {"a": "b"}},
    ]})


def one_namespace(cluster):
    apply_scenario(cluster, "outside-client")
    live = both(cluster, "--expand", namespaces=["bookinfo", "istio-system"])
    spaces = {cell["server"]["host"].split(".")[1] for cell in live["cells"]}
    assert spaces == {"bookinfo"}, f"rows of {spaces}"
    return f"{len(live['cells'])} cells"


def samples(cluster):
    folder = os.environ.get("MESHCTL_E2E_SAMPLES")
    if not folder:
        raise Skip("MESHCTL_E2E_SAMPLES names no folder of Istio's samples")
    cluster.clear()
    cluster.namespace("bookinfo", {"istio-injection": "enabled"})
    bookinfo = pathlib.Path(folder) / "bookinfo"
    for file in ("platform/kube/bookinfo.yaml", "networking/destination-rule-all-mtls.yaml"):
        cluster.kubectl("apply", "-n", "bookinfo", "-f", bookinfo / file)
    live = both(cluster, "--expand")
    return f"{len(live['cells'])} cells, {words(live)}"


def meshes():
    """Folders that each hold a mesh: those of MESHCTL_E2E_MESHES, else of the test data."""
    given = os.environ.get("MESHCTL_E2E_MESHES")
    root = pathlib.Path(given) if given else ROOT / "testdata/cases"
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and any(folder.glob("*.yaml")))
    return folders[:: max(1, len(folders) // MESHES)][:MESHES]


def with_namespaces(objects):
    """Objects, and the namespaces that they lie in: the server wants them."""
    spaces = {item["metadata"]["name"] for item in objects if item["kind"] == "Namespace"}
    needed = {item["metadata"].get("namespace") for item in objects} - spaces - {None, "default"}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(needed)] + objects


def mesh(cluster, folder):
    cluster.clear()
    objects, _ = objects_of(cluster, *sorted(folder.glob("*.yaml")))
    objects = with_namespaces(objects)
    refused = cluster.load(objects)
    assert len(refused) < len(objects), f"the server takes none of it: {refused[:3]}"
    live = both(cluster, "--expand")
    left_out = f", {len(refused)} objects refused by the server ({refused[0][:150]})" if refused else ""
    return f"{len(objects) - len(refused)} objects, {len(live['cells'])} cells, {words(live)}{left_out}"


def foreign(cluster):
    name = cluster.namespace("bookinfo", {"istio-injection": "enabled"})
    parts = [part for part in BASE.read_text().split("---\n") if "kind: Namespace" not in part]
    text = "---\n".join(parts).replace("namespace: bookinfo", f"namespace: {name}")
    # No Pods are started, which would come and go between two readings.
    cluster.apply(text.replace("spec:\n  selector:\n    matchLabels:", "spec:\n  replicas: 0\n  selector:\n    matchLabels:"))
    live = both(cluster, "--expand", namespaces=[name, "istio-system"])
    assert live["cells"], "no row"
    return f"{len(live['cells'])} cells, {words(live)}"
