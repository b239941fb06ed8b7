//! What a snapshot says besides its objects: the control plane's environment, and what could not be read.
//!
//! A snapshot begins with a document of a kind of our own, `meshctl.io/v1 Snapshot`. Without it a mesh of which half was
//! refused would look complete, offline.

use crate::cli::MeshArgs;
use crate::location::{Location, SourceId, Sources};
use crate::model::Version;
use crate::model::kinds::{KINDS, List};
use crate::model::load::{Input, Unseen};
use crate::model::mesh_config::decides;
use crate::yaml::{Document, Kind, Node};
use std::collections::BTreeMap;

/// `apiVersion` of the document.
pub const API: &str = "meshctl.io/v1";

/// Its kind.
pub const KIND: &str = "Snapshot";

/// What was taken out of an input.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What is true of the mesh: what the user says over what the snapshot does.
    pub mesh: MeshArgs,
    /// The namespaces that the snapshot was taken of; empty: all.
    pub namespaces: Vec<String>,
}

/// Takes what snapshots among the documents say; what they did not see goes where a cluster's unread objects go. `lint`:
/// also what only lint asks a cluster for.
pub fn take(input: &mut Input, mesh: &MeshArgs, lint: bool) -> Recorded {
    let mut recorded = Recorded { mesh: mesh.clone(), namespaces: Vec::new() };
    let mut unseen = Vec::new();
    let mut env = Vec::new();
    let mut all = false;
    let mut reads = Vec::new();
    let mut releases = Vec::new();
    let mut there: BTreeMap<SourceId, u64> = BTreeMap::new();
    let objects = input.documents.iter().filter(|one| said(one).is_none()).map(|one| one.source);
    for source in objects.chain(input.broken.iter().map(|one| one.source)) {
        *there.entry(source).or_default() += 1;
    }
    for document in &input.documents {
        let at = |node: Node<'_>| input.sources.location(node.span().source, node.span().start);
        let Some(said) = said(document) else { continue };
        match read(said, &at) {
            Ok(found) => {
                env.extend(environment(&found.env, &found.elsewhere, mesh, &at(said), &mut unseen));
                unseen.extend(found.unseen.into_iter().filter(|one| asked(one, mesh, lint)));
                let there = there.get(&document.source).copied().unwrap_or_default();
                if let Some(objects) = found.objects.filter(|objects| *objects > there) {
                    let why = format!("the snapshot is cut off: it says {objects} objects, and {there} are there");
                    unseen.push(anything(why, at(said)));
                }
                releases.push((found.root_namespace, found.version));
                all |= found.namespaces.is_empty();
                recorded.namespaces.extend(found.namespaces);
                reads.extend(found.read);
            }
            Err(why) => unseen.push(anything(format!("the snapshot cannot be read: {why}"), at(said))),
        }
    }
    for broken in &input.broken {
        if broken.api_version.as_deref().is_some_and(|api| api.starts_with("meshctl.io/")) {
            let at = input.sources.location(broken.source, broken.at);
            unseen.push(anything("what the snapshot says of itself cannot be read".to_owned(), at));
        }
    }
    if let Some((first, at)) = releases.first().cloned().zip(input.documents.iter().find_map(said_at(&input.sources))) {
        if releases.iter().any(|other| *other != first) {
            let why = "several snapshots differ in the root namespace or the version of Istio: judge them one by one";
            unseen.push(anything(why.to_owned(), at));
        }
        let (root, version) = first;
        recorded.mesh.root_namespace = recorded.mesh.root_namespace.or(root);
        recorded.mesh.istio_version = recorded.mesh.istio_version.or(version);
    }
    input.unseen.extend(unseen);
    if all {
        recorded.namespaces.clear();
    } else if !recorded.namespaces.is_empty() {
        input.read_namespaces = recorded.namespaces.iter().cloned().chain(reads).collect();
    }
    // The last of two values counts.
    env.append(&mut recorded.mesh.istiod_env);
    recorded.mesh.istiod_env = env;
    recorded
}

