//! Which kinds the cluster serves, in which version, under which name.
//!
//! Two requests where the server has aggregated discovery (Kubernetes 1.26 and later; on 1.30 and later as `v2`), else one
//! for each group and version that meshctl knows.

use super::{Refused, Session};
use crate::model::kinds::{KINDS, KindRow, List};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A kind as the cluster serves it.
#[derive(Clone, Debug)]
pub struct Served {
    /// What meshctl knows of it.
    pub row: &'static KindRow,
    /// The version that it is read in.
    pub version: String,
    /// Its name in paths: `peerauthentications`.
    pub resource: String,
}

impl Served {
    /// `security.istio.io/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        let group = self.row.group;
        if group.is_empty() { self.version.clone() } else { format!("{group}/{}", self.version) }
    }

    /// The path of its objects, in one namespace or in all.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.row.group.is_empty() { "/api" } else { "/apis" };
        let within = namespace.map(|namespace| format!("namespaces/{}/", segment(namespace))).unwrap_or_default();
        format!("{root}/{}/{within}{}", self.api_version(), self.resource)
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// The name in paths that Kubernetes and the projects of the table give a kind. A server that says another one would
/// lead whoever follows it elsewhere: `../../../../api/v1/secrets`.
fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    if lower == "endpoints" {
        return lower;
    }
    match lower.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u'])) {
        Some(stem) => format!("{stem}ies"),
        None => format!("{lower}s"),
    }
}

/// Is it a version, `v1beta1`, and no path?
fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// What the cluster serves of [`KINDS`].
#[derive(Debug, Default)]
pub struct Discovery {
    /// The kinds that it serves, in the order of the table.
    pub served: Vec<Served>,
    /// Those that it does not.
    pub unserved: Vec<&'static KindRow>,
    /// Those of which it cannot be said, or which it serves in no version that is known, and why.
    pub unclear: Vec<(&'static KindRow, String)>,
}

/// What is known of a group.
#[derive(Default)]
struct Group {
    /// Versions in the server's order, each with (kind, resource).
    versions: Vec<(String, Vec<(String, String)>)>,
    /// Why its list may not be whole.
    doubt: Option<String>,
}

type Groups = BTreeMap<String, Group>;

/// Asks the cluster.
///
/// # Errors
/// It cannot be reached, or does not say what it serves.
pub async fn discover(session: &Session) -> Result<Discovery, Refused> {
    let mut groups = Groups::new();
    for root in ["/api", "/apis"] {
        let body = session.ask("GET", root, ACCEPT, &[]).await?;
        let answer = decode(&body)?;
        match answer.get("kind").and_then(Value::as_str) {
            Some("APIGroupDiscoveryList") => aggregated(&answer, &mut groups),
            Some("APIVersions" | "APIGroupList") => one_by_one(session, &answer, root, &mut groups).await?,
            _ => return Err(Refused::Malformed(format!("{root} does not list what the server serves"))),
        }
    }
    Ok(settle(&groups))
}

fn decode(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Malformed(error.to_string()))
}

fn array<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn aggregated(answer: &Value, groups: &mut Groups) {
    for item in array(answer, "items") {
        let group = groups.entry(item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("").to_owned());
        let group = group.or_default();
        for version in array(item, "versions") {
            let name = word(version, "version");
            if !is_version(name) {
                group.doubt = Some(format!("it names a version {name:?}, which is none"));
                continue;
            }
            if word(version, "freshness") == "Stale" {
                group.doubt = Some(format!("the server behind its version {name} does not answer"));
            }
            let resources = array(version, "resources").map(|resource| {
                let kind = resource.pointer("/responseKind/kind").and_then(Value::as_str).unwrap_or("");
                (kind.to_owned(), word(resource, "resource").to_owned())
            });
            group.versions.push((name.to_owned(), resources.collect()));
        }
    }
}

/// Asks for each group and version of the table that the server names.
async fn one_by_one(session: &Session, answer: &Value, root: &str, groups: &mut Groups) -> Result<(), Refused> {
    let known: BTreeSet<&str> = KINDS.iter().filter(|row| row.list != List::Never).map(|row| row.group).collect();
    let mut paths: Vec<(String, String)> = Vec::new();
    for version in array(answer, "versions").filter_map(Value::as_str) {
        paths.push((String::new(), version.to_owned()));
    }
    for group in array(answer, "groups").filter(|group| known.contains(word(group, "name"))) {
        let versions = array(group, "versions").map(|version| word(version, "version").to_owned());
        paths.extend(versions.map(|version| (word(group, "name").to_owned(), version)));
    }
    for (name, version) in paths {
        let path = if name.is_empty() { format!("{root}/{version}") } else { format!("{root}/{name}/{version}") };
        let group = groups.entry(name).or_default();
        if !is_version(&version) {
            group.doubt = Some(format!("it names a version {version:?}, which is none"));
            continue;
        }
        let answer = match session.get(&path).await {
            Ok(body) => decode(&body)?,
            Err(why @ (Refused::Unauthorized(_) | Refused::Timeout | Refused::Connection(_))) => return Err(why),
            Err(why) => {
                group.doubt = Some(format!("{path}: {why}"));
                continue;
            }
        };
        let resources =
            array(&answer, "resources").map(|one| (word(one, "kind").to_owned(), word(one, "name").to_owned()));
        group.versions.push((version, resources.filter(|(_, name)| !name.contains('/')).collect()));
    }
    Ok(())
}

