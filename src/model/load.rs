//! Builds the [`Mesh`]: documents to objects, findings for what is wrong, and of equal names the last.

use super::kinds::{self, Lookup, Role};
use super::mesh_config::IstiodEnv;
use super::read::{self, Item, Object, Raw, Read};
use super::{Control, Mesh, MeshConfig, Meta, ObjectId, Options, istiod, openshift};
use crate::finding::{self, Finding};
use crate::location::{Location, ObjectRef, Path, Sources};
use crate::yaml::{self, Broken, Document, NodeId};
use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Documents that were read, from files or from a cluster, and what could not be.
#[derive(Debug, Default)]
pub struct Input {
    /// The texts.
    pub sources: Sources,
    /// The documents that parsed.
    pub documents: Vec<Document>,
    /// Those that did not.
    pub broken: Vec<Broken>,
    /// What is wrong with them.
    pub findings: Vec<Finding>,
    /// Documents of each input, as (name, documents).
    pub inputs: Vec<(String, usize)>,
    /// What a cluster has, or may have, and did not show.
    pub unseen: Vec<Unseen>,
    /// Files that nobody named, do not parse, and look like no manifests.
    pub strangers: Vec<Location>,
    /// The namespaces of the cluster that were read; empty: all, or no cluster.
    pub read_namespaces: BTreeSet<String>,
}

/// Objects of a cluster that could not be read.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// Kind.
    pub kind: String,
    /// Their namespace; empty: every namespace, or a kind without.
    pub namespace: Arc<str>,
    /// Name, where it is one object; empty: all of them.
    pub name: Arc<str>,
    /// Why, for a person.
    pub reason: String,
    /// The request, as a place.
    pub at: Location,
}

impl Input {
    /// Parses every source, in parallel. `walked`: those that nobody named.
    #[must_use]
    pub fn read(sources: Sources, walked: &BTreeSet<String>) -> Self {
        let mut input = Self::default();
        let ids: Vec<_> = sources.iter().map(|(id, source)| (id, source.path.to_string())).collect();
        let parsed: Vec<_> = ids.par_iter().map(|(id, _)| yaml::parse(&sources, *id)).collect();
        for ((id, path), parsed) in ids.into_iter().zip(parsed) {
            let stranger = parsed.findings.first().filter(|_| walked.contains(&path));
            let stranger = stranger.filter(|_| sources.get(id).is_some_and(|one| !yaml::may_be_manifest(&one.text)));
            input.inputs.push((path, parsed.documents.len() + parsed.broken.len()));
            input.documents.extend(parsed.documents);
            match stranger {
                Some(finding) => input.strangers.push(finding.at.clone()),
                None => {
                    input.broken.extend(parsed.broken);
                    input.findings.extend(parsed.findings);
                }
            }
        }
        Self { sources, ..input }
    }
}

/// Reads every source and builds the mesh. Cannot fail: what is wrong is in its findings and taints.
#[must_use]
pub fn load(sources: Sources, options: Options) -> Mesh {
    load_input(Input::read(sources, &options.walked), options)
}

/// Builds the mesh of one text, for tests.
#[cfg(test)]
pub fn load_text(text: impl Into<String>, options: Options) -> Mesh {
    let mut sources = Sources::default();
    sources.add("a.yaml", text.into());
    load(sources, options)
}

