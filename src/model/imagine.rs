//! What stands in for objects that the input does not have: workloads where there are only Services, services and
//! clients where there are only policies. So the plain matrix of policies and rules always has rows (output.md 2).

use super::authn_policy::{AuthnPolicy, PortSelector, Reach};
use super::service::{Origin, Port, Resolution, TargetPort};
use super::{Host, Labels, Mesh, Meta, Metadata, ObjectId, Protocol, Proxy, Service, Workload};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Mesh {
    /// The namespace of a Kubernetes host, also of a wildcard over one namespace.
    fn namespace_of(&self, host: &Host) -> Option<Arc<str>> {
        let rest = host.as_str().strip_suffix(&format!(".svc.{}", self.options.cluster_domain))?;
        let namespace = rest.rsplit('.').next().filter(|name| !name.is_empty() && !name.starts_with('*'))?;
        rest.contains('.').then(|| namespace.into())
    }

    /// The policies of the old API, where they count.
    fn old_policies(&self) -> &[AuthnPolicy] {
        if self.version.reads_legacy_policies() { &self.authn_policies } else { &[] }
    }

    /// Namespaces that policies and rules live in or speak of, but the root's.
    fn named_namespaces(&self) -> BTreeSet<Arc<str>> {
        // What an operator makes speaks of no services of its own.
        let old = self.old_policies().iter().filter(|policy| policy.reach == Reach::Namespace).map(|old| &old.meta);
        let policies = self.policies.iter().map(|policy| &policy.meta).chain(old).filter(|meta| !meta.made);
        let policies = policies.map(|meta| meta.namespace.clone());
        let written = || self.rules.iter().filter(|rule| !rule.meta.made);
        let rules = written().map(|rule| rule.meta.namespace.clone());
        let hosts = written().filter_map(|rule| self.namespace_of(&rule.host));
        let backends = self.backend_policies.iter().map(|policy| policy.meta.namespace.clone());
        let mut names: BTreeSet<_> = policies.chain(rules).chain(hosts).chain(backends).collect();
        names.remove(&self.root);
        names
    }

    /// Without any Service, the hosts that rules name become services, and so does "any service" of each namespace that
    /// a policy or a rule speaks of.
    pub(super) fn imagine_services(&mut self) {
        let old = self.old_policies().iter().map(|policy| &policy.meta);
        let policies = self.policies.iter().map(|policy| &policy.meta).chain(old);
        let silent = policies.chain(self.rules.iter().map(|rule| &rule.meta)).all(|meta| meta.made)
            && self.backend_policies.is_empty();
        if self.has_services || silent {
            return;
        }
        let domain = self.options.cluster_domain.clone();
        let mut hosts: BTreeSet<Host> =
            self.rules.iter().filter(|rule| !rule.meta.made).map(|rule| rule.host.clone()).collect();
        hosts.extend(self.backend_policies.iter().flat_map(|policy| policy.hosts(&domain)));
        let namespaces = self.named_namespaces();
        for policy in self.old_policies().iter().filter(|policy| policy.reach == Reach::Namespace) {
            let names = policy.targets.iter().filter(|target| !target.name.is_empty());
            hosts.extend(names.map(|target| Host::resolve(&target.name, &policy.meta.namespace, &domain)));
        }
        hosts.extend(namespaces.iter().map(|name| Host(format!("*.{name}.svc.{domain}").into())));
        // The mesh-wide policy speaks of services that nothing else names.
        let wide = self.policies.iter().any(|policy| policy.meta.namespace == self.root && !policy.meta.made)
            || self.old_policies().iter().any(|policy| policy.reach == Reach::Mesh && !policy.meta.made);
        if wide && !hosts.iter().any(|host| host.wildcard().is_some() && self.namespace_of(host).is_none()) {
            hosts.insert(Host(format!("*.svc.{domain}").into()));
        }
        let services: Vec<Service> = hosts.into_iter().map(|host| self.imagined_service(host)).collect();
        self.services = services;
    }

    fn imagined_service(&self, host: Host) -> Service {
        // Ports that rules for this host set apart, and all others as port 0.
        let mut numbers = BTreeSet::from([0]);
        for rule in self.rules.iter().filter(|rule| rule.host.matches(&host) || rule.host == host) {
            let policies = rule.policy.iter().chain(rule.subsets.iter().filter_map(|subset| subset.policy.as_ref()));
            numbers.extend(policies.flat_map(|policy| policy.ports.iter().filter_map(|(number, _)| *number)));
        }
        for policy in self.old_policies() {
            let own = |name: &str| Host::resolve(name, &policy.meta.namespace, &self.options.cluster_domain) == host;
            let ports = policy.targets.iter().filter(|target| own(&target.name)).flat_map(|target| &target.ports);
            numbers.extend(ports.filter_map(|port| if let PortSelector::Number(n) = port { Some(*n) } else { None }));
        }
        let port = |number| Port {
            name: "".into(),
            number,
            target: TargetPort::Number(number),
            protocol: Protocol::Auto,
            grpc: false,
        };
        let name: Arc<str> = host.as_str().split('.').next().unwrap_or("").into();
        Service {
            meta: self.nowhere(self.namespace_of(&host).unwrap_or_default(), name),
            ports: numbers.into_iter().map(port).collect(),
            selector: None,
            resolution: Resolution::ClusterIp,
            origin: Origin::Synthetic,
            export_to: Vec::new(),
            alias: None,
            addresses: Vec::new(),
            entry: None,
            host,
        }
    }

    /// The meta of something that is in no file.
    fn nowhere(&self, namespace: Arc<str>, name: Arc<str>) -> Meta {
        let (labels, annotations) = (Labels::default(), Labels::default());
        Meta { id: ObjectId(u32::MAX), namespace, name, labels, annotations, created: None, made: false }
    }

    /// Without any workload: those that the Services' selectors speak of; without real Services, one client per
    /// namespace.
    pub(super) fn imagine_workloads(&self) -> Vec<Workload> {
        if self.has_services {
            return stand_ins(&self.services).into_iter().filter_map(selected_workload).collect();
        }
        if self.services.is_empty() {
            return Vec::new();
        }
        let mut namespaces = self.named_namespaces();
        namespaces.extend(self.namespaces.keys().filter(|name| **name != self.root).cloned());
        if namespaces.is_empty() {
            namespaces.insert("default".into());
        }
        let client = |namespace| assumed(self.nowhere(namespace, "*".into()), "Namespace", Labels::default());
        namespaces.into_iter().map(client).collect()
    }
}

