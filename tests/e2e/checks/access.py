"""The documented roles suffice, nothing beyond them is asked for, and each denial is said."""

from collections import Counter

from cluster import roles, rules
from suite import Skip, equal, has
from checks.files import apply_scenario, istiod

READER = "meshctl-reader"


def run(suite, cluster):
    if not cluster.own:
        suite.check("access: roles", not_here)
        return
    suite.check("access: the ClusterRoles suffice for -A", whole_cluster, cluster)
    suite.check("access: the audit log of -A", audit, cluster)
    suite.check("access: the Role suffices for -n", one_namespace, cluster)
    suite.check("access: a kind is refused", kind_refused, cluster)
    suite.check("access: single namespaces are refused", namespaces_refused, cluster)
    suite.check("access: everything is refused", all_refused, cluster)
    suite.check("access: credentials are refused", unauthorized, cluster)


def not_here():
    raise Skip("roles are not made in a cluster that is not ours")


def bind(cluster, user, role, namespace=None, kind="ClusterRole"):
    """Gives a user a role: everywhere, or in one namespace."""
    scope = {"namespace": namespace} if namespace else {}
    cluster.apply({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": f"{user}-{role}", **scope},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}],
    })


def whole_cluster(cluster):
    apply_scenario(cluster, "bookinfo-strict-rule-disable")
    istiod(cluster)
    for role in ("meshctl", "meshctl-lint", "meshctl-authz-check"):
        cluster.apply(roles()["ClusterRole", role])
    bind(cluster, READER, "meshctl")
    bind(cluster, READER + "-lint", "meshctl")
    bind(cluster, READER + "-lint", "meshctl-lint")
    as_reader = cluster.meshctl("tls-check", "-A", "--strict-read", "--as", READER, "-o", "json")
    as_admin = cluster.meshctl("tls-check", "-A", "-o", "json")
    equal((as_reader.code, as_reader.err), (1, ""), "exit code and messages")
    equal(as_reader.out, as_admin.out, "the report")
    run = cluster.meshctl("lint", "--cluster", "-A", "--strict-read", "--as", READER + "-lint")
    assert run.code in (0, 1), run.err
    # The check can fail: without the role nothing is read.
    equal(cluster.meshctl("tls-check", "-A", "--strict-read", "--as", "nobody").code, 2, "exit code of a user without roles")


def requests(log):
    """(verb, group, resource with subresource, namespace, name, query) of each request for objects."""
    for one in log:
        at = one.get("objectRef")
        if at:
            resource = "/".join(filter(None, [at.get("resource"), at.get("subresource")]))
            query = one["requestURI"].partition("?")[2]
            yield one["verb"], at.get("apiGroup", ""), resource, at.get("namespace", ""), at.get("name", ""), query


def audit(cluster):
    seen = []
    for command, user, allowed in [
        (["tls-check", "-A"], READER, ["meshctl"]),
        (["lint", "--cluster", "-A"], READER + "-lint", ["meshctl", "meshctl-lint"]),
    ]:
        mark = cluster.audit_mark()
        run = cluster.meshctl(*command, "--as", user)
        assert run.code in (0, 1), run.err
        asked = list(requests(cluster.audit_since(mark, user)))
        assert len(asked) > 10, f"only {len(asked)} requests in the audit log"
        permitted = set().union(*(rules(role) for role in allowed))
        beyond = {one[:3] for one in asked} - {(verb, group, resource) for group, resource, verb in permitted}
        assert not beyond, f"{command}: asks for more than the role: {sorted(beyond)}"
        assert not any(resource == "secrets" for _, _, resource, *_ in asked), f"{command}: asks for Secrets"
        twice = fetched_twice(asked)
        assert not twice, f"{command}: fetched twice: {twice}"
        seen.append(f"{' '.join(command)}: {len(asked)} requests")
    return ", ".join(seen)


def fetched_twice(asked):
    """Requests whose objects another request brought too: the same, a wider list, or another selection of the same list."""
    found = [one for one, count in Counter(asked).items() if count > 1]
    lists = {}
    for verb, group, resource, namespace, _, query in asked:
        if verb == "list" and "continue=" not in query:
            lists.setdefault((group, resource), []).append((namespace, query))
    for one in asked:
        verb, group, resource, namespace, _, query = one
        others = list(lists.get((group, resource), []))
        if verb == "list":
            if "continue=" in query:
                continue
            others.remove((namespace, query))
        # A Namespace stands in its own namespace as the audit log has it. A list may leave a namespace out.
        but = f"fieldSelector=metadata.namespace%21%3D{namespace}"
        found += [one for where, how in others if where == namespace or not where and but not in how.split("&")]
    return sorted(set(found))