/// Builds the mesh from documents. Cannot fail: what is wrong is in its findings and taints.
#[must_use]
pub fn load_input(input: Input, mut options: Options) -> Mesh {
    let Input { sources, documents, broken, findings, inputs, unseen, strangers, read_namespaces } = input;
    let is_patch = |id| sources.get(id).is_some_and(|source| options.patches.contains(&*source.path));
    let judged = (0..).zip(&documents).filter(|(_, document)| options.patches.is_empty() || !is_patch(document.source));
    let raws: Vec<Raw> = judged.flat_map(|(number, d)| read::unwrap_lists(number, d)).collect();
    let reads = read_all(&raws, &documents, &options);
    let istiods = istiod::istiods(&raws, &documents);
    let (domain, unclear) = match istiod::domain(&istiods, options.revision.as_deref()) {
        Ok(domain) => (domain, None),
        Err(unclear) => (None, Some(unclear)),
    };
    let reads = match control_plane_domain(&reads, &options).or(domain) {
        Some(domain) if domain != options.cluster_domain => {
            options.cluster_domain = domain;
            read_all(&raws, &documents, &options)
        }
        _ => reads,
    };
    let (objects, items, pending) = (Vec::new(), Vec::new(), Vec::new());
    let mut loader = Loader { sources, documents, options, istiods, findings, objects, items, pending };
    loader.take(reads, &raws);
    loader.pend_istiod(unclear);
    loader.pend_broken(&broken);
    loader.pend_unseen(unseen);
    let mut mesh = Mesh { strangers, read_namespaces, ..loader.finish(inputs) };
    mesh.taint_unread_root();
    mesh
}

fn read_all(raws: &[Raw], documents: &[Document], options: &Options) -> Vec<Read> {
    let (namespace, domain) = (&options.default_namespace, &options.cluster_domain);
    let one = |(at, raw): (usize, &Raw)| match documents.get(raw.document as usize) {
        Some(document) => read::read(raw, document, object_id(at), namespace, domain),
        None => Read::NoObject,
    };
    raws.par_iter().enumerate().map(one).collect()
}

/// The domain of Kubernetes services that the judged control plane sets. Hosts are completed with it while they are
/// read, so the input is read again where it is another than the usual one.
fn control_plane_domain(reads: &[Read], options: &Options) -> Option<String> {
    let items = reads.iter().filter_map(|read| match read {
        Read::Ours(read) => Some(&read.1),
        _ => None,
    });
    let found = found(items);
    found.plane(options)?.domain.as_deref().map(str::to_owned)
}

/// What the items say of control planes and members.
fn found<'a>(items: impl Iterator<Item = &'a Item>) -> openshift::Found<'a> {
    let mut found = openshift::Found::default();
    for item in items {
        match item {
            Item::Plane(plane) => found.planes.push(plane),
            Item::Roll(roll) => found.rolls.push(roll),
            Item::Member(member) => found.members.push(member),
            Item::Tag(tag) => found.tags.push(tag),
            Item::Namespace(namespace) => {
                found.namespaces.push(namespace);
            }
            _ => {}
        }
    }
    found
}

/// Something that taints rows once the root namespace is known.
pub(super) struct Pending {
    /// Kind; empty: any.
    pub kind: String,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub reason: String,
    pub object: Option<ObjectId>,
    pub at: Location,
}

/// What tells objects apart: group, kind, namespace, name.
type Identity = (Box<str>, Arc<str>, Arc<str>, Arc<str>);

/// The lists, while they fill.
struct Loader {
    sources: Sources,
    documents: Vec<Document>,
    options: Options,
    istiods: Vec<istiod::Istiod>,
    objects: Vec<Object>,
    /// What each object is; as long as `objects`.
    items: Vec<Item>,
    findings: Vec<Finding>,
    pending: Vec<Pending>,
}

/// istiod's environment: what the control plane's object sets, over it what its Deployment does, and over both what the
/// user says.
fn environment(plane: Option<&openshift::Plane>, own: &[String], given: &IstiodEnv) -> IstiodEnv {
    let mut env = IstiodEnv::default();
    let plane = plane.into_iter().flat_map(|plane| &plane.env).map(|(name, value)| format!("{name}={value}"));
    let said = |pair: &String| given.given.iter().any(|one| **one == **pair);
    for pair in plane.chain(own.iter().filter(|pair| !said(pair)).cloned()) {
        // Most variables bear on nothing here, and istiod takes a value that it cannot read for the default.
        let _ = env.set(&pair);
    }
    for pair in &given.given {
        let _ = env.set(pair);
    }
    env
}

