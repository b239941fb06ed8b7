//! Clients grouped into classes: all members of a class get the same answer for every service.

use super::client::Uncaptured;
use super::endpoints::undecided_proxy;
use super::reason::Reason;
use super::visible::sidecars_of;
use crate::model::sidecar::Outbound;
use crate::model::{Mesh, ObjectId, Proxy, Scope, Sidecar, Taint, Workload};
use foldhash::{HashMap, HashMapExt, HashSet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One class of clients.
#[derive(Clone, Debug)]
pub struct Class {
    /// Namespace; of workloads without a proxy, which are the same everywhere, that of the first member.
    pub namespace: Arc<str>,
    /// Their proxy as a client: [`Proxy::None`] also where the application's calls bypass it.
    pub proxy: Proxy,
    /// Members: numbers into [`Mesh::workloads`], ascending.
    pub members: Vec<u32>,
    /// Their proxy may send HBONE.
    pub hbone: bool,
    /// Their Sidecar, per possibility.
    pub sidecars: Vec<Option<u32>>,
    /// Why nothing is known of what they send.
    pub unknown: Option<Reason>,
    /// Why their calls bypass the proxy that they have.
    pub uncaptured: Option<Uncaptured>,
    /// Their proxies call with certificate files of their own.
    pub files: bool,
    /// Capture annotations: each call is looked at.
    pub capture: bool,
    /// No proxy, in a namespace that is not part of the mesh.
    pub outside: bool,
    /// Nothing of its own: the answer is that of any other plain class, but for rules and exports that name its
    /// namespace.
    pub plain: bool,
}

impl Class {
    /// The member that stands for all.
    #[must_use]
    pub fn sample<'m>(&self, mesh: &'m Mesh) -> Option<&'m Workload> {
        mesh.workloads.get(*self.members.first()? as usize)
    }
}

type Key = (
    Arc<str>,
    Proxy,
    bool,
    Vec<Option<u32>>,
    Vec<u32>,
    Vec<(String, String)>,
    Option<Reason>,
    bool,
    Option<Uncaptured>,
    bool,
);

/// Annotations that decide which calls are captured.
const CAPTURE: [&str; 4] = [
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeOutboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
];

/// Namespaces that are part of the mesh: labelled for it, assumed to be, or with a workload that is in it.
#[must_use]
pub fn mesh_namespaces(mesh: &Mesh) -> BTreeSet<Arc<str>> {
    let with_proxy = mesh.workloads.iter().filter(|w| matches!(w.proxy, Proxy::Sidecar | Proxy::Grpc | Proxy::Ambient));
    let with_proxy = with_proxy.map(|w| w.meta.namespace.clone());
    if let Some(members) = mesh.control.as_ref().and_then(|control| control.members.as_ref()) {
        let of_workloads = mesh.workloads.iter().map(|w| &w.meta.namespace);
        let inside = of_workloads
            .filter(|ns| members.has(ns) || **ns == members.plane || members.unclear(ns).is_some())
            .cloned();
        return inside.chain(with_proxy).collect();
    }
    let labelled = mesh.namespaces.values().filter(|ns| {
        let label = |key: &str| ns.labels.get(key);
        match label("istio-injection") {
            Some(word) => word == "enabled",
            None => label("istio.io/rev").is_some() || label("istio.io/dataplane-mode") == Some("ambient"),
        }
    });
    // A namespace that the input does not have is assumed to be labelled, also where no workload hangs on that.
    let missing = mesh.workloads.iter().map(|w| &w.meta.namespace).filter(|ns| !mesh.namespaces.contains_key(*ns));
    let assumed = missing.filter(|_| mesh.options.assume_injected).cloned();
    labelled.map(|ns| ns.meta.name.clone()).chain(with_proxy).chain(assumed).collect()
}

/// Whether any of the Sidecars that may govern a workload is such a one.
fn any(mesh: &Mesh, sidecars: &[Option<u32>], is: impl Fn(&Sidecar) -> bool) -> bool {
    sidecars.iter().flatten().filter_map(|n| mesh.sidecars.get(*n as usize)).any(is)
}

