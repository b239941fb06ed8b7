//! OpenShift Service Mesh: the control plane's own object, which says what otherwise only the cluster knows
//! (istio-mtls.md 8).
//!
//! 1.x and 2.x (Maistra) have ServiceMeshControlPlane, 3.x has Sail's Istio. Nothing of this was run against a real
//! operator, only read in its code: what rests on it has confidence medium at most.

mod control_plane;
mod created;
mod inject;
mod members;
mod sail;
mod settings;

pub(super) use control_plane::read as read_control_plane;
pub use created::Made;
pub(super) use inject::maistra as predict_maistra;
pub use members::Members;
pub(super) use members::{Member, Roll, read_member, read_roll};
pub use sail::Revisions;
pub(super) use sail::{Tag, read_plane as read_sail, read_tag};

use super::mesh_config::IstiodEnv;
use super::mesh_config::{MeshConfig, NamespaceSelector};
use super::{Labels, Meta, Namespace, ObjectId, Options, Version};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A release of OpenShift Service Mesh 1.x or 2.x: its major and minor number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// `2` of 2.4.
    pub major: u8,
    /// `4` of 2.4.
    pub minor: u8,
}

impl Release {
    /// `MAJOR.MINOR`.
    #[must_use]
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }

    /// It has the change of Istio 1.19 to filter `istio.alpn`.
    #[must_use]
    pub fn leaves_foreign_alpn(self) -> bool {
        self >= Self::new(2, 3)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Releases and the Istio that each is made from (`fork-X:Makefile.core.mk`, `VERSION`).
const RELEASES: [(Release, Version); 9] = [
    (Release::new(1, 0), Version::one(1)),
    (Release::new(1, 1), Version::one(4)),
    (Release::new(2, 0), Version::one(6)),
    (Release::new(2, 1), Version::one(9)),
    (Release::new(2, 2), Version::one(12)),
    (Release::new(2, 3), Version::one(14)),
    (Release::new(2, 4), Version::one(16)),
    (Release::new(2, 5), Version::one(18)),
    (NEWEST, Version::one(20)),
];

/// The newest release of 2.x.
const NEWEST: Release = Release::new(2, 6);

/// Which product a control plane is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// OpenShift Service Mesh 1.x or 2.x.
    Maistra(Release),
    /// Sail, which is OpenShift Service Mesh 3.x.
    Sail,
}

/// What the injector does with pods that neither ask for a proxy nor refuse one, and how its webhook is set up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injector {
    /// `autoInject`: such a pod is injected.
    pub automatic: bool,
    /// `neverInjectSelector`: pods that are not.
    pub never: Vec<NamespaceSelector>,
    /// `alwaysInjectSelector`: pods that are.
    pub always: Vec<NamespaceSelector>,
    /// `sidecarInjectorWebhook.objectSelector.enabled`: the webhook itself asks for the pod's label.
    pub object_selector: bool,
    /// `sidecarInjectorWebhook.enableNamespacesByDefault`.
    pub every_namespace: bool,
    /// Probes of the kubelet are pointed at the agent.
    pub rewrites_probes: bool,
    /// A setting that changes what is injected, and is not followed: its path.
    pub unfollowed: Option<String>,
}

impl Injector {
    /// The injector's answer for a pod that does not say (`inject.go : injectRequired`): never, then always, then the
    /// policy.
    #[must_use]
    pub fn unasked(&self, labels: &Labels) -> (bool, &'static str) {
        let any = |list: &[NamespaceSelector]| list.iter().any(|selector| selector.matches(labels));
        if any(&self.never) {
            (false, "neverInjectSelector selects the pod")
        } else if any(&self.always) {
            (true, "alwaysInjectSelector selects the pod")
        } else if self.automatic {
            (true, "the control plane injects pods that do not refuse (autoInject)")
        } else {
            (false, "the pod does not ask for a proxy, and the control plane injects only pods that do")
        }
    }
}

