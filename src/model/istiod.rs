//! What istiod's own Deployments say of a mesh: which revisions there are, and the domain of Kubernetes services.

use super::read::Raw;
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
    Some(Istiod { number, revision: revision.unwrap_or("default").into(), domain: domain_of(root) })
}

/// The last of several counts, as with every flag of pilot-discovery (`pflag`).
fn domain_of(root: Node<'_>) -> Result<Box<str>, Box<str>> {
    let containers = root.find("spec.template.spec.containers");
    let all: Vec<Node<'_>> = containers.into_iter().flat_map(Node::items).collect();
    let discovery = |one: &Node<'_>| one.get("name").and_then(Node::as_str) == Some("discovery");
    let Some(container) = all.iter().copied().find(discovery).or(all.first().copied()) else {
        return Ok(DOMAIN.into());
    };
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

/// The domain that the judged one sets; `None` without istiod.
///
/// # Errors
/// Which object leaves it open, and why.
pub(super) fn domain(istiods: &[Istiod], revision: Option<&str>) -> Result<Option<String>, (usize, String)> {
    let judged = only_revision(istiods).filter(|_| revision.is_none()).or(revision).unwrap_or("default");
    let mut of_it: Vec<&Istiod> = istiods.iter().filter(|istiod| &*istiod.revision == judged).collect();
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