fn object_id(at: usize) -> ObjectId {
    ObjectId(u32::try_from(at).unwrap_or(u32::MAX))
}

fn object_ref(object: &Object) -> ObjectRef {
    let kind = if object.kind.is_empty() { "object".into() } else { object.kind.clone() };
    let namespace = (!object.namespace.is_empty()).then(|| object.namespace.clone());
    ObjectRef { kind, namespace, name: object.name.clone() }
}

impl Loader {
    fn place(&self, document: u32, node: NodeId) -> Location {
        let span = self.documents.get(document as usize).map(|d| d.tree.node(node).span());
        span.map_or_else(Location::unknown, |span| self.sources.location(span.source, span.start))
    }

    /// Takes what was read. Objects keep their number, so that an [`ObjectId`] is an index whatever they turned out to be.
    fn take(&mut self, reads: Vec<Read>, raws: &[Raw]) {
        let mut seen: HashMap<Identity, usize> = HashMap::new();
        for (raw, read) in raws.iter().zip(reads) {
            let at = self.objects.len();
            let item = match read {
                Read::Ours(read) => {
                    let (object, item, issues) = *read;
                    let duplicate_keys = self.documents.get(raw.document as usize).is_some_and(|d| d.duplicate_keys);
                    self.report_issues(&object, at, issues, duplicate_keys && !matches!(item, Item::Nothing));
                    let named = !object.name.is_empty() && !object.name.ends_with('*');
                    let key =
                        (object.group.clone(), object.kind.clone(), object.namespace.clone(), object.name.clone());
                    let earlier = if named { seen.insert(key, at) } else { None };
                    self.objects.push(object);
                    if let Some(earlier) = earlier {
                        self.report_duplicate(earlier, at);
                    }
                    item
                }
                Read::Unknown(object, near, field, why) => {
                    self.report_unknown(&object, at, near, field, why);
                    self.objects.push(object);
                    Item::Nothing
                }
                Read::Foreign | Read::NoObject => {
                    self.objects.push(Object::nothing(raw));
                    Item::Nothing
                }
            };
            self.items.push(item);
        }
    }

    fn pend(&mut self, object: &Object, kind: &str, at: usize, reason: String, place: Location) {
        let (namespace, name) = (object.namespace.clone(), object.name.clone());
        self.pending.push(Pending {
            kind: kind.to_owned(),
            namespace,
            name,
            reason,
            object: Some(object_id(at)),
            at: place,
        });
    }

    fn report_unknown(
        &mut self,
        object: &Object,
        at: usize,
        near: Option<&'static kinds::KindRow>,
        field: &'static str,
        why: String,
    ) {
        let help = match near {
            Some(row) if row.group.is_empty() => format!("did you mean kind {} of v1?", row.kind),
            Some(row) => {
                format!("did you mean kind {} of {}/{}?", row.kind, row.group, row.versions.first().unwrap_or(&"v1"))
            }
            None => "check kind and apiVersion: what this object does is not judged".to_owned(),
        };
        let root = self.documents.get(object.document as usize).map(|d| d.tree.node(object.node));
        let node = root.and_then(|root| root.get(field)).map_or(object.node, |node| node.id());
        let place = self.place(object.document, node);
        let mut finding = Finding::new(&finding::UNKNOWN_KIND, place.clone(), why.clone(), help);
        finding.object = Some(object_ref(object));
        finding.path = Some(Path::new(field));
        self.findings.push(finding);
        self.pend(object, near.map_or("", |row| row.kind), at, why, place);
    }

    fn report_issues(&mut self, object: &Object, at: usize, issues: super::issue::Issues, duplicate_keys: bool) {
        let who = object_ref(object);
        // An object whose name or namespace is a template, or none at all, may be any.
        let nameless = issues.0.iter().any(|issue| matches!(&*issue.path, "metadata.name" | "metadata.namespace"));
        let kind = if nameless { "" } else { &object.kind };
        if duplicate_keys {
            let place = self.place(object.document, object.node);
            self.pend(object, kind, at, format!("{who} has a key twice"), place);
        }
        for issue in issues.0 {
            let place = self.place(object.document, issue.node);
            let message = format!("{who}: {}", issue.message);
            let mut finding = Finding::new(issue.code, place.clone(), message.clone(), issue.help);
            finding.object = Some(who.clone());
            finding.path = Some(Path::new(issue.path));
            self.findings.push(finding);
            self.pend(object, kind, at, message, place);
        }
    }

