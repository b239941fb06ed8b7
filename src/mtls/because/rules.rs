//! Which DestinationRule is chosen for a call, which it hides, and which compete with it by age.

use super::Chain;
use crate::location::Path;
use crate::model::meta::order_known;
use crate::model::{DestinationRule, Service, Version, Workload};
use crate::mtls::client::{Reach, Why};
use crate::mtls::endpoints::Endpoint;
use crate::mtls::rules::Step;
use crate::mtls::server;

/// How many hidden rules are named.
const HIDDEN: usize = 3;

/// Where a rule, or what it is made of, says what it is for.
fn host_path(rule: &DestinationRule) -> Path {
    Path::new(if rule.made_from.is_some() { "spec.targetRefs" } else { "spec.host" })
}

impl<'m> Chain<'_, 'm> {
    pub(super) fn rule(&mut self, client: &Workload) {
        let Some(service) = self.service().filter(|_| self.row.decision.reach == Reach::Known) else { return };
        let mesh = self.mesh();
        if self.row.decision.why == Why::Undecided {
            return self.competing(service);
        }
        let Some((number, step)) = self.row.decision.rule else {
            let text = format!("no DestinationRule for {} reaches namespace {}", service.host, client.meta.namespace);
            self.say("rule", text);
            return;
        };
        let Some(rule) = mesh.rules.get(number as usize) else { return };
        let hidden = self.hidden(service, client, number);
        let hides =
            if hidden.is_empty() { String::new() } else { format!("; it hides {hidden}, nothing is inherited") };
        let place = match step {
            _ if mesh.version < Version::one(1) => "the mesh: Istio 1.0 looks at all namespaces at once".to_owned(),
            Step::Client | Step::Service => format!("namespace {}", rule.meta.namespace),
            Step::Root => "the root namespace, which is searched last".to_owned(),
        };
        let text = format!("host {} is the best match in {place}{hides}", rule.host);
        self.cite("rule", rule.meta.id, host_path(rule), text);
    }

    /// The rules of which the oldest counts, where the input does not say which that is.
    fn competing(&mut self, service: &Service) {
        let mesh = self.mesh();
        let rules = self.row.rivals.iter().filter_map(|n| mesh.rules.get(*n as usize));
        let rules: Vec<&DestinationRule> = rules.collect();
        if rules.is_empty() {
            let text = format!("what is sent to {} hangs on which of several objects is older", service.host);
            return self.say("rule", text);
        }
        for rule in rules.iter().take(HIDDEN) {
            let others = rules.iter().filter(|other| other.meta.id != rule.meta.id).take(HIDDEN);
            // What is made of another object goes by that object's kind and field.
            let name = |other: &&DestinationRule| {
                let object = mesh.object_ref(other.meta.id).filter(|_| other.made_from.is_some());
                object.map_or_else(|| other.meta.slash(), |object| object.to_string())
            };
            let others: Vec<String> = others.map(name).collect();
            let text = format!(
                "host {} is the best match, and competes by age with {}: the input does not say which is older",
                rule.host,
                others.join(", ")
            );
            self.cite("rule", rule.meta.id, host_path(rule), text);
        }
    }

    /// Other rules that match the host where this client could find them, and that the chosen one hides.
    fn hidden(&self, service: &Service, client: &Workload, chosen: u32) -> String {
        let mesh = self.mesh();
        let searched = [&client.meta.namespace, &service.meta.namespace, &mesh.root];
        let rules = searched.iter().filter_map(|ns| mesh.index.rules.get(*ns)).flatten().copied();
        let matching = rules.filter(|n| {
            *n != chosen && mesh.rules.get(*n as usize).is_some_and(|rule| rule.host.matches(&service.host))
        });
        let mut numbers: Vec<u32> = matching.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let names = numbers.iter().filter_map(|n| mesh.rules.get(*n as usize)).map(|rule| rule.meta.slash());
        names.take(HIDDEN).collect::<Vec<_>>().join(", ")
    }

    /// Names the objects that compete by age.
    pub(super) fn rivals(&mut self, endpoint: Option<&Endpoint<'m>>, client: &Workload) {
        let mesh = self.mesh();
        let Some(service) = self.service() else { return };
        let several = |mut numbers: Vec<u32>| {
            numbers.sort_unstable();
            numbers.dedup();
            if numbers.len() > 1 { numbers } else { Vec::new() }
        };
        let wides = server::wide_policies(mesh, &service.meta.namespace);
        let mut policies = several(wides.iter().filter_map(|w| w.mesh).collect());
        policies.extend(several(wides.iter().filter_map(|w| w.namespace).collect()));
        policies.extend(several(endpoint.map_or(Vec::new(), |e| e.policies.iter().flatten().copied().collect())));
        for policy in policies.iter().filter_map(|n| mesh.policies.get(*n as usize)) {
            self.cite("age", policy.meta.id, Path::new("metadata.creationTimestamp"), "competes by age");
        }
        let mut namespaces = vec![&client.meta.namespace, &service.meta.namespace, &mesh.root];
        namespaces.dedup();
        for namespace in namespaces {
            let numbers = mesh.index.rules.get(namespace).into_iter().flatten();
            let rules: Vec<&DestinationRule> = numbers.filter_map(|n| mesh.rules.get(*n as usize)).collect();
            let rivals = |a: &DestinationRule, b: &DestinationRule| {
                a.host == b.host && a.meta.id != b.meta.id && !order_known(&a.meta, &b.meta)
            };
            let matching = rules.iter().filter(|rule| rule.host.matches(&service.host));
            for rule in matching.filter(|rule| rules.iter().any(|other| rivals(rule, other))) {
                self.cite("age", rule.meta.id, Path::new("metadata.creationTimestamp"), "competes by age");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Options, load_text};
    use crate::mtls::because::because;
    use crate::mtls::check::check;

    #[test]
    fn rules_of_unknown_age_are_named() {
        let rule = |name: &str, mode: &str| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\n\
                 spec: {{host: web, trafficPolicy: {{tls: {{mode: {mode}}}}}}}\n"
            )
        };
        let web = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                   spec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n---\n\
                   apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n\
                   spec: {containers: [{name: a}, {name: istio-proxy}]}\n---\n\
                   apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                   metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n";
        for (modes, want) in [
            (["SIMPLE", "DISABLE"], vec!["b: the input", "a: the input"]),
            (["DISABLE", "DISABLE"], vec!["b: the input", "a: the input"]),
        ] {
            let mesh = load_text(web.to_owned() + &rule("a", modes[0]) + &rule("b", modes[1]), Options::default());
            let matrix = check(&mesh);
            let rows = &matrix.services[0];
            let row = &rows.rows[0];
            let steps = because(&matrix, rows, row, &row.cells[0], &mesh.workloads[0]);
            let rules: Vec<&str> = steps.iter().filter(|step| step.step == "rule").map(|step| &*step.text).collect();
            assert_eq!(rules.len(), want.len(), "{rules:?}");
            for (text, word) in rules.iter().zip(want) {
                assert!(text.contains(&format!("competes by age with shop/{word}")), "{text}");
            }
            let mend = steps.iter().find(|step| step.step == "mend").unwrap();
            assert!(
                mend.text.starts_with("merge DestinationRule shop/a and DestinationRule shop/b into one"),
                "{}",
                mend.text
            );
        }
    }
}
