//! What istiod's own Deployments say of a mesh: revisions, version, environment, and the domain of Kubernetes services.

use super::mesh_config::{Options, decides};
use super::read::Raw;
use super::version::Version;
use crate::yaml::{Document, Node};
use std::collections::BTreeSet;

/// The domain where nobody says otherwise (`pkg/config/constants : DefaultClusterLocalDomain`).
const DOMAIN: &str = "cluster.local";

/// One Deployment of istiod.
#[derive(Debug)]
pub(super) struct Istiod {
    /// Which of the objects it is.
    pub number: usize,
    /// Its revision.
    pub revision: Box<str>,
    /// Argument `--domain`; as an error where it is no name, for one, because it comes from a variable.
    domain: Result<Box<str>, Box<str>>,
    own: Own,
}

/// Version and environment of one istiod, as far as they decide something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// From the tag of its image.
    pub version: Option<Version>,
    /// Variables, as `NAME=VALUE`; of a name the last counts.
    pub env: Vec<String>,
    /// Variables whose values stand elsewhere; `envFrom` for any.
    elsewhere: Vec<String>,
}

/// The Deployments that Istio's charts and operators make: labelled `app: istiod`.
pub(super) fn istiods(raws: &[Raw], documents: &[Document]) -> Vec<Istiod> {
    let objects = raws.iter().enumerate().filter_map(|(number, raw)| {
        let root = documents.get(raw.document as usize)?.tree.node(raw.node);
        let kind = root.get("kind").and_then(Node::as_str).or(raw.from_list.as_ref().map(|listed| &*listed.1));
        (kind == Some("Deployment")).then_some((number, root))
    });
    objects.filter_map(|(number, root)| read(number, root)).collect()
}

fn read(number: usize, root: Node<'_>) -> Option<Istiod> {
    let labels = root.find("metadata.labels")?;
    labels.get("app").and_then(Node::as_str).filter(|app| *app == "istiod")?;
    let revision = labels.get("istio.io/rev").and_then(Node::as_str).filter(|revision| !revision.is_empty());
    let container = container_of(root);
    let (domain, own) = (domain_of(container), container.map(own_of).unwrap_or_default());
    Some(Istiod { number, revision: revision.unwrap_or("default").into(), domain, own })
}

/// The container `discovery`, else the first.
fn container_of(root: Node<'_>) -> Option<Node<'_>> {
    let containers = root.find("spec.template.spec.containers");
    let all: Vec<Node<'_>> = containers.into_iter().flat_map(Node::items).collect();
    let discovery = |one: &Node<'_>| one.get("name").and_then(Node::as_str) == Some("discovery");
    all.iter().copied().find(discovery).or(all.first().copied())
}

fn own_of(container: Node<'_>) -> Own {
    let tag = container.get("image").and_then(Node::as_str).and_then(|image| {
        let name = image.split('@').next()?.rsplit('/').next()?;
        name.split_once(':').map(|(_, tag)| tag)
    });
    let mut own = Own { version: tag.and_then(|tag| tag.parse().ok()), ..Own::default() };
    if container.get("envFrom").is_some_and(|list| list.items().next().is_some()) {
        own.elsewhere.push("envFrom".to_owned());
    }
    for variable in container.get("env").into_iter().flat_map(Node::items) {
        let Some(name) = variable.get("name").and_then(Node::text) else { continue };
        match variable.get("value").and_then(Node::text) {
            // A reference to another variable (Kubernetes, dependent environment variables).
            Some(value) if !value.contains("$(") => {
                own.env.extend(Some(format!("{name}={value}")).filter(|one| decides(one)))
            }
            None if variable.get("valueFrom").is_none() => {}
            _ if decides(&format!("{name}=true")) => own.elsewhere.push(name.into_owned()),
            _ => {}
        }
    }
    own
}

/// The last of several counts, as with every flag of pilot-discovery (`pflag`).
fn domain_of(container: Option<Node<'_>>) -> Result<Box<str>, Box<str>> {
    let Some(container) = container else { return Ok(DOMAIN.into()) };
    let lists = ["command", "args"].into_iter().filter_map(|key| container.get(key));
    let mut words = lists.flat_map(Node::items).map(|word| word.text().unwrap_or_default());
    let mut domain = DOMAIN.to_owned();
    while let Some(word) = words.next() {
        if word == "--domain" {
            domain = words.next().unwrap_or_default().into_owned();
        } else if let Some(value) = word.strip_prefix("--domain=") {
            value.clone_into(&mut domain);
        }
    }
    let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let whole = !domain.is_empty() && !domain.starts_with('.') && !domain.ends_with('.') && domain.chars().all(name);
    if whole { Ok(domain.into()) } else { Err(domain.into()) }
}

/// The revision, where all are of one.
pub(super) fn only_revision(istiods: &[Istiod]) -> Option<&str> {
    let all: BTreeSet<&str> = istiods.iter().map(|istiod| &*istiod.revision).collect();
    all.first().copied().filter(|_| all.len() == 1)
}

/// Those of the revision that is judged.
fn judged<'a>(istiods: &'a [Istiod], revision: Option<&str>) -> Vec<&'a Istiod> {
    let judged = only_revision(istiods).filter(|_| revision.is_none()).or(revision).unwrap_or("default");
    istiods.iter().filter(|istiod| &*istiod.revision == judged).collect()
}