    /// Of two objects with one name the last counts.
    fn report_duplicate(&mut self, earlier: usize, later: usize) {
        let (Some(first), Some(last)) = (self.objects.get(earlier), self.objects.get(later)) else { return };
        let who = object_ref(last);
        let first_place = self.place(first.document, first.node);
        let message = format!("{who} stands twice; this one counts, as with kubectl apply");
        let place = self.place(last.document, last.node);
        let mut finding = Finding::new(&finding::DUPLICATE_OBJECT, place, message, "remove one of the two");
        finding.object = Some(who);
        finding.related = vec![finding::Related { message: "the other one".to_owned(), at: first_place }];
        self.findings.push(finding);
        if let Some(item) = self.items.get_mut(earlier) {
            *item = Item::Nothing;
        }
    }

    /// Documents that did not parse taint what their lines say they are; everything, where they do not say it.
    fn pend_broken(&mut self, broken: &[Broken]) {
        for document in broken {
            let (api, kind) = (document.api_version.as_deref(), document.kind.as_deref());
            let role = api.zip(kind).map(|(api, kind)| kinds::lookup(api, kind));
            // A kind that was cut off may be the beginning of one of ours.
            let whole = kind.is_some_and(|kind| {
                let word = kind.chars().all(|c| c.is_ascii_alphanumeric());
                word && !kinds::KINDS.iter().any(|row| row.kind != kind && row.kind.starts_with(kind))
            });
            if (whole && matches!(role, Some(Lookup::Other)))
                || matches!(role, Some(Lookup::Row(row)) if row.role == Role::Known)
            {
                continue;
            }
            let at = self.sources.location(document.source, document.at);
            let reason = format!("document {} of {} could not be read", document.number, at.file);
            // One whose namespace is a template, is cut off, or comes from elsewhere may be anywhere.
            let cluster_scoped = kind == Some("Namespace") && document.name.is_some();
            let placed = document.namespace.is_some() || cluster_scoped;
            let kind = kind.filter(|_| placed).unwrap_or_default().to_owned();
            let namespace = document.namespace.as_deref().unwrap_or_default().into();
            let name = document.name.as_deref().unwrap_or_default().into();
            self.pending.push(Pending { kind, namespace, name, reason, object: None, at });
        }
    }

    /// Without the domain of Kubernetes services no host is certain, without istiod's environment no answer.
    fn pend_istiod(&mut self, unclear: Option<(usize, String)>) {
        let Some((at, reason)) = unclear else { return };
        let Some(object) = self.objects.get(at).cloned() else { return };
        let place = self.place(object.document, object.node);
        self.pend(&object, "", at, reason, place);
    }

    /// What a cluster did not show: a finding, and a taint of what such objects may change.
    fn pend_unseen(&mut self, unseen: Vec<Unseen>) {
        for Unseen { kind, namespace, name, reason, at } in unseen {
            let help = "meshctl doctor says what is missing; docs/cluster.md has the Role that suffices";
            self.findings.push(Finding::new(&finding::NOT_READ, at.clone(), reason.clone(), help));
            let rows = || kinds::KINDS.iter().filter(|row| row.kind == kind);
            if rows().next().is_some() && rows().all(|row| row.role == Role::Known) {
                continue;
            }
            // Without a namespace it may be in any of them; what such a kind may change may not hang on that.
            let anywhere = matches!(&*kind, "Gateway" | "VirtualService" | "HTTPRoute" | "GRPCRoute");
            let kind = if namespace.is_empty() && !anywhere { String::new() } else { kind };
            self.pending.push(Pending { kind, namespace, name, reason, object: None, at });
        }
    }