/// The variables of istiod that decide something: the cluster's, then the user's, of which the last counts. One with a
/// value that is none of its own is as good as not set (`pkg/env`), one whose value stands elsewhere may change anything.
pub fn environment(
    env: &[String],
    elsewhere: &[String],
    given: &MeshArgs,
    at: &Location,
    unseen: &mut Vec<Unseen>,
) -> Vec<String> {
    let typed = &given.istiod_env;
    let mut add = |kind: &str, name: &str, reason: String| {
        unseen.push(Unseen { kind: kind.to_owned(), namespace: "".into(), name: name.into(), reason, at: at.clone() });
    };
    for name in elsewhere {
        if name.starts_with(ENV_FROM) && typed.is_empty() {
            let flag = "pass --istiod-env NAME=VALUE for what they set, CLUSTER_ID=Kubernetes if nothing";
            add("Deployment", "istiod", format!("istiod takes variables from elsewhere ({name}): {flag}"));
        } else if decides(&format!("{name}=true")) && typed.iter().all(|pair| pair.split('=').next() != Some(name)) {
            let reason = format!("istiod takes {name} from elsewhere: pass --istiod-env {name}=VALUE");
            add("Deployment", "istiod", reason);
        }
    }
    if given.mesh_config.is_none() {
        let set = env.iter().rev().find_map(|pair| pair.strip_prefix(SHARED)?.strip_prefix('='));
        let from = elsewhere.iter().any(|name| name == SHARED).then_some("a name that stands elsewhere");
        if let Some(map) = from.or(set).filter(|map| !map.is_empty()) {
            let reason = format!(
                "istiod lays its settings over those of another ConfigMap ({SHARED}: {map}), which is not read: pass \
                 --mesh-config FILE with both"
            );
            add("ConfigMap", if from.is_some() { "" } else { map }, reason);
        }
    }
    env.iter().filter(|pair| decides(pair)).cloned().collect()
}

/// Whether a control plane's version is one that decides; the tag of a development build may be anything.
pub fn is_release(text: &str) -> bool {
    text.parse::<Version>().is_ok()
}

/// How an entry of `envFrom` begins among what stands elsewhere.
const ENV_FROM: &str = "envFrom ";

/// istiod merges the ConfigMap that this variable names below its own (`pilot/pkg/bootstrap/mesh.go`).
const SHARED: &str = "SHARED_MESH_CONFIG";

/// The root of a document that is one of ours.
fn said(document: &Document) -> Option<Node<'_>> {
    let root = document.tree.root();
    let api = root.get("apiVersion").and_then(Node::as_str).unwrap_or_default();
    let nameless = api.is_empty() && root.get("kind").and_then(Node::as_str) == Some(KIND);
    (nameless || api.to_ascii_lowercase().starts_with("meshctl.io/")).then_some(root)
}

/// The place of a document that is one of ours.
fn said_at(sources: &Sources) -> impl FnMut(&Document) -> Option<Location> + '_ {
    |document| said(document).map(|node| sources.location(node.span().source, node.span().start))
}

fn anything(reason: String, at: Location) -> Unseen {
    Unseen { kind: String::new(), namespace: "".into(), name: "".into(), reason, at }
}

/// Whether a live cluster would have been asked for it as well.
fn asked(unseen: &Unseen, mesh: &MeshArgs, lint: bool) -> bool {
    let rows: Vec<List> = KINDS.iter().filter(|row| row.kind == unseen.kind).map(|row| row.list).collect();
    let only_lint = !rows.is_empty() && rows.iter().all(|list| *list == List::Lint);
    let given = unseen.kind == "ConfigMap" && mesh.mesh_config.is_some()
        // istiod's environment, not its workload.
        || unseen.kind == "Deployment"
            && unseen.namespace.is_empty()
            && unseen.reason.contains("--istiod-env")
            && !mesh.istiod_env.is_empty();
    (lint || !only_lint) && !given
}

/// A key that is not known may say anything, also one that is only misspelt.
fn known(node: Node<'_>, place: &str, keys: &[&str]) -> Result<(), String> {
    let mut names = node.entries().map(|(key, _)| key.text().unwrap_or_default());
    match names.find(|name| !keys.contains(&&**name)) {
        Some(other) => Err(format!("{place}.{other} is not known to this version")),
        None => Ok(()),
    }
}

/// One document.
#[derive(Debug, Default)]
struct Found {
    namespaces: Vec<String>,
    /// Those that were read for it: with that of the control plane and the root namespace.
    read: Vec<String>,
    /// How many objects follow.
    objects: Option<u64>,
    root_namespace: Option<String>,
    /// The control plane's release.
    version: Option<String>,
    env: Vec<String>,
    elsewhere: Vec<String>,
    unseen: Vec<Unseen>,
}