/// Chooses a version for each row: the newest that is known and served.
fn settle(groups: &Groups) -> Discovery {
    let mut found = Discovery::default();
    for row in KINDS.iter().filter(|row| row.list != List::Never) {
        let group = groups.get(row.group);
        let plural = plural(row.kind);
        let named: Vec<(&str, &str)> = group
            .into_iter()
            .flat_map(|group| &group.versions)
            .filter_map(|(version, all)| {
                // Other resources may answer with the same kind.
                let of_kind = || all.iter().filter(|(kind, _)| kind == row.kind);
                let own = of_kind().find(|(_, resource)| *resource == plural);
                own.or_else(|| of_kind().next()).map(|(_, resource)| (&**version, &**resource))
            })
            .collect();
        let (serving, strange): (Vec<_>, Vec<_>) = named.into_iter().partition(|(_, resource)| *resource == plural);
        let chosen = match row.versions {
            [] => serving.first(),
            known => known.iter().find_map(|known| serving.iter().find(|(version, _)| version == known)),
        };
        match (chosen, group.and_then(|group| group.doubt.as_ref())) {
            (Some((version, resource)), _) => {
                found.served.push(Served { row, version: (*version).into(), resource: (*resource).into() });
            }
            (None, _) if !serving.is_empty() => {
                let versions: Vec<&str> = serving.iter().map(|(version, _)| *version).collect();
                let why = format!("served as {} only, which is not known here", versions.join(", "));
                found.unclear.push((row, why));
            }
            (None, _) if !strange.is_empty() => {
                let names: Vec<String> = strange.iter().map(|(_, resource)| format!("{resource:?}")).collect();
                found.unclear.push((row, format!("served as {}, which is not its name, {plural}", names.join(", "))));
            }
            (None, Some(doubt)) => found.unclear.push((row, doubt.clone())),
            (None, None) => found.unserved.push(row),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn group(name: &str, versions: &[(&str, &[&str])]) -> Value {
        let resources = |kinds: &[&str]| -> Vec<Value> {
            let one =
                |kind: &&str| json!({"resource": format!("{}s", kind.to_lowercase()), "responseKind": {"kind": kind}});
            kinds.iter().map(one).collect()
        };
        let versions: Vec<Value> =
            versions.iter().map(|(v, kinds)| json!({"version": v, "resources": resources(kinds)})).collect();
        json!({"metadata": {"name": name}, "versions": versions})
    }

    #[test]
    fn the_newest_known_version_is_chosen_and_the_rest_is_named() {
        let mut groups = Groups::new();
        let items = [
            group("", &[("v1", &["Pod", "Service"])]),
            group("security.istio.io", &[("v1beta1", &["PeerAuthentication"]), ("v1", &["PeerAuthentication"])]),
            group("networking.istio.io", &[("v9", &["DestinationRule"]), ("v1alpha3", &["Sidecar"])]),
        ];
        aggregated(&json!({"items": items}), &mut groups);
        let found = settle(&groups);
        let paths: Vec<String> = found.served.iter().map(|served| served.path(Some("a b"))).collect();
        assert_eq!(
            paths,
            [
                "/api/v1/namespaces/a%20b/services",
                "/api/v1/namespaces/a%20b/pods",
                "/apis/security.istio.io/v1/namespaces/a%20b/peerauthentications",
                "/apis/networking.istio.io/v1alpha3/namespaces/a%20b/sidecars"
            ]
        );
        assert_eq!(found.unclear.len(), 1);
        assert!(found.unclear[0].1.contains("served as v9 only"));
        assert!(found.unserved.iter().any(|row| row.kind == "VirtualService"));
        assert!(!found.unserved.iter().any(|row| row.kind == "ReplicaSet"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_followed() {
        for row in KINDS {
            let name = plural(row.kind);
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{name}");
        }
        for (kind, want) in [
            ("ServiceEntry", "serviceentries"),
            ("Gateway", "gateways"),
            ("Endpoints", "endpoints"),
            ("MeshPolicy", "meshpolicies"),
            ("Sidecar", "sidecars"),
        ] {
            assert_eq!(plural(kind), want);
        }
        for (version, resource, want) in [
            ("v1", "../../../../api/v1/secrets", "which is not its name, sidecars"),
            ("v1", "secrets", "which is not its name, sidecars"),
            ("../../../api/v1", "sidecars", "which is none"),
        ] {
            let mut groups = Groups::new();
            let resources = json!([{"resource": resource, "responseKind": {"kind": "Sidecar"}}]);
            let versions = json!([{"version": version, "resources": resources}]);
            aggregated(
                &json!({"items": [{"metadata": {"name": "networking.istio.io"}, "versions": versions}]}),
                &mut groups,
            );
            let found = settle(&groups);
            assert!(found.served.is_empty(), "{resource}");
            assert!(found.unclear.iter().any(|(row, why)| row.kind == "Sidecar" && why.contains(want)), "{resource}");
        }
    }

    #[test]
    fn a_group_whose_server_is_down_is_unclear() {
        let mut groups = Groups::new();
        let mut one = group("networking.istio.io", &[("v1", &[])]);
        one["versions"][0]["freshness"] = json!("Stale");
        aggregated(&json!({"items": [one]}), &mut groups);
        assert!(settle(&groups).unclear.iter().any(|(row, _)| row.kind == "Sidecar"));
    }
}