    /// The mesh's settings, the ConfigMap they are from, the revision it is of, and what is wrong with it.
    fn config(&self, control: Option<&Control>) -> (Option<ObjectId>, MeshConfig, String, Vec<String>) {
        let mut maps: Vec<(&Meta, &Option<MeshConfig>, &Vec<String>)> = Vec::new();
        for item in &self.items {
            if let Item::Mesh(meta, config, problems) = item {
                maps.push((meta, config, problems));
            }
        }
        let named = self.options.revision.as_deref();
        let plane = control.and_then(|control| control.plane.as_ref());
        let plane = plane.filter(|plane| named.is_none_or(|revision| *revision == *plane.revision));
        if let Some(plane) = plane {
            // What the operator made of the object, where the input has that, and the object itself otherwise.
            let name = match (plane.product, &*plane.revision) {
                (openshift::Product::Sail, "default") => "istio".to_owned(),
                (_, revision) => format!("istio-{revision}"),
            };
            maps.retain(|(meta, ..)| *meta.name == *name && meta.namespace == plane.namespace);
            if maps.is_empty() {
                return (Some(plane.meta.id), plane.config.clone(), plane.revision.to_string(), Vec::new());
            }
        } else if let Some(revision) = named {
            // Of the revision that the user names, the configuration of that one only.
            maps.retain(|(meta, ..)| meta.name.strip_prefix("istio-").unwrap_or("default") == revision);
        }
        let wanted = self.options.root_namespace.as_deref().unwrap_or("istio-system");
        maps.sort_by_key(|(meta, ..)| (&*meta.name != "istio", &*meta.namespace != wanted));
        let Some((meta, config, problems)) = maps.first().copied() else {
            let revision = named.or(istiod::only_revision(&self.istiods)).unwrap_or("default").to_owned();
            return (None, MeshConfig::default(), revision, Vec::new());
        };
        let own = plane.map(|plane| plane.revision.to_string());
        let revision = own.unwrap_or_else(|| meta.name.strip_prefix("istio-").unwrap_or("default").to_owned());
        let who = format!("ConfigMap {}", meta.slash());
        let mut wrong: Vec<String> = problems.iter().map(|problem| format!("{who}: {problem}")).collect();
        if config.is_none() {
            wrong.push(format!("data.mesh of {who} does not parse"));
        }
        if maps.iter().filter(|(other, ..)| other.name == meta.name).count() > 1 {
            wrong.push(format!("several ConfigMaps are called {}: pass --mesh-config", meta.name));
        }
        (Some(meta.id), config.clone().unwrap_or_default(), revision, wrong)
    }

    /// Mesh configurations of other revisions than the one that is judged.
    fn other_configs(&self, chosen: Option<ObjectId>) -> usize {
        self.items.iter().filter(|item| matches!(item, Item::Mesh(meta, ..) if Some(meta.id) != chosen)).count()
    }