/// Reads the document strictly: what is not understood may be what was not seen.
fn read(root: Node<'_>, at: &dyn Fn(Node<'_>) -> Location) -> Result<Found, String> {
    let word = |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let (api, kind) = (word(root, "apiVersion").unwrap_or_default(), word(root, "kind").unwrap_or_default());
    if (&*api, &*kind) != (API, KIND) {
        return Err(format!("it is a {kind} of {api}, which this version does not know"));
    }
    let spec = root.get("spec").ok_or("it has no spec")?;
    let words = |path: &str| -> Result<Vec<String>, String> {
        let Some(list) = spec.find(path) else { return Ok(Vec::new()) };
        let items = list.items().map(|item| item.as_str().map(str::to_owned));
        let found: Option<Vec<String>> = items.collect();
        found.filter(|_| list.kind() == Kind::Seq).ok_or_else(|| format!("spec.{path} is no list of texts"))
    };
    known(spec, "spec", &["cluster", "meshctl", "namespaces", "readNamespaces", "controlPlane", "objects", "unseen"])?;
    if let Some(plane) = spec.get("controlPlane") {
        let keys = ["namespace", "revision", "version", "rootNamespace", "environment", "environmentElsewhere"];
        known(plane, "spec.controlPlane", &keys)?;
    }
    let plane = |key: &str| word(spec.get("controlPlane")?, key);
    let objects = spec
        .get("objects")
        .map(|count| count.text().and_then(|text| text.parse().ok()).ok_or("spec.objects is no number"));
    let mut read = words("readNamespaces")?;
    read.extend(plane("namespace"));
    let mut found = Found {
        namespaces: words("namespaces")?,
        read,
        objects: objects.transpose()?,
        root_namespace: plane("rootNamespace"),
        version: plane("version").filter(|text| is_release(text)),
        env: words("controlPlane.environment")?,
        elsewhere: words("controlPlane.environmentElsewhere")?,
        unseen: Vec::new(),
    };
    let list = spec.get("unseen").ok_or("it does not say what was not seen (spec.unseen)")?;
    if list.kind() != Kind::Seq {
        return Err("spec.unseen is no list".to_owned());
    }
    for (number, one) in list.items().enumerate() {
        let (Some(kind), Some(reason)) = (word(one, "kind"), word(one, "reason")) else {
            return Err(format!("spec.unseen[{number}] has no kind or no reason"));
        };
        let (namespace, name) = (word(one, "namespace"), word(one, "name"));
        let given = |text: Option<String>| text.unwrap_or_default().as_str().into();
        found.unseen.push(Unseen { kind, namespace: given(namespace), name: given(name), reason, at: at(one) });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Sources;

    fn taken(text: &str, mesh: &MeshArgs, lint: bool) -> (Recorded, Vec<String>) {
        let mut sources = Sources::default();
        sources.add("mesh.yaml", text.to_owned());
        let mut input = Input::read(sources, &std::collections::BTreeSet::new());
        let recorded = take(&mut input, mesh, lint);
        (recorded, input.unseen.iter().map(|one| format!("{} {}: {}", one.at.line, one.kind, one.reason)).collect())
    }

    const HEAD: &str = "apiVersion: meshctl.io/v1\nkind: Snapshot\n";

    #[test]
    fn a_snapshot_says_what_is_true_and_what_was_not_seen() {
        let text = format!(
            "{HEAD}spec:\n  namespaces: [a]\n  controlPlane:\n    version: 1.10.3\n    environment: [CLUSTER_ID=x, FOO=1]\n    environmentElsewhere: [CLUSTER_ID, HOME]\n  unseen:\n  - {{kind: Pod, namespace: b, reason: forbidden}}\n  - {{kind: AuthorizationPolicy, reason: forbidden}}\n"
        );
        let (recorded, unseen) = taken(&text, &MeshArgs::default(), false);
        assert_eq!(recorded.namespaces, ["a"]);
        assert_eq!(recorded.mesh.istiod_env, ["CLUSTER_ID=x"]);
        assert_eq!(recorded.mesh.istio_version.as_deref(), Some("1.10.3"));
        assert_eq!(unseen.len(), 2);
        assert!(unseen[0].contains("istiod takes CLUSTER_ID from elsewhere"));
        assert_eq!(unseen[1], "10 Pod: forbidden");
        let (istio_version, istiod_env) = (Some("1.26".to_owned()), vec!["CLUSTER_ID=y".to_owned()]);
        let typed = MeshArgs { istio_version, istiod_env, ..MeshArgs::default() };
        let (recorded, unseen) = taken(&text, &typed, true);
        assert_eq!(recorded.mesh.istio_version.as_deref(), Some("1.26"));
        assert_eq!(recorded.mesh.istiod_env, ["CLUSTER_ID=x", "CLUSTER_ID=y"]);
        assert_eq!(unseen, ["10 Pod: forbidden", "11 AuthorizationPolicy: forbidden"]);
    }

    #[test]
    fn what_istiod_takes_from_elsewhere_is_not_seen() {
        for (env, elsewhere, typed, config, want) in [
            (&[][..], &["envFrom ConfigMap more"][..], &[][..], false, vec!["Deployment"]),
            (&[], &["envFrom ConfigMap more"], &["CLUSTER_ID=a"], false, vec![]),
            (&[], &["CLUSTER_ID", "HOME"], &[], false, vec!["Deployment"]),
            (&[], &["CLUSTER_ID"], &["CLUSTER_ID=a"], false, vec![]),
            (&["SHARED_MESH_CONFIG=more"], &[], &[], false, vec!["ConfigMap"]),
            (&["SHARED_MESH_CONFIG=more", "SHARED_MESH_CONFIG="], &[], &[], false, vec![]),
            (&["SHARED_MESH_CONFIG=more"], &[], &[], true, vec![]),
            (&[], &["SHARED_MESH_CONFIG"], &[], false, vec!["ConfigMap"]),
            (&["SHARED_MESH_CONFIGS=more"], &[], &[], false, vec![]),
        ] {
            let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
            let mesh_config = config.then(|| "mesh.yaml".to_owned());
            let given = MeshArgs { istiod_env: owned(typed), mesh_config, ..MeshArgs::default() };
            let mut unseen = Vec::new();
            environment(&owned(env), &owned(elsewhere), &given, &Location::unknown(), &mut unseen);
            assert_eq!(unseen.iter().map(|one| &*one.kind).collect::<Vec<_>>(), want, "{env:?} {elsewhere:?}");
        }
    }

    #[test]
    fn a_snapshot_that_is_not_understood_may_hide_anything() {
        for text in [
            "apiVersion: meshctl.io/v2\nkind: Snapshot\nspec: {unseen: []}\n",
            "apiVersion: meshctl.io/v1\nkind: Other\nspec: {unseen: []}\n",
            HEAD,
            &format!("{HEAD}spec: {{}}\n"),
            &format!("{HEAD}spec: {{unseen: 5}}\n"),
            &format!("{HEAD}spec: {{unseen: {{a: b}}}}\n"),
            &format!("{HEAD}spec: {{unseen: [5]}}\n"),
            &format!("{HEAD}spec: {{unseen: [{{kind: Pod}}]}}\n"),
            &format!("{HEAD}spec: {{unseen: [], namespaces: 5}}\n"),
            &format!("{HEAD}spec: {{unseen: [\n"),
            &format!("{HEAD}spec: {{unseen: [], namespace: [a]}}\n"),
            &format!("{HEAD}spec: {{unseen: [], controlPlane: {{env: [A=b]}}}}\n"),
            &format!("{HEAD}spec: {{unseen: [], objects: many}}\n"),
            &format!("{HEAD}spec: {{unseen: [], objects: 2}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n"),
            "apiVersion: Meshctl.io/v1\nkind: Snapshot\nspec: {unseen: []}\n",
            "kind: Snapshot\nspec: {unseen: []}\n",
            &format!(
                "{HEAD}spec: {{unseen: [], controlPlane: {{rootNamespace: a}}}}\n---\n{HEAD}spec: {{unseen: []}}\n"
            ),
        ] {
            let (_, unseen) = taken(text, &MeshArgs::default(), false);
            assert_eq!(unseen.len(), 1, "{text}");
        }
        for rest in ["", ", objects: 1}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n#"] {
            let (_, unseen) = taken(&format!("{HEAD}spec: {{unseen: []{rest}}}\n"), &MeshArgs::default(), false);
            assert!(unseen.is_empty(), "{unseen:?}");
        }
        let (_, unseen) = taken("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", &MeshArgs::default(), false);
        assert!(unseen.is_empty());
    }
}