/// A control plane as its object describes it.
#[derive(Clone, Debug)]
pub struct Plane {
    /// The object.
    pub meta: Meta,
    /// The product.
    pub product: Product,
    /// Namespace of the control plane.
    pub namespace: Arc<str>,
    /// Its revision.
    pub revision: Box<str>,
    /// The Istio version that the object implies; `None`: the newest.
    pub version: Option<Version>,
    /// Where the version stands, or would.
    pub version_path: &'static str,
    /// Mesh configuration.
    pub config: MeshConfig,
    /// Where automatic mTLS is set, or would be.
    pub auto_path: String,
    /// Root namespace.
    pub root: Arc<str>,
    /// istiod's environment.
    pub env: Vec<(Box<str>, Box<str>)>,
    /// Domain of Kubernetes services, where it is written.
    pub domain: Option<Box<str>>,
    /// The injector.
    pub injector: Injector,
    /// What every sidecar captures, as the annotations that say the same of one pod.
    pub capture: Vec<(&'static str, Box<str>)>,
    /// Why less is certain than usual, in words.
    pub doubts: Vec<String>,
    /// What only 1.x and 2.x have.
    pub maistra: Option<Maistra>,
}

impl Plane {
    /// What of istiod's environment counts here, the last value of each variable.
    fn counted(&self) -> BTreeMap<&str, &str> {
        let known = |name: &str, value: &str| IstiodEnv::default().set(&format!("{name}={value}")).is_ok();
        self.env.iter().filter(|(name, value)| known(name, value)).map(|(name, value)| (&**name, &**value)).collect()
    }

    /// Whether two objects can speak of one control plane: a version that one of them leaves out is that of the other.
    fn agrees(&self, other: &Self) -> bool {
        let versions = self.version.zip(other.version);
        versions.is_none_or(|(a, b)| a == b)
            && (&self.namespace, &self.root, &self.domain) == (&other.namespace, &other.root, &other.domain)
            && (&self.config, &self.injector, &self.capture) == (&other.config, &other.injector, &other.capture)
            && self.counted() == other.counted()
    }

    /// Why another object cannot stand beside this one.
    fn clash(&self, other: &Self) -> Option<String> {
        match (self.product, other.product) {
            _ if self.meta.id == other.meta.id => None,
            (Product::Maistra(_), Product::Maistra(_)) if self.namespace == other.namespace => Some(format!(
                "ServiceMeshControlPlanes {} and {} are in one namespace, where the operator takes only one",
                self.meta.slash(),
                other.meta.slash()
            )),
            (Product::Sail, Product::Sail) if self.revision == other.revision && !self.agrees(other) => Some(format!(
                "Istio {} and the object of revision {} say different things of one control plane",
                self.meta.name, other.revision
            )),
            _ => None,
        }
    }
}

/// Settings of 1.x and 2.x.
#[derive(Clone, Debug)]
pub struct Maistra {
    /// `security.dataPlane.mtls`: the operator makes a STRICT policy and rules.
    pub mtls: bool,
    /// Where it stands, or would.
    pub mtls_path: String,
    /// The control plane sees all namespaces.
    pub cluster_wide: bool,
    /// Ports whose protocol no name tells are TCP to the proxies: nothing is sniffed.
    pub names_only: bool,
    /// The operator writes NetworkPolicies into every member.
    pub network_policies: bool,
    /// `addons.grafana`, or where that is written in 1.x: it is enabled; the path.
    pub grafana: Option<String>,
    /// Jaeger is enabled; the path.
    pub jaeger: Option<String>,
}

/// The control plane whose mesh is judged, and who belongs to it.
#[derive(Debug)]
pub struct Control {
    /// The control plane's object; `None`: the input has only its members.
    pub plane: Option<Plane>,
    /// The product.
    pub product: Product,
    /// Members, with 1.x and 2.x.
    pub members: Option<Members>,
    /// Revisions and tags, with Sail.
    pub revisions: Option<Revisions>,
    /// What is assumed, each said once.
    pub notes: Vec<String>,
    /// The input holds control planes of both products, which inject by different rules.
    pub mixed: bool,
    /// Other control planes of the input, whose meshes are not judged: the object, and its namespace.
    pub others: Vec<(Meta, Arc<str>)>,
    /// Control planes of the input that cannot both be what the judged one is: the object, and why.
    pub clashes: Vec<(ObjectId, String)>,
}

impl Control {
    /// The best confidence that a row can have: 0 low, 1 medium.
    #[must_use]
    pub fn ceiling(&self) -> u8 {
        u8::from(self.notes.is_empty())
    }

    /// The release, with 1.x and 2.x.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        if let Product::Maistra(release) = self.product { Some(release) } else { None }
    }

    /// Whether istiod sees a namespace, where the member roll decides that.
    #[must_use]
    pub fn sees(&self, namespace: &str) -> Option<bool> {
        let wide = self.plane.as_ref().and_then(|plane| plane.maistra.as_ref()).is_some_and(|own| own.cluster_wide);
        let members = self.members.as_ref().filter(|_| !wide)?;
        Some(members.has(namespace) || *members.plane == *namespace)
    }

