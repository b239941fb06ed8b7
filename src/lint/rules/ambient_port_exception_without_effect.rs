//! MC0111: port settings that ztunnel does not get as they are written (1.9, H2 to H5).
//!
//! istiod attaches one policy to a workload and converts another, by conditions that do not always agree. What comes of
//! it is asked of the engine, and compared with what the policies say to a sidecar.

use crate::lint::policies::{level_of, names, selected};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Mesh, MtlsMode, PeerAuthentication, Proxy, Workload};
use crate::mtls::ambient::Choices;
use crate::mtls::server::Level;
use crate::words::count;

/// The most workloads of one policy that are looked at.
const MANY: usize = 256;

/// What is wrong with a port: it is the policy's (0: any other), what is meant, and whether plaintext is refused.
type Wrong = (u16, MtlsMode, bool);

/// Reports each policy with ports of which one does not do what it says on a workload of the ambient mesh.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    if !mesh.ambient {
        return;
    }
    for (number, policy) in (0..).zip(&mesh.policies).filter(|(_, policy)| !policy.ports.is_empty()) {
        if let Some((wrong, on)) = first(lint, number, policy) {
            report(out, policy, wrong, &on);
        }
    }
}

/// Whether that port of a policy does not do what it says on a workload of the ambient mesh: what another rule should be
/// silent about.
pub(super) fn without_effect(lint: &Lint<'_>, number: u32, port: u16) -> bool {
    let mesh = lint.mesh;
    let Some(policy) = mesh.policies.get(number as usize).filter(|_| mesh.ambient) else { return false };
    let mut captured = selected(mesh, policy).filter(|(_, workload)| workload.proxy == Proxy::Ambient).take(MANY);
    captured.any(|(at, _)| certain(lint, number, at).is_some_and(|choices| wrong_port(mesh, choices, port).is_some()))
}

/// The first thing that is wrong with a policy's ports, and on which workloads.
fn first<'m>(lint: &Lint<'m>, number: u32, policy: &'m PeerAuthentication) -> Option<(Wrong, Vec<&'m Workload>)> {
    let mesh = lint.mesh;
    if level_of(mesh, policy) != Level::Workload {
        return None;
    }
    let captured = selected(mesh, policy).filter(|(_, workload)| workload.proxy == Proxy::Ambient).take(MANY);
    let mut found: Option<Wrong> = None;
    let mut on: Vec<&Workload> = Vec::new();
    for (at, workload) in captured {
        let Some(wrong) = wrong(lint, number, policy, at) else { continue };
        if *found.get_or_insert(wrong) == wrong {
            on.push(workload);
        }
    }
    Some((found?, on))
}

/// What counts for a workload, where that policy certainly does.
fn certain<'l>(lint: &'l Lint<'_>, number: u32, workload: u32) -> Option<&'l Choices> {
    lint.choices(workload).filter(|choices| choices.certain() == Some(number))
}

/// The first port of a policy that does not do what it says on a workload, where that policy certainly counts.
fn wrong(lint: &Lint<'_>, number: u32, policy: &PeerAuthentication, workload: u32) -> Option<Wrong> {
    let choices = certain(lint, number, workload)?;
    let set = policy.ports.iter().filter(|(_, mode)| mode.is_some()).map(|(port, _)| *port);
    set.chain([0]).find_map(|port| wrong_port(lint.mesh, choices, port))
}

fn wrong_port(mesh: &Mesh, choices: &Choices, port: u16) -> Option<Wrong> {
    let mut answers = choices.at(mesh, port).map(|levels| levels.refuses(mesh, port));
    let first = answers.next()?;
    let (meant, refused) = first;
    let sure = answers.all(|answer| answer == first);
    (sure && (meant == MtlsMode::Strict) != refused).then_some((port, meant, refused))
}

fn report(out: &mut Out<'_>, policy: &PeerAuthentication, (port, meant, refused): Wrong, on: &[&Workload]) {
    let list = names(on.iter().map(|workload| workload.meta.slash()));
    let whom = format!("{} of the ambient mesh ({list})", count(on.len(), "workload"));
    let (path, message, help) = match (port, refused) {
        (port, true) => (
            Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
            format!(
                "{} for port {port} has no effect on {whom}: below an inherited STRICT istiod looks for PERMISSIVE only, and ztunnel keeps refusing plaintext there",
                meant.word()
            ),
            "write PERMISSIVE: in the ambient mesh it means the same, and it is looked at".to_owned(),
        ),
        (0, false) => (
            Path::new("spec.portLevelMtls"),
            format!(
                "the exception opens every port of {whom}: istiod names a policy for ztunnel that it does not make, because the namespace's own policy sets no mode (or has an empty selector), and so plaintext is refused nowhere"
            ),
            "set mtls.mode STRICT in this policy, or in the namespace's policy without a selector".to_owned(),
        ),
        (port, false) => (
            Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
            format!(
                "STRICT for port {port} is not enforced on {whom}: the mesh-wide policy says STRICT too, so istiod leaves the port out of what it tells ztunnel, while this policy opens the workload"
            ),
            format!(
                "set mtls.mode STRICT here with an exception for the ports that are to be open; or give the namespace a policy with mode PERMISSIVE, below which STRICT for port {port} is enforced"
            ),
        ),
    };
    out.add(policy.meta.id, path, message, help);
}

#[cfg(test)]
mod tests {
    use crate::finding::AMBIENT_PORT_EXCEPTION_WITHOUT_EFFECT as CODE;
    use crate::lint::trial::{deployment, namespace, places, policy};

    #[test]
    fn port_settings_that_ztunnel_does_not_get() {
        let ambient = namespace("shop", "istio.io/dataplane-mode: ambient") + &deployment("web", "shop", "");
        let sidecar = namespace("shop", "istio-injection: enabled") + &deployment("web", "shop", "");
        let strict = |ns: &str| policy("default", ns, "", "{mtls: {mode: STRICT}}");
        let unset = || policy("default", "shop", "", "{mtls: {mode: UNSET}}");
        let web =
            |rest: &str| policy("web", "shop", "", &format!("{{selector: {{matchLabels: {{app: web}}}}, {rest}}}"));
        let disable = web("portLevelMtls: {8080: {mode: DISABLE}}");
        let open = web("portLevelMtls: {8080: {mode: PERMISSIVE}}");
        let closed = web("mtls: {mode: PERMISSIVE}, portLevelMtls: {9090: {mode: STRICT}}");
        let (port, all) = ("spec.portLevelMtls.8080.mode error high", "spec.portLevelMtls error high");
        for (text, want) in [
            (strict("shop") + &disable + &ambient, port),
            (strict("shop") + &open + &ambient, ""),
            (strict("shop") + &disable + &sidecar, ""),
            (strict("istio-system") + &unset() + &open + &ambient, all),
            (strict("istio-system") + &open + &ambient, ""),
            (strict("istio-system") + &closed + &ambient, "spec.portLevelMtls.9090.mode error high"),
            (closed.clone() + &ambient, ""),
            (web("mtls: {mode: STRICT}, portLevelMtls: {9090: {mode: DISABLE}}") + &ambient, ""),
        ] {
            let found = places(&text, &CODE).join("; ").replace("[\"", ".").replace("\"]", "");
            assert_eq!(found, want, "{text}");
        }
    }
}
