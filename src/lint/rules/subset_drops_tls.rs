//! MC0205: a subset that changes the `tls` of its rule; without automatic mTLS, a rule without `tls` that hides a wider
//! one (istio-mtls.md 2.6, 2.7).

use crate::finding::SUBSET_DROPS_TLS;
use crate::lint::blocks::{Block, blocks};
use crate::lint::cause::drops;
use crate::lint::{Lint, Out, related};
use crate::location::Path;

/// Reports each subset that says another mode, and each rule that leaves its clients without TLS.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| is_drop(lint, block)) {
        let Some(rule_tls) = block.rule.policy.as_ref().and_then(|policy| policy.top.tls.as_ref()) else { continue };
        let subset = block.from.subset.and_then(|at| block.rule.subsets.get(at as usize)).map_or("", |s| &*s.name);
        let (above, own) = (rule_tls.mode.word(), block.tls.mode.word());
        let finding = out.add(
            block.rule.meta.id,
            block.mode_path(),
            format!("subset {subset} sends {own} where the rule says {above}"),
            format!("remove tls from the subset, or replace mode {own} by {above}: calls that a route sends to the subset get the subset's mode"),
        );
        let path = Path::new("spec.trafficPolicy.tls");
        finding.related.push(related(lint.mesh, block.rule.meta.id, &path, format!("{above} for the whole host")));
    }
    without_automatic_mtls(lint, out);
}

/// A subset's block with another mode than the rule's, that no other code reports.
pub(super) fn is_drop(lint: &Lint<'_>, block: &Block<'_>) -> bool {
    block.from.subset.is_some() && block.tls.mode_written && !block.credential_ignored() && drops(lint.mesh, block.from)
}

/// Without automatic mTLS a rule without `tls` means plaintext, and it replaces every wider rule whole: reported where
/// calls fail because of it.
fn without_automatic_mtls(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&SUBSET_DROPS_TLS).filter(|cause| cause.path.as_str() == "spec") {
        let rules = &lint.mesh.rules;
        let Some(rule) = rules.iter().find(|rule| rule.meta.id == cause.object) else { continue };
        let finding = out.add(
            cause.object,
            cause.path.clone(),
            "the rule sets no tls, and automatic mTLS is off: it replaces wider rules with nothing, its clients send plaintext",
            "add trafficPolicy.tls with mode ISTIO_MUTUAL to the rule, or replace enableAutoMtls: false by true in the mesh's configuration",
        );
        let wider = rules.iter().find(|other| {
            let tls = other.policy.as_ref().and_then(|policy| policy.top.tls.as_ref());
            other.meta.id != rule.meta.id
                && other.host.wildcard().is_some()
                && other.host.matches(&rule.host)
                && tls.is_some()
        });
        if let Some(wider) = wider {
            let path = Path::new("spec.trafficPolicy.tls");
            finding.related.push(related(lint.mesh, wider.meta.id, &path, "this wider rule is not inherited"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, codes, found, rule};
    use crate::lint::pods::tests::STRICT;

    #[test]
    fn an_error_where_calls_fail() {
        let drop = "subsets: [{name: a, labels: {app: web}, trafficPolicy: {tls: {mode: DISABLE}}}]";
        let drop = format!("trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL}}}}, {drop}");
        let route = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, namespace: shop}\n\
                     spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: a}}]}]}\n";
        let off = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                   data: {mesh: 'enableAutoMtls: false'}\n";
        let policy = STRICT.split_once("---\n").unwrap().1;
        for (spec, more, want) in [
            (&*drop, format!("{policy}{route}"), "error true"),
            // Nothing is sent to the subset.
            (&*drop, policy.to_owned(), "warning false"),
            (&*drop, route.to_owned(), "warning false"),
            ("trafficPolicy: {connectionPool: {}}", format!("{policy}{off}"), "error true"),
        ] {
            let all = found(&(rule(spec) + WEB + &more));
            let all: Vec<_> = all.iter().filter(|f| f.code.code == "MC0205").collect();
            let said = |f: &crate::finding::Finding| {
                f.message.contains("calls of shop/web to ") && f.message.ends_with("fail (F2)")
            };
            let got: Vec<String> = all.iter().map(|f| format!("{} {}", f.severity, said(f))).collect();
            assert_eq!(got, [want], "{all:?}");
        }
    }

    #[test]
    fn subsets_that_change_the_mode() {
        for (own, subset, want) in [
            ("ISTIO_MUTUAL", "tls: {mode: DISABLE}", "MC0205 spec.subsets[0].trafficPolicy.tls.mode"),
            ("ISTIO_MUTUAL", "tls: {mode: SIMPLE}", "MC0205 spec.subsets[0].trafficPolicy.tls.mode"),
            ("ISTIO_MUTUAL", "tls: {mode: ISTIO_MUTUAL}", ""),
            ("ISTIO_MUTUAL", "tls: {}", ""),
            ("ISTIO_MUTUAL", "connectionPool: {}", ""),
            // The subset tightens what the rule leaves open.
            ("DISABLE", "tls: {mode: ISTIO_MUTUAL}", ""),
            (
                "ISTIO_MUTUAL",
                "portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]",
                "MC0205 spec.subsets[0].trafficPolicy.portLevelSettings[0].tls.mode",
            ),
        ] {
            let spec =
                format!("trafficPolicy: {{tls: {{mode: {own}}}}}, subsets: [{{name: a, trafficPolicy: {{{subset}}}}}]");
            assert_eq!(codes(&rule(&spec), &["MC0205"]), want, "{spec}");
        }
    }
}
