"""snapshot, doctor and the completion of names."""

import os
import pty
import select
import shutil
import signal
import time

from cluster import roles
from report import same
from suite import Skip, equal, has
from checks.access import bind
from checks.files import apply_scenario, istiod


def run(suite, cluster):
    suite.check("offline: snapshot, then the same reports", snapshot, cluster)
    suite.check("offline: doctor", doctor, cluster)
    suite.check("offline: doctor's roles mend what it says", doctor_s_roles, cluster)
    suite.check("offline: doctor and the documented Role", doctor_and_documented_roles, cluster)
    for shell in ("bash", "zsh"):
        suite.check(f"offline: completion in {shell}", completion, cluster, shell)


def needs(cluster, command):
    if not cluster.has_command(command):
        raise Skip(f"this meshctl has no {command}")


def snapshot(cluster):
    needs(cluster, "snapshot")
    if not cluster.own:
        raise Skip("a cluster that is not ours may change between two readings")
    apply_scenario(cluster, "bookinfo-strict-rule-disable")
    istiod(cluster)
    file = cluster.state / "files/snapshot.yaml"
    run = cluster.meshctl("snapshot", "-A", "-o", file)
    equal(run.code, 0, f"exit code ({run.err.strip()[:500]})")
    text = file.read_text()
    has(text, "creationTimestamp", "kind: PeerAuthentication")
    for word in ("managedFields", "kind: Secret", "last-applied-configuration"):
        assert word not in text, f"{word} is in the snapshot"
    for arguments in (["--expand"], [], ["--from", "ratings-v1.bookinfo"]):
        same(cluster.report("tls-check", "-A", *arguments), cluster.report("tls-check", "-f", file, *arguments))
    same(cluster.report("lint", "--cluster", "-A"), cluster.report("lint", file))
    return f"{len(text) // 1024} KB"


def doctor(cluster):
    needs(cluster, "doctor")
    run = cluster.meshctl("doctor")
    assert run.code in (0, 1), f"exit code {run.code}: {run.err}"
    has(run.out, "istio-system")
    if cluster.own:
        run = cluster.meshctl("doctor", "--as", "nobody")
        equal(run.code, 1, f"exit code of a user without roles ({run.err.strip()[:300]})")
    return f"{len(run.out.splitlines())} lines"


def doctor_s_roles(cluster):
    """What doctor prints as missing is what is missing: once it is applied, nothing is."""
    needs(cluster, "doctor")
    if not cluster.own:
        raise Skip("roles are not made in a cluster that is not ours")
    user, flags = "meshctl-patient", ["-n", "bookinfo", "--as", "meshctl-patient"]
    run = cluster.meshctl("doctor", *flags)
    equal(run.code, 1, "exit code")
    has(run.out, "\napiVersion: rbac.authorization.k8s.io/v1")
    cluster.apply(run.out[run.out.index("\napiVersion: rbac"):run.out.rindex("\n\n")])
    run = cluster.meshctl("doctor", *flags)
    equal(run.code, 0, f"exit code afterwards: {[line for line in run.out.splitlines() if 'denied' in line][:4]}")
    run = cluster.meshctl("tls-check", "--strict-read", *flags)
    assert run.code in (0, 1), f"{user}: {run.err}"


def doctor_and_documented_roles(cluster):
    """With the Role of docs/cluster.md, and the rules for authz-check and lint, doctor has nothing to say of kinds in namespaces."""
    needs(cluster, "doctor")
    if not cluster.own:
        raise Skip("roles are not made in a cluster that is not ours")
    user = "meshctl-healthy"
    for namespace in ("bookinfo", "istio-system"):
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=roles()["Role", "meshctl"])
        bind(cluster, user, "meshctl", namespace, "Role")
        for name in ("meshctl-lint", "meshctl-authz-check"):
            cluster.apply(roles()["ClusterRole", name])
            bind(cluster, user, name, namespace)
    bind(cluster, user, "meshctl-lint")
    run = cluster.meshctl("doctor", "-n", "bookinfo", "--as", user)
    denied = [line for line in run.out.splitlines() if "denied" in line]
    equal((run.code, denied), (0, []), "exit code and denials")


def completion(cluster, shell):
    """What the shell offers behind -n and behind --context."""
    if not shutil.which(shell):
        raise Skip(f"{shell} is not installed")
    script = cluster.file("completion", cluster.meshctl("completion", shell, ok=True).out)
    contexts = cluster.kubectl("config", "get-contexts", "-o", "name").out.split()
    offers = {"bash": bash_offers, "zsh": zsh_offers}[shell]
    has(offers(cluster, script, "-n", ["default", "kube-system"]), "default", "kube-system")
    has(offers(cluster, script, "--context", contexts), *contexts)
    return f"{len(contexts)} contexts"


def search_path(cluster):
    """Where the scripts find the program under test by its name, whatever its file is called."""
    folder = cluster.state / "bin"
    folder.mkdir(exist_ok=True)
    link = folder / "meshctl"
    link.unlink(missing_ok=True)
    link.symlink_to(cluster.meshctl_path)
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"


def bash_offers(cluster, script, flag, _):
    line = f"meshctl tls-check {flag} "
    code = (
        'source "$1"; COMP_WORDS=(meshctl tls-check "$2" ""); COMP_CWORD=3; COMP_LINE="$3"; COMP_POINT=${#COMP_LINE}; '
        'f=$(complete -p meshctl | sed "s/.*-F \\([^ ]*\\).*/\\1/"); "$f" meshctl "" "$2"; printf "%s\n" "${COMPREPLY[@]}"'
    )
    return cluster.run(["bash", "-c", code, "bash", script, flag, line], env={"PATH": search_path(cluster)}).out


def zsh_offers(cluster, script, flag, wanted, limit=30):
    """zsh completes at a terminal only. It is given until it has listed what is wanted."""
    process, terminal = pty.fork()
    if process == 0:
        env = {"PATH": search_path(cluster), "TERM": "dumb", "HOME": str(script.parent), "KUBECONFIG": cluster.kubeconfig}
        os.execvpe("zsh", ["zsh", "-f", "-i"], env)
    end = time.monotonic() + limit

    def read_until(words):
        said = b""
        while not all(word.encode() in said for word in words) and time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 65536)
        return said.decode(errors="replace")

    try:
        # The word is cut in two, for the terminal repeats what is typed.
        os.write(terminal, f"PS1=; autoload -Uz compinit; compinit -D -u; source '{script}'; print REA''DY\n".encode())
        has(read_until(["READY"]), "READY")
        os.write(terminal, f"meshctl tls-check {flag} \t".encode())
        return read_until(wanted)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
