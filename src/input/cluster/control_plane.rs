//! What the control plane says of the mesh: the ConfigMap with its settings, istiod's environment, revision and version.

use super::discover::{Discovery, segment};
use super::list::{self, Listing, Lists, unseen};
use super::page::{self, Page};
use super::{Refused, Session, Wanted};
use crate::location::Location;
use crate::model::load::Unseen;
use crate::yaml;
use anyhow::{Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// The root namespace where nobody says otherwise (`pkg/config/mesh/mesh.go : DefaultMeshConfig`).
const ROOT: &str = "istio-system";

/// The control plane, as far as it was found.
#[derive(Clone, Debug, Default)]
pub struct ControlPlane {
    /// Its namespace.
    pub namespace: String,
    /// Its revision.
    pub revision: String,
    /// Every revision that is there.
    pub revisions: Vec<String>,
    /// Istio's version, from the tag of istiod's image.
    pub version: Option<String>,
    /// Where mesh-wide policies live.
    pub root_namespace: String,
    /// istiod's environment, as `NAME=VALUE`.
    pub env: Vec<String>,
    /// Variables of istiod whose values stand elsewhere.
    pub env_elsewhere: Vec<String>,
    /// Whether istiod was seen.
    pub found: bool,
    /// Whether the Deployments of its namespace were asked for, and are among the lists.
    pub deployments_read: bool,
}

/// Looks for the control plane. The ConfigMap and the Deployments beside istiod go to the lists, what was refused to what is
/// unseen.
///
/// # Errors
/// The revision that the user names is not there: another one's settings would be no answer.
pub async fn find(
    session: &Session,
    discovery: &Discovery,
    wanted: &Wanted,
    lists: &mut Lists,
) -> Result<ControlPlane> {
    let namespace = wanted.istio_namespace.clone();
    let mut plane = ControlPlane { namespace: namespace.clone(), ..ControlPlane::default() };
    let served = |kind: &str, group: &str| {
        discovery.served.iter().find(|served| served.row.kind == kind && served.row.group == group)
    };
    let mut deployments = Vec::new();
    let mut whole = false;
    if let Some(served) = served("Deployment", "apps") {
        let (pages, refused) = list::list(session, served, Some(&namespace), None).await;
        let (found, torn) = istiods(&pages);
        deployments = found;
        whole = refused.is_none();
        if torn && !wanted.env_given {
            let reason =
                format!("a Deployment of {namespace} does not decode, which may be istiod's: pass --istiod-env");
            lists.unseen.push(plane_unseen(&namespace, reason));
        }
        plane.deployments_read = true;
        lists.listings.push(Listing { served: served.clone(), pages });
        lists.unseen.extend(refused.map(|why| {
            if wanted.env_given {
                return unseen(served, Some(&namespace), &why, "");
            }
            let help =
                "; pass --istiod-env NAME=VALUE for what istiod's environment sets, CLUSTER_ID=Kubernetes if nothing";
            everywhere(unseen(served, Some(&namespace), &why, help))
        }));
    }
    plane.found = !deployments.is_empty();
    let all: BTreeSet<&str> = deployments.iter().map(revision_of).collect();
    plane.revisions = all.into_iter().map(str::to_owned).collect();
    plane.revision = revision(&deployments, wanted, lists);
    if whole && let Some(why) = missing(&plane, wanted) {
        bail!("{why}");
    }
    let judged: Vec<&Value> = deployments.iter().filter(|one| revision_of(one) == plane.revision).collect();
    if let Some(istiod) = judged.first() {
        read_istiod(istiod, &mut plane);
    }
    if !agree(&judged) && !wanted.env_given {
        let reason =
            format!("istiods of revision {} differ in their image or environment: pass --istiod-env", plane.revision);
        lists.unseen.push(plane_unseen(&namespace, reason));
    }
    let name = if plane.revision == "default" { "istio".to_owned() } else { format!("istio-{}", plane.revision) };
    let mut root = None;
    if let Some(served) = served("ConfigMap", "") {
        let path = format!("{}/{name}", served.path(Some(&namespace)));
        let api = served.api_version();
        let of = page::Of { api_version: &api, kind: served.row.kind };
        let body = session.get(&path).await;
        match body.and_then(|body| Ok((page::object(&body, of).map_err(Refused::Malformed)?, body))) {
            Ok((page, body)) => {
                root = root_namespace(&body);
                session.count(1);
                lists.listings.push(Listing { served: served.clone(), pages: vec![page] });
            }
            Err(Refused::NotFound(_)) if plane.found => {}
            Err(Refused::NotFound(_)) => elsewhere(session, discovery, wanted, lists).await,
            Err(_) if wanted.mesh_config_given => {}
            Err(why) => {
                let mut unseen = unseen(served, Some(&namespace), &why, "; or pass --mesh-config FILE");
                unseen.name = name.as_str().into();
                lists.unseen.push(unseen);
            }
        }
    }
    plane.root_namespace = wanted.root_namespace.clone().or(root).unwrap_or_else(|| ROOT.to_owned());
    Ok(plane)
}

/// What is wrong with the revision that the user names, as far as istiods were found. A tag is none: what it stands for
/// changes.
fn missing(plane: &ControlPlane, wanted: &Wanted) -> Option<String> {
    let named = wanted.revision.as_ref().filter(|_| plane.found && !plane.revisions.contains(&plane.revision))?;
    let (namespace, there) = (&plane.namespace, plane.revisions.join(", "));
    let are = if plane.revisions.len() == 1 { "is" } else { "are" };
    Some(format!(
        "no istiod of revision {named} in {namespace}; there {are} {there} (--revision takes the name of a revision, no tag; \
         --istio-namespace says where istiod is)"
    ))
}

/// istiod's Deployments, which Istio's charts and operators label `app: istiod`, and whether one of the list, which may be
/// such a one, does not decode.
fn istiods(pages: &[Page]) -> (Vec<Value>, bool) {
    let (mut found, mut torn) = (Vec::new(), false);
    for text in pages.iter().flat_map(|page| page.items.iter().filter_map(|item| page.text.get(item.range.clone()))) {
        match serde_json::from_str::<Value>(text) {
            Ok(one) if one.pointer("/metadata/labels/app").and_then(Value::as_str) == Some("istiod") => found.push(one),
            Ok(_) => {}
            Err(_) => torn = true,
        }
    }
    (found, torn)
}

/// Taints every row, not those of one namespace.
fn everywhere(unseen: Unseen) -> Unseen {
    Unseen { namespace: "".into(), ..unseen }
}

fn revision_of(istiod: &Value) -> &str {
    let label = |at: &str| istiod.pointer(at).and_then(Value::as_str).filter(|label| !label.is_empty());
    label("/metadata/labels/istio.io~1rev").unwrap_or("default")
}

/// The revision that is judged: the one asked for, else `default`, else the only one.
fn revision(istiods: &[Value], wanted: &Wanted, lists: &mut Lists) -> String {
    if let Some(revision) = &wanted.revision {
        return if revision.is_empty() { "default".to_owned() } else { revision.clone() };
    }
    let all: BTreeSet<&str> = istiods.iter().map(revision_of).collect();
    if all.is_empty() || all.contains("default") {
        return "default".to_owned();
    }
    let names: Vec<&str> = all.iter().copied().collect();
    if names.len() > 1 {
        let reason =
            format!("which control plane is meant? There are the revisions {}: pass --revision", names.join(", "));
        lists.unseen.push(plane_unseen(&wanted.istio_namespace, reason));
    }
    names.first().map_or_else(|| "default".to_owned(), |name| (*name).to_owned())
}

fn plane_unseen(namespace: &str, reason: String) -> Unseen {
    let file = format!("cluster:{namespace}/deployments");
    let at = Location { file: file.as_str().into(), line: 1, column: 1 };
    Unseen { kind: "Deployment".to_owned(), namespace: "".into(), name: "istiod".into(), reason, at }
}

/// A control plane that is not where it was looked for would have other settings than Istio's defaults. Where the search
/// fails, nobody knows.
async fn elsewhere(session: &Session, discovery: &Discovery, wanted: &Wanted, lists: &mut Lists) {
    let Some(served) = discovery.served.iter().find(|one| one.row.kind == "Deployment" && one.row.group == "apps")
    else {
        return;
    };
    let namespace = &wanted.istio_namespace;
    // Names and labels suffice.
    const ACCEPT: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let path = format!("{}?labelSelector={}&limit=500", served.path(None), segment("app=istiod"));
    let body = session.ask("GET", &path, ACCEPT, &[]).await;
    match body.and_then(|body| places(&body, namespace).map_err(Refused::Malformed)) {
        Ok(places) => {
            if let Some(first) = places.first() {
                let names = places.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let reason = format!("istiod runs in {names}, not in {namespace}: pass --istio-namespace {first}");
                lists.unseen.push(plane_unseen(namespace, reason));
            }
        }
        Err(why) => lists.unseen.extend(no_search(wanted, &why)),
    }
}

/// The other namespaces that istiod runs in, of a list of Deployments or of their metadata.
fn places(body: &[u8], but: &str) -> Result<BTreeSet<String>, String> {
    let list: Value = serde_json::from_slice(body).map_err(|why| why.to_string())?;
    let kind = list.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(kind, "DeploymentList" | "PartialObjectMetadataList") {
        return Err(format!("it is no list of Deployments, but {kind:?}"));
    }
    let items = match list.get("items") {
        None | Some(Value::Null) => &[],
        Some(items) => items.as_array().map(Vec::as_slice).ok_or("its items are no list")?,
    };
    let mut found = BTreeSet::new();
    for item in items {
        let place = item.pointer("/metadata/namespace").and_then(Value::as_str);
        found.insert(place.ok_or("one of its Deployments has no namespace")?.to_owned());
    }
    found.remove(but);
    match list.pointer("/metadata/continue") {
        None | Some(Value::Null) => {}
        Some(Value::String(next)) if next.is_empty() || !found.is_empty() => {}
        Some(_) => return Err("it has more pages than one".to_owned()),
    }
    Ok(found)
}

/// What a search for istiod that failed leaves open: the mesh's settings and istiod's environment, where the user gives
/// neither.
fn no_search(wanted: &Wanted, why: &Refused) -> Vec<Unseen> {
    let namespace = &wanted.istio_namespace;
    let open = [
        ("ConfigMap", "istio", wanted.mesh_config_given, "--mesh-config FILE"),
        ("Deployment", "istiod", wanted.env_given, "--istiod-env NAME=VALUE, CLUSTER_ID=Kubernetes if nothing is set"),
    ];
    let one = |(kind, name, _, flag): (&str, &str, bool, &str)| Unseen {
        kind: kind.to_owned(),
        name: name.into(),
        ..plane_unseen(
            namespace,
            format!(
                "no istiod was seen in {namespace}, and whether it runs elsewhere could not be read: {why}; pass \
                 --istio-namespace, or {flag}"
            ),
        )
    };
    open.into_iter().filter(|(_, _, given, _)| !given).map(one).collect()
}

/// Whether istiods have one environment and version.
fn agree(istiods: &[&Value]) -> bool {
    let mut all = istiods.iter().map(|istiod| {
        let mut one = ControlPlane::default();
        read_istiod(istiod, &mut one);
        (one.version, one.env, one.env_elsewhere)
    });
    let first = all.next();
    all.all(|other| Some(other) == first)
}

/// Environment and version of istiod's container.
fn read_istiod(istiod: &Value, plane: &mut ControlPlane) {
    let containers = istiod.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let containers: Vec<&Value> = containers.into_iter().flatten().collect();
    let named = containers.iter().find(|one| one.get("name").and_then(Value::as_str) == Some("discovery"));
    let Some(container) = named.or(containers.first()) else { return };
    plane.version = container.get("image").and_then(Value::as_str).and_then(tag);
    for source in container.get("envFrom").and_then(Value::as_array).into_iter().flatten() {
        plane.env_elsewhere.push(env_from(source));
    }
    for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        match variable.get("value").and_then(Value::as_str) {
            // A reference to another variable (Kubernetes, dependent environment variables).
            Some(value) if value.contains("$(") => plane.env_elsewhere.push(name.to_owned()),
            Some(value) => plane.env.push(format!("{name}={value}")),
            None if variable.get("valueFrom").is_some() => plane.env_elsewhere.push(name.to_owned()),
            None => plane.env.push(format!("{name}=")),
        }
    }
}