def one_namespace(cluster):
    user = "meshctl-bookinfo"
    for namespace in ("bookinfo", "istio-system"):
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=roles()["Role", "meshctl"])
        bind(cluster, user, "meshctl", namespace, "Role")
    mark = cluster.audit_mark()
    run = cluster.meshctl("tls-check", "-n", "bookinfo", "--strict-read", "--as", user, "-o", "json")
    equal((run.code, run.err), (1, ""), "exit code and messages")
    equal(run.out, cluster.meshctl("tls-check", "-n", "bookinfo", "-o", "json").out, "the report")
    asked = list(requests(cluster.audit_since(mark, user)))
    beyond = {one[:3] for one in asked} - {(verb, group, resource) for group, resource, verb in rules("meshctl", "Role")}
    assert not beyond, f"asks for more than the Role: {sorted(beyond)}"
    places = {one[3] for one in asked} - {"bookinfo", "istio-system"}
    assert not places, f"asks for namespaces {places}"
    twice = fetched_twice(asked)
    assert not twice, f"fetched twice: {twice}"
    return f"{len(asked)} requests"


def codes(report):
    return [finding["code"] for finding in report["findings"]]


def kind_refused(cluster):
    """Without DestinationRules no row is OK, and the message says why."""
    text = roles()["ClusterRole", "meshctl"]
    fewer = text.replace("name: meshctl\n", "name: meshctl-no-rules\n").replace("[destinationrules, ", "[")
    assert fewer.count("destinationrules") == 0, "the role still has DestinationRules"
    cluster.apply(fewer)
    bind(cluster, "meshctl-no-rules", "meshctl-no-rules")
    run = cluster.meshctl("tls-check", "-A", "--as", "meshctl-no-rules", "-o", "json")
    equal(run.code, 1, "exit code")
    report = run.json()
    assert "MC0010" in codes(report), f"findings {codes(report)}"
    has(run.out, "destinationrules", "forbidden")
    assert report["cells"], "no rows"
    green = [cell for cell in report["cells"] if cell["status"] in ("OK", "PLAINTEXT")]
    assert not green, f"judged without DestinationRules: {green[:1]}"
    table = cluster.meshctl("tls-check", "-A", "--as", "meshctl-no-rules")
    has(table.out + table.err, "UNKNOWN", "forbidden")
    strict = cluster.meshctl("tls-check", "-A", "--as", "meshctl-no-rules", "--strict-read")
    equal(strict.code, 2, "exit code with --strict-read")
    has(strict.err, "destinationrules", "forbidden")
    return f"{len(report['cells'])} rows, {report['summary']}"[:200]


def namespaces_refused(cluster):
    """Lists of the whole cluster are refused, those of some namespaces are not: what can be read is judged."""
    cluster.apply({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "list-namespaces"},
        "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "get"]}],
    })
    user = "meshctl-some"
    bind(cluster, user, "list-namespaces")
    for namespace in ("bookinfo", "istio-system"):
        bind(cluster, user, "meshctl", namespace)
    run = cluster.meshctl("tls-check", "-A", "--as", user, "-o", "json")
    equal(run.code, 1, "exit code")
    report = run.json()
    said = [finding["message"] for finding in report["findings"] if finding["code"] == "MC0010"]
    assert any("namespace default" in message for message in said), f"nothing said of namespace default: {said[:3]}"
    assert not any("namespace bookinfo" in message for message in said), said
    rows = {cell["server"]["host"].split(".")[1] for cell in report["cells"]}
    assert "bookinfo" in rows, f"rows of {rows} only"
    return f"{len(said)} findings, {len(report['cells'])} rows"


def all_refused(cluster):
    run = cluster.meshctl("tls-check", "-A", "--as", "nobody")
    assert run.code in (1, 2, 3), run.code
    has(run.out + run.err, "forbidden", "nobody")
    assert " OK " not in run.out, run.out
    return f"exit code {run.code}"


def unauthorized(cluster):
    server = cluster.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").out
    authority = cluster.state / "pki/ca.crt"
    run = cluster.meshctl(
        "tls-check", "-A", "--server", server, "--certificate-authority", authority, "--token", "wrong", env={"KUBECONFIG": "/dev/null"}
    )
    equal(run.code, 2, "exit code")
    has(run.err, "does not take the credentials", "Unauthorized")
    return run.err.strip()