/// The Services that give stand-ins their names: of those with one selector in a namespace, which select the same
/// workloads, the first by name.
fn stand_ins(services: &[Service]) -> Vec<&Service> {
    let mut chosen: Vec<&Service> = Vec::new();
    let mut places: HashMap<(&Arc<str>, &Labels), usize> = HashMap::new();
    for service in services {
        let Some(selector) = &service.selector else { continue };
        let place = *places.entry((&service.meta.namespace, selector)).or_insert(chosen.len());
        match chosen.get_mut(place) {
            Some(one) if service.meta.name < one.meta.name => *one = service,
            Some(_) => {}
            None => chosen.push(service),
        }
    }
    chosen
}

/// The workload that a Service's selector speaks of.
fn selected_workload(service: &Service) -> Option<Workload> {
    let selector = service.selector.clone()?;
    let meta = Meta { labels: Labels::default(), annotations: Labels::default(), ..service.meta.clone() };
    Some(assumed(meta, "Service", selector))
}

fn assumed(meta: Meta, kind: &'static str, labels: Labels) -> Workload {
    Workload {
        kind,
        labels,
        annotations: Labels::default(),
        path: "spec.selector",
        ips: Vec::new(),
        named_ports: Vec::new(),
        metadata: Metadata::default(),
        custom_template: false,
        unfollowed: None,
        host_network: false,
        user_1337: false,
        proxy_user: 1337,
        users: super::workload::Users::default(),
        service_account: "".into(),
        node: None,
        scaled_to_zero: false,
        owner: None,
        shown: None,
        has_application: true,
        live: false,
        finished: false,
        proxy: Proxy::None,
        proxy_why: String::new(),
        proxy_label: None,
        assumed: true,
        revision: None,
        meta,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Options, load_text};

    #[test]
    fn services_with_one_selector_have_one_stand_in() {
        let service = |namespace: &str, name: &str, selector: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
                 spec: {{{selector}ports: [{{port: 80}}]}}\n---\n"
            )
        };
        let app = "selector: {app: web}, ";
        // namespace, name and selector of each Service -> the stand-ins
        type Row<'a> = (&'a [(&'a str, &'a str, &'a str)], &'a [&'a str]);
        let rows: &[Row<'_>] = &[
            (&[("a", "web", app), ("a", "api", app), ("a", "web-headless", app)], &["a/api"]),
            (&[("a", "web", app), ("b", "web", app)], &["a/web", "b/web"]),
            (&[("a", "web", app), ("a", "v1", "selector: {app: web, version: v1}, ")], &["a/v1", "a/web"]),
            (&[("a", "web", app), ("a", "by-hand", "")], &["a/web"]),
        ];
        for (services, want) in rows {
            let text: String = services.iter().map(|(ns, name, selector)| service(ns, name, selector)).collect();
            let mesh = load_text(text, Options::default());
            let names: Vec<String> = mesh.workloads.iter().map(|workload| workload.meta.slash()).collect();
            assert_eq!(names, *want, "{services:?}");
        }
    }
}
