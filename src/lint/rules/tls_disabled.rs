//! MC0214: client mode DISABLE towards a server that would take mutual TLS (istio-mtls.md 2.6).

use crate::finding::Confidence;
use crate::lint::blocks::{Block, blocks, caused};
use crate::lint::{Lint, Out};
use crate::model::Host;
use crate::model::destination_rule::TlsMode;
use crate::mtls::check::Cell;

/// Reports each written DISABLE, but for those that another finding is about and those that change nothing.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| block.tls.mode == TlsMode::Disable && block.tls.mode_written) {
        let (id, path) = (block.rule.meta.id, block.mode_path());
        let other = caused(lint, id, &path) || super::rule_shadowed::competes(lint, block.from.rule);
        if other || super::subset_drops_tls::is_drop(lint, &block) {
            continue;
        }
        let Some(confidence) = confidence(lint, &block) else { continue };
        let finding = out.add(
            id,
            path,
            format!("mode DISABLE: calls to {} leave as plaintext, although the server may take mutual TLS", block.rule.host),
            "remove tls: automatic mTLS sends plaintext only where the server has no sidecar; or replace DISABLE by ISTIO_MUTUAL",
        );
        finding.confidence = confidence;
    }
}

/// How sure it is that mutual TLS is possible; `None`: it is not, so DISABLE says what would happen anyway.
fn confidence(lint: &Lint<'_>, block: &Block<'_>) -> Option<Confidence> {
    let mesh = lint.mesh;
    if block.rule.host == Host::of_service("kubernetes", "default", &mesh.options.cluster_domain) {
        return None;
    }
    let rows = lint.matrix.services.iter().flat_map(|service| &service.rows);
    let mut cells = rows
        .filter(|row| row.decision.tls.is_some_and(|(_, from)| from == block.from))
        .flat_map(|row| &row.cells)
        .filter(|cell| cell.endpoint.is_some())
        .peekable();
    if cells.peek().is_none() {
        return Some(Confidence::Low);
    }
    if cells.any(takes_mutual_tls) {
        return Some(Confidence::High);
    }
    // A rule for every host also holds for the services that the input does not have.
    (block.rule.host.as_str() == "*").then_some(Confidence::Low)
}

fn takes_mutual_tls(cell: &Cell) -> bool {
    matches!(cell.mode, Some("PERMISSIVE" | "STRICT" | "ISTIO_MUTUAL" | "MUTUAL" | "OPTIONAL_MUTUAL"))
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, codes, rule};

    #[test]
    fn disable_that_changes_what_is_sent() {
        let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                      metadata: {name: default, namespace: shop}\nspec: {mtls: {mode: MODE}}\n";
        for (mode, want) in [
            ("PERMISSIVE", "MC0214 spec.trafficPolicy.tls.mode"),
            // Calls fail: that is MC0201.
            ("STRICT", "MC0201 spec.trafficPolicy.tls.mode"),
            ("DISABLE", ""),
        ] {
            let text = rule("trafficPolicy: {tls: {mode: DISABLE}}") + WEB + &policy.replace("MODE", mode);
            assert_eq!(codes(&text, &["MC0201", "MC0214"]), want, "{mode}");
        }
        // The entry acts on nothing: MC0212 says so.
        let idle = "portLevelSettings: [{port: {number: 8080}, tls: {mode: DISABLE}}]";
        for spec in [format!("trafficPolicy: {{{idle}}}"), format!("subsets: [{{name: a, trafficPolicy: {{{idle}}}}}]")]
        {
            let all = codes(&(rule(&spec) + WEB), &["MC0205", "MC0212", "MC0214"]);
            assert!(all.starts_with("MC0212") && !all.contains("MC0214"), "{all}");
        }
        let wide = rule("trafficPolicy: {tls: {mode: DISABLE}}") + WEB + &policy.replace("MODE", "DISABLE");
        let wide = wide.replace("host: web.shop.svc.cluster.local", "host: \"*\"");
        assert_eq!(codes(&wide, &["MC0214"]), "MC0214 spec.trafficPolicy.tls.mode");
        for (port, want) in [
            (8080, "MC0212 spec.trafficPolicy.portLevelSettings[0].port.number"),
            (80, "MC0214 spec.trafficPolicy.portLevelSettings[0].tls.mode"),
        ] {
            let entry = format!("portLevelSettings: [{{port: {{number: {port}}}, tls: {{mode: DISABLE}}}}]");
            let of = |spec: &str| codes(&(rule(spec) + WEB), &["MC0212", "MC0214"]);
            assert_eq!(of(&format!("trafficPolicy: {{{entry}}}")), want, "{port}");
            let subset = format!("subsets: [{{name: a, labels: {{app: web}}, trafficPolicy: {{{entry}}}}}]");
            assert_eq!(of(&subset).contains("MC0214"), port == 80, "{port}");
        }
        let api = rule("trafficPolicy: {tls: {mode: DISABLE}}").replace("web.shop", "kubernetes.default");
        assert_eq!(codes(&api, &["MC0214"]), "");
    }
}