    /// The product in words: `OpenShift Service Mesh 2.4`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.product {
            Product::Maistra(release) => format!("OpenShift Service Mesh {release}"),
            Product::Sail => "Sail".to_owned(),
        }
    }

    /// What the operator says with raw values: probes are rewritten.
    #[must_use]
    pub fn rewrites_probes(&self) -> Option<bool> {
        self.plane.as_ref().map(|plane| plane.injector.rewrites_probes)
    }
}

/// What the input says of control planes and members, while it is read.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub planes: Vec<&'a Plane>,
    pub rolls: Vec<&'a Roll>,
    pub members: Vec<&'a Member>,
    pub tags: Vec<&'a Tag>,
    pub namespaces: Vec<&'a Namespace>,
}

impl<'a> Found<'a> {
    /// The control plane that is judged: of the root namespace that the user names, else the one that injects by
    /// default, else the first of the input.
    pub fn plane(&self, options: &Options) -> Option<&'a Plane> {
        let named = |plane: &&&Plane| {
            let root = options.root_namespace.as_deref();
            root == Some(&*plane.namespace) || root == Some(&*plane.root)
        };
        let by_default = || sail::default_plane(&self.planes, &self.tags);
        self.planes.iter().find(named).copied().or_else(by_default).or_else(|| self.planes.first().copied())
    }

    /// The mesh that is judged; `None`: the input speaks of no such product.
    pub fn control(&self, options: &Options) -> Option<Control> {
        let plane = self.plane(options);
        let labelled = |ns: &Namespace| ns.meta.labels.get(members::LABEL).is_some();
        let maistra =
            !self.rolls.is_empty() || !self.members.is_empty() || self.namespaces.iter().any(|ns| labelled(ns));
        let product = match plane {
            Some(plane) => plane.product,
            None if maistra => Product::Maistra(options.version.map_or(NEWEST, release_of)),
            None => return None,
        };
        let mut notes: Vec<String> = plane.map(|plane| plane.doubts.clone()).unwrap_or_default();
        let others = self.planes.iter().filter(|other| {
            // An Istio and the IstioRevision that its operator made of it are one control plane.
            plane.is_some_and(|plane| {
                plane.meta.id != other.meta.id && (plane.product != Product::Sail || plane.revision != other.revision)
            })
        });
        let others: Vec<_> = others.map(|other| (other.meta.clone(), other.namespace.clone())).collect();
        let clash = |other: &&Plane| Some((other.meta.id, plane?.clash(other)?));
        let clashes = self.planes.iter().filter_map(clash).collect();
        let (mut members, mut revisions) = (None, None);
        match product {
            Product::Maistra(release) => {
                if plane.is_none() {
                    notes.push(format!(
                        "the input holds no ServiceMeshControlPlane: taken as OpenShift Service Mesh {release} with its defaults"
                    ));
                }
                let found = Members::new(self, plane, release, options);
                if found.assumed {
                    notes.push(format!(
                        "no ServiceMeshMemberRoll or ServiceMeshMember in the input: every namespace is assumed {} a member of the mesh",
                        if options.assume_injected { "to be" } else { "not to be" }
                    ));
                }
                members = Some(found);
            }
            Product::Sail => revisions = Some(Revisions::new(&self.planes, &self.tags)),
        }
        let is_sail = |plane: &&Plane| plane.product == Product::Sail;
        let old = self.planes.iter().any(|plane| !is_sail(plane)) || !self.rolls.is_empty() || !self.members.is_empty();
        let mixed = old && self.planes.iter().any(is_sail);
        Some(Control { plane: plane.cloned(), product, members, revisions, notes, mixed, others, clashes })
    }
}

/// The release that is made from an Istio version: the newest that is not newer.
fn release_of(version: Version) -> Release {
    RELEASES.iter().rev().find(|(_, istio)| *istio <= version).map_or(NEWEST, |(release, _)| *release)
}

/// The Istio version that a release is made from.
pub(super) fn istio_of(release: Release) -> Version {
    RELEASES.iter().find(|(known, _)| *known == release).map_or(Version::NEWEST, |(_, istio)| *istio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_of_1_19_came_with_2_3() {
        for (minor, want) in [(0, false), (2, false), (3, true), (5, true), (6, true)] {
            assert_eq!(Release::new(2, minor).leaves_foreign_alpn(), want, "2.{minor}");
        }
    }

    #[test]
    fn a_version_of_istio_tells_the_release() {
        for (minor, want) in [(0, NEWEST), (1, Release::new(1, 0)), (9, Release::new(2, 1)), (32, NEWEST)] {
            assert_eq!(release_of(Version::one(minor)), want, "1.{minor}");
        }
    }
}