/// An entry of `envFrom` in words, which are the name of no variable: `envFrom ConfigMap istiod-env`.
fn env_from(source: &Value) -> String {
    let named = |key: &str| source.get(key).map(|one| one.get("name").and_then(Value::as_str).unwrap_or_default());
    match (named("configMapRef"), named("secretRef")) {
        (Some(name), _) => format!("envFrom ConfigMap {name}"),
        (_, Some(name)) => format!("envFrom Secret {name}"),
        _ => "envFrom something else".to_owned(),
    }
}

/// The tag of an image: `docker.io/istio/pilot:1.26.0-distroless` is `1.26.0-distroless`.
fn tag(image: &str) -> Option<String> {
    let image = image.split('@').next()?;
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// `rootNamespace` of a ConfigMap's mesh settings.
fn root_namespace(body: &[u8]) -> Option<String> {
    let map: Value = serde_json::from_slice(body).ok()?;
    let tree = yaml::parse_text(map.pointer("/data/mesh")?.as_str()?)?;
    let root = tree.root();
    root.get("rootNamespace")
        .or(root.get("root_namespace"))?
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_are_tags() {
        for (image, want) in [
            ("docker.io/istio/pilot:1.26.0-distroless", Some("1.26.0-distroless")),
            ("registry:5000/istio/pilot:1.20.3@sha256:abc", Some("1.20.3")),
            ("registry:5000/istio/pilot", None),
            ("pilot@sha256:abc", None),
            ("pilot:", None),
        ] {
            assert_eq!(tag(image).as_deref(), want, "{image}");
        }
    }

    #[test]
    fn the_revision_is_the_one_asked_for_the_default_or_the_only_one() {
        let istiod = |rev: &str| json!({"metadata": {"labels": {"app": "istiod", "istio.io/rev": rev}}});
        for (asked, there, want, unclear) in [
            (None, vec![], "default", 0),
            (None, vec!["default", "canary"], "default", 0),
            (None, vec!["canary"], "canary", 0),
            (None, vec!["b", "a"], "a", 1),
            (Some("b"), vec!["b", "a"], "b", 0),
            (None, vec![""], "default", 0),
            (Some(""), vec!["default", "b"], "default", 0),
        ] {
            let all: Vec<Value> = there.iter().map(|rev| istiod(rev)).collect();
            let mut lists = Lists::default();
            let wanted = Wanted { revision: asked.map(str::to_owned), ..Wanted::default() };
            assert_eq!(revision(&all, &wanted, &mut lists), want, "{there:?}");
            assert_eq!(lists.unseen.len(), unclear, "{there:?}");
        }
    }

    #[test]
    fn a_revision_that_is_not_there_is_no_revision() {
        for (asked, there, missing_one) in [
            (Some("cannary"), vec!["canary", "default"], true),
            (Some("canary"), vec!["canary", "default"], false),
            (Some(""), vec!["default"], false),
            (Some("canary"), vec![], false),
            (None, vec!["a", "b"], false),
        ] {
            let wanted = Wanted { revision: asked.map(str::to_owned), ..Wanted::default() };
            let plane = ControlPlane {
                revision: revision(&[], &wanted, &mut Lists::default()),
                revisions: there.iter().map(|&name| name.to_owned()).collect(),
                found: !there.is_empty(),
                ..ControlPlane::default()
            };
            let why = missing(&plane, &wanted);
            assert_eq!(why.is_some(), missing_one, "{asked:?} {there:?}");
            assert!(why.is_none_or(|why| why.contains("there are canary, default")), "{asked:?}");
        }
    }

    #[test]
    fn a_search_that_is_no_answer_found_nothing_out() {
        let at = |kind: &str, rest: &str| format!("{{\"kind\": \"{kind}\", {rest}}}");
        let item = |namespace: &str| format!("{{\"metadata\": {{\"namespace\": \"{namespace}\"}}}}");
        let (list, meta) = ("DeploymentList", "PartialObjectMetadataList");
        for (body, want) in [
            (at(list, "\"items\": []"), Some(vec![])),
            (at(meta, "\"items\": null"), Some(vec![])),
            (at(meta, &format!("\"items\": [{}, {}]", item("a"), item("here"))), Some(vec!["a"])),
            (at(list, "\"metadata\": {\"continue\": \"x\"}, \"items\": []"), None),
            (at(list, "\"metadata\": {\"continue\": 5}, \"items\": []"), None),
            (at(list, "\"items\": [5]"), None),
            (at(list, "\"items\": {}"), None),
            (at("Status", "\"items\": []"), None),
            ("{}".to_owned(), None),
            ("<html>".to_owned(), None),
        ] {
            let found = places(body.as_bytes(), "here").ok();
            let want = want.map(|all| all.into_iter().map(str::to_owned).collect::<BTreeSet<_>>());
            assert_eq!(found, want, "{body}");
        }
    }

    #[test]
    fn istiod_s_environment_is_read() {
        let istiod = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "other", "image": "x:1"},
            {"name": "discovery", "image": "istio/pilot:1.26.0", "envFrom": [{"configMapRef": {"name": "more"}}, {"x": 1}],
                "env": [{"name": "A", "value": "true"}, {"name": "B"}, {"name": "C", "valueFrom": {"fieldRef": {}}},
                    {"name": "D", "value": "$(A)"}]}]}}}});
        let mut plane = ControlPlane::default();
        read_istiod(&istiod, &mut plane);
        assert_eq!(plane.env, ["A=true", "B="]);
        assert_eq!(plane.env_elsewhere, ["envFrom ConfigMap more", "envFrom something else", "C", "D"]);
        assert_eq!(plane.version.as_deref(), Some("1.26.0"));
    }

    #[test]
    fn the_root_namespace_stands_in_the_settings() {
        let body = |mesh: &str| json!({"data": {"mesh": mesh}}).to_string();
        assert_eq!(root_namespace(body("rootNamespace: base\nx: 1").as_bytes()).as_deref(), Some("base"));
        assert_eq!(root_namespace(body("x: 1").as_bytes()), None);
        assert_eq!(root_namespace(b"{}"), None);
    }
}