/// Version and environment of the judged one; `None` without istiod. What the user says of it takes its place.
///
/// # Errors
/// Which object leaves it open, and why.
pub(super) fn own<'a>(istiods: &'a [Istiod], options: &Options) -> Result<Option<&'a Own>, (usize, String)> {
    let of_it = judged(istiods, options.revision.as_deref());
    let Some(first) = of_it.first() else { return Ok(None) };
    let typed = |name: &str| options.env.given.iter().any(|pair| pair.split('=').next() == Some(name));
    // Of variables that the user gives nothing else matters.
    let open = |own: &Own| Own {
        version: own.version.filter(|_| options.version.is_none()),
        env: own.env.iter().filter(|pair| !pair.split('=').next().is_some_and(typed)).cloned().collect(),
        elsewhere: own.elsewhere.iter().filter(|name| !typed(name)).cloned().collect(),
    };
    if let Some(other) = of_it.iter().find(|other| open(&other.own) != open(&first.own)) {
        return Err((other.number, "istiods of one revision differ in their image or environment".to_owned()));
    }
    match first.own.elsewhere.iter().find(|name| !typed(name)).map(String::as_str) {
        Some("envFrom") if options.env.given.is_empty() => {
            let flag = "pass --istiod-env NAME=VALUE for what they set, CLUSTER_ID=Kubernetes if nothing";
            Err((first.number, format!("istiod takes variables from elsewhere (envFrom): {flag}")))
        }
        Some(name) if name != "envFrom" => {
            Err((first.number, format!("istiod takes {name} from elsewhere: pass --istiod-env {name}=VALUE")))
        }
        _ => Ok(Some(&first.own)),
    }
}

