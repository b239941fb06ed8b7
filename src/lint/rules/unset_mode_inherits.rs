//! MC0110: a policy without a mode: what it resolves to, and from where (A8, A9, A12).

use crate::lint::policies::{level_of, misplaced, shadowed_by};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::PeerAuthentication;
use crate::mtls::server::{Level, Winners, effective_mode, wide_policies};

/// Reports each such policy, unless all that it is there for are its ports.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for (number, policy) in (0..).zip(&mesh.policies) {
        let level = level_of(mesh, policy);
        let only_ports = !policy.ports.is_empty() && !mesh.has(policy.meta.id, &Path::new("spec.mtls"));
        let skip = policy.mode.is_some() || only_ports || policy.meta.name.is_empty();
        if skip || level == Level::Nothing || shadowed_by(mesh, number).is_some() || misplaced(lint, policy) {
            continue;
        }
        report(lint, out, number, policy, level);
    }
}

fn report(lint: &Lint<'_>, out: &mut Out<'_>, number: u32, policy: &PeerAuthentication, level: Level) {
    let mesh = lint.mesh;
    let mut resolved: Vec<(&'static str, Option<u32>)> = Vec::new();
    for wide in wide_policies(mesh, &policy.meta.namespace) {
        let winners = match level {
            Level::Workload => Winners { workload: Some(number), ..wide },
            _ => wide,
        };
        let (mode, from) = effective_mode(&mesh.policies, winners, 0);
        resolved.push((mode.word(), from.policy));
    }
    resolved.sort_unstable();
    resolved.dedup();
    let from = |policy: Option<u32>| {
        let policy = policy.and_then(|n| mesh.policies.get(n as usize));
        policy.map_or("the default, as no other policy sets a mode".to_owned(), |p| format!("from {}", p.meta.slash()))
    };
    let words: Vec<String> = resolved.iter().map(|(mode, policy)| format!("{mode} ({})", from(*policy))).collect();
    let mode = resolved.first().map_or("PERMISSIVE", |(mode, _)| mode);
    let finding = out.add(
        policy.meta.id,
        Path::new("spec.mtls"),
        format!("the policy sets no mode; it resolves to {}", words.join(" or ")),
        format!("write the mode out, spec.mtls.mode: {mode}, so that it does not change with another policy; {{}} never meant STRICT here, as it did in the Policy of old"),
    );
    for policy in resolved.iter().filter_map(|(_, policy)| mesh.policies.get((*policy)? as usize)) {
        finding.related.push(related(mesh, policy.meta.id, &Path::new("spec.mtls.mode"), "the mode is set here"));
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::UNSET_MODE_INHERITS as CODE;
    use crate::lint::trial::{deployment, findings, policy};

    #[test]
    fn an_unset_mode_resolves_to_that_of_the_next_level() {
        let strict = || policy("m", "istio-system", "", "{mtls: {mode: STRICT}}");
        let web = "{selector: {matchLabels: {app: web}}, mtls: {}}";
        let ports = "{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: STRICT}}}";
        for (text, want) in [
            (policy("a", "shop", "", "{mtls: {}}") + &strict(), "STRICT (from istio-system/m)"),
            (policy("a", "shop", "", "{mtls: {mode: UNSET}}") + &strict(), "STRICT (from istio-system/m)"),
            (policy("a", "shop", "", "{}") + &strict(), "STRICT (from istio-system/m)"),
            (policy("a", "shop", "", web) + &strict(), "STRICT (from istio-system/m)"),
            (policy("a", "shop", "", ports) + &strict(), ""),
            (policy("a", "shop", "", "{mtls: {}}"), "PERMISSIVE (the default, as no other policy sets a mode)"),
            (
                policy("a", "shop", "", web) + &policy("b", "shop", "", "{mtls: {mode: DISABLE}}") + &strict(),
                "DISABLE (from shop/b)",
            ),
            (
                policy("a", "shop", "", web) + &strict() + &policy("z", "istio-system", "", "{mtls: {mode: DISABLE}}"),
                "DISABLE (from istio-system/z) or STRICT (from istio-system/m)",
            ),
            (
                policy("m", "istio-system", "", "{mtls: {}}") + &deployment("web", "shop", ""),
                "PERMISSIVE (the default, as no other policy sets a mode)",
            ),
            (policy("a", "shop", "", "{mode: STRICT}"), ""),
            (strict(), ""),
        ] {
            let found = findings(&text, &CODE);
            let said = found.iter().filter_map(|f| f.message.strip_prefix("the policy sets no mode; it resolves to "));
            assert_eq!(said.collect::<Vec<_>>().join("; "), want, "{text}");
        }
    }
}