/// Groups every workload of the mesh as a client; finished pods are none.
#[must_use]
pub fn classes(mesh: &Mesh) -> Vec<Class> {
    let in_mesh = mesh_namespaces(mesh);
    let tainted: HashMap<Arc<str>, u32> = (0..)
        .zip(&mesh.taints)
        .filter_map(|(number, taint)| match &taint.scope {
            Scope::Namespace(namespace) => Some((namespace.clone(), number)),
            _ => None,
        })
        .collect();
    let client = |taint: &Taint| if let Scope::Client(workload) = taint.scope { Some(workload) } else { None };
    let broken: HashSet<ObjectId> = mesh.taints.iter().filter_map(client).collect();
    let hbone_sent = mesh.ambient && mesh.options.env.sending_hbone;
    let mut by_key: HashMap<Key, usize> = HashMap::new();
    let mut classes: Vec<Class> = Vec::new();
    // A pod that has run to its end calls nothing any more.
    for (number, workload) in (0..).zip(&mesh.workloads).filter(|(_, workload)| !workload.finished) {
        let namespace = &workload.meta.namespace;
        let no_interception = workload.intercepts_nothing();
        let uncaptured = match workload.proxy {
            Proxy::Sidecar if no_interception => Some(Uncaptured::NoInterception),
            Proxy::Sidecar if workload.user_1337 => Some(Uncaptured::User1337),
            _ => None,
        };
        let proxy = if uncaptured.is_some() { Proxy::None } else { workload.proxy };
        let mut unknown = match proxy {
            Proxy::Ambient if !mesh.ambient => Some(Reason::AmbientOff),
            Proxy::Ambient | Proxy::Waypoint | Proxy::None => None,
            _ => undecided_proxy(mesh, workload, true),
        };
        // Applications of such a pod may call the listeners that its Sidecar opens.
        let listens = || any(mesh, &sidecars_of(mesh, workload), |s| !s.egress.is_empty());
        if uncaptured == Some(Uncaptured::NoInterception) && listens() {
            unknown = Some(Reason::Interception);
        }
        if mesh.networks && proxy != Proxy::None {
            unknown = unknown.or(Some(Reason::Network));
        }
        unknown = unknown.or_else(|| tainted.get(namespace).map(|n| Reason::Taint(*n)));
        // One reason for all of them, so that a thousand such clients are one class.
        if broken.contains(&workload.meta.id) {
            unknown = unknown.or(Some(Reason::BrokenClient));
        }
        let with_proxy = matches!(proxy, Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc);
        let (mut selecting, mut sidecars, mut capture) = (Vec::new(), vec![None], Vec::new());
        if with_proxy && unknown.is_none() {
            sidecars = sidecars_of(mesh, workload);
            if any(mesh, &sidecars, |s| s.egress.iter().any(|egress| egress.bound)) {
                unknown = Some(Reason::Interception);
            }
            if sidecars.len() > 1 && any(mesh, &sidecars, |s| !s.egress.is_empty() || s.outbound.is_some()) {
                unknown = Some(Reason::ClientSidecar);
            }
            for rule in mesh.index.rules.get(namespace).into_iter().flatten() {
                let selector = mesh.rules.get(*rule as usize).and_then(|r| r.selector.as_ref());
                match selector.map(|selector| mesh.proxy_selected(selector, workload)) {
                    Some(Ok(true)) => selecting.push(*rule),
                    Some(Err(_)) => unknown = Some(Reason::ClusterLabel),
                    _ => {}
                }
            }
            if proxy == Proxy::Sidecar {
                let pairs = CAPTURE.iter().filter_map(|key| Some((*key, workload.annotations.get(key)?)));
                capture = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            }
        }
        let silent = workload.metadata.sends_no_hbone();
        let hbone = hbone_sent && with_proxy && proxy != Proxy::Grpc && !silent;
        let outside = proxy == Proxy::None && uncaptured.is_none() && !in_mesh.contains(namespace);
        let files = with_proxy && workload.metadata.has_client_files();
        let plain = proxy == Proxy::Sidecar
            && !files
            && hbone == hbone_sent
            && unknown.is_none()
            && capture.is_empty()
            && selecting.is_empty()
            && !any(mesh, &sidecars, |s| !s.egress.is_empty())
            && *namespace != mesh.root;
        // Without a proxy, a client is like any other without one.
        let place = if with_proxy && unknown.is_none() { namespace.clone() } else { "".into() };
        let has_capture = !capture.is_empty();
        let key = (place, proxy, hbone, sidecars.clone(), selecting, capture, unknown, outside, uncaptured, files);
        let at = *by_key.entry(key).or_insert_with(|| {
            classes.push(Class {
                namespace: namespace.clone(),
                proxy,
                members: Vec::new(),
                hbone,
                sidecars,
                unknown,
                uncaptured,
                files,
                capture: has_capture,
                outside,
                plain,
            });
            classes.len() - 1
        });
        if let Some(class) = classes.get_mut(at) {
            class.members.push(number);
        }
    }
    classes
}

/// The Sidecar that trims what a class knows, where that is all that sets it apart.
#[must_use]
pub fn trimming<'m>(mesh: &'m Mesh, class: &Class) -> Option<(u32, &'m Sidecar)> {
    let hbone = class.hbone == (mesh.ambient && mesh.options.env.sending_hbone);
    let usual = class.proxy == Proxy::Sidecar && class.unknown.is_none() && !class.capture && !class.files && hbone;
    match class.sidecars[..] {
        [Some(n)] if usual && class.namespace != mesh.root => {
            mesh.sidecars.get(n as usize).filter(|sidecar| !sidecar.egress.is_empty()).map(|sidecar| (n, sidecar))
        }
        _ => None,
    }
}

/// What a class does with services that its Sidecar does not import, where it has one that trims.
#[must_use]
pub fn outbound_policy(mesh: &Mesh, class: &Class) -> Outbound {
    let own = class.sidecars.first().copied().flatten().and_then(|n| mesh.sidecars.get(n as usize));
    own.and_then(|sidecar| sidecar.outbound).unwrap_or(mesh.config.outbound)
}