/// The domain that the judged one sets; `None` without istiod.
///
/// # Errors
/// Which object leaves it open, and why.
pub(super) fn domain(istiods: &[Istiod], revision: Option<&str>) -> Result<Option<String>, (usize, String)> {
    let mut of_it = judged(istiods, revision);
    if of_it.is_empty() {
        of_it = istiods.iter().collect();
    }
    let mut found: Option<&str> = None;
    for istiod in of_it {
        match (&istiod.domain, found) {
            (Err(text), _) => {
                return Err((istiod.number, format!("argument --domain of istiod is {text:?}, which is no name")));
            }
            (Ok(domain), Some(other)) if &**domain != other => {
                let why = format!("istiods differ in their argument --domain: {other} and {domain}");
                return Err((istiod.number, why));
            }
            (Ok(domain), _) => found = Some(domain),
        }
    }
    Ok(found.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use crate::model::Version;
    use crate::model::load_text;
    use crate::model::mesh_config::Options;

    fn istiod(name: &str, revision: &str, args: &str) -> String {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: istio-system, labels: {{app: istiod, istio.io/rev: {revision:?}}}}}\n\
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: other}}, {{name: discovery, args: {args}}}]}}}}}}\n---\n"
        )
    }

    #[test]
    fn the_domain_is_istiod_s_argument() {
        let corp = r#"["discovery", "--domain", "corp.local"]"#;
        for (istiods, revision, want) in [
            (vec![("default", r#"["discovery", "--monitoringAddr=:15014"]"#)], None, Some("cluster.local")),
            (vec![("default", corp)], None, Some("corp.local")),
            (vec![("", corp)], None, Some("corp.local")),
            (vec![("canary", corp)], None, Some("corp.local")),
            (vec![("default", r#"["--domain=a.b", "--domain=corp.local"]"#)], None, Some("corp.local")),
            (vec![("default", corp), ("canary", "[]")], None, Some("corp.local")),
            (vec![("default", corp), ("canary", "[]")], Some("canary"), Some("cluster.local")),
            (vec![("a", corp), ("b", "[]")], None, None),
            (vec![("a", corp), ("b", corp)], None, Some("corp.local")),
            (vec![("default", corp), ("default", "[]")], None, None),
            (vec![("default", r#"["--domain", "$(DOMAIN)"]"#)], None, None),
            (vec![("default", r#"["--domain"]"#)], None, None),
        ] {
            let texts = istiods.iter().enumerate().map(|(n, (rev, args))| istiod(&format!("istiod-{n}"), rev, args));
            let text = texts.collect::<String>()
                + "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
            let mesh = load_text(text, Options { revision: revision.map(str::to_owned), ..Options::default() });
            let host = mesh.services.iter().map(|service| service.host.as_str()).next().unwrap();
            match want {
                Some(domain) => {
                    assert_eq!((host, mesh.taints.len()), (&*format!("web.shop.svc.{domain}"), 0), "{istiods:?}");
                }
                None => assert!(mesh.taints.iter().any(|one| one.reason.contains("--domain")), "{istiods:?}"),
            }
        }
    }

    #[test]
    fn image_and_environment_count_unless_the_user_says_otherwise() {
        let istiod = |name: &str, image: &str, env: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: istio-system, labels: {{app: istiod}}}}\n\
                 spec: {{template: {{spec: {{containers: [{{name: discovery, image: {image:?}, {env}}}]}}}}}}\n---\n"
            )
        };
        let ignore = "env: [{name: PILOT_IGNORE_RESOURCES, value: '*.istio.io'}, {name: POD_NAME, valueFrom: {}}]";
        let elsewhere = "env: [{name: PILOT_IGNORE_RESOURCES, valueFrom: {}}]";
        let from = "envFrom: [{configMapRef: {name: a}}]";
        let one = |image: &str, env: &str| istiod("istiod", image, env);
        for (text, typed, version, ignored, taints) in [
            (one("x:5000/istio/pilot:1.20.3@sha256:a", ignore), None, Version::one(20), 1, 0),
            (one("pilot", ""), None, Version::NEWEST, 0, 0),
            (one("pilot:latest", ignore), Some("PILOT_IGNORE_RESOURCES="), Version::NEWEST, 0, 0),
            (one("pilot:1.20", elsewhere), None, Version::NEWEST, 0, 1),
            (one("pilot:1.20", elsewhere), Some("PILOT_IGNORE_RESOURCES=a.b"), Version::one(20), 1, 0),
            (one("pilot:1.20", from), None, Version::NEWEST, 0, 1),
            (one("pilot:1.20", from), Some("CLUSTER_ID=Kubernetes"), Version::one(20), 0, 0),
            (one("pilot:1.20", "") + &istiod("other", "pilot:1.21", ""), None, Version::NEWEST, 0, 1),
            (one("pilot:1.20", "") + &istiod("other", "pilot:1.20", ignore), None, Version::NEWEST, 0, 1),
            (one("pilot:1.20", ignore) + &istiod("other", "pilot:1.20", ignore), None, Version::one(20), 1, 0),
        ] {
            let mut options = Options::default();
            typed.map(|pair| options.env.set(pair)).transpose().unwrap();
            let mesh = load_text(&*text, options);
            let found = (mesh.version, mesh.options.env.ignored.len(), mesh.taints.len());
            assert_eq!(found, (version, ignored, taints), "{text} {typed:?}");
        }
    }

    #[test]
    fn istiods_of_other_revisions_are_known() {
        for (there, named, revision, others) in [
            (vec!["default"], None, "default", false),
            (vec!["default", "canary"], None, "default", true),
            (vec!["canary"], None, "canary", false),
            (vec!["default", "canary"], Some("canary"), "canary", true),
        ] {
            let text: String =
                there.iter().enumerate().map(|(n, rev)| istiod(&format!("istiod-{n}"), rev, "[]")).collect();
            let mesh = load_text(text, Options { revision: named.map(str::to_owned), ..Options::default() });
            assert_eq!((&*mesh.revision, mesh.other_revisions), (revision, others), "{there:?}");
        }
    }
}