    fn finish(mut self, inputs: Vec<(String, usize)>) -> Mesh {
        let control = found(self.items.iter()).control(&self.options);
        let (mut config_from, mut config, revision, mut problems) = self.config(control.as_ref());
        if let Some(given) = self.options.mesh_config.clone() {
            (config, config_from, problems) = (given, None, Vec::new());
        }
        for why in problems {
            let Some(id) = config_from else { break };
            let Some(object) = self.objects.get(id.0 as usize).cloned() else { break };
            let place = self.place(object.document, object.node);
            let help = "mend it, or pass --mesh-config FILE";
            let mut finding = Finding::new(&finding::INVALID_VALUE, place.clone(), why.clone(), help);
            finding.object = Some(object_ref(&object));
            self.findings.push(finding);
            self.pend(&object, "", id.0 as usize, why, place);
        }
        let others = if self.options.mesh_config.is_some() { 0 } else { self.other_configs(config_from) };
        let revisions = self.istiods.iter().any(|istiod| *istiod.revision != *revision);
        let first = |given: &Option<String>, written: &Option<Box<str>>, default: &str| {
            given.as_deref().or(written.as_deref()).unwrap_or(default).to_owned()
        };
        let members = control.as_ref().and_then(|control| control.members.as_ref()).map(|members| &*members.plane);
        let plane = control.as_ref().and_then(|control| control.plane.as_ref());
        let usual = plane.map(|plane| &*plane.root).or(members).unwrap_or("istio-system");
        let root = first(&self.options.root_namespace, &config.root_namespace, usual);
        let own = match istiod::own(&self.istiods, &self.options) {
            Ok(own) => own.cloned().unwrap_or_default(),
            Err(unclear) => {
                self.pend_istiod(Some(unclear));
                istiod::Own::default()
            }
        };
        let version = self.options.version.or(plane.map_or_else(
            || control.as_ref().and_then(Control::release).map(openshift::istio_of),
            |plane| plane.version,
        ));
        let version = version.or(own.version);
        self.options.env = environment(plane, &own.env, &self.options.env);
        let trust_domain = first(&self.options.trust_domain, &config.trust_domain, "cluster.local");
        let version = version.unwrap_or_default();
        config.auto_mtls = version.auto_mtls(config.auto_mtls_written.then_some(config.auto_mtls));
        let named = self.options.revision.is_some();
        let mut mesh = Mesh {
            sources: self.sources,
            documents: self.documents,
            objects: self.objects,
            config,
            config_from,
            version,
            control,
            options: self.options,
            root: root.into(),
            trust_domain,
            revision,
            findings: self.findings,
            inputs,
            other_revisions: others > 0 || revisions || (named && config_from.is_some()),
            ..Mesh::default()
        };
        if others > 0 {
            mesh.not_judged.insert("mesh configurations of other revisions".to_owned(), others);
        }
        mesh.assemble(self.items, self.pending);
        finding::sort(&mut mesh.findings);
        mesh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_whose_kind_was_cut_off_may_change_anything() {
        for (kind, taints) in [("Secret", 0), ("Se", 1), ("Service", 1), ("Se x", 1), ("AuthorizationPolicy", 0)] {
            let group = if kind == "AuthorizationPolicy" { "security.istio.io/v1" } else { "v1" };
            let mut sources = Sources::default();
            sources.add("a.yaml", format!("apiVersion: {group}\nkind: {kind}\nmetadata:\n  name: a\nspec: [\n"));
            assert_eq!(load(sources, Options::default()).taints.len(), taints, "{kind}");
        }
    }

    #[test]
    fn a_file_that_nobody_named_and_that_is_no_manifest_may_fail_to_parse() {
        let manifest = "apiVersion: v1\nkind: Service\nspec: [\n";
        for (text, walked, strangers, findings) in [
            ("{\n  // x: \"y\n  \"a\": 1\n}\n", true, 1, 0),
            ("{\n  // x: \"y\n  \"a\": 1\n}\n", false, 0, 1),
            ("a: 1\na: 2\n", true, 1, 0),
            (manifest, true, 0, 1),
            ("a: 1\n", true, 0, 0),
        ] {
            let mut sources = Sources::default();
            sources.add("a.yaml", text.to_owned());
            let walked = walked.then(|| "a.yaml".to_owned()).into_iter().collect();
            let mesh = load(sources, Options { walked, ..Options::default() });
            assert_eq!((mesh.strangers.len(), mesh.findings.len()), (strangers, findings), "{text}");
            assert!(strangers == 0 || mesh.taints.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_patch_is_no_object() {
        for (patches, objects) in [(vec![], 1), (vec!["a.yaml".to_owned()], 0)] {
            let mesh = load_text(
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n".to_owned(),
                Options { patches: patches.into_iter().collect(), ..Options::default() },
            );
            assert_eq!((mesh.objects.len(), mesh.inputs.len()), (objects, 1));
        }
    }
}
